/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive: a container's files as a tar, out of it and into it, and what is at a path: docker cp looks there before it copies, and decides by that
 * what the archive is to hold.
 */
#include "api/call.h"
#include "engine/container_copy.h"
#include "engine/export.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "codec/base64.h"

#include <errno.h>

static int export_to(void *arg, int fd, struct err *e)
{
	struct call *c = arg;
	return container_export(c->g, c->args[0], fd, e);
}

static int export(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	if (call_container(c, 0, &entry, e) < 0)
		return -1;
	return call_stream(c, "application/octet-stream", export_to, c, e);
}

/* The bits of Go's os.FileMode. */
static uint32_t go_mode(mode_t mode)
{
	static const struct { mode_t mask, is; unsigned bit; } bits[] = {{S_IFMT, S_IFDIR, 31}, {S_IFMT, S_IFLNK, 27}, {S_IFMT, S_IFBLK, 26},
		{S_IFMT, S_IFCHR, 26}, {S_IFMT, S_IFCHR, 21}, {S_IFMT, S_IFIFO, 25}, {S_IFMT, S_IFSOCK, 24}, {S_ISUID, S_ISUID, 23},
		{S_ISGID, S_ISGID, 22}, {S_ISVTX, S_ISVTX, 20}};
	uint32_t ret = mode & 0777;
	for (size_t i = 0; i < countof(bits); i++)
		if ((mode & bits[i].mask) == bits[i].is)
			ret |= (uint32_t)1 << bits[i].bit;
	return ret;
}

static int find(struct call *c, const char *path, struct container_path *ret, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	if (call_container(c, 0, &entry, e) < 0)
		return -1;
	if (container_look(c->g, entry.id, path, ret, e) == 0)
		return 0;
	return e->sys == ENOENT || e->sys == ENOTDIR ? err_set(e, ERR_NOT_FOUND, "Could not find the file %.300s in container %.200s", path, c->args[0]) : -1;
}

static const char *path_of(const struct call *c, struct err *e)
{
	const char *path = call_query(c, "path");
	if (!path)
		err_set_(e, ERR_USAGE, "bad parameter \"path\": it is missing");
	return path;
}

static int set_head(struct call *c, const char *path, const struct container_path *at, struct err *e)
{
	own(buf) struct buf text = {}, head = {};
	own(json) struct json *j = json_new_object();
	own(mem) char *clean = path_clean(path);
	const char *base = path_base(clean);
	char time[NUM_TEXT];
	json_set_str(j, "name", *base ? base : "/");
	json_set(j, "size", json_new_i64(at->st.st_size));
	json_set(j, "mode", json_new_u64(go_mode(at->st.st_mode)));
	json_set_str(j, "mtime", num_format_time(at->st.st_mtim.tv_sec * 1000000000LL + at->st.st_mtim.tv_nsec, time));
	json_set_str(j, "linkTarget", at->link);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0)
		return -1;
	buf_str(&head, "X-Docker-Container-Path-Stat: ");
	base64_encode(text.data, text.len, &head);
	buf_str(&head, "\r\n");
	if (buf_check(&head, e) < 0)
		return -1;
	c->headers = arena_dup(c->arena, buf_text(&head));
	return 0;
}

static int look(struct call *c, struct err *e)
{
	struct container_path at;
	const char *path = path_of(c, e);
	if (!path || find(c, path, &at, e) < 0 || set_head(c, path, &at, e) < 0)
		return -1;
	return conn_reply(c->conn, 200, NULL, c->headers, "", 0, e);
}

static int pack_to(void *arg, int fd, struct err *e)
{
	struct call *c = arg;
	struct copy_place from = {c->args[0], call_query(c, "path")};
	const struct container_copy r = {.sources = {&from, 1}, .to = {NULL, "-"}, .stream = fd};
	struct copied done;
	return container_copy(c->g, &r, &done, e);
}

static int get(struct call *c, struct err *e)
{
	struct container_path at;
	const char *path = path_of(c, e);
	if (!path || find(c, path, &at, e) < 0 || set_head(c, path, &at, e) < 0)
		return -1;
	return call_stream(c, "application/x-tar", pack_to, c, e);
}

/* Owners are the archive's. */
static int put(struct call *c, struct err *e)
{
	const char *path = path_of(c, e);
	struct container_path at;
	struct copied done;
	struct copy_place from = {NULL, "-"};
	if (!path)
		return -1;
	own(mem) char *dir = mem_printf("%s/.", path);
	if (find(c, path, &at, e) < 0)
		return -1;
	if (find(c, dir, &at, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_USAGE, "extraction point is not a directory") : -1;
	own(fd) int body = conn_body_pipe(c->conn, e);
	if (body < 0)
		return -1;
	const struct container_copy r = {.sources = {&from, 1}, .to = {c->args[0], path}, .stream = body,
		.replace = !call_bool(c, "noOverwriteDirNonDir", false)};
	if (container_copy(c->g, &r, &done, e) == 0)
		return conn_reply_empty(c->conn, 200, e);
	if (e->sys == EROFS)
		return conn_reply_error(c->conn, 403, "container rootfs is marked read-only", e);
	if (e->kind == ERR_CONFLICT || e->kind == ERR_CORRUPT)
		e->kind = ERR_USAGE;
	return -1;
}

const struct route archive_routes[] = {
	{"HEAD", "/containers/{}/archive", look},
	{"GET", "/containers/{}/archive", get},
	{"PUT", "/containers/{}/archive", put},
	{"GET", "/containers/{}/export", export},
	{NULL, NULL, NULL},
};
