#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_oci: hull-runtime's verbs, broken at every system call; whatever happened, `delete --force` leaves nothing."""

import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep  # noqa: E402
from sweep import Failure, Place, Verb, alone, registry, tests  # noqa: E402

RUNTIME = os.path.join(os.path.dirname(sweep.HULL), "hull-runtime")


def spec(root, parent, args):
    return {
        "ociVersion": "1.0.2", "root": {"path": root}, "hostname": "h",
        "process": {"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
                   {"destination": "/data", "type": "bind", "source": root, "options": ["rbind", "ro"]}],
        "linux": {"cgroupsPath": parent + "/c1", "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
                  "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}},
                  "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]},
                  "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts", "network")]}}


class Bundles(Place):
    """hull-runtime with a root of its own, and three bundles."""

    def __init__(self):
        super().__init__()
        self.state = os.path.join(self.path, "run", "state")
        self.env.update(RUNTIME=RUNTIME, STATE=self.state, BUNDLES=self.path)
        self.fill()

    def fill(self):
        root = os.path.join(self.path, "rootfs")
        os.makedirs(root + "/bin", exist_ok=True)
        if not os.path.exists(root + "/bin/busybox"):
            shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
            for name in ("echo", "sleep", "true"):
                os.symlink("busybox", f"{root}/bin/{name}")
        for name, args in (("hi", ["echo", "hi"]), ("sleep", ["sleep", "1000"])):
            os.makedirs(os.path.join(self.path, name), exist_ok=True)
            with open(os.path.join(self.path, name, "config.json"), "w") as f:
                json.dump(spec(root, self.parent, args), f)
        # For what the verbs make without being told to.
        os.makedirs(self.root, exist_ok=True)

    def wipe(self):
        super().wipe()
        self.fill()

    def runtime(self, *args):
        return [RUNTIME, "--root", self.state, *args]

    def ok(self, *args):
        p = self.call(*args)
        if p.returncode != 0:
            raise Failure(f"hull-runtime {' '.join(args)}: status {p.returncode}: {p.stderr.strip()}")
        return p.stdout

    def call(self, *args):
        with open(os.path.join(self.path, "err"), "w+") as err, open(os.path.join(self.path, "out"), "w+") as out:
            p = sweep.subprocess.run(self.runtime(*args), env=self.env, stdin=sweep.subprocess.DEVNULL, stdout=out, stderr=err, timeout=60)
            out.seek(0)
            err.seek(0)
            p.stdout, p.stderr = out.read(), err.read()
            return p

    def files_left(self):
        if os.path.isdir(self.state):
            yield from (f"state {n}" for n in os.listdir(self.state) if n != ".cache")


class OciVerb(Verb):
    program = "hull-runtime"

    def command(self, place):
        argv = self.argv(place) if callable(self.argv) else self.argv
        return ["/bin/sh", "-c", argv] if isinstance(argv, str) else place.runtime(*argv)

    def recover(self, place):
        place.ok("delete", "--force", "c1")
        if place.ok("list", "-q"):
            raise Failure("it is still listed")
        out = place.ok("run", "--bundle", os.path.join(place.path, "hi"), "c1")
        if out != "hi\n":
            raise Failure(f"the next run printed {out!r}")
        place.check_empty()

    def sweep(self, way, make_place=Bundles):
        super().sweep(way, make_place)


def bundle(place, name):
    return ["--bundle", os.path.join(place.path, name)]


def status(place, want):
    got = json.loads(place.ok("state", "c1"))["status"]
    if got != want:
        raise Failure(f"it is {got}")


def created(place):
    place.ok("create", *bundle(place, "sleep"), "c1")


def running(place):
    place.ok("run", "-d", *bundle(place, "sleep"), "c1")


def said_hi(place, o):
    if o.out != "hi\n":
        raise Failure(f"printed {o.out!r}")


VERBS = [
    OciVerb("create", lambda p: ["create", *bundle(p, "sleep"), "c1"], done=lambda p, o: status(p, "created"), detach=True),
    OciVerb("start", lambda p: ["start", "c1"], setup=created, done=lambda p, o: status(p, "running"), detach=True),
    OciVerb("run", lambda p: ["run", *bundle(p, "hi"), "c1"], done=said_hi, statuses=(1, 126, 127, 255)),
    OciVerb("run --detach", lambda p: ["run", "-d", *bundle(p, "sleep"), "c1"], done=lambda p, o: status(p, "running"), detach=True,
            statuses=(1, 126, 127, 255)),
    OciVerb("state", lambda p: ["state", "c1"], setup=running),
    OciVerb("kill", lambda p: ["kill", "c1", "KILL"], setup=running),
    OciVerb("delete --force", lambda p: ["delete", "--force", "c1"], setup=running),
]
tests(globals(), VERBS)

if __name__ == "__main__":
    alone()
    registry.run(globals())
