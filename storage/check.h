/*
 * The proof that an account is sound: what `roost check` runs.
 *
 *   database   SQLite's own integrity check
 *   account    the tree of names; modseqs and floors below the account's; UIDVALIDITYs that differ
 *   mailboxes  every segment's checksum, order, flag sets and modseqs; summaries and counters against the messages;
 *              UIDNEXT above all UIDs; each message's content is there and of its size
 *   graveyard  and journal: checksums, modseqs, contents, actors, flag runs
 *   contents   every body unpacked, its checksums, length, digest, and header block
 *   index      the checksums of search.db; what is damaged is thrown away as it is read, and made anew
 *   garbage    contents nobody names, header and body rows without content, files no row names, files in tmp/
 *
 * Garbage is not damage: a crash or a sweep that has not come by leaves it, and the next sweep takes it.
 *
 * It runs as slices, so that the account stays in use; each slice sees a state that is whole, and what concerns several
 * rows is looked at in one slice.  Reads only.  Thread: the account's lane; between ops, not inside one.
 */
#ifndef STORAGE_CHECK_H
#define STORAGE_CHECK_H

#include "storage/account.h"
#include "storage/content.h"

enum check_kind {
	CHECK_DAMAGE,
	CHECK_GARBAGE
};

/* How the digests in content_meta are made; storage links no such function. */
struct check_digest {
	void *(*start)(void);
	void (*feed)(void *state, const void *bytes, size_t len);
	void (*finish)(void *state, unsigned char out[DIGEST_BYTES]); /* frees it */
};

struct check_counts {
	uint64_t damage, garbage; /* problems reported */
	uint64_t mailboxes, messages, contents, bytes; /* looked at */
};

struct check;

/* `report` gets each problem as one line of text without line end, valid during the call; it does not call back.
 * `digest` NULL: digests are not proved.  NULL when a check of this account runs already. */
struct check *check_create(struct account *a, const struct check_digest *digest,
			   void (*report)(void *ctx, enum check_kind kind, const char *line), void *ctx);
/* A few milliseconds, but for the database's own check, which takes as long as reading it.  *out_more: to be called
 * again.  An error is not a problem found, but that it cannot go on (STORE_IO), as when the account was closed. */
MUST_USE enum store_err check_step(struct check *c, bool *out_more);
/* For account_close(): the check that runs finds that out at its next step. */
void check_give_up(struct account *a);
struct check_counts check_result(const struct check *c);
/* The contents that were found damaged so far, ascending; the check's own. */
const int64_t *check_damaged(const struct check *c, size_t *n);
/* Accepts NULL. */
void check_destroy(struct check *c);

#endif
