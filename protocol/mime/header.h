/*
 * Header blocks (RFC 5322 2.2): fields in order, folds and all, whatever else arrives.  Every function takes any octets;
 * results are slices of the block unless said otherwise.  Pure; any thread.
 */
#ifndef MIME_HEADER_H
#define MIME_HEADER_H

#include "protocol/buf.h"

/* One field, or a run of bytes that is none (an mbox "From " line, a line without colon): then name.len is 0. */
struct mime_field {
	struct span name;  /* without the white space RFC 5322 4.5 allows before the colon */
	struct span value; /* after the colon, raw: folds, line end and all */
	struct span raw;   /* the whole field with its line end */
};

/* The fields that ENVELOPE, BODYSTRUCTURE and threads are made of. */
enum mime_field_id {
	FIELD_DATE,
	FIELD_SUBJECT,
	FIELD_FROM,
	FIELD_SENDER,
	FIELD_REPLY_TO,
	FIELD_TO,
	FIELD_CC,
	FIELD_BCC,
	FIELD_IN_REPLY_TO,
	FIELD_MESSAGE_ID,
	FIELD_REFERENCES,
	FIELD_CONTENT_TYPE,
	FIELD_CONTENT_ENCODING,
	FIELD_CONTENT_ID,
	FIELD_CONTENT_DESCRIPTION,
	FIELD_CONTENT_DISPOSITION,
	FIELD_CONTENT_LANGUAGE,
	FIELD_CONTENT_LOCATION,
	FIELD_CONTENT_MD5,
	FIELD_COUNT
};

/* A header block read once. */
struct mime_header {
	struct span text;
	struct span first[FIELD_COUNT]; /* raw value of the first field of that name; ptr NULL: there is none */
	bool repeated[FIELD_COUNT];     /* there is another */
};

/* The end of the header block that `text` starts with: behind its blank line; without one, the whole text. */
size_t mime_header_end(struct span text);
/* Iterates a block from *at = 0; false at its blank line or end. */
bool mime_field_next(struct span header, size_t *at, struct mime_field *out);
void mime_header_read(struct span header, struct mime_header *out);

/* The value unfolded (RFC 5322 2.2.3: line ends go, the white space stays) and its ends trimmed.  A slice of `raw` where
 * nothing is folded, else in `scratch`, valid until its next use.  A bare CR becomes a space.  ptr NULL stays NULL. */
struct span mime_unfold(struct span raw, struct buf *scratch);

static inline bool mime_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline struct span mime_trim(struct span s)
{
	while (s.len && mime_is_space(s.ptr[0]))
		s = span_after(s, 1);
	while (s.len && mime_is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

#endif
