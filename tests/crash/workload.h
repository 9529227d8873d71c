/*
 * A fixed piece of work on an account and a directory, in numbered steps, each ending in one commit, and the plain-array
 * model of what they make: for tests that interrupt it anywhere.
 *
 * After any interruption, what is in the store must be the model's state after some step: at least the last one that was
 * acknowledged (and on disk, where the power was cut), at most the one that was interrupted.  Nothing between: a step
 * is all or nothing.
 */
#ifndef TESTS_CRASH_WORKLOAD_H
#define TESTS_CRASH_WORKLOAD_H

#include "storage/account.h"

/* Steps are numbered from 0; state n is the one before step n, state workload_steps() the last. */
unsigned workload_steps(void);
const char *workload_step_name(unsigned step);
/* What it did is on disk once it is acknowledged; else it may be lost with the power (flags, expunges). */
bool workload_step_is_durable(unsigned step);

/* The state as text: mailboxes by name, UIDNEXT, messages with flags, size and a hash of their bytes; users.  Heap. */
char *workload_expected(unsigned state);

struct workload {
	const struct store_env *env;
	const char *dir;         /* of the test; the account is in dir/accounts/one */
	struct account *account; /* NULL: not open */
};

/* Opens the account; the directory is opened by the steps that need it. */
enum store_err workload_open(struct workload *w);
void workload_close(struct workload *w);
/* Does one step.  On an error the op was undone or, when *out_commit, its commit failed: the outcome is unknown and the
 * account to be opened afresh. */
enum store_err workload_run(struct workload *w, unsigned step, bool *out_commit);
/* What is there, as text; every byte of every message is read.  Heap; NULL with the reason printed when it cannot be. */
char *workload_found(struct workload *w);
/* The check finds no damage; prints what it finds. */
bool workload_check(struct workload *w);

/* The state between `least` and `most` that the store is in, or -1 with the difference printed. */
int workload_match(struct workload *w, unsigned least, unsigned most);

/* Message number n, and its length: every fifth does not fit into the database.  Heap. */
char *workload_message(unsigned number, size_t *out_len);
uint64_t workload_hash(const char *bytes, size_t len);

#endif
