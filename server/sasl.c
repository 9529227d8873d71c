#include "server/sasl.h"

#include "server/abuse.h"
#include "server/config.h"
#include "server/sasl_private.h"

#include <time.h>

bool sasl_exchange_asks_library(const struct sasl_exchange *x)
{
	return x->backend && (x->backend->backend == AUTH_BACKEND_SQL || x->backend->backend == AUTH_BACKEND_LDAPDB);
}

/* Which plugin the library asks, and who compares clear passwords, goes by the user. */
static int on_option(void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
	struct sasl_exchange *x = context;
	bool asks = sasl_exchange_asks_library(x) && !x->held;
	(void)plugin;
	if (strcmp(option, "auxprop_plugin") == 0)
		*result = !asks ? SASL_PLUGIN_NAME :
				  x->backend->backend == AUTH_BACKEND_SQL ? "sql " SASL_PLUGIN_NAME : "ldapdb " SASL_PLUGIN_NAME;
	else if (strcmp(option, "pwcheck_method") == 0)
		*result = asks ? "auxprop" : SASL_PLUGIN_NAME;
	else if (strcmp(option, "scram_iteration_counter") == 0)
		*result = x->iterations;
	else
		return SASL_FAIL;
	if (len)
		*len = (unsigned)strlen(*result);
	return SASL_OK;
}

static int on_check_password(sasl_conn_t *conn, void *context, const char *user, const char *password, unsigned len,
			     struct propctx *properties)
{
	struct sasl_exchange *x = context;
	const struct credential_use use = {APP_PASSWORD_IMAP, x->link->remote, time(NULL)};
	(void)conn, (void)properties;
	x->tried = abuse_tag_password(auth_pool_config(x->worker->pool)->abuse, password, len);
	if (x->held || sasl_exchange_asks_library(x)) {
		enum auth_verdict app = auth_worker_check_app(x->worker, user, password, len, &use, x->account, &x->credential);
		x->expired = app == AUTH_EXPIRED;
		x->is_device = app == AUTH_RIGHT;
		if (x->is_device) {
			x->verdict = app;
			x->held = false;
		}
		return x->is_device ? SASL_OK : SASL_CONTINUE; /* which goes on with its own verifier, that of a held one with none */
	}
	x->verdict = auth_worker_check(x->worker, user, password, len, &use, x->account, &x->credential);
	x->expired = x->verdict == AUTH_EXPIRED;
	if (x->expired)
		return SASL_EXPIRED;
	return x->verdict == AUTH_RIGHT ? SASL_OK : (x->verdict == AUTH_WRONG ? SASL_BADAUTH : SASL_UNAVAIL);
}

/* What a client calls itself as the address of a user: in normal form, with the default domain where it names none, and where it
 * is an alias of one user, that one's.  False: it is no address. */
static bool to_address(const struct sasl_exchange *x, const char *text, size_t len, char out[ADDRESS_MAX + 1])
{
	char whole[ADDRESS_MAX + 1];
	bool ok;
	if (memchr(text, '@', len) || !*x->link->default_domain) {
		ok = address_normalise(text, len, out);
	} else {
		int n = snprintf(whole, sizeof(whole), "%.*s@%s", (int)(len > ADDRESS_MAX ? ADDRESS_MAX : len), text,
				 x->link->default_domain);
		ok = n > 0 && (size_t)n < sizeof(whole) && !memchr(text, 0, len) && address_normalise(whole, (size_t)n, out);
	}
	if (ok)
		auth_worker_resolve(x->worker, out);
	return ok;
}

/* "other*master": takes it apart, unless somebody has that name as it is.  The length of what is before the star, or 0. */
static size_t find_star(struct sasl_exchange *x, const char *text, size_t len)
{
	const char *star = len ? memrchr(text, '*', len) : NULL;
	char address[ADDRESS_MAX + 1], account[DIRECTORY_ACCOUNT_LEN + 1];
	size_t before = star ? (size_t)(star - text) : 0;
	if (before == 0 || before + 1 == len || !to_address(x, text, before, address))
		return 0;
	bool is_name = to_address(x, text, len, address) && auth_worker_account(x->worker, address, account) == AUTH_RIGHT;
	return is_name ? 0 : before;
}

static bool is_mechanism(const struct sasl_exchange *x, const char *name)
{
	return x->mechanism && strcmp(x->mechanism, name) == 0;
}

/* It hands us the password, which may be a device's. */
static bool shows_password(const struct sasl_exchange *x)
{
	return !x->mechanism || is_mechanism(x, "PLAIN") || is_mechanism(x, "LOGIN");
}

/* Certificates are not guessed. */
static bool is_held(const struct sasl_exchange *x)
{
	const struct abuse_login login = {x->link->from, x->link->remote, x->user, 0};
	bool is_certain = x->is_device || is_mechanism(x, "EXTERNAL");
	return !x->link->exempt && !is_certain &&
	       abuse_is_held(auth_pool_config(x->worker->pool)->abuse, &login, uv_hrtime() / 1000000000);
}

/* Identities become addresses.  What is none stays as it is, and nobody has that name. */
static int on_canonical_user(sasl_conn_t *conn, void *context, const char *in, unsigned in_len, unsigned flags,
			     const char *realm, char *out, unsigned out_max, unsigned *out_len)
{
	struct sasl_exchange *x = context;
	(void)conn, (void)realm;
	char address[ADDRESS_MAX + 1];
	size_t len = in_len ? in_len : strlen(in), before = flags & SASL_CU_AUTHID ? find_star(x, in, len) : 0;
	if (before) {
		invariant(to_address(x, in, before, x->target));
		in += before + 1;
		len -= before + 1;
	}
	const char *text = to_address(x, in, len, address) ? address : in;
	len = text == address ? strlen(address) : len;
	if (len >= out_max)
		return SASL_BADPROT;
	memcpy(out, text, len);
	out[len] = '\0';
	*out_len = (unsigned)len;
	if (flags & SASL_CU_AUTHID) {
		snprintf(x->user, sizeof(x->user), "%s", out);
		x->held = is_held(x);
		x->backend = text == address ? config_auth(x->worker->config, address_domain(address)) : NULL;
		if (sasl_exchange_asks_library(x))
			auth_worker_let_go(x->worker);
	}
	return x->held && !shows_password(x) ? SASL_FAIL : SASL_OK;
}

/* The password is right: as whom it logs in. */
static int choose_identity(struct sasl_exchange *x, const char *wanted)
{
	if (strcmp(wanted, x->user) != 0) {
		/* One who is named in two places must be the same one. */
		x->not_authorized = x->target[0] && strcmp(x->target, wanted) != 0;
		snprintf(x->target, sizeof(x->target), "%s", wanted);
	}
	if (!x->target[0] || strcmp(x->target, x->user) == 0) {
		x->target[0] = '\0';
		snprintf(x->address, sizeof(x->address), "%s", x->user);
		return SASL_OK;
	}
	enum auth_verdict verdict = x->not_authorized ? AUTH_WRONG : auth_worker_may_act(x->worker, x->user, x->target, &x->master_of_all);
	x->not_authorized = verdict == AUTH_WRONG;
	if (verdict == AUTH_UNKNOWN_YET)
		x->verdict = verdict;
	if (verdict == AUTH_RIGHT)
		snprintf(x->address, sizeof(x->address), "%s", x->target);
	return verdict == AUTH_RIGHT ? SASL_OK : SASL_NOAUTHZ;
}

static int on_proxy(sasl_conn_t *conn, void *context, const char *wanted, unsigned wanted_len, const char *user,
		    unsigned user_len, const char *realm, unsigned realm_len, struct propctx *properties)
{
	struct sasl_exchange *x = context;
	char name[ADDRESS_MAX + 1];
	(void)conn, (void)user, (void)user_len, (void)realm, (void)realm_len, (void)properties;
	if (wanted_len > ADDRESS_MAX || memchr(wanted, 0, wanted_len)) {
		x->not_authorized = true;
		return SASL_NOAUTHZ;
	}
	snprintf(name, sizeof(name), "%.*s", (int)wanted_len, wanted);
	return choose_identity(x, name);
}

static enum sasl_status open_conn(struct sasl_exchange *x)
{
	x->callbacks[0] = (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(on_check_password), x};
	x->callbacks[1] = (sasl_callback_t){SASL_CB_CANON_USER, CALLBACK(on_canonical_user), x};
	x->callbacks[2] = (sasl_callback_t){SASL_CB_PROXY_POLICY, CALLBACK(on_proxy), x};
	x->callbacks[3] = (sasl_callback_t){SASL_CB_GETOPT, CALLBACK(on_option), x};
	x->callbacks[4] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	snprintf(x->iterations, sizeof(x->iterations), "%d", auth_pool_config(x->worker->pool)->cost.scram_iterations);
	const char *hostname = auth_pool_config(x->worker->pool)->hostname;
	int rc = sasl_server_new("imap", hostname, NULL, NULL, NULL, x->callbacks, 0, &x->conn);
	sasl_ssf_t ssf = x->link->tls ? 256 : 0;
	sasl_security_properties_t layers = {.max_ssf = 0, .security_flags = SASL_SEC_NOANONYMOUS}; /* TLS is the layer */
	if (rc == SASL_OK)
		rc = sasl_setprop(x->conn, SASL_SEC_PROPS, &layers);
	if (rc == SASL_OK)
		rc = sasl_setprop(x->conn, SASL_SSF_EXTERNAL, &ssf);
	if (rc == SASL_OK && x->binding.name)
		rc = sasl_setprop(x->conn, SASL_CHANNEL_BINDING, &x->binding);
	return rc == SASL_OK ? SASL_STATUS_MORE : SASL_STATUS_UNAVAILABLE;
}

/* Where the library compared, its answer is the verdict: a no, or else that nobody knows. */
static void take_verdict(struct sasl_exchange *x, int rc)
{
	bool is_no = rc == SASL_BADAUTH || rc == SASL_NOUSER || rc == SASL_BADPROT || rc == SASL_BADBINDING || rc == SASL_NOVERIFY;
	if (rc == SASL_OK || x->not_authorized)
		x->verdict = auth_worker_account(x->worker, x->user, x->account);
	else if (rc != SASL_CONTINUE)
		x->verdict = is_no ? AUTH_WRONG : AUTH_UNKNOWN_YET;
}

static enum sasl_status outcome(struct sasl_exchange *x, int rc)
{
	if (x->conn && !x->held && sasl_exchange_asks_library(x))
		take_verdict(x, rc);
	if (rc == SASL_OK && x->verdict == AUTH_RIGHT && x->target[0]) { /* whose mail it is then */
		x->verdict = auth_worker_account(x->worker, x->target, x->account);
		x->not_authorized = x->verdict == AUTH_WRONG;
		if (x->not_authorized)
			return SASL_STATUS_NOT_AUTHORIZED;
	}
	x->worker = NULL;
	if (x->held)
		return SASL_STATUS_HELD;
	if (rc == SASL_CONTINUE)
		return SASL_STATUS_MORE;
	if (rc == SASL_OK && x->verdict == AUTH_RIGHT && x->account[0])
		return SASL_STATUS_OK;
	if (x->expired)
		return SASL_STATUS_EXPIRED;
	if (x->not_authorized && x->verdict == AUTH_RIGHT)
		return SASL_STATUS_NOT_AUTHORIZED;
	return x->verdict == AUTH_UNKNOWN_YET || rc == SASL_NOMEM ? SASL_STATUS_UNAVAILABLE : SASL_STATUS_FAILED;
}

static bool is_scram(const struct sasl_exchange *x)
{
	return strncmp(x->mechanism, "SCRAM-", 6) == 0;
}

/* The binding that a client's first message names: "p=NAME,..." (RFC 5802 7).  NULL: none that there is. */
static const struct tls_binding *named_binding(const struct tls_bindings *all, struct sasl_bytes first)
{
	const char *end = first.len > 2 && memcmp(first.ptr, "p=", 2) == 0 ? memchr(first.ptr, ',', first.len) : NULL;
	size_t len = end ? (size_t)(end - first.ptr) - 2 : 0;
	for (size_t i = 0; end && i < all->n; i++)
		if (strlen(all->each[i].name) == len && memcmp(all->each[i].name, first.ptr + 2, len) == 0)
			return &all->each[i];
	return NULL;
}

/* RFC 5802 6: a -PLUS mechanism is bound to the channel, the others are not; and a client that says it could, but has not been
 * offered it ("y"), has been, so that somebody stands between.  The library itself reads a binding that is not there when "p="
 * comes without one, so it sees only what is let through here. */
static bool choose_binding(struct sasl_exchange *x, struct sasl_bytes first)
{
	bool plus = strstr(x->mechanism, "-PLUS") != NULL;
	const struct tls_binding *b = plus ? named_binding(&x->link->bindings, first) : NULL;
	if (!plus)
		return first.ptr[0] != 'p' && (first.ptr[0] != 'y' || x->link->bindings.n == 0);
	if (b)
		x->binding = (sasl_channel_binding_t){.name = b->name, .critical = 1, .len = b->len, .data = b->data};
	return b != NULL;
}

/* Of the identities of the client's certificate: the one that the client wants to be, or else the first. */
static bool set_external(struct sasl_exchange *x, struct sasl_bytes wanted)
{
	const struct tls_identities *all = &x->link->identities;
	char normal[ADDRESS_MAX + 1], wanted_normal[ADDRESS_MAX + 1] = "";
	size_t chosen = 0;
	if (wanted.len && !to_address(x, wanted.ptr, wanted.len, wanted_normal))
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (wanted.len && to_address(x, all->each[i], strlen(all->each[i]), normal) && strcmp(normal, wanted_normal) == 0)
			chosen = i;
	return all->n > 0 && sasl_setprop(x->conn, SASL_AUTH_EXTERNAL, all->each[chosen]) == SASL_OK;
}

/* The first that the client says, or with ptr NULL its silence, which is for the mechanism to break. */
static enum sasl_status begin(struct sasl_exchange *x, struct sasl_bytes first, struct sasl_bytes *challenge)
{
	bool external = is_mechanism(x, "EXTERNAL");
	if (is_scram(x) && !choose_binding(x, first))
		return outcome(x, SASL_BADBINDING);
	if (open_conn(x) != SASL_STATUS_MORE)
		return SASL_STATUS_UNAVAILABLE;
	if (external && !set_external(x, first))
		return outcome(x, SASL_BADAUTH);
	/* The library's LOGIN asks for the user name first, and takes no answer before its question. */
	bool answers_early = first.ptr && is_mechanism(x, "LOGIN");
	const char *with = answers_early ? NULL : first.ptr;
	int rc = sasl_server_start(x->conn, x->mechanism, with, with ? first.len : 0, &challenge->ptr, &challenge->len);
	if (answers_early && rc == SASL_CONTINUE)
		rc = sasl_server_step(x->conn, first.ptr, first.len, &challenge->ptr, &challenge->len);
	if (external && (rc == SASL_OK || x->not_authorized))
		x->verdict = auth_worker_account(x->worker, x->user, x->account);
	return outcome(x, rc);
}

enum sasl_status sasl_exchange_start(struct sasl_exchange *x, struct auth_worker *worker, const char *mechanism,
				     const struct sasl_link *link, struct sasl_bytes initial, struct sasl_bytes *challenge)
{
	invariant(!x->conn);
	x->worker = worker;
	x->link = link;
	x->mechanism = mechanism;
	x->verdict = AUTH_WRONG;
	/* Where the client begins, the library is told of the binding, or of the identity, that the beginning asks for. */
	bool client_begins = is_scram(x) || is_mechanism(x, "EXTERNAL");
	if (client_begins && (!initial.ptr || (is_scram(x) && initial.len == 0))) {
		*challenge = (struct sasl_bytes){"", 0};
		return SASL_STATUS_MORE;
	}
	return begin(x, initial, challenge);
}

enum sasl_status sasl_exchange_step(struct sasl_exchange *x, struct auth_worker *worker, struct sasl_bytes answer,
				    struct sasl_bytes *challenge)
{
	x->worker = worker;
	if (x->conn)
		return outcome(x, sasl_server_step(x->conn, answer.ptr, answer.len, &challenge->ptr, &challenge->len));
	return is_scram(x) && answer.len == 0 ? SASL_STATUS_FAILED : begin(x, answer, challenge);
}

enum sasl_status sasl_exchange_password(struct sasl_exchange *x, struct auth_worker *worker, const struct sasl_link *link,
					const char *user, struct sasl_bytes password)
{
	invariant(!x->conn);
	x->worker = worker;
	x->link = link;
	x->verdict = AUTH_WRONG;
	if (open_conn(x) != SASL_STATUS_MORE)
		return SASL_STATUS_UNAVAILABLE;
	int rc = sasl_checkpass(x->conn, user, (unsigned)strlen(user), password.ptr, password.len);
	if (rc == SASL_OK)
		rc = choose_identity(x, x->user);
	return outcome(x, rc);
}

void sasl_exchange_finish(struct sasl_exchange *x)
{
	if (x->conn)
		sasl_dispose(&x->conn);
	x->conn = NULL;
}
