#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --log-driver journald and syslog, against receivers of the test's own; --log-opt rate; logs --clear.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    cat >"$HULL_DIR/receive" <<'PY'
"""Writes what comes, one JSON text a line, and `ready` when it listens. usage: receive KIND ADDRESS OUT"""
import json, os, socket, sys
kind, address, out = sys.argv[1:]
family = socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if kind in ("tcp", "unix") else socket.SOCK_DGRAM)
s.bind(address if family == socket.AF_UNIX else ("127.0.0.1", int(address)))
f = open(out, "w", buffering=1)
def put(data):
    f.write(json.dumps(data.decode("latin-1")) + "\n")
if s.type == socket.SOCK_STREAM:
    s.listen(8)
print(s.getsockname()[1] if family == socket.AF_INET else "", file=open(out + ".ready.part", "w"), flush=True)
os.rename(out + ".ready.part", out + ".ready")
while True:
    if s.type == socket.SOCK_DGRAM:
        put(s.recv(1 << 20))
        continue
    c, _ = s.accept()
    for line in c.makefile("rb"):
        put(line)
PY
}
teardown_file() { hull_teardown; }

# receive KIND ADDRESS NAME: a receiver in the background; its lines are in NAME, $port is where it listens.
receive() {
    python3 "$HULL_DIR/receive" "$@" 3>&- &
    receiver=$!
    wait_until 30 test -e "$3.ready"
    port=$(cat "$3.ready")
}

teardown() {
    [ -z "${receiver-}" ] || kill "$receiver" 2>/dev/null || true
}

has_line() {
    grep -qE -- "$2" "$1"
}

@test "syslog: docker's form, by UDP and TCP; severity by stream; tag, facility" {
    receive udp 0 udp
    hull run --name s1 --log-driver syslog --log-opt "syslog-address=udp://127.0.0.1:$port" --log-opt syslog-facility=local3 --log-opt 'tag={{.Name}}/{{.ImageName}}' \
        box sh -c 'echo out; echo err >&2'
    wait_until 30 has_line udp 'err'
    kill $receiver
    has_line udp '^"<158>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} s1/box\[[0-9]+\]: out\\n"$'
    has_line udp '^"<155>.* s1/box\[[0-9]+\]: err\\n"$'
    receive tcp 0 tcp
    hull run --name s2 --log-driver syslog --log-opt "syslog-address=tcp://localhost:$port" --log-opt syslog-format=rfc5424micro box sh -c 'echo one; echo two'
    wait_until 30 has_line tcp 'two'
    id=$(hull inspect -f '{{.Id}}' s2 | cut -c 1-12)
    has_line tcp "^\"<30>1 [0-9]{4}-[0-9-]+T[0-9:]+\.[0-9]{6}Z $(hostname) $id [0-9]+ $id - one\\\\n\"$"
    [ "$(grep -c . tcp)" = 2 ]
}

@test "syslog: rfc3164, over a unix socket; a receiver that is started again" {
    receive unixgram "$PWD/sock" first
    hull run -d --name s3 --log-driver syslog --log-opt "syslog-address=unixgram://$PWD/sock" --log-opt syslog-format=rfc3164 box sh -c 'i=0; while :; do i=$((i + 1)); echo line $i; sleep 0.05; done'
    wait_until 30 has_line first "^\"<30>[A-Z][a-z]{2} .{11} $(hostname) [0-9a-f]{12}\[[0-9]+\]: line 1"
    kill $receiver
    wait $receiver || true
    rm sock
    status_is s3 running
    receive unixgram "$PWD/sock" second
    wait_until 30 has_line second ': line [0-9]+'
    has_line second 'hull: [0-9]+ lines? of this log (was|were) lost'
    hull rm -f s3
}

@test "syslog: what is refused" {
    refuses 125 'syslog-address' run --rm --log-driver syslog --log-opt syslog-address=nonsense box true
    refuses 125 'TLS' run --rm --log-driver syslog --log-opt syslog-address=tcp+tls://host box true
    refuses 125 'host is missing' run --rm --log-driver syslog --log-opt syslog-address=udp://:514 box true
    refuses 125 'absolute' run --rm --log-driver syslog --log-opt syslog-address=unix://rel box true
    refuses 125 'facility' run --rm --log-driver syslog --log-opt syslog-facility=local9 box true
    refuses 125 'syslog-format' run --rm --log-driver syslog --log-opt syslog-format=rfc1 box true
    refuses 125 'not for the log driver' run --rm --log-driver syslog --log-opt max-size=1m box true
    refuses 125 'not for the log driver' run --rm --log-driver json-file --log-opt syslog-facility=daemon box true
    refuses 125 'log driver syslog: tcp://127.0.0.1:9' run --rm --log-driver syslog --log-opt syslog-address=tcp://127.0.0.1:9 box true
    refuses 125 'tag' run --rm --log-opt 'tag={{.Name' box true
}

@test "journald: docker's fields, native protocol" {
    need_root
    # The socket's place is the machine's: it is another one in a mount namespace of these commands.
    cat >journal.sh <<'SH'
mount -t tmpfs none /run && mkdir -p /run/systemd/journal
python3 "$HULL_DIR/receive" unixgram /run/systemd/journal/socket "$PWD/journal" 3>&- &
while [ ! -e journal.ready ]; do sleep 0.05; done
"$HULL" run --name j1 --label mine=yes --label other=no -e "LINES=two
lines" --log-driver journald --log-opt tag=it --log-opt labels=mine --log-opt env=LINES box sh -c 'printf "out\001\n"; echo err >&2; head -c 20000 /dev/zero | tr "\0" x; printf end'
for i in $(seq 150); do grep -q 'xend' journal && break; sleep 0.2; done
kill %1
SH
    unshare -m --propagation private bash journal.sh
    id=$(hull inspect -f '{{.Id}}' j1)
    python3 - "$id" <<'PY'
import json, struct, sys
id = sys.argv[1]
def fields(text):
    data, at, ret = text.encode("latin-1"), 0, {}
    while at < len(data):
        end = data.index(b"\n", at)
        line = data[at:end]
        if b"=" in line:
            key, value = line.split(b"=", 1)
            at = end + 1
        else:
            n, = struct.unpack("<Q", data[end + 1:end + 9])
            key, value = line, data[end + 9:end + 9 + n]
            at = end + 9 + n + 1
        ret[key.decode()] = value
    return ret
all = [fields(json.loads(line)) for line in open("journal")]
out = next(f for f in all if f["MESSAGE"] == b"out\x01")
assert out["PRIORITY"] == b"6" and out["CONTAINER_ID"] == id[:12].encode() and out["CONTAINER_ID_FULL"] == id.encode(), out
assert out["CONTAINER_NAME"] == b"j1" and out["CONTAINER_TAG"] == b"it" == out["SYSLOG_IDENTIFIER"] and out["IMAGE_NAME"] == b"box", out
assert out["MINE"] == b"yes" and "OTHER" not in out and out["LINES"] == b"two\nlines", out
err = next(f for f in all if f["MESSAGE"] == b"err")
assert err["PRIORITY"] == b"3" and "CONTAINER_PARTIAL_MESSAGE" not in err, err
parts = [f for f in all if f["MESSAGE"].startswith(b"xxx")]
assert b"".join(p["MESSAGE"] for p in parts) == b"x" * 20000 + b"end" and parts[0]["CONTAINER_PARTIAL_MESSAGE"] == b"true", [len(p["MESSAGE"]) for p in parts]
PY
    refuses 1 "journalctl CONTAINER_ID_FULL=$id" logs j1
    [ -z "$(hull inspect -f '{{.LogPath}}' j1)" ]
    hull rm j1
}

@test "journald: without a journal the container does not start" {
    [ ! -e /run/systemd/journal/socket ] || skip "this machine has a journal"
    refuses 125 'log driver journald: /run/systemd/journal/socket' run --rm --log-driver journald box true
}

@test "logs: drivers that keep nothing say so" {
    hull create --name kept-nothing --log-driver none box true
    refuses 1 'log-driver none' logs kept-nothing
    refuses 1 'log-driver none' logs --clear kept-nothing
    receive udp 0 refused
    hull create --name at-syslog --log-driver syslog --log-opt "syslog-address=udp://127.0.0.1:$port" box true
    refuses 1 'log-driver syslog' logs at-syslog
    hull rm kept-nothing at-syslog
}

@test "--log-opt tag is a template; the rate is bounded, with one line that counts" {
    hull run --name tagged --log-opt 'tag={{.Name}}-{{.ID}}' box echo x
    [ "$(hull logs --details tagged)" = "tag=tagged-$(hull inspect -f '{{.Id}}' tagged | cut -c 1-12) x" ]
    for driver in json-file local; do
        hull run --name rated-$driver --log-driver $driver --log-opt rate=10/s box sh -c 'i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo line $i; done; sleep 1.1; echo last'
        hull logs rated-$driver >all 2>&1
        came=$(grep -c '^line' all)
        # In one second, or in two of them.
        [ "$came" -ge 10 ] && [ "$came" -le 400 ]
        has_line all '^last$'
        lost=$(sed -n 's/^hull: \([0-9]*\) lines of this log were lost: more came than its rate allows$/\1/p' all | awk '{ n += $1 } END { print n }')
        [ $((came + lost)) = 500 ]
        [ "$(grep -c '^hull: ' all)" -le $((came / 5 + 2)) ]
    done
    for bad in 0/s 10 x/s -1/s 5/m; do
        refuses 125 'rate' run --rm --log-opt rate=$bad box true
    done
}

@test "logs --clear: empty, and the container writes on; a reader follows" {
    hull run -d --name clearing --log-opt max-size=2k --log-opt max-file=3 box sh -c 'i=0; while [ ! -e /more ]; do i=$((i + 1)); echo before $i; [ $i -lt 200 ] || sleep 0.1; done; echo after; sleep 100000'
    wait_until 30 test -e "$(hull inspect -f '{{.LogPath}}' clearing).2"
    hull logs -f clearing >followed 2>&1 3>&- &
    reader=$!
    wait_until 30 has_line followed before
    hull logs --clear clearing
    [ ! -e "$(hull inspect -f '{{.LogPath}}' clearing).1" ]
    hull logs clearing >now
    [ "$(wc -l <now)" -lt 100 ]
    hull exec clearing touch /more
    wait_until 30 has_line followed '^after'
    [ "$(hull logs clearing | tail -n 1)" = after ]
    hull logs --clear clearing
    [ -z "$(hull logs clearing)" ]
    hull rm -f clearing
    wait $reader || true
    refuses 125 'no other option' logs --clear -f clearing
}

@test "non-blocking: a receiver that takes nothing does not hold the program up" {
    python3 -c "
import socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('$PWD/deaf'); open('deaf.ready', 'w').close(); time.sleep(1000)" 3>&- &
    receiver=$!
    wait_until 30 test -e deaf.ready
    run -0 timeout 60 "$HULL" run --rm --log-driver syslog --log-opt "syslog-address=unixgram://$PWD/deaf" --log-opt mode=non-blocking --log-opt max-buffer-size=4m \
        box sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); echo $i; done'
    [ "${lines[2999]}" = 3000 ]
}

# deaf KIND NAME: who listens at NAME.sock and reads nothing until there is a file NAME.hear; then its lines are in NAME.
deaf() {
    python3 - "$@" 3>&- <<'PY' &
import os, socket, sys, time
kind, name = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "unixgram" else socket.SOCK_STREAM)
s.bind(name + ".sock")
if kind == "unix":
    s.listen(8)
open(name + ".ready", "w").close()
while not os.path.exists(name + ".hear"):
    time.sleep(0.05)
if kind == "unix":
    s = s.accept()[0]
with open(name, "wb", buffering=0) as f:
    while data := s.recv(1 << 20):
        f.write(data)
PY
    receiver=$!
    wait_until 30 test -e "$2.ready"
}

@test "blocking: a receiver that is stuck holds nobody up for ever; one line counts what was lost" {
    for kind in unixgram unix; do
        for mode in blocking non-blocking; do
            name=$kind-$mode
            deaf $kind "$name"
            hull run -d --name "$name" --log-driver syslog --log-opt "syslog-address=$kind://$PWD/$name.sock" --log-opt mode=$mode --log-opt max-buffer-size=8k \
                box sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); echo line $i; done; : >/done; while [ ! -e /more ]; do sleep 0.1; done; while :; do echo after; sleep 0.1; done'
            wait_until 60 hull exec "$name" test -e /done
            touch "$name.hear"
            wait_until 30 has_line "$name" ': line '
            hull exec "$name" touch /more
            wait_until 30 has_line "$name" 'after'
            lost=$(sed -n 's/^.*hull: \([0-9]*\) lines of this log were lost.*$/\1/p' "$name" | awk '{ n += $1 } END { print n }')
            [ $(($(grep -cE '^<30>[^<]*: line [0-9]+$' "$name") + lost)) = 3000 ]
            hull rm -f "$name"
            kill $receiver 2>/dev/null || true
            wait $receiver || true
        done
    done
}
