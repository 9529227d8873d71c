#include "server/cli_output.h"

#include "server/csv.h"

/* RFC 8259 7 */
static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < ' ')
			printf("\\u%04x", c);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_json(const struct admin_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "{", stdout);
		print_string(fields[i].key);
		fputs(": ", stdout);
		if (fields[i].type == 's')
			print_string(fields[i].value);
		else
			fputs(fields[i].value, stdout);
	}
	putchar('}');
}

static void print_csv(const struct admin_field *fields, size_t n, bool is_first)
{
	for (size_t i = 0; i < n && is_first; i++)
		printf(i ? ",%s" : "%s", fields[i].key);
	if (is_first)
		putchar('\n');
	for (size_t i = 0; i < n; i++) {
		if (i)
			putchar(',');
		csv_print(stdout, fields[i].value);
	}
	putchar('\n');
}

void cli_output_row(void *output, const struct admin_field *fields, size_t n)
{
	struct cli_output *o = output;
	if (o->json) {
		fputs(o->rows ? ",\n " : "[", stdout);
		print_json(fields, n);
	} else if (o->csv) {
		print_csv(fields, n, o->rows == 0);
	} else {
		for (size_t i = 0; i < n && (o->columns == 0 || i < (size_t)o->columns); i++)
			printf(i ? "\t%s" : "%s", fields[i].value);
		putchar('\n');
	}
	o->rows++;
}

bool cli_output_end(struct cli_output *o)
{
	if (o->json)
		fputs(o->rows ? "]\n" : "[]\n", stdout);
	return fflush(stdout) == 0 && !ferror(stdout);
}
