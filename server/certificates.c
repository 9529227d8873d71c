#include "server/certificates.h"

#include "server/limits.h"
#include "server/log.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <uthash.h>
#include <uv.h>

enum { DAY_S = 86400 };

/* Equal when nothing has changed.  The change time too, which nobody can set back. */
struct file_identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct pem_file {
	UT_hash_handle hh; /* by path */
	struct file_identity identity;
	struct pem_content content; /* the last that made sense */
	unsigned char leaf_id[CERTIFICATE_KEY_ID_BYTES], key_id[CERTIFICATE_KEY_ID_BYTES];
	struct certificate *served; /* made of this file's leaf, perhaps an earlier one; NULL: none yet */
	const char *fault;          /* what was logged of it last; NULL: nothing is wrong */
	int64_t warned_day;         /* on which the end of its validity was logged */
	bool seen, broken;
	size_t name_at; /* where the name begins that is logged: behind the directory's */
	char path[];
};

struct key_place {
	UT_hash_handle hh; /* by id */
	unsigned char id[CERTIFICATE_KEY_ID_BYTES];
	EVP_PKEY *key;
};

struct certificates {
	char *host;
	char **directories; /* NULL behind the last */
	size_t directories_n;
	struct pem_file *files;
	struct pem_reader reader;
	SSL_CTX *trial_context; /* on which it is seen whether OpenSSL takes a certificate */
	SSL *trial;
	bool scanned;
	uv_rwlock_t lock; /* guards the pointer */
	struct certificate_index *index;
};

struct certificates *certificates_create(const char *directory, const char *host)
{
	struct certificates *c = xcalloc(1, sizeof(*c));
	c->host = strdup(host);
	c->directories = xcalloc(2, sizeof(*c->directories));
	c->directories[0] = strdup(directory);
	c->directories_n = 1;
	c->index = certificate_index_create();
	c->trial_context = SSL_CTX_new(TLS_server_method());
	c->trial = c->trial_context ? SSL_new(c->trial_context) : NULL;
	invariant(c->trial && c->host && c->directories[0] && uv_rwlock_init(&c->lock) == 0);
	pem_reader_init(&c->reader);
	return c;
}

static void file_destroy(struct certificates *c, struct pem_file *file)
{
	HASH_DEL(c->files, file);
	pem_content_finish(&file->content);
	certificate_release(file->served);
	free(file);
}

static void forget_directories(struct certificates *c, size_t keep)
{
	for (size_t i = keep; i < c->directories_n; i++)
		free(c->directories[i]);
	c->directories_n = keep;
	c->directories[keep] = NULL;
}

void certificates_destroy(struct certificates *c)
{
	if (!c)
		return;
	struct pem_file *file, *next;
	HASH_ITER(hh, c->files, file, next)
		file_destroy(c, file);
	certificate_index_destroy(c->index);
	uv_rwlock_destroy(&c->lock);
	SSL_free(c->trial);
	SSL_CTX_free(c->trial_context);
	pem_reader_finish(&c->reader);
	forget_directories(c, 0);
	free(c->directories);
	free(c->host);
	free(c);
}

/* Said once for as long as it is so. */
static void set_fault(struct pem_file *file, const char *fault)
{
	if (fault && file->fault != fault)
		log_event(LOG_WARNING, "certificate_failed", log_text("file", file->path + file->name_at),
			  log_text("reason", fault), log_text("instead", file->served ? "the old one goes on" : "none"));
	file->fault = fault;
}

/* --- Looking at what is there. --- */

static bool is_wanted(const char *name)
{
	static const char *const ends[] = {".pem", ".crt", ".cer", ".cert", ".key"};
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && name[0] != '.' && i < countof(ends); i++)
		if (strcmp(dot, ends[i]) == 0)
			return true;
	return false;
}

static bool is_same(const struct file_identity *a, const struct file_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void read_again(struct certificates *c, struct pem_file *file)
{
	struct pem_content fresh;
	const char *fault = pem_reader_read(&c->reader, file->path, &fresh);
	file->broken = fault != NULL;
	file->fault = NULL; /* of the bytes that were there before */
	if (fault) {
		set_fault(file, fault);
		return;
	}
	pem_content_finish(&file->content);
	file->content = fresh;
	if (fresh.leaf && !certificate_key_id(X509_get0_pubkey(fresh.leaf), file->leaf_id))
		set_fault(file, "its kind of key is not known here");
	if (fresh.key && !certificate_key_id(fresh.key, file->key_id))
		set_fault(file, "its kind of key is not known here");
	file->broken = file->fault != NULL;
}

static void see_file(struct certificates *c, const char *path, const struct stat *st)
{
	const struct file_identity identity = {st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
	struct pem_file *file;
	HASH_FIND_STR(c->files, path, file);
	if (!file) {
		size_t len = strlen(path) + 1;
		file = xcalloc(1, sizeof(*file) + len);
		memcpy(file->path, path, len);
		file->name_at = strlen(c->directories[0]) + 1;
		HASH_ADD_STR(c->files, path, file);
	} else if (is_same(&file->identity, &identity)) {
		file->seen = true;
		return;
	}
	file->seen = true;
	file->identity = identity;
	read_again(c, file);
}

static void add_directory(struct certificates *c, const char *path)
{
	c->directories = xrealloc(c->directories, (c->directories_n + 2) * sizeof(*c->directories));
	c->directories[c->directories_n] = strdup(path);
	invariant(c->directories[c->directories_n]);
	c->directories[++c->directories_n] = NULL;
}

/* Files, by what links lead to; directories are only noted, since their own are too deep. */
static bool see_directory(struct certificates *c, const char *path)
{
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	bool top = path == c->directories[0];
	for (struct dirent *entry; (entry = readdir(dir));) {
		char at[4096];
		struct stat st;
		int n = snprintf(at, sizeof(at), "%s/%s", path, entry->d_name);
		if (n < 0 || (size_t)n >= sizeof(at) || entry->d_name[0] == '.' || stat(at, &st) != 0)
			continue;
		if (S_ISREG(st.st_mode) && is_wanted(entry->d_name) && HASH_COUNT(c->files) < LIMIT_CERTIFICATE_FILES)
			see_file(c, at, &st);
		else if (S_ISDIR(st.st_mode) && top && c->directories_n < LIMIT_CERTIFICATE_FILES)
			add_directory(c, at);
	}
	closedir(dir);
	return true;
}

/* What was in it goes on: it is there, and cannot be read now. */
static void keep_directory(struct certificates *c, const char *path, int error)
{
	size_t len = strlen(path);
	log_event(LOG_WARNING, "certificate_failed", log_text("file", path), log_text("reason", strerror(error)),
		  log_text("instead", "what was read of it goes on"));
	for (struct pem_file *file = c->files; file; file = file->hh.next)
		if (strncmp(file->path, path, len) == 0 && file->path[len] == '/')
			file->seen = true;
}

/* --- What is served. --- */

static struct key_place *gather_keys(struct certificates *c)
{
	struct key_place *keys = NULL, *place;
	for (struct pem_file *file = c->files; file; file = file->hh.next) {
		if (!file->content.key)
			continue;
		HASH_FIND(hh, keys, file->key_id, CERTIFICATE_KEY_ID_BYTES, place);
		if (place)
			continue;
		place = xcalloc(1, sizeof(*place));
		memcpy(place->id, file->key_id, sizeof(place->id));
		place->key = file->content.key;
		HASH_ADD(hh, keys, id, CERTIFICATE_KEY_ID_BYTES, place);
	}
	return keys;
}

static void forget_keys(struct key_place *keys)
{
	struct key_place *place, *next;
	HASH_ITER(hh, keys, place, next) {
		HASH_DEL(keys, place);
		free(place);
	}
}

static void log_served(const struct certificates *c, const struct pem_file *file)
{
	char until[32];
	struct tm tm;
	time_t ends = (time_t)file->served->ends_s;
	if (!c->scanned || !gmtime_r(&ends, &tm)) /* at the start they are counted */
		return;
	strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
	log_event(LOG_INFO, "certificate_served", log_text("file", file->path + file->name_at), log_text("until", until));
}

/* A chain in a file of its own: the keys of authorities are elsewhere, for good reason. */
static bool is_authority(const struct pem_file *file)
{
	return !file->served && X509_check_ca(file->content.leaf) &&
	       X509_get_ext_by_NID(file->content.leaf, NID_subject_alt_name, -1) < 0;
}

/* The certificate in the file takes the place of what the file served before, if it can. */
static void renew(struct certificates *c, struct pem_file *file, const struct key_place *keys, int64_t now_s)
{
	const struct key_place *place;
	if (file->broken)
		return;
	if (!file->content.leaf) {
		set_fault(file, "there is no certificate in it any more");
		return;
	}
	if (file->served && file->served->leaf == file->content.leaf) {
		set_fault(file, NULL);
		return;
	}
	HASH_FIND(hh, keys, file->leaf_id, CERTIFICATE_KEY_ID_BYTES, place);
	if (!place) {
		set_fault(file, is_authority(file) ? NULL : "no file here holds its private key");
		return;
	}
	struct certificate *made = certificate_create(file->content.leaf, file->content.chain, place->key, file->path);
	const char *fault = NULL;
	ERR_clear_error();
	if (!certificate_use(made, c->trial)) {
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());
		fault = reason ? reason : "OpenSSL does not take it";
	} else if (made->ends_s <= now_s && file->served && file->served->ends_s > now_s) {
		fault = "it has expired";
	}
	ERR_clear_error();
	set_fault(file, fault);
	if (fault) {
		certificate_release(made);
		return;
	}
	certificate_release(file->served);
	file->served = made;
	file->warned_day = 0;
	log_served(c, file);
}

/* Daily from LIMIT_CERTIFICATE_WARN_DAYS on. */
static void warn_of_end(struct pem_file *file, int64_t now_s)
{
	int64_t left_s = file->served->ends_s - now_s;
	if (left_s >= (int64_t)LIMIT_CERTIFICATE_WARN_DAYS * DAY_S || file->warned_day == now_s / DAY_S)
		return;
	file->warned_day = now_s / DAY_S;
	if (left_s <= 0)
		log_event(LOG_WARNING, "certificate_expired", log_text("file", file->path + file->name_at),
			  log_number("days_ago", -left_s / DAY_S));
	else
		log_event(LOG_WARNING, "certificate_expires", log_text("file", file->path + file->name_at),
			  log_number("days", left_s / DAY_S));
}

static int by_path(const struct pem_file *a, const struct pem_file *b)
{
	return strcmp(a->path, b->path);
}

static struct certificate_index *make_index(struct certificates *c)
{
	int64_t now_s = (int64_t)time(NULL);
	struct certificate_index *index = certificate_index_create();
	HASH_SORT(c->files, by_path);
	struct key_place *keys = gather_keys(c);
	for (struct pem_file *file = c->files; file; file = file->hh.next) {
		if (!file->content.leaf && !file->served)
			continue;
		renew(c, file, keys, now_s);
		if (!file->served)
			continue;
		warn_of_end(file, now_s);
		certificate_index_add(index, file->served, now_s);
	}
	forget_keys(keys);
	certificate_index_set_default(index, c->host);
	return index;
}

static bool fail(struct certificates *c, const char *reason)
{
	log_event(LOG_ERROR, "certificates_failed", log_text("directory", c->directories[0]), log_text("reason", reason),
		  log_number("still_served", (int64_t)certificate_index_count(c->index)));
	return false;
}

bool certificates_scan(struct certificates *c)
{
	struct pem_file *file, *next;
	for (file = c->files; file; file = file->hh.next)
		file->seen = false;
	forget_directories(c, 1);
	if (!see_directory(c, c->directories[0]))
		return fail(c, strerror(errno));
	for (size_t i = 1; i < c->directories_n; i++)
		if (!see_directory(c, c->directories[i]) && errno != ENOENT && errno != ENOTDIR)
			keep_directory(c, c->directories[i], errno);
	HASH_ITER(hh, c->files, file, next)
		if (!file->seen)
			file_destroy(c, file);
	struct certificate_index *index = make_index(c), *old = c->index;
	if (certificate_index_count(index) == 0) {
		certificate_index_destroy(index);
		return fail(c, "there is no certificate with its key in it");
	}
	uv_rwlock_wrlock(&c->lock);
	c->index = index;
	uv_rwlock_wrunlock(&c->lock);
	certificate_index_destroy(old);
	c->scanned = true;
	return true;
}

size_t certificates_count(struct certificates *c)
{
	uv_rwlock_rdlock(&c->lock);
	size_t n = certificate_index_count(c->index);
	uv_rwlock_rdunlock(&c->lock);
	return n;
}

const char *certificates_directory_at(const struct certificates *c, size_t index)
{
	return index < c->directories_n ? c->directories[index] : NULL;
}

bool certificates_use(struct certificates *c, const char *host, SSL *ssl)
{
	uv_rwlock_rdlock(&c->lock);
	bool ok = certificate_index_use(c->index, host, ssl);
	uv_rwlock_rdunlock(&c->lock);
	return ok;
}
