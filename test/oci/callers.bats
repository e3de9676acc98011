#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What callers hand over by other ways than options: sockets and a notify socket of systemd's kind, annotations of crun's.
# machines: native v2

load ../lib/oci
setup_file() { oci_setup; }
teardown_file() { oci_teardown; }

@test "LISTEN_FDS: sockets of the caller go into the container, with the words that say so" {
    bundle listen '.process.args = ["sh", "-c", "env | grep LISTEN | sort; cat /proc/self/fd/3 /proc/self/fd/4; ls /proc/self/fd | tr \"\\n\" \" \""]
        | .process.env += ["LISTEN_FDS=9"]'
    echo one >one
    echo two >two
    run -0 sh -c 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b exec "$OCI" --root "$OCI_ROOT" run -b "$OCI_DIR/listen" listen 3<one 4<two 5<one'
    [ "${lines[*]}" = "LISTEN_FDNAMES=a:b LISTEN_FDS=2 LISTEN_PID=1 one two 0 1 2 3 4 5 " ]
    # One more by --preserve-fds, behind them; without LISTEN_PID they are ours.
    run -0 sh -c 'LISTEN_FDS=1 exec "$OCI" --root "$OCI_ROOT" run --preserve-fds 1 -b "$OCI_DIR/listen" listen2 3<one 4<two 5<one'
    [ "${lines[*]}" = "LISTEN_FDS=1 LISTEN_PID=1 one two 0 1 2 3 4 5 " ]
    # They were for another process.
    bundle others '.process.args = ["sh", "-c", "env | grep LISTEN; ls /proc/self/fd | tr \"\\n\" \" \""]'
    run -0 sh -c 'LISTEN_PID=1 LISTEN_FDS=2 exec "$OCI" --root "$OCI_ROOT" run -b "$OCI_DIR/others" others 3<one 4<two'
    [ "$output" = "0 1 2 3 " ]
    LISTEN_FDS=x oci_refuses 1 'LISTEN_FDS' run -b "$OCI_DIR/others" others
}

@test "a file that is to be preserved and is not open is never one of ours" {
    bundle leak '.process.args = ["ls", "/proc/self/fd"]'
    run -1 sh -c 'exec 3<&- 4<&- 5<&- 6<&-; "$OCI" --root "$OCI_ROOT" run --preserve-fds 3 -b "$OCI_DIR/leak" leak'
    [[ $output == *"file descriptor 3 is to be preserved, but it is not open" ]]
    start leak2
    for n in 1 2 3 4 5 6 7 8 9; do
        run -255 sh -c "exec 3<&- 4<&- 5<&- 6<&-; \"\$OCI\" --root \"\$OCI_ROOT\" exec --preserve-fds $n leak2 ls -l /proc/self/fd"
        [[ $output == *"is not open" ]]
    done
}

# Everything about NOTIFY_SOCKET that one Python program looks at.
notify() {
    python3 - "$OCI" "$OCI_ROOT" "$OCI_DIR" <<'E'
import os, signal, socket, subprocess, sys, time
oci, root, top = sys.argv[1:4]
def run(*words, **more):
    if words[0] != "exec":
        return subprocess.run([oci, "--root", root, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60, **more)
    return subprocess.run([oci, "--root", root, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, text=True, **more).stdout
def state(name, key):
    import json
    out = subprocess.run([oci, "--root", root, "state", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return json.loads(out)[key] if out else None
def wait_for(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)
host = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
host.settimeout(30)
def listen(path):
    global host
    host = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    host.settimeout(30)
    host.bind(path)
    return dict(os.environ, NOTIFY_SOCKET=path.replace("\0", "@"))
def bundle(name):
    import json, shutil
    shutil.copytree(f"{top}/notify", f"{top}/n-{name}", symlinks=True)
    config = json.load(open(f"{top}/n-{name}/config.json"))
    config["linux"]["cgroupsPath"] += "-" + name
    json.dump(config, open(f"{top}/n-{name}/config.json", "w"))
    return f"{top}/n-{name}"
def begin(env, *words):
    return subprocess.Popen([oci, "--root", root, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
def say(name, text):
    wait_for(lambda: state(name, "status") == "running")
    path = f"/proc/{state(name, 'pid')}/root/run/notify/notify.sock"
    wait_for(lambda: os.path.exists(path))
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect(path)
    s.send(text)
def expect_main(name, barrier=True):
    assert host.recv(1000).decode() == f"MAINPID={state(name, 'pid')}\nREADY=1"
    word, fds, _, _ = socket.recv_fds(host, 100, 4)
    assert word == b"BARRIER=1" and len(fds) == 1
    return fds[0]

# create and start
env = listen("\0" + os.path.basename(root) + str(os.getpid()))
run("create", "-b", bundle("one"), "one", env=env, check=True)
start = begin(env, "start", "one")
say("one", b"STATUS=still at it\nMAINPID=1")
assert start.poll() is None
assert run("exec", "one", "sh", "-c", "tr '\\0' '\\n' </proc/1/environ | grep NOTIFY; touch /run/notify/x 2>&1") == \
    "NOTIFY_SOCKET=/run/notify/notify.sock\ntouch: /run/notify/x: Read-only file system\n"
# Others can do things to the container meanwhile.
run("pause", "one", check=True)
run("resume", "one", check=True)
say("one", b"X_OTHER=1\nREADY=1\nMAINPID=1\nSTATUS=done")
fd = expect_main("one")
assert start.poll() is None
os.close(fd)
assert start.wait(30) == 0

# run --detach, by a path; the container ends without a word
env = listen("notify.socket")
env["NOTIFY_SOCKET"] = os.path.abspath("notify.socket")
two = begin(env, "run", "-d", "-b", bundle("two"), "two")
say("two", b"READY=1\n")
os.close(expect_main("two"))
assert two.wait(30) == 0
three = begin(env, "run", "-d", "-b", bundle("three"), "three")
wait_for(lambda: state("three", "status") == "running")
run("kill", "three", "KILL", check=True)
assert three.wait(30) == 0

# run in the foreground: the runtime stays the main process
four = begin(env, "run", "-b", bundle("four"), "four")
say("four", b"STATUS=x")
say("four", b"READY=1")
assert host.recv(1000) == b"READY=1"
say("four", b"READY=1")
assert host.recv(1000) == b"READY=1"
run("kill", "four", "KILL", check=True)
assert four.wait(30) == 128 + signal.SIGKILL
host.setblocking(False)
try:
    raise SystemExit(host.recv(1000))
except BlockingIOError:
    pass
# Nobody to tell, or no such address: nothing is waited for, or it is said.
del env["NOTIFY_SOCKET"]
run("run", "-d", "-b", bundle("five"), "five", env=env, check=True)
assert run("exec", "five", "ls", "/run") == ""
E
}

@test "NOTIFY_SOCKET: READY=1 of the container is passed on, with its process as the main one" {
    bundle notify
    notify
}

@test "a run in the foreground keeps nobody from the container, and takes its deletion by others" {
    bundle front
    "$OCI" --root "$OCI_ROOT" run -b "$OCI_DIR/front" front </dev/null >/dev/null 2>err &
    wait_until 30 oci_is front running
    oci pause front
    oci resume front
    oci delete --force front
    status=0
    wait $! || status=$?
    [ "$status" = 137 ]
    [ ! -s err ]
    # In the meantime another one may have the name.
    "$OCI" --root "$OCI_ROOT" run -b "$OCI_DIR/front" front </dev/null >/dev/null 2>&1 &
    wait_until 30 oci_is front running
    first=$(oci_pid front)
    oci delete --force front
    oci run -d -b "$OCI_DIR/front" front </dev/null >/dev/null 2>&1
    wait $! || true
    [ "$(oci_status front)" = running ]
    [ "$(oci_pid front)" != "$first" ]
}

@test "run.oci.pidfd_receiver gets a pidfd" {
    bundle pidfd
    python3 - "$OCI" "$OCI_ROOT" "$OCI_DIR/pidfd" <<'E'
import json, os, socket, subprocess, sys
oci, root, bundle = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(bundle + "/receiver")
s.listen()
s.settimeout(30)
config = json.load(open(bundle + "/config.json"))
config["annotations"] = {"run.oci.pidfd_receiver": bundle + "/receiver"}
json.dump(config, open(bundle + "/config.json", "w"))
subprocess.run([oci, "--root", root, "create", "-b", bundle, "--pid-file", "pid", "pidfd"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
peer, _ = s.accept()
_, fds, _, _ = socket.recv_fds(peer, 100, 4)
assert f"Pid:\t{open('pid').read()}\n" in open(f"/proc/self/fdinfo/{fds[0]}").read()
E
    rm "$OCI_DIR/pidfd/receiver"
    oci delete pidfd
    oci_refuses 1 'run.oci.pidfd_receiver' create -b "$OCI_DIR/pidfd" pidfd2
}

@test "run.oci.timens_offset: as linux.timeOffsets, in a time namespace of its own" {
    time=' | .linux.namespaces += [{type: "time"}]'
    bundle time1 '.process.args = ["sh", "-c", "cut -d. -f1 /proc/uptime"] | .annotations = {"run.oci.timens_offset": "boottime 1000000 0"}'"$time"
    up=$(oci run -b "$OCI_DIR/time1" time1)
    [ "$up" -ge 1000000 ]
    bundle time2 '.process.args = ["sh", "-c", "cut -d. -f1 /proc/uptime"] | .annotations = {"run.oci.timens_offset": "1 5 0\n7 2000000 1"}'"$time"
    up=$(oci run -b "$OCI_DIR/time2" time2)
    [ "$up" -ge 2000000 ]
    # Without such a namespace it says nothing.
    bundle time3 '.process.args = ["sh", "-c", "cut -d. -f1 /proc/uptime"] | .annotations = {"run.oci.timens_offset": "boottime 1000000000 0"}'
    up=$(oci run -b "$OCI_DIR/time3" time3)
    [ "$up" -lt 1000000000 ]
    for bad in "boottime 1" "realtime 1 0" "boottime x 0" "boottime 1 1000000000" "boottime 1 0 0"; do
        jq --arg bad "$bad" '.annotations["run.oci.timens_offset"] = $bad' "$OCI_DIR/time1/config.json" >bad.json
        oci_refuses 1 'run.oci.timens_offset' run -f bad.json time4
    done
}

@test "run.oci.handler and run.oci.mount_context_type: what hull does not have is refused" {
    bundle handler
    for handler in krun wasm x; do
        jq --arg h $handler '.annotations["run.oci.handler"] = $h' "$OCI_DIR/handler/config.json" >h.json
        oci_refuses 1 "run.oci.handler.*\"$handler\" is not built in" create -b "$OCI_DIR/handler" -f h.json handler
    done
    jq '.annotations["run.oci.mount_context_type"] = "bogus"' "$OCI_DIR/handler/config.json" >h.json
    oci_refuses 1 'run.oci.mount_context_type.*bogus' create -b "$OCI_DIR/handler" -f h.json handler
    jq '.annotations["run.oci.mount_context_type"] = "rootcontext" | .annotations["run.oci.handler"] = "" |
        .annotations["run.oci.whatever"] = "ignored" | .process.args = ["true"]' "$OCI_DIR/handler/config.json" >h.json
    run -0 oci run -b "$OCI_DIR/handler" -f h.json handler
}

@test "run.oci.keep_original_groups" {
    need_cmd setpriv
    bundle groups '.process.args = ["id", "-G"] | .process.user.additionalGids = [7] | .annotations = {"run.oci.keep_original_groups": "1"}'
    [ "$(setpriv --groups 5,6 "$OCI" --root "$OCI_ROOT" run -b "$OCI_DIR/groups" groups)" = "0 5 6" ]
}

@test "run.oci.hooks.stdout and stderr: files for what hooks print" {
    bundle hooks '.process.args = ["true"] | .hooks = {prestart: [{path: "/bin/sh", args: ["sh", "-c", "echo out; echo err >&2"]}]} |
        .annotations = {"run.oci.hooks.stdout": ($dir + "/hook.out"), "run.oci.hooks.stderr": ($dir + "/hook.err")}' --arg dir "$PWD"
    run -0 oci run -b "$OCI_DIR/hooks" hooks
    [ -z "$output" ] && [ "$(cat hook.out)" = out ] && [ "$(cat hook.err)" = err ]
}
