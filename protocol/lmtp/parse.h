/* An LMTP client's commands (RFC 2033 4; RFC 5321 4.1; RFC 1870, 3030, 6152, 6531). Pure. */
#ifndef LMTP_PARSE_H
#define LMTP_PARSE_H

#include "protocol/span.h"

enum {
	LMTP_LINE_MAX = 4096,  /* a command without its line end; RFC 5321 4.5.3.1.4 asks for 512 and what extensions add */
	LMTP_PATH_MAX = 1000,  /* RFC 5321 4.5.3.1.3 asks for 256; some senders' paths are longer */
	LMTP_DOMAIN_MAX = 255, /* RFC 5321 4.5.3.1.2 */
};

enum lmtp_kind {
	LMTP_UNKNOWN, LMTP_LHLO, LMTP_HELO /* or EHLO */, LMTP_MAIL, LMTP_RCPT, LMTP_DATA, LMTP_RSET, LMTP_NOOP, LMTP_QUIT,
	LMTP_VRFY, LMTP_BDAT
};

struct lmtp_command {
	enum lmtp_kind kind;
	struct span domain;  /* LHLO: a domain or an address literal */
	/* MAIL, RCPT: what stood between < and >, without a source route (RFC 5321 4.1.1.3); empty only for MAIL. */
	struct span path;
	bool has_size;       /* MAIL: SIZE was given (RFC 1870) */
	uint64_t size;       /* at most INT64_MAX; BDAT: of the chunk */
	bool is_utf8;        /* MAIL: SMTPUTF8 was given (RFC 6531 3.4) */
	bool is_binary;      /* MAIL: BODY=BINARYMIME was given (RFC 3030 3) */
	bool is_last;        /* BDAT: the chunk is the last (RFC 3030 2) */
};

enum lmtp_error {
	LMTP_OK,
	LMTP_BAD_COMMAND,   /* not known */
	LMTP_BAD_ARGUMENTS, /* too few, too many, or none of this kind; a parameter's value that is none */
	LMTP_BAD_SENDER,    /* no reverse-path */
	LMTP_BAD_RECIPIENT, /* no forward-path */
	LMTP_BAD_PARAMETER, /* MAIL or RCPT: a parameter that was not offered */
};

/* `line` is without its line end. The kind is set whenever the verb is known. Spans point into the line. */
MUST_USE enum lmtp_error lmtp_parse(struct span line, struct lmtp_command *out);

/* The address that a path means: quoting undone, so that <"joe"@x> is <joe@x> (RFC 5321 4.1.2). Returns the length
 * without the NUL, 0 when it does not fit. */
size_t lmtp_path_address(struct span path, char *out, size_t size);

#endif
