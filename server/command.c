/* Which commands may run when, and what may be told at their end (RFC 3501 7.4.1): one row each. */
#include "server/command.h"

#include "protocol/imap/names.h"

void command_tagged(struct command_op *c, const char *text)
{
	buf_add_span(&c->out, c->request.tag);
	buf_add_char(&c->out, ' ');
	buf_add_text(&c->out, text);
	buf_add_text(&c->out, "\r\n");
}

/* The text a client sees depends on the code alone: no path and no SQL leaks. */
void command_store_error(struct command_op *c, enum store_err err)
{
	static const char *const texts[] = {
		[STORE_OK] = "OK Done",
		[STORE_NOTFOUND] = "NO [NONEXISTENT] There is no such mailbox",
		[STORE_EXISTS] = "NO [ALREADYEXISTS] The mailbox exists already",
		[STORE_CANNOT] = "NO [CANNOT] This can never be done",
		[STORE_HASCHILDREN] = "NO [HASCHILDREN] The name has children",
		[STORE_LIMIT] = "NO [LIMIT] A limit of this server is reached",
		[STORE_FULL] = "NO [OVERQUOTA] There is no space left",
		[STORE_BUSY] = "NO [INUSE] The mailbox is in use",
		[STORE_CORRUPT] = "NO [CORRUPTION] The stored data is damaged",
		[STORE_FOREIGN] = "NO [SERVERBUG] The store cannot be read by this version",
		[STORE_IO] = "NO [SERVERBUG] The store failed",
	};
	command_tagged(c, texts[err]);
}

bool command_mailbox(struct command_op *c, struct account *a, struct span wire, int64_t *id, const char *missing)
{
	struct span name;
	if (!name_decode(&c->arena, wire, &name)) {
		command_tagged(c, missing);
		return false;
	}
	enum store_err err = mailbox_find(a, name.ptr, id);
	if (err == STORE_NOTFOUND)
		command_tagged(c, missing);
	else if (err)
		command_store_error(c, err);
	return !err;
}

static bool run_idle_or_noop(struct command_op *c, struct account *a)
{
	if (c->view)
		view_sync(c->view, a, &c->out, true, false);
	if (c->request.kind == CMD_NOOP || c->request.kind == CMD_CHECK)
		command_tagged(c, "OK Done");
	return true;
}

/* Sequence numbers must hold while these run (RFC 3501 7.4.1). */
static bool forbids_expunge(const struct request *r)
{
	return !r->uid && (r->kind == CMD_FETCH || r->kind == CMD_STORE || r->kind == CMD_SEARCH);
}

static bool dispatch(struct command_op *c, struct account *a)
{
	switch (c->request.kind) {
	case CMD_SELECT: case CMD_EXAMINE: case CMD_CLOSE:
		return run_select(c, a);
	case CMD_CREATE: case CMD_DELETE: case CMD_RENAME: case CMD_SUBSCRIBE: case CMD_UNSUBSCRIBE: case CMD_LIST:
	case CMD_LSUB: case CMD_STATUS:
		return run_mailbox(c, a);
	case CMD_STORE: case CMD_COPY: case CMD_MOVE: case CMD_EXPUNGE: case CMD_APPEND:
		return run_message(c, a);
	case CMD_FETCH:
		return run_fetch(c, a);
	case CMD_SEARCH:
		return run_search(c, a);
	case CMD_UNKNOWN: case CMD_AUTHENTICATE: case CMD_CAPABILITY: case CMD_CHECK: case CMD_ENABLE: case CMD_ID:
	case CMD_IDLE: case CMD_LOGIN: case CMD_LOGOUT: case CMD_NAMESPACE: case CMD_NOOP: case CMD_STARTTLS:
	case CMD_UNSELECT:
		break;
	}
	return run_idle_or_noop(c, a);
}

enum op_result command_run(struct op *op, struct account *a)
{
	struct command_op *c = container_of(op, struct command_op, op);
	/* The handler writes its tagged line; what changed meanwhile goes before that line. */
	size_t before = c->out.len;
	c->more = false;
	bool ok = dispatch(c, a);
	bool tells = c->view && !c->more && !c->close_view && c->request.kind != CMD_IDLE && c->request.kind != CMD_NOOP;
	if (!tells)
		return ok ? OP_DONE : OP_FAILED;
	size_t tagged = c->out.len;
	while (tagged > before && !(tagged >= before + 2 && tagged < c->out.len && c->out.data[tagged - 1] == '\n'))
		tagged--;
	struct buf last;
	buf_init(&last, OUT_CHUNK * 4);
	buf_add(&last, c->out.data + tagged, c->out.len - tagged);
	c->out.len = tagged;
	if (!a->in_op || ok) {
		bool held = view_sync(c->view, a, &c->out, !forbids_expunge(&c->request), c->request.uid);
		size_t tag = c->request.tag.len;
		bool plain_ok = last.len > tag + 4 && memcmp(last.data + tag, " OK ", 4) == 0 && last.data[tag + 4] != '[';
		if (held && plain_ok) {
			buf_add(&c->out, last.data, tag + 4);
			buf_add_text(&c->out, "[EXPUNGEISSUED] ");
			buf_drop(&last, tag + 4);
		}
	}
	buf_add_span(&c->out, buf_span(&last));
	buf_finish(&last);
	return ok ? OP_DONE : OP_FAILED;
}

void command_destroy(struct command_op *c)
{
	view_destroy(c->view);
	view_destroy(c->new_view);
	uidset_finish(&c->set);
	uidset_finish(&c->seen_changed);
	for (size_t i = 0; i < c->messages_n; i++)
		free(c->messages[i].data);
	free(c->messages);
	buf_finish(&c->text);
	buf_finish(&c->out);
	arena_finish(&c->arena);
	op_finish(&c->op);
	free(c);
}
