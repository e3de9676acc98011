#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# AppArmor: hull's own profile, which hull loads when a container needs it, others, and none.
# machines: v2+

load ../../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

setup() {
    [ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ] || skip "this kernel does not use AppArmor"
    need_cmd apparmor_parser
}

confinement() {
    run -0 hull run --rm "$@" box cat /proc/self/attr/current
}

@test "hull-default is loaded and the command has it, under hull's init and by exec too" {
    confinement
    [ "$output" = "hull-default (enforce)" ]
    grep -qxF 'hull-default (enforce)' /sys/kernel/security/apparmor/profiles
    confinement --init
    [ "$output" = "hull-default (enforce)" ]
    confinement -u 1000
    [ "$output" = "hull-default (enforce)" ]
    confinement --security-opt no-new-privileges -u 1000 --cap-drop ALL
    [ "$output" = "hull-default (enforce)" ]
    hull run -d --name still box sleep 100
    run -0 hull exec still cat /proc/self/attr/current
    [ "$output" = "hull-default (enforce)" ]
    run -0 hull exec -u 1000:1000 still cat /proc/self/attr/current
    [ "$output" = "hull-default (enforce)" ]
    run -0 hull inspect -f '{{.AppArmorProfile}}' still
    [ "$output" = hull-default ]
    run -0 hull info -f '{{.SecurityOptions}}'
    [[ $output == *name=apparmor* ]]
}

@test "it is loaded again when somebody has removed it" {
    echo 'profile hull-default { }' | apparmor_parser --remove
    run ! grep -qF 'hull-default ' /sys/kernel/security/apparmor/profiles
    confinement
    [ "$output" = "hull-default (enforce)" ]
}

@test "signals and looks of the host and of each other arrive" {
    hull run -d --name looked-at box sh -c 'trap "exit 7" TERM; sleep 1000 & wait; wait'
    run -0 hull top looked-at
    [[ $output == *sleep* ]]
    run -0 hull exec looked-at sh -c 'sleep 100 & kill -9 $! && cat /proc/1/environ >/dev/null && echo both'
    [ "$output" = both ]
    hull stop -t 300 looked-at
    run -0 hull inspect -f '{{.State.ExitCode}}' looked-at
    [ "$output" = 7 ]
}

@test "no mount, whatever the capabilities and the filter" {
    local all=(--cap-add SYS_ADMIN --security-opt seccomp=unconfined)
    run hull run --rm "${all[@]}" box mount -t tmpfs none /mnt
    [ "$status" -ne 0 ]
    [[ $output == *denied* ]]
    run -0 hull run --rm "${all[@]}" --security-opt apparmor=unconfined box sh -c 'mount -t tmpfs none /mnt && echo mounted'
    [ "$output" = mounted ]
}

@test "nothing of the host is set by an unmasked /proc or /sys" {
    local write='cat /proc/sys/vm/swappiness >/tmp/v && cat /tmp/v >/proc/sys/vm/swappiness && echo written'
    run hull run --rm --security-opt systempaths=unconfined box sh -c "$write"
    [ "$status" -ne 0 ]
    [[ $output == *denied* ]]
    run -0 hull run --rm --security-opt systempaths=unconfined --security-opt apparmor=unconfined box sh -c "$write"
    [ "$output" = written ]
    run hull run --rm --security-opt systempaths=unconfined box sh -c 'echo h >/proc/sysrq-trigger'
    [ "$status" -ne 0 ]
    run -0 hull run --rm --security-opt systempaths=unconfined box sh -c 'echo 100 >/proc/self/oom_score_adj && cat /proc/self/oom_score_adj'
    [ "$output" = 100 ]
}

@test "unconfined, privileged, a profile of one's own, one that is not there" {
    confinement --security-opt apparmor=unconfined
    [ "$output" = unconfined ]
    confinement --privileged
    [ "$output" = unconfined ]
    profile='profile hull-test flags=(attach_disconnected, mediate_deleted) { file, network, capability, deny /etc/hostname r, }'
    echo "$profile" | apparmor_parser --replace --skip-cache
    confinement --security-opt apparmor=hull-test
    [ "$output" = "hull-test (enforce)" ]
    run hull run --rm --security-opt apparmor=hull-test box cat /etc/hostname
    [ "$status" -ne 0 ]
    confinement --privileged --security-opt apparmor=hull-test
    [ "$output" = "hull-test (enforce)" ]
    echo "$profile" | apparmor_parser --remove
    refuses 125 'no such profile is loaded' run --rm --security-opt apparmor=hull-test box true
}
