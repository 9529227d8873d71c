/*
 * LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 5258, 5819, 6154).
 *
 * All names of the account are read once, in the order of their octets, so that what is below a name lies together:
 * whether a descendant meets the selection is then a difference of two sums.  The answer leaves in chunks.
 */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "protocol/imap/pattern.h"
#include "protocol/imap/response_list.h"
#include "server/slice.h"
#include "storage/mailbox.h"

struct entry {
	const char *name;
	int64_t id;       /* 0: only a subscription, or a level above one, has this name */
	bool selectable, has_children, subscribed;
	uint32_t special;
	bool matches;     /* one of the patterns */
	bool wanted;      /* it meets the selection */
	/* Of those before it in the order: */
	uint32_t wanted_before, told_before;
};

struct list {
	struct mailbox_names names; /* own the names, but for the levels' */
	struct entry *entries;      /* n, and one behind for the sums */
	size_t n, cap;
	struct pattern *patterns;
	size_t patterns_n;
	size_t at; /* the next one to tell */
};

static void list_finish(struct command *cmd)
{
	struct list *l = cmd->state;
	mailbox_names_finish(&l->names);
	free(l->entries);
}

/* ---- the names ---- */

static struct entry *add_entry(struct list *l)
{
	if (l->n + 1 >= l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->entries = xrealloc(l->entries, l->cap * sizeof(*l->entries));
	}
	l->entries[l->n] = (struct entry){0};
	return &l->entries[l->n++];
}

static int entry_order(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	return strcmp(a->name, b->name);
}

static void sort(struct list *l)
{
	if (l->n)
		qsort(l->entries, l->n, sizeof(*l->entries), entry_order);
}

/* The first entry, among `n` sorted ones, that is not before `name` with `end` for its last octet. */
static size_t lower(const struct list *l, size_t n, const char *name, size_t len, char end)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strncmp(l->entries[mid].name, name, len);
		if (order < 0 || (order == 0 && (unsigned char)l->entries[mid].name[len] < (unsigned char)end))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Levels above names that only a subscription has: no mailbox made them. */
static void add_levels(struct list *l, struct arena *arena)
{
	size_t n = l->n;
	const char *last = "";
	for (size_t i = 0; i < n; i++) {
		const char *name = l->entries[i].name;
		for (const char *slash = name; l->entries[i].id == 0 && (slash = strchr(slash + 1, '/'));) {
			size_t len = (size_t)(slash - name), at = lower(l, n, name, len, '\0');
			bool known = at < n && strncmp(l->entries[at].name, name, len) == 0 && !l->entries[at].name[len];
			if (known || (strlen(last) == len && strncmp(last, name, len) == 0))
				continue;
			struct entry *level = add_entry(l);
			level->name = last = arena_copy(arena, span_make(name, len)).ptr;
		}
	}
	sort(l);
	/* The same level above several subscriptions. */
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++)
		if (kept == 0 || strcmp(l->entries[kept - 1].name, l->entries[i].name) != 0)
			l->entries[kept++] = l->entries[i];
	l->n = kept;
}

static enum store_err read_names(struct list *l, struct account *a, struct arena *arena)
{
	enum store_err err = mailbox_list(a, &l->names);
	for (size_t i = 0; i < l->names.n && !err; i++) {
		const struct mailbox_name *m = &l->names.v[i];
		struct entry *e = add_entry(l);
		*e = (struct entry){.name = m->name, .id = m->info.id, .selectable = m->info.id && !m->noselect,
				    .has_children = m->has_children, .subscribed = m->subscribed, .special = m->info.special};
	}
	sort(l);
	add_levels(l, arena);
	return err;
}

/* ---- the selection ---- */

static bool is_wanted(const struct command *cmd, const struct entry *e)
{
	uint32_t options = cmd->request.list.options;
	if (cmd->request.kind == CMD_LSUB || (options & LIST_SELECT_SUBSCRIBED))
		return e->subscribed && (!(options & LIST_SELECT_SPECIAL) || e->special);
	return e->id && (!(options & LIST_SELECT_SPECIAL) || e->special);
}

static void select_entries(struct list *l, const struct command *cmd)
{
	uint32_t wanted = 0, told = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct entry *e = &l->entries[i];
		for (size_t k = 0; k < l->patterns_n && !e->matches; k++)
			e->matches = pattern_matches(&l->patterns[k], e->name);
		e->wanted = is_wanted(cmd, e);
		e->wanted_before = wanted;
		e->told_before = told;
		wanted += e->wanted;
		told += e->wanted && e->matches;
	}
	add_entry(l);
	l->n--;
	l->entries[l->n].wanted_before = wanted;
	l->entries[l->n].told_before = told;
}

/* How many below the entry are wanted, and how many of those are told themselves. */
static uint32_t count_below(const struct list *l, const struct entry *e, uint32_t *told)
{
	size_t len = strlen(e->name);
	const struct entry *from = &l->entries[lower(l, l->n, e->name, len, '/')];
	const struct entry *to = &l->entries[lower(l, l->n, e->name, len, '/' + 1)];
	*told = to->told_before - from->told_before;
	return to->wanted_before - from->wanted_before;
}

/* ---- the answer ---- */

static uint32_t attributes(const struct command *cmd, const struct entry *e)
{
	uint32_t options = cmd->request.list.options, out = 0;
	if (cmd->request.kind == CMD_LSUB)
		return e->subscribed ? 0 : ATTRIBUTE_NOSELECT;
	/* RFC 5819 2: where a STATUS is left out, \Noselect says why; else \NonExistent, which implies it, says more. */
	bool plain = !(options & LIST_EXTENDED) || (options & LIST_RETURN_STATUS);
	if (!e->selectable)
		out |= e->id && plain ? ATTRIBUTE_NOSELECT : ATTRIBUTE_NONEXISTENT;
	out |= e->has_children ? ATTRIBUTE_HASCHILDREN : ATTRIBUTE_HASNOCHILDREN;
	if (e->subscribed && (options & (LIST_SELECT_SUBSCRIBED | LIST_RETURN_SUBSCRIBED)))
		out |= ATTRIBUTE_SUBSCRIBED;
	return out;
}

/* RFC 3501 6.3.9: with % at the end, levels above subscribed names are told too. */
static bool tells_levels(const struct command *cmd)
{
	struct span pattern = cmd->request.list.patterns[0];
	return cmd->request.kind == CMD_LSUB && pattern.len && pattern.ptr[pattern.len - 1] == '%';
}

static enum store_err tell(struct list *l, struct command *cmd, struct account *a, const struct entry *e)
{
	const struct list_request *r = &cmd->request.list;
	bool lsub = cmd->request.kind == CMD_LSUB, recursive = (r->options & LIST_SELECT_RECURSIVE) != 0;
	uint32_t told_below = 0, below = 0;
	if (!e->matches)
		return STORE_OK;
	if (recursive || (lsub && !e->wanted))
		below = count_below(l, e, &told_below);
	/* RFC 5258 3.5: a name that is not wanted itself is told when something below is that else would not be. */
	bool level = below > 0 && ((recursive && told_below < below) || (!recursive && tells_levels(cmd)));
	if (!e->wanted && !level)
		return STORE_OK;
	struct list_line line = {.response = lsub ? "LSUB" : "LIST", .attributes = attributes(cmd, e),
				 .uses = lsub ? 0 : e->special, .name = e->name, .subscribed_below = recursive && below > 0};
	if (line.subscribed_below && !e->has_children) /* what is subscribed below is gone: neither word would be true */
		line.attributes &= ~(uint32_t)ATTRIBUTE_HASNOCHILDREN;
	response_list(&cmd->out, &line, cmd->dialect);
	enum store_err err = STORE_OK;
	/* One that vanished meanwhile has no STATUS, and LIST has not failed (RFC 5819 2). */
	if ((r->options & LIST_RETURN_STATUS) && e->selectable)
		err = status_write(cmd, a, e->id, e->name);
	/* Not for a level that only has children which are wanted (RFC 9590 4). */
	if (!err && (r->options & LIST_RETURN_METADATA) && e->selectable && e->wanted)
		err = metadata_write(cmd, a, e->id, e->name, &r->metadata);
	return err == STORE_NOTFOUND ? STORE_OK : err;
}

static void make_patterns(struct list *l, struct command *cmd)
{
	const struct list_request *r = &cmd->request.list;
	l->patterns = arena_alloc(&cmd->arena, r->patterns_n * sizeof(*l->patterns));
	for (size_t i = 0; i < r->patterns_n; i++)
		if (r->patterns[i].len || !(r->options & LIST_EXTENDED)) /* RFC 5258 3: empty ones are passed over */
			pattern_init(&l->patterns[l->patterns_n++], &cmd->arena, r->reference, r->patterns[i],
				     cmd->dialect);
}

static enum op_result list_run(struct command *cmd, struct account *a)
{
	struct list *l = cmd->state;
	enum store_err err = STORE_OK;
	struct slice slice;
	slice_begin(&slice);
	if (!l->entries) {
		make_patterns(l, cmd);
		err = read_names(l, a, &cmd->arena);
		select_entries(l, cmd);
	}
	while (!err && l->at < l->n) {
		if (cmd->out.len >= LIMIT_SLICE_BYTES || slice_is_over(&slice, 4)) {
			cmd->more = true;
			break;
		}
		err = tell(l, cmd, a, &l->entries[l->at++]);
	}
	command_store_error(cmd, err);
	return OP_DONE;
}

enum step cmd_list(struct session *s, struct command *cmd)
{
	const struct list_request *r = &cmd->request.list;
	if (cmd->request.kind == CMD_LIST && !(r->options & LIST_EXTENDED) && r->patterns[0].len == 0) {
		/* RFC 3501 6.3.8: the hierarchy's separator, and the root of the reference. */
		struct list_line root = {.response = "LIST", .attributes = ATTRIBUTE_NOSELECT, .name = ""};
		response_list(session_out(s), &root, cmd->dialect);
		command_ok(cmd, NULL, "Done");
		return STEP_DONE;
	}
	cmd->state = arena_alloc(&cmd->arena, sizeof(struct list));
	cmd->finish = list_finish;
	return session_op(s, cmd, list_run);
}
