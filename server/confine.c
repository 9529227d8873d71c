#include "server/confine.h"

#include "protocol/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As of version 6 of the interface; the headers may be older.  Of an older kernel's the end is left off. */
struct ruleset {
	uint64_t files, net, scoped;
};

enum {
	/* LANDLOCK_ACCESS_FS_*: */
	FILES_1 = (1 << 13) - 1, /* all that version 1 has */
	FILES_REFER = 1 << 13, FILES_TRUNCATE = 1 << 14, FILES_IOCTL = 1 << 15, /* versions 2, 3 and 5 */
	READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	RUN = READ | LANDLOCK_ACCESS_FS_EXECUTE,
	WRITE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
	OF_A_FILE = LANDLOCK_ACCESS_FS_EXECUTE | WRITE | FILES_TRUNCATE | FILES_IOCTL, /* the rest is of directories */
	NET = 3, SCOPED = 3
};

static const struct allowed {
	const char *path;
	uint64_t access;
} table[] = {
	{"/usr", RUN}, {"/bin", RUN}, {"/sbin", RUN}, {"/lib", RUN}, {"/lib64", RUN}, {"/opt", RUN}, {"/proc", READ},
	/* Of /etc what is nobody's secret: not the daemon's keys. */
	{"/etc/alternatives", READ}, {"/etc/fonts", READ}, {"/etc/group", READ}, {"/etc/ld.so.cache", READ}, {"/etc/libreoffice", READ},
	{"/etc/localtime", READ}, {"/etc/nsswitch.conf", READ}, {"/etc/passwd", READ}, {"/etc/perl", READ},
	{"/etc/python3", READ}, {"/var/cache/fontconfig", READ},
	{"/dev/null", WRITE}, {"/dev/zero", READ}, {"/dev/random", READ}, {"/dev/urandom", READ},
	{"/tmp", FILES_1 | FILES_REFER | FILES_TRUNCATE},
};

static long version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool confine_is_possible(void)
{
	return version() >= 1;
}

static void allow(int rules, const char *path, uint64_t access, uint64_t known)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		known &= OF_A_FILE;
	const struct landlock_path_beneath_attr beneath = {.allowed_access = access & known, .parent_fd = fd};
	syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(fd);
}

void confine_self(const char *directory)
{
	long v = version();
	struct ruleset set = {.files = FILES_1};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (v < 1)
		return;
	set.files |= (v >= 2 ? FILES_REFER : 0u) | (v >= 3 ? FILES_TRUNCATE : 0u) | (v >= 5 ? FILES_IOCTL : 0u);
	set.net = NET;
	set.scoped = SCOPED;
	size_t size = v >= 6 ? sizeof(set) : (v >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net));
	long rules = syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (rules < 0)
		return;
	for (size_t i = 0; i < countof(table); i++)
		allow((int)rules, table[i].path, table[i].access, set.files);
	allow((int)rules, directory, RUN, set.files);
	syscall(SYS_landlock_restrict_self, rules, 0);
	close((int)rules);
}
