/*
 * Object ids of messages and threads (RFC 8474 5, 7).  A letter says the kind, so that no id is of two kinds; the rest
 * is hexadecimal, so that no two differ in case alone (RFC 8474 8.1).  They compare by their octets.  Pure; any thread.
 */
#ifndef IMAP_OBJECTID_H
#define IMAP_OBJECTID_H

#include "protocol/buf.h"

enum { OBJECTID_EMAIL_BYTES = 16 };

/* "M" and the digest of the message; "T" and the thread's number. */
void objectid_write_email(struct buf *out, const unsigned char digest[OBJECTID_EMAIL_BYTES]);
void objectid_write_thread(struct buf *out, uint64_t thread);
/* False: no message or thread of this server is called that. */
MUST_USE bool objectid_read_email(struct span s, unsigned char digest[OBJECTID_EMAIL_BYTES]);
MUST_USE bool objectid_read_thread(struct span s, uint64_t *thread);

#endif
