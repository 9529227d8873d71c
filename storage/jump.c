#include "storage/jump.h"

#include "storage/changes.h"
#include "storage/fulltext.h"
#include "storage/mailbox.h"
#include "storage/roster_private.h"
#include "storage/segment.h"

/* Gives every message of one row the modseq. */
static enum store_err restamp_row(struct account *a, int64_t id, struct bytes data, uint64_t modseq)
{
	struct segment_room room;
	struct message_columns columns = segment_room_columns(&room);
	unsigned char packed[SEGMENT_BYTES_MAX];
	uint32_t n = 0;
	enum store_err err = segment_count(data, &n);
	if (!err)
		err = segment_unpack(data, &columns);
	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		room.modseq[i] = modseq;
	struct roster_slice slice = segment_room_slice(&room, n);
	size_t len = segment_pack(&slice, packed);
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE segment SET modseq=?, data=? WHERE id=?");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, (int64_t)modseq);
		sqlite3_bind_blob64(stmt, 2, packed, len, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 3, id);
	}
	return db_run(&a->db, stmt);
}

static enum store_err restamp_messages(struct account *a, int64_t mailbox, uint64_t modseq)
{
	int64_t at = segment_key(mailbox, 0) - 1;
	for (;;) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, data FROM segment WHERE id>? AND id<=?"
							" ORDER BY id LIMIT 1");
		if (stmt) {
			sqlite3_bind_int64(stmt, 1, at);
			sqlite3_bind_int64(stmt, 2, segment_key(mailbox, UINT32_MAX));
		}
		enum store_err err;
		if (!db_next(&a->db, stmt, &err))
			return err;
		at = sqlite3_column_int64(stmt, 0);
		struct bytes data = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};
		err = restamp_row(a, at, data, modseq);
		sqlite3_reset(stmt);
		if (err)
			return err;
	}
}

static enum store_err restamp_mailbox(struct account *a, const struct mailbox_info *info, uint64_t modseq, bool leap_uids)
{
	uint32_t uidnext = info->uidnext, uidvalidity = info->uidvalidity;
	if (leap_uids && uidnext <= UINT32_MAX - 2 * JUMP_UIDS) {
		uidnext += JUMP_UIDS;
	} else if (leap_uids) {
		uidvalidity = account_next_uidvalidity(a);
	}
	enum store_err err = restamp_messages(a, info->id, modseq);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&a->db, "UPDATE mailbox SET modseq=?1, floor=?1, uidnext=?2,"
							     " uidvalidity=?3 WHERE id=?4");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, (int64_t)modseq);
		sqlite3_bind_int64(stmt, 2, uidnext);
		sqlite3_bind_int64(stmt, 3, uidvalidity);
		sqlite3_bind_int64(stmt, 4, info->id);
	}
	account_touch(a, info->id, CHANGE_RESTAMPED);
	return err ? err : db_run(&a->db, stmt);
}

/* Every mailbox with messages, and the account's own row. */
static enum store_err restamp_all(struct account *a, uint64_t modseq, bool leap_uids)
{
	enum store_err err = STORE_OK;
	for (int64_t id = 0; !err;) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, " MAILBOX_INFO_COLUMNS " FROM mailbox"
							" WHERE id>? AND state=0 ORDER BY id LIMIT 1");
		if (stmt)
			sqlite3_bind_int64(stmt, 1, id);
		if (!db_next(&a->db, stmt, &err))
			break;
		id = sqlite3_column_int64(stmt, 0);
		struct mailbox_info info = mailbox_read(stmt, id, 1);
		sqlite3_reset(stmt);
		err = restamp_mailbox(a, &info, modseq, leap_uids);
	}
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&a->db, "UPDATE mailbox SET floor=? WHERE id=0");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, (int64_t)modseq);
	return err ? err : db_run(&a->db, stmt);
}

/* Ids that the backup does not know must not be given again. */
static enum store_err leap_ids(struct account *a)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE sqlite_sequence SET seq=seq+?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, JUMP_UIDS);
	return db_run(&a->db, stmt);
}

enum store_err account_jump(struct account *a, uint64_t told, bool leap_uids)
{
	const struct account_touched *touched;
	size_t n;
	invariant(!a->in_op && !a->in_transaction);
	roster_drop_all(a);
	/* The index may be of what came after the backup. */
	for (enum fulltext_which w = FULLTEXT_NOW; leap_uids && w < FULLTEXT_BOTH; w++)
		fulltext_drop(a, w, "a backup was put back");
	/* The mark of an unclean stop gets this boot's id, or the account would jump at each opening. */
	a->marked_unclean = false;
	enum store_err err = account_begin(a);
	if (!err) {
		a->modseq = (told > a->modseq ? told : a->modseq) + JUMP_MODSEQS;
		err = restamp_all(a, account_modseq(a), leap_uids);
	}
	if (!err && leap_uids)
		err = leap_ids(a);
	account_durable(a);
	enum store_err end = account_end(a, !err);
	if (err || end)
		return err ? err : end;
	return account_commit(a, &touched, &n);
}
