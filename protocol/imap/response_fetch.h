/* FETCH data (RFC 3501 7.4.2). */
#ifndef IMAP_RESPONSE_FETCH_H
#define IMAP_RESPONSE_FETCH_H

#include "protocol/buf.h"
#include "protocol/imap/request.h"

/* What an item's answer is called, without its value: "FLAGS", "BODY[1.HEADER.FIELDS (DATE)]<0>"; as the client asked,
 * but in capitals. It does not depend on the message, so it can be made once and added before each value. */
void response_fetch_label(struct buf *out, const struct fetch_item *item);

#endif
