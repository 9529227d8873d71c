#include "storage/gone.h"

static enum store_err write_part(struct account *a, const struct roster *r, const struct roster_slice *slice)
{
	unsigned char data[SEGMENT_BYTES_MAX];
	size_t len = segment_pack(slice, data);
	/* One op may bury twice in one mailbox: parts go on from its last. */
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO gone VALUES(?1, ?2, (SELECT ifnull(max(part)+1, 0) FROM gone"
						" WHERE mailbox=?1 AND modseq=?2), ?3, ?4, ?5)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, r->info.id);
	sqlite3_bind_int64(stmt, 2, (int64_t)account_modseq(a));
	sqlite3_bind_int64(stmt, 3, slice->uid[0]);
	sqlite3_bind_int64(stmt, 4, slice->uid[slice->n - 1]);
	sqlite3_bind_blob64(stmt, 5, data, len, SQLITE_STATIC);
	return db_run(&a->db, stmt);
}

/* The columns of one part, gathered from wherever its messages lie. */
struct part {
	uint32_t uid[GONE_PART], flagset[GONE_PART], size[GONE_PART];
	uint64_t modseq[GONE_PART];
	int64_t internal_date[GONE_PART], save_date[GONE_PART], content[GONE_PART];
	int16_t zone_min[GONE_PART];
};

static void gather(struct part *p, uint32_t to, const struct roster_slice *s, uint32_t at)
{
	p->uid[to] = s->uid[at];
	p->flagset[to] = s->flagset[at];
	p->size[to] = s->size[at];
	p->modseq[to] = s->modseq[at];
	p->internal_date[to] = s->internal_date[at];
	p->save_date[to] = s->save_date[at];
	p->content[to] = s->content[at];
	p->zone_min[to] = s->zone_min[at];
}

enum store_err gone_bury(struct account *a, const struct roster *r, const uint32_t *indexes, uint32_t n)
{
	struct part p;
	struct roster_slice in = {0}, out = {.uid = p.uid, .flagset = p.flagset, .size = p.size, .modseq = p.modseq,
					     .internal_date = p.internal_date, .save_date = p.save_date,
					     .content = p.content, .zone_min = p.zone_min};
	enum store_err err = STORE_OK;
	for (uint32_t i = 0; i < n && !err; i++) {
		if (indexes[i] >= in.index + in.n) {
			bool found = roster_slice_at(r, indexes[i], &in);
			invariant(found);
		}
		gather(&p, out.n++, &in, indexes[i] - in.index);
		if (out.n == GONE_PART || i + 1 == n) {
			err = write_part(a, r, &out);
			out.n = 0;
		}
	}
	return err;
}

/* Steps to the next part and unpacks it. */
static bool next_part(struct account *a, sqlite3_stmt *stmt, struct part *p, uint32_t *n, enum store_err *err)
{
	if (!db_next(&a->db, stmt, err))
		return false;
	struct bytes data = {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
	struct message_columns c = {.uid = p->uid, .flagset = p->flagset, .size = p->size, .modseq = p->modseq,
				    .internal_date = p->internal_date, .save_date = p->save_date, .content = p->content,
				    .zone_min = p->zone_min};
	*err = segment_count(data, n);
	if (!*err)
		*err = *n <= GONE_PART ? segment_unpack(data, &c) : STORE_CORRUPT;
	if (*err)
		sqlite3_reset(stmt);
	return !*err;
}

static sqlite3_stmt *parts_after(struct account *a, int64_t mailbox, uint64_t since, uint32_t low, uint32_t high)
{
	sqlite3_stmt *stmt = db_prepare(
		&a->db, "SELECT data FROM gone WHERE mailbox=? AND modseq>? AND high>=? AND low<=? ORDER BY modseq, part");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, mailbox);
		sqlite3_bind_int64(stmt, 2, (int64_t)since);
		sqlite3_bind_int64(stmt, 3, low);
		sqlite3_bind_int64(stmt, 4, high);
	}
	return stmt;
}

enum store_err gone_since(struct account *a, int64_t mailbox, uint64_t since, uint32_t below, struct uidset *out)
{
	struct part p;
	uint32_t n;
	enum store_err err;
	if (below == 0)
		return STORE_OK;
	sqlite3_stmt *stmt = parts_after(a, mailbox, since, 0, below - 1);
	while (next_part(a, stmt, &p, &n, &err)) {
		for (uint32_t i = 0; i < n && p.uid[i] < below;) {
			uint32_t from = i++;
			while (i < n && p.uid[i] == p.uid[i - 1] + 1 && p.uid[i] < below)
				i++;
			uidset_add_any(out, p.uid[from], p.uid[i - 1]);
		}
	}
	uidset_normalise(out);
	return err;
}

enum store_err gone_each(struct account *a, int64_t mailbox,
			 bool (*each)(void *ctx, uint64_t modseq, const struct roster_entry *e), void *ctx)
{
	struct part p;
	uint32_t n;
	enum store_err err;
	bool goes_on = true;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT data, modseq FROM gone WHERE mailbox=? ORDER BY modseq, part");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, mailbox);
	while (goes_on && next_part(a, stmt, &p, &n, &err)) {
		uint64_t modseq = (uint64_t)sqlite3_column_int64(stmt, 1);
		for (uint32_t i = 0; i < n && goes_on; i++) {
			const struct roster_entry e = {p.uid[i], p.flagset[i] < a->flags->n ? p.flagset[i] : 0, p.modseq[i],
						       p.internal_date[i], p.save_date[i], p.zone_min[i], p.size[i],
						       p.content[i]};
			goes_on = each(ctx, modseq, &e);
		}
	}
	if (!goes_on)
		sqlite3_reset(stmt);
	return goes_on ? err : STORE_OK;
}

enum store_err gone_at(struct account *a, int64_t mailbox, uint64_t modseq, struct uidset *out)
{
	struct part p;
	uint32_t n;
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT data FROM gone WHERE mailbox=? AND modseq=? ORDER BY part");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, mailbox);
		sqlite3_bind_int64(stmt, 2, (int64_t)modseq);
	}
	while (next_part(a, stmt, &p, &n, &err))
		for (uint32_t i = 0; i < n; i++)
			uidset_add_any(out, p.uid[i], p.uid[i]);
	uidset_normalise(out);
	return err;
}

static int entry_order(const void *x, const void *y)
{
	const struct roster_entry *a = x, *b = y;
	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

enum store_err ghosts_load(struct account *a, int64_t mailbox, uint64_t since, const struct uidset *set,
			   struct ghosts *out)
{
	struct part p;
	uint32_t n;
	size_t cap = 0;
	enum store_err err;
	*out = (struct ghosts){0};
	if (set->n == 0)
		return STORE_OK;
	sqlite3_stmt *stmt = parts_after(a, mailbox, since, set->v[0].lo, set->v[set->n - 1].hi);
	while (next_part(a, stmt, &p, &n, &err)) {
		for (uint32_t i = 0; i < n; i++) {
			if (!uidset_has(set, p.uid[i]))
				continue;
			if (out->n == cap) {
				cap = cap ? cap * 2 : 16;
				out->v = xrealloc(out->v, cap * sizeof(*out->v));
			}
			if (p.flagset[i] >= a->flags->n) {
				sqlite3_reset(stmt);
				return STORE_CORRUPT;
			}
			out->v[out->n++] = (struct roster_entry){p.uid[i], p.flagset[i], p.modseq[i], p.internal_date[i],
								 p.save_date[i], p.zone_min[i], p.size[i], p.content[i]};
		}
	}
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), entry_order);
	return err;
}

void ghosts_finish(struct ghosts *g)
{
	free(g->v);
	*g = (struct ghosts){0};
}

const struct roster_entry *ghosts_find(const struct ghosts *g, uint32_t uid)
{
	struct roster_entry key = {.uid = uid};
	return g->n ? bsearch(&key, g->v, g->n, sizeof(key), entry_order) : NULL;
}
