#include "server/accounts_private.h"

#include "protocol/base.h"
#include "server/config.h"
#include "server/converting.h"
#include "server/expirer.h"
#include "server/crash.h"
#include "server/crash_point.h"
#include "server/lane.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/warner.h"
#include "server/worker.h"
#include "storage/purge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

enum { WEIGH_MS = 1000, ACCOUNT_DESCRIPTORS = 6, ACCOUNTS_OPEN_MIN = 8, BATCH = 64, PURGE_FILES = 100 };

const char *accounts_error_name(enum store_err err)
{
	switch (err) {
	case STORE_OK: return "ok";
	case STORE_NOTFOUND: return "not found";
	case STORE_EXISTS: return "exists";
	case STORE_CANNOT: return "cannot";
	case STORE_HASCHILDREN: return "has children";
	case STORE_LIMIT: return "limit";
	case STORE_OVERQUOTA: return "over quota";
	case STORE_FULL: return "full";
	case STORE_BUSY: return "busy";
	case STORE_CORRUPT: return "corrupt";
	case STORE_FOREIGN: return "foreign";
	case STORE_IO: return "i/o";
	}
	return "unknown";
}

void accounts_log_error(const struct op *op, enum store_err err)
{
	if (err == STORE_IO || err == STORE_CORRUPT || err == STORE_FOREIGN)
		log_event(LOG_ERROR, "answered_error", log_text("user", op->login ? op->login : ""),
			  log_text("account", op->lane ? op->lane->id : ""), log_text("op", op->kind),
			  log_text("error", accounts_error_name(err)));
}

static int64_t now_s(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

/* Differs between boots of the machine; 0 where the system does not tell. */
static uint64_t read_boot_id(void)
{
	char text[64];
	uint64_t id = 0;
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
	if (!f)
		return 0;
	size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		id = (id ^ (unsigned char)text[i]) * 0x100000001b3u;
	return id;
}

static void on_open_failed(void *ctx, const char *path, const char *fault)
{
	(void)ctx;
	log_event(LOG_ERROR, "open_failed", log_text("path", path), log_text("fault", fault), log_text("version", ROOST_VERSION));
}

static void on_search_dropped(void *ctx, const char *dir, const char *why)
{
	(void)ctx;
	log_event(LOG_WARNING, "index_dropped", log_text("path", dir), log_text("why", why));
}

static struct lane *make_lane(struct accounts *accounts, const char *id)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));
	lane_init(lane, accounts, accounts->workers, accounts->loops, id);
	return lane;
}

struct lane *accounts_acquire(struct accounts *accounts, const char *account_id)
{
	struct lane *lane;
	uv_mutex_lock(&accounts->mutex);
	HASH_FIND_STR(accounts->lanes, account_id, lane);
	if (!lane) {
		lane = make_lane(accounts, account_id);
		HASH_ADD_STR(accounts->lanes, id, lane);
	}
	lane->references++;
	uv_mutex_unlock(&accounts->mutex);
	return lane;
}

struct lane *accounts_hold(struct lane *lane)
{
	uv_mutex_lock(&lane->accounts->mutex);
	invariant(lane->references > 0);
	lane->references++;
	uv_mutex_unlock(&lane->accounts->mutex);
	return lane;
}

void accounts_release(struct lane *lane)
{
	if (!lane)
		return;
	struct accounts *accounts = lane->accounts;
	uv_mutex_lock(&accounts->mutex);
	invariant(lane->references > 0);
	lane->references--;
	uv_mutex_unlock(&accounts->mutex);
}

int64_t accounts_retention_s(const struct lane *lane)
{
	return lane->settings.now.value[SETTING_RETENTION_DAYS] * 24 * 3600;
}

struct warner *accounts_warner(const struct lane *lane)
{
	return lane->accounts->warner;
}

struct tally *accounts_tally(struct accounts *accounts)
{
	return accounts->tally;
}

struct settings *accounts_settings(struct accounts *accounts)
{
	return accounts->settings;
}

void accounts_expire_rules(const struct lane *lane, struct expire_rules *out)
{
	const int64_t *value = lane->settings.now.value;
	*out = (struct expire_rules){(int)value[SETTING_TRASH_DAYS], (int)value[SETTING_JUNK_DAYS]};
}

struct converting *accounts_converting(const struct lane *lane)
{
	return lane->accounts->converting;
}

bool accounts_index(const struct lane *lane)
{
	return lane->accounts->fulltext;
}

struct lane *accounts_directory(struct accounts *accounts)
{
	return accounts->directory;
}

static enum store_err open_directory(struct accounts *accounts, bool read_only, struct directory **out)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/directory.db", accounts->store);
	return read_only ? directory_open_reader(&accounts->env, path, out) : directory_open(&accounts->env, path, out);
}

enum store_err accounts_read_directory(struct accounts *accounts, struct directory **out)
{
	return open_directory(accounts, true, out);
}

size_t accounts_count(struct accounts *accounts, enum accounts_what what)
{
	uv_mutex_lock(&accounts->mutex);
	size_t n = 0;
	switch (what) {
	case ACCOUNTS_KNOWN:
		n = HASH_COUNT(accounts->lanes);
		break;
	case ACCOUNTS_OPEN:
		n = accounts->open_n;
		break;
	case ACCOUNTS_BYTES:
		n = accounts->bytes;
		break;
	case ACCOUNTS_SYNCS:
		n = (size_t)atomic_load_explicit(&accounts->syncs, memory_order_relaxed);
		break;
	}
	uv_mutex_unlock(&accounts->mutex);
	return n;
}

/* --- The budget. --- */

/* Called with the mutex held: lanes whose account is to be closed, each with a reference taken. */
static size_t choose_victims(struct accounts *accounts, struct lane **out, size_t max)
{
	size_t n = 0, open = accounts->open_n, bytes = accounts->bytes;
	for (struct lane *lane = accounts->open; lane && n < max; lane = lane->open_next) {
		if (open <= accounts->open_max && bytes <= LIMIT_ACCOUNTS_BYTES)
			break;
		open--;
		bytes -= lane->bytes;
		lane->references++;
		out[n++] = lane;
	}
	return n;
}

void accounts_request_all(struct lane **lanes, size_t n, enum lane_chore chore)
{
	for (size_t i = 0; i < n; i++) {
		lane_request(lanes[i], chore);
		accounts_release(lanes[i]);
	}
}

static void keep_budget(struct accounts *accounts)
{
	struct lane *victims[BATCH];
	uv_mutex_lock(&accounts->mutex);
	size_t n = choose_victims(accounts, victims, BATCH);
	uv_mutex_unlock(&accounts->mutex);
	accounts_request_all(victims, n, CHORE_CLOSE);
}

/* Called with the mutex held. */
static void remove_open(struct accounts *accounts, struct lane *lane)
{
	DL_DELETE2(accounts->open, lane, open_prev, open_next);
	accounts->open_n--;
	accounts->bytes -= lane->bytes;
	lane->bytes = 0;
	lane->is_open = false;
}

static void note_open(struct lane *lane)
{
	struct accounts *accounts = lane->accounts;
	uv_mutex_lock(&accounts->mutex);
	invariant(!lane->is_open);
	lane->is_open = true;
	lane->is_idle = false;
	lane->used_ms = accounts_now_ms();
	DL_APPEND2(accounts->open, lane, open_prev, open_next);
	accounts->open_n++;
	bool over = accounts->open_n > accounts->open_max;
	uv_mutex_unlock(&accounts->mutex);
	if (over)
		keep_budget(accounts);
}

static void note_closed(struct lane *lane)
{
	uv_mutex_lock(&lane->accounts->mutex);
	if (lane->is_open)
		remove_open(lane->accounts, lane);
	uv_mutex_unlock(&lane->accounts->mutex);
}

/* Called with the mutex held. */
static void note_behind(struct accounts *accounts, struct lane *lane)
{
	if (lane->is_behind || !tally_is_behind(&lane->member))
		return;
	lane->is_behind = true;
	DL_APPEND2(accounts->behind, lane, behind_prev, behind_next);
}

void accounts_used(struct lane *lane)
{
	struct accounts *accounts = lane->accounts;
	uint64_t now = accounts_now_ms();
	bool weigh = now - lane->weighed_ms >= WEIGH_MS;
	size_t bytes = weigh ? account_bytes(lane->account) : lane->bytes; /* only this worker changes it */
	if (weigh)
		lane->weighed_ms = now;
	uv_mutex_lock(&accounts->mutex);
	DL_DELETE2(accounts->open, lane, open_prev, open_next);
	DL_APPEND2(accounts->open, lane, open_prev, open_next);
	lane->used_ms = now;
	lane->is_idle = false;
	note_behind(accounts, lane);
	accounts->bytes += bytes - lane->bytes;
	lane->bytes = bytes;
	bool over = accounts->bytes > LIMIT_ACCOUNTS_BYTES && accounts->open_n > 1;
	uv_mutex_unlock(&accounts->mutex);
	if (over)
		keep_budget(accounts);
}

int accounts_open_unnamed(struct accounts *accounts)
{
	int fd = open(accounts->store, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	/* A file system without such files: one that loses its name at once. */
	char path[4096];
	snprintf(path, sizeof(path), "%s/unnamed-XXXXXX", accounts->store);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

void accounts_mend_directory(struct lane *lane)
{
	if (!directory_is_broken(lane->directory))
		return;
	struct directory *fresh;
	log_event(LOG_ERROR, "directory_failed", log_text("fault", directory_fault(lane->directory)));
	enum store_err err = open_directory(lane->accounts, false, &fresh);
	if (err) {
		log_event(LOG_ERROR, "directory_reopen_failed", log_text("error", accounts_error_name(err)));
		return;
	}
	directory_close(lane->directory);
	lane->directory = fresh;
}

int64_t accounts_changed_s(struct accounts *accounts, const char *account_id)
{
	static const char *const files[] = {"index.db", "index.db-wal"};
	int64_t latest = 0;
	for (size_t i = 0; i < countof(files); i++) {
		char path[4096];
		struct stat st;
		snprintf(path, sizeof(path), "%s/accounts/%s/%s", accounts->store, account_id, files[i]);
		if (stat(path, &st) == 0 && st.st_mtime > latest)
			latest = st.st_mtime;
	}
	return latest;
}

bool accounts_is_held(const struct lane *lane)
{
	return held_has(lane->accounts->held, lane->id, time(NULL));
}

enum store_err accounts_open(struct lane *lane)
{
	struct accounts *accounts = lane->accounts;
	struct settings_owner owner;
	if (settings_refresh(accounts->settings, lane->id, &lane->settings, &owner))
		tally_enter(accounts->tally, &lane->member, owner.domain, owner.recorded);
	if (lane->account)
		return STORE_OK;
	if (lane->is_gone)
		return STORE_NOTFOUND;
	if (accounts_is_held(lane))
		return STORE_BUSY;
	char path[4096];
	snprintf(path, sizeof(path), "%s/accounts/%s", accounts->store, lane->id);
	enum store_err err = account_open(&accounts->env, path, true, &lane->account);
	if (!err)
		note_open(lane);
	return err;
}

enum store_err accounts_purge(struct lane *lane, bool *more)
{
	struct accounts *accounts = lane->accounts;
	char path[4096];
	invariant(!lane->account && *lane->id);
	lane->is_gone = true;
	snprintf(path, sizeof(path), "%s/accounts/%s", accounts->store, lane->id);
	return account_purge(&accounts->env, path, PURGE_FILES, more);
}

enum store_err accounts_reopen(struct lane *lane)
{
	enum store_err err = account_reopen(&lane->account);
	if (!lane->account)
		note_closed(lane);
	return err;
}

void accounts_close(struct lane *lane)
{
	if (!lane->account)
		return;
	note_closed(lane);
	account_close(lane->account);
	lane->account = NULL;
}

/* A quarter of the descriptors; the connections have half. */
static size_t open_max(void)
{
	struct rlimit files;
	size_t max = getrlimit(RLIMIT_NOFILE, &files) == 0 ? (size_t)files.rlim_cur / 4 / ACCOUNT_DESCRIPTORS : 0;
	if (max > LIMIT_ACCOUNTS_OPEN)
		max = LIMIT_ACCOUNTS_OPEN;
	return max > ACCOUNTS_OPEN_MIN ? max : ACCOUNTS_OPEN_MIN;
}

void accounts_stop(struct accounts *accounts)
{
	if (!accounts || !accounts->has_looker)
		return;
	converting_stop(accounts->converting);
	uv_mutex_lock(&accounts->mutex);
	accounts->stopping = true;
	uv_cond_signal(&accounts->look);
	uv_mutex_unlock(&accounts->mutex);
	pthread_join(accounts->looker, NULL);
	accounts->has_looker = false;
	uv_mutex_lock(&accounts->mutex);
	for (struct lane *lane = accounts->open; lane; lane = lane->open_next)
		lane_request(lane, CHORE_CLOSE);
	uv_mutex_unlock(&accounts->mutex);
}

void accounts_crashes_path(const struct config *config, char *out, size_t size)
{
	snprintf(out, size, "%s/crashes", config->store);
}

static bool make_directories(const char *store)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/accounts", store);
	if ((mkdir(store, 0700) == 0 || errno == EEXIST) && (mkdir(path, 0700) == 0 || errno == EEXIST))
		return true;
	log_event(LOG_ERROR, "store_failed", log_text("path", path), log_text("error", strerror(errno)));
	return false;
}

static int on_point(void *ctx, enum store_point point)
{
	struct crash_point *crash_point = ctx;
	struct accounts *accounts = container_of(crash_point, struct accounts, crash_point);
	const char *name = store_point_name(point);
	size_t len = strlen(name);
	if (len > 5 && strcmp(name + len - 5, "-sync") == 0)
		atomic_fetch_add_explicit(&accounts->syncs, 1, memory_order_relaxed);
	return crash_point_pass(ctx, point);
}

static bool has_room(void *ctx, uint64_t bytes)
{
	return room_has(&container_of((struct crash_point *)ctx, struct accounts, crash_point)->room, bytes);
}

bool accounts_disk_is_full(const struct lane *lane)
{
	return room_is_gone(&lane->accounts->room);
}

struct accounts *accounts_create(const struct config *config, struct workers *workers, struct loop *loops)
{
	struct accounts *accounts = xcalloc(1, sizeof(*accounts));
	db_start();
	accounts->store = config->store;
	room_init(&accounts->room, config->store);
	accounts->fulltext = config->fulltext;
	accounts->workers = workers;
	accounts->loops = loops;
	const char *crash_at = getenv("ROOST_CRASH_POINT");
	if (!crash_point_init(&accounts->crash_point, crash_at)) {
		free(accounts);
		return NULL;
	}
	accounts->env = (struct store_env){.now_s = now_s, .open_failed = on_open_failed,
					    .search_dropped = on_search_dropped, .has_room = has_room,
					    .point = on_point, .ctx = &accounts->crash_point,
					    .fsync_always = config->fsync == FSYNC_ALWAYS, .boot_id = read_boot_id()};
	if (account_image_make(&accounts->image) == STORE_OK)
		accounts->env.account_image = &accounts->image;
	accounts->open_max = open_max();
	invariant(uv_mutex_init(&accounts->mutex) == 0 && uv_cond_init(&accounts->look) == 0);
	char crashes[4096];
	accounts_crashes_path(config, crashes, sizeof(crashes));
	accounts->held = held_open(crashes, time(NULL));
	if (!make_directories(config->store)) {
		accounts_destroy(accounts);
		return NULL;
	}
	accounts->directory = make_lane(accounts, "directory");
	accounts->directory->references = 1; /* ours */
	struct directory *reader = NULL;
	enum store_err err = open_directory(accounts, false, &accounts->directory->directory);
	if (!err)
		err = open_directory(accounts, true, &reader);
	if (err) {
		log_event(LOG_ERROR, "store_failed", log_text("path", config->store), log_text("file", "directory.db"),
			  log_text("error", accounts_error_name(err)));
		accounts_destroy(accounts);
		return NULL;
	}
	accounts->settings = settings_create(config, reader);
	accounts->warner = warner_create(config);
	accounts->converting = converting_create(config, accounts);
	accounts->tally = tally_create(reader);
	if (!accounts->tally) {
		log_event(LOG_ERROR, "store_failed", log_text("path", config->store), log_text("fault", directory_fault(reader)));
		accounts_destroy(accounts);
		return NULL;
	}
	invariant(pthread_create(&accounts->looker, NULL, accounts_look_around, accounts) == 0);
	pthread_setname_np(accounts->looker, "accounts");
	accounts->has_looker = true;
	return accounts;
}

static void destroy_lane(struct lane *lane)
{
	accounts_close(lane);
	directory_close(lane->directory);
	lane_finish(lane);
	free(lane);
}

void accounts_destroy(struct accounts *accounts)
{
	if (!accounts)
		return;
	struct lane *lane, *next;
	converting_destroy(accounts->converting);
	accounts_record_all(accounts);
	HASH_ITER(hh, accounts->lanes, lane, next) {
		HASH_DEL(accounts->lanes, lane);
		destroy_lane(lane);
	}
	warner_destroy(accounts->warner);
	tally_destroy(accounts->tally);
	settings_destroy(accounts->settings); /* before the writer, who as the last one leaves no log */
	if (accounts->directory)
		destroy_lane(accounts->directory);
	db_image_finish(&accounts->image);
	held_close(accounts->held);
	uv_cond_destroy(&accounts->look);
	uv_mutex_destroy(&accounts->mutex);
	free(accounts);
}
