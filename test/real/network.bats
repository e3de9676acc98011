#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Debian's nginx, postgres, iperf3, dig and dnsperf on hull's networks: from the host, a neighbour and other containers.

# initdb on a machine that others use, too, takes its time.
: "${BATS_TEST_TIMEOUT:=300}"
load ../lib/real
load ../lib/network

setup_file() {
    real_setup
    [ -z "${REAL_MISSING-}" ] || return 0
    for image in web db tools; do
        hull pull -q "$REGISTRY/$image:gz"
        hull tag "$REGISTRY/$image:gz" $image
    done
    unset HULL_NETWORK
    network_place
}
teardown_file() {
    [ -z "${HULL_NET-}" ] || network_clean
    registry_stop
    [ -z "${HULL_DIR-}" ] || network_teardown
}
setup() {
    real_or_skip
    network_or_skip
}
teardown() { [ -n "${REAL_MISSING-}" ] || network_clean; }

@test "nginx: from the host, its loopback, a neighbour, and another container by name" {
    need_nft
    hull network create app
    hull run -d --name web --network app --network-alias www -p 8080:80 web
    wait_until 60 in_host "$HULL_FETCH" http://127.0.0.1:8080/
    for url in http://127.0.0.1:8080/ http://198.51.100.2:8080/; do
        [[ $(in_host "$HULL_FETCH" "$url") == *"Welcome to nginx"* ]]
    done
    [[ $(in_wan "$HULL_FETCH" http://198.51.100.2:8080/) == *"Welcome to nginx"* ]]
    for name in web www "$(hull inspect -f '{{slice .Id 0 12}}' web)"; do
        run -0 hull run --rm --network app tools curl -s -f -m 60 "http://$name/"
        [[ $output == *"Welcome to nginx"* ]]
    done
    # Who is not on the network has neither its name nor a way to it, but by what is published.
    run ! hull run --rm tools curl -s -f -m 2 "http://$(ip_of web app)/"
    run -0 hull run --rm tools curl -s -f -m 60 http://198.51.100.2:8080/
    [[ $output == *"Welcome to nginx"* ]]
    # The client's address is in its log, not ours.
    wait_until 30 sh -c 'nsenter --net="$HULL_NET" "$HULL" exec web cat /var/log/nginx/access.log | grep -q "^198.51.100.1 "'
    hull network disconnect app web
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8080/
}

@test "postgres and a client on a network without a way out" {
    hull network create --internal private
    printf 'local all all trust\nhost all all samenet trust\n' >hba.conf
    hull run -d --name db --network private --shm-size 64M -v "$PWD/hba.conf:/hba.conf:ro" db -c listen_addresses='*' -c hba_file=/hba.conf
    client() { hull run --rm --network private --entrypoint psql db -h db -U postgres -At -c "$1"; }
    wait_until 120 hull exec db pg_isready -h db -q
    client 'create table t (n int)'
    client 'insert into t select generate_series(1, 1000)'
    [ "$(client 'select sum(n) from t')" = 500500 ]
    # The server saw the client by its address on that network.
    run -0 client "select set_masklen(inet_server_addr(), 16) >>= client_addr and client_addr <> inet_server_addr() from pg_stat_activity
        where pid = pg_backend_pid()"
    [ "$output" = t ]
    hull restart -t 30 db
    wait_until 120 hull exec db pg_isready -h db -q
    [ "$(client 'select count(*) from t')" = 1000 ]
    run ! hull run --rm --network private tools curl -s -m 2 http://198.51.100.1/
    hull rm -f -v db
}

# What the client's JSON says was received: moved OPTION... -- by a container beside the server, by name.
moved() {
    hull run --rm --network flow tools iperf3 -J -n 20M -c server "$@" | jq -r '.end | (.sum_received // .sum).bytes >= 20000000'
}

@test "iperf3: between containers, both ways, TCP and UDP; from the host and a neighbour through published ports" {
    need_nft
    need_cmd jq
    hull network create flow
    hull run -d --name server --network flow -p 5201:5201 -p 5201:5201/udp tools iperf3 -s
    # When it is through with one client it takes the next.
    wait_until 60 moved
    wait_until 60 moved -R
    wait_until 60 moved -u -b 200M
    wait_until 60 hull run --rm --network host tools iperf3 -n 20M -c 127.0.0.1
    for where in host "ns:$WAN"; do
        wait_until 60 hull run --rm --network "$where" tools iperf3 -n 20M -c 198.51.100.2
        wait_until 60 hull run --rm --network "$where" tools iperf3 -u -b 200M -n 5M -c 198.51.100.2
    done
}

@test "dig: A, AAAA and PTR, UDP and TCP; nobody's name" {
    [ -e /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
    hull network create --ipv6 --subnet 10.89.77.0/24 --subnet fd00:89:77::/64 book
    hull run -d --name page --network book --network-alias leaf --ip6 fd00:89:77::77 tools sleep 1000
    hull run -d --name reader --network book tools sleep 1000
    dig() { hull exec reader dig +time=30 +tries=1 +short "$@"; }
    for how in +notcp +tcp; do
        [ "$(dig $how page A)" = 10.89.77.2 ]
        [ "$(dig $how LEAF A)" = 10.89.77.2 ]
        [ "$(dig $how page AAAA)" = fd00:89:77::77 ]
        [ "$(dig $how -x 10.89.77.2)" = page.book. ]
        [ "$(dig $how -x fd00:89:77::77)" = page.book. ]
    done
    # A kind of record that a container has none of is an empty answer, not an unknown name.
    run -0 hull exec reader dig page MX
    [[ $output == *"status: NOERROR"*"ANSWER: 0"* ]]
    run -0 hull exec reader dig +time=30 +noedns page A
    [[ $output == *"status: NOERROR"*"ANSWER: 1"*"SERVER: 127.0.0.11#53"* ]]
    run -0 hull exec reader getent hosts page
    [[ $output == *fd00:89:77::77* || $output == *10.89.77.2* ]]
}

@test "dnsperf: ten thousand questions, each answered" {
    hull network create busy
    # Each is asked for what it has not, too: AAAA.
    for i in 1 2 3 4 5 6 7 8; do printf 'name%s A\nname%s AAAA\n' $i $i; done >questions
    for i in 1 2 3 4 5 6 7 8; do hull run -d --name "name$i" --network busy box sleep 1000; done
    hull run -d --name asks --network busy -v "$PWD/questions:/questions:ro" tools sleep 1000
    run -0 hull exec asks dnsperf -s 127.0.0.11 -d /questions -n 625 -q 64 -t 30
    [[ $output == *"Queries completed:    10000 (100.00%)"* ]]
    [[ $output == *"Response codes:       NOERROR 10000 (100.00%)"* ]]
    echo "$output" | grep 'per second' >&3
}
