/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_engine: an engine with its two directories in a temporary place, a root file system of a few files, and a container's entry
 * that was never started.
 */
#pragma once

#include "engine/engine.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/container.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	char path[64];
	struct engine g;
	struct container_entry c;
	int root;
	struct err e;
};

static inline void bench_put(int dir, const char *path, const char *text)
{
	struct err e = {};
	assert_int_equal(path_write(dir, path, text, strlen(text), 0644, 0, &e), 0);
}

static inline int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	char root[80], run[80];
	snprintf(b->path, sizeof b->path, "/tmp/t_engine.XXXXXX");
	if (!b || !mkdtemp(b->path))
		return -1;
	snprintf(root, sizeof root, "%s/root", b->path);
	snprintf(run, sizeof run, "%s/run", b->path);
	unsetenv("HULL_CONFIG");
	setenv("HULL_NETWORK", "none", 1);
	setenv("XDG_CONFIG_HOME", b->path, 1);
	struct engine_options o = {.root = root, .run_root = run};
	if (engine_open(&b->g, &o, &b->e) < 0 || path_mkdirs(AT_FDCWD, b->path, 0755, &b->e) < 0) {
		fprintf(stderr, "%s\n", b->e.text);
		return -1;
	}
	snprintf(root, sizeof root, "%s/rootfs", b->path);
	if (path_mkdirs(AT_FDCWD, root, 0755, &b->e) < 0 || (b->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
		path_mkdirs(b->root, "etc", 0755, &b->e) < 0)
		return -1;
	bench_put(b->root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv/web:/bin/false\nbroken\n1000:x:7:8::/odd:/x\n");
	bench_put(b->root, "etc/group", "root:x:0:\nweb:x:34:\naudio:x:29:web,other\nvideo:x:44:other\nnone:x\n");
	b->c = (struct container_entry){.dir = -1, .lock = -1};
	memset(b->c.id, 'a', 64);
	if (containers_make(&b->g.containers, b->c.id, &b->c.dir, &b->c.lock, &b->e) < 0)
		return -1;
	b->c.record.id = b->c.id;
	b->c.record.name = arena_dup(&b->c.arena, "/web");
	*state = b;
	return 0;
}

static inline int bench_teardown(void **state)
{
	struct bench *b = *state;
	struct err e = {};
	container_entry_drop(&b->c);
	close(b->root);
	engine_drop(&b->g);
	int r = path_remove_tree(AT_FDCWD, b->path, &e);
	free(b);
	return r;
}

#define word(s) ((char *)(uintptr_t)(s))
