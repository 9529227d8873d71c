#include "storage/keys_pool.h"

#include "storage/checksum.h"

enum { FIRST_CAP = 256 };

void keys_pool_finish(struct keys_pool *p)
{
	for (uint32_t i = 0; i < p->chunks_n; i++)
		free(p->chunks[i]);
	free(p->chunks);
	free(p->strings);
	free(p->slots);
	free(p->order);
	free(p->rank);
	free(p->fresh);
	free(p->spare);
	free(p->merged);
	*p = (struct keys_pool){0};
}

size_t keys_pool_bytes(const struct keys_pool *p)
{
	size_t ranking = p->phase == POOL_RANKED ? 0 : (size_t)p->fresh_n * 2 + p->n;
	return (size_t)p->chunks_n * KEYS_POOL_CHUNK + (size_t)p->cap * sizeof(*p->strings) +
	       (size_t)p->slots_cap * sizeof(*p->slots) + ((size_t)p->ranked_n * 2 + ranking) * sizeof(uint32_t);
}

/* ---- the strings ---- */

static const char *text_of(const struct keys_pool *p, const struct keys_pool_string *s)
{
	return p->chunks[s->at / KEYS_POOL_CHUNK] + s->at % KEYS_POOL_CHUNK;
}

static uint64_t prefix_of(struct bytes s)
{
	const unsigned char *b = s.ptr;
	uint64_t prefix = 0;
	for (size_t i = 0; i < sizeof(prefix); i++)
		prefix = prefix << 8 | (i < s.len ? b[i] : 0);
	return prefix;
}

/* The slot of the string, or the free one where it belongs. */
static uint32_t find_slot(const struct keys_pool *p, struct bytes s, uint64_t prefix, uint32_t hash)
{
	uint32_t mask = p->slots_cap - 1, at = hash & mask;
	for (; p->slots[at].id; at = (at + 1) & mask) {
		const struct keys_pool_string *known = &p->strings[p->slots[at].id];
		if (p->slots[at].hash == hash && known->len == s.len && known->prefix == prefix &&
		    memcmp(text_of(p, known), s.ptr, s.len) == 0)
			break;
	}
	return at;
}

static void grow_slots(struct keys_pool *p)
{
	struct keys_pool_slot *old = p->slots;
	uint32_t old_cap = p->slots_cap;
	p->slots_cap = old_cap ? old_cap * 2 : FIRST_CAP;
	p->slots = xcalloc(p->slots_cap, sizeof(*p->slots));
	for (uint32_t i = 0; i < old_cap; i++) {
		if (!old[i].id)
			continue;
		uint32_t at = old[i].hash & (p->slots_cap - 1);
		while (p->slots[at].id)
			at = (at + 1) & (p->slots_cap - 1);
		p->slots[at] = old[i];
	}
	free(old);
}

/* Puts the text into the last chunk, or a new one; false: `at` can name no more. */
static bool keep_text(struct keys_pool *p, struct bytes s, uint32_t *out_at)
{
	if (p->chunks_n == 0 || p->chunk_used + s.len > KEYS_POOL_CHUNK) {
		if (p->chunks_n == UINT32_MAX / KEYS_POOL_CHUNK)
			return false;
		p->chunks = xrealloc(p->chunks, (p->chunks_n + 1) * sizeof(*p->chunks));
		p->chunks[p->chunks_n++] = xmalloc(KEYS_POOL_CHUNK);
		p->chunk_used = 0;
	}
	*out_at = (p->chunks_n - 1) * KEYS_POOL_CHUNK + p->chunk_used;
	memcpy(p->chunks[p->chunks_n - 1] + p->chunk_used, s.ptr, s.len);
	p->chunk_used += (uint32_t)s.len;
	return true;
}

bool keys_pool_add(struct keys_pool *p, struct bytes s, uint32_t *out_id)
{
	*out_id = 0;
	s.len = s.len < KEYS_STRING_MAX ? s.len : KEYS_STRING_MAX;
	if (s.len == 0)
		return true;
	if (p->n >= p->slots_cap / 4 * 3)
		grow_slots(p);
	uint32_t hash = (uint32_t)checksum64(s.ptr, s.len, 0), text;
	uint64_t prefix = prefix_of(s);
	struct keys_pool_slot *slot = &p->slots[find_slot(p, s, prefix, hash)];
	if (slot->id) {
		*out_id = slot->id;
		return true;
	}
	if (!keep_text(p, s, &text))
		return false;
	if (p->n + 1 >= p->cap) {
		p->cap = p->cap ? p->cap * 2 : FIRST_CAP;
		p->strings = xrealloc(p->strings, (size_t)p->cap * sizeof(*p->strings));
	}
	*out_id = ++p->n;
	*slot = (struct keys_pool_slot){.id = p->n, .hash = hash};
	p->strings[p->n] = (struct keys_pool_string){.prefix = prefix, .at = text, .len = (uint32_t)s.len};
	return true;
}

/* ---- their ranks ---- */

static bool is_before(const struct keys_pool *p, uint32_t left, uint32_t right)
{
	const struct keys_pool_string *a = &p->strings[left], *b = &p->strings[right];
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix;
	uint32_t len = a->len < b->len ? a->len : b->len;
	int order = memcmp(text_of(p, a), text_of(p, b), len);
	return order ? order < 0 : a->len < b->len;
}

int keys_pool_compare(const struct keys_pool *p, uint32_t left, uint32_t right)
{
	if (left == right || !left || !right)
		return (left > right) - (left < right);
	return is_before(p, left, right) ? -1 : 1;
}

/* True when both runs are in their place. */
static bool merge_on(const struct keys_pool *p, struct keys_pool_merge *m, uint32_t *steps)
{
	for (; m->left_n && m->right_n && *steps; --*steps) {
		if (is_before(p, *m->right, *m->left)) {
			*m->to++ = *m->right++;
			m->right_n--;
		} else {
			*m->to++ = *m->left++;
			m->left_n--;
		}
	}
	if (m->left_n && m->right_n)
		return false;
	memcpy(m->to, m->left_n ? m->left : m->right, (m->left_n + m->right_n) * sizeof(*m->to));
	return true;
}

/* The pair of runs at p->from. */
static void begin_pair(struct keys_pool *p)
{
	uint32_t left = p->fresh_n - p->from < p->width ? p->fresh_n - p->from : p->width;
	uint32_t rest = p->fresh_n - p->from - left;
	p->merge = (struct keys_pool_merge){.left = p->fresh + p->from, .left_n = left,
					    .right = p->fresh + p->from + left,
					    .right_n = rest < p->width ? rest : p->width, .to = p->spare + p->from};
}

static void begin(struct keys_pool *p)
{
	p->fresh_n = p->n - p->ranked_n;
	p->fresh = xmalloc(p->fresh_n * sizeof(*p->fresh));
	p->spare = xmalloc(p->fresh_n * sizeof(*p->spare));
	for (uint32_t i = 0; i < p->fresh_n; i++)
		p->fresh[i] = p->ranked_n + 1 + i;
	p->width = 1;
	p->from = 0;
	p->phase = POOL_SORTS;
	begin_pair(p);
}

static void begin_merge(struct keys_pool *p)
{
	p->merged = xmalloc(((size_t)p->ranked_n + p->fresh_n) * sizeof(*p->merged));
	p->merge = (struct keys_pool_merge){.left = p->order, .left_n = p->ranked_n, .right = p->fresh,
					    .right_n = p->fresh_n, .to = p->merged};
	p->phase = POOL_MERGES;
}

static void sort_on(struct keys_pool *p, uint32_t *steps)
{
	while (p->width < p->fresh_n && *steps) {
		if (!merge_on(p, &p->merge, steps))
			return;
		--*steps;
		p->from = p->fresh_n - p->from > p->width && p->fresh_n - p->from - p->width > p->width ?
				  p->from + p->width * 2 : p->fresh_n;
		if (p->from == p->fresh_n) {
			uint32_t *swap = p->fresh;
			p->fresh = p->spare;
			p->spare = swap;
			p->width *= 2;
			p->from = 0;
		}
		begin_pair(p);
	}
	if (p->width >= p->fresh_n)
		begin_merge(p);
}

static void begin_numbers(struct keys_pool *p)
{
	free(p->order);
	free(p->fresh);
	free(p->spare);
	p->order = p->merged;
	p->ranked_n += p->fresh_n;
	p->rank = xrealloc(p->rank, ((size_t)p->ranked_n + 1) * sizeof(*p->rank));
	p->fresh = p->spare = p->merged = NULL;
	p->fresh_n = p->numbered_n = 0;
	p->phase = POOL_NUMBERS;
}

static void number_on(struct keys_pool *p, uint32_t *steps)
{
	for (; p->numbered_n < p->ranked_n && *steps; --*steps, p->numbered_n++)
		p->rank[p->order[p->numbered_n]] = p->numbered_n + 1;
	if (p->numbered_n == p->ranked_n)
		p->phase = POOL_RANKED;
}

bool keys_pool_rank(struct keys_pool *p, uint32_t steps)
{
	while (steps) {
		switch (p->phase) {
		case POOL_RANKED:
			if (p->ranked_n == p->n)
				return true;
			begin(p);
			break;
		case POOL_SORTS:
			sort_on(p, &steps);
			break;
		case POOL_MERGES:
			if (merge_on(p, &p->merge, &steps))
				begin_numbers(p);
			break;
		case POOL_NUMBERS:
			number_on(p, &steps);
			break;
		}
	}
	return p->phase == POOL_RANKED && p->ranked_n == p->n;
}
