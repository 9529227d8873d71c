#include "protocol/lmtp/trace.h"

#include <time.h>

void trace_write_recipient(struct buf *out, struct span sender, struct span recipient)
{
	buf_add_text(out, "Return-Path: <");
	buf_add_span(out, sender);
	buf_add_text(out, ">\r\nDelivered-To: ");
	buf_add_span(out, recipient);
	buf_add_text(out, "\r\n");
}

void trace_write_date(struct buf *out, int64_t unix_s)
{
	/* strftime() would write the names of the locale. */
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = {.tm_mday = 1};
	time_t t = (time_t)unix_s;
	gmtime_r(&t, &tm);
	buf_printf(out, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3,
		   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void trace_write_received(struct buf *out, const struct trace_received *r)
{
	buf_add_text(out, "Received: from ");
	buf_add_span(out, r->domain);
	buf_printf(out, r->peer ? " ([%s])\r\n" : " (%s)\r\n", r->peer ? r->peer : "local");
	buf_printf(out, "\tby %s with %s id %llx;\r\n\t", r->host, r->is_utf8 ? "UTF8LMTP" : "LMTP", (unsigned long long)r->id);
	trace_write_date(out, r->unix_s);
	buf_add_text(out, "\r\n");
}

static const char name[TRACE_HELD_MAX + 1] = "return-path:";

static void release(struct trace_filter *f, struct buf *out)
{
	buf_add(out, f->held, f->held_n);
	f->held_n = 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The beginning of a line. */
static void step_name(struct trace_filter *f, char c, struct buf *out)
{
	if (f->held_n == 0 && f->dropped && (c == ' ' || c == '\t')) {
		f->state = TRACE_DROP;
		return;
	}
	f->dropped = false;
	f->held[f->held_n++] = c;
	if (f->held_n == 1 && c == '\r')
		return; /* perhaps the empty line */
	if (c == '\n' && (f->held_n == 1 || (f->held_n == 2 && f->held[0] == '\r'))) {
		f->state = TRACE_BODY; /* the empty line */
		release(f, out);
	} else if (c == '\n') {
		release(f, out);
	} else if (f->held_n == TRACE_HELD_MAX && lower(c) == ':') {
		f->held_n = 0;
		f->state = TRACE_DROP;
	} else if (lower(c) != name[f->held_n - 1] || f->held[0] == '\r') {
		f->state = TRACE_KEEP;
		release(f, out);
	}
}

struct span trace_filter_feed(struct trace_filter *f, struct span in, struct buf *scratch)
{
	if (f->state == TRACE_BODY)
		return in;
	buf_reset(scratch);
	size_t at = 0;
	for (; at < in.len && f->state != TRACE_BODY; at++) {
		char c = in.ptr[at];
		if (f->state == TRACE_NAME) {
			step_name(f, c, scratch);
			continue;
		}
		if (f->state == TRACE_KEEP)
			buf_add_char(scratch, c);
		if (c == '\n') {
			f->dropped = f->state == TRACE_DROP;
			f->state = TRACE_NAME;
		}
	}
	buf_add_span(scratch, span_after(in, at));
	return buf_span(scratch);
}

struct span trace_filter_end(struct trace_filter *f)
{
	size_t n = f->held_n;
	f->held_n = 0;
	return span_make(f->held, n);
}
