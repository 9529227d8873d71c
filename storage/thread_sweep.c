#include "storage/thread_sweep.h"

#include "storage/bits.h"

enum {
	MARK_ROWS = 2000,
	DELETE_ROWS = 2000,   /* a step looks at so many, and deletes a quarter of them at most */
	LOOSE_MIN = 5000,     /* contents gone: fewer rows are not worth it */
	SAMPLE_BITS = 56,     /* keys are checksums: so many bits of 64 are of one row in 256 */
	BITS_MIN_LOG2 = 16,
	BITS_MAX_LOG2 = 26,   /* 8 MB */
	KEY_BYTES = 8
};

static const char loose_key[] = "threads_loose";

static enum store_err estimate_rows(struct account *a, uint64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT count(*) FROM thread WHERE key>=0 AND key<?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, (int64_t)1 << SAMPLE_BITS);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	*out = (uint64_t)sqlite3_column_int64(stmt, 0) << (64 - SAMPLE_BITS);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err thread_sweep_start(struct thread_sweep *s, struct account *a, uint64_t gone, bool thorough)
{
	uint64_t rows = 0, loose = gone + (uint64_t)account_meta(a, loose_key);
	enum store_err err = estimate_rows(a, &rows);
	bool due = thorough || (loose >= LOOSE_MIN && loose >= rows / 4);
	if (!err && (gone || due))
		err = account_set_meta(a, loose_key, due ? 0 : (int64_t)loose);
	if (err || !due)
		return err;
	unsigned log2 = BITS_MIN_LOG2;
	while (log2 < BITS_MAX_LOG2 && (UINT64_C(1) << log2) < rows * 16)
		log2++;
	thread_sweep_finish(s);
	s->mask = (UINT64_C(1) << log2) - 1;
	s->bits = xcalloc((s->mask + 1) / 64, sizeof(*s->bits));
	return STORE_OK;
}

void thread_sweep_finish(struct thread_sweep *s)
{
	free(s->bits);
	*s = (struct thread_sweep){0};
}

/* The two numbers of a key's bits. */
static void bits_of(const struct thread_sweep *s, int64_t key, uint64_t out[2])
{
	out[0] = (uint64_t)key & s->mask;
	out[1] = ((uint64_t)key >> 32) & s->mask;
}

void thread_sweep_note(struct thread_sweep *s, int64_t key)
{
	uint64_t at[2];
	if (!s->bits)
		return;
	bits_of(s, key, at);
	for (size_t i = 0; i < countof(at); i++)
		s->bits[at[i] / 64] |= UINT64_C(1) << (at[i] % 64);
}

static bool is_noted(const struct thread_sweep *s, int64_t key)
{
	uint64_t at[2];
	bits_of(s, key, at);
	for (size_t i = 0; i < countof(at); i++)
		if (!(s->bits[at[i] / 64] >> (at[i] % 64) & 1))
			return false;
	return true;
}

static enum store_err mark(struct thread_sweep *s, struct account *a)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT content, ids FROM keys WHERE content>? ORDER BY content LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, s->content);
		sqlite3_bind_int64(stmt, 2, MARK_ROWS);
	}
	enum store_err err;
	unsigned n = 0;
	for (; db_next(&a->db, stmt, &err); n++) {
		const unsigned char *ids = sqlite3_column_blob(stmt, 1);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
		s->content = sqlite3_column_int64(stmt, 0);
		for (size_t i = 0; i + KEY_BYTES <= len; i += KEY_BYTES)
			thread_sweep_note(s, (int64_t)get_u64(ids + i));
	}
	s->deleting = !err && n < MARK_ROWS;
	return err;
}

/* From the row looked at last on, those that nobody needs. */
static enum store_err find_loose(struct thread_sweep *s, struct account *a, int64_t loose[DELETE_ROWS / 4], unsigned *n,
				 bool *more)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT key FROM thread WHERE key>=? ORDER BY key");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, s->begun ? s->key : INT64_MIN);
	enum store_err err = STORE_OK;
	unsigned rows = 0;
	*n = 0;
	while ((*more = db_next(&a->db, stmt, &err))) {
		int64_t key = sqlite3_column_int64(stmt, 0);
		bool again = s->begun && key == s->key;
		s->key = key;
		s->begun = true;
		if (!again && !is_noted(s, key))
			loose[(*n)++] = key;
		if (++rows == DELETE_ROWS || *n == DELETE_ROWS / 4) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return err;
}

enum store_err thread_sweep_step(struct thread_sweep *s, struct account *a, bool *more)
{
	int64_t loose[DELETE_ROWS / 4];
	unsigned n = 0;
	*more = s->bits != NULL;
	if (!s->bits)
		return STORE_OK;
	if (!s->deleting)
		return mark(s, a);
	enum store_err err = find_loose(s, a, loose, &n, more);
	for (unsigned i = 0; i < n && !err; i++) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM thread WHERE key=?");
		if (stmt)
			sqlite3_bind_int64(stmt, 1, loose[i]);
		err = db_run(&a->db, stmt);
	}
	return err;
}
