/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup: what the files of the child side share: the child that becomes a container's process, from clone3 to exec.
 * Everything here runs in that child, single-threaded, with the host's mounts still in sight until rootfs_enter(); the
 * functions named as the parent's run on the other side of the socket.
 */
#pragma once

#include "runtime/container.h"
#include "runtime/namespaces.h"
#include "runtime/seccomp.h"
#include "sys/cgroupfs.h"

struct launch_plan;

struct setup {
	const struct container_create *create; /* NULL: exec */
	const struct spec *spec;
	const char *id;
	bool keep_keyring;
	const struct spec_process *process;
	const struct cgroup *cgroup;
	struct cgroup placed; /* systemd's: what the parent says of it */
	const struct seccomp_filter *filter; /* NULL: none */
	struct namespaces *ns;
	int sock;     /* to the parent; after SETUP_LEAVE to who starts the container */
	int listen;   /* where that one comes from, or -1 */
	const int *mapped; /* mounts_open_mapped()'s, or NULL */
	int tasks[CGROUPFS_ROWS]; /* where a thread joins our group in each v1 hierarchy, or -1 */
	int root;     /* the root file system's mount */
	int host;     /* what it is attached on: the root of all the host's mounts */
	int slave;    /* the terminal, or -1 */
	int master;   /* on its way to the parent, or -1 */
	int stdio[3];
	int hook_output[2]; /* startContainer hooks', or -1 */
	struct { int *v; size_t n; } read_only; /* mounts that become so by mounts_finish() */
	int preserve_fds;
	bool init;    /* hull's init runs the command */
	bool wait;    /* for the parent's go before the command */
	bool shared;  /* the mounts are another's: nothing is mounted */
	bool own_userns; /* no privilege over the host's devices and labels */
	char warning[200];
};
/* As many as there is room for. */
void setup_warn(struct setup *s, const char *fmt, ...) printf_like(2, 3);

struct step {
	const char *name; /* stands before the error, or NULL when the step names itself */
	int (*run)(struct setup *s, struct err *e);
};

/* init.c: from clone to exec; never returns. */
void init_main(struct setup *s) __attribute__((noreturn));
void init_exec(struct setup *s) __attribute__((noreturn)); /* the same for container_exec() */

/* What is said over the socket: one packet each. */
enum setup_word {
	SETUP_MAPPED = 'M', /* parent: the id maps are written */
	SETUP_GO = 'G',     /* parent: on with it (container_start; the hooks have run) */
	SETUP_LEAVE = 'L',  /* parent: I go; the GO comes over the listening socket */
	SETUP_AGENT = 'A',  /* child: the filter will ask an agent; the GO says that one is there */
	SETUP_LISTENER = 'N', /* child: the filter is loaded, and what the agent needs comes along */
	SETUP_HOOKS = 'H',  /* child: it is time for the runtime's hooks */
	SETUP_READY = 'R',  /* child: everything is done; the pty's master comes along */
	SETUP_FAILED = 'F',
};
enum { SETUP_MESSAGE = 1 << 16 }; /* in a message's word: tells it from a launch failure, which begins with an errno */
struct setup_message {
	int word;
	char warning[200];
	struct err why;
};
/* In a user namespace that was made or joined: its root. */
int setup_become_root(const struct spec_linux *l, struct err *e) must_use;
int setup_wait(const struct setup *s, enum setup_word word, struct err *e) must_use;
int setup_wait_go(struct setup *s, struct err *e) must_use; /* when s->wait: until the container is started */
int setup_report(struct setup *s, enum setup_word word, const struct err *why, struct err *e) must_use;
int setup_say(int sock, enum setup_word word, struct err *e) must_use; /* the parent's; a child that is gone is no error */
/* The parent's: 1 a message, 0 the child is gone or its exec happened. A failure becomes *e, and -1. *ret_fd is the master or -1. */
int setup_receive(int sock, struct setup_message *ret, int *ret_fd, struct err *e) must_use;

/* create.c, the parent's: what a container is put into, before there is a process. *resctrl: -1 or an fd, to be closed. */
int setup_groups(const struct container_create *c, const struct namespaces *ns, struct container *ct, int *resctrl, struct err *e) must_use;
/* A terminal's master to who listens at --console-socket. */
int setup_send_console(int sock, int master, struct err *e) must_use;
int setup_raise_loopback(struct err *e) must_use; /* of the network namespace we are in */

/* A procfs of the child's PID namespace, attached nowhere. */
int setup_procfs(struct err *e) must_use;
/* Writes to one of its files; no symlink but "self" and no mount is crossed. */
int setup_put_proc(int proc, const char *path, const char *text, struct err *e) must_use;

/* container.c: the root of the resctrl file system, `given` or, without it, where it is mounted. */
int setup_resctrl(int given, struct err *e) must_use;

/* sysctl.c */
/* The parent's, before anything is made. own: namespaces_own(). */
int sysctl_check(const struct spec *s, uint64_t own, struct err *e) must_use;
int sysctl_write(struct setup *s, struct err *e) must_use;

/* What is told of a container to those outside (runtime.md, "State"). */
struct setup_container {
	const struct spec *spec;
	const char *id, *bundle;
	const char *status; /* "creating", "created", "running", "stopped" */
	pid_t pid;          /* the container's first process; 0: there is none */
	pid_t process;      /* the one that is set up */
};
struct json *setup_state(const struct setup_container *c) must_use;

/* seccomp_listener.c */
/* Loads a filter that asks, and gives the parent what its agent needs. */
int seccomp_install_asking(struct setup *s, struct err *e) must_use;
/* The parent's, after SETUP_AGENT: connects to the agent and hands over; then as setup_receive(). */
int seccomp_listener_hand_over(const struct setup_container *c, int sock, struct setup_message *m, int *ret_fd, struct err *e) must_use;

/* hooks.c: config.md, "POSIX-platform Hooks". status as above. */
int hooks_run(const struct spec_hook_list *l, const struct container_create *c, const char *status, pid_t pid, struct err *e) must_use;
int hooks_run_poststop(const struct container_create *c, struct err *e) must_use; /* all of them, the first failure is told */
int hooks_open_output(const struct container_create *c, int ret[2], struct err *e) must_use;

/* startContainer hooks are programs of the image: they run last, with the rights of the command. Prepared while memory files can be
 * made, run when the filter is in force. */
struct start_hooks {
	const struct spec_hook_list *list; /* NULL: none */
	int state, report[2], label_dir;
	const int *output;
	int *launchers; /* one for each */
};
#define START_HOOKS_INIT {.state = -1, .report = {-1, -1}, .label_dir = -1}
void start_hooks_drop(struct start_hooks *h);
int hooks_prepare(const struct setup *s, const struct launch_plan *plan, struct start_hooks *ret, struct err *e) must_use;
int hooks_run_prepared(const struct start_hooks *h, struct err *e) must_use;

/* labels.c */
bool labels_wants_apparmor(const struct spec_process *p);
int labels_check(const struct spec_process *p, const char *mount_label, struct err *e) must_use; /* p may be NULL */
/* What is at the top of a file system that is mounted nowhere yet; one that has no labels is left without. */
int labels_set_root(int mount, const char *label, struct err *e) must_use;

/* keyring.c: a session keyring of the container's own */
int keyring_join(struct setup *s, struct err *e) must_use;

/* launcher.c */
int launcher_plan(struct setup *s, struct launch_plan *ret, struct err *e) must_use; /* with the process's label */
int launcher_make(const struct launch_plan *plan, struct err *e) must_use; /* an fd to execute */

/* rootfs.c */
int rootfs_attach(struct setup *s, struct err *e) must_use;       /* the root mount, propagation */
int rootfs_devices(struct setup *s, struct err *e) must_use;      /* nodes and links in /dev */
int rootfs_console(struct setup *s, struct err *e) must_use;      /* the pty and /dev/console */
int rootfs_mask(struct setup *s, struct err *e) must_use;         /* masked and read-only paths */
int rootfs_enter(struct setup *s, struct err *e) must_use;        /* read-only root, pivot_root */

/* rootfs_shared.c: without a mount namespace of the container's own, or without pivot_root */
bool rootfs_is_shared(const struct spec *s);
int rootfs_check_shared(const struct container_create *c, struct err *e) must_use; /* the parent's */
int rootfs_open_shared(struct setup *s, struct err *e) must_use;
int rootfs_chroot(struct setup *s, struct err *e) must_use;
int rootfs_enter_moved(struct setup *s, struct err *e) must_use;

/* rootfs_place.c */
enum rootfs_place { PLACE_FILE = 0, PLACE_DIR = 1 << 0, PLACE_NOFOLLOW = 1 << 1 /* the symlink that is there itself */ };
/* The place for a mount: an O_PATH fd of `path` inside the root, made when missing (a directory or an empty file). */
int rootfs_target(struct setup *s, const char *path, enum rootfs_place place, struct err *e) must_use;
int rootfs_find(const struct setup *s, const char *path) must_use; /* -1 with errno */
/* Whether something of that type (mount: what is bound, or -1) may be mounted at the clean path. */
int rootfs_check_destination(const char *path, const char *type, int mount, struct err *e) must_use;

/* mounts_mapped.c */
/* The parent's: only who is privileged over a file system may map its ids, so these binds are made before the clone. One fd
 * (or -1) for each mount of the configuration; NULL when none is mapped. */
int mounts_open_mapped(const struct container_create *c, const struct namespaces *ns, int **ret, struct err *e) must_use;
void mounts_close_mapped(const struct container_create *c, int **mapped);

/* mounts.c */
int mounts_make(struct setup *s, struct err *e) must_use;
int mounts_finish(struct setup *s, struct err *e) must_use; /* when nothing more is made in them */
struct mount_words;
/* A detached clone of what a bind mount names, with its flags; ready: spec_mount's. */
int mounts_clone_source(const struct container_create *c, const char *source, int ready, const struct mount_words *w, struct err *e) must_use;

/* mounts_copyup.c: the specification's tmpcopyup */
int mounts_copy_up(struct setup *s, const char *path, int mount, struct err *e) must_use;

/* mounts_cgroup.c: the view of the control groups, from inside them */
int mounts_make_cgroup(struct setup *s, const struct spec_mount *m, int at, struct err *e) must_use;

/* limits.c */
int limits_set(struct setup *s, struct err *e) must_use;          /* rlimits, scheduler, i/o priority … */
int limits_set_initial(struct setup *s, struct err *e) must_use;  /* exec: the CPUs until the limits are set */

/* process.c: the last part, the same for the first process and for exec */
/* Becomes the user's command. Returns only on failure. */
int process_exec(struct setup *s, struct err *e) must_use;
int process_terminal(struct setup *s, struct err *e) must_use;    /* opens a pty in the devpts of the root */

/* environment.c: the command's, inside of the root */
char *const *process_environment(const struct setup *s);

/* explain.c, the parent's: why execve of path, as the process pid sees it, failed with that errno: ERR_NOCMD or ERR_NOEXEC. */
int explain_exec(pid_t pid, const char *cwd, const char *path, int why, struct err *e) must_use;
