/* LOGIN, AUTHENTICATE, COMPRESS, ENABLE, ID. */
#include "protocol/imap/parse_family.h"

void parse_login(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	r->login.user = lexer_astring(lx);
	lexer_space(lx);
	r->login.password = lexer_astring(lx);
}

static bool is_base64_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* *(4base64-char) [2base64-char "==" / 3base64-char "="] (RFC 3501 9, base64) */
static bool is_base64(struct span s)
{
	size_t body = s.len;
	while (body > 0 && s.len - body < 2 && s.ptr[body - 1] == '=')
		body--;
	for (size_t i = 0; i < body; i++)
		if (!is_base64_char(s.ptr[i]))
			return false;
	return s.len % 4 == 0;
}

void parse_authenticate(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	r->authenticate.mechanism = lexer_atom(lx);
	if (!lexer_accept(lx, ' '))
		return;
	struct span initial = lexer_atom(lx);
	if (!span_is(initial, "=") && !is_base64(initial))
		lexer_fail(lx, "The initial response is not base64"); /* RFC 4959 4 */
	r->authenticate.initial = initial;
}

/* The one algorithm there is leaves nothing to remember (RFC 4978 5). */
void parse_compress(struct lexer *lx, struct request *r)
{
	(void)r;
	lexer_space(lx);
	if (!lexer_accept_word(lx, "DEFLATE"))
		lexer_fail(lx, "DEFLATE is the only algorithm");
}

void parse_enable(struct lexer *lx, struct request *r)
{
	struct enable_request *e = &r->enable;
	do {
		lexer_space(lx);
		struct span name = lexer_atom(lx);
		if (!lexer_within(lx, LIMIT_ENABLE_NAMES, e->names_n + 1))
			return;
		e->names = arena_grow(lx->arena, e->names, e->names_n, sizeof(*e->names));
		e->names[e->names_n++] = name;
	} while (lexer_peek(lx, ' '));
}

static void id_pair(struct lexer *lx, struct id_request *id)
{
	struct id_pair pair = {.key = lexer_string(lx)};
	lexer_space(lx);
	pair.value = lexer_nstring(lx);
	if (!lexer_within(lx, LIMIT_ID_PAIRS, id->pairs_n + 1) || !lexer_within(lx, LIMIT_ID_KEY_BYTES, pair.key.len) ||
	    !lexer_within(lx, LIMIT_ID_VALUE_BYTES, pair.value.len))
		return;
	for (size_t i = 0; i < id->pairs_n; i++)
		if (span_iequal(id->pairs[i].key, pair.key))
			lexer_fail(lx, "An ID field is there twice"); /* RFC 2971 3.3 */
	id->pairs = arena_grow(lx->arena, id->pairs, id->pairs_n, sizeof(*id->pairs));
	id->pairs[id->pairs_n++] = pair;
}

void parse_id(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	if (lexer_accept_word(lx, "NIL"))
		return;
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx))
		id_pair(lx, &r->id);
}
