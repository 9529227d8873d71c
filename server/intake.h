/*
 * A message on its way into an account: bytes as they were sent become their CRLF form, which goes to the MIME parser,
 * the digest and the store at once.  Nobody sees anything of it before messages_append() publishes what intake_finish()
 * gave.  Memory is bounded whatever the size of the message.  APPEND and LMTP use it.
 *
 * Thread: the account's lane, all functions.
 */
#ifndef SERVER_INTAKE_H
#define SERVER_INTAKE_H

#include "protocol/span.h"
#include "storage/account.h"

struct intake;

/* `limit_bytes` is of the CRLF form.  `binary`: parts that say they are binary become base64
 * (protocol/mime/unbinary.h). */
struct intake *intake_create(struct account *a, uint64_t limit_bytes, bool binary);
/* Accepts NULL.  What was not published is garbage. */
void intake_destroy(struct intake *in);
/* Before any bytes: an 8-bit octet in the header fails with STORE_CANNOT (RFC 9755 4). */
void intake_set_seven_bit_header(struct intake *in);
/* That is why it failed. */
bool intake_has_eight_bit_header(const struct intake *in);
/* Any cuts, in or outside an op.  The first failure stays.  STORE_LIMIT: over the limit; STORE_CANNOT: a NUL, which no
 * message may hold (RFC 3501 4.3) but in a binary part. */
MUST_USE enum store_err intake_write(struct intake *in, struct span bytes);
/* No more bytes come: a large message is put on disk, which takes its time.  Outside a writing op. */
MUST_USE enum store_err intake_seal(struct intake *in);
/* Inside a writing op.  May be asked again, by the op that publishes. */
MUST_USE enum store_err intake_finish(struct intake *in, int64_t *out_content, uint32_t *out_size);
uint64_t intake_size(const struct intake *in);

#endif
