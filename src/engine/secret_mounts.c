/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret_mounts: secrets come into a container as files of a tmpfs, never on a disk, or as variables. A piece of a tmpfs can only be cloned where
 * that is mounted: so a child mounts it in a mount namespace of its own and hands the clones over; they stay when it is gone.
 */
#include "engine/secret.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/userns.h"
#include "snap/copy.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MODE = 0444 };
static const char usual[] = "/run/secrets";

static int set_value(struct arena *a, const char *key, const char *value, struct secret_use *u, struct err *e)
{
	uint64_t n;
	char *end;
	if (str_eq(key, "source")) {
		u->name = arena_dup(a, value);
	} else if (str_eq(key, "target")) {
		u->target = arena_dup(a, value);
	} else if (str_eq(key, "type")) {
		if (!str_eq(value, "mount") && !str_eq(value, "env"))
			return err_set(e, ERR_USAGE, "type \"%.60s\": mount and env are known", value);
		u->is_env = str_eq(value, "env");
	} else if (str_eq(key, "uid") || str_eq(key, "gid")) {
		if (num_u64(value, UINT32_MAX - 1, &n, key, e) < 0)
			return -1;
		*(*key == 'u' ? &u->uid : &u->gid) = (uint32_t)n;
	} else if (str_eq(key, "mode")) {
		u->mode = (uint32_t)strtoul(value, &end, 8);
		if (!*value || *end || u->mode > 0777)
			return err_set(e, ERR_USAGE, "mode \"%.60s\": octal, at most 0777", value);
	} else {
		return err_set(e, ERR_USAGE, "unknown option \"%.60s\": type, target, uid, gid and mode are known", key);
	}
	return 0;
}

int secret_parse(const char *text, struct arena *a, struct secret_use *ret, struct err *e)
{
	own(strv) struct strv f = {};
	*ret = (struct secret_use){.mode = MODE};
	strv_split(&f, text, ',');
	for (size_t i = 0; i < f.n; i++) {
		const char *eq = strchr(f.v[i], '=');
		own(mem) char *key = mem_ndup(f.v[i], eq ? (size_t)(eq - f.v[i]) : 0);
		if (!eq && i == 0)
			ret->name = arena_dup(a, f.v[i]);
		else if (!eq || set_value(a, key, eq + 1, ret, e) < 0)
			return eq ? err_wrap(e, "--secret %.200s", text) : err_set(e, ERR_USAGE, "--secret %.200s: \"%.60s\" is no KEY=VALUE", text, f.v[i]);
	}
	if (str_is_empty(ret->name))
		return err_set(e, ERR_USAGE, "--secret \"%.200s\" names none", text);
	if (str_is_empty(ret->target))
		ret->target = ret->name;
	if (ret->is_env && strchr(ret->target, '='))
		return err_set(e, ERR_USAGE, "--secret %.200s: the target of a variable is its name", text);
	if (!ret->is_env && ret->target[0] != '/' && !path_is_name(ret->target))
		return err_set(e, ERR_USAGE, "--secret %.200s: the target is a name (below %s) or an absolute path", text, usual);
	return 0;
}

int secret_resolve(struct engine *g, struct container_entry *c, struct err *e)
{
	struct secret_use *u = c->record.host.secrets.v;
	size_t n = c->record.host.secrets.n, paths = 0;
	for (size_t i = 0; i < n; i++) {
		own(mem) char *name = secret_find(g, u[i].name, e);
		if (!name)
			return -1;
		u[i].name = arena_dup(&c->arena, name);
		paths += !u[i].is_env && u[i].target[0] == '/';
		for (size_t k = 0; k < i; k++)
			if (u[k].is_env == u[i].is_env && str_eq(u[k].target, u[i].target))
				return err_set(e, ERR_USAGE, "--secret: two of them have the target %.200s", u[i].target);
	}
	return paths >= SECRET_MOUNTS ? err_set(e, ERR_LIMIT, "--secret: more than %d with paths of their own", SECRET_MOUNTS - 1) : 0;
}

int secret_env(struct engine *g, const struct container_record *r, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < r->host.secrets.n; i++) {
		const struct secret_use *u = &r->host.secrets.v[i];
		own(buf) struct buf b = BUF(SECRET_MAX);
		if (!u->is_env)
			continue;
		if (secret_read(g, u->name, &b, e) < 0)
			return -1;
		if (memchr(buf_text(&b), 0, b.len))
			return err_set(e, ERR_USAGE, "secret %.200s has a byte of zero: it cannot be a variable", u->name);
		own(mem) char *line = mem_printf("%s=%s", u->target, buf_text(&b));
		strv_env_set(ret, line);
		explicit_bzero(line, strlen(line));
		explicit_bzero(b.data, b.len);
	}
	return 0;
}

static int put_file(struct engine *g, int dir, const char *file, const struct secret_use *u, const struct userns_maps *maps, struct err *e)
{
	own(buf) struct buf b = BUF(SECRET_MAX);
	uint32_t uid = copy_shift(u->uid, maps->uids, maps->nuids), gid = copy_shift(u->gid, maps->gids, maps->ngids);
	if (uid == UINT32_MAX || gid == UINT32_MAX)
		return err_set(e, ERR_USAGE, "secret %.200s: %u:%u is outside of the container's id map", u->name, u->uid, u->gid);
	if (secret_read(g, u->name, &b, e) < 0)
		return -1;
	own(fd) int fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool bad = fd < 0 || fd_write_all(fd, b.data, b.len) < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, u->mode) < 0;
	explicit_bzero(b.data, b.len);
	return bad ? err_sys(e, "secret %.200s", u->name) : 0;
}

static int send_clone(int sock, int dir, const char *path, struct err *e)
{
	struct err none = {};
	own(fd) int fd = mount_clone(dir, path, false, e);
	if (fd < 0 || mount_set(fd, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, MS_PRIVATE, e) < 0)
		return -1;
	return fd_send(sock, &none, sizeof none, &fd, 1, e);
}

/* In the child: usual/ and paths/0, paths/1 … of one tmpfs. */
static int make(struct engine *g, const struct container_record *r, const struct userns_maps *maps, int sock, struct err *e)
{
	static const struct mount_option options[] = {{"mode", "0755"}, {"size", "16m"}};
	bool has_usual = false;
	char name[32];
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "a mount namespace");
	own(fd) int top = mount_top(e);
	if (top < 0 || mount_set(top, true, 0, 0, MS_PRIVATE, e) < 0)
		return -1;
	own(fd) int fs = mount_new("tmpfs", options, countof(options), 0, e);
	own(fd) int at = fs < 0 ? -1 : open(g->run_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs < 0 || at < 0)
		return fs < 0 ? -1 : err_sys(e, "%s", g->run_path);
	if (mount_attach(fs, at, e) < 0)
		return -1;
	umask(0);
	if (mkdirat(fs, "usual", 0755) < 0 || mkdirat(fs, "paths", 0700) < 0 ||
		fchownat(fs, "usual", copy_shift(0, maps->uids, maps->nuids), copy_shift(0, maps->gids, maps->ngids), 0) < 0)
		return err_sys(e, "a directory for secrets");
	for (size_t i = 0; i < r->host.secrets.n; i++) {
		const struct secret_use *u = &r->host.secrets.v[i];
		bool own_path = u->target[0] == '/';
		snprintf(name, sizeof name, "paths/%zu", i);
		own(mem) char *file = own_path ? mem_dup(name) : mem_printf("usual/%s", u->target);
		if (u->is_env)
			continue;
		has_usual |= !own_path;
		if (put_file(g, fs, file, u, maps, e) < 0)
			return -1;
	}
	if (has_usual && send_clone(sock, fs, "usual", e) < 0)
		return -1;
	for (size_t i = 0; i < r->host.secrets.n; i++) {
		snprintf(name, sizeof name, "paths/%zu", i);
		if (!r->host.secrets.v[i].is_env && r->host.secrets.v[i].target[0] == '/' && send_clone(sock, fs, name, e) < 0)
			return -1;
	}
	return 0;
}

/* What is mounted, in the order that the child sends it. */
static void list(const struct container_record *r, struct strv *paths)
{
	bool has_usual = false;
	for (size_t i = 0; i < r->host.secrets.n; i++)
		has_usual |= !r->host.secrets.v[i].is_env && r->host.secrets.v[i].target[0] != '/';
	if (has_usual)
		strv_add(paths, usual);
	for (size_t i = 0; i < r->host.secrets.n; i++)
		if (!r->host.secrets.v[i].is_env && r->host.secrets.v[i].target[0] == '/')
			strv_add(paths, r->host.secrets.v[i].target);
}

int secret_mounts(struct engine *g, const struct container_record *r, const struct userns_maps *maps, int fds[SECRET_MOUNTS], struct strv *paths,
	struct err *e)
{
	int s[2], got = 0;
	struct err why = {.kind = ERR_BUG, .text = "the process that mounts secrets died"};
	list(r, paths);
	if (!paths->n)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return err_sys(e, "socket");
	own(fd) int ours = s[0];
	own(fd) int theirs = s[1];
	pid_t pid = fork();
	if (pid == 0) {
		struct err failed = {};
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (make(g, r, maps, theirs, &failed) < 0)
			(void)!fd_send(theirs, &failed, sizeof failed, NULL, 0, &why);
		_exit(0);
	}
	fd_drop(&theirs);
	if (pid < 0)
		return err_sys(e, "fork");
	while ((size_t)got < paths->n) {
		size_t n = 1;
		int fd = -1;
		if (fd_recv(ours, &why, sizeof why, &fd, &n, e) != sizeof why || n != 1)
			break;
		fds[got++] = fd;
		why = (struct err){.kind = ERR_BUG, .text = "the process that mounts secrets died"};
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if ((size_t)got == paths->n)
		return got;
	while (got > 0)
		close(fds[--got]);
	return *e = why, err_wrap(e, "--secret");
}
