#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull serve: docker's classic build.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() { hull_setup; api_serve; }
teardown_file() { api_end; hull_teardown; }

# build_api QUERY FILE: the answer and, in the last line, its status.
build_api() {
    curl -sS --globoff --max-time 100 --unix-socket "$API_SOCKET" -X POST -H 'Content-Type: application/x-tar' -T "$2" -w '\n%{http_code}' "http://d/build$1"
}

@test "build: a context, its steps, arguments, labels, names" {
    mkdir -p context
    printf 'FROM box\nARG A=x\nLABEL l=$A\nCOPY hi /hi\nRUN cat /hi; echo "$A"\n' >context/Dockerfile
    echo hello >context/hi
    tar -C context -cf context.tar .
    run -0 build_api '?t=built:one&t=a.example/built:two&buildargs={"A":"given","NONE":null}&labels={"more":"yes"}&rm=1' context.tar
    [[ $output == *'"stream":"Step 1/3 : FROM box\n"'*'"stream":"Step 2/3 : COPY hi /hi\n"'*'"stream":"Step 3/3 : RUN cat'*'"stream":"hello\n'* ]]
    [[ $output == *given* && $output == *'Successfully tagged built:one\n'*'Successfully tagged a.example/built:two\n'*200 ]]
    id=$(hull inspect -f '{{.Id}}' built:one)
    [[ $output == *"\"aux\":{\"ID\":\"$id\"}"*"Successfully built ${id:7:12}"* ]]
    [ "$(hull inspect -f '{{.Config.Labels.l}} {{.Config.Labels.more}}' built:one)" = "given yes" ]
    gzip -k context.tar
    run -0 build_api '?q=1&buildargs={"A":"given"}&labels={"more":"yes"}' context.tar.gz
    [[ $output == *"{\"stream\":\"$id\\n\"}"*200 && $output != *Step* ]]
    run -0 build_api '?buildargs={"A":"given"}' context.tar
    [[ $output == *'Using cache'*200 ]]
    run -0 build_api '?buildargs={"A":"given"}&nocache=1&memory=100000000&shmsize=1000000&ulimits=[{"Name":"nofile","Soft":64,"Hard":65}]' context.tar
    [[ $output != *'Using cache'* && $output == *200 ]]
    hull rmi built:one a.example/built:two
}

@test "build: stages side by side are told one after the other, and their steps are counted" {
    mkdir -p stages
    printf 'FROM box AS one\nRUN echo of one; echo x >/x\nFROM box AS two\nRUN echo of two; echo x >/y\nFROM box\nCOPY --from=one /x /x\nCOPY --from=two /y /y\n' >stages/other
    tar -C stages -cf stages.tar .
    run -0 build_api '?dockerfile=other' stages.tar
    [ "$(grep -o 'Step [1-7]/7 : ' <<<"$output" | sort -u | wc -l)" = 7 ]
    [[ $output == *': RUN echo of one'*'"stream":"of one\n'* && $output == *': RUN echo of two'*'"stream":"of two\n'* ]]
    run -0 build_api '?dockerfile=other&target=one' stages.tar
    [[ $output == *'Step 2/2 : RUN echo of one'* && $output != *'of two'* ]]
}

@test "build: what fails says so in the stream with its code, before that as a status" {
    mkdir -p fails
    printf 'FROM box\nRUN echo before; exit 7\n' >fails/Dockerfile
    tar -C fails -cf fails.tar .
    run -0 build_api '' fails.tar
    [[ $output == *'"stream":"before\n"'*"\"errorDetail\":{\"code\":7,\"message\":\"The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7\"}"*200 ]]
    run -0 build_api '?q=1' fails.tar
    [[ $output == *'"code":7'*200 && $output != *Step* ]]
    run -0 build_api '?dockerfile=nothing' fails.tar
    [[ $output == *nothing*400 ]]
    run -0 build_api '?target=nothing' fails.tar
    [[ $output == *nothing*400 ]]
    printf 'FROM box\nNONSENSE x\n' >fails/Dockerfile
    tar -C fails -cf fails.tar .
    run -0 build_api '' fails.tar
    [[ $output == *NONSENSE*400 ]]
    printf 'FROM nowhere.invalid/x\n' >fails/Dockerfile
    tar -C fails -cf fails.tar .
    run -0 build_api '' fails.tar
    [[ $output == *'"errorDetail":{'*nowhere.invalid* ]]
    head -c 700 fails.tar >half.tar
    run -0 build_api '' half.tar
    [[ $output == *message*400 || $output == *message*500 ]]
    for query in 'version=2' 'outputs=x' 'remote=/etc' 'remote=file:///etc' 'dockerfile=-' 'buildargs=[1]' 'buildargs={"A":1}' 'labels=x' 'cachefrom={}' 'ulimits=[1]' \
        'memory=much' 't=UPPER'; do
        run -0 build_api "?$query" context.tar
        [[ $output == *"${query%%=*}"*400 || $output == *UPPER*400 ]] || { echo "$query: $output"; false; }
    done
}

@test "build: nothing of this machine is read: not by -f, not by a link in the context" {
    mkdir -p reads
    ln -s /etc/passwd reads/Dockerfile
    tar -C reads -cf reads.tar .
    run -0 build_api '' reads.tar
    [[ $output == *400 && $output != *root:* ]]
    run -0 build_api '?dockerfile=/etc/passwd' reads.tar
    [[ $output == *400 && $output != *root:* ]]
    run -0 build_api '?dockerfile=../../../../../../etc/passwd' reads.tar
    [[ $output == *400 && $output != *root:* ]]
}

@test "build: remote: a tar behind a URL, and a Dockerfile; what the cache cannot be had from is warned of" {
    mkdir -p served/context
    printf 'FROM box\nCOPY hi /hi\n' | tee served/Dockerfile >served/context/Dockerfile
    echo hello >served/context/hi
    tar -C served/context -czf served/context.tar.gz .
    port=$(free_port)
    python3 -m http.server -b 127.0.0.1 -d served "$port" >/dev/null 2>&1 3>&- &
    server=$!
    wait_until 30 python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)"
    api POST "/build?t=remote:one&cachefrom=[\"nowhere.invalid/x\"]&remote=http://127.0.0.1:$port/context.tar.gz" >out || true
    api POST "/build?remote=http://127.0.0.1:$port/Dockerfile" >alone || true
    kill "$server"
    grep -q 'Successfully tagged remote:one' out
    grep -q 'Warning.*nowhere.invalid' out
    grep -q 'Step 1/2 : FROM box' alone
    grep -q errorDetail alone
    hull rmi remote:one
}

@test "build: a client that goes ends it, and nothing is left" {
    mkdir -p waits
    printf 'FROM box\nRUN echo begun; sleep 1234567\n' >waits/Dockerfile
    tar -C waits -cf waits.tar .
    curl -sS -N --unix-socket "$API_SOCKET" -T waits.tar -X POST http://d/build >waits.out 2>&1 3>&- &
    client=$!
    wait_until 60 grep -q 'stream.:.begun' waits.out
    kill "$client"
    wait "$client" || true
    wait_until 60 eval "! pgrep -f 'sleep 123456[7]' >/dev/null"
    wait_until 60 eval '[ -z "$(find "$HULL_RUN_ROOT/containers" -mindepth 1)" ]'
    wait_until 60 eval '[ -z "$(ls -A "$HULL_ROOT/build/running" 2>/dev/null)" ]'
    api_is 200 GET /_ping
}

# Between two entries, where an archive that simply ends is taken as a whole one.
@test "a body that is cut off is an error, where its archive could end too: build, import, archive" {
    printf 'FROM box\n' >Dockerfile
    tar -cf cut.tar Dockerfile
    hull create --name cut-into box true
    run -0 python3 - "$API_SOCKET" cut.tar <<'PY'
import socket, sys
piece = open(sys.argv[2], "rb").read(1024)
for request in "POST /build?t=cut:off", "POST /images/create?fromSrc=-&repo=cut&tag=off", "PUT /containers/cut-into/archive?path=/tmp":
    for head, last in (f"Content-Length: {len(piece) + 9}\r\n\r\n", ""), (f"Transfer-Encoding: chunked\r\n\r\n{len(piece):x}\r\n", "\r\n"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(sys.argv[1])
        s.sendall(f"{request} HTTP/1.1\r\nContent-Type: application/x-tar\r\n{head}".encode() + piece + last.encode())
        s.shutdown(socket.SHUT_WR)
        print(s.recv(100).split(b" ")[1].decode())
PY
    [ "${lines[*]}" = "500 500 500 500 500 500" ]
    run ! hull inspect cut:off
    hull rm cut-into
}

@test "build: docker's own command line, and what the cache is pruned of" {
    need_docker_cli
    mkdir -p context
    printf 'FROM box AS one\nRUN echo x >/x\nFROM box\nARG V=1\nCOPY --from=one /x /x\nRUN test "$V" = 2\n' >context/Dockerfile
    docker_cli build --build-arg V=2 -t cli:built context
    [ "$(docker_cli build -q --build-arg V=2 context)" = "$(hull inspect -f '{{.Id}}' cli:built)" ]
    run -1 docker_cli build context
    [[ $output == *"returned a non-zero code: 1"* ]]
    hull rmi cli:built
    [ "$(api_is 200 POST /build/prune | json 'len(x["CachesDeleted"]) > 0 and x["SpaceReclaimed"] > 0')" = true ]
    [ "$(api_is 200 POST '/build/prune?all=1' | json 'x["CachesDeleted"]')" = '[]' ]
    [[ $(api_is 400 POST '/build/prune?filters={"color":["red"]}') == *color* ]]
}
