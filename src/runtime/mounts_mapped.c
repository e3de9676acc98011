/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts_mapped: bind mounts that show other ids than their files have (mounts[].uidMappings, the words idmap and ridmap).
 *
 * The map is a user namespace: of the rows that the mount has, or else the container's. crun writes rows into the options, too:
 * idmap=uids=0-1000-10#10-2000-1;gids=@0-0-10: the id on the file system, the one that is shown, how many; behind an @ the
 * second is one of the container's, and stands for what the host calls it.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/num.h"
#include "runtime/idmap.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool is_mapped(const struct spec_mount *m)
{
	bool word = false;
	for (size_t i = 0; i < m->options.n; i++) {
		const char *o = m->options.v[i];
		word |= str_eq(o, "idmap") || str_eq(o, "ridmap") || str_has_prefix(o, "idmap=") || str_has_prefix(o, "ridmap=");
	}
	return word || m->uids.n || m->gids.n;
}

static uint32_t host_id(const struct idmap_rows *container, uint32_t id)
{
	for (size_t i = 0; i < container->n; i++)
		if (id >= container->v[i].container_id && id - container->v[i].container_id < container->v[i].size)
			return container->v[i].host_id + (id - container->v[i].container_id);
	return id;
}

static int parse_row(const char *text, const struct idmap_rows *container, struct idmap_row *ret, struct err *e)
{
	own(strv) struct strv parts = {};
	uint64_t n[3];
	bool relative = *text == '@';
	strv_split(&parts, text + relative, '-');
	if (parts.n != 3)
		return err_set(e, ERR_USAGE, "idmap: \"%.60s\" must be three numbers, as in 0-1000-10", text);
	for (size_t i = 0; i < 3; i++)
		if (num_u64(parts.v[i], UINT32_MAX, &n[i], "idmap", e) < 0)
			return -1;
	*ret = (struct idmap_row){(uint32_t)n[0], relative ? host_id(container, (uint32_t)n[1]) : (uint32_t)n[1], (uint32_t)n[2]};
	return 0;
}

static int parse_rows(const char *text, const struct idmap_rows *container, struct idmap_rows *ret, struct err *e)
{
	own(strv) struct strv rows = {};
	strv_split(&rows, text, '#');
	mem_drop(&ret->v);
	ret->v = mem_alloc((rows.n + 1) * sizeof *ret->v);
	for (ret->n = 0; ret->n < rows.n; ret->n++)
		if (parse_row(rows.v[ret->n], container, &ret->v[ret->n], e) < 0)
			return -1;
	return 0;
}

struct own_rows { struct idmap_rows uids, gids; };

static void own_rows_drop(struct own_rows *r)
{
	mem_drop(&r->uids.v);
	mem_drop(&r->gids.v);
}

static int parse_ids(const char *text, const struct spec_linux *l, struct own_rows *ret, struct err *e)
{
	own(strv) struct strv parts = {};
	strv_split(&parts, text, ';');
	for (size_t i = 0; i < parts.n; i++) {
		const char *uids = str_after(parts.v[i], "uids="), *gids = str_after(parts.v[i], "gids=");
		if (!uids && !gids)
			return err_set(e, ERR_USAGE, "idmap: \"%.60s\": only uids= and gids= are known", parts.v[i]);
		if (parse_rows(uids ? uids : gids, uids ? &l->uids : &l->gids, uids ? &ret->uids : &ret->gids, e) < 0)
			return -1;
	}
	return 0;
}

static int open_userns(const struct container_create *c, const struct namespaces *ns, const struct spec_mount *m, const char *ids, struct err *e)
{
	const struct spec_linux *l = c->spec->linux_;
	own(own_rows) struct own_rows of_text = {};
	if (ids && parse_ids(ids, l, &of_text, e) < 0)
		return -1;
	const struct idmap_rows *uids = of_text.uids.n ? &of_text.uids : &m->uids, *gids = of_text.gids.n ? &of_text.gids : &m->gids;
	if (!uids->n && !gids->n && ns->fd[NS_USER] >= 0) {
		int fd = fcntl(ns->fd[NS_USER], F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, "user namespace") : fd;
	}
	uids = uids->n ? uids : &l->uids;
	gids = gids->n ? gids : &l->gids;
	if (!uids->n || !gids->n)
		return err_set(e, ERR_USAGE, "an id-mapped mount needs uidMappings and gidMappings, or a container with a user namespace");
	return idmap_userns(uids, gids, e);
}

/* Without rows of its own a mount is mapped as the container is. */
static int open_mapped(const struct container_create *c, const struct namespaces *ns, const struct spec_mount *m, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	if (!(w.bind || w.rbind || str_eq(m->type, "bind")) || str_is_empty(m->source))
		return err_set(e, ERR_USAGE, "only a bind mount can be id-mapped");
	own(fd) int userns = open_userns(c, ns, m, w.ids, e);
	own(fd) int fs = userns < 0 ? -1 : mounts_clone_source(c, m->source, m->ready, &w, e);
	if (fs < 0 || mount_idmap(fs, userns, w.ridmap, e) < 0)
		return -1;
	return take_fd(fs);
}

void mounts_close_mapped(const struct container_create *c, int **mapped)
{
	for (size_t i = 0; *mapped && i < c->spec->mounts.n; i++)
		fd_drop(&(*mapped)[i]);
	mem_drop(mapped);
}

int mounts_open_mapped(const struct container_create *c, const struct namespaces *ns, int **ret, struct err *e)
{
	const __auto_type mounts = &c->spec->mounts;
	int *fds = NULL;
	for (size_t i = 0; i < mounts->n; i++) {
		if (!is_mapped(&mounts->v[i]))
			continue;
		if (!fds) {
			fds = mem_alloc(mounts->n * sizeof *fds);
			memset(fds, 0xff, mounts->n * sizeof *fds);
		}
		fds[i] = open_mapped(c, ns, &mounts->v[i], e);
		if (fds[i] < 0) {
			mounts_close_mapped(c, &fds);
			return err_wrap(e, "mount %s", mounts->v[i].destination);
		}
	}
	*ret = fds;
	return 0;
}
