/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_run: `ns run`, as unshare(1). No engine is opened: a plain user is to make his user namespace himself.
 */
#include "engine/ns_run.h"

#include "base/num.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "sys/accounts.h"
#include "sys/signals.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

struct run_options {
	char *kinds[NSFS_KINDS]; /* NULL: not asked for; "": a new one; else the file to keep it at */
	bool fork, map_root, map_current, map_auto, keep_caps;
	char *mount_proc, *kill_child, *map_user, *map_group, *propagation, *setgroups, *root, *wd, *uid, *gid;
	struct strv map_users, map_groups;
	struct opt_num monotonic, boottime;
};
#define O(m) offset_of(struct run_options, m)
#define KIND(i, name, letter, help) {name, letter, OPT_OPTSTR, O(kinds[i]), "FILE", help, 0, "@file"}
static const struct opt run_opts[] = {
	{"boottime", 0, OPT_I64, O(boottime), "SECONDS", "Move the clock \"time since boot\" in the new time namespace"},
	KIND(5, "cgroup", 'C', "A new cgroup namespace"),
	{"fork", 'f', OPT_BOOL, O(fork), NULL, "Run the command as a child: the first process of a new PID namespace"},
	KIND(2, "ipc", 'i', "A new IPC namespace"),
	{"keep-caps", 0, OPT_BOOL, O(keep_caps), NULL, "The command keeps the capabilities that a new user namespace gives"},
	{"kill-child", 0, OPT_OPTSTR, O(kill_child), "SIGNAL", "The child gets this signal (KILL) when its parent dies; implies --fork", 0, CLI_SIGNALS, NULL, "KILL"},
	{"map-auto", 0, OPT_BOOL, O(map_auto), NULL, "Map the range of ids that /etc/subuid and /etc/subgid give the user; implies --user"},
	{"map-current-user", 'c', OPT_BOOL, O(map_current), NULL, "The user is himself in the new user namespace; implies --user"},
	{"map-group", 0, OPT_STR, O(map_group), "GROUP", "The user's group is that one inside; implies --user"},
	{"map-groups", 0, OPT_STRV, O(map_groups), "INSIDE:OUTSIDE:COUNT", "Map a range of groups, or \"auto\"; implies --user"},
	{"map-root-user", 'r', OPT_BOOL, O(map_root), NULL, "The user is root in the new user namespace; implies --user"},
	{"map-user", 0, OPT_STR, O(map_user), "USER", "The user is that one inside; implies --user"},
	{"map-users", 0, OPT_STRV, O(map_users), "INSIDE:OUTSIDE:COUNT", "Map a range of users, or \"auto\"; implies --user"},
	{"monotonic", 0, OPT_I64, O(monotonic), "SECONDS", "Move the monotonic clock in the new time namespace"},
	KIND(0, "mount", 'm', "A new mount namespace"),
	{"mount-proc", 0, OPT_OPTSTR, O(mount_proc), "DIR", "Mount a new /proc before the command runs; implies --mount", 0, "@dir", NULL, "/proc"},
	KIND(6, "net", 'n', "A new network namespace"),
	KIND(4, "pid", 'p', "A new PID namespace, for children: see --fork"),
	{"propagation", 0, OPT_STR, O(propagation), "WORD", "Of mounts in the new mount namespace: slave, shared, private, unchanged (private)", 0,
		"slave shared private unchanged"},
	{"root", 'R', OPT_STR, O(root), "DIR", "The command's root directory", 0, "@dir"},
	{"setgid", 'G', OPT_STR, O(gid), "GROUP", "Become that group, without further ones"},
	{"setgroups", 0, OPT_STR, O(setgroups), "WORD", "May setgroups(2) be called in the new user namespace: allow, deny", 0, "allow deny"},
	{"setuid", 'S', OPT_STR, O(uid), "USER", "Become that user"},
	KIND(7, "time", 'T', "A new time namespace"),
	KIND(3, "user", 'U', "A new user namespace"),
	KIND(1, "uts", 'u', "A new UTS namespace: host name"),
	{"wd", 'w', OPT_STR, O(wd), "DIR", "The command's working directory", 0, "@dir"},
};
#undef O

/* "INSIDE:OUTSIDE:COUNT", or as older releases of unshare have it "OUTSIDE,INSIDE,COUNT". */
static int read_range(const char *text, struct idmap_row *ret, const char *option, struct err *e)
{
	own(strv) struct strv parts = {};
	uint64_t n[3];
	bool old = strchr(text, ',') != NULL;
	strv_split(&parts, text, old ? ',' : ':');
	if (parts.n != 3)
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": it is INSIDE:OUTSIDE:COUNT, or auto", option, text);
	for (size_t i = 0; i < 3; i++)
		if (num_u64(parts.v[i], UINT32_MAX, &n[i], option, e) < 0)
			return -1;
	*ret = (struct idmap_row){(uint32_t)n[old], (uint32_t)n[!old], (uint32_t)n[2]};
	return 0;
}

/* The first range that /etc/subuid or /etc/subgid gives our caller, by name or number. */
static int subordinate(const char *file, uint32_t *ret_first, uint32_t *ret_count, struct err *e)
{
	own(buf) struct buf b = BUF(1 << 20);
	own(strv) struct strv lines = {};
	own(mem) char *name = accounts_user_name(geteuid()), *number = mem_printf("%u", geteuid());
	struct err ignored = {};
	if (path_read(AT_FDCWD, file, &b, &ignored) == 0)
		strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		own(strv) struct strv f = {};
		uint64_t first, count;
		strv_split(&f, lines.v[i], ':');
		if (f.n == 3 && (str_eq(f.v[0], name) || str_eq(f.v[0], number)) && num_u64(f.v[1], UINT32_MAX, &first, "", &ignored) == 0 &&
			num_u64(f.v[2], UINT32_MAX, &count, "", &ignored) == 0 && count) {
			*ret_first = (uint32_t)first;
			*ret_count = (uint32_t)count;
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "%s has no range for the user %s", file, name);
}

struct side { /* users or groups */
	const char *one;          /* --map-user, or NULL */
	const struct strv *ranges;
	bool automatic;
	const char *option, *file;
	uint32_t own;
	int (*lookup)(const char *text, uint32_t *ret, struct err *e);
};

static int look_up_user(const char *text, uint32_t *ret, struct err *e)
{
	return accounts_user(text, ret, NULL, e);
}

static void add(struct arena *a, struct idmap_rows *rows, uint32_t inside, uint32_t outside, uint32_t count)
{
	if (count)
		*arena_push(a, rows) = (struct idmap_row){inside, outside, count};
}

static int read_side(const struct side *s, struct arena *a, struct idmap_rows *ret, struct err *e)
{
	uint32_t inside = 0, first, count;
	bool automatic = s->automatic;
	if (s->one && s->lookup(s->one, &inside, e) < 0)
		return -1;
	if (s->one)
		add(a, ret, inside, s->own, 1);
	for (size_t i = 0; i < s->ranges->n; i++) {
		struct idmap_row row;
		if (str_eq(s->ranges->v[i], "auto") || str_eq(s->ranges->v[i], "subids")) {
			automatic = true;
			continue;
		}
		if (read_range(s->ranges->v[i], &row, s->option, e) < 0)
			return -1;
		*arena_push(a, ret) = row;
	}
	if (!automatic)
		return 0;
	if (subordinate(s->file, &first, &count, e) < 0)
		return -1;
	/* The range stands around the one id that is taken. */
	uint32_t before = !s->one ? count : inside < count ? inside : count;
	add(a, ret, 0, first, before);
	if (s->one)
		add(a, ret, inside + 1, first + before, count - before);
	return 0;
}

static int read_maps(const struct run_options *o, struct arena *a, struct ns_run *r, struct err *e)
{
	own(mem) char *uid = mem_printf("%u", geteuid()), *gid = mem_printf("%u", getegid());
	struct side users = {o->map_user ? o->map_user : o->map_root ? "0" : o->map_current ? uid : NULL, &o->map_users, o->map_auto, "map-users",
		"/etc/subuid", geteuid(), look_up_user};
	struct side groups = {o->map_group ? o->map_group : o->map_root ? "0" : o->map_current ? gid : NULL, &o->map_groups, o->map_auto, "map-groups",
		"/etc/subgid", getegid(), accounts_group};
	if (o->map_root + o->map_current > 1 || (o->map_root && (o->map_user || o->map_group)))
		return err_set(e, ERR_USAGE, "--map-root-user: another option says already who the user is inside");
	if (read_side(&users, a, &r->uids, e) < 0 || read_side(&groups, a, &r->gids, e) < 0)
		return -1;
	if (r->uids.n || r->gids.n)
		r->flags |= CLONE_NEWUSER;
	return 0;
}

static int read_words(const struct run_options *o, struct ns_run *r, struct err *e)
{
	static const struct { const char *word; unsigned long flag; } propagations[] = {{"slave", MS_SLAVE}, {"shared", MS_SHARED},
		{"private", MS_PRIVATE}, {"unchanged", 0}};
	size_t i = 0;
	while (o->propagation && i < countof(propagations) && strcmp(propagations[i].word, o->propagation) != 0)
		i++;
	if (i == countof(propagations))
		return err_set(e, ERR_USAGE, "invalid --propagation \"%.60s\": slave, shared, private and unchanged are known", o->propagation);
	r->propagation = o->propagation ? propagations[i].flag : MS_PRIVATE;
	if (o->setgroups && !str_eq(o->setgroups, "allow") && !str_eq(o->setgroups, "deny"))
		return err_set(e, ERR_USAGE, "invalid --setgroups \"%.60s\": allow and deny are known", o->setgroups);
	if (o->kill_child && signal_parse(o->kill_child, &r->kill_child, e) < 0)
		return -1;
	if ((o->monotonic.set || o->boottime.set) && !(r->flags & CLONE_NEWTIME))
		return err_set(e, ERR_USAGE, "--monotonic and --boottime are of a new time namespace: --time");
	r->who.set_uid = o->uid != NULL;
	r->who.set_gid = o->gid != NULL;
	if ((o->uid && accounts_user(o->uid, &r->who.uid, NULL, e) < 0) || (o->gid && accounts_group(o->gid, &r->who.gid, e) < 0))
		return -1;
	return 0;
}

static int run_it(const struct run_options *o, char **argv, int *ret_status, struct err *e)
{
	own(arena) struct arena a = {};
	struct ns_run r = {.mount_proc = o->mount_proc, .root = o->root, .wd = o->wd, .setgroups = o->setgroups, .argv = argv,
		.monotonic_s = o->monotonic.v, .boottime_s = o->boottime.v, .who.keep_caps = o->keep_caps};
	for (int i = 0; i < NSFS_KINDS; i++) {
		r.flags |= o->kinds[i] ? (uint64_t)nsfs_kinds[i].flag : 0;
		r.keep[i] = str_is_empty(o->kinds[i]) ? NULL : o->kinds[i];
	}
	if (o->mount_proc)
		r.flags |= CLONE_NEWNS;
	if (read_maps(o, &a, &r, e) < 0 || read_words(o, &r, e) < 0)
		return -1;
	/* The clocks are those of children. */
	r.fork = o->fork || o->kill_child || r.flags & CLONE_NEWTIME;
	return ns_run(&r, ret_status, e);
}

static int run(void *opts, int argc unused, char **argv, struct err *e)
{
	int status = 0;
	cli_restore_umask();
	return run_it(opts, argv, &status, e) < 0 ? tools_status(-1, e) : status;
}

const struct cmd cmd_ns_run = {"run", "[COMMAND [ARG...]]", "Run a command in new namespaces", run_opts, countof(run_opts), sizeof(struct run_options),
	0, -1, run, CMD_STRICT,
	.about = "As unshare(1); without a command the user's shell. What is not named is shared with the caller. --mount=FILE and the others of its kind "
	"keep the new namespace at a file, for \"ns enter --mount=FILE\", after its processes have ended; umount(8) lets it go.",
	.examples = "$ hull ns run -r --pid --fork --mount-proc ps\n$ hull ns run -u sh -c 'hostname inside; hostname'"};
