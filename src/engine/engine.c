/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int engine_default_paths(bool rootless, uid_t user, char **ret_root, char **ret_run, struct err *e)
{
	if (!rootless) {
		*ret_root = mem_dup("/var/lib/hull");
		*ret_run = mem_dup("/run/hull");
		return 0;
	}
	const char *data = getenv("XDG_DATA_HOME"), *run = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	if (str_is_empty(data) && str_is_empty(home))
		return err_set(e, ERR_USAGE, "HOME is not set: say where images and containers go with --root");
	*ret_root = str_is_empty(data) ? mem_printf("%s/.local/share/hull", home) : mem_printf("%s/hull", data);
	*ret_run = str_is_empty(run) ? mem_printf("/tmp/hull-run-%u", user) : mem_printf("%s/hull", run);
	return 0;
}

static const char *given(const char *option, const char *env)
{
	const char *v = str_is_empty(option) ? getenv(env) : option;
	return str_is_empty(v) ? NULL : v;
}

static int open_root(const char *path, int flags, char **ret_path, struct err *e)
{
	own(mem) char *whole = NULL;
	if (*path == '/') {
		whole = path_clean(path);
	} else {
		own(mem) char *cwd = getcwd(NULL, 0);
		own(mem) char *joined = path_join(cwd ? cwd : "/", path);
		whole = path_clean(joined);
	}
	own(fd) int fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	if (fd < 0) {
		if (path_mkdirs(AT_FDCWD, whole, 0700, e) < 0)
			return -1;
		fd = path_open_dir(AT_FDCWD, whole, e);
		if (fd < 0)
			return -1;
	}
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s", whole);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_DENIED, "%s belongs to another user (uid %u): not used", whole, st.st_uid);
	*ret_path = take(whole);
	return take_fd(fd);
}

/* A plain user's namespace is entered as soon as the run directory is there, before anything else is opened. */
static int open_all(struct engine *g, const char *root, const char *run, int run_flags, struct err *e)
{
	g->run = open_root(run, run_flags, &g->run_path, e);
	if (g->run < 0 || rootless_enter(g->run, &g->user, e) < 0)
		return -1;
	g->rootless = g->user.inside;
	g->root = open_root(root, 0, &g->root_path, e);
	return g->root < 0 ? -1 : containers_open(&g->containers, g->root, g->run, e);
}

int engine_open(struct engine *g, const struct engine_options *o, struct err *e)
{
	*g = (struct engine){.root = -1, .run = -1, .warn = o->warn, .arg = o->arg, .user = {.lock = -1}, .private_net = PRIVATE_NET_INIT};
	g->containers = g->pods = (struct containers){.root = -1, .names = -1, .run = -1};
	g->networks = (struct networks)NETWORKS_INIT;
	own(mem) char *root = mem_dup(given(o->root, "HULL_ROOT"));
	own(mem) char *run = mem_dup(given(o->run_root, "HULL_RUN_ROOT"));
	int run_flags = 0;
	if (!root || !run) {
		own(mem) char *root_default = NULL;
		own(mem) char *run_default = NULL;
		if (engine_default_paths(geteuid() != 0, geteuid(), &root_default, &run_default, e) < 0)
			return -1;
		if (!root)
			root = take(root_default);
		/* The made-up place may lie in /tmp, where others could have put a symlink. */
		if (!run) {
			run_flags = geteuid() != 0 ? O_NOFOLLOW : 0;
			run = take(run_default);
		}
	}
	g->storage = mem_dup(given(o->storage, "HULL_STORAGE"));
	if (o->exe && strrchr(o->exe, '/'))
		g->exe_dir = mem_ndup(o->exe, (size_t)(strrchr(o->exe, '/') - o->exe));
	if (open_all(g, root, run, run_flags, e) < 0) {
		engine_drop(g);
		return -1;
	}
	return 0;
}

void engine_drop(struct engine *g)
{
	containers_drop(&g->containers);
	if (g->has_pods)
		containers_drop(&g->pods);
	if (g->has_store)
		store_drop(&g->store);
	if (g->has_snap)
		snap_drop(&g->snap);
	fd_drop(&g->root);
	fd_drop(&g->run);
	networks_drop(&g->networks);
	private_net_drop(&g->private_net);
	rootless_drop(&g->user);
	settings_drop(&g->settings);
	mem_drop(&g->root_path);
	mem_drop(&g->run_path);
	mem_drop(&g->exe_dir);
	mem_drop(&g->storage);
	g->has_store = g->has_snap = g->has_storage = g->has_settings = g->has_networks = g->has_pods = false;
}

int engine_need_store(struct engine *g, struct err *e)
{
	if (!g->has_store && store_open(&g->store, g->root, e) < 0)
		return -1;
	g->has_store = true;
	return 0;
}

int engine_need_snap(struct engine *g, struct err *e)
{
	if (!g->has_snap && snap_open(&g->snap, g->root, g->root_path, g->rootless, e) < 0)
		return -1;
	/* Plain users mount no layers. */
	if (!g->has_snap && !g->rootless)
		snap_share_mounts(&g->snap, g->run);
	g->has_snap = true;
	return 0;
}

int engine_need_networks(struct engine *g, struct err *e)
{
	if (g->has_networks)
		return 0;
	const struct settings *s = engine_settings(g, e);
	if (!s || networks_open(&g->networks, g->root, g->run, e) < 0)
		return -1;
	g->networks.cni.conf_dir = s->cni_conf_dir;
	g->networks.cni.bin_dirs = &s->cni_bin_dirs;
	g->networks.cni.seconds = (int)s->cni_timeout;
	g->has_networks = true;
	return 0;
}

int engine_need_pods(struct engine *g, struct err *e)
{
	if (!g->has_pods && containers_open_pods(&g->pods, g->root, g->run, e) < 0)
		return -1;
	g->has_pods = true;
	return 0;
}

int engine_need_storage(struct engine *g, struct err *e)
{
	if (g->has_storage)
		return 0;
	const struct settings *s = g->storage ? NULL : engine_settings(g, e);
	if ((!g->storage && !s) || engine_need_snap(g, e) < 0 || snap_choose(&g->snap, g->storage ? g->storage : s->storage, false, e) < 0)
		return -1;
	g->has_storage = true;
	return 0;
}

const struct settings *engine_settings(struct engine *g, struct err *e)
{
	if (!g->has_settings && settings_load(&g->settings, e) < 0)
		return NULL;
	g->has_settings = true;
	return &g->settings;
}

int engine_seccomp_cache(struct engine *g, const struct spec *s)
{
	struct err ignored = {};
	if (!s->linux_->seccomp || seccomp_is_builtin(s->linux_->seccomp) || path_mkdirs(g->root, "seccomp", 0700, &ignored) < 0)
		return -1;
	return path_open_dir(g->root, "seccomp", &ignored);
}

void engine_warn(const struct engine *g, const char *fmt, ...)
{
	if (!g->warn)
		return;
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	g->warn(g->arg, text);
}

void engine_warn_ids(struct engine *g)
{
	if (!g->rootless || g->user.uids > 1 || g->has_warned)
		return;
	g->has_warned = true;
	engine_warn(g, "there is only one user id: files of other users in images become yours; add a range for you to "
		"/etc/subuid and /etc/subgid, and install uidmap");
}

static char *find_file(const struct engine *g, const char *beside, const char *dir, const char *name)
{
	if (g->exe_dir) {
		own(mem) char *near = mem_printf("%s/%s%s", g->exe_dir, beside, name);
		if (access(near, R_OK) == 0)
			return take(near);
	}
	own(mem) char *installed = mem_printf("%s/%s", dir, name);
	return access(installed, R_OK) == 0 ? take(installed) : NULL;
}

/* In the build tree the executable is build/src/cli/hull: its helpers are found from there. */
char *engine_libexec(const struct engine *g, const char *name)
{
	char *path = find_file(g, "../registry/", HULL_LIBEXECDIR, name);
	return path ? path : find_file(g, "../libexec/hull/", HULL_LIBEXECDIR, name);
}

char *engine_data(const struct engine *g, const char *name)
{
	char *path = find_file(g, "../../box/", HULL_DATADIR, name);
	return path ? path : find_file(g, "../share/hull/", HULL_DATADIR, name);
}

int engine_scratch(struct engine *g, struct err *e)
{
	int fd = openat(g->root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		char name[48];
		snprintf(name, sizeof name, ".scratch-%d", (int)getpid());
		fd = openat(g->root, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlinkat(g->root, name, 0);
	}
	return fd < 0 ? err_sys(e, "a file for what is under way") : fd;
}
