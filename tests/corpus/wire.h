/* A strict reader of what a server writes in parentheses (RFC 3501 9): a tree of strings, numbers, NIL and lists. */
#ifndef TESTS_CORPUS_WIRE_H
#define TESTS_CORPUS_WIRE_H

#include "protocol/buf.h"

enum wire_kind { WIRE_NIL, WIRE_STRING, WIRE_NUMBER, WIRE_LIST };

struct wire_node {
	enum wire_kind kind;
	bool spaced;        /* one space stands before it */
	struct span text;   /* as it stands on the wire */
	struct span value;  /* of a STRING: between the quotes, or the literal's octets */
	uint64_t number;
	uint32_t items;     /* of a LIST */
	uint32_t next;      /* behind it and all inside: its next sibling, if its parent has one */
};

struct wire {
	struct buf nodes; /* struct wire_node[], each before what is inside it */
	const char *why;  /* NULL: well-formed */
};

/* Reads one value, all of `text`.  False: it is not well-formed. */
bool wire_read(struct wire *w, struct span text);
void wire_finish(struct wire *w);

static inline const struct wire_node *wire_at(const struct wire *w, uint32_t i)
{
	return (const struct wire_node *)(const void *)w->nodes.data + i;
}

#endif
