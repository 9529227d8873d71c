/*
 * Mail files to records (transfer.h): what `roost import` reads.  Everything streams; of a Maildir folder the names of its
 * files are held, of an mbox file a header.  For the command's own process: it blocks.
 *
 *	maildir_feed.c   Maildir++ and folders as directories; the UIDs, keywords and subscriptions of Dovecot's files in them
 *	mbox_feed.c      mbox files (mboxo, mboxrd, RFC 4155), one or a directory of them
 */
#ifndef SERVER_MAIL_FEED_H
#define SERVER_MAIL_FEED_H

#include "server/mail_tree.h"
#include "server/transfer.h"

struct mail_feed {
	struct mail_tree *tree;
	/* Takes records; false: no more of them. */
	bool (*write)(void *ctx, struct span records);
	/* After each message. */
	void (*on_progress)(void *ctx);
	void *ctx;
	struct buf out;
	bool over;                           /* write() said false */
	uint64_t bytes, messages, mailboxes; /* read so far */
};

void mail_feed_init(struct mail_feed *f, struct mail_tree *tree);
void mail_feed_finish(struct mail_feed *f);
/* Sends what is in `out` when it is much, or with `all`.  False: it is over. */
bool mail_feed_pass(struct mail_feed *f, bool all);
/* Something cannot be read: printf's words, for people. */
void mail_feed_problem(struct mail_feed *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The rest of a file as the current message's bytes. */
void mail_feed_file(struct mail_feed *f, struct mail_file *file, const char *path);
/* A name of a mailbox that is a name of a file: modified UTF-7 (RFC 3501 5.1.3), or else as it is; to `out`. */
void mail_feed_decode(struct span component, struct buf *out);

/* Is there a Maildir at `dir`: `cur`, or folders as they stand in one? */
bool maildir_is_at(struct mail_tree *t, const char *dir);
/* All of it: INBOX and every folder. */
void maildir_feed(struct mail_feed *f, const char *dir);
/* Bytes of the messages in it, for the progress bar. */
uint64_t maildir_bytes(struct mail_tree *t, const char *dir);

/* Each mbox file in the directory and below, named for its file. */
void mbox_feed(struct mail_feed *f, const char *dir);
/* Does the file begin as one does?  An empty one does too. */
bool mbox_is_at(struct mail_tree *t, const char *path);
/* One file. */
void mbox_feed_file(struct mail_feed *f, const char *path, const char *mailbox);
uint64_t mbox_bytes(struct mail_tree *t, const char *dir);

#endif
