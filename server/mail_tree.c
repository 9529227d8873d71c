#include "server/mail_tree.h"

#include "server/trouble.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, PATH_BYTES_MAX = 4096, EXTENDED_BYTES_MAX = 1 << 20 };

struct archived {
	char *path;
	bool is_directory;
	uint64_t offset, size;
	int64_t mtime_s;
};

enum kind { KIND_DIRECTORY, KIND_ARCHIVE, KIND_FILE };

struct mail_tree {
	enum kind kind;
	int fd; /* of the directory, the archive or the file */
	uint64_t size;
	struct archived *v; /* by path */
	size_t n, cap;
};

/* ---- the archive ---- */

static bool read_at(int fd, void *to, size_t len, uint64_t offset)
{
	size_t got = 0;
	while (got < len) {
		ssize_t n = pread(fd, (char *)to + got, len - got, (off_t)(offset + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* A number of a header: octal, or binary when its first bit is set. */
static uint64_t number_of(const unsigned char *at, size_t len)
{
	uint64_t n = 0;
	if (at[0] & 0x80) {
		for (size_t i = len > 8 ? len - 8 : 0; i < len; i++)
			n = n << 8 | (i == 0 ? at[i] & 0x7f : at[i]);
		return n;
	}
	for (size_t i = 0; i < len && at[i]; i++)
		if (at[i] >= '0' && at[i] <= '7')
			n = n << 3 | (uint64_t)(at[i] - '0');
	return n;
}

static bool is_header(const unsigned char h[BLOCK])
{
	unsigned sum = 0;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return h[0] && number_of(h + 148, 8) == sum;
}

/* "./a//b/" is a/b; NULL: it leads out of the archive, or nowhere.  Heap. */
static char *clean_path(const char *path)
{
	char *out = xmalloc(strlen(path) + 1), *to = out;
	for (const char *at = path; *at;) {
		size_t len = strcspn(at, "/");
		if (len == 2 && memcmp(at, "..", 2) == 0) {
			free(out);
			return NULL;
		}
		if (len && !(len == 1 && *at == '.')) {
			if (to > out)
				*to++ = '/';
			memcpy(to, at, len);
			to += len;
		}
		at += len + (at[len] == '/');
	}
	*to = '\0';
	return out;
}

/* What a header before says of the next file: pax records "LEN key=value\n", or GNU's long name. */
struct extended {
	char *path;
	bool has_size, has_mtime;
	uint64_t size;
	int64_t mtime_s;
};

static void read_pax(char *text, size_t len, struct extended *x)
{
	for (char *at = text, *end = text + len; at < end;) {
		char *key;
		unsigned long size = strtoul(at, &key, 10);
		if (size < 5 || size > (unsigned long)(end - at) || *key++ != ' ')
			return;
		at[size - 1] = '\0';
		if (strncmp(key, "path=", 5) == 0) {
			free(x->path);
			x->path = strdup(key + 5);
		} else if (strncmp(key, "size=", 5) == 0) {
			x->has_size = true;
			x->size = strtoull(key + 5, NULL, 10);
		} else if (strncmp(key, "mtime=", 6) == 0) {
			x->has_mtime = true;
			x->mtime_s = strtoll(key + 6, NULL, 10);
		}
		at += size;
	}
}

static bool read_extended(struct mail_tree *t, uint64_t offset, uint64_t size, bool is_pax, struct extended *x)
{
	if (size > EXTENDED_BYTES_MAX)
		return false;
	char *text = xmalloc((size_t)size + 1);
	bool ok = read_at(t->fd, text, (size_t)size, offset);
	text[size] = '\0';
	if (ok && is_pax) {
		read_pax(text, (size_t)size, x);
	} else if (ok) {
		free(x->path);
		x->path = strdup(text);
	}
	free(text);
	return ok;
}

static void add(struct mail_tree *t, const unsigned char *h, uint64_t offset, uint64_t size, const struct extended *x)
{
	char plain[BLOCK];
	bool is_ustar = memcmp(h + 257, "ustar", 5) == 0;
	snprintf(plain, sizeof(plain), "%.*s%s%.100s", is_ustar ? 155 : 0, (const char *)h + 345, is_ustar && h[345] ? "/" : "",
		 (const char *)h);
	const char *path = x->path ? x->path : plain;
	char *clean = clean_path(path);
	if (!clean || !*clean) {
		free(clean);
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->v = xrealloc(t->v, t->cap * sizeof(*t->v));
	}
	size_t len = strlen(path);
	t->v[t->n++] = (struct archived){.path = clean, .is_directory = h[156] == '5' || path[len - 1] == '/',
					 .offset = offset, .size = size,
					 .mtime_s = x->has_mtime ? x->mtime_s : (int64_t)number_of(h + 136, 12)};
}

/* '/' comes before all else, so that what is below a directory stands behind it. */
static int path_order(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	int x = *a == '/' ? 1 : (unsigned char)*a + (*a ? 1 : 0), y = *b == '/' ? 1 : (unsigned char)*b + (*b ? 1 : 0);
	return x - y;
}

static int archived_order(const void *x, const void *y)
{
	return path_order(((const struct archived *)x)->path, ((const struct archived *)y)->path);
}

/* False: it is no archive. */
static bool index_archive(struct mail_tree *t)
{
	unsigned char h[BLOCK];
	struct extended x = {0};
	uint64_t at = 0;
	while (read_at(t->fd, h, BLOCK, at) && is_header(h)) {
		char type = (char)h[156];
		uint64_t size = x.has_size && type != 'x' && type != 'L' ? x.size : number_of(h + 124, 12);
		at += BLOCK;
		if (size > INT64_MAX / 2 || at > INT64_MAX / 2)
			break; /* no file is so large */
		if (type == 'x' || type == 'L') {
			if (!read_extended(t, at, size, type == 'x', &x))
				break;
		} else if (type != 'g' && type != 'K') {
			if (type == '0' || type == '\0' || type == '5')
				add(t, h, at, size, &x);
			free(x.path);
			x = (struct extended){0};
		}
		at += (size + BLOCK - 1) / BLOCK * BLOCK;
	}
	free(x.path);
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), archived_order);
	return at > 0;
}

/* ---- both ---- */

struct mail_tree *mail_tree_open(const char *path)
{
	struct stat st;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		trouble_errno(path, errno);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode)) {
		fd = mail_file_settle(fd, path);
		if (fd < 0)
			return NULL;
	}
	struct mail_tree *t = xcalloc(1, sizeof(*t));
	t->fd = fd;
	if (S_ISDIR(st.st_mode))
		return t;
	t->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	t->kind = index_archive(t) ? KIND_ARCHIVE : KIND_FILE;
	return t;
}

bool mail_tree_is_archive(const struct mail_tree *t)
{
	return t->kind == KIND_ARCHIVE;
}

bool mail_tree_is_file(const struct mail_tree *t)
{
	return t->kind == KIND_FILE;
}

uint64_t mail_tree_bytes(const struct mail_tree *t)
{
	return t->size;
}

void mail_tree_close(struct mail_tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].path);
	free(t->v);
	close(t->fd);
	free(t);
}

static void list_add(struct mail_tree_list *l, size_t *cap, const char *name, size_t len, const struct mail_tree_entry *like)
{
	if (l->n == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		l->v = xrealloc(l->v, *cap * sizeof(*l->v));
	}
	l->v[l->n] = *like;
	l->v[l->n].name = xmalloc(len + 1);
	memcpy(l->v[l->n].name, name, len);
	l->v[l->n++].name[len] = '\0';
}

static int entry_order(const void *x, const void *y)
{
	return strcmp(((const struct mail_tree_entry *)x)->name, ((const struct mail_tree_entry *)y)->name);
}

/* The place of `path`, or of the first behind it. */
static size_t find(const struct mail_tree *t, const char *path)
{
	size_t lo = 0, hi = t->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (path_order(t->v[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool list_archive(struct mail_tree *t, const char *path, struct mail_tree_list *out)
{
	char prefix[PATH_BYTES_MAX + 2];
	size_t cap = 0, len = (size_t)snprintf(prefix, sizeof(prefix), "%s%s", path, *path ? "/" : "");
	if (len >= sizeof(prefix))
		return false;
	for (size_t i = find(t, prefix); i < t->n && strncmp(t->v[i].path, prefix, len) == 0; i++) {
		const char *name = t->v[i].path + len;
		size_t name_len = strcspn(name, "/");
		bool below = name[name_len] == '/';
		struct mail_tree_entry *last = out->n ? &out->v[out->n - 1] : NULL;
		bool again = last && strlen(last->name) == name_len && memcmp(last->name, name, name_len) == 0;
		if (again) {
			last->is_directory |= below;
			continue;
		}
		const struct mail_tree_entry e = {.is_directory = below || t->v[i].is_directory, .size = t->v[i].size,
						  .mtime_s = t->v[i].mtime_s};
		list_add(out, &cap, name, name_len, &e);
	}
	return out->n > 0 || mail_tree_has_directory(t, path);
}

static bool list_directory(struct mail_tree *t, const char *path, struct mail_tree_list *out)
{
	size_t cap = 0;
	int fd = openat(t->fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		if (errno != ENOENT && errno != ENOTDIR)
			trouble_errno(path, errno);
		if (fd >= 0)
			close(fd);
		return false;
	}
	struct dirent *e;
	while (errno = 0, (e = readdir(dir))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		/* What a link leads to may be there another time: as a file that cannot be opened it is told of. */
		bool leads_nowhere = fstatat(fd, e->d_name, &st, 0) != 0;
		if (leads_nowhere && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		const struct mail_tree_entry like = {.is_directory = S_ISDIR(st.st_mode), .size = (uint64_t)st.st_size,
						     .mtime_s = st.st_mtime};
		if (leads_nowhere || S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
			list_add(out, &cap, e->d_name, strlen(e->d_name), &like);
	}
	bool ok = errno == 0;
	if (!ok) {
		trouble_errno(path, errno);
		mail_tree_list_finish(out);
	}
	closedir(dir);
	return ok;
}

bool mail_tree_read(struct mail_tree *t, const char *path, struct mail_tree_list *out)
{
	*out = (struct mail_tree_list){0};
	bool ok = t->kind == KIND_DIRECTORY ? list_directory(t, path, out) : list_archive(t, path, out);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), entry_order);
	return ok;
}

void mail_tree_list_finish(struct mail_tree_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].name);
	free(list->v);
	*list = (struct mail_tree_list){0};
}

bool mail_tree_has_directory(struct mail_tree *t, const char *path)
{
	char prefix[PATH_BYTES_MAX + 2];
	struct stat st;
	if (t->kind == KIND_DIRECTORY)
		return fstatat(t->fd, *path ? path : ".", &st, 0) == 0 && S_ISDIR(st.st_mode);
	size_t at = find(t, path), len = (size_t)snprintf(prefix, sizeof(prefix), "%s/", path);
	if (len >= sizeof(prefix))
		return false;
	if (at < t->n && strcmp(t->v[at].path, path) == 0 && t->v[at].is_directory)
		return true;
	at = find(t, prefix);
	return at < t->n && strncmp(t->v[at].path, prefix, len) == 0;
}

/* ---- files ---- */

bool mail_file_open(struct mail_tree *t, const char *path, struct mail_file *out)
{
	*out = (struct mail_file){.fd = -1, .end = UINT64_MAX};
	if (t->kind == KIND_FILE) {
		*out = (struct mail_file){.fd = t->fd, .is_lent = true, .end = t->size};
		return true;
	}
	if (t->kind == KIND_ARCHIVE) {
		size_t at = find(t, path);
		errno = ENOENT;
		if (at == t->n || strcmp(t->v[at].path, path) != 0 || t->v[at].is_directory)
			return false;
		*out = (struct mail_file){.fd = t->fd, .is_lent = true, .at = t->v[at].offset,
					  .end = t->v[at].offset + t->v[at].size};
		return true;
	}
	out->fd = openat(t->fd, path, O_RDONLY | O_CLOEXEC);
	return out->fd >= 0;
}

char *mail_file_text(struct mail_tree *t, const char *path, size_t most)
{
	struct mail_file f;
	if (!mail_file_open(t, path, &f))
		return NULL;
	size_t len = 0, cap = 65536;
	char *text = xmalloc(cap + 1);
	ssize_t n;
	while ((n = mail_file_read(&f, text + len, cap - len)) > 0) {
		len += (size_t)n;
		if (len == cap && cap < most) {
			cap *= 2;
			text = xrealloc(text, cap + 1);
		}
	}
	mail_file_close(&f);
	text[len] = '\0';
	if (n == 0 && len <= most)
		return text;
	free(text);
	return NULL;
}
