/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_transfer: images on their way: from and to registries, archives, tars of files. All of it is done by children (lines.h): libraries are
 * loaded for it, and heaps grow.
 */
#include "api/images.h"
#include "api/lines.h"
#include "api/login_header.h"

#include "base/fd.h"
#include "build/changes.h"
#include "image/ref.h"

#include <string.h>

/* --- pull --- */

struct pulling { struct call *c; struct image_pull_request r; };

static int pull(void *arg, struct lines *l, struct err *e)
{
	struct pulling *x = arg;
	struct image_pulled_list all = {};
	x->r.progress = lines_progress(l, LINES_PULL);
	if (image_pull(x->c->g, &x->r, x->c->arena, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		const struct image_pulled *p = &all.v[i];
		struct ref ref;
		if (ref_parse(p->reference, &ref, e) < 0)
			return -1;
		/* Nothing had to come, and nothing was said. */
		if (!l->has_begun)
			lines_status(l, *ref.digest ? ref.digest : ref.tag, "Pulling from %s", ref.repository);
		lines_status(l, NULL, "Digest: %s", p->digest);
		lines_status(l, NULL, "Status: %s %s", p->was_here ? "Image is up to date for" : "Downloaded newer image for", p->reference);
	}
	return 0;
}

/* What a registry says of something that is not there, or not for everybody, is 404 in docker's API. */
static int refuse_pull(struct call *c, const char *name, struct err *e)
{
	struct ref ref;
	struct err ignored = {};
	char shown[REF_TEXT];
	if (c->conn->begun || (e->kind != ERR_NOT_FOUND && e->kind != ERR_DENIED) || e->sys || ref_parse(name, &ref, &ignored) < 0)
		return -1;
	own(mem) char *text = e->kind == ERR_DENIED
		? mem_printf("pull access denied for %s, repository does not exist or may require 'docker login': %s", ref_repository_familiar(&ref, shown),
			e->text)
		: mem_printf("manifest for %s not found: %s", ref_format_familiar(&ref, shown), e->text);
	return conn_reply_error(c->conn, 404, text, e);
}

static int create_from_image(struct call *c, const char *image, struct err *e)
{
	struct pulling x = {c, {.platform = call_query(c, "platform")}};
	const char *tag = call_query(c, "tag"), *name, *slash = strrchr(image, '/');
	struct ref ref;
	if (images_name(c, image, tag, &name, e) < 0 || ref_parse(name, &ref, e) < 0 || login_header_take(c, ref.registry, e) < 0)
		return -1;
	x.r.reference = name;
	x.r.all_tags = !tag && !strpbrk(slash ? slash : image, ":@");
	return call_lines(c, pull, &x, e) < 0 ? refuse_pull(c, name, e) : 0;
}

/* --- import --- */

static void add_changes(struct call *c, struct strv *to)
{
	const struct map *q = &c->request->query;
	for (size_t i = 0; i < q->n; i++)
		if (strcmp(q->v[i].key, "changes") == 0)
			arena_strv_add(c->arena, to, q->v[i].value);
}

struct importing { struct call *c; struct image_import_request r; };

static int import(void *arg, struct lines *l, struct err *e)
{
	struct importing *x = arg;
	char id[136];
	if (image_import(x->c->g, &x->r, id, e) < 0)
		return -1;
	lines_status(l, NULL, "%s", id);
	return 0;
}

static int create_from_tar(struct call *c, const char *from, struct err *e)
{
	struct image_run_config config = {};
	struct strv changes = {};
	bool is_body = strcmp(from, "-") == 0;
	struct importing x = {c, {.fd = -1, .platform = call_query(c, "platform"), .message = call_query(c, "message"), .config = &config}};
	if (!is_body && !str_has_prefix(from, "http://") && !str_has_prefix(from, "https://"))
		return err_set(e, ERR_USAGE, "fromSrc: \"%.200s\" is neither - nor the URL of a tar", from);
	add_changes(c, &changes);
	if (images_name(c, call_query(c, "repo"), call_query(c, "tag"), &x.r.name, e) < 0 || changes_apply(&changes, c->arena, &config, e) < 0)
		return -1;
	own(fd) int body = is_body ? conn_body_pipe(c->conn, e) : -1;
	if (is_body && body < 0)
		return -1;
	x.r.fd = body;
	x.r.path = is_body ? NULL : from;
	return call_lines(c, import, &x, e);
}

static int create(struct call *c, struct err *e)
{
	const char *image = call_query(c, "fromImage"), *from = call_query(c, "fromSrc");
	if (image)
		return create_from_image(c, image, e);
	return from ? create_from_tar(c, from, e) : err_set(e, ERR_USAGE, "fromImage or fromSrc: what the image is to be made of is missing");
}

/* --- push --- */

struct pushing { struct call *c; struct image_push_request r; const char *repository; };

static int push(void *arg, struct lines *l, struct err *e)
{
	struct pushing *x = arg;
	struct image_pushed_list all = {};
	lines_status(l, NULL, "The push refers to repository [%s]", x->repository);
	x->r.progress = lines_progress(l, LINES_PUSH);
	own(image) struct image here = {};
	if (!x->r.all_tags && engine_need_store(x->c->g, e) == 0 && image_find(x->c->g, x->r.reference, &here, e) < 0)
		return e->kind != ERR_NOT_FOUND ? -1 : err_set(e, ERR_NOT_FOUND, "An image does not exist locally with the tag: %s", x->repository);
	if (image_push(x->c->g, &x->r, x->c->arena, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		const struct image_pushed *p = &all.v[i];
		struct json *j = json_new_object(), *aux = json_new_object();
		lines_status(l, NULL, "%s: digest: %s size: %llu", p->tag, p->digest, (unsigned long long)p->size);
		json_set_str(aux, "Tag", p->tag);
		json_set_str(aux, "Digest", p->digest);
		json_set(aux, "Size", json_new_u64(p->size));
		json_set(j, "progressDetail", json_new_object());
		json_set(j, "aux", aux);
		lines_put(l, j);
	}
	return 0;
}

static int push_image(struct call *c, struct err *e)
{
	struct pushing x = {c, {.platform = call_query(c, "platform")}, NULL};
	const char *tag = call_query(c, "tag"), *slash = strrchr(c->args[0], '/'), *name;
	struct ref ref;
	char shown[REF_TEXT];
	if (images_name(c, c->args[0], tag, &name, e) < 0 || ref_parse(name, &ref, e) < 0 || login_header_take(c, ref.registry, e) < 0)
		return -1;
	x.r.reference = name;
	x.r.all_tags = !tag && !strchr(slash ? slash : c->args[0], ':');
	*ref.tag = *ref.digest = 0;
	x.repository = arena_dup(c->arena, ref_format(&ref, shown));
	return call_lines(c, push, &x, e);
}

/* --- archives --- */

struct saving { struct call *c; struct strv names; };

static int save(void *arg, int fd, struct err *e)
{
	struct saving *x = arg;
	struct image_save_request r = {.references = &x->names, .fd = fd, .platform = call_query(x->c, "platform")};
	return image_save(x->c->g, &r, e);
}

static int save_names(struct call *c, struct saving *x, struct err *e)
{
	if (x->names.n == 0)
		return err_set(e, ERR_USAGE, "names: which images is missing");
	return call_stream(c, "application/x-tar", save, x, e) == 0 ? 0 : c->conn->begun || x->names.n > 1 ? -1 : images_no_such(c, x->names.v[0], e);
}

static int save_one(struct call *c, struct err *e)
{
	struct saving x = {.c = c};
	arena_strv_add(c->arena, &x.names, c->args[0]);
	return save_names(c, &x, e);
}

static int save_several(struct call *c, struct err *e)
{
	struct saving x = {.c = c};
	const struct map *q = &c->request->query;
	for (size_t i = 0; i < q->n; i++)
		if (strcmp(q->v[i].key, "names") == 0 && *q->v[i].value)
			arena_strv_add(c->arena, &x.names, q->v[i].value);
	return save_names(c, &x, e);
}

struct loading { struct call *c; int body; };

static int load(void *arg, struct lines *l, struct err *e)
{
	struct loading *x = arg;
	struct strv names = {};
	const struct image_progress *progress = call_bool(x->c, "quiet", false) ? NULL : lines_progress(l, LINES_LOAD);
	if (image_load(x->c->g, NULL, x->body, call_query(x->c, "platform"), progress, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];
		const char *what = str_has_prefix(name, "Loaded image") ? "" : str_has_prefix(name, "sha256:") ? "Loaded image ID: " : "Loaded image: ";
		const char *text = arena_printf(x->c->arena, "%s%s\n", what, name);
		lines_stream(l, text, strlen(text));
	}
	return 0;
}

static int load_images(struct call *c, struct err *e)
{
	own(fd) int body = conn_body_pipe(c->conn, e);
	struct loading x = {c, body};
	return body < 0 ? -1 : call_lines(c, load, &x, e);
}

const struct route image_transfer_routes[] = {
	{"POST", "/images/create", create},
	{"POST", "/images/load", load_images},
	{"GET", "/images/get", save_several},
	{"GET", "/images/{+}/get", save_one},
	{"POST", "/images/{+}/push", push_image},
	{NULL, NULL, NULL},
};
