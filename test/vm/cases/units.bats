#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers and systemd's units: who looks after a container does not belong to the unit or session that started it.
# machines: v2 v2:tester

load ../../lib/hull
setup_file() {
    [ -d /run/systemd/system ] || skip "this machine has no systemd"
    hull_setup
}
teardown_file() { hull_teardown; }

# A unit of this user's manager. usage: in_unit NAME WORDS...
in_unit() {
    local user=() unit=$1
    shift
    [ "$(id -u)" = 0 ] || user=(--user)
    systemd-run "${user[@]}" -q --wait --pipe --collect --unit "$unit" -E HULL_ROOT -E HULL_RUN_ROOT -E HULL_NETWORK -E HOME "$@"
}

@test "a container outlives the unit that started it, and the unit does not wait for it" {
    in_unit hull-test-started "$HULL" run -d --name started box sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
    status_is started running
    monitor=$(awk '$1 == "PPid:" { print $2 }' "/proc/$(hull inspect -f '{{.State.Pid}}' started)/status")
    [[ $(cat "/proc/$monitor/cgroup") == *hull/monitors* ]]
    run -0 hull exec started echo in
    [ "$output" = in ]
    hull stop -t 60 started
    run -0 hull inspect -f '{{.State.Status}} {{.State.ExitCode}}' started
    [ "$output" = "exited 3" ]
}

@test "a unit that is a container in the foreground is stopped as a container is" {
    local user=()
    [ "$(id -u)" = 0 ] || user=(--user)
    systemd-run "${user[@]}" -q --collect --unit hull-test-front -E HULL_ROOT -E HULL_RUN_ROOT -E HULL_NETWORK -E HOME "$HULL" run --name front box \
        sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
    wait_until 60 status_is front running
    systemctl "${user[@]}" stop hull-test-front
    run -0 hull wait front
    run -0 hull inspect -f '{{.State.Status}} {{.State.ExitCode}}' front
    [ "$output" = "exited 3" ]
}

# The value of that field in the last entry of the container $1. usage: field CONTAINER NAME
field() {
    journalctl -q -n 1 -o json "CONTAINER_NAME=$1" | jq -r --arg name "$2" '.[$name]'
}

@test "--log-driver journald: what the container says is in the journal, with docker's fields" {
    need_root
    run -0 hull run --name journalled --log-driver journald --log-opt tag=it box sh -c 'echo first; echo second >&2'
    id=$(hull inspect -f '{{.Id}}' journalled)
    wait_until 60 sh -c 'journalctl -q -o cat CONTAINER_NAME=journalled | grep second'
    run -0 journalctl -q -o cat CONTAINER_NAME=journalled
    [ "$(sort <<<"$output" | tr '\n' ' ')" = "first second " ]
    [ "$(field journalled CONTAINER_ID_FULL)" = "$id" ]
    [ "$(field journalled CONTAINER_TAG) $(field journalled SYSLOG_IDENTIFIER) $(field journalled IMAGE_NAME)" = "it it box" ]
    run -0 journalctl -q -p err -o cat CONTAINER_NAME=journalled
    [ "$output" = second ]
    hull rm journalled
}
