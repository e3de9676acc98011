#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# checkpoint and restore by Debian's criu: what runs goes on where it was. What else is asked of criu: test/oci/criu.bats.
# machines: v2

load ../../lib/oci
setup_file() {
    need_root
    need_cmd criu
    criu check >/dev/null 2>&1 || skip "criu does not work with this kernel"
    oci_setup
}
teardown_file() { oci_teardown; }

# What criu says is in its log. usage: by_criu VERB NAME WORDS...
by_criu() {
    local verb=$1 name=$2
    shift 2
    oci "$verb" --image-path "$name.img" "$@" </dev/null >"$OCI_DIR/$name/again" 2>&1 ||
        { cat "$OCI_DIR/$name/again"; grep -E 'Error|Warn' "$name.img/$([ "$verb" = restore ] && echo restore || echo dump).log" | tail -n 20; return 1; }
}

# A container that counts, with a word that only its memory has. usage: start_counting NAME [JQ...]
start_counting() {
    start "$1" '.process.args = ["sh", "-c", "read me </proc/sys/kernel/random/uuid; n=0; while :; do n=$((n + 1)); echo $n $me >/tmp/new; mv /tmp/new /tmp/n; sleep 0.1; done"] |
        .linux.resources = {pids: {limit: 20}}'
    wait_until 30 has_counted "$1" 3
}

count_of() {
    cut -d' ' -f1 "$OCI_DIR/$1/rootfs/tmp/n"
}

word_of() {
    cut -d' ' -f2 "$OCI_DIR/$1/rootfs/tmp/n"
}

has_counted() {
    [ "$(count_of "$1")" -gt "$2" ]
}

@test "a shell goes on counting after checkpoint and restore, in a group with its limits" {
    start_counting one
    by_criu checkpoint one one
    oci_refuses 1 "does not exist" state one
    before=$(count_of one) word=$(word_of one)
    sleep 1
    [ "$(count_of one)" = "$before" ]
    by_criu restore one -d -b "$OCI_DIR/one" one
    oci_is one running
    wait_until 30 has_counted one "$before"
    [ "$(word_of one)" = "$word" ]
    [ "$(oci exec one cat /sys/fs/cgroup/pids.max)" = 20 ]
    oci kill one KILL
    wait_until 30 oci_is one stopped
    oci delete one
}

@test "it goes on when it is left running; the same state again, later" {
    start_counting two
    by_criu checkpoint two --leave-running two
    saved=$(count_of two)
    oci_is two running
    wait_until 30 has_counted two $((saved + 5))
    oci delete -f two
    word=$(word_of two)
    echo 0 none >"$OCI_DIR/two/rootfs/tmp/n"
    by_criu restore two -d -b "$OCI_DIR/two" two
    wait_until 30 has_counted two 0
    [ "$(word_of two)" = "$word" ]
    oci delete -f two
}

@test "memory in two steps: --pre-dump and what has changed since" {
    start_counting three
    oci checkpoint --pre-dump --image-path three.pre three
    oci_is three running
    mkdir three.img
    by_criu checkpoint three --parent-path ../three.pre three
    [ -L three.img/parent ]
    before=$(count_of three) word=$(word_of three)
    by_criu restore three -d -b "$OCI_DIR/three" three
    wait_until 30 has_counted three "$before"
    [ "$(word_of three)" = "$word" ]
    oci delete -f three
}

@test "an engine's container goes on counting, in its network and with its volume" {
    hull_setup
    hull network create counted
    hull run -d --name four --network counted -v kept:/kept --memory 64M box sh -c \
        'read me </proc/sys/kernel/random/uuid; n=0; while :; do n=$((n + 1)); echo $n $me; echo $n >/kept/n; sleep 0.1; done'
    wait_until 60 sh -c "[ \$('$HULL' logs four | wc -l) -gt 3 ]"
    address=$(hull inspect -f '{{.NetworkSettings.Networks.counted.IPAddress}}' four)
    hull checkpoint create four c1
    [ "$(hull inspect -f '{{.State.Status}} {{.State.Checkpointed}}' four)" = "exited true" ]
    before=$(hull logs four | tail -n 1)
    hull start --checkpoint c1 four
    wait_until 60 sh -c "[ \$('$HULL' logs --tail 1 four | cut -d' ' -f1) -gt ${before%% *} ]"
    [ "$(hull logs --tail 2 four | head -n 1 | cut -d' ' -f2)" = "${before##* }" ]
    hull exec four ip -4 address | grep -q "inet $address/"
    wait_until 60 sh -c "[ \$('$HULL' exec four cat /kept/n) -ge ${before%% *} ] 2>/dev/null"
    [ "$(hull exec four cat /sys/fs/cgroup/memory.max)" = 67108864 ]
    hull container checkpoint --leave-running four
    [ "$(hull inspect -f '{{.State.Status}}' four)" = running ]
    hull stop -t 0 four
    hull container restore four
    [ "$(hull inspect -f '{{.State.Status}}' four)" = running ]
    hull rm -f four
    hull network rm counted
    hull volume rm kept
    hull_teardown
}

@test "an engine's container is moved: another name, its files and its volume come along, and it goes on counting" {
    hull_setup
    hull run -d --name five --network none -v moved:/kept --memory 64M box sh -c \
        'read me </proc/sys/kernel/random/uuid; echo $me >/mine; n=0; while :; do n=$((n + 1)); echo $n $me; echo $n >/kept/n; sleep 0.1; done'
    wait_until 60 sh -c "[ \$('$HULL' logs five | wc -l) -gt 3 ]"
    hull container checkpoint --export "$HULL_DIR/five.tar.zst" five
    before=$(hull logs five | tail -n 1)
    hull rm five
    hull volume rm moved
    hull container restore --import "$HULL_DIR/five.tar.zst" --name six
    wait_until 60 sh -c "[ \$('$HULL' logs six | wc -l) -gt 0 ] && [ \$('$HULL' logs --tail 1 six | cut -d' ' -f1) -gt ${before%% *} ]"
    [ "$(hull logs --tail 2 six | head -n 1 | cut -d' ' -f2)" = "${before##* }" ]
    [ "$(hull exec six cat /mine)" = "${before##* }" ]
    # It is written again and again.
    wait_until 60 sh -c "[ \$('$HULL' exec six cat /kept/n) -ge ${before%% *} ] 2>/dev/null"
    [ "$(hull exec six cat /sys/fs/cgroup/memory.max)" = 67108864 ]
    hull rm -f six
    hull volume rm moved
    hull_teardown
}
