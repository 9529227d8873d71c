#include "protocol/lmtp/parse.h"

static const struct {
	const char *verb;
	enum lmtp_kind kind;
} verbs[] = {
	{"LHLO", LMTP_LHLO}, {"HELO", LMTP_HELO}, {"EHLO", LMTP_HELO}, {"MAIL", LMTP_MAIL}, {"RCPT", LMTP_RCPT},
	{"DATA", LMTP_DATA}, {"BDAT", LMTP_BDAT}, {"RSET", LMTP_RSET}, {"NOOP", LMTP_NOOP}, {"QUIT", LMTP_QUIT}, {"VRFY", LMTP_VRFY},
};

static struct span trim(struct span s)
{
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = span_after(s, 1);
	return s;
}

/* Up to the first space; *rest is what follows it, without leading spaces. */
static struct span word(struct span s, struct span *rest)
{
	const char *sp = s.len ? memchr(s.ptr, ' ', s.len) : NULL;
	struct span w = span_make(s.ptr, sp ? (size_t)(sp - s.ptr) : s.len);
	*rest = trim(span_after(s, w.len));
	return w;
}

static bool is_legal_domain(struct span s)
{
	if (s.len == 0 || s.len > LMTP_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f || strchr("()<>\\\",;", s.ptr[i]))
			return false;
	return true;
}

/* How long the local part is that a path begins with: a quoted string, or octets without specials. 0 is none. */
static size_t local_part(struct span s)
{
	size_t at = 0;
	if (s.len && s.ptr[0] == '"') {
		for (at = 1; at < s.len && s.ptr[at] != '"'; at++)
			at += s.ptr[at] == '\\';
		return at < s.len ? at + 1 : 0;
	}
	while (at < s.len && s.ptr[at] != '@' && !strchr("<>()[]:;,\\\" ", s.ptr[at]))
		at++;
	return at;
}

/* Mailbox, or a local part alone (RFC 5321 4.1.2). */
static bool is_legal_path(struct span s)
{
	size_t local = local_part(s);
	if (local == 0 || s.len > LMTP_PATH_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return local == s.len || (s.ptr[local] == '@' && is_legal_domain(span_after(s, local + 1)));
}

/* "@a,@b:" before the mailbox is to be ignored (RFC 5321 4.1.1.3, Appendix C). */
static struct span without_route(struct span s)
{
	const char *colon = s.len && s.ptr[0] == '@' ? memchr(s.ptr, ':', s.len) : NULL;
	return colon ? span_after(s, (size_t)(colon - s.ptr) + 1) : s;
}

/* The '>' that ends the path whose '<' was just passed; one in a quoted string does not. */
static size_t path_end(struct span s)
{
	bool quoted = false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && quoted)
			i++;
		else if (s.ptr[i] == '"')
			quoted = !quoted;
		else if (s.ptr[i] == '>' && !quoted)
			return i;
	}
	return s.len;
}

/* "FROM:<path> parameters". */
static bool read_path(struct span s, const char *keyword, bool may_be_empty, struct span *path, struct span *rest)
{
	size_t n = strlen(keyword);
	if (s.len < n || strncasecmp(s.ptr, keyword, n) != 0)
		return false;
	s = trim(span_after(s, n)); /* a space here is wrong and common */
	if (s.len == 0 || s.ptr[0] != '<')
		return false;
	s = span_after(s, 1);
	size_t end = path_end(s);
	if (end == s.len)
		return false;
	*path = without_route(span_make(s.ptr, end));
	*rest = span_after(s, end + 1);
	if (rest->len && rest->ptr[0] != ' ')
		return false;
	*rest = trim(*rest);
	return path->len == 0 ? may_be_empty && end == 0 : is_legal_path(*path);
}

/* 1*20DIGIT (RFC 1870 4). More than there are octets in the world is as much as there are. */
static bool read_size(struct span s, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(s.ptr[i] - '0');
		*out = *out > (INT64_MAX - digit) / 10 ? INT64_MAX : *out * 10 + digit;
	}
	return s.len > 0 && s.len <= 20;
}

static enum lmtp_error mail_parameter(struct span parameter, struct lmtp_command *c)
{
	struct span size = span_of("SIZE="), body = span_of("BODY=");
	if (parameter.len >= size.len && span_iequal(span_make(parameter.ptr, size.len), size)) {
		bool again = c->has_size;
		c->has_size = true;
		return !again && read_size(span_after(parameter, size.len), &c->size) ? LMTP_OK : LMTP_BAD_ARGUMENTS;
	}
	if (parameter.len >= body.len && span_iequal(span_make(parameter.ptr, body.len), body)) {
		struct span value = span_after(parameter, body.len);
		c->is_binary = span_is(value, "BINARYMIME"); /* RFC 3030 3 */
		bool known = c->is_binary || span_is(value, "7BIT") || span_is(value, "8BITMIME"); /* RFC 6152 3 */
		return known ? LMTP_OK : LMTP_BAD_ARGUMENTS;
	}
	if (span_is(parameter, "SMTPUTF8")) { /* RFC 6531 3.4 */
		c->is_utf8 = true;
		return LMTP_OK;
	}
	return LMTP_BAD_PARAMETER;
}

static enum lmtp_error mail(struct span arguments, struct lmtp_command *c)
{
	struct span rest;
	if (!read_path(arguments, "FROM:", true, &c->path, &rest))
		return LMTP_BAD_SENDER;
	enum lmtp_error error = LMTP_OK;
	while (rest.len && !error)
		error = mail_parameter(word(rest, &rest), c);
	return error;
}

static enum lmtp_error rcpt(struct span arguments, struct lmtp_command *c)
{
	struct span rest;
	if (!read_path(arguments, "TO:", false, &c->path, &rest))
		return LMTP_BAD_RECIPIENT;
	return rest.len ? LMTP_BAD_PARAMETER : LMTP_OK;
}

/* "BDAT" SP chunk-size [SP "LAST"] (RFC 3030 2). */
static enum lmtp_error bdat(struct span arguments, struct lmtp_command *c)
{
	struct span rest, size = word(arguments, &rest);
	c->is_last = span_is(rest, "LAST");
	return read_size(size, &c->size) && (rest.len == 0 || c->is_last) ? LMTP_OK : LMTP_BAD_ARGUMENTS;
}

enum lmtp_error lmtp_parse(struct span line, struct lmtp_command *out)
{
	struct span arguments, verb = word(trim(line), &arguments);
	*out = (struct lmtp_command){.kind = LMTP_UNKNOWN};
	for (size_t i = 0; i < countof(verbs); i++)
		if (span_is(verb, verbs[i].verb))
			out->kind = verbs[i].kind;
	switch (out->kind) {
	case LMTP_UNKNOWN:
		return LMTP_BAD_COMMAND;
	case LMTP_LHLO:
		out->domain = word(arguments, &arguments);
		return is_legal_domain(out->domain) && !arguments.len ? LMTP_OK : LMTP_BAD_ARGUMENTS;
	case LMTP_MAIL:
		return mail(arguments, out);
	case LMTP_RCPT:
		return rcpt(arguments, out);
	case LMTP_BDAT:
		return bdat(arguments, out);
	case LMTP_DATA: case LMTP_RSET: case LMTP_QUIT:
		return arguments.len ? LMTP_BAD_ARGUMENTS : LMTP_OK;
	case LMTP_VRFY: /* also with SMTPUTF8 behind the name (RFC 6531 3.7.4.2) */
		return arguments.len ? LMTP_OK : LMTP_BAD_ARGUMENTS;
	case LMTP_HELO: case LMTP_NOOP:
		break;
	}
	return LMTP_OK;
}

size_t lmtp_path_address(struct span path, char *out, size_t size)
{
	size_t n = 0, local = local_part(path);
	for (size_t i = 0; i < path.len; i++) {
		bool in_quotes = i < local && path.ptr[0] == '"';
		if (in_quotes && path.ptr[i] == '"')
			continue;
		if (in_quotes && path.ptr[i] == '\\' && i + 1 < local)
			i++;
		if (n + 1 >= size)
			return 0;
		out[n++] = path.ptr[i];
	}
	if (size)
		out[n] = '\0';
	return n;
}
