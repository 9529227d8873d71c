#include "server/search_private.h"

#include "protocol/imap/objectid.h"
#include "protocol/mime/text.h"
#include "protocol/utf8.h"
#include "server/limits.h"
#include "storage/content.h"
#include "storage/flagset.h"

#include <errno.h>
#include <iconv.h>

enum { COST_STEP = 64, COST_STRETCH = 32, SCORE_EXACT = 100 };

struct maker {
	struct arena *arena;
	const struct view *view;
	struct span charset;
	unsigned fuzzy; /* how many FUZZY keys are around */
	enum search_made result;
};

/* ---- making ---- */

/* Stricter than mime_charset_open(), which takes what mail calls unknown for octets: a client is told BADCHARSET.  Only
 * what can be a name is passed on. */
static iconv_t open_charset(struct span charset)
{
	char name[64];
	if (charset.len == 0 || charset.len >= sizeof(name))
		return (iconv_t)-1;
	for (size_t i = 0; i < charset.len; i++) {
		char c = charset.ptr[i];
		bool ok = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-_.:+", c);
		if (!ok)
			return (iconv_t)-1;
		name[i] = c;
	}
	name[charset.len] = '\0';
	return iconv_open("UTF-8", name);
}

static bool convert(iconv_t cd, struct span s, struct buf *out)
{
	char *in = (char *)(uintptr_t)s.ptr, chunk[1024];
	size_t left = s.len;
	iconv(cd, NULL, NULL, NULL, NULL);
	for (;;) {
		char *to = chunk;
		size_t room = sizeof(chunk);
		size_t rc = iconv(cd, left ? &in : NULL, &left, &to, &room);
		buf_add(out, chunk, sizeof(chunk) - room);
		if (rc != (size_t)-1 && left == 0)
			return !out->failed;
		if (rc == (size_t)-1 && errno != E2BIG)
			return false;
	}
}

static bool is_unicode(struct span charset)
{
	return !charset.ptr || span_is(charset, "UTF-8") || span_is(charset, "US-ASCII");
}

/* The string in UTF-8, folded for comparison. */
static struct span make_text(struct maker *m, struct span text)
{
	struct buf utf8, folded;
	buf_init(&utf8, 1 << 20);
	buf_init(&folded, 1 << 22);
	bool ok = true;
	if (is_unicode(m->charset)) {
		ok = utf8_is_valid(text);
		buf_add_span(&utf8, text);
	} else {
		iconv_t cd = open_charset(m->charset);
		ok = convert(cd, text, &utf8);
		iconv_close(cd);
	}
	if (ok)
		mime_fold(buf_span(&utf8), &folded);
	else
		m->result = SEARCH_BAD_TEXT;
	text = arena_copy(m->arena, buf_span(&folded));
	buf_finish(&utf8);
	buf_finish(&folded);
	return text;
}

static enum search_cost own_cost(enum search_kind kind)
{
	switch (kind) {
	case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE: case SEARCH_THREADID:
		return COST_ROW;
	case SEARCH_FIELD: case SEARCH_HEADER:
		return COST_HEADER;
	case SEARCH_BODY: case SEARCH_TEXT:
		return COST_BODY;
	case SEARCH_ALL: case SEARCH_FLAG: case SEARCH_KEYWORD: case SEARCH_RECENT: case SEARCH_SAVED: case SEARCH_SEQ:
	case SEARCH_UID:
	case SEARCH_LARGER: case SEARCH_SMALLER: case SEARCH_BEFORE: case SEARCH_ON: case SEARCH_SINCE: case SEARCH_OLDER:
	case SEARCH_YOUNGER: case SEARCH_SAVEDBEFORE: case SEARCH_SAVEDON: case SEARCH_SAVEDSINCE: case SEARCH_EMAILID:
	case SEARCH_MODSEQ: case SEARCH_AND: case SEARCH_OR: case SEARCH_NOT: case SEARCH_FUZZY:
		break;
	}
	return COST_ROSTER;
}

/* Puts a child in its place by cost, behind those that cost the same. */
static void add_child(struct search_node *node, struct search_node *child)
{
	size_t at = node->children_n++;
	for (; at > 0 && node->children[at - 1]->cost > child->cost; at--)
		node->children[at] = node->children[at - 1];
	node->children[at] = child;
	if (child->cost > node->cost)
		node->cost = child->cost;
}

/* Of a string within FUZZY its words.  One that has none is looked for as it is, and so is all that is no string (RFC 6203
 * 5). */
static void make_fuzzy(struct maker *m, struct search_node *node)
{
	struct buf words;
	buf_init(&words, 1 << 22);
	mime_fuzzy_words(node->text, &words);
	node->fuzzy = words.len > 0;
	if (node->fuzzy)
		node->text = arena_copy(m->arena, buf_span(&words));
	buf_finish(&words);
}

static struct search_node *make_node(struct maker *m, const struct search_key *key)
{
	if (key->kind == SEARCH_FUZZY) {
		m->fuzzy++;
		struct search_node *within = make_node(m, key->children[0]);
		m->fuzzy--;
		return within;
	}
	struct search_node *node = arena_alloc(m->arena, sizeof(*node));
	const struct view *v = m->view;
	*node = (struct search_node){.kind = key->kind, .cost = own_cost(key->kind), .bits = key->bits,
				     .number = key->number, .name = key->name, .text = key->text, .set = key->set};
	if (key->kind == SEARCH_SEQ)
		numset_normalise(&node->set, v->uids.n);
	else if (key->kind == SEARCH_UID)
		numset_normalise(&node->set, uids_last(&v->uids));
	else if (node->cost >= COST_HEADER)
		node->text = make_text(m, key->text);
	if (m->fuzzy && node->cost >= COST_HEADER)
		make_fuzzy(m, node);
	if (key->children_n)
		node->children = arena_alloc(m->arena, key->children_n * sizeof(struct search_node *));
	for (size_t i = 0; i < key->children_n; i++)
		add_child(node, make_node(m, key->children[i]));
	return node;
}

enum search_made search_make(struct search *s, struct arena *a, const struct request *r, const struct view *v)
{
	struct maker m = {.arena = a, .view = v, .charset = r->search.charset};
	if (!is_unicode(m.charset)) {
		iconv_t cd = open_charset(m.charset);
		if (cd == (iconv_t)-1)
			return SEARCH_BAD_CHARSET;
		iconv_close(cd);
	}
	buf_init(&s->header, UINT32_MAX);
	buf_init(&s->parts, UINT32_MAX);
	s->scored = r->search.has_relevancy;
	s->root = make_node(&m, r->search.key);
	s->cost = s->root->cost;
	return m.result;
}

void search_finish(struct search *s)
{
	search_filters_finish(s->root);
	mime_search_finish(&s->text);
	buf_finish(&s->header);
	buf_finish(&s->parts);
}

/* The content that an EMAILID names, once for all messages; contents' ids are above 0. */
static void find_email(struct search *s, struct search_node *node)
{
	unsigned char digest[OBJECTID_EMAIL_BYTES];
	if (node->kind == SEARCH_EMAILID && objectid_read_email(node->text, digest)) {
		enum store_err err = content_find(s->account, digest, &node->number);
		if (err && err != STORE_NOTFOUND)
			s->err = err;
	}
	for (size_t i = 0; i < node->children_n; i++)
		find_email(s, node->children[i]);
}

static void make_known(struct search_node *node, const struct account *a, struct arena *arena)
{
	if (node->kind == SEARCH_KEYWORD && !node->known) {
		node->known_n = a->flags->n;
		node->known = arena_alloc(arena, node->known_n);
	}
	for (size_t i = 0; i < node->children_n; i++)
		make_known(node->children[i], a, arena);
}

void search_resume(struct search *s, struct account *a, const struct view *v, struct arena *arena)
{
	s->account = a;
	s->view = v;
	if (s->now_s == 0)
		s->now_s = a->env->now_s(a->env->ctx);
	make_known(s->root, a, arena);
	find_email(s, s->root);
}

/* ---- asking ---- */

static bool sent_matches(struct search *s, struct search_node *node)
{
	struct content_row row;
	node->looked++;
	enum store_err err = content_get(s->account, s->content, &row);
	if (err)
		s->err = err;
	if (err || row.sent == INT64_MIN)
		return false;
	if (node->kind == SEARCH_SENTON)
		return row.sent == node->number;
	return node->kind == SEARCH_SENTBEFORE ? row.sent < node->number : row.sent >= node->number;
}

static bool thread_matches(struct search *s, struct search_node *node)
{
	struct content_row row;
	uint64_t thread;
	if (!objectid_read_thread(node->text, &thread))
		return false;
	node->looked++;
	enum store_err err = content_get(s->account, s->content, &row);
	if (err)
		s->err = err;
	return !err && row.thread == thread;
}

static void load_header(struct search *s)
{
	struct bytes stored;
	if (s->has_header)
		return;
	s->has_header = true;
	buf_reset(&s->header);
	enum store_err err = content_header(s->account, s->content, &stored);
	if (!err) {
		buf_add(&s->header, stored.ptr, stored.len);
		return;
	}
	/* A huge one is not kept apart. */
	uint32_t size = s->message->slice->size[s->message->at];
	uint32_t len = size < LIMIT_FIELDS_HEADER_BYTES ? size : LIMIT_FIELDS_HEADER_BYTES;
	char *to = buf_reserve(&s->header, len);
	err = err != STORE_NOTFOUND ? err : (len ? content_read(s->account, s->content, 0, len, to) : STORE_OK);
	if (!err)
		s->header.len = len;
	else
		s->err = err;
}

static bool header_matches(struct search *s, struct search_node *node)
{
	load_header(s);
	node->looked++;
	if (!node->fuzzy)
		return mime_header_contains(buf_span(&s->header), node->name, node->text);
	node->score = mime_header_score(buf_span(&s->header), node->name, node->text, s->scored);
	return node->score > 0;
}

/* Starts to look for node's string in the present message. */
static enum store_err begin_text(struct search *s, struct search_node *node)
{
	struct content_row row;
	s->looking = NULL;
	s->piece = 0;
	enum store_err err = content_get(s->account, s->content, &row);
	if (err)
		return err;
	buf_reset(&s->parts);
	buf_add(&s->parts, row.parts.ptr, row.parts.len);
	mime_search_finish(&s->text);
	enum mime_search_scope scope = node->kind == SEARCH_TEXT ? MIME_SEARCH_TEXT : MIME_SEARCH_BODY;
	if (node->fuzzy)
		mime_search_init_fuzzy(&s->text, buf_span(&s->parts), node->text, scope, s->scored);
	else
		mime_search_init(&s->text, buf_span(&s->parts), node->text, scope);
	s->looking = node;
	s->looking_in = s->content;
	return STORE_OK;
}

/* What was made of its attachments, as far as the index has it; what is wrong with that is the index's.  False: the slice is
 * over. */
static bool look_into_attachments(struct search *s)
{
	char piece[FULLTEXT_TEXT_BYTES];
	size_t len;
	bool ends;
	while (!s->text.found && !fulltext_text_get(s->account, s->content, s->piece, piece, &len, &ends)) {
		s->piece++;
		mime_search_feed_text(&s->text, span_make(piece, len), ends);
		if (!s->text.found && slice_is_over(s->slice, COST_STEP))
			return false;
	}
	return true;
}

/* A message is read a step at a time: a long one takes as many slices as it needs, and little memory. */
static enum search_answer text_matches(struct search *s, struct search_node *node)
{
	enum store_err err = STORE_OK;
	char step[MIME_SEARCH_STEP];
	uint32_t offset, len;
	if (node->answered_for == s->content) {
		node->score = node->answer;
		return node->answer ? SEARCH_YES : SEARCH_NO;
	}
	if (s->looking != node || s->looking_in != s->content)
		err = begin_text(s, node);
	while (!err && !s->text.found && mime_search_next(&s->text, &offset, &len)) {
		if (slice_is_over(s->slice, COST_STEP))
			return SEARCH_AGAIN;
		err = content_read(s->account, s->content, offset, len, step);
		if (!err)
			mime_search_feed(&s->text, span_make(step, len));
	}
	if (!err && !look_into_attachments(s))
		return SEARCH_AGAIN;
	if (err)
		s->err = err;
	node->looked++;
	node->answered_for = s->content;
	node->answer = node->score = err ? 0 : mime_search_score(&s->text);
	return node->answer ? SEARCH_YES : SEARCH_NO;
}

static enum search_answer string_matches(struct search *s, struct search_node *node)
{
	/* The empty string is a part of everything; of a header field, when there is one. */
	if (node->text.len == 0 && node->kind != SEARCH_HEADER)
		return SEARCH_YES;
	if (!search_filter_may(&node->filter, s->content))
		return SEARCH_NO;
	if (node->kind == SEARCH_BODY || node->kind == SEARCH_TEXT)
		return text_matches(s, node);
	return header_matches(s, node) ? SEARCH_YES : SEARCH_NO;
}

static bool row_matches(struct search *s, struct search_node *node)
{
	const struct view_message *m = s->message;
	const struct view_stretch one = {.index = m->index, .n = 1, .slice = m->slice, .at = m->at};
	uint64_t yes = 0;
	if (node->kind == SEARCH_SENTBEFORE || node->kind == SEARCH_SENTON || node->kind == SEARCH_SENTSINCE)
		return sent_matches(s, node);
	if (node->kind == SEARCH_THREADID)
		return thread_matches(s, node);
	search_sieve_roster(s, node, &one, &yes);
	return yes & 1;
}

static enum search_answer matches(struct search *s, struct search_node *node);

/* For a score both are asked. */
static enum search_answer either_matches(struct search *s, struct search_node *node)
{
	enum search_answer one = matches(s, node->children[0]);
	if (one == SEARCH_AGAIN || (one == SEARCH_YES && !s->scored))
		return one;
	enum search_answer other = matches(s, node->children[1]);
	return other == SEARCH_NO ? one : other;
}

/* What the fuzzy strings that hold give a message, 0 for none: of all that must hold their mean, of OR the best one's (RFC 6203 4
 * leaves it to the server). */
static unsigned score_of(const struct search_node *node)
{
	unsigned sum = 0, n = 0, best = 0;
	if (node->kind == SEARCH_NOT || !node->children_n)
		return node->fuzzy ? node->score : 0;
	for (size_t i = 0; i < node->children_n; i++) {
		unsigned score = score_of(node->children[i]);
		sum += score;
		n += score > 0;
		best = score > best ? score : best;
	}
	return node->kind == SEARCH_OR || n == 0 ? best : sum / n;
}

static void forget_scores(struct search_node *node)
{
	node->score = 0;
	for (size_t i = 0; i < node->children_n; i++)
		forget_scores(node->children[i]);
}

static enum search_answer matches(struct search *s, struct search_node *node)
{
	enum search_answer answer = SEARCH_YES;
	switch (node->kind) {
	case SEARCH_FIELD: case SEARCH_HEADER: case SEARCH_BODY: case SEARCH_TEXT:
		answer = string_matches(s, node);
		node->held += answer == SEARCH_YES;
		return answer;
	case SEARCH_AND:
		for (size_t i = 0; i < node->children_n && answer == SEARCH_YES; i++)
			answer = matches(s, node->children[i]);
		return answer;
	case SEARCH_OR:
		return either_matches(s, node);
	case SEARCH_NOT:
		answer = matches(s, node->children[0]);
		return answer == SEARCH_AGAIN ? answer : (answer == SEARCH_YES ? SEARCH_NO : SEARCH_YES);
	case SEARCH_ALL: case SEARCH_FLAG: case SEARCH_KEYWORD: case SEARCH_RECENT: case SEARCH_SAVED: case SEARCH_SEQ:
	case SEARCH_UID:
	case SEARCH_LARGER: case SEARCH_SMALLER: case SEARCH_BEFORE: case SEARCH_ON: case SEARCH_SINCE: case SEARCH_OLDER:
	case SEARCH_YOUNGER: case SEARCH_SAVEDBEFORE: case SEARCH_SAVEDON: case SEARCH_SAVEDSINCE: case SEARCH_EMAILID:
	case SEARCH_THREADID: case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE: case SEARCH_MODSEQ:
	case SEARCH_FUZZY:
		break;
	}
	answer = row_matches(s, node) ? SEARCH_YES : SEARCH_NO;
	node->held += answer == SEARCH_YES && node->cost == COST_ROW;
	return answer;
}

/* Does the program hold for the message? */
static enum search_answer look_into(struct search *s, const struct view_message *m, struct slice *slice)
{
	s->message = m;
	s->slice = slice;
	s->content = m->slice->content[m->at];
	s->has_header = false;
	s->newest = s->content > s->newest ? s->content : s->newest;
	if (s->scored)
		forget_scores(s->root);
	return matches(s, s->root);
}

/* ---- walking ---- */

void search_walk_init(struct search_walk *w, struct search *s, const struct roster *r, const struct uidset *within,
		      uint32_t from, uint32_t below)
{
	*w = (struct search_walk){.search = s, .roster = r, .within = within, .next = from, .below = below};
	view_walk_init(&w->view, s->view, r, within, from);
}

/* The stretch's next message that is not known to be none; the stretch's length when there is no more. */
static uint32_t next_in_stretch(const struct search_walk *w)
{
	uint32_t at = w->next > w->stretch.index ? w->next - w->stretch.index : 0;
	while (at < w->stretch.n) {
		uint64_t left = (w->sieve.yes[at / 64] | w->sieve.maybe[at / 64]) >> at % 64;
		if (left)
			return at + (uint32_t)__builtin_ctzll(left);
		at += 64 - at % 64;
	}
	return w->stretch.n;
}

static enum search_answer next_stretch(struct search_walk *w, struct slice *slice)
{
	w->next = w->stretch.n ? w->stretch.index + w->stretch.n : w->next;
	if (slice_is_over(slice, COST_STRETCH))
		return SEARCH_AGAIN;
	if (!view_walk_stretch(&w->view, w->below, &w->stretch)) {
		w->next = w->below;
		return SEARCH_NO;
	}
	search_sieve(w->search, &w->stretch, &w->sieve);
	return SEARCH_YES;
}

enum search_answer search_walk_next(struct search_walk *w, struct slice *slice, struct view_message *out)
{
	static const unsigned weights[] = {[COST_ROSTER] = 1, [COST_ROW] = 8, [COST_HEADER] = 16, [COST_BODY] = 256};
	if (!search_filters_fill(w->search, w->roster, w->within, slice))
		return SEARCH_AGAIN;
	for (;;) {
		uint32_t at = next_in_stretch(w);
		if (at == w->stretch.n) {
			enum search_answer found = next_stretch(w, slice);
			if (found != SEARCH_YES)
				return found;
			continue;
		}
		bool sure = w->sieve.yes[at / 64] >> at % 64 & 1;
		w->next = w->stretch.index + at;
		if (slice_is_over(slice, sure ? 1 : weights[w->search->cost]))
			return SEARCH_AGAIN;
		uint32_t place = w->stretch.at + at;
		*out = (struct view_message){.index = w->next, .uid = w->stretch.slice->uid[place],
					     .slice = w->stretch.slice, .at = place};
		enum search_answer answer = sure ? SEARCH_YES : look_into(w->search, out, slice);
		if (answer == SEARCH_AGAIN)
			return answer;
		w->next++;
		if (answer == SEARCH_NO)
			continue;
		if (w->search->scored)
			w->search->score = sure ? 0 : score_of(w->search->root);
		w->search->score = w->search->score ? w->search->score : SCORE_EXACT;
		return answer;
	}
}

void search_walk_take(struct search_walk *w, uint64_t sure[SIEVE_WORDS])
{
	uint32_t at = w->next - w->stretch.index;
	memset(sure, 0, SIEVE_WORDS * sizeof(*sure));
	for (size_t word = at / 64; word < SIEVE_WORDS; word++) {
		uint64_t from = word == at / 64 ? UINT64_MAX << at % 64 : UINT64_MAX,
			 open = w->sieve.maybe[word] & from;
		sure[word] = w->sieve.yes[word] & from & (open ? (open & -open) - 1 : UINT64_MAX);
		if (open) {
			w->next = w->stretch.index + (uint32_t)word * 64 + (uint32_t)__builtin_ctzll(open);
			return;
		}
	}
	w->next = w->stretch.index + w->stretch.n;
}

bool search_bounds(const struct search *s, struct uidset *out)
{
	const struct search_node *root = s->root;
	const struct view *v = s->view;
	for (size_t i = 0; root->kind == SEARCH_AND && i < root->children_n; i++) {
		const struct search_node *node = root->children[i];
		if (node->kind != SEARCH_SAVED && node->kind != SEARCH_SEQ && node->kind != SEARCH_UID)
			continue;
		for (size_t k = 0; node->kind == SEARCH_SAVED && k < v->saved.n; k++)
			uidset_append(out, v->saved.v[k].lo, v->saved.v[k].hi);
		for (size_t k = 0; k < node->set.n; k++) {
			uint32_t lo = node->set.v[k].lo, hi = node->set.v[k].hi;
			if (node->kind == SEARCH_UID) {
				uidset_append(out, lo, hi);
			} else if (lo <= v->uids.n) {
				hi = hi < v->uids.n ? hi : v->uids.n;
				uidset_append(out, uids_at(&v->uids, lo - 1), uids_at(&v->uids, hi - 1));
			}
		}
		return true;
	}
	return false;
}
