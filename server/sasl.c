#include "server/sasl.h"

#include "server/log.h"

#include <sasl/saslplug.h>

static const char plugin_name[] = "roost";
static const char *const plugin_files[] = {"libplain.", "liblogin.", "libscram."};
static const char *const mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"};

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

/* Identities become addresses in normal form.  What is none stays as it is, and nobody has that name. */
static int on_canonical_user(sasl_conn_t *conn, void *context, const char *in, unsigned in_len, unsigned flags,
			     const char *realm, char *out, unsigned out_max, unsigned *out_len)
{
	struct sasl_exchange *x = context;
	(void)conn, (void)realm;
	char address[ADDRESS_MAX + 1];
	size_t len = in_len ? in_len : strlen(in);
	const char *text = address_normalise(in, len, address) ? address : in;
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

static enum sasl_status open_conn(struct sasl_exchange *x, struct auth_worker *worker, bool tls)
{
	x->worker = worker;
	x->callbacks[0] = (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS, CALLBACK(on_check_password), x};
	x->callbacks[1] = (sasl_callback_t){SASL_CB_CANON_USER, CALLBACK(on_canonical_user), x};
	x->callbacks[2] = (sasl_callback_t){SASL_CB_PROXY_POLICY, CALLBACK(on_proxy), x};
	x->callbacks[3] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	int rc = sasl_server_new("imap", auth_pool_config(worker->pool)->hostname, NULL, NULL, NULL, x->callbacks, 0,
				 &x->conn);
	sasl_ssf_t ssf = tls ? 256 : 0;
	sasl_security_properties_t layers = {.max_ssf = 0, .security_flags = SASL_SEC_NOANONYMOUS}; /* TLS is the layer */
	if (rc == SASL_OK)
		rc = sasl_setprop(x->conn, SASL_SEC_PROPS, &layers);
	if (rc == SASL_OK)
		rc = sasl_setprop(x->conn, SASL_SSF_EXTERNAL, &ssf);
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

/* The library's SCRAM reads a channel binding that is not there when a client says "p=" without having been offered
 * a -PLUS mechanism (RFC 5802 5.1): such a client is refused before it gets there. */
static bool is_refused_binding(struct sasl_exchange *x, struct sasl_bytes in)
{
	bool first = x->scram && !x->started && in.len > 0;
	x->started = x->started || in.len > 0;
	return first && in.ptr[0] == 'p';
}

enum sasl_status sasl_exchange_start(struct sasl_exchange *x, struct auth_worker *worker, const char *mechanism,
				     bool tls, struct sasl_bytes initial, struct sasl_bytes *challenge)
{
	invariant(!x->conn);
	x->verdict = AUTH_WRONG;
	x->scram = strncmp(mechanism, "SCRAM-", 6) == 0;
	if (is_refused_binding(x, initial))
		return SASL_STATUS_FAILED;
	if (open_conn(x, worker, tls) != SASL_STATUS_MORE)
		return SASL_STATUS_UNAVAILABLE;
	/* The library's LOGIN asks for the user name first, and takes no answer before its question. */
	bool answers_early = initial.ptr && strcmp(mechanism, "LOGIN") == 0;
	const char *first = answers_early ? NULL : initial.ptr;
	int rc = sasl_server_start(x->conn, mechanism, first, first ? initial.len : 0, &challenge->ptr, &challenge->len);
	if (answers_early && rc == SASL_CONTINUE)
		rc = sasl_server_step(x->conn, initial.ptr, initial.len, &challenge->ptr, &challenge->len);
	return outcome(x, rc);
}

enum sasl_status sasl_exchange_step(struct sasl_exchange *x, struct auth_worker *worker, struct sasl_bytes answer,
				    struct sasl_bytes *challenge)
{
	invariant(x->conn);
	if (is_refused_binding(x, answer))
		return SASL_STATUS_FAILED;
	x->worker = worker;
	return outcome(x, sasl_server_step(x->conn, answer.ptr, answer.len, &challenge->ptr, &challenge->len));
}

enum sasl_status sasl_exchange_password(struct sasl_exchange *x, struct auth_worker *worker, const char *user,
					struct sasl_bytes password)
{
	invariant(!x->conn);
	x->verdict = AUTH_WRONG;
	if (open_conn(x, worker, false) != SASL_STATUS_MORE)
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
