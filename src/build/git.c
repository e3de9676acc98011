/* SPDX-License-Identifier: Apache-2.0 */
#include "build/git.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, OUT_MAX = 4 << 20, SAID_MAX = 64 << 10, SILENCE_S = 120 };
static const char tree_at[] = "/tmp"; /* in its mount namespace */

static bool is_ssh(const char *url)
{
	return !str_has_prefix(url, "git://") && !str_has_prefix(url, "http");
}

/* --- running it --- */

struct said { struct buf out, err; };

static void said_drop(struct said *s)
{
	buf_drop(&s->out);
	buf_drop(&s->err);
}

/* The agent's socket by a path that fits into an address: by way of a descriptor of ours when its own is too long. */
static char *agent_path(const struct git *g, int agent, pid_t holder, struct arena *a)
{
	bool fits = strlen(g->agent) < sizeof((struct sockaddr_un *)NULL)->sun_path;
	return fits || agent < 0 ? arena_dup(a, g->agent) : arena_printf(a, "/proc/%d/fd/%d", (int)holder, agent);
}

static char **environment(const struct git *g, int agent, pid_t holder, struct arena *a)
{
	static const char *const fixed[] = {"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ASKPASS=/bin/false",
		"GIT_ALLOW_PROTOCOL=http:https:git:ssh", "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=30", "GIT_LFS_SKIP_SMUDGE=1", "LC_ALL=C"};
	static const char *const kept[] = {"PATH", "HOME", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY",
		"no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"};
	struct strv env = {};
	for (size_t i = 0; i < countof(fixed); i++)
		arena_strv_add(a, &env, fixed[i]);
	for (size_t i = 0; i < countof(kept); i++)
		if (getenv(kept[i]))
			arena_strv_add(a, &env, arena_printf(a, "%s=%s", kept[i], getenv(kept[i])));
	if (g->agent)
		arena_strv_add(a, &env, arena_printf(a, "SSH_AUTH_SOCK=%s", agent_path(g, agent, holder, a)));
	return env.v;
}

/* As root: the tree is its /tmp, and it is nobody. Who has an SSH agent stays who he is: nobody may not speak to it. */
static int confine(int dir, bool stays)
{
	if (dir >= 0 ? fchdir(dir) < 0 : chdir("/") < 0)
		return -1;
	/* The working directory comes along into the new namespace; a file descriptor's mount would not. */
	if (geteuid() != 0 || stays || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return 0;
	if (dir >= 0 && (fchown(dir, NOBODY, NOBODY) < 0 || mount(".", tree_at, NULL, MS_BIND, NULL) < 0 || chdir(tree_at) < 0))
		return -1;
	return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ? -1 : 0;
}

static void child(const struct git *g, int agent, int dir, bool stays, char *const *args, const int io[2], pid_t parent) __attribute__((noreturn));
static void child(const struct git *g, int agent, int dir, bool stays, char *const *args, const int io[2], pid_t parent)
{
	struct arena a = {};
	char **env = environment(g, agent, parent, &a);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	umask(022);
	if (confine(dir, stays) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || null < 0 || dup2(null, 0) < 0 || dup2(io[0], 1) < 0 || dup2(io[1], 2) < 0)
		_exit(126);
	fd_close_from(3, NULL, 0);
	execvpe("git", args, env);
	_exit(127);
}

/* Reads both until they end; silence for too long, and an interrupt, end it. */
static int listen_to(pid_t pid, int out, int err, struct said *said, struct err *e)
{
	bool open[2] = {true, true};
	const char *seconds = getenv("HULL_GIT_TIMEOUT");
	int ms = 1000 * (seconds && atoi(seconds) > 0 ? atoi(seconds) : SILENCE_S);
	while (open[0] || open[1]) {
		struct pollfd f[2] = {{.fd = open[0] ? out : -1, .events = POLLIN}, {.fd = open[1] ? err : -1, .events = POLLIN}};
		int n = interrupt_poll(f, 2, ms);
		if (n <= 0) {
			if (n < 0 && !interrupt_came() && errno == EINTR)
				continue;
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			return n == 0 ? err_set(e, ERR_TIMEOUT, "git: nothing comes for %d seconds", ms / 1000) : err_set(e, ERR_CONFLICT, "interrupted");
		}
		for (int i = 0; i < 2; i++) {
			char room[4096];
			if (!f[i].revents)
				continue;
			ssize_t got = read(f[i].fd, room, sizeof room);
			open[i] = got > 0 || (got < 0 && errno == EINTR);
			if (got > 0 && i == 1 && said->err.len > SAID_MAX / 2)
				buf_reset(&said->err);
			if (got > 0)
				(void)!buf_add(i ? &said->err : &said->out, room, (size_t)got);
		}
	}
	return 0;
}

/* The last line that says what is wrong, with what its colon announces. */
static char *complaint(const struct said *said)
{
	own(strv) struct strv lines = {};
	own(mem) char *text = mem_dup(buf_text((struct buf *)(uintptr_t)&said->err));
	for (char *p = text; *p; p++)
		if (*p == '\r')
			*p = '\n';
	strv_split(&lines, text, '\n');
	const char *last = "", *next = "";
	for (size_t i = 0; i < lines.n; i++)
		if (str_has_prefix(lines.v[i], "fatal: ") || str_has_prefix(lines.v[i], "error: ") || (!*last && *lines.v[i])) {
			last = lines.v[i];
			next = str_has_suffix(last, ":") && i + 1 < lines.n ? lines.v[i + 1] : "";
		}
	char *line = mem_printf("%.300s%s%.200s", last, *next ? " " : "", next);
	str_harmless(line);
	return line;
}

static int run(const struct git *g, int dir, bool stays, const char *const *words, struct said *said, struct err *e)
{
	int out[2], err[2], status = 0;
	*said = (struct said){BUF(OUT_MAX), BUF(SAID_MAX)};
	if (fd_pipe(out, e) < 0)
		return -1;
	own(fd) int from_out = out[0];
	if (fd_pipe(err, e) < 0) {
		close(out[1]);
		return -1;
	}
	own(fd) int from_err = err[0];
	own(fd) int agent = g->agent ? open(g->agent, O_PATH | O_CLOEXEC) : -1;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		child(g, agent, dir, stays, (char *const *)(uintptr_t)words, (int[2]){out[1], err[1]}, parent);
	close(out[1]);
	close(err[1]);
	if (pid < 0)
		return err_sys(e, "git");
	int r = listen_to(pid, from_out, from_err, said, e);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_NOT_FOUND, "git is not installed");
	own(mem) char *why = complaint(said);
	return err_set(e, ERR_REMOTE, "git %s: %s", words[1], *why ? why : "it failed");
}

/* --- what is wanted of it --- */

static bool is_commit(const char *ref)
{
	return (strlen(ref) == 40 && num_is_hex(ref, 40)) || (strlen(ref) == 64 && num_is_hex(ref, 64));
}

static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return false;
	return *text != '-' && !strstr(text, "::");
}

/* Of "id<tab>name" lines the one that comes first in this order. */
static bool choose(const char *text, const char *ref, char ret[GIT_ID])
{
	static const char *const forms[] = {"refs/tags/%s^{}", "%s^{}", "%s", "refs/heads/%s", "refs/tags/%s"};
	own(strv) struct strv lines = {};
	strv_split(&lines, text, '\n');
	for (size_t f = 0; f < countof(forms); f++) {
		char want[600];
		own(buf) struct buf b = BUF(sizeof want);
		const char *hole = strstr(forms[f], "%s");
		buf_add(&b, forms[f], (size_t)(hole - forms[f]));
		buf_printf(&b, "%s%s", ref, hole + 2);
		for (size_t i = 0; i < lines.n; i++) {
			size_t n = strcspn(lines.v[i], "\t");
			if ((n != 40 && n != 64) || lines.v[i][n] != '\t' || !num_is_hex(lines.v[i], n) || strcmp(lines.v[i] + n + 1, buf_text(&b)) != 0)
				continue;
			memcpy(ret, lines.v[i], n);
			ret[n] = 0;
			return true;
		}
	}
	return false;
}

static int has_checksum(const struct git_source *s, const char *commit, struct err *e)
{
	if (!s->checksum || strncmp(commit, s->checksum, strlen(s->checksum)) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "%.200s: it is the commit %s, and checksum says %.64s", s->url, commit, s->checksum);
}

int git_resolve(const struct git *g, const struct git_source *s, char ret[GIT_ID], struct err *e)
{
	struct said said __attribute__((cleanup(said_drop))) = {};
	const char *ref = *s->ref ? s->ref : "HEAD";
	if (s->wrong)
		return err_set(e, ERR_USAGE, "%.200s: %.200s", s->url, s->wrong);
	if (!is_plain(s->url) || !is_plain(ref) || strlen(ref) > 500)
		return err_set(e, ERR_USAGE, "%.200s#%.100s: neither a repository nor a reference is called that", s->url, s->ref);
	if (is_commit(ref)) {
		snprintf(ret, GIT_ID, "%s", ref);
		return has_checksum(s, ret, e);
	}
	own(mem) char *peeled = mem_printf("%s^{}", ref);
	const char *const words[] = {"git", "ls-remote", "--", s->url, ref, peeled, NULL};
	if (run(g, -1, is_ssh(s->url), words, &said, e) < 0)
		return err_wrap(e, "%.200s", s->url);
	return choose(buf_text(&said.out), ref, ret) ? has_checksum(s, ret, e)
		: err_set(e, ERR_NOT_FOUND, "%.200s: there is no branch, tag or commit %.100s", s->url, ref);
}

static int step(const struct git *g, const struct git_source *s, int dir, const char *const *words, struct err *e)
{
	struct said said __attribute__((cleanup(said_drop))) = {};
	return run(g, dir, is_ssh(s->url), words, &said, e);
}

/* That commit alone; where the server does not give single ones, what the reference names, then all. */
static int fetch(const struct git *g, const struct git_source *s, const char *commit, int dir, struct err *e)
{
	const char *const rows[][10] = {
		{"git", "fetch", "-q", "--no-tags", "--depth=1", "--", s->url, commit},
		{"git", "fetch", "-q", "--no-tags", "--depth=1", "--", s->url, is_commit(s->ref) || !*s->ref ? "HEAD" : s->ref},
		{"git", "fetch", "-q", "--", s->url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err why = {};
		own(mem) char *object = mem_printf("%s^{commit}", commit);
		const char *const check[] = {"git", "cat-file", "-e", object, NULL};
		int r = step(g, s, dir, rows[i], &why);
		if (r == 0 && step(g, s, dir, check, &why) == 0)
			return 0;
		if (interrupt_came() || why.kind == ERR_TIMEOUT || i + 1 == countof(rows))
			return *e = why, -1;
	}
	return -1;
}

static int check_out(const struct git *g, const struct git_source *s, const char *commit, int dir, struct err *e)
{
	const char *const init[] = {"git", "init", "-q", "--template=", NULL};
	const char *const out[] = {"git", "checkout", "-q", "--detach", commit, NULL};
	const char *const modules[] = {"git", "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", NULL};
	if (step(g, s, dir, init, e) < 0 || fetch(g, s, commit, dir, e) < 0 || step(g, s, dir, out, e) < 0)
		return -1;
	return !s->no_submodules && path_exists(dir, ".gitmodules") ? step(g, s, dir, modules, e) : 0;
}

static int commit_time(const struct git *g, const struct git_source *s, const char *commit, int dir, int64_t *ret_ns, struct err *e)
{
	struct said said __attribute__((cleanup(said_drop))) = {};
	const char *const words[] = {"git", "show", "-s", "--no-show-signature", "--format=%ct", commit, NULL};
	if (run(g, dir, is_ssh(s->url), words, &said, e) < 0)
		return -1;
	*ret_ns = (int64_t)strtoll(buf_text(&said.out), NULL, 10) * 1000000000;
	return 0;
}

int git_checkout(const struct git *g, const struct git_source *s, const char *commit, bool keep, int dir, int64_t *ret_ns, struct err *e)
{
	if (check_out(g, s, commit, dir, e) < 0 || (ret_ns && commit_time(g, s, commit, dir, ret_ns, e) < 0))
		return err_wrap(e, "%.200s", s->url);
	if (!keep && !s->keep && path_remove_tree(dir, ".git", e) < 0)
		return -1;
	int below = path_open_in(dir, *s->subdir ? s->subdir : ".", O_RDONLY | O_DIRECTORY, 0, e);
	return below < 0 ? err_wrap(e, "%.200s", s->url) : below;
}
