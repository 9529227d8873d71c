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

/* All entries of one mailbox, or of the account. */
static enum store_err tell_entries(struct command *cmd, struct account *a, int64_t mailbox)
{
	char path[MAILBOX_NAME_BYTES_MAX + 1] = "";
	struct mailbox_info info = {.special = 0};
	struct metadata_entries entries = {0};
	struct buf names;
	buf_init(&names, UINT32_MAX);
	enum store_err err = mailbox ? mailbox_info(a, mailbox, &info) : STORE_OK;
	if (!err && mailbox)
		err = mailbox_path(a, mailbox, path);
	if (!err)
		err = metadata_list(a, mailbox, &entries);
	if (!err && info.special)
		buf_add_text(&names, METADATA_SPECIAL_USE "\n");
	for (size_t i = 0; i < entries.n && !err; i++) {
		buf_add_text(&names, entries.v[i].name);
		buf_add_char(&names, '\n');
	}
	buf_add_char(&names, '\0');
	if (!err)
		metadata_write_change(&cmd->out, path, names.data, cmd->dialect);
	metadata_entries_finish(&entries);
	buf_finish(&names);
	return err == STORE_NOTFOUND ? STORE_OK : err;
}

/* False: there is more than the chunk takes, or it cannot be read. */
static bool tell_rest(struct command *cmd, struct account *a)
{
	struct metadata_heard *heard = &cmd->metadata_heard;
	int64_t mailbox;
	enum store_err err;
	while ((err = metadata_next(a, heard->rest - 1, &mailbox)) == STORE_OK) {
		if (cmd->out.len >= LIMIT_SLICE_BYTES || tell_entries(cmd, a, mailbox) != STORE_OK)
			return false;
		heard->rest = mailbox + 2;
	}
	if (err == STORE_NOTFOUND)
		heard->rest = 0;
	return heard->rest == 0;
}

void metadata_tell(struct command *cmd, struct account *a)
{
	struct metadata_heard *heard = &cmd->metadata_heard;
	struct metadata_telling t = {.cmd = cmd, .account = a, .modseq = heard->since};
	enum store_err err = STORE_OK;
	if (heard->rest && !tell_rest(cmd, a))
		return;
	if (heard->since)
		err = metadata_changes(a, heard->since, tell_change, &t);
	if (err && err != STORE_LIMIT)
		return;
	heard->since = t.stopped ? t.modseq : a->modseq;
	heard->rest = err == STORE_LIMIT;
	if (heard->rest)
		(void)tell_rest(cmd, a);
}

bool metadata_is_due(const struct command *cmd, const struct account *a)
{
	return cmd->metadata_heard.rest || !metadata_is_known(a, cmd->metadata_heard.since);
}
