/*
 * The MIME parser on any octets: what it says is checked by the corpus oracle (grammar, sizes, sections, the same however
 * the bytes are cut); and the stored part table, damaged, is read without harm.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/mime/crlf.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/section.h"
#include "tests/corpus/oracle.h"

/* Every row and some sections of a table that may be anything. */
static void read_table(struct span table)
{
	static const uint32_t path[] = {1, 2, 1, 1};
	struct mime_part part;
	uint32_t offset, len;
	for (uint32_t i = 0; i <= mime_parts_count(table); i++)
		if (mime_parts_get(table, i, &part))
			invariant(part.charset.len <= table.len);
	for (size_t n = 0; n <= countof(path); n++)
		for (int kind = MIME_SECTION_ALL; kind <= MIME_SECTION_MIME; kind++)
			if (mime_find(table, path, n, (enum mime_section)kind, &offset, &len))
				invariant((uint64_t)offset + len <= UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_make((const char *)data, size);
	struct crlf crlf = {0};
	struct buf scratch;
	buf_init(&scratch, SIZE_MAX);
	struct span message = crlf_feed(&crlf, bytes, &scratch);
	const char *why = oracle_check(message, (unsigned)size);
	if (why)
		fprintf(stderr, "oracle: %s\n", why);
	invariant(!why);
	buf_finish(&scratch);

	struct mime_parser *p = mime_parser_create();
	mime_parser_feed(p, bytes);
	struct buf table;
	buf_init(&table, SIZE_MAX);
	buf_add_span(&table, buf_span(&mime_parser_end(p)->parts));
	for (size_t i = 0; i + 1 < size && i < 16; i += 2)
		table.data[data[i] % table.len] = (char)data[i + 1];
	read_table(buf_span(&table));
	read_table(bytes);
	buf_finish(&table);
	mime_parser_destroy(p);
	return 0;
}
