/* Whether two programs find the same messages, as bytes that are equal then. */
#include "server/search_private.h"

static void add_number(struct buf *out, uint64_t n)
{
	buf_add(out, &n, sizeof(n));
}

static void add_text(struct buf *out, struct span s)
{
	add_number(out, s.len);
	buf_add_span(out, s);
}

/* False: what it finds depends on when it is asked, and by whom. */
static bool lasts(const struct search_node *node, struct search_reads *reads)
{
	switch (node->kind) {
	case SEARCH_FLAG:
		reads->flags |= node->bits;
		return true;
	case SEARCH_KEYWORD:
		reads->keywords = true;
		return true;
	case SEARCH_ALL: case SEARCH_UID: case SEARCH_LARGER: case SEARCH_SMALLER: case SEARCH_BEFORE: case SEARCH_ON:
	case SEARCH_SINCE: case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE: case SEARCH_SAVEDBEFORE:
	case SEARCH_SAVEDON: case SEARCH_SAVEDSINCE: case SEARCH_EMAILID: case SEARCH_THREADID: case SEARCH_FIELD:
	case SEARCH_HEADER: case SEARCH_BODY: case SEARCH_TEXT: case SEARCH_AND: case SEARCH_OR: case SEARCH_NOT:
	case SEARCH_FUZZY:
		return true;
	case SEARCH_RECENT: case SEARCH_SAVED: case SEARCH_SEQ: case SEARCH_OLDER: case SEARCH_YOUNGER: case SEARCH_MODSEQ:
		break;
	}
	return false;
}

static bool add_node(const struct search_node *node, struct buf *out, struct search_reads *reads)
{
	if (!lasts(node, reads) || node->set.saved)
		return false;
	add_number(out, (uint64_t)node->kind << 32 | node->bits);
	/* What EMAILID found is not what it asked for. */
	add_number(out, node->kind == SEARCH_EMAILID ? 0 : (uint64_t)node->number);
	add_number(out, node->fuzzy);
	add_text(out, node->name);
	add_text(out, node->text);
	add_number(out, node->set.n);
	buf_add(out, node->set.v, node->set.n * sizeof(*node->set.v));
	add_number(out, node->children_n);
	for (size_t i = 0; i < node->children_n; i++)
		if (!add_node(node->children[i], out, reads))
			return false;
	return true;
}

bool search_identity(const struct search *s, struct buf *out, struct search_reads *reads)
{
	*reads = (struct search_reads){0};
	return !s->scored && add_node(s->root, out, reads) && !out->failed;
}
