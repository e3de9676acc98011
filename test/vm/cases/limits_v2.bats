#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Control groups of the unified hierarchy, with all its controllers: what hull-runtime writes to the kernel's files, and that it holds.
# machines: v2+

load ../../lib/oci
setup_file() {
    [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || skip "no cgroup v2 alone here"
    oci_setup
}
teardown_file() { oci_teardown; }

# A file of a container's group. usage: group_file NAME FILE
group_file() {
    cat "/sys/fs/cgroup$OCI_GROUP/$1/$2"
}

group_has() {
    grep -qx "$3" "/sys/fs/cgroup$OCI_GROUP/$1/$2"
}

@test "each limit is in its file" {
    disk=$(lsblk -dno MAJ:MIN /dev/vda | tr -d ' ')
    start all --argjson major "${disk%:*}" --argjson minor "${disk#*:}" '.linux.resources = {
        cpu: {shares: 512, quota: 50000, period: 100000, burst: 1000, cpus: "0", mems: "0"},
        memory: {limit: 67108864, reservation: 33554432, swap: 100663296},
        pids: {limit: 20},
        blockIO: {throttleReadBpsDevice: [{major: $major, minor: $minor, rate: 1048576}],
            throttleWriteIOPSDevice: [{major: $major, minor: $minor, rate: 100}]},
        hugepageLimits: [{pageSize: "2MB", limit: 4194304}],
        unified: {"memory.high": "50331648"}}'
    for line in 'cpu.max=50000 100000' cpu.max.burst=1000 cpu.weight=59 cpuset.cpus=0 cpuset.mems=0 memory.max=67108864 memory.low=33554432 \
        memory.swap.max=33554432 memory.high=50331648 pids.max=20 hugetlb.2MB.max=4194304 hugetlb.2MB.rsvd.max=4194304 \
        "io.max=$disk rbps=1048576 wbps=max riops=max wiops=100"; do
        [ "$(group_file all "${line%%=*}")" = "${line#*=}" ] || { echo "$line: $(group_file all "${line%%=*}")"; false; }
    done
    # Inside, the mount shows this group and no other.
    [ "$(oci exec all cat /sys/fs/cgroup/memory.max)" = 67108864 ]
    [ "$(oci exec all cat /proc/self/cgroup)" = 0::/ ]
}

@test "no limit was asked for: none is set, and no process is forgotten by its group" {
    start none
    for line in 'cpu.max=max 100000' cpu.weight=100 memory.max=max memory.swap.max=max pids.max=max; do
        [ "$(group_file none "${line%%=*}")" = "${line#*=}" ]
    done
    [ "$(group_file none cgroup.procs)" = "$(oci_pid none)" ]
    oci delete -f none
    [ ! -e "/sys/fs/cgroup$OCI_GROUP/none" ]
}

@test "limits hold: memory, processes" {
    bundle greedy '.linux.resources.memory = {limit: 16777216, swap: 16777216} | .process.args = ["tail", "/dev/zero"]'
    run -137 oci run --keep -b "$OCI_DIR/greedy" greedy
    group_has greedy memory.events 'oom_kill 1'
    oci delete greedy
    bundle many '.linux.resources.pids.limit = 5 | .process.args = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done"]'
    run oci run -b "$OCI_DIR/many" many
    [ "$status" -ne 0 ]
    [[ $output == *fork* ]]
}

@test "pause stops the group, resume lets it go on; a paused container is killed and deleted" {
    start still '.process.args = ["sh", "-c", "while :; do echo >>/tmp/n; sleep 0.05; done"]'
    wait_until 30 test -s "$OCI_DIR/still/rootfs/tmp/n"
    oci pause still
    group_has still cgroup.freeze 1
    group_has still cgroup.events 'frozen 1'
    [ "$(oci_status still)" = paused ]
    before=$(stat -c %s "$OCI_DIR/still/rootfs/tmp/n")
    sleep 1
    [ "$(stat -c %s "$OCI_DIR/still/rootfs/tmp/n")" = "$before" ]
    oci_refuses 255 paused exec still true
    oci resume still
    group_has still cgroup.events 'frozen 0'
    # shellcheck disable=SC2016
    wait_until 30 sh -c '[ $(stat -c %s "$0") -gt $1 ]' "$OCI_DIR/still/rootfs/tmp/n" "$before"
    oci pause still
    oci kill still KILL
    wait_until 30 oci_is still stopped
    oci delete still
    start frozen
    oci pause frozen
    oci delete -f frozen
    [ ! -e "/sys/fs/cgroup$OCI_GROUP/frozen" ]
}

@test "devices: a program at the group judges; rules are followed" {
    disk=$(lsblk -dno MAJ:MIN /dev/vda | tr -d ' ')
    devices() {
        # shellcheck disable=SC2016
        start "$1" --argjson major "${disk%:*}" --argjson minor "${disk#*:}" --arg access "$2" '
            .process.capabilities |= with_entries(.value += ["CAP_MKNOD"]) |
            .linux.resources.devices = [{allow: false, access: "rwm"}] + if $access == "" then [] else
                [{allow: true, type: "b", major: $major, minor: $minor, access: $access}] end'
    }
    try='mknod /tmp/d b '${disk/:/ }' && head -c 1 /tmp/d >/tmp/x && echo read'
    devices denied ''
    run oci exec denied sh -c "$try"
    [ "$status" -ne 0 ]
    [[ $output == *"not permitted"* ]]
    run -0 oci exec denied sh -c 'echo >/dev/null; head -c 1 /dev/zero | wc -c; mknod /tmp/z c 1 5 && rm /tmp/z'
    [ "$output" = 1 ]
    devices named m
    run oci exec named sh -c "$try"
    [ "$status" -ne 0 ]
    [[ $output == *"not permitted"* && $output != *mknod* ]]
    devices given rm
    run -0 oci exec given sh -c "$try"
    [ "$output" = read ]
    run oci exec given sh -c 'echo >/tmp/d'
    [ "$status" -ne 0 ]
}

@test "exec is born in the container's group" {
    start born
    run -0 strace -f -e trace=clone3 -o trace "$OCI" --root "$OCI_ROOT" exec born cat /proc/self/cgroup
    [ "$output" = 0::/ ]
    grep -q 'CLONE_INTO_CGROUP' trace
    oci exec -d born sleep 100
    [ "$(group_file born cgroup.procs | wc -l)" = 2 ]
}

@test "a container that manages groups of its own: it may, exec finds a place, all of it is removed" {
    start manager '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end) |
        .process.args = ["sh", "-c", "cd /sys/fs/cgroup; mkdir init && echo 1 >init/cgroup.procs && echo +pids +memory >cgroup.subtree_control && mkdir -p work/deep; exec sleep 1000"]'
    wait_until 30 test -d "/sys/fs/cgroup$OCI_GROUP/manager/work/deep"
    [ "$(group_file manager cgroup.subtree_control)" = "memory pids" ]
    run -0 oci exec manager cat /proc/self/cgroup
    [ "$output" = 0::/init ]
    run -0 oci exec --cgroup work/deep manager cat /proc/self/cgroup
    [ "$output" = 0::/work/deep ]
    oci exec -d --cgroup work/deep manager sleep 1000
    oci pause manager
    group_has manager/work/deep cgroup.events 'frozen 1'
    oci resume manager
    oci kill manager KILL
    wait_until 30 oci_is manager stopped
    oci delete manager
    [ ! -e "/sys/fs/cgroup$OCI_GROUP/manager" ]
}

@test "with a user namespace the group is the container's: its root makes groups below, and no limit of its own" {
    start owner '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end) |
        .linux.namespaces += [{type: "user"}] |
        .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings |
        .linux.resources.memory.limit = 67108864'
    for file in . cgroup.procs cgroup.threads cgroup.subtree_control; do
        [ "$(stat -c %u "/sys/fs/cgroup$OCI_GROUP/owner/$file")" = 100000 ]
    done
    run -0 oci exec owner sh -c 'mkdir /sys/fs/cgroup/mine && echo $$ >/sys/fs/cgroup/mine/cgroup.procs && cat /proc/self/cgroup'
    [ "$output" = 0::/mine ]
    run oci exec owner sh -c 'echo max >/sys/fs/cgroup/memory.max'
    [ "$status" -ne 0 ]
    [ "$(group_file owner memory.max)" = 67108864 ]
}
