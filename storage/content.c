#include "storage/content.h"

#include "storage/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 3, HEADER_KEPT_MAX = 262144 };

/* An entry of the frame table, as stored. */
struct frame {
	uint32_t stored, raw; /* bytes; equal when not compressed */
	uint32_t checksum;    /* of the raw bytes */
	uint32_t packed;      /* 1: zstd */
};

struct content_writer {
	struct account *a;
	char *raw; /* the frame being filled */
	size_t raw_len;
	struct frame *frames;
	size_t frames_n;
	char *stored; /* compressed frames, while inline */
	size_t stored_len, stored_cap;
	uint64_t size;
	char *header; /* the first bytes, up to HEADER_KEPT_MAX */
	size_t header_len;
	int fd; /* tmp file once too large, else -1 */
	char tmp[64];
	uint64_t serial;
	enum store_err failed;
};

static uint32_t checksum(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u, word;
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	for (; n; n--, p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

struct content_writer *content_writer_create(struct account *a)
{
	struct content_writer *w = xcalloc(1, sizeof(*w));
	w->a = a;
	w->fd = -1;
	return w;
}

uint64_t content_writer_size(const struct content_writer *w)
{
	return w->size;
}

static void path_of(const struct account *a, int64_t id, char *out, size_t size)
{
	snprintf(out, size, "%s/blob/%02x/%lld", a->dir, (unsigned)(id & 0xff), (long long)id);
}

static enum store_err spill(struct content_writer *w)
{
	if (w->fd < 0) {
		char path[4096];
		snprintf(w->tmp, sizeof(w->tmp), "%p", (void *)w);
		snprintf(path, sizeof(path), "%s/tmp/%s", w->a->dir, w->tmp);
		enum store_err err = file_create(w->a->env, POINT_TMP_OPEN, path, &w->fd);
		if (err)
			return err;
	}
	enum store_err err = file_write(w->a->env, POINT_TMP_WRITE, w->fd, w->stored, w->stored_len);
	w->stored_len = 0;
	return err;
}

static enum store_err end_frame(struct content_writer *w)
{
	size_t bound = ZSTD_compressBound(w->raw_len);
	if (w->stored_len + bound > w->stored_cap) {
		w->stored_cap = w->stored_len + bound;
		w->stored = xrealloc(w->stored, w->stored_cap);
	}
	size_t n = ZSTD_compress(w->stored + w->stored_len, bound, w->raw, w->raw_len, ZSTD_LEVEL);
	struct frame f = {.raw = (uint32_t)w->raw_len, .checksum = checksum(w->raw, w->raw_len)};
	if (ZSTD_isError(n) || n >= w->raw_len) {
		memcpy(w->stored + w->stored_len, w->raw, w->raw_len);
		n = w->raw_len;
	} else {
		f.packed = 1;
	}
	f.stored = (uint32_t)n;
	w->stored_len += n;
	w->frames = xrealloc(w->frames, (w->frames_n + 1) * sizeof(*w->frames));
	w->frames[w->frames_n++] = f;
	w->raw_len = 0;
	return w->fd >= 0 || w->stored_len > BODY_INLINE_MAX ? spill(w) : STORE_OK;
}

enum store_err content_writer_write(struct content_writer *w, const void *bytes, size_t len)
{
	const char *p = bytes;
	if (w->header_len < HEADER_KEPT_MAX) {
		size_t keep = len < HEADER_KEPT_MAX - w->header_len ? len : HEADER_KEPT_MAX - w->header_len;
		/* Kept whole until finish says where the header ends. */
		w->header = xrealloc(w->header, w->header_len + keep + 1);
		memcpy(w->header + w->header_len, p, keep);
		w->header_len += keep;
	}
	w->size += len;
	while (len && !w->failed) {
		if (!w->raw)
			w->raw = xmalloc(FRAME_BYTES);
		size_t take = len < FRAME_BYTES - w->raw_len ? len : FRAME_BYTES - w->raw_len;
		memcpy(w->raw + w->raw_len, p, take);
		w->raw_len += take;
		p += take;
		len -= take;
		if (w->raw_len == FRAME_BYTES)
			w->failed = end_frame(w);
	}
	return w->failed;
}

static enum store_err find_digest(struct account *a, const struct content_writer *w, const struct content_meta *m,
				  int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM content WHERE digest=? AND size=?");
	if (stmt) {
		sqlite3_bind_blob(stmt, 1, m->digest, DIGEST_BYTES, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, (int64_t)w->size);
	}
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static void bind_bytes(sqlite3_stmt *stmt, int at, struct bytes b)
{
	sqlite3_bind_blob64(stmt, at, b.ptr ? b.ptr : "", b.len, SQLITE_STATIC);
}

static enum store_err publish_file(struct content_writer *w, int64_t id)
{
	struct account *a = w->a;
	char from[4096], to[4096], dir[4096];
	snprintf(from, sizeof(from), "%s/tmp/%s", a->dir, w->tmp);
	snprintf(dir, sizeof(dir), "%s/blob/%02x", a->dir, (unsigned)(id & 0xff));
	path_of(a, id, to, sizeof(to));
	bool made = false;
	enum store_err err = file_sync(a->env, POINT_TMP_SYNC, w->fd);
	if (!err)
		err = dir_make(dir, &made);
	if (!err && made) {
		snprintf(from, sizeof(from), "%s/blob", a->dir);
		err = dir_sync(a->env, POINT_BLOB_PARENT_SYNC, from);
	}
	snprintf(from, sizeof(from), "%s/tmp/%s", a->dir, w->tmp);
	if (!err)
		err = file_rename(a->env, POINT_BLOB_RENAME, from, to);
	if (err)
		return err;
	close(w->fd);
	w->fd = -1;
	return dir_sync(a->env, POINT_BLOB_DIR_SYNC, dir);
}

static enum store_err insert_rows(struct content_writer *w, const struct content_meta *m, int64_t *id)
{
	struct db *db = &w->a->db;
	sqlite3_stmt *stmt = db_prepare(db, "INSERT INTO content(digest, size, header_len, parser, sent, envelope,"
					    " body, bodystructure, parts) VALUES(?,?,?,?,?,?,?,?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_blob(stmt, 1, m->digest, DIGEST_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)w->size);
	sqlite3_bind_int64(stmt, 3, m->header_len);
	sqlite3_bind_int(stmt, 4, m->parser);
	sqlite3_bind_int64(stmt, 5, m->sent);
	bind_bytes(stmt, 6, m->envelope);
	bind_bytes(stmt, 7, m->body);
	bind_bytes(stmt, 8, m->bodystructure);
	bind_bytes(stmt, 9, m->parts);
	enum store_err err = db_run(db, stmt);
	if (err)
		return err;
	*id = sqlite3_last_insert_rowid(db->handle);
	size_t header_len = m->header_len < w->header_len ? m->header_len : w->header_len;
	if (m->header_len <= HEADER_KEPT_MAX) {
		stmt = db_prepare(db, "INSERT INTO header VALUES(?,?)");
		if (!stmt)
			return STORE_IO;
		sqlite3_bind_int64(stmt, 1, *id);
		bind_bytes(stmt, 2, (struct bytes){w->header, header_len});
		err = db_run(db, stmt);
		if (err)
			return err;
	}
	if (w->fd >= 0) {
		err = publish_file(w, *id);
		if (err)
			return err;
		w->stored_len = SIZE_MAX;
	}
	stmt = db_prepare(db, "INSERT INTO body VALUES(?,?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, *id);
	bind_bytes(stmt, 2, (struct bytes){w->frames, w->frames_n * sizeof(*w->frames)});
	if (w->stored_len != SIZE_MAX)
		bind_bytes(stmt, 3, (struct bytes){w->stored, w->stored_len});
	return db_run(db, stmt);
}

enum store_err content_writer_finish(struct content_writer *w, const struct content_meta *meta, int64_t *out_id)
{
	if (!w->failed && w->raw_len)
		w->failed = end_frame(w);
	if (w->failed)
		return w->failed;
	account_durable(w->a);
	enum store_err err = find_digest(w->a, w, meta, out_id);
	return err == STORE_NOTFOUND ? insert_rows(w, meta, out_id) : err;
}

void content_writer_destroy(struct content_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/tmp/%s", w->a->dir, w->tmp);
		(void)!file_unlink(w->a->env, POINT_TMP_UNLINK, path);
		close(w->fd);
	}
	free(w->raw);
	free(w->frames);
	free(w->stored);
	free(w->header);
	free(w);
}

enum store_err content_get(struct account *a, int64_t id, struct content_row *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT size, header_len, sent, envelope, body, bodystructure, parts"
						" FROM content WHERE id=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	out->size = (uint32_t)sqlite3_column_int64(stmt, 0);
	out->header_len = (uint32_t)sqlite3_column_int64(stmt, 1);
	out->sent = sqlite3_column_int64(stmt, 2);
	struct bytes *columns[] = {&out->envelope, &out->body, &out->bodystructure, &out->parts};
	for (int i = 0; i < 4; i++)
		*columns[i] = (struct bytes){sqlite3_column_blob(stmt, 3 + i),
					     (size_t)sqlite3_column_bytes(stmt, 3 + i)};
	return STORE_OK; /* the statement stays on its row: the bytes are its own; the next use resets it */
}

enum store_err content_header(struct account *a, int64_t id, struct bytes *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT data FROM header WHERE content=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	*out = (struct bytes){sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
	return STORE_OK;
}

static enum store_err load_frame(struct account *a, int64_t id, uint32_t index)
{
	if (a->frame_content == id && a->frame_index == index)
		return STORE_OK;
	a->frame_content = -1;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT frames, data FROM body WHERE content=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, id);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	const char *table = sqlite3_column_blob(stmt, 0), *data = sqlite3_column_blob(stmt, 1);
	size_t n = (size_t)sqlite3_column_bytes(stmt, 0) / sizeof(struct frame);
	struct frame f = {0};
	uint64_t at = 0;
	err = index < n ? STORE_OK : STORE_CORRUPT;
	for (uint32_t i = 0; !err && i <= index; i++) {
		at += f.stored;
		memcpy(&f, table + i * sizeof(f), sizeof(f));
	}
	if (!err && (f.raw > FRAME_BYTES || f.stored > FRAME_BYTES))
		err = STORE_CORRUPT;
	char *file = NULL;
	if (!err && !data) {
		char path[4096];
		path_of(a, id, path, sizeof(path));
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		file = xmalloc(f.stored);
		if (fd < 0 || pread(fd, file, f.stored, (off_t)at) != (ssize_t)f.stored)
			err = STORE_CORRUPT;
		if (fd >= 0)
			close(fd);
	} else if (!err && at + f.stored > (uint64_t)sqlite3_column_bytes(stmt, 1)) {
		err = STORE_CORRUPT;
	}
	const char *stored = file ? file : data + (err ? 0 : at);
	if (!a->frame)
		a->frame = xmalloc(FRAME_BYTES);
	if (!err && f.packed && ZSTD_decompress(a->frame, FRAME_BYTES, stored, f.stored) != f.raw)
		err = STORE_CORRUPT;
	else if (!err && !f.packed)
		memcpy(a->frame, stored, f.raw);
	free(file);
	sqlite3_reset(stmt);
	if (!err && checksum(a->frame, f.raw) != f.checksum)
		err = STORE_CORRUPT;
	if (err)
		return err;
	a->frame_content = id;
	a->frame_index = index;
	a->frame_len = f.raw;
	return STORE_OK;
}

enum store_err content_read(struct account *a, int64_t id, uint64_t offset, size_t len, char *to)
{
	while (len) {
		enum store_err err = load_frame(a, id, (uint32_t)(offset / FRAME_BYTES));
		if (err)
			return err;
		size_t from = offset % FRAME_BYTES;
		if (from >= a->frame_len)
			return STORE_CORRUPT;
		size_t take = a->frame_len - from < len ? a->frame_len - from : len;
		memcpy(to, a->frame + from, take);
		to += take;
		offset += take;
		len -= take;
	}
	return STORE_OK;
}

void content_clean_tmp(struct account *a)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/tmp", a->dir);
	DIR *dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/tmp/%s", a->dir, e->d_name);
			(void)!file_unlink(a->env, POINT_TMP_CLEAN, path);
		}
	closedir(dir);
}
