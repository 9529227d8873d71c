/* Headers of the PROXY protocol from any octets: what is whole is whole however much follows, and torn it asks for more. */
#include "tests/fuzz/fuzz.h"

#include "protocol/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header, again;
	struct span all = span_make((const char *)data, size);
	enum proxy_status status = proxy_parse(all, &header);
	if (status == PROXY_WHOLE) {
		invariant(header.size > 0 && header.size <= size && header.size <= PROXY_HEADER_MAX);
		invariant(proxy_parse(span_make(all.ptr, header.size), &again) == PROXY_WHOLE);
		invariant(again.size == header.size && again.has_source == header.has_source && again.port == header.port);
		invariant(memcmp(again.source, header.source, sizeof(header.source)) == 0);
		invariant(proxy_parse(span_make(all.ptr, header.size - 1), &again) == PROXY_MORE);
	} else if (status == PROXY_MORE) {
		invariant(size < PROXY_HEADER_MAX);
		for (size_t i = 0; i < size; i++)
			invariant(proxy_parse(span_make(all.ptr, i), &again) == PROXY_MORE);
	}
	return 0;
}
