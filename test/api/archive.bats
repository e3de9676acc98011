#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# archive over docker's API: what is at a path, files out of containers and into them, the whole of one.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() {
    hull_setup
    api_serve
    hull run -d --name web box sleep 100000
    hull exec web sh -c 'mkdir -p /data/sub; echo text >/data/sub/file; chmod 1755 /data; ln -s ../data/sub /etc/there; ln -s there /etc/twice; ln -s /nowhere /etc/dead; mkfifo /data/pipe; chmod 4711 /data/sub/file'
    hull create --name cold box true
}
teardown_file() {
    hull rm -f web cold
    api_end
    hull_teardown
}

# What HEAD says of path $2 in container $1, by the expression $3.
stat_of() {
    curl -sS --max-time 60 --head --unix-socket "$API_SOCKET" "http://d/containers/$1/archive?path=$2" | tr -d '\r' | sed -n 's/^X-Docker-Container-Path-Stat: //p' |
        base64 -d | json "$3"
}

get() { curl -sS --fail --max-time 60 --unix-socket "$API_SOCKET" "http://d/containers/$1/archive?path=$2"; }
put() { curl -sS --max-time 60 --unix-socket "$API_SOCKET" -X PUT -T - -w '\n%{http_code}' "http://d/containers/$1/archive?$2"; }

@test "what is at a path: kinds, Go's mode bits, symlinks as they are, and where they lead" {
    [ "$(stat_of web /data/sub/file '[x["name"], x["size"], x["mode"], x["linkTarget"]]')" = "[\"file\", 5, $((1 << 23 | 0711)), \"\"]" ]
    [ "$(stat_of web /data '[x["name"], x["mode"]]')" = "[\"data\", $((1 << 31 | 1 << 20 | 0755))]" ]
    [ "$(stat_of web /data/pipe 'x["mode"] >> 20')" = $((1 << 5)) ]
    [ "$(stat_of web /dev/null 'x["mode"] >> 20')" = $((1 << 6 | 1 << 1)) ]
    [ "$(stat_of web /etc/twice '[x["mode"], x["linkTarget"]]')" = "[$((1 << 27 | 0777)), \"/data/sub\"]" ]
    [ "$(stat_of web /etc/dead 'x["linkTarget"]')" = /nowhere ]
    [ "$(stat_of web /etc/twice/ '[x["name"], x["mode"] >> 31]')" = '["twice", 1]' ]
    [ "$(stat_of cold / '[x["name"], x["mode"] >> 31]')" = '["/", 1]' ]
    [[ $(stat_of web /data 'x["mtime"]') == 20*T*Z ]]
}

@test "out of a container that runs, and of one that does not" {
    get web /data >data.tar
    [ "$(tar -tf data.tar | sort | tr '\n' ' ')" = "data/ data/pipe data/sub/ data/sub/file " ]
    [ "$(tar -xOf data.tar data/sub/file)" = text ]
    [ "$(get web /data/. | tar -t | head -1)" = ./ ]
    get cold /etc/passwd | tar -xO passwd | grep -q root
    # The symlink itself.
    get web /etc/twice | tar -tv | grep -q 'twice -> there'
}

@test "into a container: plain and compressed, symlinks lead where they lead inside" {
    mkdir -p in/sub
    echo new >in/sub/file
    [[ $(tar -cC in sub | put web path=/etc/twice) == *$'\n200' ]]
    [ "$(hull exec web cat /data/sub/sub/file)" = new ]
    [[ $(tar -czC in sub | put cold path=/tmp) == *$'\n200' ]]
    [ "$(get cold /tmp/sub/file | tar -xO)" = new ]
    ln -s /tmp in/out
    tar -cC in out >link.tar
    [[ $(put web path=/ <link.tar) == *$'\n200' ]]
    mkdir -p in2/out
    echo inside >in2/out/bait-a2
    tar -cC in2 out/bait-a2 | put web path=/
    [ ! -e /tmp/bait-a2 ]
    [ "$(hull exec web cat /tmp/bait-a2)" = inside ]
}

@test "a directory and something else: replaced, unless noOverwriteDirNonDir" {
    hull exec web sh -c 'mkdir -p /swap/one/below; echo x >/swap/two'
    mkdir -p swap/two
    echo file >swap/one
    [[ $(tar -cC swap one two | put web 'path=/swap&noOverwriteDirNonDir=1') == *directory*$'\n400' ]]
    hull exec web test -d /swap/one
    [[ $(tar -cC swap one two | put web 'path=/swap') == *$'\n200' ]]
    [ "$(hull exec web cat /swap/one)" = file ]
    hull exec web test -d /swap/two
}

@test "export: of both kinds" {
    curl -sS --fail --unix-socket "$API_SOCKET" http://d/containers/cold/export | tar -t >cold.list
    grep -qx 'etc/passwd' cold.list
    curl -sS --fail --unix-socket "$API_SOCKET" http://d/containers/web/export | tar -xO data/sub/file | grep -qx text
    [[ $(api_is 404 GET /containers/missing/export) == *'"No such container: missing"'* ]]
}

@test "what is refused" {
    [[ $(api_is 404 GET '/containers/missing/archive?path=/') == *'"No such container: missing"'* ]]
    [[ $(api_is 404 GET '/containers/web/archive?path=/none') == *"Could not find the file /none in container web"* ]]
    [[ $(api_is 404 GET '/containers/web/archive?path=/data/sub/file/x') == *"Could not find the file"* ]]
    [[ $(api_is 400 GET '/containers/web/archive') == *path* ]]
    [[ $(api_is 404 PUT '/containers/web/archive?path=/none' x) == *"Could not find the file"* ]]
    [[ $(api_is 400 PUT '/containers/web/archive?path=/data/sub/file' x) == *"extraction point is not a directory"* ]]
    [[ $(put web path=/tmp <<<'this is no archive at all') == *message*$'\n400' ]]
    hull create --name fixed --read-only box true
    [[ $(tar -cC / etc/hostname | put fixed path=/) == *"read-only"*$'\n403' ]]
    hull rm fixed
}

@test "a client that goes in the middle of an archive leaves nothing but what came" {
    python3 - "$API_SOCKET" <<'PY'
import io, socket, sys, tarfile
b = io.BytesIO()
t = tarfile.open(fileobj=b, mode="w")
i = tarfile.TarInfo("cut-a2")
i.size = 1 << 20
t.addfile(i, io.BytesIO(bytes(1 << 20)))
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"PUT /containers/cold/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nContent-Length: 2000000\r\n\r\n" + b.getvalue()[:200000])
s.close()
PY
    wait_until 30 sh -c '"$HULL" start cold >/dev/null'
    [ "$(hull wait cold)" = 0 ]
}

@test "docker cp, both ways, and export" {
    need_docker_cli
    docker_cli cp web:/data/sub/file copied
    [ "$(cat copied)" = text ]
    docker_cli cp web:/data tree
    [ "$(cat tree/sub/file)" = text ]
    echo mine >mine
    docker_cli cp mine web:/data/renamed
    [ "$(hull exec web cat /data/renamed)" = mine ]
    docker_cli cp mine web:/etc/there/
    [ "$(hull exec web cat /data/sub/mine)" = mine ]
    docker_cli cp tree web:/data/tree
    [ "$(hull exec web cat /data/tree/sub/file)" = text ]
    docker_cli cp -L web:/etc/there linked
    [ "$(cat linked/file)" = text ]
    tar -c mine | docker_cli cp - web:/data/sub
    docker_cli cp web:/data - | tar -t | grep -qx data/renamed
    run ! docker_cli cp web:/none out
    docker_cli export web | tar -t | grep -qx data/renamed
}
