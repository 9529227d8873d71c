#include "server/mail_import.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/name.h"
#include "server/intake.h"
#include "server/mail_had.h"
#include "server/slice.h"
#include "storage/adopt.h"
#include "storage/append.h"
#include "storage/flagset.h"
#include "storage/expunge.h"
#include "storage/gone.h"
#include "storage/mailbox.h"
#include "storage/store.h"

/* A mailbox that came. */
struct mail_import_box {
	int64_t mailbox;
	char *name;
	bool unsure;           /* not all of it came, or it came in pieces */
	struct uidset missing; /* what earlier imports brought, and did not come now */
};

struct mail_import {
	uint64_t number; /* this one among those of the account */
	struct mail_import_rules how;
	void (*report)(void *ctx, const char *mailbox, const char *source, const char *what);
	void *ctx;
	struct mail_import_counts counts;
	/* The mailbox. */
	int64_t mailbox; /* 0: none yet */
	char name[MAILBOX_NAME_BYTES_MAX + 1];
	bool keeps_uids;
	uint32_t uidnext; /* as it was elsewhere */
	struct mail_had had; /* what it had before */
	bool knows_had;
	struct imported imported; /* by earlier runs */
	bool knows_imported;
	struct mail_import_box *boxes;
	size_t boxes_n, boxes_cap, box; /* the present one */
	/* The message. */
	struct intake *intake;
	struct append_item item;
	struct flag_spec flags;
	char *keywords, source[TRANSFER_SOURCE_MAX + 1];
	bool had_nul;
};

struct mail_import *mail_import_create(struct account *a, const struct mail_import_rules *how,
				       void (*report)(void *ctx, const char *mailbox, const char *source, const char *what),
				       void *ctx)
{
	struct mail_import *im = xcalloc(1, sizeof(*im));
	im->number = a->importing = slice_now_us();
	im->how = *how;
	im->report = report;
	im->ctx = ctx;
	return im;
}

static void drop_message(struct mail_import *im)
{
	intake_destroy(im->intake);
	free(im->keywords);
	im->intake = NULL;
	im->keywords = NULL;
}

void mail_import_destroy(struct mail_import *im)
{
	if (!im)
		return;
	drop_message(im);
	mail_had_finish(&im->had);
	imported_finish(&im->imported);
	for (size_t i = 0; i < im->boxes_n; i++) {
		uidset_finish(&im->boxes[i].missing);
		free(im->boxes[i].name);
	}
	free(im->boxes);
	free(im);
}

struct mail_import_counts mail_import_result(const struct mail_import *im)
{
	return im->counts;
}

static void tell(struct mail_import *im, const char *what)
{
	im->counts.problems++;
	im->report(im->ctx, im->name, im->source, what);
}

/* ---- mailboxes ---- */

/* The name as mailboxes here are called: in NFC; what no name may hold becomes '_'.  True: it is as it was. */
static bool make_name(const char *name, char out[MAILBOX_NAME_BYTES_MAX + 1])
{
	struct arena arena;
	struct span within;
	char safe[MAILBOX_NAME_BYTES_MAX + 1];
	bool as_it_was = true;
	arena_init(&arena);
	size_t len = strnlen(name, MAILBOX_NAME_BYTES_MAX);
	memcpy(safe, name, len);
	if (!name_decode(&arena, span_make(safe, len), DIALECT_UTF8, &within) || name[len]) {
		as_it_was = false;
		for (size_t i = 0; i < len; i++) {
			unsigned char c = (unsigned char)safe[i];
			bool dot = c == '.' && (i == 0 || safe[i - 1] == '/') &&
				   (i + 1 == len || safe[i + 1] == '/' || safe[i + 1] == '.');
			bool empty = c == '/' && (i == 0 || safe[i - 1] == '/' || i + 1 == len);
			if (c < 0x20 || c >= 0x7f || c == '%' || c == '*' || dot || empty)
				safe[i] = '_';
		}
		if (!name_decode(&arena, span_make(safe, len), DIALECT_UTF8, &within))
			within = span_of("Imported");
	}
	snprintf(out, MAILBOX_NAME_BYTES_MAX + 1, "%.*s", (int)within.len, within.ptr);
	arena_finish(&arena);
	return as_it_was;
}

static enum store_err note_contents(struct mail_import *im, struct account *a)
{
	if (im->how.only && im->knows_had)
		return STORE_OK; /* those that came from another mailbox just now are not meant */
	im->knows_had = true;
	return mail_had_load(&im->had, a, im->mailbox, &im->imported, im->how.update && !im->keeps_uids);
}

/* The box of the mailbox that begins. */
static void note_box(struct mail_import *im)
{
	for (size_t i = 0; i < im->boxes_n; i++) {
		if (im->boxes[i].mailbox != im->mailbox)
			continue;
		im->boxes[i].unsure |= !im->how.only;
		im->box = i;
		return;
	}
	if (im->boxes_n == im->boxes_cap) {
		im->boxes_cap = im->boxes_cap ? 2 * im->boxes_cap : 16;
		im->boxes = xrealloc(im->boxes, im->boxes_cap * sizeof(*im->boxes));
	}
	im->box = im->boxes_n++;
	im->boxes[im->box] = (struct mail_import_box){.mailbox = im->mailbox, .name = strdup(im->name)};
	invariant(im->boxes[im->box].name);
}

/* The numbers its clients knew of the mailbox before hold to its end. */
static enum store_err end_mailbox(struct mail_import *im, struct account *a, bool is_last)
{
	enum store_err err = STORE_OK;
	if (im->mailbox && im->keeps_uids)
		err = mailbox_raise_uidnext(a, im->mailbox, im->uidnext);
	if (im->mailbox && im->how.update && (is_last || !im->how.only))
		mail_had_missing(&im->had, &im->boxes[im->box].missing);
	im->mailbox = 0;
	return err;
}

static enum store_err begin_mailbox(struct mail_import *im, struct account *a, struct span body)
{
	struct transfer_mailbox m;
	if (im->intake || !transfer_get_mailbox(body, &m))
		return STORE_CANNOT;
	enum store_err err = end_mailbox(im, a, false);
	im->source[0] = '\0';
	if (!make_name(im->how.only ? im->how.only : m.name, im->name) && !err) {
		snprintf(im->source, sizeof(im->source), "%s", m.name);
		tell(im, "no mailbox here can have this name; its mail goes into the one named before it");
		im->source[0] = '\0';
	}
	if (!err)
		err = mailbox_find(a, im->name, &im->mailbox);
	if (err == STORE_NOTFOUND)
		err = mailbox_create(a, im->name, m.special, &im->mailbox);
	im->counts.mailboxes++;
	im->uidnext = m.uidnext;
	im->keeps_uids = false;
	if (!err)
		note_box(im);
	if (!err && !im->how.only)
		err = mailbox_adopt(a, im->mailbox, m.uidvalidity, &im->keeps_uids);
	if (!err && m.uidvalidity && !im->keeps_uids)
		tell(im, "UIDVALIDITY and UIDs are not taken over: the mailbox has had mail; clients will fetch it again");
	if (!err && m.subscribed)
		err = subscription_add(a, im->name);
	return err ? err : note_contents(im, a);
}

static enum store_err subscribe(struct mail_import *im, struct account *a, struct span body)
{
	const char *name;
	char within[MAILBOX_NAME_BYTES_MAX + 1];
	if (im->intake || !transfer_get_text(body, &name))
		return STORE_CANNOT;
	if (im->how.only || !make_name(name, within))
		return STORE_OK; /* it is only a wish, and such a mailbox cannot be */
	return subscription_add(a, within);
}

/* ---- messages ---- */

static bool is_keyword(const char *at, size_t len)
{
	bool is = len > 0 && len <= FLAG_KEYWORD_BYTES_MAX && at[0] != '\\';
	for (size_t i = 0; i < len && is; i++)
		is = (unsigned char)at[i] > 0x20 && (unsigned char)at[i] < 0x7f && !strchr("(){%*\"\\]", at[i]);
	return is;
}

/* Those that can be keywords, as many as a message may have; NULL with a report where some are lost. */
static char *take_keywords(struct mail_import *im, const char *keywords)
{
	char *out = xmalloc(strlen(keywords) + 2), *to = out;
	unsigned n = 0, lost = 0;
	for (const char *at = keywords; *at;) {
		size_t len = strcspn(at, " ");
		bool fits = is_keyword(at, len) && n < FLAG_KEYWORDS_MAX;
		if (fits) {
			if (n++)
				*to++ = ' ';
			memcpy(to, at, len);
			to += len;
		}
		lost += len && !fits;
		at += len + (at[len] == ' ');
	}
	*to = '\0';
	if (lost)
		tell(im, "some of its keywords cannot be kept here");
	return out;
}

static enum store_err begin_message(struct mail_import *im, struct account *a, struct span body)
{
	struct transfer_message m;
	const uint32_t all = FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_SEEN | FLAG_DRAFT;
	if (!im->mailbox || im->intake || !transfer_get_message(body, &m))
		return STORE_CANNOT;
	snprintf(im->source, sizeof(im->source), "%s", m.source);
	im->item = (struct append_item){.internal_date = m.internal_date, .zone_min = m.zone_min,
					.uid = im->keeps_uids && m.uid < UINT32_MAX - 1 ? m.uid : 0};
	im->keywords = take_keywords(im, m.keywords);
	im->flags = (struct flag_spec){m.system & all, im->keywords};
	im->had_nul = false;
	im->intake = intake_create(a, UINT32_MAX, false);
	return STORE_OK;
}

/* No message may hold a NUL (RFC 3501 4.3): each becomes another octet that means nothing. */
static enum store_err take_data(struct mail_import *im, struct span bytes)
{
	char copy[TRANSFER_RECORD_MAX];
	if (!im->intake || bytes.len > sizeof(copy))
		return STORE_CANNOT;
	if (bytes.len && memchr(bytes.ptr, 0, bytes.len)) {
		for (size_t i = 0; i < bytes.len; i++)
			copy[i] = bytes.ptr[i] ? bytes.ptr[i] : (char)0x80;
		bytes.ptr = copy;
		im->had_nul = true;
	}
	enum store_err err = intake_write(im->intake, bytes);
	return err == STORE_LIMIT ? STORE_OK : err; /* told at its end */
}

/* Is the message there, or was it, under its UID?  Where neither is so it gets another UID. */
static enum store_err look_for_uid(struct mail_import *im, struct account *a, bool *known, uint32_t *uid)
{
	struct roster *r;
	struct ghosts ghosts;
	struct uidset one = {0};
	enum store_err err = roster_get(a, im->mailbox, &r);
	if (err || im->item.uid >= r->info.uidnext)
		return err;
	uint32_t at = roster_lower(r, im->item.uid);
	if (at < r->uids.n) {
		struct roster_entry e;
		roster_read(r, at, &e);
		*known = e.uid == im->item.uid && e.content == im->item.content && mail_had_take(&im->had, e.content, e.uid);
		*uid = *known ? e.uid : 0;
		if (!*known && e.uid == im->item.uid)
			tell(im, "its UID is another message's here: it gets a new one");
	}
	if (!*known && !(at < r->uids.n && uids_at(&r->uids, at) == im->item.uid)) {
		uidset_append(&one, im->item.uid, im->item.uid);
		err = ghosts_load(a, im->mailbox, r->info.floor, &one, &ghosts);
		*known = !err && ghosts.n > 0;
		ghosts_finish(&ghosts);
		uidset_finish(&one);
	}
	if (!err && !*known)
		im->item.uid = 0;
	return err;
}

static enum store_err set_flags(struct mail_import *im, struct account *a)
{
	enum store_err err = flagset_apply(a, 0, FLAG_SET, &im->flags, &im->item.flagset);
	if (err != STORE_LIMIT)
		return err;
	tell(im, "its keywords are lost: there are too many different ones");
	im->flags.keywords = "";
	return flagset_apply(a, 0, FLAG_SET, &im->flags, &im->item.flagset);
}

static enum store_err look_for(struct mail_import *im, struct account *a, bool *known, uint32_t *uid)
{
	enum store_err err = im->item.uid ? look_for_uid(im, a, known, uid) : STORE_OK;
	if (err || im->item.uid)
		return err;
	const struct mail_had_message *had = mail_had_take(&im->had, im->item.content, 0);
	*known = had != NULL;
	*uid = had ? had->uid : 0;
	return STORE_OK;
}

static enum store_err read_entry(struct account *a, int64_t mailbox, uint32_t uid, struct roster_entry *out)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	uint32_t at = roster_lower(r, uid);
	if (at == r->uids.n)
		return STORE_NOTFOUND;
	roster_read(r, at, out);
	return out->uid == uid ? STORE_OK : STORE_NOTFOUND;
}

/* The flags that the message has there, unless it was changed here since. */
static enum store_err update_flags(struct mail_import *im, struct account *a, uint32_t uid)
{
	struct roster_entry e;
	struct uidset one = {0}, changed = {0};
	enum store_err err = read_entry(a, im->mailbox, uid, &e);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err; /* it was removed just now */
	err = set_flags(im, a);
	if (err || im->item.flagset == e.flagset)
		return err;
	if (!im->how.overwrite && !imported_has(&im->imported, e.modseq)) {
		im->counts.kept++;
		return STORE_OK;
	}
	uidset_append(&one, uid, uid);
	err = messages_store(a, im->mailbox, &one, FLAG_SET, &im->flags, &changed);
	im->counts.updated += !err;
	if (err == STORE_LIMIT) {
		tell(im, "its flags are not brought over: there are too many different keywords in the mailbox");
		err = STORE_OK;
	}
	uidset_finish(&one);
	uidset_finish(&changed);
	return err;
}

static enum store_err publish(struct mail_import *im, struct account *a)
{
	uint32_t uid;
	enum store_err err = set_flags(im, a);
	if (!err)
		err = messages_append(a, im->mailbox, &im->item, 1, &uid);
	if (err == STORE_LIMIT && *im->flags.keywords) { /* of the mailbox */
		tell(im, "its keywords are lost: there are too many different ones in the mailbox");
		im->flags.keywords = "";
		err = set_flags(im, a);
		if (!err)
			err = messages_append(a, im->mailbox, &im->item, 1, &uid);
	}
	if (!err)
		im->counts.messages++;
	return err;
}

static enum store_err end_message(struct mail_import *im, struct account *a)
{
	bool known = false;
	uint32_t uid = 0; /* of the one here, where it is known and was not removed */
	if (!im->intake)
		return STORE_CANNOT;
	if (im->had_nul)
		tell(im, "it holds NUL octets, which no message may: each is kept as an octet of 0x80");
	enum store_err err = intake_finish(im->intake, &im->item.content, &im->item.size);
	if (err == STORE_LIMIT) {
		tell(im, "it is larger than 4 GiB, and is not taken in");
		im->boxes[im->box].unsure = true;
		drop_message(im);
		return STORE_OK;
	}
	if (!err)
		err = look_for(im, a, &known, &uid);
	if (!err && known && uid && im->how.update)
		err = update_flags(im, a, uid);
	if (!err && known)
		im->counts.known++;
	else if (!err)
		err = publish(im, a);
	drop_message(im);
	return err;
}

enum store_err mail_import_take(struct mail_import *im, struct account *a, const struct transfer_record *record)
{
	const char *text;
	/* Two at once would not know of each other's messages; the older one is mostly a command that was killed. */
	if (a->importing == 0)
		a->importing = im->number; /* the account was closed in between */
	if (a->importing != im->number)
		return STORE_BUSY;
	enum store_err err = im->knows_imported ? STORE_OK : imported_load(a, &im->imported);
	im->knows_imported = true;
	if (err)
		return err;
	switch (record->type) {
	case TRANSFER_TOTAL:
		return STORE_OK;
	case TRANSFER_MAILBOX:
		return begin_mailbox(im, a, record->body);
	case TRANSFER_SUBSCRIPTION:
		return subscribe(im, a, record->body);
	case TRANSFER_MESSAGE:
		return begin_message(im, a, record->body);
	case TRANSFER_DATA:
		return take_data(im, record->body);
	case TRANSFER_MESSAGE_END:
		return end_message(im, a);
	case TRANSFER_PROBLEM:
		if (im->intake || !transfer_get_text(record->body, &text))
			break;
		/* What cannot be read may be there all the same. */
		if (im->mailbox)
			im->boxes[im->box].unsure = true;
		im->source[0] = '\0';
		tell(im, text);
		return STORE_OK;
	}
	return STORE_CANNOT;
}

/* ---- what is gone there ---- */

/* Of the missing ones those that nobody changed here since. */
static enum store_err still_as_brought(struct mail_import *im, struct account *a, struct mail_import_box *box, struct uidset *out)
{
	struct roster *r;
	struct roster_cursor cursor;
	struct roster_slice s;
	enum store_err err = roster_get(a, box->mailbox, &r);
	if (err)
		return err == STORE_NOTFOUND ? STORE_OK : err;
	roster_cursor_init(&cursor, r, &box->missing);
	while (roster_cursor_next(&cursor, &s))
		for (uint32_t i = 0; i < s.n; i++)
			if (imported_has(&im->imported, s.modseq[i]))
				uidset_append(out, s.uid[i], s.uid[i]);
	uidset_normalise(out);
	return STORE_OK;
}

static enum store_err end_box(struct mail_import *im, struct account *a, struct mail_import_box *box)
{
	struct uidset gone = {0};
	enum store_err err = STORE_OK;
	if (!box->missing.n)
		return STORE_OK;
	err = still_as_brought(im, a, box, &gone);
	uint64_t n = uidset_count(&gone);
	bool deletes = im->how.deletes && !box->unsure;
	if (!err && n && deletes)
		err = messages_remove(a, box->mailbox, &gone);
	if (!err && n && im->how.deletes && box->unsure) {
		snprintf(im->name, sizeof(im->name), "%s", box->name);
		im->source[0] = '\0';
		tell(im, "what seems to be gone there stays, since not all of it could be read");
	}
	if (!err && deletes)
		im->counts.deleted += n;
	else if (!err)
		im->counts.gone += n;
	uidset_finish(&gone);
	return err;
}

enum store_err mail_import_end(struct mail_import *im, struct account *a)
{
	if (im->intake)
		return STORE_CANNOT;
	enum store_err err = end_mailbox(im, a, true);
	for (size_t i = 0; i < im->boxes_n && !err; i++)
		err = end_box(im, a, &im->boxes[i]);
	return err;
}
