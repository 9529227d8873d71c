#include "protocol/imap/response_fetch.h"

#include "protocol/imap/response.h"

static void upper(struct buf *out, struct span s)
{
	size_t at = out->len;
	response_astring(out, s, DIALECT_REV1);
	for (; !out->failed && at < out->len; at++)
		if (out->data[at] >= 'a' && out->data[at] <= 'z')
			out->data[at] = (char)(out->data[at] - 'a' + 'A');
}

static void section(struct buf *out, const struct section *s)
{
	static const char *const kinds[] = {[SECTION_ALL] = "", [SECTION_HEADER] = "HEADER",
					    [SECTION_FIELDS] = "HEADER.FIELDS (",
					    [SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT (", [SECTION_TEXT] = "TEXT",
					    [SECTION_MIME] = "MIME"};
	for (size_t i = 0; i < s->path_n; i++) {
		if (i)
			buf_add_char(out, '.');
		buf_add_u64(out, s->path[i]);
	}
	if (s->path_n && s->kind != SECTION_ALL)
		buf_add_char(out, '.');
	buf_add_text(out, kinds[s->kind]);
	for (size_t i = 0; i < s->fields_n; i++) {
		if (i) /* a name that is a literal may end in a parenthesis */
			buf_add_char(out, ' ');
		upper(out, s->fields[i]);
	}
	if (s->kind == SECTION_FIELDS || s->kind == SECTION_FIELDS_NOT)
		buf_add_char(out, ')');
}

void response_fetch_label(struct buf *out, const struct fetch_item *item)
{
	static const char *const names[] = {
		[FETCH_UID] = "UID", [FETCH_FLAGS] = "FLAGS", [FETCH_INTERNALDATE] = "INTERNALDATE",
		[FETCH_SIZE] = "RFC822.SIZE", [FETCH_ENVELOPE] = "ENVELOPE", [FETCH_BODY] = "BODY",
		[FETCH_BODYSTRUCTURE] = "BODYSTRUCTURE", [FETCH_SECTION] = "BODY[", [FETCH_RFC822] = "RFC822",
		[FETCH_RFC822_HEADER] = "RFC822.HEADER", [FETCH_RFC822_TEXT] = "RFC822.TEXT",
		[FETCH_EMAILID] = "EMAILID", [FETCH_THREADID] = "THREADID", [FETCH_SAVEDATE] = "SAVEDATE",
		[FETCH_PREVIEW] = "PREVIEW", [FETCH_BINARY] = "BINARY[", [FETCH_BINARY_SIZE] = "BINARY.SIZE[",
		[FETCH_MODSEQ] = "MODSEQ"};
	buf_add_text(out, names[item->kind]);
	if (item->kind != FETCH_SECTION && item->kind != FETCH_BINARY && item->kind != FETCH_BINARY_SIZE)
		return;
	section(out, &item->section);
	buf_add_char(out, ']');
	if (item->partial) {
		buf_add_char(out, '<');
		buf_add_u64(out, item->offset);
		buf_add_char(out, '>');
	}
}
