/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers: a worker reads its stream, hashes, decompresses and unpacks it, so decompression uses all CPUs and what
 * comes from outside is parsed in a process that holds nothing else. It writes messages to a pipe of its own: how far it is,
 * and at the end how it went; a message is smaller than PIPE_BUF, so it is read whole. Workers die with us.
 *
 * A layer is kept while a record names it. Records of images and containers are the only count; layers.lock is held,
 * shared, by whoever is going to write a record, and exclusively by layers_collect() from reading all records to the last removal.
 */
#include "engine/layers.h"

#include "base/fd.h"
#include "base/path.h"
#include "image/known.h"
#include "image/partial.h"
#include "sys/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARALLEL_MIN = 3, PARALLEL_MAX = 8, STEP = 1 << 20 };

struct message {
	bool done;
	uint64_t bytes;
	struct err why; /* done: kind ERR_NONE when it went well */
};

struct worker {
	pid_t pid;
	int pipe;
	size_t layer;
	bool awaits; /* that another command has the layer */
};

struct reporter { int pipe; uint64_t last; };

static void report(void *arg, uint64_t bytes)
{
	struct reporter *r = arg;
	if (bytes - r->last < STEP)
		return;
	struct message m = {.bytes = r->last = bytes};
	(void)!fd_write_all(r->pipe, &m, sizeof m);
}

static void worker_main(struct layer_work *w, size_t i, int fd, int pipe, pid_t parent) __attribute__((noreturn));
static void worker_main(struct layer_work *w, size_t i, int fd, int pipe, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	struct reporter r = {.pipe = pipe};
	struct snap_ingest in = w->v[i].in;
	struct snap_layer_info info;
	struct message m = {.done = true};
	char diff_id[136];
	if (in.fd < 0)
		in.fd = fd;
	in.progress = report;
	in.arg = &r;
	if (snap_ingest(w->snap, &in, diff_id, &info, &m.why) == 0)
		m.why.kind = ERR_NONE;
	_exit(fd_write_all(pipe, &m, sizeof m) < 0);
}

static void await_main(struct layer_work *w, size_t i, int pipe, pid_t parent) __attribute__((noreturn));
static void await_main(struct layer_work *w, size_t i, int pipe, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	struct message m = {.done = true};
	if (w->await(w->arg, i, &m.why) == 0)
		m.why.kind = ERR_NONE;
	_exit(fd_write_all(pipe, &m, sizeof m) < 0);
}

static int begin(struct layer_work *w, size_t i, struct worker *ret, struct err *e)
{
	int p[2];
	own(fd) int fd = -1;
	bool awaits = false;
	struct err why = {};
	if (w->open) {
		fd = w->open(w->arg, i, &why);
		awaits = fd < 0 && why.kind == ERR_CONFLICT && w->await;
		if (fd < 0 && !awaits)
			return *e = why, -1;
	}
	if (fd_pipe(p, e) < 0)
		return -1;
	if (awaits)
		layers_show(w, i, LAYER_WAITING, 0, "for another command");
	else
		layers_show(w, i, w->counts_blob ? LAYER_DOWNLOADING : LAYER_UNPACKING, 0, NULL);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0 && awaits)
		await_main(w, i, p[1], parent);
	if (pid == 0)
		worker_main(w, i, fd, p[1], parent);
	int saved = errno;
	close(p[1]);
	errno = saved;
	if (pid < 0) {
		close(p[0]);
		return err_sys(e, "fork");
	}
	*ret = (struct worker){pid, p[0], i, awaits};
	return 0;
}

static void end(struct worker *x, bool by_force)
{
	if (by_force)
		kill(x->pid, SIGKILL);
	while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(x->pipe);
	x->pid = 0;
}

void layers_show(const struct layer_work *w, size_t i, enum layer_phase phase, uint64_t bytes, const char *note)
{
	if (w->progress && w->progress->layer)
		w->progress->layer(w->progress->arg, i, w->v[i].name, phase, bytes, w->v[i].total, note);
}

static bool is_here(const struct layer_work *w, size_t i)
{
	return w->has ? w->has(w->arg, i) : snap_has_layer(w->snap, w->v[i].in.diff_id);
}

/* Another command had the layer: is it here now? 1: it is; 2: it is our turn. */
static int awaited(const struct layer_work *w, size_t i)
{
	if (!is_here(w, i))
		return 2;
	layers_show(w, i, LAYER_EXISTS, w->v[i].total, NULL);
	return 1;
}

static int failed(const struct layer_work *w, size_t i, const struct err *why, struct err *e)
{
	int r = w->closed ? w->closed(w->arg, i, why, e) : -1;
	if (r > 0)
		return 2;
	if (r == 0 || !w->closed)
		*e = *why;
	return err_wrap(e, "layer %s", w->v[i].name);
}

/* 1: it is through; 2: it must begin again; 0: it goes on; -1: it failed. */
static int hear(struct layer_work *w, struct worker *x, struct err *e)
{
	struct message m;
	ssize_t n = fd_read_full(x->pipe, &m, sizeof m);
	if (n == 0)
		return err_set(e, ERR_SYSTEM, "layer %s: the process that unpacks it was killed", w->v[x->layer].name);
	if (n != sizeof m)
		return err_set(e, ERR_BUG, "layer %s: half a message", w->v[x->layer].name);
	if (!m.done) {
		if (!w->counts_blob)
			layers_show(w, x->layer, LAYER_UNPACKING, m.bytes, NULL);
		return 0;
	}
	if (x->awaits && m.why.kind == ERR_NONE)
		return awaited(w, x->layer);
	if (m.why.kind != ERR_NONE)
		return failed(w, x->layer, &m.why, e);
	if (w->closed && w->closed(w->arg, x->layer, NULL, e) < 0)
		return err_wrap(e, "layer %s", w->v[x->layer].name);
	layers_show(w, x->layer, LAYER_DONE, w->v[x->layer].total, NULL);
	return 1;
}

static bool is_repeated(const struct layer_work *w, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(w->v[k].in.diff_id, w->v[i].in.diff_id))
			return true;
	return false;
}

struct crew {
	struct layer_work *w;
	struct worker v[PARALLEL_MAX];
	size_t next, busy;
	unsigned max;
};

static int fill(struct crew *c, struct err *e)
{
	struct layer_work *w = c->w;
	for (; c->next < w->n && c->busy < c->max; c->next++) {
		if (is_repeated(w, c->next) || is_here(w, c->next)) {
			layers_show(w, c->next, LAYER_EXISTS, w->v[c->next].total, NULL);
			continue;
		}
		if (begin(w, c->next, &c->v[c->busy], e) < 0)
			return -1;
		c->busy++;
	}
	return 0;
}

static int serve(struct crew *c, struct err *e)
{
	struct pollfd f[PARALLEL_MAX + 1];
	size_t n = c->busy;
	for (size_t i = 0; i < n; i++)
		f[i] = (struct pollfd){.fd = c->v[i].pipe, .events = POLLIN};
	f[n] = (struct pollfd){.fd = c->w->watch, .events = POLLIN};
	if (poll(f, n + 1, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	if (f[n].revents && c->w->watched(c->w->arg, e) < 0)
		return -1;
	for (size_t i = n; i-- > 0;) {
		int r = f[i].revents ? hear(c->w, &c->v[i], e) : 0;
		struct err better = {};
		/* What the worker saw (a stream that ended early) may only be how it heard of it. */
		if (r < 0 && c->w->watched && c->w->watched(c->w->arg, &better) < 0)
			*e = better;
		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		end(&c->v[i], false);
		size_t layer = c->v[i].layer;
		c->v[i] = c->v[--c->busy];
		if (r == 2 && begin(c->w, layer, &c->v[c->busy], e) < 0)
			return -1;
		c->busy += r == 2;
	}
	return 0;
}

/* Ends the workers in the middle of their work; what they made so far goes at once, not with the next pull. */
static void give_up(struct crew *c)
{
	own(strv) struct strv ignored = {};
	struct err none = {};
	if (!c->busy)
		return;
	while (c->busy)
		end(&c->v[--c->busy], true);
	c->w->snap->swept = false;
	(void)!snap_list(c->w->snap, &ignored, &none);
}

int layers_unpack(struct layer_work *w, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned max = w->parallel ? w->parallel : cpus > 0 ? (unsigned)cpus : 1;
	if (!w->parallel && max < PARALLEL_MIN)
		max = PARALLEL_MIN;
	struct crew c = {.w = w, .max = max > PARALLEL_MAX ? PARALLEL_MAX : max};
	for (size_t i = 0; i < w->n; i++)
		layers_show(w, i, LAYER_WAITING, 0, NULL);
	int r = 0;
	while (r == 0 && (c.next < w->n || c.busy)) {
		r = fill(&c, e);
		if (r == 0 && c.busy)
			r = serve(&c, e);
	}
	give_up(&c);
	return r;
}

int layers_size(struct snap *s, const struct strv *diff_ids, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < diff_ids->n; i++) {
		struct snap_layer_info info;
		if (snap_layer_info(s, diff_ids->v[i], &info, e) < 0)
			return -1;
		*ret += info.bytes;
	}
	return 0;
}

bool layers_are_here(struct snap *s, const struct strv *diff_ids)
{
	for (size_t i = 0; i < diff_ids->n; i++)
		if (!snap_has_layer(s, diff_ids->v[i]))
			return false;
	return true;
}

int layers_hold(struct engine *g, struct err *e)
{
	return path_lock(g->root, "layers.lock", false, true, e);
}

/* Removes from `unused` what is in `used`. */
static void subtract(struct strv *unused_ids, const struct strv *used)
{
	size_t n = 0;
	for (size_t i = 0; i < unused_ids->n; i++) {
		if (strv_has(used, unused_ids->v[i]))
			mem_drop(&unused_ids->v[i]);
		else
			unused_ids->v[n++] = unused_ids->v[i];
	}
	unused_ids->n = n;
}

/* 1: what one of them needs cannot be told. */
static int subtract_containers(struct engine *g, struct strv *left, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n && left->n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err why = {};
		if (containers_load(&g->containers, ids.v[i], 0, &c, &why) == 0) {
			subtract(left, &c.record.layers);
		} else if (why.kind != ERR_NOT_FOUND) {
			engine_warn(g, "container %.12s: %s: no layer is freed, it may need any: mend or remove %s/containers/%s", ids.v[i], why.text,
				g->root_path, ids.v[i]);
			return 1;
		}
	}
	return 0;
}

/* Layers that the build cache wants kept: a file each. */
static int subtract_cached(struct engine *g, struct strv *left, struct err *e)
{
	own(strv) struct strv names = {};
	own(strv) struct strv ids = {};
	if (!path_exists(g->root, "build/layers"))
		return 0;
	if (path_list(g->root, "build/layers", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		strv_add_take(&ids, mem_printf("%s:%s", strlen(names.v[i]) == 128 ? "sha512" : "sha256", names.v[i]));
	subtract(left, &ids);
	return 0;
}

static bool has_layer(void *arg, const char *diff_id)
{
	return snap_has_layer(arg, diff_id);
}

int layers_collect(struct engine *g, struct json *ret, struct err *e)
{
	struct err busy = {};
	own(strv) struct strv left = {};
	own(store_users) struct store_users users = {};
	int blind = 0;
	own(fd) int lock = path_lock(g->root, "layers.lock", true, false, &busy);
	if (lock < 0)
		return busy.kind == ERR_CONFLICT ? 0 : (*e = busy, -1);
	if (engine_need_snap(g, e) < 0 || engine_need_store(g, e) < 0 || snap_list(&g->snap, &left, e) < 0 ||
		store_users(&g->store, &users, e) < 0)
		return -1;
	if (*users.unread)
		engine_warn(g, "the record of image %.19s cannot be read: %s it may need is kept; `hull system check --repair` makes it anew", users.unread,
			users.blind ? "any layer" : "what");
	if (users.blind)
		return 0;
	subtract(&left, &users.layers);
	if (left.n && ((blind = subtract_containers(g, &left, e)) < 0 || subtract_cached(g, &left, e) < 0))
		return -1;
	if (blind)
		return 0;
	for (size_t i = 0; i < left.n; i++) {
		if (snap_remove_layer(&g->snap, left.v[i], e) < 0)
			return -1;
		struct json *j = json_new_object();
		json_set_str(j, "Deleted", left.v[i]);
		json_add(ret, j);
	}
	compressed_sweep(g->root, has_layer, &g->snap);
	known_sweep(&g->store, has_layer, &g->snap);
	return 0;
}

void layers_forget_partial(struct engine *g)
{
	partial_sweep(g->root, 0, 0);
}

struct taking { struct engine *g; int in, out; };

/* In a process of its own: what comes from outside is parsed where nothing else is. */
static int take_tar(void *arg, struct err *e)
{
	struct taking *x = arg;
	struct snap_layer_info info;
	char diff_id[136] = "";
	struct snap_ingest in = {.fd = x->in, .length = UINT64_MAX, .blob_size = UINT64_MAX};
	if (snap_ingest(&x->g->snap, &in, diff_id, &info, e) < 0)
		return -1;
	return fd_write_all(x->out, diff_id, sizeof diff_id) < 0 ? err_sys(e, "layer") : 0;
}

int layers_from_tar(struct engine *g, int in, char ret_diff_id[136], struct err *e)
{
	int p[2];
	if (fd_pipe(p, e) < 0)
		return -1;
	struct taking x = {g, in, p[1]};
	int r = child_do(take_tar, &x, e);
	close(p[1]);
	if (r == 0 && fd_read_full(p[0], ret_diff_id, 136) != 136)
		r = err_set(e, ERR_BUG, "layer: no digest");
	close(p[0]);
	return r;
}
