/* Passwords against the directory.  On the directory's lane, so that hashing blocks no loop. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "server/command.h"

enum op_result auth_login_run(struct op *op, struct account *account);
/* Decodes into `out` (NUL added); false: not base64, or too long. */
bool auth_base64(struct span in, char *out, size_t size, size_t *len);
/* A crypt(5) hash of `password`; `cheap` for tests. */
bool auth_hash(const char *password, bool cheap, char *out, size_t size);

#endif
