/*
 * Mail from elsewhere on its way into an account, record by record (transfer.h).  Each message is published when it is
 * whole; what is there already is left out, so that an import that was cut short is begun again, and goes on:
 *
 *   - where the mailbox has taken its UIDVALIDITY over, a message whose UID was given here is there, or was removed since;
 *   - else the messages that the mailbox had at the start are counted against those that come, by content.
 *
 * An import may also bring over what changed since an earlier one.  What that brought is known by the modseqs of its
 * changes (storage/imported.h): a message that was changed here since is left as it is.
 *
 * Nothing is dropped silently: what cannot be kept as it is, is kept as far as it can be, and reported.
 *
 * Thread: the account's lane, all functions.  Memory: 24 bytes for each message the mailbox had before, and an intake.
 */
#ifndef SERVER_MAIL_IMPORT_H
#define SERVER_MAIL_IMPORT_H

#include "server/transfer.h"
#include "storage/account.h"

struct mail_import;

struct mail_import_counts {
	uint64_t messages, known, problems; /* taken in; left out; reported */
	uint64_t mailboxes;
	/* With `update`. */
	uint64_t updated, kept;  /* flags brought over; others here, and changed here, and so left */
	uint64_t deleted, gone;  /* that are gone there; that are, and stay here */
};

struct mail_import_rules {
	const char *only; /* the mailbox that takes everything; NULL: each its own */
	bool update;      /* what changed there since an earlier import changes here too, where nobody changed it here: flags; */
	bool deletes;     /* and, with this, messages that are gone there.  In a mailbox of which something could not be read
			   * none is deleted */
	bool overwrite;   /* flags that were changed here, too */
};

/* An import of the account that goes on already ends: its next record is STORE_BUSY.  `report` gets what to tell people, with the mailbox and
 * where the message comes from ("" for none); the texts hold during the call. */
struct mail_import *mail_import_create(struct account *a, const struct mail_import_rules *how,
				       void (*report)(void *ctx, const char *mailbox, const char *source, const char *what),
				       void *ctx);
/* Accepts NULL. */
void mail_import_destroy(struct mail_import *im);
/* Inside a writing op.  STORE_CANNOT: the record makes no sense here.  After an error it is of no more use. */
MUST_USE enum store_err mail_import_take(struct mail_import *im, struct account *a, const struct transfer_record *record);
/* No more records come: STORE_CANNOT in the middle of a message. */
MUST_USE enum store_err mail_import_end(struct mail_import *im, struct account *a);
struct mail_import_counts mail_import_result(const struct mail_import *im);

#endif
