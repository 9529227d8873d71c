#include "storage/append.h"

#include "storage/roster.h"

enum store_err append_check(const struct account *a, const struct roster *r, uint32_t n, const uint32_t *flagsets,
			    size_t flagsets_n)
{
	if (n > UINT32_MAX - r->info.uidnext)
		return STORE_LIMIT;
	return roster_check_keywords(a, r, flagsets, flagsets_n);
}

enum store_err messages_append(struct account *a, int64_t mailbox, const struct append_item *items, uint32_t n,
			       uint32_t *first)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	uint32_t *flagsets = xmalloc(n * sizeof(*flagsets));
	for (uint32_t i = 0; i < n; i++)
		flagsets[i] = items[i].flagset;
	err = append_check(a, r, n, flagsets, n);
	free(flagsets);
	if (err)
		return err;
	for (uint32_t i = 0, least = r->info.uidnext; i < n; i++, least++) {
		invariant(!items[i].uid || items[i].uid >= least);
		least = items[i].uid ? items[i].uid : least;
		if (least > UINT32_MAX - (n - i))
			return STORE_LIMIT;
	}
	*first = n && items[0].uid ? items[0].uid : r->info.uidnext;
	int64_t now = a->env->now_s(a->env->ctx);
	for (uint32_t i = 0; i < n; i++) {
		if (items[i].uid)
			r->info.uidnext = items[i].uid;
		struct roster_entry e = {.uid = r->info.uidnext++, .flagset = items[i].flagset,
					 .modseq = account_modseq(a), .internal_date = items[i].internal_date,
					 .zone_min = items[i].zone_min, .save_date = now, .size = items[i].size,
					 .content = items[i].content};
		roster_append(a, r, &e);
	}
	account_durable(a);
	return STORE_OK;
}
