/* The index's file: made, opened, thrown away, replaced. */
#include "storage/fulltext_private.h"

#include "storage/content.h"
#include "storage/file.h"

#include <sys/stat.h>
#include <unistd.h>

enum {
	SEARCH_ID = 0x526f6f66 /* "Roof" */,
	SEARCH_VERSION = 5, /* of the tables and of what counts as a content's text: another one is made afresh */
	WAL_BYTES_MAX = 16 * 1024 * 1024, /* of log, then it goes into the file */
	STALE_MIN = 1000,                 /* contents gone: fewer are no matter */
	PROVE_ROWS = 512,                 /* two megabytes */
	PATH_BYTES = 4096
};

/* Merges are ours to begin, in small pieces (fulltext_merge()): no insertion waits for one.  What is gathered in memory is
 * written as a piece of the index at the commit, or when it is this much, which takes some milliseconds; eight pieces of a
 * size become one of the next. */
static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('watermark', 0), ('ahead', 0), ('contents', 0), ('dead', 0), ('converted', 0), "
	"('converters', 0);"
	"CREATE TABLE block(id INTEGER PRIMARY KEY);"
	"CREATE TABLE long(piece INTEGER PRIMARY KEY, content INTEGER UNIQUE, pieces INTEGER);"
	"CREATE TABLE text(content INTEGER, piece INTEGER, ends INTEGER, text BLOB, PRIMARY KEY(content, piece)) "
	"WITHOUT ROWID;"
	"CREATE VIRTUAL TABLE gram USING fts5(text, content='', columnsize=0, detail=none, tokenize='roost_grams');"
	"INSERT INTO gram(gram, rank) VALUES('automerge', 0);"
	"INSERT INTO gram(gram, rank) VALUES('crisismerge', 1000);"
	"INSERT INTO gram(gram, rank) VALUES('usermerge', 8);"
	"INSERT INTO gram(gram, rank) VALUES('hashsize', 393216);";

static const struct db_options options = {.application_id = SEARCH_ID, .version = SEARCH_VERSION, .schema = schema,
					  .sums = true, .create = true,
					  .prepare = grams_register};

static void path_of(const struct account *a, enum fulltext_which w, const char *suffix, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/%s%s", a->dir, w == FULLTEXT_NOW ? "search.db" : "search.next.db", suffix);
}

int64_t fulltext_meta(struct fulltext *f, const char *key)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&f->db, "SELECT value FROM meta WHERE key=?");
	if (stmt)
		sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	if (!db_next(&f->db, stmt, &err))
		return 0;
	int64_t value = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return value;
}

enum store_err fulltext_set_meta(struct fulltext *f, const char *key, int64_t value)
{
	sqlite3_stmt *stmt = db_prepare(&f->db, "UPDATE meta SET value=? WHERE key=?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, value);
		sqlite3_bind_text(stmt, 2, key, -1, SQLITE_STATIC);
	}
	return db_run(&f->db, stmt);
}

enum store_err fulltext_begin(struct fulltext *f)
{
	return sqlite3_get_autocommit(f->db.handle) ? db_begin(&f->db, POINT_SEARCH_BEGIN) : STORE_OK;
}

enum store_err fulltext_end(struct fulltext *f)
{
	enum store_err err = db_commit(&f->db, POINT_SEARCH_COMMIT);
	int64_t most = f->db.env->wal_bytes_max ? f->db.env->wal_bytes_max : WAL_BYTES_MAX;
	if (err || (int64_t)f->db.wal_pages * DB_PAGE_BYTES <= most)
		return err;
	/* Without room for it the log still holds everything. */
	err = db_checkpoint(&f->db, POINT_SEARCH_CHECKPOINT_FULL);
	return err == STORE_FULL ? STORE_OK : err;
}

/* --- throwing away --- */

static void forget(struct account *a, enum fulltext_which w)
{
	struct fulltext *f = a->fulltext[w];
	a->fulltext[w] = NULL;
	if (!f)
		return;
	db_rollback(&f->db);
	db_close(&f->db);
	free(f);
}

void fulltext_close(struct account *a)
{
	for (enum fulltext_which w = FULLTEXT_NOW; w < FULLTEXT_BOTH; w++) {
		struct fulltext *f = a->fulltext[w];
		if (!f)
			continue;
		db_rest(&f->db);
		db_rollback(&f->db);
		/* What fails here shows when it is opened again. */
		if (f->db.wal_pages && !f->db.broken)
			(void)!db_checkpoint(&f->db, POINT_SEARCH_CHECKPOINT_CLOSE);
		forget(a, w);
	}
}

/* What cannot be removed is not trusted again before the account is opened afresh. */
static void unlink_all(struct account *a, enum fulltext_which w)
{
	static const char *const suffixes[] = {"-wal", "-journal", ""};
	char path[PATH_BYTES];
	for (size_t i = 0; i < countof(suffixes); i++) {
		path_of(a, w, suffixes[i], path);
		if (file_unlink(a->env, POINT_SEARCH_UNLINK, path))
			a->fulltext_off = true;
	}
}

void fulltext_drop(struct account *a, enum fulltext_which w, const char *why)
{
	char path[PATH_BYTES], reason[sizeof(a->db.fault)];
	snprintf(reason, sizeof(reason), "%s", why); /* it may be the index's own */
	if (a->fulltext[w])
		a->fulltext[w]->db.broken = true; /* nothing more is written to it */
	forget(a, w);
	path_of(a, w, "", path);
	bool was_there = access(path, F_OK) == 0;
	unlink_all(a, w);
	if (w == FULLTEXT_NOW) {
		a->indexed = 0;
		a->fulltext_epoch++;
	}
	if (was_there && a->env->search_dropped)
		a->env->search_dropped(a->env->ctx, a->dir, reason);
}

enum store_err fulltext_failed(struct account *a, enum fulltext_which w, enum store_err err)
{
	struct fulltext *f = a->fulltext[w];
	if (!f || !err)
		return err;
	if (err != STORE_FULL && err != STORE_BUSY) {
		fulltext_drop(a, w, f->db.fault);
		return err;
	}
	db_rest(&f->db);
	db_rollback(&f->db);
	f->added = f->watermark;
	f->added_ahead = f->ahead;
	f->block = -1;
	f->pending = 0;
	f->partly = 0;
	f->text_of = 0;
	return err;
}

/* --- opening --- */

static enum store_err last_content(struct account *a, int64_t *out)
{
	return db_number(&a->db, "SELECT seq FROM sqlite_sequence WHERE name='content'", out);
}

static enum store_err load(struct account *a, struct fulltext *f)
{
	int64_t last = 0, version = 0, texts = 0;
	enum store_err err = db_number(&f->db, "PRAGMA user_version", &version);
	if (!err && version == SEARCH_VERSION)
		err = db_number(&f->db, "SELECT EXISTS (SELECT 1 FROM text)", &texts);
	if (!err)
		err = db_number(&f->db, "SELECT value FROM meta WHERE key='watermark'", &f->watermark);
	if (!err)
		err = db_number(&f->db, "SELECT value FROM meta WHERE key='ahead'", &f->ahead);
	if (!err)
		err = last_content(a, &last);
	if (err)
		return err;
	f->added = f->watermark;
	f->has_texts = texts != 0;
	f->added_ahead = f->ahead;
	f->block = -1;
	if (version == SEARCH_VERSION && f->watermark <= last)
		return STORE_OK;
	/* An earlier version, or of a later state than index.db: a backup was put back, and its ids will be, or were, given
	 * to other contents. */
	snprintf(f->db.fault, sizeof(f->db.fault), "version %lld; it knows content %lld, the account %lld",
		 (long long)version, (long long)f->watermark, (long long)last);
	return STORE_CORRUPT;
}

/* STORE_BUSY: another process has it: then there is none for us. */
enum store_err fulltext_open(struct account *a, enum fulltext_which w, bool create, struct fulltext **out)
{
	char path[PATH_BYTES], why[sizeof(a->db.fault)];
	*out = a->fulltext[w];
	if (*out)
		return STORE_OK;
	path_of(a, w, "", path);
	if (a->fulltext_off || (!create && access(path, F_OK) != 0))
		return STORE_NOTFOUND;
	for (int tries = 0;; tries++) {
		struct fulltext *f = xcalloc(1, sizeof(*f));
		enum store_err err = db_open(&f->db, a->env, path, &options);
		if (!err)
			err = load(a, f);
		if (!err) {
			*out = a->fulltext[w] = f;
			if (w == FULLTEXT_NOW && a->indexed < f->watermark)
				a->indexed = f->watermark;
			return STORE_OK;
		}
		snprintf(why, sizeof(why), "%s", f->db.fault);
		f->db.broken = true;
		db_close(&f->db);
		free(f);
		if (err == STORE_FULL || err == STORE_BUSY)
			return err;
		fulltext_drop(a, w, why);
		if (tries || !create || a->fulltext_off)
			return create ? err : STORE_NOTFOUND;
	}
}

int64_t fulltext_watermark(struct account *a)
{
	struct fulltext *f;
	return fulltext_open(a, FULLTEXT_NOW, false, &f) ? 0 : f->watermark;
}

int64_t fulltext_lag(struct account *a)
{
	int64_t last;
	if (a->fulltext_off || last_content(a, &last))
		return 0;
	return last > a->indexed ? last - a->indexed : 0;
}

void fulltext_caught_up(struct account *a)
{
	int64_t last;
	if (!last_content(a, &last))
		a->indexed = last;
}

/* --- making it anew --- */

void fulltext_note_dead(struct account *a, uint64_t n)
{
	struct fulltext *f;
	enum store_err err = n ? fulltext_open(a, FULLTEXT_NOW, false, &f) : STORE_NOTFOUND;
	if (err || f->pending)
		return; /* the next sweep will find more */
	err = fulltext_begin(f);
	if (!err)
		err = fulltext_set_meta(f, "dead", fulltext_meta(f, "dead") + (int64_t)n);
	if (!err)
		err = fulltext_end(f);
	(void)fulltext_failed(a, FULLTEXT_NOW, err);
}

bool fulltext_is_stale(struct account *a)
{
	struct fulltext *f;
	char path[PATH_BYTES];
	path_of(a, FULLTEXT_NEXT, "", path);
	if (access(path, F_OK) == 0)
		return true;
	if (fulltext_open(a, FULLTEXT_NOW, false, &f))
		return false;
	int64_t dead = fulltext_meta(f, "dead");
	return dead >= STALE_MIN && dead > fulltext_meta(f, "contents") / 2;
}

enum store_err fulltext_swap(struct account *a)
{
	char from[PATH_BYTES], to[PATH_BYTES];
	invariant(!fulltext_pending(a, FULLTEXT_NEXT));
	fulltext_close(a); /* both, so that neither has a log */
	path_of(a, FULLTEXT_NEXT, "", from);
	path_of(a, FULLTEXT_NOW, "", to);
	unlink_all(a, FULLTEXT_NOW);
	a->indexed = 0;
	a->fulltext_epoch++;
	if (access(from, F_OK) != 0)
		return STORE_OK; /* nothing was added to it */
	return a->fulltext_off ? STORE_IO : file_rename(a->env, POINT_SEARCH_RENAME, from, to);
}

/* FTS5 keeps its lists as rows of `gram_data`, which are short enough to stand in its leaves; what leads to them, and the
 * other tables, are a hundredth of it. */
enum store_err fulltext_prove(struct account *a, int64_t *at, bool *out_more)
{
	struct fulltext *f;
	int64_t number;
	*out_more = false;
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err) /* what cannot be opened, damaged or never finished, is gone now, and was told of */
		return err == STORE_NOTFOUND ? STORE_OK : err;
	if (*at == 0)
		err = db_number(&f->db, "SELECT count(*) FROM gram_idx", &number);
	if (!err && *at == 0)
		err = db_number(
			&f->db,
			"SELECT count(*) + (SELECT count(*) FROM gram_config) + (SELECT count(pieces) FROM long)"
			" FROM block",
			&number);
	if (!err && *at == 0) /* reads only the keys, and goes through all leaves */
		err = db_number(&f->db, "SELECT count(piece) FROM text", &number);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&f->db, "SELECT id FROM gram_data WHERE id>? ORDER BY id LIMIT ?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, *at);
		sqlite3_bind_int(stmt, 2, PROVE_ROWS);
	}
	for (int n = 0; !err && db_next(&f->db, stmt, &err); n++) {
		*at = sqlite3_column_int64(stmt, 0);
		*out_more = n == PROVE_ROWS - 1;
	}
	if (err)
		*out_more = false;
	return fulltext_failed(a, FULLTEXT_NOW, err);
}

enum store_err fulltext_status(struct account *a, struct fulltext_status *out)
{
	static const char *const suffixes[] = {"", "-wal"};
	struct fulltext *f;
	*out = (struct fulltext_status){0};
	enum store_err err = fulltext_open(a, FULLTEXT_NOW, false, &f);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	out->contents = fulltext_meta(f, "contents");
	out->dead = fulltext_meta(f, "dead");
	err = db_number(&f->db, "SELECT count(DISTINCT content) FROM text", &out->texts);
	if (err)
		return fulltext_failed(a, FULLTEXT_NOW, err);
	out->watermark = f->watermark;
	for (size_t i = 0; i < countof(suffixes); i++) {
		struct stat info;
		char path[PATH_BYTES];
		path_of(a, FULLTEXT_NOW, suffixes[i], path);
		if (stat(path, &info) == 0)
			out->bytes += (uint64_t)info.st_size;
	}
	return STORE_OK;
}

size_t fulltext_bytes(const struct account *a)
{
	size_t bytes = 0;
	for (enum fulltext_which w = FULLTEXT_NOW; w < FULLTEXT_BOTH; w++)
		bytes += a->fulltext[w] ? sizeof(*a->fulltext[w]) + db_bytes(&a->fulltext[w]->db) : 0;
	return bytes;
}
