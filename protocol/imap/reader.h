/*
 * The framing of what an IMAP client sends (RFC 3501 2.2.1, 4.3; RFC 7888): bytes in any cut go in, whole
 * commands and the decisions about their literals come out.  It knows lines and literals and nothing of grammar.
 *
 *	reader_append(&r, bytes, len);
 *	do {
 *		reader_next(&r, &event);
 *		switch (event.kind) {
 *		READER_COMMAND:   parse event.text, run it
 *		READER_LITERAL:   reader_keep() | reader_stream() | reader_refuse()
 *		READER_PIECE:     event.text are octets of the literal being streamed
 *		...
 *		}
 *	} while (event.kind != READER_MORE);
 *
 * Every octet is looked at once, however the stream was cut, and the events do not depend on the cuts (but for the
 * lengths of pieces).  What is held is at most one command within the limits and what was appended after it, so a
 * caller that appends one chunk each time it is told READER_MORE has a bound on memory; it should not append while
 * it does not ask.  A line ends with CRLF or a bare LF.  Not thread-safe; no I/O; allocation aborts when out of memory.
 */
#ifndef IMAP_READER_H
#define IMAP_READER_H

#include "protocol/span.h"

/* What one command may hold. The rows of docs/limits.md quote these two tables. */
struct reader_limits {
	size_t line_bytes;     /* a command up to its last LF, without kept literals; at least 8192 (RFC 7162 4) */
	size_t literal_bytes;  /* one kept literal */
	size_t literals_bytes; /* all kept literals of one command */
	unsigned literals;     /* how many of them; streamed ones do not count */
	size_t answer_bytes;   /* a line of reader_next_line() */
};
extern const struct reader_limits reader_limits_before_login, reader_limits_after_login;

enum reader_event_kind {
	/* Nothing more can be said before more bytes are appended. */
	READER_MORE,
	/* text: a whole command, kept literals in place behind their "{n}CRLF", without the last line end. After a
	 * streamed literal (continued) it is only what followed that literal: empty when the command ended there. */
	READER_COMMAND,
	/* The line so far ends with a literal: text is the command up to and with its "{n}" (after a streamed one:
	 * what followed that). Nothing moves until the caller decides; asking again gives the same event. */
	READER_LITERAL,
	/* text: octets of the literal that is streamed, `left` are still to come; 0 means this was the last piece.
	 * An empty literal is one empty piece. */
	READER_PIECE,
	/* text: one line, from reader_next_line() only. */
	READER_LINE,
	/* The line passed its limit. text is its beginning, so that the tag can be found for the BAD; the rest, with
	 * non-synchronising literals at its end, is discarded without further events. */
	READER_TOO_LONG,
	/* The count of a non-synchronising literal has no meaning, so nobody knows where the next command begins:
	 * say BYE and close. Every later call gives this again. */
	READER_LOST,
};

/* Why a literal may not be kept. It may still be streamed, but for READER_OVER_COUNT. */
enum reader_over {
	READER_WITHIN,
	READER_OVER_LITERAL,  /* limits.literal_bytes */
	READER_OVER_TOTAL,    /* limits.literals_bytes */
	READER_OVER_LITERALS, /* limits.literals */
	READER_OVER_COUNT,    /* more than 63 bits (RFC 9051 9, number64); only {n}, never {n+} */
};

struct reader_event {
	enum reader_event_kind kind;
	struct span text;  /* the reader's memory: valid until the next reader_next*(), _append(), _room() or _clear() */
	bool continued;    /* text goes on behind a streamed literal */
	uint64_t left;     /* READER_PIECE */
	struct {           /* READER_LITERAL */
		uint64_t size;
		bool sync;   /* {n}: the client waits for "+ ", or for a tagged answer and then sends no octets */
		bool binary; /* ~{n}: literal8 (RFC 3516) */
		enum reader_over over;
	} literal;
};

/* The fields are the reader's own. An idle reader holds no heap memory. */
struct reader {
	const struct reader_limits *limits;
	char *data; /* heap; octets [head, tail) are held */
	size_t cap, head, tail;
	/* Of the command in hand, counted from head: */
	size_t mark;    /* end of the last kept literal, 0 before the first */
	size_t scanned; /* no line end before here */
	size_t line;    /* READER_LITERAL: where its line's end was found */
	size_t spent;   /* what the last event was made of: dropped by the next call */
	size_t kept_bytes;
	unsigned kept;
	uint64_t left; /* octets of the literal in hand that are to be kept, streamed or swallowed */
	enum reader_state {
		READER_READING, READER_DECIDING, READER_KEEPING, READER_STREAMING, READER_SWALLOWING, READER_SKIPPING,
		READER_ASTRAY
	} state;
	bool continued;
	bool answer; /* the line that is skipped was an answer: no literal can end it */
	struct literal_end {
		enum { END_NONE, END_OPEN, END_DIGITS, END_PLUS, END_CLOSED } at;
		bool plus, cr, overflow;
		uint64_t count;
	} end; /* how the line that is skipped ends, up to now */
	struct reader_event pending; /* READER_DECIDING */
};

/* `limits` is not copied: a table that outlives the reader. */
void reader_init(struct reader *r, const struct reader_limits *limits);
/* Accepts a zeroed struct. */
void reader_finish(struct reader *r);
/* From the next command on. */
void reader_set_limits(struct reader *r, const struct reader_limits *limits);
/* Forgets everything held: what came in clear text before a TLS handshake is nobody's (RFC 9051 6.2.1). */
void reader_clear(struct reader *r);

/* Bytes as they came. */
void reader_append(struct reader *r, const char *bytes, size_t len);
/* The same without a copy: room for at least `want` > 0 octets to read into, then how many came. */
char *reader_room(struct reader *r, size_t want);
void reader_filled(struct reader *r, size_t len);
/* Octets held that no event has given out yet. */
size_t reader_pending(const struct reader *r);

/* Those octets; valid as an event's text is. */
struct span reader_rest(const struct reader *r);

/* The next event of a client that sends commands. */
void reader_next(struct reader *r, struct reader_event *out);
/* The next line of a client that was told to go on ("+ ..."): an answer in AUTHENTICATE, DONE in IDLE. Gives
 * READER_MORE, READER_LINE or READER_TOO_LONG. Only between commands. */
void reader_next_line(struct reader *r, struct reader_event *out);

/*
 * The decision after READER_LITERAL.  When the literal is synchronising the caller also says "+ OK" if it keeps or
 * streams, and answers the command with a tag if it refuses.  event.text stays valid.
 */
/* The octets become part of the command's text. Only when literal.over is READER_WITHIN. */
void reader_keep(struct reader *r);
/* The octets come as READER_PIECE events, and the text so far is forgotten: a size without limit. */
void reader_stream(struct reader *r);
/* The command is over for the caller. A refused {n} never arrives (RFC 3501 7.5); {n+} octets and the rest of the
 * command, with any further {n+}, are swallowed without events (RFC 7888 3). Also legal between two READER_PIECE:
 * the rest of that literal and of its command is swallowed. */
void reader_refuse(struct reader *r);

#endif
