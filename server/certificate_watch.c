#include "server/certificate_watch.h"

#include "server/limits.h"
#include "server/log.h"

#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

/* One directory.  What is watched is an inode: when another takes its name, it is watched anew. */
struct watched {
	uv_fs_event_t event;
	UT_hash_handle hh; /* by path */
	struct certificate_watch *all;
	dev_t device;
	ino_t inode;
	bool wanted;
	char path[];
};

struct certificate_watch {
	uv_loop_t *loop;
	struct certificates *certificates;
	void (*also)(void *ctx);
	void *ctx;
	struct watched *directories;
	uv_timer_t quiet, rescan;
	uint64_t first_ms; /* the first event that is not looked at yet; 0: there is none */
	uv_work_t scan;
	bool scanning, scanned_well, stopping, failed_logged;
	unsigned handles; /* not closed yet, and the scan */
};

static void let_go(struct certificate_watch *w)
{
	if (--w->handles == 0)
		free(w);
}

static void on_timer_closed(uv_handle_t *timer)
{
	let_go(timer->data);
}

static void on_watched_closed(uv_handle_t *event)
{
	struct watched *d = container_of(event, struct watched, event);
	struct certificate_watch *w = d->all;
	free(d);
	let_go(w);
}

static void start_scan(struct certificate_watch *w);

static void on_quiet(uv_timer_t *timer)
{
	start_scan(timer->data);
}

/* Files come in pairs and in pieces: it is looked at them when nothing more comes, but not for ever later. */
static void note_change(struct certificate_watch *w)
{
	uint64_t now_ms = uv_now(w->loop);
	if (!w->first_ms)
		w->first_ms = now_ms;
	if (w->scanning || w->stopping)
		return;
	uint64_t waited_ms = now_ms - w->first_ms;
	uint64_t left_ms = waited_ms < LIMIT_CERTIFICATE_WAIT_MS ? LIMIT_CERTIFICATE_WAIT_MS - waited_ms : 0;
	uv_timer_start(&w->quiet, on_quiet, left_ms < LIMIT_CERTIFICATE_QUIET_MS ? left_ms : LIMIT_CERTIFICATE_QUIET_MS, 0);
}

static void on_directory_changed(uv_fs_event_t *event, const char *name, int events, int status)
{
	(void)name, (void)events, (void)status;
	note_change(((struct watched *)event->data)->all);
}

static void unwatch(struct certificate_watch *w, struct watched *d)
{
	HASH_DEL(w->directories, d);
	uv_close((uv_handle_t *)&d->event, on_watched_closed);
}

static bool watch_directory(struct certificate_watch *w, const char *path, const struct stat *st)
{
	size_t len = strlen(path) + 1;
	struct watched *d = xcalloc(1, sizeof(*d) + len);
	memcpy(d->path, path, len);
	d->all = w;
	d->device = st->st_dev;
	d->inode = st->st_ino;
	d->wanted = true;
	uv_fs_event_init(w->loop, &d->event);
	d->event.data = d;
	w->handles++;
	HASH_ADD_STR(w->directories, path, d);
	int rc = uv_fs_event_start(&d->event, on_directory_changed, path, 0);
	if (rc == 0)
		return true;
	if (!w->failed_logged)
		log_event(LOG_WARNING, "certificate_watch_failed", log_text("directory", path), log_text("reason", uv_strerror(rc)),
			  log_number("looked_at_every_s", LIMIT_CERTIFICATE_RESCAN_S));
	w->failed_logged = true;
	unwatch(w, d);
	return false;
}

/* Brings what is watched in line with what was scanned.  True: something is watched that was not, so that what happened
 * there meanwhile may have been missed. */
static bool watch_all(struct certificate_watch *w)
{
	bool any_new = false;
	struct watched *d, *next;
	for (d = w->directories; d; d = d->hh.next)
		d->wanted = false;
	const char *path;
	for (size_t i = 0; (path = certificates_directory_at(w->certificates, i)); i++) {
		struct stat st;
		HASH_FIND_STR(w->directories, path, d);
		if (stat(path, &st) != 0)
			continue;
		if (d && d->device == st.st_dev && d->inode == st.st_ino) {
			d->wanted = true;
			continue;
		}
		if (d)
			unwatch(w, d);
		any_new |= watch_directory(w, path, &st);
	}
	HASH_ITER(hh, w->directories, d, next)
		if (!d->wanted)
			unwatch(w, d);
	return any_new;
}

static void run_scan(uv_work_t *work)
{
	struct certificate_watch *w = work->data;
	w->scanned_well = certificates_scan(w->certificates); /* it logs what is wrong, and what was served goes on */
	if (w->also)
		w->also(w->ctx);
}

static void on_scan_done(uv_work_t *work, int status)
{
	struct certificate_watch *w = work->data;
	(void)status;
	w->scanning = false;
	if (!w->stopping && (watch_all(w) || w->first_ms))
		note_change(w);
	let_go(w);
}

static void start_scan(struct certificate_watch *w)
{
	if (w->scanning || w->stopping)
		return;
	uv_timer_stop(&w->quiet);
	w->first_ms = 0;
	w->scanning = true;
	w->handles++;
	w->scan.data = w;
	invariant(uv_queue_work(w->loop, &w->scan, run_scan, on_scan_done) == 0);
}

static void on_rescan(uv_timer_t *timer)
{
	start_scan(timer->data);
}

struct certificate_watch *certificate_watch_start(uv_loop_t *loop, struct certificates *certificates, void (*also)(void *ctx), void *ctx)
{
	struct certificate_watch *w = xcalloc(1, sizeof(*w));
	w->loop = loop;
	w->certificates = certificates;
	w->also = also;
	w->ctx = ctx;
	w->handles = 2;
	uv_timer_init(loop, &w->quiet);
	uv_timer_init(loop, &w->rescan);
	w->quiet.data = w->rescan.data = w;
	uv_timer_start(&w->rescan, on_rescan, LIMIT_CERTIFICATE_RESCAN_S * 1000, LIMIT_CERTIFICATE_RESCAN_S * 1000);
	watch_all(w);
	start_scan(w); /* for what happened between the first scan and now */
	return w;
}

void certificate_watch_look(struct certificate_watch *w)
{
	note_change(w);
}

void certificate_watch_stop(struct certificate_watch *w)
{
	if (!w)
		return;
	struct watched *d, *next;
	w->stopping = true;
	HASH_ITER(hh, w->directories, d, next)
		unwatch(w, d);
	uv_close((uv_handle_t *)&w->quiet, on_timer_closed);
	uv_close((uv_handle_t *)&w->rescan, on_timer_closed);
}
