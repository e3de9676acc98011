/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server: what the files of the monitor share: the streams of the container on one side, its log and
 * the attached clients on the other.
 *
 * A source holds one chunk of output. It is written to the log as soon as it was read, and is read again when
 * every client that wants it has taken all of the chunk: a client that cannot keep up holds the program up as a pipe
 * would, nothing is lost, and what the program has written so far is in the log. Two rules keep this from doing harm:
 *  - a client that was there before the start (`hull run` in the foreground) may wait as long as it likes: it is the
 *    program's output, as with `program | less`;
 *  - any other client that takes nothing for STALL_MS while the program waits for it is cut off.
 * A full disk never holds anything up (log_write).
 *
 * Input is one buffer too: a client's next frame of input is read when the program has taken the last.
 */
#pragma once

#include "monitor/attach.h"
#include "monitor/log_write.h"
#include "monitor/monitor.h"

#include <poll.h>
#include <sys/uio.h>

enum { CLIENTS_MAX = 256, POLLS_MAX = CLIENTS_MAX + 5 + 65 /* of a guest */, CHUNK = 65536, STALL_MS = 10000 };

struct source {
	int fd;
	unsigned char *chunk; /* CHUNK bytes; after the end of the program as many as are left */
	size_t len;           /* 0: nothing waits for clients */
	struct pollfd *poll;  /* in this round, or NULL */
};

struct client {
	int sock;
	unsigned streams;     /* ATTACH_STDIN … */
	bool greeted;         /* its hello has come */
	bool first;           /* it was there before the start */
	bool fed;             /* its input has ended */
	bool shut, hung;      /* it shut down its side; it is gone */
	bool resized;
	bool bye;             /* its input has ended, the program's stays open */
	/* the frame coming in */
	unsigned char head[ATTACH_HEADER];
	size_t head_got;
	uint32_t left;        /* payload bytes still to come */
	unsigned char small[ATTACH_WORD_MAX]; /* payload of a hello, a resize, a word */
	size_t small_got;
	int given;            /* the fd that came with a word, or -1 */
	/* the frame going out */
	unsigned char out[ATTACH_HEADER + 4];
	size_t out_len, out_sent;
	int source;           /* its payload is the next body_left bytes of that source's chunk */
	uint32_t body_left;
	size_t pos[2];        /* what it has of each chunk */
	bool told;            /* the last frame is (being) sent */
	int64_t blocked_ns;   /* since when it takes nothing; 0: it is not blocked */
	struct pollfd *poll;
};

/* Lives in a mapping of its own: a page that is never used costs nothing. */
struct server {
	struct monitor *monitor;
	struct container container;
	bool created;
	struct log log;
	int listener, lock;
	bool accept_failed;       /* no fds, no memory: the next round leaves it alone */
	struct pollfd *listener_poll;
	struct source sources[2]; /* stdout or the terminal, stderr */
	int slave;                /* the terminal's other end, kept open */
	int input;                /* the program's stdin (or the terminal), or -1 */
	size_t input_at, input_len; /* of input_buf: what waits for the program */
	bool input_closing;       /* close it when what waits is written */
	struct pollfd *input_poll;
	bool tty;
	bool ended;               /* the first process was reaped … */
	int status;               /* … with this */
	struct iovec code[32];      /* what is given back before a long wait */
	size_t ncode;
	bool sleeps;                /* the next wait is one */
	size_t nclients, npolls;
	struct client clients[CLIENTS_MAX];
	struct pollfd polls[POLLS_MAX];
	unsigned char chunks[2][CHUNK], input_buf[CHUNK];
};

/* A row for fd in this round's poll. */
static inline struct pollfd *server_poll(struct server *s, int fd, short events)
{
	struct pollfd *p = &s->polls[s->npolls++];
	*p = (struct pollfd){.fd = fd, .events = events};
	return p;
}

/* pump.c: the container's side */
int pump_open(struct server *s, int child[3], struct err *e) must_use; /* pipes; child: the program's ends */
int pump_open_console(struct server *s, struct err *e) must_use;       /* the terminal, after container_create */
void pump_polls(struct server *s);
void pump_serve(struct server *s);                      /* after poll */
void pump_write_input(struct server *s);
/* The program has ended: everything it wrote goes to the log now; what clients have not taken is kept for them. */
void pump_take_rest(struct server *s);
void pump_drop(struct server *s);

/* attach_server.c: the clients' side */
int clients_listen(struct server *s, struct err *e) must_use;
void clients_add(struct server *s, int sock, bool first, unsigned streams); /* takes sock */
void clients_greet(struct server *s);                   /* what the first clients sent before the start: their size */
void clients_polls(struct server *s);
void clients_serve(struct server *s);                   /* after poll */
void clients_accept(struct server *s);
void clients_send(struct server *s);                    /* as much as they take; frees the chunks that all have */
bool clients_have_all(const struct server *s);          /* the exit frame too */
int clients_timeout(const struct server *s);            /* ms until the next one is cut off, -1: none */
void clients_drop(struct server *s);
