#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_check: `system check --repair` of images that came from a registry: what is damaged stays until the other is here."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import Hull  # noqa: E402

LAYER = make_layer({"big": noise(1 << 20, 3)})


def damage(path):
    with open(path, "r+b") as f:
        f.seek(300000)
        f.write(b"\xff" * 64)


def test_a_layer_is_replaced_when_the_other_is_here():
    with Fake() as fake, Hull() as hull:
        fake.add(Image([LAYER]), "x")
        hull.ok("--storage", "erofs", "pull", "-q", f"{fake.host}/x")
        layer = os.path.join(hull.root, "layers", hull.layers()[0])
        if os.path.isdir(layer):
            raise Skip("no EROFS here")
        damage(layer)
        with open(layer, "rb") as f:
            damaged = f.read()
        fake.hook = lambda h: h.reply(403)
        p = hull.run("system", "check", "--repair")
        assert p.returncode == 1 and "its tar is damaged" in p.out and ": mended" not in p.out, p.out
        with open(layer, "rb") as f:
            assert f.read() == damaged
        fake.hook = None
        assert ": mended" in hull.ok("system", "check", "--repair")
        hull.ok("system", "check")
        with open(layer, "rb") as f:
            assert f.read() != damaged
        hull.clean()


def test_damage_of_a_layer_of_files_is_found():
    def grow(path):
        with open(path, "ab") as f:
            f.write(b"x")

    def turn(path):
        st = os.stat(path)
        with open(path, "r+b") as f:
            f.seek(70000)
            f.write(b"\0" * 10)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))

    def turn_bit(at):
        def turn_it(path):
            st = os.stat(path)
            with open(path, "r+b") as f:
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 0x80]))
            os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
        return turn_it

    def change_places(a, b, n):
        def change_them(path):
            st = os.stat(path)
            with open(path, "r+b") as f:
                data = bytearray(f.read())
                data[a:a + n], data[b:b + n] = data[b:b + n], data[a:a + n]
                f.seek(0)
                f.write(data)
            os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
        return change_them

    def swap(path):
        os.unlink(path)
        os.symlink("hello", path)

    with Fake() as fake, Hull() as hull:
        hull.env["HULL_STORAGE"] = "files"
        fake.add(Image([make_layer({"big": noise(100001), "hole": bytes(1 << 20), "sub/hello": b"hello"})]), "x")
        name = f"{fake.host}/x"
        hull.ok("pull", "-q", name)
        layer = os.path.join(hull.root, "layers", hull.layers()[0])
        for damage_to in (os.unlink, grow, turn, turn_bit(7), turn_bit(100000), change_places(0, 32, 8), change_places(8192, 32768, 4096), swap,
                          lambda path: os.truncate(path, 0), lambda path: os.chmod(path, 0o777), lambda path: os.chown(path, 5, 5), lambda path: os.utime(path, (1, 1)),
                          lambda path: os.setxattr(path, "user.a", b"b"),
                          lambda path: os.rename(path, path + "2"), lambda path: os.link(path, path + "2")):
            hull.ok("system", "check")
            damage_to(os.path.join(layer, "tree/big"))
            p = hull.run("system", "check")
            assert p.returncode == 1 and f"its files are not what they were ({name}:latest)" in p.out, (p.out, p.err)
            assert "not what they were" in hull.run("save", "-o", os.path.join(hull.path, "x.tar"), name).err
            assert ": mended" in hull.ok("system", "check", "--repair")
        # Where the holes are is nobody's business.
        with open(os.path.join(layer, "tree/hole"), "r+b") as f:
            st = os.fstat(f.fileno())
            f.truncate(0)
            f.truncate(1 << 20)
        os.utime(os.path.join(layer, "tree/hole"), ns=(st.st_atime_ns, st.st_mtime_ns))
        hull.ok("system", "check")
        # One from before there were sums.
        os.unlink(os.path.join(layer, "sum"))
        turn(os.path.join(layer, "tree/big"))
        hull.ok("system", "check")
        hull.clean()


def test_what_is_neither_a_file_nor_a_directory_is_no_layer():
    with Fake() as fake, Hull() as hull:
        fake.add(Image([LAYER]), "x")
        hull.ok("pull", "-q", f"{fake.host}/x")
        layer = os.path.join(hull.root, "layers", hull.layers()[0])
        for make in (os.mkfifo, lambda path: os.symlink("/etc/passwd", path)):
            os.rename(layer, os.path.join(hull.path, "old")) if os.path.isfile(layer) else shutil.rmtree(layer)
            make(layer)
            p = hull.run("system", "check")
            assert p.returncode == 1 and "it is neither a file nor a directory" in p.out, (p.out, p.err)
            assert hull.run("save", "-o", os.path.join(hull.path, "x.tar"), f"{fake.host}/x").returncode == 1
            assert ": mended" in hull.ok("system", "check", "--repair")
            hull.ok("system", "check")


def test_a_pipe_in_the_place_of_a_record_is_not_waited_for():
    with Fake() as fake, Hull() as hull:
        fake.add(Image([LAYER]), "x")
        hull.ok("pull", "-q", f"{fake.host}/x")
        images = os.path.join(hull.root, "images")
        record = os.path.join(images, next(name for name in os.listdir(images) if name.endswith(".json")))
        os.rename(record, os.path.join(hull.path, "record"))
        os.mkfifo(record)
        p = hull.run("images")
        assert p.returncode == 0 and "1 image records cannot be read" in p.err, (p.out, p.err)
        p = hull.run("system", "check")
        assert p.returncode == 1 and "JSON" in p.out, (p.out, p.err)


def test_a_record_and_its_configuration_come_again():
    with Fake() as fake, Hull() as hull:
        image = Image([LAYER])
        fake.add(image, "x")
        name = f"{fake.host}/x"
        hull.ok("pull", "-q", name)
        hull.ok("tag", name, "mine:1")
        before = hull.inspect(name)
        record = os.path.join(hull.root, "images", image.id[7:] + ".json")
        # of the configuration, without the registry
        fake.hook = lambda h: h.reply(403)
        with open(record, "w") as f:
            f.write("{")
        assert ": mended" in hull.ok("system", "check", "--repair")
        after = hull.inspect(name)
        for x in (before, after):
            x.pop("Metadata", None)
        assert before == after, (before, after)
        os.unlink(record)
        p = hull.run("system", "check")
        assert p.returncode == 1 and p.out == f"image {image.id}: its record is missing\n", (p.out, p.err)
        assert ": mended" in hull.ok("system", "check", "--repair")
        assert hull.inspect(name)["RepoTags"] == before["RepoTags"] and hull.inspect(name)["RepoDigests"] == before["RepoDigests"]
        # without that, of the registry
        for path in (record, os.path.join(hull.root, "blobs/sha256", image.id[7:])):
            with open(path, "w") as f:
                f.write("{")
        p = hull.run("system", "check", "--repair")
        assert p.returncode == 1 and "is denied" in p.out, (p.out, p.err)
        assert os.path.exists(record)
        fake.hook = None
        assert ": mended" in hull.ok("system", "check", "--repair")
        assert hull.inspect("mine:1")["Id"] == image.id
        assert hull.inspect(name)["Id"] == image.id
        hull.ok("system", "check")
        # or its names go
        fake.hook = lambda h: h.reply(403)
        for path in (record, os.path.join(hull.root, "blobs/sha256", image.id[7:])):
            os.unlink(path)
        assert "its record is missing" in hull.run("system", "check", "--repair").out
        assert len(hull.files("images/names")) > 0
        hull.ok("system", "check", "--repair", "--remove")
        assert hull.files("images/names") == []
        hull.ok("system", "check")


if __name__ == "__main__":
    run(globals())
