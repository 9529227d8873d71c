/*
 * Texts that were made of contents' attachments, kept in pieces, each a frame (frame.h) behind its entry: search looks into
 * them as it looks into messages.
 */
#include "storage/fulltext_private.h"

#include "storage/frame.h"
#include "storage/scratch.h"

/* A transaction in which the content has no text.  STORE_NOTFOUND: there is no index. */
static enum store_err begin_without(struct account *a, int64_t id, struct fulltext **out)
{
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, out);
	if (err)
		return err;
	err = fulltext_begin(*out);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&(*out)->db, "DELETE FROM text WHERE content=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	if (!err)
		err = db_run(&(*out)->db, stmt);
	return fulltext_failed(a, FULLTEXT_NOW, err);
}

/* What was added of other contents is committed with it, and counts. */
static enum store_err set_converted(struct account *a, struct fulltext *f, int64_t converters, int64_t done)
{
	enum store_err err = fulltext_begin(f);
	if (!err)
		err = fulltext_set_meta(f, "converters", converters);
	if (!err)
		err = fulltext_set_meta(f, "converted", done);
	f->text_of = 0;
	if (!err && f->pending)
		return fulltext_commit(a, FULLTEXT_NOW);
	return fulltext_failed(a, FULLTEXT_NOW, err ? err : fulltext_end(f));
}

enum store_err fulltext_texts_begin(struct account *a, int64_t converters, int64_t *out_done)
{
	struct fulltext *f;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err)
		return err;
	f->text_of = 0;
	*out_done = fulltext_meta(f, "converted");
	if (fulltext_meta(f, "converters") == converters)
		return STORE_OK;
	*out_done = 0;
	return set_converted(a, f, converters, 0);
}

enum store_err fulltext_text_begin(struct account *a, int64_t id)
{
	struct fulltext *f;
	enum store_err err = begin_without(a, id, &f);
	if (!err)
		f->text_of = id;
	return err;
}

/* STORE_BUSY: what was begun was taken back meanwhile. */
static enum store_err find_begun(const struct account *a, int64_t id, struct fulltext **out)
{
	*out = a->fulltext[FULLTEXT_NOW];
	return *out && (*out)->text_of == id ? STORE_OK : STORE_BUSY;
}

enum store_err fulltext_text_add(struct account *a, int64_t id, uint32_t piece, struct bytes folded, bool ends)
{
	struct fulltext *f;
	char stored[FRAME_ENTRY_BYTES + FRAME_BYTES];
	size_t len = 0;
	enum store_err err = find_begun(a, id, &f);
	if (err)
		return err;
	invariant(folded.len <= FRAME_BYTES);
	if (folded.len)
		len = FRAME_ENTRY_BYTES + frame_pack(account_scratch(a), folded.ptr, folded.len, 0, 0, stored + FRAME_ENTRY_BYTES,
						     (unsigned char *)stored);
	sqlite3_stmt *stmt = db_prepare(&f->db, "INSERT INTO text VALUES(?,?,?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_int64(stmt, 2, piece);
		sqlite3_bind_int(stmt, 3, ends);
		sqlite3_bind_blob(stmt, 4, stored, (int)len, SQLITE_STATIC);
	}
	err = db_run(&f->db, stmt);
	if (stmt)
		sqlite3_clear_bindings(stmt);
	f->has_texts = true;
	return fulltext_failed(a, FULLTEXT_NOW, err);
}

enum store_err fulltext_text_grams(struct account *a, int64_t id, const uint64_t *grams, size_t n, bool whole, size_t *at)
{
	struct fulltext *f;
	uint64_t wide = grams_wide();
	enum store_err err = find_begun(a, id, &f);
	if (err)
		return err;
	size_t portion = n - *at < FULLTEXT_PIECE ? n - *at : FULLTEXT_PIECE;
	int64_t before;
	err = fulltext_last_piece(f, id - 1, &before);
	if (!err && !whole)
		err = fulltext_insert(f, before + 1, &wide, 1, NULL, 0);
	else if (!err && portion)
		err = fulltext_insert(f, before + 1, grams + *at, portion, NULL, 0);
	*at = whole ? *at + portion : n;
	return fulltext_failed(a, FULLTEXT_NOW, err);
}

enum store_err fulltext_texts_commit(struct account *a, int64_t converters, int64_t before, int64_t done)
{
	struct fulltext *f;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err)
		return err;
	/* Another index may have taken its place. */
	if (fulltext_meta(f, "converters") != converters || fulltext_meta(f, "converted") != before)
		return STORE_BUSY;
	return set_converted(a, f, converters, done);
}

enum store_err fulltext_texts_carry(struct account *a)
{
	struct fulltext *now, *next;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &now);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	int64_t converted = fulltext_meta(now, "converted"), converters = fulltext_meta(now, "converters");
	err = fulltext_open(a, FULLTEXT_NEXT, true, &next);
	if (err)
		return err;
	err = fulltext_begin(next);
	if (!err)
		err = fulltext_set_meta(next, "converted", converted);
	if (!err)
		err = fulltext_set_meta(next, "converters", converters);
	return fulltext_failed(a, FULLTEXT_NEXT, err);
}

/* A text is at most some 70 pieces. */
enum store_err fulltext_text_carry(struct account *a, int64_t id)
{
	struct fulltext *now, *next;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &now), read_err = STORE_OK;
	if (err || !now->has_texts)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	err = fulltext_open(a, FULLTEXT_NEXT, true, &next);
	if (!err)
		err = fulltext_begin(next);
	sqlite3_stmt *from = err ? NULL : db_prepare(&now->db, "SELECT piece, ends, text FROM text WHERE content=? ORDER BY piece");
	if (from)
		sqlite3_bind_int64(from, 1, id);
	while (!err && db_next(&now->db, from, &read_err)) {
		sqlite3_stmt *to = db_prepare(&next->db, "INSERT OR REPLACE INTO text VALUES(?,?,?,?)");
		if (to) {
			sqlite3_bind_int64(to, 1, id);
			sqlite3_bind_value(to, 2, sqlite3_column_value(from, 0));
			sqlite3_bind_value(to, 3, sqlite3_column_value(from, 1));
			sqlite3_bind_value(to, 4, sqlite3_column_value(from, 2));
		}
		err = db_run(&next->db, to);
		next->has_texts = true;
	}
	if (from)
		sqlite3_reset(from);
	if (read_err)
		return fulltext_failed(a, FULLTEXT_NOW, read_err);
	return fulltext_failed(a, FULLTEXT_NEXT, err);
}

enum store_err fulltext_texts_next(struct account *a, int64_t after, int64_t *out)
{
	struct fulltext *f;
	*out = 0;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err || !f->has_texts)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT content FROM text WHERE content>? ORDER BY content LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, after);
	if (db_next(&f->db, stmt, &err)) {
		*out = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	return fulltext_failed(a, FULLTEXT_NOW, err);
}

enum store_err fulltext_texts_forget(struct account *a, int64_t id)
{
	struct fulltext *f;
	enum store_err err = begin_without(a, id, &f);
	return err == STORE_NOTFOUND ? STORE_OK : err;
}

static enum store_err unpack(struct account *a, struct bytes stored, char *to, size_t *out_len)
{
	struct frame frame;
	*out_len = 0;
	if (!stored.len)
		return STORE_OK;
	if (stored.len < FRAME_ENTRY_BYTES)
		return STORE_CORRUPT;
	enum store_err err = frame_find((struct bytes){stored.ptr, FRAME_ENTRY_BYTES}, 0, &frame);
	if (!err && (frame.end != stored.len - FRAME_ENTRY_BYTES || frame.raw > FRAME_BYTES))
		err = STORE_CORRUPT;
	if (!err)
		err = frame_unpack(account_scratch(a), &frame, (const char *)stored.ptr + FRAME_ENTRY_BYTES, to);
	*out_len = err ? 0 : frame.raw;
	return err;
}

enum store_err fulltext_text_get(struct account *a, int64_t id, uint32_t piece, char *to, size_t *out_len, bool *out_ends)
{
	struct fulltext *f;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err)
		return err;
	if (!f->has_texts)
		return STORE_NOTFOUND;
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT ends, text FROM text WHERE content=? AND piece=?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_int64(stmt, 2, piece);
	}
	if (!db_next(&f->db, stmt, &err))
		return err ? fulltext_failed(a, FULLTEXT_NOW, err) : STORE_NOTFOUND;
	*out_ends = sqlite3_column_int(stmt, 0) != 0;
	err = unpack(a, (struct bytes){sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)}, to, out_len);
	sqlite3_reset(stmt);
	if (err)
		snprintf(f->db.fault, sizeof(f->db.fault), "text of content %lld is damaged", (long long)id);
	return fulltext_failed(a, FULLTEXT_NOW, err);
}
