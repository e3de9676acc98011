/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: a Dockerfile of nothing but these lines is read as every other, and carried out on a config that has no layers.
 */
#include "build/changes.h"

#include "build/stage.h"

enum { LINES_MAX = 1 << 20 };

static bool is_known(enum inst_kind k)
{
	static const struct { enum inst_kind kind; } known[] = {{INST_CMD}, {INST_ENTRYPOINT}, {INST_ENV}, {INST_EXPOSE}, {INST_HEALTHCHECK},
		{INST_LABEL}, {INST_ONBUILD}, {INST_STOPSIGNAL}, {INST_USER}, {INST_VOLUME}, {INST_WORKDIR}};
	for (size_t i = 0; i < countof(known); i++)
		if (known[i].kind == k)
			return true;
	return false;
}

static int carry_out(struct build *b, struct state *s, const struct inst *i, struct err *e)
{
	struct step x = {.b = b, .s = s, .i = i, .name = ""};
	if (!is_known(i->kind))
		return err_set(e, ERR_USAGE, "--change \"%.60s %.60s\": only what says how the image is run: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, "
			"ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR", inst_name(i->kind), i->node->text);
	if (i->kind != INST_WORKDIR)
		return step_do(&x, e);
	char *word = step_expanded(&x, i->words.v[0], e);
	if (!word)
		return -1;
	s->config.config.working_dir = step_path(&x, word);
	return 0;
}

int changes_apply(const struct strv *lines, struct arena *a, struct image_run_config *c, struct err *e)
{
	own(buf) struct buf text = BUF(LINES_MAX);
	struct build_request q = {};
	struct build b = {.q = &q, .events = -1, .context = CONTEXT_NONE};
	struct state s = {.config = {.config = *c}};
	buf_str(&text, "FROM scratch\n");
	for (size_t i = 0; i < lines->n; i++)
		buf_printf(&text, "%s\n", lines->v[i]);
	if (buf_check(&text, e) < 0)
		return err_wrap(e, "--change");
	int r = dockerfile_parse("--change", buf_text(&text), text.len, &b.df, e);
	if (r == 0 && b.df.stages.n != 1)
		r = err_set(e, ERR_USAGE, "--change: FROM cannot be changed");
	if (r == 0)
		s.stage = &b.df.stages.v[0];
	for (size_t i = 0; r == 0 && i < s.stage->steps.n; i++)
		r = carry_out(&b, &s, &s.stage->steps.v[i], e);
	/* All of it into the caller's arena. */
	struct image_config whole = {};
	own(json) struct json *j = NULL;
	if (r == 0)
		r = config_copy(&s.config, a, &j, &whole, e);
	if (r == 0)
		*c = whole.config;
	arena_drop(&s.arena);
	dockerfile_drop(&b.df);
	return r;
}
