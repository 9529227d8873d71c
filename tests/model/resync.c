#include "tests/model/resync.h"

#include "protocol/imap/lexer.h"
#include "tests/model/sim.h"

#include <string.h>

void kept_finish(struct kept *k)
{
	free(k->v);
	*k = (struct kept){0};
}

static void keep(struct kept *k, const struct client *c)
{
	k->uidvalidity = c->uidvalidity;
	k->modseq = c->modseq;
	k->n = c->n;
	k->v = xrealloc(k->v, c->n * sizeof(*k->v));
	if (c->n)
		memcpy(k->v, c->v, c->n * sizeof(*k->v));
}

/* A few numbers that the client is sure of, with their UIDs (RFC 7162 3.2.5.2). */
static void add_match(struct client *c, const struct kept *k)
{
	char seqs[200] = "", uids[200] = "";
	size_t s = 0, u = 0;
	for (uint32_t i = 0; i < k->n && s < 150; i += 1 + sim_below(c->sim, k->n)) {
		s += (size_t)snprintf(seqs + s, sizeof(seqs) - s, "%s%u", s ? "," : "", i + 1);
		u += (size_t)snprintf(uids + u, sizeof(uids) - u, "%s%u", u ? "," : "", k->v[i].uid);
	}
	client_add(c, " (%s %s)", seqs, uids);
}

void resync_ask(struct client *c)
{
	const struct kept *k = &c->kept[c->target];
	c->resyncs = (c->dialect & DIALECT_QRESYNC) && k->modseq && !sim_once(c->sim, 8);
	if (!c->resyncs)
		return;
	kept_finish(&c->old);
	c->old = *k;
	c->old.v = xmalloc(k->n * sizeof(*k->v));
	if (k->n)
		memcpy(c->old.v, k->v, k->n * sizeof(*k->v));
	client_add(c, " (QRESYNC (%u %llu", k->uidvalidity, (unsigned long long)k->modseq);
	c->narrow = k->n && sim_once(c->sim, 3);
	if (c->narrow)
		client_add(c, " 1:%u", k->v[k->n - 1].uid);
	if (k->n && !(c->dialect & DIALECT_UIDONLY) && sim_once(c->sim, 3))
		add_match(c, k);
	client_add(c, "))");
}

void resync_code(struct client *c, const char *text)
{
	unsigned long long n;
	const char *modseq = strstr(text, "[HIGHESTMODSEQ "), *validity = strstr(text, "[UIDVALIDITY ");
	if (modseq && sscanf(modseq, "[HIGHESTMODSEQ %llu]", &n) == 1) {
		c->code_modseq = n;
		c->has_code = true;
	}
	if (validity && sscanf(validity, "[UIDVALIDITY %llu]", &n) == 1)
		c->uidvalidity = (uint32_t)n;
}

/* ---- VANISHED ---- */

static void forget_at(struct known *v, uint32_t *n, uint32_t at)
{
	memmove(&v[at], &v[at + 1], (*n - at - 1) * sizeof(*v));
	(*n)--;
}

static void vanish_earlier(struct client *c, uint32_t uid)
{
	c->earlier = xrealloc(c->earlier, (c->earlier_n + 1) * sizeof(*c->earlier));
	c->earlier[c->earlier_n++] = uid;
	for (uint32_t i = 0; i < c->old.n; i++)
		if (c->old.v[i].uid == uid) {
			forget_at(c->old.v, &c->old.n, i);
			return;
		}
}

/* One whose UID was never told lies between those that are known, or, without sequence numbers, anywhere. */
static void vanish(struct client *c, uint32_t uid)
{
	uint32_t after = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->v[i].uid == uid) {
			hear_own_expunge(c, uid);
			forget_at(c->v, &c->n, i);
			return;
		}
		if (c->v[i].uid && c->v[i].uid < uid)
			after = i + 1;
	}
	if (c->dialect & DIALECT_UIDONLY)
		after = c->n - 1;
	if (c->n == 0 || after >= c->n || c->v[after].uid)
		sim_fail(c->sim, "%d: VANISHED %u, which it cannot have", c->index, uid);
	forget_at(c->v, &c->n, after);
}

void resync_vanished(struct client *c, const char *text)
{
	bool earlier = strncmp(text, " (EARLIER)", 10) == 0;
	if (!(c->dialect & (DIALECT_QRESYNC | DIALECT_UIDONLY)))
		sim_fail(c->sim, "%d: VANISHED that was not enabled", c->index);
	if (earlier && !(c->kind == KIND_SELECT && c->resyncs) && !(c->kind == KIND_FETCH && c->asks_vanished))
		sim_fail(c->sim, "%d: VANISHED (EARLIER) that was not asked for", c->index);
	if (!earlier && !client_takes_expunge(c))
		sim_fail(c->sim, "%d: VANISHED where it may not be said", c->index);
	for (const char *at = text + (earlier ? 10 : 0); *at == ' ' || *at == ',';) {
		char *end;
		uint32_t lo = (uint32_t)strtoul(at + 1, &end, 10), hi = lo;
		if (*end == ':')
			hi = (uint32_t)strtoul(end + 1, &end, 10);
		if (lo == 0 || hi < lo || hi > SIZES_MAX)
			sim_fail(c->sim, "%d: VANISHED names %u:%u", c->index, lo, hi);
		for (uint32_t uid = lo; uid <= hi; uid++) {
			if (earlier)
				vanish_earlier(c, uid);
			else
				vanish(c, uid);
		}
		at = end;
	}
}

/* ---- the end of SELECT ---- */

/* What was kept and did not vanish, and what was told now, by UID; heap. */
static struct known *merge(const struct client *c, uint32_t *n)
{
	struct known *out = xmalloc((c->old.n + c->n) * sizeof(*out));
	uint32_t o = 0, t = 0;
	*n = 0;
	while (o < c->old.n || t < c->n) {
		if (t < c->n && c->v[t].uid == 0) {
			t++;
		} else if (o == c->old.n || (t < c->n && c->v[t].uid <= c->old.v[o].uid)) {
			o += o < c->old.n && c->v[t].uid == c->old.v[o].uid;
			out[(*n)++] = c->v[t++];
		} else {
			out[(*n)++] = c->old.v[o++];
		}
	}
	return out;
}

static void check_places(struct client *c, const struct known *all, uint32_t n)
{
	if (n > c->n || (n < c->n && !c->narrow))
		sim_fail(c->sim, "%d: knows %u messages after QRESYNC, and there are %u", c->index, n, c->n);
	for (uint32_t i = 0; i < c->n && !(c->dialect & DIALECT_UIDONLY); i++)
		if (c->v[i].uid && (i >= n || c->v[i].uid != all[i].uid))
			sim_fail(c->sim, "%d: UID %u is told as number %u, and cannot be that", c->index, c->v[i].uid, i + 1);
}

void resync_end_select(struct client *c)
{
	if (!c->has_code)
		sim_fail(c->sim, "%d: SELECT without HIGHESTMODSEQ", c->index);
	for (uint32_t i = 0; c->has_shot && c->exact && i < c->earlier_n; i++)
		if (box_find(&c->shot.boxes[c->target], c->earlier[i]))
			sim_fail(c->sim, "%d: UID %u vanished earlier, and is there", c->index, c->earlier[i]);
	if (c->resyncs && c->has_shot && c->exact) {
		uint32_t n;
		struct known *all = merge(c, &n);
		check_places(c, all, n);
		for (uint32_t i = 0; i < n; i++)
			c->v[i] = all[i];
		for (uint32_t i = n; i < c->n; i++)
			c->v[i] = (struct known){0};
		free(all);
		client_compare(c, &c->shot.boxes[c->target], true, "after QRESYNC");
	}
	kept_finish(&c->old);
}

/* RFC 7162 6: HIGHESTMODSEQ counts where it is said, else the highest that was told. */
void resync_end_command(struct client *c)
{
	bool whole = true;
	if (c->has_code)
		c->modseq = c->code_modseq;
	else if (c->told_modseq > c->modseq)
		c->modseq = c->told_modseq;
	c->has_code = false;
	c->told_modseq = 0;
	for (uint32_t i = 0; i < c->n; i++)
		whole = whole && c->v[i].uid && c->v[i].has_flags;
	if (whole && c->modseq)
		keep(&c->kept[c->box], c);
}
