/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image: the verbs on images. Layers go from image (registry, archive) to snap here: each missing layer is unpacked by a
 * worker, a fork of ours, so that several are unpacked at once on all cores while the next ones still arrive.
 * JSON results are docker's API documents (GET /images/json, /images/X/json, /images/X/history).
 */
#pragma once

#include "engine/engine.h"

/* What a front end may show while images come in; any member may be NULL. Layers are named by the first 12 hex digits
 * of their blob's digest (or diff_id). */
enum layer_phase { LAYER_WAITING, LAYER_EXISTS, LAYER_DOWNLOADING, LAYER_RETRYING, LAYER_UNPACKING, LAYER_DONE, LAYER_PREPARING, LAYER_COMPRESSING,
	LAYER_PUSHING, LAYER_PUSHED, LAYER_THERE, LAYER_MOUNTED, LAYER_WRITING };
struct image_progress {
	void (*begin)(void *arg, const char *reference, size_t layers);
	void (*layer)(void *arg, size_t i, const char *name, enum layer_phase phase, uint64_t bytes, uint64_t total, const char *note);
	void *arg;
};

struct image_pull_request {
	const char *reference;
	const char *platform; /* NULL: this machine's */
	bool all_tags;
	bool keep_compressed; /* keep the blobs of layers, too, so that they can be pushed as they came */
	const struct image_progress *progress;
};
struct image_pulled { char *reference, *digest, *id; bool was_here; }; /* reference: familiar form; digest: "sha256:…" */
struct image_pulled_list { struct image_pulled *v; size_t n; };
int image_pull(struct engine *g, const struct image_pull_request *r, struct arena *a, struct image_pulled_list *ret, struct err *e) must_use;
/* Layers that the registry has are not sent: by the digest they were pulled with, by those they were pushed with, by other
 * repositories there. What it does not have goes there as it came, when that is kept here or can be had from where it came; else it is
 * compressed anew (push_layers.c). */
struct image_push_request {
	const char *reference;
	const char *source;      /* the image here; NULL: that of the reference */
	const char *platform;    /* NULL: all that the image's index has, when they are here; else this one */
	bool all_tags;
	const char *compression; /* "gzip", "zstd"; NULL: gzip, and whatever is there already */
	int level;               /* 0: the default */
	bool force_compression;  /* what is there already does not count */
	uint64_t chunk;          /* bytes of a request; 0: all */
	void (*warn)(void *arg, const char *text); /* or NULL */
	const struct image_progress *progress;
};
struct image_pushed { char *tag, *digest; uint64_t size; };
struct image_pushed_list { struct image_pushed *v; size_t n; };
int image_push(struct engine *g, const struct image_push_request *r, struct arena *a, struct image_pushed_list *ret, struct err *e) must_use;
/* path NULL: fd. ret: "Loaded image: …" names, or ids of images without a name. */
int image_load(struct engine *g, const char *path, int fd, const char *platform, const struct image_progress *progress,
	struct strv *ret_names, struct err *e) must_use;
/* The image alone that the archive calls so; NULL: all. */
int image_load_named(struct engine *g, const char *path, int fd, const char *platform, const char *name, const struct image_progress *progress,
	struct strv *ret_names, struct err *e) must_use;
/* The one image of an archive, or the one that it calls so: it gets no name here. */
int image_load_nameless(struct engine *g, const char *path, const char *platform, const char *name, char ret_id[136], struct err *e) must_use;
/* An archive that came with hull, or that the policy has already been asked about. */
int image_load_trusted(struct engine *g, const char *path, int fd, const char *platform, const struct image_progress *progress,
	struct strv *ret_names, struct err *e) must_use;
/* Into an archive or a directory, in one of the forms of image/save.h. A repository without tag or digest: all of its tags. path NULL: fd. */
struct image_save_request {
	const struct strv *references;
	const char *name;     /* what it is called there, "": nothing; NULL: as here. Else there is one reference */
	const char *form;     /* NULL: docker-archive */
	const char *path;
	int fd;
	const char *platform; /* NULL: whatever the names stand for, and with each what is here of the index that it came with */
	bool single;          /* the images alone */
	const struct map *annotations; /* of that index, where the archive lists it; or NULL */
	const char *index;    /* instead: the digest of an index that is here, with all that it names; the references are its names. NULL */
	const struct image_progress *progress;
};
int image_save(struct engine *g, const struct image_save_request *r, struct err *e) must_use;
/* An image of one layer: the files of a tar, compressed or not. path: a file, or a URL of http or https; NULL: fd. ret_id: the image's. */
struct image_import_request {
	const char *path;
	int fd;
	const char *name;     /* NULL: none */
	const char *message;  /* NULL: "Imported from …" */
	const char *platform; /* NULL: this machine's */
	const struct image_run_config *config;
};
/* An image of a container: its layers, one more of what it changed, and its configuration. What it has in volumes is not in it. */
struct image_commit_request {
	const char *container, *name /* NULL: none */, *author, *message;
	bool pause;           /* while it is read, when it runs */
	int (*change)(void *arg, struct arena *a, struct image_run_config *c, struct err *e); /* the last word on the configuration; or NULL */
	void *arg;
};
int image_commit(struct engine *g, const struct image_commit_request *r, char ret_id[136], struct err *e) must_use;
int image_import(struct engine *g, const struct image_import_request *r, char ret_id[136], struct err *e) must_use;
/* store_find(), and what a short name stands for (image/registries.h). */
int image_find(struct engine *g, const char *text, struct image *ret, struct err *e) must_use;
/* The image whose manifest this digest is of: is it here with all its layers? */
bool image_of_manifest(struct engine *g, const char *digest, struct image *ret);
/* image_find(), and when that image is of another platform than the one asked for (NULL: any will do), its neighbour in the index that it came
 * with. ERR_NOT_FOUND when that is not here. */
int image_find_platform(struct engine *g, const char *text, const char *platform, struct image *ret, struct err *e) must_use;
/* Finds it, or makes it be here by policy "always", "missing", "never" (docker's --pull). The image `box` is loaded from the
 * installation's own archive when it is not in the store. */
int image_ensure(struct engine *g, const char *reference, const char *policy, const char *platform,
	const struct image_progress *progress, struct image *ret, struct err *e) must_use;

int image_tag(struct engine *g, const char *source, const char *target, struct err *e) must_use;
/* docker's rules: a name is untagged; the last name, or the id, deletes. An image that a container uses is ERR_CONFLICT
 * unless force (running ones even then). Appends {Untagged} and {Deleted} objects to the array *ret. */
int image_remove(struct engine *g, const char *text, bool force, bool no_prune, struct json *ret, struct err *e) must_use;
/* An image with all of its names, or nothing of it: ERR_CONFLICT, a container has it. */
int image_remove_whole(struct engine *g, const char *id, struct json *ret, struct err *e) must_use;
/* Those without a name, or all that no container uses, as far as the filters take them (prune.h); and layers that nobody has any more. */
int image_prune(struct engine *g, bool all, const struct strv *filters, struct json *ret, struct err *e) must_use;
/* dangling=false is docker's other way to say all; what is left of the filters is added to *ret_rest. */
bool image_prune_is_all(const struct strv *filters, bool all, struct strv *ret_rest);

struct image_list_request { const struct strv *filters; /* "key=value" */ const char *reference; bool all, digests; };
struct json *image_list(struct engine *g, const struct image_list_request *r, struct err *e) must_use;   /* newest first */
struct json *image_inspect(struct engine *g, const char *text, const char *platform, struct err *e) must_use;
int image_raw(struct engine *g, const char *text, const char *platform, struct buf *ret, struct err *e) must_use; /* its manifest */
struct json *image_history(struct engine *g, const char *text, const char *platform, struct err *e) must_use; /* newest first */
