/*
 * Named crash points: every BEGIN, COMMIT, fsync, rename and unlink of storage/, and every opening and writing of a
 * blob file, passes one, each its own (tests/lint/points.py).  The crash test ends the process at each of them; the
 * fault test makes each of them fail.
 */
#ifndef STORAGE_POINTS_H
#define STORAGE_POINTS_H

enum store_point {
	/* SQLite: db.c, account.c, directory.c */
	POINT_SCHEMA_BEGIN,
	POINT_SCHEMA_COMMIT,
	POINT_IMAGE_OPEN,      /* a new index.db, written beside its place */
	POINT_IMAGE_WRITE,
	POINT_IMAGE_SYNC,
	POINT_IMAGE_RENAME,
	POINT_BEGIN,           /* of the lane's transaction */
	POINT_COMMIT,
	POINT_COMMIT_SYNC,     /* committed, not yet on disk, nothing acknowledged */
	POINT_COMMITTED,       /* on disk, not yet acknowledged */
	POINT_CHECKPOINT_OPEN, /* of what the last process left */
	POINT_CHECKPOINT_IDLE,
	POINT_CHECKPOINT_FULL, /* the log grew too long */
	POINT_CHECKPOINT_CLOSE,
	POINT_CLEAN_BEGIN,     /* the mark of a clean close */
	POINT_CLEAN_COMMIT,
	POINT_DIRECTORY_BEGIN, /* directory.db */
	POINT_DIRECTORY_COMMIT,
	POINT_DIRECTORY_SYNC,
	/* search.db: fulltext.c */
	POINT_SEARCH_BEGIN,
	POINT_SEARCH_COMMIT,
	POINT_SEARCH_CHECKPOINT_FULL,
	POINT_SEARCH_CHECKPOINT_CLOSE,
	POINT_SEARCH_RENAME,   /* the next one takes its place */
	POINT_SEARCH_UNLINK,   /* of one that is thrown away, and of its log */
	/* blob files: blob.c */
	POINT_TMP_OPEN,
	POINT_TMP_WRITE,
	POINT_TMP_SYNC,
	POINT_TMP_UNLINK,      /* of a writer given up */
	POINT_TMP_CLEAN,       /* what a crash left in tmp/ */
	POINT_BLOB_RENAME,
	POINT_BLOB_DIR_SYNC,   /* blob/xx, after the rename */
	POINT_BLOB_PARENT_SYNC, /* blob/, after blob/xx was made */
	POINT_BLOB_UNLINK,     /* after the commit that deleted its row */
	/* the account's own directory */
	POINT_ACCOUNT_DIR_SYNC,
	POINT_ACCOUNT_PARENT_SYNC,
	/* an account that goes for good: purge.c */
	POINT_PURGE_UNLINK,
	POINT_PURGE_DIRECTORY, /* one that is empty now */
	POINT_PURGE_PARENT_SYNC,
	STORE_POINTS
};

/* "commit", "blob-rename", ...: what ROOST_CRASH_POINT and test output call it. */
const char *store_point_name(enum store_point point);
/* STORE_POINTS when there is none of that name. */
enum store_point store_point_find(const char *name);

#endif
