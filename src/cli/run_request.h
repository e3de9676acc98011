/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_request: from the options of `run` and `create` to the container they ask for. Every value is checked here: a
 * wrong one is ERR_USAGE that names the option, before an image is fetched or a file is written. What depends on the
 * image (names of users) or on the kernel (controllers) shows later.
 */
#pragma once

#include "cli/run_options.h"
#include "engine/container.h"

struct run_request {
	struct arena arena;
	struct container_config config;
	struct host_config host;
	struct create_request create; /* points at the others */
	const char *pull;             /* always missing never */
	bool sig_proxy;
	int64_t wait_ns;              /* how long --wait may take; -1: for ever */
	const char *port_option;      /* what run_request_port() calls itself; NULL: -p */
};
/* args: IMAGE [COMMAND] [ARG...]; with --rootfs they are the command. */
int run_request_make(const struct run_options *o, int argc, char **argv, struct run_request *ret, struct err *e) must_use;
void run_request_drop(struct run_request *r);

/* The parts of it. */
int run_request_limits(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_devices(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_mounts(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_namespaces(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_networks(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_port(struct run_request *r, const char *text, struct err *e) must_use; /* one -p, into host.ports */
int run_request_ports(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_network(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_health(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_supervision(const struct run_options *o, struct run_request *r, struct err *e) must_use;
int run_request_security(const struct run_options *o, struct run_request *r, struct err *e) must_use;
/* One --ulimit. */
int run_parse_ulimit(struct arena *a, const char *text, struct ulimit *ret, struct err *e) must_use;

/* env.c: files first, then -e; NAME alone is taken from our environment. A name that is not set here comes out as
 * `NAME` without a value, which takes the variable away from the image's. Strings are allocated. */
int env_collect(const struct strv *files, const struct strv *lines, struct strv *ret, struct err *e) must_use;
/* Labels: KEY or KEY=VALUE; into the map, in the arena. */
int env_labels(const struct strv *files, const struct strv *lines, struct arena *a, struct map *ret, struct err *e) must_use;
