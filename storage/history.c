#include "storage/history.h"

static const char *text_of(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	return text ? text : "";
}

enum store_err history_each(struct account *a, int64_t after, uint32_t rows_max,
			    bool (*each)(void *ctx, const struct history_row *row), void *ctx, bool *more)
{
	sqlite3_stmt *stmt = db_prepare(
		&a->db, "SELECT c.id, c.modseq, c.at, c.mailbox, c.kinds, c.first_uid, c.last_uid, c.flags, c.name, w.login,"
			" w.device FROM change c LEFT JOIN actor w ON w.id=c.actor WHERE c.id>? ORDER BY c.id LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, after);
		sqlite3_bind_int64(stmt, 2, rows_max);
	}
	enum store_err err;
	uint32_t n = 0;
	bool goes_on = true;
	while (goes_on && db_next(&a->db, stmt, &err)) {
		const struct history_row row = {.id = sqlite3_column_int64(stmt, 0),
						.modseq = (uint64_t)sqlite3_column_int64(stmt, 1),
						.at_s = sqlite3_column_int64(stmt, 2),
						.mailbox = sqlite3_column_int64(stmt, 3),
						.kinds = (unsigned)sqlite3_column_int64(stmt, 4),
						.first_uid = (uint32_t)sqlite3_column_int64(stmt, 5),
						.last_uid = (uint32_t)sqlite3_column_int64(stmt, 6),
						.flags = {sqlite3_column_blob(stmt, 7), (size_t)sqlite3_column_bytes(stmt, 7)},
						.name = (const char *)sqlite3_column_text(stmt, 8),
						.login = text_of(stmt, 9), .device = text_of(stmt, 10)};
		n++;
		goes_on = each(ctx, &row);
	}
	if (!goes_on)
		sqlite3_reset(stmt);
	*more = goes_on && !err && n == rows_max;
	return goes_on ? err : STORE_OK;
}

enum store_err history_find(struct account *a, int64_t since_s, int64_t *after)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT max(id) FROM change WHERE at<?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, since_s);
	enum store_err err;
	*after = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*after = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err history_moved_to(struct account *a, const struct history_row *row, int64_t *mailbox)
{
	enum { NEAR = 16 }; /* the rows of one op stand side by side */
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT mailbox FROM change WHERE id BETWEEN ?1-?2 AND ?1+?2 AND modseq=?3"
						" AND mailbox<>?4 AND kinds & 1");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, row->id);
		sqlite3_bind_int64(stmt, 2, NEAR);
		sqlite3_bind_int64(stmt, 3, (int64_t)row->modseq);
		sqlite3_bind_int64(stmt, 4, row->mailbox);
	}
	enum store_err err;
	*mailbox = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*mailbox = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err history_name(struct account *a, int64_t mailbox, char out[MAILBOX_NAME_BYTES_MAX + 1])
{
	enum store_err err = mailbox_path(a, mailbox, out);
	if (err != STORE_NOTFOUND)
		return err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT name FROM change WHERE mailbox=? AND kinds & 32 ORDER BY id DESC LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, mailbox);
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	snprintf(out, MAILBOX_NAME_BYTES_MAX + 1, "%s", text_of(stmt, 0));
	sqlite3_reset(stmt);
	return STORE_OK;
}
