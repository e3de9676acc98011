#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# POST /containers/create and /containers/X/update: docker's documents, and what is refused of them.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }
teardown() {
    local ids
    ids=$(hull ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || hull rm -fv $ids
    hull volume rm -f created >/dev/null
}

# create NAME BODY: its id.
create() {
    api_is 201 POST "/containers/create?name=$1" "$2" | json 'x["Id"]'
}

# What the container says, started by the API.
output_of() {
    api_is 204 POST "/containers/$1/start" >/dev/null
    api_is 200 POST "/containers/$1/wait" >/dev/null
    hull logs "$1"
}

@test "a command, its environment, directory, user, labels" {
    id=$(create said '{"Image":"box","Cmd":["sh","-c","echo $A $B $(pwd) $(id -u):$(id -g) $(hostname)"],"Env":["A=1","B=two words"],"WorkingDir":"/tmp",
        "User":"7:8","Hostname":"there","Labels":{"k":"v"},"HostConfig":{"NetworkMode":"none"},"Unknown":{"field":[1]}}')
    [[ $id =~ ^[0-9a-f]{64}$ ]]
    [ "$(output_of said)" = "1 two words /tmp 7:8 there" ]
    [ "$(hull inspect -f '{{.Config.Labels.k}} {{.Id}}' said)" = "v $id" ]
}

@test "words and keys as Go reads them: a single word for a list, keys of any case, null for nothing" {
    create loose '{"image":"box","CMD":"env","entrypoint":null,"env":null,"hostconfig":{"networkmode":"none","binds":null,"MemorySwappiness":-1,"Ulimits":null,
        "LogConfig":{"Type":"","Config":null},"RestartPolicy":{"Name":"","MaximumRetryCount":0},"OomKillDisable":false,"PidsLimit":0,"Init":null,
        "ConsoleSize":[24,80],"Isolation":"","Links":null,"StorageOpt":{},"DeviceRequests":[]},"NetworkingConfig":{"EndpointsConfig":{"none":{}}}}'
    [[ $(output_of loose) == *PATH=* ]]
    create entry '{"Image":"box","Entrypoint":["echo"],"Cmd":["x"],"HostConfig":{"NetworkMode":"none"}}'
    [ "$(output_of entry)" = x ]
}

@test "no such image: 404, and the words that make clients pull it" {
    [[ $(api_is 404 POST /containers/create '{"Image":"nothing-like-that:7"}') == *'"message":"No such image: nothing-like-that:7"'* ]]
    api_is 404 POST '/containers/create?platform=linux/s390x' '{"Image":"box","Cmd":["true"]}'
}

@test "names: in use 409, wrong 400, a leading slash is none" {
    create /taken '{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}'
    [ "$(hull inspect -f '{{.Name}}' taken)" = /taken ]
    [[ $(api_is 409 POST '/containers/create?name=taken' '{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}') == *taken*"in use"* ]]
    api_is 400 POST '/containers/create?name=-x' '{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}'
    api_is 201 POST /containers/create '{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}'
    [ "$(hull ps -aq | wc -l)" = 2 ]
}

@test "mounts: Binds, Mounts, Volumes, Tmpfs" {
    mkdir -p "$HULL_DIR/src"
    echo here >"$HULL_DIR/src/file"
    create mounted '{"Image":"box","Cmd":["sh","-c","cat /b/file; grep -c \" /t tmpfs .*noexec\" /proc/mounts; grep \" /m \" /proc/mounts | grep -o size=[0-9]*k; touch /v/x /anon/x; touch /ro/x 2>/dev/null || echo ro"],
        "Volumes":{"/anon":{}},"HostConfig":{"NetworkMode":"none","Binds":["'"$HULL_DIR"'/src:/b","created:/v"],"Tmpfs":{"/t":"rw,noexec"},"Mounts":[
        {"Type":"tmpfs","Target":"/m","TmpfsOptions":{"SizeBytes":1048576,"Mode":448,"Options":[["nodev"],["nr_inodes","100"]]}},
        {"Type":"bind","Source":"'"$HULL_DIR"'/src","Target":"/ro","ReadOnly":true}]}}'
    [ "$(output_of mounted | tr '\n' ' ')" = "here 1 size=1024k ro " ]
    hull volume inspect created >/dev/null
    [ "$(api_is 200 GET /containers/mounted/json | json 'sorted(m["Destination"] for m in x["Mounts"] if m["Type"] == "volume")')" = '["/anon", "/v"]' ]
}

@test "HostConfig: limits, security, and the rest reach the record" {
    create rich '{"Image":"box","Cmd":["true"],"StopSignal":"SIGINT","StopTimeout":3,"Tty":true,"OpenStdin":true,"Healthcheck":{"Test":["CMD","true"],"Interval":2000000000},
        "HostConfig":{"NetworkMode":"none","Memory":67108864,"NanoCpus":500000000,"CpuShares":512,"PidsLimit":50,"ShmSize":1048576,"Privileged":false,
        "ReadonlyRootfs":true,"CapAdd":["NET_ADMIN"],"CapDrop":["CHOWN"],"SecurityOpt":["no-new-privileges"],"Ulimits":[{"Name":"nofile","Soft":100,"Hard":200}],
        "Sysctls":{"kernel.shm_rmid_forced":"1"},"ExtraHosts":["db:10.0.0.7"],"Dns":["10.0.0.1"],"GroupAdd":["9"],"IpcMode":"private","Init":true,
        "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}},
        "Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/nix","CgroupPermissions":"r"}],"HullRootfs":"/","HullPod":"x"}}'
    api_is 200 GET /containers/rich/json >"$HULL_DIR/rich"
    [ "$(json '[x["HostConfig"][k] for k in ("Memory", "NanoCpus", "CpuShares", "PidsLimit", "ShmSize", "ReadonlyRootfs", "CapDrop", "Init", "RestartPolicy", "GroupAdd")]' \
        <"$HULL_DIR/rich")" = '[67108864, 500000000, 512, 50, 1048576, true, ["CHOWN"], true, {"Name": "on-failure", "MaximumRetryCount": 3}, ["9"]]' ]
    [ "$(json '[x["Config"][k] for k in ("StopSignal", "StopTimeout", "Tty", "OpenStdin")] + [x["Config"]["Healthcheck"]["Test"]]' <"$HULL_DIR/rich")" = \
        '["SIGINT", 3, true, true, ["CMD", "true"]]' ]
    [ "$(json 'x["HostConfig"]["Devices"][0]["PathInContainer"], x["HostConfig"]["LogConfig"]["Config"]["max-size"]' <"$HULL_DIR/rich")" = '["/dev/nix", "1m"]' ]
    [ "$(json '[k for k in x["HostConfig"] if k.startswith("Hull")]' <"$HULL_DIR/rich")" = '[]' ]
    # What inspect shows can be posted again.
    json '{**x["Config"], "HostConfig": x["HostConfig"]}' <"$HULL_DIR/rich" >"$HULL_DIR/again"
    api_is 201 POST /containers/create "@$HULL_DIR/again"
}

@test "ports: bindings and what is exposed" {
    create ports '{"Image":"box","Cmd":["true"],"ExposedPorts":{"53/udp":{},"90-91/tcp":{}},"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"18080"}],
        "81":[{"HostPort":""}],"82/tcp":null}}}'
    [ "$(api_is 200 GET /containers/ports/json | json '[x["HostConfig"]["PortBindings"]["80/tcp"], sorted(x["Config"]["ExposedPorts"])]')" = \
        '[[{"HostIp": "127.0.0.1", "HostPort": "18080"}], ["53/udp", "80/tcp", "81/tcp", "90/tcp", "91/tcp"]]' ]
    api_is 400 POST /containers/create '{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":{"80/x":[{"HostPort":"1"}]}}}'
    api_is 400 POST /containers/create '{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"70000"}]}}}'
    api_is 400 POST /containers/create '{"Image":"box","Cmd":["true"],"HostConfig":{"PortBindings":[]}}'
    api_is 400 POST /containers/create '{"Image":"box","Cmd":["true"],"ExposedPorts":{"x":{}}}'
    create all '{"Image":"box","Cmd":["true"],"ExposedPorts":{"1-65535/tcp":{}}}'
    [ "$(api_is 200 GET /containers/all/json | json 'len(x["Config"]["ExposedPorts"])')" = 65535 ]
}

# refused BODY WORDS: of Config's and HostConfig's fields beside the image.
refused() {
    local answer
    answer=$(api_is 400 POST /containers/create "$1")
    [[ $answer == *"$2"* ]] || { echo "$1: $answer"; return 1; }
}

@test "what hull cannot do, or what nobody could, is refused by its name" {
    refused '{"Image":"box","HostConfig":{"Links":["a:b"]}}' HostConfig.Links
    refused '{"Image":"box","HostConfig":{"StorageOpt":{"size":"1G"}}}' HostConfig.StorageOpt
    refused '{"Image":"box","HostConfig":{"CpuPercent":5}}' HostConfig.CpuPercent
    refused '{"Image":"box","HostConfig":{"KernelMemoryTCP":5}}' HostConfig.KernelMemoryTCP
    refused '{"Image":"box","HostConfig":{"Isolation":"hyperv"}}' HostConfig.Isolation
    refused '{"Image":"box","HostConfig":{"DeviceRequests":[{"Driver":"","Count":-1,"Capabilities":[["gpu"]]}]}}' 'could not select device driver'
    refused '{"Image":"box","HostConfig":{"Runtime":"runsc"}}' runsc
    refused '{"Image":"box","HostConfig":{"VolumeDriver":"nfs"}}' nfs
    refused '{"Image":"box","HostConfig":{"Mounts":[{"Type":"npipe","Target":"/x"}]}}' npipe
    refused '{"Image":"box","HostConfig":{"Mounts":[{"Type":"volume","Source":"v1","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"nfs"}}}]}}' DriverConfig
    refused '{"Image":"box","HostConfig":{"Mounts":[{"Type":"bind","Source":"rel","Target":"/x"}]}}' bind
    refused '{"Image":"box","HostConfig":{"Mounts":[{"Type":"tmpfs","Target":"/x","TmpfsOptions":{"Options":[["lowerdir","/"]]}}]}}' lowerdir
    refused '{"Image":"box","HostConfig":{"Tmpfs":{"/x":"lowerdir=/"}}}' lowerdir
    refused '{"Image":"box","HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}' sometimes
    refused '{"Image":"box","HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}' restart
    refused '{"Image":"box","HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":2}}}' retries
    refused '{"Image":"box","Healthcheck":{"Test":["CMD","true"],"Interval":5}}' health-interval
    refused '{"Image":"box","Healthcheck":{"Test":["SOMETHING","true"]}}' SOMETHING
    refused '{"Image":"box","User":"4294967296"}' 4294967296
    refused '{"Image":"box","User":"::50"}' USER
    refused '{"Image":"box","Hostname":"a b"}' 'a b'
    refused '{"Image":"box","HostConfig":{"ExtraHosts":["x:nowhere"]}}' nowhere
    refused '{"Image":"box","HostConfig":{"Dns":["x"]}}' dns
    refused '{"Image":"box","HostConfig":{"Memory":5}}' memory
    refused '{"Image":"box","HostConfig":{"CapAdd":["NO_SUCH"]}}' NO_SUCH
    refused '{"Image":"box","HostConfig":{"NetworkMode":"host"},"NetworkingConfig":{"EndpointsConfig":{"host":{"Aliases":["x"]}}}}' host
    refused '{"Image":"box","HostConfig":{"MaskedPaths":[]}}' MaskedPaths
    refused '{"Image":"box","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":8080}]}}}' HostPort
    refused '{"Image":"box","HostConfig":{"PortBindings":{"80/tcp":[8080]}}}' PortBindings
    refused '{"Image":"box","NetworkingConfig":7}' NetworkingConfig
    refused '{"Image":"box","Env":["=x"]}' environment
    python3 -c 'import json; print(json.dumps({"Image": "box", "Env": [f"V{i}=" for i in range(40000)]}))' >"$HULL_DIR/many"
    [[ $(api_is 400 POST /containers/create "@$HULL_DIR/many") == *"32768 environment variables"* ]]
    # 404 is the image's alone, which clients then fetch.
    refused '{"Image":"box","HostConfig":{"NetworkMode":"nowhere"}}' nowhere
    refused '{"Image":"box","HostConfig":{"PidMode":"container:nobody"}}' nobody
    refused '{"Image":"box","HostConfig":{"VolumesFrom":["nobody"]}}' nobody
    refused '{"Image":"box","HostConfig":{"Devices":[{"PathOnHost":"/dev/none"}]}}' /dev/none
    refused '{"Image":"box","HostConfig":{"Mounts":[{"Type":"bind","Source":"/not/there","Target":"/x"}]}}' /not/there
    refused '{"Image":"box","Cmd":7}' Cmd
    refused '{"Image":"box","HostConfig":[]}' HostConfig
    refused '{"Cmd":["x"]}' Image
    refused '[]' object
    refused '{' body
    [ -z "$(hull ps -aq)" ]
    [ "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$API_SOCKET" -H 'Content-Type: text/plain' -d '{}' http://d/containers/create)" = 400 ]
}

@test "a body that is too long, one that ends too early, a client that goes: nothing is left" {
    head -c 17000000 /dev/zero | tr '\0' ' ' >"$HULL_DIR/long"
    [[ $(api_is 400 POST /containers/create "@$HULL_DIR/long") == *"longer than"* ]]
    python3 - "$API_SOCKET" <<'PY'
import socket, sys
for sent in (b"", b'{"Image":"box","Cmd":["true"]', b'{"Image":"box","Cmd":["true"]}'):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(b"POST /containers/create?name=gone HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n" + sent)
    s.close()
PY
    wait_until 30 eval '[ "$(pgrep -fc "serve unix://$API_SOCKET")" -le 1 ]'
    [ -z "$(hull ps -aq)" ]
    api_is 200 GET /_ping
}

@test "update: limits and the restart policy; what is not said stays" {
    create limits '{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","Memory":67108864,"CpuShares":100}}'
    [ "$(api_is 200 POST /containers/limits/update '{"Memory":134217728,"MemorySwap":-1,"BlkioWeight":0,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":4}}' | json 'x["Warnings"]')" = '[]' ]
    [ "$(hull inspect -f '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' limits)" = \
        "134217728 100 on-failure 4" ]
    api_is 200 POST /containers/limits/update '{"RestartPolicy":{"Name":"no"}}'
    api_is 400 POST /containers/limits/update '{"Memory":5}'
    api_is 400 POST /containers/limits/update '{"RestartPolicy":{"Name":"sometimes"}}'
    api_is 404 POST /containers/nobody/update '{}'
    api_is 400 POST /containers/limits/update
}

@test "docker's own run, create, update, ps, rename, stop, rm" {
    need_docker_cli
    run docker_cli run --rm --network none box sh -c 'echo one; echo two >&2; exit 4'
    [ "$status" = 4 ]
    [[ $output == *one* && $output == *two* ]]
    run -127 docker_cli run --rm --network none box nothing-like-that
    run docker_cli run --rm --network none box /etc/passwd
    echo "$output"
    [ "$status" = 126 ]
    [ -z "$(hull ps -aq)" ]
    id=$(docker_cli run -d --name theirs --network none -m 64m --cpus 0.5 -e A=b -v "$HULL_DIR:/d:ro" --tmpfs /t --ulimit nofile=64 --restart on-failure:2 box sleep 1000)
    [ "$(hull inspect -f '{{.Id}}' theirs)" = "$id" ]
    [ "$(docker_cli ps --format '{{.Names}} {{.Image}} {{.State}}')" = "theirs box running" ]
    docker_cli update --memory 128m --memory-swap -1 theirs
    docker_cli rename theirs ours
    [ "$(docker_cli inspect -f '{{.Name}} {{.HostConfig.Memory}}' ours)" = "/ours 134217728" ]
    [[ $(docker_cli top ours) == *"sleep 1000"* ]]
    docker_cli diff ours
    run -0 docker_cli run --rm --network none --cap-drop NET_RAW --device /dev/zero:/dev/z:r --sysctl kernel.shmmax=4096 --log-driver none \
        --oom-score-adj 10 --mount type=volume,src=created,dst=/v --mount type=tmpfs,dst=/t,tmpfs-size=1m -w /v --user 3 --read-only --shm-size 1m \
        --stop-timeout 3 --init --add-host db:10.0.0.7 --security-opt systempaths=unconfined box sh -c 'id -u; pwd; cat /proc/sys/kernel/shmmax; grep -c 10.0.0.7 /etc/hosts; test -c /dev/z'
    [ "$output" = "3
/v
4096
1" ]
    docker_cli pause ours
    docker_cli unpause ours
    docker_cli stop -t 0 ours
    [ "$(docker_cli wait ours)" = 137 ]
    docker_cli rm ours
    [ -z "$(hull ps -aq)" ]
}
