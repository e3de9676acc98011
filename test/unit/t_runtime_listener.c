/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that ask: the agent is a fork of ours, which says no to mkdir and yes to everything else. */
#include "t_runtime_box.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/un.h>

enum { LIMIT_MS = 30000 };

#ifndef SYS_mkdir
#define SYS_mkdir SYS_mkdirat
#endif

struct agent {
	pid_t pid;
	int told; /* what it was told, and "end" for each connection's end */
	char path[128];
};
enum { LEAVES = -1 }; /* a number of connections: one, and then it goes */

static void answer(int fd)
{
	struct seccomp_notif n = {};
	struct seccomp_notif_resp r = {};
	/* The asker may be gone meanwhile. */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	r.id = n.id;
	if (n.data.nr == SYS_mkdir)
		r.error = -ENOMEDIUM;
	else
		r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)!ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* One connection: one message with one descriptor, then its end; then questions until nobody is left who asks. */
static void serve(int sock, int told, bool leaves)
{
	char text[8192];
	int fd = -1;
	size_t nfds = 1;
	struct err e = {};
	struct pollfd p = {.fd = sock, .events = POLLIN};
	if (poll(&p, 1, LIMIT_MS) <= 0)
		_exit(3);
	own(fd) int peer = accept(sock, NULL, NULL);
	ssize_t n = fd_recv(peer, text, sizeof text, &fd, &nfds, &e);
	fd_write_all(told, text, n > 0 ? (size_t)n : 0);
	if (n <= 0 || nfds != 1 || read(peer, text, 1) != 0)
		_exit(4);
	fd_write_all(told, "\nend\n", 5);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	while (!leaves && poll(&p, 1, LIMIT_MS) > 0 && !(p.revents & POLLHUP))
		answer(fd);
	close(fd);
}

/* For that many connections, one after the other. */
static struct agent agent_start(struct box *b, int connections)
{
	struct agent a = {};
	int told[2];
	snprintf(a.path, sizeof a.path, "%s/agent", b->dir);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof at.sun_path, "%s", a.path);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(sock, 4), 0);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	a.pid = fork();
	if (a.pid == 0) {
		close(told[0]);
		/* Each on its own: the first one's container may ask while the second comes. */
		for (int i = 1; i < connections; i++)
			if (fork() == 0)
				break;
		serve(sock, told[1], connections == LEAVES);
		while (waitpid(-1, NULL, 0) > 0)
			;
		_exit(0);
	}
	close(sock);
	close(told[1]);
	a.told = told[0];
	return a;
}

/* What it was told; it ends by itself when nobody is left to ask it. */
static const char *agent_end(struct agent *a)
{
	int status;
	static char text[16384];
	own(buf) struct buf all = {};
	assert_int_equal(fd_read_to_end(a->told, &all), 0);
	close(a->told);
	assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
	assert_int_equal(status, 0);
	assert_int_equal(unlink(a->path), 0);
	snprintf(text, sizeof text, "%s", buf_text(&all));
	return text;
}

static void set_seccomp(struct box *b, const char *text)
{
	struct json *j = NULL;
	struct err e = {};
	assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
	b->spec.linux_->seccomp = arena_alloc(&b->arena, sizeof *b->spec.linux_->seccomp);
	if (jmap_parse(&spec_seccomp_table, j, 0, &b->arena, b->spec.linux_->seccomp, "", &e) < 0)
		fail_msg("%s", e.text);
	json_drop(&j);
}

/* Default ALLOW, and these are asked about; mkdir is. */
static void ask(struct box *b, const char *names, const char *path, const char *flags)
{
	char text[2048];
	snprintf(text, sizeof text, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[%s],\"listenerPath\":\"%s\",\"syscalls\":["
		"{\"names\":[%s\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}", flags, path, names);
	set_seccomp(b, text);
}

static const char try_mkdir[] = "mkdir /tmp/x 2>/dev/null && echo made; mkdir /tmp/x 2>&1 | grep -o 'No medium found'; [ -e /tmp/x ] || echo none";
static const char refused_by_agent[] = "No medium found\nnone";

static int64_t number_at(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static void container(void **state)
{
	struct box *b = *state;
	char expect[256];
	for (int i = 0; i < 4; i++) {
		bool has_nnp = i & 1, is_user = i & 2;
		struct agent a = agent_start(b, 1);
		ask(b, "", a.path, i == 3 ? "\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\",\"SECCOMP_FILTER_FLAG_TSYNC\"" : "");
		b->spec.linux_->seccomp->listener_metadata = arena_dup(&b->arena, i == 0 ? "some \"data\"" : "");
		b->spec.process->no_new_privileges = has_nnp;
		b->spec.process->user.uid = is_user ? 1000 : 0;
		b->create.bundle = "/some/bundle";
		b->spec.annotations.n = 0;
		map_set(&b->arena, &b->spec.annotations, "note", "worthy");
		assert_string_equal(shell(b, try_mkdir), refused_by_agent);
		const char *told = agent_end(&a);
		int64_t pid = number_at(told, "\"pid\":");
		assert_true(pid > 1);
		snprintf(expect, sizeof expect, "{\"ociVersion\":\"1.3.0\",\"fds\":[\"seccompFd\"],\"pid\":%lld,%s\"state\":{\"ociVersion\":\"1.3.0\","
			"\"id\":\"%s\",\"status\":\"created\",\"pid\":%lld,\"bundle\":\"/some/bundle\",\"annotations\":{\"note\":\"worthy\"}}}\nend\n",
			(long long)pid, i == 0 ? "\"metadata\":\"some \\\"data\\\"\"," : "", b->id, (long long)pid);
		assert_string_equal(told, expect);
	}
}

static void executed(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	struct agent a = agent_start(b, 2);
	ask(b, "", a.path, "");
	args(b, "sleep", "60", NULL);
	if (launch(b, &c, &out) < 0)
		fail_msg("%s", b->e.text);
	struct spec_process p = *b->spec.process;
	int pipe_[2], status;
	p.args = (struct strv){};
	const char *const words[] = {"sh", "-c", try_mkdir};
	for (size_t i = 0; i < countof(words); i++)
		arena_strv_add(&b->arena, &p.args, words[i]);
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	struct container_exec x = {.id = b->id, .pid = c.pid, .start_time = c.start_time, .process = &p, .spec = &b->spec, .cgroup = &c.cgroup,
		.stdio = {-1, pipe_[1], pipe_[1]}, .seccomp_cache = -1};
	struct container_process done;
	if (container_exec(&x, &done, &b->e) < 0)
		fail_msg("%s", b->e.text);
	close(pipe_[1]);
	buf_reset(&b->out);
	assert_int_equal(fd_read_to_end(pipe_[0], &b->out), 0);
	close(pipe_[0]);
	assert_int_equal(waitpid(done.pid, &status, 0), done.pid);
	close(done.pidfd);
	assert_string_equal(buf_text(&b->out), "No medium found\nnone\n");
	/* With nobody to ask, there is no such process. */
	b->spec.linux_->seccomp->listener_path = arena_printf(&b->arena, "%s/nobody", b->dir);
	assert_int_equal(container_exec(&x, &done, &b->e), -1);
	assert_non_null(strstr(b->e.text, "/nobody: No such file"));
	pid_t first = c.pid;
	kill(c.pid, SIGKILL);
	assert_int_equal(reap(&c), 137);
	const char *told = agent_end(&a), *second = strstr(told, "end\n") + 4;
	assert_int_equal(number_at(told, "\"pid\":"), first);
	assert_int_equal(number_at(second, "\"pid\":"), done.pid);
	assert_non_null(strstr(second, "\"status\":\"running\""));
	assert_int_equal(number_at(strstr(second, "\"state\":"), "\"pid\":"), first);
	expect_nothing_left(b);
}

/* What hull itself does under the filter is not lost: one of two ways to hand over is enough, and questions can wait. */
static void own_calls(void **state)
{
	struct box *b = *state;
	static const char *const names[] = {"\"sendmsg\",", "\"sendmmsg\",", "\"execveat\",\"execve\",\"fcntl\",\"close\",",
		"\"recvmsg\",\"recvfrom\",\"read\",\"capset\",\"prctl\",\"futex\",\"mmap\",\"brk\","};
	for (size_t i = 0; i < countof(names); i++) {
		struct agent a = agent_start(b, 1);
		ask(b, names[i], a.path, "");
		assert_string_equal(shell(b, try_mkdir), refused_by_agent);
		assert_non_null(strstr(agent_end(&a), "\nend\n"));
	}
	ask(b, "\"sendmsg\",\"sendmmsg\",", "/x", "");
	refused(b, ERR_USAGE, "must allow sendmsg or sendmmsg");
	set_seccomp(b, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"listenerPath\":\"/x\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}");
	refused(b, ERR_USAGE, "must allow sendmsg or sendmmsg");
}

/* No answer will come: the kernel says that there is no such system call. */
static void agent_gone(void **state)
{
	struct box *b = *state;
	struct agent a = agent_start(b, LEAVES);
	ask(b, "", a.path, "");
	script(b, "mkdir /tmp/x 2>&1 | grep -o 'Function not implemented'");
	assert_string_equal(output(b), "Function not implemented");
	agent_end(&a);
	a = agent_start(b, LEAVES);
	ask(b, "\"execveat\",", a.path, "");
	assert_int_equal(run(b), -1);
	assert_non_null(strstr(b->e.text, "does not allow execveat"));
	agent_end(&a);
}

static void what_is_refused(void **state)
{
	struct box *b = *state;
	char at[128];
	args(b, "true", NULL);
	snprintf(at, sizeof at, "%s/nobody", b->dir);
	ask(b, "", at, "");
	refused(b, ERR_NOT_FOUND, "nobody: No such file");
	assert_int_equal(close(open(at, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	refused(b, ERR_SYSTEM, "nobody: Connection refused");
	ask(b, "", "relative", "");
	refused(b, ERR_USAGE, "must be absolute");
	ask(b, "", "@abstract", "");
	refused(b, ERR_USAGE, "must be absolute");
	ask(b, "", "", "");
	refused(b, ERR_USAGE, "needs a listenerPath");
	ask(b, "\"read\",\"write\",", at, "");
	refused(b, ERR_USAGE, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	ask(b, "", at, "\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"");
	refused(b, ERR_USAGE, "unknown flag \"SECCOMP_FILTER_FLAG_NEW_LISTENER\"");
	set_seccomp(b, "{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"/x\"}");
	refused(b, ERR_USAGE, "SCMP_ACT_NOTIFY cannot be used as default action");
	set_seccomp(b, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}");
	refused(b, ERR_USAGE, "listenerMetadata without listenerPath");
	/* Nobody is asked: nobody need be there. Flags that are for listeners alone change nothing. */
	set_seccomp(b, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/not/there\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\","
		"\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\",\"SECCOMP_FILTER_FLAG_TSYNC\"],\"syscalls\":["
		"{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":123}]}");
	assert_string_equal(shell(b, try_mkdir), refused_by_agent);
}

/* Made by one process, started by another. */
static void left(void **state)
{
	struct box *b = *state;
	struct container c;
	struct agent a = agent_start(b, 1);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int pipe_[2];
	ask(b, "", a.path, "");
	script(b, try_mkdir);
	snprintf(at.sun_path, sizeof at.sun_path, "%s/start", b->dir);
	b->create.start_listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->create.start_listen, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(b->create.start_listen, 1), 0);
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	b->create.stdio[1] = b->create.stdio[2] = pipe_[1];
	if (container_create(&b->create, &c, &b->e) < 0 || container_leave(&c, &b->e) < 0)
		fail_msg("%s", b->e.text);
	close(pipe_[1]);
	fd_drop(&b->create.start_listen);
	own(fd) int dir = open(b->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (container_connect(&c, dir, "start", &b->e) < 0 || container_start(&c, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(fd_read_to_end(pipe_[0], &b->out), 0);
	close(pipe_[0]);
	assert_string_equal(buf_text(&b->out), "No medium found\nnone\n");
	pid_t pid = c.pid;
	assert_int_equal(reap(&c), 0);
	assert_int_equal(number_at(agent_end(&a), "\"pid\":"), pid);
}

static void encode(const void *p, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = p;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)at[i] << 16 | (i + 1 < n ? (uint32_t)at[i + 1] << 8 : 0) | (i + 2 < n ? at[i + 2] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*out = 0;
}

/* mkdir gives that, the rest is let through. */
static void set_program(struct box *b, uint32_t action)
{
	struct sock_filter v[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LDX | BPF_MEM, 3), BPF_STMT(BPF_LD | BPF_IMM, SYS_mkdir - 1), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	char text[128];
	encode(v, sizeof v, text);
	b->spec.annotations.n = 0;
	map_set(&b->arena, &b->spec.annotations, "run.oci.seccomp_bpf_data", text);
}

/* crun's annotations. */
static void annotated(void **state)
{
	struct box *b = *state;
	script(b, try_mkdir);
	set_program(b, SECCOMP_RET_ERRNO | ENOMEDIUM);
	assert_string_equal(output(b), refused_by_agent);
	/* In place of the rules. */
	set_seccomp(b, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"execve\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");
	assert_string_equal(output(b), refused_by_agent);
	b->spec.linux_->seccomp = NULL;
	set_program(b, SECCOMP_RET_USER_NOTIF);
	refused(b, ERR_USAGE, "needs a listenerPath");
	struct agent a = agent_start(b, 1);
	map_set(&b->arena, &b->spec.annotations, "run.oci.seccomp.receiver", a.path);
	assert_string_equal(output(b), refused_by_agent);
	assert_non_null(strstr(agent_end(&a), "\"fds\":[\"seccompFd\"]"));
	a = agent_start(b, 1);
	b->spec.annotations.n = 0;
	ask(b, "", "", "");
	map_set(&b->arena, &b->spec.annotations, "run.oci.seccomp.receiver", a.path);
	assert_string_equal(output(b), refused_by_agent);
	assert_non_null(strstr(agent_end(&a), "\nend\n"));
	static const struct { const char *text, *error; } bad[] = {{"", "0 bytes"},
		 {"AAAA", "3 bytes"}, {"???", "not base64"}, {"AAAAAAAAAAA=", "Invalid argument"}};
	for (size_t i = 0; i < countof(bad); i++) {
		b->spec.annotations.n = 0;
		map_set(&b->arena, &b->spec.annotations, "run.oci.seccomp_bpf_data", bad[i].text);
		assert_int_equal(run(b), -1);
		if (!strstr(b->e.text, bad[i].error))
			fail_msg("\"%s\": %s", bad[i].text, b->e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(container), BOX_TEST(executed), BOX_TEST(own_calls), BOX_TEST(agent_gone),
		BOX_TEST(what_is_refused), BOX_TEST(left),
		BOX_TEST(annotated)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
