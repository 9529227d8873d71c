/*
 * What happens to an account while its sessions live on, and what they may not notice but by its effect on history: the
 * journal is pruned, the account is closed and opened again, its log is written back and it is swept, its clock jumps.
 */
#ifndef TESTS_MODEL_UPHEAVAL_H
#define TESTS_MODEL_UPHEAVAL_H

struct sim;

/* Asks for one of them: it happens in a turn of the account's lane, once no client's op waits. */
void upheaval(struct sim *s);

#endif
