/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info: `info` and `version`. There is no server, so what docker prints of one is said of this program and this machine; the
 * documents keep docker's shape, for scripts that read {{.Server.Version}}.
 *
 * The lines are a table: a key of the document, its words, how it is printed. A key that the document lacks has no line.
 */
#include "cli/cli.h"
#include "cli/commands.h"
#include "engine/list.h"

#include "base/num.h"

struct format_options { char *format; };
static const struct opt format_opts[] = {
	{"format", 'f', OPT_STR, offset_of(struct format_options, format), "string", "A Go template, or \"json\" for one line", 0, "json"},
};

static void put_text(const struct json *v, struct buf *out)
{
	char number[NUM_TEXT];
	switch (json_kind(v)) {
	case JSON_STRING: buf_str(out, json_str(v)); break;
	case JSON_BOOL: buf_str(out, json_truth(v) ? "true" : "false"); break;
	case JSON_INT: buf_printf(out, "%lld", (long long)json_i64(v)); break;
	case JSON_DOUBLE: buf_str(out, num_format_double(json_double(v), 21, number)); break;
	default: break;
	}
}

static void as_line(const char *label, const struct json *v, struct buf *out)
{
	if (json_kind(v) == JSON_STRING && !*json_str(v))
		return;
	buf_printf(out, " %s: ", label);
	put_text(v, out);
	buf_char(out, '\n');
}

static void as_memory(const char *label, const struct json *v, struct buf *out)
{
	char text[NUM_TEXT];
	buf_printf(out, " %s: %s\n", label, num_format_size_iec(json_u64(v), text));
}

/* "Volume: local" for each list of the object */
static void as_lists(const char *label, const struct json *v, struct buf *out)
{
	struct json_iter it = {};
	buf_printf(out, " %s:\n", label);
	while (json_next(v, &it)) {
		if (!json_len(it.value))
			continue;
		buf_printf(out, "  %s:", it.key);
		for (size_t i = 0; i < json_len(it.value); i++) {
			buf_char(out, ' ');
			put_text(json_at(it.value, i), out);
		}
		buf_char(out, '\n');
	}
}

/* [["key", "value"], …] */
static void as_pairs(const char *label unused, const struct json *v, struct buf *out)
{
	for (size_t i = 0; i < json_len(v); i++) {
		buf_str(out, "  ");
		put_text(json_at(json_at(v, i), 0), out);
		buf_str(out, ": ");
		put_text(json_at(json_at(v, i), 1), out);
		buf_char(out, '\n');
	}
}

static void as_keys(const char *label, const struct json *v, struct buf *out)
{
	struct json_iter it = {};
	buf_printf(out, " %s:", label);
	while (json_next(v, &it))
		buf_printf(out, " %s", it.key);
	buf_char(out, '\n');
}

/* "name=seccomp,profile=builtin": the name, and what it says of itself below */
static void as_security(const char *label, const struct json *v, struct buf *out)
{
	buf_printf(out, " %s:\n", label);
	for (size_t i = 0; i < json_len(v); i++) {
		own(strv) struct strv parts = {};
		strv_split(&parts, json_str(json_at(v, i)), ',');
		for (size_t k = 0; k < parts.n; k++) {
			const char *name = str_after(parts.v[k], "name="), *profile = str_after(parts.v[k], "profile=");
			if (name)
				buf_printf(out, "  %s\n", name);
			else
				buf_printf(out, "   %s%s\n", profile ? "Profile: " : "", profile ? profile : parts.v[k]);
		}
	}
}

static void as_registries(const char *label, const struct json *v, struct buf *out)
{
	struct json_iter it = {};
	own(buf) struct buf list = {};
	while (json_next(json_get(v, "IndexConfigs"), &it))
		if (json_kind(json_get(it.value, "Secure")) == JSON_BOOL && !json_truth(json_get(it.value, "Secure")))
			buf_printf(&list, "  %s\n", it.key);
	for (size_t i = 0; i < json_len(json_get(v, "InsecureRegistryCIDRs")); i++)
		buf_printf(&list, "  %s\n", json_str(json_at(json_get(v, "InsecureRegistryCIDRs"), i)));
	if (list.len)
		buf_printf(out, " %s:\n%s", label, buf_text(&list));
}

static const struct line {
	const char *key, *label;
	void (*put)(const char *label, const struct json *v, struct buf *out);
} lines[] = {
	{"Containers", "Containers", as_line}, {"ContainersRunning", " Running", as_line}, {"ContainersPaused", " Paused", as_line},
	{"ContainersStopped", " Stopped", as_line}, {"Images", "Images", as_line}, {"ServerVersion", "Server Version", as_line},
	{"Driver", "Storage Driver", as_line}, {"DriverStatus", "", as_pairs}, {"LoggingDriver", "Logging Driver", as_line},
	{"CgroupDriver", "Cgroup Driver", as_line}, {"CgroupVersion", "Cgroup Version", as_line}, {"Plugins", "Plugins", as_lists},
	{"Runtimes", "Runtimes", as_keys}, {"DefaultRuntime", "Default Runtime", as_line}, {"InitBinary", "Init Binary", as_line},
	{"SecurityOptions", "Security Options", as_security}, {"KernelVersion", "Kernel Version", as_line},
	{"OperatingSystem", "Operating System", as_line}, {"OSType", "OSType", as_line}, {"Architecture", "Architecture", as_line},
	{"NCPU", "CPUs", as_line}, {"MemTotal", "Total Memory", as_memory}, {"Name", "Name", as_line}, {"ID", "ID", as_line},
	{"DockerRootDir", "Root Dir", as_line}, {"Debug", "Debug Mode", as_line}, {"RegistryConfig", "Insecure Registries", as_registries},
};

static int info(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct format_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *doc = g ? engine_info(g, e) : NULL;
	if (!doc)
		return -1;
	struct json *client = json_new_object();
	json_set_str(client, "Version", HULL_VERSION);
	json_set_str(client, "Context", "default");
	json_set(client, "Debug", json_new_bool(false));
	json_set(doc, "ClientInfo", client);
	if (!str_is_empty(o->format))
		return cli_format_document(doc, o->format, e);
	own(buf) struct buf out = {};
	buf_str(&out, "Client: hull\n Version:    " HULL_VERSION "\n Context:    default\n\nServer:\n");
	for (size_t i = 0; i < countof(lines); i++)
		if (json_get(doc, lines[i].key))
			lines[i].put(lines[i].label, json_get(doc, lines[i].key), &out);
	const struct json *warnings = json_get(doc, "Warnings");
	for (size_t i = 0; i < json_len(warnings); i++)
		if (json_str(json_at(warnings, i)))
			cli_warn("%s", json_str(json_at(warnings, i)));
	return cli_print(&out, e);
}

static void part(const char *indent, const char *label, const char *value, struct buf *out)
{
	if (!str_is_empty(value))
		buf_printf(out, "%s%-*s%s\n", indent, 20 - (int)strlen(indent), label, value);
}

static void os_arch(const char *indent, const struct json *doc, const char *os, const char *arch, struct buf *out)
{
	const char *a = json_get_str(doc, os), *b = json_get_str(doc, arch);
	own(mem) char *both = a && b ? mem_printf("%s/%s", a, b) : NULL;
	part(indent, "OS/Arch:", both, out);
}

static void put_version(const struct json *doc, struct buf *out)
{
	const struct json *client = json_get(doc, "Client"), *server = json_get(doc, "Server"), *components = json_get(server, "Components");
	const char *api = json_get_str(server, "ApiVersion"), *least = json_get_str(server, "MinAPIVersion");
	own(mem) char *range = api && least ? mem_printf("%s (minimum version %s)", api, least) : mem_dup(api);
	buf_str(out, "Client: hull\n");
	part(" ", "Version:", json_get_str(client, "Version"), out);
	part(" ", "API version:", json_get_str(client, "ApiVersion"), out);
	os_arch(" ", client, "Os", "Arch", out);
	part(" ", "Context:", "default", out);
	buf_str(out, "\nServer: none is needed\n Engine:\n");
	part("  ", "Version:", json_get_str(server, "Version"), out);
	part("  ", "API version:", range, out);
	part("  ", "Git commit:", json_get_str(server, "GitCommit"), out);
	part("  ", "Built:", json_get_str(server, "BuildTime"), out);
	os_arch("  ", server, "Os", "Arch", out);
	part("  ", "Kernel:", json_get_str(server, "KernelVersion"), out);
	for (size_t i = 0; i < json_len(components); i++) {
		const struct json *c = json_at(components, i);
		const char *name = json_get_str(c, "Name");
		if (!name || strcmp(name, "Engine") == 0)
			continue;
		buf_printf(out, " %s:\n", name);
		part("  ", "Version:", json_get_str(c, "Version"), out);
	}
}

static int version(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct format_options *o = opts;
	struct engine *g = cli_engine(e);
	struct json *server = g ? engine_version(g, e) : NULL;
	if (!server)
		return -1;
	static const struct { const char *to, *from; } copied[] = {{"Version", "Version"}, {"ApiVersion", "ApiVersion"},
		{"DefaultAPIVersion", "ApiVersion"}, {"GitCommit", "GitCommit"}, {"GoVersion", "GoVersion"}, {"Os", "Os"}, {"Arch", "Arch"},
		{"BuildTime", "BuildTime"}};
	own(json) struct json *doc = json_new_object();
	struct json *client = json_new_object();
	for (size_t i = 0; i < countof(copied); i++)
		json_set_str(client, copied[i].to, json_get_str(server, copied[i].from) ? json_get_str(server, copied[i].from) : "");
	json_set_str(client, "Context", "default");
	json_set(doc, "Client", client);
	json_set(doc, "Server", server);
	if (!str_is_empty(o->format))
		return cli_format_document(doc, o->format, e);
	own(buf) struct buf out = {};
	put_version(doc, &out);
	return cli_print(&out, e);
}

const struct cmd cmd_info = {"info", "", "Say what this machine and hull on it are like", format_opts, countof(format_opts), sizeof(struct format_options),
	0, 0, info};
const struct cmd cmd_version = {"version", "", "Print versions", format_opts, countof(format_opts), sizeof(struct format_options), 0, 0, version};
