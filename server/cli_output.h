/* Rows as a person reads them, as JSON, or as CSV with the keys in the first line. */
#ifndef SERVER_CLI_OUTPUT_H
#define SERVER_CLI_OUTPUT_H

#include "server/admin_client.h"

struct cli_output {
	bool json, csv;
	int columns; /* of a row, without json; 0 for all */
	size_t rows;
};

/* Prints to standard output, the first row's brackets included. */
void cli_output_row(void *output, const struct admin_field *fields, size_t n);
/* After the last row.  False: standard output could not take it all. */
bool cli_output_end(struct cli_output *o);

#endif
