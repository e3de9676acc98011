/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images: what there is of images, their names, and how they go. What moves them is in image_transfer.c.
 */
#include "api/images.h"

#include "api/login_header.h"
#include "base/num.h"
#include "engine/disk.h"
#include "engine/image.h"
#include "engine/login.h"
#include "engine/manifest.h"
#include "engine/prune.h"
#include "image/ref.h"

#include <string.h>

enum { SEARCH_LIMIT = 25, SEARCH_MAX = 100 };

/* Fields that clients of old versions look for. */
static void add_old_fields(const struct call *c, struct json *image, bool listed)
{
	static const struct { const char *key, *none; } names[] = {{"RepoTags", "<none>:<none>"}, {"RepoDigests", "<none>@<none>"}};
	if (c->version < 44)
		json_set(image, "VirtualSize", json_new_i64(json_i64(json_get(image, "Size"))));
	/* docker has it up to 1.44, but docker-compose 1 looks for volumes in it at any version. */
	if (!listed && json_get(image, "Config"))
		json_set(image, "ContainerConfig", json_ref(json_get(image, "Config")));
	if (!listed || c->version >= 43 || json_len(json_get(image, names[0].key)) || json_len(json_get(image, names[1].key)))
		return;
	for (size_t i = 0; i < countof(names); i++) {
		struct json *list = json_new_array();
		json_add(list, json_new_str(names[i].none));
		json_set(image, names[i].key, list);
	}
}

static int add_shared(struct call *c, struct json *list, struct err *e)
{
	own(json) struct json *usage = disk_usage(c->g, e);
	if (!usage)
		return -1;
	const struct json *known = json_get(usage, "Images");
	for (size_t i = 0; i < json_len(list); i++)
		for (size_t k = 0; k < json_len(known); k++)
			if (str_eq(json_get_str(json_at(list, i), "Id"), json_get_str(json_at(known, k), "Id")))
				json_set(json_at(list, i), "SharedSize", json_new_i64(json_i64(json_get(json_at(known, k), "SharedSize"))));
	return 0;
}

static int list(struct call *c, struct err *e)
{
	struct strv filters;
	if (call_filters(c, &filters, e) < 0)
		return -1;
	struct image_list_request r = {.filters = &filters, .reference = c->version < 41 ? call_query(c, "filter") : NULL, .all = call_bool(c, "all", false),
		.digests = call_bool(c, "digests", false)};
	own(json) struct json *j = image_list(c->g, &r, e);
	if (!j || (call_bool(c, "shared-size", false) && add_shared(c, j, e) < 0))
		return -1;
	for (size_t i = 0; i < json_len(j); i++)
		add_old_fields(c, json_at(j, i), true);
	return call_reply(c, 200, take(j), e);
}

int images_no_such(struct call *c, const char *name, struct err *e)
{
	struct ref ref;
	struct err ignored = {};
	char shown[REF_TEXT];
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	bool is_name = !str_has_prefix(name, "sha256:") && ref_parse(name, &ref, &ignored) == 0;
	own(mem) char *text = mem_printf("No such image: %.400s", is_name ? ref_format_familiar(&ref, shown) : name);
	return conn_reply_error(c->conn, 404, text, e);
}

static int inspect(struct call *c, struct err *e)
{
	struct json *j = image_inspect(c->g, c->args[0], NULL, e);
	if (!j)
		return images_no_such(c, c->args[0], e);
	add_old_fields(c, j, false);
	return call_reply(c, 200, j, e);
}

static int history(struct call *c, struct err *e)
{
	struct json *j = image_history(c->g, c->args[0], call_query(c, "platform"), e);
	return j ? call_reply(c, 200, j, e) : images_no_such(c, c->args[0], e);
}

int images_name(struct call *c, const char *repo, const char *tag, const char **ret, struct err *e)
{
	struct ref ref;
	*ret = NULL;
	if (!repo && tag)
		return err_set(e, ERR_USAGE, "tag \"%.128s\" without a repository", tag);
	if (!repo)
		return 0;
	/* A tag may be a digest; a repository that has either takes it over. */
	const char *text = !tag ? repo : arena_printf(c->arena, "%.400s%s%.200s", repo, strchr(tag, ':') ? "@" : ":", tag);
	if (ref_parse(text, &ref, e) < 0)
		return -1;
	*ret = text;
	return 0;
}

static int tag(struct call *c, struct err *e)
{
	const char *name;
	if (images_name(c, call_query(c, "repo"), call_query(c, "tag"), &name, e) < 0)
		return -1;
	if (!name)
		return err_set(e, ERR_USAGE, "repo: what the image is to be called is missing");
	return image_tag(c->g, c->args[0], name, e) < 0 ? images_no_such(c, c->args[0], e) : conn_reply_empty(c->conn, 201, e);
}

static int remove_one(struct call *c, struct err *e)
{
	own(json) struct json *rows = json_new_array();
	if (image_remove(c->g, c->args[0], call_bool(c, "force", false), call_bool(c, "noprune", false), rows, e) < 0)
		return images_no_such(c, c->args[0], e);
	return call_reply(c, 200, take(rows), e);
}

static int prune(struct call *c, struct err *e)
{
	static const char *const folders[] = {"images", "blobs", "layers"};
	struct strv filters;
	own(strv) struct strv rest = {};
	own(json) struct json *gone = json_new_array();
	uint64_t before, freed;
	if (call_filters(c, &filters, e) < 0)
		return -1;
	bool all = image_prune_is_all(&filters, false, &rest);
	if (disk_bytes(c->g, folders, countof(folders), &before, e) < 0 || image_prune(c->g, all, &rest, gone, e) < 0 ||
		prune_freed(c->g, "image", folders, countof(folders), before, &freed, e) < 0)
		return -1;
	struct json *j = json_new_object();
	json_set(j, "ImagesDeleted", json_len(gone) ? take(gone) : NULL);
	json_set(j, "SpaceReclaimed", json_new_u64(freed));
	return call_reply(c, 200, j, e);
}

static bool is_wanted(const struct json *row, const struct strv *filters)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *v;
		if ((v = str_after(filters->v[i], "is-official=")) && json_truth(json_get(row, "is_official")) != (str_eq(v, "true") || str_eq(v, "1")))
			return false;
		if ((v = str_after(filters->v[i], "is-automated=")) && json_truth(json_get(row, "is_automated")) != (str_eq(v, "true") || str_eq(v, "1")))
			return false;
	}
	return true;
}

static int find(struct call *c, struct err *e)
{
	struct strv filters;
	int64_t limit, stars = 0;
	const char *term = call_query(c, "term");
	char *server = NULL;
	struct err ignored = {};
	if (call_i64(c, "limit", 0, SEARCH_MAX, SEARCH_LIMIT, &limit, e) < 0 || call_filters(c, &filters, e) < 0)
		return -1;
	if (!term)
		return err_set(e, ERR_USAGE, "term: what is looked for is missing");
	for (size_t i = 0; i < filters.n; i++) {
		const char *v = str_after(filters.v[i], "stars=");
		if (v ? num_i64(v, 0, INT32_MAX, &stars, "stars", e) < 0
			: !str_has_prefix(filters.v[i], "is-official=") && !str_has_prefix(filters.v[i], "is-automated="))
			return v ? -1 : err_set(e, ERR_USAGE, "invalid filter '%.60s'", filters.v[i]);
	}
	const char *slash = strchr(term, '/');
	int is_there = slash ? login_server(arena_ndup(c->arena, term, (size_t)(slash - term)), &server, &ignored) : -1;
	int r = login_header_take(c, is_there == 0 ? arena_dup(c->arena, server) : "docker.io", e);
	mem_drop(&server);
	own(json) struct json *all = r < 0 ? NULL : search(c->g, term, (unsigned)(limit ? limit : SEARCH_LIMIT), e);
	if (!all)
		return -1;
	struct json *rows = json_new_array();
	for (size_t i = 0; i < json_len(all); i++)
		if (json_i64(json_get(json_at(all, i), "star_count")) >= stars && is_wanted(json_at(all, i), &filters))
			json_add(rows, json_ref(json_at(all, i)));
	return call_reply(c, 200, rows, e);
}

static int distribution(struct call *c, struct err *e)
{
	struct ref ref;
	if (ref_parse(c->args[0], &ref, e) < 0 || login_header_take(c, ref.registry, e) < 0)
		return -1;
	struct json *j = manifest_distribution(c->g, c->args[0], e);
	if (!j && e->kind == ERR_DENIED)
		return conn_reply_error(c->conn, 401, e->text, e);
	return j ? call_reply(c, 200, j, e) : -1;
}

const struct route image_routes[] = {
	{"GET", "/images/json", list},
	{"GET", "/images/search", find},
	{"GET", "/images/{+}/json", inspect},
	{"GET", "/images/{+}/history", history},
	{"POST", "/images/{+}/tag", tag},
	{"DELETE", "/images/{+}", remove_one},
	{"POST", "/images/prune", prune},
	{"GET", "/distribution/{+}/json", distribution},
	{NULL, NULL, NULL},
};
