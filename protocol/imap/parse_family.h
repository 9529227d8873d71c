/* Between parse.c, which has the table of commands, and the files that parse the arguments of a family of them. Each
 * function begins at the space behind the command's name and fails in the lexer. */
#ifndef IMAP_PARSE_FAMILY_H
#define IMAP_PARSE_FAMILY_H

#include "protocol/imap/parse.h"

void parse_login(struct lexer *lx, struct request *r);
void parse_authenticate(struct lexer *lx, struct request *r);
void parse_compress(struct lexer *lx, struct request *r);
void parse_enable(struct lexer *lx, struct request *r);
void parse_id(struct lexer *lx, struct request *r);

void parse_mailbox(struct lexer *lx, struct request *r);
void parse_select(struct lexer *lx, struct request *r);
void parse_create(struct lexer *lx, struct request *r);
void parse_rename(struct lexer *lx, struct request *r);
void parse_status_command(struct lexer *lx, struct request *r);
void parse_list(struct lexer *lx, struct request *r);

void parse_getmetadata(struct lexer *lx, struct request *r);
void parse_setmetadata(struct lexer *lx, struct request *r);
void parse_quota(struct lexer *lx, struct request *r);
/* "(" entry *(SP entry) ")"; `above`: also levels above entries. */
void parse_metadata_names(struct lexer *lx, bool above, struct metadata_names *out);
void parse_append_command(struct lexer *lx, struct request *r);

void parse_fetch(struct lexer *lx, struct request *r);
/* What is between the brackets of BODY[...]. */
void parse_section(struct lexer *lx, struct section *s);
/* "(" fetch-att *(SP fetch-att) ")" */
void parse_fetch_items(struct lexer *lx, struct fetch_request *f);
void parse_notify(struct lexer *lx, struct request *r);
void parse_store(struct lexer *lx, struct request *r);
void parse_copy(struct lexer *lx, struct request *r);
void parse_batches(struct lexer *lx, struct request *r);
void parse_expunge(struct lexer *lx, struct request *r);
void parse_search(struct lexer *lx, struct request *r);
void parse_sort(struct lexer *lx, struct request *r);
void parse_thread(struct lexer *lx, struct request *r);
/* "(" return options ")" */
void parse_search_returns(struct lexer *lx, struct search_request *s);
/* The keys, to the end. */
void parse_search_program(struct lexer *lx, struct search_request *s);

/* "tag SP". The span is absent when there is no tag; one that ends the text is a tag. */
struct span parse_tag(struct lexer *lx);
enum parse_status parse_status_of(const struct lexer *lx, struct parse_error *error);
/* "(" word *(SP word) ")" over a table: the bits 1 << index of the words. `message` when one is not in it. */
uint32_t parse_words(struct lexer *lx, const char *const *names, size_t n, const char *message);

#endif
