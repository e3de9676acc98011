/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive: plain bytes, then an index of the members, then the form.
 *
 *   1. A directory is looked at in place, and so is an uncompressed file. Everything else is first decompressed into a file
 *      without a name.
 *   2. index.json and oci-layout: OCI. Else manifest.json: docker's. Else `repositories` or <id>/json: docker's old form.
 *   3. OCI: each descriptor of index.json is a candidate, an index among them stands for its best manifest. Of the candidates with
 *      the same name (those without one count as one group) the best of the platform remain.
 *   4. Every manifest and config is read whole, checked against digest and size, parsed; the layers are looked up.
 */
#include "image/archive.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "image/archive_docker.h"
#include "image/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { INDEX_DEPTH = 3 };
#define OCI_NAME "org.opencontainers.image.ref.name"

void archive_add_name(struct archive *a, struct archive_image *i, const char *name)
{
	struct ref r;
	struct err ignored = {};
	char text[REF_TEXT];
	if (ref_parse(name, &r, &ignored) < 0)
		return;
	*r.digest = 0;
	if (*r.tag && !strv_has(&i->names, ref_format(&r, text)))
		arena_strv_add(&a->arena, &i->names, text);
}

int archive_set_config(struct archive *a, struct archive_image *i, struct buf *text, struct err *e)
{
	own(json) struct json *j = NULL;
	char digest[DIGEST_TEXT];
	if (json_parse(buf_text(text), text->len, &j, e) < 0)
		return err_wrap(e, "image config");
	if (image_config_parse(j, &a->arena, &i->config, e) < 0 || digest_of(buf_text(text), text->len, digest, e) < 0)
		return -1;
	const struct image_config *c = &i->config;
	i->config_text = arena_ndup(&a->arena, buf_text(text), text->len);
	i->config_len = text->len;
	i->record = (struct image_record){.id = arena_dup(&a->arena, digest), .manifest = arena_dup(&a->arena, ""),
		.diff_ids = c->rootfs.diff_ids, .created = c->created, .architecture = c->architecture, .os = c->os, .variant = c->variant};
	return 0;
}

struct candidate { struct descriptor d; const char *name, *raw, *listed; int rank; };
struct oci {
	struct archive *a;
	struct platform_want want;
	struct { struct candidate *v; size_t n; } all;
	struct buf found; /* platforms that were not right */
};

static char *blob_name(const struct archive *a, const char *digest)
{
	if (a->flat)
		return mem_dup(strcmp(digest, a->flat) == 0 ? "manifest.json" : digest_hex(digest));
	return mem_printf("blobs/%.*s/%s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

/* A blob of the layout, checked. */
static int read_blob(struct archive *a, const struct descriptor *d, struct buf *ret, struct err *e)
{
	own(mem) char *name = blob_name(a, d->digest);
	own(digest) struct digest *hash = NULL;
	char digest[DIGEST_TEXT];
	if (archive_index_read(a->index, name, ARCHIVE_DOCUMENT_MAX, ret, e) < 0 || digest_begin(d->digest, &hash, e) < 0)
		return -1;
	digest_add(hash, buf_text(ret), ret->len);
	digest_end(hash, digest);
	if (ret->len != d->size || strcmp(digest, d->digest) != 0)
		return err_set(e, ERR_CORRUPT, "%.19s… in the archive has another digest or size than its name says", d->digest);
	return 0;
}

static int read_json(struct archive *a, const struct descriptor *d, struct buf *text, struct json **ret, struct err *e)
{
	if (read_blob(a, d, text, e) < 0)
		return -1;
	if (json_parse(buf_text(text), text->len, ret, e) < 0)
		return err_wrap(e, "%.19s…", d->digest);
	return 0;
}

/* A bare word is a tag that skopeo was given, not a name. */
static const char *name_of(const struct descriptor *d)
{
	const char *name = map_get(&d->annotations, "io.containerd.image.name");
	const char *ref = map_get(&d->annotations, OCI_NAME);
	if (!str_is_empty(name))
		return name;
	return ref && (strchr(ref, '/') || strchr(ref, ':')) ? ref : NULL;
}

static void add_candidate(struct oci *o, const struct descriptor *d, const struct descriptor *top, int rank)
{
	*arena_push(&o->a->arena, &o->all) = (struct candidate){*d, name_of(top), map_get(&top->annotations, OCI_NAME), top->digest, rank};
}

static void note_platform(struct oci *o, const struct platform *p)
{
	char text[PLATFORM_TEXT];
	if (p && o->found.len < 400)
		buf_printf(&o->found, "%s%s", o->found.len ? ", " : "", platform_format(p->os, p->architecture, p->variant, text));
}

/* What an index inside of the index stands for; top: which of index.json it is. */
static int add_nested(struct oci *o, const struct descriptor *d, const struct descriptor *top, int depth, struct err *e)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	struct image_index x;
	if (depth > INDEX_DEPTH)
		return err_set(e, ERR_LIMIT, "indexes nested more than %d deep", INDEX_DEPTH);
	if (read_json(o->a, d, &text, &j, e) < 0 || image_index_parse(j, &o->a->arena, &x, e) < 0)
		return -1;
	ssize_t best = platform_choose(&o->want, &x);
	if (best < 0) {
		if (o->found.len < 400) {
			buf_str(&o->found, o->found.len ? ", " : "");
			platform_list(&x, &o->found);
		}
		return 0;
	}
	const struct descriptor *chosen = &x.manifests.v[best];
	if (types_document(chosen->media_type, NULL) == DOCUMENT_INDEX)
		return add_nested(o, chosen, top, depth + 1, e);
	add_candidate(o, chosen, top, 0);
	return 0;
}

static int add_candidates(struct oci *o, const struct image_index *x, struct err *e)
{
	size_t others = 0;
	for (size_t i = 0; i < x->manifests.n; i++) {
		const struct descriptor *d = &x->manifests.v[i];
		enum document kind = types_document(d->media_type, NULL);
		if (kind == DOCUMENT_INDEX) {
			if (add_nested(o, d, d, 1, e) < 0)
				return -1;
			continue;
		}
		if ((kind == DOCUMENT_OTHER && !str_is_empty(d->media_type)) || map_get(&d->annotations, "vnd.docker.reference.type"))
			continue;
		const struct platform *p = d->platform;
		int rank = platform_rank(&o->want, p ? p->os : NULL, p ? p->architecture : NULL, p ? p->variant : NULL);
		if (rank >= 0) {
			add_candidate(o, d, d, rank);
		} else {
			note_platform(o, p);
			others++;
		}
	}
	/* The only image there is, and nobody asked for a platform: it may be meant for another machine. */
	if (!o->all.n && others == 1 && x->manifests.n == 1 && !o->want.is_asked)
		add_candidate(o, &x->manifests.v[0], &x->manifests.v[0], 0);
	return 0;
}

static bool is_best(const struct oci *o, const struct candidate *c)
{
	for (size_t i = 0; i < o->all.n; i++) {
		const struct candidate *other = &o->all.v[i];
		bool same = c->name ? str_eq(c->name, other->name) : !other->name && c->d.platform;
		if (same && other->rank < c->rank)
			return false;
	}
	return true;
}

static int add_oci_layer(struct archive *a, struct archive_image *i, const struct descriptor *d, const char *diff_id, struct err *e)
{
	own(mem) char *name = blob_name(a, d->digest);
	struct archive_member m;
	if (archive_index_find(a->index, name, &m, e) < 0)
		return -1;
	if (m.length != d->size)
		return err_set(e, ERR_CORRUPT, "layer %.19s…: %llu bytes, and %llu by the manifest", d->digest, (unsigned long long)m.length,
			(unsigned long long)d->size);
	*arena_push(&a->arena, &i->layers) = (struct archive_layer){m.fd, m.offset, m.length, d->digest, arena_dup(&a->arena, diff_id), d->media_type};
	return 0;
}

static int add_oci_image(struct archive *a, const struct candidate *c, struct err *e)
{
	own(buf) struct buf text = {};
	own(buf) struct buf config = {};
	own(json) struct json *j = NULL;
	struct manifest m;
	struct archive_image i = {};
	if (read_json(a, &c->d, &text, &j, e) < 0 || manifest_parse(j, &a->arena, &m, e) < 0 || read_blob(a, &m.config, &config, e) < 0 ||
		archive_set_config(a, &i, &config, e) < 0 || types_check(&m, &i.config, e) < 0)
		return -1;
	i.record.id = m.config.digest;
	i.record.manifest = arena_dup(&a->arena, c->d.digest);
	i.record.media_type = m.media_type ? m.media_type : c->d.media_type;
	i.manifest_text = arena_ndup(&a->arena, buf_text(&text), text.len);
	i.manifest_len = text.len;
	for (size_t k = 0; k < m.layers.n; k++)
		if (add_oci_layer(a, &i, &m.layers.v[k], i.config.rootfs.diff_ids.v[k], e) < 0)
			return -1;
	if (c->name)
		archive_add_name(a, &i, c->name);
	if (c->raw)
		arena_strv_add(&a->arena, &i.refs, c->raw);
	arena_strv_add(&a->arena, &i.digests, c->listed);
	arena_strv_add(&a->arena, &i.digests, c->d.digest);
	/* One image under several names is one image. */
	for (size_t k = 0; k < a->images.n; k++)
		if (strcmp(a->images.v[k].record.id, i.record.id) == 0 && strcmp(a->images.v[k].record.manifest, i.record.manifest) == 0) {
			for (size_t n = 0; n < i.names.n; n++)
				archive_add_name(a, &a->images.v[k], i.names.v[n]);
			for (size_t n = 0; n < i.refs.n; n++)
				arena_strv_add(&a->arena, &a->images.v[k].refs, i.refs.v[n]);
			for (size_t n = 0; n < i.digests.n; n++)
				arena_strv_add(&a->arena, &a->images.v[k].digests, i.digests.v[n]);
			return 0;
		}
	*arena_push(&a->arena, &a->images) = i;
	return 0;
}

static int read_oci(struct archive *a, struct oci *o, struct err *e)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	own(buf) struct buf layout = {};
	own(json) struct json *version = NULL;
	struct image_index x;
	if (archive_index_read(a->index, "oci-layout", 4096, &layout, e) < 0 || json_parse(buf_text(&layout), layout.len, &version, e) < 0)
		return err_wrap(e, "oci-layout");
	const char *number = json_get_str(version, "imageLayoutVersion");
	if (!number || !str_has_prefix(number, "1."))
		return err_set(e, ERR_UNSUPPORTED, "oci-layout: imageLayoutVersion must be 1.x");
	if (archive_index_read(a->index, "index.json", ARCHIVE_DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0 ||
		image_index_parse(j, &a->arena, &x, e) < 0)
		return err_wrap(e, "index.json");
	if (add_candidates(o, &x, e) < 0)
		return -1;
	if (o->all.n > ARCHIVE_IMAGES_MAX)
		return err_set(e, ERR_LIMIT, "%zu images (%d at most)", o->all.n, ARCHIVE_IMAGES_MAX);
	for (size_t i = 0; i < o->all.n; i++)
		if (is_best(o, &o->all.v[i]) && add_oci_image(a, &o->all.v[i], e) < 0)
			return -1;
	return 0;
}

/* skopeo's dir: one manifest, and its blobs beside it. */
static int read_flat(struct oci *o, struct err *e)
{
	own(buf) struct buf text = {};
	struct candidate c = {};
	char digest[DIGEST_TEXT];
	if (archive_index_read(o->a->index, "manifest.json", ARCHIVE_DOCUMENT_MAX, &text, e) < 0 ||
		digest_of(buf_text(&text), text.len, digest, e) < 0)
		return -1;
	c.d = (struct descriptor){.digest = arena_dup(&o->a->arena, digest), .size = text.len};
	o->a->flat = c.d.digest;
	return add_oci_image(o->a, &c, e);
}

/* What was asked for by name counts for the config too, which is what will run. */
static void keep_platform(struct archive *a, struct oci *o)
{
	size_t kept = 0;
	for (size_t i = 0; i < a->images.n; i++) {
		const struct image_config *c = &a->images.v[i].config;
		struct platform p = {.os = c->os, .architecture = c->architecture, .variant = c->variant};
		if (!o->want.is_asked || platform_rank(&o->want, c->os, c->architecture, c->variant) >= 0)
			a->images.v[kept++] = a->images.v[i];
		else
			note_platform(o, &p);
	}
	a->images.n = kept;
}

static bool is_flat(struct archive *a)
{
	own(buf) struct buf version = {};
	struct err ignored = {};
	return archive_index_has(a->index, "version") && archive_index_has(a->index, "manifest.json") &&
		archive_index_read(a->index, "version", 100, &version, &ignored) == 0 && str_has_prefix(buf_text(&version), "Directory Transport Version");
}

static int read_images(struct archive *a, const char *platform, struct err *e)
{
	struct oci o = {.a = a, .found = BUF(4096)};
	own(strv) struct strv old = {};
	if (platform_parse(platform, &o.want, e) < 0)
		return -1;
	bool is_oci = archive_index_has(a->index, "oci-layout") && archive_index_has(a->index, "index.json");
	archive_index_list(a->index, "/json", &old);
	int r;
	if (is_oci)
		r = read_oci(a, &o, e) < 0 ? err_wrap(e, "archive") : 0;
	else if (is_flat(a))
		r = read_flat(&o, e) < 0 ? err_wrap(e, "directory") : 0;
	else if (archive_index_has(a->index, "manifest.json"))
		r = archive_docker_read(a, e);
	else if (old.n || archive_index_has(a->index, "repositories"))
		r = archive_docker_read_old(a, e);
	else
		r = err_set(e, ERR_CORRUPT, "archive: there are no images in it: it has neither oci-layout and index.json (OCI) nor manifest.json (docker)");
	if (r == 0)
		keep_platform(a, &o);
	if (r == 0 && !a->images.n) {
		char text[PLATFORM_TEXT];
		platform_format_want(&o.want, text);
		r = o.found.len ? err_set(e, ERR_NOT_FOUND, "archive: no image for %s, there is: %.500s", text, buf_text(&o.found))
				: err_set(e, ERR_NOT_FOUND, "archive: it has no image");
	}
	buf_drop(&o.found);
	return r;
}

/* The plain bytes of a->fd in a file without a name; replaces a->fd. */
static int make_plain(struct archive *a, struct stream *plain, int scratch, struct err *e)
{
	own(fd) int file = openat(scratch, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
		char name[40];
		snprintf(name, sizeof name, ".archive-%d", (int)getpid());
		file = openat(scratch, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (file >= 0)
			unlinkat(scratch, name, 0);
	}
	if (file < 0)
		return err_sys(e, "archive: a file for its plain bytes");
	if (stream_to_fd(plain, file, NULL, e) < 0)
		return err_wrap(e, "archive");
	fd_drop(&a->fd);
	a->fd = take_fd(file);
	return 0;
}

static int open_file(struct archive *a, int scratch, struct err *e)
{
	struct stat st;
	if (fstat(a->fd, &st) < 0)
		return err_sys(e, "archive");
	off_t at = S_ISREG(st.st_mode) ? lseek(a->fd, 0, SEEK_CUR) : -1;
	own(stream) struct stream *file =
		at >= 0 ? stream_range(a->fd, (uint64_t)at, st.st_size > at ? (uint64_t)(st.st_size - at) : 0) : stream_fd(a->fd, UINT64_MAX);
	own(stream) struct stream *plain = NULL;
	enum compression found;
	if (stream_decompress(file, &plain, &found, e) < 0)
		return err_wrap(e, "archive");
	if (at < 0 || found != COMPRESS_NONE) {
		if (make_plain(a, plain, scratch, e) < 0)
			return -1;
		at = 0;
	}
	return archive_index_of_tar(a->fd, (uint64_t)at, &a->index, e);
}

int archive_open(struct archive *a, const char *path, int fd, int scratch, const char *platform, struct err *e)
{
	struct stat st;
	own(archive) struct archive x = {.fd = -1, .dir = -1};
	x.fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (x.fd < 0 || fstat(x.fd, &st) < 0)
		return err_sys(e, "open %s", path ? path : "archive");
	if (S_ISDIR(st.st_mode))
		x.dir = take_fd(x.fd);
	int r = x.dir >= 0 ? archive_index_of_dir(x.dir, &x.index, e) : open_file(&x, scratch, e);
	if (r < 0 || read_images(&x, platform, e) < 0)
		return path ? err_wrap(e, "%.300s", path) : -1;
	*a = x;
	x = (struct archive){.fd = -1, .dir = -1};
	return 0;
}

static bool has_ref(const struct archive_image *i, const char *name, const char *whole)
{
	return strv_has(&i->refs, name) || strv_has(&i->digests, name) || (*whole && strv_has(&i->names, whole));
}

int archive_select(struct archive *a, const char *name, struct err *e)
{
	own(buf) struct buf list = BUF(2048);
	struct ref r;
	struct err ignored = {};
	char whole[REF_TEXT] = "";
	if (ref_parse(name, &r, &ignored) == 0)
		ref_format(&r, whole);
	for (size_t i = 0; i < a->images.n; i++) {
		struct archive_image *x = &a->images.v[i];
		if (!has_ref(x, name, whole)) {
			for (size_t k = 0; k < x->names.n && list.len < 400; k++)
				buf_printf(&list, "%s%s", list.len ? ", " : "", x->names.v[k]);
			for (size_t k = 0; !x->names.n && k < x->refs.n && list.len < 400; k++)
				buf_printf(&list, "%s%s", list.len ? ", " : "", x->refs.v[k]);
			continue;
		}
		a->images.v[0] = *x;
		a->images.n = 1;
		if (*whole && strv_has(&a->images.v[0].names, whole)) {
			a->images.v[0].names = (struct strv){};
			arena_strv_add(&a->arena, &a->images.v[0].names, whole);
		}
		return 0;
	}
	str_harmless(list.data ? list.data : (char[]){0});
	return err_set(e, ERR_NOT_FOUND, "archive: no image %.200s%s%.500s", name, list.len ? ", there is: " : "", buf_text(&list));
}

void archive_drop(struct archive *a)
{
	archive_index_drop(&a->index);
	if (a->fd > 0)
		fd_drop(&a->fd);
	if (a->dir > 0)
		fd_drop(&a->dir);
	arena_drop(&a->arena);
	*a = (struct archive){.fd = -1, .dir = -1};
}

int archive_commit(struct archive *a, size_t image, struct store *s, uint64_t size, struct err *e)
{
	const struct archive_image *i = &a->images.v[image];
	struct image_record r = i->record;
	struct store_blob blobs[2] = {{r.id, i->config_text, i->config_len}};
	size_t n = 1;
	if (i->manifest_text)
		blobs[n++] = (struct store_blob){r.manifest, i->manifest_text, i->manifest_len};
	r.names = i->names;
	r.size = size;
	return store_put(s, &r, blobs, n, e);
}
