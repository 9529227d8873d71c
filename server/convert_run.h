/*
 * One walk over the contents of an account's full-text index that adds the text of their attachments, as the configuration's
 * converters make it (converter.h), in slices and from where the last one ended.  The programs are run by the caller:
 *
 *	struct convert_run r;
 *	convert_run_init(&r, config, in, out);
 *	while ((step = convert_run_step(&r, account, &err)) != CONVERT_END)
 *		if (step == CONVERT_WANTS)
 *			convert_run_convert(&r, &stop);		not on the lane: it takes as long as it takes
 *	convert_run_finish(&r);
 *
 * A document that cannot be converted is logged, and has no text.  First of all, texts of contents that are gone go too.
 * Between two steps anything may happen to the account.  Thread: the account's lane, convert_run_convert() apart.
 */
#ifndef SERVER_CONVERT_RUN_H
#define SERVER_CONVERT_RUN_H

#include "protocol/mime/decode.h"
#include "protocol/mime/grams.h"
#include "protocol/mime/parts.h"
#include "server/converter.h"
#include "storage/fulltext.h"

struct slice;

enum convert_step {
	CONVERT_MORE,  /* the slice is over */
	CONVERT_WANTS, /* convert_run_convert() is due */
	CONVERT_END    /* all is done, or nothing can be */
};

struct convert_run {
	uint64_t converted; /* documents that were given to a program */
	bool unsaved;       /* what was done since the last save would be done again, if the run ended now */
	/* private */
	const struct config *config;
	int in, out;        /* the caller's files: the document; the texts of a content, NUL behind each */
	enum {
		CONVERT_START, CONVERT_CLEAN, CONVERT_LOOK, CONVERT_DECODE, CONVERT_RUN, CONVERT_TAKE, CONVERT_ADD, CONVERT_MERGE,
		CONVERT_NEXT, CONVERT_DONE
	} state;
	int64_t clean;      /* texts up to that content were looked at */
	int64_t content;    /* looked at last; those up to it are done unless `state` is beyond CONVERT_LOOK */
	int64_t saved;      /* as far as the index knows */
	struct buf parts;   /* its table */
	uint32_t row;       /* of it, the next */
	const struct convert_config *how;
	struct mime_decoder decoder;
	uint32_t at, end;   /* of the part's body in the message */
	uint32_t documents; /* of the content, given to a program */
	bool renews;        /* all is made anew */
	bool ending;
	off_t out_at;       /* taken so far */
	uint32_t piece;
	bool open, space;   /* a string has begun; white space was its last */
	struct mime_folder folder;
	struct buf folded;  /* not yet a piece */
	struct mime_grams grams;
	size_t grams_at;
	char account[40];   /* for the log */
};

/* The files are the caller's, must be there until finish, and are emptied. */
void convert_run_init(struct convert_run *r, const struct config *config, const char *account, int in, int out);
void convert_run_finish(struct convert_run *r);
/* An error is the index's, or says that the files cannot be written, and ends the run. */
enum convert_step convert_run_step(struct convert_run *r, struct account *a, enum store_err *out_err);
/* Runs a program.  Any thread, while no step runs. */
void convert_run_convert(struct convert_run *r, const atomic_bool *stop);

#endif
