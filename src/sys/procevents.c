/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/procevents.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 1000, PACKET = 1 << 16, ROOM = 4 << 20 };

struct listen {
	struct nlmsghdr head;
	struct cn_msg connector;
	enum proc_cn_mcast_op op;
} __attribute__((packed));

static int ask(int fd)
{
	struct listen m = {.head = {.nlmsg_len = sizeof m, .nlmsg_type = NLMSG_DONE, .nlmsg_pid = (uint32_t)getpid()},
		.connector = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof m.op}, .op = PROC_CN_MCAST_LISTEN};
	return send(fd, &m, sizeof m, 0) == sizeof m ? 0 : -1;
}

/* Each event of a packet. Returns whether the answer to ask() was among them. */
static bool each(const char *p, size_t n, void (*call)(void *arg, pid_t pid), void *arg)
{
	bool answered = false;
	struct nlmsghdr h;
	for (; n >= sizeof h; ) {
		struct proc_event ev = {};
		memcpy(&h, p, sizeof h);
		if (h.nlmsg_len < sizeof h || h.nlmsg_len > n)
			break;
		size_t at = NLMSG_HDRLEN + sizeof(struct cn_msg), left = h.nlmsg_len > at ? h.nlmsg_len - at : 0;
		memcpy(&ev, p + at, left < sizeof ev ? left : sizeof ev);
		if (left >= offset_of(struct proc_event, event_data) + 8) {
			answered |= ev.what == PROC_EVENT_NONE && ev.event_data.ack.err == 0;
			if (ev.what == PROC_EVENT_EXEC || ev.what == PROC_EVENT_UID || ev.what == PROC_EVENT_GID)
				call(arg, ev.event_data.exec.process_tgid);
		}
		size_t whole = NLMSG_ALIGN(h.nlmsg_len);
		p += whole < n ? whole : n;
		n -= whole < n ? whole : n;
	}
	return answered;
}

static void ignore(void *arg unused, pid_t pid unused)
{
}

static bool is_answered(int fd)
{
	char packet[PACKET];
	int64_t until = num_monotonic_ns() + ANSWER_MS * 1000000LL;
	for (int64_t left; (left = until - num_monotonic_ns()) > 0;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, (int)(left / 1000000) + 1) <= 0)
			continue;
		ssize_t n = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
		if (n > 0 && each(packet, (size_t)n, ignore, NULL))
			return true;
	}
	return false;
}

int procevents_open(struct err *e)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	int room = ROOM;
	own(fd) int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || ask(fd) < 0) {
		err_sys_(e, "the kernel's events of processes");
		e->kind = ERR_UNSUPPORTED;
		return -1;
	}
	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (!is_answered(fd))
		return err_set(e, ERR_UNSUPPORTED, "the kernel's events of processes: it tells us nothing (a container, another PID namespace)");
	return take_fd(fd);
}

int procevents_read(int fd, void (*call)(void *arg, pid_t pid), void *arg, struct err *e)
{
	char packet[PACKET];
	int lost = 0;
	for (;;) {
		ssize_t n = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
		if (n > 0)
			each(packet, (size_t)n, call, arg);
		else if (n < 0 && errno == ENOBUFS)
			lost = 1;
		else if (n < 0 && errno == EAGAIN)
			return lost;
		else if (n == 0 || errno != EINTR)
			return err_sys(e, "the kernel's events of processes");
	}
}
