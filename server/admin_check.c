/* roost check: proves accounts sound, in slices on their lanes, so that they stay in use. */
#include "server/admin.h"

#include "storage/check.h"

#include <openssl/evp.h>
#include <uv.h>

enum { SLICE_US = 5000, ROWS_MAX = 1000 /* an account: whoever has more damage than that knows */ };

/* ---- the digest of contents ---- */

static void *digest_start(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	invariant(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	return ctx;
}

static void digest_feed(void *state, const void *bytes, size_t len)
{
	invariant(EVP_DigestUpdate(state, bytes, len) == 1);
}

static void digest_finish(void *state, unsigned char out[DIGEST_BYTES])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	invariant(EVP_DigestFinal_ex(state, digest, NULL) == 1);
	memcpy(out, digest, DIGEST_BYTES);
	EVP_MD_CTX_free(state);
}

const struct check_digest admin_check_digest = {digest_start, digest_feed, digest_finish};

static void on_problem(void *ctx, enum check_kind kind, const char *line)
{
	struct admin_task *task = ctx;
	struct buf row;
	if (kind != CHECK_DAMAGE || task->rows++ >= ROWS_MAX)
		return;
	admin_row_begin(task, &row);
	admin_row_text(&row, "address", task->user.address);
	admin_row_text(&row, "problem", line);
	admin_row_text(&row, "account", task->user.account);
	admin_row_end(task, &row);
}

/* The last words so far: of this account, or with --all of all up to this one. */
static void conclude(struct admin_task *task, const struct check_counts *n)
{
	task->damage += n->damage;
	task->accounts++;
	if (task->damage)
		task->exit_at_end = ADMIN_EXIT_FAILED;
	if (admin_is_for_all(task))
		admin_say(task, "%llu accounts looked at, %llu problems", (unsigned long long)task->accounts,
			  (unsigned long long)task->damage);
	else
		admin_say(task, "%s: %llu mailboxes, %llu messages, %llu contents, %llu bytes; %llu problems, %llu leftovers",
			  task->user.address, (unsigned long long)n->mailboxes, (unsigned long long)n->messages,
			  (unsigned long long)n->contents, (unsigned long long)n->bytes, (unsigned long long)n->damage,
			  (unsigned long long)n->garbage);
}

enum op_result admin_check(struct admin_task *task, struct account *account)
{
	uint64_t until_ns = uv_hrtime() + SLICE_US * 1000;
	if (task->repairing)
		return admin_repair(task, account);
	if (!task->check) {
		task->rows = 0;
		task->check = check_create(account, &admin_check_digest, on_problem, task);
	}
	if (!task->check) {
		admin_fail(task, "%s: it is being checked by another command", task->user.address);
		return OP_DONE;
	}
	bool more = true;
	enum store_err err = STORE_OK;
	while (!err && more && uv_hrtime() < until_ns)
		err = check_step(task->check, &more);
	if (!err && more)
		return OP_AGAIN;
	struct check_counts counts = check_result(task->check);
	if (!err && counts.damage && admin_value(task, "repair")) {
		admin_repair_begin(task);
		return OP_DONE;
	}
	check_destroy(task->check);
	task->check = NULL;
	if (err)
		admin_store_error(task, task->user.address, err);
	else
		conclude(task, &counts);
	return OP_DONE;
}
