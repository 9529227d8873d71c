/*
 * The limits' table holds together, and docs/limits.md is that table.  With ROOST_WRITE_DOCS set in the environment
 * the page is written instead of compared.
 */
#include "server/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char page[] = "docs/limits.md";

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < limits_n; i++) {
		assert_true(limits[i].reason[0] != '\0');
		assert_true(limits[i].value > 0);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(limits[i].name, limits[j].name);
	}
}

/* Every LIMIT_ of the header is in the table. */
static void test_header(void **state)
{
	(void)state;
	FILE *f = fopen("server/limits.h", "r");
	assert_non_null(f);
	char line[400];
	size_t found = 0;
	while (fgets(line, sizeof(line), f)) {
		char name[64];
		if (sscanf(line, "\tLIMIT_%57[A-Z_] =", name) != 1)
			continue;
		size_t i = 0;
		while (i < limits_n && strcmp(limits[i].name + 6, name) != 0)
			i++;
		if (i == limits_n)
			fail_msg("LIMIT_%s is not in the table", name);
		found++;
	}
	fclose(f);
	assert_in_range(found, 10, limits_n);
}

static void test_page(void **state)
{
	(void)state;
	struct buf want, have;
	buf_init(&want, 1 << 20);
	buf_init(&have, 1 << 20);
	limits_write(&want);
	bool write = getenv("ROOST_WRITE_DOCS") != NULL;
	FILE *f = fopen(page, write ? "w" : "r");
	assert_non_null(f);
	if (write) {
		assert_int_equal(fwrite(want.data, 1, want.len, f), want.len);
	} else {
		char *to = buf_reserve(&have, 1 << 19);
		have.len = fread(to, 1, 1 << 19, f);
		if (!span_equal(buf_span(&have), buf_span(&want)))
			fail_msg("%s is not what the tables say: ROOST_WRITE_DOCS=1 %s", page, "limits_test writes it");
	}
	assert_int_equal(fclose(f), 0);
	buf_finish(&want);
	buf_finish(&have);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
