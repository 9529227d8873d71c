/* A password from whoever sits there. */
#ifndef SERVER_CLI_PASSWORD_H
#define SERVER_CLI_PASSWORD_H

#include "server/password.h"

/* From the terminal, without echo and twice; or where standard input is none, or `from_stdin`, its first line.  False:
 * what is wrong was printed. */
MUST_USE bool cli_password_read(bool from_stdin, const char *whose, char out[PASSWORD_MAX + 2]);

#endif
