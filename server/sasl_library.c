/* libsasl2 itself: what it loads, and the plugin by which it reads our directory. */
#include "server/sasl.h"

#include "server/config.h"
#include "server/log.h"
#include "server/sasl_private.h"

#include <sasl/saslplug.h>

enum { CALLBACKS = 4 };

struct sasl_library {
	const struct config *config;
	sasl_callback_t callbacks[CALLBACKS];
	char name[64]; /* of the file of options, without its end: what the library calls the application */
};

static const char *const mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL"};

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

/* What does not depend on the login. */
static int on_option(void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
	(void)context, (void)plugin;
	if (strcmp(option, "log_level") != 0)
		return SASL_FAIL;
	*result = "0";
	if (len)
		*len = 1;
	return SASL_OK;
}

static bool is_wanted_plugin(const struct config *config, const char *name)
{
	static const char *const always[] = {"libplain.", "liblogin.", "libscram."};
	for (size_t i = 0; i < countof(always); i++)
		if (strncmp(name, always[i], strlen(always[i])) == 0)
			return true;
	return (strncmp(name, "libsql.", 7) == 0 && config_uses_backend(config, AUTH_BACKEND_SQL)) ||
	       (strncmp(name, "libldapdb.", 10) == 0 && config_uses_backend(config, AUTH_BACKEND_LDAPDB));
}

/* Of the library's files of options only that of the configuration, and no plugins that nobody asked for. */
static int on_verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	const struct sasl_library *library = context;
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	if (type == SASL_VRFY_PLUGIN)
		return is_wanted_plugin(library->config, name) ? SASL_OK : SASL_CONTINUE;
	if (type == SASL_VRFY_CONF)
		return strcmp(file, library->config->sasl_config) == 0 ? SASL_OK : SASL_CONTINUE;
	return SASL_OK;
}

/* What there is to say about a login is said once, in server/auth.c; but why a back end fails, its plugin alone knows. */
static int on_log(void *context, int level, const char *message)
{
	(void)context;
	bool is_backend = strncmp(message, "sql plugin", 10) == 0 || strncmp(message, "ldapdb", 6) == 0;
	if (level == SASL_LOG_ERR && is_backend)
		log_event(LOG_ERROR, "auth_backend_failed", log_text("backend", "sasl"), log_text("reason", message));
	return SASL_OK;
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
	if (sasl_exchange_asks_library(x)) {
		/* Whom its plugin does not know looks like whom it does. */
		auth_worker_fake(x->worker, name, &found);
	} else {
		x->verdict = auth_worker_secrets(x->worker, name, &found);
		if (x->verdict == AUTH_UNKNOWN_YET)
			return SASL_UNAVAIL;
	}
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
	sasl_auxprop_plug_t *p = utils->malloc(sizeof(*p) + sizeof(SASL_PLUGIN_NAME));
	if (!p)
		return SASL_NOMEM;
	*p = (sasl_auxprop_plug_t){.glob_context = p, .auxprop_free = plugin_free, .auxprop_lookup = lookup};
	p->name = memcpy(p + 1, SASL_PLUGIN_NAME, sizeof(SASL_PLUGIN_NAME));
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

static void note_auxprop(sasl_auxprop_plug_t *plug, sasl_info_callback_stage_t stage, void *context)
{
	const char **wanted = context;
	if (stage == SASL_INFO_LIST_MECH && *wanted && strcmp(plug->name, *wanted) == 0)
		*wanted = NULL;
}

/* Logs and says false when something that is needed is not there. */
static bool is_complete(const struct config *config)
{
	static const struct {
		enum auth_backend backend;
		const char *name, *remedy;
	} auxprops[] = {{AUTH_BACKEND_SQL, "sql", "install libsasl2-modules-sql; and the file of sasl_config needs sql_engine and sql_select"},
			{AUTH_BACKEND_LDAPDB, "ldapdb", "install libsasl2-modules-ldap; and the file of sasl_config needs ldapdb_uri"}};
	for (size_t i = 0; i < countof(mechanisms); i++) {
		if (!is_loaded(mechanisms[i])) {
			log_event(LOG_ERROR, "sasl_failed", log_text("mechanism", mechanisms[i]),
				  log_text("error", "its plugin is not there; install libsasl2-modules"));
			return false;
		}
	}
	for (size_t i = 0; i < countof(auxprops); i++) {
		const char *missing = auxprops[i].name;
		if (!config_uses_backend(config, auxprops[i].backend))
			continue;
		auxprop_plugin_info(NULL, note_auxprop, &missing);
		if (missing) {
			log_event(LOG_ERROR, "sasl_failed", log_text("backend", missing), log_text("error", auxprops[i].remedy));
			return false;
		}
	}
	return true;
}

/* Where the file of options is: the library wants its directory, and its name without the end. */
static int set_path(struct sasl_library *l)
{
	char directory[4096] = "/nonexistent";
	const char *path = *l->config->sasl_config ? l->config->sasl_config : "/nonexistent/roost.conf", *slash = strrchr(path, '/');
	snprintf(l->name, sizeof(l->name), "%.*s", (int)(strlen(slash + 1) - strlen(".conf")), slash + 1);
	if (slash > path)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	return sasl_set_path(SASL_PATH_TYPE_CONFIG, directory);
}

struct sasl_library *sasl_library_open(const struct config *config)
{
	struct sasl_library *l = xcalloc(1, sizeof(*l));
	l->config = config;
	l->callbacks[0] = (sasl_callback_t){SASL_CB_GETOPT, CALLBACK(on_option), l};
	l->callbacks[1] = (sasl_callback_t){SASL_CB_VERIFYFILE, CALLBACK(on_verify_file), l};
	l->callbacks[2] = (sasl_callback_t){SASL_CB_LOG, CALLBACK(on_log), l};
	l->callbacks[3] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	sasl_set_mutex(mutex_create, mutex_lock, mutex_unlock, mutex_destroy);
	int rc = set_path(l);
	if (rc == SASL_OK)
		rc = sasl_server_init(l->callbacks, l->name);
	bool begun = rc == SASL_OK;
	if (rc == SASL_OK)
		rc = sasl_auxprop_add_plugin(SASL_PLUGIN_NAME, plugin_init);
	if (rc != SASL_OK)
		log_event(LOG_ERROR, "sasl_failed", log_text("file", config->sasl_config), log_text("error", sasl_errstring(rc, NULL, NULL)));
	if (rc == SASL_OK && is_complete(config))
		return l;
	if (begun)
		sasl_server_done();
	free(l);
	return NULL;
}

void sasl_library_close(struct sasl_library *l)
{
	if (!l)
		return;
	sasl_server_done();
	free(l);
}
