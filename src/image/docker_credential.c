/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_credential: see docker_credential.h.
 */
#include "image/docker_credential.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELPER_MS = 60000 };

static bool is_hub(const char *host)
{
	return strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0 || strcmp(host, "registry-1.docker.io") == 0;
}

const char *docker_credential_key(const char *registry)
{
	return is_hub(registry) ? "https://index.docker.io/v1/" : registry;
}

bool docker_credential_is_key(const char *key, const char *registry)
{
	const char *rest = str_after(key, "https://");
	if (!rest)
		rest = str_after(key, "http://");
	/* Without a scheme a slash is no end: that is the key of a part of a registry. What an API's version follows is a whole one. */
	static const char *const versions[] = {"/v1", "/v1/", "/v2", "/v2/"};
	size_t n = strcspn(rest ? rest : key, "/");
	bool whole = rest != NULL;
	for (size_t i = 0; i < countof(versions) && !whole; i++)
		whole = str_eq(key + n, versions[i]);
	own(mem) char *host = mem_ndup(rest ? rest : key, whole ? n : strlen(key));
	return strcmp(host, registry) == 0 || (is_hub(host) && is_hub(registry));
}

static void run_helper(const char *program, const char *verb, int in, int out)
{
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	fd_close_from(3, NULL, 0);
	char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)verb, NULL};
	execvp(program, argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* What the helper prints until it ends, or too much, or too late. */
static bool read_answer(int fd, struct buf *answer)
{
	int64_t end = num_monotonic_ns() + (int64_t)HELPER_MS * 1000000;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = (end - num_monotonic_ns()) / 1000000;
		int r = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (r < 0 && errno == EINTR)
			continue;
		char *at = r > 0 ? buf_room(answer, 4096) : NULL;
		ssize_t n = at ? read(fd, at, 4096) : -1;
		if (n <= 0)
			return n == 0;
		answer->len += (size_t)n;
		answer->data[answer->len] = 0;
	}
}

int docker_credential_ask(const char *program, const char *verb, const char *question, struct buf *answer, int *ret_status, struct err *e)
{
	int in[2], out[2];
	if (fd_pipe(in, e) < 0)
		return -1;
	if (fd_pipe(out, e) < 0) {
		close(in[0]);
		close(in[1]);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0)
		run_helper(program, verb, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	/* One that does not read its question is no reason for us to end. */
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	if (pid > 0)
		(void)!fd_write_all(in[1], question, strlen(question));
	signal(SIGPIPE, before);
	close(in[1]);
	bool whole = pid > 0 && read_answer(out[0], answer);
	close(out[0]);
	if (pid < 0)
		return err_sys(e, "start %s", program);
	if (!whole)
		kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	if (!whole)
		return err_set(e, ERR_TIMEOUT, "%s gives no answer", program);
	return 0;
}
