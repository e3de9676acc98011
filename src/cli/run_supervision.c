/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_supervision: what is done when the container ends, or is not well: --restart, --health-*, --timeout, --requires.
 */
#include "cli/run_request.h"

#include "base/num.h"
#include "engine/health.h"
#include "engine/notify.h"
#include "engine/restart.h"

static int time_of(const char *option, const char *text, int64_t *ret, struct err *e)
{
	struct err why = {};
	if (str_is_empty(text))
		return 0;
	if (num_duration(text, ret, &why) < 0 || *ret < 0)
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": it is a time, as in 30s or 1m30s", option, text);
	return 0;
}

static bool is_asked(const struct run_options *o)
{
	return o->health_cmd || o->health_interval || o->health_timeout || o->health_start_period || o->health_start_interval || o->health_retries.set;
}

int run_request_health(const struct run_options *o, struct run_request *r, struct err *e)
{
	enum health_action action;
	if (health_parse_action(o->health_on_failure, &action, e) < 0)
		return -1;
	r->host.health_on_failure = o->health_on_failure;
	if (o->no_healthcheck && is_asked(o))
		return err_set(e, ERR_USAGE, "--no-healthcheck and the other --health options contradict each other: give one of them");
	if (!o->no_healthcheck && !is_asked(o))
		return 0;
	struct container_health *h = arena_alloc(&r->arena, sizeof *h);
	*h = (struct container_health){};
	r->config.health = h;
	if (o->no_healthcheck) {
		arena_strv_add(&r->arena, &h->test, "NONE");
		return 0;
	}
	if (o->health_cmd && !*o->health_cmd)
		return err_set(e, ERR_USAGE, "invalid --health-cmd \"\": say a command");
	if (o->health_cmd) {
		arena_strv_add(&r->arena, &h->test, "CMD-SHELL");
		arena_strv_add(&r->arena, &h->test, o->health_cmd);
	}
	if (o->health_retries.set && (o->health_retries.v < 0 || o->health_retries.v > INT32_MAX))
		return err_set(e, ERR_USAGE, "invalid --health-retries \"%lld\": it is a number of failures", (long long)o->health_retries.v);
	h->retries = o->health_retries.set ? o->health_retries.v : 0;
	return time_of("health-interval", o->health_interval, &h->interval, e) < 0 || time_of("health-timeout", o->health_timeout, &h->timeout, e) < 0 ||
		time_of("health-start-period", o->health_start_period, &h->start_period, e) < 0 ||
		time_of("health-start-interval", o->health_start_interval, &h->start_interval, e) < 0 ? -1 : 0;
}

static int restart(const struct run_options *o, struct run_request *r, struct err *e)
{
	if (str_is_empty(o->restart))
		return 0;
	if (restart_parse(o->restart, &r->arena, &r->host.restart, e) < 0)
		return -1;
	return 0;
}

int run_request_supervision(const struct run_options *o, struct run_request *r, struct err *e)
{
	if (o->timeout.set && (o->timeout.v < 0 || o->timeout.v > INT32_MAX))
		return err_set(e, ERR_USAGE, "invalid --timeout \"%lld\": it is a number of seconds", (long long)o->timeout.v);
	if (o->wait && !str_eq(o->wait, "running") && !str_eq(o->wait, "healthy"))
		return err_set(e, ERR_USAGE, "invalid --wait \"%.60s\": running and healthy are known", o->wait);
	if (o->wait && !o->detach)
		return err_set(e, ERR_USAGE, "--wait: give -d too: without it hull stays with the container");
	if (o->wait_timeout.set && !o->wait)
		return err_set(e, ERR_USAGE, "--wait-timeout: give --wait too, which it bounds");
	if (o->wait_timeout.set && (o->wait_timeout.v < 0 || o->wait_timeout.v > INT32_MAX))
		return err_set(e, ERR_USAGE, "invalid --wait-timeout \"%lld\": it is a number of seconds", (long long)o->wait_timeout.v);
	r->wait_ns = o->wait_timeout.set ? o->wait_timeout.v * 1000000000LL : -1;
	r->host.timeout = o->timeout.set ? o->timeout.v : 0;
	for (size_t i = 0; i < o->requires.n; i++) {
		own(strv) struct strv names = {};
		strv_split(&names, o->requires.v[i], ',');
		for (size_t k = 0; k < names.n; k++)
			arena_strv_add(&r->arena, &r->host.requires, names.v[k]);
	}
	if (o->replace && str_is_empty(o->name))
		return err_set(e, ERR_USAGE, "--replace: give --name too, the name whose container is replaced");
	enum notify_mode mode;
	if (notify_parse(o->sdnotify, &mode, e) < 0)
		return -1;
	r->host.sdnotify = o->sdnotify;
	return restart(o, r, e) < 0 || run_request_health(o, r, e) < 0 ? -1 : 0;
}
