/*
 * One account: a directory with index.db, blob/ and tmp/.  One owner, one thread at a time (its lane).
 *
 * Every write op runs between account_begin() and account_end() (a SAVEPOINT inside one transaction) and
 * takes one modseq, at its first change.  account_commit() is the lane's group commit: only after it may
 * replies be released.  A failed op drops the rosters it changed; they are read again.
 *
 * After a failed account_commit() the account takes no more ops: the outcome on disk is unknown.  The owner fails
 * every op since the last commit and calls account_reopen().
 */
#ifndef STORAGE_ACCOUNT_H
#define STORAGE_ACCOUNT_H

#include "storage/db.h"
#include "storage/env.h"

struct change;
struct content_writer;
struct flag_table;
struct fulltext;
struct kept;
struct keys;
struct check;
struct live;
struct roster;
struct scratch;
struct sweep;
struct usage_share;

/* What a commit tells those who watch: the mailbox is now at this modseq.  No content. */
struct account_touched {
	int64_t mailbox; /* 0: subscriptions */
	uint64_t modseq;
};

/* A kept statement over ascending content ids, and the id of the row it is on (content.c). */
struct content_cursor {
	sqlite3_stmt *stmt;
	int64_t at;
};

/* What all messages take (usage.h). */
struct usage {
	uint64_t bytes, messages;
};

/* How much there may be; 0: no limit. */
struct quota {
	uint64_t bytes, messages, mailboxes;
	uint64_t pool_bytes; /* of all accounts of the pool together */
};

/* What a failed op must find again. */
struct account_before {
	uint64_t modseq;
	struct usage usage;
	uint32_t uidvalidity;
	size_t flagsets_n, keywords_n;
	bool alone;          /* the op is the transaction's first: it has no savepoint of its own */
	bool marked_unclean;
	size_t unlinks_n;
};

struct account {
	struct db db;
	const struct store_env *env;
	char *dir;
	uint64_t modseq;     /* the last one taken */
	uint64_t op_modseq;  /* of the op that runs; 0 while it changed nothing */
	bool in_transaction, in_op, needs_sync;
	bool marked_unclean; /* the meta row says that a process writes here; a clean close takes it away */
	uint64_t modseq_committed; /* what may have been told to clients */
	uint64_t metadata_modseq;  /* annotations changed at it last, or before it (metadata.h) */
	struct account_before before;
	struct roster *rosters; /* loaded ones, a list */
	struct flag_table *flags;
	struct change *changes; /* of the op that runs: its journal */
	size_t changes_n, changes_cap;
	struct account_touched *touched; /* of ops that ended well, since the last commit */
	size_t touched_n, touched_cap;
	char *actor_login, *actor_device;
	int64_t actor_id; /* their row, 0: not looked for */
	uint32_t last_uidvalidity;
	struct usage usage;             /* of all mailboxes, and */
	struct quota quota;             /* what it may become; */
	struct usage_share *share;      /* its part of what several have; NULL: of nothing */
	bool beyond_quota;              /* not in this op: its owner says so */
	struct content_writer *writers; /* those that live */
	struct sweep *sweep;            /* NULL: none was started */
	struct live *watching;          /* a check's, which is told as a sweep is */
	struct check *check;            /* NULL: none runs */
	uint64_t importing;             /* which import goes on here, by a number of its own (server/mail_import.c); 0: none */
	int64_t *unlinks;               /* contents whose files go after the commit */
	size_t unlinks_n, unlinks_cap;
	struct keys *keys;              /* NULL: nobody sorted yet (keys.h) */
	uint64_t keys_epoch;            /* counts how often they were dropped */
	struct kept *kept;              /* a list (kept.h) */
	struct content_cursor rows, headers, bodies;
	struct fulltext *fulltext[2];   /* NULL: not open (fulltext.h) */
	bool fulltext_off;              /* it cannot be used */
	uint64_t fulltext_epoch;        /* changes when another index takes the place of the first */
	int64_t indexed;                /* contents at most this are in the index, as far as is known */
	struct scratch *scratch;        /* lent, or our own */
	bool scratch_is_own;
};

/* What a new account's index.db begins as, for store_env.account_image; the caller finishes it (db.h), after the last
 * account was closed.  Any thread. */
MUST_USE enum store_err account_image_make(struct db_image *out);
/* Opens the account under `dir`, making it (with INBOX and the special-use mailboxes, subscribed) when it is
 * not there and `create` is set.  STORE_BUSY: another process has it open. */
MUST_USE enum store_err account_open(const struct store_env *env, const char *dir, bool create,
				     struct account **out);
/* Leaves everything in index.db, synced, unless the account is broken.  Accepts NULL. */
void account_close(struct account *a);
/* After a failure: closes and opens afresh.  When less was on disk than had been acknowledged (flags whose commits
 * were not yet synced), modseqs jump, so that no client is left with a state that never was.  On failure *a is NULL. */
MUST_USE enum store_err account_reopen(struct account **a);
/* For an owner whose queue has been empty for a moment: moves the log into the database (two fsyncs; nothing when
 * nothing was written).  Nothing of the account may be in use: no op, no row pointers.  A failure is for the log
 * only; what was acknowledged is safe, and the next write fails if it would not be. */
MUST_USE enum store_err account_idle(struct account *a);

/* Who acts from here on, for the journal: a login and what is known of the device ("" for none); copied. */
void account_set_actor(struct account *a, const char *login, const char *device);
/* A write op.  `ok` false rolls the op back. account_end() may itself fail; then the op was rolled back. */
MUST_USE enum store_err account_begin(struct account *a);
MUST_USE enum store_err account_end(struct account *a, bool ok);
/* Commits every op since the last commit; on failure all of them are gone.  `*touched`/`*n` (owned by the
 * account, until the next begin) are the mailboxes that changed. */
MUST_USE enum store_err account_commit(struct account *a, const struct account_touched **touched, size_t *n);

/* Lends what reading and writing bodies needs (a worker's, for its turn); NULL takes it back.  An account that is lent
 * none makes its own. */
void account_lend(struct account *a, struct scratch *s);
struct scratch *account_scratch(struct account *a);
/* The running op's modseq, taken at the first call. */
uint64_t account_modseq(struct account *a);
/* For a mailbox that is made: strictly above all that the account gave (RFC 9051 2.3.1.1). */
uint32_t account_next_uidvalidity(struct account *a);
/* The op changed this mailbox: `kind` is a CHANGE_* (changes.h).  Returns the op's row in the journal for the caller to
 * add to; it holds until the next call. */
struct change *account_touch(struct account *a, int64_t mailbox, unsigned kind);
/* The acting login's row, made when needed. */
MUST_USE enum store_err account_actor(struct account *a, int64_t *out);
/* The op must be on disk before its reply (append, copy, names; not flags). */
void account_durable(struct account *a);
/* Unlinks the content's file when the op's deletion of its row is on disk. */
void account_unlink_later(struct account *a, int64_t content);
/* Numbers that concern the file as a whole; 0 for one that was never set. */
int64_t account_meta(struct account *a, const char *key);
MUST_USE enum store_err account_set_meta(struct account *a, const char *key, int64_t value);
/* Content is being written (content_writer.h), which closing the account would give up. */
bool account_takes_in(const struct account *a);
/* Memory the account holds, by and large: what closing it would give back. */
size_t account_bytes(const struct account *a);
/* What went wrong last, for the log only. */
const char *account_fault(const struct account *a);
/* Whether its database failed, or was found damaged, since this was asked last: then account_fault() says how, if nothing lesser
 * has gone wrong since.  STORE_OK: it did not. */
enum store_err account_take_grave(struct account *a);

#endif
