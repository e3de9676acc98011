/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: libcurl's multi interface. Each transfer is an easy handle of its own; connections are kept and shared by the multi
 * handle. Proxies are taken from the environment as curl does it, HTTP_PROXY in capitals too; this machine itself
 * is never asked for through a proxy.
 *
 * done() is called from http_wait() after curl has let go of the handle, so that it may start and cancel others.
 */
#include "registry/http.h"

#include "base/mem.h"
#include "base/num.h"
#include "registry/certs.h"
#include "registry/insecure.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { HEADERS_MAX = 65536, CONNECT_S = 30, CONNECTIONS_MAX = 8 };

struct http {
	CURLM *multi;
	struct http_transfer *all;
	const char *ca_file, *ca_dir;
	const struct certs *certs;
	char *certs_host;
	unsigned certs_port;
};

struct http_transfer {
	struct http_transfer *next;
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	struct http_call call;
	uint64_t sent; /* of the body */
	struct http_reply reply;
	size_t header_bytes;
	bool headed, stopped, bad;
	char why[CURL_ERROR_SIZE];
	bool leads_here;     /* its name stands for an address of this machine */
};

int http_new(struct http **ret, struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return err_set(e, ERR_SYSTEM, "libcurl cannot start");
	struct http *h = mem_alloc(sizeof *h);
	h->multi = curl_multi_init();
	if (!h->multi) {
		mem_drop(&h);
		return err_set(e, ERR_SYSTEM, "libcurl cannot start");
	}
	/* As OpenSSL and Go have it. */
	h->ca_file = getenv("SSL_CERT_FILE");
	h->ca_dir = getenv("SSL_CERT_DIR");
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_MAX);
	*ret = h;
	return 0;
}

void http_reply_drop(struct http_reply *r)
{
	free(r->type);
	free(r->location);
	free(r->digest);
	free(r->retry_after);
	free(r->link);
	free(r->range);
	free(r->upload_range);
	free(r->chunk_min);
	free(r->subject);
	free(r->etag);
	free(r->modified);
	free(r->disposition);
	strv_drop(&r->challenges);
	*r = (struct http_reply){.length = -1};
}

static void transfer_free(struct http_transfer *t)
{
	struct http_transfer **at = &t->http->all;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	curl_multi_remove_handle(t->http->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	http_reply_drop(&t->reply);
	free(t);
}

void http_cancel(struct http_transfer *t)
{
	transfer_free(t);
}

void http_drop(struct http **h)
{
	if (!*h)
		return;
	while ((*h)->all)
		transfer_free((*h)->all);
	curl_multi_cleanup((*h)->multi);
	mem_drop(&(*h)->certs_host);
	mem_drop(h);
}

static void keep(char **to, const char *value)
{
	free(*to);
	*to = mem_dup(value);
}

static void keep_header(struct http_reply *r, const char *name, char *value)
{
	const struct { const char *name; char **to; } rows[] = {
		{"content-type", &r->type}, {"location", &r->location}, {"docker-content-digest", &r->digest},
		{"retry-after", &r->retry_after}, {"link", &r->link}, {"content-range", &r->range},
		{"range", &r->upload_range}, {"oci-chunk-min-length", &r->chunk_min}, {"oci-subject", &r->subject},
		{"etag", &r->etag}, {"last-modified", &r->modified}, {"content-disposition", &r->disposition},
	};
	struct err ignored = {};
	uint64_t n;
	for (size_t i = 0; i < countof(rows); i++)
		if (strcasecmp(rows[i].name, name) == 0)
			keep(rows[i].to, value);
	if (strcasecmp(name, "www-authenticate") == 0 && r->challenges.n < 16)
		strv_add(&r->challenges, value);
	if (strcasecmp(name, "content-length") == 0 && num_u64(value, INT64_MAX, &n, "length", &ignored) == 0)
		r->length = (int64_t)n;
}

/* Headers of every answer pass here, those of a proxy or of 100 Continue too: each status line begins anew. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	(void)size;
	t->header_bytes += n;
	if (t->header_bytes > HEADERS_MAX || memchr(p, 0, n)) {
		t->bad = true;
		return 0;
	}
	own(mem) char *line = mem_ndup(p, n);
	if (str_has_prefix(line, "HTTP/")) {
		http_reply_drop(&t->reply);
		return n;
	}
	char *colon = strchr(line, ':');
	if (colon) {
		*colon = 0;
		keep_header(&t->reply, line, str_trim(colon + 1));
	}
	return n;
}

static int give_head(struct http_transfer *t)
{
	if (t->headed)
		return 0;
	t->headed = true;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->reply.status);
	return t->call.head(t->call.arg, &t->reply);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	(void)size;
	int r = give_head(t);
	if (r == 0)
		r = t->call.body(t->call.arg, p, n);
	if (r == HTTP_PAUSE)
		return CURL_WRITEFUNC_PAUSE;
	t->stopped = r < 0;
	return r < 0 ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	uint64_t left = t->call.length - t->sent;
	n *= size;
	if (n > left)
		n = (size_t)left;
	ssize_t r = n ? pread(t->call.fd, p, n, (off_t)(t->call.at + t->sent)) : 0;
	if (r < 0 || (r == 0 && n))
		return CURL_READFUNC_ABORT;
	t->sent += (uint64_t)r;
	if (t->call.sent)
		t->call.sent(t->call.arg, (size_t)r);
	return (size_t)r;
}

/* curl begins anew where a kept connection turned out to be dead: whether the body had arrived it does not ask. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_transfer *t = arg;
	if (t->call.once && t->sent)
		return CURL_SEEKFUNC_FAIL;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->call.length)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static bool is_loopback(const char *host)
{
	struct in_addr a;
	return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
		(inet_pton(AF_INET, host, &a) == 1 && (ntohl(a.s_addr) >> 24) == 127);
}

static bool has_proxy(void)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY"};
	for (size_t i = 0; i < countof(names); i++)
		if (!str_is_empty(getenv(names[i])))
			return true;
	return false;
}

/* What a name stands for is known here, just before it is connected to. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http_transfer *t = arg;
	char text[INET6_ADDRSTRLEN] = "";
	const void *address = to->family == AF_INET ? (const void *)&((struct sockaddr_in *)(void *)&to->addr)->sin_addr
						    : (const void *)&((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr;
	if (purpose == CURLSOCKTYPE_IPCXN && (to->family == AF_INET || to->family == AF_INET6) && inet_ntop(to->family, address, text, sizeof text) &&
		insecure_leads_here(text)) {
		t->leads_here = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_proxy(CURL *easy, const char *url)
{
	struct http_place p = {};
	if (http_place_of(url, &p) < 0)
		return;
	if (is_loopback(p.host))
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	else if (strcmp(p.scheme, "http") == 0 && !getenv("http_proxy") && getenv("HTTP_PROXY"))
		curl_easy_setopt(easy, CURLOPT_PROXY, getenv("HTTP_PROXY"));
	http_place_drop(&p);
}

static void add_header(struct http_transfer *t, const char *name, const char *value)
{
	if (!value)
		return;
	/* A media type is the word of whoever made the image: it does not end the line. */
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return;
	own(mem) char *line = mem_printf("%s: %s", name, value);
	t->headers = curl_slist_append(t->headers, line);
}

void http_set_certs(struct http *h, const char *host, unsigned port, const struct certs *certs)
{
	mem_drop(&h->certs_host);
	h->certs_host = mem_dup(host);
	h->certs_port = port;
	h->certs = certs;
}

static void set_blob(CURL *easy, CURLoption option, const struct buf *b)
{
	struct curl_blob blob = {b->data, b->len, CURL_BLOB_NOCOPY};
	if (b->len)
		curl_easy_setopt(easy, option, &blob);
}

static void set_certs(struct http_transfer *t, const char *url)
{
	const struct http *h = t->http;
	struct http_place p = {};
	if (!str_is_empty(h->ca_file))
		curl_easy_setopt(t->easy, CURLOPT_CAINFO, h->ca_file);
	if (!str_is_empty(h->ca_dir))
		curl_easy_setopt(t->easy, CURLOPT_CAPATH, h->ca_dir);
	if (!h->certs || http_place_of(url, &p) < 0)
		return;
	if (strcasecmp(p.host, h->certs_host) == 0 && p.port == h->certs_port) {
		set_blob(t->easy, CURLOPT_CAINFO_BLOB, &h->certs->authorities);
		set_blob(t->easy, CURLOPT_SSLCERT_BLOB, &h->certs->cert);
		set_blob(t->easy, CURLOPT_SSLKEY_BLOB, &h->certs->key);
	}
	http_place_drop(&p);
}

static void set_method(struct http_transfer *t, const struct http_call *c)
{
	CURL *easy = t->easy;
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->method);
	if (strcmp(c->method, "HEAD") == 0)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (strcmp(c->method, "HEAD") == 0 || strcmp(c->method, "DELETE") == 0 || strcmp(c->method, "GET") == 0)
		return;
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->length);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 262144L);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, t);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
	add_header(t, "Content-Type", c->type);
	add_header(t, "Content-Range", c->content_range);
	/* What would be refused was refused before. */
	t->headers = curl_slist_append(t->headers, "Expect:");
}

static void set_up(struct http_transfer *t, const struct http_call *c)
{
	CURL *easy = t->easy;
	curl_easy_setopt(easy, CURLOPT_URL, c->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "hull/" HULL_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 262144L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)(c->connect_s ? c->connect_s : CONNECT_S));
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->untrusted ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->untrusted ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	set_certs(t, c->url);
	if (c->elsewhere && !has_proxy()) {
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	}
	if (c->from) {
		own(mem) char *range = mem_printf("%llu-", (unsigned long long)c->from);
		curl_easy_setopt(easy, CURLOPT_RANGE, range);
	}
	if (c->form)
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, c->form);
	if (c->user_password) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERPWD, c->user_password);
	}
	if (c->method)
		set_method(t, c);
	add_header(t, "Accept", c->accept);
	add_header(t, "Authorization", c->authorization);
	add_header(t, "If-None-Match", c->if_none_match);
	add_header(t, "If-Modified-Since", c->if_modified_since);
	add_header(t, "If-Range", c->if_range);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	set_proxy(easy, c->url);
}

struct http_transfer *http_start(struct http *h, const struct http_call *c)
{
	struct http_transfer *t = mem_alloc(sizeof *t);
	t->http = h;
	t->call = *c;
	t->call.url = t->call.accept = t->call.authorization = t->call.user_password = t->call.form = t->call.method = t->call.type =
		t->call.content_range = t->call.if_none_match = t->call.if_modified_since = t->call.if_range = NULL;
	t->reply.length = -1;
	t->easy = curl_easy_init();
	if (!t->easy)
		abort();
	set_up(t, c);
	t->next = h->all;
	h->all = t;
	curl_multi_add_handle(h->multi, t->easy);
	return t;
}

void http_resume(struct http_transfer *t)
{
	curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

static enum http_failure failure_of(const struct http_transfer *t, CURLcode code)
{
	static const struct { CURLcode code; enum http_failure failure; } rows[] = {
		{CURLE_SSL_CONNECT_ERROR, HTTP_TLS}, {CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS}, {CURLE_SSL_CERTPROBLEM, HTTP_TLS},
		{CURLE_SSL_CACERT_BADFILE, HTTP_TLS}, {CURLE_SSL_ISSUER_ERROR, HTTP_TLS}, {CURLE_COULDNT_CONNECT, HTTP_CONNECT},
		{CURLE_COULDNT_RESOLVE_HOST, HTTP_CONNECT}, {CURLE_COULDNT_RESOLVE_PROXY, HTTP_CONNECT}, {CURLE_OPERATION_TIMEDOUT, HTTP_TIMEOUT},
		{CURLE_UNSUPPORTED_PROTOCOL, HTTP_BAD}, {CURLE_WEIRD_SERVER_REPLY, HTTP_BAD}, {CURLE_URL_MALFORMAT, HTTP_BAD},
	};
	if (code == CURLE_OK)
		return HTTP_FINE;
	if (t->bad || t->leads_here)
		return HTTP_BAD;
	if (t->stopped)
		return HTTP_STOPPED;
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].code == code)
			return rows[i].failure;
	return HTTP_DROPPED;
}

static void deliver(struct http *h)
{
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
		struct http_transfer *t = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&t);
		/* An answer without a body has not given its head yet. */
		if (code == CURLE_OK && give_head(t) < 0) {
			t->stopped = true;
			code = CURLE_WRITE_ERROR;
		}
		enum http_failure failure = failure_of(t, code);
		const char *why = t->leads_here ? "it leads to this machine, which is not allowed"
			: t->bad ? "its headers are too long or no headers" : *t->why ? t->why : curl_easy_strerror(code);
		struct http_call call = t->call;
		call.done(call.arg, &t->reply, failure, failure == HTTP_FINE ? "" : why);
		transfer_free(t);
	}
}

int http_wait(struct http *h, struct pollfd *extra, size_t n, int timeout_ms, struct err *e)
{
	struct curl_waitfd fds[64];
	int running;
	if (n > countof(fds))
		return err_set(e, ERR_BUG, "wait for %zu file descriptors", n);
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct curl_waitfd){.fd = extra[i].fd,
			.events = (short)((extra[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) | (extra[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0))};
	/* Nothing is done before the wait: what came could fill a pipe that `extra` does not name. A transfer that is new or goes on
	 * has a timer that is due, so that this does not wait. */
	if (curl_multi_poll(h->multi, fds, (unsigned)n, timeout_ms, NULL) != CURLM_OK)
		return err_set(e, ERR_SYSTEM, "libcurl: poll");
	for (size_t i = 0; i < n; i++)
		extra[i].revents = (short)((fds[i].revents & CURL_WAIT_POLLIN ? POLLIN : 0) | (fds[i].revents & CURL_WAIT_POLLOUT ? POLLOUT : 0));
	if (curl_multi_perform(h->multi, &running) != CURLM_OK)
		return err_set(e, ERR_SYSTEM, "libcurl: perform");
	deliver(h);
	return 0;
}

char *http_resolve(const char *base, const char *location)
{
	CURLU *u = curl_url();
	char *text = NULL, *scheme = NULL, *ret = NULL;
	if (curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK && curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)) {
		/* Names and passwords in a URL are nobody's to give. */
		curl_url_set(u, CURLUPART_USER, NULL, 0);
		curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
		curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
		if (curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
			ret = mem_dup(text);
	}
	curl_free(scheme);
	curl_free(text);
	curl_url_cleanup(u);
	return ret;
}

void http_place_drop(struct http_place *p)
{
	free(p->scheme);
	free(p->host);
	*p = (struct http_place){};
}

int http_place_of(const char *url, struct http_place *ret)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	int r = -1;
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		(strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)) {
		size_t n = strlen(host);
		bool bracketed = n > 2 && host[0] == '[' && host[n - 1] == ']';
		*ret = (struct http_place){mem_dup(scheme), bracketed ? mem_ndup(host + 1, n - 2) : mem_dup(host), (unsigned)atoi(port)};
		r = 0;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return r;
}

char *http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *ret = mem_dup(escaped ? escaped : "");
	curl_free(escaped);
	return ret;
}
