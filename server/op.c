#include "server/op.h"

#include "server/conn.h"

void op_init(struct op *op, const char *kind, enum op_result (*run)(struct op *, struct account *),
	     void (*done)(struct op *, struct conn *))
{
	op->kind = kind;
	op->run = run;
	op->done = done;
	arena_init(&op->arena);
}

void op_finish(struct op *op)
{
	arena_finish(&op->arena);
}

void op_cancel(struct op *op)
{
	atomic_store_explicit(&op->cancelled, true, memory_order_relaxed);
}

static void deliver_op(struct letter *letter, struct loop *loop)
{
	conn_deliver(loop, container_of(letter, struct op, letter));
}

void op_release(struct op *op)
{
	if (!op->ticket.loop) {
		op->done(op, NULL);
		return;
	}
	op->letter.deliver = deliver_op;
	loop_post(op->ticket.loop, &op->letter);
}
