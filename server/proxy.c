#include "server/proxy.h"

#include "protocol/proxy.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/server.h"

#include <netinet/in.h>

static void on_accept(struct conn *c)
{
	c->idle_s = LIMIT_PROXY_S;
}

static void refuse(struct conn *c, const char *reason)
{
	conn_note_end(c, reason);
	log_event(LOG_WARNING, "connection_refused", log_text("peer", c->peer.text), log_text("reason", reason));
	conn_close(c);
}

/* From here on the client is the peer; false: it may not be. */
static bool set_peer(struct conn *c, const struct proxy_header *header)
{
	struct sockaddr_in6 source = {.sin6_family = AF_INET6};
	struct server *server = c->loop->server;
	struct conn_peer peer;
	memcpy(&source.sin6_addr, header->source, sizeof(header->source));
	listener_describe(&peer, (const struct sockaddr *)&source, &server->config.trusted);
	enum peers_answer answer = peers_move(server->peers, c->peer.key, peer.key);
	if (answer != PEERS_WELCOME) {
		refuse(c, peers_answer_text(answer));
		return false;
	}
	c->peer = peer;
	return true;
}

static void on_data(struct conn *c)
{
	struct proxy_header header;
	switch (proxy_parse(buf_span(&c->in), &header)) {
	case PROXY_MORE:
		if (conn_peer_ended(c))
			conn_close(c);
		return;
	case PROXY_BAD:
		refuse(c, "no PROXY header");
		return;
	case PROXY_WHOLE:
		break;
	}
	if (!header.has_source || set_peer(c, &header))
		conn_hand_over(c, c->loop->server->users[c->listener->protocol], header.size);
}

static void on_drained(struct conn *c)
{
	(void)c;
}

static void on_ending(struct conn *c, enum conn_end why)
{
	(void)c, (void)why;
}

static void on_closed(struct conn *c)
{
	(void)c;
}

const struct conn_user proxy_user = {on_accept, on_data, on_drained, on_ending, on_closed, NULL};
