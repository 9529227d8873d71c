/*
 * One call fails: the Nth write, truncation, sync, opening or deletion that SQLite makes, or the Nth passing of a named
 * point (blob files, BEGIN, COMMIT), with a failing disk or a full one.  Each failure is told by a code of its own kind;
 * the step it was in is undone as a whole, or, where the commit failed, there or not; what was acknowledged before is
 * there; and work goes on to the end, after a new opening where the account asks for one.  In process, so that the
 * sanitizers see every error path.
 *
 * FAULT_STRIDE=1 tries every call instead of each 5th; FAULT_AT=N:MODE one of them.
 */
#include "tests/crash/shim_vfs.h"
#include "tests/crash/workload.h"
#include "tests/unit/scratch_dir.h"

#include <errno.h>

enum { STRIDE = 5, TRIES = 3 };

/* What fails. */
enum mode { CALL_FAILS, CALL_FULL, POINT_FAILS, POINT_FULL, DISK_STAYS_FULL, MODES };
enum { FULL_FOR = 12 }; /* calls, in DISK_STAYS_FULL */

struct fault {
	enum mode mode;
	unsigned at, calls, points, hits;
	bool paused; /* while the test looks */
};

static int on_point(void *ctx, enum store_point point)
{
	struct fault *f = ctx;
	(void)point;
	if (f->paused)
		return 0;
	f->points++;
	bool fails = (f->mode == POINT_FAILS || f->mode == POINT_FULL) && f->points == f->at;
	f->hits += fails;
	return fails ? (f->mode == POINT_FULL ? ENOSPC : EIO) : 0;
}

static int on_call(void *ctx, enum shim_call call, int *out_full)
{
	struct fault *f = ctx;
	if (f->paused)
		return 0;
	f->calls++;
	*out_full = f->mode != CALL_FAILS;
	bool fails = (f->mode == CALL_FAILS || f->mode == CALL_FULL) && f->calls == f->at;
	if (f->mode == DISK_STAYS_FULL && call == SHIM_WRITE)
		fails = f->calls >= f->at && f->calls < f->at + FULL_FOR;
	f->hits += fails;
	return fails;
}

static int64_t now_s(void *ctx)
{
	(void)ctx;
	static int64_t now = 1000000000;
	return ++now;
}

/* Codes that a failing or a full disk may give. */
static bool is_clear(enum store_err err)
{
	return err == STORE_IO || err == STORE_FULL;
}

static bool open_again(struct workload *w, struct fault *f)
{
	enum store_err err = w->account ? account_reopen(&w->account) : workload_open(w);
	for (int i = 0; err && i < TRIES + FULL_FOR; i++) {
		if (!is_clear(err) || f->hits == 0) {
			fprintf(stderr, "opening: %d\n", err);
			return false;
		}
		err = workload_open(w);
	}
	return err == STORE_OK;
}

static int match(struct workload *w, struct fault *f, unsigned least, unsigned most)
{
	f->paused = true;
	int state = workload_match(w, least, most);
	if (state >= 0 && !workload_check(w))
		state = -1;
	f->paused = false;
	return state;
}

/* The step failed: which state is the store in?  -1: one that it must not be in. */
static int settle(struct workload *w, struct fault *f, unsigned step, enum store_err err, bool commit)
{
	if (!is_clear(err) || f->hits == 0) {
		fprintf(stderr, "%s: error %d\n", workload_step_name(step), err);
		return -1;
	}
	/* After a full disk an op was undone and the account goes on, as far as it says so. */
	const struct account_touched *touched;
	size_t n;
	bool goes_on = err == STORE_FULL && !commit && w->account && account_commit(w->account, &touched, &n) == STORE_OK &&
		       !w->account->db.broken;
	if (!goes_on && !open_again(w, f))
		return -1;
	return match(w, f, step, commit ? step + 1 : step);
}

static bool run(struct workload *w, struct fault *f)
{
	if (!open_again(w, f))
		return false;
	unsigned failures = 0;
	for (unsigned i = 0; i < workload_steps();) {
		bool commit;
		enum store_err err = workload_run(w, i, &commit);
		if (!err) {
			i++;
			continue;
		}
		int state = settle(w, f, i, err, commit);
		if (state < 0 || ++failures > TRIES + FULL_FOR)
			return false;
		i = (unsigned)state;
	}
	return match(w, f, workload_steps(), workload_steps()) >= 0;
}

/* The schema makes the database where the calls are counted, else an image is what it begins as.
 * 1: something failed and all was well; 0: there is no such call; -1: not well. */
static int try(enum mode mode, unsigned at, const struct db_image *image)
{
	struct scratch_dir dir;
	struct fault fault = {.mode = mode, .at = at};
	scratch_dir_create(&dir);
	struct store_env env = {.now_s = now_s, .point = on_point, .ctx = &fault, .boot_id = 7, .wal_bytes_max = 300000,
				.vfs = SHIM_NAME, .account_image = mode == CALL_FAILS ? NULL : image};
	struct workload w = {.env = &env, .dir = dir.path};
	shim_start(on_call, &fault);
	bool ok = run(&w, &fault);
	workload_close(&w);
	if (ok) {
		/* What a failing close left can be opened. */
		ok = open_again(&w, &fault) && match(&w, &fault, workload_steps(), workload_steps()) >= 0;
		workload_close(&w);
	}
	shim_stop();
	scratch_dir_destroy(&dir);
	if (!ok)
		fprintf(stderr, "FAILED: FAULT_AT=%u:%d\n", at, mode);
	return ok ? fault.hits > 0 : -1;
}

int main(void)
{
	const char *one = getenv("FAULT_AT"), *stride = getenv("FAULT_STRIDE"), *colon = one ? strchr(one, ':') : NULL;
	unsigned step = stride ? (unsigned)atol(stride) : STRIDE, done = 0, failed = 0;
	struct db_image image;
	if (account_image_make(&image) != STORE_OK)
		return 1;
	if (colon) {
		failed = try((enum mode)atol(colon + 1), (unsigned)atol(one), &image) < 0;
		db_image_finish(&image);
		return (int)failed;
	}
	for (enum mode mode = 0; mode < MODES; mode++) {
		for (unsigned at = 1 + (unsigned)mode;; at += step ? step : 1) {
			int result = try(mode, at, &image);
			if (result == 0)
				break;
			failed += result < 0;
			done++;
		}
	}
	db_image_finish(&image);
	printf("%u failing calls, %u failures\n", done, failed);
	return failed || !done ? 1 : 0;
}
