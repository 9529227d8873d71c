/* Messages for benchmarks: the same seed gives the same bytes everywhere. */
#ifndef BENCH_GENERATE_H
#define BENCH_GENERATE_H

#include <stddef.h>
#include <stdint.h>

/* Message `number` as CRLF text into a buffer that is reused and grown: *data (heap) of *cap bytes; returns the length.
 * Mean about 4 KB: plain text, alternatives, one in ten with an attachment. */
size_t generate_message(uint32_t number, char **data, size_t *cap);

#endif
