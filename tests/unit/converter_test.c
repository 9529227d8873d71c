/* server/converter: which program, and what becomes of one that does what it should not. */
#include "server/converter.h"

#include "server/limits.h"
#include "tests/unit/scratch_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static struct convert_config sections[] = {
	{"application/pdf", ".pdf", "/bin/cat", 20},
	{"application/x-odd", "", "/bin/cat -n", 20},
	{"application/octet-stream", "", "/bin/false", 20},
};

static const struct convert_config *find(size_t n, const char *type, const char *name)
{
	const struct config c = {.converts = sections, .converts_n = n};
	return converter_find(&c, span_of(type), span_of(name));
}

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(find(2, "application/pdf", ""), &sections[0]);
	assert_ptr_equal(find(2, "Application/PDF", "x.odd"), &sections[0]);
	assert_ptr_equal(find(2, "application/octet-stream", "a.PDF"), &sections[0]);
	assert_ptr_equal(find(2, "application/x-odd", "a.pdf"), &sections[1]);
	assert_null(find(2, "application/octet-stream", ".pdf"));
	assert_null(find(2, "application/octet-stream", "a.odd"));
	assert_null(find(2, "application/octet-stream", ""));
	assert_null(find(2, "application/pdf2", "a.pdf"));
	assert_null(find(0, "application/pdf", "a.pdf"));
	assert_ptr_equal(find(3, "application/octet-stream", "a.pdf"), &sections[2]);
}

static void test_sum(void **state)
{
	(void)state;
	struct convert_config other[] = {sections[0], sections[1]};
	const struct config one = {.converts = sections, .converts_n = 2}, two = {.converts = other, .converts_n = 2},
			    less = {.converts = sections, .converts_n = 1};
	assert_true(converters_sum(&one) != 0);
	assert_int_equal(converters_sum(&one), converters_sum(&two));
	assert_int_not_equal(converters_sum(&one), converters_sum(&less));
	other[1].command = "/bin/cat";
	assert_int_not_equal(converters_sum(&one), converters_sum(&two));
}

static void test_command(void **state)
{
	(void)state;
	char longest[2000];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_true(converter_is_command("/bin/cat"));
	assert_true(converter_is_command("/a b c d e f g h i j k l m n o p"));
	assert_false(converter_is_command("/a b c d e f g h i j k l m n o p q"));
	assert_false(converter_is_command(longest));
	assert_false(converter_is_command("cat"));
	assert_false(converter_is_command(""));
}


static int make_file(const struct scratch_dir *dir, const char *name, const char *text)
{
	int fd = open(scratch_path(dir, name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd > 2);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static bool run(int in, int out, const char *command, int seconds, bool stop, char why[CONVERTER_WHY_MAX])
{
	const struct convert_config how = {.type = "a/b", .suffix = "", .command = command, .seconds = seconds};
	atomic_bool stopping = stop;
	return converter_run(&how, in, out, &stopping, why);
}

static void test_run(void **state)
{
	struct scratch_dir dir;
	char why[CONVERTER_WHY_MAX] = "", got[100];
	(void)state;
	scratch_dir_create(&dir);
	int in = make_file(&dir, "in", "text\n"), out = make_file(&dir, "out", "before;");
	/* Behind what is there, and from the start, wherever the file is read and written. */
	assert_true(run(in, out, "/bin/cat  - /dev/null", 20, false, why));
	assert_true(run(in, out, "/bin/cat", 20, false, why));
	assert_int_equal(pread(out, got, sizeof(got), 0), 17);
	assert_memory_equal(got, "before;text\ntext\n", 17);
	assert_false(run(in, out, "/bin/false", 20, false, why));
	assert_string_equal(why, "exit status 1");
	assert_false(run(in, out, "/nonexistent/program", 20, false, why));
	assert_string_equal(why, "No such file or directory");
	assert_false(run(in, out, "/bin/sleep 100", 1, false, why));
	assert_string_equal(why, "it was not done after 1 seconds");
	assert_false(run(in, out, "/bin/sleep 100", 100, true, why));
	assert_int_equal(lseek(out, 0, SEEK_END), 17);
	/* What never ends is cut. */
	assert_true(run(in, out, "/bin/cat /dev/zero", 20, false, why));
	assert_int_equal(lseek(out, 0, SEEK_END), LIMIT_CONVERT_TEXT_BYTES);
	close(in);
	close(out);
	scratch_dir_destroy(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
