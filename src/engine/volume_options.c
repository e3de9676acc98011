/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_options: what `volume create --opt` may say. With a type and a device something is mounted in the volume's place, and `o` is mount(8)'s.
 * Without them the volume is a directory on the disk: docker says its size as an option of its own, podman as words of `o`, with how many files
 * it may have and whose it is. Both are understood.
 */
#include "base/num.h"
#include "engine/volume_record.h"

#include <stdint.h>
#include <stdio.h>

#define S struct volume_wish
static const struct word { const char *name; bool is_bytes; uint64_t max; size_t at, flag; } words[] = {
	{"size", true, INT64_MAX, offsetof(S, bytes), 0},
	{"inodes", false, INT64_MAX, offsetof(S, inodes), 0},
	{"uid", false, UINT32_MAX - 1, offsetof(S, uid), offsetof(S, has_uid)},
	{"gid", false, UINT32_MAX - 1, offsetof(S, gid), offsetof(S, has_gid)},
};
#undef S

static int read_word(const char *name, const char *value, struct volume_wish *w, struct err *e)
{
	char what[32];
	uint64_t n = 0;
	int64_t bytes = 0;
	const struct word *k = words;
	while (k < words + countof(words) && strcmp(k->name, name) != 0)
		k++;
	if (k == words + countof(words))
		return err_set(e, ERR_USAGE, "option o \"%.60s\": a volume that is mounted needs the options type and device; "
			"one on the disk knows size=, inodes=, uid= and gid=", name);
	snprintf(what, sizeof what, "option %s", name);
	if (k->is_bytes ? num_size(value, false, &bytes, what, e) < 0 : num_u64(value, k->max, &n, what, e) < 0)
		return -1;
	*(uint64_t *)((char *)w + k->at) = k->is_bytes ? (uint64_t)bytes : n;
	if (k->flag)
		*(bool *)((char *)w + k->flag) = true;
	return 0;
}

int volume_options_wish(const struct map *o, struct volume_wish *w, struct err *e)
{
	own(strv) struct strv list = {};
	*w = (struct volume_wish){};
	const char *size = map_get(o, "size"), *text = map_get(o, "o");
	if (map_get(o, "type") || map_get(o, "device"))
		return 0;
	if (size && read_word("size", size, w, e) < 0)
		return -1;
	strv_split(&list, text ? text : "", ',');
	for (size_t i = 0; i < list.n; i++) {
		size_t n = strcspn(list.v[i], "=");
		own(mem) char *name = mem_ndup(list.v[i], n);
		/* podman's word for what its own settings would limit: nothing does here. */
		if (str_eq(name, "noquota") || str_is_empty(name))
			continue;
		if (read_word(name, list.v[i][n] ? list.v[i] + n + 1 : "", w, e) < 0)
			return -1;
	}
	return 0;
}

int volume_options_check(const struct map *o, struct err *e)
{
	static const char *const known[] = {"type", "device", "o", "size"};
	const char *type = map_get(o, "type"), *device = map_get(o, "device");
	struct volume_wish ignored;
	for (size_t i = 0; i < o->n; i++) {
		size_t k = 0;
		while (k < countof(known) && strcmp(known[k], o->v[i].key) != 0)
			k++;
		if (k == countof(known))
			return err_set(e, ERR_USAGE, "volume option \"%.60s\": type, device, o and size are known", o->v[i].key);
	}
	if (!type && !device)
		return volume_options_wish(o, &ignored, e);
	if (map_get(o, "size"))
		return err_set(e, ERR_USAGE, "option size is for a volume on the disk: of what is mounted, o=size=… says it where it has one");
	if (str_is_empty(device) || (str_is_empty(type) && !volume_is_bind(o)))
		return err_set(e, ERR_USAGE, "a volume that is mounted needs the options type and device");
	if (volume_is_bind(o) && *device != '/')
		return err_set(e, ERR_USAGE, "option device \"%.200s\": the path must be absolute", device);
	return 0;
}

bool volume_is_bind(const struct map *o)
{
	own(strv) struct strv list = {};
	const char *type = map_get(o, "type"), *text = map_get(o, "o");
	strv_split(&list, text ? text : "", ',');
	return str_eq(type, "bind") || ((str_is_empty(type) || str_eq(type, "none")) && (strv_has(&list, "bind") || strv_has(&list, "rbind")));
}
