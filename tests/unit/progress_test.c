/* When a long command tells of its progress, and what (RFC 9585 4). */
#include "server/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { SECOND = 1000000 };

static struct command *begin(int progress_s)
{
	struct command *cmd = command_create();
	cmd->request.tag = span_of("t");
	cmd->progress_s = progress_s;
	return cmd;
}

static void test_pace(void **state)
{
	(void)state;
	struct command *cmd = begin(10);
	uint64_t begun = 5 * SECOND;
	assert_false(progress_tell_at(cmd, begun, 1, 100)); /* the first slice */
	assert_false(progress_tell_at(cmd, begun + 10 * SECOND - 1, 2, 100));
	assert_int_equal(cmd->out.len, 0);
	assert_true(progress_tell_at(cmd, begun + 10 * SECOND, 3, 100));
	assert_int_equal(cmd->out.len, strlen("* OK [INPROGRESS (\"t\" 3 100)] 3 % of the messages are done\r\n"));
	assert_memory_equal(cmd->out.data, "* OK [INPROGRESS (\"t\" 3 100)]", 29);
	buf_reset(&cmd->out);
	assert_false(progress_tell_at(cmd, begun + 20 * SECOND - 1, 4, 100));
	assert_true(progress_tell_at(cmd, begun + 35 * SECOND, 5, 100));
	assert_false(progress_tell_at(cmd, begun + 45 * SECOND - 1, 6, 100)); /* from the last one on */
	command_dispose(cmd);
}

/* What is done is never told: the tagged line does that. */
static void test_done(void **state)
{
	(void)state;
	struct command *cmd = begin(1);
	assert_false(progress_tell_at(cmd, SECOND, 0, 0));
	assert_false(progress_tell_at(cmd, 9 * SECOND, 0, 0));
	assert_false(progress_tell_at(cmd, 9 * SECOND, 0, 1));
	assert_false(progress_tell_at(cmd, 99 * SECOND, 1, 1));
	assert_int_equal(cmd->out.len, 0);
	assert_true(progress_tell_at(cmd, 99 * SECOND, 0, 1));
	command_dispose(cmd);
}

static void test_never(void **state)
{
	(void)state;
	struct command *cmd = begin(0);
	for (uint64_t now = 1; now < 1000; now++)
		assert_false(progress_tell_at(cmd, now * SECOND, now, 1000));
	assert_int_equal(cmd->out.len, 0);
	command_dispose(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pace), cmocka_unit_test(test_done),
					   cmocka_unit_test(test_never)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
