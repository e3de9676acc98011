#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_copy: `hull copy`, and pull and push between places: registries, archives, directories, docker's socket (a fake of it), podman (a
script that is called so)."""

import gzip
import os
import socketserver
import sys
import tarfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import BOX, Hull, write_oci  # noqa: E402

BIG = make_layer({"big": noise(3 << 20, 7)})
SMALL = make_layer({"small": b"small\n" * 1000})
ANY, REJECT = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]


def policy(hull, default, transports):
    hull.env["HULL_POLICY"] = os.path.join(hull.path, "policy.json")
    with open(hull.env["HULL_POLICY"], "w") as f:
        json.dump({"default": default, "transports": transports}, f)


def index_with_attestation(fake):
    """Two platforms, and what buildkit says of the first."""
    images = [Image([SMALL]), Image([BIG], architecture="arm64")]
    statement = b'{"_type":"https://in-toto.io/Statement/v0.1"}'
    config = b'{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":["%s"]}}' % digest_of(statement).encode()
    attestation = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": len(config)}, "layers": [{
            "mediaType": "application/vnd.in-toto+json", "digest": digest_of(statement), "size": len(statement)}]}).encode()
    listed = []
    for image in images:
        for data in image.blobs.values():
            fake.blobs[digest_of(data)] = data
        fake.add_manifest("x", digest_of(image.manifest), image.type, image.manifest)
        listed.append(image.descriptor())
    for data in (config, statement):
        fake.blobs[digest_of(data)] = data
    fake.add_manifest("x", digest_of(attestation), "application/vnd.oci.image.manifest.v1+json", attestation)
    listed.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest_of(attestation), "size": len(attestation),
                   "platform": {"os": "unknown", "architecture": "unknown"}, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
    index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}).encode()
    fake.add_manifest("x", "latest", "application/vnd.oci.image.index.v1+json", index)
    return images, index, statement


def test_import_reads_a_url():
    with Fake() as fake, Hull() as hull:
        layer = gzip.compress(make_layer({"hello": b"hello\n", "big": noise(3000000)}))
        broken = []

        def hook(h):
            if not h.path.startswith("/files/"):
                return False
            if h.path.endswith("/gone.tar"):
                return h.reply(404, b"not here")
            if h.path.endswith("/moved.tar"):
                return h.reply(302, Location="/files/x.tar.gz")
            if "Range" in h.headers:
                start = int(h.headers["Range"][6:-1])
                return h.reply(206, layer[start:], ETag='"v1"', Content_Range=f"bytes {start}-{len(layer) - 1}/{len(layer)}")
            if broken:
                return h.reply(200, layer, ETag='"v1"')
            broken.append(1)
            h.send_response(200)
            h.send_header("Content-Length", str(len(layer)))
            h.send_header("ETag", '"v1"')
            h.end_headers()
            h.wfile.write(layer[:1000000])
            h.drop()
        fake.hook = hook
        id_ = hull.ok("import", "-c", "CMD cat /hello", f"http://{fake.host}/files/x.tar.gz", "mine:1").strip()
        found = hull.inspect("mine:1")
        assert found["Id"] == id_ and found["RootFS"]["Layers"] == [digest_of(gzip.decompress(layer))], found
        assert f"http://{fake.host}/files/x.tar.gz" in hull.ok("history", "--no-trunc", "mine:1")
        hull.ok("import", f"http://{fake.host}/files/moved.tar", "mine:2")
        hull.refuses("404", "import", f"http://{fake.host}/files/gone.tar", "mine:3")
        assert hull.inspect("mine:2")["RootFS"] == found["RootFS"]
        assert [n for n in os.listdir(hull.root) if "scratch" in n] == []


def test_index_and_attestation_go_untouched():
    with Fake() as fake, Fake() as target, Hull() as hull:
        images, index, statement = index_with_attestation(fake)
        layout = os.path.join(hull.path, "layout")
        out = hull.ok("copy", "--all", f"docker://{fake.host}/x", f"oci:{layout}:one")
        assert out.endswith(digest_of(index) + "\n"), out
        with open(os.path.join(layout, "blobs/sha256", digest_of(statement)[7:]), "rb") as f:
            assert f.read() == statement
        hull.ok("copy", "-q", "--all", f"oci:{layout}:one", f"docker://{target.host}/y:2")
        assert target.manifests["y", "2"][1] == index
        assert digest_of(statement) in target.blobs and all(digest_of(d) in target.blobs for i in images for d in i.blobs.values())
        # what is loaded of it is this machine's
        hull.ok("pull", "-q", f"oci:{layout}")
        sent = len(target.begun)
        hull.ok("copy", "-q", "--all", f"oci:{layout}:one", f"docker://{target.host}/y:3")
        assert len(target.begun) == sent
        tar = os.path.join(hull.path, "all.tar")
        hull.ok("copy", "-q", "--all", f"docker://{fake.host}/x", f"oci-archive:{tar}:one")
        assert f"blobs/sha256/{digest_of(statement)[7:]}" in tarfile.open(tar).getnames()
        # docker's list has no indexes: it has the image that the name stands for, so that older ones do not load nothing.
        tar = os.path.join(hull.path, "docker.tar")
        hull.ok("copy", "-q", "--all", f"docker://{fake.host}/x", f"docker-archive:{tar}:example.org/x:1")
        with tarfile.open(tar) as archive:
            listed = json.load(archive.extractfile("manifest.json"))
        assert [(i["Config"], i["RepoTags"]) for i in listed] == [(f"blobs/sha256/{images[0].id[7:]}", ["example.org/x:1"])], listed
        assert "dir: takes one image" in hull.refuses("dir:", "copy", "--all", "-q", f"docker://{fake.host}/x", f"dir:{hull.path}/d")


def test_one_platform():
    with Fake() as fake, Hull() as hull:
        images, _, _ = index_with_attestation(fake)
        for platform, image in (("linux/amd64", images[0]), ("linux/arm64", images[1])):
            folder = os.path.join(hull.path, platform.replace("/", "-"))
            hull.ok("copy", "-q", "--platform", platform, f"docker://{fake.host}/x", f"dir:{folder}")
            with open(os.path.join(folder, "manifest.json"), "rb") as f:
                assert f.read() == image.manifest
        assert "there is: linux/amd64, linux/arm64" in hull.refuses("no image for linux/s390x", "copy", "--platform", "linux/s390x",
                                                                     f"docker://{fake.host}/x", f"oci:{hull.path}/no:x")


def test_between_archives_and_a_real_registry():
    need("docker-registry", "skopeo")
    with Real() as registry, Hull() as hull:
        path = lambda name: os.path.join(hull.path, name)  # noqa: E731
        hull.ok("copy", "-q", f"docker-archive:{BOX}", f"docker://{registry.host}/box:1")
        raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/box:1"], check=True, capture_output=True).stdout
        assert json.loads(raw)["layers"][0]["mediaType"].endswith("+gzip"), raw
        hull.ok("copy", "-q", f"docker://{registry.host}/box:1", f"oci:{path('layout')}:1")
        hull.ok("copy", "-q", f"oci:{path('layout')}:1", f"oci-archive:{path('a.tar')}:example.org/a:2")
        hull.ok("copy", "-q", f"oci-archive:{path('a.tar')}:example.org/a:2", f"dir:{path('dir')}")
        with open(path("dir/manifest.json"), "rb") as f:
            assert f.read() == raw
        hull.ok("copy", "-q", f"dir:{path('dir')}", f"docker://{registry.host}/box:2")
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{registry.host}/box:2", f"dir:{path('back')}"],
                       check=True)
        hull.ok("copy", "-q", f"docker://{registry.host}/box:2", f"docker-archive:{path('d.tar')}:example.org/d:3")
        assert hull.ok("pull", "-q", f"docker-archive:{path('d.tar')}") == "example.org/d:3\n"
        hull.ok("copy", f"docker://{registry.host}/box:2", "example.org/here:4")
        assert hull.inspect("example.org/here:4")["Id"] == hull.inspect("example.org/d:3")["Id"]
        hull.ok("push", "-q", "example.org/here:4", f"docker://{registry.host}/pushed:5")
        hull.ok("push", "-q", "example.org/here:4", f"{registry.host}/pushed:6")
        hull.ok("push", "example.org/here:4", f"oci:{path('layout')}:five")
        assert "no image 6, there is: 1, five" in hull.refuses("layout", "pull", f"oci:{path('layout')}:6")


def test_damaged_and_wrong_places():
    with Fake() as fake, Hull() as hull:
        image = Image([SMALL, BIG])
        layout = os.path.join(hull.path, "layout")
        write_oci(layout, image)
        with open(os.path.join(layout, "blobs/sha256", image.document["layers"][1]["digest"][7:]), "r+b") as f:
            f.seek(1000)
            f.write(b"damage")
        hull.refuses("is damaged", "copy", "-q", f"oci:{layout}:0", f"docker://{fake.host}/y:1")
        hull.refuses("is damaged", "copy", "-q", f"oci:{layout}:0", f"oci-archive:{hull.path}/a.tar:1")
        assert ("y", "1") not in fake.manifests and not os.path.exists(f"{hull.path}/a.tar")
        assert not [n for n in os.listdir(hull.path) if "tmp" in n]
        hull.refuses("has no image 7", "copy", "-q", f"oci:{layout}:7", f"dir:{hull.path}/d")
        hull.refuses("No such file", "copy", "-q", f"oci:{hull.path}/none:7", f"dir:{hull.path}/d")
        hull.refuses("no such image there", "pull", f"docker://{fake.host}/none")
        for words in (["copy", "oci:", "dir:x"], ["copy", "a", "b"], ["push", "oci:/x"], ["copy", "--all", "a", "oci:x"], ["pull", "-a", "oci:x"]):
            p = hull.run(*words)
            assert p.returncode == 125 and p.err.count("\n") == 1, (words, p.err)


def test_save_carries_the_index():
    with Fake() as fake, Hull() as hull:
        images = [Image([SMALL]), Image([BIG], architecture="arm64"), Image([SMALL, BIG], architecture="riscv64")]
        # Layers that are kept as they came: nothing has to be made anew.
        for image, layers in zip(images, ([SMALL], [BIG], [SMALL, BIG])):
            image.document["layers"] = [image.blob(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers]
        index = fake.add(images, "x")
        name = f"{fake.host}/x"
        hull.ok("pull", "-q", "--platform", "linux/amd64", name)
        alone = os.path.join(hull.path, "alone")
        hull.ok("save", "--format", "oci-dir", "-o", alone, name)
        with open(os.path.join(alone, "index.json")) as f:
            assert json.load(f)["manifests"][0]["digest"] == digest_of(images[0].manifest)
        hull.ok("pull", "-q", "--platform", "linux/arm64", name)
        some = os.path.join(hull.path, "some")
        hull.ok("save", "--format", "oci-dir", "-o", some, name)

        def listed(path):
            with open(os.path.join(path, "index.json")) as f:
                top = json.load(f)["manifests"][0]
            assert top["mediaType"].endswith("index.v1+json"), top
            with open(os.path.join(path, "blobs/sha256", top["digest"][7:])) as f:
                return top, [m["digest"] for m in json.load(f)["manifests"]]
        assert listed(some)[1] == [digest_of(i.manifest) for i in images[:2]]
        hull.ok("pull", "-q", "--platform", "linux/riscv64", name)
        whole = os.path.join(hull.path, "whole")
        hull.ok("save", "--format", "oci-dir", "-o", whole, name)
        assert listed(whole)[0]["digest"] == digest_of(index)
        # One of them, when it is asked for.
        one = os.path.join(hull.path, "one")
        hull.ok("save", "--format", "oci-dir", "--platform", "linux/arm64", "-o", one, name)
        with open(os.path.join(one, "index.json")) as f:
            assert json.load(f)["manifests"][0]["digest"] == digest_of(images[1].manifest)
        # docker's list has the image that the name stands for.
        hull.ok("save", "-o", os.path.join(hull.path, "x.tar"), name)
        with tarfile.open(os.path.join(hull.path, "x.tar")) as tar:
            docker = json.load(tar.extractfile("manifest.json"))
        assert [d["RepoTags"] for d in docker] == [[f"{name}:latest"]], docker
        for path in (whole, os.path.join(hull.path, "x.tar")):
            hull.ok("rmi", "-f", *{i.id for i in images if i.id in hull.images()})
            hull.ok("load", "-q", "-i", path)
            assert hull.inspect(name)["Id"] == images[0].id


class Docker(socketserver.ThreadingUnixStreamServer):
    """docker's socket: /images/NAME/get and /images/load."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            method, path, _ = self.rfile.readline().decode().split()
            length = 0
            while (line := self.rfile.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.server.seen.append((method, path, self.rfile.read(length)))
            status, body = self.server.answers[path.partition("?")[0]]
            self.wfile.write(f"HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for at in range(0, len(body), 100000):
                piece = body[at:at + 100000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not self.server.cut:
                self.wfile.write(b"0\r\n\r\n")

    def __init__(self, path):
        super().__init__(path, self.Handler)
        self.answers, self.seen, self.cut = {}, [], False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)


def test_docker_daemon():
    with Hull() as hull, open(BOX, "rb") as f, Docker(os.path.join(hull.path, "docker.sock")) as docker:
        hull.env["DOCKER_HOST"] = f"unix://{hull.path}/docker.sock"
        box = f.read()
        docker.answers = {"/images/box%3A1/get": (200, box), "/images/box:1/get": (200, box), "/images/none/get": (404, b'{"message":"No such image: none"}'),
                          "/images/load": (200, b'{"stream":"Loaded image: box:1\\n"}\r\n')}
        assert hull.ok("pull", "-q", "docker-daemon:box:1") == "box:latest\n"
        assert "No such image: none" in hull.refuses("docker: ", "pull", "docker-daemon:none")
        hull.ok("push", "box", "docker-daemon:example.org/handed:1")
        method, path, body = docker.seen[-1]
        assert method == "POST" and path.startswith("/images/load"), docker.seen[-1]
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            assert json.load(tar.extractfile("manifest.json"))[0]["RepoTags"] == ["example.org/handed:1"]
        hull.ok("copy", "-q", "docker-daemon:box:1", f"oci:{hull.path}/layout:1")
        docker.answers["/images/load"] = (200, b'{"stream":"x"}\r\n{"errorDetail":{},"error":"no space left"}\r\n')
        hull.refuses("docker: no space left", "push", "box", "docker-daemon:x:1")
        # its own scopes in the policy, not those of archives
        for transports, refused in (({"docker-archive": {"": REJECT}}, False), ({"docker-daemon": {"": REJECT}}, True),
                                    ({"docker-daemon": {"docker.io/library/box:1": REJECT}}, True), ({"docker-daemon": {"docker.io": REJECT}}, True),
                                    ({"docker-daemon": {"": REJECT, "docker.io/library": ANY}}, False)):
            policy(hull, ANY, transports)
            for words in (("pull", "-q", "docker-daemon:box:1"), ("copy", "-q", "docker-daemon:box:1", f"dir:{hull.path}/{len(docker.seen)}")):
                if refused:
                    hull.refuses("docker-daemon:box:1: policy", *words)
                else:
                    hull.ok(*words)
        # what may be an id is both
        policy(hull, ANY, {"docker-daemon": {"": REJECT, "docker.io/library": ANY}})
        for name in ("abcd", "sha256:" + "a" * 64, "a" * 64):
            hull.refuses("it is rejected", "pull", f"docker-daemon:{name}")
        policy(hull, ANY, {})
        docker.cut = True
        hull.refuses("ends in its middle", "pull", "docker-daemon:box:1")
        hull.env["DOCKER_HOST"] = "tcp://127.0.0.1:1"
        hull.refuses("only unix:// is reached", "pull", "docker-daemon:box:1")


def test_containers_storage():
    with Hull() as hull:
        log, script = os.path.join(hull.path, "log"), os.path.join(hull.path, "podman")
        with open(script, "w") as f:
            f.write(f'#!/bin/sh\necho "$@" >>{log}\ncase $* in\n*none) echo "Error: none: image not known" >&2; exit 125 ;;\n'
                    f'info*) echo "[overlay@/var/x]" ;;\nsave*) cat {BOX} ;;\n*) cat >{hull.path}/loaded.tar ;;\nesac\n')
        os.chmod(script, 0o755)
        hull.env["PATH"] = f"{hull.path}:{hull.env['PATH']}"
        assert hull.ok("pull", "-q", "containers-storage:box:1") == "box:latest\n"
        hull.refuses("podman: Error: none: image not known", "pull", "containers-storage:none")
        hull.ok("push", "box", "containers-storage:example.org/handed:1")
        with tarfile.open(os.path.join(hull.path, "loaded.tar")) as tar:
            assert json.load(tar.extractfile("manifest.json"))[0]["RepoTags"] == ["example.org/handed:1"]

        store = "[overlay@/var/x]"
        for scopes, refused in (({f"{store}docker.io/library/box": REJECT}, True), ({store: REJECT}, True), ({"[/var/x]": REJECT}, True), ({"": REJECT}, True),
                                ({"[vfs@/var/x]": REJECT, "[/var]": REJECT}, False), ({store: REJECT, f"{store}docker.io": ANY}, True),
                                ({store: REJECT, f"{store}docker.io": ANY, f"{store}localhost": ANY}, False)):
            policy(hull, ANY, {"containers-storage": scopes, "docker-archive": {"": REJECT}})
            if refused:
                hull.refuses("containers-storage:box:1: policy", "pull", "containers-storage:box:1")
            else:
                hull.ok("pull", "-q", "containers-storage:box:1")


if __name__ == "__main__":
    run(globals())
