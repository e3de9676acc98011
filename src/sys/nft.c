/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nft: a batch is NFNL_MSG_BATCH_BEGIN, the messages, NFNL_MSG_BATCH_END, in one send. The kernel answers each message it refuses;
 * the last one asks for an acknowledgement, so there is something to read when all is well.
 */
#include "sys/nft.h"

#include "base/fd.h"
#include "base/mem.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET = 65536 };

void nft_drop(struct nft *n)
{
	buf_drop(&n->b);
}

static void pad(struct nft *n)
{
	static const char zeros[4];
	buf_add(&n->b, zeros, NLA_ALIGN(n->b.len) - n->b.len);
}

static void attr(struct nft *n, uint16_t type, const void *p, size_t len)
{
	struct nlattr a = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + len)};
	buf_add(&n->b, &a, sizeof a);
	if (len)
		buf_add(&n->b, p, len);
	pad(n);
}

static void attr_be32(struct nft *n, uint16_t type, uint32_t v)
{
	v = htonl(v);
	attr(n, type, &v, sizeof v);
}

static void attr_str(struct nft *n, uint16_t type, const char *s)
{
	attr(n, type, s, strlen(s) + 1);
}

static void nest(struct nft *n, uint16_t type)
{
	n->nests[n->depth++] = n->b.len;
	attr(n, type | NLA_F_NESTED, NULL, 0);
}

static void nest_end(struct nft *n)
{
	size_t at = n->nests[--n->depth];
	uint16_t len = (uint16_t)(n->b.len - at);
	if (!n->b.full)
		memcpy(n->b.data + at + offset_of(struct nlattr, nla_len), &len, sizeof len);
}

static void end_message(struct nft *n)
{
	uint32_t len = (uint32_t)(n->b.len - n->message);
	if (!n->b.full && n->b.len)
		memcpy(n->b.data + n->message, &len, sizeof len);
}

static void message(struct nft *n, uint16_t type, uint16_t flags, uint8_t family, uint16_t res)
{
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_seq = ++n->seq};
	struct nfgenmsg g = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(res)};
	end_message(n);
	n->message = n->b.len;
	buf_add(&n->b, &h, sizeof h);
	buf_add(&n->b, &g, sizeof g);
}

static void nf(struct nft *n, uint16_t type, uint16_t flags)
{
	message(n, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, n->family, 0);
}

void nft_begin(struct nft *n, uint8_t family, const char *table)
{
	*n = (struct nft){.b = BUF(NFT_BATCH), .family = family, .table = table};
	message(n, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

static int open_socket(struct err *e)
{
	static const int on = 1, room = 8 << 20;
	own(fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0 && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT))
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no nf_tables");
	if (fd < 0)
		return err_sys(e, "netfilter socket");
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	/* Not a wait that never ends, if the kernel should have nothing to say. */
	const struct timeval limit = {.tv_sec = 30};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	return take_fd(fd);
}

static int refuse(int error, struct err *e)
{
	errno = error;
	if (error == EOPNOTSUPP || error == EPROTONOSUPPORT)
		return err_set(e, ERR_UNSUPPORTED, "this kernel has no nf_tables, or not all that is needed of it");
	return err_sys(e, "nf_tables");
}

/* Errors of messages come before the acknowledgement of the last. */
static int read_acks(int fd, uint32_t last, struct err *e)
{
	/* Zeroing it would cost more than the question. */
	__attribute__((uninitialized)) _Alignas(4) char packet[PACKET];
	int error = 0;
	for (;;) {
		ssize_t n = recv(fd, packet, PACKET, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "nf_tables");
		for (size_t at = 0; (size_t)n - at >= sizeof(struct nlmsghdr);) {
			struct nlmsghdr h;
			struct nlmsgerr m;
			memcpy(&h, packet + at, sizeof h);
			if (h.nlmsg_len < sizeof h || h.nlmsg_len > (size_t)n - at)
				return err_set(e, ERR_SYSTEM, "nf_tables: an answer that is cut off");
			if (h.nlmsg_type == NLMSG_ERROR && h.nlmsg_len >= sizeof h + sizeof m) {
				memcpy(&m, packet + at + sizeof h, sizeof m);
				if (m.error && !error)
					error = -m.error;
				/* The batch's own header refused, or the last was reached. */
				if (h.nlmsg_seq == last || h.nlmsg_seq <= 1)
					return error ? refuse(error, e) : 0;
			}
			at += NLMSG_ALIGN(h.nlmsg_len) < (size_t)n - at ? NLMSG_ALIGN(h.nlmsg_len) : (size_t)n - at;
		}
		/* Whatever was refused, nothing happened: more answers may come or not. */
		if (error)
			return refuse(error, e);
	}
}

int nft_commit(struct nft *n, struct err *e)
{
	own(fd) int fd = open_socket(e);
	if (fd < 0)
		return -1;
	/* The last message proper is acknowledged. */
	end_message(n);
	uint32_t last = n->seq;
	if (!n->b.full && n->b.len) {
		struct nlmsghdr h;
		memcpy(&h, n->b.data + n->message, sizeof h);
		h.nlmsg_flags |= NLM_F_ACK;
		memcpy(n->b.data + n->message, &h, sizeof h);
	}
	message(n, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end_message(n);
	if (buf_check(&n->b, e) < 0)
		return -1;
	if (n->b.len > PACKET) {
		int room = (int)n->b.len * 2;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	}
	if (send(fd, n->b.data, n->b.len, 0) < 0)
		return err_sys(e, "nf_tables: send");
	return read_acks(fd, last, e);
}

void nft_add_table(struct nft *n)
{
	nf(n, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	attr_str(n, NFTA_TABLE_NAME, n->table);
}

void nft_delete_table(struct nft *n)
{
	nf(n, NFT_MSG_DELTABLE, 0);
	attr_str(n, NFTA_TABLE_NAME, n->table);
}

void nft_add_chain(struct nft *n, const char *name)
{
	nf(n, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	attr_str(n, NFTA_CHAIN_TABLE, n->table);
	attr_str(n, NFTA_CHAIN_NAME, name);
}

void nft_add_base_chain(struct nft *n, const char *name, const char *type, uint32_t hook, int32_t priority)
{
	nft_add_chain(n, name);
	nest(n, NFTA_CHAIN_HOOK);
	attr_be32(n, NFTA_HOOK_HOOKNUM, hook);
	attr_be32(n, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nest_end(n);
	attr_str(n, NFTA_CHAIN_TYPE, type);
}

void nft_flush_chain(struct nft *n, const char *name)
{
	nf(n, NFT_MSG_DELRULE, 0);
	attr_str(n, NFTA_RULE_TABLE, n->table);
	attr_str(n, NFTA_RULE_CHAIN, name);
}

void nft_add_set(struct nft *n, const char *name, uint32_t key_type, uint32_t key_len, uint32_t data_type, uint32_t data_len)
{
	nf(n, NFT_MSG_NEWSET, NLM_F_CREATE);
	attr_str(n, NFTA_SET_TABLE, n->table);
	attr_str(n, NFTA_SET_NAME, name);
	attr_be32(n, NFTA_SET_FLAGS, data_len ? NFT_SET_MAP : 0);
	attr_be32(n, NFTA_SET_KEY_TYPE, key_type);
	attr_be32(n, NFTA_SET_KEY_LEN, key_len);
	if (data_len) {
		attr_be32(n, NFTA_SET_DATA_TYPE, data_type);
		attr_be32(n, NFTA_SET_DATA_LEN, data_len);
	}
	/* That interface names are in the machine's byte order: for who lists them. */
	static const uint8_t host_order[] = {0, 4, 1, 0, 0, 0};
	if (key_type == 41)
		attr(n, NFTA_SET_USERDATA, host_order, sizeof host_order);
	attr_be32(n, NFTA_SET_ID, ++n->sets);
}

void nft_flush_set(struct nft *n, const char *name)
{
	nf(n, NFT_MSG_DELSETELEM, 0);
	attr_str(n, NFTA_SET_ELEM_LIST_TABLE, n->table);
	attr_str(n, NFTA_SET_ELEM_LIST_SET, name);
}

static void data_value(struct nft *n, uint16_t type, const void *p, size_t len)
{
	nest(n, type);
	attr(n, NFTA_DATA_VALUE, p, len);
	nest_end(n);
}

void nft_element(struct nft *n, bool add, const char *set, const void *key, size_t key_len, const void *data, size_t data_len)
{
	nf(n, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0);
	attr_str(n, NFTA_SET_ELEM_LIST_TABLE, n->table);
	attr_str(n, NFTA_SET_ELEM_LIST_SET, set);
	nest(n, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest(n, NFTA_LIST_ELEM);
	data_value(n, NFTA_SET_ELEM_KEY, key, key_len);
	if (data_len)
		data_value(n, NFTA_SET_ELEM_DATA, data, data_len);
	nest_end(n);
	nest_end(n);
}

void nft_rule(struct nft *n, const char *chain)
{
	nf(n, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	attr_str(n, NFTA_RULE_TABLE, n->table);
	attr_str(n, NFTA_RULE_CHAIN, chain);
	nest(n, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft *n)
{
	nest_end(n);
}

static void expr(struct nft *n, const char *name)
{
	nest(n, NFTA_LIST_ELEM);
	attr_str(n, NFTA_EXPR_NAME, name);
	nest(n, NFTA_EXPR_DATA);
}

static void expr_end(struct nft *n)
{
	nest_end(n);
	nest_end(n);
}

void nft_meta(struct nft *n, uint32_t key, unsigned reg)
{
	expr(n, "meta");
	attr_be32(n, NFTA_META_DREG, reg);
	attr_be32(n, NFTA_META_KEY, key);
	expr_end(n);
}

void nft_ct(struct nft *n, uint32_t key, unsigned reg)
{
	expr(n, "ct");
	attr_be32(n, NFTA_CT_DREG, reg);
	attr_be32(n, NFTA_CT_KEY, key);
	expr_end(n);
}

void nft_meta_set(struct nft *n, uint32_t key, unsigned reg)
{
	expr(n, "meta");
	attr_be32(n, NFTA_META_KEY, key);
	attr_be32(n, NFTA_META_SREG, reg);
	expr_end(n);
}

void nft_ct_set(struct nft *n, uint32_t key, unsigned reg)
{
	expr(n, "ct");
	attr_be32(n, NFTA_CT_KEY, key);
	attr_be32(n, NFTA_CT_SREG, reg);
	expr_end(n);
}

void nft_payload(struct nft *n, uint32_t base, uint32_t offset, uint32_t len, unsigned reg)
{
	expr(n, "payload");
	attr_be32(n, NFTA_PAYLOAD_DREG, reg);
	attr_be32(n, NFTA_PAYLOAD_BASE, base);
	attr_be32(n, NFTA_PAYLOAD_OFFSET, offset);
	attr_be32(n, NFTA_PAYLOAD_LEN, len);
	expr_end(n);
}

void nft_mask(struct nft *n, unsigned reg, const void *mask, size_t len)
{
	static const char zeros[16];
	expr(n, "bitwise");
	attr_be32(n, NFTA_BITWISE_SREG, reg);
	attr_be32(n, NFTA_BITWISE_DREG, reg);
	attr_be32(n, NFTA_BITWISE_LEN, (uint32_t)len);
	data_value(n, NFTA_BITWISE_MASK, mask, len);
	data_value(n, NFTA_BITWISE_XOR, zeros, len);
	expr_end(n);
}

void nft_cmp(struct nft *n, uint32_t op, unsigned reg, const void *data, size_t len)
{
	expr(n, "cmp");
	attr_be32(n, NFTA_CMP_SREG, reg);
	attr_be32(n, NFTA_CMP_OP, op);
	data_value(n, NFTA_CMP_DATA, data, len);
	expr_end(n);
}

void nft_fib_type(struct nft *n, unsigned reg)
{
	expr(n, "fib");
	attr_be32(n, NFTA_FIB_DREG, reg);
	attr_be32(n, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	attr_be32(n, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expr_end(n);
}

void nft_lookup(struct nft *n, const char *set, unsigned reg, int data_reg)
{
	expr(n, "lookup");
	attr_str(n, NFTA_LOOKUP_SET, set);
	attr_be32(n, NFTA_LOOKUP_SREG, reg);
	if (data_reg >= 0)
		attr_be32(n, NFTA_LOOKUP_DREG, (uint32_t)data_reg);
	expr_end(n);
}

void nft_verdict(struct nft *n, int32_t code, const char *chain)
{
	expr(n, "immediate");
	attr_be32(n, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nest(n, NFTA_IMMEDIATE_DATA);
	nest(n, NFTA_DATA_VERDICT);
	attr_be32(n, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		attr_str(n, NFTA_VERDICT_CHAIN, chain);
	nest_end(n);
	nest_end(n);
	expr_end(n);
}

void nft_immediate(struct nft *n, unsigned reg, const void *data, size_t len)
{
	expr(n, "immediate");
	attr_be32(n, NFTA_IMMEDIATE_DREG, reg);
	data_value(n, NFTA_IMMEDIATE_DATA, data, len);
	expr_end(n);
}

void nft_masquerade(struct nft *n)
{
	expr(n, "masq");
	expr_end(n);
}

void nft_dnat(struct nft *n, uint8_t family, unsigned addr_reg, unsigned port_reg)
{
	expr(n, "nat");
	attr_be32(n, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	attr_be32(n, NFTA_NAT_FAMILY, family);
	attr_be32(n, NFTA_NAT_REG_ADDR_MIN, addr_reg);
	attr_be32(n, NFTA_NAT_REG_PROTO_MIN, port_reg);
	expr_end(n);
}
