/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_listener: a filter that asks somebody else (SCMP_ACT_NOTIFY): the descriptor that loading it gives goes to an
 * agent, with the container process state (config-linux.md, "The Container Process State").
 *
 *   the process                                     the parent, in sight of the host's files
 *   AGENT --->                                      connects to the agent: one that is not there ends the start here
 *   loads the filter                          <---  GO
 *   LISTENER, with the descriptor --->              one message to the agent, one connection
 *   goes on to the command                          whoever does what is asked about waits until the agent has answered
 *
 * The process speaks under its filter already, which may deny or ask about any system call. So it looks at what the
 * filter says before, and takes the one of two that is let through. Nobody could answer if it were asked.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "runtime/annotations.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { AGENT_SECONDS = 10, STATE_MAX = 4 << 20 };

#ifdef __x86_64__
enum { ARCH = (int)AUDIT_ARCH_X86_64 };
#elif defined __aarch64__
enum { ARCH = (int)AUDIT_ARCH_AARCH64 };
#else
#error "seccomp_listener: which architecture is this?"
#endif

static bool lets(const struct seccomp_filter *f, int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct seccomp_data data = {.nr = nr, .arch = (uint32_t)ARCH, .args = {a, b, c, d}};
	uint32_t action = seccomp_verdict(f, &data) & SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

static int carrier(const struct seccomp_filter *f, int sock, const struct mmsghdr *m, struct err *e)
{
	if (lets(f, SYS_sendmsg, (uint64_t)sock, (uint64_t)(uintptr_t)&m->msg_hdr, MSG_NOSIGNAL, 0))
		return SYS_sendmsg;
	if (lets(f, SYS_sendmmsg, (uint64_t)sock, (uint64_t)(uintptr_t)m, 1, MSG_NOSIGNAL))
		return SYS_sendmmsg;
	return err_set(e, ERR_USAGE, "seccomp: a profile with SCMP_ACT_NOTIFY must allow sendmsg or sendmmsg: hull needs one to hand over the listener");
}

const char *seccomp_listener_path(const struct spec *s)
{
	const struct spec_seccomp *c = s->linux_->seccomp;
	return c && !str_is_empty(c->listener_path) ? c->listener_path : annotation_get(s, ANNOTATION_SECCOMP_RECEIVER);
}

int seccomp_listener_check(const struct spec *s, const struct seccomp_filter *f, struct err *e)
{
	const struct spec_seccomp *c = s->linux_->seccomp;
	const char *path = seccomp_listener_path(s);
	struct mmsghdr m = {};
	if (c && !str_is_empty(c->listener_metadata) && str_is_empty(c->listener_path))
		return err_set(e, ERR_USAGE, "linux.seccomp: listenerMetadata without listenerPath");
	if (!f->notify)
		return 0;
	if (str_is_empty(path))
		return err_set(e, ERR_USAGE, "linux.seccomp: SCMP_ACT_NOTIFY needs a listenerPath");
	if (*path != '/')
		return err_set(e, ERR_USAGE, "linux.seccomp: listenerPath \"%.200s\" must be absolute", path);
	return carrier(f, -1, &m, e) < 0 ? -1 : 0;
}

int seccomp_install_asking(struct setup *s, struct err *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} pass = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct setup_message text = {.word = SETUP_MESSAGE | SETUP_LISTENER};
	struct iovec iov = {&text, sizeof text};
	struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &pass, .msg_controllen = sizeof pass.room}};
	int how = carrier(s->filter, s->sock, &m, e);
	if (how < 0 || setup_report(s, SETUP_AGENT, NULL, e) < 0 || setup_wait(s, SETUP_GO, e) < 0)
		return -1;
	int fd = seccomp_install(s->filter, e);
	if (fd < 0)
		return -1;
	memcpy(CMSG_DATA(&pass.head), &fd, sizeof fd);
	long sent = how == SYS_sendmsg ? syscall(SYS_sendmsg, s->sock, &m.msg_hdr, MSG_NOSIGNAL) : syscall(SYS_sendmmsg, s->sock, &m, 1, MSG_NOSIGNAL);
	if (sent < 0)
		return err_sys(e, "hand over the seccomp listener");
	/* While we had it, nobody would tell us that the agent is gone. The exec closes it too. */
	if (lets(s->filter, SYS_close, (uint64_t)fd, 0, 0, 0))
		close(fd);
	return 0;
}

static int connect_agent(const char *path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = AGENT_SECONDS};
	/* By a descriptor: a path may be longer than an address. */
	own(fd) int at = open(path, O_PATH | O_CLOEXEC);
	own(fd) int sock = at < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (at < 0 || sock < 0)
		return err_sys(e, "seccomp agent %.300s", path);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d", at);
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(sock, (struct sockaddr *)&a, sizeof a) < 0)
		return errno == EAGAIN ? err_set(e, ERR_TIMEOUT, "seccomp agent %.300s: it takes no connection", path) :
			err_sys(e, "seccomp agent %.300s", path);
	return take_fd(sock);
}

static void format_state(const struct setup_container *c, struct buf *out)
{
	own(json) struct json *j = json_new_object();
	struct json *fds = json_new_array();
	const struct spec_seccomp *s = c->spec->linux_->seccomp;
	json_set_str(j, "ociVersion", c->spec->oci_version);
	json_add(fds, json_new_str("seccompFd"));
	json_set(j, "fds", fds);
	json_set(j, "pid", json_new_i64(c->process));
	if (s && !str_is_empty(s->listener_metadata))
		json_set_str(j, "metadata", s->listener_metadata);
	json_set(j, "state", setup_state(c));
	json_format(j, 0, out);
}

int seccomp_listener_hand_over(const struct setup_container *c, int sock, struct setup_message *m, int *ret_fd, struct err *e)
{
	own(fd) int agent = connect_agent(seccomp_listener_path(c->spec), e);
	own(fd) int listener = -1;
	if (agent < 0 || setup_say(sock, SETUP_GO, e) < 0)
		return -1;
	int r = setup_receive(sock, m, &listener, e);
	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_SYSTEM, "the process ended while its seccomp filter was loaded");
	if (m->word != SETUP_LISTENER || listener < 0)
		return err_set(e, ERR_BUG, "unexpected word %d instead of the seccomp listener", m->word);
	own(buf) struct buf text = BUF(STATE_MAX);
	format_state(c, &text);
	if (buf_check(&text, e) < 0 || fd_send(agent, text.data, text.len, &listener, 1, e) < 0)
		return err_wrap(e, "seccomp agent %.300s", seccomp_listener_path(c->spec));
	fd_drop(&agent);
	fd_drop(&listener);
	return setup_receive(sock, m, ret_fd, e);
}
