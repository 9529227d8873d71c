/*
 * What the daemon does by itself for the store as a whole, on a thread of its own that asks the accounts' lanes for it: at
 * the start it has accounts counted whose use was not yet recorded when the last process ended (tally.h); then, and every hour,
 * it deletes for good what belonged to users who were removed long enough ago, and goes on where an earlier process died
 * while it did so (storage/removed.h).
 */
#ifndef SERVER_UPKEEP_H
#define SERVER_UPKEEP_H

struct accounts;
struct upkeep;

/* Of a daemon.  NULL, with the reason logged: the directory cannot be read. */
struct upkeep *upkeep_start(struct accounts *accounts);
/* While the workers still run: ends soon, whatever is left.  Takes NULL. */
void upkeep_stop(struct upkeep *u);

#endif
