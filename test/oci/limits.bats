#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# update and events: limits that change while a container runs, as its groups' files have them; what it uses; memory that runs out.
# machines: native v2 v1 hybrid

load ../lib/oci
setup_file() { oci_setup; }
teardown_file() { oci_teardown; }

# A limit's value: the file of v2, or of v1. usage: limit NAME CONTROLLER V2FILE V1FILE
limit() {
    local dir
    dir=$(cgroup_dir "$2" "$OCI_GROUP/$1")
    if [ -e "$dir/$3" ]; then cat "$dir/$3"; else cat "$dir/$4"; fi
}

@test "update: options" {
    need_controller memory pids cpu
    start one '.linux.resources = {memory: {limit: 100000000}, pids: {limit: 100}}'
    oci update --memory 64m --pids-limit 50 --cpu-quota 20000 --cpu-period 100000 one
    [ "$(limit one memory memory.max memory.limit_in_bytes)" = 67108864 ]
    [ "$(limit one pids pids.max pids.max)" = 50 ]
    [[ "$(limit one cpu cpu.max cpu.cfs_quota_us)" =~ ^20000 ]]
    # What was not named stays.
    oci update --pids-limit -1 one
    [ "$(limit one memory memory.max memory.limit_in_bytes)" = 67108864 ]
    [ "$(limit one pids pids.max pids.max)" = max ]
    oci update --cpu-share 2048 --cpuset-cpus 0 one
    [ "$(limit one cpuset cpuset.cpus cpuset.cpus)" = 0 ]
    run -0 oci exec one grep Cpus_allowed_list /proc/self/status
    [[ $output =~ [[:space:]]0$ ]]
    oci delete -f one
}

@test "update: a document, from a file and from standard input" {
    need_controller memory pids
    start two
    echo '{"memory": {"limit": 33554432}, "pids": {"limit": 7}, "cpu": {"shares": 0}, "unknown": {}}' >r.json
    oci update --resources r.json two
    [ "$(limit two memory memory.max memory.limit_in_bytes)" = 33554432 ]
    [ "$(limit two pids pids.max pids.max)" = 7 ]
    echo '{"memory": {"limit": 50000000}}' | tr '\n' ' ' | oci update -r - two
    [ "$(limit two memory memory.max memory.limit_in_bytes)" -gt 49000000 ]
    oci_refuses 1 'memory.limit' update -r <(echo '{"memory": {"limit": "x"}}') two
    oci_refuses 1 'no-such' update -r no-such two
    echo '{' >broken.json
    oci_refuses 1 'broken.json' update -r broken.json two
    oci delete -f two
}

@test "update: what is refused" {
    start three
    oci_refuses 1 'memory' update --memory 5x three
    oci_refuses 1 'no class in resctrl' update --l3-cache-schema 'L3:0=f' three
    oci_refuses 1 'cpuset|999' update --cpuset-cpus 9999 three
    oci kill three KILL
    wait_until 30 oci_is three stopped
    oci_refuses 1 'container not running' update --pids-limit 5 three
    oci delete three
    oci_refuses 1 'does not exist' update --pids-limit 5 three
}

two_lines() {
    [ "$(grep -c '^{"type":"stats",' lines)" -ge 2 ]
}

@test "events: statistics under runc's keys" {
    need_controller memory pids cpu
    start four '.linux.resources = {memory: {limit: 100000000}, pids: {limit: 100}}'
    run -0 oci events --stats four
    jq -e --arg id four '.type == "stats" and .id == $id and .data.memory.usage.limit < 100000001 and .data.memory.usage.usage > 0 and
        .data.pids.current == 1 and .data.pids.limit == 100 and .data.cpu.usage.total > 0' <<<"$output"
    oci events --interval 100ms four >lines &
    watcher=$!
    wait_until 30 two_lines
    oci kill four KILL
    wait $watcher
    oci_refuses 1 'not running' events --stats four
    oci_refuses 1 'interval' events --interval 0s four
    oci delete four
}

@test "events: memory that ran out is told" {
    need_controller memory
    start five '.linux.resources = {memory: {limit: 20000000, swap: 20000000}} | .process.args = ["sh", "-c",
        "while [ ! -e /tmp/go ]; do sleep 0.1; done; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"]'
    oci events --interval 1h five >oom &
    watcher=$!
    sleep 1
    oci exec five touch /tmp/go
    wait $watcher
    grep -qx '{"type":"oom","id":"five"}' oom
    oci delete -f five
}

@test "a container starts with 512 KiB of memory" {
    need_controller memory
    # The first one brings in pages of files that later ones find.
    bundle six '.linux.resources = {memory: {limit: 1048576}} | .process.args = ["true"]'
    oci run -b "$OCI_DIR/six" six || true
    jq '.linux.resources.memory.limit = 524288' "$OCI_DIR/six/config.json" >c && mv c "$OCI_DIR/six/config.json"
    run -0 oci run -b "$OCI_DIR/six" six
}

@test "what systemd is asked for without systemd" {
    [ ! -d /run/systemd/system ] || skip "systemd runs here"
    bundle seven 'del(.linux.cgroupsPath)'
    run --separate-stderr oci --systemd-cgroup run -b "$OCI_DIR/seven" seven
    [ "$status" -ne 0 ]
    [[ $stderr == *"systemd does not run here"* ]] || { echo "$stderr"; return 1; }
    [ "$(wc -l <<<"$stderr")" = 1 ]
}
