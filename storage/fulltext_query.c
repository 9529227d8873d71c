/*
 * Asking the index.  Each call is a query of its own over the rest of one block of pieces, so that nothing is held in
 * between; it skips what was given before.
 */
#include "storage/fulltext_private.h"

enum { PHRASE_MAX = BLOCK_BYTES + 2 * GRAM_BYTES_MAX + 11, MATCH_MAX = (2 * FULLTEXT_NEEDLE_GRAMS + 2) * PHRASE_MAX };

enum store_err fulltext_query_init(struct fulltext_query *q, struct bytes needle, uint64_t mark)
{
	*q = (struct fulltext_query){.until = -1, .mark = mark};
	grams_choose(needle, false, &q->grams);
	if (!q->grams.n) {
		q->grams.v[0] = grams_choose_short(needle, mark != 0);
		q->begins = q->grams.v[0] != 0;
		q->grams.n = q->begins ? 1 : 0;
	}
	if (!q->begins && !mark) /* what is marked is in one piece */
		grams_choose(needle, true, &q->together);
	return q->grams.n ? STORE_OK : STORE_CANNOT;
}

void fulltext_query_finish(struct fulltext_query *q)
{
	*q = (struct fulltext_query){0};
}

/* --- what is asked --- */

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

/* "a" AND "b" */
static size_t put_all(const struct fulltext_query *q, const struct fulltext_grams *g, int64_t block, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++) {
		if (i)
			n += (size_t)snprintf(out + n, sizeof(" AND "), " AND ");
		n += put_phrase(block, g->v[i] | q->mark, out + n);
		if (q->begins)
			out[n++] = '*';
	}
	return n;
}

static bool same(const struct fulltext_grams *a, const struct fulltext_grams *b)
{
	return a->n == b->n && memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0;
}

/* ("a" AND "b") OR ("a" AND "long") OR "wide": AND binds closer. */
static size_t put_match(const struct fulltext_query *q, int64_t block, char *out)
{
	size_t n = put_all(q, &q->grams, block, out);
	if (q->together.n && !same(&q->grams, &q->together)) {
		n += (size_t)snprintf(out + n, sizeof(" OR "), " OR ");
		n += put_all(q, &q->together, block, out + n);
		n += (size_t)snprintf(out + n, sizeof(" AND "), " AND ");
		n += put_phrase(block, grams_long(), out + n);
	}
	n += (size_t)snprintf(out + n, sizeof(" OR "), " OR ");
	return n + put_phrase(block, grams_wide(), out + n);
}

/* --- whose pieces --- */

/* Goes along the contents of several pieces as pieces are asked for in ascending order. */
struct owners {
	struct db *db;
	sqlite3_stmt *stmt;
	bool more; /* the row's is `next` */
	struct owner {
		int64_t piece, content, pieces;
	} last, next; /* at most the piece; above it */
};

static enum store_err step(struct owners *o)
{
	enum store_err err;
	o->last = o->next;
	o->more = db_next(o->db, o->stmt, &err);
	if (o->more)
		o->next = (struct owner){sqlite3_column_int64(o->stmt, 0), sqlite3_column_int64(o->stmt, 1),
					 sqlite3_column_int64(o->stmt, 2)};
	return err;
}

/* From `piece` on. */
static enum store_err owners_init(struct owners *o, struct fulltext *f, int64_t piece)
{
	*o = (struct owners){.db = &f->db};
	o->stmt = db_prepare(&f->db, "SELECT piece, content, pieces FROM long WHERE piece>="
				     "ifnull((SELECT max(piece) FROM long WHERE piece<=?), 0) ORDER BY piece");
	if (o->stmt)
		sqlite3_bind_int64(o->stmt, 1, piece);
	return step(o);
}

static void owners_finish(struct owners *o)
{
	if (o->more)
		sqlite3_reset(o->stmt);
}

static int64_t content_of(const struct owner *o, int64_t piece)
{
	if (!o->content)
		return piece;
	return piece < o->piece + o->pieces ? o->content : o->content + piece - (o->piece + o->pieces - 1);
}

static enum store_err owners_find(struct owners *o, int64_t piece, int64_t *content)
{
	enum store_err err = STORE_OK;
	while (!err && o->more && o->next.piece <= piece)
		err = step(o);
	*content = content_of(&o->last, piece);
	return err;
}

enum store_err fulltext_last_piece(struct fulltext *f, int64_t id, int64_t *out)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT piece + pieces - 1 - content FROM long WHERE content<=?"
						" ORDER BY content DESC LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	*out = id;
	if (!db_next(&f->db, stmt, &err))
		return err;
	*out += sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* --- asking --- */

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

/* The contents with pieces in the block, up to piece `until`, that were not given yet. *out_end: those were all. */
static enum store_err query_block(struct fulltext_query *q, struct fulltext *f, int64_t block, int64_t until,
				  int64_t *ids, size_t n, size_t *out_n, bool *out_end)
{
	char match[MATCH_MAX];
	struct owners owners;
	int64_t last = ((block + 1) << FULLTEXT_BLOCK_BITS) - 1, content;
	last = last < until ? last : until;
	enum store_err err = owners_init(&owners, f, q->piece + 1);
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT rowid FROM gram WHERE gram MATCH ? AND rowid BETWEEN ? AND ?"
						" ORDER BY rowid");
	if (stmt) {
		sqlite3_bind_text(stmt, 1, match, (int)put_match(q, block, match), SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, q->piece + 1);
		sqlite3_bind_int64(stmt, 3, last);
	}
	*out_end = false;
	while (!err && *out_n < n && !*out_end) {
		*out_end = !db_next(&f->db, stmt, &err);
		if (err || *out_end)
			break;
		q->piece = sqlite3_column_int64(stmt, 0);
		err = owners_find(&owners, q->piece, &content);
		if (!err && content > q->after)
			q->after = ids[(*out_n)++] = content;
	}
	if (*out_end)
		q->piece = last;
	else if (stmt)
		sqlite3_reset(stmt);
	owners_finish(&owners);
	return err;
}

/* Where the query stands in the index as it is. */
static enum store_err resume(struct fulltext_query *q, struct account *a, struct fulltext *f, int64_t *until)
{
	enum store_err err = STORE_OK;
	if (q->until < 0)
		q->until = f->watermark;
	if (f->watermark < q->until)
		return STORE_NOTFOUND;
	*until = q->until + f->ahead;
	if (f->watermark > q->until)
		err = fulltext_last_piece(f, q->until, until);
	if (!err && q->epoch != a->fulltext_epoch)
		err = fulltext_last_piece(f, q->after, &q->piece);
	q->epoch = a->fulltext_epoch;
	return err;
}

enum store_err fulltext_query_next(struct fulltext_query *q, struct account *a, int64_t *ids, size_t n, size_t *out_n,
				   bool *out_done)
{
	struct fulltext *f;
	int64_t block = -1, until = 0;
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
	err = resume(q, a, f, &until);
	if (err == STORE_NOTFOUND)
		return err;
	if (!err && q->piece < until)
		err = next_block(f, fulltext_block(q->piece + 1), &block);
	if (!err && block >= 0)
		err = query_block(q, f, block, until, ids, n, out_n, &end);
	if (err) {
		*out_n = 0;
		return fulltext_failed(a, FULLTEXT_NOW, err);
	}
	*out_done = block < 0 || (end && q->piece >= until);
	return STORE_OK;
}
