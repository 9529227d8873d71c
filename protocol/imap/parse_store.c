/* Commands that change messages: STORE, COPY, MOVE, UID EXPUNGE. */
#include "protocol/imap/parse_family.h"

void parse_store(struct lexer *lx, struct request *r)
{
	struct store_request *s = &r->store;
	lexer_space(lx);
	numset_parse_messages(lx, &s->set);
	lexer_space(lx);
	if (lexer_accept(lx, '(')) { /* store-modifiers (RFC 4466 2.5); only this one is known */
		s->has_unchanged = lexer_accept_word(lx, "UNCHANGEDSINCE");
		if (!s->has_unchanged)
			lexer_fail(lx, "This modifier is not known");
		lexer_space(lx);
		s->unchanged_since = lexer_number(lx, INT64_MAX);
		lexer_expect(lx, ')', "A closing parenthesis is expected");
		lexer_space(lx);
	}
	s->op = lexer_accept(lx, '+') ? STORE_ADD : (lexer_accept(lx, '-') ? STORE_REMOVE : STORE_REPLACE);
	s->silent = lexer_accept_word(lx, "FLAGS.SILENT");
	if (!s->silent && !lexer_accept_word(lx, "FLAGS"))
		lexer_fail(lx, "FLAGS is expected");
	lexer_space(lx);
	flags_parse_store(lx, &s->flags);
}

void parse_copy(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	numset_parse_messages(lx, &r->copy.set);
	lexer_space(lx);
	r->copy.name = lexer_astring(lx);
}

void parse_expunge(struct lexer *lx, struct request *r)
{
	if (!r->uid)
		return;
	lexer_space(lx);
	numset_parse_messages(lx, &r->expunge.set);
}
