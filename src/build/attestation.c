/* SPDX-License-Identifier: Apache-2.0 */
/* attestation: see attestation.h. The packages are sbom.c's. */
#include "build/attestation.h"

#include "base/fd.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "image/platform.h"

#include <fcntl.h>

enum { PREDICATE_MAX = 32 << 20 };

static void add(struct build_image *i, const char *type, const struct json *j)
{
	own(buf) struct buf text = BUF(PREDICATE_MAX);
	json_format(j, 0, &text);
	*arena_push(&i->arena, &i->predicates) = (struct build_predicate){arena_dup(&i->arena, type), arena_ndup(&i->arena, buf_text(&text), text.len)};
}

/* --- what it was made of --- */

static void add_image(struct build *b, const char *name, struct json *list)
{
	own(image) struct image image = {};
	struct err ignored = {};
	struct ref ref;
	char text[REF_TEXT], platform[PLATFORM_TEXT];
	if (context_named(b, name) || strcmp(name, "scratch") == 0 || ref_parse(name, &ref, &ignored) < 0 ||
		store_find(&b->g->store, name, &image, &ignored) < 0)
		return;
	const struct image_record *r = &image.record;
	const char *digest = str_is_empty(r->manifest) ? r->id : r->manifest;
	own(mem) char *tag = mem_printf("%s%s", *ref.tag ? "@" : "", ref.tag);
	*ref.tag = *ref.digest = 0;
	own(mem) char *uri = mem_printf("pkg:docker/%s%s?platform=%s", ref_format_familiar(&ref, text), tag, platform_format(r->os, r->architecture,
		r->variant, platform));
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_get_str(json_at(list, i), "uri"), uri))
			return;
	struct json *j = json_new_object(), *d = json_new_object();
	json_set_str(j, "uri", uri);
	json_set_str(d, str_has_prefix(digest, "sha512:") ? "sha512" : "sha256", digest_hex(digest));
	json_set(j, "digest", d);
	json_add(list, j);
}

static void add_from(struct build *b, size_t stage, const struct inst *i, struct json *list)
{
	const char *from = i->kind == INST_COPY ? inst_flag(i, "from", 0) : NULL;
	const struct state *s = &b->states[stage];
	own(strv) struct strv scope = {};
	own(buf) struct buf name = BUF(4096);
	struct err ignored = {};
	if (!from)
		return;
	for (size_t k = 0; k < s->args.n; k++)
		strv_env_set(&scope, s->args.v[k]);
	for (size_t k = 0; k < s->config.config.env.n; k++)
		strv_env_set(&scope, s->config.config.env.v[k]);
	if (plan_expand(b, i->node, from, &scope, &name, &ignored) == 0 && dockerfile_stage(&b->df, buf_text(&name), stage) < 0)
		add_image(b, buf_text(&name), list);
}

static struct json *materials(struct build *b)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < b->df.stages.n; i++) {
		const struct stage *s = &b->df.stages.v[i];
		own(buf) struct buf name = BUF(4096);
		struct err ignored = {};
		if (!b->needed[i] || plan_expand(b, s->from.node, s->base, &b->globals, &name, &ignored) < 0)
			continue;
		if (dockerfile_stage(&b->df, buf_text(&name), i) < 0)
			add_image(b, buf_text(&name), list);
		for (size_t k = 0; k < s->steps.n; k++)
			add_from(b, i, &s->steps.v[k], list);
	}
	return list;
}

/* --- how --- */

static struct json *names_of(const struct build_secret *v, size_t n)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < n; i++)
		json_add(list, json_new_str(v[i].id));
	return list;
}

static struct json *parameters(struct build *b, bool max)
{
	const struct build_request *q = b->q;
	struct json *j = json_new_object(), *source = json_new_object(), *args = json_new_object();
	json_set_str(source, "path", b->df.text.name);
	if (!*b->context.work.path)
		json_set(source, "uri", json_new_str("local"));
	else
		json_set_str(source, "uri", q->context);
	json_set(j, "configSource", source);
	if (!str_is_empty(q->target))
		json_set_str(args, "target", q->target);
	for (size_t i = 0; max && i < q->args.n; i++) {
		own(mem) char *name = mem_printf("build-arg:%.*s", (int)strcspn(q->args.v[i], "="), q->args.v[i]);
		const char *eq = strchr(q->args.v[i], '=');
		json_set_str(args, name, eq ? eq + 1 : "");
	}
	for (size_t i = 0; max && i < q->labels.n; i++) {
		own(mem) char *name = mem_printf("label:%.*s", (int)strcspn(q->labels.v[i], "="), q->labels.v[i]);
		const char *eq = strchr(q->labels.v[i], '=');
		json_set_str(args, name, eq ? eq + 1 : "");
	}
	json_set(j, "args", args);
	if (max) {
		json_set(j, "secrets", names_of(q->secrets.v, q->secrets.n));
		json_set(j, "ssh", names_of(q->agents.v, q->agents.n));
	}
	return j;
}

/* The Dockerfile itself and the keys of its steps. */
static struct json *details(struct build *b)
{
	struct json *j = json_new_object(), *steps = json_new_array();
	own(buf) struct buf text = {};
	own(buf) struct buf coded = {};
	for (size_t i = 0; i < b->df.text.lines.n; i++)
		buf_printf(&text, "%s\n", b->df.text.lines.v[i]);
	base64_encode(buf_text(&text), text.len, &coded);
	json_set_str(j, "dockerfile", buf_text(&coded));
	for (size_t i = 0; i < b->cache.used.n; i++) {
		struct json *s = json_new_object();
		own(mem) char *key = mem_ndup(b->cache.used.v[i], 64);
		json_set_str(s, "key", key);
		json_set_str(s, "layer", b->cache.used.v[i] + 65);
		json_add(steps, s);
	}
	json_set(j, "steps", steps);
	return j;
}

static void provenance(struct build *b, struct build_image *i)
{
	own(json) struct json *j = json_new_object();
	bool max = b->q->provenance == BUILD_PROVENANCE_MAX;
	struct json *definition = json_new_object(), *internal = json_new_object(), *run = json_new_object(), *builder = json_new_object();
	const char *platform = strv_env_get(&b->globals, "BUILDPLATFORM");
	json_set_str(definition, "buildType", "tag:hull:build/dockerfile/v1");
	json_set(definition, "externalParameters", parameters(b, max));
	json_set_str(internal, "builderPlatform", platform ? platform : "");
	if (max)
		json_set(internal, "buildConfig", details(b));
	json_set(definition, "internalParameters", internal);
	json_set(definition, "resolvedDependencies", materials(b));
	json_set_str(builder, "id", "");
	json_set(run, "builder", builder);
	json_set(j, "buildDefinition", definition);
	json_set(j, "runDetails", run);
	add(i, "https://slsa.dev/provenance/v1", j);
}

static int add_packages(struct build_image *i, int root, const char *name, struct err *e)
{
	own(json) struct json *j = sbom_make(root, name, i->record.created, e);
	if (!j)
		return err_wrap(e, "--sbom");
	add(i, "https://spdx.dev/Document", j);
	return 0;
}

static int add_stage(struct build *b, struct build_image *i, const struct state *s, const char *name, struct err *e)
{
	struct err none = {};
	own(fd) int root = state_mount(b, s, &none);
	if (root < 0 && none.kind != ERR_NONE)
		return *e = none, -1;
	own(fd) int dir = root < 0 ? open("/proc/self/fdinfo", O_PATH | O_DIRECTORY | O_CLOEXEC) : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? err_sys(e, "--sbom") : add_packages(i, dir, name, e);
}

/* ARG BUILDKIT_SBOM_SCAN_… of a stage, or before the first: true, or (`name`) a list that has the stage in it. */
static bool wants_scan(const struct build *b, const struct state *s, const char *arg, const char *name)
{
	const char *own_value = strv_env_get(&s->args, arg), *value = own_value ? own_value : strv_env_get(&b->globals, arg);
	own(strv) struct strv words = {};
	bool yes = str_eq(value, "true") || str_eq(value, "1");
	strv_split(&words, value ? value : "", ',');
	for (size_t i = 0; i < words.n; i++)
		yes |= !str_is_empty(name) && strcasecmp(words.v[i], name) == 0;
	return yes;
}

/* The image's packages, those of stages before it that want it, and those in the context: each is a statement of its own. */
static int sbom(struct build *b, struct build_image *i, struct err *e)
{
	bool context = false;
	if (add_stage(b, i, &b->states[b->target], b->q->tags.n ? b->q->tags.v[0] : "image", e) < 0)
		return -1;
	for (size_t k = 0; k < b->df.stages.n; k++) {
		const struct stage *s = &b->df.stages.v[k];
		own(mem) char *number = mem_printf("%zu", k);
		const char *name = s->name ? s->name : number;
		if (!b->needed[k])
			continue;
		context |= wants_scan(b, &b->states[k], "BUILDKIT_SBOM_SCAN_CONTEXT", NULL);
		if (k != b->target && wants_scan(b, &b->states[k], "BUILDKIT_SBOM_SCAN_STAGE", name) && add_stage(b, i, &b->states[k], name, e) < 0)
			return -1;
	}
	return context && b->context.dir >= 0 ? add_packages(i, b->context.dir, "context", e) : 0;
}

int attestation_make(struct build *b, struct build_image *i, struct err *e)
{
	if (b->q->provenance)
		provenance(b, i);
	return b->q->sbom ? sbom(b, i, e) : 0;
}
