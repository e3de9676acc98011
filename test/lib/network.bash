# SPDX-License-Identifier: Apache-2.0
# network.bash: what test/cli's files about networks load. The host is a network namespace of the file's own, so bridges, rules and
# ports of the machine stay as they are:
#
#   wan ("a neighbour", 198.51.100.1) --- host (198.51.100.2, hull's bridges) --- containers
#
#   load ../lib/network
#   setup_file() { network_setup; }
#   teardown_file() { network_teardown; }
#   setup() { network_or_skip; }
#   teardown() { network_clean; }

load ../lib/hull

network_setup() {
    hull_setup
    unset HULL_NETWORK
    network_place
}

# The two namespaces, below $HULL_DIR.
network_place() {
    export HULL_NET=$HULL_DIR/host.net WAN=$HULL_DIR/wan.net
    network_missing >"$HULL_DIR/missing" || return 0
    in_host ip link set lo up
    in_wan ip link set lo up
    in_host ip link add wan0 type veth peer name lan0 netns "$WAN"
    in_host ip addr add 198.51.100.2/24 dev wan0
    in_host ip -6 addr add 2001:db8::2/64 dev wan0 nodad
    in_host ip link set wan0 up
    in_wan ip addr add 198.51.100.1/24 dev lan0
    in_wan ip -6 addr add 2001:db8::1/64 dev lan0 nodad
    in_wan ip link set lan0 up
    in_host ip route add default via 198.51.100.1
    export HULL_FETCH=$HULL_DIR/fetch
    printf '#!/bin/sh\nexec curl -s -f -g --noproxy "*" --max-time 2 "$1"\n' >"$HULL_FETCH"
    chmod +x "$HULL_FETCH"
}

network_teardown() {
    network_clean
    umount -l "$HULL_DIR"/*.net 2>/dev/null || true
    rm -f "$HULL_DIR"/*.net
    hull_teardown
}

network_or_skip() {
    [ ! -s "$HULL_DIR/missing" ] || skip "$(cat "$HULL_DIR/missing")"
}

network_clean() {
    local all
    [ ! -e "$HULL_DIR/server.pid" ] || kill "$(cat "$HULL_DIR/server.pid")" 2>/dev/null || true
    rm -f "$HULL_DIR/server.pid"
    all=$(hull ps -aq)
    # shellcheck disable=SC2086
    [ -z "$all" ] || hull rm -f $all >/dev/null || true
    hull network prune -f >/dev/null || true
}

# Why this machine cannot run these; makes the two namespaces.
network_missing() {
    [ "$(id -u)" = 0 ] || { echo "needs root"; return 1; }
    for c in ip nsenter curl; do command -v $c >/dev/null || { echo "needs the command $c"; return 1; }; done
    for f in "$HULL_NET" "$WAN"; do
        : >"$f"
        unshare --net="$f" true 2>/dev/null || { echo "this machine makes no network namespaces"; return 1; }
    done
    in_host ip link add hull-try type bridge 2>/dev/null && in_host ip link del hull-try || { echo "this kernel has no bridges"; return 1; }
    in_host ip link add hull-try type veth 2>/dev/null && in_host ip link del hull-try || { echo "this kernel has no veth"; return 1; }
}

in_host() {
    nsenter --net="$HULL_NET" "$@"
}

in_wan() {
    nsenter --net="$WAN" "$@"
}

hull() {
    if [ -e "${HULL_NET-}" ]; then in_host "$HULL" "$@"; else "$HULL" "$@"; fi
}

need_nft() {
    hull network reload 2>/dev/null || skip "this kernel has no nf_tables"
}

# A server that says its container's name. serves NAME [OPTION...]
serves() {
    local name=$1
    shift
    hull run -d --name "$name" "$@" box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p 80 -h /www' >/dev/null
    wait_until 30 hull exec "$name" wget -q -O - http://127.0.0.1/name
}

ip_of() {
    hull inspect -f "{{(index .NetworkSettings.Networks \"${2:-bridge}\").IPAddress}}" "$1"
}
