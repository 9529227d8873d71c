/* Is it well-formed UTF-8 (RFC 3629)?  Pure; any thread. */
#ifndef PROTOCOL_UTF8_H
#define PROTOCOL_UTF8_H

#include "protocol/span.h"

bool utf8_is_valid(struct span s);

#endif
