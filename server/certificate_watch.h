/*
 * Watches the directories of certificates on the main loop (inotify).  When something happens in them, and it has been quiet for a
 * moment, they are scanned on a thread of libuv's pool, so that neither accepting nor any session waits: a certificate that was put
 * there is served within a second.  Beside that they are looked at every ten minutes, for what inotify cannot see: another machine's
 * writes to a file system both have, a link in the path, days that pass.
 */
#ifndef SERVER_CERTIFICATE_WATCH_H
#define SERVER_CERTIFICATE_WATCH_H

#include "server/certificates.h"

#include <uv.h>

struct certificate_watch;

/* Main loop's thread, all of it.  `certificates` has been scanned once, outlives the watch, and is scanned by nobody else.  `also` is
 * called after each scan, on that thread; may be NULL. */
struct certificate_watch *certificate_watch_start(uv_loop_t *loop, struct certificates *certificates, void (*also)(void *ctx),
						  void *ctx);
/* Looks now, as at SIGHUP. */
void certificate_watch_look(struct certificate_watch *watch);
/* Nothing is watched any more; the memory goes by itself when the loop has run until nothing is left to do.  Takes NULL. */
void certificate_watch_stop(struct certificate_watch *watch);

#endif
