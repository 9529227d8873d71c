/* Certificates for tests, signed by themselves. */
#ifndef TESTS_UNIT_MAKE_CERTIFICATE_H
#define TESTS_UNIT_MAKE_CERTIFICATE_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct made_certificate {
	const char *names;       /* as in subjectAltName: "DNS:a.example,DNS:b.example"; NULL: none */
	const char *common_name; /* NULL: the same text */
	const char *certificate; /* the file it is written to */
	const char *key;         /* the file of its key; NULL: the same file; "": nowhere */
	EVP_PKEY *pkey;          /* NULL: a new one, of P-256 */
	long age_s, left_s;      /* since it is valid, and for how long it will be; 0: a minute, sixty days */
	const char *passphrase;  /* of the key's file */
	X509 *authority;         /* that is written behind it; NULL: none */
};

static inline X509 *sign_certificate(const struct made_certificate *m, EVP_PKEY *pkey)
{
	X509 *x = X509_new();
	const char *cn = m->common_name ? m->common_name : m->names;
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -(m->age_s ? m->age_s : 60));
	X509_gmtime_adj(X509_getm_notAfter(x), m->left_s ? m->left_s : 60L * 86400);
	X509_set_version(x, 2);
	X509_set_pubkey(x, pkey);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, name);
	if (m->names) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, m->names);
		assert_non_null(ext);
		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
	return x;
}

/* Writes the files, each in one go. */
static inline void make_certificate(const struct made_certificate *m)
{
	EVP_PKEY *pkey = m->pkey ? m->pkey : EVP_EC_gen("P-256");
	X509 *x = sign_certificate(m, pkey);
	FILE *f = fopen(m->certificate, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, x), 1);
	if (m->authority)
		assert_int_equal(PEM_write_X509(f, m->authority), 1);
	if (m->key && *m->key) {
		fclose(f);
		f = fopen(m->key, "w");
		assert_non_null(f);
	}
	if (!m->key || *m->key)
		assert_int_equal(PEM_write_PKCS8PrivateKey(f, pkey, m->passphrase ? EVP_aes_128_cbc() : NULL, m->passphrase,
							   m->passphrase ? (int)strlen(m->passphrase) : 0, NULL, NULL), 1);
	fclose(f);
	X509_free(x);
	if (!m->pkey)
		EVP_PKEY_free(pkey);
}

#endif
