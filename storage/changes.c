#include "storage/changes.h"

#include "storage/flagset.h"
#include "storage/gone.h"
#include "storage/roster.h"

enum { VARINT_MAX = 5, RUNS_MAX = 65536 };

static size_t put_varint(unsigned char *to, uint32_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		to[n++] = (unsigned char)(v | 0x80);
	to[n++] = (unsigned char)v;
	return n;
}

static bool get_varint(const unsigned char **at, const unsigned char *end, uint32_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; *at < end && shift < 35; shift += 7) {
		unsigned char byte = *(*at)++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = (uint32_t)v;
			return v <= UINT32_MAX;
		}
	}
	return false;
}

static uint32_t pair_of(struct flag_log *log, uint32_t from, uint32_t to)
{
	if (from >= log->by_from_n) {
		uint32_t n = from + 32;
		log->by_from = xrealloc(log->by_from, n * sizeof(*log->by_from));
		memset(log->by_from + log->by_from_n, 0, (n - log->by_from_n) * sizeof(*log->by_from));
		log->by_from_n = n;
	}
	uint32_t known = log->by_from[from];
	if (known && log->pairs[known - 1].to == to)
		return known - 1;
	if (log->pairs_n == log->pairs_cap) {
		log->pairs_cap = log->pairs_cap ? log->pairs_cap * 2 : 8;
		log->pairs = xrealloc(log->pairs, log->pairs_cap * sizeof(*log->pairs));
	}
	log->pairs[log->pairs_n++] = (struct flag_pair){from, to};
	log->by_from[from] = log->pairs_n;
	return log->pairs_n - 1;
}

void change_add_run(struct change *c, const struct roster_flag_run *run)
{
	struct flag_log *log = &c->flags;
	if (log->cap - log->len < 3 * VARINT_MAX) {
		log->cap = log->cap ? log->cap * 2 : 64;
		log->runs = xrealloc(log->runs, log->cap);
	}
	/* A second pass of one op over the same messages starts again from below: the difference wraps, and back. */
	log->len += put_varint(log->runs + log->len, run->lo - log->last_uid);
	log->len += put_varint(log->runs + log->len, run->hi - run->lo);
	log->len += put_varint(log->runs + log->len, pair_of(log, run->from, run->to));
	log->last_uid = run->hi;
}

void change_finish(struct change *c)
{
	free(c->flags.runs);
	free(c->flags.pairs);
	free(c->flags.by_from);
	free(c->name);
	*c = (struct change){0};
}

/* Pairs and runs as one blob; heap. */
static unsigned char *log_bytes(const struct flag_log *log, size_t *len)
{
	size_t pairs = log->pairs_n * sizeof(*log->pairs);
	unsigned char *out = xmalloc(4 + pairs + log->len);
	memcpy(out, &log->pairs_n, 4);
	memcpy(out + 4, log->pairs, pairs);
	memcpy(out + 4 + pairs, log->runs, log->len);
	*len = 4 + pairs + log->len;
	return out;
}

enum store_err change_write(struct account *a, struct change *c)
{
	int64_t actor;
	enum store_err err = account_actor(a, &actor);
	sqlite3_stmt *stmt = err ? NULL : db_prepare(&a->db, "INSERT INTO change VALUES(NULL,?,?,?,?,?,?,?,?,?)");
	if (!stmt)
		return err ? err : STORE_IO;
	sqlite3_bind_int64(stmt, 1, (int64_t)a->op_modseq);
	sqlite3_bind_int64(stmt, 2, c->mailbox);
	sqlite3_bind_int64(stmt, 3, c->kinds);
	sqlite3_bind_int64(stmt, 4, a->env->now_s(a->env->ctx));
	sqlite3_bind_int64(stmt, 5, actor);
	if (c->kinds & CHANGE_ARRIVED) {
		sqlite3_bind_int64(stmt, 6, c->first_uid);
		sqlite3_bind_int64(stmt, 7, c->last_uid);
	}
	unsigned char *flags = NULL;
	size_t len = 0;
	if (c->flags.len) {
		flags = log_bytes(&c->flags, &len);
		sqlite3_bind_blob64(stmt, 8, flags, len, SQLITE_STATIC);
	}
	if (c->name)
		sqlite3_bind_text(stmt, 9, c->name, -1, SQLITE_STATIC);
	err = db_run(&a->db, stmt);
	free(flags);
	return err;
}

bool flag_log_open(struct flag_log_reader *r, struct bytes flags)
{
	const unsigned char *at = flags.ptr;
	*r = (struct flag_log_reader){0};
	if (flags.len < 4)
		return false;
	memcpy(&r->pairs_n, at, 4);
	if (r->pairs_n > (flags.len - 4) / sizeof(struct flag_pair))
		return false;
	r->pairs = at + 4;
	r->at = r->pairs + r->pairs_n * sizeof(struct flag_pair);
	r->end = at + flags.len;
	return true;
}

bool flag_log_next(struct flag_log_reader *r, struct roster_flag_run *out)
{
	uint32_t gap, span, number;
	struct flag_pair pair;
	if (!get_varint(&r->at, r->end, &gap) || !get_varint(&r->at, r->end, &span) ||
	    !get_varint(&r->at, r->end, &number) || number >= r->pairs_n)
		return false;
	memcpy(&pair, r->pairs + number * sizeof(pair), sizeof(pair));
	out->lo = r->last_uid + gap;
	out->hi = r->last_uid = out->lo + span;
	out->from = pair.from;
	out->to = pair.to;
	return out->lo <= out->hi;
}

void changes_flags(const struct roster *r, uint64_t since, uint32_t from, uint32_t below, size_t runs_max,
		   struct uidset *out)
{
	if (r->info.modseq <= since)
		return;
	uint32_t first = 0;
	for (uint32_t k = 0; k < r->segments_n; first += r->segments[k++].count) {
		struct roster_slice s;
		if (r->modseq_max[k] <= since)
			continue;
		bool found = roster_slice_at(r, first, &s);
		invariant(found);
		for (uint32_t i = 0; i < s.n && s.uid[i] < below; i++) {
			if (s.modseq[i] <= since || s.uid[i] < from)
				continue;
			if (out->n == runs_max && s.uid[i] != out->v[out->n - 1].hi + 1)
				return;
			uidset_append(out, s.uid[i], s.uid[i]);
		}
	}
}

enum store_err changes_since(struct account *a, int64_t mailbox, uint64_t since, uint32_t uidnext,
			     struct uidset *expunged, struct uidset *changed)
{
	struct roster *r;
	enum store_err err = roster_get(a, mailbox, &r);
	if (err)
		return err;
	changes_flags(r, since, 1, uidnext, SIZE_MAX, changed);
	if (since < r->info.floor)
		return STORE_LIMIT;
	return r->info.expunge_modseq > since ? gone_since(a, mailbox, since, uidnext, expunged) : STORE_OK;
}

/* Is one of the flags that `spec` names in one of the sets alone? */
static bool differ(const struct account *a, const struct flag_spec *spec, uint32_t from, uint32_t to)
{
	if (from >= a->flags->n || to >= a->flags->n)
		return true; /* the row is damaged */
	if ((flagset_system(a, from) ^ flagset_system(a, to)) & spec->system)
		return true;
	const struct flagset *was = flagset_get(a, from), *is = flagset_get(a, to);
	for (const char *at = spec->keywords ? spec->keywords : ""; *at;) {
		size_t len = strcspn(at, " ");
		if (flagset_has_keyword(a, was, at, len) != flagset_has_keyword(a, is, at, len))
			return true;
		at += len + (at[len] == ' ');
	}
	return false;
}

/* False: the row makes no sense. */
static bool add_runs(const struct account *a, const struct flag_spec *spec, struct bytes flags, struct uidset *out)
{
	struct flag_log_reader reader;
	struct roster_flag_run run;
	uint32_t from = 0, to = 0;
	bool matters = false;
	if (!flag_log_open(&reader, flags))
		return false;
	while (flag_log_next(&reader, &run)) {
		if (run.from != from || run.to != to)
			matters = differ(a, spec, run.from, run.to);
		from = run.from;
		to = run.to;
		if (matters)
			uidset_add_any(out, run.lo, run.hi);
	}
	return reader.at == reader.end;
}

/* The modseq up to which the journal was pruned. */
static enum store_err journal_floor(struct account *a, uint64_t *out)
{
	enum store_err err = STORE_IO;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT floor FROM mailbox WHERE id=0");
	*out = UINT64_MAX;
	if (!db_next(&a->db, stmt, &err))
		return err;
	*out = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

/* Adds what a row says that happened; false: it cannot be told from it. */
static bool add_row(const struct account *a, const struct flag_spec *spec, sqlite3_stmt *row, struct uidset *out)
{
	int kinds = sqlite3_column_int(row, 2);
	if (kinds & CHANGE_RESTAMPED)
		return false;
	if (kinds & CHANGE_ARRIVED) {
		uint32_t first = (uint32_t)sqlite3_column_int64(row, 3), last = (uint32_t)sqlite3_column_int64(row, 4);
		if (first > last)
			return false;
		uidset_add_any(out, first, last);
	}
	if (!(kinds & CHANGE_FLAGS))
		return true;
	struct bytes flags = {sqlite3_column_blob(row, 5), (size_t)sqlite3_column_bytes(row, 5)};
	return add_runs(a, spec, flags, out);
}

enum store_err changes_of_flags(struct account *a, int64_t mailbox, uint64_t since, const struct flag_spec *spec,
				uint32_t rows_max, struct uidset *out)
{
	uint64_t floor;
	enum store_err err = journal_floor(a, &floor);
	if (err || since < floor)
		return err ? err : STORE_LIMIT;
	sqlite3_stmt *row =
		db_prepare(&a->db, "SELECT modseq, mailbox, kinds, first_uid, last_uid, flags FROM change ORDER BY id DESC");
	bool known = true;
	for (uint32_t n = 0; known && db_next(&a->db, row, &err) && (uint64_t)sqlite3_column_int64(row, 0) > since; n++) {
		bool ours = sqlite3_column_int64(row, 1) == mailbox;
		known = n < rows_max && out->n < RUNS_MAX && (!ours || add_row(a, spec, row, out));
	}
	sqlite3_reset(row);
	uidset_normalise(out);
	return err ? err : (known ? STORE_OK : STORE_LIMIT);
}

enum store_err changes_recall(struct account *a, const struct roster *r, uint64_t since, uint32_t uidnext,
			      struct uids *out)
{
	struct uidset gone = {0};
	enum store_err err = STORE_OK;
	*out = (struct uids){0};
	if (since < r->info.floor)
		return STORE_LIMIT;
	if (r->info.expunge_modseq > since)
		err = gone_since(a, r->info.id, since, uidnext, &gone);
	if (!err)
		*out = uids_with(&r->uids, uidnext, &gone);
	uidset_finish(&gone);
	return err;
}

/* The journal's first row after modseq `since`; INT64_MAX for none.  Its rows ascend in modseq, and those wanted are few
 * and last. */
enum store_err changes_first_row(struct account *a, uint64_t since, int64_t *out)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, modseq FROM change ORDER BY id DESC");
	enum store_err err;
	*out = INT64_MAX;
	while (db_next(&a->db, stmt, &err)) {
		if ((uint64_t)sqlite3_column_int64(stmt, 1) <= since) {
			sqlite3_reset(stmt);
			break;
		}
		*out = sqlite3_column_int64(stmt, 0);
	}
	return err;
}

enum store_err changes_floor(struct account *a, uint64_t *out)
{
	enum store_err err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT floor FROM mailbox WHERE id=0");
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_CORRUPT;
	*out = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return STORE_OK;
}

enum store_err changes_each(struct account *a, uint64_t since, bool (*each)(void *ctx, const struct change_row *row),
			    void *ctx)
{
	uint64_t floor;
	int64_t first;
	enum store_err err = changes_floor(a, &floor);
	if (!err && since < floor)
		err = STORE_LIMIT;
	if (!err)
		err = changes_first_row(a, since, &first);
	if (err || first == INT64_MAX)
		return err;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT modseq, mailbox, kinds, name FROM change WHERE id>=? ORDER BY id");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, first);
	while (db_next(&a->db, stmt, &err)) {
		const struct change_row row = {.modseq = (uint64_t)sqlite3_column_int64(stmt, 0),
					       .mailbox = sqlite3_column_int64(stmt, 1),
					       .kinds = (unsigned)sqlite3_column_int64(stmt, 2),
					       .name = (const char *)sqlite3_column_text(stmt, 3)};
		if (each(ctx, &row))
			continue;
		sqlite3_reset(stmt);
		break;
	}
	return err;
}

/* The last of the journal's oldest rows that are from before `before_s`, and its modseq; 0 for none. */
static enum store_err find_cut(struct account *a, int64_t before_s, uint32_t rows_max, int64_t *row, int64_t *cut,
			       bool *more)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT id, modseq, at FROM change ORDER BY id LIMIT ?");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, rows_max);
	enum store_err err;
	uint32_t n = 0;
	*row = *cut = 0;
	while (db_next(&a->db, stmt, &err)) {
		if (sqlite3_column_int64(stmt, 2) >= before_s) {
			sqlite3_reset(stmt);
			break;
		}
		*row = sqlite3_column_int64(stmt, 0);
		*cut = sqlite3_column_int64(stmt, 1);
		n++;
	}
	*more = !err && n == rows_max;
	return err;
}

static enum store_err run_with(struct account *a, const char *sql, int64_t first, int64_t second)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, sql);
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, first);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		sqlite3_bind_int64(stmt, 2, second);
	return db_run(&a->db, stmt);
}

/* The graveyard of one mailbox up to `cut`; its floor rises when anything went. */
static enum store_err prune_gone(struct account *a, int64_t mailbox, int64_t cut)
{
	enum store_err err = run_with(a, "DELETE FROM gone WHERE mailbox=? AND modseq<=?", mailbox, cut);
	if (err || sqlite3_changes(a->db.handle) == 0)
		return err;
	struct roster *r = roster_loaded(a, mailbox);
	if (r)
		r->info.floor = (uint64_t)cut;
	return run_with(a, "UPDATE mailbox SET floor=?2 WHERE id=?1", mailbox, cut);
}

enum store_err history_prune(struct account *a, int64_t before_s, uint32_t rows_max, bool *more)
{
	int64_t row, cut;
	enum store_err err = find_cut(a, before_s, rows_max, &row, &cut, more);
	for (int64_t mailbox = 0; !err && cut;) {
		sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT min(mailbox) FROM gone WHERE mailbox>?");
		if (stmt)
			sqlite3_bind_int64(stmt, 1, mailbox);
		if (!db_next(&a->db, stmt, &err))
			break;
		mailbox = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
		if (mailbox == 0)
			break;
		err = prune_gone(a, mailbox, cut);
	}
	if (!err && cut)
		err = run_with(a, "DELETE FROM change WHERE id<=?", row, 0);
	if (!err && cut)
		err = run_with(a, "UPDATE mailbox SET floor=? WHERE id=0", cut, 0);
	/* Who is named no more is forgotten, but for who acts now. */
	if (!err && cut && !*more)
		err = run_with(a, "DELETE FROM actor WHERE id<>? AND id NOT IN (SELECT actor FROM change)", a->actor_id, 0);
	return err;
}
