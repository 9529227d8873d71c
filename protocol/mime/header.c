#include "protocol/mime/header.h"

static const struct {
	const char *name;
	size_t len;
} field_names[FIELD_COUNT] = {
#define FIELD(id, text) [id] = {text, sizeof(text) - 1}
	FIELD(FIELD_DATE, "date"),
	FIELD(FIELD_SUBJECT, "subject"),
	FIELD(FIELD_FROM, "from"),
	FIELD(FIELD_SENDER, "sender"),
	FIELD(FIELD_REPLY_TO, "reply-to"),
	FIELD(FIELD_TO, "to"),
	FIELD(FIELD_CC, "cc"),
	FIELD(FIELD_BCC, "bcc"),
	FIELD(FIELD_IN_REPLY_TO, "in-reply-to"),
	FIELD(FIELD_MESSAGE_ID, "message-id"),
	FIELD(FIELD_REFERENCES, "references"),
	FIELD(FIELD_CONTENT_TYPE, "content-type"),
	FIELD(FIELD_CONTENT_ENCODING, "content-transfer-encoding"),
	FIELD(FIELD_CONTENT_ID, "content-id"),
	FIELD(FIELD_CONTENT_DESCRIPTION, "content-description"),
	FIELD(FIELD_CONTENT_DISPOSITION, "content-disposition"),
	FIELD(FIELD_CONTENT_LANGUAGE, "content-language"),
	FIELD(FIELD_CONTENT_LOCATION, "content-location"),
	FIELD(FIELD_CONTENT_MD5, "content-md5"),
#undef FIELD
};

size_t mime_header_end(struct span t)
{
	for (size_t at = 0; at < t.len;) {
		const char *lf = memchr(t.ptr + at, '\n', t.len - at);
		if (!lf)
			break;
		size_t end = (size_t)(lf - t.ptr) + 1, len = end - at;
		if (len == 1 || (len == 2 && t.ptr[at] == '\r'))
			return end;
		at = end;
	}
	return t.len;
}

bool mime_field_next(struct span h, size_t *at, struct mime_field *out)
{
	size_t from = *at, end = from;
	if (from >= h.len || h.ptr[from] == '\n' ||
	    (h.ptr[from] == '\r' && from + 1 < h.len && h.ptr[from + 1] == '\n'))
		return false;
	do {
		const char *lf = memchr(h.ptr + end, '\n', h.len - end);
		end = lf ? (size_t)(lf - h.ptr) + 1 : h.len;
	} while (end < h.len && (h.ptr[end] == ' ' || h.ptr[end] == '\t'));
	*at = end;
	struct span raw = span_make(h.ptr + from, end - from);
	size_t n = 0;
	while (n < raw.len && raw.ptr[n] > 0x20 && raw.ptr[n] < 0x7f && raw.ptr[n] != ':')
		n++;
	size_t colon = n;
	while (colon < raw.len && (raw.ptr[colon] == ' ' || raw.ptr[colon] == '\t'))
		colon++;
	bool is_field = n > 0 && colon < raw.len && raw.ptr[colon] == ':';
	*out = (struct mime_field){.name = span_make(raw.ptr, is_field ? n : 0),
				   .value = is_field ? span_after(raw, colon + 1) : raw,
				   .raw = raw};
	return true;
}

static enum mime_field_id field_id(struct span name)
{
	char c = (char)(name.ptr[0] | 0x20);
	for (unsigned id = 0; id < FIELD_COUNT; id++)
		if (field_names[id].len == name.len && field_names[id].name[0] == c &&
		    strncasecmp(field_names[id].name, name.ptr, name.len) == 0)
			return (enum mime_field_id)id;
	return FIELD_COUNT;
}

void mime_header_read(struct span header, struct mime_header *out)
{
	struct mime_field f;
	*out = (struct mime_header){.text = header};
	for (size_t at = 0; mime_field_next(header, &at, &f);) {
		enum mime_field_id id = f.name.len ? field_id(f.name) : FIELD_COUNT;
		if (id == FIELD_COUNT)
			continue;
		if (out->first[id].ptr)
			out->repeated[id] = true;
		else
			out->first[id] = f.value;
	}
}

struct span mime_unfold(struct span raw, struct buf *scratch)
{
	if (!raw.ptr)
		return raw;
	struct span s = mime_trim(raw);
	if (!memchr(s.ptr, '\n', s.len) && !memchr(s.ptr, '\r', s.len))
		return s;
	buf_reset(scratch);
	for (size_t at = 0; at < s.len;) {
		size_t n = at;
		while (n < s.len && s.ptr[n] != '\r' && s.ptr[n] != '\n')
			n++;
		buf_add(scratch, s.ptr + at, n - at);
		if (n < s.len && s.ptr[n] == '\r' && (n + 1 >= s.len || s.ptr[n + 1] != '\n'))
			buf_add_char(scratch, ' ');
		at = n + 1;
	}
	return mime_trim(buf_span(scratch));
}
