/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_send: the log drivers that give each line to somebody else: journald (its native protocol, a datagram of fields a line) and syslog
 * (RFC 3164, RFC 5424, or docker's own form; over unix sockets, UDP or TCP).
 */
#pragma once

#include "monitor/log_record.h"

#include <sys/socket.h>

struct log_send {
	int fd;            /* -1: not connected */
	int64_t retry_ns;  /* not before then */
	char *room;        /* a message */
	size_t size;
	bool stream;       /* a message that was sent in part cannot be taken back: the rest waits in room */
	size_t at, end;    /* of that rest */
	int64_t patient_ns; /* nobody waits for it before then */
	struct sockaddr_storage peer; /* of udp:// and tcp://, as the name was looked up at the start */
	socklen_t peer_len;
};
/* Connects. Without a receiver the container does not start. */
int log_send_open(struct log_send *s, const struct log_options *o, struct err *e) must_use;
void log_send_drop(struct log_send *s);
/* 0, or an errno: the line was not taken. A receiver that is slow is waited for, LOG_SEND_MS at most; one that took nothing in that time is not waited
 * for again for LOG_STUCK_MS: what it does not take at once is not taken. With mode=non-blocking nobody ever waits. */
enum { LOG_SEND_MS = 1000, LOG_STUCK_MS = 10000 };
int log_send(struct log_send *s, const struct log_options *o, const struct log_line *l);
/* "udp://host:514", "tcp://…", "unix:///path", "unixgram:///path"; "" is /dev/log. ERR_USAGE */
int log_send_check(const char *address, struct err *e) must_use;
