#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GET /containers/X/stats: docker's ContainerStats.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() {
    hull_setup
    api_serve
    hull run -d --name busy -m 64M box sh -c 'while :; do :; done' >/dev/null
    hull create --name idle box true >/dev/null
}
teardown_file() {
    hull rm -f busy idle
    api_end
    hull_teardown
}

@test "one look: its counters, the machine's, nothing of a look before" {
    need_controller memory
    api_is 200 GET '/containers/busy/stats?stream=0&one-shot=1' >"$HULL_DIR/stats"
    [ "$(json 'x["name"]' <"$HULL_DIR/stats")" = /busy ]
    [ "$(json 'x["id"]' <"$HULL_DIR/stats")" = "$(hull inspect -f '{{.Id}}' busy)" ]
    [ "$(json 'x["memory_stats"]["limit"]' <"$HULL_DIR/stats")" = 67108864 ]
    [ "$(json 'x["memory_stats"]["usage"] > 0' <"$HULL_DIR/stats")" = true ]
    [ "$(json 'any(k in x["memory_stats"]["stats"] for k in ("inactive_file", "total_inactive_file"))' <"$HULL_DIR/stats")" = true ]
    [ "$(json 'x["cpu_stats"]["cpu_usage"]["total_usage"] > 0 and x["cpu_stats"]["system_cpu_usage"] > 0' <"$HULL_DIR/stats")" = true ]
    [ "$(json 'x["cpu_stats"]["online_cpus"]' <"$HULL_DIR/stats")" = "$(nproc)" ]
    [ "$(json 'x["pids_stats"]["current"] >= 1' <"$HULL_DIR/stats")" = true ]
    [ "$(json 'x["precpu_stats"]' <"$HULL_DIR/stats")" = '{}' ]
    [ "$(json 'x["preread"]' <"$HULL_DIR/stats")" = 0001-01-01T00:00:00Z ]
    [ "$(json 'sorted(x["blkio_stats"])[0]' <"$HULL_DIR/stats")" = io_merged_recursive ]
}

@test "two looks: the one before is in it, as a stream has it too" {
    run -0 api_is 200 GET '/containers/busy/stats?stream=false'
    [ "$(json 'x["cpu_stats"]["cpu_usage"]["total_usage"] >= x["precpu_stats"]["cpu_usage"]["total_usage"] > 0' <<<"$output")" = true ]
    python3 - "$API_SOCKET" <<'PY'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
s.sendall(b"GET /containers/busy/stats HTTP/1.0\r\n\r\n")
f = s.makefile("rb")
while f.readline().strip():
    pass
one, two = json.loads(f.readline()), json.loads(f.readline())
assert one["precpu_stats"] == {} and two["precpu_stats"] == one["cpu_stats"] and two["preread"] == one["read"]
PY
}

@test "one that does not run: zeros; none: 404; contradictions: 400" {
    [ "$(api_is 200 GET '/containers/idle/stats?stream=0' | json '[x["read"], x["memory_stats"], x["cpu_stats"]["cpu_usage"]["total_usage"]]')" = \
        '["0001-01-01T00:00:00Z", {}, 0]' ]
    api_is 404 GET '/containers/nobody/stats?stream=0'
    api_is 400 GET '/containers/busy/stats?one-shot=1'
}

@test "a stream ends when its container is removed" {
    hull create --name brief box true
    curl -sSN --max-time 60 --unix-socket "$API_SOCKET" -w '\n%{http_code}' http://d/containers/brief/stats >"$HULL_DIR/brief" 3>&- &
    wait_until 30 grep -q brief "$HULL_DIR/brief"
    hull rm brief
    wait $!
    [ "$(tail -n 1 "$HULL_DIR/brief")" = 200 ]
}

@test "docker's own stats" {
    need_docker_cli
    run -0 docker_cli stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' busy
    [[ $output == "busy "[1-9]*" / 64MiB" ]]
}
