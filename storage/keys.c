#include "storage/keys.h"

#include "storage/bits.h"
#include "storage/thread.h"

enum {
	IDS_CAP = 1024,
	LINKS_CAP = 4096,
	ID_BYTES = 8,
	SWEPT_MIN = 4096 /* rows in memory that nobody can ask for are not worth reading the others again */
};

/* The columns of a row, in the order of the table. */
enum { COLUMN_CONTENT, COLUMN_SENT, COLUMN_REPLY, COLUMN_STRING, COLUMN_IDS = COLUMN_STRING + KEYS_STRINGS, COLUMN_DAY };

/* ---- rows ---- */

/* The message's own ID, 0 for none, then the others. */
static unsigned char *pack_ids(const struct content_keys *keys, size_t *len)
{
	unsigned char *packed = xmalloc((keys->ids_n + 1) * ID_BYTES), *to = packed;
	if (!keys->has_id) {
		put_u64(to, 0);
		to += ID_BYTES;
	}
	for (size_t i = 0; i < keys->ids_n; i++, to += ID_BYTES)
		put_u64(to, (uint64_t)thread_key(keys->ids[i]));
	*len = (size_t)(to - packed);
	return packed;
}

enum store_err keys_insert(struct account *a, int64_t content, const struct content_keys *keys)
{
	size_t len = 0;
	unsigned char *ids = keys->ids_n ? pack_ids(keys, &len) : NULL;
	sqlite3_stmt *stmt = db_prepare(&a->db, "INSERT INTO keys VALUES(?,?,?,?,?,?,?,?,?,?,?)");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1 + COLUMN_CONTENT, content);
		if (keys->sent_s != KEYS_NO_DATE) {
			sqlite3_bind_int64(stmt, 1 + COLUMN_SENT, keys->sent_s);
			sqlite3_bind_int(stmt, 1 + COLUMN_DAY, keys->sent_day);
		}
		sqlite3_bind_int(stmt, 1 + COLUMN_REPLY, keys->is_reply);
		for (int i = 0; i < KEYS_STRINGS; i++)
			if (keys->string[i].len)
				sqlite3_bind_blob64(stmt, 1 + COLUMN_STRING + i, keys->string[i].ptr, keys->string[i].len,
						    SQLITE_STATIC);
		if (ids)
			sqlite3_bind_blob64(stmt, 1 + COLUMN_IDS, ids, len, SQLITE_STATIC);
	}
	enum store_err err = db_run(&a->db, stmt);
	free(ids);
	return err;
}

/* ---- memory ---- */

void keys_drop(struct account *a)
{
	struct keys *k = a->keys;
	if (!k)
		return;
	for (size_t i = 0; i < k->pages_n; i++) {
		struct keys_page *page = k->pages[i];
		for (size_t s = 0; page && s < KEYS_STRINGS; s++)
			free(page->string[s]);
		if (page)
			free(page->links);
		free(page);
	}
	free(k->pages);
	for (size_t s = 0; s < KEYS_STRINGS; s++)
		keys_pool_finish(&k->pool[s]);
	free(k->ids);
	free(k->links);
	free(k);
	a->keys = NULL;
	a->keys_epoch++;
}

size_t keys_bytes(const struct account *a)
{
	const struct keys *k = a->keys;
	if (!k)
		return 0;
	size_t bytes = sizeof(*k) + k->pages_n * sizeof(struct keys_page *) + k->pages_bytes +
		       k->ids_cap * sizeof(*k->ids) + k->links_cap * sizeof(*k->links);
	for (size_t s = 0; s < KEYS_STRINGS; s++)
		bytes += keys_pool_bytes(&k->pool[s]);
	return bytes;
}

void keys_swept(struct account *a, uint32_t n)
{
	if (!a->keys)
		return;
	a->keys->swept += n;
	if (a->keys->swept > SWEPT_MIN && a->keys->swept > a->keys->rows / 2)
		keys_drop(a);
}

struct keys *keys_get(struct account *a)
{
	if (!a->keys) {
		a->keys = xcalloc(1, sizeof(*a->keys));
		a->keys->bytes_max = KEYS_BYTES_MAX;
	}
	return a->keys;
}

/* ---- IDs ---- */

static void grow_ids(struct keys *k)
{
	struct keys_id *old = k->ids;
	uint32_t old_cap = k->ids_cap;
	k->ids_cap = old_cap ? old_cap * 2 : IDS_CAP;
	k->ids = xcalloc(k->ids_cap, sizeof(*k->ids));
	for (uint32_t i = 0; i < old_cap; i++) {
		uint32_t at = (uint32_t)old[i].key & (k->ids_cap - 1);
		if (!old[i].key)
			continue;
		while (k->ids[at].key)
			at = (at + 1) & (k->ids_cap - 1);
		k->ids[at] = old[i];
	}
	free(old);
}

/* 0 for the key 0, which is none. */
static uint32_t number_of(struct keys *k, uint64_t key)
{
	if (!key)
		return 0;
	if (k->ids_n >= k->ids_cap / 2)
		grow_ids(k);
	uint32_t at = (uint32_t)key & (k->ids_cap - 1);
	while (k->ids[at].key && k->ids[at].key != key)
		at = (at + 1) & (k->ids_cap - 1);
	if (!k->ids[at].key)
		k->ids[at] = (struct keys_id){.key = key, .number = ++k->ids_n};
	return k->ids[at].number;
}

/* Where the IDs of a row went; 0: there are none.  False: too many. */
static bool keep_links(struct keys *k, struct bytes packed, uint32_t *out)
{
	uint32_t n = (uint32_t)(packed.len / ID_BYTES);
	const unsigned char *from = packed.ptr;
	*out = 0;
	if (n == 0)
		return true;
	if (k->links_n == 0)
		k->links_n = 1;
	if (k->links_n + n + 1 > k->links_cap) {
		if (k->links_cap > UINT32_MAX / 4 || n > UINT32_MAX / 4)
			return false;
		while (k->links_n + n + 1 > k->links_cap)
			k->links_cap = k->links_cap ? k->links_cap * 2 : LINKS_CAP;
		k->links = xrealloc(k->links, (size_t)k->links_cap * sizeof(*k->links));
	}
	*out = k->links_n;
	k->links[k->links_n++] = n - 1;
	k->links[k->links_n++] = number_of(k, get_u64(from));
	for (uint32_t i = n; i-- > 1;)
		k->links[k->links_n++] = number_of(k, get_u64(from + (size_t)i * ID_BYTES));
	return true;
}

/* ---- pages ---- */

static struct keys_page *make_page(struct keys *k, size_t at)
{
	if (at >= k->pages_n) {
		size_t n = at + 1 > k->pages_n * 2 ? at + 1 : k->pages_n * 2;
		k->pages = xrealloc(k->pages, n * sizeof(*k->pages));
		memset(k->pages + k->pages_n, 0, (n - k->pages_n) * sizeof(*k->pages));
		k->pages_n = n;
	}
	if (!k->pages[at]) {
		struct keys_page *page = k->pages[at] = xcalloc(1, sizeof(*page));
		k->pages_bytes += sizeof(*page);
		for (size_t i = 0; i < KEYS_PAGE; i++) {
			page->sent_s[i] = KEYS_NO_DATE;
			page->sent_day[i] = KEYS_DAY_UNKNOWN;
		}
	}
	return k->pages[at];
}

static void make_columns(struct keys *k, struct keys_page *page, unsigned want)
{
	for (unsigned s = 0; s <= KEYS_STRINGS; s++) {
		uint32_t **column = s < KEYS_STRINGS ? &page->string[s] : &page->links;
		if (!(want >> s & 1) || *column)
			continue;
		*column = xcalloc(KEYS_PAGE, sizeof(**column));
		k->pages_bytes += KEYS_PAGE * sizeof(**column);
	}
}

static struct bytes blob(sqlite3_stmt *stmt, int column)
{
	return (struct bytes){sqlite3_column_blob(stmt, column), (size_t)sqlite3_column_bytes(stmt, column)};
}

static enum store_err read_row(struct keys *k, struct keys_page *page, uint32_t at, unsigned want, sqlite3_stmt *stmt)
{
	bool ok = true;
	if (at >= page->below) {
		bool dated = sqlite3_column_type(stmt, COLUMN_SENT) != SQLITE_NULL;
		page->sent_s[at] = dated ? sqlite3_column_int64(stmt, COLUMN_SENT) : KEYS_NO_DATE;
		page->sent_day[at] = dated ? sqlite3_column_int(stmt, COLUMN_DAY) : KEYS_NO_DAY;
		page->is_reply[at / 64] |= (uint64_t)(sqlite3_column_int(stmt, COLUMN_REPLY) != 0) << (at % 64);
		k->rows++;
	}
	for (unsigned s = 0; s < KEYS_STRINGS && ok; s++)
		if (want >> s & 1)
			ok = keys_pool_add(&k->pool[s], blob(stmt, COLUMN_STRING + (int)s), &page->string[s][at]);
	if (ok && (want & KEYS_LINKS))
		ok = keep_links(k, blob(stmt, COLUMN_IDS), &page->links[at]);
	return ok ? STORE_OK : STORE_LIMIT;
}

/* Reads what the page lacks: of ids looked for before the columns that are new, of later ones all. */
static enum store_err fill_page(struct account *a, struct keys_page *page, int64_t first, uint32_t last, unsigned want)
{
	struct keys *k = a->keys;
	unsigned fresh = want & ~page->have;
	uint32_t from = fresh ? 0 : page->below, below = page->below;
	sqlite3_stmt *stmt = db_prepare(&a->db, "SELECT * FROM keys WHERE content>=? AND content<? ORDER BY content");
	if (stmt) {
		sqlite3_bind_int64(stmt, 1, first + from);
		sqlite3_bind_int64(stmt, 2, first + KEYS_PAGE);
	}
	make_columns(k, page, want | page->have);
	enum store_err err, read = STORE_OK;
	while (!read && db_next(&a->db, stmt, &err)) {
		uint32_t at = (uint32_t)(sqlite3_column_int64(stmt, COLUMN_CONTENT) - first);
		read = read_row(k, page, at, at < page->below ? fresh : want | page->have, stmt);
		below = at + 1 > below ? at + 1 : below;
	}
	if (!read && !err && keys_bytes(a) > k->bytes_max)
		read = STORE_LIMIT;
	if (read) {
		sqlite3_reset(stmt);
		keys_drop(a); /* a page half read is of no use */
		return read;
	}
	if (err)
		return err;
	page->have |= want;
	page->below = last + 1 > below ? last + 1 : below;
	return STORE_OK;
}

enum store_err keys_page(struct account *a, int64_t content, unsigned want, const struct keys_page **out)
{
	struct keys *k = keys_get(a);
	*out = keys_page_loaded(k, content, want);
	if (*out)
		return STORE_OK;
	if (content <= 0 || content / KEYS_PAGE > UINT32_MAX)
		return STORE_CORRUPT;
	size_t at = (uint64_t)content / KEYS_PAGE;
	struct keys_page *page = make_page(k, at);
	enum store_err err = fill_page(a, page, (int64_t)(at * KEYS_PAGE), (uint32_t)(content % KEYS_PAGE), want);
	*out = err ? NULL : page;
	return err;
}
