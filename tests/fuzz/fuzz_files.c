/*
 * Files of mail that somebody brings: an mbox file, or a tar archive with a Maildir or mbox files in it.  Whatever they hold, the
 * records made of them make sense: each can be read, messages are in mailboxes, and each ends.
 */
#include "tests/fuzz/fuzz.h"

#include "server/mail_feed.h"

#include <sys/mman.h>
#include <unistd.h>

struct reading {
	bool in_mailbox, in_message;
	struct buf left;
};

static void take(struct reading *r, const struct transfer_record *record)
{
	struct transfer_mailbox mailbox;
	struct transfer_message message;
	const char *text;
	switch (record->type) {
	case TRANSFER_MAILBOX:
		invariant(!r->in_message && transfer_get_mailbox(record->body, &mailbox) && *mailbox.name);
		r->in_mailbox = true;
		return;
	case TRANSFER_MESSAGE:
		invariant(r->in_mailbox && !r->in_message && transfer_get_message(record->body, &message));
		r->in_message = true;
		return;
	case TRANSFER_DATA:
		invariant(r->in_message && record->body.len > 0);
		return;
	case TRANSFER_MESSAGE_END:
		invariant(r->in_message);
		r->in_message = false;
		return;
	case TRANSFER_SUBSCRIPTION: case TRANSFER_PROBLEM:
		invariant(!r->in_message && transfer_get_text(record->body, &text) && *text);
		return;
	case TRANSFER_TOTAL:
		break;
	}
	invariant(false && "a record that no reader makes");
}

static bool on_records(void *ctx, struct span records)
{
	struct reading *r = ctx;
	struct transfer_record record;
	bool broken = false;
	buf_add_span(&r->left, records);
	while (transfer_read(buf_span(&r->left), &record, &broken)) {
		take(r, &record);
		buf_drop(&r->left, record.size);
	}
	invariant(!broken);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct reading r = {.left = {0}};
	struct mail_feed feed;
	struct mail_tree *tree = mail_tree_open(path);
	if (!tree) { /* it looks like a packed file that is damaged, or packed in a way that is not read */
		close(fd);
		return 0;
	}
	buf_init(&r.left, SIZE_MAX);
	mail_feed_init(&feed, tree);
	feed.write = on_records;
	feed.ctx = &r;
	if (!mail_tree_is_file(tree)) {
		maildir_bytes(tree, "");
		maildir_feed(&feed, "");
		mbox_feed(&feed, "");
	} else {
		mbox_feed_file(&feed, path, "INBOX");
	}
	mail_feed_pass(&feed, true);
	invariant(!r.in_message && r.left.len == 0);
	mail_feed_finish(&feed);
	buf_finish(&r.left);
	mail_tree_close(tree);
	close(fd);
	return 0;
}
