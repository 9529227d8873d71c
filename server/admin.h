/*
 * Administration, as the server does it.  Each verb is one row of the table and one function, which runs where IMAP's
 * commands run: in an op of the directory's lane or of an account's.  The command line speaks to it by the protocol of
 * admin_frame.h, whether a daemon runs or not (admin_client.h).
 *
 * admin.c takes a request through what the row's flags ask for, in this order:
 *
 *	hash the password (ADMIN_PASSWORD) > find the account (ADMIN_ACCOUNT) > take the input (ADMIN_INPUT) > run
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server/op.h"
#include "server/tally.h"
#include "storage/directory.h"

enum { ADMIN_PARAMS_MAX = 6, ADMIN_EXIT_DONE = 0, ADMIN_EXIT_FAILED = 1, ADMIN_EXIT_USAGE = 2, ADMIN_EXPORT_ALIASES_MAX = 32768 };

enum admin_flags {
	ADMIN_WRITES = 1,   /* what it changes is committed before it is told */
	ADMIN_ACCOUNT = 2,  /* runs on the lane of the account of its argument ADDRESS; else on the directory's */
	ADMIN_EACH = 4,     /* with --all: on the lane of each account in turn */
	ADMIN_PASSWORD = 8, /* its password is hashed first, into task->secrets */
	ADMIN_INPUT = 16,   /* takes standard input, with `take` */
	ADMIN_TABLE = 512,  /* its rows are a table (CSV), which may be read again; with ADMIN_LISTS */
	ADMIN_FORGETS = 32, /* remembered passwords are forgotten after it */
	ADMIN_LISTS = 64,   /* its rows are what one asks for: --json */
	ADMIN_WITHIN_QUOTA = 256, /* as mail that comes in by itself is; others may add more than the account may hold */
	ADMIN_STREAMS = 128 /* mail goes in or out by way of files at the command's end (cli_transfer.h).  Going in, `take`
			     * changes the account as the input comes, and after a failure no more of it is wanted. */
};

enum admin_param_kind {
	ADMIN_PARAM_NONE,
	ADMIN_PARAM_WORD,     /* must be given */
	ADMIN_PARAM_MAYBE,    /* a word that may be left out */
	ADMIN_PARAM_VALUE,    /* --name VALUE */
	ADMIN_PARAM_FLAG      /* --name */
};

struct admin_param {
	enum admin_param_kind kind;
	const char *name; /* "ADDRESS", "count" */
	const char *help; /* of an option */
};

struct admin_task;
struct auth_pool;
struct config;
struct admin_search;
struct settings;
struct check;
struct check_digest;
struct intake;
struct mail_export;
struct index_run;
struct mail_import;
struct repairing;
struct undelete;
struct user_import;

enum admin_phase { ADMIN_FIND, ADMIN_TAKE, ADMIN_PURGE, ADMIN_RUN };

struct admin_verb {
	const char *name; /* "user add" */
	const char *help; /* one sentence */
	unsigned flags;
	int columns; /* values of a row that are shown without --json */
	/* Once, or again and again while it sets task->more: rows leave in between.  Says how it went with admin_say(),
	 * admin_fail() or admin_store_error(); OP_FAILED undoes what it changed. */
	enum op_result (*run)(struct admin_task *task, struct account *account);
	struct admin_param params[ADMIN_PARAMS_MAX];
	/* Of ADMIN_INPUT, on the account's lane: takes what is in task->input; once with nothing in it, before the input
	 * is asked for, and for the last time with task->input_ended. */
	enum op_result (*take)(struct admin_task *task, struct account *account);
};

extern const struct admin_verb admin_verbs[];
extern const size_t admin_verbs_n;

/* A request on its way; owned by whoever works on it. */
struct admin_task {
	struct op op;
	const struct admin_verb *verb;
	const char *values[ADMIN_PARAMS_MAX]; /* by place in verb->params, in the op's arena; NULL: not given, "" a flag */
	const char *password;                 /* until it is hashed */
	struct lane *lane;                    /* a reference, while it is with an account */
	struct directory_user user;           /* of ADDRESS; secrets are those to be set */
	struct buf out;                       /* frames */
	struct buf input;                     /* a piece of standard input */
	bool input_ended;
	struct intake *intake;                /* deliver's, and */
	struct mail_import *import;           /* import's, */
	struct mail_export *export;           /* export's, */
	struct check *check;                  /* check's: live and die on the lane */
	struct undelete *undelete;            /* undelete's */
	struct repairing *repairing;          /* check's, with --repair */
	struct index_run *index;              /* reindex's */
	/* Of the directory's verbs, for when what they changed is committed: whose sessions end, or with what they logged in. */
	char ends_address[ADDRESS_MAX + 1], ends_credential[16];
	struct user_import *users; /* user import's; and whether its passwords are to be hashed before it runs again */
	bool hashes;
	char ends_domain[ADDRESS_DOMAIN_MAX + 1];
	/* An account that is being purged: "" none; and whether its files are to be deleted before the verb runs again. */
	char purge[DIRECTORY_ACCOUNT_LEN + 1];
	bool purge_files;
	struct tally_move moved;              /* the user went to, or from, a domain */
	struct admin_search *search;          /* search's */
	size_t rows;                          /* of the account that is checked */
	uint64_t accounts, damage;            /* checked so far, found in them */
	int exit;
	int exit_at_end; /* with --all: of what went wrong on the way, which does not keep us from the rest */
	char message[1000];
	bool more;                     /* run again when the rows have left */
	char cursor[ADDRESS_MAX + 1];  /* where a list goes on */
	enum admin_phase phase;        /* what the op is to do */
	int64_t message_bytes_max;
	struct auth_pool *auth;
	const struct config *config;
};

/* For run(). */
/* The argument of that name; NULL when it was not given. */
const char *admin_value(const struct admin_task *task, const char *name);
/* It is to run on each account: --all was given. */
bool admin_is_for_all(const struct admin_task *task);
/* What is set for users and domains, and what holds without. */
struct settings *admin_settings(const struct admin_task *task);
/* --no-password was given. */
static inline bool admin_is_without_password(const struct admin_task *task)
{
	return admin_value(task, "no-password") != NULL;
}
/* The argument DOMAIN in its normal form; false: it is none, and that is said. */
bool admin_take_domain(struct admin_task *task, char out[ADDRESS_DOMAIN_MAX + 1]);
/* Ends well, with something to say ("" for nothing). */
void admin_say(struct admin_task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);
void admin_fail(struct admin_task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "WHAT: it exists already" and the like. */
void admin_store_error(struct admin_task *task, const char *what, enum store_err err);

/* A row: begin it, add its values, end it. */
void admin_row_begin(struct admin_task *task, struct buf *row);
void admin_row_text(struct buf *row, const char *key, const char *value);
void admin_row_number(struct buf *row, const char *key, int64_t value);
void admin_row_bool(struct buf *row, const char *key, bool value);
void admin_row_end(struct admin_task *task, struct buf *row);

/* Of admin_repair.c: what a check found is mended, in steps while task->more is set. */
void admin_repair_begin(struct admin_task *task);
enum op_result admin_repair(struct admin_task *task, struct account *account);
/* Takes NULL; any thread. */
void admin_repair_finish(struct repairing *p);
/* Takes NULL; any thread. */
void admin_undelete_finish(struct undelete *u);

/* What the account has goes from one domain's sum to another's, once this is committed; "": from or to nobody. */
MUST_USE enum store_err admin_note_move(struct admin_task *task, const char *account, const char *from, const char *to);

/* For admin.c. */
/* The place of a parameter in verb->params; ADMIN_PARAMS_MAX when there is none of that name. */
size_t admin_param_of(const struct admin_verb *verb, const char *name);
/* Frees it, by way of the lane when something of the account's is left.  Takes NULL. */
void admin_task_dispose(struct admin_task *task);

extern const struct check_digest admin_check_digest; /* as intake makes it */

/* The verbs, by file. */
enum op_result admin_alias_add(struct admin_task *task, struct account *account);
enum op_result admin_alias_list(struct admin_task *task, struct account *account);
enum op_result admin_alias_remove(struct admin_task *task, struct account *account);
enum op_result admin_user_disable(struct admin_task *task, struct account *account);
enum op_result admin_user_enable(struct admin_task *task, struct account *account);
enum op_result admin_user_rename(struct admin_task *task, struct account *account);
enum op_result admin_user_restore(struct admin_task *task, struct account *account);
enum op_result admin_domain_add(struct admin_task *task, struct account *account);
enum op_result admin_domain_list(struct admin_task *task, struct account *account);
enum op_result admin_domain_remove(struct admin_task *task, struct account *account);
enum op_result admin_domain_restore(struct admin_task *task, struct account *account);
enum op_result admin_domain_set(struct admin_task *task, struct account *account);
enum op_result admin_domain_show(struct admin_task *task, struct account *account);
enum op_result admin_user_set(struct admin_task *task, struct account *account);
enum op_result admin_user_show(struct admin_task *task, struct account *account);
enum op_result admin_quota_domains(struct admin_task *task, struct account *account);
enum op_result admin_quota_recount(struct admin_task *task, struct account *account);
enum op_result admin_quota_set(struct admin_task *task, struct account *account);
enum op_result admin_quota_show(struct admin_task *task, struct account *account);
enum op_result admin_user_add(struct admin_task *task, struct account *account);
enum op_result admin_user_export(struct admin_task *task, struct account *account);
enum op_result admin_user_import(struct admin_task *task, struct account *account);
enum op_result admin_user_import_take(struct admin_task *task, struct account *account);
enum op_result admin_user_list(struct admin_task *task, struct account *account);
enum op_result admin_user_passwd(struct admin_task *task, struct account *account);
enum op_result admin_user_removed(struct admin_task *task, struct account *account);
enum op_result admin_user_remove(struct admin_task *task, struct account *account);
enum op_result admin_password_add(struct admin_task *task, struct account *account);
enum op_result admin_password_list(struct admin_task *task, struct account *account);
enum op_result admin_password_revoke(struct admin_task *task, struct account *account);
enum op_result admin_index_status(struct admin_task *task, struct account *account);
enum op_result admin_search(struct admin_task *task, struct account *account);
enum op_result admin_reindex(struct admin_task *task, struct account *account);
enum op_result admin_mailbox_list(struct admin_task *task, struct account *account);
enum op_result admin_abuse_list(struct admin_task *task, struct account *account);
enum op_result admin_abuse_clear(struct admin_task *task, struct account *account);
enum op_result admin_log_level(struct admin_task *task, struct account *account);
enum op_result admin_reload(struct admin_task *task, struct account *account);
enum op_result admin_sessions(struct admin_task *task, struct account *account);
enum op_result admin_kick(struct admin_task *task, struct account *account);
enum op_result admin_status(struct admin_task *task, struct account *account);
enum op_result admin_check(struct admin_task *task, struct account *account);
enum op_result admin_jump(struct admin_task *task, struct account *account);
enum op_result admin_deliver(struct admin_task *task, struct account *account);
enum op_result admin_deliver_take(struct admin_task *task, struct account *account);
enum op_result admin_expire(struct admin_task *task, struct account *account);
enum op_result admin_history(struct admin_task *task, struct account *account);
enum op_result admin_undelete(struct admin_task *task, struct account *account);
enum op_result admin_import(struct admin_task *task, struct account *account);
enum op_result admin_import_take(struct admin_task *task, struct account *account);
enum op_result admin_export(struct admin_task *task, struct account *account);

#endif
