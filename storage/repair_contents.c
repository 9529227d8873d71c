/* The repair of contents: the messages that name what is damaged, and contents that lost their names. */
#include "storage/append.h"
#include "storage/content.h"
#include "storage/mailbox.h"
#include "storage/repair_private.h"

static int content_order(const void *x, const void *y)
{
	const struct repair_use *a = x, *b = y;
	if (a->entry.content != b->entry.content)
		return a->entry.content < b->entry.content ? -1 : 1;
	return (a->mailbox > b->mailbox) - (a->mailbox < b->mailbox);
}

static bool is_in(const int64_t *contents, size_t n, int64_t id)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (contents[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && contents[lo] == id;
}

bool repair_is_damaged(const struct repair *r, int64_t content)
{
	return is_in(r->damaged, r->damaged_n, content);
}

static enum store_err is_there(struct account *a, int64_t content, bool *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT 1 FROM content WHERE id=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, content);
	enum store_err err;
	*out = db_next(&a->db, stmt, &err);
	if (*out)
		sqlite3_reset(stmt);
	return err;
}

/* The mailboxes' ids, ascending; heap. */
static enum store_err list_mailboxes(struct account *a, int64_t **out, size_t *n)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id FROM mailbox WHERE id>0 AND state=0 ORDER BY id");
	enum store_err err;
	size_t cap = 0;
	*out = NULL;
	*n = 0;
	while (db_next(&a->db, stmt, &err)) {
		if (*n == cap) {
			cap = cap ? 2 * cap : 64;
			*out = xrealloc(*out, cap * sizeof(**out));
		}
		(*out)[(*n)++] = sqlite3_column_int64(stmt, 0);
	}
	return err;
}

static enum store_err look_at_mailbox(const struct repair *repair, struct account *a, int64_t mailbox, struct repair_uses *out,
				      size_t *cap)
{
	struct roster *r;
	struct roster_slice s;
	enum store_err err = roster_get(a, mailbox, &r);
	for (uint32_t at = 0; !err && roster_slice_at(r, at, &s); at += s.n) {
		for (uint32_t i = 0; i < s.n && !err; i++) {
			bool there = true, damaged = repair_is_damaged(repair, s.content[i]);
			if (!damaged)
				err = is_there(a, s.content[i], &there);
			if (err || (there && !damaged))
				continue;
			if (out->n == *cap) {
				*cap = *cap ? 2 * *cap : 64;
				out->v = xrealloc(out->v, *cap * sizeof(*out->v));
			}
			out->v[out->n++] = (struct repair_use){mailbox, roster_entry_at(&s, i)};
		}
	}
	return err;
}

enum store_err repair_uses(const struct repair *r, struct account *a, struct repair_uses *out)
{
	int64_t *mailboxes;
	size_t n, cap = 0;
	*out = (struct repair_uses){0};
	enum store_err err = list_mailboxes(a, &mailboxes, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = look_at_mailbox(r, a, mailboxes[i], out, &cap);
	free(mailboxes);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), content_order);
	return err;
}

void repair_uses_finish(struct repair_uses *uses)
{
	free(uses->v);
	*uses = (struct repair_uses){0};
}

enum store_err repair_disown(struct account *a, int64_t content)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE content SET digest=randomblob(16) WHERE id=?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, content);
	return db_run(&a->db, stmt);
}

enum store_err repair_replace(struct account *a, const struct repair_use *use, int64_t content, uint32_t size)
{
	struct roster *r;
	enum store_err err = roster_get(a, use->mailbox, &r);
	if (err)
		return err;
	const struct append_item item = {.content = content, .size = size, .flagset = use->entry.flagset,
					 .internal_date = use->entry.internal_date, .zone_min = use->entry.zone_min};
	uint32_t uid, index = roster_lower(r, use->entry.uid);
	if (content)
		err = messages_append(a, use->mailbox, &item, 1, &uid);
	/* Not buried: there is nothing to have back, and the jump that follows tells every client what is there. */
	if (!err && index < r->uids.n && uids_at(&r->uids, index) == use->entry.uid)
		roster_remove(a, r, &index, 1);
	return err;
}

/* ---- contents that nobody names ---- */

/* Sorted ids of all that segments and graves name; heap. */
static enum store_err list_named(struct account *a, int64_t **out, size_t *n)
{
	static const char *const tables[] = {"SELECT data FROM segment ORDER BY id",
					     "SELECT data FROM gone ORDER BY mailbox, modseq, part"};
	size_t cap = 0;
	enum store_err err = STORE_OK;
	*out = NULL;
	*n = 0;
	for (size_t t = 0; t < countof(tables) && !err; t++) {
		sqlite3_stmt *stmt = db_prepare(&a->db, tables[t]);
		while (db_next(&a->db, stmt, &err)) {
			struct segment_room room;
			struct message_columns columns = segment_room_columns(&room);
			struct bytes data = {sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)};
			uint32_t count = 0;
			if (segment_count(data, &count) != STORE_OK || segment_unpack(data, &columns) != STORE_OK)
				continue;
			if (*n + count > cap) {
				cap = 2 * cap + SEGMENT_MESSAGES;
				*out = xrealloc(*out, cap * sizeof(**out));
			}
			memcpy(*out + *n, room.content, count * sizeof(**out));
			*n += count;
		}
	}
	return err;
}

static int id_order(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return (a > b) - (a < b);
}

static enum store_err recover(struct account *a, int64_t content, uint32_t size, int64_t date)
{
	int64_t mailbox;
	uint32_t uid;
	const struct append_item item = {.content = content, .size = size, .internal_date = date};
	enum store_err err = mailbox_find(a, "Recovered", &mailbox);
	if (err == STORE_NOTFOUND)
		err = mailbox_create(a, "Recovered", 0, &mailbox);
	return err ? err : messages_append(a, mailbox, &item, 1, &uid);
}

enum store_err repair_recover(struct repair *r, struct account *a, uint64_t *n)
{
	int64_t *named, now = a->env->now_s(a->env->ctx), at = 0;
	size_t named_n;
	enum store_err err = roster_flush_all(a); /* what was put in just now is named */
	*n = 0;
	if (!err)
		err = list_named(a, &named, &named_n);
	if (err)
		return err;
	if (named_n)
		qsort(named, named_n, sizeof(*named), id_order);
	while (!err) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, size, sent FROM content WHERE id>? ORDER BY id LIMIT 1");
		if (stmt)
			sqlite3_bind_int64(stmt, 1, at);
		if (!db_next(&a->db, stmt, &err))
			break;
		at = sqlite3_column_int64(stmt, 0);
		uint32_t size = (uint32_t)sqlite3_column_int64(stmt, 1);
		int64_t date = sqlite3_column_type(stmt, 2) == SQLITE_NULL ? now : sqlite3_column_int64(stmt, 2);
		sqlite3_reset(stmt);
		if (is_in(named, named_n, at) || repair_is_damaged(r, at) || content_writers_hold(a, at))
			continue;
		err = recover(a, at, size, date);
		++*n;
	}
	free(named);
	if (!err && *n)
		repair_told(r, "%llu messages that no mailbox had any more are in the mailbox \"Recovered\"", (unsigned long long)*n);
	return err;
}

enum store_err repair_tidy(struct account *a)
{
	static const char *const tables[] = {"DELETE FROM header WHERE content NOT IN (SELECT id FROM content)",
					     "DELETE FROM body WHERE content NOT IN (SELECT id FROM content)",
					     "DELETE FROM keys WHERE content NOT IN (SELECT id FROM content)"};
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < countof(tables) && !err; i++)
		err = db_run(&a->db, db_prepare(&a->db, tables[i]));
	return err;
}
