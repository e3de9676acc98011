#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Killed anywhere: hull, its monitor and the container's first process each die at their n-th system call, for many n.
# After each the next commands work, and nothing is left.
# machines: native v2

load ../lib/hull
setup_file() {
    need_cmd strace
    hull_setup
    # A cgroup of this file's own, to see what is left of it.
    echo '{"cgroup-parent":"/hull-test-kills"}' >"$HULL_DIR/hull.json"
    export HULL_CONFIG=$HULL_DIR/hull.json
    strace -o /dev/null -e inject=all:signal=KILL:when=5 true && skip "strace cannot inject signals here"
    true
}
teardown_file() {
    find /sys/fs/cgroup -maxdepth 2 -type d -name hull-test-kills -exec rmdir {} + 2>/dev/null || true
    hull_teardown
}

left() {
    find "$HULL_RUN_ROOT/containers" "$HULL_ROOT/containers" "$HULL_ROOT/names" -mindepth 1 -maxdepth 1
    find /sys/fs/cgroup -maxdepth 3 -path '*/hull-test-kills/*' -type d
}

nothing_left() {
    [ -z "$(left)" ]
}

# Kills at the n-th call, then cleans up as a user would. usage: killed N STRACE-OPTION... -- ARGS...
killed() {
    local n=$1 options=() ids
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    timeout 30 strace -o /dev/null "${options[@]}" -e "inject=all:signal=KILL:when=$n" "$HULL" "$@" >/dev/null 2>&1 || true
    ids=$(hull ps -aq)
    [ -z "$ids" ] || hull rm -f -v $ids >/dev/null
    hull run --rm --name "next$n" box true
    wait_until 5 nothing_left || { echo "killed at call $n:"; left; return 1; }
}

@test "hull run is killed before, while and after it starts its container" {
    for n in $(seq 3 11 400); do
        killed "$n" -- run --rm -v /data box true
    done
}

@test "all of them are killed at their n-th call" {
    for n in $(seq 5 19 560); do
        killed "$n" -f -- run -d --name victim box sleep 0.2
    done
}

@test "create, start, stop and rm are killed" {
    for n in $(seq 60 17 330); do
        killed "$n" -- create --name victim box true
    done
    for n in $(seq 60 37 400); do
        hull create --name victim box sleep 60 >/dev/null
        killed "$n" -- start victim
        hull run -d --name victim box sleep 60 >/dev/null
        killed "$n" -- stop -t 1 victim
        hull create --name victim -v /data box true >/dev/null
        killed "$n" -- rm -v victim
    done
    run -0 hull volume ls -q
    [ "$output" = "" ] || { echo "volumes left: $output"; false; }
}
