/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_rules: a process is looked at through /proc: its effective ids, its program. Where it is already, nothing is written: a move
 * waits for all of the machine's forks.
 */
#include "engine/cgroup_rules.h"

#include "base/path.h"
#include "engine/sticky.h"
#include "sys/accounts.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void rules_drop(struct rules *r)
{
	arena_drop(&r->arena);
	*r = (struct rules){};
}

struct parsing { const char *file; unsigned line; struct rules *rules; struct { struct rules_rule *v; size_t n; } list; };

static int wrong(const struct parsing *p, struct err *e, const char *what, const char *word)
{
	return err_set(e, ERR_USAGE, "%.200s:%u: %s%.600s", p->file, p->line, what, word);
}

static int check_destination(const struct parsing *p, const char *destination, struct err *e)
{
	for (const char *at = destination; (at = strchr(at, '%')); at += 2)
		if (!at[1] || !strchr("uUgGpP", at[1]))
			return wrong(p, e, "only %u %U %g %G %p and %P are known in a destination: ", destination);
	return 0;
}

static int add_action(const struct parsing *p, struct rules_rule *r, char **f, struct err *e)
{
	struct arena *a = &p->rules->arena;
	struct rules_action *action = arena_push(a, &r->actions);
	*action = (struct rules_action){.controllers = arena_dup(a, f[1]), .destination = arena_dup(a, f[2]), .line = p->line};
	for (char *word, *rest = f[3]; rest && (word = strsep(&rest, ","));) {
		if (strcmp(word, "ignore") != 0 && strcmp(word, "ignore_rt") != 0)
			return wrong(p, e, "unknown option: ", word);
		action->ignore |= strcmp(word, "ignore") == 0;
	}
	if (check_destination(p, f[2], e) < 0)
		return -1;
	own(arena) struct arena scratch = {};
	own(mem) char *named = mem_printf("%s:%s", f[1], f[2]);
	struct cgroup_named g;
	struct err why = {};
	return cgroup_named_parse(named, &scratch, &g, &why) < 0 ? wrong(p, e, "", why.text) : 0;
}

static int read_who(const struct parsing *p, char *who, struct rules_rule *r, struct err *e)
{
	struct err why = {};
	char *colon = strchr(who, ':');
	if (colon) {
		*colon = 0;
		if (!colon[1])
			return wrong(p, e, "a process is missing behind the colon of ", who);
		r->process = arena_dup(&p->rules->arena, colon + 1);
	}
	if (strcmp(who, "*") == 0)
		return 0;
	r->who = *who == '@' ? RULES_GROUP : RULES_USER;
	if (*who == '@' ? accounts_group(who + 1, &r->id, &why) : accounts_user(who, &r->id, NULL, &why))
		return wrong(p, e, "", why.text);
	return 0;
}

static int read_line(struct parsing *p, char *line, struct err *e)
{
	char *f[5] = {};
	size_t n = 0;
	line[strcspn(line, "#")] = 0;
	for (char *word, *rest = line; (word = strsep(&rest, " \t\r"));)
		if (*word && n < countof(f))
			f[n++] = word;
	if (n == 0)
		return 0;
	if (n < 3 || n > 4)
		return wrong(p, e, "a rule is USER[:PROCESS] CONTROLLERS DESTINATION [OPTIONS]: ", f[0]);
	if (strcmp(f[0], "%") == 0)
		return p->list.n ? add_action(p, &p->list.v[p->list.n - 1], f, e) : wrong(p, e, "there is no rule above for %", "");
	struct rules_rule *r = arena_push(&p->rules->arena, &p->list);
	return read_who(p, f[0], r, e) < 0 ? -1 : add_action(p, r, f, e);
}

int rules_parse(const char *text, const char *file, struct rules *ret, struct err *e)
{
	own(rules) struct rules r = {};
	struct parsing p = {.file = file, .rules = &r};
	own(mem) char *copy = mem_dup(text);
	for (char *line, *rest = copy; (line = strsep(&rest, "\n"));) {
		p.line++;
		if (read_line(&p, line, e) < 0)
			return -1;
	}
	r.v = p.list.v;
	r.n = p.list.n;
	*ret = r;
	r = (struct rules){};
	return 0;
}

int rules_load(const char *file, struct rules *ret, struct err *e)
{
	own(buf) struct buf b = BUF(4 << 20);
	if (path_read(AT_FDCWD, file, &b, e) < 0)
		return err_wrap(e, "rules");
	if (b.len != strlen(buf_text(&b)))
		return err_set(e, ERR_USAGE, "%.200s: not a text", file);
	return rules_parse(buf_text(&b), file, ret, e);
}

int rules_check_groups(const struct rules *r, const char *file, struct err *e)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < r->v[i].actions.n; k++) {
			const struct rules_action *action = &r->v[i].actions.v[k];
			own(arena) struct arena a = {};
			own(mem) char *named = mem_printf("%s:%s", action->controllers, action->destination);
			struct cgroup_named g;
			uint32_t rows;
			if (action->ignore || strchr(action->destination, '%'))
				continue;
			if (cgroup_named_parse(named, &a, &g, e) < 0 || cgroup_named_find(&g, &rows, e) < 0)
				return err_wrap(e, "%.200s:%u", file, action->line);
		}
	return 0;
}

/* What rules look at. */
struct seen {
	pid_t pid;
	uint32_t uid, gid;
	char exe[4096];
	const char *name; /* of the program */
	struct buf groups; /* /proc/<pid>/cgroup */
};

static void seen_drop(struct seen *s)
{
	buf_drop(&s->groups);
}

/* False: it is gone, or the kernel's own. */
static bool look(pid_t pid, struct seen *ret)
{
	char path[48];
	struct err ignored = {};
	own(buf) struct buf status = BUF(1 << 16);
	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(path, ret->exe, sizeof ret->exe - 1);
	if (n <= 0)
		return false;
	ret->exe[n] = 0;
	ret->name = path_base(ret->exe);
	ret->pid = pid;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (path_read(AT_FDCWD, path, &status, &ignored) < 0)
		return false;
	const char *uids = strstr(status.data, "\nUid:"), *gids = strstr(status.data, "\nGid:");
	if (!uids || !gids || sscanf(uids, "\nUid: %*u %u", &ret->uid) != 1 || sscanf(gids, "\nGid: %*u %u", &ret->gid) != 1)
		return false;
	ret->groups.max = 1 << 16;
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	return path_read(AT_FDCWD, path, &ret->groups, &ignored) == 0;
}

static bool fits(const struct rules_rule *r, const struct seen *s)
{
	if (r->who == RULES_USER && r->id != s->uid)
		return false;
	if (r->who == RULES_GROUP && r->id != s->gid && !accounts_is_member(s->uid, r->id))
		return false;
	if (!r->process)
		return true;
	const char *what = *r->process == '/' ? s->exe : s->name;
	size_t n = strlen(r->process);
	return r->process[n - 1] == '*' ? strncmp(what, r->process, n - 1) == 0 : strcmp(what, r->process) == 0;
}

static char *fill(const char *destination, const struct seen *s)
{
	own(buf) struct buf b = {};
	for (const char *p = destination; *p; p++) {
		if (*p != '%') {
			buf_char(&b, *p);
			continue;
		}
		p++;
		own(mem) char *user = accounts_user_name(s->uid), *group = accounts_group_name(s->gid);
		if (*p == 'U' || *p == 'G' || *p == 'P')
			buf_printf(&b, "%u", *p == 'U' ? s->uid : *p == 'G' ? s->gid : (uint32_t)s->pid);
		else
			buf_str(&b, *p == 'u' ? user : *p == 'g' ? group : s->name);
	}
	return buf_take(&b);
}

/* Is it there in that hierarchy already? */
static bool is_in(const struct seen *s, int row, const char *path)
{
	own(strv) struct strv lines = {};
	own(mem) char *controllers = row == CGROUPFS_V2 ? mem_dup("") : cgroup_named_controllers(row, -1);
	strv_split(&lines, buf_text(&s->groups), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *names = strchr(lines.v[i], ':'), *at = names ? strchr(names + 1, ':') : NULL;
		if (!at)
			continue;
		*at++ = 0;
		own(strv) struct strv theirs = {}, ours = {};
		strv_split(&theirs, names + 1, ',');
		strv_split(&ours, controllers, ',');
		if (theirs.n ? ours.n && strv_has(&theirs, ours.v[0]) : row == CGROUPFS_V2)
			return strcmp(at, path) == 0;
	}
	return false;
}

static int move(const struct rules_apply *a, const struct rules_action *action, const struct seen *s, char **ret_path, bool *ret_moved, struct err *e)
{
	static const struct cgroup_rights plain = {.dir_mode = -1, .file_mode = -1, .tasks_mode = -1};
	own(arena) struct arena arena = {};
	own(mem) char *destination = fill(action->destination, s), *named = mem_printf("%s:%s", action->controllers, destination);
	struct cgroup_named g;
	*ret_path = mem_dup(destination);
	if (cgroup_named_parse(named, &arena, &g, e) < 0)
		return -1;
	mem_drop(ret_path);
	*ret_path = mem_dup(g.path);
	bool there = true;
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		there &= !(g.rows & 1u << i) || is_in(s, i, g.path);
	*ret_moved = !there;
	if (there || a->dry)
		return 0;
	if (a->create && g.path[1] && cgroup_named_make(&g, &plain, e) < 0)
		return -1;
	return cgroup_named_enter(&g, s->pid, e);
}

void rules_apply_to(const struct rules_apply *a, pid_t pid)
{
	struct seen s __attribute__((cleanup(seen_drop))) = {};
	if (pid == getpid() || !look(pid, &s))
		return;
	size_t i = 0;
	while (i < a->rules->n && !fits(&a->rules->v[i], &s))
		i++;
	if (i == a->rules->n || sticky_is(a->g, pid))
		return;
	const struct rules_rule *r = &a->rules->v[i];
	for (size_t k = 0; k < r->actions.n; k++) {
		struct err why = {};
		char *path = NULL;
		bool moved = false;
		if (r->actions.v[k].ignore)
			continue;
		int done = move(a, &r->actions.v[k], &s, &path, &moved, &why);
		/* It may have ended meanwhile: nobody's fault. */
		if (done < 0 ? kill(pid, 0) == 0 : moved)
			a->told(a->arg, pid, s.name, r->actions.v[k].controllers, path, done < 0 ? &why : NULL);
		mem_drop(&path);
	}
}

int rules_apply_all(const struct rules_apply *a, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(AT_FDCWD, "/proc", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (isdigit((unsigned char)names.v[i][0]))
			rules_apply_to(a, (pid_t)strtol(names.v[i], NULL, 10));
	return 0;
}
