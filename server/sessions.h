/*
 * Who is logged in: every IMAP session from its login on, for `roost sessions` and `roost kick`, and for the limit on
 * sessions of one user.  A session owns its entry and enters and leaves on its loop; any thread may look, or ask for
 * sessions to be ended, which each loop does itself.
 */
#ifndef SERVER_SESSIONS_H
#define SERVER_SESSIONS_H

#include "server/credential.h"
#include "server/loop.h"

#include <uthash.h>

struct sessions;

/* Zeroed at first; a part of the session.  The texts are set before it enters, and then changed by sessions_*() alone. */
struct session_entry {
	uint64_t id; /* never used twice while the server runs, whatever the loop */
	struct loop *loop;
	uint64_t conn_id;
	char address[ADDRESS_MAX + 1];
	char credential[APP_PASSWORD_ID_LEN + 1]; /* "": the user's own password */
	char device[64], remote[48], tls[16];
	int64_t since_s;
	bool exempt; /* not counted among the user's */
	/* The session's, read by whoever looks. */
	_Atomic(const char *) command; /* the last one's name, static */
	atomic_ullong commands, bytes_in, bytes_out;
	/* Private. */
	bool entered;
	struct session_user *user;
	UT_hash_handle hh;
};

/* `user_max`: sessions of one user.  Takes no NULL; the others take NULL for `sessions`, where nobody counts. */
struct sessions *sessions_create(size_t user_max);
void sessions_set_max(struct sessions *sessions, size_t user_max);
void sessions_destroy(struct sessions *sessions);
/* False: the user has as many as may be. */
MUST_USE bool sessions_enter(struct sessions *sessions, struct session_entry *entry);
/* Also for one that has not entered. */
void sessions_leave(struct sessions *sessions, struct session_entry *entry);
void sessions_set_device(struct sessions *sessions, struct session_entry *entry, const char *device);
size_t sessions_count(struct sessions *sessions);
/* Calls `each` for the sessions with an id above `after`, by id, until it says false.  The entries hold during the call. */
void sessions_each(struct sessions *sessions, uint64_t after, bool (*each)(void *ctx, const struct session_entry *entry),
		   void *ctx);
/* Which: NULL or 0 is any; none at all is none. */
struct sessions_match {
	const char *address, *credential;
	const char *domain; /* of the address */
	uint64_t id;
};
/* Counts calls of sessions_end(). */
uint64_t sessions_endings(struct sessions *sessions);
/* Whether `entry`, which has entered, is one of those that sessions_end() was to end since there were `endings` calls: a login
 * that was under way meanwhile.  Exact for the last SESSIONS_ENDINGS_KEPT calls; true when there were more. */
enum { SESSIONS_ENDINGS_KEPT = 64 };
bool sessions_ended_since(struct sessions *sessions, const struct session_entry *entry, uint64_t endings);
/* Ends them, soon; how many. */
size_t sessions_end(struct sessions *sessions, const struct sessions_match *match);

#endif
