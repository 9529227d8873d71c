/*
 * The client's side of NOTIFY (RFC 5465): what it has asked to be told of, and the picture that it has of mailboxes that it
 * has not selected and of names, from STATUS and LIST responses and from what it does itself.  Once all is quiet the
 * picture must be the truth, without a command being needed.
 */
#ifndef TESTS_MODEL_NOTIFIED_H
#define TESTS_MODEL_NOTIFIED_H

#include "storage/account.h"
#include "tests/model/oracle.h"

struct client;
struct sim;

enum { NAME_BYTES = 40, NAMES_MAX = 60 };
/* Of the annotations: the mailboxes, and the account itself; and the entries of each. */
enum { PLACES = BOXES + 1, ENTRIES = 2 };

/* What a name is; one that is neither is none. */
struct sim_name {
	char text[NAME_BYTES];
	bool exists, subscribed;
};

struct sim_names {
	struct sim_name v[NAMES_MAX];
	size_t n;
};

enum selected_events { SELECTED_ALL, /* NOTIFY was not used: everything, with commands */
		       SELECTED_NONE, SELECTED_AT_ONCE, SELECTED_DELAYED };

/* What was asked for. */
struct notify_wish {
	enum selected_events selected;
	bool flags;   /* FlagChange too, of the selected mailbox */
	bool fetches; /* UID and FLAGS of new messages */
	bool others;  /* MessageNew, MessageExpunge, FlagChange of the other mailboxes */
	bool names;   /* MailboxName, SubscriptionChange */
	bool metadata; /* MailboxMetadataChange, ServerMetadataChange */
};

/* A mailbox that is not selected; -1: not known. */
struct picture {
	int64_t messages, unseen, uidnext, modseq;
};

struct notified {
	bool uses;                /* at all */
	struct notify_wish wish, next; /* next: of the NOTIFY that runs */
	bool next_status, next_overflows;
	struct picture boxes[BOXES];
	struct sim_names names;
	enum { NAMES_UNKNOWN, NAMES_HALF, NAMES_KNOWN } names_state;
	bool enables_metadata;    /* hears of annotations by ENABLE METADATA (RFC 5464 4.4.2), on each connection */
	int64_t values[PLACES][ENTRIES]; /* of annotations; -1: not known */
	int place, entry;         /* of the command on annotations that runs */
	int64_t value;
	/* The command on names that runs. */
	enum { NAME_CREATE, NAME_DELETE, NAME_RENAME, NAME_SUBSCRIBE, NAME_UNSUBSCRIBE } how;
	char name[NAME_BYTES], to[NAME_BYTES];
};

/* A connection begins, or ends: nothing is asked for. */
void notified_reset(struct client *c);
/* The client uses sequence numbers, and "*", at its own risk: they may change at any time (RFC 5465 5.3). */
bool notified_at_once(const struct client *c);
/* It is told of the selected mailbox while no command runs. */
bool notified_of_selected(const struct client *c);
/* All that the view is compared with was asked for. */
bool notified_of_flags(const struct client *c);

/* choose.c: begins a NOTIFY, a LIST for the names, a command that changes names. */
void notified_choose(struct client *c);
void notified_list(struct client *c);
void notified_change_names(struct client *c);
/* Sets an annotation, or asks for one. */
void notified_annotate(struct client *c);

/* hear.c */
void notified_status(struct client *c, const char *text);
void notified_name(struct client *c, const char *text);
void notified_overflow(struct client *c);
void notified_metadata(struct client *c, const char *text);

/* client.c: a command has ended. */
void notified_end_notify(struct client *c);
void notified_end_list(struct client *c);
void notified_end_names(struct client *c, bool ok);
void notified_end_metadata(struct client *c, bool sets);
/* What it did itself to a mailbox that is not selected it is not told. */
void notified_touch(struct client *c, int box);
/* The selected mailbox is one among others now: it was told of it, or will be. */
void notified_leave(struct client *c, bool closed);

/* All is quiet. */
void notified_check(struct client *c);
/* All that it can hear of annotations it has heard. */
void notified_check_metadata(struct client *c);
/* sim.c: an op has run; the annotations are as before, but for what its client, if there is one, has set. */
void notified_read_values(struct sim *s, const struct client *c, struct account *a);
/* sim.c: the names as the store has them. */
void notified_read_names(struct sim_names *out, struct account *a);

#endif
