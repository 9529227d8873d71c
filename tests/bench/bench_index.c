/*
 * What the full-text index costs by itself, in CPU time: filling it, its size, asking it.  Never a timed test.
 *
 *     find DIR -name '*.eml' | bench_index [MESSAGES [NEEDLE...]]
 *
 * The messages named on standard input are stored again and again, each with a line of its own, until there are MESSAGES
 * (default 100000); without any, generated ones.
 */
#include "server/index_run.h"
#include "server/intake.h"
#include "storage/append.h"
#include "storage/mailbox.h"
#include "tests/bench/client.h"
#include "tests/bench/generate.h"
#include "tests/unit/scratch_dir.h"

#include <time.h>
#include <unistd.h>

enum { NAMES_MAX = 100000, MESSAGE_MAX = 1 << 24, COMMIT_EVERY = 200 };

struct bench {
	struct scratch_dir dir;
	struct store_env env;
	struct account *account;
	char **names;
	size_t names_n;
	uint64_t text_bytes;
};

static int64_t now_s(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(enum store_err err)
{
	if (err)
		bench_die("storage error %d", err);
}

static void read_names(struct bench *b)
{
	char line[4096];
	b->names = xcalloc(NAMES_MAX, sizeof(*b->names));
	while (!isatty(0) && b->names_n < NAMES_MAX && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		b->names[b->names_n] = xmalloc(strlen(line) + 1);
		memcpy(b->names[b->names_n++], line, strlen(line) + 1);
	}
}

static size_t read_message(struct bench *b, uint32_t number, char **data, size_t *cap)
{
	if (!b->names_n)
		return generate_message(number, data, cap);
	FILE *f = fopen(b->names[number % b->names_n], "rb");
	if (!f)
		bench_die("%s cannot be read", b->names[number % b->names_n]);
	*data = xrealloc(*data, MESSAGE_MAX);
	size_t n = fread(*data, 1, MESSAGE_MAX, f);
	fclose(f);
	return n;
}

/* False: it is refused, for a NUL in it. */
static bool store(struct bench *b, int64_t box, uint32_t number, char **data, size_t *cap)
{
	struct intake *in = intake_create(b->account, UINT32_MAX, false);
	struct append_item item = {0};
	uint32_t first;
	char line[80];
	size_t len = read_message(b, number, data, cap);
	int n = snprintf(line, sizeof(line), "X-Number: tag%ux\r\n", number);
	enum store_err err = intake_write(in, span_make(line, (size_t)n));
	if (!err)
		err = intake_write(in, span_make(*data, len));
	if (!err)
		err = intake_seal(in);
	if (!err) {
		must(account_begin(b->account));
		must(intake_finish(in, &item.content, &item.size));
		must(messages_append(b->account, box, &item, 1, &first));
		must(account_end(b->account, true));
		b->text_bytes += item.size;
	}
	intake_destroy(in);
	return !err;
}

static uint32_t fill(struct bench *b, uint32_t messages)
{
	const struct account_touched *touched;
	char *data = NULL;
	size_t cap = 0, n;
	int64_t box;
	uint32_t stored = 0;
	must(mailbox_find(b->account, "INBOX", &box));
	for (uint32_t i = 0; i < messages; i++) {
		stored += store(b, box, i, &data, &cap);
		if (i % COMMIT_EVERY == COMMIT_EVERY - 1 || i + 1 == messages)
			must(account_commit(b->account, &touched, &n));
	}
	free(data);
	return stored;
}

static void index_all(struct bench *b, uint32_t messages)
{
	struct index_run run;
	struct fulltext_status status;
	bool more = true;
	double began = cpu_us(), longest = 0;
	uint64_t long_slices = 0, slices = 0;
	index_run_init(&run, FULLTEXT_NOW);
	while (more) {
		double slice = cpu_us();
		must(index_run_step(&run, b->account, &more));
		slice = cpu_us() - slice;
		longest = slice > longest ? slice : longest;
		long_slices += slice > 7000;
		slices++;
	}
	double took = cpu_us() - began;
	fulltext_close(b->account);
	must(fulltext_status(b->account, &status));
	printf("indexing: %.0f us of CPU a message, %llu always named; %llu slices, the longest %.1f ms, %llu above 7 ms\n",
	       took / messages, (unsigned long long)run.wide, (unsigned long long)slices, longest / 1e3,
	       (unsigned long long)long_slices);
	printf("size: %.1f MB of %.1f MB of messages, %.0f %%\n", (double)status.bytes / 1e6, (double)b->text_bytes / 1e6,
	       100.0 * (double)status.bytes / (double)b->text_bytes);
	index_run_finish(&run);
}

/* "@needle": in Subject. */
static void ask(struct bench *b, const char *needle)
{
	bool in_subject = needle[0] == '@';
	struct fulltext_query q;
	struct buf folded;
	int64_t ids[FULLTEXT_PORTION_MAX];
	size_t n, found = 0, calls = 0;
	bool done = false;
	double longest = 0;
	buf_init(&folded, 1 << 16);
	mime_fold(span_of(needle + in_subject), &folded);
	double began = cpu_us();
	enum store_err err = fulltext_query_init(&q, (struct bytes){folded.data, folded.len},
						 in_subject ? FULLTEXT_GRAM_SUBJECT : 0);
	if (err == STORE_CANNOT)
		printf("%-40s is not asked for\n", needle);
	else
		must(err);
	while (!err && !done) {
		double call = cpu_us();
		must(fulltext_query_next(&q, b->account, ids, fulltext_query_portion(&q), &n, &done));
		call = cpu_us() - call;
		longest = call > longest ? call : longest;
		found += n;
		calls++;
	}
	if (!err)
		printf("%-40s %8zu candidates in %8.2f ms, %zu calls, the longest %.2f ms\n", needle, found, (cpu_us() - began) / 1e3,
	       calls, longest / 1e3);
	buf_finish(&folded);
}

int main(int argc, char **argv)
{
	static const char *const needles[] = {"qqxzvk", "absent word of mine", "tag77x", "subject: re", "spam", "invoice",
					      "the", "received: from", "perl script to convert", "thursday meeting", "vacuum"};
	struct bench b = {.env = {.now_s = now_s, .boot_id = 1}};
	uint32_t messages = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
	scratch_dir_create(&b.dir);
	db_start();
	must(account_open(&b.env, scratch_path(&b.dir, "account"), true, &b.account));
	read_names(&b);
	uint32_t stored = fill(&b, messages);
	printf("%u messages\n", stored);
	index_all(&b, stored);
	for (int round = 0; round < 2; round++) {
		printf(round ? "warm\n" : "cold\n");
		for (int i = 2; i < argc; i++)
			ask(&b, argv[i]);
		for (size_t i = 0; argc <= 2 && i < countof(needles); i++)
			ask(&b, needles[i]);
	}
	account_close(b.account);
	scratch_dir_destroy(&b.dir);
	for (size_t i = 0; i < b.names_n; i++)
		free(b.names[i]);
	free(b.names);
	return 0;
}
