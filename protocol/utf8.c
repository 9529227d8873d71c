#include "protocol/utf8.h"

#include <utf8proc.h>

bool utf8_is_valid(struct span s)
{
	for (size_t at = 0; at < s.len;) {
		utf8proc_int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at,
						      (utf8proc_ssize_t)(s.len - at), &point);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}
