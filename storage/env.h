/* What storage needs from outside, injected so that tests decide about time and crashes. */
#ifndef STORAGE_ENV_H
#define STORAGE_ENV_H

#include "storage/base.h"

struct store_env {
	int64_t (*now_s)(void *ctx);                  /* Unix seconds */
	void (*point)(void *ctx, const char *name);   /* a named crash point is passed; may not return */
	void *ctx;
	bool fsync_always; /* also for flag-only commits */
};

#endif
