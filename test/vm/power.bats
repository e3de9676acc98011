#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The power goes while hull writes: after the next boot the store is used as it is, nothing is half there, and what was told to be done is.

bats_require_minimum_version 1.5.0
RUN="$BATS_TEST_DIRNAME/run"
BATS_TEST_TIMEOUT=1800
: "${HULL_BUILD:=$BATS_TEST_DIRNAME/../../build}" "${HULL:=$HULL_BUILD/src/cli/hull}"

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

vm() { "$RUN" --disk disk --limit 400 "$@"; }

# cut WHEN SEED COMMANDS
cut_in() {
    run -0 --separate-stderr vm --cut "$1" --seed "$2" -- "export HULL_NETWORK=none; hull=/job/build/src/cli/hull; $3"
    [[ $stderr == *"writes were safe"* ]] || { echo "$stderr"; return 1; }
}

# What must hold after any of it: every verb works, layers are whole, nothing temporary stays once a verb has run.
# shellcheck disable=SC2016
SOUND='export HULL_NETWORK=none; hull=/job/build/src/cli/hull store=/var/lib/hull
    tree() { HULL_ROOT=$1 $hull run --rm box sh -c "cd /; find bin sbin usr lib home root var 2>/dev/null | sort | xargs tar -c --no-recursion -f - | sha256sum"; }
    set -e
    $hull ps -a; $hull images; $hull volume ls
    for id in $($hull ps -aq); do
        $hull inspect "$id" >/dev/null
        $hull start "$id"
        $hull rm -f "$id"
    done
    $hull run --rm box echo sound
    [ "$(tree $store)" = "$(tree /tmp/fresh)" ] || echo "a layer is not whole"
    $hull load -i /job/build/box/box.tar
    $hull run --rm box echo loaded
    find $store -name "*tmp-*" -not -path "*/tree/*"
    find $store/containers -mindepth 1'

is_sound() {
    run -0 --separate-stderr vm -- "$SOUND"
    echo "$output"
    [[ $output == *sound*loaded* && $output != *"not whole"* && $output != *tmp-* && $output != *"$store"/containers/* ]]
}

@test "while the first image is unpacked" {
    # shellcheck disable=SC2016
    cut_in UNPACKING 1 '($hull run --rm box true &) ; while ! ls /var/lib/hull/layers/tmp-* >/dev/null 2>&1; do :; done; echo UNPACKING; sleep 60'
    is_sound
}

@test "while images are loaded and removed" {
    # shellcheck disable=SC2016
    cut_in 'ROUND 4' 2 'n=0; while n=$((n + 1)); do $hull load -i build/box/box.tar; $hull tag box other:$n; $hull rmi -f box; echo ROUND $n; done'
    is_sound
}

@test "while containers are created and removed; one that was told of is there" {
    # shellcheck disable=SC2016
    cut_in 'ROUND 4' 3 '$hull create --name told box echo told; n=0
        while n=$((n + 1)); do $hull run --name c$n -v v$n:/v box sh -c "echo >/v/f"; [ $((n % 2)) = 0 ] || $hull rm -v c$n; echo ROUND $n; done'
    run -0 vm -- 'build/src/cli/hull start -a told'
    [[ ${lines[0]} == told ]]
    is_sound
}

# The disk of every moment at which the power may go while COMMANDS run, right before each flush and right after it, and after the last write
# several times: made of one log and looked at from here. usage: at_each_flush IMAGE SUM COMMANDS; /f of IMAGE, which is there once all is
# told, has that checksum.
at_each_flush() {
    local n flush seed=0 writes flushes
    export HULL_ROOT=$PWD/mnt HULL_RUN_ROOT=$PWD/run.state HULL_NETWORK=none
    cp --sparse=always disk before
    # shellcheck disable=SC2016
    run -0 --separate-stderr vm --log log --cut TOLD -- 'export HULL_NETWORK=none; hull=/job/build/src/cli/hull; '"$3"' && echo TOLD; sleep 60'
    image=$1
    [ -n "$image" ] || image=${lines[0]}
    read -r writes flushes < <(python3 "$BATS_TEST_DIRNAME/powerloss.py" before log)
    echo "$writes writes, flushes: $flushes"
    # shellcheck disable=SC2086
    [ "$(wc -w <<<"$flushes")" -gt 5 ]
    mkdir -p mnt
    for n in $(for flush in $flushes; do echo "$flush"; echo $((flush + 1)); done | sort -nu) "$writes" "$writes" "$writes" "$writes"; do
        seed=$((seed + 1))
        # A file of its own: should anybody hold the last one's mount, this one would be given it again.
        echo "after $n writes, seed $seed: $(python3 "$BATS_TEST_DIRNAME/powerloss.py" before log "$n" "$seed" "cut.$seed")"
        mount -o loop "cut.$seed" mnt
        looked_at "$image" "$2" "$([ "$n" = "$writes" ] && echo told)"
        umount mnt
        rm "cut.$seed"
    done
}

# usage: looked_at IMAGE SUM [told]
looked_at() {
    "$HULL" system check
    if [ -n "$3" ] || "$HULL" image inspect "$1" >/dev/null 2>&1; then
        "$HULL" create --name looked "$1" true
        [ "$("$HULL" cp looked:/f - | tar -xO | cksum)" = "$2" ]
        "$HULL" rm looked
        "$HULL" rmi "$1"
    fi
    [ "$("$HULL" run --rm box echo sound)" = sound ]
    # Any verb that writes finds what a dead one has left.
    "$HULL" load -q -i "$HULL_BUILD/box/box.tar"
    run find mnt -name '*tmp-*' -not -path '*/tree/*'
    [ -z "$output" ] || { echo "$output"; return 1; }
}

teardown() { ! mountpoint -q "$BATS_TEST_TMPDIR/mnt" || umount "$BATS_TEST_TMPDIR/mnt"; }

@test "at each flush of a commit" {
    # shellcheck disable=SC2016
    run -0 vm -- 'export HULL_NETWORK=none; build/src/cli/hull run --name changed box sh -c "seq 20000 >/f"'
    at_each_flush mine:1 "$(seq 20000 | cksum)" '$hull commit changed mine:1'
}

@test "at each flush of a pull of two layers" {
    run -0 vm -- 'HULL_NETWORK=none build/src/cli/hull run --rm box true'
    # shellcheck disable=SC2016
    at_each_flush "" "$(seq 20000 | cksum)" 'cat >serve.py <<P
import sys, time
sys.path.insert(0, "test/lib")
import registry
fake = registry.Fake()
fake.add(registry.Image([registry.make_layer({"f": b"".join(b"%d\n" % i for i in range(1, 20001))}), registry.make_layer({"g": registry.noise(300000)})]))
print(fake.host + "/x:latest", flush=True)
time.sleep(1000)
P
        python3 serve.py >host & until [ -s host ]; do sleep 0.1; done; cat host; $hull pull -q $(cat host) >/dev/null'
}
