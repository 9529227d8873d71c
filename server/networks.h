/*
 * Lists of networks: "192.0.2.0/24 2001:db8::/32 203.0.113.7", separated by spaces or commas.  An IPv4 address that comes
 * mapped into IPv6 is the IPv4 address; a local socket is 127.0.0.1.  Pure; any thread.
 */
#ifndef SERVER_NETWORKS_H
#define SERVER_NETWORKS_H

#include "protocol/base.h"

enum { NETWORKS_MAX = 32 };

struct sockaddr;

/* IPv6, or IPv4 as ::ffff:a.b.c.d. */
struct network_address {
	unsigned char bytes[16];
};

struct network {
	struct network_address address;
	unsigned bits; /* of 128 */
};

struct networks {
	struct network each[NETWORKS_MAX];
	size_t n;
};

/* False: a word is no network, or there are too many; the word is at *wrong (of `text`), which may be NULL. */
MUST_USE bool networks_parse(const char *text, struct networks *out, const char **wrong);
bool networks_have(const struct networks *list, const struct network_address *address);
/* "192.0.2.7", "2001:db8::1" or "local". */
MUST_USE bool network_address_parse(const char *text, struct network_address *out);
/* Of another family than IPv4 and IPv6: the machine itself. */
void network_address_of(const struct sockaddr *from, struct network_address *out);

#endif
