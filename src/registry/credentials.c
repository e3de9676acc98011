/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: docker's order: a helper for this registry, else the store for all, else the file's own auths. Keys of
 * auths may be URLs; only their host counts. Docker Hub goes by the name https://index.docker.io/v1/.
 */
#include "registry/credentials.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, ANSWER_MAX = 65536, HELPER_MS = 60000 };
#define HUB_KEY "https://index.docker.io/v1/"

void credentials_drop(struct credentials *c)
{
	mem_drop(&c->user);
	mem_drop(&c->password);
	mem_drop(&c->identity_token);
	mem_drop(&c->note);
}

static bool is_hub(const char *host)
{
	return strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0 || strcmp(host, "registry-1.docker.io") == 0;
}

/* Does a key of auths or credHelpers mean this registry? */
static bool is_key_of(const char *key, const char *registry)
{
	const char *rest = str_after(key, "https://");
	if (!rest)
		rest = str_after(key, "http://");
	rest = rest ? rest : key;
	own(mem) char *host = mem_ndup(rest, strcspn(rest, "/"));
	return strcmp(host, registry) == 0 || (is_hub(host) && is_hub(registry));
}

static const struct json *value_of(const struct json *object, const char *registry)
{
	struct json_iter it = {};
	const struct json *exact = json_get(object, registry);
	if (exact)
		return exact;
	while (json_next(object, &it))
		if (is_key_of(it.key, registry))
			return it.value;
	return NULL;
}

static int base64(const char *text, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	size_t n = strcspn(text, "=");
	if (strlen(text) % 4 == 1 || strspn(text + n, "=") != strlen(text + n))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(digits, text[i]);
		if (!at)
			return -1;
		bits = bits << 6 | (unsigned)(at - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_char(out, (char)(bits >> have & 0xff));
		}
	}
	return 0;
}

static int from_auth(const struct json *j, const char *file, const char *registry, struct credentials *c, struct err *e)
{
	const char *auth = json_get_str(j, "auth"), *token = json_get_str(j, "identitytoken");
	own(buf) struct buf plain = BUF(ANSWER_MAX);
	if (!str_is_empty(auth)) {
		char *colon = base64(auth, &plain) < 0 || !plain.len || memchr(plain.data, 0, plain.len) ? NULL : strchr(plain.data, ':');
		if (!colon)
			return err_set(e, ERR_USAGE, "%s: auth of %s must be base64 of user:password", file, registry);
		*colon = 0;
		c->user = mem_dup(plain.data);
		c->password = mem_dup(colon + 1);
	} else {
		c->user = mem_dup(json_get_str(j, "username"));
		c->password = mem_dup(json_get_str(j, "password"));
	}
	if (!str_is_empty(token))
		c->identity_token = mem_dup(token);
	if (!str_is_empty(json_get_str(j, "registrytoken")))
		c->note = mem_dup("a registrytoken is not supported");
	if (str_is_empty(c->user) || !c->password) {
		mem_drop(&c->user);
		mem_drop(&c->password);
	}
	return 0;
}

static void run_helper(const char *program, int in, int out)
{
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	fd_close_from(3, NULL, 0);
	char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "get", NULL};
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

static int ask_helper(const char *program, const char *question, struct buf *answer, int *ret_status, struct err *e)
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
		run_helper(program, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	if (pid > 0)
		(void)!fd_write_all(in[1], question, strlen(question));
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

static void from_helper(const char *name, const char *registry, struct credentials *c)
{
	own(buf) struct buf answer = BUF(ANSWER_MAX);
	own(json) struct json *j = NULL;
	own(mem) char *program = mem_printf("docker-credential-%s", name);
	struct err why = {};
	int status = 0;
	if (!path_is_name(program)) {
		c->note = mem_printf("the credential helper \"%.60s\" is not a name", name);
		return;
	}
	if (ask_helper(program, is_hub(registry) ? HUB_KEY : registry, &answer, &status, &why) < 0) {
		c->note = mem_dup(why.text);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		c->note = mem_printf("%s: not found in PATH", program);
	} else if (status != 0) {
		/* "credentials not found" is an answer, not a fault. */
		if (!strstr(buf_text(&answer), "not found"))
			c->note = mem_printf("%s failed", program);
	} else if (json_parse(buf_text(&answer), answer.len, &j, &why) < 0 || !json_get_str(j, "Secret")) {
		c->note = mem_printf("%s gave no usable answer", program);
	} else if (str_eq(json_get_str(j, "Username"), "<token>")) {
		c->identity_token = mem_dup(json_get_str(j, "Secret"));
	} else if (!str_is_empty(json_get_str(j, "Username"))) {
		c->user = mem_dup(json_get_str(j, "Username"));
		c->password = mem_dup(json_get_str(j, "Secret"));
	}
}

/* 1: something was found or noted; 0: nothing there. */
static int from_file(const char *file, const char *registry, struct credentials *c, struct err *e)
{
	own(json) struct json *j = NULL;
	struct err why = {};
	if (json_read(AT_FDCWD, file, FILE_MAX, &j, &why) < 0)
		return why.sys == ENOENT || why.sys == ENOTDIR ? 0 : (*e = why, -1);
	const char *helper = json_str(value_of(json_get(j, "credHelpers"), registry));
	if (str_is_empty(helper))
		helper = json_get_str(j, "credsStore");
	if (!str_is_empty(helper)) {
		from_helper(helper, registry, c);
		return 1;
	}
	const struct json *auth = value_of(json_get(j, "auths"), registry);
	if (auth && from_auth(auth, file, registry, c, e) < 0)
		return -1;
	return auth != NULL;
}

int credentials_load(const char *dir, const char *registry, struct credentials *ret, struct err *e)
{
	own(credentials) struct credentials c = {};
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *given = getenv("REGISTRY_AUTH_FILE");
	own(mem) char *docker = str_is_empty(dir) ? NULL : path_join(dir, "config.json");
	own(mem) char *podman = !str_is_empty(given) ? mem_dup(given) : str_is_empty(runtime) ? NULL : path_join(runtime, "containers/auth.json");
	int r = docker ? from_file(docker, registry, &c, e) : 0;
	if (r == 0 && podman)
		r = from_file(podman, registry, &c, e);
	if (r < 0)
		return -1;
	*ret = c;
	c = (struct credentials){};
	return 0;
}
