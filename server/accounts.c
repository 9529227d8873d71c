#include "server/accounts.h"

#include "protocol/base.h"
#include "server/config.h"
#include "server/lane.h"
#include "server/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct accounts {
	uv_mutex_t mutex;
	struct lane *lanes; /* by id */
	struct lane *directory;
	struct workers *workers;
	struct loop *loops;
	const char *store;
	struct store_env env;
};

const char *accounts_error_name(enum store_err err)
{
	switch (err) {
	case STORE_OK: return "ok";
	case STORE_NOTFOUND: return "not found";
	case STORE_EXISTS: return "exists";
	case STORE_CANNOT: return "cannot";
	case STORE_HASCHILDREN: return "has children";
	case STORE_LIMIT: return "limit";
	case STORE_FULL: return "full";
	case STORE_BUSY: return "busy";
	case STORE_CORRUPT: return "corrupt";
	case STORE_FOREIGN: return "foreign";
	case STORE_IO: return "i/o";
	}
	return "unknown";
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

static void on_open_failed(void *ctx, const char *dir, const char *fault)
{
	(void)ctx;
	log_event(LOG_ERROR, "account_open_failed", log_text("path", dir), log_text("fault", fault));
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

enum store_err accounts_open(struct lane *lane)
{
	if (lane->account)
		return STORE_OK;
	char path[4096];
	snprintf(path, sizeof(path), "%s/accounts/%s", lane->accounts->store, lane->id);
	return account_open(&lane->accounts->env, path, true, &lane->account);
}

enum store_err accounts_reopen(struct lane *lane)
{
	return account_reopen(&lane->account);
}

void accounts_close(struct lane *lane)
{
	account_close(lane->account);
	lane->account = NULL;
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

struct accounts *accounts_create(const struct config *config, struct workers *workers, struct loop *loops)
{
	struct accounts *accounts = xcalloc(1, sizeof(*accounts));
	db_start();
	accounts->store = config->store;
	accounts->workers = workers;
	accounts->loops = loops;
	accounts->env = (struct store_env){.now_s = now_s, .open_failed = on_open_failed,
					    .fsync_always = config->fsync == FSYNC_ALWAYS, .boot_id = read_boot_id()};
	invariant(uv_mutex_init(&accounts->mutex) == 0);
	if (!make_directories(config->store)) {
		accounts_destroy(accounts);
		return NULL;
	}
	accounts->directory = make_lane(accounts, "directory");
	enum store_err err = open_directory(accounts, false, &accounts->directory->directory);
	if (err) {
		log_event(LOG_ERROR, "store_failed", log_text("path", config->store), log_text("file", "directory.db"),
			  log_text("error", accounts_error_name(err)));
		accounts_destroy(accounts);
		return NULL;
	}
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
	HASH_ITER(hh, accounts->lanes, lane, next) {
		HASH_DEL(accounts->lanes, lane);
		destroy_lane(lane);
	}
	if (accounts->directory)
		destroy_lane(accounts->directory);
	uv_mutex_destroy(&accounts->mutex);
	free(accounts);
}
