#include "server/runner.h"

#include "protocol/base.h"
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <utlist.h>
#include <uv.h>

enum { WAITING_MAX = 1000, RUN_MS = 60000, LOOK_MS = 50 };

struct run {
	struct run *next;
	char *arguments[RUNNER_ARGUMENTS_MAX + 1]; /* behind the program's own name; NULL ends them */
};

struct runner {
	const char *path;
	uv_thread_t thread;
	uv_mutex_t mutex;
	uv_cond_t work;
	struct run *waiting;
	size_t waiting_n;
	bool stopping;
};

static void run_destroy(struct run *run)
{
	for (size_t i = 0; i < countof(run->arguments); i++)
		free(run->arguments[i]);
	free(run);
}

/* Zero, or errno.  The daemon ignores SIGPIPE and handles others: the program does neither. */
static int start(const struct runner *r, const struct run *run, pid_t *out)
{
	char *argv[RUNNER_ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)r->path};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	for (size_t i = 0; run->arguments[i]; i++)
		argv[i + 1] = run->arguments[i];
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	int err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (!err)
		err = posix_spawn(out, r->path, &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static bool is_stopping(struct runner *r)
{
	uv_mutex_lock(&r->mutex);
	bool stopping = r->stopping;
	uv_mutex_unlock(&r->mutex);
	return stopping;
}

/* Waits for its end, or makes one. */
static int await(struct runner *r, pid_t pid)
{
	int status = 0;
	uint64_t until_ms = uv_hrtime() / 1000000 + RUN_MS;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (uv_hrtime() / 1000000 >= until_ms || is_stopping(r)) {
			kill(-pid, SIGKILL);
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			break;
		}
		uv_sleep(LOOK_MS);
	}
	return status;
}

static void do_one(struct runner *r, const struct run *run)
{
	pid_t pid;
	int err = start(r, run, &pid), status = err ? 0 : await(r, pid);
	if (err)
		log_event(LOG_ERROR, "command_failed", log_text("path", r->path), log_text("error", strerror(err)));
	else if (!WIFEXITED(status) || WEXITSTATUS(status))
		log_event(LOG_WARNING, "command_failed", log_text("path", r->path),
			  log_number(WIFEXITED(status) ? "status" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)));
}

static void run_all(void *arg)
{
	struct runner *r = arg;
	uv_mutex_lock(&r->mutex);
	while (!r->stopping) {
		struct run *run = r->waiting;
		if (!run) {
			uv_cond_wait(&r->work, &r->mutex);
			continue;
		}
		LL_DELETE(r->waiting, run);
		r->waiting_n--;
		uv_mutex_unlock(&r->mutex);
		do_one(r, run);
		run_destroy(run);
		uv_mutex_lock(&r->mutex);
	}
	uv_mutex_unlock(&r->mutex);
}

struct runner *runner_create(const char *path)
{
	struct runner *r = xcalloc(1, sizeof(*r));
	r->path = path;
	invariant(uv_mutex_init(&r->mutex) == 0 && uv_cond_init(&r->work) == 0);
	invariant(uv_thread_create(&r->thread, run_all, r) == 0);
	return r;
}

void runner_destroy(struct runner *r)
{
	if (!r)
		return;
	uv_mutex_lock(&r->mutex);
	r->stopping = true;
	uv_cond_signal(&r->work);
	uv_mutex_unlock(&r->mutex);
	uv_thread_join(&r->thread);
	while (r->waiting) {
		struct run *run = r->waiting;
		LL_DELETE(r->waiting, run);
		run_destroy(run);
	}
	uv_cond_destroy(&r->work);
	uv_mutex_destroy(&r->mutex);
	free(r);
}

void runner_run(struct runner *r, const char *const arguments[RUNNER_ARGUMENTS_MAX])
{
	struct run *run = xcalloc(1, sizeof(*run));
	for (size_t i = 0; i < RUNNER_ARGUMENTS_MAX && arguments[i]; i++) {
		run->arguments[i] = strdup(arguments[i]);
		invariant(run->arguments[i]);
	}
	uv_mutex_lock(&r->mutex);
	bool room = r->waiting_n < WAITING_MAX;
	if (room) {
		LL_APPEND(r->waiting, run);
		r->waiting_n++;
		uv_cond_signal(&r->work);
	}
	uv_mutex_unlock(&r->mutex);
	if (room)
		return;
	log_event(LOG_ERROR, "command_failed", log_text("path", r->path), log_text("error", "too many wait for it"));
	run_destroy(run);
}
