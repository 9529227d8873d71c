/* NOTIFY (RFC 5465 8). */
#include "protocol/imap/parse_family.h"

static uint32_t event_of(struct span word)
{
	static const struct {
		const char *name;
		uint32_t event;
	} events[] = {{"MessageNew", EVENT_MESSAGE_NEW}, {"MessageExpunge", EVENT_MESSAGE_EXPUNGE},
		      {"FlagChange", EVENT_FLAG_CHANGE}, {"AnnotationChange", EVENT_ANNOTATION_CHANGE},
		      {"MailboxName", EVENT_MAILBOX_NAME}, {"SubscriptionChange", EVENT_SUBSCRIPTION_CHANGE},
		      {"MailboxMetadataChange", EVENT_MAILBOX_METADATA_CHANGE},
		      {"ServerMetadataChange", EVENT_SERVER_METADATA_CHANGE}};
	for (size_t i = 0; i < countof(events); i++)
		if (span_is(word, events[i].name))
			return events[i].event;
	return EVENT_UNKNOWN;
}

static bool is_selected(const struct notify_group *g)
{
	return g->filter == NOTIFY_SELECTED || g->filter == NOTIFY_SELECTED_DELAYED;
}

/* " (" fetch-att *(SP fetch-att) ")" behind MessageNew. */
static void attributes(struct lexer *lx, struct notify_request *n, const struct notify_group *g)
{
	const char *at = lx->at;
	if (!lexer_accept(lx, ' ') || !lexer_peek(lx, '(')) {
		lx->at = at;
		return;
	}
	if (!is_selected(g))
		lexer_fail(lx, "Items to fetch are for the selected mailbox alone");
	parse_fetch_items(lx, &n->attributes);
}

static void event(struct lexer *lx, struct notify_request *n, struct notify_group *g)
{
	uint32_t event = event_of(lexer_atom(lx));
	g->events |= event;
	if (event == EVENT_MESSAGE_NEW)
		attributes(lx, n, g);
}

/* In parentheses; without them too, as RFC 5465 itself writes them in 3.1. */
static void events(struct lexer *lx, struct notify_request *n, struct notify_group *g)
{
	if (lexer_accept_word(lx, "NONE"))
		return;
	if (!lexer_peek(lx, '(')) {
		do
			event(lx, n, g);
		while (!lexer_failed(lx) && lexer_accept(lx, ' '));
		return;
	}
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "An event is expected");
	for (; on; on = lexer_list_more(lx))
		event(lx, n, g);
}

static void add_name(struct lexer *lx, struct notify_group *g)
{
	struct span name = lexer_astring(lx);
	g->names = arena_grow(lx->arena, g->names, g->names_n, sizeof(*g->names));
	g->names[g->names_n++] = name;
}

static void names(struct lexer *lx, struct notify_group *g)
{
	lexer_space(lx);
	if (!lexer_peek(lx, '(')) {
		add_name(lx, g);
		return;
	}
	bool on = lexer_list(lx);
	if (!on)
		lexer_fail(lx, "A mailbox is expected");
	for (; on; on = lexer_list_more(lx))
		add_name(lx, g);
}

/* Which events go together (RFC 5465 5, 6.1, 8). */
static void check(struct lexer *lx, const struct notify_request *n, const struct notify_group *g)
{
	const uint32_t both = EVENT_MESSAGE_NEW | EVENT_MESSAGE_EXPUNGE;
	if ((g->events & EVENTS_MESSAGE) && (g->events & both) != both)
		lexer_fail(lx, "MessageNew and MessageExpunge are needed together");
	if (!is_selected(g))
		return;
	if (g->events & EVENTS_MAILBOX)
		lexer_fail(lx, "This event is not one of the selected mailbox");
	for (size_t i = 0; i < n->groups_n; i++)
		if (is_selected(&n->groups[i]))
			lexer_fail(lx, "The selected mailbox is there twice");
}

static void group(struct lexer *lx, struct notify_request *n)
{
	static const char *const filters[] = {[NOTIFY_SELECTED] = "SELECTED", [NOTIFY_SELECTED_DELAYED] = "SELECTED-DELAYED",
					      [NOTIFY_INBOXES] = "INBOXES", [NOTIFY_PERSONAL] = "PERSONAL",
					      [NOTIFY_SUBSCRIBED] = "SUBSCRIBED", [NOTIFY_SUBTREE] = "SUBTREE",
					      [NOTIFY_MAILBOXES] = "MAILBOXES"};
	struct notify_group g = {0};
	lexer_expect(lx, '(', "A group of events is expected");
	struct span word = lexer_atom(lx);
	size_t i = 0;
	while (i < countof(filters) && !span_is(word, filters[i]))
		i++;
	if (i == countof(filters)) {
		lexer_fail(lx, "These mailboxes are not known");
		return;
	}
	g.filter = (enum notify_filter)i;
	if (g.filter == NOTIFY_SUBTREE || g.filter == NOTIFY_MAILBOXES)
		names(lx, &g);
	lexer_space(lx);
	events(lx, n, &g);
	lexer_expect(lx, ')', "A closing parenthesis is expected");
	check(lx, n, &g);
	n->groups = arena_grow(lx->arena, n->groups, n->groups_n, sizeof(*n->groups));
	n->groups[n->groups_n++] = g;
}

void parse_notify(struct lexer *lx, struct request *r)
{
	struct notify_request *n = &r->notify;
	lexer_space(lx);
	if (lexer_accept_word(lx, "NONE"))
		return;
	if (!lexer_accept_word(lx, "SET")) {
		lexer_fail(lx, "SET or NONE is expected");
		return;
	}
	n->set = true;
	lexer_space(lx);
	if (lexer_accept_word(lx, "STATUS")) {
		n->status = true;
		lexer_space(lx);
	}
	do
		group(lx, n);
	while (!lexer_failed(lx) && lexer_accept(lx, ' '));
}
