#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ns ls, run, enter: what lsns, unshare and nsenter do, of any process and of containers.
# machines: native v2

load ../lib/hull
setup_file() {
    need_root
    hull_setup
    hull run -d --name inside --hostname inside-host box sleep 600
}
teardown_file() { hull_teardown; }

ino() {
    readlink "/proc/$1/ns/$2" | tr -dc 0-9
}

pid_of() {
    hull inspect -f '{{.State.Pid}}' "$1"
}

@test "ls: every namespace of a container with its name, its process and its command; the host's without" {
    pid=$(pid_of inside)
    hull ns ls --format '{{.NS}} {{.Type}} {{.Processes}} {{.PID}} {{.User}} {{.Container}} {{.Command}}' >all
    for kind in mnt uts ipc pid net cgroup; do
        grep -qxF "$(ino $pid $kind) $kind 1 $pid root inside sleep 600" all || { cat all; echo $kind; false; }
    done
    run -0 grep "^$(ino self uts) uts " all
    [[ $output != *inside* ]]
    run -0 hull ns ls
    [[ ${lines[0]} =~ ^NS\ +TYPE\ +NPROCS\ +PID\ +USER\ +CONTAINER\ +COMMAND$ ]]
}

@test "ls: -t, -p, -q, --json; a kept one without processes; what is wrong" {
    pid=$(pid_of inside)
    run -0 hull ns ls -p $pid -q
    [ "${#lines[@]}" = "$(find /proc/$pid/ns/ -type l ! -name '*_for_children' | wc -l)" ]
    run -0 hull ns ls -p $pid -t net -t uts --format '{{.Type}}={{.NS}}'
    [ "$(printf '%s\n' "${lines[@]}" | sort | xargs)" = "net=$(ino $pid net) uts=$(ino $pid uts)" ]
    hull ns ls -p $pid --json | python3 -c '
import json, sys
rows = [json.loads(l) for l in sys.stdin]
assert {r["Type"] for r in rows} >= {"mnt", "net", "pid"}, rows
assert all(set(r) == {"NS", "Type", "Processes", "PID", "PPID", "User", "Container", "Command", "Path"} for r in rows)'
    refuses 1 'process 2147483647: no such process' ns ls -p 2147483647
    refuses 1 'process 0: no such' ns ls -p 0
    refuses 1 'unknown type.*cgroup' ns ls -t nonsense
    refuses 1 'no such container: nosuch' ns ls -p nosuch
    refuses 1 'unknown column "COLOR".*NPROCS' ns ls -o NS,COLOR
    refuses 1 'namespace 17: no process' ns ls 17
    refuses 1 'number of a namespace "x"' ns ls x
    refuses 1 'does not go with' ns ls -t net 17
}

@test "ls: of a container by its name; who is in one namespace; columns as lsns names them" {
    pid=$(pid_of inside)
    [ "$(hull ns ls -p inside -q)" = "$(hull ns ls -p $pid -q)" ]
    hull exec -d inside sleep 999
    run -0 hull ns ls "$(ino $pid net)" -u
    [[ ${lines[0]} =~ ^PID\ +PPID\ +USER\ +CONTAINER\ +COMMAND$ ]]
    [ "${#lines[@]}" = 3 ]
    parent=$(awk '{ print $4 }' /proc/$pid/stat)
    [[ $output =~ $pid\ +$parent\ +root\ +inside\  && $output == *"sleep 999"* ]]
    run -0 hull ns ls -q "$(ino $pid pid)"
    [[ ${lines[0]} = "$pid" && ${#lines[@]} = 2 ]]
    run -0 hull ns ls -p inside -t uts -o ns,type,PPID
    [[ ${lines[0]} =~ ^NS\ +TYPE\ +PPID$ && ${lines[1]} =~ ^$(ino $pid uts)\ +uts\ +$parent$ ]]
}

@test "ls agrees with lsns about who is in what" {
    need_cmd lsns
    pid=$(pid_of inside)
    lsns -n -r -o NS,TYPE,NPROCS,PID -p $pid | sort >theirs
    hull ns ls -p $pid --format '{{.NS}} {{.Type}} {{.Processes}} {{.PID}}' | sort >ours
    # The host's have processes that come and go.
    diff <(grep " $pid\$" theirs) <(grep " $pid\$" ours)
    diff <(cut -d' ' -f1,2 theirs) <(cut -d' ' -f1,2 ours)
}

@test "run: only what is named is new; the exit status is the command's" {
    run -0 hull ns run -u sh -c 'hostname of-its-own; hostname; readlink /proc/self/ns/net'
    [ "${lines[*]}" = "of-its-own $(readlink /proc/self/ns/net)" ]
    [ "$(hostname)" != of-its-own ]
    run -0 hull ns run -m -i -n -C readlink /proc/self/ns/{mnt,ipc,net,cgroup}
    for i in 0 1 2 3; do
        kinds=(mnt ipc net cgroup)
        [ "${lines[i]}" != "$(readlink /proc/self/ns/${kinds[i]})" ]
    done
    run -7 hull ns run -u sh -c 'exit 7'
    run -7 hull ns run -p -f sh -c 'exit 7'
    run -137 hull ns run -u --fork sh -c 'kill -9 $$'
    (umask 027; run -0 hull ns run -u sh -c umask; [ "$output" = 0027 ])
}

@test "run: a PID namespace with its own /proc, --kill-child, a working directory, a root" {
    run -0 hull ns run --pid --fork --mount-proc sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'
    [ "${lines[0]}" = 1 ]
    [ "${lines[1]}" -le 3 ]
    [ "$(ls -d /proc/[0-9]* | wc -l)" -gt 3 ] || [ -d /proc/self ]
    run -0 hull ns run -m -w / pwd
    [ "$output" = / ]
    mkdir -p tree/bin tree/there && cp "$(command -v busybox)" tree/bin/
    run -0 hull ns run -m --root tree /bin/busybox ls /
    [ "${lines[*]}" = "bin there" ]
    "$HULL" ns run -p --kill-child sh -c "echo up >up; sleep 60 & wait" 3>&- &
    parent=$!
    wait_until 30 test -s up
    child=$(cat "/proc/$parent/task/$parent/children")
    kill -9 $parent
    wait $parent || true
    wait_until 30 test ! -d "/proc/${child// /}"
}

@test "run: mounts made inside are not seen outside, or they are: --propagation" {
    mkdir -p shared && mount -t tmpfs tmpfs shared && mount --make-shared shared
    mkdir shared/a
    run -0 hull ns run -m mount -t tmpfs tmpfs shared/a
    run ! mountpoint -q shared/a
    run -0 hull ns run -m --propagation unchanged mount -t tmpfs tmpfs shared/a
    mountpoint -q shared/a
    umount shared/a shared
    refuses 1 'propagation "sideways".*private' ns run -m --propagation sideways true
}

@test "run: user namespaces: root inside, ranges, ids that stay" {
    hull ns run -U true || skip "no user namespaces here"
    run -0 hull ns run -r sh -c 'id -u; id -g; cat /proc/self/setgroups; cat /proc/self/uid_map'
    [ "$(xargs <<<"$output")" = "0 0 deny 0 $(id -u) 1" ]
    run -0 hull ns run -U id -u
    [ "$output" = 65534 ]
    run -0 hull ns run --map-user 1000 --map-group 1001 sh -c 'id -u; id -g'
    [ "${lines[*]}" = "1000 1001" ]
    run -0 hull ns run -c sh -c 'id -u; id -g'
    [ "${lines[*]}" = "$(id -u) $(id -g)" ]
    run -0 hull ns run --map-users 0:100000:1000 --map-groups 100000,0,500 -S 7 -G 8 sh -c 'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map'
    [ "$(xargs <<<"$output")" = "7 8 0 100000 1000 0 100000 500" ]
    run -0 hull ns run -r --keep-caps sh -c 'grep CapAmb /proc/self/status'
    [[ $output != *0000000000000000 ]]
    run -0 hull ns run -U --setgroups deny cat /proc/self/setgroups
    [ "$output" = deny ]
    refuses 1 'map-users "1:2".*INSIDE:OUTSIDE:COUNT' ns run --map-users 1:2 true
    refuses 1 'no such user: nobody-of-that-name' ns run --map-user nobody-of-that-name true
    # One side alone, as unshare has it: nobody on the other.
    run -0 hull ns run --map-users 0:100000:1000 -S 0 sh -c 'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map'
    [ "$(xargs <<<"$output")" = "0 65534 0 100000 1000" ]
    run -0 hull ns run --map-groups 0:100000:10 --map-groups 20:100020:1 cat /proc/self/gid_map /proc/self/uid_map
    [ "$(xargs <<<"$output")" = "0 100000 10 20 100020 1" ]
    refuses 1 'setgroups' ns run -r --setgroups allow true
}

@test "run: --map-auto takes the ranges of /etc/subuid and /etc/subgid" {
    hull ns run -U true || skip "no user namespaces here"
    need_cmd newuidmap
    [ -e /etc/subuid ] && [ -e /etc/subgid ] || skip "there is no /etc/subuid"
    echo "root:3000000:65536" >ranges
    cat >auto.sh <<'SH'
mount --bind ranges /etc/subuid && mount --bind ranges /etc/subgid && exec "$HULL" ns run --map-auto -r cat /proc/self/uid_map
SH
    run -0 hull ns run -m sh auto.sh
    [ "$(xargs <<<"$output")" = "0 0 1 1 3000000 65535" ] || [ "$(xargs <<<"$output")" = "0 0 1 1 3000000 65536" ]
}

@test "run: clocks of a time namespace" {
    [ -e /proc/self/ns/time ] || skip "no time namespaces"
    run -0 hull ns run -T --boottime 1000000 cut -d. -f1 /proc/uptime
    [ "$output" -gt 1000000 ]
    refuses 1 'new time namespace' ns run -u --boottime 5 true
}

@test "run keeps namespaces at files, enter joins them, ls shows them" {
    mkdir -p kept && mount -t tmpfs tmpfs kept && mount --make-private kept && touch kept/{uts,net,pid,mnt}
    run -0 hull ns run --uts=kept/uts --net=kept/net hostname kept-host
    run -0 hull ns enter --uts=kept/uts hostname
    [ "$output" = kept-host ]
    run -0 hull ns enter --net=kept/net readlink /proc/self/ns/net
    [ "$output" != "$(readlink /proc/self/ns/net)" ]
    run -0 hull ns ls -t uts --format '{{.Processes}} {{.Path}}'
    [[ $output == *"0 $PWD/kept/uts"* ]]
    run -3 hull ns run --pid=kept/pid --fork sh -c 'exit 3'
    run -0 hull ns ls -t pid --format '{{.Processes}} {{.Path}}'
    [[ $output == *"0 $PWD/kept/pid"* ]]
    # Linux 6.18 numbers mount namespaces on each CPU by itself, and takes one for older than ours now and then: unshare(1) has that too.
    hull ns run --mount=kept/mnt sh -c 'mount -t tmpfs tmpfs /mnt; echo x >/mnt/of-it' 2>said || grep -q 'Invalid argument' said
    if mountpoint -q kept/mnt; then
        run -0 hull ns enter --mount=kept/mnt cat /mnt/of-it
        [ "$output" = x ]
        umount kept/mnt
    fi
    refuses 1 'pid=kept/pid: only with --fork' ns run --pid=kept/pid true
    refuses 1 'kept/uts is not a net namespace' ns enter --net=kept/uts true
    umount kept/{uts,net,pid} kept
}

@test "enter: a container by name or by pid, all of it or one namespace" {
    pid=$(pid_of inside)
    run -0 hull ns enter -t inside -u hostname
    [ "$output" = inside-host ]
    run -0 hull ns enter -t $pid -u hostname
    [ "$output" = inside-host ]
    run -0 hull ns enter -t inside -a sh -c 'hostname; cat /proc/1/cmdline | tr "\0" " "; ls /proc/1/root/ >/dev/null && echo $$'
    [ "${lines[0]}" = inside-host ]
    [ "${lines[1]% *}" = "sleep 600" ]
    # The machine's own program, in the container's network alone.
    run -0 hull ns enter -t inside -n sh -c 'readlink /proc/self/ns/net /proc/self/ns/mnt'
    [ "${lines[*]}" = "$(readlink /proc/$pid/ns/net) $(readlink /proc/self/ns/mnt)" ]
    run -0 hull ns enter -t inside -r -w pwd
    [ "$output" = / ]
    run -0 hull ns enter -t inside -a -e env
    [[ $output == *HOSTNAME=inside-host* && $output != *HULL_ROOT* ]]
    run -5 hull ns enter -t inside -p sh -c 'exit 5'
    run -0 hull ns enter -t inside -p -F readlink /proc/self/ns/pid
    [ "$output" = "$(readlink /proc/self/ns/pid)" ]
    run -0 hull ns enter -t inside -c sh -c 'cat /proc/self/cgroup'
    diff <(printf '%s\n' "$output") "/proc/$pid/cgroup"
    run -0 hull ns enter -t inside -u -S 12 -G 34 sh -c 'id -u; id -g; id -G'
    [ "${lines[*]}" = "12 34 34" ]
}

@test "enter: a user namespace: root there, or who one is" {
    hull ns run -U true || skip "no user namespaces here"
    "$HULL" ns run --map-users 0:100000:100 --map-groups 0:100000:100 sleep 60 3>&- &
    target=$!
    wait_until 30 sh -c "tr '\\0' ' ' </proc/$target/cmdline | grep -qx 'sleep 60 '"
    run -0 hull ns enter -t $target -U id -u
    [ "$output" = 0 ]
    run -0 hull ns enter -t $target -U --preserve-credentials id -u
    [ "$output" = 65534 ]
    kill -9 $target
    wait $target || true
}

@test "enter: nobody in a container can open hull by its process" {
    hull run -d --name watcher box sh -c 'while :; do for p in /proc/[0-9]*; do
        case $(readlink $p/exe) in */hull) : >$p/exe 2>/dev/null && echo opened; echo seen;; esac; done; done'
    before=$(sha256sum <"$HULL")
    for _ in 1 2 3 4 5 6 7 8; do
        hull ns enter -t watcher -p -m true
    done
    run -0 hull logs watcher
    [[ $output != *seen* && $output != *opened* ]]
    [ "$before" = "$(sha256sum <"$HULL")" ]
    hull rm -f watcher
}

@test "enter: what is wrong" {
    refuses 1 'process 2147483647: no such process' ns enter -t 2147483647 -m true
    refuses 1 'no such container: nosuch' ns enter -t nosuch -m true
    refuses 1 'target PID or a container' ns enter -m true
    refuses 1 'kept.*No such file' ns enter --net=kept-not true
    refuses 127 'nosuch-command: No such file' ns enter -t inside -u nosuch-command
    refuses 126 'Permission denied' ns run -u /etc
}
