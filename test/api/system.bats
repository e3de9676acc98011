#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull serve: the listener, HTTP itself, and what of docker's API concerns no object.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }

# Bytes as they are to the socket, and what comes back.
raw() {
    python3 - "$API_SOCKET" "$1" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
out = b""
try:
    s.sendall(sys.argv[2].encode().decode("unicode_escape").encode("latin-1"))
    s.shutdown(socket.SHUT_WR)
except (BrokenPipeError, ConnectionResetError): # it has answered and does not read the rest
    pass
try:
    while piece := s.recv(65536):
        out += piece
except ConnectionResetError:
    pass
sys.stdout.write(out.decode("latin-1").replace("\r", ""))
PY
}

@test "ping, with and without a version, GET and HEAD" {
    for path in /_ping /v1.41/_ping /v1.24/_ping; do
        [ "$(api_is 200 GET $path)" = OK ]
        run -0 curl -sS --unix-socket "$API_SOCKET" --head "http://d$path"
        [[ $output == *"Api-Version: 1.47"* && $output == *"Ostype: linux"* && $output == *"Content-Length: 2"* ]]
    done
}

@test "version and info are what the commands say" {
    [ "$(api_is 200 GET /version | json 'x["ApiVersion"]')" = 1.47 ]
    [ "$(api_is 200 GET /v1.40/info | json 'x["DockerRootDir"]')" = "$(hull info -f '{{.DockerRootDir}}')" ]
}

@test "versions that are not ours are told apart" {
    [[ $(api_is 400 GET /v1.99/info) == *"client version 1.99 is too new. Maximum supported API version is 1.47"* ]]
    [[ $(api_is 400 GET /v2.1/info) == *"too new"* ]]
    [[ $(api_is 400 GET /v1.23/info) == *"too old"* ]]
    [[ $(api_is 404 GET /v1.41x/info) == *"page not found"* ]]
}

@test "what is not there: 404, another method 405, swarm 503, plugins none" {
    [[ $(api_is 404 GET /nothing) == *'"message":"page not found"'* ]]
    api_is 405 DELETE /version
    [[ $(api_is 503 GET /v1.41/swarm) == *"not a swarm manager"* ]]
    [ "$(api_is 200 GET /plugins)" = '[]' ]
}

@test "two requests on one connection; close and HTTP/1.0 end it" {
    run -0 raw 'GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n'
    [ "$(grep -o 'HTTP/1.1 200 OK' <<<"$output" | wc -l)" = 2 ]
    run -0 raw 'GET /_ping HTTP/1.1\r\nConnection: close\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n'
    [ "$(grep -o 'HTTP/1.1 200 OK' <<<"$output" | wc -l)" = 1 ]
    run -0 raw 'GET /_ping HTTP/1.0\r\n\r\nGET /_ping HTTP/1.0\r\n\r\n'
    [ "$(grep -o 'HTTP/1.1 200 OK' <<<"$output" | wc -l)" = 1 ]
}

@test "what is no request is told in one answer, and the connection ends" {
    run -0 raw 'nonsense\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n'
    [[ $output == "HTTP/1.1 400 "*"malformed request line"* && $output != *"200 OK"* ]]
    run -0 raw 'GET /_ping HTTP/2.0\r\n\r\n'
    [[ $output == "HTTP/1.1 505 "* ]]
    run -0 raw 'POST /auth HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    [[ $output == "HTTP/1.1 400 "*"no Content-Length"* ]]
    run -0 raw 'POST /auth HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345'
    [[ $output == "HTTP/1.1 400 "*"two lengths"* ]]
    run -0 raw 'POST /auth HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'
    [[ $output == "HTTP/1.1 501 "* ]]
    run -0 raw 'GET /_ping HTTP/1.1\r\nX : y\r\n\r\n'
    [[ $output == "HTTP/1.1 400 "* ]]
    run -0 raw 'GET /_ping HTTP/1.1\r\nHost'
    [[ $output == "HTTP/1.1 400 "*"ends in its head"* ]]
    run -0 raw "GET /$(head -c 80000 /dev/zero | tr '\0' a) HTTP/1.1\r\n\r\n"
    [[ $output == "HTTP/1.1 431 "* ]]
    run -0 raw 'POST /auth HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'
    [[ $output == "HTTP/1.1 400 "*"size of a chunk"* ]]
    api_is 200 GET /_ping
}

@test "a body in chunks, and one that is announced by Expect" {
    run -0 raw 'POST /auth HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nT: x\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n'
    [[ $output == "HTTP/1.1 400 "*"username and password"*"HTTP/1.1 200 OK"* ]]
    run -0 curl -sS -i --unix-socket "$API_SOCKET" -H 'Content-Type: application/json' -H 'Expect: 100-continue' --data-binary '{}' http://d/auth
    [[ $output == "HTTP/1.1 100 Continue"*"HTTP/1.1 400 "* ]]
    [[ $(api_is 400 POST /auth '[1]') == *"object"* ]]
    [[ $(api_is 400 POST /auth '{"a"') == *"body"* ]]
}

@test "events: what was, and what comes, until the client goes" {
    hull volume create seen-v
    [[ $(curl -sS --globoff --max-time 3 --unix-socket "$API_SOCKET" "http://d/events?since=1&filters={\"volume\":{\"seen-v\":true}}" || true) == *'"Action":"create"'* ]]
    hull volume rm seen-v
    [[ $(api_is 400 GET '/events?filters=nonsense') == *filters* ]]
    [[ $(api_is 400 GET '/events?since=yesterday&until=1') == *since* ]]
}

@test "docker's own command line understands it" {
    need_docker_cli
    [ "$(docker_cli version -f '{{.Server.APIVersion}}')" = 1.47 ]
    [ "$(docker_cli info -f '{{.DockerRootDir}}')" = "$(hull info -f '{{.DockerRootDir}}')" ]
    docker_cli system df
}

@test "the socket: nobody but the owner, a second hull is told, a stale one is replaced, --group" {
    [ "$(stat -c %a "$API_SOCKET")" = 600 ]
    refuses 1 'serves there already' serve "unix://$API_SOCKET"
    api_is 200 GET /_ping
    touch "$HULL_DIR/plain"
    refuses 1 'is no socket' serve "$HULL_DIR/plain"
    refuses 125 'absolute path' serve hull.sock
    refuses 125 'no such group' serve --group nobody-has-this "$HULL_DIR/g.sock"
    python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$HULL_DIR/g.sock"
    "$HULL" serve --time 1 --group 12 "$HULL_DIR/g.sock" 3>&- >"$HULL_DIR/g.out" &
    wait_until 30 grep -q listening "$HULL_DIR/g.out"
    [ "$(stat -c '%a %g' "$HULL_DIR/g.sock")" = "660 12" ]
    wait $!
    [ ! -e "$HULL_DIR/g.sock" ]
}

@test "socket activation: sockets come from outside, nobody inside sees them" {
    run -0 python3 - "$HULL" "$HULL_DIR/given.sock" <<'PY'
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[2])
s.listen(8)
def give():
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
pid = os.fork()
if pid == 0:
    give()
    os.execv(sys.argv[1], [sys.argv[1], "serve", "--time", "1"])
c = socket.socket(socket.AF_UNIX)
c.connect(sys.argv[2])
c.sendall(b"GET /_ping HTTP/1.1\r\nConnection: close\r\n\r\n")
out = b""
while piece := c.recv(4096):
    out += piece
print(out.split(b"\r\n")[0].decode())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.exists(sys.argv[2]))
PY
    [ "$output" = "HTTP/1.1 200 OK
0 True" ]
}

@test "socket activation: what does not listen is refused" {
    run -0 python3 - "$HULL" <<'PY'
import os, socket, subprocess, sys
a, b = socket.socketpair()
quiet = socket.socket(socket.AF_UNIX)
for given in a.fileno(), os.open("/dev/null", os.O_RDONLY), quiet.fileno():
    pid = os.fork()
    if pid == 0:
        os.dup2(given, 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(sys.argv[1], [sys.argv[1], "serve", "--time", "1"])
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
    [ "$(grep -c '^125$' <<<"$output") $(grep -c 'descriptor 3 is no socket that listens' <<<"$output")" = "3 3" ]
}
