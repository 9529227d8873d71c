#include "server/deliver.h"

#include "server/intake.h"
#include "storage/append.h"
#include "storage/flagset.h"

static enum store_err store_message(struct account *a, const struct append_message *m, struct append_item *out)
{
	struct flag_spec spec = {m->flags, m->keywords.ptr ? m->keywords.ptr : ""};
	struct intake *in = intake_create(a, UINT32_MAX);
	enum store_err err = flagset_apply(a, 0, FLAG_SET, &spec, &out->flagset);
	out->internal_date = m->has_date ? m->date : a->env->now_s(a->env->ctx);
	out->zone_min = m->has_date ? m->zone_min : 0;
	if (!err)
		err = intake_write(in, span_make(m->data, m->len));
	if (!err)
		err = intake_finish(in, &out->content, &out->size);
	intake_destroy(in);
	return err;
}

enum store_err deliver_message(struct account *a, int64_t mailbox, const struct append_message *messages, size_t n,
			       uint32_t *first_uid)
{
	struct append_item *items = xcalloc(n, sizeof(*items));
	enum store_err err = STORE_OK;
	for (size_t i = 0; i < n && !err; i++)
		err = store_message(a, &messages[i], &items[i]);
	if (!err)
		err = messages_append(a, mailbox, items, (uint32_t)n, first_uid);
	free(items);
	return err;
}
