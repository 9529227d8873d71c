/*
 * The tables of an account's index.db.  docs/storage-format.md says more.
 *
 *   meta          what concerns the file: an unclean stop, under which boot; which UIDVALIDITYs are shared
 *   mailbox       one row a mailbox; its path is leaf under parent.  RENAME of a tree is one row.  Row 0 is the root: its
 *                 modseq is the account's last, its uidvalidity the last one given, its floor the journal's, and writing
 *                 it costs no page of its own
 *   subscription  full names; survives DELETE, does not follow RENAME (RFC 9051 6.3.7)
 *   segment       a packed slice of a mailbox's roster (segment.h) and its summary; the key is mailbox << 32 | a bound at
 *                 most its lowest UID, an integer because leaves of rowid tables hold larger rows without overflow pages
 *   gone          the graveyard: what was expunged at a modseq, whole, in the segment's format (gone.h)
 *   change        the journal: what an op did to a mailbox, when, by whom (changes.h), in the order of modseqs.  Its key
 *                 is a number and no more: a key of modseq and mailbox would have SQLite read the whole row before,
 *                 megabytes of flag changes perhaps, to place the next one
 *   actor         logins and devices that the journal names
 *   flagset       distinct sets of flags; a message's flags are one such id.  The empty set is 0 and has no row
 *   content       what is derived from a message's bytes, computed once at delivery
 *   keys          what SORT and THREAD compare, apart so that reading all of a mailbox reads little (keys.h)
 *   seen          digests of messages delivered of late (seen.h)
 *   imported      modseqs of what imports from other servers changed, as ranges (imported.h)
 *   thread        which thread a Message-ID belongs to (thread.h)
 *   header, body  the bytes, apart so that lists never read past them; see content.c
 */
#include "storage/schema.h"

const char account_schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
	"CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, leaf TEXT NOT NULL,"
	" objectid TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL,"
	" floor INTEGER NOT NULL, expunge_modseq INTEGER NOT NULL, messages INTEGER NOT NULL, unseen INTEGER NOT NULL,"
	" deleted INTEGER NOT NULL, bytes INTEGER NOT NULL, recent INTEGER NOT NULL, special INTEGER NOT NULL,"
	" state INTEGER NOT NULL, UNIQUE(parent, leaf));"
	"INSERT INTO mailbox VALUES(0, -1, '', '', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);"
	"CREATE TABLE metadata(mailbox INTEGER, name TEXT COLLATE NOCASE, value BLOB NOT NULL,"
	" PRIMARY KEY(mailbox, name)) WITHOUT ROWID;"
	"CREATE TABLE subscription(name TEXT PRIMARY KEY) WITHOUT ROWID;"
	"CREATE TABLE segment(id INTEGER PRIMARY KEY, count INTEGER NOT NULL, modseq INTEGER NOT NULL,"
	" unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, data BLOB NOT NULL);"
	"CREATE TABLE gone(mailbox INTEGER, modseq INTEGER, part INTEGER, low INTEGER NOT NULL, high INTEGER NOT NULL,"
	" data BLOB NOT NULL, PRIMARY KEY(mailbox, modseq, part)) WITHOUT ROWID;"
	"CREATE TABLE change(id INTEGER PRIMARY KEY, modseq INTEGER NOT NULL, mailbox INTEGER NOT NULL,"
	" kinds INTEGER NOT NULL, at INTEGER NOT NULL, actor INTEGER NOT NULL, first_uid INTEGER, last_uid INTEGER,"
	" flags BLOB, name TEXT);"
	"CREATE TABLE actor(id INTEGER PRIMARY KEY, login TEXT NOT NULL, device TEXT NOT NULL, UNIQUE(login, device));"
	"CREATE TABLE flagset(id INTEGER PRIMARY KEY, system INTEGER NOT NULL, keywords TEXT NOT NULL);"
	"CREATE TABLE content(id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL, size INTEGER NOT NULL,"
	" header_len INTEGER NOT NULL, parser INTEGER NOT NULL, sent INTEGER, envelope BLOB, body BLOB,"
	" bodystructure BLOB, parts BLOB, preview BLOB, thread_id INTEGER NOT NULL);"
	"CREATE INDEX content_digest ON content(digest);"
	"CREATE TABLE keys(content INTEGER PRIMARY KEY, sent INTEGER, reply INTEGER NOT NULL, subject BLOB, sender BLOB,"
	" recipient BLOB, copied BLOB, sender_name BLOB, recipient_name BLOB, ids BLOB,"
	" day INTEGER);"
	"CREATE TABLE seen(id INTEGER PRIMARY KEY, digest BLOB NOT NULL, at INTEGER NOT NULL);"
	"CREATE INDEX seen_digest ON seen(digest);"
	"CREATE TABLE imported(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
	"CREATE TABLE thread(key INTEGER PRIMARY KEY, id INTEGER NOT NULL);"
	"CREATE TABLE header(content INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE body(content INTEGER PRIMARY KEY, frames BLOB NOT NULL, data BLOB);";
