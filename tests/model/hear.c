/* What a client makes of untagged responses, and of the codes in tagged ones. */
#include "tests/model/client.h"

#include "protocol/imap/lexer.h"
#include "tests/model/compose.h"
#include "tests/model/sim.h"

#include <string.h>

bool client_takes_expunge(const struct client *c)
{
	if (notified_at_once(c))
		return true;
	switch (c->kind) {
	case KIND_NONE:
		return false;
	case KIND_FETCH: case KIND_STORE: case KIND_SEARCH:
		return c->uid_form; /* RFC 3501 7.4.1 */
	case KIND_NOOP: case KIND_SELECT: case KIND_LEAVE: case KIND_COPY: case KIND_EXPUNGE: case KIND_APPEND:
	case KIND_STATUS: case KIND_IDLE: case KIND_LOGOUT: case KIND_BAD: case KIND_ENABLE:
	case KIND_NOTIFY: case KIND_LIST: case KIND_NAMES:
	case KIND_SETMETADATA: case KIND_GETMETADATA:
		break;
	}
	return true;
}

static void on_exists(struct client *c, uint32_t n)
{
	bool told = notified_of_selected(c), of_old = told && c->box >= 0 && !c->opened;
	if (c->kind == KIND_NONE && !told)
		sim_fail(c->sim, "%d: EXISTS while no command runs", c->index);
	if (c->kind == KIND_SELECT && !c->opened && !of_old) {
		if (c->box >= 0)
			sim_fail(c->sim, "%d: EXISTS of a new mailbox without [CLOSED]", c->index);
		c->opened = true;
	}
	if (n < c->n)
		sim_fail(c->sim, "%d: EXISTS %u, and there were %u", c->index, n, c->n);
	c->v = xrealloc(c->v, n * sizeof(*c->v));
	for (; c->n < n; c->n++)
		c->v[c->n] = (struct known){.due = told && c->notified.wish.fetches && (c->kind != KIND_SELECT || of_old)};
}

/* With SELECTED NONE it hears of what it removed itself alone (RFC 5465 3.1). */
void hear_own_expunge(struct client *c, uint32_t uid)
{
	if (c->notified.wish.selected == SELECTED_NONE && c->kind != KIND_NOTIFY && c->kind != KIND_SELECT && uid &&
	    !uid_list_has(&c->removed, uid))
		sim_fail(c->sim, "%d: told that UID %u is gone, and has asked not to be", c->index, uid);
}

static void on_expunge(struct client *c, uint32_t n)
{
	if (c->dialect & (DIALECT_QRESYNC | DIALECT_UIDONLY))
		sim_fail(c->sim, "%d: EXPUNGE, and not VANISHED", c->index);
	if (!client_takes_expunge(c))
		sim_fail(c->sim, "%d: EXPUNGE where it may not be said", c->index);
	if (c->segments_n && c->kind != KIND_IDLE && !notified_at_once(c))
		sim_fail(c->sim, "%d: EXPUNGE before the command was sent", c->index);
	if (n == 0 || n > c->n)
		sim_fail(c->sim, "%d: EXPUNGE %u of %u", c->index, n, c->n);
	hear_own_expunge(c, c->v[n - 1].uid);
	memmove(&c->v[n - 1], &c->v[n], (c->n - n) * sizeof(*c->v));
	c->n--;
}

static void on_recent_flag(struct client *c, uint32_t uid)
{
	if (c->read_only || c->box < 0) /* SELECT has not ended */
		return;
	int *owner = &c->sim->recent_owner[c->box][uid];
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
	for (uint32_t at = 0; same && n < size; n++, at++)
		same = body[n] == compose_letter((uint32_t)size, at);
	if (!same)
		sim_fail(c->sim, "%d: UID %u has other octets at %zu of %zu", c->index, k->uid, n, size);
}

/* Without FLAGS it is the answer to a silent STORE: the client knows what that made of the flags (RFC 7162 3.1.3). */
static void on_modseq(struct client *c, struct known *k, uint64_t modseq, bool has_flags)
{
	if (!(c->dialect & DIALECT_CONDSTORE) && !(c->wants & GOT_MODSEQ))
		sim_fail(c->sim, "%d: MODSEQ that was not enabled", c->index);
	if (!has_flags && c->kind == KIND_STORE && c->silent && k->has_flags && !c->read_only)
		k->flags = deed_flags(&c->deed, k->flags) | (k->flags & FLAG_RECENT);
	k->modseq = modseq;
	k->got |= GOT_MODSEQ;
	c->told_modseq = modseq > c->told_modseq ? modseq : c->told_modseq;
}

/* Items are read in two passes, since the UID may come last. */
static void read_items(struct client *c, struct known *k, const char *p, const char *end, bool uid_pass)
{
	bool has_flags = false, has_modseq = false;
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
		} else if (!uid_pass && span_is(item, "MODSEQ")) {
			on_modseq(c, k, strtoull(value, NULL, 10), has_flags);
			has_modseq = true;
		} else if (!uid_pass && span_is(item, "FLAGS")) {
			has_flags = true;
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
	if (!uid_pass && has_flags && !has_modseq && (c->dialect & DIALECT_CONDSTORE)) {
		if (c->kind != KIND_FETCH && !c->notified.wish.fetches) /* RFC 7162 3.2.4: only what a FETCH asks for comes without */
			sim_fail(c->sim, "%d: FLAGS without MODSEQ", c->index);
		k->modseq = 0;
	}
}

/* Without sequence numbers those that are known come first, by UID, and then the others (RFC 9586 3.3). */
static void on_uid_fetch(struct client *c, uint32_t uid, const char *text, const char *end)
{
	uint32_t at = 0;
	if (c->kind == KIND_NONE && !notified_of_selected(c))
		sim_fail(c->sim, "%d: UIDFETCH while no command runs", c->index);
	while (at < c->n && c->v[at].uid && c->v[at].uid < uid)
		at++;
	if (at == c->n || c->v[at].uid != uid) {
		if (c->n == 0 || c->v[c->n - 1].uid)
			sim_fail(c->sim, "%d: UIDFETCH of %u, which it cannot have", c->index, uid);
		memmove(&c->v[at + 1], &c->v[at], (c->n - 1 - at) * sizeof(*c->v));
		c->v[at] = (struct known){.uid = uid};
	}
	c->v[at].got |= GOT_UID;
	read_items(c, &c->v[at], text, end, false);
}

static void on_fetch(struct client *c, uint32_t n, const char *text, const char *end)
{
	if (c->kind == KIND_NONE && !notified_of_selected(c))
		sim_fail(c->sim, "%d: FETCH while no command runs", c->index);
	if (c->dialect & DIALECT_UIDONLY)
		sim_fail(c->sim, "%d: FETCH, and not UIDFETCH", c->index);
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

static void on_found(struct client *c, uint32_t n)
{
	c->search_found = xrealloc(c->search_found, (c->search_found_n + 1) * sizeof(*c->search_found));
	if (!c->uid_form) {
		if (n == 0 || n > c->n)
			sim_fail(c->sim, "%d: SEARCH found %u of %u", c->index, n, c->n);
		n = c->v[n - 1].uid;
	}
	c->search_found[c->search_found_n++] = n;
}

static void on_search(struct client *c, const char *text)
{
	if (c->kind != KIND_SEARCH || c->answered || c->saves || c->partial_from)
		sim_fail(c->sim, "%d: SEARCH that was not asked for", c->index);
	c->answered = true;
	for (char *p; *text == ' '; text = p)
		on_found(c, (uint32_t)strtoul(text + 1, &p, 10));
}

/* "(TAG "t7") UID PARTIAL (1:3 9,2:3)": the range as it was asked for, and the messages, or NIL (RFC 9394 3.1). */
static void on_esearch(struct client *c, const char *text)
{
	char head[100], *end;
	int n = snprintf(head, sizeof(head), "(TAG \"t%u\")%s PARTIAL (%d:%d ", c->serial, c->uid_form ? " UID" : "", c->partial_from,
			 c->partial_to);
	if (c->kind != KIND_SEARCH || c->answered || !c->partial_from || strncmp(text, head, (size_t)n) != 0)
		sim_fail(c->sim, "%d: ESEARCH that was not asked for", c->index);
	c->answered = true;
	if (strcmp(text + n, "NIL)") == 0)
		return;
	for (const char *at = text + n - 1; *at != ')'; at = end) {
		uint32_t lo = (uint32_t)strtoul(at + 1, &end, 10), hi = lo;
		if (*end == ':')
			hi = (uint32_t)strtoul(end + 1, &end, 10);
		if (lo == 0 || hi < lo || hi > SIZES_MAX || (*end != ',' && *end != ')'))
			sim_fail(c->sim, "%d: ESEARCH names %u:%u", c->index, lo, hi);
		for (; lo <= hi; lo++)
			on_found(c, lo);
	}
}

static void on_status(struct client *c, const char *text)
{
	unsigned messages, uidnext, unseen, want = 0;
	const char *open = strchr(text, '(');
	if (c->notified.uses && (c->kind != KIND_STATUS || !open || !strstr(open, "SIZE"))) {
		notified_status(c, text);
		return;
	}
	if (c->kind != KIND_STATUS || !open || sscanf(open, "(MESSAGES %u UIDNEXT %u UNSEEN %u", &messages, &uidnext, &unseen) != 3)
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

/* "[MODIFIED 2,5:7]": what a conditional STORE has left as it was, and this must be all of it. */
static void on_modified(struct client *c, const char *code)
{
	uint32_t found = 0;
	for (const char *at = code ? code + 9 : "]"; *at != ']';) {
		char *end;
		uint32_t lo = (uint32_t)strtoul(at + 1, &end, 10), hi = lo;
		if (*end == ':')
			hi = (uint32_t)strtoul(end + 1, &end, 10);
		for (uint32_t n = lo; n <= hi && n; n++) {
			uint32_t uid = c->uid_form ? n : (n <= c->n ? c->v[n - 1].uid : 0);
			bool meant = uid_list_has(&c->deed.modified, uid);
			found += meant;
			/* A range of UIDs may span those that nobody has. */
			if (!meant && (!c->uid_form || lo == hi) && !uid_list_has(&c->deed.perhaps_modified, uid))
				sim_fail(c->sim, "%d: UID %u is told as MODIFIED, and was not", c->index, uid);
		}
		at = end;
	}
	if (code && found != c->deed.modified.n)
		sim_fail(c->sim, "%d: MODIFIED tells %u, and there are %u", c->index, found, c->deed.modified.n);
	c->modified = c->modified || code;
}

/* "[COPYUID v a:b c:d]": the second set is where the messages went. */
void client_hear_code(struct client *c, const char *text)
{
	const char *copy = strstr(text, "[COPYUID "), *append = strstr(text, "[APPENDUID ");
	unsigned v, a, b;
	resync_code(c, text);
	on_modified(c, strstr(text, "[MODIFIED "));
	if (!copy && !append)
		return;
	c->answered = c->answered || append;
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

static void on_enabled(struct client *c, const char *text)
{
	if (strstr(text, " CONDSTORE"))
		c->dialect |= DIALECT_CONDSTORE;
	if (strstr(text, " QRESYNC"))
		c->dialect |= DIALECT_CONDSTORE | DIALECT_QRESYNC;
	if (strstr(text, " UIDONLY"))
		c->dialect |= DIALECT_UIDONLY;
}

void client_hear(struct client *c, const char *text, const char *end)
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
		else if (strncmp(word, "UIDFETCH (", 10) == 0 && (c->dialect & DIALECT_UIDONLY))
			on_uid_fetch(c, n, word + 10, end);
		else if (strncmp(word, "RECENT", 6) != 0 || n > c->n)
			sim_fail(c->sim, "%d: not to be understood", c->index);
		return;
	}
	if (strncmp(text, "OK [CLOSED]", 11) == 0) {
		if (c->box >= 0)
			notified_leave(c, false);
		client_forget_mailbox(c);
		c->opened = true;
	} else if (strncmp(text, "VANISHED", 8) == 0) {
		resync_vanished(c, text + 8);
	} else if (strncmp(text, "ENABLED", 7) == 0) {
		on_enabled(c, text);
	} else if (strncmp(text, "SEARCH", 6) == 0) {
		on_search(c, text + 6);
	} else if (strncmp(text, "ESEARCH ", 8) == 0) {
		on_esearch(c, text + 8);
	} else if (strncmp(text, "SORT", 4) == 0) {
		on_search(c, text + 4);
	} else if (strncmp(text, "STATUS ", 7) == 0) {
		on_status(c, text + 7);
	} else if (strncmp(text, "LIST ", 5) == 0) {
		notified_name(c, text + 5);
	} else if (strncmp(text, "METADATA ", 9) == 0) {
		notified_metadata(c, text + 9);
	} else if (strncmp(text, "OK [NOTIFICATIONOVERFLOW]", 25) == 0) {
		notified_overflow(c);
	} else if (strncmp(text, "BYE", 3) == 0 && c->kind != KIND_LOGOUT) {
		sim_fail(c->sim, "%d: BYE", c->index);
	} else {
		client_hear_code(c, text);
	}
}
