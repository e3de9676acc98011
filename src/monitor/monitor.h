/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor: the one small process per running container. It is a fork of the command that started the
 * container, outlives it, and is the parent of the container's first process: it owns the container's
 * stdio or terminal, writes the log, serves the attach socket, reaps the exit and records it.
 *
 * SIGTERM stops the container as `stop` does: a machine that is shut down sends it to all processes, and records are right then.
 *
 * After the container has started it allocates nothing, and its RSS stays below 1 MiB. It holds an
 * exclusive lock on `lock` in the container's run directory for as long as it lives: a free lock beside
 * a live.json means that it was killed.
 */
#pragma once

#include "runtime/checkpoint.h"

#include <poll.h>

enum log_driver { LOG_JSON_FILE, LOG_LOCAL, LOG_NONE, LOG_JOURNALD, LOG_SYSLOG };
enum log_form { LOG_FORM_DOCKER, LOG_RFC3164, LOG_RFC5424, LOG_RFC5424_MICRO };
struct log_options {
	enum log_driver driver;
	int dir;              /* where the files go: <name>, <name>.1 ... (newest first) */
	const char *name;     /* "container.log" */
	uint64_t max_size;    /* bytes before rotation; default 10 MB */
	unsigned max_files;   /* default 3 */
	bool compress;        /* rotated files are gzipped (log-opt compress=true) */
	const char *attrs;    /* JSON object text for json-file's "attrs" (labels, env), or NULL */
	uint64_t rate;        /* lines a second, 0: any; what is more is dropped and counted */
	bool non_blocking;    /* journald and syslog: who does not take a line at once does not get it */
	int buffer;           /* theirs: bytes of the socket's send buffer; 0: as it is */
	const char *fields;   /* journald: "KEY=value\n" …, of every line; may have bytes of zero */
	size_t nfields;
	const char *address;  /* syslog: log_send_check(); "": the local one */
	const char *tag, *hostname;
	unsigned facility;
	enum log_form form;
};

struct monitor_exit {
	int status;        /* exit code: 0..255, 128+n for a signal */
	int signal;        /* 0, or the signal that killed it */
	bool oom_killed;
	bool stopped;      /* the monitor was told to stop it, by SIGTERM, or is_final was set */
	int64_t finished_ns;
};

/* One who is there before the start, and misses nothing: a connected socket (the attach protocol, without its ATTACH_HELLO). */
struct monitor_client { int sock; unsigned streams; /* ATTACH_STDIN | ATTACH_STDOUT | ATTACH_STDERR */ };

struct monitor {
	struct container_create create;
	struct container_restore *restore; /* its processes come from a checkpoint: `create` is what else it is made of. NULL: they are new */
	/* May be NULL. What runs is a process that this makes, a child of ours, in a container that is another monitor's. stdio: as in create; the
	 * rest of `create` but its id and whether there is a terminal is not looked at. */
	int (*begin)(void *arg, const int stdio[3], struct container_process *ret, struct err *e);
	int files[3];      /* our ends of its standard files; -1: none. Set when they are there */
	struct log_options log;
	int run_dir;       /* fd of the container's run directory: attach.sock and lock live here */
	bool open_stdin;   /* -i: keep stdin open; attach clients feed it */
	bool stdin_once;   /* close it when the first attached client that feeds it goes */
	const struct monitor_client *clients;
	size_t nclients;
	int report;        /* written once: struct err of the failure, or kind ERR_NONE when started (its text: a warning, or ""); then closed */
	bool keeps_unit;   /* stays in the systemd unit that started it, whose main process it is to be; else it leaves it */
	bool keeps_preserved; /* create.preserve_fds stay open here, for the next container; else they are closed when it runs, and counted as 0 */
	int stop_signal, stop_seconds; /* how the container is stopped when we get SIGTERM; -1: waits for ever */
	unsigned stall_ms; /* a client that joined later is cut off when it holds the program up for so long; 0: 10 s */
	/* Fds that the callbacks use. All others are closed, but those named in this struct; create.rootfs is closed
	 * after the start. */
	int keep[56];
	size_t nkeep;
	const int *hold;   /* sockets that are only to stay open while the container runs */
	size_t nhold;
	/* Called in the monitor. created: after container_create, before the go (the last point at which a
	 * failure can be reported; of one that is restored: when its namespaces are there); started: right after the exec;
	 * exited: first process reaped and its cgroup removed, before attached
	 * clients hear of the end; finished: last, after the clients were told (the place for --rm). */
	int (*created)(void *arg, const struct container *c, struct err *e);
	void (*started)(void *arg, const struct container *c, int64_t started_ns);
	void (*exited)(void *arg, const struct monitor_exit *x);
	void (*finished)(void *arg);
	/* May be NULL. Something else that is served while the container runs: what it waits for (at most `room`), how long at most (*ms, -1: for
	 * ever); then what happened, also when nothing did. Neither waits. served() may set the two: the container is stopped as by SIGTERM; its
	 * end is told as `stopped`. */
	bool stop_now, is_final;
	size_t (*polls)(void *arg, struct pollfd *ret, size_t room, int *ms);
	void (*served)(void *arg, const struct pollfd *p, size_t n);
	/* May be NULL. A word that a verb has for what is served besides: ATTACH_WORD; takes fd (-1: none came). Returns an errno, 0: done. */
	int (*told)(void *arg, const void *p, size_t n, int fd);
	void *arg;
};

/* In a process of its own (forked by the caller): setsid, lets go of the caller's stdio and fds, creates and
 * starts the container, serves it until it ends. Returns the process's exit status. */
int monitor_main(struct monitor *m);
