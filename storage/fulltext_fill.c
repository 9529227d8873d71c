/* Filling the index. */
#include "storage/fulltext_private.h"

enum { MERGE_PAGES = 2 };

int64_t fulltext_added(struct account *a, enum fulltext_which w)
{
	struct fulltext *f;
	return fulltext_open(a, w, false, &f) ? 0 : f->added;
}

size_t fulltext_pending(const struct account *a, enum fulltext_which w)
{
	return a->fulltext[w] ? a->fulltext[w]->pending : 0;
}

static enum store_err note_block(struct fulltext *f, int64_t id)
{
	int64_t block = fulltext_block(id);
	if (block == f->block)
		return STORE_OK;
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT OR IGNORE INTO block VALUES(?)");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, block);
	f->block = block;
	return db_run(&f->db, stmt);
}

enum store_err fulltext_insert(struct fulltext *f, int64_t id, const uint64_t *grams, size_t n)
{
	char *text = xmalloc(BLOCK_BYTES + n * GRAM_BYTES_MAX);
	size_t len = BLOCK_BYTES;
	grams_put_block(fulltext_block(id), text);
	for (size_t i = 0; i < n; i++)
		len += grams_put(grams[i], text + len);
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT INTO gram(rowid, text) VALUES(?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_text(stmt, 2, text, (int)len, SQLITE_STATIC);
	}
	enum store_err err = db_run(&f->db, stmt);
	if (stmt)
		sqlite3_clear_bindings(stmt);
	free(text);
	return err;
}

/* A row that is there already gets further terms: contentless FTS5 does not look.  A term that it has already, from before a
 * crash, is no matter. */
enum store_err fulltext_add(struct account *a, enum fulltext_which w, int64_t id, const uint64_t *grams, size_t n, bool whole,
			    size_t *at)
{
	struct fulltext *f;
	uint64_t wide = grams_wide();
	enum store_err err = fulltext_open(a, w, true, &f);
	if (err)
		return err;
	invariant(id > f->added && id > 0 && *at <= n);
	if (f->partly != id)
		*at = 0;
	whole = whole && n <= FULLTEXT_GRAMS_MAX;
	size_t piece = n - *at < FULLTEXT_PIECE ? n - *at : FULLTEXT_PIECE;
	err = fulltext_begin(f);
	if (!err)
		err = note_block(f, id);
	if (!err && !whole)
		err = fulltext_insert(f, id, &wide, 1);
	else if (!err && piece)
		err = fulltext_insert(f, id, grams + *at, piece);
	if (err)
		return fulltext_failed(a, w, err);
	*at = whole ? *at + piece : n;
	f->partly = id;
	if (*at < n)
		return STORE_OK;
	f->partly = 0;
	f->added = id;
	f->pending++;
	return STORE_OK;
}

enum store_err fulltext_commit(struct account *a, enum fulltext_which w)
{
	struct fulltext *f = a->fulltext[w];
	if (!f || !f->pending)
		return STORE_OK;
	int64_t added = f->added;
	enum store_err err = fulltext_set_meta(f, "watermark", added);
	if (!err)
		err = fulltext_set_meta(f, "contents", fulltext_meta(f, "contents") + (int64_t)f->pending);
	if (!err)
		err = fulltext_end(f);
	if (err)
		return fulltext_failed(a, w, err);
	f->watermark = added;
	f->pending = 0;
	if (w == FULLTEXT_NOW)
		a->indexed = added;
	return STORE_OK;
}

enum store_err fulltext_merge(struct account *a, enum fulltext_which w, bool *out_more)
{
	struct fulltext *f = a->fulltext[w];
	*out_more = false;
	if (!f)
		return STORE_OK;
	invariant(f->pending == 0);
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
