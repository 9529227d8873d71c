#include "server/converter.h"

#include "protocol/base.h"
#include "server/confine.h"
#include "server/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { LOOK_MS = 5, LOW_PRIORITY = 10, COMMAND_MAX = 1024 };

/* --- which --- */

static bool ends_in(struct span name, const char *suffix)
{
	size_t len = strlen(suffix);
	return len && name.len > len && span_is(span_after(name, name.len - len), suffix);
}

const struct convert_config *converter_find(const struct config *c, struct span type, struct span name)
{
	for (size_t i = 0; i < c->converts_n; i++)
		if (span_is(type, c->converts[i].type))
			return &c->converts[i];
	/* Many programs that send mail know no better. */
	for (size_t i = 0; i < c->converts_n && span_is(type, "application/octet-stream"); i++)
		if (ends_in(name, c->converts[i].suffix))
			return &c->converts[i];
	return NULL;
}

/* FNV-1a, with the NUL behind each text. */
static uint64_t mix(uint64_t sum, const char *text)
{
	do
		sum = (sum ^ (unsigned char)*text) * 0x100000001b3u;
	while (*text++);
	return sum;
}

int64_t converters_sum(const struct config *c)
{
	uint64_t sum = 0xcbf29ce484222325u;
	for (size_t i = 0; i < c->converts_n; i++)
		sum = mix(mix(mix(sum, c->converts[i].type), c->converts[i].suffix), c->converts[i].command);
	return (int64_t)(sum >> 1 | 1);
}

/* The words of a command, in `copy`, NULL behind them; how many there are. */
static size_t split(const char *command, char copy[COMMAND_MAX], char *words[CONVERTER_WORDS_MAX + 1])
{
	size_t n = 0;
	char *rest = copy;
	snprintf(copy, COMMAND_MAX, "%s", command);
	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
		if (*word && n++ < CONVERTER_WORDS_MAX)
			words[n - 1] = word;
	words[n < CONVERTER_WORDS_MAX ? n : CONVERTER_WORDS_MAX] = NULL;
	return n;
}

bool converter_is_command(const char *command)
{
	char copy[COMMAND_MAX], *words[CONVERTER_WORDS_MAX + 1];
	size_t n = split(command, copy, words);
	return *command == '/' && strlen(command) < COMMAND_MAX && n <= CONVERTER_WORDS_MAX;
}

/* --- running --- */

/* The child, from here on until it is another program: system calls only, since other threads held their locks at the fork. */
static void limit_self(int seconds)
{
	const struct {
		__rlimit_resource_t what;
		rlim_t value;
	} rules[] = {
		{RLIMIT_FSIZE, LIMIT_CONVERT_TEXT_BYTES}, {RLIMIT_AS, LIMIT_CONVERT_MEMORY_BYTES},
		{RLIMIT_CPU, (rlim_t)seconds}, {RLIMIT_CORE, 0}, {RLIMIT_NOFILE, LIMIT_CONVERT_FILES},
	};
	for (size_t i = 0; i < countof(rules); i++) {
		struct rlimit both = {rules[i].value, rules[i].value};
		setrlimit(rules[i].what, &both);
	}
	setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
}

/* `told` is closed by the exec; when there is none, errno goes there. */
static _Noreturn void become(char *const words[], char *const environment[], const char *directory, int in, int out, int told,
			     int seconds)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	int nowhere = open("/dev/null", O_WRONLY);
	/* `in`, `out` and `told` are above 2, as all that the daemon opens. */
	bool ok = nowhere >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(nowhere, 2) == 2 && dup2(told, 3) == 3 &&
		  fcntl(3, F_SETFD, FD_CLOEXEC) == 0 && chdir("/") == 0;
	if (ok) {
		close_range(4, ~0U, 0);
		limit_self(seconds);
		confine_self(directory);
		execve(words[0], words, environment);
	}
	int err = errno;
	(void)!write(ok ? 3 : told, &err, sizeof(err));
	_exit(1);
}

static int fork_off(char *const words[], int in, int out, int seconds, pid_t *pid)
{
	char directory[COMMAND_MAX], path[] = "PATH=/usr/bin:/bin", language[] = "LANG=C.UTF-8", home[] = "HOME=/nonexistent";
	char *const environment[] = {path, language, home, NULL};
	sigset_t all, before;
	int told[2], err = 0;
	if (pipe2(told, O_CLOEXEC) != 0)
		return errno;
	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(words[0], '/') - words[0]), words[0]);
	/* No handler of ours runs in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	*pid = fork();
	if (*pid == 0)
		become(words, environment, directory, in, out, told[1], seconds);
	if (*pid < 0)
		err = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(told[1]);
	if (!err && read(told[0], &err, sizeof(err)) == (ssize_t)sizeof(err))
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
	close(told[0]);
	return err;
}

/* Zero, or errno. */
static int start(const struct convert_config *how, int in, int out, pid_t *pid)
{
	char copy[COMMAND_MAX], *words[CONVERTER_WORDS_MAX + 1];
	split(how->command, copy, words);
	return fork_off(words, in, out, how->seconds, pid);
}

/* Waits for its end, or makes one.  True: its time was up. */
static bool await(pid_t pid, int seconds, const atomic_bool *stop, int *status)
{
	uint64_t until_ms = uv_hrtime() / 1000000 + (uint64_t)seconds * 1000;
	bool late = false;
	while (!late && waitpid(pid, status, WNOHANG) == 0) {
		late = uv_hrtime() / 1000000 >= until_ms || atomic_load(stop);
		if (!late)
			uv_sleep(LOOK_MS);
	}
	/* The whole group: what it started, too. */
	kill(-pid, SIGKILL);
	while (late && waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return late;
}

bool converter_run(const struct convert_config *how, int in, int out, const atomic_bool *stop, char why[CONVERTER_WHY_MAX])
{
	pid_t pid;
	int status = 0;
	bool ready = lseek(in, 0, SEEK_SET) == 0 && lseek(out, 0, SEEK_END) >= 0;
	int err = ready ? start(how, in, out, &pid) : errno;
	if (err) {
		snprintf(why, CONVERTER_WHY_MAX, "%s", strerror(err));
		return false;
	}
	bool late = await(pid, how->seconds, stop, &status);
	bool full = lseek(out, 0, SEEK_END) >= LIMIT_CONVERT_TEXT_BYTES;
	if (!late && (full || (WIFEXITED(status) && WEXITSTATUS(status) == 0)))
		return true;
	if (late)
		snprintf(why, CONVERTER_WHY_MAX, "it was not done after %d seconds", how->seconds);
	else if (WIFEXITED(status))
		snprintf(why, CONVERTER_WHY_MAX, "exit status %d", WEXITSTATUS(status));
	else
		snprintf(why, CONVERTER_WHY_MAX, "signal %d", WTERMSIG(status));
	return false;
}
