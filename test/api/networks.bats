#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's API: networks.
# machines: native v2

load ../lib/network
load ../lib/api
setup_file() { network_setup; api_serve; }
teardown_file() { api_end; network_teardown; }
setup() { network_or_skip; }
teardown() { network_clean; }

@test "create, list, inspect, remove: docker's documents and its statuses" {
    local id
    id=$(api_is 201 POST /networks/create '{"Name":"one","CheckDuplicate":true,"Driver":"bridge","Attachable":true,"Labels":{"a":"b"},"unknown":[1],
        "Options":{"com.docker.network.driver.mtu":"1400"},"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"10.89.1.0/24",
        "IPRange":"10.89.1.128/25","Gateway":"10.89.1.9","AuxiliaryAddresses":{"printer":"10.89.1.200"}}]}}' | json 'x["Id"]')
    [[ $id =~ ^[0-9a-f]{64}$ ]]
    for name in one "$id" "${id:0:12}"; do
        [ "$(api_is 200 GET "/networks/$name?verbose=false&scope=" | json '[x["Id"], x["Name"], x["Scope"], x["Driver"], x["EnableIPv4"], x["EnableIPv6"],
            x["Internal"], x["Attachable"], x["Ingress"], x["Containers"], x["Labels"], x["Options"], x["IPAM"]["Driver"], x["IPAM"]["Config"]]')" = \
            "[\"$id\", \"one\", \"local\", \"bridge\", true, false, false, true, false, {}, {\"a\": \"b\"}, {\"com.docker.network.driver.mtu\": \"1400\"}, \
\"default\", [{\"Subnet\": \"10.89.1.0/24\", \"IPRange\": \"10.89.1.128/25\", \"Gateway\": \"10.89.1.9\", \"AuxiliaryAddresses\": {\"printer\": \"10.89.1.200\"}}]]" ]
    done
    [ "$(api_is 200 GET /networks | json 'sorted(n["Name"] for n in x)')" = '["bridge", "host", "none", "one"]' ]
    [ "$(api_is 200 GET '/networks?filters={"label":["a=b"]}' | json '[n["Name"] for n in x]')" = '["one"]' ]
    [ "$(api_is 200 GET '/networks?filters={"type":{"custom":true},"name":{"on":true}}' | json '[n["Name"] for n in x]')" = '["one"]' ]
    [[ $(api_is 409 POST /networks/create '{"Name":"one"}') == *'network with name one already exists'* ]]
    api_is 204 DELETE /networks/one
    [[ $(api_is 404 GET /networks/one) == *'network one not found'* ]]
    api_is 404 DELETE /networks/one
}

@test "each key of a network counts: driver, internal, IPv6, no IPv4" {
    api_is 201 POST /networks/create '{"Name":"six","Internal":true,"enableipv6":true,"EnableIPv4":false,"IPAM":{"Config":[{"Subnet":"fd00:77::/64"}]}}'
    [ "$(api_is 200 GET /networks/six | json '[x["Internal"], x["EnableIPv6"], x["EnableIPv4"], x["IPAM"]["Config"][0]["Subnet"]]')" = \
        '[true, true, false, "fd00:77::/64"]' ]
    api_is 201 POST /networks/create '{"Name":"vlan","Driver":"macvlan","Options":{"parent":"wan0"},"IPAM":{"Config":[{"Subnet":"10.89.2.0/24"}]}}'
    [ "$(api_is 200 GET /networks/vlan | json 'x["Driver"]')" = macvlan ]
}

@test "what is predefined, in use, overlaps: 403; what is wrong: 400, and names the field" {
    for name in bridge host none; do
        [[ $(api_is 403 POST /networks/create "{\"Name\":\"$name\"}") == *"operation is not permitted on predefined $name network"* ]]
        [[ $(api_is 403 DELETE "/networks/$name") == *"$name is a pre-defined network and cannot be removed"* ]]
    done
    hull network create --subnet 10.89.1.0/24 one
    [[ $(api_is 403 POST /networks/create '{"Name":"two","IPAM":{"Config":[{"Subnet":"10.89.1.0/25"}]}}') == *overlaps* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","Driver":"pigeon"}') == *pigeon* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","Ingress":true}') == *Ingress* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","ConfigOnly":true}') == *ConfigOnly* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","ConfigFrom":{"Network":"x"}}') == *ConfigFrom* ]]
    api_is 201 POST /networks/create '{"Name":"from","ConfigFrom":{"Network":""},"Scope":"","IPAM":null,"Driver":"","Options":null,"Labels":null}'
    [[ $(api_is 400 POST /networks/create '{"Name":"two","Scope":"swarm"}') == *Scope* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","IPAM":{"Driver":"dhcp"}}') == *IPAM.Driver* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","IPAM":{"Options":{"x":"y"}}}') == *IPAM.Options* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","IPAM":{"Config":[{"Subnet":"nonsense"}]}}') == *nonsense* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":"two","Internal":"yes"}') == *Internal* ]]
    [[ $(api_is 400 POST /networks/create '{"Name":["two"]}') == *Name* ]]
    for body in '{}' '{"Name":""}' '{"Name":"../two"}' '[]' '"two"' '{"Name"' ''; do api_is 400 POST /networks/create "$body"; done
    [[ $(api_is 400 GET '/networks?filters={"colour":["red"]}') == *colour* ]]
    api_is 404 GET '/networks/one?scope=swarm'
    api_is 404 GET /networks/..%2fone
    [ "$(hull network ls -q --filter type=custom | wc -l)" = 2 ]
}

@test "connect and disconnect: of one that is only made it stays, of one that runs it is there at once" {
    hull network create --subnet 10.89.1.0/24 one
    hull create --name made box sleep 1000
    api_is 200 POST /networks/bridge/disconnect '{"Container":"made","Force":false}'
    api_is 200 POST /networks/one/connect '{"Container":"made","EndpointConfig":{"Aliases":["db","made"],"Links":[],"IPAMConfig":{"IPv4Address":"10.89.1.77"},
        "MacAddress":"02:11:22:33:44:55","DriverOpts":{"com.docker.network.endpoint.ifname":"lan7"},"GwPriority":3,"EndpointID":"","IPAddress":""}}'
    [ "$(hull inspect -f '{{json .NetworkSettings.Networks}}' made | json '[(k, v["Aliases"], v["IPAMConfig"], v["GwPriority"]) for k, v in x.items()]')" = \
        '[["one", ["db", "made"], {"IPv4Address": "10.89.1.77"}, 3]]' ]
    hull start made
    [ "$(hull exec made cat /sys/class/net/lan7/address)" = 02:11:22:33:44:55 ]
    [ "$(api_is 200 GET /networks/one | json '[(c["Name"], c["IPv4Address"], c["MacAddress"]) for c in x["Containers"].values()]')" = \
        '[["made", "10.89.1.77/24", "02:11:22:33:44:55"]]' ]
    [ "$(api_is 200 GET '/networks?filters={"name":["one"]}' | json 'x[-1]["Containers"]')" = '{}' ]
    [ "$(api_is 200 GET '/v1.27/networks?filters={"name":["one"]}' | json 'len(x[-1]["Containers"])')" = 1 ]
    hull run --rm --network one box ping -c 1 -W 5 db
    [[ $(api_is 403 DELETE /networks/one) == *'active endpoints'* ]]
    [[ $(api_is 403 POST /networks/one/connect '{"Container":"made"}') == *'already connected'* ]]
    api_is 200 POST /networks/bridge/connect '{"Container":"made","EndpointConfig":null}'
    hull exec made ip addr show dev eth0
    api_is 200 POST /networks/one/disconnect '{"Container":"made"}'
    attempt exec made ip addr show dev lan7
    [ "$status" != 0 ]
    [[ $(api_is 403 POST /networks/one/disconnect '{"Container":"made"}') == *'not connected'* ]]
    api_is 200 POST /networks/one/disconnect '{"Container":"made","Force":true}'
}

@test "connect: what is wrong is told, and nothing is changed" {
    hull network create one
    hull create --name made box sleep 1000
    [[ $(api_is 404 POST /networks/one/connect '{"Container":"nobody"}') == *'No such container: nobody'* ]]
    [[ $(api_is 404 POST /networks/nowhere/connect '{"Container":"made"}') == *'network nowhere not found'* ]]
    [[ $(api_is 404 POST /networks/one/disconnect '{"Container":"nobody"}') == *'No such container: nobody'* ]]
    api_is 400 POST /networks/host/connect '{"Container":"made"}'
    [[ $(api_is 400 POST /networks/one/connect '{}') == *Container* ]]
    [[ $(api_is 400 POST /networks/one/connect '{"Container":"made","EndpointConfig":7}') == *EndpointConfig* ]]
    [[ $(api_is 400 POST /networks/one/connect '{"Container":"made","EndpointConfig":{"Aliases":"db"}}') == *Aliases* ]]
    [[ $(api_is 400 POST /networks/one/connect '{"Container":"made","EndpointConfig":{"IPAMConfig":{"IPv4Address":"there"}}}') == *there* ]]
    [[ $(api_is 400 POST /networks/one/connect '{"Container":"made","EndpointConfig":{"MacAddress":"rubbish"}}') == *rubbish* ]]
    [[ $(api_is 400 POST /networks/one/connect '{"Container":"made","EndpointConfig":{"Links":"web"}}') == *Links* ]]
    [[ $(api_is 400 POST /networks/one/connect '{"Container":"made","EndpointConfig":{"DriverOpts":{"x":"y"}}}') == *driver-opt* ]]
    [ "$(hull inspect -f '{{json .NetworkSettings.Networks}}' made | json 'list(x)')" = '["bridge"]' ]
}

@test "links: on a network of the user's they are not needed, and an alias is warned of; elsewhere they are refused" {
    hull network create one
    [ "$(api_is 201 POST /containers/create '{"Image":"box","HostConfig":{"NetworkMode":"one","Links":["web:web"]},"NetworkingConfig":{"EndpointsConfig":
        {"one":{"Links":["db"]}}}}' | json 'x["Warnings"]')" = '[]' ]
    [[ $(api_is 201 POST /containers/create '{"Image":"box","HostConfig":{"NetworkMode":"one","Links":["web:other"]}}' | json 'x["Warnings"]') == *web:other* ]]
    [[ $(api_is 201 POST /containers/create '{"Image":"box","HostConfig":{"NetworkMode":"one"},"NetworkingConfig":{"EndpointsConfig":{"one":{"Links":["a:b"]}}}}' |
        json 'x["Warnings"]') == *a:b* ]]
    [[ $(api_is 400 POST /containers/create '{"Image":"box","HostConfig":{"NetworkMode":"bridge","Links":["web:web"]}}') == *HostConfig.Links* ]]
    [[ $(api_is 400 POST /containers/create '{"Image":"box","HostConfig":{"Links":["web:web"]}}') == *HostConfig.Links* ]]
}

@test "prune: those that nobody is connected to, by filters" {
    [ "$(api_is 200 POST /networks/prune)" = '{"NetworksDeleted":null}' ]
    hull network create --label keep=1 kept
    hull network create gone
    hull network create used
    hull run -d --network used box sleep 1000
    api_is 400 POST '/networks/prune?filters={"colour":["red"]}'
    [ "$(api_is 200 POST '/networks/prune?filters={"label!":{"keep=1":true}}')" = '{"NetworksDeleted":["gone"]}' ]
    [ "$(api_is 200 POST /networks/prune | json 'x["NetworksDeleted"]')" = '["kept"]' ]
    api_is 200 GET /networks/used
}

@test "host and none have an id that names them" {
    for name in host none; do
        id=$(hull network inspect -f '{{.Id}}' "$name")
        [ "$(api_is 200 GET "/networks/$id" | json 'x["Name"]')" = "$name" ]
        [ "$(hull network inspect -f '{{.Name}}' "${id:0:12}")" = "$name" ]
    done
}

@test "docker's own command line" {
    need_docker_cli
    docker_cli network create --subnet 10.89.1.0/24 --label a=b one
    [ "$(docker_cli network ls --filter type=custom --format '{{.Name}} {{.Driver}} {{.Scope}}')" = "one bridge local" ]
    [ "$(docker_cli network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' one)" = 10.89.1.0/24 ]
    docker_cli network ls -q >ids
    while read -r id; do docker_cli network inspect "$id"; done <ids
    hull create --name made box true
    docker_cli network connect --alias db --ip 10.89.1.7 one made
    docker_cli network disconnect bridge made
    [ "$(hull inspect -f '{{json .NetworkSettings.Networks}}' made | json 'list(x)')" = '["one"]' ]
    docker_cli network rm one
    docker_cli network create two
    [[ $(docker_cli network prune -f) == *two* ]]
}
