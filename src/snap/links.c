/* SPDX-License-Identifier: Apache-2.0 */
/* links: see links.h. */
#include "snap/links.h"

#include <stdlib.h>

static struct link *find(const struct links *l, dev_t dev, ino_t ino)
{
	size_t i = (size_t)(ino * 0x9e3779b97f4a7c15u) & (l->room - 1);
	while (l->v[i].path && (l->v[i].ino != ino || l->v[i].dev != dev))
		i = (i + 1) & (l->room - 1);
	return &l->v[i];
}

static void grow(struct links *l)
{
	struct link *old = l->v;
	size_t n = l->room;
	l->room = n ? 2 * n : 64;
	l->v = mem_alloc(l->room * sizeof *old);
	for (size_t i = 0; i < n; i++)
		if (old[i].path)
			*find(l, old[i].dev, old[i].ino) = old[i];
	free(old);
}

const char *links_meet(struct links *l, const struct stat *st, const char *path)
{
	if (2 * l->n >= l->room)
		grow(l);
	struct link *s = find(l, st->st_dev, st->st_ino);
	if (s->path)
		return s->path;
	*s = (struct link){st->st_dev, st->st_ino, mem_dup(path)};
	l->n++;
	return NULL;
}

void links_drop(struct links *l)
{
	for (size_t i = 0; i < l->room; i++)
		free(l->v[i].path);
	free(l->v);
	*l = (struct links){};
}
