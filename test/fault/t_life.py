#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_life: create, start, stop, restart, kill, pause, exec, cp, commit, update, rename, rm and the verbs that only look, broken at every system call."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, Failure, Verb, alone, registry, tests  # noqa: E402

# Where all calls of a kind fail, what was done cannot be undone.
LOOKS = {"-e": "a call fails", "-E": "from one call on all of its kind fail"}


def box(place):
    place.ok("load", "-q", "-i", BOX)


def create(place, *more):
    place.ok("create", "--name", "c1", "--cgroup-parent", place.parent, "--stop-signal", "KILL", *more, "box", "sleep", "1000")


def run(place):
    place.ok("run", "-d", "--name", "c1", "--cgroup-parent", place.parent, "--stop-signal", "KILL", "box", "sleep", "1000")


def run_once(place):
    """A container that runs on while others are broken in it."""
    if "c1" not in place.ok("ps", "--format", "{{.Names}}").split():
        run(place)


def is_now(status):
    def check(place, o):
        found = place.ok("inspect", "-f", "{{.State.Status}}", "c1").strip()
        if found != status:
            raise Failure(f"it is {found}, not {status}")
    return check


def is_gone(place, o):
    if place.ok("ps", "-aq"):
        raise Failure("it is still there")


def is_renamed(place, o):
    if place.ok("ps", "-a", "--format", "{{.Names}}") != "c2\n":
        raise Failure("it has not the new name alone")


def names_are_free(place):
    for name in ("c1", "c2"):
        place.ok("create", "--name", name, "--cgroup-parent", place.parent, "box", "true")
        place.ok("rm", name)


def works(place):
    """The same again, all of it, without a fault."""
    out = place.ok("run", "--name", "c1", "--cgroup-parent", place.parent, "-v", "v1:/v", "box", "echo", "next")
    if out != "next\n":
        raise Failure(f"the next run printed {out!r}")
    place.ok("start", "c1")
    place.ok("rename", "c1", "c2")
    place.ok("rm", "-f", "c2")
    place.ok("volume", "rm", "-f", "v1")


def exec_works(place):
    out = place.ok("exec", "c1", "echo", "next")
    if out != "next\n":
        raise Failure(f"the next exec printed {out!r}")


def said_hi(place, o):
    if o.out != "hi\n" and "the output was not taken" not in o.err:
        raise Failure(f"printed {o.out!r}")


HERE = os.path.abspath(__file__)


def is_copied(where):
    def check(place, o):
        if "def is_copied" not in place.ok("cp", where, "-"):
            raise Failure("what was copied is not there")
    return check


def cp_works(place):
    place.ok("cp", HERE, "c1:/next")
    is_copied("c1:/next")(place, None)


def is_committed(name):
    def check(place, o):
        if place.ok("run", "--rm", "--cgroup-parent", place.parent, name, "cat", "/was") != "was\n":
            raise Failure("what was committed is not in the image")
    return check


def run_to_commit(place):
    if "c1" not in place.ok("ps", "--format", "{{.Names}}").split():
        run(place)
        place.ok("exec", "c1", "sh", "-c", "echo was >/was")


def commit_works(place):
    """The container was paused for it, and goes on whatever happened: who is killed with all it started is followed by the monitor, at its own
    pace. An image that has the name is whole."""
    until = time.monotonic() + 30
    while "is paused" in place.hull("exec", "c1", "true").stderr and time.monotonic() < until:
        time.sleep(0.02)
    exec_works(place)
    if "made:latest" in place.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        is_committed("made")(place, None)
        place.ok("rmi", "made")
    place.ok("commit", "c1", "next")
    is_committed("next")(place, None)
    place.ok("rmi", "next")
    place.ok("image", "prune", "-f")
    if len([n for n in os.listdir(os.path.join(place.root, "layers")) if len(n) == 64]) != 1:
        raise Failure(f"layers {os.listdir(os.path.join(place.root, 'layers'))}")
    place.check_blobs()


def update_is_true(place):
    """What the record says is what is: both of it, or nothing. Then the other way."""
    said = place.ok("inspect", "-f", "{{range .Mounts}}{{.Destination}} {{end}}{{range .HostConfig.Devices}}{{.PathInContainer}} {{end}}{{.HostConfig.Memory}}", "c1").split()
    seen = place.ok("exec", "c1", "sh", "-c", "cut -d ' ' -f 5 /proc/self/mountinfo | grep -x /more; ls -d /dev/more 2>/dev/null; true").split()
    if [w for w in said if w.startswith("/")] != seen or (said[-1] == "0") != (not seen):
        raise Failure(f"the record says {said}, in the container there is {seen}")
    if seen:
        place.ok("update", "--mount-rm", "/more", "--device-rm", "/dev/more", "c1")
    place.ok("update", "--memory", "0", "c1")
    exec_works(place)


def removal_is_true(place):
    said = place.ok("inspect", "-f", "{{range .Mounts}}{{.Destination}} {{end}}{{range .HostConfig.Devices}}{{.PathInContainer}} {{end}}{{.HostConfig.Memory}}", "c1").split()
    seen = place.ok("exec", "c1", "sh", "-c", "cut -d ' ' -f 5 /proc/self/mountinfo | grep -x /gone; ls -d /dev/gone 2>/dev/null; true").split()
    if [w for w in said if w.startswith("/")] != seen or (said[-1] == "0") != bool(seen):
        raise Failure(f"the record says {said}, in the container there is {seen}")
    exec_works(place)
    place.ok("rm", "-f", "c1")


def run_with_things(place):
    if not place.ok("ps", "-aq"):
        place.ok("run", "-d", "--name", "c1", "--cgroup-parent", place.parent, "--stop-signal", "KILL", "-v", "v1:/gone", "--device", "/dev/null:/dev/gone",
                 "box", "sleep", "1000")


def is_updated(place, o):
    if "/more" not in place.ok("inspect", "-f", "{{range .Mounts}}{{.Destination}} {{end}}", "c1").split():
        raise Failure("it is not in the record")


def end(place):
    """What looks only changes nothing: this container is the same all the time."""
    is_now("running")(place, None)


VERBS = [
    Verb("create", lambda p: ["create", "--name", "c1", "--cgroup-parent", p.parent, "-v", "v1:/v", "-v", "/anonymous", "box", "true"],
         begin=box, done=is_now("created"), again=works),
    Verb("start", ["start", "c1"], begin=box, setup=create, done=is_now("running"), again=works, detach=True),
    Verb("stop", ["stop", "c1"], begin=box, setup=run, done=is_now("exited"), again=works),
    Verb("restart", ["restart", "-t", "0", "c1"], begin=box, setup=run, done=is_now("running"), again=works, detach=True),
    Verb("kill", ["kill", "c1"], begin=box, setup=run, done=is_now("exited"), again=works),
    Verb("pause and unpause", '"$HULL" pause c1 >/dev/null && exec "$HULL" unpause c1', begin=box, setup=run, done=is_now("running"), again=works),
    Verb("rename", ["rename", "c1", "c2"], begin=box, setup=create, done=is_renamed, again=names_are_free),
    Verb("rm", ["rm", "-v", "c1"], begin=box, setup=lambda p: create(p, "-v", "/anonymous"), done=is_gone, again=works),
    Verb("rm -f", ["rm", "-f", "c1"], begin=box, setup=run, done=is_gone, again=works),
    Verb("exec", ["exec", "-e", "A=b", "-w", "/tmp", "c1", "echo", "hi"], begin=box, setup=run_once, done=said_hi, again=exec_works, keep=True,
         statuses=(1, 125, 126, 127), calls=("setns",)),
    Verb("cp", ["cp", HERE, "c1:/in"], begin=box, setup=run_once, done=is_copied("c1:/in"), again=cp_works, keep=True),
    Verb("cp to a stopped one", ["cp", HERE, "c1:/v/in"], begin=box, setup=lambda p: create(p, "-v", "v1:/v"), done=is_copied("c1:/v/in"), again=works),
    Verb("cp out", ["cp", "c1:/etc/.", "-"], begin=box, setup=run_once, again=cp_works, keep=True),
    Verb("update", ["update", "--memory", "64M", "--mount-add", "type=tmpfs,target=/more", "--device-add", "/dev/null:/dev/more", "c1"],
         begin=box, setup=run_once, done=is_updated, again=update_is_true, keep=True),
    Verb("update that removes", ["update", "--memory", "64M", "--mount-rm", "/gone", "--device-rm", "/dev/gone", "c1"],
         begin=box, setup=run_with_things, again=removal_is_true, keep=True),
    Verb("commit", ["commit", "c1", "made"], begin=box, setup=run_to_commit, done=is_committed("made"), again=commit_works, keep=True),
    *(Verb(argv[0], argv, begin=box, setup=run_once, again=end, keep=True, ways=LOOKS)
      for argv in (["ps", "-a"], ["inspect", "c1"], ["logs", "c1"], ["top", "c1"], ["info"], ["images"], ["history", "box"])),
]
tests(globals(), VERBS)

if __name__ == "__main__":
    alone()
    registry.run(globals())
