/*
 * A Maildir: each folder has `cur`, `new` and `tmp`, a file a message.  INBOX is the directory itself; others are
 * directories beside those three, either ".Level.Below" (Maildir++) or Level/Below.
 *
 * A file's name is UNIQUE, or UNIQUE:2,FLAGS.  Dovecot keeps more in files of a folder's directory:
 *
 *	dovecot-uidlist    "3 V<uidvalidity> N<uidnext> ...", then a line a message: "<uid> [<fields>] :<unique>"; or of old
 *	                   "1 <uidvalidity> <uidnext>", and "<uid> <unique>"
 *	dovecot-keywords   "<number> <keyword>": number 0 is flag `a` of the file name, and so on
 *	subscriptions      in INBOX's: a name a line, levels divided by dots; or behind a line "V<tab>2", by tabs
 *
 * Courier keeps:
 *
 *	courierimapuiddb             "1 <uidvalidity> <uidnext>", then "<uid> <unique>" a line
 *	courierimapkeywords/:list    a keyword a line, an empty line, then "<unique>:<number> ..." a message
 *	courierimapkeywords/UNIQUE   where they have changed since: all keywords of that message, one a line
 *	courierimapsubscribed        in INBOX's: "INBOX.Level.Below" a line
 */
#include "server/mail_feed.h"

#include "storage/flagset.h"

#include <errno.h>

enum { UIDLIST_BYTES_MAX = 1 << 30, SMALL_BYTES_MAX = 1 << 20, LETTERS = 26, COURIER_WORDS_MAX = 1000, PATH_BYTES = 4096 };

struct known_uid {
	const char *unique; /* in the list's text */
	uint32_t uid;
};

struct courier_message {
	const char *unique, *numbers; /* in the list's text */
};

struct message_file {
	char *path;
	const char *unique; /* in it */
	size_t unique_len;
	uint32_t uid;
	uint64_t size;
	int64_t mtime_s;
};

struct folder {
	struct transfer_mailbox mailbox;
	char *uidlist; /* text */
	struct known_uid *uids; /* by unique */
	size_t uids_n;
	char *keyword_text, *keywords[LETTERS];
	char *courier_text, *courier_words[COURIER_WORDS_MAX]; /* Courier's; its messages by unique */
	struct courier_message *courier;
	size_t courier_words_n, courier_n;
	bool has_courier;
	struct message_file *files;
	size_t files_n, files_cap;
};

static bool is_folder(struct mail_tree *t, const char *dir)
{
	char path[PATH_BYTES];
	int n = snprintf(path, sizeof(path), "%s%scur", dir, *dir ? "/" : "");
	return n > 0 && (size_t)n < sizeof(path) && mail_tree_has_directory(t, path);
}

bool maildir_is_at(struct mail_tree *t, const char *dir)
{
	struct mail_tree_list list;
	bool found = is_folder(t, dir);
	if (found || !mail_tree_read(t, dir, &list))
		return found;
	for (size_t i = 0; i < list.n && !found; i++) {
		char path[PATH_BYTES];
		snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", list.v[i].name);
		found = list.v[i].is_directory && is_folder(t, path);
	}
	mail_tree_list_finish(&list);
	return found;
}

/* ---- Dovecot's files ---- */

static int known_order(const void *x, const void *y)
{
	return strcmp(((const struct known_uid *)x)->unique, ((const struct known_uid *)y)->unique);
}

static void read_uidlist_head(struct folder *f, char *line)
{
	char *save, *word = strtok_r(line, " ", &save);
	bool is_old = word && strcmp(word, "1") == 0;
	for (int i = 0; word && (word = strtok_r(NULL, " ", &save)); i++) {
		bool tagged = !is_old && (word[0] == 'V' || word[0] == 'N');
		unsigned long n = strtoul(word + tagged, NULL, 10);
		if (n > UINT32_MAX)
			continue;
		if ((tagged && word[0] == 'V') || (is_old && i == 0))
			f->mailbox.uidvalidity = (uint32_t)n;
		else if ((tagged && word[0] == 'N') || (is_old && i == 1))
			f->mailbox.uidnext = (uint32_t)n;
	}
}

static void read_uidlist(struct folder *f)
{
	char *save, *line = f->uidlist ? strtok_r(f->uidlist, "\n", &save) : NULL;
	size_t cap = 0;
	if (!line)
		return;
	read_uidlist_head(f, line);
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *rest;
		unsigned long uid = strtoul(line, &rest, 10);
		char *colon = strstr(rest, " :"), *unique = colon ? colon + 2 : rest + (*rest == ' ');
		if (rest == line || uid == 0 || uid >= UINT32_MAX || !*unique)
			continue;
		unique[strcspn(unique, ":")] = '\0';
		if (f->uids_n == cap) {
			cap = cap ? 2 * cap : 256;
			f->uids = xrealloc(f->uids, cap * sizeof(*f->uids));
		}
		f->uids[f->uids_n++] = (struct known_uid){unique, (uint32_t)uid};
	}
	if (f->uids_n)
		qsort(f->uids, f->uids_n, sizeof(*f->uids), known_order);
}

static void read_keywords(struct folder *f)
{
	char *save, *line = f->keyword_text ? strtok_r(f->keyword_text, "\n", &save) : NULL;
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		char *rest;
		unsigned long number = strtoul(line, &rest, 10);
		if (rest != line && *rest == ' ' && number < LETTERS)
			f->keywords[number] = rest + 1;
	}
}

/* ---- Courier's keywords ---- */

static int courier_order(const void *x, const void *y)
{
	return strcmp(((const struct courier_message *)x)->unique, ((const struct courier_message *)y)->unique);
}

static void read_courier(struct folder *f, struct mail_tree *t, const char *dir)
{
	char path[PATH_BYTES];
	size_t cap = 0;
	bool behind = false; /* the empty line */
	snprintf(path, sizeof(path), "%s%scourierimapkeywords", dir, *dir ? "/" : "");
	f->has_courier = mail_tree_has_directory(t, path);
	if (!f->has_courier)
		return;
	snprintf(path, sizeof(path), "%s%scourierimapkeywords/:list", dir, *dir ? "/" : "");
	f->courier_text = mail_file_text(t, path, UIDLIST_BYTES_MAX);
	for (char *line = f->courier_text, *next; line && *line; line = next) {
		size_t len = strcspn(line, "\n");
		next = line + len + (line[len] == '\n');
		line[len] = '\0';
		char *colon = strrchr(line, ':');
		if (!behind && len && f->courier_words_n < COURIER_WORDS_MAX)
			f->courier_words[f->courier_words_n++] = line;
		if (behind && colon) {
			if (f->courier_n == cap) {
				cap = cap ? 2 * cap : 64;
				f->courier = xrealloc(f->courier, cap * sizeof(*f->courier));
			}
			*colon = '\0';
			f->courier[f->courier_n++] = (struct courier_message){line, colon + 1};
		}
		behind |= len == 0;
	}
	if (f->courier_n)
		qsort(f->courier, f->courier_n, sizeof(*f->courier), courier_order);
}

static void add_keyword(struct buf *out, const char *keyword)
{
	if (out->len)
		buf_add_char(out, ' ');
	buf_add_text(out, keyword);
}

/* `m->path` is DIR/cur/NAME: what is in DIR/courierimapkeywords/UNIQUE.  False: there is nothing. */
static bool read_changed(struct mail_tree *t, const struct message_file *m, struct buf *keywords)
{
	char path[PATH_BYTES], *save;
	size_t dir = (size_t)(m->unique - m->path) - strlen("cur/");
	snprintf(path, sizeof(path), "%.*scourierimapkeywords/%.*s", (int)dir, m->path, (int)m->unique_len, m->unique);
	char *text = mail_file_text(t, path, SMALL_BYTES_MAX);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		add_keyword(keywords, line);
	free(text);
	return text != NULL;
}

static void read_courier_keywords(const struct folder *f, struct mail_tree *t, const struct message_file *m, struct buf *keywords)
{
	char unique[PATH_BYTES], *rest;
	const struct courier_message key = {unique, NULL}, *found = NULL;
	if (!f->has_courier || read_changed(t, m, keywords) || !f->courier_n)
		return;
	snprintf(unique, sizeof(unique), "%.*s", (int)m->unique_len, m->unique);
	found = bsearch(&key, f->courier, f->courier_n, sizeof(*f->courier), courier_order);
	for (const char *at = found ? found->numbers : ""; *at; at = rest) {
		unsigned long number = strtoul(at, &rest, 10);
		if (rest == at)
			break;
		if (number < f->courier_words_n)
			add_keyword(keywords, f->courier_words[number]);
	}
}

/* ---- the messages ---- */

static uint32_t find_uid(const struct folder *f, const char *unique, size_t len)
{
	size_t lo = 0, hi = f->uids_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strncmp(f->uids[mid].unique, unique, len);
		if (order == 0)
			order = f->uids[mid].unique[len] ? 1 : 0;
		if (order == 0)
			return f->uids[mid].uid;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static void list_messages(struct mail_feed *feed, struct folder *f, const char *dir, const char *sub)
{
	struct mail_tree *t = feed->tree;
	char path[PATH_BYTES];
	struct mail_tree_list list;
	snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", sub);
	if (mail_tree_read(t, path, &list)) {
		f->files_cap = f->files_n + list.n;
		f->files = xrealloc(f->files, f->files_cap * sizeof(*f->files));
	} else if (mail_tree_has_directory(t, path)) {
		mail_feed_problem(feed, "%s: it cannot be read", path);
	}
	for (size_t i = 0; i < list.n; i++) {
		const struct mail_tree_entry *e = &list.v[i];
		if (e->is_directory || e->name[0] == '.')
			continue;
		size_t len = strlen(path) + 1 + strlen(e->name) + 1;
		struct message_file *m = &f->files[f->files_n++];
		*m = (struct message_file){.path = xmalloc(len), .size = e->size, .mtime_s = e->mtime_s};
		snprintf(m->path, len, "%s/%s", path, e->name);
		m->unique = m->path + strlen(path) + 1;
		m->unique_len = strcspn(m->unique, ":");
		m->uid = find_uid(f, m->unique, m->unique_len);
	}
	mail_tree_list_finish(&list);
}

/* Those with a UID by it, then the others in the order they arrived, as their names have it. */
static int message_order(const void *x, const void *y)
{
	const struct message_file *a = x, *b = y;
	if (a->uid != b->uid)
		return a->uid - 1 < b->uid - 1 ? -1 : 1;
	return strcmp(a->unique, b->unique);
}

static void read_flags(const struct folder *f, const char *name, uint32_t *system, struct buf *keywords)
{
	static const struct {
		char letter;
		uint32_t flag;
	} letters[] = {{'D', FLAG_DRAFT}, {'F', FLAG_FLAGGED}, {'R', FLAG_ANSWERED}, {'S', FLAG_SEEN}, {'T', FLAG_DELETED}};
	const char *info = strstr(name, ":2,");
	for (const char *at = info ? info + 3 : ""; *at && *at != ','; at++) {
		const char *keyword = NULL;
		for (size_t i = 0; i < countof(letters); i++)
			*system |= letters[i].letter == *at ? letters[i].flag : 0;
		if (*at == 'P')
			keyword = "$Forwarded";
		else if (*at >= 'a' && *at <= 'z')
			keyword = f->keywords[*at - 'a'];
		if (keyword)
			add_keyword(keywords, keyword);
	}
}

static void feed_message(struct mail_feed *feed, const struct folder *f, const struct message_file *m)
{
	struct mail_file file;
	struct buf keywords;
	char source[TRANSFER_SOURCE_MAX + 1];
	if (!mail_file_open(feed->tree, m->path, &file)) {
		mail_feed_problem(feed, "%s: %s; run this again for it", m->path, strerror(errno));
		return;
	}
	const char *packed = mail_file_unpack(&file);
	if (packed) {
		mail_feed_problem(feed, "%s: it is packed (%s); unpack it, and run this again for it", m->path, packed);
		mail_file_close(&file);
		return;
	}
	buf_init(&keywords, 16384);
	snprintf(source, sizeof(source), "%s", m->path);
	struct transfer_message out = {.uid = m->uid, .internal_date = m->mtime_s, .size = m->size, .source = source};
	read_flags(f, m->unique, &out.system, &keywords);
	read_courier_keywords(f, feed->tree, m, &keywords);
	buf_add_char(&keywords, '\0');
	out.keywords = keywords.failed ? "" : keywords.data;
	transfer_put_message(&feed->out, &out);
	buf_finish(&keywords);
	mail_feed_file(feed, &file, m->path);
	mail_file_close(&file);
}

static void folder_finish(struct folder *f)
{
	for (size_t i = 0; i < f->files_n; i++)
		free(f->files[i].path);
	free(f->files);
	free(f->uids);
	free(f->uidlist);
	free(f->keyword_text);
	free(f->courier_text);
	free(f->courier);
}

static void feed_folder(struct mail_feed *feed, const char *dir, const char *name)
{
	char path[PATH_BYTES];
	struct folder f = {.mailbox = {.name = name}};
	snprintf(path, sizeof(path), "%s%sdovecot-uidlist", dir, *dir ? "/" : "");
	f.uidlist = mail_file_text(feed->tree, path, UIDLIST_BYTES_MAX);
	snprintf(path, sizeof(path), "%s%scourierimapuiddb", dir, *dir ? "/" : "");
	if (!f.uidlist)
		f.uidlist = mail_file_text(feed->tree, path, UIDLIST_BYTES_MAX);
	read_uidlist(&f);
	snprintf(path, sizeof(path), "%s%sdovecot-keywords", dir, *dir ? "/" : "");
	f.keyword_text = mail_file_text(feed->tree, path, SMALL_BYTES_MAX);
	read_keywords(&f);
	read_courier(&f, feed->tree, dir);
	transfer_put_mailbox(&feed->out, &f.mailbox);
	feed->mailboxes++;
	list_messages(feed, &f, dir, "cur");
	list_messages(feed, &f, dir, "new");
	if (f.files_n)
		qsort(f.files, f.files_n, sizeof(*f.files), message_order);
	for (size_t i = 0; i < f.files_n && mail_feed_pass(feed, false); i++)
		feed_message(feed, &f, &f.files[i]);
	folder_finish(&f);
}

/* ---- the tree ---- */

/* ".A.B", or the last part of a path: with what is above it, to the mailbox's name. */
static void make_name(const char *above, const char *file, struct buf *out)
{
	bool dotted = *file == '.';
	buf_add_text(out, above);
	for (const char *at = file + dotted; *at;) {
		size_t len = dotted ? strcspn(at, ".") : strlen(at);
		if (out->len)
			buf_add_char(out, '/');
		mail_feed_decode(span_make(at, len), out);
		at += len + (at[len] == '.' && dotted);
	}
	buf_add_char(out, '\0');
}

/* Folders in `dir` and, where they are directories in directories, below; `each` gets each that has messages. */
static void walk(struct mail_tree *t, const char *dir, const char *above, int depth,
		 void (*each)(void *ctx, const char *dir, const char *name), void *ctx)
{
	struct mail_tree_list list;
	if (depth > 32 || !mail_tree_read(t, dir, &list))
		return;
	for (size_t i = 0; i < list.n; i++) {
		const char *file = list.v[i].name;
		char path[PATH_BYTES];
		struct buf name;
		if (!list.v[i].is_directory || strcmp(file, "cur") == 0 || strcmp(file, "new") == 0 || strcmp(file, "tmp") == 0)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", file);
		buf_init(&name, 65536);
		make_name(above, file, &name);
		if (!name.failed && is_folder(t, path))
			each(ctx, path, name.data);
		if (!name.failed && *file != '.')
			walk(t, path, name.data, depth + 1, each, ctx);
		buf_finish(&name);
	}
	mail_tree_list_finish(&list);
}

static void on_folder(void *ctx, const char *dir, const char *name)
{
	feed_folder(ctx, dir, name);
}

static void feed_subscriptions(struct mail_feed *f, const char *dir, const char *file)
{
	char path[PATH_BYTES], *save;
	snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", file);
	char *text = mail_file_text(f->tree, path, SMALL_BYTES_MAX), *line = text ? strtok_r(text, "\n", &save) : NULL;
	char divider = '.';
	if (line && strcmp(line, "V\t2") == 0) {
		divider = '\t';
		line = strtok_r(NULL, "\n", &save);
	}
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		struct buf name;
		buf_init(&name, 65536);
		line[strcspn(line, "\r")] = '\0';
		const char *at = line;
		if (strcmp(file, "courierimapsubscribed") == 0 && strncmp(at, "INBOX.", 6) == 0)
			at += 6;
		for (char *part = strdup(at), *rest = part; rest;) {
			char *end = strpbrk(rest, divider == '\t' ? "\t" : "./");
			if (name.len)
				buf_add_char(&name, '/');
			mail_feed_decode(span_make(rest, end ? (size_t)(end - rest) : strlen(rest)), &name);
			rest = end ? end + 1 : NULL;
			if (!rest)
				free(part);
		}
		buf_add_char(&name, '\0');
		if (!name.failed && name.len > 1 && name.len < TRANSFER_DATA_MAX)
			transfer_put_text(&f->out, TRANSFER_SUBSCRIPTION, name.data);
		buf_finish(&name);
	}
	free(text);
}

void maildir_feed(struct mail_feed *f, const char *dir)
{
	if (is_folder(f->tree, dir))
		feed_folder(f, dir, "INBOX");
	walk(f->tree, dir, "", 0, on_folder, f);
	feed_subscriptions(f, dir, "subscriptions");
	feed_subscriptions(f, dir, "courierimapsubscribed");
}

struct weighing {
	struct mail_tree *tree;
	uint64_t bytes;
};

static void weigh(void *ctx, const char *dir, const char *name)
{
	static const char *const subs[] = {"cur", "new"};
	struct weighing *w = ctx;
	(void)name;
	for (size_t k = 0; k < countof(subs); k++) {
		char path[PATH_BYTES];
		struct mail_tree_list list;
		snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", subs[k]);
		mail_tree_read(w->tree, path, &list);
		for (size_t i = 0; i < list.n; i++)
			w->bytes += list.v[i].is_directory ? 0 : list.v[i].size;
		mail_tree_list_finish(&list);
	}
}

uint64_t maildir_bytes(struct mail_tree *t, const char *dir)
{
	struct weighing w = {.tree = t};
	weigh(&w, dir, "");
	walk(t, dir, "", 0, weigh, &w);
	return w.bytes;
}
