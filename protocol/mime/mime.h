/* All of protocol/mime/, for files written before it was split. */
#ifndef MIME_MIME_H
#define MIME_MIME_H

#include "protocol/mime/header.h"
#include "protocol/mime/nstring.h"
#include "protocol/mime/parser.h"
#include "protocol/mime/section.h"
#include "protocol/mime/text.h"

#endif
