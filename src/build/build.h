/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: from a Dockerfile and a context to an image in the store. The image is there when it can be run: there is no export and no
 * load in between.
 */
#pragma once

#include "build/output.h"
#include "engine/engine.h"

enum build_event_kind {
	BUILD_BEGIN,   /* a step begins */
	BUILD_CACHED,  /* a step was done before */
	BUILD_OUTPUT,  /* text of a step */
	BUILD_DONE,
	BUILD_FAILED,  /* text: why */
	BUILD_WARNING, /* text; a line of its own */
	BUILD_SHOW,    /* lines of the Dockerfile around what failed */
	BUILD_SHELL,   /* text: why there is a shell now */
	BUILD_CHECK,   /* text: what a build check found (lint.h), with its line and a caret */
};
struct build_event {
	enum build_event_kind kind;
	unsigned step;     /* its number in this build; 0: none */
	unsigned total;    /* steps of all stages that are needed */
	int64_t ns;        /* since the step began */
	int64_t cpu_ns;    /* BUILD_DONE, BUILD_FAILED: of the step and of all that it started */
	uint64_t bytes;    /* BUILD_DONE: of the files in its layer */
	const char *name;  /* of the step: "[2/3] RUN make"; may be "" */
	const char *text;
	size_t len;
};

enum build_provenance { BUILD_PROVENANCE_NONE, BUILD_PROVENANCE_MIN, BUILD_PROVENANCE_MAX };
enum build_level { BUILD_MANIFEST, BUILD_INDEX, BUILD_MANIFEST_DESCRIPTOR, BUILD_INDEX_DESCRIPTOR };
struct build_annotation { enum build_level level; char *platform; /* of that one alone; NULL: all */ char *key, *value; };
struct build_volume { char *source, *target; bool ro; }; /* whole paths */
struct build_secret { char *id, *source; bool is_env; };
struct build_request {
	const char *context;     /* a directory; "-": a tar or a Dockerfile on stdin; a URL of one; a git repository (git.h) */
	const char *file;        /* -f; "-": stdin; NULL: <context>/Dockerfile */
	const char *ignore_file; /* instead of .dockerignore; NULL */
	int in;                  /* stdin */
	struct strv tags, args, labels, platforms, no_cache_filter, extra_hosts, cap_add, cap_drop, security_opt;
	struct map contexts;     /* --build-context */
	struct { struct build_volume *v; size_t n; } volumes;
	struct { struct build_secret *v; size_t n; } secrets, agents;
	struct { struct build_output *v; size_t n; } outputs; /* none: an image in the store */
	struct { struct build_annotation *v; size_t n; } annotations;
	struct { struct build_cache *v; size_t n; } cache_from, cache_to; /* remote_cache.h */
	const char *target, *platform /* of platforms, the one at hand */, *pull, *network, *debug_at /* STAGE:LINE or LINE */;
	bool no_cache, explain, squash, shell_on_error, docker_types /* docker's media types */, has_format, sbom;
	bool allow_insecure, allow_host; /* --allow: security.insecure, network.host */
	struct strv allow_devices; /* --allow device[=NAME]; "": all */
	enum build_provenance provenance;
	unsigned jobs;           /* 0: as many as there are CPUs */
	int64_t cache_max;       /* the build cache is pruned to that many bytes at the end; 0: as the settings say */
	int64_t shm_size, memory, memory_swap, nano_cpus, cpu_shares, cpu_quota, cpu_period;
	const char *cpuset_cpus, *cpuset_mems, *cgroup_parent;
	struct { struct ulimit *v; size_t n; } ulimits;
	void (*event)(void *arg, const struct build_event *ev);
	void (*tick)(void *arg); /* called ten times a second while steps run and say nothing; NULL */
	void *arg;
};
struct build_result {
	char id[136];            /* of the image, or of the index of several; "": there is none, as --output says */
	bool is_index;
	char config[136];        /* the digest of the image's config; "": there are several */
	char digest[136];        /* of what was pushed, else of the index, else of the manifest, else, since there is none, of the config */
	struct strv names;       /* whole references */
	uint64_t steps, cached;
	bool worked;             /* steps were done: the cache may have grown */
};
void build_result_drop(struct build_result *r);
/* A build argument that is a switch, as BUILDKIT_INLINE_CACHE: is it on? */
bool build_switch(const struct build_request *q, const char *name);
/* ERR_USAGE for what is wrong in the Dockerfile or the request. A step that fails: ERR_CONFLICT with its exit status in e->sys. */
int build_run(struct engine *g, const struct build_request *q, struct build_result *ret, struct err *e) must_use;

/* What a build would be, without building: "check": what the build checks find; "outline": what a target can be given; "targets": the stages.
 * The documents are those of BuildKit's frontend.lint, frontend.outline and frontend.targets. */
int build_describe(struct engine *g, const struct build_request *q, const char *call, struct json **ret, struct err *e) must_use;
