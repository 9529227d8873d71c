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

enum store_err usage_load(struct account *a)
{
	return sum(a, &a->usage);
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

enum store_err usage_check(struct account *a)
{
	const struct usage *was = &a->before.usage, *is = &a->usage;
	const struct quota *q = &a->quota;
	invariant(a->in_op);
	if (a->beyond_quota)
		return STORE_OK;
	bool grows_too_much = is->bytes > was->bytes && is->bytes - was->bytes > q->growth_max && q->has_growth;
	return grows_too_much || is_over(is->bytes, was->bytes, q->bytes) || is_over(is->messages, was->messages, q->messages)
		       ? STORE_OVERQUOTA
		       : STORE_OK;
}

enum store_err usage_check_room(struct account *a, uint64_t bytes)
{
	const struct quota *q = &a->quota;
	bool over = (q->bytes && a->usage.bytes + bytes > q->bytes) || (q->messages && a->usage.messages + 1 > q->messages) ||
		    (q->has_growth && bytes > q->growth_max);
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
