#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# volume ls, create, inspect, rm, prune.
# machines: native v2 v2:tester

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "volume: create, ls, inspect, used by a container, rm" {
    run -0 hull volume create --label tier=web --label x one
    [ "$output" = one ]
    run -0 hull volume create one
    run -0 hull volume ls
    [[ ${lines[0]} =~ ^DRIVER\ +VOLUME\ NAME$ ]]
    [[ ${lines[1]} =~ ^local\ +one$ ]]
    run -0 hull volume ls -q
    [ "$output" = one ]
    run -0 hull volume ls --format '{{.Name}} {{.Driver}} {{.Label "tier"}}'
    [ "$output" = "one local web" ]
    run -0 hull volume inspect -f '{{.Name}} {{.Labels.tier}} {{.Scope}}' one
    [ "$output" = "one web local" ]
    [ -d "$(hull volume inspect -f '{{.Mountpoint}}' one)" ]
    run -0 hull inspect --type volume -f '{{.Name}}' one
    [ "$output" = one ]
    hull run --rm -v one:/data box sh -c 'echo kept >/data/file'
    run -0 hull run --rm -v one:/data box cat /data/file
    [ "$output" = kept ]
    hull create --name holder -v one:/data box true
    refuses 1 'in use' volume rm one
    hull rm holder
    run -0 hull volume rm one
    [ "$output" = one ]
    refuses 1 'no such.*one' volume rm one
    run -0 hull volume rm -f one
}

@test "volume: names, drivers and filters that are wrong" {
    refuses 125 'driver' volume create -d nfs x
    refuses 125 'name' volume create a/b
    refuses 125 'nonsense' volume ls --filter nonsense=1
    refuses 1 'no such.*missing' volume inspect missing
}

@test "volume prune: anonymous ones without -a, all with it, none in use" {
    hull volume create named
    hull volume create held
    hull create --name pruner -v held:/a -v /anonymous box true
    anonymous=$(hull inspect -f '{{range .Mounts}}{{if eq .Destination "/anonymous"}}{{.Name}}{{end}}{{end}}' pruner)
    run -0 hull volume prune -f
    [[ $output != *named* && $output != *"$anonymous"* ]]
    hull rm pruner
    hull create --name pruner -v held:/a box true
    run -0 hull volume ls --filter dangling=true -q
    [[ $output == *named* && $output == *"$anonymous"* && $output != *held* ]]
    run -0 hull volume prune -f
    [[ $output == *"$anonymous"* && $output != *named* ]]
    run -0 hull volume prune -af
    [[ $output == *named* && $output != *held* ]]
    hull rm pruner
    hull volume rm held
}

@test "volume prune --filter: by label, name and age; what is wrong is refused also where there is nothing to prune" {
    hull volume create --label keep=1 kept
    hull volume create other
    run -0 hull volume prune -af --filter until=10h
    [[ $output != *kept* && $output != *other* ]]
    run -0 hull volume prune -f --filter all=true --filter until=2100-01-01 --filter 'label!=keep'
    [[ $output == *other* && $output != *kept* ]]
    hull volume rm kept
    refuses 125 'invalid filter' volume prune -f --filter color=red
    refuses 125 'until' volume prune -f --filter until=whenever
    refuses 125 'filter all' volume prune -f --filter all=perhaps
}

@test "volume export, import, clone, rename" {
    hull volume create --label a=b orig
    hull run --rm -v orig:/v box sh -c 'mkdir /v/sub; echo x >/v/sub/f; ln /v/sub/f /v/twin; chown 5:6 /v/sub; chmod 2750 /v/sub; chmod 1777 /v; ln -s sub /v/link'
    hull volume export -o orig.tar orig
    hull volume export orig | cmp - orig.tar
    gzip -k orig.tar
    hull volume import new orig.tar.gz
    hull volume import new2 <orig.tar
    [ "$(hull volume clone orig copy)" = copy ]
    for v in new new2 copy; do
        run -0 hull run --rm -v $v:/v box sh -c 'cat /v/twin; stat -c "%u:%g %a" /v/sub; stat -c %h /v/sub/f; readlink /v/link; stat -c %a /v'
        [ "${lines[*]}" = "x 5:6 2750 2 sub 1777" ]
    done
    [ "$(hull volume inspect -f '{{.Labels.a}}' copy)" = b ]
    hull volume import orig - < <(mkdir -p more/sub && echo y >more/sub/g && tar c -C more .)
    run -0 hull run --rm -v orig:/v box cat /v/sub/f /v/sub/g
    [ "${lines[*]}" = "x y" ]
    refuses 1 'there already' volume clone orig copy
    refuses 1 'no such volume' volume clone none copy2
    refuses 1 'no such volume' volume export none
    refuses 125 'invalid volume name' volume clone orig a/b
    hull create --name user -v copy:/v box true
    refuses 1 'in use' volume rename copy other
    hull rm user
    hull volume rename copy other
    refuses 1 'there already' volume rename other new
    run -1 hull volume exists copy
    run -0 hull volume exists other
    run -0 hull run --rm -v other:/v box cat /v/twin
    hull volume rm orig new new2 other
}

@test "volume import: an archive that is none leaves no volume" {
    echo "this is no archive" >none.tar
    refuses 1 'volume broken' volume import broken none.tar
    run -1 hull volume exists broken
    refuses 1 'no such file' volume import broken missing.tar
}

@test "volume size: ls --size, inspect --size" {
    hull volume create sized
    hull run --rm -v sized:/v box sh -c 'dd if=/dev/zero of=/v/f bs=1M count=3 2>/dev/null'
    hull create --name sizer -v sized:/v box true
    run -0 hull volume ls --size
    [[ ${lines[0]} =~ LINKS\ +SIZE$ ]]
    [[ $output =~ sized\ +1\ +3\.[0-9]+MB ]]
    [ "$(hull volume inspect -s -f '{{.UsageData.RefCount}}' sized)" = 1 ]
    [ "$(hull volume inspect -s -f '{{.UsageData.Size}}' sized)" -ge 3145728 ]
    hull rm sizer
    hull volume rm sized
}

@test "volume create -o: a tmpfs with a size, a directory of the host; what makes no sense" {
    hull volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=7 mem
    run hull run --rm -v mem:/m box sh -c 'stat -c %u /m; dd if=/dev/zero of=/m/f bs=1M count=2'
    [ "$status" -ne 0 ]
    [ "${lines[0]}" = 7 ]
    [[ $output == *"No space left"* ]]
    run -0 hull run --rm -v mem:/m:ro box sh -c 'touch /m/x || echo refused'
    [[ $output == *refused* ]]
    mkdir -p shared
    echo s >shared/f
    hull volume create -o type=none -o o=bind -o "device=$PWD/shared" bound
    run -0 hull run --rm -v bound:/m box cat /m/f
    [ "$output" = s ]
    [ "$(hull volume export bound | tar xOf - ./f)" = s ]
    hull volume inspect -f '{{json .Options}}' bound | grep -q '"o":"bind"'
    refuses 1 'in containers only' volume export mem
    refuses 125 'type and device' volume create -o type=tmpfs xx
    refuses 125 'absolute' volume create -o type=none -o o=bind -o device=rel xx
    refuses 125 'are known' volume create -o nonsense=1 xx
    refuses 125 'option size' volume create -o size=lots xx
    hull volume rm mem bound
    [ -e shared/f ]
}

@test "volume create -o size: a quota where the file system can, a clear sentence where not" {
    if out=$(hull volume create -o size=2M limited 2>&1); then
        run hull run --rm -v limited:/v box dd if=/dev/zero of=/v/f bs=1M count=4
        [ "$status" -ne 0 ]
        [[ $output == *"quota"* || $output == *"No space"* ]]
        hull volume rm limited
    else
        [[ $out == *"prjquota"* ]]
        run -1 hull volume exists limited
        [ ! -e "$HULL_ROOT/volumes/limited" ]
    fi
}

@test "volume create -o o=uid=,gid=: podman's way to name the owner, also when the image's files come to it" {
    need_root
    hull volume create -o o=uid=71,gid=72 owned
    run -0 hull run --rm -v owned:/v box stat -c %u:%g /v
    [ "$output" = 71:72 ]
    hull volume create -o o=uid=73 filled
    run -0 hull run --rm -v filled:/etc box stat -c %u:%g /etc /etc/passwd
    [ "$output" = $'73:0\n0:0' ]
    refuses 125 'option uid' volume create -o o=uid=lots xx
    refuses 125 'option size' volume create -o o=size=lots xx
    refuses 125 'type and device' volume create -o o=uid=1,nodev xx
    run -1 hull volume exists xx
    hull volume rm owned filled
}

@test "volume prune --filter: labels, and all=true" {
    hull volume create --label keep=1 pr1
    hull volume create --label keep=2 pr2
    hull volume create pr3
    hull volume prune -f --filter all=true --filter label=keep=1
    [ "$(hull volume ls -q --filter name=pr | tr '\n' ' ')" = "pr2 pr3 " ]
    hull volume prune -af --filter 'label!=keep'
    [ "$(hull volume ls -q --filter name=pr)" = pr2 ]
    hull volume prune -f
    [ "$(hull volume ls -q --filter name=pr)" = pr2 ]
    hull volume rm pr2
}

@test "a volume that is just being cloned is not taken for a dead command's" {
    hull volume create big
    hull run --rm -v big:/v box sh -c 'i=0; while [ $i -lt 3000 ]; do echo $i >/v/$i; i=$((i + 1)); done'
    hull volume clone big big2 &
    pid=$!
    for i in 1 2 3 4 5 6 7 8; do hull volume rm -f nothing; done
    wait $pid
    [ "$(ls "$(hull volume inspect -f '{{.Mountpoint}}' big2)" | wc -l)" = 3000 ]
    # And what one that was killed left goes.
    mkdir -p "$HULL_ROOT/volumes/half/_data"
    touch "$HULL_ROOT/volumes/half/lock"
    hull volume rm -f nothing
    [ ! -e "$HULL_ROOT/volumes/half" ]
    hull volume rm big big2
}

@test "volume rm --all, inspect --all" {
    hull volume create one-of-all
    hull volume create in-use
    hull create --name all-user -v in-use:/v box true
    [[ $(hull volume inspect -a -f '{{.Name}}') == *in-use*one-of-all* ]]
    run hull volume rm -a
    [[ $status -eq 1 && $output == *one-of-all* && $output == *"in-use"* ]]
    [ "$(hull volume ls -q)" = in-use ]
    hull rm all-user
    run -0 hull volume rm --all
    [ "$output" = in-use ]
    run -0 hull volume rm --all
    refuses 125 'does not go with' volume rm --all in-use
    refuses 125 'needs at least 1 argument' volume rm
    refuses 125 'needs at least 1 argument' volume inspect
}
