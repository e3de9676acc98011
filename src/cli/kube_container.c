/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_container: a container becomes `create`, an init container `run`. What it says of its rights counts before what its pod says.
 */
#include "cli/kube.h"

#include <stdio.h>
#include <string.h>

static const char known[] = "name image command args workingDir ports env envFrom resources volumeMounts volumeDevices livenessProbe readinessProbe "
	"startupProbe imagePullPolicy securityContext stdin tty -stdinOnce -terminationMessagePath -terminationMessagePolicy -resizePolicy -restartPolicy";

static const struct { const char *kube, *hull; } policies[] = {{"Always", "always"}, {"IfNotPresent", "missing"}, {"Never", "never"}};

int kube_container_ports(struct kube_pod *p, const struct kube_node *c, struct err *e)
{
	struct kube_node list, port;
	if (kube_array(c, "ports", &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++) {
		struct opt_num inside, outside;
		const char *ip, *protocol;
		if (kube_at(&list, i, &port, e) < 0 || kube_int(&port, "containerPort", 1, 65535, &inside, e) < 0 ||
			kube_int(&port, "hostPort", 0, 65535, &outside, e) < 0 || kube_str(&port, "hostIP", &ip, e) < 0 || kube_str(&port, "protocol",
				&protocol, e) < 0)
			return -1;
		kube_check(&port, "containerPort hostPort hostIP protocol name");
		protocol = protocol ? protocol : "TCP";
		if (!inside.set)
			return kube_bad(port, e, "containerPort is missing");
		if (!str_eq(protocol, "TCP") && !str_eq(protocol, "UDP") && !str_eq(protocol, "SCTP"))
			return kube_bad(port, e, "protocol is \"%.40s\": TCP, UDP and SCTP are known", protocol);
		if (!outside.v && !p->k->o->publish_all)
			continue;
		own(mem) char *lower = mem_dup(protocol);
		bool v6 = ip && strchr(ip, ':');
		arena_strv_add(&p->k->arena, &p->ports, arena_printf(&p->k->arena, "%s%s%s%s%lld:%lld/%s", v6 ? "[" : "", ip ? ip : "", v6 ? "]" : "", ip ?
			":" : "",
			(long long)(outside.v ? outside.v : inside.v), (long long)inside.v, str_lower(lower)));
	}
	return 0;
}

static int user(struct kube_pod *p, const struct kube_node *own, struct strv *args, struct err *e)
{
	const struct kube_node *const from[] = {&p->security, own};
	struct opt_num uid = {}, gid = {}, n;
	bool not_root = false;
	for (size_t i = 0; i < countof(from); i++) {
		bool says = json_get(from[i]->j, "runAsNonRoot");
		bool yes;
		if (kube_int(from[i], "runAsUser", 0, UINT32_MAX - 1, &n, e) < 0)
			return -1;
		uid = n.set ? n : uid;
		if (kube_int(from[i], "runAsGroup", 0, UINT32_MAX - 1, &n, e) < 0 || kube_bool(from[i], "runAsNonRoot", &yes, e) < 0)
			return -1;
		gid = n.set ? n : gid;
		not_root = says ? yes : not_root;
	}
	if (not_root && (!uid.set || uid.v == 0))
		return kube_bad(*own, e, "runAsNonRoot is true: runAsUser has to say whom, and not 0");
	if (gid.set && !uid.set)
		kube_option(p->k, args, "--user-group", arena_printf(&p->k->arena, "%lld", (long long)gid.v));
	else if (uid.set && gid.set)
		kube_option(p->k, args, "--user", arena_printf(&p->k->arena, "%lld:%lld", (long long)uid.v, (long long)gid.v));
	else if (uid.set)
		kube_option(p->k, args, "--user", arena_printf(&p->k->arena, "%lld", (long long)uid.v));
	struct kube_node list;
	if (kube_array(&p->security, "supplementalGroups", &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++) {
		if (json_kind(json_at(list.j, i)) != JSON_INT)
			return kube_bad(list, e, "[%zu] has to be a number", i);
		kube_option(p->k, args, "--group-add", arena_printf(&p->k->arena, "%lld", (long long)json_i64(json_at(list.j, i))));
	}
	return 0;
}

static int capabilities(struct kube *k, const struct kube_node *security, struct strv *args, struct err *e)
{
	static const struct { const char *field, *option; } lists[] = {{"add", "--cap-add"}, {"drop", "--cap-drop"}};
	struct kube_node caps;
	if (kube_object(security, "capabilities", &caps, e) < 0)
		return -1;
	kube_check(&caps, "add drop");
	for (size_t i = 0; i < countof(lists); i++) {
		struct strv names = {};
		if (kube_strings(&caps, lists[i].field, &names, e) < 0)
			return -1;
		for (size_t n = 0; n < names.n; n++)
			kube_option(k, args, lists[i].option, names.v[n]);
	}
	return 0;
}

static int selinux(struct kube *k, const struct kube_node *security, struct strv *args, struct err *e)
{
	static const char *const parts[] = {"user", "role", "type", "level"};
	struct kube_node options;
	if (kube_object(security, "seLinuxOptions", &options, e) < 0)
		return -1;
	kube_check(&options, "user role type level");
	for (size_t i = 0; i < countof(parts); i++) {
		const char *value;
		if (kube_str(&options, parts[i], &value, e) < 0)
			return -1;
		if (!str_is_empty(value))
			kube_option(k, args, "--security-opt", arena_printf(&k->arena, "label=%s:%s", parts[i], value));
	}
	return 0;
}

static int seccomp(struct kube *k, const struct kube_node *security, struct strv *args, struct err *e)
{
	struct kube_node profile;
	const char *type, *path;
	if (kube_object(security, "seccompProfile", &profile, e) < 0)
		return -1;
	if (!profile.j)
		return 0;
	kube_check(&profile, "type localhostProfile");
	if (kube_need_str(&profile, "type", &type, e) < 0 || kube_str(&profile, "localhostProfile", &path, e) < 0)
		return -1;
	if (str_eq(type, "RuntimeDefault"))
		return 0;
	if (str_eq(type, "Unconfined")) {
		kube_option(k, args, "--security-opt", "seccomp=unconfined");
		return 0;
	}
	if (!str_eq(type, "Localhost") || str_is_empty(path))
		return kube_bad(profile, e, "type is \"%.40s\": RuntimeDefault, Unconfined and Localhost with localhostProfile are known", type);
	kube_option(k, args, "--security-opt", arena_printf(&k->arena, "seccomp=%s/%s", k->o->seccomp_root ? k->o->seccomp_root : "/var/lib/kubelet/seccomp",
		path));
	return 0;
}

static int security(struct kube_pod *p, const struct kube_node *c, struct strv *args, struct err *e)
{
	struct kube *k = p->k;
	struct kube_node s;
	bool privileged, read_only, escalates;
	const char *proc;
	if (kube_object(c, "securityContext", &s, e) < 0 || user(p, &s, args, e) < 0)
		return -1;
	kube_check(&s, "runAsUser runAsGroup runAsNonRoot privileged readOnlyRootFilesystem allowPrivilegeEscalation capabilities seLinuxOptions "
		"seccompProfile procMount");
	if (kube_bool(&s, "privileged", &privileged, e) < 0 || kube_bool(&s, "readOnlyRootFilesystem", &read_only, e) < 0 ||
		kube_bool(&s, "allowPrivilegeEscalation", &escalates, e) < 0 || kube_str(&s, "procMount", &proc, e) < 0)
		return -1;
	if (privileged)
		kube_word(k, args, "--privileged");
	if (read_only)
		kube_word(k, args, "--read-only");
	if (!escalates && json_get(s.j, "allowPrivilegeEscalation"))
		kube_option(k, args, "--security-opt", "no-new-privileges");
	if (str_eq(proc, "Unmasked"))
		kube_option(k, args, "--security-opt", "systempaths=unconfined");
	const struct kube_node *labels = json_get(s.j, "seLinuxOptions") ? &s : &p->security, *filter = json_get(s.j, "seccompProfile") ? &s : &p->security;
	return capabilities(k, &s, args, e) < 0 || selinux(k, labels, args, e) < 0 || seccomp(k, filter, args, e) < 0 ? -1 : 0;
}

static int resources(struct kube *k, const struct kube_node *c, struct strv *args, struct err *e)
{
	struct kube_node r, limits, requests;
	struct opt_num cpu, memory, share, kept;
	if (kube_object(c, "resources", &r, e) < 0 || kube_object(&r, "limits", &limits, e) < 0 || kube_object(&r, "requests", &requests, e) < 0 ||
		kube_quantity(&limits, "cpu", &cpu, e) < 0 || kube_quantity(&limits, "memory", &memory, e) < 0 || kube_quantity(&requests, "cpu", &share,
			e) < 0 ||
		kube_quantity(&requests, "memory", &kept, e) < 0)
		return -1;
	kube_check(&limits, "cpu memory");
	kube_check(&requests, "cpu memory");
	if (cpu.set)
		kube_option(k, args, "--cpus", arena_printf(&k->arena, "%lld.%03lld", (long long)(cpu.v / 1000), (long long)(cpu.v % 1000)));
	if (memory.set)
		kube_option(k, args, "--memory", arena_printf(&k->arena, "%lld", (long long)((memory.v + 999) / 1000)));
	/* As kubelet does it: 1024 shares for a processor, 2 at least, 262144 at most. */
	int64_t shares = share.v > 256000 ? 262144 : share.v * 1024 / 1000;
	if (share.set)
		kube_option(k, args, "--cpu-shares", arena_printf(&k->arena, "%lld", (long long)(shares < 2 ? 2 : shares)));
	if (kept.set)
		kube_option(k, args, "--memory-reservation", arena_printf(&k->arena, "%lld", (long long)((kept.v + 999) / 1000)));
	return 0;
}

static int annotations(struct kube_pod *p, struct strv *args, struct err *e)
{
	if (kube_pairs(&p->meta, "annotations", "--annotation", args, e) < 0)
		return -1;
	for (size_t i = 0; i < p->k->o->annotations.n; i++)
		kube_option(p->k, args, "--annotation", p->k->o->annotations.v[i]);
	return 0;
}

static int variables(struct kube_pod *p, const struct kube_env *env, struct strv *args)
{
	for (size_t i = 0; i < env->n; i++) {
		const struct kube_variable *v = &env->v[i];
		if (v->secret)
			kube_option(p->k, args, "--secret", arena_printf(&p->k->arena, "%s,type=env,target=%s", v->secret, v->name));
		else
			kube_option(p->k, args, "--env", arena_printf(&p->k->arena, "%s=%s", v->name, v->value));
	}
	return 0;
}

/* What is not of its words: terminal, names, how it is kept. */
static int manner(struct kube_pod *p, const struct kube_node *c, bool init, struct strv *args, struct err *e)
{
	struct kube *k = p->k;
	bool input, tty, host_pid, host_ipc;
	const char *dir, *policy;
	struct opt_num grace;
	size_t i = 0;
	if (kube_bool(c, "stdin", &input, e) < 0 || kube_bool(c, "tty", &tty, e) < 0 || kube_str(c, "workingDir", &dir, e) < 0 ||
		kube_str(c, "imagePullPolicy", &policy, e) < 0 || kube_bool(&p->spec, "hostPID", &host_pid, e) < 0 || kube_bool(&p->spec, "hostIPC",
			&host_ipc, e) < 0 ||
		kube_int(&p->spec, "terminationGracePeriodSeconds", 0, INT32_MAX, &grace, e) < 0)
		return -1;
	while (policy && i < countof(policies) && strcmp(policy, policies[i].kube) != 0)
		i++;
	if (policy && i == countof(policies))
		return kube_bad(*c, e, "imagePullPolicy is \"%.40s\": Always, IfNotPresent and Never are known", policy);
	if (policy)
		kube_option(k, args, "--pull", policies[i].hull);
	if (k->o->quiet)
		kube_word(k, args, "--quiet");
	if (input && !init)
		kube_word(k, args, "--interactive");
	if (tty)
		kube_word(k, args, "--tty");
	if (!str_is_empty(dir))
		kube_option(k, args, "--workdir", dir);
	if (grace.set)
		kube_option(k, args, "--stop-timeout", arena_printf(&k->arena, "%lld", (long long)grace.v));
	if (host_pid)
		kube_option(k, args, "--pid", "host");
	if (host_ipc)
		kube_option(k, args, "--ipc", "host");
	if (k->o->log_driver)
		kube_option(k, args, "--log-driver", k->o->log_driver);
	for (i = 0; i < k->o->log_opts.n; i++)
		kube_option(k, args, "--log-opt", k->o->log_opts.v[i]);
	return annotations(p, args, e);
}

int kube_container(struct kube_pod *p, const struct kube_node *c, bool init, struct err *e)
{
	struct kube *k = p->k;
	const char *name, *image;
	struct strv command = {}, words = {}, args = {};
	struct kube_env env = {};
	kube_check(c, known);
	if (kube_name(c, "name", &name, e) < 0 || kube_need_str(c, "image", &image, e) < 0 || kube_strings(c, "command", &command, e) < 0 ||
		kube_strings(c, "args", &words, e) < 0 || kube_env(p, c, &env, e) < 0)
		return -1;
	kube_option(k, &args, "--pod", p->name);
	kube_option(k, &args, "--name", arena_printf(&k->arena, "%s-%s", p->name, name));
	if (init) {
		kube_word(k, &args, "--rm");
		kube_option(k, &args, "--restart", "no");
	}
	if (manner(p, c, init, &args, e) < 0 || security(p, c, &args, e) < 0 || resources(k, c, &args, e) < 0 || variables(p, &env, &args) < 0 ||
		kube_volume_mounts(p, c, &env, &args, e) < 0 || (!init && kube_probe(p, c, &args, e) < 0))
		return -1;
	size_t ncommand = command.n;
	for (size_t i = 0; i < words.n; i++)
		kube_word(k, &command, words.v[i]);
	for (size_t i = 0; i < command.n; i++)
		if (!(command.v[i] = (char *)(uintptr_t)kube_expand(c, &env, command.v[i], e)))
			return -1;
	if (ncommand)
		kube_option(k, &args, "--entrypoint", command.v[0]);
	kube_word(k, &args, "--");
	kube_word(k, &args, image);
	for (size_t i = ncommand ? 1 : 0; i < command.n; i++)
		kube_word(k, &args, command.v[i]);
	struct kube_step *s = kube_step(k, init ? "run" : "create", NULL);
	s->title = init ? NULL : json_len(json_get(p->spec.j, "containers")) > 1 ? "Containers" : "Container";
	for (size_t i = 0; i < args.n; i++)
		kube_word(k, &s->args, args.v[i]);
	return 0;
}
