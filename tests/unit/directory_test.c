/* Addresses in their normal form; domains, users and credentials in directory.db, its writer and its readers. */
#include "storage/removed.h"
#include "storage/setting.h"

#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct store_env env = {0};

static void test_addresses(void **state)
{
	(void)state;
	static const char *const good[][2] = {
		{"alice@example.org", "alice@example.org"},
		{"Alice.B+Tag@EXAMPLE.Org", "alice.b+tag@example.org"},
		{"a@b", "a@b"},
		{"\xc3\xa9t\xc3\xa9@example.org", "\xc3\xa9t\xc3\xa9@example.org"},
		{"x@m\xc3\xbcller.example", "x@m\xc3\xbcller.example"},
	};
	static const char *const bad[] = {
		"",         "alice",     "@example.org", "alice@",        "a b@c",         "a@b c",     "a@.b",    "a@b.",
		"a@b..c",   "a@b/c",     "a/b@c",        "<a@b>",         "a@b@c",         "a\x7f@b",   "a\n@b",   "\"a\"@b",
		"\xff@b",   "a@\xff",    "a,b@c",        "a\\b@c",        "\xc0\xaf@b",    "a@b\xe2\x82",
	};
	char out[ADDRESS_MAX + 1], text[ADDRESS_MAX + 80];
	for (size_t i = 0; i < countof(good); i++) {
		assert_true(address_normalise(good[i][0], strlen(good[i][0]), out));
		assert_string_equal(out, good[i][1]);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		assert_false(address_normalise(bad[i], strlen(bad[i]), out));
		assert_string_equal(out, "");
	}
	assert_false(address_normalise("a\0b@c", 5, out));
	memset(text, 'a', sizeof(text));
	text[ADDRESS_LOCAL_MAX] = '@';
	assert_true(address_normalise(text, ADDRESS_LOCAL_MAX + 10, out));
	assert_true(address_normalise(text, ADDRESS_MAX, out));
	assert_false(address_normalise(text, ADDRESS_MAX + 1, out));
	text[ADDRESS_LOCAL_MAX] = 'a';
	text[ADDRESS_LOCAL_MAX + 1] = '@';
	assert_false(address_normalise(text, ADDRESS_LOCAL_MAX + 10, out));
}

static struct directory *make(const struct scratch_dir *dir)
{
	struct directory *d;
	assert_int_equal(directory_open(&env, scratch_path(dir, "directory.db"), &d), STORE_OK);
	return d;
}

static struct directory *make_reader(const struct scratch_dir *dir)
{
	struct directory *d;
	assert_int_equal(directory_open_reader(&env, scratch_path(dir, "directory.db"), &d), STORE_OK);
	return d;
}

static void test_users(void **state)
{
	(void)state;
	struct directory_secrets first = {"h1", "s1", "s256"}, second = {"h2", "t1", "t256"};
	struct directory_user user;
	struct scratch_dir dir;
	char account[DIRECTORY_ACCOUNT_LEN + 1], old[DIRECTORY_ACCOUNT_LEN + 1];
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	assert_int_equal(directory_user_add(d, "a@example.org", &first), STORE_NOTFOUND);
	assert_int_equal(directory_domain_add(d, "example.org"), STORE_OK);
	assert_int_equal(directory_domain_add(d, "example.org"), STORE_EXISTS);
	assert_int_equal(directory_user_find(d, "a@example.org", &user), STORE_NOTFOUND);
	assert_int_equal(directory_user_add(d, "a@example.org", &first), STORE_OK);
	assert_int_equal(directory_user_add(d, "a@example.org", &second), STORE_EXISTS);
	assert_int_equal(directory_user_find(d, "a@example.org", &user), STORE_OK);
	assert_string_equal(user.address, "a@example.org");
	assert_string_equal(user.secrets.hash, "h1");
	assert_string_equal(user.secrets.scram_sha1, "s1");
	assert_string_equal(user.secrets.scram_sha256, "s256");
	assert_int_equal(strlen(user.account), DIRECTORY_ACCOUNT_LEN);
	assert_int_equal(strspn(user.account, "0123456789abcdef"), DIRECTORY_ACCOUNT_LEN);
	memcpy(old, user.account, sizeof(old));
	assert_int_equal(directory_user_passwd(d, "a@example.org", &second), STORE_OK);
	assert_int_equal(directory_user_passwd(d, "b@example.org", &second), STORE_NOTFOUND);
	assert_int_equal(directory_user_find(d, "a@example.org", &user), STORE_OK);
	assert_string_equal(user.secrets.hash, "h2");
	assert_string_equal(user.account, old);
	assert_int_equal(directory_domain_remove(d, "example.org", 1), STORE_HASCHILDREN);
	assert_int_equal(directory_user_remove(d, "a@example.org", 1, false, account), STORE_OK);
	assert_string_equal(account, old);
	assert_int_equal(directory_user_remove(d, "a@example.org", 1, false, account), STORE_NOTFOUND);
	assert_int_equal(directory_user_find(d, "a@example.org", &user), STORE_NOTFOUND);
	/* The address is free again; the account is another, so that nobody inherits mail. */
	assert_int_equal(directory_user_add(d, "a@example.org", &first), STORE_OK);
	assert_int_equal(directory_user_find(d, "a@example.org", &user), STORE_OK);
	assert_string_not_equal(user.account, old);
	assert_int_equal(directory_user_remove(d, "a@example.org", 2, false, account), STORE_OK);
	assert_int_equal(directory_domain_remove(d, "example.org", 1), STORE_OK);
	assert_int_equal(directory_domain_remove(d, "example.org", 1), STORE_NOTFOUND);
	directory_close(d);
	scratch_dir_destroy(&dir);
}

/* The user's value before the domain's before the default; they go with what they belong to. */
static void test_settings(void **state)
{
	(void)state;
	struct directory_secrets secrets = {"h", "s1", "s256"};
	struct setting_values values = {.value = {[SETTING_RETENTION_DAYS] = 7}};
	struct directory_user user;
	struct scratch_dir dir;
	int64_t five = 5, nine = 9, absurd = 100000;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	assert_int_equal(directory_domain_add(d, "example.org"), STORE_OK);
	assert_int_equal(directory_user_add(d, "a@example.org", &secrets), STORE_OK);
	assert_int_equal(directory_user_find(d, "a@example.org", &user), STORE_OK);
	assert_int_equal(directory_settings_of(d, user.account, &values), STORE_OK);
	assert_int_equal(values.value[SETTING_RETENTION_DAYS], 7);
	assert_int_equal(directory_setting_set(d, "@example.org", SETTING_RETENTION_DAYS, &five), STORE_OK);
	assert_int_equal(directory_settings_of(d, user.account, &values), STORE_OK);
	assert_int_equal(values.value[SETTING_RETENTION_DAYS], 5);
	assert_int_equal(values.source[SETTING_RETENTION_DAYS], SETTING_DOMAIN);
	assert_int_equal(directory_setting_set(d, user.account, SETTING_RETENTION_DAYS, &nine), STORE_OK);
	assert_int_equal(directory_settings_of(d, user.account, &values), STORE_OK);
	assert_int_equal(values.value[SETTING_RETENTION_DAYS], 9);
	assert_int_equal(values.source[SETTING_RETENTION_DAYS], SETTING_USER);
	/* Of a later version, perhaps: the domain's holds. */
	assert_int_equal(directory_setting_set(d, user.account, SETTING_RETENTION_DAYS, &absurd), STORE_OK);
	assert_int_equal(directory_settings_of(d, user.account, &values), STORE_OK);
	assert_int_equal(values.value[SETTING_RETENTION_DAYS], 5);
	assert_int_equal(directory_setting_set(d, "@example.org", SETTING_RETENTION_DAYS, NULL), STORE_OK);
	values = (struct setting_values){.value = {[SETTING_RETENTION_DAYS] = 7}};
	assert_int_equal(directory_settings_of_domain(d, "example.org", &values), STORE_OK);
	assert_int_equal(values.value[SETTING_RETENTION_DAYS], 7);
	assert_int_equal(directory_settings_of(d, "nobody's", &values), STORE_OK);
	/* Names are as the user's own set has them, an empty one too. */
	assert_string_equal(values.capabilities_off, "");
	assert_int_equal(directory_setting_set_names(d, "@example.org", SETTING_CAPABILITIES_OFF, "IDLE MOVE"), STORE_OK);
	assert_int_equal(directory_settings_of(d, user.account, &values), STORE_OK);
	assert_string_equal(values.capabilities_off, "IDLE MOVE");
	assert_int_equal(directory_setting_set_names(d, user.account, SETTING_CAPABILITIES_OFF, ""), STORE_OK);
	assert_int_equal(directory_settings_of(d, user.account, &values), STORE_OK);
	assert_string_equal(values.capabilities_off, "");
	assert_int_equal(values.source[SETTING_CAPABILITIES_OFF], SETTING_USER);
	directory_close(d);
	scratch_dir_destroy(&dir);
}

/* What setting_read() takes is what setting_write() gives, by type. */
static void test_setting_values(void **state)
{
	(void)state;
	char text[SETTING_VALUE_MAX], again[100];
	int64_t value;
	for (enum setting_id id = 0; id < SETTINGS_N; id++) {
		const struct setting *s = &setting_table[id];
		assert_int_equal(setting_find(s->name), id);
		assert_true(s->min <= s->standard && s->standard <= s->max);
		setting_describe(id, again, sizeof(again));
		assert_true(strlen(again) > 0);
		if (s->type == SETTING_NAMES)
			continue;
		setting_write(id, s->max, text);
		assert_true(setting_read(id, text, &value));
		assert_int_equal(value, s->max);
		setting_write(id, s->standard, text);
		assert_true(setting_read(id, text, &value));
		assert_int_equal(value, s->standard);
		for (size_t i = 0; i < 6; i++)
			assert_false(setting_read(id, ((const char *[]){"", "-1", " 1", "x", "1x", "99999999999999999999"})[i], &value));
	}
	assert_int_equal(setting_find("nothing"), SETTINGS_N);
	char many[SETTING_NAMES_MAX + 2];
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_false(setting_read(SETTING_CAPABILITIES_OFF, many, &value));
	many[sizeof(many) - 2] = '\0';
	assert_true(setting_read(SETTING_CAPABILITIES_OFF, many, &value));
	assert_true(setting_read(SETTING_CAPABILITIES_OFF, "", &value) && setting_read(SETTING_CAPABILITIES_OFF, "A B=C", &value));
	for (size_t i = 0; i < 5; i++)
		assert_false(setting_read(SETTING_CAPABILITIES_OFF, ((const char *[]){" ", " A", "A ", "A  B", "A\tB"})[i], &value));
}

/* A reader sees what is committed, when it is committed, and what was undone never. */
static void test_readers(void **state)
{
	(void)state;
	struct directory_secrets secrets = {"h", "s1", "s256"};
	struct directory_user user;
	unsigned char key[DIRECTORY_KEY_BYTES], again[DIRECTORY_KEY_BYTES];
	struct scratch_dir dir;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir), *r = make_reader(&dir);
	assert_int_equal(directory_begin(d), STORE_OK);
	assert_int_equal(directory_domain_add(d, "x"), STORE_OK);
	assert_int_equal(directory_user_add(d, "a@x", &secrets), STORE_OK);
	assert_int_equal(directory_user_find(r, "a@x", &user), STORE_NOTFOUND);
	assert_int_equal(directory_end(d, true), STORE_OK);
	assert_int_equal(directory_user_find(r, "a@x", &user), STORE_OK);
	assert_int_equal(directory_begin(d), STORE_OK);
	assert_int_equal(directory_user_add(d, "b@x", &secrets), STORE_OK);
	assert_int_equal(directory_end(d, false), STORE_OK);
	assert_int_equal(directory_user_find(r, "b@x", &user), STORE_NOTFOUND);
	assert_int_equal(directory_user_find(d, "b@x", &user), STORE_NOTFOUND);
	assert_int_not_equal(directory_user_passwd(r, "a@x", &secrets), STORE_OK); /* it only reads */
	assert_int_equal(directory_key(r, key), STORE_OK);
	directory_close(r);
	directory_close(d);
	d = make(&dir);
	assert_int_equal(directory_key(d, again), STORE_OK);
	assert_memory_equal(key, again, sizeof(key));
	assert_int_equal(directory_user_find(d, "a@x", &user), STORE_OK);
	directory_close(d);
	scratch_dir_destroy(&dir);
}

struct names {
	char text[200];
	int left;
};

static bool on_user(void *ctx, const char *address, const char *account)
{
	struct names *n = ctx;
	assert_int_equal(strlen(account), DIRECTORY_ACCOUNT_LEN);
	strncat(n->text, address, sizeof(n->text) - strlen(n->text) - 2);
	strncat(n->text, " ", 2);
	return --n->left > 0;
}

static bool on_domain(void *ctx, const char *name, int64_t users)
{
	struct names *n = ctx;
	size_t len = strlen(n->text);
	snprintf(n->text + len, sizeof(n->text) - len, "%s:%lld ", name, (long long)users);
	return --n->left > 0;
}

static void test_lists(void **state)
{
	(void)state;
	struct directory_secrets secrets = {"h", "s1", "s256"};
	struct names n = {"", 100};
	struct scratch_dir dir;
	scratch_dir_create(&dir);
	struct directory *d = make(&dir);
	assert_int_equal(directory_domain_add(d, "y"), STORE_OK);
	assert_int_equal(directory_domain_add(d, "x"), STORE_OK);
	static const char *const users[] = {"b@x", "c@y", "a@x", "c@x"};
	for (size_t i = 0; i < countof(users); i++)
		assert_int_equal(directory_user_add(d, users[i], &secrets), STORE_OK);
	assert_int_equal(directory_users(d, NULL, "", on_user, &n), STORE_OK);
	assert_string_equal(n.text, "a@x b@x c@x c@y ");
	n = (struct names){"", 100};
	assert_int_equal(directory_users(d, "x", "a@x", on_user, &n), STORE_OK);
	assert_string_equal(n.text, "b@x c@x ");
	n = (struct names){"", 2};
	assert_int_equal(directory_users(d, NULL, "", on_user, &n), STORE_OK);
	assert_string_equal(n.text, "a@x b@x ");
	n = (struct names){"", 100};
	assert_int_equal(directory_domains(d, "", on_domain, &n), STORE_OK);
	assert_string_equal(n.text, "x:3 y:1 ");
	n = (struct names){"", 100};
	assert_int_equal(directory_domains(d, "x", on_domain, &n), STORE_OK);
	assert_string_equal(n.text, "y:1 ");
	directory_close(d);
	scratch_dir_destroy(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_setting_values),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
