# SPDX-License-Identifier: Apache-2.0
"""registry: registries for tests, and TAP for Python.

Fake     a registry in a thread: images made here, every request recorded, and a hook that may answer any of them wrongly
Real     Debian's docker-registry on a port of its own
run()    runs the functions test_* of a module and prints TAP
"""

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_layer(files):
    """An uncompressed tar from {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def noise(size, seed=1):
    """Bytes that do not compress, the same for the same seed."""
    return b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(size // 32 + 1))[:size]


class Image:
    """Blobs and manifest of one image; layers are uncompressed tars."""

    def __init__(self, layers=None, architecture="amd64", docker=False, config=None, types=None, variant=None):
        layers = [make_layer({"hello": b"hello\n"})] if layers is None else layers
        self.blobs = {}
        self.layers = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        platform = {"architecture": architecture, "os": "linux", **({"variant": variant} if variant else {})}
        self.config = json.dumps({
            **platform, "created": "2024-01-01T00:00:00Z", "config": {"Cmd": ["true"], **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}}).encode()
        types = types or [DOCKER_LAYER if docker else OCI_LAYER] * len(layers)
        self.type = DOCKER_MANIFEST if docker else OCI_MANIFEST
        self.document = {
            "schemaVersion": 2, "mediaType": self.type,
            "config": self.blob(self.config, DOCKER_CONFIG if docker else OCI_CONFIG),
            "layers": [self.blob(layer, type_) for layer, type_ in zip(self.layers, types)]}
        self.platform = platform

    def blob(self, data, media_type):
        self.blobs[digest_of(data)] = data
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    @property
    def manifest(self):
        return json.dumps(self.document).encode()

    @property
    def id(self):
        return digest_of(self.config)

    def descriptor(self, **more):
        return {"mediaType": self.type, "digest": digest_of(self.manifest), "size": len(self.manifest), "platform": self.platform, **more}


class Drop(Exception):
    """Raised by a hook: the connection ends here."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle(self):
        # A client that tries TLS first is told at once that it is not here.
        if not self.server.fake.tls:
            with contextlib.suppress(OSError):
                if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                    return
        with contextlib.suppress(OSError, Drop):
            super().handle()

    def reply(self, status, body=b"", length=None, **headers):
        """Headers are given as Content_Type="…"; length lies about the body."""
        body = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if length != -1:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if length is not None:
            self.close_connection = True
        return True

    def error(self, status, code, **headers):
        return self.reply(status, {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}, **headers)

    def drop(self):
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        raise Drop

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.form = self.body.decode(errors="replace")
        self.do_GET()

    def do_HEAD(self):
        self.do_GET()

    def do_DELETE(self):
        self.do_GET()

    def do_PUT(self):
        # The hook comes before the body: it may want a part of it, or none.
        self.do_GET()

    def do_PATCH(self):
        self.do_GET()

    def read_body(self, most=None):
        n = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(n if most is None else min(n, most))

    def do_GET(self):
        fake = self.server.fake
        self.number = fake.record(self)
        if fake.hook and fake.hook(self):
            return
        fake.answer(self)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Fake:
    """hook(handler) -> True when it has answered. Requests are recorded as (method, path, headers)."""

    def __init__(self, hook=None, tls=None, host="127.0.0.1"):
        self.hook, self.tls = hook, tls
        self.manifests, self.blobs, self.tags = {}, {}, {}
        self.uploads, self.begun, self.owners, self.referrers = {}, [], {}, False
        self.requests = []
        self.lock = threading.Lock()
        self.server = Server((host, 0), Handler)
        self.server.fake = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.host = f"{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()

    def record(self, handler):
        with self.lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))
            return sum(1 for r in self.requests if r[1] == handler.path)

    def add(self, image, name="x", tag="latest"):
        """An Image, or several as an index (a list of Images)."""
        if isinstance(image, Image):
            self.blobs.update(image.blobs)
            self.add_manifest(name, tag, image.type, image.manifest)
            return image
        for one in image:
            self.blobs.update(one.blobs)
            self.add_manifest(name, None, one.type, one.manifest)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [one.descriptor() for one in image]}
        return self.add_manifest(name, tag, OCI_INDEX, json.dumps(index).encode())

    def add_manifest(self, name, tag, media_type, data):
        for reference in filter(None, (tag, digest_of(data))):
            self.manifests[name, reference] = (media_type, data)
        if tag and tag not in self.tags.setdefault(name, []):
            self.tags[name].append(tag)
        return data

    def answer(self, h):
        if h.command not in ("GET", "HEAD") or "/blobs/uploads/" in h.path:
            # A body that is not read would be taken for the next request.
            if h.command in ("PUT", "PATCH") and not hasattr(h, "body"):
                h.body = h.read_body()
            try:
                return self.change(h)
            finally:
                h.__dict__.pop("body", None)
        parts = h.path.split("?")[0].split("/")
        name, kind, reference = "/".join(parts[2:-2]), parts[-2], parts[-1]
        if kind == "manifests" and (name, reference) in self.manifests:
            media_type, data = self.manifests[name, reference]
            return h.reply(200, data, Content_Type=media_type, Docker_Content_Digest=digest_of(data))
        if kind == "blobs" and self.has(name, reference):
            return self.send_blob(h, self.blobs[reference])
        if kind == "tags" and name in self.tags:
            return h.reply(200, {"name": name, "tags": self.tags[name]}, Content_Type="application/json")
        return h.error(404, {"manifests": "MANIFEST_UNKNOWN", "blobs": "BLOB_UNKNOWN"}.get(kind, "NAME_UNKNOWN"))

    def take(self, digest, name, data):
        self.blobs[digest] = data
        self.owners.setdefault(digest, set()).add(name)

    def has(self, name, digest):
        """Blobs that were not pushed belong to everybody."""
        return digest in self.blobs and (digest not in self.owners or name in self.owners[digest])

    def change(self, h):
        """Pushes and deletes."""
        path, _, query = h.path.partition("?")
        query = {k: v[0] for k, v in urllib.parse.parse_qs(query).items()}
        name, _, rest = path[4:].partition("/blobs/" if "/blobs/" in path else "/manifests/")
        if "/manifests/" in path:
            return self.change_manifest(h, name, rest)
        if h.command == "DELETE" and not rest.startswith("uploads/"):
            return h.reply(202) if self.blobs.pop(rest, None) is not None else h.error(404, "BLOB_UNKNOWN")
        number = rest.partition("/")[2]
        if h.command == "POST":
            return self.begin(h, name, query)
        if number not in self.uploads:
            return h.error(404, "BLOB_UPLOAD_UNKNOWN")
        data, where = self.uploads[number], {"Location": f"/v2/{name}/blobs/uploads/{number}?state=x", "Docker_Upload_UUID": number}
        if h.command == "DELETE":
            del self.uploads[number]
            return h.reply(204)
        if h.command == "GET":
            return h.reply(204, Range=f"0-{max(len(data) - 1, 0)}", **where)
        start = h.headers.get("Content-Range", "").split("-")[0]
        if start and int(start) != len(data):
            return h.reply(416, Range=f"0-{max(len(data) - 1, 0)}", **where)
        data += h.body
        if h.command == "PATCH":
            return h.reply(202, Range=f"0-{max(len(data) - 1, 0)}", **where)
        if digest_of(data) != query.get("digest"):
            return h.error(400, "DIGEST_INVALID")
        del self.uploads[number]
        self.take(query["digest"], name, bytes(data))
        return h.reply(201, Location=f"/v2/{name}/blobs/{query['digest']}", Docker_Content_Digest=query["digest"])

    def begin(self, h, name, query):
        source = query.get("from")
        if source and self.has(source, query.get("mount")):
            self.take(query["mount"], name, self.blobs[query["mount"]])
            return h.reply(201, Location=f"/v2/{name}/blobs/{query['mount']}")
        with self.lock:
            number = f"u{len(self.begun)}"
            self.begun.append(number)
        self.uploads[number] = bytearray()
        return h.reply(202, Location=f"/v2/{name}/blobs/uploads/{number}?state=x", Range="0-0")

    def change_manifest(self, h, name, reference):
        if h.command == "DELETE":
            found = self.manifests.pop((name, reference), None)
            return h.reply(202) if found else h.error(404, "MANIFEST_UNKNOWN")
        document = json.loads(h.body)
        needed = [d["digest"] for d in [document.get("config"), *document.get("layers", [])] if d]
        missing = [d for d in needed if not self.has(name, d)]
        missing += [d["digest"] for d in document.get("manifests", []) if (name, d["digest"]) not in self.manifests]
        if missing:
            return h.error(400, "MANIFEST_BLOB_UNKNOWN")
        tag = None if reference.startswith("sha256:") else reference
        self.add_manifest(name, tag, h.headers["Content-Type"], h.body)
        subject = {"OCI_Subject": document["subject"]["digest"]} if self.referrers and "subject" in document else {}
        return h.reply(201, Location=f"/v2/{name}/manifests/{digest_of(h.body)}", Docker_Content_Digest=digest_of(h.body), **subject)

    @staticmethod
    def send_blob(h, data):
        asked = h.headers.get("Range", "")
        if asked.startswith("bytes="):
            start = int(asked[6:].split("-")[0])
            if start >= len(data):
                return h.reply(416)
            return h.reply(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        return h.reply(200, data, Content_Type="application/octet-stream")

    def seen(self, word):
        """The headers of the requests whose path has this word."""
        return [headers for _, path, headers in self.requests if word in path]


class Certificate:
    """A certificate that nobody has signed but itself, for the names given."""

    def __init__(self, folder, *names):
        self.cert, self.key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        alt = ",".join(("IP:" if n.replace(".", "").isdigit() else "DNS:") + n for n in names)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-keyout", self.key, "-out", self.cert, "-subj", "/CN=test", "-addext", f"subjectAltName={alt}"],
                       check=True, capture_output=True)
        os.chmod(self.cert, 0o644)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Real:
    """docker-registry in a folder of its own."""

    def __init__(self, tls=None, htpasswd=None):
        self.folder = tempfile.mkdtemp(prefix="registry.")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.host, self.scheme = f"127.0.0.1:{self.port}", "https" if tls else "http"
        config = os.path.join(self.folder, "config.yml")
        with open(config, "w") as f:
            f.write(f"version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\n"
                    f"storage:\n  filesystem:\n    rootdirectory: {self.folder}/data\nhttp:\n  addr: {self.host}\n")
            if tls:
                f.write(f"  tls:\n    certificate: {tls.cert}\n    key: {tls.key}\n")
            if htpasswd:
                f.write(f"auth:\n  htpasswd:\n    realm: test\n    path: {htpasswd}\n")
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=self.log, stderr=self.log)

    def __enter__(self):
        context = ssl._create_unverified_context()
        for _ in range(400):
            try:
                urllib.request.urlopen(f"{self.scheme}://{self.host}/v2/", timeout=2, context=context).close()
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise RuntimeError("docker-registry does not start")

    def __exit__(self, *args):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)

    def push(self, source, name, *options):
        """source as skopeo names it: oci-archive:…"""
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", *options, source, f"docker://{self.host}/{name}"],
                       check=True, capture_output=True)


class Skip(Exception):
    pass


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def run(module):
    """Runs test_* in their order, or those whose names have a word of the command line; prints TAP."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = [(n[5:].replace("_", " "), f) for n, f in module.items() if n.startswith("test_")
             and (len(sys.argv) < 2 or any(w in n for w in sys.argv[1:]))]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for i, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {i} {name}", flush=True)
        except Skip as e:
            print(f"ok {i} {name} # SKIP {e}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {i} {name}")
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
    sys.exit(1 if failed else 0)
