/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl: kernel parameters of the container (config-linux.md, "Sysctl").
 *
 * Only those that belong to a namespace which the container does not share with the host: anything else would change the
 * host. They are written through a procfs that was mounted for this and is attached nowhere, so that nothing mounted
 * over /proc/sys, by whoever, can redirect the write (CVE-2025-52881).
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/namespaces.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
	const char *name; /* ends in '.': all below */
	uint64_t ns;
} namespaced[] = {
	{"net.", CLONE_NEWNET}, {"fs.mqueue.", CLONE_NEWIPC}, {"user.", CLONE_NEWUSER},
	{"kernel.msgmax", CLONE_NEWIPC}, {"kernel.msgmnb", CLONE_NEWIPC}, {"kernel.msgmni", CLONE_NEWIPC},
	{"kernel.msg_next_id", CLONE_NEWIPC}, {"kernel.sem", CLONE_NEWIPC}, {"kernel.sem_next_id", CLONE_NEWIPC},
	{"kernel.shmall", CLONE_NEWIPC}, {"kernel.shmmax", CLONE_NEWIPC}, {"kernel.shmmni", CLONE_NEWIPC},
	{"kernel.shm_next_id", CLONE_NEWIPC}, {"kernel.shm_rmid_forced", CLONE_NEWIPC},
	{"kernel.domainname", CLONE_NEWUTS},
};

/* The kernel's spelling: both separators are taken; the one that comes first in the name separates (net/ipv4/conf/eth0.1/x). */
static void spell(const char *key, char *out, size_t size, char want)
{
	size_t first = strcspn(key, "./");
	char separator = key[first] ? key[first] : '.';
	char other = separator == '.' ? '/' : '.';
	size_t i = 0;
	for (; key[i] && i < size - 1; i++)
		out[i] = key[i] == separator ? want : key[i] == other ? (want == '/' ? '.' : '/') : key[i];
	out[i] = 0;
}

/* Every part of the path is a name: with a ".." among them net/../kernel/core_pattern would be one of net's. */
static bool is_path_of_names(const char *path)
{
	own(strv) struct strv parts = {};
	strv_split(&parts, path, '/');
	for (size_t i = 0; i < parts.n; i++)
		if (!path_is_name(parts.v[i]))
			return false;
	return parts.n;
}

static int check(const char *key, uint64_t have, struct err *e)
{
	char name[256];
	if (strlen(key) >= sizeof name)
		return err_set(e, ERR_USAGE, "sysctl: a name of %zu bytes", strlen(key));
	spell(key, name, sizeof name, '/');
	if (!is_path_of_names(name))
		return err_set(e, ERR_USAGE, "sysctl \"%s\": not a name", key);
	spell(key, name, sizeof name, '.');
	if (str_eq(name, "kernel.hostname"))
		return err_set(e, ERR_USAGE, "sysctl kernel.hostname: set the host name instead");
	for (size_t i = 0; i < countof(namespaced); i++) {
		const char *row = namespaced[i].name;
		if (str_has_suffix(row, ".") ? !str_has_prefix(name, row) : strcmp(name, row) != 0)
			continue;
		if (have & namespaced[i].ns)
			return 0;
		return err_set(e, ERR_USAGE, "sysctl %s: not allowed, the container shares that namespace with the host", key);
	}
	return err_set(e, ERR_USAGE, "sysctl %s: not allowed, it is not in a namespace and would change the host", key);
}

int sysctl_check(const struct spec *s, uint64_t own, struct err *e)
{
	for (size_t i = 0; i < s->linux_->sysctl.n; i++)
		if (check(s->linux_->sysctl.v[i].key, own, e) < 0)
			return -1;
	return 0;
}

int sysctl_write(struct setup *s, struct err *e)
{
	const struct map *m = &s->spec->linux_->sysctl;
	if (!m->n)
		return 0;
	own(fd) int proc = setup_procfs(e);
	if (proc < 0)
		return err_wrap(e, "sysctl");
	for (size_t i = 0; i < m->n; i++) {
		char name[256], path[272];
		spell(m->v[i].key, name, sizeof name, '/');
		snprintf(path, sizeof path, "sys/%s", name);
		if (setup_put_proc(proc, path, m->v[i].value, e) < 0) {
			if (e->sys == ENOENT)
				return err_set(e, ERR_USAGE, "sysctl %s: this kernel does not have it", m->v[i].key);
			if (e->sys == EINVAL || e->sys == ERANGE)
				return err_set(e, ERR_USAGE, "sysctl %s: \"%.100s\" is not a value it takes", m->v[i].key, m->v[i].value);
			return err_wrap(e, "sysctl %s", m->v[i].key);
		}
	}
	return 0;
}
