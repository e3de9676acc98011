#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker, podman and containerd from Debian, on cgroup v2 beside systemd, with hull-runtime as their OCI runtime: the life of a
# container in each. test/peers/t_engines.py compares more, where runc is the judge.
# machines: peers

load ../../lib/hull

setup_file() {
    need_root
    DIR=$(mktemp -d /tmp/hull-engines.XXXXXX)
    export DIR OCI=${HULL_BUILD:-$BATS_TEST_DIRNAME/../../../build}/src/cli/hull-runtime
    mkdir -p "$DIR/root/bin"
    cp /bin/busybox "$DIR/root/bin/"
    chroot "$DIR/root" /bin/busybox --install -s /bin
    tar -c -C "$DIR/root" . >"$DIR/root.tar"
}

teardown_file() {
    [ -n "${DIR-}" ] || return 0
    local pid
    for pid in $(cat "$DIR"/*.pid 2>/dev/null); do
        kill "$pid" 2>/dev/null || true
        wait_until 60 [ ! -e "/proc/$pid" ] || kill -9 "$pid"
    done
    umount_below "$DIR"
    rm -rf "$DIR"
}

# A daemon in the background. usage: daemon NAME COMMAND...
daemon() {
    local name=$1
    shift
    "$@" >"$DIR/$name.log" 2>&1 </dev/null 3>&- &
    echo $! >"$DIR/$name.pid"
}

says() {
    local want=$1
    shift
    run "$@"
    [ "$status" -eq 0 ] && [ "$output" = "$want" ] || { echo "$*: status $status: $output"; return 1; }
}

group_of() {
    cut -d: -f3 "/proc/$1/cgroup"
}

# The words that docker and podman share. usage: life WORDS-OF-RUN...
life() {
    says hello engine run --rm "$@" box echo hello
    run -7 engine run --rm "$@" box sh -c 'exit 7'
    engine run -d --name web -m 64m --pids-limit 50 --cpus 0.5 "$@" box sh -c 'trap "exit 5" TERM; while :; do sleep 0.2; done'
    pid=$(engine inspect -f '{{.State.Pid}}' web)
    group=/sys/fs/cgroup$(group_of "$pid")
    [ "$(cat "$group/memory.max" "$group/pids.max" "$group/cpu.max" | tr '\n' ' ')" = "67108864 50 50000 100000 " ]
    says in engine exec web echo in
    run -3 engine exec web sh -c 'exit 3'
    engine pause web
    says paused engine inspect -f '{{.State.Status}}' web
    grep -qx 'frozen 1' "$group/cgroup.events"
    engine unpause web
    engine update --cpus 0.25 web
    [ "$(cat "$group/cpu.max")" = "25000 100000" ]
    engine stop -t 60 web
    says 'exited 5' engine inspect -f '{{.State.Status}} {{.State.ExitCode}}' web
    [ ! -e "$group" ]
    engine start web
    engine rm -f web
}

@test "docker, with control groups by files" {
    need_cmd dockerd docker
    engine() { docker -H "unix://$DIR/docker.sock" "$@"; }
    daemon dockerd dockerd --data-root "$DIR/docker" --exec-root "$DIR/exec" -H "unix://$DIR/docker.sock" -p "$DIR/docker.own.pid" --bridge none \
        --iptables=false --add-runtime "hull=$OCI" --default-runtime hull --exec-opt native.cgroupdriver=cgroupfs
    wait_until 100 engine info
    engine import "$DIR/root.tar" box
    life --network none
}

@test "podman, with control groups by files" {
    need_cmd podman
    engine() { podman --root "$DIR/podman" --runroot "$DIR/podman.run" --runtime "$OCI" --cgroup-manager cgroupfs --events-backend file "$@"; }
    engine import "$DIR/root.tar" box
    life --network none
}

@test "containerd, by ctr" {
    need_cmd containerd ctr docker
    task() { ctr -a "$DIR/ctd.sock" "$@"; }
    task_is() { task tasks ls | awk -v want="$1" '$1 == "c" && $3 == want { found = 1 } END { exit !found }'; }
    export -f task
    daemon containerd containerd --root "$DIR/ctd" --state "$DIR/ctd.run" --address "$DIR/ctd.sock"
    wait_until 100 task version
    how=(--runc-binary "$OCI" --runc-root "$DIR/ctd.state" --rootfs)
    says hello task run --rm "${how[@]}" "$DIR/root" one /bin/echo hello
    run -7 task run --rm "${how[@]}" "$DIR/root" two /bin/sh -c 'exit 7'
    task run --detach "${how[@]}" --memory-limit 67108864 "$DIR/root" c /bin/sleep 1000 >"$DIR/out" 2>&1 </dev/null 3>&-
    pid=$(task tasks ls | awk '$1 == "c" { print $2 }')
    [ "$(cat "/sys/fs/cgroup$(group_of "$pid")/memory.max")" = 67108864 ]
    says in task tasks exec --exec-id e1 c /bin/echo in
    task tasks pause c
    task_is PAUSED
    task tasks resume c
    task_is RUNNING
    task tasks metrics c
    task tasks kill -s KILL c
    wait_until 60 task_is STOPPED
    task tasks delete c
    task containers delete c
}
