/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: what somebody asked for when making a container: is it possible, and what was left open.
 */
#pragma once

#include "engine/container.h"

/* Fills what is empty from the settings and docker's defaults; container:NAME becomes container:ID. Everything lives in
 * the arena of the entry. */
int request_complete(struct engine *g, struct container_entry *c, const struct settings *s, struct err *e) must_use;
/* Values out of range, modes nobody knows, options that exclude each other: ERR_USAGE, before anything is made. */
int request_check(const struct container_record *r, struct err *e) must_use;
/* request_words.c, for front ends: what stands in a request, word by word, before anything is filled in: names, addresses, ids, times, mounts.
 * ERR_USAGE names it as the option of `run`. */
int request_check_words(const struct container_config *c, const struct host_config *h, struct err *e) must_use;
int request_check_device(const struct device_mapping *d, struct err *e) must_use;
int request_check_mount(const struct mount_request *m, struct err *e) must_use;
