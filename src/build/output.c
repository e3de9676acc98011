/* SPDX-License-Identifier: Apache-2.0 */
#include "build/output.h"

#include "base/fd.h"
#include "base/num.h"
#include "build/stage.h"
#include "build/unpack.h"
#include "engine/image.h"
#include "snap/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_NUMBER = 1 << 30 };

bool output_needs_image(const struct build *b)
{
	bool needs = !b->q->outputs.n;
	for (size_t i = 0; i < b->q->outputs.n; i++) {
		enum build_output_kind k = b->q->outputs.v[i].kind;
		needs |= k == OUTPUT_IMAGE || k == OUTPUT_REGISTRY || k == OUTPUT_OCI || k == OUTPUT_DOCKER;
	}
	return needs;
}

/* --- files --- */

struct sinking { int fd; };

static int sink(void *arg, const void *p, size_t n, struct err *e)
{
	const struct sinking *s = arg;
	return fd_write_all(s->fd, p, n) < 0 ? err_sys(e, "write the tar") : 0;
}

/* The target's files, no younger than it is. */
static int write_files(struct build *b, int out, struct err *e)
{
	const struct state *s = &b->states[b->target];
	struct err none = {};
	struct sinking to = {out};
	own(fd) int root = state_mount(b, s, &none);
	if (root < 0 && none.kind != ERR_NONE)
		return *e = none, -1;
	own(tar_writer) struct tar_writer *tar = tar_writer_new(sink, &to);
	if (root < 0)
		return tar_write_end(tar, e);
	own(fd) int dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(e, "open the root") : pack_tree_until(dir, true, s->epoch, tar, e);
}

/* Of several platforms each has its folder: linux_arm64. */
static int platform_dir(struct build *b, int top)
{
	if (!b->platform_label)
		return openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(mem) char *name = mem_dup(b->platform_label);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* They belong to whoever builds, as BuildKit has it; what is there stays, or is replaced. */
static int put_local(struct build *b, const struct build_output *o, struct err *e)
{
	int data[2], status = 0;
	if (mkdir(o->dest, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "%.200s", o->dest);
	own(fd) int top = open(o->dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(fd) int dir = top < 0 ? -1 : platform_dir(b, top);
	if (dir < 0)
		return err_sys(e, "%.200s", o->dest);
	if (fd_pipe(data, e) < 0)
		return -1;
	own(fd) int in = data[0];
	pid_t pid = fork();
	if (pid == 0) {
		close(data[0]);
		signal(SIGPIPE, SIG_IGN);
		struct err why = {};
		_exit(write_files(b, data[1], &why) < 0);
	}
	close(data[1]);
	if (pid < 0)
		return err_sys(e, "fork");
	own(stream) struct stream *tar = stream_fd(in, UINT64_MAX);
	int r = unpack_tar(tar, dir, e);
	fd_drop(&in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && status != 0)
		return err_set(e, ERR_SYSTEM, "%.200s: the files could not be read", o->dest);
	return r < 0 ? err_wrap(e, "%.200s", o->dest) : 0;
}

static bool is_stdout(const struct build_output *o)
{
	return str_is_empty(o->dest) || str_eq(o->dest, "-");
}

/* The file has its name when it is whole. */
static int put_tar(struct build *b, const struct build_output *o, struct err *e)
{
	if (is_stdout(o))
		return write_files(b, 1, e);
	own(mem) char *tmp = mem_printf("%s.tmp-%d", o->dest, (int)getpid());
	own(fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "%.200s", o->dest);
	int r = write_files(b, fd, e);
	if (r == 0 && rename(tmp, o->dest) < 0)
		r = err_sys(e, "%.200s", o->dest);
	if (r < 0)
		unlink(tmp);
	return r;
}

/* --- the image --- */

static int put_archive(struct engine *g, const struct build_request *b, const struct build_output *o, const struct build_result *r, struct err *e)
{
	struct strv references = {};
	struct arena a = {};
	struct map notes = {};
	for (size_t i = 0; i < b->annotations.n; i++)
		if (b->annotations.v[i].level == BUILD_INDEX_DESCRIPTOR)
			map_set(&a, &notes, b->annotations.v[i].key, b->annotations.v[i].value);
	for (size_t i = 0; i < r->names.n; i++)
		arena_strv_add(&a, &references, r->names.v[i]);
	if (!references.n && !r->is_index)
		arena_strv_add(&a, &references, r->id);
	struct image_save_request q = {.references = &references, .form = o->kind == OUTPUT_DOCKER ? "docker-archive" : o->as_dir ? "oci-dir" : "oci-archive",
		.path = is_stdout(o) ? NULL : o->dest, .fd = 1, .single = true, .index = r->is_index ? r->id : NULL, .annotations = &notes};
	int result = image_save(g, &q, e);
	arena_drop(&a);
	return result;
}

static int push(struct engine *g, const struct build_output *o, struct build_result *r, struct err *e)
{
	if (!r->names.n)
		return err_set(e, ERR_USAGE, "--push: the image needs a name: -t REGISTRY/NAME");
	for (size_t i = 0; i < r->names.n; i++) {
		own(arena) struct arena a = {};
		struct image_pushed_list list = {};
		struct image_push_request q = {.reference = r->names.v[i], .compression = o->compression, .level = o->level,
			.force_compression = o->force_compression};
		if (image_push(g, &q, &a, &list, e) < 0)
			return -1;
		if (list.n)
			snprintf(r->digest, sizeof r->digest, "%s", list.v[0].digest);
	}
	return 0;
}

static int put_image(struct engine *g, const struct build_request *b, const struct build_output *o, struct build_result *r, struct err *e)
{
	switch (o->kind) {
	case OUTPUT_OCI: return put_archive(g, b, o, r, e);
	/* Without a place it is loaded: it is there. */
	case OUTPUT_DOCKER: return o->dest ? put_archive(g, b, o, r, e) : 0;
	case OUTPUT_REGISTRY: return push(g, o, r, e);
	case OUTPUT_IMAGE: return o->push ? push(g, o, r, e) : 0;
	case OUTPUT_LOCAL: case OUTPUT_TAR: case OUTPUT_NONE: return 0;
	}
	return 0;
}

/* --- all --- */

static const char *const names[] = {[OUTPUT_IMAGE] = "pushing", [OUTPUT_REGISTRY] = "pushing", [OUTPUT_LOCAL] = "exporting files",
	[OUTPUT_TAR] = "exporting a tar", [OUTPUT_OCI] = "exporting an OCI archive", [OUTPUT_DOCKER] = "exporting an archive"};

static void tell(const struct build_request *q, enum build_event_kind kind, size_t i, int64_t began, const char *text)
{
	const struct build_output *o = &q->outputs.v[i];
	own(mem) char *name = mem_printf("%s%s%.200s", names[o->kind], o->dest ? " to " : "", o->dest ? o->dest : "");
	struct build_event ev = {.kind = kind, .step = STEP_NUMBER + (unsigned)i, .ns = kind == BUILD_BEGIN ? 0 : num_monotonic_ns() - began, .name = name,
		.text = text ? text : "", .len = text ? strlen(text) : 0};
	if (q->event)
		q->event(q->arg, &ev);
}

static bool is_of_files(const struct build_output *o)
{
	return o->kind == OUTPUT_LOCAL || o->kind == OUTPUT_TAR;
}

static int end(const struct build_request *q, size_t i, int64_t began, int result, struct err *e)
{
	tell(q, result < 0 ? BUILD_FAILED : BUILD_DONE, i, began, result < 0 ? e->text : NULL);
	return result < 0 ? err_wrap(e, "--output") : 0;
}

int output_files(struct build *b, struct err *e)
{
	for (size_t i = 0; i < b->q->outputs.n; i++) {
		const struct build_output *o = &b->q->outputs.v[i];
		if (!is_of_files(o))
			continue;
		if (o->kind == OUTPUT_TAR && b->platform_label)
			return err_set(e, ERR_USAGE, "--output type=tar takes one platform: type=local writes each into a folder of its own");
		int64_t began = num_monotonic_ns();
		tell(b->q, BUILD_BEGIN, i, began, NULL);
		if (end(b->q, i, began, o->kind == OUTPUT_LOCAL ? put_local(b, o, e) : put_tar(b, o, e), e) < 0)
			return -1;
	}
	return 0;
}

int output_images(struct engine *g, const struct build_request *q, struct build_result *r, struct err *e)
{
	for (size_t i = 0; i < q->outputs.n; i++) {
		const struct build_output *o = &q->outputs.v[i];
		bool nothing = o->kind == OUTPUT_NONE || (o->kind == OUTPUT_IMAGE && !o->push) || (o->kind == OUTPUT_DOCKER && !o->dest);
		if (nothing || is_of_files(o))
			continue;
		int64_t began = num_monotonic_ns();
		tell(q, BUILD_BEGIN, i, began, NULL);
		if (end(q, i, began, put_image(g, q, o, r, e), e) < 0)
			return -1;
	}
	return 0;
}
