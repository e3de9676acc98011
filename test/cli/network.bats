#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks, published ports and the firewall: from the host, a neighbour and other containers.
# machines: native v2

: "${BATS_TEST_TIMEOUT:=300}" # a hundred containers, a thousand starts, on a machine that others use
load ../lib/network

setup_file() { network_setup; }
teardown_file() { network_teardown; }
setup() { network_or_skip; }
teardown() { network_clean; }

# The first test here, as nothing has made the network yet.
@test "prune with a filter that nobody knows, and no network there" {
    [ -z "$(hull network ls -q --filter type=custom)" ]
    refuses 125 'filter.*dangling' network prune -f --filter colour=red
    refuses 125 'whenever' network prune -f --filter until=whenever
}

@test "run: the default network is made on the way, and that is not told when the program fails" {
    attempt run --rm box sh -c 'exit 3'
    [ "$status $output$stderr" = '3 ' ]
}

@test "network create, ls, inspect, rm: docker's words" {
    run -0 hull network create --subnet 10.89.1.0/24 --ip-range 10.89.1.128/25 --gateway 10.89.1.9 --aux-address printer=10.89.1.200 --label a=b one
    [[ $output =~ ^[0-9a-f]{64}$ ]]
    run -0 hull network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
    [[ $output == *"bridge bridge local"*"host host local"*"none null local"*"one bridge local"* ]]
    run -0 hull network ls -q --filter label=a=b --no-trunc
    [ "$output" = "$(hull network inspect -f '{{.Id}}' one)" ]
    run -0 hull network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{.IPRange}}{{end}}' one
    [ "$output" = "10.89.1.0/24 10.89.1.9 10.89.1.128/25" ]
    run -0 hull network rm "$(hull network inspect -f '{{.Id}}' one | head -c 12)"
    refuses 1 'one' network inspect one
}

@test "network ls and prune: filters; of one key any matches, of labels all; until; what is used or built in stays" {
    local id
    hull network create --label tier=front --label team=red fone
    hull network create --label tier=back --label team=red ftwo
    id=$(hull network create -d macvlan -o parent=wan0 --subnet 10.89.50.0/24 fthree)
    names() { hull network ls --format '{{.Name}}' "$@" | tr '\n' ' '; }
    [ "$(names --filter name=fo)" = "fone " ]
    [ "$(names --filter name=fone --filter name=ftwo)" = "fone ftwo " ]
    [ "$(names --filter label=team=red)" = "fone ftwo " ]
    [ "$(names --filter label=team=red --filter label=tier=back)" = "ftwo " ]
    [ "$(names --filter label=tier --filter name=two)" = "ftwo " ]
    [ "$(names --filter driver=macvlan)" = "fthree " ]
    [ "$(names --filter driver=null --filter driver=host)" = "host none " ]
    [ "$(names --filter "id=${id:0:12}")" = "fthree " ]
    [ "$(names --filter type=builtin)" = "bridge host none " ]
    [[ $(names --filter type=custom) == *"fone fthree ftwo "* && $(names --filter type=custom) != *bridge* ]]
    [ "$(names --filter scope=swarm)" = "" ]
    hull run -d --name user --network fone box sleep 1000
    [[ $(names --filter dangling=true) == *"fthree ftwo "* && $(names --filter dangling=true) != *fone* ]]
    [[ $(names --filter dangling=false) == *"fone "* && $(names --filter dangling=false) != *ftwo* ]]
    refuses 125 'filter.*dangling' network ls --filter colour=red
    refuses 125 'type' network ls --filter type=own
    refuses 125 'whenever' network prune -f --filter until=whenever
    run -0 hull network prune -f --filter until=1h
    [ -z "$output" ]
    run -0 hull network prune -f --filter label!=team
    [[ $output == *fthree* && $output != *fone* && $output != *ftwo* ]]
    run -0 hull network prune -f --filter label=team=red --filter label=tier=front
    [ -z "$output" ]
    run -0 hull network prune -f --filter label=team=red
    [[ $output == *ftwo* && $output != *fone* ]]
    [[ $(names) == *fone* && $(names) != *ftwo* && $(names) == *bridge* ]]
}

@test "network create: bad input is one line" {
    for net in 0.0.0.0/0 0.0.0.0/8 127.3.0.0/16 224.0.0.0/24 255.255.255.0/24; do refuses 125 "no machine's" network create --subnet $net three; done
    for net in ::/0 ::/120 fe80::/64 ff05::/64; do refuses 125 "no machine's" network create --ipv6 --subnet $net three; done
    hull network create --subnet 10.89.2.0/24 two
    refuses 1 'already exists' network create two
    refuses 1 'overlap' network create --subnet 10.89.2.128/25 three
    refuses 125 'gateway' network create --subnet 10.89.3.0/24 --gateway 10.89.4.1 three
    refuses 125 'ip-range|subnet' network create --subnet 10.89.3.0/24 --ip-range 10.89.4.0/25 three
    refuses 125 '10.89.3.0/24' network create --subnet 10.89.3.5/24 three
    refuses 125 'gateway 10.89.3.1 and 10.89.3.2' network create --subnet 10.89.3.0/24 --gateway 10.89.3.1 --gateway 10.89.3.2 three
    refuses 125 'range.*one subnet' network create --subnet 10.89.3.0/24 --ip-range 10.89.3.8/29 --ip-range 10.89.3.16/29 three
    refuses 1 'x=10.89.3.5 is the gateway' network create --subnet 10.89.3.0/24 --gateway 10.89.3.5 --aux-address x=10.89.3.5 three
    refuses 1 'x=10.89.3.1 is the gateway' network create --subnet 10.89.3.0/24 --aux-address x=10.89.3.1 three
    refuses 125 'driver' network create -d carrier-pigeon three
    for driver in host null none; do refuses 1 'only one network' network create -d $driver three; done
    refuses 125 'option' network create -o color=red three
    for flag in --config-only --config-from=x --ingress; do refuses 125 'swarm' network create $flag three; done
    refuses 125 'ipv6' network create --subnet fd00:1::/64 three
    refuses 125 'ipv4.*rubbish' network create --ipv4=rubbish three
    refuses 125 'name' network create 'a/b'
    refuses 1 'predefined|pre-defined' network create host
    refuses 1 'pre-defined' network rm bridge
    refuses 1 'not found' network rm nowhere
}

@test "subnets are chosen out of the way of the host's routes; one that is said and overlaps is told" {
    in_host ip route add blackhole 172.16.0.0/12
    in_host ip route add blackhole 192.168.0.0/18
    in_host ip route add blackhole 192.168.80.0/24
    for want in 192.168.64.0/20 192.168.96.0/20; do
        hull network create "chosen-${want%%/*}" 2>"$HULL_DIR/err"
        [ ! -s "$HULL_DIR/err" ]
        [ "$(hull network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' "chosen-${want%%/*}")" = "$want" ]
    done
    hull network create --subnet 192.168.5.0/24 said 2>"$HULL_DIR/err"
    grep -q '192.168.5.0/24 overlaps.*192.168.0.0/18' "$HULL_DIR/err"
    [ "$(wc -l <"$HULL_DIR/err")" = 1 ]
    hull network create --subnet 10.89.26.0/24 free 2>"$HULL_DIR/err"
    [ ! -s "$HULL_DIR/err" ]
    in_host ip route flush type blackhole
}

@test "another firewall that drops or rejects what containers send is told when the bridge is made, with what helps" {
    need_nft
    need_cmd nft
    in_host nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }
        add chain inet firewalld zones; add rule inet firewalld filter_FORWARD jump zones; add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited'
    hull network create walled >/dev/null
    device="hl-$(hull network inspect -f '{{slice .Id 0 12}}' walled)"
    run -0 hull run --rm --network walled box true
    [[ $output == *"warning: network walled: firewalld rejects what containers send: firewall-cmd --permanent --zone=trusted --add-interface=$device, then"* ]]
    in_host nft "add rule inet firewalld zones iifname \"${device%?}\" accept"
    in_host ip link del "$device"
    run -0 hull run --rm --network walled box true
    [[ $output == *firewalld* ]]
    in_host nft "add rule inet firewalld zones iifname \"$device\" accept"
    in_host ip link del "$device"
    run -0 hull run --rm --network walled box true
    [[ $output != *warning* ]]
    in_host nft 'add table ip other; add chain ip other pass { type filter hook forward priority 0; policy drop; }'
    in_host ip link del "$device"
    run -0 hull run --rm --network walled box true
    [[ $output == *"warning: network walled: the chain ip other pass drops what it does not know"*"of the interface $device there"* ]]
    hull run -d --name within --network walled box sleep 1000
    run -0 hull network reload
    [[ $output == *"warning: network walled: the chain ip other pass drops"* ]]
    # The advice.
    in_host nft "add rule ip other pass iifname \"$device\" accept; add rule ip other pass oifname \"$device\" accept"
    run -0 hull network reload
    [ -z "$output" ]
    hull rm -f within
    in_host ip link del "$device"
    run -0 hull run --rm --network walled box true
    [[ $output != *warning* ]]
    in_host nft 'delete table inet firewalld; delete table ip other'
    hull network rm walled >/dev/null
}

@test "run: eth0 of the default network, its name in /etc/hosts, the host and what is beyond it answer" {
    need_nft
    run -0 hull run --rm box sh -c 'ip -4 -o addr show eth0; cat /etc/hosts; hostname; ping -c 1 -W 10 198.51.100.1; ping -c 1 -W 10 198.51.100.2'
    [[ $output == *172.17.0.2* ]]
    [[ $output == *"2 packets"* || $output == *"1 packets received"* ]]
    run -0 hull run --rm --hostname me box ping -c 1 -W 10 me
}

@test "the container's address is the host's outside" {
    need_nft
    command -v python3 >/dev/null || skip "needs python3"
    in_wan python3 -c '
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("198.51.100.1", 7000))
s.listen()
s.settimeout(60)
print("ready", flush=True)
print(s.accept()[1][0], flush=True)' >"$HULL_DIR/seen" 3>&- &
    local pid=$!
    wait_until 30 grep -q ready "$HULL_DIR/seen"
    hull run --rm box nc -w 10 198.51.100.1 7000 </dev/null
    wait $pid
    [ "$(tail -n 1 "$HULL_DIR/seen")" = 198.51.100.2 ]
}

@test "-p: from the host, from 127.0.0.1 and ::1, from a neighbour, from another container, from itself" {
    need_nft
    serves web -p 8080:80
    local six=
    [ ! -e /proc/sys/net/ipv6 ] || six=1
    for at in 127.0.0.1 198.51.100.2 ${six:+'[::1]' '[2001:db8::2]'}; do
        [ "$(in_host "$HULL_FETCH" "http://$at:8080/name")" = "$(hull exec web hostname)" ]
    done
    for at in 198.51.100.2 ${six:+'[2001:db8::2]'}; do
        [ "$(in_wan "$HULL_FETCH" "http://$at:8080/name")" = "$(hull exec web hostname)" ]
    done
    run -0 hull run --rm --init box timeout 20 wget -q -O - http://172.17.0.1:8080/name
    run -0 hull exec web timeout 20 wget -q -O - http://172.17.0.1:8080/name
    run -0 hull port web
    [ "$output" = "80/tcp -> 0.0.0.0:8080${six:+$'\n'80/tcp -> [::]:8080}" ]
    run -0 hull ps --format '{{.Ports}}'
    [ "$output" = "0.0.0.0:8080->80/tcp${six:+, [::]:8080->80/tcp}" ]
    run -0 hull inspect -f '{{json .NetworkSettings.Ports}}' web
    [ "$output" = '{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}'"${six:+,{\"HostIp\":\"::\",\"HostPort\":\"8080\"\}}]}" ]
    hull rm -f web
    for at in 127.0.0.1 '[::1]'; do run ! in_host "$HULL_FETCH" "http://$at:8080/name"; done
}

@test "-p 127.0.0.1:, and ports that are not published: a neighbour does not reach them" {
    need_nft
    serves web -p 127.0.0.1:8081:80
    [ -n "$(in_host "$HULL_FETCH" http://127.0.0.1:8081/name)" ]
    # By the host's address, by 127.0.0.1 over the wire, and by the container's own address.
    in_wan ip route add 172.17.0.0/16 via 198.51.100.2
    run ! in_wan "$HULL_FETCH" http://198.51.100.2:8081/name
    run ! in_wan "$HULL_FETCH" "http://$(ip_of web)/name"
    in_wan sysctl -q -w net.ipv4.conf.all.route_localnet=1
    in_wan ip addr del 127.0.0.1/8 dev lo
    in_wan ip route add 127.0.0.1/32 via 198.51.100.2 src 198.51.100.1
    run ! in_wan "$HULL_FETCH" http://127.0.0.1:8081/name
    in_wan ip route del 127.0.0.1/32
    in_wan ip addr add 127.0.0.1/8 dev lo
    in_wan ip route del 172.17.0.0/16
    # Nor a container the host's own loopback.
    run ! hull exec web timeout 1 wget -q -O - http://172.17.0.1:8081/name
}

@test "-p: ranges, ephemeral ports, udp, and conflicts before anything runs" {
    need_nft
    hull run -d --name many -p 127.0.0.1:9000-9004:90-94/udp -p 80 -p 7000-7005:81 box sleep 1000
    run -0 hull port many
    [ "$(grep -vc '\[::\]' <<<"$output")" = 7 ]
    # No address was said: the same number in both families.
    [[ ! -e /proc/sys/net/ipv6 || $(hull port many 80) =~ ^0\.0\.0\.0:([0-9]+)$'\n'\[::\]:([0-9]+)$ && ${BASH_REMATCH[1]} = "${BASH_REMATCH[2]}" ]]
    run -0 hull port many 94/udp
    [ "$output" = 127.0.0.1:9004 ]
    run -0 hull port many 80
    [[ ${lines[0]} =~ ^0.0.0.0:[0-9]+$ ]]
    refuses 125 '9002.*already allocated' run --name late -p 127.0.0.1:9002:1/udp box true
    status_is late created
    # A choice of ports: the first that is free.
    run -0 hull run --rm -p 7000-7005:81 box true
    refuses 1 'no public port' port many 5555
}

@test "-p: of a choice of ports one that is free at 0.0.0.0 and [::]" {
    need_cmd python3
    [ -e /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
    in_host python3 -c '
import socket, time
four, six = socket.socket(), socket.socket(socket.AF_INET6)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
four.bind(("0.0.0.0", 7011))
six.bind(("::", 7010))
print("ready", flush=True)
time.sleep(100)' >"$HULL_DIR/ready" 3>&- &
    echo $! >"$HULL_DIR/server.pid"
    wait_until 30 grep -q ready "$HULL_DIR/ready"
    hull run -d --name chooses -p 7010-7012:80 box sleep 1000
    [ "$(hull port chooses)" = $'80/tcp -> 0.0.0.0:7012\n80/tcp -> [::]:7012' ]
    refuses 125 'already allocated' run --rm -p 7010-7012:80 box true
}

@test "-p: what cannot be is one line" {
    for bad in 70000:80 80:70000 80:80:80:80 x:80 80:x 0 80-70:80-70 80-81:80-82 80:80/icmp 1.2.3.4.5:80:80 ::1:80:80; do
        refuses 125 'invalid -p' run --rm -p "$bad" box true
    done
    refuses 125 'no such address' run --rm -p 203.0.113.7:80:80 box true
    refuses 125 '-p.*--network host' run --rm --network host -p 80:80 box true
}

@test "a program of the host has the port: told before anything runs" {
    command -v python3 >/dev/null || skip "needs python3"
    in_host python3 -c '
import socket, time
s = socket.socket()
s.bind(("0.0.0.0", 8083))
s.listen()
print("ready", flush=True)
time.sleep(100)' >"$HULL_DIR/ready" 3>&- &
    echo $! >"$HULL_DIR/server.pid"
    wait_until 30 grep -q ready "$HULL_DIR/ready"
    refuses 125 '8083.*already allocated' run --rm -p 8083:80 box true
}

@test "networks are kept apart; internal has no way out; icc=false keeps containers apart" {
    need_nft
    hull network create alpha
    hull network create beta
    hull network create --internal inner
    hull network create -o com.docker.network.bridge.enable_icc=false shy
    serves in-alpha --network alpha
    serves in-inner --network inner
    serves in-shy --network shy
    run -0 hull run --rm --init --network alpha box timeout 20 wget -q -O - "http://$(ip_of in-alpha alpha)/name"
    run ! hull run --rm --init --network beta box timeout 1 wget -q -O - "http://$(ip_of in-alpha alpha)/name"
    run -0 hull run --rm --init --network inner box timeout 20 wget -q -O - "http://$(ip_of in-inner inner)/name"
    run ! hull run --rm --network inner box ping -c 1 -W 1 198.51.100.1
    run ! hull run --rm --init --network shy box timeout 1 wget -q -O - "http://$(ip_of in-shy shy)/name"
    run -0 hull run --rm --network shy box ping -c 1 -W 20 198.51.100.1
    refuses 1 'active endpoints.*in-alpha' network rm alpha
}

@test "--network: several, with addresses, aliases, a MAC address, names of interfaces" {
    hull network create --subnet 10.89.5.0/24 five
    hull network create --subnet 10.89.6.0/24 six
    hull run -d --name both --network name=five,ip=10.89.5.77,mac-address=02:11:22:33:44:55,interface-name=net0 --network name=six,alias=other,gw-priority=5 \
        box sleep 1000
    run -0 hull exec both sh -c 'ip -o addr; ip route; cat /sys/class/net/net0/address'
    [[ $output == *"net0"*10.89.5.77* ]]
    [[ $output == *eth1*10.89.6.2* ]]
    [[ $output == *"default via 10.89.6.1"* ]]
    [[ $output == *02:11:22:33:44:55* ]]
    refuses 125 '10.89.5.77.*in use' run --rm --network five --ip 10.89.5.77 box true
    refuses 125 '10.89.7.1.*subnet' run --rm --network five --ip 10.89.7.1 box true
    refuses 125 'gateway' run --rm --network five --ip 10.89.5.1 box true
    run -0 hull inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}} {{end}}' both
    [ "$output" = "five=10.89.5.77 six=10.89.6.2 " ]
    hull stop -t 0 both
    hull start both
    [ "$(ip_of both six)" = 10.89.6.2 ]
    # A restart keeps what was chosen, also when another is free.
    hull run -d --name next --network six box sleep 1000
    [ "$(ip_of next six)" = 10.89.6.3 ]
    hull rm -f both
    hull restart -t 0 next
    [ "$(ip_of next six)" = 10.89.6.3 ]
}

@test "publish=proxy: by the monitor, under the host's rules for what comes in; loopback only, and a network that says nat" {
    need_nft
    need_cmd nft
    hull network create -o publish=proxy relayed
    refuses 125 'publish' network create -o publish=pigeon other
    serves web --network relayed -p 8087:80 -p 127.0.0.1:8088:80
    for url in http://127.0.0.1:8087/name http://198.51.100.2:8087/name http://127.0.0.1:8088/name; do
        [ "$(in_host "$HULL_FETCH" "$url")" = "$(hull exec web hostname)" ]
    done
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8087/name)" = "$(hull exec web hostname)" ]
    run ! in_wan "$HULL_FETCH" http://198.51.100.2:8088/name
    run -0 hull run --rm --init box timeout 20 wget -q -O - http://172.17.0.1:8087/name
    in_host nft add table inet admin
    in_host nft add chain inet admin input '{ type filter hook input priority 0; }'
    in_host nft add rule inet admin input iifname wan0 tcp dport 8087 drop
    run ! in_wan "$HULL_FETCH" http://198.51.100.2:8087/name
    in_host nft delete table inet admin
    refuses 125 'sctp' run --rm --network relayed -p 8089:80/sctp box true
    run -0 in_host nft list map inet hull any4
    [[ $output != *8087* ]]
    # For all networks, unless one says otherwise.
    echo '{"publish": "proxy"}' >"$HULL_DIR/settings.json"
    export HULL_CONFIG=$HULL_DIR/settings.json
    hull network create -o publish=nat direct
    hull run -d --name one -p 8090:80 box sleep 1000
    hull run -d --name two --network direct -p 8091:80 box sleep 1000
    run -0 in_host nft list map inet hull any4
    [[ $output != *8090* && $output == *8091* ]]
    echo '{"publish": "pigeon"}' >"$HULL_CONFIG"
    refuses 125 'publish.*pigeon' run --rm box true
    unset HULL_CONFIG
}

@test "--link-local-ip, --mac-address: on the interface, at the start and when it connects" {
    hull network create local
    hull network create later
    hull run -d --name near --network name=local,link-local-ip=169.254.7.7,link-local-ip=fe80::77 box sleep 1000
    hull network connect --link-local-ip 169.254.8.8 --mac-address 02:11:22:33:44:66 later near
    [ "$(hull exec near cat /sys/class/net/eth1/address)" = 02:11:22:33:44:66 ]
    [ "$(hull inspect -f '{{(index .NetworkSettings.Networks "later").MacAddress}}' near)" = 02:11:22:33:44:66 ]
    refuses 125 'mac-address.*rubbish' network connect --mac-address rubbish bridge near
    run -0 hull exec near ip -o addr
    [[ $output == *eth0*169.254.7.7/16* && $output == *eth0*fe80::77/64* && $output == *eth1*169.254.8.8/16* ]]
    run -0 hull inspect -f '{{json (index .NetworkSettings.Networks "local").IPAMConfig}}' near
    [ "$output" = '{"LinkLocalIPs":["169.254.7.7","fe80::77"]}' ]
    hull stop -t 0 near
    hull start near
    run -0 hull exec near ip -o addr
    [[ $output == *169.254.7.7/16* && $output == *169.254.8.8/16* ]]
    [ "$(hull exec near cat /sys/class/net/eth1/address)" = 02:11:22:33:44:66 ]
    refuses 125 'link-local-ip.*10.0.0.1' run --rm --link-local-ip 10.0.0.1 box true
}

@test "macvlan: on the wire of its parent, with the neighbour; ipvlan, or this kernel has none; what is wrong is one line" {
    in_host ip link add hull-try link wan0 type macvlan 2>/dev/null || skip "this kernel has no macvlan"
    in_host ip link del hull-try
    hull network create -d macvlan -o parent=wan0 --subnet 198.51.100.0/24 --ip-range 198.51.100.64/26 --gateway 198.51.100.1 wire
    hull run -d --name on-wire --network wire box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p 80 -h /www'
    [ "$(ip_of on-wire wire)" = 198.51.100.64 ]
    wait_until 30 in_wan "$HULL_FETCH" http://198.51.100.64/name
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.64/name)" = "$(hull exec on-wire hostname)" ]
    run -0 hull exec on-wire ping -c 1 -W 20 198.51.100.1
    hull run -d --name on-both --network wire --network bridge box sleep 1000
    run -0 hull exec on-both sh -c 'ping -c 1 -W 20 198.51.100.64 && ping -c 1 -W 20 172.17.0.1'
    run -0 hull network disconnect bridge on-both
    run -0 hull exec on-both ping -c 1 -W 20 198.51.100.1
    hull network create -d macvlan -o parent=nowhere0 --subnet 10.89.9.0/24 lost
    refuses 125 'nowhere0' run --rm --network lost box true
    refuses 125 'mode.*passthru' network create -d macvlan -o parent=wan0 -o macvlan_mode=sideways bad
    refuses 125 'mode.*passthru' network create -d macvlan -o parent=wan0 -o macvlan_mode=l2 bad
    refuses 125 'mode.*l3s' network create -d ipvlan -o parent=wan0 -o mode=bridge bad
    refuses 125 'ipvlan_flag' network create -d ipvlan -o parent=wan0 -o ipvlan_flag=l2 bad
    for driver in macvlan ipvlan; do refuses 125 "$driver.*parent" network create -d $driver --subnet 10.89.24.0/24 bad; done
    # A parent has the ones or the others.
    hull rm -f on-wire on-both
    hull network rm wire
    hull network create -d ipvlan -o parent=wan0 --subnet 198.51.100.0/24 --ip-range 198.51.100.128/26 --gateway 198.51.100.1 vlan
    refuses 125 'ipvlan.*MAC' run --rm --network vlan --mac-address 02:00:00:00:00:09 box true
    if in_host ip link add hull-try link wan0 type ipvlan 2>/dev/null; then
        in_host ip link del hull-try
        run -0 hull run --rm --network vlan box sh -c 'ip addr show eth0; ping -c 1 -W 20 198.51.100.1'
        [[ $output == *198.51.100.128/24* ]]
        hull network create -d ipvlan -o parent=wan0 -o ipvlan_flag=private --subnet 10.89.25.0/24 alone
        hull run -d --name alone --network alone box sleep 1000
        run -0 nsenter --net="/proc/$(hull inspect -f '{{.State.Pid}}' alone)/ns/net" ip -d link show eth0
        [[ $output == *private* ]]
        # The interface has its parent's, the endpoint none.
        [ -z "$(hull inspect -f '{{.NetworkSettings.Networks.alone.MacAddress}}' alone)" ]
    else
        refuses 125 'no ipvlan' run --rm --network vlan box true
    fi
}

@test "sctp, and a foreign table that drops: the one in the map, the other told" {
    need_nft
    need_cmd nft
    hull run -d --name signals -p 127.0.0.1:8092:9/sctp box sleep 1000
    run -0 in_host nft list map inet hull at4
    [[ $output == *"127.0.0.1 . sctp . 8092 : 172.17.0.2 . 9"* ]]
    # Whether or not this kernel has SCTP itself, two cannot have a port.
    refuses 125 '8092/sctp: port is already allocated' run --rm -p 127.0.0.1:8092:10/sctp box true
    refuses 125 '8092/sctp: port is already allocated' run --rm -p 8092:10/sctp box true
    run -0 in_host nft list map inet hull at4
    [[ $output == *"127.0.0.1 . sctp . 8092 : 172.17.0.2 . 9"* ]]
    hull run --rm -p 198.51.100.2:8092:10/sctp -p 8092:10/udp box true
    hull update --publish-rm 8092:9/sctp signals
    hull run --rm -p 8092:10/sctp -p 11/sctp -p 12/sctp box true
    in_host nft add table ip foreign
    in_host nft add chain ip foreign passing '{ type filter hook forward priority 0; policy drop; }'
    hull network create told
    hull run --rm --network told box true 2>"$HULL_DIR/err"
    in_host nft delete table ip foreign
    [ "$(wc -l <"$HULL_DIR/err")" = 1 ]
    grep -q 'ip foreign passing.*hl-' "$HULL_DIR/err"
}

@test "a hundred containers on one network: each has an address and all names resolve" {
    local i n=${HULL_TEST_STARTS:-100}
    hull network create town
    for i in $(seq "$n"); do
        hull run -d --name "house$i" --network town box sleep 1000 >/dev/null
    done
    run -0 hull network inspect -f '{{range .Containers}}{{println .IPv4Address}}{{end}}' town
    [ "$(sort -u <<<"$output" | grep -c /)" = "$n" ]
    run -0 hull exec house9 sh -c 'for i in $(seq "$1"); do nslookup house$i >/dev/null 2>&1 || echo "no house$i"; done' sh "$n"
    [ -z "$output" ]
}

starts() {
    local i
    for i in $(seq "$2"); do
        in_host "$HULL" run --rm --name "quick$1-$i" --network quick box nslookup "quick$1-$i" >"$HULL_DIR/out$1" 2>&1 || {
            echo "quick$1-$i: $(cat "$HULL_DIR/out$1")"
            return 1
        }
    done
}

@test "a name resolves before the first process runs: each of a thousand starts" {
    local side pids=()
    hull network create quick
    for side in 1 2 3 4; do
        starts $side $((${HULL_TEST_STARTS:-1000} / 4)) >"$HULL_DIR/missed$side" 3>&- &
        pids+=($!)
    done
    for side in "${pids[@]}"; do wait "$side" || cat "$HULL_DIR"/missed*; done
    cat "$HULL_DIR"/missed* >"$HULL_DIR/missed"
    [ ! -s "$HULL_DIR/missed" ]
}

@test "kill -9 in the middle of connect, disconnect and rm: the next ones work and nothing is left over" {
    need_nft
    need_cmd nft
    local i pid
    hull network create shaky
    for i in 1 2 3 4 5 6; do
        hull run -d --name victim -p 8093:80 box sleep 1000
        for step in "connect shaky" "disconnect bridge" "connect bridge" "disconnect shaky"; do
            # shellcheck disable=SC2086
            nsenter --net="$HULL_NET" "$HULL" network $step victim >/dev/null 2>&1 3>&- &
            pid=$!
            sleep 0.00$i
            kill -9 $pid 2>/dev/null || true
            wait $pid || true
        done
        nsenter --net="$HULL_NET" "$HULL" rm -f victim >/dev/null 2>&1 3>&- &
        pid=$!
        sleep 0.0$i
        kill -9 $pid 2>/dev/null || true
        wait $pid || true
        hull rm -f victim >/dev/null 2>&1 || true
        refute_container victim
    done
    run -0 hull run --rm -p 8093:80 --network shaky box true
    run -0 hull network inspect -f '{{len .Containers}}' bridge shaky
    [ "$output" = $'0\n0' ]
    run -0 in_host nft list map inet hull any4
    [[ $output != *8093* ]]
    wait_until 30 no_ports
}

# No bridge of the host has a container's interface.
no_ports() {
    [ -z "$(in_host ip -o link show type veth | grep -v wan0)" ]
}

@test "IPv6: a private prefix, published on [::], and from a neighbour" {
    need_nft
    [ -e /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
    hull network create --ipv6 dual
    run -0 hull network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}' dual
    [[ $output == *fd*::/64* ]]
    hull run -d --name six --network dual -p 8084:80 box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p [::]:80 -h /www'
    wait_until 30 in_wan "$HULL_FETCH" 'http://[2001:db8::2]:8084/name'
    [ "$(in_wan "$HULL_FETCH" 'http://198.51.100.2:8084/name')" = "$(hull exec six hostname)" ]
    run -0 hull port six
    [ "${#lines[@]}" = 2 ]
    run -0 hull exec six ping -c 1 -W 20 2001:db8::1
    # The bridge can ask for neighbours from its first moment on: its own link-local address has to wait.
    hull network create --ipv6 prompt
    hull run --rm --network prompt box true
    in_host ip -6 -o addr show dev "hl-$(hull network inspect -f '{{slice .Id 0 12}}' prompt)" -tentative | grep 'fe80::1/64'
}

@test "IPv6: a static address, networks apart, itself by its own port, ports at an address" {
    need_nft
    [ -e /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
    local page='mkdir /www; hostname >/www/name; exec httpd -f -p [::]:80 -h /www'
    hull network create --subnet 10.89.51.0/24 --ipv6 --subnet fd00:51::/64 left6
    hull network create --subnet 10.89.52.0/24 --ipv6 --subnet fd00:52::/64 right6
    hull run -d --name lefty --network name=left6,ip6=fd00:51::33 -p 8107:80 -p '[2001:db8::2]:8108:80' box sh -c "$page"
    wait_until 30 in_host "$HULL_FETCH" 'http://[2001:db8::2]:8107/name'
    [ "$(hull inspect -f '{{.NetworkSettings.Networks.left6.GlobalIPv6Address}}' lefty)" = fd00:51::33 ]
    refuses 125 'fd00:51::33.*in use' run --rm --network name=left6,ip6=fd00:51::33 box true
    refuses 125 'fd00:99::1.*not in the subnet' run --rm --network name=left6,ip6=fd00:99::1 box true
    refuses 125 'IPv6' run --rm --ip6 fd00:51::34 box true
    hull run --rm --network left6 box ping -c 1 -W 20 fd00:51::33
    # Another network does not reach it but by what is published.
    run ! hull run --rm --init --network right6 box timeout 1 wget -q -O - 'http://[fd00:51::33]/name'
    run ! in_wan "$HULL_FETCH" 'http://[fd00:51::33]/name'
    for from in right6 left6; do
        [ "$(hull run --rm --init --network $from box timeout 20 wget -q -O - 'http://[2001:db8::2]:8107/name')" = "$(hull exec lefty hostname)" ]
    done
    [ "$(hull exec lefty timeout 20 wget -q -O - 'http://[2001:db8::2]:8107/name')" = "$(hull exec lefty hostname)" ]
    [ "$(hull exec lefty timeout 20 wget -q -O - 'http://[2001:db8::2]:8108/name')" = "$(hull exec lefty hostname)" ]
    [ "$(in_wan "$HULL_FETCH" 'http://[2001:db8::2]:8108/name')" = "$(hull exec lefty hostname)" ]
    run ! in_host "$HULL_FETCH" 'http://[fd00:52::1]:8108/name'
    hull restart -t 0 lefty
    [ "$(hull inspect -f '{{.NetworkSettings.Networks.left6.GlobalIPv6Address}}' lefty)" = fd00:51::33 ]
}

@test "-p [::]: and [::1]: lead to a container that has only IPv4, TCP and UDP" {
    need_nft
    [ -e /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
    need_cmd python3
    serves web -p '[::]:8095:80' -p '[::1]:8096:80' -p '[::]:8095:90/udp'
    for from in "in_host ::1 8095" "in_host ::1 8096" "in_host 2001:db8::2 8095" "in_wan 2001:db8::2 8095"; do
        set -- $from
        [ "$($1 "$HULL_FETCH" "http://[$2]:$3/name")" = "$(hull exec web hostname)" ]
    done
    run ! in_wan "$HULL_FETCH" 'http://[2001:db8::2]:8096/name'
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8095/name
    run -0 hull port web
    [[ $output == *"80/tcp -> [::]:8095"*"80/tcp -> [::1]:8096"* ]]
    nsenter --net="/proc/$(hull inspect -f '{{.State.Pid}}' web)/ns/net" python3 -c '
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("0.0.0.0", 90))
print("ready", flush=True)
for _ in range(100):
    data, who = u.recvfrom(100)
    u.sendto(data.upper(), who)' >"$HULL_DIR/ready6" 3>&- &
    echo $! >"$HULL_DIR/server.pid"
    wait_until 30 grep -q ready "$HULL_DIR/ready6"
    run -0 in_wan python3 -c '
import socket
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.settimeout(30)
u.connect(("2001:db8::2", 8095))
u.send(b"hello")
print(u.recv(100).decode())'
    [ "$output" = HELLO ]
    hull update --publish-rm '[::1]:8096:80' --publish-add '[::1]:8097:80' web
    [ "$(in_host "$HULL_FETCH" 'http://[::1]:8097/name')" = "$(hull exec web hostname)" ]
    # Also where it has IPv6 itself: ::1 is nobody's source on a bridge.
    hull network create --ipv6 both6
    hull run -d --name own6 --network both6 -p 8098:80 -p '[::1]:8099:80' box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p [::]:80 -h /www'
    wait_until 30 in_host "$HULL_FETCH" 'http://[2001:db8::2]:8098/name'
    for port in 8098 8099; do [ "$(in_host "$HULL_FETCH" "http://[::1]:$port/name")" = "$(hull exec own6 hostname)" ]; done
}

@test "what the monitor raises for published ports is not the container's when it is started again" {
    need_nft
    (ulimit -Sn 1000 && hull run -d --restart on-failure:1 --name again -p 8080:80 box sh -c 'ulimit -Sn; exit 1')
    wait_until 60 status_is again exited
    [ "$(hull logs again)" = $'1000\n1000' ]
}

@test "what the monitor raises for published ports is not its health check's; what --ulimit says is" {
    need_nft
    (ulimit -Sn 1000 && hull run -d --name hale --health-cmd 'ulimit -Sn >/limit' --health-interval 100ms -p 8080:80 box sleep 1000)
    hull run -d --name said --health-cmd 'ulimit -Sn >/limit' --health-interval 100ms --ulimit nofile=900 -p 8081:80 box sleep 1000
    for name in hale said; do wait_until 60 hull exec "$name" test -s /limit; done
    [ "$(hull exec hale cat /limit) $(hull exec said cat /limit)" = "1000 900" ]
}

@test "where -p publishes when no address is said: the setting holds on every network, a network's own option wins" {
    need_nft
    echo '{"ip": "127.0.0.1"}' >"$HULL_DIR/settings.json"
    export HULL_CONFIG=$HULL_DIR/settings.json
    hull network create plain
    hull network create -o com.docker.network.bridge.host_binding_ipv4=198.51.100.2 said
    serves one -p 8100:80
    serves two --network plain -p 8101:80
    hull run -d --name three --network said -p 8102:80 box sleep 1000
    hull run -d --name four -p 0.0.0.0:8103:80 box sleep 1000
    [ "$(hull port one)" = "80/tcp -> 127.0.0.1:8100" ]
    [ "$(hull port two)" = "80/tcp -> 127.0.0.1:8101" ]
    [ "$(hull port three)" = "80/tcp -> 198.51.100.2:8102" ]
    [ "$(hull port four)" = "80/tcp -> 0.0.0.0:8103" ]
    [ "$(in_host "$HULL_FETCH" http://127.0.0.1:8101/name)" = "$(hull exec two hostname)" ]
    for port in 8100 8101; do run ! in_wan "$HULL_FETCH" "http://198.51.100.2:$port/name"; done
    [ -e /proc/sys/net/ipv6 ] || return 0
    hull network create --ipv6 --ipv4=false sixth
    hull run -d --name five --network sixth -p 8104:80 box sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p [::]:80 -h /www'
    [ "$(hull port five)" = "80/tcp -> 127.0.0.1:8104" ]
    wait_until 30 in_host "$HULL_FETCH" http://127.0.0.1:8104/name
    run ! in_wan "$HULL_FETCH" 'http://[2001:db8::2]:8104/name'
    unset HULL_CONFIG
}

@test "com.docker.network.bridge.name: a bridge of the user's own is used, and stays; one that hull made goes with its network" {
    need_nft
    need_cmd nft
    in_host ip link add owned type bridge
    in_host ip link set owned up
    # A name as hull's own bridges have them makes it no bridge of hull's.
    in_host ip link add hl-mine type bridge
    in_host ip addr add 192.0.2.1/24 dev hl-mine
    for name in owned made-here hl-mine; do
        local net=10.89.$((20 + ${#name}))
        hull network create --subnet $net.0/24 -o com.docker.network.bridge.name=$name "on-$name"
        serves web --network "on-$name" -p 8105:80
        hull exec web ping -c 1 -W 20 $net.1
        hull exec web ping -c 1 -W 20 198.51.100.1
        [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8105/name)" = "$(hull exec web hostname)" ]
        run -0 in_host nft list set inet hull bridges
        [[ $output == *"\"$name\""* ]]
        hull rm -f web
        hull network rm "on-$name"
    done
    run ! in_host ip link show made-here
    # The gateway's address went with the network, where the kernel keeps whose it is; what the user gave stays.
    for name in owned hl-mine; do
        run -0 in_host ip -o addr show dev "$name"
        [[ $(uname -r) == [34].* || $output != *10.89.* ]]
        [[ $name != hl-mine || $output == *192.0.2.1/24* ]]
        in_host ip link del "$name"
    done
    # No address for the host.
    hull network create --subnet 10.89.23.0/24 -o com.docker.network.bridge.inhibit_ipv4=true -o com.docker.network.bridge.name=bare0 bare
    hull run -d --network bare box sleep 1000
    run -0 in_host ip -4 -o addr show dev bare0
    [ -z "$output" ]
    # The machine's own way out is not made one.
    hull network create --subnet 10.89.26.0/24 -o com.docker.network.bridge.name=wan0 wrong
    refuses 125 'no bridge' run --rm --network wrong box true
    run -0 in_host ip -4 -o addr show dev wan0
    [[ $output != *10.89.26* ]]
}

@test "mtu, and an address range: on the interface" {
    hull network create -o mtu=1400 --subnet 10.89.20.0/24 --ip-range 10.89.20.64/26 --aux-address printer=10.89.20.64 narrow
    run -0 hull run --rm --network narrow box sh -c 'cat /sys/class/net/eth0/mtu; ip -4 -o addr show eth0'
    [[ $output == 1400*10.89.20.66/24* ]]
    refuses 125 'printer|reserved' run --rm --network narrow --ip 10.89.20.64 box true
    refuses 125 'mtu' network create -o mtu=17 tight
    refuses 125 'kept apart' network create -o isolate=false open
    refuses 125 'gateway' network create --subnet 10.89.21.0/24 --gateway 10.89.21.0 odd
    refuses 125 'gateway' network create --subnet 10.89.21.0/24 --gateway 10.89.21.255 odd
}

@test "kill -9 of the monitor while its container is connected to a network: nothing is left over" {
    need_nft
    local i pid monitor
    hull network create unsteady
    for i in 1 2 3; do
        hull run -d --name victim -p 8098:80 box sleep 1000
        monitor=$(sed -n 's/.*"MonitorPid":\([0-9]*\).*/\1/p' "$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' victim)/state.json")
        pid=$(hull inspect -f '{{.State.Pid}}' victim)
        nsenter --net="$HULL_NET" "$HULL" network connect unsteady victim >/dev/null 2>&1 3>&- &
        sleep 0.00$i
        kill -9 "$monitor" "$pid" || true
        wait $! || true
        hull rm -f victim
        refute_container victim
    done
    run -0 hull run --rm -p 8098:80 --network unsteady box true
    run -0 hull network inspect -f '{{len .Containers}}' bridge unsteady
    [ "$output" = $'0\n0' ]
    wait_until 30 no_ports
}

@test "an exhausted pool says so, and is free again" {
    hull network create --subnet 10.89.8.0/29 tiny
    for i in 1 2 3 4 5; do hull run -d --name "t$i" --network tiny box sleep 1000 >/dev/null; done
    refuses 125 'tiny.*no address' run --rm --network tiny box true
    hull rm -f t3
    run -0 hull run --rm --network tiny box true
}

@test "the firewall is put back after a flush: by the next command, by reload; the owner's chain stays" {
    need_nft
    need_cmd nft
    serves web -p 8085:80
    in_host nft flush ruleset
    run ! in_host "$HULL_FETCH" http://198.51.100.2:8085/name
    hull run --rm box true
    [ -n "$(in_host "$HULL_FETCH" http://198.51.100.2:8085/name)" ]
    in_host nft flush ruleset
    hull network reload
    [ -n "$(in_wan "$HULL_FETCH" http://198.51.100.2:8085/name)" ]
    for verb in ps "port web" "network ls" "logs web" "inspect web" "exec web true"; do
        in_host nft flush ruleset
        # shellcheck disable=SC2086
        hull $verb
        [ -n "$(in_host "$HULL_FETCH" http://198.51.100.2:8085/name)" ]
    done
    in_host nft insert rule inet hull hull-user tcp dport 80 drop
    run ! in_wan "$HULL_FETCH" http://198.51.100.2:8085/name
    hull network reload
    run -0 in_host nft list chain inet hull hull-user
    [[ $output == *drop* ]]
    in_host nft flush chain inet hull hull-user
    # It is not for the ports alone.
    hull rm -f web
    hull run -d --name plain box sleep 1000
    in_host nft flush ruleset
    hull ps
    hull exec plain ping -c 1 -W 20 198.51.100.1
}

@test "network reload: a bridge that somebody removed is put back" {
    need_nft
    need_cmd nft
    hull network create --subnet 10.89.27.0/24 mended
    serves web --network mended -p 8106:80
    hull run -d --name guest --network mended box sleep 1000
    in_host ip link del "hl-$(hull network inspect -f '{{slice .Id 0 12}}' mended)"
    run ! hull exec guest timeout 1 wget -q -O - "http://$(ip_of web mended)/name"
    hull network reload
    hull exec guest nslookup web
    hull exec guest timeout 20 wget -q -O - "http://$(ip_of web mended)/name"
    hull exec guest ping -c 1 -W 20 198.51.100.1
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8106/name)" = "$(hull exec web hostname)" ]
    # To its own published port.
    hull exec web timeout 20 wget -q -O - http://10.89.27.1:8106/name
    in_host ip link del "hl-$(hull network inspect -f '{{slice .Id 0 12}}' mended)"
    hull run --rm --network mended box ping -c 1 -W 20 guest
}

@test "rules that a container flushed lead to its resolver again, each time, without a command" {
    need_nft
    need_cmd nft
    local guest
    hull network create led
    hull run -d --name target --network led box sleep 1000
    hull run -d --name guest --network led box sleep 1000
    guest=/proc/$(hull inspect -f '{{.State.Pid}}' guest)/ns/net
    for _ in 1 2 3; do
        nsenter --net="$guest" nft flush ruleset
        wait_until 30 nsenter --net="$guest" nft list chain ip hull-dns output
        wait_until 30 hull exec guest nslookup target
    done
    # Rules of its own stay.
    nsenter --net="$guest" nft add table ip own
    nsenter --net="$guest" nft delete table ip hull-dns
    wait_until 30 hull exec guest nslookup target
    nsenter --net="$guest" nft list table ip own
    # What is put into their table goes: it is not mended again and again.
    nsenter --net="$guest" nft 'add chain ip hull-dns more; add rule ip hull-dns more accept'
    wait_until 30 eval '! nsenter --net="$guest" nft list chain ip hull-dns more 2>/dev/null'
    wait_until 30 hull exec guest nslookup target
}

@test "kill -9 of the monitor: address and port are free for the next" {
    need_nft
    serves web --ip 172.17.0.55 -p 8086:80
    local monitor
    monitor=$(sed -n 's/.*"MonitorPid":\([0-9]*\).*/\1/p' "$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' web)/state.json")
    kill -9 "$monitor"
    kill -9 "$(hull inspect -f '{{.State.Pid}}' web)"
    wait_until 30 status_is web exited
    serves next --ip 172.17.0.55 -p 8086:80
    [ "$(in_host "$HULL_FETCH" http://127.0.0.1:8086/name)" = "$(hull exec next hostname)" ]
    run -0 hull network inspect -f '{{len .Containers}}' bridge
    [ "$output" = 1 ]
}

@test "the end of a container waits for no interface to be taken away: that is left to the end of its namespace" {
    need_cmd strace
    hull run --rm box true
    in_host strace -f -e trace=sendto,sendmsg -o "$HULL_DIR/sent" "$HULL" run --rm --network bridge -p 8110:80 box true
    grep -q RTM_SETLINK "$HULL_DIR/sent"
    run ! grep RTM_DELLINK "$HULL_DIR/sent"
    wait_until 30 in_host sh -c '[ -z "$(ip -o link show type veth | grep master)" ]'
}

@test "ten at once get ten addresses" {
    local i pids=()
    hull network create crowd
    for i in 1 2 3 4 5 6 7 8 9 10; do
        hull run -d --name "crowd$i" --network crowd box sleep 1000 >/dev/null 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i"; done
    run -0 hull network inspect -f '{{range .Containers}}{{println .IPv4Address}}{{end}}' crowd
    [ "$(sort -u <<<"$output" | grep -c /)" = 10 ]
}
