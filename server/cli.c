#include "server/cli.h"

#include "server/config.h"
#include "server/deliver.h"
#include "server/password.h"
#include "server/server.h"
#include "server/store_lock.h"
#include "storage/account.h"
#include "storage/directory.h"
#include "storage/mailbox.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *config, *password;
	long first, count;
	const char *words[4];
	int words_n;
};

static int usage(void)
{
	fprintf(stderr, "usage: roost serve -c FILE\n"
			"       roost domain add|list -c FILE [DOMAIN]\n"
			"       roost user add|list -c FILE [--password P] [ADDRESS]\n"
			"       roost deliver -c FILE ADDRESS < MESSAGE\n");
	return 2;
}

static bool read_options(int argc, char **argv, struct options *o)
{
	*o = (struct options){.config = "/etc/roost/roost.conf", .first = 1};
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		if (next && strcmp(argv[i], "-c") == 0)
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

static int user_add(struct directory *d, const struct options *o, const struct config *config)
{
	char address[ADDRESS_MAX + 1], line[PASSWORD_MAX + 2], prepared[PASSWORD_MAX + 1];
	struct directory_secrets secrets;
	struct password_cost cost = {config->password_cost, config->scram_iterations};
	const char *password = o->password;
	if (!o->words[2] || !address_normalise(o->words[2], strlen(o->words[2]), address))
		return usage();
	if (!password) {
		if (!fgets(line, sizeof(line), stdin))
			return complain("a password is expected on standard input", STORE_IO);
		line[strcspn(line, "\n")] = '\0';
		password = line;
	}
	struct crypt_data *scratch = xcalloc(1, sizeof(*scratch));
	bool made = password_prepare(password, strlen(password), prepared) &&
		    password_make(prepared, &cost, scratch, &secrets);
	free(scratch);
	if (!made)
		return complain("this cannot be a password", STORE_IO);
	enum store_err err = directory_begin(d);
	if (!err && o->count == 0)
		err = directory_user_add(d, address, &secrets);
	for (long i = o->first; i <= o->count && !err; i++) {
		char numbered[ADDRESS_MAX + 32];
		const char *at = strchr(address, '@');
		snprintf(numbered, sizeof(numbered), "%.*s%ld%s", (int)(at - address), address, i, at);
		err = directory_user_add(d, numbered, &secrets);
	}
	enum store_err end = directory_end(d, !err);
	return err || end ? complain(address, err ? err : end) : 0;
}

static int64_t now_s(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

static int deliver(struct directory *d, const struct config *config, const char *address)
{
	struct directory_user user;
	char normal[ADDRESS_MAX + 1];
	address_normalise(address, strlen(address), normal);
	enum store_err err = directory_user_find(d, normal, &user);
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

static bool print_domain(void *ctx, const char *name, int64_t users)
{
	(void)ctx, (void)users;
	printf("%s\n", name);
	return true;
}

static bool print_user(void *ctx, const char *address, const char *account)
{
	(void)ctx, (void)account;
	printf("%s\n", address);
	return true;
}

static int administer(const struct options *o, const struct config *config)
{
	struct directory *d;
	char path[4096];
	int lock = store_lock_open(config->store);
	if (lock < 0)
		return 1;
	snprintf(path, sizeof(path), "%s/directory.db", config->store);
	static const struct store_env env = {0};
	enum store_err err = directory_open(&env, path, &d);
	if (err) {
		store_lock_close(lock);
		return complain(path, err);
	}
	const char *noun = o->words[0], *verb = o->words_n > 1 ? o->words[1] : "", *name = o->words[2];
	int rc;
	if (strcmp(noun, "domain") == 0 && strcmp(verb, "add") == 0 && name) {
		err = directory_domain_add(d, name);
		rc = err ? complain(name, err) : 0;
	} else if ((strcmp(noun, "domain") == 0 || strcmp(noun, "user") == 0) && strcmp(verb, "list") == 0) {
		err = noun[0] == 'd' ? directory_domains(d, print_domain, NULL) : directory_users(d, NULL, print_user, NULL);
		rc = err ? complain("list", err) : 0;
	} else if (strcmp(noun, "user") == 0 && strcmp(verb, "add") == 0) {
		rc = user_add(d, o, config);
	} else if (strcmp(noun, "deliver") == 0 && o->words_n == 2) {
		rc = deliver(d, config, verb);
	} else {
		rc = usage();
	}
	directory_close(d);
	store_lock_close(lock);
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
	if (strcmp(o.words[0], "config") == 0 && o.words_n == 2) {
		struct buf text;
		buf_init(&text, 1 << 20);
		if (strcmp(o.words[1], "man") == 0)
			config_write_man(&text);
		else
			config_write_example(&text);
		fwrite(text.data, 1, text.len, stdout);
		buf_finish(&text);
		return 0;
	}
	int rc = 1;
	if (config_read(o.config, &config))
		rc = administer(&o, &config);
	config_finish(&config);
	return rc;
}
