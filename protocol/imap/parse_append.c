/* APPEND and REPLACE: all that stands between the literals of their messages (RFC 3501 6.3.11, 3502, 4469, 8508). */
#include "protocol/imap/parse.h"

#include "protocol/imap/date.h"
#include "protocol/imap/parse_family.h"

/* The head of the literal that ends the text: its octets are not there. */
static bool at_last_literal(const struct lexer *lx, bool may_be_binary)
{
	bool binary = lexer_peek(lx, '~') && lx->at + 1 < lx->end && lx->at[1] == '{';
	bool is_literal = lexer_peek(lx, '{') || (may_be_binary && binary);
	return is_literal && !memchr(lx->at, '\n', (size_t)(lx->end - lx->at));
}

static bool stop(struct lexer *lx, struct append_request *r, enum append_stop why)
{
	if (!lexer_failed(lx))
		lx->at = lx->end;
	r->stop = why;
	return false;
}

static struct append_step *add_step(struct lexer *lx, struct append_request *r, enum append_step_kind kind)
{
	r->steps = arena_grow(lx->arena, r->steps, r->steps_n, sizeof(*r->steps));
	struct append_step *step = &r->steps[r->steps_n++];
	*step = (struct append_step){.kind = kind};
	return step;
}

/* All of these return false where the text stops, or after an error. */

static bool word(struct lexer *lx, struct append_request *r, struct span *out)
{
	if (at_last_literal(lx, false))
		return stop(lx, r, APPEND_KEEPS);
	*out = lexer_astring(lx);
	return !lexer_failed(lx);
}

static bool cat_part(struct lexer *lx, struct append_request *r)
{
	struct span url;
	if (lexer_accept_word(lx, "URL")) {
		lexer_space(lx);
		if (!word(lx, r, &url))
			return false;
		add_step(lx, r, APPEND_URL)->url = url;
		return true;
	}
	if (!lexer_accept_word(lx, "TEXT"))
		lexer_fail(lx, "TEXT or URL is expected");
	lexer_space(lx);
	if (!at_last_literal(lx, false))
		lexer_fail(lx, "A literal is expected");
	return stop(lx, r, APPEND_TEXT);
}

/* cat-part *(SP cat-part) ")" (RFC 4469 5), behind the parenthesis or behind a part. */
static bool cat_parts(struct lexer *lx, struct append_request *r, bool first)
{
	while (first || !lexer_accept(lx, ')')) {
		if (!first)
			lexer_space(lx);
		first = false;
		if (!cat_part(lx, r))
			return false;
	}
	add_step(lx, r, APPEND_ENDS);
	return true;
}

/* What is said of a message, and the message. */
static bool message(struct lexer *lx, struct append_request *r)
{
	struct append_step *step = add_step(lx, r, APPEND_BEGINS);
	lexer_space(lx);
	if (lexer_peek(lx, '(')) {
		flags_parse_list(lx, &step->flags);
		lexer_space(lx);
	}
	if (lexer_peek(lx, '"')) {
		step->has_date = true;
		if (!date_time_parse(lexer_quoted(lx), &step->date_unix_s, &step->zone_min))
			lexer_fail(lx, "This is not a date-time");
		lexer_space(lx);
	}
	if (lexer_accept_word(lx, "CATENATE")) {
		lexer_space(lx);
		lexer_expect(lx, '(', "A parenthesis is expected");
		return !lexer_failed(lx) && cat_parts(lx, r, true);
	}
	/* RFC 9755 has dropped "UTF8 (literal8)"; clients written to RFC 6855 4 send it with all that they add. */
	bool closes = (lx->dialect & DIALECT_UTF8) && lexer_accept_word(lx, "UTF8");
	if (closes) {
		lexer_space(lx);
		lexer_expect(lx, '(', "A parenthesis is expected");
	}
	if (!at_last_literal(lx, true) || (closes && !lexer_peek(lx, '~')))
		lexer_fail(lx, "A literal is expected");
	return stop(lx, r, closes ? APPEND_UTF8 : APPEND_LITERAL);
}

/* Messages, up to a literal or the command's end.  A command has at least one, REPLACE no other. */
static void messages(struct lexer *lx, struct append_request *r, enum append_place place, bool single)
{
	if (place == APPEND_IN_LIST) {
		if (!cat_parts(lx, r, false))
			return;
		place = APPEND_AFTER;
	} else if (place == APPEND_IN_UTF8) {
		lexer_expect(lx, ')', "A closing parenthesis is expected");
		place = APPEND_AFTER;
	}
	while (!lexer_failed(lx)) {
		if (place == APPEND_AFTER && (lx->at == lx->end || single)) {
			r->stop = APPEND_STOPS;
			lexer_end(lx);
			return;
		}
		if (!message(lx, r))
			return;
		place = APPEND_AFTER;
	}
}

/* Behind the command's name. */
static void arguments(struct lexer *lx, struct append_request *r, bool replace)
{
	lexer_space(lx);
	if (replace) {
		numset_parse(lx, &r->set);
		if (!lexer_failed(lx) && (r->set.n != 1 || r->set.v[0].lo != r->set.v[0].hi))
			lexer_fail(lx, "One message is expected"); /* RFC 8508 5: seq-number */
		lexer_space(lx);
	}
	if (word(lx, r, &r->name))
		messages(lx, r, APPEND_AT_START, replace);
}

void parse_append_command(struct lexer *lx, struct request *r)
{
	arguments(lx, &r->append, r->kind == CMD_REPLACE);
	if (!lexer_failed(lx) && r->append.stop != APPEND_STOPS)
		lexer_fail(lx, "The literal is not there");
}

static void command(struct lexer *lx, struct append_request *r, bool *uid)
{
	parse_tag(lx);
	*uid = lexer_accept_word(lx, "UID");
	if (*uid)
		lexer_space(lx);
	bool replace = lexer_accept_word(lx, "REPLACE");
	if (!replace && (*uid || !lexer_accept_word(lx, "APPEND")))
		lexer_fail(lx, "APPEND or REPLACE is expected");
	if (replace && !*uid)
		lexer_takes_numbers(lx);
	arguments(lx, r, replace);
}

bool parse_append_streams(struct span text)
{
	struct arena a;
	struct lexer lx;
	struct append_request r = {0};
	bool uid;
	arena_init(&a);
	lexer_init(&lx, &a, text, DIALECT_UTF8);
	command(&lx, &r, &uid);
	/* What is wrong is said by the command itself. */
	bool streams = lexer_failed(&lx) || r.stop != APPEND_KEEPS;
	arena_finish(&a);
	return streams;
}

enum parse_status parse_append(struct arena *a, struct span text, unsigned dialect, enum append_place place, bool single,
			       struct request *out, struct parse_error *error)
{
	struct lexer lx;
	lexer_init(&lx, a, text, dialect);
	out->append = (struct append_request){0};
	if (place == APPEND_AT_START)
		command(&lx, &out->append, &out->uid);
	else
		messages(&lx, &out->append, place, single);
	return parse_status_of(&lx, error);
}
