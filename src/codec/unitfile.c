/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unitfile: a line ends at the newline that no backslash precedes; comments between the parts of such a line are left out, and the
 * backslash is a blank, as systemd has it.
 */
#include "codec/unitfile.h"

#include <ctype.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 1 << 20 }; /* systemd's own limit */

void unitfile_drop(struct unitfile *f)
{
	arena_drop(&f->arena);
	*f = (struct unitfile){};
}

struct unitfile_section *unitfile_find(const struct unitfile *f, const char *section)
{
	for (size_t i = 0; i < f->sections.n; i++)
		if (strcmp(f->sections.v[i].name, section) == 0)
			return &f->sections.v[i];
	return NULL;
}

static struct unitfile_section *make_section(struct unitfile *f, const char *name)
{
	struct unitfile_section *s = unitfile_find(f, name);
	if (s)
		return s;
	s = arena_push(&f->arena, &f->sections);
	s->name = arena_dup(&f->arena, name);
	return s;
}

static void push(struct unitfile *f, struct unitfile_section *s, const struct unitfile_line *l)
{
	struct unitfile_line *to = arena_push(&f->arena, &s->lines);
	*to = (struct unitfile_line){arena_dup(&f->arena, l->key), arena_dup(&f->arena, l->value), arena_dup(&f->arena, l->file), l->number};
}

/* Name without control characters and brackets. */
static char *section_name(char *line)
{
	char *end = strchr(line, ']');
	if (!end || !*str_trim(line + 1) || *str_trim(end + 1))
		return NULL;
	*end = 0;
	for (const char *p = line + 1; *p; p++)
		if (*p == '[' || (unsigned char)*p < ' ' || *p == 127)
			return NULL;
	return end == line + 1 ? NULL : line + 1;
}

struct parse {
	struct unitfile *f;
	const char *file;
	const char *section;
};

static int one_line(struct parse *p, char *text, unsigned number, struct err *e)
{
	char *line = str_trim(text);
	if (*line == '[') {
		char *name = section_name(line);
		if (!name)
			return err_set(e, ERR_USAGE, "%s:%u: invalid section \"%.60s\": it is [Name]", p->file, number, line);
		p->section = make_section(p->f, name)->name;
		return 0;
	}
	char *eq = strchr(line, '=');
	if (!eq || eq == line)
		return err_set(e, ERR_USAGE, "%s:%u: \"%.60s\" is no KEY=VALUE, no [Section] and no comment", p->file, number, line);
	if (!p->section)
		return err_set(e, ERR_USAGE, "%s:%u: no [Section] stands before \"%.60s\"", p->file, number, line);
	*eq = 0;
	struct unitfile_line l = {str_trim(line), str_trim(eq + 1), p->file, number};
	for (const char *c = l.key; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 127)
			return err_set(e, ERR_USAGE, "%s:%u: invalid key \"%.60s\"", p->file, number, l.key);
	push(p->f, make_section(p->f, p->section), &l);
	return 0;
}

int unitfile_parse(struct unitfile *f, const char *file, const char *text, size_t n, struct err *e)
{
	struct parse p = {.f = f, .file = file};
	own(buf) struct buf b = BUF(LINE_MAX_BYTES);
	unsigned number = 0, first = 0;
	if (memchr(text, 0, n))
		return err_set(e, ERR_USAGE, "%s: this is no text", file);
	for (const char *at = text, *end = text + n; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((nl ? nl : end) - at);
		const char *line = at;
		at += len + 1;
		number++;
		while (len && isspace((unsigned char)*line))
			line++, len--;
		while (len && isspace((unsigned char)line[len - 1]))
			len--;
		/* A comment in the middle of a continued line is not part of it; an empty line ends it. */
		if (len && (*line == '#' || *line == ';'))
			continue;
		bool more = len && line[len - 1] == '\\' && at < end;
		if (!b.len)
			first = number;
		buf_add(&b, line, len && line[len - 1] == '\\' ? len - 1 : len);
		if (more && b.len && !isspace((unsigned char)b.data[b.len - 1]))
			buf_char(&b, ' ');
		if (more)
			continue;
		if (buf_check(&b, e) < 0)
			return err_wrap(e, "%s:%u", file, first);
		if (b.len && one_line(&p, b.data, first, e) < 0)
			return -1;
		buf_reset(&b);
	}
	return b.len ? one_line(&p, b.data, first, e) : 0;
}

void unitfile_merge(struct unitfile *f, const struct unitfile *source)
{
	for (size_t i = 0; i < source->sections.n; i++) {
		const struct unitfile_section *from = &source->sections.v[i];
		make_section(f, from->name);
		for (size_t k = 0; k < from->lines.n; k++)
			if (from->lines.v[k].key)
				push(f, unitfile_find(f, from->name), &from->lines.v[k]);
	}
}

void unitfile_rename(struct unitfile *f, const char *from, const char *to)
{
	struct unitfile_section *s = unitfile_find(f, from);
	if (s)
		s->name = arena_dup(&f->arena, to);
}

void unitfile_write(const struct unitfile *f, struct buf *out)
{
	for (size_t i = 0; i < f->sections.n; i++) {
		const struct unitfile_section *s = &f->sections.v[i];
		buf_printf(out, "%s[%s]\n", i ? "\n" : "", s->name);
		for (size_t k = 0; k < s->lines.n; k++)
			if (s->lines.v[k].key)
				buf_printf(out, "%s=%s\n", s->lines.v[k].key, s->lines.v[k].value);
	}
}

static bool is_line_of(const struct unitfile_line *l, const char *key)
{
	return l->key && strcmp(l->key, key) == 0;
}

const struct unitfile_line *unitfile_last(const struct unitfile *f, const char *section, const char *key)
{
	const struct unitfile_section *s = unitfile_find(f, section);
	for (size_t i = s ? s->lines.n : 0; i > 0; i--)
		if (is_line_of(&s->lines.v[i - 1], key))
			return &s->lines.v[i - 1];
	return NULL;
}

const char *unitfile_value(struct unitfile *f, const char *section, const char *key)
{
	const struct unitfile_line *l = unitfile_last(f, section, key);
	size_t n = l ? strlen(l->value) : 0;
	if (!n)
		return NULL;
	return n > 1 && l->value[0] == '"' && l->value[n - 1] == '"' ? arena_ndup(&f->arena, l->value + 1, n - 2) : l->value;
}

const struct unitfile_line *unitfile_next(const struct unitfile *f, const char *section, const char *key, size_t *at)
{
	const struct unitfile_section *s = unitfile_find(f, section);
	if (!s)
		return NULL;
	for (size_t i = 0; *at == 0 && i < s->lines.n; i++)
		if (is_line_of(&s->lines.v[i], key) && !*s->lines.v[i].value)
			*at = i + 1;
	while (*at < s->lines.n) {
		const struct unitfile_line *l = &s->lines.v[(*at)++];
		if (is_line_of(l, key) && *l->value)
			return l;
	}
	return NULL;
}

void unitfile_add(struct unitfile *f, const char *section, const char *key, const char *value)
{
	push(f, make_section(f, section), &(struct unitfile_line){key, value, NULL, 0});
}

void unitfile_preset(struct unitfile *f, const char *section, const char *key, const char *value)
{
	if (!unitfile_last(f, section, key))
		unitfile_add(f, section, key, value);
}

void unitfile_set(struct unitfile *f, const char *section, const char *key, const char *value)
{
	struct unitfile_section *s = unitfile_find(f, section);
	for (size_t i = 0; s && i < s->lines.n; i++)
		if (is_line_of(&s->lines.v[i], key))
			s->lines.v[i].key = NULL;
	unitfile_add(f, section, key, value);
}

bool unitfile_bool(const char *value, bool *ret)
{
	static const char *const words[] = {"0", "1", "no", "yes", "false", "true", "off", "on", "n", "y", "f", "t"};
	own(mem) char *low = str_lower(mem_dup(value));
	for (size_t i = 0; i < countof(words); i++)
		if (strcmp(low, words[i]) == 0) {
			*ret = i & 1;
			return true;
		}
	return false;
}
