#include "tests/model/client.h"

#include "server/session.h"
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
}

static void forget_command(struct client *c)
{
	c->kind = KIND_NONE;
	uid_list_finish(&c->deed.set);
	uid_list_finish(&c->deed.known);
	free(c->search_found);
	c->search_found = NULL;
	c->search_found_n = 0;
	c->idling = c->began = c->has_shot = false;
}

static void forget_mailbox(struct client *c)
{
	free(c->v);
	c->v = NULL;
	c->n = 0;
	c->box = -1;
}

void client_finish(struct client *c)
{
	forget_command(c);
	forget_mailbox(c);
	oracle_finish(&c->shot);
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
	session_log_in(c->wire->conn.session, "account", "user@example.org");
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
	forget_mailbox(c);
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

/* ---- responses ---- */

static bool takes_expunge(const struct client *c)
{
	switch (c->kind) {
	case KIND_NONE:
		return false;
	case KIND_FETCH: case KIND_STORE: case KIND_SEARCH:
		return c->uid_form; /* RFC 3501 7.4.1 */
	case KIND_NOOP: case KIND_SELECT: case KIND_LEAVE: case KIND_COPY: case KIND_EXPUNGE: case KIND_APPEND:
	case KIND_STATUS: case KIND_IDLE: case KIND_LOGOUT: case KIND_BAD:
		break;
	}
	return true;
}

static void on_exists(struct client *c, uint32_t n)
{
	if (c->kind == KIND_SELECT && !c->opened) {
		if (c->box >= 0)
			sim_fail(c->sim, "%d: EXISTS of a new mailbox without [CLOSED]", c->index);
		c->opened = true;
	}
	if (n < c->n)
		sim_fail(c->sim, "%d: EXISTS %u, and there were %u", c->index, n, c->n);
	c->v = xrealloc(c->v, n * sizeof(*c->v));
	for (; c->n < n; c->n++)
		c->v[c->n] = (struct known){0};
}

static void on_expunge(struct client *c, uint32_t n)
{
	if (!takes_expunge(c))
		sim_fail(c->sim, "%d: EXPUNGE where it may not be said", c->index);
	if (c->segments_n && c->kind != KIND_IDLE)
		sim_fail(c->sim, "%d: EXPUNGE before the command was sent", c->index);
	if (n == 0 || n > c->n)
		sim_fail(c->sim, "%d: EXPUNGE %u of %u", c->index, n, c->n);
	memmove(&c->v[n - 1], &c->v[n], (c->n - n) * sizeof(*c->v));
	c->n--;
}

static void on_recent_flag(struct client *c, uint32_t uid)
{
	int *owner = &c->sim->recent_owner[c->box][uid];
	if (c->read_only)
		return;
	if (*owner && *owner != c->selection)
		sim_fail(c->sim, "%d: UID %u is \\Recent here, and was elsewhere", c->index, uid);
	*owner = c->selection;
}

static void on_size(struct client *c, const struct known *k, size_t size)
{
	if (k->uid && c->sim->sizes[c->box][k->uid] != size)
		sim_fail(c->sim, "%d: UID %u has %zu octets, not %u", c->index, k->uid, size, c->sim->sizes[c->box][k->uid]);
}

/* A message's size says which octets it has: choose.c made them so. */
static void on_body(struct client *c, const struct known *k, const char *body, size_t size)
{
	char head[64];
	size_t n = (size_t)snprintf(head, sizeof(head), "Subject: s%zu\r\n\r\n", size);
	on_size(c, k, size);
	bool same = size >= n && memcmp(body, head, n) == 0;
	for (; same && n < size; n++)
		same = body[n] == (char)('a' + (int)(size % 26));
	if (!same)
		sim_fail(c->sim, "%d: UID %u has other octets at %zu of %zu", c->index, k->uid, n, size);
}

/* Items are read in two passes, since the UID may come last. */
static void read_items(struct client *c, struct known *k, const char *p, const char *end, bool uid_pass)
{
	while (p < end && *p != ')') {
		const char *name = p;
		while (*p != ' ')
			p += *p == '[' ? strcspn(p, "]") : 1;
		size_t name_len = (size_t)(p++ - name);
		const char *value = p;
		size_t len;
		if (*p == '{') {
			len = strtoul(p + 1, NULL, 10);
			value = strstr(p, "\r\n") + 2;
			p = value + len;
		} else if (*p == '(') {
			value++;
			len = strcspn(value, ")");
			p = value + len + 1;
		} else if (*p == '"') {
			value++;
			len = strcspn(value, "\"");
			p = value + len + 1;
		} else {
			len = strcspn(p, " )");
			p += len;
		}
		p += *p == ' ';
		struct span item = span_make(name, name_len);
		if (uid_pass && span_is(item, "UID")) {
			uint32_t uid = (uint32_t)strtoul(value, NULL, 10);
			if (k->uid && k->uid != uid)
				sim_fail(c->sim, "%d: a message's UID was %u, and is %u", c->index, k->uid, uid);
			k->uid = uid;
			k->got |= GOT_UID;
		} else if (!uid_pass && span_is(item, "FLAGS")) {
			k->flags = item_flags_read(value, len);
			k->has_flags = true;
			k->got |= GOT_FLAGS;
			if (k->uid && (k->flags & FLAG_RECENT))
				on_recent_flag(c, k->uid);
		} else if (!uid_pass && span_is(item, "RFC822.SIZE")) {
			k->got |= GOT_SIZE;
			on_size(c, k, strtoul(value, NULL, 10));
		} else if (!uid_pass && span_is(item, "BODY[]")) {
			k->got |= GOT_BODY;
			on_body(c, k, value, len);
		}
	}
}

static void on_fetch(struct client *c, uint32_t n, const char *text, const char *end)
{
	if (c->kind == KIND_NONE)
		sim_fail(c->sim, "%d: FETCH while no command runs", c->index);
	if (n == 0 || n > c->n)
		sim_fail(c->sim, "%d: FETCH %u of %u", c->index, n, c->n);
	struct known *k = &c->v[n - 1];
	read_items(c, k, text, end, true);
	read_items(c, k, text, end, false);
	for (uint32_t i = 0; k->uid && i < c->n; i++) {
		const struct known *other = &c->v[i];
		if (other->uid && ((i < n - 1) ? other->uid >= k->uid : i > n - 1 && other->uid <= k->uid))
			sim_fail(c->sim, "%d: UIDs do not ascend: %u is number %u, %u number %u", c->index, k->uid, n, other->uid, i + 1);
	}
}

static void on_search(struct client *c, const char *text)
{
	if (c->kind != KIND_SEARCH || c->answered)
		sim_fail(c->sim, "%d: SEARCH that was not asked for", c->index);
	c->answered = true;
	for (char *p; *text == ' '; text = p) {
		uint32_t n = (uint32_t)strtoul(text + 1, &p, 10);
		c->search_found = xrealloc(c->search_found, (c->search_found_n + 1) * sizeof(*c->search_found));
		if (!c->uid_form) {
			if (n == 0 || n > c->n)
				sim_fail(c->sim, "%d: SEARCH found %u of %u", c->index, n, c->n);
			n = c->v[n - 1].uid;
		}
		c->search_found[c->search_found_n++] = n;
	}
}

static void on_status(struct client *c, const char *text)
{
	unsigned messages, uidnext, unseen, want = 0;
	const char *open = strchr(text, '(');
	if (c->kind != KIND_STATUS || !open || sscanf(open, "(MESSAGES %u UIDNEXT %u UNSEEN %u)", &messages, &uidnext, &unseen) != 3)
		sim_fail(c->sim, "%d: STATUS that was not asked for", c->index);
	c->answered = true;
	if (!c->has_shot || !c->exact)
		return;
	const struct box *b = &c->shot.boxes[c->target];
	for (uint32_t i = 0; i < b->n; i++)
		want += !(b->v[i].flags & FLAG_SEEN);
	if (messages != b->n || uidnext != b->uidnext || unseen != want)
		sim_fail(c->sim, "%d: STATUS says %u %u %u, and it was %u %u %u", c->index, messages, uidnext, unseen, b->n,
			 b->uidnext, want);
}

/* "[COPYUID v a:b c:d]": the second set is where the messages went. */
static void on_code(struct client *c, const char *text)
{
	const char *copy = strstr(text, "[COPYUID "), *append = strstr(text, "[APPENDUID ");
	unsigned v, a, b;
	if (!copy && !append)
		return;
	const char *set = strrchr(copy ? copy : append, ' '), *end = strchr(copy ? copy : append, ']');
	while (set && set > end) /* the human text has spaces too */
		for (set--; *set != ' '; set--)
			;
	(void)v;
	int got = sscanf(set, " %u:%u]", &a, &b);
	if (got == 1)
		b = a;
	if (got < 1 || a != c->deed.first_new || b - a + 1 != c->deed.new_n)
		sim_fail(c->sim, "%d: %.80s, and %u from UID %u came", c->index, text, c->deed.new_n, c->deed.first_new);
}

static void on_untagged(struct client *c, const char *text, const char *end)
{
	char *word;
	uint32_t n = (uint32_t)strtoul(text, &word, 10);
	if (word != text) {
		word++;
		if (strncmp(word, "EXISTS", 6) == 0)
			on_exists(c, n);
		else if (strncmp(word, "EXPUNGE", 7) == 0)
			on_expunge(c, n);
		else if (strncmp(word, "FETCH (", 7) == 0)
			on_fetch(c, n, word + 7, end);
		else if (strncmp(word, "RECENT", 6) != 0 || n > c->n)
			sim_fail(c->sim, "%d: not to be understood", c->index);
		return;
	}
	if (strncmp(text, "OK [CLOSED]", 11) == 0) {
		forget_mailbox(c);
		c->opened = true;
	} else if (strncmp(text, "SEARCH", 6) == 0) {
		on_search(c, text + 6);
	} else if (strncmp(text, "STATUS ", 7) == 0) {
		on_status(c, text + 7);
	} else if (strncmp(text, "BYE", 3) == 0 && c->kind != KIND_LOGOUT) {
		sim_fail(c->sim, "%d: BYE", c->index);
	} else {
		on_code(c, text);
	}
}

/* ---- the end of a command ---- */

void client_compare(struct client *c, const struct box *box, const char *when)
{
	if (c->n != box->n)
		sim_fail(c->sim, "%d %s: knows of %u messages, and there are %u", c->index, when, c->n, box->n);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct known *k = &c->v[i];
		const struct item *m = &box->v[i];
		char has[128], want[128];
		if (k->uid && k->uid != m->uid)
			sim_fail(c->sim, "%d %s: number %u is UID %u, not %u", c->index, when, i + 1, m->uid, k->uid);
		item_flags_write(m->flags, want);
		item_flags_write(k->flags, has);
		if (k->has_flags && (k->flags & FLAGS_ALL) != m->flags)
			sim_fail(c->sim, "%d %s: number %u (UID %u) has (%s), not (%s)", c->index, when, i + 1, m->uid, want, has);
	}
}

static void end_fetch(struct client *c)
{
	for (uint32_t i = 0; c->has_shot && i < c->n; i++) {
		const struct known *k = &c->v[i];
		bool alive = k->uid && box_find(&c->shot.boxes[c->box], k->uid);
		if (alive && uid_list_has(&c->deed.set, k->uid) && (k->got & c->wants) != c->wants)
			sim_fail(c->sim, "%d: FETCH said nothing of UID %u", c->index, k->uid);
	}
}

/* What a .SILENT client works out for itself (RFC 3501 6.4.6). */
static void end_store(struct client *c)
{
	if (c->read_only)
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		struct known *k = &c->v[i];
		if (!k->uid || !uid_list_has(&c->deed.set, k->uid) || !k->has_flags || !c->silent)
			continue;
		k->flags = deed_flags(&c->deed, k->flags) | (k->flags & FLAG_RECENT);
		k->has_flags = c->exact;
	}
}

static void end_search(struct client *c)
{
	if (!c->answered)
		sim_fail(c->sim, "%d: SEARCH was not answered", c->index);
	if (!c->has_shot || !c->exact)
		return;
	const struct box *b = &c->shot.boxes[c->box];
	uint32_t at = 0;
	for (uint32_t i = 0; i < c->deed.set.n; i++) {
		const struct item *m = box_find(b, c->deed.set.v[i]);
		if (!m || (m->flags & c->search_flags) != c->search_flags || (m->flags & c->search_without))
			continue;
		if (at == c->search_found_n || c->search_found[at] != m->uid)
			sim_fail(c->sim, "%d: SEARCH did not find UID %u, or found %u", c->index, m->uid,
				 at < c->search_found_n ? c->search_found[at] : 0);
		at++;
	}
	if (at != c->search_found_n)
		sim_fail(c->sim, "%d: SEARCH found UID %u", c->index, c->search_found[at]);
}

static bool may_refuse(const struct client *c)
{
	if (c->kind == KIND_BAD)
		return true;
	if (c->read_only && (c->kind == KIND_STORE || c->kind == KIND_EXPUNGE || c->deed.verb == DO_MOVE))
		return true;
	for (uint32_t i = 0; i < c->deed.set.n; i++) /* something of it is gone */
		if (!box_find(&c->sim->oracle.boxes[c->box], c->deed.set.v[i]))
			return true;
	return false;
}

static void on_tagged(struct client *c, const char *text)
{
	bool ok = strncmp(text, "OK", 2) == 0;
	if (!ok && !may_refuse(c))
		sim_fail(c->sim, "%d: refused", c->index);
	if (ok)
		on_code(c, text);
	switch (c->kind) {
	case KIND_SELECT:
		c->box = c->target;
		c->read_only = strstr(text, "[READ-ONLY]") != NULL;
		c->selection = ++c->sim->selections;
		break;
	case KIND_LEAVE:
		forget_mailbox(c);
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
			client_compare(c, &c->shot.boxes[c->box], "after NOOP");
		break;
	case KIND_STATUS:
		if (!c->answered)
			sim_fail(c->sim, "%d: STATUS was not answered", c->index);
		break;
	case KIND_NONE:
		sim_fail(c->sim, "%d: an answer to nothing", c->index);
	case KIND_COPY: case KIND_EXPUNGE: case KIND_APPEND: case KIND_IDLE: case KIND_LOGOUT: case KIND_BAD:
		break;
	}
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
		on_untagged(c, text + 2, end);
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
