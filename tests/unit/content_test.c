/* storage/content, content_writer, blob, frame: bytes in, the same bytes out, and only sound ones. */
#include "storage/content.h"

#include "storage/blob.h"
#include "storage/scratch.h"
#include "tests/unit/account_fixture.h"

#include <dirent.h>
#include <errno.h>

static size_t tmp_files(struct account_fixture *f)
{
	size_t n = 0;
	DIR *dir = opendir(scratch_path(&f->dir, "account/tmp"));
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void check_range(struct account_fixture *f, int64_t id, const char *message, size_t offset, size_t len)
{
	char *got = xmalloc(len + 1);
	got[len] = 'X';
	assert_int_equal(content_read(f->account, id, offset, len, got), STORE_OK);
	assert_memory_equal(got, message + offset, len);
	assert_int_equal(got[len], 'X');
	free(got);
}

static void test_what_goes_in_comes_out(void **state)
{
	struct account_fixture *f = *state;
	static const size_t sizes[] = {1, 100, 3900, 65535, 65536, 65537, 131072, 200000, 1000003};
	for (size_t i = 0; i < countof(sizes) * 2; i++) {
		size_t len = sizes[i / 2];
		char *message = fixture_message(f, len, i % 2 == 0);
		int64_t id = fixture_store(f, message, len, (uint32_t)(len < 500 ? len : 500));
		if (i % 2 == 1 || len < 300000) /* so much text compresses to somewhere near the limit */
			assert_int_equal(access(fixture_blob(f, id), F_OK) == 0, i % 2 == 1 && len > BODY_INLINE_MAX);
		check_range(f, id, message, 0, len);
		for (int j = 0; j < 40; j++) {
			size_t from = fixture_random(f) % len, part = fixture_random(f) % (len - from + 1);
			check_range(f, id, message, from, part);
		}
		for (size_t edge = FRAME_BYTES; edge < len; edge += FRAME_BYTES)
			check_range(f, id, message, edge - 1, 2 < len - edge + 1 ? 2 : 1);
		char one;
		assert_int_equal(content_read(f->account, id, len, 1, &one), STORE_CORRUPT);
		assert_int_equal(content_read(f->account, id, 0, 0, NULL), STORE_OK);
		free(message);
	}
	assert_int_equal(tmp_files(f), 0);
}

static void test_cuts_do_not_matter(void **state)
{
	struct account_fixture *f = *state;
	size_t len = 300000;
	char *message = fixture_message(f, len, true);
	struct content_meta meta = fixture_meta(message, len, 10);
	int64_t whole = fixture_store(f, message, len, 10);
	for (int round = 0; round < 4; round++) {
		struct content_writer *w = content_writer_create(f->account);
		for (size_t at = 0, step; at < len; at += step) {
			step = round == 0 ? 4096 : 1 + fixture_random(f) % (round == 1 ? 7000 : 150000);
			if (step > len - at)
				step = len - at;
			assert_int_equal(content_writer_write(w, message + at, step), STORE_OK);
		}
		assert_int_equal(content_writer_size(w), len);
		int64_t id = 0, again = 0;
		assert_int_equal(account_begin(f->account), STORE_OK);
		assert_int_equal(content_writer_finish(w, &meta, &id), STORE_OK);
		assert_int_equal(content_writer_finish(w, &meta, &again), STORE_OK);
		assert_int_equal(account_end(f->account, true), STORE_OK);
		assert_int_equal(id, whole); /* the same frames, whatever the cuts: so the same content */
		assert_int_equal(again, whole);
		assert_true(content_writers_hold(f->account, id));
		content_writer_destroy(w);
		assert_false(content_writers_hold(f->account, id));
	}
	free(message);
}

static void test_rows_and_headers(void **state)
{
	struct account_fixture *f = *state;
	static const uint32_t header_lens[] = {0, 12, 70000, HEADER_INLINE_MAX, HEADER_INLINE_MAX + 1};
	for (size_t i = 0; i < countof(header_lens) * 2; i++) {
		size_t len = 300000 + i;
		char *message = fixture_message(f, len, i % 2 == 0);
		uint32_t header_len = header_lens[i / 2];
		int64_t id = fixture_store(f, message, len, header_len);
		struct content_row row;
		for (int again = 0; again < 2; again++) {
			assert_int_equal(content_get(f->account, id, &row), STORE_OK);
			assert_int_equal(row.size, len);
			assert_int_equal(row.header_len, header_len);
			assert_int_equal(row.parser, 1);
			assert_true(row.sent == CONTENT_NO_DATE);
			assert_int_equal(row.bodystructure.len, 11);
			assert_memory_equal(row.bodystructure.ptr, "(structure)", 11);
		}
		struct bytes header;
		enum store_err err = content_header(f->account, id, &header);
		assert_int_equal(err, header_len > HEADER_INLINE_MAX ? STORE_NOTFOUND : STORE_OK);
		if (!err) {
			assert_int_equal(header.len, header_len);
			assert_memory_equal(header.ptr, message, header_len);
		}
		free(message);
	}
}

/* The kept statements go forward, back, past gaps and over what was stored since. */
static void test_any_order_of_ids(void **state)
{
	struct account_fixture *f = *state;
	enum { N = 60 };
	int64_t ids[N];
	char text[32];
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		ids[i] = fixture_store(f, text, strlen(text), 3);
	}
	fixture_execute(f, "DELETE FROM content WHERE id%5=0; DELETE FROM body WHERE content%5=0;"
		   "DELETE FROM header WHERE content%5=0");
	for (int round = 0; round < 3000; round++) {
		int i = round < 2 * N ? round % N : (int)(fixture_random(f) % N);
		struct content_row row;
		struct bytes header;
		char got[32];
		snprintf(text, sizeof(text), "message %d", i);
		bool is_there = ids[i] % 5 != 0;
		assert_int_equal(content_get(f->account, ids[i], &row), is_there ? STORE_OK : STORE_CORRUPT);
		assert_int_equal(content_header(f->account, ids[i], &header), is_there ? STORE_OK : STORE_NOTFOUND);
		assert_int_equal(content_read(f->account, ids[i], 0, strlen(text), got),
				 is_there ? STORE_OK : STORE_CORRUPT);
		if (is_there) {
			assert_int_equal(row.size, strlen(text));
			assert_memory_equal(got, text, strlen(text));
		}
		if (round % 100 == 0)
			fixture_store(f, text, strlen(text), 3);
	}
	struct content_row row;
	assert_int_equal(content_get(f->account, 1000000, &row), STORE_CORRUPT);
}

/* BODY[2]<65536.65536> of a 100 MB message, wherever the part begins, reads two frames. */
static void test_a_part_of_a_large_message_reads_its_frames_only(void **state)
{
	struct account_fixture *f = *state;
	enum { MEGABYTE = 1 << 20 };
	char *piece = fixture_message(f, MEGABYTE, false);
	struct content_meta meta = {.header_len = 100, .sent = 1};
	struct content_writer *w = content_writer_create(f->account);
	int64_t id;
	for (int i = 0; i < 100; i++) {
		memcpy(piece, &i, sizeof(i));
		assert_int_equal(content_writer_write(w, piece, MEGABYTE), STORE_OK);
	}
	assert_int_equal(tmp_files(f), 1);
	assert_int_equal(content_writer_seal(w), STORE_OK);
	assert_int_equal(account_begin(f->account), STORE_OK);
	assert_int_equal(content_writer_finish(w, &meta, &id), STORE_OK);
	assert_int_equal(account_end(f->account, true), STORE_OK);
	assert_int_equal(fixture_commit(f), STORE_OK);
	content_writer_destroy(w);
	assert_int_equal(tmp_files(f), 0);
	uint64_t before = account_scratch(f->account)->frames_read;
	char *got = xmalloc(65536);
	int i = 70;
	memcpy(piece, &i, sizeof(i));
	assert_int_equal(content_read(f->account, id, 70 * MEGABYTE + 1234, 65536, got), STORE_OK);
	assert_memory_equal(got, piece + 1234, 65536);
	assert_int_equal(account_scratch(f->account)->frames_read - before, 2);
	/* Going on from there unpacks one more. */
	assert_int_equal(content_read(f->account, id, 70 * MEGABYTE + 1234 + 65536, 65536, got), STORE_OK);
	assert_memory_equal(got, piece + 1234 + 65536, 65536);
	assert_int_equal(account_scratch(f->account)->frames_read - before, 3);
	free(got);
	free(piece);
}

static void test_the_same_bytes_are_stored_once_if_they_are_sound(void **state)
{
	struct account_fixture *f = *state;
	static const size_t sizes[] = {5000, 400000};
	for (size_t i = 0; i < countof(sizes); i++) {
		size_t len = sizes[i];
		char *message = fixture_message(f, len, false);
		int64_t first = fixture_store(f, message, len, 50);
		assert_int_equal(fixture_store(f, message, len, 50), first);
		/* The same digest and size, other bytes. */
		struct content_meta meta = fixture_meta(message, len, 50);
		message[len / 2] ^= 1;
		struct content_writer *w = content_writer_create(f->account);
		int64_t other;
		assert_int_equal(content_writer_write(w, message, len), STORE_OK);
		assert_int_equal(account_begin(f->account), STORE_OK);
		assert_int_equal(content_writer_finish(w, &meta, &other), STORE_OK);
		assert_int_equal(account_end(f->account, true), STORE_OK);
		assert_int_equal(fixture_commit(f), STORE_OK);
		content_writer_destroy(w);
		assert_int_not_equal(other, first);
		check_range(f, other, message, 0, len);
		message[len / 2] ^= 1;
		check_range(f, first, message, 0, len);
		/* Damage on disk must not swallow a message that arrives again. */
		if (access(fixture_blob(f, first), F_OK) == 0) {
			FILE *file = fopen(fixture_blob(f, first), "r+");
			assert_non_null(file);
			fseek(file, (long)len / 2, SEEK_SET);
			fputc(message[len / 2] ^ 0x40, file);
			fclose(file);
		} else {
			char sql[100];
			snprintf(sql, sizeof(sql), "UPDATE body SET data=zeroblob(length(data)) WHERE content=%lld",
				 (long long)first);
			fixture_execute(f, sql);
		}
		int64_t fresh = fixture_store(f, message, len, 50);
		assert_int_not_equal(fresh, first);
		check_range(f, fresh, message, 0, len);
		char *got = xmalloc(len);
		assert_int_equal(content_read(f->account, first, 0, len, got), STORE_CORRUPT);
		free(got);
		free(message);
	}
}

static void test_damage_is_found_before_bytes_leave(void **state)
{
	struct account_fixture *f = *state;
	size_t len = 500000;
	char *message = fixture_message(f, len, false), *got = xmalloc(len);
	int64_t id = fixture_store(f, message, len, 50);
	char path[160];
	snprintf(path, sizeof(path), "%s", fixture_blob(f, id));
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, 3 * 65536 + 5, SEEK_SET);
	fputc(message[3 * 65536 + 5] ^ 1, file);
	fclose(file);
	assert_int_equal(content_read(f->account, id, 0, 3 * 65536, got), STORE_OK);
	assert_int_equal(content_read(f->account, id, 3 * 65536 + 100, 10, got), STORE_CORRUPT);
	assert_int_equal(content_read(f->account, id, 4 * 65536, len - 4 * 65536, got), STORE_OK);
	assert_int_equal(truncate(path, 4 * 65536 + 10), 0);
	assert_int_equal(content_read(f->account, id, 4 * 65536, 10, got), STORE_CORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(content_read(f->account, id, 0, 10, got), STORE_CORRUPT);
	/* A table that lies. */
	static const char *const tables[] = {"x'00'", "x'ffffffff000000000000000000000000'", "zeroblob(16)",
					     "x'0a000000ffff01000000000000000000'", "x'0a0000000500ff000000000000000000'"};
	int64_t small = fixture_store(f, "0123456789", 10, 0);
	for (size_t i = 0; i < countof(tables); i++) {
		char sql[160];
		snprintf(sql, sizeof(sql), "UPDATE body SET frames=%s WHERE content=%lld", tables[i], (long long)small);
		fixture_execute(f, sql);
		assert_int_equal(content_read(f->account, small, 0, 10, got), STORE_CORRUPT);
	}
	free(got);
	free(message);
}

static void test_failures_stay_and_leave_nothing(void **state)
{
	struct account_fixture *f = *state;
	static const enum store_point points[] = {POINT_TMP_OPEN, POINT_TMP_WRITE, POINT_TMP_SYNC, POINT_BLOB_PARENT_SYNC,
						  POINT_BLOB_RENAME, POINT_BLOB_DIR_SYNC};
	size_t len = 400000;
	char *message = fixture_message(f, len, false);
	for (size_t i = 0; i < countof(points); i++) {
		struct content_meta meta = fixture_meta(message, len, 50);
		struct content_writer *w = content_writer_create(f->account);
		int64_t id;
		f->fail_at = points[i];
		f->fail_with = i % 2 ? EIO : ENOSPC;
		enum store_err expected = i % 2 ? STORE_IO : STORE_FULL;
		enum store_err err = content_writer_write(w, message, len);
		assert_int_equal(account_begin(f->account), STORE_OK);
		if (!err)
			err = content_writer_finish(w, &meta, &id);
		assert_int_equal(err, expected);
		f->fail_at = STORE_POINTS;
		assert_int_equal(content_writer_finish(w, &meta, &id), expected);
		assert_int_equal(account_end(f->account, false), STORE_OK);
		assert_int_equal(fixture_commit(f), STORE_OK);
		content_writer_destroy(w);
		assert_int_equal(tmp_files(f), 0);
	}
	/* The id was not used up by those that failed; what they left under it is replaced. */
	int64_t id = fixture_store(f, message, len, 50);
	check_range(f, id, message, 0, len);
	free(message);
}

static void test_writers_of_a_closed_account_give_up(void **state)
{
	struct account_fixture *f = *state;
	size_t len = 400000;
	char *message = fixture_message(f, len, false);
	struct content_meta meta = fixture_meta(message, len, 50);
	struct content_writer *w = content_writer_create(f->account), *other = content_writer_create(f->account);
	int64_t id;
	assert_int_equal(content_writer_write(w, message, len), STORE_OK);
	assert_int_equal(content_writer_write(other, "x", 1), STORE_OK);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(content_writer_write(w, "x", 1), STORE_IO);
	assert_int_equal(account_begin(f->account), STORE_OK);
	assert_int_equal(content_writer_finish(other, &meta, &id), STORE_IO);
	assert_int_equal(account_end(f->account, false), STORE_OK);
	content_writer_destroy(w);
	content_writer_destroy(other);
	assert_int_equal(tmp_files(f), 0);
	free(message);
}

static void test_tmp_is_emptied_at_open(void **state)
{
	struct account_fixture *f = *state;
	FILE *left = fopen(scratch_path(&f->dir, "account/tmp/0xdead"), "w");
	assert_non_null(left);
	fclose(left);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(tmp_files(f), 0);
}

static void test_an_empty_message(void **state)
{
	struct account_fixture *f = *state;
	int64_t id = fixture_store(f, "", 0, 0);
	struct content_row row;
	char one;
	assert_int_equal(content_get(f->account, id, &row), STORE_OK);
	assert_int_equal(row.size, 0);
	assert_int_equal(content_read(f->account, id, 0, 0, NULL), STORE_OK);
	assert_int_equal(content_read(f->account, id, 0, 1, &one), STORE_CORRUPT);
	assert_int_equal(fixture_store(f, "", 0, 0), id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_goes_in_comes_out, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_cuts_do_not_matter, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_rows_and_headers, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_any_order_of_ids, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_part_of_a_large_message_reads_its_frames_only, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_the_same_bytes_are_stored_once_if_they_are_sound, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_damage_is_found_before_bytes_leave, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_failures_stay_and_leave_nothing, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_writers_of_a_closed_account_give_up, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_tmp_is_emptied_at_open, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_an_empty_message, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
