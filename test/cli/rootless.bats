#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A plain user: the same verbs, with and without ranges of ids in /etc/subuid.
# machines: native v2

load ../lib/hull

# The user exists in the mount namespace of one command only: nothing of the machine is changed.
setup_file() {
    need_root
    need_cmd setpriv unshare newuidmap newgidmap
    HULL_DIR=$(mktemp -d "${HULL_TEST_SCRATCH:-${TMPDIR:-/tmp}}/hull-plain.XXXXXX")
    chmod 755 "$HULL_DIR"
    export HULL_DIR HULL_UID=48123
    mkdir "$HULL_DIR/home" "$HULL_DIR/run"
    chown $HULL_UID:$HULL_UID "$HULL_DIR/home" "$HULL_DIR/run"
    { cat /etc/passwd; echo "plainuser:x:$HULL_UID:$HULL_UID::$HULL_DIR/home:/bin/sh"; } >"$HULL_DIR/passwd"
    echo "plainuser:3000000:65536" >"$HULL_DIR/ranges"
    : >"$HULL_DIR/none"
    cat >"$HULL_DIR/enter" <<'SH'
mount --bind "$HULL_DIR/passwd" /etc/passwd
mount --bind "$HULL_DIR/$RANGES" /etc/subuid
mount --bind "$HULL_DIR/$RANGES" /etc/subgid
exec setpriv --reuid $HULL_UID --regid $HULL_UID --clear-groups env -i PATH="$PATH" HOME="$HULL_DIR/home" \
    XDG_RUNTIME_DIR="$HULL_DIR/run" HULL_NETWORK="${HULL_NETWORK-none}" "$HULL" "$@"
SH
    touch_subid
    hull run --rm box true || skip "this machine lets no plain user run containers"
}

# newuidmap reads these; where there is no such file, there is nothing to bind over.
touch_subid() {
    local f
    for f in /etc/subuid /etc/subgid; do
        [ -e $f ] || skip "there is no $f"
    done
}

teardown_file() {
    [ -n "${HULL_DIR-}" ] || return 0
    hull ps -aq --no-trunc | while read -r id; do hull rm -f -v "$id"; done >/dev/null
    sleep 0.3
    run -0 find "$HULL_DIR/run/hull/containers" -mindepth 1
    [ "$output" = "" ]
    rm -rf "$HULL_DIR"
}

hull() {
    RANGES=${RANGES:-ranges} unshare -m --propagation private sh "$HULL_DIR/enter" "$@"
}

@test "root inside, the user outside" {
    run -0 hull run --rm box sh -c 'id -u; cat /proc/self/uid_map'
    [ "${lines[0]}" = 0 ]
    [[ ${lines[1]} =~ ^\ *0\ +$HULL_UID\ +1$ ]]
    [[ ${lines[2]} =~ ^\ *1\ +3000000\ +65536$ ]]
}

@test "other users inside" {
    run -0 hull run --rm -u 33:34 box sh -c 'id -u; id -g; touch /tmp/f; stat -c %u /tmp/f'
    [ "${lines[*]}" = "33 34 33" ]
    run hull run --rm -u 70000 box true
    [ "$status" -eq 125 ]
    [[ $output == *70000*subuid* ]]
}

@test "the life of a container" {
    hull run -d --name life box sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.05; done'
    run -0 hull ps --format '{{.Names}}'
    [ "$output" = life ]
    run -7 hull exec life sh -c 'exit 7'
    run -0 hull exec -u 5 life id -u
    [ "$output" = 5 ]
    run -0 hull logs life
    [ "$output" = up ]
    run -0 hull top life
    [[ $output == *sleep* ]]
    run -0 hull stop -t 5 life
    run -0 hull wait life
    [ "$output" = 3 ]
    hull start life
    hull kill life
    hull rm life
}

@test "two commands at once share one namespace, so each may end what the other started" {
    hull run -d --name one -u 100 box sleep 60
    hull run -d --name two -u 200 box sleep 60
    one=$(hull inspect -f '{{.State.Pid}}' one) two=$(hull inspect -f '{{.State.Pid}}' two)
    [ "$(readlink "/proc/$one/ns/user")" = "$(readlink "/proc/$two/ns/user")" ]
    # The first maker of the namespace goes; it stays.
    hull rm -f one
    run -0 hull exec two id -u
    [ "$output" = 200 ]
    hull kill two
    hull rm two
}

@test "volumes keep their owners, keep-id shows the user's own" {
    hull run --rm -v kept:/v box sh -c 'touch /v/f; chown 5:6 /v/f'
    run -0 hull run --rm -v kept:/v box stat -c '%u %g' /v/f
    [ "$output" = "5 6" ]
    run -0 hull run --rm --userns keep-id -v mine:/v box sh -c 'id -u; touch /v/f; stat -c %u /v/f'
    [ "${lines[*]}" = "$HULL_UID $HULL_UID" ]
    hull volume rm kept mine
}

@test "cp: what comes out is the user's, what goes in is root's" {
    hull run -d --name plaincp -v plaincp:/v box sleep 100000
    echo x >"$HULL_DIR/home/plain"
    chmod 644 "$HULL_DIR/home/plain"
    for state in running stopped; do
        hull cp "$HULL_DIR/home/plain" plaincp:/v/$state
        hull cp plaincp:/etc/passwd "$HULL_DIR/home/$state"
        [ "$(stat -c %u "$HULL_DIR/home/$state")" = $HULL_UID ]
        hull stop -t 0 plaincp
    done
    hull start plaincp
    run -0 hull exec plaincp stat -c %u:%g /v/running /v/stopped
    [ "${lines[*]}" = "0:0 0:0" ]
    run -0 hull exec plaincp sh -c 'chown 33:34 /v/running'
    hull cp -a plaincp:/v/running plaincp:/v/kept
    hull cp plaincp:/v/kept - >"$HULL_DIR/kept.tar"
    [ "$(tar tvf "$HULL_DIR/kept.tar" --numeric-owner | awk '{ print $2 }')" = 33/34 ]
    hull rm -f -v plaincp
    hull volume rm plaincp
}

@test "update: a tmpfs into a running container; a bind needs root, and says so" {
    hull run -d --name plainlive box sleep 100000
    hull update --mount-add type=tmpfs,target=/mem plainlive
    run -0 hull exec plainlive grep -c ' /mem ' /proc/self/mountinfo
    run hull update --mount-add plainvol:/vol plainlive
    [ "$status" -eq 0 ] || [[ $output == *"only root can bind"* ]]
    run hull update --device-add /dev/full:/dev/also-full plainlive
    [ "$status" -ne 0 ]
    [[ $output == *"keeps its path"* ]]
    hull update --mount-rm /mem plainlive
    hull restart -t 0 plainlive
    run -0 hull exec plainlive sh -c 'grep -c " /mem " /proc/self/mountinfo || true'
    [ "$output" = 0 ]
    hull rm -f -v plainlive
}

@test "--userns auto: ids of its own" {
    run -0 hull run --rm --userns auto:size=1000 -v auto:/v box sh -c 'id -u; cat /proc/self/uid_map; touch /v/f'
    [ "${lines[0]}" = 0 ]
    [[ ${lines[1]} =~ ^\ *0\ +1\ +1000$ ]]
    hull volume rm auto
}

@test "a limit that cannot be had is refused, one that was not asked for is not missed" {
    if [ -w /sys/fs/cgroup/cgroup.procs ]; then skip "root's own groups are writable here"; fi
    run hull run --rm --memory 64M box true
    [ "$status" -eq 125 ] || [ "$status" -eq 0 ]
    [ "$status" -eq 0 ] || [[ $output == *cgroup* ]]
    run -0 hull run --rm box true
}

@test "without ranges there is one id, and that is said" {
    export RANGES=none
    run hull run --rm box id -u
    [ "$status" -eq 0 ]
    [ "${lines[${#lines[@]} - 1]}" = 0 ]
    run hull run --rm -u 5 box true
    [ "$status" -eq 125 ]
    [[ $output == *subuid* ]]
    run hull run --rm --userns keep-id box true
    [ "$status" -eq 125 ]
    [[ $output == *subuid* ]]
    run hull info
    [[ $output == *"one user id"* ]]
}

@test "pods: a plain user's containers share namespaces, /dev/shm and a name" {
    hull pod create --name both >/dev/null
    hull run -d --pod both --name both-a box sleep 1000
    hull run -d --pod both --name both-b box sleep 1000
    run -0 hull exec both-a sh -c 'echo word >/dev/shm/x; hostname; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc'
    [ "${lines[0]}" = both ]
    shared=${lines[1]}${lines[2]}
    run -0 hull exec both-b sh -c 'cat /dev/shm/x; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc'
    [ "${lines[0]}" = word ]
    [ "${lines[1]}${lines[2]}" = "$shared" ]
    run -0 hull pod rm -f both
    run -0 find "$HULL_DIR/run/hull/pods" -mindepth 1
    [ "$output" = "" ]
}

@test "rm -f ends what a container runs whose state cannot be read: it is in no cgroup of its own" {
    id=$(hull run -d --name spoilt box sleep 1000)
    pid=$(hull inspect -f '{{.State.Pid}}' spoilt)
    state=$(find "$HULL_DIR/home" -path "*/containers/$id/state.json")
    rm "$state"
    mkdir "$state"
    run -0 --separate-stderr hull rm -f spoilt
    [[ $stderr == *"it is removed without"* ]]
    [ ! -e "${state%/*}" ]
    wait_until 10 nothing_of find "/proc/$pid" -maxdepth 0
}

@test "--oom-score-adj: raised without a word, lowered with one" {
    run -0 --separate-stderr hull run --rm --oom-score-adj 321 box cat /proc/self/oom_score_adj
    [ "$output $stderr" = "321 " ]
    run -0 --separate-stderr hull run --rm --oom-score-adj -321 box cat /proc/self/oom_score_adj
    [[ $stderr == *"cannot be lowered to -321"* ]]
}

@test "system check: a layer of files that lost a file's content is found, and is not handed on" {
    run -0 hull system check
    [[ $output == *": all whole" ]]
    local file
    file=$(find "$HULL_DIR/home" -path '*/layers/*/tree/etc/passwd')
    [ -n "$file" ] || skip "layers are no overlay's trees here"
    cp -p "$file" "$HULL_DIR/aside"
    : >"$file"
    touch -r "$HULL_DIR/aside" "$file"
    run -1 hull system check
    [[ $output == "layer sha256:"*": its files are not what they were (docker.io/library/box:latest)"* ]]
    run -1 --separate-stderr hull save -o "$HULL_DIR/home/x.tar" box
    [[ $stderr == *"its files are not what they were" ]]
    cat "$HULL_DIR/aside" >"$file"
    touch -r "$HULL_DIR/aside" "$file"
    run -0 hull system check
}
