/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/user.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { FILE_MAX = 4 << 20, GROUPS_MAX = 1024, ID_MAX = 0x7fffffff };

static void read_file(int root, const char *path, struct buf *b)
{
	struct err ignored = {};
	own(fd) int fd = path_open_in(root, path, O_RDONLY | O_NONBLOCK, 0, &ignored);
	struct stat st;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		(void)!fd_read_to_end(fd, b);
}

static bool is_number(const char *s, uint32_t *ret)
{
	uint64_t v;
	struct err ignored = {};
	if (num_u64(s, ID_MAX, &v, "id", &ignored) < 0)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool is_digits(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

/* Calls each line of a colon-separated file as fields until one is taken (true). */
static bool find_line(const struct buf *b, size_t fields, bool (*take_line)(void *arg, char **f), void *arg)
{
	char *text = mem_dup(buf_text(b)), *rest = text, *line;
	bool found = false;
	while (!found && (line = strsep(&rest, "\n"))) {
		char *f[7] = {};
		size_t n = 0;
		while (n < fields && (f[n] = strsep(&line, ":")))
			n++;
		found = n == fields && take_line(arg, f);
	}
	mem_drop(&text);
	return found;
}

struct passwd_query { const char *name; bool by_uid; struct user *user; struct arena *arena; char *found; };

static bool take_passwd(void *arg, char **f)
{
	struct passwd_query *q = arg;
	uint32_t uid, gid;
	if (!is_number(f[2], &uid) || !is_number(f[3], &gid))
		return false;
	if (q->by_uid ? uid != q->user->uid : strcmp(f[0], q->name) != 0)
		return false;
	q->user->uid = uid;
	q->user->gid = gid;
	q->user->home = arena_dup(q->arena, f[5]);
	q->found = arena_dup(q->arena, f[0]);
	return true;
}

struct group_query { const char *name; uint32_t gid; struct user *user; struct arena *arena; };

static bool take_group(void *arg, char **f)
{
	struct group_query *q = arg;
	return strcmp(f[0], q->name) == 0 && is_number(f[2], &q->gid);
}

static bool take_member(void *arg, char **f)
{
	struct group_query *q = arg;
	uint32_t gid;
	char *members = f[3], *m;
	if (!members || !is_number(f[2], &gid) || q->user->groups.n >= GROUPS_MAX)
		return false;
	while ((m = strsep(&members, ",")))
		if (strcmp(m, q->name) == 0 && gid != q->user->gid) {
			*arena_push(q->arena, &q->user->groups) = gid;
			break;
		}
	return false;
}

int user_lookup_group(int root, const char *text, uint32_t *ret, struct err *e)
{
	if (is_number(text, ret))
		return 0;
	if (is_digits(text) || !*text)
		return err_set(e, ERR_USAGE, "invalid group \"%.60s\": must be a name or at most 2147483647", text);
	own(buf) struct buf b = BUF(FILE_MAX);
	read_file(root, "etc/group", &b);
	struct group_query q = {.name = text};
	if (!find_line(&b, 4, take_group, &q))
		return err_set(e, ERR_USAGE, "unable to find group %.60s: no matching entry in /etc/group of the image", text);
	*ret = q.gid;
	return 0;
}

static int split(const char *text, char **ret_name, char **ret_group, struct err *e)
{
	uint32_t id;
	own(mem) char *name = mem_dup(text);
	char *group = strchr(name, ':');
	if (group)
		*group++ = 0;
	if (group && ((!*name && !*group) || strchr(group, ':')))
		return err_set(e, ERR_USAGE, "invalid user \"%.60s\": it is USER[:GROUP]", text);
	if (is_digits(name) && !is_number(name, &id))
		return err_set(e, ERR_USAGE, "invalid user \"%.60s\": a number is at most 2147483647", text);
	if (group && is_digits(group) && !is_number(group, &id))
		return err_set(e, ERR_USAGE, "invalid group \"%.60s\": a number is at most 2147483647", group);
	*ret_group = group && *group ? mem_dup(group) : NULL;
	*ret_name = take(name);
	return 0;
}

int user_check(const char *text, struct err *e)
{
	own(mem) char *name = NULL;
	own(mem) char *group = NULL;
	return split(text, &name, &group, e);
}

int user_lookup(int root, const char *text, struct arena *a, struct user *ret, struct err *e)
{
	own(mem) char *name = NULL;
	own(mem) char *group = NULL;
	if (split(text, &name, &group, e) < 0)
		return -1;
	struct user u = {};
	own(buf) struct buf passwd = BUF(FILE_MAX);
	own(buf) struct buf groups = BUF(FILE_MAX);
	read_file(root, "etc/passwd", &passwd);
	struct passwd_query q = {.name = name, .user = &u, .arena = a};
	q.by_uid = !*name || is_number(name, &u.uid);
	if (!find_line(&passwd, 7, take_passwd, &q)) {
		if (!q.by_uid)
			return err_set(e, ERR_USAGE, "unable to find user %.60s: no matching entry in /etc/passwd of the image", name);
	}
	if (group) {
		if (user_lookup_group(root, group, &u.gid, e) < 0)
			return -1;
	} else if (q.found) {
		read_file(root, "etc/group", &groups);
		struct group_query m = {.name = q.found, .user = &u, .arena = a};
		find_line(&groups, 4, take_member, &m);
	}
	*ret = u;
	return 0;
}
