/* Grams in UTF-8, the tokenizer that hands them to FTS5, and the choice of those worth looking for. */
#include "storage/fulltext_private.h"

enum {
	BLOCKS = 1920,
	BLOCK_FIRST = 0x80,
	POINT_BITS = 21,
	POINT_MASK = 0x1fffff,
	FROM_BYTE = 0xfe,
	SUBJECT_BYTE = 0xff /* in no UTF-8 */,
	SHORT_RARITY_MIN = 12,
	IDEOGRAPHS = 0x2e80 /* and kana, and what is above */,
	HAN = 0x3400
};

static size_t put_point(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : (c < 0x10000 ? 3 : 4);
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(leads[n] | c);
	return n;
}

/* Bytes of the character that `c` begins. */
static size_t point_len(unsigned char c)
{
	return c < 0xc0 ? 1 : (c < 0xe0 ? 2 : (c < 0xf0 ? 3 : 4));
}

void grams_put_block(int64_t block, char out[BLOCK_BYTES])
{
	put_point((uint32_t)(BLOCK_FIRST + block % BLOCKS), out);
}

size_t grams_put(uint64_t gram, char out[GRAM_BYTES_MAX])
{
	size_t n = 0;
	if (gram & FULLTEXT_GRAM_FROM) {
		out[n++] = (char)((gram & FULLTEXT_GRAM_SUBJECT) == FULLTEXT_GRAM_SUBJECT ? SUBJECT_BYTE : FROM_BYTE);
		gram &= ~FULLTEXT_GRAM_SUBJECT;
	}
	for (unsigned i = 3; i-- > 0;) {
		uint32_t c = (uint32_t)(gram >> i * POINT_BITS) & POINT_MASK;
		n += c ? put_point(c, out + n) : 0;
	}
	return n;
}

uint64_t grams_wide(void)
{
	return fulltext_gram(0x10ffff, 0x10ffff, 0x10ffff);
}

uint64_t grams_long(void)
{
	return fulltext_gram(0x10ffff, 0x10ffff, 1);
}

/* --- the tokenizer --- */

static int tokenizer_create(void *ctx, const char **args, int n, Fts5Tokenizer **out)
{
	(void)args, (void)n;
	*out = ctx; /* it has no state: any address */
	return SQLITE_OK;
}

static void tokenizer_delete(Fts5Tokenizer *t)
{
	(void)t;
}

static int tokenize(Fts5Tokenizer *t, void *ctx, int flags, const char *text, int len,
		    int (*token)(void *, int, const char *, int, int, int))
{
	char term[BLOCK_BYTES + GRAM_BYTES_MAX];
	(void)t, (void)flags;
	if (len < BLOCK_BYTES)
		return SQLITE_OK;
	memcpy(term, text, BLOCK_BYTES);
	for (int at = BLOCK_BYTES; at < len;) {
		int end = at + ((unsigned char)text[at] >= FROM_BYTE);
		for (int i = 0; i < 3 && end < len; i++)
			end += (int)point_len((unsigned char)text[end]);
		if (end > len)
			return SQLITE_OK;
		memcpy(term + BLOCK_BYTES, text + at, (size_t)(end - at));
		int rc = token(ctx, 0, term, BLOCK_BYTES + end - at, at, end);
		if (rc != SQLITE_OK)
			return rc;
		at = end;
	}
	return SQLITE_OK;
}

enum store_err grams_register(struct db *db)
{
	fts5_tokenizer tokenizer = {tokenizer_create, tokenizer_delete, tokenize};
	fts5_api *api = NULL;
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->handle, "SELECT fts5(?1)", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_pointer(stmt, 1, &api, "fts5_api_ptr", NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc == SQLITE_ROW)
		rc = api ? api->xCreateTokenizer(api, "roost_grams", db, &tokenizer, NULL) : SQLITE_ERROR;
	return db_error(db, rc);
}

/* --- the choice --- */

/* How seldom a character is in mail, by and large: folded text is in upper case. */
static unsigned rarity(uint32_t c)
{
	static const char by_frequency[] = " ETAOINSRHLDCUMFPGWYBVKXQJZ";
	const char *at = c < 0x80 && c ? strchr(by_frequency, (int)c) : NULL;
	if (at)
		return (unsigned)(at - by_frequency) / 2;
	if (c >= 0x300 && c < 0x370)
		return 3; /* accents */
	return c < 0x80 ? 6 : 10;
}

static unsigned gram_rarity(uint64_t gram)
{
	return rarity((uint32_t)(gram >> 2 * POINT_BITS) & POINT_MASK) + rarity((uint32_t)(gram >> POINT_BITS) & POINT_MASK) +
	       rarity((uint32_t)gram & POINT_MASK);
}

/* Keeps the rarest, in descending order. */
static size_t keep_rarest(uint64_t gram, uint64_t *out, size_t n, size_t max)
{
	for (size_t i = 0; i < n; i++)
		if (out[i] == gram)
			return n;
	size_t at = n;
	while (at > 0 && gram_rarity(out[at - 1]) < gram_rarity(gram))
		at--;
	if (at == max)
		return n;
	n = n < max ? n + 1 : max;
	memmove(out + at + 1, out + at, (n - at - 1) * sizeof(*out));
	out[at] = gram;
	return n;
}

/* The character at the front of `text`; 0 for what is none. */
static uint32_t read_point(struct bytes text, size_t *len)
{
	const unsigned char *p = text.ptr;
	*len = point_len(p[0]);
	if (p[0] < 0x80)
		return p[0];
	if (*len == 1 || *len > text.len) {
		*len = 1;
		return 0;
	}
	uint32_t c = p[0] & (0x7fu >> *len);
	for (size_t i = 1; i < *len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

/* The same of a mailbox in any one language: an alphabet's letters may be common in all of its texts; those of scripts
 * with thousands of characters are not. */
static unsigned short_rarity_of(uint32_t c)
{
	if (c >= IDEOGRAPHS)
		return SHORT_RARITY_MIN;
	return c < 0x80 ? rarity(c) : 5;
}

/* How seldom a text has c and then `next` (0: whatever follows); 0: most have, and the answer would say little and take
 * long (two letters of an English text's: up to 13 ms a block).  In a field any two are rare. */
static unsigned short_rarity(uint32_t c, uint32_t next, bool in_field)
{
	if (!next)
		return c >= HAN ? short_rarity_of(c) : 0;
	unsigned sum = short_rarity_of(c) + short_rarity_of(next);
	return in_field || sum >= SHORT_RARITY_MIN ? sum : 0;
}

/* A text's characters, the last three of them. */
struct reader {
	struct bytes text;
	size_t at;
	uint32_t points[3];
};

/* The next three; false at the end.  *gram: 0 when they are none.  NUL is in no gram: what is not text goes through it. */
static bool next_gram(struct reader *r, uint64_t *gram)
{
	size_t len;
	if (r->at == r->text.len)
		return false;
	r->points[0] = r->points[1];
	r->points[1] = r->points[2];
	r->points[2] = read_point((struct bytes){(const char *)r->text.ptr + r->at, r->text.len - r->at}, &len);
	r->at += len;
	bool is_one = r->points[0] && r->points[1] && r->points[2];
	*gram = is_one ? fulltext_gram(r->points[0], r->points[1], r->points[2]) : 0;
	return true;
}

/* Of the grams that stand together those that seem rarest, summed up. */
static void choose_together(struct reader *r, struct fulltext_grams *out)
{
	enum { GRAMS = FULLTEXT_OVERLAP - 2 };
	uint64_t gram, window[GRAMS], best[GRAMS];
	size_t n = 0, best_n = 0;
	unsigned sum = 0, best_sum = 0;
	while (next_gram(r, &gram)) {
		if (!gram) {
			n = sum = 0;
			continue;
		}
		sum -= n >= GRAMS ? gram_rarity(window[n % GRAMS]) : 0;
		sum += gram_rarity(gram);
		window[n++ % GRAMS] = gram;
		if (sum < best_sum)
			continue;
		best_sum = sum;
		best_n = n < GRAMS ? n : GRAMS;
		memcpy(best, window, best_n * sizeof(*best));
	}
	for (size_t i = 0; i < best_n; i++)
		out->n = keep_rarest(best[i], out->v, out->n, countof(out->v));
}

void grams_choose(struct bytes text, bool together, struct fulltext_grams *out)
{
	struct reader r = {.text = text};
	*out = (struct fulltext_grams){0};
	if (together)
		choose_together(&r, out);
	for (uint64_t gram; !together && next_gram(&r, &gram);)
		if (gram)
			out->n = keep_rarest(gram, out->v, out->n, countof(out->v));
}

uint64_t grams_choose_short(struct bytes text, bool in_field)
{
	uint64_t best = 0;
	unsigned best_rarity = 0;
	size_t len;
	for (size_t at = 0; at < text.len; at += len) {
		const char *from = (const char *)text.ptr + at;
		uint32_t c = read_point((struct bytes){from, text.len - at}, &len), next = 0;
		size_t next_len;
		if (c && at + len < text.len)
			next = read_point((struct bytes){from + len, text.len - at - len}, &next_len);
		unsigned rarity = c ? short_rarity(c, next, in_field) : 0;
		if (rarity > best_rarity) {
			best_rarity = rarity;
			best = fulltext_gram(c, next, 0);
		}
	}
	return best;
}
