#include "server/limits.h"

#include "protocol/imap/limits.h"
#include "protocol/imap/reader.h"
#include "protocol/mime/limits.h"
#include "server/config.h"
#include "storage/limits.h"

const struct limit limits[] = {
	{"LIMIT_CONNECTIONS", LIMIT_CONNECTIONS, "", "connections at once; lowered at start when the system gives fewer descriptors"},
	{"LIMIT_CONNECTIONS_STRANGERS", LIMIT_CONNECTIONS_STRANGERS, "",
	 "connections that have not logged in: those who cannot must not keep out those who can"},
	{"LIMIT_CONNECTIONS_ADDRESS", LIMIT_CONNECTIONS_ADDRESS, "",
	 "connections from one address (IPv6: one /64); loopback and unix sockets have no such limit"},
	{"LIMIT_BACKLOG", LIMIT_BACKLOG, "", "connections that the kernel keeps until they are accepted"},
	{"LIMIT_LISTENERS", LIMIT_LISTENERS, "", "listen sections of the configuration"},
	{"LIMIT_METRICS_CONNECTIONS", LIMIT_METRICS_CONNECTIONS, "", "connections that ask for metrics at once"},
	{"LIMIT_METRICS_S", LIMIT_METRICS_S, "s", "without a byte on such a connection"},
	{"LIMIT_METRICS_BYTES", LIMIT_METRICS_BYTES, "bytes", "of an answer, which some 15,000 domains fill: error 500 beyond"},
	{"LIMIT_LOOPS", LIMIT_LOOPS, "", "loop threads: a lane remembers in one word which of them watch a mailbox"},
	{"LIMIT_WORKERS", LIMIT_WORKERS, "", "worker threads"},
	{"LIMIT_OUT_HIGH_BYTES", LIMIT_OUT_HIGH_BYTES, "bytes",
	 "output that waits for a client before no more is made; one op's chunk can come on top"},
	{"LIMIT_OUT_LOW_BYTES", LIMIT_OUT_LOW_BYTES, "bytes", "output left when making it is taken up again"},
	{"LIMIT_IN_HIGH_BYTES", LIMIT_IN_HIGH_BYTES, "bytes",
	 "input that waits while a command runs before reading stops"},
	{"LIMIT_IN_BYTES", LIMIT_IN_BYTES, "bytes", "input of one connection in memory, whatever the session does"},
	{"LIMIT_TLS_AHEAD_BYTES", LIMIT_TLS_AHEAD_BYTES, "bytes", "output that is encrypted before the socket takes it"},
	{"LIMIT_DEFLATE_AHEAD_BYTES", LIMIT_DEFLATE_AHEAD_BYTES, "bytes", "output that is compressed before the socket takes it"},
	{"LIMIT_BACKEND_S", LIMIT_BACKEND_S, "s", "that saslauthd has for each step before the login is told to try again later"},
	{"LIMIT_CREDENTIAL_USED_S", LIMIT_CREDENTIAL_USED_S, "s",
	 "between two times that the last use of an app password is written down: a write a login would cost more than it tells"},
	{"LIMIT_ABUSE_COUNTS", LIMIT_ABUSE_COUNTS, "",
	 "of failed logins, by address and user; the least gives way: some 4 MB, however many guess"},
	{"LIMIT_CERTIFICATE_FILES", LIMIT_CERTIFICATE_FILES, "", "files of certificates and keys that are looked at"},
	{"LIMIT_CERTIFICATE_BYTES", LIMIT_CERTIFICATE_BYTES, "bytes", "one of them; larger ones are not read"},
	{"LIMIT_CERTIFICATE_QUIET_MS", LIMIT_CERTIFICATE_QUIET_MS, "ms",
	 "without a change before new ones are read: certificate and key come one after the other"},
	{"LIMIT_CERTIFICATE_WAIT_MS", LIMIT_CERTIFICATE_WAIT_MS, "ms", "from the first change until they are read, however many follow"},
	{"LIMIT_CERTIFICATE_RESCAN_S", LIMIT_CERTIFICATE_RESCAN_S, "s",
	 "between looks at all of them, for changes that nobody tells of"},
	{"LIMIT_CERTIFICATE_WARN_DAYS", LIMIT_CERTIFICATE_WARN_DAYS, "days", "of validity left when it is warned of its end, daily"},
	{"LIMIT_HANDSHAKE_S", LIMIT_HANDSHAKE_S, "s", "a TLS handshake"},
	{"LIMIT_PROXY_S", LIMIT_PROXY_S, "s", "without a byte from a proxy that has not said yet who the client is"},
	{"LIMIT_STRANGER_IDLE_S", LIMIT_STRANGER_IDLE_S, "s", "without a byte from a client that has not logged in"},
	{"LIMIT_STRANGER_S", LIMIT_STRANGER_S, "s", "from connecting to being logged in"},
	{"LIMIT_IDLE_S", LIMIT_IDLE_S, "s",
	 "without a byte from a client that has logged in: 30 minutes at least (RFC 9051 5.4)"},
	{"LIMIT_LMTP_IDLE_S", LIMIT_LMTP_IDLE_S, "s",
	 "without a byte from an LMTP client: 5 minutes at least (RFC 5321 4.5.3.2.7)"},
	{"LIMIT_PULSE_SPREAD", LIMIT_PULSE_SPREAD, "",
	 "each idling session shortens `idle_pulse_s` by its own share of one part in so many, so that those who came together are not spoken to together"},
	{"LIMIT_PROBE_S", LIMIT_PROBE_S, "s",
	 "without a byte to a client that has ended its side while a command of it runs, before it is seen whether it is there"},
	{"LIMIT_DEFLATE_REST_S", LIMIT_DEFLATE_REST_S, "s",
	 "without a byte either way before the memory of a connection's compression is given back"},
	{"LIMIT_STALLED_S", LIMIT_STALLED_S, "s", "without a byte taken by a client that has output waiting"},
	{"LIMIT_ENDING_S", LIMIT_ENDING_S, "s", "the same once the server is ending the connection"},
	{"LIMIT_LINGER_S", LIMIT_LINGER_S, "s",
	 "reading on after the last words, so that a reset does not destroy them on their way"},
	{"LIMIT_STOP_MS", LIMIT_STOP_MS, "ms", "for the last words to all clients when the server stops"},
	{"LIMIT_ACCOUNTS_OPEN", LIMIT_ACCOUNTS_OPEN, "",
	 "accounts open at once; lowered at start to a quarter of the descriptors the system gives. Beyond it those least recently used are closed"},
	{"LIMIT_ACCOUNTS_BYTES", LIMIT_ACCOUNTS_BYTES, "bytes", "memory of all open accounts: page caches, rosters, sort keys and orders; the same"},
	{"LIMIT_DISK_RESERVE_BYTES", LIMIT_DISK_RESERVE_BYTES, "bytes",
	 "of the store's disk that no mail is put on, so that flags can be set, messages expunged and logs written back when it is full"},
	{"LIMIT_DISK_RESERVE_PART", LIMIT_DISK_RESERVE_PART, "", "of a small disk one part in so many, if that is less"},
	{"LIMIT_DISK_LOOK_MS", LIMIT_DISK_LOOK_MS, "ms", "between looks at what is free on it"},
	{"LIMIT_TURN_US", LIMIT_TURN_US, "us", "of a worker for one account before the next account has its turn"},
	{"LIMIT_AFTERMATH_US", LIMIT_AFTERMATH_US, "us", "after a client's op before background work of its account goes on: those who hear of it come first"},
	{"LIMIT_BACKGROUND_WAIT_US", LIMIT_BACKGROUND_WAIT_US, "us", "that background work of an account waits so, at most"},
	{"LIMIT_TRANSACTION_US", LIMIT_TRANSACTION_US, "us",
	 "that a transaction collects writes while more of them wait: longer saves few commits and makes the first wait"},
	{"LIMIT_BAD_COMMANDS", LIMIT_BAD_COMMANDS, "", "commands in a row that are answered BAD before the session ends"},
	{"LIMIT_SESSION_TURNS", LIMIT_SESSION_TURNS, "",
	 "steps of one session before the loop's others have theirs: pipelining is not a privilege"},
	{"LIMIT_SLICE_BYTES", LIMIT_SLICE_BYTES, "bytes",
	 "output of one slice of FETCH, SEARCH, SORT, THREAD or LIST: half of what may wait, so that one chunk leaves while the next is made"},
	{"LIMIT_SLICE_US", LIMIT_SLICE_US, "us", "of a worker for one slice of FETCH, SEARCH, SORT, THREAD or LIST"},
	{"LIMIT_QUICK_BYTES", LIMIT_QUICK_BYTES, "bytes",
	 "of what changed in a mailbox that the loop itself tells, when the lane rests: the rest is a worker's"},
	{"LIMIT_QUICK_MESSAGES", LIMIT_QUICK_MESSAGES, "",
	 "messages of a FETCH of flags and sizes that the loop itself answers, when the lane rests"},
	{"LIMIT_BATCH_MESSAGES", LIMIT_BATCH_MESSAGES, "",
	 "that STORE, EXPUNGE or MOVE changes in one transaction; more are changed a piece at a time, with others' commands between"},
	{"LIMIT_JOURNAL_ROWS", LIMIT_JOURNAL_ROWS, "",
	 "of the journal that a conditional STORE reads to see whether it was its own flags that others changed; beyond, it is refused"},
	{"LIMIT_MODIFIED_RANGES", LIMIT_MODIFIED_RANGES, "",
	 "of messages in a MODIFIED: a conditional STORE whose answer would need more leaves out all that is not done yet"},
	{"LIMIT_APPEND_MESSAGES", LIMIT_APPEND_MESSAGES, "", "messages of one APPEND"},
	{"LIMIT_APPEND_CHUNK_BYTES", LIMIT_APPEND_CHUNK_BYTES, "bytes", "octets of a message that go to a worker at once"},
	{"LIMIT_APPEND_UNSTORED_BYTES", LIMIT_APPEND_UNSTORED_BYTES, "bytes",
	 "messages of one APPEND that wait in memory until they are stored"},
	{"LIMIT_APPEND_UNSTORED_MESSAGES", LIMIT_APPEND_UNSTORED_MESSAGES, "",
	 "messages of one APPEND whose parsers live at once: some 25 kB each, however small they are"},
	{"LIMIT_FIELDS_HEADER_BYTES", LIMIT_FIELDS_HEADER_BYTES, "bytes",
	 "of a part's header, or of a huge one, that HEADER.FIELDS and SEARCH look at"},
	{"LIMIT_SAVED_RANGES", LIMIT_SAVED_RANGES, "",
	 "of UIDs that a SEARCH saves: 256 KiB a session; `NO [NOTSAVED]` beyond"},
	{"LIMIT_SEARCH_FILTER_BYTES", LIMIT_SEARCH_FILTER_BYTES, "bytes",
	 "of what the full-text index answers, a bit a content and string; further strings are looked for in the messages"},
	{"LIMIT_INDEX_SLICE_US", LIMIT_INDEX_SLICE_US, "us",
	 "of a worker for one slice of filling the full-text index: half a slice, since one piece of a merge may take as long "
	 "again"},
	{"LIMIT_CONVERT_BYTES", LIMIT_CONVERT_BYTES, "bytes",
	 "of an attachment, as it is encoded, that is given to a converter; larger ones have no text"},
	{"LIMIT_CONVERT_TEXT_BYTES", LIMIT_CONVERT_TEXT_BYTES, "bytes", "of text of one message's attachments; the rest is left off"},
	{"LIMIT_CONVERT_MEMORY_BYTES", LIMIT_CONVERT_MEMORY_BYTES, "bytes", "of memory for a converter"},
	{"LIMIT_CONVERT_FILES", LIMIT_CONVERT_FILES, "", "descriptors of a converter"},
	{"LIMIT_CONVERT_DOCUMENTS", LIMIT_CONVERT_DOCUMENTS, "", "attachments of one message that are given to a converter"},
	{"LIMIT_KEPT_BYTES", LIMIT_KEPT_BYTES, "bytes",
	 "of an account's orders of SORT (4 bytes a message) and texts of THREAD (some 10) that are kept for who asks next; those "
	 "least recently used go first"},
	{"LIMIT_KEPT_KEY_BYTES", LIMIT_KEPT_KEY_BYTES, "bytes", "of the search program of one that is kept"},
	{"LIMIT_UIDBATCHES_MIN", LIMIT_UIDBATCHES_MIN, "", "messages of a batch at least (RFC 10022 3.1.3.2): `NO [TOOFEW]`"},
	{"LIMIT_UIDBATCHES_ROUNDS", LIMIT_UIDBATCHES_ROUNDS, "",
	 "times that a mailbox is told in batches while few of its messages come or go (RFC 10022 3.1.1): `NO [LIMIT]`"},
	{"LIMIT_NOTIFY_NAMES", LIMIT_NOTIFY_NAMES, "", "groups and names of one NOTIFY: NO [NOTIFICATIONOVERFLOW]"},
	{"LIMIT_NOTIFY_CHANGES", LIMIT_NOTIFY_CHANGES, "",
	 "mailboxes and names of which one chunk of notifications tells; one operation that changes more ends them, with NOTIFICATIONOVERFLOW"},
	{"LIMIT_LMTP_LINE_BYTES", LIMIT_LMTP_LINE_BYTES, "bytes",
	 "a command of LMTP: 512 and what extensions add (RFC 5321 4.5.3.1.4); the rest of the line is discarded: 500"},
	{"LIMIT_LMTP_PATH_BYTES", LIMIT_LMTP_PATH_BYTES, "bytes", "a path: 256 at least (RFC 5321 4.5.3.1.3): 501"},
	{"LIMIT_LMTP_ERRORS", LIMIT_LMTP_ERRORS, "", "answers 5xx of one connection, unknown users not counted, before 421"},
	{"LIMIT_LMTP_TURNS", LIMIT_LMTP_TURNS, "", "steps of one connection before the loop's others have theirs"},
	{"LIMIT_LMTP_RECIPIENTS", LIMIT_LMTP_RECIPIENTS, "", "of one message: 100 at least (RFC 5321 4.5.3.1.8): 452"},
	{"LIMIT_LMTP_COPIES", LIMIT_LMTP_COPIES, "",
	 "recipients of one message that are delivered to at once: each has a writer of up to 300 KiB"},
	{"LIMIT_LMTP_CHUNK_BYTES", LIMIT_LMTP_CHUNK_BYTES, "bytes", "octets of a message that go to a worker at once"},
	{"LIMIT_LMTP_MEMORY_BYTES", LIMIT_LMTP_MEMORY_BYTES, "bytes",
	 "of a message that is kept in memory, and delivered in one op; a longer one goes to a file without a name"},
};
const size_t limits_n = countof(limits);

static void write_reader_limits(struct buf *out)
{
	const struct reader_limits *before = &reader_limits_before_login, *after = &reader_limits_after_login;
	const struct {
		const char *name;
		size_t before, after;
		const char *reason;
	} rows[] = {
		{"line_bytes", before->line_bytes, after->line_bytes,
		 "a command without its literals: 8192 at least (RFC 7162 4); the rest of the line is discarded: BAD"},
		{"literal_bytes", before->literal_bytes, after->literal_bytes,
		 "a literal that becomes part of a command (those of APPEND are streamed): BAD"},
		{"literals_bytes", before->literals_bytes, after->literals_bytes, "all literals of a command: BAD"},
		{"literals", before->literals, after->literals, "how many literals a command has: BAD"},
		{"answer_bytes", before->answer_bytes, after->answer_bytes, "a line in AUTHENTICATE or IDLE: BAD"},
	};
	buf_add_text(out, "\n## The text of a command\n\n"
			  "From `protocol/imap/reader.c`. What is beyond is answered, and the session goes on.\n\n"
			  "| limit | before login | after login | what it bounds, and the answer |\n"
			  "| --- | --: | --: | --- |\n");
	for (size_t i = 0; i < countof(rows); i++)
		buf_printf(out, "| `%s` | %zu | %zu | %s |\n", rows[i].name, rows[i].before, rows[i].after, rows[i].reason);
}

static void write_parse_limits(struct buf *out)
{
	buf_add_text(out, "\n## The parts of a command\n\n"
			  "From `protocol/imap/limits.c`. The answer is `NO [LIMIT]` with the text below (for a tag, which is then\n"
			  "not read, an untagged `BAD`), and the session goes on.\n\n"
			  "| limit | value | answer | reason |\n| --- | --: | --- | --- |\n");
	for (size_t i = LIMIT_NONE + 1; i < PARSE_LIMITS; i++)
		buf_printf(out, "| `%s` | %u | %s | %s |\n", parse_limits[i].name, parse_limits[i].max,
			   parse_limits[i].message, parse_limits[i].reason);
}

static void write_mime_limits(struct buf *out)
{
	buf_add_text(out, "\n## The description of a message\n\n"
			  "From `protocol/mime/limits.c`. No message is refused for these, and all of it is stored and sent: what\n"
			  "is beyond them is not described.\n\n"
			  "| limit | value | unit | what it bounds, and what becomes of the rest |\n| --- | --: | --- | --- |\n");
	for (size_t i = 0; i < mime_limits_n; i++)
		buf_printf(out, "| `%s` | %u | %s | %s |\n", mime_limits[i].name, mime_limits[i].max, mime_limits[i].unit,
			   mime_limits[i].reason);
}

static void write_store_limits(struct buf *out)
{
	buf_add_text(out, "\n## What one account may hold\n\n"
			  "From `storage/limits.c`. The answer is `NO [LIMIT]`, and nothing was changed.\n\n"
			  "| limit | value | what it bounds, and why |\n| --- | --: | --- |\n");
	for (size_t i = 0; i < store_limits_n; i++)
		buf_printf(out, "| `%s` | %u | %s |\n", store_limits[i].name, store_limits[i].value,
			   store_limits[i].reason);
}

/* Of the configuration's options those that bound what clients may. */
static void write_options(struct buf *out)
{
	static const char *const names[] = {"user_sessions_max", "message_bytes_max", "login_failures_max", "login_hold_failures",
					    "login_hold_s", "auth_queue_max"};
	buf_add_text(out, "\n## What the configuration sets\n\n"
			  "From `server/config_table.c`; roost.conf(5) has more of each.\n\n"
			  "| option | standard | from | to | what it says |\n| --- | --: | --: | --: | --- |\n");
	for (size_t i = 0; i < countof(names); i++)
		for (size_t k = 0; k < config_options_n; k++) {
			const struct option *o = &config_options[k];
			if (!o->section && strcmp(o->name, names[i]) == 0)
				buf_printf(out, "| `%s` | %s | %ld | %ld | %s |\n", o->name, o->standard, o->min, o->max, o->help);
		}
}

void limits_write(struct buf *out)
{
	buf_add_text(out, "# Limits\n\n"
			  "Every size that a client influences has a limit, so that memory is bounded whatever clients do. This page\n"
			  "is made from the tables in the code; a unit test compares them.\n\n"
			  "## Connections and threads\n\n"
			  "From `server/limits.c`.\n\n"
			  "| limit | value | unit | what it bounds, and why |\n| --- | --: | --- | --- |\n");
	for (size_t i = 0; i < limits_n; i++)
		buf_printf(out, "| `%s` | %llu | %s | %s |\n", limits[i].name, (unsigned long long)limits[i].value,
			   limits[i].unit, limits[i].reason);
	write_options(out);
	write_reader_limits(out);
	write_parse_limits(out);
	write_mime_limits(out);
	write_store_limits(out);
}
