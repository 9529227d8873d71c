#include "tests/crash/workload.h"

#include "storage/append.h"
#include "storage/check.h"
#include "storage/content_writer.h"
#include "storage/copy.h"
#include "storage/directory.h"
#include "storage/expunge.h"
#include "storage/file.h"
#include "storage/flagset.h"
#include "storage/fulltext.h"
#include "storage/mailbox.h"
#include "storage/metadata.h"
#include "storage/purge.h"
#include "storage/removed.h"
#include "storage/store.h"
#include "storage/sweep.h"
#include "tests/crash/steps.h"

#include <unistd.h>
#include <sys/stat.h>

enum { PATH_BYTES = 300, INDEX_GRAMS = 3000 };

static const char index_word[] = "CONTENT";

static void path_of(const struct workload *w, const char *name, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/%s", w->dir, name);
}

enum store_err workload_open(struct workload *w)
{
	char path[PATH_BYTES];
	path_of(w, "accounts", path);
	mkdir(path, 0700);
	path_of(w, "accounts/one", path);
	return account_open(w->env, path, true, &w->account);
}

void workload_close(struct workload *w)
{
	account_close(w->account);
	w->account = NULL;
}

/* --- ops --- */

static enum store_err find(struct workload *w, const char *name, int64_t *out)
{
	return mailbox_find(w->account, name, out);
}

static enum store_err store_message(struct workload *w, unsigned number, uint32_t flags, struct append_item *out)
{
	size_t len;
	char *bytes = workload_message(number, &len);
	struct content_meta meta = {.header_len = 40, .parser = 1, .sent = CONTENT_NO_DATE, .envelope = {"()", 2}};
	uint64_t hash = workload_hash(bytes, len);
	memcpy(meta.digest, &hash, sizeof(hash));
	struct content_writer *writer = content_writer_create(w->account);
	struct flag_spec spec = {flags, ""};
	enum store_err err = content_writer_write(writer, bytes, len);
	if (!err)
		err = content_writer_finish(writer, &meta, &out->content);
	out->size = (uint32_t)len;
	if (!err)
		err = flagset_apply(w->account, 0, FLAG_SET, &spec, &out->flagset);
	content_writer_destroy(writer);
	free(bytes);
	return err;
}

static enum store_err append(struct workload *w, const struct step *s, uint32_t n, uint32_t flags)
{
	struct append_item items[8] = {0};
	int64_t box;
	uint32_t first;
	enum store_err err = find(w, s->box, &box);
	for (uint32_t i = 0; i < n && !err; i++)
		err = store_message(w, s->number + i, flags, &items[i]);
	return err ? err : messages_append(w->account, box, items, n, &first);
}

static enum store_err set_flags(struct workload *w, const struct step *s)
{
	struct uidset set = {0}, changed = {0};
	struct flag_spec spec = {s->flags, ""};
	int64_t box;
	uidset_append(&set, s->lo, s->hi);
	enum store_err err = find(w, s->box, &box);
	if (!err)
		err = messages_store(w->account, box, &set, FLAG_SET, &spec, &changed);
	uidset_finish(&set);
	uidset_finish(&changed);
	return err;
}

static enum store_err copy_or_move(struct workload *w, const struct step *s)
{
	struct uidset set = {0};
	struct copy_result result = {0};
	int64_t from, to;
	uidset_append(&set, s->lo, s->hi);
	enum store_err err = find(w, s->box, &from);
	if (!err)
		err = find(w, s->to, &to);
	if (!err && s->kind == STEP_COPY)
		err = messages_copy(w->account, from, &set, to, &result);
	else if (!err)
		err = messages_move(w->account, from, &set, to, &result);
	copy_result_finish(&result);
	uidset_finish(&set);
	return err;
}

static enum store_err take_out(struct workload *w, const struct step *s)
{
	struct uidset set = {0};
	int64_t box;
	uidset_append(&set, s->lo, s->hi);
	enum store_err err = find(w, s->box, &box);
	if (!err)
		err = messages_remove(w->account, box, &set);
	uidset_finish(&set);
	return err;
}

/* A short entry, and one of a hundred octets for each of its number. */
static const char short_entry[] = "/private/comment", long_entry[] = "/private/vendor/test/long";
enum { LONG_ENTRY_UNIT = 100 };

static enum store_err annotate(struct workload *w, const struct step *s)
{
	char number[16], text[METADATA_VALUE_BYTES_MAX];
	int64_t box = 0;
	enum store_err err = s->box ? find(w, s->box, &box) : STORE_OK;
	snprintf(number, sizeof(number), "%u", s->number);
	memset(text, 'a' + (int)(s->number % 26), sizeof(text));
	struct metadata_value values[] = {
		{short_entry, {s->number ? number : NULL, strlen(number)}},
		{long_entry, {s->number ? text : NULL, (size_t)s->number * LONG_ENTRY_UNIT}},
	};
	return err ? err : metadata_set(w->account, box, values, countof(values));
}

/* Its number, 0 for none; UINT32_MAX where the two are not one. */
static unsigned annotation_of(struct workload *w, int64_t box)
{
	struct bytes value;
	char number[16] = "0";
	enum store_err err = metadata_get(w->account, box, short_entry, &value);
	if (!err)
		snprintf(number, sizeof(number), "%.*s", (int)value.len, (const char *)value.ptr);
	if (err && err != STORE_NOTFOUND)
		return UINT32_MAX;
	unsigned n = (unsigned)strtoul(number, NULL, 10);
	err = metadata_get(w->account, box, long_entry, &value);
	if (err)
		return err == STORE_NOTFOUND && n == 0 ? 0 : UINT32_MAX;
	bool same = n && value.len == (size_t)n * LONG_ENTRY_UNIT;
	for (size_t i = 0; same && i < value.len; i++)
		same = ((const char *)value.ptr)[i] == (char)('a' + (int)(n % 26));
	return same ? n : UINT32_MAX;
}

/* One op of the step; a group has three, of which the second fails. */
static enum store_err run_op(struct workload *w, const struct step *s, unsigned part)
{
	int64_t id;
	switch (s->kind) {
	case STEP_APPEND:
		return append(w, s, s->hi, s->flags);
	case STEP_COPY:
	case STEP_MOVE:
		return copy_or_move(w, s);
	case STEP_REMOVE:
		return take_out(w, s);
	case STEP_STORE:
		return set_flags(w, s);
	case STEP_CREATE:
		return mailbox_create(w->account, s->box, 0, &id);
	case STEP_RENAME:
		return mailbox_rename(w->account, s->box, s->to);
	case STEP_DELETE:
		return mailbox_delete(w->account, s->box);
	case STEP_ANNOTATE:
		return annotate(w, s);
	case STEP_GROUP:
		return part == 2 ? set_flags(w, s) : append(w, s, 1, 0);
	case STEP_ABANDON:
	case STEP_SWEEP:
	case STEP_INDEX:
	case STEP_RENEW:
	case STEP_IDLE:
	case STEP_REOPEN:
	case STEP_USER:
	case STEP_PURGE:
		break;
	}
	return STORE_CANNOT;
}

static enum store_err commit(struct workload *w, bool *out_commit)
{
	const struct account_touched *touched;
	size_t n;
	enum store_err err = account_commit(w->account, &touched, &n);
	*out_commit = err != STORE_OK;
	return err;
}

static enum store_err run_ops(struct workload *w, const struct step *s, bool *out_commit)
{
	unsigned parts = s->kind == STEP_GROUP ? 3 : 1;
	enum store_err err = STORE_OK;
	for (unsigned part = 0; part < parts && !err; part++) {
		bool fails = s->kind == STEP_GROUP && part == 1;
		err = account_begin(w->account);
		if (!err)
			err = run_op(w, s, part);
		enum store_err end = account_end(w->account, !err && !fails);
		err = err ? err : end;
	}
	/* The lane commits whatever ended well, also when a later op failed.  Here the step fails as a whole. */
	if (err) {
		*out_commit = w->account->in_transaction;
		return err;
	}
	return commit(w, out_commit);
}

static enum store_err abandon(struct workload *w, const struct step *s)
{
	size_t len;
	char *bytes = workload_message(s->number, &len);
	struct content_writer *writer = content_writer_create(w->account);
	enum store_err err = content_writer_write(writer, bytes, len);
	content_writer_destroy(writer);
	free(bytes);
	return err;
}

static enum store_err sweep(struct workload *w, bool *out_commit)
{
	bool more = true;
	enum store_err err = STORE_OK;
	sweep_start(w->account, -10, true);
	while (more && !err) {
		err = account_begin(w->account);
		if (!err)
			err = sweep_step(w->account, &more);
		enum store_err end = account_end(w->account, !err);
		err = err ? err : end;
		if (!err)
			err = commit(w, out_commit);
	}
	sweep_stop(w->account);
	return err;
}

/* Each content has the word and much else, so that the log grows. */
static size_t grams_of(int64_t id, uint64_t grams[INDEX_GRAMS])
{
	size_t n = 0;
	for (const char *c = index_word; c[2]; c++)
		grams[n++] = fulltext_gram((unsigned char)c[0], (unsigned char)c[1], (unsigned char)c[2]);
	for (uint32_t i = 0; n < INDEX_GRAMS; i++)
		grams[n++] = fulltext_gram(0x1000 + i, 0x2000 + (uint32_t)id, 'X');
	return n;
}

/* Some are in two pieces, the word in the second one. */
static enum store_err index_one(struct workload *w, enum fulltext_which which, int64_t id)
{
	uint64_t grams[INDEX_GRAMS];
	struct fulltext_piece p = {.grams = grams, .n = grams_of(id, grams), .last = true, .whole = true};
	enum store_err err = STORE_OK;
	if (id % 3 == 0) {
		struct fulltext_piece first = {.grams = grams + p.n / 2, .n = p.n - p.n / 2, .whole = true};
		p.number = 1;
		p.n /= 2;
		err = fulltext_add(w->account, which, id, &first);
	}
	return err ? err : fulltext_add(w->account, which, id, &p);
}

static enum store_err index_into(struct workload *w, enum fulltext_which which)
{
	int64_t id = 1;
	bool more = true;
	enum store_err err = STORE_OK;
	while (!err && id) {
		err = content_next(w->account, fulltext_added(w->account, which), &id);
		if (!err && id)
			err = index_one(w, which, id);
		if (!err && fulltext_pending(w->account, which) >= 3)
			err = fulltext_commit(w->account, which);
	}
	if (!err)
		err = fulltext_commit(w->account, which);
	while (!err && more)
		err = fulltext_merge(w->account, which, &more);
	return err;
}

/* What happens to the index is no matter to the account. */
static enum store_err index_contents(struct workload *w, bool renew)
{
	enum store_err err = index_into(w, renew ? FULLTEXT_NEXT : FULLTEXT_NOW);
	if (!err && renew)
		err = fulltext_swap(w->account);
	return w->account->db.broken ? err : STORE_OK;
}

/* The index names all that it should have. */
static bool check_index(struct workload *w)
{
	struct fulltext_query q;
	int64_t ids[64], id = 0;
	size_t n = 0, at = 0;
	bool done = false;
	struct bytes word = {index_word, strlen(index_word)};
	if (fulltext_query_init(&q, word, 0) || content_next(w->account, 0, &id))
		return false;
	while (!done || at < n) {
		if (at == n) {
			if (fulltext_query_next(&q, w->account, ids, countof(ids), &n, &done))
				return false;
			at = 0;
			continue;
		}
		/* It may name what is gone since. */
		if (ids[at] > id && id)
			break;
		if (ids[at++] == id && content_next(w->account, id, &id))
			return false;
	}
	bool all = !id || id > fulltext_watermark(w->account);
	if (!all)
		fprintf(stderr, "content %lld is not in the index\n", (long long)id);
	fulltext_query_finish(&q);
	return all;
}

static enum store_err reopen(struct workload *w)
{
	char path[PATH_BYTES];
	workload_close(w);
	path_of(w, "accounts/one/tmp/left", path);
	FILE *left = fopen(path, "w");
	if (left)
		fclose(left);
	return workload_open(w);
}

static enum store_err add_user(struct workload *w, unsigned number)
{
	struct directory *d;
	struct directory_secrets secrets = {.hash = "x"};
	char path[PATH_BYTES], address[64];
	path_of(w, "directory.db", path);
	snprintf(address, sizeof(address), "user%u@example.org", number);
	enum store_err err = directory_open(w->env, path, &d);
	if (err)
		return err;
	err = directory_begin(d);
	if (!err) {
		err = number == 1 ? directory_domain_add(d, "example.org") : STORE_OK;
		if (!err)
			err = directory_user_add(d, address, &secrets);
		enum store_err end = directory_end(d, !err);
		err = err ? err : end;
	}
	directory_close(d);
	return err;
}

/* A few files at a time; what an earlier try left is in the way of nothing. */
static enum store_err purge(struct workload *w)
{
	static const char *const dirs[] = {"", "/blob", "/blob/01", "/tmp"}, *const files[] = {"/index.db", "/blob/01/1", "/blob/01/257"};
	char dir[PATH_BYTES], path[PATH_BYTES + 16];
	enum store_err err = STORE_OK;
	bool more = true, made;
	path_of(w, "accounts/gone", dir);
	for (size_t i = 0; i < countof(dirs) && !err; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, dirs[i]);
		err = dir_make(path, &made);
	}
	for (size_t i = 0; i < countof(files) && !err; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, files[i]);
		FILE *f = fopen(path, "w");
		if (f)
			fclose(f);
	}
	while (more && !err)
		err = account_purge(w->env, dir, 2, &more);
	return err || access(dir, F_OK) != 0 ? err : STORE_CORRUPT;
}

enum store_err workload_run(struct workload *w, unsigned step, bool *out_commit)
{
	const struct step *s = &steps[step];
	*out_commit = false;
	switch (s->kind) {
	case STEP_ABANDON:
		return abandon(w, s);
	case STEP_SWEEP:
		return sweep(w, out_commit);
	case STEP_INDEX:
	case STEP_RENEW:
		return index_contents(w, s->kind == STEP_RENEW);
	case STEP_IDLE:
		return account_idle(w->account);
	case STEP_REOPEN:
		return reopen(w);
	case STEP_USER:
		*out_commit = true; /* where it failed does not show */
		return add_user(w, s->number);
	case STEP_PURGE:
		*out_commit = true;
		return purge(w);
	case STEP_APPEND:
	case STEP_COPY:
	case STEP_MOVE:
	case STEP_REMOVE:
	case STEP_STORE:
	case STEP_CREATE:
	case STEP_RENAME:
	case STEP_DELETE:
	case STEP_ANNOTATE:
	case STEP_GROUP:
		break;
	}
	return run_ops(w, s, out_commit);
}

/* --- what is there --- */

static bool print_message(struct workload *w, FILE *out, const struct roster_slice *s, uint32_t i)
{
	char *bytes = xmalloc(s->size[i]);
	enum store_err err = content_read(w->account, s->content[i], 0, s->size[i], bytes);
	if (err)
		fprintf(stderr, "UID %u cannot be read: %d\n", s->uid[i], err);
	fprintf(out, "  %u flags %u size %u hash %016llx\n", s->uid[i], flagset_system(w->account, s->flagset[i]), s->size[i],
		(unsigned long long)workload_hash(bytes, s->size[i]));
	free(bytes);
	return !err;
}

static bool print_mailbox(struct workload *w, FILE *out, const struct mailbox_name *name)
{
	struct roster *r;
	struct roster_slice s;
	enum store_err err = roster_get(w->account, name->info.id, &r);
	if (err) {
		fprintf(stderr, "%s cannot be read: %d\n", name->name, err);
		return false;
	}
	fprintf(out, "%s uidnext %u annotated %u\n", name->name, r->info.uidnext, annotation_of(w, name->info.id));
	bool ok = true;
	for (uint32_t at = 0; ok && roster_slice_at(r, at, &s); at = s.index + s.n)
		for (uint32_t i = 0; ok && i < s.n; i++)
			ok = print_message(w, out, &s, i);
	return ok;
}

/* The directory's users are 1 to n. */
static unsigned count_users(struct workload *w)
{
	struct directory *d;
	struct directory_user user;
	char path[PATH_BYTES], address[64];
	unsigned n = 0;
	path_of(w, "directory.db", path);
	if (directory_open(w->env, path, &d) != STORE_OK)
		return UINT32_MAX;
	do
		snprintf(address, sizeof(address), "user%u@example.org", n + 1);
	while (directory_user_find(d, address, &user) == STORE_OK && ++n);
	directory_close(d);
	return n;
}

char *workload_found(struct workload *w)
{
	struct mailbox_names names;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	invariant(out);
	bool ok = mailbox_list(w->account, &names) == STORE_OK;
	for (size_t i = 0; ok && i < names.n; i++)
		if (names.v[i].info.id)
			ok = print_mailbox(w, out, &names.v[i]);
	mailbox_names_finish(&names);
	fprintf(out, "account annotated %u\nusers %u\n", annotation_of(w, 0), count_users(w));
	fclose(out);
	if (ok)
		return text;
	free(text);
	return NULL;
}

static void on_problem(void *ctx, enum check_kind kind, const char *line)
{
	(void)ctx;
	if (kind == CHECK_DAMAGE)
		fprintf(stderr, "check: %s\n", line);
}

static void *hash_start(void)
{
	return xcalloc(1, 2 * sizeof(uint64_t));
}

static void hash_feed(void *state, const void *bytes, size_t len)
{
	/* The hash begins with the length, which is not known yet: the messages are small enough to be kept. */
	char **kept = state;
	size_t *n = (size_t *)state + 1;
	*kept = xrealloc(*kept, *n + len);
	memcpy(*kept + *n, bytes, len);
	*n += len;
}

static void hash_finish(void *state, unsigned char out[DIGEST_BYTES])
{
	char **kept = state;
	uint64_t hash = workload_hash(*kept, *((size_t *)state + 1));
	memset(out, 0, DIGEST_BYTES);
	memcpy(out, &hash, sizeof(hash));
	free(*kept);
	free(state);
}

bool workload_check(struct workload *w)
{
	static const struct check_digest digest = {hash_start, hash_feed, hash_finish};
	struct check *c = check_create(w->account, &digest, on_problem, NULL);
	bool more = true;
	enum store_err err = STORE_OK;
	while (more && !err)
		err = check_step(c, &more);
	bool sound = !err && check_result(c).damage == 0;
	check_destroy(c);
	return sound && check_index(w);
}

int workload_match(struct workload *w, unsigned least, unsigned most)
{
	char *found = workload_found(w);
	int state = -1;
	for (unsigned i = least; found && state < 0 && i <= most && i <= steps_n; i++) {
		char *expected = workload_expected(i);
		if (strcmp(found, expected) == 0)
			state = (int)i;
		free(expected);
	}
	if (found && state < 0) {
		char *expected = workload_expected(least);
		fprintf(stderr, "--- state %u of %u to %u\n%s--- found\n%s", least, least, most, expected, found);
		free(expected);
	}
	free(found);
	return state;
}
