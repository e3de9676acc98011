/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push_original: see push_original.h. No compressor gives exactly another one's bytes, so an image keeps its digest only with the blobs that it
 * came with. Who cannot be reached is not waited for: compressing is always possible.
 */
#include "engine/push_original.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "engine/image_remote.h"
#include "image/partial.h"

#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

static int check(int file, const struct known_blob *b, struct err *e)
{
	own(stream) struct stream *from = stream_range(file, 0, b->size);
	own(stream) struct stream *hash = NULL;
	char found[DIGEST_TEXT];
	if (stream_hash(from, b->digest, &hash, e) < 0 || stream_to_end(hash, NULL, e) < 0)
		return -1;
	stream_digest(hash, found, NULL);
	return strcmp(found, b->digest) == 0 ? 0 : err_set(e, ERR_CORRUPT, "it is something else");
}

int push_kept(const struct push *x, const struct push_layer *p, bool (*suits)(const struct push *x, const struct known_blob *b),
	const struct known_blob **ret)
{
	for (size_t i = 0; i < p->known.n; i++) {
		const struct known_blob *b = &p->known.v[i];
		int fd = suits(x, b) ? compressed_open_whole(x->g->root, p->diff_id, b->digest, b->size) : -1;
		if (fd >= 0)
			return *ret = b, fd;
	}
	return -1;
}

static bool is_origin(const struct push *x, const char *repository)
{
	return strcmp(repository, x->repository) != 0;
}

bool push_has_origin(const struct push *x, const struct push_layer *p, bool (*suits)(const struct push *x, const struct known_blob *b))
{
	for (size_t i = 0; i < p->known.n; i++)
		for (size_t k = 0; suits(x, &p->known.v[i]) && k < p->known.v[i].repositories.n; k++)
			if (is_origin(x, p->known.v[i].repositories.v[k]))
				return true;
	return false;
}

static int fetch_at(const struct push *x, const char *repository, const struct endpoint *at, const struct known_blob *b, int file, struct err *e)
{
	own(arena) struct arena a = {};
	struct pull_options o;
	struct pull p;
	if (image_remote_options_at(x->g, at, &a, &o, e) < 0)
		return -1;
	o.retries = PULL_NO_RETRY;
	o.timeout_s = PATIENCE_S;
	if (ftruncate(file, 0) < 0 || lseek(file, 0, SEEK_SET) < 0)
		return err_sys(e, "a file for what is under way");
	if (pull_open(&p, repository, &o, e) < 0)
		return -1;
	int r = pull_blob(&p, b->digest, b->size, file, e);
	pull_drop(&p);
	return r < 0 ? -1 : check(file, b, e);
}

static int fetch(const struct push *x, const char *repository, const struct known_blob *b, int file, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints places = {};
	struct ref ref;
	const struct registries *all = image_remote_registries(x->g, e);
	if (!all || ref_parse(repository, &ref, e) < 0 || registries_resolve(all, &ref, true, &a, &places, e) < 0)
		return -1;
	for (size_t i = 0; i < places.n; i++)
		if (fetch_at(x, repository, &places.v[i], b, file, e) == 0)
			return 0;
	return -1;
}

ssize_t push_fetch_original(const struct push *x, const struct push_layer *p, bool (*suits)(const struct push *x, const struct known_blob *b), int file)
{
	for (size_t i = 0; i < p->known.n; i++) {
		const struct known_blob *b = &p->known.v[i];
		for (size_t k = 0; suits(x, b) && k < b->repositories.n; k++) {
			struct err ignored = {};
			if (is_origin(x, b->repositories.v[k]) && fetch(x, b->repositories.v[k], b, file, &ignored) == 0)
				return (ssize_t)i;
		}
	}
	(void)!ftruncate(file, 0);
	(void)!lseek(file, 0, SEEK_SET);
	return -1;
}
