#include "storage/store.h"

#include "storage/changes.h"
#include "storage/roster.h"

enum { UNMAPPED = UINT32_MAX };

/* Few sets stand for many messages: each that `set` meets is mapped once.  Before anything changes, so that a limit
 * leaves all as it was.  `made` are the sets that messages will have. */
static enum store_err make_map(struct account *a, const struct roster *r, const struct uidset *set, enum flag_op op,
			       const struct flag_spec *spec, uint32_t *map, uint32_t *made, size_t *made_n)
{
	struct roster_cursor cursor;
	struct roster_slice s;
	enum store_err err = STORE_OK;
	roster_cursor_init(&cursor, r, set);
	while (roster_cursor_next(&cursor, &s)) {
		for (uint32_t i = 0; i < s.n; i++) {
			uint32_t from = s.flagset[i];
			if (map[from] != UNMAPPED)
				continue;
			err = flagset_apply(a, from, op, spec, &map[from]);
			if (err)
				return err;
			made[(*made_n)++] = map[from];
		}
	}
	return STORE_OK;
}

struct sink {
	struct change *change;
	struct account *account;
	int64_t mailbox;
	struct uidset *changed;
};

static void on_run(void *ctx, const struct roster_flag_run *run)
{
	struct sink *sink = ctx;
	if (run->adjoins)
		sink->changed->v[sink->changed->n - 1].hi = run->hi;
	else
		uidset_append(sink->changed, run->lo, run->hi);
	if (!sink->change)
		sink->change = account_touch(sink->account, sink->mailbox, CHANGE_FLAGS);
	change_add_run(sink->change, run);
}

enum store_err messages_store(struct account *a, int64_t mailbox, const struct uidset *set, enum flag_op op,
			      const struct flag_spec *spec, struct uidset *changed)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	size_t n = a->flags->n, made_n = 0;
	uint32_t *map = xmalloc(n * 2 * sizeof(*map)), *made = map + n;
	for (size_t i = 0; i < n; i++)
		map[i] = UNMAPPED;
	err = make_map(a, r, set, op, spec, map, made, &made_n);
	if (!err)
		err = roster_check_keywords(a, r, made, made_n);
	struct sink sink = {.account = a, .mailbox = mailbox, .changed = changed};
	if (!err)
		roster_map_flags(a, r, set, map, on_run, &sink);
	free(map);
	return err;
}
