# SPDX-License-Identifier: Apache-2.0
"""builds: the cases of `hull build`: their contexts, and how each builder is told to build them.

RUN has no network in them (the peers' daemon is started without a bridge). `build-cold`: ten RUN steps; `build-cached`: the same when all of it
is in the cache, `build-cached-N` with N other images in the store; `build-context`: COPY of 10,000 files of 20 KiB, none of which changed;
`build-context-cold`: the same with an empty cache, beside two passes in C that read, hash and write those files and do nothing else: `copy+hash` makes
files of them, `copy+hash-1` one file. hull hashes what it copies twice, each file and the layer, and each sha256 of the whole is nearly half of `copy+hash-1`;
`build-parallel`: two stages that sleep for 2 s and a third that copies from both.
"""

import hashlib
import io
import json
import os
import random
import shutil
import tarfile

import peers

CASES = ("build-cold", "build-cached", "build-cached-100", "build-cached-500", "build-context", "build-context-cold", "build-parallel")
FOLDERS, FILES, SIZE = 100, 100, 20480
DOCKERFILES = {
    "ten": "FROM box\n" + "".join(f"RUN echo {i} > /f{i}\n" for i in range(10)),
    "files": "FROM box\nCOPY src /src\n",
    "parallel": "FROM box AS a\nRUN sleep 2 && echo a > /a\nFROM box AS b\nRUN sleep 2 && echo b > /b\n"
                "FROM box\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n",
}


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


class Builder(peers.Engine):
    """The commands are docker's."""
    build_options = ()
    many = 0

    def context(self, case):
        return make_context(os.path.dirname(self.dir), case)

    def takes(self, case):
        return case in CASES

    def command(self, case):
        cold = ("--no-cache",) if case in ("build-cold", "build-parallel") else ()
        return self.cmd("build", "-q", *self.build_options, *cold, "--network", "none", "-t", "bench-" + context_of(case), self.context(case))

    def prepare(self, case):
        n = images_of(case)
        if n > self.many:
            self.do("load", "-q", "-i", make_images(self.dir + "/many.tar", n))
            self.many = n
        if case.startswith("build-cached") or case == "build-context":
            peers.quiet(*self.command(case), env=self.env)

    def before(self, case):
        """Nothing of the context with the files is known any more."""
        if case == "build-context-cold":
            self.do("rmi", "-f", "bench-files", check=False)
            self.forget()

    def forget(self):
        self.do("builder", "prune", "-af", check=False)


class Hull(Builder, peers.Hull):
    def forget(self):
        super().forget()
        for name in ("stat", "last"):   # what is known of contexts, and of the steps before
            shutil.rmtree(f"{self.dir}/root/build/{name}", ignore_errors=True)


class Docker(Builder, peers.Docker):
    """One dockerd for both builders."""
    buildkit = 0

    def command(self, case):
        return ["env", f"DOCKER_BUILDKIT={self.buildkit}", *super().command(case)]


class BuildKit(Docker):
    """Inside the dockerd that Docker started."""
    name, buildkit = "buildkit", 1
    docker = None

    def __init__(self, work, args):
        super().__init__(work, args)
        self.dir = os.path.join(work, "docker")
        self.base = (*self.base[:-1], f"unix://{self.dir}/docker.sock")

    def missing(self):
        return super().missing() or (None if os.path.exists(self.dir + "/docker.sock") else "docker comes first")

    def setup(self):
        with open(self.dir + "/pid") as f:
            self.pids = [int(f.read())]

    def teardown(self):
        pass


class Buildah(Builder):
    name, programs = "buildah", ("buildah", "crun")
    build_options = ("--layers", "--isolation", "oci", "--runtime", "crun", "--pull-never")

    def __init__(self, work, args):
        super().__init__(work, args)
        self.base = ("buildah", "--root", self.dir + "/root", "--runroot", self.run + "/buildah", "--storage-driver", "overlay")

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)
        self.do("pull", "-q", "oci-archive:" + self.box)
        self.do("tag", self.do("images", "-q").split()[0], "localhost/box")
        self.env["CONTAINERS_SHORT_NAME_ALIASING"] = "off"

    def takes(self, case):
        return case in CASES and not images_of(case)   # it loads no archive of many

    def command(self, case):
        if not self.takes(case):
            return None
        command = super().command(case)
        return [*command[:-1], *(("--jobs", "2") if case == "build-parallel" else ()), command[-1]]

    def forget(self):
        pass

    def teardown(self):
        self.do("rm", "-a", check=False)
        peers.quiet("sh", "-c", f"awk '$5 ~ \"^({self.dir}|{self.run})/\" {{ print $5 }}' /proc/self/mountinfo | sort -r | xargs -r umount -l", check=False)


class Unshare(Builder):
    """Ten times unshare(1) with a shell: what the kernel takes."""
    name, programs = "unshare", ("unshare",)

    def takes(self, case):
        return case == "build-cold"

    def command(self, case):
        if not self.takes(case):
            return None
        return ["sh", "-c", f"i=0; while [ $i -lt 10 ]; do unshare -fpmiun --mount-proc sh -c 'echo > {self.dir}'; i=$((i + 1)); done"]

    def prepare(self, case):
        pass


class CopyHash(Builder):
    """One pass over the files in C, copyhash.c: what a COPY of them takes that makes files of them."""
    name, programs = "copy+hash", ("cc",)

    def setup(self):
        os.makedirs(self.dir, exist_ok=True)
        self.program = self.dir + "/copyhash"
        peers.quiet("cc", "-O2", "-o", self.program, os.path.join(os.path.dirname(os.path.abspath(__file__)), "copyhash.c"), "-lcrypto")

    def takes(self, case):
        return case == "build-context-cold"

    def target(self):
        return self.dir + "/copy"

    def command(self, case):
        return [self.program, self.context(case), self.target()] if self.takes(case) else None

    def prepare(self, case):
        pass

    def before(self, case):
        shutil.rmtree(self.target(), ignore_errors=True)
        os.mkdir(self.target())


class CopyHashOne(CopyHash):
    """And one that writes them all into one file."""
    name = "copy+hash-1"

    def before(self, case):
        if os.path.exists(self.target()):
            os.unlink(self.target())


ALL = (Hull, Docker, BuildKit, Buildah, Unshare, CopyHash, CopyHashOne)
