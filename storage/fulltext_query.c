/*
 * Asking the index.  Each call is a query of its own over the rest of one block of ids, so that nothing is held in between;
 * it skips what was given before.
 */
#include "storage/fulltext_private.h"

enum { PHRASE_MAX = BLOCK_BYTES + 2 * GRAM_BYTES_MAX + 11 };

enum store_err fulltext_query_init(struct fulltext_query *q, struct bytes needle, bool in_field)
{
	*q = (struct fulltext_query){.until = -1, .in_field = in_field};
	q->grams_n = grams_choose(needle, q->grams, FULLTEXT_NEEDLE_GRAMS);
	if (!q->grams_n) {
		q->grams[0] = grams_choose_short(needle, in_field);
		q->begins = q->grams[0] != 0;
		q->grams_n = q->begins ? 1 : 0;
	}
	return q->grams_n ? STORE_OK : STORE_CANNOT;
}

void fulltext_query_finish(struct fulltext_query *q)
{
	*q = (struct fulltext_query){0};
}

/* "text", quotes inside doubled, as FTS5 wants it. */
static size_t put_phrase(int64_t block, uint64_t gram, char *out)
{
	char text[BLOCK_BYTES + GRAM_BYTES_MAX];
	size_t len = BLOCK_BYTES, n = 0;
	grams_put_block(block, text);
	len += grams_put(gram, text + len);
	out[n++] = '"';
	for (size_t i = 0; i < len; i++) {
		out[n++] = text[i];
		if (text[i] == '"')
			out[n++] = '"';
	}
	out[n++] = '"';
	return n;
}

/* ("a" AND "b") OR "wide" */
static size_t put_match(const struct fulltext_query *q, int64_t block, char *out)
{
	size_t n = 0;
	out[n++] = '(';
	for (size_t i = 0; i < q->grams_n; i++) {
		if (i)
			n += (size_t)snprintf(out + n, sizeof(" AND "), " AND ");
		n += put_phrase(block, q->grams[i] | (q->in_field ? FULLTEXT_GRAM_FIELD : 0), out + n);
		if (q->begins)
			out[n++] = '*';
	}
	n += (size_t)snprintf(out + n, sizeof(") OR "), ") OR ");
	return n + put_phrase(block, grams_wide(), out + n);
}

/* The first block from `from` on that has contents; -1: none. */
static enum store_err next_block(struct fulltext *f, int64_t from, int64_t *out)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT id FROM block WHERE id>=? ORDER BY id LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, from);
	*out = -1;
	if (!db_next(&f->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* The ids of the block that were not given yet. *out_end: those were all. */
static enum store_err query_block(struct fulltext_query *q, struct fulltext *f, int64_t block, int64_t *ids, size_t n,
				  size_t *out_n, bool *out_end)
{
	char match[(FULLTEXT_NEEDLE_GRAMS + 1) * PHRASE_MAX];
	int64_t last = ((block + 1) << FULLTEXT_BLOCK_BITS) - 1;
	enum store_err err = STORE_OK;
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT rowid FROM gram WHERE gram MATCH ? AND rowid BETWEEN ? AND ?"
						" ORDER BY rowid");
	if (stmt) {
		sqlite3_bind_text(stmt, 1, match, (int)put_match(q, block, match), SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, q->after + 1);
		sqlite3_bind_int64(stmt, 3, last < q->until ? last : q->until);
	}
	while (*out_n < n && db_next(&f->db, stmt, &err))
		q->after = ids[(*out_n)++] = sqlite3_column_int64(stmt, 0);
	*out_end = *out_n < n;
	if (*out_end)
		q->after = last;
	else if (stmt)
		sqlite3_reset(stmt);
	return err;
}

enum store_err fulltext_query_next(struct fulltext_query *q, struct account *a, int64_t *ids, size_t n, size_t *out_n,
				   bool *out_done)
{
	struct fulltext *f;
	int64_t block = -1;
	bool end = true;
	invariant(n > 0);
	*out_n = 0;
	*out_done = false;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err == STORE_NOTFOUND && q->until < 0) {
		q->until = 0;
		*out_done = true;
		return STORE_OK;
	}
	if (err)
		return err;
	if (q->until < 0)
		q->until = f->watermark;
	if (f->watermark < q->until)
		return STORE_NOTFOUND;
	if (q->after < q->until)
		err = next_block(f, fulltext_block(q->after + 1), &block);
	if (!err && block >= 0)
		err = query_block(q, f, block, ids, n, out_n, &end);
	if (err) {
		*out_n = 0;
		return fulltext_failed(a, FULLTEXT_NOW, err);
	}
	*out_done = block < 0 || (end && q->after >= q->until);
	return STORE_OK;
}
