/*
 * Rosters on disk: rows of `segment` and the counters in `mailbox`.  Reading believes nothing: a segment whose checksum,
 * order of UIDs or flag sets do not hold is STORE_CORRUPT.  Writing happens once an op, for what the op changed.
 */
#include "storage/roster_private.h"

#include "storage/flagset.h"
#include "storage/mailbox.h"
#include "storage/sweep.h"

static enum store_err read_segment(struct account *a, struct roster *r, int64_t key, struct bytes data)
{
	uint32_t n, uid[SEGMENT_MESSAGES], low = (uint32_t)key;
	enum store_err err = segment_count(data, &n);
	if (err)
		return err;
	struct segment *s = roster_add_segment(r);
	segment_reserve(s, n);
	struct message_columns c = segment_columns(s);
	c.uid = uid;
	err = segment_unpack(data, &c);
	if (err)
		return err;
	if (uid[0] < low || low == 0 || uid[0] <= uids_last(&r->uids) || uid[n - 1] >= r->info.uidnext)
		return STORE_CORRUPT;
	uint64_t max = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (c.flagset[i] >= a->flags->n)
			return STORE_CORRUPT;
		max = c.modseq[i] > max ? c.modseq[i] : max;
	}
	r->modseq_max[r->segments_n - 1] = max;
	s->low = low;
	s->count = n;
	memcpy(uids_add_chunk(&r->uids, n, UIDMAP_CHUNK, uid[0]), uid, n * sizeof(*uid));
	roster_count_segment(a, r, s);
	return STORE_OK;
}

static enum store_err read_segments(struct account *a, struct roster *r)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, data FROM segment WHERE id BETWEEN ? AND ? ORDER BY id");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, segment_key(r->info.id, 0));
		sqlite3_bind_int64(stmt, 2, segment_key(r->info.id, UINT32_MAX));
	}
	enum store_err err;
	uint32_t unseen = 0, deleted = 0;
	while (db_next(&a->db, stmt, &err)) {
		struct bytes data = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};
		err = read_segment(a, r, sqlite3_column_int64(stmt, 0), data);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
		unseen += r->segments[r->segments_n - 1].unseen;
		deleted += r->segments[r->segments_n - 1].deleted;
	}
	bool agree = r->uids.n == r->info.messages && unseen == r->info.unseen && deleted == r->info.deleted;
	return !err && !agree ? STORE_CORRUPT : err;
}

enum store_err roster_get(struct account *a, int64_t mailbox, struct roster **out)
{
	*out = roster_loaded(a, mailbox);
	if (*out)
		return STORE_OK;
	struct mailbox_info info;
	enum store_err err = mailbox_row(a, mailbox, &info);
	if (err)
		return err;
	struct roster *r = xcalloc(1, sizeof(*r));
	r->info = info;
	r->in_op = a->in_op; /* the running op may have changed the row already */
	err = read_segments(a, r);
	if (err) {
		roster_free(r);
		return err;
	}
	r->next = a->rosters;
	a->rosters = r;
	*out = r;
	return STORE_OK;
}

static enum store_err write_segment(struct account *a, const struct roster *r, uint32_t number, uint32_t first)
{
	struct segment *s = &r->segments[number];
	struct roster_slice slice;
	unsigned char data[SEGMENT_BYTES_MAX];
	bool found = roster_slice_at(r, first, &slice);
	invariant(found && slice.n == s->count);
	if (s->low == 0)
		s->low = slice.uid[0];
	sweep_note(a, slice.content, slice.n);
	size_t len = segment_pack(&slice, data);
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO segment VALUES(?,?,?,?,?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, segment_key(r->info.id, s->low));
	sqlite3_bind_int64(stmt, 2, s->count);
	sqlite3_bind_int64(stmt, 3, (int64_t)r->modseq_max[number]);
	sqlite3_bind_int64(stmt, 4, s->unseen);
	sqlite3_bind_int64(stmt, 5, s->deleted);
	sqlite3_bind_blob64(stmt, 6, data, len, SQLITE_STATIC);
	s->dirty = false;
	return db_run(&a->db, stmt);
}

static enum store_err delete_dead(struct account *a, struct roster *r)
{
	enum store_err err = STORE_OK;
	for (uint32_t i = 0; i < r->dead_n && !err; i++) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM segment WHERE id=?");
		if (!stmt)
			return STORE_IO;
		sqlite3_bind_int64(stmt, 1, segment_key(r->info.id, r->dead[i]));
		err = db_run(&a->db, stmt);
	}
	r->dead_n = 0;
	return err;
}

static enum store_err write_info(struct account *a, struct roster *r)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET uidnext=?, modseq=?, expunge_modseq=?, messages=?,"
						" unseen=?, deleted=?, bytes=?, recent=? WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, r->info.uidnext);
	sqlite3_bind_int64(stmt, 2, (int64_t)r->info.modseq);
	sqlite3_bind_int64(stmt, 3, (int64_t)r->info.expunge_modseq);
	sqlite3_bind_int64(stmt, 4, r->info.messages);
	sqlite3_bind_int64(stmt, 5, r->info.unseen);
	sqlite3_bind_int64(stmt, 6, r->info.deleted);
	sqlite3_bind_int64(stmt, 7, (int64_t)r->info.bytes);
	sqlite3_bind_int64(stmt, 8, r->info.recent);
	sqlite3_bind_int64(stmt, 9, r->info.id);
	r->info_dirty = false;
	return db_run(&a->db, stmt);
}

static enum store_err flush_roster(struct account *a, struct roster *r)
{
	enum store_err err = delete_dead(a, r);
	uint32_t first = 0;
	for (uint32_t k = 0; k < r->segments_n && !err; k++) {
		if (r->segments[k].dirty)
			err = write_segment(a, r, k, first);
		first += r->segments[k].count;
	}
	return err ? err : write_info(a, r);
}

enum store_err roster_flush_all(struct account *a)
{
	enum store_err err = STORE_OK;
	for (struct roster *r = a->rosters; r && !err; r = r->next)
		if (r->info_dirty)
			err = flush_roster(a, r);
	return err;
}
