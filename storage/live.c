#include "storage/live.h"

#include "storage/segment.h"

void live_init(struct live *l, int64_t first, int64_t last)
{
	invariant(first <= last);
	*l = (struct live){.first = first, .n = last - first < LIVE_WINDOW ? last - first + 1 : LIVE_WINDOW};
	l->bits = xcalloc((size_t)(l->n + 63) / 64, sizeof(*l->bits));
}

void live_finish(struct live *l)
{
	free(l->bits);
	*l = (struct live){0};
}

void live_note(struct live *l, const int64_t *contents, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		int64_t at = contents[i] - l->first;
		if (at >= 0 && at < l->n)
			l->bits[at >> 6] |= 1ull << (at & 63);
	}
}

bool live_has(const struct live *l, int64_t id)
{
	int64_t at = id - l->first;
	invariant(at >= 0 && at < l->n);
	return l->bits[at >> 6] >> (at & 63) & 1;
}

static enum store_err note_row(struct live *l, sqlite3_stmt *stmt, int column)
{
	struct bytes data = {sqlite3_column_blob(stmt, column), (size_t)sqlite3_column_bytes(stmt, column)};
	struct segment_room room;
	struct message_columns columns = segment_room_columns(&room);
	uint32_t n = 0;
	enum store_err err = segment_count(data, &n);
	if (!err)
		err = segment_unpack(data, &columns);
	if (!err)
		live_note(l, room.content, n);
	return err;
}

static enum store_err segments_step(struct live *l, struct account *a, unsigned rows)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, data FROM segment WHERE id>? ORDER BY id LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, l->segment);
		sqlite3_bind_int64(stmt, 2, rows);
	}
	enum store_err err;
	l->segments_done = true;
	while (db_next(&a->db, stmt, &err)) {
		l->segments_done = false;
		l->segment = sqlite3_column_int64(stmt, 0);
		err = note_row(l, stmt, 1);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	return err;
}

static enum store_err gone_step(struct live *l, struct account *a, unsigned rows)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT mailbox, modseq, part, data FROM gone"
						" WHERE (mailbox, modseq, part)>(?,?,?)"
						" ORDER BY mailbox, modseq, part LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, l->gone_mailbox);
		sqlite3_bind_int64(stmt, 2, l->gone_modseq);
		sqlite3_bind_int64(stmt, 3, l->gone_part);
		sqlite3_bind_int64(stmt, 4, rows);
	}
	enum store_err err;
	l->gone_done = true;
	while (db_next(&a->db, stmt, &err)) {
		l->gone_done = false;
		l->gone_mailbox = sqlite3_column_int64(stmt, 0);
		l->gone_modseq = sqlite3_column_int64(stmt, 1);
		l->gone_part = sqlite3_column_int64(stmt, 2);
		err = note_row(l, stmt, 3);
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
	}
	return err;
}

enum store_err live_step(struct live *l, struct account *a, unsigned rows, bool *out_more)
{
	enum store_err err = STORE_OK;
	if (!l->segments_done)
		err = segments_step(l, a, rows);
	else if (!l->gone_done)
		err = gone_step(l, a, rows);
	*out_more = !l->gone_done;
	return err;
}
