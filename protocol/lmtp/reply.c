#include "protocol/lmtp/reply.h"

const struct lmtp_reply_row lmtp_replies[LMTP_REPLIES] = {
	[LMTP_REPLY_DONE] = {"250", "2.0.0", "OK"},
	[LMTP_REPLY_BYE] = {"221", "2.0.0", "Bye"},
	[LMTP_REPLY_STOPPING] = {"421", "4.3.2", "The server stops"},
	[LMTP_REPLY_IDLE] = {"421", "4.4.2", "Idle for too long"},
	[LMTP_REPLY_TOO_MANY_ERRORS] = {"421", "4.7.0", "Too many errors"},
	[LMTP_REPLY_NOT_LMTP] = {"500", "5.5.1", "This is LMTP: say LHLO"}, /* RFC 2033 4.1 */
	[LMTP_REPLY_UNKNOWN_COMMAND] = {"500", "5.5.1", "This command is not known"},
	[LMTP_REPLY_BAD_ARGUMENTS] = {"501", "5.5.4", "These arguments are not understood"},
	[LMTP_REPLY_BAD_SENDER] = {"501", "5.1.7", "This is not a sender's address"},
	[LMTP_REPLY_BAD_RECIPIENT] = {"501", "5.1.3", "This is not a recipient's address"},
	[LMTP_REPLY_BAD_PARAMETER] = {"555", "5.5.4", "This parameter is not known"},
	[LMTP_REPLY_LINE_TOO_LONG] = {"500", "5.5.2", "The line is too long"},
	[LMTP_REPLY_LHLO_FIRST] = {"503", "5.5.1", "Say LHLO first"},
	[LMTP_REPLY_MAIL_FIRST] = {"503", "5.5.1", "Say MAIL first"},
	[LMTP_REPLY_NO_RECIPIENTS] = {"503", "5.5.1", "There are no recipients"},
	[LMTP_REPLY_SECOND_SENDER] = {"503", "5.5.1", "There is a sender already"},
	[LMTP_REPLY_SENDER_OK] = {"250", "2.1.0", "OK"},
	[LMTP_REPLY_RECIPIENT_OK] = {"250", "2.1.5", "OK"},
	[LMTP_REPLY_UNKNOWN_USER] = {"550", "5.1.1", "There is no such user"},
	[LMTP_REPLY_DISABLED] = {"550", "5.2.1", "This user takes no mail"},
	[LMTP_REPLY_TOO_MANY_RECIPIENTS] = {"452", "4.5.3", "Too many recipients"},
	[LMTP_REPLY_VRFY] = {"252", "2.5.0", "Send mail and see"},
	[LMTP_REPLY_GO_ON] = {"354", "", "Go on, and end with a dot"},
	[LMTP_REPLY_CHUNK] = {"250", "2.0.0", "The chunk is here"},
	[LMTP_REPLY_BDAT_FIRST] = {"503", "5.5.1", "What began with BDAT goes on with BDAT"}, /* RFC 3030 2 */
	[LMTP_REPLY_BINARY_DATA] = {"503", "5.5.1", "Binary messages come with BDAT"}, /* RFC 3030 3 */
	[LMTP_REPLY_DELIVERED] = {"250", "2.0.0", "Delivered"},
	[LMTP_REPLY_DELIVERED_BEFORE] = {"250", "2.0.0", "It had been delivered before"},
	[LMTP_REPLY_TOO_LARGE] = {"552", "5.3.4", "The message is too large"},
	[LMTP_REPLY_HAS_NUL] = {"554", "5.6.0", "A message may not hold NUL octets"},
	[LMTP_REPLY_OVER_QUOTA_NOW] = {"452", "4.2.2", "The mailbox is full; try again later"},
	[LMTP_REPLY_OVER_QUOTA] = {"552", "5.2.2", "The mailbox is full"},
	[LMTP_REPLY_NO_SPACE] = {"452", "4.3.1", "There is no space left"},
	[LMTP_REPLY_TRY_AGAIN] = {"451", "4.3.0", "Not stored: try again later"},
};

void lmtp_reply(struct buf *out, enum lmtp_reply reply)
{
	const struct lmtp_reply_row *row = &lmtp_replies[reply];
	buf_add_text(out, row->code);
	buf_add_char(out, ' ');
	buf_add_text(out, row->enhanced);
	buf_add_text(out, row->enhanced[0] ? " " : "");
	buf_add_text(out, row->text);
	buf_add_text(out, "\r\n");
}

enum lmtp_reply lmtp_reply_of_error(enum lmtp_error error)
{
	static const enum lmtp_reply replies[] = {[LMTP_BAD_COMMAND] = LMTP_REPLY_UNKNOWN_COMMAND,
						  [LMTP_BAD_ARGUMENTS] = LMTP_REPLY_BAD_ARGUMENTS,
						  [LMTP_BAD_SENDER] = LMTP_REPLY_BAD_SENDER,
						  [LMTP_BAD_RECIPIENT] = LMTP_REPLY_BAD_RECIPIENT,
						  [LMTP_BAD_PARAMETER] = LMTP_REPLY_BAD_PARAMETER};
	invariant(error != LMTP_OK);
	return replies[error];
}

void lmtp_reply_greeting(struct buf *out, const char *hostname)
{
	buf_add_text(out, "220 ");
	buf_add_text(out, hostname);
	buf_add_text(out, " LMTP Roost\r\n");
}

void lmtp_reply_lhlo(struct buf *out, const char *hostname, uint64_t message_bytes_max)
{
	buf_add_text(out, "250-");
	buf_add_text(out, hostname);
	buf_add_text(out, "\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
			  "250-BINARYMIME\r\n250 SIZE ");
	buf_add_u64(out, message_bytes_max);
	buf_add_text(out, "\r\n");
}
