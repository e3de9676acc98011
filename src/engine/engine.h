/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: what every verb starts with: the two directories of hull, and the peers (images, root file
 * systems, containers) opened when first asked for. No daemon stands behind it: two engines in two
 * processes at once are the normal case, guarded by the locks of the objects they touch.
 */
#pragma once

#include "engine/private_net.h"
#include "engine/rootless.h"
#include "engine/settings.h"
#include "image/store.h"
#include "net/network.h"
#include "snap/snap.h"
#include "state/container.h"

#include <sys/types.h>

struct spec;
struct engine_options {
	const char *root, *run_root; /* NULL: HULL_ROOT, HULL_RUN_ROOT, else the defaults of the design */
	const char *storage;         /* "erofs", "files"; NULL: HULL_STORAGE, else the settings, the store, what the machine can */
	const char *exe;             /* path of the running hull, to find its libexec and data in a build tree; may be NULL */
	void (*warn)(void *arg, const char *text); /* one line each; may be NULL */
	void *arg;
};

/* A login that counts for what this engine does, before those of docker's configuration. */
struct engine_login { const char *registry /* as config.json has its keys */, *user, *password, *token /* identity token; or NULL */; };
struct engine_logins { struct engine_login *v; size_t n; };

struct engine {
	char *root_path, *run_path;
	int root, run;
	bool rootless;      /* uid 0 here is a plain user outside */
	struct private_net private_net;
	struct rootless user; /* who started hull, and the ids there are */
	char *storage;      /* as asked for, or NULL */
	char *exe_dir;      /* directory of the executable, or NULL */
	void (*warn)(void *arg, const char *text);
	void *arg;
	struct engine_logins logins; /* the caller's */
	struct containers containers, pods;
	struct store store;
	struct snap snap;
	struct settings settings;
	struct networks networks;
	bool has_store, has_snap, has_storage, has_settings, has_networks, has_pods, has_warned;
};

int engine_open(struct engine *g, const struct engine_options *o, struct err *e) must_use;
void engine_drop(struct engine *g);
int engine_need_store(struct engine *g, struct err *e) must_use;
int engine_need_snap(struct engine *g, struct err *e) must_use;
int engine_need_networks(struct engine *g, struct err *e) must_use;
int engine_need_pods(struct engine *g, struct err *e) must_use;
int engine_need_storage(struct engine *g, struct err *e) must_use; /* and how it keeps new layers is decided */
const struct settings *engine_settings(struct engine *g, struct err *e) must_use; /* read at the first call; NULL on error */
/* The folder of compiled filters for the runtime, when this profile is not built in; -1: none. */
int engine_seccomp_cache(struct engine *g, const struct spec *s);
/* Says once that a plain user without ranges of ids cannot have files of others in his images. */
void engine_warn_ids(struct engine *g);
void engine_warn(const struct engine *g, const char *fmt, ...) printf_like(2, 3);
/* A file that belongs to the installation: beside the executable (a build tree), else installed. NULL: neither. */
char *engine_libexec(const struct engine *g, const char *name) must_use;
char *engine_data(const struct engine *g, const char *name) must_use;
int engine_scratch(struct engine *g, struct err *e) must_use; /* a file without a name, below the root */
/* The default directories for this user: ret_root and ret_run are allocated. */
int engine_default_paths(bool rootless, uid_t user, char **ret_root, char **ret_run, struct err *e) must_use;
