/* What sasl.c and sasl_library.c share; nobody else includes it. */
#ifndef SERVER_SASL_PRIVATE_H
#define SERVER_SASL_PRIVATE_H

#include "server/sasl.h"

/* Of our auxprop plugin; and of a password verifier that does not exist: after our callback has said no, nobody else is asked. */
#define SASL_PLUGIN_NAME "roost"

typedef int callback_fn(void); /* sasl_callback_t keeps every callback as this */
#define CALLBACK(fn) ((callback_fn *)(void (*)(void))(fn))

/* The user's password is with a plugin of the library, which compares by itself. */
bool sasl_exchange_asks_library(const struct sasl_exchange *x);

#endif
