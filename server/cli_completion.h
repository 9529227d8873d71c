/* Completion of roost's command line by a shell. */
#ifndef SERVER_CLI_COMPLETION_H
#define SERVER_CLI_COMPLETION_H

#include <stdio.h>

/* A script for bash; `own_words`: the verbs that are not in the table. */
void cli_completion_bash(FILE *to, const char *own_words);

#endif
