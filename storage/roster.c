#include "storage/roster.h"

#include "storage/flagset.h"

static void roster_free(struct roster *r)
{
	free(r->uid);
	free(r->flagset);
	free(r->size);
	free(r->modseq);
	free(r->internal_date);
	free(r->save_date);
	free(r->content);
	free(r->zone_min);
	free(r->segments);
	free(r);
}

void roster_drop(struct account *a, int64_t mailbox)
{
	for (struct roster **at = &a->rosters; *at; at = &(*at)->next) {
		if ((*at)->info.id == mailbox) {
			struct roster *r = *at;
			*at = r->next;
			roster_free(r);
			return;
		}
	}
}

void roster_drop_all(struct account *a)
{
	while (a->rosters)
		roster_drop(a, a->rosters->info.id);
}

static void reserve(struct roster *r, uint32_t more)
{
	if (r->count + more <= r->cap)
		return;
	uint32_t cap = r->cap ? r->cap + r->cap / 2 : 64;
	if (cap < r->count + more)
		cap = r->count + more;
	r->uid = xrealloc(r->uid, cap * sizeof(*r->uid));
	r->flagset = xrealloc(r->flagset, cap * sizeof(*r->flagset));
	r->size = xrealloc(r->size, cap * sizeof(*r->size));
	r->modseq = xrealloc(r->modseq, cap * sizeof(*r->modseq));
	r->internal_date = xrealloc(r->internal_date, cap * sizeof(*r->internal_date));
	r->save_date = xrealloc(r->save_date, cap * sizeof(*r->save_date));
	r->content = xrealloc(r->content, cap * sizeof(*r->content));
	r->zone_min = xrealloc(r->zone_min, cap * sizeof(*r->zone_min));
	r->cap = cap;
}

static void entry_store(struct roster *r, uint32_t i, const struct roster_entry *e)
{
	r->uid[i] = e->uid;
	r->flagset[i] = e->flagset;
	r->size[i] = e->size;
	r->modseq[i] = e->modseq;
	r->internal_date[i] = e->internal_date;
	r->save_date[i] = e->save_date;
	r->content[i] = e->content;
	r->zone_min[i] = (int16_t)e->zone_min;
}

void roster_read(const struct roster *r, uint32_t i, struct roster_entry *out)
{
	invariant(i < r->count);
	*out = (struct roster_entry){.uid = r->uid[i], .flagset = r->flagset[i], .size = r->size[i],
				     .modseq = r->modseq[i], .internal_date = r->internal_date[i],
				     .save_date = r->save_date[i], .content = r->content[i],
				     .zone_min = r->zone_min[i]};
}

static struct segment *add_segment(struct roster *r, uint32_t low)
{
	if (r->segments_n == r->segments_cap) {
		r->segments_cap = r->segments_cap ? r->segments_cap * 2 : 8;
		r->segments = xrealloc(r->segments, r->segments_cap * sizeof(*r->segments));
	}
	r->segments[r->segments_n] = (struct segment){.low = low};
	return &r->segments[r->segments_n++];
}

static enum store_err load_segments(struct account *a, struct roster *r)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT low, data FROM segment WHERE mailbox=? ORDER BY low");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, r->info.id);
	enum store_err err;
	struct roster_entry entries[SEGMENT_MESSAGES];
	while (db_next(&a->db, stmt, &err)) {
		struct bytes data = {sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)};
		uint32_t n = 0;
		err = segment_count(data, &n);
		if (!err)
			err = n <= SEGMENT_MESSAGES ? segment_unpack(data, entries, n) : STORE_CORRUPT;
		if (err) {
			sqlite3_reset(stmt);
			return err;
		}
		struct segment *s = add_segment(r, (uint32_t)sqlite3_column_int64(stmt, 0));
		s->count = n;
		reserve(r, n);
		for (uint32_t i = 0; i < n; i++) {
			if ((r->count && entries[i].uid <= r->uid[r->count - 1]) ||
			    entries[i].flagset >= a->flagsets_n) {
				sqlite3_reset(stmt);
				return STORE_CORRUPT;
			}
			if (entries[i].modseq > s->modseq_max)
				s->modseq_max = entries[i].modseq;
			entry_store(r, r->count++, &entries[i]);
		}
	}
	return err;
}

enum store_err roster_get(struct account *a, int64_t mailbox, struct roster **out)
{
	for (struct roster *r = a->rosters; r; r = r->next) {
		if (r->info.id == mailbox) {
			*out = r;
			return STORE_OK;
		}
	}
	sqlite3_stmt *stmt =
		db_prepare(&a->db, "SELECT uidvalidity, uidnext, modseq, messages, unseen, deleted, bytes, recent,"
				   " special FROM mailbox WHERE id=? AND state=0");
	if (stmt)
		sqlite3_bind_int64(stmt, 1, mailbox);
	enum store_err err;
	if (!db_next(&a->db, stmt, &err))
		return err ? err : STORE_NOTFOUND;
	struct roster *r = xcalloc(1, sizeof(*r));
	r->info = (struct mailbox_info){.id = mailbox,
					.uidvalidity = (uint32_t)sqlite3_column_int64(stmt, 0),
					.uidnext = (uint32_t)sqlite3_column_int64(stmt, 1),
					.modseq = (uint64_t)sqlite3_column_int64(stmt, 2),
					.messages = (uint32_t)sqlite3_column_int64(stmt, 3),
					.unseen = (uint32_t)sqlite3_column_int64(stmt, 4),
					.deleted = (uint32_t)sqlite3_column_int64(stmt, 5),
					.bytes = (uint64_t)sqlite3_column_int64(stmt, 6),
					.recent = (uint32_t)sqlite3_column_int64(stmt, 7),
					.special = (uint32_t)sqlite3_column_int64(stmt, 8)};
	sqlite3_reset(stmt);
	err = load_segments(a, r);
	if (err) {
		roster_free(r);
		return err;
	}
	r->next = a->rosters;
	a->rosters = r;
	*out = r;
	return STORE_OK;
}

static enum store_err flush_segment(struct account *a, struct roster *r, struct segment *s, uint32_t first)
{
	struct roster_entry entries[SEGMENT_MESSAGES];
	invariant(s->count > 0 && s->count <= SEGMENT_MESSAGES);
	for (uint32_t i = 0; i < s->count; i++)
		roster_read(r, first + i, &entries[i]);
	if (s->low == 0)
		s->low = entries[0].uid;
	char *data;
	size_t len;
	segment_pack(entries, s->count, &data, &len);
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT OR REPLACE INTO segment VALUES(?,?,?)");
	if (!stmt) {
		free(data);
		return STORE_IO;
	}
	sqlite3_bind_int64(stmt, 1, r->info.id);
	sqlite3_bind_int64(stmt, 2, s->low);
	sqlite3_bind_blob64(stmt, 3, data, len, SQLITE_STATIC);
	enum store_err err = db_run(&a->db, stmt);
	free(data);
	s->dirty = false;
	return err;
}

static enum store_err delete_segment(struct account *a, const struct roster *r, uint32_t low)
{
	if (low == 0)
		return STORE_OK;
	sqlite3_stmt *stmt = db_prepare(&a->db, "DELETE FROM segment WHERE mailbox=? AND low=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, r->info.id);
	sqlite3_bind_int64(stmt, 2, low);
	return db_run(&a->db, stmt);
}

static enum store_err flush_info(struct account *a, struct roster *r)
{
	sqlite3_stmt *stmt = db_prepare(&a->db, "UPDATE mailbox SET uidnext=?, modseq=?, messages=?, unseen=?,"
						" deleted=?, bytes=?, recent=? WHERE id=?");
	if (!stmt)
		return STORE_IO;
	sqlite3_bind_int64(stmt, 1, r->info.uidnext);
	sqlite3_bind_int64(stmt, 2, (int64_t)r->info.modseq);
	sqlite3_bind_int64(stmt, 3, r->info.messages);
	sqlite3_bind_int64(stmt, 4, r->info.unseen);
	sqlite3_bind_int64(stmt, 5, r->info.deleted);
	sqlite3_bind_int64(stmt, 6, (int64_t)r->info.bytes);
	sqlite3_bind_int64(stmt, 7, r->info.recent);
	sqlite3_bind_int64(stmt, 8, r->info.id);
	r->info_dirty = false;
	return db_run(&a->db, stmt);
}

/* Empty segments go; a small one joins its neighbour.  Keys are low bounds, so the survivor keeps its own. */
static enum store_err flush_roster(struct account *a, struct roster *r)
{
	uint32_t first = 0, kept = 0;
	enum store_err err = STORE_OK;
	for (uint32_t i = 0; i < r->segments_n && !err; i++) {
		struct segment s = r->segments[i];
		struct segment *last = kept ? &r->segments[kept - 1] : NULL;
		bool joins = last && s.dirty && s.count && last->count + s.count <= SEGMENT_MESSAGES / 2;
		if (s.count == 0 || joins) {
			err = delete_segment(a, r, s.low);
			if (joins) {
				last->count += s.count;
				last->dirty = true;
				if (s.modseq_max > last->modseq_max)
					last->modseq_max = s.modseq_max;
			}
		} else {
			r->segments[kept++] = s;
		}
	}
	if (err)
		return err;
	r->segments_n = kept;
	r->hint = r->hint_first = 0;
	for (uint32_t i = 0; i < r->segments_n && !err; i++) {
		if (r->segments[i].dirty)
			err = flush_segment(a, r, &r->segments[i], first);
		first += r->segments[i].count;
	}
	invariant(err || first == r->count);
	return err ? err : flush_info(a, r);
}

enum store_err roster_flush_all(struct account *a)
{
	for (struct roster *r = a->rosters; r; r = r->next) {
		if (!r->info_dirty)
			continue;
		enum store_err err = flush_roster(a, r);
		if (err)
			return err;
	}
	return STORE_OK;
}

uint32_t roster_lower(const struct roster *r, uint32_t uid)
{
	uint32_t lo = 0, hi = r->count;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (r->uid[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool roster_slice_at(const struct roster *r, uint32_t index, struct roster_slice *out)
{
	if (index >= r->count)
		return false;
	*out = (struct roster_slice){.index = index, .n = r->count - index, .uid = r->uid + index,
				     .flagset = r->flagset + index, .size = r->size + index, .modseq = r->modseq + index,
				     .internal_date = r->internal_date + index, .save_date = r->save_date + index,
				     .content = r->content + index, .zone_min = r->zone_min + index};
	return true;
}

static void count_flags(const struct account *a, struct roster *r, uint32_t flagset, int sign)
{
	uint32_t system = flagset_get(a, flagset)->system;
	if (!(system & FLAG_SEEN))
		r->info.unseen += (uint32_t)sign;
	if (system & FLAG_DELETED)
		r->info.deleted += (uint32_t)sign;
}

static void changed(struct account *a, struct roster *r)
{
	r->info.modseq = account_modseq(a);
	r->info_dirty = true;
	account_touch(a, r->info.id);
}

void roster_append(struct account *a, struct roster *r, const struct roster_entry *entry)
{
	invariant(r->count == 0 || entry->uid > r->uid[r->count - 1]);
	reserve(r, 1);
	entry_store(r, r->count++, entry);
	struct segment *s = r->segments_n ? &r->segments[r->segments_n - 1] : NULL;
	if (!s || s->count == SEGMENT_MESSAGES)
		s = add_segment(r, 0);
	s->count++;
	s->dirty = true;
	s->modseq_max = entry->modseq > s->modseq_max ? entry->modseq : s->modseq_max;
	r->info.messages++;
	r->info.bytes += entry->size;
	count_flags(a, r, entry->flagset, 1);
	changed(a, r);
}

/* Callers walk upwards, so the search goes on from the segment found last. */
static struct segment *segment_of(struct roster *r, uint32_t index)
{
	if (r->hint >= r->segments_n || index < r->hint_first)
		r->hint = r->hint_first = 0;
	while (index >= r->hint_first + r->segments[r->hint].count) {
		r->hint_first += r->segments[r->hint++].count;
		invariant(r->hint < r->segments_n);
	}
	return &r->segments[r->hint];
}

void roster_set_flags(struct account *a, struct roster *r, uint32_t index, uint32_t flagset)
{
	count_flags(a, r, r->flagset[index], -1);
	count_flags(a, r, flagset, 1);
	r->flagset[index] = flagset;
	changed(a, r);
	r->modseq[index] = a->op_modseq;
	struct segment *s = segment_of(r, index);
	s->dirty = true;
	s->modseq_max = a->op_modseq;
}

static enum store_err bury(struct account *a, const struct roster *r, const uint32_t *indexes, uint32_t n)
{
	struct roster_entry entries[SEGMENT_MESSAGES];
	for (uint32_t part = 0; part * SEGMENT_MESSAGES < n; part++) {
		uint32_t from = part * SEGMENT_MESSAGES;
		uint32_t take = n - from < SEGMENT_MESSAGES ? n - from : SEGMENT_MESSAGES;
		for (uint32_t i = 0; i < take; i++)
			roster_read(r, indexes[from + i], &entries[i]);
		char *data;
		size_t len;
		segment_pack(entries, take, &data, &len);
		/* A MOVE within one op may bury twice: parts go on from the op's last. */
		sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO gone VALUES(?1, ?2, (SELECT count(*) FROM gone"
							" WHERE mailbox=?1 AND modseq=?2), ?3, ?4)");
		enum store_err err = STORE_IO;
		if (stmt) {
			sqlite3_bind_int64(stmt, 1, r->info.id);
			sqlite3_bind_int64(stmt, 2, (int64_t)account_modseq(a));
			sqlite3_bind_int64(stmt, 3, a->env->now_s(a->env->ctx));
			sqlite3_bind_blob64(stmt, 4, data, len, SQLITE_STATIC);
			err = db_run(&a->db, stmt);
		}
		free(data);
		if (err)
			return err;
	}
	return STORE_OK;
}

enum store_err roster_remove(struct account *a, struct roster *r, const uint32_t *indexes, uint32_t n)
{
	if (n == 0)
		return STORE_OK;
	enum store_err err = bury(a, r, indexes, n);
	if (err)
		return err;
	uint32_t next = 0, to = indexes[0];
	for (uint32_t i = 0; i < n; i++) {
		r->info.messages--;
		r->info.bytes -= r->size[indexes[i]];
		count_flags(a, r, r->flagset[indexes[i]], -1);
	}
	uint32_t segment = 0, first = 0;
	for (uint32_t i = 0; i < n; i++) {
		while (indexes[i] >= first + r->segments[segment].count)
			first += r->segments[segment++].count;
		/* Counts shrink in place, so the bound moves with them: remember by lowering `first`. */
		r->segments[segment].count--;
		r->segments[segment].dirty = true;
		first++;
	}
	struct roster_entry e;
	for (uint32_t i = indexes[0]; i < r->count; i++) {
		if (next < n && indexes[next] == i) {
			next++;
			continue;
		}
		roster_read(r, i, &e);
		entry_store(r, to++, &e);
	}
	r->count = to;
	r->hint = r->hint_first = 0;
	changed(a, r);
	return STORE_OK;
}
