/* SPDX-License-Identifier: Apache-2.0 */
#include "build/fetch.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/interrupt.h"
#include "codec/json.h"
#include "image/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_MAX = 64 << 10 };
static const uint64_t FETCH_MAX = 64ULL << 30;

void fetched_drop(struct fetched *f)
{
	fd_drop(&f->fd);
	work_drop(&f->work);
}

static char *record_path(const char *url)
{
	char digest[DIGEST_TEXT] = "";
	struct err none = {};
	(void)!digest_of(url, strlen(url), digest, &none);
	return mem_printf("http/%s", digest_hex(digest));
}

static struct json *read_record(struct build *b, const char *url)
{
	own(mem) char *path = record_path(url);
	own(json) struct json *j = NULL;
	struct err none = {};
	if (!path_exists(b->cache.dir, path) || json_read(b->cache.dir, path, RECORD_MAX, &j, &none) < 0 || !str_eq(json_get_str(j, "url"), url) ||
		!digest_is_valid(json_get_str(j, "digest")))
		return NULL;
	return take(j);
}

static int write_record(struct build *b, const char *url, const struct download_reply *r, const struct fetched *f, struct err *e)
{
	own(mem) char *path = record_path(url);
	own(json) struct json *j = json_new_object();
	own(buf) struct buf text = BUF(RECORD_MAX);
	json_set_str(j, "url", url);
	json_set_str(j, "etag", r->etag);
	json_set_str(j, "modified", r->modified);
	json_set_str(j, "digest", f->digest);
	json_set_str(j, "name", f->name);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || path_mkdirs(b->cache.dir, "http", 0700, e) < 0 || path_write(b->cache.dir, path, text.data, text.len, 0600, 0, e) < 0)
		return err_wrap(e, "build cache");
	return 0;
}

/* The last component of the URL's path, without its query. */
static void name_of_url(const char *url, char out[256])
{
	const char *host = strstr(url, "://") + 3, *path = strchr(host, '/');
	own(mem) char *plain = mem_ndup(path ? path : "", path ? strcspn(path, "?#") : 0);
	const char *name = path_base(plain);
	snprintf(out, 256, "%s", strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "/") == 0 ? "" : name);
}

static int64_t time_of(const char *modified)
{
	struct tm tm = {};
	if (str_is_empty(modified) || !strptime(modified, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return 0;
	time_t t = timegm(&tm);
	return t > 0 ? (int64_t)t * 1000000000 : 0;
}

static void from_record(const struct json *j, struct fetched *ret)
{
	const char *name = json_get_str(j, "name");
	snprintf(ret->digest, sizeof ret->digest, "%s", json_get_str(j, "digest"));
	snprintf(ret->name, sizeof ret->name, "%s", name ? name : "");
	ret->mtime_ns = time_of(json_get_str(j, "modified"));
}

struct taking { int fd; struct digest *sum, *check; };

static int take_data(void *arg, const void *p, size_t n, struct err *e)
{
	struct taking *t = arg;
	/* It is asked only whether it is the same. */
	if (t->fd < 0)
		return err_set(e, ERR_NONE, "another one");
	digest_add(t->sum, p, n);
	if (t->check)
		digest_add(t->check, p, n);
	return fd_write_all(t->fd, p, n) < 0 ? err_sys(e, "write what is fetched") : 0;
}

static int open_nameless(struct build *b, struct err *e)
{
	int fd = openat(b->cache.dir, "running", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	char name[96], id[65];
	num_random_id(id);
	snprintf(name, sizeof name, "running/%s", id);
	fd = openat(b->cache.dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "a file for what is fetched");
	unlinkat(b->cache.dir, name, 0);
	return fd;
}

static int finish(struct build *b, const char *url, const char *checksum, struct taking *t, const struct download_reply *r, struct fetched *ret,
	struct err *e)
{
	char found[DIGEST_TEXT];
	digest_end(t->sum, ret->digest);
	if (t->check)
		digest_end(t->check, found);
	if (checksum && strcmp(t->check ? found : ret->digest, checksum) != 0)
		return err_set(e, ERR_CORRUPT, "%.200s: it has the digest %s, and --checksum says %s", url, t->check ? found : ret->digest, checksum);
	if (*r->name)
		snprintf(ret->name, sizeof ret->name, "%s", r->name);
	else
		name_of_url(url, ret->name);
	ret->mtime_ns = time_of(r->modified);
	ret->fd = take_fd(t->fd);
	return write_record(b, url, r, ret, e);
}

static int get(struct build *b, const char *url, const char *checksum, enum fetch_mode mode, const struct json *known, struct taking *t,
	struct fetched *ret, struct err *e)
{
	struct download_reply reply __attribute__((cleanup(download_reply_drop))) = {};
	own(mem) char *program = engine_libexec(b->g, "hull-registry");
	struct err why = {.kind = ERR_BUG};
	struct download d = {.program = program, .url = url, .max = FETCH_MAX, .wait = interrupt_poll, .data = take_data, .arg = t,
		.etag = known ? json_get_str(known, "etag") : NULL, .modified = known ? json_get_str(known, "modified") : NULL};
	if (mode != FETCH_ASK && ((t->fd = open_nameless(b, e)) < 0 || digest_begin(NULL, &t->sum, e) < 0))
		return -1;
	if (checksum && !str_has_prefix(checksum, "sha256:") && digest_begin(checksum, &t->check, e) < 0)
		return -1;
	if (download(&d, &reply, &why) < 0)
		return why.kind == ERR_NONE ? 1 : (*e = why, -1);
	if (reply.status == 304 && known) {
		from_record(known, ret);
		return 0;
	}
	if (mode == FETCH_ASK)
		return 1; /* it is empty */
	return finish(b, url, checksum, t, &reply, ret, e);
}

int fetch_url(struct build *b, const char *url, const char *checksum, enum fetch_mode mode, struct fetched *ret, struct err *e)
{
	own(json) struct json *known = read_record(b, url);
	struct taking t = {.fd = -1};
	*ret = (struct fetched){.fd = -1, .work = WORK_NONE};
	const char *digest = known ? json_get_str(known, "digest") : NULL;
	if (mode != FETCH_DATA && digest && checksum && strcmp(digest, checksum) == 0) {
		from_record(known, ret);
		return 0;
	}
	/* With --checksum what is known is another one. */
	bool asks = known && !checksum && mode != FETCH_DATA;
	if (mode == FETCH_ASK && !asks)
		return 1;
	int r = get(b, url, checksum, mode, asks ? known : NULL, &t, ret, e);
	fd_drop(&t.fd);
	digest_drop(&t.sum);
	digest_drop(&t.check);
	return r;
}
