#include "server/room.h"

#include "server/limits.h"

#include <sys/statvfs.h>
#include <uv.h>

void room_init(struct room *r, const char *path)
{
	r->path = path;
	atomic_init(&r->looked_ms, 0);
	atomic_init(&r->left, INT64_MAX);
	atomic_init(&r->gone, false);
}

int64_t room_left(uint64_t size_bytes, uint64_t free_bytes, bool *gone)
{
	uint64_t reserve = size_bytes / LIMIT_DISK_RESERVE_PART;
	if (reserve > LIMIT_DISK_RESERVE_BYTES)
		reserve = LIMIT_DISK_RESERVE_BYTES;
	*gone = free_bytes < reserve / 4;
	return (int64_t)free_bytes - (int64_t)reserve;
}

/* Two threads that look at once see the same.  A file system that does not tell is believed to have room. */
static void look(struct room *r)
{
	uint64_t now_ms = uv_hrtime() / 1000000, looked_ms = atomic_load(&r->looked_ms);
	struct statvfs fs;
	if (looked_ms && now_ms - looked_ms < LIMIT_DISK_LOOK_MS)
		return;
	if (statvfs(r->path, &fs) == 0 && fs.f_blocks) {
		uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize, free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
		bool gone;
		atomic_store(&r->left, room_left(size, free_bytes, &gone));
		atomic_store(&r->gone, gone || (fs.f_flag & ST_RDONLY));
	}
	atomic_store(&r->looked_ms, now_ms ? now_ms : 1);
}

bool room_has(struct room *r, uint64_t bytes)
{
	look(r);
	int64_t left = atomic_load(&r->left);
	return left >= 0 && (uint64_t)left >= bytes;
}

bool room_is_gone(struct room *r)
{
	look(r);
	return atomic_load(&r->gone);
}
