/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail: Landlock first (it needs the paths, not the privileges), then the user, then what depends on neither. Inside a
 * user namespace nobody may not exist: then the user stays, without capabilities. A kernel without Landlock costs the files, not
 * the rest.
 */
#include "registry/jail.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534 };
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MAX RLIM_INFINITY /* its shadow is terabytes of address space */
#else
#define MEMORY_MAX ((rlim_t)2 << 30)
#endif

/* What the oldest Landlock knows: every way to write, make, remove and run. Reading is what remains, below `paths`. */
#define HANDLED ((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)
#define READING ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static void add_path(int rules, const char *path, uint64_t access)
{
	own(fd) int fd = path && *path ? open(path, O_PATH | O_CLOEXEC) : -1;
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
	if (fd >= 0)
		syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static void close_files(void)
{
	static const char *const dirs[] = {"/etc", "/usr", "/lib", "/lib64", "/run", "/var/lib/ca-certificates"};
	struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED};
	own(fd) int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
	if (rules < 0)
		return;
	for (size_t i = 0; i < countof(dirs); i++)
		add_path(rules, dirs[i], READING);
	add_path(rules, getenv("SSL_CERT_FILE"), LANDLOCK_ACCESS_FS_READ_FILE);
	add_path(rules, getenv("SSL_CERT_DIR"), READING);
	add_path(rules, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE);
	syscall(SYS_landlock_restrict_self, rules, 0);
}

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {};
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		return err_sys(e, "drop capabilities");
	return 0;
}

static int drop_user(struct err *e)
{
	if (geteuid() != 0 || (setgroups(0, NULL) < 0 && errno == EPERM))
		return 0;
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return errno == EINVAL ? 0 : err_sys(e, "become nobody");
	return 0;
}

int jail_enter(struct err *e)
{
	static const struct { int what; rlim_t limit; } limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_FSIZE, 64 << 20}, {RLIMIT_NOFILE, 1024},
		{RLIMIT_AS, MEMORY_MAX}};
	pid_t parent = getppid();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	close_files();
	for (size_t i = 0; i < countof(limits); i++) {
		struct rlimit l;
		if (getrlimit(limits[i].what, &l) == 0 && l.rlim_max > limits[i].limit) {
			l = (struct rlimit){limits[i].limit, limits[i].limit};
			setrlimit(limits[i].what, &l);
		}
	}
	/* The bounding set is dropped while CAP_SETPCAP is there, the rest goes with the user. */
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (drop_user(e) < 0 || drop_capabilities(e) < 0)
		return -1;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* A change of the user takes the parent's death signal away. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return getppid() == parent ? 0 : err_set(e, ERR_SYSTEM, "the caller is gone");
}
