#include "storage/scratch.h"

struct scratch *scratch_create(void)
{
	return xcalloc(1, sizeof(struct scratch));
}

void scratch_destroy(struct scratch *s)
{
	if (!s)
		return;
	ZSTD_freeCCtx(s->compress);
	ZSTD_freeDCtx(s->decompress);
	ZSTD_freeCDict(s->write_dictionary);
	for (size_t i = 0; i < countof(s->read_dictionaries); i++)
		ZSTD_freeDDict(s->read_dictionaries[i]);
	free(s->stored);
	free(s->raw);
	free(s);
}

void scratch_forget(struct scratch *s)
{
	s->raw_content = 0;
}

char *scratch_stored(struct scratch *s)
{
	if (!s->stored)
		s->stored = xmalloc(FRAME_BYTES);
	return s->stored;
}

char *scratch_raw(struct scratch *s)
{
	if (!s->raw)
		s->raw = xmalloc(FRAME_BYTES);
	return s->raw;
}
