/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ns_run.h"

#include "base/fd.h"
#include "base/str.h"
#include "sys/caps.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is permitted stays so through the exec. */
static int keep_caps(struct err *e)
{
	uint64_t have = caps_permitted();
	return caps_apply(have, have, have, e) < 0 ? -1 : caps_raise_ambient(have, e);
}

static int become(const struct ns_who *who, struct err *e)
{
	/* Where a plain user mapped his own group, setgroups is denied, and there is nothing to give up either. */
	if (who->set_gid && setgroups(0, NULL) < 0 && errno != EPERM)
		return err_sys(e, "give up groups");
	if (who->set_gid && setgid(who->gid) < 0)
		return err_sys(e, "become group %u", who->gid);
	if (who->set_uid && setuid(who->uid) < 0)
		return err_sys(e, "become user %u", who->uid);
	return who->keep_caps ? keep_caps(e) : 0;
}

int ns_exec(const struct ns_who *who, char *const *argv, struct err *e)
{
	const char *shell = getenv("SHELL");
	char *const alone[] = {(char *)(uintptr_t)(str_is_empty(shell) ? "/bin/sh" : shell), NULL};
	if (become(who, e) < 0)
		return -1;
	if (!argv[0])
		argv = alone;
	fd_close_from(3, NULL, 0);
	execvp(argv[0], argv);
	int why = errno;
	err_sys_(e, "%.200s", argv[0]);
	e->kind = why == ENOENT ? ERR_NOCMD : ERR_NOEXEC;
	return -1;
}

int ns_wait(pid_t child, struct err *e)
{
	/* A ^C is for the command; it decides whether that is the end. */
	static const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGQUIT, &ignore, NULL);
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for the command");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
