/*
 * Mail on its way into an account or out of it, as a stream of records between the command, which has the files, and the
 * server, which has the account.  The pieces of standard input and output that the admin protocol carries (ADMIN_BODY) are
 * this stream, cut anywhere.  A record is a type (one byte), the length of what follows (four, most significant first), and
 * that: texts, each ended by a NUL, or bytes.
 *
 *	TOTAL         how many messages and bytes there are, for the progress bar; may be missing
 *	MAILBOX       name, UIDVALIDITY, UIDNEXT, special use, subscribed: what follows is in it
 *	SUBSCRIPTION  a name, of a mailbox or not
 *	MESSAGE       UID, flags, keywords, internal date and zone, size, where it comes from
 *	DATA          bytes of it, any number of such records
 *	MESSAGE_END
 *	PROBLEM       what could not be read, in words for people
 *
 * Names are UTF-8 with '/' between levels; 0 stands for a number that is not known.
 */
#ifndef SERVER_TRANSFER_H
#define SERVER_TRANSFER_H

#include "protocol/buf.h"

enum transfer_type {
	TRANSFER_TOTAL = 'T',
	TRANSFER_MAILBOX = 'M',
	TRANSFER_SUBSCRIPTION = 'S',
	TRANSFER_MESSAGE = 'm',
	TRANSFER_DATA = 'd',
	TRANSFER_MESSAGE_END = 'e',
	TRANSFER_PROBLEM = 'p'
};

enum { TRANSFER_HEAD = 5, TRANSFER_DATA_MAX = 32768, TRANSFER_RECORD_MAX = 40960, TRANSFER_SOURCE_MAX = 400 };

struct transfer_mailbox {
	const char *name;
	uint32_t uidvalidity, uidnext, special;
	bool subscribed;
};

struct transfer_message {
	uint32_t uid;
	uint32_t system;      /* FLAG_* of storage/flagset.h */
	const char *keywords; /* "a b" */
	int64_t internal_date;
	int32_t zone_min;
	uint64_t size;        /* of the CRLF form, as far as it is known */
	const char *source;   /* for people */
};

struct transfer_record {
	enum transfer_type type;
	struct span body; /* in the buffer it was read from */
	size_t size;      /* with the head */
};

/* Writers: `out` latches. */
void transfer_put_total(struct buf *out, uint64_t messages, uint64_t bytes);
void transfer_put_mailbox(struct buf *out, const struct transfer_mailbox *m);
void transfer_put_message(struct buf *out, const struct transfer_message *m);
/* At most TRANSFER_DATA_MAX bytes. */
void transfer_put_data(struct buf *out, struct span bytes);
/* Of the rest: a text, "" for none. */
void transfer_put_text(struct buf *out, enum transfer_type type, const char *text);

/* The record at the beginning of `in`, if all of it is there.  False: not yet, or with *out_broken set, never. */
bool transfer_read(struct span in, struct transfer_record *out, bool *out_broken);
/* A record's contents, pointing into its body; false: it makes no sense. */
bool transfer_get_total(struct span body, uint64_t *messages, uint64_t *bytes);
bool transfer_get_mailbox(struct span body, struct transfer_mailbox *out);
bool transfer_get_message(struct span body, struct transfer_message *out);
bool transfer_get_text(struct span body, const char **out);

#endif
