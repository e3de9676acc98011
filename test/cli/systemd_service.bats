#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a container's systemd unit sees: sd_notify by --sdnotify, and sockets that were opened for it. --replace, which units use.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    command -v python3 >/dev/null || skip "no python3"
    export SAID=$HULL_DIR/said
    python3 "$BATS_TEST_DIRNAME/../lib/notified.py" "$HULL_DIR/notify.sock" "$SAID" 3>&- &
    echo "$!" >"$HULL_DIR/notified.pid"
    wait_until 30 test -S "$HULL_DIR/notify.sock"
}
teardown_file() {
    [ ! -e "$HULL_DIR/notified.pid" ] || kill "$(cat "$HULL_DIR/notified.pid")"
    hull_teardown
}
setup() { : >"$SAID"; }

notified() { NOTIFY_SOCKET=$HULL_DIR/notify.sock "$HULL" "$@"; }
said() { sed 's/^[0-9]* //' "$SAID" | sort -u; }
monitor_of() { hull inspect -f '{{.State.MonitorPid}}' "$1"; }

@test "container: its monitor is told of at once, READY when it says so, and nothing that is not its own" {
    notified run -d --name speaks -v "$HULL_BUILD/test/inside/say:/say" -v "$HULL_DIR/work:/place" box sh -c 'until [ -e /place/go ]; do sleep 0.1; done; /say "READY=1
STATUS=all well
MAINPID=1
FDSTORE=1"; echo "$NOTIFY_SOCKET" >/place/socket; sleep 1000'
    monitor=$(monitor_of speaks)
    wait_until 30 grep -qx "$monitor MAINPID=$monitor" "$SAID"
    ! grep -q READY "$SAID"
    touch "$HULL_DIR/work/go"
    wait_until 30 grep -q READY "$SAID"
    [ "$(cat "$HULL_DIR/work/socket")" = /run/notify/notify.sock ]
    [ "$(said)" = "MAINPID=$monitor
READY=1
STATUS=all well" ]
    # All of it comes from the monitor, which the unit knows.
    ! grep -v "^$monitor " "$SAID"
    run ! hull exec speaks sh -c 'test -n "$NOTIFY_SOCKET"'
    run ! hull exec speaks touch /run/notify/more
    hull rm -f speaks
    rm "$HULL_DIR/work/go"
}

@test "the plain user of a container may speak, too" {
    notified run -d --name plain -u 1000:1000 -v "$HULL_BUILD/test/inside/say:/say" box sh -c '/say WATCHDOG=1 && sleep 1000'
    wait_until 30 grep -q WATCHDOG=1 "$SAID"
    hull rm -f plain
}

@test "monitor: ready as soon as it was started; again when it came back by its policy" {
    notified run -d --name ready --sdnotify monitor --restart on-failure:1 box sh -c 'test -z "$NOTIFY_SOCKET" && sleep 1000'
    first=$(monitor_of ready)
    wait_until 30 grep -qx "$first READY=1" "$SAID"
    kill -9 "$(hull inspect -f '{{.State.Pid}}' ready)"
    wait_until 30 eval '[ "$(hull inspect -f "{{.RestartCount}} {{.State.Status}}" ready)" = "1 running" ]'
    second=$(monitor_of ready)
    wait_until 30 grep -qx "$second MAINPID=$second" "$SAID"
    [ "$(grep -c READY=1 "$SAID")" -eq 2 ]
    # SIGTERM is how the unit stops it.
    kill "$second"
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Status}}" ready)" = exited ]'
    hull rm ready
}

@test "the monitor is the unit's own child when it is told of, and ends as the container does, or with 0 when it was asked to" {
    # The parent of orphans is told how they ended, as systemd is.
    cat >"$HULL_DIR/unit.py" <<'P'
import ctypes, os, socket, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
said = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
said.bind(os.environ["NOTIFY_SOCKET"])
for command in sys.argv[2:]:
    starter = subprocess.Popen([sys.argv[1], "run", "-d", "--rm", "--name", "unit", "--sdnotify", "monitor", "box", "sh", "-c", command], stdout=subprocess.DEVNULL)
    monitor = said.recv(1000).decode().split("MAINPID=")[1].split()[0]
    with open(f"/proc/{monitor}/stat") as f:
        print("ours" if int(f.read().rsplit(")")[1].split()[1]) == os.getpid() else "not ours", flush=True)
    assert starter.wait() == 0
    if "sleep" in command:
        assert subprocess.run([sys.argv[1], "stop", "-t", "0", "unit"]).returncode == 0
    pid, status = os.waitpid(-1, 0)
    print("ended", pid == int(monitor), os.waitstatus_to_exitcode(status), flush=True)
P
    NOTIFY_SOCKET=$HULL_DIR/unit.sock run -0 python3 "$HULL_DIR/unit.py" "$HULL" 'sleep 1000'
    [ "$(grep 'ours\|ended' <<<"$output" | tr '\n' ' ')" = "ours ended True 0 " ] || { echo "$output"; return 1; }
    NOTIFY_SOCKET=$HULL_DIR/unit.sock2 run -0 python3 "$HULL_DIR/unit.py" "$HULL" 'exit 7' true
    [ "$(grep 'ours\|ended' <<<"$output" | tr '\n' ' ')" = "ours ended True 7 ours ended True 0 " ] || { echo "$output"; return 1; }
    run ! hull inspect unit
}

@test "healthy: ready when its health check says so" {
    notified run -d --name health --sdnotify healthy --health-cmd 'test -e /well' --health-interval 100ms --health-retries 1000 box sleep 1000
    wait_until 30 grep -q MAINPID "$SAID"
    wait_until 30 eval '[ "$(hull inspect -f "{{len .State.Health.Log}}" health)" -gt 2 ]'
    ! grep -q READY "$SAID"
    hull exec health touch /well
    wait_until 30 grep -q READY=1 "$SAID"
    hull rm -f health
    run -125 hull run --rm --sdnotify healthy box true
    [[ $output == *"no health check"* ]]
}

@test "ignore, and no unit: nobody is told anything" {
    notified run --rm --sdnotify ignore box sh -c 'test -z "$NOTIFY_SOCKET"'
    hull run --rm box sh -c 'test -z "$NOTIFY_SOCKET" && test ! -e /run/notify'
    [ ! -s "$SAID" ]
    run -125 hull run --rm --sdnotify perhaps box true
    [[ $output == *'invalid --sdnotify "perhaps"'* ]]
    NOTIFY_SOCKET=nowhere run -125 hull run --rm box true
    [[ $output == *"NOTIFY_SOCKET nowhere"* ]]
    NOTIFY_SOCKET=$HULL_DIR/nothing run -125 hull run --rm box true
}

@test "sockets that were opened for it are its own, at the same numbers" {
    python3 - "$HULL" >"$HULL_DIR/activated" <<'P'
import os, socket, subprocess, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
os.dup2(s.fileno(), 100)
os.dup2(100, 3)
os.dup2(os.open("/dev/null", os.O_RDONLY), 4)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="web:null", LISTEN_PID=str(os.getpid()))
os.set_inheritable(3, True), os.set_inheritable(4, True)
os.execv(sys.argv[1], ["hull", "run", "--rm", "box", "sh", "-c", 'echo "$LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES"; readlink /proc/1/fd/3; readlink /proc/1/fd/4; ls /proc/1/fd | wc -l'])
P
    [[ $(sed -n 1p "$HULL_DIR/activated") == "2 1 web:null" ]]
    [[ $(sed -n 2p "$HULL_DIR/activated") == "socket:["* ]]
    [[ $(sed -n 3p "$HULL_DIR/activated") == /dev/null ]]
    [ "$(sed -n 4p "$HULL_DIR/activated")" -eq 5 ]
    # The child of init is who they are for; and who comes back by its policy has them again.
    cat >"$HULL_DIR/activate.py" <<'P'
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
P
    run -0 python3 "$HULL_DIR/activate.py" "$HULL" run --rm --init box sh -c 'echo "$LISTEN_PID $$"; readlink /proc/$$/fd/3'
    [[ $output == "2 2"*"socket:["* ]]
    run -0 python3 "$HULL_DIR/activate.py" "$HULL" run -d --name activated --restart on-failure:2 box sh -c 'echo "$LISTEN_FDS $(readlink /proc/$$/fd/3)"; exit 1'
    wait_until 30 eval '[ "$(hull inspect -f "{{.RestartCount}} {{.State.Status}}" activated)" = "2 exited" ]'
    [ "$(hull logs activated | grep -c "^1 socket:")" -eq 3 ]
    [ "$(hull logs activated | sort -u | wc -l)" -eq 1 ]
    hull rm activated
    # Those of another process are none of ours.
    LISTEN_FDS=1 LISTEN_PID=1 run -0 hull run --rm box sh -c 'echo "[$LISTEN_FDS]"'
    [ "$output" = "[]" ]
}

@test "--replace: what has the name goes first, running or not; nothing else does" {
    old=$(hull run -d --name again box sleep 1000)
    new=$(hull run -d --replace --name again box sleep 1000)
    [ "$old" != "$new" ]
    [ "$(hull inspect -f '{{.Id}} {{.State.Status}}' again)" = "$new running" ]
    run ! hull inspect "$old"
    made=$(hull create --replace --name again box true)
    [ "$(hull inspect -f '{{.Id}} {{.State.Status}}' again)" = "$made created" ]
    hull create --replace --name "fresh-name" box true
    # A name that is the begin of another's id.
    hull create --replace --name "${made:0:12}" box true
    hull inspect "$made"
    # What is wrong is found before anything goes.
    run -125 hull create --replace --name again --memory 1 box true
    run -125 hull create --replace --name again --pull never no-such-image true
    [ "$(hull inspect -f '{{.Id}}' again)" = "$made" ]
    run -125 hull run --replace box true
    [[ $output == *"give --name too"* ]]
    hull rm again fresh-name "${made:0:12}"
}
