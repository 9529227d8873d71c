#include "storage/expunge.h"

#include "storage/flagset.h"
#include "storage/gone.h"
#include "storage/roster.h"

/* The graveyard first: it reads what the roster is about to lose. */
static enum store_err remove_indexes(struct account *a, struct roster *r, const uint32_t *indexes, uint32_t n)
{
	if (n == 0)
		return STORE_OK;
	enum store_err err = gone_bury(a, r, indexes, n);
	if (!err)
		roster_remove(a, r, indexes, n);
	return err;
}

enum store_err messages_expunge(struct account *a, int64_t mailbox, const struct uidset *set, struct uidset *gone)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err || r->info.deleted == 0)
		return err;
	uint32_t n = 0, *indexes = xmalloc(r->info.deleted * sizeof(*indexes));
	struct roster_cursor cursor;
	struct roster_slice s;
	roster_cursor_init(&cursor, r, set);
	while (n < r->info.deleted && roster_cursor_next(&cursor, &s)) {
		for (uint32_t i = 0; i < s.n; i++) {
			if (!(flagset_system(a, s.flagset[i]) & FLAG_DELETED))
				continue;
			uidset_append(gone, s.uid[i], s.uid[i]);
			indexes[n++] = s.index + i;
		}
	}
	err = remove_indexes(a, r, indexes, n);
	free(indexes);
	return err;
}

enum store_err messages_remove(struct account *a, int64_t mailbox, const struct uidset *set)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	uint32_t n = 0, *indexes = xmalloc(r->uids.n * sizeof(*indexes));
	struct roster_cursor cursor;
	struct roster_slice s;
	roster_cursor_init(&cursor, r, set);
	while (roster_cursor_next(&cursor, &s))
		for (uint32_t i = 0; i < s.n; i++)
			indexes[n++] = s.index + i;
	err = remove_indexes(a, r, indexes, n);
	free(indexes);
	return err;
}
