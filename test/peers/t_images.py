#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_images: one image in hull, docker, podman, skopeo and umoci.

The files that each of them makes of its layers are compared entry by entry: type, mode, owner, time, size and content, device numbers,
xattrs, and which names are one file. What one pushes the others pull, and the digests of manifest and config are the same everywhere.
What differs on purpose is listed with the reason; a list that is wrong, because the difference is gone, fails too.
"""

import atexit
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import types

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(TOP, "bench"), os.path.join(TOP, "test/lib")]
import peers  # noqa: E402
import registry  # noqa: E402
from registry import Image, digest_of, need  # noqa: E402
from store import BOX, write_oci  # noqa: E402

HULL = os.environ.get("HULL", os.path.join(TOP, "build/src/cli/hull"))

# {path: {what: (what hull has, what the others have)}}: programs in Go read an xattr that is there and empty as one that is not.
DIFFERENT = {"t/noted": {"xattrs": ({"user.note": b"what it is", "user.empty": b"", "user.binary": b"a\x00b"},
                                    {"user.note": b"what it is", "user.binary": b"a\x00b"})}}


class Layer:
    """A tar with everything that a layer may say."""

    def __init__(self):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, data=b"", mode=0o644, owner=(0, 0), time="1700000000", link="", device=(0, 0), xattrs=None):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
        info.uid, info.gid = owner
        info.devmajor, info.devminor = device
        info.pax_headers = {"mtime": time, **{f"SCHILY.xattr.{k}": v for k, v in (xattrs or {}).items()}}
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def dir(self, name, mode=0o755, **more):
        return self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()


def box_layer():
    with tarfile.open(BOX) as tar:
        blob = max((tar.extractfile(m).read() for m in tar if m.size > 100000), key=len)
    return registry.gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob


CAPABILITY = "\x01\x00\x00\x02\x00\x04\x00\x00" + 12 * "\x00"  # cap_net_bind_service=ep


def lower():
    t = Layer().dir("t", time="1600000001")
    for i, mode in enumerate((0o644, 0o755, 0o4755, 0o2755, 0o6711, 0o1644, 0o000, 0o777)):
        t.add(f"t/mode{i}", mode=mode, data=b"%o" % mode)
        t.add(f"t/owned{i}", mode=mode, data=b"%o" % mode, owner=(1000, 1001))
        t.dir(f"t/dir{i}", mode=mode | 0o100, owner=(i, i + 1), time=f"16000000{i:02}.5")
        t.add(f"t/dir{i}/inside", data=b"x", owner=(0, 0) if i % 2 else (7, 8))
    for i, time in enumerate(("0", "1", "1234567890.123456789", "1234567890.999999999", "4000000000", "100000000.1")):
        t.add(f"t/time{i}", time=time)
        t.add(f"t/link-time{i}", tarfile.SYMTYPE, link="time", time=time)
        t.dir(f"t/dir-time{i}", time=time)
    t.add("t/large-ids", owner=(70000, 4000000))
    t.add("t/empty").add("t/big", data=registry.noise(3 << 20, 5)).add("t/tail", data=b"x" * 4097)
    t.add("t/noted", data=b"x", xattrs={"user.note": "what it is", "user.empty": "", "user.binary": "a\x00b"})
    t.dir("t/noted-dir", xattrs={"user.note": "a directory"})
    t.add("t/capable", data=b"x", mode=0o755, xattrs={"security.capability": CAPABILITY})
    t.add("t/capable-owned", data=b"x", mode=0o755, owner=(5, 6), xattrs={"security.capability": CAPABILITY})
    t.add("t/one", data=b"one file", mode=0o640, owner=(3, 4)).add("t/two", tarfile.LNKTYPE, link="t/one", mode=0o640, owner=(3, 4))
    t.add("t/dir1/three", tarfile.LNKTYPE, link="t/one", mode=0o640, owner=(3, 4)).add("t/pointer", tarfile.SYMTYPE, link="one", owner=(9, 10))
    t.add("t/pointer-again", tarfile.LNKTYPE, link="t/pointer", owner=(9, 10))
    for i, link in enumerate(("/etc/passwd", "../t/one", "nowhere", "x" * 200, "/", ".", "a//b/../c")):
        t.add(f"t/symlink{i}", tarfile.SYMTYPE, link=link, owner=(i, i))
    t.add("t/fifo", tarfile.FIFOTYPE, mode=0o600, owner=(1, 2)).add("t/null", tarfile.CHRTYPE, mode=0o666, device=(1, 3))
    t.add("t/disk", tarfile.BLKTYPE, mode=0o660, device=(7, 300), owner=(0, 6))
    t.add("t/" + "n" * 255, data=b"long").add("t/\u00e4\u00f6 \u2013 \U0001f6a2", data=b"unicode").add("t/new\nline", data=b"x").add("t/back\\slash", data=b"x")
    t.dir("t/deep")
    name = "t/deep"
    for i in range(30):
        name += f"/{'d' * 20}{i}"
        t.dir(name, time=f"15000000{i:02}")
    t.add(name + "/end", data=b"deep")
    # What the next layer changes.
    for name in ("gone-dir", "opaque", "opaque/sub", "dir-to-file", "dir-to-link", "kept-dir"):
        t.dir("t/" + name, mode=0o750, owner=(11, 12))
    for name in ("gone", "gone-dir/file", "opaque/below", "opaque/sub/below", "file-to-dir", "dir-to-file/x", "dir-to-link/x", "kept-dir/file", "changed"):
        t.add("t/" + name, data=b"lower", owner=(13, 14))
    t.add("t/link-to-file", tarfile.SYMTYPE, link="one").add("t/again", data=b"lower")
    return t.bytes()


def upper():
    t = Layer().dir("t", mode=0o711, time="1600000002.25", owner=(0, 5))
    t.add("t/.wh.gone").add("t/.wh.gone-dir").dir("t/opaque", owner=(1, 1)).add("t/opaque/.wh..wh..opq").add("t/opaque/above", data=b"upper")
    t.dir("t/file-to-dir").add("t/file-to-dir/x", data=b"x").add("t/dir-to-file", data=b"file").add("t/dir-to-link", tarfile.SYMTYPE, link="kept-dir")
    t.add("t/link-to-file", data=b"upper").dir("t/kept-dir", mode=0o700, owner=(15, 16), time="1650000000.000000001")
    t.add("t/changed", data=b"upper", mode=0o4711, owner=(17, 18)).add("t/again", data=b"upper").add("t/again-too", tarfile.LNKTYPE, link="t/again")
    return t.bytes()


def image():
    return Image([box_layer(), lower(), upper()], config={"Cmd": ["sleep", "1000"]})


def files_of(root):
    """{path: {what: value}} of root/t."""
    found, first = {}, {}
    stack = ["t"]
    while stack:
        path = stack.pop()
        full = os.path.join(root, path)
        s = os.lstat(full)
        kind = stat.S_IFMT(s.st_mode)
        entry = {"mode": oct(s.st_mode), "owner": (s.st_uid, s.st_gid), "time": s.st_mtime_ns,
                 "xattrs": {k: os.getxattr(full, k, follow_symlinks=False) for k in os.listxattr(full, follow_symlinks=False)
                            if not k.startswith(("trusted.overlay.", "user.overlay."))}}
        if kind == stat.S_IFDIR:
            stack += [f"{path}/{name}" for name in os.listdir(full)]
        elif kind == stat.S_IFLNK:
            entry["link"] = os.readlink(full)
        elif kind == stat.S_IFREG:
            with open(full, "rb") as f:
                entry["content"] = digest_of(f.read())
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            entry["device"] = (os.major(s.st_rdev), os.minor(s.st_rdev))
        if kind != stat.S_IFDIR:
            entry["links"] = s.st_nlink
            first.setdefault((s.st_dev, s.st_ino), []).append(path)
        found[path] = entry
    for paths in first.values():
        for path in paths:
            found[path]["one file"] = sorted(paths)
    return found


def engines():
    """Those that are here, and a registry, for all the tests of this run."""
    if not hasattr(engines, "all"):
        need("docker-registry", "skopeo")
        work = tempfile.mkdtemp(prefix="peers.")
        args = types.SimpleNamespace(hull=HULL, own_network=False, image=None, registry=None, archive=None, source=None)
        # Before the engines' own cleaning, which it must follow.
        atexit.register(shutil.rmtree, work, ignore_errors=True)
        real = registry.Real().__enter__()
        atexit.register(real.__exit__)
        up = {}
        for make in (peers.Hull, peers.HullFiles, peers.Docker, peers.Podman):
            e = make(work, args)
            why = e.missing()
            if not why:
                atexit.register(e.teardown)
                try:
                    e.setup()
                except SystemExit as stop:
                    why = f"does not start here: {str(stop).splitlines()[-1]}"
            if why:
                print(f"# {e.name}: {why}", flush=True)
            else:
                up[e.name] = e
        engines.all, engines.real, engines.work = up, real, work
        made = image()
        write_oci(os.path.join(work, "oci"), made)
        real.push(f"oci:{work}/oci:0", "made:1")
        engines.image = made
    return engines.all, engines.real


def others(up):
    found = {name: e for name, e in up.items() if not name.startswith("hull")}
    if not found:
        raise registry.Skip("neither docker nor podman is here")
    return found


def pull(e, name):
    e.do("pull", "-q", *e.pull_options, name)
    return json.loads(e.do("image", "inspect", name))[0]


def digest_in(real, name):
    """Of the manifest, as the registry has it."""
    p = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{real.host}/{name}"], check=True, capture_output=True)
    return digest_of(p.stdout)


def of_hull(e, name):
    pid = e.do("run", "-d", "--network", "none", name).split()[-1]
    try:
        return files_of(f"/proc/{json.loads(e.do('inspect', pid))[0]['State']['Pid']}/root")
    finally:
        e.do("rm", "-f", pid)


def of_docker(e, name):
    data = json.loads(e.do("image", "inspect", name))[0]["GraphDriver"]["Data"]
    at = os.path.join(engines.work, "docker-tree")
    os.makedirs(at, exist_ok=True)
    subprocess.run(["mount", "-t", "overlay", "-o", f"ro,lowerdir={data['UpperDir']}:{data['LowerDir']}", "overlay", at], check=True)
    try:
        return files_of(at)
    finally:
        subprocess.run(["umount", at], check=True)


def of_podman(e, name):
    at = e.do("image", "mount", name).split()[-1]
    try:
        return files_of(at)
    finally:
        e.do("image", "umount", name)


def of_umoci():
    bundle = os.path.join(engines.work, "bundle")
    subprocess.run(["umoci", "unpack", "--image", f"{engines.work}/oci:0", bundle], check=True, capture_output=True)
    return files_of(bundle + "/rootfs")


def compare(hull, other, name, different=DIFFERENT):
    wrong, seen = [], set()
    for path in sorted(hull.keys() | other.keys()):
        a, b = hull.get(path), other.get(path)
        if a is None or b is None:
            wrong.append(f"{path}: only {'hull' if b is None else name} has it")
            continue
        for what in sorted(a.keys() | b.keys()):
            if a.get(what) == b.get(what):
                continue
            if (a.get(what), b.get(what)) == different.get(path, {}).get(what):
                seen.add((path, what))
            else:
                wrong.append(f"{path}: {what}: hull {a.get(what)}, {name} {b.get(what)}")
    wrong += [f"{path}: {what}: not different any more" for path, rows in different.items() for what in rows if (path, what) not in seen]
    assert not wrong, f"{name}:\n" + "\n".join(wrong)


def test_the_files_are_the_same_everywhere():
    up, real = engines()
    name = f"{real.host}/made:1"
    for e in up.values():
        pull(e, name)
    hull = of_hull(up["hull"], name)
    assert len(hull) > 110 and "t/gone" not in hull and "t/opaque/below" not in hull, sorted(hull)
    compare(hull, of_hull(up["hull-files"], name), "hull-files", {})
    trees = {"docker": of_docker, "podman": of_podman}
    for e in others(up).values():
        compare(hull, trees[e.name](e, name), e.name)
    if shutil.which("umoci"):
        compare(hull, of_umoci(), "umoci")


def test_what_hull_pushes_is_what_the_others_pull():
    up, real = engines()
    hull = up["hull"]
    hull.do("load", "-q", "-i", f"{engines.work}/oci")
    made = digest_of(engines.image.config)
    for options in ([], ["--force-compression"], ["--force-compression", "--compression-format", "zstd"]):
        # docker 20.10 has no zstd.
        target = f"{real.host}/by-hull:{len(options)}"
        hull.do("tag", made, target)
        out = hull.do("push", *options, target)
        digest = digest_in(real, f"by-hull:{len(options)}")
        assert digest in out, out
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{target}", f"dir:{engines.work}/copy{len(options)}"], check=True)
        for e in others(up).values():
            if "zstd" in options and e.name == "docker":
                continue
            there = pull(e, target)
            assert there["Id"].removeprefix("sha256:") == made[7:], (e.name, there["Id"], made)
            assert any(d.endswith("@" + digest) for d in there["RepoDigests"]), (e.name, there["RepoDigests"], digest)


def test_what_the_others_push_is_what_hull_pulls():
    up, real = engines()
    name = f"{real.host}/made:1"
    for e in others(up).values():
        pull(e, name)
        target = f"{real.host}/by-{e.name}:1"
        e.do("tag", name, target)
        e.do("push", *e.pull_options, target)
        digest = digest_in(real, f"by-{e.name}:1")
        for hull in (up["hull"], up["hull-files"]):
            there = pull(hull, target)
            assert there["Id"] == digest_of(engines.image.config), (e.name, there["Id"])
            assert any(d.endswith("@" + digest) for d in there["RepoDigests"]), (e.name, there["RepoDigests"], digest)
            # And on to another repository, as it came.
            again = f"{real.host}/by-{e.name}-and-{hull.name}:1"
            hull.do("tag", target, again)
            hull.do("push", again)
            assert digest_in(real, again.partition("/")[2]) == digest


def reach(hull, e):
    """The name of the transport that leads to this docker or podman, with hull told where that one is."""
    if e.name == "docker":
        hull.env["DOCKER_HOST"] = e.base[2]
        return "docker-daemon:"
    folder = os.path.join(engines.work, "by-path")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "podman"), "w") as f:
        f.write("#!/bin/sh\nexec " + " ".join([shutil.which("podman"), *e.base[1:]]) + ' "$@"\n')
    os.chmod(os.path.join(folder, "podman"), 0o755)
    if not hull.env["PATH"].startswith(folder):
        hull.env["PATH"] = folder + ":" + hull.env["PATH"]
    return "containers-storage:"


def test_what_is_handed_over_on_this_machine():
    up, real = engines()
    made, trees = digest_of(engines.image.config), {"docker": of_docker, "podman": of_podman}
    for hull in (up["hull"], up["hull-files"]):
        hull.do("load", "-q", "-i", f"{engines.work}/oci")
    layers = json.loads(up["hull"].do("image", "inspect", made))[0]["RootFS"]["Layers"]
    for e in others(up).values():
        for hull in (up["hull"], up["hull-files"]):
            transport = reach(hull, e)
            name = f"example.org/handed-by-{hull.name}:1"
            hull.do("push", made, transport + name)
            there = json.loads(e.do("image", "inspect", name))[0]
            # Of files a layer's tar is made anew, which need not be the same bytes.
            if hull.name == "hull":
                assert there["Id"].removeprefix("sha256:") == made[7:] and there["RootFS"]["Layers"] == layers, (e.name, there)
            assert there["Config"]["Cmd"] == ["sleep", "1000"], (e.name, there)
            compare(of_hull(hull, made), trees[e.name](e, name), e.name)
        # What is its own comes here, with nothing of it here before.
        back = f"example.org/from-{e.name}:2"
        e.do("tag", "box", back)
        for hull in (up["hull"], up["hull-files"]):
            hull.do("pull", "-q", reach(hull, e) + back)
            here, there = (json.loads(x.do("image", "inspect", back))[0] for x in (hull, e))
            assert here["RootFS"]["Layers"] == there["RootFS"]["Layers"] and here["Config"]["Cmd"] == there["Config"]["Cmd"], (e.name, here, there)
            hull.do("run", "--rm", "--network", "none", back, "true")


if __name__ == "__main__":
    registry.run(globals())
