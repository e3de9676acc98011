# SPDX-License-Identifier: Apache-2.0
# oci.bash: what every test/oci file loads:
#
#   load ../lib/oci
#   setup_file() { oci_setup; }
#   teardown_file() { oci_teardown; }
#
# oci_setup gives the file a directory, $OCI_DIR, with a state of its own (--root) and a group of its own for its containers'
# control groups; oci_teardown deletes all containers and fails the file when a mount, a control group, a process or a file of the
# state is left. No two containers of a file have the same name.

# shellcheck source=test/lib/hull.bash
source "${BASH_SOURCE[0]%/*}/hull.bash"
: "${OCI:=$HULL_BUILD/src/cli/hull-runtime}"
export OCI

oci() {
    "$OCI" --root "$OCI_ROOT" "$@"
}

oci_setup() {
    [ -x "$OCI" ] || { echo "hull-runtime is not built: $OCI" >&2; return 1; }
    OCI_DIR=$(mktemp -d "${HULL_TEST_SCRATCH:-${TMPDIR:-/tmp}}/hull-oci.XXXXXX")
    chmod 755 "$OCI_DIR"
    export OCI_DIR OCI_ROOT=$OCI_DIR/state OCI_GROUP=/hull-oci-${OCI_DIR##*.}-$$ OCI_MAPS='[]'
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        # A plain user's: his ids and his range, below the group that is his.
        as_root=(unshare -r)
        OCI_GROUP=${OCI_GROUP#/}
        OCI_MAPS=$(awk -F: -v user="$(id -un)" -v me="$(id -u)" '$1 == user {
            printf "[{\"containerID\": 0, \"hostID\": %d, \"size\": 1}, {\"containerID\": 1, \"hostID\": %d, \"size\": %d}]", me, $2, $3; exit }' /etc/subuid)
    fi
    mkdir -p "$OCI_DIR"/base/{bin,etc,proc,sys,dev,tmp,root} "$OCI_DIR/work"
    cp /bin/busybox "$OCI_DIR/base/bin/busybox"
    "${as_root[@]}" chroot "$OCI_DIR/base" /bin/busybox --install -s /bin
    printf 'root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n' >"$OCI_DIR/base/etc/passwd"
    cd "$OCI_DIR/work" || return 1
    hull_mounts >"$OCI_DIR/mounts.before"
}

oci_config() {
    jq -n --arg group "$OCI_GROUP/$1" --argjson maps "$OCI_MAPS" '
    ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"] as $caps |
    ["nosuid", "noexec", "nodev"] as $safe | {
        ociVersion: "1.3.0",
        root: {path: "rootfs"},
        hostname: "inside",
        process: {
            args: ["sleep", "1000"], cwd: "/", env: ["PATH=/bin", "X=y"], user: {uid: 0, gid: 0},
            capabilities: {bounding: $caps, effective: $caps, permitted: $caps}
        },
        mounts: [
            {destination: "/proc", type: "proc", source: "proc", options: $safe},
            {destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {destination: "/sys", type: "sysfs", source: "sysfs", options: ($safe + ["ro"])},
            {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ($safe + ["relatime", "ro"])}
        ],
        linux: {
            cgroupsPath: $group,
            namespaces: [{type: "pid"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}, {type: "network"}, {type: "cgroup"}],
            maskedPaths: ["/proc/kcore", "/sys/firmware"],
            readonlyPaths: ["/proc/sys", "/proc/sysrq-trigger"]
        }
    } | if $maps == [] then . else .linux |= (.namespaces += [{type: "user"}] | .uidMappings = $maps | .gidMappings = $maps) end'
}

# A bundle below $OCI_DIR, with a root of its own; its configuration is changed by jq. usage: bundle NAME [JQ...]
bundle() {
    local name=$1 dir=$OCI_DIR/$1
    shift
    mkdir "$dir"
    cp -al "$OCI_DIR/base" "$dir/rootfs"
    oci_config "$name" | jq "${@:-.}" >"$dir/config.json"
}

# A bundle and its container, which runs in the background. usage: start NAME [JQ...]
start() {
    bundle "$@"
    oci run -d -b "$OCI_DIR/$1" "$1" </dev/null >"$OCI_DIR/$1/out" 2>&1 || { cat "$OCI_DIR/$1/out"; return 1; }
}

oci_status() {
    oci state "$1" | jq -r .status
}

# wait_until 30 oci_is NAME STATUS
oci_is() {
    [ "$(oci_status "$1")" = "$2" ]
}

oci_pid() {
    oci state "$1" | jq -r .pid
}

# The error contract: exit status $1, one line on stderr that begins with the program's name and has the pattern $2 (grep -E),
# nothing on stdout. usage: oci_refuses STATUS PATTERN ARGS...
oci_refuses() {
    local want=$1 pattern=$2
    shift 2
    run --separate-stderr oci "$@"
    [ "$status" -eq "$want" ] || { echo "status $status, not $want: $*: $stderr"; return 1; }
    [ -z "$output" ] || { echo "printed on stdout: $output"; return 1; }
    [ "$(printf '%s\n' "$stderr" | wc -l)" -eq 1 ] || { echo "not one line: $stderr"; return 1; }
    [[ $stderr == "hull-runtime: "* ]] || { echo "does not begin with hull-runtime: $stderr"; return 1; }
    printf '%s\n' "$stderr" | grep -qiE -- "$pattern" || { echo "has no /$pattern/: $stderr"; return 1; }
}

# Groups of the file's containers, in every hierarchy.
oci_groups() {
    find /sys/fs/cgroup -maxdepth 8 -type d -path "*$OCI_GROUP*" 2>/dev/null
}

oci_left() {
    local found
    diff "$OCI_DIR/mounts.before" <(hull_mounts) | sed -n 's/^> /mount left: /p'
    oci_groups | grep -vE "$OCI_GROUP\$" | sed 's/^/control group left: /'
    for found in /proc/[0-9]*; do
        if { tr '\0' '\n' <"$found/cmdline"; } 2>/dev/null | grep -qxF -- "$OCI_ROOT"; then
            echo "process left: ${found#/proc/} $({ tr '\0' ' ' <"$found/cmdline"; } 2>/dev/null)"
        fi
    done
    [ ! -d "$OCI_ROOT" ] || find "$OCI_ROOT" -mindepth 1 -maxdepth 1 ! -name .cache | sed 's/^/state left: /'
}

oci_teardown() {
    [ -n "${OCI_DIR-}" ] || return 0
    local id left
    cd / || return 1
    for id in $(oci list -q); do
        oci delete -f "$id" || true
    done
    wait_until 5 nothing_of oci_left || left=$(oci_left)
    oci_groups | sort -r | xargs -r rmdir 2>/dev/null
    umount_below "$OCI_DIR"
    rm -rf "$OCI_DIR"
    [ -z "$left" ] || { echo "$left"; return 1; }
}
