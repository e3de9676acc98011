#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Namespaces: own ones by default, the host's or another container's when asked for.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    hull run -d --name peer --ipc shareable --hostname peer-host box sleep 600
}
teardown_file() { hull_teardown; }

# ns_of NAME OPTIONS...: the namespace a container started with these options is in
ns_of() {
    local name=$1
    shift
    hull run --rm "$@" box readlink "/proc/self/ns/$name"
}

of_host() {
    readlink "/proc/self/ns/$1"
}

of_peer() {
    readlink "/proc/$(hull inspect -f '{{.State.Pid}}' peer)/ns/$1"
}

@test "all of its own: pid, mount, network, ipc, uts, cgroup" {
    for ns in pid mnt net ipc uts cgroup; do
        run -0 ns_of $ns
        [ "$output" != "$(of_host $ns)" ] || { echo $ns; false; }
        [ "$output" != "$(of_peer $ns)" ] || { echo $ns; false; }
    done
    run -0 ns_of user
    [ "$output" = "$(of_host user)" ]
}

@test "--pid, --ipc, --uts, --network, --cgroupns host" {
    need_root
    for pair in pid:pid ipc:ipc uts:uts network:net cgroupns:cgroup; do
        run -0 ns_of ${pair#*:} --${pair%:*} host
        [ "$output" = "$(of_host ${pair#*:})" ] || { echo $pair; false; }
    done
}

@test "--cgroupns private, --pid private, --uts private are the default said aloud" {
    for pair in pid:pid uts:uts cgroupns:cgroup ipc:ipc; do
        run -0 ns_of ${pair#*:} --${pair%:*} private
        [ "$output" != "$(of_host ${pair#*:})" ]
    done
}

@test "container:NAME and container:ID: pid, ipc, network" {
    for pair in pid:pid ipc:ipc network:net; do
        run -0 ns_of ${pair#*:} --${pair%:*} container:peer
        [ "$output" = "$(of_peer ${pair#*:})" ] || { echo $pair; false; }
    done
    run -0 ns_of net --network "container:$(hull inspect -f '{{.Id}}' peer)"
    [ "$output" = "$(of_peer net)" ]
}

@test "--pid container: its processes are seen" {
    run -0 hull run --rm --pid container:peer box sh -c 'tr "\0" " " </proc/1/cmdline'
    [[ $output == *"sleep 600"* ]]
}

@test "--pid host: the host's processes are seen" {
    need_root
    run -0 hull run --rm --pid host box sh -c "test -d /proc/$$ && echo seen"
    [ "$output" = seen ]
}

@test "--network container: the other's names, and interfaces" {
    run -0 hull run --rm --network container:peer box sh -c 'cat /etc/hosts; hostname'
    [[ $output == *peer-host* ]]
}

@test "--network none: only lo; ns:PATH" {
    run -0 hull run --rm --network none box sh -c 'ls /sys/class/net'
    [ "$output" = lo ]
    run -0 hull run --rm box sh -c 'ls /sys/class/net; ip addr show lo'
    [[ $output == *127.0.0.1* ]]
    need_root
    touch "$HULL_DIR/net"
    unshare --net="$HULL_DIR/net" true || skip "this machine makes no network namespaces"
    run ns_of net --network "ns:$HULL_DIR/net"
    got=$output
    want="net:[$(stat -L -c %i "$HULL_DIR/net")]"
    umount "$HULL_DIR/net"
    [ "$got" = "$want" ]
}

@test "--ipc: none has no /dev/shm, private is not shared, shareable is" {
    run -0 hull run --rm --ipc none box sh -c 'awk "\$5 == \"/dev/shm\"" /proc/self/mountinfo | wc -l'
    [ "$output" = 0 ]
    hull run -d --name closed --ipc private box sleep 60
    refuses 125 'shareable' run --rm --ipc container:closed box true
    hull rm -f closed
    run -0 hull run --rm --ipc container:peer box sh -c 'echo hello >/dev/shm/message'
    run -0 hull exec peer cat /dev/shm/message
    [ "$output" = hello ]
}

@test "--uts host: the host's name; --hostname is refused with it" {
    need_root
    run -0 hull run --rm --uts host box hostname
    [ "$output" = "$(cat /proc/sys/kernel/hostname)" ]
    refuses 125 'hostname' run --rm --uts host --hostname x box true
}

@test "pid 1 is the command; no process of the host is seen" {
    run -0 hull run --rm box sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l'
    [ "${lines[0]}" = 1 ]
    [ "${lines[1]}" -le 3 ]
}

@test "the cgroup namespace hides where the container is" {
    run -0 hull run --rm box cat /proc/self/cgroup
    [[ $output != *[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]* ]]
}

@test "a container to join must be there, and must run" {
    hull create --name asleep box sleep 60
    refuses 125 'asleep|not running' run --rm --pid container:asleep box true
    refuses 125 'not-there' run --rm --network container:not-there box true
    run -0 hull ps -a --filter name=asleep --format '{{.Status}}'
    [ "$output" = Created ]
}

@test "the namespace of a peer is joined again after a restart, by its id" {
    hull create --name joiner --network container:peer box readlink /proc/self/ns/net
    hull rename peer peer2
    run -0 hull start -a joiner
    hull rename peer2 peer
    [ "$output" = "$(of_peer net)" ]
}

@test "exec enters all of them" {
    pid=$(hull inspect -f '{{.State.Pid}}' peer)
    for ns in pid mnt net ipc uts cgroup; do
        run -0 hull exec peer readlink /proc/self/ns/$ns
        [ "$output" = "$(readlink "/proc/$pid/ns/$ns")" ] || { echo $ns; false; }
    done
}
