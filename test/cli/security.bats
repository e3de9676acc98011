#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a container may not do: capabilities, seccomp, no-new-privileges, hidden paths, user namespaces.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# The set NAME (CapEff …) of a process started with the options $2...
caps() {
    local name=$1
    shift
    hull run --rm "$@" box awk -v n="$name:" '$1 == n { print $2 }' /proc/self/status
}

DOCKERS=00000000a80425fb

@test "docker's fourteen capabilities, bounding set too" {
    for set in CapEff CapPrm CapBnd; do
        run -0 caps $set
        [ "$output" = $DOCKERS ] || { echo "$set $output"; false; }
    done
    for set in CapInh CapAmb; do
        run -0 caps $set
        [ "$output" = 0000000000000000 ] || { echo "$set $output"; false; }
    done
}

@test "--cap-drop, --cap-add: names with and without CAP_, ALL" {
    run -0 caps CapEff --cap-drop ALL
    [ "$output" = 0000000000000000 ]
    run -0 caps CapBnd --cap-drop all --cap-add net_bind_service
    [ "$output" = 0000000000000400 ]
    run -0 caps CapEff --cap-add CAP_SYS_TIME
    [ "$output" = 00000000aa0425fb ]
    run -0 caps CapEff --cap-drop CAP_CHOWN
    [ "$output" = 00000000a80425fa ]
}

@test "a plain user has no capabilities, and exec gives none" {
    run -0 caps CapEff -u 1000
    [ "$output" = 0000000000000000 ]
    hull run -d --name unpriv --cap-drop ALL box sleep 60
    run -0 hull exec unpriv awk '$1 == "CapEff:" { print $2 }' /proc/self/status
    [ "$output" = 0000000000000000 ]
    run -0 hull exec -u :5 unpriv id
    [[ $output == "uid=0(root) gid=5(tty)"* ]]
    run -0 hull exec -u 1000 unpriv id -u
    [ "$output" = 1000 ]
    hull rm -f unpriv
}

@test "--cap-drop means it: chown and mknod fail" {
    run hull run --rm --cap-drop CHOWN box chown 1:1 /etc/passwd
    [ "$status" -ne 0 ]
    run hull run --rm --cap-drop MKNOD box mknod /n c 1 3
    [ "$status" -ne 0 ]
    run -0 hull run --rm box sh -c 'chown 1:1 /etc/passwd && mknod /n c 1 3'
}

@test "seccomp: the filter is there; mounts, keys, clocks and namespaces are refused" {
    run -0 hull run --rm box awk '$1 == "Seccomp:" { print $2 }' /proc/self/status
    [ "$output" = 2 ]
    for command in 'mount -t tmpfs none /mnt' 'unshare -m true' 'unshare -U true' 'swapoff /x' 'pivot_root / /' 'reboot -f'; do
        run hull run --rm box sh -c "$command"
        [ "$status" -ne 0 ] || { echo "$command"; false; }
    done
    # busybox says it, and succeeds
    run hull run --rm box date -s 2001-01-01
    [[ $output == *"not permitted"* ]]
}

@test "--security-opt seccomp=unconfined, a profile of one's own" {
    run -0 hull run --rm --security-opt seccomp=unconfined box awk '$1 == "Seccomp:" { print $2 }' /proc/self/status
    [ "$output" = 0 ]
    printf '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}' >profile.json
    run hull run --rm --security-opt seccomp=profile.json box mkdir /x
    [ "$status" -ne 0 ]
    [[ $output == *"not permitted"* ]]
    run -0 hull run --rm --security-opt "seccomp=$PWD/profile.json" box touch /x
    # The profile belongs to the container: it starts without the file.
    hull create --name profiled --security-opt seccomp=profile.json box mkdir /y
    rm profile.json
    run hull start -a profiled
    [ "$status" -ne 0 ]
    [[ $output == *"not permitted"* ]]
}

@test "--security-opt no-new-privileges" {
    run -0 hull run --rm box awk '$1 == "NoNewPrivs:" { print $2 }' /proc/self/status
    [ "$output" = 0 ]
    for o in no-new-privileges no-new-privileges=true no-new-privileges:true; do
        run -0 hull run --rm --security-opt $o box awk '$1 == "NoNewPrivs:" { print $2 }' /proc/self/status
        [ "$output" = 1 ]
    done
    run -0 hull run --rm --security-opt no-new-privileges -u 1000 box sh -c 'id -u'
    [ "$output" = 1000 ]
}

@test "masked and read-only paths" {
    run -0 hull run --rm box sh -c 'cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l; cat /proc/keys | wc -c; wc -c </proc/timer_list 2>/dev/null || echo 0'
    [ "${lines[0]}" = 0 ]
    [ "${lines[1]}" = 0 ]
    [ "${lines[2]}" = 0 ]
    [ "${lines[3]}" = 0 ]
    for path in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/x /proc/irq/default_smp_affinity; do
        run hull run --rm box sh -c "echo 1 >$path"
        [ "$status" -ne 0 ] || { echo "$path"; false; }
    done
    run -0 hull run --rm --security-opt systempaths=unconfined box sh -c 'grep -c " /proc/kcore " /proc/self/mountinfo; true'
    [ "$output" = 0 ]
}

@test "no device of the host, but the usual ones" {
    run -0 hull run --rm box sh -c 'cd /dev && find . -type c -o -type b | sort | tr "\n" " "'
    [ "$output" = "./full ./null ./random ./tty ./urandom ./zero " ] || [ "$output" = "./full ./null ./ptmx ./pts/ptmx ./random ./tty ./urandom ./zero " ] ||
        [[ $output == "./full ./null ./pts/ptmx ./random ./tty ./urandom ./zero " ]]
    run -0 hull run --rm box sh -c 'echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; for l in fd stdin ptmx; do readlink /dev/$l; done'
    [ "${lines[*]}" = "4 4 /proc/self/fd /proc/self/fd/0 pts/ptmx" ]
}

@test "--privileged: all capabilities, no filter, nothing masked, devices" {
    need_root
    run -0 hull run --rm --privileged box awk '$1 == "CapEff:" || $1 == "Seccomp:" { print $2 }' /proc/self/status
    [ "${lines[0]}" = "$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)" ]
    [ "${lines[1]}" = 0 ]
    run -0 hull run --rm --privileged box sh -c 'mount -t tmpfs none /mnt && echo mounted; ls /dev | wc -l'
    [ "${lines[0]}" = mounted ]
    [ "${lines[1]}" -gt 12 ]
}

@test "exec --privileged has what the container has not" {
    need_root
    hull run -d --name execpriv box sleep 60
    run -0 hull exec execpriv awk '$1 == "CapEff:" { print $2 }' /proc/self/status
    [ "$output" = $DOCKERS ]
    run -0 hull exec --privileged execpriv awk '$1 == "CapEff:" { print $2 }' /proc/self/status
    [ "$output" = "$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)" ]
    hull rm -f execpriv
}

@test "--security-opt apparmor, label: refused where the kernel has none, unconfined and disable are not" {
    run -0 hull run --rm --security-opt apparmor=unconfined --security-opt label=disable box echo ok
    [ "$output" = ok ]
    [ -e /sys/kernel/security/apparmor/profiles ] || refuses 125 AppArmor run --rm --security-opt apparmor=some-profile box true
    [ -e /sys/fs/selinux/enforce ] || refuses 125 SELinux run --rm --security-opt label=type:svirt_t box true
}

@test "--uidmap, --gidmap: root inside is a plain user outside" {
    need_root
    hull run -d --name mapped --uidmap 0:100000:65536 --gidmap 0:100000:65536 box sleep 60
    pid=$(hull inspect -f '{{.State.Pid}}' mapped)
    [ "$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status")" = 100000 ]
    [ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/self/ns/user)" ]
    run -0 hull exec mapped sh -c 'id -u; stat -c %u /etc/passwd; touch /root/f && stat -c %u /root/f; cat /proc/self/uid_map'
    [ "${lines[0]} ${lines[1]} ${lines[2]}" = "0 0 0" ]
    [[ ${lines[3]} =~ ^\ *0\ +100000\ +65536$ ]]
    hull rm -f mapped
}

@test "--userns auto: every container a range of its own" {
    need_root
    printf 'hull:1000000:1048576\n' >subids
    for f in /etc/subuid /etc/subgid; do
        [ -e $f ] || skip "this machine has no $f"
        mount --bind subids $f
    done
    hull run -d --name auto1 --userns auto box sleep 60
    hull run -d --name auto2 --userns auto:size=1024 box sleep 60
    first=$(hull exec auto1 awk '{ print $2 }' /proc/self/uid_map)
    second=$(hull exec auto2 awk '{ print $2, $3 }' /proc/self/uid_map)
    run hull run --rm --userns auto:size=2000000 box true
    umount /etc/subuid /etc/subgid
    [ "$status" -eq 125 ]
    [[ $output == *"no free range"* ]]
    [ "$first" -ge 1000000 ]
    [ "${second% *}" -ge $((first + 65536)) ] || [ $((${second% *} + 1024)) -le "$first" ]
    [ "${second#* }" = 1024 ]
    run -0 hull exec auto1 sh -c 'touch /root/f && stat -c %u /root/f'
    [ "$output" = 0 ]
    hull stop -t 0 auto1
    hull start auto1
    run -0 hull exec auto1 awk '{ print $2 }' /proc/self/uid_map
    [ "$output" = "$first" ]
    hull rm -f auto1 auto2
}

@test "setuid programs do not get out of a user namespace of one's own" {
    need_root
    run -0 hull run --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 box sh -c 'cp /bin/busybox /tmp/b && chmod 4755 /tmp/b && stat -c "%a %u" /tmp/b'
    [ "$output" = "4755 0" ]
}

@test "hull's own executable cannot be reached through /proc" {
    need_root
    hull run -d --name selfexe box sleep 60
    run hull exec selfexe sh -c 'for p in /proc/[0-9]*; do readlink $p/exe; done'
    [[ $output != *hull* ]]
    hull rm -f selfexe
}

@test "keys, environment, files and ids of the host stay outside" {
    run -0 hull run --rm box sh -c 'ls /proc/1/root/ | wc -l; cat /proc/1/comm; cat /proc/self/loginuid 2>/dev/null || true'
    [ "${lines[0]}" -lt 30 ]
    run -0 hull run --rm box sh -c 'cat /proc/1/environ | tr "\0" "\n"'
    [[ $output != *HULL* ]]
    [[ $output != *BATS* ]]
}

# What is pivoted in a chroot stays below the host's tree: exec (setns) would see the host's root. A plain chroot's root is not even a
# mount point. Mounts are shared, as systemd has them: none of the container's may show outside.
in_chroot() {
    make=$1 unshare --mount --propagation private sh -eu -c '
        mkdir -p top
        eval "$make"
        mount --make-rshared /
        before=$(cat /proc/self/mountinfo)
        chroot top sh -eu -c "
            export HULL_ROOT=$PWD/in-chroot/root HULL_RUN_ROOT=$PWD/in-chroot/run
            \"\$HULL\" run -d --name inside -v /usr:/mnt box sleep 60 >/dev/null
            \"\$HULL\" exec inside ls -d / /bin/busybox /mnt/bin
            \"\$HULL\" exec inside test ! -e \"\$HULL\"
            \"\$HULL\" rm -f inside
            rm -r $PWD/in-chroot"
        [ "$(cat /proc/self/mountinfo)" = "$before" ]'
    rmdir top || rm -r --one-file-system top
}

@test "hull in a chroot: exec and the container's root stay in the container" {
    need_root
    in_chroot 'mount --rbind / top'
}

@test "hull in a plain chroot, whose root is no mount point" {
    need_root
    in_chroot 'for d in /*; do
            if [ -L "$d" ]; then cp -P "$d" top/; elif [ -d "$d" ]; then mkdir "top$d" && mount --rbind "$d" "top$d"; fi
        done'
}
