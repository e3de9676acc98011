# SPDX-License-Identifier: Apache-2.0
"""sweep: verbs that are broken at one system call after the other, and what must hold afterwards.

A Verb is run once to list the system calls of all its processes, then again and again, broken each time at another of
them by test/fault/inject: the call fails, the process is killed there, or all of hull's processes are. Each time:

  * it ends in time; a verb that failed says so in one line and with one of hull's exit statuses; one that says it succeeded did
  * the next commands work: ps, rm -f of what is listed, the same verb again
  * then nothing is left: no process, mount, cgroup, interface, endpoint, address or port in the firewall, no file of a container, no layer half
    made, no name, no blob that is not what its name says

HULL_FAULT=all        every call, each with all errnos (an hour); else a sample
HULL_FAULT_POINTS=N   how many of a verb's calls in each way (12)
HULL_FAULT_SEED=N     chooses them (1); 0: by chance; printed, so that a failure can be had again
HULL_FAULT_AT="0/0 117 -e 1"  that one only: process, number, action, variant
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test/lib"))
import registry  # noqa: E402
from registry import Skip  # noqa: E402

HULL = os.path.abspath(os.environ.get("HULL", os.path.join(TOP, "build/src/cli/hull")))
BUILD = os.path.dirname(os.path.dirname(os.path.dirname(HULL)))
INJECT = os.path.join(BUILD, "test/fault/inject")
BOX = os.path.join(BUILD, "box/box.tar")
SEED = int(os.environ.get("HULL_FAULT_SEED", "1")) or random.SystemRandom().randrange(1, 1 << 30)
POINTS = int(os.environ.get("HULL_FAULT_POINTS", "12"))
ALL = os.environ.get("HULL_FAULT") == "all"
LIMIT = 40  # seconds that a verb may take under the tracer
WAYS = {"-e": "a call fails", "-E": "from one call on all of its kind fail", "-k": "a process is killed", "-K": "all are killed"}
LOADER = ("cannot allocate TLS data", "error while loading shared libraries", "cannot allocate memory for", "fatal library error", "symbol lookup error",
          "Fatal glibc error")


def need_tracer():
    if os.geteuid() != 0:
        raise Skip("needs root")
    if not os.path.exists(INJECT):
        raise Skip("test/fault/inject knows x86_64 alone")
    if subprocess.run([INJECT, "-o", "/dev/null", "--", "true"], capture_output=True).returncode != 0:
        raise Skip("this machine does not allow ptrace")


def alone():
    """Mount, network and pid namespaces of our own: what a process leaves is told from what others do."""
    if os.geteuid() == 0 and not os.environ.get("HULL_FAULT_ALONE"):
        os.environ["HULL_FAULT_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                              "--", sys.executable, *sys.argv])
    if os.geteuid() == 0:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def processes():
    """{pid: (parent, command line)} of everything in this pid namespace but kernel threads and zombies."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                rest = f.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if rest[0] not in "ZX":
            found[int(name)] = (int(rest[1]), line)
    return found


def mounts():
    with open("/proc/self/mountinfo") as f:
        return sorted(line.split()[4] for line in f)


def interfaces():
    with open("/proc/self/net/dev") as f:
        return [line.split(":")[0].strip() for line in f if ":" in line]


def rules():
    """What the firewall has of containers: their published ports, and the addresses that reach themselves."""
    if not shutil.which("nft"):
        return []
    text = subprocess.run(["nft", "list", "table", "inet", "hull"], capture_output=True, text=True).stdout
    return [f"{name} {' '.join(row.split())}" for name, row in re.findall(r"(?:map|set) ((?:at|any|self)[46]) {[^}]*elements = {([^}]*)}", text)]


def reap():
    """As pid 1 we have the orphans: a dead one that nobody reaps keeps the pid namespace from ending that it had joined. No child of ours runs now."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


class Place:
    """A store of its own, with `box` in it, and the cgroup that its containers are made below."""

    def __init__(self):
        # wipe() ends every process that it did not see begin: never outside of a pid namespace of our own.
        if os.geteuid() == 0 and os.getpid() != 1:
            raise RuntimeError("call alone() first")
        self.path = tempfile.mkdtemp(prefix="hull-fault.", dir=os.environ.get("HULL_TEST_SCRATCH"))
        os.chmod(self.path, 0o755)
        self.root, self.run_root = os.path.join(self.path, "root"), os.path.join(self.path, "run")
        self.parent = f"/hull-fault-{os.path.basename(self.path)[11:]}"
        self.env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self.env.update(HULL_ROOT=self.root, HULL_RUN_ROOT=self.run_root, HULL_NETWORK="none", HOME=self.path, HULL=HULL, PARENT=self.parent)
        self.before = (set(processes()), mounts())
        self.links = set(interfaces())
        self.kept = set()  # pids that belong to the test
        self.way = None    # how the verb is broken now

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.wipe()
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self.cgroups(self.parent):
            try:
                os.rmdir(folder)
            except OSError:
                pass

    def wipe(self):
        """What a failed case left, by force, so that the next one is judged for itself."""
        for pid in set(processes()) - self.before[0] - self.kept:
            try:
                os.kill(pid, 9)
            except OSError:
                pass
        for root in (self.root, self.run_root):
            shutil.rmtree(root, ignore_errors=True)
        for name in set(interfaces()) - self.links:
            subprocess.run(["ip", "link", "del", name], capture_output=True)
        if rules():
            subprocess.run(["nft", "delete", "table", "inet", "hull"], capture_output=True)
        for _ in range(50):
            folders = [f for top in self.cgroups(self.parent) for f, _, _ in os.walk(top, topdown=False) if f != top]
            for folder in folders:
                try:
                    os.rmdir(folder)
                except OSError:
                    time.sleep(0.02)
            if not folders:
                break

    def hull(self, *args, limit=60, **more):
        return subprocess.run([HULL, *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, **more)

    def ok(self, *args):
        p = self.hull(*args)
        if p.returncode != 0:
            raise Failure(f"hull {' '.join(args)}: status {p.returncode}: {p.stderr.strip()}")
        return p.stdout

    @staticmethod
    def cgroups(path):
        found = []
        for top in ("/sys/fs/cgroup", *(os.path.join("/sys/fs/cgroup", n) for n in os.listdir("/sys/fs/cgroup"))):
            if os.path.isdir(top + path):
                found.append(top + path)
        return found

    def files_left(self):
        base = os.path.dirname(self.root)
        for folder in ("root/containers", "root/names", "run/containers"):
            if os.path.isdir(os.path.join(base, folder)):
                yield from (f"file {folder}/{n[:20]}" for n in os.listdir(os.path.join(base, folder)))
        for folder, _, names in os.walk(self.root):
            inner = os.path.relpath(folder, self.root)
            if inner.startswith("layers/") or inner.startswith("volumes/"):
                continue
            yield from (f"file root/{inner}/{n}" for n in names if ".tmp" in n or n.startswith("%tmp"))
        layers = os.path.join(self.root, "layers")
        if os.path.isdir(layers):
            yield from (f"file layers/{n}" for n in os.listdir(layers) if n.startswith(("tmp-", ".removed")))
        volumes = os.path.join(self.root, "volumes")
        if os.path.isdir(volumes):
            yield from (f"file volumes/{n}" for n in os.listdir(volumes))

    def network_left(self):
        """Bridges are there as long as their networks are."""
        known, endpoints = [], os.path.join(self.run_root, "networks")
        for folder, _, names in os.walk(os.path.join(self.root, "networks")):
            for n in (n for n in names if n.endswith(".json")):
                with open(os.path.join(folder, n)) as f:
                    known.append("hl-" + json.load(f)["Id"][:12])
        yield from (f"interface {n}" for n in interfaces() if n not in self.links and n not in known)
        yield from (f"rule {r}" for r in rules())
        for n in os.listdir(endpoints) if os.path.isdir(endpoints) else []:
            with open(os.path.join(endpoints, n)) as f:
                yield from (f"endpoint {line[:24]}" for line in f.read().splitlines())

    def left(self):
        found = [f"process {line}" for pid, (_, line) in processes().items()
                 if pid not in self.before[0] and pid not in self.kept and "_rmdir" not in line]
        found += [f"mount {m}" for m in mounts() if m not in self.before[1]]
        for top in self.cgroups(self.parent):
            found += [f"cgroup {top.split('/')[4]}/{n[:12]}" for n in os.listdir(top) if os.path.isdir(os.path.join(top, n))]
        return found + list(self.network_left()) + list(self.files_left())

    def check_blobs(self):
        for algorithm in ("sha256", "sha512"):
            folder = os.path.join(self.root, "blobs", algorithm)
            for name in os.listdir(folder) if os.path.isdir(folder) else []:
                with open(os.path.join(folder, name), "rb") as f:
                    if hashlib.new(algorithm, f.read()).hexdigest() != name:
                        raise Failure(f"blob {name[:16]} is not what its name says")

    def check_empty(self):
        """Nothing is left, at once or within the time a process takes to end."""
        end = time.monotonic() + 30
        while True:
            found = self.left()
            if not found:
                break
            if time.monotonic() > end:
                raise Failure("left: " + "; ".join(found[:6]))
            time.sleep(0.01)
        self.check_blobs()


class Failure(Exception):
    pass


class Outcome:
    def __init__(self, status, out, err, fault, hang, lines):
        self.status, self.out, self.err, self.fault, self.hang, self.lines = status, out, err, fault, hang, lines


class Verb:
    """argv     what is broken: words after `hull`, or one text for sh
    setup    makes what it works on; begin: once, in a fresh place
    done     checks what a verb that says it succeeded must have done
    again    the next commands, after what ps lists was removed
    detach   the processes it leaves running are not waited for
    calls    names of those that fail one after the other in every run, whatever the sample is
    statuses what it may end with when it fails"""

    program = "hull"

    def __init__(self, name, argv, setup=None, done=None, again=None, begin=None, detach=False, statuses=(1, 125), ways=WAYS, keep=False,
                 one_line=True, calls=()):
        self.name, self.argv, self.setup, self.done, self.again, self.begin = name, argv, setup, done, again, begin
        self.detach, self.statuses, self.ways, self.keep, self.one_line, self.calls = detach, statuses, ways, keep, one_line, calls

    def command(self, place):
        argv = self.argv(place) if callable(self.argv) else self.argv
        return ["/bin/sh", "-c", argv] if isinstance(argv, str) else [HULL, *argv]

    def trace(self, place, *options):
        report = os.path.join(place.path, "report")
        out, err = (open(os.path.join(place.path, n), "w+") for n in ("out", "err"))
        with out, err:
            argv = [INJECT, "-o", report, "-t", str(LIMIT), "-x", BUILD, *(["-d"] if self.detach else []), *options, "--", *self.command(place)]
            try:
                status = subprocess.run(argv, env=place.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=LIMIT + 20).returncode
            except subprocess.TimeoutExpired:
                raise Failure("the tracer hangs") from None
            reap()
            out.seek(0)
            err.seek(0)
            with open(report) as f:
                lines = f.read().splitlines()
            fault = next((line[6:] for line in lines if line.startswith("fault ")), None)
            hang = "; ".join(line[5:] for line in lines if line.startswith("hang "))
            return Outcome(status, out.read(), err.read(), fault, hang, lines)

    def prepare(self, place):
        if not os.path.isdir(place.root) and self.begin:
            self.begin(place)
        if self.setup:
            self.setup(place)

    def points(self, place):
        """[(process, n)] for calls that fail, for kills, and for the calls that are broken in every run."""
        self.prepare(place)
        o = self.trace(place)
        if o.status != 0:
            raise Failure(f"without a fault: status {o.status}: {o.err.strip()}")
        if self.done:
            self.done(place, o)
        self.recover(place)
        fails, kills, always = [], [], []
        for line in o.lines:
            if not line.startswith("process "):
                continue
            _, process, _, *calls = line.split()
            failing = [c for c in calls if "!" not in c]
            # What comes before is the loader's, which says what it says.
            is_loaded = ("mmap?" in calls[:4] or calls[0].startswith("brk")) and "prlimit64" in failing[:30]
            first = failing.index("prlimit64") if is_loaded else 0
            fails += [(process, i + 1) for i in range(first, len(failing))]
            always += [(process, i + 1) for i, name in enumerate(failing) if name.strip("?") in self.calls]
            kills += [(process, i + 1) for i, _ in enumerate(c for c in calls if "?" not in c)]
        return {"-e": fails, "-E": fails, "-k": kills, "-K": kills, "always": always}

    def recover(self, place):
        ids = place.ok("ps", "-aq", "--no-trunc").split()
        if ids and not self.keep:
            place.ok("rm", "-f", "-v", *ids)
        if not self.keep:
            # Anonymous volumes of a create that was killed belong to nobody: docker's word for that.
            place.ok("volume", "prune", "-f")
        if self.again:
            self.again(place)
        if not self.keep:
            place.check_empty()

    def judge(self, way, o):
        if o.hang:
            raise Failure(f"hangs: {o.hang}")
        # The last is the shell's.
        lines = [line for line in o.err.splitlines() if line != "Killed"]
        if way in ("-k", "-K"):
            allowed = {0, 137, *self.statuses}
            if o.status not in allowed:
                raise Failure(f"status {o.status}")
        elif o.status not in (0, *self.statuses):
            if not any(w in o.err for w in LOADER):
                raise Failure(f"status {o.status}")
        if any(w in o.err for w in LOADER):
            return
        if any(not line.startswith(self.program + ": ") for line in lines):
            raise Failure("says something else")
        errors = [line for line in lines if not line.startswith(self.program + ": warning: ")]
        quiet = o.fault and o.fault.split()[2] in ("write", "writev")
        if len(errors) > (1 if self.one_line else 2) or (o.status not in (0, 137) and not errors and not quiet):
            raise Failure("not one line")

    def at(self, place, way, process, n, variant):
        o, place.way = None, way
        try:
            self.prepare(place)
            o = self.trace(place, "-p", process, "-n", str(n), way, "-v", str(variant))
            self.judge(way, o)
            if o.status == 0 and self.done and way in ("-e", "-E"):
                self.done(place, o)
            self.recover(place)
            return None
        except (Failure, subprocess.TimeoutExpired) as e:
            place.wipe()
            what = f"fault {o.fault}, status {o.status}, stderr {o.err.strip()!r}" if o else "before"
            return f"HULL_FAULT_AT='{process} {n} {way} {variant}': {e} ({what})"

    def sweep(self, way, make_place=Place):
        """As many points as asked for; all failures in one AssertionError."""
        need_tracer()
        with make_place() as place:
            all_points = self.points(place)
            found = all_points[way]
            where = os.environ.get("HULL_FAULT_AT")
            if where:
                process, n, its_way, variant = where.split()
                if its_way != way:
                    raise Skip("HULL_FAULT_AT is of another way")
                points = [(process, int(n), int(variant))]
            elif ALL:
                points = [(p, n, v) for p, n in found for v in (range(2) if way == "-e" else range(1))]
            else:
                chance = random.Random(f"{SEED} {self.name} {way}")
                points = [(p, n, chance.randrange(3)) for p, n in sorted(chance.sample(found, min(POINTS, len(found))))]
                points += [(p, n, 0) for p, n in all_points["always"] if way in ("-e", "-E")]
            failures = []
            for process, n, variant in points:
                why = self.at(place, way, process, n, variant)
                if why:
                    failures.append(why)
                    print("# " + why, flush=True)
            print(f"# {self.name}: {WAYS[way]}: {len(points)} of {len(found)} places")
            assert not failures, f"{len(failures)} of {len(points)} with HULL_FAULT_SEED={SEED}"


def tests(module, verbs):
    """A test_* function for each verb and way, into the module's globals."""
    for verb in verbs:
        for way, text in WAYS.items():
            if way in verb.ways:
                module[f"test_{verb.name}: {text}"] = lambda verb=verb, way=way: verb.sweep(way)
