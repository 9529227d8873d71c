#include "server/crash_point.h"

#include "server/trouble.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

bool crash_point_init(struct crash_point *c, const char *text)
{
	char name[40] = "";
	const char *colon = text ? strchr(text, ':') : NULL;
	*c = (struct crash_point){.at = STORE_POINTS};
	if (!text)
		return true;
	if (colon && (size_t)(colon - text) < sizeof(name)) {
		memcpy(name, text, (size_t)(colon - text));
		c->at = store_point_find(name);
		c->passing = (unsigned)strtoul(colon + 1, NULL, 10);
	}
	if (c->at < STORE_POINTS && c->passing)
		return true;
	trouble("ROOST_CRASH_POINT=%s: a point of storage/points.h and a count are expected, as commit:3", text);
	return false;
}

int crash_point_pass(void *ctx, enum store_point point)
{
	struct crash_point *c = ctx;
	if (point == c->at && atomic_fetch_add(&c->passed, 1) + 1 == c->passing)
		raise(SIGKILL);
	return 0;
}
