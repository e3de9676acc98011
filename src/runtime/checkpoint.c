/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: a container's processes to files; see checkpoint.h.
 */
#include "runtime/checkpoint.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/annotations.h"
#include "sys/cgroupfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OLDEST = 31500, NO_LOCK = 31800 };

const struct checkpoint_namespace checkpoint_namespaces[2] = {{"network", "net", "extRootNetNS"}, {"pid", "pid", "extRootPidNS"}};

/* The mount of an open file, which only the kernel's own list tells: fdinfo's "mnt_id:". */
static unsigned mount_id(int fd)
{
	own(buf) struct buf b = BUF(64 << 10);
	struct err ignored = {};
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	const char *at = path_read(AT_FDCWD, path, &b, &ignored) < 0 ? NULL : strstr(buf_text(&b), "mnt_id:");
	return at ? (unsigned)strtoul(at + 7, NULL, 10) : 0;
}

void container_name_files(const int files[3], struct arena *a, struct strv *ret)
{
	for (int i = 0; i < 3; i++) {
		char path[40], name[PATH_MAX];
		struct stat st;
		snprintf(path, sizeof path, "/proc/self/fd/%d", files[i]);
		ssize_t n = files[i] < 0 ? -1 : readlink(path, name, sizeof name - 1);
		name[n > 0 ? n : 0] = 0;
		/* hexadecimal, as criu writes them */
		if (n > 0 && fstat(files[i], &st) == 0 && S_ISREG(st.st_mode))
			snprintf(name, sizeof name, "file[%x:%llx]", mount_id(files[i]), (unsigned long long)st.st_ino);
		arena_strv_add(a, ret, n > 0 ? name : "/dev/null");
	}
}

static int ask_features(bool mem_track, bool lazy_pages, struct err *e)
{
	const struct criu_call c = {.request = CRIU_FEATURES, .input = -1};
	struct criu_answer a = {};
	if (!mem_track && !lazy_pages)
		return 0;
	if (criu_call(&c, &a, e) < 0)
		return -1;
	if (mem_track && !a.mem_track)
		return err_set(e, ERR_UNSUPPORTED, "a pre-dump needs a kernel that tracks changes of memory (CONFIG_MEM_SOFT_DIRTY)");
	if (lazy_pages && !a.lazy_pages)
		return err_set(e, ERR_UNSUPPORTED, "lazy pages need a kernel with userfaultfd(2), and a criu that uses it");
	return 0;
}

int checkpoint_check_criu(const struct criu_options *o, bool pre_dump, struct err *e)
{
	const struct criu_call c = {.request = CRIU_VERSION, .input = -1};
	struct criu_answer a = {};
	if (geteuid() != 0)
		return err_set(e, ERR_DENIED, "criu needs root");
	if (criu_call(&c, &a, e) < 0)
		return -1;
	unsigned needed = o->network_lock == CRIU_LOCK_SKIP ? NO_LOCK : OLDEST;
	if (a.version < needed)
		return err_set(e, ERR_UNSUPPORTED, "criu %u.%u is too old: %s%u.%u or newer is needed", a.version / 10000, a.version / 100 % 100,
			needed == NO_LOCK ? "for a network that is not locked " : "", needed / 10000, needed / 100 % 100);
	return ask_features(pre_dump || o->parent_images, o->lazy_pages, e);
}

char *checkpoint_config_file(const struct spec *s, struct arena *a)
{
	static const char own_file[] = "/etc/criu/hull-runtime.conf", of_runc[] = "/etc/criu/runc.conf";
	const char *asked = annotation_get(s, ANNOTATION_CRIU_CONFIG);
	if (asked)
		return *asked ? arena_dup(a, asked) : NULL;
	return arena_dup(a, access(own_file, F_OK) == 0 ? own_file : of_runc);
}

/* 1: the container's namespace of that kind is not ours, and *ret tells it from others. */
static int find_namespace(pid_t pid, const char *word, ino_t *ret, struct err *e)
{
	struct stat its, ours;
	own(mem) char *path = mem_printf("/proc/%d/ns/%s", (int)pid, word);
	own(mem) char *self = mem_printf("/proc/self/ns/%s", word);
	if (stat(path, &its) < 0 || stat(self, &ours) < 0)
		return err_sys(e, "the container's %s namespace", word);
	*ret = its.st_ino;
	return its.st_ino != ours.st_ino;
}

static int add_namespaces(const struct container_checkpoint *c, struct criu_options *o, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < countof(checkpoint_namespaces); i++) {
		const struct checkpoint_namespace *n = &checkpoint_namespaces[i];
		const struct spec_namespace *row = spec_namespace(c->spec, n->type);
		ino_t inode = 0;
		if (!row || str_is_empty(row->path))
			continue;
		int found = find_namespace(c->pid, n->word, &inode, e);
		if (found < 0)
			return -1;
		if (found)
			arena_strv_add(a, &o->external, arena_printf(a, "%s[%llu]:%s", n->word, (unsigned long long)inode, n->key));
	}
	return 0;
}

static void add_freezer(const struct container_checkpoint *c, struct criu_options *o, struct arena *a)
{
	const struct cgroupfs *fs = cgroupfs_get();
	int row = c->cgroup->rows & 1u << CGROUPFS_V2 ? CGROUPFS_V2 : CGROUPFS_FREEZER;
	if (c->cgroup->rows & 1u << row)
		o->freeze_cgroup = arena_printf(a, "/sys/fs/cgroup%s%s%s", fs->unified ? "" : "/", fs->unified ? "" : cgroupfs_name(row), c->cgroup->path);
}

static int write_files(const struct container_checkpoint *c, struct err *e)
{
	own(json) struct json *list = json_new_array();
	own(buf) struct buf b = BUF(64 << 10);
	for (size_t i = 0; i < c->files->n; i++)
		json_add(list, json_new_str(c->files->v[i]));
	json_format(list, 0, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	return path_write(c->options->images_dir, "descriptors.json", b.data, b.len, 0600, 0, e);
}

static int hear(const struct criu_notice *n, void *arg, struct err *e)
{
	const struct container_checkpoint *c = arg;
	if (strcmp(n->script, "post-dump") == 0 && c->dumped)
		return c->dumped(c->arg, e);
	/* Who waits there may be gone: no reason to stop. */
	if (strcmp(n->script, "status-ready") == 0 && c->status_fd >= 0)
		(void)!write(c->status_fd, "", 1);
	return 0;
}

static int dump(const struct container_checkpoint *c, struct criu_options *o, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < c->files->n; i++)
		if (str_has_prefix(c->files->v[i], "file["))
			arena_strv_add(a, &o->external, c->files->v[i]);
	if (add_namespaces(c, o, a, e) < 0 || external_find(c->spec, c->bundle, c->pid, a, &o->mounts, e) < 0)
		return -1;
	return write_files(c, e);
}

int container_checkpoint(const struct container_checkpoint *c, struct err *e)
{
	struct arena a __attribute__((cleanup(arena_drop))) = {};
	struct criu_options o = *c->options;
	struct criu_answer answer;
	if (checkpoint_check_criu(&o, c->pre_dump, e) < 0)
		return -1;
	o.pid = c->pid;
	o.root = c->rootfs ? arena_dup(&a, c->rootfs) : NULL;
	o.log_file = arena_dup(&a, "dump.log");
	o.config_file = checkpoint_config_file(c->spec, &a);
	o.orphan_pts_master = true;
	o.empty_namespaces |= CLONE_NEWNET;
	if (c->pre_dump || o.parent_images)
		o.track_mem = true;
	add_freezer(c, &o, &a);
	if (!c->pre_dump && dump(c, &o, &a, e) < 0)
		return -1;
	const struct criu_call call = {.request = c->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, .options = &o, .input = -1, .notify = hear,
		.arg = (void *)(uintptr_t)c};
	return criu_call(&call, &answer, e);
}
