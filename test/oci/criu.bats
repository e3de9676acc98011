#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# criu: what checkpoint and restore ask criu for, and make of its answers; with test/lib/criu in its place, which runs everywhere.
# machines: native v2

load ../lib/oci
setup_file() {
    oci_setup
    export FAKE_CRIU=$OCI_DIR/criu PATH=$BATS_TEST_DIRNAME/../lib/criu:$PATH
    mkdir "$FAKE_CRIU"
}
teardown_file() { oci_teardown; }
setup() {
    need_root
    cd "$OCI_DIR/work" || return 1
    rm -f "$FAKE_CRIU"/*
}

# What criu was asked: a field of dump.json or restore.json. usage: asked dump .pid
asked() {
    jq -c "$2" "$FAKE_CRIU/$1.json"
}

# Restores a container of a bundle from NAME.img into the background. usage: restore NAME [OPTION...]
restore() {
    local name=$1
    shift
    oci restore -d --image-path "$name.img" -b "$OCI_DIR/$name" "$@" "$name" </dev/null >"$OCI_DIR/$name/again" 2>&1 || { cat "$OCI_DIR/$name/again"; return 1; }
}

# The background command ends with that status. usage: ended PID STATUS
ended() {
    local status=0
    wait "$1" || status=$?
    [ "$status" -eq "$2" ] || { echo "status $status"; return 1; }
}

@test "a checkpoint ends the container; a restore starts it again" {
    start one
    pid=$(oci_pid one)
    # Its null device is the container's own: criu could not save the host's.
    [ "$(stat -Lc %d "/proc/$pid/fd/0")" = "$(stat -c %d "/proc/$pid/root/dev/null")" ]
    run -0 oci checkpoint --image-path one.img one
    [ -z "$output" ]
    [ "$(asked dump '[.kind, .pid, .manage_cgroups_mode, .empty_ns, .orphan_pts_master, .log_file]')" = "[1,$pid,6,1073741824,1,\"dump.log\"]" ]
    [ "$(asked dump .root)" = "\"$OCI_DIR/one/rootfs\"" ]
    oci_refuses 1 "does not exist" state one
    [ "$(cat "$FAKE_CRIU/notices")" = $'pre-dump 1\nnetwork-lock 1\nstatus-ready 1\npost-dump 1' ]
    [ -z "$(oci_groups | grep /one)" ]
    restore one --pid-file pid
    oci_is one running
    [ "$(oci_pid one)" = "$(cat pid)" ]
    [ "$(asked restore '[.kind, .rst_sibling, .evasive_devices, .empty_ns, .log_file]')" = '[2,1,1,1073741824,"restore.log"]' ]
    [ "$(cat "/proc/$(cat pid)/comm")" = sleep ]
    [ "$(readlink "/proc/$(cat pid)/root")" != / ]
    oci kill one KILL
    wait_until 30 oci_is one stopped
    oci delete one
}

@test "it is in control groups of its own, with their limits; criu is told their paths" {
    start groups
    oci checkpoint --image-path groups.img groups
    restore groups
    pid=$(oci_pid groups)
    grep -q "$OCI_GROUP/groups$" "/proc/$pid/cgroup"
    # Whatever the hierarchies of this machine are: where the process is, criu was told.
    while IFS=: read -r _ names path; do
        for name in ${names//,/ }; do
            [ "$(asked restore '.cg_root[] | select(."1" == "'"$name"'") | ."2"')" = "\"$path\"" ]
        done
    done <"/proc/$pid/cgroup"
    oci delete -f groups
}

@test "standard files that are pipes are inherited by name, and so are plain files" {
    bundle files '.process.args = ["sh", "-c", "echo hello; exec sleep 1000"]'
    oci run -d -b "$OCI_DIR/files" files </dev/null 2>errors > >(cat >first)
    wait_until 30 grep -q hello first
    oci checkpoint --image-path files.img files
    run -0 jq -r '.[]' files.img/descriptors.json
    [ "${lines[0]}" = /dev/null ]
    [[ ${lines[1]} =~ ^pipe:\[[0-9]+\]$ ]]
    [[ ${lines[2]} =~ ^file\[[0-9a-f]+:[0-9a-f]+\]$ ]]
    [ "$(asked dump .external)" = "[\"${lines[2]}\"]" ]
    # The same command starts again, and its first line goes where standard output is now.
    jq -c '["sh", "-c", "echo again; exec sleep 1000"]' <<<null >files.img/command.json
    oci restore -d --image-path files.img -b "$OCI_DIR/files" files </dev/null >second 2>third
    [ "$(asked restore '.inherit_fd | map(."1")')" = "[\"${lines[1]}\",\"${lines[2]}\"]" ]
    wait_until 30 grep -q again second
    run -0 jq -r '.descriptors[1]' "$OCI_ROOT/files/state.json"
    [[ $output == file\[* ]]
    oci delete -f files
}

@test "mounts from outside are told by name, and their sources at restore" {
    mkdir -p outside/below link-target
    echo text >outside/file
    bundle mounts '.linux.maskedPaths += ["/proc/interrupts"] | .mounts += [
        {destination: "/data", type: "bind", source: "'"$PWD/outside"'", options: ["rbind"]},
        {destination: "/etc/one-file", source: "'"$PWD/outside/file"'", options: ["bind", "ro"]},
        {destination: "/linked/place", source: "'"$PWD/outside"'", options: ["bind"]}]'
    mkdir "$OCI_DIR/mounts/rootfs/real"
    ln -s real "$OCI_DIR/mounts/rootfs/linked"
    mount -t tmpfs none outside/below
    oci run -d -b "$OCI_DIR/mounts" mounts </dev/null >/dev/null 2>&1
    oci checkpoint --image-path mounts.img mounts
    want() { [ "$(asked "$1" '[.ext_mnt[] | select(."1" == "'"$2"'") | ."2"]')" = "$3" ] || { asked "$1" .ext_mnt; return 1; }; }
    want dump /data '["/data"]'
    want dump /data/below '["/data/below"]'
    want dump /etc/one-file '["/etc/one-file"]'
    want dump /real/place '["/linked/place"]'
    want dump /proc/interrupts '["/dev/null"]'
    want dump /sys/firmware '[]'
    rm -r "$OCI_DIR/mounts/rootfs/etc/one-file" "$OCI_DIR/mounts/rootfs/real/place"
    restore mounts
    want restore /data "[\"$PWD/outside\"]"
    want restore /data/below "[\"$PWD/outside/below\"]"
    want restore /etc/one-file "[\"$PWD/outside/file\"]"
    want restore /linked/place "[\"$PWD/outside\"]"
    want restore /real/place "[\"$PWD/outside\"]"
    want restore /dev/null '["/dev/null"]'
    # Places that were missing in the root are there again, and nothing is mounted on them.
    [ -f "$OCI_DIR/mounts/rootfs/etc/one-file" ] && [ ! -s "$OCI_DIR/mounts/rootfs/etc/one-file" ]
    [ -d "$OCI_DIR/mounts/rootfs/real/place" ] && [ -z "$(ls "$OCI_DIR/mounts/rootfs/real/place")" ]
    oci delete -f mounts
    umount outside/below
    mv outside outside.gone
    oci_refuses 1 "mount /data: .*No such file" restore -d --image-path mounts.img -b "$OCI_DIR/mounts" mounts
}

@test "a network namespace of a path is told by name" {
    unshare --net sleep 1000 3>&- &
    holder=$!
    wait_until 30 sh -c "[ \$(readlink /proc/$holder/ns/net) != \$(readlink /proc/self/ns/net) ]"
    start net '(.linux.namespaces[] | select(.type == "network")).path = "/proc/'$holder'/ns/net"'
    oci checkpoint --image-path net.img net
    [ "$(asked dump '.external | map(select(startswith("net")))')" = "[\"$(readlink "/proc/$holder/ns/net" | tr -d :):extRootNetNS\"]" ]
    restore net
    run -0 asked restore '.inherit_fd[] | select(."1" == "extRootNetNS") | ."2"'
    [ "$output" -ge 6 ]
    oci delete -f net
    kill "$holder"
}

@test "other namespaces of a path are joined" {
    unshare --ipc --uts sleep 1000 3>&- &
    holder=$!
    wait_until 30 sh -c "[ \$(readlink /proc/$holder/ns/uts) != \$(readlink /proc/self/ns/uts) ]"
    start joined
    oci checkpoint --image-path joined.img joined
    jq '(.linux.namespaces[] | select(.type == "ipc")).path = "/proc/'$holder'/ns/ipc"' "$OCI_DIR/joined/config.json" >config.json
    restore joined -f config.json
    [ "$(asked restore .join_ns)" = "[{\"1\":\"ipc\",\"2\":\"/proc/$holder/ns/ipc\"}]" ]
    oci delete -f joined
    kill "$holder"
}

@test "a terminal's master goes to the console socket" {
    bundle tty '.process.terminal = true'
    oci run -b "$OCI_DIR/tty" tty </dev/null >/dev/null 2>&1 3>&- &
    wait_until 30 oci_is tty running
    oci checkpoint --image-path tty.img tty
    [ "$(cat tty.img/descriptors.json)" = "[]" ]
    echo yes >"$FAKE_CRIU/terminal"
    python3 - sock >seen 3>&- <<'P' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1]); s.listen(1)
c, _ = s.accept()
text, fds, _, _ = socket.recv_fds(c, 100, 1)
print(text.decode(), os.isatty(fds[0]), os.read(fds[0], 100).decode().strip())
P
    wait_until 30 test -S sock
    oci_refuses 1 "needs --console-socket" restore -d --image-path tty.img -b "$OCI_DIR/tty" tty
    oci restore -d --console-socket sock --image-path tty.img -b "$OCI_DIR/tty" tty
    wait_until 30 grep -q "/dev/pts/0 True from the terminal" seen
    oci delete -f tty
}

@test "in the foreground: the terminal's output, the exit status, and nothing is left" {
    bundle fore '.process.terminal = true'
    oci run -b "$OCI_DIR/fore" fore </dev/null >/dev/null 2>&1 3>&- &
    runner=$!
    wait_until 30 oci_is fore running
    oci checkpoint --image-path fore.img fore
    ended "$runner" 137
    echo yes >"$FAKE_CRIU/terminal"
    echo '["sh", "-c", "exit 42"]' >fore.img/command.json
    run -42 oci restore --image-path fore.img -b "$OCI_DIR/fore" fore </dev/null
    [[ $output == *"from the terminal"* ]]
    oci_refuses 1 "does not exist" state fore
}

@test "a container that run waits for is checkpointed, and run ends" {
    bundle wait
    oci run -b "$OCI_DIR/wait" wait </dev/null >/dev/null 2>wait.errors 3>&- &
    runner=$!
    wait_until 30 oci_is wait running
    oci checkpoint --image-path wait.img wait
    ended "$runner" 137
    [ ! -s wait.errors ]
    oci_refuses 1 "does not exist" state wait
}

@test "the place of a service's notify socket comes along" {
    bundle notify
    NOTIFY_SOCKET=$PWD/nobody oci run -b "$OCI_DIR/notify" notify </dev/null >/dev/null 2>&1 3>&- &
    runner=$!
    wait_until 30 oci_is notify running
    oci checkpoint --image-path notify.img notify
    ended "$runner" 137
    [ "$(asked dump '.ext_mnt[] | select(."1" == "/run/notify") | ."2"')" = '"/run/notify"' ]
    restore notify
    [ "$(asked restore '.ext_mnt[] | select(."1" == "/run/notify") | ."2"')" = "\"$OCI_ROOT/notify/notify\"" ]
    [ -d "$OCI_ROOT/notify/notify" ]
    oci delete -f notify
}

@test "hooks: prestart and createRuntime at restore, poststop after a checkpoint" {
    hook() { printf '[{"path": "/bin/sh", "args": ["sh", "-c", "jq -c \\"[\\\\\\"%s\\\\\\", .status, .pid]\\" >>%s/hooks"]}]' "$1" "$PWD"; }
    start hooks --argjson a "$(hook prestart)" --argjson b "$(hook createRuntime)" --argjson c "$(hook poststop)" --argjson d "$(hook startContainer)" \
        '.hooks = {prestart: $a, createRuntime: $b, poststop: $c}'
    rm -f hooks
    oci checkpoint --image-path hooks.img hooks
    [ "$(cat hooks)" = '["poststop","stopped",null]' ]
    rm hooks
    restore hooks
    pid=$(oci_pid hooks)
    [ "$(cat hooks)" = "[\"prestart\",\"creating\",$pid]
[\"createRuntime\",\"creating\",$pid]" ]
    oci delete -f hooks
    jq '.hooks.createRuntime = [{path: "/bin/false"}]' "$OCI_DIR/hooks/config.json" >config.json
    oci_refuses 1 "hook /bin/false: exit status 1" restore -d --image-path hooks.img -b "$OCI_DIR/hooks" -f config.json hooks
    oci_refuses 1 "does not exist" state hooks
}

@test "every flag reaches criu" {
    start flags
    oci checkpoint --image-path flags.img --leave-running --tcp-established --tcp-skip-in-flight --link-remap --ext-unix-sk --shell-job \
        --file-locks --auto-dedup --manage-cgroups-mode strict --network-lock nftables --empty-ns network --page-server 127.0.0.1:27 flags
    oci_is flags running
    [ "$(asked dump '[.leave_running, .tcp_established, .tcp_skip_in_flight, .link_remap, .ext_unix_sk, .shell_job, .file_locks, .auto_dedup]')" = \
        "[1,1,1,1,1,1,1,1]" ]
    [ "$(asked dump '[.manage_cgroups_mode, .network_lock, .ps]')" = '[5,2,{"1":"127.0.0.1","2":27}]' ]
    oci checkpoint --image-path flags.img --work-path flags.work flags
    [ -s flags.work/dump.log ]
    restore flags --work-path flags.work --tcp-close --lsm-profile apparmor:thing --lsm-mount-context ctx \
        --lazy-pages --manage-cgroups-mode ignore --no-pivot --no-subreaper --ext-unix-sk
    [ "$(asked restore '[.tcp_close, .lsm_profile, .lsm_mount_context, .lazy_pages, .manage_cgroups_mode, .ext_unix_sk]')" = \
        '[1,"apparmor:thing","ctx",1,0,1]' ]
    oci delete -f flags
}

@test "a pre-dump leaves the container running, and a later one builds on it" {
    start pre
    oci checkpoint --pre-dump --image-path pre.img/first pre
    oci_is pre running
    [ "$(asked dump '[.kind, .track_mem, .ext_mnt]')" = '[4,1,null]' ]
    mkdir pre.img/second
    oci_refuses 1 "must be relative" checkpoint --image-path pre.img/second --parent-path "$PWD/pre.img/first" pre
    oci_refuses 1 "parent-path ../none .*No such file" checkpoint --image-path pre.img/second --parent-path ../none pre
    oci checkpoint --image-path pre.img/second --parent-path ../first pre
    [ "$(asked dump '[.kind, .track_mem, .parent_img]')" = '[1,1,"../first"]' ]
}

@test "lazy pages: a byte when they can be fetched" {
    start lazy
    oci_refuses 1 "not an open file" checkpoint --lazy-pages --status-fd 77 --image-path lazy.img lazy
    oci_refuses 1 "cannot be written to" checkpoint --lazy-pages --status-fd 0 --image-path lazy.img lazy </dev/null
    echo 0 >"$FAKE_CRIU/lazy"
    oci_refuses 1 "lazy pages need a kernel with userfaultfd" checkpoint --lazy-pages --image-path lazy.img lazy
    rm "$FAKE_CRIU/lazy"
    oci checkpoint --lazy-pages --status-fd 7 --image-path lazy.img lazy 7>status
    [ "$(od -An -tx1 status)" = " 00" ]
}

@test "the configuration file of criu's own" {
    start config '.annotations = {"org.criu.config": "/etc/my-criu.conf"}'
    oci checkpoint -R --image-path config.img config
    [ "$(asked dump .config_file)" = '"/etc/my-criu.conf"' ]
    oci delete -f config
    start none '.annotations = {"org.criu.config": ""}'
    oci checkpoint -R --image-path none.img none
    [ "$(asked dump .config_file)" = null ]
    oci delete -f none
    start usual
    oci checkpoint -R --image-path usual.img usual
    [[ $(asked dump .config_file) == '"/etc/criu/'*.conf'"' ]]
    oci delete -f usual
}

@test "what goes wrong with a checkpoint is one line, and the container goes on" {
    start wrong
    echo post-dump >"$FAKE_CRIU/fail"
    oci_refuses 1 "criu: dump failed: it was to fail at post-dump \(wrong.img/dump.log\)" checkpoint --image-path wrong.img wrong
    oci_is wrong running
    echo 2.12.1 >"$FAKE_CRIU/version"
    oci_refuses 1 "criu 2.12 is too old: 3.15 or newer" checkpoint --image-path wrong.img wrong
    rm "$FAKE_CRIU"/*
    oci_refuses 1 "criu 3.17 is too old: for a network that is not locked 3.18" checkpoint --network-lock skip --image-path wrong.img wrong
    oci_refuses 1 "invalid --manage-cgroups-mode \"loose\": soft, full, strict and ignore are known" checkpoint --manage-cgroups-mode loose wrong
    oci_refuses 1 "only network can be left empty" checkpoint --empty-ns ipc --image-path wrong.img wrong
    oci_refuses 1 "ADDRESS:PORT" checkpoint --page-server nowhere --image-path wrong.img wrong
    run -1 env PATH=/nowhere "$OCI" --root "$OCI_ROOT" checkpoint --image-path wrong.img wrong
    [ "$output" = "hull-runtime: criu is not installed (Debian's package criu)" ]
    oci_is wrong running
    oci delete -f wrong
    oci_refuses 1 "does not exist" checkpoint --image-path wrong.img wrong
    bundle made
    oci create -b "$OCI_DIR/made" made </dev/null >/dev/null 2>&1
    oci_refuses 1 "cannot checkpoint container made: it is created" checkpoint --image-path made.img made
    oci delete -f made
}

@test "what goes wrong with a restore is one line, and nothing is left" {
    start again
    oci checkpoint --image-path again.img again
    for at in setup-namespaces post-restore; do
        echo $at >"$FAKE_CRIU/fail"
        rm -f again.img/restore.log
        oci_refuses 1 "criu: restore failed: it was to fail at $at \(again.img/restore.log\)" restore -d --image-path again.img -b "$OCI_DIR/again" again
        oci_refuses 1 "does not exist" state again
        [ -z "$(oci_groups | grep /again)" ]
    done
    rm "$FAKE_CRIU/fail"
    mkdir empty.img
    oci_refuses 1 "no checkpoint of a container" restore -d --image-path empty.img -b "$OCI_DIR/again" again
    oci_refuses 1 "image-path nothing.img: No such file" restore -d --image-path nothing.img -b "$OCI_DIR/again" again
    oci_refuses 1 "invalid --lsm-profile" restore -d --lsm-profile thing --image-path again.img -b "$OCI_DIR/again" again
    restore again
    oci_refuses 1 "already exists: again" restore -d --image-path again.img -b "$OCI_DIR/again" again
    oci delete -f again
}
