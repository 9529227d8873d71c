/* One typed request per command: what parse_request() makes of a command's text.  Everything it points to is in
 * the request's arena or in the command's text. */
#ifndef IMAP_REQUEST_H
#define IMAP_REQUEST_H

#include "protocol/arena.h"

enum command_kind {
	CMD_UNKNOWN, CMD_APPEND, CMD_AUTHENTICATE, CMD_CAPABILITY, CMD_CHECK, CMD_CLOSE, CMD_COPY, CMD_CREATE,
	CMD_DELETE, CMD_ENABLE, CMD_EXAMINE, CMD_EXPUNGE, CMD_FETCH, CMD_ID, CMD_IDLE, CMD_LIST, CMD_LOGIN,
	CMD_LOGOUT, CMD_LSUB, CMD_MOVE, CMD_NAMESPACE, CMD_NOOP, CMD_RENAME, CMD_SEARCH, CMD_SELECT, CMD_STARTTLS,
	CMD_STATUS, CMD_STORE, CMD_SUBSCRIBE, CMD_UNSELECT, CMD_UNSUBSCRIBE
};

/* 0 stands for "*". Ranges as sent, in any order (RFC 3501 9, sequence-set). */
struct numrange {
	uint32_t lo, hi;
};

struct numset {
	struct numrange *v;
	size_t n;
};

enum section_kind { SECTION_ALL, SECTION_HEADER, SECTION_FIELDS, SECTION_FIELDS_NOT, SECTION_TEXT, SECTION_MIME };

struct section {
	enum section_kind kind;
	uint32_t *path; /* part numbers */
	size_t path_n;
	struct span *fields;
	size_t fields_n;
};

enum fetch_kind {
	FETCH_UID, FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY, FETCH_BODYSTRUCTURE,
	FETCH_SECTION, FETCH_RFC822, FETCH_RFC822_HEADER, FETCH_RFC822_TEXT
};

struct fetch_item {
	enum fetch_kind kind;
	struct section section;
	bool peek, partial;
	uint64_t offset, length; /* when partial */
};

enum search_kind {
	SEARCH_ALL, SEARCH_FLAG, SEARCH_KEYWORD, SEARCH_RECENT, SEARCH_SEQ, SEARCH_UID, SEARCH_LARGER, SEARCH_SMALLER,
	SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE, SEARCH_SENTBEFORE, SEARCH_SENTON, SEARCH_SENTSINCE, SEARCH_OLDER,
	SEARCH_YOUNGER, SEARCH_HEADER, SEARCH_BODY, SEARCH_TEXT, SEARCH_AND, SEARCH_OR, SEARCH_NOT
};

struct search_key {
	enum search_kind kind;
	uint32_t bits;        /* SEARCH_FLAG: one flag */
	uint64_t number;      /* sizes, seconds, days since 1970 */
	struct span name, text;
	struct numset set;
	struct search_key **children;
	size_t children_n;
};

enum { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8 };
enum { STATUS_MESSAGES = 1, STATUS_RECENT = 2, STATUS_UIDNEXT = 4, STATUS_UIDVALIDITY = 8, STATUS_UNSEEN = 16,
       STATUS_SIZE = 32, STATUS_APPENDLIMIT = 64 };
enum { LIST_SELECT_SUBSCRIBED = 1, LIST_SELECT_RECURSIVE = 2, LIST_SELECT_SPECIAL = 4, LIST_RETURN_SUBSCRIBED = 8,
       LIST_RETURN_CHILDREN = 16, LIST_RETURN_SPECIAL = 32, LIST_EXTENDED = 64 };

struct request {
	struct span tag;
	enum command_kind kind;
	bool uid;
	struct span mailbox, target;  /* as sent */
	struct span user, pass;       /* LOGIN; AUTHENTICATE: mechanism, initial response */
	bool has_initial;
	struct numset set;
	bool has_set;
	struct fetch_item *items;
	size_t items_n;
	char store_op; /* '+', '-' or ' ' */
	bool silent;
	uint32_t flags;        /* system flags, bits as FLAG_* of protocol/imap/flags.h */
	struct span keywords;  /* separated by spaces */
	struct search_key *search;
	struct span charset;
	bool has_return;
	uint32_t returns, status;
	uint32_t list;
	struct span *patterns;
	size_t patterns_n;
	uint32_t special; /* CREATE (USE ...) */
};

/* System flags in the order and with the values of storage's FLAG_*. */
enum { IMAP_ANSWERED = 1, IMAP_FLAGGED = 2, IMAP_DELETED = 4, IMAP_SEEN = 8, IMAP_DRAFT = 16 };

#endif
