/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/erofs_head.h"

#include "base/str.h"
#include "codec/jmap.h"

#include <string.h>
#include <unistd.h>

#define FORM "hull layer 1"

#define S struct erofs_head
static const struct jfield fields[] = {
	JFF(S, "form", form, JT_STR, JF_REQUIRED),
	JFF(S, "tar", tar_bytes, JT_U64, JF_REQUIRED),
	JFF(S, "bytes", info.bytes, JT_U64, JF_ALWAYS),
	JFF(S, "files", info.files, JT_U64, JF_ALWAYS),
	JF(S, "made", made, JT_BOOL),
	JF(S, "opaque", opaque, JT_BOOL),
	JF(S, "rootSaid", root_said, JT_BOOL),
	JF(S, "rootMode", root_mode, JT_U32),
	JF(S, "rootUid", root_uid, JT_U32),
	JF(S, "rootGid", root_gid, JT_U32),
};
#undef S
static const struct jtable table = JTABLE(struct erofs_head, fields);

int erofs_head_format(const struct erofs_head *h, char out[EROFS_HEAD_SIZE], struct err *e)
{
	struct erofs_head whole = *h;
	char form[] = FORM;
	whole.form = form;
	own(json) struct json *j = jmap_format(&table, &whole);
	own(buf) struct buf b = BUF(EROFS_HEAD_SIZE - 1);
	json_format(j, 0, &b);
	buf_char(&b, '\n');
	if (buf_check(&b, e) < 0)
		return err_wrap(e, "head of the layer");
	memset(out, 0, EROFS_HEAD_SIZE);
	memcpy(out, b.data, b.len);
	return 0;
}

int erofs_head_load(int fd, struct erofs_head *ret, struct err *e)
{
	char text[EROFS_HEAD_SIZE + 1] = "";
	own(arena) struct arena a = {};
	own(json) struct json *j = NULL;
	struct erofs_head h = {};
	ssize_t n = pread(fd, text, EROFS_HEAD_SIZE, 0);
	if (n < 0)
		return err_sys(e, "read");
	if (n != EROFS_HEAD_SIZE || json_parse(text, strlen(text), &j, e) < 0 || jmap_parse(&table, j, 0, &a, &h, "", e) < 0 || !str_eq(h.form, FORM))
		return err_set(e, ERR_CORRUPT, "this is not a layer of hull's form 1");
	h.form = NULL;
	*ret = h;
	return 0;
}
