/*
 * Keeps a process, and what it starts, to what a program needs that is given a stranger's document: it may read and run
 * what the system has installed, and write to /tmp; nothing else of the file system, no TCP, no signals and no abstract sockets to others, and no
 * privileges that it gains by what it starts.  By Landlock, as far as the kernel has it (file system: Linux 5.13; TCP: 6.7; signals: 6.12).
 */
#ifndef SERVER_CONFINE_H
#define SERVER_CONFINE_H

#include <stdbool.h>

/* The kernel can. */
bool confine_is_possible(void);
/* For good.  `directory`: what is in it may be read and run, too; a program's own.  What the kernel cannot do is left out.  System
 * calls only: for a child between fork and exec. */
void confine_self(const char *directory);

#endif
