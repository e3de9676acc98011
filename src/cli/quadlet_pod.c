/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_pod: [Pod], and the ids of a user namespace, which pods and containers have. A pod has no process of its own, so its service is
 * one that was done and stays: its containers are bound to it and start with it.
 */
#include "cli/quadlet.h"

#include "base/num.h"

static int remap_words(struct quadlet_call *c, const char *key, struct strv *ret, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, key, &at));) {
		struct err why = {};
		if (unitfile_words(l->value, false, ret, &why) < 0)
			return quadlet_bad(c, l, e, "%s", why.text);
	}
	return 0;
}

static void mode_options(struct buf *b, const char *name, const struct strv *words)
{
	for (size_t i = 0; i < words->n; i++)
		buf_printf(b, "%s%s=%s", strchr(buf_text(b), ':') ? "," : ":", name, words->v[i]);
}

static int remap_manual(struct quadlet_call *c, const struct strv *uids, const struct strv *gids, struct err *e)
{
	for (size_t i = 0; i < uids->n; i++)
		if (quadlet_option(c, quadlet_line(c, "RemapUid"), "--uidmap", uids->v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < gids->n; i++)
		if (quadlet_option(c, quadlet_line(c, "RemapGid"), "--gidmap", gids->v[i], e) < 0)
			return -1;
	return 0;
}

/* podman's old keys: RemapUsers=manual, auto or keep-id, with RemapUid=, RemapGid= and RemapUidSize=. */
int add_remap(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	static const char *const newer[] = {"UserNS", "UIDMap", "GIDMap", "SubUIDMap", "SubGIDMap"};
	const char *how = quadlet_get(c, k->name), *size = quadlet_get(c, "RemapUidSize");
	own(strv) struct strv uids = {}, gids = {};
	own(buf) struct buf b = {};
	if (remap_words(c, "RemapUid", &uids, e) < 0 || remap_words(c, "RemapGid", &gids, e) < 0)
		return -1;
	const struct unitfile_line *l = how ? quadlet_line(c, k->name) : quadlet_line(c, uids.n ? "RemapUid" : "RemapGid");
	if (!how)
		return uids.n || gids.n ? quadlet_bad(c, l, e, "there is no RemapUsers=") : 0;
	for (size_t i = 0; i < countof(newer); i++)
		if (quadlet_get(c, newer[i]))
			return quadlet_bad(c, l, e, "it excludes %s=", newer[i]);
	if (strcmp(how, "manual") == 0)
		return remap_manual(c, &uids, &gids, e);
	bool keep = strcmp(how, "keep-id") == 0;
	if (!keep && strcmp(how, "auto") != 0)
		return quadlet_bad(c, l, e, "\"%.60s\" is none of manual, auto and keep-id", how);
	if (keep && (uids.n > 1 || gids.n > 1))
		return quadlet_bad(c, l, e, "keep-id has one user and one group");
	buf_str(&b, how);
	mode_options(&b, keep ? "uid" : "uidmapping", &uids);
	mode_options(&b, keep ? "gid" : "gidmapping", &gids);
	if (!keep && size)
		mode_options(&b, "size", &(struct strv){(char *[]){(char *)(uintptr_t)size}, 1});
	return quadlet_option(c, l, k->option, buf_text(&b), e);
}

const struct quadlet_key quadlet_pod_keys[] = {
	{"PodName", NULL, NULL, NULL},
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"StopTimeout", NULL, NULL, NULL},
	{"ExitPolicy", add_last, "--exit-policy", NULL},
	{"UserNS", add_last, "--userns", NULL},
	{"UIDMap", add_words, "--uidmap", NULL},
	{"GIDMap", add_words, "--gidmap", NULL},
	{"SubUIDMap", add_last, "--subuidname", NULL},
	{"SubGIDMap", add_last, "--subgidname", NULL},
	{"RemapUsers", add_remap, "--userns", NULL},
	{"RemapUid", NULL, NULL, NULL},
	{"RemapGid", NULL, NULL, NULL},
	{"RemapUidSize", NULL, NULL, NULL},
	{"PublishPort", add_each, "--publish", NULL},
	{"Label", add_pairs, "--label", NULL},
	{"Network", add_networks, "--network", NULL},
	{"NetworkAlias", add_each, "--network-alias", NULL},
	{"IP", add_last, "--ip", NULL},
	{"IP6", add_last, "--ip6", NULL},
	{"ShmSize", add_last, "--shm-size", NULL},
	{"DNS", add_each, "--dns", NULL},
	{"DNSOption", add_each, "--dns-option", NULL},
	{"DNSSearch", add_each, "--dns-search", NULL},
	{"AddHost", add_each, "--add-host", NULL},
	{"HostName", add_last, "--hostname", NULL},
	{"Volume", add_volumes, "--volume", NULL},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
};
const size_t quadlet_pod_nkeys = countof(quadlet_pod_keys);

int quadlet_pod(struct quadlet_call *c, struct err *e)
{
	const struct unitfile_line *l = unitfile_last(&c->u->file, "Service", "Type");
	const char *name = c->u->resource, *timeout = quadlet_get(c, "StopTimeout");
	if (l && strcmp(l->value, "oneshot") != 0)
		return quadlet_bad(c, l, e, "a pod's service is of the type oneshot: it has no process of its own");
	if (quadlet_begin(c, "pod create", e) < 0)
		return -1;
	quadlet_word(c, "--replace");
	quadlet_word(c, "--name");
	quadlet_word(c, name);
	if (quadlet_keys(c, e) < 0)
		return -1;
	quadlet_exec(c, "ExecStartPre", "");
	own(mem) char *time = mem_printf("--time=%s", timeout ? timeout : "10");
	if (quadlet_command(c, "ExecStart", "", e, "pod start", name, NULL) < 0 ||
		quadlet_command(c, "ExecStop", "", e, "pod stop", "--ignore", time, name, NULL) < 0 ||
		quadlet_command(c, "ExecStopPost", "", e, "pod rm", "--ignore", "--force", name, NULL) < 0)
		return -1;
	quadlet_oneshot(c);
	unitfile_preset(&c->u->out, "Service", "Restart", "on-failure");
	return 0;
}
