/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport: names of places, and the two that are other programs: docker is asked over its socket, podman is run.
 */
#include "engine/transport.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_MAX = 4096, ANSWER_MAX = 4 << 20 };

static const struct { const char *word; enum transport t; bool is_path; const char *form; } rows[] = { /* the word is the policy's, up to its colon */
	{"docker://", TRANSPORT_REGISTRY, false, NULL},
	{"docker-archive:", TRANSPORT_DOCKER_ARCHIVE, true, "docker-archive"},
	{"oci-archive:", TRANSPORT_OCI_ARCHIVE, true, "oci-archive"},
	{"oci:", TRANSPORT_OCI, true, "oci-dir"},
	{"dir:", TRANSPORT_DIR, true, "docker-dir"},
	{"docker-daemon:", TRANSPORT_DAEMON, false, NULL},
	{"containers-storage:", TRANSPORT_PODMAN, false, NULL},
};

int transport_parse(const char *text, struct arena *a, struct place *ret, struct err *e)
{
	*ret = (struct place){.transport = TRANSPORT_HERE, .name = arena_dup(a, text)};
	for (size_t i = 0; i < countof(rows); i++) {
		const char *rest = str_after(text, rows[i].word);
		if (!rest)
			continue;
		if (!*rest)
			return err_set(e, ERR_USAGE, "%s: %s is missing", text, rows[i].is_path ? "the path" : "the name");
		*ret = (struct place){.transport = rows[i].t};
		/* A name begins behind the first colon, and may have more of them. */
		size_t n = rows[i].is_path && rows[i].t != TRANSPORT_DIR ? strcspn(rest, ":") : strlen(rest);
		if (rows[i].is_path)
			ret->path = arena_ndup(a, rest, n);
		else
			ret->name = arena_dup(a, rest);
		if (rows[i].is_path && rest[n])
			ret->name = arena_dup(a, rest + n + 1);
		if (ret->path && !*ret->path)
			return err_set(e, ERR_USAGE, "%s: the path is missing", text);
		return 0;
	}
	return 0;
}

bool transport_is_layout(enum transport t)
{
	return t == TRANSPORT_OCI || t == TRANSPORT_OCI_ARCHIVE;
}

const char *transport_form(enum transport t)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].t == t)
			return rows[i].form;
	return NULL;
}

char *transport_word(enum transport t)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].t == t)
			return mem_ndup(rows[i].word, strcspn(rows[i].word, ":"));
	return NULL;
}

/* ---- podman */

/* Its last line is why it failed. */
static int told(int said, int status, struct err *e)
{
	own(buf) struct buf b = BUF(SAID_MAX);
	(void)!lseek(said, 0, SEEK_SET);
	(void)!fd_read_to_end(said, &b);
	while (b.len && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == ' '))
		b.data[--b.len] = 0;
	const char *text = buf_text(&b), *line = strrchr(text, '\n');
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_NOT_FOUND, "containers-storage: podman is not here");
	own(mem) char *last = mem_dup(line ? line + 1 : text);
	str_harmless(last);
	return err_set(e, ERR_CONFLICT, "podman: %.500s", *last ? last : "it failed");
}

static int run_podman(char *const argv[], int in, int out, struct err *e)
{
	own(fd) int said = openat(AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	own(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int status;
	if (said < 0 || null < 0)
		return err_sys(e, "podman");
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(in < 0 ? null : in, 0) < 0 || dup2(out < 0 ? null : out, 1) < 0 || dup2(said, 2) < 0)
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		return err_sys(e, "fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? told(said, status, e) : 0;
}

int transport_podman_store(struct engine *g, char **ret, struct err *e)
{
	char words[2][8] = {"podman", "info"}, option[] = "--format", format[] = "[{{.Store.GraphDriverName}}@{{.Store.GraphRoot}}]";
	char *const argv[] = {words[0], words[1], option, format, NULL};
	own(buf) struct buf b = BUF(SAID_MAX);
	own(fd) int file = engine_scratch(g, e);
	if (file < 0 || run_podman(argv, -1, file, e) < 0)
		return -1;
	if (lseek(file, 0, SEEK_SET) < 0 || fd_read_to_end(file, &b) < 0)
		return err_sys(e, "podman info");
	const char *text = buf_text(&b);
	size_t n = strcspn(text, "\n");
	if (!n || *text != '[' || !memchr(text, '@', n) || text[n - 1] != ']')
		return err_set(e, ERR_CORRUPT, "podman does not say where its images are: \"%.*s\"", (int)(n < 80 ? n : 80), text);
	*ret = mem_ndup(text, n);
	return 0;
}

/* ---- both */

/* As a part of a path: what an escape needs. */
static char *escaped(const char *name)
{
	own(buf) struct buf b = BUF(4096);
	for (const char *p = name; *p; p++)
		if (strchr("%?#& ", *p) || *p < '!' || *p > '~')
			buf_printf(&b, "%%%02X", (unsigned)(unsigned char)*p);
		else
			buf_char(&b, *p);
	return buf_take(&b);
}

int transport_fetch(struct engine *g, const struct place *from, struct err *e)
{
	own(fd) int file = engine_scratch(g, e);
	if (file < 0)
		return -1;
	char words[3][24] = {"podman", "save", "docker-archive"}, option[] = "--format", quiet[] = "-q";
	char *const argv[] = {words[0], words[1], quiet, option, words[2], from->name, NULL};
	if (from->transport == TRANSPORT_PODMAN) {
		if (run_podman(argv, -1, file, e) < 0)
			return -1;
	} else {
		own(mem) char *name = escaped(from->name), *path = mem_printf("/images/%s/get", name);
		if (docker_daemon_request("GET", path, NULL, -1, file, e) < 0)
			return -1;
	}
	return lseek(file, 0, SEEK_SET) < 0 ? err_sys(e, "archive") : take_fd(file);
}

/* docker says that it failed in the middle of what it says. */
static int check_answer(int answer, struct err *e)
{
	own(buf) struct buf b = BUF(ANSWER_MAX);
	if (lseek(answer, 0, SEEK_SET) < 0 || fd_read_to_end(answer, &b) < 0)
		return err_sys(e, "docker");
	own(mem) char *text = buf_take(&b);
	char *rest = NULL;
	for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
		own(json) struct json *j = NULL;
		struct err ignored = {};
		if (json_parse(line, strlen(line), &j, &ignored) == 0 && json_get_str(j, "error"))
			return err_set(e, ERR_REMOTE, "docker: %.500s", json_get_str(j, "error"));
	}
	return 0;
}

int transport_hand_over(struct engine *g, const struct place *to, int archive, struct err *e)
{
	char words[2][8] = {"podman", "load"}, quiet[] = "-q";
	char *const argv[] = {words[0], words[1], quiet, NULL};
	if (lseek(archive, 0, SEEK_SET) < 0)
		return err_sys(e, "archive");
	if (to->transport == TRANSPORT_PODMAN)
		return run_podman(argv, archive, -1, e);
	own(fd) int answer = engine_scratch(g, e);
	return answer < 0 || docker_daemon_request("POST", "/images/load?quiet=1", "application/x-tar", archive, answer, e) < 0 ? -1 : check_answer(answer, e);
}

int image_fetch(struct engine *g, const struct place *from, const char *platform, const char *name, const struct image_progress *progress,
	struct strv *ret_names, struct err *e)
{
	own(fd) int file = -1;
	size_t before = ret_names->n;
	if (engine_need_store(g, e) < 0)
		return -1;
	if (from->path) {
		if (image_load_named(g, from->path, -1, platform, from->name, progress, ret_names, e) < 0)
			return -1;
	} else {
		file = trust_place(g, from, e) < 0 ? -1 : transport_fetch(g, from, e);
		if (file < 0 || image_load_trusted(g, NULL, file, platform, progress, ret_names, e) < 0)
			return -1;
	}
	if (!name)
		return 0;
	if (ret_names->n != before + 1)
		return err_set(e, ERR_USAGE, "the archive has %zu images or names: say which behind its path", ret_names->n - before);
	return image_tag(g, ret_names->v[before], name, e);
}

int image_copy_out(struct engine *g, const struct image_copy_request *r, struct err *e)
{
	struct strv one = {.v = (char *[]){r->from.name, NULL}, .n = 1};
	const char *form = transport_form(r->to.transport);
	struct image_save_request q = {.references = &one, .name = r->to.name, .form = form, .path = r->to.path, .platform = r->platform};
	if (form)
		return image_save(g, &q, e);
	own(fd) int file = engine_scratch(g, e);
	q.fd = file;
	q.single = true;
	return file < 0 || image_save(g, &q, e) < 0 ? -1 : transport_hand_over(g, &r->to, file, e);
}
