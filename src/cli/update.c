/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: limits, health checks, published ports, mounts, devices and the restart policy of containers that are there.
 */
#include "cli/commands.h"
#include "cli/run_request.h"
#include "engine/update.h"

#include "base/num.h"

struct update_options {
	char *cpus, *cpuset_cpus, *cpuset_mems, *restart;
	struct strv publish_add, publish_remove, mount_add, mount_remove, device_add, device_remove;
	struct opt_num memory, reservation, swap, pids, shares, period, quota, rt_period, rt_runtime, blkio_weight;
	struct run_options run; /* of which only the health checks' part is used */
	/* worked out */
	struct engine *g;
	struct update_request r;
};
#define O(m) offset_of(struct update_options, m)
static const struct opt opts[] = {
	{"blkio-weight", 0, OPT_I64, O(blkio_weight), "N", "Share of block I/O, 10 to 1000"},
	{"cpu-period", 0, OPT_I64, O(period), "US", "Period of the CPU limit in microseconds"},
	{"cpu-quota", 0, OPT_I64, O(quota), "US", "CPU time in a period in microseconds, -1: any"},
	{"cpu-rt-period", 0, OPT_I64, O(rt_period), "US", "Period of the real-time limit in microseconds"},
	{"cpu-rt-runtime", 0, OPT_I64, O(rt_runtime), "US", "Real-time CPU time in a period in microseconds"},
	{"cpu-shares", 'c', OPT_I64, O(shares), "N", "Share of CPU time when it is scarce (1024 is normal)"},
	{"cpus", 0, OPT_STR, O(cpus), "N", "Number of CPUs it may use, as in 0.5; 0: any"},
	{"cpuset-cpus", 0, OPT_STR, O(cpuset_cpus), "LIST", "CPUs it may run on, as in 0-3,6"},
	{"cpuset-mems", 0, OPT_STR, O(cpuset_mems), "LIST", "Memory nodes it may use"},
	{"device-add", 0, OPT_STRV, O(device_add), "HOST[:PATH[:rwm]]", "Give it a further device, as --device of run"},
	{"device-rm", 0, OPT_STRV, O(device_remove), "PATH", "Take a device away"},
	{"health-cmd", 0, OPT_STR, O(run.health_cmd), "COMMAND", "Shell command that tells whether it is well"},
	{"health-interval", 0, OPT_STR, O(run.health_interval), "TIME", "Time between two such checks"},
	{"health-on-failure", 0, OPT_STR, O(run.health_on_failure), "ACTION", "What is done when it is unhealthy", 0, "none kill restart stop"},
	{"health-retries", 0, OPT_I64, O(run.health_retries), "N", "Failures in a row that make it unhealthy"},
	{"health-start-interval", 0, OPT_STR, O(run.health_start_interval), "TIME", "Time between two checks in the start period"},
	{"health-start-period", 0, OPT_STR, O(run.health_start_period), "TIME", "Time in which failures do not count"},
	{"health-timeout", 0, OPT_STR, O(run.health_timeout), "TIME", "A check that takes longer has failed"},
	{"memory", 'm', OPT_SIZE, O(memory), "BYTES", "Limit of its memory, as in 256M; 0 or -1: none", OPT_MINUS_ONE},
	{"memory-reservation", 0, OPT_SIZE, O(reservation), "BYTES", "Memory it keeps when memory is scarce", OPT_MINUS_ONE},
	{"memory-swap", 0, OPT_SIZE, O(swap), "BYTES", "Limit of memory and swap together, -1: any", OPT_MINUS_ONE},
	{"mount-add", 0, OPT_STRV, O(mount_add), "SPEC", "Mount something in it, as --mount or -v of run"},
	{"mount-rm", 0, OPT_STRV, O(mount_remove), "PATH", "Take the mount at PATH away"},
	{"no-healthcheck", 0, OPT_BOOL, O(run.no_healthcheck), NULL, "Check its health no longer"},
	{"pids-limit", 0, OPT_I64, O(pids), "N", "Limit of its processes, -1: none"},
	{"publish-add", 0, OPT_STRV, O(publish_add), "[[IP:]HOST-PORT:]PORT", "Publish a further port, as -p of run"},
	{"publish-rm", 0, OPT_STRV, O(publish_remove), "[[IP:]HOST-PORT:]PORT", "Publish a port no longer; without HOST-PORT: nowhere"},
	{"restart", 0, OPT_STR, O(restart), "POLICY", "When it comes back: no, on-failure[:n], always, unless-stopped", 0, "no on-failure always unless-stopped"},
};
#undef O

static struct opt_i64 number(const struct opt_num *n)
{
	return (struct opt_i64){n->set, n->v};
}

static int update_one(const char *name, void *arg, struct err *e)
{
	const struct update_options *o = arg;
	return container_update(o->g, name, &o->r, e);
}

static bool has_any(const struct update_options *o)
{
	const struct opt_num *n[] = {&o->memory, &o->reservation, &o->swap, &o->pids, &o->shares, &o->period, &o->quota, &o->rt_period, &o->rt_runtime,
		&o->blkio_weight};
	bool any = o->cpus || o->cpuset_cpus || o->cpuset_mems || o->restart || o->publish_add.n || o->publish_remove.n ||
		o->mount_add.n || o->mount_remove.n || o->device_add.n || o->device_remove.n;
	for (size_t i = 0; i < countof(n); i++)
		any |= n[i]->set;
	return any;
}

static int read_ports(struct run_request *into, const char *option, const struct strv *list, struct port_requests *ret, struct err *e)
{
	into->port_option = option;
	into->host.ports = (struct port_requests){};
	for (size_t i = 0; i < list->n; i++)
		if (run_request_port(into, list->v[i], e) < 0)
			return -1;
	*ret = into->host.ports;
	return 0;
}

/* A mount by the grammar of --mount has a target=; else it is one of -v. */
static int read_things(struct update_options *o, struct run_request *into, struct strv *volumes, struct strv *mounts, struct err *e)
{
	static const char *const targets[] = {"target=", "dst=", "destination="};
	for (size_t i = 0; i < o->mount_add.n; i++) {
		bool is_mount = false;
		for (size_t k = 0; k < countof(targets); k++)
			is_mount |= strstr(o->mount_add.v[i], targets[k]) != NULL;
		if (!is_mount && !strchr(o->mount_add.v[i], ':'))
			return err_set(e, ERR_USAGE, "invalid --mount-add \"%.200s\": as in type=bind,src=/srv,dst=/data or SOURCE:PATH", o->mount_add.v[i]);
		strv_add(is_mount ? mounts : volumes, o->mount_add.v[i]);
	}
	const struct run_options run = {.volume = *volumes, .mount = *mounts, .device = o->device_add};
	if (run_request_mounts(&run, into, e) < 0 || run_request_devices(&run, into, e) < 0)
		return -1;
	if (into->host.device_requests.n)
		return err_set(e, ERR_USAGE, "--device-add %.200s: devices are added by their path", into->host.device_requests.v[0].ids.v[0]);
	for (size_t i = 0; i < o->mount_remove.n; i++)
		if (o->mount_remove.v[i][0] != '/')
			return err_set(e, ERR_USAGE, "invalid --mount-rm \"%.200s\": the path in the container must be absolute", o->mount_remove.v[i]);
	o->r.things = (struct update_things){.add = into->host, .remove_mounts = o->mount_remove, .remove_devices = o->device_remove};
	return 0;
}

static int update(void *opts_, int argc, char **argv, struct err *e)
{
	struct update_options *o = opts_;
	struct err why = {};
	o->r = (struct update_request){.memory = number(&o->memory), .reservation = number(&o->reservation), .swap = number(&o->swap), .pids = number(&o->pids),
		.shares = number(&o->shares), .period = number(&o->period), .quota = number(&o->quota), .rt_period = number(&o->rt_period),
		.rt_runtime = number(&o->rt_runtime), .blkio_weight = number(&o->blkio_weight), .cpuset_cpus = o->cpuset_cpus,
		.cpuset_mems = o->cpuset_mems, .restart = o->restart};
	if (o->cpus && num_cpus(o->cpus, &o->r.nano_cpus.v, &why) < 0)
		return err_set(e, ERR_USAGE, "invalid --cpus \"%.60s\": it is a number such as 0.5 or 2", o->cpus);
	o->r.nano_cpus.set = o->cpus != NULL;
	struct run_request health __attribute__((cleanup(run_request_drop))) = {};
	if (run_request_health(&o->run, &health, e) < 0)
		return -1;
	o->r.health = health.config.health;
	o->r.health_on_failure = o->run.health_on_failure;
	if (!has_any(o) && !o->r.health && !o->r.health_on_failure)
		return err_set(e, ERR_USAGE, "nothing to change: give one of the options, as in --memory 256M");
	struct run_request ports __attribute__((cleanup(run_request_drop))) = {};
	if (read_ports(&ports, "--publish-add", &o->publish_add, &o->r.publish_add, e) < 0 ||
		read_ports(&ports, "--publish-rm", &o->publish_remove, &o->r.publish_remove, e) < 0)
		return -1;
	struct run_request things __attribute__((cleanup(run_request_drop))) = {};
	own(strv) struct strv volumes = {};
	own(strv) struct strv mounts = {};
	if (read_things(o, &things, &volumes, &mounts, e) < 0)
		return -1;
	o->g = cli_engine(e);
	return o->g ? cli_each(argc, argv, true, update_one, o) : -1;
}

const struct cmd cmd_update = {"update", "CONTAINER...", "Change limits, ports, mounts, health or the restart policy of containers", opts, countof(opts),
	sizeof(struct update_options), 1, -1, update, .complete = "@container",
	.examples = "$ hull update --memory 512M --cpus 1.5 web\n$ hull update --publish-rm 8080:80 --publish-add 8081:80 web\n"
	"$ hull update --restart unless-stopped web\n$ hull update --mount-add type=volume,source=pages,target=/pages web"};
