/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_create: a pod's options are those of run's that are not of one container alone, and some of its own.
 */
#include "cli/pod.h"

#include "base/fd.h"
#include "base/num.h"
#include "engine/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct pod_options {
	struct run_options run; /* first: its table's offsets hold */
	struct strv share;
	char *share_parent, *exit_policy, *pod_id_file, *infra, *infra_command, *infra_image, *infra_name, *infra_pidfile;
};
#define P(m) offset_of(struct pod_options, m)
static const struct opt own_options[] = {
	{"exit-policy", 0, OPT_STR, P(exit_policy), "POLICY", "When the last container has ended: continue, stop (continue)", 0, "continue stop"},
	{"infra", 0, OPT_OPTSTR, P(infra), "BOOL", "false: share nothing; there is no infra container in any case", 0, "true false", NULL, "true"},
	{"infra-command", 0, OPT_STR, P(infra_command), "COMMAND", "Has no effect", OPT_HIDDEN},
	{"infra-conmon-pidfile", 0, OPT_STR, P(infra_pidfile), "FILE", "Has no effect", OPT_HIDDEN},
	{"infra-image", 0, OPT_STR, P(infra_image), "IMAGE", "Has no effect", OPT_HIDDEN},
	{"infra-name", 0, OPT_STR, P(infra_name), "NAME", "Has no effect", OPT_HIDDEN},
	{"pod-id-file", 0, OPT_STR, P(pod_id_file), "FILE", "Write the pod's id to a new file", 0, "@file"},
	{"share", 0, OPT_STRV, P(share), "LIST", "What its containers share: cgroup, ipc, net, pid, uts, none; +pid adds (ipc,net,uts)", 0, "net ipc uts pid cgroup none"},
	{"share-parent", 0, OPT_OPTSTR, P(share_parent), "BOOL", "Has no effect: the pod's cgroup is the parent of its containers'", OPT_HIDDEN, NULL, NULL, "true"},
};
#undef P
static const char *const of_run[] = {"add-host", "blkio-weight", "blkio-weight-device", "cgroup-parent", "cpu-period", "cpu-quota", "cpu-shares", "cpus",
	"cpuset-cpus", "cpuset-mems", "device", "device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops", "dns", "dns-option",
	"dns-search", "domainname", "gidmap", "hostname", "ip", "ip6", "label", "label-file", "link-local-ip", "mac-address", "memory",
	"memory-reservation", "memory-swap", "memory-swappiness", "mount", "name", "network", "network-alias", "pids-limit", "publish", "replace",
	"restart", "security-opt", "shm-size", "sysctl", "tmpfs", "uidmap", "userns", "volume"};
static struct opt options[countof(of_run) + countof(own_options)];

/* Both lists are sorted, and so is what comes of them. */
void pod_create_fill(void)
{
	size_t n = 0, k = 0;
	for (size_t i = 0; i < RUN_OPTIONS; i++)
		for (size_t w = 0; w < countof(of_run); w++) {
			if (strcmp(run_options[i].name, of_run[w]) != 0)
				continue;
			while (k < countof(own_options) && strcmp(own_options[k].name, of_run[w]) < 0)
				options[n++] = own_options[k++];
			options[n] = run_options[i];
			if (strcmp(of_run[w], "name") == 0)
				options[n].help = "Name of the pod (a made-up one)";
			else if (strcmp(of_run[w], "hostname") == 0)
				options[n].help = "Host name (the pod's name)";
			else if (strcmp(of_run[w], "replace") == 0)
				options[n].help = "Remove the pod that has the name, with its containers, first";
			else if (strcmp(of_run[w], "restart") == 0)
				options[n].help = "When its containers come back that say nothing else: no, on-failure[:n], always, unless-stopped (no)";
			n++;
		}
	while (k < countof(own_options))
		options[n++] = own_options[k++];
	cmd_pod_create.nopts = n;
}

/* "net,ipc", "+pid", "none", "" */
static int share(const struct pod_options *o, struct run_request *r, struct err *e)
{
	bool has = true;
	bool none = o->infra && num_bool(o->infra, &has, "--infra", e) == 0 && !has;
	struct strv *to = &r->host.share;
	if (o->infra && !none && !has)
		return -1;
	bool adds = !o->share.n || str_has_prefix(o->share.v[0], "+");
	for (size_t i = 0; adds && !none && i < 3; i++)
		arena_strv_add(&r->arena, to, (const char *const[]){"ipc", "net", "uts"}[i]);
	for (size_t i = 0; i < o->share.n; i++) {
		own(strv) struct strv words = {};
		strv_split(&words, o->share.v[i], ',');
		for (size_t k = 0; k < words.n; k++) {
			const char *word = words.v[k] + (words.v[k][0] == '+');
			if (*word && strcmp(word, "none") != 0 && !strv_has(to, word))
				arena_strv_add(&r->arena, to, word);
		}
	}
	return 0;
}

static int make_request(const struct pod_options *o, struct run_request *r, struct err *e)
{
	struct err bad = {};
	bool ignored;
	*r = (struct run_request){};
	r->create = (struct create_request){.name = o->run.name, .config = &r->config, .host = &r->host, .arena = &r->arena};
	r->config.hostname = o->run.hostname;
	r->config.domainname = o->run.domainname;
	r->host.exit_policy = o->exit_policy;
	if (o->infra && num_bool(o->infra, &ignored, "--infra", &bad) < 0)
		return *e = bad, -1;
	if (o->run.name && !container_name_is_valid(o->run.name))
		return err_set(e, ERR_USAGE, "invalid --name \"%.80s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at least two", o->run.name);
	return env_labels(&o->run.label_file, &o->run.label, &r->arena, &r->config.labels, e) < 0 || share(o, r, e) < 0 ||
		run_request_limits(&o->run, r, e) < 0 || run_request_devices(&o->run, r, e) < 0 || run_request_mounts(&o->run, r, e) < 0 ||
		run_request_namespaces(&o->run, r, e) < 0 || run_request_network(&o->run, r, e) < 0 || run_request_supervision(&o->run, r, e) < 0 ||
		run_request_security(&o->run, r, e) < 0 ? -1 : 0;
}

/* --replace: the one of that name, not one whose id only begins so. */
static int remove_old(struct engine *g, const char *name, struct err *e)
{
	own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
	struct err gone = {};
	char id[65];
	if (pod_get(g, name, 0, &pod, &gone) < 0)
		return gone.kind == ERR_NOT_FOUND ? 0 : (*e = gone, -1);
	if (!str_eq(pod.state.name, name))
		return 0;
	memcpy(id, pod.id, sizeof id);
	container_entry_drop(&pod);
	pod = (struct container_entry){.dir = -1, .lock = -1};
	if (pod_delete(g, id, true, &gone) < 0 && gone.kind != ERR_NOT_FOUND)
		return *e = gone, err_wrap(e, "--replace");
	return 0;
}

static int create(void *opts, int argc, char **argv, struct err *e)
{
	struct pod_options *o = opts;
	struct run_request r __attribute__((cleanup(run_request_drop))) = {};
	struct err ignored = {};
	char id[65];
	if (argc && o->run.name)
		return err_set(e, ERR_USAGE, "the name was given twice: --name %.60s and %.60s", o->run.name, argv[0]);
	if (argc)
		o->run.name = mem_dup(argv[0]);
	struct engine *g = cli_engine(e);
	if (!g || make_request(o, &r, e) < 0)
		return -1;
	own(fd) int file = o->pod_id_file ? open(o->pod_id_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
	if (o->pod_id_file && file < 0)
		return err_sys(e, "--pod-id-file %.200s", o->pod_id_file);
	int result = o->run.replace ? remove_old(g, o->run.name, e) : 0;
	if (result == 0)
		result = pod_new(g, &r.create, id, e);
	if (result == 0 && file >= 0 && fd_write_all(file, id, 64) < 0) {
		result = err_sys(e, "--pod-id-file %.200s", o->pod_id_file);
		(void)!pod_delete(g, id, true, &ignored);
	}
	if (result < 0 && file >= 0)
		unlink(o->pod_id_file);
	return result < 0 ? -1 : cli_printf(e, "%s\n", id);
}

int pod_create_for(struct engine *g, struct run_request *r, const char *name, struct err *e)
{
	struct container_config config = {.hostname = r->config.hostname, .domainname = r->config.domainname};
	struct host_config *from = &r->host, host = {.network_mode = from->network_mode, .networks = from->networks, .ports = from->ports,
		.dns = from->dns, .dns_options = from->dns_options, .dns_search = from->dns_search, .extra_hosts = from->extra_hosts,
		.userns_mode = from->userns_mode, .shm_size = from->shm_size};
	struct create_request q = {.name = *name ? name : NULL, .config = &config, .host = &host, .uid_map = r->create.uid_map, .gid_map = r->create.gid_map,
		.arena = &r->arena};
	char id[65];
	if (*name && !container_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid --pod \"new:%.80s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at least two", name);
	static const char *const shared[] = {"ipc", "net", "uts"};
	for (size_t i = 0; i < countof(shared); i++)
		arena_strv_add(&r->arena, &host.share, shared[i]);
	if (pod_new(g, &q, id, e) < 0)
		return -1;
	from->pod = arena_dup(&r->arena, id);
	from->network_mode = from->userns_mode = r->config.hostname = r->config.domainname = NULL;
	from->networks.n = from->ports.n = 0;
	from->dns = from->dns_options = from->dns_search = from->extra_hosts = (struct strv){};
	r->create.uid_map = r->create.gid_map = NULL;
	return 0;
}

struct cmd cmd_pod_create = {"create", "[NAME]", "Make a pod: containers that share an address, ports, names and limits", options, 0,
	sizeof(struct pod_options), 0, 1, create,
	.about = "The containers of a pod (run --pod, create --pod) share the namespaces of --share, the pod's control group with its limits, its mounts, "
		 "and its published ports. It has no container of its own: while it runs a small process outside of it holds its namespaces and "
		 "answers its names. It runs from the first start of a container on, until `pod stop`, or with --exit-policy stop until its last "
		 "container has ended.",
	.examples = "$ hull pod create --name app -p 8080:80 --memory 512M\n$ hull run -d --pod app --name web nginx\n"
		    "$ hull run --rm --pod app box wget -qO- http://localhost/\n$ hull pod rm -f app"};
