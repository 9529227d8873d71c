#include "storage/expire.h"

#include "storage/expunge.h"
#include "storage/roster.h"

enum store_err messages_expire(struct account *a, int64_t mailbox, int64_t before_s, uint32_t most, uint32_t *removed,
			       bool *more)
{
	struct roster *r;
	struct roster_slice s;
	struct uidset old = {0};
	*removed = 0;
	*more = false;
	enum store_err err = roster_get(a, mailbox, &r);
	for (uint32_t at = 0; !err && !*more && roster_slice_at(r, at, &s); at += s.n) {
		for (uint32_t i = 0; i < s.n && !*more; i++) {
			if (s.save_date[i] >= before_s)
				continue;
			uidset_append(&old, s.uid[i], s.uid[i]);
			*more = ++*removed == most;
		}
	}
	if (!err && *removed)
		err = messages_remove(a, mailbox, &old);
	uidset_finish(&old);
	return err;
}
