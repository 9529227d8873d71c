/*
 * What the users of each domain have together: the sum that a domain's limit (the setting quota_domain) holds against,
 * and which a provider watches.  It counts all users, those too whose accounts are closed.
 *
 * directory.db has what each account took when that was written down last (the table `usage`): a few seconds ago, in
 * one transaction for all accounts that changed since.  At the start the sums are those of the table.  A lane that works
 * on its account is a member: its share (storage/usage.h) starts as the table has it and follows the account from
 * then on.  At any time, of each domain:
 *
 *	pool = sum of `recorded` of its users + sum of (share - recorded) of its members
 *
 * so that recording changes no pool, and a user who goes to another domain takes along what is recorded at once, and
 * the rest when the lane hears of it.
 *
 * What a crash takes is the last seconds of records.  The daemon then opens the accounts that have changed since, which
 * corrects them (upkeep.h).
 */
#ifndef SERVER_TALLY_H
#define SERVER_TALLY_H

#include "storage/directory.h"
#include "storage/usage.h"

struct lane;
struct tally;

/* A lane's part; zeroed: not yet a member. */
struct tally_member {
	struct usage_share share;
	_Atomic int64_t recorded; /* as the table has it; the directory's lane writes it */
	bool is_member;
};

/* Domains and their sums, read from `d`.  NULL: that failed. */
struct tally *tally_create(struct directory *d);
/* When no lane is left.  Takes NULL. */
void tally_destroy(struct tally *t);

/* The account's user is in `domain` ("" for nobody's), and the table has `recorded` of it.  On the lane's turn, and again
 * after each change of the directory. */
void tally_enter(struct tally *t, struct tally_member *m, const char *domain, int64_t recorded);
/* The table lags behind.  Any thread. */
bool tally_is_behind(const struct tally_member *m);

/* One account's record, on the directory's lane: write it in its transaction, keep it when that is committed. */
struct tally_record {
	struct lane *lane;
	int64_t bytes;
};
MUST_USE enum store_err tally_write(struct directory *d, struct tally_record *records, size_t n, int64_t now_s);
void tally_keep(struct tally *t, struct directory *d, const struct tally_record *records, size_t n);

/* On the directory's lane, after a commit: accounts with so many recorded bytes went from one domain to another; "" for
 * those that are nobody's. */
struct tally_move {
	char from[ADDRESS_DOMAIN_MAX + 1], to[ADDRESS_DOMAIN_MAX + 1];
	int64_t recorded;
};
void tally_move(struct tally *t, const struct tally_move *move);

/* Any thread.  `each` is called with the table locked. */
void tally_each(struct tally *t, void (*each)(void *ctx, const char *domain, uint64_t bytes), void *ctx);
uint64_t tally_of(struct tally *t, const char *domain);

#endif
