/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: `explain CONTAINER`, `explain --image NAME`: the engine's document as text, a section for each of its keys.
 */
#include "engine/explain.h"

#include "base/num.h"
#include "base/tab.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/tools.h"

#include <stdlib.h>

struct explain_options {
	bool script, image;
	char *format;
};
#define O(m) offset_of(struct explain_options, m)
static const struct opt explain_opts[] = {
	{"format", 'f', OPT_STR, O(format), "string", "A Go template, or \"json\"", 0, "json"},
	{"image", 0, OPT_BOOL, O(image), NULL, "It is an image: what its layers added, hid and wasted"},
	{"script", 0, OPT_BOOL, O(script), NULL, "The same container as a sh script of unshare, cgcreate, mount and ip"},
};
#undef O

static void cell(struct tab *t, const char *text)
{
	tab_cell(t, text ? text : "");
}

static void head(struct buf *out, const char *text)
{
	buf_printf(out, "%s%s\n", out->len ? "\n" : "", text);
}

/* A list of words in lines of 100 characters. */
static void put_words(const struct json *list, const char *prefix, struct buf *out)
{
	size_t column = 0;
	for (size_t i = 0; i < json_len(list); i++) {
		const char *word = json_str(json_at(list, i));
		word = str_after(word, prefix) ? str_after(word, prefix) : word;
		if (column && column + strlen(word) + 1 > 98) {
			buf_char(out, '\n');
			column = 0;
		}
		buf_printf(out, "%s%s", column ? " " : "  ", word);
		column += strlen(word) + (column ? 1 : 2);
	}
	buf_str(out, json_len(list) ? "\n" : "  none\n");
}

static void put_namespaces(const struct json *doc, struct buf *out)
{
	const struct json *list = json_get(doc, "Namespaces");
	own(tab) struct tab *t = tab_new();
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *n = json_at(list, i);
		bool own_one = json_truth(json_get(n, "Isolated"));
		own(mem) char *type = mem_printf("  %s", json_get_str(n, "Type"));
		own(mem) char *ino = mem_printf("%llu", (unsigned long long)json_u64(json_get(n, "Container")));
		cell(t, type);
		cell(t, own_one ? "its own" : "the host's");
		cell(t, ino);
		cell(t, json_get_str(n, "Of"));
		tab_line(t);
	}
	head(out, "Namespaces");
	if (json_len(list))
		tab_format(t, out);
	else
		buf_str(out, "  none: it does not run\n");
}

/* Bytes as people read them; "max" and lists as they are. */
static char *amount(const char *text, const char *unit)
{
	char *end, number[NUM_TEXT];
	if (!text)
		return mem_dup("");
	unsigned long long v = strtoull(text, &end, 10);
	if (strcmp(unit, "bytes") == 0 && *text && !*end && v >= 1ULL << 62)
		return mem_dup("max");
	if (strcmp(unit, "bytes") == 0 && *text && !*end)
		return mem_dup(num_format_size_iec(v, number));
	return mem_dup(text);
}

static char *used(const struct json *l)
{
	const char *use = json_get_str(l, "Use"), *unit = json_get_str(l, "Unit");
	if (!use)
		return mem_dup("");
	if (str_has_suffix(unit, "ns"))
		return mem_printf("%.3f s used", (double)strtoull(use, NULL, 10) / 1e9);
	own(mem) char *text = amount(use, unit);
	return mem_printf("%s used", text);
}

static void put_limits(const struct json *doc, struct buf *out)
{
	const struct json *list = json_get(doc, "Limits");
	own(tab) struct tab *t = tab_new();
	own(mem) char *title = mem_printf("Limits (%s)", json_len(list) ? json_get_str(doc, "Cgroup") : "no control group");
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *l = json_at(list, i);
		own(mem) char *name = mem_printf("  %s", json_get_str(l, "Name")), *use = used(l);
		own(mem) char *limit = amount(json_get_str(l, "Limit"), json_get_str(l, "Unit"));
		cell(t, name);
		cell(t, strcmp(limit, "max") == 0 ? "no limit" : limit);
		cell(t, use);
		cell(t, json_get_str(l, "Parameter"));
		tab_line(t);
	}
	head(out, title);
	tab_format(t, out);
}

static void put_security(const struct json *doc, struct buf *out)
{
	const struct json *caps = json_get(doc, "Capabilities"), *seccomp = json_get(doc, "Seccomp");
	own(mem) char *kept = mem_printf("Capabilities: %zu kept, %zu dropped%s", json_len(json_get(caps, "Kept")), json_len(json_get(caps, "Dropped")),
		json_truth(json_get(doc, "NoNewPrivileges")) ? "; none can be gained (no-new-privileges)" : "");
	own(mem) char *calls = mem_printf("System calls (seccomp %s): %zu refused", json_get_str(seccomp, "Profile"), json_len(json_get(seccomp, "Refused")));
	head(out, kept);
	put_words(json_get(caps, "Kept"), "CAP_", out);
	head(out, calls);
	put_words(json_get(seccomp, "Refused"), "", out);
	head(out, "Labels and user");
	const char *apparmor = json_get_str(doc, "AppArmor"), *selinux = json_get_str(doc, "SELinux"), *map = json_get_str(json_get(doc, "User"), "UidMap");
	buf_printf(out, "  AppArmor  %s\n  SELinux   %s\n", *apparmor ? apparmor : "none", *selinux ? selinux : "none");
	buf_printf(out, "  user      %s%s%s\n", json_get_str(json_get(doc, "User"), "Name"), *map ? ", ids " : ", ids as outside", map);
}

static void put_mounts(const struct json *doc, struct buf *out)
{
	const struct json *list = json_get(doc, "Mounts"), *root = json_get(doc, "Root"), *layers = json_get(root, "Layers");
	own(tab) struct tab *t = tab_new();
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *m = json_at(list, i);
		own(mem) char *type = mem_printf("  %s", json_get_str(m, "Type"));
		cell(t, type);
		cell(t, json_get_str(m, "Destination"));
		cell(t, json_truth(json_get(m, "RW")) ? "rw" : "ro");
		cell(t, json_get_str(m, "Source"));
		tab_line(t);
	}
	head(out, "Mounts");
	if (json_len(list))
		tab_format(t, out);
	else
		buf_str(out, "  none but the root, /proc, /sys and /dev\n");
	buf_printf(out, "  hidden: %zu paths; read-only: %zu paths\n", json_len(json_get(doc, "MaskedPaths")), json_len(json_get(doc, "ReadonlyPaths")));
	own(mem) char *title = mem_printf("Root: %s, %zu layer%s%s", json_get_str(root, "Driver"), json_len(layers), json_len(layers) == 1 ? "" : "s",
		json_truth(json_get(root, "ReadOnly")) ? ", read-only" : " and one to write to");
	own(tab) struct tab *l = tab_new();
	head(out, title);
	for (size_t i = 0; i < json_len(layers); i++) {
		const struct json *row = json_at(layers, i);
		own(mem) char *id = column_id(json_get_str(row, "DiffId"), false), *shown = mem_printf("  %s", id);
		own(mem) char *size = column_size((int64_t)json_u64(json_get(row, "Bytes")));
		own(mem) char *files = mem_printf("%llu files", (unsigned long long)json_u64(json_get(row, "Files")));
		cell(l, shown);
		cell(l, size);
		cell(l, files);
		tab_line(l);
	}
	tab_format(l, out);
}

static void put_network(const struct json *doc, struct buf *out)
{
	const struct json *list = json_get(doc, "Networks"), *ports = json_get(doc, "Ports");
	own(tab) struct tab *t = tab_new();
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *n = json_at(list, i);
		own(mem) char *name = mem_printf("  %s", json_get_str(n, "Network"));
		own(mem) char *gateway = *json_get_str(n, "Gateway") ? mem_printf("by %s", json_get_str(n, "Gateway")) : mem_dup("");
		cell(t, name);
		cell(t, json_get_str(n, "Interface"));
		cell(t, json_get_str(n, "Address"));
		cell(t, gateway);
		tab_line(t);
	}
	head(out, "Network");
	if (json_len(list))
		tab_format(t, out);
	else
		buf_str(out, "  no network of hull's\n");
	for (size_t i = 0; i < json_len(ports); i++)
		buf_printf(out, "  port %s\n", json_str(json_at(ports, i)));
}

static void put_weaker(const struct json *doc, struct buf *out)
{
	const struct json *list = json_get(doc, "Weaker");
	own(tab) struct tab *t = tab_new();
	for (size_t i = 0; i < json_len(list); i++) {
		own(mem) char *what = mem_printf("  %s", json_get_str(json_at(list, i), "What"));
		cell(t, what);
		cell(t, json_get_str(json_at(list, i), "Why"));
		tab_line(t);
	}
	head(out, "Weaker than it could be");
	if (json_len(list))
		tab_format(t, out);
	else
		buf_str(out, "  nothing\n");
}

static void put_container(const struct json *doc, struct buf *out)
{
	own(mem) char *id = column_id(json_get_str(doc, "Id"), false), *image = mem_dup(json_get_str(doc, "Image"));
	str_harmless(image);
	buf_printf(out, "%s (%s) of %s, %s", json_get_str(doc, "Name"), id, image, json_get_str(doc, "Status"));
	if (json_i64(json_get(doc, "Pid")))
		buf_printf(out, ", process %lld", (long long)json_i64(json_get(doc, "Pid")));
	buf_char(out, '\n');
	put_namespaces(doc, out);
	put_limits(doc, out);
	put_security(doc, out);
	put_mounts(doc, out);
	put_network(doc, out);
	put_weaker(doc, out);
}

static void put_layers(const struct json *doc, struct buf *out)
{
	static const char *const titles[] = {"LAYER", "FILES", "BYTES", "HIDES", "WASTED", "CREATED BY"};
	const struct json *layers = json_get(doc, "Layers");
	own(tab) struct tab *t = tab_new();
	for (size_t i = 0; i < countof(titles); i++)
		cell(t, titles[i]);
	tab_line(t);
	for (size_t i = 0; i < json_len(layers); i++) {
		const struct json *l = json_at(layers, i);
		own(mem) char *number = mem_printf("%zu", i), *files = mem_printf("%llu", (unsigned long long)json_u64(json_get(l, "Files")));
		own(mem) char *bytes = column_size((int64_t)json_u64(json_get(l, "Bytes")));
		own(mem) char *wasted = column_size((int64_t)json_u64(json_get(l, "WastedBytes")));
		own(mem) char *size = column_size((int64_t)json_u64(json_get(l, "HiddenBytes")));
		own(mem) char *hides = mem_printf("%llu (%s)", (unsigned long long)json_u64(json_get(l, "HiddenFiles")), size);
		own(mem) char *by = column_ellipsis(json_get_str(l, "CreatedBy"), 60);
		cell(t, number);
		cell(t, files);
		cell(t, bytes);
		cell(t, hides);
		cell(t, wasted);
		cell(t, by);
		tab_line(t);
	}
	tab_format(t, out);
}

static void put_image(const struct json *doc, struct buf *out)
{
	const struct json *biggest = json_get(doc, "Biggest"), *layers = json_get(doc, "Layers");
	own(mem) char *id = column_id(json_get_str(doc, "Id"), false), *bytes = column_size((int64_t)json_u64(json_get(doc, "Bytes")));
	own(mem) char *wasted = column_size((int64_t)json_u64(json_get(doc, "WastedBytes")));
	buf_printf(out, "%s: %zu layer%s, %llu files, %s; wasted %s, efficiency %.1f %%\n\n", id, json_len(layers), json_len(layers) == 1 ? "" : "s",
		(unsigned long long)json_u64(json_get(doc, "Files")), bytes, wasted, 100 * json_double(json_get(doc, "Efficiency")));
	put_layers(doc, out);
	own(tab) struct tab *t = tab_new();
	for (size_t i = 0; i < json_len(biggest); i++) {
		const struct json *b = json_at(biggest, i);
		own(mem) char *size = column_size((int64_t)json_u64(json_get(b, "Bytes"))), *shown = mem_printf("  %s", size);
		const char *state = json_truth(json_get(b, "Hidden")) ? ", hidden" : "";
		own(mem) char *layer = mem_printf("layer %llu%s", (unsigned long long)json_u64(json_get(b, "Layer")), state);
		own(mem) char *path = mem_printf("/%s", json_get_str(b, "Path"));
		cell(t, shown);
		cell(t, layer);
		cell(t, path);
		tab_line(t);
	}
	head(out, "Biggest files");
	tab_format(t, out);
	for (size_t i = 0, said = 0; i < json_len(layers); i++) {
		const struct json *hidden = json_get(json_at(layers, i), "Hidden");
		for (size_t k = 0; k < json_len(hidden); k++) {
			const struct json *h = json_at(hidden, k);
			own(mem) char *path = mem_dup(json_get_str(h, "Path")), *size = column_size((int64_t)json_u64(json_get(h, "Bytes")));
			str_harmless(path);
			if (!said++)
				head(out, "Hidden");
			buf_printf(out, "  layer %zu hides /%s of layer %llu (%s)\n", i, path, (unsigned long long)json_u64(json_get(h, "Layer")), size);
		}
	}
}

static int explain_it(const struct explain_options *o, const char *name, struct err *e)
{
	own(buf) struct buf out = {};
	struct engine *g = cli_engine(e);
	if (o->script && (o->image || o->format))
		return err_set(e, ERR_USAGE, "--script goes with neither --image nor --format");
	if (!g)
		return -1;
	if (o->script)
		return explain_script(g, name, &out, e) < 0 ? -1 : cli_print(&out, e);
	own(json) struct json *doc = o->image ? explain_image(g, name, e) : explain_container(g, name, e);
	if (!doc)
		return -1;
	if (o->format)
		return cli_format_document(doc, o->format, e);
	if (o->image)
		put_image(doc, &out);
	else
		put_container(doc, &out);
	return cli_print(&out, e);
}

static int explain(void *opts, int argc unused, char **argv, struct err *e)
{
	return tools_status(explain_it(opts, argv[0], e), e);
}

const struct cmd cmd_explain = {"explain", "CONTAINER|IMAGE", "Say what isolates a container, or what is in an image's layers", explain_opts,
	countof(explain_opts), sizeof(struct explain_options), 1, 1, explain, .complete = "@container",
	.about = "Of a container: each namespace against the host's, each limit with its use, the capabilities that are left, the system calls that are "
	"refused, mounts, labels, addresses, layers, and where it is weaker than it could be, and why. Of an image: what each layer added, what a later "
	"one hid of it, and the biggest files.",
	.examples = "$ hull explain web\n$ hull explain --script web >by-hand.sh\n$ hull explain --image box"};
