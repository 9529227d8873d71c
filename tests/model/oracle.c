#include "tests/model/oracle.h"

#include "storage/mailbox.h"
#include "storage/roster.h"
#include "storage/usage.h"

#include <string.h>

const char *const box_names[BOXES] = {"INBOX", "Archive"};

static const struct {
	uint32_t bit;
	const char *name;
} flag_names[] = {{FLAG_ANSWERED, "\\Answered"}, {FLAG_FLAGGED, "\\Flagged"}, {FLAG_DELETED, "\\Deleted"},
		  {FLAG_SEEN, "\\Seen"},         {FLAG_DRAFT, "\\Draft"},     {FLAG_RECENT, "\\Recent"},
		  {FLAG_KEYWORD_0, "k0"},        {FLAG_KEYWORD_0 * 2, "k1"},  {FLAG_KEYWORD_0 * 4, "k2"},
		  {FLAG_KEYWORD_0 * 8, "k3"}};

void uid_list_add(struct uid_list *l, uint32_t uid)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	invariant(l->n == 0 || l->v[l->n - 1] < uid);
	l->v[l->n++] = uid;
}

bool uid_list_has(const struct uid_list *l, uint32_t uid)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i] == uid)
			return true;
	return false;
}

void uid_list_finish(struct uid_list *l)
{
	free(l->v);
	*l = (struct uid_list){0};
}

uint32_t item_flags_read(const char *text, size_t len)
{
	uint32_t flags = 0;
	while (len) {
		const char *space = memchr(text, ' ', len);
		size_t n = space ? (size_t)(space - text) : len;
		for (size_t i = 0; i < countof(flag_names); i++)
			if (strlen(flag_names[i].name) == n && strncasecmp(flag_names[i].name, text, n) == 0)
				flags |= flag_names[i].bit;
		n += space != NULL;
		text += n;
		len -= n;
	}
	return flags;
}

void item_flags_write(uint32_t flags, char out[128])
{
	size_t n = 0;
	out[0] = '\0';
	for (size_t i = 0; i < countof(flag_names); i++)
		if ((flags & flag_names[i].bit & FLAGS_ALL) != 0)
			n += (size_t)snprintf(out + n, 128 - n, "%s%s", n ? " " : "", flag_names[i].name);
}

void box_finish(struct box *b)
{
	free(b->v);
	*b = (struct box){0};
}

void box_copy(struct box *to, const struct box *from)
{
	free(to->v);
	*to = *from;
	to->v = xmalloc(from->n * sizeof(*to->v));
	if (from->n)
		memcpy(to->v, from->v, from->n * sizeof(*to->v));
}

const struct item *box_find(const struct box *b, uint32_t uid)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->v[i].uid == uid)
			return &b->v[i];
	return NULL;
}

void oracle_finish(struct oracle *o)
{
	for (int i = 0; i < BOXES; i++)
		box_finish(&o->boxes[i]);
}

static void box_read(struct box *b, struct account *a, const char *name)
{
	struct roster *r;
	invariant(mailbox_find(a, name, &b->id) == STORE_OK && roster_get(a, b->id, &r) == STORE_OK);
	uint32_t unseen = 0, deleted = 0;
	b->uidnext = r->info.uidnext;
	b->modseq = r->info.modseq;
	b->n = r->info.messages;
	b->v = xmalloc(b->n * sizeof(*b->v));
	for (uint32_t i = 0; i < b->n; i++) {
		struct roster_entry e;
		roster_read(r, i, &e);
		const struct flagset *set = flagset_get(a, e.flagset);
		b->v[i] = (struct item){e.uid, item_flags_read(set->text, set->text_len), e.size, e.modseq};
		unseen += !(b->v[i].flags & FLAG_SEEN);
		deleted += (b->v[i].flags & FLAG_DELETED) != 0;
		invariant(i == 0 || b->v[i - 1].uid < e.uid);
	}
	invariant(r->uids.n == b->n && r->info.unseen == unseen && r->info.deleted == deleted);
	invariant(b->n == 0 || b->v[b->n - 1].uid < b->uidnext);
}

void oracle_read(struct oracle *o, struct account *a)
{
	struct usage sum = {0}, counted = usage_get(a);
	oracle_finish(o);
	for (int i = 0; i < BOXES; i++) {
		const struct box *b = &o->boxes[i];
		box_read(&o->boxes[i], a, box_names[i]);
		sum.messages += b->n;
		for (uint32_t k = 0; k < b->n; k++)
			sum.bytes += b->v[k].size;
	}
	/* What GETQUOTA tells is the sum of what is there, whatever failed on the way (RFC 9208 5.1, 5.2). */
	invariant(counted.messages == sum.messages && counted.bytes == sum.bytes);
}

static bool item_equal(const struct item *a, const struct item *b)
{
	return a->uid == b->uid && a->flags == b->flags && a->size == b->size;
}

bool oracle_equal_box(const struct box *a, const struct box *b)
{
	if (a->n != b->n || a->uidnext != b->uidnext)
		return false;
	for (uint32_t m = 0; m < a->n; m++)
		if (!item_equal(&a->v[m], &b->v[m]))
			return false;
	return true;
}

bool oracle_equal(const struct oracle *a, const struct oracle *b)
{
	for (int i = 0; i < BOXES; i++)
		if (!oracle_equal_box(&a->boxes[i], &b->boxes[i]))
			return false;
	return true;
}

uint32_t deed_flags(const struct deed *d, uint32_t old)
{
	if (d->how == FLAGS_ADD)
		return old | d->flags;
	return d->how == FLAGS_REMOVE ? old & ~d->flags : d->flags;
}

/* ---- what changed, by kind ---- */

/* May the flags have become these? */
static const char *check_flags(const struct deed *d, const struct item *before, const struct item *after, bool last)
{
	bool named = uid_list_has(&d->set, before->uid) && !d->read_only;
	/* RFC 7162 3.1.12: what others did to other flags need not hinder it, but a replacement is hindered by all. */
	bool newer = d->conditional && before->modseq > d->unchanged_since;
	if (newer && after->flags == before->flags && after->modseq == before->modseq)
		return NULL;
	named = named && !(newer && d->how == FLAGS_REPLACE);
	uint32_t wanted = before->flags;
	if (named && d->verb == DO_STORE)
		wanted = deed_flags(d, before->flags);
	if (named && d->verb == DO_FETCH)
		wanted = before->flags | FLAG_SEEN;
	/* RFC 7162 3.1: what changes has a new modseq, and what does not keeps its own. */
	if ((after->flags == before->flags) != (after->modseq == before->modseq) || after->modseq < before->modseq)
		return "a modseq does not go with its flags";
	if (after->flags == wanted)
		return NULL;
	/* A FETCH that is sliced may find that somebody has taken its \Seen away again. */
	if (after->flags == before->flags && (!last || d->verb == DO_FETCH))
		return NULL;
	return named ? "a message has other flags than the command gives" : "flags of a message that was not named changed";
}

static bool may_go(const struct deed *d, const struct item *m)
{
	if (d->read_only)
		return false;
	switch (d->verb) {
	case DO_MOVE: case DO_REPLACE:
		return uid_list_has(&d->set, m->uid);
	case DO_UID_EXPUNGE:
		return (m->flags & FLAG_DELETED) && uid_list_has(&d->set, m->uid);
	case DO_EXPUNGE: case DO_CLOSE:
		return m->flags & FLAG_DELETED;
	case DO_NOTHING: case DO_FETCH: case DO_STORE: case DO_COPY: case DO_APPEND:
		break;
	}
	return false;
}

/* A MOVE of which a part is gone may leave the rest where it is. */
static bool must_go(const struct deed *d, const struct item *m, bool whole)
{
	return may_go(d, m) && uid_list_has(&d->known, m->uid) && (whole || d->verb != DO_MOVE);
}

/* Is every message of the set there? */
static bool all_alive(const struct deed *d, const struct box *b)
{
	for (uint32_t i = 0; i < d->set.n; i++)
		if (!box_find(b, d->set.v[i]))
			return false;
	return true;
}

static const char *check_old(const struct deed *d, const struct box *before, const struct box *after, bool here, bool last)
{
	bool whole = here && (d->by_uid || all_alive(d, before));
	for (uint32_t i = 0; i < before->n; i++) {
		const struct item *old = &before->v[i], *now = box_find(after, old->uid);
		if (!now && !(here && may_go(d, old)))
			return "a message went that may not go";
		if (now && last && here && must_go(d, old, whole))
			return "a message stayed that must go";
		if (!now)
			continue;
		if (now->size != old->size)
			return "a message has become another";
		const char *wrong = here ? check_flags(d, old, now, last) : NULL;
		if (wrong)
			return wrong;
		if (!here && now->flags != old->flags)
			return "flags changed in the other mailbox";
	}
	return NULL;
}

/* The copies that COPY or MOVE must have made, in their order. */
static const char *check_copies(const struct deed *d, const struct box *source, const struct item *new, uint32_t n)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < d->set.n; i++) {
		const struct item *m = box_find(source, d->set.v[i]);
		if (!m)
			continue;
		if (at == n || new[at].size != m->size || new[at].flags != m->flags)
			return "a copy is missing, or is not like its source";
		at++;
	}
	return at == n ? NULL : "there are more copies than sources";
}

static const char *check_appended(const struct deed *d, const struct item *new, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (i == d->sizes_n || new[i].size != d->sizes[i] || new[i].flags != d->flags)
			return "an appended message is not what was sent";
	return n == d->sizes_n ? NULL : "not all messages of an APPEND are there";
}

static const char *check_new(struct deed *d, const struct oracle *before, int box, const struct item *new, uint32_t n, bool last)
{
	if ((d->verb == DO_APPEND || d->verb == DO_REPLACE) && box == d->to)
		return n || last ? check_appended(d, new, n) : NULL;
	bool copies = (d->verb == DO_COPY || (d->verb == DO_MOVE && !d->read_only)) && box == d->to;
	if (!copies)
		return n ? "messages came from nowhere" : NULL;
	const struct box *source = &before->boxes[d->box];
	if (!all_alive(d, source) && !d->by_uid)
		return n && d->verb == DO_COPY ? "a COPY was made though a source is gone" : n ? check_copies(d, source, new, n) : NULL;
	return n || last ? check_copies(d, source, new, n) : NULL;
}

static uint32_t count_set(const struct deed *d, const struct box *b)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < d->set.n; i++)
		n += box_find(b, d->set.v[i]) != NULL;
	return n;
}

/* MOVE and REPLACE: as many go as come. */
static const char *check_went(const struct deed *d, const struct oracle *before, const struct oracle *after)
{
	if (d->verb != DO_MOVE && d->verb != DO_REPLACE)
		return NULL;
	if (count_set(d, &before->boxes[d->box]) - count_set(d, &after->boxes[d->box]) == d->new_n)
		return NULL;
	return d->verb == DO_MOVE ? "a MOVE lost messages, or doubled them" : "a REPLACE did one half";
}

/* RFC 7162 3.1, 3.2: arrivals and expunges raise the mailbox's modseq, and arrivals have one above all before. */
static const char *check_modseqs(const struct box *before, const struct box *after)
{
	bool arrived = after->uidnext > before->uidnext, gone = false;
	for (uint32_t i = 0; i < before->n; i++)
		gone = gone || !box_find(after, before->v[i].uid);
	if (after->modseq < before->modseq || ((arrived || gone) && after->modseq == before->modseq))
		return "a mailbox's modseq did not rise";
	for (uint32_t i = 0; i < after->n; i++)
		if (after->v[i].modseq > after->modseq ||
		    (after->v[i].uid >= before->uidnext && after->v[i].modseq <= before->modseq))
			return "a message's modseq makes no sense";
	return NULL;
}

/* What a conditional STORE has left out is known when it has run.  Where nothing was to be changed anyway, nobody can tell. */
static void note_modified(struct deed *d, const struct oracle *before, const struct oracle *after)
{
	if (d->verb != DO_STORE || !d->conditional || d->read_only || d->noted)
		return;
	d->noted = true;
	for (uint32_t i = 0; i < d->set.n; i++) {
		const struct item *was = box_find(&before->boxes[d->box], d->set.v[i]);
		const struct item *is = box_find(&after->boxes[d->box], d->set.v[i]);
		if (!was || !is || was->modseq <= d->unchanged_since || is->flags != was->flags)
			continue;
		bool open = d->how != FLAGS_REPLACE && deed_flags(d, was->flags) == was->flags;
		uid_list_add(open ? &d->perhaps_modified : &d->modified, was->uid);
	}
}

const char *oracle_explain(struct deed *d, const struct oracle *before, const struct oracle *after, bool last)
{
	d->new_n = 0;
	for (int i = 0; i < BOXES; i++) {
		const struct box *b = &before->boxes[i], *a = &after->boxes[i];
		const char *wrong = check_old(d, b, a, i == d->box, last);
		wrong = wrong ? wrong : check_modseqs(b, a);
		if (wrong)
			return wrong;
		uint32_t first = 0;
		while (first < a->n && a->v[first].uid < b->uidnext)
			first++;
		for (uint32_t m = 0; m < first; m++)
			if (!box_find(b, a->v[m].uid))
				return "a UID came back";
		uint32_t n = a->n - first;
		if (a->uidnext != b->uidnext + n || (n && a->v[first].uid != b->uidnext))
			return "UIDNEXT did not move by what came";
		wrong = check_new(d, before, i, a->v + first, n, last);
		if (wrong)
			return wrong;
		if (i == d->to && n) {
			d->first_new = b->uidnext;
			d->new_n = n;
		}
	}
	const char *wrong = check_went(d, before, after);
	if (wrong)
		return wrong;
	note_modified(d, before, after);
	return NULL;
}
