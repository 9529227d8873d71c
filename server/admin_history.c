/* roost history and roost undelete: who did what, and having back what was deleted. */
#include "server/admin.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/name.h"
#include "protocol/mime/header.h"
#include "protocol/mime/words.h"
#include "server/when.h"
#include "storage/content.h"
#include "storage/flagset.h"
#include "storage/gone.h"
#include "storage/history.h"
#include "storage/undelete.h"

enum { ROWS = 200, BATCH = 1000, TEXT_MAX = 400, RUNS_SHOWN = 6 };

/* The argument of that name as mailboxes are called within, in the op's arena; *out NULL: it was not given.  False: none can be
 * called so, which is said. */
static bool read_name(struct admin_task *task, const char *param, const char **out)
{
	const char *text = admin_value(task, param);
	struct span name;
	*out = NULL;
	if (!text)
		return true;
	if (!name_decode(&task->op.arena, span_of(text), DIALECT_UTF8, &name)) {
		admin_fail(task, "--%s %s: no mailbox can be called so", param, text);
		return false;
	}
	*out = name.ptr;
	return true;
}

static bool read_since(struct admin_task *task, const struct account *account, int64_t *out)
{
	const char *text = admin_value(task, "since");
	*out = INT64_MIN;
	if (!text || when_parse(text, account->env->now_s(account->env->ctx), out))
		return true;
	admin_fail(task, "--since %s: a time is expected: 2h, 3d, 2026-11-25, \"2026-11-25 18:00\" (UTC)", text);
	return false;
}

/* "3:7,9", cut off where it is long. */
static void add_uids(struct buf *out, const struct uidset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (out->len > TEXT_MAX) {
			buf_add_text(out, ",...");
			break;
		}
		buf_printf(out, "%s%lu", i ? "," : "", (unsigned long)set->v[i].lo);
		if (set->v[i].hi != set->v[i].lo)
			buf_printf(out, ":%lu", (unsigned long)set->v[i].hi);
	}
}

/* ---- history ---- */

struct telling {
	struct admin_task *task;
	struct account *account;
	const char *mailbox, *who;
	uint32_t uid; /* 0: any */
	int64_t last;
};

static void describe_flags(const struct telling *t, const struct history_row *row, struct buf *out)
{
	struct flag_log_reader reader;
	struct roster_flag_run run;
	size_t n = 0;
	bool open = flag_log_open(&reader, row->flags);
	while (open && reader.at < reader.end && flag_log_next(&reader, &run)) {
		if (run.from >= t->account->flags->n || run.to >= t->account->flags->n)
			break;
		if (n++ == RUNS_SHOWN) {
			buf_add_text(out, "; ...");
			break;
		}
		buf_printf(out, n > 1 ? "; %lu" : "%lu", (unsigned long)run.lo);
		if (run.hi != run.lo)
			buf_printf(out, ":%lu", (unsigned long)run.hi);
		buf_printf(out, " (%s) > (%s)", flagset_get(t->account, run.from)->text, flagset_get(t->account, run.to)->text);
	}
}

static bool flags_touch(const struct history_row *row, uint32_t uid)
{
	struct flag_log_reader reader;
	struct roster_flag_run run;
	bool open = flag_log_open(&reader, row->flags);
	while (open && reader.at < reader.end && flag_log_next(&reader, &run))
		if (uid >= run.lo && uid <= run.hi)
			return true;
	return false;
}

static void add_event(struct telling *t, const struct history_row *row, const char *mailbox, const char *what,
		      const char *detail)
{
	struct buf out;
	char when[WHEN_TEXT_MAX];
	when_write(row->at_s, when);
	admin_row_begin(t->task, &out);
	admin_row_text(&out, "when", when);
	admin_row_text(&out, "login", row->login);
	admin_row_text(&out, "device", row->device);
	admin_row_text(&out, "mailbox", mailbox);
	admin_row_text(&out, "what", what);
	admin_row_text(&out, "detail", detail);
	admin_row_number(&out, "modseq", (int64_t)row->modseq);
	admin_row_end(t->task, &out);
}

static void tell_removal(struct telling *t, const struct history_row *row, const char *mailbox, struct buf *detail)
{
	struct uidset gone = {0};
	int64_t target = 0;
	char name[MAILBOX_NAME_BYTES_MAX + 1], what[MAILBOX_NAME_BYTES_MAX + 20] = "expunged";
	/* What the graveyard cannot say any more is left out. */
	if (gone_at(t->account, row->mailbox, row->modseq, &gone) != STORE_OK)
		gone.n = 0;
	add_uids(detail, &gone);
	buf_add_char(detail, '\0');
	bool wanted = t->uid == 0 || uidset_has(&gone, t->uid);
	if (history_moved_to(t->account, row, &target) == STORE_OK && target && history_name(t->account, target, name) == STORE_OK)
		snprintf(what, sizeof(what), "moved to %s", name);
	if (wanted)
		add_event(t, row, mailbox, what, detail->data);
	uidset_finish(&gone);
}

/* What there is to say of the kinds that have no UIDs. */
static void tell_names(struct telling *t, const struct history_row *row, const char *mailbox)
{
	static const struct {
		unsigned kind;
		const char *what;
	} kinds[] = {{CHANGE_MADE, "made"}, {CHANGE_RENAMED, "renamed"}, {CHANGE_DELETED, "deleted"},
		     {CHANGE_SUBSCRIBED, "subscribed"}, {CHANGE_UNSUBSCRIBED, "unsubscribed"},
		     {CHANGE_RESTAMPED, "renumbered"}, {CHANGE_METADATA, "annotated"}};
	char detail[2 * MAILBOX_NAME_BYTES_MAX + 20];
	snprintf(detail, sizeof(detail), "%s", row->name ? row->name : "");
	char *old = strchr(detail, '\n');
	for (char *at = detail; *at; at++)
		*at = *at == '\n' ? ' ' : *at;
	if (old && (row->kinds & CHANGE_RENAMED))
		snprintf(detail, sizeof(detail), "from %s", strchr(row->name, '\n') + 1);
	for (size_t i = 0; i < countof(kinds); i++)
		if (row->kinds & kinds[i].kind)
			add_event(t, row, mailbox, kinds[i].what, detail);
}

static bool on_row(void *ctx, const struct history_row *row)
{
	struct telling *t = ctx;
	char name[MAILBOX_NAME_BYTES_MAX + 1] = "";
	struct buf detail;
	t->last = row->id;
	if (row->mailbox && history_name(t->account, row->mailbox, name) != STORE_OK)
		snprintf(name, sizeof(name), "(forgotten)");
	if ((t->mailbox && strcmp(name, t->mailbox) != 0) ||
	    (t->who && !strcasestr(row->login, t->who) && !strcasestr(row->device, t->who)))
		return true;
	buf_init(&detail, 1 << 20);
	if ((row->kinds & CHANGE_ARRIVED) && (!t->uid || (t->uid >= row->first_uid && t->uid <= row->last_uid))) {
		const struct uidrange range = {row->first_uid, row->last_uid};
		const struct uidset set = {.v = (struct uidrange *)(uintptr_t)&range, .n = 1};
		add_uids(&detail, &set);
		buf_add_char(&detail, '\0');
		add_event(t, row, name, "arrived", detail.data);
		buf_reset(&detail);
	}
	if ((row->kinds & CHANGE_FLAGS) && (!t->uid || flags_touch(row, t->uid))) {
		describe_flags(t, row, &detail);
		buf_add_char(&detail, '\0');
		add_event(t, row, name, "flags", detail.data);
		buf_reset(&detail);
	}
	if (row->kinds & CHANGE_EXPUNGED)
		tell_removal(t, row, name, &detail);
	buf_finish(&detail);
	if (!t->uid || (row->kinds & CHANGE_DELETED))
		tell_names(t, row, name);
	return true;
}

enum op_result admin_history(struct admin_task *task, struct account *account)
{
	struct telling t = {.task = task, .account = account, .who = admin_value(task, "who")};
	const char *uid = admin_value(task, "uid");
	char *end;
	unsigned long number = uid ? strtoul(uid, &end, 10) : 0;
	int64_t since;
	bool more = false;
	if (uid && (*end || number == 0 || number > UINT32_MAX)) {
		admin_fail(task, "--uid %s: a UID is expected", uid);
		return OP_DONE;
	}
	t.uid = (uint32_t)number;
	if (!read_since(task, account, &since) || !read_name(task, "mailbox", &t.mailbox))
		return OP_DONE;
	enum store_err err = STORE_OK;
	if (*task->cursor)
		t.last = strtoll(task->cursor, NULL, 10);
	else
		err = history_find(account, since, &t.last);
	if (!err)
		err = history_each(account, t.last, ROWS, on_row, &t, &more);
	snprintf(task->cursor, sizeof(task->cursor), "%lld", (long long)t.last);
	task->more = more && !err;
	admin_store_error(task, task->user.address, err);
	return OP_DONE;
}

/* ---- undelete ---- */

struct undelete {
	struct undelete_list list;
	size_t at;
};

void admin_undelete_finish(struct undelete *u)
{
	if (!u)
		return;
	undelete_list_finish(&u->list);
	free(u);
}

/* A header field for a line on a terminal: nothing in it can do anything there. */
static void field_text(const struct mime_header *h, enum mime_field_id id, struct buf *out)
{
	struct buf unfolded;
	buf_init(&unfolded, 65536);
	struct span value = mime_unfold(h->first[id], &unfolded);
	if (value.ptr)
		mime_words_decode(value.len > TEXT_MAX ? span_make(value.ptr, TEXT_MAX) : value, out);
	for (size_t i = 0; i < out->len; i++)
		if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
			out->data[i] = ' ';
	buf_add_char(out, '\0');
	buf_finish(&unfolded);
}

static enum store_err add_item(struct admin_task *task, struct account *account, const struct undelete_item *item)
{
	struct bytes header = {"", 0};
	struct mime_header fields;
	struct buf row, from, subject;
	char name[MAILBOX_NAME_BYTES_MAX + 1], when[WHEN_TEXT_MAX];
	enum store_err err = history_name(account, item->mailbox, name);
	if (err == STORE_NOTFOUND)
		snprintf(name, sizeof(name), "(forgotten)");
	else if (err)
		return err;
	err = content_header(account, item->entry.content, &header);
	if (err && err != STORE_NOTFOUND)
		return err;
	mime_header_read(span_make(header.len ? header.ptr : "", header.len), &fields);
	buf_init(&from, 4 * TEXT_MAX);
	buf_init(&subject, 4 * TEXT_MAX);
	field_text(&fields, FIELD_FROM, &from);
	field_text(&fields, FIELD_SUBJECT, &subject);
	when_write(item->at_s, when);
	admin_row_begin(task, &row);
	admin_row_text(&row, "when", when);
	admin_row_text(&row, "login", item->login);
	admin_row_text(&row, "device", item->device);
	admin_row_text(&row, "mailbox", name);
	admin_row_text(&row, "from", from.failed ? "" : from.data);
	admin_row_text(&row, "subject", subject.failed ? "" : subject.data);
	admin_row_number(&row, "uid", item->entry.uid);
	admin_row_number(&row, "size", item->entry.size);
	admin_row_end(task, &row);
	buf_finish(&from);
	buf_finish(&subject);
	return STORE_OK;
}

static enum store_err find_deleted(struct admin_task *task, struct account *account, const char *mailbox, int64_t since)
{
	const struct undelete_filter filter = {.mailbox = mailbox, .since_s = since, .until_s = INT64_MAX,
					       .who = admin_value(task, "who")};
	task->undelete = xcalloc(1, sizeof(*task->undelete));
	return undelete_find(account, &filter, &task->undelete->list);
}

enum op_result admin_undelete(struct admin_task *task, struct account *account)
{
	int64_t since;
	enum store_err err = STORE_OK;
	const char *mailbox, *to;
	if (!read_since(task, account, &since) || !read_name(task, "mailbox", &mailbox) || !read_name(task, "to", &to))
		return OP_DONE;
	if (!task->undelete)
		err = find_deleted(task, account, mailbox, since);
	struct undelete *u = task->undelete;
	size_t n = err ? 0 : u->list.n - u->at;
	n = n < BATCH ? n : BATCH;
	bool only_lists = admin_value(task, "list");
	for (size_t i = 0; i < n && !err; i++)
		err = add_item(task, account, &u->list.v[u->at + i]);
	if (!err && !only_lists)
		err = undelete_apply(account, &u->list, u->at, n, to);
	u->at += n;
	task->more = !err && u->at < u->list.n;
	if (err) {
		admin_store_error(task, task->user.address, err);
		return OP_FAILED;
	}
	admin_say(task, only_lists ? "%s: %llu messages can be had back" : "%s: %llu messages are back", task->user.address,
		  (unsigned long long)u->list.n);
	return OP_DONE;
}
