/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_shell: a shell where a step is, or was when it failed: with the step's variables, user, directory, mounts and network. What is done in there
 * is in no layer. On a terminal it has one of its own; else it reads what stdin has.
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/num.h"
#include "build/interrupt.h"
#include "runtime/container.h"
#include "sys/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

bool run_shell_has_terminal(void)
{
	return isatty(0) && isatty(2);
}

static bool hand_over(int from, int to)
{
	char room[4096];
	ssize_t n = read(from, room, sizeof room);
	if (n > 0)
		return fd_write_all(to, room, (size_t)n) == 0;
	return n < 0 && (errno == EINTR || errno == EAGAIN);
}

static void fit(int console, unsigned short size[2])
{
	unsigned short now[2];
	if (!tty_get_size(2, &now[0], &now[1]) || memcmp(now, size, sizeof now) == 0)
		return;
	memcpy(size, now, sizeof now);
	(void)!tty_set_size(console, now[0], now[1]);
}

int run_shell_serve(struct run *r, struct container *ct, struct err *e)
{
	own(tty_mode) struct tty_mode mode = {};
	unsigned short size[2] = {};
	bool ended = false, killed = false;
	int in = ct->console >= 0 ? 0 : -1;
	if (ct->console >= 0 && tty_raw(0, &mode, e) < 0)
		return -1;
	while (!ended) {
		struct pollfd f[3 + RESOLVER_POLLS] = {{.fd = in, .events = POLLIN}, {.fd = ct->console, .events = POLLIN}, {.fd = ct->pidfd,
			.events = POLLIN}};
		int ms = -1;
		size_t asked = r->net.resolver ? resolver_polls(r->net.resolver, f + 3, RESOLVER_POLLS, &ms) : 0;
		if (ct->console >= 0)
			fit(ct->console, size);
		int n = killed ? poll(f, 3 + asked, ms) : interrupt_poll(f, 3 + asked, ms);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (n < 0 && interrupt_came() && !killed) {
			killed = true;
			kill(ct->pid, SIGKILL);
		}
		if (n < 0)
			continue;
		if (r->net.resolver)
			resolver_serve(r->net.resolver, f + 3, asked);
		if (f[0].revents && !hand_over(0, ct->console))
			in = -1;
		if (f[1].revents & POLLIN)
			(void)!hand_over(ct->console, 2);
		ended = f[2].revents != 0;
	}
	siginfo_t info = {};
	while (waitid(P_PID, (id_t)ct->pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	for (struct pollfd f = {.fd = ct->console, .events = POLLIN}; ct->console >= 0 && poll(&f, 1, 0) > 0 && f.revents & POLLIN;)
		if (!hand_over(ct->console, 2))
			break;
	return interrupt_came() ? err_set(e, ERR_CONFLICT, "interrupted") : 0;
}

void run_shell_tell(struct step *x, const char *why)
{
	own(mem) char *text = mem_printf("%s: a shell where %s is; it ends with exit\n", why, x->name);
	event_send(x->b, BUILD_SHELL, 0, NULL, 0, text, strlen(text));
}

/* --- where --- */

static bool is_stage(const struct stage *s, const char *name)
{
	uint64_t number;
	struct err ignored = {};
	if (s->name && strcasecmp(s->name, name) == 0)
		return true;
	return num_u64(name, UINT32_MAX, &number, "stage", &ignored) == 0 && number == s->index;
}

static bool read_place(const char *text, char **ret_stage, unsigned *ret_line)
{
	const char *colon = strrchr(text, ':');
	uint64_t line;
	struct err ignored = {};
	*ret_stage = colon ? mem_ndup(text, (size_t)(colon - text)) : NULL;
	if (num_u64(colon ? colon + 1 : text, LEX_MAX, &line, "line", &ignored) < 0)
		return false;
	*ret_line = (unsigned)line;
	return true;
}

static bool is_at(const struct stage *s, const struct inst *i, const char *stage, unsigned line)
{
	return !i->is_trigger && (!stage || is_stage(s, stage)) && line >= i->node->at.line && line <= i->node->last;
}

bool step_is_debugged(const struct step *x)
{
	own(mem) char *stage = NULL;
	unsigned line = 0;
	if (str_is_empty(x->b->q->debug_at) || !read_place(x->b->q->debug_at, &stage, &line))
		return false;
	return is_at(x->s->stage, x->i, stage, line);
}

int debug_check(const struct build *b, struct err *e)
{
	own(mem) char *stage = NULL;
	unsigned line = 0;
	if (str_is_empty(b->q->debug_at))
		return 0;
	if (!read_place(b->q->debug_at, &stage, &line))
		return err_set(e, ERR_USAGE, "invalid --debug-at \"%.60s\": as in STAGE:LINE, or LINE", b->q->debug_at);
	for (size_t i = 0; i < b->df.stages.n; i++)
		for (size_t k = 0; b->needed[i] && k < b->df.stages.v[i].steps.n; k++)
			if (is_at(&b->df.stages.v[i], &b->df.stages.v[i].steps.v[k], stage, line))
				return 0;
	return err_set(e, ERR_USAGE, "--debug-at %.60s: no instruction of a stage that is built stands there", b->q->debug_at);
}
