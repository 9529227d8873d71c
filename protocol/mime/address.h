/*
 * Address lists (RFC 5322 3.4, obsolete syntax of 4.4, groups anywhere as RFC 6854 has it), and whatever else arrives
 * (RFC 7103 7.1): the reader takes any octets, in time linear in their number.  Pure; any thread.
 */
#ifndef MIME_ADDRESS_H
#define MIME_ADDRESS_H

#include "protocol/buf.h"

/* In the place of what an address should have and has not: a NIL host says "group" (RFC 3501 7.4.2). */
#define MIME_MISSING_MAILBOX "MISSING_MAILBOX"
#define MIME_MISSING_DOMAIN "MISSING_DOMAIN"

enum mime_address_kind { ADDRESS_MAILBOX, ADDRESS_GROUP_START, ADDRESS_GROUP_END };

/* The spans are valid until the next call for the same reader.  Quoting and comments are resolved; encoded-words
 * and 8-bit text are left as they are.  Each is at most 4 KiB, longer ones are cut. */
struct mime_address {
	enum mime_address_kind kind;
	struct span name;    /* phrase, or the trailing comment of `a@b (Name)`; ptr NULL: none */
	struct span route;   /* RFC 5322 4.4 obs-route without its colon; ptr NULL: none */
	struct span mailbox; /* local part; of a GROUP_START the group's name (may be empty) */
	struct span host;
};

struct mime_address_reader {
	struct span rest;
	bool in_group;
	bool no_quote, no_comment; /* what opens from here on is never closed: plain characters */
	struct buf phrase, comment, spec, route, trailing;
};

/* `value` is a raw or unfolded field value, and must outlive the reader. */
void mime_address_init(struct mime_address_reader *r, struct span value);
/* Accepts a zeroed struct. */
void mime_address_finish(struct mime_address_reader *r);
/* Another field's value; keeps the memory. */
void mime_address_reset(struct mime_address_reader *r, struct span value);
/* False at the end.  An open group is ended by the end. */
bool mime_address_next(struct mime_address_reader *r, struct mime_address *out);

#endif
