/*
 * A whole session: the input is what a client sends, logged in or not, cut into pieces, with a reader as slow as the first
 * octets say.  Everything above the connection is the real thing, down to the database (tests/model/wire.h has the doubles).
 * Whatever is sent, nothing breaks, and while the connection lasts the session goes on reading once its answers are taken.
 */
#include "tests/fuzz/fuzz.h"

#include "server/accounts.h"
#include "server/session.h"
#include "server/worker.h"
#include "tests/model/wire.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUTS_A_STORE = 500, OPTIONS = 3, DRAIN_MAX = 1 << 24 };

/* One server for some hundred inputs, so that no store grows without end. */
static struct {
	char store[64];
	struct server server;
	struct loop loop;
	unsigned inputs;
} fuzz;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void close_server(void)
{
	accounts_stop(fuzz.server.accounts);
	workers_stop(fuzz.server.workers);
	accounts_destroy(fuzz.server.accounts);
	workers_destroy(fuzz.server.workers);
	nftw(fuzz.store, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void open_server(void)
{
	if (!fuzz.inputs)
		atexit(close_server);
	snprintf(fuzz.store, sizeof(fuzz.store), "%s/roost-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	invariant(mkdtemp(fuzz.store));
	wire_seed_clock(1);
	fuzz.server.config = (struct config){.store = fuzz.store, .hostname = "fuzz", .retention_days = 1,
					     .message_bytes_max = 100000};
	fuzz.server.loops = &fuzz.loop;
	fuzz.loop.server = &fuzz.server;
	fuzz.loop.inbox_end = &fuzz.loop.inbox;
	fuzz.server.workers = workers_create(0, NULL);
	fuzz.server.accounts = accounts_create(&fuzz.server.config, fuzz.server.workers, &fuzz.loop);
	invariant(fuzz.server.accounts);
}

/* Until the session waits for its client. */
static void settle(struct wire *w, struct buf *answers)
{
	bool busy = true;
	while (busy) {
		busy = workers_run_one(fuzz.server.workers);
		if (w->conn.state == CONN_OPEN || w->conn.state == CONN_ENDING)
			busy |= wire_drain(w, SIZE_MAX, answers) != 0;
		if (w->conn.state != CONN_CLOSED) /* its last letter frees it */
			busy |= wire_turn(&fuzz.loop);
		if (answers->len > DRAIN_MAX)
			buf_reset(answers);
	}
	invariant(w->conn.state != CONN_OPEN || wire_reads(w));
}

static void feed(struct wire *w, struct span bytes, size_t cut, struct buf *answers)
{
	while (bytes.len && w->conn.state == CONN_OPEN) {
		struct span piece = span_make(bytes.ptr, bytes.len < cut ? bytes.len : cut);
		wire_read(w, piece);
		bytes = span_after(bytes, piece.len);
		settle(w, answers);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t windows[] = {1, 100, 5000, OUT_HIGH};
	struct buf answers;
	if (size < OPTIONS)
		return 0;
	if (fuzz.inputs && fuzz.inputs % INPUTS_A_STORE == 0)
		close_server();
	if (fuzz.inputs % INPUTS_A_STORE == 0)
		open_server();
	fuzz.inputs++;
	buf_init(&answers, SIZE_MAX);
	struct wire *w = wire_open(&fuzz.loop, windows[data[0] % 4]);
	if (data[1] % 8)
		session_log_in(w->conn.session, &(struct auth_result){.account = "account", .address = "user@example.org"});
	feed(w, span_make((const char *)data + OPTIONS, size - OPTIONS), data[2] ? data[2] : SIZE_MAX, &answers);
	/* Out of whatever it is in: a line, an exchange, a short literal. */
	for (int i = 0; i < 5; i++)
		feed(w, span_of("\r\nDONE\r\n*\r\nx NOOP\r\n"), SIZE_MAX, &answers);
	conn_close(&w->conn);
	while (wire_turn(&fuzz.loop) || workers_run_one(fuzz.server.workers))
		;
	buf_finish(&answers);
	return 0;
}
