#include "storage/usage.h"

void usage_set_quota(struct account *a, const struct quota *quota)
{
	a->quota = *quota;
}

static enum store_err sum(struct account *a, struct usage *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT coalesce(sum(bytes), 0), coalesce(sum(messages), 0) FROM mailbox");
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	*out = (struct usage){(uint64_t)sqlite3_column_int64(stmt, 0), (uint64_t)sqlite3_column_int64(stmt, 1)};
	sqlite3_reset(stmt);
	return STORE_OK;
}

void usage_settle(struct account *a)
{
	struct usage_share *s = a->share;
	if (!s)
		return;
	int64_t is = (int64_t)a->usage.bytes, was = atomic_exchange(&s->bytes, is);
	if (s->pool && is != was)
		atomic_fetch_add(&s->pool->bytes, is - was);
}

enum store_err usage_load(struct account *a)
{
	enum store_err err = sum(a, &a->usage);
	if (!err)
		usage_settle(a);
	return err;
}

void usage_set_share(struct account *a, struct usage_share *share)
{
	a->share = share;
	usage_settle(a);
}

void usage_share_move(struct usage_share *share, struct usage_pool *to, int64_t recorded)
{
	int64_t own = atomic_load(&share->bytes) - recorded;
	if (share->pool)
		atomic_fetch_sub(&share->pool->bytes, own);
	if (to)
		atomic_fetch_add(&to->bytes, own);
	share->pool = to;
}

static int64_t pool_bytes(const struct account *a)
{
	return a->share && a->share->pool ? atomic_load(&a->share->pool->bytes) : 0;
}

uint64_t usage_pool_bytes(const struct account *a)
{
	int64_t bytes = pool_bytes(a);
	return bytes > 0 ? (uint64_t)bytes : 0;
}

struct usage usage_get(const struct account *a)
{
	return a->usage;
}

enum store_err usage_mailboxes(struct account *a, uint64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT count(*) FROM mailbox WHERE id>0 AND state=0");
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_IO;
	*out = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

static bool is_over(uint64_t is, uint64_t was, uint64_t limit)
{
	return limit && is > was && is > limit;
}

bool usage_is_over(const struct account *a)
{
	return is_over(a->usage.bytes, 0, a->quota.bytes) || is_over(a->usage.messages, 0, a->quota.messages);
}

/* Takes what the op has added, if all of it is there: looking and taking are one step, for others take too. */
static bool take_from_pool(struct account *a)
{
	struct usage_share *s = a->share;
	if (!s || !s->pool || !a->quota.pool_bytes)
		return true;
	int64_t max = (int64_t)a->quota.pool_bytes, is = atomic_load(&s->pool->bytes);
	int64_t wanted = (int64_t)a->usage.bytes - atomic_load(&s->bytes);
	if (wanted <= 0)
		return true;
	do {
		if (is > max - wanted)
			return false;
	} while (!atomic_compare_exchange_weak(&s->pool->bytes, &is, is + wanted));
	atomic_fetch_add(&s->bytes, wanted);
	return true;
}

static bool has_room(const struct account *a, uint64_t bytes)
{
	return !a->env->has_room || a->env->has_room(a->env->ctx, bytes);
}

enum store_err usage_check(struct account *a)
{
	const struct usage *was = &a->before.usage, *is = &a->usage;
	const struct quota *q = &a->quota;
	invariant(a->in_op);
	if (is->messages > was->messages && !has_room(a, 0))
		return STORE_FULL;
	if (a->beyond_quota)
		return STORE_OK;
	bool is_allowed = !is_over(is->bytes, was->bytes, q->bytes) && !is_over(is->messages, was->messages, q->messages);
	return is_allowed && take_from_pool(a) ? STORE_OK : STORE_OVERQUOTA;
}

enum store_err usage_check_room(struct account *a, uint64_t bytes)
{
	const struct quota *q = &a->quota;
	if (!has_room(a, bytes))
		return STORE_FULL;
	bool over = (q->bytes && a->usage.bytes + bytes > q->bytes) || (q->messages && a->usage.messages + 1 > q->messages) ||
		    (q->pool_bytes && a->share && a->share->pool &&
		     pool_bytes(a) > (int64_t)q->pool_bytes - (int64_t)bytes);
	return over && !a->beyond_quota ? STORE_OVERQUOTA : STORE_OK;
}

enum store_err usage_check_mailboxes(struct account *a, uint64_t n)
{
	uint64_t now;
	if (!a->quota.mailboxes || a->beyond_quota)
		return STORE_OK;
	enum store_err err = usage_mailboxes(a, &now);
	return err ? err : (now + n > a->quota.mailboxes ? STORE_OVERQUOTA : STORE_OK);
}

void usage_add(struct account *a, uint64_t bytes, uint64_t messages)
{
	a->usage.bytes += bytes;
	a->usage.messages += messages;
}

void usage_subtract(struct account *a, uint64_t bytes, uint64_t messages)
{
	/* Counters on a damaged disk may say less than there is. */
	a->usage.bytes -= bytes < a->usage.bytes ? bytes : a->usage.bytes;
	a->usage.messages -= messages < a->usage.messages ? messages : a->usage.messages;
}
