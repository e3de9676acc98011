/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_limits: the options of `update` and `clone` that say what a container may use. Without one of them it stays as it is.
 */
#pragma once

#include "base/opt.h"
#include "engine/update.h"

struct update_limits {
	char *cpus, *cpuset_cpus, *cpuset_mems;
	struct opt_num memory, reservation, swap, pids, shares, period, quota, rt_period, rt_runtime, blkio_weight;
};
/* Rows of a verb's table of options; `m` is the struct in its own. */
#define UPDATE_CPU(type, m) \
	{"blkio-weight", 0, OPT_I64, offset_of(type, m.blkio_weight), "N", "Share of block I/O, 10 to 1000"}, \
	{"cpu-period", 0, OPT_I64, offset_of(type, m.period), "US", "Period of the CPU limit in microseconds"}, \
	{"cpu-quota", 0, OPT_I64, offset_of(type, m.quota), "US", "CPU time in a period in microseconds, -1: any"}, \
	{"cpu-rt-period", 0, OPT_I64, offset_of(type, m.rt_period), "US", "Period of the real-time limit in microseconds"}, \
	{"cpu-rt-runtime", 0, OPT_I64, offset_of(type, m.rt_runtime), "US", "Real-time CPU time in a period in microseconds"}, \
	{"cpu-shares", 'c', OPT_I64, offset_of(type, m.shares), "N", "Share of CPU time when it is scarce (1024 is normal)"}, \
	{"cpus", 0, OPT_STR, offset_of(type, m.cpus), "N", "Number of CPUs it may use, as in 0.5; 0: any"}, \
	{"cpuset-cpus", 0, OPT_STR, offset_of(type, m.cpuset_cpus), "LIST", "CPUs it may run on, as in 0-3,6"}, \
	{"cpuset-mems", 0, OPT_STR, offset_of(type, m.cpuset_mems), "LIST", "Memory nodes it may use"}
#define UPDATE_MEMORY(type, m) \
	{"memory", 'm', OPT_SIZE, offset_of(type, m.memory), "BYTES", "Limit of its memory, as in 256M; 0 or -1: none", OPT_MINUS_ONE}, \
	{"memory-reservation", 0, OPT_SIZE, offset_of(type, m.reservation), "BYTES", "Memory it keeps when memory is scarce", OPT_MINUS_ONE}, \
	{"memory-swap", 0, OPT_SIZE, offset_of(type, m.swap), "BYTES", "Limit of memory and swap together, -1: any", OPT_MINUS_ONE}
#define UPDATE_PIDS(type, m) {"pids-limit", 0, OPT_I64, offset_of(type, m.pids), "N", "Limit of its processes, -1: none"}

/* Into *ret, which borrows the strings. ERR_USAGE. */
int update_limits_read(const struct update_limits *l, struct update_request *ret, struct err *e) must_use;
bool update_limits_any(const struct update_limits *l);
