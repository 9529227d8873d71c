#include "server/config.h"

#include "protocol/base.h"

#include <confuse.h>
#include <string.h>
#include <unistd.h>

static cfg_opt_t listen_options[] = {
	CFG_STR("protocol", "imap", CFGF_NONE),
	CFG_STR("address", NULL, CFGF_NODEFAULT),
	CFG_INT("port", 0, CFGF_NONE),
	CFG_STR("path", NULL, CFGF_NODEFAULT),
	CFG_BOOL("cleartext_login", cfg_false, CFGF_NONE),
	CFG_END(),
};

static cfg_opt_t tls_options[] = {
	CFG_STR("certificate", NULL, CFGF_NODEFAULT),
	CFG_STR("key", NULL, CFGF_NODEFAULT),
	CFG_END(),
};

static cfg_opt_t options[] = {
	CFG_STR("store", NULL, CFGF_NODEFAULT),
	CFG_STR("hostname", "localhost", CFGF_NONE),
	CFG_STR("admin_socket", "", CFGF_NONE),
	CFG_INT("loops", 0, CFGF_NONE),
	CFG_INT("workers", 0, CFGF_NONE),
	CFG_STR("fsync", "messages", CFGF_NONE),
	CFG_INT("message_bytes_max", 67108864, CFGF_NONE),
	CFG_INT("auth_threads", 4, CFGF_NONE),
	CFG_INT("auth_queue_max", 1000, CFGF_NONE),
	CFG_INT("password_cost", 5, CFGF_NONE),
	CFG_INT("scram_iterations", 10000, CFGF_NONE),
	CFG_INT("login_delay_ms", 2000, CFGF_NONE),
	CFG_INT("login_failures_max", 5, CFGF_NONE),
	CFG_SEC("listen", listen_options, CFGF_MULTI),
	CFG_SEC("tls", tls_options, CFGF_MULTI),
	CFG_END(),
};

static bool read_listen(const char *path, cfg_t *from, struct listen_config *to)
{
	static const char *const names[] = {"imap", "imaps", "lmtp"};
	const char *protocol = cfg_getstr(from, "protocol");
	size_t i = 0;
	while (i < countof(names) && strcmp(protocol, names[i]) != 0)
		i++;
	if (i == countof(names)) {
		fprintf(stderr, "%s:%d: protocol \"%s\": imap, imaps or lmtp is expected\n", path, from->line, protocol);
		return false;
	}
	*to = (struct listen_config){(enum protocol)i, cfg_getstr(from, "address"), (int)cfg_getint(from, "port"),
				     cfg_getstr(from, "path"), cfg_getbool(from, "cleartext_login")};
	if (!to->path && (!to->address || to->port < 1 || to->port > 65535)) {
		fprintf(stderr, "%s:%d: listen: an address and a port from 1 to 65535, or a path, are expected\n", path,
			from->line);
		return false;
	}
	return true;
}

bool config_read(const char *path, struct config *out)
{
	*out = (struct config){0};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	out->parsed = cfg;
	int rc = cfg_parse(cfg, path);
	if (rc == CFG_FILE_ERROR)
		fprintf(stderr, "%s: cannot be read\n", path);
	if (rc != CFG_SUCCESS)
		return false;
	out->store = cfg_getstr(cfg, "store");
	out->hostname = cfg_getstr(cfg, "hostname");
	out->message_bytes_max = cfg_getint(cfg, "message_bytes_max");
	out->fsync_always = strcmp(cfg_getstr(cfg, "fsync"), "always") == 0;
	if (!out->store || (!out->fsync_always && strcmp(cfg_getstr(cfg, "fsync"), "messages") != 0)) {
		fprintf(stderr, "%s: %s\n", path, out->store ? "fsync: messages or always is expected" : "store is missing");
		return false;
	}
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	out->auth_threads = (int)cfg_getint(cfg, "auth_threads");
	out->auth_queue_max = (int)cfg_getint(cfg, "auth_queue_max");
	out->password_cost = (int)cfg_getint(cfg, "password_cost");
	out->scram_iterations = (int)cfg_getint(cfg, "scram_iterations");
	out->login_delay_ms = (int)cfg_getint(cfg, "login_delay_ms");
	out->login_failures_max = (int)cfg_getint(cfg, "login_failures_max");
	out->loops = (int)cfg_getint(cfg, "loops");
	out->workers = (int)cfg_getint(cfg, "workers");
	if (out->loops < 1)
		out->loops = cores > 0 ? (int)cores : 1;
	if (out->workers < 1)
		out->workers = (int)(4 * (cores > 0 ? cores : 1) + 16);
	out->listens_n = cfg_size(cfg, "listen");
	out->listens = xcalloc(out->listens_n, sizeof(*out->listens));
	for (size_t i = 0; i < out->listens_n; i++)
		if (!read_listen(path, cfg_getnsec(cfg, "listen", (unsigned)i), &out->listens[i]))
			return false;
	out->tls_n = cfg_size(cfg, "tls");
	out->tls = xcalloc(out->tls_n, sizeof(*out->tls));
	for (size_t i = 0; i < out->tls_n; i++) {
		cfg_t *tls = cfg_getnsec(cfg, "tls", (unsigned)i);
		out->tls[i] = (struct tls_config){cfg_getstr(tls, "certificate"), cfg_getstr(tls, "key")};
		if (!out->tls[i].certificate || !out->tls[i].key) {
			fprintf(stderr, "%s:%d: tls: a certificate and a key are expected\n", path, tls->line);
			return false;
		}
	}
	return true;
}

void config_finish(struct config *c)
{
	free(c->listens);
	free(c->tls);
	if (c->parsed)
		cfg_free(c->parsed);
	*c = (struct config){0};
}
