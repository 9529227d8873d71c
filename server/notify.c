#include "server/notify.h"

#include "protocol/base.h"
#include "server/lane.h"

/* On a loop: the watches with one key.  The lane is only compared here, never looked into: it may be gone. */
struct watch_key {
	struct lane *lane;
	int64_t mailbox;
};

struct watch_group {
	struct watch_key key;
	struct watch *first;
	UT_hash_handle hh;
};

/* On a lane: which loops watch a mailbox. */
struct watch_mask {
	int64_t mailbox;
	uint64_t loops;
	UT_hash_handle hh;
};

struct changed {
	struct letter letter;
	struct lane *lane;
	size_t n;
	struct account_touched touched[];
};

static void mask_set(struct lane *lane, int64_t mailbox, uint64_t bit, bool on)
{
	struct watch_mask *mask;
	uv_mutex_lock(&lane->watch_mutex);
	HASH_FIND(hh, lane->watched, &mailbox, sizeof(mailbox), mask);
	if (!mask && on) {
		mask = xcalloc(1, sizeof(*mask));
		mask->mailbox = mailbox;
		HASH_ADD(hh, lane->watched, mailbox, sizeof(mask->mailbox), mask);
	}
	invariant(mask);
	mask->loops = on ? mask->loops | bit : mask->loops & ~bit;
	if (!mask->loops) {
		HASH_DEL(lane->watched, mask);
		free(mask);
	}
	uv_mutex_unlock(&lane->watch_mutex);
}

static struct watch_group *find_group(struct loop *loop, struct lane *lane, int64_t mailbox)
{
	struct watch_key key = {lane, mailbox};
	struct watch_group *group;
	HASH_FIND(hh, loop->watched, &key, sizeof(key), group);
	return group;
}

void notify_watch(struct watch *watch, struct loop *loop, struct lane *lane, int64_t mailbox)
{
	invariant(!watch->group);
	struct watch_group *group = find_group(loop, lane, mailbox);
	if (!group) {
		group = xcalloc(1, sizeof(*group));
		group->key = (struct watch_key){lane, mailbox};
		HASH_ADD(hh, loop->watched, key, sizeof(group->key), group);
		mask_set(lane, mailbox, (uint64_t)1 << loop->index, true);
	}
	watch->loop = loop;
	watch->lane = lane;
	watch->group = group;
	watch->next = group->first;
	watch->link = &group->first;
	if (watch->next)
		watch->next->link = &watch->next;
	group->first = watch;
}

void notify_unwatch(struct watch *watch)
{
	struct watch_group *group = watch->group;
	if (!group)
		return;
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
	watch->group = NULL;
	if (group->first)
		return;
	mask_set(watch->lane, group->key.mailbox, (uint64_t)1 << watch->loop->index, false);
	HASH_DEL(watch->loop->watched, group);
	free(group);
}

static void wake(struct loop *loop, struct lane *lane, int64_t key, const struct account_touched *t)
{
	struct watch_group *group = find_group(loop, lane, key);
	for (struct watch *w = group ? group->first : NULL, *next; w; w = next) {
		next = w->next;
		w->on_change(w, t->mailbox, t->modseq);
	}
}

static void deliver_changed(struct letter *letter, struct loop *loop)
{
	struct changed *m = container_of(letter, struct changed, letter);
	for (size_t i = 0; i < m->n; i++) {
		wake(loop, m->lane, m->touched[i].mailbox, &m->touched[i]);
		wake(loop, m->lane, WATCH_ALL, &m->touched[i]);
	}
	free(m);
}

static uint64_t loops_of(struct lane *lane, int64_t mailbox)
{
	struct watch_mask *mask;
	HASH_FIND(hh, lane->watched, &mailbox, sizeof(mailbox), mask);
	return mask ? mask->loops : 0;
}

static void post(struct lane *lane, struct loop *loop, const struct account_touched *touched, size_t n)
{
	struct changed *m = xcalloc(1, sizeof(*m) + n * sizeof(*touched));
	m->letter.deliver = deliver_changed;
	m->lane = lane;
	uint64_t bit = (uint64_t)1 << loop->index, all = loops_of(lane, WATCH_ALL);
	for (size_t i = 0; i < n; i++) {
		struct account_touched *last = m->n ? &m->touched[m->n - 1] : NULL;
		if (last && last->mailbox == touched[i].mailbox)
			last->modseq = touched[i].modseq;
		else if ((all | loops_of(lane, touched[i].mailbox)) & bit)
			m->touched[m->n++] = touched[i];
	}
	loop_post(loop, &m->letter);
}

void notify_commit(struct lane *lane, const struct account_touched *touched, size_t n)
{
	if (n == 0)
		return;
	uv_mutex_lock(&lane->watch_mutex);
	uint64_t loops = 0;
	if (lane->watched) {
		loops = loops_of(lane, WATCH_ALL);
		for (size_t i = 0; i < n; i++)
			loops |= loops_of(lane, touched[i].mailbox);
	}
	for (unsigned i = 0; loops >> i; i++)
		if (loops >> i & 1)
			post(lane, &lane->loops[i], touched, n);
	uv_mutex_unlock(&lane->watch_mutex);
}
