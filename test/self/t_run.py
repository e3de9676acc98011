#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_run: test/run itself, in a tree that has nothing but a few suites which pass, fail, or fail the first time only."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A suite: the lines of its first run, and of every later one; "exit N" ends it, "sleep N" sleeps.
SUITE = """import os, sys, time
mark = __file__ + ".ran"
lines = {again!r} if os.path.exists(mark) else {first!r}
open(mark, "a").write("x")
for line in lines:
    word, _, number = line.partition(" ")
    if word == "exit":
        sys.exit(int(number))
    time.sleep(int(number)) if word == "sleep" else print(line, flush=True)
"""
GOOD, BAD = ["ok 1 a", "ok 2 b", "1..2"], ["ok 1 a", "not ok 2 b", "1..2"]


class Tree:
    def __init__(self, suites, rule="exit 0", units=1):
        self.top = tempfile.mkdtemp(prefix="hull-self.")
        for folder in ("script", "doc", "bin", "test/fault", "build"):
            os.makedirs(os.path.join(self.top, folder))
        shutil.copy(os.path.join(TOP, "test/run"), os.path.join(self.top, "test/run"))
        shutil.copytree(os.path.join(TOP, "test/lib"), os.path.join(self.top, "test/lib"))
        self.write("README.md", "")
        for name in ("check-layers", "check-size", "check-names", "check-layout", "check-shell"):
            self.write("script/" + name, f"#!/bin/sh\n{rule if name == 'check-size' else 'exit 0'}\n")
        tests = [{"name": f"t_{i}", "cmd": ["sh", "-c", "echo ok 1 u; echo 1..1"], "env": {}} for i in range(units)]
        self.write("bin/meson", f"#!/bin/sh\ncat <<'E'\n{json.dumps(tests)}\nE\n")
        for name, (first, again) in suites.items():
            self.write(f"test/fault/t_{name}.py", SUITE.format(first=first, again=again))

    def write(self, name, text):
        path = os.path.join(self.top, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)

    def run(self, *words, before=()):
        env = dict(os.environ, PATH=os.path.join(self.top, "bin") + ":" + os.environ["PATH"])
        done = subprocess.run([*before, sys.executable, "test/run", *words], cwd=self.top, env=env, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.splitlines()

    def runs(self, name):
        mark = os.path.join(self.top, f"test/fault/t_{name}.py.ran")
        return os.path.getsize(mark) if os.path.exists(mark) else 0


def expect(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, not {want!r}")


def steady(tree):
    status, lines = tree.run("fault")
    expect("last line", lines[-1], "2 passed, 0 failed, 0 skipped")
    expect("status", status, 0)
    expect("runs", tree.runs("good"), 1)


def unsteady(tree):
    status, lines = tree.run("fault")
    expect("last lines", lines[-2:], ["unsteady: fault/t_flaky.py: b (passed when run again alone)", "4 passed, 0 failed, 0 skipped"])
    expect("status", status, 0)
    expect("runs", (tree.runs("good"), tree.runs("flaky")), (1, 2))


def twice(tree):
    status, lines = tree.run("fault")
    expect("last lines", lines[-2:], ["failed: fault/t_bad.py: b", "3 passed, 1 failed, 0 skipped"])
    expect("status and runs", (status, tree.runs("bad"), tree.runs("good")), (1, 2, 1))


def reasons(tree):
    """What a suite says of a test, before its line or behind it, stands below its name."""
    status, lines = tree.run("--no-retry", "fault")
    at = lines.index("  FAILED: b")
    expect("lines", lines[at + 1:at + 4], ["    # before", "    # behind", "failed: fault/t_says.py: b"])


def turns(tree):
    """One test fails at first, another one then: neither failed twice."""
    status, lines = tree.run("fault")
    expect("last lines", lines[-3:], ["unsteady: fault/t_turns.py: a (passed when run again alone)",
                                      "unsteady: fault/t_turns.py: b (failed when run again alone)",
                                      "2 passed, 0 failed, 0 skipped"])
    expect("status", status, 0)


def breaks_off(tree):
    """A suite that ends in the middle has no name for it."""
    status, lines = tree.run("fault")
    expect("unsteady", [line for line in lines if line.startswith("unsteady")],
           ["unsteady: fault/t_once.py: fault/t_once.py: 1 of 2 tests ran, status 0 (passed when run again alone)"])
    failed = [line for line in lines if line.startswith("failed: ")]
    expect("failed", failed, ["failed: fault/t_always.py: fault/t_always.py: 1 of 2 tests ran, status 3",
                              "failed: fault/t_worse.py: fault/t_worse.py: 1 of 2 tests ran, status 0",
                              "failed: fault/t_worse.py: b"])
    expect("status", status, 1)


def skipped_then(tree):
    """What is skipped the second time did not pass."""
    status, lines = tree.run("fault")
    expect("last lines", lines[-2:], ["failed: fault/t_skips.py: b", "1 passed, 1 failed, 1 skipped"])
    expect("status", status, 1)


def many(tree):
    status, lines = tree.run("fault")
    expect("last line", lines[-1], "6 passed, 6 failed, 0 skipped")
    expect("status and runs", (status, [tree.runs(str(i)) for i in range(6)]), (1, [1] * 6))


def no_retry(tree):
    status, lines = tree.run("--no-retry", "fault")
    expect("last lines", lines[-2:], ["failed: fault/t_flaky.py: b", "1 passed, 1 failed, 0 skipped"])
    expect("status and runs", (status, tree.runs("flaky")), (1, 1))


def rule(tree):
    status, lines = tree.run("rules/check-size")
    expect("last lines", lines[-2:], ["failed: rules/check-size: rules/check-size", "0 passed, 1 failed, 0 skipped"])
    expect("status", status, 1)
    with open(os.path.join(tree.top, "ran")) as f:
        expect("runs of the rule", f.read(), "x\n")


def in_time(tree):
    """What is still running when the time of the whole is over ends then; what has not begun does not begin."""
    status, lines = tree.run("--limit", "4", "--jobs", "1", "fault")
    expect("status", status, 1)
    expect("runs of the second", tree.runs("2"), 0)
    expect("said", [any(text in line for line in lines) for text in ("no end after", "t_2.py: not run: 4 s for the whole are over")],
           [True, True])


def told_to_end(tree):
    """SIGTERM: the suites that run end with it, others do not begin."""
    run = subprocess.Popen([sys.executable, "test/run", "--jobs", "1", "fault"], cwd=tree.top, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, PATH=os.path.join(tree.top, "bin") + ":" + os.environ["PATH"]))
    while not tree.runs("1"):
        time.sleep(0.05)
    run.terminate()
    expect("status", run.wait(100), 143)
    expect("runs of the second", tree.runs("2"), 0)


def machines(tree):
    """--vm some: the cases of a machine run in it together; a machine that cannot be had is skipped, what fails in one is not."""
    os.makedirs(os.path.join(tree.top, "test/vm/cases"))
    for name, where in (("a", "v2+ v2:tester"), ("b", "native v2+"), ("c", "v2")):
        tree.write(f"test/vm/cases/{name}.bats", f"# machines: {where}\n")
    tree.write("test/vm/run", "print('ok 1 a\\n1..1')\n")
    expect("good", tree.run("--vm", "some", "vm/")[1][-1], "1 passed, 0 failed, 0 skipped")
    lines = tree.run("--vm", "some", "fault", "vm/")[1]
    expect("machines come after second runs", [line.split()[0] for line in lines if "passed" in line][:3],
           ["fault/t_flaky.py", "fault/t_flaky.py", "vm/v2/some"])
    tree.write("test/vm/run", "import sys; print('run: there is no QEMU')\n"
               "sys.exit(125 if sys.argv[-1].endswith(' test/vm/cases/a.bats test/vm/cases/b.bats') else 0)\n")
    expect("no machine", tree.run("--vm", "some", "fault", "vm/")[1][-2:], ["skipped: run: there is no QEMU: 1 (vm/v2/some: vm/v2/some)",
           "2 passed, 0 failed, 1 skipped"])
    tree.write("test/vm/cases/d.bats", "# machines: v1+\n")
    tree.write("test/vm/run", "import sys; open('asked', 'a').write('x'); print('run: there is no QEMU'); sys.exit(125)\n")
    expect("no machine for the next either", tree.run("--vm", "some", "vm/")[1][-2:], ["skipped: run: there is no QEMU: 2 (vm/v2/some: vm/v2/some, …)",
           "0 passed, 0 failed, 2 skipped"])
    expect("asked for", os.path.getsize(tree.top + "/asked"), 1)
    os.unlink(tree.top + "/test/vm/cases/d.bats")
    tree.write("test/vm/run", "import time; time.sleep(600)\n")
    lines = tree.run("--vm", "some", "--limit", "4", "vm/")[1]
    expect("slow", (lines[-2].startswith("skipped: no end after "), "; the load of this machine is " in lines[-2], lines[-1]),
           (True, True, "0 passed, 0 failed, 1 skipped"))
    # One fails at first, the next has no end: the first has its second try all the same.
    tree.write("test/vm/cases/d.bats", "# machines: v1+\n")
    tree.write("test/vm/run", "import os, sys, time\nv2 = sys.argv[2] == 'v2'\nagain = os.path.exists('again')\nopen('again', 'w')\n"
               "print(('not ' if not again else '') + 'ok 1 a\\n1..1', flush=True) if v2 else time.sleep(600)\n")
    with open(os.path.join(tree.top, "test/run")) as f:
        tree.write("test/run", re.sub(r"^MACHINES = \d+", "MACHINES = 6", f.read(), flags=re.M))
    lines = tree.run("--vm", "some", "vm/")[1]
    expect("a second try", (lines[-1], any("unsteady: vm/v2/some: a" in line for line in lines)), ("1 passed, 0 failed, 1 skipped", True))
    os.unlink(tree.top + "/test/vm/cases/d.bats")
    tree.write("test/vm/run", "print('not ok 1 a\\n1..1')\n")
    expect("bad", tree.run("--vm", "some", "vm/")[1][-1], "0 passed, 1 failed, 0 skipped")


# A root that is no mount point, with everything mounted in it.
CHROOT = """set -eu
root=$(mktemp -d "$PWD/root.XXXXXX")
for d in /*; do
    if [ -L "$d" ]; then cp -P "$d" "$root/"; elif [ -d "$d" ]; then mkdir "$root$d" && mount --rbind "$d" "$root$d"; fi
done
exec chroot "$root" sh -c 'cd "$1" && shift && exec "$@"' sh "$PWD" "$@"
"""


def in_chroot(tree):
    status, lines = tree.run("fault", before=["unshare", "--mount", "--propagation", "private", "sh", "-c", CHROOT, "sh"])
    expect("last line", lines[-1], "2 passed, 0 failed, 0 skipped")
    expect("status", status, 0)


def no_units(tree):
    status, lines = tree.run("--quick")
    expect("status", status, 1)
    expect("lines", ["no unit tests" in lines[-1], len(lines)], [True, 1])


CASES = [
    ("all that passes runs once", steady, Tree({"good": (GOOD, BAD)})),
    ("what passes when it is run again is unsteady, not failed", unsteady, Tree({"good": (GOOD, BAD), "flaky": (BAD, GOOD)})),
    ("what fails twice failed", twice, Tree({"good": (GOOD, BAD), "bad": (BAD, BAD)})),
    ("why a test failed", reasons, Tree({"says": (["# of a", "ok 1 a", "# before", "not ok 2 b", "# behind", "1..2"],) * 2})),
    ("no test failed twice", turns, Tree({"turns": (["not ok 1 a", "ok 2 b", "1..2"], BAD)})),
    ("suites that break off", breaks_off, Tree({
        "once": (["ok 1 a", "1..2"], GOOD), "always": (["ok 1 a", "1..2", "exit 3"],) * 2, "worse": (["ok 1 a", "1..2"], BAD)})),
    ("a test that is skipped the second time stays failed", skipped_then, Tree({"skips": (BAD, ["ok 1 a", "ok 2 b # SKIP x", "1..2"])})),
    ("with six suites that failed nothing runs again", many, Tree({str(i): (BAD, GOOD) for i in range(6)})),
    ("--no-retry", no_retry, Tree({"flaky": (BAD, GOOD)})),
    ("a rule gets no second chance", rule, Tree({}, rule='echo x >>ran; [ "$(wc -l <ran)" -gt 1 ]')),
    ("the time of the whole is over", in_time, Tree({"1": (["sleep 300"],) * 2, "2": (["sleep 300"],) * 2})),
    ("told to end", told_to_end, Tree({"1": (["sleep 300"],) * 2, "2": (["sleep 300"],) * 2})),
    ("machines", machines, Tree({"flaky": (BAD, GOOD)})),
    *([("in a chroot", in_chroot, Tree({"good": (GOOD, BAD)}))] if os.geteuid() == 0 else []),
    ("no unit tests at all is a failure", no_units, Tree({}, units=0)),
]

failures = 0
print(f"1..{len(CASES)}")
for number, (name, check, tree) in enumerate(CASES, 1):
    try:
        check(tree)
        print(f"ok {number} {name}", flush=True)
    except AssertionError as e:
        failures += 1
        print(f"not ok {number} {name}\n# {e}", flush=True)
    shutil.rmtree(tree.top, ignore_errors=True)
sys.exit(1 if failures else 0)
