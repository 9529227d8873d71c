/* How much an account may hold, from what is set for it (server/settings.h) to what storage enforces (storage/usage.h). */
#ifndef SERVER_QUOTA_H
#define SERVER_QUOTA_H

struct lane;

/* On a worker that has the lane's turn, with the account open, before each op. */
void quota_apply(struct lane *lane);

#endif
