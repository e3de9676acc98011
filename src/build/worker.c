/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker: a stage that has work to do is gone through in a process of its own, so that several are side by side, and so that whatever
 * happens in there ends there: mounts, memory, file descriptors. Its events come by a socket; at its end it leaves a document in a
 * file that has no name: the stage's image, or why there is none.
 */
#include "build/stage.h"

#include "base/fd.h"
#include "build/interrupt.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESULT_MAX = 64 << 20, KEPT_MEMORY = 16 << 20 };

struct result {
	struct image_config config;
	struct strv args, used;
	int64_t epoch, kind, sys, line, column;
	char *error;
};
static const struct jfield result_fields[] = {
	JFS(struct result, "config", config, JT_STRUCT, image_config_table),
	JF(struct result, "args", args, JT_STRV), JF(struct result, "used", used, JT_STRV),
	JF(struct result, "epoch", epoch, JT_I64), JF(struct result, "kind", kind, JT_I64),
	JF(struct result, "errno", sys, JT_I64), JF(struct result, "line", line, JT_I64), JF(struct result, "column", column, JT_I64),
	JF(struct result, "error", error, JT_STR),
};
static const struct jtable result_table = JTABLE(struct result, result_fields);

static void child(struct build *b, struct state *s, int sock, int result, pid_t parent) __attribute__((noreturn));
static void child(struct build *b, struct state *s, int sock, int result, pid_t parent)
{
	struct err e = {};
	struct result r = {};
	own(buf) struct buf text = BUF(RESULT_MAX);
	interrupt_catch();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	b->events = sock;
	/* Steps that need the same again and again: memory, and the layers below. */
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	mallopt(M_TOP_PAD, KEPT_MEMORY / 16);
	snap_keep_mounts(&b->g->snap);
	if (stage_go(b, s, false, &e) < 0) {
		r.error = e.text;
		r.kind = e.kind;
		r.sys = e.sys;
		r.line = b->df.text.where.line;
		r.column = b->df.text.where.column;
	} else {
		r.config = s->config;
		r.args = s->args;
		r.used = b->cache.used;
		r.epoch = s->epoch;
	}
	own(json) struct json *j = jmap_format(&result_table, &r);
	json_format(j, 0, &text);
	_exit(fd_write_all(result, buf_text(&text), text.len) < 0);
}

int worker_start(struct build *b, struct state *s, struct err *e)
{
	int p[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, "socket");
	s->result = memfd_create("stage", MFD_CLOEXEC);
	if (s->result < 0) {
		close(p[0]);
		close(p[1]);
		return err_sys(e, "memory for a stage's result");
	}
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		close(p[0]);
		child(b, s, p[1], s->result, parent);
	}
	close(p[1]);
	s->sock = p[0];
	s->worker = pid < 0 ? 0 : pid;
	return pid < 0 ? err_sys(e, "fork") : 0;
}

static int read_result(struct build *b, struct state *s, struct err *e)
{
	own(buf) struct buf text = BUF(RESULT_MAX);
	own(json) struct json *j = NULL;
	struct result r = {};
	if (lseek(s->result, 0, SEEK_SET) < 0 || fd_read_to_end(s->result, &text) < 0)
		return err_sys(e, "a stage's result");
	if (!text.len)
		return err_set(e, ERR_SYSTEM, "the process of a stage was killed");
	arena_drop(&s->arena);
	json_drop(&s->document);
	if (json_parse(text.data, text.len, &j, e) < 0 || jmap_parse(&result_table, j, 0, &s->arena, &r, "", e) < 0)
		return err_wrap(e, "a stage's result");
	if (r.error) {
		*e = (struct err){.kind = (enum err_kind)r.kind, .sys = (int)r.sys};
		strncpy(e->text, r.error, sizeof e->text - 1);
		b->df.text.where = (struct source_place){(unsigned)r.line, (unsigned)r.column};
		return -1;
	}
	for (size_t i = 0; i < r.used.n; i++)
		if (!strv_has(&b->cache.used, r.used.v[i]))
			strv_add(&b->cache.used, r.used.v[i]);
	s->document = take(j);
	s->config = r.config;
	s->args = r.args;
	s->epoch = r.epoch;
	s->done = true;
	return 0;
}

static void reap(struct state *s)
{
	while (s->worker && waitpid(s->worker, NULL, 0) < 0 && errno == EINTR)
		;
	s->worker = 0;
	fd_drop(&s->sock);
}

int worker_hear(struct build *b, struct state *s, struct err *e)
{
	int r = event_receive(b, s->sock, e);
	if (r)
		return r < 0 ? -1 : 0;
	reap(s);
	r = read_result(b, s, e);
	fd_drop(&s->result);
	return r < 0 ? -1 : 1;
}

/* They end what they do, and clean up behind them. */
void worker_stop(struct build *b)
{
	for (size_t i = 0; b->states && i < b->df.stages.n; i++)
		if (b->states[i].worker)
			kill(b->states[i].worker, SIGTERM);
	for (size_t i = 0; b->states && i < b->df.stages.n; i++) {
		struct state *s = &b->states[i];
		struct err ignored = {};
		for (struct pollfd f = {.fd = s->sock, .events = POLLIN}; s->worker && (poll(&f, 1, -1) > 0 || errno == EINTR);)
			if (event_receive(b, s->sock, &ignored) <= 0)
				break;
		reap(s);
		fd_drop(&s->result);
	}
}
