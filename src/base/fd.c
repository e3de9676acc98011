/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void fd_drop(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_write_all(int fd, const void *p, size_t n)
{
	for (const char *at = p; n > 0;) {
		ssize_t w = write(fd, at, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *p, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = read(fd, (char *)p + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

/* A small file gets the room it needs and one byte more; a file of /proc or of a control group, which says no size, a page.
 * Returned is how many bytes are all of it, 0 when that is not known: who has read so many need not ask for the end, which is one
 * system call less for each of hundreds of small files. */
static size_t make_room(int fd, struct buf *out)
{
	struct stat st;
	size_t max = out->max ? out->max : BUF_MAX;
	if (out->room || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size >= 65536 || (size_t)st.st_size + 1 > max)
		return 0;
	size_t room = st.st_size > 0 ? (size_t)st.st_size + 1 : 4000;
	(void)buf_room(out, room < max ? room : max);
	return (size_t)st.st_size;
}

int fd_read_to_end(int fd, struct buf *out)
{
	const size_t whole = make_room(fd, out), before = out->len;
	for (;;) {
		size_t max = out->max ? out->max : BUF_MAX;
		size_t want = max - out->len < 65536 ? max - out->len + 1 : 65536;
		if (out->room > out->len + 1 && out->room - out->len - 1 < want)
			want = out->room - out->len - 1;
		char extra[2];
		char *at = out->len < max ? buf_room(out, want > max - out->len ? max - out->len : want) : extra;
		if (at != extra && want > max - out->len)
			want = max - out->len;
		else if (at == extra)
			want = 1;
		ssize_t r = read(fd, at, want);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			return 0;
		if (at == extra) {
			errno = EFBIG;
			return -1;
		}
		out->len += (size_t)r;
		out->data[out->len] = 0;
		if (whole && out->len - before == whole)
			return 0;
	}
}

int fd_pipe(int ret[2], struct err *e)
{
	if (pipe2(ret, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	return 0;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);
	if (flags < 0)
		return -1;
	return fcntl(fd, set, on ? flags | flag : flags & ~flag);
}

int fd_set_nonblock(int fd, bool on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

union pass {
	char room[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
	struct cmsghdr align;
};

int fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds, struct err *e)
{
	union pass pass = {};
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds > FD_PASS_MAX)
		return err_set(e, ERR_BUG, "pass %zu file descriptors", nfds);
	if (nfds) {
		msg.msg_control = pass.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	ssize_t w;
	do
		w = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return err_sys(e, "send");
	if ((size_t)w < n)
		return fd_write_all(sock, (const char *)p + w, n - (size_t)w) < 0 ? err_sys(e, "send") : 0;
	return 0;
}

ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t *nfds, struct err *e)
{
	union pass pass = {};
	struct iovec iov = {p, n};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = pass.room,
		.msg_controllen = sizeof pass.room};
	size_t room = nfds ? *nfds : 0, got = 0;
	ssize_t r;
	do
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "receive");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (got < room)
				fds[got++] = fd;
			else
				close(fd);
		}
	}
	if (nfds)
		*nfds = got;
	return r;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_span(unsigned first, unsigned last)
{
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
	unsigned top = last > 65536 ? 65536 : last;
	for (unsigned fd = first; fd <= top; fd++)
		close((int)fd);
}

void fd_close_from(int first, const int *keep, size_t nkeep)
{
	own(mem) int *sorted = mem_alloc((nkeep + 1) * sizeof *sorted);
	size_t n = 0;
	for (size_t i = 0; i < nkeep; i++)
		if (keep[i] >= first)
			sorted[n++] = keep[i];
	qsort(sorted, n, sizeof *sorted, compare);
	int from = first;
	for (size_t i = 0; i < n; i++) {
		if (sorted[i] > from)
			close_span((unsigned)from, (unsigned)sorted[i] - 1);
		if (sorted[i] >= from)
			from = sorted[i] + 1;
	}
	close_span((unsigned)from, ~0u);
}

int fd_lock_byte(int fd, short type, off_t byte, bool wait)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	int r;
	do
		r = fcntl(fd, wait ? F_SETLKW : F_SETLK, &l);
	while (r < 0 && errno == EINTR);
	return r;
}

pid_t fd_lock_holder(int fd, off_t byte)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	return fcntl(fd, F_GETLK, &l) < 0 || l.l_type == F_UNLCK ? 0 : l.l_pid;
}
