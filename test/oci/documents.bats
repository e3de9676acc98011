#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# spec and features: the documents that the runtime writes itself.
# machines: native v2

load ../lib/oci
setup_file() { oci_setup; }
teardown_file() { oci_teardown; }

# Whether the runtime takes a configuration that was changed by jq: it is created and deleted. usage: takes JQ...
takes() {
    rm -rf "$OCI_DIR/takes"
    bundle takes "$@"
    oci create -b "$OCI_DIR/takes" takes </dev/null >out 2>&1 || { cat out; return 1; }
    oci delete takes
}

@test "spec: the configuration to begin with; it runs" {
    mkdir one
    cd one
    oci spec
    jq -e '.ociVersion == "1.3.0" and .process.args == ["sh"] and .process.terminal and .root == {path: "rootfs", readonly: true} and
        .process.noNewPrivileges and (.process.capabilities | keys == ["bounding", "effective", "permitted"]) and
        .process.capabilities.bounding == ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"] and
        .process.rlimits == [{type: "RLIMIT_NOFILE", hard: 1024, soft: 1024}] and .linux.resources.devices == [{allow: false, access: "rwm"}] and
        [.mounts[].destination] == ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"] and
        (.linux.maskedPaths | length == 11) and (.linux.readonlyPaths | length == 5) and
        ([.linux.namespaces[].type] - ["cgroup"] | sort == ["ipc", "mount", "network", "pid", "uts"])' config.json
    oci_refuses 1 'config.json exists' spec
    cp -al "$OCI_DIR/base" rootfs
    jq '.process.terminal = false | .process.args = ["sh", "-c", "hostname; ulimit -n; grep NoNew /proc/self/status"]' config.json >c
    [ "$(oci run -f c spec-one | tr '\n\t' '  ')" = "hull 1024 NoNewPrivs: 1 " ]
}

@test "spec: --bundle, --config, --rootless" {
    mkdir -p two
    oci spec -b two --rootless -f mine.json
    jq -e '[.linux.uidMappings[0], .linux.gidMappings[0]] == [{containerID: 0, hostID: 0, size: 1}, {containerID: 0, hostID: 0, size: 1}] and
        (.linux | has("resources") | not) and ([.linux.namespaces[].type] | index("network") == null and index("user") != null) and
        (.mounts[] | select(.destination == "/sys")) == {destination: "/sys", type: "none", source: "/sys",
            options: ["rbind", "nosuid", "noexec", "nodev", "ro"]} and ([.mounts[].options // [] | .[] | select(test("^[ug]id="))] == [])' two/mine.json
    oci_refuses 1 'No such file' spec -b nosuch
}

@test "spec --rootless: a plain user runs it, and gets the command's own status without a word" {
    need_root
    need_cmd setpriv
    mkdir plain
    cd plain
    cp -a "$OCI_DIR/base" rootfs
    mkdir run
    chown -R 1000:1000 .
    plain() { XDG_RUNTIME_DIR=$PWD/run setpriv --reuid 1000 --regid 1000 --clear-groups "$OCI" "$@"; }
    plain spec --rootless
    jq '.process.terminal = false | .process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map; exit 3"]' config.json >c.json
    run -3 plain run -f c.json rootless-one
    [ "$(tr -s ' ' <<<"${lines[*]}")" = "0 0 1000 1" ]
    jq '.process.terminal = false | .process.args = ["sleep", "1000"]' config.json >s.json
    plain run -d -f s.json rootless-two </dev/null >out 2>&1
    [ ! -s out ]
    [ "$(plain exec rootless-two sh -c 'id -u; hostname' | tr '\n' ' ')" = "0 hull " ]
    [ "$(plain ps -f json rootless-two)" = "[$(plain state rootless-two | jq .pid)]" ]
    plain delete -f rootless-two
    [ -z "$(plain list -q)" ]
}

@test "features: the keys of features.md" {
    run -0 oci features
    jq -e '.ociVersionMin == "1.0.0" and .ociVersionMax == "1.3.0" and
        .hooks == ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] and
        (.linux.capabilities | length == 41 and index("CAP_CHECKPOINT_RESTORE") == 40) and
        (.linux | .cgroup.v1 and .cgroup.v2 and .cgroup.systemd and .cgroup.rdma and .apparmor.enabled and .selinux.enabled and .intelRdt.enabled and
            .intelRdt.schemata and .intelRdt.monitoring and .netDevices.enabled and .mountExtensions.idmap.enabled and .seccomp.enabled) and
        (.potentiallyUnsafeConfigAnnotations | index("run.oci.hooks.stdout") != null)' <<<"$output"
    # Every word that the specification lists.
    for word in async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec noiversion \
        nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec rnoatime \
        rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime \
        rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap; do
        jq -e --arg w $word '.mountOptions | index($w) != null' <<<"$output" || { echo "no $word"; return 1; }
    done >/dev/null
    oci_refuses 1 'no arguments' features x
}

@test "features: what is listed is taken, what is not is refused" {
    oci features >features.json
    takes '.linux.namespaces = [$f.linux.namespaces[] | select(. != "user") | {type: .}]' --slurpfile x features.json --argjson f "$(cat features.json)"
    takes '.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs",
        options: ($f.mountOptions - ["bind", "rbind", "remount", "idmap", "ridmap"])}]' --argjson f "$(cat features.json)"
    takes '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", flags: $f.linux.seccomp.supportedFlags, architectures: [$f.linux.seccomp.archs[] |
            select(. == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"))],
        syscalls: ([$f.linux.seccomp.operators[] | {names: ["getcpu"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 7, op: .}]}] +
            [$f.linux.seccomp.actions[] | select(. != "SCMP_ACT_NOTIFY") | {names: ["vhangup"], action: ., args: [{index: 0, value: 9, op: "SCMP_CMP_EQ"}]}])}' \
        --argjson f "$(cat features.json)"
    run ! takes '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_BOGUS"]}'
    run ! takes '.linux.seccomp = {defaultAction: "SCMP_ACT_BOGUS"}'
    run ! takes '.linux.namespaces += [{type: "bogus"}]'
    # A mode or flag that the kernel does not have, or not in this way, is an error of another kind.
    for mode in $(jq -r '.linux.memoryPolicy.modes[]' features.json) MPOL_BOGUS; do
        run takes ".linux.memoryPolicy = {mode: \"$mode\"}"
        [[ $output == *unknown* ]] && unknown=1 || unknown=0
        [ $unknown = "$([ $mode != MPOL_BOGUS ]; echo $?)" ]
    done
}
