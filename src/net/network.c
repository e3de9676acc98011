/* SPDX-License-Identifier: Apache-2.0 */
#include "net/network.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "net/cni.h"
#include "net/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_MAX_ = 200, RECORD_MAX = 1 << 20 };

#define S struct ipam
static const struct jfield ipam_fields[] = {
	JF(S, "Subnet", subnet, JT_STR), JF(S, "IPRange", range, JT_STR), JF(S, "Gateway", gateway, JT_STR),
	JF(S, "AuxiliaryAddresses", aux, JT_MAP),
};
#undef S
const struct jtable network_ipam_table = JTABLE(struct ipam, ipam_fields);

#define S struct network
static const struct jfield network_fields[] = {
	JFF(S, "Name", name, JT_STR, JF_REQUIRED), JFF(S, "Id", id, JT_STR, JF_REQUIRED), JFF(S, "Created", created, JT_STR, JF_ALWAYS),
	JFF(S, "Driver", driver, JT_STR, JF_REQUIRED), JFF(S, "EnableIPv4", ipv4, JT_BOOL, JF_ALWAYS), JFF(S, "EnableIPv6", ipv6, JT_BOOL, JF_ALWAYS),
	JFF(S, "Internal", internal, JT_BOOL, JF_ALWAYS), JFF(S, "Attachable", attachable, JT_BOOL, JF_ALWAYS),
	JFSF(S, "IPAM", ipam, JT_LIST, network_ipam_table, JF_ALWAYS), JFF(S, "Options", options, JT_MAP, JF_ALWAYS),
	JFF(S, "Labels", labels, JT_MAP, JF_ALWAYS),
};
#undef S
const struct jtable network_table = JTABLE(struct network, network_fields);

void networks_drop(struct networks *n)
{
	fd_drop(&n->root);
	fd_drop(&n->run);
}

int networks_open(struct networks *n, int root, int run, struct err *e)
{
	if (path_mkdirs(root, "networks", 0700, e) < 0 || path_mkdirs(run, "networks", 0700, e) < 0)
		return -1;
	n->root = path_open_dir(root, "networks", e);
	n->run = n->root < 0 ? -1 : path_open_dir(run, "networks", e);
	if (n->run < 0)
		networks_drop(n);
	return n->run < 0 ? -1 : 0;
}

bool network_name_is_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = strlen(name);
	if (!n || n > NAME_MAX_ || !strchr(first, *name))
		return false;
	for (const char *p = name; *p; p++)
		if (!strchr(first, *p) && !strchr("_.-", *p))
			return false;
	return true;
}

bool network_is_builtin(const char *name)
{
	return str_eq(name, "bridge") || str_eq(name, "host") || str_eq(name, "none");
}

int networks_lock(const struct networks *n, bool exclusive, struct err *e)
{
	return path_lock(n->root, "lock", exclusive, true, e);
}

static int load(const struct networks *n, const char *name, struct arena *a, struct network *ret, struct err *e)
{
	own(mem) char *file = mem_printf("%s.json", name);
	own(json) struct json *j = NULL;
	if (json_read(n->root, file, RECORD_MAX, &j, e) < 0)
		return -1;
	*ret = (struct network){};
	return jmap_parse(&network_table, j, 0, a, ret, file, e);
}

int networks_names(const struct networks *n, struct strv *ret, struct err *e)
{
	own(strv) struct strv all = {};
	if (path_list(n->root, ".", &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		if (!str_has_suffix(all.v[i], ".json"))
			continue;
		own(mem) char *name = mem_ndup(all.v[i], strlen(all.v[i]) - 5);
		if (network_name_is_valid(name))
			strv_add(ret, name);
	}
	strv_sort(ret);
	return 0;
}

static int find_id(const struct networks *n, const char *text, struct arena *a, struct network *ret, struct err *e)
{
	own(strv) struct strv names = {};
	struct network found = {};
	if (networks_names(n, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct network w;
		struct err gone = {};
		if (load(n, names.v[i], a, &w, &gone) < 0 || !str_has_prefix(w.id, text))
			continue;
		if (found.id)
			return err_set(e, ERR_USAGE, "network id %.64s is not unique: give more of its digits", text);
		found = w;
	}
	if (!found.id)
		return err_set(e, ERR_NOT_FOUND, "network %.200s not found", text);
	*ret = found;
	return 0;
}

int networks_find(const struct networks *n, const char *text, struct arena *a, struct network *ret, struct err *e)
{
	struct err why = {};
	if (!network_name_is_valid(text))
		return err_set(e, ERR_NOT_FOUND, "network %.200s not found", text);
	if (load(n, text, a, ret, &why) == 0)
		return 0;
	if (why.sys != ENOENT) {
		*e = why;
		return err_wrap(e, "network %.200s", text);
	}
	if (num_is_hex(text, strlen(text)))
		return find_id(n, text, a, ret, e);
	return err_set(e, ERR_NOT_FOUND, "network %.200s not found", text);
}

const char *network_option(const struct network *w, const char *docker, const char *shorter)
{
	const char *v = map_get(&w->options, docker);
	return v || !shorter ? v : map_get(&w->options, shorter);
}

bool network_option_bool(const struct network *w, const char *docker, const char *shorter, bool preset)
{
	const char *v = network_option(w, docker, shorter);
	return !v ? preset : str_eq(v, "true") || str_eq(v, "1");
}

int network_mtu(const struct network *w)
{
	struct err ignored = {};
	uint64_t mtu = 0;
	const char *v = network_option(w, "com.docker.network.driver.mtu", "mtu");
	if (v && num_u64(v, 65535, &mtu, "mtu", &ignored) < 0)
		mtu = 0;
	return (int)mtu;
}

void network_device(const struct network *w, char ret[16])
{
	const char *v = network_option(w, "com.docker.network.bridge.name", "parent");
	if (v)
		snprintf(ret, 16, "%.15s", v);
	else
		snprintf(ret, 16, "hl-%.12s", w->id);
}

bool network_range(const struct network *w, uint8_t len, struct network_range *ret)
{
	struct err ignored = {};
	for (size_t i = 0; i < w->ipam.n; i++) {
		const struct ipam *p = &w->ipam.v[i];
		struct network_range r = {.aux = &p->aux};
		if (str_is_empty(p->subnet) || subnet_parse(p->subnet, false, &r.subnet, "subnet", &ignored) < 0 || r.subnet.base.len != len)
			continue;
		r.range = r.subnet;
		if (!str_is_empty(p->range) && subnet_parse(p->range, false, &r.range, "range", &ignored) < 0)
			r.range = r.subnet;
		if (!str_is_empty(p->gateway))
			addr_parse(p->gateway, &r.gateway);
		*ret = r;
		return true;
	}
	return false;
}

static const struct {
	const char *key, *drivers;
	enum { ANY, DEVICE, FLAG, ALWAYS, NUMBER, ADDRESS, WORD } kind;
	const char *words; /* of a WORD's */
} options[] = {
	{"com.docker.network.bridge.name", "bridge", DEVICE},
	{"com.docker.network.bridge.enable_icc", "bridge", FLAG},
	{"com.docker.network.bridge.enable_ip_masquerade", "bridge", FLAG},
	{"com.docker.network.bridge.host_binding_ipv4", "bridge", ADDRESS},
	{"com.docker.network.bridge.default_bridge", "bridge", FLAG},
	{"com.docker.network.bridge.inhibit_ipv4", "bridge", FLAG},
	{"com.docker.network.driver.mtu", "bridge macvlan ipvlan", NUMBER},
	{"mtu", "bridge macvlan ipvlan", NUMBER},
	{"isolate", "bridge", ALWAYS},
	{"publish", "bridge", WORD, "nat proxy"},
	{"com.docker.network.container_iface_prefix", "bridge macvlan ipvlan", DEVICE},
	{"parent", "macvlan ipvlan", DEVICE},
	{"macvlan_mode", "macvlan", WORD, "bridge private vepa passthru"},
	{"ipvlan_mode", "ipvlan", WORD, "l2 l3 l3s"},
	{"mode", "macvlan", WORD, "bridge private vepa passthru"},
	{"mode", "ipvlan", WORD, "l2 l3 l3s"},
	{"ipvlan_flag", "ipvlan", WORD, "bridge private vepa"},
	{"conflist", "cni", ANY},
};

static bool device_is_valid(const char *s)
{
	return *s && strlen(s) < 16 && !strpbrk(s, "/ \t\n:%") && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static bool is_one_of(const char *words, const char *word)
{
	own(strv) struct strv v = {};
	strv_split(&v, words, ' ');
	return strv_has(&v, word);
}

static int check_option(const char *driver, const char *key, const char *value, struct err *e)
{
	struct addr a;
	uint64_t n;
	size_t i = 0;
	while (i < countof(options) && (strcmp(options[i].key, key) != 0 || !is_one_of(options[i].drivers, driver)))
		i++;
	if (i == countof(options))
		return err_set(e, ERR_USAGE, "unknown option \"%.100s\" of the driver %s", key, driver);
	bool good = true;
	switch (options[i].kind) {
	case ANY: break;
	case DEVICE: good = device_is_valid(value); break;
	case FLAG: good = str_eq(value, "true") || str_eq(value, "false") || str_eq(value, "1") || str_eq(value, "0"); break;
	case ALWAYS:
		if (str_eq(value, "false") || str_eq(value, "0"))
			return err_set(e, ERR_USAGE, "networks are always kept apart: isolate=%s is not possible", value);
		good = str_eq(value, "true") || str_eq(value, "1") || str_eq(value, "strict");
		break;
	case NUMBER:
		if (num_u64(value, 65535, &n, "mtu", e) < 0)
			return -1;
		good = n == 0 || n >= 68;
		break;
	case ADDRESS: good = addr_parse(value, &a); break;
	case WORD:
		if (!is_one_of(options[i].words, value))
			return err_set(e, ERR_USAGE, "invalid value \"%.100s\" of the option %s: it is one of %s", value, key, options[i].words);
		break;
	}
	return good ? 0 : err_set(e, ERR_USAGE, "invalid value \"%.100s\" of the option %s", value, key);
}

/* Addresses are the plugins' business. */
static int check_cni(const struct network *w, struct err *e)
{
	const char *list = network_option(w, "conflist", NULL);
	if (w->ipam.n || w->ipv6 || w->internal)
		return err_set(e, ERR_USAGE, "with the driver cni, the list of plugins says subnets, IPv6 and the way out");
	return list ? cni_check_list(list, e) : err_set(e, ERR_USAGE, "the driver cni needs -o conflist=FILE");
}

static int check(const struct network *w, struct err *e)
{
	static const char *const drivers[] = {"bridge", "macvlan", "ipvlan", "cni"};
	bool known = false;
	if (!network_name_is_valid(w->name))
		return err_set(e, ERR_USAGE, "invalid network name \"%.200s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at most %d", w->name, NAME_MAX_);
	if (str_eq(w->name, "default") || str_eq(w->name, "container") || str_eq(w->name, "host") || str_eq(w->name, "none") || str_eq(w->name, "ns"))
		return err_set(e, ERR_CONFLICT, "operation is not permitted on the predefined network %s", w->name);
	for (size_t i = 0; i < countof(drivers); i++)
		known |= strcmp(drivers[i], w->driver) == 0;
	if (strcmp(w->driver, "host") == 0 || strcmp(w->driver, "null") == 0 || strcmp(w->driver, "none") == 0)
		return err_set(e, ERR_CONFLICT, "only one network of the driver %s is allowed: it is there, under the name %s", w->driver,
			*w->driver == 'h' ? "host" : "none");
	if (!known)
		return err_set(e, ERR_USAGE, "unknown network driver \"%.60s\": bridge, macvlan, ipvlan and cni are known", w->driver);
	for (size_t i = 0; i < w->options.n; i++)
		if (check_option(w->driver, w->options.v[i].key, w->options.v[i].value, e) < 0)
			return -1;
	if (strstr(w->driver, "vlan") && !network_option(w, "parent", NULL))
		return err_set(e, ERR_USAGE, "the driver %s needs -o parent=INTERFACE, one of the machine's", w->driver);
	if (!w->ipv4 && !w->ipv6)
		return err_set(e, ERR_USAGE, "IPv4 or IPv6 must be enabled");
	return cni_is(w) ? check_cni(w, e) : 0;
}

static int write_network(const struct networks *n, const struct network *w, struct err *e)
{
	own(json) struct json *j = jmap_format(&network_table, w);
	own(buf) struct buf b = BUF(RECORD_MAX);
	own(mem) char *file = mem_printf("%s.json", w->name);
	json_format(j, 0, &b);
	if (buf_check(&b, e) < 0)
		return err_wrap(e, "network %s", w->name);
	if (path_write(n->root, file, buf_text(&b), b.len, 0600, PATH_SYNC | PATH_NEW, e) < 0)
		return e->sys == EEXIST ? err_set(e, ERR_EXISTS, "network with name %s already exists", w->name) : err_wrap(e, "network %s", w->name);
	return 0;
}

int networks_create(const struct networks *n, struct arena *a, struct network *w, struct err *e)
{
	own(strv) struct strv names = {};
	own(pool) struct pool taken = {};
	char id[ID_LEN + 1], now[NUM_TEXT];
	if (check(w, e) < 0 || networks_names(n, &names, e) < 0)
		return -1;
	if (strv_has(&names, w->name))
		return err_set(e, ERR_EXISTS, "network with name %s already exists", w->name);
	for (size_t i = 0; i < names.n; i++) {
		struct network other;
		struct network_range r;
		struct err gone = {};
		char mine[16], theirs[16];
		if (load(n, names.v[i], a, &other, &gone) < 0)
			continue;
		for (uint8_t len = 4; len <= 16; len += 12)
			if (network_range(&other, len, &r))
				pool_take(&taken, &r.subnet, other.name);
		network_device(&other, theirs);
		const char *name = network_option(w, "com.docker.network.bridge.name", NULL);
		if (name && snprintf(mine, sizeof mine, "%.15s", name) && str_eq(mine, theirs))
			return err_set(e, ERR_CONFLICT, "the bridge %s belongs to network %s", mine, other.name);
	}
	num_random_id(id);
	w->id = arena_dup(a, id);
	w->created = arena_dup(a, num_format_time(num_now_ns(), now));
	return !cni_is(w) && pool_fill(&taken, a, w, e) < 0 ? -1 : write_network(n, w, e);
}

int networks_remove(const struct networks *n, const struct network *w, struct err *e)
{
	own(mem) char *file = mem_printf("%s.json", w->name);
	if (unlinkat(n->root, file, 0) < 0 && errno != ENOENT)
		return err_sys(e, "network %s", w->name);
	if (unlinkat(n->run, w->id, 0) < 0 && errno != ENOENT)
		return err_sys(e, "network %s", w->name);
	return 0;
}
