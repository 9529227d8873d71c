#include "storage/copy.h"

#include "storage/append.h"
#include "storage/expunge.h"
#include "storage/roster.h"

void copy_result_finish(struct copy_result *r)
{
	uidset_finish(&r->source);
	*r = (struct copy_result){0};
}

/* Counts what `set` names and checks that the target takes it. */
static enum store_err check(struct account *a, const struct roster *from, const struct uidset *set,
			    const struct roster *to, uint32_t *n)
{
	struct roster_cursor cursor;
	struct roster_slice s;
	uint32_t *used = xcalloc(a->flags->n, sizeof(*used)), used_n = 0;
	*n = 0;
	roster_cursor_init(&cursor, from, set);
	while (roster_cursor_next(&cursor, &s)) {
		*n += s.n;
		for (uint32_t i = 0; i < s.n; i++)
			used[s.flagset[i]] = 1;
	}
	for (uint32_t id = 0; id < a->flags->n; id++)
		if (used[id])
			used[used_n++] = id;
	enum store_err err = append_check(a, to, *n, used, used_n);
	free(used);
	return err;
}

static void copy_slice(struct account *a, struct roster *from, struct roster *to, const struct roster_slice *s,
		       struct copy_result *out)
{
	int64_t now = a->env->now_s(a->env->ctx);
	for (uint32_t i = 0; i < s->n; i++) {
		/* Within one mailbox, adding may move the columns. */
		struct roster_entry e;
		if (from == to)
			roster_read(from, s->index + i, &e);
		else
			e = roster_entry_at(s, i);
		uidset_append(&out->source, e.uid, e.uid);
		e.uid = to->info.uidnext++;
		e.modseq = account_modseq(a);
		e.save_date = now;
		roster_append(a, to, &e);
	}
}

enum store_err messages_copy(struct account *a, int64_t source, const struct uidset *set, int64_t target,
			     struct copy_result *out)
{
	struct roster *from, *to = NULL;
	*out = (struct copy_result){0};
	enum store_err err = roster_get(a, source, &from);
	if (!err)
		err = roster_get(a, target, &to);
	if (!err)
		err = check(a, from, set, to, &out->n);
	if (err || out->n == 0)
		return err;
	out->uidvalidity = to->info.uidvalidity;
	out->first = to->info.uidnext;
	struct roster_cursor cursor;
	struct roster_slice s;
	roster_cursor_init(&cursor, from, set);
	while (roster_cursor_next(&cursor, &s))
		copy_slice(a, from, to, &s, out);
	invariant(to->info.uidnext == out->first + out->n);
	account_durable(a);
	return STORE_OK;
}

enum store_err messages_move(struct account *a, int64_t source, const struct uidset *set, int64_t target,
			     struct copy_result *out)
{
	enum store_err err = messages_copy(a, source, set, target, out);
	return err || out->n == 0 ? err : messages_remove(a, source, &out->source);
}
