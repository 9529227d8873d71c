#include "storage/points.h"

#include "storage/base.h"

static const char *const names[STORE_POINTS] = {
	[POINT_SCHEMA_BEGIN] = "schema-begin",
	[POINT_SCHEMA_COMMIT] = "schema-commit",
	[POINT_IMAGE_OPEN] = "image-open",
	[POINT_IMAGE_WRITE] = "image-write",
	[POINT_IMAGE_SYNC] = "image-sync",
	[POINT_IMAGE_RENAME] = "image-rename",
	[POINT_BEGIN] = "begin",
	[POINT_COMMIT] = "commit",
	[POINT_COMMIT_SYNC] = "commit-sync",
	[POINT_COMMITTED] = "committed",
	[POINT_CHECKPOINT_OPEN] = "checkpoint-open",
	[POINT_CHECKPOINT_IDLE] = "checkpoint-idle",
	[POINT_CHECKPOINT_FULL] = "checkpoint-full",
	[POINT_CHECKPOINT_CLOSE] = "checkpoint-close",
	[POINT_CLEAN_BEGIN] = "clean-begin",
	[POINT_CLEAN_COMMIT] = "clean-commit",
	[POINT_DIRECTORY_BEGIN] = "directory-begin",
	[POINT_DIRECTORY_COMMIT] = "directory-commit",
	[POINT_DIRECTORY_SYNC] = "directory-sync",
	[POINT_SEARCH_BEGIN] = "search-begin",
	[POINT_SEARCH_COMMIT] = "search-commit",
	[POINT_SEARCH_CHECKPOINT_FULL] = "search-checkpoint-full",
	[POINT_SEARCH_CHECKPOINT_CLOSE] = "search-checkpoint-close",
	[POINT_SEARCH_RENAME] = "search-rename",
	[POINT_SEARCH_UNLINK] = "search-unlink",
	[POINT_TMP_OPEN] = "tmp-open",
	[POINT_TMP_WRITE] = "tmp-write",
	[POINT_TMP_SYNC] = "tmp-sync",
	[POINT_TMP_UNLINK] = "tmp-unlink",
	[POINT_TMP_CLEAN] = "tmp-clean",
	[POINT_BLOB_RENAME] = "blob-rename",
	[POINT_BLOB_DIR_SYNC] = "blob-dir-sync",
	[POINT_BLOB_PARENT_SYNC] = "blob-parent-sync",
	[POINT_BLOB_UNLINK] = "blob-unlink",
	[POINT_ACCOUNT_DIR_SYNC] = "account-dir-sync",
	[POINT_ACCOUNT_PARENT_SYNC] = "account-parent-sync",
	[POINT_PURGE_UNLINK] = "purge-unlink",
	[POINT_PURGE_DIRECTORY] = "purge-directory",
	[POINT_PURGE_PARENT_SYNC] = "purge-parent-sync",
};

const char *store_point_name(enum store_point point)
{
	invariant(point < STORE_POINTS);
	return names[point];
}

enum store_point store_point_find(const char *name)
{
	enum store_point point = 0;
	while (point < STORE_POINTS && strcmp(names[point], name) != 0)
		point++;
	return point;
}
