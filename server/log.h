/*
 * The log: one line an event on standard error, written in one piece:
 *
 *	time=2024-05-01T10:00:00.123Z level=warning event=tls_failed peer=192.0.2.7 reason="no shared cipher"
 *
 * An event is logged once, where it is handled.  A password, a secret or what a message says never is.  Any thread.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "protocol/buf.h"

enum log_level {
	LOG_ERROR,   /* somebody must look */
	LOG_WARNING, /* something was refused, or will be */
	LOG_INFO     /* what happened */
};

struct log_field {
	const char *key; /* NULL ends a list */
	bool is_number;
	struct span text;
	int64_t number;
};

/* `text` may be NULL, which is logged as nothing between quotes. */
static inline struct log_field log_text(const char *key, const char *text)
{
	return (struct log_field){.key = key, .text = span_of(text ? text : "")};
}

static inline struct log_field log_span(const char *key, struct span text)
{
	return (struct log_field){.key = key, .text = text.ptr ? text : span_of("")};
}

static inline struct log_field log_number(const char *key, int64_t number)
{
	return (struct log_field){.key = key, .is_number = true, .number = number};
}

/* log_event(LOG_INFO, "login", log_text("user", user), log_number("conn", id)); at least one field. */
#define log_event(level, event, ...) log_write(level, event, (const struct log_field[]){__VA_ARGS__, {.key = NULL}})

void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* The line without its time, with the newline.  A value is quoted unless it is plain, and escaped so that it cannot
 * break the line or steer a terminal; a long one is cut. */
void log_format(struct buf *out, enum log_level level, const char *event, const struct log_field *fields);

#endif
