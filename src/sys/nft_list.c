/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nft_list: what is in the packet filter, as far as hull wants to know: chains, how often each is referred to, and their policies; what
 * rules say about interfaces.
 */
#include "sys/nft.h"

#include "base/fd.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t be32(const struct nlattr *a)
{
	return ntohl(netlink_u32(a));
}

/* Chains or rules of one table, or of all with an empty name. */
static int dump(int what, uint8_t family, const char *table, struct buf *ret, struct err *e)
{
	own(netlink) struct netlink n = {.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)};
	if (n.fd < 0 && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT))
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no nf_tables");
	if (n.fd < 0)
		return err_sys(e, "netfilter socket");
	struct netlink_request r;
	struct nfgenmsg g = {.nfgen_family = family, .version = NFNETLINK_V0};
	netlink_begin(&r, NFNL_SUBSYS_NFTABLES << 8 | what, NLM_F_DUMP, &g, sizeof g);
	if (*table)
		netlink_add_str(&r, NFTA_CHAIN_TABLE /* a rule's too */, table);
	if (netlink_call(&n, &r, ret, e) == 0)
		return 0;
	if (e->sys == EOPNOTSUPP || e->sys == EINVAL)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no nf_tables");
	return -1;
}

int nft_count_rules(uint8_t family, const char *table, unsigned *ret, struct err *e)
{
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct netlink_answer m;
	size_t at = 0;
	*ret = 0;
	if (dump(NFT_MSG_GETCHAIN, family, table, &answers, e) < 0)
		return e->sys == ENOENT ? 0 : -1;
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[NFTA_CHAIN_USERDATA + 1];
		const struct nfgenmsg *g = netlink_parse(&m, sizeof *g, a, countof(a));
		/* Kernels before 4.20 do not look at the name. */
		if (g && g->nfgen_family == family && netlink_str(a[NFTA_CHAIN_TABLE]) && strcmp(netlink_str(a[NFTA_CHAIN_TABLE]), table) == 0 &&
			netlink_str(a[NFTA_CHAIN_NAME]) && strcmp(netlink_str(a[NFTA_CHAIN_NAME]), "hull-user") != 0)
			*ret += be32(a[NFTA_CHAIN_USE]);
	}
	return 0;
}

int nft_chains(void (*each)(void *arg, const struct nft_chain_info *c), void *arg, struct err *e)
{
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct netlink_answer m;
	size_t at = 0;
	if (dump(NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, "", &answers, e) < 0)
		return -1;
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[NFTA_CHAIN_USERDATA + 1], *hook[NFTA_HOOK_DEV + 1];
		const struct nfgenmsg *g = netlink_parse(&m, sizeof *g, a, countof(a));
		const char *bytes = g ? netlink_bytes(a[NFTA_CHAIN_HOOK], NLA_HDRLEN) : NULL;
		struct netlink_answer inner = {0, bytes, bytes ? a[NFTA_CHAIN_HOOK]->nla_len - NLA_HDRLEN : 0};
		if (!bytes || !netlink_parse(&inner, 0, hook, countof(hook)))
			continue;
		const struct nft_chain_info c = {.table = netlink_str(a[NFTA_CHAIN_TABLE]), .name = netlink_str(a[NFTA_CHAIN_NAME]), .family = g->nfgen_family,
			.hook = be32(hook[NFTA_HOOK_HOOKNUM]), .policy = a[NFTA_CHAIN_POLICY] ? be32(a[NFTA_CHAIN_POLICY]) : NF_ACCEPT};
		if (c.table && c.name)
			each(arg, &c);
	}
	return 0;
}

bool nft_names_interface(uint8_t family, const char *table, const char *interface)
{
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct err ignored = {};
	struct netlink_answer m;
	size_t at = 0;
	char name[16] = ""; /* as a rule compares it: all of the field */
	memcpy(name, interface, strnlen(interface, sizeof name - 1));
	if (dump(NFT_MSG_GETRULE, family, table, &answers, &ignored) < 0)
		return false;
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[NFTA_RULE_EXPRESSIONS + 1];
		const struct nfgenmsg *g = netlink_parse(&m, sizeof *g, a, countof(a));
		const char *owner = g ? netlink_str(a[NFTA_RULE_TABLE]) : NULL;
		const void *bytes = owner && strcmp(owner, table) == 0 ? netlink_bytes(a[NFTA_RULE_EXPRESSIONS], NLA_HDRLEN) : NULL;
		if (bytes && memmem(bytes, a[NFTA_RULE_EXPRESSIONS]->nla_len - NLA_HDRLEN, name, sizeof name))
			return true;
	}
	return false;
}
