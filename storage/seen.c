#include "storage/seen.h"

enum store_err seen_find(struct account *a, const unsigned char digest[SEEN_DIGEST_BYTES], int64_t since_s, bool *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT 1 FROM seen WHERE digest=? AND at>=?");
	if (stmt) {
		sqlite3_bind_blob(stmt, 1, digest, SEEN_DIGEST_BYTES, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, since_s);
	}
	enum store_err err;
	*out = db_next(&a->db, stmt, &err);
	if (*out)
		sqlite3_reset(stmt);
	return err;
}

/* Rows are in the order of time: only the first are looked at, more than come. */
static enum store_err forget(struct account *a, int64_t since_s)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM seen WHERE id IN (SELECT id FROM (SELECT id, at FROM seen ORDER BY id"
						" LIMIT 8) WHERE at<?)");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, since_s);
	return db_run(&a->db, stmt);
}

enum store_err seen_note(struct account *a, const unsigned char digest[SEEN_DIGEST_BYTES], int64_t since_s)
{
	enum store_err err = forget(a, since_s);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&a->db, "INSERT INTO seen VALUES(NULL, ?, ?)");
	if (stmt) {
		sqlite3_bind_blob(stmt, 1, digest, SEEN_DIGEST_BYTES, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, a->env->now_s(a->env->ctx));
	}
	return err ? err : db_run(&a->db, stmt);
}
