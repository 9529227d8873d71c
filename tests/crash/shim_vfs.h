/*
 * A SQLite VFS over the system's that lets a test look at every write, truncation, sync, opening and deletion before it
 * happens, make it fail, or cut the power: then what was not synced is on disk in any part, or not at all.
 *
 * One at a time in a process (a test double: its state is static).
 */
#ifndef TESTS_CRASH_SHIM_VFS_H
#define TESTS_CRASH_SHIM_VFS_H

#include <stdint.h>

enum shim_call { SHIM_OPEN, SHIM_WRITE, SHIM_TRUNCATE, SHIM_SYNC, SHIM_DELETE };

#define SHIM_NAME "shim"

/* Registers it as SHIM_NAME.  `hook` is asked before each call; not 0: the call is not made and fails as on a full disk
 * (`*out_full` set by it) or a failing one. */
void shim_start(int (*hook)(void *ctx, enum shim_call call, int *out_full), void *ctx);
void shim_stop(void);
/* Puts each file into a state that a loss of power could have left: all that was synced, and of what was written since
 * each write or not, some torn.  `seed` decides; 0 keeps nothing.  The process is to end. */
void shim_cut_power(uint64_t seed);

#endif
