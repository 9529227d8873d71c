/*
 * Only async-signal-safe calls stand in the handler.  A record is one line, written by one write():
 *
 *	1714557600 3f2a... FETCH 11
 *	(seconds, account, the op's kind, the signal)
 */
#include "server/crash.h"

#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 65536, FATAL_N = 5, RECORDS_MAX = 10000 };

static const int fatal[FATAL_N] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static const char note_magic[16] = "roost crash not";

struct crash_handlers {
	char path[4096];
	struct sigaction before[FATAL_N];
};

/* At the foot of the alternate stack. */
struct crash_note {
	char magic[16];
	const struct crash_handlers *handlers;
	const char *volatile account;
	const char *volatile kind;
	stack_t before;
};

static size_t append(char *line, size_t at, size_t size, const char *text)
{
	while (*text && at + 1 < size)
		line[at++] = *text++;
	return at;
}

static size_t append_number(char *line, size_t at, size_t size, uint64_t n)
{
	char digits[21];
	size_t first = sizeof(digits) - 1;
	digits[first] = '\0';
	do {
		digits[--first] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return append(line, at, size, digits + first);
}

static void write_record(const struct crash_note *note, int number)
{
	char line[256];
	size_t at = append_number(line, 0, sizeof(line), (uint64_t)time(NULL));
	at = append(line, at, sizeof(line), " ");
	at = append(line, at, sizeof(line), note->account);
	at = append(line, at, sizeof(line), " ");
	for (const char *kind = note->kind; *kind && at < sizeof(line) - 16; kind++)
		line[at++] = *kind == ' ' ? '_' : *kind;
	at = append(line, at, sizeof(line), " ");
	at = append_number(line, at, sizeof(line), (uint64_t)number);
	line[at++] = '\n';
	int fd = open(note->handlers->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	ssize_t did = write(fd, line, at);
	(void)did;
	fsync(fd);
	close(fd);
}

/* Returning runs the faulty instruction again, now under the action that was there before; a signal that was sent is
 * sent again. */
static void on_fatal_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	stack_t stack;
	const struct crash_note *note = NULL;
	if (sigaltstack(NULL, &stack) == 0 && stack.ss_size == STACK_BYTES && stack.ss_sp &&
	    memcmp(stack.ss_sp, note_magic, sizeof(note_magic)) == 0)
		note = stack.ss_sp;
	if (note && note->account && note->kind)
		write_record(note, number);
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (size_t i = 0; i < FATAL_N; i++)
		if (note && fatal[i] == number)
			action = note->handlers->before[i];
	sigaction(number, &action, NULL);
	if (info->si_code <= 0)
		raise(number);
}

struct crash_handlers *crash_handlers_install(const char *path)
{
	struct crash_handlers *handlers = xcalloc(1, sizeof(*handlers));
	snprintf(handlers->path, sizeof(handlers->path), "%s", path);
	struct sigaction action = {.sa_sigaction = on_fatal_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	for (size_t i = 0; i < FATAL_N; i++)
		invariant(sigaction(fatal[i], &action, &handlers->before[i]) == 0);
	return handlers;
}

void crash_handlers_remove(struct crash_handlers *handlers)
{
	if (!handlers)
		return;
	for (size_t i = 0; i < FATAL_N; i++)
		sigaction(fatal[i], &handlers->before[i], NULL);
	free(handlers);
}

struct crash_note *crash_note_open(struct crash_handlers *handlers)
{
	if (!handlers)
		return NULL;
	struct crash_note *note =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	invariant(note != MAP_FAILED);
	memcpy(note->magic, note_magic, sizeof(note_magic));
	note->handlers = handlers;
	/* Stacks grow down: the note at the lowest address is out of a short handler's way. */
	stack_t stack = {.ss_sp = note, .ss_size = STACK_BYTES};
	invariant(sigaltstack(&stack, &note->before) == 0);
	return note;
}

void crash_note_close(struct crash_note *note)
{
	if (!note)
		return;
	sigaltstack(&note->before, NULL);
	munmap(note, STACK_BYTES);
}

void crash_note_set(struct crash_note *note, const char *account, const char *kind)
{
	if (!note)
		return;
	note->account = account;
	note->kind = kind;
}

/* --- After the restart. --- */

struct record {
	int64_t at_s;
	char account[40];
};

struct held {
	struct record *list; /* `at_s`: of the last crash */
	size_t n;
};

static size_t read_records(FILE *f, struct record *records)
{
	char line[256];
	size_t n = 0;
	while (fgets(line, sizeof(line), f)) {
		struct record r;
		long long at;
		if (sscanf(line, "%lld %39s", &at, r.account) != 2)
			continue;
		r.at_s = at;
		records[n++ % RECORDS_MAX] = r; /* the newest are kept */
	}
	return n < RECORDS_MAX ? n : RECORDS_MAX;
}

static void hold(struct held *held, const struct record *r)
{
	for (size_t i = 0; i < held->n; i++) {
		if (strcmp(held->list[i].account, r->account) != 0)
			continue;
		if (held->list[i].at_s < r->at_s)
			held->list[i].at_s = r->at_s;
		return;
	}
	held->list[held->n++] = *r;
}

struct held *held_open(const char *path, int64_t now_s)
{
	struct held *held = xcalloc(1, sizeof(*held));
	FILE *f = fopen(path, "r");
	if (!f)
		return held;
	struct record *records = xcalloc(RECORDS_MAX, sizeof(*records));
	size_t n = read_records(f, records);
	fclose(f);
	held->list = xcalloc(n, sizeof(*held->list));
	for (size_t i = 0; i < n; i++) {
		size_t near = 0;
		for (size_t j = 0; j < n; j++)
			near += strcmp(records[j].account, records[i].account) == 0 && records[j].at_s <= records[i].at_s &&
				records[j].at_s > records[i].at_s - CRASHES_WITHIN_S;
		if (near >= CRASHES_HELD && records[i].at_s + CRASH_HOLD_S > now_s)
			hold(held, &records[i]);
	}
	free(records);
	for (size_t i = 0; i < held->n; i++)
		log_event(LOG_ERROR, "account_held", log_text("account", held->list[i].account), log_text("records", path),
			  log_number("for_s", held->list[i].at_s + CRASH_HOLD_S - now_s));
	return held;
}

void held_close(struct held *held)
{
	if (!held)
		return;
	free(held->list);
	free(held);
}

bool held_has(const struct held *held, const char *account, int64_t now_s)
{
	for (size_t i = 0; i < held->n; i++)
		if (strcmp(held->list[i].account, account) == 0 && held->list[i].at_s + CRASH_HOLD_S > now_s)
			return true;
	return false;
}
