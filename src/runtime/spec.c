/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: the tables of config.json, the innermost objects first, and the checks that tables cannot express.
 */
#include "runtime/spec.h"

#include "runtime/namespaces.h"

#define T(name, st, fields) const struct jtable name = JTABLE(st, fields)

static const struct jfield idmap_fields[] = {
	JFF(struct idmap_row, "containerID", container_id, JT_U32, JF_ALWAYS),
	JFF(struct idmap_row, "hostID", host_id, JT_U32, JF_ALWAYS),
	JFF(struct idmap_row, "size", size, JT_U32, JF_ALWAYS),
};
static T(idmap_table, struct idmap_row, idmap_fields);

static const struct jfield rlimit_fields[] = {
	JFF(struct spec_rlimit, "type", type, JT_STR, JF_REQUIRED),
	JFF(struct spec_rlimit, "hard", hard, JT_U64, JF_ALWAYS),
	JFF(struct spec_rlimit, "soft", soft, JT_U64, JF_ALWAYS),
};
static T(rlimit_table, struct spec_rlimit, rlimit_fields);

#define S struct spec_caps
static const struct jfield caps_fields[] = {
	JF(S, "bounding", bounding, JT_STRV), JF(S, "effective", effective, JT_STRV),
	JF(S, "inheritable", inheritable, JT_STRV), JF(S, "permitted", permitted, JT_STRV), JF(S, "ambient", ambient, JT_STRV),
};
static T(caps_table, S, caps_fields);
#undef S

#define S struct spec_user
static const struct jfield user_fields[] = {
	JFF(S, "uid", uid, JT_U32, JF_ALWAYS), JFF(S, "gid", gid, JT_U32, JF_ALWAYS), JF(S, "umask", umask, JT_OI64),
	JF(S, "additionalGids", groups, JT_U32V), JF(S, "username", username, JT_STR),
};
static T(user_table, S, user_fields);
#undef S

#define S struct spec_scheduler
static const struct jfield scheduler_fields[] = {
	JFF(S, "policy", policy, JT_STR, JF_REQUIRED), JF(S, "nice", nice, JT_OI64), JF(S, "priority", priority, JT_OI64),
	JF(S, "flags", flags, JT_STRV), JF(S, "runtime", runtime, JT_OU64), JF(S, "deadline", deadline, JT_OU64),
	JF(S, "period", period, JT_OU64),
};
static T(scheduler_table, S, scheduler_fields);
#undef S

static const struct jfield io_priority_fields[] = {
	JFF(struct spec_io_priority, "class", class, JT_STR, JF_REQUIRED),
	JFF(struct spec_io_priority, "priority", priority, JT_I64, JF_ALWAYS),
};
static T(io_priority_table, struct spec_io_priority, io_priority_fields);
static const struct jfield affinity_fields[] = {
	JF(struct spec_cpu_affinity, "initial", initial, JT_STR), JF(struct spec_cpu_affinity, "final", final, JT_STR),
};
static T(affinity_table, struct spec_cpu_affinity, affinity_fields);
static const struct jfield console_fields[] = {
	JFF(struct spec_console, "height", height, JT_U64, JF_ALWAYS), JFF(struct spec_console, "width", width, JT_U64, JF_ALWAYS),
};
static T(console_table, struct spec_console, console_fields);

#define S struct spec_process
static const struct jfield process_fields[] = {
	JF(S, "terminal", terminal, JT_BOOL), JFS(S, "consoleSize", console, JT_PTR, console_table),
	JFS(S, "user", user, JT_STRUCT, user_table), JF(S, "args", args, JT_STRV), JF(S, "env", env, JT_STRV),
	JF(S, "cwd", cwd, JT_STR), JFS(S, "capabilities", caps, JT_PTR, caps_table),
	JFS(S, "rlimits", rlimits, JT_LIST, rlimit_table), JF(S, "noNewPrivileges", no_new_privileges, JT_BOOL),
	JF(S, "apparmorProfile", apparmor, JT_STR), JF(S, "selinuxLabel", selinux_label, JT_STR),
	JF(S, "oomScoreAdj", oom_score_adj, JT_OI64), JFS(S, "scheduler", scheduler, JT_PTR, scheduler_table),
	JFS(S, "ioPriority", io_priority, JT_PTR, io_priority_table),
	JFS(S, "execCPUAffinity", cpu_affinity, JT_PTR, affinity_table),
};
T(spec_process_table, S, process_fields);
#undef S

#define S struct spec_mount
static const struct jfield mount_fields[] = {
	JFF(S, "destination", destination, JT_STR, JF_REQUIRED), JF(S, "source", source, JT_STR), JF(S, "type", type, JT_STR),
	JF(S, "options", options, JT_STRV), JFS(S, "uidMappings", uids, JT_LIST, idmap_table),
	JFS(S, "gidMappings", gids, JT_LIST, idmap_table),
};
static T(mount_table, S, mount_fields);
#undef S

#define S struct spec_hook
static const struct jfield hook_fields[] = {
	JFF(S, "path", path, JT_STR, JF_REQUIRED), JF(S, "args", args, JT_STRV), JF(S, "env", env, JT_STRV),
	JF(S, "timeout", timeout, JT_OI64),
};
static T(hook_table, S, hook_fields);
#undef S
#define S struct spec_hooks
static const struct jfield hooks_fields[] = {
	JFS(S, "prestart", prestart, JT_LIST, hook_table), JFS(S, "createRuntime", create_runtime, JT_LIST, hook_table),
	JFS(S, "createContainer", create_container, JT_LIST, hook_table),
	JFS(S, "startContainer", start_container, JT_LIST, hook_table), JFS(S, "poststart", poststart, JT_LIST, hook_table),
	JFS(S, "poststop", poststop, JT_LIST, hook_table),
};
static T(hooks_table, S, hooks_fields);
#undef S

const char *spec_hook_name(size_t i)
{
	return i < countof(hooks_fields) ? hooks_fields[i].key : NULL;
}

static const struct jfield namespace_fields[] = {
	JFF(struct spec_namespace, "type", type, JT_STR, JF_REQUIRED), JF(struct spec_namespace, "path", path, JT_STR),
};
static T(namespace_table, struct spec_namespace, namespace_fields);

#define S struct spec_device
static const struct jfield device_fields[] = {
	JFF(S, "type", type, JT_STR, JF_REQUIRED), JFF(S, "path", path, JT_STR, JF_REQUIRED), JF(S, "major", major, JT_OI64),
	JF(S, "minor", minor, JT_OI64), JF(S, "fileMode", mode, JT_OI64), JF(S, "uid", uid, JT_OI64), JF(S, "gid", gid, JT_OI64),
};
static T(device_table, S, device_fields);
#undef S
#define S struct spec_device_rule
static const struct jfield rule_fields[] = {
	JFF(S, "allow", allow, JT_BOOL, JF_ALWAYS), JF(S, "type", type, JT_STR), JF(S, "major", major, JT_OI64),
	JF(S, "minor", minor, JT_OI64), JF(S, "access", access, JT_STR),
};
static T(rule_table, S, rule_fields);
#undef S

#define S struct spec_memory
static const struct jfield memory_fields[] = {
	JF(S, "limit", limit, JT_OI64), JF(S, "reservation", reservation, JT_OI64), JF(S, "swap", swap, JT_OI64),
	JF(S, "kernel", kernel, JT_OI64), JF(S, "kernelTCP", kernel_tcp, JT_OI64), JF(S, "swappiness", swappiness, JT_OU64),
	JF(S, "disableOOMKiller", disable_oom_killer, JT_OBOOL), JF(S, "useHierarchy", use_hierarchy, JT_OBOOL),
	JF(S, "checkBeforeUpdate", check_before_update, JT_OBOOL),
};
static T(memory_table, S, memory_fields);
#undef S
#define S struct spec_cpu
static const struct jfield cpu_fields[] = {
	JF(S, "shares", shares, JT_OU64), JF(S, "quota", quota, JT_OI64), JF(S, "burst", burst, JT_OU64),
	JF(S, "period", period, JT_OU64), JF(S, "realtimeRuntime", rt_runtime, JT_OI64),
	JF(S, "realtimePeriod", rt_period, JT_OU64), JF(S, "cpus", cpus, JT_STR), JF(S, "mems", mems, JT_STR),
	JF(S, "idle", idle, JT_OI64),
};
static T(cpu_table, S, cpu_fields);
#undef S
#define S struct spec_weight_device
static const struct jfield weight_fields[] = {
	JFF(S, "major", major, JT_I64, JF_ALWAYS), JFF(S, "minor", minor, JT_I64, JF_ALWAYS), JF(S, "weight", weight, JT_OU64),
	JF(S, "leafWeight", leaf_weight, JT_OU64),
};
static T(weight_table, S, weight_fields);
#undef S
#define S struct spec_throttle_device
static const struct jfield throttle_fields[] = {
	JFF(S, "major", major, JT_I64, JF_ALWAYS), JFF(S, "minor", minor, JT_I64, JF_ALWAYS), JFF(S, "rate", rate, JT_U64, JF_ALWAYS),
};
static T(throttle_table, S, throttle_fields);
#undef S
#define S struct spec_block_io
static const struct jfield block_io_fields[] = {
	JF(S, "weight", weight, JT_OU64), JF(S, "leafWeight", leaf_weight, JT_OU64),
	JFS(S, "weightDevice", weight_devices, JT_LIST, weight_table),
	JFS(S, "throttleReadBpsDevice", read_bps, JT_LIST, throttle_table),
	JFS(S, "throttleWriteBpsDevice", write_bps, JT_LIST, throttle_table),
	JFS(S, "throttleReadIOPSDevice", read_iops, JT_LIST, throttle_table),
	JFS(S, "throttleWriteIOPSDevice", write_iops, JT_LIST, throttle_table),
};
static T(block_io_table, S, block_io_fields);
#undef S
static const struct jfield hugepage_fields[] = {
	JFF(struct spec_hugepage, "pageSize", page_size, JT_STR, JF_REQUIRED), JFF(struct spec_hugepage, "limit", limit, JT_U64, JF_ALWAYS),
};
static T(hugepage_table, struct spec_hugepage, hugepage_fields);
static const struct jfield priority_fields[] = {
	JFF(struct spec_net_priority, "name", name, JT_STR, JF_REQUIRED), JFF(struct spec_net_priority, "priority", priority, JT_U32, JF_ALWAYS),
};
static T(priority_table, struct spec_net_priority, priority_fields);
static const struct jfield network_fields[] = {
	JF(struct spec_network, "classID", class_id, JT_OU64), JFS(struct spec_network, "priorities", priorities, JT_LIST, priority_table),
};
static T(network_table, struct spec_network, network_fields);
#define S struct spec_resources
static const struct jfield pids_fields[] = {JF(struct spec_pids, "limit", limit, JT_OI64)};
static T(pids_table, struct spec_pids, pids_fields);
static const struct jfield resources_fields[] = {
	JFS(S, "devices", devices, JT_LIST, rule_table), JFS(S, "memory", memory, JT_PTR, memory_table),
	JFS(S, "cpu", cpu, JT_PTR, cpu_table), JFS(S, "blockIO", block_io, JT_PTR, block_io_table),
	JFS(S, "hugepageLimits", hugepages, JT_LIST, hugepage_table), JFS(S, "network", network, JT_PTR, network_table),
	JF(S, "rdma", rdma, JT_JSON), JF(S, "unified", unified, JT_MAP), JFS(S, "pids", pids, JT_PTR, pids_table),
};
T(spec_resources_table, S, resources_fields);
#undef S

#define S struct spec_syscall_arg
static const struct jfield arg_fields[] = {
	JFF(S, "index", index, JT_U64, JF_ALWAYS), JFF(S, "value", value, JT_U64, JF_ALWAYS),
	JF(S, "valueTwo", value_two, JT_U64), JFF(S, "op", op, JT_STR, JF_REQUIRED),
};
static T(arg_table, S, arg_fields);
#undef S
#define S struct spec_syscall
static const struct jfield syscall_fields[] = {
	JFF(S, "names", names, JT_STRV, JF_REQUIRED), JFF(S, "action", action, JT_STR, JF_REQUIRED),
	JF(S, "errnoRet", errno_ret, JT_OI64), JFS(S, "args", args, JT_LIST, arg_table),
};
static T(syscall_table, S, syscall_fields);
#undef S
#define S struct spec_seccomp
static const struct jfield seccomp_fields[] = {
	JFF(S, "defaultAction", default_action, JT_STR, JF_REQUIRED), JF(S, "defaultErrnoRet", default_errno, JT_OI64),
	JF(S, "architectures", architectures, JT_STRV), JF(S, "flags", flags, JT_STRV), JF(S, "listenerPath", listener_path, JT_STR),
	JF(S, "listenerMetadata", listener_metadata, JT_STR), JFS(S, "syscalls", syscalls, JT_LIST, syscall_table),
};
T(spec_seccomp_table, S, seccomp_fields);
#undef S

#define S struct spec_intel_rdt
static const struct jfield rdt_fields[] = {
	JF(S, "closID", clos_id, JT_STR), JF(S, "l3CacheSchema", l3, JT_STR), JF(S, "memBwSchema", mem_bw, JT_STR),
	JF(S, "schemata", schemata, JT_STRV), JF(S, "enableMonitoring", monitoring, JT_BOOL),
};
static T(rdt_table, S, rdt_fields);
#undef S
static const struct jfield personality_fields[] = {
	JFF(struct spec_personality, "domain", domain, JT_STR, JF_REQUIRED), JF(struct spec_personality, "flags", flags, JT_STRV),
};
static T(personality_table, struct spec_personality, personality_fields);
static const struct jfield policy_fields[] = {
	JFF(struct spec_memory_policy, "mode", mode, JT_STR, JF_REQUIRED), JF(struct spec_memory_policy, "nodes", nodes, JT_STR),
	JF(struct spec_memory_policy, "flags", flags, JT_STRV),
};
static T(policy_table, struct spec_memory_policy, policy_fields);

#define S struct spec_linux
static const struct jfield linux_fields[] = {
	JFS(S, "namespaces", namespaces, JT_LIST, namespace_table), JFS(S, "uidMappings", uids, JT_LIST, idmap_table),
	JFS(S, "gidMappings", gids, JT_LIST, idmap_table), JFS(S, "devices", devices, JT_LIST, device_table),
	JF(S, "cgroupsPath", cgroups_path, JT_STR), JFS(S, "resources", resources, JT_PTR, spec_resources_table),
	JF(S, "sysctl", sysctl, JT_MAP), JFS(S, "seccomp", seccomp, JT_PTR, spec_seccomp_table),
	JF(S, "rootfsPropagation", rootfs_propagation, JT_STR), JF(S, "maskedPaths", masked_paths, JT_STRV),
	JF(S, "readonlyPaths", readonly_paths, JT_STRV), JF(S, "mountLabel", mount_label, JT_STR),
	JFS(S, "intelRdt", intel_rdt, JT_PTR, rdt_table), JFS(S, "personality", personality, JT_PTR, personality_table),
	JFS(S, "memoryPolicy", memory_policy, JT_PTR, policy_table), JF(S, "timeOffsets", time_offsets, JT_JSON),
	JF(S, "netDevices", net_devices, JT_JSON),
};
static T(linux_table, S, linux_fields);
#undef S

static const struct jfield root_fields[] = {
	JFF(struct spec_root, "path", path, JT_STR, JF_REQUIRED), JF(struct spec_root, "readonly", readonly, JT_BOOL),
};
static T(root_table, struct spec_root, root_fields);

#define S struct spec
static const struct jfield spec_fields[] = {
	JFF(S, "ociVersion", oci_version, JT_STR, JF_REQUIRED), JFS(S, "process", process, JT_PTR, spec_process_table),
	JFS(S, "root", root, JT_PTR, root_table), JF(S, "hostname", hostname, JT_STR), JF(S, "domainname", domainname, JT_STR),
	JFS(S, "mounts", mounts, JT_LIST, mount_table), JFS(S, "hooks", hooks, JT_PTR, hooks_table),
	JF(S, "annotations", annotations, JT_MAP), JFS(S, "linux", linux_, JT_PTR, linux_table),
};
T(spec_table, S, spec_fields);
#undef S

const struct spec_namespace *spec_namespace(const struct spec *s, const char *type)
{
	for (size_t i = 0; s->linux_ && i < s->linux_->namespaces.n; i++)
		if (strcmp(s->linux_->namespaces.v[i].type, type) == 0)
			return &s->linux_->namespaces.v[i];
	return NULL;
}

static int check_namespaces(const struct spec *s, struct err *e)
{
	for (size_t i = 0; i < s->linux_->namespaces.n; i++) {
		const struct spec_namespace *n = &s->linux_->namespaces.v[i];
		size_t k = 0;
		while (namespaces_type(k) && strcmp(namespaces_type(k), n->type) != 0)
			k++;
		if (!namespaces_type(k))
			return err_set(e, ERR_USAGE, "linux.namespaces: unknown type \"%s\"", n->type);
		if (spec_namespace(s, n->type) != n)
			return err_set(e, ERR_USAGE, "linux.namespaces: %s stands twice", n->type);
		if (n->path && *n->path && *n->path != '/')
			return err_set(e, ERR_USAGE, "linux.namespaces: path of %s must be absolute", n->type);
	}
	return 0;
}

int spec_check_process(const struct spec_process *p, struct err *e)
{
	if (!p->cwd || *p->cwd != '/')
		return err_set(e, ERR_USAGE, "process.cwd: must be an absolute path");
	for (size_t i = 0; i < p->rlimits.n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->rlimits.v[i].type, p->rlimits.v[k].type) == 0)
				return err_set(e, ERR_USAGE, "process.rlimits: %s stands twice", p->rlimits.v[i].type);
	return 0;
}

static int check_hooks(const struct spec_hooks *h, struct err *e)
{
	if (!h)
		return 0;
	const struct spec_hook_list *lists[] = {&h->prestart, &h->create_runtime, &h->create_container, &h->start_container,
		&h->poststart, &h->poststop};
	for (size_t i = 0; i < countof(lists); i++)
		for (size_t k = 0; k < lists[i]->n; k++) {
			const struct spec_hook *hook = &lists[i]->v[k];
			if (*hook->path != '/')
				return err_set(e, ERR_USAGE, "hooks: path \"%.200s\" must be absolute", hook->path);
			if (hook->timeout.set && hook->timeout.v <= 0)
				return err_set(e, ERR_USAGE, "hooks: timeout must be greater than zero");
		}
	return 0;
}

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(*words, word) != 0)
		words++;
	return *words;
}

static int check_linux(const struct spec_linux *l, struct err *e)
{
	static const char *const propagations[] = {"shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable", NULL};
	static const char *const types[] = {"c", "b", "u", "p", NULL}, *const rule_types[] = {"a", "c", "b", NULL};
	if (!str_is_empty(l->rootfs_propagation) && !is_one_of(l->rootfs_propagation, propagations))
		return err_set(e, ERR_USAGE, "linux.rootfsPropagation: unknown word \"%.40s\"", l->rootfs_propagation);
	for (size_t i = 0; i < l->devices.n; i++)
		if (!is_one_of(l->devices.v[i].type, types))
			return err_set(e, ERR_USAGE, "linux.devices: type of %.200s must be c, b, u or p", l->devices.v[i].path);
	for (size_t i = 0; l->resources && i < l->resources->devices.n; i++) {
		const struct spec_device_rule *r = &l->resources->devices.v[i];
		if (!str_is_empty(r->type) && !is_one_of(r->type, rule_types))
			return err_set(e, ERR_USAGE, "linux.resources.devices: type must be a, c or b");
		if (r->access && strspn(r->access, "rwm") != strlen(r->access))
			return err_set(e, ERR_USAGE, "linux.resources.devices: access \"%.20s\" must be made of r, w and m", r->access);
	}
	return 0;
}

void spec_settle_resources(struct spec_resources *r)
{
	if (r->pids)
		r->pids_limit = r->pids->limit;
	if (r->cpu) {
		struct spec_cpu *c = r->cpu;
		c->shares.set &= c->shares.v != 0;
		c->quota.set &= c->quota.v != 0;
		c->period.set &= c->period.v != 0;
		c->rt_runtime.set &= c->rt_runtime.v != 0;
		c->rt_period.set &= c->rt_period.v != 0;
	}
	if (r->memory) {
		struct spec_memory *m = r->memory;
		struct opt_i64 *const sizes[] = {&m->limit, &m->reservation, &m->swap, &m->kernel, &m->kernel_tcp};
		for (size_t i = 0; i < countof(sizes); i++)
			sizes[i]->set &= sizes[i]->v != 0;
	}
	if (r->block_io) {
		r->block_io->weight.set &= r->block_io->weight.v != 0;
		r->block_io->leaf_weight.set &= r->block_io->leaf_weight.v != 0;
	}
}

int spec_parse(const struct json *j, struct arena *a, struct spec *ret, struct err *e)
{
	struct spec s = {};
	if (jmap_parse(&spec_table, j, 0, a, &s, "", e) < 0)
		return -1;
	if (!str_has_prefix(s.oci_version, "1."))
		return err_set(e, ERR_UNSUPPORTED, "ociVersion %s: only 1.x is supported", s.oci_version);
	if (!s.linux_)
		s.linux_ = arena_alloc(a, sizeof *s.linux_);
	if (check_namespaces(&s, e) < 0 || (s.process && spec_check_process(s.process, e) < 0) || check_hooks(s.hooks, e) < 0 || check_linux(s.linux_, e) < 0)
		return -1;
	if (s.linux_->resources)
		spec_settle_resources(s.linux_->resources);
	*ret = s;
	return 0;
}

int spec_parse_process(const struct json *j, struct arena *a, struct spec_process *ret, struct err *e)
{
	struct spec_process p = {};
	if (jmap_parse(&spec_process_table, j, 0, a, &p, "", e) < 0)
		return -1;
	*ret = p;
	return 0;
}

struct json *spec_format(const struct spec *s)
{
	/* The limit of processes may have been set without the object that holds it in the document. */
	struct spec copy = *s;
	struct spec_linux l = s->linux_ ? *s->linux_ : (struct spec_linux){};
	struct spec_resources r = l.resources ? *l.resources : (struct spec_resources){};
	struct spec_pids pids = {r.pids_limit};
	r.pids = r.pids_limit.set ? &pids : NULL;
	l.resources = l.resources ? &r : NULL;
	copy.linux_ = s->linux_ ? &l : NULL;
	return jmap_format(&spec_table, &copy);
}
