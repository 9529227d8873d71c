/*
 * The tables of an account's index.db.
 *
 *   mailbox       one row a mailbox; its path is leaf under parent (0 is the root).  RENAME of a tree is one row
 *   subscription  full names; survives DELETE, does not follow RENAME (RFC 9051 6.3.7)
 *   segment       a packed slice of a mailbox's roster, see segment.c; the key is a low bound of its UIDs
 *   gone          what was expunged at a modseq, in the segment's format
 *   change        the journal: which mailbox an op touched, what it did
 *   flagset       distinct sets of flags; a message's flags are one such id
 *   content       what is derived from a message's bytes, computed once at delivery
 *   header, body  the bytes, apart so that lists never read past them; see content.c
 */
#include "storage/schema.h"

const char account_schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
	"CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, leaf TEXT NOT NULL,"
	" uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, modseq INTEGER NOT NULL, floor INTEGER NOT NULL,"
	" messages INTEGER NOT NULL, unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" recent INTEGER NOT NULL, special INTEGER NOT NULL, state INTEGER NOT NULL, UNIQUE(parent, leaf));"
	"CREATE TABLE subscription(name TEXT PRIMARY KEY) WITHOUT ROWID;"
	"CREATE TABLE segment(mailbox INTEGER, low INTEGER, data BLOB NOT NULL, PRIMARY KEY(mailbox, low))"
	" WITHOUT ROWID;"
	"CREATE TABLE gone(mailbox INTEGER, modseq INTEGER, part INTEGER, at INTEGER NOT NULL, data BLOB NOT NULL,"
	" PRIMARY KEY(mailbox, modseq, part)) WITHOUT ROWID;"
	"CREATE TABLE change(mailbox INTEGER, modseq INTEGER, at INTEGER NOT NULL, PRIMARY KEY(mailbox, modseq))"
	" WITHOUT ROWID;"
	"CREATE TABLE flagset(id INTEGER PRIMARY KEY, system INTEGER NOT NULL, keywords TEXT NOT NULL,"
	" UNIQUE(system, keywords));"
	"CREATE TABLE content(id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL, size INTEGER NOT NULL,"
	" header_len INTEGER NOT NULL, parser INTEGER NOT NULL, sent INTEGER, envelope BLOB, body BLOB,"
	" bodystructure BLOB, parts BLOB, sort BLOB, thread BLOB, preview BLOB);"
	"CREATE INDEX content_digest ON content(digest);"
	"CREATE TABLE header(content INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE body(content INTEGER PRIMARY KEY, frames BLOB NOT NULL, data BLOB);";
