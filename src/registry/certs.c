/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs: see certs.h.
 */
#include "registry/certs.h"

#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { FILE_MAX = 4 << 20 };

void certs_drop(struct certs *c)
{
	buf_drop(&c->authorities);
	buf_drop(&c->cert);
	buf_drop(&c->key);
}

static void add_system(struct buf *b)
{
	static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem"};
	struct err ignored = {};
	const char *given = getenv("SSL_CERT_FILE");
	if (!str_is_empty(given)) {
		(void)!path_read(AT_FDCWD, given, b, &ignored);
		return;
	}
	for (size_t i = 0; i < countof(files); i++)
		if (path_read(AT_FDCWD, files[i], b, &ignored) == 0)
			return;
}

static int read_one(const char *folder, const char *name, struct buf *b, struct err *e)
{
	own(mem) char *path = path_join(folder, name);
	return path_read(AT_FDCWD, path, b, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

static int take_folder(const char *folder, struct certs *c, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(AT_FDCWD, folder, &names, e) < 0)
		return err_wrap(e, "%s", folder);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i];
		if (str_has_suffix(name, ".crt")) {
			if (!c->authorities.len)
				add_system(&c->authorities);
			buf_char(&c->authorities, '\n');
			if (read_one(folder, name, &c->authorities, e) < 0)
				return -1;
		}
		if (str_has_suffix(name, ".cert") && !c->cert.len) {
			own(mem) char *key = mem_printf("%.*s.key", (int)(strlen(name) - 5), name);
			if (!strv_has(&names, key))
				return err_set(e, ERR_USAGE, "%s/%s: its key %s is missing", folder, name, key);
			if (read_one(folder, name, &c->cert, e) < 0 || read_one(folder, key, &c->key, e) < 0)
				return -1;
		}
	}
	return 0;
}

int certs_load(const char *host, struct certs *ret, struct err *e)
{
	static const char *const places[] = {"~docker", "/etc/docker", "~containers", "/etc/containers"};
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	own(mem) char *mine = !str_is_empty(config) ? mem_dup(config) : mem_printf("%s/.config", home ? home : "/root");
	own(certs) struct certs c = {.authorities = BUF(2 * FILE_MAX), .cert = BUF(FILE_MAX), .key = BUF(FILE_MAX)};
	if (!path_is_name(host))
		return 0;
	for (size_t i = 0; i < countof(places); i++) {
		own(mem) char *folder = *places[i] == '~' ? mem_printf("%s/%s/certs.d/%s", mine, places[i] + 1, host)
			: mem_printf("%s/certs.d/%s", places[i], host);
		struct stat st;
		if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && take_folder(folder, &c, e) < 0)
			return -1;
	}
	*ret = c;
	c = (struct certs){};
	return 0;
}
