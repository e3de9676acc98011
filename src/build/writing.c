/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writing: a child of ours writes a layer's tar into a pipe, we hash and keep it (snap_ingest). What it has to tell comes by a second
 * pipe: whether the tar is whole, since one that is cut off between two entries looks like one.
 */
#include "build/stage.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_SIZE = 1 << 20, SHARED = 64 };

struct report { struct err why; char shared[SHARED]; };

static void child(struct writing *w, int out, int tell, pid_t parent) __attribute__((noreturn));
static void child(struct writing *w, int out, int tell, pid_t parent)
{
	struct report r = {};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
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

int writing_do(struct build *b, struct writing *w, char layer[136], struct err *e)
{
	int data[2], tell[2];
	struct snap_layer_info info;
	struct err why = {};
	if (engine_need_storage(b->g, e) < 0 || fd_pipe(data, e) < 0)
		return -1;
	if (fd_pipe(tell, e) < 0) {
		close(data[0]);
		close(data[1]);
		return -1;
	}
	(void)!fcntl(data[0], F_SETPIPE_SZ, PIPE_SIZE);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		child(w, data[1], tell[1], parent);
	close(data[1]);
	close(tell[1]);
	own(fd) int in = data[0];
	own(fd) int heard = tell[0];
	if (pid < 0)
		return err_sys(e, "fork");
	struct snap_ingest q = {.fd = in, .length = UINT64_MAX, .blob_size = UINT64_MAX};
	int r = snap_ingest(&b->g->snap, &q, layer, &info, &why);
	fd_drop(&in);
	/* What the writer says is the cause. */
	int said = hear(heard, w, e);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (said == 0 && r < 0)
		*e = why;
	return said < 0 ? -1 : r;
}
