#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers as objects of docker's API: what there is, how they start, end, are called and go.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }
teardown() {
    local ids
    ids=$(hull ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || hull rm -fv $ids
}

status_of() {
    hull inspect -f '{{.State.Status}}' "$1"
}

@test "list and inspect are what the commands say" {
    hull create --name one -l app=shop box true
    hull create --name two box true
    [ "$(api_is 200 GET '/containers/json')" = '[]' ]
    [ "$(api_is 200 GET '/containers/json?all=1' | json '[c["Names"][0] for c in x]')" = '["/two", "/one"]' ]
    [ "$(api_is 200 GET '/containers/json?limit=1' | json '[c["Names"][0] for c in x]')" = '["/two"]' ]
    [ "$(api_is 200 GET '/containers/json?limit=-1&all=True&size=0&trunc_cmd=0' | json 'len(x)')" = 2 ]
    [ "$(api_is 200 GET '/containers/json?all=true&filters={"label":["app=shop"]}' | json '[c["Names"][0] for c in x]')" = '["/one"]' ]
    [ "$(api_is 200 GET '/containers/json?filters={"status":{"created":true}}' | json 'len(x)')" = 2 ]
    api_is 400 GET '/containers/json?filters={"nonsense":["x"]}'
    api_is 400 GET '/containers/json?limit=x'
    [ "$(api_is 200 GET /v1.41/containers/one/json | json 'x["Id"]')" = "$(hull inspect -f '{{.Id}}' one)" ]
    [ "$(api_is 200 GET '/containers/one/json?size=1' | json '"SizeRootFs" in x')" = true ]
    [[ $(api_is 404 GET /containers/nobody/json) == *'"message":"No such container: nobody"'* ]]
}

@test "start, stop, restart, kill: what is so already is 304" {
    hull create --name life box sleep 1000
    api_is 204 POST /containers/life/start
    [ "$(status_of life)" = running ]
    api_is 304 POST /containers/life/start
    api_is 204 POST '/containers/life/restart?t=0'
    [ "$(status_of life)" = running ]
    api_is 204 POST '/containers/life/stop?t=0'
    [ "$(status_of life)" = exited ]
    api_is 304 POST '/containers/life/stop?t=0'
    [[ $(api_is 409 POST /containers/life/kill) == *"cannot kill container: life: "*"is not running"* ]]
    api_is 204 POST /containers/life/restart
    api_is 400 POST '/containers/life/kill?signal=NOSUCH'
    api_is 204 POST '/containers/life/kill?signal=KILL'
    [ "$(hull inspect -f '{{.State.ExitCode}}' life)" = 137 ]
    api_is 404 POST /containers/nobody/start
    api_is 404 POST /containers/nobody/stop
    api_is 404 POST /containers/nobody/kill
    api_is 400 POST '/containers/life/stop?t=soon'
    api_is 400 POST /containers/life/start '{"Binds":[]}'
}

@test "restart keeps one that goes when it ends, which then goes at its next end" {
    hull run -d --rm --name brief box sh -c 'echo run >>/runs; exec sleep 1000'
    api_is 204 POST '/containers/brief/restart?t=0'
    [ "$(status_of brief)" = running ]
    wait_until 30 eval '[ "$(hull exec brief grep -c run /runs)" = 2 ]'
    hull restart -t 0 brief
    [ "$(hull inspect -f '{{.HostConfig.AutoRemove}}' brief)" = true ]
    hull kill brief
    wait_until 30 eval '! hull inspect brief >/dev/null 2>&1'
}

@test "the listener can go, containers run on" {
    hull create --name stays box sleep 1000
    api_is 204 POST /containers/stays/start
    kill "$(cat "$HULL_DIR/serve.pid")"
    wait_until 30 test ! -e "$API_SOCKET"
    api_serve
    [ "$(api_is 200 GET /containers/stays/json | json 'x["State"]["Status"]')" = running ]
    hull rm -f stays
}

@test "a command that is not there: 400 and the words that docker's client looks for" {
    hull create --name none box nothing-like-that
    [[ $(api_is 400 POST /containers/none/start) == *"executable file not found in"* ]]
    hull create --name data box /etc/passwd
    [[ $(api_is 400 POST /containers/data/start) == *"permission denied"* ]]
}

@test "pause, unpause, and what they refuse" {
    hull create --name still box sleep 1000
    api_is 409 POST /containers/still/pause
    api_is 204 POST /containers/still/start
    api_is 204 POST /containers/still/pause
    [ "$(status_of still)" = paused ]
    api_is 409 POST /containers/still/pause
    api_is 409 POST /containers/still/start
    api_is 204 POST /containers/still/unpause
    api_is 409 POST /containers/still/unpause
}

@test "rename and delete" {
    hull create --name before box true
    hull create --name taken box true
    api_is 204 POST '/containers/before/rename?name=after'
    api_is 409 POST '/containers/after/rename?name=taken'
    api_is 400 POST /containers/after/rename
    api_is 400 POST '/containers/after/rename?name=..'
    api_is 404 POST '/containers/before/rename?name=third'
    api_is 204 DELETE /containers/after
    api_is 404 DELETE /containers/after
    hull run -d --name busy box sleep 1000
    [[ $(api_is 409 DELETE /containers/busy) == *running* ]]
    api_is 204 DELETE '/containers/busy?force=1&v=1'
    api_is 400 DELETE '/containers/taken?link=1'
}

@test "prune takes what does not run" {
    hull create --name idle box true
    hull create --name kept -l keep=1 box true
    hull run -d --name busy box sleep 1000
    id=$(hull inspect -f '{{.Id}}' idle)
    [ "$(api_is 200 POST '/containers/prune?filters={"label!":["keep=1"]}' | json 'x["ContainersDeleted"]')" = "[\"$id\"]" ]
    [ "$(hull ps -aq | wc -l)" = 2 ]
    api_is 400 POST '/containers/prune?filters={"x":["y"]}'
}

# The body of a wait that is begun before the container is started, as `docker run` does it; on stderr what the start answers.
wait_and_start() {
    python3 - "$API_SOCKET" "$1" "$2" <<'PY'
import socket, sys
def ask(method, path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    s.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
    f = s.makefile("rb")
    status = f.readline()
    if path.endswith("/start"):
        print(status.decode(), file=sys.stderr, flush=True)
    while f.readline().strip():
        pass
    return f
w = ask("POST", f"/containers/{sys.argv[2]}/wait?condition={sys.argv[3]}")
ask("POST", f"/containers/{sys.argv[2]}/start").read()
print(w.read().decode().strip())
PY
}

@test "wait: its head comes before the start, the end of a short container is not missed" {
    for _ in 1 2 3; do
        hull create --name short box sh -c 'exit 7'
        [ "$(wait_and_start short next-exit)" = '{"StatusCode":7}' ]
        hull rm short
        hull create --name short --rm box sh -c 'exit 8'
        [ "$(wait_and_start short removed)" = '{"StatusCode":8}' ]
        hull create --name short --rm box sh -c 'exit 9'
        [ "$(wait_and_start short next-exit)" = '{"StatusCode":9}' ]
    done
}

@test "wait: who waits takes no container whose start fails for one whose monitor was killed" {
    for _ in $(seq 20); do
        hull create --name bad --rm --network none box /etc/passwd >/dev/null
        wait_and_start bad removed 2>"$HULL_DIR/start" >/dev/null
        [[ $(cat "$HULL_DIR/start") == *" 400 "* ]] || { cat "$HULL_DIR/start"; return 1; }
    done
    hull create --name bad --network none box /etc/passwd
    wait_and_start bad removed 2>"$HULL_DIR/start" >"$HULL_DIR/wait" 3>&- &
    wait_until 30 grep -q ' 400 ' "$HULL_DIR/start"
    [ "$(hull inspect -f '{{.State.Status}} {{.State.ExitCode}}' bad)" = "created 126" ]
    hull rm bad
    wait $!
}

@test "wait: for one that has ended, for the next end, for one that is not there" {
    hull run --name over box sh -c 'exit 3' || true
    [ "$(api_is 200 POST /containers/over/wait | json 'x["StatusCode"]')" = 3 ]
    [ "$(api_is 200 POST '/containers/over/wait?condition=not-running' | json 'x["StatusCode"]')" = 3 ]
    [ "$(wait_and_start over next-exit)" = '{"StatusCode":3}' ]
    api_is 400 POST '/containers/over/wait?condition=running'
    api_is 404 POST /containers/nobody/wait
    # Who goes away leaves nobody waiting.
    before=$(pgrep -fc "serve unix://$API_SOCKET")
    curl -sS --max-time 1 --unix-socket "$API_SOCKET" -X POST 'http://d/containers/over/wait?condition=next-exit' || true
    wait_until 30 eval '[ "$(pgrep -fc "serve unix://$API_SOCKET")" -le "$before" ]'
}

@test "top and changes" {
    hull run -d --name seen box sh -c 'echo x >/tmp/new; rm /etc/hostname 2>/dev/null; exec sleep 1000'
    wait_until 30 hull exec seen test -e /tmp/new
    [[ $(api_is 200 GET /containers/seen/top | json '[x["Titles"][-1], x["Processes"][0][-1]]') == '["CMD", "sleep 1000"]' ]]
    [ "$(api_is 200 GET '/containers/seen/top?ps_args=-o%20pid,args' | json 'x["Titles"]')" = '["PID", "COMMAND"]' ]
    [ "$(api_is 200 GET /containers/seen/changes | json '[c["Kind"] for c in x if c["Path"] == "/tmp/new"]')" = '[1]' ]
    [ "$(api_is 200 GET /containers/seen/changes | json '[c["Kind"] for c in x if c["Path"] == "/tmp"]')" = '[0]' ]
    hull kill seen
    api_is 409 GET /containers/seen/top
    api_is 404 GET /containers/nobody/top
    api_is 404 GET /containers/nobody/changes
}
