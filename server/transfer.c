#include "server/transfer.h"

#include "server/admin_frame.h"

#include <errno.h>

static size_t begin(struct buf *out, enum transfer_type type)
{
	const char head[TRANSFER_HEAD] = {(char)type};
	buf_add(out, head, sizeof(head));
	return out->len;
}

static void end(struct buf *out, size_t from)
{
	if (out->failed)
		return;
	size_t len = out->len - from;
	invariant(len <= TRANSFER_RECORD_MAX - TRANSFER_HEAD);
	char *at = out->data + from - 4;
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (char)(len >> shift);
}

static void add_text(struct buf *out, const char *text)
{
	buf_add(out, text, strlen(text) + 1);
}

static void add_number(struct buf *out, int64_t number)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)number);
	add_text(out, text);
}

void transfer_put_total(struct buf *out, uint64_t messages, uint64_t bytes)
{
	size_t from = begin(out, TRANSFER_TOTAL);
	add_number(out, (int64_t)messages);
	add_number(out, (int64_t)bytes);
	end(out, from);
}

void transfer_put_mailbox(struct buf *out, const struct transfer_mailbox *m)
{
	size_t from = begin(out, TRANSFER_MAILBOX);
	add_text(out, m->name);
	add_number(out, m->uidvalidity);
	add_number(out, m->uidnext);
	add_number(out, m->special);
	add_number(out, m->subscribed);
	end(out, from);
}

void transfer_put_message(struct buf *out, const struct transfer_message *m)
{
	size_t from = begin(out, TRANSFER_MESSAGE);
	add_number(out, m->uid);
	add_number(out, m->system);
	add_text(out, m->keywords ? m->keywords : "");
	add_number(out, m->internal_date);
	add_number(out, m->zone_min);
	add_number(out, (int64_t)m->size);
	add_text(out, m->source ? m->source : "");
	end(out, from);
}

void transfer_put_data(struct buf *out, struct span bytes)
{
	invariant(bytes.len <= TRANSFER_DATA_MAX);
	size_t from = begin(out, TRANSFER_DATA);
	buf_add_span(out, bytes);
	end(out, from);
}

void transfer_put_text(struct buf *out, enum transfer_type type, const char *text)
{
	size_t from = begin(out, type);
	add_text(out, text);
	end(out, from);
}

bool transfer_read(struct span in, struct transfer_record *out, bool *out_broken)
{
	*out_broken = false;
	if (in.len < TRANSFER_HEAD)
		return false;
	const unsigned char *head = (const unsigned char *)in.ptr;
	size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	*out_broken = len > TRANSFER_RECORD_MAX - TRANSFER_HEAD;
	if (*out_broken || in.len < TRANSFER_HEAD + len)
		return false;
	*out = (struct transfer_record){(enum transfer_type)head[0], span_make(in.ptr + TRANSFER_HEAD, len),
					TRANSFER_HEAD + len};
	return true;
}

static bool get_number(struct span *body, int64_t least, int64_t most, int64_t *out)
{
	const char *text;
	char *stop;
	if (!admin_frame_text(body, &text))
		return false;
	errno = 0;
	*out = strtoll(text, &stop, 10);
	return stop != text && !*stop && errno == 0 && *out >= least && *out <= most;
}

static bool get_u32(struct span *body, uint32_t *out)
{
	int64_t n;
	if (!get_number(body, 0, UINT32_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

bool transfer_get_total(struct span body, uint64_t *messages, uint64_t *bytes)
{
	int64_t m, b;
	if (!get_number(&body, 0, INT64_MAX, &m) || !get_number(&body, 0, INT64_MAX, &b))
		return false;
	*messages = (uint64_t)m;
	*bytes = (uint64_t)b;
	return true;
}

bool transfer_get_mailbox(struct span body, struct transfer_mailbox *out)
{
	int64_t subscribed;
	bool whole = admin_frame_text(&body, &out->name) && get_u32(&body, &out->uidvalidity) &&
		     get_u32(&body, &out->uidnext) && get_u32(&body, &out->special) && get_number(&body, 0, 1, &subscribed);
	out->subscribed = whole && subscribed;
	return whole;
}

bool transfer_get_message(struct span body, struct transfer_message *out)
{
	int64_t zone, size;
	bool whole = get_u32(&body, &out->uid) && get_u32(&body, &out->system) && admin_frame_text(&body, &out->keywords) &&
		     get_number(&body, INT64_MIN, INT64_MAX, &out->internal_date) && get_number(&body, -32767, 32767, &zone) &&
		     get_number(&body, 0, INT64_MAX, &size) && admin_frame_text(&body, &out->source);
	out->zone_min = whole ? (int32_t)zone : 0;
	out->size = whole ? (uint64_t)size : 0;
	return whole;
}

bool transfer_get_text(struct span body, const char **out)
{
	return admin_frame_text(&body, out);
}
