/*
 * FETCH (RFC 3501 6.4.5) as a cursor: message, item and, inside a long literal, the offset.  A slice ends when it has
 * filled an output chunk; nothing is held between slices.
 */
#include "server/session.h"

#include "protocol/mime/mime.h"
#include "storage/content.h"

enum { LITERAL_STEP = 65536 };

struct fetch {
	struct uidset set, seen_changed;
	bool resolved, missing;
	uint32_t next;
	size_t item;
	int64_t literal_content;
	uint64_t literal_at, literal_left;
};

static bool sets_seen(const struct fetch_item *item)
{
	return (item->kind == FETCH_SECTION && !item->peek) || item->kind == FETCH_RFC822 || item->kind == FETCH_RFC822_TEXT;
}

static void add_date(struct buf *out, int64_t unix_s, int32_t zone)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t local = unix_s + zone * 60, days = local / 86400, rest = local % 86400;
	if (rest < 0) {
		rest += 86400;
		days--;
	}
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;
	int64_t y = yoe + era * 400 + (m <= 2);
	int32_t abs_zone = zone < 0 ? -zone : zone;
	buf_printf(out, "INTERNALDATE \"%2d-%.3s-%04d %02d:%02d:%02d %c%02d%02d\"", (int)d, months + (m - 1) * 3, (int)y,
		   (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), zone < 0 ? '-' : '+', abs_zone / 60,
		   abs_zone % 60);
}

static void section_name(const struct fetch_item *item, struct buf *out)
{
	static const char *const kinds[] = {"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
	const struct section *s = &item->section;
	buf_add_text(out, "BODY[");
	for (size_t i = 0; i < s->path_n; i++)
		buf_printf(out, i ? ".%u" : "%u", s->path[i]);
	if (s->path_n && s->kind != SECTION_ALL)
		buf_add_char(out, '.');
	buf_add_text(out, kinds[s->kind]);
	for (size_t i = 0; i < s->fields_n; i++) {
		buf_add_text(out, i ? " " : " (");
		mime_nstring(out, s->fields[i]);
		/* A plain name goes as the atom it is. */
		size_t n = s->fields[i].len;
		bool atom = n > 0;
		for (size_t k = 0; k < n; k++)
			atom = atom && s->fields[i].ptr[k] > 0x20 && s->fields[i].ptr[k] < 0x7f &&
			       !strchr("(){%*\"\\]", s->fields[i].ptr[k]);
		if (atom) {
			out->len -= n + 2;
			for (size_t k = 0; k < n; k++) {
				char ch = s->fields[i].ptr[k];
				buf_add_char(out, (char)(ch >= 'a' && ch <= 'z' ? ch - 32 : ch));
			}
		}
	}
	buf_add_text(out, s->fields_n ? ")]" : "]");
	if (item->partial)
		buf_printf(out, "<%llu>", (unsigned long long)item->offset);
	buf_add_char(out, ' ');
}

static void add_text(const struct fetch_item *item, struct span s, struct buf *out)
{
	if (item->partial) {
		s = span_after(s, item->offset < s.len ? (size_t)item->offset : s.len);
		s.len = item->length < s.len ? (size_t)item->length : s.len;
	}
	if (s.len < 100) {
		mime_nstring(out, s);
		return;
	}
	buf_printf(out, "{%zu}\r\n", s.len);
	buf_add_span(out, s);
}

static enum store_err header_bytes(struct account *a, int64_t content, uint32_t offset, uint32_t len, struct buf *out)
{
	char *to = buf_reserve(out, len);
	if (len && !to)
		return STORE_LIMIT;
	out->len += len;
	return len ? content_read(a, content, offset, len, to) : STORE_OK;
}

/* One section: short ones at once, long ones left to the literal's cursor. */
static enum store_err add_section(struct command *c, struct account *a, const struct fetch_item *item,
				  enum section_kind kind, int64_t content)
{
	struct fetch *f = c->state;
	struct content_row row;
	uint32_t offset = 0, len = 0;
	struct bytes stored;
	if (kind == SECTION_HEADER && !item->section.path_n && content_header(a, content, &stored) == STORE_OK) {
		add_text(item, span_make(stored.ptr ? stored.ptr : "", stored.len), &c->out);
		return STORE_OK;
	}
	enum store_err err = content_get(a, content, &row);
	if (err)
		return err;
	static const enum mime_section sections[] = {MIME_SECTION_ALL, MIME_SECTION_HEADER, MIME_SECTION_HEADER,
						     MIME_SECTION_HEADER, MIME_SECTION_TEXT, MIME_SECTION_MIME};
	if (!mime_find(span_make(row.parts.ptr, row.parts.len), item->section.path, item->section.path_n, sections[kind],
		       &offset, &len)) {
		buf_add_text(&c->out, "NIL");
		return STORE_OK;
	}
	if (kind == SECTION_FIELDS || kind == SECTION_FIELDS_NOT) {
		struct buf header, subset;
		buf_init(&header, UINT32_MAX);
		buf_init(&subset, UINT32_MAX);
		err = header_bytes(a, content, offset, len, &header);
		mime_fields(buf_span(&header), item->section.fields, item->section.fields_n, kind == SECTION_FIELDS_NOT, &subset);
		if (!err)
			add_text(item, buf_span(&subset), &c->out);
		buf_finish(&header);
		buf_finish(&subset);
		return err;
	}
	if (item->partial) {
		uint64_t skip = item->offset < len ? item->offset : len;
		offset += (uint32_t)skip;
		len -= (uint32_t)skip;
		len = item->length < len ? (uint32_t)item->length : len;
	}
	if (len < 100) {
		char small[100];
		err = len ? content_read(a, content, offset, len, small) : STORE_OK;
		if (!err)
			mime_nstring(&c->out, span_make(small, len));
		return err;
	}
	buf_printf(&c->out, "{%u}\r\n", len);
	f->literal_content = content;
	f->literal_at = offset;
	f->literal_left = len;
	return STORE_OK;
}

static enum store_err add_item(struct command *c, struct account *a, const struct fetch_item *item,
			       const struct roster_entry *e)
{
	struct content_row row;
	enum store_err err = STORE_OK;
	switch (item->kind) {
	case FETCH_UID:
		buf_printf(&c->out, "UID %u", e->uid);
		break;
	case FETCH_FLAGS:
		view_flags_text(c->view, a, e->uid, e->flagset, &c->out);
		break;
	case FETCH_INTERNALDATE:
		add_date(&c->out, e->internal_date, e->zone_min);
		break;
	case FETCH_SIZE:
		buf_add_text(&c->out, "RFC822.SIZE ");
		buf_add_u64(&c->out, e->size);
		break;
	case FETCH_ENVELOPE: case FETCH_BODY: case FETCH_BODYSTRUCTURE:
		err = content_get(a, e->content, &row);
		if (err)
			break;
		struct bytes b = item->kind == FETCH_ENVELOPE ? row.envelope : (item->kind == FETCH_BODY ? row.body : row.bodystructure);
		buf_add_text(&c->out, item->kind == FETCH_ENVELOPE ? "ENVELOPE " : (item->kind == FETCH_BODY ? "BODY " : "BODYSTRUCTURE "));
		buf_add(&c->out, b.ptr, b.len);
		break;
	case FETCH_SECTION:
		section_name(item, &c->out);
		err = add_section(c, a, item, item->section.kind, e->content);
		break;
	case FETCH_RFC822:
		buf_add_text(&c->out, "RFC822 ");
		err = add_section(c, a, item, SECTION_ALL, e->content);
		break;
	case FETCH_RFC822_HEADER:
		buf_add_text(&c->out, "RFC822.HEADER ");
		err = add_section(c, a, item, SECTION_HEADER, e->content);
		break;
	case FETCH_RFC822_TEXT:
		buf_add_text(&c->out, "RFC822.TEXT ");
		err = add_section(c, a, item, SECTION_TEXT, e->content);
		break;
	}
	return err;
}

/* Returns false when the chunk is full and the literal goes on. */
static bool pump_literal(struct command *c, struct account *a, enum store_err *err)
{
	struct fetch *f = c->state;
	while (f->literal_left && c->out.len < OUT_CHUNK) {
		size_t step = f->literal_left < LITERAL_STEP ? (size_t)f->literal_left : LITERAL_STEP;
		char *to = buf_reserve(&c->out, step);
		invariant(to);
		*err = content_read(a, f->literal_content, f->literal_at, step, to);
		if (*err)
			return true;
		c->out.len += step;
		f->literal_at += step;
		f->literal_left -= step;
	}
	return f->literal_left == 0;
}

static bool prepare(struct command *c, struct account *a)
{
	struct request *r = &c->request;
	struct fetch *f = c->state;
	if (!view_resolve(c->view, &r->fetch.set, r->uid, &f->set)) {
		command_bad(c, "There is no message with this number");
		return false;
	}
	f->resolved = true;
	bool seen = false, has_uid = false, has_flags = false;
	for (size_t i = 0; i < r->fetch.items_n; i++) {
		seen = seen || sets_seen(&r->fetch.items[i]);
		has_uid = has_uid || r->fetch.items[i].kind == FETCH_UID;
		has_flags = has_flags || r->fetch.items[i].kind == FETCH_FLAGS;
	}
	if (r->uid && !has_uid) {
		struct fetch_item *items = arena_alloc(&c->arena, (r->fetch.items_n + 1) * sizeof(*items));
		items[0].kind = FETCH_UID;
		memcpy(items + 1, r->fetch.items, r->fetch.items_n * sizeof(*items));
		r->fetch.items = items;
		r->fetch.items_n++;
	}
	if (seen && !c->view->read_only) {
		struct flag_spec spec = {FLAG_SEEN, ""};
		view_sync(c->view, a, &c->out, false, r->uid);
		if (messages_store(a, c->view->mailbox, &f->set, FLAG_ADD, &spec, &f->seen_changed) != STORE_OK)
			uidset_finish(&f->seen_changed);
		else if (f->seen_changed.n)
			c->view->flags_modseq = a->op_modseq;
		if (has_flags)
			uidset_finish(&f->seen_changed);
	}
	return true;
}

static enum op_result fetch_run(struct command *c, struct account *a)
{
	struct request *r = &c->request;
	struct view *v = c->view;
	struct fetch *f = c->state;
	struct roster *roster;
	enum store_err err = STORE_OK;
	if (!f->resolved && !prepare(c, a))
		return OP_DONE;
	if (roster_get(a, v->mailbox, &roster) != STORE_OK) {
		command_no(c, "NONEXISTENT", "The mailbox is gone");
		return OP_DONE;
	}
	while (f->next < v->n && !err) {
		uint32_t uid = v->uid[f->next];
		if (!uidset_has(&f->set, uid)) {
			f->next++;
			continue;
		}
		uint32_t at = roster_lower(roster, uid);
		if (at == roster->count || roster->uid[at] != uid) {
			/* Expunged elsewhere, not yet told (RFC 2180 4.1.2). */
			if (f->item || f->literal_left) {
				err = STORE_NOTFOUND;
				break;
			}
			f->missing = true;
			f->next++;
			continue;
		}
		struct roster_entry e;
		roster_read(roster, at, &e);
		if (!pump_literal(c, a, &err)) {
			c->more = true;
			return OP_DONE;
		}
		if (f->item == 0 && !err) {
			if (c->out.len >= OUT_CHUNK) {
				c->more = true;
				return OP_DONE;
			}
			buf_printf(&c->out, "* %u FETCH (", f->next + 1);
		}
		while (f->item < r->fetch.items_n && !err) {
			if (f->item)
				buf_add_char(&c->out, ' ');
			err = add_item(c, a, &r->fetch.items[f->item++], &e);
			if (!err && !pump_literal(c, a, &err)) {
				c->more = true;
				return OP_DONE;
			}
		}
		if (err)
			break;
		if (uidset_has(&f->seen_changed, uid)) {
			buf_add_char(&c->out, ' ');
			view_flags_text(v, a, uid, e.flagset, &c->out);
		}
		buf_add_text(&c->out, ")\r\n");
		f->item = 0;
		f->next++;
	}
	if (err && (f->item || f->literal_left)) {
		/* The response is open and cannot be finished rightly: the connection ends. */
		c->broken = true;
		return OP_DONE;
	}
	if (f->missing)
		command_ok(c, "EXPUNGEISSUED", "Some messages are gone");
	else
		command_store_error(c, err);
	return OP_DONE;
}

static void fetch_finish(struct command *cmd)
{
	struct fetch *f = cmd->state;
	uidset_finish(&f->set);
	uidset_finish(&f->seen_changed);
}

enum step cmd_fetch(struct session *s, struct command *cmd)
{
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct fetch));
	cmd->finish = fetch_finish;
	for (size_t i = 0; i < cmd->request.fetch.items_n; i++)
		cmd->op.writes = cmd->op.writes || sets_seen(&cmd->request.fetch.items[i]);
	return session_op(s, cmd, fetch_run);
}
