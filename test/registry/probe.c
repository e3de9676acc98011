/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: pulls an image by image/pull.h and writes what came to files, so that tests can look at every piece.
 *
 * usage: registry-probe PROGRAM CONFIG-DIR PLATFORM RETRIES TIMEOUT INSECURE,… OUT REFERENCE [tags|commit]
 *
 * OUT gets manifest, config, index and one file per layer; standard output one line per event, and `ok ID` or `KIND: text` at the
 * end. With `tags` it prints them; with `commit` the image goes to the store OUT/store.
 */
#include "image/pull.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct layer { int in, out; bool ended, told; };

static int write_out(int dir, const char *name, const char *text, size_t n, struct err *e)
{
	return text ? path_write(dir, name, text, n, 0600, 0, e) : 0;
}

/* Reads events; a failed layer is an error. */
static int events(struct pull *p, struct layer *layers, struct err *e)
{
	struct pull_event x;
	int r;
	while ((r = pull_event(p, &x, e)) > 0) {
		if (x.kind == PULL_RETRY)
			printf("retry %zu at %llu: %s\n", x.layer, (unsigned long long)x.bytes, x.why.text);
		if (x.kind == PULL_DONE || x.kind == PULL_FAILED)
			layers[x.layer].told = true;
		if (x.kind == PULL_FAILED) {
			*e = x.why;
			return -1;
		}
	}
	return r;
}

static int copy(struct layer *l, struct err *e)
{
	char chunk[65536];
	ssize_t n = read(l->in, chunk, sizeof chunk);
	if (n < 0)
		return err_sys(e, "read");
	l->ended = n == 0;
	return fd_write_all(l->out, chunk, (size_t)n) < 0 ? err_sys(e, "write") : 0;
}

static int fetch(struct pull *p, int dir, struct err *e)
{
	size_t n = p->manifest.layers.n, open = n;
	own(mem) struct layer *layers = calloc(n + 1, sizeof *layers);
	own(mem) struct pollfd *fds = calloc(n + 1, sizeof *fds);
	for (size_t i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "layer%zu", i);
		layers[i].out = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		layers[i].in = pull_fetch(p, i, e);
		if (layers[i].in < 0 || layers[i].out < 0)
			return -1;
	}
	while (open > 0) {
		fds[n] = (struct pollfd){.fd = p->sock, .events = POLLIN};
		for (size_t i = 0; i < n; i++)
			fds[i] = (struct pollfd){.fd = layers[i].ended ? -1 : layers[i].in, .events = POLLIN};
		if (poll(fds, n + 1, -1) < 0)
			return err_sys(e, "poll");
		if (fds[n].revents && events(p, layers, e) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			if (fds[i].fd >= 0 && fds[i].revents && copy(&layers[i], e) < 0)
				return -1;
		open = 0;
		for (size_t i = 0; i < n; i++)
			open += !layers[i].ended || !layers[i].told;
	}
	return 0;
}

static int show_tags(struct pull *p, struct err *e)
{
	own(strv) struct strv tags = {};
	if (pull_tags(p, &tags, e) < 0)
		return -1;
	for (size_t i = 0; i < tags.n; i++)
		printf("tag %s\n", tags.v[i]);
	return tags.n ? pull_select(p, tags.v[0], e) : 0;
}

static int run(struct pull *p, char **argv, const char *mode, struct err *e)
{
	own(fd) int dir = open(argv[7], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(store) struct store s = {.root = -1, .lock = -1};
	if (dir < 0)
		return err_sys(e, "%s", argv[7]);
	if (str_eq(mode, "tags") && show_tags(p, e) < 0)
		return -1;
	if (pull_resolve(p, e) < 0 || write_out(dir, "manifest", p->manifest_text, p->manifest_len, e) < 0 ||
		write_out(dir, "config", p->config_text, p->config_len, e) < 0 || write_out(dir, "index", p->index_text, p->index_len, e) < 0 ||
		fetch(p, dir, e) < 0)
		return -1;
	if (str_eq(mode, "commit") && (store_open(&s, dir, e) < 0 || pull_commit(p, &s, 1, e) < 0))
		return -1;
	printf("digest %s\n", p->record.digests.v[0]);
	printf("ok %s\n", p->record.id);
	return 0;
}

int main(int argc, char **argv)
{
	own(pull) struct pull p = {.sock = -1, .pid = -1};
	own(strv) struct strv insecure = {};
	struct err e = {};
	if (argc < 9) {
		fputs("usage: see probe.c\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	strv_split(&insecure, argv[6], ',');
	struct pull_options o = {.program = argv[1], .config_dir = argv[2], .platform = argv[3],
		.retries = atoi(argv[4]) ? (unsigned)atoi(argv[4]) : PULL_NO_RETRY, .timeout_s = (unsigned)atoi(argv[5]),
		.insecure = (const char *const *)insecure.v};
	if (pull_open(&p, argv[8], &o, &e) == 0 && run(&p, argv, argv[9], &e) == 0)
		return 0;
	printf("%s: %s\n", err_map(e.kind)->word, e.text);
	return 1;
}
