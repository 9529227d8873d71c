#include "server/watchlist.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/response_list.h"
#include "server/command.h"
#include "server/limits.h"
#include "server/metadata_tell.h"
#include "storage/changes.h"
#include "storage/mailbox.h"

enum { OWN_MAX = 4096 };

enum { MESSAGE_KINDS = CHANGE_ARRIVED | CHANGE_FLAGS | CHANGE_EXPUNGED | CHANGE_RESTAMPED,
       NAME_KINDS = CHANGE_MADE | CHANGE_RENAMED | CHANGE_DELETED,
       SUBSCRIPTION_KINDS = CHANGE_SUBSCRIBED | CHANGE_UNSUBSCRIBED };

/* What happened, by mailbox for messages, by op for the rest. */
struct happened {
	int64_t mailbox;
	unsigned kinds;
	const char *name; /* as the journal has it */
};

struct telling_list {
	struct watchlist *w;
	struct command *cmd;
	struct account *account;
	struct happened *v;
	size_t n;
	uint64_t modseq;            /* of the last op that was read whole */
	bool stopped, overflow;
	bool listed;
	struct mailbox_names names; /* once listed */
	const char **told;          /* names that have their LIST line */
	size_t told_n;
};

struct watchlist *watchlist_create(void)
{
	return xcalloc(1, sizeof(struct watchlist));
}

void watchlist_destroy(struct watchlist *w)
{
	if (!w)
		return;
	uidset_finish(&w->fresh);
	uidset_finish(&w->hidden);
	uidset_finish(&w->own_gone);
	free(w->own);
	arena_finish(&w->arena);
	free(w);
}

void watchlist_inherit(struct watchlist *w, struct watchlist *old, uint64_t modseq)
{
	w->since = w->next = old ? old->since : modseq;
	if (!old)
		return;
	w->more = old->more;
	w->left = w->groups_n ? old->left : 0;
	w->fresh = old->fresh;
	w->own = old->own;
	w->own_n = old->own_n;
	w->own_cap = old->own_cap;
	old->fresh = (struct uidset){0};
	old->own = NULL;
	old->own_n = old->own_cap = 0;
}

/* RFC 5465 5.8: as NOTIFY NONE, once the client has been told. */
static void end_all(struct watchlist *w)
{
	w->groups_n = 0;
	w->selected = 0;
	w->left = 0;
	uidset_finish(&w->fresh);
}

/* Where it is too much, the oldest are forgotten: they are told, which does no harm. */
static void add_own(struct watchlist *w, uint64_t modseq)
{
	size_t done = 0;
	while (done < w->own_n && w->own[done].last <= w->since)
		done++;
	done += w->own_n - done == OWN_MAX;
	if (done)
		memmove(w->own, w->own + done, (w->own_n - done) * sizeof(*w->own));
	w->own_n -= done;
	if (modseq <= w->since)
		return;
	if (w->own_n && w->own[w->own_n - 1].last + 1 >= modseq) {
		w->own[w->own_n - 1].last = modseq;
		return;
	}
	if (w->own_n == w->own_cap) {
		w->own_cap = w->own_cap ? 2 * w->own_cap : 4;
		w->own = xrealloc(w->own, w->own_cap * sizeof(*w->own));
	}
	w->own[w->own_n++] = (struct own_ops){modseq, modseq};
}

void watchlist_advance(struct watchlist *w, uint64_t own_modseq, bool chose)
{
	w->since = w->next;
	add_own(w, own_modseq);
	if (chose) {
		uidset_finish(&w->fresh);
		w->left = w->leaving ? w->leaving : w->left;
		w->leaving = 0;
	}
	if (w->overflow)
		end_all(w);
	w->overflow = false;
}

void watchlist_leave(struct watchlist *w, struct account *a, const struct view *v)
{
	const struct roster *r = roster_loaded(a, v->mailbox);
	bool told = r && r->info.modseq <= view_highest_modseq(v) && (w->selected & EVENT_FLAG_CHANGE);
	w->leaving = told || !w->groups_n ? 0 : v->mailbox;
}

/* What the view has and the mailbox has not, but for `known`. */
static void find_gone(struct account *a, const struct view *v, const struct uidset *known, struct uidset *out)
{
	struct roster *r;
	struct uids_diff diff;
	struct uidset gone = {0};
	uint32_t index, uid;
	uidset_finish(out);
	if (roster_get(a, v->mailbox, &r) != STORE_OK)
		return;
	uids_diff_init(&diff, &v->uids, &r->uids);
	while (uids_diff_next(&diff, &index, &uid))
		uidset_append(&gone, uid, uid);
	uidset_subtract(&gone, known, out);
	uidset_finish(&gone);
}

void watchlist_hide(struct watchlist *w, struct account *a, const struct view *v, bool first)
{
	if (first)
		uidset_finish(&w->own_gone);
	find_gone(a, v, &w->own_gone, &w->hidden);
}

void watchlist_take_own(struct watchlist *w, struct account *a, const struct view *v)
{
	find_gone(a, v, &w->hidden, &w->own_gone);
}

void watchlist_take_fresh(struct watchlist *w, const struct view *v, struct uidset *out)
{
	uint32_t last = v ? uids_last(&v->uids) : 0;
	for (size_t i = 0; i < w->fresh.n; i++) {
		const struct uidrange *range = &w->fresh.v[i];
		if (range->lo <= last)
			uidset_append(out, range->lo, range->hi < last ? range->hi : last);
	}
	uidset_finish(&w->fresh);
}

void watchlist_add_fresh(struct watchlist *w, struct account *a, const struct view *v, uint32_t from)
{
	struct roster *r = roster_loaded(a, v->mailbox);
	struct uidset own = {0};
	if (!w->attributes->items_n || !(w->selected & EVENT_MESSAGE_NEW) || v->uidnext <= from)
		return;
	if (a->in_op && a->op_modseq && r)
		changes_flags(r, a->op_modseq - 1, from, v->uidnext, SIZE_MAX, &own);
	for (size_t i = 0; i < own.n; i++) {
		if (own.v[i].lo > from)
			uidset_append(&w->fresh, from, own.v[i].lo - 1);
		from = own.v[i].hi + 1;
	}
	if (from < v->uidnext)
		uidset_append(&w->fresh, from, v->uidnext - 1);
	uidset_finish(&own);
}

bool watchlist_is_known(const struct watchlist *w, const struct account *a)
{
	return !w->groups_n || (w->since == a->modseq && !w->left);
}

bool watchlist_is_due(const struct watchlist *w)
{
	return w->more || w->fresh.n;
}

/* ---- which mailboxes ---- */

static bool is_below(const char *name, struct span top)
{
	return strncmp(name, top.ptr, top.len) == 0 && (name[top.len] == '\0' || name[top.len] == '/');
}

static bool is_named(const struct notify_group *g, const char *name)
{
	for (size_t i = 0; i < g->names_n; i++)
		if (g->names[i].ptr && is_below(name, g->names[i]) &&
		    (g->filter == NOTIFY_SUBTREE || !name[g->names[i].len]))
			return true;
	return false;
}

/* `subscribed` is asked only where it matters. */
static bool matches(const struct notify_group *g, struct account *a, const char *name)
{
	switch (g->filter) {
	case NOTIFY_INBOXES: /* mail for user+folder@ is delivered to any (RFC 5465 6.3) */
	case NOTIFY_PERSONAL:
		return true;
	case NOTIFY_SUBSCRIBED:
		return subscription_find(a, name) == STORE_OK;
	case NOTIFY_SUBTREE: case NOTIFY_MAILBOXES:
		return is_named(g, name);
	case NOTIFY_SELECTED: case NOTIFY_SELECTED_DELAYED:
		break;
	}
	return false;
}

/* EVENT_*; `was_subscribed`: its subscription is what changed. */
static uint32_t events_of(const struct watchlist *w, struct account *a, const char *name, bool was_subscribed)
{
	uint32_t events = 0;
	for (size_t i = 0; i < w->groups_n; i++) {
		const struct notify_group *g = &w->groups[i];
		if ((g->events & ~events) && ((was_subscribed && g->filter == NOTIFY_SUBSCRIBED) || matches(g, a, name)))
			events |= g->events;
	}
	return events;
}

static uint32_t all_events(const struct watchlist *w)
{
	uint32_t events = 0;
	for (size_t i = 0; i < w->groups_n; i++)
		events |= w->groups[i].events;
	return events;
}

/* ---- messages of other mailboxes ---- */

static enum store_err tell_status(struct command *cmd, struct account *a, int64_t mailbox, const char *name, uint32_t items)
{
	if (cmd->view && cmd->view->mailbox == mailbox)
		return STORE_OK; /* the selected mailbox is told of otherwise (RFC 5465 6) */
	if (items && (cmd->dialect & DIALECT_CONDSTORE))
		items |= STATUS_UIDVALIDITY | STATUS_HIGHESTMODSEQ;
	enum store_err err = items ? status_write_items(cmd, a, mailbox, name, items) : STORE_OK;
	return err == STORE_NOTFOUND ? STORE_OK : err;
}

/* RFC 5465 5.1 to 5.3 */
static enum store_err tell_messages(struct telling_list *t, const struct happened *h)
{
	char path[MAILBOX_NAME_BYTES_MAX + 1];
	enum store_err err = mailbox_path(t->account, h->mailbox, path);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	uint32_t events = events_of(t->w, t->account, path, false), items = 0;
	if (((h->kinds & CHANGE_ARRIVED) && (events & EVENT_MESSAGE_NEW)) ||
	    ((h->kinds & CHANGE_EXPUNGED) && (events & EVENT_MESSAGE_EXPUNGE)))
		items |= STATUS_MESSAGES | STATUS_UIDNEXT;
	if ((h->kinds & (CHANGE_FLAGS | CHANGE_RESTAMPED)) && (events & EVENT_FLAG_CHANGE))
		items |= STATUS_UIDVALIDITY;
	if (events & EVENT_FLAG_CHANGE) /* what arrives and what goes may be unseen */
		items |= STATUS_UNSEEN;
	return tell_status(t->cmd, t->account, h->mailbox, path, items);
}

enum store_err watchlist_tell_all(struct watchlist *w, struct command *cmd, struct account *a)
{
	struct mailbox_names names;
	enum store_err err = mailbox_list(a, &names);
	for (size_t i = 0; i < names.n && !err; i++) {
		const struct mailbox_name *m = &names.v[i];
		uint32_t events = m->info.id && !m->noselect ? events_of(w, a, m->name, false) : 0;
		uint32_t items = events & EVENT_MESSAGE_NEW ? STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY : 0;
		if (events & EVENT_FLAG_CHANGE) /* whether or not the client has enabled CONDSTORE */
			items |= STATUS_UNSEEN | STATUS_HIGHESTMODSEQ;
		err = tell_status(cmd, a, m->info.id, m->name, items);
	}
	mailbox_names_finish(&names);
	return err;
}

/* ---- names ---- */

static const struct mailbox_name *find_name(struct telling_list *t, const char *name)
{
	for (size_t i = 0; i < t->names.n; i++)
		if (strcmp(t->names.v[i].name, name) == 0)
			return &t->names.v[i];
	return NULL;
}

static bool is_told(const struct telling_list *t, const char *name)
{
	for (size_t i = 0; i < t->told_n; i++)
		if (strcmp(t->told[i], name) == 0)
			return true;
	return false;
}

/* What moved away leaves nothing behind that the client has heard of. */
static void forget_told(struct telling_list *t, const char *old_name)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->told_n; i++)
		if (!is_below(t->told[i], span_of(old_name)))
			t->told[kept++] = t->told[i];
	t->told_n = kept;
}

/* One LIST line, as the name now is (RFC 5465 5.4, 5.5); each name once, but for what moves. */
static void tell_name(struct telling_list *t, const char *name, const char *old_name)
{
	if (!old_name && is_told(t, name))
		return;
	if (old_name)
		forget_told(t, old_name);
	t->told = arena_grow(&t->cmd->arena, (void *)t->told, t->told_n, sizeof(*t->told));
	t->told[t->told_n++] = name;
	const struct mailbox_name *m = find_name(t, name);
	struct list_line line = {.response = "LIST", .name = name, .old_name = old_name, .uses = m ? m->info.special : 0};
	if (!m || !m->info.id || m->noselect)
		line.attributes |= ATTRIBUTE_NONEXISTENT;
	line.attributes |= m && m->has_children ? ATTRIBUTE_HASCHILDREN : ATTRIBUTE_HASNOCHILDREN;
	if (m && m->subscribed)
		line.attributes |= ATTRIBUTE_SUBSCRIBED;
	response_list(&t->cmd->out, &line, t->cmd->dialect);
}

/* RFC 5465 5.4: the direct parent too, when it gained or lost a child; and what went with its last child. */
static void tell_parents(struct telling_list *t, const char *name)
{
	const char *slash = strrchr(name, '/'), *parent = NULL;
	for (; slash && (!parent || !find_name(t, parent)); slash = strrchr(parent, '/')) {
		parent = arena_copy(&t->cmd->arena, span_make(name, (size_t)(slash - name))).ptr;
		name = parent;
		if (events_of(t->w, t->account, parent, false) & EVENT_MAILBOX_NAME)
			tell_name(t, parent, NULL);
	}
}

/* RFC 5465 5.1: what stands under the name now, and below it, may have another UIDVALIDITY than what did before. */
static enum store_err tell_validity(struct telling_list *t, const char *name)
{
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < t->names.n && !err; i++) {
		const struct mailbox_name *m = &t->names.v[i];
		if (m->info.id && !m->noselect && is_below(m->name, span_of(name)) &&
		    (events_of(t->w, t->account, m->name, false) & EVENT_FLAG_CHANGE))
			err = tell_status(t->cmd, t->account, m->info.id, m->name,
					  STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY | STATUS_UNSEEN);
	}
	return err;
}

/* A renamed mailbox's row has both names, the new one first. */
static enum store_err tell_naming(struct telling_list *t, const struct happened *h)
{
	const char *name = h->name, *old_name = NULL, *end = strchr(name, '\n');
	if (end) {
		name = arena_copy(&t->cmd->arena, span_make(name, (size_t)(end - name))).ptr;
		old_name = end + 1;
	}
	uint32_t events = events_of(t->w, t->account, name, false);
	if (old_name)
		events |= events_of(t->w, t->account, old_name, false);
	if (events & EVENT_MAILBOX_NAME)
		tell_name(t, name, old_name);
	tell_parents(t, name);
	if (old_name)
		tell_parents(t, old_name);
	return (h->kinds & (CHANGE_MADE | CHANGE_RENAMED)) ? tell_validity(t, name) : STORE_OK;
}

/* RFC 5465 5.6, 5.7; a client that has enabled METADATA is told by metadata_tell(). */
static enum store_err tell_metadata(struct telling_list *t, const struct happened *h)
{
	char path[MAILBOX_NAME_BYTES_MAX + 1] = "";
	enum store_err err = h->mailbox ? mailbox_path(t->account, h->mailbox, path) : STORE_OK;
	if (err || t->cmd->tells_metadata)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	uint32_t wanted = h->mailbox ? EVENT_MAILBOX_METADATA_CHANGE : EVENT_SERVER_METADATA_CHANGE;
	if ((h->mailbox ? events_of(t->w, t->account, path, false) : all_events(t->w)) & wanted)
		metadata_write_change(&t->cmd->out, path, h->name, t->cmd->dialect);
	return STORE_OK;
}

static enum store_err tell_one(struct telling_list *t, const struct happened *h)
{
	enum store_err err = STORE_OK;
	if (!h->name)
		return tell_messages(t, h);
	if (h->kinds & CHANGE_METADATA)
		return tell_metadata(t, h);
	if (!t->listed)
		err = mailbox_list(t->account, &t->names);
	t->listed = true;
	if (!err && (h->kinds & NAME_KINDS))
		err = tell_naming(t, h);
	if (!err && (h->kinds & SUBSCRIPTION_KINDS) &&
	    (events_of(t->w, t->account, h->name, true) & EVENT_SUBSCRIPTION_CHANGE))
		tell_name(t, h->name, NULL);
	return err;
}

/* ---- the journal ---- */

static bool is_own(const struct watchlist *w, uint64_t modseq)
{
	size_t lo = 0, hi = w->own_n;
	while (lo < hi) { /* the first that does not end before */
		size_t mid = (lo + hi) / 2;
		if (w->own[mid].last < modseq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->own_n && w->own[lo].first <= modseq;
}

static struct happened *find_messages(struct telling_list *t, int64_t mailbox)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].mailbox == mailbox && !t->v[i].name)
			return &t->v[i];
	return NULL;
}

static void add(struct telling_list *t, int64_t mailbox, unsigned kinds, const char *name)
{
	struct happened *known = name ? NULL : find_messages(t, mailbox);
	if (known) {
		known->kinds |= kinds;
		return;
	}
	t->overflow = t->overflow || t->n == LIMIT_NOTIFY_CHANGES;
	if (t->overflow)
		return;
	t->v = arena_grow(&t->cmd->arena, t->v, t->n, sizeof(*t->v));
	t->v[t->n++] = (struct happened){mailbox, kinds,
					 name ? arena_copy(&t->cmd->arena, span_of(name)).ptr : NULL};
}

/* An op is told whole; a long history in several chunks. */
static bool take_row(void *ctx, const struct change_row *row)
{
	struct telling_list *t = ctx;
	t->stopped = row->modseq != t->modseq && t->n >= LIMIT_NOTIFY_CHANGES / 2;
	if (t->stopped)
		return false;
	t->modseq = row->modseq;
	if (is_own(t->w, row->modseq))
		return true;
	uint32_t wanted = all_events(t->w);
	bool names = (wanted & EVENTS_MAILBOX) || ((row->kinds & NAME_KINDS) && (wanted & EVENT_FLAG_CHANGE));
	if ((row->kinds & ~(unsigned)MESSAGE_KINDS) && row->name && names)
		add(t, row->mailbox, row->kinds & ~(unsigned)MESSAGE_KINDS, row->name);
	if ((row->kinds & MESSAGE_KINDS) && (wanted & EVENTS_MESSAGE))
		add(t, row->mailbox, row->kinds & MESSAGE_KINDS, NULL);
	return !t->overflow;
}

void watchlist_tell(struct watchlist *w, struct command *cmd, struct account *a)
{
	struct telling_list t = {.w = w, .cmd = cmd, .account = a, .modseq = w->since};
	w->more = false;
	w->overflow = false;
	w->next = a->modseq;
	if (watchlist_is_known(w, a))
		return;
	if (w->left)
		add(&t, w->left, MESSAGE_KINDS, NULL);
	enum store_err err = changes_each(a, w->since, take_row, &t);
	if (err == STORE_LIMIT || t.overflow) {
		buf_add_text(&cmd->out, "* OK [NOTIFICATIONOVERFLOW] Too much has happened; nothing more is notified\r\n");
		w->overflow = true;
		return;
	}
	for (size_t i = 0; i < t.n && !err; i++)
		err = tell_one(&t, &t.v[i]);
	if (t.listed)
		mailbox_names_finish(&t.names);
	if (err) /* nothing is lost: it is told again */
		w->next = w->since;
	else if (t.stopped)
		w->next = t.modseq;
	w->more = !err && t.stopped;
	w->left = err ? w->left : 0;
}
