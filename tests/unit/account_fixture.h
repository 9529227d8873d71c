/* An account of a test's own, in a directory of its own, with a clock that stands still and points that can fail. */
#ifndef TESTS_UNIT_ACCOUNT_FIXTURE_H
#define TESTS_UNIT_ACCOUNT_FIXTURE_H

#include "storage/account.h"
#include "storage/append.h"
#include "storage/check.h"
#include "storage/content_writer.h"
#include "storage/expunge.h"
#include "storage/mailbox.h"
#include "storage/roster.h"
#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct account_fixture {
	struct scratch_dir dir;
	struct store_env env;
	struct account *account;
	int64_t now_s;
	enum store_point fail_at; /* STORE_POINTS for none */
	int fail_with;
	unsigned passed[STORE_POINTS];
	uint64_t random;
	bool batches; /* ops are not committed one by one; fixture_commit() does it */
};

static inline int64_t fixture_now(void *ctx)
{
	return ((struct account_fixture *)ctx)->now_s;
}

static inline int fixture_point(void *ctx, enum store_point point)
{
	struct account_fixture *f = ctx;
	f->passed[point]++;
	return point == f->fail_at ? f->fail_with : 0;
}

static inline void fixture_open(struct account_fixture *f)
{
	assert_int_equal(account_open(&f->env, scratch_path(&f->dir, "account"), true, &f->account), STORE_OK);
}

static inline void fixture_close(struct account_fixture *f)
{
	account_close(f->account);
	f->account = NULL;
}

static inline int fixture_set_up(void **state)
{
	struct account_fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	f->now_s = 1000000000;
	f->fail_at = STORE_POINTS;
	f->random = 88172645463325252u;
	f->env = (struct store_env){.now_s = fixture_now, .point = fixture_point, .ctx = f, .boot_id = 1};
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_tear_down(void **state)
{
	struct account_fixture *f = *state;
	fixture_close(f);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static inline enum store_err fixture_commit(struct account_fixture *f)
{
	const struct account_touched *touched;
	size_t n;
	return account_commit(f->account, &touched, &n);
}

static inline uint64_t fixture_random(struct account_fixture *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random;
}

/* Bytes that compress (text of a few words) or do not; the caller frees. */
static inline char *fixture_message(struct account_fixture *f, size_t len, bool text)
{
	static const char *const words[] = {"Received: ", "the ", "house ", "\r\n", "Subject: ", "of ", "<p>", "1234 "};
	char *m = xmalloc(len);
	for (size_t i = 0; i < len;) {
		uint64_t r = fixture_random(f);
		const char *word = words[r % countof(words)];
		for (const char *p = word; text && *p && i < len; p++)
			m[i++] = *p;
		if (!text)
			m[i++] = (char)(r >> 32);
	}
	return m;
}

/* A digest good enough for tests. */
static inline struct content_meta fixture_meta(const char *message, size_t len, uint32_t header_len)
{
	struct content_meta meta = {.header_len = header_len,
				    .parser = 1,
				    .sent = CONTENT_NO_DATE,
				    .envelope = {"(env)", 5},
				    .body = {"(body)", 6},
				    .bodystructure = {"(structure)", 11},
				    .parts = {"parts", 5}};
	uint64_t h = len;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)message[i]) * 0x100000001b3u;
	memcpy(meta.digest, &h, sizeof(h));
	return meta;
}

static inline void fixture_begin(struct account_fixture *f)
{
	assert_int_equal(account_begin(f->account), STORE_OK);
}

/* The op ends well, and is committed. */
static inline void fixture_end(struct account_fixture *f)
{
	assert_int_equal(account_end(f->account, true), STORE_OK);
	if (!f->batches)
		assert_int_equal(fixture_commit(f), STORE_OK);
}

/* Stores a message in an op and a commit of its own. */
static inline int64_t fixture_store_meta(struct account_fixture *f, const char *message, size_t len, const struct content_meta *meta)
{
	struct content_writer *w = content_writer_create(f->account);
	int64_t id = 0;
	assert_int_equal(content_writer_write(w, message, len), STORE_OK);
	fixture_begin(f);
	assert_int_equal(content_writer_finish(w, meta, &id), STORE_OK);
	fixture_end(f);
	content_writer_destroy(w);
	return id;
}

static inline int64_t fixture_store(struct account_fixture *f, const char *message, size_t len, uint32_t header_len)
{
	const struct content_meta meta = fixture_meta(message, len, header_len);
	return fixture_store_meta(f, message, len, &meta);
}

static inline int64_t fixture_mailbox(struct account_fixture *f, const char *name)
{
	int64_t id;
	enum store_err err = mailbox_find(f->account, name, &id);
	if (err == STORE_NOTFOUND) {
		fixture_begin(f);
		err = mailbox_create(f->account, name, 0, &id);
		fixture_end(f);
	}
	assert_int_equal(err, STORE_OK);
	return id;
}

static inline uint32_t fixture_publish(struct account_fixture *f, int64_t mailbox, int64_t content, uint32_t size)
{
	struct append_item item = {.content = content, .size = size, .internal_date = f->now_s};
	uint32_t uid;
	fixture_begin(f);
	assert_int_equal(messages_append(f->account, mailbox, &item, 1, &uid), STORE_OK);
	fixture_end(f);
	return uid;
}

/* Messages of one byte each, all of content 1, in one op and one commit. */
static inline void fixture_append(struct account_fixture *f, int64_t mailbox, uint32_t n)
{
	struct append_item *items = xcalloc(n, sizeof(*items));
	uint32_t first;
	for (uint32_t i = 0; i < n; i++)
		items[i] = (struct append_item){.content = 1, .size = 1};
	fixture_begin(f);
	assert_int_equal(messages_append(f->account, mailbox, items, n, &first), STORE_OK);
	fixture_end(f);
	free(items);
}

/* Until the next op that fails. */
static inline struct roster *fixture_roster(struct account_fixture *f, int64_t mailbox)
{
	struct roster *r;
	assert_int_equal(roster_get(f->account, mailbox, &r), STORE_OK);
	return r;
}

static inline void fixture_remove(struct account_fixture *f, int64_t mailbox, uint32_t first, uint32_t last)
{
	struct uidset set = {0};
	uidset_append(&set, first, last);
	fixture_begin(f);
	assert_int_equal(messages_remove(f->account, mailbox, &set), STORE_OK);
	fixture_end(f);
	uidset_finish(&set);
}

static inline void fixture_on_problem(void *ctx, enum check_kind kind, const char *line)
{
	(void)ctx;
	print_error("%d %s\n", kind, line);
}

/* Nothing is damaged. */
static inline void fixture_check(struct account_fixture *f)
{
	struct check *c = check_create(f->account, NULL, fixture_on_problem, NULL);
	for (bool more = true; more;)
		assert_int_equal(check_step(c, &more), STORE_OK);
	assert_int_equal(check_result(c).damage, 0);
	check_destroy(c);
}

/* Behind storage's back. */
static inline void fixture_execute(struct account_fixture *f, const char *sql)
{
	assert_int_equal(db_exec(&f->account->db, sql), STORE_OK);
}

static inline const char *fixture_blob(struct account_fixture *f, int64_t id)
{
	char name[64];
	snprintf(name, sizeof(name), "account/blob/%02x/%lld", (unsigned)(id & 0xff), (long long)id);
	return scratch_path(&f->dir, name);
}

#endif
