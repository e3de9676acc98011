/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sbom: packages by the databases in the image. The root is hostile: whatever is in it, names are resolved inside, sizes are bounded, texts are texts.
 */
#include "build/attestation.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { DATABASE_MAX = 64 << 20, PACKAGES_MAX = 100000 };

struct package { char *name, *version, *architecture, *purl; };
struct packages { struct arena arena; struct { struct package *v; size_t n; } all; };

static int read_file(int root, const char *path, struct buf *out)
{
	struct err none = {};
	own(fd) int fd = path_open_in(root, path, O_RDONLY | O_NONBLOCK, 0, &none);
	out->max = DATABASE_MAX;
	return fd < 0 ? -1 : fd_read_to_end(fd, out);
}

/* What is not a letter, digit or one of .-_~ as %XX. */
static void put_coded(struct buf *b, const char *s)
{
	for (; *s; s++)
		if (isalnum((unsigned char)*s) || strchr(".-_~", *s))
			buf_char(b, *s);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
}

static void add(struct packages *p, const char *type, const char *space, const char *name, const char *version, const char *architecture)
{
	own(buf) struct buf purl = BUF(8192);
	struct arena *a = &p->arena;
	if (str_is_empty(name) || str_is_empty(version) || p->all.n >= PACKAGES_MAX)
		return;
	buf_printf(&purl, "pkg:%s/", type);
	if (*space) {
		put_coded(&purl, space);
		buf_char(&purl, '/');
	}
	put_coded(&purl, name);
	buf_char(&purl, '@');
	put_coded(&purl, version);
	if (!str_is_empty(architecture)) {
		buf_str(&purl, "?arch=");
		put_coded(&purl, architecture);
	}
	*arena_push(a, &p->all) = (struct package){arena_dup(a, name), arena_dup(a, version), arena_dup(a, architecture ? architecture : ""),
		arena_dup(a, buf_text(&purl))};
}

static void note_field(struct arena *a, const char *line, const char *field, const char **to)
{
	const char *v = str_after(line, field);
	if (v)
		*to = arena_dup(a, v + strspn(v, " "));
}

/* Paragraphs of "Field: value": dpkg's status and apk's installed (whose fields have one letter). */
static void read_paragraphs(struct packages *p, const char *text, const char *const fields[4], const char *type, const char *space)
{
	own(strv) struct strv lines = {};
	const char *v[4] = {};
	strv_split(&lines, text, '\n');
	strv_add(&lines, "");
	for (size_t i = 0; i < lines.n; i++) {
		char *line = lines.v[i];
		if (!*line) {
			bool gone = v[3] && !strstr(v[3], " installed");
			if (!gone)
				add(p, type, space, v[0], v[1], v[2]);
			memset(v, 0, sizeof v);
		}
		for (size_t k = 0; k < 4; k++)
			if (fields[k])
				note_field(&p->arena, line, fields[k], &v[k]);
	}
}

/* "debian" of ID=debian */
static char *system_of(int root)
{
	own(buf) struct buf text = {};
	own(strv) struct strv lines = {};
	if (read_file(root, "etc/os-release", &text) < 0 && read_file(root, "usr/lib/os-release", &text) < 0)
		return mem_dup("linux");
	strv_split(&lines, buf_text(&text), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *id = str_after(lines.v[i], "ID=");
		if (id && *(id += strspn(id, "\"")))
			return mem_ndup(id, strcspn(id, "\""));
	}
	return mem_dup("linux");
}

/* lib/python3/dist-packages/NAME.dist-info/METADATA */
static void read_python(struct packages *p, int root, const char *lib)
{
	struct err none = {};
	own(strv) struct strv versions = {};
	own(fd) int top = path_open_in(root, lib, O_RDONLY | O_DIRECTORY, 0, &none);
	if (top < 0 || path_list(top, ".", &versions, &none) < 0)
		return;
	strv_sort(&versions);
	for (size_t i = 0; i < versions.n; i++) {
		static const char *const folders[] = {"site-packages", "dist-packages"};
		for (size_t f = 0; str_has_prefix(versions.v[i], "python") && f < countof(folders); f++) {
			own(mem) char *path = mem_printf("%s/%s/%s", lib, versions.v[i], folders[f]);
			own(fd) int dir = path_open_in(root, path, O_RDONLY | O_DIRECTORY, 0, &none);
			own(strv) struct strv names = {};
			if (dir < 0 || path_list(dir, ".", &names, &none) < 0)
				continue;
			strv_sort(&names);
			for (size_t k = 0; k < names.n; k++) {
				static const char *const fields[4] = {"Name:", "Version:", NULL, NULL};
				own(buf) struct buf text = {};
				own(mem) char *file = mem_printf("%s/%s/METADATA", path, names.v[k]);
				if (!str_has_suffix(names.v[k], ".dist-info") || read_file(root, file, &text) < 0)
					continue;
				/* Behind the first empty line the description begins. */
				char *end = text.len ? strstr(text.data, "\n\n") : NULL;
				if (end)
					*end = 0;
				read_paragraphs(p, buf_text(&text), fields, "pypi", "");
			}
		}
	}
}

static void read_all(struct packages *p, int root)
{
	static const char *const dpkg[4] = {"Package:", "Version:", "Architecture:", "Status:"}, *const apk[4] = {"P:", "V:", "A:", NULL};
	own(mem) char *system = system_of(root);
	own(buf) struct buf status = {};
	own(buf) struct buf installed = {};
	if (read_file(root, "var/lib/dpkg/status", &status) == 0)
		read_paragraphs(p, buf_text(&status), dpkg, "deb", system);
	/* Images without dpkg itself have a file a package. */
	struct err none = {};
	own(strv) struct strv files = {};
	own(fd) int parts = path_open_in(root, "var/lib/dpkg/status.d", O_RDONLY | O_DIRECTORY, 0, &none);
	if (parts >= 0 && path_list(parts, ".", &files, &none) == 0) {
		strv_sort(&files);
		for (size_t i = 0; i < files.n; i++) {
			own(buf) struct buf text = {};
			if (!str_has_suffix(files.v[i], ".md5sums") && read_file(parts, files.v[i], &text) == 0)
				read_paragraphs(p, buf_text(&text), dpkg, "deb", system);
		}
	}
	if (read_file(root, "lib/apk/db/installed", &installed) == 0)
		read_paragraphs(p, buf_text(&installed), apk, "apk", system);
	read_python(p, root, "usr/lib");
	read_python(p, root, "usr/local/lib");
}

static struct json *package_json(const struct package *k, size_t i)
{
	struct json *j = json_new_object(), *refs = json_new_array(), *ref = json_new_object();
	own(mem) char *id = mem_printf("SPDXRef-Package-%zu", i);
	json_set_str(j, "name", k->name);
	json_set_str(j, "SPDXID", id);
	json_set_str(j, "versionInfo", k->version);
	json_set_str(j, "downloadLocation", "NOASSERTION");
	json_set(j, "filesAnalyzed", json_new_bool(false));
	json_set_str(ref, "referenceCategory", "PACKAGE-MANAGER");
	json_set_str(ref, "referenceType", "purl");
	json_set_str(ref, "referenceLocator", k->purl);
	json_add(refs, ref);
	json_set(j, "externalRefs", refs);
	return j;
}

struct json *sbom_make(int root, const char *name, const char *created, struct err *e)
{
	struct packages p = {};
	struct json *j = json_new_object(), *info = json_new_object(), *creators = json_new_array(), *list = json_new_array(), *relations = json_new_array();
	own(buf) struct buf all = {};
	char digest[DIGEST_TEXT];
	read_all(&p, root);
	for (size_t i = 0; i < p.all.n; i++) {
		struct json *r = json_new_object();
		own(mem) char *id = mem_printf("SPDXRef-Package-%zu", i);
		json_add(list, package_json(&p.all.v[i], i));
		json_set_str(r, "spdxElementId", "SPDXRef-DOCUMENT");
		json_set_str(r, "relationshipType", "DESCRIBES");
		json_set_str(r, "relatedSpdxElement", id);
		json_add(relations, r);
		buf_printf(&all, "%s\n", p.all.v[i].purl);
	}
	int r = digest_of(buf_text(&all), all.len, digest, e);
	own(mem) char *space = mem_printf("https://hull.invalid/sbom/%s", r < 0 ? "" : digest_hex(digest));
	json_set_str(j, "spdxVersion", "SPDX-2.3");
	json_set_str(j, "dataLicense", "CC0-1.0");
	json_set_str(j, "SPDXID", "SPDXRef-DOCUMENT");
	json_set_str(j, "name", name);
	json_set_str(j, "documentNamespace", space);
	json_add(creators, json_new_str("Tool: hull-" HULL_VERSION));
	json_set_str(info, "created", str_is_empty(created) ? "1970-01-01T00:00:00Z" : created);
	json_set(info, "creators", creators);
	json_set(j, "creationInfo", info);
	json_set(j, "packages", list);
	json_set(j, "relationships", relations);
	arena_drop(&p.arena);
	if (r < 0)
		json_drop(&j);
	return j;
}
