/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_probe: hull has one health check where a cluster has three probes. It is the liveness probe, whose failures restart the container;
 * else the readiness probe, whose failures are only told. A startup probe gives the time in which failures do not count. What is to be
 * asked over the network is asked from inside, by what the image has: curl or wget, bash or nc.
 */
#include "cli/kube.h"

#include <stdio.h>
#include <string.h>

static void quote(struct buf *b, const char *word)
{
	buf_char(b, '\'');
	for (; *word; word++)
		buf_str(b, *word == '\'' ? "'\\''" : (const char[]){*word, 0});
	buf_char(b, '\'');
}

/* A number, or the name of one of the container's ports. */
static int port_of(const struct kube_node *c, const struct kube_node *at, int64_t *ret, struct err *e)
{
	const struct json *port = json_get(at->j, "port"), *list = json_get(c->j, "ports");
	*ret = json_i64(port);
	for (size_t i = 0; json_str(port) && i < json_len(list); i++)
		if (str_eq(json_get_str(json_at(list, i), "name"), json_str(port)))
			*ret = json_i64(json_get(json_at(list, i), "containerPort"));
	return *ret >= 1 && *ret <= 65535 ? 0 : kube_bad(*at, e, "port is neither a port nor the name of one of this container's");
}

static int http(const struct kube_node *c, const struct kube_node *get, int64_t seconds, struct buf *b, struct err *e)
{
	const char *path, *host, *scheme;
	struct kube_node headers, header;
	own(buf) struct buf url = {}, curl = {}, wget = {};
	int64_t port;
	kube_check(get, "path port host scheme httpHeaders");
	if (kube_str(get, "path", &path, e) < 0 || kube_str(get, "host", &host, e) < 0 || kube_str(get, "scheme", &scheme, e) < 0 ||
		kube_array(get, "httpHeaders", &headers, e) < 0 || port_of(c, get, &port, e) < 0)
		return -1;
	own(mem) char *lower = mem_dup(scheme ? scheme : "http");
	if (strcmp(str_lower(lower), "http") != 0 && strcmp(lower, "https") != 0)
		return kube_bad(*get, e, "scheme is \"%.40s\": HTTP and HTTPS are known", scheme);
	own(mem) char *text = mem_printf("%s://%s:%lld%s%s", lower, host ? host : "127.0.0.1", (long long)port, path && *path == '/' ? "" : "/", path ? path :
		"");
	quote(&url, text);
	for (size_t i = 0; i < json_len(headers.j); i++) {
		const char *name, *value;
		if (kube_at(&headers, i, &header, e) < 0 || kube_need_str(&header, "name", &name, e) < 0 || kube_str(&header, "value", &value, e) < 0)
			return -1;
		own(mem) char *line = mem_printf("%s: %s", name, value ? value : "");
		buf_str(&curl, " -H ");
		quote(&curl, line);
		buf_str(&wget, " --header ");
		quote(&wget, line);
	}
	/* The probe of a cluster does not look at certificates. busybox's wget may know no time-out; the check has one. */
	buf_printf(b, "if command -v curl >/dev/null; then curl -fsSk -m %lld%s -o /dev/null %s; else wget -q%s%s -O /dev/null %s; fi", (long long)seconds,
		buf_text(&curl), buf_text(&url), strcmp(lower, "https") == 0 ? " --no-check-certificate" : "", buf_text(&wget), buf_text(&url));
	return 0;
}

static int tcp(const struct kube_node *c, const struct kube_node *socket, int64_t seconds, struct buf *b, struct err *e)
{
	const char *host;
	int64_t port;
	kube_check(socket, "port host");
	if (kube_str(socket, "host", &host, e) < 0 || port_of(c, socket, &port, e) < 0)
		return -1;
	own(buf) struct buf opened = {}, name = {};
	buf_printf(&opened, "</dev/tcp/%s/%lld", host ? host : "127.0.0.1", (long long)port);
	if (host && host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-")])
		return kube_bad(*socket, e, "host is \"%.80s\": it is no name and no address", host);
	quote(&name, host ? host : "127.0.0.1");
	buf_str(b, "if command -v bash >/dev/null; then bash -c ");
	quote(b, buf_text(&opened));
	buf_printf(b, "; else nc -w %lld -z %s %lld; fi", (long long)seconds, buf_text(&name), (long long)port);
	return 0;
}

struct times { struct opt_num delay, period, timeout, failures; };

static int times(const struct kube_node *probe, struct times *t, struct err *e)
{
	kube_check(probe, "exec httpGet tcpSocket initialDelaySeconds periodSeconds timeoutSeconds failureThreshold -successThreshold "
		"-terminationGracePeriodSeconds");
	if (kube_int(probe, "initialDelaySeconds", 0, INT32_MAX, &t->delay, e) < 0 || kube_int(probe, "periodSeconds", 1, INT32_MAX, &t->period, e) < 0 ||
		kube_int(probe, "timeoutSeconds", 1, INT32_MAX, &t->timeout, e) < 0 || kube_int(probe, "failureThreshold", 1, INT32_MAX, &t->failures, e) < 0)
		return -1;
	t->period.v = t->period.set ? t->period.v : 10;
	t->timeout.v = t->timeout.set ? t->timeout.v : 1;
	t->failures.v = t->failures.set ? t->failures.v : 3;
	return 0;
}

static int command(const struct kube_node *c, const struct kube_node *probe, int64_t seconds, struct buf *b, struct err *e)
{
	struct kube_node exec, get, socket;
	struct strv words = {};
	if (kube_object(probe, "exec", &exec, e) < 0 || kube_object(probe, "httpGet", &get, e) < 0 || kube_object(probe, "tcpSocket", &socket, e) < 0)
		return -1;
	if (get.j)
		return http(c, &get, seconds, b, e);
	if (socket.j)
		return tcp(c, &socket, seconds, b, e);
	kube_check(&exec, "command");
	if (!exec.j || kube_strings(&exec, "command", &words, e) < 0)
		return exec.j ? -1 : kube_bad(*probe, e, "exec, httpGet and tcpSocket are known");
	if (!words.n)
		return kube_bad(exec, e, "command is missing");
	for (size_t i = 0; i < words.n; i++) {
		buf_str(b, i ? " " : "");
		quote(b, words.v[i]);
	}
	return 0;
}

static void seconds_option(struct kube *k, struct strv *args, const char *option, int64_t seconds)
{
	kube_option(k, args, option, arena_printf(&k->arena, "%llds", (long long)seconds));
}

int kube_probe(struct kube_pod *p, const struct kube_node *c, struct strv *args, struct err *e)
{
	struct kube_node live, ready, startup;
	struct times t = {}, s = {};
	own(buf) struct buf b = {};
	if (kube_object(c, "livenessProbe", &live, e) < 0 || kube_object(c, "readinessProbe", &ready, e) < 0 || kube_object(c, "startupProbe", &startup, e) < 0)
		return -1;
	const struct kube_node *probe = live.j ? &live : ready.j ? &ready : &startup;
	if (!probe->j)
		return 0;
	if (live.j && ready.j)
		cli_warn("%.200s: %.300s has no effect here: there is a livenessProbe, and one health check", p->k->file, ready.where);
	if (times(probe, &t, e) < 0 || (startup.j && times(&startup, &s, e) < 0) || command(c, probe, t.timeout.v, &b, e) < 0)
		return -1;
	kube_option(p->k, args, "--health-cmd", arena_dup(&p->k->arena, buf_text(&b)));
	seconds_option(p->k, args, "--health-interval", t.period.v);
	seconds_option(p->k, args, "--health-timeout", t.timeout.v);
	kube_option(p->k, args, "--health-retries", arena_printf(&p->k->arena, "%lld", (long long)t.failures.v));
	int64_t period = startup.j ? s.delay.v + s.period.v * s.failures.v : t.delay.v;
	if (period)
		seconds_option(p->k, args, "--health-start-period", period);
	if (startup.j)
		seconds_option(p->k, args, "--health-start-interval", s.period.v);
	if (probe != &ready)
		kube_option(p->k, args, "--health-on-failure", str_eq(p->restart, "no") ? "stop" : "restart");
	return 0;
}
