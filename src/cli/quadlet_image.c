/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_image: [Image] and [Build]: an image is fetched or built before what needs it starts.
 */
#include "cli/quadlet.h"

#include <libgen.h>

/* Arch=, OS= and Variant= are hull's --platform. */
static int add_platform(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *arch = quadlet_get(c, k->name), *os = quadlet_get(c, "OS"), *variant = quadlet_get(c, "Variant");
	if (!arch && (variant || (os && strcmp(os, "linux") != 0)))
		return quadlet_bad(c, quadlet_line(c, variant ? "Variant" : "OS"), e, "there is no Arch=");
	own(mem) char *text = arch ? mem_printf("%s/%s%s%s", os ? os : "linux", arch, variant ? "/" : "", variant ? variant : "") : NULL;
	return text ? quadlet_option(c, quadlet_line(c, k->name), k->option, text, e) : 0;
}

static int add_auth(struct quadlet_call *c, const struct quadlet_key *k, struct err *e unused)
{
	const char *file = quadlet_get(c, k->name);
	own(mem) char *line = file ? mem_printf("REGISTRY_AUTH_FILE=%s", quadlet_path(c, file)) : NULL;
	own(buf) struct buf b = {};
	if (!line)
		return 0;
	unitfile_quote(line, &b);
	unitfile_add(&c->u->out, "Service", "Environment", buf_text(&b));
	return 0;
}

/* What hull does anyway. */
static int add_always(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	bool yes = true;
	if (!quadlet_get(c, k->name) || quadlet_get_bool(c, k->name, &yes, e) < 0)
		return quadlet_get(c, k->name) ? -1 : 0;
	return yes ? 0 : quadlet_bad(c, quadlet_line(c, k->name), e, "%s", k->text);
}

static int add_policy(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *policy = quadlet_get(c, k->name);
	return !policy || strcmp(policy, "always") == 0 ? 0 : quadlet_option(c, quadlet_line(c, k->name), k->option, policy, e);
}

#define TLS "a registry without TLS, or with another certificate, is named in registries.conf or certs.d"

const struct quadlet_key quadlet_image_keys[] = {
	{"Image", NULL, NULL, NULL},
	{"ImageTag", NULL, NULL, NULL},
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"Arch", add_platform, "--platform", NULL},
	{"OS", NULL, NULL, NULL},
	{"Variant", NULL, NULL, NULL},
	{"AuthFile", add_auth, NULL, NULL},
	{"CertDir", add_missing, NULL, TLS},
	{"Creds", add_missing, NULL, "hull takes credentials from hull login or AuthFile="},
	{"DecryptionKey", add_missing, NULL, "hull reads no encrypted images"},
	{"Policy", add_policy, "--policy", NULL},
	{"Retry", add_last, "--retry", NULL},
	{"RetryDelay", add_last, "--retry-delay", NULL},
	{"AllTags", add_bool, "--all-tags", NULL},
	{"TLSVerify", add_always, NULL, TLS},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
};
const size_t quadlet_image_nkeys = countof(quadlet_image_keys);

int quadlet_image(struct quadlet_call *c, struct err *e)
{
	const char *image = quadlet_get(c, "Image");
	if (!image)
		return quadlet_bad(c, NULL, e, "Image= is missing in [Image]");
	if (quadlet_begin(c, "pull", e) < 0 || quadlet_keys(c, e) < 0)
		return -1;
	quadlet_word(c, image);
	quadlet_exec(c, "ExecStart", "");
	quadlet_oneshot(c);
	return 0;
}

const struct quadlet_key quadlet_build_keys[] = {
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"SetWorkingDirectory", NULL, NULL, NULL},
	{"ImageTag", add_each, "--tag", NULL},
	{"Pull", add_last, "--pull", NULL},
	{"Arch", add_platform, "--platform", NULL},
	{"Variant", NULL, NULL, NULL},
	{"AuthFile", add_auth, NULL, NULL},
	{"IgnoreFile", add_last, "--ignorefile", NULL},
	{"Target", add_last, "--target", NULL},
	{"Retry", add_last, "--retry", NULL},
	{"RetryDelay", add_last, "--retry-delay", NULL},
	{"TLSVerify", add_always, NULL, TLS},
	{"ForceRM", add_always, NULL, "hull keeps no containers of a build"},
	{"DNS", add_each, "--dns", NULL},
	{"DNSOption", add_each, "--dns-option", NULL},
	{"DNSSearch", add_each, "--dns-search", NULL},
	{"GroupAdd", add_each, "--group-add", NULL},
	{"BuildArg", add_pairs, "--build-arg", NULL},
	{"Environment", add_pairs, "--env", NULL},
	{"Label", add_pairs, "--label", NULL},
	{"Annotation", add_pairs, "--annotation", NULL},
	{"Network", add_networks, "--network", NULL},
	{"Secret", add_escaped, "--secret", NULL},
	{"Volume", add_volumes, "--volume", NULL},
	{"File", NULL, NULL, NULL},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
};
const size_t quadlet_build_nkeys = countof(quadlet_build_keys);

static const char *folder_of(struct quadlet_call *c, const char *file)
{
	own(mem) char *copy = mem_dup(file);
	return arena_dup(&c->q->arena, dirname(copy));
}

static bool is_url(const char *s)
{
	return strstr(s, "://") || str_has_prefix(s, "github.com/");
}

/* The context and the Dockerfile. SetWorkingDirectory= is "file", "unit", or the context itself: a directory or an URL. */
static int places(struct quadlet_call *c, const char **ret_context, const char **ret_file, struct err *e)
{
	struct unitfile *out = &c->u->out;
	const char *said = quadlet_get(c, "SetWorkingDirectory"), *file = quadlet_get(c, "File");
	const char *of_service = unitfile_value(out, "Service", "WorkingDirectory"), *context = of_service;
	bool of_file = said && strcasecmp(said, "file") == 0, of_unit = said && strcasecmp(said, "unit") == 0;
	if (said && strcasecmp(said, "yaml") == 0)
		return quadlet_bad(c, quadlet_line(c, "SetWorkingDirectory"), e, "yaml is for .kube units");
	if (of_file && !file)
		return quadlet_bad(c, quadlet_line(c, "SetWorkingDirectory"), e, "there is no File=");
	/* A file is the unit's neighbour, unless it is looked for in another context. */
	if (file && !is_url(file) && (of_file || of_unit))
		file = quadlet_path(c, file);
	if (of_unit)
		context = folder_of(c, quadlet_path(c, c->u->path));
	else if (of_file)
		context = folder_of(c, file);
	else if (said)
		context = is_url(said) ? said : quadlet_path(c, said);
	else if (!of_service && file && (*file == '/' || *file == '%'))
		context = folder_of(c, file);
	if (!context)
		return quadlet_bad(c, file ? quadlet_line(c, "File") : NULL, e, file ? "a relative path needs SetWorkingDirectory=" :
			"neither SetWorkingDirectory= nor File= is in [Build]");
	if (said && !of_service && !is_url(context))
		unitfile_add(out, "Service", "WorkingDirectory", context);
	*ret_context = context;
	*ret_file = file;
	return 0;
}

int quadlet_build(struct quadlet_call *c, struct err *e)
{
	const char *context, *file;
	if (!c->u->resource)
		return quadlet_bad(c, NULL, e, "ImageTag= is missing in [Build]");
	if (places(c, &context, &file, e) < 0 || quadlet_begin(c, "build", e) < 0 || quadlet_keys(c, e) < 0)
		return -1;
	if (file && quadlet_option(c, quadlet_line(c, "File"), "--file", file, e) < 0)
		return -1;
	quadlet_word(c, context);
	quadlet_exec(c, "ExecStart", "");
	quadlet_oneshot(c);
	return 0;
}
