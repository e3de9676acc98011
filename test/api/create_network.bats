#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers made by docker's API, on networks: NetworkingConfig, MAC addresses, ports, and what a start that finds a port taken says.
# machines: native v2

load ../lib/network
load ../lib/api
setup_file() { network_setup; api_serve; }
teardown_file() { api_end; network_teardown; }
setup() { network_or_skip; }
teardown() { network_clean; }

networks_of() {
    api_is 200 GET "/containers/$1/json" | json "sorted([n, e['$2']] for n, e in x['NetworkSettings']['Networks'].items())"
}

@test "networks of NetworkingConfig, with aliases and addresses; the one of NetworkMode is first" {
    hull network create --subnet 10.89.1.0/24 one
    hull network create --subnet 10.89.2.0/24 two
    api_is 201 POST '/containers/create?name=on' '{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"two"},"NetworkingConfig":{"EndpointsConfig":{
        "one":{"IPAMConfig":{"IPv4Address":"10.89.1.7"}},"two":{"Aliases":["second"],"DriverOpts":null}}}}'
    api_is 204 POST /containers/on/start
    [ "$(api_is 200 GET /containers/on/json | json 'x["HostConfig"]["NetworkMode"]')" = two ]
    [ "$(networks_of on IPAMConfig)" = '[["one", {"IPv4Address": "10.89.1.7"}], ["two", null]]' ]
    hull run --rm --network two box nslookup second >/dev/null
    [ "$(api_is 200 GET '/containers/on/stats?stream=0&one-shot=1' | json 'sorted(x["networks"])')" = '["eth0", "eth1"]' ]
}

@test "without a NetworkMode the networks that are named; MacAddress is that of the first" {
    hull network create --subnet 10.89.1.0/24 one
    api_is 201 POST '/containers/create?name=mac' '{"Image":"box","Cmd":["sleep","1000"],"MacAddress":"02:42:ac:11:00:42",
        "HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"one":{}}}}'
    api_is 204 POST /containers/mac/start
    [ "$(networks_of mac MacAddress)" = '[["one", "02:42:ac:11:00:42"]]' ]
    api_is 201 POST '/containers/create?name=off' '{"Image":"box","Cmd":["true"],"NetworkDisabled":true}'
    [ "$(api_is 200 GET /containers/off/json | json 'x["HostConfig"]["NetworkMode"]')" = none ]
    [[ $(api_is 400 POST /containers/create '{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"nowhere"}}') == *nowhere* ]]
    [[ $(api_is 400 POST /containers/create '{"Image":"box","Cmd":["true"],"NetworkingConfig":{"EndpointsConfig":{"one":{"MacAddress":"xx"}}}}') == *xx* ]]
}

@test "a port that is taken: 500, as docker, and the container stays" {
    hull run -d --name first -p 127.0.0.1:18099:80 box sleep 1000
    api_is 201 POST '/containers/create?name=late' '{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"18099"}]}}}'
    [[ $(api_is 500 POST /containers/late/start) == *18099* ]]
    [ "$(api_is 200 GET /containers/late/json | json 'x["State"]["Status"]')" = created ]
}

@test "docker's own run on a network, with a published port" {
    need_docker_cli
    hull network create --subnet 10.89.1.0/24 one
    docker_cli run -d --name web --network one --ip 10.89.1.9 --network-alias pages -p 127.0.0.1:18098:80 box sh -c 'mkdir /www; echo hello >/www/f; exec httpd -f -p 80 -h /www'
    [ "$(docker_cli port web)" = "80/tcp -> 127.0.0.1:18098" ]
    wait_until 30 in_host curl -fsS http://127.0.0.1:18098/f
    [ "$(docker_cli run --rm --network one box wget -qO- http://pages/f)" = hello ]
    [ "$(docker_cli inspect -f '{{.NetworkSettings.Networks.one.IPAddress}}' web)" = 10.89.1.9 ]
    docker_cli rm -f web
}
