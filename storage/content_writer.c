#include "storage/content_writer.h"

#include "storage/blob.h"
#include "storage/file.h"
#include "storage/scratch.h"
#include "storage/thread.h"

#include <unistd.h>

enum { TABLE_GROWTH = 64 };

struct content_writer {
	struct account *a;            /* NULL after it closed */
	struct content_writer *next, **link; /* in the account's list */
	char *raw;                    /* the frame being filled; the whole message while it has but one */
	size_t raw_len, raw_cap;
	unsigned char *table;
	uint32_t frames_n, frames_cap;
	char *stored;                 /* packed frames, while inline */
	size_t stored_len, stored_cap;
	uint64_t stored_total, size;
	struct blob_file file;
	bool sealed;
	int64_t id;                   /* once finished */
	enum store_err failed;
};

struct content_writer *content_writer_create(struct account *a)
{
	struct content_writer *w = xcalloc(1, sizeof(*w));
	w->a = a;
	w->file.fd = -1;
	w->next = a->writers;
	w->link = &a->writers;
	if (w->next)
		w->next->link = &w->next;
	a->writers = w;
	return w;
}

uint64_t content_writer_size(const struct content_writer *w)
{
	return w->size;
}

static void leave(struct content_writer *w)
{
	if (!w->a)
		return;
	blob_drop(w->a, &w->file);
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->a = NULL;
}

static void free_buffers(struct content_writer *w)
{
	free(w->raw);
	free(w->table);
	free(w->stored);
	w->raw = w->stored = NULL;
	w->table = NULL;
}

void content_writer_destroy(struct content_writer *w)
{
	if (!w)
		return;
	leave(w);
	free_buffers(w);
	free(w);
}

void content_writers_give_up(struct account *a)
{
	while (a->writers) {
		struct content_writer *w = a->writers;
		leave(w);
		free_buffers(w);
		w->failed = STORE_IO;
	}
}

bool content_writers_hold(const struct account *a, int64_t id)
{
	for (const struct content_writer *w = a->writers; w; w = w->next)
		if (w->id == id)
			return true;
	return false;
}

/* --- taking bytes in --- */

static enum store_err spill(struct content_writer *w)
{
	enum store_err err = w->file.fd < 0 ? blob_start(w->a, &w->file) : STORE_OK;
	if (!err)
		err = blob_write(w->a, &w->file, w->stored, w->stored_len);
	w->stored_len = 0;
	return err;
}

static void pack(struct content_writer *w, const char *raw, size_t len)
{
	if (w->frames_n == w->frames_cap) {
		w->frames_cap += w->frames_cap ? TABLE_GROWTH : 1;
		w->table = xrealloc(w->table, (size_t)w->frames_cap * FRAME_ENTRY_BYTES);
	}
	if (w->stored_len + len > w->stored_cap) {
		w->stored_cap = w->stored_len + len;
		w->stored = xrealloc(w->stored, w->stored_cap);
	}
	size_t n = frame_pack(account_scratch(w->a), raw, len, w->frames_n, (uint32_t)w->stored_total,
			      w->stored + w->stored_len, w->table + (size_t)w->frames_n * FRAME_ENTRY_BYTES);
	w->frames_n++;
	w->stored_len += n;
	w->stored_total += n;
	if (w->file.fd >= 0 || w->stored_len > BODY_INLINE_MAX)
		w->failed = spill(w);
}

/* Fills the frame that is begun from `bytes`; returns how many it took. */
static size_t fill(struct content_writer *w, const char *bytes, size_t len)
{
	size_t take = len < FRAME_BYTES - w->raw_len ? len : FRAME_BYTES - w->raw_len;
	if (w->raw_len + take > w->raw_cap) {
		size_t cap = w->raw_cap * 2 > w->raw_len + take ? w->raw_cap * 2 : w->raw_len + take;
		w->raw_cap = cap < FRAME_BYTES ? cap : FRAME_BYTES;
		w->raw = xrealloc(w->raw, w->raw_cap);
	}
	memcpy(w->raw + w->raw_len, bytes, take);
	w->raw_len += take;
	return take;
}

enum store_err content_writer_write(struct content_writer *w, const void *bytes, size_t len)
{
	const char *p = bytes;
	invariant(!w->sealed);
	if (!w->failed && w->size + len > UINT32_MAX)
		w->failed = STORE_LIMIT;
	if (w->failed)
		return w->failed;
	w->size += len;
	while (len && !w->failed) {
		/* A full frame waits until more comes, so that a message of one frame still has its bytes at hand. */
		if (w->raw_len == FRAME_BYTES) {
			pack(w, w->raw, FRAME_BYTES);
			w->raw_len = 0;
			continue;
		}
		if (w->raw_len == 0 && len > FRAME_BYTES) {
			pack(w, p, FRAME_BYTES);
			p += FRAME_BYTES;
			len -= FRAME_BYTES;
			continue;
		}
		size_t took = fill(w, p, len);
		p += took;
		len -= took;
	}
	return w->failed;
}

enum store_err content_writer_seal(struct content_writer *w)
{
	if (w->sealed || w->failed)
		return w->failed;
	w->sealed = true;
	if (w->raw_len)
		pack(w, w->raw, w->raw_len);
	if (!w->failed && w->file.fd >= 0)
		w->failed = blob_seal(w->a, &w->file);
	return w->failed;
}

/* --- the same bytes again --- */

static enum store_err same_file(struct content_writer *w, int64_t id, bool *out)
{
	int fd;
	*out = false;
	if (blob_open(w->a, id, &fd) != STORE_OK)
		return STORE_OK; /* damaged: it must not be relied on */
	char *ours = xmalloc(FRAME_BYTES), *theirs = xmalloc(FRAME_BYTES);
	enum store_err err = STORE_OK;
	bool same = true;
	for (uint64_t at = 0; same && !err && at < w->stored_total;) {
		size_t step = w->stored_total - at < FRAME_BYTES ? (size_t)(w->stored_total - at) : FRAME_BYTES;
		err = file_read_at(w->file.fd, at, ours, step);
		same = !err && file_read_at(fd, at, theirs, step) == STORE_OK && memcmp(ours, theirs, step) == 0;
		at += step;
	}
	free(ours);
	free(theirs);
	close(fd);
	*out = same;
	return err;
}

/* The digest is a hint: what makes two contents one is that the bytes on disk are these bytes. */
static enum store_err same_body(struct content_writer *w, int64_t id, bool *out)
{
	sqlite3_stmt *stmt = db_prepare(&w->a->db, "SELECT frames, data FROM body WHERE content=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	*out = false;
	if (!db_next(&w->a->db, stmt, &err))
		return err;
	size_t table_len = (size_t)w->frames_n * FRAME_ENTRY_BYTES;
	bool same = (size_t)sqlite3_column_bytes(stmt, 0) == table_len &&
		    (table_len == 0 || memcmp(sqlite3_column_blob(stmt, 0), w->table, table_len) == 0);
	bool in_file = sqlite3_column_type(stmt, 1) == SQLITE_NULL;
	if (in_file != (w->file.fd >= 0))
		same = false;
	if (same && !in_file)
		same = (size_t)sqlite3_column_bytes(stmt, 1) == w->stored_len &&
		       (w->stored_len == 0 ||
			memcmp(sqlite3_column_blob(stmt, 1), w->stored, w->stored_len) == 0);
	sqlite3_reset(stmt);
	if (!same || !in_file) {
		*out = same;
		return STORE_OK;
	}
	return same_file(w, id, out);
}

static enum store_err find_same(struct content_writer *w, const struct content_meta *meta, int64_t *out)
{
	static const char sql[] = "SELECT id FROM content WHERE digest=? AND size=? AND id>? ORDER BY id";
	for (*out = 0;;) {
		sqlite3_stmt *stmt = db_prepare(&w->a->db, sql);
		if (stmt) {
			sqlite3_bind_blob(stmt, 1, meta->digest, DIGEST_BYTES, SQLITE_STATIC);
			sqlite3_bind_int64(stmt, 2, (int64_t)w->size);
			sqlite3_bind_int64(stmt, 3, *out);
		}
		enum store_err err;
		bool same = false;
		if (!db_next(&w->a->db, stmt, &err))
			return err ? err : STORE_NOTFOUND;
		*out = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
		err = same_body(w, *out, &same);
		if (err || same)
			return err;
	}
}

/* --- the rows --- */

static void bind_bytes(sqlite3_stmt *stmt, int at, struct bytes b)
{
	if (b.ptr)
		sqlite3_bind_blob64(stmt, at, b.ptr, b.len, SQLITE_STATIC);
}

static struct bytes bytes_of(const void *ptr, size_t len)
{
	return (struct bytes){ptr ? ptr : "", len};
}

/* A message that names no others is a thread of its own, the same for the same bytes. */
static uint64_t lonely_thread(const struct content_meta *m)
{
	uint64_t id;
	memcpy(&id, m->digest, sizeof(id));
	return id;
}

static enum store_err insert_content(struct content_writer *w, const struct content_meta *m, int64_t *out_id)
{
	uint64_t thread = lonely_thread(m);
	enum store_err err = m->keys.ids_n ? thread_join(w->a, m->keys.ids, m->keys.ids_n, &thread) : STORE_OK;
	if (err)
		return err;
	struct db *db = &w->a->db;
	sqlite3_stmt *stmt = db_prepare(db, "INSERT INTO content(digest, size, header_len, parser, sent, envelope,"
					    " body, bodystructure, parts, preview, thread_id)"
					    " VALUES(?,?,?,?,?,?,?,?,?,?,?)");
	if (stmt) {
		sqlite3_bind_blob(stmt, 1, m->digest, DIGEST_BYTES, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, (int64_t)w->size);
		sqlite3_bind_int64(stmt, 3, m->header_len);
		sqlite3_bind_int(stmt, 4, m->parser);
		if (m->sent != CONTENT_NO_DATE)
			sqlite3_bind_int64(stmt, 5, m->sent);
		const struct bytes columns[] = {m->envelope, m->body, m->bodystructure, m->parts,
						m->preview};
		for (size_t i = 0; i < countof(columns); i++)
			bind_bytes(stmt, 6 + (int)i, columns[i]);
		sqlite3_bind_int64(stmt, 11, (int64_t)thread);
	}
	err = db_run(db, stmt);
	*out_id = sqlite3_last_insert_rowid(db->handle);
	return err ? err : keys_insert(w->a, *out_id, &m->keys);
}

/* The first `len` bytes of the message, to `to`, from the frames packed so far. */
static enum store_err read_back(struct content_writer *w, size_t len, char *to)
{
	struct scratch *s = account_scratch(w->a);
	struct bytes table = {w->table, (size_t)w->frames_n * FRAME_ENTRY_BYTES};
	enum store_err err = STORE_OK;
	for (uint32_t i = 0; len && !err; i++) {
		struct frame f;
		err = frame_find(table, i, &f);
		const char *stored = w->stored + f.begin;
		if (!err && w->file.fd >= 0) {
			stored = scratch_stored(s);
			err = file_read_at(w->file.fd, f.begin, scratch_stored(s), f.end - f.begin);
		}
		scratch_forget(s);
		if (!err)
			err = frame_unpack(s, &f, stored, scratch_raw(s));
		size_t take = len < f.raw ? len : f.raw;
		if (!err)
			memcpy(to, scratch_raw(s), take);
		to += take;
		len -= take;
	}
	return err;
}

static enum store_err insert_header(struct content_writer *w, int64_t id, size_t len)
{
	if (len > HEADER_INLINE_MAX)
		return STORE_OK; /* it stays in the body */
	char *copy = NULL;
	enum store_err err = STORE_OK;
	if (w->frames_n > 1) {
		copy = xmalloc(len);
		err = read_back(w, len, copy);
	}
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&w->a->db, "INSERT INTO header VALUES(?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		bind_bytes(stmt, 2, bytes_of(copy ? copy : w->raw, len));
	}
	if (!err)
		err = db_run(&w->a->db, stmt);
	free(copy);
	return err;
}

static enum store_err insert_body(struct content_writer *w, int64_t id)
{
	bool in_file = w->file.fd >= 0;
	enum store_err err = in_file ? blob_publish(w->a, &w->file, id) : STORE_OK;
	if (err)
		return err;
	sqlite3_stmt *stmt = db_prepare(&w->a->db, "INSERT INTO body VALUES(?,?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, id);
		bind_bytes(stmt, 2, bytes_of(w->table, (size_t)w->frames_n * FRAME_ENTRY_BYTES));
		if (!in_file)
			bind_bytes(stmt, 3, bytes_of(w->stored, w->stored_len));
	}
	return db_run(&w->a->db, stmt);
}

static enum store_err store(struct content_writer *w, const struct content_meta *meta)
{
	enum store_err err = find_same(w, meta, &w->id);
	if (err != STORE_NOTFOUND)
		return err;
	err = insert_content(w, meta, &w->id);
	if (!err)
		err = insert_header(w, w->id, meta->header_len);
	return err ? err : insert_body(w, w->id);
}

enum store_err content_writer_finish(struct content_writer *w, const struct content_meta *meta, int64_t *out_id)
{
	enum store_err err = content_writer_seal(w);
	if (err)
		return err;
	invariant(w->a->in_op && meta->header_len <= w->size);
	account_durable(w->a);
	if (!w->id) {
		w->failed = store(w, meta);
		if (w->failed) {
			w->id = 0;
			return w->failed;
		}
		blob_drop(w->a, &w->file);
		free_buffers(w);
	}
	*out_id = w->id;
	return STORE_OK;
}
