/* The command's end of roost import and roost export: files to records and back, with a progress bar on a terminal. */
#ifndef SERVER_CLI_TRANSFER_H
#define SERVER_CLI_TRANSFER_H

#include "server/admin_client.h"

/* Of a verb with ADMIN_STREAMS, with what `call` has but for the input and output: does it as admin_client_call() does. */
int cli_transfer(const struct config *config, struct admin_call *call);

#endif
