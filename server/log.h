/*
 * The log: one line an event, written in one piece, on standard error unless log_open() says otherwise:
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
	LOG_INFO,    /* what happened */
	LOG_DEBUG    /* each command */
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

/* Where it goes: "stderr", "journal" (its own protocol, with the fields one by one), "syslog" (the facility mail), or the path
 * of a file.  Under systemd standard error is the journal, too, and lines have their priority.  False with errno: it cannot
 * be opened, and the log goes where it went.  Before other threads, or later to the same target, which opens it afresh:
 * for a file that was moved away. */
MUST_USE bool log_open(const char *target);
/* Up to which level is written; LOG_INFO at first.  Any thread. */
void log_set_level(enum log_level level);
bool log_has_level(enum log_level level);
/* False: `text` is no level's name. */
MUST_USE bool log_level_parse(const char *text, enum log_level *out);
/* Of the journal: the datagram of one event. */
void log_format_journal(struct buf *out, enum log_level level, const char *event, const struct log_field *fields);

void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* The line without its time, with the newline.  A value is quoted unless it is plain, and escaped so that it cannot
 * break the line or steer a terminal; a long one is cut. */
void log_format(struct buf *out, enum log_level level, const char *event, const struct log_field *fields);

#endif
