/* The directory of certificates: what is found in it, for which names, and what goes on when something in it is wrong. */
#include "server/certificate_watch.h"

#include "tests/unit/make_certificate.h"
#include "tests/unit/scratch_dir.h"

#include <time.h>

enum { MANY = 200 };

struct fixture {
	struct scratch_dir dir;
	struct certificates *all;
	SSL_CTX *context;
	EVP_PKEY *keys[2];
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	scratch_dir_create(&f->dir);
	f->all = certificates_create(f->dir.path, "mail.example.org");
	f->context = SSL_CTX_new(TLS_server_method());
	f->keys[0] = EVP_EC_gen("P-256");
	f->keys[1] = EVP_EC_gen("P-256");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	certificates_destroy(f->all);
	SSL_CTX_free(f->context);
	EVP_PKEY_free(f->keys[0]);
	EVP_PKEY_free(f->keys[1]);
	scratch_dir_destroy(&f->dir);
	free(f);
	return 0;
}

static const char *path(struct fixture *f, const char *name)
{
	return scratch_path(&f->dir, name);
}

/* The common name of what is shown to who asks for `host`, with a plus for each certificate of the chain behind it; "": nothing. */
static const char *shown(struct fixture *f, const char *host)
{
	static char said[200];
	SSL *ssl = SSL_new(f->context);
	said[0] = '\0';
	if (certificates_use(f->all, host, ssl)) {
		STACK_OF(X509) *chain = NULL;
		X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get_certificate(ssl)), NID_commonName, said, 100);
		SSL_get0_chain_certs(ssl, &chain);
		for (int i = 0; i < sk_X509_num(chain); i++)
			strcat(said, "+");
	}
	SSL_free(ssl);
	return said;
}

static void write_text(const char *at, const char *text)
{
	FILE *file = fopen(at, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void append_file(const char *to, const char *from)
{
	char text[10000];
	FILE *in = fopen(from, "r"), *out = fopen(to, "a");
	size_t n = fread(text, 1, sizeof(text), in);
	fwrite(text, 1, n, out);
	fclose(in);
	fclose(out);
}

/* Made anew, so that the times or the inode differ from those of before. */
static void make(struct fixture *f, const char *certificate, const char *key, const char *names, const char *cn, EVP_PKEY *pkey)
{
	char at[160], key_at[160];
	snprintf(at, sizeof(at), "%s", path(f, certificate));
	snprintf(key_at, sizeof(key_at), "%s", key && *key ? path(f, key) : "");
	unlink(at);
	make_certificate(&(struct made_certificate){
		.names = names, .common_name = cn, .certificate = at, .key = key ? key_at : NULL, .pkey = pkey});
}

static void test_found_by_content(void **state)
{
	struct fixture *f = *state;
	assert_false(certificates_scan(f->all)); /* nothing there */
	assert_string_equal(shown(f, NULL), "");
	make(f, "a.pem", NULL, "DNS:a.example", "a", NULL); /* in one file */
	make(f, "b.crt", "unlike.key", "DNS:b.example,DNS:www.b.example", "b", NULL);
	make(f, "c.pem", "c.key", "DNS:mail.example.org", "c", NULL);
	make(f, "d.pem", "d.key", NULL, "d.example", NULL); /* by its common name */
	make(f, ".hidden.pem", NULL, "DNS:hidden.example", "hidden", NULL);
	make(f, "old.pem.bak", NULL, "DNS:bak.example", "bak", NULL);
	mkdir(path(f, "sub"), 0700);
	make(f, "sub/fullchain.pem", "sub/privkey.pem", "DNS:sub.example", "sub", NULL);
	append_file(path(f, "sub/fullchain.pem"), path(f, "b.crt"));
	mkdir(path(f, "sub/deep"), 0700);
	make(f, "sub/deep/x.pem", NULL, "DNS:deep.example", "deep", NULL);
	write_text(path(f, "README.pem.txt"), "nothing\n");
	assert_true(certificates_scan(f->all));
	assert_int_equal(certificates_count(f->all), 5);
	assert_string_equal(shown(f, "a.example"), "a");
	assert_string_equal(shown(f, "A.Example."), "a");
	assert_string_equal(shown(f, "www.b.example"), "b");
	assert_string_equal(shown(f, "d.example"), "d.example");
	assert_string_equal(shown(f, "sub.example"), "sub+");
	assert_string_equal(shown(f, "hidden.example"), "c");
	assert_string_equal(shown(f, "bak.example"), "c");
	assert_string_equal(shown(f, "deep.example"), "c");
	assert_string_equal(shown(f, NULL), "c"); /* that of the host name */
	assert_string_equal(certificates_directory_at(f->all, 0), f->dir.path);
	assert_string_equal(certificates_directory_at(f->all, 1), path(f, "sub"));
	assert_null(certificates_directory_at(f->all, 2));
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	make(f, "1.pem", NULL, "DNS:*.example.org", "wild", NULL);
	make(f, "2.pem", NULL, "DNS:mail.example.org,DNS:MAIL.example.net", "exact", NULL);
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "mail.example.org"), "exact");
	assert_string_equal(shown(f, "MAIL.EXAMPLE.NET"), "exact");
	assert_string_equal(shown(f, "imap.example.org"), "wild");
	assert_string_equal(shown(f, "a.b.example.org"), "exact"); /* one label only (RFC 6125 6.4.3): the standard one */
	assert_string_equal(shown(f, "example.org"), "exact");
	assert_string_equal(shown(f, "*.example.org"), "wild");
	assert_string_equal(shown(f, ".example.org"), "exact");
	assert_string_equal(shown(f, ""), "exact");
	char longest[400];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(shown(f, longest), "exact");
}

/* Of two for a name: valid before not valid, newer before older, the longer chain. */
static void test_choice(void **state)
{
	struct fixture *f = *state;
	struct made_certificate m = {.names = "DNS:a.example", .pkey = f->keys[0], .key = ""};
	make(f, "key.key", NULL, "DNS:key.example", "key", f->keys[0]);
	m.certificate = path(f, "1.pem"), m.common_name = "older", m.age_s = 1000;
	make_certificate(&m);
	m.certificate = path(f, "2.pem"), m.common_name = "newer", m.age_s = 500;
	make_certificate(&m);
	m.certificate = path(f, "3.pem"), m.common_name = "expired", m.age_s = 100, m.left_s = -50;
	make_certificate(&m);
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "newer");
	m.certificate = path(f, "4.pem"), m.common_name = "chained", m.age_s = 500, m.left_s = 0;
	make_certificate(&m);
	append_file(path(f, "4.pem"), path(f, "1.pem"));
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "chained+"); /* made in the same second as "newer", or after it */
}

static const X509 *authority_shown(struct fixture *f, const char *host)
{
	SSL *ssl = SSL_new(f->context);
	STACK_OF(X509) *chain = NULL;
	assert_true(certificates_use(f->all, host, ssl));
	SSL_get0_chain_certs(ssl, &chain);
	assert_int_equal(sk_X509_num(chain), 1);
	const X509 *authority = sk_X509_value(chain, 0);
	SSL_free(ssl);
	return authority;
}

/* Thousands of files end with the same authority, which is in memory once. */
static void test_authorities_are_shared(void **state)
{
	struct fixture *f = *state;
	X509 *one = sign_certificate(&(struct made_certificate){.common_name = "One"}, f->keys[0]);
	X509 *two = sign_certificate(&(struct made_certificate){.common_name = "Two"}, f->keys[0]);
	make_certificate(&(struct made_certificate){.names = "DNS:a.example", .certificate = path(f, "a.pem"), .authority = one});
	make_certificate(&(struct made_certificate){.names = "DNS:b.example", .certificate = path(f, "b.pem"), .authority = one});
	make_certificate(&(struct made_certificate){.names = "DNS:c.example", .certificate = path(f, "c.pem"), .authority = two});
	X509_free(one);
	X509_free(two);
	assert_true(certificates_scan(f->all));
	assert_ptr_equal(authority_shown(f, "a.example"), authority_shown(f, "b.example"));
	assert_ptr_not_equal(authority_shown(f, "a.example"), authority_shown(f, "c.example"));
	for (int i = 0; i < 300; i++) { /* more than are remembered */
		X509 *more = sign_certificate(&(struct made_certificate){.common_name = "More", .age_s = 100 + i}, f->keys[0]);
		make_certificate(&(struct made_certificate){.names = "DNS:d.example", .certificate = path(f, "d.pem"), .authority = more,
								   .pkey = f->keys[1]});
		X509_free(more);
		assert_true(certificates_scan(f->all));
	}
	assert_string_equal(shown(f, "a.example"), "DNS:a.example+");
	assert_string_equal(shown(f, "d.example"), "DNS:d.example+");
}

/* One of RSA and one of ECDSA: both are there for the client to choose. */
static void test_two_kinds_of_keys(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	make(f, "1.pem", NULL, "DNS:a.example", "ec", NULL);
	make(f, "2.pem", NULL, "DNS:a.example", "rsa", rsa);
	EVP_PKEY_free(rsa);
	assert_true(certificates_scan(f->all));
	SSL *ssl = SSL_new(f->context);
	assert_true(certificates_use(f->all, "a.example", ssl));
	int kinds = 0;
	for (long on = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); on; on = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT))
		kinds++;
	assert_int_equal(kinds, 2);
	SSL_free(ssl);
}

static void test_old_one_goes_on(void **state)
{
	struct fixture *f = *state;
	make(f, "a.pem", "a.key", "DNS:a.example", "one", f->keys[0]);
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "one");
	write_text(path(f, "a.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n"); /* half of it */
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "one");
	write_text(path(f, "a.pem"), "");
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "one");
	make(f, "a.pem", "", "DNS:a.example", "two", f->keys[1]); /* the old key is still there */
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "one");
	write_text(path(f, "a.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "one");
	make(f, "a.pem", "a.key", "DNS:a.example", "two", f->keys[1]); /* and now the pair is whole */
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "two");
	unlink(path(f, "a.pem"));
	make_certificate(&(struct made_certificate){.names = "DNS:a.example", .common_name = "expired", .certificate = path(f, "a.pem"),
						    .key = "", .pkey = f->keys[1], .age_s = 200, .left_s = -100});
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "two");
	unlink(path(f, "a.key")); /* it goes on without */
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "two");
	unlink(path(f, "a.pem")); /* nothing is left: as if the directory could not be read */
	assert_false(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "two");
	make(f, "b.pem", NULL, "DNS:b.example", "three", NULL);
	assert_true(certificates_scan(f->all));
	assert_string_equal(shown(f, "a.example"), "three"); /* gone for good */
}

static void test_unusable(void **state)
{
	struct fixture *f = *state;
	make(f, "good.pem", NULL, "DNS:good.example", "good", NULL);
	make(f, "alone.pem", "", "DNS:alone.example", "alone", NULL);
	make_certificate(&(struct made_certificate){.names = "DNS:locked.example", .certificate = path(f, "locked.pem"),
						    .key = path(f, "locked.key"), .passphrase = "secret"});
	EVP_PKEY *weak = EVP_RSA_gen(512);
	if (weak)
		make(f, "weak.pem", NULL, "DNS:weak.example", "weak", weak);
	EVP_PKEY_free(weak);
	make_certificate(&(struct made_certificate){.names = "DNS:late.example", .common_name = "late", .certificate = path(f, "late.pem"),
						    .age_s = 200, .left_s = -100});
	assert_int_equal(mkfifo(path(f, "fifo.pem"), 0600), 0);
	assert_int_equal(symlink("nowhere", path(f, "dangling.pem")), 0);
	write_text(path(f, "huge.pem"), "");
	assert_int_equal(truncate(path(f, "huge.pem"), 2 << 20), 0);
	assert_true(certificates_scan(f->all));
	assert_int_equal(certificates_count(f->all), 2);
	assert_string_equal(shown(f, "alone.example"), "good");
	assert_string_equal(shown(f, "locked.example"), "good");
	assert_string_equal(shown(f, "weak.example"), "good");
	assert_string_equal(shown(f, "late.example"), "late"); /* better than another one's: the client says what is wrong */
}

/* As certbot keeps them: links in live/NAME to files in archive/NAME, replaced one after the other. */
static void test_links(void **state)
{
	struct fixture *f = *state;
	mkdir(path(f, "live"), 0700);
	mkdir(path(f, "archive"), 0700);
	mkdir(path(f, "live/a"), 0700);
	struct certificates *all = certificates_create(path(f, "live"), "x");
	struct certificates *before = f->all;
	f->all = all;
	make(f, "archive/cert1.pem", "archive/key1.pem", "DNS:a.example", "one", NULL);
	make(f, "archive/cert2.pem", "archive/key2.pem", "DNS:a.example", "two", NULL);
	assert_int_equal(symlink("../../archive/cert1.pem", path(f, "live/a/fullchain.pem")), 0);
	assert_int_equal(symlink("../../archive/key1.pem", path(f, "live/a/privkey.pem")), 0);
	assert_true(certificates_scan(all));
	assert_string_equal(shown(f, "a.example"), "one");
	assert_int_equal(unlink(path(f, "live/a/fullchain.pem")), 0);
	assert_int_equal(symlink("../../archive/cert2.pem", path(f, "live/a/fullchain.pem")), 0);
	assert_true(certificates_scan(all));
	assert_string_equal(shown(f, "a.example"), "one");
	assert_int_equal(unlink(path(f, "live/a/privkey.pem")), 0);
	assert_int_equal(symlink("../../archive/key2.pem", path(f, "live/a/privkey.pem")), 0);
	assert_true(certificates_scan(all));
	assert_string_equal(shown(f, "a.example"), "two");
	certificates_destroy(all);
	f->all = before;
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double use_s(struct fixture *f, size_t n)
{
	SSL *ssl = SSL_new(f->context);
	double start = cpu_s();
	for (size_t i = 0; i < 2000; i++) {
		char host[64];
		snprintf(host, sizeof(host), "mail.d%zu.example", i * 7 % n);
		assert_true(certificates_use(f->all, host, ssl));
	}
	SSL_free(ssl);
	return cpu_s() - start;
}

static void make_many(struct fixture *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		char file[64], key[64], names[100], cn[32];
		snprintf(file, sizeof(file), "d%zu.pem", i);
		snprintf(key, sizeof(key), "d%zu.key", i);
		snprintf(names, sizeof(names), "DNS:d%zu.example,DNS:mail.d%zu.example", i, i);
		snprintf(cn, sizeof(cn), "d%zu", i);
		make(f, file, key, names, cn, f->keys[i % 2]);
	}
}

/* A few of what a provider has, who is in the clients' test: the bounds are in the processor's time, and leave room for what sanitizers cost. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	make_many(f, 0, 1);
	assert_true(certificates_scan(f->all));
	double with_one_s = use_s(f, 1);
	make_many(f, 1, MANY);
	double start = cpu_s();
	assert_true(certificates_scan(f->all));
	double load_s = cpu_s() - start;
	assert_int_equal(certificates_count(f->all), MANY);
	assert_string_equal(shown(f, "mail.d199.example"), "d199");
	double with_many_s = use_s(f, MANY);
	make(f, "d77.pem", "d77.key", "DNS:d77.example", "new", f->keys[0]);
	start = cpu_s();
	assert_true(certificates_scan(f->all));
	double again_s = cpu_s() - start;
	assert_string_equal(shown(f, "d77.example"), "new");
	print_message("%d certificates: load %.0f ms, look again %.0f ms, choose one %.1f us (of one: %.1f us)\n", MANY, load_s * 1e3,
		      again_s * 1e3, with_many_s / 2000 * 1e6, with_one_s / 2000 * 1e6);
	assert_true(load_s < 2);
	assert_true(again_s < load_s / 2);
	assert_true(with_many_s < with_one_s * 10 + 0.02);
}

struct watching {
	struct fixture *f;
	struct certificate_watch *watch;
	uv_timer_t poll;
	const char *host, *expected;
	uint64_t start_ms, waited_ms;
};

static void on_poll(uv_timer_t *timer)
{
	struct watching *w = timer->data;
	w->waited_ms = uv_now(timer->loop) - w->start_ms;
	if (strcmp(shown(w->f, w->host), w->expected) == 0 || w->waited_ms > 20000)
		uv_stop(timer->loop);
}

/* Runs the loop until `expected` is shown for `host`; it is to take a second where a processor is free. */
static void wait_for(uv_loop_t *loop, struct watching *w, const char *host, const char *expected)
{
	uv_update_time(loop);
	w->host = host;
	w->expected = expected;
	w->start_ms = uv_now(loop);
	uv_timer_start(&w->poll, on_poll, 0, 10);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_timer_stop(&w->poll);
	assert_string_equal(shown(w->f, host), expected);
	assert_true(w->waited_ms < 5000);
}

static void test_watch(void **state)
{
	struct fixture *f = *state;
	uv_loop_t loop;
	struct watching w = {.f = f};
	assert_int_equal(uv_loop_init(&loop), 0);
	make(f, "a.pem", NULL, "DNS:a.example", "one", NULL);
	mkdir(path(f, "b"), 0700);
	assert_true(certificates_scan(f->all));
	w.watch = certificate_watch_start(&loop, f->all, NULL, NULL);
	uv_timer_init(&loop, &w.poll);
	w.poll.data = &w;
	make(f, "new.pem.part", NULL, "DNS:a.example", "renamed", NULL);
	assert_int_equal(rename(path(f, "new.pem.part"), path(f, "a.pem")), 0);
	wait_for(&loop, &w, "a.example", "renamed");
	make(f, "b/fullchain.pem", "b/privkey.pem", "DNS:b.example", "below", NULL);
	wait_for(&loop, &w, "b.example", "below");
	mkdir(path(f, "c"), 0700); /* new directories are watched as well */
	make(f, "c/x.pem", NULL, "DNS:c.example", "c one", NULL);
	wait_for(&loop, &w, "c.example", "c one");
	make(f, "c/x.pem", NULL, "DNS:c.example", "c two", NULL);
	wait_for(&loop, &w, "c.example", "c two");
	mkdir(path(f, "next"), 0700); /* one takes the place of another, and is watched in its place */
	make(f, "next/x.pem", NULL, "DNS:c.example", "c three", NULL);
	assert_int_equal(rename(path(f, "c"), path(f, ".gone")), 0);
	assert_int_equal(rename(path(f, "next"), path(f, "c")), 0);
	wait_for(&loop, &w, "c.example", "c three");
	make(f, "c/x.pem", NULL, "DNS:c.example", "c four", NULL);
	wait_for(&loop, &w, "c.example", "c four");
	unlink(path(f, "c/x.pem"));
	wait_for(&loop, &w, "c.example", "renamed"); /* the standard one */
	certificate_watch_look(w.watch);
	certificate_watch_stop(w.watch);
	uv_close((uv_handle_t *)&w.poll, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found_by_content, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_choice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_authorities_are_shared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_kinds_of_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old_one_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unusable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
