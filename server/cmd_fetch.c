/*
 * FETCH (RFC 3501 6.4.5, 6.4.8; RFC 3516) as a cursor: message, item and, inside a literal, the offset.  A slice ends when it has
 * made a chunk of output or used its time; nothing is held between slices but the cursor.
 *
 * A FETCH that sets \Seen does so for the messages of its slice, in the slice's op: the chunk leaves after the commit,
 * and the new flags are told with the message.
 *
 * CHANGEDSINCE walks what changed, and VANISHED comes before it (RFC 7162 3.1.4.1, 3.2.6).
 *
 * Damage: a message that cannot be read is taken back out of the chunk, and the command ends with NO; when a part of it
 * has left already, the connection is closed, since there is no other way to tell the client.
 */
#include "server/session.h"

#include "server/fetch_binary.h"
#include "server/resync.h"
#include "server/slice.h"
#include "storage/content.h"
#include "storage/gone.h"
#include "storage/store.h"

enum { LITERAL_STEP = 65536, CHUNK_SLACK = 4096, GHOSTS_WINDOW = 1024 };

struct fetch {
	struct fetch_plan plan;
	struct uidset set; /* of UIDs the view knows */
	bool resolved, begun, sets_seen;
	struct changed changed;          /* CHANGEDSINCE: those of the set */
	struct vanished_earlier vanished;
	struct uidset vanished_of;       /* the client's set, of UIDs that may be gone */
	bool vanished_told;
	/* The cursor. */
	uint32_t next;     /* index in the view of the next message */
	bool in_message;   /* w.message is begun */
	size_t item;       /* the next one of it */
	bool newly_seen;   /* \Seen was set on it */
	struct fetch_writer w;
	/* Of the slice. */
	struct slice slice;
	size_t start;      /* of the message, in the chunk; SIZE_MAX: it began in an earlier one */
	struct uidset seen; /* to be marked at the slice's end */
	uint32_t seen_from, seen_to; /* the flag sets found last: \Seen added */
	struct ghosts ghosts;   /* of the UIDs [ghosts_lo, ghosts_hi] */
	uint32_t ghosts_lo, ghosts_hi;
	bool missing, unknown_encoding;
	enum store_err damage;
};

static void fetch_finish(struct command *cmd)
{
	struct fetch *f = cmd->state;
	uidset_finish(&f->set);
	uidset_finish(&f->seen);
	uidset_finish(&f->vanished_of);
	vanished_finish(&f->vanished);
	changed_finish(&f->changed);
	ghosts_finish(&f->ghosts);
	fetch_binary_finish(&f->w.binary);
}

/* True when the literal is whole; false when the chunk is. */
static bool pump_literal(struct fetch *f, enum store_err *err)
{
	struct fetch_literal *l = &f->w.literal;
	struct buf *out = f->w.out;
	while (l->left) {
		if (out->len >= LIMIT_SLICE_BYTES || slice_is_over(&f->slice, 16))
			return false;
		size_t step = l->left < LITERAL_STEP ? (size_t)l->left : LITERAL_STEP;
		char *to = buf_reserve(out, step + CHUNK_SLACK);
		invariant(to);
		*err = content_read(f->w.account, l->content, l->at, step, to);
		f->w.message.has_row = false;
		if (*err)
			return true;
		out->len += step;
		l->at += step;
		l->left -= step;
	}
	return true;
}

/* The flags as they will be once \Seen is set; inside the op. */
static enum store_err add_seen(struct fetch *f, struct roster_entry *e)
{
	static const struct flag_spec spec = {FLAG_SEEN, ""};
	struct account *a = f->w.account;
	if (flagset_get(a, e->flagset)->system & FLAG_SEEN)
		return STORE_OK;
	if (f->seen_from != e->flagset || f->seen_to == UINT32_MAX) {
		f->seen_to = UINT32_MAX;
		enum store_err err = flagset_apply(a, e->flagset, FLAG_ADD, &spec, &f->seen_to);
		if (err)
			return err;
		f->seen_from = e->flagset;
	}
	e->flagset = f->seen_to;
	e->modseq = account_modseq(a);
	f->newly_seen = true;
	uidset_append(&f->seen, e->uid, e->uid);
	return STORE_OK;
}

/* A message that was expunged, of which this session was not told, is served while the graveyard has it (RFC 2180
 * 4.1.1). */
static const struct roster_entry *find_ghost(struct fetch *f, const struct view *v, uint32_t uid)
{
	if (uid < f->ghosts_lo || uid > f->ghosts_hi) {
		struct uidset window = {0};
		ghosts_finish(&f->ghosts);
		f->ghosts_lo = uid;
		f->ghosts_hi = uid < UINT32_MAX - GHOSTS_WINDOW ? uid + GHOSTS_WINDOW : UINT32_MAX;
		uidset_append(&window, f->ghosts_lo, f->ghosts_hi);
		enum store_err err = ghosts_load(f->w.account, v->mailbox, v->gone_modseq, &window, &f->ghosts);
		if (err)
			f->damage = err;
		uidset_finish(&window);
	}
	return ghosts_find(&f->ghosts, uid);
}

/* False: it is not there any more. */
static bool read_entry(struct fetch *f, const struct view *v, const struct view_message *m, struct roster_entry *out)
{
	const struct roster_slice *s = m->slice;
	const struct roster_entry *ghost = m->gone ? find_ghost(f, v, m->uid) : NULL;
	if (m->gone && !ghost)
		return false;
	if (ghost)
		*out = *ghost;
	else
		*out = (struct roster_entry){.uid = m->uid, .flagset = s->flagset[m->at], .size = s->size[m->at],
					     .internal_date = s->internal_date[m->at], .zone_min = s->zone_min[m->at],
					     .save_date = s->save_date[m->at], .content = s->content[m->at],
					     .modseq = s->modseq[m->at]};
	return true;
}

/* False: it is passed over. */
static bool begin_message(struct fetch *f, struct command *cmd, const struct roster *roster,
			  const struct view_message *m, enum store_err *err)
{
	struct fetch_message *fm = &f->w.message;
	f->next = m->index + 1;
	if (!read_entry(f, cmd->view, m, &fm->entry)) {
		f->missing = true;
		return false;
	}
	fm->has_row = false;
	if (f->plan.has_binary && !fetch_binary_is_known(&f->w, &f->plan)) {
		f->unknown_encoding = true;
		return false;
	}
	fm->recent = view_is_recent(cmd->view, m->uid);
	f->in_message = true;
	f->newly_seen = false;
	f->item = 0;
	f->start = f->w.out->len;
	*err = f->sets_seen && !m->gone ? add_seen(f, &fm->entry) : STORE_OK;
	fm->flags = flagset_get(f->w.account, fm->entry.flagset);
	if (fm->flags->keywords_n && (f->plan.has_flags || f->newly_seen))
		view_learn(cmd->view, f->w.account, roster, fm->flags, f->w.out);
	view_write_head(f->w.dialect, m->index, m->uid, f->w.out);
	return true;
}

/* What the client did not ask for: the new flags; UID and MODSEQ too for one that knows of these (RFC 7162 3.2.4). */
static void tell_seen(struct fetch *f)
{
	struct buf *out = f->w.out;
	const struct fetch_message *m = &f->w.message;
	bool with_modseq = (f->w.dialect & DIALECT_CONDSTORE) != 0;
	if (with_modseq && !f->plan.has_uid && !(f->w.dialect & DIALECT_UIDONLY)) {
		buf_add_text(out, " UID ");
		buf_add_u64(out, m->entry.uid);
	}
	if (!f->plan.has_flags) {
		buf_add_char(out, ' ');
		view_write_flags(out, m->flags, m->recent);
	}
	if (with_modseq && !f->plan.has_modseq) {
		buf_add_text(out, " MODSEQ (");
		buf_add_u64(out, m->entry.modseq);
		buf_add_char(out, ')');
	}
}

/* Goes on with the message; false when the chunk is full before its end. */
static bool tell_message(struct fetch *f, enum store_err *err)
{
	struct buf *out = f->w.out;
	while (!*err) {
		if (f->w.literal.left && !pump_literal(f, err))
			return false;
		if (!*err && f->w.binary.open && !fetch_binary_pump(&f->w, &f->slice, err))
			return false;
		if (*err || f->item == f->plan.n)
			break;
		if (f->item)
			buf_add_char(out, ' ');
		const struct fetch_plan_item *item = &f->plan.items[f->item++];
		*err = item->row->write(&f->w, item);
	}
	if (*err)
		return true;
	if (f->newly_seen)
		tell_seen(f);
	buf_add_text(out, ")\r\n");
	f->in_message = false;
	return true;
}

/* Takes the message back out of the chunk; false when a part of it has left. */
static bool take_back(struct fetch *f)
{
	f->w.literal.left = 0;
	f->w.binary.open = false;
	f->in_message = false;
	if (f->start == SIZE_MAX)
		return false;
	f->w.out->len = f->start;
	struct uidrange *last = f->seen.n ? &f->seen.v[f->seen.n - 1] : NULL;
	if (last && last->hi == f->w.message.entry.uid) {
		last->hi--;
		f->seen.n -= last->hi < last->lo;
	}
	return true;
}

/* Walks on from the cursor.  True when the walk is over, false when the slice is. */
static bool walk(struct fetch *f, struct command *cmd, const struct roster *roster)
{
	bool changed = cmd->request.fetch.has_since;
	struct view_walk walk;
	struct view_message m;
	enum store_err err = STORE_OK;
	unsigned weight = f->plan.all_small ? 1 : 8;
	if (changed)
		changed_resume(&f->changed, cmd->view, roster);
	else
		view_walk_init(&walk, cmd->view, roster, &f->set, f->next);
	for (;;) {
		if (!f->in_message) {
			if (f->w.out->len >= LIMIT_SLICE_BYTES || slice_is_over(&f->slice, weight))
				return false;
			if (!(changed ? changed_next(&f->changed, &m) : view_walk_next(&walk, &m)))
				return true;
			if (!begin_message(f, cmd, roster, &m, &err))
				continue;
		}
		if (!err && !tell_message(f, &err))
			return false;
		if (err && !take_back(f)) {
			cmd->broken = true;
			return true;
		}
		if (err) {
			f->damage = err;
			if (err != STORE_CORRUPT)
				return true;
			err = STORE_OK;
		}
	}
}

/* FLAGS, alone or behind UID, of messages that are all there: what clients ask of whole mailboxes. */
static bool is_flags(const struct fetch *f, const struct command *cmd, const struct roster *roster)
{
	const struct fetch_plan *p = &f->plan;
	return !cmd->request.fetch.has_since && roster->info.expunge_modseq <= cmd->view->gone_modseq && p->n > 0 && p->n <= 2 &&
	       p->items[p->n - 1].row->kind == FETCH_FLAGS && p->items[0].row->kind == (p->n == 2 ? FETCH_UID : FETCH_FLAGS);
}

/* As walk(), a stretch at a time. */
static bool walk_flags(struct fetch *f, struct command *cmd, const struct roster *roster)
{
	struct view_walk walk;
	struct view_stretch stretch;
	struct buf *out = f->w.out;
	view_walk_init(&walk, cmd->view, roster, &f->set, f->next);
	while (out->len < LIMIT_SLICE_BYTES && !slice_is_over(&f->slice, 64)) {
		if (!view_walk_stretch(&walk, UINT32_MAX, &stretch))
			return true;
		f->next = stretch.index + view_write_stretch(cmd->view, f->w.account, roster, &stretch, f->plan.n == 2,
							     LIMIT_SLICE_BYTES, out);
	}
	return false;
}

/* \Seen for the slice.  When nobody else has changed anything since the view was told, this change is all that is
 * newer, and the client has it; else it is told once more at the end, which does no harm. */
static enum store_err mark_seen(struct fetch *f, struct command *cmd, struct account *a, const struct roster *roster)
{
	static const struct flag_spec spec = {FLAG_SEEN, ""};
	struct view *v = cmd->view;
	struct uidset changed = {0};
	bool in_sync = roster->info.modseq == v->flags_modseq;
	enum store_err err = STORE_OK;
	if (f->seen.n)
		err = messages_store(a, v->mailbox, &f->seen, FLAG_ADD, &spec, &changed);
	if (changed.n && in_sync)
		v->flags_modseq = a->op_modseq;
	uidset_finish(&changed);
	uidset_finish(&f->seen);
	return err;
}

static void fetch_status(struct fetch *f, struct command *cmd)
{
	if (f->damage)
		command_store_error(cmd, f->damage);
	else if (f->unknown_encoding)
		command_no(cmd, "UNKNOWN-CTE", "The transfer encoding is not known here"); /* RFC 3516 4.3 */
	else
		command_ok(cmd, f->missing ? "EXPUNGEISSUED" : NULL, f->missing ? "Some messages are gone" : "Done");
}

/* Room for the whole chunk at once, or for less where the answer will be small. */
static void reserve_chunk(struct fetch *f)
{
	uint64_t n = uidset_count(&f->set) * (f->plan.all_small ? 96 : 2048);
	buf_reserve(f->w.out, (n < LIMIT_SLICE_BYTES ? (size_t)n : LIMIT_SLICE_BYTES) + CHUNK_SLACK);
}

/* VANISHED looks at UIDs that are gone as well, which the set of messages leaves out; "*" is the highest there was. */
static enum store_err begin_changed(struct fetch *f, struct command *cmd, struct account *a)
{
	const struct fetch_request *r = &cmd->request.fetch;
	const struct view *v = cmd->view;
	changed_init(&f->changed, r->since, &f->set);
	for (size_t i = 0; r->vanished && i < r->set.n && v->uidnext > 1; i++) {
		uint32_t lo = r->set.v[i].lo ? r->set.v[i].lo : v->uidnext - 1;
		uint32_t hi = r->set.v[i].hi ? r->set.v[i].hi : v->uidnext - 1;
		uidset_add_any(&f->vanished_of, lo < hi ? lo : hi, lo < hi ? hi : lo);
	}
	uidset_normalise(&f->vanished_of);
	return r->vanished ? vanished_init(&f->vanished, a, v, r->since, &f->vanished_of, 0) : STORE_OK;
}

enum op_result fetch_run(struct command *cmd, struct account *a)
{
	struct fetch *f = cmd->state;
	struct roster *roster;
	if (!f->resolved && !command_set(cmd, &f->set))
		return OP_DONE;
	if (!f->resolved && cmd->request.fetch.partial.from)
		view_take_partial(cmd->view, &cmd->request.fetch.partial, &f->set);
	f->resolved = true;
	if (cmd->here && uidset_count(&f->set) > LIMIT_QUICK_MESSAGES)
		return OP_AGAIN;
	enum store_err err = roster_get(a, cmd->view->mailbox, &roster);
	if (!err && !f->begun && cmd->request.fetch.has_since)
		err = begin_changed(f, cmd, a);
	f->begun = true;
	if (err) {
		cmd->broken = f->in_message;
		command_store_error(cmd, err);
		return OP_DONE;
	}
	f->w.account = a;
	f->w.out = &cmd->out;
	f->w.mark = &cmd->view->binary_mark;
	f->w.dialect = cmd->dialect;
	if (f->in_message) {
		f->w.message.has_row = false;
		f->w.message.flags = flagset_get(a, f->w.message.entry.flagset);
	}
	f->start = SIZE_MAX;
	f->seen_to = UINT32_MAX;
	slice_begin(&f->slice);
	reserve_chunk(f);
	if (!f->vanished_told)
		f->vanished_told = vanished_write(&f->vanished, cmd->view, LIMIT_SLICE_BYTES, &cmd->out);
	cmd->more = !f->vanished_told || !(is_flags(f, cmd, roster) ? walk_flags(f, cmd, roster) : walk(f, cmd, roster));
	cmd->open = cmd->more && f->in_message;
	err = mark_seen(f, cmd, a, roster);
	if (err) {
		/* Nothing of this slice is told: its messages would be said to be seen. */
		cmd->broken = f->start == SIZE_MAX && f->in_message;
		cmd->more = false;
		buf_reset(&cmd->out);
		command_store_error(cmd, err);
		return OP_FAILED;
	}
	fetch_status(f, cmd);
	return OP_DONE;
}

enum step cmd_fetch(struct session *s, struct command *cmd)
{
	struct fetch *f = arena_alloc(&cmd->arena, sizeof(*f));
	cmd->state = f;
	cmd->finish = fetch_finish;
	fetch_plan_make(&f->plan, &cmd->arena, &cmd->request.fetch,
			cmd->request.uid && !(cmd->dialect & DIALECT_UIDONLY), false);
	/* On a full disk mail can be read, if not marked. */
	f->sets_seen = f->plan.sets_seen && !session_view(s)->read_only && !session_disk_is_full(s);
	cmd->op.writes = cmd->in_pieces = f->sets_seen;
	cmd->quick = f->plan.all_small && !cmd->request.fetch.vanished;
	if (f->plan.has_modseq)
		session_enable_condstore(s);
	return session_op(s, cmd, fetch_run);
}

void fetch_prepare(struct command *cmd, const struct fetch_request *items, struct uidset *set)
{
	struct fetch *f = arena_alloc(&cmd->arena, sizeof(*f));
	cmd->state = f;
	cmd->finish = fetch_finish;
	/* RFC 7162 3.1: what was not asked for has the MODSEQ, too. */
	fetch_plan_make(&f->plan, &cmd->arena, items, !(cmd->dialect & DIALECT_UIDONLY),
			(cmd->dialect & DIALECT_CONDSTORE) != 0);
	f->set = *set;
	f->resolved = true;
	*set = (struct uidset){0};
}
