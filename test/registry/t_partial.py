#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_partial: what a pull that broke off has left is gone on with, and pulls at the same time share what they fetch."""

import contextlib
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import Hull  # noqa: E402

SIZE = 3000000


def big(seed=1):
    return make_layer({"big": noise(SIZE, seed)})


def ranges(fake, digest):
    return [int(h["Range"][6:-1]) if "Range" in h else 0 for h in fake.seen(digest)]


def partial(hull):
    return hull.files("images/partial")


def path_of(hull, digest):
    return os.path.join(hull.root, "images/partial", digest[7:])


def until(what, text):
    """A busy machine has half a minute."""
    for _ in range(600):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError(text)


class Halves:
    """Sends the first part of each big blob, and what is left of it when it is let go."""

    def __init__(self, fake, part=1000000):
        self.fake, self.part, self.go, self.arrived = fake, part, threading.Event(), threading.Event()
        fake.hook = self.hook

    def hook(self, h):
        data = self.fake.blobs.get(h.path.split("/")[-1], b"")
        if len(data) < self.part or self.go.is_set() or h.command != "GET":
            return False
        h.send_response(200)
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        with contextlib.suppress(OSError):
            h.wfile.write(data[:self.part])
            h.wfile.flush()
            self.arrived.set()
            self.go.wait(60)
        h.drop()


def break_off(hull, fake, sig=signal.SIGKILL):
    """A pull that is killed when it has some bytes of its layer; returns how many."""
    halves = Halves(fake)
    p = hull.start("pull", f"{fake.host}/x")
    assert halves.arrived.wait(60)
    digest = max(fake.blobs, key=lambda d: len(fake.blobs[d]))
    until(lambda: os.path.exists(path_of(hull, digest)) and os.path.getsize(path_of(hull, digest)) > 900000, "nothing is kept")
    p.send_signal(sig)
    p.communicate(timeout=60)
    halves.go.set()
    fake.requests.clear()
    return digest, os.path.getsize(path_of(hull, digest))


def test_a_killed_pull_is_gone_on_with():
    for storage in ("files", None):
        for sig in (signal.SIGKILL, signal.SIGTERM):
            with Fake() as fake, Hull() as hull:
                if storage:
                    hull.env["HULL_STORAGE"] = storage
                fake.add(Image([big(), make_layer({"small": b"x"})]))
                digest, have = break_off(hull, fake, sig)
                assert have <= 1000000
                hull.ok("pull", f"{fake.host}/x")
                assert ranges(fake, digest) == [have], (ranges(fake, digest), have)
                assert partial(hull) == [] and len(hull.layers()) == 2, (partial(hull), hull.layers())
                hull.ok("system", "check")


def test_a_pull_that_gave_up_is_gone_on_with():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([big()]))
        digest = digest_of(image.layers[0])

        def hook(h):
            if digest not in h.path:
                return False
            if "Range" in h.headers:
                return h.error(403, "DENIED")
            h.send_response(200)
            h.send_header("Content-Length", str(len(image.layers[0])))
            h.end_headers()
            h.wfile.write(image.layers[0][:1000000])
            h.drop()
        fake.hook = hook
        hull.refuses("denied", "pull", f"{fake.host}/x")
        have = os.path.getsize(path_of(hull, digest))
        assert have > 500000, have
        # What failed while it was gone on with is told as it is, and costs nothing of what is here.
        hull.refuses("denied", "pull", f"{fake.host}/x")
        assert os.path.getsize(path_of(hull, digest)) == have
        fake.hook = None
        fake.requests.clear()
        hull.ok("pull", f"{fake.host}/x")
        assert ranges(fake, digest) == [have] and partial(hull) == []


def test_servers_that_do_not_know_parts():
    def whole(h, data):
        return h.reply(200, data)

    def unsatisfiable(h, data):
        return h.reply(416) if "Range" in h.headers else h.reply(200, data)

    def other(h, data):
        return h.reply(206, data[5:], Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}") if "Range" in h.headers else h.reply(200, data)
    for answer in (whole, unsatisfiable, other):
        with Fake() as fake, Hull() as hull:
            fake.add(Image([big()]))
            digest, have = break_off(hull, fake)
            fake.hook = lambda h: digest in h.path and answer(h, fake.blobs[digest])  # noqa: B023
            if answer is other:
                hull.refuses("another part", "pull", f"{fake.host}/x")
                assert ranges(fake, digest) == [have]
                fake.hook = None
            hull.ok("pull", f"{fake.host}/x")
            assert partial(hull) == [] and len(hull.layers()) == 1


def test_what_is_kept_is_not_believed():
    """Damaged, of something else, too long, whole: the pull ends well, in one go."""
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([big()]))
        blob, digest = image.layers[0], digest_of(image.layers[0])
        rows = [("flipped", blob[:5000] + bytes([blob[5000] ^ 1]) + blob[5001:900000], [900000, 0]), ("zeros", bytes(900000), [900000, 0]),
                ("too long", blob + b"x", [0]), ("whole", blob, []), ("whole and bad", blob[:-1] + b"x", [0]), ("empty", b"", [0])]
        for name, data, wanted in rows:
            os.makedirs(os.path.join(hull.root, "images/partial"), exist_ok=True)
            with open(path_of(hull, digest), "wb") as f:
                f.write(data)
            fake.requests.clear()
            hull.ok("pull", f"{fake.host}/x")
            assert ranges(fake, digest) == wanted, (name, ranges(fake, digest))
            assert partial(hull) == [] and hull.layers() == [digest_of(big())[7:]]
            hull.ok("rmi", f"{fake.host}/x")


def test_a_link_in_its_place_is_not_followed():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([big()]))
        victim = os.path.join(hull.path, "victim")
        with open(victim, "w") as f:
            f.write("mine")
        os.makedirs(os.path.join(hull.root, "images/partial"))
        os.symlink(victim, path_of(hull, digest_of(image.layers[0])))
        hull.refuses("partial", "pull", f"{fake.host}/x")
        with open(victim) as f:
            assert f.read() == "mine"


def test_pulls_at_once_share_a_download():
    for storage in ("files", None):
        with Fake() as fake, Hull() as hull:
            if storage:
                hull.env["HULL_STORAGE"] = storage
            image = fake.add(Image([big(i) for i in range(3)] + [make_layer({"small": b"x"})]))
            other = fake.add(Image([big(1), make_layer({"other": b"y"})]), "y")
            halves = Halves(fake)
            first = hull.start("pull", f"{fake.host}/x")
            assert halves.arrived.wait(60)
            until(lambda: len(partial(hull)) >= 3, "the first pull fetches nothing")
            others = [hull.start("pull", f"{fake.host}/{name}") for name in ("x", "y", "x")]
            until(lambda: sum("/y/manifests/" in r[1] for r in fake.requests) >= 1, "the others do nothing")
            halves.go.set()
            for p in [first, *others]:
                out, err = p.communicate(timeout=120)
                assert p.returncode == 0, (out, err)
            for layer in {digest_of(b) for b in image.layers + other.layers}:
                # Of the big ones each got a half, and one rest.
                got = ranges(fake, layer)
                assert got in ([0], [0, 1000000]), (layer, got)
            assert partial(hull) == []
            hull.ok("system", "check")


def test_who_waits_goes_on_when_the_other_one_dies():
    with Fake() as fake, Hull() as hull:
        image = fake.add(Image([big()]))
        digest = digest_of(image.layers[0])
        halves = Halves(fake)
        first = hull.start("pull", f"{fake.host}/x")
        assert halves.arrived.wait(60)
        until(lambda: os.path.getsize(path_of(hull, digest)) > 900000, "nothing is kept")
        second = hull.start("pull", f"{fake.host}/x")
        until(lambda: len(fake.seen("blobs/" + digest_of(image.config))) == 2, "the second one does nothing")
        first.kill()
        first.communicate(timeout=60)
        halves.go.set()
        out, err = second.communicate(timeout=120)
        assert second.returncode == 0, (out, err)
        got = ranges(fake, digest)
        assert got[0] == 0 and got[1:] and all(n >= 900000 for n in got[1:]), got


def test_prune_removes_what_nobody_fetches():
    with Fake() as fake, Hull() as hull:
        fake.add(Image([big()]))
        digest, have = break_off(hull, fake)
        assert "MB" in hull.ok("image", "prune", "-f") and partial(hull) == []
        digest, have = break_off(hull, fake)
        hull.ok("system", "gc")
        assert partial(hull) == []
        # One that is being fetched stays.
        halves = Halves(fake)
        p = hull.start("pull", f"{fake.host}/x")
        assert halves.arrived.wait(60)
        until(lambda: partial(hull), "nothing is kept")
        hull.ok("image", "prune", "-f")
        assert len(partial(hull)) == 1
        halves.go.set()
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, (out, err)


def test_old_ones_go_with_the_next_pull():
    with Fake() as fake, Hull() as hull:
        fake.add(Image(), "y")
        fake.add(Image([big()]))
        digest, have = break_off(hull, fake)
        hull.ok("pull", f"{fake.host}/y")
        assert partial(hull) == [digest[7:]]
        month = time.time() - 30 * 24 * 3600
        os.utime(path_of(hull, digest), (month, month))
        hull.ok("pull", f"{fake.host}/y")
        assert partial(hull) == []


def test_layers_of_one_blob():
    """An image that has the same blob twice does not wait for itself; one that says it is two layers is refused."""
    with Fake() as fake, Hull() as hull:
        fake.add(Image([big(), big()]))
        hull.ok("pull", f"{fake.host}/x")
        image = Image([big(2), big(3)])
        image.document["layers"][1] = image.document["layers"][0]
        fake.add(image, "y")
        hull.refuses("digest", "pull", f"{fake.host}/y")


class Disk:
    """A file system of its own for the store of a Hull; `fill` leaves so many bytes of it."""

    def __init__(self, hull, size):
        need("mkfs.ext4", "mount")
        self.file, self.path, self.ballast = os.path.join(hull.path, "disk"), hull.root, os.path.join(hull.root, "ballast")
        with open(self.file, "wb") as f:
            f.truncate(size)
        os.makedirs(self.path)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.file], check=True)
        if subprocess.run(["mount", "-o", "loop", self.file, self.path], capture_output=True).returncode:
            raise Skip("a file cannot be mounted here")

    def __enter__(self):
        return self

    def __exit__(self, *args):
        subprocess.run(["umount", "-l", self.path], check=True)

    def free(self):
        os.sync()
        s = os.statvfs(self.path)
        return s.f_bavail * s.f_frsize

    def fill(self, left):
        with open(self.ballast, "wb", buffering=0) as f:
            try:
                while f.write(bytes(64 << 10)):
                    pass
            except OSError:
                f.truncate(max(f.tell() - left, 0))


def test_a_disk_that_is_full_in_the_middle():
    if os.geteuid() != 0:
        raise Skip("needs root")
    layers = [make_layer({"a": noise(3 << 20, 1)}), make_layer({"b": noise(5 << 20, 2), **{f"d/{i}": b"x" for i in range(3000)}})]
    for storage in ("erofs", "files"):
        with Fake() as fake, Hull() as hull, Disk(hull, 64 << 20) as disk:
            p = hull.run("--storage", storage, "info")
            if p.returncode:
                continue
            fake.add(Image(layers), "x")
            name = f"{fake.host}/x"
            hull.ok("images")
            failed = 0
            for left in (0, 40 << 10, 1 << 20, 4 << 20, 9 << 20, 12 << 20):
                disk.fill(left)
                before = disk.free()
                p = hull.run("--storage", storage, "pull", "-q", name)
                if p.returncode == 0:
                    break
                failed += 1
                lines = [line for line in p.err.splitlines() if "warning" not in line]
                assert p.returncode == 1 and len(lines) == 1 and "No space left on device" in lines[0], (storage, left, p.err)
                hull.clean()
                # What is left is what goes on with: whole layers, and what is whole of a blob.
                hull.ok("system", "gc")
                assert disk.free() >= before - (64 << 10), (storage, left, before, disk.free(), hull.files("layers"), hull.files("images/partial"))
                assert not hull.images()
                os.unlink(disk.ballast)
            assert failed >= 3, failed
            if os.path.exists(disk.ballast):
                os.unlink(disk.ballast)
            hull.ok("--storage", storage, "pull", "-q", name)
            hull.ok("system", "check")
            hull.ok("rmi", name)
            assert not hull.layers() and not hull.files("images/partial")


if __name__ == "__main__":
    run(dict(globals()))
