#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_large: images of very many layers, a layer of very many files, one of a single huge sparse file: they come, run and go, in little memory."""

import gzip
import io
import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from registry import *  # noqa: E402,F403
from store import BOX, Hull, write_oci  # noqa: E402


def box_layer():
    """box's own, so that what is made of it runs."""
    with tarfile.open(BOX) as tar:
        blob = max((tar.extractfile(m).read() for m in tar if m.size > 100000), key=len)
    return gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob


def many(n):
    """Each layer has a file of its own, changes one that all have, and the last removes the first one's."""
    layers = [make_layer({f"d/{i}": b"%d" % i, "last": b"%d" % i}) for i in range(n - 2)]
    return Image([box_layer(), *layers, make_layer({"d/.wh.0": b""})], config={"Cmd": ["sh", "-c", "cat /last; ls /d | wc -l"]})


def runs(hull, name, n):
    out = hull.ok("run", "--rm", name)
    assert out.split() == [f"{n - 3}{n - 3}"] or out == f"{n - 3}{n - 3}\n", out


def test_127_layers_from_a_registry():
    with Fake() as fake, Hull() as hull:
        fake.add(many(127))
        hull.ok("pull", "-q", f"{fake.host}/x")
        assert len(hull.layers()) == 127
        runs(hull, f"{fake.host}/x", 127)
        hull.ok("rmi", f"{fake.host}/x")
        assert hull.layers() == []


def test_400_layers_from_a_directory():
    with Hull() as hull:
        write_oci(os.path.join(hull.path, "oci"), many(400))
        hull.ok("load", "-q", "-i", os.path.join(hull.path, "oci"))
        image = hull.images().strip()
        runs(hull, image, 400)
        hull.ok("save", "-o", os.path.join(hull.path, "out.tar"), image)
        hull.ok("rmi", image)
        hull.ok("load", "-q", "-i", os.path.join(hull.path, "out.tar"))
        assert len(hull.layers()) == 400


def sparse_tar(path, size):
    """One file of `size` bytes that has three blocks of data, as GNU tar --sparse writes it."""
    real = os.path.join(os.path.dirname(path), "real")
    with open(real, "wb") as f:
        for at in (0, size // 2, size - 4096):
            f.seek(at)
            f.write(b"data" * 1024)
    subprocess.run(["tar", "--format=pax", "--sparse", "-C", os.path.dirname(real), "-cf", path, "real"], check=True)
    os.unlink(real)


def test_a_sparse_file_of_8_gigabytes():
    with Hull() as hull:
        path, size = os.path.join(hull.path, "sparse.tar"), 8 << 30
        sparse_tar(path, size)
        assert os.path.getsize(path) < 1 << 20
        hull.ok("import", path, "sparse:1")
        hull.ok("create", "--name", "made", "sparse:1", "x")
        # It takes what it has, not what it says.
        out = hull.ok("system", "df", "--format", "{{.Type}} {{.Bytes}}")
        assert int(next(line for line in out.splitlines() if line.startswith("Images")).split()[1]) < 16 << 20, out
        hull.ok("rm", "made")
        hull.ok("rmi", "sparse:1")


def peak(argv, env):
    """MiB of the largest of its processes."""
    p = subprocess.Popen([sys.executable, "-c", "import os, resource, subprocess, sys\n"
                          "status = subprocess.run(sys.argv[1:]).returncode\n"
                          "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)\nsys.exit(status)", *argv],
                         env=env, stdout=subprocess.PIPE, text=True)
    out, _ = p.communicate(timeout=400)
    assert p.returncode == 0, out
    return int(out.split()[-1])


def test_very_many_files_take_little_memory():
    """As one file of EROFS; and once as files, of fewer, which cost the disk much more."""
    for storage, n in (("erofs", 200000), ("files", 10000)):
        with Hull() as hull:
            hull.env["HULL_STORAGE"] = storage
            if hull.run("info").returncode:
                continue  # this machine keeps files
            path = os.path.join(hull.path, "many.tar")
            with open(path, "wb") as f:
                for i in range(n):
                    if i % 1000 == 0:
                        info = tarfile.TarInfo(f"d{i // 1000}")
                        info.type = tarfile.DIRTYPE
                        f.write(info.tobuf(tarfile.USTAR_FORMAT))
                        head = tarfile.TarInfo(f"d{i // 1000}/XXXXXXXXXX").tobuf(tarfile.USTAR_FORMAT)
                    name = b"d%d/f%09d" % (i // 1000, i)
                    raw = bytearray(head)
                    raw[:100] = name.ljust(100, b"\0")
                    raw[148:156] = b" " * 8
                    raw[148:156] = b"%06o\0 " % sum(raw)
                    f.write(raw)
                f.write(bytes(1024))
            used = peak([HULL, "import", path, "many:1"], hull.env)
            assert used <= 40, f"{storage}: {used} MiB for {n} files"
            print(f"# {storage}: {n} files in {used} MiB", flush=True)
            hull.ok("create", "--name", "made", "many:1", "x")
            hull.ok("rm", "made")
            hull.ok("rmi", "many:1")


HULL = os.environ.get("HULL", "build/src/cli/hull")

if __name__ == "__main__":
    run(dict(globals()))
