#include "tests/model/compose.h"

#include "tests/model/client.h"
#include "tests/model/sim.h"

#include <string.h>

static uint32_t head_len(uint32_t size)
{
	return (uint32_t)snprintf(NULL, 0, "Subject: s%u\r\n\r\n", size);
}

char compose_letter(uint32_t size, uint32_t at)
{
	return (char)('a' + (int)((size + at) % LETTERS));
}

/* Of the text of the message that has this size, n octets from `at` on. */
static void add_text_octets(struct client *c, uint32_t size, uint32_t at, uint32_t n)
{
	char x[1001];
	while (n) {
		uint32_t part = n < 1000 ? n : 1000;
		for (uint32_t i = 0; i < part; i++)
			x[i] = compose_letter(size, at++);
		x[part] = '\0';
		client_add(c, "%s", x);
		n -= part;
	}
}

void compose_literal(struct client *c, uint32_t size)
{
	client_add(c, "Subject: s%u\r\n\r\n", size);
	add_text_octets(c, size, 0, size - head_len(size));
}

/* The head of a literal; the client waits now and then. */
static void begin_literal(struct client *c, uint32_t n)
{
	bool waits = c->segments_n < SEGMENTS_MAX && sim_once(c->sim, 4);
	client_add(c, "{%u%s}\r\n", n, waits ? "" : "+");
	if (waits)
		client_next_segment(c);
}

static void begin_url(struct client *c, uint32_t uid)
{
	invariant(c->parts_n < PARTS_MAX);
	c->parts[c->parts_n++] = uid;
	client_add(c, "URL \"/%s", box_names[c->box]);
	if (c->uidvalidity && sim_once(c->sim, 2))
		client_add(c, ";UIDVALIDITY=%u", c->uidvalidity);
	client_add(c, "/;UID=%u", uid);
}

/* The next octets of the text of the message that has this size, from `at` on and at most `most`, are somewhere in the text of
 * the one with UID `uid`, too: a piece of that.  Returns how many, 0 when its text is too short. */
static uint32_t add_url_of_text(struct client *c, uint32_t uid, uint32_t size, uint32_t at, uint32_t most)
{
	uint32_t source = c->sim->sizes[c->box][uid], text = source - head_len(source);
	uint32_t from = (size % LETTERS + at % LETTERS + LETTERS - source % LETTERS) % LETTERS;
	if (from >= text)
		return 0;
	if (!sim_once(c->sim, 3))
		from += LETTERS * sim_below(c->sim, (text - from - 1) / LETTERS + 1);
	uint32_t n = text - from;
	if (n > most || sim_once(c->sim, 2))
		n = 1 + sim_below(c->sim, n < most ? n : most);
	begin_url(c, uid);
	client_add(c, "/;SECTION=TEXT");
	if (from || n < text)
		client_add(c, "/;PARTIAL=%u.%u", from, n);
	client_add(c, "\"");
	return n;
}

static uint32_t add_text(struct client *c, uint32_t size, uint32_t at, uint32_t n)
{
	client_add(c, "TEXT ");
	begin_literal(c, n);
	add_text_octets(c, size, at, n);
	return n;
}

/* A head, then pieces of the text; or another message as it is.  Returns the size. */
static uint32_t add_parts(struct client *c)
{
	struct sim *s = c->sim;
	client_add(c, " CATENATE (");
	if (sim_once(s, 4)) {
		uint32_t uid = c->v[sim_below(s, c->n)].uid;
		begin_url(c, uid);
		client_add(c, "\")");
		return s->sizes[c->box][uid];
	}
	uint32_t size = s->next_size++, text = size - head_len(size), at = 0;
	client_add(c, "TEXT ");
	begin_literal(c, head_len(size));
	client_add(c, "Subject: s%u\r\n\r\n", size);
	for (int i = 0; at < text; i++) {
		uint32_t n = 0;
		client_add(c, " ");
		if (i < 4 && sim_once(s, 2))
			n = add_url_of_text(c, c->v[sim_below(s, c->n)].uid, size, at, text - at);
		if (n == 0)
			n = add_text(c, size, at, i < 4 ? 1 + sim_below(s, text - at) : text - at);
		at += n;
	}
	client_add(c, ")");
	return size;
}

static uint32_t add_plain(struct client *c)
{
	uint32_t size = c->sim->next_size++;
	client_add(c, " ");
	begin_literal(c, size);
	compose_literal(c, size);
	return size;
}

void compose_choose(struct client *c, bool needs_uids)
{
	struct sim *s = c->sim;
	char flags[128];
	bool replaces = sim_once(s, 2);
	client_begin(c, KIND_APPEND, replaces ? DO_REPLACE : DO_APPEND);
	c->composes = true;
	c->deed.to = (int)sim_below(s, BOXES);
	c->deed.flags = s->random & FLAGS_ALL & sim_below(s, FLAGS_ALL + 1) & ~(uint32_t)FLAG_DELETED;
	item_flags_write(c->deed.flags, flags);
	if (replaces) {
		uint32_t at = sim_below(s, c->n);
		c->uid_form = needs_uids || sim_once(s, 2);
		uid_list_add(&c->deed.set, c->v[at].uid);
		client_add(c, "%s %u %s", c->uid_form ? "UID REPLACE" : "REPLACE", c->uid_form ? c->v[at].uid : at + 1,
			   box_names[c->deed.to]);
	} else {
		client_add(c, "APPEND %s", box_names[c->deed.to]);
	}
	uint32_t n = replaces ? 1 : 1 + sim_below(s, countof(c->deed.sizes));
	for (uint32_t i = 0; i < n; i++) {
		client_add(c, " (%s)", flags);
		c->deed.sizes[c->deed.sizes_n++] = sim_once(s, 3) ? add_plain(c) : add_parts(c);
	}
	client_add(c, "\r\n");
}

bool compose_lacks(const struct client *c)
{
	for (uint32_t i = 0; i < c->parts_n; i++)
		if (!box_find(&c->sim->oracle.boxes[c->box], c->parts[i]))
			return true;
	return false;
}

void compose_end(struct client *c)
{
	if (!c->answered || c->deed.new_n != c->deed.sizes_n)
		sim_fail(c->sim, "%d: %u messages were sent, and %u came", c->index, c->deed.sizes_n, c->deed.new_n);
	if (c->deed.verb == DO_REPLACE && box_find(&c->sim->oracle.boxes[c->deed.box], c->deed.set.v[0]))
		sim_fail(c->sim, "%d: UID %u was replaced, and is there", c->index, c->deed.set.v[0]);
}
