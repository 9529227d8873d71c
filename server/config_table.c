/* Every option there is: a row here is an option that is read, checked, documented and tested. */
#include "server/config.h"

#include "server/log.h"
#include "server/password.h"

#include <errno.h>
#include <limits.h>

static const char *const protocols[] = {[PROTOCOL_IMAP] = "imap", [PROTOCOL_IMAPS] = "imaps", [PROTOCOL_LMTP] = "lmtp", NULL};
static const char *const truths[] = {"false", "true", NULL};
static const char *const log_levels[] = {[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL};
static const char *const fsyncs[] = {[FSYNC_MESSAGES] = "messages", [FSYNC_ALWAYS] = "always", NULL};

static const char *const backends[] = {[AUTH_BACKEND_DIRECTORY] = "directory", [AUTH_BACKEND_SASLAUTHD] = "saslauthd",
				       [AUTH_BACKEND_SQL] = "sql", [AUTH_BACKEND_LDAPDB] = "ldapdb", NULL};

#define IN(field) offsetof(struct config, field)
#define IN_LISTEN(field) offsetof(struct listen_config, field)
#define IN_CONVERT(field) offsetof(struct convert_config, field)
#define IN_AUTH(field) offsetof(struct auth_config, field)

const struct option config_options[] = {
	{NULL, "store", OPTION_TEXT, IN(store), NULL, 0, 0, NULL,
	 "The directory that holds everything: accounts, messages, users. It belongs to the user the daemon runs as."},
	{NULL, "hostname", OPTION_TEXT, IN(hostname), "", 0, 0, NULL,
	 "The name this server gives itself in LMTP and in Received lines. Empty: the machine's own."},
	{NULL, "admin_socket", OPTION_TEXT, IN(admin_socket), "", 0, 0, NULL,
	 "The local socket by which the commands of roost(1) reach the running daemon. Empty: admin.sock in the store."},
	{NULL, "admin_contact", OPTION_TEXT, IN(admin_contact), "", 0, 0, NULL,
	 "A URI, like mailto:postmaster@example.org, by which users reach whoever runs this server: clients can show it "
	 "(the entry /shared/admin of METADATA). Empty: none."},
	{NULL, "comment", OPTION_TEXT, IN(comment), "", 0, 0, NULL,
	 "A note on this server for its users: clients can show it (/shared/comment of METADATA). Empty: none."},
	{NULL, "certificates", OPTION_TEXT, IN(certificates), "", 0, 0, NULL,
	 "The directory of certificates: PEM files (.pem, .crt, .cer, .cert, .key) in it and in the directories in it, certificate and key in "
	 "one file or in two. The names in a certificate are those it is shown for; who asks for another name, or for none, is shown the one "
	 "for hostname, or else the first. What is put there is noticed at once. Empty: no TLS."},
	{NULL, "default_domain", OPTION_TEXT, IN(default_domain), "", 0, 0, NULL,
	 "The domain of users who log in with the part of their address before the @ alone. Empty: there is none, and they cannot."},
	{NULL, "loops", OPTION_INT, IN(loops), "0", 0, 64, NULL, "Threads that serve connections. 0: one a core."},
	{NULL, "workers", OPTION_INT, IN(workers), "0", 0, 1024, NULL,
	 "Threads that work on accounts; most of them wait for the disk. 0: four a core and sixteen."},
	{NULL, "auth_threads", OPTION_INT, IN(auth_threads), "0", 0, 64, NULL,
	 "Threads that check passwords, the only place where that takes time. 0: one a core."},
	{NULL, "auth_queue_max", OPTION_INT, IN(auth_queue_max), "1000", 1, 100000, NULL,
	 "Logins that may wait for such a thread; those beyond are told to try again later."},
	{NULL, "fsync", OPTION_CHOICE, IN(fsync), "messages", 0, 0, fsyncs,
	 "What is on disk before it is acknowledged: messages, or always: changes of flags too. Without it those survive a "
	 "crash of the daemon, and may be lost with the power."},
	{NULL, "retention_days", OPTION_INT, IN(retention_days), "7", 0, 3650, NULL,
	 "How long what was expunged stays on disk, and what happened is remembered: for devices that come back, and for "
	 "undoing mistakes."},
	{NULL, "trash_days", OPTION_INT, IN(trash_days), "0", 0, 36500, NULL,
	 "How many days messages stay in the mailbox for deleted ones (\\Trash) before they are expunged, after which "
	 "retention_days go on. 0: for good."},
	{NULL, "junk_days", OPTION_INT, IN(junk_days), "0", 0, 36500, NULL, "The same for unwanted mail (\\Junk)."},
	{NULL, "removed_days", OPTION_INT, IN(removed_days), "30", 0, 3650, NULL,
	 "How many days a user who was removed can be had back with all mail, which is then deleted for good. 0: until roost user "
	 "remove --now."},
	{NULL, "fulltext", OPTION_BOOL, IN(fulltext), "true", 0, 0, NULL,
	 "Keep a full-text index of each account, for searches in the text of messages. It takes about a third of the text's size "
	 "on disk, is filled in the background after mail has come in, and needs no backup. Without it such searches read each "
	 "message."},
	{NULL, "quota_storage", OPTION_LONG, IN(quota_storage), "0", 0, LONG_MAX, NULL,
	 "How much mail a user may have, in bytes: each message as large as it came, each copy anew, what was expunged no more. What "
	 "is there stays when this is made less. 0: any. For a domain or a user: roost domain set, roost quota set."},
	{NULL, "quota_messages", OPTION_LONG, IN(quota_messages), "0", 0, LONG_MAX, NULL, "How many messages a user may have. 0: any."},
	{NULL, "quota_mailboxes", OPTION_LONG, IN(quota_mailboxes), "0", 0, LONG_MAX, NULL,
	 "How many mailboxes a user may have. 0: as many as anybody, 10,000."},
	{NULL, "quota_refuse", OPTION_BOOL, IN(quota_refuse), "false", 0, 0, NULL,
	 "Mail to somebody who has all that is allowed goes back to its sender (552 5.2.2). Otherwise the mail server in front tries "
	 "again for some days (452 4.2.2)."},
	{NULL, "quota_warnings", OPTION_TEXT, IN(quota_warnings), "", 0, 0, NULL,
	 "Percentages of a user's quota, like 80 95, ascending: whoever comes to have so much storage, or so many messages, is told once, by a message "
	 "in INBOX or as quota_command has it; and again when it was less in between. Empty: nobody is told."},
	{NULL, "quota_command", OPTION_TEXT, IN(quota_command), "", 0, 0, NULL,
	 "The path of a program that is run in place of the message, with the address, the percentage, storage or messages, what there is and what "
	 "is allowed (in bytes, or messages) as its arguments. It has a minute. Empty: the message."},
	{NULL, "message_bytes_max", OPTION_LONG, IN(message_bytes_max), "268435456", 1024, 2147483647, NULL,
	 "The largest message that is taken in, in bytes."},
	{NULL, "junk_header", OPTION_TEXT, IN(junk_header), "X-Spam-Flag: YES", 0, 0, NULL,
	 "Header fields by which a spam filter marks unwanted mail, separated by commas: a message that has one of them, with a "
	 "value that begins so, is delivered into \\Junk. Empty: all goes into INBOX."},
	{NULL, "duplicates_s", OPTION_INT, IN(duplicates_s), "0", 0, 604800, NULL,
	 "A message that comes again byte for byte for the same user within so many seconds, as after a connection that broke "
	 "before it was acknowledged, is taken and not delivered twice. 0: it is."},
	{NULL, "progress_s", OPTION_INT, IN(progress_s), "10", 0, 60, NULL,
	 "A client whose command takes long is told every so many seconds how far it is (INPROGRESS). 0: never."},
	{NULL, "password_cost", OPTION_INT, IN(password_cost), "5", 1, 11, NULL,
	 "How much work the stored hash of a password is (yescrypt): 1 is about a millisecond, each step doubles it. It holds "
	 "for passwords set from then on."},
	{NULL, "scram_iterations", OPTION_INT, IN(scram_iterations), "10000", SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX, NULL,
	 "The same for the secrets of SCRAM; the client does this work at every login."},
	{NULL, "sasl_config", OPTION_TEXT, IN(sasl_config), "", 0, 0, NULL,
	 "A file of libsasl2's, NAME.conf, with the options of its plugins sql and ldapdb: sql_engine: sqlite3 and so on, one a line. "
	 "Empty: none."},
	{NULL, "log", OPTION_TEXT, IN(log), "stderr", 0, 0, NULL,
	 "Where the daemon logs: stderr, syslog, journal (systemd's, with each field by itself), or the path of a file, which is opened "
	 "afresh upon SIGHUP."},
	{NULL, "log_level", OPTION_CHOICE, IN(log_level), "info", 0, 0, log_levels,
	 "What is logged: error; warning: also what was refused; info: also what happened; debug: also each command, without what is in it."},
	{NULL, "metrics", OPTION_TEXT, IN(metrics), "", 0, 0, NULL,
	 "Where metrics are to be had over HTTP, for Prometheus: a loopback address with a port, like 127.0.0.1:9143, or the path of a "
	 "local socket. Empty: nowhere."},
	{NULL, "metrics_domains", OPTION_BOOL, IN(metrics_domains), "false", 0, 0, NULL,
	 "Give out, too, what each domain has and does: sessions, storage, logins, commands and the time they took, bytes, deliveries, and what "
	 "of these failed; a line each where there is some."},
	{NULL, "trusted_networks", OPTION_TEXT, IN(trusted_networks), "127.0.0.0/8 ::1", 0, 0, NULL,
	 "Addresses and networks where one address stands for many people, like webmail's: limits that count by address or by "
	 "user do not hold for them."},
	{NULL, "user_sessions_max", OPTION_INT, IN(user_sessions_max), "100", 1, 65536, NULL,
	 "IMAP sessions of one user at once; the next is told NO [LIMIT]. Those from trusted_networks are not counted."},
	{NULL, "login_delay_ms", OPTION_INT, IN(login_delay_ms), "2000", 0, 60000, NULL,
	 "How long the answer to a failed login waits; it doubles with each on the same connection, three times."},
	{NULL, "login_failures_max", OPTION_INT, IN(login_failures_max), "5", 1, 1000, NULL,
	 "After so many failed logins the connection is closed."},
	{NULL, "login_hold_failures", OPTION_INT, IN(login_hold_failures), "10", 1, 1000000, NULL,
	 "After so many failed logins of one user from one address (three times as many of a user from everywhere, or of an "
	 "address for everybody) such logins are refused without a look at the password. An address that the user has logged in "
	 "from within 30 days is refused for its own failures only; trusted_networks are not counted."},
	{NULL, "login_hold_s", OPTION_INT, IN(login_hold_s), "600", 0, 86400, NULL,
	 "For how many seconds after the last failure. 0: nobody is refused."},
	{NULL, "background_yield_at", OPTION_INT, IN(background_yield_at), "0", 0, 1000000, NULL,
	 "While the work of so many accounts waits for a worker thread, clients that say in ID that they only fill in or index "
	 "(the field event: back-fill or indexer) are told NO [UNAVAILABLE], and come back later. 0: never."},
	{NULL, "idle_pulse_s", OPTION_INT, IN(idle_pulse_s), "120", 0, 1740, NULL,
	 "A client in IDLE that has heard nothing for so many seconds is told \"Still here\", which keeps its way open through "
	 "routers that forget; for each client up to a quarter less, so that not all are told at once. 0: never."},

	{"listen", "protocol", OPTION_CHOICE, IN_LISTEN(protocol), "imap", 0, 0, protocols,
	 "imap: with STARTTLS where there is a certificate; imaps: TLS from the first byte; lmtp: takes mail in, and must "
	 "not be reachable by strangers."},
	{"listen", "address", OPTION_TEXT, IN_LISTEN(address), "127.0.0.1", 0, 0, NULL,
	 "The address to listen on, IPv4 or IPv6; 0.0.0.0 and :: are all of the machine's."},
	{"listen", "port", OPTION_INT, IN_LISTEN(port), "0", 0, 65535, NULL, "0: the protocol's own, 143, 993 or 24."},
	{"listen", "path", OPTION_TEXT, IN_LISTEN(path), "", 0, 0, NULL, 
	 "A local socket instead of an address and a port. Everybody who can enter its directory may connect."},
	{"listen", "cleartext_login", OPTION_BOOL, IN_LISTEN(cleartext_login), "false", 0, 0, NULL,
	 "Let clients log in without TLS. For loopback, and for links that are protected by other means."},
	{"listen", "literal_minus", OPTION_BOOL, IN_LISTEN(literal_minus), "false", 0, 0, NULL,
	 "Take only small literals, of up to 4096 bytes, from clients that do not wait until they are asked for them: LITERAL- "
	 "in place of LITERAL+. Then a client hears that it may not upload something large before it does."},
	{"listen", "seven_bit_headers", OPTION_BOOL, IN_LISTEN(seven_bit_headers), "false", 0, 0, NULL,
	 "Refuse messages with 8-bit octets in their header from clients that have not enabled UTF8=ACCEPT or IMAP4rev2, as RFC "
	 "9755 has it. Much old mail has such octets, and could then not be brought in."},
	{"listen", "capabilities_off", OPTION_TEXT, IN_LISTEN(capabilities_off), "", 0, 0, NULL,
	 "Capabilities that are not offered here, separated by single spaces, like UIDONLY QRESYNC: they are not listed, "
	 "ENABLE does not know them, and COMPRESS and UNAUTHENTICATE are refused. For some users only: roost user set, roost domain set, roost password add."},

	{"listen", "default_domain", OPTION_TEXT, IN_LISTEN(default_domain), "", 0, 0, NULL,
	 "The same for who comes in here. Empty: as outside the section."},
	{"listen", "client_authorities", OPTION_TEXT, IN_LISTEN(client_authorities), "", 0, 0, NULL,
	 "A PEM file with certificates of authorities: clients may show a certificate of one of them, and log in by it "
	 "(AUTHENTICATE EXTERNAL) as the user whose address is in it. Empty: they are not asked for one."},

	{"listen", "client_revocations", OPTION_TEXT, IN_LISTEN(client_revocations), "", 0, 0, NULL,
	 "A file with the lists of certificates that those authorities have taken back (CRLs, PEM or one as DER): such a certificate "
	 "is none. It is read again at a reload, and every ten minutes. Authorities whose list is past its time vouch for nobody. Empty: "
	 "there is none."},
	{"listen", "proxy_networks", OPTION_TEXT, IN_LISTEN(proxy_networks), "", 0, 0, NULL,
	 "Networks of proxies that say who the client is by the PROXY protocol (version 1 or 2): every connection must come from "
	 "there, and begin so. Empty: clients come here themselves."},

	{"auth", "who", OPTION_TEXT, IN_AUTH(who), "", 0, 0, NULL,
	 "A domain, whose users' passwords are verified so. Empty: every domain that has no section of its own."},
	{"auth", "backend", OPTION_CHOICE, IN_AUTH(backend), "directory", 0, 0, backends,
	 "directory: what roost user passwd has set; saslauthd: its daemon is asked, which knows PAM, LDAP and others; sql and ldapdb: the "
	 "plugins of libsasl2, which fetch the password in clear, and read the file that sasl_config names. Users must have been added with "
	 "roost user add all the same: that gives them their mailboxes. While one domain uses saslauthd, SCRAM is not offered, since it "
	 "needs what saslauthd does not tell."},
	{"auth", "socket", OPTION_TEXT, IN_AUTH(socket), "/run/saslauthd/mux", 0, 0, NULL, "Where saslauthd listens."},

	{"convert", "type", OPTION_TEXT, IN_CONVERT(type), NULL, 0, 0, NULL,
	 "The media type of the attachments, like application/pdf, as the sender's program calls it."},
	{"convert", "suffix", OPTION_TEXT, IN_CONVERT(suffix), "", 0, 0, NULL,
	 "The end of a file name, like .pdf: attachments whose name ends so and that are called nothing better than "
	 "application/octet-stream are converted, too. Empty: those are not."},
	{"convert", "command", OPTION_TEXT, IN_CONVERT(command), NULL, 0, 0, NULL,
	 "The path of a program and its arguments, separated by spaces; no shell sees them. It reads the attachment from standard input, a file, "
	 "and writes its text to standard output, in UTF-8."},
	{"convert", "seconds", OPTION_INT, IN_CONVERT(seconds), "60", 1, 3600, NULL,
	 "How long it may take; then it is killed, and the attachment has no text."},
};
const size_t config_options_n = countof(config_options);

void option_describe(const struct option *o, struct buf *out)
{
	switch (o->type) {
	case OPTION_TEXT:
		buf_add_text(out, "a text");
		break;
	case OPTION_INT: case OPTION_LONG:
		buf_printf(out, "a number from %ld to %ld", o->min, o->max);
		break;
	case OPTION_BOOL:
		buf_add_text(out, "true or false");
		break;
	case OPTION_CHOICE:
		for (size_t i = 0; o->words[i]; i++)
			buf_printf(out, "%s%s", i == 0 ? "" : (o->words[i + 1] ? ", " : " or "), o->words[i]);
		break;
	}
}

static bool read_number(const struct option *o, const char *text, long *out)
{
	char *end;
	errno = 0;
	*out = strtol(text, &end, 10);
	return end != text && !*end && errno == 0 && *out >= o->min && *out <= o->max;
}

static bool read_word(const char *const *words, const char *text, unsigned *out)
{
	for (*out = 0; words[*out]; ++*out)
		if (strcmp(text, words[*out]) == 0)
			return true;
	return false;
}

bool option_store(const struct option *o, const char *text, void *base)
{
	void *at = (char *)base + o->offset;
	long number = 0;
	unsigned word = 0;
	switch (o->type) {
	case OPTION_TEXT:
		*(const char **)at = text;
		return true;
	case OPTION_INT:
		if (!read_number(o, text, &number))
			return false;
		*(int *)at = (int)number;
		return true;
	case OPTION_LONG:
		if (!read_number(o, text, &number))
			return false;
		*(long *)at = number;
		return true;
	case OPTION_BOOL:
		if (!read_word(truths, text, &word))
			return false;
		*(bool *)at = word == 1;
		return true;
	case OPTION_CHOICE:
		if (!read_word(o->words, text, &word))
			return false;
		*(unsigned *)at = word; /* an enum */
		return true;
	}
	return false;
}
