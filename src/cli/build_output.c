/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_output: --output as buildx has it: a directory, "-", or type=KIND,NAME=VALUE…
 */
#include "cli/build_output.h"

#include "base/num.h"

#include <string.h>
#include <unistd.h>

static const char *const kinds[] = {[OUTPUT_IMAGE] = "image", [OUTPUT_REGISTRY] = "registry", [OUTPUT_LOCAL] = "local", [OUTPUT_TAR] = "tar",
	[OUTPUT_OCI] = "oci", [OUTPUT_DOCKER] = "docker", [OUTPUT_NONE] = "cacheonly"};

enum { IMAGES = 1 << OUTPUT_IMAGE | 1 << OUTPUT_REGISTRY, ARCHIVES = 1 << OUTPUT_OCI | 1 << OUTPUT_DOCKER, ALL = 255 };
enum value { V_DEST, V_NAME, V_PUSH, V_TAR, V_COMPRESSION, V_LEVEL, V_FORCE, V_TRUE, V_TYPES };
static const struct key { const char *name; unsigned kinds; enum value value; } keys[] = {
	{"dest", ARCHIVES | 1 << OUTPUT_LOCAL | 1 << OUTPUT_TAR, V_DEST}, {"name", IMAGES | ARCHIVES, V_NAME}, {"push", IMAGES, V_PUSH},
	{"tar", 1 << OUTPUT_OCI, V_TAR}, {"compression", IMAGES, V_COMPRESSION}, {"compression-level", IMAGES, V_LEVEL},
	{"force-compression", IMAGES, V_FORCE}, {"oci-mediatypes", IMAGES | ARCHIVES, V_TYPES},
	/* Always so here. */
	{"rewrite-timestamp", ALL, V_TRUE}, {"unpack", 1 << OUTPUT_IMAGE, V_TRUE}, {"store", 1 << OUTPUT_IMAGE, V_TRUE},
	{"name-canonical", IMAGES, V_TRUE},
};

static int wrong(struct err *e, const char *text, const char *why)
{
	return err_set(e, ERR_USAGE, "invalid --output \"%.200s\": %.200s", text, why);
}

static int read_bool(const char *v, bool *ret)
{
	bool yes = str_is_empty(v) || str_eq(v, "true") || str_eq(v, "1"), no = str_eq(v, "false") || str_eq(v, "0");
	*ret = yes;
	return yes || no ? 0 : -1;
}

static int set(struct build_output *o, const struct key *k, const char *v, const char *text, struct arena *a, struct build_request *q, struct err *e)
{
	bool yes = true;
	uint64_t n;
	switch (k->value) {
	case V_DEST: o->dest = arena_dup(a, v ? v : ""); return *o->dest ? 0 : wrong(e, text, "dest is empty");
	case V_NAME: arena_strv_add(a, &q->tags, v ? v : ""); return 0;
	case V_COMPRESSION:
		o->compression = arena_dup(a, v ? v : "");
		return str_eq(v, "gzip") || str_eq(v, "zstd") ? 0 : wrong(e, text, "compression: gzip and zstd are known");
	case V_LEVEL:
		if (num_u64(v ? v : "", 22, &n, "compression-level", e) < 0)
			return -1;
		o->level = (int)n;
		return 0;
	case V_PUSH: case V_TAR: case V_FORCE: case V_TRUE: case V_TYPES:
		if (read_bool(v, &yes) < 0)
			return wrong(e, text, "true and false are known");
	}
	if (k->value == V_TRUE && !yes)
		return err_set(e, ERR_USAGE, "invalid --output \"%.200s\": %s cannot be turned off", text, k->name);
	if (k->value == V_PUSH)
		o->push = yes;
	if (k->value == V_TAR)
		o->as_dir = !yes;
	if (k->value == V_FORCE)
		o->force_compression = yes;
	if (k->value == V_TYPES) {
		q->has_format = true;
		q->docker_types = !yes;
	}
	return 0;
}

/* annotation.NAME, annotation-LEVEL.NAME: as --annotation LEVEL:NAME has it. 0: it is none. */
static int read_annotation(const struct build_output *o, const char *word, const char *value, struct arena *a, struct build_request *q, struct err *e)
{
	const char *rest = (IMAGES | ARCHIVES) & 1 << o->kind ? str_after(word, "annotation") : NULL, *dot = rest ? strchr(rest, '.') : NULL;
	if (!dot || !value || (rest != dot && *rest != '-'))
		return 0;
	static const char *const levels[] = {"manifest", "index", "manifest-descriptor", "index-descriptor"};
	own(mem) char *level = rest == dot ? mem_dup("manifest") : mem_ndup(rest + 1, (size_t)(dot - rest - 1));
	size_t k = 0;
	while (k < countof(levels) && (strncmp(levels[k], level, strcspn(level, "[")) != 0 || levels[k][strcspn(level, "[")]))
		k++;
	if (k == countof(levels))
		return 0;
	own(mem) char *text = mem_printf("%s:%s=%s", level, dot + 1, value);
	return build_annotation_read(text, a, q, e) < 0 ? -1 : 1;
}

static int read_word(struct build_output *o, char *word, const char *text, struct arena *a, struct build_request *q, struct err *e)
{
	const char *names[countof(keys)];
	size_t n = 0;
	char *eq = strchr(word, '=');
	if (eq)
		*eq++ = 0;
	if (strcmp(word, "type") == 0)
		return 0;
	for (size_t i = 0; i < countof(keys); i++) {
		if (!(keys[i].kinds & 1u << o->kind))
			continue;
		names[n++] = keys[i].name;
		if (strcmp(keys[i].name, word) == 0)
			return set(o, &keys[i], eq, text, a, q, e);
	}
	int annotation = read_annotation(o, word, eq, a, q, e);
	if (annotation)
		return annotation < 0 ? -1 : 0;
	const char *near = str_nearest(word, names, n);
	return err_set(e, ERR_USAGE, "invalid --output \"%.200s\": type=%s has no %.60s%s%s%s", text, kinds[o->kind], word, near ? " (did you mean " : "",
		near ? near : "", near ? "?)" : "");
}

static int read_one(const char *text, struct arena *a, struct build_request *q, struct err *e)
{
	struct build_output *o = arena_push(a, &q->outputs);
	own(strv) struct strv words = {};
	const char *type = NULL;
	if (!strchr(text, '=')) {
		*o = (struct build_output){.kind = str_eq(text, "-") ? OUTPUT_TAR : OUTPUT_LOCAL, .dest = arena_dup(a, text)};
		return *text ? 0 : wrong(e, text, "a directory, -, or type=KIND");
	}
	strv_split(&words, text, ',');
	for (size_t i = 0; i < words.n; i++)
		if (str_has_prefix(words.v[i], "type="))
			type = words.v[i] + 5;
	size_t k = 0;
	while (type && k < countof(kinds) && strcmp(kinds[k], type) != 0)
		k++;
	if (!type || k == countof(kinds))
		return wrong(e, text, "the type is image, registry, local, tar, oci, docker or cacheonly");
	*o = (struct build_output){.kind = (enum build_output_kind)k};
	for (size_t i = 0; i < words.n; i++)
		if (read_word(o, words.v[i], text, a, q, e) < 0)
			return -1;
	if (o->kind == OUTPUT_LOCAL && str_is_empty(o->dest))
		return wrong(e, text, "dest is missing: the directory");
	if (o->as_dir && (str_is_empty(o->dest) || str_eq(o->dest, "-")))
		return wrong(e, text, "dest is missing: the directory");
	return 0;
}

static bool is_stdout(const struct build_output *o)
{
	bool is_file = o->kind == OUTPUT_TAR || o->kind == OUTPUT_OCI || (o->kind == OUTPUT_DOCKER && o->dest);
	return is_file && (str_is_empty(o->dest) || str_eq(o->dest, "-"));
}

bool build_output_is_stdout(const struct build_request *q)
{
	for (size_t i = 0; i < q->outputs.n; i++)
		if (is_stdout(&q->outputs.v[i]))
			return true;
	return false;
}

int build_output_read(const struct strv *texts, bool push, struct arena *a, struct build_request *q, struct err *e)
{
	size_t to_stdout = 0;
	struct strv tags = q->tags;
	/* Theirs are an option's; what is added lives in the arena. */
	q->tags = (struct strv){};
	for (size_t i = 0; i < tags.n; i++)
		arena_strv_add(a, &q->tags, tags.v[i]);
	for (size_t i = 0; i < texts->n; i++)
		if (read_one(texts->v[i], a, q, e) < 0)
			return -1;
	if (push)
		*arena_push(a, &q->outputs) = (struct build_output){.kind = OUTPUT_REGISTRY};
	for (size_t i = 0; i < q->outputs.n; i++)
		to_stdout += is_stdout(&q->outputs.v[i]);
	if (to_stdout > 1)
		return err_set(e, ERR_USAGE, "--output: only one can go to stdout");
	if (to_stdout && isatty(1))
		return err_set(e, ERR_USAGE, "--output writes to stdout, and that is a terminal: name the file with dest=, or redirect it with >");
	return 0;
}
