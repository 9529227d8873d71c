#include "server/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { WORD_MAX = 64, MAPPED_BITS = 96 };

static void map_v4(const void *v4, struct network_address *out)
{
	*out = (struct network_address){{0}};
	out->bytes[10] = out->bytes[11] = 0xff;
	memcpy(out->bytes + 12, v4, 4);
}

static bool parse_address(const char *text, struct network_address *out, bool *is_v4)
{
	struct in_addr v4;
	*is_v4 = inet_pton(AF_INET, text, &v4) == 1;
	if (!*is_v4)
		return inet_pton(AF_INET6, text, out->bytes) == 1;
	map_v4(&v4, out);
	return true;
}

bool network_address_parse(const char *text, struct network_address *out)
{
	bool is_v4;
	return parse_address(strcmp(text, "local") == 0 ? "127.0.0.1" : text, out, &is_v4);
}

void network_address_of(const struct sockaddr *from, struct network_address *out)
{
	static const unsigned char loopback[4] = {127, 0, 0, 1};
	if (from->sa_family == AF_INET)
		map_v4(&((const struct sockaddr_in *)from)->sin_addr, out);
	else if (from->sa_family == AF_INET6)
		memcpy(out->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof(out->bytes));
	else
		map_v4(loopback, out);
}

static bool parse_bits(const char *text, unsigned max, unsigned *out)
{
	*out = 0;
	if (!*text || strlen(text) > 3)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*out = *out * 10 + (unsigned)(*text - '0');
	}
	return *out <= max;
}

static bool parse_network(char *word, struct network *out)
{
	char *slash = strchr(word, '/');
	bool is_v4;
	if (slash)
		*slash = '\0';
	if (!parse_address(word, &out->address, &is_v4))
		return false;
	unsigned max = is_v4 ? 32 : 128;
	out->bits = max;
	if (slash && !parse_bits(slash + 1, max, &out->bits))
		return false;
	out->bits += is_v4 ? MAPPED_BITS : 0;
	return true;
}

bool networks_parse(const char *text, struct networks *out, const char **wrong)
{
	out->n = 0;
	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		size_t len = strcspn(text, " ,");
		char word[WORD_MAX];
		bool fits = len < sizeof(word) && out->n < NETWORKS_MAX;
		snprintf(word, sizeof(word), "%.*s", fits ? (int)len : 0, text);
		if (!fits || !parse_network(word, &out->each[out->n])) {
			if (wrong)
				*wrong = text;
			return false;
		}
		out->n++;
		text += len;
	}
	return true;
}

static bool has(const struct network *n, const struct network_address *a)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	if (memcmp(n->address.bytes, a->bytes, whole) != 0)
		return false;
	return rest == 0 || ((n->address.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

bool networks_have(const struct networks *list, const struct network_address *address)
{
	for (size_t i = 0; i < list->n; i++)
		if (has(&list->each[i], address))
			return true;
	return false;
}
