#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LINE_LIMIT = 16384, VALUE_MAX = 1000 };

static bool is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return text.len > 0;
}

static void add_value(struct buf *out, struct span text)
{
	bool cut = text.len > VALUE_MAX;
	if (cut)
		text.len = VALUE_MAX;
	if (is_plain(text) && !cut) {
		buf_add_span(out, text);
		return;
	}
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c < ' ' || c >= 0x7f) {
			buf_printf(out, "\\x%02x", c);
			continue;
		}
		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, (char)c);
	}
	buf_add_text(out, cut ? "...\"" : "\"");
}

static const char *const level_names[] = {[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static const int priorities[] = {[LOG_ERROR] = 3, [LOG_WARNING] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7}; /* RFC 5424 6.2.1 */

static void add_field(struct buf *out, const struct log_field *f)
{
	if (f->is_number)
		buf_printf(out, "%lld", (long long)f->number);
	else
		add_value(out, f->text);
}

void log_format(struct buf *out, enum log_level level, const char *event, const struct log_field *fields)
{
	buf_printf(out, "level=%s event=%s", level_names[level], event);
	for (const struct log_field *f = fields; f->key; f++) {
		buf_printf(out, " %s=", f->key);
		add_field(out, f);
	}
	buf_add_char(out, '\n');
}

/* systemd's "Native Journal Protocol": a field a line.  Values are as in the line, so none has a line end. */
void log_format_journal(struct buf *out, enum log_level level, const char *event, const struct log_field *fields)
{
	buf_printf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=roost\nROOST_EVENT=%s\nMESSAGE=", priorities[level], event);
	log_format(out, level, event, fields);
	for (const struct log_field *f = fields; f->key; f++) {
		buf_add_text(out, "ROOST_");
		for (const char *at = f->key; *at; at++)
			buf_add_char(out, (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at));
		buf_add_char(out, '=');
		add_field(out, f);
		buf_add_char(out, '\n');
	}
}

enum target { TO_STDERR, TO_JOURNAL, TO_SYSLOG, TO_FILE };

struct log {
	atomic_int level;
	enum target target;
	int fd;
	bool prefixed; /* standard error is the journal's */
};

/* The process has one log, as it has one standard error: everybody may write to it, and nobody hands it on. */
static struct log *the_log(void)
{
	static struct log log = {LOG_INFO, TO_STDERR, STDERR_FILENO, false};
	return &log;
}

static int connect_datagram(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Its value is DEVICE:INODE of the stream that the journal reads (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

bool log_open(const char *target)
{
	struct log *log = the_log();
	enum target to = strcmp(target, "stderr") == 0 ? TO_STDERR :
			 strcmp(target, "journal") == 0 ? TO_JOURNAL :
			 strcmp(target, "syslog") == 0 ? TO_SYSLOG : TO_FILE;
	if (to == TO_STDERR) {
		bool is_journal = stderr_is_journal();
		if (log->prefixed != is_journal) /* other threads may read it: written at the first time only */
			log->prefixed = is_journal;
		return true;
	}
	int fd = to == TO_FILE ? open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640)
			       : connect_datagram(to == TO_JOURNAL ? "/run/systemd/journal/socket" : "/dev/log");
	if (fd < 0)
		return false;
	if (log->target == TO_STDERR) {
		log->fd = fd;
		log->target = to;
		return true;
	}
	/* Other threads write meanwhile: the number stays, and changes its meaning at once. */
	bool ok = dup3(fd, log->fd, O_CLOEXEC) >= 0;
	close(fd);
	return ok;
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&the_log()->level, (int)level, memory_order_relaxed);
}

bool log_has_level(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&the_log()->level, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < countof(level_names); i++) {
		*out = (enum log_level)i;
		if (strcmp(text, level_names[i]) == 0)
			return true;
	}
	return false;
}

static void add_time(struct buf *line)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(line, "time=%s.%03ldZ ", stamp, now.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	enum { FACILITY_MAIL = 2 }; /* RFC 5424 6.2.1 */
	const struct log *log = the_log();
	struct buf line;
	if (!log_has_level(level))
		return;
	buf_init(&line, LINE_LIMIT);
	if (log->target == TO_JOURNAL) {
		log_format_journal(&line, level, event, fields);
	} else {
		if (log->target == TO_SYSLOG)
			buf_printf(&line, "<%d>roost[%d]: ", FACILITY_MAIL * 8 + priorities[level], (int)getpid());
		else if (log->prefixed)
			buf_printf(&line, "<%d>", priorities[level]);
		add_time(&line);
		log_format(&line, level, event, fields);
	}
	/* One write, so that lines of several threads do not mix; when it fails nobody can be told. */
	ssize_t did = write(log->fd, line.data, line.len);
	(void)did;
	buf_finish(&line);
}
