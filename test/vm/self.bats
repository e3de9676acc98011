#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The machines themselves: what test/vm/run promises, and what it says when something is not as it should be.

bats_require_minimum_version 1.5.0
RUN="$BATS_TEST_DIRNAME/run"

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

vm() { "$RUN" --tree "$BATS_TEST_DIRNAME/profiles.py" "$@"; }

one_line() {
    [ "$status" -eq "$1" ] || { echo "status $status: $output"; return 1; }
    [ "$(printf '%s\n' "$stderr" | wc -l)" -eq 1 ] || { echo "not one line: $stderr"; return 1; }
    [[ $stderr == run:*$2* ]] || { echo "no $2: $stderr"; return 1; }
}

@test "output, status, files: of root and of a plain user with a session" {
    run -7 --separate-stderr vm --out got -- 'id -un; cat profiles.py | head -n 1; echo data >out/file; exit 7'
    [ "${lines[0]}" = root ]
    [[ ${lines[1]} == *SPDX* ]]
    [ "$(cat got/file)" = data ]
    run -0 --separate-stderr vm --user tester -- 'id -un; systemctl --user is-system-running; cat /proc/self/cgroup; grep tester /etc/subuid; cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.controllers'
    [ "${lines[0]}" = tester ]
    [ "${lines[1]}" = running ]
    [[ ${lines[2]} == *user@1000.service* ]]
    [[ ${lines[3]} == tester:100000:65536 ]]
    [[ ${lines[4]} == *cpu*memory*pids* ]]
}

@test "clones: fresh randomness, the right clock, several at once" {
    for i in 1 2 3; do vm -- 'cat /proc/sys/kernel/random/uuid; date +%s' >"clone.$i" & done
    wait
    [ "$(head -qn 1 clone.? | sort -u | wc -l)" = 3 ]
    for i in 1 2 3; do
        age=$(($(date +%s) - $(tail -n 1 "clone.$i")))
        [ $age -ge -5 ] && [ $age -lt 120 ]
    done
}

@test "profiles: the cgroups each promises" {
    run -0 vm --profile v1 -- 'stat -fc %T /sys/fs/cgroup; test -d /sys/fs/cgroup/memory && ! mountpoint -q /sys/fs/cgroup/unified'
    [ "${lines[0]}" = tmpfs ]
    run -0 vm --profile hybrid -- 'mountpoint -q /sys/fs/cgroup/memory && mountpoint -q /sys/fs/cgroup/unified && echo both'
    [ "${lines[0]}" = both ]
    run -0 vm --profile no-systemd -- 'test ! -d /run/systemd/system && stat -fc %T /sys/fs/cgroup && cat /proc/1/comm'
    [ "${lines[*]}" = "cgroup2fs hull-vm-init" ]
    run -0 vm --profile v2 -- 'cat /sys/kernel/security/lsm; cat /sys/module/apparmor/parameters/enabled'
    [[ ${lines[0]} == *apparmor* && ${lines[0]} == *Y* ]]
}

@test "SELinux: enforcing and permissive, with Debian's policy" {
    run -0 vm --profile selinux -- 'cat /sys/fs/selinux/enforce; echo; cat /proc/self/attr/current | tr "\0" "\n"; ls -dZ /etc | cut -d" " -f1'
    [ "${lines[0]}" = 1 ]
    [[ ${lines[1]} == *:*:* ]]
    [[ ${lines[2]} == *etc_t* ]]
    run -0 vm --profile permissive -- 'cat /sys/fs/selinux/enforce'
    [ "${lines[0]}" = 0 ]
}

@test "virtual time: ten minutes in seconds" {
    start=$SECONDS
    run -0 vm --virtual-time --limit 200 -- 'a=$(date +%s); sleep 600; echo $(($(date +%s) - a))'
    [ "$output" -ge 600 ] && [ "$output" -lt 660 ]
    [ $((SECONDS - start)) -lt 190 ]
}

@test "power loss: what was synced is there at the next boot" {
    run -0 --separate-stderr vm --disk disk --cut 'CUT NOW' -- 'cd /var/lib/hull; echo kept >kept; sync -f .; for i in $(seq 200); do echo $i >lost.$i; done; echo CUT NOW; sleep 60'
    [[ $stderr == *"writes were safe"* ]]
    run -0 vm --disk disk -- 'cat /var/lib/hull/kept'
    [ "$output" = kept ]
}

@test "a command that hangs, one that floods, a kernel that panics: one line" {
    run --separate-stderr vm --limit 12 -- 'sleep 1000'
    one_line 124 'no end after 12 s'
    run --separate-stderr vm --max-output 100000 -- 'yes'
    one_line 125 'more than 100000 bytes'
    run --separate-stderr vm --limit 60 -- 'echo c >/proc/sysrq-trigger; sleep 50'
    one_line 125 'panic'
}

@test "no QEMU, no such profile, no such user, no room: one line" {
    mkdir bin
    python=$(python3 -c 'import sys; print(sys.executable)')
    for c in env sh mmdebstrap mkfs.ext4 cpio dpkg-deb; do ln -s "$(command -v $c)" bin/$c; done
    run --separate-stderr env PATH="$PWD/bin" "$python" "$RUN" -- true
    one_line 125 'qemu-system-x86_64'
    run --separate-stderr vm --profile nope -- true
    one_line 125 'no profile nope'
    run vm --user nobody-here -- true
    [ "$status" -eq 125 ]
    mkdir small
    mount -t tmpfs -o size=20M small small
    image=$(cd "${HULL_TEST_CACHE:-/var/tmp/hull-test-cache}" && echo "$PWD"/vm-debian-*)
    ln -s "${image%% *}" small/
    run --separate-stderr env HULL_TEST_CACHE="$PWD/small" "$RUN" -- true
    left=$(find small -maxdepth 1 -name '*tmp*' | wc -l)
    umount small
    one_line 125 ''
    [ "$left" = 0 ]
}

@test "killed in the middle: the machine ends with it, and the next run tidies up" {
    "$RUN" --tree "$RUN" -- 'echo up; sleep 500' >out &
    for _ in $(seq 300); do grep -q up out && break; sleep 0.1; done
    pid=$!
    before=$(ls -d "${TMPDIR:-/tmp}"/hull-vm.* | wc -l)
    qemu=$(cat "/proc/$pid/task/$pid/children")
    kill -9 $pid
    wait $pid || true
    sleep 0.5
    for q in $qemu; do [ ! -e "/proc/$q" ] || [ "$(cut -d' ' -f3 "/proc/$q/stat")" = Z ]; done
    run -0 vm -- true
    [ "$(ls -d "${TMPDIR:-/tmp}"/hull-vm.* 2>/dev/null | wc -l)" -lt "$before" ]
}
