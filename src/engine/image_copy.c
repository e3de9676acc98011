/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_copy: blobs and documents byte for byte, from one place to another, without the store: what was compressed stays so, an index
 * keeps its digest, and so do attestations that are in it. The blobs of a manifest come first, then the manifest; the manifests of
 * an index, then the index: what has a name is whole.
 *
 * A docker-archive has no manifest and plain layers: one is made, and for a registry they are compressed. Every blob is hashed on its way: by
 * save_put() into an archive, here for a registry.
 */
#include "engine/transport.h"

#include "base/fd.h"
#include "codec/compress.h"
#include "codec/digest.h"
#include "engine/image_remote.h"
#include "engine/trust.h"
#include "image/archive.h"
#include "image/archive_index.h"
#include "image/platform.h"
#include "image/push.h"
#include "image/remote_manifest.h"
#include "image/save.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 4 << 20, INDEX_DEPTH = 3 };

struct text { char *digest, *type, *data; size_t len; };
struct copying {
	struct engine *g;
	const struct image_copy_request *r;
	struct arena arena;
	struct platform_want want;
	/* where it comes from: one of the three */
	struct pull in;
	bool has_in;
	size_t in_at;            /* which of its places: mirrors, then the registry itself */
	struct archive_index *layout;
	struct archive docker;
	bool has_docker;
	bool flat;               /* layout is skopeo's dir */
	char *ref;               /* what the image is called in it, or NULL */
	int file;                /* -1, or what the layout or the docker-archive is */
	struct text config;      /* of a docker-archive */
	struct { struct made { int fd; } *v; size_t n; } made; /* its layers, compressed */
	/* where it goes: one of the two */
	struct pull out;
	bool has_out;
	struct save *save;
	int target;
	char *tmp;
};

static void copying_drop(struct copying *x)
{
	if (x->has_in)
		pull_drop(&x->in);
	if (x->has_out)
		pull_drop(&x->out);
	if (x->has_docker)
		archive_drop(&x->docker);
	archive_index_drop(&x->layout);
	save_drop(&x->save);
	for (size_t i = 0; i < x->made.n; i++)
		fd_drop(&x->made.v[i].fd);
	fd_drop(&x->file);
	fd_drop(&x->target);
	if (x->tmp)
		unlink(x->tmp);
	mem_drop(&x->tmp);
	arena_drop(&x->arena);
}

static int hash_range(int fd, uint64_t offset, uint64_t size, const char *like, char digest[DIGEST_TEXT], struct err *e)
{
	own(stream) struct stream *in = stream_range(fd, offset, size);
	own(stream) struct stream *hash = NULL;
	if (stream_hash(in, like, &hash, e) < 0 || stream_to_end(hash, NULL, e) < 0)
		return -1;
	stream_digest(hash, digest, NULL);
	return 0;
}

/* ---- from */

static char *blob_name(const struct copying *x, const char *digest)
{
	return x->flat ? mem_dup(digest_hex(digest)) : mem_printf("blobs/%.*s/%s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

static char *in_scope(const struct copying *x)
{
	struct ref ref;
	struct err ignored = {};
	return ref_parse(x->r->from.name, &ref, &ignored) < 0 ? NULL : mem_printf("repository:%s:pull", ref.repository);
}

/* What one place lacks, or has damaged, the next may have. */
static bool next_place(struct copying *x, const struct err *why)
{
	struct pull next = {.sock = -1, .pid = -1};
	struct err ignored = {};
	own(mem) char *scope = in_scope(x);
	if (!image_remote_may_be_elsewhere(why) || image_remote_open_at(x->g, x->r->from.name, scope, x->in_at + 1, &next, &ignored) != 1)
		return false;
	pull_drop(&x->in);
	x->in = next;
	x->in_at++;
	return true;
}

static int get_remote_blob(struct copying *x, const struct descriptor *d, int fd, struct err *e)
{
	char found[DIGEST_TEXT];
	if (pull_blob(&x->in, d->digest, d->size, fd, e) < 0 || hash_range(fd, 0, d->size, d->digest, found, e) < 0)
		return -1;
	if (strcmp(found, d->digest) != 0)
		return err_set(e, ERR_CORRUPT, "%.19s… is damaged: its content is %.19s…", d->digest, found);
	return 0;
}

/* A manifest or an index, checked. */
static int get_text(struct copying *x, const struct descriptor *d, struct text *ret, struct err *e)
{
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	own(mem) char *type = NULL;
	own(digest) struct digest *hash = NULL;
	char digest[136];
	if (!digest_is_valid(d->digest))
		return err_set(e, ERR_CORRUPT, "invalid digest");
	if (x->has_in) {
		while (remote_manifest_get(&x->in, d->digest, &text, &type, digest, e) < 0) {
			if (!next_place(x, e))
				return -1;
			buf_reset(&text);
			mem_drop(&type);
		}
	} else {
		own(mem) char *name = blob_name(x, d->digest);
		if (archive_index_read(x->layout, name, DOCUMENT_MAX, &text, e) < 0 || digest_begin(d->digest, &hash, e) < 0)
			return -1;
		digest_add(hash, buf_text(&text), text.len);
		digest_end(hash, digest);
		if (strcmp(digest, d->digest) != 0)
			return err_set(e, ERR_CORRUPT, "%.19s… is not what its name says", d->digest);
	}
	*ret = (struct text){arena_dup(&x->arena, d->digest), arena_dup(&x->arena, !str_is_empty(type) ? type : d->media_type ? d->media_type : ""),
		arena_ndup(&x->arena, buf_text(&text), text.len), text.len};
	return 0;
}

/* A blob as a range of a file; *ret_fd is to be closed when it is not b->fd's owner's. */
static int get_blob(struct copying *x, const struct descriptor *d, struct save_blob *b, int *ret_fd, struct err *e)
{
	struct archive_member m;
	*b = (struct save_blob){.digest = d->digest, .size = d->size, .fd = -1};
	*ret_fd = -1;
	if (x->has_docker) {
		if (x->config.digest && strcmp(x->config.digest, d->digest) == 0) {
			b->text = x->config.data;
			return 0;
		}
		const struct archive_image *i = &x->docker.images.v[0];
		for (size_t k = 0; k < i->layers.n; k++)
			if (str_eq(i->layers.v[k].blob_digest, d->digest)) {
				b->fd = i->layers.v[k].fd;
				b->offset = i->layers.v[k].offset;
				return 0;
			}
		return err_set(e, ERR_BUG, "a layer got lost");
	}
	if (x->layout) {
		own(mem) char *name = blob_name(x, d->digest);
		if (archive_index_find(x->layout, name, &m, e) < 0)
			return -1;
		if (m.length != d->size)
			return err_set(e, ERR_CORRUPT, "%.19s…: %llu bytes, and %llu by the manifest", d->digest, (unsigned long long)m.length,
				(unsigned long long)d->size);
		b->fd = m.fd;
		b->offset = m.offset;
		return 0;
	}
	*ret_fd = engine_scratch(x->g, e);
	if (*ret_fd < 0)
		return -1;
	b->fd = *ret_fd;
	while (get_remote_blob(x, d, *ret_fd, e) < 0)
		if (!next_place(x, e) || ftruncate(*ret_fd, 0) < 0 || lseek(*ret_fd, 0, SEEK_SET) < 0)
			return -1;
	return 0;
}

/* ---- to */

static int write_gap(int from, uint64_t offset, uint64_t size, int to, struct err *e)
{
	own(stream) struct stream *in = stream_range(from, offset, size);
	return stream_to_fd(in, to, NULL, e);
}

/* A file whose first bytes are the blob, as hull-registry reads it. */
static int whole_file(struct copying *x, const struct save_blob *b, struct err *e)
{
	if (!b->text && b->offset == 0)
		return fcntl(b->fd, F_DUPFD_CLOEXEC, 3);
	own(fd) int fd = engine_scratch(x->g, e);
	if (fd < 0 || (b->text ? fd_write_all(fd, b->text, b->size) < 0 && err_sys(e, "write") : write_gap(b->fd, b->offset, b->size, fd, e) < 0))
		return -1;
	return take_fd(fd);
}

static int wait_upload(struct copying *x, bool *ret_missing, struct err *e)
{
	struct push_event ev;
	*ret_missing = false;
	for (;;) {
		if (push_event_wait(&x->out, &ev, e) < 0)
			return -1;
		switch (ev.kind) {
		case PUSH_BYTES: case PUSH_RETRY: break;
		case PUSH_MISSING: *ret_missing = true; return 0;
		case PUSH_FAILED: *e = ev.why; return -1;
		default: return 0;
		}
	}
}

static int upload_blob(struct copying *x, const struct descriptor *d, struct err *e)
{
	struct save_blob b;
	struct strv from = {};
	bool missing;
	char found[DIGEST_TEXT];
	own(fd) int scratch = -1;
	if (x->has_in && strcmp(x->in.ref.registry, x->out.ref.registry) == 0)
		strv_add(&from, x->in.ref.repository);
	int r = push_look(&x->out, 0, d, &from, e);
	strv_drop(&from);
	if (r < 0 || wait_upload(x, &missing, e) < 0)
		return -1;
	if (!missing)
		return 0;
	if (get_blob(x, d, &b, &scratch, e) < 0)
		return -1;
	own(fd) int file = whole_file(x, &b, e);
	if (file < 0 || hash_range(file, 0, d->size, d->digest, found, e) < 0)
		return -1;
	if (strcmp(found, d->digest) != 0)
		return err_set(e, ERR_CORRUPT, "%.19s… is damaged: its content is %.19s…", d->digest, found);
	return push_blob(&x->out, 0, d, file, 0, e) < 0 ? -1 : wait_upload(x, &missing, e);
}

static int put_blob(struct copying *x, const struct descriptor *d, struct err *e)
{
	struct save_blob b;
	own(fd) int scratch = -1;
	if (!d->digest || !digest_is_valid(d->digest))
		return err_set(e, ERR_CORRUPT, "manifest: invalid digest");
	if (x->r->tell)
		x->r->tell(x->r->arg, "blob", d->digest);
	if (x->has_out)
		return upload_blob(x, d, e);
	if (save_has(x->save, d->digest))
		return 0;
	return get_blob(x, d, &b, &scratch, e) < 0 ? -1 : save_put(x->save, &b, e);
}

/* name: "" for one that only an index names. */
static int put_text(struct copying *x, const struct text *t, const char *name, struct err *e)
{
	if (x->r->tell)
		x->r->tell(x->r->arg, "manifest", t->digest);
	if (x->has_out)
		return push_manifest(&x->out, *name ? name : t->digest, t->type, t->data, t->len, e);
	return save_put(x->save, &(struct save_blob){.digest = t->digest, .size = t->len, .text = t->data, .fd = -1}, e);
}

/* ---- an image, an index */

static void read_descriptor(const struct json *j, struct descriptor *d)
{
	*d = (struct descriptor){.media_type = (char *)(uintptr_t)json_get_str(j, "mediaType"), .digest = (char *)(uintptr_t)json_get_str(j, "digest"),
		.size = json_u64(json_get(j, "size"))};
}

/* Of any manifest, attestations and artifacts too: what they are made of is all that counts. */
static int copy_manifest(struct copying *x, const struct text *t, const struct json *j, const char *name, struct err *e)
{
	const struct json *layers = json_get(j, "layers");
	struct descriptor d;
	for (size_t i = 0; i < json_len(layers); i++) {
		read_descriptor(json_at(layers, i), &d);
		if (put_blob(x, &d, e) < 0)
			return -1;
	}
	read_descriptor(json_get(j, "config"), &d);
	return put_blob(x, &d, e) < 0 ? -1 : put_text(x, t, name, e);
}

/* Of a manifest whose blobs are put. */
static void read_blobs(struct copying *x, const struct json *j, struct strv *ret_layers, char **ret_config)
{
	const struct json *layers = json_get(j, "layers");
	struct descriptor d;
	for (size_t i = 0; i < json_len(layers); i++) {
		read_descriptor(json_at(layers, i), &d);
		arena_strv_add(&x->arena, ret_layers, d.digest);
	}
	read_descriptor(json_get(j, "config"), &d);
	*ret_config = arena_dup(&x->arena, d.digest);
}

static int copy_index(struct copying *x, const struct text *t, const struct json *j, const char *name, int depth, struct err *e)
{
	struct image_index all;
	if (depth > INDEX_DEPTH)
		return err_set(e, ERR_LIMIT, "indexes nested more than %d deep", INDEX_DEPTH);
	if (image_index_parse(j, &x->arena, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.manifests.n; i++) {
		own(json) struct json *below = NULL;
		struct text m;
		if (get_text(x, &all.manifests.v[i], &m, e) < 0)
			return -1;
		if (json_parse(m.data, m.len, &below, e) < 0)
			return err_wrap(e, "manifest %.19s…", m.digest);
		int r = types_document(m.type, below) == DOCUMENT_INDEX ? copy_index(x, &m, below, "", depth + 1, e) : copy_manifest(x, &m, below, "", e);
		if (r < 0)
			return -1;
	}
	return put_text(x, t, name, e);
}

/* From an index to the manifest of the platform. */
static int choose(struct copying *x, struct text *t, struct json **j, struct err *e)
{
	for (int depth = 0; types_document(t->type, *j) == DOCUMENT_INDEX; depth++) {
		struct image_index all;
		if (depth > INDEX_DEPTH)
			return err_set(e, ERR_LIMIT, "indexes nested more than %d deep", INDEX_DEPTH);
		if (image_index_parse(*j, &x->arena, &all, e) < 0)
			return -1;
		ssize_t best = platform_choose(&x->want, &all);
		if (best < 0) {
			own(buf) struct buf list = {};
			char want[PLATFORM_TEXT];
			platform_list(&all, &list);
			return err_set(e, ERR_NOT_FOUND, "no image for %s, there is: %.500s", platform_format_want(&x->want, want), buf_text(&list));
		}
		if (get_text(x, &all.manifests.v[best], t, e) < 0)
			return -1;
		json_drop(j);
		if (json_parse(t->data, t->len, j, e) < 0)
			return err_wrap(e, "manifest");
	}
	return 0;
}

/* What the policy says of where it comes from; top: what its name stands for, digest: what is copied. */
static int check_trust(struct copying *x, const char *top, const char *digest, struct err *e)
{
	struct trust trust __attribute__((cleanup(trust_drop))) = {};
	const char *const digests[] = {top, digest};
	own(mem) char *word = transport_word(x->r->from.transport);
	if (!x->has_in)
		return x->r->from.path ? trust_archive(word, x->r->from.path, x->ref, e) : trust_place(x->g, &x->r->from, e);
	return trust_remote(x->g, &x->in, &x->in.ref, digests, strcmp(top, digest) == 0 ? 1 : 2, &trust, e);
}

static int copy_top(struct copying *x, struct text *t, const struct json *j, const char *name, struct strv *names, struct err *e)
{
	struct strv layers = {};
	char *config = NULL;
	bool is_index = types_document(t->type, j) == DOCUMENT_INDEX;
	own(json) struct json *listed = json_ref((struct json *)(uintptr_t)j);
	struct text one = *t;
	struct err ignored = {};
	if (is_index && x->r->to.transport == TRANSPORT_DIR)
		return err_set(e, ERR_UNSUPPORTED, "dir: takes one image: leave --all away, or write to oci:");
	if (str_is_empty(t->type))
		t->type = arena_dup(&x->arena, json_get_str(j, "mediaType") ? json_get_str(j, "mediaType") : is_index ? TYPE_OCI_INDEX : TYPE_OCI_MANIFEST);
	if (is_index ? copy_index(x, t, j, name, 1, e) < 0 : copy_manifest(x, t, j, name, e) < 0)
		return -1;
	if (x->has_out)
		return 0;
	/* docker's list has no indexes: of one, it has the image that the name stands for there. */
	bool is_docker = x->r->to.transport == TRANSPORT_DOCKER_ARCHIVE || !x->r->to.path;
	if (!is_index || (is_docker && choose(x, &one, &listed, &ignored) == 0))
		read_blobs(x, listed, &layers, &config);
	struct save_image out = {.names = names, .config = config, .layers = &layers,
		.manifest = {.media_type = t->type, .digest = t->digest, .size = t->len}};
	return save_add(x->save, &out, e) < 0 ? -1 : save_end(x->save, e);
}

/* ---- opening the two */

/* The entry of index.json that is called so, or the only one. */
static int find_in_layout(struct copying *x, struct descriptor *ret, struct err *e)
{
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	own(json) struct json *j = NULL;
	struct image_index all;
	const char *name = x->r->from.name;
	struct ref r;
	struct err ignored = {};
	char whole[REF_TEXT] = "";
	if (name && ref_parse(name, &r, &ignored) == 0)
		ref_format(&r, whole);
	if (archive_index_read(x->layout, "index.json", DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0 ||
		image_index_parse(j, &x->arena, &all, e) < 0)
		return err_wrap(e, "index.json");
	if (!name && all.manifests.n != 1)
		return err_set(e, ERR_USAGE, "%s has %zu images: say which behind its path", x->r->from.path, all.manifests.n);
	for (size_t i = 0; i < all.manifests.n; i++) {
		const struct map *notes = &all.manifests.v[i].annotations;
		const char *full = map_get(notes, "io.containerd.image.name"), *short_name = map_get(notes, "org.opencontainers.image.ref.name");
		if (!name || str_eq(short_name, name) || str_eq(full, whole) || str_eq(full, name)) {
			*ret = all.manifests.v[i];
			x->ref = arena_dup(&x->arena, short_name);
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "%s has no image %s", x->r->from.path, name);
}

static int open_layout(struct copying *x, struct text *t, struct err *e)
{
	struct stat st;
	struct descriptor d = {};
	x->file = open(x->r->from.path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (x->file < 0 || fstat(x->file, &st) < 0)
		return err_sys(e, "%.300s", x->r->from.path);
	if ((x->r->from.transport == TRANSPORT_OCI_ARCHIVE) == S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "%.300s is %sa directory", x->r->from.path, S_ISDIR(st.st_mode) ? "" : "not ");
	if (S_ISDIR(st.st_mode) ? archive_index_of_dir(x->file, &x->layout, e) < 0 : archive_index_of_tar(x->file, 0, &x->layout, e) < 0)
		return err_wrap(e, "%.300s", x->r->from.path);
	x->flat = x->r->from.transport == TRANSPORT_DIR;
	if (!x->flat)
		return find_in_layout(x, &d, e) < 0 ? -1 : get_text(x, &d, t, e);
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	char digest[DIGEST_TEXT];
	if (archive_index_read(x->layout, "manifest.json", DOCUMENT_MAX, &text, e) < 0 || digest_of(buf_text(&text), text.len, digest, e) < 0)
		return err_wrap(e, "%.300s", x->r->from.path);
	*t = (struct text){arena_dup(&x->arena, digest), arena_dup(&x->arena, ""), arena_ndup(&x->arena, buf_text(&text), text.len), text.len};
	return 0;
}

static int open_remote(struct copying *x, struct text *t, struct err *e)
{
	own(buf) struct buf text = {};
	own(mem) char *type = NULL;
	char digest[136];
	own(mem) char *scope = in_scope(x);
	if (image_remote_manifest(x->g, x->r->from.name, scope, &x->in, &x->in_at, &text, &type, digest, e) < 0)
		return -1;
	x->has_in = true;
	*t = (struct text){arena_dup(&x->arena, digest), arena_dup(&x->arena, type), arena_ndup(&x->arena, buf_text(&text), text.len), text.len};
	return 0;
}

struct squeezing { struct digest *hash; int fd; uint64_t bytes; };

static int put_squeezed(void *arg, const void *p, size_t n, struct err *e)
{
	struct squeezing *s = arg;
	digest_add(s->hash, p, n);
	s->bytes += n;
	return fd_write_all(s->fd, p, n) < 0 ? err_sys(e, "write") : 0;
}

/* The layer as gzip, in a file of ours. */
static int squeeze(struct copying *x, struct archive_layer *l, struct err *e)
{
	own(digest) struct digest *hash = NULL;
	own(compress) struct compressor *c = NULL;
	own(stream) struct stream *in = stream_range(l->fd, l->offset, l->length);
	own(mem) char *chunk = mem_alloc(STREAM_CHUNK);
	char digest[DIGEST_TEXT];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct squeezing s = {.fd = engine_scratch(x->g, e)};
	if (s.fd < 0)
		return -1;
	arena_push(&x->arena, &x->made)->fd = s.fd;
	if (digest_begin(NULL, &hash, e) < 0)
		return -1;
	s.hash = hash;
	if (compress_open(COMPRESS_GZIP, 0, cpus > 0 ? (unsigned)cpus : 1, put_squeezed, &s, &c, e) < 0)
		return -1;
	for (ssize_t n; (n = stream_read(in, chunk, STREAM_CHUNK, e)) != 0;)
		if (n < 0 || compress_add(c, chunk, (size_t)n, e) < 0)
			return -1;
	if (compress_end(c, e) < 0)
		return -1;
	digest_end(hash, digest);
	l->fd = s.fd;
	l->offset = 0;
	l->length = s.bytes;
	l->blob_digest = arena_dup(&x->arena, digest);
	l->media_type = arena_dup(&x->arena, "application/vnd.oci.image.layer.v1.tar+gzip");
	return 0;
}

static bool is_plain(const struct archive_layer *l)
{
	unsigned char magic[2] = {};
	return pread(l->fd, magic, 2, (off_t)l->offset) != 2 || magic[0] != 0x1f || magic[1] != 0x8b;
}

static int name_layer(struct copying *x, struct archive_layer *l, struct err *e)
{
	char digest[DIGEST_TEXT];
	if (l->blob_digest)
		return 0;
	bool plain = is_plain(l);
	if (plain && x->r->to.transport == TRANSPORT_REGISTRY)
		return squeeze(x, l, e);
	if (hash_range(l->fd, l->offset, l->length, NULL, digest, e) < 0)
		return -1;
	if (plain && str_has_prefix(l->diff_id, "sha256:") && strcmp(digest, l->diff_id) != 0)
		return err_set(e, ERR_CORRUPT, "layer %.19s… is damaged: its content is %.19s…", l->diff_id, digest);
	l->blob_digest = arena_dup(&x->arena, digest);
	l->media_type = arena_dup(&x->arena, plain ? "application/vnd.oci.image.layer.v1.tar" : "application/vnd.oci.image.layer.v1.tar+gzip");
	return 0;
}

static int open_docker(struct copying *x, struct text *t, struct err *e)
{
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	own(json) struct json *j = json_new_object();
	struct json *layers = json_new_array();
	char digest[DIGEST_TEXT];
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", TYPE_OCI_MANIFEST);
	json_set(j, "layers", layers);
	if (!x->r->from.path && (x->file = transport_fetch(x->g, &x->r->from, e)) < 0)
		return -1;
	if (archive_open(&x->docker, x->r->from.path, x->file, x->g->root, x->r->platform, e) < 0)
		return -1;
	x->has_docker = true;
	if (x->r->from.path && x->r->from.name && archive_select(&x->docker, x->r->from.name, e) < 0)
		return -1;
	if (x->docker.images.n != 1)
		return err_set(e, ERR_USAGE, "%s has %zu images: say which behind its path", x->r->from.path, x->docker.images.n);
	struct archive_image *i = &x->docker.images.v[0];
	for (size_t k = 0; k < i->layers.n; k++) {
		struct archive_layer *l = &i->layers.v[k];
		if (name_layer(x, l, e) < 0)
			return -1;
		json_add(layers, descriptor_json(l->media_type, l->blob_digest, l->length));
	}
	x->config = (struct text){i->record.id, NULL, i->config_text, i->config_len};
	json_set(j, "config", descriptor_json(TYPE_OCI_CONFIG, i->record.id, i->config_len));
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, digest, e) < 0)
		return err_wrap(e, "manifest");
	*t = (struct text){arena_dup(&x->arena, digest), arena_dup(&x->arena, TYPE_OCI_MANIFEST), arena_ndup(&x->arena, buf_text(&text), text.len),
		text.len};
	return 0;
}

static int open_from(struct copying *x, struct text *t, struct err *e)
{
	switch (x->r->from.transport) {
	case TRANSPORT_REGISTRY: return open_remote(x, t, e);
	case TRANSPORT_OCI: case TRANSPORT_OCI_ARCHIVE: case TRANSPORT_DIR: return open_layout(x, t, e);
	default: return open_docker(x, t, e);
	}
}

static int open_to(struct copying *x, struct err *e)
{
	const struct place *to = &x->r->to;
	enum save_form form = SAVE_DOCKER_ARCHIVE;
	if (to->transport == TRANSPORT_REGISTRY) {
		struct ref ref;
		if (ref_parse(to->name, &ref, e) < 0)
			return -1;
		own(mem) char *scope = mem_printf("repository:%s:pull,push", ref.repository);
		if (image_remote_open(x->g, to->name, scope, &x->out, e) < 0)
			return -1;
		x->has_out = true;
		return 0;
	}
	if (!to->path) {
		x->target = engine_scratch(x->g, e);
		return x->target < 0 ? -1 : save_open(form, x->target, &x->save, e);
	}
	if (save_parse_form(transport_form(to->transport), &form, e) < 0)
		return -1;
	if (save_is_dir(form)) {
		(void)!mkdir(to->path, 0755);
		x->target = open(to->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		char *tmp = mem_printf("%s.tmp-%d", to->path, (int)getpid());
		x->target = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (x->target >= 0)
			x->tmp = tmp;
		else
			mem_drop(&tmp);
	}
	if (x->target < 0)
		return err_sys(e, "%.300s", to->path);
	return save_open(form, x->target, &x->save, e) < 0 ? err_wrap(e, "%.300s", to->path) : 0;
}

static int copy(struct copying *x, char ret_digest[136], struct err *e)
{
	const struct place *to = &x->r->to;
	struct text t;
	struct ref ref = {};
	own(json) struct json *j = NULL;
	struct strv names = {};
	char whole[REF_TEXT];
	bool bare = to->name && transport_is_layout(to->transport) && save_is_bare(to->name);
	if (to->name && !bare && ref_parse(to->name, &ref, e) < 0)
		return -1;
	if (bare)
		arena_strv_add(&x->arena, &names, to->name);
	else if (to->name)
		arena_strv_add(&x->arena, &names, ref_format(&ref, whole));
	if (!str_is_empty(ref.digest) && to->transport != TRANSPORT_REGISTRY)
		return err_set(e, ERR_USAGE, "a name that is given has no digest: %.200s", to->name);
	if (open_from(x, &t, e) < 0)
		return -1;
	const char *top = t.digest;
	if (json_parse(t.data, t.len, &j, e) < 0)
		return err_wrap(e, "manifest");
	if ((!x->r->all && choose(x, &t, &j, e) < 0) || check_trust(x, top, t.digest, e) < 0)
		return -1;
	if (open_to(x, e) < 0 || copy_top(x, &t, j, *ref.digest ? "" : ref.tag, &names, e) < 0)
		return -1;
	snprintf(ret_digest, 136, "%s", t.digest);
	if (*ref.digest && strcmp(ref.digest, t.digest) != 0)
		return err_set(e, ERR_CONFLICT, "the image is %.19s…, and not what %.200s says", t.digest, to->name);
	if (x->tmp && rename(x->tmp, to->path) < 0)
		return err_sys(e, "%.300s", to->path);
	mem_drop(&x->tmp);
	return to->transport == TRANSPORT_DAEMON || to->transport == TRANSPORT_PODMAN ? transport_hand_over(x->g, to, x->target, e) : 0;
}

int image_copy(struct engine *g, const struct image_copy_request *r, char ret_digest[136], struct err *e)
{
	struct copying x __attribute__((cleanup(copying_drop))) = {.g = g, .r = r, .file = -1, .target = -1};
	return platform_parse(r->platform, &x.want, e) < 0 || engine_need_store(g, e) < 0 ? -1 : copy(&x, ret_digest, e);
}
