/*
 * The few words every file of storage/ shares; protocol/base.h holds the same words for
 * protocol/.  The guards let server/ include both.
 */
#ifndef STORAGE_BASE_H
#define STORAGE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef MUST_USE
#define MUST_USE __attribute__((warn_unused_result))
#endif
#ifndef PRINTF_LIKE
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#endif
#ifndef countof
#define countof(array) (sizeof(array) / sizeof((array)[0]))
#endif
#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#endif

/* Aborts with file and line when our own code is wrong.  Stays on in release
 * builds.  Client input, disk content and the network never reach one. */
#ifndef invariant
#define invariant(cond)                                                                            \
	((cond) ? (void)0                                                                          \
		: (fprintf(stderr, "%s:%d: invariant failed: %s\n", __FILE__, __LINE__, #cond),    \
		   abort()))
#endif

/* Allocation aborts when memory is out: every size a client influences has a limit. */
#ifndef HAVE_XALLOC
#define HAVE_XALLOC
static inline void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);
	invariant(p);
	return p;
}

static inline void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	invariant(p);
	return p;
}

static inline void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	invariant(p);
	return p;
}
#endif

#include <string.h>

/* Bytes owned by somebody else. */
struct bytes {
	const void *ptr;
	size_t len;
};

#endif
