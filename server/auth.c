#include "server/auth.h"

#include "server/abuse.h"
#include "server/base64.h"
#include "server/domain_counts.h"
#include "server/log.h"
#include "server/sasl.h"
#include "server/server.h"
#include "server/sessions.h"

#include <openssl/crypto.h>

enum { DELAY_DOUBLINGS_MAX = 3 };

/* What a mechanism needs of the link. */
enum need {
	NEED_NOTHING,
	NEED_TLS,        /* of this connection, to be bound to */
	NEED_CERTIFICATE /* of the client */
};

struct mechanism {
	const char *name;
	enum need need;
};

/* Strongest first, in the order they are listed. */
static const struct mechanism mechanisms[] = {
	{"EXTERNAL", NEED_CERTIFICATE}, /* RFC 4422 App. A */
	{"SCRAM-SHA-256-PLUS", NEED_TLS},
	{"SCRAM-SHA-1-PLUS", NEED_TLS},
	{"SCRAM-SHA-256", NEED_NOTHING}, /* RFC 7677 */
	{"SCRAM-SHA-1", NEED_NOTHING},   /* RFC 5802 */
	{"PLAIN", NEED_NOTHING},         /* RFC 4616 */
	{"LOGIN", NEED_NOTHING},         /* an initial response is the user name, as clients that send one mean it */
};

/* RFC 5530 3 */
static const struct {
	const char *code, *text;
} refusals[] = {
	[SASL_STATUS_FAILED] = {"AUTHENTICATIONFAILED", "User or password is wrong"},
	[SASL_STATUS_NOT_AUTHORIZED] = {"AUTHORIZATIONFAILED", "You may not log in as this user"},
	[SASL_STATUS_EXPIRED] = {"EXPIRED", "This app password has expired"},
	[SASL_STATUS_HELD] = {"UNAVAILABLE", "Too many logins have failed, try again later"},
	[SASL_STATUS_UNAVAILABLE] = {"UNAVAILABLE", "Nobody can log in just now, try again later"},
};

/* One LOGIN or AUTHENTICATE from its start to its outcome.  The pool's while it works, the loop's else; `owner` and
 * `timer` are the loop's always. */
struct attempt {
	struct auth_job job;
	struct auth *owner; /* NULL once the connection is gone */
	uv_timer_t timer;
	const struct mechanism *mechanism; /* NULL for LOGIN */
	struct sasl_link link;
	bool begun, has_input;
	char *input; /* an answer, decoded; or user NUL password */
	size_t input_len, user_len;
	struct sasl_exchange sasl;
	char capabilities_off[SETTING_NAMES_MAX + 1];
	uint64_t endings; /* of sessions, when it began */
	enum sasl_status status;
	struct buf challenge; /* base64 */
};

enum auth_state { AUTH_IDLE, AUTH_WAITING /* for the client */, AUTH_WORKING, AUTH_DELAYED };

struct auth {
	struct auth_pool *pool;
	struct loop *loop;
	auth_done_fn *done;
	void *ctx;
	enum auth_state state;
	struct attempt *attempt; /* NULL while idle */
	char remote[64];
	uint64_t session;
	unsigned failures;
};

static void forget_input(struct attempt *t)
{
	if (t->input)
		OPENSSL_cleanse(t->input, t->input_len);
	free(t->input);
	t->input = NULL;
	t->input_len = 0;
}

static void attempt_destroy(struct attempt *t)
{
	forget_input(t);
	sasl_exchange_finish(&t->sasl);
	buf_finish(&t->challenge);
	free(t);
}

struct auth *auth_create(struct auth_pool *pool, struct loop *loop, auth_done_fn *done, void *ctx)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	a->pool = pool;
	a->loop = loop;
	a->done = done;
	a->ctx = ctx;
	return a;
}

static void on_timer_closed(uv_handle_t *timer)
{
	attempt_destroy(timer->data);
}

void auth_destroy(struct auth *a)
{
	if (!a)
		return;
	if (a->attempt)
		a->attempt->owner = NULL;
	if (a->state == AUTH_WAITING)
		attempt_destroy(a->attempt);
	else if (a->state == AUTH_DELAYED)
		uv_close((uv_handle_t *)&a->attempt->timer, on_timer_closed);
	free(a);
}

bool auth_is_allowed(const struct auth_link *link)
{
	return link->tls || link->clear_allowed;
}

static bool is_scram(const struct mechanism *m)
{
	return strncmp(m->name, "SCRAM-", 6) == 0;
}

static bool is_offered(const struct mechanism *m, const struct auth_link *link)
{
	if (link->scram_off && is_scram(m))
		return false;
	switch (m->need) {
	case NEED_NOTHING:
		return auth_is_allowed(link);
	case NEED_TLS:
		return link->stream != NULL;
	case NEED_CERTIFICATE:
		return link->stream && tls_peer_is_certified(link->stream);
	}
	return false;
}

const char *auth_mechanisms(const struct auth_link *link, char out[AUTH_MECHANISMS_MAX])
{
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < countof(mechanisms); i++) {
		if (!is_offered(&mechanisms[i], link))
			continue;
		int n = snprintf(out + len, AUTH_MECHANISMS_MAX - len, len ? " %s" : "%s", mechanisms[i].name);
		len += (size_t)n;
		invariant(len < AUTH_MECHANISMS_MAX);
	}
	return out;
}

static bool refuse(struct auth_result *now, const char *code, const char *text)
{
	*now = (struct auth_result){.status = AUTH_NO, .code = code, .text = text};
	return true;
}

static bool reject(struct auth_result *now, const char *text)
{
	*now = (struct auth_result){.status = AUTH_BAD, .text = text};
	return true;
}

/* On a thread of the pool. */
static void attempt_run(struct auth_job *job, struct auth_worker *worker)
{
	struct attempt *t = container_of(job, struct attempt, job);
	struct sasl_bytes input = {t->has_input ? t->input : NULL, (unsigned)t->input_len}, challenge = {NULL, 0};
	if (!t->mechanism) {
		struct sasl_bytes password = {t->input + t->user_len + 1, (unsigned)(t->input_len - t->user_len - 1)};
		t->status = sasl_exchange_password(&t->sasl, worker, &t->link, t->input, password);
	} else if (!t->begun) {
		t->status = sasl_exchange_start(&t->sasl, worker, t->mechanism->name, &t->link, input, &challenge);
	} else {
		t->status = sasl_exchange_step(&t->sasl, worker, input, &challenge);
	}
	if (t->status == SASL_STATUS_OK && !auth_worker_capabilities_off(worker, t->sasl.account, t->capabilities_off))
		t->status = SASL_STATUS_UNAVAILABLE;
	t->begun = true;
	forget_input(t);
	buf_reset(&t->challenge);
	if (t->status == SASL_STATUS_MORE)
		base64_encode(&t->challenge, challenge.ptr, challenge.len);
	else
		sasl_exchange_finish(&t->sasl);
}

/* The outcome goes to the session; it may destroy `a` or try again at once. */
static void tell(struct auth *a, struct attempt *t)
{
	struct auth_result result = {.status = AUTH_NO};
	if (t->status == SASL_STATUS_MORE) {
		a->state = AUTH_WAITING;
		result.status = AUTH_CHALLENGE;
		result.challenge = buf_span(&t->challenge);
		a->done(a->ctx, &result);
		return;
	}
	a->state = AUTH_IDLE;
	a->attempt = NULL;
	if (t->status == SASL_STATUS_OK) {
		result.status = AUTH_OK;
		result.account = t->sasl.account;
		result.address = t->sasl.address;
		result.master = t->sasl.target[0] ? t->sasl.user : NULL;
		result.master_of_all = result.master && t->sasl.master_of_all;
		result.credential = &t->sasl.credential;
		result.capabilities_off = t->capabilities_off;
		result.endings = t->endings;
	} else {
		result.code = refusals[t->status].code;
		result.text = refusals[t->status].text;
		result.cut = a->failures >= auth_pool_config(a->pool)->failures_max;
	}
	a->done(a->ctx, &result);
}

static void on_delay_over(uv_timer_t *timer)
{
	struct attempt *t = timer->data;
	uv_close((uv_handle_t *)timer, on_timer_closed);
	tell(t->owner, t); /* auth_destroy() closes the timer, so there is an owner */
}

/* The answer waits: longer with each failure, of this connection or of others from there. */
static void delay(struct auth *a, struct attempt *t)
{
	bool held = t->status == SASL_STATUS_HELD;
	struct server *server = a->loop->server;
	counter_add(&server->counters, held ? COUNT_LOGINS_HELD : COUNT_LOGINS_FAILED, 1);
	domain_count(domain_table_find(server->domains, t->sasl.user), DOMAIN_LOGINS_FAILED, 1);
	const struct abuse_login login = {t->link.from, t->link.remote, t->sasl.user, t->sasl.tried};
	unsigned before = a->failures++;
	bool counts = !held && !t->link.exempt && t->status != SASL_STATUS_EXPIRED; /* nobody guesses what was right */
	if (counts) {
		unsigned failures = abuse_failed(auth_pool_config(a->pool)->abuse, &login, uv_hrtime() / 1000000000);
		before = failures - 1 > before ? failures - 1 : before;
	}
	unsigned doublings = before < DELAY_DOUBLINGS_MAX ? before : DELAY_DOUBLINGS_MAX;
	a->state = AUTH_DELAYED;
	/* contrib/fail2ban reads it. */
	log_event(LOG_WARNING, held ? "login_held" : "login_failed", log_number("session", (int64_t)a->session),
		  log_text("peer", a->remote), log_text("user", t->sasl.user),
		  log_text("mechanism", t->mechanism ? t->mechanism->name : "login"), log_number("failures", a->failures),
		  log_text(t->sasl.target[0] ? "as" : NULL, t->sasl.target)); /* a master user's */
	invariant(uv_timer_init(&a->loop->uv, &t->timer) == 0);
	t->timer.data = t;
	uv_timer_start(&t->timer, on_delay_over, (uint64_t)auth_pool_config(a->pool)->failure_delay_ms << doublings, 0);
}

static void attempt_done(struct auth_job *job)
{
	struct attempt *t = container_of(job, struct attempt, job);
	struct auth *a = t->owner;
	if (!a) {
		attempt_destroy(t);
		return;
	}
	if (t->status == SASL_STATUS_FAILED || t->status == SASL_STATUS_NOT_AUTHORIZED || t->status == SASL_STATUS_HELD ||
	    t->status == SASL_STATUS_EXPIRED) {
		delay(a, t);
		return;
	}
	if (t->status == SASL_STATUS_OK)
		counter_add(&a->loop->server->counters, COUNT_LOGINS, 1);
	if (t->status == SASL_STATUS_OK && !t->link.exempt)
		abuse_succeeded(auth_pool_config(a->pool)->abuse, &(struct abuse_login){t->link.from, t->link.remote, t->sasl.user, 0},
				uv_hrtime() / 1000000000);
	bool over = t->status != SASL_STATUS_MORE;
	tell(a, t);
	if (over)
		attempt_destroy(t);
}

static struct attempt *make_attempt(struct auth *a, const struct auth_link *link, const struct mechanism *mechanism)
{
	invariant(a->state == AUTH_IDLE);
	struct attempt *t = xcalloc(1, sizeof(*t));
	t->job.loop = a->loop;
	t->job.run = attempt_run;
	t->job.done = attempt_done;
	t->owner = a;
	t->endings = sessions_endings(a->loop->server->sessions);
	t->mechanism = mechanism;
	t->link.tls = link->tls;
	t->link.default_domain = link->default_domain;
	t->link.from = link->from;
	t->link.exempt = link->exempt;
	snprintf(t->link.remote, sizeof(t->link.remote), "%s", link->remote);
	if (link->stream && mechanism && is_scram(mechanism))
		tls_peer_bindings(link->stream, &t->link.bindings);
	if (link->stream && mechanism && mechanism->need == NEED_CERTIFICATE)
		tls_peer_identities(link->stream, &t->link.identities);
	buf_init(&t->challenge, AUTH_LINE_MAX);
	a->session = link->session;
	snprintf(a->remote, sizeof(a->remote), "%s", link->remote);
	a->attempt = t;
	return t;
}

static void give_up(struct auth *a)
{
	attempt_destroy(a->attempt);
	a->attempt = NULL;
	a->state = AUTH_IDLE;
}

/* Hands the attempt to the pool. */
static bool work(struct auth *a, struct auth_result *now)
{
	if (auth_pool_submit(a->pool, &a->attempt->job)) {
		a->state = AUTH_WORKING;
		return false;
	}
	give_up(a);
	return refuse(now, refusals[SASL_STATUS_UNAVAILABLE].code, refusals[SASL_STATUS_UNAVAILABLE].text);
}

/* Keeps the decoded line as the attempt's input. */
static bool take_input(struct attempt *t, struct span line)
{
	if (line.len > AUTH_LINE_MAX)
		return false;
	t->input = xmalloc(line.len / 4 * 3 + 1);
	t->has_input = base64_decode(line, t->input, &t->input_len);
	return t->has_input;
}

bool auth_start(struct auth *a, const struct auth_link *link, struct span mechanism, struct span initial,
		struct auth_result *now)
{
	size_t i = 0;
	while (i < countof(mechanisms) && !span_is(mechanism, mechanisms[i].name))
		i++;
	if (!auth_is_allowed(link))
		return refuse(now, "PRIVACYREQUIRED", "Use STARTTLS first");
	if (i == countof(mechanisms))
		return refuse(now, NULL, "This mechanism is not known here");
	if (!is_offered(&mechanisms[i], link))
		return refuse(now, NULL, "This mechanism is not to be had on this connection");
	struct attempt *t = make_attempt(a, link, &mechanisms[i]);
	if (initial.ptr && !take_input(t, span_is(initial, "=") ? span_make("", 0) : initial)) {
		give_up(a);
		return reject(now, "The initial response is not base64");
	}
	return work(a, now);
}

bool auth_answer(struct auth *a, struct span line, struct auth_result *now)
{
	invariant(a->state == AUTH_WAITING);
	if (!line.ptr || span_is(line, "*")) {
		give_up(a);
		return reject(now, line.ptr ? "The client cancelled" : "The line is too long");
	}
	if (!take_input(a->attempt, line)) {
		give_up(a);
		return reject(now, "This is not base64");
	}
	return work(a, now);
}

bool auth_password(struct auth *a, const struct auth_link *link, struct span user, struct span password,
		   struct auth_result *now)
{
	if (!auth_is_allowed(link))
		return refuse(now, "PRIVACYREQUIRED", "Use STARTTLS first");
	if (user.len > AUTH_LINE_MAX || password.len > AUTH_LINE_MAX || (user.len && memchr(user.ptr, 0, user.len)))
		return reject(now, "The user or the password cannot be one");
	struct attempt *t = make_attempt(a, link, NULL);
	t->input_len = user.len + 1 + password.len;
	t->input = xmalloc(t->input_len + 1);
	t->user_len = user.len;
	memcpy(t->input, user.ptr, user.len);
	t->input[user.len] = '\0';
	memcpy(t->input + user.len + 1, password.ptr, password.len);
	t->input[t->input_len] = '\0';
	return work(a, now);
}
