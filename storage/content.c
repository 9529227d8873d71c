/*
 * Reading contents.
 *
 * Each of the three tables is read by a statement over `id >= ?` in the order of ids: a read of a later id that is near
 * steps it on, which costs half of a search.  A body is read by its frame table: of an inline body of one frame the
 * bytes come with the row; of more frames, and of files, only those asked for are read.
 */
#include "storage/content.h"

#include "storage/blob.h"
#include "storage/file.h"
#include "storage/scratch.h"

#include <unistd.h>

/* Puts the cursor on the row `id`.  At most `near` rows are stepped over instead of searching anew. */
static enum store_err seek(struct account *a, struct content_cursor *c, const char *sql, int64_t id, int64_t near)
{
	enum store_err err = STORE_OK;
	if (c->stmt && sqlite3_stmt_busy(c->stmt) && c->at <= id && id - c->at <= near) {
		while (c->at < id && db_next(&a->db, c->stmt, &err))
			c->at = sqlite3_column_int64(c->stmt, 0);
		if (c->at >= id)
			return c->at == id ? STORE_OK : STORE_NOTFOUND;
		c->at = 0;
		return err ? err : STORE_NOTFOUND;
	}
	c->stmt = db_prepare(&a->db, sql);
	c->at = 0;
	if (c->stmt)
		sqlite3_bind_int64(c->stmt, 1, id);
	if (!db_next(&a->db, c->stmt, &err))
		return err ? err : STORE_NOTFOUND;
	c->at = sqlite3_column_int64(c->stmt, 0);
	return c->at == id ? STORE_OK : STORE_NOTFOUND;
}

static struct bytes column(sqlite3_stmt *stmt, int at)
{
	const void *ptr = sqlite3_column_blob(stmt, at);
	return (struct bytes){ptr ? ptr : "", (size_t)sqlite3_column_bytes(stmt, at)};
}

enum store_err content_get(struct account *a, int64_t id, struct content_row *out)
{
	enum { STEPS = 16 };
	static const char sql[] = "SELECT id, size, header_len, parser, sent, thread_id, digest, envelope, body, bodystructure,"
				  " parts, preview FROM content WHERE id>=? ORDER BY id";
	enum store_err err = seek(a, &a->rows, sql, id, STEPS);
	if (err)
		return err == STORE_NOTFOUND ? STORE_CORRUPT : err;
	sqlite3_stmt *stmt = a->rows.stmt;
	*out = (struct content_row){
		.size = (uint32_t)sqlite3_column_int64(stmt, 1),
		.header_len = (uint32_t)sqlite3_column_int64(stmt, 2),
		.parser = sqlite3_column_int(stmt, 3),
		.sent = sqlite3_column_type(stmt, 4) == SQLITE_NULL ? CONTENT_NO_DATE : sqlite3_column_int64(stmt, 4),
		.thread = (uint64_t)sqlite3_column_int64(stmt, 5),
		.digest = column(stmt, 6),
		.envelope = column(stmt, 7),
		.body = column(stmt, 8),
		.bodystructure = column(stmt, 9),
		.parts = column(stmt, 10),
		.preview = column(stmt, 11)};
	return out->digest.len == DIGEST_BYTES ? STORE_OK : STORE_CORRUPT;
}

enum store_err content_find(struct account *a, const unsigned char *digest, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM content WHERE digest=? ORDER BY id");
	if (stmt)
		sqlite3_bind_blob(stmt, 1, digest, DIGEST_BYTES, SQLITE_STATIC);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* A number that depends on an id; 0 when there is no row. */
static enum store_err number_after(struct account *a, const char *sql, int64_t after, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (stmt)
		sqlite3_bind_int64(stmt, 1, after);
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err content_next(struct account *a, int64_t after, int64_t *out)
{
	return number_after(a, "SELECT id FROM content WHERE id>? ORDER BY id LIMIT 1", after, out);
}

enum store_err content_count(struct account *a, int64_t after, int64_t *out)
{
	/* The index over digests is a fiftieth of the table. */
	return number_after(a, "SELECT count(*) FROM content INDEXED BY content_digest WHERE +id>?", after, out);
}

enum store_err content_header(struct account *a, int64_t id, struct bytes *out)
{
	enum { STEPS = 4 };
	static const char sql[] = "SELECT content, data FROM header WHERE content>=? ORDER BY content";
	enum store_err err = seek(a, &a->headers, sql, id, STEPS);
	if (!err)
		*out = column(a->headers.stmt, 1);
	return err;
}

/* --- bodies --- */

/* A body that is being read; the pointers are the statement's. */
struct body {
	struct account *a;
	int64_t id;
	struct bytes table;
	const char *data;   /* of an inline body of one frame, else NULL */
	uint64_t data_len;
	bool in_file;
	int fd;             /* once opened, else -1 */
	sqlite3_blob *blob; /* once opened, else NULL */
};

static enum store_err body_open(struct account *a, int64_t id, struct body *b)
{
	enum { STEPS = 2 };
	/* The length of a blob is known without reading it. */
	static const char sql[] = "SELECT content, frames, CASE WHEN length(frames)=16 THEN data END, length(data),"
				  " data IS NULL FROM body WHERE content>=? ORDER BY content";
	*b = (struct body){.a = a, .id = id, .fd = -1};
	enum store_err err = seek(a, &a->bodies, sql, id, STEPS);
	if (err)
		return err == STORE_NOTFOUND ? STORE_CORRUPT : err;
	sqlite3_stmt *stmt = a->bodies.stmt;
	b->table = column(stmt, 1);
	b->data = sqlite3_column_blob(stmt, 2);
	b->data_len = (uint64_t)sqlite3_column_int64(stmt, 3);
	b->in_file = sqlite3_column_int(stmt, 4) != 0;
	return STORE_OK;
}

static void body_close(struct body *b)
{
	if (b->fd >= 0)
		close(b->fd);
	sqlite3_blob_close(b->blob);
}

/* The stored bytes of frame `f`, where they are or read to `room`. */
static enum store_err body_fetch(struct body *b, const struct frame *f, char *room, const char **out)
{
	size_t len = f->end - f->begin;
	enum store_err err = STORE_OK;
	if (!b->in_file && f->end > b->data_len)
		return STORE_CORRUPT;
	*out = b->data ? b->data + f->begin : room;
	if (b->data)
		return STORE_OK;
	if (b->in_file) {
		if (b->fd < 0)
			err = blob_open(b->a, b->id, &b->fd);
		return err ? err : file_read_at(b->fd, f->begin, room, len);
	}
	struct db *db = &b->a->db;
	int rc = SQLITE_OK;
	if (!b->blob)
		rc = sqlite3_blob_open(db->handle, "main", "body", "data", b->id, 0, &b->blob);
	if (rc == SQLITE_OK)
		rc = sqlite3_blob_read(b->blob, room, (int)len, (int)f->begin);
	return db_error(db, rc);
}

/* Bytes [from, from + len) of frame `index` to `to`: unpacked there when that is all of it. */
static enum store_err read_frame(struct body *b, struct scratch *s, uint32_t index, size_t from, size_t len, char *to)
{
	if (s->raw_content == b->id && s->raw_index == index && from + len <= s->raw_len) {
		memcpy(to, s->raw + from, len);
		return STORE_OK;
	}
	struct frame f;
	enum store_err err = frame_find(b->table, index, &f);
	if (err)
		return err;
	if (from + len > f.raw)
		return STORE_CORRUPT;
	bool whole = len == f.raw;
	if (!whole)
		scratch_forget(s);
	char *unpacked = whole ? to : scratch_raw(s);
	const char *stored;
	err = body_fetch(b, &f, f.method == FRAME_RAW ? unpacked : scratch_stored(s), &stored);
	if (!err)
		err = frame_unpack(s, &f, stored, unpacked);
	if (err || whole)
		return err;
	s->raw_content = b->id;
	s->raw_index = index;
	s->raw_len = f.raw;
	memcpy(to, unpacked + from, len);
	return STORE_OK;
}

enum store_err content_read(struct account *a, int64_t id, uint64_t offset, size_t len, char *to)
{
	struct scratch *s = account_scratch(a);
	struct body b;
	if (len == 0)
		return STORE_OK;
	enum store_err err = body_open(a, id, &b);
	while (len && !err) {
		if (offset / FRAME_BYTES >= frame_count(b.table)) {
			err = STORE_CORRUPT;
			break;
		}
		size_t from = offset % FRAME_BYTES;
		size_t take = FRAME_BYTES - from < len ? FRAME_BYTES - from : len;
		err = read_frame(&b, s, (uint32_t)(offset / FRAME_BYTES), from, take, to);
		to += take;
		offset += take;
		len -= take;
	}
	body_close(&b);
	return err;
}
