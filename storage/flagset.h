/*
 * Flag sets are interned: a message's flags are the id of one of the account's distinct sets.  Each carries
 * its bits (for SEARCH) and its text as it goes on the wire (for FETCH).
 */
#ifndef STORAGE_FLAGSET_H
#define STORAGE_FLAGSET_H

#include "storage/account.h"

enum { FLAG_ANSWERED = 1, FLAG_FLAGGED = 2, FLAG_DELETED = 4, FLAG_SEEN = 8, FLAG_DRAFT = 16 };
enum { FLAG_KEYWORDS_MAX = 64, FLAG_KEYWORD_BYTES_MAX = 100, FLAGSETS_MAX = 65536 };

struct flagset {
	uint32_t system;  /* FLAG_* */
	char *keywords;   /* " a b" : each with a leading space, sorted without regard to case */
	char *text;       /* "\Seen a b", as inside FLAGS () */
};

enum flag_op { FLAG_ADD, FLAG_REMOVE, FLAG_SET };

/* What a client names: system bits and keywords separated by spaces. */
struct flag_spec {
	uint32_t system;
	const char *keywords; /* "a b", NUL-terminated; "" for none */
};

enum store_err flagset_load(struct account *a);
void flagset_unload(struct account *a);
/* The id of the set that `op` with `spec` makes of set `from`.  Only inside an op.
 * STORE_LIMIT: too many keywords or sets. */
MUST_USE enum store_err flagset_apply(struct account *a, uint32_t from, enum flag_op op,
				      const struct flag_spec *spec, uint32_t *out);
/* Set 0 is the empty set.  The pointers live until the account closes or an op fails. */
const struct flagset *flagset_get(const struct account *a, uint32_t id);
bool flagset_has_keyword(const struct flagset *set, const char *keyword, size_t len);

#endif
