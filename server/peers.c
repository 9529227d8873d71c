#include "server/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <uthash.h>
#include <uv.h>

struct peer {
	struct peer_key key;
	size_t n;
	UT_hash_handle hh;
};

struct peers {
	uv_mutex_t mutex;
	struct peers_limits limits;
	size_t all, strangers;
	struct peer *by_key;
};

struct peer_key peer_key_of(const struct sockaddr *address)
{
	struct peer_key key = {{0}};
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;
		if (ntohl(in->sin_addr.s_addr) >> 24 == 127)
			return key;
		key.bytes[10] = key.bytes[11] = 0xff; /* ::ffff:a.b.c.d */
		memcpy(key.bytes + 12, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			memcpy(key.bytes, &in6->sin6_addr, 16);
		else if (!IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr))
			memcpy(key.bytes, &in6->sin6_addr, 8);
	}
	return key;
}

static bool is_local(const struct peer_key *key)
{
	static const struct peer_key local;
	return memcmp(key, &local, sizeof(local)) == 0;
}

struct peers *peers_create(const struct peers_limits *limits)
{
	struct peers *peers = xcalloc(1, sizeof(*peers));
	peers->limits = *limits;
	invariant(uv_mutex_init(&peers->mutex) == 0);
	return peers;
}

void peers_destroy(struct peers *peers)
{
	if (!peers)
		return;
	invariant(peers->all == 0 && !peers->by_key);
	uv_mutex_destroy(&peers->mutex);
	free(peers);
}

static enum peers_answer enter_address(struct peers *peers, const struct peer_key *key)
{
	struct peer *peer;
	HASH_FIND(hh, peers->by_key, key, sizeof(*key), peer);
	if (peer && peer->n >= peers->limits.address)
		return PEERS_TOO_MANY_FROM_ADDRESS;
	if (!peer) {
		peer = xcalloc(1, sizeof(*peer));
		peer->key = *key;
		HASH_ADD(hh, peers->by_key, key, sizeof(*key), peer);
	}
	peer->n++;
	return PEERS_WELCOME;
}

enum peers_answer peers_enter(struct peers *peers, struct peer_key key)
{
	enum peers_answer answer = PEERS_WELCOME;
	uv_mutex_lock(&peers->mutex);
	if (peers->all >= peers->limits.all)
		answer = PEERS_TOO_MANY;
	else if (peers->strangers >= peers->limits.strangers)
		answer = PEERS_TOO_MANY_STRANGERS;
	else if (!is_local(&key))
		answer = enter_address(peers, &key);
	if (answer == PEERS_WELCOME) {
		peers->all++;
		peers->strangers++;
	}
	uv_mutex_unlock(&peers->mutex);
	return answer;
}

static void leave_address(struct peers *peers, const struct peer_key *key)
{
	struct peer *peer;
	if (is_local(key))
		return;
	HASH_FIND(hh, peers->by_key, key, sizeof(*key), peer);
	invariant(peer && peer->n > 0);
	if (--peer->n == 0) {
		HASH_DEL(peers->by_key, peer);
		free(peer);
	}
}

enum peers_answer peers_move(struct peers *peers, struct peer_key from, struct peer_key to)
{
	uv_mutex_lock(&peers->mutex);
	enum peers_answer answer = is_local(&to) ? PEERS_WELCOME : enter_address(peers, &to);
	if (answer == PEERS_WELCOME)
		leave_address(peers, &from);
	uv_mutex_unlock(&peers->mutex);
	return answer;
}

void peers_admit(struct peers *peers)
{
	uv_mutex_lock(&peers->mutex);
	invariant(peers->strangers > 0);
	peers->strangers--;
	uv_mutex_unlock(&peers->mutex);
}

void peers_leave(struct peers *peers, struct peer_key key, bool admitted)
{
	uv_mutex_lock(&peers->mutex);
	invariant(peers->all > 0 && (admitted || peers->strangers > 0));
	peers->all--;
	peers->strangers -= !admitted;
	leave_address(peers, &key);
	uv_mutex_unlock(&peers->mutex);
}

size_t peers_count(struct peers *peers, enum peers_what what)
{
	uv_mutex_lock(&peers->mutex);
	size_t n = what == PEERS_ALL ? peers->all : peers->strangers;
	uv_mutex_unlock(&peers->mutex);
	return n;
}

const char *peers_answer_text(enum peers_answer answer)
{
	switch (answer) {
	case PEERS_WELCOME: return "welcome";
	case PEERS_TOO_MANY: return "too many connections";
	case PEERS_TOO_MANY_STRANGERS: return "too many connections that have not logged in";
	case PEERS_TOO_MANY_FROM_ADDRESS: return "too many connections from this address";
	}
	return "";
}
