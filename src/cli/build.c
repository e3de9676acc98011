/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: an image from a Dockerfile. What the build is doing goes to stderr (build_progress.c); with -q the image's id alone to stdout.
 */
#include "build/build.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "cli/build_call.h"
#include "cli/build_output.h"
#include "cli/build_progress.h"
#include "cli/commands.h"
#include "cli/run_request.h"

#include "engine/cdi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct build_cli {
	char *file, *target, *pull, *on_error, *debug_at, *provenance, *sbom, *network, *progress, *iidfile, *metadata_file, *call;
	char *ignorefile, *cgroup_parent, *cpuset_cpus, *cpuset_mems, *format, *cpus, *epoch, *unused_text;
	struct strv tags, args, labels, no_cache_filter, contexts, secrets, ssh, extra_hosts, allow, ulimits, cap_add, cap_drop, security_opt;
	struct strv outputs, volumes, annotations, platforms, cache_from, cache_to, attest;
	bool no_cache, quiet, rm, force_rm, load, push, explain, check, squash, timing, unused_bool;
	struct opt_num cache_max, jobs, shm_size, memory, memory_swap, cpu_shares, cpu_quota, cpu_period;
};
#define AT(m) offset_of(struct build_cli, m)
static const struct opt options[] = {
	{"add-host", 0, OPT_STRV, AT(extra_hosts), "HOST:IP", "One more line of /etc/hosts while building"},
	{"allow", 0, OPT_STRV, AT(allow), "ENTITLEMENT", "Let the Dockerfile do more: security.insecure, network.host, device, "
		"device=VENDOR/CLASS=NAME", 0, "security.insecure network.host device"},
	{"annotation", 0, OPT_STRV, AT(annotations), "[LEVEL:]NAME=VALUE", "One more annotation; the level is manifest, index, manifest-descriptor or "
		"index-descriptor"},
	{"attest", 0, OPT_STRV, AT(attest), "type=provenance|sbom", "As --provenance and --sbom", OPT_HIDDEN},
	{"build-arg", 0, OPT_STRV, AT(args), "NAME[=VALUE]", "The value of an ARG; without one the variable of the environment"},
	{"build-context", 0, OPT_STRV, AT(contexts), "NAME=PATH", "One more context: a directory, a git repository, a URL, docker-image://IMAGE or "
		"oci-layout://DIR"},
	{"builder", 0, OPT_STR, AT(unused_text), "NAME", "Has no effect: there is one", OPT_HIDDEN},
	{"cache-from", 0, OPT_STRV, AT(cache_from), "NAME|type=KIND,…", "Take over what other builds did: type=registry,ref=NAME or type=local,src=DIR"},
	{"cache-to", 0, OPT_STRV, AT(cache_to), "NAME|type=KIND,…", "Let other builds take over what this one did: type=inline, type=registry,ref=NAME or "
		"type=local,dest=DIR, with mode=max for all stages"},
	{"cache-max", 0, OPT_SIZE, AT(cache_max), "BYTES", "Prune the build cache to so much at the end, what was unused longest first"},
	{"call", 0, OPT_STR, AT(call), "METHOD", "Instead of building: check (the build checks), outline (what the build can be given), targets (its stages); "
		"with ,format=json", 0, "build check outline targets check,format=json outline,format=json targets,format=json"},
	{"cap-add", 0, OPT_STRV, AT(cap_add), "CAP", "Give RUN one more capability"},
	{"cap-drop", 0, OPT_STRV, AT(cap_drop), "CAP", "Take a capability from RUN"},
	{"cgroup-parent", 0, OPT_STR, AT(cgroup_parent), "PATH", "Below which control group RUN is"},
	{"check", 0, OPT_BOOL, AT(check), NULL, "As --call check"},
	{"compress", 0, OPT_BOOL, AT(unused_bool), NULL, "Has no effect: nothing is sent", OPT_HIDDEN},
	{"cpu-period", 0, OPT_I64, AT(cpu_period), "US", "Period of the CPU quota"},
	{"cpu-quota", 0, OPT_I64, AT(cpu_quota), "US", "CPU time of RUN in a period"},
	{"cpu-shares", 'c', OPT_I64, AT(cpu_shares), "N", "Weight of RUN for the CPU"},
	{"cpus", 0, OPT_STR, AT(cpus), "N", "How many CPUs RUN may use, as in 1.5"},
	{"cpuset-cpus", 0, OPT_STR, AT(cpuset_cpus), "LIST", "CPUs that RUN may use, as in 0-2,4"},
	{"cpuset-mems", 0, OPT_STR, AT(cpuset_mems), "LIST", "Memory nodes that RUN may use"},
	{"debug-at", 0, OPT_STR, AT(debug_at), "STAGE:LINE", "Open a shell before the instruction in that line of the Dockerfile"},
	{"disable-content-trust", 0, OPT_BOOL, AT(unused_bool), NULL, "Has no effect: digests are always checked", OPT_HIDDEN},
	{"explain", 0, OPT_BOOL, AT(explain), NULL, "Say of each step that is done again what it depends on and is not what it was"},
	{"file", 'f', OPT_STR, AT(file), "FILE", "The Dockerfile; - is stdin", 0, "@file"},
	{"force-rm", 0, OPT_BOOL, AT(force_rm), NULL, "Has no effect: nothing is left over", OPT_HIDDEN},
	{"format", 0, OPT_STR, AT(format), "KIND", "The media types of the manifest: oci or docker", 0, "oci docker"},
	{"ignorefile", 0, OPT_STR, AT(ignorefile), "FILE", "Instead of .dockerignore", 0, "@file"},
	{"iidfile", 0, OPT_STR, AT(iidfile), "FILE", "Write the image's id to a file", 0, "@file"},
	{"isolation", 0, OPT_STR, AT(unused_text), "KIND", "Has no effect: RUN is always a container", OPT_HIDDEN},
	{"jobs", 'j', OPT_U64, AT(jobs), "N", "How many stages are built at once"},
	{"label", 0, OPT_STRV, AT(labels), "NAME=VALUE", "One more label of the image"},
	{"layers", 0, OPT_BOOL, AT(unused_bool), NULL, "Has no effect: each step is one, and --squash and --no-cache say what else there is", OPT_HIDDEN},
	{"load", 0, OPT_BOOL, AT(load), NULL, "Has no effect: the image is where it can be run", OPT_HIDDEN},
	{"memory", 'm', OPT_SIZE, AT(memory), "BYTES", "Memory that RUN may use"},
	{"memory-swap", 0, OPT_SIZE, AT(memory_swap), "BYTES", "Memory and swap together; -1: no limit on swap", OPT_MINUS_ONE},
	{"metadata-file", 0, OPT_STR, AT(metadata_file), "FILE", "Write what was built to a file, as JSON", 0, "@file"},
	{"network", 0, OPT_STR, AT(network), "MODE", "The network of RUN: default, none, host, or one of hull network ls", 0, "default none host @network"},
	{"no-cache", 0, OPT_BOOL, AT(no_cache), NULL, "Do every step again"},
	{"no-cache-filter", 0, OPT_STRV, AT(no_cache_filter), "STAGE[,STAGE…]", "Do every step of these stages again"},
	{"on-error", 0, OPT_STR, AT(on_error), "WHAT", "What a step that fails leads to: stop, or shell, a shell where it failed", 0, "stop shell"},
	{"output", 'o', OPT_STRV, AT(outputs), "DEST", "Where the result goes: a directory, - (a tar on stdout), or type=KIND[,dest=FILE…] with image, registry, "
		"local, tar, oci, docker, cacheonly", 0, "@file"},
	{"platform", 0, OPT_STRV, AT(platforms), "OS/ARCH", "Another platform than this machine's; several, as in linux/amd64,linux/arm64, become one index"},
	{"progress", 0, OPT_STR, AT(progress), "KIND", "How progress is shown: auto, plain, tty, rawjson, quiet", 0, "auto plain tty rawjson quiet"},
	{"provenance", 0, OPT_OPTSTR, AT(provenance), "MODE", "Attest how the image was made: false, min, max", OPT_NEXT, "false true mode=min mode=max", NULL, "true"},
	{"pull", 0, OPT_OPTSTR, AT(pull), "POLICY", "Fetch base images: always, missing, never", 0, "always missing never", NULL, "always"},
	{"push", 0, OPT_BOOL, AT(push), NULL, "Push the image, as --output type=registry"},
	{"quiet", 'q', OPT_BOOL, AT(quiet), NULL, "Print the image's id alone"},
	{"rm", 0, OPT_BOOL, AT(rm), NULL, "Has no effect: nothing is left over", OPT_HIDDEN},
	{"rewrite-timestamp", 0, OPT_BOOL, AT(unused_bool), NULL, "Has no effect: no time in a layer is later than the epoch", OPT_HIDDEN},
	{"sbom", 0, OPT_OPTSTR, AT(sbom), "BOOL", "Attest which packages are in the image", OPT_NEXT, "false true", NULL, "true"},
	{"secret", 0, OPT_STRV, AT(secrets), "id=ID[,src=FILE|env=NAME]", "A secret for RUN --mount=type=secret"},
	{"security-opt", 0, OPT_STRV, AT(security_opt), "OPTION", "Security options of RUN, as those of hull run"},
	{"shm-size", 0, OPT_SIZE, AT(shm_size), "BYTES", "Size of /dev/shm while building"},
	{"skip-unused-stages", 0, OPT_BOOL, AT(unused_bool), NULL, "Has no effect: they are never built", OPT_HIDDEN},
	{"source-date-epoch", 0, OPT_STR, AT(epoch), "SECONDS", "As --build-arg SOURCE_DATE_EPOCH=SECONDS", OPT_HIDDEN, NULL, "timestamp"},
	{"squash", 0, OPT_BOOL, AT(squash), NULL, "Make one layer of those above the base image"},
	{"ssh", 0, OPT_STRV, AT(ssh), "ID[=SOCKET|KEY[,KEY…]]", "An SSH agent, or private keys, for RUN --mount=type=ssh"},
	{"tag", 't', OPT_STRV, AT(tags), "NAME[:TAG]", "The image's name; may be repeated", 0, "@image"},
	{"target", 0, OPT_STR, AT(target), "STAGE", "The stage to build, instead of the last"},
	{"timing", 0, OPT_BOOL, AT(timing), NULL, "Show at the end when each step ran, and its time, CPU and bytes"},
	{"ulimit", 0, OPT_STRV, AT(ulimits), "NAME=SOFT[:HARD]", "Limits of RUN's processes"},
	{"volume", 'v', OPT_STRV, AT(volumes), "DIR:DIR[:ro]", "A directory of this machine that RUN sees; nothing of it is in the image"},
};

static int read_args(const struct build_cli *o, struct build_request *q, struct err *e)
{
	own(mem) char *epoch = o->epoch ? mem_printf("SOURCE_DATE_EPOCH=%s", o->epoch) : NULL;
	if (epoch)
		strv_env_set(&q->args, epoch);
	for (size_t i = 0; i < o->args.n; i++) {
		const char *line = o->args.v[i];
		if (!*line || *line == '=')
			return err_set(e, ERR_USAGE, "invalid --build-arg \"%s\": as in NAME=VALUE", line);
		if (strchr(line, '=')) {
			strv_env_set(&q->args, line);
			continue;
		}
		const char *value = getenv(line);
		own(mem) char *whole = value ? mem_printf("%s=%s", line, value) : NULL;
		if (whole)
			strv_env_set(&q->args, whole);
	}
	return 0;
}

static int read_contexts(const struct build_cli *o, struct arena *a, struct build_request *q, struct err *e)
{
	for (size_t i = 0; i < o->contexts.n; i++) {
		const char *eq = strchr(o->contexts.v[i], '=');
		if (!eq || eq == o->contexts.v[i] || !eq[1])
			return err_set(e, ERR_USAGE, "invalid --build-context \"%s\": as in NAME=PATH", o->contexts.v[i]);
		*arena_push(a, &q->contexts) = (struct pair){arena_ndup(a, o->contexts.v[i], (size_t)(eq - o->contexts.v[i])), arena_dup(a, eq + 1)};
	}
	return 0;
}

static int read_secret(const char *text, struct arena *a, struct build_secret *s, struct err *e)
{
	own(strv) struct strv words = {};
	const char *type = NULL;
	strv_split(&words, text, ',');
	for (size_t i = 0; i < words.n; i++) {
		const char *v;
		if ((v = str_after(words.v[i], "id=")))
			s->id = arena_dup(a, v);
		else if ((v = str_after(words.v[i], "src=")) || (v = str_after(words.v[i], "source=")))
			s->source = arena_dup(a, v);
		else if ((v = str_after(words.v[i], "env="))) {
			s->source = arena_dup(a, v);
			s->is_env = true;
		} else if ((v = str_after(words.v[i], "type=")))
			type = v;
		else
			return err_set(e, ERR_USAGE, "invalid --secret \"%s\": as in id=token,src=FILE or id=token,env=NAME", text);
	}
	if (str_is_empty(s->id) || (type && !str_eq(type, "file") && !str_eq(type, "env")))
		return err_set(e, ERR_USAGE, "invalid --secret \"%s\": as in id=token,src=FILE or id=token,env=NAME", text);
	if (str_eq(type, "env"))
		s->is_env = true;
	/* Without a source: the variable of that name, else the file. */
	if (!s->source) {
		s->is_env = getenv(s->id) != NULL || s->is_env;
		s->source = s->id;
	}
	return 0;
}

static int read_keys(const struct build_cli *o, struct arena *a, struct build_request *q, struct err *e)
{
	for (size_t i = 0; i < o->secrets.n; i++)
		if (read_secret(o->secrets.v[i], a, arena_push(a, &q->secrets), e) < 0)
			return -1;
	for (size_t i = 0; i < o->ssh.n; i++) {
		const char *eq = strchr(o->ssh.v[i], '=');
		*arena_push(a, &q->agents) = (struct build_secret){
			.id = eq ? arena_ndup(a, o->ssh.v[i], (size_t)(eq - o->ssh.v[i])) : arena_dup(a, o->ssh.v[i]),
			.source = eq ? arena_dup(a, eq + 1) : NULL};
	}
	for (size_t i = 0; i < o->allow.n; i++) {
		const char *device = str_after(o->allow.v[i], "device");
		if (device && (!*device || (*device == '=' && cdi_is_name(device + 1, true)))) {
			arena_strv_add(a, &q->allow_devices, *device ? device + 1 : "");
			continue;
		}
		if (!str_eq(o->allow.v[i], "security.insecure") && !str_eq(o->allow.v[i], "network.host"))
			return err_set(e, ERR_USAGE, "invalid --allow \"%s\": security.insecure, network.host and device[=NAME] are known", o->allow.v[i]);
		q->allow_host |= str_eq(o->allow.v[i], "network.host");
		q->allow_insecure |= str_eq(o->allow.v[i], "security.insecure");
	}
	return 0;
}

static int read_volume(const char *text, struct arena *a, struct build_volume *v, struct err *e)
{
	own(strv) struct strv words = {};
	own(strv) struct strv modes = {};
	strv_split(&words, text, ':');
	if (words.n < 2 || words.n > 3 || !*words.v[0] || words.v[1][0] != '/')
		return err_set(e, ERR_USAGE, "invalid --volume \"%.200s\": as in /a/directory/here:/where/RUN/sees/it or with :ro behind", text);
	own(mem) char *source = realpath(words.v[0], NULL), *target = path_clean(words.v[1]);
	if (!source)
		return err_sys(e, "--volume %.200s", words.v[0]);
	if (words.n == 3)
		strv_split(&modes, words.v[2], ',');
	for (size_t i = 0; i < modes.n; i++) {
		if (!str_eq(modes.v[i], "ro") && !str_eq(modes.v[i], "rw") && !str_eq(modes.v[i], "z") && !str_eq(modes.v[i], "Z"))
			return err_set(e, ERR_USAGE, "invalid --volume \"%.200s\": ro, rw, z and Z are known", text);
		v->ro |= str_eq(modes.v[i], "ro");
	}
	v->source = arena_dup(a, source);
	v->target = arena_dup(a, target);
	return strcmp(target, "/") == 0 ? err_set(e, ERR_USAGE, "invalid --volume \"%.200s\": the target cannot be /", text) : 0;
}

static int read_limits(const struct build_cli *o, struct arena *a, struct build_request *q, struct err *e)
{
	q->jobs = o->jobs.set ? (unsigned)o->jobs.v : 0;
	q->cache_max = o->cache_max.v;
	q->shm_size = o->shm_size.v;
	q->memory = o->memory.v;
	q->memory_swap = o->memory_swap.v;
	q->cpu_shares = o->cpu_shares.v;
	q->cpu_quota = o->cpu_quota.v;
	q->cpu_period = o->cpu_period.v;
	if (o->cpus && num_cpus(o->cpus, &q->nano_cpus, e) < 0)
		return -1;
	for (size_t i = 0; i < o->volumes.n; i++)
		if (read_volume(o->volumes.v[i], a, arena_push(a, &q->volumes), e) < 0)
			return -1;
	for (size_t i = 0; i < o->ulimits.n; i++) {
		struct ulimit *u = arena_push(a, &q->ulimits);
		if (run_parse_ulimit(a, o->ulimits.v[i], u, e) < 0)
			return -1;
	}
	return 0;
}

/* Each may be a list: a,b. */
static void read_filter(const struct build_cli *o, struct arena *a, struct build_request *q)
{
	for (size_t i = 0; i < o->no_cache_filter.n; i++) {
		own(strv) struct strv words = {};
		strv_split(&words, o->no_cache_filter.v[i], ',');
		for (size_t k = 0; k < words.n; k++)
			arena_strv_add(a, &q->no_cache_filter, str_trim(words.v[k]));
	}
}

static int make_request(const struct build_cli *o, const char *context, struct arena *a, struct build_request *q, struct err *e)
{
	*q = (struct build_request){.context = context, .file = o->file, .ignore_file = o->ignorefile, .in = 0, .tags = o->tags, .labels = o->labels,
		.extra_hosts = o->extra_hosts, .cap_add = o->cap_add, .cap_drop = o->cap_drop,
		.security_opt = o->security_opt, .target = o->target, .pull = o->pull, .network = o->network,
		.debug_at = o->debug_at, .shell_on_error = str_eq(o->on_error, "shell"), .no_cache = o->no_cache, .explain = o->explain, .squash = o->squash,
		.cpuset_cpus = o->cpuset_cpus, .cpuset_mems = o->cpuset_mems, .cgroup_parent = o->cgroup_parent};
	read_filter(o, a, q);
	if (build_output_read(&o->outputs, o->push, a, q, e) < 0)
		return -1;
	if (o->on_error && !q->shell_on_error && !str_eq(o->on_error, "stop"))
		return err_set(e, ERR_USAGE, "invalid --on-error \"%.40s\": stop and shell are known", o->on_error);
	if ((q->shell_on_error || q->debug_at) && (str_eq(context, "-") || str_eq(o->file, "-")))
		return err_set(e, ERR_USAGE, "--on-error=shell and --debug-at need stdin for the shell: the context and the Dockerfile cannot come from there");
	if (build_attest_read(&o->attest, o->provenance, o->sbom, q, e) < 0)
		return -1;
	if (build_cache_read(&o->cache_from, &o->cache_to, a, q, e) < 0)
		return -1;
	if (build_labels_read(&o->annotations, &o->platforms, o->format, a, q, e) < 0)
		return -1;
	return read_args(o, q, e) < 0 || read_contexts(o, a, q, e) < 0 || read_keys(o, a, q, e) < 0 || read_limits(o, a, q, e) < 0 ? -1 : 0;
}

static int write_metadata(const char *path, const struct build_result *r, const struct build_progress *p, struct err *e)
{
	own(json) struct json *j = json_new_object();
	own(buf) struct buf text = {};
	own(buf) struct buf names = {};
	for (size_t i = 0; i < r->names.n; i++)
		buf_printf(&names, "%s%s", i ? "," : "", r->names.v[i]);
	if (*r->config)
		json_set_str(j, "containerimage.config.digest", r->config);
	if (*r->digest)
		json_set_str(j, "containerimage.digest", r->digest);
	json_set_str(j, "image.name", buf_text(&names));
	json_set(j, "hull.build.steps", build_progress_steps(p));
	json_format(j, 2, &text);
	buf_char(&text, '\n');
	own(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 || fd_write_all(fd, buf_text(&text), text.len) < 0 ? err_sys(e, "--metadata-file %s", path) : 0;
}

static int run(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct build_cli *o = opts;
	own(arena) struct arena a = {};
	struct build_request q;
	own(build_result) struct build_result result = {};
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	/* As docker has it: whatever a build fails of is 1, options that are none are 125. */
	if (make_request(o, argv[0], &a, &q, e) < 0)
		return 1;
	const char *call = o->check ? "check" : o->call ? o->call : "build";
	bool is_build;
	if (build_call_is_build(call, &is_build, e) < 0)
		return -1;
	if (!is_build) {
		int status = 1, failed = build_call(g, &q, call, &status, e);
		strv_drop(&q.args);
		return failed < 0 ? 1 : status;
	}
	own(build_progress) struct build_progress *p = build_progress_new(o->quiet ? "quiet" :
		!o->progress && (q.shell_on_error || q.debug_at) ? "plain" : o->progress, e);
	if (!p)
		return -1;
	q.event = build_progress_event;
	q.tick = build_progress_ticks(p) && !q.shell_on_error && !q.debug_at ? build_progress_tick : NULL;
	q.arg = p;
	build_progress_keep(p, g->root);
	int r = build_run(g, &q, &result, e);
	build_progress_end(p, r == 0);
	if (o->timing)
		build_progress_timing(p);
	strv_drop(&q.args);
	if (r < 0)
		return 1;
	if ((o->iidfile && cli_write_id(o->iidfile, result.id, e) < 0) || (o->metadata_file && write_metadata(o->metadata_file, &result, p, e) < 0))
		return 1;
	/* What goes to stdout is not mixed with it. */
	if (!*result.id || (o->quiet && build_output_is_stdout(&q)))
		return 0;
	if (o->quiet)
		return cli_printf(e, "%s\n", result.id);
	build_progress_result(p, result.id, &result.names);
	return 0;
}

const struct cmd cmd_build = {"build", "CONTEXT", "Build an image from a Dockerfile", options, countof(options), sizeof(struct build_cli), 1, 1, run,
	.sub = cmd_build_below, .complete = "@dir",
	.about = "The context is a directory, or - for a tar archive or a Dockerfile on stdin, the URL of one of them, or a git repository "
		 "(URL.git#REF:FOLDER). Steps that were done before with the same inputs are "
		 "taken from the cache; stages that the target does not need are not built, and those that do not need each other are built side by "
		 "side. The image can be run at once. The same inputs give the same image: no time in it is later than the base image's, or "
		 "SOURCE_DATE_EPOCH. A directory that is called ls, du or prune is given as ./prune: `hull build prune` is `hull builder prune`.",
	.examples = "$ hull build -t hello .\n$ hull build -t hello -f Dockerfile.test --build-arg VERSION=2 --target test .\n"
		    "$ hull build -t hello - < Dockerfile\n$ hull build -t hello https://example.org/hello.git#v1:src"};
