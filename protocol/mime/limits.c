#include "protocol/mime/limits.h"

#include "protocol/mime/content.h"
#include "protocol/mime/envelope.h"
#include "protocol/mime/keys.h"
#include "protocol/mime/nstring.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/preview.h"
#include "protocol/mime/references.h"
#include "protocol/mime/search.h"

const struct mime_limit mime_limits[] = {
	{"MIME_HEADER_MAX", MIME_HEADER_MAX, "bytes", "of a header block that are parsed; the rest is sent, but not described"},
	{"MIME_PARTS_MAX", MIME_PARTS_MAX, "", "parts of a message; what comes behind them is text of the last one"},
	{"MIME_DEPTH_MAX", MIME_DEPTH_MAX, "", "levels of parts; deeper ones are not looked into"},
	{"MIME_STRUCTURE_MAX", MIME_STRUCTURE_MAX, "bytes", "of BODYSTRUCTURE before no further part is begun"},
	{"MIME_BOUNDARY_MAX", MIME_BOUNDARY_MAX, "bytes",
	 "of a boundary: 70 are allowed (RFC 2046 5.1.1); with a longer one the multipart is a text"},
	{"MIME_VALUE_MAX", MIME_VALUE_MAX, "bytes", "of one string in ENVELOPE or BODYSTRUCTURE; a longer one is cut"},
	{"MIME_PARAMS_MAX", MIME_PARAMS_MAX, "", "parameters of one Content-Type or Content-Disposition; the first ones count"},
	{"MIME_CHARSET_MAX", MIME_CHARSET_MAX, "bytes", "of a charset's name; a longer one is unknown"},
	{"ENVELOPE_ADDRESSES_MAX", ENVELOPE_ADDRESSES_MAX, "", "addresses in one ENVELOPE; the first ones count"},
	{"ENVELOPE_MAX", ENVELOPE_MAX, "bytes", "of one ENVELOPE before its address lists end"},
	{"MIME_SEARCH_FIELD_MAX", MIME_SEARCH_FIELD_MAX, "bytes",
	 "of a header field that SEARCH TEXT looks through as one; a longer one is looked through in pieces"},
	{"MIME_KEY_MAX", MIME_KEY_MAX, "bytes", "of a subject, name or address that SORT compares"},
	{"MIME_REFERENCES_MAX", MIME_REFERENCES_MAX, "", "ancestors that THREAD knows of a message: the eldest and the youngest"},
	{"MIME_THREAD_MAX", MIME_THREAD_MAX, "bytes", "the same"},
	{"MIME_MESSAGE_ID_MAX", MIME_MESSAGE_ID_MAX, "bytes", "of a message ID: a line (RFC 5322 2.1.1); a longer one is none"},
	{"MIME_PREVIEW_CHARS", MIME_PREVIEW_CHARS, "characters", "of a preview (RFC 8970 3.3)"},
	{"MIME_PREVIEW_READ_MAX", MIME_PREVIEW_READ_MAX, "bytes", "of a part that are looked through for a preview"},
};
const size_t mime_limits_n = countof(mime_limits);
