/*
 * The words of RFC 3501 9 in a command's text, one after another.  The text is a whole command as reader.h gives it:
 * literals in place behind their "{n}CRLF".
 *
 * Errors latch: the first one stays with its offset, and every later step is a no-op that returns something harmless
 * (an empty span, 0), so that a parser is written straight down and looks at the error at its end.  Spans that are
 * returned point into the text, or into the arena where quoting had to be undone.
 */
#ifndef IMAP_LEXER_H
#define IMAP_LEXER_H

#include "protocol/arena.h"
#include "protocol/imap/limits.h"

/* What the client has enabled (RFC 5161): a word of bits that parsers, writers and views take. */
enum {
	DIALECT_REV1 = 0,
	DIALECT_UTF8 = 1,      /* UTF-8 in quoted strings we send, names not in UTF-7 (RFC 9755 3, RFC 9051 4.3) */
	DIALECT_REV2 = 2,      /* RFC 9051; with DIALECT_UTF8 */
	DIALECT_CONDSTORE = 4, /* MODSEQ in each FETCH (RFC 7162 3.1) */
	DIALECT_QRESYNC = 8,   /* VANISHED for EXPUNGE (RFC 7162 3.2); with DIALECT_CONDSTORE */
	DIALECT_UIDONLY = 16,  /* no sequence numbers (RFC 9586) */
	DIALECT_METADATA = 32, /* changes of annotations are told (RFC 5464 4.1) */
};

struct parse_error {
	size_t offset;          /* in the text */
	const char *message;    /* static; NULL while all is well */
	enum parse_limit limit; /* the syntax is right, but for this limit */
	const char *code;       /* static, for the answer's brackets; NULL for none */
};

struct lexer {
	struct arena *arena;
	const char *begin, *at, *end;
	unsigned dialect;
	unsigned header_fields, search_keys; /* counted over the whole command */
	bool search_modseq;                  /* MODSEQ was among the keys */
	bool search_numbers;                 /* and a set of sequence numbers */
	bool search_fuzzy;                   /* and FUZZY */
	struct parse_error error;
};

void lexer_init(struct lexer *lx, struct arena *arena, struct span text, unsigned dialect);
void lexer_fail(struct lexer *lx, const char *message);
/* Fails with [UIDREQUIRED] where the client has given up sequence numbers (RFC 9586 3). */
void lexer_takes_numbers(struct lexer *lx);
/* Fails when `n` is above the limit. False when it did, or had failed before. */
bool lexer_within(struct lexer *lx, enum parse_limit limit, size_t n);
static inline bool lexer_failed(const struct lexer *lx)
{
	return lx->error.message != NULL;
}

/* The next octet is `c`? False at the end and after an error. */
static inline bool lexer_peek(const struct lexer *lx, char c)
{
	return !lexer_failed(lx) && lx->at < lx->end && *lx->at == c;
}
bool lexer_peek_digit(const struct lexer *lx);
/* Passes `c` if it comes next. */
bool lexer_accept(struct lexer *lx, char c);
/* Passes the word, in any case, if it comes next and is not the beginning of a longer atom. */
bool lexer_accept_word(struct lexer *lx, const char *word);
void lexer_expect(struct lexer *lx, char c, const char *message);
/* Exactly one SP. */
void lexer_space(struct lexer *lx);
/* Nothing may follow. */
void lexer_end(struct lexer *lx);

/* "(" [item *(SP item)] ")":  for (bool on = lexer_list(lx); on; on = lexer_list_more(lx)) item(lx); */
bool lexer_list(struct lexer *lx);
bool lexer_list_more(struct lexer *lx);

struct span lexer_tag(struct lexer *lx);
struct span lexer_atom(struct lexer *lx);
/* An atom up to `stop` as well: FETCH items end before "[". */
struct span lexer_atom_before(struct lexer *lx, char stop);
struct span lexer_quoted(struct lexer *lx);
struct span lexer_string(struct lexer *lx);
/* NIL is ptr == NULL. */
struct span lexer_nstring(struct lexer *lx);
/* nstring / literal8: any octets (RFC 5464 5, RFC 3516). */
struct span lexer_value(struct lexer *lx);
/* NIL is a word like any other here (RFC 9051 4.5). */
struct span lexer_astring(struct lexer *lx);
/* list-mailbox: as astring, with wildcards. */
struct span lexer_pattern(struct lexer *lx);
uint64_t lexer_number(struct lexer *lx, uint64_t max);
/* From 1, without leading zeros. */
uint32_t lexer_nz_number(struct lexer *lx);

/* What may stand in an atom (RFC 3501 9, ATOM-CHAR) and an astring: writers choose quoting by these. */
bool is_atom_char(char c);
bool is_astring_char(char c);

#endif
