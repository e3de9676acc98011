#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_original: an image that was pulled is pushed with the blobs it came as: kept on request, or fetched once more from where it came; and only
what was seen to be true is believed of blobs."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import Hull, write_oci  # noqa: E402

BIG = make_layer({"big": noise(2 << 20, 7)})
SMALL = make_layer({"small": b"small\n" * 1000})


def kept(hull):
    folder = os.path.join(hull.root, "images/compressed")
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)


def push(hull, source, target):
    hull.ok("tag", source, target)
    return hull.ok("push", target)


def same(image, fake, name="x", tag="1"):
    return fake.manifests[name, tag][1] == image.manifest and all(fake.blobs[digest_of(layer)] == layer for layer in image.layers)


def test_it_is_fetched_once_more_from_where_it_came():
    with Fake() as fake, Fake() as other, Hull() as hull:
        image = fake.add(Image([BIG, SMALL]))
        hull.ok("pull", f"{fake.host}/x")
        out = push(hull, f"{fake.host}/x", f"{other.host}/x:1")
        assert digest_of(image.manifest) in out and out.count(": Pushed") == 2, out
        assert same(image, other) and kept(hull) == []
        assert [len(fake.seen(digest_of(layer))) for layer in image.layers] == [2, 2]
        # Where a mount is not granted, too.
        with Fake() as third:
            mine = third.add(Image([BIG]), "from")
            hull.ok("pull", f"{third.host}/from")
            third.owners[digest_of(mine.layers[0])] = {"from"}
            third.hook = lambda h: h.command == "POST" and "mount=" in h.path and third.begin(h, "x", {})
            push(hull, f"{third.host}/from", f"{third.host}/x:1")
            assert same(mine, third)


def test_what_was_known_of_a_layer_goes_with_it():
    with Fake() as fake, Hull() as hull:
        for name, layers in (("x", [BIG, SMALL]), ("y", [SMALL])):
            fake.add(Image(layers), name)
            hull.ok("pull", "-q", f"{fake.host}/{name}")
        assert hull.files("images/wire") == sorted(f"{digest_of(layer)[7:]}.json" for layer in (BIG, SMALL))
        hull.ok("rmi", f"{fake.host}/x")
        assert hull.files("images/wire") == [f"{digest_of(SMALL)[7:]}.json"]
        hull.ok("image", "prune", "-af")
        assert hull.files("images/wire") == []


def test_where_it_came_from_is_gone():
    """Then it is compressed, every time to the same bytes."""
    with Hull() as hull, Fake() as other, Fake() as third:
        with Fake() as fake:
            image = fake.add(Image([BIG, SMALL]))
            hull.ok("pull", f"{fake.host}/x")
            hull.ok("tag", f"{fake.host}/x", "mine")
        for target in (other, third):
            out = push(hull, "mine", f"{target.host}/x:1")
            assert out.count(": Pushed") == 2 and not same(image, target), out
        assert other.manifests["x", "1"] == third.manifests["x", "1"]


def test_what_comes_from_there_is_checked():
    with Fake() as fake, Fake() as other, Hull() as hull:
        image = fake.add(Image([BIG]))
        hull.ok("pull", f"{fake.host}/x")
        layer = digest_of(image.layers[0])
        fake.hook = lambda h: layer in h.path and h.reply(200, image.layers[0][:-1] + b"x")
        push(hull, f"{fake.host}/x", f"{other.host}/x:1")
        assert len(fake.seen(layer)) == 2 and layer not in other.blobs
        with Hull() as second:
            second.ok("pull", f"{other.host}/x:1")


def test_kept_on_request():
    for setting in (False, True):
        with Hull() as hull, Fake() as other:
            if setting:
                hull.env["HULL_CONFIG"] = os.path.join(hull.path, "hull.json")
                with open(hull.env["HULL_CONFIG"], "w") as f:
                    json.dump({"keep-compressed": True}, f)
            with Fake() as fake:
                image = fake.add(Image([BIG, SMALL, BIG]))
                hull.ok("pull", *([] if setting else ["--keep-compressed"]), f"{fake.host}/x")
                assert sorted(os.path.basename(k) for k in kept(hull)) == sorted({digest_of(b)[7:] for b in image.layers})
                hull.ok("tag", f"{fake.host}/x", "mine")
                hull.ok("rmi", f"{fake.host}/x")
            out = push(hull, "mine", f"{other.host}/x:1")
            assert same(image, other) and "Compressing" not in out, out
            # They go with the layer, and the disk's usage knows them.
            df = [json.loads(line) for line in hull.ok("system", "df", "--format", "json").splitlines()]
            images = next(row for row in df if row["Type"] == "Images")
            assert "2 images" in str(images) or images["TotalCount"] in ("1", 1), images
            du = int(subprocess.run(["du", "-sB1", os.path.join(hull.root, "images")], check=True, capture_output=True).stdout.split()[0])
            assert du > 2 << 20
            out = hull.ok("system", "df", "--format", "{{.Type}} {{.Bytes}} {{.ReclaimableBytes}}")
            have, free = (int(n) for n in next(line for line in out.splitlines() if line.startswith("Images")).split()[1:])
            assert have > 4 << 20 and have - free < 1 << 20, out
            hull.ok("rmi", "-f", "mine", f"{other.host}/x:1")
            assert kept(hull) == [] and hull.files("images/compressed") == []


def test_what_is_kept_is_saved_as_it_came():
    for storage in ("files", "erofs"):
        with Hull() as hull, Hull() as other, Fake() as fake:
            hull.env["HULL_STORAGE"] = other.env["HULL_STORAGE"] = storage
            if hull.run("info").returncode != 0:
                continue
            images = [Image([BIG, SMALL]), Image([SMALL], architecture="arm64")]
            index = fake.add(images, "x", "1")
            name = f"{fake.host}/x:1"
            for platform in ("linux/arm64", "linux/amd64"):
                hull.ok("pull", "-q", "--keep-compressed", "--platform", platform, name)
            for form in ("oci-dir", "docker-archive"):
                path = os.path.join(hull.path, form)
                hull.ok("save", "--format", form, "-o", path, name)
                if form == "oci-dir":
                    with open(os.path.join(path, "index.json")) as f:
                        assert [m["digest"] for m in json.load(f)["manifests"]] == [digest_of(index)]
                other.ok("load", "-q", "-i", path)
                assert other.inspect(name)["Id"] == images[0].id
                other.ok("rmi", "-f", name)
            # A copy that is damaged is not needed.
            with open(next(k for k in kept(hull) if k.endswith(digest_of(images[0].layers[0])[7:])), "r+b") as f:
                f.write(b"damage")
            hull.ok("save", "-o", os.path.join(hull.path, "x.tar"), name)


def test_kept_although_the_layer_is_here():
    with Hull() as hull, Fake() as other:
        with Fake() as fake:
            image = fake.add(Image([BIG, SMALL]))
            hull.ok("pull", f"{fake.host}/x")
            hull.ok("pull", "--keep-compressed", f"{fake.host}/x")
            assert len(kept(hull)) == 2
            n = len(fake.requests)
            out = hull.ok("pull", "--keep-compressed", f"{fake.host}/x")
            assert out.count("Already exists") == 2 and "up to date" in out and not any("/blobs/" + digest_of(image.layers[0]) in r[1]
                                                                                        for r in fake.requests[n:])
            hull.ok("tag", f"{fake.host}/x", "mine")
        push(hull, "mine", f"{other.host}/x:1")
        assert same(image, other)


def test_a_kept_blob_that_is_damaged_is_not_sent():
    with Hull() as hull, Fake() as other:
        with Fake() as fake:
            fake.add(Image([BIG]))
            hull.ok("pull", "--keep-compressed", f"{fake.host}/x")
            hull.ok("tag", f"{fake.host}/x", "mine")
        with open(kept(hull)[0], "r+b") as f:
            f.seek(100000)
            f.write(b"damage")
        damaged = kept(hull)[0]
        p = hull.run("system", "check")
        assert p.returncode == 1 and f"compressed sha256:{os.path.basename(damaged)}" in p.out, p.out
        push(hull, "mine", f"{other.host}/x:1")
        assert kept(hull) == [] and "all whole" in hull.ok("system", "check")
        os.makedirs(os.path.dirname(damaged), exist_ok=True)
        with open(damaged, "w") as f:
            f.write("damage")
        assert "mended" in hull.ok("system", "check", "--repair") and kept(hull) == []
        with Hull() as second:
            second.ok("pull", f"{other.host}/x:1")


def test_a_manifest_that_lies_about_a_layer_that_is_here():
    """The blob that it names was never seen: no other image is pushed with it."""
    with Fake() as fake, Hull() as hull:
        write_oci(os.path.join(hull.path, "oci"), Image([BIG]))
        hull.ok("load", "-q", "-i", os.path.join(hull.path, "oci"))
        hull.ok("tag", hull.images().split()[0], "mine")
        evil = Image([make_layer({"evil": b"x"})], config={"Cmd": ["evil"]})
        evil.config = evil.config.replace(digest_of(make_layer({"evil": b"x"})).encode(), digest_of(BIG).encode())
        evil.document["config"] = evil.blob(evil.config, OCI_CONFIG)
        fake.add(evil, "evil")
        hull.ok("pull", f"{fake.host}/evil")
        push(hull, f"{fake.host}/evil", f"{fake.host}/evil:again")
        for target in (f"{fake.host}/evil:mine", f"{fake.host}/x:1"):
            push(hull, "mine", target)
            name, tag = target.partition("/")[2].split(":")
            layers = json.loads(fake.manifests[name, tag][1])["layers"]
            assert digest_of(evil.layers[0]) not in str(layers), layers
        with Hull() as second:
            second.ok("pull", f"{fake.host}/x:1")


if __name__ == "__main__":
    run(dict(globals()))
