#include "server/mail_write.h"

#include "protocol/imap/date.h"
#include "protocol/imap/mutf7.h"
#include "storage/flagset.h"

enum { PATH_BYTES = 4096, DATA_BYTES = 8 * TRANSFER_DATA_MAX };

struct mbox {
	struct mail_out *out;
	bool in_mailbox, has_message;
	uint32_t uidvalidity, uidnext;
	struct lf_filter filter;
	struct buf lines, data;
	/* The line's beginning, while it may be one of '>'s and "From ". */
	bool at_begin, ends_line;
	size_t quotes, matched;
};

static void *open_mbox(struct mail_out *out)
{
	struct mbox *m = xcalloc(1, sizeof(*m));
	m->out = out;
	buf_init(&m->lines, 2 * TRANSFER_DATA_MAX);
	buf_init(&m->data, DATA_BYTES);
	return m;
}

static void end_mailbox(struct mbox *m)
{
	if (m->in_mailbox)
		mail_out_end(m->out);
	m->in_mailbox = false;
}

static void begin_mailbox(void *format, const struct transfer_mailbox *mailbox)
{
	struct mbox *m = format;
	struct buf path;
	end_mailbox(m);
	buf_init(&path, 32 * 300 + 16);
	for (const char *at = mailbox->name; *at;) {
		size_t len = strcspn(at, "/");
		size_t from = path.len;
		mutf7_encode(span_make(at, len), &path);
		mail_writer_fit(&path, from, mailbox->name);
		if (at[len] == '/') { /* what is below a mailbox is in a directory beside its file */
			buf_add_char(&path, '\0');
			if (!path.failed)
				mail_out_directory(m->out, path.data);
			path.len -= !path.failed;
			buf_add_char(&path, '/');
		}
		at += len + (at[len] == '/');
	}
	buf_add_text(&path, ".mbox");
	buf_add_char(&path, '\0');
	mail_out_begin(m->out, ".draft", path.failed ? "name-too-long.mbox" : path.data, 0);
	buf_finish(&path);
	m->in_mailbox = true;
	m->has_message = false;
	m->uidvalidity = mailbox->uidvalidity;
	m->uidnext = mailbox->uidnext;
}

/* "Sat Jan  3 01:05:34 1996", in UTC. */
static void add_asctime(struct buf *out, int64_t unix_s)
{
	static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	struct buf date; /* "03-Jan-1996 01:05:34 +0000" within quotes */
	buf_init(&date, 64);
	date_time_write(&date, unix_s, 0);
	int64_t day = unix_s / 86400 - (unix_s % 86400 < 0);
	const char *at = date.data;
	buf_printf(out, "%s %.3s %.2s %.8s %.4s", days[((day % 7) + 7) % 7], at + 4, at + 1, at + 13, at + 8);
	buf_finish(&date);
}

static void begin_message(void *format, const struct transfer_message *message, bool *done)
{
	struct mbox *m = format;
	static const struct {
		char letter;
		uint32_t flag;
	} states[] = {{'A', FLAG_ANSWERED}, {'F', FLAG_FLAGGED}, {'T', FLAG_DRAFT}, {'D', FLAG_DELETED}};
	(void)done;
	m->filter = (struct lf_filter){0};
	m->at_begin = true;
	m->quotes = m->matched = 0;
	m->ends_line = true;
	buf_reset(&m->data);
	buf_add_text(&m->data, "From MAILER-DAEMON ");
	add_asctime(&m->data, message->internal_date);
	buf_add_char(&m->data, '\n');
	if (!m->has_message)
		buf_printf(&m->data, "X-IMAPbase: %lu %010lu\n", (unsigned long)m->uidvalidity,
			   (unsigned long)(m->uidnext ? m->uidnext - 1 : 0));
	buf_printf(&m->data, "Status: %sO\nX-Status: ", message->system & FLAG_SEEN ? "R" : "");
	for (size_t i = 0; i < countof(states); i++)
		if (message->system & states[i].flag)
			buf_add_char(&m->data, states[i].letter);
	buf_printf(&m->data, "\nX-Keywords: %s\nX-UID: %lu\n", message->keywords, (unsigned long)message->uid);
	mail_out_write(m->out, buf_span(&m->data));
	m->has_message = true;
}

/* What was held of a line's beginning, as it was. */
static void release(struct mbox *m)
{
	while (m->quotes) {
		buf_add_char(&m->data, '>');
		m->quotes--;
	}
	buf_add(&m->data, "From ", m->matched);
	m->matched = 0;
	m->at_begin = false;
}

/* At a line's beginning: true, the octet is held or written, since it may be one of the line to be quoted. */
static bool hold(struct mbox *m, char c)
{
	if (m->matched == 0 && c == '>' && m->quotes < 1000) {
		m->quotes++;
		return true;
	}
	if (c != "From "[m->matched]) {
		release(m);
		return false;
	}
	if (++m->matched == 5) {
		m->quotes++;
		release(m);
	}
	return true;
}

static void add_lines(struct mbox *m, struct span in)
{
	buf_reset(&m->data);
	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		if (m->at_begin && hold(m, c)) {
			m->ends_line = false;
			continue;
		}
		buf_add_char(&m->data, c);
		m->ends_line = m->at_begin = c == '\n';
	}
	mail_out_write(m->out, buf_span(&m->data));
}

static void take_data(void *format, struct span bytes)
{
	struct mbox *m = format;
	lf_filter_feed(&m->filter, bytes, &m->lines);
	add_lines(m, buf_span(&m->lines));
}

static void end_message(void *format)
{
	struct mbox *m = format;
	lf_filter_end(&m->filter, &m->lines);
	add_lines(m, buf_span(&m->lines));
	buf_reset(&m->data);
	if (m->at_begin)
		release(m);
	buf_add_text(&m->data, m->ends_line ? "\n" : "\n\n");
	mail_out_write(m->out, buf_span(&m->data));
}

static void subscription(void *format, const char *name)
{
	(void)format, (void)name; /* the format has no place for it */
}

static void close_mbox(void *format, bool whole)
{
	struct mbox *m = format;
	if (whole)
		end_mailbox(m);
	buf_finish(&m->lines);
	buf_finish(&m->data);
	free(m);
}

const struct mail_format mbox_format = {open_mbox, begin_mailbox, begin_message, take_data,
					end_message, subscription, close_mbox};
