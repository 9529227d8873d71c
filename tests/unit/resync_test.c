/*
 * What a client hears that comes back (server/resync.h), against mailboxes whose whole past is remembered here: which UIDs
 * vanished and which messages changed since any modseq, within any set, with the history and without.
 */
#include "server/resync.h"
#include "storage/changes.h"
#include "storage/store.h"

#include "tests/unit/account_fixture.h"

#include <stdlib.h>

enum { UIDS_MAX = 6000, STATES_MAX = 200, ROUNDS = 150 };

/* A mailbox as somebody left it. */
struct state {
	uint64_t modseq;
	uint32_t uidnext;
	bool has[UIDS_MAX];
};

struct past {
	struct account_fixture *f;
	int64_t inbox;
	struct state *states;
	size_t n;
};

static void remember(struct past *p)
{
	struct roster *r = fixture_roster(p->f, p->inbox);
	struct state *s = &p->states[p->n++];
	*s = (struct state){.modseq = r->info.modseq, .uidnext = r->info.uidnext};
	for (uint32_t i = 0; i < r->uids.n; i++)
		s->has[uids_at(&r->uids, i)] = true;
}

static void store_every(struct past *p, uint32_t lo, uint32_t hi, uint32_t step, uint32_t flag)
{
	struct uidset set = {0}, changed = {0};
	struct flag_spec spec = {flag, ""};
	for (uint32_t uid = lo; uid <= hi; uid += step)
		uidset_append(&set, uid, uid);
	fixture_begin(p->f);
	assert_int_equal(messages_store(p->f->account, p->inbox, &set, FLAG_SET, &spec, &changed), STORE_OK);
	fixture_end(p->f);
	uidset_finish(&set);
	uidset_finish(&changed);
}

static void prune(struct past *p)
{
	bool more = true;
	while (more) {
		fixture_begin(p->f);
		assert_int_equal(history_prune(p->f->account, p->f->now_s + 1, 1000, &more), STORE_OK);
		fixture_end(p->f);
	}
}

static uint32_t below(struct past *p, uint32_t n)
{
	return (uint32_t)(fixture_random(p->f) >> 16) % n;
}

static void past_open(struct past *p, struct account_fixture *f, uint32_t messages)
{
	*p = (struct past){.f = f, .inbox = fixture_mailbox(f, "INBOX"), .states = xcalloc(STATES_MAX, sizeof(*p->states))};
	fixture_append(p->f, p->inbox, messages);
	remember(p);
}

static void change_at_random(struct past *p)
{
	uint32_t last = fixture_roster(p->f, p->inbox)->info.uidnext - 1, lo = below(p, last) + 1, hi = lo + below(p, 30);
	hi = hi < last ? hi : last;
	switch (below(p, 5)) {
	case 0:
		fixture_append(p->f, p->inbox, below(p, 20) + 1);
		break;
	case 1: case 2:
		fixture_remove(p->f, p->inbox, lo, hi);
		break;
	default:
		store_every(p, lo, hi, 1, below(p, 32));
	}
	remember(p);
}

/* ---- VANISHED ---- */

/* Marks the UIDs of all lines; each is "* VANISHED (EARLIER) 3,5:7", ascending. */
static void read_vanished(const struct buf *out, bool *said)
{
	static const char begin[] = "* VANISHED (EARLIER) ";
	for (const char *at = out->data, *end = at + out->len; at < end;) {
		unsigned long last = 0;
		assert_int_equal(strncmp(at, begin, sizeof(begin) - 1), 0);
		at += sizeof(begin) - 1;
		for (;; at++) {
			char *stop;
			unsigned long lo = strtoul(at, &stop, 10), hi = *stop == ':' ? strtoul(stop + 1, &stop, 10) : lo;
			assert_true(lo > last && hi >= lo && hi < UIDS_MAX);
			for (unsigned long uid = lo; uid <= hi; uid++) {
				assert_false(said[uid]);
				said[uid] = true;
			}
			last = hi;
			at = stop;
			if (*at != ',')
				break;
		}
		assert_int_equal(strncmp(at, "\r\n", 2), 0);
		at += 2;
	}
}

static void vanished(struct past *p, const struct view *v, uint64_t since, const struct uidset *known, uint32_t sure,
		     bool *said)
{
	struct vanished_earlier e;
	struct buf out;
	buf_init(&out, 1 << 20);
	memset(said, 0, UIDS_MAX * sizeof(*said));
	assert_int_equal(vanished_init(&e, p->f->account, v, since, known, sure), STORE_OK);
	/* In chunks of a line or so. */
	for (size_t full = 40; !vanished_write(&e, v, full, &out); full = out.len + 40)
		;
	vanished_finish(&e);
	buf_add_char(&out, '\0');
	out.len--;
	read_vanished(&out, said);
	buf_finish(&out);
}

static void random_set(struct past *p, uint32_t uidnext, struct uidset *out)
{
	for (uint32_t uid = 1 + below(p, 20); uid < uidnext;) {
		uint32_t hi = uid + below(p, 60);
		uidset_append(out, uid, hi < uidnext ? hi : uidnext - 1);
		uid = hi + 2 + below(p, 40);
	}
}

static void test_vanished(void **state)
{
	struct past p;
	past_open(&p, *state, 500);
	for (int i = 0; i < ROUNDS; i++) {
		static bool said[UIDS_MAX];
		struct uidset known = {0};
		change_at_random(&p);
		const struct state *then = &p.states[below(&p, (uint32_t)p.n)], *now = &p.states[p.n - 1];
		struct view *v = view_create(p.f->account, fixture_roster(p.f, p.inbox), true);
		random_set(&p, now->uidnext, &known);
		vanished(&p, v, then->modseq, &known, 0, said);
		for (uint32_t uid = 1; uid < UIDS_MAX; uid++) {
			bool went = then->has[uid] && !now->has[uid], in = uidset_has(&known, uid);
			/* What came and went meanwhile may be told too. */
			bool may = in && uid < now->uidnext && !now->has[uid] && (went || uid >= then->uidnext);
			assert_true(said[uid] ? may : !(went && in));
		}
		uidset_finish(&known);
		view_destroy(v);
	}
	free(p.states);
}

/* RFC 7162 3.2.5.1, 3.2.6: without the history it is all that is not there, of what the client knows. */
static void test_vanished_pruned(void **state)
{
	struct past p;
	past_open(&p, *state, 500);
	for (int i = 0; i < ROUNDS; i++) {
		static bool said[UIDS_MAX];
		struct uidset known = {0};
		change_at_random(&p);
		if (i % 10 == 5)
			prune(&p);
		struct roster *r = fixture_roster(p.f, p.inbox);
		const struct state *then = &p.states[below(&p, (uint32_t)p.n)], *now = &p.states[p.n - 1];
		struct view *v = view_create(p.f->account, r, true);
		uint32_t sure = below(&p, 3) ? 0 : below(&p, 100);
		random_set(&p, now->uidnext, &known);
		vanished(&p, v, then->modseq, &known, sure, said);
		bool forgotten = then->modseq < r->info.floor;
		for (uint32_t uid = 1; uid < UIDS_MAX; uid++) {
			bool absent = uid < now->uidnext && !now->has[uid] && uidset_has(&known, uid);
			if (forgotten)
				assert_int_equal(said[uid], absent && uid > sure);
			else
				assert_true(said[uid] ? absent : !(absent && then->has[uid]));
		}
		uidset_finish(&known);
		view_destroy(v);
	}
	assert_true(fixture_roster(p.f, p.inbox)->info.floor > p.states[0].modseq);
	free(p.states);
}

/* What the session was told of and is still to hear of by VANISHED without EARLIER is not told before. */
static void test_vanished_not_yet(void **state)
{
	struct past p;
	static bool said[UIDS_MAX];
	struct uidset known = {0};
	past_open(&p, *state, 20);
	uint64_t since = p.states[0].modseq;
	fixture_remove(p.f, p.inbox, 2, 4);
	struct view *v = view_create(p.f->account, fixture_roster(p.f, p.inbox), true);
	fixture_remove(p.f, p.inbox, 7, 9);
	uidset_append(&known, 1, 20);
	vanished(&p, v, since, &known, 0, said);
	for (uint32_t uid = 1; uid <= 20; uid++)
		assert_int_equal(said[uid], uid >= 2 && uid <= 4);
	prune(&p);
	vanished(&p, v, since, &known, 0, said);
	for (uint32_t uid = 1; uid <= 20; uid++)
		assert_int_equal(said[uid], uid >= 2 && uid <= 4);
	uidset_finish(&known);
	view_destroy(v);
	free(p.states);
}

/* ---- messages that changed ---- */

/* Slices of `step` messages; `between` happens once. */
static uint32_t check_changed(struct past *p, uint64_t since, const struct uidset *within, uint32_t step,
			      void (*between)(struct past *p))
{
	struct view *v = view_create(p->f->account, fixture_roster(p->f, p->inbox), true);
	struct changed c;
	struct view_message m;
	uint32_t n = 0, last = 0;
	bool more = true;
	changed_init(&c, since, within);
	while (more) {
		struct roster *r = fixture_roster(p->f, p->inbox);
		changed_resume(&c, v, r);
		for (uint32_t i = 0; i < step && more; i++) {
			more = changed_next(&c, &m);
			if (!more)
				break;
			assert_true(m.uid > last && uidset_has(within, m.uid));
			assert_false(m.gone);
			assert_true(m.slice->modseq[m.at] > since && m.slice->uid[m.at] == m.uid);
			assert_int_equal(uids_at(&v->uids, m.index), m.uid);
			last = m.uid;
			n++;
		}
		if (between)
			between(p);
		between = NULL;
	}
	changed_finish(&c);
	view_destroy(v);
	return n;
}

static uint32_t count_changed(struct past *p, uint64_t since, const struct uidset *within)
{
	struct roster *r = fixture_roster(p->f, p->inbox);
	uint32_t n = 0;
	for (uint32_t i = 0; i < r->uids.n; i++) {
		struct roster_entry e;
		roster_read(r, i, &e);
		n += e.modseq > since && uidset_has(within, e.uid);
	}
	return n;
}

static void test_changed(void **state)
{
	struct past p;
	past_open(&p, *state, 500);
	for (int i = 0; i < ROUNDS; i++) {
		struct uidset within = {0};
		change_at_random(&p);
		uint64_t since = p.states[below(&p, (uint32_t)p.n)].modseq;
		random_set(&p, p.states[p.n - 1].uidnext, &within);
		assert_int_equal(check_changed(&p, since, &within, 1 + below(&p, 50), NULL), count_changed(&p, since, &within));
		uidset_finish(&within);
	}
	free(p.states);
}

static void disturb(struct past *p)
{
	fixture_remove(p->f, p->inbox, 2000, 2010);
	store_every(p, 1, 100, 1, FLAG_DRAFT); /* behind the cursor: told by the next telling */
}

/* More ranges than are looked at together; every other message. */
static void test_changed_many(void **state)
{
	struct past p;
	struct uidset all = {0};
	past_open(&p, *state, 5000);
	store_every(&p, 1, 5000, 2, FLAG_SEEN);
	uidset_append(&all, 1, 5000);
	assert_int_equal(check_changed(&p, p.states[0].modseq, &all, 77, NULL), 2500);
	assert_int_equal(check_changed(&p, p.states[0].modseq, &all, 10000, NULL), 2500);
	assert_int_equal(check_changed(&p, p.states[0].modseq, &all, 200, disturb), 2495);
	uidset_finish(&all);
	free(p.states);
}

/* ---- pairs of sequence numbers and UIDs ---- */

static void add_number(struct numset *s, uint32_t n)
{
	if (s->n && s->v[s->n - 1].hi + 1 == n)
		s->v[s->n - 1].hi = n;
	else
		s->v[s->n++] = (struct numrange){n, n};
}

/* RFC 7162 3.2.5.2: of pairs from what the client has, the last that nothing vanished before. */
static void test_match(void **state)
{
	enum { MESSAGES = 200 };
	struct past p;
	past_open(&p, *state, 1);
	for (int round = 0; round < 1000; round++) {
		struct numrange seq_ranges[MESSAGES], uid_ranges[MESSAGES];
		struct numset seqs = {.v = seq_ranges}, uids = {.v = uid_ranges};
		struct uids now = {0};
		uint32_t uid = 0, n = 0, gone = below(&p, 4), expected = 0;
		bool whole = true;
		for (uint32_t seq = 1; seq <= MESSAGES; seq++) {
			uid += 1 + (below(&p, 3) == 0) * below(&p, 5);
			bool stays = !gone || below(&p, 100) >= gone;
			if (stays) {
				uids_append(&now, uid);
				n++;
			}
			whole = whole && stays;
			if (below(&p, 3)) {
				add_number(&seqs, seq);
				add_number(&uids, uid);
				expected = whole ? uid : expected;
			}
		}
		uids_append(&now, uid + 1 + below(&p, 9));
		assert_int_equal(resync_match(&seqs, &uids, &now), expected);
		uids_release(&now);
	}
	struct uids none = {0};
	struct numrange one = {1, 1};
	struct numset set = {.v = &one, .n = 1}, empty = {0};
	assert_int_equal(resync_match(&set, &set, &none), 0);
	assert_int_equal(resync_match(&empty, &empty, &none), 0);
	free(p.states);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vanished, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_vanished_pruned, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_vanished_not_yet, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_changed, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_changed_many, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_match, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
