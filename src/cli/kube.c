/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube: play and down. All of a file is read and planned before the first command runs, so a file with an error in it changes nothing.
 * Then each step is a hull of its own; when one fails, what was made for its pod is taken away again.
 */
#include "cli/kube.h"

#include "base/num.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/run_request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define O(m) offset_of(struct kube_options, m)
static const struct opt play_opts[] = {
	{"annotation", 0, OPT_STRV, O(annotations), "KEY=VALUE", "Annotation of each container"},
	{"configmap", 0, OPT_STRV, O(configmaps), "FILE", "A file with config maps", 0, "@file"},
	{"down", 0, OPT_BOOL, O(down), NULL, "As kube down"},
	{"force", 0, OPT_BOOL, O(force), NULL, "With --down: the volumes of claims go, too"},
	{"ip", 0, OPT_STRV, O(ips), "IP", "The pod's address"},
	{"log-driver", 0, OPT_STR, O(log_driver), "NAME", "Where the containers' output is kept"},
	{"log-opt", 0, OPT_STRV, O(log_opts), "KEY=VALUE", "Options of that"},
	{"mac-address", 0, OPT_STR, O(mac), "MAC", "The pod's MAC address"},
	{"network", 0, OPT_STRV, O(networks), "NETWORK", "Network of the pods (kube, which is made)", 0, "@network", "net"},
	{"print", 0, OPT_BOOL, O(print), NULL, "Print the commands, run none"},
	{"publish", 'p', OPT_STRV, O(publish), "[[IP:]PORT:]PORT[/PROTO]", "Make a further port of the pod reachable"},
	{"publish-all", 0, OPT_BOOL, O(publish_all), NULL, "Publish each containerPort, also without hostPort"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Say nothing while images are fetched"},
	{"replace", 0, OPT_BOOL, O(replace), NULL, "Take away first what the file made before"},
	{"seccomp-profile-root", 0, OPT_STR, O(seccomp_root), "DIR", "Where localhostProfile is looked for (/var/lib/kubelet/seccomp)", 0, "@dir"},
	{"start", 0, OPT_OPTSTR, O(start), "BOOL", "false: make the pods, start none", 0, "true false", NULL, "true"},
	{"userns", 0, OPT_STR, O(userns), "MODE", "User namespace of the pods"},
};
static const struct opt down_opts[] = {
	{"force", 0, OPT_BOOL, O(force), NULL, "The volumes of claims go, too"},
	{"print", 0, OPT_BOOL, O(print), NULL, "Print the commands, run none"},
};
#undef O

void kube_word(struct kube *k, struct strv *words, const char *word)
{
	arena_strv_add(&k->arena, words, word);
}

void kube_option(struct kube *k, struct strv *words, const char *option, const char *value)
{
	kube_word(k, words, option);
	kube_word(k, words, value);
}

struct kube_step *kube_step(struct kube *k, ...)
{
	struct kube_step *s = arena_push(&k->arena, &k->steps);
	va_list ap;
	va_start(ap, k);
	for (const char *word; (word = va_arg(ap, const char *));)
		kube_word(k, &s->args, word);
	va_end(ap);
	return s;
}

static void quote(struct buf *b, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+";
	if (*word && !word[strspn(word, plain)]) {
		buf_str(b, word);
		return;
	}
	buf_char(b, '\'');
	for (; *word; word++)
		buf_str(b, *word == '\'' ? "'\\''" : (const char[]){*word, 0});
	buf_char(b, '\'');
}

static int print(const struct kube *k, struct err *e)
{
	static const char *const programs[] = {[KUBE_HULL] = "hull", [KUBE_MKDIR] = "mkdir -p", [KUBE_TOUCH] = "touch"};
	own(buf) struct buf b = {};
	for (size_t i = 0; i < k->steps.n; i++) {
		const struct kube_step *s = &k->steps.v[i];
		buf_str(&b, programs[s->act]);
		for (size_t w = 0; w < s->args.n; w++) {
			buf_char(&b, ' ');
			quote(&b, s->args.v[w]);
		}
		if (s->input)
			buf_printf(&b, "  # stdin: %s", s->is_secret ? "the secret" : "a tar of the config map");
		buf_char(&b, '\n');
	}
	return cli_print(&b, e);
}

static volatile sig_atomic_t stopped, undoing;
static volatile pid_t running;
static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static void stop(int sig)
{
	stopped = sig;
	if (running > 0 && !undoing)
		kill(running, sig);
}

/* What the child is before it is hull: its input a pipe, its output a pipe or our stderr. */
static void become(const struct strv *args, int in, int out)
{
	own(strv) struct strv argv = {};
	struct sigaction was;
	sigset_t none;
	sigemptyset(&none);
	for (size_t i = 0; i < countof(signals); i++) /* before they come through: ours only notes them */
		if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler == stop)
			signal(signals[i], SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	strv_add(&argv, "hull");
	cli_add_globals(&argv);
	for (size_t i = 0; i < args->n; i++)
		strv_add(&argv, args->v[i]);
	cli_restore_umask();
	if (dup2(in, 0) == 0 && dup2(out, 1) == 1)
		execv(cli_exe(), argv.v);
	struct err e = {};
	err_sys(&e, "hull %.60s", args->v[0]); /* a word of more than 128 KiB is too long for the kernel */
	cli_complain(&e);
	_exit(126);
}

/* Its input and its output at once: neither waits for the other. */
static void talk(int to, int from, const char *input, size_t n, struct buf *out)
{
	while (from >= 0) {
		struct pollfd p[2] = {{.fd = from, .events = POLLIN}, {.fd = n ? to : -1, .events = POLLOUT}};
		if (poll(p, 2, -1) < 0)
			break; /* who stops us: the rest is not waited for */
		if (p[1].revents) {
			ssize_t w = write(to, input, n);
			size_t done = w > 0 ? (size_t)w : errno == EAGAIN || errno == EINTR ? 0 : n;
			input += done;
			n -= done;
			if (!n) {
				close(to);
				to = -1;
			}
		}
		char *room = p[0].revents ? buf_room(out, 4096) : NULL;
		ssize_t r = room ? read(from, room, 4096) : -1;
		if (r > 0)
			out->len += (size_t)r;
		if (p[0].revents && r <= 0 && !(r < 0 && errno == EINTR))
			break;
	}
	if (to >= 0)
		close(to);
}

/* Its exit status, as a shell has it. */
static int run(const struct strv *args, const char *input, size_t n, bool keep, struct buf *out, struct err *e)
{
	int in[2], from[2] = {-1, -1}, status = 0;
	sigset_t all, before;
	if (stopped && !undoing)
		return 128 + stopped;
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	if (keep && pipe2(from, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return err_sys(e, "pipe");
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	running = fork();
	if (running == 0)
		become(args, in[0], keep ? from[1] : 2);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(in[0]);
	if (keep)
		close(from[1]);
	if (running < 0) {
		close(in[1]);
		if (keep)
			close(from[0]);
		return err_sys(e, "fork");
	}
	if (keep) {
		fcntl(in[1], F_SETFL, O_NONBLOCK);
		talk(n ? in[1] : (close(in[1]), -1), from[0], input, n, out);
		close(from[0]);
	} else {
		close(in[1]);
	}
	while (waitpid(running, &status, 0) < 0 && errno == EINTR)
		if (stopped && !undoing)
			return 128 + stopped; /* a container that does not listen ends with its pod */
	running = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Whether there is a pod or a volume of this very name. What names one may else be the beginning of another's id. */
static int is_there(const char *kind, const char *name, bool *ret, struct err *e)
{
	own(mem) char *filter = mem_printf("name=%s", name);
	own(strv) struct strv args = {};
	own(buf) struct buf out = BUF(1 << 20);
	own(strv) struct strv names = {};
	for (const char *const *w = (const char *const[]){kind, "ls", "--format", "{{.Name}}", "--filter", filter, NULL}; *w; w++)
		strv_add(&args, *w);
	int status = run(&args, NULL, 0, true, &out, e);
	strv_split(&names, buf_text(&out), '\n');
	*ret = strv_has(&names, name);
	return status;
}

static int make_path(const struct kube_step *s, struct err *e)
{
	const char *path = s->args.v[0];
	if (s->act == KUBE_MKDIR)
		return path_mkdirs(AT_FDCWD, path, 0755, e);
	own(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? err_sys(e, "%.300s", path) : 0;
}

static int show(const struct kube_step *s, const struct buf *out, const char **title, struct err *e)
{
	if (!s->title || !out->len)
		return 0;
	bool same = str_eq(*title, s->title);
	*title = s->title;
	return cli_printf(e, "%s%s%s%s", same ? "" : s->title, same ? "" : ":\n", buf_text(out), "");
}

/* `made`: it is to be undone when a later one fails. */
static int one_step(const struct kube_step *s, struct buf *out, bool *made, struct err *e)
{
	bool there = false;
	if (s->act != KUBE_HULL)
		return make_path(s, e);
	int status = s->only_pod || s->new_volume ? is_there(s->only_pod ? "pod" : "volume", s->only_pod ? s->only_pod : s->new_volume, &there, e) : 0;
	if (status != 0 || (s->only_pod && !there))
		return status;
	if (s->must_be_new && there)
		return err_set(e, ERR_EXISTS, "volume %.200s is there already, and is in use or was not made by kube play", s->new_volume);
	status = run(&s->args, s->input, s->ninput, s->title || s->quiet, out, e);
	*made = status == 0 && s->undo.n && !there;
	return status;
}

static int run_steps(struct kube *k, struct err *e)
{
	const char *title = NULL;
	own(mem) bool *made = mem_alloc(k->steps.n + 1);
	for (size_t i = 0; i < countof(signals); i++) {
		struct sigaction was;
		if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN) /* nohup's is left alone */
			sigaction(signals[i], &(struct sigaction){.sa_handler = stop}, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < k->steps.n; i++) {
		const struct kube_step *s = &k->steps.v[i];
		own(buf) struct buf out = BUF(1 << 20);
		struct err undone = {};
		int status = one_step(s, &out, &made[i], e);
		if (stopped)
			status = 128 + stopped;
		if (status == 0)
			status = show(s, &out, &title, e);
		if (status == 0)
			continue;
		/* The pod first: it uses the others. */
		undoing = true;
		for (size_t u = 0; u <= i; u++) {
			own(buf) struct buf ignored = BUF(1 << 16);
			if (made[u])
				(void)!run(&k->steps.v[u].undo, NULL, 0, true, &ignored, &undone);
		}
		return status;
	}
	return 0;
}

static int go(const struct kube_options *o, const char *file, bool play, struct err *e)
{
	struct kube k = {.file = file, .o = o};
	int status = kube_load(&k, e);
	if (status == 0 && (!play || o->replace))
		status = kube_plan_down(&k, e);
	for (size_t i = 0; status == 0 && play && i < k.steps.n; i++) {
		k.steps.v[i].title = NULL;
		k.steps.v[i].quiet = "what it took away";
	}
	if (status == 0 && play)
		status = kube_plan_play(&k, e);
	if (status == 0)
		status = o->print ? print(&k, e) : run_steps(&k, e);
	json_drop(&k.objects);
	json_drop(&k.maps);
	arena_drop(&k.arena);
	return status;
}

static int play(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct kube_options *o = opts;
	bool yes = true;
	if (o->start && num_bool(o->start, &yes, "--start", e) < 0)
		return -1;
	if (o->down && (o->replace || o->start))
		return err_set(e, ERR_USAGE, "--down and %s exclude each other", o->replace ? "--replace" : "--start");
	if (o->force && !o->down)
		return err_set(e, ERR_USAGE, "--force is for --down");
	return go(o, argv[0], !o->down, e);
}

static int down(void *opts, int argc unused, char **argv, struct err *e)
{
	return go(opts, argv[0], false, e);
}

static const struct cmd cmd_play_kube = {"play", "FILE", "Make and start what a file of Kubernetes describes", play_opts, countof(play_opts),
	sizeof(struct kube_options), 1, 1, play, .complete = "@file",
	.about = "FILE, or - for standard input, has the objects Pod, Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, ConfigMap, Secret and "
	"PersistentVolumeClaim, as YAML or JSON. --print shows the commands that each becomes.",
	.examples = "$ hull kube play --print web.yaml\n$ hull kube play web.yaml\n$ hull kube down web.yaml"};
static const struct cmd cmd_down_kube = {"down", "FILE", "Take away what kube play made of a file", down_opts, countof(down_opts),
	sizeof(struct kube_options), 1, 1, down, .complete = "@file"};
static const struct cmd *const below[] = {&cmd_down_kube, &cmd_play_kube, NULL};
const struct cmd cmd_kube = {"kube", "COMMAND", "Pods from files of Kubernetes", .sub = below};
static const struct cmd cmd_kube_play = {"kube", "FILE", "As kube play", play_opts, countof(play_opts), sizeof(struct kube_options), 1, 1, play,
	.complete = "@file"};
static const struct cmd *const play_below[] = {&cmd_kube_play, NULL};
const struct cmd cmd_play = {"play", "COMMAND", "podman's older name for kube", .flags = CMD_HIDDEN, .sub = play_below};
