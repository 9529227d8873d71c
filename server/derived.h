/*
 * From what the parser found in a message to what is stored beside it: the same for whatever way the message came.
 * Pure; any thread.
 */
#ifndef SERVER_DERIVED_H
#define SERVER_DERIVED_H

#include "protocol/mime/keys.h"
#include "protocol/mime/parser.h"
#include "storage/content.h"

struct derived {
	struct content_meta meta; /* points into the summary, and into the rest of this struct */
	struct mime_sort_key sort;
	struct mime_thread_key key;
	struct bytes ids[1 + MIME_REFERENCES_MAX];
};

/* All of `meta` but the digest. */
void derived_make(struct derived *d, const struct mime_summary *summary);

#endif
