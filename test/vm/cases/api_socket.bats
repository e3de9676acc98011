#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull.socket and hull.service as systemd sees them: the first client starts the service, which ends when nobody came for a while; neither
# its end nor being stopped touches a container.
# machines: v2 v2:tester

load ../../lib/hull

# The units as they are installed, with this hull, this store and a shorter time.
setup_file() {
    [ -d /run/systemd/system ] || skip "this machine has no systemd"
    hull_setup
    local kind=system unit
    export UNITS=/run/systemd/system MANAGER=--system API_SOCKET=/run/hull.sock
    if [ "$(id -u)" != 0 ]; then
        kind=user UNITS=$XDG_RUNTIME_DIR/systemd/user MANAGER=--user API_SOCKET=$XDG_RUNTIME_DIR/hull.sock
    fi
    mkdir -p "$UNITS/hull.service.d"
    for unit in hull.socket hull.service; do
        cp "$HULL_BUILD/unit/$kind-$unit" "$UNITS/$unit"
    done
    printf '[Service]\nExecStart=\nExecStart=%s serve --time 2\nEnvironment=HULL_ROOT=%s HULL_RUN_ROOT=%s HULL_NETWORK=none HOME=%s\n' \
        "$HULL" "$HULL_ROOT" "$HULL_RUN_ROOT" "$HOME" >"$UNITS/hull.service.d/here.conf"
    systemctl $MANAGER daemon-reload
    systemctl $MANAGER start hull.socket
}
teardown_file() {
    systemctl $MANAGER stop hull.socket hull.service
    rm -rf "$UNITS/hull.socket" "$UNITS/hull.service" "$UNITS/hull.service.d"
    systemctl $MANAGER daemon-reload
    hull_teardown
}

ask() { curl -sS --max-time 60 --unix-socket "$API_SOCKET" -H 'Content-Type: application/json' -X "$@"; }
is_active() { [ "$(systemctl $MANAGER is-active hull.service)" = "$1" ]; }

@test "the socket is its owner's alone, and the first client starts the service" {
    [ "$(stat -c '%a %u' "$API_SOCKET")" = "600 $(id -u)" ]
    [ "$(ask GET http://d/_ping)" = OK ]
    is_active active
}

@test "a container that was started by it outlives the service: when it ends by itself, and when it is stopped" {
    id=$(ask POST 'http://d/containers/create?name=lasting' -d '{"Image":"box","Cmd":["sleep","1000"]}' | jq -r .Id)
    ask POST "http://d/containers/$id/start"
    status_is lasting running
    wait_until 60 is_active inactive
    status_is lasting running
    ask GET "http://d/containers/$id/json" | jq -e '.State.Running'
    is_active active
    systemctl $MANAGER stop hull.service
    status_is lasting running
    run -0 hull exec lasting sh -c 'echo "$NOTIFY_SOCKET$LISTEN_FDS"'
    [ -z "$output" ]
    hull rm -f lasting
}

@test "the next client starts it again" {
    wait_until 60 is_active inactive
    [ "$(ask GET http://d/_ping)" = OK ]
}
