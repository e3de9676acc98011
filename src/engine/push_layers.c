/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push_layers: all layers of an image at once, each on its own way:
 *
 *   ASKING       is a blob that is known to be this layer in the repository, or elsewhere in the registry? One after the other
 *   QUEUED       none is: a blob that is kept here is sent at once, else it waits for a CPU
 *   COMPRESSING  a worker, a fork of ours, fetches the blob that it came as from where it came, else exports, compresses, hashes the layer
 *                into a file without a name
 *   SENDING      hull-registry asks once more, by its new digest, and sends it
 *   DONE
 *
 * What is kept of a layer is its tar, or its files; the compressed blob that came over the wire only where that was asked for. A layer whose
 * blob nobody has gets one of our own, the same for the same tar, and the image another manifest.
 */
#include "engine/push.h"
#include "engine/push_original.h"

#include "base/fd.h"
#include "codec/compress.h"
#include "codec/digest.h"
#include "snap/export.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP = 1 << 20, WORKERS_MAX = 8, FINISHED_MAX = 8 };

enum way { ASKING, QUEUED, COMPRESSING, SENDING, DONE };
struct lane {
	enum way way;
	size_t candidate;
	ssize_t same; /* an earlier layer of the same diff_id, or -1 */
	pid_t pid;
	int pipe, file;
	bool original; /* there is a place to fetch it from */
	bool made;     /* by a worker of ours */
	char name[16];
	uint64_t total; /* of what is shown */
	struct strv from;
};
struct work {
	struct push *x;
	struct push_one *o;
	struct lane *v;
	unsigned cpus;
};

struct message {
	bool done;
	uint64_t bytes;
	ssize_t known; /* done: which of the layer's known blobs it is; -1: a new one */
	char digest[DIGEST_TEXT], diff_id[DIGEST_TEXT];
	struct err why;
};
struct maker {
	struct compressor *c;
	struct digest *plain, *blob;
	int file, pipe;
	uint64_t in, out, told;
};

static void show(const struct work *w, size_t i, enum layer_phase phase, uint64_t bytes, const char *note)
{
	const struct image_progress *p = w->x->r->progress;
	if (p && p->layer)
		p->layer(p->arg, i, w->v[i].name, phase, bytes, w->v[i].total, note);
}

enum compression push_compression_of(const char *media_type)
{
	static const struct { const char *suffix; enum compression c; } rows[] = {
		{"gzip", COMPRESS_GZIP}, {"zstd", COMPRESS_ZSTD}, {"tar", COMPRESS_NONE}};
	for (size_t i = 0; media_type && i < countof(rows); i++)
		if (str_has_suffix(media_type, rows[i].suffix))
			return rows[i].c;
	return COMPRESS_XZ;
}

static bool suits(const struct push *x, const struct known_blob *b)
{
	if (x->r->force_compression)
		return false;
	return str_is_empty(x->r->compression) || push_compression_of(b->media_type) == x->compression;
}

/* ---- in the worker */

static int put_plain(void *arg, const void *p, size_t n, struct err *e)
{
	struct maker *m = arg;
	digest_add(m->plain, p, n);
	m->in += n;
	if (m->in - m->told >= STEP) {
		struct message x = {.bytes = m->told = m->in};
		(void)!fd_write_all(m->pipe, &x, sizeof x);
	}
	return compress_add(m->c, p, n, e);
}

static int put_blob(void *arg, const void *p, size_t n, struct err *e)
{
	struct maker *m = arg;
	digest_add(m->blob, p, n);
	m->out += n;
	return fd_write_all(m->file, p, n) < 0 ? err_sys(e, "write the compressed layer") : 0;
}

static int make(struct work *w, struct maker *m, const char *diff_id, unsigned threads, char ret_diff_id[DIGEST_TEXT], struct err *e)
{
	bool exact;
	if (digest_begin(diff_id, &m->plain, e) < 0 || digest_begin(NULL, &m->blob, e) < 0 ||
		compress_open(w->x->compression, w->x->r->level, threads, put_blob, m, &m->c, e) < 0 ||
		snap_export(&w->x->g->snap, diff_id, put_plain, m, &exact, e) < 0 || compress_end(m->c, e) < 0)
		return -1;
	digest_end(m->plain, ret_diff_id);
	if (exact && strcmp(ret_diff_id, diff_id) != 0)
		return err_set(e, ERR_CORRUPT, "its file is damaged: its tar is %.19s…", ret_diff_id);
	return 0;
}

static void worker_main(struct work *w, size_t i, unsigned threads, int pipe, pid_t parent) __attribute__((noreturn));
static void worker_main(struct work *w, size_t i, unsigned threads, int pipe, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	struct maker m = {.file = w->v[i].file, .pipe = pipe};
	struct message x = {.done = true, .known = w->v[i].original ? push_fetch_original(w->x, &w->o->v[i], suits, m.file) : -1};
	if (x.known >= 0)
		_exit(fd_write_all(pipe, &x, sizeof x) < 0);
	if (w->v[i].original) {
		struct message none = {.known = -1};
		(void)!fd_write_all(pipe, &none, sizeof none);
	}
	if (make(w, &m, w->o->v[i].diff_id, threads, x.diff_id, &x.why) == 0)
		x.why.kind = ERR_NONE;
	x.bytes = m.out;
	digest_end(m.blob, x.digest);
	_exit(fd_write_all(pipe, &x, sizeof x) < 0);
}

/* ---- outside */

static int begin_worker(struct work *w, size_t i, unsigned threads, struct err *e)
{
	struct lane *l = &w->v[i];
	struct snap_layer_info info;
	int p[2];
	if (!snap_has_layer(&w->x->g->snap, w->o->v[i].diff_id))
		return err_set(e, ERR_CORRUPT, "layer %s is missing", l->name);
	if (snap_layer_info(&w->x->g->snap, w->o->v[i].diff_id, &info, e) < 0)
		return -1;
	l->file = engine_scratch(w->x->g, e);
	if (l->file < 0 || fd_pipe(p, e) < 0)
		return -1;
	l->total = info.bytes;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		worker_main(w, i, threads, p[1], parent);
	int saved = errno;
	close(p[1]);
	l->pipe = p[0];
	errno = saved;
	if (pid < 0)
		return err_sys(e, "fork");
	l->pid = pid;
	l->way = COMPRESSING;
	show(w, i, l->original ? LAYER_DOWNLOADING : LAYER_COMPRESSING, 0, NULL);
	return 0;
}

static void end_worker(struct lane *l, bool by_force)
{
	if (l->pid > 0) {
		if (by_force)
			kill(l->pid, SIGKILL);
		while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	l->pid = 0;
	fd_drop(&l->pipe);
}

/* Repositories of this registry, not ours, that may have the blob. */
static void sources(const struct push *x, const struct known_blob *b, struct strv *ret)
{
	size_t host = strlen(x->p->ref.registry);
	for (size_t i = 0; i < b->repositories.n; i++) {
		const char *r = b->repositories.v[i];
		if (strcmp(r, x->repository) != 0 && strncmp(r, x->p->ref.registry, host) == 0 && r[host] == '/')
			strv_add(ret, r + host + 1);
	}
}

static void take_known(struct push_layer *p, const struct known_blob *b)
{
	p->blob = (struct descriptor){.media_type = b->media_type, .digest = b->digest, .size = b->size};
	p->blob_diff_id = b->diff_id;
}

/* A blob that the layer came as. */
static int send_known(struct work *w, size_t i, const struct known_blob *b, int fd, struct err *e)
{
	take_known(&w->o->v[i], b);
	w->v[i].total = b->size;
	w->v[i].way = SENDING;
	show(w, i, LAYER_PUSHING, 0, NULL);
	return push_blob(w->x->p, (int)i, &w->o->v[i].blob, fd, w->x->r->chunk, e);
}

/* The next blob that may be there, or the layer has to be made. */
static int ask(struct work *w, size_t i, struct err *e)
{
	struct lane *l = &w->v[i];
	struct push_layer *p = &w->o->v[i];
	for (; l->candidate < p->known.n; l->candidate++) {
		const struct known_blob *b = &p->known.v[l->candidate];
		if (!suits(w->x, b))
			continue;
		strv_drop(&l->from);
		sources(w->x, b, &l->from);
		take_known(p, b);
		l->way = ASKING;
		return push_look(w->x->p, (int)i, &p->blob, &l->from, e);
	}
	const struct known_blob *b;
	own(fd) int kept = push_kept(w->x, p, suits, &b);
	if (kept >= 0)
		return send_known(w, i, b, kept, e);
	l->original = push_has_origin(w->x, p, suits);
	l->way = QUEUED;
	return 0;
}

static int hear_worker(struct work *w, size_t i, struct err *e)
{
	struct lane *l = &w->v[i];
	struct push_layer *p = &w->o->v[i];
	struct message m;
	ssize_t n = fd_read_full(l->pipe, &m, sizeof m);
	if (n != sizeof m)
		return err_set(e, ERR_SYSTEM, "layer %s: the process that compresses it was killed", l->name);
	if (!m.done) {
		show(w, i, LAYER_COMPRESSING, m.bytes, NULL);
		return 0;
	}
	end_worker(l, false);
	if (m.why.kind != ERR_NONE) {
		*e = m.why;
		return err_wrap(e, "layer %s", l->name);
	}
	if (m.known >= 0 && (size_t)m.known < p->known.n) {
		int r = send_known(w, i, &p->known.v[m.known], l->file, e);
		fd_drop(&l->file);
		return r;
	}
	l->made = true;
	p->blob = (struct descriptor){.digest = arena_dup(&w->x->arena, m.digest), .size = m.bytes,
		.media_type = arena_printf(&w->x->arena, "application/vnd.oci.image.layer.v1.tar+%s", w->x->compression == COMPRESS_ZSTD ? "zstd" : "gzip")};
	p->blob_diff_id = arena_dup(&w->x->arena, m.diff_id);
	l->total = m.bytes;
	l->way = SENDING;
	show(w, i, LAYER_PUSHING, 0, NULL);
	int r = push_blob(w->x->p, (int)i, &p->blob, l->file, w->x->r->chunk, e);
	fd_drop(&l->file); /* hull-registry has it now */
	return r;
}

static void finish(struct work *w, size_t i, enum layer_phase phase, const char *note)
{
	const struct push_layer *p = &w->o->v[i];
	struct known_blob b = {p->blob.digest, p->blob.media_type, p->blob_diff_id, p->blob.size, {}};
	w->v[i].way = DONE;
	w->v[i].total = p->blob.size;
	show(w, i, phase, p->blob.size, note);
	/* Only of what was made here it was seen that it is the layer. */
	if (w->v[i].made)
		known_add(&w->x->g->store, p->diff_id, &b, w->x->repository);
	else
		known_confirm(&w->x->g->store, p->diff_id, b.digest, w->x->repository);
}

static int on_event(struct work *w, const struct push_event *ev, struct err *e)
{
	size_t i = (size_t)ev->id;
	if (ev->id < 0 || i >= w->o->n)
		return 0;
	switch (ev->kind) {
	case PUSH_BYTES: show(w, i, LAYER_PUSHING, ev->bytes, NULL); break;
	case PUSH_RETRY: show(w, i, LAYER_RETRYING, ev->bytes, ev->why.text); break;
	case PUSH_THERE: finish(w, i, LAYER_THERE, NULL); break;
	case PUSH_MOUNTED: finish(w, i, LAYER_MOUNTED, ev->from); break;
	case PUSH_SENT: finish(w, i, LAYER_PUSHED, NULL); break;
	case PUSH_MISSING:
		w->v[i].candidate++;
		return ask(w, i, e);
	case PUSH_FAILED:
		*e = ev->why;
		return -1;
	}
	return 0;
}

/* Starts workers; finished blobs that nobody has sent yet hold back more of them. */
static int fill(struct work *w, struct err *e)
{
	unsigned busy = 0, waiting = 0, queued = 0;
	for (size_t i = 0; i < w->o->n; i++) {
		busy += w->v[i].way == COMPRESSING;
		waiting += w->v[i].way == SENDING;
		queued += w->v[i].way == QUEUED;
	}
	unsigned side_by_side = busy + queued < w->cpus ? busy + queued : w->cpus;
	for (size_t i = 0; i < w->o->n && busy < w->cpus && busy < WORKERS_MAX && busy + waiting < FINISHED_MAX; i++) {
		if (w->v[i].way != QUEUED)
			continue;
		if (begin_worker(w, i, w->cpus / (side_by_side ? side_by_side : 1), e) < 0)
			return -1;
		busy++;
	}
	return 0;
}

static int serve(struct work *w, struct err *e)
{
	struct pollfd f[WORKERS_MAX + 1] = {{.fd = w->x->p->sock, .events = POLLIN}};
	size_t who[WORKERS_MAX + 1], n = 1;
	struct push_event ev;
	for (size_t i = 0; i < w->o->n; i++)
		if (w->v[i].way == COMPRESSING) {
			who[n] = i;
			f[n++] = (struct pollfd){.fd = w->v[i].pipe, .events = POLLIN};
		}
	if (poll(f, n, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	int r = 0;
	while (f[0].revents && (r = push_event(w->x->p, &ev, e)) > 0)
		if (on_event(w, &ev, e) < 0)
			return -1;
	for (size_t k = 1; r == 0 && k < n; k++)
		if (f[k].revents && hear_worker(w, who[k], e) < 0)
			return -1;
	return r;
}

static bool all_done(const struct work *w)
{
	for (size_t i = 0; i < w->o->n; i++)
		if (w->v[i].way != DONE)
			return false;
	return true;
}

static int run(struct work *w, struct err *e)
{
	for (size_t i = 0; i < w->o->n; i++) {
		struct lane *l = &w->v[i];
		const char *hex = digest_hex(w->o->v[i].diff_id);
		*l = (struct lane){.same = -1, .pipe = -1, .file = -1};
		snprintf(l->name, sizeof l->name, "%.12s", hex);
		for (size_t k = 0; k < i && l->same < 0; k++)
			if (strcmp(w->o->v[k].diff_id, w->o->v[i].diff_id) == 0)
				l->same = (ssize_t)k;
		if (l->same >= 0)
			l->way = DONE;
		else
			show(w, i, LAYER_PREPARING, 0, NULL);
	}
	for (size_t i = 0; i < w->o->n; i++)
		if (w->v[i].same < 0 && ask(w, i, e) < 0)
			return -1;
	while (!all_done(w))
		if (fill(w, e) < 0 || serve(w, e) < 0)
			return -1;
	for (size_t i = 0; i < w->o->n; i++)
		if (w->v[i].same >= 0) {
			const struct push_layer *first = &w->o->v[w->v[i].same];
			w->o->v[i].blob = first->blob;
			w->o->v[i].blob_diff_id = first->blob_diff_id;
			w->v[i].total = first->blob.size;
			show(w, i, LAYER_THERE, first->blob.size, NULL);
		}
	return 0;
}

int push_layers(struct push *x, struct push_one *o, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	own(mem) struct lane *v = mem_alloc((o->n + 1) * sizeof *v);
	struct work w = {x, o, v, cpus > 0 ? (unsigned)cpus : 1};
	int r = run(&w, e);
	for (size_t i = 0; i < o->n; i++) {
		end_worker(&v[i], true);
		fd_drop(&v[i].file);
		strv_drop(&v[i].from);
	}
	return r;
}
