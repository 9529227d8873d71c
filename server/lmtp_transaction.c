#include "server/lmtp_transaction.h"

#include "server/accounts.h"
#include "server/domain_counts.h"
#include "server/lane.h"
#include "server/log.h"
#include "server/server.h"
#include "storage/usage.h"

enum { FIRST_CHUNK_BYTES = LIMIT_LMTP_MEMORY_BYTES, CHUNK_BYTES = LIMIT_LMTP_CHUNK_BYTES };

struct transaction *transaction_create(struct span sender, uint64_t message_bytes_max, const struct delivery_rules *rules)
{
	struct transaction *t = xcalloc(1, sizeof(*t));
	t->references = 1;
	t->message_bytes_max = message_bytes_max;
	t->rules = *rules;
	arena_init(&t->arena);
	t->sender = arena_copy(&t->arena, sender);
	buf_init(&t->chunk, FIRST_CHUNK_BYTES + CHUNK_BYTES);
	return t;
}

void transaction_release(struct transaction *t)
{
	if (!t || --t->references > 0)
		return;
	delivery_destroy(t->delivery);
	buf_finish(&t->chunk);
	free(t->recipients);
	arena_finish(&t->arena);
	free(t);
}

void transaction_add_recipient(struct transaction *t, const struct alias_target *user, struct span detail, bool more)
{
	t->recipients = xrealloc(t->recipients, (t->recipients_n + 1) * sizeof(*t->recipients));
	struct recipient *r = &t->recipients[t->recipients_n++];
	*r = (struct recipient){.address = arena_copy(&t->arena, span_of(user->address)),
				.detail = arena_copy(&t->arena, detail),
				.more = more};
	memcpy(r->account, user->account, sizeof(r->account));
}

void transaction_begin_data(struct transaction *t, struct accounts *accounts, struct span head)
{
	t->delivery = delivery_create(accounts, t->message_bytes_max, head, &t->rules);
}

/* ---- ops ---- */

struct transaction_op {
	struct op op;
	struct transaction *transaction; /* a reference */
	struct lane *lane;               /* a reference */
	size_t recipient;
	bool ran;
	/* A delivery. */
	struct delivery_copy copy;
	bool copied;
	bool refuse_over_quota; /* for good; read on the lane */
	enum store_err err;
	uint32_t uid;
};

static struct transaction_op *make_op(struct transaction *t, struct conn *c, size_t recipient)
{
	struct transaction_op *o = xcalloc(1, sizeof(*o));
	o->transaction = t;
	o->recipient = recipient;
	o->lane = accounts_acquire(c->loop->server->accounts, t->recipients[recipient].account);
	t->references++;
	return o;
}

static void destroy_op(struct transaction_op *o)
{
	op_finish(&o->op);
	accounts_release(o->lane);
	transaction_release(o->transaction);
	free(o);
}

/* ---- octets to the delivery ---- */

static void submit_chunk(struct transaction *t, struct conn *c);

static enum op_result chunk_run(struct op *op, struct account *account)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	struct transaction *t = o->transaction;
	(void)account; /* only its turn with a worker is wanted */
	o->ran = true;
	o->err = delivery_write(t->delivery, buf_span(&t->chunk));
	buf_finish(&t->chunk);
	if (!o->err && t->ended)
		o->err = delivery_seal(t->delivery);
	return OP_DONE;
}

static void chunk_done(struct op *op, struct conn *conn)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	struct transaction *t = o->transaction;
	bool again = !o->ran && ++t->feeder < t->recipients_n; /* that account cannot be opened: another's lane will do */
	t->chunk_is_away = false;
	if (conn && again)
		submit_chunk(t, conn);
	destroy_op(o);
	if (conn && !again)
		conn->user->on_data(conn);
}

static void submit_chunk(struct transaction *t, struct conn *c)
{
	struct transaction_op *o = make_op(t, c, t->feeder);
	op_init(&o->op, "LMTP data", chunk_run, chunk_done);
	t->has_begun_chunks = t->chunk_is_away = true;
	conn_submit(c, o->lane, &o->op);
}

/* Nobody can be delivered to, or the message is refused already: the octets are only counted. */
static bool is_hopeless(const struct transaction *t)
{
	return t->too_large || t->feeder == t->recipients_n || (!t->chunk_is_away && t->delivery->failed);
}

bool transaction_has_room(const struct transaction *t)
{
	return !t->chunk_is_away;
}

void transaction_add(struct transaction *t, struct conn *c, struct span octets)
{
	invariant(!t->chunk_is_away && !t->ended && octets.len <= CHUNK_BYTES);
	t->received += octets.len;
	t->too_large = t->too_large || t->received > t->message_bytes_max;
	if (is_hopeless(t)) {
		buf_finish(&t->chunk);
		return;
	}
	buf_add_span(&t->chunk, octets);
	if (t->chunk.len >= (t->has_begun_chunks ? CHUNK_BYTES : FIRST_CHUNK_BYTES))
		submit_chunk(t, c);
}

void transaction_end_data(struct transaction *t)
{
	t->ended = true;
}

/* ---- the delivery to the accounts ---- */

static void write_head(const struct transaction_op *o, struct buf *out)
{
	const struct transaction *t = o->transaction;
	buf_init(out, 2 * LMTP_PATH_MAX + 1000);
	trace_write_recipient(out, t->sender, t->recipients[o->recipient].address);
}

/* The whole of a small message, or the end of what was begun. */
static enum store_err begin_copy(struct transaction_op *o, struct account *a)
{
	struct transaction *t = o->transaction;
	enum store_err err = t->delivery->failed;
	if (!delivery_is_sealed(t->delivery)) {
		err = delivery_write(t->delivery, buf_span(&t->chunk));
		buf_finish(&t->chunk);
		if (!err)
			err = delivery_seal(t->delivery);
	}
	o->refuse_over_quota = o->lane->settings.now.value[SETTING_QUOTA_REFUSE];
	if (!err)
		err = usage_check_room(a, t->delivery->size);
	if (err)
		return err;
	struct buf head;
	write_head(o, &head);
	delivery_copy_begin(&o->copy, t->delivery, a, buf_span(&head));
	buf_finish(&head);
	return STORE_OK;
}

static enum op_result copy_run(struct op *op, struct account *a)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	struct slice slice;
	bool more = false;
	o->ran = true;
	slice_begin(&slice);
	if (!o->copy.delivery)
		o->err = begin_copy(o, a);
	if (!o->err)
		o->err = delivery_copy_write(&o->copy, &slice, &more);
	if (more && !o->err)
		return OP_AGAIN;
	o->copied = !o->err;
	if (o->err)
		delivery_copy_end(&o->copy);
	return OP_DONE;
}

static enum op_result publish_run(struct op *op, struct account *a)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	bool more = false;
	o->ran = true;
	if (!o->copied) {
		struct slice whole = {.until_us = UINT64_MAX}; /* it is small */
		o->err = begin_copy(o, a);
		if (!o->err)
			o->err = delivery_copy_write(&o->copy, &whole, &more);
	}
	if (!o->err)
		o->err = delivery_copy_publish(&o->copy, a, o->transaction->recipients[o->recipient].detail, &o->uid);
	delivery_copy_end(&o->copy);
	return o->err ? OP_FAILED : OP_DONE;
}

/* A copy that nobody will publish: its writer belongs to the lane. */
static enum op_result release_run(struct op *op, struct account *a)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	(void)a;
	delivery_copy_end(&o->copy);
	return OP_DONE;
}

static void release_done(struct op *op, struct conn *conn)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	(void)conn;
	delivery_copy_end(&o->copy); /* an account that cannot be opened has nobody beside us */
	op_finish(&o->op);
	accounts_release(o->lane);
	free(o);
}

static enum lmtp_reply reply_of(const struct transaction_op *o)
{
	enum store_err lost = o->op.err == STORE_FULL ? STORE_FULL : STORE_IO;
	enum store_err err = o->ran && o->op.fate == OP_RAN ? o->err : lost;
	switch ((int)err) {
	case STORE_OK:
		return o->uid ? LMTP_REPLY_DELIVERED : LMTP_REPLY_DELIVERED_BEFORE;
	case STORE_CANNOT:
		return LMTP_REPLY_HAS_NUL;
	case STORE_LIMIT:
		return LMTP_REPLY_TOO_LARGE;
	case STORE_OVERQUOTA:
		return o->refuse_over_quota ? LMTP_REPLY_OVER_QUOTA : LMTP_REPLY_OVER_QUOTA_NOW;
	case STORE_FULL:
		return LMTP_REPLY_NO_SPACE;
	default:
		return LMTP_REPLY_TRY_AGAIN;
	}
}

static void deliver_done(struct op *op, struct conn *conn);

static void submit_publish(struct transaction_op *o, struct conn *c)
{
	op_init(&o->op, "LMTP delivery", publish_run, deliver_done);
	o->op.login = "lmtp"; /* for the journal */
	o->op.writes = true;
	o->ran = false;
	conn_submit(c, o->lane, &o->op);
}

/* The op goes back to its lane to end what it holds there; it needs the transaction no more. */
static void dispose_copy(struct transaction_op *o)
{
	struct transaction *t = o->transaction;
	o->copy.delivery = NULL;
	o->op = (struct op){0};
	op_init(&o->op, "LMTP release", release_run, release_done);
	lane_submit(o->lane, &o->op);
	transaction_release(t);
}

static void count(struct server *server, const struct recipient *r)
{
	char address[ADDRESS_MAX + 1];
	snprintf(address, sizeof(address), "%.*s", (int)r->address.len, r->address.ptr);
	struct domain_counts *domain = domain_table_get(server->domains, address_domain(address));
	bool deferred = lmtp_replies[r->reply].code[0] == '4';
	if (r->reply == LMTP_REPLY_DELIVERED) {
		counter_add(&server->counters, COUNT_DELIVERED, 1);
		domain_count(domain, DOMAIN_DELIVERIES, 1);
	} else if (r->reply == LMTP_REPLY_DELIVERED_BEFORE) {
		counter_add(&server->counters, COUNT_DELIVERED_BEFORE, 1);
	} else {
		counter_add(&server->counters, deferred ? COUNT_DELIVERIES_DEFERRED : COUNT_DELIVERIES_REFUSED, 1);
		domain_count(domain, deferred ? DOMAIN_DELIVERIES_DEFERRED : DOMAIN_DELIVERIES_REFUSED, 1);
	}
}

static void answer(struct transaction_op *o, struct conn *c)
{
	struct recipient *r = &o->transaction->recipients[o->recipient];
	r->reply = reply_of(o);
	r->done = true;
	count(c->loop->server, r);
	if (r->reply == LMTP_REPLY_DELIVERED)
		log_event(LOG_INFO, "delivered", log_span("user", r->address), log_span("sender", o->transaction->sender),
			  log_number("uid", o->uid), log_number("size", (int64_t)o->transaction->delivery->size));
	else if (r->reply == LMTP_REPLY_DELIVERED_BEFORE)
		log_event(LOG_INFO, "delivered_before", log_span("user", r->address), log_span("sender", o->transaction->sender));
	else
		log_event(LOG_WARNING, "not_delivered", log_span("user", r->address),
			  log_span("sender", o->transaction->sender), log_text("reply", lmtp_replies[r->reply].text));
}

static void deliver_done(struct op *op, struct conn *conn)
{
	struct transaction_op *o = container_of(op, struct transaction_op, op);
	struct transaction *t = o->transaction;
	if (conn && o->copied && op->fate == OP_RAN && !op->writes) {
		op_finish(op);
		*op = (struct op){0};
		submit_publish(o, conn);
		return;
	}
	t->away--;
	if (conn)
		answer(o, conn);
	if (o->copy.writer) {
		op_finish(op);
		dispose_copy(o);
	} else {
		destroy_op(o);
	}
	if (conn)
		conn->user->on_data(conn);
}

static void begin_recipient(struct transaction *t, struct conn *c, size_t i)
{
	struct transaction_op *o = make_op(t, c, i);
	t->recipients[i].begun = true;
	t->away++;
	if (t->has_begun_chunks) {
		op_init(&o->op, "LMTP copy", copy_run, deliver_done);
		conn_submit(c, o->lane, &o->op);
	} else {
		submit_publish(o, c);
	}
}

/* What is refused as a whole, without asking the accounts. */
static bool refused(const struct transaction *t, enum lmtp_reply *out)
{
	if (t->too_large || t->delivery->failed == STORE_LIMIT)
		*out = LMTP_REPLY_TOO_LARGE;
	else if (t->delivery->failed == STORE_CANNOT)
		*out = LMTP_REPLY_HAS_NUL;
	else if (t->delivery->failed == STORE_FULL)
		*out = LMTP_REPLY_NO_SPACE;
	else if (t->delivery->failed || t->feeder == t->recipients_n)
		*out = LMTP_REPLY_TRY_AGAIN;
	else
		return false;
	return true;
}

/* What is to be tried again for one is tried again for all; what cannot be had is told, though others have it. */
static enum lmtp_reply worse(enum lmtp_reply a, enum lmtp_reply b)
{
	static const char order[] = "254"; /* of the codes */
	return strchr(order, lmtp_replies[b].code[0]) > strchr(order, lmtp_replies[a].code[0]) ? b : a;
}

static void write_replies(struct transaction *t, struct conn *c)
{
	while (t->answered < t->recipients_n) {
		size_t end = t->answered;
		enum lmtp_reply reply = t->recipients[end].reply;
		for (; t->recipients[end].more && t->recipients[end].done; end++)
			reply = worse(reply, t->recipients[end + 1].reply);
		if (!t->recipients[end].done)
			return;
		lmtp_reply(conn_out(c), reply);
		t->answered = end + 1;
	}
}

bool transaction_step(struct transaction *t, struct conn *c)
{
	enum lmtp_reply reply;
	invariant(t->ended);
	if (t->chunk_is_away)
		return false;
	/* Until somebody has sealed it only one recipient may have it. */
	t->is_whole = t->is_whole || (t->away == 0 && delivery_is_sealed(t->delivery));
	if (!t->is_whole && t->has_begun_chunks && !is_hopeless(t)) {
		submit_chunk(t, c); /* the last one */
		return false;
	}
	if ((t->is_whole || t->away == 0) && refused(t, &reply)) {
		for (; t->begun < t->recipients_n; t->begun++) {
			t->recipients[t->begun].reply = reply;
			t->recipients[t->begun].done = true;
		}
	}
	size_t most = t->is_whole ? LIMIT_LMTP_COPIES : 1;
	while (t->begun < t->recipients_n && t->away < most)
		begin_recipient(t, c, t->begun++);
	write_replies(t, c);
	return t->answered == t->recipients_n;
}
