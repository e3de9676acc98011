#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_pull: `hull pull` from end to end: Debian's docker-registry with images that skopeo wrote, and a fake that misbehaves;
whatever happens, one line says it and nothing is left behind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import probe  # noqa: E402
from registry import *  # noqa: E402,F403
from store import BOX, HULL, Hull, write_oci  # noqa: E402

def test_from_a_real_registry():
    need("docker-registry", "skopeo")
    with Real() as registry, Hull() as hull:
        registry.push(f"oci-archive:{BOX}", "box:oci")
        registry.push(f"oci-archive:{BOX}", "box:docker", "--format", "v2s2")
        registry.push(f"oci-archive:{BOX}", "box:zstd", "--dest-compress-format", "zstd")
        for tag in ("oci", "docker", "zstd"):
            out = hull.ok("pull", f"{registry.host}/box:{tag}")
            assert f"{registry.host}/box:{tag}" in out and "sha256:" in out, out
            found = hull.inspect(f"{registry.host}/box:{tag}")
            assert found["Config"]["Cmd"] == ["sh"] and found["RepoDigests"][0].startswith(f"{registry.host}/box@sha256:")
        assert "up to date" in hull.ok("pull", f"{registry.host}/box:oci")
        assert hull.ok("pull", "-q", f"{registry.host}/box:oci") == f"{registry.host}/box:oci\n"
        digest = hull.inspect(f"{registry.host}/box:oci")["RepoDigests"][0]
        hull.ok("pull", digest)
        hull.refuses("nothing:1", "pull", f"{registry.host}/nothing:1")
        hull.refuses("box:none", "pull", f"{registry.host}/box:none")
        hull.ok("pull", "-a", f"{registry.host}/box")
        for tag in ("oci", "docker", "zstd"):
            hull.ok("rmi", "-f", f"{registry.host}/box:{tag}")
        hull.ok("rmi", "-f", *hull.images().split()) if hull.images() else None
        assert not hull.files("images/names") and not hull.files("blobs/sha256") and hull.images() == ""
        hull.clean()


def test_tls_and_http_2_with_many_layers():
    need("docker-registry", "skopeo", "openssl")
    with probe.Folder() as folder:
        tls = Certificate(folder.path, "127.0.0.1")
        with Real(tls) as registry:
            image = Image([make_layer({f"f{i}": noise(300000 + i, i)}) for i in range(12)])
            write_oci(os.path.join(folder.path, "oci"), image)
            registry.push(f"oci:{folder.path}/oci:0", "many:1")
            probe.check(probe.pull(f"{registry.host}/many:1"), image)
            with Hull() as hull:
                hull.ok("pull", f"{registry.host}/many:1")
                hull.clean()


def test_a_real_registry_with_a_password():
    need("docker-registry", "skopeo")
    with Hull() as hull, probe.Folder() as folder:
        users = os.path.join(folder.path, "htpasswd")
        with warnings.catch_warnings(), open(users, "w") as f:
            warnings.simplefilter("ignore")
            import crypt
            f.write("me:" + crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)) + "\n")
        with Real(htpasswd=users) as registry:
            registry.push(f"oci-archive:{BOX}", "box:1", "--dest-creds", "me:secret")
            hull.refuses("login", "pull", f"{registry.host}/box:1")
            os.mkdir(os.path.join(hull.path, ".docker"))
            with open(os.path.join(hull.path, ".docker/config.json"), "w") as f:
                json.dump({"auths": {registry.host: {"auth": basic("me", "secret")[6:]}}}, f)
            hull.ok("pull", f"{registry.host}/box:1")


def test_a_layer_that_is_here_is_not_fetched():
    shared = make_layer({"shared": noise(100000)})
    with Fake() as fake, Hull() as hull:
        one, two = Image([shared]), Image([shared, make_layer({"own": b"x"})])
        fake.add(one, "one")
        fake.add(two, "two")
        hull.ok("pull", f"{fake.host}/one")
        assert "Already exists" in hull.ok("pull", f"{fake.host}/two")
        assert len(fake.seen(digest_of(one.layers[0]))) == 1
        hull.ok("pull", f"{fake.host}/two")
        assert len(fake.seen(digest_of(two.layers[1]))) == 1


def test_a_tag_that_is_here_is_asked_for_by_head():
    with Fake() as fake, Hull() as hull:
        name = f"{fake.host}/x"
        asked = lambda: [(m, path.rpartition("/")[2]) for m, path, _ in fake.requests if "manifests" in path or "blobs" in path]  # noqa: E731
        fake.add([Image([make_layer({"which": a.encode()})], architecture=a) for a in ("amd64", "arm64")])
        hull.ok("pull", name)
        assert asked()[0] == ("GET", "latest") and not any(m == "HEAD" for m, _ in asked()), asked()
        fake.requests.clear()
        assert "up to date" in hull.ok("pull", name)
        assert asked() == [("HEAD", "latest")], asked()
        # Half of it is here: the other platform is fetched, the index is not.
        fake.requests.clear()
        hull.ok("pull", "--platform", "linux/arm64", name)
        assert asked()[0] == ("HEAD", "latest") and ("GET", "latest") not in asked() and len(asked()) == 4, asked()
        hull.ok("pull", "--platform", "linux/amd64", name)
        # The tag has moved.
        moved = fake.add(Image([make_layer({"which": b"moved"})]))
        fake.requests.clear()
        assert "up to date" not in hull.ok("pull", name)
        assert [m for m, last in asked() if last == "latest"] == ["HEAD", "GET"] and hull.inspect(name)["Id"] == moved.id
        # What is here is damaged, and a registry that knows no HEAD, or says nonsense: GET tells.
        path = os.path.join(hull.root, "blobs/sha256", digest_of(moved.manifest)[7:])
        with open(path, "r+b") as f:
            f.write(b"[")
        fake.requests.clear()
        hull.ok("pull", name)
        assert ("GET", "latest") in asked(), asked()
        for answer in (lambda h: h.error(405, "UNSUPPORTED"), lambda h: h.reply(200), lambda h: h.reply(200, Docker_Content_Digest="sha256:../../x"),
                       lambda h: h.reply(200, Docker_Content_Digest="sha256:" + "0" * 64)):
            fake.hook = lambda h: h.command == "HEAD" and answer(h)
            fake.requests.clear()
            hull.ok("pull", name)
            assert ("GET", "latest") in asked() and hull.inspect(name)["Id"] == moved.id, asked()


def test_a_drop_is_resumed():
    big = make_layer({"big": noise(3000000)})
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([big]))
        layer = digest_of(image.layers[0])

        def hook(h):
            if layer not in h.path or "Range" in h.headers:
                return False
            h.send_response(200)
            h.send_header("Content-Length", str(len(image.layers[0])))
            h.end_headers()
            h.wfile.write(image.layers[0][:1000000])
            h.drop()
        fake.hook = hook
        hull.ok("pull", f"{fake.host}/x")
        assert [int(h["Range"][6:-1]) for h in fake.seen(layer) if "Range" in h], "no Range"
        assert hull.inspect(f"{fake.host}/x")["RootFS"]["Layers"] == [digest_of(big)]


def test_layers_that_are_not_what_they_should_be():
    good = make_layer({"big": noise(2000000)})

    def serve(change):
        def hook(h):
            data = h.server.fake.blobs.get(h.path.split("/")[-1])
            return data is not None and not data.startswith(b"{") and h.reply(200, change(data))
        return hook
    flip = lambda d: d[:1000] + bytes([d[1000] ^ 1]) + d[1001:]  # noqa: E731
    rows = [("sha256", flip), ("bytes", lambda d: d[:-1]), ("bytes", lambda d: d + b"x"), ("", lambda d: b"\0" * len(d))]
    for word, change in rows:
        with Fake(serve(change)) as fake, Hull() as hull:
            fake.add(Image([good, make_layer({"a": b"b"})]))
            hull.refuses(word, "pull", f"{fake.host}/x")
            assert hull.files("images/names") == []
            fake.hook = None
            hull.ok("pull", f"{fake.host}/x")


def test_diff_id_of_another_layer():
    with Fake() as fake, Hull() as hull:
        image = Image()
        image.config = image.config.replace(digest_of(make_layer({"hello": b"hello\n"})).encode(), digest_of(b"other").encode())
        image.document["config"] = image.blob(image.config, OCI_CONFIG)
        fake.add(image)
        hull.refuses("sha256", "pull", f"{fake.host}/x")


def test_bad_references_and_platforms():
    with Hull() as hull:
        for reference in ("UPPER/x:y", "a/../b", "x:", "http://x/y", "x@sha256:12"):
            p = hull.run("pull", reference)
            assert p.returncode != 0 and p.err.count("\n") == 1 and "invalid reference" in p.err, p.err
        with Fake() as fake:
            fake.add([Image()])
            hull.refuses("linux/s390x", "pull", "--platform", "linux/s390x", f"{fake.host}/x")
            p = hull.run("pull", "--platform", "a/b/c/d", f"{fake.host}/x")
            assert p.returncode != 0 and p.err.count("\n") == 1 and "platform" in p.err, p.err


def test_killed_in_the_middle():
    big = make_layer({"big": noise(4000000)})
    arrived, go = threading.Event(), threading.Event()
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([big, make_layer({"small": b"x"})]))

        def hook(h):
            if digest_of(image.layers[0]) not in h.path or go.is_set():
                return False
            h.send_response(200)
            h.send_header("Content-Length", str(len(image.layers[0])))
            h.end_headers()
            with contextlib.suppress(OSError):
                h.wfile.write(image.layers[0][:3000000])
                arrived.set()
                go.wait(60)
            h.drop()
        fake.hook = hook
        for sig in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            arrived.clear()
            go.clear()
            p = hull.start("pull", f"{fake.host}/x")
            assert arrived.wait(60)
            time.sleep(0.1)
            p.send_signal(sig)
            p.communicate(timeout=60)
            assert p.returncode != 0
            go.set()
            assert hull.images() == ""
        hull.ok("pull", f"{fake.host}/x")
        hull.clean()
        assert len(hull.layers()) == 2, hull.layers()


def test_twice_at_once():
    layers = [make_layer({"f": noise(500000, i)}) for i in range(4)]
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image(layers))
        pulls = [hull.start("pull", f"{fake.host}/x") for _ in range(4)]
        for p in pulls:
            out, err = p.communicate(timeout=120)
            assert p.returncode == 0, (out, err)
        assert hull.images() == image.id + "\n"
        hull.clean()
        assert len(hull.layers()) == 4


def test_damage_is_found_and_fetched_again():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([make_layer({"f": noise(300000, i)}) for i in range(3)]))
        name = f"{fake.host}/x"
        hull.ok("pull", "-q", name)
        assert hull.ok("system", "check") .startswith("images: 1, layers: 3, ")
        layer = os.path.join(hull.root, "layers", hull.layers()[0])
        if os.path.isfile(layer):
            with open(layer, "r+b") as f:
                f.seek(100000)
                f.write(b"damage")
        else:
            os.unlink(os.path.join(layer, "layer.json"))
        os.unlink(os.path.join(hull.root, "blobs/sha256", image.id.split(":")[1]))
        p = hull.run("system", "check")
        lines = sorted(p.out.splitlines())
        assert p.returncode == 1 and len(lines) == 2, p.out
        assert lines[0].startswith(f"blob {image.id}: it is missing") and lines[1].startswith("layer sha256:" + os.path.basename(layer)), lines
        assert all(line.endswith(f" ({name}:latest)") for line in lines), lines
        before = len(fake.requests)
        p = hull.run("system", "check", "--repair")
        assert p.returncode == 0 and p.out.count(": mended\n") == 2, (p.out, p.err)
        blobs = [r[1] for r in fake.requests[before:] if "/blobs/" in r[1]]
        assert len(blobs) == 2, blobs  # the config, and that one layer
        assert hull.ok("system", "check", "-q") == ""
        assert hull.images() == image.id + "\n"
        hull.clean()


def test_a_full_disk():
    if os.geteuid() != 0:
        raise Skip("needs root")
    with Fake() as fake, Hull() as hull:
        fake.add(Image([make_layer({"big": noise(6000000)})]))
        os.mkdir(hull.root)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", hull.root], capture_output=True).returncode:
            raise Skip("mount is not allowed")
        try:
            p = hull.run("pull", f"{fake.host}/x")
            assert p.returncode == 1 and p.err.count("\n") == 1 and "No space left" in p.err, (p.returncode, p.err)
            hull.clean()
            subprocess.run(["mount", "-o", "remount,size=64m", hull.root], check=True)
            hull.ok("pull", f"{fake.host}/x")
        finally:
            subprocess.run(["umount", "-l", hull.root])


if __name__ == "__main__":
    run(dict(globals()))
