/* The limits on connections: in all, of strangers, from one address. */
#include "server/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct peer_key key_of(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return peer_key_of((struct sockaddr *)&in);
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return peer_key_of((struct sockaddr *)&in6);
}

static bool same(const char *a, const char *b)
{
	struct peer_key x = key_of(a), y = key_of(b);
	return memcmp(&x, &y, sizeof(x)) == 0;
}

static void test_keys(void **state)
{
	(void)state;
	assert_true(same("127.0.0.1", "::1"));
	assert_true(same("192.0.2.1", "::ffff:192.0.2.1"));
	assert_false(same("192.0.2.1", "192.0.2.2"));
	assert_true(same("2001:db8::1", "2001:db8::ffff:1"));
	assert_false(same("2001:db8::1", "2001:db8:0:1::1"));
}

static void test_limits(void **state)
{
	(void)state;
	struct peers *p = peers_create(&(struct peers_limits){.all = 5, .address = 2, .strangers = 3});
	struct peer_key a = key_of("192.0.2.1"), b = key_of("192.0.2.2"), local = key_of("127.0.0.1");
	assert_int_equal(peers_enter(p, a), PEERS_WELCOME);
	assert_int_equal(peers_enter(p, a), PEERS_WELCOME);
	assert_int_equal(peers_enter(p, a), PEERS_TOO_MANY_FROM_ADDRESS);
	assert_int_equal(peers_enter(p, b), PEERS_WELCOME);
	assert_int_equal(peers_enter(p, local), PEERS_TOO_MANY_STRANGERS);
	for (int i = 0; i < 3; i++)
		peers_admit(p);
	assert_int_equal(peers_enter(p, local), PEERS_WELCOME);
	assert_int_equal(peers_enter(p, local), PEERS_WELCOME);
	assert_int_equal(peers_enter(p, local), PEERS_TOO_MANY);
	peers_leave(p, a, true);
	assert_int_equal(peers_enter(p, a), PEERS_WELCOME);
	peers_leave(p, a, false);
	peers_leave(p, a, true);
	peers_leave(p, b, true);
	peers_leave(p, local, false);
	peers_leave(p, local, false);
	peers_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
