#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's API under clients and managers of services that are not kind: many at once, those that go in the middle, a listener that is ended or
# killed, a plain user's.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }

# Processes that serve a client: children of the listener.
clients() {
    ps -o pid= --ppid "$(cat "$HULL_DIR/serve.pid")"
}

nobody_is_served() { [ -z "$(clients)" ]; }

# vanish REQUEST...: sends each (with \r\n and the like in it) and goes, at once and a moment later.
vanish() {
    python3 - "$API_SOCKET" "$@" <<'PY'
import socket, sys, time
for request in sys.argv[2:]:
    for wait in (0, 0.02, 0.2):
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
        s.sendall(request.encode().decode("unicode_escape").encode("latin-1"))
        time.sleep(wait)
        s.close()
PY
}

@test "two hundred clients at once are all answered" {
    run -0 python3 - "$API_SOCKET" <<'PY'
import socket, sys, threading
answers = []
def ask():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    s.sendall(b"GET /containers/json?all=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := s.recv(65536):
        answer += piece
    answers.append(answer[:12])
threads = [threading.Thread(target=ask) for _ in range(200)]
[t.start() for t in threads]
[t.join() for t in threads]
print(answers.count(b"HTTP/1.1 200"))
PY
    [ "$output" = 200 ]
    wait_until 30 nobody_is_served
}

# Go's clients take a full backlog for an error: they do not wait in connect().
@test "a crowd that comes while the listener is asleep is not turned away" {
    kill -STOP "$(cat "$HULL_DIR/serve.pid")"
    run -0 python3 - "$API_SOCKET" <<'PY'
import socket, sys
crowd = []
for i in range(min(300, int(open("/proc/sys/net/core/somaxconn").read()))):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    s.connect(sys.argv[1])
    crowd.append(s)
print(len(crowd))
PY
    kill -CONT "$(cat "$HULL_DIR/serve.pid")"
    [ "$output" -ge 128 ]
    api_is 200 GET /_ping
    wait_until 30 nobody_is_served
}

@test "who is refused while he still sends can send on, and has the answer" {
    hull create --name refuses --read-only box true
    run -0 python3 - "$API_SOCKET" <<'PY'
import socket, sys
size = 3 << 20
for head in ("PUT /containers/refuses/archive?path=/nowhere", "PUT /containers/refuses/archive?path=/", "POST /build?t=BAD%20NAME", "POST /images/load",
        "GET /" + size * "x"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    s.sendall(f"{head} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode() + size * b"x")
    print(s.recv(100).split(b" ")[1].decode())
PY
    [ "${lines[0]} ${lines[4]} ${#lines[@]}" = "404 431 5" ]
    hull rm refuses
    wait_until 30 nobody_is_served
}

@test "clients that go in the middle leave nothing: no process, nothing half made" {
    hull run -d --name there box sleep 1000
    local head='HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n' tar='HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n'
    vanish "GET /ev" "POST /containers/create?name=half ${head}Content-Length: 5000\r\n\r\n{" "POST /containers/there/wait ${head}\r\n" \
        "GET /containers/there/logs?follow=1&stdout=1 ${head}\r\n" "GET /containers/there/stats ${head}\r\n" "GET /events ${head}\r\n" \
        "POST /containers/there/attach?stream=1&stdout=1&stdin=1 ${head}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n" \
        "GET /containers/there/export ${head}\r\n" "GET /images/box/get ${head}\r\n" "GET /containers/there/archive?path=/bin ${head}\r\n" \
        "PUT /containers/there/archive?path=/tmp ${tar}Content-Length: 100000\r\n\r\nxx" "POST /build ${tar}Transfer-Encoding: chunked\r\n\r\n100\r\nx" \
        "POST /images/load ${tar}Content-Length: 100000\r\n\r\nxx" "POST /volumes/create ${head}Content-Length: 13\r\n\r\n{\\\"Name\\\":\\\"vv\\\"}"
    wait_until 30 nobody_is_served
    [ "$(hull ps -a --format '{{.Names}}')" = there ]
    hull system check
    hull rm -f there
    hull volume rm vv
}

@test "a container of the API's does not hold the connection, and knows nothing of the service" {
    local id pid monitor connections
    id=$(api_is 201 POST /containers/create '{"Image":"box","Cmd":["sleep","1000"]}' | json 'x["Id"]')
    api_is 204 POST "/containers/$id/start"
    pid=$(hull inspect -f '{{.State.Pid}}' "$id")
    monitor=$(awk '{ print $4 }' "/proc/$pid/stat")
    # Of unix sockets that are connected through the API's, and of the listening one, none is among its descriptors.
    connections=$(awk -v at="$API_SOCKET" '$8 == at { print $7 }' /proc/net/unix)
    [ -n "$connections" ]
    for inode in $connections; do
        ! find "/proc/$monitor/fd" "/proc/$pid/fd" -lname "socket:\[$inode\]" | grep .
    done
    ! hull exec "$id" env | grep -E 'LISTEN_|NOTIFY_SOCKET'
    hull rm -f "$id"
}

@test "the listener is ended, or killed, while clients wait: containers run on, and the next one serves them" {
    local signal waiters
    hull run -d --name on box sleep 1000
    for signal in TERM KILL; do
        curl -sS --unix-socket "$API_SOCKET" -X POST http://d/containers/on/wait >"$HULL_DIR/wait.out" 2>&1 3>&- &
        waiters=$!
        curl -sS --unix-socket "$API_SOCKET" 'http://d/containers/on/logs?follow=1&stdout=1' >"$HULL_DIR/logs.out" 2>&1 3>&- &
        waiters="$waiters $!"
        wait_until 30 eval '[ "$(clients | wc -l)" = 2 ]'
        kill -$signal "$(cat "$HULL_DIR/serve.pid")"
        wait_until 30 eval "! kill -0 $(cat "$HULL_DIR/serve.pid") 2>/dev/null"
        api_serve
        [ "$(api_is 200 GET /containers/json | json '[c["Names"] for c in x]')" = '[["/on"]]' ]
        [ "$signal" = TERM ] || api_is 204 POST /containers/on/kill
        # SIGTERM sends them away; who waits while the listener is killed is served to the end.
        # shellcheck disable=SC2086
        wait $waiters || true
    done
    grep -q '{"StatusCode":137}' "$HULL_DIR/wait.out"
    hull rm -f on
}

@test "a plain user's listener" {
    need_root
    need_cmd setpriv unshare newuidmap newgidmap
    [ -e /etc/subuid ] && [ -e /etc/subgid ] || skip "there is no /etc/subuid"
    local at=$HULL_DIR/plain uid=48124
    mkdir -p "$at/home" "$at/run"
    chmod 755 "$at"
    chown $uid:$uid "$at/home" "$at/run"
    { cat /etc/passwd; echo "plainuser:x:$uid:$uid::$at/home:/bin/sh"; } >"$at/passwd"
    echo "plainuser:3100000:65536" >"$at/ranges"
    cat >"$at/script" <<'SH'
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/ranges" /etc/subuid
mount --bind "$1/ranges" /etc/subgid
exec setpriv --reuid "$2" --regid "$2" --clear-groups env -i PATH="$PATH" HOME="$1/home" XDG_RUNTIME_DIR="$1/run" HULL_NETWORK=none sh -euc '
    "$1" run --rm box true || exit 77
    "$1" serve --time 3 3>&- >"$HOME/out" &
    until grep -q listening "$HOME/out"; do sleep 0.1; done
    ask() { curl -sS --max-time 60 --unix-socket "$XDG_RUNTIME_DIR/hull.sock" -H "Content-Type: application/json" "$@"; }
    ask -d "{\"Image\":\"box\",\"Cmd\":[\"sh\",\"-c\",\"id -u; exit 5\"]}" "http://d/containers/create?name=one"
    ask -X POST http://d/containers/one/start
    ask -X POST http://d/containers/one/wait
    ask "http://d/containers/one/logs?stdout=1" | tr -d "\000\001\002"
    ask -X DELETE http://d/containers/one
    ask "http://d/containers/json?all=1"
    wait' sh "$3"
SH
    run unshare -m --propagation private sh -eu "$at/script" "$at" $uid "$(readlink -f "$HULL")"
    find "$at" -xdev -depth -delete 2>/dev/null || rm -rf "$at"
    [ "$status" != 77 ] || skip "this machine lets no plain user run containers"
    [ "$status" = 0 ]
    [[ $output == *'"StatusCode":5'* && $output == *0*'[]'* ]]
}
