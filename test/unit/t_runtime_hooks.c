/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: with what rights, environment and state they run, and what their failures do. */
#include "t_runtime_box.h"

#include "codec/json.h"

static struct spec_hook *add_hook(struct box *b, struct spec_hook_list *l, const char *path, ...)
{
	struct spec_hook *h = list_add(b, l, sizeof *h);
	va_list ap;
	h->path = arena_dup(&b->arena, path);
	va_start(ap, path);
	for (const char *a; (a = va_arg(ap, const char *));)
		arena_strv_add(&b->arena, &h->args, a);
	va_end(ap);
	return h;
}

/* A program of the host: appends to the file `log` of the test's directory what `text` prints. */
static void add_logger(struct box *b, struct spec_hook_list *l, const char *text)
{
	add_hook(b, l, "/bin/sh", "sh", "-c", arena_printf(&b->arena, "{ %s; } >> %s/log", text, b->dir), NULL);
}

static const char *log_text(struct box *b, struct buf *out)
{
	char path[128];
	struct err e = {};
	buf_reset(out);
	snprintf(path, sizeof path, "%s/log", b->dir);
	(void)!path_read(AT_FDCWD, path, out, &e);
	unlink(path);
	return buf_text(out);
}

static const char rights[] = "id -u; id -g; id -G; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; pwd";

/* startContainer's are the image's programs: they have what the command has, and nothing else. */
static void rights_inside(void **state)
{
	struct box *b = *state;
	struct spec_hooks h = {};
	struct strv caps = {};
	struct spec_seccomp *builtin = NULL, own_filter = {.default_action = arena_dup(&b->arena, "SCMP_ACT_ALLOW")};
	seccomp_default_caps(&b->arena, &caps);
	assert_int_equal(seccomp_default(&caps, &b->arena, &builtin, &b->e), 0);
	struct spec_seccomp *const filters[] = {NULL, builtin, &own_filter};
	add_hook(b, &h.start_container, "/bin/sh", "sh", "-c", rights, NULL);
	b->spec.process->cwd = arena_dup(&b->arena, "/tmp");
	uint32_t groups[] = {7, 8};
	for (size_t i = 0; i < countof(filters) * 4; i++) {
		b->spec.linux_->seccomp = filters[i / 4];
		b->spec.process->no_new_privileges = i & 1;
		b->spec.process->user = (struct spec_user){.uid = i & 2 ? 1000 : 0, .gid = i & 2 ? 1001 : 0, .groups = {groups, 2}};
		b->spec.hooks = NULL;
		const char *command = shell(b, rights);
		char *expected = mem_printf("%s\n%s", command, command);
		b->spec.hooks = &h;
		assert_string_equal(shell(b, rights), expected);
		free(expected);
	}
	b->spec.linux_->seccomp = NULL;
}

/* CVE-2019-5736: the hook of an image leads back to the program that executes it. */
static void leads_back(void **state)
{
	struct box *b = *state;
	struct spec_hooks h = {};
	b->spec.hooks = &h;
	make_link(b, "/proc/self/exe", "/hook");
	put_text(b, "/script", "#!/proc/self/exe\n", 0755);
	script(b, "true");
	struct spec_hook *k = add_hook(b, &h.start_container, "/hook", "run", "--help", NULL);
	refused(b, ERR_SYSTEM, "hook /hook: exit status 127");
	k->path = arena_dup(&b->arena, "/script");
	refused(b, ERR_SYSTEM, "hook /script: exit status 127");
	/* It may not look into hull either, nor has it hull's files open. */
	k->path = arena_dup(&b->arena, "/bin/sh");
	k->args = (struct strv){};
	arena_strv_add(&b->arena, &k->args, "sh");
	arena_strv_add(&b->arena, &k->args, "-c");
	arena_strv_add(&b->arena, &k->args, "echo $(ls /proc/self/fd); readlink /proc/1/exe || echo hidden");
	assert_string_equal(shell(b, "echo run"), "0 1 2 3\nhidden\nrun");
}

static void environment_is_exact(void **state)
{
	struct box *b = *state;
	struct spec_hooks h = {};
	own(buf) struct buf log = {};
	b->spec.hooks = &h;
	struct spec_hook *inside = add_hook(b, &h.start_container, "/bin/env", "env", NULL);
	assert_string_equal(shell(b, "echo run"), "run");
	arena_strv_add(&b->arena, &inside->env, "A=b");
	arena_strv_add(&b->arena, &inside->env, "C=d e");
	assert_string_equal(shell(b, "echo run"), "A=b\nC=d e\nrun");
	h.start_container.n = 0;
	add_logger(b, &h.create_runtime, "tr '\\0' '\\n' < /proc/$$/environ; echo end");
	assert_string_equal(shell(b, "echo run"), "run");
	assert_string_equal(log_text(b, &log), "end\n");
	arena_strv_add(&b->arena, &h.create_runtime.v[0].env, "PATH=/bin:/usr/bin");
	arena_strv_add(&b->arena, &h.create_runtime.v[0].env, "A=b");
	assert_string_equal(shell(b, "echo run"), "run");
	assert_string_equal(log_text(b, &log), "PATH=/bin:/usr/bin\nA=b\nend\n");
	/* Without arguments it is called by its path. */
	h.create_runtime.n = 0;
	put_text(b, "/name", "#!/bin/sh\necho $0 $#\n", 0755);
	add_hook(b, &h.start_container, "/name", NULL);
	arena_strv_add(&b->arena, &h.start_container.v[0].env, "PATH=/bin");
	assert_string_equal(shell(b, "true"), "/name 0");
}

static void expect_state(struct box *b, const char *text, const char *status, long pid)
{
	own(json) struct json *j = NULL;
	struct err e = {};
	if (json_parse(text, strlen(text), &j, &e) < 0)
		fail_msg("%s: %s", e.text, text);
	assert_string_equal(json_get_str(j, "ociVersion"), "1.3.0");
	assert_string_equal(json_get_str(j, "id"), b->id);
	assert_string_equal(json_get_str(j, "status"), status);
	assert_string_equal(json_get_str(j, "bundle"), b->dir);
	assert_string_equal(json_get_str(json_get(j, "annotations"), "org.test.key"), "a \"value\"");
	assert_int_equal(json_i64(json_get(j, "pid")), pid);
	assert_int_equal(json_has(j, "pid"), pid > 0);
}

/* The state on standard input; the pid as whoever reads it sees it. */
static void state_on_stdin(void **state)
{
	struct box *b = *state;
	struct spec_hooks h = {};
	struct container c;
	own(fd) int out = -1;
	own(buf) struct buf log = {};
	b->spec.hooks = &h;
	b->create.bundle = b->dir;
	map_set(&b->arena, &b->spec.annotations, "org.test.key", "a \"value\"");
	struct spec_hook_list *const lists[] = {&h.prestart, &h.create_runtime, &h.create_container, &h.poststart, &h.poststop};
	for (size_t i = 0; i < countof(lists); i++)
		add_logger(b, lists[i], "cat; echo");
	add_hook(b, &h.start_container, "/bin/sh", "sh", "-c", "cat; echo", NULL);
	args(b, "true", NULL);
	if (launch(b, &c, &out) < 0)
		fail_msg("%s", b->e.text);
	long pid = c.pid;
	buf_reset(&b->out);
	assert_int_equal(fd_read_to_end(out, &b->out), 0);
	assert_int_equal(reap(&c), 0);
	expect_state(b, buf_text(&b->out), "created", 1);
	const struct { const char *status; long pid; } rows[] = {{"creating", pid}, {"creating", pid}, {"creating", 1}, {"running", pid}, {"stopped", 0}};
	char *text = mem_dup(log_text(b, &log)), *rest = text;
	for (size_t i = 0; i < countof(rows); i++)
		expect_state(b, strsep(&rest, "\n"), rows[i].status, rows[i].pid);
	free(text);
}

/* Each of them ends the container, the later ones are not run, and poststop hooks are. */
static void failures(void **state)
{
	struct box *b = *state;
	own(buf) struct buf log = {};
	char expected[64] = "";
	args(b, "true", NULL);
	for (size_t i = 0; i < 5; i++) {
		struct spec_hooks h = {};
		struct spec_hook_list *const lists[] = {&h.prestart, &h.create_runtime, &h.create_container, &h.start_container, &h.poststart};
		b->spec.hooks = &h;
		for (size_t k = 0; k < 5; k++) {
			if (lists[k] == &h.start_container && i != k)
				continue;
			if (i == k)
				add_hook(b, lists[k], "/bin/sh", "sh", "-c", "exit 3", NULL);
			if (lists[k] != &h.start_container)
				add_logger(b, lists[k], arena_printf(&b->arena, "echo %zu", k));
		}
		add_logger(b, &h.poststop, "echo stop");
		refused(b, ERR_SYSTEM, "hook /bin/sh: exit status 3");
		char wanted[80];
		snprintf(wanted, sizeof wanted, "%sstop\n", expected);
		assert_string_equal(log_text(b, &log), wanted);
		if (i != 3)
			snprintf(expected + strlen(expected), 4, "%zu\n", i);
	}
	/* One that is not there. */
	struct spec_hooks h = {};
	b->spec.hooks = &h;
	add_hook(b, &h.start_container, "/no/such", NULL);
	refused(b, ERR_NOT_FOUND, "hook /no/such: No such file");
	h.start_container.v[0].path = arena_dup(&b->arena, "/etc/passwd");
	refused(b, ERR_DENIED, "hook /etc/passwd: Permission denied");
	h.start_container.n = 0;
	add_hook(b, &h.create_runtime, "/no/such", NULL);
	refused(b, ERR_SYSTEM, "hook /no/such: exit status 127 (it cannot be executed)");
	add_hook(b, &h.start_container, "/bin/sleep", "sleep", "60", NULL)->timeout = (struct opt_i64){true, 1};
	h.create_runtime.n = 0;
	refused(b, ERR_TIMEOUT, "hook /bin/sleep: did not end within 1 seconds");
}

/* What fails after the end is told and nothing more. */
static void failures_after_the_end(void **state)
{
	struct box *b = *state;
	struct spec_hooks h = {};
	struct container c;
	own(fd) int out = -1;
	own(buf) struct buf log = {};
	b->spec.hooks = &h;
	add_logger(b, &h.poststop, "echo one");
	add_hook(b, &h.poststop, "/bin/false", NULL);
	add_logger(b, &h.poststop, "echo two");
	args(b, "true", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
	assert_int_equal(container_remove(&c, &b->e), 0);
	assert_non_null(strstr(c.warning, "hook /bin/false: exit status 1"));
	container_drop(&c);
	assert_string_equal(log_text(b, &log), "one\ntwo\n");
}

/* crun's annotations. */
static void output_files(void **state)
{
	struct box *b = *state;
	struct spec_hooks h = {};
	own(buf) struct buf log = {};
	b->spec.hooks = &h;
	map_set(&b->arena, &b->spec.annotations, "run.oci.hooks.stdout", arena_printf(&b->arena, "%s/log", b->dir));
	map_set(&b->arena, &b->spec.annotations, "run.oci.hooks.stderr", arena_printf(&b->arena, "%s/log", b->dir));
	add_hook(b, &h.create_runtime, "/bin/sh", "sh", "-c", "echo one; echo two >&2", NULL);
	add_hook(b, &h.start_container, "/bin/sh", "sh", "-c", "echo three; echo four >&2", NULL);
	assert_string_equal(shell(b, "echo run"), "run");
	assert_string_equal(log_text(b, &log), "one\ntwo\nthree\nfour\n");
	map_set(&b->arena, &b->spec.annotations, "run.oci.hooks.stdout", "/no/such/file");
	refused(b, ERR_NOT_FOUND, "run.oci.hooks.stdout=/no/such/file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(rights_inside), BOX_TEST(leads_back), BOX_TEST(environment_is_exact),
		BOX_TEST(state_on_stdin), BOX_TEST(failures), BOX_TEST(failures_after_the_end), BOX_TEST(output_files)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
