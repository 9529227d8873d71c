#include "server/mail_write.h"

#include "server/trouble.h"

struct mail_writer {
	struct mail_out *out;
	const struct mail_format *format;
	void *state;
	struct buf in;
	bool in_message, is_done;
	struct mail_writer_counts counts;
};

struct mail_writer *mail_writer_create(struct mail_out *out, const struct mail_format *format)
{
	struct mail_writer *w = xcalloc(1, sizeof(*w));
	w->out = out;
	w->format = format;
	w->state = format->open(out);
	buf_init(&w->in, 1 << 20);
	return w;
}

void mail_writer_destroy(struct mail_writer *w, bool whole)
{
	if (!w)
		return;
	w->format->close(w->state, whole);
	buf_finish(&w->in);
	free(w);
}

struct mail_writer_counts mail_writer_result(const struct mail_writer *w)
{
	return w->counts;
}

static bool begin_message(struct mail_writer *w, struct span body)
{
	struct transfer_message m;
	if (w->in_message || !transfer_get_message(body, &m))
		return false;
	w->in_message = true;
	w->is_done = false;
	w->format->message(w->state, &m, &w->is_done);
	return true;
}

static bool take(struct mail_writer *w, const struct transfer_record *r, void (*problem)(const char *text))
{
	struct transfer_mailbox m;
	const char *text;
	switch (r->type) {
	case TRANSFER_TOTAL:
		return transfer_get_total(r->body, &w->counts.messages_total, &w->counts.bytes_total);
	case TRANSFER_MAILBOX:
		if (w->in_message || !transfer_get_mailbox(r->body, &m))
			return false;
		w->format->mailbox(w->state, &m);
		return true;
	case TRANSFER_SUBSCRIPTION:
		if (!transfer_get_text(r->body, &text))
			return false;
		w->format->subscription(w->state, text);
		return true;
	case TRANSFER_MESSAGE:
		return begin_message(w, r->body);
	case TRANSFER_DATA:
		w->counts.bytes += r->body.len;
		if (w->in_message && !w->is_done)
			w->format->data(w->state, r->body);
		return w->in_message;
	case TRANSFER_MESSAGE_END:
		if (w->in_message && !w->is_done)
			w->format->end(w->state);
		w->counts.messages++;
		w->in_message = false;
		return true;
	case TRANSFER_PROBLEM:
		if (transfer_get_text(r->body, &text))
			problem(text);
		return true;
	}
	return false;
}

bool mail_writer_take(struct mail_writer *w, struct span bytes, void (*problem)(const char *text))
{
	struct transfer_record r;
	bool broken = false, ok = true;
	size_t used = 0;
	buf_add_span(&w->in, bytes);
	while (ok && transfer_read(span_after(buf_span(&w->in), used), &r, &broken)) {
		ok = take(w, &r, problem) && !mail_out_failed(w->out);
		used += r.size;
	}
	buf_drop(&w->in, used);
	return ok && !broken && !w->in.failed;
}

void mail_writer_fit(struct buf *path, size_t from, const char *mailbox)
{
	enum { FILE_NAME_MAX = 240, KEPT = 200 }; /* of 255: ".mbox" comes behind it */
	if (path->failed || path->len - from <= FILE_NAME_MAX)
		return;
	uint64_t sum = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = from; i < path->len; i++)
		sum = (sum ^ (unsigned char)path->data[i]) * 0x100000001b3u;
	path->len = from + KEPT;
	buf_printf(path, "~%016llx", (unsigned long long)sum);
	trouble("%s: this is too long for the name of a file, and is cut to %.*s", mailbox, (int)(path->len - from), path->data + from);
}

void lf_filter_feed(struct lf_filter *f, struct span in, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		if (f->holds_cr) {
			/* The CR of a line's end goes, unless another CR is before it: without it that one would be taken for it. */
			if (c != '\n' || f->after_cr)
				buf_add_char(out, '\r');
			f->after_cr = c != '\n';
			f->holds_cr = false;
		}
		if (c == '\r') {
			f->holds_cr = true;
		} else {
			buf_add_char(out, c);
			f->after_cr = false;
		}
	}
}

void lf_filter_end(struct lf_filter *f, struct buf *out)
{
	buf_reset(out);
	if (f->holds_cr)
		buf_add_char(out, '\r');
	*f = (struct lf_filter){0};
}
