/* The command line: words to a verb of the table and its arguments, a password from the right place, rows to text. */
#include "server/cli.h"

#include "server/cli_completion.h"
#include "server/cli_output.h"
#include "server/cli_password.h"
#include "server/cli_transfer.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_config[] = "/etc/roost/roost.conf";

struct command_line {
	const char *config;
	bool json, help, password_stdin;
	const char *password;
	const struct admin_verb *verb;
	const char *values[ADMIN_PARAMS_MAX];
};

/* The verbs that are done here, without the server's help. */
static const struct {
	const char *name, *arguments, *help;
} own_verbs[] = {
	{"completion bash", "", "Prints a script by which bash completes the words of roost."},
	{"config example|man", "", "Prints config.example, or roost.conf(5)."},
	{"help", " [VERB]", "Prints this, or more about a verb."},
	{"serve", "", "Runs the daemon in the foreground, until SIGTERM or SIGINT."},
	{"version", "", "Prints the version."},
};

static void print_arguments(FILE *to, const struct admin_verb *verb)
{
	for (size_t i = 0; i < ADMIN_PARAMS_MAX && verb->params[i].kind; i++) {
		const struct admin_param *p = &verb->params[i];
		if (p->kind == ADMIN_PARAM_WORD)
			fprintf(to, (verb->flags & ADMIN_EACH) ? " %s|--all" : " %s", p->name);
		else if (p->kind == ADMIN_PARAM_MAYBE)
			fprintf(to, " [%s]", p->name);
	}
}

static void print_overview(FILE *to)
{
	fputs("Roost, an IMAP server.  roost [-c FILE] VERB ...\n\n", to);
	for (size_t i = 0; i < countof(own_verbs); i++)
		fprintf(to, "  roost %s%s\n        %s\n", own_verbs[i].name, own_verbs[i].arguments, own_verbs[i].help);
	for (size_t i = 0; i < admin_verbs_n; i++) {
		fprintf(to, "  roost %s", admin_verbs[i].name);
		print_arguments(to, &admin_verbs[i]);
		fprintf(to, "\n        %s\n", admin_verbs[i].help);
	}
	fprintf(to, "\nThe configuration is %s, or the FILE of -c.  Verbs that list take --json.\n"
		    "Exit codes: 0 done, 1 it failed, 2 the words are wrong.  See roost(1) and roost.conf(5).\n",
		default_config);
}

static void print_help(FILE *to, const struct admin_verb *verb)
{
	fprintf(to, "roost %s", verb->name);
	print_arguments(to, verb);
	fprintf(to, "\n\n%s\n\n  -c FILE            the configuration, instead of %s\n", verb->help, default_config);
	if (verb->flags & ADMIN_LISTS)
		fputs("  --json             JSON with all that is known, an array of objects\n", to);
	if (verb->flags & ADMIN_PASSWORD)
		fputs("  --password-stdin   the password is the first line of standard input\n"
		      "  --password TEXT    the password; others on this machine can see it while the command runs\n", to);
	for (size_t i = 0; i < ADMIN_PARAMS_MAX && verb->params[i].kind; i++) {
		const struct admin_param *p = &verb->params[i];
		if (p->kind == ADMIN_PARAM_VALUE)
			fprintf(to, "  --%s N%*s%s\n", p->name, (int)(15 - strlen(p->name)), "", p->help);
		else if (p->kind == ADMIN_PARAM_FLAG)
			fprintf(to, "  --%s%*s%s\n", p->name, (int)(17 - strlen(p->name)), "", p->help);
	}
}

static int usage(const struct admin_verb *verb, const char *why, const char *what)
{
	fprintf(stderr, "roost: %s%s%s\n", why, what ? ": " : "", what ? what : "");
	if (verb) {
		fprintf(stderr, "usage: roost %s", verb->name);
		print_arguments(stderr, verb);
		fprintf(stderr, "   (roost %s --help tells more)\n", verb->name);
	} else {
		fputs("(roost help lists the verbs)\n", stderr);
	}
	return ADMIN_EXIT_USAGE;
}

/* The verb that the words at `argv` name, one word or two; *used of them. */
static const struct admin_verb *find_verb(char *const *argv, int argc, int *used)
{
	for (size_t i = 0; i < admin_verbs_n; i++) {
		const char *name = admin_verbs[i].name, *space = strchr(name, ' ');
		size_t first = space ? (size_t)(space - name) : strlen(name);
		*used = space ? 2 : 1;
		if (argc >= *used && strlen(argv[0]) == first && memcmp(argv[0], name, first) == 0 &&
		    (!space || strcmp(argv[1], space + 1) == 0))
			return &admin_verbs[i];
	}
	return NULL;
}

/* Whether `text` begins a verb of two words: then it is the second that is wrong. */
static bool is_first_word(const char *text)
{
	size_t len = strlen(text);
	for (size_t i = 0; i < admin_verbs_n; i++)
		if (strncmp(admin_verbs[i].name, text, len) == 0 && admin_verbs[i].name[len] == ' ')
			return true;
	return false;
}

/* An option of the verb's own; *at moves to its value.  False: there is none of that name, or no value. */
static bool take_option(struct command_line *line, char *const *argv, int argc, int *at)
{
	const char *name = argv[*at] + 2;
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++) {
		const struct admin_param *p = &line->verb->params[i];
		bool has_value = p->kind == ADMIN_PARAM_VALUE;
		if ((!has_value && p->kind != ADMIN_PARAM_FLAG) || strcmp(p->name, name) != 0)
			continue;
		if (has_value && *at + 1 >= argc)
			return false;
		line->values[i] = has_value ? argv[++*at] : "";
		return true;
	}
	return false;
}

static bool take_word(struct command_line *line, const char *word)
{
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++) {
		enum admin_param_kind kind = line->verb->params[i].kind;
		if ((kind == ADMIN_PARAM_WORD || kind == ADMIN_PARAM_MAYBE) && !line->values[i]) {
			line->values[i] = word;
			return true;
		}
	}
	return false;
}

/* Everything behind the verb; 0, or the exit code. */
static int read_arguments(struct command_line *line, char *const *argv, int argc)
{
	const struct admin_verb *verb = line->verb;
	bool only_words = false;
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];
		bool has_next = i + 1 < argc, is_option = !only_words && arg[0] == '-' && arg[1];
		if (!is_option) {
			if (!take_word(line, arg))
				return usage(verb, "one word too many", arg);
		} else if (strcmp(arg, "--") == 0) {
			only_words = true;
		} else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
			line->help = true;
		} else if (has_next && strcmp(arg, "-c") == 0) {
			line->config = argv[++i];
		} else if ((verb->flags & ADMIN_LISTS) && strcmp(arg, "--json") == 0) {
			line->json = true;
		} else if ((verb->flags & ADMIN_PASSWORD) && strcmp(arg, "--password-stdin") == 0) {
			line->password_stdin = true;
		} else if ((verb->flags & ADMIN_PASSWORD) && has_next && strcmp(arg, "--password") == 0) {
			line->password = argv[++i];
		} else if (strncmp(arg, "--", 2) != 0 || !take_option(line, argv, argc, &i)) {
			return usage(verb, "no such option, or its value is missing", arg);
		}
	}
	return 0;
}

/* Of ADMIN_EACH either the word is given, or --all. */
static const char *wrong_word(const struct command_line *line, const char **out_why)
{
	bool for_all = false;
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++)
		for_all = for_all || (line->verb->params[i].kind == ADMIN_PARAM_FLAG && line->values[i] &&
				      strcmp(line->verb->params[i].name, "all") == 0);
	for (size_t i = 0; i < ADMIN_PARAMS_MAX; i++) {
		if (line->verb->params[i].kind == ADMIN_PARAM_WORD && !line->values[i] != for_all) {
			*out_why = for_all ? "one word too many beside --all" : "missing";
			return for_all ? line->values[i] : line->verb->params[i].name;
		}
	}
	return NULL;
}

static bool has_flag(const struct command_line *line, const char *name)
{
	size_t i = admin_param_of(line->verb, name);
	return i < ADMIN_PARAMS_MAX && line->values[i];
}

/* Of a verb that reads a FILE at our end, which "-" leaves at standard input.  False: that is said. */
static bool open_input(const struct command_line *line, int *out)
{
	size_t i = admin_param_of(line->verb, "FILE");
	bool is_ours = (line->verb->flags & ADMIN_INPUT) && !(line->verb->flags & ADMIN_STREAMS) && i < ADMIN_PARAMS_MAX;
	*out = STDIN_FILENO;
	if (!is_ours || strcmp(line->values[i], "-") == 0)
		return true;
	*out = open(line->values[i], O_RDONLY | O_CLOEXEC);
	if (*out < 0)
		fprintf(stderr, "roost: %s: %s\n", line->values[i], strerror(errno));
	return *out >= 0;
}

static int administer(const struct command_line *line)
{
	char password[PASSWORD_MAX + 2];
	bool csv = (line->verb->flags & ADMIN_TABLE) && !line->json;
	struct cli_output output = {.json = line->json, .csv = csv, .columns = line->verb->columns};
	struct admin_call call = {.verb = line->verb, .password = line->password, .input = STDIN_FILENO,
				  .quiet = line->json || csv, .on_row = cli_output_row, .ctx = &output};
	struct config config;
	memcpy(call.values, line->values, sizeof(call.values));
	int code = ADMIN_EXIT_FAILED;
	if (config_read(line->config, &config) && open_input(line, &call.input)) {
		bool asks = (line->verb->flags & ADMIN_PASSWORD) && !line->password && !has_flag(line, "no-password");
		if (asks)
			call.password = password;
		if (!asks || cli_password_read(line->password_stdin, line->values[0], password))
			code = line->verb->flags & ADMIN_STREAMS ? cli_transfer(&config, &call) : admin_client_call(&config, &call);
		if (asks)
			OPENSSL_cleanse(password, sizeof(password));
		bool has_output = (line->verb->flags & ADMIN_LISTS) && (code == ADMIN_EXIT_DONE || output.rows);
		if (has_output && !cli_output_end(&output))
			code = ADMIN_EXIT_FAILED;
	}
	if (call.input > STDIN_FILENO)
		close(call.input);
	config_finish(&config);
	return code;
}

static int run_verb(struct command_line *line, char *const *argv, int argc)
{
	int used = 0;
	line->verb = find_verb(argv, argc, &used);
	if (!line->verb)
		return is_first_word(argv[0]) ? usage(NULL, argc > 1 ? "no such verb" : "a word is missing behind this",
						      argc > 1 ? argv[1] : argv[0])
					      : usage(NULL, "no such verb", argv[0]);
	int code = read_arguments(line, argv + used, argc - used);
	if (code)
		return code;
	if (line->help) {
		print_help(stdout, line->verb);
		return ADMIN_EXIT_DONE;
	}
	const char *why, *wrong = wrong_word(line, &why);
	if (wrong)
		return usage(line->verb, why, wrong);
	if (line->password)
		fputs("roost: others on this machine can see --password while the command runs; --password-stdin is safer\n",
		      stderr);
	signal(SIGPIPE, SIG_IGN);
	return administer(line);
}

static int print_config(const char *what)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	if (strcmp(what, "example") == 0)
		config_write_example(&text);
	else if (strcmp(what, "man") == 0)
		config_write_man(&text);
	else
		return usage(NULL, "config example or config man is expected", NULL);
	fwrite(text.data, 1, text.len, stdout);
	buf_finish(&text);
	return ADMIN_EXIT_DONE;
}

static int help(char *const *argv, int argc)
{
	int used;
	const struct admin_verb *verb = argc ? find_verb(argv, argc, &used) : NULL;
	if (argc && !verb)
		return usage(NULL, "no such verb", argv[0]);
	if (verb)
		print_help(stdout, verb);
	else
		print_overview(stdout);
	return ADMIN_EXIT_DONE;
}

static int serve(struct command_line *line, char *const *argv, int argc)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-c") != 0 || i + 1 == argc)
			return usage(NULL, "roost serve -c FILE is expected, not", argv[i]);
		line->config = argv[++i];
	}
	return server_run(line->config);
}

int cli_main(int argc, char **argv)
{
	struct command_line line = {.config = default_config};
	umask(0077); /* what a store holds is nobody else's to read */
	argv++, argc--;
	for (; argc >= 2 && strcmp(argv[0], "-c") == 0; argv += 2, argc -= 2)
		line.config = argv[1];
	if (argc == 0) {
		print_overview(stderr);
		return ADMIN_EXIT_USAGE;
	}
	if (strcmp(argv[0], "serve") == 0)
		return serve(&line, argv + 1, argc - 1);
	if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return help(argv + 1, argc - 1);
	if (strcmp(argv[0], "version") == 0 || strcmp(argv[0], "--version") == 0) {
		puts("roost " ROOST_VERSION);
		return ADMIN_EXIT_DONE;
	}
	if (strcmp(argv[0], "completion") == 0) {
		if (argc != 2 || strcmp(argv[1], "bash") != 0)
			return usage(NULL, "completion bash is expected", NULL);
		cli_completion_bash(stdout, "completion config help serve version");
		return ADMIN_EXIT_DONE;
	}
	if (strcmp(argv[0], "config") == 0)
		return print_config(argc > 1 ? argv[1] : "");
	return run_verb(&line, argv, argc);
}
