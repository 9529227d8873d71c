#include "server/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

bool base64_decode(struct span in, char *out, size_t *out_len)
{
	*out_len = 0;
	out[0] = '\0';
	size_t len = in.len;
	if (len % 4)
		return false;
	for (int i = 0; i < 2 && len && in.ptr[len - 1] == '='; i++)
		len--;
	uint32_t bits = 0;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(in.ptr[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4) /* the sixth, fourth and second bit left over */
			out[(*out_len)++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	out[*out_len] = '\0';
	return true;
}

void base64_encode(struct buf *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = 0;
		size_t n = len - i < 3 ? len - i : 3;
		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)bytes[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_add_char(out, k <= n ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
	}
}
