#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# update --publish-add, --publish-rm: ports of a container that is there, running or not.

: "${BATS_TEST_TIMEOUT:=300}" # many containers, on a machine that others use
load ../lib/network

setup_file() { network_setup; }
teardown_file() { network_teardown; }
setup() { network_or_skip; }
teardown() { network_clean; }

fetch() { in_host "$HULL_FETCH" "http://$1/name"; }

# What port says without the lines of IPv6, of which network.bats knows more.
port4() { hull port "$@" | grep -v '\[::\]'; }

bindings() { hull inspect -f '{{json .HostConfig.PortBindings}}' "$1"; }

@test "a running container's ports come and go, for the host, a neighbour and itself; port, ps and inspect say so" {
    need_nft
    serves web
    run -0 hull update --publish-add 8080:80 web
    [ "$output" = web ]
    [ "$(fetch 127.0.0.1:8080)" = "$(hull exec web hostname)" ]
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8080/name)" = "$(hull exec web hostname)" ]
    run -0 hull exec web timeout 20 wget -q -O - http://172.17.0.1:8080/name
    [ "$(port4 web)" = "80/tcp -> 0.0.0.0:8080" ]
    run -0 hull ps --format '{{.Ports}}'
    [[ $output == "0.0.0.0:8080->80/tcp"* ]]
    [[ $(hull inspect -f '{{json .NetworkSettings.Ports}}' web) == '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}'* ]]
    [ "$(bindings web)" = '{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}' ]
    # Nobody else gets it, and what is taken it does not get; nothing changes then.
    refuses 125 '8080.*already allocated' run --rm -p 8080:80 box true
    refuses 1 '8080' update --publish-add 8081:80 --publish-add 8080:81 web
    [ "$(port4 web)" = "80/tcp -> 0.0.0.0:8080" ]
    hull run --rm -p 8081:80 box true
    # The number leads to another port in one go.
    hull exec -d web httpd -f -p 81 -h /www
    wait_until 30 hull exec web wget -q -O - http://127.0.0.1:81/name
    hull update --publish-rm 8080:80 --publish-add 8080:81 web
    [ "$(fetch 127.0.0.1:8080)" = "$(hull exec web hostname)" ]
    [ "$(port4 web)" = "81/tcp -> 0.0.0.0:8080" ]
    hull update --publish-rm 81 web
    run ! fetch 127.0.0.1:8080
    [ -z "$(hull port web)" ]
    [ "$(bindings web)" = '{}' ]
    hull run --rm -p 8080:80 box true
    run -0 in_host nft list map inet hull any4
    [[ $output != *8080* ]]
}

@test "when what should come cannot, what went is back" {
    need_nft
    serves one -p 8082:80
    hull run -d --name two -p 8083:80 box sleep 1000
    refuses 1 '8083.*already allocated' update --publish-rm 8082:80 --publish-add 8083:80 one
    [ "$(fetch 127.0.0.1:8082)" = "$(hull exec one hostname)" ]
    [ "$(port4 one)" = "80/tcp -> 0.0.0.0:8082" ]
    refuses 125 '8082.*already allocated' run --rm -p 8082:80 box true
    # Nor can that be put back: it is said, and the next command tries again.
    inject=$HULL_BUILD/test/fault/inject
    [ -x "$inject" ] && "$inject" -o /dev/null -- true || skip "test/fault/inject cannot be had here"
    try() { run in_host "$inject" -o report "$@" -- "$HULL" update --publish-rm 8082:80 --publish-add 8083:80 one; }
    try
    [ "$status" = 1 ]
    n=$(awk '$2 == "0" { for (i = 4; i <= NF; i++) if ($i !~ /!/) { n++; if ($i ~ /^bind/) last = n } print last }' report)
    try -p 0 -n "$n" -E
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *"not all of it could be undone ("*"8083/tcp: port is already allocated" ]]
    run ! fetch 127.0.0.1:8082
    [ "$(port4 one)" = "80/tcp -> 0.0.0.0:8082" ]
    [ "$(fetch 127.0.0.1:8082)" = "$(hull exec one hostname)" ]
}

@test "an update that is interrupted is whole" {
    need_nft
    hull run -d --name cut --memory 64m -p 8084:80 box sleep 1000
    config=$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' cut)/config.json
    exec 8<"$HULL_ROOT/networks/lock"
    flock 8
    nsenter --net="$HULL_NET" "$HULL" update --memory 128m --publish-rm 8084:80 cut >/dev/null 2>&1 3>&- 8<&- &
    pid=$!
    # It has that, and waits for the networks.
    wait_until 10 grep -qs '"Memory":134217728' "$config" || { exec 8<&-; false; }
    kill -TERM $pid
    exec 8<&-
    code=0
    wait $pid || code=$?
    [ $code = 143 ]
    [ -z "$(hull port cut)" ]
    [ "$(hull inspect -f '{{json .HostConfig.PortBindings}}' cut)" = '{}' ]
    hull rm -f cut
}

@test "ranges, a part of one, ephemeral ports, what -P published, udp; all of it after a restart" {
    need_nft
    hull run -d --name many --expose 90 --expose 91 -P box sleep 1000
    hull update --publish-add 127.0.0.1:9000-9004:80-84 --publish-add 85/udp many
    run -0 port4 many
    [ "${#lines[@]}" = 8 ]
    hull update --publish-rm 9002:82 --publish-rm 90 many
    run -0 port4 many
    [ "${#lines[@]}" = 6 ]
    [[ $output != *9002* && $output != *90/tcp* && $output == *"91/tcp -> "* && $output == *"85/udp -> "* ]]
    hull run --rm -p 127.0.0.1:9002:82 box true
    hull restart -t 0 many
    run -0 port4 many
    [ "${#lines[@]}" = 6 ]
    [[ $output == *"81/tcp -> 127.0.0.1:9001"*"83/tcp -> 127.0.0.1:9003"* && $output != *9002* && $output != *90/tcp* ]]
}

@test "a range of thousands: one element each, in one go; in the middle of it, at its ends, and gone with the container" {
    need_nft
    need_cmd nft
    hull run -d --name wide -p 20000-24095:20000-24095 box sh -c 'mkdir /www; hostname >/www/name; httpd -p 24095 -h /www; exec httpd -f -p 20000 -h /www'
    wait_until 30 hull exec wide wget -q -O - http://127.0.0.1:20000/name
    for port in 20000 24095; do [ "$(fetch "127.0.0.1:$port")" = "$(hull exec wide hostname)" ]; done
    [ "$(in_host nft list map inet hull any4 | grep -o 'tcp \. 2[0-4][0-9]* :' | wc -l)" = 4096 ]
    [ "$(hull ps --format '{{.Ports}}')" = "0.0.0.0:20000-24095->20000-24095/tcp" ]
    refuses 125 '22000/tcp.*already allocated' run --rm -p 22000:80 box true
    refuses 125 '24090/tcp.*already allocated' run --rm -p 24090-24100:80-90 box true
    # What it had taken of that range is free.
    hull run --rm -p 24096-24100:80-84 box true
    hull update --publish-rm 21000-21999:21000-21999 wide
    [ "$(in_host nft list map inet hull any4 | grep -o 'tcp \. 2[0-4][0-9]* :' | wc -l)" = 3096 ]
    hull run --rm -p 21500:80 box true
    [ "$(hull ps --format '{{.Ports}}')" = "0.0.0.0:20000-20999->20000-20999/tcp, 0.0.0.0:22000-24095->22000-24095/tcp" ]
    hull rm -f wide
    run -0 in_host nft list map inet hull any4
    [[ $output != *"tcp . 2"* ]]
    # More in all than the monitor would serve at ::1, though none of the ranges is.
    hull network create --ipv6 both
    ranges=()
    for i in 1 2 3 4 5 6 7 8 9; do ranges+=(-p "[::]:2${i}000-2${i}999:2${i}000-2${i}999"); done
    hull run --rm --network both "${ranges[@]}" box true
}

@test "one that does not run has it in its record, and at its next start" {
    need_nft
    hull create --name later -p 8084:80 box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p 80 -h /www' >/dev/null
    hull update --publish-add 8085:80 --publish-rm 8084:80 later
    [ "$(bindings later)" = '{"80/tcp":[{"HostIp":"","HostPort":"8085"}]}' ]
    refuses 1 '8085.*already' update --publish-add 8085:81 later
    hull start later
    wait_until 30 fetch 127.0.0.1:8085
    [ "$(port4 later)" = "80/tcp -> 0.0.0.0:8085" ]
}

@test "publish=proxy: the monitor serves what comes, also the first" {
    need_nft
    hull network create -o publish=proxy relayed
    serves web --network relayed
    hull update --publish-add 8086:80 web
    [ "$(fetch 127.0.0.1:8086)" = "$(hull exec web hostname)" ]
    hull update --publish-add 127.0.0.1:8087:80 web
    hull update --publish-rm 8086:80 web
    [ "$(fetch 127.0.0.1:8087)" = "$(hull exec web hostname)" ]
    run ! fetch 127.0.0.1:8086
    hull run --rm -p 8086:80 box true
    refuses 1 'sctp' update --publish-add 8088:80/sctp web
    [ "$(hull port web)" = "80/tcp -> 127.0.0.1:8087" ]
    hull port --all | grep -qxF "$(hull inspect -f '{{.Id}}' web | cut -c1-12)"$'\t'"80/tcp -> 127.0.0.1:8087"
}

# A fetch gives up after two seconds, which are few on a machine that others use.
leads_once() { [ "$(fetch "$2")" = "$(hull exec "$1" hostname)" ]; }
leads_to_at() { wait_until 30 leads_once "$1" "$2"; }
leads_to() { leads_to_at "$1" "127.0.0.1:$2"; }

@test "network connect and disconnect: what is published moves to a network that is left, goes with the last, comes with the next" {
    need_nft
    need_cmd nft
    hull network create --subnet 10.89.31.0/24 first
    hull network create --subnet 10.89.32.0/24 second
    hull network create --subnet 10.89.33.0/24 --internal inner
    hull network create --subnet 10.89.34.0/24 -o publish=proxy served
    serves moves --network first -p 8101:80 --expose 81 -P
    local chosen
    chosen=$(hull port moves 81)
    hull network connect second moves
    run -0 in_host nft list map inet hull any4
    [[ $output == *"tcp . 8101 : 10.89.31.2 . 80"* ]]
    hull network disconnect first moves
    run -0 in_host nft list map inet hull any4
    [[ $output == *"tcp . 8101 : 10.89.32.2 . 80"* && $output != *10.89.31* ]]
    leads_to moves 8101
    [ "$(hull port moves 81)" = "$chosen" ]
    hull network connect inner moves
    hull network disconnect second moves
    [ -z "$(hull port moves)" ]
    [[ $(hull ps --format '{{.Ports}}' --filter name=moves) != *8101* ]]
    [[ $(hull inspect -f '{{json .NetworkSettings.Ports}}' moves) != *8101* ]]
    run ! fetch 127.0.0.1:8101
    # Nobody has it: the next one can, and then this one cannot.
    hull run -d --name takes -p 8101:80 box sleep 1000
    refuses 1 '8101.*already allocated' network connect first moves
    run -0 hull inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}' moves
    [ "$output" = "inner " ]
    hull rm -f takes
    # Served by the monitor, then by the packet filter, and back.
    hull network connect served moves
    leads_to moves 8101
    [[ $(hull port moves 80) == *8101 ]]
    hull network connect first moves
    hull network disconnect served moves
    leads_to moves 8101
    run -0 in_host nft list map inet hull any4
    [[ $output == *"tcp . 8101 : 10.89.31.2 . 80"* ]]
    hull network connect --gw-priority 5 served moves
    run -0 hull exec moves ip route
    [[ $output == *"default via 10.89.34.1"* ]]
    run -0 in_host nft list map inet hull any4
    [[ $output != *8101* ]]
    leads_to moves 8101
    hull network connect --gw-priority 3 second moves
    hull network disconnect served moves
    run -0 hull exec moves ip route
    [[ $output == *"default via 10.89.32.1"* ]]
    leads_to moves 8101
    hull restart -t 0 moves
    run -0 hull exec moves ip route
    [[ $output == *"default via 10.89.32.1"* ]]
}

@test "network connect and disconnect: where no address was said [::] is the monitor's, and the packet filter's as long as there is IPv6" {
    need_nft
    need_cmd nft
    [ -e /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
    hull network create --subnet 10.89.36.0/24 four
    hull network create --subnet 10.89.37.0/24 --ipv6 --subnet fd00:37::/64 both
    hull run -d --name twice --network four -p 8109:80 -p 127.0.0.1:8110:80 -p 8111:9/sctp box \
        sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p [::]:80 -h /www'
    wait_until 30 hull exec twice wget -q -O - http://127.0.0.1/name
    local before after
    before=$(hull port twice)
    [[ $before == *"80/tcp -> [::]:8109"* && $before != *"[::]:811"* ]]
    leads_to_at twice '[::1]:8109'
    leads_to_at twice '[2001:db8::2]:8109'
    hull network connect both twice
    run -0 in_host nft list map inet hull any6
    [[ $output == *"tcp . 8109"* ]]
    after=$(hull port twice)
    [[ $after == *"80/tcp -> [::]:8109"*"9/sctp -> [::]:8111"* && $after != *"[::]:8110"* ]]
    for host in 127.0.0.1 198.51.100.2 '[::1]' '[2001:db8::2]'; do leads_to_at twice "$host:8109"; done
    hull network disconnect four twice
    [ "$(hull port twice | sort)" = "$(sort <<<"$after")" ]
    for host in 127.0.0.1 198.51.100.2 '[::1]' '[2001:db8::2]'; do leads_to_at twice "$host:8109"; done
    hull network connect four twice
    hull network disconnect both twice
    [ "$(hull port twice | sort)" = "$(sort <<<"$before")" ]
    leads_to_at twice 127.0.0.1:8109
    leads_to_at twice 127.0.0.1:8110
    leads_to_at twice '[2001:db8::2]:8109'
    run -0 in_host nft list map inet hull any6
    [[ $output != *8109* ]]
}

@test "network connect: what was published and can neither come along nor be put back is told" {
    need_nft
    inject=$HULL_BUILD/test/fault/inject
    [ -x "$inject" ] && "$inject" -o /dev/null -- true || skip "test/fault/inject cannot be had here"
    hull network create there
    hull run -d --name loses -p 8112:80 box sleep 1000
    try() { run in_host "$inject" -o report "$@" -- "$HULL" network connect --gw-priority 9 there loses; }
    # From the second time on it is the same each time.
    hull network connect there loses
    hull network disconnect there loses
    try
    [ "$status" = 0 ]
    n=$(awk '$1 == "process" && $2 == "0" { for (i = 4; i <= NF; i++) if ($i !~ /!/) { n++; if ($i ~ /^bind/) { before = last; last = n } } print before ? before : last }' report)
    hull network disconnect there loses
    try -p 0 -n "$n" -E
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *"not all of it could be undone ("* ]]
    [ -z "$(hull port loses)" ]
    hull restart -t 0 loses
    [ "$(port4 loses)" = "80/tcp -> 0.0.0.0:8112" ]
}

@test "network connect of one that began without a network: its ports come, and end with it" {
    need_nft
    need_cmd nft
    hull network create --subnet 10.89.35.0/24 late
    serves bare --network none -p 8102:80
    hull network connect --ip 10.89.35.9 late bare
    leads_to bare 8102
    hull stop -t 0 bare
    run -0 in_host nft list map inet hull any4
    [[ $output != *8102* ]]
    run -0 hull run --rm --network late --ip 10.89.35.9 -p 8102:80 box true
}

@test "what it has published is put back after a flush" {
    need_nft
    need_cmd nft
    serves web
    in_host nft flush ruleset
    hull update --publish-add 8088:80 web
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8088/name)" = "$(hull exec web hostname)" ]
    in_host nft flush ruleset
    hull network reload
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8088/name)" = "$(hull exec web hostname)" ]
}

@test "what cannot be is one line" {
    hull run -d --name plain box sleep 1000
    hull run -d --name host --network host box sleep 1000
    refuses 125 'invalid --publish-add "80:80:80:80"' update --publish-add 80:80:80:80 plain
    refuses 125 'invalid --publish-rm "70000:80"' update --publish-rm 70000:80 plain
    refuses 1 'port 80/tcp is not published' update --publish-rm 80 plain
    refuses 1 'port 80/udp is not published at port 8080' update --publish-rm 8080:80/udp plain
    refuses 1 'network is host' update --publish-add 8080:80 host
    refuses 1 'no such container' update --publish-add 8080:80 nobody
    refuses 1 'no such address' update --publish-add 203.0.113.7:80:80 plain
}
