/*
 * Comma-separated values (RFC 4180): fields in quotes may hold commas, line ends and doubled quotes.  Lines may end in LF, and a
 * byte order mark before the first is passed by.  Pure; the text is changed as it is read.
 */
#ifndef SERVER_CSV_H
#define SERVER_CSV_H

#include "protocol/base.h"

#include <stdio.h>

enum { CSV_FIELDS_MAX = 64 };

struct csv {
	char *at, *end;
	unsigned line; /* of the record that was read last, from 1 */
	unsigned next_line;
	char *fields[CSV_FIELDS_MAX]; /* of that record, in the text; NUL ends each */
	size_t n;
	const char *wrong; /* what it was that could not be read; static */
};

/* `text` has `len` bytes and room for one more. */
void csv_init(struct csv *c, char *text, size_t len);
/* The next record that is not empty.  False: there is none, or with c->wrong it cannot be read. */
bool csv_next(struct csv *c);
/* Prints a field, in quotes where it needs them. */
void csv_print(FILE *to, const char *text);

#endif
