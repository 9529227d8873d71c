#include "server/mail_feed.h"

#include "protocol/imap/mutf7.h"

#include <errno.h>
#include <stdarg.h>

enum { PASS_BYTES = 65536 };

void mail_feed_init(struct mail_feed *f, struct mail_tree *tree)
{
	*f = (struct mail_feed){.tree = tree};
	buf_init(&f->out, SIZE_MAX); /* bounded by PASS_BYTES and a record */
}

void mail_feed_finish(struct mail_feed *f)
{
	buf_finish(&f->out);
}

bool mail_feed_pass(struct mail_feed *f, bool all)
{
	if (f->over || (!all && f->out.len < PASS_BYTES))
		return !f->over;
	f->over = !f->write(f->ctx, buf_span(&f->out));
	buf_reset(&f->out);
	return !f->over;
}

void mail_feed_problem(struct mail_feed *f, const char *fmt, ...)
{
	char text[1000];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	transfer_put_text(&f->out, TRANSFER_PROBLEM, text);
}

void mail_feed_file(struct mail_feed *f, struct mail_file *file, const char *path)
{
	char bytes[TRANSFER_DATA_MAX];
	ssize_t n;
	int error = 0;
	while ((n = mail_file_read(file, bytes, sizeof(bytes))) > 0 && mail_feed_pass(f, false)) {
		transfer_put_data(&f->out, span_make(bytes, (size_t)n));
		f->bytes += (uint64_t)n;
	}
	if (n < 0)
		error = errno;
	transfer_put_text(&f->out, TRANSFER_MESSAGE_END, "");
	if (error)
		mail_feed_problem(f, "%s: %s; what could be read of it is kept", path, strerror(error));
	f->messages++;
	if (f->on_progress)
		f->on_progress(f->ctx);
	mail_feed_pass(f, false);
}

void mail_feed_decode(struct span component, struct buf *out)
{
	struct buf name;
	buf_init(&name, 4096);
	bool is_mutf7 = mutf7_decode(component, &name) && !name.failed;
	struct span s = is_mutf7 ? buf_span(&name) : component;
	for (size_t i = 0; i < s.len; i++) {
		/* "\2e" stands for a dot in a name whose levels dots divide. */
		bool dot = s.len - i >= 3 && strncasecmp(s.ptr + i, "\\2e", 3) == 0;
		bool backslash = s.len - i >= 3 && strncasecmp(s.ptr + i, "\\5c", 3) == 0;
		buf_add_char(out, dot ? '.' : s.ptr[i]);
		i += dot || backslash ? 2 : 0;
	}
	buf_finish(&name);
}
