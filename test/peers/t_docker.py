#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t_docker: the same commands given to docker and to hull, and what they print compared.

dockerd runs with its state in a temporary directory, without a bridge and without touching the firewall (bench/peers.py). Both
have the image box and containers of the same names. What differs on purpose is listed here, with the reason: a list that is
wrong, because the difference is gone, fails too.
"""

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(TOP, "bench"), os.path.join(TOP, "test/lib")]
import peers  # noqa: E402
import registry  # noqa: E402

HULL = os.environ.get("HULL", os.path.join(TOP, "build/src/cli/hull"))

# Keys that docker 20.10 has and hull has not.
LEFT_OUT = {
    "inspect": {
        r"\.HostConfig\.KernelMemory(TCP)?": "not of this API version any more",
        r"\.GraphDriver\.Data\.(LowerDir|MergedDir)": "a root is mounted where nobody else sees it",
    },
    "image inspect": {
        r"\.(Container|ContainerConfig|VirtualSize)(\..*)?": "not of this API version any more",
        r"\.GraphDriver\.Data\..*": "layers are stacked when a container starts",
    },
    "info": {
        r"\.(KernelMemory|KernelMemoryTCP|BridgeNf\w+)": "not of this API version any more, or about bridges",
        r"\.(NFd|NGoroutines|NEventsListener)": "there is no daemon to count in",
        r"\.(Containerd|Runc|Init)Commit(\..*)?": "no other programs are used",
        r"\.Runtimes\..*": "docker's names of runtimes",
        r"\.RegistryConfig\.(IndexConfigs|Allow).*": "docker.io is a registry like others",
        r"\.Swarm\..*|\.GenericResources": "there is no swarm",
        r"\.ClientInfo\..*": "there are no plugins",
    },
    "version": {r".*\.(BuildTime|GitCommit|GoVersion|Experimental|Platform)(\..*)?": "hull is no Go program, and has one version"},
    "ps": {}, "images": {}, "history": {}, "volume inspect": {}, "volume ls": {},
}

# Bad input: docker's status, which hull has too, and a word of its one line.
REFUSED = [
    (125, "memory", "run -m 12X box true"),
    (125, "6MB", "run -m 5m box true"),
    (125, "cpus", "run --cpus -1 box true"),
    (125, "2147483647", "run -u 4294967296 box true"),
    (125, "nobody-here", "run --rm -u nobody-here box true"),
    (125, "name", "run --name .. box true"),
    (125, "lower", "run UPPER/x:y true"),
    (125, "a/../b", "run a/../b true"),
    (125, "tag", "run box: true"),
    (125, "linux", "run --platform a/b/c/d box true"),
    (125, "no-such", "run --network no-such box true"),
    (125, "no-such", "run --pid container:no-such box true"),
    (125, "no-such", "run --volumes-from no-such box true"),
    (125, "/no-such", "run --mount type=bind,src=/no-such,dst=/x box true"),
    (125, "NO_SUCH", "run --cap-add NO_SUCH box true"),
    (125, "no-such", "run --security-opt seccomp=/no-such box true"),
    (125, "nofile", "run --ulimit nofile=5:1 box true"),
    (125, "vm.swappiness", "run --sysctl vm.swappiness=1 box true"),
    (125, "5000", "run --oom-score-adj 5000 box true"),
    (125, "cpuset-cpus", "run --cpuset-cpus 9999 box true"),
    (125, "cpuset-mems", "run --cpuset-mems 999 box true"),
    (125, "dns", "run --dns x box true"),
    (125, "add-host", "run --add-host x box true"),
    (125, "signal", "run --stop-signal FOO box true"),
    (125, "log-driver", "run --log-driver no-such box true"),
    (125, "log-opt", "run --log-opt no-such=1 box true"),
    (125, "unknown option", "run --no-such box"),
    (125, "up", "run --name up box true"),
    (126, "/etc", "run --rm box /etc"),
    (127, "no-such", "run --rm box no-such"),
    (126, "/etc", "exec up /etc"),
    (1, "no-such", "start no-such"),
    (1, "no-such", "stop no-such"),
    (1, "no-such", "kill no-such"),
    (1, "no-such", "rm no-such"),
    (1, "no-such", "logs no-such"),
    (1, "no-such", "inspect no-such"),
    (1, "no-such", "rmi no-such"),
    (1, "no-such", "tag no-such x:y"),
    (1, "no-such", "history no-such"),
    (1, "no-such", "volume rm no-such"),
    (1, "running", "rm up"),
    (1, "not running", "kill down"),
    (1, "not running", "exec down true"),
    (1, "not paused", "unpause up"),
    (1, "fresh", "rename up fresh"),
    (1, "use", "rmi box"),
    (1, "no-such", "load -i /no-such"),
    (1, "tar", "load -i /etc/passwd"),
]

# What both print, to the byte.
SAME = """
run --rm box echo hello
run --rm --network none box sh -c 'exit 7'
run --rm --network none -u nobody:daemon box id
run --rm --network none -u 5 --group-add audio box id
run --rm --network none -u :5 box id
run --rm --network none -w /made/here box pwd
run --rm --network none --entrypoint /bin/echo box a b
run --rm --network none --hostname h.d --domainname d box sh -c 'hostname; cat /proc/sys/kernel/domainname'
run --rm --network none --shm-size 1m box df -k /dev/shm
run --rm --network none --tmpfs /t:size=1m,mode=700,uid=5 box stat -c '%a %u' /t
run --rm --network none --mount type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1700 box stat -c '%a' /x
run --rm --network none --cap-add NET_ADMIN --cap-drop ALL box grep Cap /proc/self/status
run --rm --network none box grep -E 'Cap|Sig[BC]|NoNewPrivs|Seccomp:' /proc/self/status
run --rm --network none --security-opt seccomp=unconfined box grep Seccomp: /proc/self/status
run --rm --network none --security-opt no-new-privileges box grep NoNewPrivs /proc/self/status
run --rm --network none --ulimit nofile=100:200 box sh -c 'ulimit -n; ulimit -Hn'
run --rm --network none --sysctl kernel.msgmax=9000 box cat /proc/sys/kernel/msgmax
run --rm --network none --oom-score-adj 500 box cat /proc/self/oom_score_adj
run --rm --network none --cpuset-cpus 0 box grep Cpus_allowed_list /proc/self/status
run --rm --network none --device /dev/null:/dev/n2:r box stat -c '%F %t,%T %a' /dev/n2
run --rm --network none --ipc none box ls -d /dev/shm
run --rm --network none -v kept:/data box stat -c '%a %u:%g' /data
run --rm --network none -v kept:/data:ro box touch /data/x
run --rm --network none --read-only box touch /x
run --rm --network none -t box tty
run --rm --network none -a stdout box sh -c 'echo out; echo err >&2'
run --rm --network host --uts host box hostname
run --rm --network none box sh -c 'ulimit -c; umask; ls -ld / /tmp /dev /proc /sys /root | cut -c 1-10'
exec up sh -c 'exit 9'
exec up sh -c 'kill -9 $$'
exec -u nobody up id
exec -t up tty
exec up sh -c 'echo $HOME; pwd'
ps --format '{{.Names}}'
ps -a --format '{{.Names}} {{.Image}} {{.Command}} {{.State}}'
ps -a --filter name=^/up$ --format '{{.Names}}'
ps -a --filter 'name=^(up|down)$' --format '{{.Names}}'
ps -a --filter name=.p --format '{{.Names}}'
ps -a --filter exited=3 --format '{{.Names}}'
ps -a --filter label=tier=web --format 'table {{.Names}}\\t{{.Label "tier"}}'
ps -a --filter status=created --format '{{.Names}}'
ps -a --filter ancestor=no-such
ps -a --filter since=up --format '{{.Names}}'
images
images --digests
images --no-trunc
images --filter dangling=true
images --filter reference=*o* -q
history box
history --no-trunc -q box
logs down
logs --tail 0 down
wait down
inspect -f '{{.Name}} {{.Path}} {{.Args}} {{.State.ExitCode}} {{.Config.Image}} {{json .Config.Labels}}' down
inspect -f '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}{{if .State.Running}}up{{else}}down{{end}}' up
inspect -f '{{.HostConfig.Binds}} {{json .HostConfig.CapAdd}} {{.HostConfig.RestartPolicy.Name}} {{len .Mounts}}' up
image inspect -f '{{.Os}}/{{.Architecture}} {{.Config.Cmd}} {{.RootFS.Type}} {{.Id}} {{.Created}}' box
volume ls
rename fresh fresher
rename fresher fresh
pause up
unpause up
kill -s USR2 up
stop down
rm -f no-such
"""


def docker_and_hull():
    """Set up at the first call, for all tests."""
    if not hasattr(docker_and_hull, "both"):
        if os.geteuid() != 0:
            raise registry.Skip("needs root")
        work = tempfile.mkdtemp(prefix="hull-peers.")
        args = types.SimpleNamespace(hull=HULL, image=None, containers=0)
        both = peers.Docker(work, args), peers.Hull(work, args)
        gone = both[0].missing()
        if gone:
            shutil.rmtree(work)
            raise registry.Skip(gone)
        atexit.register(lambda: (both[0].teardown(), both[1].teardown(), shutil.rmtree(work, ignore_errors=True)))
        try:
            both[0].setup()
        except SystemExit as e:
            raise registry.Skip(f"dockerd does not start here: {str(e).splitlines()[-1]}")
        both[1].setup()
        for engine in both:
            for line in ("run -d --name up --network none -e A=b -l tier=web box sleep 1000",
                         "run --name down --network none -l tier=db box sh -c 'echo out; exit 3'",
                         "create --name fresh --network none box true", "volume create kept"):
                do(engine, line)
        docker_and_hull.both = both
    return docker_and_hull.both


def do(engine, line):
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    return subprocess.run(engine.cmd(*words), env=engine.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def keys(value, path=""):
    """{path of a key: type of what is there}"""
    found = {}
    if isinstance(value, dict):
        for k, v in value.items():
            found[f"{path}.{k}"] = type(v).__name__ if v is not None else None
            found.update(keys(v, f"{path}.{k}"))
    elif isinstance(value, list):
        for v in value[:1]:
            found.update(keys(v, path))
    return found


def compare_keys(what, line):
    docker, hull = (keys([json.loads(text) for text in [do(e, line).stdout.splitlines()[0]]]) for e in docker_and_hull())
    missing = [k for k in docker if k not in hull]
    reasons = {pattern: [k for k in missing if re.fullmatch(pattern, k)] for pattern in LEFT_OUT[what]}
    unexplained = [k for k in missing if not any(k in found for found in reasons.values())]
    assert not unexplained, f"docker has {unexplained}"
    idle = [pattern for pattern, found in reasons.items() if not found]
    assert not idle, f"not left out any more: {idle}"
    numbers = {"int", "float"}
    other = [(k, docker[k], hull[k]) for k in docker if k in hull and docker[k] and hull[k] and docker[k] != hull[k]
             and not {docker[k], hull[k]} <= numbers]
    assert not other, f"of another type: {other}"


def test_keys_of_containers():
    for name in ("up", "down", "fresh"):
        compare_keys("inspect", f"inspect -f '{{{{json .}}}}' {name}")


def test_keys_of_images():
    compare_keys("image inspect", "image inspect -f '{{json .}}' box")


def test_keys_of_the_machine():
    compare_keys("info", "info -f '{{json .}}'")
    compare_keys("version", "version -f '{{json .}}'")


def test_keys_of_lists():
    compare_keys("ps", "ps -a --format '{{json .}}'")
    compare_keys("images", "images --format '{{json .}}'")
    compare_keys("history", "history --format '{{json .}}' box")
    compare_keys("volume ls", "volume ls --format '{{json .}}'")
    compare_keys("volume inspect", "volume inspect -f '{{json .}}' kept")


def test_what_is_printed():
    wrong = []
    for line in SAME.strip().splitlines():
        docker, hull = (do(e, line) for e in docker_and_hull())
        if (docker.stdout, docker.returncode) != (hull.stdout, hull.returncode):
            wrong.append(f"{line}\n  docker {docker.returncode}: {docker.stdout!r} {docker.stderr[:200]!r}\n"
                         f"  hull   {hull.returncode}: {hull.stdout!r} {hull.stderr[:200]!r}")
    assert not wrong, "\n".join(wrong)


def test_what_is_refused():
    wrong = []
    for status, word, line in REFUSED:
        docker, hull = (do(e, line) for e in docker_and_hull())
        if docker.returncode != status or hull.returncode != status:
            wrong.append(f"{line}: docker {docker.returncode} {docker.stderr[:200]!r}, hull {hull.returncode} {hull.stderr!r}")
        elif len(hull.stderr.splitlines()) != 1 or not hull.stderr.startswith("hull: ") or word not in hull.stderr:
            wrong.append(f"{line}: not one line with {word!r}: {hull.stderr!r}")
    for engine in docker_and_hull():
        left = do(engine, "ps -a --format '{{.Names}} {{.Status}}'").stdout.splitlines()
        # docker forgets a container that --rm was said of only when it was started.
        if engine.name == "hull" and sorted(n.split()[0] for n in left) != ["down", "fresh", "up"]:
            wrong.append(f"left: {left}")
    assert not wrong, "\n".join(wrong)


if __name__ == "__main__":
    registry.run(globals())
