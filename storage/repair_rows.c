/* The repair of packed rows: segments, with what is counted of them, and the graveyard. */
#include "storage/changes.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/repair_private.h"
#include "storage/roster_private.h"
#include "storage/segment.h"

#include <inttypes.h>

/* A mailbox in the making. */
struct mending {
	struct repair *r;
	struct account *a;
	struct mailbox_info info;
	uint32_t messages, unseen, deleted, last_uid;
	uint64_t bytes;
	struct roster_entry *loose; /* messages whose UIDs are out of order */
	size_t loose_n, loose_cap;
};

static bool unpack(struct bytes data, struct segment_room *room, uint32_t *n)
{
	struct message_columns columns = segment_room_columns(room);
	return segment_count(data, n) == STORE_OK && segment_unpack(data, &columns) == STORE_OK && *n > 0;
}

static enum store_err delete_segment(struct account *a, int64_t id)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM segment WHERE id=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	return db_run(&a->db, stmt);
}

static enum store_err write_segment(struct account *a, int64_t id, const struct segment_room *room, uint32_t n)
{
	unsigned char packed[SEGMENT_BYTES_MAX];
	uint32_t unseen = 0, deleted = 0;
	uint64_t modseq = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t system = flagset_system(a, room->flagset[i]);
		unseen += !(system & FLAG_SEEN);
		deleted += (system & FLAG_DELETED) != 0;
		modseq = room->modseq[i] > modseq ? room->modseq[i] : modseq;
	}
	struct roster_slice slice = segment_room_slice(room, n);
	size_t len = segment_pack(&slice, packed);
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO segment VALUES(?,?,?,?,?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_int64(stmt, 2, n);
		sqlite3_bind_int64(stmt, 3, (int64_t)modseq);
		sqlite3_bind_int64(stmt, 4, unseen);
		sqlite3_bind_int64(stmt, 5, deleted);
		sqlite3_bind_blob64(stmt, 6, packed, len, SQLITE_STATIC);
	}
	return db_run(&a->db, stmt);
}

/* The size of the content; false: it is not there (which repair_uses() finds). */
static bool content_size(struct account *a, int64_t content, uint32_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT size FROM content WHERE id=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, content);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return false;
	*out = (uint32_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return true;
}

static void keep_loose(struct mending *m, const struct segment_room *room, uint32_t n)
{
	struct roster_slice slice = segment_room_slice(room, n);
	for (uint32_t i = 0; i < n; i++) {
		if (m->loose_n == m->loose_cap) {
			m->loose_cap = m->loose_cap ? 2 * m->loose_cap : 256;
			m->loose = xrealloc(m->loose, m->loose_cap * sizeof(*m->loose));
		}
		m->loose[m->loose_n++] = roster_entry_at(&slice, i);
	}
}

/* What is in its columns; returns whether something was wrong. */
static bool mend_columns(struct account *a, struct segment_room *room, uint32_t n)
{
	bool wrong = false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = room->size[i];
		bool unknown = room->flagset[i] >= a->flags->n;
		bool ahead = room->modseq[i] > a->modseq;
		wrong = wrong || unknown || ahead || (content_size(a, room->content[i], &size) && size != room->size[i]);
		room->flagset[i] = unknown ? 0 : room->flagset[i];
		room->modseq[i] = ahead ? a->modseq : room->modseq[i];
		room->size[i] = size;
	}
	return wrong;
}

static enum store_err take_segment(struct mending *m, int64_t id, struct bytes data, const int64_t summary[4])
{
	struct segment_room room;
	struct account *a = m->a;
	uint32_t n = 0, low = (uint32_t)id;
	if (!unpack(data, &room, &n)) {
		repair_told(m->r, "mailbox %" PRId64 ": a segment of %" PRId64 " messages cannot be read, and is taken out", m->info.id,
			    summary[0]);
		m->r->has_lost_segments = m->r->uids_are_in_doubt = true;
		return delete_segment(a, id);
	}
	bool wrong = mend_columns(a, &room, n);
	if (room.uid[0] <= m->last_uid || room.uid[n - 1] == UINT32_MAX) {
		repair_told(m->r, "mailbox %" PRId64 ": %u messages have UIDs out of order, and get new ones", m->info.id, n);
		/* What should have been in the row is perhaps named by nobody now. */
		m->r->uids_are_in_doubt = m->r->has_lost_segments = true;
		keep_loose(m, &room, n);
		return delete_segment(a, id);
	}
	uint32_t unseen = 0, deleted = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t system = flagset_system(a, room.flagset[i]);
		unseen += !(system & FLAG_SEEN);
		deleted += (system & FLAG_DELETED) != 0;
		m->bytes += room.size[i];
	}
	wrong = wrong || low == 0 || low > room.uid[0] || summary[0] != n || summary[2] != unseen || summary[3] != deleted;
	uint64_t highest = 0;
	for (uint32_t i = 0; i < n; i++)
		highest = room.modseq[i] > highest ? room.modseq[i] : highest;
	wrong = wrong || (uint64_t)summary[1] < highest || (uint64_t)summary[1] > a->modseq;
	m->messages += n;
	m->unseen += unseen;
	m->deleted += deleted;
	m->last_uid = room.uid[n - 1];
	if (!wrong)
		return STORE_OK;
	repair_told(m->r, "mailbox %" PRId64 ": a segment of %u messages is put right", m->info.id, n);
	enum store_err err = delete_segment(a, id);
	return err ? err : write_segment(a, segment_key(m->info.id, low && low <= room.uid[0] ? low : room.uid[0]), &room, n);
}

static enum store_err take_segments(struct mending *m)
{
	int64_t at = segment_key(m->info.id, 0) - 1;
	enum store_err err = STORE_OK;
	while (!err) {
		sqlite3_stmt *stmt = db_prepare(&m->a->db, "SELECT id, count, modseq, unseen, deleted, data FROM segment"
							   " WHERE id>? AND id<=? ORDER BY id LIMIT 1");
		if (stmt) {
			sqlite3_bind_int64(stmt, 1, at);
			sqlite3_bind_int64(stmt, 2, segment_key(m->info.id, UINT32_MAX));
		}
		if (!db_next(&m->a->db, stmt, &err))
			break;
		at = sqlite3_column_int64(stmt, 0);
		const int64_t summary[4] = {sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
					    sqlite3_column_int64(stmt, 3), sqlite3_column_int64(stmt, 4)};
		size_t len = (size_t)sqlite3_column_bytes(stmt, 5);
		unsigned char *copy = xmalloc(len); /* the row is about to be written */
		memcpy(copy, sqlite3_column_blob(stmt, 5), len);
		sqlite3_reset(stmt);
		err = take_segment(m, at, (struct bytes){(const char *)copy, len}, summary);
		free(copy);
	}
	return err;
}

static enum store_err write_counters(struct mending *m)
{
	const struct mailbox_info *i = &m->info;
	bool is_low = i->uidnext <= m->last_uid || i->uidnext == 0;
	uint32_t uidnext = is_low ? m->last_uid + 1 : i->uidnext;
	uint32_t recent = i->recent < uidnext ? i->recent : uidnext - 1;
	if (!is_low && recent == i->recent && i->messages == m->messages && i->unseen == m->unseen && i->deleted == m->deleted &&
	    i->bytes == m->bytes)
		return STORE_OK;
	m->r->uids_are_in_doubt = m->r->uids_are_in_doubt || is_low;
	/* A row is missing; but for that the counter may be wrong, and then nothing is found that lost its name. */
	m->r->has_lost_segments = m->r->has_lost_segments || m->messages + m->loose_n < i->messages;
	repair_told(m->r, "mailbox %" PRId64 ": counted afresh: %u messages, %u unseen, %u deleted, UIDNEXT %u", i->id, m->messages,
		    m->unseen, m->deleted, uidnext);
	sqlite3_stmt *stmt = db_prepare(&m->a->db, "UPDATE mailbox SET messages=?, unseen=?, deleted=?, bytes=?, uidnext=?, recent=?"
						   " WHERE id=?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, m->messages);
		sqlite3_bind_int64(stmt, 2, m->unseen);
		sqlite3_bind_int64(stmt, 3, m->deleted);
		sqlite3_bind_int64(stmt, 4, (int64_t)m->bytes);
		sqlite3_bind_int64(stmt, 5, uidnext);
		sqlite3_bind_int64(stmt, 6, recent);
		sqlite3_bind_int64(stmt, 7, i->id);
	}
	return db_run(&m->a->db, stmt);
}

/* The messages that lost their UIDs come at the end. */
static enum store_err append_loose(struct mending *m)
{
	struct roster *r;
	if (m->loose_n == 0)
		return STORE_OK;
	enum store_err err = roster_get(m->a, m->info.id, &r);
	for (size_t i = 0; i < m->loose_n && !err; i++) {
		struct roster_entry e = m->loose[i];
		e.uid = r->info.uidnext++;
		e.modseq = account_modseq(m->a);
		roster_append(m->a, r, &e);
	}
	return err;
}

static enum store_err next_mailbox(struct account *a, int64_t *id, struct mailbox_info *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, " MAILBOX_INFO_COLUMNS " FROM mailbox WHERE id>? AND state=0"
						" ORDER BY id LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, *id);
	enum store_err err;
	*out = (struct mailbox_info){0};
	if (!db_next(&a->db, stmt, &err)) {
		*id = 0;
		return err;
	}
	*id = sqlite3_column_int64(stmt, 0);
	*out = mailbox_read(stmt, *id, 1);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err repair_segments(struct repair *r, struct account *a)
{
	int64_t id = 0;
	struct mending m = {.r = r, .a = a};
	enum store_err err = next_mailbox(a, &id, &m.info);
	while (!err && id) {
		err = take_segments(&m);
		if (!err)
			err = write_counters(&m);
		if (!err)
			err = append_loose(&m);
		free(m.loose);
		m = (struct mending){.r = r, .a = a};
		if (!err)
			err = next_mailbox(a, &id, &m.info);
	}
	return err;
}

/* ---- the graveyard ---- */

struct grave {
	int64_t mailbox, modseq, part;
};

static enum store_err delete_grave(struct account *a, const struct grave *g)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM gone WHERE mailbox=? AND modseq=? AND part=?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, g->mailbox);
		sqlite3_bind_int64(stmt, 2, g->modseq);
		sqlite3_bind_int64(stmt, 3, g->part);
	}
	return db_run(&a->db, stmt);
}

static enum store_err write_grave(struct account *a, const struct grave *g, const struct segment_room *room, uint32_t n)
{
	unsigned char packed[SEGMENT_BYTES_MAX];
	struct roster_slice slice = segment_room_slice(room, n);
	size_t len = segment_pack(&slice, packed);
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO gone VALUES(?,?,?,?,?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, g->mailbox);
		sqlite3_bind_int64(stmt, 2, g->modseq);
		sqlite3_bind_int64(stmt, 3, g->part);
		sqlite3_bind_int64(stmt, 4, room->uid[0]);
		sqlite3_bind_int64(stmt, 5, room->uid[n - 1]);
		sqlite3_bind_blob64(stmt, 6, packed, len, SQLITE_STATIC);
	}
	return db_run(&a->db, stmt);
}

/* Leaves out entry `i`. */
static void drop_entry(struct segment_room *room, uint32_t i, uint32_t *n)
{
	for (uint32_t k = i; k + 1 < *n; k++) {
		room->uid[k] = room->uid[k + 1];
		room->flagset[k] = room->flagset[k + 1];
		room->size[k] = room->size[k + 1];
		room->modseq[k] = room->modseq[k + 1];
		room->internal_date[k] = room->internal_date[k + 1];
		room->save_date[k] = room->save_date[k + 1];
		room->content[k] = room->content[k + 1];
		room->zone_min[k] = room->zone_min[k + 1];
	}
	--*n;
}

static enum store_err take_grave(struct repair *r, struct account *a, const struct grave *g, int64_t low, int64_t high,
				 struct bytes data)
{
	struct segment_room room;
	uint32_t n = 0;
	if (!unpack(data, &room, &n)) {
		repair_told(r, "graveyard of mailbox %" PRId64 ": a part cannot be read, and is taken out: what was expunged then cannot"
			       " be had back", g->mailbox);
		return delete_grave(a, g);
	}
	bool wrong = low != room.uid[0] || high != room.uid[n - 1];
	for (uint32_t i = 0; i < n;) {
		uint32_t size = room.size[i];
		bool is_there = content_size(a, room.content[i], &size) && !repair_is_damaged(r, room.content[i]);
		bool bad = room.flagset[i] >= a->flags->n || room.modseq[i] > (uint64_t)g->modseq || size != room.size[i];
		room.flagset[i] = room.flagset[i] >= a->flags->n ? 0 : room.flagset[i];
		room.modseq[i] = room.modseq[i] > (uint64_t)g->modseq ? (uint64_t)g->modseq : room.modseq[i];
		room.size[i] = size;
		wrong = wrong || bad || !is_there;
		if (is_there)
			i++;
		else
			drop_entry(&room, i, &n);
	}
	if (!wrong)
		return STORE_OK;
	repair_told(r, "graveyard of mailbox %" PRId64 ": a part is put right; %u messages are in it", g->mailbox, n);
	return n ? write_grave(a, g, &room, n) : delete_grave(a, g);
}

enum store_err repair_graveyard(struct repair *r, struct account *a)
{
	struct grave g = {INT64_MIN, 0, 0};
	enum store_err err = STORE_OK;
	while (!err) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT mailbox, modseq, part, low, high, data FROM gone"
							" WHERE (mailbox, modseq, part)>(?,?,?) ORDER BY mailbox, modseq, part LIMIT 1");
		if (stmt) {
			sqlite3_bind_int64(stmt, 1, g.mailbox);
			sqlite3_bind_int64(stmt, 2, g.modseq);
			sqlite3_bind_int64(stmt, 3, g.part);
		}
		if (!db_next(&a->db, stmt, &err))
			break;
		g = (struct grave){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2)};
		int64_t low = sqlite3_column_int64(stmt, 3), high = sqlite3_column_int64(stmt, 4);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 5);
		unsigned char *copy = xmalloc(len);
		memcpy(copy, sqlite3_column_blob(stmt, 5), len);
		sqlite3_reset(stmt);
		err = take_grave(r, a, &g, low, high, (struct bytes){(const char *)copy, len});
		free(copy);
	}
	return err;
}
