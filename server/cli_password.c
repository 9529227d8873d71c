#include "server/cli_password.h"

#include <openssl/crypto.h>
#include <termios.h>
#include <unistd.h>

/* A line without its end; false: there is none, or it is too long. */
static bool read_line(char out[PASSWORD_MAX + 2])
{
	bool got = fgets(out, PASSWORD_MAX + 2, stdin) != NULL;
	size_t len = got ? strcspn(out, "\r\n") : 0;
	bool ok = got && (out[len] || feof(stdin)) && len <= PASSWORD_MAX;
	out[got ? len : 0] = '\0';
	return ok;
}

static bool ask(const char *question, const char *whose, char out[PASSWORD_MAX + 2])
{
	struct termios kept, silent;
	fprintf(stderr, "%s for %s: ", question, whose);
	fflush(stderr);
	bool is_terminal = tcgetattr(STDIN_FILENO, &kept) == 0;
	silent = kept;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	bool ok = read_line(out);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &kept);
	fputc('\n', stderr);
	return ok;
}

bool cli_password_read(bool from_stdin, const char *whose, char out[PASSWORD_MAX + 2])
{
	char again[PASSWORD_MAX + 2];
	if (from_stdin || !isatty(STDIN_FILENO)) {
		if (read_line(out))
			return true;
		fprintf(stderr, "roost: a password of at most %d bytes is expected on standard input\n", PASSWORD_MAX);
		return false;
	}
	bool same = ask("Password", whose, out) && ask("The same again", whose, again) && strcmp(out, again) == 0;
	OPENSSL_cleanse(again, sizeof(again));
	if (!same)
		fprintf(stderr, "roost: the two are not the same; nothing was changed\n");
	return same;
}
