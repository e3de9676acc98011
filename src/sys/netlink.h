/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink: questions to the kernel's rtnetlink(7): a request of a header and attributes, and its answers. Whatever comes
 * back is looked at only after its lengths have been checked. A socket belongs to the network namespace it was opened in.
 */
#pragma once

#include "base/buf.h"

#include <linux/netlink.h>

struct netlink {
	int fd;
	uint32_t seq;
};
#define NETLINK_INIT {.fd = -1}
int netlink_open(struct netlink *ret, struct err *e) must_use;
void netlink_drop(struct netlink *n);

enum { NETLINK_REQUEST = 2048, NETLINK_ANSWERS = 4 << 20 };
struct netlink_request {
	_Alignas(4) char data[NETLINK_REQUEST];
	size_t len;
	bool full; /* it did not fit: netlink_call() refuses it */
};
/* type: RTM_*, flags: NLM_F_* but REQUEST and ACK; p: the type's own struct (struct ifinfomsg …). */
void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, const void *p, size_t n);
void netlink_add(struct netlink_request *r, uint16_t type, const void *p, size_t n);
void netlink_add_u32(struct netlink_request *r, uint16_t type, uint32_t v);
void netlink_add_str(struct netlink_request *r, uint16_t type, const char *s); /* with its NUL */
/* What is added between the two stands inside an attribute. */
size_t netlink_nest(struct netlink_request *r, uint16_t type) must_use;
void netlink_nest_end(struct netlink_request *r, size_t nest);

/* Sends it and reads answers up to the last. They are in *answers (which has its own maximum), or NULL: only success matters. An
 * error is the kernel's: errno in e->sys, and what it says of it. */
int netlink_call(struct netlink *n, struct netlink_request *r, struct buf *answers, struct err *e) must_use;

struct netlink_answer {
	uint16_t type;
	const char *body;
	size_t len;
};
/* size_t at = 0; while (netlink_next(&answers, &at, &m)) … */
bool netlink_next(const struct buf *answers, size_t *at, struct netlink_answer *ret);
/* The first `fixed` bytes of an answer, NULL when it is shorter; the last attribute of each type below n that stands behind them. */
const void *netlink_parse(const struct netlink_answer *m, size_t fixed, const struct nlattr **ret, size_t n);
/* An attribute's bytes, NULL when there is none or it has less. */
const void *netlink_bytes(const struct nlattr *a, size_t least);
uint32_t netlink_u32(const struct nlattr *a); /* 0 without */
const char *netlink_str(const struct nlattr *a); /* NULL without, or without an end */
