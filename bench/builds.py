# SPDX-License-Identifier: Apache-2.0
"""builds: the cases of `hull build`: their contexts, and how each builder is told to build them.

RUN has no network in them (the peers' daemon is started without a bridge). `build-cold`: ten RUN steps; `build-cached`: the same when all of it
is in the cache, `build-cached-N` with N other images in the store; `build-context`: COPY of 10,000 files of 20 KiB, none of which changed;
`build-context-cold`: the same with an empty cache, beside `copy+hash`, a pass that reads, hashes and writes those files and does nothing else;
`build-parallel`: two stages that sleep for 2 s and a third that copies from both.
"""

import hashlib
import io
import json
import os
import random
import tarfile

CASES = ("build-cold", "build-cached", "build-cached-100", "build-cached-500", "build-context", "build-context-cold", "build-parallel")
FOLDERS, FILES, SIZE = 100, 100, 20480
DOCKERFILES = {
    "ten": "FROM box\n" + "".join(f"RUN echo {i} > /f{i}\n" for i in range(10)),
    "files": "FROM box\nCOPY src /src\n",
    "parallel": "FROM box AS a\nRUN sleep 2 && echo a > /a\nFROM box AS b\nRUN sleep 2 && echo b > /b\n"
                "FROM box\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n",
}


def is_case(case):
    return case.startswith("build-")


def context_of(case):
    return "files" if "context" in case else "parallel" if case == "build-parallel" else "ten"


def images_of(case):
    last = case.rsplit("-", 1)[1]
    return int(last) if last.isdigit() else 0


def make_context(work, case):
    """Makes it when it is missing; its path."""
    name = context_of(case)
    folder = os.path.join(work, "context", name)
    if os.path.exists(folder):
        return folder
    os.makedirs(folder)
    with open(os.path.join(folder, "Dockerfile"), "w") as f:
        f.write(DOCKERFILES[name])
    if name == "files":
        dice = random.Random(1)
        for d in range(FOLDERS):
            os.makedirs(f"{folder}/src/{d}")
            for i in range(FILES):
                with open(f"{folder}/src/{d}/{i}", "wb") as f:
                    f.write(dice.randbytes(SIZE))
    return folder


def make_images(target, n):
    """An archive for `load`: n images that share their one layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as t:
        info = tarfile.TarInfo("file")
        info.size = 1
        t.addfile(info, io.BytesIO(b"x"))
    diff = hashlib.sha256(layer.getvalue()).hexdigest()
    blobs, rows = {"layer.tar": layer.getvalue()}, []
    for i in range(n):
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"n": str(i)}},
                             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + diff]}}).encode()
        name = hashlib.sha256(config).hexdigest() + ".json"
        blobs[name] = config
        rows.append({"Config": name, "RepoTags": [f"many{i}:1"], "Layers": ["layer.tar"]})
    blobs["manifest.json"] = json.dumps(rows).encode()
    with tarfile.open(target, "w") as t:
        for name, data in blobs.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return target


def copy_and_hash(source, target):
    """What `copy+hash` runs."""
    whole, room = hashlib.sha256(), memoryview(bytearray(1 << 16))
    for folder, folders, files in os.walk(source):
        there = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(there, exist_ok=True)
        for name in files:
            with open(os.path.join(folder, name), "rb", buffering=0) as f, open(os.path.join(there, name), "wb", buffering=0) as out:
                while n := f.readinto(room):
                    whole.update(room[:n])
                    out.write(room[:n])
    return whole.hexdigest()
