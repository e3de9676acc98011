/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/criu.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

struct word { const char *word; int value; };

static const struct word cgroups_modes[] = {{"soft", CRIU_CGROUPS_SOFT}, {"full", CRIU_CGROUPS_FULL}, {"strict", CRIU_CGROUPS_STRICT},
	{"ignore", CRIU_CGROUPS_IGNORE}};
static const struct word lock_methods[] = {{"iptables", CRIU_LOCK_IPTABLES}, {"nftables", CRIU_LOCK_NFTABLES}, {"skip", CRIU_LOCK_SKIP}};

void oci_criu_drop(struct oci_criu *x)
{
	fd_drop(&x->images);
	fd_drop(&x->work);
}

/* The word's value, or -1 with the words there are. */
static int choose(const char *text, const struct word *words, size_t n, const char *option, struct err *e)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].word, text) == 0)
			return words[i].value;
		buf_printf(&b, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", words[i].word);
	}
	return err_set(e, ERR_USAGE, "invalid --%s \"%.40s\": %s are known", option, text, buf_text(&b));
}

static int read_words(const struct oci_criu_options *o, struct criu_options *ret, struct err *e)
{
	int cgroups = CRIU_CGROUPS_DEFAULT, lock = CRIU_LOCK_DEFAULT;
	if (o->cgroups && (cgroups = choose(o->cgroups, cgroups_modes, countof(cgroups_modes), "manage-cgroups-mode", e)) < 0)
		return -1;
	if (o->network_lock && (lock = choose(o->network_lock, lock_methods, countof(lock_methods), "network-lock", e)) < 0)
		return -1;
	ret->cgroups = (enum criu_cgroups)cgroups;
	ret->network_lock = (enum criu_lock)lock;
	for (size_t i = 0; i < o->empty_ns.n; i++)
		if (strcmp(o->empty_ns.v[i], "network") != 0)
			return err_set(e, ERR_USAGE, "--empty-ns %.40s: only network can be left empty", o->empty_ns.v[i]);
	if (o->empty_ns.n)
		ret->empty_namespaces = CLONE_NEWNET;
	return 0;
}

static int open_directory(const char *path, bool make, const char *option, struct err *e)
{
	if (make && path_mkdirs(AT_FDCWD, path, 0700, e) < 0)
		return err_wrap(e, "%s %s", option, path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "%s %s", option, path) : fd;
}

static const char *image_path(const struct oci_criu_options *o)
{
	return str_is_empty(o->image_path) ? "checkpoint" : o->image_path;
}

int oci_criu_open(const struct oci_criu_options *o, bool make, struct oci_criu *ret, struct err *e)
{
	struct oci_criu x __attribute__((cleanup(oci_criu_drop))) = {.options = o->criu, .images = -1, .work = -1};
	if (read_words(o, &x.options, e) < 0)
		return -1;
	x.images = open_directory(image_path(o), make, "--image-path", e);
	if (x.images < 0)
		return -1;
	if (!str_is_empty(o->work_path) && (x.work = open_directory(o->work_path, true, "--work-path", e)) < 0)
		return -1;
	x.options.images_dir = x.images;
	x.options.work_dir = x.work;
	*ret = x;
	x = (struct oci_criu)OCI_CRIU_EMPTY;
	return 0;
}

int oci_criu_failed(const struct oci_criu_options *o, const char *log, struct err *e)
{
	const char *dir = str_is_empty(o->work_path) ? image_path(o) : o->work_path;
	own(mem) char *path = mem_printf("%s/%s", dir, log);
	if (str_has_prefix(e->text, "criu: ") && access(path, F_OK) == 0) {
		struct err whole = *e;
		err_set(e, whole.kind, "%.900s (%.100s)", whole.text, path);
	}
	return -1;
}
