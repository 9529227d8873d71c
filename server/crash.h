/*
 * A poisoned message must not take everyone down twice.  When a worker dies of a fatal signal, the handler appends to
 * STORE/crashes which account it worked for and at what; an account that is named too often within minutes is held
 * when the daemon starts again: its ops are answered "unavailable" and the log says so, while all others are served.
 *
 * There is no global state: what the handler needs lies at the foot of the thread's alternate signal stack, which
 * sigaltstack() finds.
 */
#ifndef SERVER_CRASH_H
#define SERVER_CRASH_H

#include "protocol/base.h"

enum { CRASHES_HELD = 3, CRASHES_WITHIN_S = 600, CRASH_HOLD_S = 3600 };

struct crash_handlers;
struct crash_note;
struct held;

/* Handlers for the fatal signals of the process; what was there before still runs after them. */
struct crash_handlers *crash_handlers_install(const char *path);
/* After the last crash_note_close(): puts back what was there.  Takes NULL. */
void crash_handlers_remove(struct crash_handlers *handlers);

/* On the thread that is to be noted: from now on its crashes leave a record.  `handlers` may be NULL: then NULL is
 * returned, which the others take. */
struct crash_note *crash_note_open(struct crash_handlers *handlers);
void crash_note_close(struct crash_note *note);
/* What the thread does from now on: static or longer-lived text, or NULL for nothing. */
void crash_note_set(struct crash_note *note, const char *account, const char *kind);

/* Reads the records.  Accounts named CRASHES_HELD times within CRASHES_WITHIN_S are held until CRASH_HOLD_S after the
 * last of them; each is logged.  Never NULL. */
struct held *held_open(const char *path, int64_t now_s);
void held_close(struct held *held);
/* Any thread. */
bool held_has(const struct held *held, const char *account, int64_t now_s);

#endif
