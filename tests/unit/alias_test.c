/* Whom mail for an address goes to, and the aliases that are refused. */
#include "storage/alias.h"
#include "storage/removed.h"
#include "storage/setting.h"

#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct store_env env = {0};

static struct directory *make(const struct scratch_dir *dir)
{
	static const char *const users[] = {"a@x.org", "b@x.org", "c+d@x.org", "a@x_org"};
	struct directory_secrets secrets = {"h", "s1", "s256"};
	struct directory *d;
	assert_int_equal(directory_open(&env, scratch_path(dir, "directory.db"), &d), STORE_OK);
	assert_int_equal(directory_domain_add(d, "x.org"), STORE_OK);
	assert_int_equal(directory_domain_add(d, "x_org"), STORE_OK);
	for (size_t i = 0; i < countof(users); i++)
		assert_int_equal(directory_user_add(d, users[i], &secrets), STORE_OK);
	return d;
}

/* "a@x.org b@x.org+detail": those it goes to, and what goes with it; "" for nobody. */
static void assert_goes(struct directory *d, const char *address, const char *expected)
{
	struct alias_targets t;
	char text[1000] = "";
	size_t len = 0;
	enum store_err err = alias_resolve(d, address, &t);
	for (size_t i = 0; i < t.n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", t.v[i].address);
	snprintf(text + len, sizeof(text) - len, "%s%s", *t.detail ? "+" : "", t.detail);
	assert_int_equal(err, *expected ? STORE_OK : STORE_NOTFOUND);
	assert_string_equal(text, expected);
	alias_targets_finish(&t);
}

static void test_resolve(void **state)
{
	struct scratch_dir dir;
	(void)state;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	assert_goes(d, "a@x.org", "a@x.org");
	assert_goes(d, "a+box@x.org", "a@x.org+box");
	assert_goes(d, "c+d@x.org", "c+d@x.org");
	assert_goes(d, "info@x.org", "");
	assert_int_equal(alias_add(d, "info@x.org", "b@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "info@x.org", "a@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "both@x.org", "info@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "both@x.org", "a@x.org"), STORE_OK);
	assert_goes(d, "info@x.org", "a@x.org b@x.org");
	assert_goes(d, "both+q@x.org", "a@x.org b@x.org+q"); /* each once */
	assert_goes(d, "other@x.org", "");
	assert_int_equal(alias_add(d, "@x.org", "b@x.org"), STORE_OK);
	assert_goes(d, "other+q@x.org", "b@x.org");
	assert_goes(d, "other@x_org", "");
	/* A target that is gone is passed by; without any it is as if the alias were not there. */
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	assert_int_equal(directory_user_remove(d, "a@x.org", 1, false, account), STORE_OK);
	assert_goes(d, "info@x.org", "b@x.org");
	assert_goes(d, "a@x.org", "b@x.org");
	assert_int_equal(directory_user_restore(d, "a@x.org"), STORE_OK);
	assert_int_equal(directory_user_rename(d, "b@x.org", "e@x_org"), STORE_OK);
	assert_goes(d, "info@x.org", "a@x.org e@x_org");
	directory_close(d);
	scratch_dir_destroy(&dir);
}

/* Whose name it is at a login; "": nobody's. */
static void assert_logs_in(struct directory *d, const char *name, const char *expected)
{
	char user[ADDRESS_MAX + 1] = "";
	assert_int_equal(alias_only_user(d, name, user), *expected ? STORE_OK : STORE_NOTFOUND);
	assert_string_equal(user, expected);
}

static void test_only_user(void **state)
{
	struct scratch_dir dir;
	(void)state;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	assert_int_equal(alias_add(d, "one@x.org", "b@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "far@x.org", "one@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "far@x.org", "b@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "two@x.org", "far@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "two@x.org", "a@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "@x.org", "a@x.org"), STORE_OK);
	assert_logs_in(d, "a@x.org", "a@x.org");
	assert_logs_in(d, "one@x.org", "b@x.org");
	assert_logs_in(d, "far@x.org", "b@x.org"); /* two ways, one user */
	assert_logs_in(d, "two@x.org", "");
	assert_logs_in(d, "anybody@x.org", "");
	assert_logs_in(d, "one+box@x.org", "");
	directory_close(d);
	scratch_dir_destroy(&dir);
}

static void test_refused(void **state)
{
	struct scratch_dir dir;
	char address[ADDRESS_MAX + 1];
	(void)state;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	assert_int_equal(alias_add(d, "i@y.org", "a@x.org"), STORE_NOTFOUND);
	assert_int_equal(alias_add(d, "i@x.org", "nobody@x.org"), STORE_NOTFOUND);
	assert_int_equal(alias_add(d, "b@x.org", "a@x.org"), STORE_EXISTS);
	assert_int_equal(alias_add(d, "i@x.org", "i@x.org"), STORE_CANNOT);
	assert_int_equal(alias_add(d, "i@x.org", "a@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "i@x.org", "a@x.org"), STORE_EXISTS);
	assert_int_equal(alias_add(d, "j@x.org", "i@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "@x.org", "j@x.org"), STORE_OK);
	assert_int_equal(alias_add(d, "i@x.org", "j@x.org"), STORE_CANNOT);
	assert_int_equal(alias_add(d, "i@x.org", "@x.org"), STORE_CANNOT);
	/* One behind the other, until it is too deep. */
	char before[ADDRESS_MAX + 1] = "a@x.org";
	enum store_err err = STORE_OK;
	int depth = 0;
	for (; !err && depth < 100; depth++) {
		snprintf(address, sizeof(address), "n%d@x.org", depth);
		err = alias_add(d, address, before);
		memcpy(before, address, sizeof(before));
	}
	assert_int_equal(err, STORE_LIMIT);
	assert_int_equal(depth - 1, ALIAS_DEPTH_MAX);
	assert_int_equal(alias_remove(d, "j@x.org", "a@x.org"), STORE_NOTFOUND);
	assert_int_equal(alias_remove(d, "j@x.org", "i@x.org"), STORE_OK);
	assert_int_equal(alias_remove(d, "j@x.org", NULL), STORE_NOTFOUND);
	assert_true(alias_normalise("@X.Org", address));
	assert_string_equal(address, "@x.org");
	assert_false(alias_normalise("@", address));
	assert_false(alias_normalise("x", address));
	directory_close(d);
	scratch_dir_destroy(&dir);
}

static void test_many(void **state)
{
	struct directory_secrets secrets = {"h", "s1", "s256"};
	struct scratch_dir dir;
	char address[ADDRESS_MAX + 1];
	(void)state;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	for (int i = 0; i <= ALIAS_TARGETS_MAX; i++) {
		assert_int_equal(directory_begin(d), STORE_OK);
		snprintf(address, sizeof(address), "u%d@x.org", i);
		assert_int_equal(directory_user_add(d, address, &secrets), STORE_OK);
		enum store_err err = alias_add(d, "all@x.org", address);
		assert_int_equal(err, i < ALIAS_TARGETS_MAX ? STORE_OK : STORE_LIMIT);
		assert_int_equal(directory_end(d, !err), STORE_OK);
	}
	struct alias_targets t;
	assert_int_equal(alias_resolve(d, "all@x.org", &t), STORE_OK);
	assert_int_equal(t.n, ALIAS_TARGETS_MAX);
	alias_targets_finish(&t);
	directory_close(d);
	scratch_dir_destroy(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_only_user),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
