#include "server/catenate.h"

#include "protocol/imap/url.h"
#include "protocol/mime/section.h"
#include "server/limits.h"
#include "server/slice.h"
#include "storage/content.h"
#include "storage/mailbox.h"

enum { STEP_BYTES = 65536, STEP_WEIGHT = 64 };

static bool bad_url(struct command *cmd, struct span url)
{
	struct buf code;
	buf_init(&code, UINT32_MAX);
	buf_add_text(&code, "BADURL ");
	imap_url_write(&code, url);
	command_no(cmd, arena_copy(&cmd->arena, buf_span(&code)).ptr, "There is no such message or part");
	buf_finish(&code);
	return false;
}

/* STORE_NOTFOUND: it names nothing. */
static enum store_err find_message(struct account *a, const struct imap_url *url, struct roster_entry *out)
{
	int64_t mailbox;
	struct roster *r;
	enum store_err err = mailbox_find(a, url->mailbox.ptr, &mailbox);
	if (!err)
		err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	if (url->uidvalidity && url->uidvalidity != r->info.uidvalidity)
		return STORE_NOTFOUND;
	uint32_t index = roster_lower(r, url->uid);
	if (index == r->uids.n)
		return STORE_NOTFOUND;
	roster_read(r, index, out);
	return out->uid == url->uid ? STORE_OK : STORE_NOTFOUND;
}

/* Header fields are looked for as FETCH does, and are few. */
static enum store_err read_fields(struct catenate *c, struct account *a, const struct section *s, uint32_t at, uint32_t len)
{
	struct buf header;
	if (len > LIMIT_FIELDS_HEADER_BYTES)
		len = LIMIT_FIELDS_HEADER_BYTES;
	buf_init(&header, (size_t)len + 1);
	buf_init(&c->fields, (size_t)len + 16);
	char *to = buf_reserve(&header, (size_t)len + 1);
	invariant(to);
	enum store_err err = len ? content_read(a, c->content, at, len, to) : STORE_OK;
	if (!err)
		mime_fields(span_make(to, len), s->fields, s->fields_n, s->kind == SECTION_FIELDS_NOT, &c->fields);
	buf_finish(&header);
	c->at = 0;
	c->end = c->fields.len;
	return err;
}

static enum store_err find_section(struct catenate *c, struct account *a, const struct section *s,
				   const struct roster_entry *e)
{
	static const enum mime_section kinds[] = {
		[SECTION_ALL] = MIME_SECTION_ALL,	[SECTION_HEADER] = MIME_SECTION_HEADER,
		[SECTION_FIELDS] = MIME_SECTION_HEADER, [SECTION_FIELDS_NOT] = MIME_SECTION_HEADER,
		[SECTION_TEXT] = MIME_SECTION_TEXT,	[SECTION_MIME] = MIME_SECTION_MIME};
	struct content_row row;
	uint32_t at, len;
	c->content = e->content;
	c->end = e->size;
	if (s->kind == SECTION_ALL && s->path_n == 0)
		return STORE_OK;
	enum store_err err = content_get(a, e->content, &row);
	if (err)
		return err;
	if (!mime_find(span_make(row.parts.ptr ? row.parts.ptr : "", row.parts.len), s->path, s->path_n, kinds[s->kind],
		       &at, &len))
		return STORE_NOTFOUND;
	if (s->fields_n)
		return read_fields(c, a, s, at, len);
	c->at = at;
	c->end = (uint64_t)at + len;
	return STORE_OK;
}

static void clip(struct catenate *c, const struct imap_url *url)
{
	uint64_t len = c->end - c->at, skip = url->offset < len ? url->offset : len;
	c->at += skip;
	if (url->length < c->end - c->at)
		c->end = c->at + url->length;
}

bool catenate_open(struct catenate *c, struct command *cmd, struct account *a, struct span text)
{
	struct imap_url url;
	struct roster_entry e;
	catenate_finish(c);
	*c = (struct catenate){0};
	if (!imap_url_parse(&cmd->arena, text, &url))
		return bad_url(cmd, text);
	enum store_err err = find_message(a, &url, &e);
	if (!err)
		err = find_section(c, a, &url.section, &e);
	if (err == STORE_NOTFOUND)
		return bad_url(cmd, text);
	command_store_error(cmd, err);
	if (err)
		return false;
	if (url.partial)
		clip(c, &url);
	c->open = true;
	return true;
}

enum store_err catenate_copy(struct catenate *c, struct account *a, struct intake *to)
{
	struct slice slice;
	enum store_err err = STORE_OK;
	char *step = c->fields.len ? NULL : xmalloc(STEP_BYTES);
	slice_begin(&slice);
	while (!err && c->at < c->end) {
		size_t len = c->end - c->at < STEP_BYTES ? (size_t)(c->end - c->at) : STEP_BYTES;
		if (slice_is_over(&slice, STEP_WEIGHT))
			break;
		if (step)
			err = content_read(a, c->content, c->at, len, step);
		if (!err)
			err = intake_write(to, span_make(step ? step : c->fields.data + c->at, len));
		c->at += len;
	}
	free(step);
	c->open = !err && c->at < c->end;
	return err;
}

void catenate_finish(struct catenate *c)
{
	buf_finish(&c->fields);
}
