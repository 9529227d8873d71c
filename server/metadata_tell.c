#include "server/metadata_tell.h"

#include "protocol/imap/name.h"
#include "protocol/imap/response.h"
#include "server/limits.h"
#include "storage/mailbox.h"
#include "storage/metadata.h"

struct metadata_telling {
	struct command *cmd;
	struct account *account;
	uint64_t modseq; /* of the last op that was told */
	bool stopped;
};

void metadata_write_change(struct buf *out, const char *mailbox, const char *names, unsigned dialect)
{
	buf_add_text(out, "* METADATA ");
	name_write(out, mailbox, dialect);
	for (const char *at = names; *at;) {
		size_t len = strcspn(at, "\n");
		buf_add_char(out, ' ');
		response_astring(out, span_make(at, len), dialect);
		at += len + (at[len] == '\n');
	}
	buf_add_text(out, "\r\n");
}

/* "* METADATA INBOX /shared/comment": names alone, never values.  An op's lines stay together. */
static bool tell_change(void *ctx, uint64_t modseq, int64_t mailbox, const char *names)
{
	struct metadata_telling *t = ctx;
	struct buf *out = &t->cmd->out;
	char path[MAILBOX_NAME_BYTES_MAX + 1] = "";
	t->stopped = out->len >= LIMIT_SLICE_BYTES && modseq != t->modseq;
	if (t->stopped)
		return false;
	t->modseq = modseq;
	if (mailbox && mailbox_path(t->account, mailbox, path) != STORE_OK)
		return true; /* it is gone, and its annotations with it */
	metadata_write_change(out, path, names, t->cmd->dialect);
	return true;
}

void metadata_tell(struct command *cmd, struct account *a)
{
	struct metadata_telling t = {.cmd = cmd, .account = a, .modseq = cmd->metadata_since};
	if (cmd->metadata_since && metadata_changes(a, cmd->metadata_since, tell_change, &t) != STORE_OK)
		return;
	cmd->metadata_since = t.stopped ? t.modseq : a->modseq;
}
