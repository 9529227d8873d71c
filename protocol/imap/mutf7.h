/* Modified UTF-7 (RFC 3501 5.1.3): how a client of IMAP4rev1 writes mailbox names beyond US-ASCII. */
#ifndef IMAP_MUTF7_H
#define IMAP_MUTF7_H

#include "protocol/buf.h"

/*
 * To UTF-8.  Each name has one spelling: false for an unclosed or empty shift, two shifts side by side, printable
 * US-ASCII inside a shift, lone surrogates, octets outside the alphabet, padding bits that are not zero.  Octets from
 * 0x80 outside shifts are passed on, so the result need not be valid UTF-8 then: some clients send UTF-8 as it is.
 */
MUST_USE bool mutf7_decode(struct span wire, struct buf *out);
/* From UTF-8, without quoting. Octets that are not UTF-8 become U+FFFD. */
void mutf7_encode(struct span utf8, struct buf *out);

#endif
