/*
 * What systemd, or another that speaks as it does, and the daemon tell each other, without libsystemd: sd_notify(3), a line of
 * text a datagram to $NOTIFY_SOCKET; the watchdog of sd_watchdog_enabled(3); sockets that were opened before, sd_listen_fds(3).
 */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

#include "protocol/base.h"

#include <uv.h>

struct sockaddr_storage;
struct server;
struct supervisor;

/* `loop` is the main loop.  Never NULL; where nobody supervises nothing is told. */
struct supervisor *supervisor_open(struct server *server, uv_loop_t *loop);
/* Connections are accepted: from now on it is told, when it asks, that all loops turn. */
void supervisor_ready(struct supervisor *s);
/* Before and after the configuration is read again. */
void supervisor_reloading(struct supervisor *s);
void supervisor_reloaded(struct supervisor *s);
void supervisor_stopping(struct supervisor *s);
/* Nothing is told any more; supervisor_destroy() once neither the main loop nor any other runs. */
void supervisor_close(struct supervisor *s);
/* Takes NULL. */
void supervisor_destroy(struct supervisor *s);

/* A listening socket with this address that was handed to the process; -1: none was.  It is taken: not given twice. */
int supervisor_take_socket(const struct sockaddr_storage *address);
/* How many were handed to it; 0 where the environment speaks of another process. */
int supervisor_sockets(void);

#endif
