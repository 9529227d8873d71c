/*
 * The process dies at each named point, at its first, second and third passing.  A child does the workload and ends
 * itself there as kill -9 would; it tells the parent of every step that it could have acknowledged.  The parent then
 * opens the store: everything acknowledged is there, the interrupted step is there as a whole or not at all, modseqs did
 * not run backwards, the check is clean, and work goes on to the end.
 *
 * ROOST_CRASH_POINT=name:N runs one of them alone.
 */
#include "tests/crash/workload.h"
#include "tests/unit/scratch_dir.h"

#include <sys/wait.h>

enum { PASSINGS = 3, KILLED = 137 };

struct ack {
	unsigned state; /* steps done */
	uint64_t modseq;
};

struct crash {
	enum store_point at;
	unsigned passing; /* 0: never */
	unsigned passed[STORE_POINTS];
	const struct db_image *image;
};

static int on_point(void *ctx, enum store_point point)
{
	struct crash *c = ctx;
	if (++c->passed[point] == c->passing && point == c->at)
		_exit(KILLED);
	return 0;
}

/* A clock that goes on by itself, so that retention ends and UIDVALIDITYs differ. */
static int64_t now_s(void *ctx)
{
	(void)ctx;
	static int64_t now = 1000000000;
	return ++now;
}

static struct store_env make_env(struct crash *c)
{
	return (struct store_env){.now_s = now_s, .point = on_point, .ctx = c, .boot_id = 7, .wal_bytes_max = 300000,
				  .account_image = c->image};
}

static void work(const char *dir, struct crash *c, int fd)
{
	struct store_env env = make_env(c);
	struct workload w = {.env = &env, .dir = dir};
	bool commit;
	if (workload_open(&w) != STORE_OK)
		_exit(1);
	for (unsigned i = 0; i < workload_steps(); i++) {
		struct ack ack = {.state = i, .modseq = w.account->modseq};
		if (write(fd, &ack, sizeof(ack)) != sizeof(ack) || workload_run(&w, i, &commit) != STORE_OK)
			_exit(1);
	}
	workload_close(&w);
	_exit(0);
}

/* Runs the child; returns its exit status and what it acknowledged last. */
static int run_child(const char *dir, struct crash *c, struct ack *last)
{
	int fds[2], status = 0;
	struct ack ack;
	*last = (struct ack){0};
	if (pipe(fds) != 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		work(dir, c, fds[1]);
	}
	close(fds[1]);
	while (read(fds[0], &ack, sizeof(ack)) == sizeof(ack))
		*last = ack;
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

static bool recover(const char *dir, const struct ack *last)
{
	struct crash none = {0};
	struct store_env env = make_env(&none);
	struct workload w = {.env = &env, .dir = dir};
	bool commit;
	if (workload_open(&w) != STORE_OK) {
		fprintf(stderr, "cannot be opened\n");
		return false;
	}
	int state = workload_match(&w, last->state, last->state + 1);
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

/* 1: died there and recovered; 0: the workload does not pass the point so often; -1: failed. */
static int try(enum store_point point, unsigned passing, const struct db_image *image)
{
	struct scratch_dir dir;
	struct crash crash = {.at = point, .passing = passing, .image = image};
	struct ack last;
	scratch_dir_create(&dir);
	int status = run_child(dir.path, &crash, &last), result = -1;
	if (status == KILLED)
		result = recover(dir.path, &last) ? 1 : -1;
	else if (status == 0)
		result = 0;
	if (result < 0)
		fprintf(stderr, "FAILED: ROOST_CRASH_POINT=%s:%u, in step %u (%s)\n", store_point_name(point), passing,
			last.state, workload_step_name(last.state));
	scratch_dir_destroy(&dir);
	return result;
}

int main(void)
{
	const char *one = getenv("ROOST_CRASH_POINT"), *colon = one ? strchr(one, ':') : NULL;
	unsigned done = 0, failed = 0;
	struct db_image image;
	if (account_image_make(&image) != STORE_OK)
		return 1;
	for (enum store_point point = 0; point < STORE_POINTS; point++) {
		for (unsigned passing = 1; passing <= PASSINGS; passing++) {
			const char *name = store_point_name(point);
			if (colon && (strncmp(one, name, (size_t)(colon - one)) != 0 || name[colon - one] ||
				      (unsigned)atol(colon + 1) != passing))
				continue;
			int result = try(point, passing, &image);
			/* Each point must be passed, or nothing was tested. */
			if (result == 0 && passing == 1)
				fprintf(stderr, "FAILED: the workload does not pass %s\n", name);
			failed += result < 0 || (result == 0 && passing == 1);
			done += result > 0;
		}
	}
	db_image_finish(&image);
	printf("%u deaths at %u points, %u failures\n", done, STORE_POINTS, failed);
	return failed || !done ? 1 : 0;
}
