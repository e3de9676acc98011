/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: limits, health checks, published ports, mounts, devices and the restart policy of containers that are there.
 */
#include "cli/commands.h"
#include "cli/run_request.h"
#include "cli/update_limits.h"

#include "base/num.h"

struct update_options {
	struct update_limits limits;
	char *restart;
	struct strv publish_add, publish_remove, mount_add, mount_remove, device_add, device_remove;
	struct run_options run; /* of which only the health checks' part is used */
	/* worked out */
	struct engine *g;
	struct update_request r;
};
#define O(m) offset_of(struct update_options, m)
static const struct opt opts[] = {
	UPDATE_CPU(struct update_options, limits),
	{"device-add", 0, OPT_STRV, O(device_add), "HOST[:PATH[:rwm]]", "Give it a further device, as --device of run"},
	{"device-rm", 0, OPT_STRV, O(device_remove), "PATH", "Take a device away"},
	{"health-cmd", 0, OPT_STR, O(run.health_cmd), "COMMAND", "Shell command that tells whether it is well"},
	{"health-interval", 0, OPT_STR, O(run.health_interval), "TIME", "Time between two such checks"},
	{"health-on-failure", 0, OPT_STR, O(run.health_on_failure), "ACTION", "What is done when it is unhealthy", 0, "none kill restart stop"},
	{"health-retries", 0, OPT_I64, O(run.health_retries), "N", "Failures in a row that make it unhealthy"},
	{"health-start-interval", 0, OPT_STR, O(run.health_start_interval), "TIME", "Time between two checks in the start period"},
	{"health-start-period", 0, OPT_STR, O(run.health_start_period), "TIME", "Time in which failures do not count"},
	{"health-timeout", 0, OPT_STR, O(run.health_timeout), "TIME", "A check that takes longer has failed"},
	UPDATE_MEMORY(struct update_options, limits),
	{"mount-add", 0, OPT_STRV, O(mount_add), "SPEC", "Mount something in it, as --mount or -v of run"},
	{"mount-rm", 0, OPT_STRV, O(mount_remove), "PATH", "Take the mount at PATH away"},
	{"no-healthcheck", 0, OPT_BOOL, O(run.no_healthcheck), NULL, "Check its health no longer"},
	UPDATE_PIDS(struct update_options, limits),
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

bool update_limits_any(const struct update_limits *l)
{
	const struct opt_num *n[] = {&l->memory, &l->reservation, &l->swap, &l->pids, &l->shares, &l->period, &l->quota, &l->rt_period, &l->rt_runtime,
		&l->blkio_weight};
	bool any = l->cpus || l->cpuset_cpus || l->cpuset_mems;
	for (size_t i = 0; i < countof(n); i++)
		any |= n[i]->set;
	return any;
}

int update_limits_read(const struct update_limits *l, struct update_request *ret, struct err *e)
{
	struct err why = {};
	*ret = (struct update_request){.memory = number(&l->memory), .reservation = number(&l->reservation), .swap = number(&l->swap), .pids = number(&l->pids),
		.shares = number(&l->shares), .period = number(&l->period), .quota = number(&l->quota), .rt_period = number(&l->rt_period),
		.rt_runtime = number(&l->rt_runtime), .blkio_weight = number(&l->blkio_weight), .cpuset_cpus = l->cpuset_cpus, .cpuset_mems = l->cpuset_mems};
	if (l->cpus && num_cpus(l->cpus, &ret->nano_cpus.v, &why) < 0)
		return err_set(e, ERR_USAGE, "invalid --cpus \"%.60s\": it is a number such as 0.5 or 2", l->cpus);
	ret->nano_cpus.set = l->cpus != NULL;
	return 0;
}

static bool has_any(const struct update_options *o)
{
	return update_limits_any(&o->limits) || o->restart || o->publish_add.n || o->publish_remove.n || o->mount_add.n || o->mount_remove.n ||
		o->device_add.n || o->device_remove.n;
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
	if (update_limits_read(&o->limits, &o->r, e) < 0)
		return -1;
	o->r.restart = o->restart;
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
