/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: what containers use now. Counters only grow; a rate is the difference of two samples over the time between them.
 */
#pragma once

#include "engine/container.h"

struct container_sample {
	char id[65], name[256];
	int64_t created_ns;
	bool runs;                  /* else the rest is 0 */
	int64_t at_ns;              /* CLOCK_MONOTONIC */
	uint64_t cpu_ns, throttled_ns;
	uint64_t memory, memory_limit; /* bytes, without what the page cache would give back; limit: the machine's when it has none */
	uint64_t rx, tx;            /* bytes of its interfaces, 0 when they are the machine's */
	uint64_t read, written;     /* bytes of block devices */
	uint64_t pids;
	bool has_pressure;          /* PSI: the part of the last ten seconds in which something waited, in % */
	double cpu_pressure, memory_pressure, io_pressure;
};
/* Keeps open what it looked at until it is dropped, so that the next look at the same containers is cheap. */
struct sampler;
struct sampler *sampler_new(struct engine *g) must_use;
void sampler_drop(struct sampler **s);
/* By id. ERR_NOT_FOUND: there is no such container. One that has ended meanwhile does not run; that is no error. */
int sampler_look(struct sampler *s, const char *id, struct container_sample *ret, struct err *e) must_use;
