/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: run and create. The order of things, so that a failure leaves nothing behind:
 *
 *   1. every option is checked (run_request.c), the terminal too
 *   2. the id file is made, empty: one that exists is never written to
 *   3. the image is made to be here
 *   4. the container is made (the engine undoes what a failure leaves); with --replace the one that has its name is removed just before
 *   5. the id file is filled; on a failure before it is removed
 *   6. run: started, with us as the first client of its monitor unless -d
 *
 * Exit status: the command's; 127 and 126 when it is not there or cannot be executed; 125 for everything else.
 */
#include "cli/commands.h"
#include "cli/pod.h"
#include "cli/progress.h"
#include "cli/run_request.h"
#include "cli/session.h"
#include "engine/await.h"
#include "engine/image.h"
#include "engine/pod.h"

#include "base/fd.h"
#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FAILED = 125 };

static int status_of(const struct err *e)
{
	return e->kind == ERR_NOCMD || e->kind == ERR_NOEXEC ? err_map(e->kind)->exit_status : FAILED;
}

static int open_id_file(const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_EXISTS, "--cidfile %s is there already: it is of another container; remove it, or name another file", path);
	return fd < 0 ? err_sys(e, "--cidfile %s", path) : fd;
}

struct fetching {
	struct engine *g;
	const struct run_request *r;
	bool quiet;
};

static int fetch_image(void *arg, struct err *e)
{
	struct fetching *f = arg;
	own(image) struct image image = {};
	own(progress) struct progress *p = progress_new(2, f->quiet, "Pulling");
	return image_ensure(f->g, f->r->config.image, f->r->pull, f->r->create.platform, progress_calls(p), &image, e);
}

/* One that is here is found by ourselves; what it takes to bring one in must not stay with the monitor. */
static int fetch(struct engine *g, const struct run_request *r, bool quiet, struct err *e)
{
	own(image) struct image image = {};
	struct err why = {};
	if (str_is_empty(r->pull) || str_eq(r->pull, "missing") || str_eq(r->pull, "never")) {
		if (image_ensure(g, r->config.image, "never", r->create.platform, NULL, &image, &why) == 0)
			return 0;
		if (str_eq(r->pull, "never"))
			return *e = why, -1;
	}
	return child_do(fetch_image, &(struct fetching){g, r, quiet}, e);
}

/* --replace: what has the name goes, whatever it does; not one whose id only begins like it. */
static int remove_old(struct engine *g, const char *name, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err gone = {};
	char id[65];
	if (container_get(g, name, ENTRY_STATE_ONLY, &c, &gone) < 0)
		return gone.kind == ERR_NOT_FOUND ? 0 : (*e = gone, -1);
	if (!str_eq(c.state.name, *name == '/' ? name + 1 : name))
		return 0;
	memcpy(id, c.id, sizeof id);
	container_entry_drop(&c);
	if (container_delete(g, id, true, false, &gone) < 0 && gone.kind != ERR_NOT_FOUND)
		return *e = gone, err_wrap(e, "--replace");
	return 0;
}

/* Steps 2 to 5. */
static int create(const struct run_options *o, struct engine *g, struct run_request *r, char ret_id[65], struct err *e)
{
	own(fd) int file = o->cidfile ? open_id_file(o->cidfile, e) : -1;
	if (o->cidfile && file < 0)
		return -1;
	int result = r->host.rootfs ? 0 : fetch(g, r, o->quiet, e);
	if (result == 0 && o->replace)
		result = remove_old(g, o->name, e);
	bool makes_pod = o->pod && str_has_prefix(o->pod, "new:");
	if (result == 0 && makes_pod)
		result = pod_create_for(g, r, o->pod + strlen("new:"), e);
	if (result == 0 && (result = container_new(g, &r->create, ret_id, e)) < 0 && makes_pod) {
		struct err ignored = {};
		(void)!pod_delete(g, r->host.pod, false, &ignored);
	}
	if (result == 0 && file >= 0 && fd_write_all(file, ret_id, 64) < 0) {
		result = err_sys(e, "--cidfile %s", o->cidfile);
		struct err ignored = {};
		(void)!container_delete(g, ret_id, false, true, &ignored);
	}
	if (result < 0 && file >= 0)
		unlink(o->cidfile);
	return result;
}

static unsigned streams_of(const struct container_config *c)
{
	return (c->attach_stdin ? ATTACH_STDIN : 0u) | (c->attach_stdout ? ATTACH_STDOUT : 0u) | (c->attach_stderr ? ATTACH_STDERR : 0u);
}

/* Step 6. */
static int start(const struct run_options *o, const struct run_request *r, struct engine *g, const char *id, int *ret_status, struct err *e)
{
	bool detach = o->detach;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, id, ENTRY_LOCK, &c, e) < 0)
		return -1;
	int socks[2] = {-1, -1};
	unsigned streams = streams_of(&r->config);
	if (!detach && session_socket(r->config.tty, socks, e) < 0)
		return -1;
	own(fd) int ours = socks[1];
	if (container_launch(g, &c, socks[0], streams, e) < 0)
		return -1;
	if (detach && cli_printf(e, "%s\n", id) < 0)
		return -1;
	if (detach)
		return o->wait ? container_await(g, &c, str_eq(o->wait, "running") ? AWAIT_RUNNING : AWAIT_WELL, r->wait_ns, ret_status, e) : 0;
	struct session s = {.g = g, .c = &c, .streams = streams, .sig_proxy = r->sig_proxy, .owned = true};
	return session_run(&s, take_fd(ours), ret_status, e);
}

static int run(void *opts, int argc, char **argv, struct err *e)
{
	const struct run_options *o = opts;
	struct engine *g = cli_engine(e);
	struct run_request r __attribute__((cleanup(run_request_drop))) = {};
	char id[65];
	int status = 0;
	if (!g || run_request_make(o, argc, argv, &r, e) < 0)
		return FAILED;
	r.create.starts = true;
	if (session_check_tty(r.config.tty, streams_of(&r.config), e) < 0 || create(o, g, &r, id, e) < 0)
		return FAILED;
	return start(o, &r, g, id, &status, e) == 0 ? status : status_of(e);
}

static int create_only(void *opts, int argc, char **argv, struct err *e)
{
	const struct run_options *o = opts;
	struct engine *g = cli_engine(e);
	struct run_request r __attribute__((cleanup(run_request_drop))) = {};
	char id[65];
	if (!g || run_request_make(o, argc, argv, &r, e) < 0 || create(o, g, &r, id, e) < 0 || cli_printf(e, "%s\n", id) < 0)
		return FAILED;
	return 0;
}

const struct cmd cmd_run = {"run", "IMAGE [COMMAND] [ARG...]", "Create a container from an image and run a command in it", run_options,
	RUN_OPTIONS, sizeof(struct run_options), 1, -1, run, .flags = CMD_STRICT, .complete = "@image",
	.about = "The image is fetched when it is not here. Without -d hull shows the output of the command, hands signals on to it and "
		 "ends when it ends; with -it the keys ctrl-p ctrl-q leave it running. The exit status is the command's, 128 + n when signal n "
		 "ended it; 127 says that the command does not exist, 126 that it cannot be executed, 125 that hull failed.",
	.examples = "$ hull run -it --rm box\n$ hull run -d --name web --network host nginx\n"
		    "$ hull run --rm --memory 256M --cpus 0.5 -v data:/data -v ./src:/src:ro box ls /src"};
const struct cmd cmd_create = {"create", "IMAGE [COMMAND] [ARG...]", "Create a container without starting it", create_options,
	CREATE_OPTIONS, sizeof(struct run_options), 1, -1, create_only, .flags = CMD_STRICT, .complete = "@image"};
