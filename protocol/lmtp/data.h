/*
 * The message after DATA, as a stream in any cuts: dots that were stuffed are taken out, and CRLF "." CRLF is the end
 * (RFC 5321 4.5.2).  A line begins behind a CRLF and nowhere else: dots behind a bare LF or a bare CR are data, so that
 * no message can be smuggled in another.  Line ends are left as they are.
 */
#ifndef LMTP_DATA_H
#define LMTP_DATA_H

#include "protocol/span.h"

/* {0} is behind the line of DATA itself. */
struct lmtp_data {
	enum lmtp_data_state {
		DATA_LINE_START,
		DATA_TEXT,
		DATA_CR,     /* a CR went by, as text */
		DATA_DOT,    /* a dot at a line's start, which is not text */
		DATA_DOT_CR, /* and a CR behind it, held back */
		DATA_END
	} state;
};

/* The next octets of the message in *in, which moves past them; empty when more input is needed or the message is
 * over. They point into the input, or to static memory. */
struct span lmtp_data_next(struct lmtp_data *d, struct span *in);

static inline bool lmtp_data_ended(const struct lmtp_data *d)
{
	return d->state == DATA_END;
}

#endif
