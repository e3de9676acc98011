#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull-runtime --systemd-cgroup: systemd makes the container's control group, as a scope.
# machines: v2+

load ../../lib/oci
setup_file() {
    [ -d /run/systemd/system ] || skip "this machine has no systemd"
    oci_setup
}
teardown_file() { oci_teardown; }

# A container whose group is a scope of systemd. usage: start_scope NAME [JQ...]
start_scope() {
    local name=$1
    shift
    bundle "$name" "${@:-.}"
    jq --arg path "system.slice:hull-test:$name" '.linux.cgroupsPath = $path' "$OCI_DIR/$name/config.json" >"$OCI_DIR/$name/c"
    mv "$OCI_DIR/$name/c" "$OCI_DIR/$name/config.json"
    oci --systemd-cgroup run -d -b "$OCI_DIR/$name" "$name" </dev/null >"$OCI_DIR/$name/out" 2>&1 || { cat "$OCI_DIR/$name/out"; return 1; }
}

property() {
    systemctl show -P "$2" "hull-test-$1.scope"
}

group_file() {
    cat "/sys/fs/cgroup/system.slice/hull-test-$1.scope/$2"
}

@test "a scope with the container's limits as its properties, gone afterwards" {
    start_scope one '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 20}, cpu: {quota: 50000, period: 100000, shares: 512}}'
    [ "$(property one ActiveState)" = active ]
    [ "$(property one Slice)" = system.slice ]
    [ "$(property one Delegate)" = yes ]
    [ "$(property one MemoryMax)" = 67108864 ]
    [ "$(property one TasksMax)" = 20 ]
    [ "$(property one CPUQuotaPerSecUSec)" = 500ms ]
    grep -qx "0::/system.slice/hull-test-one.scope.*" "/proc/$(oci_pid one)/cgroup"
    [ "$(oci exec one cat /proc/self/cgroup)" = 0::/ ]
    [ "$(oci exec one cat /sys/fs/cgroup/memory.max)" = 67108864 ]
    # systemd, when it looks at its units again, leaves the limits as they are.
    systemctl daemon-reload
    [ "$(group_file one memory.max) $(group_file one pids.max) $(group_file one cpu.max)" = "67108864 20 50000 100000" ]
    oci kill one KILL
    wait_until 30 oci_is one stopped
    oci delete one
    wait_until 30 sh -c '! systemctl is-active hull-test-one.scope'
    [ ! -e /sys/fs/cgroup/system.slice/hull-test-one.scope ]
}

@test "pause, exec, and a second container of the same name after the first" {
    start_scope two
    oci pause two
    [ "$(oci_status two)" = paused ]
    oci resume two
    [ "$(oci exec two echo in)" = in ]
    oci delete -f two
    rm -rf "$OCI_DIR/two"
    start_scope two
    oci delete -f two
    wait_until 30 sh -c '! systemctl is-active hull-test-two.scope'
}

@test "what systemd knows of a container: stopping its scope ends it" {
    start_scope three '.process.args = ["sh", "-c", "trap \"exit 3\" TERM; touch /tmp/up; while :; do sleep 0.1; done"]'
    wait_until 30 test -e "$OCI_DIR/three/rootfs/tmp/up"
    systemctl stop hull-test-three.scope
    wait_until 30 oci_is three stopped
    oci delete three
}
