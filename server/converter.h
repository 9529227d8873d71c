/*
 * Text of attachments that are none: programs of the configuration (its sections `convert`), each of which reads a document
 * from standard input and writes its text, UTF-8, to standard output.  Both are files without a name.
 *
 * A document comes from a stranger, and such programs have been broken into by one.  So each runs alone, with low
 * priority, without a shell, with an environment and a process group of its own and none of our descriptors; its time, its
 * memory and what it writes are limited; it may read what the system has installed and write to /tmp, and that is all
 * (confine.h); whatever is left of it when its time is up is killed.
 */
#ifndef SERVER_CONVERTER_H
#define SERVER_CONVERTER_H

#include "protocol/span.h"
#include "server/config.h"

#include <stdatomic.h>

enum { CONVERTER_WORDS_MAX = 16, CONVERTER_WHY_MAX = 64 };

/* The section for a part of that media type ("application/pdf") and file name ("": none is known); NULL: there is none. */
const struct convert_config *converter_find(const struct config *c, struct span type, struct span name);
/* What the sections are, as a number: others would make other texts.  Not 0. */
int64_t converters_sum(const struct config *c);
/* False: `command` cannot be one. */
bool converter_is_command(const char *command);

/* Runs the program, and waits for it: from `in`, read from its start, behind what is in `out` already.  False: it failed, and
 * `why` is set; what it wrote by then is in `out` all the same.  When `out` has LIMIT_CONVERT_TEXT_BYTES it is ended,
 * which is no failure.  `*stop` ends it early.  Any thread. */
MUST_USE bool converter_run(const struct convert_config *how, int in, int out, const atomic_bool *stop,
			    char why[CONVERTER_WHY_MAX]);

#endif
