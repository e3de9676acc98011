/* SPDX-License-Identifier: Apache-2.0 */
/* -v, --mount, --tmpfs, --volumes-from and VOLUME; volumes. */
#include "engine/mounts.h"

#include "engine/userns.h"
#include "engine/volume.h"
#include "t_engine.h"

static int resolve(struct bench *b)
{
	struct mounts_plan plan = {.lock = -1};
	b->e = (struct err){};
	int r = mounts_resolve(&b->g, &b->c, &plan, &b->e);
	if (r == 0)
		r = mounts_create(&b->g, &b->c, &plan, &b->e);
	mounts_plan_drop(&plan);
	return r;
}

static void bind(struct bench *b, const char *text)
{
	arena_strv_add(&b->c.arena, &b->c.record.host.binds, text);
}

static const struct mount_point *at(struct bench *b, const char *destination)
{
	for (size_t i = 0; i < b->c.record.mounts.n; i++)
		if (str_eq(b->c.record.mounts.v[i].destination, destination))
			return &b->c.record.mounts.v[i];
	fail_msg("nothing at %s", destination);
	return NULL;
}

static size_t count_volumes(struct bench *b)
{
	own(json) struct json *j = volume_list(&b->g, NULL, &b->e);
	assert_non_null(j);
	return json_len(j);
}

static void forms_of_v(void **state)
{
	struct bench *b = *state;
	bind(b, "/srv:/a");
	bind(b, "/srv//x/..:/b/./c/:ro,rslave");
	bind(b, "data:/d:nocopy");
	bind(b, "/anon");
	bind(b, "/srv:/e:rro");
	assert_int_equal(resolve(b), 0);
	assert_string_equal(at(b, "/a")->type, "bind");
	assert_true(at(b, "/a")->rw);
	assert_string_equal(at(b, "/a")->propagation, "rprivate");
	assert_string_equal(at(b, "/b/c")->source, "/srv");
	assert_false(at(b, "/b/c")->rw);
	assert_string_equal(at(b, "/b/c")->propagation, "rslave");
	assert_string_equal(at(b, "/d")->type, "volume");
	assert_string_equal(at(b, "/d")->name, "data");
	assert_true(at(b, "/d")->no_copy);
	assert_int_equal(strlen(at(b, "/anon")->name), 64);
	assert_true(at(b, "/e")->recursive_ro && !at(b, "/e")->rw);
	assert_true(volume_is_anonymous(&b->g, at(b, "/anon")->name));
	assert_false(volume_is_anonymous(&b->g, "data"));
	assert_int_equal(count_volumes(b), 2);
}

static void wrong_ones_make_nothing(void **state)
{
	struct bench *b = *state;
	static const char *const texts[] = {"", ":", "a:", ":/x", "relative", "/x:/y:z:w", "/srv:/", "/srv:relative",
		"na/me:/x", "data:/x:foo", "..:/x", "a:/x"};
	for (size_t i = 0; i < countof(texts); i++) {
		b->c.record.mounts.n = b->c.record.host.binds.n = 0;
		b->c.record.host.binds.v = NULL;
		bind(b, "good:/good");
		bind(b, texts[i]);
		assert_int_equal(resolve(b), -1);
		assert_int_equal(b->e.kind, ERR_USAGE);
		assert_int_equal(count_volumes(b), 0);
	}
}

static void duplicates(void **state)
{
	struct bench *b = *state;
	bind(b, "one:/x");
	bind(b, "two:/x/");
	assert_int_equal(resolve(b), -1);
	assert_non_null(strstr(b->e.text, "/x"));
	assert_int_equal(count_volumes(b), 0);
}

static void a_tmpfs_counts(void **state)
{
	struct bench *b = *state;
	map_set(&b->c.arena, &b->c.record.host.tmpfs, "/x/", "");
	bind(b, "one:/x");
	assert_int_equal(resolve(b), -1);
}

static void volumes_of_the_image(void **state)
{
	struct bench *b = *state;
	struct container_config *cf = &b->c.record.config;
	arena_strv_add(&b->c.arena, &cf->volumes, "/data");
	arena_strv_add(&b->c.arena, &cf->volumes, "/given/");
	arena_strv_add(&b->c.arena, &cf->volumes, "/ram");
	map_set(&b->c.arena, &b->c.record.host.tmpfs, "/ram", "");
	bind(b, "named:/given");
	assert_int_equal(resolve(b), 0);
	assert_int_equal(b->c.record.mounts.n, 2);
	assert_string_equal(at(b, "/given")->name, "named");
	assert_int_equal(strlen(at(b, "/data")->name), 64);
	mounts_forget(&b->g, &b->c);
	assert_int_equal(count_volumes(b), 1);
}

static void requests(void **state)
{
	struct bench *b = *state;
	struct host_config *h = &b->c.record.host;
	struct bind_options *o = arena_alloc(&b->c.arena, sizeof *o);
	o->propagation = word("rshared");
	*arena_push(&b->c.arena, &h->mounts) = (struct mount_request){.type = word("bind"), .source = word("/srv"),
		.target = word("/a"), .read_only = true, .bind = o};
	*arena_push(&b->c.arena, &h->mounts) = (struct mount_request){.type = word("volume"), .target = word("/v")};
	*arena_push(&b->c.arena, &h->mounts) = (struct mount_request){.type = word("tmpfs"), .target = word("/t")};
	assert_int_equal(resolve(b), 0);
	assert_true(at(b, "/a")->recursive_ro);
	assert_string_equal(at(b, "/a")->propagation, "rshared");
	assert_string_equal(at(b, "/t")->type, "tmpfs");
	assert_string_equal(at(b, "/v")->type, "volume");
	b->c.record.mounts.n = 0;
	h->mounts.v[0].source = word("/no/such/directory");
	assert_int_equal(resolve(b), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
	h->mounts.v[0].source = word("relative");
	assert_int_equal(resolve(b), -1);
	h->mounts.v[0].type = word("cdrom");
	assert_int_equal(resolve(b), -1);
}

/* Another container of this name with one anonymous volume. */
static void make_other(struct bench *b, const char *volume)
{
	struct container_entry o = {.dir = -1, .lock = -1};
	memset(o.id, 'b', 64);
	assert_int_equal(containers_make(&b->g.containers, o.id, &o.dir, &o.lock, &b->e), 0);
	assert_int_equal(containers_take_name(&b->g.containers, "other", o.id, &b->e), 0);
	own(mem) char *path = volume_path(&b->g, volume);
	*arena_push(&o.arena, &o.record.mounts) = (struct mount_point){.type = word("volume"), .name = word(volume),
		.source = path, .destination = word("/shared"), .rw = true};
	*arena_push(&o.arena, &o.record.mounts) = (struct mount_point){.type = word("bind"), .source = word("/srv"),
		.destination = word("/mine"), .rw = true};
	o.record.id = o.id;
	o.record.name = word("/other");
	o.state.name = word("other");
	o.state.status = word("created");
	o.state.mounts.v = o.record.mounts.v;
	o.state.mounts.n = o.record.mounts.n;
	assert_int_equal(container_save_state(o.dir, &o.state, false, &b->e), 0);
	assert_int_equal(container_save_record(&o, false, &b->e), 0);
	container_entry_drop(&o);
}

static void volumes_from(void **state)
{
	struct bench *b = *state;
	assert_int_equal(volume_ensure(&b->g, "shared", true, &b->e), 0);
	make_other(b, "shared");
	arena_strv_add(&b->c.arena, &b->c.record.host.volumes_from, "other:ro");
	bind(b, "own:/mine");
	assert_int_equal(resolve(b), 0);
	assert_false(at(b, "/shared")->rw);
	assert_string_equal(at(b, "/mine")->name, "own");
	/* It is anonymous, but not ours alone. */
	mounts_forget(&b->g, &b->c);
	assert_int_equal(count_volumes(b), 2);
	assert_int_equal(volume_remove(&b->g, "shared", false, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_CONFLICT);
	assert_int_equal(volume_remove(&b->g, "own", false, &b->e), 0);
	b->c.record.mounts.n = 0;
	b->c.record.host.volumes_from.v[0] = word("nobody");
	assert_int_equal(resolve(b), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
}

static int fill(struct bench *b)
{
	struct userns_maps none = {};
	return mounts_fill_volumes(&b->g, &b->c, b->root, &none, &b->e);
}

static void a_new_volume_is_filled_once(void **state)
{
	struct bench *b = *state;
	bind(b, "conf:/etc");
	assert_int_equal(resolve(b), 0);
	assert_int_equal(fill(b), 0);
	own(mem) char *path = volume_path(&b->g, "conf");
	own(fd) int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(path_exists(data, "passwd"));
	assert_int_equal(unlinkat(data, "passwd", 0), 0);
	bench_put(data, "mine", "x");
	assert_int_equal(fill(b), 0);
	assert_false(path_exists(data, "passwd"));
	assert_true(path_exists(data, "mine"));
}

/* What is in a volume that nobody filled is somebody's. */
static void what_is_there_stays(void **state)
{
	struct bench *b = *state;
	bind(b, "conf:/etc");
	assert_int_equal(resolve(b), 0);
	own(mem) char *path = volume_path(&b->g, "conf");
	own(fd) int data = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bench_put(data, "mine", "x");
	assert_int_equal(fill(b), 0);
	assert_false(path_exists(data, "passwd"));
	assert_true(path_exists(data, "mine"));
}

static void documents(void **state)
{
	struct bench *b = *state;
	own(mem) char *name = NULL;
	own(mem) char *made_up = NULL;
	struct map labels = {};
	map_set(&b->c.arena, &labels, "tier", "db");
	assert_int_equal(volume_create(&b->g, "named", &labels, NULL, &name, &b->e), 0);
	assert_int_equal(volume_create(&b->g, "", NULL, NULL, &made_up, &b->e), 0);
	assert_int_equal(strlen(made_up), 64);
	own(json) struct json *j = volume_inspect(&b->g, "named", &b->e);
	assert_string_equal(json_get_str(j, "Driver"), "local");
	assert_string_equal(json_get_str(json_get(j, "Labels"), "tier"), "db");
	own(strv) struct strv filters = {};
	strv_add(&filters, "label=tier=db");
	strv_add(&filters, "dangling=true");
	own(json) struct json *found = volume_list(&b->g, &filters, &b->e);
	assert_int_equal(json_len(found), 1);
	strv_add(&filters, "nonsense=1");
	assert_null(volume_list(&b->g, &filters, &b->e));
	own(strv) struct strv gone = {};
	uint64_t bytes;
	/* A command was killed while it made one. */
	assert_int_equal(path_mkdirs(b->g.root, "volumes/half/_data", 0700, &b->e), 0);
	assert_int_equal(volume_prune(&b->g, false, NULL, &gone, &bytes, &b->e), 0);
	assert_int_equal(gone.n, 1);
	assert_string_equal(gone.v[0], made_up);
	assert_int_equal(count_volumes(b), 1);
	assert_false(path_exists(b->g.root, "volumes/half"));
	assert_null(volume_inspect(&b->g, "../names", &b->e));
	assert_int_equal(volume_remove(&b->g, "../containers", true, &b->e), 0);
	assert_true(path_exists(b->g.root, "containers"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {T(forms_of_v), T(wrong_ones_make_nothing), T(duplicates), T(a_tmpfs_counts), T(volumes_of_the_image),
		T(requests), T(volumes_from), T(a_new_volume_is_filled_once), T(what_is_there_stays), T(documents)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
