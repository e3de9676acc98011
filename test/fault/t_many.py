#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_many: what thousands of starts leave behind, which is nothing: files, mounts, control groups, interfaces, processes, and the fds and the
memory of monitors are as at the beginning. And many containers that are restarted at once.

HULL_MANY=10000       how many starts (200)
HULL_TOGETHER=1000    how many containers are restarted together (200)"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sweep import BOX, Failure, Place, alone, mounts, processes, registry  # noqa: E402

MANY = int(os.environ.get("HULL_MANY", "200"))
TOGETHER = int(os.environ.get("HULL_TOGETHER", "200"))


def standing(place):
    """All that a start could leave. The log of events has a bound of its own."""
    files = sorted(os.path.join(folder, n) for folder, folders, names in os.walk(place.path) for n in (*folders, *names) if not n.startswith("events."))
    groups = sorted(f for top in place.cgroups(place.parent) for f, _, _ in os.walk(top))
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    return {"files": files, "control groups": groups, "mounts": mounts(), "interfaces": links, "rules": rules,
            "processes": sorted(line for _, line in processes().values() if "_rmdir" not in line)}


def compare(before, after):
    for what, then in before.items():
        now = after[what]
        if now != then:
            more = [x for x in now if x not in then][:5] if isinstance(now, list) else now
            raise Failure(f"{what}: {more}")


def settled(place, before):
    """At once, or within the time that a process takes to end."""
    for _ in range(100):
        try:
            return compare(before, standing(place))
        except Failure:
            subprocess.run(["sleep", "0.1"], check=True)
    return compare(before, standing(place))


def monitor_of(place, name):
    pid = place.ok("inspect", "-f", "{{.State.MonitorPid}}", name).strip()
    with open(f"/proc/{pid}/status") as f:
        kib = next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))
    return len(os.listdir(f"/proc/{pid}/fd")), kib


def test_starts_in_a_row():
    """Each way a container is started and goes away, in turn."""
    with Place() as place:
        place.ok("load", "-q", "-i", BOX)
        place.ok("network", "create", "many")
        parent = ["--cgroup-parent", place.parent]

        def forms(n):
            if n % 4 == 0:
                place.ok("run", "--rm", *parent, "box", "true")
            elif n % 4 == 1:
                place.ok("run", "--rm", *parent, "--network", "many", "-p", "127.0.0.1:8080:80", "-v", "/data", "box", "true")
            elif n % 4 == 2:
                place.ok("run", "-d", "--name", "c1", *parent, "--memory", "64M", "box", "sleep", "1000")
                place.ok("rm", "-f", "c1")
            else:
                place.ok("run", "-d", "--name", "c1", *parent, "-v", "/data", "--health-cmd", "true", "box", "sleep", "1000")
                place.ok("stop", "-t", "0", "c1")
                place.ok("rm", "-v", "c1")
        for n in range(8):
            forms(n)
        before = standing(place)
        for n in range(MANY):
            forms(n)
        settled(place, before)


def test_names_of_starts():
    """Eight at a time: the first thing each program asks for is its own name, then another's. Nobody may miss one."""
    with Place() as place:
        place.ok("load", "-q", "-i", BOX)
        place.ok("network", "create", "many")
        place.ok("run", "-d", "--name", "db", "--cgroup-parent", place.parent, "--network", "many", "box", "sleep", "100000")

        def start(n):
            return place.hull("run", "--rm", "--name", f"s{n}", "--cgroup-parent", place.parent, "--network", "many", "box", "sh", "-c",
                              f"nslookup s{n} && nslookup db").returncode
        with ThreadPoolExecutor(8) as pool:
            missed = sum(status != 0 for status in pool.map(start, range(MANY)))
        if missed:
            raise Failure(f"{missed} of {MANY} missed a name")
        place.ok("rm", "-f", "db")


def test_execs_in_one_container():
    with Place() as place:
        place.ok("load", "-q", "-i", BOX)
        place.ok("run", "-d", "--name", "c1", "--cgroup-parent", place.parent, "--health-cmd", "true", "--health-interval", "1s", "box", "sleep", "100000")
        for _ in range(5):
            place.ok("exec", "c1", "true")
        before, (fds, kib) = standing(place), monitor_of(place, "c1")
        for _ in range(MANY):
            place.ok("exec", "c1", "true")
        place.ok("update", "--no-healthcheck", "c1")
        after_fds, after_kib = monitor_of(place, "c1")
        if after_fds > fds or after_kib > kib + 256:
            raise Failure(f"its monitor had {fds} fds and {kib} KiB, and has {after_fds} and {after_kib}")
        del before["files"]
        settled(place, before)
        place.ok("rm", "-f", "c1")


def test_restarted_together():
    with Place() as place:
        place.ok("load", "-q", "-i", BOX)
        names = [f"c{n:04}" for n in range(TOGETHER)]
        for name in names:
            place.ok("run", "-d", "--name", name, "--cgroup-parent", place.parent, "--restart", "always", "--stop-signal", "KILL", "box", "sleep", "100000")

        def pids():
            rows = place.ok("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", *names).split("\n")[:-1]
            if any(not r.startswith("running ") for r in rows):
                raise Failure(f"not all run: {[r for r in rows if not r.startswith('running ')][:5]}")
            return {r.split()[1] for r in rows}
        first = pids()
        p = place.hull("restart", *names, limit=1000)
        second = pids()
        if p.returncode or p.stdout.split() != names or first & second:
            raise Failure(f"restart: status {p.returncode}, {len(first & second)} as before: {p.stderr[:300]}")
        # Their monitors and all they watch are gone at once, as after a cut of the power; everything comes back.
        ours = {pid for pid, (_, line) in processes().items() if pid not in place.before[0]}
        for pid in ours:
            os.kill(pid, 9)
        while ours & set(processes()):
            subprocess.run(["sleep", "0.1"], check=True)
        p = place.hull("boot", limit=1000)
        if p.returncode:
            raise Failure(f"boot: status {p.returncode}: {p.stderr[:300]}")
        if second & pids():
            raise Failure("boot: processes as before")
        p = place.hull("rm", "-f", *names, limit=1000)
        if p.returncode:
            raise Failure(f"rm: {p.stderr[:300]}")
        place.check_empty()


if __name__ == "__main__":
    alone()
    registry.run(globals())
