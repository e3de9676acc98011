#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_race: the same names, containers and images in the hands of many commands at once. Each of them does what it says or says in one line
why not, with one of the reasons that a race has; afterwards nothing is left.

HULL_FAULT_SECONDS=N   how long each race takes (5)"""

import os
import random
import re
import subprocess
import sys
import tarfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, SEED, Failure, Place, alone, registry  # noqa: E402

SECONDS = float(os.environ.get("HULL_FAULT_SECONDS", "5"))
GONE = r"no such (container|image|volume|object)"
# What a race may say: it came too late, too early, or somebody was quicker.
CONFLICTS = [GONE, r"the name \"\S+\" is in use", r"is not running", r"already has the name", r"is (running|paused|created|exited|removing)",
             r"is already (running|paused)", r"is not paused", r"in use by (running |stopped )?container",
             # removed or killed by another while it was being started
             r"ended before the command was executed", r"killed by signal 9", r"is not running any more", r"was the container stopped",
             r"removed meanwhile", r"cgroup \S+ is in use already", r"was removed", r"volume \S+ is in use"]
ALLOWED = re.compile("|".join(CONFLICTS))


class Race:
    """Threads that run commands, each drawn from its list, until the time is over."""

    def __init__(self, place, also=()):
        self.place, self.bad, self.lock, self.counts = place, [], threading.Lock(), {}
        self.allowed = re.compile("|".join([*CONFLICTS, *also]))

    def one(self, args):
        try:
            p = self.place.hull(*args, limit=60)
        except subprocess.TimeoutExpired:
            return self.blame(args, "hangs")
        with self.lock:
            key = (args[0], p.returncode == 0)
            self.counts[key] = self.counts.get(key, 0) + 1
        lines = p.stderr.splitlines()
        if p.returncode == 0 and not lines:
            return None
        if p.returncode == 137 and args[0] in ("run", "exec") and not lines:
            return None  # somebody killed it while it ran
        if p.returncode == 0 and all(n.startswith("hull: warning") for n in lines):
            return None
        for line in lines:
            if not line.startswith("hull: ") or not self.allowed.search(line):
                return self.blame(args, f"status {p.returncode}: {line}")
        return None if lines else self.blame(args, f"status {p.returncode} without a word")

    def blame(self, args, what):
        with self.lock:
            self.bad.append(f"{' '.join(args)}: {what}")

    def worker(self, number, draw, end):
        chance = random.Random(f"{SEED} {number}")
        while time.monotonic() < end and len(self.bad) < 20:
            self.one(draw(chance))

    def run(self, draw, threads=8):
        end = time.monotonic() + SECONDS
        crew = [threading.Thread(target=self.worker, args=(i, draw, end)) for i in range(threads)]
        for t in crew:
            t.start()
        # Who waits for a container would do so for ever: until all have ended there is none for long.
        while any(t.is_alive() for t in crew):
            crew[0].join(0.2)
            time.sleep(0.2 if time.monotonic() < end else 0)
            if time.monotonic() >= end:
                self.place.hull("rm", "-f", *self.place.ok("ps", "-aq").split())
        print("# " + ", ".join(f"{k[0]} {'did' if k[1] else 'refused'} {n}" for k, n in sorted(self.counts.items())), flush=True)
        assert not self.bad, f"HULL_FAULT_SEED={SEED}: " + "; ".join(self.bad[:10])

    def clean(self):
        ids = self.place.ok("ps", "-aq", "--no-trunc").split()
        if ids:
            self.place.ok("rm", "-f", "-v", *ids)
        self.place.ok("volume", "prune", "-f", "-a")
        self.place.check_empty()


def box(place):
    place.ok("load", "-q", "-i", BOX)


def name(chance):
    return chance.choice(("one", "two", "three"))


def test_names_that_everybody_wants():
    with Place() as place:
        box(place)
        parent = ["--cgroup-parent", place.parent]

        def draw(chance):
            return chance.choice((
                ["run", "--rm", "--name", name(chance), *parent, "box", "true"],
                ["run", "-d", "--name", name(chance), *parent, "box", "sleep", "1000"],
                ["run", "-d", "--rm", "--name", name(chance), "-v", "/anon", *parent, "box", "sleep", "0.05"],
                ["create", "--name", name(chance), "-v", "v1:/v", *parent, "box", "true"],
                ["rm", "-f", name(chance)], ["rm", "-v", name(chance)], ["rename", name(chance), name(chance)],
                ["start", name(chance)], ["stop", "-t", "0", name(chance)], ["kill", name(chance)], ["inspect", name(chance)],
                ["restart", "-t", "0", name(chance)], ["pause", name(chance)], ["unpause", name(chance)],
                ["exec", name(chance), "true"], ["logs", name(chance)], ["top", name(chance)],
                ["ps", "-a"], ["ps"], ["volume", "ls"], ["volume", "rm", "v1"], ["volume", "prune", "-f", "-a"], ["wait", name(chance)]
                if chance.random() < 0.1 else ["ps", "-aq"]))
        race = Race(place)
        race.run(draw)
        race.clean()


def test_rename_while_it_ends():
    """Each new name is another one: one that stays behind is not taken over by the next."""
    with Place() as place:
        box(place)
        parent = ["--cgroup-parent", place.parent]

        def draw(chance):
            return chance.choice((["run", "--rm", "--name", name(chance), *parent, "box", "true"],
                                  ["rename", name(chance), f"n{chance.getrandbits(60)}"]))
        race = Race(place)
        race.run(draw, threads=6)
        race.clean()


def test_rm_f_against_start():
    with Place() as place:
        box(place)
        parent = ["--cgroup-parent", place.parent]

        def draw(chance):
            return chance.choice((["create", "--name", "one", *parent, "box", "sleep", "1000"], ["start", "one"], ["rm", "-f", "one"], ["start", "one"]))
        race = Race(place)
        race.run(draw)
        race.clean()


def test_rmi_against_run():
    with Place() as place:
        box(place)
        parent = ["--cgroup-parent", place.parent]

        def draw(chance):
            return chance.choice((["rmi", "box"], ["rmi", "-f", "box"], ["run", "-q", "--rm", *parent, "box", "true"], ["run", "-q", "--rm", *parent, "box", "true"],
                                  ["load", "-q", "-i", BOX], ["images"], ["tag", "box", "other:1"], ["rmi", "other:1"], ["history", "box"]))
        race = Race(place)
        race.run(draw)
        race.clean()
        # A removal that met a run left the layer to the next one.
        box(place)
        place.hull("rmi", "-f", "other:1")
        place.ok("rmi", "-f", "box")
        place.check_empty()
        left = [n for n in os.listdir(os.path.join(place.root, "layers")) if n not in ("empty", "storage.json")]
        left += os.listdir(os.path.join(place.root, "blobs/sha256")) + os.listdir(os.path.join(place.root, "images/names"))
        assert not left, left


def test_pulls_and_loads_of_one_image():
    import gzip
    with tarfile.open(BOX) as tar:
        data = next(b for b in (tar.extractfile(m).read() for m in tar if m.isfile()) if len(b) > 100000)
    layer = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    with registry.Fake() as fake, Place() as place:
        fake.add(registry.Image([layer, registry.make_layer({"more": registry.noise(100000)})]))
        image = f"{fake.host}/x"

        def draw(chance):
            return chance.choice((["pull", "-q", image], ["pull", "-q", image], ["load", "-q", "-i", BOX], ["rmi", image], ["images"],
                                  ["run", "-q", "--rm", "--cgroup-parent", place.parent, image, "true"]))
        race = Race(place)
        race.run(draw, threads=6)
        place.ok("pull", "-q", image)
        place.ok("run", "--rm", "--cgroup-parent", place.parent, image, "true")
        race.clean()


if __name__ == "__main__":
    alone()
    registry.run(globals())
