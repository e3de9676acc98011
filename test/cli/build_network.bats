#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: the network of RUN.

load ../lib/network

setup_file() { network_setup; }
teardown_file() { network_teardown; }
setup() {
    network_or_skip
    mkdir -p "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
}
teardown() { network_clean; }

@test "build: RUN is on the default bridge, as a container is; none and host are as they say" {
    cat >Dockerfile <<'EOT'
FROM box
RUN ip -4 -o addr show eth0 >/default; ip route >>/default
RUN --network=none ip -o link >/none
RUN --network=host ip -o link >/host
EOT
    run -1 hull build -q -t nets .
    [[ $output == *'--network=host has to be allowed: --allow network.host'* ]]
    hull build -q -t nets --allow network.host .
    run -0 hull run --rm nets cat /default
    [[ $output == *172.17.0.2/16* && $output == *'default via 172.17.0.1'* ]]
    run -0 hull run --rm nets cat /none
    [[ $output == *' lo: '* && $output != *eth0* ]]
    run -0 hull run --rm nets cat /host
    [[ $output == *' wan0'* ]]
    printf 'FROM box\nRUN ip -o link >/link\n' >Dockerfile
    hull build -q -t nets --network none .
    run ! hull run --rm nets grep eth0 /link
    run -0 hull network inspect -f '{{len .Containers}}' bridge
    [ "$output" = 0 ]
}

@test "build: an address of RUN is nobody else's, and free when it ends; names of a network resolve" {
    need_nft
    hull network create mine
    serves web --network mine
    cat >Dockerfile <<'EOT'
FROM box
RUN --mount=type=cache,id=meet,target=/m ip -4 -o addr show eth0 | awk '{print $4}' >/m/mine && mv /m/mine /m/here && \
    for i in $(seq 1800); do [ -e /m/go ] && break; sleep 0.1; done; wget -q -O /name http://web/name
EOT
    hull build -q -t named --network mine . >out 2>&1 3>&- &
    local pid=$! dir
    wait_until 30 hull volume inspect build-meet
    dir=$(hull volume inspect -f '{{.Mountpoint}}' build-meet)
    wait_until 30 test -s "$dir/here"
    other=$(hull run --rm --network mine box sh -c "ip -4 -o addr show eth0 | awk '{print \$4}'")
    [[ $other == */16 && $other != "$(cat "$dir/here")" ]]
    touch "$dir/go"
    wait $pid || { cat out; false; }
    [ "$(hull run --rm named cat /name)" = "$(hull exec web hostname)" ]
    run -0 hull network inspect -f '{{len .Containers}}' mine
    [ "$output" = 1 ]
}

@test "build: a RUN that was killed leaves its address to the next" {
    printf 'FROM box\nRUN ip -4 -o addr show eth0 >/a; echo begun; sleep 300\n' >Dockerfile
    nsenter --net="$HULL_NET" "$HULL" build --progress plain . >out 2>&1 3>&- &
    local pid=$!
    wait_until 30 grep -q '^#[0-9]* .* begun' out
    # nsenter is replaced by hull; its worker goes by itself when it is gone.
    kill -9 $pid
    wait $pid || true
    printf 'FROM box\nRUN ip -4 -o addr show eth0 >/a\n' >Dockerfile
    wait_until 30 killed_is_gone
    hull build -q -t again .
    [[ $(hull run --rm again cat /a) == *172.17.0.2/* ]]
}

# The sweep of a build finds its lock free.
killed_is_gone() {
    hull build -q . >/dev/null && [ -z "$(ls "$HULL_ROOT/build/running")" ]
}
