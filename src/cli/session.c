/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: the copying is monitor/attach.h's. What it leaves to us: which signals go to the container (all that reach us
 * and can be handed on), and the end. The monitor tells the exit status in its last frame. By then a --rm container is not
 * found any more, nor are its name and its volumes; its files go while nobody waits for that.
 *
 * When our terminal is gone the process hears SIGHUP, as it would have without us, and we go; it runs on if it wants to.
 */
#include "cli/session.h"

#include "base/fd.h"
#include "cli/cli.h"
#include "engine/events.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READER_GONE = 128 + SIGPIPE, HUNG_UP = 128 + SIGHUP, ASKED_ENOUGH = 3, MONITOR_TRIES = 20 };

int session_check_tty(bool tty, unsigned streams, struct err *e)
{
	if (!tty || !(streams & ATTACH_STDIN) || isatty(0))
		return 0;
	return err_set(e, ERR_USAGE, "the input device is not a TTY: leave -t away, or start hull in a terminal");
}

int session_socket(bool tty, int ret[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) < 0)
		return err_sys(e, "make a socket");
	if (tty)
		attach_send_size(ret[1], isatty(1) ? 1 : 0);
	return 0;
}

struct watch {
	const struct session *s;
	int sock, asked; /* asked: how often we were told to end */
	bool leave, hung_up;
};

/* A program that is its container's first process and has no handler for SIGINT does not hear it: whoever goes on asking
 * wants out, as in docker. */
static void on_signal(void *arg, int sig)
{
	struct watch *w = arg;
	struct err ignored = {};
	w->hung_up |= sig == SIGHUP;
	if (container_reload_state(w->s->c, &ignored) == 0)
		(void)!container_signal(w->s->g, w->s->c, sig, &ignored);
	if ((sig == SIGINT || sig == SIGTERM) && ++w->asked == ASKED_ENOUGH) {
		w->leave = true;
		shutdown(w->sock, SHUT_RDWR);
	}
}

/* One that was killed seems to live until the kernel is through with it. */
static bool has_monitor(const struct session *s)
{
	struct err ignored = {};
	for (int i = 0; i < MONITOR_TRIES; i++) {
		if (container_reload_state(s->c, &ignored) < 0 || !container_state_has_monitor(&s->g->containers, &s->c->state))
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return true;
}

/* The monitor was killed, or would not wait for our reader any longer. */
static int wait_without(const struct session *s, int *ret_status, struct err *e)
{
	static const char missed[] = "the output was not taken for some time: what is missing of it is in `hull logs %.200s`";
	bool told = has_monitor(s);
	if (told)
		cli_warn(missed, container_label(s->c));
	if (container_wait(s->g, s->c, -1, ret_status, e) < 0)
		return -1;
	const char *why = s->c->state.error;
	if (!str_is_empty(why))
		return err_set(e, ERR_SYSTEM, "container %.200s: %s", container_label(s->c), why);
	if (!told)
		cli_warn(missed, container_label(s->c));
	return 0;
}

/* `hull run --rm box yes | head`: nobody would ever look at the container again. One that is kept runs on. */
static void reader_gone(const struct session *s)
{
	struct err ignored = {};
	if (s->owned && s->c->record.host.auto_remove)
		(void)!container_delete(s->g, s->c->id, true, true, &ignored);
}

int session_run(const struct session *s, int sock, int *ret_status, struct err *e)
{
	own(fd) int fd = sock;
	const struct host_config *h = &s->c->record.host;
	struct watch w = {.s = s, .sock = fd};
	unsigned char keys[16];
	struct attach_client c = {.sock = fd, .in = s->streams & ATTACH_STDIN ? 0 : -1, .out = s->streams & ATTACH_STDOUT ? 1 : -1,
		.err = s->streams & ATTACH_STDERR ? 2 : -1, .tty = s->c->record.config.tty, .detach_keys = keys,
		.sig_proxy = s->sig_proxy, .on_signal = on_signal, .arg = &w};
	const char *text = s->detach_keys ? s->detach_keys : !str_is_empty(h->detach_keys) ? h->detach_keys : "ctrl-p,ctrl-q";
	if (attach_parse_keys(text, keys, &c.ndetach_keys, e) < 0)
		return err_wrap(e, "--detach-keys");
	enum attach_end end;
	int status = 0;
	if (attach_run(&c, &end, &status, e) < 0) {
		if (e->sys != EPIPE)
			return -1;
		*e = (struct err){};
		reader_gone(s);
		*ret_status = READER_GONE;
		return 0;
	}
	if (end == ATTACH_DETACHED) {
		fputs("read escape sequence\n", stderr);
		event_container(s->g, s->c, "detach");
	}
	if (w.leave)
		return err_set(e, ERR_CONFLICT, "asked to end %d times: container %.200s is left running, `hull kill %.200s` ends it",
			w.asked, container_label(s->c), container_label(s->c));
	if (end == ATTACH_GONE) {
		if (s->sig_proxy && !w.hung_up)
			on_signal(&w, SIGHUP);
		*ret_status = HUNG_UP;
		return 0;
	}
	if (end == ATTACH_LOST && wait_without(s, &status, e) < 0)
		return -1;
	*ret_status = end == ATTACH_DETACHED || end == ATTACH_INPUT_OVER ? 0 : status;
	return 0;
}
