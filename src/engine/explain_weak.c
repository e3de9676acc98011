/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_weak: a table of tests on a container's record. Each says in a line what is given away.
 */
#include "engine/explain.h"

#include "base/path.h"
#include "engine/spec.h"

#include <stdio.h>
#include <stdlib.h>

static const struct { const char *cap, *why; } dangerous[] = {
	{"CAP_SYS_ADMIN", "mounts, namespaces and hundreds of other things: as good as root of the machine"},
	{"CAP_SYS_MODULE", "loads code into the kernel"}, {"CAP_SYS_RAWIO", "reads and writes the machine's memory and ports"},
	{"CAP_SYS_PTRACE", "reads and changes other processes, those of the machine too when their PID namespace is shared"},
	{"CAP_DAC_READ_SEARCH", "opens any file of the machine by its handle"}, {"CAP_NET_ADMIN", "changes interfaces, routes and the firewall of its network"},
	{"CAP_SYS_BOOT", "restarts the machine"}, {"CAP_SYS_TIME", "sets the machine's clock"}, {"CAP_BPF", "runs programs in the kernel"},
	{"CAP_PERFMON", "watches what the kernel and others do"}, {"CAP_SYSLOG", "reads the kernel's messages"},
	{"CAP_MAC_ADMIN", "changes the rules of AppArmor and its kind"}, {"CAP_MAC_OVERRIDE", "passes by the rules of AppArmor and its kind"},
	{"CAP_SYS_RESOURCE", "goes past limits and quotas"}, {"CAP_SYS_NICE", "takes CPU time from others"}, {"CAP_IPC_LOCK", "locks memory"},
	{"CAP_CHECKPOINT_RESTORE", "writes pids and reads what others map"}, {"CAP_LINUX_IMMUTABLE", "changes files that are not to be changed"},
	{"CAP_SYS_TTY_CONFIG", "takes terminals of the machine"}, {"CAP_AUDIT_CONTROL", "changes what is audited"},
};

const char *explain_capability(const char *name)
{
	for (size_t i = 0; i < countof(dangerous); i++)
		if (strcmp(dangerous[i].cap, name) == 0)
			return dangerous[i].why;
	return NULL;
}

static void say(struct json *list, const char *what, const char *why)
{
	struct json *j = json_new_object();
	json_set_str(j, "What", what);
	json_set_str(j, "Why", why);
	json_add(list, j);
}

static const struct { size_t at; const char *option, *shares; } shared[] = {
	{offset_of(struct host_config, pid_mode), "pid", "sees, and as root signals, all processes of"},
	{offset_of(struct host_config, network_mode), "network", "has the interfaces, ports, abstract sockets and the firewall of"},
	{offset_of(struct host_config, ipc_mode), "ipc", "shares memory, semaphores and queues with"},
	{offset_of(struct host_config, uts_mode), "uts", "has the host name of"},
	{offset_of(struct host_config, cgroupns_mode), "cgroupns", "sees the control groups of"},
};

static void namespaces(struct json *list, const struct host_config *h)
{
	for (size_t i = 0; i < countof(shared); i++) {
		const char *mode = *(char *const *)((const char *)h + shared[i].at);
		bool host = str_eq(mode, "host");
		const char *peer = mode ? str_after(mode, "container:") : NULL;
		if (!host && !peer)
			continue;
		int n = peer && strlen(peer) == 64 ? 12 : 1000; /* an id, once it was looked up */
		own(mem) char *what = peer ? mem_printf("--%s container:%.*s", shared[i].option, n, peer) : mem_printf("--%s host", shared[i].option);
		own(mem) char *why = host ? mem_printf("it %s the machine", shared[i].shares) : mem_printf("it %s container %.*s", shared[i].shares, n, peer);
		say(list, what, why);
	}
}

static bool leads_to(const char *source, const char *target)
{
	/* source is target, or above it */
	const char *rest = strcmp(source, "/") == 0 ? target : str_after(target, source);
	return rest && (!*rest || *rest == '/');
}

static void mounts(struct json *list, const struct engine *g, const struct container_record *r)
{
	const struct { const char *path, *why; bool readable; } places[] = {
		{"/var/run/docker.sock", "who may write to docker's socket is root of the machine", true},
		{"/run/docker.sock", "who may write to docker's socket is root of the machine", true},
		{"/run/podman/podman.sock", "who may write to podman's socket is root of the machine", true},
		{"/run/containerd/containerd.sock", "who may write to containerd's socket is root of the machine", true},
		{"/run/hull.sock", "who may write to hull's socket is root of the machine", true},
		{"/run/hull/hull.sock", "who may write to hull's socket is root of the machine", true},
		{g->root_path, "hull's images and containers can be changed from inside", false},
		{g->run_path, "the state of hull's running containers can be changed from inside", false},
		{"/etc", "passwords and programs' settings of the machine can be changed from inside", false},
		{"/proc", "the machine's processes and kernel settings are seen, and can be changed, from inside", true},
		{"/sys", "the machine's devices and control groups can be changed from inside", false},
		{"/dev", "the machine's devices are there", true},
		{"/boot", "the machine's kernel can be changed from inside", false},
		{"/usr", "the machine's programs can be changed from inside", false},
		{"/root", "root's files and keys can be changed from inside", false},
	};
	for (size_t i = 0; i < r->mounts.n; i++) {
		const struct mount_point *m = &r->mounts.v[i];
		if (!str_eq(m->type, "bind") || !m->source)
			continue;
		own(mem) char *what = mem_printf("-v %s:%s%s", m->source, m->destination, m->rw ? "" : ":ro");
		if (strcmp(m->source, "/") == 0) {
			say(list, what, m->rw ? "all files of the machine can be changed from inside" : "all files of the machine can be read from inside");
			continue;
		}
		for (size_t k = 0; k < countof(places); k++)
			if ((m->rw || places[k].readable) && leads_to(m->source, places[k].path)) {
				say(list, what, places[k].why);
				break;
			}
	}
}

static void options(struct json *list, const struct host_config *h, const struct spec *s)
{
	for (size_t i = 0; i < h->security_opt.n; i++) {
		const char *o = h->security_opt.v[i];
		own(mem) char *what = mem_printf("--security-opt %.60s", o);
		if (strcmp(o + strcspn(o, "=:"), "=unconfined") != 0 && strcmp(o + strcspn(o, "=:"), ":unconfined") != 0 && !str_has_suffix(o, "disable"))
			continue;
		if (str_has_prefix(o, "seccomp"))
			say(list, what, "no system call is refused: all of the kernel can be attacked");
		else if (str_has_prefix(o, "systempaths"))
			say(list, what, "files of /proc and /sys that tell of the machine, or change it, are not hidden");
		else if (str_has_prefix(o, "apparmor"))
			say(list, what, "no AppArmor profile");
		else
			say(list, what, "no SELinux label");
	}
	if (!s->linux_->seccomp && h->privileged)
		say(list, "no seccomp profile", "--privileged takes it away: no system call is refused");
	if (h->devices.n && !h->privileged)
		for (size_t i = 0; i < h->devices.n; i++) {
			own(mem) char *what = mem_printf("--device %s", h->devices.v[i].host);
			say(list, what, "a device of the machine can be used from inside");
		}
	for (size_t i = 0; i < h->device_rules.n; i++)
		say(list, "--device-cgroup-rule", "devices of the machine can be used from inside, once there is a node");
}

static void limits(struct json *list, const struct host_config *h)
{
	if (!h->memory)
		say(list, "no memory limit", "it can take all of the machine's memory: --memory");
	if (!h->pids_limit.set || h->pids_limit.v <= 0)
		say(list, "no limit of processes", "it can take all of the machine's pids (a fork bomb): --pids-limit");
	if (!h->nano_cpus && h->cpu_quota <= 0 && str_is_empty(h->cpuset_cpus))
		say(list, "no CPU limit", "it can use all CPUs, in competition with others by its shares: --cpus");
	if (h->oom_kill_disable.set && h->oom_kill_disable.v)
		say(list, "--oom-kill-disable", "where its memory ends its processes stand still instead of being killed");
}

struct json *explain_weaker(struct engine *g, const struct container_entry *c, const struct spec *s)
{
	const struct host_config *h = &c->record.host;
	struct json *list = json_new_array();
	if (h->privileged)
		say(list, "--privileged", "all capabilities, all devices, no seccomp, nothing hidden: root inside is root of the machine");
	namespaces(list, h);
	for (size_t i = 0; !h->privileged && i < h->cap_add.n; i++) {
		own(mem) char *upper = mem_printf("%s%s", strncasecmp(h->cap_add.v[i], "CAP_", 4) == 0 ? "" : "CAP_", h->cap_add.v[i]);
		for (char *p = upper; *p; p++)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		own(mem) char *what = mem_printf("--cap-add %s", h->cap_add.v[i]);
		const char *why = explain_capability(upper);
		say(list, what, strcmp(upper, "CAP_ALL") == 0 ? "every capability there is" : why ? why : "more than the default");
	}
	options(list, h, s);
	mounts(list, g, &c->record);
	for (size_t i = 0; i < h->sysctls.n; i++) {
		own(mem) char *what = mem_printf("--sysctl %s=%s", h->sysctls.v[i].key, h->sysctls.v[i].value);
		say(list, what, "a kernel setting of its namespaces");
	}
	limits(list, h);
	return list;
}
