#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# CNI: lists of plugins instead of hull's own bridges: a plugin of the test's own that writes down what it is asked and does what
# $HULL_DIR/plugin/do says, and Debian's.

: "${BATS_TEST_TIMEOUT:=300}" # many containers, on a machine that others use
load ../lib/network

setup_file() {
    network_setup
    mkdir -p "$HULL_DIR/plugin/bin" "$HULL_DIR/plugin/net.d"
    export PLUGIN=$HULL_DIR/plugin HULL_CONFIG=$HULL_DIR/settings.json
    printf '{"cni-bin-dirs": ["%s/bin", "/usr/lib/cni"], "cni-conf-dir": "%s/net.d", "cni-timeout": 60}' "$PLUGIN" "$PLUGIN" >"$HULL_CONFIG"
    # It has no IPAM: the address is the one that $PLUGIN/address says. Its interface is one end of a veth.
    cat >"$PLUGIN/bin/scripted" <<SH
#!/bin/sh
conf=\$(cat)
type=\$(printf %s "\$conf" | jq -r .type)
printf '%s %s %s %s\n' "\$CNI_COMMAND" "\$CNI_IFNAME" "\${CNI_CONTAINERID%"\${CNI_CONTAINERID#????}"}" "\${CNI_NETNS:+there}" >>"$PLUGIN/log"
printf '%s\n' "\$conf" >"$PLUGIN/\$CNI_COMMAND.json"
printf '%s\n' "\$CNI_ARGS" >"$PLUGIN/\$CNI_COMMAND.args"
. "$PLUGIN/do"
case \$CNI_COMMAND in
ADD)
    ip=\$(cat "$PLUGIN/address")
    ip link add "cni\$\$" type veth peer name "\$CNI_IFNAME" netns "\$CNI_NETNS"
    ip link set "cni\$\$" up
    ip addr add 10.77.0.1/16 dev "cni\$\$" 2>/dev/null
    nsenter --net="\$CNI_NETNS" sh -c "ip addr add \$ip/16 dev \$CNI_IFNAME && ip link set \$CNI_IFNAME up" >&2
    mac=\$(nsenter --net="\$CNI_NETNS" sed -n p /sys/class/net/\$CNI_IFNAME/address 2>/dev/null)
    printf '{"cniVersion": "1.0.0", "interfaces": [{"name": "%s", "mac": "02:00:00:00:00:07", "sandbox": "%s"}],
      "ips": [{"address": "%s/16", "gateway": "10.77.0.1", "interface": 0}], "routes": [],
      "dns": {"nameservers": ["10.77.0.53"], "search": ["cluster.local"], "options": ["ndots:5"]}}\n' "\$CNI_IFNAME" "\$CNI_NETNS" "\$ip"
    ;;
esac
SH
    chmod +x "$PLUGIN/bin/scripted"
    printf '{"cniVersion": "1.0.0", "name": "scripts", "plugins": [{"type": "scripted", "color": "red", "capabilities": {"portMappings": true, "mac": true,
        "aliases": true}}]}' >"$PLUGIN/scripts.conflist"
}
teardown_file() { network_teardown; }
setup() {
    network_or_skip
    need_cmd jq
    : >"$PLUGIN/do"
    : >"$PLUGIN/log"
    rm -f "$PLUGIN"/*.json
    echo 10.77.0.7 >"$PLUGIN/address"
}
teardown() { network_clean; }

# Nothing is kept of any endpoint.
nothing_kept() { [ -z "$(ls "$HULL_ROOT/networks/cni" 2>/dev/null)" ]; }

asked() { jq -r "$2" "$PLUGIN/$1.json"; }

@test "a list named by -o conflist: ADD, what it is told, addresses in inspect, names, DEL" {
    hull network create -d cni -o conflist="$PLUGIN/scripts.conflist" foreign
    hull run -d --name web --hostname here --network name=foreign,alias=www -p 127.0.0.1:8080:80 -p 8081:81/udp box sleep 1000
    [ "$(cut -d' ' -f1,2,4 "$PLUGIN/log")" = "ADD eth0 there" ]
    [ "$(asked ADD '.name + " " + .cniVersion + " " + .color + " " + (has("capabilities") | tostring)')" = "scripts 1.0.0 red false" ]
    run -0 asked ADD '.runtimeConfig | tojson'
    [[ $output == *'{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"}'* ]]
    [[ $output == *'{"hostPort":8081,"containerPort":81,"protocol":"udp"}'* && $output == *'"aliases":{"foreign":["www"]}'* ]]
    [[ $output != *dns* ]]
    [ "$(ip_of web foreign)" = 10.77.0.7 ]
    run -0 hull inspect -f '{{with index .NetworkSettings.Networks "foreign"}}{{.Gateway}} {{.IPPrefixLen}} {{.MacAddress}}{{end}}' web
    [ "$output" = "10.77.0.1 16 02:00:00:00:00:07" ]
    run -0 hull network inspect -f '{{.Driver}} {{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' foreign
    [ "$output" = "cni web 10.77.0.7" ]
    [ "$(hull port web)" = $'80/tcp -> 127.0.0.1:8080\n81/udp -> 0.0.0.0:8081' ]
    refuses 125 '8080.*already allocated' run --rm -p 127.0.0.1:8080:80 box true
    run -0 hull exec web cat /etc/hosts /etc/resolv.conf
    [[ $output == *$'10.77.0.7\there'* && $output == *"search cluster.local"* && $output == *"options ndots:5"* ]]
    for name in web www; do
        run -0 hull exec web nslookup $name. # what the list says to search has no server here
        [[ $output == *10.77.0.7* ]]
    done
    # What a plugin cannot, hull does not pretend.
    refuses 1 'publish ports only when a container starts' update --publish-add 8082:82 web
    hull network reload
    [ "$(tail -n 1 "$PLUGIN/log" | cut -d' ' -f1)" = CHECK ]
    [ "$(asked CHECK '.prevResult.ips[0].address')" = 10.77.0.7/16 ]
    hull stop -t 0 web
    [ "$(tail -n 1 "$PLUGIN/log" | cut -d' ' -f1)" = DEL ]
    [ "$(asked DEL '.prevResult.ips[0].address')" = 10.77.0.7/16 ]
    nothing_kept
    hull start web
    [ "$(ip_of web foreign)" = 10.77.0.7 ]
    refuses 1 'active endpoints' network rm foreign
    hull rm -f web
    [ "$(cut -d' ' -f1 "$PLUGIN/log" | tr '\n' ' ')" = "ADD CHECK DEL ADD DEL " ]
    nothing_kept
    hull network rm foreign
}

@test "lists of the folder are networks by their names; with a bridge beside; connect and disconnect" {
    sed 's/"scripts"/"by-name"/' "$PLUGIN/scripts.conflist" >"$PLUGIN/net.d/10-by-name.conflist"
    printf '{"cniVersion": "1.0.0", "name": "single", "type": "scripted"}' >"$PLUGIN/net.d/20-single.conf"
    echo '{"name": "broken"' >"$PLUGIN/net.d/30-broken.conflist"
    run -0 hull network ls --format '{{.Name}} {{.Driver}}'
    [[ $output == *"by-name cni"*"single cni"* && $output != *broken* ]]
    run -0 hull network ls -q --filter name=by-name --no-trunc
    [ "$output" = "$(hull network inspect -f '{{.Id}}' by-name)" ]
    hull run -d --name both --network bridge --network by-name box sleep 1000
    run -0 hull exec both ip -o -4 addr
    [[ $output == *"eth0"*172.17.0.*"eth1"*10.77.0.7/16* ]]
    refuses 1 'by-name is the file .*10-by-name.conflist' network rm by-name
    hull network disconnect by-name both
    [ "$(tail -n 1 "$PLUGIN/log" | cut -d' ' -f1,2,4)" = "DEL eth1 there" ]
    echo 10.77.0.8 >"$PLUGIN/address"
    hull network connect single both
    [ "$(ip_of both single)" = 10.77.0.8 ]
    hull rm -f both
    nothing_kept
    rm "$PLUGIN"/net.d/*
}

@test "network connect of one that has published nothing yet: its ports come with the interface, or neither does" {
    hull network create -d cni -o conflist="$PLUGIN/scripts.conflist" foreign
    hull run -d --name late --network none -p 127.0.0.1:8085:80 box sleep 1000
    [ -z "$(hull port late)" ]
    echo 'case $CNI_COMMAND in ADD) echo "{\"code\": 7, \"msg\": \"not today\"}"; exit 1;; esac' >"$PLUGIN/do"
    refuses 1 'not today' network connect foreign late
    [ -z "$(hull port late)" ]
    hull run --rm -p 127.0.0.1:8085:80 box true
    : >"$PLUGIN/do"
    hull network connect foreign late
    run -0 asked ADD '.runtimeConfig | tojson'
    [[ $output == *'{"hostPort":8085,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"}'* ]]
    [ "$(hull port late)" = "80/tcp -> 127.0.0.1:8085" ]
    refuses 125 '8085.*already allocated' run --rm -p 127.0.0.1:8085:80 box true
    hull network disconnect foreign late
    [ -z "$(hull port late)" ]
    hull run --rm -p 127.0.0.1:8085:80 box true
    hull rm -f late
    nothing_kept
}

@test "a plugin that fails, prints rubbish, hangs or is not there: one line, and nothing is left" {
    hull network create -d cni -o conflist="$PLUGIN/scripts.conflist" foreign
    echo '[ $CNI_COMMAND != ADD ] || { echo "{\"code\": 7, \"msg\": \"no more\", \"details\": \"of them\"}"; exit 1; }' >"$PLUGIN/do"
    refuses 125 'network foreign: CNI plugin scripted: no more: of them' run --rm --network foreign box true
    [ "$(cut -d' ' -f1 "$PLUGIN/log" | tr '\n' ' ')" = "ADD DEL " ]
    echo '[ $CNI_COMMAND != ADD ] || { echo "it broke" >&2; exit 3; }' >"$PLUGIN/do"
    refuses 125 'scripted: status 3: it broke' run --rm --network foreign box true
    echo 'echo "ips: many"; exit 0' >"$PLUGIN/do"
    refuses 125 'scripted: its answer is no result: ips: many' run --rm --network foreign box true
    echo 'exit 0' >"$PLUGIN/do"
    refuses 125 'scripted: its answer is no result: nothing' run --rm --network foreign box true
    echo 'echo "{\"cniVersion\": \"1.0.0\", \"ips\": [{\"address\": \"here\"}]}"; exit 0' >"$PLUGIN/do"
    refuses 125 'an address that is none: here' run --rm --network foreign box true
    echo '[ $CNI_COMMAND != ADD ] || while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done' >"$PLUGIN/do"
    refuses 125 'scripted' run --rm --network foreign box true
    sed 's/"cni-timeout": 60/"cni-timeout": 1/' "$HULL_CONFIG" >"$HULL_DIR/impatient.json"
    echo '[ $CNI_COMMAND != ADD ] || sleep 1000' >"$PLUGIN/do"
    # On a machine that is busy it may be late with DEL too, which is told.
    HULL_CONFIG=$HULL_DIR/impatient.json run ! hull run --rm --network foreign box true
    [[ $output == *"network foreign: CNI plugin scripted: "*"no answer within 1 s"* ]]
    run ! pgrep -f "$PLUGIN/bin/scripted"
    : >"$PLUGIN/do"
    hull network reload # what was late is asked again
    nothing_kept
    sed 's/"scripted"/"nobody"/' "$PLUGIN/scripts.conflist" >"$PLUGIN/nobody.conflist"
    hull network create -d cni -o conflist="$PLUGIN/nobody.conflist" empty
    refuses 125 'CNI plugin nobody is in none of' run --rm --network empty box true
    nothing_kept
}

@test "what a list cannot be, or give, is one line" {
    bad() {
        echo "$2" >"$PLUGIN/bad.conflist"
        refuses "${3:-125}" "$1" network create -d cni -o conflist="$PLUGIN/bad.conflist" bad
    }
    bad 'no "name"' '{"cniVersion": "1.0.0", "plugins": [{"type": "scripted"}]}'
    bad 'cniVersion "9.0.0" is not known' '{"cniVersion": "9.0.0", "name": "x", "plugins": [{"type": "scripted"}]}'
    bad 'no "plugins"' '{"cniVersion": "1.0.0", "name": "x", "plugins": []}'
    bad 'plugin 1 has no "type"' '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "../sh"}]}'
    bad 'bad.conflist' '{"cniVersion":' 1
    refuses 1 'no list of CNI plugins' network create -d cni -o conflist=/nowhere.conflist bad
    refuses 125 'whole path' network create -d cni -o conflist=here.conflist bad
    refuses 125 'needs -o conflist' network create -d cni bad
    refuses 125 'list of plugins says subnets' network create -d cni -o conflist="$PLUGIN/scripts.conflist" --subnet 10.1.0.0/24 bad
    printf '{"cniVersion": "1.0.0", "name": "poor", "plugins": [{"type": "scripted"}]}' >"$PLUGIN/poor.conflist"
    hull network create -d cni -o conflist="$PLUGIN/poor.conflist" poor
    refuses 125 'capability portMappings' run --rm --network poor -p 8083:80 box true
    refuses 125 'capability ips' run --rm --network poor --ip 10.77.0.9 box true
    refuses 125 'capability mac' run --rm --network poor --mac-address 02:11:22:33:44:55 box true
    nothing_kept
}

@test "killed: container, monitor and the command, while a plugin works: DEL comes with the next command" {
    hull network create -d cni -o conflist="$PLUGIN/scripts.conflist" foreign
    hull run -d --name dies --network foreign box sleep 1000
    monitor=$(sed -n 's/.*"MonitorPid":\([0-9]*\).*/\1/p' "$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' dies)/state.json")
    kill -9 "$monitor"
    kill -9 "$(hull inspect -f '{{.State.Pid}}' dies)"
    wait_until 30 status_is dies exited
    hull rm dies
    wait_until 30 grep -q '^DEL' "$PLUGIN/log"
    nothing_kept
    # In the middle of ADD.
    : >"$PLUGIN/log"
    echo '[ $CNI_COMMAND != ADD ] || sleep 1000' >"$PLUGIN/do"
    nsenter --net="$HULL_NET" "$HULL" run -d --name halfway --network foreign box sleep 1000 >/dev/null 2>&1 3>&- &
    local command=$!
    wait_until 30 grep -q '^ADD' "$PLUGIN/log"
    monitor=$(ps -o ppid= -p "$(pgrep -o -f "$PLUGIN/bin/scripted")" | tr -d ' ')
    kill -9 $command "$monitor"
    wait $command || true
    pkill -9 -f "$PLUGIN/bin/scripted" || true
    echo >"$PLUGIN/do"
    wait_until 30 hull rm -f halfway
    wait_until 30 grep -q '^DEL' "$PLUGIN/log"
    nothing_kept
    hull run --rm --network foreign box true
}

@test "Debian's bridge, host-local and portmap: two containers, a published port, an address asked for" {
    need_nft
    [ -x /usr/lib/cni/bridge ] && [ -x /usr/lib/cni/portmap ] || skip "needs Debian's containernetworking-plugins"
    need_cmd iptables
    cat >"$PLUGIN/debian.conflist" <<-JSON
	{"cniVersion": "1.0.0", "name": "debian", "plugins": [
	  {"type": "bridge", "bridge": "cni-hull", "isGateway": true, "ipMasq": true, "capabilities": {"ips": true},
	   "ipam": {"type": "host-local", "dataDir": "$HULL_DIR/host-local", "ranges": [[{"subnet": "10.78.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
	  {"type": "portmap", "capabilities": {"portMappings": true}},
	  {"type": "tuning"}]}
	JSON
    hull network create -d cni -o conflist="$PLUGIN/debian.conflist" debian
    serves web --network debian -p 8084:80
    [[ $(ip_of web debian) == 10.78.0.* ]]
    wait_until 30 in_wan "$HULL_FETCH" http://198.51.100.2:8084/name
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8084/name)" = "$(hull exec web hostname)" ]
    run -0 hull run --rm --init --network debian box timeout 20 wget -q -O - http://web/name
    run -0 hull run --rm --network debian --ip 10.78.0.77 box ip -o -4 addr show eth0
    [[ $output == *10.78.0.77/24* ]]
    run -0 hull run --rm --network debian box ping -c 1 -W 20 198.51.100.1
    hull network reload
    hull rm -f web
    run ! in_wan "$HULL_FETCH" http://198.51.100.2:8084/name
    # The addresses are host-local's again.
    [ -z "$(find "$HULL_DIR/host-local/debian" -name '10.*')" ]
    nothing_kept
}
