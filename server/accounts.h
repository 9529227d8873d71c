/*
 * The accounts: the one place where an account is opened and closed, and where its lane is found by its id.  Here a
 * claim on the account will stand when several nodes share a store: nothing else may assume that an account which was
 * closed is still where it was, and no other file builds a path below the store.
 *
 * Open accounts have a budget, in descriptors and in bytes: beyond it those least recently used are closed.  A thread
 * of its own looks once a second for accounts that have come to rest, and has their logs written back.
 */
#ifndef SERVER_ACCOUNTS_H
#define SERVER_ACCOUNTS_H

#include "storage/base.h"
#include "storage/error.h"

struct accounts;
struct config;
struct directory;
struct expire_rules;
struct lane;
struct loop;
struct op;
struct settings;
struct tally;
struct converting;
struct warner;
struct workers;

/* NULL, with the reason logged: the store cannot be made or read, or another process has it open.  `config`,
 * `workers` and `loops` (an array, by index) outlive it. */
struct accounts *accounts_create(const struct config *config, struct workers *workers, struct loop *loops);
/* A full-text index is wanted of the accounts. */
bool accounts_index(const struct lane *lane);
/* While the workers still run, with no op to come: asks for every account to be closed. */
void accounts_stop(struct accounts *accounts);
/* After workers_stop(): closes what is still open. */
void accounts_destroy(struct accounts *accounts);
/* The lane of the account with this id (from the directory).  Any thread.  The account itself is opened by the first op. */
struct lane *accounts_acquire(struct accounts *accounts, const char *account_id);
/* A further reference to a lane that the caller has one to.  Any thread. */
struct lane *accounts_hold(struct lane *lane);
/* Any thread; takes NULL. */
void accounts_release(struct lane *lane);
/* The directory's lane: its ops run with op->directory set and no account.  It lives as long as the accounts: whoever
 * does not hold it needs no release. */
struct lane *accounts_directory(struct accounts *accounts);
/* A connection of the caller's own that reads the directory, for directory_close() before accounts_destroy(). */
MUST_USE enum store_err accounts_read_directory(struct accounts *accounts, struct directory **out);

enum accounts_what { ACCOUNTS_KNOWN, ACCOUNTS_OPEN, ACCOUNTS_BYTES, ACCOUNTS_SYNCS };
/* Any thread: how many lanes there are, how many accounts are open, what these take of memory by and large; how often
 * somebody has waited for the disk since the start. */
size_t accounts_count(struct accounts *accounts, enum accounts_what what);
/* Where crashes are recorded (crash.h). */
void accounts_crashes_path(const struct config *config, char *out, size_t size);
/* A file without a name on the store's disk, for what need not outlive the process; -1 with errno.  It may take the
 * disk's time: on a worker. */
MUST_USE int accounts_open_unnamed(struct accounts *accounts);

/* Whether its account is held, after several crashes in a row (crash.h).  Any thread. */
bool accounts_is_held(const struct lane *lane);

/* Nothing should be written that need not be: it would fail.  Any thread. */
bool accounts_disk_is_full(const struct lane *lane);

/* When the account's files last changed, in seconds; 0: there are none.  Any thread. */
int64_t accounts_changed_s(struct accounts *accounts, const char *account_id);

/* For the log. */
const char *accounts_error_name(enum store_err err);
/* What is no fault of who asked, and is answered with a few words: logged with whom it hit, and at what. */
void accounts_log_error(const struct op *op, enum store_err err);

struct settings *accounts_settings(struct accounts *accounts);
/* NULL: nobody is warned. */
struct warner *accounts_warner(const struct lane *lane);
/* NULL: no attachments are converted. */
struct converting *accounts_converting(const struct lane *lane);
/* What domains have; for the lanes of these accounts it is kept here. */
struct tally *accounts_tally(struct accounts *accounts);
/* How long what was expunged is kept, in seconds.  On the lane. */
int64_t accounts_retention_s(const struct lane *lane);

/* What goes by age. */
void accounts_expire_rules(const struct lane *lane, struct expire_rules *out);

/* In an op that closes the account: deletes some of its files; *more: there are others.  For an account that the directory
 * is purging (storage/removed.h); it is not opened again. */
MUST_USE enum store_err accounts_purge(struct lane *lane, bool *more);

/* For lane.c, by the worker that has the lane's turn. */
MUST_USE enum store_err accounts_open(struct lane *lane);
/* Ops ran in this turn: the account is the most recently used one. */
void accounts_used(struct lane *lane);
void accounts_close(struct lane *lane);
/* After a failure that leaves the account in doubt.  When it fails too, the next accounts_open() tries again. */
MUST_USE enum store_err accounts_reopen(struct lane *lane);
/* After an op of the directory's lane: when a failure left the directory in doubt, it is opened afresh; when that fails
 * too, it stays as it is, which can be read, until after the next op. */
void accounts_mend_directory(struct lane *lane);

#endif
