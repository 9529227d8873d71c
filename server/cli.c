#include "server/cli.h"

#include "server/auth.h"
#include "server/config.h"
#include "server/deliver.h"
#include "server/server.h"
#include "storage/account.h"
#include "storage/directory.h"

#include <openssl/rand.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *config, *password;
	bool cheap;
	long first, count;
	const char *words[4];
	int words_n;
};

static int usage(void)
{
	fprintf(stderr, "usage: roost serve -c FILE\n"
			"       roost domain add|list -c FILE [DOMAIN]\n"
			"       roost user add|list -c FILE [--password P] [--cheap] [ADDRESS]\n"
			"       roost deliver -c FILE ADDRESS < MESSAGE\n");
	return 2;
}

static bool read_options(int argc, char **argv, struct options *o)
{
	*o = (struct options){.config = "/etc/roost/roost.conf", .first = 1};
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "--cheap") == 0)
			o->cheap = true;
		else if (next && strcmp(argv[i], "-c") == 0)
			o->config = argv[++i];
		else if (next && strcmp(argv[i], "--password") == 0)
			o->password = argv[++i];
		else if (next && strcmp(argv[i], "--first") == 0)
			o->first = strtol(argv[++i], NULL, 10);
		else if (next && strcmp(argv[i], "--count") == 0)
			o->count = strtol(argv[++i], NULL, 10);
		else if (argv[i][0] != '-' && o->words_n < 4)
			o->words[o->words_n++] = argv[i];
		else
			return false;
	}
	return o->words_n > 0;
}

static int complain(const char *what, enum store_err err)
{
	static const char *const texts[] = {[STORE_NOTFOUND] = "not found", [STORE_EXISTS] = "exists already",
					    [STORE_BUSY] = "the store is open in another roost; stop it first",
					    [STORE_FOREIGN] = "not a file this version can read",
					    [STORE_IO] = "the store failed"};
	fprintf(stderr, "roost: %s: %s\n", what, err < countof(texts) && texts[err] ? texts[err] : "failed");
	return 1;
}

static enum store_err add_user(struct directory *d, const char *address, const char *hash)
{
	unsigned char random[16];
	char id[40];
	invariant(RAND_bytes(random, sizeof(random)) == 1);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(id + i * 2, 3, "%02x", random[i]);
	return directory_user_add(d, address, id, hash);
}

static int user_add(struct directory *d, const struct options *o)
{
	const char *address = o->words[2], *at = address ? strrchr(address, '@') : NULL;
	char hash[256], line[256];
	if (!at)
		return usage();
	const char *password = o->password;
	if (!password) {
		if (!fgets(line, sizeof(line), stdin))
			return complain("a password is expected on standard input", STORE_IO);
		line[strcspn(line, "\n")] = '\0';
		password = line;
	}
	if (!auth_hash(password, o->cheap, hash, sizeof(hash)))
		return complain("hashing", STORE_IO);
	enum store_err err = directory_begin(d);
	if (!err && o->count == 0)
		err = add_user(d, address, hash);
	for (long i = o->first; i <= o->count && !err; i++) {
		char numbered[300];
		snprintf(numbered, sizeof(numbered), "%.*s%ld%s", (int)(at - address), address, i, at);
		err = add_user(d, numbered, hash);
	}
	if (!err)
		err = directory_commit(d);
	return err ? complain(address, err) : 0;
}

static int64_t now_s(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

static int deliver(struct directory *d, const struct config *config, const char *address)
{
	struct directory_user user;
	enum store_err err = directory_user_find(d, address, &user);
	if (err)
		return complain(address, err);
	struct buf raw;
	buf_init(&raw, (size_t)config->message_bytes_max);
	for (char chunk[8192];;) {
		size_t n = fread(chunk, 1, sizeof(chunk), stdin);
		if (n == 0)
			break;
		buf_add(&raw, chunk, n);
	}
	struct append_message m = {0};
	m.data = deliver_normalise(buf_span(&raw), &m.len);
	struct store_env env = {.now_s = now_s};
	struct account *a = NULL;
	char path[4096];
	snprintf(path, sizeof(path), "%s/accounts", config->store);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/accounts/%s", config->store, user.account);
	err = raw.failed || m.len == 0 ? STORE_LIMIT : account_open(&env, path, true, &a);
	int64_t inbox;
	uint32_t uid;
	if (!err)
		err = account_begin(a);
	if (!err)
		err = mailbox_find(a, "INBOX", &inbox);
	if (!err)
		err = deliver_message(a, inbox, &m, 1, &uid);
	if (a) {
		enum store_err end = account_end(a, !err);
		const struct account_touched *touched;
		size_t n;
		if (!err)
			err = end;
		if (!err)
			err = account_commit(a, &touched, &n);
	}
	account_close(a);
	free(m.data);
	buf_finish(&raw);
	return err ? complain("deliver", err) : 0;
}

static void print_line(void *ctx, const char *line)
{
	(void)ctx;
	printf("%s\n", line);
}

static int administer(const struct options *o, const struct config *config)
{
	struct directory *d;
	char path[4096];
	mkdir(config->store, 0700);
	snprintf(path, sizeof(path), "%s/directory.db", config->store);
	static const struct store_env env = {0};
	enum store_err err = directory_open(&env, path, &d);
	if (err)
		return complain(path, err);
	const char *noun = o->words[0], *verb = o->words_n > 1 ? o->words[1] : "", *name = o->words[2];
	int rc;
	if (strcmp(noun, "domain") == 0 && strcmp(verb, "add") == 0 && name) {
		err = directory_domain_add(d, name);
		rc = err ? complain(name, err) : 0;
	} else if ((strcmp(noun, "domain") == 0 || strcmp(noun, "user") == 0) && strcmp(verb, "list") == 0) {
		rc = directory_list(d, noun[0] == 'd', print_line, NULL) ? 1 : 0;
	} else if (strcmp(noun, "user") == 0 && strcmp(verb, "add") == 0) {
		rc = user_add(d, o);
	} else if (strcmp(noun, "deliver") == 0 && o->words_n == 2) {
		rc = deliver(d, config, verb);
	} else {
		rc = usage();
	}
	directory_close(d);
	return rc;
}

int cli_main(int argc, char **argv)
{
	struct options o;
	struct config config;
	if (!read_options(argc, argv, &o))
		return usage();
	if (strcmp(o.words[0], "serve") == 0)
		return server_run(o.config);
	int rc = 1;
	if (config_read(o.config, &config))
		rc = administer(&o, &config);
	config_finish(&config);
	return rc;
}
