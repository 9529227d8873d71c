/*
 * Flag sets are interned: a message's flags are the id of one of the account's distinct sets, system flags and keywords
 * together.  A set carries its text, ready for the wire, and its bits, ready for SEARCH; STORE maps id to id.  Keywords
 * are interned too, without regard to case and in the spelling that came first (RFC 3501 9: flags are case-insensitive).
 *
 * Ids are never reused; what a failed op made is taken back.  Thread: the account's lane.
 */
#ifndef STORAGE_FLAGSET_H
#define STORAGE_FLAGSET_H

#include "storage/account.h"

enum { FLAG_ANSWERED = 1, FLAG_FLAGGED = 2, FLAG_DELETED = 4, FLAG_SEEN = 8, FLAG_DRAFT = 16 };
enum {
	FLAG_KEYWORDS_MAX = 64,       /* a message */
	FLAG_KEYWORD_BYTES_MAX = 100, /* a keyword's name */
	MAILBOX_KEYWORDS_MAX = 256,   /* in use in one mailbox: they all stand in its FLAGS response */
	KEYWORDS_MAX = 4096,          /* an account, ever */
	FLAGSETS_MAX = 65536          /* an account, ever */
};

struct flagset {
	uint32_t system;      /* FLAG_* */
	uint32_t keywords_n;
	const uint16_t *keywords; /* ids, ascending */
	const char *text;     /* "\Seen a b", as inside FLAGS () */
	uint32_t text_len;
};

/* Which of the account's keywords: a bit each. */
struct keyword_set {
	uint64_t bits[KEYWORDS_MAX / 64];
};

struct flag_table {
	struct flagset **v;
	uint32_t *system; /* the sets' bits once more, side by side */
	size_t n, cap;
	uint32_t *slots;  /* by hash, open addressing: id + 1, 0 for none */
	size_t slots_n;   /* a power of two */
	char **keywords;
	size_t keywords_n;
};

enum flag_op { FLAG_ADD, FLAG_REMOVE, FLAG_SET };

/* What a client names: system bits and keywords separated by spaces. */
struct flag_spec {
	uint32_t system;
	const char *keywords; /* "a b", NUL-terminated; "" or NULL for none */
};

/* account.c alone.  Undo forgets the sets and keywords from these numbers on. */
MUST_USE enum store_err flagset_load(struct account *a);
void flagset_unload(struct account *a);
void flagset_undo(struct account *a, size_t sets_n, size_t keywords_n);

/* The id of the set that `op` with `spec` makes of set `from`.  Only inside an op.
 * STORE_LIMIT: too many keywords or sets, or too long a name; nothing was changed. */
MUST_USE enum store_err flagset_apply(struct account *a, uint32_t from, enum flag_op op,
				      const struct flag_spec *spec, uint32_t *out);
/* Set 0 is the empty set.  The pointer holds until the account closes or the op that made the set fails. */
const struct flagset *flagset_get(const struct account *a, uint32_t id);
bool flagset_has_keyword(const struct account *a, const struct flagset *set, const char *keyword, size_t len);

static inline uint32_t flagset_system(const struct account *a, uint32_t id)
{
	const struct flag_table *t = a->flags;
	invariant(id < t->n);
	return t->system[id];
}

/* A keyword's id, or -1. */
int keyword_find(const struct account *a, const char *keyword, size_t len);
const char *keyword_name(const struct account *a, int id);
void keyword_set_add(struct keyword_set *to, const struct flagset *set);
int keyword_set_count(const struct keyword_set *set);
/* The first id in the set that is at least `from`, or -1. */
int keyword_set_next(const struct keyword_set *set, int from);

#endif
