/* From a command's text to a typed request (RFC 3501 9). Pure; nothing is kept between calls. */
#ifndef IMAP_PARSE_H
#define IMAP_PARSE_H

#include "protocol/imap/request.h"

/* What is wrong with a command is in struct parse_error: its offset in the text, the reason, and the limit if it was
 * only that. */
enum parse_status {
	PARSE_OK,
	PARSE_BAD,   /* not in the grammar: tagged BAD, or "* BAD" when there is no tag */
	PARSE_LIMIT, /* error->limit: NO [LIMIT] */
};

/* `text` is a command as reader.h gives it. The tag is set whenever it is readable, else its ptr is NULL; so is the
 * kind. An APPEND that is OK here has no literals that are to be streamed: it catenates. */
MUST_USE enum parse_status parse_request(struct arena *a, struct span text, unsigned dialect, struct request *out,
					 struct parse_error *error);

/* What a command's first words say, when its rest is not there yet or is too long to read: which it is (CMD_UNKNOWN if
 * that cannot be told), and its tag (ptr NULL if it has none). */
enum command_kind parse_peek(struct span text, struct span *tag);

/*
 * APPEND and REPLACE, whose messages are literals of any size and are streamed, or are put together of such literals and
 * of parts of other messages (CATENATE).  What reader.h gives with READER_LITERAL is the text up to and with "{n}".
 */
/* Is the literal to be streamed? If not it is a name or a URL, and should be kept. Only for the first literals, where
 * parse_peek() says CMD_APPEND or CMD_REPLACE. */
bool parse_append_streams(struct span text);
/* A piece of the command: from its tag, or from what follows a streamed literal, to the next one or to the end. Sets
 * out->append, and out->uid at the start. `single`: it is REPLACE. */
MUST_USE enum parse_status parse_append(struct arena *a, struct span text, unsigned dialect, enum append_place place,
					bool single, struct request *out, struct parse_error *error);
/* The value of an entry /private/specialuse, as LIST has the words: USE_* (RFC 6154 4).  False: one is not known. */
MUST_USE bool parse_uses(struct span text, uint32_t *out);

#endif
