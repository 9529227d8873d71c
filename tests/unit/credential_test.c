/* App passwords: made, found by their id, and good only for what they are for. */
#include "server/credential.h"
#include "storage/removed.h"

#include "tests/unit/scratch_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct store_env env = {0};

struct fixture {
	struct scratch_dir dir;
	struct directory *d;
	struct directory_user user;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct directory_secrets secrets = {.hash = "x"};
	scratch_dir_create(&f->dir);
	assert_int_equal(directory_open(&env, scratch_path(&f->dir, "directory.db"), &f->d), STORE_OK);
	assert_int_equal(directory_begin(f->d), STORE_OK);
	assert_int_equal(directory_domain_add(f->d, "example.org"), STORE_OK);
	assert_int_equal(directory_user_add(f->d, "alice@example.org", &secrets), STORE_OK);
	assert_int_equal(directory_user_find(f->d, "alice@example.org", &f->user), STORE_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(directory_end(f->d, true), STORE_OK);
	directory_close(f->d);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static struct app_password make(struct fixture *f, const char *label, char text[CREDENTIAL_TEXT_LEN + 1])
{
	struct app_password p = {.protocols = APP_PASSWORD_ALL, .made_s = 1000};
	snprintf(p.label, sizeof(p.label), "%s", label);
	memcpy(p.account, f->user.account, sizeof(p.account));
	assert_true(credential_make(&p, text));
	assert_true(credential_has_shape(text, strlen(text)));
	return p;
}

static enum store_err check(struct fixture *f, const char *text, const struct credential_use *use, struct credential *out)
{
	return credential_check(f->d, text, f->user.account, use, out);
}

static const struct credential_use here = {APP_PASSWORD_IMAP, "192.0.2.7", 2000};

static void test_found_by_its_id(void **state)
{
	struct fixture *f = *state;
	char one[CREDENTIAL_TEXT_LEN + 1], two[CREDENTIAL_TEXT_LEN + 1], id[APP_PASSWORD_ID_LEN + 1];
	struct app_password p = make(f, "Phone", one), q = make(f, "Laptop", two);
	struct credential c;
	assert_string_not_equal(one, two);
	assert_int_equal(directory_app_password_add(f->d, &p), STORE_OK);
	assert_int_equal(directory_app_password_add(f->d, &q), STORE_OK);
	assert_int_equal(directory_app_password_add(f->d, &q), STORE_EXISTS);
	assert_int_equal(check(f, one, &here, &c), STORE_OK);
	assert_string_equal(c.label, "Phone");
	assert_string_equal(c.id, p.id);
	assert_int_equal(check(f, two, &here, &c), STORE_OK);
	assert_string_equal(c.label, "Laptop");
	assert_int_equal(credential_check(f->d, one, "ffffffffffffffffffffffffffffffff", &here, &c), STORE_NOTFOUND);
	/* Its secret is another's, and a character less or more. */
	char mixed[CREDENTIAL_TEXT_LEN + 2];
	snprintf(mixed, sizeof(mixed), "%.9s%s", one, two + 9);
	assert_int_equal(check(f, mixed, &here, &c), STORE_NOTFOUND);
	snprintf(mixed, sizeof(mixed), "%sa", one);
	assert_int_equal(check(f, mixed, &here, &c), STORE_NOTFOUND);
	assert_int_equal(check(f, "secret", &here, &c), STORE_NOTFOUND);
	assert_int_equal(directory_app_password_remove(f->d, f->user.account, "Phone", id), STORE_OK);
	assert_string_equal(id, p.id);
	assert_int_equal(check(f, one, &here, &c), STORE_NOTFOUND);
	assert_int_equal(directory_app_password_remove(f->d, f->user.account, p.id, id), STORE_NOTFOUND);
	assert_int_equal(directory_app_password_remove(f->d, f->user.account, q.id, id), STORE_OK);
}

static void test_scopes(void **state)
{
	struct fixture *f = *state;
	char text[CREDENTIAL_TEXT_LEN + 1];
	struct app_password p = make(f, "narrow", text);
	struct credential c;
	p.protocols = APP_PASSWORD_IMAP;
	p.expires_s = 5000;
	snprintf(p.networks, sizeof(p.networks), "192.0.2.0/24,2001:db8::/32");
	snprintf(p.capabilities_off, sizeof(p.capabilities_off), "IDLE");
	assert_int_equal(directory_app_password_add(f->d, &p), STORE_OK);
	assert_int_equal(check(f, text, &here, &c), STORE_OK);
	assert_string_equal(c.capabilities_off, "IDLE");
	const struct credential_use good[] = {{APP_PASSWORD_IMAP, "2001:db8::9", 4999}};
	const struct credential_use bad[] = {{APP_PASSWORD_POP3, "192.0.2.7", 2000}, {APP_PASSWORD_IMAP, "192.0.3.7", 2000},
					     {APP_PASSWORD_IMAP, "local", 2000}, {APP_PASSWORD_IMAP, "192.0.3.7", 5000}};
	const struct credential_use late = {APP_PASSWORD_IMAP, "192.0.2.7", 5000};
	for (size_t i = 0; i < countof(good); i++)
		assert_int_equal(check(f, text, &good[i], &c), STORE_OK);
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(check(f, text, &bad[i], &c), STORE_NOTFOUND);
	assert_int_equal(check(f, text, &late, &c), STORE_CANNOT);
	assert_int_equal(directory_app_password_used(f->d, p.id, 4242), STORE_OK);
	assert_int_equal(check(f, text, &here, &c), STORE_OK);
	assert_int_equal(c.used_s, 4242);
}

static void test_so_many(void **state)
{
	struct fixture *f = *state;
	char text[CREDENTIAL_TEXT_LEN + 1], label[32];
	struct app_password p;
	for (int i = 0; i < APP_PASSWORDS_MAX; i++) {
		snprintf(label, sizeof(label), "device %d", i);
		p = make(f, label, text);
		assert_int_equal(directory_app_password_add(f->d, &p), STORE_OK);
	}
	p = make(f, "one more", text);
	assert_int_equal(directory_app_password_add(f->d, &p), STORE_LIMIT);
	assert_int_equal(directory_app_passwords_drop(f->d, f->user.account), STORE_OK);
	assert_int_equal(directory_app_password_add(f->d, &p), STORE_OK);
}

static void test_protocols(void **state)
{
	char text[CREDENTIAL_PROTOCOLS_MAX];
	unsigned bits;
	(void)state;
	assert_true(credential_protocols_parse("sieve, imap", &bits));
	assert_int_equal(bits, APP_PASSWORD_IMAP | APP_PASSWORD_SIEVE);
	credential_protocols_write(bits, text);
	assert_string_equal(text, "imap,sieve");
	assert_false(credential_protocols_parse("", &bits));
	assert_false(credential_protocols_parse("imap smtp", &bits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found_by_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_scopes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_so_many, set_up, tear_down),
		cmocka_unit_test(test_protocols),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
