#include "server/reload.h"

#include "server/abuse.h"
#include "server/accounts.h"
#include "server/log.h"
#include "server/server.h"
#include "server/sessions.h"
#include "server/settings.h"

#include <errno.h>
#include <string.h>

struct reload {
	struct server *server;
	void (*each)(void *ctx, const char *option, bool taken);
	void *ctx;
};

static void take_log_level(struct server *s, const struct config *now)
{
	(void)s;
	log_set_level((enum log_level)now->log_level);
}

static void take_holding(struct server *s, const struct config *now)
{
	abuse_set_limits(s->abuse, &(struct abuse_limits){(unsigned)now->login_hold_failures, (uint64_t)now->login_hold_s});
}

static void take_user_sessions(struct server *s, const struct config *now)
{
	sessions_set_max(s->sessions, (size_t)now->user_sessions_max);
}

/* Those that can change at any time; they are behind a lock of their own.  With these goes whatever is a setting of
 * users, too. */
static const struct {
	const char *name;
	void (*take)(struct server *s, const struct config *now);
} live[] = {
	{"log_level", take_log_level},
	{"login_hold_failures", take_holding},
	{"login_hold_s", take_holding},
	{"user_sessions_max", take_user_sessions},
};

static bool is_live(const char *name)
{
	for (size_t i = 0; i < countof(live); i++)
		if (strcmp(live[i].name, name) == 0)
			return true;
	return setting_find(name) < SETTINGS_N;
}

static bool is_same(const struct option *o, const void *a, const void *b)
{
	const char *at = (const char *)a + o->offset, *other = (const char *)b + o->offset;
	switch (o->type) {
	case OPTION_TEXT: {
		const char *x = *(const char *const *)at, *y = *(const char *const *)other;
		return (!x || !y) ? x == y : strcmp(x, y) == 0;
	}
	case OPTION_INT: return memcmp(at, other, sizeof(int)) == 0;
	case OPTION_LONG: return memcmp(at, other, sizeof(long)) == 0;
	case OPTION_BOOL: return *at == *other;
	case OPTION_CHOICE: return memcmp(at, other, sizeof(unsigned)) == 0;
	}
	return false;
}

static void say(const struct reload *r, const char *option, bool taken)
{
	if (taken)
		log_event(LOG_INFO, "option_reloaded", log_text("option", option));
	else
		log_event(LOG_WARNING, "option_not_reloaded", log_text("option", option), log_text("reason", "restart to use it"));
	if (r->each)
		r->each(r->ctx, option, taken);
}

static void compare_option(const struct reload *r, const struct option *o, const struct config *now)
{
	if (!is_same(o, &r->server->config, now))
		say(r, o->name, is_live(o->name));
}

static bool are_same(const char *section, const void *a, size_t a_n, const void *b, size_t b_n, size_t size)
{
	if (a_n != b_n)
		return false;
	for (size_t k = 0; k < a_n; k++)
		for (size_t i = 0; i < config_options_n; i++) {
			const struct option *o = &config_options[i];
			if (o->section && strcmp(o->section, section) == 0 &&
			    !is_same(o, (const char *)a + k * size, (const char *)b + k * size))
				return false;
		}
	return true;
}

static void compare_sections(const struct reload *r, const struct config *now)
{
	const struct config *was = &r->server->config;
	if (!are_same("listen", was->listens, was->listens_n, now->listens, now->listens_n, sizeof(*now->listens)))
		say(r, "listen", false);
	if (!are_same("auth", was->auths, was->auths_n, now->auths, now->auths_n, sizeof(*now->auths)))
		say(r, "auth", false);
	if (!are_same("convert", was->converts, was->converts_n, now->converts, now->converts_n, sizeof(*now->converts)))
		say(r, "convert", false);
}

/* What is live is compared with what the start had, so it is set again and again: that changes nothing. */
bool reload_run(struct server *server, void (*each)(void *ctx, const char *option, bool taken), void *ctx)
{
	const struct reload r = {server, each, ctx};
	struct config now;
	bool ok = config_read(server->config_path, &now);
	if (!log_open(server->config.log))
		log_event(LOG_ERROR, "log_not_opened", log_text("path", server->config.log), log_text("error", strerror(errno)));
	if (!ok)
		log_event(LOG_ERROR, "configuration_wrong", log_text("path", server->config_path), log_text("reason", "nothing was changed"));
	for (size_t i = 0; ok && i < config_options_n; i++)
		if (!config_options[i].section)
			compare_option(&r, &config_options[i], &now);
	for (size_t i = 0; ok && i < countof(live); i++)
		live[i].take(server, &now);
	if (ok) {
		settings_configure(accounts_settings(server->accounts), &now);
		compare_sections(&r, &now);
	}
	config_finish(&now);
	log_event(LOG_INFO, "reloaded", log_text("path", server->config_path), log_text("result", ok ? "ok" : "failed"));
	return ok;
}
