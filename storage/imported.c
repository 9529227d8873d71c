#include "storage/imported.h"

enum store_err imported_note(struct account *a)
{
	if (!a->op_modseq)
		return STORE_OK; /* it changed nothing */
	int64_t modseq = (int64_t)a->op_modseq;
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE imported SET last=?1 WHERE first=(SELECT max(first) FROM imported)"
						" AND last BETWEEN ?1-1 AND ?1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, modseq);
	enum store_err err = db_run(&a->db, stmt);
	if (err || sqlite3_changes(a->db.handle))
		return err;
	stmt = db_prepare(&a->db, "INSERT INTO imported VALUES(?1, ?1)");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, modseq);
	return db_run(&a->db, stmt);
}

enum store_err imported_load(struct account *a, struct imported *out)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT first, last FROM imported ORDER BY first");
	while (db_next(&a->db, stmt, &err)) {
		if (out->n == out->cap) {
			out->cap = out->cap ? 2 * out->cap : 16;
			out->v = xrealloc(out->v, out->cap * sizeof(*out->v));
		}
		out->v[out->n++] = (struct imported_range){(uint64_t)sqlite3_column_int64(stmt, 0),
							   (uint64_t)sqlite3_column_int64(stmt, 1)};
	}
	return err;
}

void imported_finish(struct imported *im)
{
	free(im->v);
	*im = (struct imported){0};
}

static int compare(const void *key, const void *element)
{
	uint64_t modseq = *(const uint64_t *)key;
	const struct imported_range *range = element;
	return (modseq > range->last) - (modseq < range->first);
}

bool imported_has(const struct imported *im, uint64_t modseq)
{
	return im->n && bsearch(&modseq, im->v, im->n, sizeof(*im->v), compare);
}
