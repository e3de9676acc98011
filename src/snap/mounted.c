/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounted: see mounted.h.
 *
 * Each mount of an EROFS file has a superblock of its own, and with it a cache of the file's pages of its own: a hundred containers of one
 * image would read a hundred times, into memory a hundred times, what one of them has there. So the monitor of a container keeps the
 * mounts of its layers open, and <run>/layers/<diff hex>, a symlink that leads nowhere, says who has the layer:
 *
 *     <dev>.<inode of the layer's file>.<f_fsid of the mount>.<last>[ <pid>.<start time>.<fd>]...
 *
 * A start takes a descriptor from one of these (pidfd_getfd(2): the same open file, so that the mount lives until the last of them
 * closes it) and gives it to overlay as its own. Nothing in the link is believed: the process has to be the one that was meant, not one
 * with its number; the descriptor an EROFS mount with that file system's id; and the file the one that now has the layer's name, which
 * nothing else can be while a mount holds its inode. Whatever is odd means a mount of one's own, as if nobody had one.
 *
 *   starter: mounted_begin()    the folder is opened
 *            mounted_take()     a miss locks the folder, and looks again: of those that start at once one mounts, and the others take
 *            mounted_end()      what is new is told under the starter's number; unlocked
 *   monitor: snap_tell_mounts()  one link more, @<the starter's pid>.<start time> -> <pid>.<start time>, says that it has these now; where
 *                             they were taken its own number comes beside those that are there
 *   its end: snap_let_go()    its number goes, and the link with the last one; what a killed one leaves the next start overwrites
 *
 * A link names a few holders. The first stays for as long as it lives; a new one takes the place of some other when there is no room, so
 * that among many that come and go some are alive.
 *
 * Before Linux 6.13 overlay wants its layers attached, and a mount that was is of no use for another stack: nothing is told.
 */
#include "snap/mounted.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "sys/mount.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { HELD_MAX = 128, HOLDERS_MAX = 6, ENTRY_TEXT = 512, LOCK_TRIES = 20 };

struct holder { pid_t pid; uint64_t start; int fd; };
struct entry {
	uint64_t dev, ino, fsid;
	unsigned last;
	size_t n;
	struct holder v[HOLDERS_MAX];
};
struct held { char diff_id[DIGEST_TEXT]; int fd; bool is_new; struct entry entry; };

struct shares {
	int run;         /* borrowed */
	int dir;         /* <run>/layers; -1: it was not there */
	bool holds, locked;
	struct holder self;
	struct holder starter; /* in whose name we hold what is new; pid 0: in our own */
	struct holder asked; /* who was asked last, by this */
	int pidfd;
	struct held *v;
	size_t n;
};

void snap_share_mounts(struct snap *s, int run)
{
	s->shares = mem_alloc(sizeof *s->shares);
	*s->shares = (struct shares){.run = run, .dir = -1, .pidfd = -1};
}

static int open_dir(struct shares *h, bool make)
{
	if (h->dir >= 0 || (make && mkdirat(h->run, "layers", 0700) < 0 && errno != EEXIST))
		return h->dir;
	return h->dir = openat(h->run, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool parse(const char *text, struct entry *ret)
{
	int used = 0;
	*ret = (struct entry){};
	if (sscanf(text, "%" SCNx64 ".%" SCNu64 ".%" SCNx64 ".%u%n", &ret->dev, &ret->ino, &ret->fsid, &ret->last, &used) != 4)
		return false;
	for (text += used; *text && ret->n < HOLDERS_MAX; text += used) {
		struct holder *o = &ret->v[ret->n];
		if (sscanf(text, " %d.%" SCNu64 ".%d%n", &o->pid, &o->start, &o->fd, &used) != 3 || o->pid <= 0 || !o->start || o->fd < 0)
			return false;
		ret->n++;
	}
	return *text == 0;
}

static bool load(const struct shares *h, const char *diff_id, struct entry *ret)
{
	char text[ENTRY_TEXT];
	ssize_t n = readlinkat(h->dir, digest_hex(diff_id), text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	return n > 0 && parse(text, ret);
}

static void put_link(const struct shares *h, const char *name, const char *text)
{
	char tmp[32];
	snprintf(tmp, sizeof tmp, "tmp-%d", (int)getpid());
	/* One that is there was left by a process that is dead. */
	if (symlinkat(text, h->dir, tmp) < 0 && (errno != EEXIST || unlinkat(h->dir, tmp, 0) < 0 || symlinkat(text, h->dir, tmp) < 0))
		return;
	if (renameat(h->dir, tmp, h->dir, name) < 0)
		unlinkat(h->dir, tmp, 0);
}

static void save(const struct shares *h, const char *diff_id, const struct entry *x)
{
	char text[ENTRY_TEXT];
	int n = snprintf(text, sizeof text, "%" PRIx64 ".%" PRIu64 ".%" PRIx64 ".%u", x->dev, x->ino, x->fsid, x->last);
	for (size_t i = 0; i < x->n; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " %d.%" PRIu64 ".%d", (int)x->v[i].pid, x->v[i].start, x->v[i].fd);
	put_link(h, digest_hex(diff_id), text);
}

static void name_heir(const struct holder *of, char out[48])
{
	snprintf(out, 48, "@%d.%" PRIu64, (int)of->pid, of->start);
}

/* Who has it now: the one that is named, or the monitor that it started. */
static struct holder heir_of(const struct shares *h, const struct holder *o)
{
	char name[48], text[48];
	struct holder heir = {};
	name_heir(o, name);
	ssize_t n = readlinkat(h->dir, name, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	return n > 0 && sscanf(text, "%d.%" SCNu64, &heir.pid, &heir.start) == 2 && heir.pid > 0 && heir.start ? heir : *o;
}

static void forget_heir(const struct shares *h, const struct holder *o)
{
	char name[48];
	name_heir(o, name);
	unlinkat(h->dir, name, 0);
}

/* Of one that was killed nothing stays. */
static bool is_alive(const struct shares *h, const struct holder *o, const struct holder *heir)
{
	if (proc_start_time(heir->pid) == heir->start)
		return true;
	forget_heir(h, o);
	return false;
}

static bool is_same(const struct holder *a, const struct holder *b)
{
	return a->pid == b->pid && a->start == b->start;
}

static void leave(struct entry *x, const struct holder *who)
{
	size_t n = 0;
	for (size_t i = 0; i < x->n; i++)
		if (!is_same(&x->v[i], who))
			x->v[n++] = x->v[i];
	x->n = n;
}

/* Who stands before the one that was asked and had it was asked too, and is dead. */
static void drop_before(struct entry *x, const struct holder *who)
{
	size_t i = 0;
	while (i < x->n && !is_same(&x->v[i], who))
		i++;
	if (i == x->n)
		return;
	x->n -= i;
	memmove(x->v, x->v + i, x->n * sizeof *x->v);
}

static void join(struct entry *x, const struct holder *who)
{
	leave(x, who);
	size_t at = x->n < HOLDERS_MAX ? x->n++ : 1 + (size_t)who->pid % (HOLDERS_MAX - 1);
	x->v[at] = *who;
}

static uint64_t fsid_of(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0 || (unsigned long)fs.f_type != EROFS_SUPER_MAGIC_V1)
		return 0;
	uint64_t id = 0;
	memcpy(&id, &fs.f_fsid, sizeof id);
	return id;
}

/* The pidfd is opened first: if the start time is right after that, it is that process's. */
static int take_from(struct shares *h, const struct holder *o, uint64_t fsid)
{
	if (!is_same(o, &h->asked)) {
		fd_drop(&h->pidfd);
		h->asked = (struct holder){};
		struct holder heir = heir_of(h, o);
		h->pidfd = proc_pidfd_open(heir.pid);
		if (!is_alive(h, o, &heir) || h->pidfd < 0)
			return -1;
		h->asked = *o;
	}
	own(fd) int fd = proc_pidfd_getfd(h->pidfd, o->fd);
	return fd < 0 || fsid_of(fd) != fsid ? -1 : take_fd(fd);
}

static int take_from_any(struct shares *h, struct entry *x)
{
	while (x->n) {
		int fd = take_from(h, &x->v[0], x->fsid);
		if (fd >= 0)
			return fd;
		memmove(x->v, x->v + 1, --x->n * sizeof *x->v);
	}
	return -1;
}

static struct held *hold(struct shares *h, const char *diff_id, int fd, bool is_new, const struct entry *x)
{
	h->v = mem_grow(h->v, (h->n + 1) * sizeof *h->v);
	struct held *v = &h->v[h->n++];
	*v = (struct held){.fd = fd, .is_new = is_new, .entry = *x};
	snprintf(v->diff_id, sizeof v->diff_id, "%s", diff_id);
	return v;
}

static int look(const struct snap *s, const char *diff_id, struct entry *x)
{
	struct stat st;
	if (!load(s->shares, diff_id, x) || fstatat(s->layers, digest_hex(diff_id), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return st.st_dev == x->dev && st.st_ino == x->ino && S_ISREG(st.st_mode) ? take_from_any(s->shares, x) : -1;
}

/* Who has it locked is mounting: that takes a moment, and is not worth more than a few. */
static void lock(struct shares *h)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	for (int i = 0; open_dir(h, true) >= 0 && i < LOCK_TRIES; i++) {
		h->locked = flock(h->dir, LOCK_EX | LOCK_NB) == 0;
		if (h->locked || errno != EWOULDBLOCK)
			return;
		nanosleep(&moment, NULL);
	}
}

static void unlock(struct shares *h)
{
	if (h->locked)
		flock(h->dir, LOCK_UN);
	h->locked = false;
}

bool mounted_take(struct snap *s, const char *diff_id, struct lower *l, bool *ret_held)
{
	struct shares *h = s->shares;
	struct entry x;
	if (!h || !digest_is_valid(diff_id))
		return false;
	int fd = h->dir < 0 ? -1 : look(s, diff_id, &x);
	if (fd < 0 && h->holds && !h->locked) {
		lock(h);
		fd = h->locked ? look(s, diff_id, &x) : -1;
	}
	if (fd < 0)
		return false;
	*l = (struct lower){.fd = fd, .mount = true, .last = x.last};
	*ret_held = h->holds && h->n < HELD_MAX;
	if (*ret_held)
		hold(h, diff_id, fd, false, &x);
	return true;
}

bool mounted_add(struct snap *s, const char *diff_id, const struct lower *l)
{
	struct shares *h = s->shares;
	uint64_t fsid = !h || !h->holds || h->dir < 0 || h->n == HELD_MAX ? 0 : fsid_of(l->fd);
	if (!fsid)
		return false;
	struct entry x = {.dev = l->dev, .ino = l->ino, .fsid = fsid, .last = l->last};
	hold(h, diff_id, l->fd, true, &x);
	return true;
}

void mounted_begin(struct snap *s, bool holds)
{
	if (!s->shares)
		return;
	if (holds)
		snap_let_go(s);
	s->shares->holds = holds;
	open_dir(s->shares, false);
}

static void close_held(struct shares *h)
{
	for (size_t i = 0; i < h->n; i++)
		close(h->v[i].fd);
	h->n = 0;
}

void mounted_end(struct snap *s, bool mounted)
{
	struct shares *h = s->shares;
	if (!h)
		return;
	bool held = h->holds;
	h->holds = false;
	h->asked = (struct holder){};
	fd_drop(&h->pidfd);
	/* Volumes are filled from a second mount, beside the container's root. */
	if (!held)
		return;
	if (!mounted)
		close_held(h);
	for (size_t i = 0; i < h->n; i++) {
		if (!h->v[i].is_new)
			continue;
		if (h->self.pid != getpid())
			h->self = (struct holder){.pid = getpid(), .start = proc_start_time(getpid())};
		struct held *v = &h->v[i];
		h->self.fd = v->fd;
		join(&v->entry, &h->self);
		save(h, v->diff_id, &v->entry);
	}
	unlock(h);
}

size_t snap_held(const struct snap *s, int *ret)
{
	const struct shares *h = s->shares;
	if (!h || h->dir < 0)
		return 0;
	for (size_t i = 0; ret && i < h->n; i++)
		ret[i] = h->v[i].fd;
	if (ret)
		ret[h->n] = h->dir;
	return h->n + 1;
}

/* As the link is now. Where the layer is another file by now, ours is of no use to others. */
static void tell(const struct shares *h, const struct held *v)
{
	struct entry x;
	if (!load(h, v->diff_id, &x))
		x = v->entry;
	else if (x.dev != v->entry.dev || x.ino != v->entry.ino || x.fsid != v->entry.fsid)
		return;
	drop_before(&x, &v->entry.v[0]);
	join(&x, &h->self);
	save(h, v->diff_id, &x);
}

void snap_tell_mounts(struct snap *s, uint64_t start_time)
{
	struct shares *h = s->shares;
	if (!h || !h->n)
		return;
	bool any_new = false;
	char name[48], text[48];
	struct holder starter = h->self;
	h->self = (struct holder){.pid = getpid(), .start = start_time};
	lock(h);
	for (size_t i = 0; i < h->n; i++) {
		any_new |= h->v[i].is_new;
		h->self.fd = h->v[i].fd;
		if (!h->v[i].is_new)
			tell(h, &h->v[i]);
	}
	if (any_new) {
		h->starter = starter;
		name_heir(&starter, name);
		name_heir(&h->self, text);
		put_link(h, name, text + 1);
	}
	unlock(h);
}

void snap_pass_on(struct snap *s)
{
	struct shares *h = s->shares;
	if (!h)
		return;
	close_held(h);
	h->starter = (struct holder){};
	fd_drop(&h->dir);
}

void snap_let_go(struct snap *s)
{
	struct shares *h = s->shares;
	struct holder lives = {};
	struct entry x;
	if (!h)
		return;
	bool told = h->n && h->self.pid == getpid();
	if (told)
		lock(h);
	for (size_t i = 0; told && i < h->n; i++) {
		const char *id = h->v[i].diff_id;
		size_t n = load(h, id, &x) ? x.n : 0;
		leave(&x, h->starter.pid && h->v[i].is_new ? &h->starter : &h->self);
		/* One that was killed did not leave: who is not asked any more does not hold the link. */
		for (; x.n && !is_same(&x.v[0], &lives); memmove(x.v, x.v + 1, --x.n * sizeof *x.v)) {
			struct holder heir = heir_of(h, &x.v[0]);
			if (is_alive(h, &x.v[0], &heir))
				break;
		}
		if (x.n)
			lives = x.v[0];
		if (n && !x.n)
			unlinkat(h->dir, digest_hex(id), 0);
		else if (n > x.n)
			save(h, id, &x);
	}
	if (told && h->starter.pid)
		forget_heir(h, &h->starter);
	unlock(h);
	snap_pass_on(s);
}

void mounted_forget(struct snap *s, const char *diff_id)
{
	if (s->shares && open_dir(s->shares, false) >= 0)
		unlinkat(s->shares->dir, digest_hex(diff_id), 0);
}

void mounted_drop(struct snap *s)
{
	if (!s->shares)
		return;
	snap_pass_on(s);
	free(s->shares->v);
	fd_drop(&s->shares->pidfd);
	mem_drop(&s->shares);
}
