/* App passwords.  On the directory's lane. */
#include "server/admin.h"

#include "protocol/imap/capability.h"
#include "server/credential.h"
#include "server/networks.h"
#include "server/when.h"

#include <openssl/crypto.h>
#include <time.h>

/* The account of ADDRESS. */
static bool take_account(struct admin_task *task, char out[DIRECTORY_ACCOUNT_LEN + 1])
{
	struct directory_user user;
	enum store_err err = directory_user_find(task->op.directory, task->user.address, &user);
	admin_store_error(task, task->user.address, err);
	if (!err)
		memcpy(out, user.account, sizeof(user.account));
	return !err;
}

/* What people read: neither control characters nor what would look like a part of a line of the log. */
static bool is_label(const char *text)
{
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '"' || *at == '\\')
			return false;
	return *text && strlen(text) <= APP_PASSWORD_LABEL_MAX;
}

/* "90d" from now on, or a date. */
static bool take_expiry(const char *text, int64_t now_s, int64_t *out)
{
	if (!text)
		return true;
	if (!when_parse(text, now_s, out))
		return false;
	if (*out <= now_s && !strchr(text, '-'))
		*out = now_s + (now_s - *out);
	return *out > now_s;
}

static bool take_scope(struct admin_task *task, struct app_password *p)
{
	const char *protocols = admin_value(task, "protocols"), *networks = admin_value(task, "networks"),
		   *expires = admin_value(task, "expires"), *off = admin_value(task, "capabilities_off");
	struct networks parsed;
	struct span wrong;
	p->made_s = time(NULL);
	p->protocols = APP_PASSWORD_ALL;
	if (protocols && !credential_protocols_parse(protocols, &p->protocols))
		admin_fail(task, "--protocols %s: imap, pop3 or sieve are expected, separated by commas", protocols);
	else if (networks && (!networks_parse(networks, &parsed, NULL) || strlen(networks) > APP_PASSWORD_NETWORKS_MAX))
		admin_fail(task, "--networks %s: networks like 192.0.2.0/24 or 2001:db8::/32 are expected, at most %d", networks,
			   NETWORKS_MAX);
	else if (!take_expiry(expires, p->made_s, &p->expires_s))
		admin_fail(task, "--expires %s: a time to come is expected, like 90d or 2027-01-31", expires);
	else if (off && (strlen(off) > APP_PASSWORD_OFF_MAX || !capability_can_be_off(off, &wrong)))
		admin_fail(task, "--capabilities_off %s: names of capabilities that can be left out are expected, separated by single spaces", off);
	else {
		snprintf(p->networks, sizeof(p->networks), "%s", networks ? networks : "");
		snprintf(p->capabilities_off, sizeof(p->capabilities_off), "%s", off ? off : "");
		return true;
	}
	return false;
}

enum op_result admin_password_add(struct admin_task *task, struct account *account)
{
	const char *label = admin_value(task, "LABEL");
	struct app_password p = {.id = ""};
	char text[CREDENTIAL_TEXT_LEN + 1];
	struct buf row;
	(void)account;
	if (!is_label(label)) {
		admin_fail(task, "%s: a name of at most %d bytes is expected, without control characters, \" and \\", label,
			   APP_PASSWORD_LABEL_MAX);
		return OP_FAILED;
	}
	if (!take_account(task, p.account) || !take_scope(task, &p))
		return OP_FAILED;
	snprintf(p.label, sizeof(p.label), "%s", label);
	if (!credential_make(&p, text)) {
		admin_fail(task, "the system gives no random numbers");
		return OP_FAILED;
	}
	enum store_err err = directory_app_password_add(task->op.directory, &p);
	if (err == STORE_LIMIT)
		admin_fail(task, "%s: has %d app passwords, which is as many as can be", task->user.address, APP_PASSWORDS_MAX);
	else
		admin_store_error(task, label, err);
	if (!err) {
		admin_row_begin(task, &row);
		admin_row_text(&row, "password", text);
		admin_row_text(&row, "id", p.id);
		admin_row_text(&row, "label", p.label);
		admin_row_end(task, &row);
	}
	OPENSSL_cleanse(text, sizeof(text));
	return err ? OP_FAILED : OP_DONE;
}

static void add_time(struct buf *row, const char *key, int64_t at_s)
{
	char text[WHEN_TEXT_MAX] = "never";
	if (at_s)
		when_write(at_s, text);
	admin_row_text(row, key, text);
}

static void on_password(void *ctx, const struct app_password *p)
{
	struct admin_task *task = ctx;
	char protocols[CREDENTIAL_PROTOCOLS_MAX];
	struct buf row;
	credential_protocols_write(p->protocols, protocols);
	admin_row_begin(task, &row);
	admin_row_text(&row, "id", p->id);
	admin_row_text(&row, "label", p->label);
	add_time(&row, "used", p->used_s);
	add_time(&row, "expires", p->expires_s);
	admin_row_text(&row, "protocols", protocols);
	admin_row_text(&row, "networks", *p->networks ? p->networks : "any");
	admin_row_text(&row, "capabilities_off", p->capabilities_off);
	add_time(&row, "made", p->made_s);
	admin_row_end(task, &row);
}

enum op_result admin_password_list(struct admin_task *task, struct account *account)
{
	char id[DIRECTORY_ACCOUNT_LEN + 1];
	(void)account;
	if (take_account(task, id))
		admin_store_error(task, task->user.address, directory_app_passwords(task->op.directory, id, on_password, task));
	return OP_DONE;
}

enum op_result admin_password_revoke(struct admin_task *task, struct account *account)
{
	const char *which = admin_value(task, "PASSWORD");
	char id[DIRECTORY_ACCOUNT_LEN + 1];
	(void)account;
	if (!take_account(task, id))
		return OP_FAILED;
	enum store_err err = directory_app_password_remove(task->op.directory, id, which, task->ends_credential);
	if (err == STORE_NOTFOUND)
		admin_fail(task, "%s: %s has no app password of that id or label (roost password list %s)", which,
			   task->user.address, task->user.address);
	else
		admin_store_error(task, which, err);
	return err ? OP_FAILED : OP_DONE;
}
