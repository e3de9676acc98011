/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_pod: a pod becomes `pod create` with what all its containers share, its volumes, its init containers one after another, then
 * the others. What was made goes again when a step fails.
 */
#include "cli/kube.h"

#include <stdio.h>
#include <string.h>

#define NETWORK "kube" /* where nothing is said: pods find each other there by their names */

static const char known[] = "containers initContainers volumes restartPolicy hostname hostAliases hostNetwork hostPID hostIPC shareProcessNamespace "
	"dnsConfig securityContext terminationGracePeriodSeconds -subdomain -dnsPolicy -nodeName -nodeSelector -affinity -tolerations -serviceAccount "
	"-serviceAccountName -automountServiceAccountToken -priority -priorityClassName -schedulerName -enableServiceLinks -imagePullSecrets "
	"-preemptionPolicy -topologySpreadConstraints -readinessGates -setHostnameAsFQDN -os -hostUsers";

static const struct { const char *kube, *hull; } restarts[] = {{"Always", "always"}, {"OnFailure", "on-failure"}, {"Never", "no"}};

static int restart_policy(struct kube_pod *p, const char *usual, struct err *e)
{
	const char *text;
	if (kube_str(&p->spec, "restartPolicy", &text, e) < 0)
		return -1;
	text = text ? text : usual;
	for (size_t i = 0; i < countof(restarts); i++)
		if (strcmp(text, restarts[i].kube) == 0)
			p->restart = restarts[i].hull;
	return p->restart ? 0 : kube_bad(p->spec, e, "restartPolicy is \"%.60s\": Always, OnFailure and Never are known", text);
}

static int aliases(struct kube_pod *p, struct strv *args, struct err *e)
{
	struct kube_node list, entry;
	if (kube_array(&p->spec, "hostAliases", &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++) {
		struct strv names = {};
		const char *ip;
		if (kube_at(&list, i, &entry, e) < 0 || kube_need_str(&entry, "ip", &ip, e) < 0 || kube_strings(&entry, "hostnames", &names, e) < 0)
			return -1;
		kube_check(&entry, "ip hostnames");
		for (size_t n = 0; n < names.n; n++)
			kube_option(p->k, args, "--add-host", arena_printf(&p->k->arena, "%s:%s", names.v[n], ip));
	}
	return 0;
}

static int dns(struct kube_pod *p, struct strv *args, struct err *e)
{
	static const struct { const char *field, *option; } lists[] = {{"nameservers", "--dns"}, {"searches", "--dns-search"}};
	struct kube_node config, options, entry;
	if (kube_object(&p->spec, "dnsConfig", &config, e) < 0 || kube_array(&config, "options", &options, e) < 0)
		return -1;
	kube_check(&config, "nameservers searches options");
	for (size_t i = 0; i < countof(lists); i++) {
		struct strv words = {};
		if (kube_strings(&config, lists[i].field, &words, e) < 0)
			return -1;
		for (size_t w = 0; w < words.n; w++)
			kube_option(p->k, args, lists[i].option, words.v[w]);
	}
	for (size_t i = 0; i < json_len(options.j); i++) {
		const char *name, *value;
		if (kube_at(&options, i, &entry, e) < 0 || kube_need_str(&entry, "name", &name, e) < 0 || kube_str(&entry, "value", &value, e) < 0)
			return -1;
		kube_option(p->k, args, "--dns-option", value ? arena_printf(&p->k->arena, "%s:%s", name, value) : name);
	}
	return 0;
}

static int sysctls(struct kube_pod *p, struct strv *args, struct err *e)
{
	struct kube_node list, entry;
	if (kube_array(&p->security, "sysctls", &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++) {
		const char *name, *value;
		if (kube_at(&list, i, &entry, e) < 0 || kube_need_str(&entry, "name", &name, e) < 0 || kube_need_str(&entry, "value", &value, e) < 0)
			return -1;
		kube_option(p->k, args, "--sysctl", arena_printf(&p->k->arena, "%s=%s", name, value));
	}
	return 0;
}

/* The network of its own when nobody says another: made once, and left for the next. */
static void network(struct kube_pod *p, bool host, struct strv *args)
{
	const struct kube_options *o = p->k->o;
	if (host)
		kube_option(p->k, args, "--network", "host");
	for (size_t i = 0; !host && i < o->networks.n; i++)
		kube_option(p->k, args, "--network", o->networks.v[i]);
	if (!host && !o->networks.n)
		kube_option(p->k, args, "--network", NETWORK);
	for (size_t i = 0; !host && i < o->ips.n; i++)
		kube_option(p->k, args, strchr(o->ips.v[i], ':') ? "--ip6" : "--ip", o->ips.v[i]);
	if (!host && o->mac)
		kube_option(p->k, args, "--mac-address", o->mac);
}

static int namespaces(struct kube_pod *p, struct strv *args, struct err *e)
{
	bool net, ipc, shared;
	if (kube_bool(&p->spec, "hostNetwork", &net, e) < 0 || kube_bool(&p->spec, "hostIPC", &ipc, e) < 0 ||
		kube_bool(&p->spec, "shareProcessNamespace", &shared, e) < 0)
		return -1;
	const char *share = ipc ? shared ? "net,uts,pid" : "net,uts" : shared ? "+pid" : NULL;
	if (share)
		kube_option(p->k, args, "--share", share);
	network(p, net, args);
	for (size_t i = 0; !net && i < p->ports.n; i++)
		kube_option(p->k, args, "--publish", p->ports.v[i]);
	for (size_t i = 0; !net && i < p->k->o->publish.n; i++)
		kube_option(p->k, args, "--publish", p->k->o->publish.v[i]);
	if (p->k->o->userns)
		kube_option(p->k, args, "--userns", p->k->o->userns);
	return 0;
}

static int create(struct kube_pod *p, struct err *e)
{
	struct kube *k = p->k;
	const char *hostname;
	if (k->o->networks.n == 0)
		kube_step(k, "network", "create", "--ignore", NETWORK, NULL)->quiet = "its name";
	struct kube_step *s = kube_step(k, "pod", "create", NULL);
	struct strv args = s->args;
	s->title = "Pod";
	kube_option(k, &args, "--name", p->name);
	kube_option(k, &args, "--exit-policy", "stop");
	kube_option(k, &args, "--restart", p->restart);
	if (kube_str(&p->spec, "hostname", &hostname, e) < 0)
		return -1;
	if (hostname)
		kube_option(k, &args, "--hostname", hostname);
	if (kube_pairs(&p->meta, "labels", "--label", &args, e) < 0 ||
		namespaces(p, &args, e) < 0 || aliases(p, &args, e) < 0 || dns(p, &args, e) < 0 || sysctls(p, &args, e) < 0)
		return -1;
	s->args = args;
	for (const char *const *w = (const char *const[]){"pod", "rm", "--force", "--", p->name, NULL}; *w; w++)
		kube_word(k, &s->undo, *w);
	return 0;
}

/* An init container with restartPolicy: Always goes on beside the others: it is made as they are, and does not hold them up. */
static int containers(struct kube_pod *p, const struct kube_node *list, bool init, struct err *e)
{
	struct kube_node c;
	for (size_t i = 0; i < json_len(list->j); i++) {
		const char *restart;
		if (kube_at(list, i, &c, e) < 0 || kube_str(&c, "restartPolicy", &restart, e) < 0)
			return -1;
		if (init && restart && strcmp(restart, "Always") != 0)
			return kube_bad(c, e, "restartPolicy is \"%.60s\": Always is known", restart);
		if (kube_container(p, &c, init && !restart, e) < 0)
			return -1;
	}
	return 0;
}

int kube_pod(struct kube *k, const char *name, const struct kube_node *meta, const struct kube_node *spec, const char *restart, struct err *e)
{
	struct kube_pod p = {.k = k, .name = name, .meta = *meta, .spec = *spec};
	static const char *const lists[] = {"initContainers", "containers"};
	struct kube_node list[2], c;
	if (!spec->j)
		return kube_bad(*spec, e, "it is missing");
	kube_check(spec, known);
	if (kube_object(spec, "securityContext", &p.security, e) < 0 || restart_policy(&p, restart, e) < 0)
		return -1;
	kube_check(&p.security, "runAsUser runAsGroup runAsNonRoot supplementalGroups sysctls seccompProfile seLinuxOptions -fsGroup -fsGroupChangePolicy");
	for (int i = 0; i < 2; i++)
		if (kube_array(spec, lists[i], &list[i], e) < 0)
			return -1;
	if (!json_len(list[1].j))
		return kube_bad(*spec, e, "containers is missing");
	for (size_t i = 0; i < json_len(list[1].j); i++)
		if (kube_at(&list[1], i, &c, e) < 0 || kube_container_ports(&p, &c, e) < 0)
			return -1;
	if (create(&p, e) < 0 || kube_volumes(&p, e) < 0)
		return -1;
	if (containers(&p, &list[0], true, e) < 0 || containers(&p, &list[1], false, e) < 0)
		return -1;
	if (!k->o->start || strcmp(k->o->start, "false") != 0)
		kube_step(k, "pod", "start", "--", name, NULL)->quiet = "its id";
	return 0;
}

int kube_pod_down(struct kube *k, const char *name, const struct kube_node *spec, struct err *e)
{
	struct kube_step *s = kube_step(k, "pod", "stop", "--ignore", "--", name, NULL);
	s->title = "Pods stopped";
	s->only_pod = name;
	s = kube_step(k, "pod", "rm", "--ignore", "--force", "--", name, NULL);
	s->title = "Pods removed";
	s->only_pod = name;
	return kube_volumes_down(k, name, spec, e);
}
