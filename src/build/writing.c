/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writing: a layer's tar is written, hashed and kept (snap_ingest). What is small is written into memory first, which costs no process.
 * Else a child of ours writes into a pipe that we read. What it has to tell comes by a second pipe: whether the tar is whole, since one
 * that is cut off between two entries looks like one.
 */
#include "build/stage.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_SIZE = 1 << 20, SMALL = 1 << 20, SHARED = 64 };

struct report { struct err why; char shared[SHARED]; };

static void child(struct writing *w, const int data[2], const int told[2], pid_t parent) __attribute__((noreturn));
static void child(struct writing *w, const int data[2], const int told[2], pid_t parent)
{
	struct report r = {};
	int out = data[1], tell = told[1];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* When the reader gives up, that is to be seen. */
	close(data[0]);
	close(told[0]);
	signal(SIGPIPE, SIG_IGN);
	if (w->shared)
		memcpy(r.shared, w->shared, SHARED);
	if (w->write(w->arg, out, &r.why) == 0)
		r.why.kind = ERR_NONE;
	else if (r.why.kind == ERR_NONE)
		r.why.kind = ERR_BUG;
	/* What is cut off between two entries, or has none, would be kept as a layer that nobody wants. */
	char garbage[1024];
	memset(garbage, 0xff, sizeof garbage);
	if (r.why.kind != ERR_NONE)
		(void)!fd_write_all(out, garbage, sizeof garbage);
	if (w->shared)
		memcpy(r.shared, w->shared, SHARED);
	close(out);
	_exit(fd_write_all(tell, &r, sizeof r) < 0);
}

static int hear(int tell, struct writing *w, struct err *e)
{
	struct report r;
	if (fd_read_full(tell, &r, sizeof r) != sizeof r)
		return err_set(e, ERR_SYSTEM, "the process that writes the layer was killed");
	if (r.why.kind != ERR_NONE)
		return *e = r.why, -1;
	if (w->shared)
		memcpy(w->shared, r.shared, SHARED);
	return 0;
}

static int keep(struct build *b, int in, char layer[136], struct err *e)
{
	struct snap_layer_info info;
	struct snap_ingest q = {.fd = in, .length = UINT64_MAX, .blob_size = UINT64_MAX};
	return snap_ingest(&b->g->snap, &q, layer, &info, e);
}

/* 1: it is not small. */
static int in_memory(struct build *b, struct writing *w, char layer[136], struct err *e)
{
	own(fd) int file = memfd_create("layer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* Sealed, a write beyond the end is refused: by EPERM. */
	if (file < 0 || ftruncate(file, SMALL) < 0 || fcntl(file, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return 1;
	struct err why = {};
	if (w->write(w->arg, file, &why) < 0)
		return why.sys == EPERM ? 1 : (*e = why, -1);
	off_t end = lseek(file, 0, SEEK_CUR);
	if (end < 0 || ftruncate(file, end) < 0 || lseek(file, 0, SEEK_SET) < 0)
		return err_sys(e, "write the layer");
	return keep(b, file, layer, e);
}

int writing_do(struct build *b, struct writing *w, char layer[136], struct err *e)
{
	int data[2], tell[2], r = 1;
	struct err why = {};
	if (engine_need_storage(b->g, e) < 0)
		return -1;
	if (w->again && (r = in_memory(b, w, layer, e)) != 1)
		return r;
	if (fd_pipe(data, e) < 0)
		return -1;
	if (fd_pipe(tell, e) < 0) {
		close(data[0]);
		close(data[1]);
		return -1;
	}
	(void)!fcntl(data[0], F_SETPIPE_SZ, PIPE_SIZE);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		child(w, data, tell, parent);
	close(data[1]);
	close(tell[1]);
	own(fd) int in = data[0];
	own(fd) int heard = tell[0];
	if (pid < 0)
		return err_sys(e, "fork");
	r = keep(b, in, layer, &why);
	fd_drop(&in);
	/* What the writer says is the cause, unless it is that nobody reads. */
	int said = hear(heard, w, e);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0 && (said == 0 || e->sys == EPIPE))
		*e = why;
	return said < 0 ? -1 : r;
}
