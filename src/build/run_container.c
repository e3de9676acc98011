/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_container: the container of a RUN. It is made as `hull run` makes one, of a record (engine/spec.h), but this process is its parent and
 * waits for it; nothing of it is kept.
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/interrupt.h"
#include "build/place.h"
#include "engine/cdi.h"
#include "engine/network.h"
#include "engine/request.h"
#include "engine/spec.h"
#include "image/platform.h"
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the record --- */

static char *text_of(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void fill_host(struct run *r, struct host_config *h)
{
	const struct build_request *q = r->x->b->q;
	h->network_mode = text_of(r->network);
	/* As `hull run`, but where that had none RUN has the host's: without a network few builds get anywhere. */
	if (str_eq(r->network, "default") && !network_has_default(r->x->b->g) && (r->x->b->g->rootless || !network_is_possible()))
		h->network_mode = text_of("host");
	h->privileged = str_eq(r->security, "insecure");
	h->shm_size = q->shm_size;
	h->memory = q->memory;
	h->memory_swap = q->memory_swap;
	h->nano_cpus = q->nano_cpus;
	h->cpu_shares = q->cpu_shares;
	h->cpu_quota = q->cpu_quota;
	h->cpu_period = q->cpu_period;
	h->cpuset_cpus = text_of(q->cpuset_cpus ? q->cpuset_cpus : "");
	h->cpuset_mems = text_of(q->cpuset_mems ? q->cpuset_mems : "");
	h->cgroup_parent = text_of(q->cgroup_parent ? q->cgroup_parent : "");
	h->extra_hosts = q->extra_hosts;
	h->cap_add = q->cap_add;
	h->cap_drop = q->cap_drop;
	h->security_opt = q->security_opt;
	h->ulimits.v = q->ulimits.v;
	h->ulimits.n = q->ulimits.n;
}

/* What may be missing is left out when it is; what is there has to be allowed: it may bring hooks of this machine with it. */
static int add_devices(struct run *r, struct err *e)
{
	const struct build *b = r->x->b;
	struct device_request named = {.driver = text_of("cdi")};
	for (size_t i = 0; i < r->devices.n; i++) {
		const struct run_device *d = &r->devices.v[i];
		bool is_there, allowed = strv_has(&b->q->allow_devices, "") || strv_has(&b->q->allow_devices, d->name);
		if (cdi_has(b->g, d->name, &is_there, e) < 0)
			return -1;
		if (!is_there && !d->required)
			continue;
		if (is_there && !allowed)
			return lex_error((struct lexed *)(uintptr_t)&b->df.text, r->x->i->node, "--device", e,
				"--device=%.100s has to be allowed: --allow device=%.100s", d->name, d->name);
		arena_strv_add(&r->c.arena, &named.ids, d->name);
	}
	if (named.ids.n)
		*arena_push(&r->c.arena, &r->c.record.host.device_requests) = named;
	return 0;
}

static int fill_record(struct run *r, struct err *e)
{
	struct container_record *c = &r->c.record;
	struct container_config *f = &c->config;
	struct arena *a = &r->c.arena;
	const struct image_run_config *image = &r->x->s->config.config;
	const struct settings *settings = engine_settings(r->x->b->g, e);
	const char *profile = NULL;
	if (!settings)
		return -1;
	memcpy(r->c.id, r->id, sizeof r->c.id);
	c->id = r->c.id;
	c->name = arena_printf(a, "/%s", r->id);
	c->path = r->args.v[0];
	for (size_t i = 1; i < r->args.n; i++)
		arena_strv_add(a, &c->args, r->args.v[i]);
	/* Secrets come in as variables too. */
	if (run_mounts_place(r, e) < 0)
		return -1;
	f->env = r->env;
	for (size_t i = 0; i < r->x->s->predefined.n; i++)
		arena_strv_add(a, &f->env, r->x->s->predefined.v[i]);
	f->user = text_of(image->user ? image->user : "");
	f->working_dir = text_of(str_is_empty(image->working_dir) ? "/" : image->working_dir);
	f->hostname = text_of(r->hostname);
	f->tty = r->is_shell && run_shell_has_terminal();
	fill_host(r, &c->host);
	if (add_devices(r, e) < 0 || request_complete(r->x->b->g, &r->c, settings, e) < 0 ||
		spec_choose_apparmor(r->x->b->g, &c->host, &profile, e) < 0)
		return -1;
	c->apparmor = arena_dup(a, profile ? profile : "");
	return 0;
}

/* The environment is the image's own: no HOSTNAME of ours. */
static void drop_hostname(const struct run *r, struct spec *s)
{
	size_t n = 0;
	own(mem) char *line = mem_printf("HOSTNAME=%s", r->hostname);
	for (size_t i = 0; i < s->process->env.n; i++)
		if (strcmp(s->process->env.v[i], line) != 0)
			s->process->env.v[n++] = s->process->env.v[i];
	s->process->env.n = n;
	s->process->env.v[n] = NULL;
}

/* --- mount points --- */

/* What the image has of the directories above a stub. */
static int note_above(struct run *r, const char *stub, struct err *e)
{
	own(mem) char *path = mem_dup(stub);
	for (char *slash; (slash = strrchr(path, '/'));) {
		*slash = 0;
		for (size_t i = 0; i < r->above.n; i++)
			if (str_eq(r->above.v[i].path, path))
				return 0;
		struct err why = {};
		own(fd) int fd = path_open_in(r->root, path, O_PATH | O_NOFOLLOW, 0, &why);
		if (fd < 0 && why.kind != ERR_NOT_FOUND && why.sys != ENOTDIR)
			return *e = why, -1;
		struct run_above *a = arena_push(&r->c.arena, &r->above);
		a->path = arena_dup(&r->c.arena, path);
		a->is_there = fd >= 0;
		if (fd >= 0 && fstat(fd, &a->st) < 0)
			return err_sys(e, "look at %.200s", path);
	}
	return 0;
}

int run_stubs_note(struct run *r, const char *const *paths, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct place p __attribute__((cleanup(place_drop))) = {};
		if (place_find(r->root, paths[i], true, &p, e) < 0)
			return -1;
		if (p.exists)
			continue;
		arena_push(&r->c.arena, &r->stubs)->path = arena_dup(&r->c.arena, buf_text(&p.path));
		if (note_above(r, buf_text(&p.path), e) < 0)
			return -1;
	}
	return 0;
}

/* --- the container --- */

static int hand_on(struct run *r, int out, int64_t began)
{
	char room[16384];
	ssize_t n = read(out, room, sizeof room);
	if (n > 0)
		event_send(r->x->b, BUILD_OUTPUT, r->x->number, r->x->name, num_monotonic_ns() - began, room, (size_t)n);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)) ? 1 : 0;
}

/* Until it ends; the pipe may be held open longer by what it left behind. */
static int serve(struct run *r, struct container *ct, int out, struct err *e)
{
	bool killed = false, ended = false;
	while (!ended) {
		struct pollfd f[2 + RESOLVER_POLLS] = {{.fd = out, .events = POLLIN}, {.fd = ct->pidfd, .events = POLLIN}};
		int ms = -1;
		size_t asked = r->net.resolver ? resolver_polls(r->net.resolver, f + 2, RESOLVER_POLLS, &ms) : 0;
		int n = killed ? poll(f, 2 + asked, ms) : interrupt_poll(f, 2 + asked, ms);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (n < 0 && interrupt_came() && !killed) {
			killed = true;
			kill(ct->pid, SIGKILL);
		}
		if (n < 0)
			continue;
		if (r->net.resolver)
			resolver_serve(r->net.resolver, f + 2, asked);
		if (f[0].revents && !hand_on(r, out, r->x->began))
			out = -1;
		ended = f[1].revents != 0;
	}
	int status = 0;
	siginfo_t info = {};
	while (waitid(P_PID, (id_t)ct->pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	if (out >= 0) {
		fd_set_nonblock(out, true);
		for (struct pollfd f = {.fd = out, .events = POLLIN}; poll(&f, 1, 0) > 0 && f.revents & POLLIN;)
			if (!hand_on(r, out, r->x->began))
				break;
	}
	if (interrupt_came())
		return err_set(e, ERR_CONFLICT, "interrupted");
	return status;
}

static int run_it(struct run *r, const struct spec *spec, int cache, struct err *e)
{
	int out[2];
	struct container ct = {.pidfd = -1, .console = -1, .start = -1};
	struct err why = {};
	if (fd_pipe(out, e) < 0)
		return -1;
	own(fd) int from = out[0];
	own(fd) int to = out[1];
	struct container_create c = {.id = r->id, .spec = spec, .rootfs = r->root,
		.stdio = {r->is_shell ? 0 : -1, r->is_shell ? 2 : to, r->is_shell ? 2 : to}, .console = -1, .seccomp_cache = cache,
		.netns_socket = r->net.netns_sockets[0]};
	if (r->x->b->g->rootless && cgroup_machine_mode() != CGROUP_V2 && !spec->linux_->resources->memory && !spec->linux_->resources->cpu)
		c.cgroup_manager = CGROUP_MANAGER_DISABLED;
	/* For the sweep, when this process is killed. */
	char group[sizeof ct.cgroup.path];
	if (cgroup_resolve(spec->linux_->cgroups_path, r->id, group, sizeof group, &why) == 0 &&
		path_write(r->dir, "cgroup", group, strlen(group), 0600, 0, e) < 0)
		return -1;
	if (container_create(&c, &ct, e) < 0)
		return -1;
	fd_drop(&to);
	int status = connect_wire(r->x->b->g, &r->c, &r->net, r->run_dir, ct.pid, e) < 0 ? -1 : container_start(&ct, e);
	if (status < 0)
		container_reap(&ct);
	else
		status = r->is_shell ? run_shell_serve(r, &ct, e) : serve(r, &ct, from, e);
	r->out_of_memory = status > 0 && cgroup_oom_kills(&ct.cgroup);
	if (container_remove(&ct, &why) < 0 && status >= 0) {
		*e = why;
		status = -1;
	}
	container_drop(&ct);
	return status;
}

/* A command that cannot be executed is a step that failed, as a shell would have it. */
static int judge(struct run *r, int status, struct err *e)
{
	if (status >= 0 || (e->kind != ERR_NOCMD && e->kind != ERR_NOEXEC))
		return status;
	struct platform_want mine;
	struct err ignored = {};
	char is[PLATFORM_TEXT];
	const struct image_config *c = &r->x->s->config;
	bool foreign = e->kind == ERR_NOEXEC && platform_parse(NULL, &mine, &ignored) == 0 && platform_rank(&mine, c->os, c->architecture, c->variant) < 0;
	own(mem) char *line = foreign ? mem_printf("%s\nRUN for %s needs an emulator, and binfmt_misc of this machine has none that runs it "
		"(Debian: qemu-user-static)\n", e->text, platform_format(c->os, c->architecture, c->variant, is)) : mem_printf("%s\n", e->text);
	event_send(r->x->b, BUILD_OUTPUT, r->x->number, r->x->name, num_monotonic_ns() - r->x->began, line, strlen(line));
	return e->kind == ERR_NOCMD ? 127 : 126;
}

int run_container(struct run *r, struct err *e)
{
	struct build *b = r->x->b;
	struct spec spec = {};
	struct userns_maps maps = {};
	r->run_dir = containers_run_dir(&b->g->containers, r->id, true, e);
	if (r->run_dir < 0 || fill_record(r, e) < 0)
		return -1;
	struct spec_build sb = {.g = b->g, .c = &r->c, .arena = &r->c.arena, .root = r->root, .run_dir = r->run_dir, .maps = &maps, .spec = &spec};
	if (connect_prepare(b->g, &r->c, &r->net, e) < 0 || connect_expect(b->g, &r->net, e) < 0 || spec_build(&sb, e) < 0)
		return -1;
	drop_hostname(r, &spec);
	if (b->g->rootless && run_proc_is_refused())
		run_proc_bind(&spec);
	run_mounts_ready(r, &spec);
	const char **paths = arena_alloc(&r->c.arena, (spec.mounts.n + 1) * sizeof *paths);
	size_t n = 0;
	for (size_t i = 0; i < spec.mounts.n; i++)
		paths[n++] = spec.mounts.v[i].destination;
	if (fstat(r->root, &r->before) < 0)
		return err_sys(e, "look at the root");
	if (run_stubs_note(r, paths, n, e) < 0)
		return -1;
	own(fd) int cache = engine_seccomp_cache(b->g, &spec);
	int status = run_it(r, &spec, cache, e);
	/* The mount is of no use any more, and what is above it is looked at directly. */
	fd_drop(&r->root);
	return judge(r, status, e);
}
