#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# attach over docker's API: before the start and after it, with and without a terminal; resize.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }
teardown() { [ -z "${HULL_TMUX-}" ] || tty_stop; }

stream() { python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "$@"; }

# Attaches in the background, with stdin from $1, and waits until the answer is there; output in $2.out, $2.err.
begin() {
    local from=$1 name=$2
    shift 2
    rm -f "$name.ready"
    python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "$@" --quiet --ready "$name.ready" <"$from" >"$name.out" 2>"$name.err" 3>&- &
    pid=$!
    wait_until 30 test -e "$name.ready"
}

container_dir() { echo "$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' "$1")"; }

ALL='stream=1&stdin=1&stdout=1&stderr=1'

@test "attached before the start: not a byte is missed, on both streams, and the end is told" {
    for i in 1 2 3 4 5 6 7 8; do
        hull create --name early box sh -c 'echo out; echo err >&2; head -c 300000 /dev/zero; exit 3'
        begin /dev/null early "/containers/early/attach?$ALL"
        hull start early
        wait $pid
        [ "$(wc -c <early.out)" = 300004 ]
        [ "$(cat early.err)" = err ]
        [ ! -e "$(container_dir early)/waiting" ]
        hull rm early
    done
}

@test "stdin that came before the start reaches the program, and its end" {
    hull create -i --name feeder box cat
    python3 - "$API_SOCKET" >feeder.out <<'PY'
import socket, sys, subprocess, os
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
# Behind the request in one piece, and half-closed before anybody was started.
s.sendall(b"POST /containers/feeder/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ")
out = b""
while b"\r\n\r\n" not in out:
    out += s.recv(4096)
s.sendall(b"bird\n")
s.shutdown(socket.SHUT_WR)
subprocess.run([os.environ["HULL"], "start", "feeder"], check=True, stdout=subprocess.DEVNULL)
while piece := s.recv(4096):
    out += piece
print(out.split(b"\r\n\r\n", 1)[1])
PY
    [ "$(cat feeder.out)" = "b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x0bearly bird\\n'" ]
    hull rm feeder
}

@test "only what was asked for; several at once; who waits and goes leaves nothing" {
    hull create --name many box sh -c 'echo out; echo err >&2'
    begin /dev/null a "/containers/many/attach?stream=1&stdout=1"
    first=$pid
    begin /dev/null b "/containers/many/attach?stream=1&stderr=1"
    second=$pid
    begin /dev/null z "/containers/many/attach?stream=1&stderr=1"
    kill $pid
    wait_until 30 sh -c "[ \$(ls '$(container_dir many)/waiting' | wc -l) = 2 ]"
    hull start many
    wait $first
    wait $second
    [ "$(cat a.out a.err)" = out ]
    [ "$(cat b.out b.err)" = err ]
    hull rm many
    # A server that was killed: its place refuses, the start goes on and takes it away.
    hull create --name lonely box true
    begin /dev/null c "/containers/lonely/attach?$ALL"
    wait_until 30 test -e "$(container_dir lonely)/waiting"
    for p in $(pgrep -P "$(cat "$HULL_DIR/serve.pid")"); do kill -KILL "$p"; done
    wait $pid || true
    hull start lonely
    [ "$(hull wait lonely)" = 0 ]
    [ ! -e "$(container_dir lonely)/waiting" ]
    hull rm lonely
}

@test "a container that is removed, or cannot be started, ends those who wait for it" {
    hull create --name gone box true
    begin /dev/null gone "/containers/gone/attach?$ALL"
    hull rm gone
    wait $pid
    hull create --name cannot box /no/such/program
    begin /dev/null cannot "/containers/cannot/attach?$ALL"
    run -1 hull start cannot
    wait $pid
    hull rm cannot
}

@test "attached to what runs: from now on, with logs from the beginning; its answer's type by version" {
    hull run -d -i --name live box sh -c 'echo first; while read x; do echo "<$x>"; [ "$x" != end ] || exit 0; done'
    wait_until 30 sh -c '"$HULL" logs live | grep -q first'
    run -0 stream '/v1.47/containers/live/attach?logs=1&stdout=1' </dev/null
    [[ $output == *'101 multiplexed'*first* ]]
    run -0 stream '/v1.41/containers/live/attach?logs=1&stdout=1' </dev/null
    [[ $output == *'101 raw'*first* ]]
    run -0 stream '/containers/live/attach?logs=1&stdout=1' --old </dev/null
    [[ $output == *'200 raw'*first* ]]
    # Its input ends, the container's stays open: it is let go.
    run -0 stream "/containers/live/attach?$ALL" <<<one
    [[ $output != *first* ]]
    wait_until 30 sh -c '"$HULL" logs live | grep -q "<one>"'
    status_is live running
    begin <(echo end; sleep 60) over "/containers/live/attach?$ALL"
    wait $pid
    [ "$(cat over.out)" = '<end>' ]
    hull rm live
}

@test "one that its restart policy starts again keeps the client until it ends for good" {
    hull create --name again --restart on-failure:2 box sh -c 'echo run; exit 4'
    begin /dev/null again "/containers/again/attach?$ALL"
    hull start again
    wait $pid
    [ "$(grep -c run again.out)" = 3 ]
    hull rm again
}

@test "a stop while it waits for its next start ends the client" {
    hull create --name stopped --restart always box sh -c 'echo run; exit 4'
    begin /dev/null stopped "/containers/stopped/attach?$ALL"
    hull start stopped
    wait_until 30 grep -q run stopped.out
    hull stop -t 0 stopped
    wait $pid
    hull rm stopped
}

@test "a client that goes leaves the container running and nothing else" {
    hull run -d --name stays box sh -c 'while :; do echo tick; sleep 0.05; done'
    begin /dev/null stays "/containers/stays/attach?$ALL"
    wait_until 30 grep -q tick stays.out
    kill $pid
    wait_until 30 sh -c "! test -e '$(container_dir stays)/waiting'"
    status_is stays running
    hull rm -f stays
}

@test "a terminal: raw, its size, the detach keys" {
    hull create -i -t --name term box sh -c 'echo up; read x; stty size; sleep 1000'
    mkfifo in
    RAW=1 python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "/containers/term/attach?$ALL&detachKeys=ctrl-x,d" --ready r <in >term.out 2>term.err 3>&- &
    pid=$!
    exec 9>in
    wait_until 30 test -e r
    grep -q '101 raw' term.err
    hull start term
    wait_until 30 grep -q up term.out
    api_is 200 POST '/containers/term/resize?h=33&w=77'
    echo go >&9
    wait_until 30 grep -q '33 77' term.out
    printf '\030' >&9
    printf 'd' >&9
    wait $pid
    exec 9>&-
    status_is term running
    hull rm -f term
    [[ $(api_is 404 POST '/containers/term/resize?h=33&w=77') == *"No such container: term"* ]]
}

@test "what is refused" {
    [[ $(api_is 404 POST '/containers/missing/attach?stream=1') == *'"No such container: missing"'* ]]
    hull run -d --name plain box sleep 1000
    [[ $(api_is 400 POST '/containers/plain/attach?stream=1&detachKeys=ctrl-nonsense') == *"Invalid detach keys"* ]]
    [[ $(api_is 400 POST '/containers/plain/resize?h=x&w=1') == *h* ]]
    [[ $(api_is 400 POST '/containers/plain/resize?w=1') == *needed* ]]
    hull pause plain
    [[ $(api_is 409 POST '/containers/plain/attach?stream=1') == *"is paused, unpause the container before attach"* ]]
    hull rm -f plain
    hull create --name cold box true
    [[ $(api_is 409 POST '/containers/cold/resize?h=1&w=1') == *"is not running"* ]]
    hull rm cold
}

@test "docker start -a and -i, again and again: no byte is lost" {
    need_docker_cli
    hull create --name often box sh -c 'echo out; echo err >&2; exit 3'
    for i in 1 2 3 4 5 6 7 8 9 10; do
        run -3 --separate-stderr docker_cli start -a often
        [ "$output/$stderr" = out/err ]
    done
    hull rm often
    hull create -i --name filter box cat
    head -c 2000000 /dev/urandom >big
    docker_cli start -a -i filter <big >big.out
    cmp big big.out
    hull rm filter
}

@test "docker attach and exec in a terminal" {
    need_docker_cli
    need_cmd tmux
    export HULL_TMUX=hull-api-$$
    hull run -d -i -t --name shell box sh
    tty_start attached "DOCKER_HOST=unix://$API_SOCKET docker attach shell; echo status \$?; sleep 100"
    tty_type 'stty size; echo a"tt"ached' Enter
    tty_shows 30 '^30 100'
    tty_shows 30 '^attached'
    tty_type C-p C-q
    tty_shows 30 'status 0|read escape'
    tty_start inside "DOCKER_HOST=unix://$API_SOCKET docker exec -it shell sh -c 'stty size; read x; exit 9'; echo status \$?; sleep 100"
    tty_shows 30 '^30 100'
    tty_type Enter
    tty_shows 30 'status 9'
    hull rm -f shell
}

@test "docker run: both streams and the status, stdin and its end, a terminal" {
    need_docker_cli
    need_cmd tmux
    for i in 1 2 3 4 5; do
        run -3 --separate-stderr docker_cli run --rm box sh -c 'echo out; echo err >&2; exit 3'
        [ "$output/$stderr" = out/err ]
    done
    [ "$(echo x | docker_cli run --rm -i box cat)" = x ]
    [ "$(docker_cli run --rm box head -c 2000000 /dev/zero | wc -c)" = 2000000 ]
    run -127 docker_cli run --rm box no-such-program
    export HULL_TMUX=hull-api-$$
    tty_start made "DOCKER_HOST=unix://$API_SOCKET docker run --rm -it --name kept box sh -c 'read x; stty size; read x; exit 9'; echo status \$?; sleep 100"
    wait_until 30 status_is kept running
    tty_type Enter
    tty_shows 30 '^30 100'
    tty_type Enter
    tty_shows 30 'status 9'
}
