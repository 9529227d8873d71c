/*
 * Messages that are put together, and messages that take the place of others (RFC 4469, RFC 8508).  A message's size says
 * which octets it has, so a part of another one that is copied wrongly shows when the whole is fetched.
 */
#ifndef TESTS_MODEL_COMPOSE_H
#define TESTS_MODEL_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>

struct client;

enum { LETTERS = 26 };
/* What stands in the text of the message that has this size, behind its head, so many octets on. */
char compose_letter(uint32_t size, uint32_t at);
/* Adds the octets of the message that has this size. */
void compose_literal(struct client *c, uint32_t size);
/* choose.c: an APPEND or REPLACE of literals and of parts of the selected mailbox's messages; all of them are known. */
void compose_choose(struct client *c, bool needs_uids);
/* client.c: a message that its URLs name is no more: NO is the right answer. */
bool compose_lacks(const struct client *c);
/* It was answered OK. */
void compose_end(struct client *c);

#endif
