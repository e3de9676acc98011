#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# update --mount-add, --mount-rm, --device-add, --device-rm: at once, and at the next start; for containers that do not run too.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "a bind, a volume and a tmpfs come and go; a restart has what is there" {
    mkdir -p src
    echo host >src/f
    hull run -d --name live -v early:/early box sleep 100000
    hull update --mount-add "type=bind,source=$PWD/src,target=/bound,readonly" --mount-add newvol:/etc/apk --mount-add type=tmpfs,target=/mem,tmpfs-size=1m live
    run -0 hull exec live sh -c 'cat /bound/f; touch /bound/x 2>/dev/null || echo ro; touch /etc/apk/y; df -k /mem | tail -n 1 | tr -s " " | cut -d " " -f 2'
    [ "${lines[*]}" = "host ro 1024" ]
    [ "$(hull inspect -f '{{range .Mounts}}{{.Destination}} {{end}}' live | tr ' ' '\n' | sort | tr '\n' ' ')" = " /bound /early /etc/apk /mem " ]
    refuses 1 'in use' volume rm newvol
    hull restart -t 0 live
    run -0 hull exec live sh -c 'cat /bound/f; ls /etc/apk; grep -c " /mem " /proc/self/mountinfo'
    [ "${lines[*]}" = "host y 1" ]
    hull update --mount-rm /bound --mount-rm /etc/apk --mount-rm /mem live
    run -0 hull exec live sh -c 'grep -cE " (/bound|/etc/apk|/mem) " /proc/self/mountinfo || true; ls /bound'
    [ "$output" = 0 ]
    hull volume rm newvol
    hull restart -t 0 live
    run -0 hull exec live sh -c 'grep -cE " (/bound|/etc/apk|/mem) " /proc/self/mountinfo || true; ls -d /early'
    [ "${lines[*]}" = "0 /early" ]
    hull rm -f live
}

@test "a new volume gets what the image has there" {
    hull run -d --name filled box sleep 100000
    hull update --mount-add fillvol:/etc filled
    run -0 hull exec filled cat /etc/passwd
    [[ $output == root:* ]]
    hull update --mount-rm /etc filled
    [ -e "$(hull volume inspect -f '{{.Mountpoint}}' fillvol)/passwd" ]
    hull rm -f filled
}

@test "what is refused changes nothing" {
    mkdir -p ok
    hull run -d --name same -v "$PWD/ok:/ok" --tmpfs /tmpfs -v "$PWD/ok:/ok/below" box sleep 100000
    before=$(hull inspect -f '{{json .Mounts}} {{json .HostConfig.Binds}} {{json .HostConfig.Mounts}}' same)
    refuses 1 'duplicate mount point|already' update --mount-add "$PWD/ok:/ok" same ||
        refuses 125 'duplicate mount point|already' update --mount-add "$PWD/ok:/ok" same
    run hull update --mount-add "$PWD/ok:/tmpfs" same
    [ "$status" -ne 0 ]
    run hull update --mount-add "type=bind,source=$PWD/none,target=/none" same
    [ "$status" -ne 0 ]
    run hull update --mount-add "$PWD/ok:/proc/x" same
    [ "$status" -ne 0 ]
    refuses 1 'no mount at /nothing' update --mount-rm /nothing same
    refuses 1 'below it' update --mount-rm /ok same
    refuses 125 'absolute' update --mount-rm ok same
    refuses 125 'mount-add' update --mount-add nonsense same
    [ "$(hull inspect -f '{{json .Mounts}} {{json .HostConfig.Binds}} {{json .HostConfig.Mounts}}' same)" = "$before" ]
    # Half of a pair that fails is not left.
    run hull update --mount-add "$PWD/ok:/first" --mount-add "$PWD/ok:/proc/x" same
    [ "$status" -ne 0 ]
    run hull exec same grep -c ' /first ' /proc/self/mountinfo
    [ "$output" = 0 ]
    hull update --mount-rm /tmpfs --mount-rm /ok/below --mount-rm /ok same
    hull rm -f same
}

@test "an update is whole or not at all: what it had done is undone" {
    need_root
    mkdir -p whole
    hull run -d --name whole --network none --memory 64m -v "$PWD/whole:/kept" --tmpfs /scratch --mount type=tmpfs,target=/more box sh -c 'echo 1 >/scratch/f; echo 2 >/more/f; sleep 100000'
    wait_until 30 hull exec whole test -s /more/f
    before=$(hull inspect -f '{{json .Mounts}} {{json .HostConfig}} {{json .Config}}' whole)
    mounts=$(hull exec whole sh -c 'cut -d " " -f 5 /proc/self/mountinfo | sort')
    for bad in "--mount-add $PWD/whole:/proc/x" "--publish-add 80"; do
        run hull update --memory 128m --restart always --health-cmd true --mount-rm /scratch --mount-rm /kept --mount-rm /more --device-add /dev/null:/dev/further \
            --mount-add fresh:/fresh --mount-add type=tmpfs,target=/also $bad whole
        [ "$status" -ne 0 ]
        [[ $output != *undone* ]]
        [ "$(hull inspect -f '{{json .Mounts}} {{json .HostConfig}} {{json .Config}}' whole)" = "$before" ]
        run -0 hull exec whole sh -c 'cat /scratch/f /more/f; test -e /dev/further || echo none'
        [ "${lines[*]}" = "1 2 none" ]
        [ "$(hull exec whole sh -c 'cut -d " " -f 5 /proc/self/mountinfo | sort')" = "$mounts" ]
        [ "$(hull stats --no-stream --format '{{.MemUsage}}' whole | sed 's/.*\/ //')" = 64MiB ]
        run hull volume inspect fresh
        [ "$status" -ne 0 ]
    done
    hull stop -t 0 whole
    run hull update --mount-rm /kept --mount-add fresh:/fresh --publish-add 80 whole
    [ "$status" -ne 0 ]
    run hull volume inspect fresh
    [ "$status" -ne 0 ]
    [ "$(hull inspect -f '{{json .Mounts}} {{json .HostConfig}} {{json .Config}}' whole)" = "$before" ]
    hull rm -f whole
}

@test "what cannot be undone is said in one line, what is mounted still is not removed, and the next command undoes it" {
    need_root
    inject=$HULL_BUILD/test/fault/inject
    [ -x "$inject" ] && "$inject" -o /dev/null -- true || skip "test/fault/inject cannot be had here"
    hull run -d --name stuck --network none box sleep 1000
    try() { run "$inject" -o report "$@" -- "$HULL" update --mount-add fresh:/fresh --publish-add 80 stuck; }
    try
    [ "$status" -ne 0 ]
    [[ $output != *undone* ]]
    process=$(awk '/ umount2( |$)/ { print $2 }' report)
    n=$(awk '/ umount2( |$)/ { for (i = 4; i <= NF; i++) if ($i !~ /!/) { n++; if ($i == "umount2") print n } }' report)
    try -p "$process" -n "$n" -e
    [ "$status" -ne 0 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *"not all of it could be undone (unmount /fresh: "* ]]
    hull volume inspect fresh
    run -1 hull exec stuck grep ' /fresh ' /proc/self/mountinfo
    run -1 hull volume exists fresh
    hull rm -f stuck
}

@test "of a container that does not run: from its start on" {
    mkdir -p later
    echo l >later/f
    hull create --name later box cat /later/f
    hull update --mount-add "$PWD/later:/later" --device-add /dev/null:/dev/also-null later
    run -0 hull start -a later
    [ "$output" = l ]
    hull update --mount-rm /later --device-rm /dev/also-null later
    run -1 hull start -a later
    hull rm later
}

@test "symlinks of the container do not lead a mount out" {
    mkdir -p inner outer
    echo i >inner/f
    hull run -d --name linked box sh -c "ln -s $PWD/outer /out; ln -s ../../../../../..$PWD/outer /up; mkdir /ready; sleep 100000"
    wait_until 30 hull exec linked test -d /ready
    hull update --mount-add "$PWD/inner:/out/m" linked || true
    hull update --mount-add "$PWD/inner:/up/m" linked || true
    [ -z "$(ls outer)" ]
    run grep -c "$PWD/outer" /proc/self/mountinfo
    [ "$output" = 0 ]
    hull rm -f linked
}

@test "devices: node and rule come and go" {
    need_root
    for node in /dev/fuse /dev/loop-control /dev/net/tun none; do [ ! -c $node ] || break; done
    [ $node != none ] || skip "there is no device here that can be opened without harm"
    number="$(stat -c '%t:%T' $node)" numbers="$((0x$(stat -c %t $node))) $((0x$(stat -c %T $node)))"
    hull run -d --name dev box sleep 100000
    run hull exec dev sh -c 'mknod /tmp/k c '"$numbers"' && : </tmp/k'
    denied=$status
    hull update --device-add $node:/dev/log/kmsg:r dev
    run -0 hull exec dev sh -c 'test -c /dev/log/kmsg && : </dev/log/kmsg && stat -c "%t:%T %a" /dev/log/kmsg; : </dev/null'
    [[ $output == "$number "* ]]
    refuses 1 'already' update --device-add $node:/dev/log/kmsg dev
    [ "$(hull inspect -f '{{range .HostConfig.Devices}}{{.PathInContainer}}{{end}}' dev)" = /dev/log/kmsg ]
    hull restart -t 0 dev
    run -0 hull exec dev sh -c ': </dev/log/kmsg'
    hull update --device-rm $node dev
    run hull exec dev sh -c 'test -e /dev/log/kmsg'
    [ "$status" -ne 0 ]
    # Where rules hold here at all, it is forbidden again, and what everybody has is not.
    if [ $denied -ne 0 ]; then
        run hull exec dev sh -c 'rm -f /tmp/k; mknod /tmp/k c '"$numbers"' && : </tmp/k'
        [ "$status" -ne 0 ]
    fi
    run -0 hull exec dev sh -c ': </dev/zero'
    refuses 1 'no device' update --device-rm $node dev
    refuses 125 'device' update --device-add /etc/passwd dev || refuses 1 'device' update --device-add /etc/passwd dev
    hull rm -f dev
}

@test "ids of a container's own: a volume is seen through the map, a device is mounted" {
    need_root
    hull run -d --name own --uidmap 0:100000:1000 --gidmap 0:100000:1000 box sleep 100000
    hull volume create ownvol
    touch "$(hull volume inspect -f '{{.Mountpoint}}' ownvol)/root"
    refuses 1 'keeps its path' update --device-add /dev/full:/dev/also-full own
    [ -c /dev/fuse ] || skip "there is no /dev/fuse here"
    hull update --mount-add ownvol:/vol --device-add /dev/fuse own
    run -0 hull exec own sh -c 'stat -c %u /vol/root; touch /vol/mine && stat -c %u /vol/mine; test -c /dev/fuse && echo node'
    [ "${lines[*]}" = "0 0 node" ]
    [ "$(stat -c %u "$(hull volume inspect -f '{{.Mountpoint}}' ownvol)/mine")" = 0 ]
    hull restart -t 0 own
    run -0 hull exec own sh -c 'ls /vol; test -c /dev/fuse && echo node'
    [ "${lines[*]}" = "mine root node" ]
    hull update --mount-rm /vol --device-rm /dev/fuse own
    run -0 hull exec own sh -c 'grep -cE " (/vol|/dev/fuse) " /proc/self/mountinfo || true'
    [ "$output" = 0 ]
    hull rm -f own
}
