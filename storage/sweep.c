#include "storage/sweep.h"

#include "storage/blob.h"
#include "storage/changes.h"
#include "storage/content.h"
#include "storage/live.h"

enum {
	HISTORY_ROWS = 500,
	MARK_ROWS = 64,
	DELETE_ROWS = 64,
	VACUUM_PAGES = 64,    /* a step: 1 MiB */
	VACUUM_SPARE = 8,     /* an eighth of the database may be free: it will be used again */
	VACUUM_PAGES_MIN = 64
};

enum phase { SWEEP_HISTORY, SWEEP_MARK, SWEEP_DELETE, SWEEP_FILES, SWEEP_VACUUM, SWEEP_DONE };

struct sweep {
	enum phase phase;
	int64_t before_s; /* history from before then is forgotten */
	int64_t buried;   /* rows of the graveyard at the start */
	bool thorough;
	int64_t last;   /* the highest content id at the start */
	struct live live;
	int64_t at;     /* in the window: ids below were looked at */
	unsigned directory;
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
	*a->sweep = (struct sweep){.thorough = thorough, .last = -1,
				   .before_s = a->env->now_s(a->env->ctx) - retention_s};
}

void sweep_stop(struct account *a)
{
	if (!a->sweep)
		return;
	live_finish(&a->sweep->live);
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
	s->at = first;
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

static enum store_err delete_content(struct account *a, int64_t id, bool in_file)
{
	static const char *const sql[] = {"DELETE FROM content WHERE id=?", "DELETE FROM header WHERE content=?",
					  "DELETE FROM body WHERE content=?"};
	enum store_err err = STORE_OK;
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

static enum store_err delete_step(struct account *a, struct sweep *s)
{
	int64_t dead[DELETE_ROWS], end = s->live.first + s->live.n, looked_at = s->at - 1;
	bool in_file[DELETE_ROWS];
	unsigned n = 0;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, (SELECT data IS NULL FROM body WHERE content=id)"
						" FROM content WHERE id>=? AND id<? ORDER BY id");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, s->at);
		sqlite3_bind_int64(stmt, 2, end);
	}
	enum store_err err;
	/* Live ones cost little: a step ends with enough dead ones, or after many of either kind. */
	bool stopped = false;
	for (unsigned rows = 0; !stopped && db_next(&a->db, stmt, &err); rows++) {
		looked_at = sqlite3_column_int64(stmt, 0);
		if (!live_has(&s->live, looked_at) && !content_writers_hold(a, looked_at)) {
			in_file[n] = sqlite3_column_int(stmt, 1) != 0;
			dead[n++] = looked_at;
		}
		stopped = n == DELETE_ROWS || rows == 32 * DELETE_ROWS;
	}
	if (stopped)
		sqlite3_reset(stmt);
	for (unsigned i = 0; i < n && !err; i++)
		err = delete_content(a, dead[i], in_file[i]);
	if (err)
		return err;
	s->counts.contents += n;
	s->at = looked_at + 1;
	return stopped ? STORE_OK : next_window(a, s, end);
}

struct orphans {
	struct account *a;
	struct sweep *s;
	enum store_err err;
};

/* A file that no row names, of a content that was there before the sweep began: a later one may be on its way. */
static void on_blob(void *ctx, int64_t id, const char *name)
{
	struct orphans *o = ctx;
	(void)name;
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
	enum store_err err = blob_list(a, s->directory, on_blob, &o);
	if (++s->directory == BLOB_DIRECTORIES)
		s->phase = SWEEP_VACUUM;
	return err ? err : o.err;
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
