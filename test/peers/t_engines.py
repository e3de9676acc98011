#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_engines: dockerd, podman and containerd with hull-runtime as their OCI runtime, beside the same with runc.

Every line is given to the engine twice, once with each runtime; output and exit status must be equal. Engines are those that
are installed; they run with state in a temporary directory, without a bridge and without touching the firewall (bench/peers.py).
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(TOP, "bench"), os.path.join(TOP, "test/lib")]
import measure  # noqa: E402
import peers  # noqa: E402
import registry  # noqa: E402

HULL = os.environ.get("HULL", os.path.join(TOP, "build/src/cli/hull"))
RUNTIME = os.path.join(os.path.dirname(os.path.abspath(HULL)), "hull-runtime")

# docker's and podman's words alike; @ stands for the container that runs, $RUN for `run --rm --network none`.
LINES = r"""
$RUN box echo hello
$RUN box sh -c 'exit 7'
$RUN box sh -c 'kill -9 $$'
$RUN -i box cat <<< words
$RUN -t box tty
$RUN -u 1000:1000 --group-add 5 box id
$RUN -w /made/here box pwd
$RUN --hostname h.d box hostname
$RUN --cap-add NET_ADMIN --cap-drop CHOWN box grep Cap /proc/self/status
$RUN box grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status
$RUN --security-opt seccomp=unconfined box grep Seccomp: /proc/self/status
$RUN --security-opt no-new-privileges box grep NoNewPrivs /proc/self/status
$RUN --ulimit nofile=100:200 box sh -c 'ulimit -n; ulimit -Hn'
$RUN --sysctl kernel.msgmax=9000 box cat /proc/sys/kernel/msgmax
$RUN --oom-score-adj 500 box cat /proc/self/oom_score_adj
$RUN --cpuset-cpus 0 box grep Cpus_allowed_list /proc/self/status
$RUN --device /dev/null:/dev/n2:r box stat -c '%F %t,%T %a' /dev/n2
$RUN --read-only box touch /x
$RUN --tmpfs /t:size=1m,mode=700 box stat -c '%a %u' /t
$RUN -v /etc:/host:ro box sh -c 'ls -d /host/passwd; touch /host/x'
$RUN --pid host box sh -c 'test $$ -gt 1 && echo host'
$RUN --init box ps -o args
$RUN box sh -c 'ls -l /dev | sed s/.*:..// | sort'
$RUN box sh -c 'grep -v " / / " /proc/self/mountinfo | cut -d" " -f5,6 | grep -vE "^/sys/fs/cgroup|^/proc/[akt]|^/sys/(firmware|dev)" | sort'
$RUN box sh -c 'for c in cpu memory pids devices freezer blkio; do touch /sys/fs/cgroup/$c/x 2>&1; done'
$RUN box sh -c 'cat /proc/kcore | head -c 1; echo x > /proc/sys/kernel/domainname; ls /sys/firmware'
$RUN box sh -c 'ls -l /proc/self/fd | wc -l'
$RUN box sh -c 'env | grep -v HOSTNAME | sort'
$RUN -m 64m --memory-swap 64m box cat /sys/fs/cgroup/memory/memory.limit_in_bytes
$RUN --pids-limit 33 box cat /sys/fs/cgroup/pids/pids.max
$RUN --cpus 0.5 box cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
$RUN --stop-signal USR1 box true
run -d --name @ --network none box sh -c 'trap "echo usr; exit 4" USR1; while :; do sleep 0.1; done'
exec @ echo in
exec @ sh -c 'exit 3'
exec -u 5:6 @ id
exec -w /tmp @ pwd
exec -e A=b @ sh -c 'echo $A'
exec -t @ tty
exec -i @ cat <<< words
exec @ no-such
exec @ /etc
pause @
inspect -f '{{.State.Status}}' @
exec @ true
unpause @
update -m 32m --memory-swap 32m @
exec @ cat /sys/fs/cgroup/memory/memory.limit_in_bytes
update --cpu-shares 512 @
top @ -eo args
kill -s USR1 @
wait @
logs @
start @
exec @ echo again
stop -t 1 @
inspect -f '{{.State.Status}} {{.State.ExitCode}}' @
restart -t 1 @
exec @ echo restarted
rm -f @
$RUN box no-such
$RUN box /etc
$RUN -v /no-such/x:/x:ro,z --security-opt no-such box true
"""

# What the two runtimes may say in other words: only the status is compared.
STATUS_ALONE = re.compile(r"no-such|box /etc|exec @ /etc|exec @ true|^update|touch")


def command(engine, line, runtime, name):
    line = line.replace("$RUN", "run --rm --network none").replace("@", name)
    stdin = None
    if "<<<" in line:
        line, stdin = line.split("<<<")
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    argv = engine.with_runtime(words, runtime)
    p = subprocess.run(argv, env=engine.env, input=f"{stdin.strip()}\n" if stdin else "", capture_output=True, text=True, timeout=90)
    # A container's id is nobody's to foresee.
    out = re.sub(r"\b[0-9a-f]{64}\b", "ID", p.stdout).replace(name, "@")
    # A busybox that ps meets between its fork and its end of execve is shown so.
    return p.returncode, re.sub(r"^\{\w+\} ", "", out, flags=re.M), p.stderr


class Docker(peers.Docker):
    runtimes = {"runc": "runc", "hull": "hull"}

    def start(self, *argv):
        if argv[0] == "dockerd":
            argv = (*argv, "--add-runtime", f"hull={RUNTIME}", "--exec-opt", "native.cgroupdriver=cgroupfs")
        return super().start(*argv)

    def with_runtime(self, words, runtime):
        more = ["--runtime", self.runtimes[runtime]] if words[0] == "run" else []
        return self.cmd(words[0], *more, *words[1:])


class Podman(peers.Podman):
    def with_runtime(self, words, runtime):
        more = list(self.run_options) if words[0] == "run" else []
        path = RUNTIME if runtime == "hull" else shutil.which("runc")
        return [*self.base, "--runtime", path, words[0], *more, *words[1:]]


class Containerd(peers.Docker):
    """containerd alone, by ctr."""
    name, programs = "containerd", ("containerd", "ctr", "runc")

    def setup(self):
        os.makedirs(self.dir)
        self.children = [self.start("containerd", "--root", self.dir + "/ctd", "--state", self.run + "/ctd", "--address", self.dir + "/ctd.sock")]
        self.wait(lambda: os.path.exists(self.dir + "/ctd.sock"))
        self.base = ("ctr", "-a", self.dir + "/ctd.sock")
        peers.docker_archive(self.box, self.dir + "/box.tar")
        self.do("images", "import", "--base-name", "box", self.dir + "/box.tar")
        self.image = self.do("images", "ls", "-q").split()[0]

    def do_all(self, path):
        """What ctr says of one container from start to end."""
        def ctr(*words, wait=True):
            p = subprocess.run([*self.base, *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
            said.append((words[0:2], p.returncode, re.sub(r"c-\w+", "c", p.stdout)))
            return p
        said = []
        name = "c-" + os.path.basename(path).replace("-", "")
        how = ["run", "--runc-binary", path, "--runc-root", f"{self.run}/{name}"]
        ctr(*how, "--rm", self.image, name, "echo", "hello")
        ctr(*how, "--rm", self.image, name, "sh", "-c", "exit 7")
        ctr(*how, "--rm", "--memory-limit", "67108864", self.image, name, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        # A pipe of ours must not stay open in the container.
        with open(os.path.join(self.dir, "out"), "w") as out:
            subprocess.run([*self.base, *how, "--detach", self.image, name, "sleep", "1000"], env=self.env, stdin=subprocess.DEVNULL,
                           stdout=out, stderr=out, check=True, timeout=90)
        ctr("tasks", "exec", "--exec-id", "e1", name, "echo", "in")
        ctr("tasks", "exec", "--exec-id", "e2", name, "sh", "-c", "exit 3")
        ctr("tasks", "pause", name)
        said.append(self.status(name))
        ctr("tasks", "resume", name)
        said.append(self.status(name))
        said.append(len(ctr("tasks", "ps", name).stdout.splitlines()))
        said.pop(-2)
        ctr("tasks", "metrics", "--format", "json", name)
        said[-1] = said[-1][:2]
        ctr("tasks", "kill", "-s", "KILL", name)
        for _ in range(300):
            if self.status(name) == "STOPPED":
                break
            time.sleep(0.1)
        ctr("tasks", "delete", name)
        ctr("containers", "delete", name)
        return said

    def status(self, name):
        rows = self.do("tasks", "ls").splitlines()
        return next((row.split()[2] for row in rows if row.split()[0] == name), None)

    def teardown(self):
        if self.base and self.pids:
            for name in self.do("tasks", "ls", "-q", check=False).split():
                self.do("tasks", "delete", "-f", name, check=False)
        super().teardown()


def engine_of(make):
    if os.geteuid() != 0:
        raise registry.Skip("needs root")
    work = tempfile.mkdtemp(prefix="hull-engines.")
    engine = make(work, types.SimpleNamespace(hull=HULL, image=None, containers=0))
    gone = engine.missing() or (None if shutil.which("runc") else "not installed: runc")
    if gone:
        shutil.rmtree(work)
        raise registry.Skip(gone)
    atexit.register(lambda: (engine.teardown(), measure.reap_all(), shutil.rmtree(work, ignore_errors=True)))
    try:
        engine.setup()
    except SystemExit as e:
        raise registry.Skip(f"{engine.name} does not start here: {str(e).splitlines()[-1]}")
    return engine


def compare(engine):
    wrong = []
    for line in LINES.strip().splitlines():
        runc, hull = (command(engine, line, r, "c" + r) for r in ("runc", "hull"))
        same = runc[0] == hull[0] if STATUS_ALONE.search(line) else runc[:2] == hull[:2]
        if not same:
            wrong.append(f"{line}\n  runc {runc[0]}: {runc[1]!r} {runc[2][:300]!r}\n  hull {hull[0]}: {hull[1]!r} {hull[2][:300]!r}")
    assert not wrong, "\n".join(wrong)


def test_docker():
    compare(engine_of(Docker))


def test_podman():
    compare(engine_of(Podman))


def test_containerd():
    engine = engine_of(Containerd)
    runc, hull = (engine.do_all(path) for path in (shutil.which("runc"), RUNTIME))
    wrong = [f"runc {a!r}\n  hull {b!r}" for a, b in zip(runc, hull) if a != b]
    assert not wrong and len(runc) == len(hull), "\n".join(wrong)


if __name__ == "__main__":
    measure.adopt_orphans()
    registry.run(globals())
