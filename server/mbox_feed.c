/*
 * mbox files (RFC 4155; mboxrd, and mboxo, which is read the same).  A message begins at a line "From SENDER DATE" that is the
 * first or stands behind an empty line, and ends before the empty line before the next.  A line of '>'s and "From " loses
 * one '>'.
 *
 * Flags and UIDs are header fields, as UW IMAP, Pine, mutt and Dovecot keep them: Status, X-Status, X-Keywords, X-UID, and
 * X-IMAPbase in the first message.  They are taken away where they are the header's first fields, up to an X-UID, or its last;
 * elsewhere they are the message's own.
 */
#include "server/mail_feed.h"

#include "protocol/imap/date.h"
#include "storage/flagset.h"

#include <ctype.h>
#include <errno.h>
#include <time.h>

enum { READ_BYTES = 65536, HEADER_BYTES_MAX = 1 << 20, GATHER_BYTES = 16384, PATH_BYTES = 4096 };

struct mbox {
	struct mail_feed *feed;
	const char *path, *mailbox;
	struct mail_file file;
	char *room; /* READ_BYTES, and what is left of it */
	size_t at, len;
	bool in_line; /* the piece before did not end its line */
	bool has_mailbox, in_message, in_header, after_empty, holds_empty;
	const char *held; /* the empty line that may be the message's last */
	struct buf header, body;
	struct transfer_message message;
	uint64_t messages, began;
};

/* ---- the line From ---- */

static int month_of(const char *word)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++)
		if (strncmp(months + 3 * i, word, 3) == 0)
			return i + 1;
	return 0;
}

/* "Sat Jan  3 01:05:34 1996", and with a zone before the year or behind it. */
static bool read_date(const char *at, int64_t *unix_s, int32_t *zone_min)
{
	char month[4], words[2][8] = {"", ""};
	int day, hour, minute, second = 0, used = 0;
	long year = 0;
	*zone_min = 0;
	if (sscanf(at, "%*3s %3s %2d %2d:%2d%n", month, &day, &hour, &minute, &used) < 4 || !month_of(month))
		return false;
	at += used;
	if (*at == ':' && sscanf(at, ":%2d%n", &second, &used) == 1)
		at += used;
	if (sscanf(at, " %7s %7s", words[0], words[1]) < 1)
		return false;
	for (int i = 0; i < 2; i++) {
		long n = strtol(words[i], NULL, 10);
		if (words[i][0] == '+' || words[i][0] == '-')
			*zone_min = (int32_t)(n / 100 * 60 + n % 100);
		else if (isdigit((unsigned char)words[i][0]) && strlen(words[i]) == 4)
			year = n;
	}
	if (year < 1970 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 || *zone_min < -1440 || *zone_min > 1440)
		return false;
	*unix_s = (date_days(year, month_of(month), day) * 24 + hour) * 3600 + minute * 60 + second - *zone_min * 60;
	return true;
}

/* Is it such a line?  Its date is somewhere behind the sender, who may hold spaces. */
static bool read_from(struct span line, int64_t *unix_s, int32_t *zone_min)
{
	char text[1000];
	if (line.len < 5 || memcmp(line.ptr, "From ", 5) != 0)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)(line.len < sizeof(text) ? line.len : sizeof(text) - 1), line.ptr);
	for (char *at = text + 4; at; at = strchr(at + 1, ' '))
		if (read_date(at + 1, unix_s, zone_min))
			return true;
	return false;
}

/* ---- the header ---- */

struct marks {
	uint32_t uidvalidity, uidnext, uid, system;
	char keywords[4000];
};

static struct span field_value(struct span line, const char *name)
{
	size_t len = strlen(name);
	if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0)
		return (struct span){0};
	line = span_after(line, len + 1);
	while (line.len && isspace((unsigned char)line.ptr[0]))
		line = span_after(line, 1);
	while (line.len && isspace((unsigned char)line.ptr[line.len - 1]))
		line.len--;
	return line;
}

static void take_flags(struct span letters, struct marks *m)
{
	static const struct {
		char letter;
		uint32_t flag;
	} all[] = {{'R', FLAG_SEEN}, {'A', FLAG_ANSWERED}, {'F', FLAG_FLAGGED}, {'T', FLAG_DRAFT}, {'D', FLAG_DELETED}};
	for (size_t i = 0; i < letters.len; i++)
		for (size_t k = 0; k < countof(all); k++)
			m->system |= all[k].letter == letters.ptr[i] ? all[k].flag : 0;
}

/* Is the line one of those fields?  Then what it says is taken. */
static bool take_mark(struct span line, struct marks *m, bool *is_uid)
{
	char text[64];
	struct span v;
	*is_uid = false;
	if ((v = field_value(line, "Status")).ptr || (v = field_value(line, "X-Status")).ptr) {
		take_flags(v, m);
	} else if ((v = field_value(line, "X-Keywords")).ptr) {
		if (v.len < sizeof(m->keywords))
			snprintf(m->keywords, sizeof(m->keywords), "%.*s", (int)v.len, v.ptr);
	} else if ((v = field_value(line, "X-UID")).ptr) {
		snprintf(text, sizeof(text), "%.*s", (int)(v.len < 20 ? v.len : 20), v.ptr);
		unsigned long n = strtoul(text, NULL, 10);
		m->uid = n < UINT32_MAX ? (uint32_t)n : 0;
		*is_uid = true;
	} else if ((v = field_value(line, "X-IMAPbase")).ptr || (v = field_value(line, "X-IMAP")).ptr) {
		unsigned long validity = 0, last = 0;
		snprintf(text, sizeof(text), "%.*s", (int)(v.len < 40 ? v.len : 40), v.ptr);
		if (sscanf(text, "%lu %lu", &validity, &last) == 2 && validity <= UINT32_MAX && last < UINT32_MAX - 1) {
			m->uidvalidity = (uint32_t)validity;
			m->uidnext = (uint32_t)last + 1;
		}
	} else {
		return false;
	}
	return true;
}

static struct span line_at(struct span text, size_t at)
{
	const char *end = memchr(text.ptr + at, '\n', text.len - at);
	return span_make(text.ptr + at, end ? (size_t)(end + 1 - (text.ptr + at)) : text.len - at);
}

/* The header without the marks: what of `header` is between them. */
static struct span take_marks(struct span header, struct marks *m)
{
	size_t begin = 0, end = header.len;
	bool is_uid = false, any = false;
	*m = (struct marks){0};
	while (begin < end && !is_uid && take_mark(line_at(header, begin), m, &is_uid)) {
		begin += line_at(header, begin).len;
		any = true;
	}
	while (!any && end > begin) {
		size_t line = end - 1;
		while (line > begin && header.ptr[line - 1] != '\n')
			line--;
		if (!take_mark(span_make(header.ptr + line, end - line), m, &is_uid))
			break;
		end = line;
	}
	return span_make(header.ptr + begin, end - begin);
}

static void begin_mailbox(struct mbox *b, const struct marks *m)
{
	const struct transfer_mailbox mailbox = {.name = b->mailbox, .uidvalidity = m->uidvalidity, .uidnext = m->uidnext};
	if (b->has_mailbox)
		return;
	transfer_put_mailbox(&b->feed->out, &mailbox);
	b->feed->mailboxes++;
	b->has_mailbox = true;
}

static void flush(struct mbox *b, size_t least)
{
	struct span rest = buf_span(&b->body);
	if (rest.len < least)
		return;
	for (; rest.len; rest = span_after(rest, TRANSFER_DATA_MAX)) {
		transfer_put_data(&b->feed->out, span_make(rest.ptr, rest.len < TRANSFER_DATA_MAX ? rest.len : TRANSFER_DATA_MAX));
		mail_feed_pass(b->feed, false);
	}
	buf_reset(&b->body);
}

static void end_header(struct mbox *b)
{
	struct marks m;
	struct span header = take_marks(buf_span(&b->header), &m);
	char words[sizeof(m.keywords)], source[TRANSFER_SOURCE_MAX + 1], *to = words;
	/* The fields are padded with spaces. */
	for (const char *at = m.keywords; *at; at++)
		if (*at != ' ' || (to > words && to[-1] != ' '))
			*to++ = *at;
	*to = '\0';
	begin_mailbox(b, &m);
	snprintf(source, sizeof(source), "%s, message %llu", b->path, (unsigned long long)b->messages);
	b->message.uid = m.uid;
	b->message.system = m.system;
	b->message.keywords = words;
	b->message.source = source;
	transfer_put_message(&b->feed->out, &b->message);
	buf_add_span(&b->body, header);
	b->in_header = false;
	buf_reset(&b->header);
	flush(b, GATHER_BYTES);
}

/* ---- the file ---- */

static void end_message(struct mbox *b)
{
	if (!b->in_message)
		return;
	if (b->in_header)
		end_header(b);
	flush(b, 1);
	transfer_put_text(&b->feed->out, TRANSFER_MESSAGE_END, "");
	b->in_message = b->holds_empty = false;
	b->feed->messages++;
	b->feed->bytes += b->file.at - b->began;
	b->began = b->file.at;
	if (b->feed->on_progress)
		b->feed->on_progress(b->feed->ctx);
	mail_feed_pass(b->feed, false);
}

/* The next piece: a line with its end, or as much of it as fits. */
static bool next_piece(struct mbox *b, struct span *out, int *error)
{
	char *lf;
	while (!(lf = b->len > b->at ? memchr(b->room + b->at, '\n', b->len - b->at) : NULL) &&
	       (b->at > 0 || b->len < READ_BYTES)) {
		memmove(b->room, b->room + b->at, b->len - b->at);
		b->len -= b->at;
		b->at = 0;
		ssize_t n = mail_file_read(&b->file, b->room + b->len, READ_BYTES - b->len);
		*error = n < 0 ? errno : 0;
		if (n <= 0)
			break;
		b->len += (size_t)n;
	}
	*out = span_make(b->room + b->at, lf ? (size_t)(lf + 1 - (b->room + b->at)) : b->len - b->at);
	b->at += out->len;
	return out->len > 0;
}

static bool is_empty_line(struct span line)
{
	return (line.len == 1 && line.ptr[0] == '\n') || (line.len == 2 && line.ptr[0] == '\r' && line.ptr[1] == '\n');
}

static void take_body(struct mbox *b, struct span piece, bool begins)
{
	if (b->holds_empty)
		buf_add_text(&b->body, b->held);
	b->holds_empty = begins && is_empty_line(piece);
	b->after_empty = b->holds_empty;
	if (b->holds_empty) {
		b->held = piece.len == 2 ? "\r\n" : "\n";
		return;
	}
	size_t quotes = 0;
	while (begins && quotes < piece.len && piece.ptr[quotes] == '>')
		quotes++;
	if (quotes && piece.len - quotes >= 5 && memcmp(piece.ptr + quotes, "From ", 5) == 0)
		piece = span_after(piece, 1);
	buf_add_span(&b->body, piece);
	flush(b, GATHER_BYTES);
}

static void take_piece(struct mbox *b, struct span piece)
{
	bool begins = !b->in_line;
	int64_t unix_s;
	int32_t zone_min;
	b->in_line = piece.ptr[piece.len - 1] != '\n';
	if (begins && (b->after_empty || b->messages == 0) && read_from(piece, &unix_s, &zone_min)) {
		end_message(b);
		b->messages++;
		b->message = (struct transfer_message){.internal_date = unix_s, .zone_min = zone_min};
		b->in_message = b->in_header = true;
		b->after_empty = false;
		return;
	}
	if (!b->in_message)
		return; /* before the first: the caller has looked */
	if (!b->in_header) {
		take_body(b, piece, begins);
		return;
	}
	bool ends = begins && is_empty_line(piece);
	if (ends || b->header.len + piece.len > HEADER_BYTES_MAX) {
		end_header(b);
		buf_add_span(&b->body, piece);
		b->after_empty = ends;
	} else {
		buf_add_span(&b->header, piece);
	}
}

bool mbox_is_at(struct mail_tree *t, const char *path)
{
	struct mail_file file;
	char head[READ_BYTES / 64];
	int64_t unix_s;
	int32_t zone_min;
	if (!mail_file_open(t, path, &file))
		return false;
	ssize_t n = mail_file_unpack(&file) ? -1 : mail_file_read(&file, head, sizeof(head));
	mail_file_close(&file);
	return n == 0 || read_from(line_at(span_make(head, n > 0 ? (size_t)n : 0), 0), &unix_s, &zone_min);
}

void mbox_feed_file(struct mail_feed *f, const char *path, const char *mailbox)
{
	struct mbox b = {.feed = f, .path = path, .mailbox = mailbox};
	const struct marks none = {0};
	struct span piece;
	int error = 0;
	int64_t unix_s;
	int32_t zone_min;
	if (!mail_file_open(f->tree, path, &b.file)) {
		mail_feed_problem(f, "%s: %s", path, strerror(errno));
		return;
	}
	const char *packed = mail_file_unpack(&b.file);
	if (packed) {
		mail_feed_problem(f, "%s: it is packed (%s); unpack it, and run this again for it", path, packed);
		mail_file_close(&b.file);
		return;
	}
	buf_init(&b.header, 2 * HEADER_BYTES_MAX);
	buf_init(&b.body, 4 * HEADER_BYTES_MAX);
	b.room = xmalloc(READ_BYTES);
	bool any = next_piece(&b, &piece, &error);
	if (any && !read_from(piece, &unix_s, &zone_min)) {
		mail_feed_problem(f, "%s: this is no mbox file: it does not begin with a line \"From SENDER DATE\"", path);
	} else {
		for (; any && !f->over; any = next_piece(&b, &piece, &error))
			take_piece(&b, piece);
		end_message(&b);
		begin_mailbox(&b, &none); /* one without messages */
	}
	if (error)
		mail_feed_problem(f, "%s: %s; what is behind could not be read", path, strerror(error));
	free(b.room);
	buf_finish(&b.header);
	buf_finish(&b.body);
	mail_file_close(&b.file);
}

/* ---- a directory of them ---- */

static size_t without(const char *name, const char *ending)
{
	size_t len = strlen(name), n = strlen(ending);
	return len > n && strcmp(name + len - n, ending) == 0 ? len - n : len;
}

static void walk(struct mail_tree *t, const char *dir, const char *above, int depth,
		 void (*each)(void *ctx, const struct mail_tree_entry *e, const char *path, const char *name), void *ctx)
{
	struct mail_tree_list list;
	if (depth > 32 || !mail_tree_read(t, dir, &list))
		return;
	for (size_t i = 0; i < list.n; i++) {
		const struct mail_tree_entry *e = &list.v[i];
		char path[PATH_BYTES];
		struct buf name;
		bool is_ours = e->name[0] != '.' && without(e->name, ".msf") == strlen(e->name);
		snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", e->name);
		buf_init(&name, 65536);
		buf_add_text(&name, above);
		if (name.len)
			buf_add_char(&name, '/');
		mail_feed_decode(span_make(e->name, without(e->name, e->is_directory ? ".sbd" : ".mbox")), &name);
		buf_add_char(&name, '\0');
		if (is_ours && !name.failed && e->is_directory)
			walk(t, path, name.data, depth + 1, each, ctx);
		else if (is_ours && !name.failed && (e->size || without(e->name, ".mbox") < strlen(e->name)))
			each(ctx, e, path, name.data);
		buf_finish(&name);
	}
	mail_tree_list_finish(&list);
}

static void on_file(void *ctx, const struct mail_tree_entry *e, const char *path, const char *name)
{
	(void)e;
	mbox_feed_file(ctx, path, name);
}

void mbox_feed(struct mail_feed *f, const char *dir)
{
	walk(f->tree, dir, "", 0, on_file, f);
}

static void weigh(void *ctx, const struct mail_tree_entry *e, const char *path, const char *name)
{
	(void)path, (void)name;
	*(uint64_t *)ctx += e->size;
}

uint64_t mbox_bytes(struct mail_tree *t, const char *dir)
{
	uint64_t bytes = 0;
	walk(t, dir, "", 0, weigh, &bytes);
	return bytes;
}
