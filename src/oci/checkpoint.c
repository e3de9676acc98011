/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: a running container's processes to files, by criu(8). Then it is gone, as after delete, unless it was to go on.
 */
#include "oci/criu.h"
#include "oci/notify.h"
#include "oci/state.h"
#include "oci/verbs.h"
#include "runtime/checkpoint.h"

#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct options {
	struct oci_criu_options shared;
	char *parent_path, *page_server;
	bool pre_dump;
	struct opt_num status_fd;
};
#define O struct options
static const struct opt options[] = {
	OCI_CRIU_OPTIONS(O, shared.),
	{"leave-running", 'R', OPT_BOOL, offset_of(O, shared.criu.leave_running), NULL, "The container goes on"},
	{"page-server", 0, OPT_STR, offset_of(O, page_server), "ADDRESS:PORT", "Where memory goes, or comes from with --lazy-pages"},
	{"parent-path", 0, OPT_STR, offset_of(O, parent_path), "DIR", "The files of an earlier --pre-dump, below --image-path or beside it", 0, "@dir"},
	{"pre-dump", 0, OPT_BOOL, offset_of(O, pre_dump), NULL, "Save memory alone, so that the checkpoint later has less to do"},
	{"status-fd", 0, OPT_I64, offset_of(O, status_fd), "FD", "Gets a NUL when lazy pages can be fetched"},
	{"tcp-skip-in-flight", 0, OPT_BOOL, offset_of(O, shared.criu.tcp_skip_in_flight), NULL, "Leave connections out that are being made"},
};
#undef O

static int check_parent(const char *path, int images, struct err *e)
{
	struct stat st;
	if (*path == '/')
		return err_set(e, ERR_USAGE, "--parent-path must be relative to --image-path");
	if (fstatat(images, path, &st, 0) < 0)
		return err_sys(e, "--parent-path %s (from --image-path)", path);
	return S_ISDIR(st.st_mode) ? 0 : err_set(e, ERR_USAGE, "--parent-path %s: not a directory", path);
}

static int read_page_server(const char *text, struct arena *a, struct criu_options *ret, struct err *e)
{
	const char *colon = strrchr(text, ':');
	uint64_t port = 0;
	size_t n = colon ? (size_t)(colon - text) : 0;
	if (!n || num_u64(colon + 1, 65535, &port, "port", e) < 0 || !port)
		return err_set(e, ERR_USAGE, "invalid --page-server \"%.80s\": ADDRESS:PORT", text);
	/* [::1]:27 */
	bool brackets = n > 2 && text[0] == '[' && colon[-1] == ']';
	ret->page_server_address = arena_ndup(a, text + brackets, n - 2 * brackets);
	ret->page_server_port = (int64_t)port;
	return 0;
}

static int check_status_fd(const struct opt_num *fd, struct err *e)
{
	int flags = !fd->set ? O_WRONLY : fd->v < 0 || fd->v > 1 << 20 ? -1 : fcntl((int)fd->v, F_GETFL);
	if (flags < 0)
		return err_set(e, ERR_USAGE, "--status-fd %lld: not an open file", (long long)fd->v);
	return (flags & O_ACCMODE) == O_RDONLY ? err_set(e, ERR_USAGE, "--status-fd %lld: it cannot be written to", (long long)fd->v) : 0;
}

static int save(const struct options *o, struct oci_container *c, struct criu_options *criu, struct err *e)
{
	struct cgroup g;
	if (oci_open_cgroup(c, &g, e) < 0)
		return -1;
	const struct container_checkpoint x = {.spec = &c->spec, .rootfs = c->state.rootfs, .bundle = c->state.bundle, .pid = (pid_t)c->state.pid,
		.cgroup = &g, .files = &c->state.descriptors, .pre_dump = o->pre_dump, .status_fd = o->status_fd.set ? (int)o->status_fd.v : -1,
		.options = criu};
	int r = container_checkpoint(&x, e);
	cgroup_drop(&g);
	return r < 0 ? oci_criu_failed(&o->shared, "dump.log", e) : 0;
}

static int checkpoint(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	own(oci_criu) struct oci_criu x = OCI_CRIU_EMPTY;
	if (oci_container_open(argv[0], OCI_LOCK, &c, e) < 0 || oci_load_spec(&c, e) < 0)
		return -1;
	enum oci_status s = oci_container_status(&c);
	if (s != OCI_RUNNING && s != OCI_PAUSED)
		return err_set(e, ERR_CONFLICT, "cannot checkpoint container %s: it is %s", c.state.id, oci_status_name(s));
	if (check_status_fd(&o->status_fd, e) < 0 || oci_criu_open(&o->shared, true, &x, e) < 0)
		return -1;
	if (!str_is_empty(o->parent_path) && check_parent(o->parent_path, x.images, e) < 0)
		return -1;
	if (!str_is_empty(o->page_server) && read_page_server(o->page_server, &c.arena, &x.options, e) < 0)
		return -1;
	x.options.parent_images = str_is_empty(o->parent_path) ? NULL : o->parent_path;
	if (oci_notify_save(&c, x.images, e) < 0 || save(o, &c, &x.options, e) < 0)
		return -1;
	return o->pre_dump || x.options.leave_running ? 0 : oci_container_destroy(&c, true, e);
}

const struct cmd oci_checkpoint_verb = {"checkpoint", "ID", "Save a running container's processes to files", options, countof(options),
	sizeof(struct options), 1, 1, checkpoint};
