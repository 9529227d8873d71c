#include "protocol/mime/section.h"

static bool child_of(struct span parts, uint32_t parent, uint32_t number, uint32_t *row, struct mime_part *out)
{
	uint32_t n = mime_parts_count(parts);
	for (uint32_t i = parent + 1; i < n; i++) {
		if (!mime_parts_get(parts, i, out) || out->parent < parent)
			return false;
		if (out->parent == parent && out->number == number) {
			*row = i;
			return true;
		}
	}
	return false;
}

static bool locate(struct span parts, const uint32_t *path, size_t path_n, uint32_t *row, struct mime_part *out)
{
	bool named = false; /* `row` was named by a number, not only entered */
	*row = 0;
	if (!mime_parts_get(parts, 0, out))
		return false;
	for (size_t i = 0; i < path_n; i++) {
		if (named && out->kind == MIME_MESSAGE) {
			if (!child_of(parts, *row, 0, row, out))
				return false;
			named = false;
		}
		if (out->kind == MIME_MULTIPART) {
			if (path[i] == 0 || !child_of(parts, *row, path[i], row, out))
				return false;
		} else if (named || path[i] != 1) {
			return false;
		}
		named = true;
	}
	return true;
}

bool mime_find_part(struct span parts, const uint32_t *path, size_t path_n, struct mime_part *out)
{
	uint32_t row;
	return locate(parts, path, path_n, &row, out);
}

bool mime_find(struct span parts, const uint32_t *path, size_t path_n, enum mime_section kind, uint32_t *offset,
	       uint32_t *len)
{
	uint32_t row;
	struct mime_part p;
	if (!locate(parts, path, path_n, &row, &p))
		return false;
	if (path_n && (kind == MIME_SECTION_HEADER || kind == MIME_SECTION_TEXT)) {
		if (p.kind != MIME_MESSAGE || !child_of(parts, row, 0, &row, &p))
			return false;
	}
	bool header = kind == MIME_SECTION_HEADER || kind == MIME_SECTION_MIME;
	bool whole = kind == MIME_SECTION_ALL && !path_n;
	*offset = header || whole ? p.header : p.body;
	*len = header ? p.header_len : (whole ? p.header_len + p.body_len : p.body_len);
	return true;
}

void mime_fields(struct span header, const struct span *names, size_t n, bool not, struct buf *out)
{
	struct mime_field f;
	for (size_t at = 0; mime_field_next(header, &at, &f);) {
		bool named = false;
		for (size_t i = 0; i < n && !named; i++)
			named = f.name.len && span_iequal(f.name, names[i]);
		if (named != not)
			buf_add_span(out, f.raw);
	}
	buf_add_text(out, "\r\n");
}
