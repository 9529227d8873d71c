#include "storage/copy.h"

#include "storage/roster.h"

void copy_result_finish(struct copy_result *r)
{
	free(r->source);
	free(r->target);
	*r = (struct copy_result){0};
}

/* The indexes of the messages that `set` names, ascending; heap. */
static uint32_t *indexes_of(const struct roster *r, const struct uidset *set, uint32_t *out_n)
{
	uint32_t n = 0, *v = xmalloc((r->count + 1) * sizeof(*v));
	for (size_t i = 0; i < set->n; i++)
		for (uint32_t at = roster_lower(r, set->v[i].lo); at < r->count && r->uid[at] <= set->v[i].hi; at++)
			v[n++] = at;
	*out_n = n;
	return v;
}

enum store_err messages_append(struct account *a, int64_t mailbox, const struct append_item *items, uint32_t n,
			       uint32_t *first)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	if (n > UINT32_MAX - 1 - r->info.uidnext)
		return STORE_LIMIT;
	*first = r->info.uidnext;
	int64_t now = a->env->now_s(a->env->ctx);
	for (uint32_t i = 0; i < n; i++) {
		struct roster_entry e = {.uid = r->info.uidnext++, .flagset = items[i].flagset,
					 .modseq = account_modseq(a), .internal_date = items[i].internal_date,
					 .zone_min = items[i].zone_min, .save_date = now, .size = items[i].size,
					 .content = items[i].content};
		roster_append(a, r, &e);
	}
	account_durable(a);
	return STORE_OK;
}

static enum store_err copy_indexes(struct account *a, struct roster *from, const uint32_t *indexes, uint32_t n,
				   int64_t target, struct copy_result *out)
{
	struct roster *to;
	enum store_err err = roster_get(a, target, &to);
	if (err)
		return err;
	struct append_item *items = xcalloc(n + 1, sizeof(*items));
	out->source = xmalloc((n + 1) * sizeof(*out->source));
	out->target = xmalloc((n + 1) * sizeof(*out->target));
	for (uint32_t i = 0; i < n; i++) {
		struct roster_entry e;
		roster_read(from, indexes[i], &e);
		items[i] = (struct append_item){e.content, e.size, e.flagset, e.internal_date, e.zone_min};
		out->source[i] = e.uid;
	}
	uint32_t first = 0;
	err = messages_append(a, target, items, n, &first);
	free(items);
	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		out->target[i] = first + i;
	out->n = n;
	out->uidvalidity = to->info.uidvalidity;
	return STORE_OK;
}

enum store_err messages_copy(struct account *a, int64_t source, const struct uidset *set, int64_t target,
			     struct copy_result *out)
{
	struct roster *from;
	enum store_err err = roster_get(a, source, &from);
	if (err)
		return err;
	uint32_t n = 0, *indexes = indexes_of(from, set, &n);
	err = copy_indexes(a, from, indexes, n, target, out);
	free(indexes);
	return err;
}

enum store_err messages_move(struct account *a, int64_t source, const struct uidset *set, int64_t target,
			     struct copy_result *out)
{
	struct roster *from;
	enum store_err err = roster_get(a, source, &from);
	if (err)
		return err;
	uint32_t n = 0, *indexes = indexes_of(from, set, &n);
	err = copy_indexes(a, from, indexes, n, target, out);
	if (!err)
		err = roster_remove(a, from, indexes, n);
	free(indexes);
	return err;
}

enum store_err messages_expunge(struct account *a, int64_t mailbox, const struct uidset *set, struct uidset *gone)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	if (r->info.deleted == 0)
		return STORE_OK;
	uint32_t n = 0, *indexes = indexes_of(r, set, &n), kept = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!(flagset_get(a, r->flagset[indexes[i]])->system & FLAG_DELETED))
			continue;
		uidset_append(gone, r->uid[indexes[i]], r->uid[indexes[i]]);
		indexes[kept++] = indexes[i];
	}
	err = roster_remove(a, r, indexes, kept);
	free(indexes);
	return err;
}

enum store_err messages_store(struct account *a, int64_t mailbox, const struct uidset *set, enum flag_op op,
			      const struct flag_spec *spec, struct uidset *changed)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	/* Few sets stand for many messages: each is mapped once. */
	size_t known_n = a->flagsets_n;
	uint32_t *map = xmalloc(known_n * sizeof(*map));
	memset(map, 0xff, known_n * sizeof(*map));
	for (size_t i = 0; i < set->n && !err; i++) {
		for (uint32_t at = roster_lower(r, set->v[i].lo); at < r->count && r->uid[at] <= set->v[i].hi; at++) {
			uint32_t from = r->flagset[at], to = from;
			if (from < known_n && map[from] != UINT32_MAX) {
				to = map[from];
			} else {
				err = flagset_apply(a, from, op, spec, &to);
				if (err)
					break;
				if (from < known_n)
					map[from] = to;
			}
			if (to != from) {
				roster_set_flags(a, r, at, to);
				uidset_append(changed, r->uid[at], r->uid[at]);
			}
		}
	}
	free(map);
	return err;
}

static enum store_err gone_since(struct account *a, int64_t mailbox, uint64_t modseq, struct uidset *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT data FROM gone WHERE mailbox=? AND modseq>?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, mailbox);
		sqlite3_bind_int64(stmt, 2, (int64_t)modseq);
	}
	enum store_err err;
	struct roster_entry entries[SEGMENT_MESSAGES];
	while (db_next(&a->db, stmt, &err)) {
		struct bytes data = {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
		uint32_t n = 0;
		err = segment_count(data, &n);
		if (!err)
			err = n <= SEGMENT_MESSAGES ? segment_unpack(data, entries, n) : STORE_CORRUPT;
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
		for (uint32_t i = 0; i < n; i++)
			uidset_add_any(out, entries[i].uid, entries[i].uid);
	}
	uidset_normalise(out);
	return err;
}

enum store_err messages_changed_since(struct account *a, int64_t mailbox, uint64_t flags_modseq,
				      uint64_t gone_modseq, struct uidset *expunged, struct uidset *changed)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	uint32_t first = 0;
	for (uint32_t s = 0; s < r->segments_n; s++) {
		uint32_t end = first + r->segments[s].count;
		for (uint32_t i = first; r->segments[s].modseq_max > flags_modseq && i < end; i++)
			if (r->modseq[i] > flags_modseq)
				uidset_append(changed, r->uid[i], r->uid[i]);
		first = end;
	}
	return r->info.modseq > gone_modseq ? gone_since(a, mailbox, gone_modseq, expunged) : STORE_OK;
}
