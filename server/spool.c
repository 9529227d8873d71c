#include "server/spool.h"

#include "storage/file.h"

#include <errno.h>
#include <unistd.h>

void spool_init(struct spool *s, struct accounts *accounts)
{
	*s = (struct spool){.accounts = accounts, .fd = -1};
	buf_init(&s->memory, LIMIT_LMTP_MEMORY_BYTES);
}

void spool_finish(struct spool *s)
{
	buf_finish(&s->memory);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static enum store_err write_file(struct spool *s, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = pwrite(s->fd, bytes.ptr, bytes.len, (off_t)s->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return file_error(errno);
		s->size += (uint64_t)n;
		bytes = span_after(bytes, (size_t)n);
	}
	return STORE_OK;
}

/* What memory held goes to the file first. */
static enum store_err begin_file(struct spool *s)
{
	s->fd = accounts_open_unnamed(s->accounts);
	if (s->fd < 0)
		return file_error(errno);
	s->size = 0;
	enum store_err err = write_file(s, buf_span(&s->memory));
	buf_finish(&s->memory);
	return err;
}

enum store_err spool_write(struct spool *s, struct span bytes)
{
	if (s->failed)
		return s->failed;
	if (s->fd < 0 && bytes.len <= LIMIT_LMTP_MEMORY_BYTES - s->memory.len) {
		buf_add_span(&s->memory, bytes);
		s->size += bytes.len;
		return STORE_OK;
	}
	if (s->fd < 0)
		s->failed = begin_file(s);
	if (!s->failed)
		s->failed = write_file(s, bytes);
	return s->failed;
}

enum store_err spool_read(const struct spool *s, uint64_t at, size_t len, struct buf *scratch, struct span *out)
{
	uint64_t left = at < s->size ? s->size - at : 0;
	len = left < len ? (size_t)left : len;
	if (s->fd < 0) {
		*out = span_make(buf_span(&s->memory).ptr + (len ? at : 0), len);
		return s->failed;
	}
	buf_reset(scratch);
	char *to = buf_reserve(scratch, len);
	invariant(to || !len);
	for (size_t got = 0; got < len;) {
		ssize_t n = pread(s->fd, to + got, len - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return STORE_IO;
		got += (size_t)n;
	}
	*out = span_make(to ? to : "", len);
	return s->failed;
}
