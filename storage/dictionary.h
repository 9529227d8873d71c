/*
 * The zstd dictionaries that frames of mail are compressed with (tools/train_dictionary.py makes them; the reasons are in
 * docs/decisions/0002-body-frames.md).  One that has shipped is in users' stores: it is never changed and never left out.
 * A frame's table entry says which one it needs.  Constant; any thread.
 */
#ifndef STORAGE_DICTIONARY_H
#define STORAGE_DICTIONARY_H

#include "storage/base.h"

enum { DICTIONARY_NEWEST = 1 }; /* versions count from 1; new frames use this one */

/* The dictionary's bytes; nothing (a NULL pointer) for a version that there is not. */
struct bytes dictionary_bytes(unsigned version);

#endif
