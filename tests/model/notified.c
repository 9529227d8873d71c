#include "tests/model/notified.h"

#include "protocol/imap/lexer.h"
#include "storage/mailbox.h"
#include "storage/metadata.h"
#include "tests/model/sim.h"

#include <string.h>

/* "n1/n0/n1" and the like; what is above may be there or not. */
static void some_name(struct sim *s, char out[NAME_BYTES])
{
	uint32_t levels = 1 + sim_below(s, 3);
	size_t n = 0;
	for (uint32_t i = 0; i < levels; i++)
		n += (size_t)snprintf(out + n, NAME_BYTES - n, "%sn%u", i ? "/" : "", sim_below(s, 2));
}

/* Nothing is to be fetched any more. */
static void forget_due(struct client *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		c->v[i].due = false;
}

static void forget_values(struct notified *n)
{
	for (int p = 0; p < PLACES; p++)
		for (int e = 0; e < ENTRIES; e++)
			n->values[p][e] = -1;
}

void notified_reset(struct client *c)
{
	struct notified *n = &c->notified;
	*n = (struct notified){.uses = n->uses, .enables_metadata = n->enables_metadata};
	forget_values(n);
	for (int i = 0; i < BOXES; i++)
		n->boxes[i] = (struct picture){-1, -1, -1, -1};
}

bool notified_at_once(const struct client *c)
{
	return c->notified.wish.selected == SELECTED_AT_ONCE;
}

bool notified_of_selected(const struct client *c)
{
	return c->notified.wish.selected >= SELECTED_AT_ONCE;
}

bool notified_of_flags(const struct client *c)
{
	return c->notified.wish.selected == SELECTED_ALL || (notified_of_selected(c) && c->notified.wish.flags);
}

/* ---- names ---- */

static struct sim_name *find(struct sim_names *names, const char *text)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i].text, text) == 0)
			return &names->v[i];
	return NULL;
}

static struct sim_name *get(struct sim_names *names, const char *text)
{
	struct sim_name *known = find(names, text);
	if (known)
		return known;
	invariant(names->n < NAMES_MAX && strlen(text) < NAME_BYTES);
	struct sim_name *name = &names->v[names->n++];
	*name = (struct sim_name){.exists = false};
	memcpy(name->text, text, strlen(text));
	return name;
}

static bool is_below(const char *name, const char *top)
{
	size_t len = strlen(top);
	return strncmp(name, top, len) == 0 && name[len] == '/';
}

static bool has_below(const struct sim_names *names, const char *top)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->v[i].exists && is_below(names->v[i].text, top))
			return true;
	return false;
}

/* Levels that are missing are made; those that are only names stay so. */
static void make_levels(struct sim_names *names, const char *text)
{
	char level[NAME_BYTES];
	for (const char *slash = text; (slash = strchr(slash, '/')) != NULL; slash++) {
		snprintf(level, sizeof(level), "%.*s", (int)(slash - text), text);
		if (!get(names, level)->exists && !has_below(names, level))
			get(names, level)->exists = true;
	}
}

static void move_one(struct sim_names *names, size_t i, const char *from, const char *to)
{
	char moved[NAME_BYTES];
	snprintf(moved, sizeof(moved), "%s%s", to, names->v[i].text + strlen(from));
	names->v[i].exists = false;
	get(names, moved)->exists = true;
}

/* Subscriptions stay where they are. */
static void move(struct sim_names *names, const char *from, const char *to)
{
	size_t n = names->n;
	for (size_t i = 0; i < n; i++)
		if (names->v[i].exists && (strcmp(names->v[i].text, from) == 0 || is_below(names->v[i].text, from)))
			move_one(names, i, from, to);
}

void notified_read_names(struct sim_names *out, struct account *a)
{
	struct mailbox_names names;
	enum store_err err = mailbox_list(a, &names);
	invariant(!err);
	*out = (struct sim_names){.n = 0};
	for (size_t i = 0; i < names.n; i++) {
		struct sim_name *name = get(out, names.v[i].name);
		name->exists = names.v[i].info.id && !names.v[i].noselect;
		name->subscribed = names.v[i].subscribed;
	}
	mailbox_names_finish(&names);
}

/* ---- commands ---- */

static const char *selected_text(const struct notify_wish *w)
{
	static const char *const texts[2][2][2] = {
		{{" (SELECTED (MessageNew MessageExpunge))", " (SELECTED (MessageNew (UID FLAGS) MessageExpunge))"},
		 {" (SELECTED (MessageNew MessageExpunge FlagChange))",
		  " (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))"}},
		{{" (SELECTED-DELAYED (MessageNew MessageExpunge))",
		  " (SELECTED-DELAYED (MessageNew (UID FLAGS) MessageExpunge))"},
		 {" (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))",
		  " (SELECTED-DELAYED (MessageNew (UID FLAGS) MessageExpunge FlagChange))"}}};
	return texts[w->selected == SELECTED_DELAYED][w->flags][w->fetches];
}

void notified_choose(struct client *c)
{
	struct sim *s = c->sim;
	struct notified *n = &c->notified;
	struct notify_wish *w = &n->next;
	client_begin(c, KIND_NOTIFY, DO_NOTHING);
	*w = (struct notify_wish){.selected = SELECTED_NONE};
	n->next_status = n->next_overflows = false;
	if (sim_once(s, 8)) {
		client_add(c, "NOTIFY NONE\r\n");
		return;
	}
	w->selected = sim_once(s, 4) ? SELECTED_NONE : sim_once(s, 2) ? SELECTED_AT_ONCE : SELECTED_DELAYED;
	w->flags = w->selected != SELECTED_NONE && !sim_once(s, 4);
	w->fetches = w->selected != SELECTED_NONE && sim_once(s, 2);
	w->others = !sim_once(s, 4);
	w->names = sim_once(s, 2);
	w->metadata = sim_once(s, 2);
	n->next_status = w->others && sim_once(s, 2);
	client_add(c, "NOTIFY SET%s%s", n->next_status ? " STATUS" : "",
		   w->selected == SELECTED_NONE ? " (SELECTED NONE)" : selected_text(w));
	if (w->others)
		client_add(c, "%s", sim_once(s, 2) ? " (PERSONAL (MessageNew MessageExpunge FlagChange))" :
						     " (MAILBOXES (INBOX Archive) (FlagChange MessageNew MessageExpunge))");
	if (w->names)
		client_add(c, " (INBOXES (MailboxName SubscriptionChange))");
	if (w->metadata)
		client_add(c, " (PERSONAL (MailboxMetadataChange ServerMetadataChange))");
	client_add(c, "\r\n");
}

/* The subscriptions, which need no mailbox, and then the mailboxes. */
void notified_list(struct client *c)
{
	struct notified *n = &c->notified;
	client_begin(c, KIND_LIST, DO_NOTHING);
	if (n->names_state == NAMES_UNKNOWN)
		n->names.n = 0;
	client_add(c, n->names_state == NAMES_UNKNOWN ? "LIST (SUBSCRIBED) \"\" *\r\n" : "LIST \"\" * RETURN (SUBSCRIBED)\r\n");
}

void notified_change_names(struct client *c)
{
	static const char *const verbs[] = {[NAME_CREATE] = "CREATE", [NAME_DELETE] = "DELETE", [NAME_RENAME] = "RENAME",
					    [NAME_SUBSCRIBE] = "SUBSCRIBE", [NAME_UNSUBSCRIBE] = "UNSUBSCRIBE"};
	struct notified *n = &c->notified;
	client_begin(c, KIND_NAMES, DO_NOTHING);
	n->how = sim_below(c->sim, countof(verbs));
	some_name(c->sim, n->name);
	some_name(c->sim, n->to);
	client_add(c, "%s %s%s%s\r\n", verbs[n->how], n->name, n->how == NAME_RENAME ? " " : "",
		   n->how == NAME_RENAME ? n->to : "");
}

/* ---- annotations ---- */

static const char *const place_names[PLACES] = {"INBOX", "Archive", "\"\""};
static const char *const entry_names[ENTRIES] = {"/private/comment", "/private/note"};

void notified_annotate(struct client *c)
{
	struct notified *n = &c->notified;
	bool sets = sim_once(c->sim, 2);
	client_begin(c, sets ? KIND_SETMETADATA : KIND_GETMETADATA, DO_NOTHING);
	n->place = (int)sim_below(c->sim, PLACES);
	n->entry = (int)sim_below(c->sim, ENTRIES);
	n->value = sets && !sim_once(c->sim, 4) ? ++c->sim->last_value : 0;
	if (!sets)
		client_add(c, "GETMETADATA %s (%s)\r\n", place_names[n->place], entry_names[n->entry]);
	else if (n->value)
		client_add(c, "SETMETADATA %s (%s \"v%lld\")\r\n", place_names[n->place], entry_names[n->entry], (long long)n->value);
	else
		client_add(c, "SETMETADATA %s (%s NIL)\r\n", place_names[n->place], entry_names[n->entry]);
}

/* The journal does not reach back to the beginning: all entries that are there may be told, and of what was taken away just
 * before it was forgotten nobody knows. */
static bool has_forgotten(const struct sim *s)
{
	return s->pruned || s->jumped;
}

/* "INBOX (/private/comment "v5")" answers; "INBOX /private/comment /private/note" says what has changed. */
void notified_metadata(struct client *c, const char *text)
{
	struct notified *n = &c->notified;
	int p = 0;
	while (p < PLACES && strncmp(text, place_names[p], strlen(place_names[p])) != 0)
		p++;
	if (p == PLACES && has_forgotten(c->sim)) /* all entries that there are, special uses too */
		return;
	if (p == PLACES)
		sim_fail(c->sim, "%d: METADATA of what was not annotated", c->index);
	bool answer = strchr(text, '(') != NULL;
	if (answer ? c->kind != KIND_GETMETADATA : !n->enables_metadata && !n->wish.metadata && c->kind != KIND_NOTIFY)
		sim_fail(c->sim, "%d: METADATA that was not asked for", c->index);
	if (answer)
		n->value = strstr(text, "\"v") ? strtoll(strstr(text, "\"v") + 2, NULL, 10) : 0;
	for (int e = 0; !answer && e < ENTRIES; e++)
		if (strstr(text, entry_names[e]))
			n->values[p][e] = -1;
}

void notified_end_metadata(struct client *c, bool sets)
{
	struct notified *n = &c->notified;
	if (sets || n->enables_metadata || n->wish.metadata)
		n->values[n->place][n->entry] = n->value;
}

void notified_read_values(struct sim *s, const struct client *c, struct account *a)
{
	for (int p = 0; p < PLACES; p++)
		for (int e = 0; e < ENTRIES; e++) {
			struct bytes value;
			bool set = c && c->kind == KIND_SETMETADATA && c->notified.place == p && c->notified.entry == e;
			int64_t id = p < BOXES ? s->oracle.boxes[p].id : 0, is = 0;
			if (metadata_get(a, id, entry_names[e], &value) == STORE_OK)
				is = strtoll((const char *)value.ptr + 1, NULL, 10);
			if (is != (set ? c->notified.value : s->values[p][e]))
				sim_fail(s, "%s of %s is v%lld, and was v%lld", entry_names[e], place_names[p], (long long)is,
					 (long long)s->values[p][e]);
			s->values[p][e] = is;
		}
}

/* ---- responses ---- */

/* "NAME n" among the items, if it is there. */
static void take_item(const char *items, const char *name, int64_t *out)
{
	const char *at = strstr(items, name);
	if (at)
		*out = (int64_t)strtoull(at + strlen(name), NULL, 10);
}

void notified_status(struct client *c, const char *text)
{
	const char *items = strchr(text, '(');
	if (!c->notified.wish.others && c->kind != KIND_NOTIFY)
		sim_fail(c->sim, "%d: STATUS that was not asked for", c->index);
	for (int i = 0; items && i < BOXES; i++) {
		struct picture *p = &c->notified.boxes[i];
		if (strncmp(text, box_names[i], strlen(box_names[i])) != 0)
			continue;
		if (c->box == i && c->kind != KIND_NOTIFY && c->kind != KIND_SELECT && c->kind != KIND_LEAVE)
			sim_fail(c->sim, "%d: STATUS of the selected mailbox", c->index);
		take_item(items, "MESSAGES", &p->messages);
		take_item(items, "UNSEEN", &p->unseen);
		take_item(items, "UIDNEXT", &p->uidnext);
		if (c->dialect & DIALECT_CONDSTORE) /* else it is told with the list alone */
			take_item(items, "HIGHESTMODSEQ", &p->modseq);
	}
}

/* "(\HasNoChildren) "/" name" and perhaps " ("OLDNAME" (old))". */
void notified_name(struct client *c, const char *text)
{
	char name[NAME_BYTES], old[NAME_BYTES];
	const char *close = strchr(text, ')'), *moved = strstr(text, "(\"OLDNAME\" (");
	if (c->kind != KIND_LIST && c->kind != KIND_NOTIFY && c->kind != KIND_SELECT && !c->notified.wish.names)
		sim_fail(c->sim, "%d: LIST that was not asked for", c->index);
	if (c->kind == KIND_SELECT && !c->notified.wish.names)
		return;
	if (!close || sscanf(close, ") \"/\" %39s", name) != 1)
		sim_fail(c->sim, "%d: LIST cannot be read", c->index);
	struct sim_names *names = &c->notified.names;
	if (moved && sscanf(moved, "(\"OLDNAME\" (%39[^)])", old) == 1)
		move(names, old, name);
	struct sim_name *known = get(names, name);
	const char *attribute = strstr(text, "\\NonExistent"), *subscribed = strstr(text, "\\Subscribed");
	known->exists = !(attribute && attribute < close);
	known->subscribed = subscribed && subscribed < close;
}

void notified_overflow(struct client *c)
{
	if (c->notified.wish.selected == SELECTED_ALL && c->kind != KIND_NOTIFY)
		sim_fail(c->sim, "%d: NOTIFICATIONOVERFLOW of nothing", c->index);
	for (int i = 0; i < BOXES; i++)
		c->notified.boxes[i] = (struct picture){-1, -1, -1, -1};
	c->notified.wish = (struct notify_wish){.selected = SELECTED_NONE};
	forget_due(c);
	if (!c->notified.enables_metadata)
		forget_values(&c->notified);
}

/* ---- the end of commands ---- */

void notified_end_notify(struct client *c)
{
	struct notified *n = &c->notified;
	if (n->next_overflows)
		n->next = (struct notify_wish){.selected = SELECTED_NONE};
	bool goes_on = n->wish.others && n->next.others;
	for (int i = 0; i < BOXES; i++)
		if (!goes_on && !n->next_status)
			n->boxes[i] = (struct picture){-1, -1, -1, -1};
	if (!n->enables_metadata && (!n->wish.metadata || !n->next.metadata))
		forget_values(n);
	if (!n->wish.names || !n->next.names)
		n->names_state = NAMES_UNKNOWN;
	n->wish = n->next;
	if (!n->wish.fetches)
		forget_due(c);
}

void notified_end_list(struct client *c)
{
	struct notified *n = &c->notified;
	n->names_state = n->names_state == NAMES_UNKNOWN ? NAMES_HALF : NAMES_KNOWN;
}

void notified_end_names(struct client *c, bool ok)
{
	struct notified *n = &c->notified;
	if (!ok || n->names_state == NAMES_UNKNOWN)
		return;
	switch (n->how) {
	case NAME_CREATE:
		make_levels(&n->names, n->name);
		get(&n->names, n->name)->exists = true;
		break;
	case NAME_DELETE:
		get(&n->names, n->name)->exists = false;
		break;
	case NAME_RENAME:
		make_levels(&n->names, n->to);
		move(&n->names, n->name, n->to);
		break;
	case NAME_SUBSCRIBE: case NAME_UNSUBSCRIBE:
		get(&n->names, n->name)->subscribed = n->how == NAME_SUBSCRIBE;
		break;
	}
}

void notified_touch(struct client *c, int box)
{
	if (box >= 0)
		c->notified.boxes[box] = (struct picture){-1, -1, -1, -1};
}

void notified_leave(struct client *c, bool closed)
{
	struct picture *p = &c->notified.boxes[c->box];
	*p = (struct picture){-1, -1, -1, -1};
	if (closed || !c->notified.wish.others)
		return;
	p->messages = c->n;
	p->unseen = 0;
	for (uint32_t i = 0; i < c->n && p->unseen >= 0; i++)
		p->unseen = c->v[i].has_flags ? p->unseen + !(c->v[i].flags & FLAG_SEEN) : -1;
}

/* ---- when all is quiet ---- */

static void check_item(const struct client *c, int box, const char *what, int64_t has, int64_t is)
{
	if (has >= 0 && has != is)
		sim_fail(c->sim, "%d: thinks that %s of %s is %lld, and it is %lld", c->index, what, box_names[box], (long long)has,
			 (long long)is);
}

static void check_names(struct client *c)
{
	struct sim_names *has = &c->notified.names, *is = &c->sim->names;
	for (size_t i = 0; i < is->n; i++)
		get(has, is->v[i].text);
	for (size_t i = 0; i < has->n; i++) {
		const struct sim_name *mine = &has->v[i], *real = find(is, mine->text);
		bool exists = real && real->exists, subscribed = real && real->subscribed;
		if (mine->exists != exists || mine->subscribed != subscribed)
			sim_fail(c->sim, "%d: thinks that %s is %s and %s, and it is %s and %s", c->index, mine->text,
				 mine->exists ? "there" : "not there", mine->subscribed ? "subscribed" : "not subscribed",
				 exists ? "there" : "not there", subscribed ? "subscribed" : "not subscribed");
	}
}

static void check_values(const struct client *c)
{
	bool gone_unknown = c->notified.enables_metadata && has_forgotten(c->sim);
	for (int p = 0; p < PLACES; p++)
		for (int e = 0; e < ENTRIES; e++)
			if (c->notified.values[p][e] >= 0 && c->notified.values[p][e] != c->sim->values[p][e] &&
			    (c->sim->values[p][e] || !gone_unknown))
				sim_fail(c->sim, "%d: thinks that %s of %d is v%lld, and it is v%lld", c->index, entry_names[e], p,
					 (long long)c->notified.values[p][e], (long long)c->sim->values[p][e]);
}

void notified_check(struct client *c)
{
	for (int i = 0; i < BOXES && c->notified.wish.others; i++) {
		const struct box *b = &c->sim->oracle.boxes[i];
		const struct picture *p = &c->notified.boxes[i];
		int64_t unseen = 0;
		for (uint32_t m = 0; m < b->n; m++)
			unseen += !(b->v[m].flags & FLAG_SEEN);
		if (i == c->box)
			continue;
		check_item(c, i, "MESSAGES", p->messages, b->n);
		check_item(c, i, "UIDNEXT", p->uidnext, b->uidnext);
		check_item(c, i, "UNSEEN", p->unseen, unseen);
		/* An annotation raises it too (RFC 7162 3.2), and is no event of FlagChange. */
		if (!c->sim->jumped && p->modseq < (int64_t)c->sim->messages_modseq[i])
			check_item(c, i, "HIGHESTMODSEQ", p->modseq, (int64_t)b->modseq);
	}
	if (c->notified.wish.names && c->notified.names_state == NAMES_KNOWN)
		check_names(c);
	if (c->notified.wish.metadata && !c->notified.enables_metadata)
		check_values(c);
}

void notified_check_metadata(struct client *c)
{
	if (c->notified.wish.metadata || c->notified.enables_metadata)
		check_values(c);
}
