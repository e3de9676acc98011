/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept: a list of layers' names and the descriptors of their mounts, which end with these.
 */
#include "snap/kept.h"

#include "base/fd.h"
#include "base/mem.h"
#include "codec/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEPT_MAX = 128 }; /* file descriptors are few */

struct kept { char diff_id[DIGEST_TEXT]; struct lower lower; };

void snap_keep_mounts(struct snap *s)
{
	s->keeps = true;
}

bool kept_get(const struct snap *s, const char *diff_id, struct lower *l)
{
	for (size_t i = 0; i < s->kept.n; i++)
		if (str_eq(s->kept.v[i].diff_id, diff_id)) {
			*l = s->kept.v[i].lower;
			return true;
		}
	return false;
}

bool kept_add(struct snap *s, const char *diff_id, const struct lower *l)
{
	if (!s->keeps || !l->mount || s->kept.n == KEPT_MAX)
		return false;
	s->kept.v = mem_grow(s->kept.v, (s->kept.n + 1) * sizeof *s->kept.v);
	struct kept *k = &s->kept.v[s->kept.n++];
	snprintf(k->diff_id, sizeof k->diff_id, "%s", diff_id);
	k->lower = *l;
	return true;
}

void kept_drop(struct snap *s)
{
	for (size_t i = 0; i < s->kept.n; i++)
		close(s->kept.v[i].lower.fd);
	free(s->kept.v);
	s->kept.v = NULL;
	s->kept.n = 0;
	s->keeps = false;
}
