/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_remote: see image_remote.h.
 */
#include "engine/image_remote.h"

#include "base/mem.h"

#include <stdlib.h>

/* One for the life of the process. */
const char *image_remote_config_dir(void)
{
	static char *dir;
	const char *given = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	if (!dir)
		dir = !str_is_empty(given) ? mem_dup(given) : mem_printf("%s/.docker", home ? home : "/root");
	return dir;
}

int image_remote_options(struct engine *g, struct pull_options *ret, struct err *e)
{
	static char *program;
	const struct settings *s = engine_settings(g, e);
	if (!s)
		return -1;
	if (!program)
		program = engine_libexec(g, "hull-registry");
	if (!program)
		return err_set(e, ERR_NOT_FOUND, "hull-registry is not installed in %s", HULL_LIBEXECDIR);
	/* strv is NULL-terminated as soon as it is not empty */
	*ret = (struct pull_options){.program = program, .config_dir = image_remote_config_dir(), .platform = str_is_empty(s->platform) ? NULL : s->platform,
		.insecure = s->insecure_registries.n ? (const char *const *)s->insecure_registries.v : NULL,
		.uploads = s->concurrent_uploads > 0 ? (unsigned)s->concurrent_uploads : 0};
	return 0;
}

int image_remote_open(struct engine *g, const char *reference, const char *scope, struct pull *ret, struct err *e)
{
	struct pull_options o;
	if (image_remote_options(g, &o, e) < 0)
		return -1;
	o.scope = scope;
	return pull_open(ret, reference, &o, e);
}
