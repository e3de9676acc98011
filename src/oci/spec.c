/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: a config.json to begin with, the same that runc writes; --rootless: one that a plain user can run.
 */
#include "base/fd.h"
#include "base/path.h"
#include "codec/json.h"
#include "oci/oci.h"
#include "oci/verbs.h"
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct options { char *bundle, *config; bool rootless; };
#define O struct options
static const struct opt options[] = {
	{"bundle", 'b', OPT_STR, offset_of(O, bundle), "DIR", "Where the file is made (the working directory)", 0, "@dir"},
	{"config", 'f', OPT_STR, offset_of(O, config), "FILE", "Its name (config.json)", 0, "@file"},
	{"rootless", 0, OPT_BOOL, offset_of(O, rootless), NULL, "For a user without privileges"},
};
#undef O

static const char example[] =
	"{\"ociVersion\":\"1.3.0\","
	"\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],\"cwd\":\"/\","
	"\"capabilities\":{\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"hull\","
	"\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/timer_list\","
	"\"/proc/timer_stats\",\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\",\"/sys/devices/virtual/tpm\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

static void add_namespace(struct json *list, const char *type)
{
	struct json *n = json_new_object();
	json_set_str(n, "type", type);
	json_add(list, n);
}

static struct json *map_id(uint32_t host)
{
	struct json *row = json_new_object(), *rows = json_new_array();
	json_set(row, "containerID", json_new_i64(0));
	json_set(row, "hostID", json_new_i64(host));
	json_set(row, "size", json_new_i64(1));
	json_add(rows, row);
	return rows;
}

/* A copy of a mount for a user namespace with one id: no options that name other ids; sysfs is the host's. */
static struct json *rootless_mount(struct json *m)
{
	bool sys = str_eq(json_get_str(m, "destination"), "/sys");
	struct json *words = json_new_array(), *had = json_get(m, "options");
	if (sys) {
		json_set_str(m, "type", "none");
		json_set_str(m, "source", "/sys");
		json_add(words, json_new_str("rbind"));
	}
	for (size_t i = 0; i < json_len(had); i++) {
		const char *word = json_str(json_at(had, i));
		if (!str_has_prefix(word, "gid=") && !str_has_prefix(word, "uid="))
			json_add(words, json_new_str(word));
	}
	if (json_len(words))
		json_set(m, "options", words);
	else
		json_drop(&words);
	return json_ref(m);
}

/* No network of one's own, for nobody could connect it; no control groups. */
static void make_rootless(struct json *spec)
{
	struct json *linux_ = json_get(spec, "linux"), *had = json_get(linux_, "namespaces"), *mounts = json_new_array(), *namespaces = json_new_array();
	for (size_t i = 0; i < json_len(had); i++)
		if (!str_eq(json_get_str(json_at(had, i), "type"), "network"))
			json_add(namespaces, json_ref(json_at(had, i)));
	add_namespace(namespaces, "user");
	json_set(linux_, "namespaces", namespaces);
	json_set(linux_, "uidMappings", map_id(geteuid()));
	json_set(linux_, "gidMappings", map_id(getegid()));
	json_del(linux_, "resources");
	for (size_t i = 0; i < json_len(json_get(spec, "mounts")); i++)
		json_add(mounts, rootless_mount(json_at(json_get(spec, "mounts"), i)));
	json_set(spec, "mounts", mounts);
}

static int write_file(const struct options *o, const struct json *spec, struct err *e)
{
	own(buf) struct buf b = {};
	own(mem) char *path = path_join(o->bundle ? o->bundle : ".", o->config ? o->config : "config.json");
	json_format(spec, 4, &b);
	buf_char(&b, '\n');
	own(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno == EEXIST ? err_set(e, ERR_EXISTS, "file %s exists: remove it first", path) : err_sys(e, "%s", path);
	return fd_write_all(fd, buf_text(&b), b.len) < 0 ? err_sys(e, "%s", path) : 0;
}

static int spec_verb(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct options *o = opts;
	own(json) struct json *spec = NULL;
	if (json_parse(example, sizeof example - 1, &spec, e) < 0)
		return -1;
	if (cgroup_machine_mode() == CGROUP_V2)
		add_namespace(json_get(json_get(spec, "linux"), "namespaces"), "cgroup");
	if (o->rootless)
		make_rootless(spec);
	return write_file(o, spec, e);
}

const struct cmd oci_spec_verb = {"spec", "", "Write a config.json to begin with", options, countof(options), sizeof(struct options), 0, 0, spec_verb,
	.about = "Writes config.json for a bundle whose root is in the directory rootfs. It runs sh in a terminal: change process.args.",
	.examples = "$ mkdir -p web/rootfs && cd web\n$ hull-runtime spec\n$ hull-runtime run web"};
