#include "storage/kept.h"

#include <stdatomic.h>

struct kept {
	atomic_uint refs;
	struct kept *next; /* of the account's, the most recently used first */
	int64_t mailbox;
	uint64_t modseq;
	struct uids uids;
	struct kept_result result;
	size_t key_len;
	char key[];
};

struct kept *kept_create(int64_t mailbox, struct bytes key, uint64_t modseq, const struct uids *uids,
			 struct kept_result result)
{
	struct kept *k = xmalloc(sizeof(*k) + key.len);
	*k = (struct kept){.mailbox = mailbox, .modseq = modseq, .uids = uids_acquire(uids), .result = result,
			   .key_len = key.len};
	atomic_init(&k->refs, 1);
	memcpy(k->key, key.ptr, key.len);
	return k;
}

struct kept *kept_acquire(struct kept *k)
{
	atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void kept_release(struct kept *k)
{
	if (!k)
		return;
	unsigned before = atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel);
	invariant(before > 0);
	if (before > 1)
		return;
	uids_release(&k->uids);
	free(k->result.data);
	free(k);
}

struct bytes kept_data(const struct kept *k)
{
	return (struct bytes){k->result.data, k->result.len};
}

uint64_t kept_modseq(const struct kept *k)
{
	return k->modseq;
}

const struct uids *kept_uids(const struct kept *k)
{
	return &k->uids;
}

void kept_renew(struct kept *k, uint64_t modseq, const struct uids *uids)
{
	struct uids old = k->uids;
	k->uids = uids_acquire(uids);
	k->modseq = modseq;
	uids_release(&old);
}

/* Takes it out of the account's list, with its reference; NULL: there is none. */
static struct kept *take(struct account *a, int64_t mailbox, struct bytes key)
{
	for (struct kept **at = &a->kept; *at; at = &(*at)->next) {
		struct kept *k = *at;
		if (k->mailbox != mailbox || k->key_len != key.len || memcmp(k->key, key.ptr, key.len) != 0)
			continue;
		*at = k->next;
		return k;
	}
	return NULL;
}

static struct kept *put_first(struct account *a, struct kept *k)
{
	k->next = a->kept;
	a->kept = k;
	return k;
}

struct kept *kept_find(struct account *a, int64_t mailbox, struct bytes key)
{
	struct kept *k = take(a, mailbox, key);
	return k ? put_first(a, k) : NULL;
}

/* The map is mostly the roster's own. */
static size_t bytes_of(const struct kept *k)
{
	return sizeof(*k) + k->key_len + k->result.len;
}

static void drop_from(struct kept **at)
{
	struct kept *k = *at;
	*at = NULL;
	while (k) {
		struct kept *next = k->next;
		kept_release(k);
		k = next;
	}
}

void kept_add(struct account *a, struct kept *k, size_t bytes_max)
{
	kept_release(take(a, k->mailbox, (struct bytes){k->key, k->key_len}));
	if (bytes_of(k) > bytes_max)
		return;
	put_first(a, kept_acquire(k));
	size_t n = 0, bytes = 0;
	for (struct kept **at = &a->kept; *at; at = &(*at)->next) {
		bytes += bytes_of(*at);
		if (bytes > bytes_max || ++n > KEPT_RESULTS) {
			drop_from(at);
			return;
		}
	}
}

void kept_drop(struct account *a)
{
	drop_from(&a->kept);
}

size_t kept_bytes(const struct account *a)
{
	size_t bytes = 0;
	for (const struct kept *k = a->kept; k; k = k->next)
		bytes += bytes_of(k);
	return bytes;
}
