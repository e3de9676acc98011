/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_leak: does a layer have a secret in it that its RUN was lent? The longest line of the secret is looked for in all files that the step
 * wrote, as it is: what was encoded or compressed is not found, and what is shorter than 8 bytes is not looked for. It is a warning.
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { NEEDLE_MIN = 8, ROOM = 256 << 10, DEPTH_MAX = 256 };

struct needle { const char *id; const char *p; size_t n; };
struct search {
	struct run *r;
	struct arena arena;
	struct { struct needle *v; size_t n; } needles;
	char *room; /* ROOM, and room for the longest needle */
	size_t longest;
};

static void add_needle(struct search *s, const char *id, const struct buf *text)
{
	const char *best = NULL, *at = text->data, *end = at + text->len;
	size_t n = 0;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);
		if (len > n) {
			best = at;
			n = len;
		}
		at += len + 1;
	}
	if (n < NEEDLE_MIN)
		return;
	*arena_push(&s->arena, &s->needles) = (struct needle){id, arena_ndup(&s->arena, best, n), n};
	s->longest = n > s->longest ? n : s->longest;
}

static void tell(const struct search *s, const struct needle *k, const char *path)
{
	const struct step *x = s->r->x;
	own(mem) char *text = mem_printf("%s:%u: the secret %.100s is in the layer: /%.500s", x->b->df.text.name, x->i->node->at.line, k->id, path);
	str_harmless(text);
	event_send(x->b, BUILD_WARNING, 0, NULL, 0, text, strlen(text));
}

static void look_into(struct search *s, int dir, const char *name, const char *path)
{
	own(fd) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	uint64_t told = 0;
	size_t kept = 0;
	ssize_t n;
	while (fd >= 0 && (n = read(fd, s->room + kept, ROOM)) > 0) {
		size_t all = kept + (size_t)n;
		for (size_t i = 0; i < s->needles.n && i < 64; i++)
			if (!(told & 1ull << i) && memmem(s->room, all, s->needles.v[i].p, s->needles.v[i].n)) {
				tell(s, &s->needles.v[i], path);
				told |= 1ull << i;
			}
		kept = all < s->longest - 1 ? all : s->longest - 1;
		memmove(s->room, s->room + all - kept, kept);
	}
}

static void look_below(struct search *s, int dir, const char *path, unsigned depth)
{
	own(strv) struct strv names = {};
	struct err none = {};
	if (depth >= DEPTH_MAX || path_list(dir, ".", &names, &none) < 0)
		return;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		own(mem) char *below = *path ? path_join(path, names.v[i]) : mem_dup(names.v[i]);
		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && st.st_size >= NEEDLE_MIN)
			look_into(s, dir, names.v[i], below);
		own(fd) int fd = S_ISDIR(st.st_mode) ? openat(dir, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
		if (fd >= 0)
			look_below(s, fd, below, depth + 1);
	}
}

void run_leaks_tell(struct run *r, int upper)
{
	struct search s = {.r = r};
	for (size_t i = 0; i < r->mounts.n; i++) {
		own(buf) struct buf text = BUF(SECRET_MAX);
		struct err none = {};
		if (r->mounts.v[i].kind == RUN_SECRET && run_mounts_secret(r, &r->mounts.v[i], &text, &none) == 1)
			add_needle(&s, r->mounts.v[i].id, &text);
	}
	if (s.needles.n) {
		s.room = mem_grow(NULL, ROOM + s.longest);
		look_below(&s, upper, "", 0);
	}
	mem_drop(&s.room);
	arena_drop(&s.arena);
}
