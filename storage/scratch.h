/*
 * What reading and writing bodies needs beside the account: compression contexts, the dictionaries prepared for use
 * and two buffers: 0.4 MB once read with, 1.6 MB once written with.  A worker has one and lends it to the account whose ops it runs (account_lend()); nothing in it outlives that.
 */
#ifndef STORAGE_SCRATCH_H
#define STORAGE_SCRATCH_H

#include "storage/dictionary.h"
#include "storage/frame.h"

#include <zstd.h>

struct scratch {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	ZSTD_CDict *write_dictionary;                          /* the newest */
	ZSTD_DDict *read_dictionaries[DICTIONARY_NEWEST + 1]; /* by version */
	char *stored; /* one frame's stored bytes: FRAME_BYTES */
	char *raw;    /* the frame unpacked last: FRAME_BYTES */
	int64_t raw_content; /* whose frame that is; 0: none */
	uint32_t raw_index, raw_len;
	uint64_t frames_read; /* so far, for tests and measurements */
};

struct scratch *scratch_create(void);
/* Accepts NULL. */
void scratch_destroy(struct scratch *s);
/* Forgets whose frame is in `raw`: another account's content may have the same id. */
void scratch_forget(struct scratch *s);
/* Made at first use, FRAME_BYTES each. */
char *scratch_stored(struct scratch *s);
char *scratch_raw(struct scratch *s);

#endif
