#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A plain user with a session of systemd: limits in the groups that are delegated to him, pause, out of memory.
# machines: v2:tester+

load ../../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "limits are written below the user's own group, and hold" {
    run -0 hull run --rm --memory 64M --pids-limit 20 --cpus 0.5 box cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max
    [ "${lines[*]}" = "67108864 20 50000 100000" ]
    run -137 hull run --name greedy --memory 32M box tail /dev/zero
    run -0 hull inspect -f '{{.State.OOMKilled}}' greedy
    [ "$output" = true ]
}

@test "a container without limits has a group of its own too: pause, exec into it, gone afterwards" {
    hull run -d --name still box sleep 100
    group=$(container_cgroup still none)
    [[ $group == /user.slice/*/user@*.service/*/hull/* ]]
    [ "$(stat -c %U "/sys/fs/cgroup$group")" = tester ]
    hull pause still
    status_is still paused
    hull unpause still
    hull exec -d still sleep 100
    wait_until 10 sh -c "[ \$(wc -l <'/sys/fs/cgroup$group/cgroup.procs') = 2 ]"
    hull rm -f still
    [ ! -e "/sys/fs/cgroup$group" ]
}

@test "the same verbs as root's" {
    run -3 hull run --rm box sh -c 'id -u; exit 3'
    [ "$output" = 0 ]
    run -0 hull run --rm -v mine:/data box sh -c 'echo kept >/data/f; stat -c %u /data/f'
    [ "$output" = 0 ]
    run -0 hull run --rm -u 1000:1000 box id -u
    [ "$output" = 1000 ]
    hull run -d --name logs box sh -c 'echo one; sleep 100'
    wait_until 10 sh -c '"$HULL" logs logs | grep one'
    hull stop -t 1 logs
    status_is logs exited
}
