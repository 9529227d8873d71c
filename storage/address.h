/*
 * Mail addresses as Roost keeps them: `local@domain`, ASCII letters in lower case in both parts.  RFC 5321 2.4 leaves
 * the local part's case to the receiving host: here Alice@ and alice@ are one mailbox.  Bytes above 127 are kept as
 * they are when they are UTF-8 (RFC 6531); domains are kept in the form they are given in (no IDNA mapping).
 */
#ifndef STORAGE_ADDRESS_H
#define STORAGE_ADDRESS_H

#include "storage/base.h"

enum { ADDRESS_MAX = 254, ADDRESS_LOCAL_MAX = 64, ADDRESS_DOMAIN_MAX = 253 }; /* RFC 5321 4.5.3.1, RFC 1035 2.3.4 */

/* Writes the normal form of `text` (`len` bytes) with a NUL.  False when it is not `local@domain` or a part is too
 * long, empty, or holds a space, a control or one of <>()[]:;,\/" ; `out` is then "". */
bool address_normalise(const char *text, size_t len, char out[ADDRESS_MAX + 1]);
/* The same for a domain alone: labels of letters, digits, '-', '_' and bytes above 127. */
bool address_domain_normalise(const char *text, size_t len, char out[ADDRESS_DOMAIN_MAX + 1]);
/* What follows the last '@' of a normal address. */
const char *address_domain(const char *address);

#endif
