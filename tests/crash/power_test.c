/*
 * The power goes at the Nth write, sync, truncation or deletion that SQLite makes: what was not synced is on disk in any
 * part or not at all (shim_vfs.h).  Every message, name and user that was acknowledged is there all the same; flag
 * changes and expunges may be lost, as a whole and in order; and the clock has jumped past whatever was told.
 *
 * POWER_STRIDE=1 tries every call instead of each 5th; POWER_AT=N:SEED one of them.
 */
#include "tests/crash/shim_vfs.h"
#include "tests/crash/workload.h"
#include "tests/unit/scratch_dir.h"

#include <sys/wait.h>

enum { CUT = 137, STRIDE = 5 };

struct ack {
	unsigned state, durable;
	uint64_t modseq;
};

struct power {
	const char *dir;
	unsigned at, calls; /* cut at this call, from 1 */
	uint64_t seed;
};

static int64_t now_s(void *ctx)
{
	(void)ctx;
	static int64_t now = 1000000000;
	return ++now;
}

static int on_call(void *ctx, enum shim_call call, int *out_full)
{
	struct power *p = ctx;
	(void)call, (void)out_full;
	if (++p->calls == p->at) {
		shim_cut_power(p->seed);
		_exit(CUT);
	}
	return 0;
}

static struct store_env make_env(struct power *p, uint64_t boot_id)
{
	return (struct store_env){.now_s = now_s, .ctx = p, .boot_id = boot_id, .wal_bytes_max = 300000};
}

static void work(struct power *p, int fd)
{
	struct store_env env = make_env(p, 7);
	struct workload w = {.env = &env, .dir = p->dir};
	struct ack ack = {0};
	bool commit;
	env.vfs = SHIM_NAME;
	shim_start(on_call, p);
	if (workload_open(&w) != STORE_OK)
		_exit(1);
	for (unsigned i = 0; i < workload_steps(); i++) {
		if (workload_run(&w, i, &commit) != STORE_OK)
			_exit(1);
		ack.state = i + 1;
		ack.durable = workload_step_is_durable(i) ? i + 1 : ack.durable;
		ack.modseq = w.account->modseq;
		if (write(fd, &ack, sizeof(ack)) != sizeof(ack))
			_exit(1);
	}
	workload_close(&w);
	_exit(0);
}

static int run_child(struct power *p, struct ack *last)
{
	int fds[2], status = 0;
	struct ack ack;
	*last = (struct ack){0};
	if (pipe(fds) != 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		work(p, fds[1]);
	}
	close(fds[1]);
	while (read(fds[0], &ack, sizeof(ack)) == sizeof(ack))
		*last = ack;
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

static bool recover(struct power *p, const struct ack *last)
{
	struct store_env env = make_env(p, 8);
	struct workload w = {.env = &env, .dir = p->dir};
	bool commit;
	enum store_err err = workload_open(&w);
	if (err) {
		fprintf(stderr, "cannot be opened: %d\n", err);
		return false;
	}
	int state = workload_match(&w, last->durable, last->state + 1);
	bool ok = state >= 0 && workload_check(&w);
	if (ok && w.account->modseq < last->modseq) {
		fprintf(stderr, "modseq ran backwards\n");
		ok = false;
	}
	for (unsigned i = (unsigned)state; ok && i < workload_steps(); i++)
		ok = workload_run(&w, i, &commit) == STORE_OK;
	ok = ok && workload_match(&w, workload_steps(), workload_steps()) >= 0 && workload_check(&w);
	workload_close(&w);
	return ok;
}

/* 1: cut and recovered; 0: there are not so many calls; -1: failed. */
static int try(unsigned at, uint64_t seed)
{
	struct scratch_dir dir;
	struct ack last;
	scratch_dir_create(&dir);
	struct power p = {.dir = dir.path, .at = at, .seed = seed};
	int status = run_child(&p, &last), result = status == 0 ? 0 : -1;
	if (status == CUT)
		result = recover(&p, &last) ? 1 : -1;
	if (result < 0)
		fprintf(stderr, "FAILED: POWER_AT=%u:%llu, in step %u (%s)\n", at, (unsigned long long)seed, last.state,
			workload_step_name(last.state));
	scratch_dir_destroy(&dir);
	return result;
}

int main(void)
{
	const char *one = getenv("POWER_AT"), *stride = getenv("POWER_STRIDE"), *colon = one ? strchr(one, ':') : NULL;
	unsigned step = stride ? (unsigned)atol(stride) : STRIDE, done = 0, failed = 0;
	if (colon)
		return try((unsigned)atol(one), (uint64_t)atoll(colon + 1)) < 0;
	for (unsigned at = 1;; at += step ? step : 1) {
		/* Nothing of what was not synced, or any part of it. */
		int result = try(at, at % 3 ? at * 2654435761u : 0);
		if (result == 0)
			break;
		failed += result < 0;
		done++;
	}
	printf("%u power cuts, %u failures\n", done, failed);
	return failed || !done ? 1 : 0;
}
