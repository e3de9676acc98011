#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SELinux with Debian's policy: the labels of a command and of mounts; one that the policy does not know, or does not allow, is no container.
# machines: permissive selinux

load ../../lib/oci
setup_file() {
    [ -e /sys/fs/selinux/enforce ] || skip "SELinux is not enabled on this machine"
    oci_setup
    export HULL_ROOT=$OCI_DIR/root HULL_RUN_ROOT=$OCI_DIR/run
}
teardown_file() { oci_teardown; }
setup() { cd "$OCI_DIR/work" || return 1; }

is_enforcing() {
    [ "$(cat /sys/fs/selinux/enforce)" = 1 ]
}

# Any that the policy has, but that a service of systemd does not run its programs with.
LABEL=unconfined_u:unconfined_r:unconfined_t:s0

@test "process.selinuxLabel is the command's label, and exec's; what is refused does not run" {
    bundle labelled ".process.selinuxLabel = \"$LABEL\" | .process.args = [\"sh\", \"-c\", \"cat /proc/self/attr/current; exec sleep 1000\"]"
    if is_enforcing && ! oci run -d -b "$OCI_DIR/labelled" labelled </dev/null >out 2>&1; then
        grep -q 'Permission denied\|permission denied' out
        [ -z "$(oci list -q)" ]
        return
    elif ! is_enforcing; then
        oci run -d -b "$OCI_DIR/labelled" labelled </dev/null >out 2>&1
    fi
    wait_until 30 grep -qa "^$LABEL" out
    tr -d '\0' <"/proc/$(oci_pid labelled)/attr/current" | grep -qx "$LABEL.*"
    run -0 oci exec --process-label "$LABEL" labelled cat /proc/self/attr/current
    [[ $output == "$LABEL"* ]]
    oci delete -f labelled
}

@test "a label that the policy does not know is refused, and nothing is left" {
    bundle unknown '.process.selinuxLabel = "system_u:system_r:no_such_type_t:s0"'
    run oci run -b "$OCI_DIR/unknown" unknown
    [ "$status" -ne 0 ]
    [[ $output == *"security label is refused"* ]]
    oci_refuses 1 "does not exist" state unknown
}

@test "linux.mountLabel is what files of the container's tmpfs have" {
    bundle mounts '.linux.mountLabel = "system_u:object_r:tmp_t:s0" | .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs"}]'
    oci run -d -b "$OCI_DIR/mounts" mounts </dev/null >out 2>&1 || { cat out; return 1; }
    touch "/proc/$(oci_pid mounts)/root/tmp/f"
    [ "$(stat -c %C "/proc/$(oci_pid mounts)/root/tmp/f")" = system_u:object_r:tmp_t:s0 ]
    oci delete -f mounts
}

@test "--security-opt label" {
    run hull run --rm --security-opt label=user:unconfined_u --security-opt label=role:unconfined_r --security-opt label=type:unconfined_t box \
        cat /proc/self/attr/current
    if is_enforcing && [ "$status" -ne 0 ]; then
        [ "$status" = 125 ] || [ "$status" = 126 ]
    else
        [[ $output == "$LABEL"* ]]
    fi
    run hull run --rm --security-opt label=type:no_such_type_t box true
    [ "$status" = 125 ]
    [[ $output == *"security label is refused"* ]]
    run -0 hull run --rm --security-opt label=disable box echo plain
    [ "$output" = plain ]
}
