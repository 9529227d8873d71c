#include "storage/address.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* RFC 3629: shortest forms only, no surrogates, at most U+10FFFF. */
static bool is_utf8(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t more = s[i] < 0x80 ? 0 : s[i] >= 0xf0 ? 3 : s[i] >= 0xe0 ? 2 : 1;
		if ((s[i] >= 0x80 && s[i] < 0xc2) || s[i] > 0xf4 || more >= len - i)
			return false;
		for (size_t k = 1; k <= more; k++)
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] > 0x9f) ||
		    (s[i] == 0xf0 && s[i + 1] < 0x90) || (s[i] == 0xf4 && s[i + 1] > 0x8f))
			return false;
		i += more + 1;
	}
	return true;
}

static bool is_local_char(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && !memchr("<>()[]:;,\\/\"@", c, 13);
}

static bool is_domain_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

bool address_domain_normalise(const char *text, size_t len, char out[ADDRESS_DOMAIN_MAX + 1])
{
	out[0] = '\0';
	if (len == 0 || len > ADDRESS_DOMAIN_MAX || !is_utf8((const unsigned char *)text, len))
		return false;
	char before = '.';
	for (size_t i = 0; i < len; i++) {
		char c = lower(text[i]);
		if (c == '.' ? before == '.' : !is_domain_char(c)) {
			out[0] = '\0';
			return false;
		}
		out[i] = before = c;
	}
	out[len] = '\0';
	if (before == '.')
		out[0] = '\0';
	return before != '.';
}

bool address_normalise(const char *text, size_t len, char out[ADDRESS_MAX + 1])
{
	out[0] = '\0';
	const char *at = len ? memrchr(text, '@', len) : NULL;
	size_t local = at ? (size_t)(at - text) : 0;
	if (len > ADDRESS_MAX || local == 0 || local > ADDRESS_LOCAL_MAX || !is_utf8((const unsigned char *)text, local))
		return false;
	char domain[ADDRESS_DOMAIN_MAX + 1];
	if (!address_domain_normalise(at + 1, len - local - 1, domain))
		return false;
	for (size_t i = 0; i < local; i++) {
		if (!is_local_char(text[i])) {
			out[0] = '\0';
			return false;
		}
		out[i] = lower(text[i]);
	}
	out[local] = '@';
	memcpy(out + local + 1, domain, strlen(domain) + 1);
	return true;
}

const char *address_domain(const char *address)
{
	const char *at = strrchr(address, '@');
	invariant(at);
	return at + 1;
}
