/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_kube: [Kube], a file of Kubernetes as a service. Its pods have no process of the service's own, so it is one that was done
 * and stays, as a pod's is.
 */
#include "cli/quadlet.h"

static int add_propagation(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *how = quadlet_get(c, k->name);
	return !how || strcmp(how, "none") == 0 ? 0 : quadlet_bad(c, quadlet_line(c, k->name), e, "%s", k->text);
}

const struct quadlet_key quadlet_kube_keys[] = {
	{"Yaml", NULL, NULL, NULL},
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"SetWorkingDirectory", NULL, NULL, NULL},
	{"KubeDownForce", NULL, NULL, NULL},
	{"AutoUpdate", add_update, "--annotation", "io.containers.autoupdate="},
	{"ExitCodePropagation", add_propagation, NULL, "the service has started its pods and does not see their ends: only none is known"},
	{"ConfigMap", add_env_files, "--configmap", NULL},
	{"LogDriver", add_last, "--log-driver", NULL},
	{"LogOpt", add_each, "--log-opt", NULL},
	{"Network", add_networks, "--network", NULL},
	{"PublishPort", add_each, "--publish", NULL},
	{"UserNS", add_last, "--userns", NULL},
	{"RemapUsers", add_remap, "--userns", NULL},
	{"RemapUid", NULL, NULL, NULL},
	{"RemapGid", NULL, NULL, NULL},
	{"RemapUidSize", NULL, NULL, NULL},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
};
const size_t quadlet_kube_nkeys = countof(quadlet_kube_keys);

/* SetWorkingDirectory= is "yaml" or "unit". */
static int working_directory(struct quadlet_call *c, const char *yaml, struct err *e)
{
	const char *said = quadlet_get(c, "SetWorkingDirectory");
	if (!said || unitfile_value(&c->u->out, "Service", "WorkingDirectory"))
		return 0;
	bool of_yaml = strcasecmp(said, "yaml") == 0;
	if (!of_yaml && strcasecmp(said, "unit") != 0)
		return quadlet_bad(c, quadlet_line(c, "SetWorkingDirectory"), e, "\"%.60s\" is neither yaml nor unit", said);
	const char *file = of_yaml ? yaml : quadlet_path(c, c->u->path), *slash = strrchr(file, '/');
	unitfile_add(&c->u->out, "Service", "WorkingDirectory", slash ? arena_ndup(&c->q->arena, file, (size_t)(slash - file)) : ".");
	return 0;
}

int quadlet_kube(struct quadlet_call *c, struct err *e)
{
	const struct unitfile_line *l = unitfile_last(&c->u->file, "Service", "Type");
	const char *yaml = quadlet_get(c, "Yaml");
	bool force = false;
	if (str_is_empty(yaml))
		return quadlet_bad(c, NULL, e, "Yaml= is missing in [Kube]");
	if (l && strcmp(l->value, "oneshot") != 0)
		return quadlet_bad(c, l, e, "the service of pods is of the type oneshot: they have no process of its own");
	yaml = quadlet_path(c, yaml);
	if (working_directory(c, yaml, e) < 0 || quadlet_get_bool(c, "KubeDownForce", &force, e) < 0 || quadlet_begin(c, "kube play", e) < 0)
		return -1;
	quadlet_word(c, "--replace");
	if (quadlet_keys(c, e) < 0)
		return -1;
	quadlet_word(c, yaml);
	quadlet_exec(c, "ExecStart", "");
	if (quadlet_command(c, "ExecStopPost", "", e, "kube down", force ? "--force" : yaml, force ? yaml : NULL, NULL) < 0)
		return -1;
	quadlet_oneshot(c);
	return 0;
}
