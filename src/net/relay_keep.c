/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_keep: a relay's sockets may have addresses that are not of their namespace (IP_TRANSPARENT): the clients'. What a container
 * answers to such an address must come back to the socket and not leave: connections of a relay are marked when they begin, answers
 * get the mark of their connection, and what has the mark is routed to this machine.
 */
#include "net/relay.h"
#include "net/relay_mark.h"
#include "sys/netlink.h"
#include "sys/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

enum { R0 = NFT_REG32_00 };

static int put_rules(struct err *e)
{
	static const uint32_t begins = RELAY_MARK, answers = RELAY_ANSWERS;
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_INET, "hull-relay");
	nft_add_table(&n);
	nft_add_base_chain(&n, "begins", "filter", NF_INET_LOCAL_OUT, -150);
	nft_add_base_chain(&n, "answers", "filter", NF_INET_PRE_ROUTING, -150);
	nft_flush_chain(&n, "begins");
	nft_flush_chain(&n, "answers");
	nft_rule(&n, "begins");
	nft_meta(&n, NFT_META_MARK, R0);
	nft_cmp(&n, NFT_CMP_EQ, R0, &begins, sizeof begins);
	nft_immediate(&n, R0, &answers, sizeof answers);
	nft_ct_set(&n, NFT_CT_MARK, R0);
	nft_rule_end(&n);
	nft_rule(&n, "answers");
	nft_ct(&n, NFT_CT_MARK, R0);
	nft_cmp(&n, NFT_CMP_EQ, R0, &answers, sizeof answers);
	nft_meta_set(&n, NFT_META_MARK, R0);
	nft_rule_end(&n);
	return nft_commit(&n, e);
}

static int put_route(struct netlink *n, uint8_t family, unsigned lo, struct err *e)
{
	struct netlink_request r;
	struct fib_rule_hdr rule = {.family = family, .action = FR_ACT_TO_TBL, .table = RELAY_TABLE};
	struct rtmsg route = {.rtm_family = family, .rtm_table = RELAY_TABLE, .rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL};
	netlink_begin(&r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule, sizeof rule);
	netlink_add_u32(&r, FRA_PRIORITY, RELAY_TABLE);
	netlink_add_u32(&r, FRA_FWMARK, RELAY_ANSWERS);
	if (netlink_call(n, &r, NULL, e) < 0 && e->sys != EEXIST)
		return -1;
	netlink_begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route, sizeof route);
	netlink_add_u32(&r, RTA_OIF, lo);
	return netlink_call(n, &r, NULL, e);
}

int relay_keep_addresses(struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	struct err ignored = {};
	unsigned lo = if_nametoindex("lo");
	if (put_rules(e) < 0 || netlink_open(&n, e) < 0 || put_route(&n, AF_INET, lo, e) < 0)
		return -1;
	/* A kernel without IPv6 has nothing to be led back. */
	(void)!put_route(&n, AF_INET6, lo, &ignored);
	return 0;
}
