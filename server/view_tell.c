/*
 * Telling: from what the view has been told to what the roster is, as untagged responses.
 *
 *	expunges (RFC 3501 7.4.1; VANISHED where RFC 7162 is enabled), then EXISTS and RECENT, then FETCH with new flags; numbers are those after the expunges
 *
 * A round has a fixed end, the roster when it began: its UIDs are `telling.now`, its modseq `telling.modseq`.  A chunk may
 * end anywhere in it; the flags told are always the latest.  What happens meanwhile is the next round's.
 */
#include "server/view.h"

#include "protocol/imap/lexer.h"
#include "protocol/imap/response.h"
#include "protocol/put.h"
#include "server/limits.h"
#include "storage/changes.h"

enum { RUNS_MAX = 1024, LINE_MAX_BYTES = 3 * PUT_U64_MAX + 64 };

static const char system_flags[] = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

static bool is_full(const struct view *v, const struct buf *out)
{
	return out->len >= v->telling.full_bytes;
}

/* ---- flags ---- */

void view_write_keywords(const struct view *v, const struct account *a, struct buf *out)
{
	buf_add_text(out, system_flags);
	for (int id = -1; (id = keyword_set_next(&v->keywords, id + 1)) >= 0;) {
		buf_add_char(out, ' ');
		buf_add_text(out, keyword_name(a, id));
	}
}

bool view_takes_keywords(const struct view *v)
{
	return keyword_set_count(&v->keywords) < MAILBOX_KEYWORDS_MAX;
}

static bool has_new(const struct view *v, const struct flagset *set)
{
	for (uint32_t i = 0; i < set->keywords_n; i++)
		if (!(v->keywords.bits[set->keywords[i] / 64] >> (set->keywords[i] % 64) & 1))
			return true;
	return false;
}

void view_learn(struct view *v, const struct account *a, const struct roster *r, const struct flagset *set,
		struct buf *out)
{
	struct keyword_set used;
	struct buf text;
	if (!has_new(v, set))
		return;
	roster_keywords(a, r, &used);
	for (size_t i = 0; i < countof(used.bits); i++)
		v->keywords.bits[i] |= used.bits[i];
	keyword_set_add(&v->keywords, set);
	buf_init(&text, 1 << 20);
	view_write_keywords(v, a, &text);
	response_flags(out, buf_span(&text));
	if (!v->read_only)
		response_permanent_flags(out, buf_span(&text), view_takes_keywords(v));
	buf_finish(&text);
}

static char *put_flags(char *to, const struct flagset *set, bool recent)
{
	to = put_text(to, "FLAGS (");
	to = put_bytes(to, set->text, set->text_len);
	if (recent) {
		if (set->text_len)
			to = put_char(to, ' ');
		to = put_text(to, "\\Recent");
	}
	return put_char(to, ')');
}

void view_write_flags(struct buf *out, const struct flagset *set, bool recent)
{
	char *to = buf_reserve(out, set->text_len + LINE_MAX_BYTES);
	if (to)
		out->len = (size_t)(put_flags(to, set, recent) - out->data);
}

static char *put_head(char *to, unsigned dialect, uint32_t index, uint32_t uid)
{
	to = put_text(to, "* ");
	if (dialect & DIALECT_UIDONLY)
		return put_text(put_u64(to, uid), " UIDFETCH (");
	return put_text(put_u64(to, (uint64_t)index + 1), " FETCH (");
}

void view_write_head(unsigned dialect, uint32_t index, uint32_t uid, struct buf *out)
{
	char *to = buf_reserve(out, LINE_MAX_BYTES);
	if (to)
		out->len = (size_t)(put_head(to, dialect, index, uid) - out->data);
}

/* The head, and the UID where the client wants it with all that it did not ask for (RFC 7162 3.2.4, RFC 9051 7.5.2). */
static char *put_line(char *to, const struct view *v, const struct view_message *m, bool with_uid)
{
	to = put_head(to, v->dialect, m->index, m->uid);
	if (v->dialect & DIALECT_UIDONLY)
		return to;
	if (with_uid || (v->dialect & (DIALECT_CONDSTORE | DIALECT_REV2)))
		to = put_char(put_u64(put_text(to, "UID "), m->uid), ' ');
	return to;
}

static char *put_modseq(char *to, const struct view_message *m)
{
	return put_char(put_u64(put_text(to, "MODSEQ ("), m->slice->modseq[m->at]), ')');
}

void view_write_fetch(struct view *v, const struct account *a, const struct roster *r, const struct view_message *m,
		      bool with_uid, struct buf *out)
{
	const struct flagset *set = flagset_get(a, m->slice->flagset[m->at]);
	if (set->keywords_n)
		view_learn(v, a, r, set, out);
	char *to = buf_reserve(out, set->text_len + LINE_MAX_BYTES);
	if (!to)
		return;
	to = put_line(to, v, m, with_uid);
	to = put_flags(to, set, view_is_recent(v, m->uid));
	if (v->dialect & DIALECT_CONDSTORE)
		to = put_modseq(put_char(to, ' '), m);
	to = put_text(to, ")\r\n");
	out->len = (size_t)(to - out->data);
}

uint32_t view_write_stretch(struct view *v, const struct account *a, const struct roster *r, const struct view_stretch *s,
			    bool with_uid, size_t full_bytes, struct buf *out)
{
	const uint32_t *uids = s->slice->uid + s->at, *flagsets = s->slice->flagset + s->at;
	bool recent = v->recent.n && uids[s->n - 1] >= v->recent.v[0].lo;
	const struct flagset *set = NULL;
	uint32_t i = 0;
	while (i < s->n && (i == 0 || out->len < full_bytes)) {
		if (!set || flagsets[i] != flagsets[i - 1]) {
			set = flagset_get(a, flagsets[i]);
			if (set->keywords_n)
				view_learn(v, a, r, set, out);
		}
		char *to = buf_reserve(out, set->text_len + LINE_MAX_BYTES);
		if (!to)
			break;
		to = put_head(to, v->dialect, s->index + i, uids[i]);
		if (with_uid)
			to = put_char(put_u64(put_text(to, "UID "), uids[i]), ' ');
		to = put_flags(to, set, recent && view_is_recent(v, uids[i]));
		out->len = (size_t)(put_text(to, ")\r\n") - out->data);
		i++;
	}
	return i;
}

void view_write_modseq(const struct view *v, const struct view_message *m, bool with_uid, struct buf *out)
{
	char *to = buf_reserve(out, LINE_MAX_BYTES);
	if (!to)
		return;
	to = put_text(put_modseq(put_line(to, v, m, with_uid), m), ")\r\n");
	out->len = (size_t)(to - out->data);
}

/* Changed flags of UIDs [*from, below); false when the chunk is full, and *from says where to go on. */
static bool tell_flags(struct view *v, const struct account *a, const struct roster *r, uint32_t *from, uint32_t below,
		       bool with_uid, struct buf *out)
{
	struct uidset changed = {0};
	bool full = false, all = false;
	while (!full && !all) {
		struct view_walk walk;
		struct view_message m;
		changed.n = 0;
		changes_flags(r, v->flags_modseq, *from, below, RUNS_MAX, &changed);
		all = changed.n < RUNS_MAX;
		view_walk_init(&walk, v, r, &changed, 0);
		while (!(full = is_full(v, out)) && view_walk_next(&walk, &m)) {
			*from = m.uid + 1;
			if (!m.gone)
				view_write_fetch(v, a, r, &m, with_uid, out);
		}
		if (!full && changed.n)
			*from = changed.v[changed.n - 1].hi + 1;
	}
	uidset_finish(&changed);
	return !full;
}

bool view_tell_flags(struct view *v, struct account *a, const struct roster *r, struct buf *out, bool with_uid)
{
	uint32_t from = 1;
	v->telling.full_bytes = LIMIT_SLICE_BYTES;
	if (v->silent_flags)
		return r->info.modseq == v->flags_modseq;
	if (r->info.modseq > v->flags_modseq) {
		if (!tell_flags(v, a, r, &from, v->uidnext, with_uid, out))
			return false;
		v->flags_modseq = r->info.modseq;
	}
	return true;
}

/* ---- expunges and arrivals ---- */

/* "* VANISHED 3,5:7" (RFC 7162 3.2.10): the ranges of one chunk are one line. */
struct vanished {
	bool begun;
	uint32_t lo, hi; /* the range in the making */
};

static void vanished_flush(struct vanished *line, struct buf *out)
{
	if (!line->lo)
		return;
	if (!line->begun)
		buf_add_text(out, "* VANISHED ");
	response_range(out, !line->begun, line->lo, line->hi);
	line->begun = true;
}

static void vanished_add(struct vanished *line, uint32_t uid, struct buf *out)
{
	if (line->lo && line->hi + 1 == uid) {
		line->hi = uid;
		return;
	}
	vanished_flush(line, out);
	line->lo = line->hi = uid;
}

static void vanished_end(struct vanished *line, struct buf *out)
{
	vanished_flush(line, out);
	if (line->begun)
		buf_add_text(out, "\r\n");
}

static bool tells_vanished(const struct view *v)
{
	return (v->dialect & (DIALECT_QRESYNC | DIALECT_UIDONLY)) != 0;
}

static bool tell_vanished(struct view *v, struct buf *out)
{
	struct vanished line = {0};
	uint32_t index, uid;
	bool all = false;
	while (!is_full(v, out)) {
		all = !uids_diff_next(&v->telling.diff, &index, &uid);
		if (all)
			break;
		vanished_add(&line, uid, out);
	}
	vanished_end(&line, out);
	return all;
}

static bool tell_expunges(struct view *v, struct buf *out)
{
	struct telling *t = &v->telling;
	uint32_t index, uid;
	if (tells_vanished(v))
		return tell_vanished(v, out);
	while (!is_full(v, out)) {
		if (!uids_diff_next(&t->diff, &index, &uid))
			return true;
		response_number(out, index + 1 - t->gone++, "EXPUNGE");
	}
	return false;
}

static bool has_expunges(const struct view *v, const struct roster *r)
{
	struct uids_diff diff;
	uint32_t index, uid;
	if (r->info.expunge_modseq <= v->gone_modseq)
		return false;
	uids_diff_init(&diff, &v->uids, &r->uids);
	return uids_diff_next(&diff, &index, &uid);
}

static uint32_t count_recent(const struct view *v)
{
	uint32_t n = 0;
	for (size_t i = 0; i < v->recent.n; i++) {
		const struct uidrange *range = &v->recent.v[i];
		n -= uids_lower(&v->uids, range->lo);
		n += range->hi == UINT32_MAX ? v->uids.n : uids_lower(&v->uids, range->hi + 1);
	}
	return n;
}

/* What the view now holds from its uidnext on.  A read-write session that is told owns their \Recent: the mark is kept in
 * memory, and written with the next change. */
static void tell_arrivals(struct view *v, struct roster *r, uint32_t uidnext, struct buf *out)
{
	uint32_t last = uids_last(&v->uids);
	if (last >= v->uidnext) {
		uint32_t first = v->uidnext > r->info.recent ? v->uidnext : r->info.recent + 1;
		if (first <= last)
			uidset_append(&v->recent, first, last);
		response_number(out, v->uids.n, "EXISTS");
		if (!(v->dialect & DIALECT_REV2))
			response_number(out, count_recent(v), "RECENT");
		if (!v->read_only && r->info.recent + 1 < uidnext) {
			r->info.recent = uidnext - 1;
			r->info_dirty = true;
		}
	}
	v->uidnext = uidnext;
}

/* Deleted elsewhere: all its messages are gone (RFC 2180 3.3). */
static enum view_told tell_deletion(struct view *v, struct buf *out, bool expunges)
{
	struct telling *t = &v->telling;
	if (t->phase != TELLS_DELETION && v->uids.n && !expunges)
		return VIEW_HELD;
	if (t->phase != TELLS_DELETION)
		*t = (struct telling){.phase = TELLS_DELETION, .full_bytes = t->full_bytes};
	struct vanished line = {0};
	for (; t->gone < v->uids.n && !is_full(v, out); t->gone++) {
		if (tells_vanished(v))
			vanished_add(&line, uids_at(&v->uids, t->gone), out);
		else
			response_number(out, v->uids.n - t->gone, "EXPUNGE");
	}
	vanished_end(&line, out);
	if (t->gone < v->uids.n)
		return VIEW_MORE;
	*t = (struct telling){.phase = TELLS_NOTHING};
	uids_release(&v->uids);
	return VIEW_TOLD;
}

/* ---- rounds ---- */

static void begin(struct view *v, const struct roster *r, bool expunges)
{
	struct telling *t = &v->telling;
	*t = (struct telling){.phase = TELLS_EXPUNGES, .uidnext = r->info.uidnext, .modseq = r->info.modseq, .from = 1,
			      .below = v->uidnext, .full_bytes = t->full_bytes};
	if (expunges) {
		t->now = roster_snapshot(r);
	} else {
		t->now = uids_acquire(&v->uids);
		uids_extend(&t->now, &r->uids, v->uidnext);
	}
	uids_diff_init(&t->diff, &v->uids, &t->now);
}

/* The expunges are told: from here on numbers are those of the new UIDs. */
static void take_now(struct view *v, bool expunges)
{
	uids_release(&v->uids);
	v->uids = v->telling.now;
	v->telling.now = (struct uids){0};
	v->telling.phase = TELLS_FLAGS;
	if (expunges)
		v->gone_modseq = v->telling.modseq;
}

enum view_told view_tell(struct view *v, struct account *a, struct buf *out, size_t full_bytes, bool expunges,
			 bool with_uid)
{
	struct telling *t = &v->telling;
	struct roster *r;
	enum store_err err = roster_get(a, v->mailbox, &r);
	t->full_bytes = full_bytes;
	if (t->phase == TELLS_EXPUNGES && !tell_expunges(v, out))
		return VIEW_MORE;
	if (t->phase == TELLS_EXPUNGES)
		take_now(v, expunges);
	if (err == STORE_NOTFOUND)
		return tell_deletion(v, out, expunges);
	if (err)
		return VIEW_TOLD;
	if (t->phase == TELLS_NOTHING) {
		if (r->info.modseq == v->flags_modseq && r->info.modseq == v->gone_modseq)
			return VIEW_TOLD;
		bool held = !expunges && has_expunges(v, r);
		begin(v, r, !held);
		if (!tell_expunges(v, out))
			return VIEW_MORE;
		take_now(v, !held);
	}
	if (t->below == v->uidnext)
		tell_arrivals(v, r, t->uidnext, out);
	if (!v->silent_flags && !tell_flags(v, a, r, &t->from, t->below, with_uid, out))
		return VIEW_MORE;
	if (!v->silent_flags)
		v->flags_modseq = t->modseq;
	t->phase = TELLS_NOTHING;
	return !expunges && has_expunges(v, r) ? VIEW_HELD : VIEW_TOLD;
}

enum view_told view_tell_own(struct view *v, struct account *a, struct buf *out, size_t full_bytes,
			     const struct uidset *hidden)
{
	struct telling *t = &v->telling;
	struct roster *r;
	t->full_bytes = full_bytes;
	if (t->phase == TELLS_NOTHING) {
		if (roster_get(a, v->mailbox, &r) != STORE_OK)
			return VIEW_TOLD;
		*t = (struct telling){.phase = TELLS_EXPUNGES, .now = uids_with(&r->uids, v->uidnext, hidden),
				      .full_bytes = full_bytes};
		uids_diff_init(&t->diff, &v->uids, &t->now);
	}
	if (!tell_expunges(v, out))
		return VIEW_MORE;
	take_now(v, false);
	t->phase = TELLS_NOTHING;
	return VIEW_TOLD;
}
