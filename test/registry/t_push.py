#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_push: `hull push`: into Debian's docker-registry, read back by skopeo and by hull; and into a registry of our own that
has every odd answer: what is there is not sent, what breaks goes on where it broke."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import BOX, Hull, write_oci  # noqa: E402

BIG = make_layer({"big": noise(9 << 20, 7)})
SMALL = make_layer({"small": b"small\n" * 1000})


def raw(host, name):
    p = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{host}/{name}"], check=True, capture_output=True)
    return p.stdout


def pulled(fake, hull, layers=(BIG, SMALL), name="x", **more):
    """An image that came from the registry."""
    image = fake.add(Image(list(layers), **more), name)
    hull.ok("pull", "-q", f"{fake.host}/{name}")
    return image


def methods(fake, *words):
    return [m for m, path, _ in fake.requests if all(w in path for w in words)]


def loaded(hull, folder, *images):
    """Images that came from a file: no registry has them."""
    for i, image in enumerate(images):
        path = os.path.join(folder, f"oci{i}")
        write_oci(path, image)
        hull.ok("load", "-q", "-i", path)
    return images


def test_into_a_real_registry_and_back():
    need("docker-registry", "skopeo")
    with Real() as registry, Hull() as hull, Hull() as other:
        hull.ok("load", "-q", "-i", BOX)
        for args, suffix in (([], "+gzip"), (["--compression-format", "zstd"], "+zstd"), (["--compression-level", "9"], "+gzip"),
                             (["--chunk-size", "300000", "--force-compression", "--compression-level", "1"], "+gzip")):
            name = f"{registry.host}/box:t{len(args)}"
            hull.ok("tag", "box", name)
            out = hull.ok("push", *args, name)
            manifest = raw(registry.host, name.partition("/")[2])
            assert digest_of(manifest) in out and "The push refers to repository" in out, out
            assert all(d["mediaType"].endswith(suffix) for d in json.loads(manifest)["layers"]), manifest
            # skopeo checks each digest on its way
            target = os.path.join(hull.path, "copy" + name.rpartition(":")[2])
            subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"dir:{target}"], check=True)
            other.ok("pull", "-q", name)
            assert other.inspect(name)["Config"]["Cmd"] == ["sh"]
        out = hull.ok("push", f"{registry.host}/box:t0")
        assert "already exists" in out and "Pushed" not in out, out
        assert hull.ok("push", "-q", f"{registry.host}/box:t0") == f"{registry.host}/box:t0\n"
        hull.ok("tag", "box", f"{registry.host}/other:1")
        assert "Mounted from box" in hull.ok("push", f"{registry.host}/other:1")
        out = hull.ok("push", "-a", f"{registry.host}/box")
        assert out.count(": digest: sha256:") == 3 and "Pushed" not in out, out


def test_pulled_image_keeps_its_digest():
    with Fake() as fake, Hull() as hull:
        image = pulled(fake, hull)
        for target in ("x:again", "x:third"):
            hull.ok("tag", f"{fake.host}/x", f"{fake.host}/{target}")
            out = hull.ok("push", f"{fake.host}/{target}")
            assert digest_of(image.manifest) in out and out.count("already exists") == 2, out
            assert fake.manifests["x", target[2:]][1] == image.manifest
        assert not fake.begun


def test_media_type_is_one_line():
    with Fake() as fake, Hull() as hull:
        image = Image([SMALL])
        image.document["mediaType"] += "\r\nX-Evil: 1"
        fake.add(image)
        fake.manifests["x", "latest"] = (image.type, image.manifest)
        hull.ok("pull", "-q", f"{fake.host}/x")
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/x:2")
        fake.hook = lambda h: h.command == "PUT" and (h.read_body() or True) and h.reply(201)
        hull.run("push", f"{fake.host}/x:2")
        assert "PUT" in methods(fake, "manifests/2") and not any("X-Evil" in headers for _, _, headers in fake.requests)


def test_mounts_from_the_repository_it_came_from():
    with Fake() as fake, Hull() as hull:
        image = pulled(fake, hull)
        for digest in image.blobs:
            fake.owners[digest] = {"x"}
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/y/z:1")
        out = hull.ok("push", f"{fake.host}/y/z:1")
        assert out.count("Mounted from x") == 2 and digest_of(image.manifest) in out, out
        assert fake.manifests["y/z", "1"][1] == image.manifest
        assert f"{fake.host}/y/z@{digest_of(image.manifest)}" in hull.inspect(f"{fake.host}/y/z:1")["RepoDigests"]


def test_mount_that_is_not_granted_is_an_upload():
    with Fake() as fake, Hull() as hull:
        pulled(fake, hull)
        for digest in list(fake.blobs):
            fake.owners[digest] = {"elsewhere"}
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/y:1")
        out = hull.ok("push", f"{fake.host}/y:1")
        assert out.count(": Pushed") == 2, out
        # Uploads that were begun by asking for a mount were taken back.
        assert not fake.uploads, fake.uploads
        hull.ok("rmi", "-f", f"{fake.host}/x", f"{fake.host}/y:1")
        hull.ok("pull", "-q", f"{fake.host}/y:1")
        # That needs other rights than a push.
        fake.hook = lambda h: h.command == "DELETE" and h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')
        hull.ok("tag", f"{fake.host}/y:1", f"{fake.host}/z:1")
        for digest in list(fake.blobs):
            fake.owners[digest] = {"elsewhere"}
        assert hull.ok("push", f"{fake.host}/z:1").count(": Pushed") == 2
        assert "DELETE" in methods(fake, "/v2/z/blobs/uploads")


def test_mount_that_is_forbidden_is_an_upload():
    with Fake() as fake, Fake() as tokens, Hull() as hull:
        pulled(fake, hull)
        for digest in list(fake.blobs):
            fake.owners[digest] = {"elsewhere"}
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/y:1")
        # The registry does not let it be read from there.
        fake.hook = lambda h: "mount=" in h.path and h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')
        assert hull.ok("push", f"{fake.host}/y:1").count(": Pushed") == 2
        assert any("mount=" in path for _, path, _ in fake.requests)
        # Nor does the token server.
        asked = []

        def token(h):
            asked.append(h.path)
            return h.error(403, "DENIED") if "%3Ax%3Apull" in h.path or ":x:pull" in h.path else h.reply(200, {"token": "good"})

        def hook(h):
            if h.headers.get("Authorization") != "Bearer good" or "mount=" in h.path:
                return h.error(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="http://{tokens.host}/token",service="s"')
            return False
        tokens.hook, fake.hook = token, hook
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/z:1")
        for digest in list(fake.blobs):
            fake.owners[digest] = {"elsewhere"}
        assert hull.ok("push", f"{fake.host}/z:1").count(": Pushed") == 2
        assert len(asked) > 1, asked


def test_to_another_registry_and_there_again():
    with Fake() as fake, Fake() as other, Hull() as hull, Hull() as second:
        pulled(fake, hull)
        hull.ok("tag", f"{fake.host}/x", f"{other.host}/x:1")
        assert hull.ok("push", f"{other.host}/x:1").count(": Pushed") == 2
        n = len(other.begun)
        assert hull.ok("push", f"{other.host}/x:1").count("already exists") == 2
        assert len(other.begun) == n
        second.ok("pull", "-q", f"{other.host}/x:1")
        hull.refuses("no such image", "push", f"{other.host}/nothing:1")
        p = hull.run("push", f"{other.host}/x@sha256:{'0' * 64}")
        assert p.returncode == 125 and "has no digest" in p.err, p.err


def test_breaks_and_goes_on():
    with Fake() as fake, Hull() as hull, Hull() as other:
        loaded(hull, hull.path, Image([BIG, SMALL]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        sent = []

        def hook(h):
            if h.command == "PATCH":
                sent.append(h.headers["Content-Range"])
            if h.command == "PATCH" and len(sent) == 1:
                number = h.path.split("?")[0].split("/")[-1]
                fake.uploads[number] += h.read_body(3 << 20)
                h.drop()
        fake.hook = hook
        assert "Retrying" in hull.ok("push", f"{fake.host}/x:1")
        assert len(sent) == 2 and sent[0].startswith("0-") and sent[1].startswith(f"{3 << 20}-"), sent
        fake.hook = None
        other.ok("pull", "-q", f"{fake.host}/x:1")


def test_all_of_it_arrived_but_not_the_answer():
    with Fake() as fake, Hull() as hull:
        loaded(hull, hull.path, Image([BIG]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        sent = []

        def hook(h):
            if h.command == "PATCH":
                sent.append(h.headers["Content-Range"])
                fake.uploads[h.path.split("?")[0].split("/")[-1]] += h.read_body()
                h.drop()
        fake.hook = hook
        hull.ok("push", f"{fake.host}/x:1")
        assert len(sent) == 1, sent


def test_out_of_order_is_asked_for():
    with Fake() as fake, Hull() as hull:
        loaded(hull, hull.path, Image([BIG]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        count = []

        def hook(h):
            if h.command == "PATCH":
                count.append(h.path)
                if len(count) == 2:
                    number = h.path.split("?")[0].split("/")[-1]
                    h.read_body()
                    del fake.uploads[number][-1000:]
                    return h.reply(416, Location=f"/v2/x/blobs/uploads/{number}")
        fake.hook = hook
        hull.ok("push", "--chunk-size", "3MB", f"{fake.host}/x:1")
        assert len(count) > 3


def test_too_large_is_sent_in_pieces():
    with Fake() as fake, Hull() as hull:
        layer = make_layer({"big": noise(20 << 20, 9)})
        loaded(hull, hull.path, Image([layer]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")

        def hook(h):
            if h.command in ("PATCH", "PUT") and int(h.headers.get("Content-Length", 0)) > 5 << 20:
                h.read_body()
                return h.reply(413)
        fake.hook = hook
        hull.ok("push", f"{fake.host}/x:1")


def test_layers_go_at_once():
    """Each waits until the others are on their way, too."""
    with Fake() as fake, Hull() as hull:
        loaded(hull, hull.path, Image([make_layer({"f": noise(300000, i)}) for i in range(3)]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        gate, seen = threading.Barrier(3), set()

        def hook(h):
            upload = h.path.partition("?")[0]
            if h.command not in ("PUT", "PATCH") or "/uploads/" not in upload or upload in seen or int(h.headers.get("Content-Length", 0)) < 100000:
                return False
            seen.add(upload)
            try:
                gate.wait(100)
            except threading.BrokenBarrierError:
                h.drop()
        fake.hook = hook
        hull.ok("push", f"{fake.host}/x:1")
        assert len(seen) == 3 and not gate.broken


def test_busy_and_lost():
    with Fake() as fake, Hull() as hull:
        loaded(hull, hull.path, Image([BIG, SMALL]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        seen = set()

        def hook(h):
            step = (h.command, "manifests" in h.path, "uploads" in h.path)
            if step in seen:
                return None
            seen.add(step)
            if h.command in ("PUT", "PATCH"):
                h.read_body()
            if h.command == "PATCH":
                # restarted: it knows nothing of the upload
                fake.uploads.clear()
                return h.error(404, "BLOB_UPLOAD_UNKNOWN")
            if h.command == "PUT" and "manifests" not in h.path:
                return h.reply(500)
            return h.error(429 if h.command != "POST" else 503, "TOOMANYREQUESTS", Retry_After="1")
        fake.hook = hook
        hull.ok("push", f"{fake.host}/x:1")
        assert len(seen) >= 5, seen
        fake.hook = lambda h: h.command == "POST" and h.error(429, "TOOMANYREQUESTS", Retry_After="100000")
        hull.ok("tag", f"{fake.host}/x:1", f"{fake.host}/y:1")
        fake.owners.update({d: {"x"} for d in fake.blobs})
        assert "try again in 100000 s" in hull.refuses("too many", "push", f"{fake.host}/y:1")


def test_denied_and_unsupported():
    with Fake() as fake, Hull() as hull:
        loaded(hull, hull.path, Image([SMALL]))
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        fake.hook = lambda h: h.command == "POST" and h.error(403, "DENIED")
        hull.refuses("denied", "push", f"{fake.host}/x:1")
        fake.hook = lambda h: h.command == "POST" and h.error(405, "UNSUPPORTED")
        hull.refuses("does not do that", "push", f"{fake.host}/x:1")
        fake.hook = lambda h: h.command == "POST" and h.reply(202)
        hull.refuses("without saying where", "push", f"{fake.host}/x:1")
        fake.hook = lambda h: h.command == "POST" and h.reply(202, Location="file:///etc/shadow")
        hull.refuses("to nowhere", "push", f"{fake.host}/x:1")
        fake.hook = None
        hull.ok("push", f"{fake.host}/x:1")


def test_credentials_stay_with_the_registry():
    with Fake() as fake, Fake() as store, Hull() as hull:
        loaded(hull, hull.path, Image([BIG]))
        os.mkdir(os.path.join(hull.path, ".docker"))
        with open(os.path.join(hull.path, ".docker/config.json"), "w") as f:
            json.dump({"auths": {fake.host: {"auth": basic("me", "secret")[6:]}}}, f)
        hull.ok("tag", hull.images().split()[0], f"{fake.host}/x:1")
        store.uploads["s"] = bytearray()

        def hook(h):
            if h.headers.get("Authorization") != basic("me", "secret"):
                if h.command in ("PUT", "PATCH"):
                    h.read_body()
                return h.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="x"')
            if h.command == "PUT" and "/manifests/" in h.path:
                for digest, data in store.blobs.items():
                    fake.take(digest, "x", data)
            if h.command == "POST" and "mount=" not in h.path and not store.begun:
                store.begun.append("s")
                return h.reply(202, Location=f"http://{store.host}/v2/x/blobs/uploads/s")
        fake.hook = hook
        hull.ok("push", f"{fake.host}/x:1")
        assert methods(store, "uploads/s")
        assert all("Authorization" not in headers for _, _, headers in store.requests)
        # Nor does it say who else is to see them.
        store.begun.clear()
        store.uploads["s"] = bytearray()
        store.hook = lambda h: (h.command == "PATCH" and h.read_body() or True) and h.error(
            401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="http://{store.host}/token",service="s"')
        hull.ok("tag", f"{fake.host}/x:1", f"{fake.host}/w:1")
        fake.blobs.clear()
        hull.refuses("refuses access", "push", f"{fake.host}/w:1")
        assert not store.seen("/token"), store.requests


def test_index_goes_when_all_of_it_is_here():
    with Fake() as fake, Fake() as other, Hull() as hull:
        images = [Image([SMALL, make_layer({"which": name.encode()})], architecture=name) for name in ("amd64", "arm64")]
        index = fake.add(images, "x")
        hull.ok("pull", "-q", f"{fake.host}/x")
        hull.ok("tag", f"{fake.host}/x", f"{other.host}/x:1")
        p = hull.run("push", f"{other.host}/x:1")
        assert p.returncode == 0 and "not all platforms" in p.err, p.err
        assert json.loads(other.manifests["x", "1"][1]).get("layers")
        # In the repository it came from all of it is there.
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/x:2")
        assert digest_of(index) in hull.ok("push", f"{fake.host}/x:2")
        assert fake.manifests["x", "2"][1] == index
        hull.ok("pull", "-q", "--platform", "linux/arm64", f"{fake.host}/x")
        hull.ok("pull", "-q", "--platform", "linux/amd64", f"{fake.host}/x")
        p = hull.run("push", f"{other.host}/x:1")
        assert p.returncode == 0 and not p.err, p.err
        pushed = json.loads(other.manifests["x", "1"][1])
        assert [m["platform"]["architecture"] for m in pushed["manifests"]] == ["amd64", "arm64"], pushed
        hull.ok("push", "--platform", "linux/arm64", f"{other.host}/x:1")
        config = json.loads(other.manifests["x", "1"][1])["config"]["digest"]
        assert json.loads(other.blobs[config])["architecture"] == "arm64"


def test_token_is_asked_for_what_is_done():
    with Fake() as fake, Fake() as tokens, Hull() as hull:
        pulled(fake, hull)
        for digest in list(fake.blobs):
            fake.owners[digest] = {"x"}
        hull.ok("tag", f"{fake.host}/x", f"{fake.host}/y:1")
        asked, good = [], ["t1"]

        def give(h):
            asked.append(urllib.parse.parse_qs(h.path.partition("?")[2])["scope"])
            good[0] = f"t{len(asked) + 1}"
            return h.reply(200, {"token": good[0]})
        tokens.hook = give

        def hook(h):
            if h.headers.get("Authorization") != f"Bearer {good[0]}":
                if h.command in ("PUT", "PATCH"):
                    h.read_body()
                return h.error(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="http://{tokens.host}/",service="s",scope="repository:y:pull"')
            if h.command == "PUT" and len(asked) == 1:
                # it expires in the middle
                good[0] = "gone"
                h.read_body()
                return h.error(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="http://{tokens.host}/",service="s"')
        fake.hook = hook
        hull.ok("push", f"{fake.host}/y:1")
        assert len(asked) == 2 and all(a == ["repository:y:pull,push", "repository:x:pull"] for a in asked), asked


def test_options_that_make_no_sense():
    with Hull() as hull:
        for args in (["--compression-format", "lzma", "x"], ["--compression-level", "10", "x"], ["--compression-level", "0", "x"], ["-a", "x:1"]):
            p = hull.run("push", *args)
            assert p.returncode in (1, 2, 125) and p.err.count("\n") == 1, (args, p.returncode, p.err)


if __name__ == "__main__":
    run(globals())
