/*
 * A persistent vector of UIDs, two levels deep; see the header for who may do what.
 *
 * Invariants: UIDs ascend strictly; no chunk and no node is empty; of a chunk's UIDs those count that lie below the next
 * chunk's first index, or below n for the last; a node that is not its map's last never changes again.
 */
#include "storage/uidmap.h"

#include <stdatomic.h>

struct block {
	atomic_uint refs;
	uint32_t cap;
	uint32_t uid[];
};

struct node {
	atomic_uint refs;
	uint32_t n;                 /* chunks; the owner's alone while the node is its last */
	uint32_t first[UIDMAP_FAN]; /* index of the chunk's first message, counted from the node's */
	uint32_t low[UIDMAP_FAN];   /* its first UID */
	struct block *block[UIDMAP_FAN];
};

struct branch {
	struct node *node;
	uint32_t first, low; /* index and UID of its first message */
	uint32_t chunk;      /* number of its first chunk */
};

struct uidmap {
	atomic_uint refs;
	uint32_t n, cap; /* nodes; the owner's alone */
	struct branch v[];
};

static bool drop(atomic_uint *refs)
{
	unsigned before = atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel);
	invariant(before > 0);
	return before == 1;
}

static void keep(atomic_uint *refs)
{
	atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

static void node_release(struct node *node)
{
	if (!drop(&node->refs))
		return;
	for (uint32_t i = 0; i < node->n; i++)
		if (drop(&node->block[i]->refs))
			free(node->block[i]);
	free(node);
}

struct uids uids_acquire(const struct uids *u)
{
	if (u->map)
		keep(&u->map->refs);
	return *u;
}

void uids_release(struct uids *u)
{
	struct uidmap *map = u->map;
	*u = (struct uids){0};
	if (!map || !drop(&map->refs))
		return;
	for (uint32_t i = 0; i < map->n; i++)
		node_release(map->v[i].node);
	free(map);
}

/* How many chunks of node `i` belong to `u`. */
static uint32_t slots_of(const struct uids *u, uint32_t i)
{
	return i + 1 < u->nodes ? u->map->v[i].node->n : u->slots;
}

struct place {
	uint32_t node, slot;
	uint32_t first; /* index of the chunk's first message */
	uint32_t n;     /* messages in the chunk */
};

static struct place place_at(const struct uids *u, uint32_t i, uint32_t slot)
{
	const struct branch *b = &u->map->v[i];
	uint32_t first = b->first + b->node->first[slot];
	uint32_t end = slot + 1 < slots_of(u, i) ? b->first + b->node->first[slot + 1]
						 : (i + 1 < u->nodes ? b[1].first : u->n);
	return (struct place){i, slot, first, end - first};
}

static struct place place_of_index(const struct uids *u, uint32_t index)
{
	invariant(index < u->n);
	const struct branch *v = u->map->v;
	uint32_t lo = 0, hi = u->nodes;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (v[mid].first <= index)
			lo = mid;
		else
			hi = mid;
	}
	const struct node *node = v[lo].node;
	uint32_t slot = 0, end = slots_of(u, lo), want = index - v[lo].first;
	while (end - slot > 1) {
		uint32_t mid = slot + (end - slot) / 2;
		if (node->first[mid] <= want)
			slot = mid;
		else
			end = mid;
	}
	return place_at(u, lo, slot);
}

/* The chunk that holds `uid`, or would; the first one for a UID below all.  Not for an empty map. */
static struct place place_of_uid(const struct uids *u, uint32_t uid)
{
	const struct branch *v = u->map->v;
	uint32_t lo = 0, hi = u->nodes;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (v[mid].low <= uid)
			lo = mid;
		else
			hi = mid;
	}
	const struct node *node = v[lo].node;
	uint32_t slot = 0, end = slots_of(u, lo);
	while (end - slot > 1) {
		uint32_t mid = slot + (end - slot) / 2;
		if (node->low[mid] <= uid)
			slot = mid;
		else
			end = mid;
	}
	return place_at(u, lo, slot);
}

static const struct block *block_at(const struct uids *u, const struct place *p)
{
	return u->map->v[p->node].node->block[p->slot];
}

uint32_t uids_at(const struct uids *u, uint32_t index)
{
	struct place p = place_of_index(u, index);
	return block_at(u, &p)->uid[index - p.first];
}

uint32_t uids_lower(const struct uids *u, uint32_t uid)
{
	if (u->n == 0)
		return 0;
	struct place p = place_of_uid(u, uid);
	const uint32_t *v = block_at(u, &p)->uid;
	uint32_t lo = 0, hi = p.n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (v[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return p.first + lo;
}

bool uids_find(const struct uids *u, uint32_t uid, uint32_t *index)
{
	*index = uids_lower(u, uid);
	return *index < u->n && uids_at(u, *index) == uid;
}

uint32_t uids_last(const struct uids *u)
{
	return u->n ? uids_at(u, u->n - 1) : 0;
}

bool uids_run(const struct uids *u, uint32_t index, struct uids_run *out)
{
	if (index >= u->n)
		return false;
	struct place p = place_of_index(u, index);
	uint32_t skip = index - p.first;
	*out = (struct uids_run){block_at(u, &p)->uid + skip, p.n - skip, u->map->v[p.node].chunk + p.slot, skip};
	return true;
}

uint32_t uids_chunks(const struct uids *u)
{
	return u->nodes ? u->map->v[u->nodes - 1].chunk + u->slots : 0;
}

uint32_t uids_node(const struct uids *u, uint32_t chunk, uint32_t *first, uint32_t *end)
{
	invariant(chunk < uids_chunks(u));
	const struct branch *v = u->map->v;
	uint32_t lo = 0, hi = u->nodes;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (v[mid].chunk <= chunk)
			lo = mid;
		else
			hi = mid;
	}
	*first = v[lo].chunk;
	*end = v[lo].chunk + slots_of(u, lo);
	return lo;
}

uint32_t uids_chunk_first(const struct uids *u, uint32_t chunk)
{
	uint32_t first, end, node = uids_node(u, chunk, &first, &end);
	return u->map->v[node].first + u->map->v[node].node->first[chunk - first];
}

/* Room for one more node: in the root's own slack, or in a larger root. */
static void reserve_node(struct uids *u)
{
	struct uidmap *old = u->map;
	invariant(!old || (old->n == u->nodes && (!u->nodes || old->v[u->nodes - 1].node->n == u->slots)));
	if (old && old->n < old->cap)
		return;
	uint32_t cap = old ? old->cap + old->cap / 2 + 2 : 2;
	struct uidmap *map = xmalloc(sizeof(*map) + cap * sizeof(map->v[0]));
	atomic_init(&map->refs, 1);
	map->n = u->nodes;
	map->cap = cap;
	for (uint32_t i = 0; i < u->nodes; i++) {
		map->v[i] = old->v[i];
		keep(&map->v[i].node->refs);
	}
	struct uids gone = {.map = old};
	u->map = map;
	uids_release(&gone);
}

static void push_node(struct uids *u, struct node *node, uint32_t low, uint32_t slots)
{
	uint32_t chunk = uids_chunks(u);
	reserve_node(u);
	u->map->v[u->map->n++] = (struct branch){node, u->n, low, chunk};
	u->nodes++;
	u->slots = slots;
}

/* A chunk at the end that holds `n` UIDs from `low` on. */
static void push_block(struct uids *u, struct block *block, uint32_t n, uint32_t low)
{
	if (u->nodes == 0 || u->slots == UIDMAP_FAN) {
		struct node *node = xmalloc(sizeof(*node));
		atomic_init(&node->refs, 1);
		node->n = 0;
		push_node(u, node, low, 0);
	}
	const struct branch *b = &u->map->v[u->nodes - 1];
	invariant(b->node->n == u->slots && n > 0);
	b->node->block[u->slots] = block;
	b->node->first[u->slots] = u->n - b->first;
	b->node->low[u->slots] = low;
	b->node->n = ++u->slots;
	u->n += n;
}

uint32_t *uids_add_chunk(struct uids *u, uint32_t n, uint32_t cap, uint32_t low)
{
	invariant(n <= cap);
	struct block *block = xmalloc(sizeof(*block) + cap * sizeof(block->uid[0]));
	atomic_init(&block->refs, 1);
	block->cap = cap;
	push_block(u, block, n, low);
	return block->uid;
}

bool uids_append(struct uids *u, uint32_t uid)
{
	if (u->n) {
		struct place p = place_at(u, u->nodes - 1, u->slots - 1);
		invariant(u->map->n == u->nodes && u->map->v[p.node].node->n == u->slots);
		struct block *block = u->map->v[p.node].node->block[p.slot];
		invariant(block->uid[p.n - 1] < uid);
		if (p.n < block->cap) {
			block->uid[p.n] = uid;
			u->n++;
			return false;
		}
	}
	*uids_add_chunk(u, 1, UIDMAP_CHUNK, uid) = uid;
	return true;
}

void uids_share_node(struct uids *u, const struct uids *from, uint32_t node)
{
	invariant(node < from->nodes);
	const struct branch *b = &from->map->v[node];
	uint32_t end = node + 1 < from->nodes ? b[1].first : from->n;
	keep(&b->node->refs);
	push_node(u, b->node, b->low, slots_of(from, node));
	u->n += end - b->first;
}

void uids_share_chunk(struct uids *u, const struct uids *from, uint32_t chunk)
{
	uint32_t first, end, node = uids_node(from, chunk, &first, &end);
	struct place p = place_at(from, node, chunk - first);
	struct node *holder = from->map->v[node].node;
	keep(&holder->block[p.slot]->refs);
	push_block(u, holder->block[p.slot], p.n, holder->low[p.slot]);
}

void uids_extend(struct uids *u, const struct uids *from, uint32_t uid)
{
	uint32_t at = uids_lower(from, uid);
	invariant(u->n == 0 || uids_last(u) < uid);
	if (at == from->n)
		return;
	if (at == 0 && u->n == 0) {
		uids_release(u);
		*u = uids_acquire(from);
		return;
	}
	if (u->map == from->map && u->n == at) {
		u->n = from->n;
		u->nodes = from->nodes;
		u->slots = from->slots;
		return;
	}
	/* The last node is somebody's to append to: it is not shared, its blocks are. */
	struct uids made = {0};
	for (uint32_t i = 0; i + 1 < u->nodes; i++)
		uids_share_node(&made, u, i);
	for (uint32_t i = made.n ? uids_chunks(&made) : 0; i < uids_chunks(u); i++)
		uids_share_chunk(&made, u, i);
	struct uids_run run;
	for (; uids_run(from, at, &run); at += run.n)
		memcpy(uids_add_chunk(&made, run.n, run.n, run.uid[0]), run.uid, run.n * sizeof(*run.uid));
	uids_release(u);
	*u = made;
}

/* The first `n` messages; the counts alone say so. */
static struct uids first_of(const struct uids *u, uint32_t n)
{
	struct uids first = {0};
	if (n == 0)
		return first;
	struct place last = place_of_index(u, n - 1);
	first = uids_acquire(u);
	first.n = n;
	first.nodes = last.node + 1;
	first.slots = last.slot + 1;
	return first;
}

/* Ascending UIDs, gathered into chunks. */
struct gather {
	struct uids *made;
	uint32_t uid[UIDMAP_CHUNK], n;
};

static void flush_gather(struct gather *g)
{
	if (g->n)
		memcpy(uids_add_chunk(g->made, g->n, g->n, g->uid[0]), g->uid, g->n * sizeof(*g->uid));
	g->n = 0;
}

static void gather_uid(struct gather *g, uint32_t uid)
{
	if (g->n == UIDMAP_CHUNK)
		flush_gather(g);
	g->uid[g->n++] = uid;
}

/* The UID after `uid` in the set; 0 at its end. */
static uint32_t step_set(const struct uidset *set, size_t *range, uint32_t uid)
{
	if (uid < set->v[*range].hi)
		return uid + 1;
	return ++*range < set->n ? set->v[*range].lo : 0;
}

struct uids uids_with(const struct uids *u, uint32_t below, const struct uidset *more)
{
	struct uids made = {0}, old = first_of(u, uids_lower(u, below));
	struct gather g = {.made = &made};
	struct uids_run run;
	size_t range = 0;
	uint32_t next = more->n ? more->v[0].lo : 0; /* of `more`; 0 at its end */
	if (more->n == 0)
		return old;
	for (uint32_t at = 0; uids_run(&old, at, &run); at += run.n) {
		uint32_t last = run.uid[run.n - 1];
		if (!next || next > last) {
			flush_gather(&g);
			uids_share_chunk(&made, &old, run.chunk);
			continue;
		}
		for (uint32_t i = 0; i < run.n; i++) {
			for (; next && next < run.uid[i]; next = step_set(more, &range, next))
				gather_uid(&g, next);
			gather_uid(&g, run.uid[i]);
		}
	}
	for (; next; next = step_set(more, &range, next))
		gather_uid(&g, next);
	flush_gather(&g);
	uids_release(&old);
	return made;
}

void uids_diff_init(struct uids_diff *d, const struct uids *old, const struct uids *now)
{
	*d = (struct uids_diff){.old = old, .now = now};
}

/* Both cursors at the start of the same node, or of the same block: its messages are in both. */
static bool skip_shared(struct uids_diff *d, const struct place *o, const struct place *n)
{
	if (o->first != d->at || n->first != d->now_at)
		return false;
	const struct branch *ob = &d->old->map->v[o->node], *nb = &d->now->map->v[n->node];
	if (o->slot == 0 && n->slot == 0 && ob->node == nb->node) {
		uint32_t end = o->node + 1 < d->old->nodes ? ob[1].first : d->old->n;
		d->now_at += end - d->at;
		d->at = end;
		return true;
	}
	if (ob->node->block[o->slot] != nb->node->block[n->slot])
		return false;
	d->at += o->n;
	d->now_at += o->n;
	return true;
}

bool uids_diff_next(struct uids_diff *d, uint32_t *index, uint32_t *uid)
{
	if (d->old->map == d->now->map)
		return false;
	while (d->at < d->old->n) {
		struct place o = place_of_index(d->old, d->at), n = {0};
		const uint32_t *ov = block_at(d->old, &o)->uid, *nv = NULL;
		if (d->now_at < d->now->n) {
			n = place_of_index(d->now, d->now_at);
			nv = block_at(d->now, &n)->uid;
			if (skip_shared(d, &o, &n))
				continue;
		}
		uint32_t at = d->at - o.first, now_at = nv ? d->now_at - n.first : 0;
		for (; at < o.n && now_at < n.n; now_at++) {
			if (nv[now_at] > ov[at])
				break;
			if (nv[now_at] == ov[at])
				at++;
		}
		bool missing = at < o.n && (!nv || now_at < n.n);
		d->at = o.first + at + missing;
		d->now_at = nv ? n.first + now_at : d->now->n;
		if (missing) {
			*index = o.first + at;
			*uid = ov[at];
			return true;
		}
	}
	return false;
}
