# SPDX-License-Identifier: Apache-2.0
"""measure: one run of a command: wall time, and the CPU time of everything it set going."""

import collections
import ctypes
import os
import platform
import re
import resource
import tempfile
import threading
import time

Sample = collections.namedtuple("Sample", "wall cpu status output peak")
PR_SET_CHILD_SUBREAPER = 36
TICK = os.sysconf("SC_CLK_TCK")
daemon_pids = set()  # our children that are meant to stay


def adopt_orphans():
    """What a command leaves behind becomes our child, so that its CPU time is counted when it ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as f:
        return {int(p) for p in f.read().split()}


def spent_by_daemons(pids):
    """Seconds, with what their ended children spent. Threads' run time in ns where the kernel tells it."""
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += (int(fields[13]) + int(fields[14])) / TICK  # cutime, cstime
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0]) / 1e9
        except (OSError, IndexError):
            pass
    return total


def ended_children():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def reap(before, seconds=10):
    """Until no new child is left (a container that is to stay is among `before` or in daemon_pids)."""
    end = time.monotonic() + seconds
    while children() - before - daemon_pids:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > end:
                return
            time.sleep(0.001)


def reap_all():
    reap(set(), 10)


def tree(pid):
    """A process and what descends from it."""
    found = [pid]
    for p in found:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    found += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return found


class Peak(threading.Thread):
    """Looks, while a command runs, at the memory of it and of the daemons, all processes together."""

    def __init__(self, pids):
        super().__init__()
        self.pids, self.kib, self.over = pids, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.03):
            total = 0
            for pid in {p for top in self.pids for p in tree(top)}:
                try:
                    total += memory(pid)[1]
                except (OSError, AttributeError):
                    pass
            self.kib = max(self.kib, total)

    def end(self):
        self.over.set()
        self.join()
        return self.kib


def run(argv, daemons=(), env=None, watch=False):
    """watch: the highest sum of the processes' PSS too, which costs time and so is not for samples that are compared."""
    before = children()
    with tempfile.TemporaryFile() as out:
        null = os.open("/dev/null", os.O_RDONLY)
        spent = ended_children() + spent_by_daemons(daemons)
        start = time.perf_counter()
        pid = os.posix_spawnp(argv[0], argv, env or os.environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)])
        peak = Peak([pid, *daemons]) if watch else None
        if peak:
            peak.start()
        _, status = os.waitpid(pid, 0)
        wall = time.perf_counter() - start
        kib = peak.end() if peak else 0
        os.close(null)
        reap(before)
        cpu = ended_children() + spent_by_daemons(daemons) - spent
        out.seek(0)
        return Sample(wall, cpu, os.waitstatus_to_exitcode(status), out.read(2000).decode(errors="replace"), kib)


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        text = f.read()
    return tuple(int(re.search(rf"^{k}:\s+(\d+)", text, re.M).group(1)) for k in ("Rss", "Pss"))


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "model": model.group(1) if model else platform.machine(),
            "load": os.getloadavg()}
