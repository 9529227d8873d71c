/* The command line.  Exit codes: 0 done, 1 it failed, 2 the words are off. */
#ifndef SERVER_CLI_H
#define SERVER_CLI_H

int cli_main(int argc, char **argv);

#endif
