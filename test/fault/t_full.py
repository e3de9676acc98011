#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_full: a store on a file system that is too small, by bytes and by inodes, in many sizes: whatever does not fit fails in one line and
leaves nothing; with room again all works."""

import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import ALL, BOX, SEED, Failure, Place, Skip, alone, registry  # noqa: E402


class Small(Place):
    """Store and run directory on a tmpfs of a size that can be changed."""

    def __enter__(self):
        self.disk = os.path.join(self.path, "disk")
        os.mkdir(self.disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", self.disk], capture_output=True).returncode != 0:
            raise Skip("tmpfs cannot be mounted")
        self.root, self.run_root = os.path.join(self.disk, "root"), os.path.join(self.disk, "run")
        self.env.update(HULL_ROOT=self.root, HULL_RUN_ROOT=self.run_root, HULL_NETWORK="none")
        self.before = (self.before[0], self.mounts())
        return self

    def __exit__(self, *args):
        self.wipe()
        subprocess.run(["umount", "-l", self.disk])
        super().__exit__()

    @staticmethod
    def mounts():
        from sweep import mounts
        return mounts()

    def size(self, **options):
        """size and nr_inodes; 0 is no limit. tmpfs refuses what is in use already."""
        text = ",".join(f"{k}={v}" for k, v in {"size": "64m", "nr_inodes": 0, **options}.items())
        return subprocess.run(["mount", "-o", f"remount,{text}", self.disk], capture_output=True).returncode == 0

    def free(self, what, n):
        """So that n bytes, or n inodes, are left."""
        s = os.statvfs(self.disk)
        if what == "size":
            return self.size(size=(s.f_blocks - s.f_bfree) * s.f_frsize + n)
        with_inodes = self.size(nr_inodes=100000) and os.statvfs(self.disk)
        return self.size(nr_inodes=with_inodes.f_files - with_inodes.f_ffree + n)


def refused(p, statuses=(1, 125)):
    lines = p.stderr.splitlines()
    if p.returncode not in statuses or len([n for n in lines if not n.startswith("hull: warning: ")]) != 1 or not lines[-1].startswith("hull: "):
        raise Failure(f"status {p.returncode}, {p.stderr!r}")


def sample(numbers, n):
    """The least and the most are always among them."""
    return numbers if ALL else [STEPS[0], *sorted(random.Random(SEED).sample(numbers, min(n, len(numbers)))), STEPS[-1]]


def each_size(steps, prepare, verb, done):
    """Tries the verb with so little room, checks, gives room, tries again. It must have failed and succeeded at least once."""
    outcomes = set()
    for what, n in steps:
        with Small() as place:
            prepare(place)
            try:
                if not place.free(what, n):
                    continue
                p = place.hull(*verb(place))
                outcomes.add(p.returncode == 0)
                if p.returncode == 0:
                    done(place, p)
                else:
                    refused(p, (1, 125, 126, 127))
                ids = place.ok("ps", "-aq").split()
                if ids:
                    place.ok("rm", "-f", *ids)
                place.size()
                p = place.hull(*verb(place))
                if p.returncode != 0:
                    raise Failure(f"with room again: {p.stderr}")
                done(place, p)
                ids = place.ok("ps", "-aq").split()
                if ids:
                    place.ok("rm", "-f", *ids)
                place.check_empty()
            except Failure as e:
                raise Failure(f"{n} of {what}: {e}") from None
    assert outcomes == {True, False}, f"of {len(steps)} sizes none was too small, or none large enough: {outcomes}"


STEPS = [("size", n << 12) for n in [*range(30), 40, 60, 100, 200, 300, 400, 500, 600, 700, 900, 1500]] + [("inodes", n) for n in range(60)]


def box(place):
    place.ok("load", "-q", "-i", BOX)


def run(place):
    return ["run", "--rm", "--cgroup-parent", place.parent, "-v", "v1:/v", "box", "sh", "-c", "echo hi"]


def said_hi(place, p):
    if p.stdout != "hi\n":
        raise Failure(f"printed {p.stdout!r}")
    place.ok("volume", "rm", "-f", "v1")


def test_load_into_too_little_room():
    each_size(sample(STEPS, 25), lambda p: p.ok("ps", "-a"), lambda p: ["load", "-i", BOX], lambda p, o: None)


def test_run_with_too_little_room():
    each_size(sample(STEPS, 25), box, run, said_hi)


def test_run_with_the_first_load_of_box():
    each_size(sample(STEPS, 25), lambda p: p.ok("ps", "-a"), run, said_hi)


def test_create_with_too_little_room():
    each_size(sample(STEPS, 20), box, lambda p: ["create", "--cgroup-parent", p.parent, "box", "true"], lambda p, o: None)


def things(place):
    """One container of each kind, volumes and images, named so that a verb can be told to take them."""
    box(place)
    parent = ["--cgroup-parent", place.parent, "--stop-signal", "KILL"]
    place.ok("run", "-d", "--name", "runs", *parent, "-v", "v1:/v", "-v", "/anonymous", "box", "sh", "-c", "echo much >/v/f; echo more >/w; sleep 1000")
    place.ok("run", "--name", "ended", *parent, "-v", "v2:/v", "box", "sh", "-c", "echo x >/w")
    place.ok("create", "--name", "made", *parent, "box", "true")
    place.ok("commit", "ended", "other")
    place.ok("volume", "create", "v3")


def test_rm_and_prune_on_a_full_disk():
    """Nothing has to be written to take something away; each of these, and the next ones, without any room."""
    rounds = ([["stop", "-t", "0", "runs"], ["rm", "-v", "runs"], ["rm", "ended", "made"], ["rmi", "other"], ["volume", "rm", "v1", "v2", "v3"]],
              [["kill", "runs"], ["container", "prune", "-f"], ["image", "prune", "-af"], ["volume", "prune", "-af"]],
              [["rm", "-fv", "runs"], ["system", "prune", "-af", "--volumes"], ["volume", "prune", "-af"]],
              [["rm", "-f", "runs", "ended", "made"], ["system", "gc"], ["volume", "prune", "-af"], ["image", "prune", "-af"]])
    for what in ("size", "inodes"):
        for verbs in rounds:
            with Small() as place:
                things(place)
                before = os.statvfs(place.disk)
                if not place.free(what, 0):
                    raise Skip("this tmpfs cannot be made smaller")
                try:
                    for verb in verbs:
                        place.ok(*verb)
                        # What it gave back is taken again.
                        place.free(what, 0)
                except Failure as e:
                    raise Failure(f"no {what}: {e}") from None
                place.size()
                after = os.statvfs(place.disk)
                if after.f_blocks - after.f_bfree >= before.f_blocks - before.f_bfree:
                    raise Failure(f"{verbs}: no room came of it")
                place.check_empty()
                said_hi(place, place.hull(*run(place)))
                place.check_empty()


def test_a_log_that_finds_no_room_blocks_nobody_and_the_exit_status_is_kept():
    for left in (0, 4096, 65536):
        with Small() as place:
            box(place)
            place.ok("run", "-d", "--name", "c1", "--cgroup-parent", place.parent, "--stop-signal", "TERM", "box", "sh", "-c",
                     "trap 'exit 7' TERM; while :; do echo 0123456789012345678901234567890123456789; sleep 0.001; done")
            # Before it has said something it may not have set its trap.
            until = time.monotonic() + 60
            while not place.ok("logs", "--tail", "1", "c1") and time.monotonic() < until:
                time.sleep(0.1)
            place.free("size", left)
            subprocess.run(["head", "-c", "100000000", "/dev/zero"], stdout=open(os.path.join(place.disk, "fill"), "w"), stderr=subprocess.DEVNULL)
            began = time.monotonic()
            p = place.hull("stop", "-t", "45", "c1")
            if p.returncode != 0:
                refused(p)
            os.unlink(os.path.join(place.disk, "fill"))
            place.size()
            if p.returncode != 0:
                place.ok("stop", "-t", "45", "c1")
            found = place.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c1")
            assert found == "exited 7\n", (left, found, p.returncode, p.stderr, round(time.monotonic() - began))
            place.ok("logs", "c1")
            place.ok("start", "c1")
            place.ok("rm", "-f", "c1")
            place.check_empty()


def test_a_program_that_fills_its_own_layer_is_told_so():
    with Small() as place:
        box(place)
        place.free("size", 1 << 20)
        p = place.hull("run", "--name", "c1", "--cgroup-parent", place.parent, "box", "sh", "-c", "head -c 5000000 /dev/zero >/big")
        assert p.returncode == 1 and p.stderr.startswith("head: "), (p.returncode, p.stderr)
        place.ok("rm", "c1")
        place.check_empty()
        p = place.hull("run", "--rm", "--cgroup-parent", place.parent, "box", "sh", "-c", "head -c 5000000 /dev/zero >/big")
        assert p.returncode == 1, (p.returncode, p.stderr)
        place.size()
        place.check_empty()


if __name__ == "__main__":
    alone()
    registry.run(globals())
