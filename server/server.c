/* Start and stop: configuration, TLS, lanes, loops, listeners; signals end it.  The main loop only accepts. */
#include "server/server.h"

#include "protocol/base.h"
#include "server/abuse.h"
#include "server/auth_pool.h"
#include "server/certificate_watch.h"
#include "server/conn.h"
#include "server/crash.h"
#include "server/domain_counts.h"
#include "server/limits.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/metrics_http.h"
#include "server/peers.h"
#include "server/reload.h"
#include "server/sasl.h"
#include "server/sessions.h"
#include "server/store_lock.h"
#include "server/supervisor.h"
#include "server/tls.h"
#include "server/trouble.h"
#include "server/upkeep.h"
#include "server/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct conn_user *const users[] = {[PROTOCOL_IMAP] = &session_user,
						[PROTOCOL_IMAPS] = &session_user,
						[PROTOCOL_LMTP] = &lmtp_user,
						[PROTOCOL_ADMIN] = &admin_user};

/* False: the directory cannot be read. */
static bool make_domains(struct server *s)
{
	struct directory *d;
	if (!s->config.metrics_domains)
		return true;
	enum store_err err = accounts_read_directory(s->accounts, &d);
	if (err) {
		log_event(LOG_ERROR, "directory_failed", log_text("error", accounts_error_name(err)));
		return false;
	}
	s->domains = domain_table_create(d);
	if (!s->domains)
		log_event(LOG_ERROR, "directory_failed", log_text("fault", directory_fault(d)));
	directory_close(d);
	return s->domains;
}

static struct auth_pool *make_auth(struct server *s)
{
	const struct config *c = &s->config;
	struct auth_pool_config config = {.config = c,
					  .accounts = s->accounts,
					  .abuse = s->abuse,
					  .hostname = c->hostname,
					  .threads = c->auth_threads,
					  .queue_max = (size_t)c->auth_queue_max,
					  .cost = {c->password_cost, c->scram_iterations},
					  .failure_delay_ms = (unsigned)c->login_delay_ms,
					  .failures_max = (unsigned)c->login_failures_max};
	return auth_pool_create(&config);
}

/* Half of the descriptors are the connections', the rest the accounts' and our own. */
static size_t connections_max(void)
{
	struct rlimit files;
	size_t half = getrlimit(RLIMIT_NOFILE, &files) == 0 ? (size_t)files.rlim_cur / 2 : 512;
	return half < LIMIT_CONNECTIONS ? half : LIMIT_CONNECTIONS;
}

struct server *server_open(const struct config *config)
{
	struct server *s = xcalloc(1, sizeof(*s));
	s->config = *config;
	s->admin_listen = (struct listen_config){.protocol = PROTOCOL_ADMIN, .path = config->admin_socket};
	s->users = users;
	invariant(uv_mutex_init(&s->reloading) == 0);
	s->peers = peers_create(&(struct peers_limits){.all = connections_max(),
						       .address = LIMIT_CONNECTIONS_ADDRESS,
						       .strangers = LIMIT_CONNECTIONS_STRANGERS});
	s->sessions = sessions_create((size_t)config->user_sessions_max);
	s->abuse = abuse_create(&(struct abuse_limits){(unsigned)config->login_hold_failures, (uint64_t)config->login_hold_s});
	s->lock = store_lock_open(config->store);
	s->loops = xcalloc((size_t)config->loops, sizeof(*s->loops));
	if (config->certificates)
		s->tls = tls_open(config);
	if (s->lock >= 0 && (!config->certificates || s->tls))
		s->sasl = sasl_library_open(&s->config);
	if (s->sasl) {
		char crashes[4096];
		accounts_crashes_path(config, crashes, sizeof(crashes));
		s->crashes = crash_handlers_install(crashes);
		s->workers = workers_create(config->workers, s->crashes);
		s->accounts = accounts_create(&s->config, s->workers, s->loops);
		s->auth = s->accounts && make_domains(s) ? make_auth(s) : NULL;
	}
	if (!s->auth) {
		server_close(s);
		return NULL;
	}
	for (int i = 0; i < config->loops; i++)
		loop_start(&s->loops[i], (unsigned)i, s);
	s->is_running = true;
	return s;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	int running = s->is_running ? s->config.loops : 0;
	for (int i = 0; i < running; i++)
		loop_stop(&s->loops[i]);
	for (int i = 0; i < running; i++)
		loop_join(&s->loops[i]);
	if (s->is_running) {
		accounts_stop(s->accounts);
		workers_stop(s->workers);
		auth_pool_stop(s->auth);
	}
	for (int i = 0; i < running; i++)
		loop_finish(&s->loops[i]);
	auth_pool_destroy(s->auth);
	domain_table_destroy(s->domains);
	sasl_library_close(s->sasl);
	accounts_stop(s->accounts);
	workers_destroy(s->workers);
	accounts_destroy(s->accounts);
	crash_handlers_remove(s->crashes);
	tls_close(s->tls);
	sessions_destroy(s->sessions);
	abuse_destroy(s->abuse);
	peers_destroy(s->peers);
	supervisor_destroy(s->supervisor);
	uv_mutex_destroy(&s->reloading);
	free(s->loops);
	store_lock_close(s->lock);
	free(s);
}

/* The main loop: it accepts, and ends at a signal. */
struct main_loop {
	uv_loop_t uv;
	struct server *server;
	uv_signal_t signals[3];
	uv_async_t look;
	uv_timer_t keep; /* what is known, hourly */
	struct certificate_watch *certificates; /* NULL without TLS */
};

static void on_stop_signal(uv_signal_t *signal, int number)
{
	struct main_loop *m = signal->data;
	log_event(LOG_INFO, "stopping", log_number("signal", number));
	supervisor_stopping(m->server->supervisor);
	uv_stop(signal->loop);
}

bool server_reload(struct server *s, void (*each)(void *ctx, const char *option, bool taken), void *ctx)
{
	uv_mutex_lock(&s->reloading);
	supervisor_reloading(s->supervisor);
	bool ok = reload_run(s, each, ctx);
	if (s->look)
		uv_async_send(s->look);
	supervisor_reloaded(s->supervisor);
	uv_mutex_unlock(&s->reloading);
	return ok;
}

static void on_hangup_signal(uv_signal_t *signal, int number)
{
	struct main_loop *m = signal->data;
	(void)number;
	server_reload(m->server, NULL, NULL);
}

static void on_look(uv_async_t *look)
{
	struct main_loop *m = look->data;
	if (m->certificates)
		certificate_watch_look(m->certificates);
}

static const char *known_path(const struct server *s, char out[4096])
{
	snprintf(out, 4096, "%s/known", s->config.store);
	return out;
}

static void keep_known(struct server *s)
{
	char path[4096];
	if (!abuse_save(s->abuse, known_path(s, path), uv_hrtime() / 1000000000, time(NULL)))
		log_event(LOG_WARNING, "known_not_kept", log_text("path", path), log_text("error", strerror(errno)));
}

static void on_keep(uv_timer_t *timer)
{
	struct main_loop *m = timer->data;
	keep_known(m->server);
}

/* Where users are known outlasts a restart (abuse.h). */
static void start_keeping(struct main_loop *m)
{
	enum { HOUR_MS = 3600 * 1000 };
	char path[4096];
	abuse_load(m->server->abuse, known_path(m->server, path), uv_hrtime() / 1000000000, time(NULL));
	invariant(uv_timer_init(&m->uv, &m->keep) == 0);
	m->keep.data = m;
	uv_timer_start(&m->keep, on_keep, HOUR_MS, HOUR_MS);
	uv_unref((uv_handle_t *)&m->keep);
}

static void start_signals(struct main_loop *m)
{
	static const struct {
		int number;
		uv_signal_cb callback;
	} wanted[] = {{SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_hangup_signal}};
	for (size_t i = 0; i < countof(wanted); i++) {
		uv_signal_init(&m->uv, &m->signals[i]);
		m->signals[i].data = m;
		uv_signal_start(&m->signals[i], wanted[i].callback, wanted[i].number);
	}
}

static bool serve(struct server *s)
{
	struct main_loop m = {.server = s};
	invariant(uv_loop_init(&m.uv) == 0);
	invariant(uv_async_init(&m.uv, &m.look, on_look) == 0);
	m.look.data = &m;
	uv_unref((uv_handle_t *)&m.look); /* what keeps the loop turning are the listeners */
	s->look = &m.look;
	start_keeping(&m);
	s->supervisor = supervisor_open(s, &m.uv);
	struct metrics_http *metrics = *s->config.metrics ? metrics_http_open(s, s->config.metrics) : NULL;
	bool ok = metrics || !*s->config.metrics;
	struct listeners *listeners = ok ? listeners_open(s, &m.uv) : NULL;
	if (listeners) {
		start_signals(&m);
		if (s->tls)
			m.certificates = certificate_watch_start(&m.uv, tls_certificates(s->tls), tls_look_at_revocations, s->tls);
		listeners_start(listeners);
		log_event(LOG_INFO, "started", log_number("pid", getpid()), log_number("loops", s->config.loops),
			  log_number("workers", s->config.workers));
		printf("ready pid=%d\n", (int)getpid());
		fflush(stdout);
		supervisor_ready(s->supervisor);
		struct upkeep *upkeep = upkeep_start(s->accounts);
		uv_run(&m.uv, UV_RUN_DEFAULT);
		upkeep_stop(upkeep);
		listeners_close(listeners);
		certificate_watch_stop(m.certificates);
		for (size_t i = 0; i < countof(m.signals); i++)
			uv_close((uv_handle_t *)&m.signals[i], NULL);
	}
	metrics_http_close(metrics);
	uv_mutex_lock(&s->reloading);
	s->look = NULL;
	supervisor_close(s->supervisor);
	uv_mutex_unlock(&s->reloading);
	keep_known(s);
	uv_close((uv_handle_t *)&m.keep, NULL);
	uv_close((uv_handle_t *)&m.look, NULL);
	uv_run(&m.uv, UV_RUN_DEFAULT);
	listeners_destroy(listeners);
	invariant(uv_loop_close(&m.uv) == 0);
	return listeners != NULL;
}

static void prepare_process(void)
{
	struct rlimit files;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes (ulimit -f) is a full disk: EFBIG */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			log_event(LOG_WARNING, "descriptor_limit_kept", log_text("error", strerror(errno)));
	}
}

int server_run(const char *config_path)
{
	struct config config;
	struct server *s = NULL;
	prepare_process();
	bool ok = config_read(config_path, &config);
	if (ok && config.listens_n == 0) {
		trouble("%s: there is no listen section: nobody could connect", config_path);
		ok = false;
	}
	if (ok && !log_open(config.log)) {
		trouble("log = %s: %s", config.log, strerror(errno));
		ok = false;
	}
	if (ok) {
		log_set_level((enum log_level)config.log_level);
		s = server_open(&config);
	}
	if (s)
		s->config_path = config_path;
	ok = s && serve(s);
	server_close(s);
	config_finish(&config);
	if (ok)
		log_event(LOG_INFO, "stopped", log_number("pid", getpid()));
	return ok ? 0 : 1;
}
