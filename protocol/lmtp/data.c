#include "protocol/lmtp/data.h"

/* Text up to and with the next CRLF, or to the end of the input. */
static struct span take_text(struct lmtp_data *d, struct span *in)
{
	const char *from = in->ptr, *at = from, *end = from + in->len;
	bool after_cr = d->state == DATA_CR;
	d->state = DATA_TEXT;
	while (at < end) {
		if (after_cr && *at == '\n') {
			at++;
			d->state = DATA_LINE_START;
			break;
		}
		const char *cr = memchr(at, '\r', (size_t)(end - at));
		at = cr ? cr + 1 : end;
		after_cr = cr != NULL;
		d->state = after_cr ? DATA_CR : DATA_TEXT;
	}
	*in = span_after(*in, (size_t)(at - from));
	return span_make(from, (size_t)(at - from));
}

struct span lmtp_data_next(struct lmtp_data *d, struct span *in)
{
	while (in->len && d->state != DATA_END) {
		char c = in->ptr[0];
		if (d->state == DATA_LINE_START && c == '.') {
			d->state = DATA_DOT;
			*in = span_after(*in, 1);
		} else if (d->state == DATA_DOT && c == '\r') {
			d->state = DATA_DOT_CR;
			*in = span_after(*in, 1);
		} else if (d->state == DATA_DOT_CR && c == '\n') {
			d->state = DATA_END;
			*in = span_after(*in, 1);
		} else if (d->state == DATA_DOT_CR) {
			d->state = DATA_CR;
			return span_of("\r");
		} else {
			return take_text(d, in);
		}
	}
	return span_make("", 0);
}
