#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Units of containers made into services of systemd. What each key becomes is a table: quadlet.keys. No systemd is needed here; where its
# systemd-analyze is, it judges what comes out.

load ../lib/hull

setup_file() {
    need_hull
    HULL_DIR=$(mktemp -d "${HULL_TEST_SCRATCH:-${TMPDIR:-/tmp}}/hull-quadlet.XXXXXX")
    export HULL_DIR
    ln -s "$(readlink -f "$HULL")" "$HULL_DIR/hull-system-generator"
    ln -s "$(readlink -f "$HULL")" "$HULL_DIR/hull-user-generator"
}
teardown_file() { rm -rf "$HULL_DIR"; }
setup() {
    rm -rf "$HULL_DIR"/[!h]*
    mkdir "$HULL_DIR/u"
    export QUADLET_UNIT_DIRS=$HULL_DIR/u
    cd "$HULL_DIR/u" || return 1
}

# unit FILE LINE...
unit() {
    local file=$1
    shift
    [[ $file != */* ]] || mkdir -p "${file%/*}"
    printf '%s\n' "$@" >"$file"
}

# The values of a key in the service $1 of what `generate` printed, blanks between them, in $value. No process is made: there are many of these.
value() {
    local rest=${output#*"---$1.service---"$'\n'} line
    value=
    [ "$rest" != "$output" ] || return 0
    rest=${rest%%$'\n'---*}
    while IFS= read -r line; do
        [[ $line != "$2="* ]] || value+="${value:+ }${line#*=}"
    done <<<"$rest"
}

# value_is SERVICE KEY TEXT; value_has SERVICE KEY PATTERN
value_is() {
    value "$1" "$2"
    [ "$value" = "$3" ] || { echo "$1 $2=$value, not $3"; return 1; }
}
value_has() {
    value "$1" "$2"
    # shellcheck disable=SC2053
    [[ $value == $3 ]] || { echo "$1 $2=$value has no $3"; return 1; }
}

# The one line of stderr about unit $1 has $2; no service was made of it.
complains() {
    local line found=0
    while IFS= read -r line; do
        [[ $line == *"/$1:"* ]] || continue
        found=$((found + 1))
        [[ $line == *"$2"* ]] || { echo "no $2 in $line"; return 1; }
    done <<<"$stderr"
    [ $found = 1 ] || { echo "$found lines about $1: $stderr"; return 1; }
    [[ $output != *"/$1:"* ]]
}

services() {
    local without=${output//---$'\n'/}
    [ $(((${#output} - ${#without}) / 4)) = "$1" ]
}

generate() {
    attempt systemd generate
}

@test "quadlet: every key of every section" {
    need_cmd python3
    source=$BATS_TEST_DIRNAME/../../src/cli
    [ -d "$source" ] || source=
    python3 "$BATS_TEST_DIRNAME/../lib/quadlet_keys.py" "$HULL" "$BATS_TEST_DIRNAME/quadlet.keys" "$HULL_DIR/keys" ${source:+"$source"}
}

@test "quadlet: units one by one: those that are wrong name file and line, the others are made" {
    unit good.container '[Container]' 'Image=box'
    unit kube.kube '[Kube]' 'Network=none'
    unit art.artifact '[Artifact]' 'Artifact=x'
    unit key.container '# c' '[Container]' 'Image=box' '' 'Imagine=x'
    unit line.container '[Container]' 'Image'
    unit outside.container 'Image=box'
    unit none.container '[Service]' 'Restart=always'
    unit empty.container
    printf '[Container]\nImage=b\0x\n' >zero.container
    mkdir dir.container
    unit self.container '[Container]' 'Image=box' 'Network=self.container'
    unit a.volume '[Volume]' '[Unit]' 'Requires=x.service'
    unit twice.container '[Container]' 'Image=box' 'ServiceName=good'
    generate
    [ "$status" = 1 ]
    services 2
    value_is good ExecStart "$(readlink -f "$HULL") run --name systemd-%N --replace --rm --sdnotify=monitor -d box"
    value_has a-volume ExecStart "*volume create*"
    complains kube.kube 'Yaml= is missing in [Kube]'
    complains art.artifact 'hull has no artifacts'
    complains key.container 'key.container:5: unsupported key "Imagine" in [Container]: did you mean "Image"?'
    complains line.container 'line.container:2: "Image" is no KEY=VALUE'
    complains outside.container 'outside.container:1: no [Section]'
    complains none.container 'neither Image= nor Rootfs='
    complains empty.container 'neither Image= nor Rootfs='
    complains zero.container 'no text'
    complains dir.container 'no file'
    complains self.container 'units that wait for each other: self.container -> self.container'
    complains twice.container 'good.service is made of'
}

@test "quadlet: units that wait for each other in a circle; who needs one of them is made" {
    unit a.build '[Build]' 'ImageTag=a' 'SetWorkingDirectory=unit' 'Volume=b.volume:/x'
    unit b.volume '[Volume]' '[Unit]' 'Requires=a.build'
    unit c.container '[Container]' 'Image=a.build'
    unit x.container '[Container]' 'Image=box' 'Network=y.container'
    unit y.container '[Container]' 'Image=box' 'Network=z.container'
    unit z.container '[Container]' 'Image=box' 'Network=x.container'
    generate
    [ "$status" = 1 ]
    complains x.container 'x.container -> y.container -> z.container -> x.container'
    complains y.container 'y.container -> z.container -> x.container -> y.container'
    value_is c Requires a-build.service
}

@test "quadlet: pods start their containers, in an order without circles" {
    unit p.pod '[Pod]'
    unit one.container '[Container]' 'Image=box' 'Pod=p.pod'
    unit two.container '[Container]' 'Image=box' 'Pod=p.pod' 'ServiceName=zwei'
    unit no.container '[Container]' 'Image=box' 'Pod=p.pod' 'StartWithPod=no'
    unit bad.container '[Container]' 'Image=box' 'Pod=p.pod' 'Nonsense=x'
    unit t@.container '[Container]' 'Image=box' 'Pod=p.pod'
    generate
    value_is p-pod Wants "network-online.target one.service zwei.service"
    value_is p-pod Before "one.service zwei.service"
    for s in one zwei no t@; do
        value_is $s BindsTo p-pod.service
        value_has $s ExecStart "* --pod systemd-p *"
    done
}

@test "quadlet: templates and instances: links, drop-ins, names" {
    unit web@.container '[Container]' 'Image=box' 'Network=net@%i.network' 'Environment=WHO=%i' 'Volume=data@.volume:/d'
    unit net@.network '[Network]'
    unit data@.volume '[Volume]'
    ln -s web@.container web@one.container
    unit web@two.container.d/x.conf '[Container]' 'Memory=64m'
    unit nosuch@two.container.d/x.conf '[Container]' 'Memory=64m'
    unit user.container '[Container]' 'Image=box' 'Network=net@three.network' '[Unit]' 'After=web@one.container'
    unit wrong.container '[Container]' 'Image=box' 'Network=net@.network'
    generate
    complains wrong.container 'net@.network is a template'
    for s in web@ web@one web@two; do
        value_has $s ExecStart "* run --name systemd-%p_%i * --network systemd-net-%i --volume systemd-data-%i:/d --env WHO=%i *"
        value_is $s Requires "net-network@%i.service data-volume@%i.service"
    done
    value_has web@two ExecStart "*--memory 64m*"
    value web@one ExecStart
    [[ $value != *"--memory 64m"* ]]
    value_has net-network@ ExecStart "* systemd-net-%i"
    value_has user ExecStart "*--network systemd-net-three box"
    value_is user Requires net-network@three.service
    value_has user After "*web@one.service*"
    [[ $output != *nosuch* ]]
}

@test "quadlet: drop-ins: the most special of one name, in the order of their names; several directories; masks; no drop-in is a unit" {
    export QUADLET_UNIT_DIRS=$HULL_DIR/u:$HULL_DIR/v
    unit a-b.container '[Container]' 'Image=box' 'PidsLimit=1'
    unit container.d/10.conf '[Container]' 'PidsLimit=2' 'Memory=1m'
    unit a-.container.d/20.conf '[Container]' 'PidsLimit=3'
    unit ../v/a-b.container.d/10.conf '[Container]' 'ShmSize=3m'
    unit a-b.container.d/30.conf '[Service]' 'Restart=always'
    unit a-b.container.d/40.txt 'nonsense'
    unit a-b.container.d/no.container '[Container]' 'Image=box'
    unit ../v/a-b.container '[Container]' 'Image=other'
    unit ../v/sub/deep/low.container '[Container]' 'Image=box'
    unit ../v/gone.container '[Container]' 'Image=box'
    ln -s /dev/null gone.container
    ln -s ../v sub-is-seen-once
    ln -s . loop
    generate
    [ "$status" = 0 ]
    value_has a-b ExecStart "* -d --pids-limit 3 --shm-size 3m box"
    value_is a-b Restart always
    value_has low ExecStart "* --pids-limit 2 --memory 1m box"
    services 2
    unit a-b.container.d/50.conf '[Container]' 'Nonsense=1'
    generate
    [ "$status" = 1 ]
    [[ $stderr == *'/a-b.container.d/50.conf:2: unsupported key "Nonsense"'* ]]
}

@test "quadlet: [Install] becomes links, and nothing outside of the directory" {
    unit a.container '[Container]' 'Image=box' '[Install]' 'WantedBy=multi-user.target "x y.target"' 'RequiredBy=r.service' 'UpheldBy=%N-up.target' 'Alias=b.service a.service'
    unit t@.container '[Container]' 'Image=box' '[Install]' 'WantedBy=multi-user.target' 'DefaultInstance=i'
    unit u@.container '[Container]' 'Image=box' '[Install]' 'WantedBy=multi-user.target'
    unit bad.container '[Container]' 'Image=box' '[Install]' 'Alias=../../out.service'
    unit bad2.container '[Container]' 'Image=box' '[Install]' 'WantedBy=a/b.target'
    ln -s u@.container u@1.container
    run "$HULL_DIR/hull-system-generator" --no-kmsg-log "$HULL_DIR/out/normal" "$HULL_DIR/out/early" "$HULL_DIR/out/late"
    [ "$status" = 1 ]
    cd "$HULL_DIR/out/normal"
    diff - <(find . -type l -printf '%p -> %l\n' | sort) <<'LINKS'
./a-up.target.upholds/a.service -> ../a.service
./b.service -> a.service
./multi-user.target.wants/a.service -> ../a.service
./multi-user.target.wants/t@i.service -> ../t@.service
./multi-user.target.wants/u@1.service -> ../u@1.service
./r.service.requires/a.service -> ../a.service
./x y.target.wants/a.service -> ../a.service
LINKS
    [ "$(find . -type f | sort | xargs)" = "./a.service ./bad.service ./bad2.service ./t@.service ./u@.service ./u@1.service" ]
    [ "$(find "$HULL_DIR/out" "$HULL_DIR" -name out.service)" = "" ]
    grep -q '^hull-system-generator\[[0-9]*\]: .*/bad.container:4: Alias=: "../../out.service" is no name of a unit' <<<"$output"
    grep -q 'bad2.container:4: WantedBy=: "a/b.target"' <<<"$output"
    [ "$(stat -c %a a.service)" = 644 ]
    # once more, over what is there
    run "$HULL_DIR/hull-system-generator" --no-kmsg-log "$HULL_DIR/out/normal" x y
    [ "$(readlink b.service)" = a.service ]
}

@test "quadlet: under the names systemd calls: options of podman's generator, a user's units" {
    unit a.container '[Container]' 'Image=box'
    run -0 --separate-stderr "$HULL_DIR/hull-system-generator" -dryrun
    [[ $output == "---a.service---"* ]]
    value_is a Wants network-online.target
    run -0 --separate-stderr "$HULL_DIR/hull-system-generator" -user --dryrun
    value_is a Wants hull-user-wait-network-online.service
    run -0 --separate-stderr "$HULL_DIR/hull-user-generator" --dryrun
    value_is a Wants hull-user-wait-network-online.service
    value_is a RequiresMountsFor %t/hull
    run -0 --separate-stderr "$HULL_DIR/hull-user-generator" -v -no-kmsg-log "$HULL_DIR/out"
    [[ $stderr == *"reading $HULL_DIR/u/a.container"* ]]
    [ -f "$HULL_DIR/out/a.service" ]
    run "$HULL_DIR/hull-system-generator" --no-kmsg-log
    [ "$status" -ne 0 ]
    rm a.container
    run -0 "$HULL_DIR/hull-system-generator" --no-kmsg-log "$HULL_DIR/none"
    [ ! -e "$HULL_DIR/none" ]
    unit off.container '[Container]' 'Image=box' '[Quadlet]' 'DefaultDependencies=no'
    generate
    [ "$status" = 0 ]
    value_is off Wants ""
}

@test "quadlet: where units are looked for, hull's own first; podman's are left to podman's generator" {
    need_root
    unset QUADLET_UNIT_DIRS
    cat >"$HULL_DIR/look" <<'SH'
mount -t tmpfs none /etc && mount -t tmpfs none /run && mount -t tmpfs none /usr/share || exit 77
put() { mkdir -p "$1" && printf '[Container]\nImage=%s\n' "$3" >"$1/$2.container"; }
put /etc/containers/systemd a etc
put /etc/hull/systemd a hull
put /etc/containers/systemd b etc
put /usr/share/containers/systemd b share
put /run/containers/systemd b run
put /usr/share/containers/systemd c share
put /etc/containers/systemd/users d everybody
put /etc/containers/systemd/users/0 d mine
put /etc/containers/systemd/users/1 e yours
export XDG_RUNTIME_DIR=/run/me HOME=/run/home
put /run/me/containers/systemd f runtime
put /run/home/.config/hull/systemd f config
put /run/home/.config/containers/systemd g config
"$HULL" systemd generate >/run/system
"$HULL" systemd generate --user >/run/user
# awk is in /etc/alternatives
images() { sed -n '/^---/h; /^Image=/{H;x;s/\n/ /;p;}' "$1"; }
images /run/system
echo user
images /run/user
mkdir -p /etc/systemd/system-generators && printf '#!/bin/sh\n' >/etc/systemd/system-generators/podman-system-generator
chmod +x /etc/systemd/system-generators/podman-system-generator
echo beside podman
"$HULL" systemd generate >/run/system
images /run/system
SH
    run --separate-stderr unshare -m sh "$HULL_DIR/look"
    [ "$status" != 77 ] || skip "this machine mounts no tmpfs here"
    diff - <(echo "$output") <<'SEEN'
---b.service--- Image=run
---a.service--- Image=hull
---c.service--- Image=share
user
---f.service--- Image=runtime
---g.service--- Image=config
---d.service--- Image=mine
beside podman
---a.service--- Image=hull
SEEN
}

@test "quadlet: what is made is what systemd takes" {
    need_cmd systemd-analyze
    unit n.network '[Network]'
    unit v.volume '[Volume]'
    unit i.image '[Image]' 'Image=docker.io/library/x:1'
    unit b.build '[Build]' 'ImageTag=b' 'SetWorkingDirectory=unit'
    unit c.container '[Unit]' 'Description=a container' '[Container]' 'Image=b.build' 'Network=n.network' 'Volume=v.volume:/v' 'Volume=./a b:/w' \
        "Exec=sh -c \"echo 'x y' \$\$HOME; true\" ; \\x41 \\q" 'Environment="A=b c"' 'ReloadSignal=HUP' '[Service]' 'Restart=always' 'TimeoutStartSec=900'
    unit w@.container '[Container]' 'Image=i.image' 'HealthCmd=curl -f "x"'
    run -0 "$HULL_DIR/hull-system-generator" --no-kmsg-log "$HULL_DIR/out"
    cd "$HULL_DIR/out"
    ln -s w@.service w@1.service
    # The files of this machine's own units are none of ours, nor is a target that is not there.
    run env SYSTEMD_UNIT_PATH="$HULL_DIR/out:" systemd-analyze verify --man=no --generators=no c.service w@1.service n-network.service v-volume.service
    ours=$(grep -E "$HULL_DIR/out|(c|w@1|n-network|v-volume|b-build|i-image)\.service" <<<"$output" | grep -v 'dockerd\|podman' || true)
    [ -z "$ours" ] || { echo "$ours"; return 1; }
    # And as words: what we quoted, taken apart as systemd does.
    grep -q 'ExecStart=.*"A=b c".* sh -c "echo .x y. \$\$HOME; true" ";" A "\\\\q"$' c.service
}

@test "quadlet: hull stop --ignore, hull network create --ignore" {
    need_root
    export HULL_ROOT=$HULL_DIR/root HULL_RUN_ROOT=$HULL_DIR/run HULL_NETWORK=none
    run -0 --separate-stderr hull stop --ignore nosuch
    [ -z "$output$stderr" ]
    run hull stop nosuch
    [ "$status" = 1 ]
    first=$(hull network create --internal quadlet-test) || skip "this machine makes no networks"
    [ "$(hull network create --ignore quadlet-test)" = "$first" ]
    run hull network create quadlet-test
    [ "$status" = 1 ]
    hull network rm quadlet-test
}
