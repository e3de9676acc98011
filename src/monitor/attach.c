/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: one poll loop over our stdin, the socket, our stdout and stderr and a signalfd.
 *
 * Nothing in it blocks, so that neither direction can hold up the other: input waits in `tx` until the socket
 * takes it, output in `rx` until our stdout does. The flags of a file description are shared with whoever has
 * the other copies of it (a shell and its terminal), so O_NONBLOCK is never set on what we were given: a pipe or
 * terminal is opened once more through /proc, sockets are written with MSG_DONTWAIT, files do not block.
 *
 * Signals that the caller had set to be ignored (nohup, background jobs of a script) stay ignored.
 */
#include "monitor/attach.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "monitor/attach_keys.h"
#include "sys/tty.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { INPUT = 65536, OUTPUT = 131072 };

int attach_connect_words(int run_dir, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/attach.sock", run_dir);
	own(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return err_sys(e, "attach");
	int r;
	do
		r = connect(sock, (struct sockaddr *)&a, sizeof a);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? err_set(e, ERR_NOT_FOUND, "the container is not running")
			: err_sys(e, "attach");
	return take_fd(sock);
}

int attach_word(int sock, const void *p, size_t n, int fd, struct err *e)
{
	unsigned char head[ATTACH_HEADER];
	uint32_t answer;
	attach_header(head, ATTACH_WORD, (uint32_t)n);
	if (fd_send(sock, head, sizeof head, NULL, 0, e) < 0 || fd_send(sock, p, n, &fd, fd >= 0, e) < 0)
		return -1;
	if (fd_read_full(sock, head, sizeof head) != sizeof head || head[0] != ATTACH_WORD || fd_read_full(sock, &answer, sizeof answer) != sizeof answer)
		return err_set(e, ERR_NOT_FOUND, "the container is not running");
	errno = (int)be32toh(answer);
	return errno ? err_sys(e, "the container's monitor") : 0;
}

int attach_connect(int run_dir, unsigned streams, struct err *e)
{
	own(fd) int sock = attach_connect_words(run_dir, e);
	if (sock < 0)
		return -1;
	unsigned char hello[ATTACH_HEADER + 1];
	attach_header(hello, ATTACH_HELLO, 1);
	hello[ATTACH_HEADER] = (unsigned char)streams;
	/* A monitor that ends just now is seen by the caller's first read. */
	send(sock, hello, sizeof hello, MSG_NOSIGNAL);
	return take_fd(sock);
}

struct sink {
	int given, fd;
	bool own, is_socket, open, blocked;
	struct pollfd *poll;
};

struct session {
	const struct attach_client *c;
	struct tty_mode mode;
	int signals;
	sigset_t mask, mask_before;
	struct sigaction pipe_before;
	int size_of;              /* the terminal whose size the container's follows, or -1 */
	bool resized;
	struct attach_keys keys;
	bool detached, gone, input_over, end_told, lost;
	size_t early_at;
	unsigned char in[INPUT];
	unsigned char tx[ATTACH_HEADER + INPUT + ATTACH_KEYS_MAX];
	size_t tx_at, tx_len;
	unsigned char rx[OUTPUT];
	size_t rx_at, rx_len;
	unsigned type;            /* of the frame whose payload comes */
	uint32_t left;
	struct sink sinks[2];
	bool exited, bye;
	uint32_t status;
};

static void session_drop(struct session **p)
{
	struct session *s = *p;
	if (!s)
		return;
	tty_restore(&s->mode);
	struct signalfd_siginfo info;
	while (s->signals >= 0 && read(s->signals, &info, sizeof info) > 0)
		;
	fd_drop(&s->signals);
	sigaction(SIGPIPE, &s->pipe_before, NULL);
	sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
	for (int i = 0; i < 2; i++)
		if (s->sinks[i].own)
			fd_drop(&s->sinks[i].fd);
	mem_drop(p);
}

static void open_sink(struct sink *k)
{
	struct stat st;
	k->open = true;
	k->fd = k->given;
	if (k->given < 0 || fstat(k->given, &st) < 0)
		return;
	k->is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !isatty(k->given))
		return;
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", k->given);
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		k->fd = fd;
		k->own = true;
	}
}

/* As much as it takes now; as write(2), with EAGAIN. */
static ssize_t write_sink(struct sink *k, const void *p, size_t n)
{
	ssize_t w;
	if (!k->open)
		open_sink(k);
	if (k->fd < 0)
		return (ssize_t)n;
	do
		w = k->is_socket ? send(k->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(k->fd, p, n);
	while (w < 0 && errno == EINTR);
	return w;
}

static bool is_proxied(int sig)
{
	static const int kept[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGURG, SIGTTIN, SIGTTOU, SIGWINCH, SIGSEGV, SIGBUS,
		SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	for (size_t i = 0; i < countof(kept); i++)
		if (kept[i] == sig)
			return false;
	return sig < 32 || sig >= SIGRTMIN;
}

static bool ends_us(int sig)
{
	return sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM;
}

static int take_signals(struct session *s, struct err *e)
{
	sigemptyset(&s->mask);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		struct sigaction a;
		bool wanted = s->c->sig_proxy ? is_proxied(sig) : s->mode.changed && ends_us(sig);
		if (wanted && sigaction(sig, NULL, &a) == 0 && a.sa_handler != SIG_IGN)
			sigaddset(&s->mask, sig);
	}
	if (s->size_of >= 0)
		sigaddset(&s->mask, SIGWINCH);
	sigprocmask(SIG_BLOCK, &s->mask, NULL);
	s->signals = signalfd(-1, &s->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? err_sys(e, "signals") : 0;
}

static size_t rows_frame(unsigned short rows, unsigned short cols, unsigned char f[static ATTACH_HEADER + 4])
{
	const unsigned short size[2] = {rows, cols};
	attach_header(f, ATTACH_RESIZE, 4);
	for (int i = 0; i < 2; i++) {
		f[ATTACH_HEADER + i * 2] = (unsigned char)(size[i] >> 8);
		f[ATTACH_HEADER + i * 2 + 1] = (unsigned char)size[i];
	}
	return ATTACH_HEADER + 4;
}

static size_t size_frame(int tty, unsigned char f[static ATTACH_HEADER + 4])
{
	unsigned short rows, cols;
	return tty_get_size(tty, &rows, &cols) ? rows_frame(rows, cols, f) : 0;
}

void attach_send_rows(int sock, unsigned short rows, unsigned short cols)
{
	unsigned char f[ATTACH_HEADER + 4];
	send(sock, f, rows_frame(rows, cols, f), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void attach_send_size(int sock, int tty)
{
	unsigned char f[ATTACH_HEADER + 4];
	size_t n = size_frame(tty, f);
	if (n)
		send(sock, f, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct session *session_open(const struct attach_client *c, struct err *e)
{
	own(session) struct session *s = mem_alloc(sizeof *s);
	s->c = c;
	s->signals = -1;
	s->size_of = -1;
	sigprocmask(SIG_SETMASK, NULL, &s->mask_before);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &s->pipe_before);
	s->sinks[0].given = c->out;
	s->sinks[1].given = c->err;
	s->input_over = c->in < 0;
	s->end_told = c->in < 0;
	if (c->tty) {
		s->keys = (struct attach_keys){.keys = c->detach_keys, .nkeys = c->ndetach_keys};
		s->size_of = c->out >= 0 && isatty(c->out) ? c->out : c->in >= 0 && isatty(c->in) ? c->in : -1;
		s->resized = s->size_of >= 0;
	}
	if (c->tty && c->in >= 0 && isatty(c->in) && tty_raw(c->in, &s->mode, e) < 0)
		return NULL;
	return take_signals(s, e) < 0 ? NULL : take(s);
}

static ssize_t take_input(struct session *s)
{
	size_t n = s->c->nearly - s->early_at;
	if (!n)
		return read(s->c->in, s->in, sizeof s->in);
	n = n < sizeof s->in ? n : sizeof s->in;
	memcpy(s->in, (const char *)s->c->early + s->early_at, n);
	s->early_at += n;
	return (ssize_t)n;
}

/* One chunk of input becomes a frame in tx. */
static void read_input(struct session *s)
{
	ssize_t n;
	do
		n = take_input(s);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	size_t len = 0;
	if (n > 0) {
		len = attach_keys_filter(&s->keys, s->in, (size_t)n, s->tx + ATTACH_HEADER, &s->detached);
	} else {
		/* A terminal in raw mode has no end but that it was hung up. */
		s->gone = s->mode.changed;
		s->input_over = true;
		len = s->keys.nheld;
		memcpy(s->tx + ATTACH_HEADER, s->keys.held, len);
	}
	s->tx_at = 0;
	s->tx_len = len ? ATTACH_HEADER + len : 0;
	attach_header(s->tx, ATTACH_DATA_IN, (uint32_t)len);
}

/* What is to be said next when nothing waits in tx: the size, the end of the input. */
static void fill_tx(struct session *s)
{
	s->tx_at = s->tx_len = 0;
	if (s->resized) {
		s->tx_len = size_frame(s->size_of, s->tx);
		s->resized = false;
	} else if (s->input_over && !s->end_told) {
		attach_header(s->tx, ATTACH_DATA_IN, 0);
		s->tx_len = ATTACH_HEADER;
		s->end_told = true;
	}
}

static void send_tx(struct session *s)
{
	for (;;) {
		if (s->tx_at == s->tx_len)
			fill_tx(s);
		if (s->tx_at == s->tx_len)
			return;
		ssize_t n = send(s->c->sock, s->tx + s->tx_at, s->tx_len - s->tx_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			/* It takes nothing any more; what it has said is still to be read. */
			s->input_over = s->end_told = true;
			s->resized = false;
			s->size_of = -1;
			s->tx_at = s->tx_len = 0;
			return;
		}
		s->tx_at += (size_t)n;
	}
}

static int show(struct session *s, struct err *e)
{
	struct sink *k = &s->sinks[s->type == ATTACH_DATA_ERR];
	size_t n = s->rx_len - s->rx_at;
	if (n > s->left)
		n = s->left;
	ssize_t w = write_sink(k, s->rx + s->rx_at, n);
	k->blocked = w < 0 && errno == EAGAIN;
	if (k->blocked)
		return 0;
	if (w < 0)
		return err_sys(e, k == s->sinks ? "write to the standard output" : "write to the standard error");
	s->rx_at += (size_t)w;
	s->left -= (uint32_t)w;
	return 0;
}

/* Takes apart what is in rx, as far as our stdout and stderr follow. */
static int read_frames(struct session *s, struct err *e)
{
	s->sinks[0].blocked = s->sinks[1].blocked = false;
	for (;;) {
		size_t n = s->rx_len - s->rx_at;
		const unsigned char *p = s->rx + s->rx_at;
		if (s->left) {
			if (!n)
				break;
			if (show(s, e) < 0)
				return -1;
			if (s->sinks[0].blocked || s->sinks[1].blocked)
				return 0;
			continue;
		}
		if (n < ATTACH_HEADER || (p[0] == ATTACH_EXIT && n < ATTACH_HEADER + 4))
			break;
		uint32_t word;
		memcpy(&word, p + 4, sizeof word);
		s->type = p[0];
		s->left = be32toh(word);
		if (s->c->framed && (s->type == ATTACH_DATA_OUT || s->type == ATTACH_DATA_ERR))
			s->left += ATTACH_HEADER;
		else
			s->rx_at += ATTACH_HEADER;
		s->bye = s->type == ATTACH_BYE;
		s->exited = s->type == ATTACH_EXIT;
		if (s->exited) {
			memcpy(&word, p + ATTACH_HEADER, sizeof word);
			s->status = be32toh(word);
		}
		if (s->exited || s->bye)
			return 0;
		if (s->type != ATTACH_DATA_OUT && s->type != ATTACH_DATA_ERR)
			return err_set(e, ERR_REMOTE, "attach: the monitor sent a frame of type %u", s->type);
	}
	memmove(s->rx, s->rx + s->rx_at, s->rx_len - s->rx_at);
	s->rx_len -= s->rx_at;
	s->rx_at = 0;
	return 0;
}

static int receive(struct session *s, struct err *e)
{
	ssize_t n = recv(s->c->sock, s->rx + s->rx_len, sizeof s->rx - s->rx_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_sys(e, "read from the monitor");
	if (n <= 0) {
		s->lost = true;
		return 0;
	}
	s->rx_len += (size_t)n;
	return read_frames(s, e);
}

static void read_signals(struct session *s)
{
	struct signalfd_siginfo info;
	while (read(s->signals, &info, sizeof info) == sizeof info) {
		int sig = (int)info.ssi_signo;
		if (sig == SIGWINCH) {
			s->resized = s->size_of >= 0;
		} else if (s->c->sig_proxy) {
			if (s->c->on_signal)
				s->c->on_signal(s->c->arg, sig);
		} else {
			/* It ends us, but not with the terminal in raw mode. */
			sigset_t one;
			sigemptyset(&one);
			sigaddset(&one, sig);
			tty_restore(&s->mode);
			raise(sig);
			sigprocmask(SIG_UNBLOCK, &one, NULL);
		}
	}
}

enum { ROW_SOCK, ROW_IN, ROW_SIGNALS, ROW_OUT, ROW_ERR, ROW_PEER, ROWS };

static int step(struct session *s, struct err *e)
{
	bool waits = s->sinks[0].blocked || s->sinks[1].blocked, sends = s->tx_at < s->tx_len;
	struct pollfd p[ROWS] = {
		[ROW_SOCK] = {waits && !sends ? -1 : s->c->sock, (short)((waits ? 0 : POLLIN) | (sends ? POLLOUT : 0)), 0},
		[ROW_IN] = {s->input_over || sends ? -1 : s->c->in, POLLIN, 0},
		[ROW_SIGNALS] = {s->signals, POLLIN, 0},
		[ROW_OUT] = {s->sinks[0].blocked ? s->sinks[0].fd : -1, POLLOUT, 0},
		[ROW_ERR] = {s->sinks[1].blocked ? s->sinks[1].fd : -1, POLLOUT, 0},
		/* What it said before it went is passed on first. */
		[ROW_PEER] = {s->c->is_stream && s->input_over && !sends ? s->c->out : -1, 0, 0},
	};
	bool early = s->early_at < s->c->nearly && !s->input_over && !sends;
	if (poll(p, ROWS, early ? 0 : -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	if (p[ROW_SIGNALS].revents)
		read_signals(s);
	if ((p[ROW_OUT].revents || p[ROW_ERR].revents) && read_frames(s, e) < 0)
		return -1;
	if (p[ROW_SOCK].revents && !waits && receive(s, e) < 0)
		return -1;
	if (p[ROW_IN].revents || early)
		read_input(s);
	s->gone |= p[ROW_PEER].revents & (POLLHUP | POLLERR);
	send_tx(s);
	return 0;
}

int attach_run(const struct attach_client *c, enum attach_end *ret_end, int *ret_status, struct err *e)
{
	own(session) struct session *s = session_open(c, e);
	if (!s)
		return -1;
	send_tx(s);
	while (!s->exited && !s->bye && !s->lost && !s->detached && !s->gone)
		if (step(s, e) < 0)
			return -1;
	*ret_end = s->exited ? ATTACH_EXITED : s->bye ? ATTACH_INPUT_OVER : s->lost ? ATTACH_LOST : s->gone ? ATTACH_GONE : ATTACH_DETACHED;
	if (s->exited)
		*ret_status = (int)s->status;
	return 0;
}
