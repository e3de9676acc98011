/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save: blobs as they come, the lists of them at the end: a tar is written in one pass, and a directory has an index only of what is
 * whole. In a directory a file gets its name when it is complete.
 */
#include "image/save.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "image/ref.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { LIST_MAX = 4 << 20, CHUNK = 1 << 20 };
#define CONTAINERD_NAME "io.containerd.image.name"
#define OCI_NAME        "org.opencontainers.image.ref.name"

struct save {
	enum save_form form;
	int fd;
	struct tar_writer *tar;   /* or NULL: a directory */
	struct strv put;          /* digests */
	struct json *index, *docker; /* "manifests" of index.json; manifest.json */
	size_t images;
	char *chunk;
};

static const char *const forms[] = {[SAVE_DOCKER_ARCHIVE] = "docker-archive", [SAVE_OCI_ARCHIVE] = "oci-archive", [SAVE_OCI_DIR] = "oci-dir",
	[SAVE_DOCKER_DIR] = "docker-dir"};

int save_parse_form(const char *word, enum save_form *ret, struct err *e)
{
	for (size_t i = 0; i < countof(forms); i++)
		if (strcmp(word, forms[i]) == 0)
			return *ret = (enum save_form)i, 0;
	return err_set(e, ERR_USAGE, "invalid --format \"%.60s\": docker-archive, oci-archive, oci-dir and docker-dir are known", word);
}

bool save_is_dir(enum save_form f)
{
	return f == SAVE_OCI_DIR || f == SAVE_DOCKER_DIR;
}

bool save_is_bare(const char *name)
{
	return !strpbrk(name, "/:@");
}

static int put_out(void *arg, const void *p, size_t n, struct err *e)
{
	const struct save *s = arg;
	return fd_write_all(s->fd, p, n) < 0 ? err_sys(e, "write the archive") : 0;
}

static int tar_member(struct save *s, enum tar_type type, const char *name, uint64_t size, struct err *e)
{
	struct tar_entry t = {.type = type, .name = (char *)(uintptr_t)name, .mode = type == TAR_DIR ? 0755 : 0644, .size = size, .stored = size};
	return tar_write_entry(s->tar, &t, e);
}

/* A small file of the archive or the directory. */
static int put_list(struct save *s, const char *name, const struct json *j, const char *text, struct err *e)
{
	own(buf) struct buf b = BUF(LIST_MAX);
	if (j)
		json_format(j, 0, &b);
	else
		buf_str(&b, text);
	if (buf_check(&b, e) < 0)
		return err_wrap(e, "%s", name);
	if (!s->tar)
		return path_write(s->fd, name, buf_text(&b), b.len, 0644, PATH_SYNC, e);
	return tar_member(s, TAR_FILE, name, b.len, e) < 0 ? -1 : tar_write_data(s->tar, buf_text(&b), b.len, e);
}

/* One that broke off before its index was written: blobs, and perhaps the first of its small files. */
static bool was_begun(const struct save *s, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i], "blobs") != 0 && strcmp(names->v[i], "oci-layout") != 0 && !str_has_prefix(names->v[i], "oci-layout.tmp-") &&
			!str_has_prefix(names->v[i], "index.json.tmp-"))
			return false;
	for (size_t i = 0; i < names->n; i++)
		if (strstr(names->v[i], ".tmp-"))
			unlinkat(s->fd, names->v[i], 0);
	return true;
}

/* What an OCI layout that is there says, so that it is kept. */
static int load_layout(struct save *s, struct err *e)
{
	own(strv) struct strv names = {};
	own(json) struct json *j = NULL;
	if (path_list(s->fd, ".", &names, e) < 0)
		return -1;
	if (!names.n || (s->form == SAVE_OCI_DIR && was_begun(s, &names)))
		return 0;
	if (s->form != SAVE_OCI_DIR || !path_exists(s->fd, "oci-layout") || json_read(s->fd, "index.json", LIST_MAX, &j, e) < 0)
		return err_set(e, ERR_EXISTS, "the directory is there, and not empty%s", s->form == SAVE_OCI_DIR ? ", and no OCI layout" : "");
	const struct json *list = json_get(j, "manifests");
	for (size_t i = 0; i < json_len(list); i++)
		json_add(s->index, json_ref(json_at(list, i)));
	return 0;
}

int save_open(enum save_form form, int fd, struct save **ret, struct err *e)
{
	own(save) struct save *s = mem_alloc(sizeof *s);
	*s = (struct save){.form = form, .fd = fd, .index = json_new_array(), .docker = json_new_array(), .chunk = mem_alloc(CHUNK)};
	if (!save_is_dir(form)) {
		s->tar = tar_writer_new(put_out, s);
		if (tar_member(s, TAR_DIR, "blobs", 0, e) < 0 || tar_member(s, TAR_DIR, "blobs/sha256", 0, e) < 0)
			return -1;
	} else if (load_layout(s, e) < 0) {
		return -1;
	} else if (form == SAVE_OCI_DIR && path_mkdirs(fd, "blobs/sha256", 0755, e) < 0) {
		return -1;
	}
	*ret = take(s);
	return 0;
}

void save_drop(struct save **s)
{
	if (!*s)
		return;
	if ((*s)->tar)
		tar_writer_drop(&(*s)->tar);
	strv_drop(&(*s)->put);
	json_drop(&(*s)->index);
	json_drop(&(*s)->docker);
	mem_drop(&(*s)->chunk);
	mem_drop(s);
}

bool save_has(const struct save *s, const char *digest)
{
	return strv_has(&s->put, digest);
}

static char *blob_name(const struct save *s, const char *digest)
{
	return s->form == SAVE_DOCKER_DIR ? mem_dup(digest_hex(digest)) :
		mem_printf("blobs/%.*s/%s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

/* Copies it to the archive, or to the file `out`, and looks at its digest. */
static int copy_blob(struct save *s, const struct save_blob *b, int out, struct err *e)
{
	own(digest) struct digest *hash = NULL;
	own(stream) struct stream *in = b->text ? stream_memory(b->text, b->size) : stream_range(b->fd, b->offset, b->size);
	char found[DIGEST_TEXT];
	uint64_t bytes = 0;
	if (digest_begin(b->digest, &hash, e) < 0)
		return -1;
	for (ssize_t n; (n = stream_read(in, s->chunk, CHUNK, e)) != 0;) {
		if (n < 0)
			return err_wrap(e, "%.19s…", b->digest);
		digest_add(hash, s->chunk, (size_t)n);
		if (s->tar ? tar_write_data(s->tar, s->chunk, (size_t)n, e) < 0 : fd_write_all(out, s->chunk, (size_t)n) < 0 && err_sys(e, "write"))
			return -1;
		bytes += (uint64_t)n;
		if (b->progress)
			b->progress(b->arg, bytes);
	}
	digest_end(hash, found);
	if (strcmp(found, b->digest) != 0)
		return err_set(e, ERR_CORRUPT, "%.19s… is damaged here: its content is %.19s…", b->digest, found);
	return 0;
}

static int put_file(struct save *s, const struct save_blob *b, const char *name, struct err *e)
{
	struct stat st;
	char tmp[48];
	if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == b->size)
		return 0; /* complete under this name */
	if (s->form == SAVE_OCI_DIR && !str_has_prefix(b->digest, "sha256:") && path_mkdirs(s->fd, "blobs/sha512", 0755, e) < 0)
		return -1;
	snprintf(tmp, sizeof tmp, ".tmp-%d", (int)getpid());
	own(fd) int out = openat(s->fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (out < 0)
		return err_sys(e, "write %s", name);
	if (copy_blob(s, b, out, e) < 0 || (fdatasync(out) < 0 && err_sys(e, "write %s", name)) ||
		(renameat(s->fd, tmp, s->fd, name) < 0 && err_sys(e, "write %s", name))) {
		unlinkat(s->fd, tmp, 0);
		return -1;
	}
	return 0;
}

int save_put(struct save *s, const struct save_blob *b, struct err *e)
{
	if (!b->digest || !digest_is_valid(b->digest))
		return err_set(e, ERR_CORRUPT, "invalid digest");
	if (save_has(s, b->digest))
		return 0;
	own(mem) char *name = blob_name(s, b->digest);
	if (s->tar ? tar_member(s, TAR_FILE, name, b->size, e) < 0 || copy_blob(s, b, -1, e) < 0 : put_file(s, b, name, e) < 0)
		return -1;
	strv_add(&s->put, b->digest);
	return 0;
}

static struct json *descriptor(const struct descriptor *d)
{
	struct json *j = descriptor_json(str_is_empty(d->media_type) ? TYPE_OCI_MANIFEST : d->media_type, d->digest, d->size);
	struct json *notes = d->annotations.n ? json_new_object() : NULL;
	for (size_t i = 0; i < d->annotations.n; i++)
		json_set_str(notes, d->annotations.v[i].key, d->annotations.v[i].value);
	if (notes)
		json_set(j, "annotations", notes);
	return j;
}

/* Another image has the name no longer. */
static void forget_name(struct save *s, const char *name)
{
	struct json *kept = json_new_array();
	for (size_t i = 0; i < json_len(s->index); i++) {
		struct json *d = json_at(s->index, i);
		if (!str_eq(json_get_str(json_get(d, "annotations"), save_is_bare(name) ? OCI_NAME : CONTAINERD_NAME), name))
			json_add(kept, json_ref(d));
	}
	json_drop(&s->index);
	s->index = kept;
}

static void forget_unnamed(struct save *s, const char *digest)
{
	struct json *kept = json_new_array();
	for (size_t i = 0; i < json_len(s->index); i++) {
		struct json *d = json_at(s->index, i);
		if (!str_eq(json_get_str(d, "digest"), digest) || json_get(d, "annotations"))
			json_add(kept, json_ref(d));
	}
	json_drop(&s->index);
	s->index = kept;
}

static void add_oci(struct save *s, const struct save_image *i)
{
	if (!i->names->n) {
		forget_unnamed(s, i->manifest.digest);
		json_add(s->index, descriptor(&i->manifest));
	}
	for (size_t k = 0; k < i->names->n; k++) {
		struct ref r;
		struct err ignored = {};
		struct json *d = descriptor(&i->manifest), *notes = json_get(d, "annotations") ? json_ref(json_get(d, "annotations")) : json_new_object();
		forget_name(s, i->names->v[k]);
		if (save_is_bare(i->names->v[k]))
			json_set_str(notes, OCI_NAME, i->names->v[k]);
		else
			json_set_str(notes, CONTAINERD_NAME, i->names->v[k]);
		if (!save_is_bare(i->names->v[k]) && ref_parse(i->names->v[k], &r, &ignored) == 0 && *r.tag)
			json_set_str(notes, OCI_NAME, r.tag);
		json_set(d, "annotations", notes);
		json_add(s->index, d);
	}
}

static void add_docker(struct save *s, const struct save_image *i)
{
	struct json *j = json_new_object(), *tags = json_new_array(), *layers = json_new_array();
	own(mem) char *config = blob_name(s, i->config);
	json_set_str(j, "Config", config);
	for (size_t k = 0; k < i->names->n; k++) {
		struct ref r;
		struct err ignored = {};
		char text[REF_TEXT];
		if (ref_parse(i->names->v[k], &r, &ignored) == 0)
			json_add(tags, json_new_str(ref_format_familiar(&r, text)));
	}
	for (size_t k = 0; k < i->layers->n; k++) {
		own(mem) char *layer = blob_name(s, i->layers->v[k]);
		json_add(layers, json_new_str(layer));
	}
	json_set(j, "RepoTags", tags);
	json_set(j, "Layers", layers);
	json_add(s->docker, j);
}

int save_add(struct save *s, const struct save_image *i, struct err *e)
{
	if (s->form == SAVE_DOCKER_DIR && s->images)
		return err_set(e, ERR_USAGE, "docker-dir takes one image alone");
	s->images++;
	if (s->form != SAVE_DOCKER_DIR)
		add_oci(s, i);
	if (s->form == SAVE_DOCKER_ARCHIVE && i->config)
		add_docker(s, i);
	if (s->form != SAVE_DOCKER_DIR)
		return 0;
	own(mem) char *name = blob_name(s, i->manifest.digest);
	if (renameat(s->fd, name, s->fd, "manifest.json") < 0)
		return err_sys(e, "manifest.json");
	return 0;
}

int save_end(struct save *s, struct err *e)
{
	if (s->form == SAVE_DOCKER_DIR)
		return put_list(s, "version", NULL, "Directory Transport Version: 1.1\n", e);
	own(json) struct json *index = json_new_object();
	json_set(index, "schemaVersion", json_new_i64(2));
	json_set_str(index, "mediaType", TYPE_OCI_INDEX);
	json_set(index, "manifests", json_ref(s->index));
	if (put_list(s, "oci-layout", NULL, "{\"imageLayoutVersion\":\"1.0.0\"}", e) < 0 || put_list(s, "index.json", index, NULL, e) < 0)
		return -1;
	if (s->form == SAVE_DOCKER_ARCHIVE && put_list(s, "manifest.json", s->docker, NULL, e) < 0)
		return -1;
	return s->tar ? tar_write_end(s->tar, e) : 0;
}
