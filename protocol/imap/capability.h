/* What CAPABILITY lists, and when (RFC 3501 6.1.1, 7.2.1): one table. */
#ifndef IMAP_CAPABILITY_H
#define IMAP_CAPABILITY_H

#include "protocol/buf.h"

/* What the list depends on. */
enum { CAPABILITY_OFF_MAX = 3 };

struct capability_context {
	bool logged_in;
	bool has_starttls;      /* TLS can still be started on this connection */
	bool has_compress;      /* compression can still be started on it */
	bool sets_quotas;       /* SETQUOTA is for who has logged in */
	bool may_log_in;        /* false: LOGINDISABLED (RFC 3501 6.2.3) */
	const char *mechanisms; /* SASL mechanisms that may be used now, separated by single spaces */
	uint64_t append_limit;  /* octets (RFC 7889) */
	bool literal_minus;     /* LITERAL- in place of LITERAL+ (RFC 7888 5) */
	const char *off[CAPABILITY_OFF_MAX];     /* names that are not listed, separated by single spaces; NULL: none */
};

/* "IMAP4rev1 ...", for the response and for the [CAPABILITY ...] code. */
void capability_write(struct buf *out, const struct capability_context *context);

/* Is it among the names, separated by single spaces, in any case?  NULL: there are none. */
bool capability_is_named(const char *names, struct span name);
/* Can these names, separated by single spaces, be left out?  AUTH and APPENDLIMIT are so called, without what follows their
 * "="; IMAP4rev1 stays.  False: `wrong` is the first that cannot. */
MUST_USE bool capability_can_be_off(const char *names, struct span *wrong);

/* The names in the table, for tests and documentation; NULL behind the end. */
const char *capability_name_at(size_t index);

#endif
