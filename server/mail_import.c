#include "server/mail_import.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/name.h"
#include "server/intake.h"
#include "server/slice.h"
#include "storage/adopt.h"
#include "storage/append.h"
#include "storage/flagset.h"
#include "storage/gone.h"
#include "storage/mailbox.h"

struct mail_import {
	uint64_t number; /* this one among those of the account */
	const char *only;
	void (*report)(void *ctx, const char *mailbox, const char *source, const char *what);
	void *ctx;
	struct mail_import_counts counts;
	/* The mailbox. */
	int64_t mailbox; /* 0: none yet */
	char name[MAILBOX_NAME_BYTES_MAX + 1];
	bool keeps_uids;
	uint32_t uidnext; /* as it was elsewhere */
	int64_t *had;     /* contents of the messages it had before, ascending */
	unsigned char *had_again; /* that one has come */
	uint32_t had_n;
	/* The message. */
	struct intake *intake;
	struct append_item item;
	struct flag_spec flags;
	char *keywords, source[TRANSFER_SOURCE_MAX + 1];
	bool had_nul;
};

struct mail_import *mail_import_create(struct account *a, const char *only,
				       void (*report)(void *ctx, const char *mailbox, const char *source, const char *what),
				       void *ctx)
{
	struct mail_import *im = xcalloc(1, sizeof(*im));
	im->number = a->importing = slice_now_us();
	im->only = only;
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
	free(im->had);
	free(im->had_again);
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

static int content_order(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return (a > b) - (a < b);
}

static enum store_err note_contents(struct mail_import *im, struct account *a)
{
	struct roster *r;
	struct roster_slice s;
	if (im->only && im->had)
		return STORE_OK; /* those that came from another mailbox just now are not meant */
	enum store_err err = roster_get(a, im->mailbox, &r);
	if (err)
		return err;
	free(im->had);
	free(im->had_again);
	im->had = xmalloc(r->uids.n * sizeof(*im->had));
	im->had_again = xcalloc(r->uids.n, 1);
	im->had_n = 0;
	for (uint32_t at = 0; roster_slice_at(r, at, &s); at += s.n)
		for (uint32_t i = 0; i < s.n; i++)
			im->had[im->had_n++] = s.content[i];
	qsort(im->had, im->had_n, sizeof(*im->had), content_order);
	return STORE_OK;
}

/* One of the messages that the mailbox had is this one, and has not come yet. */
static bool had_it(struct mail_import *im, int64_t content)
{
	size_t lo = 0, hi = im->had_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (im->had[mid] < content)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < im->had_n && im->had[lo] == content; lo++) {
		if (im->had_again[lo])
			continue;
		im->had_again[lo] = 1;
		return true;
	}
	return false;
}

/* The numbers its clients knew of the mailbox before hold to its end. */
static enum store_err end_mailbox(struct mail_import *im, struct account *a)
{
	enum store_err err = STORE_OK;
	if (im->mailbox && im->keeps_uids)
		err = mailbox_raise_uidnext(a, im->mailbox, im->uidnext);
	im->mailbox = 0;
	return err;
}

static enum store_err begin_mailbox(struct mail_import *im, struct account *a, struct span body)
{
	struct transfer_mailbox m;
	if (im->intake || !transfer_get_mailbox(body, &m))
		return STORE_CANNOT;
	enum store_err err = end_mailbox(im, a);
	im->source[0] = '\0';
	if (!make_name(im->only ? im->only : m.name, im->name) && !err) {
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
	if (!err && !im->only)
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
	if (im->only || !make_name(name, within))
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
static enum store_err look_for_uid(struct mail_import *im, struct account *a, bool *known)
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
		*known = e.uid == im->item.uid && e.content == im->item.content && had_it(im, e.content);
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
	if (!im->intake)
		return STORE_CANNOT;
	if (im->had_nul)
		tell(im, "it holds NUL octets, which no message may: each is kept as an octet of 0x80");
	enum store_err err = intake_finish(im->intake, &im->item.content, &im->item.size);
	if (err == STORE_LIMIT) {
		tell(im, "it is larger than 4 GiB, and is not taken in");
		drop_message(im);
		return STORE_OK;
	}
	if (!err && im->item.uid)
		err = look_for_uid(im, a, &known);
	if (!err && !im->item.uid)
		known = had_it(im, im->item.content);
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
		im->source[0] = '\0';
		tell(im, text);
		return STORE_OK;
	}
	return STORE_CANNOT;
}

enum store_err mail_import_end(struct mail_import *im, struct account *a)
{
	return im->intake ? STORE_CANNOT : end_mailbox(im, a);
}
