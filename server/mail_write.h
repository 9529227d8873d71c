/*
 * Records (transfer.h) to mail files: what `roost export` writes.  For the command's own process: it blocks.
 *
 *	Maildir++   with what maildir_feed.c reads of Dovecot's: UIDs, keywords, subscriptions.  A message's file is named for its
 *	            UID, so that an export that was cut short is begun again and goes on
 *	mbox        mboxrd, a file a mailbox, with what mbox_feed.c reads: flags, keywords, UIDs
 *
 * Lines end in LF, as files of either kind mostly have it; where a CR stands before a CRLF that stays as it is.
 */
#ifndef SERVER_MAIL_WRITE_H
#define SERVER_MAIL_WRITE_H

#include "server/mail_out.h"
#include "server/transfer.h"

struct mail_writer;

/* One kind of files.  `done`: the message is there already, its bytes are not wanted. */
struct mail_format {
	void *(*open)(struct mail_out *out);
	void (*mailbox)(void *format, const struct transfer_mailbox *m);
	void (*message)(void *format, const struct transfer_message *m, bool *done);
	void (*data)(void *format, struct span bytes); /* with CRLF, any cuts */
	void (*end)(void *format);                     /* of the message */
	void (*subscription)(void *format, const char *name);
	void (*close)(void *format, bool whole);       /* frees it; `whole`: everything has come */
};
extern const struct mail_format maildir_format, mbox_format;

/* `out` outlives it. */
struct mail_writer *mail_writer_create(struct mail_out *out, const struct mail_format *format);
/* Takes NULL.  `whole`: all records have come. */
void mail_writer_destroy(struct mail_writer *w, bool whole);
/* Records, cut anywhere; problems are given to `problem`.  False: they make no sense, or the files cannot be written. */
bool mail_writer_take(struct mail_writer *w, struct span bytes, void (*problem)(const char *text));

struct mail_writer_counts {
	uint64_t messages, bytes, messages_total, bytes_total;
};
struct mail_writer_counts mail_writer_result(const struct mail_writer *w);

/* What was added to `path` from `from` on is one file's name: where it is longer than a file system takes, its end becomes a
 * checksum of the whole, which is said with the mailbox's name. */
void mail_writer_fit(struct buf *path, size_t from, const char *mailbox);

/* CRLF to LF, across cuts. */
struct lf_filter {
	bool holds_cr, after_cr;
};
/* What `in` becomes, in `out` (emptied first). */
void lf_filter_feed(struct lf_filter *f, struct span in, struct buf *out);
/* What was held at the end. */
void lf_filter_end(struct lf_filter *f, struct buf *out);

#endif
