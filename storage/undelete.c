#include "storage/undelete.h"

#include "storage/append.h"
#include "storage/flagset.h"
#include "storage/gone.h"
#include "storage/history.h"

enum { ROWS = 10000 };

/* An op that removed messages. */
struct removal {
	uint64_t modseq;
	int64_t mailbox, at_s;
	const char *login, *device;
};

struct search {
	struct account *a;
	const struct undelete_filter *filter;
	struct undelete_list *list;
	size_t cap, texts_cap;
	struct removal *removals; /* ascending in modseq */
	size_t removals_n, removals_cap;
	int64_t after; /* the last row of the journal that was read */
	/* The mailbox whose graves are looked at. */
	int64_t mailbox;
	bool is_trash;
};

/* ---- who removed what ---- */

static const char *keep_text(struct search *s, const char *text)
{
	struct undelete_list *l = s->list;
	for (size_t i = l->texts_n; i-- > 0;)
		if (strcmp(l->texts[i], text) == 0)
			return l->texts[i];
	if (l->texts_n == s->texts_cap) {
		s->texts_cap = s->texts_cap ? 2 * s->texts_cap : 16;
		l->texts = xrealloc(l->texts, s->texts_cap * sizeof(*l->texts));
	}
	char *copy = strdup(text);
	invariant(copy);
	return l->texts[l->texts_n++] = copy;
}

static bool on_row(void *ctx, const struct history_row *row)
{
	struct search *s = ctx;
	s->after = row->id;
	if (!(row->kinds & (CHANGE_EXPUNGED | CHANGE_DELETED)))
		return true;
	if (s->removals_n == s->removals_cap) {
		s->removals_cap = s->removals_cap ? 2 * s->removals_cap : 64;
		s->removals = xrealloc(s->removals, s->removals_cap * sizeof(*s->removals));
	}
	s->removals[s->removals_n++] = (struct removal){row->modseq, row->mailbox, row->at_s, keep_text(s, row->login),
							keep_text(s, row->device)};
	return true;
}

static enum store_err read_journal(struct search *s)
{
	enum store_err err = STORE_OK;
	for (bool more = true; more && !err;)
		err = history_each(s->a, s->after, ROWS, on_row, s, &more);
	return err;
}

static const struct removal *find_removal(const struct search *s, uint64_t modseq, int64_t mailbox)
{
	size_t lo = 0, hi = s->removals_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->removals[mid].modseq < modseq)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->removals_n && s->removals[lo].modseq == modseq; lo++)
		if (s->removals[lo].mailbox == mailbox)
			return &s->removals[lo];
	return NULL;
}

/* ---- the graves ---- */

static bool holds(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

static bool on_grave(void *ctx, uint64_t modseq, const struct roster_entry *e)
{
	struct search *s = ctx;
	const struct undelete_filter *f = s->filter;
	const struct removal *r = find_removal(s, modseq, s->mailbox);
	if (!r || r->at_s < f->since_s || r->at_s > f->until_s || (f->who && !holds(r->login, f->who) && !holds(r->device, f->who)))
		return true;
	struct undelete_list *l = s->list;
	if (l->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		l->v = xrealloc(l->v, s->cap * sizeof(*l->v));
	}
	l->v[l->n++] = (struct undelete_item){.entry = *e, .at_s = r->at_s, .mailbox = s->mailbox, .modseq = modseq,
					      .login = r->login, .device = r->device, .from_trash = s->is_trash};
	return true;
}

static enum store_err look_at_mailbox(struct search *s)
{
	char name[MAILBOX_NAME_BYTES_MAX + 1];
	struct mailbox_info info = {0};
	enum store_err err = history_name(s->a, s->mailbox, name);
	if (err && err != STORE_NOTFOUND)
		return err;
	if (s->filter->mailbox && (err || strcmp(name, s->filter->mailbox) != 0))
		return STORE_OK;
	err = mailbox_info(s->a, s->mailbox, &info);
	if (err && err != STORE_NOTFOUND)
		return err;
	s->is_trash = !err && (info.special & SPECIAL_TRASH);
	return gone_each(s->a, s->mailbox, on_grave, s);
}

static enum store_err look_at_graves(struct search *s)
{
	enum store_err err = STORE_OK;
	while (!err) {
		sqlite3_stmt *stmt = db_prepare(&s->a->db, "SELECT min(mailbox) FROM gone WHERE mailbox>?");
		if (stmt)
			sqlite3_bind_int64(stmt, 1, s->mailbox);
		if (!db_next(&s->a->db, stmt, &err))
			break;
		s->mailbox = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
		if (s->mailbox == 0)
			break;
		err = look_at_mailbox(s);
	}
	return err;
}

/* ---- what is missing ---- */

/* By content; of one content the best grave first. */
static int best_order(const void *x, const void *y)
{
	const struct undelete_item *a = x, *b = y;
	if (a->entry.content != b->entry.content)
		return a->entry.content < b->entry.content ? -1 : 1;
	if (a->from_trash != b->from_trash)
		return a->from_trash ? 1 : -1;
	return a->modseq > b->modseq ? -1 : a->modseq < b->modseq;
}

static int final_order(const void *x, const void *y)
{
	const struct undelete_item *a = x, *b = y;
	if (a->mailbox != b->mailbox)
		return a->mailbox < b->mailbox ? -1 : 1;
	return a->entry.uid < b->entry.uid ? -1 : a->entry.uid > b->entry.uid;
}

static void keep_best(struct undelete_list *l)
{
	size_t kept = 0;
	qsort(l->v, l->n, sizeof(*l->v), best_order);
	for (size_t i = 0; i < l->n; i++)
		if (kept == 0 || l->v[kept - 1].entry.content != l->v[i].entry.content)
			l->v[kept++] = l->v[i];
	l->n = kept;
}

static struct undelete_item *find_content(const struct undelete_list *l, int64_t content)
{
	size_t lo = 0, hi = l->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->v[mid].entry.content < content)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n && l->v[lo].entry.content == content ? &l->v[lo] : NULL;
}

/* Those that a mailbox still has. */
static enum store_err drop_living(struct account *a, struct undelete_list *l)
{
	struct mailbox_names names = {0};
	enum store_err err = mailbox_list(a, &names);
	for (size_t k = 0; k < names.n && !err; k++) {
		struct roster *r;
		struct roster_slice s;
		if (!names.v[k].info.id || names.v[k].noselect)
			continue;
		err = roster_get(a, names.v[k].info.id, &r);
		for (uint32_t at = 0; !err && roster_slice_at(r, at, &s); at += s.n) {
			for (uint32_t i = 0; i < s.n; i++) {
				struct undelete_item *item = find_content(l, s.content[i]);
				if (item)
					item->mailbox = 0;
			}
		}
	}
	mailbox_names_finish(&names);
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].mailbox)
			l->v[kept++] = l->v[i];
	l->n = kept;
	return err;
}

enum store_err undelete_find(struct account *a, const struct undelete_filter *filter, struct undelete_list *out)
{
	struct search s = {.a = a, .filter = filter, .list = out};
	*out = (struct undelete_list){0};
	enum store_err err = read_journal(&s);
	if (!err)
		err = look_at_graves(&s);
	free(s.removals);
	if (err || out->n == 0)
		return err;
	keep_best(out);
	err = drop_living(a, out);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), final_order);
	return err;
}

void undelete_list_finish(struct undelete_list *list)
{
	for (size_t i = 0; i < list->texts_n; i++)
		free(list->texts[i]);
	free(list->texts);
	free(list->v);
	*list = (struct undelete_list){0};
}

/* ---- back to life ---- */

static enum store_err find_target(struct account *a, int64_t was, const char *to, int64_t *out)
{
	char name[MAILBOX_NAME_BYTES_MAX + 1];
	char objectid[MAILBOX_OBJECTID_BYTES];
	enum store_err err = to ? STORE_NOTFOUND : mailbox_objectid(a, was, objectid); /* which a mere name has not */
	*out = was;
	if (err != STORE_NOTFOUND)
		return err;
	if (to)
		snprintf(name, sizeof(name), "%s", to);
	else if (history_name(a, was, name) != STORE_OK)
		snprintf(name, sizeof(name), "Restored");
	err = mailbox_find(a, name, out);
	return err == STORE_NOTFOUND ? mailbox_create(a, name, 0, out) : err;
}

static enum store_err restore(struct account *a, int64_t target, const struct undelete_item *item)
{
	const struct roster_entry *e = &item->entry;
	struct append_item message = {.content = e->content, .size = e->size, .internal_date = e->internal_date,
				      .zone_min = e->zone_min};
	const struct flag_spec deleted = {FLAG_DELETED, ""};
	uint32_t uid;
	enum store_err err = flagset_apply(a, e->flagset, FLAG_REMOVE, &deleted, &message.flagset);
	return err ? err : messages_append(a, target, &message, 1, &uid);
}

enum store_err undelete_apply(struct account *a, const struct undelete_list *list, size_t from, size_t n, const char *to)
{
	int64_t was = 0, target = 0;
	enum store_err err = STORE_OK;
	for (size_t i = from; i < from + n && i < list->n && !err; i++) {
		if (list->v[i].mailbox != was) {
			was = list->v[i].mailbox;
			err = find_target(a, was, to, &target);
		}
		if (!err)
			err = restore(a, target, &list->v[i]);
	}
	return err;
}
