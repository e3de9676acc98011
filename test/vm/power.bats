#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The power goes while hull writes: after the next boot the store is used as it is, nothing is half there, and what was told to be done is.

bats_require_minimum_version 1.5.0
RUN="$BATS_TEST_DIRNAME/run"
BATS_TEST_TIMEOUT=900

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
