#include "storage/flagset.h"
#include "tests/crash/steps.h"
#include "tests/crash/workload.h"

#include <stdarg.h>

const struct step steps[] = {
	{.kind = STEP_APPEND, .box = "INBOX", .number = 1, .hi = 1},
	{.kind = STEP_STORE, .box = "INBOX", .lo = 1, .hi = 1, .flags = FLAG_SEEN},
	{.kind = STEP_CREATE, .box = "Work/Plans"},
	{.kind = STEP_APPEND, .box = "INBOX", .number = 5, .hi = 1, .flags = FLAG_FLAGGED},   /* a file */
	{.kind = STEP_APPEND, .box = "INBOX", .number = 2, .hi = 5, .flags = FLAG_DRAFT},     /* all or none; 5 again */
	{.kind = STEP_USER, .number = 1},
	{.kind = STEP_ANNOTATE, .box = "Work/Plans", .number = 3},
	{.kind = STEP_ANNOTATE, .number = 4},
	{.kind = STEP_COPY, .box = "INBOX", .to = "Work/Plans", .lo = 2, .hi = 4},
	{.kind = STEP_STORE, .box = "INBOX", .lo = 1, .hi = 5, .flags = FLAG_SEEN | FLAG_ANSWERED},
	{.kind = STEP_STORE, .box = "INBOX", .lo = 2, .hi = 9, .flags = FLAG_DELETED},
	{.kind = STEP_GROUP, .box = "Work/Plans", .number = 10, .lo = 1, .hi = 2, .flags = FLAG_SEEN},
	{.kind = STEP_MOVE, .box = "INBOX", .to = "Work", .lo = 1, .hi = 3},
	{.kind = STEP_ABANDON, .number = 15},
	{.kind = STEP_INDEX},
	{.kind = STEP_IDLE},
	{.kind = STEP_REMOVE, .box = "INBOX", .lo = 4, .hi = 5},
	{.kind = STEP_RENAME, .box = "Work", .to = "Done"},
	{.kind = STEP_ANNOTATE, .box = "Done/Plans", .number = 600},                         /* more than a page */
	{.kind = STEP_STORE, .box = "Done", .lo = 1, .hi = 2, .flags = FLAG_DRAFT},
	{.kind = STEP_REOPEN},
	{.kind = STEP_STORE, .box = "Done/Plans", .lo = 1, .hi = 4, .flags = FLAG_FLAGGED},
	{.kind = STEP_APPEND, .box = "Done/Plans", .number = 20, .hi = 2},
	{.kind = STEP_DELETE, .box = "Done/Plans"},                                          /* a file nobody names */
	{.kind = STEP_SWEEP},
	{.kind = STEP_ANNOTATE, .box = "Archive", .number = 1},
	{.kind = STEP_RENEW},
	{.kind = STEP_USER, .number = 2},
	{.kind = STEP_PURGE},
	{.kind = STEP_APPEND, .box = "Archive", .number = 25, .hi = 1, .flags = FLAG_SEEN},
	{.kind = STEP_REMOVE, .box = "Archive", .lo = 1, .hi = 1},
	{.kind = STEP_APPEND, .box = "Archive", .number = 5, .hi = 2},
	{.kind = STEP_SWEEP},
	{.kind = STEP_STORE, .box = "Archive", .lo = 2, .hi = 3, .flags = FLAG_SEEN | FLAG_FLAGGED},
	{.kind = STEP_ANNOTATE, .number = 0},
	{.kind = STEP_INDEX},
	{.kind = STEP_GROUP, .box = "INBOX", .number = 30, .lo = 1, .hi = 9, .flags = FLAG_SEEN},
	{.kind = STEP_REOPEN},
};
const unsigned steps_n = countof(steps);

enum { BOXES = 16, MESSAGES = 32 };

struct model_box {
	char name[32]; /* "" for none */
	uint32_t uidnext, n;
	unsigned annotated; /* 0: not */
	struct {
		uint32_t uid, flags;
		unsigned number;
	} messages[MESSAGES];
};

struct model {
	struct model_box boxes[BOXES];
	unsigned annotated, users;
};

static struct model_box *box_of(struct model *m, const char *name)
{
	struct model_box *empty = NULL;
	for (unsigned i = 0; i < BOXES; i++) {
		if (strcmp(m->boxes[i].name, name) == 0)
			return &m->boxes[i];
		if (!m->boxes[i].name[0] && !empty)
			empty = &m->boxes[i];
	}
	invariant(empty);
	*empty = (struct model_box){.uidnext = 1};
	snprintf(empty->name, sizeof(empty->name), "%s", name);
	return empty;
}

static void add(struct model_box *b, unsigned number, uint32_t flags)
{
	invariant(b->n < MESSAGES);
	b->messages[b->n].uid = b->uidnext++;
	b->messages[b->n].flags = flags;
	b->messages[b->n++].number = number;
}

static void copy(struct model *m, const struct step *s)
{
	struct model_box *from = box_of(m, s->box), *to = box_of(m, s->to);
	for (uint32_t i = 0; i < from->n; i++)
		if (from->messages[i].uid >= s->lo && from->messages[i].uid <= s->hi)
			add(to, from->messages[i].number, from->messages[i].flags);
}

static void take_out(struct model *m, const struct step *s)
{
	struct model_box *b = box_of(m, s->box);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < b->n; i++)
		if (b->messages[i].uid < s->lo || b->messages[i].uid > s->hi)
			b->messages[kept++] = b->messages[i];
	b->n = kept;
}

static void store(struct model *m, const struct step *s)
{
	struct model_box *b = box_of(m, s->box);
	for (uint32_t i = 0; i < b->n; i++)
		if (b->messages[i].uid >= s->lo && b->messages[i].uid <= s->hi)
			b->messages[i].flags = s->flags;
}

static void rename_tree(struct model *m, const char *from, const char *to)
{
	size_t len = strlen(from);
	for (unsigned i = 0; i < BOXES; i++) {
		char *name = m->boxes[i].name, rest[32];
		if (strncmp(name, from, len) != 0 || (name[len] && name[len] != '/'))
			continue;
		snprintf(rest, sizeof(rest), "%s", name + len);
		snprintf(name, sizeof(m->boxes[i].name), "%.15s%.15s", to, rest);
	}
}

static void create(struct model *m, const char *name)
{
	char parent[32];
	for (const char *at = name; (at = strchr(at, '/')); at++) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(at - name), name);
		box_of(m, parent);
	}
	box_of(m, name);
}

static void apply(struct model *m, const struct step *s)
{
	switch (s->kind) {
	case STEP_APPEND:
		for (unsigned i = 0; i < s->hi; i++)
			add(box_of(m, s->box), s->number + i, s->flags);
		break;
	case STEP_COPY:
		copy(m, s);
		break;
	case STEP_MOVE:
		copy(m, s);
		take_out(m, s);
		break;
	case STEP_REMOVE:
		take_out(m, s);
		break;
	case STEP_STORE:
		store(m, s);
		break;
	case STEP_CREATE:
		create(m, s->box);
		break;
	case STEP_RENAME:
		rename_tree(m, s->box, s->to);
		break;
	case STEP_DELETE:
		box_of(m, s->box)->name[0] = '\0';
		break;
	case STEP_ANNOTATE:
		*(s->box ? &box_of(m, s->box)->annotated : &m->annotated) = s->number;
		break;
	case STEP_GROUP:
		add(box_of(m, s->box), s->number, 0);
		store(m, s);
		break;
	case STEP_USER:
		m->users = s->number;
		break;
	case STEP_PURGE:
	case STEP_ABANDON:
	case STEP_SWEEP:
	case STEP_INDEX:
	case STEP_RENEW:
	case STEP_IDLE:
	case STEP_REOPEN:
		break;
	}
}

static int by_name(const void *x, const void *y)
{
	const struct model_box *a = x, *b = y;
	return strcmp(a->name, b->name);
}

static void print(FILE *out, const struct model *m)
{
	for (unsigned i = 0; i < BOXES; i++) {
		const struct model_box *b = &m->boxes[i];
		if (!b->name[0])
			continue;
		fprintf(out, "%s uidnext %u annotated %u\n", b->name, b->uidnext, b->annotated);
		for (uint32_t j = 0; j < b->n; j++) {
			size_t len;
			char *bytes = workload_message(b->messages[j].number, &len);
			fprintf(out, "  %u flags %u size %zu hash %016llx\n", b->messages[j].uid, b->messages[j].flags, len,
				(unsigned long long)workload_hash(bytes, len));
			free(bytes);
		}
	}
	fprintf(out, "account annotated %u\nusers %u\n", m->annotated, m->users);
}

char *workload_expected(unsigned state)
{
	static const char *const first[] = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"};
	struct model m = {0};
	for (unsigned i = 0; i < countof(first); i++)
		box_of(&m, first[i]);
	invariant(state <= steps_n);
	for (unsigned i = 0; i < state; i++)
		apply(&m, &steps[i]);
	qsort(m.boxes, BOXES, sizeof(*m.boxes), by_name);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	invariant(out);
	print(out, &m);
	fclose(out);
	return text;
}

unsigned workload_steps(void)
{
	return steps_n;
}

const char *workload_step_name(unsigned step)
{
	static const char *const names[] = {
		[STEP_APPEND] = "append", [STEP_COPY] = "copy",     [STEP_MOVE] = "move",     [STEP_REMOVE] = "remove",
		[STEP_STORE] = "store",   [STEP_CREATE] = "create", [STEP_RENAME] = "rename", [STEP_DELETE] = "delete",
		[STEP_ANNOTATE] = "annotate", [STEP_GROUP] = "group",   [STEP_ABANDON] = "abandon", [STEP_SWEEP] = "sweep", [STEP_INDEX] = "index",
		[STEP_RENEW] = "renew", [STEP_IDLE] = "idle",
		[STEP_REOPEN] = "reopen", [STEP_USER] = "user", [STEP_PURGE] = "purge"};
	return step < steps_n ? names[steps[step].kind] : "end";
}

bool workload_step_is_durable(unsigned step)
{
	enum step_kind kind = steps[step].kind;
	return kind != STEP_STORE && kind != STEP_REMOVE && kind != STEP_ABANDON && kind != STEP_SWEEP &&
	       kind != STEP_INDEX && kind != STEP_RENEW;
}

uint64_t workload_hash(const char *bytes, size_t len)
{
	uint64_t h = len;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return h;
}

char *workload_message(unsigned number, size_t *out_len)
{
	size_t len = number % 5 == 0 ? 140000 + number : 300 + number * 31;
	char *m = xmalloc(len);
	uint64_t r = number + 1;
	for (size_t i = 0; i < len; i++) {
		r = r * 6364136223846793005u + 1442695040888963407u;
		m[i] = number % 5 == 0 ? (char)(r >> 56) : "etaoin shrdlu\r\n"[(r >> 56) % 15];
	}
	*out_len = len;
	return m;
}
