/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_commit: the writable layer is packed by a fork of ours, and what it writes is taken as any layer is (layers_from_tar). Where a root is a
 * copy there is no such layer: then the image has the whole root as its only one.
 */
#include "engine/image.h"

#include "base/fd.h"
#include "base/num.h"
#include "codec/digest.h"
#include "engine/container.h"
#include "engine/events.h"
#include "engine/layers.h"
#include "engine/userns.h"
#include "image/platform.h"
#include "snap/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONFIG_MAX = 4 << 20 };

struct packing {
	struct userns_maps maps;
	int tree;
	bool whole; /* the tree is all of the root */
};

static void packing_drop(struct packing *p)
{
	fd_drop(&p->tree);
	userns_maps_drop(&p->maps);
}

static int open_tree_of(const struct container_entry *c, struct packing *p, struct err *e)
{
	if (c->record.host.rootfs)
		return err_set(e, ERR_UNSUPPORTED, "its root is a directory of the host: export it");
	p->tree = openat(c->dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	p->whole = p->tree < 0 && errno == ENOENT;
	if (p->whole)
		p->tree = openat(c->dir, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->tree < 0)
		return err_sys(e, "its files");
	return userns_parse(&c->record, &p->maps, e);
}

static int put_out(void *arg, const void *b, size_t n, struct err *e)
{
	return fd_write_all(*(int *)arg, b, n) < 0 ? err_sys(e, "layer") : 0;
}

/* In the fork. What went wrong is told; that nobody reads any more is not. */
static void pack(const struct packing *p, int out, int report)
{
	struct err why = {};
	struct pack_ids ids = {p->maps.uids, p->maps.gids, p->maps.nuids, p->maps.ngids};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	struct tar_writer *tar = tar_writer_new(put_out, &out);
	if (pack_root(p->tree, &ids, tar, &why) == 0)
		why.kind = ERR_NONE;
	tar_writer_drop(&tar);
	if (why.sys != EPIPE)
		(void)!fd_write_all(report, &why, sizeof why);
	_exit(0);
}

static int make_layer(struct engine *g, const struct packing *p, char diff_id[136], struct err *e)
{
	int tar[2], report[2];
	struct err why = {.kind = ERR_BUG, .text = "the process that reads its files died"};
	if (fd_pipe(tar, e) < 0)
		return -1;
	if (fd_pipe(report, e) < 0) {
		close(tar[0]);
		close(tar[1]);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(tar[0]);
		pack(p, tar[1], report[1]);
	}
	int failed = pid < 0 ? err_sys(e, "fork") : 0;
	close(tar[1]);
	close(report[1]);
	if (!failed)
		failed = layers_from_tar(g, tar[0], diff_id, e);
	close(tar[0]);
	bool told = fd_read_full(report[0], &why, sizeof why) == sizeof why;
	close(report[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	/* What broke the archive says more than that it is broken. */
	if (pid > 0 && (told ? why.kind != ERR_NONE : !failed))
		return *e = why, -1;
	return failed;
}

static struct healthcheck *health_of(struct arena *a, const struct container_health *h)
{
	if (!h)
		return NULL;
	struct healthcheck *ret = arena_alloc(a, sizeof *ret);
	*ret = (struct healthcheck){h->test, h->interval, h->timeout, h->start_period, h->start_interval, h->retries};
	return ret;
}

/* What is the container's alone (its name, its terminal) is not the image's. */
static struct image_run_config run_config(struct arena *a, const struct container_config *c, const struct image_run_config *base)
{
	return (struct image_run_config){.user = c->user, .working_dir = c->working_dir, .stop_signal = c->stop_signal, .env = c->env,
		.entrypoint = c->entrypoint, .cmd = c->cmd, .shell = c->shell, .on_build = base->on_build, .exposed_ports = c->exposed_ports,
		.volumes = c->volumes, .labels = c->labels, .healthcheck = health_of(a, c->health), .stop_timeout = c->stop_timeout};
}

/* The image may be gone: then what is known of its layers has to do. */
static void take_base(struct engine *g, const struct container_entry *c, struct image *base)
{
	struct err gone = {};
	if (!c->record.image || store_find(&g->store, c->record.image, base, &gone) < 0)
		*base = (struct image){};
}

static char *command_of(struct arena *a, const struct container_record *r)
{
	char *text = arena_dup(a, r->path ? r->path : "");
	for (size_t i = 0; i < r->args.n; i++)
		text = arena_printf(a, "%s %s", text, r->args.v[i]);
	return text;
}

static int describe(struct engine *g, const struct container_entry *c, const struct image_commit_request *r, bool whole, char *diff_id, struct arena *a,
	struct image *base, struct image_config *ret, struct err *e)
{
	struct platform_want here;
	char now[NUM_TEXT];
	take_base(g, c, base);
	if (platform_parse(NULL, &here, e) < 0)
		return -1;
	*ret = base->config;
	ret->created = arena_dup(a, num_format_time(num_now_ns(), now));
	ret->architecture = ret->architecture ? ret->architecture : arena_dup(a, here.architecture);
	ret->os = ret->os ? ret->os : arena_dup(a, here.os);
	ret->author = r->author ? arena_dup(a, r->author) : ret->author;
	ret->comment = arena_dup(a, r->message ? r->message : "");
	ret->container = arena_dup(a, c->id);
	ret->config = run_config(a, &c->record.config, &base->config.config);
	ret->rootfs.type = arena_dup(a, "layers");
	ret->rootfs.diff_ids = (struct strv){};
	for (size_t i = 0; i < c->record.layers.n && !whole; i++)
		arena_strv_add(a, &ret->rootfs.diff_ids, c->record.layers.v[i]);
	arena_strv_add(a, &ret->rootfs.diff_ids, diff_id);
	memset(&ret->history, 0, sizeof ret->history);
	for (size_t i = 0; i < base->config.history.n && !whole; i++)
		*arena_push(a, &ret->history) = base->config.history.v[i];
	*arena_push(a, &ret->history) = (struct image_history){.created = ret->created, .author = ret->author, .created_by = command_of(a, &c->record),
		.comment = ret->comment};
	return r->change ? r->change(r->arg, a, &ret->config, e) : 0;
}

static int put(struct engine *g, const struct image_config *c, const struct ref *name, struct arena *a, char ret_id[136], struct err *e)
{
	char whole[REF_TEXT];
	own(buf) struct buf text = BUF(CONFIG_MAX);
	own(json) struct json *j = jmap_format(&image_config_table, c);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, ret_id, e) < 0)
		return err_wrap(e, "image config");
	struct image_record record = {.id = ret_id, .diff_ids = c->rootfs.diff_ids, .created = c->created, .architecture = c->architecture, .os = c->os,
		.variant = c->variant};
	if (name)
		arena_strv_add(a, &record.names, ref_format(name, whole));
	if (layers_size(&g->snap, &record.diff_ids, &record.size, e) < 0)
		return -1;
	struct store_blob blob = {ret_id, buf_text(&text), text.len};
	return store_put(&g->store, &record, &blob, 1, e);
}

/* A container that was paused for us goes on also when we are killed: a fork waits for our end of a pipe to go, and so does its monitor, which nobody
 * kills with us. Where that fork fails we do it. */
struct pause { pid_t pid; int hold, told; bool paused; };

static int pause_begin(struct engine *g, struct container_entry *c, struct pause *ret, struct err *e)
{
	static const int kept_out[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	int p[2];
	struct err ignored = {};
	if (fd_pipe(p, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		char none;
		for (size_t i = 0; i < countof(kept_out); i++)
			signal(kept_out[i], SIG_IGN);
		close(p[1]);
		while (read(p[0], &none, 1) < 0 && errno == EINTR)
			;
		_exit(container_pause(g, c, false, &ignored) < 0);
	}
	int failed = pid < 0 ? err_sys(e, "fork") : 0;
	close(p[0]);
	*ret = (struct pause){.pid = pid, .hold = p[1], .told = failed ? -1 : pause_hold(g, c, &ignored)};
	/* It may have ended, or have no freezer: then it is read as it is. */
	if (!failed)
		ret->paused = container_pause(g, c, true, &ignored) == 0;
	return failed;
}

static void pause_end(struct engine *g, struct container_entry *c, struct pause *p)
{
	int status = 0;
	struct err why = {};
	fd_drop(&p->hold);
	while (p->pid > 0 && waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
	bool thawed = !p->paused || status == 0 || container_pause(g, c, false, &why) == 0 || why.kind == ERR_CONFLICT;
	/* Else it may try in its turn. */
	if (thawed)
		pause_over(&p->told);
	fd_drop(&p->told);
	if (!thawed)
		engine_warn(g, "container %s is still paused: %s", container_label(c), why.text);
}

static int commit(struct engine *g, struct container_entry *c, const struct image_commit_request *r, const struct ref *name, char ret_id[136], struct err *e)
{
	struct packing p __attribute__((cleanup(packing_drop))) = {.tree = -1};
	own(arena) struct arena a = {};
	own(image) struct image base = {};
	struct image_config config;
	char diff_id[136];
	struct pause pause = {.hold = -1, .told = -1};
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0 || open_tree_of(c, &p, e) < 0)
		return -1;
	if (r->pause && str_eq(c->state.status, "running") && !str_is_empty(c->state.cgroup) && pause_begin(g, c, &pause, e) < 0)
		return -1;
	int made = make_layer(g, &p, diff_id, e);
	pause_end(g, c, &pause);
	if (made < 0 || describe(g, c, r, p.whole, diff_id, &a, &base, &config, e) < 0)
		return -1;
	return put(g, &config, name, &a, ret_id, e);
}

int image_commit(struct engine *g, const struct image_commit_request *r, char ret_id[136], struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct ref name;
	if (r->name && ref_parse(r->name, &name, e) < 0)
		return -1;
	if (r->name && *name.digest)
		return err_set(e, ERR_USAGE, "invalid name \"%.300s\": a name that is given has no digest", r->name);
	if (container_get(g, r->container, ENTRY_LOCK, &c, e) < 0 || engine_need_store(g, e) < 0 || engine_need_storage(g, e) < 0)
		return -1;
	if (commit(g, &c, r, r->name ? &name : NULL, ret_id, e) < 0)
		return err_wrap(e, "commit container %.200s", container_label(&c));
	char text[REF_TEXT] = "";
	if (r->name)
		event_other(g, "image", "tag", ret_id, "name", ref_format_familiar(&name, text));
	event_container(g, &c, "commit", "comment", r->message ? r->message : "", "imageID", ret_id, "imageRef", text);
	return 0;
}
