#include "server/warner.h"

#include "protocol/lmtp/trace.h"
#include "server/accounts.h"
#include "server/config.h"
#include "server/intake.h"
#include "server/lane.h"
#include "server/log.h"
#include "server/quota.h"
#include "server/runner.h"
#include "server/settings.h"
#include "storage/append.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"

#include <inttypes.h>

enum { MESSAGE_MAX = 8192 };

static const char told_key[] = "quota_warned";

struct warner {
	const struct config *config;
	int percent[QUOTA_WARNINGS_MAX];
	struct runner *runner; /* NULL: a message tells */
};

struct warner *warner_create(const struct config *config)
{
	if (!config->quota_warnings || !*config->quota_warnings)
		return NULL;
	struct warner *w = xcalloc(1, sizeof(*w));
	w->config = config;
	invariant(quota_read_warnings(config->quota_warnings, w->percent)); /* the configuration was checked */
	if (*config->quota_command)
		w->runner = runner_create(config->quota_command);
	return w;
}

void warner_destroy(struct warner *w)
{
	if (!w)
		return;
	runner_destroy(w->runner);
	free(w);
}

/* One percentage come to, or left below. */
struct warning {
	struct op op;
	struct lane *lane; /* held */
	struct warner *warner;
	int percent; /* 0 for none */
	bool tells;  /* it was less before */
	const char *of; /* "storage", "messages" */
	uint64_t is, allowed;
	char address[ADDRESS_MAX + 1];
	struct intake *intake; /* the message */
	enum store_err err;
};

static void write_message(const struct warning *n, int64_t now_s, struct buf *out)
{
	const struct config *c = n->warner->config;
	bool storage = *n->of == 's';
	uint64_t unit = storage ? 1024 * 1024 : 1;
	buf_printf(out, "From: Mail server <postmaster@%s>\r\nTo: <%s>\r\nDate: ", c->hostname, n->address);
	trace_write_date(out, now_s);
	buf_printf(out, "\r\nSubject: Your mailbox is %d %% full\r\n", n->percent);
	buf_printf(out, "Message-ID: <quota.%d.%" PRId64 ".%s@%s>\r\n", n->percent, now_s, n->lane->id, c->hostname);
	/* RFC 3834 5: nothing answers it by itself. */
	buf_add_text(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
			  "Content-Transfer-Encoding: 8bit\r\n\r\n");
	buf_printf(out, "The mail of %s has come to %" PRIu64 "%s of the %" PRIu64 "%s that are allowed.\r\n\r\n", n->address,
		   n->is / unit, storage ? " MB" : " messages", n->allowed / unit, storage ? " MB" : " messages");
	buf_add_text(out, "When all of it is used, no mail can come in any more. To make room, delete what you do not need, the\r\n"
			  "largest messages first, and empty the mailbox for deleted mail.\r\n");
	if (strncmp(c->admin_contact, "mailto:", 7) == 0)
		buf_printf(out, "\r\nWho runs this server: %s\r\n", c->admin_contact + 7);
}

/* Outside a transaction, as the writing of all messages. */
static enum store_err prepare(struct warning *n, struct account *a)
{
	struct buf text;
	enum store_err err = settings_address(accounts_settings(n->lane->accounts), n->lane->id, n->address);
	if (err || n->warner->runner)
		return err;
	buf_init(&text, MESSAGE_MAX);
	write_message(n, a->env->now_s(a->env->ctx), &text);
	n->intake = intake_create(a, MESSAGE_MAX, false);
	err = intake_write(n->intake, buf_span(&text));
	buf_finish(&text);
	return err ? err : intake_seal(n->intake);
}

static void look(struct warning *n, struct account *a)
{
	n->percent = quota_reached(a, n->warner->percent, &n->of);
	n->tells = n->percent > account_meta(a, told_key);
	bool storage = *n->of == 's';
	n->is = storage ? a->usage.bytes : a->usage.messages;
	n->allowed = storage ? a->quota.bytes : a->quota.messages;
}

static enum store_err add_message(struct warning *n, struct account *a)
{
	static const struct flag_spec none = {0, ""};
	struct append_item item = {.internal_date = a->env->now_s(a->env->ctx)};
	int64_t inbox;
	uint32_t uid;
	enum store_err err = mailbox_find(a, "INBOX", &inbox);
	if (!err)
		err = flagset_apply(a, 0, FLAG_SET, &none, &item.flagset);
	if (!err)
		err = intake_finish(n->intake, &item.content, &item.size);
	return err ? err : messages_append(a, inbox, &item, 1, &uid);
}

/* First what can be done outside a transaction, then the rest of it in one. */
static enum op_result warn_run(struct op *op, struct account *account)
{
	struct warning *n = container_of(op, struct warning, op);
	if (!op->writes) {
		look(n, account);
		n->err = n->tells ? prepare(n, account) : STORE_OK;
		op->writes = !n->err;
		return n->err ? OP_FAILED : OP_AGAIN;
	}
	n->err = account_set_meta(account, told_key, n->percent);
	if (!n->err && n->intake)
		n->err = add_message(n, account);
	return n->err ? OP_FAILED : OP_DONE;
}

static void run_command(const struct warning *n)
{
	char percent[16], is[24], allowed[24];
	const char *const arguments[RUNNER_ARGUMENTS_MAX] = {n->address, percent, n->of, is, allowed};
	snprintf(percent, sizeof(percent), "%d", n->percent);
	snprintf(is, sizeof(is), "%" PRIu64, n->is);
	snprintf(allowed, sizeof(allowed), "%" PRIu64, n->allowed);
	runner_run(n->warner->runner, arguments);
}

static void warn_done(struct op *op, struct conn *conn)
{
	struct warning *n = container_of(op, struct warning, op);
	struct lane *lane = n->lane;
	(void)conn;
	bool did = op->fate == OP_RAN && !n->err;
	/* Where it failed it would fail with each op: it is done when the percentage changes, or the lane is another. */
	lane->warned = n->percent;
	if (!did && n->err && n->err != STORE_NOTFOUND)
		log_event(LOG_ERROR, "quota_warning_failed", log_text("account", lane->id),
			  log_text("error", accounts_error_name(n->err)));
	if (did && n->tells)
		log_event(LOG_INFO, "quota_warning", log_text("user", n->address), log_number("percent", n->percent),
			  log_text("of", n->of));
	if (did && n->tells && n->warner->runner)
		run_command(n);
	lane->warning = false;
	intake_destroy(n->intake);
	accounts_release(lane);
	op_finish(op);
	free(n);
}

void warner_note_turn(struct lane *lane)
{
	struct warner *w = accounts_warner(lane);
	const char *of;
	if (!w || lane->warning)
		return;
	if (!lane->knows_warned)
		lane->warned = (int)account_meta(lane->account, told_key);
	lane->knows_warned = true;
	if (quota_reached(lane->account, w->percent, &of) == lane->warned)
		return;
	lane->warning = true;
	struct warning *n = xcalloc(1, sizeof(*n));
	op_init(&n->op, "quota warning", warn_run, warn_done);
	n->op.background = n->op.beyond_quota = true;
	n->op.login = "quota";
	n->warner = w;
	n->lane = accounts_acquire(lane->accounts, lane->id);
	lane_submit(lane, &n->op);
}
