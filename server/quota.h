/* How much an account may hold, from what is set for it (server/settings.h) to what storage enforces (storage/usage.h). */
#ifndef SERVER_QUOTA_H
#define SERVER_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

struct account;
struct lane;

enum { QUOTA_WARNINGS_MAX = 4 };

/* On a worker that has the lane's turn, with the account open, before each op. */
void quota_apply(struct lane *lane);

/* Percentages, ascending, separated by spaces; those behind the last are 0.  False: `text` is none of that. */
bool quota_read_warnings(const char *text, int out[QUOTA_WARNINGS_MAX]);
/* The highest of them that the account has come to, 0 for none, and of what: "storage" or "messages". */
int quota_reached(const struct account *a, const int percent[QUOTA_WARNINGS_MAX], const char **out_of);

#endif
