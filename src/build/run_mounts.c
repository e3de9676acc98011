/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_mounts: RUN --mount: read by a table of options, made into mount points of the container's record.
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/agent.h"
#include "build/interrupt.h"
#include "build/place.h"
#include "build/prune.h"
#include "build/tree.h"
#include "codec/json.h"
#include "engine/user.h"
#include "engine/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHES_MAX = 64, ASK_LAST_MS = 20 };
enum { ALL = 31, B = 1 << RUN_BIND, C = 1 << RUN_CACHE, T = 1 << RUN_TMPFS, S = 1 << RUN_SECRET, H = 1 << RUN_SSH };
static const char *const kinds[] = {"bind", "cache", "tmpfs", "secret", "ssh"};

enum option_kind { TEXT, YES, NO, NUMBER, MODE };
static const struct option {
	const char *name;
	unsigned kinds;
	enum option_kind kind;
	size_t at;
} options[] = {
	{"target", ALL, TEXT, offset_of(struct run_mount, target)}, {"dst", ALL, TEXT, offset_of(struct run_mount, target)},
	{"destination", ALL, TEXT, offset_of(struct run_mount, target)}, {"source", B | C, TEXT, offset_of(struct run_mount, source)},
	{"src", B | C, TEXT, offset_of(struct run_mount, source)}, {"from", B | C, TEXT, offset_of(struct run_mount, from)},
	{"id", C | S | H, TEXT, offset_of(struct run_mount, id)}, {"sharing", C, TEXT, offset_of(struct run_mount, sharing)},
	{"size", T, TEXT, offset_of(struct run_mount, size)}, {"env", S, TEXT, offset_of(struct run_mount, env)},
	{"rw", B | C, YES, offset_of(struct run_mount, rw)}, {"readwrite", B | C, YES, offset_of(struct run_mount, rw)},
	{"ro", B | C, NO, offset_of(struct run_mount, rw)}, {"readonly", B | C, NO, offset_of(struct run_mount, rw)},
	{"required", S | H, YES, offset_of(struct run_mount, required)}, {"mode", C | S | H, MODE, offset_of(struct run_mount, mode)},
	{"uid", C | S | H, NUMBER, offset_of(struct run_mount, uid)}, {"gid", C | S | H, NUMBER, offset_of(struct run_mount, gid)},
};

int run_mounts_wrong(struct run *r, struct err *e, const char *fmt, ...)
{
	va_list ap;
	own(buf) struct buf b = BUF(2000);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return lex_error(&r->x->b->df.text, r->x->i->node, "--mount", e, "--mount: %s", buf_text(&b));
}

static int set_option(struct run *r, struct run_mount *m, const struct option *o, const char *value, struct err *e)
{
	void *at = (char *)m + o->at;
	uint64_t n;
	char *end;
	switch (o->kind) {
	case TEXT: *(const char **)at = value ? value : ""; return 0;
	case YES:
	case NO:
		if (value && *value && !str_eq(value, "true") && !str_eq(value, "false") && !str_eq(value, "1") && !str_eq(value, "0"))
			return run_mounts_wrong(r, e, "invalid value for %s: %.40s", o->name, value);
		*(bool *)at = (str_is_empty(value) || str_eq(value, "true") || str_eq(value, "1")) == (o->kind == YES);
		return 0;
	case NUMBER:
		if (num_u64(value ? value : "", INT32_MAX, &n, o->name, e) < 0)
			return run_mounts_wrong(r, e, "%.200s", e->text);
		*(uint32_t *)at = (uint32_t)n;
		m->has_owner = true;
		return 0;
	case MODE:
		*(uint32_t *)at = (uint32_t)strtoul(value ? value : "", &end, 8);
		return str_is_empty(value) || *end || m->mode > 07777 ? run_mounts_wrong(r, e, "invalid mode %.40s", value ? value : "") : 0;
	}
	return 0;
}

static int read_option(struct run *r, struct run_mount *m, char *word, struct err *e)
{
	char *eq = strchr(word, '=');
	if (eq)
		*eq++ = 0;
	str_lower(word);
	if (str_eq(word, "type"))
		return 0;
	const char *names[countof(options)];
	size_t n = 0;
	const char *value = eq;
	for (size_t i = 0; i < countof(options); i++) {
		if (!(options[i].kinds & 1u << m->kind))
			continue;
		names[n++] = options[i].name;
		if (strcmp(options[i].name, word) != 0)
			continue;
		if (eq && !(value = step_expanded(r->x, eq, e)))
			return -1;
		return set_option(r, m, &options[i], value, e);
	}
	const char *near = str_nearest(word, names, n);
	return run_mounts_wrong(r, e, "type=%s has no option %.40s%s%s%s", kinds[m->kind], word, near ? " (did you mean " : "", near ? near : "",
		near ? "?)" : "");
}

static int settle(struct run *r, struct run_mount *m, struct err *e)
{
	struct arena *a = &r->x->s->arena;
	bool optional = m->kind == RUN_SECRET || m->kind == RUN_SSH;
	if (m->kind == RUN_SECRET && str_is_empty(m->id)) {
		if (str_is_empty(m->target))
			return run_mounts_wrong(r, e, "type=secret needs an id");
		m->id = path_base(m->target);
	}
	if (m->kind == RUN_SSH && str_is_empty(m->id))
		m->id = "default";
	if (m->kind == RUN_SECRET && str_is_empty(m->target) && !m->env)
		m->target = arena_printf(a, "/run/secrets/%s", m->id);
	if (m->kind == RUN_SSH && str_is_empty(m->target))
		m->target = arena_printf(a, "/run/buildkit/ssh_agent.%zu", r->mounts.n - 1);
	if (str_is_empty(m->target) && !optional)
		return run_mounts_wrong(r, e, "type=%s needs a target", kinds[m->kind]);
	if (!str_is_empty(m->target))
		m->target = step_path(r->x, m->target);
	if (m->target && strcmp(m->target, "/") == 0)
		return run_mounts_wrong(r, e, "the target cannot be /");
	if (m->kind == RUN_CACHE && str_is_empty(m->id))
		m->id = m->target;
	if (m->kind == RUN_CACHE && m->sharing && !str_eq(m->sharing, "shared") && !str_eq(m->sharing, "private") && !str_eq(m->sharing, "locked"))
		return run_mounts_wrong(r, e, "sharing=%.40s: shared, private and locked are known", m->sharing);
	return 0;
}

static int read_mount(struct run *r, const char *text, struct err *e)
{
	own(strv) struct strv words = {};
	const char *type = "bind";
	strv_split(&words, text, ',');
	for (size_t i = 0; i < words.n; i++)
		if (strncasecmp(words.v[i], "type=", 5) == 0)
			type = words.v[i] + 5;
	size_t kind = 0;
	while (kind < countof(kinds) && strcmp(kinds[kind], type) != 0)
		kind++;
	if (kind == countof(kinds))
		return run_mounts_wrong(r, e, "unknown type %.40s: bind, cache, tmpfs, secret and ssh are known", type);
	struct run_mount *m = arena_push(&r->x->s->arena, &r->mounts);
	*m = (struct run_mount){.kind = (enum run_mount_kind)kind, .rw = kind == RUN_CACHE, .lock = -1, .ready = -1,
		.mode = kind == RUN_SECRET ? 0400 : kind == RUN_SSH ? 0600 : 0755};
	for (size_t i = 0; i < words.n; i++)
		if (read_option(r, m, words.v[i], e) < 0)
			return -1;
	return settle(r, m, e);
}

int run_mounts_read(struct run *r, struct err *e)
{
	const char *text;
	for (size_t i = 0; (text = inst_flag(r->x->i, "mount", i)); i++)
		if (read_mount(r, text, e) < 0)
			return -1;
	return 0;
}

void run_mounts_drop(struct run *r)
{
	for (size_t i = 0; i < r->mounts.n; i++) {
		fd_drop(&r->mounts.v[i].lock);
		fd_drop(&r->mounts.v[i].ready);
		if (r->mounts.v[i].relay)
			agent_relay_stop(r->mounts.v[i].relay);
		r->mounts.v[i].relay = 0;
	}
}

/* --- keys --- */

void run_mounts_key(struct run *r, struct key *k)
{
	for (size_t i = 0; i < r->mounts.n; i++) {
		const struct run_mount *m = &r->mounts.v[i];
		own(mem) char *fixed = mem_printf("%s mode=%o owner=%u:%u:%d rw=%d", kinds[m->kind], m->mode, m->uid, m->gid, m->has_owner, m->rw);
		key_add(k, "mount", fixed);
		key_add(k, "target", m->target);
		key_add(k, "source", m->source);
		key_add(k, "id", m->kind == RUN_CACHE ? NULL : m->id);
		key_add(k, "variable", m->env);
		key_add(k, "size", m->size);
	}
}

struct summing { struct tree t; struct tree_sum sum; };

static int sum_item(void *arg, const struct tree_item *i, struct err *e)
{
	struct summing *s = arg;
	return tree_add(&s->t, &s->sum, i, e);
}

static int add_context(struct run *r, const struct run_mount *m, const struct context *c, struct key *k, struct err *e)
{
	struct summing s = {.t = {.root = c->dir, .ignore = &c->ignore, .cache = c->stats, .is_context = true}};
	own(strv) struct strv paths = {};
	char digest[DIGEST_TEXT] = "";
	if (c->dir < 0)
		return run_mounts_wrong(r, e, "there is no context to bind from");
	if (tree_sources(&s.t, str_is_empty(m->source) ? "." : m->source, &paths, NULL, e) < 0)
		return run_mounts_wrong(r, e, "%.300s", e->text);
	int result = 0;
	for (size_t i = 0; result == 0 && i < paths.n; i++)
		result = tree_walk(&s.t, paths.v[i], sum_item, &s, e);
	if (s.sum.digest)
		digest_end(s.sum.digest, digest);
	digest_drop(&s.sum.digest);
	key_add(k, "content", digest);
	return result == 0 && c->stats ? statcache_save(c->stats, e) : result;
}

int run_mounts_content(struct run *r, struct key *k, struct err *e)
{
	for (size_t i = 0; i < r->mounts.n; i++) {
		struct run_mount *m = &r->mounts.v[i];
		if (m->kind == RUN_BIND && str_is_empty(m->from) && add_context(r, m, &r->x->b->context, k, e) < 0)
			return -1;
		if ((m->kind != RUN_BIND && m->kind != RUN_CACHE) || str_is_empty(m->from))
			continue;
		struct source of = {};
		if (source_find(r->x->b, r->x->s, m->from, NULL, &r->x->s->arena, &of, NULL, e) < 0)
			return e->kind == ERR_USAGE ? run_mounts_wrong(r, e, "%.300s", e->text) : -1;
		key_add_list(k, "from", &of.layers);
		if (of.context && add_context(r, m, of.context, k, e) < 0)
			return -1;
	}
	return 0;
}

/* --- places --- */

void run_mounts_ready(struct run *r, struct spec *spec)
{
	for (size_t i = 0; i < r->mounts.n; i++)
		for (size_t k = 0; r->mounts.v[i].ready >= 0 && k < spec->mounts.n; k++)
			if (str_eq(spec->mounts.v[k].destination, r->mounts.v[i].target))
				spec->mounts.v[k].ready = r->mounts.v[i].ready;
}

static char *hashed_name(struct arena *a, const char *id)
{
	char digest[DIGEST_TEXT] = "";
	struct err none = {};
	(void)!digest_of(id, strlen(id), digest, &none);
	return arena_printf(a, "build-%.32s", digest_hex(digest));
}

/* A volume of that name; what no volume may be called is told by a digest. */
static char *cache_name(struct arena *a, const char *id)
{
	char *name = arena_printf(a, "build-%s", *id == '/' ? id + 1 : id);
	bool plain = strlen(name) < 100;
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '.';
		else if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("_.-", *p)))
			plain = false;
	return plain ? name : hashed_name(a, id);
}

/* Names may meet: of /a/b and a.b, of the second private one of a and the first of a-2. The label says whose a volume is. */
static bool is_of(struct engine *g, const char *name, const char *id)
{
	struct err none = {};
	own(json) struct json *v = volume_inspect(g, name, &none);
	const char *label = v ? json_get_str(json_get(v, "Labels"), CACHE_MOUNT_LABEL) : NULL;
	return !label || strcmp(label, id) == 0;
}

/* The volume of a cache, open and locked as long as the step runs: nobody prunes it meanwhile. 1: somebody else has it; 2: it is another cache's. */
static int hold_cache(struct run *r, struct run_mount *m, const char *name, struct err *e)
{
	struct build *b = r->x->b;
	char label[] = CACHE_MOUNT_LABEL;
	struct pair pair = {label, (char *)(uintptr_t)m->id};
	struct map labels = {&pair, 1};
	own(mem) char *made = NULL, *path = volume_path(b->g, name), *above = mem_printf("%s/..", path);
	bool private = str_eq(m->sharing, "private"), locked = str_eq(m->sharing, "locked");
	if (volume_create(b->g, name, &labels, NULL, &made, e) < 0)
		return -1;
	if (!is_of(b->g, name, m->id))
		return 2;
	own(fd) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cache %s", name);
	if (flock(dir, (private || locked ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : err_sys(e, "cache %s", name);
	/* When it was used last: prune.c. */
	(void)!utimensat(AT_FDCWD, above, NULL, 0);
	m->lock = take_fd(dir);
	m->path = arena_dup(&r->c.arena, path);
	return 0;
}

static int fill_cache(struct run *r, struct run_mount *m, const char *name, size_t i, struct err *e)
{
	struct engine *g = r->x->b->g;
	if (str_is_empty(m->from))
		return volume_fill(g, name, -1, m->uid, m->gid, e);
	struct run_mount from = *m;
	from.kind = RUN_BIND;
	from.rw = false;
	if (run_bind_place(r, &from, i, e) < 0)
		return -1;
	own(fd) int ready = from.ready;
	own(fd) int fill = ready >= 0 ? openat(ready, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : open(from.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fill < 0 ? err_sys(e, "cache %s", name) : volume_fill(g, name, fill, m->uid, m->gid, e);
}

/* A private one is that of who comes first; who is there meanwhile has another, which is used again too. 1: somebody else has it. */
static int hold_some(struct run *r, struct run_mount *m, char *base, char **ret_name, struct err *e)
{
	int held = hold_cache(r, m, *ret_name = base, e);
	if (held == 2)
		held = hold_cache(r, m, *ret_name = base = hashed_name(&r->c.arena, m->id), e);
	if (held == 2)
		return err_set(e, ERR_CONFLICT, "cache %s: there is a volume %s with another label " CACHE_MOUNT_LABEL, m->id, base);
	if (held != 1 || !str_eq(m->sharing, "private"))
		return held;
	for (unsigned n = 2; held > 0 && n <= CACHES_MAX; n++)
		held = hold_cache(r, m, *ret_name = arena_printf(&r->c.arena, "%s-%u", base, n), e);
	return held > 0 ? err_set(e, ERR_CONFLICT, "cache %s: %d builds have one of their own", base, CACHES_MAX) : held;
}

/* Who waits asks now and then, as share.c does, and holds no lock meanwhile. ret_lock: volumes.lock, shared. */
static int wait_for_cache(struct run *r, struct run_mount *m, char *base, char **ret_name, int *ret_lock, struct err *e)
{
	static const char told[] = "a cache mount is in use elsewhere: waiting for it\n";
	for (int ms = 1;; ms = ms < ASK_LAST_MS ? 2 * ms : ms) {
		*ret_lock = path_lock(r->x->b->g->root, "volumes.lock", false, true, e);
		int held = *ret_lock < 0 ? -1 : hold_some(r, m, base, ret_name, e);
		if (held != 1)
			return held;
		fd_drop(ret_lock);
		if (ms == 1)
			event_send(r->x->b, BUILD_OUTPUT, r->x->number, r->x->name, 0, told, sizeof told - 1);
		(void)interrupt_poll(NULL, 0, ms);
		if (interrupt_came())
			return err_set(e, ERR_CONFLICT, "interrupted");
	}
}

static int place_cache(struct run *r, struct run_mount *m, size_t i, struct err *e)
{
	struct build *b = r->x->b;
	struct user u = {};
	struct arena *a = &r->c.arena;
	char *name = m->volume;
	if (!m->has_owner && user_lookup(r->root, r->x->s->config.config.user ? r->x->s->config.config.user : "", a, &u, e) == 0) {
		m->uid = u.uid;
		m->gid = u.gid;
	}
	own(fd) int lock = -1;
	if (wait_for_cache(r, m, m->volume, &name, &lock, e) < 0)
		return -1;
	bool is_new = volume_is_new(b->g, name);
	if (is_new && fill_cache(r, m, name, i, e) < 0)
		return -1;
	return is_new && fchmod(m->lock, m->mode) < 0 ? err_sys(e, "cache %s", name) : 0;
}

/* By caches; of one, who wants it alone comes first. */
static int in_turn(const void *a, const void *b)
{
	const struct run_mount *x = *(struct run_mount *const *)a, *y = *(struct run_mount *const *)b;
	int differ = strcmp(x->id, y->id), shares = str_is_empty(x->sharing) || str_eq(x->sharing, "shared");
	if (differ)
		return differ;
	differ = shares - (str_is_empty(y->sharing) || str_eq(y->sharing, "shared"));
	return differ ? differ : x < y ? -1 : x > y;
}

/* All steps take caches in one order, or two of them would wait for each other; one that is mounted twice is taken once. */
static int place_caches(struct run *r, struct err *e)
{
	struct arena *a = &r->c.arena;
	struct run_mount **order = arena_alloc(a, (r->mounts.n + 1) * sizeof *order);
	/* A namespace is a word before the id. */
	const char *space = strv_env_get(&r->x->b->q->args, "BUILDKIT_CACHE_MOUNT_NS");
	size_t n = 0;
	for (size_t i = 0; i < r->mounts.n; i++) {
		struct run_mount *m = &r->mounts.v[i];
		if (m->kind != RUN_CACHE)
			continue;
		if (!str_is_empty(space))
			m->id = arena_printf(a, "%s/%s", space, m->id);
		m->volume = cache_name(a, m->id);
		order[n++] = m;
	}
	if (n)
		qsort(order, n, sizeof *order, in_turn);
	for (size_t i = 0; i < n; i++)
		if (i && strcmp(order[i]->id, order[i - 1]->id) == 0)
			order[i]->path = order[i - 1]->path;
		else if (place_cache(r, order[i], (size_t)(order[i] - r->mounts.v), e) < 0)
			return -1;
	return 0;
}

static int read_secret(struct run *r, const struct build_secret *s, struct buf *out, struct err *e)
{
	const char *value = s->is_env ? getenv(s->source) : NULL;
	if (s->is_env && !value)
		return run_mounts_wrong(r, e, "secret %.100s: the variable %.100s is not set", s->id, s->source);
	if (s->is_env)
		return buf_str(out, value), 0;
	return path_read(AT_FDCWD, s->source, out, e) < 0 ? err_wrap(e, "secret %.100s", s->id) : 0;
}

int run_mounts_secret(struct run *r, const struct run_mount *m, struct buf *out, struct err *e)
{
	const struct build_request *q = r->x->b->q;
	const struct build_secret *s = NULL;
	for (size_t k = 0; k < q->secrets.n; k++)
		if (str_eq(q->secrets.v[k].id, m->id))
			s = &q->secrets.v[k];
	if (!s)
		return m->required ? run_mounts_wrong(r, e, "secret %.100s was not given: --secret id=%.100s,src=FILE", m->id, m->id) : 0;
	return read_secret(r, s, out, e) < 0 ? -1 : 1;
}

static int place_secret(struct run *r, struct run_mount *m, size_t i, struct err *e)
{
	char name[32];
	own(buf) struct buf text = BUF(SECRET_MAX);
	int given = run_mounts_secret(r, m, &text, e);
	if (given != 1)
		return given;
	if (m->env)
		arena_strv_add(&r->x->s->arena, &r->env, arena_printf(&r->c.arena, "%s=%s", m->env, buf_text(&text)));
	if (str_is_empty(m->target))
		return 0;
	snprintf(name, sizeof name, "secret-%zu", i);
	own(fd) int fd = openat(r->run_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, buf_text(&text), text.len) < 0 || fchown(fd, m->uid, m->gid) < 0 || fchmod(fd, m->mode) < 0)
		return err_sys(e, "secret %.100s", m->id);
	m->path = arena_printf(&r->c.arena, "%s/containers/%s/%s", r->x->b->g->run_path, r->id, name);
	return 0;
}

static int place_ssh(struct run *r, struct run_mount *m, size_t i, struct err *e)
{
	char name[32];
	const char *source = build_agent(r->x->b, m->id);
	if (str_is_empty(source))
		return m->required ? run_mounts_wrong(r, e, "the agent %.100s was not given: --ssh %.100s", m->id, m->id) : 0;
	snprintf(name, sizeof name, "ssh-%zu", i);
	pid_t relay = agent_relay(r->run_dir, name, source, m->mode, m->uid, m->gid, e);
	if (relay < 0)
		return -1;
	m->relay = relay;
	m->path = arena_printf(&r->c.arena, "%s/containers/%s/%s", r->x->b->g->run_path, r->id, name);
	m->rw = true;
	arena_strv_add(&r->x->s->arena, &r->env, arena_printf(&r->c.arena, "SSH_AUTH_SOCK=%s", m->target));
	return 0;
}

static void add_point(struct run *r, const char *type, const char *source, const char *target, bool rw, const char *mode)
{
	struct arena *a = &r->c.arena;
	*arena_push(a, &r->c.record.mounts) = (struct mount_point){.type = arena_dup(a, type), .source = arena_dup(a, source ? source : ""),
		.destination = arena_dup(a, target), .rw = rw, .mode = arena_dup(a, mode ? mode : ""), .propagation = arena_dup(a, "rprivate")};
}

static int place_script(struct run *r, struct err *e)
{
	if (!r->script.body)
		return 0;
	own(fd) int fd = openat(r->run_dir, "script", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd < 0 || fd_write_all(fd, r->script.body, strlen(r->script.body)) < 0 || fchmod(fd, 0755) < 0)
		return err_sys(e, "here-document");
	own(mem) char *source = mem_printf("%s/containers/%s/script", r->x->b->g->run_path, r->id);
	add_point(r, "bind", source, r->args.v[0], false, NULL);
	return 0;
}

int run_mounts_place(struct run *r, struct err *e)
{
	if (place_caches(r, e) < 0)
		return -1;
	for (size_t i = 0; i < r->mounts.n; i++) {
		struct run_mount *m = &r->mounts.v[i];
		int result = 0;
		switch (m->kind) {
		case RUN_BIND: result = run_bind_place(r, m, i, e); break;
		case RUN_CACHE: break;
		case RUN_SECRET: result = place_secret(r, m, i, e); break;
		case RUN_SSH: result = place_ssh(r, m, i, e); break;
		case RUN_TMPFS: {
			own(mem) char *size = str_is_empty(m->size) ? NULL : mem_printf("size=%s", m->size);
			add_point(r, "tmpfs", "", m->target, true, size);
		}
		}
		if (result < 0)
			return -1;
		if (m->path)
			add_point(r, "bind", m->path, m->target, m->rw, NULL);
	}
	for (size_t i = 0; i < r->x->b->q->volumes.n; i++) {
		const struct build_volume *v = &r->x->b->q->volumes.v[i];
		add_point(r, "bind", v->source, v->target, !v->ro, NULL);
	}
	return place_script(r, e);
}
