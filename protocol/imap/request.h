/*
 * One typed request per command: what parse_request() makes of a command's text.  Everything it points to is in the
 * request's arena or in the command's text, and lives as long as both.  Names of mailboxes are as they came on the
 * wire (name.h decodes them): whether a name can exist is not a question of syntax.
 */
#ifndef IMAP_REQUEST_H
#define IMAP_REQUEST_H

#include "protocol/imap/flags.h"
#include "protocol/imap/numset.h"

enum command_kind {
	CMD_UNKNOWN, CMD_APPEND, CMD_AUTHENTICATE, CMD_CAPABILITY, CMD_CHECK, CMD_CLOSE, CMD_COMPRESS, CMD_COPY, CMD_CREATE,
	CMD_DELETE, CMD_ENABLE, CMD_EXAMINE, CMD_EXPUNGE, CMD_FETCH, CMD_GETMETADATA, CMD_GETQUOTA, CMD_GETQUOTAROOT, CMD_ID, CMD_IDLE, CMD_LIST, CMD_LOGIN,
	CMD_LOGOUT, CMD_LSUB, CMD_MOVE, CMD_NAMESPACE, CMD_NOOP, CMD_NOTIFY, CMD_RENAME, CMD_REPLACE, CMD_SEARCH, CMD_SELECT,
	CMD_SETMETADATA, CMD_SETQUOTA, CMD_SORT, CMD_STARTTLS,
	CMD_STATUS, CMD_STORE, CMD_SUBSCRIBE, CMD_THREAD, CMD_UIDBATCHES, CMD_UNAUTHENTICATE, CMD_UNSELECT, CMD_UNSUBSCRIBE
};

/* LOGIN (RFC 3501 6.2.3) */
struct login_request {
	struct span user, password;
};

/* AUTHENTICATE (RFC 3501 6.2.2, 4959) */
struct authenticate_request {
	struct span mechanism;
	struct span initial; /* base64 or "="; ptr NULL when there is none */
};

/* ENABLE (RFC 5161) */
struct enable_request {
	struct span *names;
	size_t names_n;
};

/* ID (RFC 2971): a value may be NIL. */
struct id_request {
	struct id_pair {
		struct span key, value;
	} *pairs;
	size_t pairs_n;
};

/* One thing after another that APPEND says between its literals. */
enum append_step_kind {
	APPEND_BEGINS, /* a message */
	APPEND_URL,    /* a part of it stands elsewhere (RFC 4469) */
	APPEND_ENDS    /* it was put together; one that is a single literal ends with that */
};

struct append_step {
	enum append_step_kind kind;
	struct flag_list flags; /* BEGINS */
	bool has_date;
	int64_t date_unix_s;
	int32_t zone_min;
	struct span url; /* URL: as sent */
};

/* Where a piece of the text begins, and where it stops. */
enum append_place { APPEND_AT_START, APPEND_AFTER /* a message */, APPEND_IN_LIST /* behind a TEXT literal */,
		    APPEND_IN_UTF8 /* behind a UTF8 literal */ };
enum append_stop {
	APPEND_STOPS,   /* the command is whole */
	APPEND_LITERAL, /* the literal is the message */
	APPEND_UTF8,    /* so it is, and a parenthesis closes it (RFC 6855 4) */
	APPEND_TEXT,    /* it is a part of the message */
	APPEND_KEEPS    /* it is a word of the text: nothing can be done before it is there */
};

/* APPEND, REPLACE (RFC 3501 6.3.11, 3502, 4469, 8508), or a piece of one. */
struct append_request {
	struct numset set; /* REPLACE: one number or "*" */
	struct span name;
	struct append_step *steps;
	size_t steps_n;
	enum append_stop stop;
};

/* SELECT, EXAMINE (RFC 3501 6.3.1; RFC 7162 3.1.8, 3.2.5) */
struct select_request {
	struct span name;
	bool condstore, qresync;
	/* QRESYNC: what the client has. */
	uint32_t uidvalidity;
	uint64_t modseq;
	struct numset known;                 /* ascending; n is 0 when absent: all */
	struct numset match_seqs, match_uids; /* as many of each, ascending; n is 0 when absent */
};

/* DELETE, SUBSCRIBE, UNSUBSCRIBE */
struct mailbox_request {
	struct span name;
};

/* The bits of special uses (RFC 6154 2, 8457 4), as the store has them. */
enum { USE_ALL = 1, USE_ARCHIVE = 2, USE_DRAFTS = 4, USE_FLAGGED = 8, USE_JUNK = 16, USE_SENT = 32, USE_TRASH = 64,
       USE_IMPORTANT = 128 };

/* CREATE (RFC 3501 6.3.3, 6154 3) */
struct create_request {
	struct span name;
	uint32_t uses;     /* USE_* */
	bool unknown_use;  /* one that is not known here was asked for: NO [USEATTR] */
};

/* RENAME (RFC 3501 6.3.5) */
struct rename_request {
	struct span from, to;
};

enum { STATUS_MESSAGES = 1, STATUS_RECENT = 2, STATUS_UIDNEXT = 4, STATUS_UIDVALIDITY = 8, STATUS_UNSEEN = 16,
       STATUS_SIZE = 32, STATUS_APPENDLIMIT = 64, STATUS_MAILBOXID = 128, STATUS_HIGHESTMODSEQ = 256, STATUS_DELETED = 512,
       STATUS_DELETED_STORAGE = 1024 };

/* GETQUOTA, SETQUOTA: of a quota root; GETQUOTAROOT: of a mailbox (RFC 9208 4.1) */
struct quota_limit {
	struct span resource;
	uint64_t value; /* at most INT64_MAX */
};

struct quota_request {
	struct span name;
	struct quota_limit *limits; /* of SETQUOTA */
	size_t limits_n;
};

/* STATUS (RFC 3501 6.3.10, 7889, 8438, 8474, 9208 4.1.4) */
struct status_request {
	struct span name;
	uint32_t items; /* STATUS_*, at least one */
};

enum { LIST_SELECT_SUBSCRIBED = 1, LIST_SELECT_RECURSIVE = 2, LIST_SELECT_SPECIAL = 4, LIST_SELECT_REMOTE = 8,
       LIST_RETURN_SUBSCRIBED = 16, LIST_RETURN_CHILDREN = 32, LIST_RETURN_SPECIAL = 64, LIST_RETURN_STATUS = 128,
       LIST_EXTENDED = 256, LIST_RETURN_METADATA = 512 };

/* Names of entries (RFC 5464 3.2), checked, in the case they came. */
struct metadata_names {
	struct span *v;
	size_t n;
};

/* LIST, LSUB (RFC 3501 6.3.8, 5258, 5819, 6154) */
struct list_request {
	struct span reference;
	struct span *patterns; /* one or more; LSUB has one */
	size_t patterns_n;
	uint32_t options; /* LIST_*: EXTENDED when the client used the extended syntax at all */
	uint32_t status;  /* STATUS_*, when RETURN_STATUS */
	struct metadata_names metadata; /* when RETURN_METADATA (RFC 9590) */
};

/* GETMETADATA (RFC 5464 4.2) */
struct getmetadata_request {
	struct span name; /* of a mailbox; empty: the server's entries */
	struct metadata_names entries; /* one or more; with a depth also levels above entries */
	enum metadata_depth { METADATA_ENTRY, METADATA_CHILDREN, METADATA_ALL } depth;
	bool has_max;
	uint32_t max_bytes; /* larger values are not wanted, when has_max */
};

/* SETMETADATA (RFC 5464 4.3) */
struct setmetadata_request {
	struct span name; /* as above */
	struct metadata_pair {
		struct span entry, value; /* any octets; NIL removes the entry */
	} *pairs;
	size_t pairs_n;
};

enum section_kind { SECTION_ALL, SECTION_HEADER, SECTION_FIELDS, SECTION_FIELDS_NOT, SECTION_TEXT, SECTION_MIME };

/* What is between the brackets of BODY[...] (RFC 3501 6.4.5) */
struct section {
	enum section_kind kind;
	uint32_t *path; /* part numbers, from 1 */
	size_t path_n;
	struct span *fields; /* header names as sent; at least one for SECTION_FIELDS and _NOT */
	size_t fields_n;
};

enum fetch_kind {
	FETCH_UID, FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY, FETCH_BODYSTRUCTURE,
	FETCH_SECTION, FETCH_RFC822, FETCH_RFC822_HEADER, FETCH_RFC822_TEXT, FETCH_EMAILID, FETCH_THREADID,
	FETCH_SAVEDATE, FETCH_PREVIEW, FETCH_BINARY, FETCH_BINARY_SIZE, FETCH_MODSEQ
};

struct fetch_item {
	enum fetch_kind kind;
	struct section section; /* FETCH_SECTION; FETCH_BINARY and _SIZE: only numbers */
	bool peek, partial;     /* FETCH_SECTION, FETCH_BINARY */
	uint64_t offset, length; /* when partial; length > 0 */
};

/* FETCH (RFC 3501 6.4.5, 3516, 8474, 8514, 8970): macros are expanded, each item is there once, in the client's order. */
struct fetch_request {
	struct numset set;
	struct fetch_item *items;
	size_t items_n;
	bool has_since; /* CHANGEDSINCE (RFC 7162 3.1.4.1) */
	uint64_t since;
	bool vanished; /* RFC 7162 3.2.6 */
	struct partial partial; /* RFC 9394 3.3; of UID FETCH */
};

/* STORE (RFC 3501 6.4.6) */
struct store_request {
	struct numset set;
	enum store_op { STORE_REPLACE, STORE_ADD, STORE_REMOVE } op;
	bool silent;
	bool has_unchanged; /* UNCHANGEDSINCE (RFC 7162 3.1.3) */
	uint64_t unchanged_since;
	struct flag_list flags;
};

/* COPY, MOVE (RFC 3501 6.4.7, 6851) */
struct copy_request {
	struct numset set;
	struct span name;
};

/* UID EXPUNGE (RFC 4315 2.1); EXPUNGE has no arguments. */
struct expunge_request {
	struct numset set;
};

enum search_kind {
	SEARCH_ALL, SEARCH_FLAG, SEARCH_KEYWORD, SEARCH_RECENT, SEARCH_SAVED, SEARCH_SEQ, SEARCH_UID, SEARCH_LARGER, SEARCH_SMALLER,
	SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE, SEARCH_SENTBEFORE, SEARCH_SENTON, SEARCH_SENTSINCE, SEARCH_OLDER,
	SEARCH_YOUNGER, SEARCH_SAVEDBEFORE, SEARCH_SAVEDON, SEARCH_SAVEDSINCE, SEARCH_EMAILID, SEARCH_THREADID,
	SEARCH_FIELD, SEARCH_HEADER, SEARCH_BODY, SEARCH_TEXT, SEARCH_MODSEQ, SEARCH_AND, SEARCH_OR, SEARCH_NOT, SEARCH_FUZZY
};

/* A node of the search program. NEW, OLD and the UN- keys are made of others. */
struct search_key {
	enum search_kind kind;
	uint32_t bits;     /* FLAG: one IMAP_* */
	int64_t number;    /* LARGER, SMALLER: octets; OLDER, YOUNGER: seconds; dates: days since 1970 */
	struct span name;  /* HEADER: the field; FIELD: BCC, CC, FROM, SUBJECT or TO */
	struct span text;  /* strings; KEYWORD; EMAILID, THREADID: as sent */
	struct numset set; /* SEQ, UID */
	struct search_key **children; /* AND: one or more, OR: two, NOT, FUZZY: one */
	size_t children_n;
};

enum { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8, RETURN_SAVE = 16, RETURN_RELEVANCY = 32,
       RETURN_PARTIAL = 64 };

enum sort_kind { SORT_BY_ARRIVAL, SORT_BY_CC, SORT_BY_DATE, SORT_BY_DISPLAY_FROM, SORT_BY_DISPLAY_TO, SORT_BY_FROM,
		 SORT_BY_RELEVANCY, SORT_BY_SIZE, SORT_BY_SUBJECT, SORT_BY_TO, SORT_KINDS };

/* RFC 5256, BASE.6.4.SORT; RFC 5957 4; RFC 6203 6 */
struct sort_key {
	enum sort_kind kind;
	bool reverse;
};

enum thread_algorithm { THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS };

/* SEARCH (RFC 3501 6.4.4, 4731, 5032, 5182, 6203, 8474, 8514, 9394), SORT and THREAD (RFC 5256, 5267 3) */
struct search_request {
	struct sort_key sort[SORT_KINDS]; /* SORT: each kind once; one that comes again says nothing more */
	size_t sort_n;
	enum thread_algorithm algorithm;  /* THREAD */
	struct search_key *key; /* SEARCH_AND */
	struct span charset;    /* ptr NULL when not given, which SEARCH alone may do */
	bool has_return;        /* the answer is ESEARCH */
	uint32_t returns;       /* RETURN_*, at least one when has_return */
	bool by_numbers;        /* a key of sequence numbers */
	bool has_modseq;        /* a MODSEQ key: the answer says the highest of what was found (RFC 7162 3.1.5) */
	bool has_relevancy;     /* scores are asked for, by RETURN_RELEVANCY or a sort key; there is a FUZZY key */
	struct partial partial; /* when RETURN_PARTIAL */
};

/* UIDBATCHES (RFC 10022) */
struct batches_request {
	uint32_t size;        /* messages in a batch */
	uint32_t first, last; /* batches, as sent; 0: all */
};

enum notify_filter {
	NOTIFY_SELECTED, NOTIFY_SELECTED_DELAYED, NOTIFY_INBOXES, NOTIFY_PERSONAL, NOTIFY_SUBSCRIBED, NOTIFY_SUBTREE,
	NOTIFY_MAILBOXES
};

/* Events (RFC 5465 5): of messages, and of mailboxes and the account. */
enum { EVENT_MESSAGE_NEW = 1, EVENT_MESSAGE_EXPUNGE = 2, EVENT_FLAG_CHANGE = 4, EVENT_ANNOTATION_CHANGE = 8,
       EVENTS_MESSAGE = 15, EVENT_MAILBOX_NAME = 16, EVENT_SUBSCRIPTION_CHANGE = 32, EVENT_MAILBOX_METADATA_CHANGE = 64,
       EVENT_SERVER_METADATA_CHANGE = 128, EVENTS_MAILBOX = 240, EVENT_UNKNOWN = 256 };

struct notify_group {
	enum notify_filter filter;
	struct span *names; /* of SUBTREE and MAILBOXES: one or more */
	size_t names_n;
	uint32_t events;    /* EVENT_*; 0 for NONE */
};

/* NOTIFY (RFC 5465) */
struct notify_request {
	bool set;    /* else NONE, and nothing follows */
	bool status;
	struct notify_group *groups; /* one or more; at most one of the selected mailbox, which has message events alone */
	size_t groups_n;
	struct fetch_request attributes; /* MessageNew's items; its set is not used */
};

struct request {
	struct span tag;
	enum command_kind kind;
	bool uid; /* "UID FETCH" */
	union {   /* by kind; other commands have no arguments */
		struct append_request append; /* or parse_append()'s */
		struct login_request login;
		struct authenticate_request authenticate;
		struct enable_request enable;
		struct id_request id;
		struct mailbox_request mailbox;
		struct select_request select;
		struct create_request create;
		struct rename_request rename;
		struct status_request status;
		struct list_request list;
		struct getmetadata_request getmetadata;
		struct setmetadata_request setmetadata;
		struct quota_request quota;
		struct fetch_request fetch;
		struct store_request store;
		struct copy_request copy;
		struct expunge_request expunge;
		struct search_request search;
		struct batches_request batches;
		struct notify_request notify;
	};
};

/* `search` holds its arguments. */
static inline bool request_searches(const struct request *r)
{
	return r->kind == CMD_SEARCH || r->kind == CMD_SORT || r->kind == CMD_THREAD;
}

/* A SEARCH or SORT whose result is to be saved as "$" (RFC 5182); also of a command that could not be read to its end. */
static inline bool request_saves(const struct request *r)
{
	return request_searches(r) && (r->search.returns & RETURN_SAVE);
}

#endif
