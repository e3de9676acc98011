#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_run: run in its forms, broken at every system call of the command, the monitor and the container's first process."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, Failure, Verb, alone, registry, tests  # noqa: E402

RUN = (1, 125, 126, 127)


def box(place):
    place.ok("load", "-q", "-i", BOX)


def said_hi(place, o):
    if o.out != "hi\n" and "the output was not taken" not in o.err:
        raise Failure(f"printed {o.out!r}")


def runs(place):
    out = place.ok("run", "--rm", "--name", "c1", "--cgroup-parent", place.parent, "box", "echo", "next")
    if out != "next\n":
        raise Failure(f"the next run printed {out!r}")


def runs_on(place, o):
    if place.ok("inspect", "-f", "{{.State.Status}}", "c1") != "running\n":
        raise Failure("it does not run")


def with_volume(place):
    runs(place)
    place.ok("volume", "rm", "-f", "v1")


VERBS = [
    Verb("run --rm", lambda p: ["run", "--rm", "--name", "c1", "--cgroup-parent", p.parent, "box", "echo", "hi"],
         begin=box, done=said_hi, again=runs, statuses=RUN),
    Verb("run -d", lambda p: ["run", "-d", "--name", "c1", "--cgroup-parent", p.parent, "box", "sleep", "1000"],
         begin=box, done=runs_on, again=runs, detach=True, statuses=RUN),
    # The third is for when the second is the broken one: the monitor is followed to its end.
    Verb("run -d; rm -f", '"$HULL" run -d --name c1 --cgroup-parent "$PARENT" box sleep 1000 >/dev/null; "$HULL" rm -f c1; s=$?; '
         '"$HULL" rm -f c1 2>/dev/null; exit $s',
         begin=box, again=runs, statuses=RUN, one_line=False),
    Verb("run with much", lambda p: [
        "run", "--rm", "--name", "c1", "--cgroup-parent", p.parent, "-v", "v1:/v", "-v", "/anonymous", "--tmpfs", "/t", "--read-only", "--init",
        "--memory", "64M", "--pids-limit", "30", "--user", "1000:1000", "--ulimit", "nofile=64", "--sysctl", "kernel.msgmax=8192",
        "--hostname", "h", "--add-host", "a:1.2.3.4", "--device", "/dev/null:/dev/n", "--security-opt", "no-new-privileges", "box", "echo", "hi"],
         begin=box, done=said_hi, again=with_volume, statuses=RUN),
    Verb("run box at first", lambda p: ["run", "--rm", "--name", "c1", "--cgroup-parent", p.parent, "box", "echo", "hi"],
         setup=lambda p: p.wipe(), done=said_hi, again=runs, statuses=RUN),
]
tests(globals(), VERBS)

if __name__ == "__main__":
    alone()
    registry.run(globals())
