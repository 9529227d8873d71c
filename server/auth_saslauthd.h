/*
 * saslauthd, the daemon of Cyrus SASL that asks PAM, LDAP, Kerberos and others.  One question a connection: user, password, service and
 * realm, each behind its length in two bytes, most significant first; the answer begins with "OK" or "NO".
 */
#ifndef SERVER_AUTH_SASLAUTHD_H
#define SERVER_AUTH_SASLAUTHD_H

#include "server/auth_pool.h"

/* Blocks, LIMIT_BACKEND_S for each step at most: on a thread of the auth pool.  The realm is the domain of `address`, the user
 * what is before it (saslauthd -r puts them together again).  AUTH_UNKNOWN_YET, and it is logged: nobody answered. */
MUST_USE enum auth_verdict auth_saslauthd_check(const char *socket_path, const char *address, const char *password, size_t len);

#endif
