/* What the LMTP server answers: one table of replies with their enhanced codes (RFC 2033 5, 2034, 3463). */
#ifndef LMTP_REPLY_H
#define LMTP_REPLY_H

#include "protocol/buf.h"
#include "protocol/lmtp/parse.h"

enum lmtp_reply {
	LMTP_REPLY_DONE,
	LMTP_REPLY_BYE,
	LMTP_REPLY_STOPPING,
	LMTP_REPLY_IDLE,
	LMTP_REPLY_TOO_MANY_ERRORS,
	LMTP_REPLY_NOT_LMTP,
	LMTP_REPLY_UNKNOWN_COMMAND,
	LMTP_REPLY_BAD_ARGUMENTS,
	LMTP_REPLY_BAD_SENDER,
	LMTP_REPLY_BAD_RECIPIENT,
	LMTP_REPLY_BAD_PARAMETER,
	LMTP_REPLY_LINE_TOO_LONG,
	LMTP_REPLY_LHLO_FIRST,
	LMTP_REPLY_MAIL_FIRST,
	LMTP_REPLY_NO_RECIPIENTS,
	LMTP_REPLY_SECOND_SENDER,
	LMTP_REPLY_SENDER_OK,
	LMTP_REPLY_RECIPIENT_OK,
	LMTP_REPLY_UNKNOWN_USER,
	LMTP_REPLY_DISABLED,
	LMTP_REPLY_TOO_MANY_RECIPIENTS,
	LMTP_REPLY_VRFY,
	LMTP_REPLY_GO_ON,
	LMTP_REPLY_CHUNK,
	LMTP_REPLY_BDAT_FIRST,
	LMTP_REPLY_BINARY_DATA,
	LMTP_REPLY_DELIVERED,
	LMTP_REPLY_DELIVERED_BEFORE,
	LMTP_REPLY_TOO_LARGE,
	LMTP_REPLY_HAS_NUL,
	LMTP_REPLY_OVER_QUOTA_NOW,
	LMTP_REPLY_OVER_QUOTA,
	LMTP_REPLY_NO_SPACE,
	LMTP_REPLY_TRY_AGAIN,
	LMTP_REPLIES /* how many */
};

struct lmtp_reply_row {
	const char *code;     /* three digits */
	const char *enhanced; /* "" where RFC 2034 has none */
	const char *text;
};
extern const struct lmtp_reply_row lmtp_replies[LMTP_REPLIES];

void lmtp_reply(struct buf *out, enum lmtp_reply reply);
/* For a command that lmtp_parse() refused; never LMTP_OK. */
enum lmtp_reply lmtp_reply_of_error(enum lmtp_error error);
/* "220 host LMTP ..." */
void lmtp_reply_greeting(struct buf *out, const char *hostname);
/* The answer to LHLO: what is offered, one line each (RFC 2033 4.1). */
void lmtp_reply_lhlo(struct buf *out, const char *hostname, uint64_t message_bytes_max);

#endif
