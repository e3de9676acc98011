/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   the client's process            nobody's child
 *   --------------------            --------------
 *   "started" is made
 *   fork, fork ------------------>  monitor_main(): on_begin() executes the command in the container
 *   read the report <-------------  one struct err
 *   copies, as long as the          until the process ends: exec.json says how; clients are told
 *   client is there
 *
 * A client that goes leaves the process as it is; what it writes then is thrown away.
 */
#include "engine/exec_session.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_SECONDS = 300, LOST = 137, AWAIT_TRIES = 2000 };
static const char file[] = "exec.json";

static const struct jfield record_fields[] = {
	JF(struct exec_record, "Cmd", cmd, JT_STRV),
	JF(struct exec_record, "Env", env, JT_STRV),
	JF(struct exec_record, "User", user, JT_STR),
	JF(struct exec_record, "WorkingDir", workdir, JT_STR),
	JF(struct exec_record, "DetachKeys", detach_keys, JT_STR),
	JF(struct exec_record, "Tty", tty, JT_BOOL),
	JF(struct exec_record, "Privileged", privileged, JT_BOOL),
	JF(struct exec_record, "AttachStdin", attach_stdin, JT_BOOL),
	JF(struct exec_record, "AttachStdout", attach_stdout, JT_BOOL),
	JF(struct exec_record, "AttachStderr", attach_stderr, JT_BOOL),
	JF(struct exec_record, "ConsoleSize", size, JT_I64V),
	JF(struct exec_record, "Running", running, JT_BOOL),
	JF(struct exec_record, "Pid", pid, JT_I64),
	JF(struct exec_record, "ExitCode", exit_code, JT_OI64),
};
const struct jtable exec_record_table = JTABLE(struct exec_record, record_fields);

void exec_session_drop(struct exec_session *x)
{
	fd_drop(&x->dir);
	container_entry_drop(&x->c);
	arena_drop(&x->arena);
}

static int save(int dir, const struct exec_record *r, struct err *e)
{
	own(json) struct json *j = jmap_format(&exec_record_table, r);
	own(buf) struct buf text = {};
	json_format(j, 0, &text);
	return buf_check(&text, e) < 0 ? -1 : path_write(dir, file, text.data, text.len, 0600, 0, e);
}

static int load(int dir, struct arena *a, struct exec_record *ret, struct err *e)
{
	own(buf) struct buf text = BUF(1 << 24);
	own(json) struct json *j = NULL;
	*ret = (struct exec_record){};
	if (path_read(dir, file, &text, e) < 0 || json_parse(text.data, text.len, &j, e) < 0)
		return -1;
	return jmap_parse(&exec_record_table, j, 0, a, ret, "exec", e);
}

static int must_run(struct engine *g, struct container_entry *c, struct err *e)
{
	const char *status = container_status(g, c);
	if (str_eq(status, "running"))
		return 0;
	if (str_eq(status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.12s is paused, unpause the container before exec", c->id);
	if (str_eq(status, "restarting"))
		return err_set(e, ERR_CONFLICT, "container %.12s is restarting, wait until the container is running", c->id);
	return err_set(e, ERR_CONFLICT, "container %.12s is not running", c->id);
}

/* Those that ended long ago. */
static void forget_old(int execs)
{
	own(strv) struct strv ids = {};
	struct err ignored = {};
	if (path_list(execs, ".", &ids, &ignored) < 0)
		return;
	for (size_t i = 0; i < ids.n; i++) {
		struct arena a = {};
		struct exec_record r;
		struct stat st;
		own(fd) int dir = path_open_dir(execs, ids.v[i], &ignored);
		bool old = dir >= 0 && fstatat(dir, file, &st, 0) == 0 && st.st_mtime < time(NULL) - KEPT_SECONDS;
		if (old && load(dir, &a, &r, &ignored) == 0 && r.exit_code.set)
			(void)!path_remove_tree(execs, ids.v[i], &ignored);
		arena_drop(&a);
	}
}

int exec_session_make(struct engine *g, struct container_entry *c, const struct exec_record *r, char ret_id[65], struct err *e)
{
	if (!r->cmd.n)
		return err_set(e, ERR_USAGE, "No exec command specified");
	if (must_run(g, c, e) < 0)
		return -1;
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, e);
	if (run < 0)
		return -1;
	if (mkdirat(run, "exec", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "exec");
	own(fd) int execs = path_open_dir(run, "exec", e);
	if (execs < 0)
		return -1;
	forget_old(execs);
	num_random_id(ret_id);
	if (mkdirat(execs, ret_id, 0700) < 0)
		return err_sys(e, "exec");
	own(fd) int dir = path_open_dir(execs, ret_id, e);
	if (dir < 0 || save(dir, r, e) < 0)
		return -1;
	event_exec(g, c, "exec_create", &r->cmd, ret_id);
	return 0;
}

int exec_session_find(struct engine *g, const char *id, struct exec_session *ret, struct err *e)
{
	own(strv) struct strv containers = {};
	struct err ignored = {};
	if (path_is_name(id) && strlen(id) == ID_LEN && path_list(g->containers.run, ".", &containers, &ignored) == 0)
		for (size_t i = 0; i < containers.n && ret->dir < 0; i++) {
			own(mem) char *path = mem_printf("%s/exec/%s", containers.v[i], id);
			ret->dir = openat(g->containers.run, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (ret->dir >= 0 && container_get(g, containers.v[i], 0, &ret->c, &ignored) < 0)
				break;
		}
	if (ret->dir < 0 || !*ret->c.id || load(ret->dir, &ret->arena, &ret->record, &ignored) < 0)
		return err_set(e, ERR_NOT_FOUND, "No such exec instance: %.200s", id);
	memcpy(ret->id, id, ID_LEN + 1);
	if (!ret->record.running)
		return 0;
	/* A monitor writes the end down before it lets its lock go. */
	own(fd) int lock = path_lock(ret->dir, "lock", true, false, &ignored);
	if (lock >= 0 && load(ret->dir, &ret->arena, &ret->record, &ignored) == 0 && ret->record.running) {
		ret->record.running = false;
		ret->record.exit_code = (struct opt_i64){true, LOST};
	}
	return 0;
}

struct starting {
	struct engine *g;
	struct exec_session *x;
};

/* In the monitor. */
static int on_begin(void *arg, const int stdio[3], struct container_process *ret, struct err *e)
{
	struct starting *s = arg;
	struct exec_record *r = &s->x->record;
	const bool sized = r->size.n == 2;
	const struct exec_request q = {.args = r->cmd, .env = r->env, .user = r->user, .workdir = r->workdir, .tty = r->tty, .privileged = r->privileged,
		.rows = (uint16_t)(sized ? r->size.v[0] : 0), .cols = (uint16_t)(sized ? r->size.v[1] : 0)};
	if (container_begin_in(s->g, &s->x->c, &q, stdio, ret, e) < 0)
		return -1;
	r->running = true;
	r->pid = ret->pid;
	return save(s->x->dir, r, e);
}

static void on_started(void *arg, const struct container *ct unused, int64_t started_ns unused)
{
	struct starting *s = arg;
	event_exec(s->g, &s->x->c, "exec_start", &s->x->record.cmd, s->x->id);
}

static void ended(struct starting *s, int status)
{
	struct err ignored = {};
	s->x->record.running = false;
	s->x->record.pid = 0;
	s->x->record.exit_code = (struct opt_i64){true, status};
	(void)!save(s->x->dir, &s->x->record, &ignored);
	event_exec_end(s->g, &s->x->c, s->x->id, status);
}

static void on_exited(void *arg, const struct monitor_exit *x)
{
	ended(arg, x->status);
}

_Noreturn static void serve(struct starting *s, int sock, unsigned streams, int report)
{
	const struct engine *g = s->g;
	struct spec_process process = {.terminal = s->x->record.tty};
	const struct spec spec = {.process = &process};
	const struct monitor_client client = {sock, streams};
	struct monitor m = {.create = {.id = s->x->id, .spec = &spec, .rootfs = -1, .stdio = {-1, -1, -1}, .console = -1, .seccomp_cache = -1},
		.log = {.driver = LOG_NONE, .dir = -1, .name = ""}, .run_dir = s->x->dir, .open_stdin = sock >= 0 && s->x->record.attach_stdin,
		.stdin_once = true, .clients = &client, .nclients = sock >= 0, .report = report, .stop_signal = SIGTERM, .stop_seconds = 10,
		.begin = on_begin, .started = on_started, .exited = on_exited, .arg = s};
	const int fds[] = {g->root, g->run, g->containers.root, g->containers.names, g->containers.run, g->user.lock, s->x->c.dir};
	for (size_t i = 0; i < countof(fds); i++)
		m.keep[m.nkeep++] = fds[i];
	_exit(monitor_main(&m));
}

int exec_session_claim(struct engine *g, struct exec_session *x, struct err *e)
{
	if (x->record.running || x->record.exit_code.set)
		return err_set(e, ERR_CONFLICT, "exec command %s %s", x->id, x->record.running ? "is already running" : "has already run");
	if (must_run(g, &x->c, e) < 0)
		return -1;
	if (mkdirat(x->dir, "started", 0700) < 0)
		return errno == EEXIST ? err_set(e, ERR_CONFLICT, "exec command %s is already running", x->id) : err_sys(e, "exec");
	return 0;
}

int exec_session_start(struct engine *g, struct exec_session *x, int sock, unsigned streams, struct err *e)
{
	own(fd) int client = sock;
	struct starting s = {g, x};
	struct err why = {};
	int report[2];
	if (fd_pipe(report, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			serve(&s, client, streams, report[1]);
		_exit(0);
	}
	close(report[1]);
	fd_drop(&client);
	ssize_t n = pid < 0 ? 0 : fd_read_full(report[0], &why, sizeof why);
	close(report[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n == sizeof why && why.kind == ERR_NONE)
		return 0;
	if (n != sizeof why)
		err_set_(&why, ERR_SYSTEM, "exec: the process that starts it died");
	ended(&s, why.kind == ERR_NOCMD ? 127 : 126);
	*e = why;
	return -1;
}

int exec_session_await(struct exec_session *x, struct err *e)
{
	for (int i = 0; i < AWAIT_TRIES && !x->record.running && !x->record.exit_code.set && path_exists(x->dir, "started"); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
		if (load(x->dir, &x->arena, &x->record, e) < 0)
			return -1;
	}
	return 0;
}

void exec_session_ids(struct engine *g, const char *container, struct strv *ret)
{
	own(mem) char *path = mem_printf("%s/exec", container);
	struct err ignored = {};
	(void)!path_list(g->containers.run, path, ret, &ignored);
}
