/* Flags in commands (RFC 3501 2.3.2, 9): the five a client can set, and keywords. */
#ifndef IMAP_FLAGS_H
#define IMAP_FLAGS_H

#include "protocol/buf.h"
#include "protocol/imap/lexer.h"

/* The order and values are the store's. */
enum { IMAP_ANSWERED = 1, IMAP_FLAGGED = 2, IMAP_DELETED = 4, IMAP_SEEN = 8, IMAP_DRAFT = 16 };

struct flag_list {
	uint32_t bits;        /* IMAP_* */
	struct span keywords; /* as sent, separated by single spaces, NUL-terminated; "" for none */
	unsigned keywords_n;
};

/* flag-list: "(" [flag *(SP flag)] ")". \Recent, \* and unknown \Words cannot be set. */
void flags_parse_list(struct lexer *lx, struct flag_list *out);
/* What STORE has: a flag-list, or flag *(SP flag) to the end. */
void flags_parse_store(struct lexer *lx, struct flag_list *out);
/* "\Answered \Seen": the names of the bits. */
void flags_write(struct buf *out, uint32_t bits);

#endif
