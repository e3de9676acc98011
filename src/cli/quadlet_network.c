/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_network: [Network] and [Volume]: made when something needs them, and kept.
 */
#include "cli/quadlet.h"

/* A bridge's name, or the interface of the machine that a macvlan is on. */
static int add_interface(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *name = quadlet_get(c, k->name), *driver = quadlet_get(c, "Driver");
	own(mem) char *text = name ? mem_printf("%s=%s", !driver || strcmp(driver, "bridge") == 0 ? "com.docker.network.bridge.name" : "parent", name) : NULL;
	return text ? quadlet_option(c, quadlet_line(c, k->name), k->option, text, e) : 0;
}

static int add_ipam(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *name = quadlet_get(c, k->name);
	return name && strcmp(name, "host-local") != 0 ? quadlet_bad(c, quadlet_line(c, k->name), e, "hull gives addresses itself (host-local)") : 0;
}

static size_t count(const struct quadlet_call *c, const char *key)
{
	size_t n = 0;
	for (size_t at = 0; unitfile_next(&c->u->file, "Network", key, &at);)
		n++;
	return n;
}

/* The first gateway and range belong to the first subnet, and so on. */
static int add_subnets(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	static const struct { const char *key, *option; } rows[] = {{"Gateway", "--gateway"}, {"IPRange", "--ip-range"}};
	size_t subnets = count(c, k->name), at = 0, of[countof(rows)] = {};
	for (size_t i = 0; i < countof(rows); i++)
		if (count(c, rows[i].key) > subnets)
			return quadlet_bad(c, quadlet_line(c, rows[i].key), e, "there is no Subnet= for it");
	for (const struct unitfile_line *l; (l = unitfile_next(&c->u->file, "Network", k->name, &at));) {
		if (quadlet_option(c, l, k->option, l->value, e) < 0)
			return -1;
		for (size_t i = 0; i < countof(rows); i++) {
			const struct unitfile_line *with = unitfile_next(&c->u->file, "Network", rows[i].key, &of[i]);
			if (with && quadlet_option(c, with, rows[i].option, with->value, e) < 0)
				return -1;
		}
	}
	return 0;
}

const struct quadlet_key quadlet_network_keys[] = {
	{"NetworkName", NULL, NULL, NULL},
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"NetworkDeleteOnStop", NULL, NULL, NULL},
	{"DisableDNS", add_bool, "--disable-dns", NULL},
	{"Internal", add_bool, "--internal", NULL},
	{"IPv6", add_bool, "--ipv6", NULL},
	{"Driver", add_last, "--driver", NULL},
	{"IPAMDriver", add_ipam, NULL, NULL},
	{"InterfaceName", add_interface, "--opt", NULL},
	{"DNS", add_each, "--dns", NULL},
	{"Subnet", add_subnets, "--subnet", NULL},
	{"Gateway", NULL, NULL, NULL},
	{"IPRange", NULL, NULL, NULL},
	{"Options", add_pairs, "--opt", NULL},
	{"Label", add_pairs, "--label", NULL},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
};
const size_t quadlet_network_nkeys = countof(quadlet_network_keys);

int quadlet_network(struct quadlet_call *c, struct err *e)
{
	const char *name = c->u->resource;
	bool remove = false;
	if (quadlet_get_bool(c, "NetworkDeleteOnStop", &remove, e) < 0 || quadlet_begin(c, "network create", e) < 0)
		return -1;
	quadlet_word(c, "--ignore");
	if (quadlet_keys(c, e) < 0)
		return -1;
	quadlet_word(c, name);
	quadlet_exec(c, "ExecStart", "");
	quadlet_oneshot(c);
	return remove ? quadlet_command(c, "ExecStopPost", "", e, "network rm", name, NULL) : 0;
}

/* What is mounted in the volume's place: device=, type= and o=, with the owner among the options. */
static int add_device(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	static const struct { const char *key, *before; } options[] = {{"User", "uid="}, {"Group", "gid="}, {"Options", ""}};
	const char *device = quadlet_get(c, k->name), *type = quadlet_get(c, "Type");
	own(buf) struct buf b = {}, quoted = {};
	for (size_t i = 0; i < countof(options); i++) {
		const char *value = quadlet_get(c, options[i].key);
		if (value && !device)
			return quadlet_bad(c, quadlet_line(c, options[i].key), e, "there is no Device=: a volume of hull's own is a plain directory");
		if (value)
			buf_printf(&b, "%s%s%s", b.len ? "," : "o=", options[i].before, value);
	}
	if (!device)
		return type ? quadlet_bad(c, quadlet_line(c, "Type"), e, "there is no Device=") : 0;
	own(mem) char *of_device = mem_printf("device=%s", device), *of_type = type ? mem_printf("type=%s", type) : NULL;
	unitfile_quote(device, &quoted);
	if (str_eq(type, "bind"))
		unitfile_add(&c->u->out, "Unit", "RequiresMountsFor", buf_text(&quoted));
	if (quadlet_option(c, quadlet_line(c, k->name), k->option, of_device, e) < 0 || (of_type && quadlet_option(c, NULL, k->option, of_type, e) < 0))
		return -1;
	return b.len ? quadlet_option(c, NULL, k->option, buf_text(&b), e) : 0;
}

/* hull copies what the image has there, unless the mount says nocopy. */
static int add_copy(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	bool yes = true;
	if (!quadlet_get(c, k->name) || quadlet_get_bool(c, k->name, &yes, e) < 0)
		return quadlet_get(c, k->name) ? -1 : 0;
	return yes ? 0 : quadlet_bad(c, quadlet_line(c, k->name), e, "say it where the volume is mounted: Volume=%s:/PATH:nocopy", c->u->name);
}

const struct quadlet_key quadlet_volume_keys[] = {
	{"VolumeName", NULL, NULL, NULL},
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"UID", add_last, "--uid", NULL},
	{"GID", add_last, "--gid", NULL},
	{"Driver", NULL, NULL, NULL},
	{"Image", add_missing, NULL, "hull makes no volumes of images"},
	{"User", NULL, NULL, NULL},
	{"Group", NULL, NULL, NULL},
	{"Copy", add_copy, NULL, NULL},
	{"Device", add_device, "--opt", NULL},
	{"Type", NULL, NULL, NULL},
	{"Options", NULL, NULL, NULL},
	{"Label", add_pairs, "--label", NULL},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
};
const size_t quadlet_volume_nkeys = countof(quadlet_volume_keys);

int quadlet_volume(struct quadlet_call *c, struct err *e)
{
	const char *driver = quadlet_get(c, "Driver");
	if (driver && strcmp(driver, "local") != 0)
		return quadlet_bad(c, quadlet_line(c, "Driver"), e, "hull has the driver local only");
	/* One that is there already is no error, as with docker. */
	if (quadlet_begin(c, "volume create", e) < 0 || quadlet_keys(c, e) < 0)
		return -1;
	quadlet_word(c, c->u->resource);
	quadlet_exec(c, "ExecStart", "");
	quadlet_oneshot(c);
	return 0;
}
