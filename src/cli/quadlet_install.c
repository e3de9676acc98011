/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_install: the services into systemd's directory, and what `systemctl enable` would make of [Install]: made services cannot be
 * enabled. A template is wanted by nobody, unless it has a DefaultInstance=.
 */
#include "cli/quadlet.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* %n %N %p %i of the service; NULL for what only systemd knows. */
static char *expand(struct arena *a, const char *text, const char *service)
{
	own(buf) struct buf b = {};
	struct quadlet_name n = quadlet_name(a, service);
	for (; *text; text++) {
		if (*text != '%') {
			buf_char(&b, *text);
			continue;
		}
		const struct { char letter; const char *value; } known[] = {{'n', service}, {'N', n.stem}, {'p', n.prefix}, {'i', n.instance}, {'%', "%"}};
		size_t i = 0;
		while (i < countof(known) && known[i].letter != text[1])
			i++;
		if (i == countof(known) || !known[i].value)
			return NULL;
		buf_str(&b, known[i].value);
		text++;
	}
	return arena_dup(a, buf_text(&b));
}

static int make_link(int dir, const char *folder, const char *name, const char *target, struct err *e)
{
	if (folder && mkdirat(dir, folder, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "%s", folder);
	own(mem) char *link = folder ? mem_printf("%s/%s", folder, name) : mem_dup(name);
	own(mem) char *to = mem_printf("%s%s", folder ? "../" : "", target);
	if (unlinkat(dir, link, 0) < 0 && errno != ENOENT)
		return err_sys(e, "%s", link);
	return symlinkat(to, dir, link) < 0 ? err_sys(e, "%s", link) : 0;
}

static const struct { const char *key, *folder; } kinds[] = {{"Alias", NULL}, {"WantedBy", "wants"}, {"RequiredBy", "requires"}, {"UpheldBy", "upholds"}};

static int one_line(struct quadlet *q, int dir, const struct unitfile_line *l, const char *folder, const char *file, const char *as, struct err *e)
{
	own(strv) struct strv words = {};
	struct err why = {};
	if (unitfile_words(l->value, false, &words, &why) < 0)
		return err_set(e, ERR_USAGE, "%s:%u: %s=: %s", l->file, l->number, l->key, why.text);
	for (size_t i = 0; i < words.n; i++) {
		const char *name = expand(&q->arena, words.v[i], as);
		own(mem) char *below = folder && name ? mem_printf("%s.%s", name, folder) : NULL;
		if (!name || !path_is_name(below ? below : name))
			return err_set(e, ERR_USAGE, "%s:%u: %s=: \"%.60s\" is no name of a unit", l->file, l->number, l->key, words.v[i]);
		if (!folder && strcmp(name, file) == 0)
			continue;
		if (make_link(dir, below, folder ? as : name, file, e) < 0)
			return -1;
	}
	return 0;
}

static int make_links(struct quadlet *q, int dir, struct quadlet_unit *u, const char *file, struct err *e)
{
	struct quadlet_name n = quadlet_name(&q->arena, file);
	const char *as = file, *instance = unitfile_value(&u->file, "Install", "DefaultInstance");
	if (n.instance && !*n.instance)
		as = instance ? arena_printf(&q->arena, "%s@%s.service", n.prefix, instance) : NULL;
	if (as && !path_is_name(as))
		return err_set(e, ERR_USAGE, "%s: DefaultInstance=: \"%.60s\" is no instance", u->path, instance);
	for (size_t i = 0; i < countof(kinds); i++) {
		const struct unitfile_line *l;
		for (size_t at = 0; (!kinds[i].folder || as) && (l = unitfile_next(&u->file, "Install", kinds[i].key, &at));)
			if (one_line(q, dir, l, kinds[i].folder, file, as ? as : file, e) < 0)
				return -1;
	}
	return 0;
}

int quadlet_install(struct quadlet *q, const char *path, struct err *e)
{
	if (path_mkdirs(AT_FDCWD, path, 0755, e) < 0)
		return -1;
	own(fd) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "%s", path);
	for (size_t i = 0; i < q->units.n; i++) {
		struct quadlet_unit *u = &q->units.v[i];
		own(buf) struct buf text = {};
		struct err why = {};
		if (u->failed)
			continue;
		const char *file = arena_printf(&q->arena, "%s.service", u->service);
		own(mem) char *said = mem_printf("writing %s", file);
		q->tell(q->arg, said);
		quadlet_format(u, &text);
		if (buf_check(&text, &why) < 0 || path_write(dir, file, text.data, text.len, 0644, 0, &why) < 0 || make_links(q, dir, u, file, &why) < 0)
			quadlet_say(q, &why);
	}
	return 0;
}
