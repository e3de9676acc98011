/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment: what the command finds in its environment: what the configuration says, and HOME, when that does not say it
 * or says it is empty: from the container's own /etc/passwd, else "/" (runc and crun do the same; users rely on it).
 *
 * The file is the image's: whatever it is, nothing outside of the root is read, nothing blocks, and it is read up to a limit.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/num.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PASSWD_MAX = 4 << 20 };

static void read_passwd(struct buf *out)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, .resolve = RESOLVE_NO_MAGICLINKS};
	struct stat st;
	own(fd) int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fd_read_to_end(fd, out) < 0)
		buf_reset(out);
}

/* name:password:uid:gid:comment:home:shell, cut at the colons. */
static const char *home_in(char *line, uint32_t uid)
{
	char *field[7] = {}, *at = line;
	uint64_t n;
	struct err ignored = {};
	for (size_t i = 0; i < countof(field) && at; i++)
		field[i] = strsep(&at, ":");
	if (!field[5] || num_u64(field[2], UINT32_MAX, &n, "uid", &ignored) < 0 || n != uid)
		return NULL;
	return field[5];
}

char *const *process_environment(const struct setup *s)
{
	static char *empty[] = {NULL};
	const struct strv *env = &s->process->env;
	char *const *given = env->v ? env->v : empty;
	if (!str_is_empty(strv_env_get(env, "HOME")))
		return given;
	own(buf) struct buf text = BUF(PASSWD_MAX);
	const char *home = NULL;
	read_passwd(&text);
	for (char *at = text.len ? text.data : NULL, *line; !home && at && (line = strsep(&at, "\n"));)
		home = home_in(line, s->process->user.uid);
	/* Of the process that becomes the command: nobody frees it. */
	struct strv more = {};
	for (size_t i = 0; i < env->n; i++)
		if (!str_has_prefix(env->v[i], "HOME="))
			strv_add(&more, env->v[i]);
	own(mem) char *word = mem_printf("HOME=%s", str_is_empty(home) ? "/" : home);
	strv_add(&more, word);
	return more.v;
}
