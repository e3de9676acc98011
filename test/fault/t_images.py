#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_images: load, pull, tag, rmi, migrate and volumes, broken at every system call: the command, its workers and hull-registry."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, HULL, Failure, Verb, alone, registry, tests  # noqa: E402


def box(place):
    place.ok("load", "-q", "-i", BOX)


def remake_box(place):
    if not place.ok("images", "-q", "box"):
        place.ok("load", "-q", "-i", BOX)


def names(place):
    return sorted(place.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split())


def box_runs(place):
    place.ok("load", "-q", "-i", BOX)
    if place.ok("run", "--rm", "--cgroup-parent", place.parent, "box", "echo", "next") != "next\n":
        raise Failure("the image does not run")
    bad = [n for n in names(place) if n != "box:latest"]
    if bad:
        raise Failure(f"images {bad}")


def has(*want):
    def check(place, o):
        if names(place) != sorted(want):
            raise Failure(f"images {names(place)}")
    return check


def tag_again(place):
    place.ok("tag", "box", "other:1")
    place.ok("rmi", "other:1")
    box_runs(place)


def untag_again(place):
    if "other:1" in names(place):
        place.ok("rmi", "other:1")
    box_runs(place)


def rmi_again(place):
    remake_box(place)
    place.ok("rmi", "box")
    layers = os.listdir(os.path.join(place.root, "layers"))
    if [n for n in layers if n not in ("empty", "storage.json")]:
        raise Failure(f"layers {layers}")
    box_runs(place)


def volumes_again(place):
    place.ok("volume", "create", "v1")
    place.ok("volume", "rm", "v1")
    box_runs(place)


def image():
    """box's own layer and one more, so that it runs."""
    with tarfile.open(BOX) as tar:
        blobs = [tar.extractfile(m).read() for m in tar if m.size > 100000]
    import gzip
    layer = gzip.decompress(blobs[0]) if blobs[0][:2] == b"\x1f\x8b" else blobs[0]
    return registry.Image([layer, registry.make_layer({"more": registry.noise(300000)})], config={"Cmd": ["wc", "-c", "/more"]})


FAKE = registry.Fake() if os.geteuid() == 0 else None
if FAKE:
    FAKE.add(image())
NAME = f"{FAKE.host}/x" if FAKE else "x"


def has_erofs():
    if not FAKE:
        return False
    with tempfile.TemporaryDirectory() as root:
        return subprocess.run([HULL, "--root", root, "--run-root", root, "--storage", "erofs", "info"], capture_output=True).returncode == 0


EROFS = has_erofs()


def pulled(place, o):
    has(NAME + ":latest")(place, o)


def pull_again(place):
    place.ok("pull", "-q", NAME)
    if place.ok("run", "--rm", "--cgroup-parent", place.parent, NAME).split()[:1] != ["300000"]:
        raise Failure("the image does not run")
    pulled(place, None)


def fresh(place):
    place.wipe()


def on(storage):
    def setup(place):
        box(place)
        place.ok("system", "migrate", storage)
    return setup


def moved(storage):
    """The store says so, and box's layer has that form."""
    def check(place, o):
        layers = os.path.join(place.root, "layers")
        isfile = [os.path.isfile(os.path.join(layers, n)) for n in os.listdir(layers) if len(n) == 64]
        if isfile != [storage == "erofs"] or place.ok("info", "-f", "{{.Driver}}") != storage + "\n":
            raise Failure(f"layers {os.listdir(layers)}")
    return check


def move_again(storage):
    def again(place):
        place.ok("system", "migrate", storage)
        moved(storage)(place, None)
        box_runs(place)
    return again


def saved(place, o):
    with tarfile.open(os.path.join(place.path, "saved.tar")) as tar:
        if "manifest.json" not in tar.getnames():
            raise Failure("no whole archive")


def save_again(place):
    """A file under its own name is whole, or not there."""
    target = os.path.join(place.path, "saved.tar")
    if os.path.exists(target):
        saved(place, None)
        os.unlink(target)
    place.ok("save", "-o", target, "box")
    saved(place, None)
    left = [n for n in os.listdir(place.path) if "tmp" in n]
    for n in left:
        os.unlink(os.path.join(place.path, n))
    os.unlink(target)
    box_runs(place)


def copied(place, o):
    with open(os.path.join(place.path, "layout/index.json")) as f:
        if len(json.load(f)["manifests"]) != 1:
            raise Failure("index.json")


def copy_again(place):
    place.ok("copy", f"docker://{NAME}", f"oci:{place.path}/layout:1")
    copied(place, None)
    shutil.rmtree(os.path.join(place.path, "layout"))
    place.ok("pull", "-q", NAME)
    place.ok("rmi", NAME)


def plain_tar(place):
    box(place)
    with open(os.path.join(place.path, "in.tar"), "wb") as f:
        f.write(registry.make_layer({"file": registry.noise(200000)}))


def import_again(place):
    place.ok("import", os.path.join(place.path, "in.tar"), "in:1")
    place.ok("rmi", "in:1")
    ids = place.ok("images", "-q", "--filter", "dangling=true").split()
    if ids:
        place.ok("rmi", *ids)
    box_runs(place)


VERBS = [
    Verb("load", ["load", "-i", BOX], setup=fresh, done=has("box:latest"), again=box_runs),
    Verb("pull", ["pull", NAME], setup=fresh, done=pulled, again=pull_again, calls=("recvmsg",)),
    Verb("save", lambda p: ["save", "-o", os.path.join(p.path, "saved.tar"), "box"], begin=box, done=saved, again=save_again),
    Verb("copy", lambda p: ["copy", f"docker://{NAME}", f"oci:{p.path}/layout:1"], done=copied, again=copy_again, calls=("recvmsg",)),
    Verb("import", lambda p: ["import", os.path.join(p.path, "in.tar"), "in:1"], begin=plain_tar, done=has("box:latest", "in:1"), again=import_again),
    Verb("tag", ["tag", "box", "other:1"], begin=box, done=has("box:latest", "other:1"), again=tag_again),
    Verb("rmi of a name", ["rmi", "other:1"], begin=box, setup=lambda p: p.ok("tag", "box", "other:1"), done=has("box:latest"), again=untag_again),
    Verb("rmi", ["rmi", "box"], begin=box, setup=remake_box, done=has(), again=rmi_again),
    *[Verb(f"migrate to {to}", ["system", "migrate", to], begin=box, setup=on(source), done=moved(to), again=move_again(to))
      for source, to in (("files", "erofs"), ("erofs", "files")) if EROFS],
    Verb("volume create", ["volume", "create", "v1"], begin=box, again=volumes_again),
    Verb("volume rm", ["volume", "rm", "v1"], begin=box, setup=lambda p: p.ok("volume", "create", "v1"), again=volumes_again),
]
tests(globals(), VERBS)

if __name__ == "__main__":
    alone()
    registry.run(globals())
