#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Other firewalls of the same machine: docker's rules, ufw, firewalld. Published ports work beside them, what they do to containers is
# told to the user once a bridge is made, and hull's table and theirs stay as they are.
# machines: peers

load ../../lib/hull

setup_file() {
    [ "$(cat /proc/sys/kernel/hostname)" = hullvm ] || skip "changes the machine's own firewall: for test/vm alone"
    ip netns add wan
    hull_setup
    unset HULL_NETWORK
    ip link add wan0 type veth peer name lan0 netns wan
    ip addr add 198.51.100.2/24 dev wan0
    ip link set wan0 up
    ip route add default via 198.51.100.1
    for command in 'addr add 198.51.100.1/24 dev lan0' 'link set lan0 up' 'link set lo up'; do
        # shellcheck disable=SC2086
        ip -n wan $command
    done
    printf 'import socket, sys\ns = socket.create_connection((sys.argv[1], 8080), 60)\ns.sendall(b"GET /name HTTP/1.0\\r\\n\\r\\n")
print(s.makefile().read().split()[-1])\n' >"$HULL_DIR/fetch.py"
    printf 'import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(("198.51.100.1", 7000))\ns.listen()\nprint("ready", flush=True)
print(s.accept()[0].makefile().read(), flush=True)\n' >"$HULL_DIR/hear.py"
}

teardown_file() {
    ip netns del wan 2>/dev/null || true
    ip link del wan0 2>/dev/null || true
    hull_teardown
}

teardown() {
    hull rm -f web out >/dev/null 2>&1 || true
    hull network prune -f >/dev/null
    systemctl stop firewalld 2>/dev/null || true
    for table in 'ip filter' 'ip6 filter' 'ip nat'; do
        # shellcheck disable=SC2086
        nft delete table $table 2>/dev/null || true
    done
}

# A server that says its container's name, for the host and for a neighbour.
serve() {
    hull run -d --name web --hostname the-server -p 8080:80 box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p 80 -h /www' >/dev/null
    wait_until 30 hull exec web wget -q -O - http://127.0.0.1/name
}

is_served() {
    [ "$(timeout 120 python3 "$HULL_DIR/fetch.py" 127.0.0.1)" = the-server ] || { echo "not to the host"; return 1; }
    [ "$(timeout 120 ip netns exec wan python3 "$HULL_DIR/fetch.py" 198.51.100.2)" = the-server ] || { echo "not to a neighbour"; return 1; }
}

# From a container of that network outwards, by TCP.
gets_out() {
    ip netns exec wan python3 "$HULL_DIR/hear.py" >"$HULL_DIR/heard" 2>&1 3>&- &
    local pid=$!
    wait_until 30 grep -q ready "$HULL_DIR/heard"
    hull run --rm --network "$1" box sh -c 'echo hello | nc -w 20 198.51.100.1 7000'
    kill $pid 2>/dev/null || true
    wait $pid || true
    grep -q hello "$HULL_DIR/heard"
}

device_of() {
    ip -br link show type bridge | cut -d' ' -f1 | grep -F "$(hull network inspect -f '{{slice .Id 0 12}}' "$1")"
}

@test "ufw: its drop policy is told with the interface; what the user allows works" {
    serve
    is_served
    ufw --force enable
    hull network create walled >/dev/null
    run -0 hull run --rm --network walled box true
    [[ $output == *"warning: network walled: the chain ip filter FORWARD drops"*"of the interface $(device_of walled) there"* ]]
    [ "$(timeout 120 python3 "$HULL_DIR/fetch.py" 127.0.0.1)" = the-server ]
    run ! gets_out walled
    ufw route allow in on "$(device_of walled)"
    gets_out walled
    ufw route allow proto tcp from any to any port 80
    is_served
    # Both reload.
    hull network reload
    ufw reload
    is_served
    nft list tables | grep -qx 'table inet hull'
    ufw --force disable
    is_served
}

@test "firewalld: what it rejects is told with the command that helps, and is not told any more after it; its reload leaves hull's table" {
    systemctl unmask firewalld
    timeout 600 systemctl start firewalld
    wait_until 60 sh -c 'nft list table inet firewalld | grep -q "reject with icmpx"'
    serve
    is_served
    hull network create walled >/dev/null
    run -0 hull run --rm --network walled box true
    device=$(device_of walled)
    echo "$output"
    [[ $output == *"warning: network walled: firewalld rejects what containers send: firewall-cmd --permanent --zone=trusted --add-interface=$device"* ]]
    run ! gets_out walled
    firewall-offline-cmd --zone=trusted --add-interface="$device"
    firewall-cmd --reload || true # it has 25 seconds for an answer, which comes later here
    wait_until 60 sh -c "nft list table inet firewalld | grep -q $device"
    is_served
    gets_out walled
    ip link del "$device"
    run -0 hull run --rm --network walled box true
    [[ $output != *firewalld* ]]
    systemctl stop firewalld
    is_served
}

@test "docker's rules: hull's ports beside them; its drop policy is told; neither table is touched" {
    iptables -P FORWARD DROP
    iptables -N DOCKER-USER
    iptables -A FORWARD -j DOCKER-USER
    iptables -t nat -N DOCKER
    iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    before=$(iptables-save | grep -v '^[#:]' | sort)
    serve
    hull network create walled >/dev/null
    run -0 hull run --rm --network walled box true
    [[ $output == *"the chain ip filter FORWARD drops"*"$(device_of walled)"* ]]
    run ! gets_out walled
    iptables -I DOCKER-USER -i "$(device_of walled)" -j ACCEPT
    iptables -I DOCKER-USER -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT
    gets_out walled
    is_served
    iptables -F DOCKER-USER
    hull network reload
    [ "$(iptables-save | grep -v '^[#:]' | sort)" = "$before" ]
}

@test "all rules are flushed by somebody else: the next command has hull's there again" {
    serve
    is_served
    nft flush ruleset
    run ! timeout 20 ip netns exec wan python3 "$HULL_DIR/fetch.py" 198.51.100.2
    hull network reload
    is_served
}
