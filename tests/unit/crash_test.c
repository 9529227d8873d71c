/* A worker that dies leaves its account's name; an account that is named often is held for a while. */
#include "server/crash.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void *die(void *arg)
{
	struct crash_note *note = crash_note_open(crash_handlers_install(arg));
	crash_note_set(note, "0123abcd", "LMTP delivery");
	raise(SIGBUS);
	return NULL;
}

static void *idle(void *arg)
{
	struct crash_note *note = crash_note_open(crash_handlers_install(arg));
	crash_note_set(note, "0123abcd", "FETCH");
	crash_note_set(note, NULL, NULL);
	raise(SIGBUS);
	return NULL;
}

static void crash_in_child(void *(*how)(void *), char *path)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0};
		setrlimit(RLIMIT_CORE, &none);
		for (int fd = 0; fd < 3; fd++)
			close(fd); /* a sanitizer's report is not this test's */
		pthread_t thread;
		pthread_create(&thread, NULL, how, path);
		pthread_join(thread, NULL);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_record(void **state)
{
	char dir[] = "/tmp/roost-crash-XXXXXX", path[64], account[64], kind[64];
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/crashes", dir);
	crash_in_child(idle, path);
	assert_int_not_equal(access(path, F_OK), 0);
	crash_in_child(die, path);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	long long at;
	int number;
	assert_int_equal(fscanf(f, "%lld %63s %63s %d", &at, account, kind, &number), 4);
	fclose(f);
	assert_string_equal(account, "0123abcd");
	assert_string_equal(kind, "LMTP_delivery");
	assert_int_equal(number, SIGBUS);
	unlink(path);
	rmdir(dir);
}

static void test_held(void **state)
{
	char path[] = "/tmp/roost-crash-XXXXXX";
	(void)state;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	assert_non_null(f);
	/* "often": three within ten minutes.  "seldom": three within an hour.  "twice". */
	fputs("1000 often FETCH 11\n1000 seldom FETCH 11\n1100 twice FETCH 6\n1200 often FETCH 11\nnonsense\n"
	      "1500 often SEARCH 6\n2000 seldom FETCH 11\n2100 twice FETCH 6\n3000 seldom FETCH 11\n",
	      f);
	fclose(f);
	struct held *held = held_open(path, 3100);
	assert_true(held_has(held, "often", 3100));
	assert_false(held_has(held, "seldom", 3100));
	assert_false(held_has(held, "twice", 3100));
	assert_false(held_has(held, "often", 1500 + CRASH_HOLD_S));
	held_close(held);
	held = held_open("/nonexistent/crashes", 0);
	assert_false(held_has(held, "often", 0));
	held_close(held);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
