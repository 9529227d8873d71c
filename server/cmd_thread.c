/*
 * THREAD (RFC 5256): the messages are found as SEARCH finds them, threaded by what is in memory of each (threads.h), and
 * told, each in slices.  What is told is kept as text for who asks next, until a message comes or goes.
 */
#include "protocol/imap/response.h"
#include "server/found.h"
#include "server/keeping.h"
#include "server/threads.h"
#include "storage/keys.h"

enum { WEIGHT_PAGE = 256, WANT = 1 << KEYS_SUBJECT | KEYS_LINKS };

struct threading {
	struct found found;
	struct threads_message *messages;
	struct threads threads;
	struct keeping keeping;
	struct buf text; /* what was told so far, if it is to be kept */
	enum { THREADING_LOOKS, THREADING_FINDS, THREADING_LOADS, THREADING_THREADS, THREADING_TELLS } phase;
	uint32_t at;
	size_t told;    /* of a text that was kept */
	uint64_t epoch; /* the account's keys are those that were loaded */
	bool headed;
};

static void threading_finish(struct command *cmd)
{
	struct threading *t = cmd->state;
	keeping_finish(&t->keeping);
	buf_finish(&t->text);
	threads_finish(&t->threads);
	found_finish(&t->found);
	free(t->messages);
}

static struct threads_message read_message(const struct found_message *m, const struct keys_page *page)
{
	uint32_t at = (uint32_t)((uint64_t)m->content % KEYS_PAGE);
	int64_t sent_s = page->sent_s[at];
	return (struct threads_message){.sent_s = sent_s == KEYS_NO_DATE ? m->arrived_s : sent_s, /* RFC 5256 2.2 */
					.arrived_s = m->arrived_s,
					.subject = page->string[KEYS_SUBJECT][at],
					.links = page->links[at],
					.is_reply = page->is_reply[at / 64] >> (at % 64) & 1};
}

/* True when all are read; else the slice is over, or *err says why not. */
static bool load(struct threading *t, struct account *a, struct slice *slice, enum store_err *err)
{
	const struct keys *k = keys_get(a);
	for (; t->at < t->found.n; t->at++) {
		const struct found_message *m = &t->found.v[t->at];
		const struct keys_page *page = keys_page_loaded(k, m->content, WANT);
		if (slice_is_over(slice, page ? 1 : WEIGHT_PAGE))
			return false;
		*err = page ? STORE_OK : keys_page(a, m->content, WANT, &page);
		if (*err)
			return false;
		t->messages[t->at] = read_message(m, page);
	}
	return true;
}

static void begin(struct threading *t, struct account *a)
{
	threads_finish(&t->threads);
	free(t->messages);
	t->messages = xcalloc(t->found.n, sizeof(*t->messages));
	t->at = 0;
	t->epoch = a->keys_epoch;
	t->phase = THREADING_LOADS;
}

static bool make_threads(struct threading *t, struct command *cmd, struct account *a, struct slice *slice,
			 enum store_err *err)
{
	if (t->phase == THREADING_FINDS || t->epoch != a->keys_epoch)
		begin(t, a);
	const struct keys *k = keys_get(a);
	if (t->phase == THREADING_LOADS) {
		if (!load(t, a, slice, err))
			return false;
		threads_init(&t->threads, cmd->request.search.algorithm, t->messages, t->found.n, k->ids_n,
			     k->pool[KEYS_SUBJECT].n);
		t->phase = THREADING_THREADS;
	}
	return threads_run(&t->threads, k->links, slice);
}

static uint32_t number(void *ctx, uint32_t message)
{
	const struct command *cmd = ctx;
	const struct threading *t = cmd->state;
	return found_number(cmd, t->found.v[message].index);
}

/* Is the text there from an earlier command?  One that is behind is of no use: any message may join threads, or part them. */
static bool look(struct threading *t, struct command *cmd, struct account *a)
{
	struct roster *roster;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (err) {
		command_store_error(cmd, err);
		return false;
	}
	keeping_look(&t->keeping, a, cmd->view, roster);
	t->phase = t->keeping.now ? THREADING_TELLS : THREADING_FINDS;
	return true;
}

/* False when the chunk is full. */
static bool write_kept(struct threading *t, struct command *cmd)
{
	struct bytes text = kept_data(t->keeping.now);
	size_t n = text.len - t->told, room = LIMIT_SLICE_BYTES;
	n = n < room ? n : room;
	if (n) /* no text is NULL */
		buf_add(&cmd->out, (const char *)text.ptr + t->told, n);
	t->told += n;
	return t->told == text.len;
}

/* The same. */
static bool write_threads(struct threading *t, struct command *cmd, struct account *a)
{
	size_t from = cmd->out.len;
	bool all = threads_write(&t->threads, LIMIT_SLICE_BYTES, number, cmd, &cmd->out);
	if (!t->keeping.wanted)
		return all;
	if (cmd->out.len > from)
		buf_add(&t->text, cmd->out.data + from, cmd->out.len - from);
	if (!all || t->text.failed || t->found.search.err)
		return all;
	struct kept_result result = {.len = t->text.len};
	result.data = buf_take(&t->text, &result.len);
	keeping_put(&t->keeping, a, result, true);
	return true;
}

/* The same. */
static bool write_answer(struct threading *t, struct command *cmd, struct account *a)
{
	if (!t->headed)
		response_thread_begin(&cmd->out);
	t->headed = true;
	if (!(t->keeping.now ? write_kept(t, cmd) : write_threads(t, cmd, a)))
		return false;
	buf_add_text(&cmd->out, "\r\n");
	return true;
}

static enum op_result thread_run(struct command *cmd, struct account *a)
{
	struct threading *t = cmd->state;
	struct slice slice;
	slice_begin(&slice);
	cmd->more = false;
	if (t->phase == THREADING_LOOKS && !look(t, cmd, a))
		return OP_DONE;
	if (t->phase == THREADING_FINDS) {
		enum found_state state = found_run(&t->found, cmd, a, &slice);
		if (state != FOUND_ALL)
			return state == FOUND_AGAIN ? found_pause(&t->found, cmd) : OP_DONE;
	}
	if (t->phase != THREADING_TELLS) {
		enum store_err err = STORE_OK;
		bool made = make_threads(t, cmd, a, &slice, &err);
		if (err)
			command_store_error(cmd, err);
		if (!made)
			return err ? OP_DONE : OP_AGAIN;
		t->phase = THREADING_TELLS;
	}
	cmd->more = cmd->open = !write_answer(t, cmd, a);
	command_store_error(cmd, t->found.search.err);
	return OP_DONE;
}

enum step cmd_thread(struct session *session, struct command *cmd)
{
	struct threading *t = arena_alloc(&cmd->arena, sizeof(*t));
	cmd->state = t;
	cmd->finish = threading_finish;
	if (!found_init(&t->found, session, cmd))
		return STEP_DONE;
	buf_init(&t->text, LIMIT_KEPT_BYTES);
	const unsigned char what[] = {'T', (unsigned char)cmd->request.search.algorithm, cmd->request.uid};
	keeping_init(&t->keeping, &t->found.search, (struct bytes){what, sizeof(what)});
	return session_op(session, cmd, thread_run);
}
