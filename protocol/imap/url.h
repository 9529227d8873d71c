/*
 * The IMAP URLs of CATENATE (RFC 4469 3, RFC 5092 7.1): an absolute path, which names a message of this server and this
 * user, or a part of one.
 *
 *	/mailbox[;UIDVALIDITY=n]/;UID=n[/;SECTION=section][/;PARTIAL=offset[.length]]
 *
 * The mailbox and the section are percent-encoded, the mailbox's name is UTF-8 (RFC 5092 8).  What names a server, a
 * search or an access right, and paths that do not begin with "/" (RFC 5092 7.2: MUST NOT be accepted), are refused.
 * Pure; any thread.
 */
#ifndef IMAP_URL_H
#define IMAP_URL_H

#include "protocol/arena.h"
#include "protocol/imap/request.h"

enum { URL_BYTES_MAX = 8192 };

struct imap_url {
	struct span mailbox;     /* within (name.h), NUL-terminated in the arena */
	uint32_t uidvalidity;    /* 0: not said */
	uint32_t uid;
	struct section section;  /* SECTION_ALL without a path: the whole message */
	bool partial;
	uint64_t offset, length; /* length UINT64_MAX: to the end */
};

/* Everything is in the arena. */
MUST_USE bool imap_url_parse(struct arena *a, struct span text, struct imap_url *out);
/* The URL as url-resp-text of BADURL (RFC 4469 5): what may not stand there is percent-encoded. */
void imap_url_write(struct buf *out, struct span text);

#endif
