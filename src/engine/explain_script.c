/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_script: a container by hand, as sh: the same steps in the same order as the runtime's, with the programs of util-linux,
 * iproute2 and libcgroup (where that is missing, functions of its four programs that are used stand in, with mkdir and echo).
 *
 * What a script cannot do is said in it: seccomp, pivot_root (the programs of the machine must still be found when the root
 * has changed: chroot it is), ids shown through id-mapped mounts.
 */
#include "engine/explain.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/settings.h"
#include "engine/user.h"
#include "runtime/cgroup_named.h"
#include "sys/caps.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct script {
	struct engine *g;
	struct container_entry *c;
	struct spec spec;
	struct buf *out;
};

static void line(struct script *s, const char *fmt, ...) printf_like(2, 3);
static void line(struct script *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(s->out, fmt, ap);
	va_end(ap);
	buf_char(s->out, '\n');
}

/* In single quotes, for sh. */
static char *quote(const char *text)
{
	own(buf) struct buf b = {};
	buf_char(&b, '\'');
	for (const char *p = text; *p; p++)
		buf_str(&b, *p == '\'' ? "'\\''" : (char[]){*p, 0});
	buf_char(&b, '\'');
	return buf_take(&b);
}

/* A comment is one line, whatever a name has in it. */
static void comment(struct script *s, const char *text)
{
	own(mem) char *one = mem_dup(text);
	str_harmless(one);
	line(s, "# %s", one);
}

static void put_head(struct script *s)
{
	static const char top[] = "#!/bin/sh\n";
	buf_str(s->out, top);
	own(mem) char *title = mem_printf("Container %s (%s) by hand: no hull in it. As root; give it a command to run that instead.",
		container_label(s->c), s->c->record.config.image ? s->c->record.config.image : "");
	comment(s, title);
	line(s, "set -eu");
	line(s, "name=by-hand-%.12s", s->c->id);
	line(s, "work=$(mktemp -d \"${TMPDIR:-/tmp}/$name.XXXXXX\")");
	line(s, "root=$work/root");
	line(s, "cleanup() {");
	line(s, "    status=$?");
	line(s, "    set +e");
	line(s, "    [ -z \"${link-}\" ] || ip link del \"$link\" 2>/dev/null");
	line(s, "    [ -z \"${groups-}\" ] || cgdelete -g \"$groups:/$name\" 2>/dev/null");
	line(s, "    umount -R -l \"$work\" 2>/dev/null");
	line(s, "    rmdir \"$work\"");
	line(s, "    exit $status");
	line(s, "}");
	line(s, "trap cleanup EXIT");
	line(s, "trap 'exit 130' INT TERM");
	buf_char(s->out, '\n');
}

static void put_command(struct script *s)
{
	const struct container_record *r = &s->c->record;
	own(mem) char *path = quote(r->path ? r->path : "sh");
	buf_printf(s->out, "[ $# -gt 0 ] || set -- %s", path);
	for (size_t i = 0; i < r->args.n; i++) {
		own(mem) char *arg = quote(r->args.v[i]);
		buf_printf(s->out, " %s", arg);
	}
	buf_str(s->out, "\n\n");
}

/* One layer as a directory, for overlay: a mount of its file, or its files. ret: sh's word for it. */
static int put_layer(struct script *s, size_t i, char **ret, struct err *e)
{
	static const char *const forms[] = {"tree", "opaque", "plain"};
	const char *hex = strchr(s->c->record.layers.v[i], ':');
	own(mem) char *path = mem_printf("%s/layers/%s", s->g->root_path, hex ? hex + 1 : ""), *quoted = quote(path);
	struct stat st;
	if (stat(path, &st) < 0)
		return err_sys(e, "layer %.19s", s->c->record.layers.v[i]);
	if (S_ISREG(st.st_mode)) {
		line(s, "mkdir \"$work/layer%zu\"", i);
		line(s, "mount -t erofs -o ro,loop %s \"$work/layer%zu\"", quoted, i);
		*ret = mem_printf("$work/layer%zu", i);
		return 0;
	}
	for (size_t k = 0; k < countof(forms); k++) {
		own(mem) char *tree = mem_printf("%s/%s", path, forms[k]);
		if (path_exists(AT_FDCWD, tree)) {
			/* overlay takes a colon for the end of a path: a link has none */
			own(mem) char *to = quote(tree);
			line(s, "ln -s %s \"$work/layer%zu\"", to, i);
			*ret = mem_printf("$work/layer%zu", i);
			return 0;
		}
	}
	return err_set(e, ERR_CORRUPT, "layer %.19s: it has no files", s->c->record.layers.v[i]);
}

static int put_root(struct script *s, struct err *e)
{
	const struct container_record *r = &s->c->record;
	line(s, "# Its root file system: layers, the uppermost first, and a directory of its own to write to. Below a tmpfs: it is gone afterwards.");
	line(s, "mount -t tmpfs tmpfs \"$work\"");
	line(s, "mkdir \"$root\" \"$work/upper\" \"$work/work\"");
	if (r->host.rootfs) {
		own(mem) char *dir = quote(r->host.rootfs);
		line(s, "mount --bind %s \"$root\"", dir);
		return 0;
	}
	own(buf) struct buf lower = {};
	for (size_t i = r->layers.n; i-- > 0;) {
		own(mem) char *word = NULL;
		if (put_layer(s, i, &word, e) < 0)
			return -1;
		buf_printf(&lower, "%s%s", lower.len ? ":" : "", word);
	}
	if (!r->layers.n) {
		line(s, "mkdir \"$work/empty\"");
		buf_str(&lower, "$work/empty");
	}
	line(s, "mount -t overlay -o \"lowerdir=%s,upperdir=$work/upper,workdir=$work/work\" overlay \"$root\"", buf_text(&lower));
	line(s, "mkdir -p \"$root/proc\" \"$root/sys\" \"$root/dev\" \"$root/etc\"");
	return 0;
}

static void put_etc(struct script *s)
{
	const struct container_record *r = &s->c->record;
	own(mem) char *host = quote(r->config.hostname ? r->config.hostname : "");
	line(s, "printf '%%s\\n' %s >\"$root/etc/hostname\"", host);
	line(s, "printf '127.0.0.1 localhost\\n::1 localhost\\n127.0.1.1 %%s\\n' %s >\"$root/etc/hosts\"", host);
	line(s, "cat /etc/resolv.conf >\"$root/etc/resolv.conf\" 2>/dev/null || true");
	buf_char(s->out, '\n');
}

/* A limit as each version has it; NULL: that one has none. */
struct setting { const char *controller; char *v1, *v2; };
struct settings_list { struct setting *v; size_t n; };

static void add(struct arena *a, struct settings_list *l, const char *controller, char *v1, char *v2)
{
	*arena_push(a, l) = (struct setting){controller, v1, v2};
}

static void collect_limits(const struct host_config *h, struct arena *a, struct settings_list *l)
{
	int64_t swap = h->memory_swap ? h->memory_swap : h->memory > 0 ? h->memory * 2 : 0;
	int64_t quota = h->nano_cpus ? h->nano_cpus / 10000 : h->cpu_quota, period = h->nano_cpus || !h->cpu_period ? 100000 : h->cpu_period;
	if (h->memory)
		add(a, l, "memory", arena_printf(a, "memory.limit_in_bytes=%lld", (long long)h->memory),
			arena_printf(a, "memory.max=%lld", (long long)h->memory));
	if (h->memory && swap > 0)
		add(a, l, "memory", arena_printf(a, "memory.memsw.limit_in_bytes=%lld", (long long)swap),
			arena_printf(a, "memory.swap.max=%lld", (long long)(swap - h->memory)));
	if (h->memory_reservation)
		add(a, l, "memory", arena_printf(a, "memory.soft_limit_in_bytes=%lld", (long long)h->memory_reservation),
			arena_printf(a, "memory.low=%lld", (long long)h->memory_reservation));
	if (h->pids_limit.set && h->pids_limit.v > 0)
		add(a, l, "pids", arena_printf(a, "pids.max=%lld", (long long)h->pids_limit.v), arena_printf(a, "pids.max=%lld", (long long)h->pids_limit.v));
	if (quota > 0 || h->cpu_period) {
		add(a, l, "cpu", arena_printf(a, "cpu.cfs_period_us=%lld", (long long)period), NULL);
		add(a, l, "cpu", quota > 0 ? arena_printf(a, "cpu.cfs_quota_us=%lld", (long long)quota) : NULL,
			quota > 0 ? arena_printf(a, "cpu.max=%lld %lld", (long long)quota, (long long)period) :
			arena_printf(a, "cpu.max=max %lld", (long long)period));
	}
	if (h->cpu_shares)
		add(a, l, "cpu", arena_printf(a, "cpu.shares=%lld", (long long)h->cpu_shares),
			arena_printf(a, "cpu.weight=%llu", (unsigned long long)cgroup_cpu_weight((uint64_t)h->cpu_shares)));
	if (!str_is_empty(h->cpuset_cpus))
		add(a, l, "cpuset", arena_printf(a, "cpuset.cpus=%s", h->cpuset_cpus), arena_printf(a, "cpuset.cpus=%s", h->cpuset_cpus));
	if (!str_is_empty(h->cpuset_mems))
		add(a, l, "cpuset", arena_printf(a, "cpuset.mems=%s", h->cpuset_mems), arena_printf(a, "cpuset.mems=%s", h->cpuset_mems));
	if (h->blkio_weight)
		add(a, l, "blkio", arena_printf(a, "blkio.weight=%llu", (unsigned long long)h->blkio_weight),
			arena_printf(a, "io.weight=%llu", (unsigned long long)cgroup_io_weight(h->blkio_weight)));
}

/* Where a hierarchy is mounted here, as hull found it. */
static const char *place_of(int row)
{
	return cgroupfs_get()->unified ? "/sys/fs/cgroup" : row == CGROUPFS_V2 ? "/sys/fs/cgroup/unified" : NULL;
}

static void put_stand_ins(struct script *s)
{
	line(s, "# Where libcgroup's programs are missing: what they do.");
	line(s, "in_each() { # in_each CONTROLLERS:PATH COMMAND...: with the group's directory in each hierarchy as $dir");
	line(s, "    list=${1%%%%:*} path=${1#*:}");
	line(s, "    shift");
	line(s, "    for controller in $(echo \"$list\" | tr , ' '); do");
	line(s, "        dir=$(place \"$controller\")$path");
	line(s, "        \"$@\"");
	line(s, "    done");
	line(s, "}");
	line(s, "make_group() {");
	line(s, "    # On version 2 a controller is switched on in the group above.");
	line(s, "    [ ! -e \"$(place \"$controller\")/cgroup.subtree_control\" ] ||");
	line(s, "        echo \"+$controller\" >\"$(place \"$controller\")/cgroup.subtree_control\"");
	line(s, "    mkdir -p \"$dir\"");
	line(s, "    # On version 1 a group without CPUs takes no process.");
	line(s, "    [ \"$controller\" != cpuset ] || [ -n \"$(cat \"$dir/cpuset.cpus\")\" ] || [ -e \"$dir/cgroup.controllers\" ] ||");
	line(s, "        for file in cpuset.cpus cpuset.mems; do cat \"$(place cpuset)/$file\" >\"$dir/$file\"; done");
	line(s, "}");
	line(s, "join_group() { echo 0 >\"$dir/cgroup.procs\"; }");
	line(s, "command -v cgcreate >/dev/null || {");
	line(s, "    cgcreate() { in_each \"$2\" make_group; }");
	line(s, "    cgset() { setting=$2 controller=${2%%%%.*}; echo \"${setting#*=}\" >\"$(place \"$controller\")/$3/${setting%%%%=*}\"; }");
	line(s, "    cgexec() { groups_of=$2; shift 2; (in_each \"$groups_of\" join_group; exec \"$@\"); }");
	line(s, "    cgdelete() { in_each \"$2\" remove_group; }");
	line(s, "    remove_group() { for _ in 1 2 3 4 5 6 7 8 9 10; do rmdir \"$dir\" 2>/dev/null && break; sleep 0.1; done; }");
	line(s, "}");
	buf_char(s->out, '\n');
}

/* Returns the controllers that are used, as "memory,pids"; "" when there are no limits. */
static int put_groups(struct script *s, struct arena *a, struct buf *names, struct err *e)
{
	struct settings_list l = {};
	own(buf) struct buf places = {};
	collect_limits(&s->c->record.host, a, &l);
	line(s, "# Its control groups.");
	for (size_t i = 0; i < l.n; i++) {
		const char *v2 = NULL;
		int row = cgroup_named_row(l.v[i].controller, &v2, e);
		if (row < 0)
			return -1;
		const char *name = row == CGROUPFS_V2 && v2 ? v2 : l.v[i].controller;
		own(mem) char *word = mem_printf(",%s,", name), *all = mem_printf(",%s,", buf_text(names));
		if (strstr(all, word))
			continue;
		buf_printf(names, "%s%s", names->len ? "," : "", name);
		if (place_of(row))
			buf_printf(&places, "    %s) echo %s ;;\n", name, place_of(row));
		else
			buf_printf(&places, "    %s) echo /sys/fs/cgroup/%s ;;\n", name, cgroupfs_name((enum cgroupfs_row)row));
	}
	if (!l.n) {
		line(s, "# It has no limits: nothing to make.\n");
		return 0;
	}
	line(s, "place() {\n    case $1 in\n%s    esac\n}", buf_text(&places));
	put_stand_ins(s);
	line(s, "groups=%s", buf_text(names));
	line(s, "cgcreate -g \"$groups:/$name\"");
	for (size_t i = 0; i < l.n; i++) {
		int row = cgroup_named_row(l.v[i].controller, NULL, e);
		const char *setting = row == CGROUPFS_V2 ? l.v[i].v2 : l.v[i].v1;
		own(mem) char *quoted = setting ? quote(setting) : NULL;
		/* Where the kernel does not count swap there is no such file. */
		bool swap = setting && strstr(setting, "sw") != NULL;
		if (quoted)
			line(s, "cgset -r %s \"$name\"%s", quoted, swap ? " 2>/dev/null || true" : "");
	}
	buf_char(s->out, '\n');
	return 0;
}

static void put_mount(struct script *s, const struct mount_point *m)
{
	own(mem) char *source = quote(m->source ? m->source : ""), *to = mem_printf("%s", m->destination), *target = quote(to);
	if (!str_eq(m->type, "bind") && !str_eq(m->type, "volume"))
		return;
	line(s, "if [ -d %s ]; then mkdir -p \"$root\"%s; else mkdir -p \"$(dirname \"$root\"%s)\"; touch \"$root\"%s; fi", source, target, target, target);
	line(s, "mount --rbind %s \"$root\"%s", source, target);
	if (!m->rw)
		line(s, "mount -o remount,bind,ro \"$root\"%s", target);
}

static void put_dev(struct script *s)
{
	static const struct { const char *name; int minor; } nodes[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
	line(s, "mount -t tmpfs -o nosuid,strictatime,mode=755,size=65536k tmpfs \"$root/dev\"");
	for (size_t i = 0; i < countof(nodes); i++)
		line(s, "mknod -m 666 \"$root/dev/%s\" c 1 %d", nodes[i].name, nodes[i].minor);
	line(s, "mknod -m 666 \"$root/dev/tty\" c 5 0");
	line(s, "mkdir \"$root/dev/pts\" \"$root/dev/shm\" \"$root/dev/mqueue\"");
	line(s, "mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620 devpts \"$root/dev/pts\"");
	line(s, "mount -t tmpfs -o nosuid,noexec,nodev,mode=1777,size=%lld tmpfs \"$root/dev/shm\"",
		(long long)(s->c->record.host.shm_size > 0 ? s->c->record.host.shm_size : 64 << 20));
	line(s, "mount -t mqueue -o nosuid,noexec,nodev mqueue \"$root/dev/mqueue\"");
	line(s, "ln -s pts/ptmx \"$root/dev/ptmx\"");
	line(s, "ln -s /proc/self/fd \"$root/dev/fd\"");
	line(s, "ln -s /proc/self/fd/0 \"$root/dev/stdin\"; ln -s /proc/self/fd/1 \"$root/dev/stdout\"; ln -s /proc/self/fd/2 \"$root/dev/stderr\"");
}

static void put_hidden(struct script *s)
{
	const struct spec_linux *l = s->spec.linux_;
	own(buf) struct buf hidden = {}, fixed = {};
	for (size_t i = 0; i < l->masked_paths.n; i++) {
		own(mem) char *path = quote(l->masked_paths.v[i]);
		buf_printf(&hidden, " %s", path);
	}
	for (size_t i = 0; i < l->readonly_paths.n; i++) {
		own(mem) char *path = quote(l->readonly_paths.v[i]);
		buf_printf(&fixed, " %s", path);
	}
	if (fixed.len) {
		line(s, "for path in%s; do", buf_text(&fixed));
		line(s, "    [ ! -e \"$root$path\" ] || { mount --bind \"$root$path\" \"$root$path\"; mount -o remount,bind,ro \"$root$path\"; }");
		line(s, "done");
	}
	if (hidden.len) {
		line(s, "for path in%s; do", buf_text(&hidden));
		line(s, "    if [ -d \"$root$path\" ]; then mount -t tmpfs -o ro tmpfs \"$root$path\"");
		line(s, "    elif [ -e \"$root$path\" ]; then mount --bind /dev/null \"$root$path\"; fi");
		line(s, "done");
	}
}

/* By the container's own /etc/passwd, while it runs; without it a number is itself. */
static void find_user(struct script *s, struct arena *a, struct user *ret)
{
	char path[48];
	struct err why = {};
	const char *text = s->c->record.config.user;
	snprintf(path, sizeof path, "/proc/%lld/root", (long long)s->c->state.pid);
	own(fd) int root = str_eq(container_status(s->g, s->c), "running") ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	own(fd) int nothing = root < 0 ? open("/proc/self/fdinfo", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (user_lookup(root >= 0 ? root : nothing, text ? text : "", a, ret, &why) == 0)
		return;
	*ret = (struct user){.home = NULL};
	own(mem) char *said = mem_printf("User %s is not known while it does not run: root instead.", text);
	comment(s, said);
}

static void put_rlimits(struct script *s)
{
	for (size_t i = 0; i < s->c->record.host.ulimits.n; i++) {
		const struct ulimit *u = &s->c->record.host.ulimits.v[i];
		const int64_t both[] = {u->soft, u->hard};
		own(buf) struct buf values = {};
		for (size_t k = 0; k < countof(both); k++)
			if (both[k] < 0)
				buf_printf(&values, "%sunlimited", k ? ":" : "");
			else
				buf_printf(&values, "%s%lld", k ? ":" : "", (long long)both[k]);
		line(s, "prlimit --pid $$ --%s=%s || true", u->name, buf_text(&values));
	}
}

static void put_last(struct script *s)
{
	const struct container_record *r = &s->c->record;
	const struct strv *kept = &s->spec.process->caps->bounding;
	own(arena) struct arena a = {};
	struct user user = {};
	find_user(s, &a, &user);
	own(buf) struct buf caps = {};
	const bool changes_user = user.uid || user.gid;
	const struct { const char *cap, *name; bool needed; } needed[] = {
		{"CAP_SYS_CHROOT", "sys_chroot", true}, {"CAP_SETUID", "setuid", changes_user}, {"CAP_SETGID", "setgid", changes_user},
	};
	put_rlimits(s);
	buf_str(&caps, "-all");
	for (size_t i = 0; i < kept->n; i++) {
		own(mem) char *name = str_lower(mem_dup(kept->v[i] + 4));
		buf_printf(&caps, ",+%s", name);
	}
	for (size_t i = 0; i < countof(needed); i++) {
		if (!needed[i].needed || strv_has(kept, needed[i].cap))
			continue;
		line(s, "# It does not have %s; the program that changes %s still needs it.", needed[i].name, i ? "the user" : "the root");
		buf_printf(&caps, ",+%s", needed[i].name);
	}
	line(s, "# Capabilities, environment, root, user, and the command in our place. hull loads its seccomp filter here, which no");
	line(s, "# program for scripts does, and moves to the root with pivot_root(2), so that nothing of the old one is left.");
	own(mem) char *wd = quote(str_is_empty(r->config.working_dir) ? "/" : r->config.working_dir);
	line(s, "setpriv=$(command -v setpriv) unshare=$(command -v unshare) env=$(command -v env)");
	buf_printf(s->out, "exec \"$env\" -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (!str_is_empty(r->config.hostname)) {
		own(mem) char *host = quote(r->config.hostname);
		buf_printf(s->out, " HOSTNAME=%s", host);
	}
	own(mem) char *home = quote(str_is_empty(user.home) ? user.uid ? "/" : "/root" : user.home);
	buf_printf(s->out, " HOME=%s", home);
	for (size_t i = 0; i < r->config.env.n; i++) {
		own(mem) char *entry = quote(r->config.env.v[i]);
		buf_printf(s->out, " %s", entry);
	}
	buf_printf(s->out, " \\\n    \"$setpriv\" --bounding-set %s --inh-caps -all%s \\\n    \"$unshare\" --root \"$root\" --wd %s", buf_text(&caps),
		s->spec.process->no_new_privileges ? " --no-new-privs" : "", wd);
	if (changes_user)
		buf_printf(s->out, " --setgid %u --setuid %u", user.gid, user.uid);
	buf_str(s->out, " -- \"$@\"\n");
}

/* What runs inside of the new namespaces, as a here-document of its own. */
static void put_inside(struct script *s)
{
	const struct container_record *r = &s->c->record;
	bool own_uts = !str_eq(r->host.uts_mode, "host") && !(r->host.uts_mode && str_has_prefix(r->host.uts_mode, "container:"));
	bool own_net = s->c->record.host.network_mode && str_eq(r->host.network_mode, "none");
	line(s, "# What its first process does before it becomes the command.");
	/* The container's id: no image can know it and end the text early, in a variable of its environment. */
	line(s, "cat >\"$work/inside\" <<'INSIDE_%.12s'", s->c->id);
	line(s, "set -eu\nroot=$1\nshift");
	if (own_uts && !str_is_empty(r->config.hostname)) {
		own(mem) char *host = quote(r->config.hostname);
		line(s, "hostname %s 2>/dev/null || printf %%s %s >/proc/sys/kernel/hostname", host, host);
	}
	if (!str_eq(r->host.network_mode, "host"))
		line(s, own_net ? "ip link set lo up" : "ip link set lo up\nwhile [ -e \"${root%%/*}/wait\" ]; do sleep 0.05; done");
	line(s, "mount -t proc -o nosuid,noexec,nodev proc \"$root/proc\"");
	line(s, "mount -t sysfs -o %snosuid,noexec,nodev sysfs \"$root/sys\" 2>/dev/null || mount --rbind -o ro /sys \"$root/sys\"",
		r->host.privileged ? "" : "ro,");
	put_dev(s);
	for (size_t i = 0; i < r->mounts.n; i++)
		put_mount(s, &r->mounts.v[i]);
	for (size_t i = 0; i < r->host.tmpfs.n; i++) {
		own(mem) char *to = quote(r->host.tmpfs.v[i].key);
		own(mem) char *how = quote(str_is_empty(r->host.tmpfs.v[i].value) ? "nosuid,nodev,noexec" : r->host.tmpfs.v[i].value);
		line(s, "mkdir -p \"$root\"%s; mount -t tmpfs -o %s tmpfs \"$root\"%s", to, how, to);
	}
	for (size_t i = 0; i < r->host.sysctls.n; i++) {
		own(mem) char *key = mem_dup(r->host.sysctls.v[i].key), *value = quote(r->host.sysctls.v[i].value);
		for (char *p = key; *p; p++)
			*p = *p == '.' ? '/' : *p;
		own(mem) char *path = quote(key);
		line(s, "echo %s >\"/proc/sys/\"%s", value, path);
	}
	put_hidden(s);
	if (r->host.read_only)
		line(s, "mount -o remount,bind,ro \"$root\"");
	put_last(s);
	line(s, "INSIDE_%.12s\n", s->c->id);
}

static const struct { size_t at; const char *option, *file; } kinds[] = {
	{offset_of(struct host_config, uts_mode), "uts", "uts"}, {offset_of(struct host_config, ipc_mode), "ipc", "ipc"},
	{offset_of(struct host_config, pid_mode), "pid", "pid"}, {offset_of(struct host_config, network_mode), "net", "net"},
	{offset_of(struct host_config, cgroupns_mode), "cgroup", "cgroup"},
};

static void put_network(struct script *s)
{
	line(s, "# Its network: a pair of interfaces, one end on the bridge, the other, as eth0, in its namespace.");
	for (size_t i = 0; i < s->c->state.networks.n && i < 1; i++) {
		const struct endpoint_state *n = &s->c->state.networks.v[i];
		if (str_is_empty(n->ip) || !str_eq(n->driver, "bridge"))
			continue;
		line(s, "address=${ADDRESS-%s/%u} # taken while the container runs: ADDRESS= another then", n->ip, n->prefix);
		line(s, "bridge=hl-%.12s", n->network_id);
		line(s, "[ -e \"/sys/class/net/$bridge\" ] || bridge=$(ip -o -4 addr show | awk -v it='%s/%u' '$4 == it { print $2; exit }')", n->gateway,
			n->prefix);
		line(s, "if [ -z \"$bridge\" ]; then");
		line(s, "    bridge=byhand0");
		line(s, "    ip link add \"$bridge\" type bridge 2>/dev/null || true");
		line(s, "    ip addr add '%s/%u' dev \"$bridge\" 2>/dev/null || true", n->gateway, n->prefix);
		line(s, "    ip link set \"$bridge\" up");
		line(s, "fi");
		line(s, "link=bh%.10s", s->c->id);
		line(s, "ip link add \"$link\" type veth peer name eth0 netns \"$first\"");
		line(s, "ip link set \"$link\" master \"$bridge\" up");
		line(s, "nsenter -t \"$first\" -n ip addr add \"$address\" dev eth0");
		line(s, "nsenter -t \"$first\" -n ip link set eth0 up");
		if (!str_is_empty(n->gateway))
			line(s, "nsenter -t \"$first\" -n ip route add default via '%s'", n->gateway);
	}
	for (size_t i = 0; i < s->c->state.published.n; i++) {
		const struct port_state *p = &s->c->state.published.v[i];
		if (p->host_ip && strchr(p->host_ip, ':'))
			continue;
		line(s, "# port %u of the machine: nft add rule ip nat prerouting %s dport %u dnat to \"${address%%/*}:%u\"", p->host_port, p->protocol,
			p->host_port, p->port);
	}
	line(s, "rm \"$work/wait\"");
}

static void put_start(struct script *s, const char *groups)
{
	const struct host_config *h = &s->c->record.host;
	own(buf) struct buf flags = {};
	const char *mode = h->network_mode;
	bool wired = !str_eq(mode, "host") && !str_eq(mode, "none") && !(mode && (str_has_prefix(mode, "container:") || str_has_prefix(mode, "ns:")));
	line(s, "# Its namespaces.");
	buf_str(&flags, "unshare --mount --propagation private");
	own(buf) struct buf joined = {};
	bool new_pid = false;
	for (size_t i = 0; i < countof(kinds); i++) {
		const char *how = *(char *const *)((const char *)h + kinds[i].at), *peer = how ? str_after(how, "container:") : NULL;
		if (str_eq(how, "host"))
			continue;
		if (peer) {
			own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
			struct err ignored = {};
			if (container_get_running(s->g, peer, &c, &ignored) == 0)
				buf_printf(&joined, " --%s=/proc/%lld/ns/%s", kinds[i].option, (long long)c.state.pid, kinds[i].file);
			continue;
		}
		buf_printf(&flags, " --%s", kinds[i].option);
		new_pid |= strcmp(kinds[i].option, "pid") == 0;
	}
	if (s->c->record.uid_map)
		line(s, "# (hull gives it a user namespace too, %s, and shows it files through id-mapped mounts; here ids are those outside)",
			s->c->record.uid_map);
	if (new_pid)
		buf_str(&flags, " --fork --kill-child");
	if (*groups)
		line(s, "run() { cgexec -g \"$groups:/$name\" \"$@\"; }");
	else
		line(s, "run() { \"$@\"; }");
	own(mem) char *before = joined.len ? mem_printf("nsenter%s ", buf_text(&joined)) : mem_dup("");
	if (!wired) {
		line(s, "run %s%s sh \"$work/inside\" \"$root\" \"$@\"", before, buf_text(&flags));
		return;
	}
	line(s, ": >\"$work/wait\"");
	line(s, "exec 3<&0");
	line(s, "run %s%s sh \"$work/inside\" \"$root\" \"$@\" <&3 3<&- &", before, buf_text(&flags));
	line(s, "job=$!");
	line(s, "# The process that waits for its interface.");
	line(s, "until first=$(pgrep -f \"^sh $work/inside \" -o); do kill -0 \"$job\"; sleep 0.05; done");
	put_network(s);
	line(s, "wait \"$job\"");
}

int explain_script(struct engine *g, const char *text, struct buf *ret, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(arena) struct arena a = {};
	own(buf) struct buf groups = {};
	struct script s = {.g = g, .c = &c, .out = ret};
	if (container_get(g, text, 0, &c, e) < 0 || explain_security(g, &c, &a, &s.spec, e) < 0)
		return -1;
	put_head(&s);
	put_command(&s);
	if (put_root(&s, e) < 0)
		return -1;
	put_etc(&s);
	if (put_groups(&s, &a, &groups, e) < 0)
		return -1;
	put_inside(&s);
	put_start(&s, buf_text(&groups));
	return 0;
}
