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

@test "linux.mountLabel is what the container's message queues have; the host's keep theirs" {
    host=$(stat -c %C /dev/mqueue)
    for how in nosuid ro; do
        bundle "queues_$how" ".linux.mountLabel = \"system_u:object_r:tmp_t:s0\" |
            .mounts += [{destination: \"/dev/mqueue\", type: \"mqueue\", source: \"mqueue\", options: [\"$how\"]}]"
        oci run -d -b "$OCI_DIR/queues_$how" "queues_$how" </dev/null >out 2>&1 || { cat out; return 1; }
        [ "$(stat -c %C "/proc/$(oci_pid "queues_$how")/root/dev/mqueue")" = system_u:object_r:tmp_t:s0 ]
        run oci exec "queues_$how" touch /dev/mqueue/q
        [ "$how $status" = 'nosuid 0' ] || [[ "$how $output" == ro*"Read-only"* ]]
        oci delete -f "queues_$how"
    done
    bundle queues '.linux.mountLabel = "system_u:object_r:no_such_type_t:s0" |
        .mounts = [{destination: "/proc", type: "proc", source: "proc"}, {destination: "/dev/mqueue", type: "mqueue", source: "mqueue"}]'
    run oci run -b "$OCI_DIR/queues" queues
    [ "$status" -ne 0 ]
    [[ $output == *"mount /dev/mqueue"* ]]
    oci_refuses 1 "does not exist" state queues
    [ "$(stat -c %C /dev/mqueue)" = "$host" ]
}

# The label of the session keyring of that container, as the kernel tells it (KEYCTL_GET_SECURITY).
label_of_keyring() {
    python3 - "$1" <<'PY'
import ctypes, sys
libc = ctypes.CDLL(None)
serial = next(int(line.split()[0], 16) for line in open("/proc/keys") if f"_ses.{sys.argv[1]}:" in line)
text = ctypes.create_string_buffer(256)
libc.syscall(250, 17, ctypes.c_int(serial), text, 256)
print(text.value.decode())
PY
}

@test "the session keyring has the command's label, and a container that has its caller's has no label of its own" {
    bundle keys ".process.selinuxLabel = \"$LABEL\" | .process.args = [\"sleep\", \"1000\"]"
    if ! oci run -d -b "$OCI_DIR/keys" keys </dev/null >out 2>&1; then
        cat out
        is_enforcing
        grep -qi 'permission denied' out
        [ -z "$(oci list -q)" ]
        return
    fi
    [ "$(label_of_keyring keys)" = "$LABEL" ]
    oci delete -f keys
    bundle plain '.process.args = ["sleep", "1000"]'
    oci run -d -b "$OCI_DIR/plain" plain </dev/null >out 2>&1
    run -0 label_of_keyring plain
    [ -n "$output" ] && [ "$output" != "$LABEL" ]
    oci delete -f plain
    oci run --no-new-keyring -d -b "$OCI_DIR/plain" callers </dev/null >out 2>&1
    run -1 grep _ses.callers: /proc/keys
    oci delete -f callers
}

@test "--security-opt label" {
    run hull run --rm --security-opt label=user:unconfined_u --security-opt label=role:unconfined_r --security-opt label=type:unconfined_t box \
        cat /proc/self/attr/current
    if is_enforcing && [ "$status" -ne 0 ]; then
        [ "$status" = 125 ] || [ "$status" = 126 ]
    else
        [[ $output == "$LABEL"* ]]
    fi
    # Always in these words, whatever hull is at when the process ends.
    for _ in 1 2 3 4 5 6 7 8; do
        run hull run --rm --security-opt label=type:no_such_type_t box true
        [ "$status" = 125 ]
        [[ $output == *"security label is refused"* ]] || { echo "$output"; return 1; }
    done
    run -0 hull run --rm --security-opt label=disable box echo plain
    [ "$output" = plain ]
}
