/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/info.h"

#include "base/path.h"
#include "codec/jmap.h"

#define S struct snap_layer_info
static const struct jfield fields[] = {
	JFF(S, "bytes", bytes, JT_U64, JF_ALWAYS),
	JFF(S, "files", files, JT_U64, JF_ALWAYS),
};
#undef S
static const struct jtable table = JTABLE(struct snap_layer_info, fields);

int info_save(int dir, const char *path, const struct snap_layer_info *info, struct err *e)
{
	own(json) struct json *j = jmap_format(&table, info);
	own(buf) struct buf b = BUF(4096);
	json_format(j, 0, &b);
	return path_write(dir, path, buf_text(&b), b.len, 0600, 0, e);
}

int info_load(int dir, const char *path, struct snap_layer_info *ret, struct err *e)
{
	own(arena) struct arena a = {};
	own(json) struct json *j = NULL;
	struct snap_layer_info info = {};
	if (json_read(dir, path, 4096, &j, e) < 0 || jmap_parse(&table, j, 0, &a, &info, path_base(path), e) < 0)
		return -1;
	*ret = info;
	return 0;
}
