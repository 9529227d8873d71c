#include "server/wheel.h"

void wheel_init(struct wheel *w, uint64_t now_s)
{
	*w = (struct wheel){.now_s = now_s};
}

static void put(struct wheel *w, struct wheel_item *item)
{
	item->slot_s = item->due_s > w->now_s ? item->due_s : w->now_s + 1;
	struct wheel_item **slot = &w->slots[item->slot_s % WHEEL_SLOTS];
	item->next = *slot;
	item->link = slot;
	if (item->next)
		item->next->link = &item->next;
	*slot = item;
	w->n++;
}

void wheel_set(struct wheel *w, struct wheel_item *item, uint64_t due_s)
{
	item->due_s = due_s;
	if (item->link && item->slot_s <= due_s)
		return; /* looked at again when its second comes */
	wheel_remove(w, item);
	put(w, item);
}

void wheel_remove(struct wheel *w, struct wheel_item *item)
{
	if (!item->link)
		return;
	*item->link = item->next;
	if (item->next)
		item->next->link = item->link;
	item->link = NULL;
	item->next = NULL;
	w->n--;
}

/* The first item of the slot whose second this is; those of later rounds stay. */
static struct wheel_item *first_of(struct wheel *w, uint64_t second)
{
	struct wheel_item *item = w->slots[second % WHEEL_SLOTS];
	while (item && item->slot_s > second)
		item = item->next;
	return item;
}

struct wheel_item *wheel_next_due(struct wheel *w, uint64_t now_s)
{
	if (now_s > w->now_s + WHEEL_SLOTS) /* after a long sleep one round finds everything that is past */
		w->now_s = now_s - WHEEL_SLOTS;
	while (w->now_s < now_s) {
		struct wheel_item *item = first_of(w, w->now_s + 1);
		if (!item) {
			w->now_s++;
			continue;
		}
		wheel_remove(w, item);
		if (item->due_s <= now_s)
			return item;
		put(w, item);
	}
	return NULL;
}
