/* The table of options, the files written from it, and what is said about a configuration that is wrong. */
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

/* What `config` (the text of a file) makes config_read() print; NULL when it is taken.  Caller frees. */
static char *read_text(const char *config, struct config *out)
{
	char path[] = "/tmp/roost-config-XXXXXX", *said = NULL;
	size_t said_len = 0;
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, config, strlen(config)) == (ssize_t)strlen(config));
	close(fd);
	FILE *kept = stderr;
	stderr = open_memstream(&said, &said_len);
	bool ok = config_read(path, out);
	fclose(stderr);
	stderr = kept;
	unlink(path);
	/* The message starts with the file's name, which differs each time. */
	char *colon = strstr(said, path);
	if (ok) {
		assert_string_equal(said, "");
		free(said);
		return NULL;
	}
	assert_non_null(colon);
	memmove(said, colon + strlen(path), strlen(colon + strlen(path)) + 1);
	return said;
}

static void test_wrong_files(void **state)
{
	static const struct {
		const char *config, *said;
	} cases[] = {
		{"", ": store must be given\n"},
		{"store = \"\"", ": store must be given\n"},
		{"store = \"/x\"\nloops = 65\n", ":2: loops = \"65\": a number from 0 to 64 is expected\n"},
		{"store = \"/x\"\n\nloops = many\n", ":3: loops = \"many\": a number from 0 to 64 is expected\n"},
		{"store = \"/x\"\nworkers = 1x\n", ":2: workers = \"1x\": a number from 0 to 1024 is expected\n"},
		{"store = \"/x\"\nmessage_bytes_max = 99999999999999999999\n",
		 ":2: message_bytes_max = \"99999999999999999999\": a number from 1024 to 2147483647 is expected\n"},
		{"store = \"/x\"\nfsync = \"never\"\n", ":2: fsync = \"never\": messages or always is expected\n"},
		{"store = \"/x\"\nlisten { protocol = \"pop3\" }\n", ":2: protocol = \"pop3\": imap, imaps or lmtp is expected\n"},
		{"store = \"/x\"\nlisten { capabilities_off = \"UIDONLY UIDONLI\" }\n",
		 ":2: capabilities_off: \"UIDONLI\" is no capability that can be left out\n"},
		{"store = \"/x\"\nlisten { capabilities_off = \"imap4rev1\" }\n",
		 ":2: capabilities_off: \"imap4rev1\" is no capability that can be left out\n"},
		{"store = \"/x\"\nlisten { cleartext_login = yes }\n",
		 ":2: cleartext_login = \"yes\": true or false is expected\n"},
		{"store = \"/x\"\nlisten { port = 65536 }\n", ":2: port = \"65536\": a number from 0 to 65535 is expected\n"},
		{"store = \"/x\"\nlisten { address = \"localhost\" }\n",
		 ":2: listen: address = \"localhost\": an IPv4 or IPv6 address is expected\n"},
		{"store = \"/x\"\nlisten { protocol = \"imaps\" }\n", ":2: listen: imaps needs certificates; the option of that name says where they are\n"},
		{"store = \"/x\"\ntls { key = \"/k\" }\n",
		 ":2: no such option 'tls' (roost.conf(5) tells what may stand here)\n"},
		{"store = \"/x\"\nlisten { default_domain = \"a@b\" }\n",
		 ":2: default_domain = \"a@b\": the name of a domain is expected\n"},
		{"store = \"/x\"\nauth { backend = \"sql\" }\n", ": sasl_config must be given where sql or ldapdb verifies passwords\n"},
		{"store = \"/x\"\ncolour = 1\n", ":2: no such option 'colour' (roost.conf(5) tells what may stand here)\n"},
		{"store = \"/x\"\nlisten { colour = 1 }\n",
		 ":2: no such option 'colour' (roost.conf(5) tells what may stand here)\n"},
		{"store = \"/x\"\nlisten { port = 0 }\nlisten { port = 1", ":3: a closing brace or quote is expected before the end of the file\n"},
		{"store = \"/x\"\nlisten {\n\tport = 0\n", ":4: a closing brace or quote is expected before the end of the file\n"},
		{"store = \"/x\"\nlisten { port = 0 }\n/* more", ":5: */ is expected before the end of the file\n"},
		{"store = \"/x\"\nlisten { port = 0 }\n\"more", ":4: no such option 'more\n' (roost.conf(5) tells what may stand here)\n"},
		{"store = \"/x\"\nlisten { port = 0 }\nhostname = \"x", ":3: a closing quote is expected before the end of the file\n"},
		{"store = \"/x\"\nquota { size = 1 }\n", ":2: no such option 'quota' (roost.conf(5) tells what may stand here)\n"},
	};
	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct config c;
		char *said = read_text(cases[i].config, &c);
		assert_non_null(said);
		assert_string_equal(said, cases[i].said);
		free(said);
		config_finish(&c);
	}
}

static void test_missing_file(void **state)
{
	(void)state;
	struct config c;
	assert_false(config_read("/nowhere/roost.conf", &c));
	config_finish(&c);
}

static void test_values(void **state)
{
	(void)state;
	struct config c;
	assert_null(read_text("store = \"/var/x\" loops = 3 fsync = always hostname = mail.example.org\n"
			      "listen { protocol = imaps address = \"::1\" }\n"
			      "listen { port = 1143 cleartext_login = true }\n"
			      "listen { protocol = lmtp path = \"/run/x\" }\n"
			      "certificates = \"/etc/roost/certificates\"\n",
			      &c));
	assert_string_equal(c.store, "/var/x");
	assert_string_equal(c.hostname, "mail.example.org");
	assert_string_equal(c.admin_socket, "/var/x/admin.sock");
	assert_int_equal(c.loops, 3);
	assert_true(c.workers >= 20 && c.auth_threads >= 1);
	assert_int_equal(c.fsync, FSYNC_ALWAYS);
	assert_int_equal(c.message_bytes_max, 256L << 20);
	assert_int_equal(c.listens_n, 3);
	assert_int_equal(c.listens[0].protocol, PROTOCOL_IMAPS);
	assert_int_equal(c.listens[0].port, 993);
	assert_false(c.listens[0].cleartext_login);
	assert_string_equal(c.listens[1].address, "127.0.0.1");
	assert_int_equal(c.listens[1].port, 1143);
	assert_true(c.listens[1].cleartext_login);
	assert_null(c.listens[1].path);
	assert_string_equal(c.listens[2].path, "/run/x");
	assert_string_equal(c.certificates, "/etc/roost/certificates");
	config_finish(&c);
	assert_null(read_text("store = \"/x\"\nlisten { literal_minus = true capabilities_off = \"UIDONLY metadata\" }\n", &c));
	assert_null(c.certificates);
	assert_true(c.listens[0].literal_minus);
	assert_string_equal(c.listens[0].capabilities_off, "UIDONLY metadata");
	assert_null(config_auth(&c, "example.org"));
	config_finish(&c);
	assert_null(read_text("store = \"/x\"\ndefault_domain = \"Example.org\"\n"
			      "auth { who = \"example.org\" backend = \"directory\" }\n"
			      "auth { backend = \"saslauthd\" socket = \"/run/mux\" }\n",
			      &c));
	assert_int_equal(config_auth(&c, "EXAMPLE.ORG")->backend, AUTH_BACKEND_DIRECTORY);
	assert_int_equal(config_auth(&c, "example.net")->backend, AUTH_BACKEND_SASLAUTHD);
	assert_string_equal(config_auth(&c, "example.net")->socket, "/run/mux");
	assert_true(config_uses_backend(&c, AUTH_BACKEND_SASLAUTHD));
	assert_false(config_uses_backend(&c, AUTH_BACKEND_SQL));
	config_finish(&c);
}

/* Every row: its standard value is one it takes, and no name is there twice. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_options_n; i++) {
		const struct option *o = &config_options[i];
		union {
			struct config config;
			struct listen_config listen;
			struct auth_config auth;
		} base;
		if (o->standard)
			assert_true(option_store(o, o->standard, &base));
		assert_true(o->help[strlen(o->help) - 1] == '.');
		for (size_t k = 0; k < i; k++)
			assert_false(strcmp(o->name, config_options[k].name) == 0 && o->section == config_options[k].section);
	}
}

/* Whole: what somebody writes there by hand would be gone the next time. */
static void assert_file_is(const char *path, const struct buf *text)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	char *all = xcalloc(1, 1 << 20);
	size_t n = fread(all, 1, (1 << 20) - 1, f);
	fclose(f);
	if (n != text->len || memcmp(all, text->data, n) != 0)
		fail_msg("%s is not what the table of options says; \"roost config example\" and \"roost config man\" write it", path);
	free(all);
}

static void test_files(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 1 << 20);
	config_write_example(&text);
	assert_file_is("config.example", &text);
	buf_reset(&text);
	config_write_man(&text);
	assert_file_is("docs/man/roost.conf.5", &text);
	buf_finish(&text);
	struct config c;
	assert_true(config_read("config.example", &c));
	assert_int_equal(c.listens_n, 2);
	config_finish(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_files), cmocka_unit_test(test_missing_file), cmocka_unit_test(test_values),
		cmocka_unit_test(test_table),       cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
