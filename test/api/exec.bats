#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# exec over docker's API: made, started, looked at, resized; what its client sees, and what is left when it goes.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() {
    hull_setup
    api_serve
    hull run -d --name web box sleep 100000
}
teardown_file() {
    hull rm -f web
    api_end
    hull_teardown
}

stream() { python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "$@"; }
make() { api_is 201 POST /containers/web/exec "$1" | json 'x["Id"]'; }
look() { api_is 200 GET "/exec/$1/json" | json "$2"; }
has_ended() { [ "$(look "$1" 'x["Running"]')" = false ]; }

@test "output of both streams, and the exit code, also when nobody asks for long" {
    id=$(make '{"Cmd":["sh","-c","echo out; echo err >&2; exit 7"],"AttachStdout":true,"AttachStderr":true}')
    [ "$(look "$id" '[x["Running"], x["ExitCode"], x["Pid"]]')" = '[false, null, 0]' ]
    run -0 --separate-stderr stream "/exec/$id/start" '{}'
    [ "$output" = out ]
    [ "$stderr" = "101 multiplexed
err" ]
    [ "$(look "$id" '[x["Running"], x["ExitCode"], x["ProcessConfig"]["entrypoint"], x["ProcessConfig"]["arguments"][0]]')" = '[false, 7, "sh", "-c"]' ]
    [[ $(api_is 409 POST "/exec/$id/start" '{}') == *"has already run"* ]]
    [[ $(api_is 200 GET /containers/web/json | json 'x["ExecIDs"]') == *$id* ]]
}

@test "stdin, its end, and a lot of both" {
    id=$(make '{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}')
    head -c 3000000 /dev/urandom >big
    stream "/exec/$id/start" '{}' <big >big.out 2>/dev/null
    cmp big big.out
    [ "$(look "$id" 'x["ExitCode"]')" = 0 ]
}

@test "environment, user, working directory, privileges" {
    id=$(make '{"Cmd":["sh","-c","echo $NEW; id -u; pwd; grep CapEff /proc/self/status"],"AttachStdout":true,"Env":["NEW=x y"],"User":"12:13","WorkingDir":"/tmp"}')
    run -0 stream "/exec/$id/start" '{}'
    [[ $output == *"x y"*12*/tmp*0000000000000000* ]]
    id=$(make '{"Cmd":["grep","CapEff","/proc/self/status"],"AttachStdout":true,"Privileged":true}')
    run -0 stream "/exec/$id/start" '{}'
    [[ $output != *00000000a80425fb* ]]
}

@test "a command that is not there: in the stream, and 127; detached: an answer" {
    id=$(make '{"Cmd":["no-such-program"],"AttachStdout":true}')
    run -0 stream "/exec/$id/start" '{}'
    [[ $output == *no-such-program* ]]
    [ "$(look "$id" '[x["Running"], x["ExitCode"]]')" = '[false, 127]' ]
    id=$(make '{"Cmd":["/etc"],"AttachStdout":true}')
    stream "/exec/$id/start" '{}' || true
    [ "$(look "$id" 'x["ExitCode"]')" = 126 ]
    id=$(make '{"Cmd":["no-such-program"]}')
    run -0 api POST "/exec/$id/start" '{"Detach":true}'
    [[ $output != *$'\n200' ]]
}

@test "detached: it runs on by itself, and its end is known" {
    id=$(make '{"Cmd":["sh","-c","while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 5"]}')
    api_is 200 POST "/exec/$id/start" '{"Detach":true}'
    [ "$(look "$id" '[x["Running"], x["ExitCode"], x["Pid"] > 0]')" = '[true, null, true]' ]
    [[ $(api_is 409 POST "/exec/$id/start" '{}') == *"already running"* ]]
    hull exec web touch /tmp/go
    wait_until 30 has_ended "$id"
    [ "$(look "$id" 'x["ExitCode"]')" = 5 ]
}

@test "a client that goes, and a server that ends, leave the process running, and its end is known" {
    id=$(make '{"Cmd":["sh","-c","while [ ! -e /tmp/over ]; do echo tick; sleep 0.02; done; exit 6"],"AttachStdout":true}')
    python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "/exec/$id/start" '{}' --keep >tick.out 2>/dev/null </dev/null 3>&- &
    pid=$!
    wait_until 30 grep -q tick tick.out
    kill $pid
    api_end
    api_serve
    [ "$(look "$id" 'x["Running"]')" = true ]
    hull exec web touch /tmp/over
    wait_until 30 has_ended "$id"
    [ "$(look "$id" 'x["ExitCode"]')" = 6 ]
}

@test "a terminal: its size from the first moment on, resize, detach keys" {
    id=$(make '{"Cmd":["sh","-c","stty size; read x; stty size; sleep 1000"],"Tty":true,"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"DetachKeys":"ctrl-x,d"}')
    mkfifo in
    RAW=1 python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "/exec/$id/start" '{"Tty":true,"ConsoleSize":[21,43]}' <in >term.out 2>term.err 3>&- &
    pid=$!
    exec 9>in
    wait_until 30 grep -q '21 43' term.out
    grep -q '101 raw' term.err
    api_is 200 POST "/exec/$id/resize?h=33&w=77"
    echo go >&9
    wait_until 30 grep -q '33 77' term.out
    printf '\030' >&9
    printf 'd' >&9
    wait $pid
    exec 9>&-
    [ "$(look "$id" 'x["Running"]')" = true ]
    hull exec web sh -c 'kill -9 $(pgrep -f "sleep 1000$")' || true
    [[ $(api_is 400 POST "/exec/$id/resize?h=33") == *needed* ]]
}

@test "what is refused" {
    [[ $(api_is 404 POST /containers/missing/exec '{"Cmd":["true"]}') == *'"No such container: missing"'* ]]
    [[ $(api_is 404 GET /exec/missing/json) == *'"No such exec instance: missing"'* ]]
    [[ $(api_is 404 POST /exec/../start '{}') == *message* ]]
    [[ $(api_is 400 POST /containers/web/exec '{}') == *"No exec command specified"* ]]
    [[ $(api_is 400 POST /containers/web/exec '{"Cmd":"text"}') == *Cmd* ]]
    [[ $(api_is 400 POST /containers/web/exec '{"Cmd":[') == *body* ]]
    [[ $(api_is 400 POST /containers/web/exec '{"Cmd":["true"],"DetachKeys":"nonsense"}') == *"Invalid detach keys"* ]]
    id=$(make '{"Cmd":["true"]}')
    [[ $(api_is 400 POST "/exec/$id/start" '{"ConsoleSize":[1,2]}') == *"only supported when TTY"* ]]
    [[ $(api_is 409 POST "/exec/$id/resize?h=1&w=1") == *"is not running"* ]]
    hull pause web
    [[ $(api_is 409 POST /containers/web/exec '{"Cmd":["true"]}') == *"is paused, unpause the container before exec"* ]]
    hull unpause web
    hull create --name cold box true
    [[ $(api_is 409 POST /containers/cold/exec '{"Cmd":["true"]}') == *"is not running"* ]]
    hull rm cold
}

@test "its container's end is its own, and it is forgotten" {
    hull run -d --name brief box sleep 1000
    id=$(api_is 201 POST /containers/brief/exec '{"Cmd":["sleep","1000"],"AttachStdout":true}' | json 'x["Id"]')
    python3 "$BATS_TEST_DIRNAME/../lib/api_stream.py" "$API_SOCKET" POST "/exec/$id/start" '{}' >/dev/null 2>started </dev/null 3>&- &
    pid=$!
    wait_until 30 grep -q 101 started
    hull rm -f brief
    wait $pid
    api_is 404 GET "/exec/$id/json"
}

@test "docker exec" {
    need_docker_cli
    run -3 --separate-stderr docker_cli exec web sh -c 'echo out; echo err >&2; exit 3'
    [ "$output/$stderr" = out/err ]
    [ "$(echo x | docker_cli exec -i web cat)" = x ]
    run -127 docker_cli exec web no-such-program
    docker_cli exec -d web touch /tmp/detached
    wait_until 30 hull exec web test -e /tmp/detached
}
