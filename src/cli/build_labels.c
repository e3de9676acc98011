/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_labels: what the documents above an image say: --annotation as buildx has it, [LEVEL[,LEVEL][[PLATFORM]]:]NAME=VALUE, --platform, --format,
 * --provenance and --sbom.
 */
#include "cli/build_output.h"

#include "image/platform.h"

static const char *const levels[] = {[BUILD_MANIFEST] = "manifest", [BUILD_INDEX] = "index", [BUILD_MANIFEST_DESCRIPTOR] = "manifest-descriptor",
	[BUILD_INDEX_DESCRIPTOR] = "index-descriptor"};

static int wrong(struct err *e, const char *text)
{
	return err_set(e, ERR_USAGE, "invalid --annotation \"%.200s\": as in NAME=VALUE or index:NAME=VALUE; the levels are manifest, index, "
		"manifest-descriptor and index-descriptor", text);
}

/* "manifest[linux/amd64]" */
static int read_level(char *word, enum build_level *ret, char **ret_platform)
{
	char *open = strchr(word, '['), *close = open ? strchr(open, ']') : NULL;
	*ret_platform = NULL;
	if (open && (!close || close[1]))
		return -1;
	if (open) {
		*open = *close = 0;
		*ret_platform = open + 1;
	}
	for (size_t i = 0; i < countof(levels); i++)
		if (strcmp(levels[i], word) == 0) {
			*ret = (enum build_level)i;
			return 0;
		}
	return -1;
}

int build_annotation_read(const char *text, struct arena *a, struct build_request *q, struct err *e)
{
	const char *eq = strchr(text, '='), *colon = strchr(text, ':');
	own(strv) struct strv words = {};
	own(mem) char *front = mem_dup("manifest");
	const char *name = text;
	if (!eq || eq == text)
		return wrong(e, text);
	/* A name may have a colon itself: only what are levels are taken for some. */
	if (colon && colon < eq) {
		own(mem) char *word = mem_ndup(text, strcspn(text, ":[,"));
		for (size_t i = 0; i < countof(levels); i++)
			if (strcmp(levels[i], word) == 0) {
				mem_drop(&front);
				front = mem_ndup(text, (size_t)(colon - text));
				name = colon + 1;
				break;
			}
	}
	if (name == eq)
		return wrong(e, text);
	strv_split(&words, front, ',');
	for (size_t i = 0; i < words.n; i++) {
		struct build_annotation *n = arena_push(a, &q->annotations);
		struct platform_want want;
		char *platform;
		if (read_level(words.v[i], &n->level, &platform) < 0)
			return wrong(e, text);
		if (platform && platform_parse(platform, &want, e) < 0)
			return err_wrap(e, "--annotation");
		n->platform = platform ? arena_dup(a, platform) : NULL;
		n->key = arena_ndup(a, name, (size_t)(eq - name));
		n->value = arena_dup(a, eq + 1);
	}
	return 0;
}

static int read_platforms(const struct strv *texts, struct arena *a, struct build_request *q, struct err *e)
{
	for (size_t i = 0; i < texts->n; i++) {
		own(strv) struct strv words = {};
		strv_split(&words, texts->v[i], ',');
		for (size_t k = 0; k < words.n; k++) {
			struct platform_want want;
			char text[PLATFORM_TEXT];
			if (platform_parse(words.v[k], &want, e) < 0)
				return err_wrap(e, "--platform");
			const char *name = platform_format(want.os, want.architecture, want.has_variant ? want.variant : "", text);
			if (!strv_has(&q->platforms, name))
				arena_strv_add(a, &q->platforms, name);
		}
	}
	if (q->platforms.n > 1 && (str_eq(q->context, "-") || str_eq(q->file, "-")))
		return err_set(e, ERR_USAGE, "--platform: what comes from stdin can be read for one platform alone");
	return 0;
}

int build_labels_read(const struct strv *annotations, const struct strv *platforms, const char *format, struct arena *a, struct build_request *q,
	struct err *e)
{
	for (size_t i = 0; i < annotations->n; i++)
		if (build_annotation_read(annotations->v[i], a, q, e) < 0)
			return -1;
	if (format) {
		q->has_format = true;
		q->docker_types = str_eq(format, "docker");
	}
	if (format && !str_eq(format, "docker") && !str_eq(format, "oci"))
		return err_set(e, ERR_USAGE, "invalid --format \"%.40s\": oci and docker are known", format);
	if (read_platforms(platforms, a, q, e) < 0)
		return -1;
	q->platform = q->platforms.n ? q->platforms.v[0] : NULL;
	return 0;
}

/* --- attestations --- */

static int read_provenance(const char *text, struct build_request *q, struct err *e)
{
	own(strv) struct strv words = {};
	strv_split(&words, text, ',');
	q->provenance = BUILD_PROVENANCE_MIN;
	for (size_t i = 0; i < words.n; i++) {
		const char *w = words.v[i], *mode = str_after(w, "mode=");
		if (str_eq(w, "max") || str_eq(mode, "max"))
			q->provenance = BUILD_PROVENANCE_MAX;
		else if (str_eq(w, "false") || str_eq(w, "0") || str_eq(w, "disabled=true"))
			q->provenance = BUILD_PROVENANCE_NONE;
		else if (!str_eq(w, "true") && !str_eq(w, "1") && !str_eq(w, "min") && !str_eq(mode, "min") && !str_eq(w, "version=v1") &&
			!str_eq(w, "disabled=false"))
			return err_set(e, ERR_USAGE, "invalid --provenance \"%.100s\": false, true, mode=min, mode=max and version=v1 are known", text);
	}
	return 0;
}

static int read_sbom(const char *text, struct build_request *q, struct err *e)
{
	q->sbom = str_is_empty(text) || str_eq(text, "true") || str_eq(text, "1") || str_eq(text, "disabled=false");
	if (q->sbom || str_eq(text, "false") || str_eq(text, "0") || str_eq(text, "disabled=true"))
		return 0;
	return err_set(e, ERR_USAGE,
		"invalid --sbom \"%.100s\": true and false are known (packages are looked up by hull itself, not by a generator's image)", text);
}

int build_attest_read(const struct strv *attests, const char *provenance, const char *sbom, struct build_request *q, struct err *e)
{
	for (size_t i = 0; i < attests->n; i++) {
		const char *type = str_after(attests->v[i], "type="), *p = type ? str_after(type, "provenance") : NULL, *s = type ? str_after(type,
			"sbom") : NULL;
		const char *rest = p ? p : s;
		if (!rest || (*rest && *rest != ','))
			return err_set(e, ERR_USAGE, "invalid --attest \"%.100s\": type=provenance and type=sbom are known", attests->v[i]);
		rest += *rest == ',';
		if (p ? read_provenance(rest, q, e) < 0 : read_sbom(rest, q, e) < 0)
			return -1;
	}
	if ((provenance && read_provenance(provenance, q, e) < 0) || (sbom && read_sbom(sbom, q, e) < 0))
		return -1;
	return 0;
}
