#include "server/mail_export.h"

#include "storage/content.h"
#include "storage/flagset.h"
#include "storage/mailbox.h"

struct mail_export {
	struct mailbox_names names;
	const char *only;
	size_t at;       /* in them */
	bool in_mailbox; /* its record is written */
	uint32_t uid;    /* the last message that was begun */
	bool in_message;
	struct roster_entry entry;
	uint64_t offset; /* in it */
	struct mail_export_counts counts;
};

static bool is_wanted(const struct mail_export *ex, const struct mailbox_name *n)
{
	return n->info.id && !n->noselect && (!ex->only || strcmp(ex->only, n->name) == 0);
}

enum store_err mail_export_create(struct account *a, const char *only, struct mail_export **out)
{
	struct mail_export *ex = xcalloc(1, sizeof(*ex));
	ex->only = only;
	enum store_err err = mailbox_list(a, &ex->names);
	size_t wanted = 0;
	for (size_t i = 0; i < ex->names.n && !err; i++)
		wanted += is_wanted(ex, &ex->names.v[i]);
	if (!err && wanted == 0)
		err = STORE_NOTFOUND;
	if (err) {
		mail_export_destroy(ex);
		return err;
	}
	*out = ex;
	return STORE_OK;
}

void mail_export_destroy(struct mail_export *ex)
{
	if (!ex)
		return;
	mailbox_names_finish(&ex->names);
	free(ex);
}

struct mail_export_counts mail_export_result(const struct mail_export *ex)
{
	return ex->counts;
}

static void put_total(const struct mail_export *ex, struct buf *out)
{
	uint64_t messages = 0, bytes = 0;
	for (size_t i = 0; i < ex->names.n; i++) {
		if (is_wanted(ex, &ex->names.v[i])) {
			messages += ex->names.v[i].info.messages;
			bytes += ex->names.v[i].info.bytes;
		}
	}
	transfer_put_total(out, messages, bytes);
}

/* The next name: a mailbox, or what is only subscribed to. */
static void begin_name(struct mail_export *ex, struct buf *out)
{
	const struct mailbox_name *n = &ex->names.v[ex->at];
	if (!is_wanted(ex, n)) {
		if (!ex->only && n->subscribed && (!n->info.id || n->noselect))
			transfer_put_text(out, TRANSFER_SUBSCRIPTION, n->name);
		ex->at++;
		return;
	}
	const struct transfer_mailbox m = {.name = n->name, .uidvalidity = n->info.uidvalidity, .uidnext = n->info.uidnext,
					   .special = n->info.special, .subscribed = n->subscribed};
	transfer_put_mailbox(out, &m);
	ex->counts.mailboxes++;
	ex->in_mailbox = true;
	ex->uid = 0;
}

static void put_message(struct mail_export *ex, const struct account *a, struct buf *out)
{
	const struct flagset *set = flagset_get(a, ex->entry.flagset);
	struct buf keywords;
	buf_init(&keywords, FLAG_KEYWORDS_MAX * (FLAG_KEYWORD_BYTES_MAX + 1) + 1);
	for (uint32_t i = 0; i < set->keywords_n; i++) {
		buf_add_text(&keywords, i ? " " : "");
		buf_add_text(&keywords, keyword_name(a, set->keywords[i]));
	}
	buf_add_char(&keywords, '\0');
	const struct transfer_message m = {.uid = ex->entry.uid, .system = set->system, .keywords = keywords.data,
					   .internal_date = ex->entry.internal_date, .zone_min = ex->entry.zone_min,
					   .size = ex->entry.size};
	transfer_put_message(out, &m);
	buf_finish(&keywords);
}

/* The message behind the last one; at the end of the mailbox on to the next name. */
static enum store_err begin_message(struct mail_export *ex, struct account *a, struct buf *out)
{
	struct roster *r;
	enum store_err err = roster_get(a, ex->names.v[ex->at].info.id, &r);
	if (err && err != STORE_NOTFOUND) /* it was deleted meanwhile */
		return err;
	uint32_t index = err || ex->uid == UINT32_MAX ? UINT32_MAX : roster_lower(r, ex->uid + 1);
	if (err || index >= r->uids.n) {
		ex->in_mailbox = false;
		ex->at++;
		return STORE_OK;
	}
	roster_read(r, index, &ex->entry);
	ex->uid = ex->entry.uid;
	ex->offset = 0;
	ex->in_message = true;
	ex->counts.messages++;
	put_message(ex, a, out);
	return STORE_OK;
}

static void put_damage(struct mail_export *ex, struct buf *out)
{
	char text[MAILBOX_NAME_BYTES_MAX + 100];
	snprintf(text, sizeof(text), "%s: UID %lu is damaged: what is missing of it is left out", ex->names.v[ex->at].name,
		 (unsigned long)ex->uid);
	transfer_put_text(out, TRANSFER_PROBLEM, text);
	ex->counts.problems++;
}

static enum store_err put_bytes(struct mail_export *ex, struct account *a, struct buf *out)
{
	char bytes[TRANSFER_DATA_MAX];
	uint64_t left = ex->entry.size - ex->offset;
	size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
	enum store_err err = n ? content_read(a, ex->entry.content, ex->offset, n, bytes) : STORE_OK;
	if (err && err != STORE_CORRUPT)
		return err;
	if (!err && n)
		transfer_put_data(out, span_make(bytes, n));
	ex->offset += n;
	if (ex->offset < ex->entry.size && !err)
		return STORE_OK;
	transfer_put_text(out, TRANSFER_MESSAGE_END, "");
	ex->in_message = false;
	if (err)
		put_damage(ex, out);
	return STORE_OK;
}

enum store_err mail_export_step(struct mail_export *ex, struct account *a, struct slice *slice, size_t bytes_max,
				struct buf *out, bool *more)
{
	enum store_err err = STORE_OK;
	if (ex->at == 0 && !ex->in_mailbox)
		put_total(ex, out);
	while (!err && ex->at < ex->names.n && out->len < bytes_max && !slice_is_over(slice, 64)) {
		if (ex->in_message)
			err = put_bytes(ex, a, out);
		else if (ex->in_mailbox)
			err = begin_message(ex, a, out);
		else
			begin_name(ex, out);
	}
	*more = !err && ex->at < ex->names.n;
	return err;
}
