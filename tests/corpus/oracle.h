/*
 * What must hold for the description of any message, checked from outside: the answers are read back by a strict parser
 * of RFC 3501's grammar that shares nothing with the writer, and compared with the bytes of the message.
 */
#ifndef TESTS_CORPUS_ORACLE_H
#define TESTS_CORPUS_ORACLE_H

#include "protocol/span.h"

/* NULL when all holds, else what does not (static text).  `message` is of the CRLF form; `seed` chooses the cuts. */
const char *oracle_check(struct span message, unsigned seed);

#endif
