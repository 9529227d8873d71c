/*
 * A view against its mailbox: whatever happens between two tellings, and wherever chunks end, a client that knows only
 * what it was told has the mailbox.
 */
#include "server/limits.h"
#include "server/view.h"
#include "storage/store.h"

#include "tests/unit/account_fixture.h"

enum { MESSAGES_MAX = 20000 };

/* What a client makes of untagged responses. */
struct client {
	struct view *view;
	uint32_t n;
	uint32_t uid[MESSAGES_MAX];
	uint64_t modseq[MESSAGES_MAX]; /* 0: never told */
	char *flags[MESSAGES_MAX]; /* in `texts`, so that what is gone moves little */
	char texts[MESSAGES_MAX][100];
	uint32_t texts_n;
	unsigned chunks, lines;
	size_t full_bytes;
};

static char *new_text(struct client *c)
{
	assert_true(c->texts_n < MESSAGES_MAX);
	return c->texts[c->texts_n++];
}

static int64_t inbox(struct account_fixture *f)
{
	return fixture_mailbox(f, "INBOX");
}

static void append(struct account_fixture *f, uint32_t n)
{
	fixture_append(f, inbox(f), n);
}

static void store(struct account_fixture *f, uint32_t lo, uint32_t hi, uint32_t flag, const char *keywords)
{
	struct uidset set = {0}, changed = {0};
	struct flag_spec spec = {flag, keywords};
	uidset_append(&set, lo, hi);
	fixture_begin(f);
	assert_int_equal(messages_store(f->account, inbox(f), &set, FLAG_SET, &spec, &changed), STORE_OK);
	fixture_end(f);
	uidset_finish(&set);
	uidset_finish(&changed);
}

static void expunge_every(struct account_fixture *f, uint32_t lo, uint32_t hi, uint32_t step)
{
	struct uidset set = {0};
	for (uint32_t uid = lo; uid <= hi; uid += step)
		uidset_append(&set, uid, uid);
	fixture_begin(f);
	assert_int_equal(messages_remove(f->account, inbox(f), &set), STORE_OK);
	fixture_end(f);
	uidset_finish(&set);
}

static void expunge(struct account_fixture *f, uint32_t lo, uint32_t hi)
{
	expunge_every(f, lo, hi, 1);
}

static void client_open(struct client *c, struct account_fixture *f, unsigned dialect)
{
	struct roster *r = fixture_roster(f, inbox(f));
	c->view = view_create(f->account, r, false);
	c->n = r->uids.n;
	c->full_bytes = LIMIT_SLICE_BYTES;
	c->view->dialect = dialect;
	for (uint32_t i = 0; i < c->n; i++) {
		struct roster_entry e;
		roster_read(r, i, &e);
		c->uid[i] = e.uid;
		c->modseq[i] = e.modseq;
		c->flags[i] = new_text(c);
		snprintf(c->flags[i], sizeof(c->texts[0]), "%s", flagset_get(f->account, e.flagset)->text);
	}
}

static void forget(struct client *c, uint32_t index)
{
	assert_true(index < c->n);
	memmove(c->flags + index, c->flags + index + 1, (c->n - index - 1) * sizeof(c->flags[0]));
	memmove(c->uid + index, c->uid + index + 1, (c->n - index - 1) * sizeof(c->uid[0]));
	memmove(c->modseq + index, c->modseq + index + 1, (c->n - index - 1) * sizeof(c->modseq[0]));
	c->n--;
}

static uint32_t index_of(const struct client *c, uint32_t uid)
{
	uint32_t i = 0;
	while (i < c->n && c->uid[i] != uid)
		i++;
	assert_true(i < c->n); /* nothing is said of what the client was not told of (RFC 7162 3.2.10.2) */
	return i;
}

/* "3,5:7", ascending. */
static void read_vanished(struct client *c, const char *set)
{
	unsigned long last = 0;
	assert_true((c->view->dialect & (DIALECT_QRESYNC | DIALECT_UIDONLY)) != 0);
	for (char *end; *set; set = *end == ',' ? end + 1 : end) {
		unsigned long lo = strtoul(set, &end, 10), hi = *end == ':' ? strtoul(end + 1, &end, 10) : lo;
		assert_true(lo > last && hi >= lo && (*end == ',' || *end == '\r'));
		for (unsigned long uid = lo; uid <= hi; uid++)
			forget(c, index_of(c, (uint32_t)uid));
		last = hi;
		if (*end == '\r')
			break;
	}
	assert_true(last > 0);
}

/* What a line of this dialect has in its parentheses. */
static void read_items(struct client *c, uint32_t index, const char *items)
{
	unsigned dialect = c->view->dialect;
	unsigned uid = 0;
	unsigned long long modseq = 0;
	char flags[100] = "";
	bool has_uid = sscanf(items, "(UID %u ", &uid) == 1;
	assert_int_equal(has_uid, (dialect & DIALECT_CONDSTORE) && !(dialect & DIALECT_UIDONLY)); /* RFC 7162 3.2.4 */
	if (has_uid)
		assert_int_equal(uid, c->uid[index]);
	const char *at = strstr(items, "FLAGS (");
	assert_non_null(at);
	sscanf(at, "FLAGS (%99[^)])", flags);
	const char *told = strstr(items, " MODSEQ (");
	assert_int_equal(told != NULL, (dialect & DIALECT_CONDSTORE) != 0); /* RFC 7162 3.2.4 */
	if (told) {
		assert_int_equal(sscanf(told, " MODSEQ (%llu))", &modseq), 1);
		assert_true(modseq >= c->modseq[index]); /* again when it changed after its round began */
		c->modseq[index] = modseq;
	}
	char *recent = strstr(flags, "\\Recent");
	if (recent)
		recent[recent > flags ? -1 : 0] = '\0';
	snprintf(c->flags[index], sizeof(c->texts[0]), "%s", flags);
}

static void read_line(struct client *c, const char *line)
{
	unsigned n;
	char word[16];
	int at = 0;
	c->lines++;
	if (strncmp(line, "* FLAGS (", 9) == 0 || strncmp(line, "* OK [PERMANENTFLAGS", 20) == 0)
		return;
	if (strncmp(line, "* VANISHED ", 11) == 0) {
		read_vanished(c, line + 11);
		return;
	}
	assert_int_equal(sscanf(line, "* %u %15s %n", &n, word, &at), 2);
	if (strcmp(word, "EXPUNGE") == 0) {
		assert_false(c->view->dialect & (DIALECT_QRESYNC | DIALECT_UIDONLY));
		forget(c, n - 1);
	} else if (strcmp(word, "EXISTS") == 0) {
		assert_true(n > c->n && n <= MESSAGES_MAX && n == c->view->uids.n);
		for (; c->n < n; c->n++) {
			c->uid[c->n] = uids_at(&c->view->uids, c->n); /* it would fetch that now */
			c->modseq[c->n] = 0;
			c->flags[c->n] = new_text(c);
		}
	} else if (strcmp(word, "FETCH") == 0) {
		assert_false(c->view->dialect & DIALECT_UIDONLY);
		assert_in_range(n, 1, c->n);
		read_items(c, n - 1, line + at);
	} else if (strcmp(word, "UIDFETCH") == 0) {
		assert_true(c->view->dialect & DIALECT_UIDONLY);
		read_items(c, index_of(c, n), line + at);
	} else {
		assert_string_equal(word, "RECENT");
		assert_in_range(n, 0, c->n);
	}
}

static void read_chunk(struct client *c, struct buf *out)
{
	assert_in_range(out->len, 0, LIMIT_SLICE_BYTES + 4096);
	for (char *at = out->data, *nl; at && at < out->data + out->len; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(out->data + out->len - at));
		assert_non_null(nl);
		*nl = '\0';
		read_line(c, at);
	}
	c->chunks++;
	buf_reset(out);
}

/* Tells a chunk at a time; `between` happens after the first. */
static enum view_told tell(struct client *c, struct account_fixture *f, bool expunges,
			   void (*between)(struct account_fixture *f))
{
	struct buf out;
	enum view_told told;
	buf_init(&out, 1 << 20);
	do {
		told = view_tell(c->view, f->account, &out, c->full_bytes, expunges, false);
		read_chunk(c, &out);
		if (between && told == VIEW_MORE)
			between(f);
		between = NULL;
	} while (told == VIEW_MORE);
	buf_finish(&out);
	return told;
}

static void assert_in_sync(struct client *c, struct account_fixture *f)
{
	struct roster *r = fixture_roster(f, inbox(f));
	assert_int_equal(c->n, r->uids.n);
	assert_int_equal(c->view->uids.n, r->uids.n);
	assert_int_equal(view_highest_modseq(c->view), r->info.modseq);
	for (uint32_t i = 0; i < c->n; i++) {
		struct roster_entry e;
		roster_read(r, i, &e);
		assert_int_equal(uids_at(&c->view->uids, i), e.uid);
		assert_int_equal(c->uid[i], e.uid);
		if (c->modseq[i] && (c->view->dialect & DIALECT_CONDSTORE))
			assert_int_equal(c->modseq[i], e.modseq);
		/* A client knows nothing of the flags of what it was only told to EXIST. */
		if (c->flags[i][0])
			assert_string_equal(c->flags[i], flagset_get(f->account, e.flagset)->text);
	}
}

static void client_close(struct client *c)
{
	view_destroy(c->view);
	c->view = NULL;
}

static struct client *client_create(struct account_fixture *f, unsigned dialect)
{
	struct client *c = xcalloc(1, sizeof(*c));
	client_open(c, f, dialect);
	return c;
}

static void client_destroy(struct client *c)
{
	client_close(c);
	free(c);
}

static void test_held(void **state)
{
	struct account_fixture *f = *state;
	append(f, 10);
	struct client *c = client_create(f, DIALECT_REV1);
	uint64_t before = fixture_roster(f, inbox(f))->info.modseq;
	expunge(f, 3, 4);
	append(f, 2);
	store(f, 9, 9, FLAG_SEEN, "");
	assert_int_equal(tell(c, f, false, NULL), VIEW_HELD);
	assert_int_equal(view_highest_modseq(c->view), before); /* RFC 7162 6: below the expunge */
	assert_int_equal(c->n, 12);
	assert_string_equal(c->flags[8], "\\Seen");
	assert_int_equal(tell(c, f, false, NULL), VIEW_HELD);
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_in_sync(c, f);
	unsigned lines = c->lines;
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_int_equal(c->lines, lines); /* nothing twice */
	client_destroy(c);
}

static void test_nothing_for_the_unseen(void **state)
{
	struct account_fixture *f = *state;
	append(f, 2);
	struct client *c = client_create(f, DIALECT_REV1);
	append(f, 1);
	expunge(f, 3, 3);
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_int_equal(c->lines, 0); /* RFC 7162 3.2.10.2 */
	assert_in_sync(c, f);
	client_destroy(c);
}

static void change_everything(struct account_fixture *f)
{
	expunge(f, 100, 200);
	append(f, 50);
	store(f, 1, 8000, FLAG_FLAGGED, "later");
}

static void check_chunks(struct account_fixture *f, unsigned dialect)
{
	append(f, 15000);
	struct client *c = client_create(f, dialect);
	store(f, 1, 15000, FLAG_SEEN | FLAG_ANSWERED, "");
	assert_int_equal(tell(c, f, true, change_everything), VIEW_TOLD);
	assert_true(c->chunks > 3);
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_in_sync(c, f);
	c->chunks = 0;
	c->full_bytes = 3000;
	expunge_every(f, c->uid[9], c->uid[13999], 7); /* in VANISHED each is a range of its own */
	assert_int_equal(tell(c, f, true, change_everything), VIEW_TOLD);
	assert_true(c->chunks > 3);
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_in_sync(c, f);
	client_destroy(c);
}

static void test_chunks(void **state)
{
	check_chunks(*state, DIALECT_REV1);
}

static void test_chunks_vanished(void **state)
{
	check_chunks(*state, DIALECT_QRESYNC | DIALECT_CONDSTORE);
}

static void test_deleted(void **state)
{
	struct account_fixture *f = *state;
	int64_t id;
	append(f, 6000);
	struct client *c = client_create(f, DIALECT_REV1);
	fixture_begin(f);
	assert_int_equal(mailbox_create(f->account, "elsewhere", 0, &id), STORE_OK);
	assert_int_equal(mailbox_rename(f->account, "INBOX", "moved"), STORE_OK);
	fixture_end(f);
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_int_equal(c->n, 0); /* INBOX stays, empty (RFC 9051 6.3.6) */
	c->view->mailbox = id;
	append(f, 3);
	client_destroy(c);
	c = client_create(f, DIALECT_REV1);
	fixture_begin(f);
	assert_int_equal(mailbox_delete(f->account, "elsewhere"), STORE_OK);
	fixture_end(f);
	c->view->mailbox = id;
	assert_int_equal(tell(c, f, false, NULL), VIEW_HELD);
	assert_int_equal(tell(c, f, true, NULL), VIEW_TOLD);
	assert_int_equal(c->n, 0);
	client_destroy(c);
}

static void change_at_random(struct account_fixture *f)
{
	static const char *const keywords[] = {"", "a", "b", "a b", ""};
	uint64_t x = fixture_random(f);
	uint32_t last = fixture_roster(f, inbox(f))->info.uidnext - 1, lo = (uint32_t)(x >> 8) % last + 1;
	uint32_t hi = lo + (uint32_t)(x >> 40) % 40 < last ? lo + (uint32_t)(x >> 40) % 40 : last;
	switch (x % 4) {
	case 0:
		append(f, (uint32_t)(x >> 8) % 20 + 1);
		break;
	case 1:
		expunge(f, lo, hi);
		break;
	default:
		store(f, lo, hi, (uint32_t)(x >> 16) % 32, keywords[(x >> 24) % 5]);
	}
}

/* Two clients of each dialect, one that always takes expunges and one that seldom does, against random changes. */
static void test_random(void **state)
{
	static const unsigned dialects[] = {DIALECT_REV1, DIALECT_CONDSTORE, DIALECT_QRESYNC | DIALECT_CONDSTORE, DIALECT_UIDONLY,
					    DIALECT_UIDONLY | DIALECT_QRESYNC | DIALECT_CONDSTORE};
	struct account_fixture *f = *state;
	struct client *one[countof(dialects)], *two[countof(dialects)];
	append(f, 300);
	for (size_t k = 0; k < countof(dialects); k++) {
		one[k] = client_create(f, dialects[k]);
		two[k] = client_create(f, dialects[k]);
	}
	for (int i = 0; i < 300; i++) {
		change_at_random(f);
		uint64_t x = fixture_random(f);
		for (size_t k = 0; k < countof(dialects); k++) {
			assert_int_equal(tell(one[k], f, true, NULL), VIEW_TOLD);
			assert_in_sync(one[k], f);
			if ((x >> 50) % 3 == 0)
				tell(two[k], f, (x >> 54) % 4 == 0, NULL);
		}
	}
	for (size_t k = 0; k < countof(dialects); k++) {
		tell(two[k], f, true, NULL);
		assert_in_sync(two[k], f);
		client_destroy(one[k]);
		client_destroy(two[k]);
	}
}

static void test_resolve(void **state)
{
	struct account_fixture *f = *state;
	append(f, 9);
	expunge(f, 4, 5); /* 1 2 3 6 7 8 9 */
	struct client *c = client_create(f, DIALECT_REV1);
	append(f, 5);     /* not told */
	static const struct {
		struct numrange v[2];
		size_t n;
		bool uid, ok;
		uint64_t names;
	} cases[] = {
		{{{1, 3}}, 1, false, true, 3}, {{{0, 0}}, 1, false, true, 1}, {{{8, 8}}, 1, false, false, 0},
		{{{7, 2}}, 1, false, true, 6}, {{{1, 2}, {2, 3}}, 2, false, true, 3}, {{{1, 100}}, 1, true, true, 7},
		{{{559, 0}}, 1, true, true, 1}, {{{10, 14}}, 1, true, true, 0}, {{{4, 5}}, 1, true, true, 0},
		{{{1, 9}, {0, 3}}, 2, true, true, 7},
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct numrange v[2] = {cases[i].v[0], cases[i].v[1]};
		struct numset set = {.v = v, .n = cases[i].n};
		struct uidset out = {0};
		struct view_walk walk;
		struct view_message m;
		uint64_t n = 0;
		assert_int_equal(view_resolve(c->view, &set, cases[i].uid, &out), cases[i].ok);
		view_walk_init(&walk, c->view, fixture_roster(f, inbox(f)), &out, 0);
		while (view_walk_next(&walk, &m)) {
			assert_false(m.gone);
			assert_int_equal(m.slice->uid[m.at], m.uid);
			assert_int_equal(uids_at(&c->view->uids, m.index), m.uid);
			n++;
		}
		assert_int_equal(n, cases[i].names);
		uidset_finish(&out);
	}
	client_destroy(c);
}

/* RFC 9394 3.3: against taking the places one by one. */
static void test_partial(void **state)
{
	struct account_fixture *f = *state;
	append(f, 9);
	expunge(f, 4, 5);
	struct client *c = client_create(f, DIALECT_REV1);
	static const uint32_t uids[] = {1, 2, 3, 6, 7, 8, 9};
	for (uint32_t code = 0; code < 2 * 9 * 9 * 3; code++) {
		struct partial p = {1 + code % 9, 1 + code / 9 % 9, code / 81 % 2};
		struct uidset set = {0};
		uint32_t named[7], n = 0, near = p.from < p.to ? p.from : p.to, far = p.from < p.to ? p.to : p.from;
		if (code / 162 == 1)
			uidset_append(&set, 2, 2);
		uidset_append(&set, code / 162 == 2 ? 3 : 5, code / 162 == 0 ? UINT32_MAX : 8);
		for (size_t i = 0; i < countof(uids); i++)
			if (uidset_has(&set, uids[i]))
				named[n++] = uids[i];
		view_take_partial(c->view, &p, &set);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t place = p.backwards ? n - i : i + 1;
			assert_int_equal(uidset_has(&set, named[i]), place >= near && place <= far);
		}
		for (size_t i = 1; i < set.n; i++)
			assert_true(set.v[i - 1].hi < set.v[i].lo);
		uidset_finish(&set);
	}
	client_destroy(c);
}

/* The messages of `set`, one by one or in stretches, each chunk ending at `full_bytes`. */
static void write_flags(struct view *v, struct account_fixture *f, const struct uidset *set, bool stretches, bool with_uid,
			size_t full_bytes, struct buf *out)
{
	struct roster *r = fixture_roster(f, inbox(f));
	struct view_message m;
	struct view_stretch s;
	struct view_walk walk;
	view_walk_init(&walk, v, r, set, 0);
	if (!stretches) {
		while (view_walk_next(&walk, &m))
			view_write_fetch(v, f->account, r, &m, with_uid, out);
		return;
	}
	while (view_walk_stretch(&walk, UINT32_MAX, &s)) {
		uint32_t n = view_write_stretch(v, f->account, r, &s, with_uid, out->len + full_bytes, out);
		assert_in_range(n, 1, s.n);
		if (n < s.n)
			view_walk_init(&walk, v, r, set, s.index + n);
	}
}

static void test_stretches(void **state)
{
	struct account_fixture *f = *state;
	append(f, 1500);
	expunge_every(f, 5, 900, 7);
	expunge(f, 1100, 1300);
	store(f, 1, 300, FLAG_SEEN, "");
	store(f, 200, 1400, 0, "a b");
	view_destroy(view_create(f->account, fixture_roster(f, inbox(f)), false)); /* takes what is \Recent */
	append(f, 300);
	for (int i = 0; i < 40; i++) {
		struct view *v = view_create(f->account, fixture_roster(f, inbox(f)), true);
		struct uidset set = {0};
		struct buf single, stretched;
		buf_init(&single, 1 << 20);
		buf_init(&stretched, 1 << 20);
		v->dialect = i % 4 == 3 ? DIALECT_UIDONLY : DIALECT_REV1;
		for (uint32_t uid = 1; uid < 1900;) {
			uint32_t hi = uid + (uint32_t)(fixture_random(f) % (i ? 400 : 4000));
			uidset_append(&set, uid, hi);
			uid = hi + 1 + (uint32_t)(fixture_random(f) % 50);
		}
		write_flags(v, f, &set, true, i % 4 == 1, fixture_random(f) % 5000, &stretched);
		view_destroy(v);
		v = view_create(f->account, fixture_roster(f, inbox(f)), true);
		v->dialect = i % 4 == 3 ? DIALECT_UIDONLY : DIALECT_REV1;
		write_flags(v, f, &set, false, i % 4 == 1, 0, &single);
		assert_true(single.len > 10000);
		assert_true(span_equal(buf_span(&single), buf_span(&stretched)));
		view_destroy(v);
		uidset_finish(&set);
		buf_finish(&single);
		buf_finish(&stretched);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stretches, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_partial, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_held, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_for_the_unseen, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_chunks, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_chunks_vanished, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_deleted, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_random, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_resolve, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
