#include "server/admin_frame.h"

void admin_frame_add(struct buf *out, enum admin_frame_type type, struct span body)
{
	invariant(body.len <= ADMIN_FRAME_MAX);
	const char head[ADMIN_FRAME_HEAD] = {(char)type, (char)(body.len >> 24), (char)(body.len >> 16),
					     (char)(body.len >> 8), (char)body.len};
	buf_add(out, head, sizeof(head));
	buf_add_span(out, body);
}

bool admin_frame_read(struct span in, struct admin_frame *out, bool *out_broken)
{
	*out_broken = false;
	if (in.len < ADMIN_FRAME_HEAD)
		return false;
	const unsigned char *head = (const unsigned char *)in.ptr;
	size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	*out_broken = len > ADMIN_FRAME_MAX;
	if (*out_broken || in.len < ADMIN_FRAME_HEAD + len)
		return false;
	*out = (struct admin_frame){(enum admin_frame_type)head[0], span_make(in.ptr + ADMIN_FRAME_HEAD, len),
				    ADMIN_FRAME_HEAD + len};
	return true;
}

bool admin_frame_text(struct span *body, const char **out)
{
	const char *end = body->len ? memchr(body->ptr, 0, body->len) : NULL;
	if (!end)
		return false;
	*out = body->ptr;
	*body = span_after(*body, (size_t)(end - body->ptr) + 1);
	return true;
}
