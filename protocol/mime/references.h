/* Message IDs as THREAD compares them (RFC 5256 3, RFC 5322 3.6.4).  Pure; any thread. */
#ifndef MIME_REFERENCES_H
#define MIME_REFERENCES_H

#include "protocol/buf.h"

/* Longer ones are none; so are those without '@', or with white space. */
enum { MIME_MESSAGE_ID_MAX = 998 };

/* The next valid ID of a raw Message-ID, In-Reply-To or References value, without its angle brackets and with quoting
 * resolved; the case is kept.  Replaces *out.  False: there is none left.  Takes any octets, in linear time. */
bool mime_message_id_next(struct span *rest, struct buf *out);

#endif
