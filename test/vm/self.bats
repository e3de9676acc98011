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
    for i in 1 2; do vm -- 'cat /proc/sys/kernel/random/uuid; date +%s' >"clone.$i" & done
    wait
    [ "$(head -qn 1 clone.? | sort -u | wc -l)" = 2 ]
    for i in 1 2; do
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

@test "an old kernel's view: no EROFS from a file, but from a loop device, and hull uses it" {
    # shellcheck disable=SC2016
    run -0 "$RUN" -- 'export HULL_NETWORK=none hull=build/src/cli/hull; uname -r; modprobe erofs
        $hull run -d --name old box sleep 1000 >id || exit 1
        layer=$(cat /sys/block/loop*/loop/backing_file | head -n 1); echo $layer
        python3 -c "import ctypes, errno, sys; c = ctypes.CDLL(None, use_errno=True)
print(c.mount(sys.argv[1].encode(), b\"/mnt\", b\"erofs\", 1, None), errno.errorcode[ctypes.get_errno()])" $layer
        $hull exec old echo ran; HULL_ROOT=/tmp/r HULL_STORAGE=files $hull run --rm box echo on files; $hull rm -f old'
    echo "$output"
    [[ ${lines[0]} == 6.1.* && ${lines[1]} == /var/lib/hull/layers/* && ${lines[2]} == "-1 ENOTBLK" && ${lines[3]} == ran && ${lines[4]} == "on files" ]]
}

@test "the peers are there, and are not started" {
    run -0 vm --profile peers -- 'docker --version; podman --version; containerd --version; ufw version; firewall-cmd --version; systemctl is-active docker firewalld; true'
    [[ ${lines[0]} == Docker* && ${lines[1]} == podman* && ${lines[2]} == containerd* && ${lines[3]} == ufw* && $output == *inactive*inactive ]]
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

@test "virtual time: what hull waits for: a stop's patience, the back-off between restarts, health checks" {
    # Ten restarts wait 0.1 s doubled each time, 102 s in all.
    # shellcheck disable=SC2016
    run -0 "$RUN" --virtual-time --limit 400 -- 'export HULL_NETWORK=none; hull=build/src/cli/hull
        until_is() { until [ "$($hull inspect -f "{{$2}}" $1)" = $3 ]; do sleep 5; done; }
        $hull run -d --name deaf box sh -c "trap : TERM; while :; do sleep 1; done"
        a=$(date +%s); $hull stop -t 300 deaf; echo waited $(($(date +%s) - a))
        a=$(date +%s); $hull run -d --name again --restart on-failure:10 box false; until_is again .State.Status exited; echo tried $(($(date +%s) - a))
        a=$(date +%s); $hull run -d --name sick --health-cmd false --health-interval 60s box sleep 10000; until_is sick .State.Health.Status unhealthy
        echo checked $(($(date +%s) - a)); $hull inspect -f "{{.RestartCount}}" again'
    echo "$output"
    [[ $output =~ waited\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 300 ]
    [[ $output =~ tried\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 102 ]
    [[ $output =~ checked\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 120 ]
    [ "${lines[-1]}" = 10 ]
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
    run --separate-stderr vm --cold --append init=/no/such/program --limit 120 -- true
    one_line 125 'panic'
}

@test "no QEMU, no KVM, no such profile, no such user, no room: one line" {
    mkdir bin
    python=$(python3 -c 'import sys; print(sys.executable)')
    for c in env sh mmdebstrap mkfs.ext4 cpio dpkg-deb; do ln -s "$(command -v $c)" bin/$c; done
    run --separate-stderr env PATH="$PWD/bin" "$python" "$RUN" -- true
    one_line 125 'qemu-system-x86_64'
    run --separate-stderr vm --profile nope -- true
    one_line 125 'no profile nope'
    # The machine before has asked a KVM that is there whether it brings a kernel up.
    if ! [ -e /dev/kvm ] || grep -q =down "${HULL_TEST_CACHE:-/var/tmp/hull-test-cache}/kvm"; then
        HULL_VM_ACCEL=kvm run --separate-stderr vm -- true
        one_line 125 'no KVM on this machine'
    fi
    run vm --user nobody-here -- true
    echo "status $status: $output"
    [ "$status" -eq 125 ]
    [ "$output" = "agent: no user nobody-here" ]
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

@test "no room for what the machine writes: one line" {
    mkdir small
    mount -t tmpfs -o size=60M small small
    TMPDIR="$PWD/small" run --separate-stderr vm --limit 40 -- 'head -c 100M /dev/zero | tr "\0" x; sleep 100'
    left=$(find small -mindepth 1 | wc -l)
    umount small
    one_line 125 'no room'
    [ "$left" = 0 ]
}

# A run that says "up" and stays, with a folder of its own for what it keeps. Its process: $pid.
stays() {
    mkdir -p tmp
    TMPDIR="$PWD/tmp" "$RUN" --tree "$RUN" -- 'echo up; sleep 500' >out 2>&1 3>&- &
    pid=$!
    for _ in $(seq 1200); do ! grep -q up out || return 0; sleep 0.1; done
    cat out
    return 1
}

is_gone() {
    for _ in $(seq 300); do
        if ! grep -lzs "$PWD/tmp/hull-[v]m" /proc/[0-9]*/cmdline | grep -q . && [ -z "$(ls tmp)" ]; then return 0; fi
        sleep 0.1
    done
    ls tmp
    return 1
}

@test "ended or killed in the middle: the machine ends with it, and nothing is left" {
    stays
    kill $pid
    wait $pid || [ $? = 143 ]
    is_gone
    stays
    [ -n "$(ls tmp)" ]
    kill -9 $pid
    wait $pid || true
    is_gone
    stays
    read -ra children <"/proc/$pid/task/$pid/children" || true # no newline is at its end
    kill -9 $pid "${children[@]}"
    wait $pid || true
    [ -n "$(ls tmp)" ]
    TMPDIR="$PWD/tmp" run -0 vm -- true
    is_gone
}
