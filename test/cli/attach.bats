#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# attach, and the monitor behind it: several clients, slow and dead ones, stdin and its end, sizes, memory.

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }
teardown() { [ -z "${HULL_TMUX-}" ] || tty_stop; }

# The pid of the monitor of container $1.
monitor_of() {
    awk '$1 == "PPid:" { print $2 }' "/proc/$(hull inspect -f '{{.State.Pid}}' "$1")/status"
}

ECHO='while read x; do echo "<$x>"; [ "$x" != end ] || exit 9; done'

@test "attach: its output from now on, and its exit status" {
    hull run -d --name out box sh -c 'while [ ! -e /tmp/go ]; do sleep 0.05; done; echo one; echo two >&2; exit 7'
    "$HULL" attach --no-stdin out >out.out 2>out.err 3>&- &
    pid=$!
    sleep 0.5
    hull exec out touch /tmp/go
    status=0
    wait $pid || status=$?
    [ $status = 7 ]
    [ "$(cat out.out)" = one ]
    [ "$(cat out.err)" = two ]
}

@test "attach to what does not run, or is not there, is refused" {
    hull create --name idle box true
    refuses 1 'idle.*not running' attach idle
    refuses 1 'no such.*missing' attach missing
}

@test "stdin of run -d -i stays open: a client whose input ends is let go, the next one goes on" {
    hull run -d -i --name open box sh -c "$ECHO"
    run -0 timeout 10 "$HULL" attach open <<<first
    wait_until 5 sh -c '"$HULL" logs open | grep -qx "<first>"'
    status_is open running
    run timeout 10 "$HULL" attach open <<<end
    wait_until 5 status_is open exited
    [ "$(hull inspect -f '{{.State.ExitCode}}' open)" = 9 ]
    [ "$(hull logs open)" = $'<first>\n<end>' ]
}

@test "several clients at once see the same, and all get the exit status" {
    hull run -d -i --name shared box sh -c "$ECHO"
    for i in 1 2 3 4 5; do
        { "$HULL" attach --no-stdin shared >"shared.$i" || echo "$?" >"shared.status.$i"; } 3>&- &
        pids[i]=$!
    done
    sleep 1
    { echo hello; sleep 0.3; echo end; } | timeout 20 "$HULL" attach shared >shared.0 || true
    wait "${pids[@]}"
    for i in 1 2 3 4 5; do
        [ "$(cat "shared.$i")" = $'<hello>\n<end>' ]
        [ "$(cat "shared.status.$i")" = 9 ]
    done
    grep -q '<hello>' shared.0
}

@test "big data both ways at once, and what reads slowly gets all of it" {
    seq 400000 >big
    hull run -i --rm box cat <big >big.out
    cmp big big.out
    run -0 sh -c '"$HULL" run --rm -v "$PWD/big:/big:ro" box cat /big | { sleep 1; sha256sum; }'
    [ "${output%% *}" = "$(sha256sum <big | cut -d ' ' -f 1)" ]
    # A caller that writes everything before it reads anything.
    python3 - "$HULL" <<'PY'
import subprocess, sys
data = open("big", "rb").read()[:900000]
p = subprocess.Popen([sys.argv[1], "run", "-i", "--rm", "box", "sh", "-c", "cat >/tmp/f; cat /tmp/f"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
p.stdin.write(data)
p.stdin.close()
assert p.stdout.read() == data
assert p.wait() == 0
PY
}

@test "a client that hangs does not stop the container, nor its log" {
    hull run -d --name busy box sh -c 'while [ ! -e /tmp/go ]; do sleep 0.05; done; seq 300000; echo finished'
    "$HULL" attach --no-stdin busy >hung.out 3>&- &
    pid=$!
    sleep 0.5
    kill -STOP $pid
    hull exec busy touch /tmp/go
    run -0 timeout 60 "$HULL" wait busy
    [ "$output" = 0 ]
    [ "$(hull logs -n 1 busy)" = finished ]
    kill -CONT $pid
    wait $pid || true
}

@test "hull run is killed: the container goes on, its log and its exit are complete" {
    "$HULL" run --name orphan box sh -c 'echo begun; until [ -e /go ]; do sleep 0.1; done; seq 1000; exit 3' >orphan.out 3>&- &
    pid=$!
    wait_until 10 grep -q begun orphan.out
    kill -9 $pid
    wait $pid || true
    status_is orphan running
    hull exec orphan touch /go
    run -0 hull wait orphan
    [ "$output" = 3 ]
    [ "$(hull logs orphan | tail -n 1)" = 1000 ]
}

@test "run -i is killed: the program sees the end of its input" {
    mkfifo pipe
    "$HULL" run -i --name cutoff box sh -c 'cat; echo ended' <pipe >cutoff.out 3>&- &
    pid=$!
    exec 5>pipe
    echo hello >&5
    wait_until 10 grep -q hello cutoff.out
    kill -9 $pid
    wait $pid || true
    exec 5>&-
    run -0 timeout 20 "$HULL" wait cutoff
    [ "$(hull logs cutoff)" = $'hello\nended' ]
}

@test "attach hands signals on; --sig-proxy=false does not" {
    hull run -d --name proxied box sh -c 'trap "echo got; exit 12" TERM; echo ready; while :; do sleep 0.05; done'
    "$HULL" attach --no-stdin --sig-proxy=false proxied 3>&- &
    pid=$!
    sleep 0.5
    kill -TERM $pid
    wait $pid || true
    status_is proxied running
    "$HULL" attach --no-stdin proxied >proxied.out 3>&- &
    pid=$!
    sleep 0.5
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [ $status = 12 ]
    [ "$(cat proxied.out)" = got ]
}

@test "attach to a terminal of the same size has it drawn again" {
    need_cmd tmux
    export HULL_TMUX=hull-attach-$BATS_TEST_NUMBER-$$ TMUX_TMPDIR=$HULL_DIR
    tty_start t "PS1='host> ' sh"
    tty_shows 10 'host>'
    tty_type "'$HULL' run -it --name drawn box sh -c 'trap \"echo size \\\$(stty size)\" WINCH; echo ready; while :; do sleep 0.05; done'" Enter
    tty_shows 10 '^ready$'
    tty_type C-p C-q
    tty_shows 10 'host>$'
    tty_type clear Enter "'$HULL' attach drawn" Enter
    tty_shows 10 'size 30 100'
    tty_type C-p C-q
    tty_shows 10 'host>$'
    hull rm -f drawn
}

@test "keys that begin the detach sequence and are something else reach the program" {
    need_cmd tmux
    export HULL_TMUX=hull-attach-$BATS_TEST_NUMBER-$$ TMUX_TMPDIR=$HULL_DIR
    tty_start t "PS1='host> ' sh"
    tty_shows 10 'host>'
    tty_type "'$HULL' run -it --rm --detach-keys x,y,z box sh -c 'read a; echo \"got \$a\"'" Enter
    sleep 1
    tty_type 'xxyxyq' Enter
    tty_shows 10 '^got xxyxyq'
    refuses 125 'detach' run -it --detach-keys 'ctrl-pp' box true || refuses 1 'detach' run -it --detach-keys 'ctrl-pp' box true
}

# Its own memory, and with it the two pages of code that wait.
is_small() {
    awk '/^Rss:/ { all = $2 } /^Anonymous:/ { own = $2 } END { exit !(all && all <= 512 && own <= 448) }' "/proc/$1/smaps_rollup"
}

@test "the monitor: one process of half a MiB, with nothing of its caller" {
    exec 6>held
    MARK=here hull run -d -i --name small box sh -c "$ECHO"
    exec 6>&-
    pid=$(monitor_of small)
    [ "$(cat "/proc/$pid/comm")" = hull-monitor ]
    [ "$(readlink "/proc/$pid/cwd")" = / ]
    for fd in 0 1 2; do
        [ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]
    done
    run ls -l "/proc/$pid/fd"
    [[ $output != */held* ]]
    [ "$(awk '{ print $6 }' "/proc/$pid/stat")" = "$pid" ] # a session of its own
    wait_until 5 is_small "$pid"
    { seq 100000; sleep 1; } | timeout 60 "$HULL" attach small >/dev/null || true
    wait_until 10 is_small "$pid"
    # Nothing but SIGKILL ends it before its container.
    kill -USR1 "$pid"
    kill -HUP "$pid"
    kill -INT "$pid"
    sleep 0.2
    status_is small running
    hull rm -f small
    wait_until 5 sh -c "! kill -0 $pid 2>/dev/null"
}

@test "the monitor of a run that brought its image in is as small" {
    export HULL_ROOT=$PWD/first/root HULL_RUN_ROOT=$PWD/first/run
    hull run -d --name first box sleep 1000
    pid=$(monitor_of first)
    wait_until 10 is_small "$pid"
    hull rm -f first
}

@test "hundreds of clients that come and go leave the monitor as it was" {
    hull run -d -i --name crowd box sh -c "$ECHO"
    pid=$(monitor_of crowd)
    fds=$(find "/proc/$pid/fd" | wc -l)
    sock=$HULL_RUN_ROOT/containers/$(hull inspect -f '{{.Id}}' crowd)/attach.sock
    [ "$(stat -c %a "$sock")" = 600 ]
    python3 - "$sock" <<'PY'
import os, random, socket, sys
os.chdir(os.path.dirname(sys.argv[1]))
random.seed(1)
held = []
for i in range(3000):
    s = socket.socket(socket.AF_UNIX)
    s.connect("attach.sock")
    try:
        s.send([b"", os.urandom(20), b"\x08\0\0\0\0\0\0\x01\x07", b"\x08\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x05", b"\0" * 8, b"\x09" * 12][i % 6])
    except OSError:
        pass
    held.append(s)
    if len(held) > 100:
        held.pop(random.randrange(len(held))).close()
PY
    wait_until 5 sh -c "[ \$(find /proc/$pid/fd | wc -l) = $fds ]"
    wait_until 5 is_small "$pid"
    run timeout 10 "$HULL" attach crowd <<<end
    run -0 hull wait crowd
    [ "$output" = 9 ]
}

@test "exit and reason: killed from outside is no OOM" {
    hull run -d --name shot box sleep 100
    kill -9 "$(hull inspect -f '{{.State.Pid}}' shot)"
    run -0 hull wait shot
    [ "$output" = 137 ]
    [ "$(hull inspect -f '{{.State.OOMKilled}}' shot)" = false ]
}

@test "exit and reason: OOM of the first process, and of a child of it" {
    need_root
    need_controller memory
    hull run -d --name oom1 -m 16m --memory-swap 16m box sh -c 'exec tail /dev/zero'
    run -0 timeout 60 "$HULL" wait oom1
    [ "$output" = 137 ]
    [ "$(hull inspect -f '{{.State.OOMKilled}}' oom1)" = true ]
    hull run -d --name oom2 -m 16m --memory-swap 16m box sh -c 'tail /dev/zero; exit 5'
    run -0 timeout 60 "$HULL" wait oom2
    [ "$output" = 5 ]
    [ "$(hull inspect -f '{{.State.OOMKilled}}' oom2)" = true ]
}
