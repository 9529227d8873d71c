#include "server/log.h"

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

void log_format(struct buf *out, enum log_level level, const char *event, const struct log_field *fields)
{
	static const char *const levels[] = {[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info"};
	buf_printf(out, "level=%s event=%s", levels[level], event);
	for (const struct log_field *f = fields; f->key; f++) {
		buf_printf(out, " %s=", f->key);
		if (f->is_number)
			buf_printf(out, "%lld", (long long)f->number);
		else
			add_value(out, f->text);
	}
	buf_add_char(out, '\n');
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];
	struct buf line;
	buf_init(&line, LINE_LIMIT);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(&line, "time=%s.%03ldZ ", stamp, now.tv_nsec / 1000000);
	log_format(&line, level, event, fields);
	/* One write, so that lines of several threads do not mix; when standard error is gone nobody can be told. */
	ssize_t did = write(STDERR_FILENO, line.data, line.len);
	(void)did;
	buf_finish(&line);
}
