/*
 * NOTIFY (RFC 5465).  The command itself is a NOOP: what has piled up in the selected mailbox is told with it.  What the
 * client asked for becomes the session's watchlist on the worker, from the modseq on up to which the list before had told,
 * or of the command's own look at the account, so that nothing falls between the two.
 */
#include "server/session.h"

#include "protocol/imap/name.h"
#include "server/limits.h"
#include "server/watchlist.h"

static void notify_finish(struct command *cmd)
{
	watchlist_destroy(cmd->state);
}

/* RFC 5465 5: ANNOTATE (RFC 5257) is not served. */
static bool names_unknown(const struct notify_request *r)
{
	for (size_t i = 0; i < r->groups_n; i++)
		if (r->groups[i].events & (EVENT_UNKNOWN | EVENT_ANNOTATION_CHANGE))
			return true;
	return false;
}

static size_t count_names(const struct notify_request *r)
{
	size_t n = r->groups_n;
	for (size_t i = 0; i < r->groups_n; i++)
		n += r->groups[i].names_n;
	return n;
}

/* Splits off the selected mailbox, and decodes the names; in the command's arena, which the list gets in the end. */
static void take_groups(struct command *cmd, struct watchlist *w)
{
	struct notify_request *r = &cmd->request.notify;
	size_t kept = 0;
	for (size_t i = 0; i < r->groups_n; i++) {
		struct notify_group *g = &r->groups[i];
		if (g->filter == NOTIFY_SELECTED || g->filter == NOTIFY_SELECTED_DELAYED) {
			w->selected = g->events;
			w->delayed = g->filter == NOTIFY_SELECTED_DELAYED;
			continue;
		}
		for (size_t k = 0; k < g->names_n; k++) {
			struct span name;
			bool ok = name_decode(&cmd->arena, g->names[k], cmd->dialect, &name);
			g->names[k] = ok ? name : (struct span){0};
		}
		r->groups[kept++] = *g;
	}
	w->groups = r->groups;
	w->groups_n = kept;
	struct fetch_request *attributes = arena_alloc(&cmd->arena, sizeof(*attributes));
	*attributes = r->attributes;
	w->attributes = attributes;
}

/* The lists change places: what is told with this command is told by the new one, and the old one goes with the command. */
static enum op_result notify_run(struct command *cmd, struct account *a)
{
	struct watchlist *w = cmd->state;
	enum store_err err = cmd->request.notify.status ? watchlist_tell_all(w, cmd, a) : STORE_OK;
	command_store_error(cmd, err);
	if (err)
		return OP_DONE;
	watchlist_inherit(w, cmd->watchlist, a->modseq);
	cmd->state = cmd->watchlist;
	cmd->watchlist = w;
	watchlist_tell(w, cmd, a);
	return OP_DONE;
}

enum step cmd_notify(struct session *s, struct command *cmd)
{
	if (names_unknown(&cmd->request.notify)) {
		command_no(cmd, "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
				"MailboxMetadataChange ServerMetadataChange)", "There is no such event here");
		return STEP_DONE;
	}
	if (count_names(&cmd->request.notify) > LIMIT_NOTIFY_NAMES) {
		command_no(cmd, "NOTIFICATIONOVERFLOW", "These are too many mailboxes to watch by name");
		return STEP_DONE;
	}
	struct watchlist *w = watchlist_create();
	cmd->state = w;
	cmd->finish = notify_finish;
	take_groups(cmd, w);
	/* What the list points to; the request's text is in there too, and lives as long as one of the two has the list. */
	w->arena = cmd->arena;
	arena_init(&cmd->arena);
	return session_op(s, cmd, notify_run);
}
