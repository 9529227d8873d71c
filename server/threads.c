#include "server/threads.h"

enum {
	BLOCK = 1024, /* messages between two looks at the clock */
	WALK_MAX = 64 /* parents that are passed in search of a loop, before a forest is asked */
};

void threads_init(struct threads *t, enum thread_algorithm algorithm, const struct threads_message *messages, uint32_t n,
		  uint32_t ids_max, uint32_t subjects_max)
{
	*t = (struct threads){.algorithm = algorithm, .v = messages, .n = n, .nodes_n = n + 1, .nodes_cap = n + 1};
	t->parent = xcalloc(t->nodes_cap, sizeof(*t->parent));
	t->has_child = xcalloc(t->nodes_cap, sizeof(*t->has_child));
	t->phase = algorithm == THREAD_ORDEREDSUBJECT ? THREADS_ORDERS : THREADS_IDS;
	if (algorithm != THREAD_ORDEREDSUBJECT)
		t->node_of = xcalloc((size_t)ids_max + 1, sizeof(*t->node_of));
	if (algorithm != THREAD_REFS)
		t->table = xcalloc((size_t)subjects_max + 1, sizeof(*t->table));
}

void threads_finish(struct threads *t)
{
	order_finish(&t->order);
	forest_finish(&t->forest);
	free(t->parent);
	free(t->has_child);
	free(t->node_of);
	free(t->table);
	free(t->roots);
	free(t->first);
	free(t->last);
	free(t->next);
	free(t->top);
	free(t->latest);
	*t = (struct threads){0};
}

static bool must_pause(const struct threads *t, struct slice *slice)
{
	return t->at % BLOCK == 0 && slice_is_over(slice, BLOCK);
}

static bool is_dummy(const struct threads *t, uint32_t node)
{
	return node > t->n;
}

static const struct threads_message *message_of(const struct threads *t, uint32_t node)
{
	return &t->v[node - 1];
}

static uint32_t add_dummy(struct threads *t)
{
	if (t->nodes_n == t->nodes_cap) {
		t->nodes_cap = t->nodes_cap < 1024 ? 2048 : t->nodes_cap / 2 * 3;
		t->parent = xrealloc(t->parent, t->nodes_cap * sizeof(*t->parent));
		t->has_child = xrealloc(t->has_child, t->nodes_cap * sizeof(*t->has_child));
	}
	t->parent[t->nodes_n] = 0;
	t->has_child[t->nodes_n] = false;
	if (t->forest.n)
		forest_add(&t->forest);
	return t->nodes_n++;
}

/* ---- step 1: parents ---- */

/* Of messages with the same ID the first has it. */
static bool name_messages(struct threads *t, const uint32_t *links, struct slice *slice)
{
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t at = t->v[t->at].links, own = at ? links[at + 1] : 0;
		if (own && !t->node_of[own])
			t->node_of[own] = t->at + 1;
	}
	return true;
}

/* Would the node, which has no parent, be below itself? */
static bool makes_loop(struct threads *t, uint32_t node, uint32_t parent)
{
	if (node == parent || !t->has_child[node])
		return node == parent;
	uint32_t above = t->parent[parent];
	for (unsigned i = 0; above && i < WALK_MAX; i++) {
		if (above == node)
			return true;
		above = t->parent[above];
	}
	if (above && !t->forest.n)
		forest_init(&t->forest, t->parent, t->nodes_n);
	return above && forest_top(&t->forest, above) == node;
}

static void set_parent(struct threads *t, uint32_t node, uint32_t parent)
{
	t->parent[node] = parent;
	t->has_child[parent] = true;
	if (t->forest.n)
		forest_link(&t->forest, node, parent);
}

static void take_parent(struct threads *t, uint32_t node)
{
	if (t->parent[node] && t->forest.n)
		forest_cut(&t->forest, node);
	t->parent[node] = 0;
}

/* 1 (A) and (B), of one message. */
static void link_message(struct threads *t, uint32_t message, const uint32_t *links)
{
	uint32_t at = message_of(t, message)->links, above = 0;
	uint32_t n = at ? links[at] : 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = links[at + 2 + i];
		if (id && !t->node_of[id])
			t->node_of[id] = add_dummy(t);
		uint32_t node = t->node_of[id];
		if (above && !t->parent[node] && !makes_loop(t, node, above))
			set_parent(t, node, above);
		above = node;
	}
	take_parent(t, message);
	if (above && !makes_loop(t, message, above))
		set_parent(t, message, above);
}

static bool link_messages(struct threads *t, const uint32_t *links, struct slice *slice)
{
	for (; t->at < t->n; t->at++) {
		uint32_t at = t->v[t->at].links;
		if (slice_is_over(slice, 1 + (at ? links[at] : 0)))
			return false;
		link_message(t, t->at + 1, links);
	}
	forest_finish(&t->forest);
	free(t->node_of);
	t->node_of = NULL;
	return true;
}

/* ---- steps 2 and 3: dummies go ---- */

/* What stands for a dummy as a parent: the nearest message above it, else the dummy under the root.  What is found is noted
 * on the way. */
static uint32_t stand_in(struct threads *t, uint32_t dummy)
{
	uint32_t end = dummy;
	while (is_dummy(t, end) && t->parent[end])
		end = t->parent[end];
	while (dummy != end) {
		uint32_t above = t->parent[dummy];
		t->parent[dummy] = end;
		dummy = above;
	}
	return end;
}

/* First every message comes below another or below a dummy under the root; then an only child takes its dummy's place.
 * Dummies without children are below nothing that is told. */
static bool prune(struct threads *t, struct slice *slice)
{
	if (!t->next)
		t->next = xcalloc(t->nodes_n, sizeof(*t->next)); /* here: how many children a dummy has */
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t *parent = &t->parent[t->at + 1];
		if (is_dummy(t, *parent))
			*parent = stand_in(t, *parent);
		if (is_dummy(t, *parent))
			t->next[*parent]++;
	}
	for (; t->at - t->n < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t *parent = &t->parent[t->at - t->n + 1];
		if (is_dummy(t, *parent) && t->next[*parent] == 1)
			*parent = 0;
	}
	free(t->next);
	t->next = NULL;
	return true;
}

/* ---- step 4: all messages by sent date ---- */

static bool order_messages(struct threads *t, struct slice *slice)
{
	if (!t->order.items)
		order_init(&t->order, t->n);
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		t->order.values[t->at] = (uint64_t)t->v[t->at].sent_s ^ (uint64_t)1 << 63;
	}
	return order_sort(&t->order, slice);
}

/* ---- step 5: subjects ---- */

static bool is_reply(const struct threads *t, uint32_t node)
{
	return !is_dummy(t, node) && message_of(t, node)->is_reply;
}

/* 5 (B): which thread of a subject stands for it. */
static void enter_subject(struct threads *t, uint32_t node, uint32_t subject)
{
	uint32_t *entry = &t->table[subject];
	if (subject && (!*entry || (!is_dummy(t, *entry) &&
				    (is_dummy(t, node) || (is_reply(t, *entry) && !is_reply(t, node))))))
		*entry = node;
}

/* The children of the root in their order, a dummy with its first child; and the table of subjects. */
static bool gather(struct threads *t, struct slice *slice)
{
	if (!t->roots) {
		t->roots = xmalloc((size_t)t->n * sizeof(*t->roots));
		t->first = xcalloc(t->nodes_n, sizeof(*t->first)); /* here: a dummy's first child */
	}
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t message = t->order.items[t->at] + 1, parent = t->parent[message];
		bool heads = is_dummy(t, parent) && !t->first[parent];
		if (heads)
			t->first[parent] = message;
		if (!parent || heads) {
			uint32_t root = t->roots[t->roots_n++] = heads ? parent : message;
			enter_subject(t, root, message_of(t, message)->subject);
		}
	}
	return true;
}

/* 5 (C): `node` and the one that stands for its subject. */
static void merge(struct threads *t, uint32_t node, uint32_t *entry)
{
	if (is_dummy(t, *entry) || (is_reply(t, node) && !is_reply(t, *entry))) {
		t->parent[node] = *entry; /* of a dummy: its children's */
		return;
	}
	uint32_t dummy = add_dummy(t);
	t->parent[node] = t->parent[*entry] = dummy;
	*entry = dummy;
}

static bool merge_subjects(struct threads *t, struct slice *slice)
{
	for (; t->at < t->roots_n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t node = t->roots[t->at];
		uint32_t subject = message_of(t, is_dummy(t, node) ? t->first[node] : node)->subject;
		/* One that became a child of a new dummy is where it belongs. */
		if (subject && t->table[subject] != node && t->parent[node] != t->table[subject])
			merge(t, node, &t->table[subject]);
	}
	free(t->first);
	t->first = NULL;
	return true;
}

/* ORDEREDSUBJECT: the first of a subject is the parent of the others. */
static bool group_subjects(struct threads *t, struct slice *slice)
{
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t message = t->order.items[t->at] + 1, *entry = &t->table[message_of(t, message)->subject];
		if (*entry)
			t->parent[message] = *entry;
		else
			*entry = message;
	}
	return true;
}

/* ---- step 6: lists of children ---- */

static void append(struct threads *t, uint32_t parent, uint32_t child)
{
	if (t->last[parent])
		t->next[t->last[parent]] = child;
	else
		t->first[parent] = child;
	t->last[parent] = child;
	t->next[child] = 0;
}

static bool hang(struct threads *t, struct slice *slice)
{
	if (!t->first) {
		t->first = xcalloc(t->nodes_n, sizeof(*t->first));
		t->last = xcalloc(t->nodes_n, sizeof(*t->last));
		t->next = xcalloc(t->nodes_n, sizeof(*t->next));
	}
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		uint32_t message = t->order.items[t->at] + 1, parent = t->parent[message];
		if (is_dummy(t, parent)) {
			parent = t->parent[message] = stand_in(t, parent);
			if (!t->first[parent])
				append(t, 0, parent);
		}
		append(t, parent, message);
	}
	return true;
}

/* ---- REFS: threads by their youngest INTERNALDATE ---- */

/* The thread of a message, noted on the way for all above it. */
static uint32_t top_of(struct threads *t, uint32_t message)
{
	uint32_t top = message;
	while (!is_dummy(t, top) && !t->top[top] && t->parent[top])
		top = t->parent[top];
	if (!is_dummy(t, top) && t->top[top])
		top = t->top[top];
	for (uint32_t node = message; node && !is_dummy(t, node) && !t->top[node]; node = t->parent[node])
		t->top[node] = top;
	return top;
}

static bool find_ages(struct threads *t, struct slice *slice)
{
	if (!t->top) {
		t->top = xcalloc((size_t)t->n + 1, sizeof(*t->top));
		t->latest = xmalloc(t->nodes_n * sizeof(*t->latest));
		for (uint32_t i = 0; i < t->nodes_n; i++)
			t->latest[i] = INT64_MIN;
		t->roots = xmalloc((size_t)t->n * sizeof(*t->roots));
	}
	for (; t->at < t->n; t->at++) {
		if (must_pause(t, slice))
			return false;
		int64_t *latest = &t->latest[top_of(t, t->at + 1)];
		if (t->v[t->at].arrived_s > *latest)
			*latest = t->v[t->at].arrived_s;
	}
	order_finish(&t->order);
	t->told = t->first[0];
	return true;
}

/* The root's children, to be sorted. */
static bool list_threads(struct threads *t, struct slice *slice)
{
	for (; t->told; t->told = t->next[t->told]) {
		if (t->roots_n % BLOCK == 0 && slice_is_over(slice, BLOCK))
			return false;
		t->roots[t->roots_n++] = t->told;
	}
	order_init(&t->order, t->roots_n);
	for (uint32_t i = 0; i < t->roots_n; i++)
		t->order.values[i] = (uint64_t)t->latest[t->roots[i]] ^ (uint64_t)1 << 63;
	t->first[0] = t->last[0] = 0;
	return true;
}

static bool sort_threads(struct threads *t, struct slice *slice)
{
	if (t->at == 0 && !order_sort(&t->order, slice))
		return false;
	for (; t->at < t->roots_n; t->at++) {
		append(t, 0, t->roots[t->order.items[t->at]]);
		if (must_pause(t, slice)) {
			t->at++;
			return false;
		}
	}
	return true;
}

/* ---- all of it ---- */

static enum threads_phase next_phase(const struct threads *t)
{
	switch (t->phase) {
	case THREADS_ORDERS:
		return t->algorithm == THREAD_REFS ? THREADS_HANGS : THREADS_GATHERS;
	case THREADS_GATHERS:
		return t->algorithm == THREAD_REFERENCES ? THREADS_MERGES : THREADS_HANGS;
	case THREADS_HANGS:
		return t->algorithm == THREAD_REFS ? THREADS_AGES : THREADS_MADE;
	case THREADS_IDS: case THREADS_LINKS: case THREADS_PRUNES: case THREADS_MERGES: case THREADS_AGES: case THREADS_LISTS:
	case THREADS_SORTS: case THREADS_MADE:
		break;
	}
	return (enum threads_phase)(t->phase + 1);
}

/* True when the phase is over. */
static bool run_phase(struct threads *t, const uint32_t *links, struct slice *slice)
{
	switch (t->phase) {
	case THREADS_IDS:
		return name_messages(t, links, slice);
	case THREADS_LINKS:
		return link_messages(t, links, slice);
	case THREADS_PRUNES:
		return prune(t, slice);
	case THREADS_ORDERS:
		return order_messages(t, slice);
	case THREADS_GATHERS:
		return t->algorithm == THREAD_REFERENCES ? gather(t, slice) : group_subjects(t, slice);
	case THREADS_MERGES:
		return merge_subjects(t, slice);
	case THREADS_HANGS:
		return hang(t, slice);
	case THREADS_AGES:
		return find_ages(t, slice);
	case THREADS_LISTS:
		return list_threads(t, slice);
	case THREADS_SORTS:
		return sort_threads(t, slice);
	case THREADS_MADE:
		break;
	}
	return true;
}

bool threads_run(struct threads *t, const uint32_t *links, struct slice *slice)
{
	while (t->phase != THREADS_MADE) {
		if (!run_phase(t, links, slice))
			return false;
		t->phase = next_phase(t);
		t->at = 0;
	}
	return true;
}

/* ---- telling ---- */

/* Enters a node or leaves it.  A node stands in parentheses when it has siblings, or is a thread. */
static void tell(struct threads *t, uint32_t (*number)(void *ctx, uint32_t message), void *ctx, struct buf *out)
{
	uint32_t node = t->told, child = t->first[node], parent = t->parent[node];
	if (!t->leaves && !is_dummy(t, node)) {
		buf_add_u64(out, number(ctx, node - 1));
		if (child)
			buf_add_char(out, ' ');
	}
	if (!t->leaves && child) {
		if (t->next[child])
			buf_add_char(out, '(');
		t->told = child;
		return;
	}
	if (!parent || t->first[parent] != node || t->next[node])
		buf_add_char(out, ')');
	if (t->next[node])
		buf_add_char(out, '(');
	t->leaves = !t->next[node];
	t->told = t->leaves ? parent : t->next[node];
}

bool threads_write(struct threads *t, size_t full_bytes, uint32_t (*number)(void *ctx, uint32_t message), void *ctx,
		   struct buf *out)
{
	invariant(t->phase == THREADS_MADE);
	if (!t->tells) {
		t->tells = true;
		t->told = t->first[0];
		buf_add_text(out, t->told ? " (" : "");
	}
	while (t->told) {
		if (out->len >= full_bytes)
			return false;
		tell(t, number, ctx, out);
	}
	return true;
}
