/* What a caller of storage/ can act on: each code is a different decision.  Details for the log are in
 * account_fault(). */
#ifndef STORAGE_ERROR_H
#define STORAGE_ERROR_H

enum store_err {
	STORE_OK = 0,
	STORE_NOTFOUND,    /* no such mailbox, user, content */
	STORE_EXISTS,      /* the name is taken */
	STORE_CANNOT,      /* never possible: INBOX deleted, a renamed into a/b */
	STORE_HASCHILDREN, /* a name without mailbox still has children */
	STORE_LIMIT,       /* a limit of ours: keywords, mailboxes, UIDs */
	STORE_OVERQUOTA,   /* the account holds all that it may (usage.h) */
	STORE_FULL,        /* the disk is full; nothing was changed */
	STORE_BUSY,        /* somebody else has the store open */
	STORE_CORRUPT,     /* a checksum or a reference does not hold */
	STORE_FOREIGN,     /* the file is not ours, or of another version; it was not changed */
	STORE_IO           /* the disk failed; for a commit the outcome is unknown */
};

#endif
