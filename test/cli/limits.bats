#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits: what the kernel says they are, and that they hold. Controllers the machine lacks are skipped by name.
# machines: native v2 v2:tester

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# limit_of NAME CONTROLLER V1-FILE V2-FILE: what the cgroup of a running container has
limit_of() {
    cgroup_value "$2" "$(container_cgroup "$1" "$2")" "$3" "$4"
}

is_v2() {
    ! awk -v want="$1" '{ for (i = 7; $i != "-"; i++) ; if ($(i + 1) == "cgroup" && $(i + 3) ~ want) found = 1 } END { exit !found }' /proc/self/mountinfo
}

@test "--memory: the value, and inspect's" {
    need_controller memory
    hull run -d --name mem -m 64M box sleep 60
    run -0 limit_of mem memory memory.limit_in_bytes memory.max
    [ "$output" = 67108864 ]
    run -0 hull inspect -f '{{.HostConfig.Memory}}' mem
    [ "$output" = 67108864 ]
    hull rm -f mem
}

@test "--memory: the OOM killer ends it: status 137, OOMKilled" {
    need_controller memory
    run -137 hull run --name greedy -m 16M --memory-swap 16M box tail /dev/zero
    run -0 hull inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' greedy
    [ "$output" = "true 137" ]
}

@test "a kill is no OOM" {
    need_controller memory
    hull run -d --name killed -m 64M box sleep 60
    hull kill killed
    run -0 hull wait killed
    run -0 hull inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' killed
    [ "$output" = "false 137" ]
}

@test "--memory-reservation, --memory-swappiness" {
    need_controller memory
    hull run -d --name soft -m 64M --memory-reservation 32M box sleep 60
    run -0 limit_of soft memory memory.soft_limit_in_bytes memory.low
    [ "$output" = 33554432 ]
    hull rm -f soft
    is_v2 memory && skip "cgroup v2 has no swappiness"
    hull run -d --name swappy --memory-swappiness 7 box sleep 60
    run -0 limit_of swappy memory memory.swappiness none
    [ "$output" = 7 ]
    hull rm -f swappy
}

@test "--memory-swap: memory and swap together" {
    need_controller memory
    hull run -d --name swap -m 64M --memory-swap 96M box sleep 60
    dir=$(cgroup_dir memory "$(container_cgroup swap memory)")
    if [ -e "$dir/memory.memsw.limit_in_bytes" ]; then
        run -0 cat "$dir/memory.memsw.limit_in_bytes"
        [ "$output" = 100663296 ]
    elif [ -e "$dir/memory.swap.max" ]; then
        run -0 cat "$dir/memory.swap.max"
        [ "$output" = 33554432 ]
    else
        hull rm -f swap
        skip "this kernel does not account for swap"
    fi
    hull rm -f swap
}

@test "--cpus: quota and period; a busy loop gets its share" {
    need_controller cpu
    hull run -d --name half --cpus 0.5 box sh -c 'while :; do :; done'
    dir=$(cgroup_dir cpu "$(container_cgroup half cpu)")
    if [ -e "$dir/cpu.cfs_quota_us" ]; then
        [ "$(cat "$dir/cpu.cfs_quota_us") $(cat "$dir/cpu.cfs_period_us")" = "50000 100000" ]
    else
        [ "$(cat "$dir/cpu.max")" = "50000 100000" ]
    fi
    pid=$(hull inspect -f '{{.State.Pid}}' half)
    ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
    hz=$(getconf CLK_TCK) before=$(ticks) start=$(date +%s%N)
    sleep 2
    used=$((($(ticks) - before) * 1000 / hz)) wall=$((($(date +%s%N) - start) / 1000000))
    hull rm -f half
    # Half a CPU is the most it may have, whatever else the machine does.
    [ $used -le $((wall * 60 / 100)) ] || { echo "$used ms of $wall ms"; false; }
}

@test "--cpu-quota, --cpu-period, --cpu-shares" {
    need_controller cpu
    hull run -d --name quota --cpu-quota 20000 --cpu-period 50000 -c 512 box sleep 60
    dir=$(cgroup_dir cpu "$(container_cgroup quota cpu)")
    if [ -e "$dir/cpu.cfs_quota_us" ]; then
        [ "$(cat "$dir/cpu.cfs_quota_us") $(cat "$dir/cpu.cfs_period_us") $(cat "$dir/cpu.shares")" = "20000 50000 512" ]
    else
        [ "$(cat "$dir/cpu.max")" = "20000 50000" ]
        [ "$(cat "$dir/cpu.weight")" -lt 100 ]
    fi
    hull rm -f quota
}

@test "--cpuset-cpus, --cpuset-mems" {
    need_controller cpuset
    run -0 hull run --rm --cpuset-cpus 0 --cpuset-mems 0 box sh -c 'grep Cpus_allowed_list /proc/self/status; grep Mems_allowed_list /proc/self/status'
    [[ ${lines[0]} =~ ^Cpus_allowed_list:[[:space:]]*0$ ]]
    [[ ${lines[1]} =~ ^Mems_allowed_list:[[:space:]]*0$ ]]
}

@test "--pids-limit stops a fork bomb" {
    need_controller pids
    run -0 hull run --rm --pids-limit 20 box sh -c 'i=0; while [ $i -lt 50 ]; do sleep 5 & i=$((i + 1)); done 2>/dev/null; ls -d /proc/[0-9]* | wc -l' || true
    hull run -d --name bomb --pids-limit 20 box sh -c 'sleep 1; bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 30'
    run -0 limit_of bomb pids pids.max pids.max
    [ "$output" = 20 ]
    sleep 2
    run -0 limit_of bomb pids pids.current pids.current
    [ "$output" -le 20 ]
    hull rm -f bomb
    hull run -d --name free --pids-limit -1 box sleep 60
    run -0 limit_of free pids pids.max pids.max
    [ "$output" = max ]
    hull rm -f free
}

@test "--blkio-weight" {
    need_controller blkio
    dir=$(cgroup_dir blkio /)
    [ -e "$dir/blkio.bfq.weight" ] || [ -e "$dir/blkio.weight" ] || skip "this kernel's blkio controller has no weights"
    hull run -d --name weight --blkio-weight 300 box sleep 60
    run -0 limit_of weight blkio blkio.bfq.weight io.bfq.weight
    [[ $output == *300* ]]
    hull rm -f weight
}

@test "--device-read-bps, --device-write-iops" {
    need_controller blkio
    disk=$(find /dev -maxdepth 1 -type b -name '[svx]d[a-z]' -o -maxdepth 1 -type b -name 'vd[a-z]' -o -maxdepth 1 -type b -name 'nvme[0-9]n1' | head -n 1)
    [ -n "$disk" ] || skip "this machine shows no disk in /dev"
    v1=$(cgroup_dir blkio /)/blkio.throttle.read_bps_device
    [ -e "$v1" ] || grep -qw io "$(cgroup_dir blkio /)/cgroup.controllers" || skip "this kernel's blkio controller cannot throttle"
    hull run -d --name slow --device-read-bps "$disk:1m" --device-write-iops "$disk:100" box sleep 60
    dir=$(cgroup_dir blkio "$(container_cgroup slow blkio)")
    numbers=$(stat -c '%t %T' "$disk" | awk '{ printf "%d:%d", strtonum("0x" $1), strtonum("0x" $2) }' 2>/dev/null || true)
    if [ -e "$v1" ]; then
        [[ $(cat "$dir/blkio.throttle.read_bps_device") == *" 1048576"* ]]
        [[ $(cat "$dir/blkio.throttle.write_iops_device") == *" 100"* ]]
    else
        [[ $(cat "$dir/io.max") == *"rbps=1048576 wbps=max riops=max wiops=100" ]]
    fi
    hull rm -f slow
}

@test "--cgroup-parent: the container's cgroup is below it" {
    need_controller memory
    hull run -d --name child --cgroup-parent /hull-test-parent box sleep 60
    run -0 container_cgroup child memory
    [[ $output == */hull-test-parent/* ]]
    hull rm -f child
    dir=$(cgroup_dir memory /hull-test-parent)
    [ -z "$(find "$dir" -mindepth 1 -type d 2>/dev/null)" ]
    find /sys/fs/cgroup -maxdepth 3 -type d -name hull-test-parent -exec rmdir {} + 2>/dev/null || true
}

@test "a limit that was asked for and has no controller is an error, not a surprise" {
    for c in memory cpu pids cpuset; do
        cgroup_dir $c / >/dev/null && continue
        case $c in
        memory) refuses 125 memory run --rm -m 64M box true ;;
        cpu) refuses 125 cpu run --rm --cpus 0.5 box true ;;
        pids) refuses 125 pids run --rm --pids-limit 10 box true ;;
        cpuset) refuses 125 cpuset run --rm --cpuset-cpus 0 box true ;;
        esac
        return 0
    done
    skip "this machine has memory, cpu, pids and cpuset"
}

@test "--ulimit holds" {
    run hull run --rm --ulimit nofile=10:10 box sh -c 'for i in 3 4 5 6 7 8 9 10 11 12; do eval "exec $i</dev/null" || exit 9; done; echo all'
    [[ $output != *all* ]]
    run -0 hull run --rm --ulimit nofile=64:128 --ulimit cpu=100 box sh -c 'ulimit -n; ulimit -Hn; ulimit -t'
    [ "${lines[*]}" = "64 128 100" ]
    run -0 hull run --rm --ulimit core=-1 box sh -c 'ulimit -c' || true
}

@test "no limit was asked for: none is set" {
    need_controller memory
    hull run -d --name plain box sleep 60
    value=$(limit_of plain memory memory.limit_in_bytes memory.max)
    [ "$value" = max ] || [ "$value" -gt $((1 << 50)) ]
    run -0 hull inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' plain
    [[ $output == "0 0 "* ]]
    hull rm -f plain
}
