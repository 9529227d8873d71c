/*
 * Structured MIME values (RFC 2045 5.1): tokens, and `; name=value` parameters with the continuations of RFC 2231
 * joined.  Any octets are taken; what cannot be read is passed over.  Pure; any thread.
 */
#ifndef MIME_PARAMS_H
#define MIME_PARAMS_H

#include "protocol/buf.h"

enum { MIME_PARAMS_MAX = 64 };

struct mime_param {
	struct span name; /* in the header; the part before any `*` of RFC 2231 */
	size_t at, len;   /* of the value in params.text */
	uint16_t section; /* RFC 2231 3, while reading */
	bool continued;   /* `name*1`: a piece */
	bool extended;    /* `name*`: charset'language'percent-encoded */
};

struct mime_params {
	struct mime_param v[MIME_PARAMS_MAX]; /* the first ones; more are passed over */
	size_t n;
	struct buf text;
};

void mime_params_init(struct mime_params *p);
/* Accepts a zeroed struct. */
void mime_params_finish(struct mime_params *p);
/* The parameters of `s` (what follows the type or the disposition, raw or unfolded), replacing what *p held. */
void mime_params_read(struct mime_params *p, struct span s);
/* The value of parameter i without quotes; valid until the next read.  At most MIME_VALUE_MAX bytes. */
struct span mime_param_value(const struct mime_params *p, size_t i);
/* The first plain parameter of that name, else the octets that the first extended one (RFC 2231 4) encodes; ptr NULL: there
 * is none.  Valid until the next read or get. */
struct span mime_params_get(struct mime_params *p, const char *name);
/* `("NAME" "value" ...)` or NIL (RFC 3501 body-fld-param), at most about 32 KiB of it, with the alternatives of
 * bodystructure.h. */
void mime_params_write(const struct mime_params *p, struct buf *out);

/* Comments, which nest, and white space; and these characters. */
void mime_skip_gap(struct span *s, const char *separators);
/* Without them. */
void mime_skip_cfws(struct span *s);
/* The token at the start of *s, behind comments and white space; empty when there is none. */
struct span mime_token(struct span *s);

#endif
