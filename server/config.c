#include "server/config.h"

#include "protocol/imap/capability.h"
#include "server/converter.h"
#include "server/metrics_http.h"
#include "server/quota.h"
#include "server/trouble.h"
#include "storage/address.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <unistd.h>

/* An option of ours behind the file's text.  Where something is left open at its end the parser would not complain: then
 * this name stands in a section, or is not seen. */
#define END_MARK "end-of-file"

enum { SECTIONS_MAX = 8, SOCKET_PATH_MAX = 107 /* sun_path, unix(7) */ };

static bool is_in(const struct option *o, const char *section)
{
	return section ? o->section && strcmp(o->section, section) == 0 : !o->section;
}

static const struct option *find(const char *section, const char *name)
{
	for (size_t i = 0; i < config_options_n; i++)
		if (is_in(&config_options[i], section) && strcmp(config_options[i].name, name) == 0)
			return &config_options[i];
	return NULL;
}

static PRINTF_LIKE(3, 4) void complain(const char *path, int line, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	if (line)
		fprintf(stderr, "roost: %s:%d: ", path, line);
	else
		fprintf(stderr, "roost: %s: ", path);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

/* What the parser itself finds: syntax, and names that are not in the table. */
static PRINTF_LIKE(2, 0) void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
	char text[1000];
	vsnprintf(text, sizeof(text), fmt, args);
	if (strstr(text, END_MARK))
		complain(cfg->filename, cfg->line - 1, "%s is expected before the end of the file",
			 strcmp(cfg_name(cfg), "root") == 0 ? "a closing quote" : "a closing brace or quote");
	else
		complain(cfg->filename, cfg->line, "%s (roost.conf(5) tells what may stand here)", text);
}

/* Called with each value as it is read, so that the line is known. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *section = strcmp(cfg_name(cfg), "root") == 0 ? NULL : cfg_name(cfg);
	const struct option *o = find(section, cfg_opt_name(opt));
	const char *text = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	union {
		struct config config;
		struct listen_config listen;
		struct auth_config auth;
		struct convert_config convert;
	} tried;
	invariant(o && text);
	if (option_store(o, text, &tried))
		return 0;
	struct buf expected;
	buf_init(&expected, 1000);
	option_describe(o, &expected);
	complain(cfg->filename, cfg->line, "%s = \"%s\": %.*s is expected", o->name, text, (int)expected.len, expected.data);
	buf_finish(&expected);
	return -1;
}

/* The table in libconfuse's words.  All values are read as text: then a wrong one is ours to explain. */
static size_t list_options(const char *section, cfg_opt_t *out)
{
	size_t n = 0;
	for (size_t i = 0; i < config_options_n; i++) {
		const struct option *o = &config_options[i];
		if (!is_in(o, section))
			continue;
		cfg_opt_t opt = CFG_STR(o->name, o->standard, o->standard ? CFGF_NONE : CFGF_NODEFAULT);
		opt.validcb = on_value;
		out[n++] = opt;
	}
	return n;
}

static cfg_t *make_parser(void)
{
	cfg_opt_t *options = xcalloc(config_options_n + SECTIONS_MAX, sizeof(*options));
	cfg_opt_t *listen = xcalloc(config_options_n + 1, sizeof(*listen));
	cfg_opt_t *auth = xcalloc(config_options_n + 1, sizeof(*auth));
	cfg_opt_t *convert = xcalloc(config_options_n + 1, sizeof(*convert));
	cfg_opt_t end = CFG_END(), listen_section = CFG_SEC("listen", listen, CFGF_MULTI),
		  auth_section = CFG_SEC("auth", auth, CFGF_MULTI), convert_section = CFG_SEC("convert", convert, CFGF_MULTI);
	listen[list_options("listen", listen)] = end;
	auth[list_options("auth", auth)] = end;
	convert[list_options("convert", convert)] = end;
	size_t n = list_options(NULL, options);
	cfg_opt_t end_mark = CFG_STR(END_MARK, NULL, CFGF_NODEFAULT);
	options[n++] = end_mark;
	options[n++] = listen_section;
	options[n++] = auth_section;
	options[n++] = convert_section;
	options[n] = end;
	cfg_t *cfg = cfg_init(options, CFGF_NONE); /* copies them */
	invariant(cfg);
	cfg_set_error_function(cfg, on_error);
	free(options);
	free(listen);
	free(auth);
	free(convert);
	return cfg;
}

/* Fills in `base` from a section, or from what stands outside any.  False: something must be given and is not. */
static bool read_section(const char *path, cfg_t *from, const char *section, void *base)
{
	for (size_t i = 0; i < config_options_n; i++) {
		const struct option *o = &config_options[i];
		if (!is_in(o, section))
			continue;
		const char *text = cfg_getstr(from, o->name);
		if (!text || (!o->standard && !*text)) {
			complain(path, section ? from->line : 0, "%s%s%s must be given", section ? section : "",
				 section ? ": " : "", o->name);
			return false;
		}
		invariant(option_store(o, text, base)); /* on_value() and the table's test have seen to it */
	}
	return true;
}

/* A name that is misspelt would leave on what was to be off. */
static bool check_names(const char *path, int line, const char *names)
{
	struct span wrong;
	bool ok = capability_can_be_off(names, &wrong);
	if (!ok)
		complain(path, line, "capabilities_off: \"%.*s\" is no capability that can be left out", (int)wrong.len, wrong.ptr);
	return ok;
}

static bool check_domain(const char *path, int line, const char *domain)
{
	char normal[ADDRESS_DOMAIN_MAX + 1];
	if (!*domain || address_domain_normalise(domain, strlen(domain), normal))
		return true;
	complain(path, line, "default_domain = \"%s\": the name of a domain is expected", domain);
	return false;
}

static bool check_networks(const char *path, int line, const char *option, const char *text, struct networks *out)
{
	const char *wrong;
	if (networks_parse(text, out, &wrong))
		return true;
	complain(path, line, "%s: at \"%s\": networks like 192.0.2.0/24 or 2001:db8::/32 are expected, at most %d", option, wrong,
		 NETWORKS_MAX);
	return false;
}

static bool check_listen(const char *path, int line, struct listen_config *l)
{
	static const int ports[] = {[PROTOCOL_IMAP] = 143, [PROTOCOL_IMAPS] = 993, [PROTOCOL_LMTP] = 24};
	unsigned char parsed[sizeof(struct in6_addr)];
	if (!*l->path)
		l->path = NULL;
	if (l->path && strlen(l->path) > SOCKET_PATH_MAX) {
		complain(path, line, "listen: path: at most %d bytes are expected", SOCKET_PATH_MAX);
		return false;
	}
	if (!l->path && inet_pton(AF_INET, l->address, parsed) != 1 && inet_pton(AF_INET6, l->address, parsed) != 1) {
		complain(path, line, "listen: address = \"%s\": an IPv4 or IPv6 address is expected", l->address);
		return false;
	}
	if (!check_domain(path, line, l->default_domain) ||
	    !check_networks(path, line, "proxy_networks", l->proxy_networks, &l->proxies))
		return false;
	if (l->port == 0)
		l->port = ports[l->protocol];
	return check_names(path, line, l->capabilities_off);
}

static bool read_listens(const char *path, struct config *c)
{
	c->listens_n = cfg_size(c->parsed, "listen");
	c->listens = xcalloc(c->listens_n, sizeof(*c->listens));
	for (size_t i = 0; i < c->listens_n; i++) {
		cfg_t *from = cfg_getnsec(c->parsed, "listen", (unsigned)i);
		struct listen_config *l = &c->listens[i];
		if (!read_section(path, from, "listen", l) || !check_listen(path, from->line, l))
			return false;
		if (l->protocol == PROTOCOL_IMAPS && !*c->certificates) {
			complain(path, from->line, "listen: imaps needs certificates; the option of that name says where they are");
			return false;
		}
	}
	return true;
}

static bool read_auths(const char *path, struct config *c)
{
	size_t len = strlen(c->sasl_config);
	c->auths_n = cfg_size(c->parsed, "auth");
	c->auths = xcalloc(c->auths_n, sizeof(*c->auths));
	for (size_t i = 0; i < c->auths_n; i++)
		if (!read_section(path, cfg_getnsec(c->parsed, "auth", (unsigned)i), "auth", &c->auths[i]))
			return false;
	/* The library takes a directory and a name, to which it adds the end. */
	if (len && (c->sasl_config[0] != '/' || len < 7 || strcmp(c->sasl_config + len - 5, ".conf") != 0)) {
		complain(path, 0, "sasl_config = \"%s\": a path that begins with / and ends in .conf is expected", c->sasl_config);
		return false;
	}
	if (!len && (config_uses_backend(c, AUTH_BACKEND_SQL) || config_uses_backend(c, AUTH_BACKEND_LDAPDB))) {
		complain(path, 0, "sasl_config must be given where sql or ldapdb verifies passwords");
		return false;
	}
	return true;
}

static bool check_convert(const char *path, int line, const struct convert_config *convert)
{
	static const char *const texts[] = {"text/", "multipart/", "message/"};
	const char *slash = strchr(convert->type, '/');
	bool ok = slash && slash != convert->type && slash[1] && !strpbrk(convert->type, " ;\"");
	for (size_t i = 0; i < countof(texts); i++)
		ok = ok && strncasecmp(convert->type, texts[i], strlen(texts[i])) != 0;
	if (!ok)
		complain(path, line, "convert: type = \"%s\": a media type like application/pdf is expected, which is no text", convert->type);
	else if (!converter_is_command(convert->command))
		complain(path, line, "convert: command = \"%s\": a path that begins with /, and at most %d arguments, are expected",
			 convert->command, CONVERTER_WORDS_MAX - 1);
	return ok && converter_is_command(convert->command);
}

static bool read_converts(const char *path, struct config *c)
{
	c->converts_n = cfg_size(c->parsed, "convert");
	c->converts = xcalloc(c->converts_n, sizeof(*c->converts));
	for (size_t i = 0; i < c->converts_n; i++) {
		cfg_t *from = cfg_getnsec(c->parsed, "convert", (unsigned)i);
		if (!read_section(path, from, "convert", &c->converts[i]) || !check_convert(path, from->line, &c->converts[i]))
			return false;
	}
	return true;
}

const struct auth_config *config_auth(const struct config *c, const char *domain)
{
	const struct auth_config *found = NULL;
	for (size_t i = 0; i < c->auths_n; i++) {
		if (strcasecmp(c->auths[i].who, domain) == 0)
			return &c->auths[i];
		if (!*c->auths[i].who)
			found = &c->auths[i];
	}
	return found;
}

bool config_uses_backend(const struct config *c, enum auth_backend backend)
{
	for (size_t i = 0; i < c->auths_n; i++)
		if (c->auths[i].backend == backend)
			return true;
	return false;
}

/* What is left to us: names of the machine's and of the store's, and one thread for each core. */
static bool fill_in(const char *path, struct config *c)
{
	enum { NAME_MAX_BYTES = 256 };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int n = cores < 1 ? 1 : (cores > 64 ? 64 : (int)cores);
	size_t store_len = strlen(c->store), size = NAME_MAX_BYTES + store_len + sizeof("/admin.sock");
	c->made = xcalloc(1, size);
	if (!*c->hostname)
		c->hostname = gethostname(c->made, NAME_MAX_BYTES - 1) == 0 && *c->made ? c->made : "localhost";
	if (!*c->admin_socket) {
		snprintf(c->made + NAME_MAX_BYTES, size - NAME_MAX_BYTES, "%s/admin.sock", c->store);
		c->admin_socket = c->made + NAME_MAX_BYTES;
	}
	if (strlen(c->admin_socket) > SOCKET_PATH_MAX) {
		complain(path, 0, "admin_socket: %s: at most %d bytes are expected", c->admin_socket, SOCKET_PATH_MAX);
		return false;
	}
	if (*c->log != '/' && strcmp(c->log, "stderr") != 0 && strcmp(c->log, "syslog") != 0 && strcmp(c->log, "journal") != 0) {
		complain(path, 0, "log = \"%s\": stderr, syslog, journal, or a path that begins with / is expected", c->log);
		return false;
	}
	if (*c->metrics && !metrics_http_is_address(c->metrics)) {
		complain(path, 0, "metrics = \"%s\": 127.0.0.1:9143 or the like, or the path of a socket, is expected", c->metrics);
		return false;
	}
	int percent[QUOTA_WARNINGS_MAX];
	if (*c->quota_warnings && !quota_read_warnings(c->quota_warnings, percent)) {
		complain(path, 0, "quota_warnings = \"%s\": up to %d ascending numbers from 1 to 100 are expected", c->quota_warnings,
			 QUOTA_WARNINGS_MAX);
		return false;
	}
	if (*c->quota_command && *c->quota_command != '/') {
		complain(path, 0, "quota_command = \"%s\": a path that begins with / is expected", c->quota_command);
		return false;
	}
	if (!*c->certificates)
		c->certificates = NULL;
	if (!check_domain(path, 0, c->default_domain) ||
	    !check_networks(path, 0, "trusted_networks", c->trusted_networks, &c->trusted))
		return false;
	c->loops = c->loops ? c->loops : n;
	c->workers = c->workers ? c->workers : 4 * n + 16;
	c->auth_threads = c->auth_threads ? c->auth_threads : n;
	return true;
}

/* The text of the file and the mark behind it; NULL: errno says why not.  The caller frees. */
static char *read_marked(const char *path, size_t *len)
{
	char *text = NULL;
	size_t cap = 0;
	FILE *file = fopen(path, "r"), *out = open_memstream(&text, len);
	invariant(out);
	char *line = NULL;
	ssize_t n;
	while (file && (n = getline(&line, &cap, file)) >= 0)
		fwrite(line, 1, (size_t)n, out);
	bool ok = file && !ferror(file);
	int error = errno;
	free(line);
	fprintf(out, "\n\"" END_MARK "\"=\"\"\n");
	fclose(out);
	if (file)
		fclose(file);
	if (ok)
		return text;
	free(text);
	errno = error;
	return NULL;
}

static bool parse(const char *path, cfg_t *parser)
{
	size_t len;
	char *text = read_marked(path, &len);
	if (!text) {
		trouble("%s: %s; -c FILE names the configuration", path, strerror(errno));
		return false;
	}
	FILE *in = fmemopen(text, len, "r");
	invariant(in);
	parser->filename = strdup(path); /* it is freed with the parser */
	bool ok = cfg_parse_fp(parser, in) == CFG_SUCCESS;
	if (ok && !cfg_getstr(parser, END_MARK)) {
		complain(path, parser->line, "*/ is expected before the end of the file");
		ok = false;
	}
	fclose(in);
	free(text);
	return ok;
}

bool config_read(const char *path, struct config *out)
{
	*out = (struct config){0};
	out->parsed = make_parser();
	return parse(path, out->parsed) && read_section(path, out->parsed, NULL, out) && read_listens(path, out) &&
	       read_auths(path, out) && read_converts(path, out) && fill_in(path, out);
}

void config_finish(struct config *c)
{
	free(c->listens);
	free(c->auths);
	free(c->converts);
	free(c->made);
	if (c->parsed)
		cfg_free(c->parsed);
	*c = (struct config){0};
}
