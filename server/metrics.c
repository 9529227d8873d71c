#include "server/metrics.h"

#include "server/accounts.h"
#include "server/peers.h"
#include "server/server.h"

#include <malloc.h>

static uint64_t connections(const struct server *s)
{
	return peers_count(s->peers, PEERS_ALL);
}

static uint64_t strangers(const struct server *s)
{
	return peers_count(s->peers, PEERS_STRANGERS);
}

static uint64_t accounts(const struct server *s)
{
	return accounts_count(s->accounts, ACCOUNTS_KNOWN);
}

static uint64_t open_accounts(const struct server *s)
{
	return accounts_count(s->accounts, ACCOUNTS_OPEN);
}

static uint64_t account_memory(const struct server *s)
{
	return accounts_count(s->accounts, ACCOUNTS_BYTES);
}

/* What the program holds from malloc; what the allocator keeps for later is not in it. */
static uint64_t memory(const struct server *s)
{
	(void)s;
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

const struct metric metrics[] = {
	{"connections", "connections of clients, with those of this command", connections},
	{"connections_not_logged_in", "those of them that have not logged in", strangers},
	{"accounts", "accounts with a queue: in use, or open", accounts},
	{"accounts_open", "accounts whose databases are open", open_accounts},
	{"accounts_bytes", "memory of the open accounts, by and large", account_memory},
	{"memory_bytes", "memory the program has allocated", memory},
};
const size_t metrics_n = countof(metrics);
