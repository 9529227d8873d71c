#include "server/revocations.h"

#include "server/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <uv.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct revocations {
	const char *path;
	STACK_OF(X509) *authorities;
	struct stat seen; /* of what was read; the looking thread's */
	bool late_logged;
	uv_mutex_t mutex;
	STACK_OF(X509_CRL) *lists;
};

struct revocations *revocations_create(const char *path, X509_STORE *authorities)
{
	struct revocations *r = xcalloc(1, sizeof(*r));
	r->path = path;
	r->authorities = X509_STORE_get1_all_certs(authorities);
	r->lists = sk_X509_CRL_new_null();
	invariant(r->authorities && r->lists && uv_mutex_init(&r->mutex) == 0);
	return r;
}

void revocations_destroy(struct revocations *r)
{
	if (!r)
		return;
	sk_X509_pop_free(r->authorities, X509_free);
	sk_X509_CRL_pop_free(r->lists, X509_CRL_free);
	uv_mutex_destroy(&r->mutex);
	free(r);
}

static bool is_signed(const struct revocations *r, X509_CRL *list)
{
	for (int i = 0; i < sk_X509_num(r->authorities); i++) {
		X509 *x = sk_X509_value(r->authorities, i);
		if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(x)) == 0 &&
		    X509_CRL_verify(list, X509_get0_pubkey(x)) == 1)
			return true;
	}
	return false;
}

/* NULL with *reason. */
static STACK_OF(X509_CRL) *read_lists(const struct revocations *r, const char **reason)
{
	BIO *file = BIO_new_file(r->path, "rb");
	STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
	X509_CRL *list;
	invariant(lists);
	*reason = file ? NULL : strerror(errno);
	while (file && (list = PEM_read_bio_X509_CRL(file, NULL, NULL, NULL)))
		invariant(sk_X509_CRL_push(lists, list) > 0);
	if (file && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		*reason = "what is in it is broken";
	if (file && !*reason && sk_X509_CRL_num(lists) == 0) {
		(void)BIO_reset(file);
		list = d2i_X509_CRL_bio(file, NULL);
		if (list)
			invariant(sk_X509_CRL_push(lists, list) > 0);
		else
			*reason = "a list of revoked certificates is expected, in PEM or DER";
	}
	for (int i = 0; !*reason && i < sk_X509_CRL_num(lists); i++)
		if (!is_signed(r, sk_X509_CRL_value(lists, i)))
			*reason = "a list in it is not signed by one of the authorities";
	BIO_free(file);
	ERR_clear_error();
	if (!*reason)
		return lists;
	sk_X509_CRL_pop_free(lists, X509_CRL_free);
	return NULL;
}

static bool is_late(const X509_CRL *list)
{
	const ASN1_TIME *until = X509_CRL_get0_nextUpdate(list);
	return until && X509_cmp_current_time(until) <= 0;
}

static void warn_of_late(struct revocations *r)
{
	bool late = false;
	for (int i = 0; i < sk_X509_CRL_num(r->lists); i++)
		late |= is_late(sk_X509_CRL_value(r->lists, i));
	if (late && !r->late_logged)
		log_event(LOG_WARNING, "revocations_expired", log_text("file", r->path));
	r->late_logged = late;
}

static bool is_as_seen(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool revocations_look(struct revocations *r)
{
	struct stat now;
	const char *reason;
	if (stat(r->path, &now) != 0)
		memset(&now, 0, sizeof(now)); /* reading it says why */
	else if (is_as_seen(&now, &r->seen)) {
		warn_of_late(r);
		return true;
	}
	STACK_OF(X509_CRL) *lists = read_lists(r, &reason);
	if (!lists) {
		log_event(LOG_WARNING, "revocations_failed", log_text("file", r->path), log_text("reason", reason));
		return false;
	}
	r->seen = now;
	uv_mutex_lock(&r->mutex);
	STACK_OF(X509_CRL) *before = r->lists;
	r->lists = lists;
	uv_mutex_unlock(&r->mutex);
	sk_X509_CRL_pop_free(before, X509_CRL_free);
	log_event(LOG_INFO, "revocations_read", log_text("file", r->path), log_number("lists", sk_X509_CRL_num(lists)));
	warn_of_late(r);
	return true;
}

bool revocations_have(struct revocations *r, const X509 *x)
{
	bool listed = false, current = false, revoked = false;
	uv_mutex_lock(&r->mutex);
	for (int i = 0; i < sk_X509_CRL_num(r->lists); i++) {
		X509_CRL *list = sk_X509_CRL_value(r->lists, i);
		X509_REVOKED *entry;
		if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_issuer_name(x)) != 0)
			continue;
		listed = true;
		current |= !is_late(list);
		/* 2: it was on hold, and is given back (RFC 5280 5.3.1). */
		revoked |= X509_CRL_get0_by_serial(list, &entry, X509_get0_serialNumber(x)) == 1;
	}
	uv_mutex_unlock(&r->mutex);
	return listed && (!current || revoked);
}
