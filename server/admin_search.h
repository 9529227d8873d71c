/* roost search, between two slices. */
#ifndef SERVER_ADMIN_SEARCH_H
#define SERVER_ADMIN_SEARCH_H

#include "server/admin.h"

struct admin_search;

/* Takes NULL; any thread. */
void admin_search_finish(struct admin_search *s);

#endif
