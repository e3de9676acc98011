/* SPDX-License-Identifier: Apache-2.0 */
/* reset: containers and pods first, then networks, then all of hull's own files by name, with the locks that makers of images and containers hold. */
#include "engine/reset.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/network.h"
#include "engine/pod.h"

#include <unistd.h>

/* All that hull ever makes in its directories, by name: somebody may have said --root /. The locks come last. */
static const char *const in_root[] = {"names", "containers", "pods", "images", "layers", "blobs", "build", "volumes", "networks", "imports",
	"secrets", "secrets.lock", "seccomp", "events.log", "events.log.1", "events.lock", "box.lock", "userns.lock", "volumes.lock", "layers.lock"};
static const char *const in_run[] = {"containers", "pods", "networks", "layers"};

static int remove_containers(struct engine *g, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = {};
		if (container_delete(g, ids.v[i], true, true, &why) < 0 && why.kind != ERR_NOT_FOUND)
			return *e = why, -1;
	}
	return 0;
}

/* Their monitors hold networks. */
static int remove_pods(struct engine *g, struct err *e)
{
	own(strv) struct strv ids = {};
	if (!path_exists(g->root, "pods"))
		return 0;
	if (engine_need_pods(g, e) < 0 || containers_ids(&g->pods, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = {};
		if (pod_delete(g, ids.v[i], true, &why) < 0 && why.kind != ERR_NOT_FOUND)
			return *e = why, -1;
	}
	return 0;
}

static int remove_all(int dir, const char *const *names, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (path_remove_tree(dir, names[i], e) < 0)
			return -1;
	return 0;
}

int system_reset(struct engine *g, struct err *e)
{
	struct err busy = {};
	if (remove_containers(g, e) < 0 || remove_pods(g, e) < 0)
		return -1;
	own(fd) int layers = path_lock(g->root, "layers.lock", true, false, &busy);
	if (layers < 0)
		return busy.kind == ERR_CONFLICT
			? err_set(e, ERR_CONFLICT, "another command is making an image or a container: try again when it has ended") : (*e = busy, -1);
	own(fd) int volumes = path_lock(g->root, "volumes.lock", true, true, e);
	if (volumes < 0 || network_remove_all(g, e) < 0)
		return -1;
	if (remove_all(g->run, in_run, countof(in_run), e) < 0 || remove_all(g->root, in_root, countof(in_root), e) < 0)
		return err_wrap(e, "reset");
	return 0;
}
