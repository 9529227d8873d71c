/*
 * What the store costs without a network: one line a measure, medians of a few rounds.  Never a timed test.
 *
 *     bench_store [DIR] [MESSAGES...]       default: a directory under /tmp, 100000 and 1000000 messages
 */
#include "storage/append.h"
#include "storage/changes.h"
#include "storage/copy.h"
#include "storage/expunge.h"
#include "storage/mailbox.h"
#include "storage/store.h"

#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7 };

struct bench {
	struct store_env env;
	struct account *account;
	char dir[256];
	int64_t inbox, other;
	uint32_t messages;
	uint64_t random;
	bool sync; /* flag commits are synced too */
};

static int64_t now_s(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(enum store_err err)
{
	if (err == STORE_OK)
		return;
	fprintf(stderr, "bench_store: storage error %d\n", err);
	exit(1);
}

static uint32_t below(struct bench *b, uint32_t n)
{
	b->random = b->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((b->random >> 33) % n);
}

static void commit(struct bench *b)
{
	const struct account_touched *touched;
	size_t n;
	must(account_end(b->account, true));
	must(account_commit(b->account, &touched, &n));
}

static int double_order(const void *x, const void *y)
{
	const double *a = x, *b = y;
	return *a < *b ? -1 : *a > *b;
}

/* Medians; `per` messages an operation. */
static void report(const struct bench *b, const char *what, double *us, size_t n, uint32_t per)
{
	qsort(us, n, sizeof(*us), double_order);
	double median = us[n / 2];
	printf("%8u  %-44s %12.1f us", b->messages, what, median);
	if (per > 1)
		printf("  %9.4f us a message", median / per);
	printf("\n");
	fflush(stdout);
}

/* Mail as it comes: one by one, dates rising, a third seen, some flagged. */
static void fill(struct bench *b)
{
	static const struct flag_spec specs[] = {{0, ""}, {FLAG_SEEN, ""}, {FLAG_SEEN | FLAG_FLAGGED, ""}, {FLAG_SEEN, "$Junk"}};
	uint32_t sets[4], first;
	enum { BATCH = 10000 };
	struct append_item *items = xcalloc(BATCH, sizeof(*items));
	for (uint32_t done = 0; done < b->messages; done += BATCH) {
		must(account_begin(b->account));
		for (size_t i = 0; i < countof(specs); i++)
			must(flagset_apply(b->account, 0, FLAG_SET, &specs[i], &sets[i]));
		uint32_t n = b->messages - done < BATCH ? b->messages - done : BATCH;
		for (uint32_t i = 0; i < n; i++)
			items[i] = (struct append_item){.content = 1 + done + i, .size = 2000 + below(b, 60000),
							.flagset = sets[below(b, 4)],
							.internal_date = 1500000000 + (int64_t)(done + i) * 60 + below(b, 60)};
		must(messages_append(b->account, b->inbox, items, n, &first));
		commit(b);
	}
	free(items);
	must(account_idle(b->account));
}

static void open_account(struct bench *b)
{
	must(account_open(&b->env, b->dir, true, &b->account));
	must(mailbox_find(b->account, "INBOX", &b->inbox));
	must(mailbox_find(b->account, "Archive", &b->other));
}

static void measure_load(struct bench *b)
{
	double open_us[ROUNDS], load_us[ROUNDS];
	struct roster *r;
	for (int i = 0; i < ROUNDS; i++) {
		account_close(b->account);
		double start = now_us();
		open_account(b);
		double opened = now_us();
		must(roster_get(b->account, b->inbox, &r));
		load_us[i] = now_us() - opened;
		open_us[i] = opened - start;
	}
	report(b, "open the account", open_us, ROUNDS, 1);
	report(b, "load the mailbox", load_us, ROUNDS, b->messages);
	struct mailbox_names names;
	for (int i = 0; i < ROUNDS; i++) {
		double start = now_us();
		must(mailbox_list(b->account, &names));
		open_us[i] = now_us() - start;
		mailbox_names_finish(&names);
	}
	report(b, "LIST of the first mailboxes, with counters", open_us, ROUNDS, 1);
}

static void measure_store(struct bench *b)
{
	struct uidset all = {0}, one = {0}, changed = {0};
	struct roster *r;
	enum { SINGLES = 300 };
	double us[SINGLES], flush_us[ROUNDS], total[ROUNDS];
	uidset_append(&all, 1, UINT32_MAX);
	must(roster_get(b->account, b->inbox, &r));
	for (int i = 0; i < ROUNDS; i++) {
		struct flag_spec spec = {FLAG_DRAFT, ""};
		double start = now_us();
		must(account_begin(b->account));
		must(messages_store(b->account, b->inbox, &all, i % 2 ? FLAG_REMOVE : FLAG_ADD, &spec, &changed));
		flush_us[i] = now_us() - start;
		commit(b);
		total[i] = now_us() - start;
		uidset_finish(&changed);
		must(account_idle(b->account));
	}
	report(b, "STORE 1:*, in memory and journal", flush_us, ROUNDS, b->messages);
	report(b, "STORE 1:*, committed", total, ROUNDS, b->messages);
	for (int i = 0; i < SINGLES; i++) {
		struct flag_spec spec = {FLAG_ANSWERED, ""};
		uint32_t uid = uids_at(&r->uids, below(b, r->uids.n));
		uidset_append(&one, uid, uid);
		double start = now_us();
		must(account_begin(b->account));
		must(messages_store(b->account, b->inbox, &one, FLAG_ADD, &spec, &changed));
		commit(b);
		us[i] = now_us() - start;
		uidset_finish(&one);
		uidset_finish(&changed);
	}
	report(b, b->sync ? "one STORE, synced" : "one STORE", us, SINGLES, 1);
	uidset_finish(&all);
}

static void measure_since(struct bench *b)
{
	enum { LOOKS = 1000 };
	double us[LOOKS];
	struct uidset changed = {0};
	struct roster *r;
	must(roster_get(b->account, b->inbox, &r));
	for (int i = 0; i < LOOKS; i++) {
		double start = now_us();
		changes_flags(r, r->info.modseq - 10, 1, UINT32_MAX, SIZE_MAX, &changed);
		us[i] = now_us() - start;
		uidset_finish(&changed);
	}
	report(b, "changed since 10 modseqs ago", us, LOOKS, 1);
	for (int i = 0; i < LOOKS; i++) {
		double start = now_us();
		struct uids view = roster_snapshot(r);
		us[i] = now_us() - start;
		uids_release(&view);
	}
	report(b, "a view's snapshot", us, LOOKS, 1);
}

static void measure_append(struct bench *b)
{
	enum { APPENDS = 100 };
	double us[APPENDS];
	uint32_t first;
	static const uint32_t batches[] = {1, 100};
	for (size_t k = 0; k < countof(batches); k++) {
		struct append_item *items = xcalloc(batches[k], sizeof(*items));
		for (int i = 0; i < APPENDS; i++) {
			for (uint32_t j = 0; j < batches[k]; j++)
				items[j] = (struct append_item){.content = b->messages + j, .size = 4000, .internal_date = now_s(NULL)};
			double start = now_us();
			must(account_begin(b->account));
			must(messages_append(b->account, b->inbox, items, batches[k], &first));
			commit(b);
			us[i] = now_us() - start;
		}
		report(b, k ? "publish 100 messages, synced" : "publish a message, synced", us, APPENDS, batches[k]);
		free(items);
	}
}

static void measure_copy(struct bench *b)
{
	enum { COPIES = 10000 };
	double us[ROUNDS];
	uint32_t n = b->messages < COPIES ? b->messages : COPIES;
	for (int i = 0; i < ROUNDS; i++) {
		struct uidset set = {0};
		struct copy_result result;
		uint32_t lo = 1 + below(b, b->messages - n + 1);
		uidset_append(&set, lo, lo + n - 1);
		double start = now_us();
		must(account_begin(b->account));
		must(messages_copy(b->account, b->inbox, &set, b->other, &result));
		commit(b);
		us[i] = now_us() - start;
		copy_result_finish(&result);
		uidset_finish(&set);
	}
	report(b, "COPY of 10,000, synced", us, ROUNDS, n);
}

/* With a session in sync: it holds a snapshot, so that nothing can be changed in place. */
static double expunge(struct bench *b, uint32_t n, double *remove_us)
{
	struct uidset set = {0}, gone = {0}, changed = {0};
	struct flag_spec spec = {FLAG_DELETED, ""};
	struct roster *r;
	must(roster_get(b->account, b->inbox, &r));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t uid = uids_at(&r->uids, n == 1 ? r->uids.n / 2 : below(b, r->uids.n));
		uidset_add_any(&set, uid, uid);
	}
	uidset_normalise(&set);
	must(account_begin(b->account));
	must(messages_store(b->account, b->inbox, &set, FLAG_ADD, &spec, &changed));
	commit(b);
	struct uids view = roster_snapshot(r);
	double start = now_us();
	must(account_begin(b->account));
	must(messages_expunge(b->account, b->inbox, &set, &gone));
	*remove_us = now_us() - start;
	commit(b);
	double us = now_us() - start;
	struct uids_diff diff;
	uint32_t index, uid, told = 0;
	uids_diff_init(&diff, &view, &r->uids);
	while (uids_diff_next(&diff, &index, &uid))
		told++;
	if (told != uidset_count(&gone))
		must(STORE_CORRUPT);
	uids_release(&view);
	uidset_finish(&set);
	uidset_finish(&gone);
	uidset_finish(&changed);
	return us;
}

static void measure_expunge(struct bench *b)
{
	enum { SINGLES = 200 };
	double us[SINGLES], memory_us[SINGLES];
	for (int i = 0; i < SINGLES; i++)
		us[i] = expunge(b, 1, &memory_us[i]);
	report(b, "EXPUNGE of one in the middle, in memory", memory_us, SINGLES, 1);
	report(b, "EXPUNGE of one in the middle, committed", us, SINGLES, 1);
	for (int i = 0; i < ROUNDS; i++)
		us[i] = expunge(b, 5000, &memory_us[i]);
	report(b, "EXPUNGE of 5,000 at random, committed", us, ROUNDS, 5000);
}

static void run(const char *parent, uint32_t messages)
{
	struct bench b = {.messages = messages, .random = 42};
	b.env = (struct store_env){.now_s = now_s, .boot_id = 1};
	snprintf(b.dir, sizeof(b.dir), "%s/%u", parent, messages);
	open_account(&b);
	fill(&b);
	measure_load(&b);
	measure_store(&b);
	measure_since(&b);
	measure_append(&b);
	measure_copy(&b);
	measure_expunge(&b);
	account_close(b.account);
	b.env.fsync_always = b.sync = true;
	open_account(&b);
	measure_store(&b);
	account_close(b.account);
}

int main(int argc, char **argv)
{
	char made[] = "/tmp/roost-bench-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
	if (!dir)
		return 1;
	db_start();
	if (argc <= 2) {
		run(dir, 100000);
		run(dir, 1000000);
	}
	for (int i = 2; i < argc; i++)
		run(dir, (uint32_t)strtoul(argv[i], NULL, 10));
	fprintf(stderr, "bench_store: the stores are left under %s\n", dir);
	return 0;
}
