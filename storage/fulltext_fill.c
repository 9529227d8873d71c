/* Filling the index. */
#include "storage/fulltext_private.h"

enum {
	MERGE_PAGES = 6,
	SHRINK_PAGES = 32,   /* at once */
	FREE_PAGES_MIN = 64, /* fewer are left for what comes next, */
	FREE_FRACTION = 64   /* and so is this part of the file */
};

int64_t fulltext_added(struct account *a, enum fulltext_which w)
{
	struct fulltext *f;
	return fulltext_open(a, w, false, &f) ? 0 : f->added;
}

size_t fulltext_pending(const struct account *a, enum fulltext_which w)
{
	return a->fulltext[w] ? a->fulltext[w]->pending : 0;
}

static enum store_err note_block(struct fulltext *f, int64_t piece)
{
	int64_t block = fulltext_block(piece);
	if (block == f->block)
		return STORE_OK;
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT OR IGNORE INTO block VALUES(?)");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, block);
	f->block = block;
	return db_run(&f->db, stmt);
}

enum store_err fulltext_insert(struct fulltext *f, int64_t piece, const uint64_t *grams, size_t n,
			       const uint64_t *terms, size_t terms_n)
{
	char *text = xmalloc(BLOCK_BYTES + (n + terms_n) * GRAM_BYTES_MAX);
	size_t len = BLOCK_BYTES;
	grams_put_block(fulltext_block(piece), text);
	for (size_t i = 0; i < n; i++)
		len += grams_put(grams[i], text + len);
	for (size_t i = 0; i < terms_n; i++)
		len += grams_put(terms[i], text + len);
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT INTO gram(rowid, text) VALUES(?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, piece);
		sqlite3_bind_text(stmt, 2, text, (int)len, SQLITE_STATIC);
	}
	enum store_err err = db_run(&f->db, stmt);
	if (stmt)
		sqlite3_clear_bindings(stmt);
	free(text);
	return err;
}

static enum store_err note_long(struct fulltext *f, int64_t id, uint32_t pieces)
{
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT OR REPLACE INTO long VALUES(?,?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id + f->added_ahead);
		sqlite3_bind_int64(stmt, 2, id);
		sqlite3_bind_int64(stmt, 3, pieces);
	}
	return db_run(&f->db, stmt);
}

/* A piece that is there already, from before a crash, gets its terms again, which is no matter: contentless FTS5 does not
 * look. */
enum store_err fulltext_add(struct account *a, enum fulltext_which w, int64_t id, const struct fulltext_piece *p)
{
	struct fulltext *f;
	uint64_t terms[2];
	size_t n = 0;
	enum store_err err = fulltext_open(a, w, true, &f);
	if (err)
		return err;
	invariant(id > f->added && id > 0);
	if (p->number > 0 && f->partly != id)
		return STORE_CANNOT;
	bool fits = p->n <= FULLTEXT_GRAMS_MAX && p->number < FULLTEXT_PIECES_MAX;
	if (p->number > 0 || !p->last)
		terms[n++] = grams_long();
	if (!p->whole || !fits)
		terms[n++] = grams_wide();
	int64_t piece = id + f->added_ahead + (p->number < FULLTEXT_PIECES_MAX ? p->number : FULLTEXT_PIECES_MAX);
	err = fulltext_begin(f);
	if (!err)
		err = note_block(f, piece);
	if (!err && (p->n || n))
		err = fulltext_insert(f, piece, p->grams, fits ? p->n : 0, terms, n);
	if (!err && p->last && p->number > 0)
		err = note_long(f, id, (uint32_t)(piece - id - f->added_ahead) + 1);
	if (err)
		return fulltext_failed(a, w, err);
	f->partly = p->last ? 0 : id;
	if (!p->last)
		return STORE_OK;
	f->added = id;
	f->added_ahead = piece - id;
	f->pending++;
	return STORE_OK;
}

enum store_err fulltext_commit(struct account *a, enum fulltext_which w)
{
	struct fulltext *f = a->fulltext[w];
	if (!f || !f->pending)
		return STORE_OK;
	int64_t added = f->added, ahead = f->added_ahead;
	enum store_err err = fulltext_set_meta(f, "watermark", added);
	if (!err)
		err = fulltext_set_meta(f, "ahead", ahead);
	if (!err)
		err = fulltext_set_meta(f, "contents", fulltext_meta(f, "contents") + (int64_t)f->pending);
	if (!err)
		err = fulltext_end(f);
	if (err)
		return fulltext_failed(a, w, err);
	f->watermark = added;
	f->ahead = ahead;
	f->pending = 0;
	if (w == FULLTEXT_NOW)
		a->indexed = added;
	return STORE_OK;
}

enum store_err fulltext_merge(struct account *a, enum fulltext_which w, bool *out_more)
{
	struct fulltext *f = a->fulltext[w];
	*out_more = false;
	if (!f || f->pending)
		return STORE_OK;
	enum store_err err = fulltext_begin(f);
	int before = sqlite3_total_changes(f->db.handle);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&f->db, "INSERT INTO gram(gram, rank) VALUES('merge', ?)");
	if (stmt)
		sqlite3_bind_int(stmt, 1, MERGE_PAGES);
	if (!err)
		err = db_run(&f->db, stmt);
	/* One change is the command's own. */
	*out_more = sqlite3_total_changes(f->db.handle) - before >= 2;
	if (!err)
		err = fulltext_end(f);
	return fulltext_failed(a, w, err);
}

enum store_err fulltext_shrink(struct account *a, enum fulltext_which w, bool *out_more)
{
	struct fulltext *f = a->fulltext[w];
	int64_t unused = 0, pages = 0;
	char sql[60];
	*out_more = false;
	if (!f || f->pending)
		return STORE_OK;
	enum store_err err = db_number(&f->db, "PRAGMA freelist_count", &unused);
	if (!err)
		err = db_number(&f->db, "PRAGMA page_count", &pages);
	*out_more = !err && unused > FREE_PAGES_MIN && unused > pages / FREE_FRACTION;
	if (!err && *out_more) {
		snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", SHRINK_PAGES);
		err = fulltext_begin(f);
		if (!err)
			err = db_exec(&f->db, sql);
		if (!err)
			err = fulltext_end(f);
	}
	return fulltext_failed(a, w, err);
}
