/*
 * What the server says (RFC 3501 7), one writer a thing.  All append to a buf, which latches: check it once at the
 * end.  Strings are atoms, quoted or literal as their octets ask for; what the server sends is a literal8 only
 * where the grammar has it and there is a NUL, and never non-synchronising.  No writer formats with printf.
 */
#ifndef IMAP_RESPONSE_H
#define IMAP_RESPONSE_H

#include "protocol/buf.h"
#include "protocol/imap/numset.h"

/* ---- strings ---- */

/* The longest string that is quoted. */
enum { RESPONSE_QUOTED_MAX = 1024 };

/* "x" or {1}CRLFx. 8-bit is quoted where the dialect has UTF-8 and it is that; otherwise it is a literal. */
void response_string(struct buf *out, struct span s, unsigned dialect);
/* NIL when ptr is NULL. */
void response_nstring(struct buf *out, struct span s, unsigned dialect);
/* As nstring, but ~{1}CRLFx where there is a NUL (RFC 3516 4.2, literal8). */
void response_value(struct buf *out, struct span s, unsigned dialect);
/* An atom where it can be one: never NIL, never empty. */
void response_astring(struct buf *out, struct span s, unsigned dialect);
/* "{n}CRLF"; the caller adds n octets, without NUL. */
void response_literal(struct buf *out, uint64_t size);

/* ---- lists and sets ---- */

/* A space, but behind "(" and at the beginning: to be called before each item. */
void response_separate(struct buf *out);
/* A range of a set: "lo:hi" or "lo", behind a comma unless it is `first`. */
void response_range(struct buf *out, bool first, uint32_t lo, uint32_t hi);
/* Numbers as a set in the order given: runs that ascend by one become ranges, nothing is sorted (RFC 4315 3). */
void response_set(struct buf *out, const uint32_t *v, size_t n);

/* ---- status responses ---- */

enum response_word { RESPONSE_OK, RESPONSE_NO, RESPONSE_BAD, RESPONSE_BYE, RESPONSE_PREAUTH };

/* "tag OK [code] text". Untagged when the tag's ptr is NULL; no code when it is NULL. The text is not empty and does
 * not begin with "[". */
void response_status(struct buf *out, struct span tag, enum response_word word, const char *code, const char *text);
/* "* OK [UIDNEXT 5] text" and its like. */
void response_ok_number(struct buf *out, const char *code, uint64_t number, const char *text);
/* "* OK [MAILBOXID (id)] text" (RFC 8474 4.2) */
void response_ok_mailboxid(struct buf *out, const char *id);
/* "+ text": text behind the plus is demanded by the grammar (RFC 3501 9, continue-req). */
void response_continue(struct buf *out, const char *text);
/* "+ base64": an empty challenge is "+ " (RFC 3501 6.2.2). */
void response_challenge(struct buf *out, struct span base64);

/* Codes with arguments, without brackets. */
void response_code_appenduid(struct buf *out, uint32_t uidvalidity, uint32_t first, uint32_t last);
void response_code_badcharset(struct buf *out);

/* ---- untagged data ---- */

/* "* 12 EXISTS", RECENT, EXPUNGE. */
void response_number(struct buf *out, uint32_t number, const char *word);
/* "* FLAGS (text)"; the text is flags separated by single spaces. */
void response_flags(struct buf *out, struct span text);
/* "* OK [PERMANENTFLAGS (text \*)] ..."; \* when new keywords can be made. */
void response_permanent_flags(struct buf *out, struct span text, bool new_keywords);
/* "* ENABLED a b" */
void response_enabled(struct buf *out, const char *const *names, size_t n);
/* "* ID (...)": keys and values, or NIL when there are none (RFC 2971 3.2). */
struct response_id_field {
	const char *key, *value;
};
void response_id(struct buf *out, const struct response_id_field *fields, size_t n);

/* "* SEARCH 1 2 5 (MODSEQ 917)": begin, numbers of each range, end; modseq is 0 for none (RFC 7162 3.1.5). */
void response_search_begin(struct buf *out);
/* The same with "* SORT"; and "* THREAD", which the threads follow, then the line's end. */
void response_sort_begin(struct buf *out);
void response_thread_begin(struct buf *out);
void response_search_range(struct buf *out, uint32_t lo, uint32_t hi);
void response_search_end(struct buf *out, uint64_t modseq);

/* ESEARCH (RFC 4466 2.6.2, 4731): MIN, MAX and COUNT at once; then, for ALL and only if there are any, the set. */
struct response_esearch {
	struct span tag;
	bool uid;
	uint32_t min, max; /* 0: not wanted, or nothing found */
	bool has_count;
	uint64_t count;
};
void response_esearch_begin(struct buf *out, const struct response_esearch *e);
void response_esearch_all(struct buf *out); /* " ALL ": response_range() follows */
/* "* OK [INPROGRESS (\"tag\" done total)] text" (RFC 9585 4): done < total. */
void response_inprogress(struct buf *out, struct span tag, uint64_t done, uint64_t total);
/* "* UIDBATCHES (TAG "a")" (RFC 10022 4), without the line's end. */
void response_batches_begin(struct buf *out, struct span tag);
/* " PARTIAL (1:100 ": response_range() follows, if there are any; then the end (RFC 9394 4). */
void response_esearch_partial(struct buf *out, const struct partial *p);
void response_esearch_partial_end(struct buf *out, bool any);
/* " RELEVANCY (": scores follow, if there are any; then the end (RFC 6203 7). */
void response_esearch_scores(struct buf *out);
void response_score(struct buf *out, bool first, unsigned score);
void response_esearch_scores_end(struct buf *out);
void response_esearch_end(struct buf *out, uint64_t modseq);

#endif
