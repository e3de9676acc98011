# SPDX-License-Identifier: Apache-2.0
"""make_image: an image of five layers, some 700 MB, of the files of the Debian packages that are installed here, as an archive that docker,
podman and hull load: the same as long as the packages are the same."""

import hashlib
import io
import json
import os
import subprocess
import tarfile

NAME = "example.org/bench:1"
LAYERS, LAYER_BYTES = 5, 132 << 20


def files():
    """Of all packages in the order of their names; each once."""
    packages = subprocess.run(["dpkg-query", "-W", "-f", "${Package}:${Architecture}\\n"], check=True, capture_output=True, text=True).stdout.split()
    seen = set()
    for package in sorted(packages):
        name = package if not package.endswith(":all") else package[:-4]
        listed = subprocess.run(["dpkg-query", "-L", name], capture_output=True, text=True)
        for path in listed.stdout.splitlines():
            path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if path.startswith("/usr/") and path not in seen and (os.path.islink(path) or os.path.isfile(path)):
                seen.add(path)
                yield path


def plain(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


class Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, f):
        self.f, self.hash = f, hashlib.sha256()

    def write(self, data):
        self.hash.update(data)
        return self.f.write(data)


def make(target):
    """Writes the archive to the path `target`."""
    folder = target + ".layers"
    os.makedirs(folder)
    layers, left = [], files()
    for n in range(LAYERS):
        path, size = os.path.join(folder, f"{n}.tar"), 0
        with open(path, "wb") as f:
            out = Hashed(f)
            with tarfile.open(fileobj=out, mode="w|") as tar:
                for name in left:
                    tar.add(name, arcname=name[1:], recursive=False, filter=plain)
                    size += os.lstat(name).st_size
                    if size >= LAYER_BYTES:
                        break
        layers.append((path, out.hash.hexdigest()))
    config = json.dumps({"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine), "os": "linux",
                         "created": "2024-01-01T00:00:00Z", "config": {"Cmd": ["true"]},
                         "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for _, d in layers]}}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [NAME], "Layers": [f"{d}.tar" for _, d in layers]}]).encode()
    with tarfile.open(target, "w") as tar:
        for path, digest in layers:
            tar.add(path, arcname=f"{digest}.tar", filter=plain)
            os.unlink(path)
        for name, data in ((config_name, config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    os.rmdir(folder)
    return target
