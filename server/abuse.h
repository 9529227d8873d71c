/*
 * Failed logins, counted, so that guessing stops and the owner is not locked out.  Counted are
 *
 *	logins      of one user from one address (IPv6: one /64)       held after `failures_max`
 *	addresses   of any users from one address                      held after three times as many
 *	users       of one user from wherever the user is not known    held after three times as many
 *
 * Who is held is refused, before any password is looked at, until `hold_s` after the last failure.  An address that the user
 * has logged in from is known there for 30 days: it is held for its own failures alone, whatever others do.  Users that do not
 * exist are counted like those that do.  A wrong password that comes again is counted once: that is a device with an old one,
 * whose owner may sit beside it; who guesses tries others.  Who has an app password is a device that is known, and is asked for
 * that even where it is held (sasl.c): nobody guesses one.  Counts are forgotten `hold_s` after the last failure, and at a restart,
 * which does not forget where users are known.
 *
 * Memory is bounded: a table of sets, in which the count that is least, and of these the oldest, gives way.  Any thread.
 */
#ifndef SERVER_ABUSE_H
#define SERVER_ABUSE_H

#include "server/peers.h"

struct abuse;

enum { ABUSE_WHO_MAX = 320, ABUSE_KNOWN_S = 30 * 86400 };

struct abuse_limits {
	unsigned failures_max;
	uint64_t hold_s; /* 0: nobody is held */
};

/* A login that is tried. */
struct abuse_login {
	struct peer_key from;
	const char *remote; /* the same as text, to be shown */
	const char *user;   /* as it was given, in normal form where it has one */
	uint64_t tried;     /* of a wrong password: abuse_tag_password(); 0: unknown */
};

struct abuse *abuse_create(const struct abuse_limits *limits);
void abuse_set_limits(struct abuse *a, const struct abuse_limits *limits);
/* Takes NULL. */
void abuse_destroy(struct abuse *a);
/* A keyed hash by which the same password is known again, until a restart; never 0. */
uint64_t abuse_tag_password(const struct abuse *a, const char *password, size_t len);
/* `now_s` is of a clock that never jumps. */
bool abuse_is_held(struct abuse *a, const struct abuse_login *login, uint64_t now_s);
/* How many failures of this user from there, or of anybody from there divided by three, there are now. */
unsigned abuse_failed(struct abuse *a, const struct abuse_login *login, uint64_t now_s);
void abuse_succeeded(struct abuse *a, const struct abuse_login *login, uint64_t now_s);

/* Where users are known, for the next start: addresses and users are not in the file, only what says whether it is the same one
 * again.  Both are given `now_s` and the time of day that goes with it.  False, with errno: it could not be written.  What cannot be
 * read, or makes no sense, is as if there were none. */
MUST_USE bool abuse_save(struct abuse *a, const char *path, uint64_t now_s, int64_t day_s);
void abuse_load(struct abuse *a, const char *path, uint64_t now_s, int64_t day_s);

struct abuse_row {
	const char *kind; /* "login", "address", "user" */
	const char *who;  /* "alice@example.org from 192.0.2.7", ... */
	unsigned failures;
	uint64_t held_s; /* for so long still; 0: it is not held */
};

/* What is counted now. */
void abuse_each(struct abuse *a, uint64_t now_s, void (*each)(void *ctx, const struct abuse_row *row), void *ctx);
/* Forgets the counts of this user, or of this address; NULL: all.  How many there were. */
size_t abuse_clear(struct abuse *a, const char *who);

#endif
