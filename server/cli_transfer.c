#include "server/cli_transfer.h"

#include "server/mail_feed.h"
#include "server/mail_write.h"
#include "server/trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 30, PATH_BYTES = 4096 };

/* ---- the progress bar ---- */

struct bar {
	bool is_shown; /* standard error is a terminal */
	int64_t last_ms, began_ms;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void bar_show(struct bar *b, uint64_t messages, uint64_t bytes, uint64_t total)
{
	int64_t now = now_ms();
	if (!b->is_shown || now - b->last_ms < 200)
		return;
	b->last_ms = now;
	unsigned percent = total ? (unsigned)((double)bytes / (double)total * 100) : 0;
	percent = percent > 100 ? 100 : percent;
	double seconds = (double)(now - b->began_ms) / 1000;
	fprintf(stderr, "\r[%-*.*s] %3u %%  %llu messages, %.1f MB, %.1f MB/s ", BAR, (int)(percent * BAR / 100),
		"##############################", percent, (unsigned long long)messages, (double)bytes / 1e6,
		seconds > 0 ? (double)bytes / 1e6 / seconds : 0.0);
	fflush(stderr);
}

static void bar_begin(struct bar *b)
{
	*b = (struct bar){.is_shown = isatty(STDERR_FILENO), .began_ms = now_ms()};
}

static void bar_end(struct bar *b)
{
	if (b->is_shown && b->last_ms)
		fprintf(stderr, "\r%100s\r", "");
	b->is_shown = false;
}

static const char *value_of(const struct admin_call *call, const char *name)
{
	size_t i = admin_param_of(call->verb, name);
	return i < ADMIN_PARAMS_MAX ? call->values[i] : NULL;
}

/* ---- import ---- */

struct importing {
	const struct admin_call *call;
	struct mail_feed feed;
	struct admin_stream *to;
	struct bar bar;
	uint64_t bytes_total;
};

static bool on_records(void *ctx, struct span records)
{
	return admin_stream_write(((struct importing *)ctx)->to, records);
}

static void on_message(void *ctx)
{
	struct importing *im = ctx;
	bar_show(&im->bar, im->feed.messages, im->feed.bytes, im->bytes_total);
}

/* An archive often has everything in one directory: down to where there is more, or a folder's three directories. */
static void find_top(struct mail_tree *t, char dir[PATH_BYTES])
{
	struct mail_tree_list list;
	dir[0] = '\0';
	for (bool down = mail_tree_is_archive(t); down;) {
		down = mail_tree_read(t, dir, &list) && list.n == 1 && list.v[0].is_directory && list.v[0].name[0] != '.' &&
		       strcmp(list.v[0].name, "cur") != 0;
		size_t len = strlen(dir);
		if (down)
			snprintf(dir + len, PATH_BYTES - len, "%s%s", len ? "/" : "", list.v[0].name);
		mail_tree_list_finish(&list);
	}
}

static bool feed(void *ctx, struct admin_stream *to)
{
	struct importing *im = ctx;
	const char *path = value_of(im->call, "PATH");
	char dir[PATH_BYTES];
	struct mail_tree *tree = mail_tree_open(path);
	if (!tree)
		return false;
	if (mail_tree_is_file(tree) && !mbox_is_at(tree, path)) {
		trouble("%s: this is neither a tar archive nor an mbox file, which begins with a line \"From SENDER DATE\"", path);
		mail_tree_close(tree);
		return false;
	}
	im->to = to;
	mail_feed_init(&im->feed, tree);
	im->feed.write = on_records;
	im->feed.on_progress = on_message;
	im->feed.ctx = im;
	bar_begin(&im->bar);
	if (mail_tree_is_file(tree)) {
		im->bytes_total = mail_tree_bytes(tree);
		mbox_feed_file(&im->feed, path, "INBOX");
	} else {
		find_top(tree, dir);
		bool is_maildir = maildir_is_at(tree, dir);
		if (im->bar.is_shown)
			im->bytes_total = is_maildir ? maildir_bytes(tree, dir) : mbox_bytes(tree, dir);
		if (is_maildir)
			maildir_feed(&im->feed, dir);
		else
			mbox_feed(&im->feed, dir);
	}
	mail_feed_pass(&im->feed, true);
	bar_end(&im->bar);
	bool any = im->feed.mailboxes > 0;
	if (!any)
		trouble("%s: there is neither a Maildir nor an mbox file in it", path);
	mail_feed_finish(&im->feed);
	mail_tree_close(tree);
	return any;
}

static int do_import(const struct config *config, struct admin_call *call)
{
	struct importing im = {.call = call};
	struct admin_call with = *call;
	with.feed = feed;
	with.stream_ctx = &im;
	return admin_client_call(config, &with);
}

/* ---- export ---- */

struct exporting {
	struct mail_out *out;
	struct mail_writer *writer;
	struct bar bar;
};

static void on_problem(const char *text)
{
	trouble("%s", text);
}

static bool on_body(void *ctx, struct span bytes)
{
	struct exporting *ex = ctx;
	bool ok = mail_writer_take(ex->writer, bytes, on_problem);
	struct mail_writer_counts n = mail_writer_result(ex->writer);
	bar_show(&ex->bar, n.messages, n.bytes, n.bytes_total);
	if (!ok && !mail_out_failed(ex->out))
		trouble("what the daemon sends makes no sense");
	return ok;
}

static bool on_end(void *ctx)
{
	struct exporting *ex = ctx;
	bar_end(&ex->bar);
	mail_writer_destroy(ex->writer, true);
	bool ok = mail_out_close(ex->out, true);
	ex->writer = NULL;
	ex->out = NULL;
	return ok;
}

static int do_export(const struct config *config, struct admin_call *call)
{
	struct exporting ex = {0};
	const char *name = value_of(call, "format");
	bool is_mbox = name && strcmp(name, "mbox") == 0;
	struct admin_call with = *call;
	if (name && !is_mbox && strcmp(name, "maildir") != 0) {
		trouble("--format %s: maildir or mbox is expected", name);
		return ADMIN_EXIT_USAGE;
	}
	ex.out = mail_out_open(value_of(call, "PATH"));
	if (!ex.out)
		return ADMIN_EXIT_FAILED;
	ex.writer = mail_writer_create(ex.out, is_mbox ? &mbox_format : &maildir_format);
	bar_begin(&ex.bar);
	with.on_body = on_body;
	with.on_end = on_end;
	with.stream_ctx = &ex;
	int code = admin_client_call(config, &with);
	if (ex.out) { /* it was cut short: what is there is kept, for the next run */
		bar_end(&ex.bar);
		mail_writer_destroy(ex.writer, false);
		mail_out_close(ex.out, false);
	}
	return code;
}

int cli_transfer(const struct config *config, struct admin_call *call)
{
	return call->verb->flags & ADMIN_INPUT ? do_import(config, call) : do_export(config, call);
}
