/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: what a container uses, again and again, and when its memory ran out: a JSON document a line, until it ends.
 *
 *   {"type":"stats","id":"web","data":{…}}     {"type":"oom","id":"web"}
 */
#include "oci/state.h"
#include "oci/stats_json.h"
#include "oci/verbs.h"

#include "base/fd.h"
#include "base/num.h"
#include "runtime/cgroup_oom.h"

#include <errno.h>
#include <poll.h>

struct options { char *interval; bool stats; };
#define O struct options
static const struct opt options[] = {
	{"interval", 0, OPT_STR, offset_of(O, interval), "TIME", "Between two lines (5s)"},
	{"stats", 0, OPT_BOOL, offset_of(O, stats), NULL, "Print what it uses now, and end"},
};
#undef O

static int print_event(const char *id, const char *type, struct json *data, struct err *e)
{
	own(json) struct json *j = json_new_object();
	own(buf) struct buf b = {};
	json_set_str(j, "type", type);
	json_set_str(j, "id", id);
	if (data)
		json_set(j, "data", data);
	json_format(j, 0, &b);
	buf_char(&b, '\n');
	return oci_print(&b, e);
}

static int print_stats(const char *id, const struct cgroup *g, struct err *e)
{
	own(cgroup_stats) struct cgroup_stats s = {};
	return cgroup_stats(g, &s, e) < 0 ? -1 : print_event(id, "stats", oci_stats_json(&s), e);
}

static int print_ooms(const char *id, struct cgroup_oom *o, struct err *e)
{
	uint64_t times = 0;
	bool more = cgroup_oom_read(o, &times);
	for (; times; times--)
		if (print_event(id, "oom", NULL, e) < 0)
			return -1;
	if (!more)
		fd_drop(&o->fd);
	return 0;
}

static int follow(const char *id, const struct cgroup *g, int pidfd, int64_t interval, struct err *e)
{
	own(cgroup_oom) struct cgroup_oom oom = CGROUP_OOM_EMPTY;
	struct err why = {};
	if (cgroup_oom_open(g, &oom, &why) < 0)
		oci_warn("no word of memory that ran out: %s", why.text);
	int64_t next = num_monotonic_ns() + interval;
	for (;;) {
		int64_t left = next - num_monotonic_ns();
		struct pollfd p[] = {{.fd = pidfd, .events = POLLIN}, {.fd = oom.fd, .events = POLLIN | POLLPRI}};
		if (poll(p, 2, left > 0 ? (int)(left / 1000000 < 1 << 30 ? left / 1000000 + 1 : 1 << 30) : 0) < 0 && errno != EINTR)
			return err_sys(e, "events");
		if (p[1].revents && print_ooms(id, &oom, e) < 0)
			return -1;
		if (p[0].revents)
			return 0;
		if (num_monotonic_ns() < next)
			continue;
		if (print_stats(id, g, e) < 0)
			return -1;
		next += interval;
	}
}

static int events(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	int64_t interval = 5000000000;
	struct cgroup g;
	if (o->interval && num_duration(o->interval, &interval, e) < 0)
		return err_wrap(e, "--interval");
	if (interval <= 0)
		return err_set(e, ERR_USAGE, "--interval %s: it must be more than 0", o->interval);
	if (oci_container_open(argv[0], 0, &c, e) < 0)
		return -1;
	own(fd) int pidfd = oci_open_process(&c, e);
	if (pidfd < 0 || oci_open_cgroup(&c, &g, e) < 0)
		return -1;
	int r = !g.rows ? err_set(e, ERR_UNSUPPORTED, "container %s has no control group that counts", argv[0]) :
		o->stats ? print_stats(argv[0], &g, e) : follow(argv[0], &g, pidfd, interval, e);
	cgroup_drop(&g);
	return r;
}

const struct cmd oci_events_verb = {"events", "ID", "Print what a container uses, and when its memory ran out, as JSON", options, countof(options),
	sizeof(struct options), 1, 1, events, .complete = "@id"};
