/* A request as a client would have written it, in one spelling: for tests that parse, print and parse again. */
#ifndef TESTS_REQUEST_PRINT_H
#define TESTS_REQUEST_PRINT_H

#include "protocol/buf.h"
#include "protocol/imap/request.h"

/* Without the line end. Literals are {n}. */
void request_print(struct buf *out, const struct request *r);
/* A piece of an APPEND or REPLACE, up to the head of its literal. */
/* `in_list`: it goes on inside CATENATE's list. */
void append_print(struct buf *out, const struct append_request *r, bool in_list);

#endif
