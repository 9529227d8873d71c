#include "protocol/proxy.h"

#include <arpa/inet.h>

static const unsigned char signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum { V2_HEAD = 16, TLV_HEAD = 3, TLV_CRC32C = 0x03, V4_BYTES = 12, V6_BYTES = 36, UNIX_BYTES = 216 };

static void map_v4(const void *v4, unsigned char out[16])
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, v4, 4);
}

/* ---- version 1: a line of text ---- */

/* The next word of the line, behind one space. */
static bool take_word(struct span *line, char *out, size_t size)
{
	const char *space = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
	size_t len = space ? (size_t)(space - line->ptr) : line->len;
	if (len == 0 || len >= size)
		return false;
	memcpy(out, line->ptr, len);
	out[len] = '\0';
	*line = space ? span_make(space + 1, line->len - len - 1) : span_make(line->ptr + len, 0);
	return true;
}

static bool take_port(struct span *line, uint16_t *out)
{
	char word[8];
	unsigned long n = 0;
	if (!take_word(line, word, sizeof(word)) || strlen(word) > 5)
		return false;
	for (const char *at = word; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		n = n * 10 + (unsigned long)(*at - '0');
	}
	*out = (uint16_t)n;
	return n <= 65535;
}

static bool take_address(struct span *line, bool is_v4, unsigned char out[16])
{
	char word[INET6_ADDRSTRLEN];
	struct in_addr v4;
	if (!take_word(line, word, sizeof(word)))
		return false;
	if (!is_v4)
		return inet_pton(AF_INET6, word, out) == 1;
	if (inet_pton(AF_INET, word, &v4) != 1)
		return false;
	map_v4(&v4, out);
	return true;
}

static enum proxy_status parse_line(struct span line, struct proxy_header *out)
{
	char word[16];
	unsigned char destination[16];
	uint16_t port;
	if (!take_word(&line, word, sizeof(word)) || strcmp(word, "PROXY") != 0 || !take_word(&line, word, sizeof(word)))
		return PROXY_BAD;
	if (strcmp(word, "UNKNOWN") == 0)
		return PROXY_WHOLE; /* whatever follows it (2.1) */
	bool is_v4 = strcmp(word, "TCP4") == 0;
	if (!is_v4 && strcmp(word, "TCP6") != 0)
		return PROXY_BAD;
	if (line.len && line.ptr[line.len - 1] == ' ')
		return PROXY_BAD;
	out->has_source = take_address(&line, is_v4, out->source) && take_address(&line, is_v4, destination) &&
			  take_port(&line, &out->port) && take_port(&line, &port) && line.len == 0;
	return out->has_source ? PROXY_WHOLE : PROXY_BAD;
}

static enum proxy_status parse_v1(struct span bytes, struct proxy_header *out)
{
	static const char start[] = "PROXY ";
	size_t head = bytes.len < sizeof(start) - 1 ? bytes.len : sizeof(start) - 1;
	if (memcmp(bytes.ptr, start, head) != 0)
		return PROXY_BAD;
	size_t seen = bytes.len < PROXY_V1_MAX ? bytes.len : PROXY_V1_MAX;
	const char *end = memchr(bytes.ptr, '\n', seen);
	if (!end)
		return seen == PROXY_V1_MAX ? PROXY_BAD : PROXY_MORE;
	size_t len = (size_t)(end - bytes.ptr);
	if (bytes.ptr[len - 1] != '\r')
		return PROXY_BAD;
	out->size = len + 1;
	return parse_line(span_make(bytes.ptr, len - 1), out);
}

/* ---- version 2: binary ---- */

static size_t number(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* RFC 3720 B.4; bit by bit, since it is a few hundred bytes a connection. */
static uint32_t crc32c(const unsigned char *bytes, size_t n, size_t zero_at)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		crc ^= i >= zero_at && i < zero_at + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* What the proxy adds must be well-formed; of it the checksum is looked at (2.2.4). */
static bool check_tlvs(const unsigned char *header, size_t size, size_t at)
{
	while (at < size) {
		if (size - at < TLV_HEAD || size - at - TLV_HEAD < number(header + at + 1))
			return false;
		size_t len = number(header + at + 1), value = at + TLV_HEAD;
		if (header[at] == TLV_CRC32C) {
			uint32_t said = len == 4 ? (uint32_t)(number(header + value) << 16 | number(header + value + 2)) : 0;
			if (len != 4 || said != crc32c(header, size, value))
				return false;
		}
		at = value + len;
	}
	return true;
}

static enum proxy_status parse_v2(struct span bytes, struct proxy_header *out)
{
	const unsigned char *b = (const unsigned char *)bytes.ptr;
	if (bytes.len < V2_HEAD)
		return PROXY_MORE;
	size_t size = V2_HEAD + number(b + 14), at;
	unsigned command = b[12] & 0x0f, family = b[13] >> 4, transport = b[13] & 0x0f;
	if (b[12] >> 4 != 2 || command > 1 || size > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (bytes.len < size)
		return PROXY_MORE;
	out->size = size;
	if (command == 0) /* LOCAL: what else it says is to be ignored */
		return PROXY_WHOLE;
	switch (family) {
	case 0: at = V2_HEAD; break;
	case 1: at = V2_HEAD + V4_BYTES; break;
	case 2: at = V2_HEAD + V6_BYTES; break;
	case 3: at = V2_HEAD + UNIX_BYTES; break;
	default: return PROXY_BAD;
	}
	if (family != 0 && transport != 1) /* not a stream */
		return PROXY_BAD;
	if (at > size || !check_tlvs(b, size, at))
		return PROXY_BAD;
	out->has_source = family == 1 || family == 2;
	if (family == 1) {
		map_v4(b + V2_HEAD, out->source);
		out->port = (uint16_t)number(b + V2_HEAD + 8);
	} else if (family == 2) {
		memcpy(out->source, b + V2_HEAD, 16);
		out->port = (uint16_t)number(b + V2_HEAD + 32);
	}
	return PROXY_WHOLE;
}

enum proxy_status proxy_parse(struct span bytes, struct proxy_header *out)
{
	*out = (struct proxy_header){0};
	if (bytes.len == 0)
		return PROXY_MORE;
	if (bytes.ptr[0] == 'P')
		return parse_v1(bytes, out);
	size_t head = bytes.len < sizeof(signature) ? bytes.len : sizeof(signature);
	return memcmp(bytes.ptr, signature, head) == 0 ? parse_v2(bytes, out) : PROXY_BAD;
}
