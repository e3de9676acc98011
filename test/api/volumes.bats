#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's API: volumes.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }
teardown() {
    # shellcheck disable=SC2046
    hull rm -f $(hull ps -aq) 2>/dev/null || true
    hull volume prune -af >/dev/null
}

@test "create, list, inspect, remove: docker's documents and its statuses" {
    [ "$(api_is 200 GET /volumes)" = '{"Volumes":[],"Warnings":null}' ]
    [ "$(api_is 201 POST /volumes/create '{"Name":"pages","Driver":"local","Labels":{"a":"b"},"DriverOpts":{},"unknown":1}' | json \
        '[x["Name"], x["Driver"], x["Scope"], x["Labels"], x["Options"]]')" = '["pages", "local", "local", {"a": "b"}, null]' ]
    where=$(hull volume inspect -f '{{.Mountpoint}}' pages)
    [ "$(api_is 200 GET /volumes/pages | json 'x["Mountpoint"]')" = "$where" ]
    [ -d "$where" ]
    # It is there: the same again is success, and changes nothing.
    [ "$(api_is 201 POST /volumes/create '{"Name":"pages","Labels":{"c":"d"}}' | json 'x["Labels"]')" = '{"a": "b"}' ]
    [ "$(api_is 200 GET /volumes | json '[v["Name"] for v in x["Volumes"]]')" = '["pages"]' ]
    api_is 204 DELETE /volumes/pages
    [[ $(api_is 404 GET /volumes/pages) == *'get pages: no such volume'* ]]
    [[ $(api_is 404 DELETE /volumes/pages) == *'get pages: no such volume'* ]]
    api_is 204 DELETE '/volumes/pages?force=1'
}

@test "without a name it gets one, and is anonymous; options of the driver" {
    name=$(api_is 201 POST /volumes/create '{"Name":"","Driver":""}' | json 'x["Name"]')
    [[ $name =~ ^[0-9a-f]{64}$ ]]
    api_is 201 POST /volumes/create '{}'
    [ "$(api_is 201 POST /volumes/create '{"Name":"tm","DriverOpts":{"type":"tmpfs","device":"tmpfs","o":"size=1m"}}' | json 'x["Options"]["o"]')" = size=1m ]
    [ "$(api_is 200 POST /volumes/prune | json 'len(x["VolumesDeleted"])')" = 2 ]
    api_is 200 GET /volumes/tm
}

@test "what is wrong is told" {
    [[ $(api_is 404 POST /volumes/create '{"Name":"x","Driver":"nfs"}') == *'plugin \"nfs\" not found'* ]]
    [[ $(api_is 400 POST /volumes/create '{"Name":"x","DriverOpts":{"colour":"red"}}') == *colour* ]]
    [[ $(api_is 400 POST /volumes/create '{"Name":"x","DriverOpts":["red"]}') == *DriverOpts* ]]
    [[ $(api_is 400 POST /volumes/create '{"Name":"x","ClusterVolumeSpec":{}}') == *ClusterVolumeSpec* ]]
    [[ $(api_is 400 POST /volumes/create '{"Name":"../x"}') == *'invalid volume name'* ]]
    for body in '' '[]' '{"Name":7}' '{'; do api_is 400 POST /volumes/create "$body"; done
    [[ $(api_is 400 GET '/volumes?filters={"colour":["red"]}') == *colour* ]]
    [[ $(api_is 400 POST '/volumes/prune?filters={"all":["perhaps"]}') == *perhaps* ]]
    [[ $(api_is 400 POST '/volumes/prune?filters={"colour":["red"]}') == *colour* ]]
    api_is 404 GET /volumes/..%2fx
    [ "$(api_is 200 GET /volumes)" = '{"Volumes":[],"Warnings":null}' ]
}

@test "filters; one that a container has stays: 409" {
    hull volume create --label a=b pages
    hull volume create other
    hull create --name user -v pages:/www box true
    [[ $(api_is 409 DELETE /volumes/pages) == *'in use'* ]]
    api_is 409 DELETE '/volumes/pages?force=true'
    [ "$(api_is 200 GET '/volumes?filters={"dangling":["true"]}' | json '[v["Name"] for v in x["Volumes"]]')" = '["other"]' ]
    [ "$(api_is 200 GET '/volumes?filters={"label":{"a":true}}' | json '[v["Name"] for v in x["Volumes"]]')" = '["pages"]' ]
    [ "$(api_is 200 GET '/volumes?filters={"name":["oth"],"driver":["local"]}' | json '[v["Name"] for v in x["Volumes"]]')" = '["other"]' ]
}

@test "prune: anonymous ones, of older clients all; all=true; labels; what it gave back" {
    hull volume create kept
    hull volume create
    [ "$(api_is 200 POST '/v1.42/volumes/prune' | json 'len(x["VolumesDeleted"])')" = 1 ]
    [ "$(api_is 200 POST '/v1.42/volumes/prune' | json '[x["VolumesDeleted"], x["SpaceReclaimed"]]')" = '[null, 0]' ]
    [ "$(api_is 200 POST '/v1.41/volumes/prune' | json 'x["VolumesDeleted"]')" = '["kept"]' ]
    hull volume create --label a=b one
    hull volume create two
    head -c 300000 /dev/urandom >"$(hull volume inspect -f '{{.Mountpoint}}' two)/file"
    [ "$(api_is 200 POST '/volumes/prune?filters={"all":{"true":true},"label!":{"a=b":true}}' | json '[x["VolumesDeleted"], x["SpaceReclaimed"] >= 300000]')" = \
        '[["two"], true]' ]
    api_is 200 GET /volumes/one
}

@test "docker's own command line" {
    need_docker_cli
    [ "$(docker_cli volume create --label a=b pages)" = pages ]
    [ "$(docker_cli volume ls -q --filter label=a)" = pages ]
    [ "$(docker_cli volume inspect -f '{{.Driver}} {{.Mountpoint}}' pages)" = "local $(hull volume inspect -f '{{.Mountpoint}}' pages)" ]
    [ "$(docker_cli volume rm pages)" = pages ]
    docker_cli volume create other
    [[ $(docker_cli volume prune -f) != *other* ]]
    [[ $(docker_cli volume prune -af) == *other* ]]
}
