#include "server/metrics.h"

#include "server/accounts.h"
#include "server/auth_pool.h"
#include "server/command.h"
#include "server/counters.h"
#include "server/domain_counts.h"
#include "server/peers.h"
#include "server/server.h"
#include "server/sessions.h"
#include "server/tally.h"
#include "server/worker.h"

#include <inttypes.h>
#include <malloc.h>
#include <uthash.h>

static uint64_t peers(const struct server *s, unsigned what)
{
	return peers_count(s->peers, (enum peers_what)what);
}

static uint64_t accounts(const struct server *s, unsigned what)
{
	return accounts_count(s->accounts, (enum accounts_what)what);
}

static uint64_t sessions(const struct server *s, unsigned arg)
{
	(void)arg;
	return sessions_count(s->sessions);
}

static uint64_t lanes_waiting(const struct server *s, unsigned arg)
{
	int n = workers_waiting(s->workers);
	(void)arg;
	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t logins_waiting(const struct server *s, unsigned arg)
{
	(void)arg;
	return auth_pool_waiting(s->auth);
}

/* What the program holds from malloc; what the allocator keeps for later is not in it. */
static uint64_t memory(const struct server *s, unsigned arg)
{
	(void)s, (void)arg;
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static uint64_t counted(const struct server *s, unsigned which)
{
	return counter_read(&s->counters, (enum counter)which);
}

const struct metric metrics[] = {
	{METRIC_GAUGE, "connections", "connections of clients, with those of this command", peers, PEERS_ALL},
	{METRIC_GAUGE, "connections_not_logged_in", "those of them that have not logged in", peers, PEERS_STRANGERS},
	{METRIC_GAUGE, "sessions", "IMAP sessions that are logged in", sessions, 0},
	{METRIC_GAUGE, "accounts", "accounts with a queue: in use, or open", accounts, ACCOUNTS_KNOWN},
	{METRIC_GAUGE, "accounts_open", "accounts whose databases are open", accounts, ACCOUNTS_OPEN},
	{METRIC_GAUGE, "accounts_bytes", "memory of the open accounts, by and large", accounts, ACCOUNTS_BYTES},
	{METRIC_GAUGE, "memory_bytes", "memory the program has allocated", memory, 0},
	{METRIC_GAUGE, "lanes_waiting", "accounts whose work waits for a worker thread", lanes_waiting, 0},
	{METRIC_GAUGE, "logins_waiting", "logins that wait for a thread that checks passwords", logins_waiting, 0},
	{METRIC_COUNTER, "logins", "logins that went well", counted, COUNT_LOGINS},
	{METRIC_COUNTER, "logins_failed", "logins with a wrong user or password", counted, COUNT_LOGINS_FAILED},
	{METRIC_COUNTER, "logins_held", "logins refused for too many failures before", counted, COUNT_LOGINS_HELD},
	{METRIC_COUNTER, "commands_no", "IMAP commands answered NO", counted, COUNT_COMMANDS_NO},
	{METRIC_COUNTER, "commands_bad", "IMAP commands answered BAD", counted, COUNT_COMMANDS_BAD},
	{METRIC_COUNTER, "received_bytes", "bytes from clients, as they came over the wire", counted, COUNT_BYTES_IN},
	{METRIC_COUNTER, "sent_bytes", "bytes to clients, as they went over the wire", counted, COUNT_BYTES_OUT},
	{METRIC_COUNTER, "syncs", "waits until something is on disk", accounts, ACCOUNTS_SYNCS},
	{METRIC_COUNTER, "deliveries", "messages delivered over LMTP, one a recipient", counted, COUNT_DELIVERED},
	{METRIC_COUNTER, "deliveries_again", "those that had been delivered before", counted, COUNT_DELIVERED_BEFORE},
	{METRIC_COUNTER, "deliveries_deferred", "those put off: answered 4xx", counted, COUNT_DELIVERIES_DEFERRED},
	{METRIC_COUNTER, "deliveries_refused", "those refused: answered 5xx", counted, COUNT_DELIVERIES_REFUSED},
	{METRIC_COUNTER, "recipients_unknown", "recipients over LMTP whom nobody knows", counted, COUNT_RECIPIENTS_UNKNOWN},
};
const size_t metrics_n = countof(metrics);

static void write_metric(const struct server *server, const struct metric *m, struct buf *out)
{
	static const char *const types[] = {[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter"};
	buf_printf(out, "# TYPE roost_%s %s\n# HELP roost_%s %s\n", m->name, types[m->type], m->name, m->help);
	buf_printf(out, "roost_%s%s %" PRIu64 "\n", m->name, m->type == METRIC_COUNTER ? "_total" : "", m->read(server, m->arg));
}

/* The counts of what is in a bucket or in one below it, as the format has them. */
static void write_histogram(const struct histogram *h, const char *command, struct buf *out)
{
	static const char name[] = "roost_command_duration_seconds";
	uint64_t below = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
		if (i < HISTOGRAM_BUCKETS - 1)
			buf_printf(out, "%s_bucket{command=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, command,
				   histogram_ends_us[i] / 1e6, below);
		else
			buf_printf(out, "%s_bucket{command=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, command, below);
	}
	uint64_t sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
	buf_printf(out, "%s_count{command=\"%s\"} %" PRIu64 "\n%s_sum{command=\"%s\"} %" PRIu64 ".%06" PRIu64 "\n", name, command,
		   below, name, command, sum_us / 1000000, sum_us % 1000000);
}

/* ---- by domain ---- */

struct domain_count {
	char domain[ADDRESS_DOMAIN_MAX + 1];
	uint64_t n;
	UT_hash_handle hh;
};

static bool on_session(void *ctx, const struct session_entry *entry)
{
	struct domain_count **all = ctx, *c;
	const char *domain = address_domain(entry->address);
	HASH_FIND_STR(*all, domain, c);
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		snprintf(c->domain, sizeof(c->domain), "%s", domain);
		HASH_ADD_STR(*all, domain, c);
	}
	c->n++;
	return true;
}

static void write_label(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
}

static void write_storage(void *ctx, const char *domain, uint64_t bytes)
{
	struct buf *out = ctx;
	if (!bytes)
		return;
	buf_add_text(out, "roost_domain_storage_bytes{domain=\"");
	write_label(domain, out);
	buf_printf(out, "\"} %" PRIu64 "\n", bytes);
}

static const struct {
	enum domain_counter which;
	const char *name, *unit; /* NULL: it has none */
	const char *help;
} domain_counters[] = {
	{DOMAIN_LOGINS, "logins", NULL, "logins that went well"},
	{DOMAIN_LOGINS_FAILED, "logins_failed", NULL, "logins with a wrong user or password, or refused for too many before"},
	{DOMAIN_COMMANDS, "commands", NULL, "IMAP commands"},
	{DOMAIN_COMMANDS_NO, "commands_no", NULL, "those answered NO"},
	{DOMAIN_COMMANDS_BAD, "commands_bad", NULL, "those answered BAD"},
	{DOMAIN_COMMAND_US, "command_seconds", "seconds", "from their lines to their answers together, but for IDLE"},
	{DOMAIN_BYTES_IN, "received_bytes", "bytes", "bytes from clients, as they came over the wire"},
	{DOMAIN_BYTES_OUT, "sent_bytes", "bytes", "bytes to clients, as they went over the wire"},
	{DOMAIN_DELIVERIES, "deliveries", NULL, "messages delivered over LMTP, one a recipient"},
	{DOMAIN_DELIVERIES_DEFERRED, "deliveries_deferred", NULL, "those put off: answered 4xx"},
	{DOMAIN_DELIVERIES_REFUSED, "deliveries_refused", NULL, "those refused: answered 5xx"},
	{DOMAIN_RECIPIENTS_UNKNOWN, "recipients_unknown", NULL, "recipients over LMTP whom nobody knows"},
};

struct domain_row {
	struct buf *out;
	size_t i; /* in domain_counters */
};

static void write_domain(void *ctx, struct domain_counts *counts)
{
	const struct domain_row *row = ctx;
	enum domain_counter which = domain_counters[row->i].which;
	uint64_t n = atomic_load_explicit(&counts->each[which], memory_order_relaxed);
	if (!n)
		return;
	buf_printf(row->out, "roost_domain_%s_total{domain=\"", domain_counters[row->i].name);
	write_label(counts->name, row->out);
	if (which == DOMAIN_COMMAND_US)
		buf_printf(row->out, "\"} %" PRIu64 ".%06" PRIu64 "\n", n / 1000000, n % 1000000);
	else
		buf_printf(row->out, "\"} %" PRIu64 "\n", n);
}

static void write_domain_counters(struct domain_table *domains, struct buf *out)
{
	for (size_t i = 0; i < countof(domain_counters); i++) {
		const char *name = domain_counters[i].name, *unit = domain_counters[i].unit;
		struct domain_row row = {out, i};
		buf_printf(out, "# TYPE roost_domain_%s counter\n", name);
		if (unit)
			buf_printf(out, "# UNIT roost_domain_%s %s\n", name, unit);
		buf_printf(out, "# HELP roost_domain_%s %s\n", name, domain_counters[i].help);
		domain_table_each(domains, write_domain, &row);
	}
}

static void write_domains(const struct server *server, struct buf *out)
{
	struct domain_count *all = NULL, *c, *next;
	sessions_each(server->sessions, 0, on_session, &all);
	buf_add_text(out, "# TYPE roost_domain_sessions gauge\n"
			  "# HELP roost_domain_sessions IMAP sessions that are logged in, by domain\n");
	HASH_ITER(hh, all, c, next) {
		buf_add_text(out, "roost_domain_sessions{domain=\"");
		write_label(c->domain, out);
		buf_printf(out, "\"} %" PRIu64 "\n", c->n);
		HASH_DEL(all, c);
		free(c);
	}
	buf_add_text(out, "# TYPE roost_domain_storage_bytes gauge\n# UNIT roost_domain_storage_bytes bytes\n"
			  "# HELP roost_domain_storage_bytes mail of all users of a domain, as quotas count it\n");
	tally_each(accounts_tally(server->accounts), write_storage, out);
	write_domain_counters(server->domains, out);
}

void metrics_write(const struct server *server, struct buf *out)
{
	for (size_t i = 0; i < metrics_n; i++)
		write_metric(server, &metrics[i], out);
	buf_add_text(out, "# TYPE roost_command_duration_seconds histogram\n# UNIT roost_command_duration_seconds seconds\n"
			  "# HELP roost_command_duration_seconds from a command's line to its answer, but for IDLE\n");
	for (int kind = 0; kind < COUNTERS_COMMANDS_MAX; kind++) {
		const struct histogram *h = &server->counters.commands[kind];
		if (histogram_count(h))
			write_histogram(h, command_row((enum command_kind)kind)->name, out);
	}
	if (server->config.metrics_domains)
		write_domains(server, out);
	buf_add_text(out, "# EOF\n");
}
