#include "protocol/mime/crlf.h"

/* The first LF without its CR from `from` on, or in.len. */
static size_t bare_lf(struct span in, size_t from, bool after_cr)
{
	while (from < in.len) {
		const char *lf = memchr(in.ptr + from, '\n', in.len - from);
		if (!lf)
			return in.len;
		size_t at = (size_t)(lf - in.ptr);
		if (at > 0 ? lf[-1] != '\r' : !after_cr)
			return at;
		from = at + 1;
	}
	return in.len;
}

struct span crlf_feed(struct crlf *c, struct span in, struct buf *scratch)
{
	if (!in.len)
		return in;
	c->nul = c->nul || memchr(in.ptr, '\0', in.len);
	size_t at = bare_lf(in, 0, c->after_cr), kept = 0;
	struct span out = in;
	if (at < in.len) {
		buf_reset(scratch);
		for (; at < in.len; at = bare_lf(in, at + 1, false)) {
			buf_add(scratch, in.ptr + kept, at - kept);
			buf_add(scratch, "\r\n", 2);
			kept = at + 1;
		}
		buf_add(scratch, in.ptr + kept, in.len - kept);
		out = buf_span(scratch);
	}
	c->after_cr = in.ptr[in.len - 1] == '\r';
	return out;
}
