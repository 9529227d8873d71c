/* The plain arrays: what the two mailboxes of the simulation hold, and what each command must have done to them. */
#ifndef TESTS_MODEL_ORACLE_H
#define TESTS_MODEL_ORACLE_H

#include "storage/flagset.h"

#include <stdbool.h>
#include <stdint.h>

enum { BOXES = 2, KEYWORDS = 4 };
/* Flags as bits: the system flags as storage numbers them (FLAG_*), then the keywords k0 to k3, then \Recent. */
enum { FLAG_KEYWORD_0 = 32, FLAGS_ALL = FLAG_KEYWORD_0 * 16 - 1, FLAG_RECENT = 1 << 20 };

struct item {
	uint32_t uid, flags, size; /* no two messages that were not copied have the same size */
	uint64_t modseq;
};

struct box {
	int64_t id;
	uint32_t uidnext, n;
	uint64_t modseq; /* HIGHESTMODSEQ */
	struct item *v; /* heap, owned */
};

struct oracle {
	struct box boxes[BOXES];
};

extern const char *const box_names[BOXES];

/* A set of UIDs: ascending, heap, owned. */
struct uid_list {
	uint32_t *v;
	uint32_t n;
};
void uid_list_add(struct uid_list *l, uint32_t uid);
bool uid_list_has(const struct uid_list *l, uint32_t uid);
void uid_list_finish(struct uid_list *l);

/* "\Seen k1" into bits; unknown words are 0. */
uint32_t item_flags_read(const char *text, size_t len);
/* Without \Recent; `out` has room for 128. */
void item_flags_write(uint32_t flags, char out[128]);

void box_finish(struct box *b);
void box_copy(struct box *to, const struct box *from);
const struct item *box_find(const struct box *b, uint32_t uid);
void oracle_finish(struct oracle *o);
/* What the store says now. */
void oracle_read(struct oracle *o, struct account *a);
/* The same messages, with the same flags. */
bool oracle_equal_box(const struct box *a, const struct box *b);
bool oracle_equal(const struct oracle *a, const struct oracle *b);

enum verb {
	DO_NOTHING, /* whatever changes no message: NOOP, SELECT, SEARCH, STATUS, IDLE, FETCH with PEEK ... */
	DO_FETCH,   /* sets \Seen */
	DO_STORE, DO_COPY, DO_MOVE, DO_EXPUNGE, DO_UID_EXPUNGE, DO_CLOSE, DO_APPEND, DO_REPLACE
};

/* What a command may and must do. */
struct deed {
	enum verb verb;
	int box;             /* the selected one */
	bool read_only;
	bool by_uid;         /* what is gone is left out (RFC 3501 6.4.8); by number COPY is refused */
	struct uid_list set; /* of those the client knows */
	struct uid_list known; /* all that the client knows */
	enum { FLAGS_ADD, FLAGS_REMOVE, FLAGS_REPLACE } how;
	uint32_t flags;      /* of STORE; of each message of APPEND and REPLACE */
	bool conditional;    /* STORE with UNCHANGEDSINCE */
	uint64_t unchanged_since;
	bool noted;          /* the rest is known, after oracle_explain(): */
	struct uid_list modified, perhaps_modified; /* what it left out, and what it may have */
	int to;              /* of COPY, MOVE, APPEND, REPLACE */
	uint32_t sizes[4], sizes_n; /* of APPEND, REPLACE */
	uint32_t first_new, new_n;  /* UIDs that the last one given to oracle_explain() brought to `to` */
};

/* What STORE makes of flags. */
uint32_t deed_flags(const struct deed *d, uint32_t old);
/* Does `after` follow from `before` by this deed?  `last`: it is done now, else it may be half-way.  NULL, or what is wrong
 * (static text). */
const char *oracle_explain(struct deed *d, const struct oracle *before, const struct oracle *after, bool last);

#endif
