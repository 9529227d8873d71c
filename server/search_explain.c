#include "server/search_explain.h"

#include "protocol/imap/flags.h"
#include "server/search_private.h"

static const char *const names[] = {
	[SEARCH_ALL] = "ALL", [SEARCH_FLAG] = "FLAG", [SEARCH_KEYWORD] = "KEYWORD", [SEARCH_RECENT] = "RECENT",
	[SEARCH_SAVED] = "$", [SEARCH_SEQ] = "numbers", [SEARCH_UID] = "UID", [SEARCH_LARGER] = "LARGER",
	[SEARCH_SMALLER] = "SMALLER", [SEARCH_BEFORE] = "BEFORE", [SEARCH_ON] = "ON", [SEARCH_SINCE] = "SINCE",
	[SEARCH_SENTBEFORE] = "SENTBEFORE", [SEARCH_SENTON] = "SENTON", [SEARCH_SENTSINCE] = "SENTSINCE",
	[SEARCH_OLDER] = "OLDER", [SEARCH_YOUNGER] = "YOUNGER", [SEARCH_SAVEDBEFORE] = "SAVEDBEFORE",
	[SEARCH_SAVEDON] = "SAVEDON", [SEARCH_SAVEDSINCE] = "SAVEDSINCE", [SEARCH_EMAILID] = "EMAILID",
	[SEARCH_THREADID] = "THREADID", [SEARCH_FIELD] = "", [SEARCH_HEADER] = "HEADER", [SEARCH_BODY] = "BODY",
	[SEARCH_TEXT] = "TEXT", [SEARCH_MODSEQ] = "MODSEQ", [SEARCH_AND] = "AND", [SEARCH_OR] = "OR", [SEARCH_NOT] = "NOT",
};

static void write_key(struct buf *out, const struct search_node *node)
{
	bool has_number = node->kind == SEARCH_LARGER || node->kind == SEARCH_SMALLER || node->kind == SEARCH_MODSEQ ||
			  node->kind == SEARCH_OLDER || node->kind == SEARCH_YOUNGER;
	if (node->kind == SEARCH_FLAG) {
		flags_write(out, node->bits);
		return;
	}
	buf_add_text(out, node->fuzzy ? "FUZZY " : "");
	buf_add_text(out, names[node->kind]);
	if (node->name.len) {
		buf_add_text(out, node->kind == SEARCH_FIELD ? "" : " ");
		buf_add_span(out, node->name);
	}
	if (node->text.ptr) {
		buf_add_text(out, " \"");
		for (size_t i = 0; i < node->text.len; i++) /* words have a NUL between them */
			buf_add_char(out, node->text.ptr[i] ? node->text.ptr[i] : ' ');
		buf_add_text(out, "\"");
	} else if (has_number) {
		buf_printf(out, " %lld", (long long)node->number);
	}
}

static const char *answered_by(const struct search *s, const struct search_node *node)
{
	if (node->children_n)
		return "";
	if (node->filter.state == FILTER_READY)
		return node->filter.until < s->newest ? "index, then messages; those not indexed yet are read" : "index, then messages";
	if (node->cost == COST_ROSTER)
		return "memory";
	if (node->cost == COST_ROW)
		return node->kind == SEARCH_THREADID ? "rows" : "memory, then rows";
	return node->cost == COST_HEADER ? "headers" : "messages";
}

static void explain(const struct search *s, const struct search_node *node, unsigned depth, search_explained *each,
		    void *ctx)
{
	struct buf text;
	buf_init(&text, 1 << 16);
	for (unsigned i = 0; i < depth; i++)
		buf_add_text(&text, "  ");
	write_key(&text, node);
	struct search_line line = {.key = buf_span(&text), .by = answered_by(s, node), .looked = node->looked, .held = node->held,
				   .named = node->filter.state == FILTER_READY ? (int64_t)node->filter.n : -1};
	each(ctx, &line);
	buf_finish(&text);
	for (size_t i = 0; i < node->children_n; i++)
		explain(s, node->children[i], depth + 1, each, ctx);
}

void search_explain(const struct search *s, search_explained *each, void *ctx)
{
	explain(s, s->root, 0, each, ctx);
}
