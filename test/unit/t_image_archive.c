/* SPDX-License-Identifier: Apache-2.0 */
#include "image/archive.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "codec/tar.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* An archive in the making: members in memory, written to a tar or to a directory. */
struct draft {
	struct { struct draft_member { char *name, *data, *link; size_t len; } *v; size_t n; } all;
	struct arena arena;
};

static struct draft_member *add(struct draft *d, const char *name, const char *data)
{
	struct draft_member *m = arena_push(&d->arena, &d->all);
	m->name = arena_dup(&d->arena, name);
	m->data = arena_dup(&d->arena, data);
	m->len = strlen(data);
	return m;
}

static char *digest(struct draft *d, const char *data)
{
	struct err e = {};
	char text[DIGEST_TEXT];
	assert_int_equal(digest_of(data, strlen(data), text, &e), 0);
	return arena_dup(&d->arena, text);
}

/* A blob of an OCI layout; returns its descriptor. */
static char *blob(struct draft *d, const char *type, const char *data, const char *more)
{
	char *id = digest(d, data);
	add(d, arena_printf(&d->arena, "blobs/sha256/%s", digest_hex(id)), data);
	return arena_printf(&d->arena, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", type, id, strlen(data), more);
}

static char *config(struct draft *d, const char *architecture, const char *layer)
{
	return arena_printf(&d->arena, "{\"architecture\":\"%s\",\"os\":\"linux\",\"created\":\"2024-01-01T00:00:00Z\",\"config\":{\"Cmd\":[\"%s\"]},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}", architecture, architecture, digest(d, layer));
}

static char *manifest(struct draft *d, const char *architecture, const char *layer, const char *more)
{
	char *c = blob(d, TYPE_OCI_CONFIG, config(d, architecture, layer), "");
	char *l = blob(d, "application/vnd.oci.image.layer.v1.tar", layer, "");
	return blob(d, TYPE_OCI_MANIFEST, arena_printf(&d->arena, "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}", c, l), more);
}

static void index_json(struct draft *d, const char *manifests)
{
	add(d, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	add(d, "index.json", arena_printf(&d->arena, "{\"schemaVersion\":2,\"manifests\":[%s]}", manifests));
}
#define PLATFORM(a) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" a "\"}"
#define NAMED(n)    ",\"annotations\":{\"io.containerd.image.name\":\"" n "\"}"
#define REF(n)      ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" n "\"}"

static int sink(void *arg, const void *p, size_t n, struct err *e)
{
	return fd_write_all(*(int *)arg, p, n) < 0 ? err_sys(e, "write") : 0;
}

static void write_tar(const struct draft *d, const char *path)
{
	own(fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	own(tar_writer) struct tar_writer *w = tar_writer_new(sink, &fd);
	struct err e = {};
	for (size_t i = 0; i < d->all.n; i++) {
		const struct draft_member *m = &d->all.v[i];
		struct tar_entry t = {.type = m->link ? TAR_SYMLINK : TAR_FILE, .name = m->name, .link = m->link, .mode = 0644,
			.size = m->link ? 0 : m->len, .stored = m->link ? 0 : m->len};
		if (tar_write_entry(w, &t, &e) < 0 || (!m->link && tar_write_data(w, m->data, m->len, &e) < 0))
			fail_msg("%s", e.text);
	}
	assert_int_equal(tar_write_end(w, &e), 0);
}

static void write_dir(const struct draft *d, const char *path)
{
	struct err e = {};
	assert_int_equal(path_mkdirs(AT_FDCWD, path, 0700, &e), 0);
	own(fd) int dir = path_open_dir(AT_FDCWD, path, &e);
	assert_int_equal(path_mkdirs(dir, "blobs/sha256", 0700, &e), 0);
	for (size_t i = 0; i < d->all.n; i++)
		assert_int_equal(path_write(dir, d->all.v[i].name, d->all.v[i].data, d->all.v[i].len, 0600, 0, &e), 0);
}

struct fixture {
	char path[64], tar[80], dir[80];
	int root;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	snprintf(f->path, sizeof f->path, "/tmp/t_image_archive.XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	snprintf(f->tar, sizeof f->tar, "%s/a.tar", f->path);
	snprintf(f->dir, sizeof f->dir, "%s/a", f->path);
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->root < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = {};
	close(f->root);
	int r = path_remove_tree(AT_FDCWD, f->path, &e);
	free(f);
	return r;
}

/* What is in it, one image a line: "names|architecture|layers' bytes", or the error's kind. */
static char *describe(struct fixture *f, const char *path, int fd, const char *platform)
{
	own(archive) struct archive a = {.fd = -1, .dir = -1};
	static char out[2048];
	struct err e = {};
	if (archive_open(&a, path, fd, f->root, platform, &e) < 0) {
		snprintf(out, sizeof out, "%s: %s", err_map(e.kind)->word, e.text);
		return out;
	}
	struct buf b = {};
	for (size_t i = 0; i < a.images.n; i++) {
		const struct archive_image *x = &a.images.v[i];
		for (size_t k = 0; k < x->names.n; k++)
			buf_printf(&b, "%s%s", k ? "," : "", x->names.v[k]);
		buf_printf(&b, "|%s|", x->config.architecture);
		for (size_t k = 0; k < x->layers.n; k++) {
			char data[64] = {};
			assert_true(x->layers.v[k].length < sizeof data);
			assert_int_equal(pread(x->layers.v[k].fd, data, x->layers.v[k].length, (off_t)x->layers.v[k].offset), x->layers.v[k].length);
			buf_printf(&b, "%s%s", k ? "," : "", data);
			assert_string_equal(x->layers.v[k].diff_id, x->config.rootfs.diff_ids.v[k]);
		}
		buf_str(&b, "\n");
		own(store) struct store s = {};
		own(image) struct image found = {};
		if (store_open(&s, f->root, &e) < 0 || archive_commit(&a, i, &s, 5, &e) < 0 ||
			store_find(&s, x->names.n ? x->names.v[0] : x->record.id, &found, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(found.record.id, x->record.id);
		assert_true(!x->manifest_text || store_has_blob(&s, x->record.manifest));
	}
	snprintf(out, sizeof out, "%s", buf_text(&b));
	buf_drop(&b);
	return out;
}

static void check(struct fixture *f, struct draft *d, const char *platform, const char *expect)
{
	write_tar(d, f->tar);
	char *found = describe(f, f->tar, -1, platform);
	bool same = expect[strlen(expect) - 1] == '\n' ? strcmp(found, expect) == 0 : strstr(found, expect) != NULL;
	if (!same)
		fail_msg("found: %s", found);
	arena_drop(&d->arena);
	*d = (struct draft){};
}

static void oci(void **state)
{
	struct fixture *f = *state;
	struct draft d = {};
	index_json(&d, manifest(&d, "amd64", "L1", PLATFORM("amd64") NAMED("docker.io/library/box:latest")));
	write_dir(&d, f->dir);
	assert_string_equal(describe(f, f->dir, -1, NULL), "docker.io/library/box:latest|amd64|L1\n");
	check(f, &d, NULL, "docker.io/library/box:latest|amd64|L1\n");
	index_json(&d, manifest(&d, "amd64", "L1", REF("me/x:1")));
	check(f, &d, NULL, "docker.io/me/x:1|amd64|L1\n");
	index_json(&d, manifest(&d, "amd64", "L1", REF("latest")));
	check(f, &d, NULL, "|amd64|L1\n");
	index_json(&d, manifest(&d, "amd64", "L1", NAMED("../../etc/passwd")));
	check(f, &d, NULL, "|amd64|L1\n");
	char *m = manifest(&d, "amd64", "L1", NAMED("a:1"));
	index_json(&d, arena_printf(&d.arena, "%s,%s", m, manifest(&d, "amd64", "L1", NAMED("a:2"))));
	check(f, &d, NULL, "docker.io/library/a:1,docker.io/library/a:2|amd64|L1\n");
}

static void platforms(void **state)
{
	struct fixture *f = *state;
	struct draft d = {};
	static const char *const architectures[] = {"s390x", "amd64", "arm64"};
	for (int nested = 0; nested < 2; nested++)
		for (size_t k = 0; k < 4; k++) {
			struct buf all = {};
			static const char *const places[] = {PLATFORM("s390x"), PLATFORM("amd64"), PLATFORM("arm64")};
			for (size_t i = 0; i < 3; i++) {
				char layer[8];
				snprintf(layer, sizeof layer, "L%zu", i);
				buf_printf(&all, "%s%s", i ? "," : "", manifest(&d, architectures[i], layer,
					arena_printf(&d.arena, "%s%s", places[i], nested ? "" : NAMED("r.io/x:1"))));
			}
			char *list = arena_dup(&d.arena, all.data);
			buf_drop(&all);
			if (nested)
				list = blob(&d, TYPE_OCI_INDEX, arena_printf(&d.arena, "{\"schemaVersion\":2,\"manifests\":[%s]}", list), NAMED("r.io/x:1"));
			index_json(&d, list);
			char expect[100];
			if (k < 3)
				snprintf(expect, sizeof expect, "r.io/x:1|%s|L%zu\n", architectures[k], k);
			else
				snprintf(expect, sizeof expect, "not found: ");
			check(f, &d, k < 3 ? architectures[k] : "linux/riscv64", expect);
		}
	index_json(&d, manifest(&d, "s390x", "L", PLATFORM("s390x")));
	check(f, &d, NULL, "|s390x|L\n");
	index_json(&d, manifest(&d, "s390x", "L", PLATFORM("s390x")));
	check(f, &d, "linux/amd64", "no image for linux/amd64, there is: linux/s390x");
	index_json(&d, manifest(&d, "s390x", "L", "")); /* only the config knows */
	check(f, &d, "linux/amd64", "no image for linux/amd64, there is: linux/s390x");
}

static void docker(void **state)
{
	struct fixture *f = *state;
	struct draft d = {};
	char *text = config(&d, "amd64", "L1");
	add(&d, "./conf.json", text);
	add(&d, "abc/layer.tar", "L1");
	add(&d, "abd/layer.tar", "")->link = arena_dup(&d.arena, "../abc/layer.tar");
	add(&d, "manifest.json", "[{\"Config\":\"conf.json\",\"RepoTags\":[\"x:1\",\"r.io/y:2\"],\"Layers\":[\"abd/layer.tar\"]},"
		"{\"Config\":\"conf.json\",\"RepoTags\":null,\"Layers\":[\"abc/layer.tar\"]}]");
	check(f, &d, NULL, "docker.io/library/x:1,r.io/y:2|amd64|L1\n|amd64|L1\n");
	add(&d, "conf.json", config(&d, "s390x", "L1"));
	add(&d, "l", "L1");
	add(&d, "manifest.json", "[{\"Config\":\"conf.json\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"l\"]}]");
	write_tar(&d, f->tar);
	assert_string_equal(describe(f, f->tar, -1, NULL), "docker.io/library/x:1|s390x|L1\n");
	check(f, &d, "linux/amd64", "not found: ");
}

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"
static void old_docker(void **state)
{
	struct fixture *f = *state;
	struct draft d = {};
	for (int named = 0; named < 2; named++) {
		add(&d, ID1 "/VERSION", "1.0");
		add(&d, ID1 "/json", "{\"id\":\"" ID1 "\",\"os\":\"linux\",\"architecture\":\"amd64\",\"container_config\":{\"Cmd\":[\"a\",\"b\"]}}");
		add(&d, ID1 "/layer.tar", "L1");
		add(&d, ID2 "/json", "{\"id\":\"" ID2 "\",\"parent\":\"" ID1 "\",\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"sh\"]},"
			"\"created\":\"2014-01-01T00:00:00Z\"}");
		add(&d, ID2 "/layer.tar", "L2");
		if (named)
			add(&d, "repositories", "{\"x\":{\"1\":\"" ID2 "\",\"2\":\"" ID2 "\"}}");
		write_tar(&d, f->tar);
		own(archive) struct archive a = {.fd = -1, .dir = -1};
		struct err e = {};
		if (archive_open(&a, f->tar, -1, f->root, NULL, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(a.images.v[0].config.config.cmd.v[0], "sh");
		assert_string_equal(a.images.v[0].config.history.v[0].created_by, "a b");
		assert_null(strstr(a.images.v[0].config_text, "parent"));
		check(f, &d, NULL, named ? "docker.io/library/x:1,docker.io/library/x:2|amd64|L1,L2\n" : "|amd64|L1,L2\n");
	}
	add(&d, "repositories", "{\"x\":{\"1\":\"" ID1 "\"}}");
	add(&d, ID1 "/json", "{\"parent\":\"" ID1 "\"}");
	check(f, &d, NULL, "limit: ");
	add(&d, "repositories", "{\"x\":{\"1\":\"../../etc\"}}");
	check(f, &d, NULL, "corrupt: ");
}

static void compressed(void **state)
{
	struct fixture *f = *state;
	static const char *const tools[] = {"cat", "gzip -c", "zstd -qc", "xz -c"};
	struct draft d = {};
	index_json(&d, manifest(&d, "amd64", "L1", NAMED("box")));
	write_tar(&d, f->tar);
	for (size_t i = 0; i < countof(tools); i++) {
		char line[300], packed[100];
		snprintf(packed, sizeof packed, "%s/packed", f->path);
		snprintf(line, sizeof line, "%s <%s >%s", tools[i], f->tar, packed);
		assert_int_equal(system(line), 0);
		assert_string_equal(describe(f, packed, -1, NULL), "docker.io/library/box:latest|amd64|L1\n");
		own(fd) int file = open(packed, O_RDONLY | O_CLOEXEC);
		assert_string_equal(describe(f, NULL, file, NULL), "docker.io/library/box:latest|amd64|L1\n");
		snprintf(line, sizeof line, "cat %s", packed);
		FILE *pipe = popen(line, "r");
		assert_string_equal(describe(f, NULL, fileno(pipe), NULL), "docker.io/library/box:latest|amd64|L1\n");
		pclose(pipe);
	}
	/* Nothing but what the test made is left: the plain bytes had no name. */
	char line[200];
	snprintf(line, sizeof line, "ls -A %s | grep -vx -e a.tar -e packed -e blobs -e images", f->path);
	assert_int_not_equal(system(line), 0);
	arena_drop(&d.arena);
}

static void hostile(void **state)
{
	struct fixture *f = *state;
	struct draft d = {};
	add(&d, "readme", "x");
	check(f, &d, NULL, "no images in it");
	add(&d, "manifest.json", "{}");
	check(f, &d, NULL, "must be an array");
	add(&d, "manifest.json", "[{\"Config\":\"../../../etc/passwd\",\"Layers\":[]}]");
	check(f, &d, NULL, "is not in the archive");
	add(&d, "manifest.json", "[{\"Config\":\"/etc/passwd\",\"Layers\":[]}]");
	check(f, &d, NULL, "etc/passwd is not in the archive");
	add(&d, "a", "")->link = arena_dup(&d.arena, "b");
	add(&d, "b", "")->link = arena_dup(&d.arena, "a");
	add(&d, "manifest.json", "[{\"Config\":\"a\",\"Layers\":[]}]");
	check(f, &d, NULL, "a is not in the archive");
	add(&d, "a\x1b[31m", "")->link = arena_dup(&d.arena, "/etc/passwd");
	add(&d, "manifest.json", "[{\"Config\":\"a\\u001b[31m\",\"Layers\":[]}]");
	check(f, &d, NULL, "a?[31m is not in the archive");
	add(&d, "conf", config(&d, "amd64", "L1"));
	add(&d, "manifest.json", "[{\"Config\":\"conf\",\"Layers\":[]}]");
	check(f, &d, NULL, "0 layers, the image config 1");
	index_json(&d, "{\"digest\":\"sha256:" ID1 "\",\"size\":3}");
	check(f, &d, NULL, "is not in the archive");
	add(&d, "blobs/sha256/" ID1, "abc");
	index_json(&d, "{\"digest\":\"sha256:" ID1 "\",\"size\":3}");
	check(f, &d, NULL, "another digest or size");
	index_json(&d, "{\"digest\":\"sha256:../../../etc/passwd\",\"size\":3}");
	check(f, &d, NULL, "not a valid one");
	index_json(&d, "");
	check(f, &d, NULL, "it has no image");
	index_json(&d, blob(&d, "application/vnd.cncf.helm.x+json", "{}", ""));
	check(f, &d, NULL, "it has no image");
	/* An index that holds itself cannot be made; one that is too deep can. */
	char *list = manifest(&d, "amd64", "L1", PLATFORM("amd64"));
	for (int i = 0; i < 6; i++)
		list = blob(&d, TYPE_OCI_INDEX, arena_printf(&d.arena, "{\"schemaVersion\":2,\"manifests\":[%s]}", list), "");
	index_json(&d, list);
	check(f, &d, NULL, "nested");
	/* The last member of a name counts, and a cut archive does not. */
	add(&d, "manifest.json", "[");
	add(&d, "manifest.json", "[]");
	check(f, &d, NULL, "it has no image");
	char *big = arena_alloc(&d.arena, 1000000);
	memset(big, 'x', 999999);
	add(&d, "manifest.json", "[]");
	add(&d, "x", big);
	write_tar(&d, f->tar);
	own(archive) struct archive whole = {.fd = -1, .dir = -1};
	struct err e = {};
	assert_int_equal(archive_open(&whole, f->tar, -1, f->root, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND); /* read to its end: it has no image */
	assert_int_equal(truncate(f->tar, 600000), 0);
	assert_non_null(strstr(describe(f, f->tar, -1, NULL), "corrupt: "));
	assert_int_equal(truncate(f->tar, 0), 0);
	assert_non_null(strstr(describe(f, f->tar, -1, NULL), "no images in it"));
	assert_non_null(strstr(describe(f, "/nonexistent/x.tar", -1, NULL), "not found: open /nonexistent/x.tar"));
	assert_non_null(strstr(describe(f, "/dev/null", -1, NULL), "no images in it"));
	arena_drop(&d.arena);
}

/* A directory whose files lead out of it by symlinks, or are no files. */
static void hostile_dir(void **state)
{
	struct fixture *f = *state;
	struct draft d = {};
	index_json(&d, manifest(&d, "amd64", "L1", ""));
	write_dir(&d, f->dir);
	own(fd) int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char outside[100];
	snprintf(outside, sizeof outside, "%s/outside.json", f->path);
	assert_int_equal(renameat(dir, "index.json", AT_FDCWD, outside), 0);
	assert_int_equal(symlinkat(outside, dir, "index.json"), 0);
	assert_non_null(strstr(describe(f, f->dir, -1, NULL), "no images in it"));
	assert_int_equal(unlinkat(dir, "index.json", 0), 0);
	assert_int_equal(mkfifoat(dir, "index.json", 0600), 0);
	assert_non_null(strstr(describe(f, f->dir, -1, NULL), "no images in it"));
	arena_drop(&d.arena);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(oci), T(platforms), T(docker), T(old_docker), T(compressed), T(hostile), T(hostile_dir)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
