/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apparmor: see apparmor.h.
 *
 * The profile stands behind the other walls, for the day one of them has a hole: who got more capabilities, a mount of procfs that
 * nothing masks, or an unmasked /sys, still cannot mount, cannot write what belongs to the host there, and is not traced or sent
 * signals from other confinements. It allows the rest: what a file is to a container's users, the file system says.
 *
 * apparmor_parser reads a text from its standard input and loads it; it comes with Debian's package apparmor, as the module's own
 * tools do. Where it is missing and nobody loaded the profile, containers run without, as they do without AppArmor.
 *
 * A pattern of AppArmor cannot say "all but sys": it is said letter by letter.
 */
#include "engine/apparmor.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROFILES_MAX = 16 << 20 };

const struct apparmor_place apparmor_here = {.enabled = "/sys/module/apparmor/parameters/enabled",
	.profiles = "/sys/kernel/security/apparmor/profiles", .current = "/proc/self/attr/current",
	.parsers = {"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"}};

static const char *const rules[] = {
	"network,", "capability,", "file,", "umount,", "unix,",
	"signal (receive) peer=unconfined,", "signal (send, receive) peer=" APPARMOR_PROFILE ",",
	"ptrace (trace, read, tracedby, readby) peer=" APPARMOR_PROFILE ",",
	"deny mount,",
	/* Of /proc, the processes and sys/kernel/shm* are a container's; the rest of the network's settings are masked anyway. */
	"deny /proc/* w,", "deny /proc/[^0-9s]*/** w,", "deny /proc/s[^y]*/** w,", "deny /proc/sys[^/]*/** w,",
	"deny /proc/sys/[^k]** w,", "deny /proc/sys/kernel/[^s]** w,", "deny /proc/sys/kernel/s[^h]** w,",
	"deny /proc/sys/kernel/sh[^m]** w,",
	"deny /proc/sysrq-trigger rwklx,", "deny /proc/kcore rwklx,",
	/* Of /sys, the cgroups. */
	"deny /sys/[^f]*/** wklx,", "deny /sys/f[^s]*/** wklx,", "deny /sys/fs/[^c]*/** wklx,", "deny /sys/fs/c[^g]*/** wklx,",
	"deny /sys/fs/cg[^r]*/** wklx,",
	"deny /sys/firmware/** rwklx,", "deny /sys/devices/virtual/powercap/** rwklx,", "deny /sys/kernel/security/** rwklx,",
};

void apparmor_write_profile(const char *own_label, struct buf *out)
{
	buf_str(out, "profile " APPARMOR_PROFILE " flags=(attach_disconnected, mediate_deleted) {\n");
	if (own_label && !str_eq(own_label, "unconfined"))
		buf_printf(out, "  signal (receive) peer=\"%s\",\n", own_label);
	for (size_t i = 0; i < countof(rules); i++)
		buf_printf(out, "  %s\n", rules[i]);
	buf_str(out, "}\n");
}

static bool is_enabled(const struct apparmor_place *p)
{
	char c = 0;
	own(fd) int fd = open(p->enabled, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y' && path_exists(AT_FDCWD, p->profiles);
}

static const char *find_parser(const struct apparmor_place *p)
{
	for (size_t i = 0; i < countof(p->parsers) && p->parsers[i]; i++)
		if (access(p->parsers[i], X_OK) == 0)
			return p->parsers[i];
	return NULL;
}

/* 1: it is; 0: it is not; -1: we may not look. */
static int is_loaded(const struct apparmor_place *p, const char *name)
{
	own(buf) struct buf b = BUF(PROFILES_MAX);
	own(strv) struct strv lines = {};
	struct err ignored = {};
	size_t n = strlen(name);
	if (path_read(AT_FDCWD, p->profiles, &b, &ignored) < 0)
		return -1;
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (strncmp(lines.v[i], name, n) == 0 && str_has_prefix(lines.v[i] + n, " ("))
			return 1;
	return 0;
}

int apparmor_choose(const struct apparmor_place *p, const struct apparmor_wish *w, const char **ret, struct err *e)
{
	*ret = NULL;
	if (str_eq(w->name, "unconfined") || (!w->name && (w->privileged || w->rootless)))
		return 0;
	if (!is_enabled(p))
		return !w->name ? 0 : err_set(e, ERR_UNSUPPORTED, "--security-opt apparmor=%.200s: AppArmor is not enabled on this machine", w->name);
	const char *name = w->name ? w->name : APPARMOR_PROFILE;
	if (is_loaded(p, name) == 0) {
		if (strcmp(name, APPARMOR_PROFILE) != 0)
			return err_set(e, ERR_USAGE, "--security-opt apparmor=%.200s: no such profile is loaded", name);
		if (!find_parser(p))
			return !w->name ? 0
				: err_set(e, ERR_UNSUPPORTED, "--security-opt apparmor=%s: apparmor_parser, which loads it, is missing", name);
	}
	*ret = name;
	return 0;
}

/* "name (mode)", or "unconfined". */
static char *own_label(const struct apparmor_place *p)
{
	own(buf) struct buf b = BUF(4096);
	struct err ignored = {};
	if (path_read(AT_FDCWD, p->current, &b, &ignored) < 0)
		return NULL;
	char *text = mem_dup(buf_text(&b));
	text[strcspn(text, "\n")] = 0;
	char *mode = strrchr(text, '(');
	if (mode && mode > text && mode[-1] == ' ')
		mode[-1] = 0;
	/* What would end the quotes is no name to write down. */
	text[strcspn(text, "\"\\")] = 0;
	return text;
}

__attribute__((noreturn)) static void be_parser(const char *parser, int in, int out)
{
	char *const argv[] = {(char *)(uintptr_t) "apparmor_parser", (char *)(uintptr_t) "--replace", (char *)(uintptr_t) "--skip-cache", NULL};
	char *const envp[] = {(char *)(uintptr_t) "LC_ALL=C", NULL};
	if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0)
		execve(parser, argv, envp);
	_exit(127);
}

/* A text is small enough for a pipe's buffer, so it is written before anybody reads. */
static int run_parser(const char *parser, const struct buf *text, struct err *e)
{
	int in[2], status = 0;
	char said[200] = "";
	own(fd) int out = memfd_create("apparmor", MFD_CLOEXEC);
	if (out < 0 || fd_pipe(in, e) < 0)
		return out < 0 ? err_sys(e, "apparmor_parser") : -1;
	int r = fd_write_all(in[1], text->data, text->len) < 0 ? err_sys(e, "apparmor_parser") : 0;
	close(in[1]);
	pid_t pid = r < 0 ? -1 : fork();
	if (pid == 0)
		be_parser(parser, in[0], out);
	if (r == 0 && pid < 0)
		r = err_sys(e, "apparmor_parser");
	close(in[0]);
	if (r < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	ssize_t n = pread(out, said, sizeof said - 1, 0);
	said[n > 0 ? n : 0] = 0;
	said[strcspn(said, "\n")] = 0;
	return err_set(e, ERR_SYSTEM, "the AppArmor profile " APPARMOR_PROFILE " cannot be loaded (%s, wait status %d%s%s); --security-opt "
		"apparmor=unconfined runs without", parser, status, *said ? ": " : "", said);
}

int apparmor_need(const struct apparmor_place *p, const char *name, struct err *e)
{
	if (strcmp(name, APPARMOR_PROFILE) != 0 || is_loaded(p, name) == 1)
		return 0;
	const char *parser = find_parser(p);
	if (!parser)
		return err_set(e, ERR_UNSUPPORTED, "the AppArmor profile " APPARMOR_PROFILE " is not loaded, and apparmor_parser is missing");
	own(mem) char *label = own_label(p);
	own(buf) struct buf text = BUF(16384);
	apparmor_write_profile(label, &text);
	return buf_check(&text, e) < 0 ? -1 : run_parser(parser, &text, e);
}
