/* FETCH: items, macros and sections (RFC 3501 6.4.5, 9). */
#include "protocol/imap/parse_family.h"

static void section_fields(struct lexer *lx, struct section *s)
{
	lexer_space(lx);
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "A header field is expected");
	for (; on; on = lexer_list_more(lx)) {
		struct span name = lexer_astring(lx);
		if (!lexer_within(lx, LIMIT_HEADER_FIELDS, ++lx->header_fields))
			return;
		s->fields = arena_grow(lx->arena, s->fields, s->fields_n, sizeof(*s->fields));
		s->fields[s->fields_n++] = name;
	}
}

void parse_section(struct lexer *lx, struct section *s)
{
	while (lexer_peek_digit(lx)) {
		uint32_t number = lexer_nz_number(lx);
		if (!lexer_within(lx, LIMIT_PART_LEVELS, s->path_n + 1))
			return;
		s->path = arena_grow(lx->arena, s->path, s->path_n, sizeof(*s->path));
		s->path[s->path_n++] = number;
		if (lexer_peek(lx, ']'))
			return;
		lexer_expect(lx, '.', "A dot or a closing bracket is expected in the section");
	}
	if (lexer_peek(lx, ']') && s->path_n == 0)
		return;
	if (lexer_accept_word(lx, "HEADER")) {
		s->kind = SECTION_HEADER;
	} else if (lexer_accept_word(lx, "TEXT")) {
		s->kind = SECTION_TEXT;
	} else if (s->path_n && lexer_accept_word(lx, "MIME")) {
		s->kind = SECTION_MIME;
	} else if (lexer_accept_word(lx, "HEADER.FIELDS")) {
		s->kind = SECTION_FIELDS;
		section_fields(lx, s);
	} else if (lexer_accept_word(lx, "HEADER.FIELDS.NOT")) {
		s->kind = SECTION_FIELDS_NOT;
		section_fields(lx, s);
	} else {
		lexer_fail(lx, "There is no such section");
	}
}

/* section-part (RFC 3516 7): numbers alone, or nothing. */
static void binary_section(struct lexer *lx, struct section *s)
{
	if (lexer_peek(lx, ']'))
		return;
	do {
		uint32_t number = lexer_nz_number(lx);
		if (!lexer_within(lx, LIMIT_PART_LEVELS, s->path_n + 1))
			return;
		s->path = arena_grow(lx->arena, s->path, s->path_n, sizeof(*s->path));
		s->path[s->path_n++] = number;
	} while (lexer_accept(lx, '.'));
}

static void bracketed(struct lexer *lx, struct fetch_item *item)
{
	if (item->kind == FETCH_BODY)
		item->kind = FETCH_SECTION;
	lexer_expect(lx, '[', "A section is expected");
	if (item->kind == FETCH_SECTION)
		parse_section(lx, &item->section);
	else
		binary_section(lx, &item->section);
	lexer_expect(lx, ']', "A closing bracket is expected");
	if (item->kind == FETCH_BINARY_SIZE || !lexer_accept(lx, '<'))
		return;
	item->partial = true;
	item->offset = lexer_number(lx, INT64_MAX);
	lexer_expect(lx, '.', "A dot is expected in the partial");
	item->length = lexer_nz_number(lx);
	lexer_expect(lx, '>', "A closing > is expected");
}

static bool same_section(const struct section *a, const struct section *b)
{
	if (a->kind != b->kind || a->path_n != b->path_n || a->fields_n != b->fields_n)
		return false;
	for (size_t i = 0; i < a->path_n; i++)
		if (a->path[i] != b->path[i])
			return false;
	for (size_t i = 0; i < a->fields_n; i++)
		if (!span_iequal(a->fields[i], b->fields[i]))
			return false;
	return true;
}

/* Would the answers read the same? BODY[1] and BODY.PEEK[1] do, and the one that sets \Seen stays. */
static bool same_item(const struct fetch_item *a, const struct fetch_item *b)
{
	return a->kind == b->kind && a->partial == b->partial && a->offset == b->offset && a->length == b->length &&
	       same_section(&a->section, &b->section);
}

static void add_item(struct lexer *lx, struct fetch_request *f, const struct fetch_item *item)
{
	if (!lexer_within(lx, LIMIT_FETCH_ITEMS, f->items_n + 1))
		return;
	for (size_t i = 0; i < f->items_n; i++) {
		if (same_item(&f->items[i], item)) {
			f->items[i].peek = f->items[i].peek && item->peek;
			return;
		}
	}
	f->items = arena_grow(lx->arena, f->items, f->items_n, sizeof(*f->items));
	f->items[f->items_n++] = *item;
}

/* RFC 8970 6: " (LAZY)"; previews are there from the start, so it makes no difference.  Another list behind a bare PREVIEW
 * is the command's own modifiers. */
static void preview_modifiers(struct lexer *lx)
{
	const char *at = lx->at;
	if (!lexer_accept(lx, ' ') || !lexer_accept(lx, '(') || !lexer_accept_word(lx, "LAZY")) {
		lx->at = at;
		return;
	}
	while (lexer_accept(lx, ' '))
		if (!lexer_accept_word(lx, "LAZY"))
			lexer_fail(lx, "This modifier of PREVIEW is not known");
	lexer_expect(lx, ')', "A closing parenthesis is expected");
}

static void fetch_item(struct lexer *lx, struct fetch_request *f)
{
	static const struct {
		const char *name;
		enum fetch_kind kind;
		bool peek;
	} items[] = {{"FLAGS", FETCH_FLAGS, false}, {"UID", FETCH_UID, false}, {"BODY", FETCH_BODY, false}, {"BODY.PEEK", FETCH_SECTION, true},
		     {"ENVELOPE", FETCH_ENVELOPE, false}, {"INTERNALDATE", FETCH_INTERNALDATE, false}, {"RFC822.SIZE", FETCH_SIZE, false},
		     {"BODYSTRUCTURE", FETCH_BODYSTRUCTURE, false}, {"RFC822", FETCH_RFC822, false},
		     {"RFC822.HEADER", FETCH_RFC822_HEADER, false}, {"RFC822.TEXT", FETCH_RFC822_TEXT, false},
		     {"EMAILID", FETCH_EMAILID, false}, {"THREADID", FETCH_THREADID, false}, {"SAVEDATE", FETCH_SAVEDATE, false},
		     {"PREVIEW", FETCH_PREVIEW, false}, {"BINARY", FETCH_BINARY, false}, {"BINARY.PEEK", FETCH_BINARY, true},
		     {"BINARY.SIZE", FETCH_BINARY_SIZE, false}, {"MODSEQ", FETCH_MODSEQ, false}};
	struct span word = lexer_atom_before(lx, '[');
	size_t i = 0;
	while (i < countof(items) && !span_is(word, items[i].name))
		i++;
	if (i == countof(items)) {
		lexer_fail(lx, "This FETCH item is not known");
		return;
	}
	struct fetch_item item = {.kind = items[i].kind, .peek = items[i].peek};
	if (item.kind == FETCH_SECTION || item.kind == FETCH_BINARY || item.kind == FETCH_BINARY_SIZE ||
	    (item.kind == FETCH_BODY && lexer_peek(lx, '[')))
		bracketed(lx, &item);
	if (item.kind == FETCH_PREVIEW)
		preview_modifiers(lx);
	if (!lexer_failed(lx))
		add_item(lx, f, &item);
}

/* Macros stand alone: in parentheses they are not known (RFC 3501 6.4.5). */
static bool fetch_macro(struct lexer *lx, struct fetch_request *f)
{
	static const enum fetch_kind items[] = {FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY};
	size_t n = lexer_accept_word(lx, "FAST") ? 3 : (lexer_accept_word(lx, "ALL") ? 4 : 0);
	if (!n && lexer_accept_word(lx, "FULL"))
		n = 5;
	for (size_t i = 0; i < n; i++)
		add_item(lx, f, &(struct fetch_item){.kind = items[i]});
	return n > 0;
}

void parse_fetch_items(struct lexer *lx, struct fetch_request *f)
{
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "A FETCH item is expected");
	for (; on; on = lexer_list_more(lx))
		fetch_item(lx, f);
}

static void fetch_items(struct lexer *lx, struct fetch_request *f)
{
	if (fetch_macro(lx, f))
		return;
	if (lexer_peek(lx, '('))
		parse_fetch_items(lx, f);
	else
		fetch_item(lx, f);
}

/* What stands behind the items in parentheses (RFC 4466 2.4). */
static void fetch_modifiers(struct lexer *lx, struct request *r)
{
	static const struct fetch_item modseq = {.kind = FETCH_MODSEQ};
	struct fetch_request *f = &r->fetch;
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "A modifier is expected");
	for (; on; on = lexer_list_more(lx)) {
		if (!f->has_since && lexer_accept_word(lx, "CHANGEDSINCE")) {
			f->has_since = true;
			lexer_space(lx);
			f->since = lexer_number(lx, INT64_MAX);
			add_item(lx, f, &modseq); /* RFC 7162 3.1.4.1 */
		} else if (!f->vanished && lexer_accept_word(lx, "VANISHED")) {
			f->vanished = true;
		} else if (r->uid && !f->partial.from && lexer_accept_word(lx, "PARTIAL")) { /* RFC 9394 3.3: of UID FETCH alone */
			lexer_space(lx);
			partial_parse(lx, &f->partial);
		} else {
			lexer_fail(lx, "This modifier is not known, or there twice");
		}
	}
	if (f->vanished && (!r->uid || !f->has_since || !(lx->dialect & DIALECT_QRESYNC)))
		lexer_fail(lx, "VANISHED is for UID FETCH with CHANGEDSINCE, once QRESYNC is enabled");
}

void parse_fetch(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	numset_parse_messages(lx, &r->fetch.set);
	lexer_space(lx);
	fetch_items(lx, &r->fetch);
	if (lexer_accept(lx, ' '))
		fetch_modifiers(lx, r);
}
