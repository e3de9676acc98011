/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd: file descriptors. own(fd) int x = -1 closes itself. Every fd hull opens is O_CLOEXEC.
 */
#pragma once

#include "base/buf.h"

#include <sys/types.h>

void fd_drop(int *fd);
int fd_write_all(int fd, const void *p, size_t n);        /* 0, or -1 with errno; EINTR and short writes handled */
ssize_t fd_read_full(int fd, void *p, size_t n);          /* up to n bytes, less only at the end; -1 with errno */
int fd_read_to_end(int fd, struct buf *out);              /* -1 with errno; EFBIG past out->max */
int fd_pipe(int ret[2], struct err *e) must_use;          /* O_CLOEXEC */
int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);
/* One message with up to FD_PASS_MAX descriptors over a unix socket (SCM_RIGHTS). */
enum { FD_PASS_MAX = 16 };
int fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds, struct err *e) must_use;
/* Returns the bytes received, 0 at the end, -1 on error. *nfds in: room, out: received (O_CLOEXEC). */
ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t *nfds, struct err *e) must_use;
/* Closes every fd >= first that is not in keep[] (close_range with a /proc fallback). */
void fd_close_from(int first, const int *keep, size_t nkeep);
/* One byte of a file as a lock of this process (F_RDLCK, F_WRLCK, F_UNLCK; fcntl's, which fork does not hand on). -1 with errno; without
 * `wait` EAGAIN where another has it. */
int fd_lock_byte(int fd, short type, off_t byte, bool wait);
/* The process that has such a lock in the way of a reader or writer; 0: nobody. */
pid_t fd_lock_holder(int fd, off_t byte);
