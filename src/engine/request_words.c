/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_words: see request.h. Front ends ask it of what they were told, before an image is fetched. What an image or the settings add is not asked
 * here: nobody who makes a container could mend it.
 */
#include "engine/request.h"

#include "base/num.h"
#include "engine/restart.h"
#include "engine/user.h"
#include "engine/volume.h"

#include <arpa/inet.h>

static const int64_t MILLISECOND = 1000000;

static bool is_one_of(const char *s, const char *words)
{
	own(strv) struct strv v = {};
	strv_split(&v, words, ' ');
	return strv_has(&v, s);
}

/* A number of a user or group has 31 bits; names are looked up in the image later. */
static int check_ids(const char *option, const char *text, struct err *e)
{
	own(strv) struct strv parts = {};
	strv_split(&parts, text, ':');
	if (parts.n > 2)
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": it is USER[:GROUP]", option, text);
	for (size_t i = 0; i < parts.n; i++) {
		const char *p = parts.v[i];
		uint64_t id;
		struct err why = {};
		if (*p && strspn(p, "0123456789") == strlen(p) && num_u64(p, INT32_MAX, &id, "id", &why) < 0)
			return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": ids go up to %d", option, text, INT32_MAX);
		if (*p == '-')
			return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": a name or a number from 0 to %d", option, text, INT32_MAX);
	}
	return 0;
}

static int check_host_name(const char *option, const char *text, struct err *e)
{
	size_t n = strlen(text);
	bool good = n <= 64 && *text != '-' && *text != '.';
	for (const char *p = text; *p; p++)
		good = good && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-._", *p));
	if (good)
		return 0;
	return err_set(e, ERR_USAGE, "invalid --%s \"%.80s\": letters, digits, - and . are allowed, at most 64 of them", option, text);
}

static int check_people(const struct container_config *c, const struct host_config *h, struct err *e)
{
	const char *group = c->user ? str_after(c->user, "::") : NULL;
	if (group ? check_ids("user-group", group, e) < 0 : c->user && (check_ids("user", c->user, e) < 0 || user_check(c->user, e) < 0))
		return -1;
	for (size_t i = 0; i < h->group_add.n; i++)
		if (check_ids("group-add", h->group_add.v[i], e) < 0)
			return -1;
	return 0;
}

static bool is_address(const char *s)
{
	unsigned char room[16];
	return inet_pton(AF_INET, s, room) == 1 || inet_pton(AF_INET6, s, room) == 1;
}

/* NAME:IP, NAME=IP; host-gateway is the host itself. */
static int check_host(const char *row, struct err *e)
{
	size_t n = strcspn(row, "=:");
	const char *ip = row[n] ? row + n + 1 : "";
	if (!n || n > 253 || strcspn(row, " \t\n#/") < n || (!is_address(ip) && !str_eq(ip, "host-gateway")))
		return err_set(e, ERR_USAGE, "invalid --add-host \"%.200s\": it is NAME:IP, as in db:10.0.0.7", row);
	return 0;
}

static int check_names(const struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->extra_hosts.n; i++)
		if (check_host(h->extra_hosts.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < h->dns.n; i++)
		if (!is_address(h->dns.v[i]))
			return err_set(e, ERR_USAGE, "invalid --dns \"%.60s\": it is the address of a name server", h->dns.v[i]);
	for (size_t i = 0; i < h->dns_search.n; i++)
		if (!*h->dns_search.v[i] || strpbrk(h->dns_search.v[i], " \t\n/"))
			return err_set(e, ERR_USAGE, "invalid --dns-search \"%.60s\": it is one domain, \".\" for none", h->dns_search.v[i]);
	for (size_t i = 0; i < h->dns_options.n; i++)
		if (!*h->dns_options.v[i] || strpbrk(h->dns_options.v[i], " \t\n"))
			return err_set(e, ERR_USAGE, "invalid --dns-option \"%.60s\": it is one option, as in ndots:2", h->dns_options.v[i]);
	return 0;
}

static int check_health(const struct container_health *h, struct err *e)
{
	if (!h)
		return 0;
	const struct { const char *option; int64_t v; } times[] = {{"health-interval", h->interval}, {"health-timeout", h->timeout},
		{"health-start-period", h->start_period}, {"health-start-interval", h->start_interval}};
	for (size_t i = 0; i < countof(times); i++)
		if (times[i].v && times[i].v < MILLISECOND)
			return err_set(e, ERR_USAGE, "invalid --%s: it is 1ms at least", times[i].option);
	if (h->retries < 0 || h->retries > INT32_MAX)
		return err_set(e, ERR_USAGE, "invalid --health-retries \"%lld\": it is a number of failures", (long long)h->retries);
	if (h->test.n && *h->test.v[0] && !is_one_of(h->test.v[0], "NONE CMD CMD-SHELL"))
		return err_set(e, ERR_USAGE, "invalid health check \"%.60s\": its first word is NONE, CMD or CMD-SHELL", h->test.v[0]);
	return 0;
}

static const char *const tmpfs_words[] = {"ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "sync", "async", "dirsync",
	"noatime", "atime", "nodiratime", "diratime", "relatime", "norelatime", "strictatime", "nostrictatime", "private", "rprivate",
	"shared", "rshared", "slave", "rslave", "unbindable", "runbindable", "size=", "mode=", "uid=", "gid=", "nr_inodes=",
	"nr_blocks=", "mpol="};

static int check_tmpfs_words(const char *path, const char *options, struct err *e)
{
	own(strv) struct strv words = {};
	strv_split(&words, options, ',');
	for (size_t i = 0; i < words.n; i++) {
		const char *w = words.v[i];
		size_t len = strcspn(w, "=") + (strchr(w, '=') != NULL);
		bool known = false;
		for (size_t k = 0; k < countof(tmpfs_words); k++)
			known |= strlen(tmpfs_words[k]) == len && strncmp(tmpfs_words[k], w, len) == 0;
		int64_t size;
		const char *bytes = str_after(w, "size=");
		if (!known)
			return err_set(e, ERR_USAGE, "--tmpfs %.200s:%.200s: unknown option \"%.60s\": as in rw,noexec,size=64m,mode=1777", path, options, w);
		if (bytes && !str_has_suffix(bytes, "%") && num_size(bytes, false, &size, "size", e) < 0)
			return err_wrap(e, "--tmpfs");
	}
	return 0;
}

static int check_bind(const struct mount_request *m, struct err *e)
{
	const char *how = m->bind && !str_is_empty(m->bind->propagation) ? m->bind->propagation : "rprivate";
	if (str_is_empty(m->source) || *m->source != '/')
		return err_set(e, ERR_USAGE, "a bind needs source=PATH, absolute or beginning with ./");
	if (!is_one_of(how, "private rprivate shared rshared slave rslave"))
		return err_set(e, ERR_USAGE, "invalid bind-propagation \"%.60s\": (r)private, (r)shared or (r)slave", how);
	if (m->bind && m->bind->ro_force_recursive && (!m->read_only || !is_one_of(how, "private rprivate")))
		return err_set(e, ERR_USAGE, "bind-recursive=readonly needs readonly, and bind-propagation=rprivate");
	return 0;
}

static int check_volume(const struct mount_request *m, struct err *e)
{
	const char *sub = m->volume ? m->volume->subpath : NULL;
	if (!str_is_empty(m->source) && !volume_name_is_valid(m->source))
		return err_set(e, ERR_USAGE, "source \"%.60s\" is no name of a volume ([a-zA-Z0-9][a-zA-Z0-9_.-]); a path needs type=bind", m->source);
	if (sub && (!*sub || *sub == '/' || str_eq(sub, "..") || str_has_prefix(sub, "../") || strstr(sub, "/../") || str_has_suffix(sub, "/..")))
		return err_set(e, ERR_USAGE, "invalid volume-subpath \"%.60s\": a path inside of the volume", sub);
	return 0;
}

static int check_tmpfs(const struct mount_request *m, struct err *e)
{
	if (!str_is_empty(m->source))
		return err_set(e, ERR_USAGE, "a tmpfs has no source");
	if (m->tmpfs && (m->tmpfs->size < 0 || m->tmpfs->mode > 07777))
		return err_set(e, ERR_USAGE, "invalid tmpfs-%s", m->tmpfs->size < 0 ? "size" : "mode: octal, as in 1777");
	for (size_t i = 0; m->tmpfs && i < m->tmpfs->options.n; i++)
		if (check_tmpfs_words(m->target, m->tmpfs->options.v[i], e) < 0)
			return -1;
	return 0;
}

int request_check_mount(const struct mount_request *m, struct err *e)
{
	static const struct { const char *type; int (*check)(const struct mount_request *m, struct err *e); } types[] = {
		{"bind", check_bind}, {"volume", check_volume}, {"tmpfs", check_tmpfs}};
	if (!str_is_empty(m->consistency) && !is_one_of(m->consistency, "consistent cached delegated default"))
		return err_set(e, ERR_USAGE, "invalid consistency \"%.60s\"", m->consistency);
	if (str_is_empty(m->target))
		return err_set(e, ERR_USAGE, "target=PATH is missing");
	for (size_t i = 0; i < countof(types); i++)
		if (str_eq(types[i].type, m->type))
			return types[i].check(m, e);
	return err_set(e, ERR_USAGE, "unknown type \"%.60s\": bind, volume and tmpfs are known", m->type ? m->type : "");
}

static int check_mounts(const struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->tmpfs.n; i++)
		if (check_tmpfs_words(h->tmpfs.v[i].key, h->tmpfs.v[i].value, e) < 0)
			return -1;
	for (size_t i = 0; i < h->mounts.n; i++)
		if (request_check_mount(&h->mounts.v[i], e) < 0)
			return err_wrap(e, "invalid mount of \"%.200s\"", h->mounts.v[i].target ? h->mounts.v[i].target : "");
	return 0;
}

int request_check_device(const struct device_mapping *d, struct err *e)
{
	const char *access = d->permissions;
	bool good = access && *access && strlen(access) <= 3 && strspn(access, "rwm") == strlen(access);
	if (!good || str_is_empty(d->host) || *d->host != '/' || str_is_empty(d->container) || *d->container != '/')
		return err_set(e, ERR_USAGE, "invalid --device \"%.200s\": it is PATH[:PATH][:rwm], with absolute paths, or VENDOR/CLASS=NAME",
			d->host ? d->host : "");
	return 0;
}

static int check_env(const struct strv *env, struct err *e)
{
	for (size_t i = 0; i < env->n; i++)
		if (!*env->v[i] || *env->v[i] == '=')
			return err_set(e, ERR_USAGE, "invalid environment variable \"%.60s\": no name in front of =", env->v[i]);
	return 0;
}

/* What there is of one kind alone. */
static int check_only(const struct host_config *h, struct err *e)
{
	if (!str_is_empty(h->runtime) && !str_eq(h->runtime, "hull"))
		return err_set(e, ERR_USAGE, "--runtime %s: only hull's own runtime, \"hull\", is known", h->runtime);
	if (!str_is_empty(h->volume_driver) && !str_eq(h->volume_driver, "local"))
		return err_set(e, ERR_USAGE, "--volume-driver %s: only \"local\" is known", h->volume_driver);
	return 0;
}

int request_check_words(const struct container_config *c, const struct host_config *h, struct err *e)
{
	if (check_env(&c->env, e) < 0 || check_people(c, h, e) < 0 || check_names(h, e) < 0 || check_health(c->health, e) < 0 ||
		check_mounts(h, e) < 0 || check_only(h, e) < 0)
		return -1;
	if ((!str_is_empty(c->hostname) && check_host_name("hostname", c->hostname, e) < 0) ||
		(!str_is_empty(c->domainname) && check_host_name("domainname", c->domainname, e) < 0))
		return -1;
	if (c->stop_timeout.set && (c->stop_timeout.v < -1 || c->stop_timeout.v > INT32_MAX))
		return err_set(e, ERR_USAGE, "invalid --stop-timeout \"%lld\": seconds, -1 for ever", (long long)c->stop_timeout.v);
	for (size_t i = 0; i < h->devices.n; i++)
		if (request_check_device(&h->devices.v[i], e) < 0)
			return -1;
	if (str_is_empty(h->restart.name))
		return 0;
	if (h->auto_remove && !str_eq(h->restart.name, "no"))
		return err_set(e, ERR_USAGE, "--rm and --restart contradict each other: give one of them");
	return restart_check(&h->restart, e);
}
