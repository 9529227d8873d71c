/*
 * LIST lines of other commands than LIST, for clients that enabled IMAP4rev2: SELECT names its mailbox, and a name that
 * is not in normal form is told with the one that it became (RFC 9051 5.1, 6.3.2, 6.3.9.7).  Worker.
 */
#ifndef SERVER_LIST_TELL_H
#define SERVER_LIST_TELL_H

#include "server/command.h"

/* The mailbox that is selected, named `wire` by the client, with its attributes. */
MUST_USE enum store_err list_tell_selected(struct command *cmd, struct account *a, const struct mailbox_info *info,
					   struct span wire);
/* Says OLDNAME where `wire` differs from the name it stands for, with ATTRIBUTE_* of response_list.h. */
void list_tell_normalized(struct command *cmd, struct span wire, struct span name, uint32_t attributes);

#endif
