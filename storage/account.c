/*
 * Opening, the op's savepoint and the lane's group commit.
 *
 * A transaction is open from the first op's BEGIN to account_commit().  Rosters in memory may be ahead of
 * the database only inside an op; account_end() writes dirty segments, mailbox rows and the journal before RELEASE.
 * (The recent mark alone may wait for the next op that writes, or for the close.)  The first op of a transaction needs
 * no savepoint: when it fails, so does the transaction, and nothing else is in it.
 */
#include "storage/account.h"

#include "storage/blob.h"
#include "storage/changes.h"
#include "storage/check.h"
#include "storage/checksum.h"
#include "storage/content_writer.h"
#include "storage/file.h"
#include "storage/flagset.h"
#include "storage/fulltext.h"
#include "storage/jump.h"
#include "storage/kept.h"
#include "storage/keys.h"
#include "storage/mailbox.h"
#include "storage/roster.h"
#include "storage/schema.h"
#include "storage/scratch.h"
#include "storage/sweep.h"
#include "storage/usage.h"

#include <unistd.h>

enum { ACCOUNT_ID = 0x526f6f73 /* "Roos" */, ACCOUNT_VERSION = 1, ACCOUNT_PATH_MAX = 4000, ROSTER_MESSAGE_BYTES = 48 };
enum { UIDVALIDITY_AHEAD_MAX = 1 << 27 /* seconds: until 2033 what it gives is below 2^31, for clients that count so far */ };

int64_t account_meta(struct account *a, const char *key)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT value FROM meta WHERE key=?");
	if (!stmt)
		return 0;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return value;
}

enum store_err account_set_meta(struct account *a, const char *key, int64_t value)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO meta VALUES(?,?)");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, value);
	return db_run(&a->db, stmt);
}

static enum store_err make_first_mailboxes(struct account *a)
{
	static const struct {
		const char *name;
		unsigned special;
	} first[] = {{"INBOX", 0},
		     {"Drafts", SPECIAL_DRAFTS},
		     {"Sent", SPECIAL_SENT},
		     {"Trash", SPECIAL_TRASH},
		     {"Junk", SPECIAL_JUNK},
		     {"Archive", SPECIAL_ARCHIVE}};
	enum store_err err = account_begin(a);
	for (size_t i = 0; i < countof(first) && !err; i++) {
		int64_t id;
		err = mailbox_create(a, first[i].name, first[i].special, &id);
		if (!err)
			err = subscription_add(a, first[i].name);
		if (err == STORE_EXISTS) /* only INBOX was gone: that is to be repaired, which takes an account that opens */
			err = STORE_OK;
	}
	enum store_err end = account_end(a, !err);
	if (err || end)
		return err ? err : end;
	const struct account_touched *touched;
	size_t n;
	return account_commit(a, &touched, &n);
}

/* The directories are on disk before index.db is there: a message on disk implies the way to it. */
static enum store_err make_directories(const struct store_env *env, const char *dir)
{
	static const char *const made[] = {"", "/blob", "/tmp"}, *const above[] = {"/..", "/../.."};
	char path[ACCOUNT_PATH_MAX + 16];
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < countof(made) && !err; i++) {
		bool is_new;
		snprintf(path, sizeof(path), "%s%s", dir, made[i]);
		err = dir_make(path, &is_new);
	}
	if (!err)
		err = dir_sync(env, POINT_ACCOUNT_DIR_SYNC, dir);
	for (size_t i = 0; i < countof(above) && !err; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, above[i]);
		err = dir_sync(env, POINT_ACCOUNT_PARENT_SYNC, path);
	}
	return err;
}

/* Row 0 of `mailbox` is the account's own. */
static enum store_err root_get(struct account *a)
{
	struct mailbox_info root;
	enum store_err err = mailbox_row(a, 0, &root);
	a->modseq = a->modseq_committed = a->metadata_modseq = root.modseq;
	a->last_uidvalidity = root.uidvalidity;
	return err == STORE_NOTFOUND ? STORE_CORRUPT : err;
}

static enum store_err root_set(struct account *a)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET modseq=?, uidvalidity=? WHERE id=0");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, (int64_t)a->modseq);
	sqlite3_bind_int64(stmt, 2, a->last_uidvalidity);
	return db_run(&a->db, stmt);
}

static enum store_err load(struct account *a)
{
	enum store_err err = root_get(a);
	a->marked_unclean = account_meta(a, "unclean") != 0;
	if (!err)
		err = flagset_load(a);
	if (!err)
		err = usage_load(a);
	int64_t inbox;
	if (!err && mailbox_find(a, "INBOX", &inbox) == STORE_NOTFOUND)
		err = make_first_mailboxes(a);
	/* What was not synced when the machine stopped may be gone, and clients may have been told of it. */
	else if (!err && a->marked_unclean && (uint64_t)account_meta(a, "boot") != a->env->boot_id)
		err = account_jump(a, a->modseq, false);
	return err;
}

/* The clock keeps it above what was given and is forgotten: after a restore from an older copy.  Accounts differ in how far
 * ahead of the clock they are, so that one who is removed and added again at once, with another account, does not get the
 * same numbers for the same names. */
uint32_t account_next_uidvalidity(struct account *a)
{
	const char *slash = strrchr(a->dir, '/'), *id = slash ? slash + 1 : a->dir;
	int64_t now = a->env->now_s(a->env->ctx), ahead = (int64_t)(checksum64(id, strlen(id), 0) % UIDVALIDITY_AHEAD_MAX);
	uint32_t clock = now > 0 && now + ahead < UINT32_MAX ? (uint32_t)(now + ahead) : 0;
	a->last_uidvalidity = clock > a->last_uidvalidity ? clock : a->last_uidvalidity + 1;
	return a->last_uidvalidity;
}

static char *copy_text(const char *text)
{
	char *copy = strdup(text ? text : "");
	invariant(copy);
	return copy;
}

static const struct db_options index_options = {.application_id = ACCOUNT_ID, .version = ACCOUNT_VERSION,
						.schema = account_schema, .create = true};

enum store_err account_image_make(struct db_image *out)
{
	return db_image_make(out, &index_options);
}

enum store_err account_open(const struct store_env *env, const char *dir, bool create, struct account **out)
{
	struct db_options options = index_options;
	options.image = env->account_image;
	*out = NULL;
	char path[ACCOUNT_PATH_MAX + 16];
	if (strlen(dir) > ACCOUNT_PATH_MAX)
		return STORE_LIMIT;
	snprintf(path, sizeof(path), "%s/index.db", dir);
	bool is_there = access(path, F_OK) == 0;
	if (!is_there && !create)
		return STORE_NOTFOUND;
	enum store_err err = is_there ? STORE_OK : make_directories(env, dir);
	if (err)
		return err;
	struct account *a = xcalloc(1, sizeof(*a));
	a->env = env;
	a->dir = xmalloc(strlen(dir) + 1);
	memcpy(a->dir, dir, strlen(dir) + 1);
	a->actor_login = copy_text("");
	a->actor_device = copy_text("");
	err = db_open(&a->db, env, path, &options);
	if (!err)
		err = blob_clean_tmp(a);
	if (!err)
		err = load(a);
	if (err) {
		if (env->open_failed)
			env->open_failed(env->ctx, dir, a->db.fault);
		account_close(a);
		return err;
	}
	*out = a;
	return STORE_OK;
}

/* The log is empty and everything is on disk: a crash from here on takes nothing away. */
static void mark_clean(struct account *a)
{
	enum store_err err = db_begin(&a->db, POINT_CLEAN_BEGIN);
	if (!err)
		err = roster_flush_all(a); /* recent marks */
	if (!err)
		err = account_set_meta(a, "unclean", 0);
	if (!err)
		err = db_commit(&a->db, POINT_CLEAN_COMMIT);
	if (!err)
		err = db_checkpoint(&a->db, POINT_CHECKPOINT_CLOSE);
	if (err)
		db_rollback(&a->db); /* it stays marked: the next process will look closer */
}

static void drop_changes(struct account *a)
{
	while (a->changes_n)
		change_finish(&a->changes[--a->changes_n]);
}

void account_close(struct account *a)
{
	if (!a)
		return;
	if (a->db.handle) {
		db_rollback(&a->db);
		if ((a->marked_unclean || roster_is_behind(a)) && !a->db.broken)
			mark_clean(a);
	}
	fulltext_close(a);
	content_writers_give_up(a);
	check_give_up(a);
	account_lend(a, NULL);
	keys_drop(a);
	kept_drop(a);
	roster_drop_all(a);
	flagset_unload(a);
	db_close(&a->db);
	drop_changes(a);
	free(a->changes);
	free(a->actor_login);
	free(a->actor_device);
	free(a->touched);
	sweep_stop(a);
	free(a->sweep);
	free(a->unlinks);
	free(a->dir);
	free(a);
}

enum store_err account_reopen(struct account **a)
{
	const struct store_env *env = (*a)->env;
	uint64_t told = (*a)->modseq_committed, epoch = (*a)->keys_epoch + 2;
	char *dir = (*a)->dir;
	(*a)->dir = NULL;
	(*a)->db.broken = true; /* its log is to be read afresh */
	account_close(*a);
	enum store_err err = account_open(env, dir, false, a);
	free(dir);
	if (!err)
		(*a)->keys_epoch = epoch; /* an op that waits may remember keys of the old one */
	if (!err && told > (*a)->modseq)
		err = account_jump(*a, told, false);
	if (err) {
		account_close(*a);
		*a = NULL;
	}
	return err;
}

enum store_err account_idle(struct account *a)
{
	invariant(!a->in_op && !a->in_transaction);
	db_rest(&a->db);
	invariant(db_is_idle(&a->db));
	return a->db.wal_pages ? db_checkpoint(&a->db, POINT_CHECKPOINT_IDLE) : STORE_OK;
}

/* From the first write on, until a clean close, the database says that the log may hold what a power loss takes.
 * This must be on disk itself before anything that is not. */
static enum store_err mark_unclean(struct account *a)
{
	enum store_err err = account_set_meta(a, "unclean", 1);
	if (!err)
		err = account_set_meta(a, "boot", (int64_t)a->env->boot_id);
	if (err)
		return err;
	a->marked_unclean = a->needs_sync = true;
	return STORE_OK;
}

enum store_err account_begin(struct account *a)
{
	invariant(!a->in_op && a->changes_n == 0);
	enum store_err err = STORE_OK;
	a->before = (struct account_before){.modseq = a->modseq,
					    .usage = a->usage,
					    .uidvalidity = a->last_uidvalidity,
					    .flagsets_n = a->flags->n,
					    .keywords_n = a->flags->keywords_n,
					    .alone = !a->in_transaction,
					    .unlinks_n = a->unlinks_n,
					    .marked_unclean = a->marked_unclean};
	if (a->before.alone) {
		err = db_begin(&a->db, POINT_BEGIN);
		if (err)
			return err;
		a->in_transaction = true;
		a->touched_n = 0;
		if (!a->marked_unclean)
			err = mark_unclean(a);
	} else {
		err = db_run(&a->db, db_prepare(&a->db, "SAVEPOINT op"));
	}
	if (err)
		return err;
	a->in_op = true;
	a->op_modseq = 0;
	return STORE_OK;
}

/* The op's rows in the journal, and the account's modseq. */
static enum store_err write_changes(struct account *a)
{
	enum store_err err = a->op_modseq ? root_set(a) : STORE_OK;
	for (size_t i = 0; i < a->changes_n && !err; i++)
		err = change_write(a, &a->changes[i]);
	return err;
}

static void keep_op(struct account *a)
{
	for (size_t i = 0; i < a->changes_n; i++) {
		if (a->touched_n == a->touched_cap) {
			a->touched_cap = a->touched_cap ? a->touched_cap * 2 : 8;
			a->touched = xrealloc(a->touched, a->touched_cap * sizeof(*a->touched));
		}
		a->touched[a->touched_n++] = (struct account_touched){a->changes[i].mailbox, a->op_modseq};
	}
	roster_keep(a);
	drop_changes(a);
}

/* What the op did to the database.  A full or failing disk may have taken the whole transaction with it: then the
 * earlier ops are gone too, and the commit must fail. */
static enum store_err undo_database(struct account *a)
{
	/* Rows that are undone, under ids that will be used again. */
	db_rest(&a->db);
	if (a->scratch)
		scratch_forget(a->scratch);
	enum store_err err = STORE_IO;
	if (a->before.alone) {
		db_rollback(&a->db);
		a->in_transaction = a->needs_sync = false;
		a->marked_unclean = a->before.marked_unclean;
		return STORE_OK;
	}
	if (!sqlite3_get_autocommit(a->db.handle)) {
		err = db_run(&a->db, db_prepare(&a->db, "ROLLBACK TO op"));
		if (!err)
			err = db_run(&a->db, db_prepare(&a->db, "RELEASE op"));
	}
	a->db.broken = a->db.broken || err;
	return err;
}

static enum store_err undo_op(struct account *a)
{
	if (a->op_modseq)
		roster_undo(a);
	else
		roster_keep(a);
	drop_changes(a);
	a->modseq = a->before.modseq;
	a->usage = a->before.usage;
	a->last_uidvalidity = a->before.uidvalidity;
	flagset_undo(a, a->before.flagsets_n, a->before.keywords_n);
	a->actor_id = 0;
	a->unlinks_n = a->before.unlinks_n;
	return undo_database(a);
}

enum store_err account_end(struct account *a, bool ok)
{
	if (!a->in_op) /* account_begin() failed */
		return STORE_OK;
	enum store_err err = STORE_OK;
	if (ok)
		err = roster_flush_all(a);
	if (ok && !err)
		err = write_changes(a);
	if (ok && !err && !a->before.alone)
		err = db_run(&a->db, db_prepare(&a->db, "RELEASE op"));
	a->in_op = false;
	if (ok && !err) {
		keep_op(a);
		usage_settle(a);
		return STORE_OK;
	}
	enum store_err undo = undo_op(a);
	usage_settle(a);
	return err ? err : undo;
}

static enum store_err commit(struct account *a)
{
	/* synchronous=NORMAL does not sync at a commit, and may not be changed inside a transaction: commits that
	 * must be on disk sync the log themselves.  Flag-only commits survive kill -9 without. */
	enum store_err err = a->db.broken ? STORE_IO : db_commit(&a->db, POINT_COMMIT);
	if (!err && (a->needs_sync || a->env->fsync_always))
		err = db_sync(&a->db, POINT_COMMIT_SYNC);
	if (!err && env_point(a->env, POINT_COMMITTED))
		err = STORE_IO;
	return err;
}

enum store_err account_commit(struct account *a, const struct account_touched **touched, size_t *n)
{
	*n = 0;
	*touched = NULL;
	if (!a->in_transaction)
		return STORE_OK;
	invariant(!a->in_op);
	enum store_err err = commit(a);
	a->in_transaction = a->needs_sync = false;
	if (err) {
		a->db.broken = true;
		return err;
	}
	/* What stays behind is garbage that the next sweep finds. */
	while (a->unlinks_n)
		(void)!blob_unlink(a, a->unlinks[--a->unlinks_n]);
	a->modseq_committed = a->modseq;
	db_rest(&a->db);
	*touched = a->touched;
	*n = a->touched_n;
	/* What was acknowledged does not depend on it: a failure shows at the next begin. */
	int64_t most = a->env->wal_bytes_max ? a->env->wal_bytes_max : DB_WAL_BYTES_MAX;
	if ((int64_t)a->db.wal_pages * DB_PAGE_BYTES > most)
		(void)!db_checkpoint(&a->db, POINT_CHECKPOINT_FULL);
	return STORE_OK;
}

void account_lend(struct account *a, struct scratch *s)
{
	if (a->scratch_is_own)
		scratch_destroy(a->scratch);
	a->scratch_is_own = false;
	a->scratch = s;
	if (s)
		scratch_forget(s);
}

struct scratch *account_scratch(struct account *a)
{
	if (!a->scratch) {
		a->scratch = scratch_create();
		a->scratch_is_own = true;
	}
	return a->scratch;
}

uint64_t account_modseq(struct account *a)
{
	invariant(a->in_op);
	if (!a->op_modseq)
		a->op_modseq = ++a->modseq;
	return a->op_modseq;
}

struct change *account_touch(struct account *a, int64_t mailbox, unsigned kind)
{
	account_modseq(a);
	for (size_t i = a->changes_n; i-- > 0;) {
		if (a->changes[i].mailbox == mailbox) {
			a->changes[i].kinds |= kind;
			return &a->changes[i];
		}
	}
	if (a->changes_n == a->changes_cap) {
		a->changes_cap = a->changes_cap ? a->changes_cap * 2 : 4;
		a->changes = xrealloc(a->changes, a->changes_cap * sizeof(*a->changes));
	}
	a->changes[a->changes_n] = (struct change){.mailbox = mailbox, .kinds = kind};
	return &a->changes[a->changes_n++];
}

void account_set_actor(struct account *a, const char *login, const char *device)
{
	if (strcmp(a->actor_login, login ? login : "") == 0 && strcmp(a->actor_device, device ? device : "") == 0)
		return;
	free(a->actor_login);
	free(a->actor_device);
	a->actor_login = copy_text(login);
	a->actor_device = copy_text(device);
	a->actor_id = 0;
}

enum store_err account_actor(struct account *a, int64_t *out)
{
	if (!a->actor_id) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO actor(login, device) VALUES(?1, ?2) ON CONFLICT"
							" DO UPDATE SET login=login RETURNING id");
		enum store_err err;
		if (stmt) {
			sqlite3_bind_text(stmt, 1, a->actor_login, -1, SQLITE_STATIC);
			sqlite3_bind_text(stmt, 2, a->actor_device, -1, SQLITE_STATIC);
		}
		if (!db_next(&a->db, stmt, &err))
			return err ? err : STORE_IO;
		a->actor_id = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	*out = a->actor_id;
	return STORE_OK;
}

void account_durable(struct account *a)
{
	a->needs_sync = true;
}

void account_unlink_later(struct account *a, int64_t content)
{
	if (a->unlinks_n == a->unlinks_cap) {
		a->unlinks_cap = a->unlinks_cap ? a->unlinks_cap * 2 : 16;
		a->unlinks = xrealloc(a->unlinks, a->unlinks_cap * sizeof(*a->unlinks));
	}
	a->unlinks[a->unlinks_n++] = content;
	account_durable(a);
}

bool account_takes_in(const struct account *a)
{
	return a->writers != NULL;
}

size_t account_bytes(const struct account *a)
{
	size_t bytes = sizeof(*a) + db_bytes(&a->db) + fulltext_bytes(a) + keys_bytes(a) + kept_bytes(a);
	for (const struct roster *r = a->rosters; r; r = r->next)
		bytes += sizeof(*r) + (size_t)r->info.messages * ROSTER_MESSAGE_BYTES;
	return bytes;
}

const char *account_fault(const struct account *a)
{
	return a->db.fault;
}

enum store_err account_take_grave(struct account *a)
{
	enum store_err err = a->db.grave;
	a->db.grave = STORE_OK;
	return err;
}
