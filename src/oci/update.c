/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: other limits for a container that exists. From a document (--resources, as linux.resources) or from options; what
 * neither names stays.
 */
#include "oci/state.h"
#include "oci/verbs.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/intel_rdt.h"

#include <fcntl.h>
#include <unistd.h>

enum { RESOURCES_MAX = 4 << 20 };

struct options {
	char *resources, *cpuset_cpus, *cpuset_mems, *l3, *mem_bw;
	struct opt_num blkio_weight, cpu_burst, cpu_idle, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_share;
	struct opt_num kernel, kernel_tcp, memory, reservation, swap, pids;
};
#define O struct options
static const struct opt options[] = {
	{"blkio-weight", 0, OPT_U64, offset_of(O, blkio_weight), "N", "Block I/O weight, 10 to 1000"},
	{"cpu-burst", 0, OPT_U64, offset_of(O, cpu_burst), "USEC", "CPU time beyond the quota that may be saved up"},
	{"cpu-idle", 0, OPT_I64, offset_of(O, cpu_idle), "0|1", "Only CPU time that nobody else wants"},
	{"cpu-period", 0, OPT_U64, offset_of(O, cpu_period), "USEC", "The quota's period"},
	{"cpu-quota", 0, OPT_I64, offset_of(O, cpu_quota), "USEC", "CPU time in each period; -1: no limit"},
	{"cpu-rt-period", 0, OPT_U64, offset_of(O, cpu_rt_period), "USEC", "The real-time runtime's period"},
	{"cpu-rt-runtime", 0, OPT_I64, offset_of(O, cpu_rt_runtime), "USEC", "Real-time CPU time in each period"},
	{"cpu-share", 0, OPT_U64, offset_of(O, cpu_share), "N", "CPU shares, relative to others"},
	{"cpuset-cpus", 0, OPT_STR, offset_of(O, cpuset_cpus), "LIST", "CPUs"},
	{"cpuset-mems", 0, OPT_STR, offset_of(O, cpuset_mems), "LIST", "Memory nodes"},
	{"kernel-memory", 0, OPT_SIZE, offset_of(O, kernel), "BYTES", "Ignored: kernels have given it up", OPT_MINUS_ONE},
	{"kernel-memory-tcp", 0, OPT_SIZE, offset_of(O, kernel_tcp), "BYTES", "Ignored: kernels have given it up", OPT_MINUS_ONE},
	{"l3-cache-schema", 0, OPT_STR, offset_of(O, l3), "SCHEMA", "Intel RDT: L3 cache"},
	{"mem-bw-schema", 0, OPT_STR, offset_of(O, mem_bw), "SCHEMA", "Intel RDT: memory bandwidth"},
	{"memory", 0, OPT_SIZE, offset_of(O, memory), "BYTES", "Memory; -1: no limit", OPT_MINUS_ONE},
	{"memory-reservation", 0, OPT_SIZE, offset_of(O, reservation), "BYTES", "Memory that is kept when it gets short", OPT_MINUS_ONE},
	{"memory-swap", 0, OPT_SIZE, offset_of(O, swap), "BYTES", "Memory and swap together; -1: no limit", OPT_MINUS_ONE},
	{"pids-limit", 0, OPT_I64, offset_of(O, pids), "N", "Processes; -1: no limit"},
	{"resources", 'r', OPT_STR, offset_of(O, resources), "FILE", "A document as linux.resources, - for standard input; other limits are ignored", 0, "@file"},
};
#undef O

static struct opt_u64 unsigned_of(struct opt_num n)
{
	return (struct opt_u64){n.set, (uint64_t)n.v};
}

static struct opt_i64 signed_of(struct opt_num n)
{
	return (struct opt_i64){n.set, n.v};
}

static void take_options(const struct options *o, struct arena *a, struct spec_resources *r)
{
	struct spec_cpu *cpu = r->cpu = arena_alloc(a, sizeof *cpu);
	struct spec_memory *m = r->memory = arena_alloc(a, sizeof *m);
	*cpu = (struct spec_cpu){.shares = unsigned_of(o->cpu_share), .burst = unsigned_of(o->cpu_burst), .period = unsigned_of(o->cpu_period),
		.rt_period = unsigned_of(o->cpu_rt_period), .quota = signed_of(o->cpu_quota), .rt_runtime = signed_of(o->cpu_rt_runtime),
		.idle = signed_of(o->cpu_idle), .cpus = o->cpuset_cpus, .mems = o->cpuset_mems};
	*m = (struct spec_memory){.limit = signed_of(o->memory), .reservation = signed_of(o->reservation), .swap = signed_of(o->swap)};
	if (o->blkio_weight.set) {
		r->block_io = arena_alloc(a, sizeof *r->block_io);
		r->block_io->weight = unsigned_of(o->blkio_weight);
	}
	if (o->pids.set) {
		r->pids = arena_alloc(a, sizeof *r->pids);
		r->pids->limit = signed_of(o->pids);
	}
}

static int take_document(const char *path, struct arena *a, struct json **ret_doc, struct spec_resources *r, struct err *e)
{
	own(buf) struct buf text = BUF(RESOURCES_MAX);
	own(fd) int fd = strcmp(path, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fd_read_to_end(fd, &text) < 0)
		return err_sys(e, "--resources %s", path);
	if (json_parse(buf_text(&text), text.len, ret_doc, e) < 0 || jmap_parse(&spec_resources_table, *ret_doc, 0, a, r, "", e) < 0)
		return err_wrap(e, "--resources %s", path);
	return 0;
}

static int update_rdt(struct oci_container *c, const struct options *o, struct err *e)
{
	struct spec_intel_rdt w = {.l3 = o->l3, .mem_bw = o->mem_bw};
	struct intel_rdt have;
	if (str_is_empty(o->l3) && str_is_empty(o->mem_bw))
		return 0;
	if (oci_load_spec(c, e) < 0)
		return -1;
	if (!c->spec.linux_->intel_rdt)
		return err_set(e, ERR_UNSUPPORTED, "container %s has no class in resctrl: its configuration has no linux.intelRdt", c->state.id);
	own(fd) int root = intel_rdt_root(e);
	if (root < 0)
		return -1;
	oci_get_rdt(c, &have);
	return intel_rdt_update(root, &have, &w, e);
}

static int update_groups(struct oci_container *c, const struct spec_resources *r, struct err *e)
{
	struct cgroup g;
	if (oci_open_cgroup(c, &g, e) < 0)
		return -1;
	int result = cgroup_update(&g, r, e);
	/* Groups may have been made for it, also when it failed then. */
	struct err why = {};
	oci_set_cgroup(c, &g);
	if (oci_container_save(c, &why) < 0 && result == 0)
		result = (*e = why, -1);
	cgroup_drop(&g);
	return result;
}

static int update(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	own(json) struct json *doc = NULL;
	struct spec_resources r = {};
	if (oci_container_open(argv[0], OCI_LOCK, &c, e) < 0 || oci_need_manager(&c, e) < 0)
		return -1;
	enum oci_status s = oci_container_status(&c);
	if (s == OCI_STOPPED || s == OCI_CREATING)
		return err_set(e, ERR_CONFLICT, "cannot update a container that is %s: container not running: %s", oci_status_name(s), argv[0]);
	if (o->resources ? take_document(o->resources, &c.arena, &doc, &r, e) < 0 : (take_options(o, &c.arena, &r), false))
		return -1;
	if (o->kernel.set || o->kernel_tcp.set)
		oci_warn("kernel memory limits are ignored: kernels have given them up");
	spec_settle_resources(&r);
	return update_groups(&c, &r, e) < 0 ? -1 : update_rdt(&c, o, e);
}

const struct cmd oci_update_verb = {"update", "ID", "Change a container's limits", options, countof(options), sizeof(struct options), 1, 1, update,
	.complete = "@id"};
