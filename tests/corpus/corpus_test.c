/* corpus_test FILE|DIRECTORY...: every *.eml found goes through the oracle.  Bare LF becomes CRLF first, as at intake. */
#include "protocol/mime/bodystructure.h"
#include "protocol/mime/crlf.h"
#include "protocol/mime/keys.h"
#include "protocol/mime/parser.h"
#include "tests/corpus/oracle.h"

#include <ftw.h>
#include <sys/stat.h>

static unsigned messages, failures; /* nftw() passes nothing on */

static void read_file(const char *path, struct buf *out)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(2);
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
}

static void line(FILE *f, const char *name, struct span s)
{
	fprintf(f, "%s ", name);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '\\' || c < 0x20 || c >= 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
	fputc('\n', f);
}

/* The keys of SORT and THREAD, and the preview, as far as there are any. */
static void describe_derived(const struct mime_summary *s, FILE *f)
{
	static const char *const names[] = {"SUBJECT", "FROM", "TO", "CC", "DISPLAYFROM", "DISPLAYTO"};
	struct mime_sort_key sort;
	struct mime_thread_key thread;
	if (!mime_sort_key_read(buf_span(&s->sort), &sort) || !mime_thread_key_read(buf_span(&s->thread), &thread))
		fprintf(f, "KEYS cannot be read\n");
	for (size_t i = 0; i < SORT_STRING_COUNT; i++)
		if (sort.string[i].len)
			line(f, names[i], sort.string[i]);
	if (sort.is_reply)
		fprintf(f, "REPLY\n");
	if (thread.id.len)
		line(f, "ID", thread.id);
	for (size_t i = 0; i < thread.references_n; i++)
		line(f, "REFERENCE", thread.reference[i]);
	if (s->preview.len)
		line(f, "PREVIEW", s->preview);
}

/* Once, where IMAP4rev2 has it as IMAP4rev1 has. */
static void describe_structure(const struct mime_summary *s, FILE *f)
{
	struct buf rev1, rev2;
	buf_init(&rev1, SIZE_MAX);
	buf_init(&rev2, SIZE_MAX);
	mime_structure_choose(buf_span(&s->bodystructure), false, &rev1);
	mime_structure_choose(buf_span(&s->bodystructure), true, &rev2);
	line(f, "BODYSTRUCTURE", buf_span(&rev1));
	if (!span_equal(buf_span(&rev1), buf_span(&rev2)))
		line(f, "REV2", buf_span(&rev2));
	buf_finish(&rev1);
	buf_finish(&rev2);
}

/* What is known of a message is beside it, in NAME.want, whole lines of this; ROOST_CORPUS_WRITE=1 writes those files, to be read. */
static void describe(struct span message, FILE *f)
{
	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, message);
	const struct mime_summary *s = mime_parser_end(p);
	line(f, "ENVELOPE", buf_span(&s->envelope));
	describe_structure(s, f);
	if (s->has_date)
		fprintf(f, "DATE day %lld utc %lld\n", (long long)s->date.day, (long long)s->date.utc_s);
	describe_derived(s, f);
	mime_parser_destroy(p);
}

static bool as_wanted(const char *path, struct span message)
{
	char name[4096];
	struct buf want;
	snprintf(name, sizeof(name), "%.*swant", (int)(strlen(path) - 3), path);
	if (getenv("ROOST_CORPUS_WRITE")) {
		FILE *f = fopen(name, "w");
		describe(message, f);
		fclose(f);
		return true;
	}
	struct stat st;
	if (stat(name, &st) != 0)
		return true;
	buf_init(&want, SIZE_MAX);
	read_file(name, &want);
	char *got = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&got, &len);
	describe(message, f);
	fclose(f);
	bool same = true;
	for (struct span rest = buf_span(&want); rest.len && same;) {
		const char *lf = memchr(rest.ptr, '\n', rest.len);
		size_t n = lf ? (size_t)(lf - rest.ptr) + 1 : rest.len;
		same = memmem(got, len, rest.ptr, n) != NULL;
		if (!same)
			printf("%s: wanted\n%.*sgot\n%s", path, (int)n, rest.ptr, got);
		rest = span_after(rest, n);
	}
	free(got);
	buf_finish(&want);
	return same;
}

static int check_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	size_t len = strlen(path);
	if (type != FTW_F || len < 4 || strcmp(path + len - 4, ".eml") != 0)
		return 0;
	struct buf file, scratch;
	struct crlf crlf = {0};
	buf_init(&file, SIZE_MAX);
	buf_init(&scratch, SIZE_MAX);
	read_file(path, &file);
	struct span message = crlf_feed(&crlf, buf_span(&file), &scratch);
	const char *why = oracle_check(message, ++messages);
	if (why)
		printf("%s: %s\n", path, why);
	failures += why || !as_wanted(path, message);
	buf_finish(&file);
	buf_finish(&scratch);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (nftw(argv[i], check_file, 16, FTW_PHYS) != 0) {
			perror(argv[i]);
			return 2;
		}
	printf("%u messages, %u failures\n", messages, failures);
	return failures || messages == 0;
}
