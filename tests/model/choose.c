/* Which command a client sends next. */
#include "tests/model/client.h"
#include "protocol/imap/lexer.h"
#include "tests/model/compose.h"
#include "tests/model/sim.h"

#include <string.h>

static bool knows_all(const struct client *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (!c->v[i].uid || (!c->v[i].has_flags && (c->dialect & DIALECT_CONDSTORE)))
			return false;
	return true;
}

/* Numbers are refused, or may mean others before the command is there (RFC 5465 5.3). */
static bool needs_uids(const struct client *c)
{
	return (c->dialect & DIALECT_UIDONLY) || notified_at_once(c);
}

/* What is gone is no longer in it, and hinders nothing (RFC 5182 2.1). */
static void add_saved(struct client *c)
{
	client_add(c, "$");
	c->deed.by_uid = true;
	for (uint32_t i = 0; i < c->saved.n; i++)
		uid_list_add(&c->deed.set, c->saved.v[i]);
}

/* Names a few messages, all known: by number or UID, as ranges that may be the wrong way round, overlap or end in "*". */
static void add_set(struct client *c)
{
	struct sim *s = c->sim;
	if (c->has_saved && sim_once(s, 3)) {
		add_saved(c);
		return;
	}
	bool *named = xcalloc(c->n, sizeof(*named));
	uint32_t ranges = 1 + sim_below(s, 3);
	for (uint32_t r = 0; r < ranges; r++) {
		uint32_t a = sim_below(s, c->n), b = sim_once(s, 3) ? a : sim_below(s, c->n);
		bool star = sim_once(s, 6) && !notified_of_selected(c); /* RFC 5465 5.2: "*" may be another at any time */
		uint32_t low = a < b ? a : b, high = star ? c->n - 1 : (a < b ? b : a);
		for (uint32_t i = low; i <= high; i++)
			named[i] = true;
		uint32_t from = c->uid_form ? c->v[low].uid : low + 1, to = c->uid_form ? c->v[high].uid : high + 1;
		client_add(c, "%s", r ? "," : "");
		if (star && sim_once(s, 2))
			client_add(c, "*:%u", from);
		else if (star)
			client_add(c, "%u:*", from);
		else if (a == b)
			client_add(c, "%u", from);
		else
			client_add(c, "%u:%u", a < b ? from : to, a < b ? to : from);
	}
	if (c->uid_form && sim_once(s, 5))
		client_add(c, ",4000000000");
	/* A UID beyond the last is no message; "*" alone would be the last. */
	for (uint32_t i = 0; i < c->n; i++)
		if (named[i])
			uid_list_add(&c->deed.set, c->v[i].uid);
	free(named);
}

static void begin_on_set(struct client *c, enum kind kind, enum verb verb, const char *name)
{
	client_begin(c, kind, verb);
	c->uid_form = c->by_uid ? !sim_once(c->sim, 8) : sim_once(c->sim, 8);
	c->uid_form = c->uid_form || needs_uids(c);
	c->deed.by_uid = c->uid_form;
	client_add(c, "%s%s ", c->uid_form ? "UID " : "", name);
}

static uint32_t some_flags(struct client *c)
{
	uint32_t all = c->sim->random & FLAGS_ALL;
	return all & sim_below(c->sim, FLAGS_ALL + 1) & (sim_once(c->sim, 3) ? FLAGS_ALL : ~(uint32_t)FLAG_DELETED);
}

static void learn(struct client *c)
{
	client_begin(c, KIND_FETCH, DO_NOTHING);
	bool modseq = c->dialect & DIALECT_CONDSTORE;
	c->uid_form = c->by_uid || needs_uids(c);
	c->wants = GOT_UID | GOT_FLAGS | (modseq ? GOT_MODSEQ : 0);
	if (c->uid_form)
		client_add(c, "UID FETCH 1:* (FLAGS%s)\r\n", modseq ? " MODSEQ" : "");
	else
		client_add(c, "FETCH 1:%u (UID FLAGS%s)\r\n", c->n, modseq ? " MODSEQ" : "");
}

/* From now or from before. */
static uint64_t some_modseq(const struct client *c)
{
	uint64_t one = c->n ? c->v[sim_below(c->sim, c->n)].modseq : 0;
	return one && sim_once(c->sim, 2) ? one : c->modseq;
}

/* A range, from either end, the wrong way round too (RFC 9394 3.1). */
static void choose_partial(struct client *c)
{
	int sign = sim_once(c->sim, 2) ? 1 : -1;
	c->partial_from = sign * (int)(1 + sim_below(c->sim, c->n + 2));
	c->partial_to = sign * (int)(1 + sim_below(c->sim, c->n + 2));
}

static void fetch(struct client *c)
{
	static const struct {
		const char *text;
		enum verb verb;
		unsigned wants;
	} items[] = {{"FLAGS", DO_NOTHING, GOT_FLAGS},
		     {"(FLAGS UID)", DO_NOTHING, GOT_FLAGS | GOT_UID},
		     {"RFC822.SIZE", DO_NOTHING, GOT_SIZE},
		     {"(UID RFC822.SIZE FLAGS)", DO_NOTHING, GOT_UID | GOT_SIZE | GOT_FLAGS},
		     {"(BODY.PEEK[])", DO_NOTHING, GOT_BODY},
		     {"BODY[]", DO_FETCH, GOT_BODY},
		     {"(BODY[] FLAGS UID)", DO_FETCH, GOT_BODY | GOT_FLAGS | GOT_UID}};
	size_t i = sim_below(c->sim, countof(items));
	begin_on_set(c, KIND_FETCH, items[i].verb, "FETCH");
	c->wants = items[i].wants | (c->uid_form ? GOT_UID : 0);
	add_set(c);
	client_add(c, " %s", items[i].text);
	if ((c->dialect & DIALECT_CONDSTORE) && sim_once(c->sim, 3)) {
		c->since = some_modseq(c);
		c->asks_vanished = c->uid_form && (c->dialect & DIALECT_QRESYNC) && sim_once(c->sim, 2);
		client_add(c, " (CHANGEDSINCE %llu%s", (unsigned long long)c->since, c->asks_vanished ? " VANISHED" : "");
	}
	if (c->sim->level >= LEVEL_PARTS && c->uid_form && sim_once(c->sim, 3)) {
		choose_partial(c);
		client_add(c, " %sPARTIAL %d:%d", c->since ? "" : "(", c->partial_from, c->partial_to);
	}
	client_add(c, "%s", c->since || c->partial_from ? ")" : "");
	client_add(c, "\r\n");
}

static void store(struct client *c)
{
	static const char *const how[] = {[FLAGS_ADD] = "+FLAGS", [FLAGS_REMOVE] = "-FLAGS", [FLAGS_REPLACE] = "FLAGS"};
	char flags[128];
	begin_on_set(c, KIND_STORE, DO_STORE, "STORE");
	c->silent = sim_once(c->sim, 3);
	c->deed.how = sim_below(c->sim, 3);
	c->deed.flags = some_flags(c);
	item_flags_write(c->deed.flags, flags);
	add_set(c);
	if ((c->dialect & DIALECT_CONDSTORE) && sim_once(c->sim, 3)) {
		c->deed.conditional = true;
		c->deed.unchanged_since = some_modseq(c);
		client_add(c, " (UNCHANGEDSINCE %llu)", (unsigned long long)c->deed.unchanged_since);
	}
	client_add(c, " %s%s (%s)\r\n", how[c->deed.how], c->silent ? ".SILENT" : "", flags);
}

static void search(struct client *c)
{
	static const struct {
		const char *text;
		uint32_t with, without;
	} keys[] = {{"", 0, 0},
		    {" SEEN", FLAG_SEEN, 0},
		    {" UNSEEN", 0, FLAG_SEEN},
		    {" DELETED", FLAG_DELETED, 0},
		    {" NOT FLAGGED", 0, FLAG_FLAGGED},
		    {" KEYWORD k1", FLAG_KEYWORD_0 * 2, 0},
		    {" UNKEYWORD K0 ANSWERED", FLAG_ANSWERED, FLAG_KEYWORD_0},
		    {" NOT (OR SEEN DRAFT)", 0, FLAG_SEEN | FLAG_DRAFT}};
	size_t i = sim_below(c->sim, countof(keys));
	bool uid_only = needs_uids(c), answers_uids = c->by_uid || uid_only;
	client_begin(c, KIND_SEARCH, DO_NOTHING);
	static const char *const orders[] = {[SEARCHES] = "", [SORTS_SUBJECT] = "(SUBJECT) UTF-8 ",
					     [SORTS_SUBJECT_DOWN] = "(REVERSE SUBJECT) UTF-8 ",
					     [SORTS_SIZE] = "(SIZE) UTF-8 "};
	c->sorts = sim_once(c->sim, 2) ? (unsigned)sim_below(c->sim, countof(orders)) : SEARCHES;
	c->saves = c->sim->level >= LEVEL_SYNC && c->sorts == SEARCHES && sim_once(c->sim, 3);
	if (c->sim->level >= LEVEL_PARTS && sim_once(c->sim, 2))
		choose_partial(c);
	client_add(c, "%s%s ", answers_uids ? "UID " : "", c->sorts ? "SORT" : "SEARCH");
	if (c->partial_from)
		client_add(c, "RETURN (%sPARTIAL %d:%d) ", c->saves ? "SAVE " : "", c->partial_from, c->partial_to);
	else
		client_add(c, "%s", c->saves ? "RETURN (SAVE) " : "");
	/* Messages that are put together of the same parts have other dates than their copies. */
	bool dates = c->sim->level < LEVEL_PARTS && c->sorts == SORTS_SUBJECT_DOWN;
	client_add(c, "%s", dates ? "(REVERSE SUBJECT DATE) UTF-8 " : orders[c->sorts]);
	c->search_flags = keys[i].with;
	c->search_without = keys[i].without;
	c->uid_form = sim_once(c->sim, 2) || uid_only; /* of the set */
	client_add(c, "%s", c->uid_form ? "UID " : "");
	add_set(c);
	client_add(c, "%s\r\n", keys[i].text);
	c->uid_form = answers_uids;
}

static void copy(struct client *c)
{
	bool move = sim_once(c->sim, 2);
	begin_on_set(c, KIND_COPY, move ? DO_MOVE : DO_COPY, move ? "MOVE" : "COPY");
	add_set(c);
	c->deed.to = (int)sim_below(c->sim, BOXES);
	client_add(c, " %s\r\n", box_names[c->deed.to]);
}

static void expunge(struct client *c)
{
	bool uid = sim_once(c->sim, 2);
	client_begin(c, KIND_EXPUNGE, uid ? DO_UID_EXPUNGE : DO_EXPUNGE);
	if (!uid) {
		client_add(c, "EXPUNGE\r\n");
		return;
	}
	c->uid_form = true;
	client_add(c, "UID EXPUNGE ");
	add_set(c);
	client_add(c, "\r\n");
}

static void append(struct client *c)
{
	struct sim *s = c->sim;
	char flags[128];
	client_begin(c, KIND_APPEND, DO_APPEND);
	c->deed.to = (int)sim_below(s, BOXES);
	c->deed.flags = some_flags(c);
	item_flags_write(c->deed.flags, flags);
	client_add(c, "APPEND %s", box_names[c->deed.to]);
	uint32_t n = sim_once(s, 2) ? 1 + sim_below(s, countof(c->deed.sizes)) : 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = s->next_size++;
		if (sim_once(s, 40))
			size += 150000;
		c->deed.sizes[c->deed.sizes_n++] = size;
		bool waits = sim_once(s, 3);
		client_add(c, " (%s) {%u%s}\r\n", flags, size, waits ? "" : "+");
		if (waits)
			client_next_segment(c);
		compose_literal(c, size);
	}
	client_add(c, "\r\n");
}

static void choose_select(struct client *c)
{
	client_begin(c, KIND_SELECT, DO_NOTHING);
	c->target = (int)(sim_below(c->sim, 4) == 0);
	client_add(c, "%s %s", sim_once(c->sim, 6) ? "EXAMINE" : "SELECT", box_names[c->target]);
	resync_ask(c);
	client_add(c, "\r\n");
}

static void leave(struct client *c)
{
	bool close = sim_once(c->sim, 2);
	client_begin(c, KIND_LEAVE, close ? DO_CLOSE : DO_NOTHING);
	client_add(c, "%s\r\n", close ? "CLOSE" : "UNSELECT");
}

static void status(struct client *c)
{
	client_begin(c, KIND_STATUS, DO_NOTHING);
	c->target = (int)sim_below(c->sim, BOXES);
	/* SIZE tells the answer from what NOTIFY tells. */
	client_add(c, "STATUS %s (MESSAGES UIDNEXT UNSEEN%s)\r\n", box_names[c->target], c->notified.uses ? " SIZE" : "");
}

static void simple(struct client *c, enum kind kind, const char *text)
{
	client_begin(c, kind, DO_NOTHING);
	client_add(c, "%s\r\n", text);
}

/* In or out of a mailbox. */
static bool choose_anywhere(struct client *c)
{
	uint32_t r = sim_below(c->sim, 100);
	if (r < 12)
		append(c);
	else if (r < 17)
		status(c);
	else if (r < 20)
		choose_select(c);
	else if (r < 23)
		simple(c, KIND_IDLE, "IDLE");
	else if (r < 24)
		simple(c, KIND_BAD, "FROBNICATE");
	else if (r < 25)
		simple(c, KIND_LOGOUT, "LOGOUT");
	else
		return false;
	return true;
}

static void choose_in_mailbox(struct client *c)
{
	uint32_t r = sim_below(c->sim, 100);
	if (c->n == 0 || r < 15)
		client_sync(c);
	else if (r < 35)
		fetch(c);
	else if (r < 58)
		store(c);
	else if (r < 70)
		search(c);
	else if (r < 82)
		copy(c);
	else if (r < 94)
		expunge(c);
	else if (r < 96)
		leave(c);
	else
		simple(c, KIND_NOOP, "CHECK");
}

static void enable(struct client *c)
{
	client_begin(c, KIND_ENABLE, DO_NOTHING);
	client_add(c, "ENABLE%s%s%s%s\r\n", c->notified.enables_metadata ? " METADATA" : "", (c->speaks & DIALECT_QRESYNC) ? " QRESYNC" : "",
		   (c->speaks & DIALECT_CONDSTORE) ? " CONDSTORE" : "", (c->speaks & DIALECT_UIDONLY) ? " UIDONLY" : "");
}

/* NOTIFY, what a client that uses it needs to know, and changes of names by anybody. */
static bool choose_notified(struct client *c)
{
	struct notified *n = &c->notified;
	if (c->sim->level < LEVEL_SYNC)
		return false;
	if (n->uses && sim_once(c->sim, n->wish.selected == SELECTED_ALL ? 5 : 40))
		notified_choose(c);
	else if (n->wish.names && n->names_state != NAMES_KNOWN && sim_once(c->sim, 4))
		notified_list(c);
	else if (sim_once(c->sim, 20))
		notified_change_names(c);
	else if (sim_once(c->sim, 12))
		notified_annotate(c);
	else
		return false;
	return true;
}

void client_choose(struct client *c)
{
	if (!c->enabled) {
		enable(c);
		return;
	}
	if (choose_notified(c))
		return;
	if ((c->dialect & DIALECT_QRESYNC) && sim_once(c->sim, 25)) {
		choose_select(c);
		return;
	}
	if (c->sim->level >= LEVEL_PARTS && c->box >= 0 && c->n && knows_all(c) && sim_once(c->sim, 8)) {
		compose_choose(c, needs_uids(c));
		return;
	}
	bool few = c->sim->oracle.boxes[0].n + c->sim->oracle.boxes[1].n < 30;
	if (few && sim_once(c->sim, 3))
		append(c);
	else if (c->box < 0 && !sim_once(c->sim, 4))
		choose_select(c);
	else if (c->box >= 0 && !knows_all(c) && (!c->notified.wish.fetches || sim_once(c->sim, 10)))
		learn(c);
	else if (c->box >= 0 && !knows_all(c)) /* what it waits for is to come by itself */
		(void)choose_anywhere(c);
	else if (!choose_anywhere(c) && c->box >= 0)
		choose_in_mailbox(c);
}
