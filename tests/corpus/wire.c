#include "tests/corpus/wire.h"

enum { WIRE_DEPTH_MAX = 400 };

struct reader {
	struct wire *w;
	struct span rest;
};

static bool fail(struct reader *r, const char *why)
{
	if (!r->w->why)
		r->w->why = why;
	return false;
}

static bool at(const struct reader *r, char c)
{
	return r->rest.len && r->rest.ptr[0] == c;
}

static bool take(struct reader *r, char c)
{
	if (!at(r, c))
		return fail(r, "another character expected");
	r->rest = span_after(r->rest, 1);
	return true;
}

static bool take_number(struct reader *r, uint64_t *out)
{
	uint64_t n = 0;
	size_t digits = 0;
	while (digits < r->rest.len && r->rest.ptr[digits] >= '0' && r->rest.ptr[digits] <= '9' && digits < 11)
		n = n * 10 + (uint64_t)(r->rest.ptr[digits++] - '0');
	if (digits == 0 || n > UINT32_MAX)
		return fail(r, "number");
	r->rest = span_after(r->rest, digits);
	*out = n;
	return true;
}

static bool take_literal(struct reader *r, struct span *out)
{
	uint64_t n;
	if (!take(r, '{') || !take_number(r, &n) || !take(r, '}') || !take(r, '\r') || !take(r, '\n'))
		return false;
	if (n > r->rest.len || memchr(r->rest.ptr, '\0', n))
		return fail(r, "literal");
	*out = span_make(r->rest.ptr, n);
	r->rest = span_after(r->rest, n);
	return true;
}

static bool take_quoted(struct reader *r, struct span *out)
{
	size_t n = 0;
	take(r, '"');
	for (; n < r->rest.len && r->rest.ptr[n] != '"'; n++) {
		unsigned char c = (unsigned char)r->rest.ptr[n];
		if (c == 0 || c == '\r' || c == '\n' || c >= 0x80)
			return fail(r, "character in a quoted string");
		if (c == '\\' && (++n >= r->rest.len || (r->rest.ptr[n] != '"' && r->rest.ptr[n] != '\\')))
			return fail(r, "quoted pair");
	}
	*out = span_make(r->rest.ptr, n);
	r->rest = span_after(r->rest, n);
	return take(r, '"');
}

static bool take_value(struct reader *r, bool spaced, unsigned depth)
{
	struct wire_node node = {.kind = WIRE_STRING, .spaced = spaced, .text = r->rest};
	uint32_t self = (uint32_t)(r->w->nodes.len / sizeof(node));
	bool ok = depth < WIRE_DEPTH_MAX;
	buf_add(&r->w->nodes, &node, sizeof(node));
	if (at(r, '(')) {
		node.kind = WIRE_LIST;
		take(r, '(');
		while (ok && !at(r, ')')) {
			bool space = at(r, ' ');
			ok = (!space || take(r, ' ')) && take_value(r, space, depth + 1);
			node.items++;
		}
		ok = ok && (node.items ? take(r, ')') : fail(r, "empty list"));
	} else if (at(r, '"')) {
		ok = ok && take_quoted(r, &node.value);
	} else if (at(r, '{')) {
		ok = ok && take_literal(r, &node.value);
	} else if (r->rest.len >= 3 && memcmp(r->rest.ptr, "NIL", 3) == 0) {
		node.kind = WIRE_NIL;
		r->rest = span_after(r->rest, 3);
	} else {
		node.kind = WIRE_NUMBER;
		ok = ok && take_number(r, &node.number);
	}
	node.text.len = (size_t)(r->rest.ptr - node.text.ptr);
	node.next = (uint32_t)(r->w->nodes.len / sizeof(node));
	memcpy(r->w->nodes.data + self * sizeof(node), &node, sizeof(node));
	return ok || fail(r, "nested too deep");
}

bool wire_read(struct wire *w, struct span text)
{
	struct reader r = {.w = w, .rest = text};
	w->why = NULL;
	buf_init(&w->nodes, SIZE_MAX);
	return take_value(&r, false, 0) && (r.rest.len == 0 || fail(&r, "something behind it"));
}

void wire_finish(struct wire *w)
{
	buf_finish(&w->nodes);
}
