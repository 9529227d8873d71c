#include "server/csv.h"

#include <stdio.h>
#include <string.h>

void csv_init(struct csv *c, char *text, size_t len)
{
	*c = (struct csv){.at = text, .end = text + len, .next_line = 1};
	text[len] = '\0';
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		c->at += 3;
}

/* Behind its first quote; returns where it ends, or NULL. */
static char *read_quoted(struct csv *c, char *from)
{
	char *to = from;
	for (char *p = from; p < c->end; p++) {
		c->next_line += *p == '\n';
		if (*p == '"' && p[1] != '"') {
			*to = '\0';
			return p + 1;
		}
		p += *p == '"';
		*to++ = *p;
	}
	c->wrong = "a quote is not closed";
	return NULL;
}

/* Takes one field; *out_last: its line ends with it. */
static bool read_field(struct csv *c, bool *out_last)
{
	char *field = c->at, *end;
	if (c->n == CSV_FIELDS_MAX) {
		c->wrong = "there are too many fields";
		return false;
	}
	if (*field == '"') {
		end = read_quoted(c, ++field);
		if (!end)
			return false;
	} else {
		end = field + strcspn(field, ",\r\n");
	}
	bool at_end = end >= c->end;
	char *after = end + (*end == '\r' && end[1] == '\n');
	if (!at_end && *after != ',' && *after != '\n') {
		c->wrong = *end ? "something follows a closing quote" : "there is a NUL";
		return false;
	}
	*out_last = at_end || *after == '\n';
	c->next_line += !at_end && *after == '\n';
	*end = '\0';
	c->fields[c->n++] = field;
	c->at = at_end ? c->end : after + 1;
	return true;
}

bool csv_next(struct csv *c)
{
	do {
		bool last = false;
		c->n = 0;
		c->line = c->next_line;
		if (c->at >= c->end)
			return false;
		while (!last)
			if (!read_field(c, &last))
				return false;
	} while (c->n == 1 && !*c->fields[0]);
	return true;
}

void csv_print(FILE *to, const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', to);
		fputc(*text, to);
	}
	fputc('"', to);
}
