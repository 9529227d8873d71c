/*
 * The same work on several IMAP servers in one run, interleaved, so that a noisy machine is noisy for all of them:
 * for each item, each round runs it on every server in turn; medians and ratios are printed.  The first round is not
 * timed: it warms caches and compares what the servers answer.
 *
 *   roost_bench --messages N --rounds N [--only NAME] NAME:PORT [NAME:PORT]
 *
 * The first server is the one measured, the second its peer.  Both have user1@example.org with the password "pass".
 */
#include "client.h"
#include "generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVERS_MAX = 2, ROUNDS_MAX = 50, LOGINS = 40, SELECTS = 40, APPENDS = 50, PUSHES = 50 };

struct server {
	const char *name;
	int port;
	struct client client;  /* logged in, INBOX selected */
	struct client watcher; /* idling on INBOX, for push */
	unsigned appended;
};

struct item {
	const char *name;
	/* Does the work once; what is timed goes to *seconds. */
	void (*run)(struct server *s, const char *argument, double *seconds);
	const char *argument;
};

static void command(struct client *c, const char *line)
{
	struct answer a;
	client_command(c, line, &a);
}

static void timed(struct client *c, const char *line, double *seconds)
{
	double from = bench_now();
	command(c, line);
	*seconds = bench_now() - from;
}

static void run_command(struct server *s, const char *line, double *seconds)
{
	timed(&s->client, line, seconds);
}

static void run_login(struct server *s, const char *argument, double *seconds)
{
	(void)argument;
	double from = bench_now();
	for (int i = 0; i < LOGINS; i++) {
		struct client c;
		client_open(&c, s->name, s->port);
		client_login(&c, "user2@example.org", "pass");
		command(&c, "LOGOUT");
		client_close(&c);
	}
	*seconds = (bench_now() - from) / LOGINS;
}

static void run_select(struct server *s, const char *argument, double *seconds)
{
	(void)argument;
	double from = bench_now();
	for (int i = 0; i < SELECTS; i++)
		command(&s->client, "SELECT INBOX");
	*seconds = (bench_now() - from) / SELECTS;
}

static void run_store(struct server *s, const char *how, double *seconds)
{
	char line[128];
	double add, remove;
	snprintf(line, sizeof(line), "STORE 1:* +FLAGS%s (\\Flagged)", how);
	timed(&s->client, line, &add);
	snprintf(line, sizeof(line), "STORE 1:* -FLAGS%s (\\Flagged)", how);
	timed(&s->client, line, &remove);
	*seconds = (add + remove) / 2;
}

static void append(struct client *c, const char *mailbox, const char *flags, uint32_t number, char **data, size_t *cap)
{
	char head[256], line[256];
	size_t len = generate_message(number, data, cap);
	int n = snprintf(head, sizeof(head), "ap APPEND %s %s\"%2u-Jun-2026 %02u:%02u:00 +0000\" {%zu}\r\n", mailbox, flags,
			 number / 1440 % 18 + 10, number / 60 % 24, number % 60, len);
	client_send(c, head, (size_t)n);
	client_line(c, line, sizeof(line));
	if (line[0] != '+')
		bench_die("%s: APPEND: %s", c->name, line);
	client_send(c, *data, len);
	client_send(c, "\r\n", 2);
	do
		client_line(c, line, sizeof(line));
	while (line[0] == '*');
	if (strncmp(line, "ap OK", 5) != 0)
		bench_die("%s: APPEND: %s", c->name, line);
}

static void run_append(struct server *s, const char *argument, double *seconds)
{
	(void)argument;
	char *data = NULL;
	size_t cap = 0;
	double from = bench_now();
	for (int i = 0; i < APPENDS; i++)
		append(&s->client, "Drafts", "", 1000000 + s->appended++, &data, &cap);
	*seconds = (bench_now() - from) / APPENDS;
	free(data);
}

static void run_copy(struct server *s, const char *argument, double *seconds)
{
	(void)argument;
	client_try(&s->client, "DELETE copies");
	command(&s->client, "CREATE copies");
	timed(&s->client, "COPY 1:* copies", seconds);
}

static void run_expunge(struct server *s, const char *argument, double *seconds)
{
	double ignored;
	run_copy(s, argument, &ignored);
	command(&s->client, "SELECT copies");
	command(&s->client, "STORE 1:* +FLAGS.SILENT (\\Deleted)");
	timed(&s->client, "EXPUNGE", seconds);
	command(&s->client, "SELECT INBOX");
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare_doubles);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* From the moment one session's STORE is sent to the moment the idling one has read of it. */
static void run_push(struct server *s, const char *argument, double *seconds)
{
	(void)argument;
	double took[PUSHES];
	char line[512];
	for (int i = 0; i < PUSHES; i++) {
		const char *store = i % 2 ? "p STORE 1 -FLAGS.SILENT (\\Answered)\r\n" : "p STORE 1 +FLAGS.SILENT (\\Answered)\r\n";
		double from = bench_now();
		client_send(&s->client, store, strlen(store));
		do
			client_line(&s->watcher, line, sizeof(line));
		while (!strstr(line, "FETCH"));
		took[i] = bench_now() - from;
		do
			client_line(&s->client, line, sizeof(line));
		while (strncmp(line, "p ", 2) != 0);
	}
	*seconds = median(took, PUSHES);
}

static const struct item items[] = {
	{"login", run_login, NULL},
	{"select", run_select, NULL},
	{"fetch-flags", run_command, "FETCH 1:* FLAGS"},
	{"fetch-fast", run_command, "FETCH 1:* FAST"},
	{"fetch-envelope", run_command, "FETCH 1:* ENVELOPE"},
	{"fetch-structure", run_command, "FETCH 1:* BODYSTRUCTURE"},
	{"fetch-fields", run_command, "FETCH 1:* BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT)]"},
	{"fetch-header", run_command, "FETCH 1:* BODY.PEEK[HEADER]"},
	{"fetch-body", run_command, "FETCH 1:* BODY.PEEK[]"},
	{"store", run_store, ""},
	{"store-silent", run_store, ".SILENT"},
	{"append", run_append, NULL},
	{"copy", run_copy, NULL},
	{"expunge", run_expunge, NULL},
	{"push", run_push, NULL},
};

static void load(struct server *s, unsigned messages)
{
	static const char *const flags[] = {"", "(\\Seen) ", "(\\Seen \\Answered) ", "(\\Flagged) ", "(\\Seen $Forwarded) "};
	char *data = NULL;
	size_t cap = 0;
	double from = bench_now();
	for (unsigned i = 0; i < messages; i++)
		append(&s->client, "INBOX", flags[i % 5], i, &data, &cap);
	fprintf(stderr, "%s: loaded %u messages in %.1f s\n", s->name, messages, bench_now() - from);
	free(data);
}

static void prepare(struct server *s, unsigned messages)
{
	char line[512];
	client_open(&s->client, s->name, s->port);
	client_login(&s->client, "user1@example.org", "pass");
	client_try(&s->client, "CREATE Drafts");
	load(s, messages);
	command(&s->client, "SELECT INBOX");
	client_open(&s->watcher, s->name, s->port);
	client_login(&s->watcher, "user1@example.org", "pass");
	command(&s->watcher, "SELECT INBOX");
	client_send(&s->watcher, "i IDLE\r\n", 8);
	do
		client_line(&s->watcher, line, sizeof(line));
	while (line[0] != '+');
}

/* The watcher idles all along; what it is told by other items is read away before it matters. */
static void drain(struct server *s)
{
	char line[512];
	client_send(&s->watcher, "DONE\r\n", 6);
	do
		client_line(&s->watcher, line, sizeof(line));
	while (line[0] != 'i');
	client_send(&s->watcher, "i IDLE\r\n", 8);
	do
		client_line(&s->watcher, line, sizeof(line));
	while (line[0] != '+');
}

static const char *compare(struct server *servers, int n, const struct item *item)
{
	struct answer a[SERVERS_MAX];
	if (n < 2 || item->run != run_command)
		return "";
	for (int i = 0; i < n; i++)
		client_digest(&servers[i].client, item->argument, &a[i]);
	if (a[0].untagged != a[1].untagged)
		return "  answers differ in number";
	return a[0].digest == a[1].digest ? "  same answers" : "  answers differ";
}

static void measure(struct server *servers, int n, const struct item *item, int rounds)
{
	double took[SERVERS_MAX][ROUNDS_MAX], ignored, m[SERVERS_MAX];
	for (int i = 0; i < n; i++) {
		drain(&servers[i]);
		item->run(&servers[i], item->argument, &ignored);
		drain(&servers[i]);
	}
	const char *same = compare(servers, n, item);
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++) {
			item->run(&servers[i], item->argument, &took[i][r]);
			drain(&servers[i]);
		}
	printf("%-16s", item->name);
	for (int i = 0; i < n; i++)
		printf(" %12.0f", 1e6 * (m[i] = median(took[i], rounds)));
	if (n == 2)
		printf(" %9.2f", m[1] / m[0]);
	printf("%s\n", same);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct server servers[SERVERS_MAX] = {0};
	int n = 0, rounds = 5;
	unsigned messages = 20000;
	const char *only = NULL;
	for (int i = 1; i < argc; i++) {
		char *colon = strchr(argv[i], ':');
		if (strcmp(argv[i], "--messages") == 0 && i + 1 < argc)
			messages = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
			rounds = (int)strtol(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			only = argv[++i];
		else if (colon && n < SERVERS_MAX) {
			*colon = '\0';
			servers[n++] = (struct server){.name = argv[i], .port = (int)strtol(colon + 1, NULL, 10)};
		} else
			bench_die("roost_bench [--messages N] [--rounds N] [--only NAME] NAME:PORT [NAME:PORT]");
	}
	if (n == 0 || rounds < 1 || rounds > ROUNDS_MAX)
		bench_die("roost_bench: a server and 1 to %d rounds are needed", ROUNDS_MAX);
	for (int i = 0; i < n; i++)
		prepare(&servers[i], messages);
	printf("%u messages, medians of %d rounds in microseconds\n%-16s", messages, rounds, "");
	for (int i = 0; i < n; i++)
		printf(" %12s", servers[i].name);
	printf(n == 2 ? "     ratio\n" : "\n");
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (!only || strcmp(only, items[i].name) == 0)
			measure(servers, n, &items[i], rounds);
	return 0;
}
