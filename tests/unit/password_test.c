/* Preparing, hashing and verifying passwords; SCRAM's stored keys against the examples of the RFCs. */
#include "server/base64.h"
#include "server/password.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static size_t from_base64(const char *text, size_t len, unsigned char *out)
{
	size_t n;
	assert_true(base64_decode(span_make(text, len), (char *)out, &n));
	return n;
}

/* An exchange of an RFC: what the stored text holds must fit the client's proof and make the server's signature. */
static void check_exchange(const char *name, const EVP_MD *md, const char *salt64, const char *auth_message,
			   const char *proof64, const char *signature64)
{
	unsigned char salt[64], stored[64], server[64], proof[64], signature[64], sum[64], hash[64];
	char text[192];
	size_t salt_len = from_base64(salt64, strlen(salt64), salt), len = (size_t)EVP_MD_get_size(md);
	assert_true(password_scram(name, "pencil", salt, salt_len, 4096, text, sizeof(text)));
	char head[100];
	snprintf(head, sizeof(head), "%s$4096:%s$", name, salt64);
	assert_int_equal(strncmp(text, head, strlen(head)), 0);
	const char *at = text + strlen(head), *colon = strchr(at, ':');
	assert_non_null(colon);
	assert_int_equal(from_base64(at, (size_t)(colon - at), stored), len);
	assert_int_equal(from_base64(colon + 1, strlen(colon + 1), server), len);
	const unsigned char *message = (const unsigned char *)auth_message;
	/* ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage), and its hash is StoredKey. */
	assert_non_null(HMAC(md, stored, (int)len, message, strlen(auth_message), sum, NULL));
	assert_int_equal(from_base64(proof64, strlen(proof64), proof), len);
	for (size_t i = 0; i < len; i++)
		sum[i] ^= proof[i];
	assert_int_equal(EVP_Digest(sum, len, hash, NULL, md, NULL), 1);
	assert_memory_equal(hash, stored, len);
	assert_non_null(HMAC(md, server, (int)len, message, strlen(auth_message), sum, NULL));
	assert_int_equal(from_base64(signature64, strlen(signature64), signature), len);
	assert_memory_equal(sum, signature, len);
}

static void test_scram_examples(void **state)
{
	(void)state;
	/* RFC 5802 5 */
	check_exchange("SCRAM-SHA-1", EVP_sha1(), "QSXCR+Q6sek8bf92",
		       "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
		       "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
		       "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
		       "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
	/* RFC 7677 3 */
	check_exchange("SCRAM-SHA-256", EVP_sha256(), "W22ZaJ0SNY7soEsUEjb6gQ==",
		       "n=user,r=rOprNGfwEbeRWgbNEkqO,"
		       "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		       "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		       "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static void test_make_and_verify(void **state)
{
	(void)state;
	static const struct password_cost cost = {1, SCRAM_ITERATIONS_MIN};
	struct crypt_data *scratch = xcalloc(1, sizeof(*scratch));
	struct directory_secrets one, two;
	char nobody[CRYPT_GENSALT_OUTPUT_SIZE];
	assert_true(password_make("secret", &cost, scratch, &one));
	assert_true(password_make("secret", &cost, scratch, &two));
	assert_string_not_equal(one.hash, two.hash);
	assert_string_not_equal(one.scram_sha1, two.scram_sha1);
	assert_string_not_equal(one.scram_sha256, two.scram_sha256);
	assert_int_equal(strncmp(one.hash, "$y$", 3), 0);
	assert_true(password_verify("secret", one.hash, scratch));
	assert_true(password_verify("secret", two.hash, scratch));
	assert_false(password_verify("Secret", one.hash, scratch));
	assert_false(password_verify("", one.hash, scratch));
	assert_false(password_verify("secret", "", scratch));
	assert_false(password_verify("secret", "secret", scratch));
	assert_true(password_make_nobody(&cost, nobody, sizeof(nobody)));
	assert_false(password_verify("secret", nobody, scratch));
	assert_false(password_verify("", nobody, scratch));
	free(scratch);
}

static void test_prepare(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{"secret", "secret"},
		{" two words ", " two words "},
		{"I\xc2\xadX", "IX"},            /* RFC 4013 3: a soft hyphen vanishes */
		{"\xc2\xaa", "a"},               /* NFKC */
		{"\xe2\x85\xa8", "IX"},
		{"e\xcc\x81", "\xc3\xa9"},
		{"a\xc2\xa0" "b", "a b"},        /* a space of another kind */
		{"\x07", NULL},
		{"", NULL},
		{"\xc2\xad", NULL},              /* nothing is left */
		{"\xff", NULL},
		{"caf\xe9", NULL},               /* Latin-1 */
		{"\xed\xa0\x80", NULL},
	};
	char out[PASSWORD_MAX + 1], longest[PASSWORD_MAX + 2];
	for (size_t i = 0; i < countof(cases); i++) {
		bool ok = password_prepare(cases[i].in, strlen(cases[i].in), out);
		assert_int_equal(ok, cases[i].out != NULL);
		assert_string_equal(out, cases[i].out ? cases[i].out : "");
	}
	memset(longest, 'x', sizeof(longest));
	assert_true(password_prepare(longest, PASSWORD_MAX, out));
	assert_false(password_prepare(longest, PASSWORD_MAX + 1, out));
	assert_false(password_prepare("a\0b", 3, out));
}

static void test_fake_secrets(void **state)
{
	(void)state;
	unsigned char key[DIRECTORY_KEY_BYTES] = {1}, other[DIRECTORY_KEY_BYTES] = {2};
	struct directory_secrets a = {.hash = ""}, b = a;
	password_fake_scram(key, "nobody@example.org", 10000, &a);
	password_fake_scram(key, "nobody@example.org", 10000, &b);
	assert_string_equal(a.scram_sha1, b.scram_sha1);
	assert_string_equal(a.scram_sha256, b.scram_sha256);
	assert_int_equal(strncmp(a.scram_sha1, "SCRAM-SHA-1$10000:", 18), 0);
	password_fake_scram(key, "noone@example.org", 10000, &b);
	assert_string_not_equal(a.scram_sha1, b.scram_sha1);
	password_fake_scram(other, "nobody@example.org", 10000, &b);
	assert_string_not_equal(a.scram_sha256, b.scram_sha256);
}

static void test_base64(void **state)
{
	(void)state;
	static const char *const good[][2] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
					      {"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"}, {"+/+/", "\xfb\xff\xbf"}};
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zm9v=", "=", "====", "Z===", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9-", "Zg=A"};
	char out[64];
	size_t len;
	for (size_t i = 0; i < countof(good); i++) {
		struct buf back;
		buf_init(&back, 100);
		assert_true(base64_decode(span_of(good[i][0]), out, &len));
		assert_int_equal(len, strlen(good[i][1]));
		assert_memory_equal(out, good[i][1], len);
		base64_encode(&back, good[i][1], len);
		assert_true(span_equal(buf_span(&back), span_of(good[i][0])));
		buf_finish(&back);
	}
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(base64_decode(span_of(bad[i]), out, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scram_examples), cmocka_unit_test(test_make_and_verify), cmocka_unit_test(test_prepare),
		cmocka_unit_test(test_fake_secrets),   cmocka_unit_test(test_base64),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
