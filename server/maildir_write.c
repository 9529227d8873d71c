#include "server/mail_write.h"

#include "protocol/imap/mutf7.h"
#include "storage/flagset.h"

#include <time.h>

enum { LETTERS = 26, PATH_BYTES = 4096, DATA_BYTES = 2 * TRANSFER_DATA_MAX };

struct written {
	uint32_t uid;
	int64_t date;
	uint64_t size;
};

struct maildir {
	struct mail_out *out;
	struct buf subscriptions;
	/* The folder. */
	bool in_folder;
	char dir[PATH_BYTES];
	uint32_t uidvalidity, uidnext;
	char *keywords[LETTERS];
	size_t keywords_n;
	struct written *messages;
	size_t messages_n, messages_cap;
	char **there; /* the names in cur/, sorted */
	size_t there_n, there_cap;
	/* The message. */
	struct lf_filter filter;
	struct buf data;
};

static void *open_maildir(struct mail_out *out)
{
	struct maildir *m = xcalloc(1, sizeof(*m));
	m->out = out;
	buf_init(&m->subscriptions, 64 << 20);
	buf_init(&m->data, DATA_BYTES);
	buf_add_text(&m->subscriptions, "V\t2\n\n");
	return m;
}

static void path_of(const struct maildir *m, const char *name, char out[PATH_BYTES])
{
	int len = snprintf(out, PATH_BYTES, "%s%s%s", m->dir, *m->dir ? "/" : "", name);
	invariant(len < PATH_BYTES); /* begin_folder() leaves room */
}

/* One level of a name.  A dot would divide levels, so it is written otherwise, as mail_feed_decode() reads it. */
static void encode(struct span level, struct buf *out)
{
	struct buf plain;
	buf_init(&plain, 16384);
	mutf7_encode(level, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		if (plain.data[i] == '.' || plain.data[i] == '\\')
			buf_add_text(out, plain.data[i] == '.' ? "\\2e" : "\\5c");
		else
			buf_add_char(out, plain.data[i]);
	}
	buf_finish(&plain);
}

/* `before` each level; of INBOX there is nothing. */
static void encode_name(const char *name, char before, char between, struct buf *out)
{
	for (const char *at = name; *at;) {
		size_t len = strcspn(at, "/");
		char c = at == name ? before : between;
		if (c)
			buf_add_char(out, c);
		encode(span_make(at, len), out);
		at += len + (at[len] == '/');
	}
}

/* ---- a folder's own files ---- */

static int text_order(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static void note_there(void *ctx, const char *name)
{
	struct maildir *m = ctx;
	if (m->there_n == m->there_cap) {
		m->there_cap = m->there_cap ? 2 * m->there_cap : 256;
		m->there = xrealloc(m->there, m->there_cap * sizeof(*m->there));
	}
	m->there[m->there_n++] = strdup(name);
}

static void read_keywords(struct maildir *m)
{
	/* The letters of an export before do not matter: the names of its files become what they are now. */
	for (size_t i = 0; i < m->keywords_n; i++)
		free(m->keywords[i]);
	m->keywords_n = 0;
}

static void unique_name(const struct maildir *m, const struct written *w, char *out, size_t size)
{
	snprintf(out, size, "%lld.V%luU%lu.roost,W=%llu", (long long)w->date, (unsigned long)m->uidvalidity, (unsigned long)w->uid,
		 (unsigned long long)w->size);
}

static void write_small(struct maildir *m, const char *name, const struct buf *text)
{
	char path[PATH_BYTES], draft[PATH_BYTES];
	path_of(m, name, path);
	path_of(m, "tmp/list", draft);
	mail_out_begin(m->out, draft, path, time(NULL));
	mail_out_write(m->out, buf_span(text));
	mail_out_end(m->out);
}

static void write_uidlist(struct maildir *m)
{
	char path[PATH_BYTES], draft[PATH_BYTES], unique[200];
	path_of(m, "dovecot-uidlist", path);
	path_of(m, "tmp/list", draft);
	mail_out_begin(m->out, draft, path, time(NULL));
	buf_reset(&m->data);
	buf_printf(&m->data, "3 V%lu N%lu\n", (unsigned long)m->uidvalidity, (unsigned long)m->uidnext);
	for (size_t i = 0; i < m->messages_n; i++) {
		unique_name(m, &m->messages[i], unique, sizeof(unique));
		buf_printf(&m->data, "%lu :%s\n", (unsigned long)m->messages[i].uid, unique);
		if (m->data.len > DATA_BYTES / 2) {
			mail_out_write(m->out, buf_span(&m->data));
			buf_reset(&m->data);
		}
	}
	mail_out_write(m->out, buf_span(&m->data));
	mail_out_end(m->out);
}

static void end_folder(struct maildir *m)
{
	if (!m->in_folder)
		return;
	write_uidlist(m);
	if (m->keywords_n) {
		buf_reset(&m->data);
		for (size_t i = 0; i < m->keywords_n; i++)
			buf_printf(&m->data, "%zu %s\n", i, m->keywords[i]);
		write_small(m, "dovecot-keywords", &m->data);
	}
	for (size_t i = 0; i < m->there_n; i++)
		free(m->there[i]);
	m->there_n = m->messages_n = 0;
	read_keywords(m);
	m->in_folder = false;
}

static void begin_folder(void *format, const struct transfer_mailbox *mailbox)
{
	static const char *const subs[] = {"cur", "new", "tmp"};
	struct maildir *m = format;
	struct buf name;
	char path[PATH_BYTES];
	end_folder(m);
	buf_init(&name, 8 * PATH_BYTES);
	if (strcmp(mailbox->name, "INBOX") != 0)
		encode_name(mailbox->name, '.', '.', &name);
	mail_writer_fit(&name, 0, mailbox->name);
	snprintf(m->dir, sizeof(m->dir) - 400, "%.*s", (int)name.len, name.data ? name.data : "");
	buf_finish(&name);
	if (*m->dir)
		mail_out_directory(m->out, m->dir);
	for (size_t i = 0; i < countof(subs); i++) {
		path_of(m, subs[i], path);
		mail_out_directory(m->out, path);
	}
	if (*m->dir) { /* by which Maildir++ knows a folder */
		buf_reset(&m->data);
		write_small(m, "maildirfolder", &m->data);
	}
	path_of(m, "cur", path);
	if (mail_out_list(m->out, path, note_there, m) && m->there_n)
		qsort(m->there, m->there_n, sizeof(*m->there), text_order);
	m->in_folder = true;
	m->uidvalidity = mailbox->uidvalidity;
	m->uidnext = mailbox->uidnext;
	if (mailbox->subscribed) {
		encode_name(mailbox->name, 0, '\t', &m->subscriptions);
		buf_add_char(&m->subscriptions, '\n');
	}
}

static void subscription(void *format, const char *name)
{
	struct maildir *m = format;
	encode_name(name, 0, '\t', &m->subscriptions);
	buf_add_char(&m->subscriptions, '\n');
}

/* ---- messages ---- */

/* The letter of a keyword; 0: all are taken. */
static char letter_of(struct maildir *m, const char *keyword, size_t len)
{
	size_t i = 0;
	while (i < m->keywords_n && !(strlen(m->keywords[i]) == len && strncasecmp(m->keywords[i], keyword, len) == 0))
		i++;
	if (i == LETTERS)
		return 0;
	if (i == m->keywords_n)
		m->keywords[m->keywords_n++] = strndup(keyword, len);
	return (char)('a' + (char)i);
}

/* Letters in ASCII order, as the format has it. */
static void flags_of(struct maildir *m, const struct transfer_message *message, char out[LETTERS + 8])
{
	static const struct {
		char letter;
		uint32_t flag;
	} letters[] = {{'D', FLAG_DRAFT}, {'F', FLAG_FLAGGED}, {'R', FLAG_ANSWERED}, {'S', FLAG_SEEN}, {'T', FLAG_DELETED}};
	bool used[LETTERS] = {false};
	for (size_t i = 0; i < countof(letters); i++)
		if (message->system & letters[i].flag)
			*out++ = letters[i].letter;
	for (const char *at = message->keywords; *at;) {
		size_t len = strcspn(at, " ");
		char letter = letter_of(m, at, len);
		if (letter)
			used[letter - 'a'] = true;
		at += len + (at[len] == ' ');
	}
	for (int i = 0; i < LETTERS; i++)
		if (used[i])
			*out++ = (char)('a' + i);
	*out = '\0';
}

/* The name under which an export before has it; NULL. */
static const char *find_there(const struct maildir *m, const char *unique)
{
	size_t lo = 0, hi = m->there_n, len = strlen(unique);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(m->there[mid], unique) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	bool is = lo < m->there_n && strncmp(m->there[lo], unique, len) == 0 && m->there[lo][len] == ':';
	return is ? m->there[lo] : NULL;
}

static void begin_message(void *format, const struct transfer_message *message, bool *done)
{
	struct maildir *m = format;
	char unique[200], flags[LETTERS + 8], name[300], path[PATH_BYTES], draft[PATH_BYTES], old[PATH_BYTES];
	if (m->messages_n == m->messages_cap) {
		m->messages_cap = m->messages_cap ? 2 * m->messages_cap : 256;
		m->messages = xrealloc(m->messages, m->messages_cap * sizeof(*m->messages));
	}
	struct written *w = &m->messages[m->messages_n++];
	*w = (struct written){message->uid, message->internal_date, message->size};
	unique_name(m, w, unique, sizeof(unique));
	flags_of(m, message, flags);
	snprintf(name, sizeof(name), "cur/%s:2,%s", unique, flags);
	path_of(m, name, path);
	const char *there = find_there(m, unique);
	if (there) {
		*done = true;
		if (strcmp(there, name + 4) != 0) {
			snprintf(name, sizeof(name), "cur/%.250s", there);
			path_of(m, name, old);
			mail_out_rename(m->out, old, path);
		}
		return;
	}
	path_of(m, "tmp/message", draft);
	m->filter = (struct lf_filter){0};
	mail_out_begin(m->out, draft, path, message->internal_date);
}

static void take_data(void *format, struct span bytes)
{
	struct maildir *m = format;
	lf_filter_feed(&m->filter, bytes, &m->data);
	mail_out_write(m->out, buf_span(&m->data));
}

static void end_message(void *format)
{
	struct maildir *m = format;
	lf_filter_end(&m->filter, &m->data);
	mail_out_write(m->out, buf_span(&m->data));
	mail_out_end(m->out);
}

static void close_maildir(void *format, bool whole)
{
	struct maildir *m = format;
	if (whole) {
		end_folder(m);
		m->dir[0] = '\0';
		mail_out_directory(m->out, "tmp");
		write_small(m, "subscriptions", &m->subscriptions);
	}
	for (size_t i = 0; i < m->there_n; i++)
		free(m->there[i]);
	read_keywords(m);
	free(m->there);
	free(m->messages);
	buf_finish(&m->subscriptions);
	buf_finish(&m->data);
	free(m);
}

const struct mail_format maildir_format = {open_maildir, begin_folder, begin_message, take_data,
					   end_message,  subscription, close_maildir};
