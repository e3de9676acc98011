#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Debian 12's own kernel: overlay that is told its layers in one string.
# machines: v2 v2:tester

load ../../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "layers are stacked, not copied" {
    hull run --name stacked box sh -c 'echo hi >/mine'
    id=$(hull inspect -f '{{.Id}}' stacked)
    [ -e "$HULL_ROOT/containers/$id/upper/mine" ]
    [ ! -e "$HULL_ROOT/containers/$id/tree" ]
    run -0 hull inspect -f '{{.GraphDriver.Name}}' stacked
    [[ $output == overlay* ]]
}

# A store on a file system of $1, made in a file with the arguments behind; it is mounted once more, as after a reboot.
quotas_hold() {
    local fs=$1 store="--root $PWD/$1/root"
    shift
    truncate -s 400M $fs.img
    "$@" $fs.img
    mkdir $fs
    mount -o loop,prjquota $fs.img $fs
    hull $store volume create -o size=2M bytes
    hull $store volume create --opt o=size=4M,inodes=10 files
    [ "$(hull $store volume inspect -f '{{.Options.size}}' bytes)" = 2M ]
    [ "$(hull $store volume inspect -f '{{.Options.o}}' files)" = size=4M,inodes=10 ]
    hull $store volume clone bytes copy
    umount $fs
    mount -o loop,prjquota $fs.img $fs
    for v in bytes copy; do
        run hull $store run --rm -v $v:/v box sh -c 'dd if=/dev/zero of=/v/f bs=1M count=4; rm /v/f; dd if=/dev/zero of=/v/g bs=1M count=1 && echo room'
        echo "$output"
        matches "$output" 'quota exceeded|no space'
        [[ $output == *room* ]]
    done
    run hull $store run --rm -v files:/v box sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11; do echo x >/v/$i || break; done; ls /v | wc -l'
    echo "$output"
    matches "$output" 'quota exceeded|no space'
    [ "${lines[-1]}" -lt 10 ]
    hull $store volume rm bytes files copy
    hull $store volume create -o size=8M bytes
    hull $store run --rm -v bytes:/v box dd if=/dev/zero of=/v/f bs=1M count=4
    umount $fs
}

@test "volume create -o size: quotas of ext4's projects hold, and outlive a new mount" {
    need_root
    quotas_hold ext4 mkfs.ext4 -q -O project,quota
}

@test "volume create -o size: quotas of XFS's projects hold, and outlive a new mount" {
    need_root
    need_cmd mkfs.xfs
    modprobe xfs || skip "this kernel has no XFS"
    quotas_hold xfs mkfs.xfs -q
}
