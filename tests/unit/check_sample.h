/* For the tests of check and repair: an account with mail of every kind, ways to damage it, and the check of it. */
#ifndef TESTS_UNIT_CHECK_SAMPLE_H
#define TESTS_UNIT_CHECK_SAMPLE_H

#include "storage/check.h"
#include "storage/copy.h"
#include "storage/store.h"
#include "tests/unit/account_fixture.h"

/* A digest of the fixture's kind. */
struct hash {
	uint64_t h;
	bool started;
	char *bytes;
	size_t len;
};

static inline void *hash_start(void)
{
	return xcalloc(1, sizeof(struct hash));
}

static inline void hash_feed(void *state, const void *bytes, size_t len)
{
	struct hash *h = state;
	h->bytes = xrealloc(h->bytes, h->len + len);
	memcpy(h->bytes + h->len, bytes, len);
	h->len += len;
}

static inline void hash_finish(void *state, unsigned char out[DIGEST_BYTES])
{
	struct hash *h = state;
	struct content_meta meta = fixture_meta(h->bytes ? h->bytes : "", h->len, 0);
	memcpy(out, meta.digest, DIGEST_BYTES);
	free(h->bytes);
	free(h);
}

static const struct check_digest digest = {hash_start, hash_feed, hash_finish};

struct found {
	char lines[20][200];
	size_t n;
};

static inline void on_problem(void *ctx, enum check_kind kind, const char *line)
{
	struct found *found = ctx;
	if (found->n < countof(found->lines))
		snprintf(found->lines[found->n++], sizeof(found->lines[0]), "%s %s",
			 kind == CHECK_DAMAGE ? "damage:" : "garbage:", line);
}

static inline struct check_counts check(struct account_fixture *f, struct found *found)
{
	*found = (struct found){0};
	struct check *c = check_create(f->account, &digest, on_problem, found);
	for (bool more = true; more;)
		assert_int_equal(check_step(c, &more), STORE_OK);
	struct check_counts counts = check_result(c);
	check_destroy(c);
	return counts;
}

static inline int64_t store(struct account_fixture *f, size_t len)
{
	char *message = fixture_message(f, len, len % 2 == 0);
	int64_t id = fixture_store(f, message, len, (uint32_t)(len < 40 ? len : 40));
	free(message);
	return id;
}

struct sample {
	int64_t box, small, large, gone;
};

/* Mail of every kind: inline and in files, many and few, with flags, expunged. */
static inline struct sample make_mail(struct account_fixture *f)
{
	struct sample s = {.box = fixture_mailbox(f, "Lists/Sample")};
	f->batches = true;
	for (uint32_t i = 0; i < 290; i++)
		fixture_publish(f, s.box, store(f, 100 + i), 100 + i);
	s.small = store(f, 5001);
	s.large = store(f, 300001);
	s.gone = store(f, 7001);
	fixture_publish(f, s.box, s.small, 5001);
	fixture_publish(f, s.box, s.large, 300001);
	fixture_publish(f, s.box, s.gone, 7001);
	fixture_remove(f, s.box, 293, 293);
	fixture_remove(f, s.box, 10, 30);
	struct uidset set = {0}, changed = {0};
	struct flag_spec spec = {FLAG_SEEN | FLAG_DELETED, "Work"};
	uidset_append(&set, 50, 250);
	fixture_begin(f);
	assert_int_equal(messages_store(f->account, s.box, &set, FLAG_ADD, &spec, &changed), STORE_OK);
	fixture_end(f);
	uidset_finish(&changed);
	struct copy_result copied = {0};
	fixture_begin(f);
	assert_int_equal(messages_copy(f->account, s.box, &set, fixture_mailbox(f, "INBOX"), &copied), STORE_OK);
	fixture_end(f);
	copy_result_finish(&copied);
	uidset_finish(&set);
	f->batches = false;
	assert_int_equal(fixture_commit(f), STORE_OK);
	return s;
}

/* In each row, what is done behind storage's back and what must be said then.  Table `sample` names the mailbox and
 * three contents: a small one, one in a file, an expunged one. */
static const struct {
	const char *sql, *expected;
} damages[] = {
	{"UPDATE mailbox SET modseq=modseq-1 WHERE id=0", "is above the account's"},
	{"UPDATE mailbox SET modseq=1 WHERE id=(SELECT box FROM sample)", "a modseq above the mailbox's"},
	{"UPDATE mailbox SET floor=1000000 WHERE id=(SELECT box FROM sample)", "its floor is above"},
	{"UPDATE mailbox SET parent=4711 WHERE id=(SELECT box FROM sample)", "its parent is missing"},
	{"UPDATE mailbox SET parent=id WHERE id=(SELECT box FROM sample)", "cannot be reached"},
	{"UPDATE mailbox SET uidvalidity=(SELECT uidvalidity FROM mailbox WHERE leaf='INBOX') WHERE id=(SELECT box FROM sample)",
	 "another has the same UIDVALIDITY"},
	{"UPDATE mailbox SET uidvalidity=0 WHERE id=(SELECT box FROM sample)", "its UIDVALIDITY was never given"},
	{"UPDATE mailbox SET uidvalidity=uidvalidity-1 WHERE id=0", "its UIDVALIDITY was never given"},
	{"UPDATE mailbox SET uidnext=290 WHERE id=(SELECT box FROM sample)", "not below UIDNEXT"},
	{"UPDATE mailbox SET recent=5000 WHERE id=(SELECT box FROM sample)", "UIDNEXT makes no sense"},
	{"UPDATE mailbox SET messages=messages+1 WHERE id=(SELECT box FROM sample)", "its row says messages 272, there are 271"},
	{"UPDATE mailbox SET unseen=0 WHERE id=(SELECT box FROM sample)", "its row says unseen"},
	{"UPDATE mailbox SET deleted=0 WHERE id=(SELECT box FROM sample)", "its row says deleted"},
	{"UPDATE mailbox SET bytes=7 WHERE id=(SELECT box FROM sample)", "its row says bytes"},
	{"UPDATE mailbox SET leaf='inbox' WHERE leaf='INBOX'", "there is no INBOX"},
	{"UPDATE segment SET unseen=unseen+1 WHERE id=(SELECT box FROM sample)<<32|1", "summary does not agree"},
	{"UPDATE segment SET modseq=modseq-1 WHERE id=(SELECT box FROM sample)<<32|1", "summary does not agree"},
	{"UPDATE segment SET data=zeroblob(length(data)) WHERE id=(SELECT box FROM sample)<<32|1", "its checksum or its form"},
	{"UPDATE segment SET data=(SELECT data FROM segment WHERE id=(SELECT box FROM sample)<<32|1) WHERE id>(SELECT box FROM sample)<<32|1",
	 "do not come after those before"},
	{"DELETE FROM segment WHERE id=(SELECT box FROM sample)<<32|1", "its row says messages"},
	{"DELETE FROM content WHERE id=(SELECT small FROM sample)", "is not there"},
	{"DELETE FROM content WHERE id=(SELECT gone FROM sample)", "graveyard of mailbox"},
	{"UPDATE content SET size=5 WHERE id=(SELECT small FROM sample)", "has 5 bytes, the message 5001"},
	{"UPDATE content SET digest=zeroblob(16) WHERE id=(SELECT large FROM sample)", "the digest of its bytes is not the one kept"},
	{"UPDATE content SET header_len=6000 WHERE id=(SELECT small FROM sample)", "its header is longer than it"},
	{"UPDATE header SET data='nonsense' WHERE content=(SELECT small FROM sample)", "header block is missing or of another length"},
	{"UPDATE header SET data=zeroblob(40) WHERE content=(SELECT small FROM sample)", "its header block is not that of its body"},
	{"DELETE FROM header WHERE content=(SELECT large FROM sample)", "header block is missing"},
	{"DELETE FROM body WHERE content=(SELECT small FROM sample)", "its body is not there"},
	{"DELETE FROM keys WHERE content=(SELECT small FROM sample)", "what it is sorted by is not there"},
	{"UPDATE body SET data=zeroblob(length(data)) WHERE content=(SELECT small FROM sample)", "bytes 0 to 5000 are damaged"},
	{"UPDATE body SET frames=zeroblob(16) WHERE content=(SELECT small FROM sample)", "its frame table is not that of 5001 bytes"},
	{"UPDATE body SET data=data||x'00' WHERE content=(SELECT small FROM sample)", "its frame table is not that of"},
	{"UPDATE gone SET data=zeroblob(length(data))", "cannot be read"},
	{"UPDATE gone SET modseq=1000000 WHERE low=10", "is above the account's"},
	{"UPDATE change SET flags=x'01' WHERE flags IS NOT NULL", "cannot be read"},
	{"DELETE FROM actor", "names an actor that is not there"},
};

/* Table `sample`, which the statements above ask. */
static inline void name_sample(struct account_fixture *f, const struct sample *s)
{
	char sql[200];
	snprintf(sql, sizeof(sql), "CREATE TEMP TABLE sample AS SELECT %lld AS box, %lld AS small, %lld AS large, %lld AS gone",
		 (long long)s->box, (long long)s->small, (long long)s->large, (long long)s->gone);
	fixture_execute(f, sql);
}

#endif
