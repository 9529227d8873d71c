/* What handlers ask of their session. */
#include "server/session_private.h"

#include "protocol/imap/capability.h"
#include "protocol/imap/response.h"
#include "server/accounts.h"
#include "server/domain_counts.h"
#include "server/lane.h"
#include "server/log.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/watchlist.h"

#include <time.h>

struct buf *session_out(struct session *s)
{
	return conn_out(s->conn);
}

const struct config *session_config(const struct session *s)
{
	return &s->conn->loop->server->config;
}

bool session_is_logged_in(const struct session *s)
{
	return s->lane != NULL;
}

bool session_has_tls(const struct session *s)
{
	return !conn_is_secure(s->conn) && s->conn->loop->server->tls;
}

struct auth_link session_auth_link(const struct session *s)
{
	const char *domain = s->conn->listener->default_domain;
	return (struct auth_link){.remote = conn_peer(s->conn),
				  .session = session_id(s),
				  .tls = conn_is_secure(s->conn) || s->conn->listener->protocol == PROTOCOL_IMAPS,
				  .from = s->conn->peer.key,
				  .exempt = s->conn->peer.trusted,
				  .clear_allowed = s->conn->listener->cleartext_login,
				  .stream = conn_tls(s->conn),
				  .scram_off = config_uses_backend(session_config(s), AUTH_BACKEND_SASLAUTHD),
				  .default_domain = domain && *domain ? domain : session_config(s)->default_domain};
}

struct auth *session_auth(struct session *s)
{
	if (!s->auth)
		s->auth = auth_create(s->conn->loop->server->auth, s->conn->loop, cmd_auth_done, s);
	return s->auth;
}

struct command *session_command(const struct session *s)
{
	return s->command;
}

/* What the listener, the user (or the domain) and the app password leave out. */
static void find_off(const struct session *s, const char *off[CAPABILITY_OFF_MAX])
{
	off[0] = s->conn->listener->capabilities_off;
	off[1] = s->capabilities_off;
	off[2] = s->credential.capabilities_off;
}

void session_account(const struct session *s, char out[DIRECTORY_ACCOUNT_LEN + 1])
{
	snprintf(out, DIRECTORY_ACCOUNT_LEN + 1, "%.*s", DIRECTORY_ACCOUNT_LEN, s->lane->id);
}

bool session_sets_quotas(const struct session *s)
{
	return s->sets_quotas;
}

void session_settings_changed(const struct session *s)
{
	settings_changed(accounts_settings(s->conn->loop->server->accounts));
}

bool session_offers(const struct session *s, const char *capability)
{
	const char *off[CAPABILITY_OFF_MAX];
	bool offers = true;
	find_off(s, off);
	for (size_t i = 0; i < countof(off); i++)
		offers = offers && !capability_is_named(off[i], span_of(capability));
	return offers;
}

void session_set_yields(struct session *s, bool yields)
{
	s->yields = yields;
}

void session_add_capabilities(const struct session *s, struct buf *out)
{
	struct auth_link link = session_auth_link(s);
	char mechanisms[AUTH_MECHANISMS_MAX];
	struct capability_context context = {.logged_in = s->lane != NULL,
						   .has_starttls = session_has_tls(s),
						   .has_compress = !session_is_compressed(s),
						   .sets_quotas = s->sets_quotas,
						   .may_log_in = auth_is_allowed(&link),
						   .mechanisms = auth_mechanisms(&link, mechanisms),
						   .append_limit = (uint64_t)session_config(s)->message_bytes_max,
						   .literal_minus = s->conn->listener->literal_minus};
	find_off(s, context.off);
	capability_write(out, &context);
}

/* The loop's own numbers, made different from the other loops'. */
uint64_t session_id(const struct session *s)
{
	return s->conn->id * LIMIT_LOOPS + s->conn->loop->index;
}

bool session_was_ended(const struct session *s, uint64_t endings)
{
	return sessions_ended_since(s->conn->loop->server->sessions, &s->entry, endings);
}

/* The app password says more than what the client says of itself. */
const char *session_device(const struct session *s)
{
	return s->credential.id[0] ? s->credential.label : s->device;
}

static bool enter(struct session *s, const char *address, const struct credential *credential)
{
	struct session_entry *e = &s->entry;
	*e = (struct session_entry){.id = session_id(s), .loop = s->conn->loop, .conn_id = s->conn->id,
				    .since_s = time(NULL), .exempt = s->conn->peer.trusted};
	atomic_store_explicit(&e->command, "LOGIN", memory_order_relaxed);
	snprintf(e->address, sizeof(e->address), "%s", address);
	snprintf(e->credential, sizeof(e->credential), "%s", credential->id);
	snprintf(e->device, sizeof(e->device), "%s", credential->id[0] ? credential->label : s->device);
	snprintf(e->remote, sizeof(e->remote), "%s", conn_peer(s->conn));
	snprintf(e->tls, sizeof(e->tls), "%s", conn_tls_version(s->conn));
	return sessions_enter(s->conn->loop->server->sessions, e);
}

bool session_log_in(struct session *s, const struct auth_result *who)
{
	static const struct credential own;
	const struct credential *with = who->credential ? who->credential : &own;
	invariant(!s->lane);
	if (!enter(s, who->address, with)) {
		log_event(LOG_WARNING, "login_refused", log_number("session", (int64_t)session_id(s)), log_text("user", who->address),
			  log_text("peer", conn_peer(s->conn)), log_text("reason", "too many sessions of this user"));
		return false;
	}
	conn_admit(s->conn, LIMIT_IDLE_S);
	s->domain = domain_table_get(s->conn->loop->server->domains, address_domain(who->address));
	domain_count(s->domain, DOMAIN_LOGINS, 1);
	conn_count_for(s->conn, s->domain);
	s->lane = accounts_acquire(s->conn->loop->server->accounts, who->account);
	notify_watch(&s->watch, s->conn->loop, s->lane, WATCH_ALL);
	snprintf(s->address, sizeof(s->address), "%s", who->address);
	s->master = who->master ? strdup(who->master) : NULL;
	s->capabilities_off = who->capabilities_off && *who->capabilities_off ? strdup(who->capabilities_off) : NULL;
	s->sets_quotas = who->master_of_all;
	s->credential = *with;
	s->left = false;
	credential_note_use(s->conn->loop->server->accounts, with, time(NULL));
	reader_set_limits(&s->reader, &reader_limits_after_login);
	/* RFC 8314 4: with the version and cipher of the TLS that protected the password. */
	log_event(LOG_INFO, "login", log_number("session", (int64_t)session_id(s)), log_text("user", s->address),
		  log_text("device", with->label), log_text("peer", conn_peer(s->conn)),
		  log_text("tls", conn_tls_version(s->conn)), log_text("cipher", conn_tls_cipher(s->conn)),
		  log_text(s->master ? "master" : NULL, s->master));
	auth_destroy(s->auth);
	s->auth = NULL;
	return true;
}

void session_note_command(struct session *s, const struct command *cmd)
{
	static const char *const words[] = {[STATUS_OK] = "ok", [STATUS_NO] = "no", [STATUS_BAD] = "bad"};
	uint64_t us = (uv_hrtime() - cmd->began_ns) / 1000;
	struct counters *counters = &s->conn->loop->server->counters;
	bool no = cmd->status.word == STATUS_NO;
	domain_count(s->domain, DOMAIN_COMMANDS, 1);
	if (cmd->status.word != STATUS_OK) {
		counter_add(counters, no ? COUNT_COMMANDS_NO : COUNT_COMMANDS_BAD, 1);
		domain_count(s->domain, no ? DOMAIN_COMMANDS_NO : DOMAIN_COMMANDS_BAD, 1);
	}
	if (cmd->row && !(cmd->row->flags & CMD_UPDATES_LIVE)) {
		histogram_add(&counters->commands[cmd->row->kind], us);
		domain_count(s->domain, DOMAIN_COMMAND_US, us);
	}
	if (log_has_level(LOG_DEBUG))
		log_event(LOG_DEBUG, "command", log_number("session", (int64_t)session_id(s)), log_text("user", s->address),
			  log_text("command", cmd->row ? cmd->row->name : "none"), log_text("status", words[cmd->status.word]),
			  log_number("us", (int64_t)us));
}

void session_leave(struct session *s)
{
	struct session_entry *e = &s->entry;
	sessions_leave(s->conn->loop->server->sessions, e);
	if (!s->lane || s->left)
		return;
	s->left = true;
	log_event(LOG_INFO, "logout", log_number("session", (int64_t)session_id(s)), log_text("user", s->address),
		  log_text("device", session_device(s)), log_text("peer", conn_peer(s->conn)),
		  log_text("tls", conn_tls_version(s->conn)), log_text("cipher", conn_tls_cipher(s->conn)),
		  log_number("commands", (int64_t)atomic_load_explicit(&e->commands, memory_order_relaxed)),
		  log_number("bytes_in", (int64_t)s->conn->bytes_in), log_number("bytes_out", (int64_t)s->conn->bytes_out),
		  log_number("seconds", time(NULL) - e->since_s), log_text("reason", s->conn->why ? s->conn->why : "closed"));
}

void session_log_out(struct session *s)
{
	session_leave(s);
	session_unselect(s);
	watchlist_destroy(s->watchlist);
	s->watchlist = NULL;
	notify_unwatch(&s->watch);
	accounts_release(s->lane);
	s->lane = NULL;
	s->dirty = false;
	s->dialect = 0;
	s->yields = false;
	s->metadata_heard = (struct metadata_heard){0};
	s->address[0] = '\0';
	s->domain = NULL;
	conn_count_for(s->conn, NULL);
	free(s->master);
	s->master = NULL;
	free(s->capabilities_off);
	s->capabilities_off = NULL;
	s->sets_quotas = false;
	s->credential = (struct credential){.id = ""};
	s->stop_deflate = session_is_compressed(s);
	reader_set_limits(&s->reader, &reader_limits_before_login);
	conn_admit(s->conn, LIMIT_STRANGER_IDLE_S); /* it is no stranger, and still has to hurry */
}

void session_enable(struct session *s, unsigned dialect)
{
	if (dialect & ~s->dialect & DIALECT_METADATA)
		s->metadata_heard = (struct metadata_heard){0};
	s->dialect |= dialect;
	if (s->command)
		s->command->dialect = s->dialect;
}

void session_enable_condstore(struct session *s)
{
	if (s->dialect & DIALECT_CONDSTORE)
		return;
	session_enable(s, DIALECT_CONDSTORE);
	if (s->view)
		response_ok_number(session_out(s), "HIGHESTMODSEQ", view_highest_modseq(s->view), "The last change");
}

void session_set_device(struct session *s, struct span name, struct span version)
{
	const struct span parts[] = {name, version};
	size_t n = 0;
	log_event(LOG_INFO, "client", log_number("session", (int64_t)session_id(s)), log_text("user", s->address), log_text("peer", conn_peer(s->conn)),
		  log_span("name", name), log_span("version", version));
	for (size_t i = 0; i < countof(parts); i++) {
		if (n && parts[i].len && n + 1 < sizeof(s->device))
			s->device[n++] = ' ';
		for (size_t k = 0; k < parts[i].len && n + 1 < sizeof(s->device); k++)
			if (parts[i].ptr[k] >= 0x20 && parts[i].ptr[k] < 0x7f)
				s->device[n++] = parts[i].ptr[k];
	}
	s->device[n] = '\0';
	sessions_set_device(s->conn->loop->server->sessions, &s->entry, session_device(s));
}

void session_start_tls(struct session *s)
{
	s->start_tls = true;
}

bool session_is_compressed(const struct session *s)
{
	return conn_is_deflated(s->conn);
}

void session_start_compression(struct session *s)
{
	s->start_deflate = true;
}

void session_end(struct session *s, const char *goodbye)
{
	conn_note_end(s->conn, goodbye ? goodbye : "logout");
	s->ending = true;
	s->goodbye = goodbye;
}

const struct view *session_view(const struct session *s)
{
	return s->view;
}

bool session_disk_is_full(const struct session *s)
{
	return accounts_disk_is_full(s->lane);
}

struct view *session_view_to_change(struct session *s)
{
	return s->view;
}

bool session_is_notified(const struct session *s)
{
	return s->watchlist != NULL;
}

void session_unselect(struct session *s)
{
	if (s->watchlist)
		uidset_finish(&s->watchlist->fresh);
	view_destroy(s->view);
	s->view = NULL;
}

void session_accept_literal(struct session *s, const struct reader_event *event)
{
	if (event->literal.sync)
		buf_add_text(session_out(s), "+ OK\r\n");
	reader_stream(&s->reader);
}

enum step session_keep_literal(struct session *s, struct command *cmd, const struct reader_event *event)
{
	if (event->literal.over != READER_WITHIN) {
		command_no(cmd, "LIMIT", "The literal is too large, or there are too many");
		return STEP_DONE;
	}
	if (event->literal.sync)
		buf_add_text(session_out(s), "+ OK\r\n");
	reader_keep(&s->reader);
	return STEP_INPUT;
}

void session_set_pulse(struct session *s, bool on)
{
	conn_set_pulse(s->conn, on ? session_pulse_s((unsigned)session_config(s)->idle_pulse_s, s->conn->id) : 0);
}

/* The low bits of ids count up; mixed they are spread evenly (the finaliser of MurmurHash3). */
unsigned session_pulse_s(unsigned interval_s, uint64_t id)
{
	uint64_t share = interval_s / LIMIT_PULSE_SPREAD;
	id ^= id >> 33;
	id *= 0xff51afd7ed558ccd;
	id ^= id >> 33;
	id *= 0xc4ceb9fe1a85ec53;
	id ^= id >> 33;
	return interval_s - (unsigned)(id % (share + 1));
}
