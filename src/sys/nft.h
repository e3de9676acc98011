/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nft: one transaction on the kernel's packet filter (nf_tables), written as netlink messages: all of it happens or nothing. A
 * struct nft is filled from nft_begin() on and sent by nft_commit(); what does not fit is refused there.
 *
 * In a rule, values travel through registers of four bytes, NFT_REG32_00 + n: nft_meta() and nft_payload() load, nft_cmp() and
 * nft_lookup() look.
 */
#pragma once

#include "base/buf.h"

/* before linux/in.h, which then leaves its own away */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

enum { NFT_BATCH = 64 << 20 };
struct nft {
	struct buf b;
	uint8_t family;   /* NFPROTO_* */
	const char *table;
	uint32_t seq, sets;
	size_t message, nests[8], depth;
	char rule_chain[32];
};
void nft_drop(struct nft *n);
void nft_begin(struct nft *n, uint8_t family, const char *table);
/* -1: nothing of it happened; e->sys is the errno of the message that was refused. ERR_UNSUPPORTED: no nf_tables. Where the socket is
 * opened is whose filter it is. */
int nft_commit(struct nft *n, struct err *e) must_use;

void nft_add_table(struct nft *n); /* one that is there is as good; so with chains and sets */
void nft_delete_table(struct nft *n);
void nft_add_chain(struct nft *n, const char *name);
void nft_add_base_chain(struct nft *n, const char *name, const char *type, uint32_t hook, int32_t priority);
void nft_flush_chain(struct nft *n, const char *name); /* takes its rules out */
/* Types are nft(8)'s numbers, for who lists them: 7 ipv4_addr, 8 ipv6_addr, 12 inet_proto, 13 inet_service, 41 ifname; a
 * concatenation has six bits for each. data_len 0: a set. */
void nft_add_set(struct nft *n, const char *name, uint32_t key_type, uint32_t key_len, uint32_t data_type, uint32_t data_len);
void nft_flush_set(struct nft *n, const char *name);
void nft_element(struct nft *n, bool add, const char *set, const void *key, size_t key_len, const void *data, size_t data_len);

void nft_rule(struct nft *n, const char *chain);
void nft_rule_end(struct nft *n);
void nft_meta(struct nft *n, uint32_t key, unsigned reg);
void nft_ct(struct nft *n, uint32_t key, unsigned reg);
void nft_meta_set(struct nft *n, uint32_t key, unsigned reg);
void nft_ct_set(struct nft *n, uint32_t key, unsigned reg);
void nft_payload(struct nft *n, uint32_t base, uint32_t offset, uint32_t len, unsigned reg);
void nft_mask(struct nft *n, unsigned reg, const void *mask, size_t len);
void nft_cmp(struct nft *n, uint32_t op, unsigned reg, const void *data, size_t len);
void nft_fib_type(struct nft *n, unsigned reg); /* of the destination: RTN_* */
void nft_lookup(struct nft *n, const char *set, unsigned reg, int data_reg /* -1: a set */);
void nft_verdict(struct nft *n, int32_t code, const char *chain /* of a jump */);
void nft_masquerade(struct nft *n);
void nft_dnat(struct nft *n, uint8_t family, unsigned addr_reg, unsigned port_reg);
void nft_immediate(struct nft *n, unsigned reg, const void *data, size_t len);

/* How many references (rules, jumps) the table's chains have in all; 0: there is no such table. */
int nft_count_rules(uint8_t family, const char *table, unsigned *ret, struct err *e) must_use;
/* Each base chain of all tables. */
struct nft_chain_info { const char *table, *name; uint8_t family; uint32_t hook, policy; };
int nft_chains(void (*each)(void *arg, const struct nft_chain_info *c), void *arg, struct err *e) must_use;
/* Whether a rule of the table names the interface. */
bool nft_names_interface(uint8_t family, const char *table, const char *interface);
