/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfiles: any text is refused with a place, or is stages whose words can be expanded and that the checks can go
 * through; its lines as an ignore file.
 * fuzz: build/lex.c build/dockerfile.c build/words.c build/expand.c build/ignore.c build/mode.c build/lint.c build/lint_file.c build/lint_stage.c
 * fuzz: build/source_url.c image/ref.c
 */
#include "build/dockerfile.h"
#include "build/expand.h"
#include "build/ignore.h"
#include "build/lint.h"
#include "build/mode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static const char *get(void *arg unused, const char *name)
{
	return *name == 'a' ? "some/value.tar.gz" : *name == 'e' ? "" : NULL;
}

static void expand(const struct dockerfile *d, const char *word)
{
	struct expansion x = {.get = get, .escape = d->text.escape};
	own(buf) struct buf out = BUF(1 << 20);
	own(strv) struct strv words = {};
	struct err e = {};
	uint32_t mode;
	if (expand_word(&x, word, &out, &e) < 0)
		CHECK(e.kind != ERR_NONE && *e.text);
	if (expand_words(&x, word, &words, &e) < 0)
		CHECK(e.kind != ERR_NONE);
	x.keep_quotes = true;
	if (expand_word(&x, word, &out, &e) < 0 || mode_change(word, 0644, false, &mode, &e) < 0)
		CHECK(e.kind != ERR_NONE);
}

static void lint(struct dockerfile *d, const struct ignore *ignore)
{
	static const struct strv none;
	static char trigger[] = "COPY $a $b", *triggers[] = {trigger};
	const struct strv on_build = {.v = triggers, .n = 1};
	own(lint) struct lint l = {};
	struct err e = {};
	if (lint_open(&l, d, NULL, &e) < 0) {
		CHECK(e.kind == ERR_USAGE);
		return;
	}
	l.globals = l.args = &none;
	l.ignore = ignore;
	lint_file(&l);
	for (size_t i = 0; i < d->stages.n; i++)
		lint_stage(&l, i, dockerfile_stage(d, d->stages.v[i].base, i), i % 2 ? NULL : &none, &on_build);
	lint_sort(&l);
	for (size_t i = 0; i < l.found.n && i < 20; i++) {
		own(buf) struct buf shown = BUF(1 << 20);
		lint_show(&l, &l.found.v[i], &shown);
		CHECK(l.found.v[i].at.line > 0 && shown.len > 0);
	}
}

static void parse(const char *text, size_t size, const struct ignore *ignore)
{
	own(dockerfile) struct dockerfile d;
	own(buf) struct buf shown = BUF(1 << 20);
	struct err e = {};
	if (dockerfile_parse("Dockerfile", text, size, &d, &e) < 0) {
		CHECK(e.kind != ERR_NONE && *e.text);
		lex_show(&d.text, d.text.where, 0, &shown);
		return;
	}
	CHECK(d.stages.n > 0);
	lint(&d, ignore);
	for (size_t i = 0; i < d.stages.n; i++)
		for (size_t k = 0; k < d.stages.v[i].steps.n; k++)
			for (size_t w = 0; w < d.stages.v[i].steps.v[k].words.n; w++)
				expand(&d, d.stages.v[i].steps.v[k].words.v[w]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 4096)
		return 0;
	own(mem) char *text = mem_ndup((const char *)data, size);
	own(ignore) struct ignore g = {};
	struct err e = {};
	if (ignore_read(&g, text, "x", &e) < 0)
		CHECK(e.kind != ERR_NONE);
	parse((const char *)data, size, &g);
	static const char *const paths[] = {"a", "a/b/c", "x.txt", "node_modules/y"};
	for (size_t i = 0; i < countof(paths); i++)
		if (!ignore_has(&g, paths[i]))
			(void)ignore_looks_below(&g, paths[i]);
	return 0;
}
