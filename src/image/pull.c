/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: the client of hull-registry (transfer.h). A document comes into a memory file, because hull-registry writes
 * while we wait for its word; a layer comes through a pipe of our own, whose write end only hull-registry keeps. Documents have
 * ids from DOCUMENT_ID on, a layer's id is its number.
 *
 * What a tag resolves to is what the registry says it is: the digest in its header must be the digest of the bytes. From
 * there everything is named by digest: index -> manifest -> config.
 */
#include "image/pull.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "image/platform.h"
#include "image/pull_wire.h"
#include "image/push.h"
#include "image/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DOCUMENT_ID = 1 << 20,
	SECOND_ID = 1 << 19,  /* of a layer that is fetched again */
	DOCUMENT_MAX = 4 << 20,
	INDEX_DEPTH = 3,
	TAGS_MAX = 100000,
	PIPE_SIZE = 1 << 20,
	RETRIES = 5,
	TIMEOUT_S = 60,
};
#define ACCEPT TYPE_OCI_INDEX ", " TYPE_DOCKER_LIST ", " TYPE_OCI_MANIFEST ", " TYPE_DOCKER_MANIFEST

struct pull_internal {
	struct platform_want want;
	char *asked; /* platform as it was asked for, or NULL */
	struct store *store;
	int last_id;
};

int pull_send(struct pull *p, const struct json *j, int fd, struct err *e)
{
	own(buf) struct buf text = BUF(TRANSFER_MAX);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || fd_send(p->sock, buf_text(&text), text.len, &fd, fd >= 0, e) < 0)
		return err_wrap(e, "hull-registry");
	return 0;
}

static int send_open(struct pull *p, const struct pull_options *o, struct err *e)
{
	own(json) struct json *j = json_new_object();
	struct json *insecure = json_new_array();
	for (size_t i = 0; o->insecure && o->insecure[i]; i++)
		json_add(insecure, json_new_str(o->insecure[i]));
	json_set_str(j, "op", "open");
	json_set_str(j, "registry", o->at_registry ? o->at_registry : p->ref.registry);
	json_set_str(j, "repository", o->at_repository ? o->at_repository : p->ref.repository);
	const struct { const char *key, *value; } texts[] = {{"scope", o->scope}, {"user", o->user}, {"password", o->password}, {"token", o->token},
		{"ns", o->ns}, {"host", o->host}};
	for (size_t i = 0; i < countof(texts); i++)
		if (texts[i].value)
			json_set_str(j, texts[i].key, texts[i].value);
	json_set(j, "uploads", json_new_u64(o->uploads));
	json_set_str(j, "configDir", o->config_dir ? o->config_dir : "");
	json_set(j, "insecure", insecure);
	json_set(j, "retries", json_new_u64(o->retries == PULL_NO_RETRY ? 0 : o->retries ? o->retries : RETRIES));
	json_set(j, "timeout", json_new_u64(o->timeout_s ? o->timeout_s : TIMEOUT_S));
	return pull_send(p, j, -1, e);
}

static void run_program(const char *program, int sock, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		_exit(126);
	if (sock == TRANSFER_SOCK)
		fd_set_cloexec(sock, false);
	else if (dup2(sock, TRANSFER_SOCK) < 0)
		_exit(126);
	fd_close_from(TRANSFER_SOCK + 1, NULL, 0);
	char *const argv[] = {(char *)(uintptr_t) "hull-registry", NULL};
	execv(program, argv);
	_exit(127);
}

int pull_start(struct pull *p, const char *program, struct err *e)
{
	int pair[2];
	if (!program || access(program, X_OK) < 0)
		return err_set(e, ERR_UNSUPPORTED, "hull-registry, which speaks to registries, is not installed%s%s",
		program ? ": " : "", program ? program : "");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "hull-registry");
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		close(pair[0]);
		run_program(program, pair[1], parent);
	}
	int saved = errno;
	close(pair[1]);
	p->sock = pair[0];
	p->pid = pid;
	errno = saved;
	return pid < 0 ? err_sys(e, "hull-registry") : 0;
}

int pull_open(struct pull *p, const char *reference, const struct pull_options *o, struct err *e)
{
	*p = (struct pull){.sock = -1, .pid = -1};
	p->internal = mem_alloc(sizeof *p->internal);
	p->internal->last_id = DOCUMENT_ID;
	p->internal->store = o->store;
	if (!str_is_empty(o->platform))
		p->internal->asked = mem_dup(o->platform);
	if (ref_parse(reference, &p->ref, e) < 0 || platform_parse(o->platform, &p->internal->want, e) < 0 || pull_start(p, o->program, e) < 0 ||
		send_open(p, o, e) < 0) {
		pull_drop(p);
		return -1;
	}
	return 0;
}

void pull_drop(struct pull *p)
{
	fd_drop(&p->sock);
	/* It ends when its socket closes, but a worker of ours may hold a copy of that. */
	if (p->pid > 0) {
		kill(p->pid, SIGTERM);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (p->internal) {
		mem_drop(&p->internal->asked);
		mem_drop(&p->internal);
	}
	arena_drop(&p->arena);
	*p = (struct pull){.sock = -1, .pid = -1};
}

static int gone(struct pull *p, struct err *e)
{
	int status = 0;
	if (p->pid > 0 && waitpid(p->pid, &status, WNOHANG) == p->pid)
		p->pid = -1;
	return err_set(e, ERR_SYSTEM, "hull-registry ended unexpectedly (wait status %d)", status);
}

/* 1: a message; 0: none now. */
int pull_receive(struct pull *p, int timeout_ms, struct json **ret, struct err *e)
{
	char text[TRANSFER_MAX];
	struct pollfd fd = {.fd = p->sock, .events = POLLIN};
	int r;
	do
		r = poll(&fd, 1, timeout_ms);
	while (r < 0 && errno == EINTR && timeout_ms < 0);
	if (r <= 0)
		return r < 0 && errno != EINTR ? err_sys(e, "hull-registry") : 0;
	ssize_t n = fd_recv(p->sock, text, sizeof text, NULL, NULL, e);
	if (n <= 0)
		return gone(p, e);
	if (json_parse(text, (size_t)n, ret, e) < 0)
		return err_wrap(e, "hull-registry");
	return 1;
}

void pull_error_of(const struct json *j, struct err *e)
{
	int64_t kind = json_i64(json_get(j, "kind"));
	const char *text = json_get_str(j, "text");
	err_set_(e, kind > ERR_NONE && kind < ERR_KINDS ? (enum err_kind)kind : ERR_REMOTE, "%.900s", text ? text : "unknown error");
}

static int send_get(struct pull *p, int id, const char *path, uint64_t size, uint64_t from, int fd, struct err *e)
{
	own(json) struct json *j = json_new_object();
	json_set_str(j, "op", "get");
	json_set(j, "id", json_new_i64(id));
	json_set_str(j, "path", path);
	if (str_has_prefix(path, "manifests/"))
		json_set_str(j, "accept", ACCEPT);
	json_set(j, "size", json_new_i64(size == UINT64_MAX ? -1 : (int64_t)size));
	json_set(j, "max", json_new_i64(DOCUMENT_MAX));
	json_set(j, "from", json_new_u64(from));
	return pull_send(p, j, fd, e);
}

int pull_next_id(struct pull *p)
{
	return ++p->internal->last_id;
}

void received_drop(struct received *d)
{
	buf_drop(&d->text);
	json_drop(&d->answer);
}

int pull_wait(struct pull *p, int id, struct json **ret, struct err *e)
{
	for (;;) {
		own(json) struct json *j = NULL;
		int r = pull_receive(p, -1, &j, e);
		if (r < 0)
			return -1;
		if (r == 0 || json_i64(json_get(j, "id")) != id)
			continue;
		const char *event = json_get_str(j, "event");
		if (str_eq(event, "failed")) {
			pull_error_of(j, e);
			return -1;
		}
		if (str_eq(event, "done")) {
			*ret = take(j);
			return 0;
		}
	}
}

int pull_document(struct pull *p, const char *path, uint64_t size, struct received *ret, struct err *e)
{
	own(received) struct received d = {.text = BUF(DOCUMENT_MAX)};
	own(fd) int fd = memfd_create("hull-document", MFD_CLOEXEC);
	struct stat st;
	int id = pull_next_id(p);
	if (fd < 0)
		return err_sys(e, "memory file");
	if (send_get(p, id, path, size, 0, fd, e) < 0 || pull_wait(p, id, &d.answer, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0 || fd_read_to_end(fd, &d.text) < 0)
		return err_sys(e, "memory file");
	*ret = d;
	d = (struct received){};
	return 0;
}

int pull_check_digest(const struct received *d, const char *digest, const char *what, struct err *e)
{
	own(digest) struct digest *hash = NULL;
	char found[DIGEST_TEXT];
	if (digest_begin(digest, &hash, e) < 0)
		return -1;
	digest_add(hash, buf_text(&d->text), d->text.len);
	digest_end(hash, found);
	if (strcmp(found, digest) != 0)
		return err_set(e, ERR_CORRUPT, "%s: the registry sent something else: its digest is %.19s…, not %.19s…", what, found, digest);
	return 0;
}

static int parse(const struct received *d, const char *what, struct json **ret, struct err *e)
{
	if (json_parse(buf_text(&d->text), d->text.len, ret, e) < 0)
		return err_set(e, ERR_CORRUPT, "%s: the registry sent something that is not JSON", what);
	return 0;
}

/* The digest of what a tag names: the registry's word, if it gave one, must be true. */
static int top_digest(struct pull *p, const struct received *d, struct err *e)
{
	const char *said = json_get_str(d->answer, "digest");
	if (*p->ref.digest)
		return snprintf(p->index_digest, sizeof p->index_digest, "%s", p->ref.digest), pull_check_digest(d, p->ref.digest, "manifest", e);
	if (!said)
		return digest_of(buf_text(&d->text), d->text.len, p->index_digest, e);
	if (!digest_is_valid(said))
		return err_set(e, ERR_CORRUPT, "manifest: the registry sent an invalid Docker-Content-Digest");
	snprintf(p->index_digest, sizeof p->index_digest, "%s", said);
	return pull_check_digest(d, said, "manifest", e);
}

static int no_platform(struct pull *p, const struct image_index *x, struct err *e)
{
	own(buf) struct buf list = {};
	char text[PLATFORM_TEXT];
	platform_list(x, &list);
	return err_set(e, ERR_NOT_FOUND, "no image for %s, there is: %.500s", platform_format_want(&p->internal->want, text), buf_text(&list));
}

static void keep_text(struct pull *p, const struct received *d, char **ret, size_t *ret_len)
{
	*ret = arena_ndup(&p->arena, buf_text(&d->text), d->text.len);
	*ret_len = d->text.len;
}

/* A document that is in the store, and is what its digest says; `answer` as if the registry had sent it. */
static bool is_here(const struct pull *p, const char *digest, uint64_t size, struct json *answer, struct received *ret)
{
	struct err ignored = {};
	own(received) struct received d = {.text = BUF(DOCUMENT_MAX), .answer = answer};
	if (!p->internal->store || store_get_blob(p->internal->store, digest, DOCUMENT_MAX, &d.text, &ignored) < 0 ||
		(size != UINT64_MAX && d.text.len != size) || pull_check_digest(&d, digest, "document", &ignored) < 0)
		return false;
	*ret = d;
	d = (struct received){};
	return true;
}

/*
 * A tag whose image is here most often still means that one: HEAD says so, which registries that count pulls do not count. 1: it does;
 * 0: whatever it is, GET will tell.
 */
static int same_as_here(struct pull *p, const char *path, struct received *ret, struct err *e)
{
	struct err why = {};
	own(image) struct image image = {};
	own(json) struct json *answer = NULL;
	char text[REF_TEXT];
	if (*p->ref.digest || !p->internal->store || store_find(p->internal->store, ref_format(&p->ref, text), &image, &why) < 0)
		return 0;
	if (push_send(p, "HEAD", path, ACCEPT, &answer, &why) < 0)
		return why.kind == ERR_TIMEOUT || why.kind == ERR_LIMIT ? (*e = why, -1) : 0;
	const char *digest = json_get_str(answer, "digest");
	return digest && digest_is_valid(digest) && is_here(p, digest, UINT64_MAX, json_ref(answer), ret);
}

/* From an index to the descriptor of the manifest; the document becomes that manifest's. */
static int choose(struct pull *p, struct received *d, struct json **j, char digest[136], struct err *e)
{
	struct image_index x;
	if (image_index_parse(*j, &p->arena, &x, e) < 0)
		return -1;
	ssize_t best = platform_choose(&p->internal->want, &x);
	if (best < 0)
		return no_platform(p, &x, e);
	const struct descriptor *m = &x.manifests.v[best];
	own(mem) char *path = mem_printf("manifests/%s", m->digest);
	if (!p->index_text)
		keep_text(p, d, &p->index_text, &p->index_len);
	received_drop(d);
	json_drop(j);
	struct json *as_said = json_new_object();
	json_set_str(as_said, "type", m->media_type ? m->media_type : "");
	bool here = is_here(p, m->digest, m->size, as_said, d);
	if ((!here && (pull_document(p, path, m->size, d, e) < 0 || pull_check_digest(d, m->digest, "manifest", e) < 0)) || parse(d, "manifest", j, e) < 0)
		return -1;
	snprintf(digest, 136, "%s", m->digest);
	return 0;
}

static int get_manifest(struct pull *p, char digest[136], struct err *e)
{
	own(received) struct received d = {};
	own(json) struct json *j = NULL;
	own(mem) char *path = mem_printf("manifests/%s", *p->ref.digest ? p->ref.digest : p->ref.tag);
	int same = same_as_here(p, path, &d, e);
	if (same < 0)
		return -1;
	if (!same && pull_document(p, path, UINT64_MAX, &d, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		struct err why = *e;
		return err_set(e, ERR_NOT_FOUND, "no such image there (%.300s)", why.text);
	}
	if (top_digest(p, &d, e) < 0 || parse(&d, "manifest", &j, e) < 0)
		return -1;
	snprintf(digest, 136, "%s", p->index_digest);
	const char *type = json_get_str(d.answer, "type");
	for (int depth = 0; types_document(type, j) == DOCUMENT_INDEX; depth++) {
		if (depth == INDEX_DEPTH)
			return err_set(e, ERR_LIMIT, "indexes nested more than %d deep", INDEX_DEPTH);
		if (choose(p, &d, &j, digest, e) < 0)
			return -1;
		type = json_get_str(d.answer, "type");
	}
	keep_text(p, &d, &p->manifest_text, &p->manifest_len);
	if (manifest_parse(j, &p->arena, &p->manifest, e) < 0)
		return -1;
	p->record.media_type = arena_dup(&p->arena, p->manifest.media_type ? p->manifest.media_type : type);
	return 0;
}

static int get_config(struct pull *p, struct err *e)
{
	own(received) struct received d = {};
	own(json) struct json *j = NULL;
	const struct descriptor *c = &p->manifest.config;
	own(mem) char *path = mem_printf("blobs/%s", c->digest);
	if (!is_here(p, c->digest, c->size, NULL, &d) &&
		(pull_document(p, path, c->size, &d, e) < 0 || pull_check_digest(&d, c->digest, "image config", e) < 0))
		return -1;
	if (parse(&d, "image config", &j, e) < 0)
		return -1;
	keep_text(p, &d, &p->config_text, &p->config_len);
	if (image_config_parse(j, &p->arena, &p->config, e) < 0 || types_check(&p->manifest, &p->config, e) < 0)
		return -1;
	return platform_check(p->internal->asked, p->config.os, p->config.architecture, p->config.variant, e);
}

static void set_record(struct pull *p, const char *digest)
{
	struct arena *a = &p->arena;
	struct image_record *r = &p->record;
	const struct image_config *c = &p->config;
	struct ref name = p->ref;
	char text[REF_TEXT];
	r->id = p->manifest.config.digest;
	r->manifest = arena_dup(a, digest);
	r->names = r->digests = (struct strv){};
	if (*name.tag && !*name.digest)
		arena_strv_add(a, &r->names, ref_format(&name, text));
	*name.tag = 0;
	snprintf(name.digest, sizeof name.digest, "%s", p->index_digest);
	arena_strv_add(a, &r->digests, ref_format(&name, text));
	r->diff_ids = c->rootfs.diff_ids;
	r->created = c->created;
	r->architecture = c->architecture;
	r->os = c->os;
	r->variant = c->variant;
}

int pull_resolve(struct pull *p, struct err *e)
{
	char digest[136], text[REF_TEXT];
	p->record = (struct image_record){};
	p->index_text = NULL;
	p->index_len = 0;
	if (get_manifest(p, digest, e) < 0 || get_config(p, e) < 0)
		return err_wrap(e, "%s", ref_format_familiar(&p->ref, text));
	set_record(p, digest);
	return 0;
}

static int add_tags(const struct received *d, struct strv *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	if (parse(d, "tags", &j, e) < 0)
		return -1;
	const struct json *tags = json_get(j, "tags");
	for (size_t i = 0; i < json_len(tags); i++) {
		struct ref r;
		struct err ignored = {};
		own(mem) char *text = mem_printf("x:%s", json_str(json_at(tags, i)) ? json_str(json_at(tags, i)) : "");
		/* One that is no tag cannot be asked for. */
		if (ref_parse(text, &r, &ignored) < 0 || *r.digest || strv_has(ret, r.tag))
			continue;
		if (ret->n == TAGS_MAX)
			return err_set(e, ERR_LIMIT, "more than %d tags", TAGS_MAX);
		strv_add(ret, r.tag);
	}
	return 0;
}

int pull_tags(struct pull *p, struct strv *ret, struct err *e)
{
	own(mem) char *path = mem_dup("tags/list?n=1000");
	char text[REF_TEXT];
	for (size_t pages = 0; path && pages < TAGS_MAX; pages++) {
		own(received) struct received d = {};
		if (pull_document(p, path, UINT64_MAX, &d, e) < 0 || add_tags(&d, ret, e) < 0)
			return err_wrap(e, "%s", ref_repository_familiar(&p->ref, text));
		mem_drop(&path);
		path = mem_dup(json_get_str(d.answer, "next"));
	}
	return 0;
}

int pull_select(struct pull *p, const char *tag, struct err *e)
{
	struct ref r;
	own(mem) char *text = mem_printf("x:%s", tag);
	if (ref_parse(text, &r, e) < 0)
		return -1;
	snprintf(p->ref.tag, sizeof p->ref.tag, "%s", r.tag);
	*p->ref.digest = 0;
	return 0;
}

int pull_fetch_from(struct pull *p, size_t layer, uint64_t from, unsigned try, struct err *e)
{
	int ends[2];
	if (layer >= p->manifest.layers.n)
		return err_set(e, ERR_BUG, "layer %zu of %zu", layer, p->manifest.layers.n);
	const struct descriptor *d = &p->manifest.layers.v[layer];
	own(mem) char *path = mem_printf("blobs/%s", d->digest);
	if (fd_pipe(ends, e) < 0)
		return -1;
	own(fd) int in = ends[0];
	own(fd) int out = ends[1];
	(void)!fcntl(in, F_SETPIPE_SZ, PIPE_SIZE);
	if (send_get(p, (int)layer + (try ? SECOND_ID : 0), path, d->size, from, out, e) < 0)
		return -1;
	return take_fd(in);
}

int pull_fetch(struct pull *p, size_t layer, struct err *e)
{
	return pull_fetch_from(p, layer, 0, 0, e);
}

int pull_blob(struct pull *p, const char *digest, uint64_t size, int fd, struct err *e)
{
	own(json) struct json *answer = NULL;
	own(mem) char *path = mem_printf("blobs/%s", digest);
	int id = pull_next_id(p);
	return send_get(p, id, path, size, 0, fd, e) < 0 ? -1 : pull_wait(p, id, &answer, e);
}

int pull_event(struct pull *p, struct pull_event *ret, struct err *e)
{
	for (;;) {
		own(json) struct json *j = NULL;
		int r = pull_receive(p, 0, &j, e);
		if (r <= 0)
			return r;
		static const struct { const char *name; int kind; } kinds[] = {
			{"bytes", PULL_BYTES}, {"retry", PULL_RETRY}, {"done", PULL_DONE}, {"failed", PULL_FAILED}};
		const char *event = json_get_str(j, "event");
		int64_t id = json_i64(json_get(j, "id"));
		for (size_t i = 0; i < countof(kinds); i++) {
			if (!str_eq(event, kinds[i].name) || id < 0 || id >= DOCUMENT_ID)
				continue;
			*ret = (struct pull_event){.kind = kinds[i].kind, .layer = (size_t)(id % SECOND_ID), .try = id >= SECOND_ID,
				.bytes = json_u64(json_get(j, "bytes"))};
			if (kinds[i].kind == PULL_RETRY || kinds[i].kind == PULL_FAILED)
				pull_error_of(j, &ret->why);
			return 1;
		}
	}
}

int pull_commit(struct pull *p, struct store *s, uint64_t size, struct err *e)
{
	struct store_blob blobs[3] = {{p->record.id, p->config_text, p->config_len}, {p->record.manifest, p->manifest_text, p->manifest_len}};
	size_t n = 2;
	if (p->index_text)
		blobs[n++] = (struct store_blob){p->index_digest, p->index_text, p->index_len};
	p->record.size = size;
	return store_put(s, &p->record, blobs, n, e);
}
