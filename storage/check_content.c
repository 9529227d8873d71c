/* The check of contents: every byte of every body; and what nobody names. */
#include "storage/blob.h"
#include "storage/check_private.h"
#include "storage/frame.h"
#include "storage/scratch.h"

#include <dirent.h>
#include <inttypes.h>

enum { SLICE_BYTES = 2 * 1024 * 1024, MARK_ROWS = 64, UNNAMED_ROWS = 2000 };

static enum store_err read_number(struct check *c, const char *sql, int64_t first, int64_t second, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, sql);
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, first);
		sqlite3_bind_int64(stmt, 2, second);
	}
	enum store_err err;
	*out = 0;
	if (!db_next(&c->a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* What is read of one content. */
struct reading {
	struct check *c;
	int64_t id;
	uint32_t size, header_len;
	unsigned char digest[DIGEST_BYTES];
	char *buffer; /* FRAME_BYTES */
};

static bool has_header(const struct reading *r, uint64_t offset, size_t len, const struct bytes *header)
{
	if (!header || offset >= header->len)
		return true;
	size_t part = header->len - offset < len ? (size_t)(header->len - offset) : len;
	return memcmp(r->buffer, (const char *)header->ptr + offset, part) == 0;
}

/* All frames, whatever the first fault: each is told. */
static enum store_err read_body(struct reading *r, const struct bytes *header)
{
	struct check *c = r->c;
	void *digest = c->digest ? c->digest->start() : NULL;
	bool whole = true, same_header = true;
	enum store_err err = STORE_OK;
	scratch_forget(account_scratch(c->a)); /* what is on disk is asked for, not what was once read */
	for (uint64_t at = 0; at < r->size && !err; at += FRAME_BYTES) {
		size_t len = r->size - at < FRAME_BYTES ? (size_t)(r->size - at) : FRAME_BYTES;
		err = content_read(c->a, r->id, at, len, r->buffer);
		if (err == STORE_CORRUPT) {
			check_report(c, CHECK_DAMAGE, "content %" PRId64 ": bytes %" PRIu64 " to %" PRIu64 " are damaged",
				     r->id, at, at + len - 1);
			whole = false;
			err = STORE_OK;
			continue;
		}
		if (!err && digest)
			c->digest->feed(digest, r->buffer, len);
		if (!err && !has_header(r, at, len, header))
			same_header = false;
	}
	unsigned char found[DIGEST_BYTES];
	if (digest)
		c->digest->finish(digest, found);
	if (!err && digest && whole && memcmp(found, r->digest, DIGEST_BYTES) != 0)
		check_report(c, CHECK_DAMAGE, "content %" PRId64 ": the digest of its bytes is not the one kept", r->id);
	if (!err && !same_header)
		check_report(c, CHECK_DAMAGE, "content %" PRId64 ": its header block is not that of its body", r->id);
	c->counts.bytes += r->size;
	return err;
}

/* The frames are as many as the size says, and the body ends with the last. */
static enum store_err check_table(struct reading *r)
{
	sqlite3_stmt *stmt = db_prepare(&r->c->a->db, "SELECT frames, length(data), data IS NULL FROM body WHERE content=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, r->id);
	enum store_err err;
	if (!db_next(&r->c->a->db, stmt, &err)) {
		if (!err)
			check_report(r->c, CHECK_DAMAGE, "content %" PRId64 ": its body is not there", r->id);
		return err;
	}
	struct bytes table = {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
	uint32_t n = frame_count(table);
	struct frame last = {0};
	bool sound = n == 0 || frame_find(table, n - 1, &last) == STORE_OK;
	uint64_t raw = n ? (uint64_t)(n - 1) * FRAME_BYTES + last.raw : 0;
	if (!sound || raw != r->size ||
	    (!sqlite3_column_int(stmt, 2) && sqlite3_column_int64(stmt, 1) != (int64_t)last.end))
		check_report(r->c, CHECK_DAMAGE, "content %" PRId64 ": its frame table is not that of %u bytes", r->id,
			     r->size);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static enum store_err check_one(struct reading *r)
{
	struct check *c = r->c;
	struct bytes header, *known = NULL;
	if (r->header_len > r->size)
		check_report(c, CHECK_DAMAGE, "content %" PRId64 ": its header is longer than it", r->id);
	enum store_err err = content_header(c->a, r->id, &header);
	if (!err && header.len == r->header_len)
		known = &header;
	else if (!err || (err == STORE_NOTFOUND && r->header_len <= HEADER_INLINE_MAX))
		check_report(c, CHECK_DAMAGE, "content %" PRId64 ": its header block is missing or of another length", r->id);
	if (err && err != STORE_NOTFOUND)
		return err;
	int64_t keys;
	err = read_number(c, "SELECT count(*) FROM keys WHERE content=?", r->id, 0, &keys);
	if (!err && !keys)
		check_report(c, CHECK_DAMAGE, "content %" PRId64 ": what it is sorted by is not there", r->id);
	if (!err)
		err = check_table(r);
	c->counts.contents++;
	return err ? err : read_body(r, known);
}

/* Rows of header and body between two contents belong to none. */
static enum store_err check_between(struct check *c, int64_t after, int64_t before)
{
	static const struct {
		const char *sql, *table;
	} tables[] = {{"SELECT count(*) FROM keys WHERE content>? AND content<?", "keys"},
		      {"SELECT count(*) FROM header WHERE content>? AND content<?", "header"},
		      {"SELECT count(*) FROM body WHERE content>? AND content<?", "body"}};
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < countof(tables) && !err; i++) {
		int64_t n;
		err = read_number(c, tables[i].sql, after, before, &n);
		if (!err && n)
			check_report(c, CHECK_GARBAGE, "%" PRId64 " rows of table %s belong to no content", n,
				     tables[i].table);
	}
	return err;
}

/* The next content; false: there is none, or an error. */
static bool next_content(struct check *c, struct reading *r, enum store_err *err)
{
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT id, size, header_len, digest FROM content WHERE id>?"
						   " ORDER BY id LIMIT 1");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, c->at.a);
	if (!db_next(&c->a->db, stmt, err))
		return false;
	r->id = sqlite3_column_int64(stmt, 0);
	r->size = (uint32_t)sqlite3_column_int64(stmt, 1);
	r->header_len = (uint32_t)sqlite3_column_int64(stmt, 2);
	memset(r->digest, 0, sizeof(r->digest));
	if (sqlite3_column_bytes(stmt, 3) == DIGEST_BYTES)
		memcpy(r->digest, sqlite3_column_blob(stmt, 3), DIGEST_BYTES);
	sqlite3_reset(stmt);
	return true;
}

static void note_damaged(struct check *c, int64_t content)
{
	if (c->damaged_n == c->damaged_cap) {
		c->damaged_cap = c->damaged_cap ? 2 * c->damaged_cap : 16;
		c->damaged = xrealloc(c->damaged, c->damaged_cap * sizeof(*c->damaged));
	}
	c->damaged[c->damaged_n++] = content;
}

enum store_err check_contents(struct check *c)
{
	struct reading r = {.c = c, .buffer = xmalloc(FRAME_BYTES)};
	uint64_t until = c->counts.bytes + SLICE_BYTES;
	enum store_err err = STORE_OK;
	while (!err && c->counts.bytes < until) {
		bool any = next_content(c, &r, &err);
		if (!err)
			err = check_between(c, c->at.a, any ? r.id : INT64_MAX);
		if (!any && !err)
			check_next_phase(c);
		if (!any || err)
			break;
		c->at.a = r.id;
		uint64_t before = c->counts.damage;
		err = check_one(&r);
		if (c->counts.damage > before)
			note_damaged(c, r.id);
	}
	free(r.buffer);
	return err;
}

/* --- what nobody names --- */

static enum store_err start_window(struct check *c, bool *out_any)
{
	int64_t first;
	if (c->last == 0) {
		enum store_err err = read_number(c, "SELECT max(id) FROM content", 0, 0, &c->last);
		if (err)
			return err;
	}
	enum store_err err = read_number(c, "SELECT min(id) FROM content WHERE id>?", c->at.a, 0, &first);
	*out_any = !err && first && first <= c->last;
	if (*out_any) {
		live_init(&c->live, first, c->last);
		c->a->watching = &c->live;
		c->live_filled = false;
		c->at.a = first - 1;
	}
	return err;
}

static enum store_err report_unnamed(struct check *c)
{
	int64_t end = c->live.first + c->live.n;
	sqlite3_stmt *stmt = db_prepare(&c->a->db, "SELECT id FROM content WHERE id>? AND id<? ORDER BY id LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, c->at.a);
		sqlite3_bind_int64(stmt, 2, end);
		sqlite3_bind_int64(stmt, 3, UNNAMED_ROWS);
	}
	enum store_err err;
	bool any = false;
	while (db_next(&c->a->db, stmt, &err)) {
		any = true;
		c->at.a = sqlite3_column_int64(stmt, 0);
		if (!live_has(&c->live, c->at.a) && !content_writers_hold(c->a, c->at.a))
			check_report(c, CHECK_GARBAGE, "content %" PRId64 ": nobody names it", c->at.a);
	}
	if (!err && !any) {
		c->a->watching = NULL;
		live_finish(&c->live);
		c->at.a = end - 1;
	}
	return err;
}

enum store_err check_unnamed(struct check *c)
{
	if (c->live.n == 0) {
		bool any;
		enum store_err err = start_window(c, &any);
		if (!err && !any)
			check_next_phase(c);
		return err;
	}
	if (c->live_filled)
		return report_unnamed(c);
	bool more;
	enum store_err err = live_step(&c->live, c->a, MARK_ROWS, &more);
	c->live_filled = !more;
	if (err != STORE_CORRUPT)
		return err;
	/* Told before, where the messages were looked at.  What the row names is not known: nothing can be said here. */
	c->a->watching = NULL;
	live_finish(&c->live);
	check_next_phase(c);
	return STORE_OK;
}

struct files {
	struct check *c;
	enum store_err err;
};

static void on_blob(void *ctx, int64_t id, const char *name)
{
	struct files *f = ctx;
	int64_t is_named = 0;
	if (id && !f->err)
		f->err = read_number(f->c, "SELECT EXISTS(SELECT 1 FROM body WHERE content=? AND data IS NULL)", id, 0,
				     &is_named);
	if (!f->err && !is_named)
		check_report(f->c, CHECK_GARBAGE, "file blob/%02x/%s: no content names it", f->c->directory, name);
}

static void check_tmp(struct check *c)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/tmp", c->a->dir);
	DIR *dir = opendir(path);
	if (!dir) {
		check_report(c, CHECK_DAMAGE, "tmp/: cannot be read");
		return;
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (!c->a->writers && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			check_report(c, CHECK_GARBAGE, "file tmp/%s: no message is on its way in", e->d_name);
	closedir(dir);
}

enum store_err check_files(struct check *c)
{
	struct files f = {.c = c};
	enum store_err err = blob_list(c->a, c->directory, on_blob, &f);
	if (++c->directory == BLOB_DIRECTORIES) {
		check_tmp(c);
		check_next_phase(c);
	}
	return err ? err : f.err;
}
