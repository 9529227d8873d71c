#include "server/certificate.h"

#include "server/limits.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

enum { AUTHORITIES_MAX = 256 };

/* A certificate behind the first of a file, by its bytes. */
struct authority {
	UT_hash_handle hh;
	X509 *x;
	size_t len;
	unsigned char der[];
};

static const char no_sense[] = "what is between its BEGIN and END lines makes no sense";

void pem_reader_init(struct pem_reader *r)
{
	*r = (struct pem_reader){0};
}

static void forget_authorities(struct pem_reader *r)
{
	struct authority *a, *next;
	HASH_ITER(hh, r->authorities, a, next) {
		HASH_DEL(r->authorities, a);
		X509_free(a->x); /* chains have references of their own */
		free(a);
	}
}

void pem_reader_finish(struct pem_reader *r)
{
	forget_authorities(r);
	OSSL_DECODER_CTX_free(r->decoder);
	*r = (struct pem_reader){0};
}

void pem_content_finish(struct pem_content *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct pem_content){0};
}

/* The decoder keeps the address of `decoded`, so it is made where the reader stays. */
static EVP_PKEY *decode_key(struct pem_reader *r, const unsigned char *der, size_t len)
{
	if (!r->decoder)
		r->decoder = OSSL_DECODER_CTX_new_for_pkey(&r->decoded, "DER", NULL, NULL, EVP_PKEY_KEYPAIR, NULL, NULL);
	invariant(r->decoder);
	r->decoded = NULL;
	if (!OSSL_DECODER_from_data(r->decoder, &der, &len)) {
		EVP_PKEY_free(r->decoded);
		r->decoded = NULL;
	}
	EVP_PKEY *key = r->decoded;
	r->decoded = NULL;
	return key;
}

/* A reference; NULL: it makes no sense. */
static X509 *find_authority(struct pem_reader *r, const unsigned char *der, size_t len)
{
	struct authority *a;
	HASH_FIND(hh, r->authorities, der, len, a);
	if (!a) {
		const unsigned char *at = der;
		X509 *x = d2i_X509(NULL, &at, (long)len);
		if (!x)
			return NULL;
		if (HASH_COUNT(r->authorities) >= AUTHORITIES_MAX)
			forget_authorities(r);
		a = xcalloc(1, sizeof(*a) + len);
		a->x = x;
		a->len = len;
		memcpy(a->der, der, len);
		HASH_ADD_KEYPTR(hh, r->authorities, a->der, a->len, a);
	}
	X509_up_ref(a->x);
	return a->x;
}

static const char *take_certificate(struct pem_reader *r, struct pem_content *out, const unsigned char *der, long len)
{
	X509 *x = out->leaf ? find_authority(r, der, (size_t)len) : d2i_X509(NULL, &der, len);
	if (!x)
		return no_sense;
	if (!out->leaf) {
		out->leaf = x;
		return NULL;
	}
	if (!out->chain)
		out->chain = sk_X509_new_null();
	invariant(out->chain && sk_X509_push(out->chain, x) > 0);
	return NULL;
}

static const char *take_key(struct pem_reader *r, struct pem_content *out, const char *name, const char *header,
			    const unsigned char *der, long len)
{
	if (strcmp(name, "ENCRYPTED PRIVATE KEY") == 0 || strstr(header, "ENCRYPTED"))
		return "its private key has a passphrase; one without is expected";
	EVP_PKEY *key = decode_key(r, der, (size_t)len);
	if (!key)
		return no_sense;
	EVP_PKEY_free(out->key); /* the last one counts */
	out->key = key;
	return NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

static const char *take_blocks(struct pem_reader *r, BIO *bio, struct pem_content *out)
{
	const char *fault = NULL;
	while (!fault) {
		char *name = NULL, *header = NULL;
		unsigned char *der = NULL;
		long len = 0;
		ERR_clear_error();
		if (PEM_read_bio(bio, &name, &header, &der, &len) != 1) {
			bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
			return at_end ? NULL : no_sense;
		}
		if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0)
			fault = take_certificate(r, out, der, len);
		else if (ends_with(name, "PRIVATE KEY"))
			fault = take_key(r, out, name, header, der, len);
		OPENSSL_cleanse(der, (size_t)len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	return fault;
}

/* The whole file on the heap, for the caller to cleanse and free. */
static const char *read_file(const char *path, char **out, size_t *out_len)
{
	struct stat st;
	*out = NULL;
	*out_len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == EACCES ? "it may not be read by the user the daemon runs as" : "it cannot be opened";
	const char *fault = NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		fault = "it is no file";
	else if (st.st_size > LIMIT_CERTIFICATE_BYTES)
		fault = "it is too large for a certificate";
	size_t size = fault ? 0 : (size_t)st.st_size, len = 0;
	char *text = xmalloc(size + 1);
	for (ssize_t n = 1; !fault && n > 0 && len < size; len += n > 0 ? (size_t)n : 0) {
		n = read(fd, text + len, size - len);
		if (n < 0)
			fault = "it cannot be read";
	}
	close(fd);
	*out = text;
	*out_len = len;
	return fault;
}

const char *pem_reader_read(struct pem_reader *r, const char *path, struct pem_content *out)
{
	char *text;
	size_t len;
	*out = (struct pem_content){0};
	const char *fault = read_file(path, &text, &len);
	if (!fault) {
		BIO *bio = BIO_new_mem_buf(text, (int)len);
		invariant(bio);
		fault = take_blocks(r, bio, out);
		BIO_free(bio);
		if (!fault && !out->leaf && !out->key)
			fault = "a PEM file with a certificate or a private key is expected";
	}
	if (fault)
		pem_content_finish(out);
	if (text)
		OPENSSL_cleanse(text, len);
	free(text);
	ERR_clear_error();
	return fault;
}

bool certificate_key_id(EVP_PKEY *key, unsigned char out[CERTIFICATE_KEY_ID_BYTES])
{
	unsigned char bytes[2048];
	size_t len = 0;
	BIGNUM *modulus = NULL;
	if (!key)
		return false;
	ERR_clear_error();
	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes), &len) != 1) {
		if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1 &&
		    (size_t)BN_num_bytes(modulus) <= sizeof(bytes))
			len = (size_t)BN_bn2bin(modulus, bytes);
		BN_free(modulus);
	}
	ERR_clear_error();
	return len > 0 && EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL) == 1;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;
	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

struct certificate *certificate_create(X509 *leaf, STACK_OF(X509) *chain, EVP_PKEY *key, const char *file)
{
	size_t len = strlen(file) + 1;
	struct certificate *c = xcalloc(1, sizeof(*c) + len);
	c->refs = 1;
	c->leaf = leaf;
	c->key = key;
	c->chain = chain ? X509_chain_up_ref(chain) : NULL;
	invariant(X509_up_ref(leaf) && EVP_PKEY_up_ref(key) && (!chain || c->chain));
	c->begins_s = seconds_of(X509_get0_notBefore(leaf));
	c->ends_s = seconds_of(X509_get0_notAfter(leaf));
	memcpy(c->file, file, len);
	return c;
}

void certificate_acquire(struct certificate *c)
{
	c->refs++;
}

void certificate_release(struct certificate *c)
{
	if (!c || --c->refs > 0)
		return;
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

bool certificate_use(const struct certificate *c, SSL *ssl)
{
	/* 1: in the place of one of the same kind that is there. */
	return SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) == 1;
}

bool certificate_is_rsa(const struct certificate *c)
{
	return EVP_PKEY_get_base_id(c->key) == EVP_PKEY_RSA;
}

/* A name of more than 253 bytes, or with a NUL in it, is none. */
static bool tell_name(const unsigned char *bytes, int len, void (*each)(void *ctx, const char *name), void *ctx)
{
	char name[256];
	if (len <= 0 || (size_t)len >= sizeof(name) || memchr(bytes, 0, (size_t)len))
		return false;
	for (int i = 0; i < len; i++)
		name[i] = (char)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] - 'A' + 'a' : bytes[i]);
	name[len] = '\0';
	each(ctx, name);
	return true;
}

void certificate_each_name(const struct certificate *c, void (*each)(void *ctx, const char *name), void *ctx)
{
	bool any = false;
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DNS)
			any |= tell_name(ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName), each, ctx);
	}
	GENERAL_NAMES_free(names);
	const X509_NAME *subject = X509_get_subject_name(c->leaf);
	int at = any ? -1 : X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at >= 0) {
		const ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
		tell_name(ASN1_STRING_get0_data(cn), ASN1_STRING_length(cn), each, ctx);
	}
}
