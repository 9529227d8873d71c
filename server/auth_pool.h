/*
 * The authentication pool: a few threads and a bounded queue of their own.  Whatever takes long to decide who
 * somebody is (hashing) blocks here and nowhere else; a full queue is answered at once with "not now".
 *
 * A job moves: from the loop that submits it, to one of the pool's threads (run), and back to that loop (done), which
 * then owns it again.  Each thread has a reading connection to directory.db, so logins wait for no lane.
 */
#ifndef SERVER_AUTH_POOL_H
#define SERVER_AUTH_POOL_H

#include "server/auth_cache.h"
#include "server/credential.h"
#include "server/loop.h"
#include "server/password.h"
#include "storage/setting.h"

struct abuse;
struct accounts;
struct auth_pool;
struct config;

/* What a job may use while it runs; one a thread. */
struct auth_worker {
	struct auth_pool *pool;
	const struct config *config;
	struct directory *directory; /* reads only; held while a job runs, so that it sees one moment of it */
	uint64_t generation;         /* of remembered passwords, from before that moment */
	struct crypt_data *crypt;
};

struct auth_job {
	struct letter letter; /* travels back to the loop in it */
	struct auth_job *next;
	struct loop *loop;
	void (*run)(struct auth_job *job, struct auth_worker *worker); /* on a thread of the pool */
	void (*done)(struct auth_job *job);                            /* on the loop */
};

struct auth_pool_config {
	const struct config *config; /* for the back ends; outlives the pool */
	struct accounts *accounts; /* outlives the pool */
	struct abuse *abuse;       /* the same */
	const char *hostname;
	int threads;
	size_t queue_max; /* jobs that wait */
	struct password_cost cost;
	unsigned failure_delay_ms, failures_max; /* see server/auth.h */
};

/* NULL when the directory cannot be read; the reason is logged. */
struct auth_pool *auth_pool_create(const struct auth_pool_config *config);
/* Runs what is queued and ends the threads: no job is posted to a loop after it. */
void auth_pool_stop(struct auth_pool *pool);
/* Takes NULL. */
void auth_pool_destroy(struct auth_pool *pool);

/* Any thread.  False when the queue is full: the job is still the caller's. */
MUST_USE bool auth_pool_submit(struct auth_pool *pool, struct auth_job *job);

const struct auth_pool_config *auth_pool_config(const struct auth_pool *pool);
/* Jobs that wait now.  Any thread. */
size_t auth_pool_waiting(struct auth_pool *pool);
/* After every commit to the directory. */
void auth_pool_forget(struct auth_pool *pool);

enum auth_verdict { AUTH_RIGHT, AUTH_WRONG, AUTH_EXPIRED /* an app password that was right */, AUTH_UNKNOWN_YET };

/* On a thread of the pool: whether `password` is that of `address` (normal form), by the directory or by the saslauthd of its
 * domain, and then the account; `out_credential` tells when it is one of the user's app passwords.  A wrong password and an unknown user take the same time.  AUTH_UNKNOWN_YET: whoever knows
 * could not be asked. */
MUST_USE enum auth_verdict auth_worker_check(struct auth_worker *worker, const char *address, const char *password,
					     size_t len, const struct credential_use *use,
					     char out_account[DIRECTORY_ACCOUNT_LEN + 1], struct credential *out_credential);
/* The same for app passwords alone. */
MUST_USE enum auth_verdict auth_worker_check_app(struct auth_worker *worker, const char *address, const char *password,
						 size_t len, const struct credential_use *use,
						 char out_account[DIRECTORY_ACCOUNT_LEN + 1],
						 struct credential *out_credential);
/* Somebody else is to be asked, who may take long: the directory is held no longer. */
void auth_worker_let_go(struct auth_worker *worker);
/* Where `address` is an alias of exactly one user, makes it that user's; else it stays. */
void auth_worker_resolve(struct auth_worker *worker, char address[ADDRESS_MAX + 1]);
/* The account of a user who has proved who it is by other means; AUTH_WRONG: there is no such user. */
MUST_USE enum auth_verdict auth_worker_account(struct auth_worker *worker, const char *address,
					       char out_account[DIRECTORY_ACCOUNT_LEN + 1]);
/* What is not offered to the user with that account (SETTING_CAPABILITIES_OFF).  False: that could not be read. */
MUST_USE bool auth_worker_capabilities_off(struct auth_worker *worker, const char *account, char out[SETTING_NAMES_MAX + 1]);
/* Whether `user`, who has proved who it is, may log in as `target` (SETTING_MASTER, SETTING_DOMAIN_MASTER); *out_of_all: as
 * anybody. */
MUST_USE enum auth_verdict auth_worker_may_act(struct auth_worker *worker, const char *user, const char *target, bool *out_of_all);
/* The user with SCRAM secrets; AUTH_WRONG for an unknown user, with secrets all the same (password_fake_scram). */
MUST_USE enum auth_verdict auth_worker_secrets(struct auth_worker *worker, const char *address,
					       struct directory_user *out);

/* Secrets that fit no password, as an unknown user's. */
void auth_worker_fake(struct auth_worker *worker, const char *address, struct directory_user *out);

#endif
