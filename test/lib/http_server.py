#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""http_server: what ADD and contexts are fetched from in tests: the files of a folder, on loopback, with the faults of real servers.

usage: http_server.py FOLDER LOG; prints its port. LOG gets a line a request: "GET /path status".
  /file          with an ETag and Last-Modified; If-None-Match and Range are understood
  /plain/file    without any of them
  /named/file    as an attachment called other.txt
  /to?URL        a redirect
  /drops/file    breaks off in the middle, once
  /drops-plain/file   the same, without an ETag, always
  /busy/file     503 twice
  /status/N      that status
  /loop          redirects to itself
"""
import email.utils
import hashlib
import http.server
import os
import sys

folder, log = sys.argv[1], open(sys.argv[2], "a", buffering=1)
seen = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, headers=(), body=b"", cut=None):
        log.write(f"GET {self.path} {status}\n")
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

    def do_GET(self):
        path = self.path
        if path.startswith("/to?"):
            return self.answer(302, [("Location", path[4:])])
        if path == "/loop":
            return self.answer(301, [("Location", "/loop")])
        if path.startswith("/status/"):
            return self.answer(int(path[8:]))
        kind, name = "", path[1:].split("?")[0]
        if name.split("/")[0] in ("plain", "named", "drops", "drops-plain", "busy"):
            kind, name = name.split("/", 1)
        count = seen[path] = seen.get(path, 0) + 1
        if kind == "busy" and count < 3:
            return self.answer(503)
        try:
            data = open(os.path.join(folder, name), "rb").read()
        except OSError:
            return self.answer(404)
        tag = '"%s"' % hashlib.md5(data).hexdigest()
        headers = []
        if kind == "named":
            headers.append(("Content-Disposition", 'attachment; filename="other.txt"'))
        if kind in ("", "drops", "named"):
            headers += [("ETag", tag), ("Last-Modified", email.utils.formatdate(1000000000, usegmt=True))]
            if self.headers.get("If-None-Match") == tag:
                return self.answer(304, headers)
        if kind == "drops-plain" or (kind == "drops" and count == 1):
            return self.answer(200, headers, data, len(data) // 2)
        begin = self.headers.get("Range")
        if begin and headers and self.headers.get("If-Range", tag) == tag:
            at = int(begin.split("=")[1].split("-")[0])
            headers.append(("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}"))
            return self.answer(206, headers, data[at:])
        self.answer(200, headers, data)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
