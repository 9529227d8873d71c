/* The check of messages: segments against their checksums, the mailbox's counters and the contents they name; the
 * graveyard. */
#include "storage/check_private.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/roster_private.h"
#include "storage/segment.h"

#include <inttypes.h>

enum { ROWS = 8 };

/* What a mailbox's segments sum up to. */
struct sums {
	uint32_t messages, unseen, deleted, last_uid;
	uint64_t bytes;
};

/* Reads a packed row; false when it cannot be. */
static bool unpack(sqlite3_stmt *stmt, int column, struct segment_room *room, uint32_t *n)
{
	struct bytes data = {sqlite3_column_blob(stmt, column), (size_t)sqlite3_column_bytes(stmt, column)};
	struct message_columns columns = segment_room_columns(room);
	return segment_count(data, n) == STORE_OK && segment_unpack(data, &columns) == STORE_OK;
}

static const char *segment_fault(const struct check *c, const struct mailbox_info *m, sqlite3_stmt *stmt,
				 struct sums *sums)
{
	struct segment_room room;
	uint32_t n = 0, low = (uint32_t)sqlite3_column_int64(stmt, 0), unseen = 0, deleted = 0;
	uint64_t modseq_max = 0;
	if (!unpack(stmt, 5, &room, &n))
		return "its checksum or its form does not hold";
	if (low == 0 || room.uid[0] < low || room.uid[0] <= sums->last_uid)
		return "its UIDs do not come after those before";
	for (uint32_t i = 0; i < n; i++) {
		if (room.flagset[i] >= c->a->flags->n)
			return "it names a flag set that is not there";
		uint32_t system = flagset_system(c->a, room.flagset[i]);
		unseen += !(system & FLAG_SEEN);
		deleted += (system & FLAG_DELETED) != 0;
		modseq_max = room.modseq[i] > modseq_max ? room.modseq[i] : modseq_max;
		sums->bytes += room.size[i];
	}
	sums->messages += n;
	sums->unseen += unseen;
	sums->deleted += deleted;
	sums->last_uid = room.uid[n - 1];
	if (sums->last_uid >= m->uidnext)
		return "it has a UID that is not below UIDNEXT";
	if (modseq_max > m->modseq)
		return "it has a modseq above the mailbox's";
	/* The summary's modseq may be that of a message that is gone. */
	uint64_t summary = (uint64_t)sqlite3_column_int64(stmt, 2);
	if (sqlite3_column_int64(stmt, 1) != n || summary < modseq_max || summary > m->modseq ||
	    sqlite3_column_int64(stmt, 3) != unseen || sqlite3_column_int64(stmt, 4) != deleted)
		return "its summary does not agree with its messages";
	return NULL;
}

static void check_counters(struct check *c, const struct mailbox_info *m, const struct sums *sums)
{
	static const char *const names[] = {"messages", "unseen", "deleted", "bytes"};
	const uint64_t row[] = {m->messages, m->unseen, m->deleted, m->bytes};
	const uint64_t found[] = {sums->messages, sums->unseen, sums->deleted, sums->bytes};
	for (size_t i = 0; i < countof(names); i++)
		if (row[i] != found[i])
			check_report(c, CHECK_DAMAGE, "mailbox %" PRId64 ": its row says %s %" PRIu64 ", there are %" PRIu64,
				     m->id, names[i], row[i], found[i]);
}

static enum store_err check_segments(struct check *c, const struct mailbox_info *m)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT id & 4294967295, count, modseq, unseen, deleted, data"
						   " FROM segment WHERE id BETWEEN ? AND ? ORDER BY id");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, segment_key(m->id, 0));
		sqlite3_bind_int64(stmt, 2, segment_key(m->id, UINT32_MAX));
	}
	struct sums sums = {0};
	enum store_err err;
	bool sound = true;
	while (db_next(&c->a->db, stmt, &err)) {
		const char *fault = segment_fault(c, m, stmt, &sums);
		if (!fault)
			continue;
		sound = false;
		check_report(c, CHECK_DAMAGE, "mailbox %" PRId64 ", segment %" PRId64 ": %s", m->id,
			     (int64_t)sqlite3_column_int64(stmt, 0), fault);
	}
	if (!err && sound)
		check_counters(c, m, &sums);
	c->counts.messages += sums.messages;
	return err;
}

/* One mailbox a slice: its counters and its segments are one state. */
enum store_err check_mailboxes(struct check *c)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT id, " MAILBOX_INFO_COLUMNS " FROM mailbox WHERE id>?"
						   " ORDER BY id LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, c->at.a);
	enum store_err err;
	if (!db_next(&c->a->db, stmt, &err)) {
		check_next_phase(c);
		return err;
	}
	c->at.a = sqlite3_column_int64(stmt, 0);
	struct mailbox_info info = mailbox_read(stmt, c->at.a, 1);
	sqlite3_reset(stmt);
	c->counts.mailboxes++;
	return check_segments(c, &info);
}

/* Each content is there, of the size that the message has. */
static enum store_err check_contents_of(struct check *c, const struct segment_room *room, uint32_t n, const char *where,
					int64_t row)
{
	static const char sql[] = "SELECT size FROM content WHERE id=?";
	enum store_err err = STORE_OK;
	for (uint32_t i = 0; i < n && !err; i++) {
		sqlite3_stmt *stmt = db_prepare(&c->a->db, sql);
		if (stmt)
			sqlite3_bind_int64(stmt, 1, room->content[i]);
		if (db_next(&c->a->db, stmt, &err)) {
			if (sqlite3_column_int64(stmt, 0) != room->size[i])
				check_report(c, CHECK_DAMAGE,
					     "%s %" PRId64 ", UID %u: content %" PRId64 " has %" PRId64
					     " bytes, the message %u",
					     where, row, room->uid[i], room->content[i],
					     (int64_t)sqlite3_column_int64(stmt, 0), room->size[i]);
			sqlite3_reset(stmt);
		} else if (!err) {
			check_report(c, CHECK_DAMAGE, "%s %" PRId64 ", UID %u: content %" PRId64 " is not there", where,
				     row, room->uid[i], room->content[i]);
		}
	}
	return err;
}

enum store_err check_messages(struct check *c)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT id, data, EXISTS(SELECT 1 FROM mailbox m WHERE"
						   " m.id=segment.id>>32) FROM segment WHERE id>? ORDER BY id LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, c->at.a);
		sqlite3_bind_int64(stmt, 2, ROWS);
	}
	enum store_err err;
	bool any = false;
	struct segment_room room;
	while (db_next(&c->a->db, stmt, &err)) {
		uint32_t n;
		any = true;
		c->at.a = sqlite3_column_int64(stmt, 0);
		if (!sqlite3_column_int(stmt, 2))
			check_report(c, CHECK_GARBAGE, "segment %" PRId64 ": its mailbox is not there", c->at.a);
		if (unpack(stmt, 1, &room, &n)) /* said before, where not */
			err = check_contents_of(c, &room, n, "mailbox", c->at.a >> 32);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	if (!err && !any)
		check_next_phase(c);
	return err;
}

static enum store_err check_part(struct check *c, sqlite3_stmt *stmt)
{
	struct segment_room room;
	uint32_t n = 0;
	int64_t mailbox = sqlite3_column_int64(stmt, 0), modseq = sqlite3_column_int64(stmt, 1);
	if ((uint64_t)modseq > c->a->modseq)
		check_report(c, CHECK_DAMAGE, "graveyard of mailbox %" PRId64 ": modseq %" PRId64 " is above the account's",
			     mailbox, modseq);
	if (!unpack(stmt, 5, &room, &n) || n == 0 || room.uid[0] != sqlite3_column_int64(stmt, 3) ||
	    room.uid[n - 1] != sqlite3_column_int64(stmt, 4)) {
		check_report(c, CHECK_DAMAGE, "graveyard of mailbox %" PRId64 ", modseq %" PRId64 ": cannot be read", mailbox,
			     modseq);
		return STORE_OK;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (room.flagset[i] < c->a->flags->n && room.modseq[i] <= (uint64_t)modseq)
			continue;
		check_report(c, CHECK_DAMAGE, "graveyard of mailbox %" PRId64 ", UID %u: makes no sense", mailbox,
			     room.uid[i]);
	}
	return check_contents_of(c, &room, n, "graveyard of mailbox", mailbox);
}

enum store_err check_graveyard(struct check *c)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT mailbox, modseq, part, low, high, data FROM gone"
						   " WHERE (mailbox, modseq, part)>(?,?,?)"
						   " ORDER BY mailbox, modseq, part LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, c->at.a);
		sqlite3_bind_int64(stmt, 2, c->at.b);
		sqlite3_bind_int64(stmt, 3, c->at.c);
		sqlite3_bind_int64(stmt, 4, ROWS);
	}
	enum store_err err;
	bool any = false;
	while (db_next(&c->a->db, stmt, &err)) {
		any = true;
		c->at = (struct check_place){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
					     sqlite3_column_int64(stmt, 2)};
		err = check_part(c, stmt);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	if (!err && !any)
		check_next_phase(c);
	return err;
}
