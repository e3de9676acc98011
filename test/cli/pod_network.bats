#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods on networks: one address and its names, published ports, the files of /etc; all of it goes with the pod.

: "${BATS_TEST_TIMEOUT:=300}" # many containers, on a machine that others use
load ../lib/network

setup_file() { network_setup; }
teardown_file() { network_teardown; }
setup() { network_or_skip; }
teardown() {
    hull pod rm -fa >/dev/null
    network_clean
}

PAGE='mkdir /www; echo page >/www/name; exec httpd -f -p 80 -h /www'

fetch() { "$HULL_FETCH" "http://$1/name"; }

@test "on a created network every name leads to the pod's address; it is there for later containers, too" {
    hull network create front >/dev/null
    hull pod create --name app --network front --network-alias service >/dev/null
    hull run -d --pod app --name web box sh -c "$PAGE" >/dev/null
    hull run -d --pod app --name db box sleep 1000 >/dev/null
    ip=$(ip_of web front)
    [ "$ip" = "$(ip_of db front)" ]
    [ "$ip" = "$(hull pod inspect -f '{{.NetworkSettings.Networks.front.IPAddress}}' app)" ]
    run -0 hull exec db ip -4 -o addr show eth0
    [[ $output == *" $ip/"* ]]
    for name in web db app service; do
        wait_until 30 hull run --rm --network front box wget -q -O - "http://$name/name"
    done
    # Within: the resolver, the host's name.
    run -0 hull exec db sh -c 'grep -c 127.0.0.11 /etc/resolv.conf; grep -c "^'"$ip"'.app$" /etc/hosts; wget -q -O - http://web/name'
    [ "$output" = $'1\n1\npage' ]
    run -0 hull network inspect -f '{{range .Containers}}{{.Name}} {{end}}' front
    [ "$output" = "app " ]
    refuses 1 'active endpoints' network rm front
    # Another name of one of its containers.
    hull rename db store
    hull run --rm --network front box nslookup store
    run ! hull run --rm --network front box nslookup db
    hull rename store db
    # Who is gone has no name any more; the pod has.
    hull rm -f db >/dev/null
    hull run --rm --network front box nslookup app
    run ! hull run --rm --network front box nslookup db
    hull pod rm -f app
    hull network rm front
}

@test "ports are the pod's: whichever container listens; they are held from the pod's start to its end" {
    need_nft
    hull pod create --name ports -p 8080:80 -p 127.0.0.1:8081:80 >/dev/null
    hull create --pod ports --name ports-a box sh -c "$PAGE" >/dev/null
    hull pod start ports
    wait_until 30 in_host "$HULL_FETCH" http://127.0.0.1:8080/name
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8080/name)" = page ]
    [ "$(in_host "$HULL_FETCH" http://127.0.0.1:8081/name)" = page ]
    run -0 hull port ports-a
    [[ $output == *"80/tcp -> 0.0.0.0:8080"* ]]
    run -0 hull ps --format '{{.Ports}}'
    [[ $output == *"0.0.0.0:8080->80/tcp"* ]]
    refuses 125 '8080.*already allocated' run --rm -p 8080:80 box true
    # Another one takes over where the first listened.
    hull rm -f ports-a
    hull run -d --pod ports --name ports-b box sh -c "$PAGE" >/dev/null
    wait_until 30 in_host "$HULL_FETCH" http://127.0.0.1:8080/name
    refuses 1 'is pod:' update --publish-add 8082:80 ports-b
    hull pod stop -t 0 ports
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8080/name
    hull run --rm -p 8080:80 box true
    hull pod start ports
    wait_until 30 in_host "$HULL_FETCH" http://127.0.0.1:8080/name
}

@test "a pod whose port is taken does not start, and leaves nothing; one that was killed gives its address back" {
    hull network create small --subnet 192.0.2.0/29 >/dev/null
    hull run -d --name first -p 8090:80 box sleep 1000 >/dev/null
    hull pod create --name second --network small -p 8090:80 >/dev/null
    refuses 1 '8090.*already allocated' pod start second
    [ "$(hull network inspect -f '{{len .Containers}}' small)" = 0 ]
    [ -z "$(ls "$HULL_RUN_ROOT/pods")" ]
    hull rm -f first
    hull pod start second
    monitor=$(hull pod inspect -f '{{.MonitorPid}}' second)
    kill -9 "$monitor"
    wait_until 30 sh -c "! ps -o stat= -p $monitor | grep -qv Z"
    hull pod start second
    [ "$(hull network inspect -f '{{len .Containers}}' small)" = 1 ]
    hull pod rm -f second
    hull network rm small
}

@test "a pod whose monitor was killed: names and ports are served again when a container comes" {
    hull network create lasting >/dev/null
    hull run -d --network lasting --name other box sleep 1000 >/dev/null
    hull pod create --name orphan --network lasting -p 127.0.0.1:8099:80 >/dev/null
    hull run -d --pod orphan --name orphan-a box sh -c 'mkdir /www; echo still >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
    wait_until 30 in_host "$HULL_FETCH" http://127.0.0.1:8099/
    address=$(hull exec orphan-a ip -4 -o addr show eth0)
    monitor=$(hull pod inspect -f '{{.MonitorPid}}' orphan)
    kill -9 "$monitor"
    wait_until 30 sh -c "! ps -o stat= -p $monitor | grep -qv Z"
    hull run -d --pod orphan --name orphan-b box sleep 1000 >/dev/null
    [ "$(hull exec orphan-b ip -4 -o addr show eth0)" = "$address" ]
    run -0 in_host "$HULL_FETCH" http://127.0.0.1:8099/
    [ "$output" = still ]
    hull exec orphan-b nslookup other
    hull exec other nslookup orphan-b
    # Its port is nobody else's.
    refuses 125 'already allocated|in use' run --rm -p 127.0.0.1:8099:80 box true
    id=$(hull pod inspect -f '{{.Id}}' orphan)
    hull pod rm -f orphan
    hull rm -f other
    [ "$(hull network inspect -f '{{len .Containers}}' lasting)" = 0 ]
    hull network rm lasting
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8099/
    hull run --rm -p 127.0.0.1:8099:80 box true
}

@test "a pod whose monitor was killed is not taken from a container that is elsewhere" {
    hull network create strays >/dev/null
    hull pod create --name herd --network strays >/dev/null
    hull run -d --privileged --pod herd --name wanders box sh -c 'exec unshare -n sleep 1000' >/dev/null
    pid=$(hull inspect -f '{{.State.Pid}}' wanders)
    wait_until 30 grep -q sleep "/proc/$pid/comm"
    monitor=$(hull pod inspect -f '{{.MonitorPid}}' herd)
    kill -9 "$monitor"
    wait_until 30 sh -c "! ps -o stat= -p $monitor | grep -qv Z"
    refuses 125 "its net namespace is not the pod's" run -d --pod herd --name stray box sleep 1000
    hull pod rm -f herd
    # Another one that runs has them still.
    hull pod create --name herd --network strays >/dev/null
    hull run -d --privileged --pod herd --name wanders box sh -c 'exec unshare -n sleep 1000' >/dev/null
    pid=$(hull inspect -f '{{.State.Pid}}' wanders)
    wait_until 30 grep -q sleep "/proc/$pid/comm"
    hull run -d --pod herd --name stays box sleep 1000 >/dev/null
    address=$(hull exec stays ip -4 -o addr show eth0)
    monitor=$(hull pod inspect -f '{{.MonitorPid}}' herd)
    kill -9 "$monitor"
    wait_until 30 sh -c "! ps -o stat= -p $monitor | grep -qv Z"
    run -0 hull run --rm --pod herd box ip -4 -o addr show eth0
    [ "$output" = "$address" ]
    hull pod rm -f herd
    hull network rm strays
}

@test "--network host and none: the machine's, and a lo of their own" {
    hull pod create --name as-host --network host >/dev/null
    run -0 hull run --rm --pod as-host box readlink /proc/self/ns/net
    [ "$output" = "$(in_host readlink /proc/self/ns/net)" ]
    hull pod create --name as-none --network none >/dev/null
    run -0 hull run --rm --pod as-none box ip -o addr
    [[ $output == *"127.0.0.1"* && $output != *eth0* ]]
}

@test "rules that somebody flushed in a pod are put back" {
    need_cmd nft
    hull network create well >/dev/null
    hull pod create --name sick --network well >/dev/null
    hull run -d --pod sick --name nurse box sleep 1000 >/dev/null
    hull exec nurse nslookup sick
    nsenter --net="/proc/$(hull inspect -f '{{.State.Pid}}' nurse)/ns/net" nft flush ruleset
    wait_until 30 hull exec nurse nslookup sick
}

@test "kube play: without --network pods are on one that is made, and find each other by their names" {
    cd "$BATS_TEST_TMPDIR"
    printf '{kind: Pod, metadata: {name: back}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: box, command: [sh, -c, "%s"], ports: [{containerPort: 80, hostPort: 18089}]}]}}
---
{kind: Pod, metadata: {name: front}, spec: {terminationGracePeriodSeconds: 0, containers: [{name: c, image: box, args: [sleep, "1000"]}]}}
' "$PAGE" >two.yaml
    hull kube play two.yaml >/dev/null
    wait_until 30 hull exec front-c wget -q -O - http://back/name
    run -0 in_host "$HULL_FETCH" http://127.0.0.1:18089/name
    [ "$output" = page ]
    run -0 hull network inspect -f '{{range .Containers}}{{.Name}} {{end}}' kube
    [[ $output == *back* && $output == *front* ]]
    hull kube down two.yaml >/dev/null
    run -0 hull network inspect -f '{{len .Containers}}' kube
    [ "$output" = 0 ]
}
