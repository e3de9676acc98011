/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_daemon: docker's API as far as images go to and fro: HTTP/1.1 over a unix socket, one request a connection.
 */
#include "engine/transport.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_MAX = 64 << 10, CHUNK = 256 << 10, MESSAGE_MAX = 64 << 10 };

struct answer {
	int sock, status;
	char *room;       /* CHUNK bytes */
	size_t at, have;  /* what was read and not yet used */
	bool chunked;
	uint64_t length;  /* UINT64_MAX: to the end of the connection */
};

static int open_socket(struct err *e)
{
	const char *host = getenv("DOCKER_HOST"), *path = "/var/run/docker.sock";
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (!str_is_empty(host)) {
		path = str_after(host, "unix://");
		if (!path)
			return err_set(e, ERR_UNSUPPORTED, "docker-daemon: DOCKER_HOST is %.100s: only unix:// is reached", host);
	}
	if (strlen(path) >= sizeof to.sun_path)
		return err_set(e, ERR_USAGE, "docker-daemon: the path of its socket is too long");
	memcpy(to.sun_path, path, strlen(path));
	own(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) < 0)
		return err_sys(e, "docker-daemon: %s", path);
	return take_fd(sock);
}

static int send_body(int sock, int body, uint64_t size, struct err *e)
{
	for (off_t at = 0; (uint64_t)at < size;) {
		ssize_t n = sendfile(sock, body, &at, size - (uint64_t)at);
		/* It has answered already: that says more. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n <= 0 && errno != EINTR)
			return n < 0 ? err_sys(e, "docker-daemon: send") : err_set(e, ERR_CORRUPT, "the archive became shorter");
	}
	return 0;
}

/* 1: there is something in room; 0: the end. */
static int fill(struct answer *x, struct err *e)
{
	if (x->at < x->have)
		return 1;
	ssize_t n;
	do
		n = recv(x->sock, x->room, CHUNK, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "docker-daemon");
	x->at = 0;
	x->have = (size_t)n;
	return n > 0;
}

static int read_line(struct answer *x, struct buf *line, struct err *e)
{
	buf_reset(line);
	for (;;) {
		int r = fill(x, e);
		if (r <= 0)
			return r < 0 ? -1 : err_set(e, ERR_REMOTE, "docker-daemon: the answer ends in its middle");
		char c = x->room[x->at++];
		if (c == '\n')
			break;
		if (c != '\r' && buf_char(line, c) < 0)
			return err_set(e, ERR_REMOTE, "docker-daemon: a line of the answer is too long");
	}
	return 0;
}

static int read_head(struct answer *x, struct err *e)
{
	own(buf) struct buf line = BUF(HEAD_MAX);
	x->length = UINT64_MAX;
	if (read_line(x, &line, e) < 0)
		return -1;
	if (sscanf(buf_text(&line), "HTTP/1.%*d %d", &x->status) != 1)
		return err_set(e, ERR_REMOTE, "docker-daemon: what answers there does not speak HTTP");
	for (size_t lines = 0; lines < 200; lines++) {
		if (read_line(x, &line, e) < 0)
			return -1;
		if (!line.len)
			return 0;
		if (strncasecmp(line.data, "transfer-encoding:", 18) == 0)
			x->chunked = strcasestr(line.data + 18, "chunked") != NULL;
		if (strncasecmp(line.data, "content-length:", 15) == 0 && num_u64(str_trim(line.data + 15), UINT64_MAX - 1, &x->length, "length", e) < 0)
			return -1;
	}
	return err_set(e, ERR_REMOTE, "docker-daemon: the answer has too many headers");
}

static int copy_bytes(struct answer *x, uint64_t n, bool to_end, int out, struct err *e)
{
	while (to_end || n > 0) {
		int r = fill(x, e);
		if (r <= 0)
			return r < 0 ? -1 : to_end ? 0 : err_set(e, ERR_REMOTE, "docker-daemon: the answer ends in its middle");
		size_t piece = x->have - x->at;
		if (!to_end && piece > n)
			piece = (size_t)n;
		if (fd_write_all(out, x->room + x->at, piece) < 0)
			return err_sys(e, "write");
		x->at += piece;
		n -= piece;
	}
	return 0;
}

static int copy_body(struct answer *x, int out, struct err *e)
{
	own(buf) struct buf line = BUF(200);
	if (!x->chunked)
		return copy_bytes(x, x->length, x->length == UINT64_MAX, out, e);
	for (;;) {
		char *end;
		if (read_line(x, &line, e) < 0)
			return -1;
		errno = 0;
		unsigned long long n = strtoull(buf_text(&line), &end, 16);
		if (end == buf_text(&line) || errno || n > INT64_MAX)
			return err_set(e, ERR_REMOTE, "docker-daemon: a chunk of the answer has no size");
		if (n == 0)
			return 0;
		if (copy_bytes(x, n, false, out, e) < 0 || read_line(x, &line, e) < 0)
			return -1;
	}
}

/* {"message":"No such image: x"} */
static int complain(struct answer *x, struct err *e)
{
	own(fd) int file = openat(AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	own(buf) struct buf text = BUF(MESSAGE_MAX);
	own(json) struct json *j = NULL;
	struct err ignored = {};
	if (file >= 0 && copy_body(x, file, &ignored) == 0 && lseek(file, 0, SEEK_SET) == 0 && fd_read_to_end(file, &text) == 0)
		(void)!json_parse(buf_text(&text), text.len, &j, &ignored);
	const char *said = json_get_str(j, "message");
	return err_set(e, x->status == 404 ? ERR_NOT_FOUND : ERR_REMOTE, "docker: %.500s (status %d)", said ? said : "it refused", x->status);
}

int docker_daemon_request(const char *method, const char *path, const char *type, int body, int out, struct err *e)
{
	struct stat st = {};
	own(fd) int sock = open_socket(e);
	own(mem) char *room = mem_alloc(CHUNK);
	if (sock < 0)
		return -1;
	if (body >= 0 && fstat(body, &st) < 0)
		return err_sys(e, "archive");
	own(mem) char *head = mem_printf("%s %s HTTP/1.1\r\nHost: docker\r\nUser-Agent: hull\r\nConnection: close\r\n%s%s%sContent-Length: %llu\r\n\r\n",
		method, path, type ? "Content-Type: " : "", type ? type : "", type ? "\r\n" : "", (unsigned long long)st.st_size);
	struct answer x = {.sock = sock, .room = room};
	if (send(sock, head, strlen(head), MSG_NOSIGNAL) != (ssize_t)strlen(head))
		return err_sys(e, "docker-daemon: send");
	if (body >= 0 && send_body(sock, body, (uint64_t)st.st_size, e) < 0)
		return -1;
	do {
		if (read_head(&x, e) < 0)
			return -1;
	} while (x.status == 100);
	return x.status / 100 == 2 ? copy_body(&x, out, e) : complain(&x, e);
}
