/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: a container's document: from its record what was asked for, from the kernel what there is: namespaces by their numbers,
 * limits and their use from its control groups. The system calls that are refused are asked of the filter itself, one number after
 * another.
 */
#include "engine/explain.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/spec.h"
#include "runtime/cgroup_keys.h"
#include "runtime/seccomp.h"
#include "sys/caps.h"
#include "sys/nsfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <unistd.h>

static void set_bool(struct json *j, const char *key, bool v)
{
	json_set(j, key, json_new_bool(v));
}

static struct json *texts(const struct strv *l)
{
	struct json *j = json_new_array();
	for (size_t i = 0; i < l->n; i++)
		json_add(j, json_new_str(l->v[i]));
	return j;
}

static const struct { const char *type, *hides; } meanings[] = {
	{"mnt", "mounts"}, {"pid", "processes"}, {"net", "interfaces, ports, firewall"}, {"ipc", "shared memory, queues"},
	{"uts", "host name"}, {"cgroup", "control groups above its own"}, {"user", "user and group ids"}, {"time", "clocks since boot"},
};

static struct json *namespaces(pid_t pid)
{
	struct json *list = json_new_array();
	for (size_t i = 0; pid && i < countof(meanings); i++) {
		int kind = nsfs_kind_of(meanings[i].type);
		uint64_t ours = nsfs_of(getpid(), kind), theirs = nsfs_of(pid, kind);
		if (!theirs)
			continue;
		struct json *j = json_new_object();
		json_set_str(j, "Type", meanings[i].type);
		json_set(j, "Container", json_new_u64(theirs));
		json_set(j, "Host", json_new_u64(ours));
		set_bool(j, "Isolated", ours != theirs);
		json_set_str(j, "Of", meanings[i].hides);
		json_add(list, j);
	}
	return list;
}

/* By the names of v2, whatever is here. use: a second parameter, or NULL. */
static const struct { const char *name, *limit, *use, *unit; } limit_rows[] = {
	{"memory", "memory.max", "memory.current", "bytes"}, {"swap", "memory.swap.max", "memory.swap.current", "bytes"},
	{"reserved memory", "memory.low", NULL, "bytes"}, {"processes", "pids.max", "pids.current", ""},
	{"CPU time", "cpu.max", "cpuacct.usage", "us of us; ns"}, {"CPU weight", "cpu.weight", NULL, ""}, {"CPUs", "cpuset.cpus.effective", NULL, ""},
	{"memory nodes", "cpuset.mems.effective", NULL, ""}, {"block I/O", "io.max", NULL, ""}, {"block I/O weight", "io.weight", NULL, ""},
	{"huge pages of 2 MB", "hugetlb.2MB.max", "hugetlb.2MB.current", "bytes"},
};

static struct json *limits(const char *path)
{
	struct json *list = json_new_array();
	const struct cgroup_named g = {.path = (char *)(uintptr_t)path};
	for (size_t i = 0; !str_is_empty(path) && i < countof(limit_rows); i++) {
		own(buf) struct buf limit = BUF(1 << 16), use = BUF(1 << 16);
		struct err ignored = {};
		if (cgroup_key_get(&g, limit_rows[i].limit, &limit, &ignored) < 0 || !limit.len)
			continue;
		/* One version has nothing reserved, the other no limit, where nobody asked for it. */
		if (str_eq(limit_rows[i].limit, "memory.low") && (str_eq(buf_text(&limit), "0") || str_eq(buf_text(&limit), "max")))
			continue;
		struct json *j = json_new_object();
		json_set_str(j, "Name", limit_rows[i].name);
		json_set_str(j, "Parameter", limit_rows[i].limit);
		json_set_str(j, "Limit", buf_text(&limit));
		if (limit_rows[i].use && cgroup_key_get(&g, limit_rows[i].use, &use, &ignored) == 0)
			json_set_str(j, "Use", buf_text(&use));
		json_set_str(j, "Unit", limit_rows[i].unit);
		json_add(list, j);
	}
	return list;
}

int explain_security(struct engine *g, struct container_entry *c, struct arena *a, struct spec *ret, struct err *e)
{
	struct userns_maps maps = {};
	if (userns_parse(&c->record, &maps, e) < 0)
		return -1;
	*ret = (struct spec){.linux_ = arena_alloc(a, sizeof *ret->linux_), .process = arena_alloc(a, sizeof *ret->process)};
	struct spec_build b = {.g = g, .c = c, .arena = a, .root = -1, .run_dir = -1, .maps = &maps, .spec = ret, .privileged = c->record.host.privileged};
	int r = spec_build_security(&b, e);
	userns_maps_drop(&maps);
	return r;
}

static struct json *capabilities(const struct container_entry *c, const struct spec *s)
{
	struct json *j = json_new_object(), *dropped = json_new_array();
	const struct strv *kept = &s->process->caps->bounding;
	json_set(j, "Kept", texts(kept));
	for (int i = 0; caps_name(i); i++) {
		own(mem) char *name = mem_printf("CAP_%s", caps_name(i));
		if (!strv_has(kept, name))
			json_add(dropped, json_new_str(name));
	}
	json_set(j, "Dropped", dropped);
	json_set(j, "Added", texts(&c->record.host.cap_add));
	json_set(j, "Removed", texts(&c->record.host.cap_drop));
	return j;
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0
#endif

/* With arguments of zero: some calls are refused with others. */
static struct json *refused(const struct seccomp_filter *f)
{
	enum { CALLS = 1024 };
	struct json *list = json_new_array();
	for (int nr = 0; ARCH && f->n && nr < CALLS; nr++) {
		const struct seccomp_data d = {.nr = nr, .arch = ARCH};
		own(mem) char *name = seccomp_call_name(nr);
		if (name && seccomp_verdict(f, &d) != SECCOMP_RET_ALLOW)
			json_add(list, json_new_str(name));
	}
	return list;
}

static int seccomp(struct engine *g, const struct container_entry *c, const struct spec *s, struct json *doc, struct err *e)
{
	struct json *j = json_new_object();
	struct seccomp_filter f = {};
	const char *how = "default";
	json_set(doc, "Seccomp", j);
	for (size_t i = 0; i < c->record.host.security_opt.n; i++) {
		const char *o = c->record.host.security_opt.v[i];
		if (str_has_prefix(o, "seccomp") && !str_has_suffix(o, "default") && !str_has_suffix(o, "builtin"))
			how = "custom";
	}
	json_set_str(j, "Profile", s->linux_->seccomp ? how : "unconfined");
	if (!s->linux_->seccomp) {
		json_set(j, "Refused", json_new_array());
		return 0;
	}
	own(fd) int cache = engine_seccomp_cache(g, s);
	if (seccomp_compile(s->linux_->seccomp, cache, &f, e) < 0)
		return -1;
	json_set(j, "Instructions", json_new_u64(f.n));
	json_set(j, "Refused", refused(&f));
	seccomp_filter_drop(&f);
	return 0;
}

static struct json *mounts(const struct container_record *r)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < r->mounts.n; i++) {
		const struct mount_point *m = &r->mounts.v[i];
		struct json *j = json_new_object();
		json_set_str(j, "Type", m->type);
		json_set_str(j, "Source", str_eq(m->type, "volume") && m->name ? m->name : m->source ? m->source : "");
		json_set_str(j, "Destination", m->destination);
		set_bool(j, "RW", m->rw);
		json_add(list, j);
	}
	for (size_t i = 0; i < r->host.tmpfs.n; i++) {
		struct json *j = json_new_object();
		json_set_str(j, "Type", "tmpfs");
		json_set_str(j, "Source", r->host.tmpfs.v[i].value);
		json_set_str(j, "Destination", r->host.tmpfs.v[i].key);
		set_bool(j, "RW", true);
		json_add(list, j);
	}
	return list;
}

static struct json *networks(const struct container_entry *c)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < c->state.networks.n; i++) {
		const struct endpoint_state *n = &c->state.networks.v[i];
		struct json *j = json_new_object();
		own(mem) char *ip = str_is_empty(n->ip) ? NULL : mem_printf("%s/%u", n->ip, n->prefix);
		own(mem) char *ip6 = str_is_empty(n->ip6) ? NULL : mem_printf("%s/%u", n->ip6, n->prefix6);
		json_set_str(j, "Network", n->network);
		json_set_str(j, "Driver", n->driver ? n->driver : "");
		json_set_str(j, "Interface", n->interface ? n->interface : "");
		json_set_str(j, "Address", ip ? ip : "");
		json_set_str(j, "Address6", ip6 ? ip6 : "");
		json_set_str(j, "Gateway", n->gateway ? n->gateway : "");
		json_add(list, j);
	}
	return list;
}

static struct json *ports(const struct container_entry *c)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < c->state.published.n; i++) {
		const struct port_state *p = &c->state.published.v[i];
		own(mem) char *text = mem_printf("%s:%u->%u/%s", str_is_empty(p->host_ip) ? "0.0.0.0" : p->host_ip, p->host_port, p->port, p->protocol);
		json_add(list, json_new_str(text));
	}
	return list;
}

static int root(struct engine *g, const struct container_record *r, struct json *doc, struct err *e)
{
	struct json *j = json_new_object(), *layers = json_new_array();
	json_set_str(j, "Driver", r->driver ? r->driver : "");
	set_bool(j, "ReadOnly", r->host.read_only);
	json_set_str(j, "Directory", r->host.rootfs ? r->host.rootfs : "");
	json_set(j, "Layers", layers);
	json_set(doc, "Root", j);
	if (r->layers.n && engine_need_snap(g, e) < 0)
		return -1;
	for (size_t i = 0; i < r->layers.n; i++) {
		struct json *row = json_new_object();
		struct snap_layer_info info = {};
		struct err ignored = {};
		(void)!snap_layer_info(&g->snap, r->layers.v[i], &info, &ignored);
		json_set_str(row, "DiffId", r->layers.v[i]);
		json_set(row, "Bytes", json_new_u64(info.bytes));
		json_set(row, "Files", json_new_u64(info.files));
		json_add(layers, row);
	}
	return 0;
}

/* What the kernel says of its first process: nobody needs to believe the record. */
static void labels(pid_t pid, const struct spec *s, struct json *doc)
{
	own(buf) struct buf b = BUF(4096);
	char path[48];
	struct err ignored = {};
	snprintf(path, sizeof path, "/proc/%d/attr/current", (int)pid);
	bool selinux = path_exists(AT_FDCWD, "/sys/fs/selinux/enforce");
	bool known = pid && path_read(AT_FDCWD, path, &b, &ignored) == 0 && b.len;
	const char *now = known ? str_trim(b.data) : NULL;
	json_set_str(doc, "AppArmor", now && !selinux ? now : s->process->apparmor ? s->process->apparmor : "");
	json_set_str(doc, "SELinux", now && selinux ? now : s->process->selinux_label ? s->process->selinux_label : "");
}

static struct json *user(const struct container_record *r)
{
	struct json *j = json_new_object();
	json_set_str(j, "Name", str_is_empty(r->config.user) ? "root" : r->config.user);
	json_set_str(j, "UidMap", r->uid_map ? r->uid_map : "");
	json_set_str(j, "GidMap", r->gid_map ? r->gid_map : "");
	return j;
}

struct json *explain_container(struct engine *g, const char *text, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(arena) struct arena a = {};
	own(json) struct json *doc = json_new_object();
	struct spec s;
	if (container_get(g, text, 0, &c, e) < 0 || explain_security(g, &c, &a, &s, e) < 0)
		return NULL;
	const char *status = container_status(g, &c);
	bool running = str_eq(status, "running") || str_eq(status, "paused");
	pid_t pid = running ? (pid_t)c.state.pid : 0;
	json_set_str(doc, "Id", c.id);
	json_set_str(doc, "Name", container_label(&c));
	json_set_str(doc, "Image", c.record.config.image ? c.record.config.image : "");
	json_set_str(doc, "Status", status);
	json_set(doc, "Pid", json_new_i64(pid));
	json_set(doc, "Namespaces", namespaces(pid));
	json_set_str(doc, "Cgroup", running && c.state.cgroup ? c.state.cgroup : "");
	json_set(doc, "Limits", limits(running ? c.state.cgroup : NULL));
	json_set(doc, "Capabilities", capabilities(&c, &s));
	set_bool(doc, "NoNewPrivileges", s.process->no_new_privileges);
	if (seccomp(g, &c, &s, doc, e) < 0 || root(g, &c.record, doc, e) < 0)
		return NULL;
	json_set(doc, "Mounts", mounts(&c.record));
	json_set(doc, "MaskedPaths", texts(&s.linux_->masked_paths));
	json_set(doc, "ReadonlyPaths", texts(&s.linux_->readonly_paths));
	labels(pid, &s, doc);
	json_set(doc, "User", user(&c.record));
	json_set(doc, "Networks", networks(&c));
	json_set(doc, "Ports", ports(&c));
	json_set(doc, "Weaker", explain_weaker(g, &c, &s));
	return take(doc);
}
