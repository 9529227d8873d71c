/*
 * The model test: clients on one account, commands and their order by chance, against plain arrays.
 *
 *	sim --seed N [--level L] [--verbose]  one seed, with its trace if asked for; the level (sim.h) is all that there is
 *	sim --seeds N [--from M] [--level L]  N seeds from M (1) on
 *	sim --list FILE                       the seeds of a file: a name, a number and a level a line
 *
 * The server's side is the real one down to connections, loops and threads (wire.h); ops run one turn at a time when
 * the simulation says so.  A seed always does the same.
 */
#include "tests/model/sim.h"

#include "protocol/imap/lexer.h"
#include "server/accounts.h"
#include "server/lane.h"
#include "server/session.h"
#include "server/worker.h"
#include "tests/model/upheaval.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS = 8000, SYNC_EVERY = 800, UPHEAVAL_EVERY = 300 };

uint32_t sim_below(struct sim *s, uint32_t n)
{
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((s->random >> 33) % n);
}

bool sim_once(struct sim *s, uint32_t n)
{
	return sim_below(s, n) == 0;
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
	char *line = s->trace[s->traced++ % TRACE_LINES];
	va_list args;
	va_start(args, fmt);
	vsnprintf(line, TRACE_BYTES, fmt, args);
	va_end(args);
	if (s->verbose)
		printf("%s\n", line);
}

static void print_trace(const struct sim *s)
{
	unsigned first = s->traced > TRACE_LINES ? s->traced - TRACE_LINES : 0;
	for (unsigned i = first; !s->verbose && i < s->traced; i++)
		printf("%s\n", s->trace[i % TRACE_LINES]);
	printf("seed %llu level %d\n", (unsigned long long)s->seed, s->level);
	fflush(stdout);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_store(struct sim *s)
{
	nftw(s->store, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
	print_trace(s);
	va_list args;
	va_start(args, fmt);
	printf("FAILED: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	remove_store(s);
	_exit(1);
}

/* ---- what happens when an op runs ---- */

static struct client *client_of(struct sim *s, const struct command *cmd)
{
	for (int i = 0; i < s->clients_n; i++) {
		struct client *c = &s->clients[i];
		if (c->connected && conn_is_open(&c->wire->conn) && session_command(c->wire->conn.session) == cmd)
			return c;
	}
	return NULL;
}

static void note_sizes(struct sim *s)
{
	for (int b = 0; b < BOXES; b++) {
		const struct box *box = &s->oracle.boxes[b];
		for (uint32_t i = 0; i < box->n; i++) {
			invariant(box->v[i].uid < SIZES_MAX);
			s->sizes[b][box->v[i].uid] = box->v[i].size;
		}
	}
}

/* What the client has removed and added by this op. */
static void note_own(struct sim *s, struct client *c, const struct oracle *before, const struct oracle *after)
{
	for (uint32_t i = 0; c->deed.box >= 0 && i < before->boxes[c->deed.box].n; i++) {
		uint32_t uid = before->boxes[c->deed.box].v[i].uid;
		if (!box_find(&after->boxes[c->deed.box], uid))
			uid_list_add(&c->removed, uid);
	}
	for (uint32_t i = 0; c->deed.to >= 0 && i < c->deed.new_n; i++)
		s->brought_by[c->deed.to][c->deed.first_new + i] = 1 + c->index;
}

static void take_shot(struct sim *s, struct client *c)
{
	c->exact = c->began_epoch == s->epoch;
	c->has_shot = true;
	for (int b = 0; b < BOXES; b++)
		box_copy(&c->shot.boxes[b], &s->oracle.boxes[b]);
}

static enum op_result on_op(void *ctx, struct command *cmd, struct account *account,
			    enum op_result (*run)(struct op *op, struct account *account))
{
	struct sim *s = ctx;
	struct client *c = client_of(s, cmd);
	struct oracle before = {0}, after = {0};
	if (cmd->is_update) /* nobody's command; what a client may have begun to send is another */
		c = NULL;
	oracle_read(&before, account);
	if (s->epoch && !oracle_equal(&before, &s->oracle))
		sim_fail(s, "the store changed by itself");
	if (c && !c->began)
		c->began_epoch = s->epoch;
	if (c)
		c->began = true;
	enum op_result result = run(&cmd->op, account);
	oracle_read(&after, account);
	sim_trace(s, "%d op %s: %s", c ? c->index : -1, cmd->op.kind,
		  result == OP_DONE ? (cmd->more ? "more" : "done") : result == OP_AGAIN ? "again" : "failed");
	bool changed = !oracle_equal(&before, &after);
	if (result == OP_FAILED) { /* its changes are taken back */
		oracle_finish(&after);
		after = before;
		before = (struct oracle){0};
	} else if (c) {
		/* One that is put together has many ops; compose_end() says whether all was done. */
		bool publishes = c->kind != KIND_APPEND || (!cmd->unread && !c->composes);
		const char *wrong = oracle_explain(&c->deed, &before, &after, result == OP_DONE && !cmd->more && publishes);
		if (wrong)
			sim_fail(s, "%d: %s", c->index, wrong);
		if (c->composes && c->deed.new_n && cmd->status.word != STATUS_OK)
			sim_fail(s, "%d: refused, and done", c->index);
	} else if (changed) {
		sim_fail(s, "nobody's command changed the store");
	}
	if (c && c->kind == KIND_NOTIFY)
		c->notified.next_overflows = cmd->out.len && memmem(cmd->out.data, cmd->out.len, "[NOTIFICATIONOVERFLOW]", 22);
	if (c && result != OP_FAILED)
		note_own(s, c, &before, &after);
	if (!s->epoch || cmd->op.writes)
		notified_read_names(&s->names, account);
	for (int b = 0; b < BOXES && result != OP_FAILED; b++)
		if (!oracle_equal_box(&before.boxes[b], &after.boxes[b]))
			s->messages_modseq[b] = after.boxes[b].modseq;
	oracle_finish(&before);
	oracle_finish(&s->oracle);
	s->oracle = after;
	if (result == OP_DONE)
		notified_read_values(s, c, account);
	note_sizes(s);
	/* What the op did itself does not make it inexact; what others do until its last slice does. */
	s->epoch += (changed && result != OP_FAILED) || !s->epoch;
	if (c && changed && c->began_epoch + 1 == s->epoch)
		c->began_epoch = s->epoch;
	if (c && result == OP_DONE && !cmd->more)
		take_shot(s, c);
	return result;
}

/* ---- steps ---- */

static void close_if_ended(struct client *c)
{
	if (!c->connected || conn_is_open(&c->wire->conn))
		return;
	if (c->kind != KIND_LOGOUT && c->kind != KIND_NONE)
		sim_fail(c->sim, "%d: the server closed the connection", c->index);
	if (c->wire->conn.state == CONN_CLOSED)
		client_cut(c);
}

static bool send_some(struct client *c, bool all)
{
	struct buf *b = &c->segments[0];
	if (!c->connected || c->segments_n == 0 || b->len == 0 || !wire_reads(c->wire))
		return false;
	uint32_t n = (uint32_t)b->len;
	if (!all && sim_once(c->sim, 2))
		n = 1 + sim_below(c->sim, sim_once(c->sim, 2) ? n : (n < 10 ? n : 10));
	sim_trace(c->sim, "%d C: %.*s", c->index, (int)(n < 150 ? n : 150), b->data);
	char *bytes = xmalloc(n);
	memcpy(bytes, b->data, n);
	buf_drop(b, n);
	if (b->len == 0 && c->segments_n == 1)
		c->segments_n = 0;
	wire_read(c->wire, span_make(bytes, n));
	free(bytes);
	return true;
}

static bool drain_some(struct client *c, bool all)
{
	if (!c->connected || c->wire->out.len == 0)
		return false;
	size_t max = all ? SIZE_MAX : sim_once(c->sim, 2) ? 1 + sim_below(c->sim, 40) : SIZE_MAX;
	wire_drain(c->wire, max, &c->received);
	client_take(c);
	return true;
}

static void step_client(struct sim *s, struct client *c)
{
	if (!c->connected) {
		client_connect(c);
	} else if (sim_once(s, (c->dialect & DIALECT_QRESYNC) ? 200 : 600)) {
		client_cut(c);
	} else if (send_some(c, false)) {
		;
	} else if (c->kind == KIND_NONE) {
		client_choose(c);
	} else if (c->idling && sim_once(s, 12)) {
		client_done(c);
	}
	close_if_ended(c);
}

static void step(struct sim *s)
{
	if (s->level >= LEVEL_SYNC && sim_once(s, UPHEAVAL_EVERY))
		upheaval(s);
	struct client *c = &s->clients[sim_below(s, (uint32_t)s->clients_n)];
	uint32_t chance = sim_below(s, s->weights[0] + s->weights[1] + s->weights[2] + s->weights[3]);
	if (chance < s->weights[0]) {
		step_client(s, c);
	} else if ((chance -= s->weights[0]) < s->weights[1]) {
		workers_run_one(s->server.workers);
	} else if ((chance -= s->weights[1]) < s->weights[2]) {
		wire_turn(&s->loops[sim_below(s, LOOPS)]);
	} else {
		if (sim_once(s, (uint32_t)c->pace))
			drain_some(c, false);
		close_if_ended(c);
	}
}

/* Until nothing is left to do but what clients may still want. */
static void settle(struct sim *s)
{
	bool busy = true;
	while (busy) {
		busy = workers_run_one(s->server.workers);
		for (int i = 0; i < LOOPS; i++)
			busy |= wire_turn(&s->loops[i]);
		for (int i = 0; i < s->clients_n; i++) {
			busy |= send_some(&s->clients[i], true);
			busy |= drain_some(&s->clients[i], true);
			close_if_ended(&s->clients[i]);
		}
	}
}

/* RFC 5465 5.2: what others have added, and the client was told of, was fetched for it. */
static void check_fetched(struct client *c)
{
	const struct box *b = &c->sim->oracle.boxes[c->box];
	for (uint32_t i = 0; i < c->n && c->n == b->n && !(c->dialect & DIALECT_UIDONLY); i++)
		if (c->v[i].due && !c->v[i].uid && c->sim->brought_by[c->box][b->v[i].uid] != 1 + c->index)
			sim_fail(c->sim, "%d: UID %u was not fetched for it", c->index, b->v[i].uid);
}

/* With no timer anywhere, who idles has been told everything; who does not is after one NOOP. */
static void check_sync(struct sim *s)
{
	settle(s);
	for (int i = 0; i < s->clients_n; i++) {
		struct client *c = &s->clients[i];
		bool told = c->idling || notified_at_once(c);
		if (c->connected && told && c->box >= 0)
			client_compare(c, &s->oracle.boxes[c->box], false, "in quiet");
		if (c->connected)
			notified_check(c);
		if (c->connected && notified_of_selected(c) && c->box >= 0)
			check_fetched(c);
		if (!c->connected || c->idling)
			continue;
		if (c->kind != KIND_NONE)
			sim_fail(s, "%d: no answer came", c->index);
		client_sync(c);
		settle(s);
		if (c->kind != KIND_NONE)
			sim_fail(s, "%d: NOOP was not answered", c->index);
		if (c->box >= 0)
			client_compare(c, &s->oracle.boxes[c->box], true, "in sync");
		notified_check_metadata(c);
	}
}

/* ---- a seed ---- */

static void open_sim(struct sim *s)
{
	snprintf(s->store, sizeof(s->store), "%s/roost-model-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(s->store))
		abort();
	s->random = s->seed * 0x9e3779b97f4a7c15u;
	sim_below(s, 2);
	wire_seed_clock(s->seed);
	wire_watch_ops(on_op, s);
	s->next_size = 100;
	for (size_t i = 0; i < countof(s->weights); i++)
		s->weights[i] = 1 + sim_below(s, 8);
	s->server.config = (struct config){.store = s->store, .hostname = "model", .retention_days = 1,
					   .message_bytes_max = 1000000};
	s->server.loops = s->loops;
	for (unsigned i = 0; i < LOOPS; i++) {
		s->loops[i] = (struct loop){.index = i, .server = &s->server};
		s->loops[i].inbox_end = &s->loops[i].inbox;
	}
	s->server.workers = workers_create(0, NULL);
	s->server.accounts = accounts_create(&s->server.config, s->server.workers, s->loops);
	invariant(s->server.accounts);
	s->lane = accounts_acquire(s->server.accounts, "account");
	s->clients_n = 2 + (int)sim_below(s, CLIENTS_MAX - 1);
	for (int i = 0; i < s->clients_n; i++)
		client_init(&s->clients[i], s, i);
}

static void close_sim(struct sim *s)
{
	for (int i = 0; i < s->clients_n; i++) {
		if (s->clients[i].connected)
			client_cut(&s->clients[i]);
		client_finish(&s->clients[i]);
	}
	settle(s);
	accounts_release(s->lane);
	accounts_stop(s->server.accounts);
	workers_stop(s->server.workers);
	accounts_destroy(s->server.accounts);
	workers_destroy(s->server.workers);
	oracle_finish(&s->oracle);
	remove_store(s);
}

static struct sim *running; /* for the handler alone */

static void on_abort(int signal)
{
	(void)signal;
	print_trace(running);
	_exit(134);
}

static void run_seed(uint64_t seed, enum level level, bool verbose)
{
	struct sim *s = xcalloc(1, sizeof(*s));
	running = s;
	s->seed = seed;
	s->level = level;
	s->verbose = verbose;
	open_sim(s);
	for (int i = 1; i <= STEPS; i++) {
		step(s);
		if (i % SYNC_EVERY == 0 && sim_once(s, 2))
			check_sync(s);
	}
	check_sync(s);
	close_sim(s);
	running = NULL;
	free(s);
}

static int run_list(const char *path)
{
	char line[300], name[200];
	unsigned long long seed;
	unsigned level;
	FILE *f = fopen(path, "r");
	if (!f)
		return 2;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%199s %llu %u", name, &seed, &level) != 3 || level > LEVEL_ALL) {
			fprintf(stderr, "%s: not to be understood: %s", path, line);
			return 2;
		}
		printf("%s (seed %llu level %u)\n", name, seed, level);
		run_seed(seed, (enum level)level, false);
	}
	fclose(f);
	return 0;
}

static const char *option(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return NULL;
}

static bool has(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *seed = option(argc, argv, "--seed"), *seeds = option(argc, argv, "--seeds");
	const char *from = option(argc, argv, "--from"), *list = option(argc, argv, "--list");
	const char *wanted = option(argc, argv, "--level");
	bool verbose = has(argc, argv, "--verbose");
	unsigned long level = wanted ? strtoul(wanted, NULL, 10) : LEVEL_ALL;
	signal(SIGABRT, on_abort);
	if (list)
		return run_list(list);
	if ((!seed && !seeds) || level > LEVEL_ALL) {
		fprintf(stderr, "sim --seed N [--level L] [--verbose] | --seeds N [--from M] [--level L] | --list FILE\n");
		return 2;
	}
	uint64_t first = strtoull(seed ? seed : from ? from : "1", NULL, 10);
	uint64_t n = seed ? 1 : strtoull(seeds, NULL, 10);
	for (uint64_t i = first; i < first + n; i++)
		run_seed(i, (enum level)level, verbose);
	printf("%llu seeds passed\n", (unsigned long long)n);
	return 0;
}
