/* STORE, COPY, MOVE, EXPUNGE and APPEND (RFC 3501 6.4.3-6.4.7, 6.3.11; RFC 3502, 4315, 6851). */
#include "server/command.h"

static void add_pairs(struct buf *out, const uint32_t *v, uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		uint32_t end = i;
		while (end + 1 < n && v[end + 1] == v[end] + 1)
			end++;
		buf_printf(out, i ? ",%u" : "%u", v[i]);
		if (end > i)
			buf_printf(out, ":%u", v[end]);
		i = end + 1;
	}
}

static void run_copy(struct command_op *c, struct account *a, const struct uidset *set, bool *ok)
{
	int64_t target;
	if (!command_mailbox(c, a, c->request.target, &target, "NO [TRYCREATE] There is no such mailbox")) {
		*ok = false;
		return;
	}
	bool move = c->request.kind == CMD_MOVE;
	struct copy_result result = {0};
	enum store_err err = move ? messages_move(a, c->view->mailbox, set, target, &result)
				  : messages_copy(a, c->view->mailbox, set, target, &result);
	*ok = err == STORE_OK;
	if (err || result.n == 0) {
		command_store_error(c, err);
	} else {
		if (move)
			buf_add_text(&c->out, "* OK ");
		else
			buf_printf(&c->out, "%.*s OK ", (int)c->request.tag.len, c->request.tag.ptr);
		buf_printf(&c->out, "[COPYUID %u ", result.uidvalidity);
		add_pairs(&c->out, result.source, result.n);
		buf_add_char(&c->out, ' ');
		add_pairs(&c->out, result.target, result.n);
		buf_add_text(&c->out, "] Done\r\n");
		if (move)
			command_tagged(c, "OK Done");
	}
	copy_result_finish(&result);
}

static void run_store(struct command_op *c, struct account *a, const struct uidset *set, bool *ok)
{
	struct request *r = &c->request;
	struct view *v = c->view;
	struct uidset changed = {0};
	struct flag_spec spec = {r->flags, r->keywords.ptr ? r->keywords.ptr : ""};
	enum flag_op op = r->store_op == '+' ? FLAG_ADD : (r->store_op == '-' ? FLAG_REMOVE : FLAG_SET);
	/* What others changed is told first; then this command's own changes are known to be its own. */
	view_sync(v, a, &c->out, false, r->uid);
	enum store_err err = messages_store(a, v->mailbox, set, op, &spec, &changed);
	*ok = err == STORE_OK;
	struct roster *roster;
	if (!err && roster_get(a, v->mailbox, &roster) == STORE_OK) {
		for (size_t i = 0; !r->silent && i < set->n; i++) {
			for (uint32_t at = roster_lower(roster, set->v[i].lo);
			     at < roster->count && roster->uid[at] <= set->v[i].hi; at++) {
				uint32_t index = view_index(v, roster->uid[at]);
				if (index == v->n)
					continue;
				buf_printf(&c->out, "* %u FETCH (", index + 1);
				if (r->uid)
					buf_printf(&c->out, "UID %u ", roster->uid[at]);
				view_flags_text(v, a, roster->uid[at], roster->flagset[at], &c->out);
				buf_add_text(&c->out, ")\r\n");
			}
		}
		if (v->flags_modseq < roster->info.modseq)
			v->flags_modseq = roster->info.modseq;
	}
	uidset_finish(&changed);
	command_store_error(c, err);
}

static void run_expunge(struct command_op *c, struct account *a, const struct uidset *set, bool *ok)
{
	struct uidset gone = {0}, all = {0};
	for (uint32_t i = 0; !c->request.has_set && i < c->view->n; i++)
		uidset_append(&all, c->view->uid[i], c->view->uid[i]);
	enum store_err err = messages_expunge(a, c->view->mailbox, c->request.has_set ? set : &all, &gone);
	*ok = err == STORE_OK;
	uidset_finish(&gone);
	uidset_finish(&all);
	command_store_error(c, err);
}

static void run_append(struct command_op *c, struct account *a, bool *ok)
{
	int64_t id;
	uint32_t first;
	struct mailbox_info info;
	if (!command_mailbox(c, a, c->request.mailbox, &id, "NO [TRYCREATE] There is no such mailbox")) {
		*ok = false;
		return;
	}
	if (c->messages_n == 0) { /* the check before the literal is asked for */
		command_tagged(c, "OK");
		return;
	}
	enum store_err err = deliver_message(a, id, c->messages, c->messages_n, &first);
	if (!err)
		err = mailbox_info(a, id, &info);
	*ok = err == STORE_OK;
	if (err) {
		command_store_error(c, err);
		return;
	}
	buf_printf(&c->out, "%.*s OK [APPENDUID %u %u", (int)c->request.tag.len, c->request.tag.ptr, info.uidvalidity, first);
	if (c->messages_n > 1)
		buf_printf(&c->out, ":%u", first + (uint32_t)c->messages_n - 1);
	buf_add_text(&c->out, "] Done\r\n");
}

bool run_message(struct command_op *c, struct account *a)
{
	struct request *r = &c->request;
	bool ok = true;
	if (r->kind == CMD_APPEND) {
		run_append(c, a, &ok);
		return ok;
	}
	if (c->view->read_only && r->kind != CMD_COPY) {
		command_tagged(c, "NO The mailbox is read-only");
		return false;
	}
	struct uidset set = {0};
	bool has_set = r->kind != CMD_EXPUNGE || r->has_set;
	if (has_set && !view_resolve(c->view, &r->set, r->uid, &set)) {
		command_tagged(c, "BAD There is no message with this number");
		ok = false;
	} else if (r->kind == CMD_STORE) {
		run_store(c, a, &set, &ok);
	} else if (r->kind == CMD_EXPUNGE) {
		run_expunge(c, a, &set, &ok);
	} else {
		run_copy(c, a, &set, &ok);
	}
	uidset_finish(&set);
	return ok;
}
