#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_manifest: `hull manifest`: lists made of images in a registry, pushed into it and pulled by platform; what refers to what;
what is removed; and indexes that lie."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import BOX, Hull  # noqa: E402

SMALL = make_layer({"small": b"small\n"})


def two(fake, docker=False):
    images = [Image([make_layer({"which": name.encode()})], architecture=name, docker=docker) for name in ("amd64", "arm64")]
    for image in images:
        fake.add(image, "parts/" + image.platform["architecture"], "1")
        for digest in image.blobs:
            fake.owners[digest] = {"parts/" + image.platform["architecture"]}
    return images


def test_list_is_made_and_pushed():
    for docker in (False, True):
        with Fake() as fake, Hull() as hull:
            images = two(fake, docker)
            name, parts = f"{fake.host}/whole:1", [f"{fake.host}/parts/{a}:1" for a in ("amd64", "arm64")]
            assert name in hull.ok("manifest", "create", name, *parts)
            assert "--amend" in hull.run("manifest", "create", name, *parts).err
            hull.ok("manifest", "create", "--amend", name, parts[1])
            hull.ok("manifest", "annotate", "--variant", "v8", "--os-version", "1.2", name, parts[1])
            shown = json.loads(hull.ok("manifest", "inspect", name))
            assert shown["mediaType"] == (DOCKER_LIST if docker else OCI_INDEX)
            assert [m["digest"] for m in shown["manifests"]] == [digest_of(i.manifest) for i in images]
            assert shown["manifests"][1]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "1.2"}
            digest = hull.ok("manifest", "push", "--purge", name).strip()
            assert digest_of(fake.manifests["whole", "1"][1]) == digest
            assert not fake.begun, "all blobs were mounted"
            for image in images:
                hull.ok("pull", "-q", "--platform", f"linux/{image.platform['architecture']}", name)
                assert image.id in hull.images()
            assert "no such manifest list" in hull.run("manifest", "rm", name).err
            # Now it is the registry's.
            assert json.loads(hull.ok("manifest", "inspect", name)) == json.loads(fake.manifests["whole", "1"][1])
            assert hull.ok("manifest", "inspect", "--raw", name).encode() == fake.manifests["whole", "1"][1]
            verbose = json.loads(hull.ok("manifest", "inspect", "-v", name))
            assert [v["Descriptor"]["digest"] for v in verbose] == [digest_of(i.manifest) for i in images]
            assert verbose[0]["SchemaV2Manifest" if docker else "OCIManifest"]["config"]["digest"] == images[0].id
            assert hull.ok("image", "inspect", "--raw", name).encode() == images[1].manifest


def test_lists_that_cannot_be():
    with Fake() as fake, Fake() as other, Hull() as hull:
        two(fake)
        name, part = f"{fake.host}/whole:1", f"{fake.host}/parts/amd64:1"
        fake.add([Image([SMALL])], "index")
        assert "is an index itself" in hull.run("manifest", "create", name, f"{fake.host}/index").err
        assert hull.run("manifest", "create", name, f"{fake.host}/nothing").returncode == 1
        assert hull.run("manifest", "annotate", name, part).returncode == 1
        hull.ok("manifest", "create", f"{other.host}/whole", part)
        assert "another registry" in hull.run("manifest", "push", f"{other.host}/whole").err
        hull.ok("manifest", "create", name, part)
        assert "is not in the manifest list" in hull.run("manifest", "annotate", name, f"{fake.host}/parts/arm64:1").err
        for words in (("--arch", ""), ("--arch", "two words"), ("--os", "a/b"), ("--variant", "v8\n")):
            assert "invalid platform" in hull.run("manifest", "annotate", *words, name, part).err
        for digest in fake.owners:
            fake.owners[digest] = {"elsewhere"}
        assert "push that image to the repository first" in hull.run("manifest", "push", name).err
        assert not fake.uploads
        hull.ok("manifest", "rm", name, f"{other.host}/whole")
        assert hull.files("images/lists") == []


def test_into_a_real_registry():
    need("docker-registry", "skopeo")
    with Real() as registry, Hull() as hull:
        hull.ok("load", "-q", "-i", BOX)
        hull.ok("tag", "box", f"{registry.host}/box:1")
        hull.ok("push", f"{registry.host}/box:1")
        hull.ok("manifest", "create", f"{registry.host}/all:1", f"{registry.host}/box:1")
        digest = hull.ok("manifest", "push", f"{registry.host}/all:1").strip()
        p = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/all:1"], check=True, capture_output=True)
        assert digest_of(p.stdout) == digest
        hull.ok("pull", "-q", f"{registry.host}/all@{digest}")
        # Removing is off in that registry.
        assert "does not do that" in hull.run("manifest", "delete", f"{registry.host}/all:1").err


def test_delete():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([SMALL]), "x", "1")
        assert hull.ok("manifest", "delete", f"{fake.host}/x:1") == f"Deleted: {digest_of(image.manifest)}\n"
        assert ("x", digest_of(image.manifest)) not in fake.manifests
        p = hull.run("manifest", "delete", f"{fake.host}/x@{digest_of(image.manifest)}", f"{fake.host}/y:1")
        assert p.returncode == 1 and p.err.count("\n") == 2, p.err


def artifact(subject, type_):
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": type_, "config": empty, "layers": [empty],
                       "subject": {"mediaType": OCI_MANIFEST, "digest": digest_of(subject), "size": len(subject)}}).encode()


def test_referrers():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([SMALL]), "x", "1")
        found = [{"mediaType": OCI_MANIFEST, "digest": digest_of(artifact(image.manifest, t)), "size": 1, "artifactType": t} for t in ("a/b", "c/d")]

        def hook(h):
            if "/referrers/" in h.path:
                first = "last" not in h.path
                more = {"Link": f'<{h.path.partition("?")[0]}?last=1>; rel="next"'} if first else {}
                return h.reply(200, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found[:1] if first else found[1:]}, **more)
        fake.hook = hook
        assert json.loads(hull.ok("manifest", "referrers", f"{fake.host}/x:1"))["manifests"] == found
        assert json.loads(hull.ok("manifest", "referrers", "--artifact-type", "c/d", f"{fake.host}/x:1"))["manifests"] == found[1:]
        fake.hook = None
        assert json.loads(hull.ok("manifest", "referrers", f"{fake.host}/x:1"))["manifests"] == []
        tag = digest_of(image.manifest).replace(":", "-")
        fake.add_manifest("x", tag, OCI_INDEX, json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found[:1]}).encode())
        assert json.loads(hull.ok("manifest", "referrers", f"{fake.host}/x@{digest_of(image.manifest)}"))["manifests"] == found[:1]
        fake.add_manifest("x", tag, OCI_INDEX, b"[]")
        assert "no index" in hull.run("manifest", "referrers", f"{fake.host}/x:1").err


def test_image_with_a_subject_is_added_to_the_list():
    for knows in (False, True):
        with Fake() as fake, Hull() as hull:
            fake.referrers = knows
            base = fake.add(Image([SMALL]), "x", "1")
            image = Image([SMALL, make_layer({"b": b"b"})])
            image.document["subject"] = {"mediaType": OCI_MANIFEST, "digest": digest_of(base.manifest), "size": len(base.manifest)}
            fake.add(image, "x", "2")
            hull.ok("pull", "-q", f"{fake.host}/x:2")
            hull.ok("tag", f"{fake.host}/x:2", f"{fake.host}/x:3")
            for _ in range(2):
                hull.ok("push", f"{fake.host}/x:3")
            listed = fake.manifests.get(("x", digest_of(base.manifest).replace(":", "-")))
            assert (listed is None) == knows
            if listed:
                assert [m["digest"] for m in json.loads(listed[1])["manifests"]] == [digest_of(image.manifest)]


def index(*descriptors):
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(descriptors)}).encode()


def test_indexes_that_nest_loop_and_lie():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([SMALL]), "x", "good")
        platform = {"architecture": "amd64", "os": "linux"}
        below = image.descriptor()
        for depth in range(5):
            data = index(below)
            fake.add_manifest("x", f"deep{depth}", OCI_INDEX, data)
            below = {"mediaType": OCI_INDEX, "digest": digest_of(data), "size": len(data), "platform": platform}
        hull.ok("pull", "-q", f"{fake.host}/x:deep1")
        hull.refuses("nested", "pull", f"{fake.host}/x:deep4")
        # No digest is its own; a registry may answer with the same index for whatever is asked.
        loop = index({"mediaType": OCI_INDEX, "digest": "sha256:" + "1" * 64, "size": 400, "platform": platform})
        loop += b" " * (400 - len(loop))
        fake.hook = lambda h: "/manifests/" in h.path and h.reply(200, loop, Content_Type=OCI_INDEX)
        hull.refuses("sent something else", "pull", f"{fake.host}/x:loop")
        fake.hook = None
        cases = {
            "sha1": dict(digest="sha1:" + "0" * 40), "md5": dict(digest="md5:" + "0" * 32), "upper": dict(digest="sha256:" + "A" * 64),
            "path": dict(digest="sha256:../../../../etc/passwd"), "short": dict(digest="sha256:00"), "none": dict(digest=""),
            "negative": dict(size=-1), "huge": dict(size=2 ** 63), "text": dict(size="9"), "large": dict(size=5 << 20), "small": dict(size=1)}
        for name, change in cases.items():
            fake.add_manifest("x", name, OCI_INDEX, index({**image.descriptor(), **change}))
            p = hull.run("pull", f"{fake.host}/x:{name}")
            assert p.returncode == 1 and p.err.count("\n") == 1, (name, p.returncode, p.err)
        hull.clean()


def test_manifests_that_are_too_much():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([SMALL]), "x", "good")
        layer = image.document["layers"][0]
        for n, word in ((513, "layers"), (20000, "layers"), (100000, "allowed")):
            many = json.dumps({**image.document, "layers": [layer] * n}).encode()
            fake.add_manifest("x", f"n{n}", OCI_MANIFEST, many)
            hull.refuses(word, "pull", f"{fake.host}/x:n{n}")
        for name, change in {"layer-sha1": {"digest": "sha1:" + "0" * 40}, "layer-size": {"size": layer["size"] + 1},
                             "layer-less": {"size": layer["size"] - 1}, "layer-huge": {"size": 2 ** 62}}.items():
            fake.add_manifest("x", name, OCI_MANIFEST, json.dumps({**image.document, "layers": [{**layer, **change}]}).encode())
            p = hull.run("pull", f"{fake.host}/x:{name}")
            assert p.returncode == 1 and p.err.count("\n") == 1, (name, p.err)
        hull.clean()


def test_redirects_to_places_nobody_means():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([SMALL]), "x")
        layer = image.document["layers"][0]["digest"]
        for where in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "//", "unix:/run/docker.sock", "data:,x"):
            fake.hook = lambda h, where=where: layer in h.path and h.reply(307, Location=where)
            hull.refuses("redirects", "pull", f"{fake.host}/x")


def test_registry_elsewhere_does_not_lead_to_this_machine():
    with Fake(host="0.0.0.0") as fake, Fake() as inside, Hull() as hull:
        image = fake.add(Image([SMALL]), "x")
        layer = image.document["layers"][0]["digest"]
        place = f"0.0.0.0:{fake.port}"
        with open(os.path.join(hull.path, "hull.json"), "w") as f:
            json.dump({"insecure-registries": [place]}, f)
        hull.env["HULL_CONFIG"] = os.path.join(hull.path, "hull.json")
        for where in (f"http://{inside.host}/secret", f"http://localhost:{inside.port}/secret", f"http://[::1]:{inside.port}/secret",
                      f"https://[::]:{inside.port}/secret", f"https://[::ffff:127.0.0.1]:{inside.port}/secret", f"https://localhost.:{inside.port}/secret",
                      f"https://a.localhost:{inside.port}/secret", f"https://127.1:{inside.port}/secret"):
            fake.hook = lambda h, where=where: layer in h.path and h.reply(307, Location=where)
            hull.refuses("this machine", "pull", f"{place}/x")
        # To itself it may, by whatever name.
        fake.hook = lambda h: "again" not in h.path and layer in h.path and h.reply(307, Location=f"{h.path}?again=1")
        hull.ok("pull", "-q", f"{place}/x")
        assert not inside.requests


if __name__ == "__main__":
    run(globals())
