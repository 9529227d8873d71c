#include "server/sasl.h"

#include "server/log.h"

#include <sasl/saslplug.h>

static const char plugin_name[] = "roost";
static const char *const plugin_files[] = {"libplain.", "liblogin.", "libscram."};
static const char *const mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL"};

typedef int callback_fn(void); /* sasl_callback_t keeps every callback as this */
#define CALLBACK(fn) ((callback_fn *)(void (*)(void))(fn))

static void *mutex_create(void)
{
	uv_mutex_t *mutex = xmalloc(sizeof(*mutex));
	invariant(uv_mutex_init(mutex) == 0);
	return mutex;
}

static int mutex_lock(void *mutex)
{
	uv_mutex_lock(mutex);
	return SASL_OK;
}

static int mutex_unlock(void *mutex)
{
	uv_mutex_unlock(mutex);
	return SASL_OK;
}

static void mutex_destroy(void *mutex)
{
	if (mutex)
		uv_mutex_destroy(mutex);
	free(mutex);
}

/* All options the library may ask for.  A password verifier that does not exist: after our callback has said no,
 * nobody else is asked. */
static int on_option(void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
	static const char *const options[][2] = {
		{"auxprop_plugin", plugin_name}, {"pwcheck_method", plugin_name}, {"log_level", "0"}};
	(void)context, (void)plugin;
	for (size_t i = 0; i < countof(options); i++) {
		if (strcmp(option, options[i][0]) == 0) {
			*result = options[i][1];
			if (len)
				*len = (unsigned)strlen(*result);
			return SASL_OK;
		}
	}
	return SASL_FAIL;
}

/* No configuration files of the library's own, and no plugins beside the list. */
static int on_verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	(void)context;
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	for (size_t i = 0; type == SASL_VRFY_PLUGIN && i < countof(plugin_files); i++)
		if (strncmp(name, plugin_files[i], strlen(plugin_files[i])) == 0)
			return SASL_OK;
	return type == SASL_VRFY_PASSWD || type == SASL_VRFY_OTHER ? SASL_OK : SASL_CONTINUE;
}

/* What there is to say about a login is said once, in server/auth.c. */
static int on_log(void *context, int level, const char *message)
{
	(void)context, (void)level, (void)message;
	return SASL_OK;
}

static int on_check_password(sasl_conn_t *conn, void *context, const char *user, const char *password, unsigned len,
			     struct propctx *properties)
{
	struct sasl_exchange *x = context;
	(void)conn, (void)properties;
	x->verdict = auth_worker_check(x->worker, user, password, len, x->account);
	return x->verdict == AUTH_RIGHT ? SASL_OK : (x->verdict == AUTH_WRONG ? SASL_BADAUTH : SASL_UNAVAIL);
}

/* What a client calls itself as an address in normal form: with the default domain where it names none.  False: it
 * is none. */
static bool to_address(const struct sasl_exchange *x, const char *text, size_t len, char out[ADDRESS_MAX + 1])
{
	char whole[ADDRESS_MAX + 1];
	if (memchr(text, '@', len) || !*x->link->default_domain)
		return address_normalise(text, len, out);
	int n = snprintf(whole, sizeof(whole), "%.*s@%s", (int)(len > ADDRESS_MAX ? ADDRESS_MAX : len), text,
			 x->link->default_domain);
	return n > 0 && (size_t)n < sizeof(whole) && !memchr(text, 0, len) && address_normalise(whole, (size_t)n, out);
}

/* Identities become addresses.  What is none stays as it is, and nobody has that name. */
static int on_canonical_user(sasl_conn_t *conn, void *context, const char *in, unsigned in_len, unsigned flags,
			     const char *realm, char *out, unsigned out_max, unsigned *out_len)
{
	struct sasl_exchange *x = context;
	(void)conn, (void)realm;
	char address[ADDRESS_MAX + 1];
	size_t len = in_len ? in_len : strlen(in);
	const char *text = to_address(x, in, len, address) ? address : in;
	len = text == address ? strlen(address) : len;
	if (len >= out_max)
		return SASL_BADPROT;
	memcpy(out, text, len);
	out[len] = '\0';
	*out_len = (unsigned)len;
	if (flags & SASL_CU_AUTHID)
		snprintf(x->user, sizeof(x->user), "%s", out);
	return SASL_OK;
}

/* Nobody acts for another here. */
static int on_proxy(sasl_conn_t *conn, void *context, const char *wanted, unsigned wanted_len, const char *user,
		    unsigned user_len, const char *realm, unsigned realm_len, struct propctx *properties)
{
	struct sasl_exchange *x = context;
	(void)conn, (void)realm, (void)realm_len, (void)properties;
	bool same = wanted_len == user_len && memcmp(wanted, user, user_len) == 0;
	x->not_authorized = !same;
	if (same)
		snprintf(x->address, sizeof(x->address), "%.*s", (int)user_len, user);
	return same ? SASL_OK : SASL_NOAUTHZ;
}

/* The exchange behind a plugin's view of a connection. */
static struct sasl_exchange *exchange_of(sasl_server_params_t *params)
{
	sasl_callback_ft fn;
	void *context = NULL;
	int rc = params->utils->getcallback(params->utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &fn, &context);
	return rc == SASL_OK ? context : NULL;
}

/* Fills in what a mechanism asked for.  SCRAM asks for "*authPassword", one value a mechanism. */
static int lookup(void *glob, sasl_server_params_t *params, unsigned flags, const char *user, unsigned len)
{
	(void)glob;
	struct sasl_exchange *x = exchange_of(params);
	const struct propval *wanted = params->utils->prop_get(params->propctx);
	while (wanted && wanted->name && strcmp(wanted->name, "*authPassword") != 0)
		wanted++;
	if (!x || !x->worker || !wanted || !wanted->name || wanted->values || (flags & SASL_AUXPROP_AUTHZID))
		return SASL_OK;
	char name[ADDRESS_MAX + 1];
	if (len > ADDRESS_MAX)
		return SASL_NOUSER;
	memcpy(name, user, len);
	name[len] = '\0';
	struct directory_user found;
	x->verdict = auth_worker_secrets(x->worker, name, &found);
	if (x->verdict == AUTH_UNKNOWN_YET)
		return SASL_UNAVAIL;
	snprintf(x->account, sizeof(x->account), "%s", found.account);
	int rc = params->utils->prop_set(params->propctx, wanted->name, found.secrets.scram_sha1, -1);
	return rc == SASL_OK ? params->utils->prop_set(params->propctx, NULL, found.secrets.scram_sha256, -1) : rc;
}

static void plugin_free(void *glob, const sasl_utils_t *utils)
{
	utils->free(glob);
}

static int plugin_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_auxprop_plug_t **plug,
		       const char *name)
{
	(void)name;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	sasl_auxprop_plug_t *p = utils->malloc(sizeof(*p) + sizeof(plugin_name));
	if (!p)
		return SASL_NOMEM;
	*p = (sasl_auxprop_plug_t){.glob_context = p, .auxprop_free = plugin_free, .auxprop_lookup = lookup};
	p->name = memcpy(p + 1, plugin_name, sizeof(plugin_name));
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = p;
	return SASL_OK;
}

static bool is_loaded(const char *mechanism)
{
	const char **loaded = sasl_global_listmech();
	while (loaded && *loaded && strcmp(*loaded, mechanism) != 0)
		loaded++;
	return loaded && *loaded;
}

bool sasl_library_open(void)
{
	static const sasl_callback_t callbacks[] = {{SASL_CB_GETOPT, CALLBACK(on_option), NULL},
						    {SASL_CB_VERIFYFILE, CALLBACK(on_verify_file), NULL},
						    {SASL_CB_LOG, CALLBACK(on_log), NULL},
						    {SASL_CB_LIST_END, NULL, NULL}};
	sasl_set_mutex(mutex_create, mutex_lock, mutex_unlock, mutex_destroy);
	int rc = sasl_server_init(callbacks, plugin_name);
	if (rc == SASL_OK)
		rc = sasl_auxprop_add_plugin(plugin_name, plugin_init);
	if (rc != SASL_OK) {
		log_event(LOG_ERROR, "sasl_failed", log_text("error", sasl_errstring(rc, NULL, NULL)));
		return false;
	}
	for (size_t i = 0; i < countof(mechanisms); i++) {
		if (!is_loaded(mechanisms[i])) {
			log_event(LOG_ERROR, "sasl_failed", log_text("mechanism", mechanisms[i]),
				  log_text("error", "its plugin is not there; install libsasl2-modules"));
			return false;
		}
	}
	return true;
}

void sasl_library_close(void)
{
	sasl_server_done();
}

static enum sasl_status open_conn(struct sasl_exchange *x)
{
	x->callbacks[0] = (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(on_check_password), x};
	x->callbacks[1] = (sasl_callback_t){SASL_CB_CANON_USER, CALLBACK(on_canonical_user), x};
	x->callbacks[2] = (sasl_callback_t){SASL_CB_PROXY_POLICY, CALLBACK(on_proxy), x};
	x->callbacks[3] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
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

static enum sasl_status outcome(struct sasl_exchange *x, int rc)
{
	x->worker = NULL;
	if (rc == SASL_CONTINUE)
		return SASL_STATUS_MORE;
	if (rc == SASL_OK && x->verdict == AUTH_RIGHT && x->account[0])
		return SASL_STATUS_OK;
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
	bool external = strcmp(x->mechanism, "EXTERNAL") == 0;
	if (is_scram(x) && !choose_binding(x, first))
		return outcome(x, SASL_BADBINDING);
	if (open_conn(x) != SASL_STATUS_MORE)
		return SASL_STATUS_UNAVAILABLE;
	if (external && !set_external(x, first))
		return outcome(x, SASL_BADAUTH);
	/* The library's LOGIN asks for the user name first, and takes no answer before its question. */
	bool answers_early = first.ptr && strcmp(x->mechanism, "LOGIN") == 0;
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
	bool client_begins = is_scram(x) || strcmp(mechanism, "EXTERNAL") == 0;
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
	const void *name = NULL;
	if (rc == SASL_OK && sasl_getprop(x->conn, SASL_USERNAME, &name) == SASL_OK && name)
		snprintf(x->address, sizeof(x->address), "%s", (const char *)name);
	return outcome(x, rc);
}

void sasl_exchange_finish(struct sasl_exchange *x)
{
	if (x->conn)
		sasl_dispose(&x->conn);
	x->conn = NULL;
}
