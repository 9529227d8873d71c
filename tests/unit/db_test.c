/* storage/db: how a database is opened and refused, statements, failing commits and syncs, checkpoints. */
#include "storage/db.h"
#include "tests/unit/scratch_dir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct db_options options = {
	.application_id = 0x74657374, .version = 2, .schema = "CREATE TABLE t(a INTEGER);", .create = true};

struct fixture {
	struct scratch_dir dir;
	struct store_env env;
	enum store_point fail_at; /* STORE_POINTS for none */
	int fail_with;
	unsigned passed[STORE_POINTS];
};

static int on_point(void *ctx, enum store_point point)
{
	struct fixture *f = ctx;
	f->passed[point]++;
	return point == f->fail_at ? f->fail_with : 0;
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	f->fail_at = STORE_POINTS;
	f->env = (struct store_env){.point = on_point, .ctx = f};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static int64_t number(struct db *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	assert_int_equal(sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static void insert(struct db *db, int value)
{
	sqlite3_stmt *stmt = db_prepare(db, "INSERT INTO t VALUES(?)");
	assert_non_null(stmt);
	sqlite3_bind_int(stmt, 1, value);
	assert_int_equal(db_run(db, stmt), STORE_OK);
}

static void open_new(struct fixture *f, const struct db_options *o)
{
	struct db db;
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), o), STORE_OK);
	assert_int_equal(number(&db, "PRAGMA page_size"), DB_PAGE_BYTES);
	assert_int_equal(number(&db, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(number(&db, "PRAGMA application_id"), options.application_id);
	assert_int_equal(number(&db, "PRAGMA user_version"), 2);
	assert_int_equal(number(&db, "PRAGMA cache_size"), -DB_CACHE_BYTES / 1024);
	assert_int_equal(number(&db, "PRAGMA wal_autocheckpoint"), 0);
	assert_int_equal(access(scratch_path(&f->dir, "a.db-wal"), F_OK), 0);
	assert_int_not_equal(access(scratch_path(&f->dir, "a.db-shm"), F_OK), 0);
	assert_true(db_bytes(&db) > 0);
	insert(&db, 1);
	assert_int_equal(number(&db, "SELECT count(*) FROM t"), 1);
	db_close(&db);
	assert_int_not_equal(access(scratch_path(&f->dir, "a.db-wal"), F_OK), 0);
}

static void test_a_new_database_has_our_settings(void **state)
{
	open_new(*state, &options);
}

static void test_one_that_begins_as_an_image_has_them_too(void **state)
{
	struct db_image image;
	struct db_options o = options;
	assert_int_equal(db_image_make(&image, &options), STORE_OK);
	assert_int_equal(image.len % DB_PAGE_BYTES, 0);
	o.image = &image;
	o.schema = "none of it is run";
	open_new(*state, &o);
	db_image_finish(&image);
}

/* Nothing is there but what the next attempt writes over. */
static void test_an_image_that_cannot_be_written(void **state)
{
	static const enum store_point points[] = {POINT_IMAGE_OPEN, POINT_IMAGE_WRITE, POINT_IMAGE_SYNC, POINT_IMAGE_RENAME};
	struct fixture *f = *state;
	struct db_image image;
	struct db_options o = options;
	struct db db;
	assert_int_equal(db_image_make(&image, &options), STORE_OK);
	o.image = &image;
	for (size_t i = 0; i < countof(points); i++) {
		f->fail_at = points[i];
		f->fail_with = ENOSPC;
		assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &o), STORE_FULL);
		assert_int_not_equal(access(scratch_path(&f->dir, "a.db"), F_OK), 0);
	}
	f->fail_at = STORE_POINTS;
	open_new(f, &o);
	db_image_finish(&image);
}

/* A database without its tables is none. */
static void test_no_room_for_the_tables(void **state)
{
	struct fixture *f = *state;
	struct db db;
	f->fail_at = POINT_SCHEMA_COMMIT;
	f->fail_with = ENOSPC;
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &options), STORE_FULL);
	f->fail_at = STORE_POINTS;
	open_new(f, &options);
}

static void test_a_missing_one_is_not_made_unasked(void **state)
{
	struct fixture *f = *state;
	struct db_options o = options;
	struct db db;
	o.create = false;
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &o), STORE_NOTFOUND);
	assert_int_not_equal(access(scratch_path(&f->dir, "a.db"), F_OK), 0);
}

static void refuse(struct fixture *f, const char *path, const char *why)
{
	struct db db = {0};
	struct stat before, after;
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(db_open(&db, &f->env, path, &options), STORE_FOREIGN);
	assert_non_null(strstr(db.fault, why));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void test_foreign_and_newer_files_are_left_alone(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_path(&f->dir, "foreign.db");
	sqlite3 *other;
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "CREATE TABLE x(y)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	refuse(f, path, "not a file of roost's");

	path = scratch_path(&f->dir, "newer.db");
	struct db_options o = options;
	struct db db;
	o.version = 3;
	assert_int_equal(db_open(&db, &f->env, path, &o), STORE_OK);
	db_close(&db);
	refuse(f, path, "a newer roost has made it: its tables are version 3, this one knows them up to 2");

	path = scratch_path(&f->dir, "text.db");
	FILE *text = fopen(path, "w");
	assert_non_null(text);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", text);
	fclose(text);
	refuse(f, path, "not a database");
}

static void test_tables_of_another_version(void **state)
{
	struct fixture *f = *state;
	struct db db;
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &options), STORE_OK);
	const char *const misfits[] = {"SELECT later FROM t", "SELECT a FROM later", "INSERT INTO t VALUES(1, 2)", "INSERT INTO t(later) VALUES(1)"};
	for (size_t i = 0; i < countof(misfits); i++) {
		assert_int_equal(db_run(&db, db_prepare(&db, misfits[i])), STORE_FOREIGN);
		assert_non_null(strstr(db.fault, "another version of roost"));
	}
	assert_int_equal(db_exec(&db, "SELECT a FROM t WHERE"), STORE_IO);
	db_close(&db);
}

static void test_one_opener_or_several(void **state)
{
	struct fixture *f = *state;
	struct db first, second;
	const char *path = scratch_path(&f->dir, "a.db");
	assert_int_equal(db_open(&first, &f->env, path, &options), STORE_OK);
	assert_int_equal(db_open(&second, &f->env, path, &options), STORE_BUSY);
	db_close(&first);

	struct db_options o = options;
	o.shared = true;
	path = scratch_path(&f->dir, "shared.db");
	assert_int_equal(db_open(&first, &f->env, path, &o), STORE_OK);
	o.read_only = true;
	assert_int_equal(db_open(&second, &f->env, path, &o), STORE_OK);
	insert(&first, 5);
	assert_int_equal(number(&second, "SELECT a FROM t"), 5);
	db_close(&second);
	db_close(&first);
}

static void test_many_statements_are_kept(void **state)
{
	struct fixture *f = *state;
	struct db db;
	char sql[300][32];
	sqlite3_stmt *stmts[300];
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &options), STORE_OK);
	for (size_t i = 0; i < countof(sql); i++) {
		snprintf(sql[i], sizeof(sql[i]), "SELECT %zu", i);
		stmts[i] = db_prepare(&db, sql[i]);
		assert_non_null(stmts[i]);
	}
	for (size_t i = 0; i < countof(sql); i++)
		assert_ptr_equal(db_prepare(&db, sql[i]), stmts[i]);
	enum store_err err;
	assert_true(db_next(&db, stmts[7], &err));
	assert_false(db_is_idle(&db));
	db_rest(&db);
	assert_true(db_is_idle(&db));
	assert_null(db_prepare(&db, "SELECT nonsense FROM nowhere"));
	assert_int_equal(db_run(&db, NULL), STORE_FOREIGN);
	assert_non_null(strstr(db.fault, "nowhere"));
	db_close(&db);
}

/* Nothing is acknowledged after a failed sync until the log was read afresh and moved with fsyncs of our own. */
static void test_a_failed_sync_breaks_the_connection(void **state)
{
	struct fixture *f = *state;
	struct db db;
	const char *path = scratch_path(&f->dir, "a.db");
	assert_int_equal(db_open(&db, &f->env, path, &options), STORE_OK);
	assert_int_equal(db_begin(&db, POINT_BEGIN), STORE_OK);
	insert(&db, 1);
	assert_int_equal(db_commit(&db, POINT_COMMIT), STORE_OK);
	f->fail_at = POINT_COMMIT_SYNC;
	f->fail_with = EIO;
	assert_int_equal(db_sync(&db, POINT_COMMIT_SYNC), STORE_IO);
	f->fail_at = STORE_POINTS;
	assert_int_equal(db_begin(&db, POINT_BEGIN), STORE_IO);
	assert_int_equal(db_checkpoint(&db, POINT_CHECKPOINT_IDLE), STORE_IO);
	db_close(&db);
	assert_int_equal(access(scratch_path(&f->dir, "a.db-wal"), F_OK), 0);
	unsigned before = f->passed[POINT_CHECKPOINT_OPEN];
	assert_int_equal(db_open(&db, &f->env, path, &options), STORE_OK);
	assert_int_equal(f->passed[POINT_CHECKPOINT_OPEN], before + 1);
	assert_int_equal(number(&db, "SELECT a FROM t"), 1);
	assert_int_equal(db_begin(&db, POINT_BEGIN), STORE_OK);
	db_rollback(&db);
	db_close(&db);
}

static void test_failed_commits(void **state)
{
	struct fixture *f = *state;
	struct db db;
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &options), STORE_OK);
	f->fail_at = POINT_COMMIT;
	f->fail_with = ENOSPC;
	assert_int_equal(db_begin(&db, POINT_BEGIN), STORE_OK);
	insert(&db, 1);
	assert_int_equal(db_commit(&db, POINT_COMMIT), STORE_FULL);
	/* A full disk is no doubt about the log: the next transaction may try. */
	assert_int_equal(db_begin(&db, POINT_BEGIN), STORE_OK);
	insert(&db, 2);
	f->fail_with = EIO;
	assert_int_equal(db_commit(&db, POINT_COMMIT), STORE_IO);
	assert_int_equal(db_begin(&db, POINT_BEGIN), STORE_IO);
	assert_int_equal(number(&db, "SELECT count(*) FROM t"), 0);
	db_close(&db);
}

static void test_checkpoints_empty_the_log(void **state)
{
	struct fixture *f = *state;
	struct db db;
	assert_int_equal(db_open(&db, &f->env, scratch_path(&f->dir, "a.db"), &options), STORE_OK);
	assert_int_equal(db.wal_pages, 0);
	insert(&db, 1);
	assert_true(db.wal_pages > 0);
	f->fail_at = POINT_CHECKPOINT_IDLE;
	f->fail_with = ENOSPC;
	assert_int_equal(db_checkpoint(&db, POINT_CHECKPOINT_IDLE), STORE_FULL);
	assert_true(db.wal_pages > 0);
	f->fail_at = STORE_POINTS;
	assert_int_equal(db_checkpoint(&db, POINT_CHECKPOINT_IDLE), STORE_OK);
	assert_int_equal(db.wal_pages, 0);
	insert(&db, 2);
	assert_true(db.wal_pages > 0 && db.wal_pages < 5);
	db_close(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_new_database_has_our_settings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_that_begins_as_an_image_has_them_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_room_for_the_tables, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_image_that_cannot_be_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_missing_one_is_not_made_unasked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign_and_newer_files_are_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tables_of_another_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_opener_or_several, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_statements_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_failed_sync_breaks_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failed_commits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_checkpoints_empty_the_log, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
