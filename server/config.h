/*
 * The configuration: one file, and one table of what may stand in it (config_table.c), from which it is read and
 * checked, and from which config.example and the options of roost.conf(5) are written.
 *
 * Nothing is half-configured: an unknown option or section, a value out of range, a section without what it needs is
 * reported with file and line and what was expected, and nothing starts.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "protocol/buf.h"
#include "server/networks.h"

enum protocol { PROTOCOL_IMAP, PROTOCOL_IMAPS, PROTOCOL_LMTP, PROTOCOL_ADMIN /* not in a listen section */ };
enum fsync_rule { FSYNC_MESSAGES, FSYNC_ALWAYS /* changes of flags too */ };

struct listen_config {
	enum protocol protocol;
	const char *address; /* IPv4 or IPv6; looked at when path is NULL */
	int port;
	const char *path; /* a unix socket, or NULL */
	bool cleartext_login;
	bool literal_minus; /* LITERAL- in place of LITERAL+ (RFC 7888 5) */
	const char *capabilities_off; /* names, separated by single spaces */
	bool seven_bit_headers; /* RFC 9755 4 */
	const char *client_authorities; /* a PEM file: clients are asked for a certificate of one of them; "": they are not */
	const char *client_revocations; /* a file with their lists of revoked ones (server/revocations.h); "": there is none */
	const char *default_domain;     /* of users who log in without one; "": that of the configuration */
	const char *proxy_networks;     /* who speaks the PROXY protocol here, and nobody else may come; "": clients come */
	struct networks proxies;        /* the same, parsed */
};

/* What verifies the passwords of a domain's users. */
enum auth_backend {
	AUTH_BACKEND_DIRECTORY, /* the store's own */
	AUTH_BACKEND_SASLAUTHD, /* PAM, LDAP and so on, behind a socket */
	AUTH_BACKEND_SQL,       /* these two are plugins of libsasl2 */
	AUTH_BACKEND_LDAPDB
};

struct auth_config {
	const char *who; /* a domain; "": every other */
	enum auth_backend backend;
	const char *socket; /* of saslauthd */
};

/* What makes text of a kind of attachments (server/converter.h). */
struct convert_config {
	const char *type, *suffix, *command;
	int seconds;
};

struct config {
	const char *store, *hostname, *admin_socket, *admin_contact, *comment;
	const char *certificates; /* a directory; NULL: no TLS */
	const char *default_domain; /* of users who log in without one; "": there is none */
	int loops, workers; /* at least 1: 0 in the file was replaced */
	int auth_threads, auth_queue_max;
	enum fsync_rule fsync;
	int retention_days, trash_days, junk_days, removed_days;
	long quota_storage, quota_messages, quota_mailboxes; /* 0: none */
	bool quota_refuse;
	const char *quota_warnings, *quota_command; /* "": none */
	bool fulltext;
	long message_bytes_max;
	const char *junk_header;
	int duplicates_s; /* 0: they are delivered */
	int progress_s; /* 0: never */
	int password_cost, scram_iterations;
	const char *log, *metrics;
	bool metrics_domains;
	int log_level; /* enum log_level */
	int user_sessions_max;
	const char *trusted_networks;
	struct networks trusted; /* the same, parsed */
	int login_hold_failures, login_hold_s;
	int login_delay_ms, login_failures_max;
	int idle_pulse_s; /* 0: never */
	int background_yield_at; /* lanes that wait for a worker; 0: never */
	struct listen_config *listens;
	size_t listens_n;
	const char *sasl_config; /* a file of libsasl2's options; "": there is none */
	struct auth_config *auths;
	size_t auths_n;
	struct convert_config *converts;
	size_t converts_n;
	struct cfg_t *parsed; /* owns the strings of the file */
	char *made;           /* and this those that were made up */
};

/* Reads `path`.  What is wrong is printed, and false returned; config_finish() is due in both cases. */
MUST_USE bool config_read(const char *path, struct config *out);
void config_finish(struct config *c);

/* Who verifies the passwords of that domain; NULL: the store's own directory. */
const struct auth_config *config_auth(const struct config *c, const char *domain);
bool config_uses_backend(const struct config *c, enum auth_backend backend);

enum option_type { OPTION_TEXT, OPTION_INT, OPTION_LONG, OPTION_BOOL, OPTION_CHOICE };

/* One row of the table. */
struct option {
	const char *section; /* NULL: outside any */
	const char *name;
	enum option_type type;
	size_t offset;            /* into struct config, or into that of its section */
	const char *standard;     /* as in the file; NULL: it must be given, "" text: see help */
	long min, max;            /* of numbers */
	const char *const *words; /* of a choice, by value; NULL ends them */
	const char *help;         /* a sentence or two, without line ends */
};

extern const struct option config_options[];
extern const size_t config_options_n;

/* What a value of this option looks like: "a number from 1 to 11". */
void option_describe(const struct option *o, struct buf *out);
/* Stores the value that `text` stands for at o->offset in `base`; false: it is none.  OPTION_TEXT keeps the pointer. */
MUST_USE bool option_store(const struct option *o, const char *text, void *base);
/* config.example, and roost.conf(5) in man(7): both whole. */
void config_write_example(struct buf *out);
void config_write_man(struct buf *out);

#endif
