/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink: one socket, one request at a time. A list that changed while it was read is read again.
 */
#include "sys/netlink.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET = 65536, TRIES = 8 };

void netlink_drop(struct netlink *n)
{
	fd_drop(&n->fd);
}

int netlink_open(struct netlink *ret, struct err *e)
{
	static const int on = 1;
	own(fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return err_sys(e, "netlink socket");
	/* Words with errors, and lists of what was asked for alone: an old kernel has neither, and does without. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
	*ret = (struct netlink){.fd = take_fd(fd)};
	return 0;
}

static void put(struct netlink_request *r, const void *p, size_t n)
{
	size_t whole = NLMSG_ALIGN(n);
	if (r->full || n > NETLINK_REQUEST || whole > NETLINK_REQUEST - r->len) {
		r->full = true;
		return;
	}
	memset(r->data + r->len, 0, whole);
	if (n)
		memcpy(r->data + r->len, p, n);
	r->len += whole;
}

void netlink_begin(struct netlink_request *r, uint16_t type, uint16_t flags, const void *p, size_t n)
{
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
	r->len = 0;
	r->full = false;
	put(r, &h, sizeof h);
	put(r, p, n);
}

void netlink_add(struct netlink_request *r, uint16_t type, const void *p, size_t n)
{
	struct nlattr a = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + n)};
	if (n > NETLINK_REQUEST)
		r->full = true;
	put(r, &a, sizeof a);
	put(r, p, n);
}

void netlink_add_u32(struct netlink_request *r, uint16_t type, uint32_t v)
{
	netlink_add(r, type, &v, sizeof v);
}

void netlink_add_str(struct netlink_request *r, uint16_t type, const char *s)
{
	netlink_add(r, type, s, strlen(s) + 1);
}

size_t netlink_nest(struct netlink_request *r, uint16_t type)
{
	size_t at = r->len;
	netlink_add(r, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_nest_end(struct netlink_request *r, size_t nest)
{
	uint16_t len = (uint16_t)(r->len - nest);
	if (!r->full)
		memcpy(r->data + nest + offset_of(struct nlattr, nla_len), &len, sizeof len);
}

bool netlink_next(const struct buf *answers, size_t *at, struct netlink_answer *ret)
{
	struct nlmsghdr h;
	size_t left = answers->len - *at;
	if (left < sizeof h)
		return false;
	memcpy(&h, answers->data + *at, sizeof h);
	if (h.nlmsg_len < sizeof h || h.nlmsg_len > left)
		return false;
	*ret = (struct netlink_answer){h.nlmsg_type, answers->data + *at + sizeof h, h.nlmsg_len - sizeof h};
	*at += NLMSG_ALIGN(h.nlmsg_len) < left ? NLMSG_ALIGN(h.nlmsg_len) : left;
	return true;
}

static void find(const char *p, size_t len, const struct nlattr **ret, size_t n)
{
	while (len >= NLA_HDRLEN) {
		struct nlattr a;
		memcpy(&a, p, sizeof a);
		if (a.nla_len < NLA_HDRLEN || a.nla_len > len)
			return;
		if ((a.nla_type & NLA_TYPE_MASK) < n)
			ret[a.nla_type & NLA_TYPE_MASK] = (const struct nlattr *)(const void *)p;
		size_t whole = NLA_ALIGN(a.nla_len);
		p += whole < len ? whole : len;
		len -= whole < len ? whole : len;
	}
}

const void *netlink_parse(const struct netlink_answer *m, size_t fixed, const struct nlattr **ret, size_t n)
{
	memset(ret, 0, n * sizeof *ret);
	if (m->len < fixed)
		return NULL;
	size_t front = NLMSG_ALIGN(fixed) < m->len ? NLMSG_ALIGN(fixed) : m->len;
	find(m->body + front, m->len - front, ret, n);
	return m->body;
}

const void *netlink_bytes(const struct nlattr *a, size_t least)
{
	return a && (size_t)a->nla_len >= NLA_HDRLEN + least ? (const char *)a + NLA_HDRLEN : NULL;
}

uint32_t netlink_u32(const struct nlattr *a)
{
	uint32_t v = 0;
	const void *p = netlink_bytes(a, sizeof v);
	if (p)
		memcpy(&v, p, sizeof v);
	return v;
}

const char *netlink_str(const struct nlattr *a)
{
	const char *p = netlink_bytes(a, 1);
	return p && memchr(p, 0, a->nla_len - NLA_HDRLEN) ? p : NULL;
}

/* NLMSG_ERROR: an errno, the header it is about, and attributes that explain. */
static int explain(const struct nlmsghdr *h, const char *body, struct err *e)
{
	const struct nlattr *attrs[NLMSGERR_ATTR_MSG + 1] = {};
	struct nlmsgerr about;
	size_t len = h->nlmsg_len - sizeof *h, front = sizeof about;
	if (len < sizeof about)
		return err_set(e, ERR_SYSTEM, "netlink: a short answer");
	memcpy(&about, body, sizeof about);
	if (!about.error)
		return 0;
	if (!(h->nlmsg_flags & NLM_F_CAPPED) && about.msg.nlmsg_len > sizeof about.msg)
		front += NLMSG_ALIGN(about.msg.nlmsg_len - sizeof about.msg);
	if (h->nlmsg_flags & NLM_F_ACK_TLVS && front < len)
		find(body + front, len - front, attrs, countof(attrs));
	const char *text = netlink_str(attrs[NLMSGERR_ATTR_MSG]);
	errno = -about.error;
	return text && *text ? err_sys(e, "%.200s", text) : err_sys(e, "netlink");
}

/* NLMSG_DONE: an errno, when the list could not be read to its end. */
static int end_of_list(const char *body, size_t len, struct err *e)
{
	int error = 0;
	if (len >= sizeof error)
		memcpy(&error, body, sizeof error);
	errno = -error;
	return error < 0 ? err_sys(e, "netlink: list") : 0;
}

struct reading {
	uint32_t seq;
	bool done, changed; /* the list changed meanwhile */
};

/* One packet of answers to us. */
static int take_packet(const char *packet, size_t n, struct reading *r, struct buf *answers, struct err *e)
{
	for (size_t at = 0; !r->done && n - at >= sizeof(struct nlmsghdr);) {
		struct nlmsghdr h;
		memcpy(&h, packet + at, sizeof h);
		if (h.nlmsg_len < sizeof h || h.nlmsg_len > n - at)
			return err_set(e, ERR_SYSTEM, "netlink: an answer that is cut off");
		const char *body = packet + at + sizeof h;
		bool is_ours = h.nlmsg_seq == r->seq;
		r->changed |= is_ours && h.nlmsg_flags & NLM_F_DUMP_INTR;
		if (is_ours && h.nlmsg_type == NLMSG_ERROR) {
			r->done = true;
			return explain(&h, body, e);
		}
		if (is_ours && h.nlmsg_type == NLMSG_DONE) {
			r->done = true;
			return end_of_list(body, h.nlmsg_len - sizeof h, e);
		}
		if (is_ours && h.nlmsg_type >= NLMSG_MIN_TYPE && answers && buf_add(answers, packet + at, h.nlmsg_len) == 0)
			/* each begins where a header may */
			buf_add(answers, "\0\0\0", NLMSG_ALIGN(h.nlmsg_len) - h.nlmsg_len);
		at += NLMSG_ALIGN(h.nlmsg_len) < n - at ? NLMSG_ALIGN(h.nlmsg_len) : n - at;
	}
	return 0;
}

static int read_answers(struct netlink *nl, struct reading *r, struct buf *answers, struct err *e)
{
	/* Zeroing it would cost more than the question. */
	__attribute__((uninitialized)) _Alignas(4) char packet[PACKET];
	while (!r->done) {
		struct sockaddr_nl from = {};
		struct iovec iov = {packet, PACKET};
		struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(nl->fd, &m, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "netlink: receive");
		if (m.msg_flags & MSG_TRUNC)
			return err_set(e, ERR_LIMIT, "netlink: an answer of more than %d bytes", PACKET);
		/* Only the kernel's. */
		if (from.nl_pid == 0 && take_packet(packet, (size_t)n, r, answers, e) < 0)
			return -1;
	}
	return answers ? buf_check(answers, e) : 0;
}

int netlink_call(struct netlink *n, struct netlink_request *r, struct buf *answers, struct err *e)
{
	if (r->full)
		return err_set(e, ERR_LIMIT, "netlink: a request of more than %d bytes", NETLINK_REQUEST);
	for (int i = 0; i < TRIES; i++) {
		struct reading state = {.seq = ++n->seq};
		struct nlmsghdr h;
		memcpy(&h, r->data, sizeof h);
		h.nlmsg_len = (uint32_t)r->len;
		h.nlmsg_seq = state.seq;
		memcpy(r->data, &h, sizeof h);
		if (answers)
			buf_reset(answers);
		if (send(n->fd, r->data, r->len, 0) < 0)
			return err_sys(e, "netlink: send");
		if (read_answers(n, &state, answers, e) < 0)
			return -1;
		if (!state.changed)
			return 0;
	}
	return err_set(e, ERR_CONFLICT, "netlink: the list changes all the time");
}
