#include "protocol/imap/pattern.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/mutf7.h"
#include "protocol/imap/name.h"

#include <utf8proc.h>

enum { PATTERN_BYTES_MAX = 2 * NAME_BYTES_MAX + 1 }; /* a wildcard before and behind each octet of a name */

static bool is_wildcard(char c)
{
	return c == '*' || c == '%';
}

/* A run of wildcards is one: '*' if there is one in it. */
static size_t collapse(char *text)
{
	size_t n = 0;
	for (const char *p = text; *p; p++) {
		if (n && is_wildcard(*p) && is_wildcard(text[n - 1]))
			text[n - 1] = *p == '*' ? '*' : text[n - 1];
		else
			text[n++] = *p;
	}
	return n;
}

static bool decode(struct buf *out, struct span wire, unsigned dialect)
{
	if (!(dialect & DIALECT_UTF8))
		return mutf7_decode(wire, out);
	buf_add_span(out, wire);
	return true;
}

void pattern_init(struct pattern *p, struct arena *a, struct span reference, struct span pattern, unsigned dialect)
{
	struct buf b;
	*p = (struct pattern){.text = span_make("", 0), .never = true};
	/* Three octets of UTF-8 are 16 bits, and so 2 2/3 characters of a long shift. */
	buf_init(&b, (reference.len + pattern.len) * 2 + 1);
	bool ok = decode(&b, reference, dialect) && decode(&b, pattern, dialect);
	ok = ok && !(b.len && memchr(b.data, '\0', b.len));
	buf_add_char(&b, '\0');
	if (ok && !b.failed) {
		char *nfc = (char *)utf8proc_NFC((const utf8proc_uint8_t *)b.data);
		size_t len = nfc ? collapse(nfc) : 0;
		if (nfc && len <= PATTERN_BYTES_MAX) {
			p->text = arena_copy(a, span_make(nfc, len));
			p->never = false;
		}
		free(nfc);
	}
	buf_finish(&b);
	while (p->literal < p->text.len && !is_wildcard(p->text.ptr[p->literal]))
		p->literal++;
}

static bool same(char wanted, char c, bool fold)
{
	return wanted == c || (fold && wanted >= 'a' && wanted <= 'z' && wanted - 'a' + 'A' == c);
}

/* Places in the pattern that the name read so far can have led to; each is in the set once. */
struct places {
	uint16_t at[PATTERN_BYTES_MAX + 1];
	size_t n;
};

/* A wildcard may also stand for nothing. */
static void places_add(struct places *set, uint32_t *seen, uint32_t round, struct span text, size_t place)
{
	for (bool on = true; on && seen[place] != round; place++) {
		seen[place] = round;
		set->at[set->n++] = (uint16_t)place;
		on = place < text.len && is_wildcard(text.ptr[place]);
	}
}

/* All places are followed at once, so that no pattern makes it try a name twice. */
static bool matches_from(struct span text, size_t place, const char *name, size_t skipped, bool inbox)
{
	struct places sets[2], *now = &sets[0], *next = &sets[1];
	uint32_t seen[PATTERN_BYTES_MAX + 2] = {0}, round = 1;
	now->n = 0;
	places_add(now, seen, round, text, place);
	for (size_t i = skipped; name[i] && now->n; i++) {
		round++;
		next->n = 0;
		for (size_t k = 0; k < now->n; k++) {
			size_t at = now->at[k];
			if (at == text.len)
				continue;
			char c = text.ptr[at];
			if (c == '*' || (c == '%' && name[i] != '/'))
				places_add(next, seen, round, text, at);
			else if (c != '%' && same(c, name[i], inbox && i < 5))
				places_add(next, seen, round, text, at + 1);
		}
		struct places *swap = now;
		now = next;
		next = swap;
	}
	return seen[text.len] == round && now->n > 0;
}

bool pattern_matches(const struct pattern *p, const char *name)
{
	bool inbox = strncmp(name, "INBOX", 5) == 0 && (name[5] == '\0' || name[5] == '/');
	if (p->never)
		return false;
	for (size_t i = 0; i < p->literal; i++)
		if (!name[i] || !same(p->text.ptr[i], name[i], inbox && i < 5))
			return false;
	const char *rest = name + p->literal;
	if (p->literal == p->text.len)
		return *rest == '\0';
	if (p->literal + 1 == p->text.len) /* the usual ones: "*", "%", "a/%" */
		return p->text.ptr[p->literal] == '*' || !strchr(rest, '/');
	return matches_from(p->text, p->literal, name, p->literal, inbox);
}
