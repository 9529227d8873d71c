#include "server/auth_pool.h"

#include "server/accounts.h"
#include "server/auth_saslauthd.h"
#include "server/config.h"
#include "server/log.h"
#include "storage/alias.h"

#include <openssl/crypto.h>

struct auth_pool {
	struct auth_pool_config config;
	struct auth_cache *cache;
	unsigned char key[DIRECTORY_KEY_BYTES];
	char nobody[CRYPT_GENSALT_OUTPUT_SIZE];
	uv_mutex_t mutex; /* guards what is below */
	uv_cond_t work;
	struct auth_job *queue, **queue_end;
	size_t queued;
	bool stopping;
	uv_thread_t *threads;
	struct auth_worker *workers;
	int threads_n;
};

static void deliver(struct letter *letter, struct loop *loop)
{
	struct auth_job *job = container_of(letter, struct auth_job, letter);
	(void)loop;
	job->done(job);
}

static struct auth_job *take(struct auth_pool *pool)
{
	uv_mutex_lock(&pool->mutex);
	while (!pool->queue && !pool->stopping)
		uv_cond_wait(&pool->work, &pool->mutex);
	struct auth_job *job = pool->queue;
	if (job) {
		pool->queue = job->next;
		if (!pool->queue)
			pool->queue_end = &pool->queue;
		pool->queued--;
	}
	uv_mutex_unlock(&pool->mutex);
	return job;
}

static void run(void *arg)
{
	struct auth_worker *worker = arg;
	for (struct auth_job *job; (job = take(worker->pool));) {
		worker->generation = auth_cache_generation(worker->pool->cache);
		directory_hold(worker->directory);
		job->run(job, worker);
		directory_let_go(worker->directory);
		job->letter.deliver = deliver;
		loop_post(job->loop, &job->letter);
	}
}

bool auth_pool_submit(struct auth_pool *pool, struct auth_job *job)
{
	job->next = NULL;
	uv_mutex_lock(&pool->mutex);
	bool room = pool->queued < pool->config.queue_max && !pool->stopping;
	if (room) {
		*pool->queue_end = job;
		pool->queue_end = &job->next;
		pool->queued++;
		uv_cond_signal(&pool->work);
	}
	uv_mutex_unlock(&pool->mutex);
	return room;
}

size_t auth_pool_waiting(struct auth_pool *pool)
{
	uv_mutex_lock(&pool->mutex);
	size_t n = pool->queued;
	uv_mutex_unlock(&pool->mutex);
	return n;
}

static bool start_worker(struct auth_pool *pool, struct auth_worker *worker)
{
	worker->pool = pool;
	worker->config = pool->config.config;
	worker->crypt = xcalloc(1, sizeof(*worker->crypt));
	enum store_err err = accounts_read_directory(pool->config.accounts, &worker->directory);
	if (!err)
		err = directory_key(worker->directory, pool->key);
	if (err) {
		log_event(LOG_ERROR, "directory_failed", log_text("error", accounts_error_name(err)));
		return false;
	}
	return true;
}

struct auth_pool *auth_pool_create(const struct auth_pool_config *config)
{
	struct auth_pool *pool = xcalloc(1, sizeof(*pool));
	pool->config = *config;
	pool->queue_end = &pool->queue;
	pool->cache = auth_cache_create();
	pool->threads = xcalloc((size_t)config->threads, sizeof(*pool->threads));
	pool->workers = xcalloc((size_t)config->threads, sizeof(*pool->workers));
	invariant(uv_mutex_init(&pool->mutex) == 0 && uv_cond_init(&pool->work) == 0);
	bool ok = password_make_nobody(&config->cost, pool->nobody, sizeof(pool->nobody));
	for (int i = 0; i < config->threads && ok; i++)
		ok = start_worker(pool, &pool->workers[i]);
	for (int i = 0; i < config->threads && ok; i++) {
		invariant(uv_thread_create(&pool->threads[i], run, &pool->workers[i]) == 0);
		pool->threads_n++;
	}
	if (!ok) {
		auth_pool_destroy(pool);
		return NULL;
	}
	return pool;
}

void auth_pool_stop(struct auth_pool *pool)
{
	uv_mutex_lock(&pool->mutex);
	pool->stopping = true;
	uv_cond_broadcast(&pool->work);
	uv_mutex_unlock(&pool->mutex);
	for (int i = 0; i < pool->threads_n; i++)
		uv_thread_join(&pool->threads[i]);
	pool->threads_n = 0;
}

void auth_pool_destroy(struct auth_pool *pool)
{
	if (!pool)
		return;
	auth_pool_stop(pool);
	for (int i = 0; i < pool->config.threads; i++) {
		directory_close(pool->workers[i].directory);
		free(pool->workers[i].crypt);
	}
	auth_cache_destroy(pool->cache);
	uv_cond_destroy(&pool->work);
	uv_mutex_destroy(&pool->mutex);
	free(pool->threads);
	free(pool->workers);
	free(pool);
}

const struct auth_pool_config *auth_pool_config(const struct auth_pool *pool)
{
	return &pool->config;
}

void auth_pool_forget(struct auth_pool *pool)
{
	auth_cache_forget(pool->cache);
}

static enum store_err find(struct auth_worker *worker, const char *address, struct directory_user *out)
{
	enum store_err err = directory_user_find(worker->directory, address, out);
	if (err && err != STORE_NOTFOUND)
		log_event(LOG_ERROR, "directory_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(worker->directory)));
	bool disabled = false;
	if (!err)
		err = directory_is_disabled(worker->directory, out->account, &disabled);
	if (disabled)
		log_event(LOG_INFO, "login_disabled", log_text("user", address));
	return disabled ? STORE_NOTFOUND : err; /* as if there were nobody of that name */
}

static enum auth_verdict ask_directory(struct auth_worker *worker, const char *address, const char *prepared,
				       char out_account[DIRECTORY_ACCOUNT_LEN + 1])
{
	struct directory_user user;
	enum store_err err = find(worker, address, &user);
	bool right = password_verify(prepared, err || !*user.secrets.hash ? worker->pool->nobody : user.secrets.hash, worker->crypt) && !err;
	if (right)
		memcpy(out_account, user.account, sizeof(user.account));
	return right ? AUTH_RIGHT : (err && err != STORE_NOTFOUND ? AUTH_UNKNOWN_YET : AUTH_WRONG);
}

static enum auth_verdict ask(struct auth_worker *worker, const char *address, const char *prepared,
			     char out_account[DIRECTORY_ACCOUNT_LEN + 1])
{
	const char *at = strrchr(address, '@');
	const struct auth_config *auth = at ? config_auth(worker->config, at + 1) : NULL;
	if (!auth || auth->backend != AUTH_BACKEND_SASLAUTHD)
		return ask_directory(worker, address, prepared, out_account);
	auth_worker_let_go(worker);
	enum auth_verdict verdict = auth_saslauthd_check(auth->socket, address, prepared, strlen(prepared));
	return verdict == AUTH_RIGHT ? auth_worker_account(worker, address, out_account) : verdict;
}

/* What is no app password of theirs may still be their own, and takes the time that takes. */
static enum store_err check_app(struct auth_worker *worker, const char *address, const char *prepared,
				const struct credential_use *use, char out_account[DIRECTORY_ACCOUNT_LEN + 1],
				struct credential *out_credential)
{
	struct directory_user user;
	enum store_err err = find(worker, address, &user);
	if (!err)
		err = credential_check(worker->directory, prepared, user.account, use, out_credential);
	if (!err)
		memcpy(out_account, user.account, sizeof(user.account));
	else if (err != STORE_NOTFOUND && err != STORE_CANNOT)
		log_event(LOG_ERROR, "directory_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(worker->directory)));
	return err;
}

enum auth_verdict auth_worker_check_app(struct auth_worker *worker, const char *address, const char *password, size_t len,
					const struct credential_use *use, char out_account[DIRECTORY_ACCOUNT_LEN + 1],
					struct credential *out_credential)
{
	char prepared[PASSWORD_MAX + 1];
	if (!credential_has_shape(password, len) || !password_prepare(password, len, prepared))
		return AUTH_WRONG;
	enum store_err err = check_app(worker, address, prepared, use, out_account, out_credential);
	OPENSSL_cleanse(prepared, sizeof(prepared));
	return !err ? AUTH_RIGHT : (err == STORE_CANNOT ? AUTH_EXPIRED : AUTH_WRONG);
}

enum auth_verdict auth_worker_check(struct auth_worker *worker, const char *address, const char *password, size_t len,
				    const struct credential_use *use, char out_account[DIRECTORY_ACCOUNT_LEN + 1],
				    struct credential *out_credential)
{
	struct auth_pool *pool = worker->pool;
	char prepared[PASSWORD_MAX + 1];
	*out_credential = (struct credential){.id = ""};
	enum auth_verdict verdict = auth_worker_check_app(worker, address, password, len, use, out_account, out_credential);
	if (verdict != AUTH_WRONG || !password_prepare(password, len, prepared))
		return verdict;
	uint64_t now_ms = uv_hrtime() / 1000000;
	if (auth_cache_has(pool->cache, address, prepared, now_ms, out_account)) {
		verdict = AUTH_RIGHT;
	} else {
		verdict = ask(worker, address, prepared, out_account);
		if (verdict == AUTH_RIGHT)
			auth_cache_add(pool->cache, worker->generation, address, prepared, out_account, now_ms);
	}
	OPENSSL_cleanse(prepared, sizeof(prepared));
	return verdict;
}

void auth_worker_let_go(struct auth_worker *worker)
{
	directory_let_go(worker->directory);
}

void auth_worker_resolve(struct auth_worker *worker, char address[ADDRESS_MAX + 1])
{
	char user[ADDRESS_MAX + 1];
	enum store_err err = alias_only_user(worker->directory, address, user);
	if (!err)
		memcpy(address, user, sizeof(user));
	else if (err != STORE_NOTFOUND) /* looking for the user will fail as well */
		log_event(LOG_ERROR, "directory_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(worker->directory)));
}

enum auth_verdict auth_worker_account(struct auth_worker *worker, const char *address,
				      char out_account[DIRECTORY_ACCOUNT_LEN + 1])
{
	struct directory_user user;
	enum store_err err = find(worker, address, &user);
	if (!err)
		memcpy(out_account, user.account, sizeof(user.account));
	return !err ? AUTH_RIGHT : (err == STORE_NOTFOUND ? AUTH_WRONG : AUTH_UNKNOWN_YET);
}

enum auth_verdict auth_worker_may_act(struct auth_worker *worker, const char *user, const char *target, bool *out_of_all)
{
	struct setting_values values = {.value = {[SETTING_MASTER] = 0}};
	char account[DIRECTORY_ACCOUNT_LEN + 1];
	const char *at = strrchr(target, '@');
	enum auth_verdict verdict = at ? auth_worker_account(worker, user, account) : AUTH_WRONG;
	if (verdict != AUTH_RIGHT)
		return verdict;
	enum store_err err = directory_settings_of(worker->directory, account, &values);
	if (err)
		return AUTH_UNKNOWN_YET;
	*out_of_all = values.value[SETTING_MASTER];
	bool may = *out_of_all ||
		   (values.value[SETTING_DOMAIN_MASTER] && strcmp(at + 1, address_domain(user)) == 0);
	return may ? AUTH_RIGHT : AUTH_WRONG;
}

bool auth_worker_capabilities_off(struct auth_worker *worker, const char *account, char out[SETTING_NAMES_MAX + 1])
{
	struct setting_values values = {.capabilities_off = ""};
	enum store_err err = directory_settings_of(worker->directory, account, &values);
	if (err)
		log_event(LOG_ERROR, "directory_failed", log_text("error", accounts_error_name(err)),
			  log_text("fault", directory_fault(worker->directory)));
	memcpy(out, values.capabilities_off, sizeof(values.capabilities_off));
	return !err;
}

enum auth_verdict auth_worker_secrets(struct auth_worker *worker, const char *address, struct directory_user *out)
{
	enum store_err err = find(worker, address, out);
	/* Who has none is, by SCRAM, as nobody: a hash alone is no secret of SCRAM's. */
	if (!err && (!*out->secrets.scram_sha1 || !*out->secrets.scram_sha256))
		err = STORE_NOTFOUND;
	if (err != STORE_NOTFOUND)
		return err ? AUTH_UNKNOWN_YET : AUTH_RIGHT;
	auth_worker_fake(worker, address, out);
	return AUTH_WRONG;
}

void auth_worker_fake(struct auth_worker *worker, const char *address, struct directory_user *out)
{
	*out = (struct directory_user){0};
	password_fake_scram(worker->pool->key, address, worker->pool->config.cost.scram_iterations, &out->secrets);
}
