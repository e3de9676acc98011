/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu: one request to criu(8), which saves process trees to files and makes them again, by its RPC (criu.org/RPC): `criu swrk`
 * is a child of ours, and messages in protocol buffers go both ways over a socket. Which processes, mounts and files there are to be
 * told of is checkpoint.h's.
 *
 * In between criu tells what it is at (struct criu_notice), and goes on when it was answered.
 */
#pragma once

#include "codec/jmap.h"
#include "runtime/cgroup.h"

#include <sys/types.h>

/* Numbers below are criu's own (its images/rpc.proto). */
enum criu_request { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4, CRIU_FEATURES = 9, CRIU_VERSION = 10 };
enum criu_cgroups { CRIU_CGROUPS_IGNORE = 0, CRIU_CGROUPS_SOFT = 3, CRIU_CGROUPS_FULL = 4, CRIU_CGROUPS_STRICT = 5, CRIU_CGROUPS_DEFAULT = 6 };
enum criu_lock { CRIU_LOCK_DEFAULT = 0, CRIU_LOCK_IPTABLES = 1, CRIU_LOCK_NFTABLES = 2, CRIU_LOCK_SKIP = 3 };

/* A file that a restored process has open, by the name it had in the image; fd is ours. */
struct criu_file { char *key; int fd; };
struct criu_files { struct criu_file *v; size_t n; };

/* What is empty (false, NULL, 0) is not sent, so it is criu's default. */
struct criu_options {
	int images_dir;     /* where the files are: a directory's fd */
	int work_dir;       /* where the log is: the same, or -1: images_dir */
	char *log_file;     /* its name there */
	int64_t pid;        /* of the tree's root */
	char *root;
	char *parent_images; /* relative to images_dir */
	char *page_server_address;
	int64_t page_server_port;
	char *freeze_cgroup, *config_file, *lsm_profile, *lsm_mount_context;
	bool leave_running, ext_unix_sk, tcp_established, tcp_close, tcp_skip_in_flight, evasive_devices, shell_job, file_locks;
	bool track_mem, auto_dedup, link_remap, lazy_pages, rst_sibling, orphan_pts_master;
	enum criu_cgroups cgroups;
	enum criu_lock network_lock;
	uint64_t empty_namespaces; /* CLONE_NEW* */
	struct map mounts;      /* dump: mount point to a name; restore: the name to a path of the host */
	struct map cgroup_roots; /* controllers to a path */
	struct map join;        /* kind of namespace to its file */
	struct strv external;
	struct criu_files inherit;
};

struct criu_notice {
	const char *script; /* "pre-dump" "post-dump" "setup-namespaces" "post-restore" "orphan-pts-master" "status-ready" … */
	pid_t pid;          /* of the tree's root, when known, else 0 */
	int fd;             /* orphan-pts-master's; closed afterwards. Else -1 */
};

struct criu_call {
	enum criu_request request;
	struct criu_options *options;
	int input;                  /* criu's own standard input, or -1 */
	const struct cgroup *cgroup; /* criu is put there, and with it what it makes. NULL: it stays where we are */
	/* In criu's process before it is criu. */
	int (*prepare)(void *arg, struct err *e);
	/* With -1 criu gives up. */
	int (*notify)(const struct criu_notice *n, void *arg, struct err *e);
	void *arg;
};
struct criu_answer {
	pid_t pid;                  /* CRIU_RESTORE: of the tree's root */
	bool mem_track, lazy_pages; /* CRIU_FEATURES */
	unsigned version;           /* CRIU_VERSION: 31701 is 3.17.1 */
};

/* ERR_UNSUPPORTED: criu is not installed. What criu did not manage is one line, with the last errors of its log. */
int criu_call(const struct criu_call *c, struct criu_answer *ret, struct err *e) must_use;

/* The parts, for tests. inherit's fds are numbered as criu will have them. */
void criu_format_request(enum criu_request request, const struct criu_options *o, struct buf *out);
/* The last errors of a log's text, as one line; "" when there is none. */
void criu_last_errors(char *log, struct buf *out);
