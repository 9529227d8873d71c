#include "protocol/imap/response_list.h"

#include "protocol/imap/name.h"
#include "protocol/imap/request.h"
#include "protocol/imap/response.h"

static void words(struct buf *out, uint32_t bits, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(bits & 1u << i))
			continue;
		response_separate(out);
		buf_add_text(out, names[i]);
	}
}

void response_uses(struct buf *out, uint32_t uses)
{
	static const char *const names[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged",
					    "\\Junk", "\\Sent", "\\Trash", "\\Important"};
	words(out, uses, names, countof(names));
}

void response_list(struct buf *out, const struct list_line *line, unsigned dialect)
{
	static const char *const attributes[] = {"\\NonExistent", "\\Noselect", "\\Noinferiors",
						 "\\HasChildren", "\\HasNoChildren", "\\Subscribed"};
	uint32_t bits = line->attributes;
	if (bits & ATTRIBUTE_NONEXISTENT)
		bits &= ~(uint32_t)ATTRIBUTE_NOSELECT;
	buf_add_text(out, "* ");
	buf_add_text(out, line->response);
	buf_add_text(out, " (");
	words(out, bits, attributes, countof(attributes));
	response_uses(out, line->uses);
	buf_add_text(out, ") \"/\" ");
	name_write(out, line->name, dialect);
	if (line->old_name) {
		buf_add_text(out, " (\"OLDNAME\" (");
		name_write(out, line->old_name, dialect);
		buf_add_text(out, "))");
	}
	if (line->subscribed_below)
		buf_add_text(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_add_text(out, "\r\n");
}

void response_mailbox_status(struct buf *out, const char *name, uint32_t items, const struct status_values *values,
			     unsigned dialect)
{
	const struct {
		uint32_t bit;
		const char *name;
		uint64_t value;
	} rows[] = {{STATUS_MESSAGES, "MESSAGES ", values->messages},
		    {STATUS_RECENT, "RECENT ", values->recent},
		    {STATUS_UIDNEXT, "UIDNEXT ", values->uidnext},
		    {STATUS_UIDVALIDITY, "UIDVALIDITY ", values->uidvalidity},
		    {STATUS_UNSEEN, "UNSEEN ", values->unseen},
		    {STATUS_SIZE, "SIZE ", values->size},
		    {STATUS_APPENDLIMIT, "APPENDLIMIT ", values->append_limit},
		    {STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ ", values->highest_modseq},
		    {STATUS_DELETED, "DELETED ", values->deleted},
		    {STATUS_DELETED_STORAGE, "DELETED-STORAGE ", values->deleted_bytes}};
	buf_add_text(out, "* STATUS ");
	name_write(out, name, dialect);
	buf_add_text(out, " (");
	for (size_t i = 0; i < countof(rows); i++) {
		if (!(items & rows[i].bit))
			continue;
		response_separate(out);
		buf_add_text(out, rows[i].name);
		buf_add_u64(out, rows[i].value);
	}
	if (items & STATUS_MAILBOXID) { /* RFC 8474 4.3 */
		response_separate(out);
		buf_add_text(out, "MAILBOXID (");
		buf_add_text(out, values->mailboxid);
		buf_add_char(out, ')');
	}
	buf_add_text(out, ")\r\n");
}

void response_namespace(struct buf *out)
{
	buf_add_text(out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
}
