#include "storage/sweep.h"

#include "storage/blob.h"
#include "storage/changes.h"
#include "storage/content.h"
#include "storage/live.h"
#include "storage/thread_sweep.h"

enum {
	HISTORY_ROWS = 500,
	MARK_ROWS = 64,
	DELETE_ROWS = 64,
	LOOK_ROWS = 2000,
	FILES = 200,          /* a step looks at so many, and at so many directories */
	DIRECTORIES = 32,
	VACUUM_PAGES = 64,    /* a step: 1 MiB */
	VACUUM_SPARE = 8,     /* an eighth of the database may be free: it will be used again */
	VACUUM_PAGES_MIN = 64
};

enum phase { SWEEP_HISTORY, SWEEP_MARK, SWEEP_DELETE, SWEEP_FILES, SWEEP_THREADS, SWEEP_VACUUM, SWEEP_DONE };

struct sweep {
	enum phase phase;
	int64_t before_s; /* history from before then is forgotten */
	int64_t buried;   /* rows of the graveyard at the start */
	bool thorough;
	int64_t last;   /* the highest content id at the start */
	struct live live;
	unsigned char digest[DIGEST_BYTES]; /* the row looked at last: ids are read from the index over digests, */
	int digest_len;                     /* which is a fiftieth of the table */
	int64_t id;
	unsigned directory;
	struct thread_sweep threads;
	struct sweep_counts counts;
};

static enum store_err read_number(struct account *a, const char *sql, int64_t argument, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (stmt && sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, argument);
	enum store_err err;
	*out = 0;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

void sweep_note_thread(struct account *a, int64_t key)
{
	if (a->sweep)
		thread_sweep_note(&a->sweep->threads, key);
}

bool sweep_is_due(struct account *a)
{
	if (a->sweep && a->sweep->phase != SWEEP_DONE)
		return false;
	return a->env->now_s(a->env->ctx) - account_meta(a, "swept") >= SWEEP_EVERY_S;
}

void sweep_start(struct account *a, int64_t retention_s, bool thorough)
{
	if (!a->sweep)
		a->sweep = xcalloc(1, sizeof(*a->sweep));
	live_finish(&a->sweep->live);
	thread_sweep_finish(&a->sweep->threads);
	*a->sweep = (struct sweep){.thorough = thorough, .last = -1,
				   .before_s = a->env->now_s(a->env->ctx) - retention_s};
}

void sweep_stop(struct account *a)
{
	if (!a->sweep)
		return;
	live_finish(&a->sweep->live);
	thread_sweep_finish(&a->sweep->threads);
	a->sweep->phase = SWEEP_DONE;
}

struct sweep_counts sweep_result(const struct account *a)
{
	return a->sweep ? a->sweep->counts : (struct sweep_counts){0};
}

void sweep_note(struct account *a, const int64_t *contents, uint32_t n)
{
	if (a->sweep && a->sweep->live.n)
		live_note(&a->sweep->live, contents, n);
	if (a->watching)
		live_note(a->watching, contents, n);
}

/* The window that begins with the first content from `from` on; none left: on to the files. */
static enum store_err next_window(struct account *a, struct sweep *s, int64_t from)
{
	int64_t first;
	live_finish(&s->live);
	enum store_err err = read_number(a, "SELECT min(id) FROM content WHERE id>=?", from, &first);
	if (err)
		return err;
	if (first == 0 || first > s->last) {
		s->phase = SWEEP_FILES;
		return STORE_OK;
	}
	live_init(&s->live, first, s->last);
	s->digest_len = 0;
	s->id = 0;
	s->phase = SWEEP_MARK;
	return STORE_OK;
}

static enum store_err history_step(struct account *a, struct sweep *s)
{
	static const char buried_sql[] = "SELECT count(*) FROM gone";
	bool more = false;
	int64_t buried = 0;
	enum store_err err = s->last < 0 ? read_number(a, buried_sql, 0, &s->buried) : STORE_OK;
	if (!err && s->last < 0)
		err = read_number(a, "SELECT seq FROM sqlite_sequence WHERE name='content'", 0, &s->last);
	if (!err)
		err = history_prune(a, s->before_s, HISTORY_ROWS, &more);
	if (err || more)
		return err;
	err = read_number(a, buried_sql, 0, &buried);
	if (!err && !s->thorough && buried >= s->buried) {
		s->phase = SWEEP_VACUUM;
		return STORE_OK;
	}
	return err ? err : next_window(a, s, 0);
}

static enum store_err mark_step(struct account *a, struct sweep *s)
{
	bool more;
	enum store_err err = live_step(&s->live, a, MARK_ROWS, &more);
	if (!err && !more)
		s->phase = SWEEP_DELETE;
	return err;
}

static enum store_err delete_content(struct account *a, int64_t id)
{
	static const char *const sql[] = {"DELETE FROM content WHERE id=?", "DELETE FROM keys WHERE content=?",
					  "DELETE FROM header WHERE content=?", "DELETE FROM body WHERE content=?"};
	int64_t in_file;
	enum store_err err = read_number(a, "SELECT data IS NULL FROM body WHERE content=?", id, &in_file);
	for (size_t i = 0; i < countof(sql) && !err; i++) {
		sqlite3_stmt *stmt = db_prepare(&a->db, sql[i]);
		if (stmt)
			sqlite3_bind_int64(stmt, 1, id);
		err = db_run(&a->db, stmt);
	}
	if (!err && in_file)
		account_unlink_later(a, id);
	return err;
}

/* Looks on from the row looked at last; false: that was the last of all. */
static bool next_dead(struct account *a, struct sweep *s, sqlite3_stmt *stmt, int64_t *out_dead, unsigned *rows,
		      enum store_err *err)
{
	int64_t end = s->live.first + s->live.n;
	while (db_next(&a->db, stmt, err)) {
		s->id = sqlite3_column_int64(stmt, 1);
		s->digest_len = sqlite3_column_bytes(stmt, 0) < DIGEST_BYTES ? sqlite3_column_bytes(stmt, 0) : DIGEST_BYTES;
		memcpy(s->digest, sqlite3_column_blob(stmt, 0), (size_t)s->digest_len);
		bool in_window = s->id >= s->live.first && s->id < end;
		*out_dead = in_window && !live_has(&s->live, s->id) && !content_writers_hold(a, s->id) ? s->id : 0;
		if (*out_dead || ++*rows == LOOK_ROWS)
			return true;
	}
	return false;
}

static enum store_err delete_step(struct account *a, struct sweep *s)
{
	int64_t dead[DELETE_ROWS];
	unsigned n = 0, rows = 0;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT digest, id FROM content INDEXED BY content_digest"
						" WHERE (digest, id)>(?,?) ORDER BY digest, id");
	if (stmt) {
		sqlite3_bind_blob(stmt, 1, s->digest, s->digest_len, SQLITE_TRANSIENT);
		sqlite3_bind_int64(stmt, 2, s->id);
	}
	enum store_err err;
	bool more = true;
	while (more && n < DELETE_ROWS && rows < LOOK_ROWS) {
		more = next_dead(a, s, stmt, &dead[n], &rows, &err);
		n += more && dead[n];
	}
	if (more)
		sqlite3_reset(stmt);
	else if (err)
		return err;
	for (unsigned i = 0; i < n; i++) {
		err = delete_content(a, dead[i]);
		if (err)
			return err;
	}
	s->counts.contents += n;
	keys_swept(a, n);
	return more ? STORE_OK : next_window(a, s, s->live.first + s->live.n);
}

struct orphans {
	struct account *a;
	struct sweep *s;
	unsigned seen;
	enum store_err err;
};

/* A file that no row names, of a content that was there before the sweep began: a later one may be on its way. */
static void on_blob(void *ctx, int64_t id, const char *name)
{
	struct orphans *o = ctx;
	(void)name;
	o->seen++;
	if (o->err || id == 0 || id > o->s->last)
		return;
	int64_t is_named;
	o->err = read_number(o->a, "SELECT EXISTS(SELECT 1 FROM body WHERE content=? AND data IS NULL)", id, &is_named);
	if (o->err || is_named)
		return;
	account_unlink_later(o->a, id);
	o->s->counts.files++;
}

static enum store_err files_step(struct account *a, struct sweep *s)
{
	struct orphans o = {.a = a, .s = s};
	enum store_err err = STORE_OK;
	for (unsigned n = 0; n < DIRECTORIES && o.seen < FILES && !err && s->directory < BLOB_DIRECTORIES; n++) {
		err = blob_list(a, s->directory++, on_blob, &o);
		err = err ? err : o.err;
	}
	if (err || s->directory < BLOB_DIRECTORIES)
		return err;
	s->phase = SWEEP_THREADS;
	return thread_sweep_start(&s->threads, a, s->counts.contents, s->thorough);
}

static enum store_err threads_step(struct account *a, struct sweep *s)
{
	bool more;
	enum store_err err = thread_sweep_step(&s->threads, a, &more);
	if (err || more)
		return err;
	thread_sweep_finish(&s->threads);
	s->phase = SWEEP_VACUUM;
	return STORE_OK;
}

static enum store_err vacuum_step(struct account *a, struct sweep *s)
{
	int64_t free_pages, pages;
	enum store_err err = read_number(a, "PRAGMA freelist_count", 0, &free_pages);
	if (!err)
		err = read_number(a, "PRAGMA page_count", 0, &pages);
	if (err)
		return err;
	if (free_pages < VACUUM_PAGES_MIN || free_pages < pages / VACUUM_SPARE) {
		s->phase = SWEEP_DONE;
		return account_set_meta(a, "swept", a->env->now_s(a->env->ctx));
	}
	char sql[60];
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	s->counts.pages += VACUUM_PAGES;
	return db_exec(&a->db, sql);
}

enum store_err sweep_step(struct account *a, bool *out_more)
{
	struct sweep *s = a->sweep;
	invariant(a->in_op);
	enum store_err err = STORE_OK;
	*out_more = false;
	if (!s)
		return STORE_OK;
	switch (s->phase) {
	case SWEEP_HISTORY:
		err = history_step(a, s);
		break;
	case SWEEP_MARK:
		err = mark_step(a, s);
		break;
	case SWEEP_DELETE:
		err = delete_step(a, s);
		break;
	case SWEEP_FILES:
		err = files_step(a, s);
		break;
	case SWEEP_THREADS:
		err = threads_step(a, s);
		break;
	case SWEEP_VACUUM:
		err = vacuum_step(a, s);
		break;
	case SWEEP_DONE:
		break;
	}
	if (err)
		sweep_stop(a);
	*out_more = s->phase != SWEEP_DONE;
	return err;
}
