/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_rules: what leads a container's questions to its resolver: two rules of a table of the container's own namespace. Who is root there with
 * CAP_NET_ADMIN can take them out; the kernel tells those who listen of each change to the packet filter.
 */
#include "net/resolver_rules.h"

#include "base/fd.h"
#include "sys/netns.h"
#include "sys/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RULES = 2, AT_ONCE = 64 };
static const char table[] = "hull-dns";

static void redirect(struct nft *n, uint8_t protocol, uint16_t port)
{
	static const uint8_t ours[4] = {127, 0, 0, 11};
	const uint16_t domain = htons(53), to = htons(port);
	nft_rule(n, "output");
	nft_payload(n, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, NFT_REG32_00);
	nft_cmp(n, NFT_CMP_EQ, NFT_REG32_00, ours, sizeof ours);
	nft_meta(n, NFT_META_L4PROTO, NFT_REG32_00);
	nft_cmp(n, NFT_CMP_EQ, NFT_REG32_00, &protocol, 1);
	nft_payload(n, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG32_00);
	nft_cmp(n, NFT_CMP_EQ, NFT_REG32_00, &domain, 2);
	nft_immediate(n, NFT_REG32_00, ours, sizeof ours);
	nft_immediate(n, NFT_REG32_01, &to, 2);
	nft_dnat(n, NFPROTO_IPV4, NFT_REG32_00, NFT_REG32_01);
	nft_rule_end(n);
}

struct ports { uint16_t udp, tcp; bool anew; };

static int put_rules(void *arg, struct err *e)
{
	const struct ports *p = arg;
	own(nft) struct nft n = {};
	nft_begin(&n, NFPROTO_IPV4, table);
	nft_add_table(&n);
	if (p->anew) {
		nft_delete_table(&n);
		nft_add_table(&n);
	}
	nft_add_base_chain(&n, "output", "nat", NF_INET_LOCAL_OUT, -100);
	nft_flush_chain(&n, "output");
	redirect(&n, IPPROTO_UDP, p->udp);
	redirect(&n, IPPROTO_TCP, p->tcp);
	return nft_commit(&n, e);
}

int resolver_redirect(int netns, uint16_t udp, uint16_t tcp, bool anew, struct err *e)
{
	struct ports p = {udp, tcp, anew};
	return netns_run(netns, put_rules, &p, e);
}

static int listen_inside(void *arg, struct err *e)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1)};
	own(fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		return err_sys(e, "changes of the packet filter");
	*(int *)arg = take_fd(fd);
	return 0;
}

int resolver_rules_watch(int netns)
{
	struct err ignored = {};
	int fd = -1;
	return netns_run(netns, listen_inside, &fd, &ignored) < 0 ? -1 : fd;
}

static int count(void *arg, struct err *e)
{
	return nft_count_rules(NFPROTO_IPV4, table, arg, e);
}

bool resolver_rules_changed(int changes, int netns)
{
	struct err ignored = {};
	char any[4096];
	unsigned n = 0;
	/* What did not fit into the socket is an error once (ENOBUFS); what was said does not matter. */
	for (int i = 0; i < AT_ONCE && (recv(changes, any, sizeof any, MSG_DONTWAIT) >= 0 || errno != EAGAIN); i++)
		;
	return netns_run(netns, count, &n, &ignored) == 0 && n != RULES;
}
