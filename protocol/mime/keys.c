#include "protocol/mime/keys.h"

#include "protocol/mime/address.h"
#include "protocol/mime/references.h"
#include "protocol/mime/subject.h"
#include "protocol/mime/text.h"
#include "protocol/mime/words.h"
#include "protocol/utf8.h"

enum { SORT_HEAD = 10, THREAD_HEAD = 2, FLAG_DATE = 1, FLAG_REPLY = 2 };

static void put_string(struct buf *out, struct span s)
{
	size_t n = s.len < 0xffff ? s.len : 0xffff;
	char len[2] = {(char)(n & 0xff), (char)(n >> 8)};
	buf_add(out, len, 2);
	buf_add(out, s.ptr, n);
}

static bool get_string(struct span *rest, struct span *out)
{
	if (rest->len < 2)
		return false;
	const unsigned char *b = (const unsigned char *)rest->ptr;
	size_t n = (size_t)b[0] | (size_t)b[1] << 8;
	if (rest->len - 2 < n)
		return false;
	*out = span_make(rest->ptr + 2, n);
	*rest = span_after(*rest, n + 2);
	return true;
}

/* At most `most` bytes, up to where a character starts. */
static struct span cut(struct span s, size_t most)
{
	if (s.len <= most)
		return s;
	s.len = most;
	while (s.len > most - 4 && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

/* What is no text comes behind all that is, by its octets (RFC 5255 4.6): no text begins with 0xff. */
static void put_folded(struct buf *out, struct span utf8)
{
	struct buf folded;
	buf_init(&folded, SIZE_MAX);
	utf8 = cut(utf8, MIME_KEY_MAX);
	if (utf8_is_valid(utf8)) {
		mime_fold(utf8, &folded);
	} else {
		buf_add_char(&folded, MIME_KEY_NO_TEXT);
		buf_add_span(&folded, utf8);
	}
	put_string(out, cut(buf_span(&folded), MIME_KEY_MAX));
	buf_finish(&folded);
}

/* ENVELOPE's placeholder is nothing to sort by. */
static bool has_mailbox(const struct mime_address *a)
{
	return !span_equal(a->mailbox, span_of(MIME_MISSING_MAILBOX));
}

/* The name, or without one the address as it is (RFC 5957 3). */
static void display_of(const struct mime_address *a, struct buf *out)
{
	bool group = a->kind == ADDRESS_GROUP_START;
	if (!group)
		mime_words_decode(a->name.ptr ? a->name : span_make("", 0), out);
	if (out->len || !has_mailbox(a))
		return;
	if (group) {
		mime_words_decode(a->mailbox, out);
		return;
	}
	buf_add_span(out, a->mailbox);
	if (!span_equal(a->host, span_of(MIME_MISSING_DOMAIN))) {
		buf_add_char(out, '@');
		buf_add_span(out, a->host);
	}
}

/* The first address of a field: its mailbox, and what of it is displayed. */
static void read_first(const struct mime_header *h, enum mime_field_id id, struct buf *mailbox, struct buf *display)
{
	struct mime_address_reader r;
	struct mime_address a;
	if (!h->first[id].ptr)
		return;
	mime_address_init(&r, h->first[id]);
	if (mime_address_next(&r, &a)) {
		if (a.kind == ADDRESS_GROUP_START)
			mime_words_decode(a.mailbox, mailbox);
		else if (has_mailbox(&a))
			buf_add_span(mailbox, a.mailbox);
		display_of(&a, display);
	}
	mime_address_finish(&r);
}

void mime_sort_key_write(const struct mime_header *h, const struct mime_date *date, struct buf *out)
{
	static const enum mime_field_id fields[] = {FIELD_FROM, FIELD_TO, FIELD_CC};
	struct buf subject, mailbox[countof(fields)], display[countof(fields)];
	buf_init(&subject, SIZE_MAX);
	bool reply = h->first[FIELD_SUBJECT].ptr && mime_base_subject(h->first[FIELD_SUBJECT], &subject);
	char head[SORT_HEAD] = {MIME_KEYS_VERSION, (char)((date ? FLAG_DATE : 0) | (reply ? FLAG_REPLY : 0))};
	uint64_t utc = date ? (uint64_t)date->utc_s : 0;
	for (unsigned i = 0; i < 8; i++)
		head[2 + i] = (char)(utc >> (8 * i) & 0xff);
	buf_add(out, head, sizeof(head));
	put_folded(out, buf_span(&subject));
	buf_finish(&subject);
	for (size_t i = 0; i < countof(fields); i++) {
		buf_init(&mailbox[i], SIZE_MAX);
		buf_init(&display[i], SIZE_MAX);
		read_first(h, fields[i], &mailbox[i], &display[i]);
		put_folded(out, buf_span(&mailbox[i]));
	}
	put_folded(out, buf_span(&display[0]));
	put_folded(out, buf_span(&display[1]));
	for (size_t i = 0; i < countof(fields); i++) {
		buf_finish(&mailbox[i]);
		buf_finish(&display[i]);
	}
}

/* Drops the string behind the first one, which is at `from`. */
static void drop_second(struct buf *out, size_t from)
{
	struct span rest = span_after(buf_span(out), from), first, second;
	bool there = get_string(&rest, &first);
	size_t to = out->len - rest.len;
	there = there && get_string(&rest, &second);
	invariant(there);
	memmove(out->data + to, rest.ptr, rest.len);
	out->len = to + rest.len;
}

/* The valid IDs of a field, at least one if there is one; without those behind the first where there are too many. */
static size_t put_ids(struct span value, size_t most, struct buf *out)
{
	size_t n = 0, start = out->len;
	struct buf id;
	buf_init(&id, SIZE_MAX);
	while (value.ptr && !(most == 1 && n == 1) && mime_message_id_next(&value, &id)) {
		put_string(out, buf_span(&id));
		n++;
		while (n > most || (n > 2 && out->len - start > MIME_THREAD_MAX)) {
			drop_second(out, start);
			n--;
		}
	}
	buf_finish(&id);
	return n;
}

void mime_thread_key_write(const struct mime_header *h, struct buf *out)
{
	static const char head[THREAD_HEAD] = {MIME_KEYS_VERSION};
	buf_add(out, head, sizeof(head));
	if (put_ids(h->first[FIELD_MESSAGE_ID], 1, out) == 0)
		put_string(out, span_make("", 0));
	if (put_ids(h->first[FIELD_REFERENCES], MIME_REFERENCES_MAX, out) == 0)
		put_ids(h->first[FIELD_IN_REPLY_TO], 1, out);
}

bool mime_sort_key_read(struct span s, struct mime_sort_key *out)
{
	if (s.len < SORT_HEAD || s.ptr[0] != MIME_KEYS_VERSION)
		return false;
	uint64_t utc = 0;
	for (unsigned i = 0; i < 8; i++)
		utc |= (uint64_t)(unsigned char)s.ptr[2 + i] << (8 * i);
	out->has_date = (s.ptr[1] & FLAG_DATE) != 0;
	out->is_reply = (s.ptr[1] & FLAG_REPLY) != 0;
	out->utc_s = (int64_t)utc;
	s = span_after(s, SORT_HEAD);
	for (size_t i = 0; i < SORT_STRING_COUNT; i++)
		if (!get_string(&s, &out->string[i]))
			return false;
	return s.len == 0;
}

bool mime_thread_key_read(struct span s, struct mime_thread_key *out)
{
	if (s.len < THREAD_HEAD || s.ptr[0] != MIME_KEYS_VERSION)
		return false;
	s = span_after(s, THREAD_HEAD);
	out->references_n = 0;
	if (!get_string(&s, &out->id))
		return false;
	while (s.len && out->references_n < MIME_REFERENCES_MAX)
		if (!get_string(&s, &out->reference[out->references_n++]))
			return false;
	return s.len == 0;
}
