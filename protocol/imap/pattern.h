/* The patterns of LIST and LSUB (RFC 3501 6.3.8): '*' is any run of octets, '%' any run without '/'. */
#ifndef IMAP_PATTERN_H
#define IMAP_PATTERN_H

#include "protocol/arena.h"

struct pattern {
	struct span text;   /* UTF-8, NFC, no two wildcards side by side; in the arena */
	size_t literal;     /* octets before the first wildcard */
	bool never;         /* it is not a pattern that any name can match */
};

/* What a client asks for: the reference and the pattern, one after the other, in the wire's encoding. */
void pattern_init(struct pattern *p, struct arena *a, struct span reference, struct span pattern, unsigned dialect);
/* Does it match a name within (name.h), the whole of it? In time O(pattern x name) at worst, without allocation. */
bool pattern_matches(const struct pattern *p, const char *name);

#endif
