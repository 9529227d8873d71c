/*
 * What SORT (RFC 5256, 5957) and THREAD (RFC 5256) ask of a message, computed once and stored beside it.  Strings are
 * folded for comparison (text.h), so that comparing is memcmp(); each is cut at MIME_KEY_MAX bytes.  What is no UTF-8 is
 * not folded, and has MIME_KEY_NO_TEXT in front: it comes behind all others (RFC 5255 4.6).
 *
 *	sort    version, flags, sent date (8 bytes, little-endian, seconds UTC), then the strings in the order of
 *	        enum mime_sort_string, each behind its length (2 bytes)
 *	thread  version, 0, then the message's own ID and those it refers to, eldest first, each behind its length
 *
 * Reading trusts nothing.  Pure; any thread.
 */
#ifndef MIME_KEYS_H
#define MIME_KEYS_H

#include "protocol/mime/date.h"
#include "protocol/mime/header.h"

enum {
	MIME_KEYS_VERSION = 1,
	MIME_KEY_NO_TEXT = '\xff',
	MIME_KEY_MAX = 500,        /* bytes of one sort string */
	MIME_REFERENCES_MAX = 100, /* ancestors kept */
	MIME_THREAD_MAX = 16384    /* bytes of them */
};

enum mime_sort_string {
	SORT_SUBJECT,      /* the base subject */
	SORT_FROM,         /* local part of the first address, or a group's name; empty: there is none */
	SORT_TO,
	SORT_CC,
	SORT_DISPLAY_FROM, /* its display name, else the address (RFC 5957 3) */
	SORT_DISPLAY_TO,
	SORT_STRING_COUNT
};

struct mime_sort_key {
	bool has_date;     /* else the internal date counts (RFC 5256 2.2) */
	bool is_reply;     /* the subject says so: THREAD wants to know */
	int64_t utc_s;
	struct span string[SORT_STRING_COUNT]; /* point into what was read */
};

struct mime_thread_key {
	struct span id; /* empty: none that is valid */
	struct span reference[MIME_REFERENCES_MAX];
	size_t references_n;
};

/* `date` NULL: there is none. */
void mime_sort_key_write(const struct mime_header *h, const struct mime_date *date, struct buf *out);
/* References, else the first ID of In-Reply-To.  Of too many the eldest and the youngest are kept. */
void mime_thread_key_write(const struct mime_header *h, struct buf *out);
/* False: it is damaged, or of another version. */
MUST_USE bool mime_sort_key_read(struct span stored, struct mime_sort_key *out);
MUST_USE bool mime_thread_key_read(struct span stored, struct mime_thread_key *out);

#endif
