/*
 * Line ends on the way in.  Mail is stored with CRLF line ends (RFC 5322 2.1, RFC 3501 2.2): a bare LF becomes CRLF,
 * a bare CR stays as it is.  Intake is
 *
 *	bytes as sent > crlf > parser, digest, store
 *
 * so that every size and offset is of the stored form.  Pure; any thread.
 */
#ifndef MIME_CRLF_H
#define MIME_CRLF_H

#include "protocol/buf.h"

struct crlf {
	bool after_cr; /* the last byte so far was a CR */
	bool nul;      /* a NUL went by: not allowed in a plain literal (RFC 3501 4.3) */
};

/* {0} starts a message.  Returns the bytes `in` becomes: `in` itself when nothing had to change, else a copy in
 * `scratch` (emptied first; at most 2 * in.len bytes), valid until the next call.  Cuts may be anywhere, also between
 * CR and LF.  A `scratch` whose limit is under 2 * in.len loses bytes and latches. */
struct span crlf_feed(struct crlf *c, struct span in, struct buf *scratch);

#endif
