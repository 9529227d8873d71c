/* The tables of commands and FETCH items: complete, in order, and each row exercised by a transcript. */
#include "server/command.h"
#include "server/fetch_items.h"

#include <dirent.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_order(void **state)
{
	(void)state;
	const struct command_row *row, *before = NULL;
	for (size_t i = 0; (row = command_row_at(i)); i++, before = row) {
		if (before)
			assert_true(strcmp(before->name, row->name) < 0);
		assert_ptr_equal(command_row(row->kind), row);
		assert_non_null(row->start);
		assert_int_not_equal(row->states, 0);
	}
	assert_null(command_row(CMD_UNKNOWN));
}

/* The table and the parser know the same names. */
static void test_parser(void **state)
{
	(void)state;
	const struct command_row *row;
	for (size_t i = 0; (row = command_row_at(i)); i++) {
		char text[64];
		struct span tag;
		snprintf(text, sizeof(text), "a %s", row->name);
		assert_int_equal(parse_peek(span_of(text), &tag), row->kind);
		snprintf(text, sizeof(text), "a UID %s", row->name);
		if (row->flags & CMD_UID_FORM)
			assert_int_equal(parse_peek(span_of(text), &tag), row->kind);
	}
}

/* Rules that hold together. */
static void test_flags(void **state)
{
	(void)state;
	const struct command_row *row;
	for (size_t i = 0; (row = command_row_at(i)); i++) {
		unsigned f = row->flags;
		assert_false((f & CMD_NO_UPDATES) && (f & (CMD_NO_EXPUNGE | CMD_UPDATES_LIVE)));
		assert_false((f & CMD_LINES) && (f & CMD_STREAMS_IN));
		/* RFC 3501 7.4.1: those whose sequence numbers must hold work on the selected mailbox and have a UID form. */
		if (f & CMD_NO_EXPUNGE) {
			assert_int_equal(row->states, SELECTED);
			assert_true(f & CMD_UID_FORM);
		}
	}
}

static void test_fetch_rows(void **state)
{
	(void)state;
	const struct fetch_row *row;
	size_t n = 0;
	for (; (row = fetch_row_at(n)); n++) {
		assert_int_equal(row->kind, n);
		assert_non_null(row->write);
		assert_false(row->small && row->sets_seen);
	}
	assert_int_equal(n, FETCH_MODSEQ + 1);
}

/* All client lines of all transcripts, in capitals. */
static void read_transcripts(const char *dir, struct buf *out)
{
	char path[512], line[4096];
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			read_transcripts(path, out);
		FILE *f = strstr(e->d_name, ".imap") ? fopen(path, "r") : NULL;
		while (f && fgets(line, sizeof(line), f))
			if (strncmp(line, "C: ", 3) == 0 || strncmp(line, "DO ", 3) == 0 || strncmp(line, "CN:", 3) == 0)
				buf_add_text(out, line);
		if (f)
			fclose(f);
	}
	closedir(d);
	for (size_t i = 0; i < out->len; i++)
		out->data[i] = (char)(out->data[i] >= 'a' && out->data[i] <= 'z' ? out->data[i] - 32 : out->data[i]);
}

static bool is_sent(const struct buf *lines, const char *words)
{
	size_t len = strlen(words);
	const char *at = lines->data, *end = lines->data + lines->len;
	while ((at = memmem(at, (size_t)(end - at), words, len))) {
		at += len;
		if (at == end || *at == ' ' || *at == '\n' || *at == '\r')
			return true;
	}
	return false;
}

static void test_transcripts(void **state)
{
	(void)state;
	struct buf lines;
	const struct command_row *row;
	buf_init(&lines, 1 << 24);
	read_transcripts("tests/transcripts", &lines);
	for (size_t i = 0; (row = command_row_at(i)); i++) {
		char words[64];
		snprintf(words, sizeof(words), " %s", row->name);
		if (!is_sent(&lines, words))
			fail_msg("no transcript sends %s", row->name);
		snprintf(words, sizeof(words), " UID %s", row->name);
		if ((row->flags & CMD_UID_FORM) && !is_sent(&lines, words))
			fail_msg("no transcript sends UID %s", row->name);
	}
	buf_finish(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_parser),
					   cmocka_unit_test(test_flags), cmocka_unit_test(test_fetch_rows),
					   cmocka_unit_test(test_transcripts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
