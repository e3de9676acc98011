#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_build: build, broken at every system call of the coordinator, of a stage's process, of those that write layers and of RUN's first process.

Afterwards nothing of a step is left, the next build works, and it gives the image that it gives without a fault."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, Failure, Verb, alone, registry, tests  # noqa: E402

FILES = {
    "plain/Dockerfile": "FROM box AS one\nRUN echo made >/made && mkdir -p /d/e && rm /etc/group\nFROM box\nWORKDIR /w\nCOPY --from=one /made /d /w/\n"
                        "COPY file dir /w/\nENV A=1\n",
    "plain/file": "file\n", "plain/dir/sub/f": "f\n", "plain/dir/.hidden": "h\n",
    "mounts/Dockerfile": "FROM more AS files\nFROM box\nRUN --mount=type=cache,id=c,target=/c --mount=type=secret,id=s --mount=from=files,target=/f "
                         "--mount=target=/ctx --mount=type=tmpfs,target=/t cp /f/g /made && cat /run/secrets/s >>/c/n && ! test -e /ctx/ignored\n",
    "mounts/.dockerignore": "ignored\n", "mounts/ignored": "", "mounts/secret": "hush\n", "more/g": "made\n",
}


def begin(place):
    place.ok("load", "-q", "-i", BOX)
    for name, text in FILES.items():
        path = os.path.join(place.path, "ctx", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)


def argv(place, kind):
    ctx = os.path.join(place.path, "ctx")
    more = ["--build-context", f"more={ctx}/more", "--secret", f"id=s,src={ctx}/mounts/secret"] if kind == "mounts" else []
    return ["build", "-q", "-t", "made", "--network", "none", "--cgroup-parent", place.parent, *more, f"{ctx}/{kind}"]


def forget(place):
    place.ok("builder", "prune", "-af")
    place.hull("rmi", "-f", "made")


class Build(Verb):
    """What a build says of a step that failed are the Dockerfile's lines and the step's; the last line is the error's."""

    def __init__(self, name, kind, cached=False):
        super().__init__(name, lambda p: argv(p, kind), begin=begin, setup=self.first, done=self.made, again=self.next, statuses=(1, 125))
        self.kind, self.cached, self.id = kind, cached, None

    def first(self, place):
        forget(place)
        if self.cached:
            place.ok(*argv(place, self.kind))

    def made(self, place, o):
        self.id = self.id or o.out
        if o.out != self.id:
            raise Failure(f"it made {o.out!r}, and {self.id!r} without a fault")

    def judge(self, way, o):
        lines = [line for line in o.err.splitlines() if line != "Killed"]
        ours = [line for line in lines if line.startswith("hull: ") and not line.startswith("hull: warning: ")]
        if o.status in (1, 125) and lines and not lines[-1].startswith("hull: "):
            raise Failure("the last line says something else")
        o.err = "\n".join(ours[-1:])
        super().judge(way, o)

    def next(self, place):
        out = place.ok(*argv(place, self.kind))
        if self.id and out != self.id:
            raise Failure(f"the next build made {out!r}, and {self.id!r} without a fault")
        if place.ok("run", "--rm", "--cgroup-parent", place.parent, "made", "cat", "/w/made" if self.kind == "plain" else "/made") != "made\n":
            raise Failure("what the next build made has something else in it")
        for folder in ("running", "doing"):
            left = os.listdir(os.path.join(place.root, "build", folder)) if os.path.isdir(os.path.join(place.root, "build", folder)) else []
            if left:
                raise Failure(f"build/{folder} has {left[0][:20]}")
        forget(place)


tests(globals(), [Build("build", "plain"), Build("build of what is known", "plain", cached=True), Build("build with mounts", "mounts")])

if __name__ == "__main__":
    alone()
    registry.run(globals())
