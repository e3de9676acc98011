#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull-runtime for a plain user with a session of systemd: his ranges of ids, limits in the groups that are delegated to him, scopes of
# his own manager.
# machines: v2:tester+

load ../../lib/oci
setup_file() {
    [ "$(id -u)" != 0 ] || skip "this is for a plain user"
    oci_setup
}
teardown_file() { oci_teardown; }

group_of() {
    sed -n 's/^0:://p' "/proc/$(oci_pid "$1")/cgroup"
}

group_file() {
    cat "/sys/fs/cgroup$(group_of "$1")/$2"
}

LIMITS='.linux.resources = {memory: {limit: 67108864}, pids: {limit: 20}, cpu: {quota: 50000, period: 100000}}'

@test "root inside is the user outside, others are of his range; exec, kill, delete" {
    bundle ids '.process.args = ["sh", "-c", "cat /proc/self/uid_map; exit 3"]'
    run -3 oci run -b "$OCI_DIR/ids" ids
    [ "$(tr -s ' ' <<<"${lines[*]}")" = " 0 1000 1 1 100000 65536" ]
    start other '.process.user = {uid: 33, gid: 34}'
    [ "$(stat -c %u "/proc/$(oci_pid other)")" = 100032 ]
    [ "$(oci exec other id -u)" = 33 ]
    [ "$(oci exec -u 0:0 other sh -c 'id -u; hostname' | tr '\n' ' ')" = "0 inside " ]
    oci kill other KILL
    wait_until 30 oci_is other stopped
    oci delete other
}

@test "limits below the user's own group: written, held, changed; pause; nothing is left" {
    start limits "$LIMITS"
    group=$(group_of limits)
    [[ $group == /user.slice/*/user@1000.service/*/hull/"$OCI_GROUP"/limits ]]
    [ "$(group_file limits memory.max) $(group_file limits pids.max) $(group_file limits cpu.max)" = "67108864 20 50000 100000" ]
    oci update --memory 33554432 --pids-limit 10 limits
    [ "$(group_file limits memory.max) $(group_file limits pids.max)" = "33554432 10" ]
    oci pause limits
    grep -qx 'frozen 1' "/sys/fs/cgroup$group/cgroup.events"
    oci resume limits
    run -137 oci exec limits tail /dev/zero
    oci delete -f limits
    [ ! -e "/sys/fs/cgroup$group" ]
}

@test "a scope of the user's own manager, with its limits; gone afterwards" {
    bundle scope "$LIMITS"' | .linux.cgroupsPath = "app.slice:hull-test:scope"'
    oci --systemd-cgroup run -d -b "$OCI_DIR/scope" scope </dev/null >out 2>&1 || { cat out; return 1; }
    unit=hull-test-scope.scope
    [ "$(systemctl --user show -P ActiveState $unit)" = active ]
    [ "$(systemctl --user show -P Slice $unit)" = app.slice ]
    [ "$(systemctl --user show -P MemoryMax $unit) $(systemctl --user show -P TasksMax $unit)" = "67108864 20" ]
    [[ $(group_of scope) == /user.slice/*/user@1000.service/app.slice/$unit/* ]]
    [ "$(oci exec scope cat /sys/fs/cgroup/memory.max)" = 67108864 ]
    oci update --memory 33554432 scope
    [ "$(systemctl --user show -P MemoryMax $unit) $(group_file scope memory.max)" = "33554432 33554432" ]
    oci pause scope
    [ "$(oci_status scope)" = paused ]
    oci delete -f scope
    # shellcheck disable=SC2016
    wait_until 30 sh -c '! systemctl --user is-active -q "$0"' $unit
}
