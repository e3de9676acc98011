/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: the protocol between a client and a container's monitor, over a unix stream socket
 * (<run dir>/attach.sock, mode 0600; peers of another user are turned away by SO_PEERCRED).
 *
 * Frames as in docker's attach stream: 1 byte type, 3 bytes zero, 4 bytes big-endian length, payload of at
 * most ATTACH_FRAME_MAX. The first frame of a client on the listening socket is ATTACH_HELLO (payload: one byte of
 * ATTACH_STDIN.. flags), or ATTACH_WORD; docker's own types 0 1 2 keep their numbers so that the API can pass frames through.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

enum { ATTACH_STDIN = 1 << 0, ATTACH_STDOUT = 1 << 1, ATTACH_STDERR = 1 << 2 };
enum attach_type {
	ATTACH_DATA_IN = 0,  /* to the container's stdin; length 0: end of input */
	ATTACH_DATA_OUT = 1,
	ATTACH_DATA_ERR = 2,
	ATTACH_HELLO = 8,
	ATTACH_RESIZE = 9,   /* struct attach_size, big-endian u16 rows, cols */
	ATTACH_EXIT = 10,    /* to the client: u32 big-endian exit status; the last frame */
	ATTACH_BYE = 11,     /* to the client, the last frame: its input has ended and the container's stays open for others */
	ATTACH_WORD = 12,    /* to what the monitor serves besides (monitor.told), with an fd or none; the answer: u32 big-endian errno */
};
enum { ATTACH_HEADER = 8, ATTACH_FRAME_MAX = 65536, ATTACH_WORD_MAX = 64 };

void attach_header(unsigned char h[static ATTACH_HEADER], enum attach_type type, uint32_t len);

/* Connects to the monitor of the container whose run directory this is. ERR_NOT_FOUND: not running. */
int attach_connect(int run_dir, unsigned streams, struct err *e) must_use;

/* One who only has words for it; one at a time. ERR_NOT_FOUND: not running. */
int attach_connect_words(int run_dir, struct err *e) must_use;
/* fd: -1: none. e->sys: the errno that came back. */
int attach_word(int sock, const void *p, size_t n, int fd, struct err *e) must_use;

/* Tells the monitor the size of the terminal `tty`, on the socket that becomes one of monitor.clients and before the
 * start: the program finds its terminal in that size from its first instruction on. */
void attach_send_size(int sock, int tty);
void attach_send_rows(int sock, unsigned short rows, unsigned short cols);

/* The client's side: copies between our stdio and the socket until the container ends, we are detached, or the
 * monitor is gone. */
struct attach_client {
	int sock;
	int in, out, err;         /* -1: not that stream */
	bool tty;                 /* the container has a terminal: raw mode when `in` is one, follow its size */
	const unsigned char *detach_keys; /* "ctrl-p,ctrl-q" parsed by attach_parse_keys */
	size_t ndetach_keys;
	bool sig_proxy;           /* call on_signal for every signal we get (but CHLD PIPE URG TTIN TTOU WINCH) */
	/* `out` is a connection to who speaks docker's stream: also when it is not read from, its peer's going is our end (GONE). */
	bool is_stream;
	bool framed;              /* frames come out as they are: `err` may be `out` */
	const void *early;        /* input that came before `in` */
	size_t nearly;
	void (*on_signal)(void *arg, int sig);
	void *arg;
};
/* EXITED: the socket stays open until the monitor is gone, and with it what --rm removes. DETACHED: by the keys. LOST: the
 * monitor is gone, or cut us off because we took nothing for 10 s. INPUT_OVER: our input has ended, and others may
 * go on with the container's (ATTACH_BYE): as docker, the command ends then. GONE: our terminal was hung up, the peer of a stream is gone. */
enum attach_end { ATTACH_EXITED, ATTACH_DETACHED, ATTACH_LOST, ATTACH_INPUT_OVER, ATTACH_GONE };
/* The terminal is back in its mode whatever the outcome. On an error of `out` or `err`, e->sys is its errno: EPIPE
 * means that the reader went away, for which a command says nothing (exit status 141). The container runs on. */
int attach_run(const struct attach_client *c, enum attach_end *ret_end, int *ret_status, struct err *e) must_use;
/* "ctrl-p,ctrl-q", "a", "ctrl-@,DEL": docker's grammar. At most 16 bytes. "" gives none. */
int attach_parse_keys(const char *text, unsigned char ret[static 16], size_t *ret_n, struct err *e) must_use;
