/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208 7). */
#include "protocol/imap/parse_family.h"

void parse_quota(struct lexer *lx, struct request *r)
{
	lexer_space(lx);
	r->quota.name = lexer_astring(lx);
	if (r->kind != CMD_SETQUOTA)
		return;
	lexer_space(lx);
	for (bool on = lexer_list(lx); on; on = lexer_list_more(lx)) {
		struct quota_request *q = &r->quota;
		q->limits = arena_grow(lx->arena, q->limits, q->limits_n, sizeof(*q->limits));
		struct quota_limit *l = &q->limits[q->limits_n++];
		l->resource = lexer_atom(lx);
		lexer_space(lx);
		l->value = lexer_number(lx, INT64_MAX);
	}
}
