#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# GET /containers/X/logs: frames, choices, following.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() {
    hull_setup
    api_serve
    hull run --name both box sh -c 'echo out; echo err >&2; sleep 0.1; echo "last out"' >/dev/null 2>&1
    hull run --name term -t box echo typed >/dev/null </dev/null
}
teardown_file() {
    hull rm -f both term
    api_end
    hull_teardown
}

# The frames: "1:out\n" and so on, sorted by stream and in the order of each.
frames() {
    curl -sS --max-time 60 --unix-socket "$API_SOCKET" "http://d/containers/$1" | python3 -c '
import struct, sys
data = sys.stdin.buffer.read()
rows = []
while data:
    stream, n = struct.unpack(">BxxxL", data[:8])
    rows.append((stream, data[8:8 + n].decode()))
    data = data[8 + n:]
print([f"{s}:{t}" for s, t in sorted(rows, key=lambda r: r[0])])'
}

@test "frames without a terminal, each stream by choice; raw with one" {
    run -0 frames 'both/logs?stdout=1&stderr=1'
    [ "$output" = "['1:out\\n', '1:last out\\n', '2:err\\n']" ]
    run -0 frames 'both/logs?stderr=1'
    [ "$output" = "['2:err\\n']" ]
    [ "$(api_is 200 GET '/containers/term/logs?stdout=1' | tr -d '\r')" = typed ]
    [[ $(api_is 400 GET /containers/both/logs) == *"at least one stream"* ]]
    api_is 404 GET '/containers/nobody/logs?stdout=1'
}

@test "the type by the version" {
    run -0 curl -sS -o /dev/null -w '%{content_type}' --unix-socket "$API_SOCKET" 'http://d/v1.42/containers/both/logs?stdout=1'
    [ "$output" = application/vnd.docker.multiplexed-stream ]
    run -0 curl -sS -o /dev/null -w '%{content_type}' --unix-socket "$API_SOCKET" 'http://d/v1.41/containers/both/logs?stdout=1'
    [ "$output" = application/vnd.docker.raw-stream ]
    run -0 curl -sS -o /dev/null -w '%{content_type}' --unix-socket "$API_SOCKET" 'http://d/containers/term/logs?stdout=1'
    [ "$output" = application/vnd.docker.raw-stream ]
}

@test "tail, since, until, timestamps, details" {
    run -0 frames 'both/logs?stdout=1&tail=1'
    [ "$output" = "['1:last out\\n']" ]
    run -0 frames 'both/logs?stdout=1&tail=all&until=1'
    [ "$output" = "[]" ]
    run -0 frames 'both/logs?stdout=1&since=0&until=0'
    [ "$output" = "['1:out\\n', '1:last out\\n']" ]
    run -0 frames 'both/logs?stdout=1&tail=1&timestamps=1'
    [[ $output == "['1:20"*"T"*"Z last out\\n']" ]]
    api_is 400 GET '/containers/both/logs?stdout=1&since=nonsense'
    hull run --name attrs -l who=me --log-opt labels=who box echo x
    run -0 frames 'attrs/logs?stdout=1&details=1'
    [ "$output" = "['1:who=me x\\n']" ]
    hull rm attrs
}

@test "follow: to the end of the container, and until the client goes" {
    hull run -d --name long box sh -c 'echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo second'
    frames 'long/logs?stdout=1&follow=1' >"$HULL_DIR/followed" 3>&- &
    hull exec long touch /tmp/go || true # it may end with the container
    wait $!
    [ "$(cat "$HULL_DIR/followed")" = "['1:first\\n', '1:second\\n']" ]
    hull rm long
    hull run -d --name long box sleep 1000
    before=$(pgrep -fc "serve unix://$API_SOCKET")
    curl -sS --max-time 1 --unix-socket "$API_SOCKET" 'http://d/containers/long/logs?stdout=1&follow=1' || true
    wait_until 30 eval '[ "$(pgrep -fc "serve unix://$API_SOCKET")" -le "$before" ]'
    hull rm -f long
}

@test "a driver that keeps nothing: 501" {
    hull run --name none --log-driver none box true
    api_is 501 GET '/containers/none/logs?stdout=1'
    hull rm none
}
