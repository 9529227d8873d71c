/*
 * The directory of certificates: every PEM file in it and in the directories in it (one level: certbot's live/) with a name that ends
 * in .pem, .crt, .cer, .cert or .key and does not begin with a dot.  Keys find their certificates by themselves, whatever the files
 * are called; the names a certificate is shown for are those in it.
 *
 * A scan looks at what is there and reads what is new: a file is known again by its device, inode, size and times.  What a
 * certificate's file served before goes on being served while the file is broken, while no key fits what is in it, and while it is
 * expired and the old one is not; each of that is logged once, with the file's name.  A certificate whose file is gone is no longer
 * shown; but when nothing usable is left at all, the directory is taken for unreadable, and what was served goes on.
 *
 * One thread at a time scans (any thread); handshakes on the loops read an index that is exchanged whole.
 */
#ifndef SERVER_CERTIFICATES_H
#define SERVER_CERTIFICATES_H

#include "server/certificate_index.h"

struct certificates;

/* Nothing is read yet.  The texts are copied; `host`: see certificate_index_set_default(). */
struct certificates *certificates_create(const char *directory, const char *host);
/* Takes NULL. */
void certificates_destroy(struct certificates *c);
/* Reads what changed.  False: the directory cannot be read, or holds nothing that can be used; the reason is logged, and
 * what was served before goes on being served. */
MUST_USE bool certificates_scan(struct certificates *c);
/* How many are shown. */
size_t certificates_count(struct certificates *c);
/* The directories whose changes matter, the first being that of the configuration; as of the last scan, valid until the
 * next.  NULL behind the last. */
const char *certificates_directory_at(const struct certificates *c, size_t index);

/* Any thread, at any time: shows on `ssl` what is for `host` (NULL: nobody was named).  False: the handshake cannot go on. */
MUST_USE bool certificates_use(struct certificates *c, const char *host, SSL *ssl);

#endif
