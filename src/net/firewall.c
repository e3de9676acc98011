/* SPDX-License-Identifier: Apache-2.0 */
/*
 * firewall: the head of firewall.h says what is in the table. Several stores of one machine (two roots, a test beside the real one)
 * share it: each adds and takes out its own elements, and puts back its own when the table was flushed.
 *
 *   bridges, internal    interface names: all; those without a way out
 *   nat4, nat6           bridges whose packets get the host's address outside
 *   same                 a bridge with itself: packets within one network, where br_netfilter shows them to us
 *   self4, self6         the address of who publishes, twice: what it sends to its own published port must seem to come from the host
 *   at4, at6             host address . protocol . port  ->  address . port
 *   any4, any6           protocol . port                 ->  address . port
 */
#include "net/firewall.h"

#include "sys/netns.h"
#include "sys/nft.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char table[] = "hull";
enum { R0 = NFT_REG32_00, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12 };
enum { NAME = 16, IP4 = 7, IP6 = 8, PROTO = 12, SERVICE = 13, IFNAME = 41 };
#define PAIR(a, b)     ((a) << 6 | (b))
#define THREE(a, b, c) ((a) << 12 | (b) << 6 | (c))

static const struct {
	const char *name;
	uint32_t key_type, key_len, data_type, data_len;
} sets[] = {
	{"bridges", IFNAME, NAME, 0, 0}, {"internal", IFNAME, NAME, 0, 0}, {"nat4", IFNAME, NAME, 0, 0}, {"nat6", IFNAME, NAME, 0, 0},
	{"same", PAIR(IFNAME, IFNAME), 2 * NAME, 0, 0}, {"self4", PAIR(IP4, IP4), 8, 0, 0}, {"self6", PAIR(IP6, IP6), 32, 0, 0},
	{"at4", THREE(IP4, PROTO, SERVICE), 12, PAIR(IP4, SERVICE), 8}, {"any4", PAIR(PROTO, SERVICE), 8, PAIR(IP4, SERVICE), 8},
	{"at6", THREE(IP6, PROTO, SERVICE), 24, PAIR(IP6, SERVICE), 20}, {"any6", PAIR(PROTO, SERVICE), 8, PAIR(IP6, SERVICE), 20},
};

static const struct {
	const char *name, *type;
	uint32_t hook;
	int32_t priority;
} chains[] = {
	{"hull-user", NULL, 0, 0}, {"publish4", NULL, 0, 0}, {"publish6", NULL, 0, 0},
	{"guard", "filter", NF_INET_PRE_ROUTING, -300}, {"forward", "filter", NF_INET_FORWARD, 0},
	{"prerouting", "nat", NF_INET_PRE_ROUTING, -100}, {"output", "nat", NF_INET_LOCAL_OUT, -100}, {"postrouting", "nat", NF_INET_POST_ROUTING, 100},
};

static int send_it(void *arg, struct err *e)
{
	return nft_commit(arg, e);
}

static int commit(struct nft *n, struct err *e)
{
	return netns_run_base(send_it, n, e);
}

static void family(struct nft *n, uint8_t f)
{
	nft_meta(n, NFT_META_NFPROTO, R0);
	nft_cmp(n, NFT_CMP_EQ, R0, &f, 1);
}

static void from(struct nft *n, const char *set)
{
	nft_meta(n, NFT_META_IIFNAME, R0);
	nft_lookup(n, set, R0, -1);
}

static void to(struct nft *n, const char *set)
{
	nft_meta(n, NFT_META_OIFNAME, R0);
	nft_lookup(n, set, R0, -1);
}

static void verdict(struct nft *n, int32_t code, const char *chain)
{
	nft_verdict(n, code, chain);
	nft_rule_end(n);
}

static void has_bits(struct nft *n, uint32_t key, uint32_t bits)
{
	static const uint32_t zero;
	nft_ct(n, key, R0);
	nft_mask(n, R0, &bits, sizeof bits);
	nft_cmp(n, NFT_CMP_NEQ, R0, &zero, sizeof zero);
}

/* Is the destination an address of this host. */
static void is_local(struct nft *n)
{
	static const uint32_t local = RTN_LOCAL;
	nft_fib_type(n, R0);
	nft_cmp(n, NFT_CMP_EQ, R0, &local, sizeof local);
}

static void loopback(struct nft *n, uint32_t op, uint32_t offset)
{
	static const uint8_t net[] = {127};
	nft_payload(n, NFT_PAYLOAD_NETWORK_HEADER, offset, 1, R0);
	nft_cmp(n, op, R0, net, 1);
}

static void add_forward(struct nft *n)
{
	nft_rule(n, "forward");
	from(n, "bridges");
	verdict(n, NFT_JUMP, "hull-user");
	nft_rule(n, "forward");
	to(n, "bridges");
	verdict(n, NFT_JUMP, "hull-user");
	nft_rule(n, "forward");
	nft_meta(n, NFT_META_IIFNAME, R0);
	nft_meta(n, NFT_META_OIFNAME, R4);
	nft_lookup(n, "same", R0, -1);
	verdict(n, NF_ACCEPT, NULL);
	nft_rule(n, "forward");
	to(n, "bridges");
	has_bits(n, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	verdict(n, NF_ACCEPT, NULL);
	nft_rule(n, "forward");
	to(n, "internal");
	verdict(n, NF_DROP, NULL);
	nft_rule(n, "forward");
	to(n, "bridges");
	has_bits(n, NFT_CT_STATUS, IPS_DST_NAT);
	verdict(n, NF_ACCEPT, NULL);
	nft_rule(n, "forward");
	to(n, "bridges");
	verdict(n, NF_DROP, NULL);
	nft_rule(n, "forward");
	from(n, "internal");
	verdict(n, NF_DROP, NULL);
}

/* host address . protocol . port, then protocol . port; the address loaded has len bytes, so what follows it moves on. */
static void add_publish(struct nft *n, const char *chain, uint8_t f, const char *at, const char *any)
{
	unsigned words = f == NFPROTO_IPV4 ? 1 : 4, data = R8;
	uint32_t offset = f == NFPROTO_IPV4 ? 16 : 24;
	nft_rule(n, chain);
	family(n, f);
	nft_payload(n, NFT_PAYLOAD_NETWORK_HEADER, offset, words * 4, R0);
	nft_meta(n, NFT_META_L4PROTO, R0 + words);
	nft_payload(n, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R0 + words + 1);
	nft_lookup(n, at, R0, (int)data);
	nft_dnat(n, f, data, data + words);
	nft_rule_end(n);
	nft_rule(n, chain);
	nft_meta(n, NFT_META_L4PROTO, R0);
	nft_payload(n, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, R1);
	nft_lookup(n, any, R0, (int)data);
	nft_dnat(n, f, data, data + words);
	nft_rule_end(n);
}

static void add_nat(struct nft *n)
{
	static const uint8_t one[16] = {[15] = 1};
	nft_rule(n, "prerouting");
	family(n, NFPROTO_IPV4);
	is_local(n);
	/* A neighbour that sends to 127.0.0.1 by way of the wire gets nowhere. */
	loopback(n, NFT_CMP_NEQ, 16);
	verdict(n, NFT_JUMP, "publish4");
	nft_rule(n, "prerouting");
	family(n, NFPROTO_IPV6);
	is_local(n);
	verdict(n, NFT_JUMP, "publish6");
	nft_rule(n, "output");
	family(n, NFPROTO_IPV4);
	is_local(n);
	verdict(n, NFT_JUMP, "publish4");
	nft_rule(n, "output");
	family(n, NFPROTO_IPV6);
	is_local(n);
	/* ::1 cannot be the source of what leaves the host. */
	nft_payload(n, NFT_PAYLOAD_NETWORK_HEADER, 24, 16, R0);
	nft_cmp(n, NFT_CMP_NEQ, R0, one, sizeof one);
	verdict(n, NFT_JUMP, "publish6");
	add_publish(n, "publish4", NFPROTO_IPV4, "at4", "any4");
	add_publish(n, "publish6", NFPROTO_IPV6, "at6", "any6");
}

static void add_postrouting(struct nft *n)
{
	/* From a container to its own published port; where br_netfilter hands it on within the bridge, where it came from is not told. */
	nft_rule(n, "postrouting");
	family(n, NFPROTO_IPV4);
	nft_payload(n, NFT_PAYLOAD_NETWORK_HEADER, 12, 8, R0);
	nft_lookup(n, "self4", R0, -1);
	nft_masquerade(n);
	nft_rule_end(n);
	nft_rule(n, "postrouting");
	family(n, NFPROTO_IPV6);
	nft_payload(n, NFT_PAYLOAD_NETWORK_HEADER, 8, 32, R0);
	nft_lookup(n, "self6", R0, -1);
	nft_masquerade(n);
	nft_rule_end(n);
	/* To another's: the answer must come by way of us. */
	nft_rule(n, "postrouting");
	from(n, "bridges");
	to(n, "bridges");
	has_bits(n, NFT_CT_STATUS, IPS_DST_NAT);
	nft_masquerade(n);
	nft_rule_end(n);
	nft_rule(n, "postrouting");
	from(n, "bridges");
	to(n, "bridges");
	verdict(n, NFT_RETURN, NULL);
	nft_rule(n, "postrouting");
	family(n, NFPROTO_IPV4);
	to(n, "bridges");
	loopback(n, NFT_CMP_EQ, 12);
	nft_masquerade(n);
	nft_rule_end(n);
	nft_rule(n, "postrouting");
	family(n, NFPROTO_IPV4);
	from(n, "nat4");
	nft_masquerade(n);
	nft_rule_end(n);
	nft_rule(n, "postrouting");
	family(n, NFPROTO_IPV6);
	from(n, "nat6");
	nft_masquerade(n);
	nft_rule_end(n);
	/* Each packet that comes to the host meets this one: what hardly any is, is asked first. */
	nft_rule(n, "guard");
	family(n, NFPROTO_IPV4);
	loopback(n, NFT_CMP_EQ, 16);
	from(n, "bridges");
	verdict(n, NF_DROP, NULL);
}

enum { REFERENCES = 8 /* forward */ + 4 + 4 /* nat, publish */ + 7 + 1 /* postrouting, guard */ + 4 /* jumps to publish4 and publish6 */ };

static void element(struct nft *n, bool add, const char *set, const char *bridge)
{
	char key[2 * NAME] = {};
	snprintf(key, NAME, "%s", bridge);
	memcpy(key + NAME, key, NAME);
	nft_element(n, add, set, key, strcmp(set, "same") == 0 ? 2 * NAME : NAME, NULL, 0);
}

static void put_network(struct nft *n, const struct network *w, bool add)
{
	char bridge[16];
	bool nat = !w->internal && network_option_bool(w, "com.docker.network.bridge.enable_ip_masquerade", NULL, true);
	network_device(w, bridge);
	element(n, add, "bridges", bridge);
	element(n, add, "same", bridge);
	if (w->internal)
		element(n, add, "internal", bridge);
	if (nat && w->ipv4)
		element(n, add, "nat4", bridge);
	if (nat && w->ipv6)
		element(n, add, "nat6", bridge);
}

static void put_port(struct nft *n, const struct endpoint *p, const struct port_map *m, uint16_t i, bool add)
{
	static const uint8_t zeros[16];
	size_t len = m->host.len;
	uint8_t key[24] = {}, data[20] = {};
	uint16_t host_port = htons((uint16_t)(m->host_port + i)), port = htons((uint16_t)(m->port + i));
	bool any = memcmp(m->host.b, zeros, len) == 0, six = len == 16;
	size_t at = any ? 0 : len;
	memcpy(key, m->host.b, at);
	key[at] = m->protocol;
	memcpy(key + at + 4, &host_port, 2);
	memcpy(data, p->ip[six].b, len);
	memcpy(data + len, &port, 2);
	nft_element(n, add, any ? six ? "any6" : "any4" : six ? "at6" : "at4", key, at + 8, data, add ? len + 4 : 0);
}

static void put_self(struct nft *n, const struct endpoint *p, bool add)
{
	for (int f = 0; f < 2; f++) {
		uint8_t key[32];
		size_t len = p->ip[f].len;
		memcpy(key, p->ip[f].b, len);
		memcpy(key + len, p->ip[f].b, len);
		if (len)
			nft_element(n, add, f ? "self6" : "self4", key, 2 * len, NULL, 0);
	}
}

static void put_ports(struct nft *n, const struct endpoint *p, bool add)
{
	if (p->ports.n)
		put_self(n, p, add);
	for (size_t k = 0; k < p->ports.n; k++)
		for (uint16_t i = 0; i < p->ports.v[k].count && p->ip[p->ports.v[k].host.len == 16].len; i++)
			put_port(n, p, &p->ports.v[k], i, add);
}

static void put_skeleton(struct nft *n)
{
	nft_add_table(n);
	for (size_t i = 0; i < countof(sets); i++)
		nft_add_set(n, sets[i].name, sets[i].key_type, sets[i].key_len, sets[i].data_type, sets[i].data_len);
	for (size_t i = 0; i < countof(chains); i++) {
		if (chains[i].type)
			nft_add_base_chain(n, chains[i].name, chains[i].type, chains[i].hook, chains[i].priority);
		else
			nft_add_chain(n, chains[i].name);
		if (strcmp(chains[i].name, "hull-user") != 0)
			nft_flush_chain(n, chains[i].name);
	}
	add_forward(n);
	add_nat(n);
	add_postrouting(n);
}

static int put_all(struct nft *n, const struct networks *nets, struct err *e)
{
	own(strv) struct strv names = {};
	own(arena) struct arena a = {};
	if (networks_names(nets, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct network w;
		struct endpoints all;
		struct err gone = {};
		if (networks_find(nets, names.v[i], &a, &w, &gone) < 0 || strcmp(w.driver, "bridge") != 0 || endpoints_read(nets, w.id, &a, &all, &gone) < 0)
			continue;
		put_network(n, &w, true);
		for (size_t k = 0; k < all.n; k++)
			put_ports(n, &all.v[k], true);
	}
	return 0;
}

static int count_rules(void *arg, struct err *e)
{
	return nft_count_rules(NFPROTO_INET, table, arg, e);
}

bool firewall_is_whole(void)
{
	struct err ignored = {};
	unsigned rules;
	return netns_run_base(count_rules, &rules, &ignored) < 0 || rules == REFERENCES;
}

int firewall_ensure(const struct networks *nets, bool force, struct err *e)
{
	own(nft) struct nft n = {};
	unsigned rules;
	if (netns_run_base(count_rules, &rules, e) < 0)
		return err_wrap(e, "firewall");
	if (rules == REFERENCES && !force)
		return 0;
	nft_begin(&n, NFPROTO_INET, table);
	put_skeleton(&n);
	if (put_all(&n, nets, e) < 0)
		return -1;
	return commit(&n, e) < 0 ? err_wrap(e, "firewall") : 0;
}

int firewall_add_network(const struct network *w, struct err *e)
{
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_INET, table);
	put_network(&n, w, true);
	return commit(&n, e) < 0 ? err_wrap(e, "firewall") : 0;
}

int firewall_remove_network(const struct network *w, struct err *e)
{
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_INET, table);
	put_network(&n, w, false);
	return commit(&n, e) < 0 && e->sys != ENOENT ? err_wrap(e, "firewall") : 0;
}

/* One of the elements may be gone already, or there already, from one that was killed: then each by itself. */
static int each_port(const struct endpoint *p, bool add, struct err *e)
{
	own(nft) struct nft self = {};
	struct err gone = {};
	nft_begin(&self, NFPROTO_INET, table);
	put_self(&self, p, add);
	if (commit(&self, &gone) < 0 && gone.sys != ENOENT)
		return *e = gone, -1;
	for (size_t k = 0; k < p->ports.n; k++)
		for (uint16_t i = 0; i < p->ports.v[k].count; i++) {
			struct err why = {};
			own(nft) struct nft n = {};
			nft_begin(&n, NFPROTO_INET, table);
			put_port(&n, p, &p->ports.v[k], i, false);
			if (commit(&n, &why) < 0 && why.sys != ENOENT)
				return *e = why, -1;
			if (!add)
				continue;
			own(nft) struct nft again = {};
			nft_begin(&again, NFPROTO_INET, table);
			put_port(&again, p, &p->ports.v[k], i, true);
			if (commit(&again, e) < 0)
				return -1;
		}
	return 0;
}

int firewall_publish(const struct endpoint *p, struct err *e)
{
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_INET, table);
	put_ports(&n, p, true);
	if (commit(&n, e) == 0)
		return 0;
	if (e->sys == EEXIST || e->sys == EBUSY)
		return each_port(p, true, e);
	return err_wrap(e, "publish ports");
}

int firewall_withdraw(const struct endpoint *p, struct err *e)
{
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_INET, table);
	put_ports(&n, p, false);
	if (commit(&n, e) == 0)
		return 0;
	return e->sys == ENOENT ? each_port(p, false, e) : err_wrap(e, "withdraw ports");
}

int firewall_change(const struct endpoint *before, const struct endpoint *after, struct err *e)
{
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_INET, table);
	put_ports(&n, before, false);
	put_ports(&n, after, true);
	if (!before->ports.n && !after->ports.n)
		return 0;
	if (commit(&n, e) == 0)
		return 0;
	if (e->sys != ENOENT && e->sys != EEXIST && e->sys != EBUSY)
		return err_wrap(e, "publish ports");
	return firewall_withdraw(before, e) < 0 ? -1 : firewall_publish(after, e);
}

struct foreign { const char *device; char *ret; size_t n; bool found; };

/* firewalld's policy is to accept: its last rule rejects what no zone has taken, and an interface that it was not told of is in one that
 * takes nothing. Who names the bridge in a table has thought of it. */
static void look(void *arg, const struct nft_chain_info *c)
{
	static const char *const families[] = {[NFPROTO_INET] = "inet", [NFPROTO_IPV4] = "ip", [NFPROTO_IPV6] = "ip6"};
	struct foreign *f = arg;
	if (f->found || c->hook != NF_INET_FORWARD || c->family > NFPROTO_IPV6 || !families[c->family])
		return;
	bool firewalld = strcmp(c->table, "firewalld") == 0;
	if ((!firewalld && c->policy != NF_DROP) || nft_names_interface(c->family, c->table, f->device))
		return;
	f->found = true;
	if (firewalld)
		snprintf(f->ret, f->n, "firewalld rejects what containers send: firewall-cmd --permanent --zone=trusted --add-interface=%s, then "
			"firewall-cmd --reload", f->device);
	else
		snprintf(f->ret, f->n, "the chain %s %.60s %.60s drops what it does not know, containers' packets too: accept those of the interface %s "
			"there", families[c->family], c->table, c->name, f->device);
}

static int look_at_all(void *arg, struct err *e)
{
	return nft_chains(look, arg, e);
}

bool firewall_foreign(const char *device, char *ret, size_t n)
{
	struct foreign f = {device, ret, n, false};
	struct err ignored = {};
	return netns_run_base(look_at_all, &f, &ignored) == 0 && f.found;
}
