/* GETMETADATA and SETMETADATA (RFC 5464 4.2, 4.3, 5), and the names of entries, which LIST has too (RFC 9590). */
#include "protocol/imap/parse_family.h"

/* How many components a name has, and which they begin with; 0 when it is none (RFC 5464 3.2).  The RFC forbids the octets
 * up to 0x19; the few controls behind that are surely not meant to be allowed. */
static size_t components(struct span name)
{
	size_t n = 0;
	if (name.len == 0 || name.ptr[0] != '/' || name.ptr[name.len - 1] == '/')
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		if (c < 0x20 || c >= 0x7f || c == '*' || c == '%' || (c == '/' && name.ptr[i + 1] == '/'))
			return 0;
		n += c == '/';
	}
	return n;
}

static bool is_at(struct span name, const char *place)
{
	size_t len = strlen(place);
	return name.len >= len && strncasecmp(name.ptr, place, len) == 0 && (name.len == len || name.ptr[len] == '/');
}

/* `above`: the name may also be that of a level above entries. */
static struct span entry(struct lexer *lx, bool above)
{
	struct span name = lexer_astring(lx);
	size_t n = components(name);
	bool vendor = is_at(name, "/private/vendor") || is_at(name, "/shared/vendor");
	if (!lexer_within(lx, LIMIT_METADATA_NAME_BYTES, name.len))
		return name;
	if (n == 0 || (!is_at(name, "/private") && !is_at(name, "/shared")))
		lexer_fail(lx, "This is not the name of an entry");
	else if (!above && n < (vendor ? 4 : 2))
		lexer_fail(lx, "The entry's name has too few components");
	return name;
}

static void add_entry(struct lexer *lx, struct metadata_names *names, bool above)
{
	struct span name = entry(lx, above);
	if (!lexer_within(lx, LIMIT_METADATA_ENTRIES, names->n + 1))
		return;
	names->v = arena_grow(lx->arena, names->v, names->n, sizeof(*names->v));
	names->v[names->n++] = name;
}

void parse_metadata_names(struct lexer *lx, bool above, struct metadata_names *out)
{
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "An entry is expected");
	for (; on; on = lexer_list_more(lx))
		add_entry(lx, out, above);
}

static void option(struct lexer *lx, struct getmetadata_request *g, bool *has_depth)
{
	if (!g->has_max && lexer_accept_word(lx, "MAXSIZE")) {
		g->has_max = true;
		lexer_space(lx);
		g->max_bytes = (uint32_t)lexer_number(lx, UINT32_MAX);
	} else if (!*has_depth && lexer_accept_word(lx, "DEPTH")) {
		*has_depth = true;
		lexer_space(lx);
		if (lexer_accept_word(lx, "0"))
			g->depth = METADATA_ENTRY;
		else if (lexer_accept_word(lx, "1"))
			g->depth = METADATA_CHILDREN;
		else if (lexer_accept_word(lx, "INFINITY"))
			g->depth = METADATA_ALL;
		else
			lexer_fail(lx, "DEPTH is 0, 1 or infinity");
	} else {
		lexer_fail(lx, "This option is not known, or there twice");
	}
}

/* "(MAXSIZE 100 DEPTH 1) ", if it comes next: no entry begins with a letter. */
static bool options(struct lexer *lx, struct getmetadata_request *g)
{
	bool has_depth = false;
	const char *at = lx->at + 1;
	if (!lexer_peek(lx, '(') || at == lx->end || !is_atom_char(*at) || *at == '/')
		return false;
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx))
		option(lx, g, &has_depth);
	lexer_space(lx);
	return true;
}

/* The grammar has the options before the mailbox (RFC 5464 5), the RFC's examples behind it: either will do. */
void parse_getmetadata(struct lexer *lx, struct request *r)
{
	struct getmetadata_request *g = &r->getmetadata;
	lexer_space(lx);
	bool has_options = options(lx, g);
	g->name = lexer_astring(lx);
	lexer_space(lx);
	if (!has_options)
		options(lx, g);
	bool above = g->depth != METADATA_ENTRY;
	if (lexer_peek(lx, '('))
		parse_metadata_names(lx, above, &g->entries);
	else
		add_entry(lx, &g->entries, above);
}

void parse_setmetadata(struct lexer *lx, struct request *r)
{
	struct setmetadata_request *s = &r->setmetadata;
	lexer_space(lx);
	s->name = lexer_astring(lx);
	lexer_space(lx);
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "An entry is expected");
	for (; on; on = lexer_list_more(lx)) {
		struct metadata_pair pair = {.entry = entry(lx, false)};
		lexer_space(lx);
		pair.value = lexer_value(lx);
		if (!lexer_within(lx, LIMIT_METADATA_ENTRIES, s->pairs_n + 1))
			return;
		s->pairs = arena_grow(lx->arena, s->pairs, s->pairs_n, sizeof(*s->pairs));
		s->pairs[s->pairs_n++] = pair;
	}
}
