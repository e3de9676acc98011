#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Binds, volumes, tmpfs: -v, --mount, --tmpfs, --volumes-from; read-only, propagation.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# The mount options of PATH in a container started with the options $2...
mount_line() {
    local path=$1
    shift
    hull run --rm "$@" box awk -v p="$path" '$5 == p { print }' /proc/self/mountinfo
}

@test "-v DIR:PATH: both sides see what is written" {
    mkdir -p bound
    echo host >bound/from-host
    run -0 hull run --rm -v "$PWD/bound:/data" box sh -c 'cat /data/from-host; echo inside >/data/from-container'
    [ "$output" = host ]
    [ "$(cat bound/from-container)" = inside ]
}

@test "-v ./DIR: of the directory we are in; a missing one is made" {
    run -0 hull run --rm -v ./made/here:/data box sh -c 'echo x >/data/f'
    [ "$(cat made/here/f)" = x ]
}

@test "-v twice in the same words is once" {
    mkdir -p repeated
    touch repeated/f
    run -0 hull run --rm -v "$PWD/repeated:/data" -v "$PWD/repeated:/data" box ls /data
    [ "$output" = f ]
    refuses 125 '/data already' run --rm -v "$PWD/repeated:/data" -v "$PWD/repeated:/data/" box true
}

@test "-v of a file" {
    echo config >file.conf
    run -0 hull run --rm -v "$PWD/file.conf:/etc/some/file.conf:ro" box cat /etc/some/file.conf
    [ "$output" = config ]
}

@test "-v :ro, --mount readonly: writes are refused" {
    mkdir -p ro
    for how in "-v $PWD/ro:/data:ro" "--mount type=bind,source=$PWD/ro,target=/data,readonly" "--mount type=bind,src=$PWD/ro,dst=/data,ro=true"; do
        run hull run --rm $how box touch /data/f
        [ "$status" -ne 0 ]
        [[ $output == *"ead-only"* ]]
    done
    [ ! -e ro/f ]
}

@test "--mount readonly holds for what is mounted below too" {
    need_root
    mkdir -p deep/below
    mount -t tmpfs none deep/below
    for how in "type=bind,source=$PWD/deep,target=/data,readonly" "type=bind,source=$PWD/deep,target=/data,readonly,bind-recursive=readonly,bind-propagation=rprivate"; do
        run hull run --rm --mount "$how" box touch /data/below/f
        [ "$status" -ne 0 ]
    done
    run -0 hull run --rm --mount "type=bind,source=$PWD/deep,target=/data,readonly,bind-recursive=writable" box touch /data/below/f
    [ -e deep/below/f ]
    run -0 hull run --rm --mount "type=bind,source=$PWD/deep,target=/data,bind-recursive=disabled" box ls /data/below
    [ "$output" = "" ]
    umount deep/below
}

@test "propagation: rslave brings in what the host mounts later, rprivate does not" {
    need_root
    mkdir -p prop
    mount -t tmpfs none prop
    mount --make-rshared prop
    mkdir -p prop/later
    hull run -d --name slave -v "$PWD/prop:/data:rslave" box sleep 60
    hull run -d --name private -v "$PWD/prop:/data" box sleep 60
    mount -t tmpfs none prop/later
    touch prop/later/seen
    run -0 hull exec slave ls /data/later
    [ "$output" = seen ]
    run -0 hull exec private ls /data/later
    [ "$output" = "" ]
    hull rm -f slave private
    run -0 mount_line /data -v "$PWD/prop:/data:rshared"
    [[ $output == *shared:* ]]
    mount --make-private prop
    refuses 125 'rshared.*--make-shared' run --rm -v "$PWD/prop:/data:rshared" box true
    refuses 125 'slave.*--make-shared' run --rm --mount "type=bind,source=$PWD/prop,target=/data,bind-propagation=slave" box true
    run -0 hull ps -aq
    [ "$output" = "" ]
    umount -l prop
}

@test "named volumes: made at the first use, kept, filled from the image" {
    run -0 hull run --rm -v vol1:/data box sh -c 'echo kept >/data/f'
    run -0 hull run --rm -v vol1:/elsewhere box cat /elsewhere/f
    [ "$output" = kept ]
    [ "$(cat "$HULL_ROOT/volumes/vol1/_data/f")" = kept ]
    run -0 hull run --rm -v vol2:/etc box sh -c 'ls /etc/passwd'
    [ -e "$HULL_ROOT/volumes/vol2/_data/passwd" ]
    run -0 hull run --rm -v vol3:/bin:nocopy --entrypoint /proc/self/exe box true || true
    [ ! -e "$HULL_ROOT/volumes/vol3/_data/sh" ]
    run -0 hull run --rm --mount type=volume,source=vol1,target=/m box cat /m/f
    [ "$output" = kept ]
}

@test "a volume keeps the owner and mode that the image has there" {
    run -0 hull run --rm -v modes:/tmp box stat -c '%a %u' /tmp
    [ "$output" = "1777 0" ]
}

@test "volume-subpath: inside of the volume only" {
    hull run --rm -v sub:/data box sh -c 'mkdir -p /data/a/b; echo deep >/data/a/b/f; ln -s /etc /data/out'
    run -0 hull run --rm --mount type=volume,source=sub,target=/m,volume-subpath=a/b box cat /m/f
    [ "$output" = deep ]
    run hull run --rm --mount type=volume,source=sub,target=/m,volume-subpath=out box cat /m/shadow
    [[ $output != *root:* ]]
    refuses 125 'volume-subpath' run --rm --mount type=volume,source=sub,target=/m,volume-subpath=../x box true
}

@test "anonymous volumes: go with --rm, stay with rm, go with rm -v" {
    count() { find "$HULL_ROOT/volumes" -mindepth 1 -maxdepth 1 -type d -regextype posix-extended -regex '.*/[0-9a-f]{64}' | wc -l; }
    before=$(count)
    hull run --rm -v /anon box touch /anon/f
    [ "$(count)" = "$before" ]
    hull run --name anon -v /anon box touch /anon/f
    [ "$(count)" = $((before + 1)) ]
    volume=$(hull inspect -f '{{(index .Mounts 0).Name}}' anon)
    [ -e "$HULL_ROOT/volumes/$volume/_data/f" ]
    hull rm anon
    [ "$(count)" = $((before + 1)) ]
    hull run --name anon2 -v /anon box true
    hull rm -v anon2
    [ "$(count)" = $((before + 1)) ]
    hull run --rm -v named:/x -v /anon box true
    [ -d "$HULL_ROOT/volumes/named" ]
}

@test "--tmpfs, --mount type=tmpfs: size, mode, gone afterwards" {
    run -0 hull run --rm --tmpfs /scratch:size=1m,mode=700 box sh -c 'stat -c %a /scratch; head -c 2m /dev/zero >/scratch/f 2>/dev/null; stat -c %s /scratch/f'
    [ "${lines[0]}" = 700 ]
    [ "${lines[1]}" -le 1048576 ]
    run -0 hull run --rm --mount type=tmpfs,target=/scratch,tmpfs-size=2m,tmpfs-mode=1770 box sh -c 'stat -c %a /scratch; df -k /scratch | tail -n 1'
    [ "${lines[0]}" = 1770 ]
    [[ ${lines[1]} == *" 2048 "* ]]
    run -0 mount_line /scratch --tmpfs /scratch
    [[ $output == *' - tmpfs tmpfs '* ]]
    [[ $output == *nosuid* && $output == *nodev* && $output == *noexec* ]]
    run -0 mount_line /scratch --tmpfs /scratch:exec
    [[ $output != *noexec* ]]
}

@test "--read-only: the root is, tmpfs and volumes are not" {
    run hull run --rm --read-only box touch /f
    [ "$status" -ne 0 ]
    run -0 hull run --rm --read-only --tmpfs /tmp -v ro-vol:/data box sh -c 'touch /tmp/f /data/f /dev/shm/f && echo ok'
    [ "$output" = ok ]
    for path in /etc/hosts /etc/resolv.conf /etc/hostname /x /sys/x /proc/sys/kernel/x; do
        run hull run --rm --read-only box sh -c "echo x >>$path"
        [ "$status" -ne 0 ] || { echo "$path"; false; }
    done
}

@test "--volumes-from: all mounts of another one, read-only when asked" {
    mkdir -p shared
    hull create --name source -v "$PWD/shared:/bound" -v from-vol:/vol box true
    run -0 hull run --rm --volumes-from source box sh -c 'touch /bound/f /vol/f && echo ok'
    [ "$output" = ok ]
    [ -e shared/f ]
    run hull run --rm --volumes-from source:ro box touch /vol/g
    [ "$status" -ne 0 ]
    run -0 hull run --rm --volumes-from source -v /tmp:/bound box ls /bound
    [[ $output != *"f"* || ! -e /tmp/f ]]
}

@test "mounts below mounts: whatever the order on the command line" {
    mkdir -p outer/inner inner
    echo inner >inner/f
    run -0 hull run --rm -v "$PWD/inner:/data/inner" -v "$PWD/outer:/data" box cat /data/inner/f
    [ "$output" = inner ]
}

@test "inspect: .Mounts and .HostConfig" {
    mkdir -p insp
    hull create --name insp -v "$PWD/insp:/b:ro" --mount type=volume,source=iv,target=/v --tmpfs /t:size=1m box true
    run -0 hull inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{"\n"}}{{end}}' insp
    [[ $output == *"bind /b false"* ]]
    [[ $output == *"volume /v true"* ]]
    run -0 hull inspect -f '{{json .HostConfig.Binds}} {{json .HostConfig.Tmpfs}}' insp
    [[ $output == *"$PWD/insp:/b:ro"* ]]
    [[ $output == *'"/t":"size=1m"'* ]]
}

@test "a destination that is a symlink in the image stays inside of the container" {
    hull run --name evil box sh -c 'ln -s /../../../../../../tmp /trap; rm -rf /root/x; ln -s / /root/x'
    mkdir -p harmless
    mark=hull-mount-$$
    touch "harmless/$mark"
    run -0 hull run --rm -v "$PWD/harmless:/root/../proc/../data" box ls /data
    [ "$output" = "$mark" ]
    [ ! -e "/tmp/$mark" ]
}

@test "devices: --device, not there without it" {
    need_root
    run hull run --rm box sh -c 'test -e /dev/kmsg'
    [ "$status" -ne 0 ]
    [ -c /dev/kmsg ] || skip "this machine has no /dev/kmsg"
    run -0 hull run --rm --device /dev/kmsg:/dev/mine:r box sh -c 'test -c /dev/mine && stat -c "%t:%T" /dev/mine'
    [ "$output" = 1:b ]
}

@test "devices: one that was not given cannot be used, even with mknod" {
    need_root
    need_controller devices
    # loop-control: a driver that lets anyone open its node
    run hull run --rm box sh -c 'mknod /node c 10 237 && exec 3</node'
    [ "$status" -ne 0 ]
    [[ $output == *"not permitted"* ]]
    run hull run --rm --device-cgroup-rule 'c 10:237 rm' box sh -c 'mknod /node c 10 237 && exec 3</node && echo opened'
    [[ $output != *"not permitted"* ]]
    [ ! -c /dev/loop-control ] || [ "$output" = opened ]
}
