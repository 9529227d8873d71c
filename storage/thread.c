#include "storage/thread.h"

#include "storage/checksum.h"
#include "storage/sweep.h"

/* Says what the bytes are, so that another use of the checksum gives other keys. */
static const uint64_t key_seed = 0x7468726561640001u;

int64_t thread_key(struct bytes id)
{
	int64_t key = (int64_t)checksum64(id.ptr, id.len, key_seed);
	return key ? key : 1;
}

static enum store_err find(struct account *a, int64_t key, uint64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM thread WHERE key=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, key);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* A key that is known keeps its thread. */
static enum store_err insert(struct account *a, int64_t key, uint64_t thread)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR IGNORE INTO thread VALUES(?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, key);
		sqlite3_bind_int64(stmt, 2, (int64_t)thread);
	}
	return db_run(&a->db, stmt);
}

enum store_err thread_join(struct account *a, const struct bytes *ids, size_t n, uint64_t *out)
{
	int64_t keys[THREAD_IDS_MAX];
	enum store_err err = STORE_NOTFOUND;
	invariant(n > 0 && a->in_op);
	/* Of too many the nearest and the eldest. */
	size_t keys_n = n < THREAD_IDS_MAX ? n : THREAD_IDS_MAX;
	for (size_t i = 0; i < keys_n; i++) {
		keys[i] = thread_key(ids[i + 1 < keys_n ? i : i + (n - keys_n)]);
		sweep_note_thread(a, keys[i]);
	}
	for (size_t i = 0; i < keys_n && err == STORE_NOTFOUND; i++)
		err = find(a, keys[i], out);
	/* The eldest's, so that the same bytes, when all of their thread was forgotten meanwhile, begin the same one again:
	 * they have the same EMAILID (RFC 8474 5.2). */
	if (err == STORE_NOTFOUND) {
		*out = (uint64_t)keys[keys_n - 1];
		err = STORE_OK;
	}
	/* The message's own, its parent and the eldest: what comes later and belongs here refers to one of these.  The
	 * first is always known from here on, so the same message comes here again. */
	const size_t kept[] = {0, 1, keys_n - 1};
	for (size_t i = 0; i < countof(kept) && !err; i++)
		if (kept[i] < keys_n)
			err = insert(a, keys[kept[i]], *out);
	return err;
}
