/*
 * The MIME parser on any octets: what it says is checked by the corpus oracle (grammar, sizes, sections, the same however
 * the bytes are cut); and the stored part table, damaged, is read without harm.
 */
#include "tests/fuzz/fuzz.h"

#include "protocol/mime/crlf.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/section.h"
#include "protocol/mime/unbinary.h"
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

static void convert(struct span bytes, size_t step, struct buf *out)
{
	struct mime_unbinary *u = mime_unbinary_create();
	buf_init(out, SIZE_MAX);
	for (size_t at = 0; at < bytes.len; at += step)
		mime_unbinary_feed(u, span_make(bytes.ptr + at, bytes.len - at < step ? bytes.len - at : step), out);
	mime_unbinary_end(u, out);
	mime_unbinary_destroy(u);
}

/* Binary parts become text, the same however the bytes are cut; done twice there is nothing left to do. */
static void unbinary_twice(struct span bytes, size_t step)
{
	struct buf once, pieces, twice;
	convert(bytes, bytes.len + 1, &once);
	convert(bytes, step, &pieces);
	invariant(span_equal(buf_span(&once), buf_span(&pieces)));
	convert(buf_span(&once), step, &twice);
	invariant(span_equal(buf_span(&once), buf_span(&twice)));
	buf_finish(&once);
	buf_finish(&pieces);
	buf_finish(&twice);
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
	unbinary_twice(bytes, 1 + size % 7);

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
