#include "tests/model/client.h"

#include "server/session.h"
#include "protocol/imap/lexer.h"
#include "tests/model/compose.h"
#include "tests/model/sim.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

void client_init(struct client *c, struct sim *sim, int index)
{
	*c = (struct client){.sim = sim, .index = index, .box = -1};
	c->by_uid = sim_once(sim, 2);
	c->pace = 1 << sim_below(sim, 4);
	buf_init(&c->received, SIZE_MAX);
	for (int i = 0; i < SEGMENTS_MAX; i++)
		buf_init(&c->segments[i], SIZE_MAX);
	if (sim->level == LEVEL_PLAIN)
		return;
	static const unsigned dialects[] = {0, DIALECT_CONDSTORE, DIALECT_QRESYNC | DIALECT_CONDSTORE,
					    DIALECT_QRESYNC | DIALECT_CONDSTORE, DIALECT_UIDONLY,
					    DIALECT_UIDONLY | DIALECT_QRESYNC | DIALECT_CONDSTORE};
	c->speaks = dialects[sim_below(sim, countof(dialects))];
	c->notified.uses = sim_once(sim, 2);
	c->notified.enables_metadata = sim_once(sim, 4);
}

static void forget_command(struct client *c)
{
	c->kind = KIND_NONE;
	uid_list_finish(&c->deed.set);
	uid_list_finish(&c->deed.known);
	uid_list_finish(&c->removed);
	free(c->search_found);
	c->search_found = NULL;
	c->search_found_n = 0;
	uid_list_finish(&c->deed.modified);
	uid_list_finish(&c->deed.perhaps_modified);
	kept_finish(&c->old);
	free(c->earlier);
	c->earlier = NULL;
	c->earlier_n = 0;
	c->resyncs = c->narrow = c->asks_vanished = c->modified = false;
	c->since = 0;
	c->idling = c->began = c->has_shot = c->saves = c->composes = false;
	c->partial_from = c->partial_to = 0;
	c->parts_n = 0;
}

void client_forget_mailbox(struct client *c)
{
	free(c->v);
	c->v = NULL;
	c->n = 0;
	c->box = -1;
	uid_list_finish(&c->saved);
	c->has_saved = false;
	c->modseq = c->told_modseq = 0;
	c->has_code = false;
}

void client_finish(struct client *c)
{
	forget_command(c);
	client_forget_mailbox(c);
	oracle_finish(&c->shot);
	for (int i = 0; i < BOXES; i++)
		kept_finish(&c->kept[i]);
	buf_finish(&c->received);
	for (int i = 0; i < SEGMENTS_MAX; i++)
		buf_finish(&c->segments[i]);
}

void client_connect(struct client *c)
{
	static const size_t windows[] = {1, 40, 600, OUT_HIGH};
	struct sim *s = c->sim;
	c->wire = wire_open(&s->loops[sim_below(s, LOOPS)], windows[sim_below(s, countof(windows))]);
	c->connected = true;
	c->enabled = c->speaks == 0 && !c->notified.enables_metadata;
	c->dialect = 0;
	notified_reset(c);
	session_log_in(c->wire->conn.session, &(struct auth_result){.account = "account", .address = "user@example.org"});
	sim_trace(s, "%d connects on loop %u, window %zu", c->index, c->wire->conn.loop->index, c->wire->window);
}

void client_cut(struct client *c)
{
	sim_trace(c->sim, "%d cut", c->index);
	conn_close(&c->wire->conn);
	c->connected = false;
	c->wire = NULL;
	buf_reset(&c->received);
	for (int i = 0; i < SEGMENTS_MAX; i++)
		buf_reset(&c->segments[i]);
	c->segments_n = 0;
	forget_command(c);
	client_forget_mailbox(c);
}

/* ---- commands ---- */

void client_begin(struct client *c, enum kind kind, enum verb verb)
{
	invariant(c->kind == KIND_NONE);
	forget_command(c);
	c->kind = kind;
	c->uid_form = c->silent = c->opened = c->answered = false;
	c->wants = 0;
	c->deed = (struct deed){.verb = verb, .box = c->box, .read_only = c->read_only, .to = -1};
	for (uint32_t i = 0; i < c->n; i++) {
		c->v[i].got = 0;
		if (c->v[i].uid)
			uid_list_add(&c->deed.known, c->v[i].uid);
	}
	c->segments_n = 1;
	client_add(c, "t%u ", ++c->serial);
}

void client_add(struct client *c, const char *fmt, ...)
{
	char text[4096];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	invariant(n >= 0 && (size_t)n < sizeof(text));
	buf_add(&c->segments[c->segments_n - 1], text, (size_t)n);
}

void client_next_segment(struct client *c)
{
	invariant(c->segments_n < SEGMENTS_MAX);
	c->segments_n++;
}

void client_sync(struct client *c)
{
	client_begin(c, KIND_NOOP, DO_NOTHING);
	client_add(c, "NOOP\r\n");
}

void client_done(struct client *c)
{
	sim_trace(c->sim, "%d says DONE", c->index);
	c->idling = false;
	c->segments_n = 1;
	client_add(c, "DONE\r\n");
}

/* ---- the end of a command ---- */

/* Without sequence numbers the order means nothing before all are known. */
static const struct item *item_of(const struct client *c, const struct box *box, uint32_t i)
{
	return (c->dialect & DIALECT_UIDONLY) ? box_find(box, c->v[i].uid) : &box->v[i];
}

void client_compare(struct client *c, const struct box *box, bool with_modseqs, const char *when)
{
	if (c->notified.wish.selected == SELECTED_NONE)
		return;
	if (c->n != box->n)
		sim_fail(c->sim, "%d %s: knows of %u messages, and there are %u", c->index, when, c->n, box->n);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct known *k = &c->v[i];
		const struct item *m = item_of(c, box, i);
		char has[128], want[128];
		if (!m && k->uid)
			sim_fail(c->sim, "%d %s: UID %u is not there", c->index, when, k->uid);
		if (!m)
			continue;
		if (with_modseqs && k->modseq && notified_of_flags(c) && k->modseq != m->modseq)
			sim_fail(c->sim, "%d %s: UID %u has modseq %llu, not %llu", c->index, when, m->uid,
				 (unsigned long long)m->modseq, (unsigned long long)k->modseq);
		if (k->uid && k->uid != m->uid)
			sim_fail(c->sim, "%d %s: number %u is UID %u, not %u", c->index, when, i + 1, m->uid, k->uid);
		item_flags_write(m->flags, want);
		item_flags_write(k->flags, has);
		if (k->has_flags && notified_of_flags(c) && (k->flags & FLAGS_ALL) != m->flags)
			sim_fail(c->sim, "%d %s: number %u (UID %u) has (%s), not (%s)", c->index, when, i + 1, m->uid, want, has);
	}
}

/* Of n, counted from 0: from *lo up to below *hi, as PARTIAL has it, from either end (RFC 9394 3.1). */
static void cut_partial(const struct client *c, uint32_t n, uint32_t *lo, uint32_t *hi)
{
	uint32_t a = (uint32_t)abs(c->partial_from), b = (uint32_t)abs(c->partial_to);
	uint32_t near = (a < b ? a : b) - 1, far = a < b ? b : a;
	near = near < n ? near : n;
	far = far < n ? far : n;
	*lo = c->partial_from > 0 ? near : n - far;
	*hi = c->partial_from > 0 ? far : n - near;
}

/* The client knows what is there, and nothing else. */
static bool knows_shot(const struct client *c)
{
	const struct box *b = &c->shot.boxes[c->box];
	bool same = c->has_shot && c->exact && c->deed.known.n == b->n;
	for (uint32_t i = 0; same && i < b->n; i++)
		same = c->deed.known.v[i] == b->v[i].uid;
	return same;
}

/* PARTIAL leaves out what is not in its range: it counts what is there (RFC 9394 3.3), changed since or not (3.4). */
static void narrow_fetch(struct client *c)
{
	const unsigned asked_only = c->wants & (GOT_SIZE | GOT_BODY);
	struct uid_list there = {0}, in = {0};
	uint32_t lo, hi;
	for (uint32_t i = 0; i < c->deed.set.n; i++) /* "$" may still have what went */
		if (uid_list_has(&c->deed.known, c->deed.set.v[i]))
			uid_list_add(&there, c->deed.set.v[i]);
	cut_partial(c, there.n, &lo, &hi);
	for (uint32_t i = lo; i < hi; i++)
		uid_list_add(&in, there.v[i]);
	uid_list_finish(&there);
	for (uint32_t i = 0; i < c->n; i++)
		if (c->v[i].uid && (c->v[i].got & asked_only) && !uid_list_has(&in, c->v[i].uid))
			sim_fail(c->sim, "%d: FETCH tells of UID %u, which is not in its range", c->index, c->v[i].uid);
	uid_list_finish(&c->deed.set);
	c->deed.set = in;
}

static void end_fetch(struct client *c)
{
	if (c->partial_from && !knows_shot(c)) /* what is gone may count, or not */
		return;
	if (c->partial_from)
		narrow_fetch(c);
	for (uint32_t i = 0; c->has_shot && i < c->n; i++) {
		const struct known *k = &c->v[i];
		const struct item *m = k->uid ? box_find(&c->shot.boxes[c->box], k->uid) : NULL;
		bool answered = m && (c->since == 0 || (c->exact && m->modseq > c->since));
		if (answered && uid_list_has(&c->deed.set, k->uid) && (k->got & c->wants) != c->wants)
			sim_fail(c->sim, "%d: FETCH said nothing of UID %u", c->index, k->uid);
	}
}

/* What a .SILENT client works out for itself (RFC 3501 6.4.6). */
static void end_store(struct client *c)
{
	if (c->deed.modified.n && !c->modified)
		sim_fail(c->sim, "%d: a conditional STORE does not say that it left some out", c->index);
	if (c->read_only || (c->dialect & DIALECT_CONDSTORE)) /* there the answers say which they were */
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		struct known *k = &c->v[i];
		if (!k->uid || !uid_list_has(&c->deed.set, k->uid) || !k->has_flags || !c->silent)
			continue;
		k->flags = deed_flags(&c->deed, k->flags) | (k->flags & FLAG_RECENT);
		k->has_flags = c->exact;
	}
}

/* As the messages' subjects, "s" and the size, are sorted. */
static int compare_subjects(uint32_t a, uint32_t b)
{
	char left[16], right[16];
	snprintf(left, sizeof(left), "%u", a);
	snprintf(right, sizeof(right), "%u", b);
	return strcmp(left, right);
}

/* Is it to come before the other?  What is equal is in the order of the mailbox. */
static bool precedes(const struct client *c, const struct item *a, const struct item *b)
{
	int order = 0;
	if (c->sorts == SORTS_SIZE)
		order = (a->size > b->size) - (a->size < b->size);
	else if (c->sorts != SEARCHES)
		order = compare_subjects(a->size, b->size);
	order = c->sorts == SORTS_SUBJECT_DOWN ? -order : order;
	return order ? order < 0 : a->uid < b->uid;
}

/* What was to be found in the mailbox as it was, in its order: `out` has room for the whole set. */
static uint32_t to_be_found(const struct client *c, const struct item **out)
{
	uint32_t n = 0, lo = 0, hi;
	for (uint32_t i = 0; i < c->deed.set.n; i++) {
		const struct item *m = box_find(&c->shot.boxes[c->box], c->deed.set.v[i]);
		if (!m || (m->flags & c->search_flags) != c->search_flags || (m->flags & c->search_without))
			continue;
		uint32_t at = n++;
		for (; at && precedes(c, m, out[at - 1]); at--)
			out[at] = out[at - 1];
		out[at] = m;
	}
	hi = n;
	if (c->partial_from)
		cut_partial(c, n, &lo, &hi);
	memmove(out, out + lo, (hi - lo) * sizeof(*out));
	return hi - lo;
}

/* What changed while it was searched for may be in or not. */
static void end_search(struct client *c)
{
	bool told = !c->saves || c->partial_from, known = c->has_shot && c->exact;
	if (told && !c->answered)
		sim_fail(c->sim, "%d: SEARCH was not answered", c->index);
	const struct item **want = xmalloc((c->deed.set.n + 1) * sizeof(*want));
	uint32_t n = known ? to_be_found(c, want) : 0;
	if (c->saves) {
		uid_list_finish(&c->saved);
		c->has_saved = known;
		for (uint32_t i = 0; i < n; i++)
			uid_list_add(&c->saved, want[i]->uid);
	}
	for (uint32_t i = 0; known && told && (i < n || i < c->search_found_n); i++) {
		uint32_t has = i < c->search_found_n ? c->search_found[i] : 0, is = i < n ? want[i]->uid : 0;
		if (has != is)
			sim_fail(c->sim, "%d: SEARCH found UID %u, and not %u", c->index, has, is);
	}
	free(want);
}

static bool may_refuse(const struct client *c)
{
	if (c->kind == KIND_BAD || c->kind == KIND_NAMES)
		return true;
	bool removes = c->kind == KIND_EXPUNGE || c->deed.verb == DO_MOVE || c->deed.verb == DO_REPLACE;
	if (c->read_only && (c->kind == KIND_STORE || removes))
		return true;
	if (c->composes && compose_lacks(c))
		return true;
	for (uint32_t i = 0; i < c->deed.set.n; i++) /* something of it is gone */
		if (!box_find(&c->sim->oracle.boxes[c->box], c->deed.set.v[i]))
			return true;
	return false;
}

/* What was refused before all of it was sent: what is announced is sent, and no continuation comes for the rest. */
static void give_up(struct client *c)
{
	for (int i = 1; i < c->segments_n; i++)
		buf_reset(&c->segments[i]);
	c->segments_n = c->segments_n && c->segments[0].len ? 1 : 0;
}

static void on_tagged(struct client *c, const char *text)
{
	bool ok = strncmp(text, "OK", 2) == 0;
	if (!ok && !may_refuse(c))
		sim_fail(c->sim, "%d: refused", c->index);
	if (ok)
		client_hear_code(c, text);
	else
		give_up(c);
	if (c->deed.to != c->box || c->kind == KIND_APPEND)
		notified_touch(c, c->deed.to);
	switch (c->kind) {
	case KIND_SELECT:
		c->box = c->target;
		c->read_only = strstr(text, "[READ-ONLY]") != NULL;
		c->selection = ++c->sim->selections;
		if (c->dialect & DIALECT_CONDSTORE)
			resync_end_select(c);
		break;
	case KIND_LEAVE:
		notified_leave(c, c->deed.verb == DO_CLOSE);
		client_forget_mailbox(c);
		break;
	case KIND_FETCH:
		end_fetch(c);
		break;
	case KIND_STORE:
		end_store(c);
		break;
	case KIND_SEARCH:
		end_search(c);
		break;
	case KIND_NOOP:
		if (c->box >= 0 && c->has_shot && c->exact)
			client_compare(c, &c->shot.boxes[c->box], true, "after NOOP");
		break;
	case KIND_STATUS:
		if (!c->answered)
			sim_fail(c->sim, "%d: STATUS was not answered", c->index);
		break;
	case KIND_ENABLE:
		c->enabled = true;
		break;
	case KIND_NOTIFY:
		notified_end_notify(c);
		if (c->box >= 0 && c->has_shot && c->exact)
			client_compare(c, &c->shot.boxes[c->box], true, "after NOTIFY");
		break;
	case KIND_LIST:
		notified_end_list(c);
		break;
	case KIND_NAMES:
		notified_end_names(c, ok);
		break;
	case KIND_SETMETADATA: case KIND_GETMETADATA:
		notified_end_metadata(c, c->kind == KIND_SETMETADATA);
		break;
	case KIND_NONE:
		sim_fail(c->sim, "%d: an answer to nothing", c->index);
	case KIND_APPEND:
		if (c->composes && ok)
			compose_end(c);
		break;
	case KIND_COPY: case KIND_EXPUNGE: case KIND_IDLE: case KIND_LOGOUT: case KIND_BAD:
		break;
	}
	if (c->box >= 0 && (c->dialect & DIALECT_CONDSTORE))
		resync_end_command(c);
	forget_command(c);
}

static void on_continuation(struct client *c)
{
	if (c->kind == KIND_IDLE) {
		c->idling = true;
		return;
	}
	if (c->segments_n < 2 || c->segments[0].len)
		sim_fail(c->sim, "%d: a continuation for nothing", c->index);
	struct buf first = c->segments[0];
	c->segments_n--;
	memmove(&c->segments[0], &c->segments[1], (size_t)c->segments_n * sizeof(first));
	c->segments[c->segments_n] = first;
}

static void on_response(struct client *c, char *text, char *end)
{
	char tag[16];
	int tag_len = snprintf(tag, sizeof(tag), "t%u ", c->serial);
	sim_trace(c->sim, "%d S: %.150s", c->index, text);
	if (strncmp(text, "* ", 2) == 0)
		client_hear(c, text + 2, end);
	else if (strncmp(text, "+ ", 2) == 0)
		on_continuation(c);
	else if (strncmp(text, tag, (size_t)tag_len) == 0)
		on_tagged(c, text + tag_len);
	else
		sim_fail(c->sim, "%d: an answer to another command", c->index);
}

/* The length of the first response with its literals, 0 if it is not whole. */
static size_t response_len(const struct buf *b)
{
	size_t at = 0;
	for (;;) {
		const char *line = b->data + at, *lf = memchr(line, '\n', b->len - at);
		if (!lf)
			return 0;
		at = (size_t)(lf + 1 - b->data);
		if (lf < line + 3 || lf[-1] != '\r' || lf[-2] != '}')
			return at;
		const char *open = lf - 2;
		while (open > line && isdigit((unsigned char)open[-1]))
			open--;
		if (open == line || open[-1] != '{')
			return at;
		at += strtoul(open, NULL, 10);
		if (at > b->len)
			return 0;
	}
}

void client_take(struct client *c)
{
	size_t len;
	while (c->received.len && (len = response_len(&c->received)) != 0) {
		char *text = xmalloc(len + 1);
		memcpy(text, c->received.data, len);
		buf_drop(&c->received, len);
		text[len - 2] = '\0';
		on_response(c, text, text + len - 2);
		free(text);
	}
}
