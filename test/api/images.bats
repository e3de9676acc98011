#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull serve: images: what there is, names, pull and push with docker-registry, archives, import.
# machines: native v2

load ../lib/hull
load ../lib/api
setup_file() {
    hull_setup
    api_serve
    registry
}
teardown_file() {
    [ ! -s "${HULL_DIR-}/registry.pid" ] || kill "$(cat "$HULL_DIR/registry.pid")"
    api_end
    hull_teardown
}

# docker-registry that lets nobody in but ada.
registry() {
    command -v docker-registry >/dev/null || return 0
    local port
    port=$(free_port)
    echo "ada:$HASH" >"$HULL_DIR/htpasswd"
    cat >"$HULL_DIR/registry.yml" <<-YML
	version: 0.1
	log: {level: error, accesslog: {disabled: true}}
	storage: {filesystem: {rootdirectory: $HULL_DIR/registry}}
	auth: {htpasswd: {realm: test, path: $HULL_DIR/htpasswd}}
	http: {addr: "127.0.0.1:$port"}
	YML
    docker-registry serve "$HULL_DIR/registry.yml" >"$HULL_DIR/registry.log" 2>&1 3>&- &
    echo $! >"$HULL_DIR/registry.pid"
    export REGISTRY=127.0.0.1:$port
    wait_until 30 python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)"
}
# Of "lovelace".
HASH='$2b$04$wp1sGjuJ3sfMYf2SYBIKSuUX8CoOg4EpfHVLAO7bPgTujU2zjGnd2'

need_registry() {
    [ -n "${REGISTRY-}" ] || skip "needs docker-registry"
}

# as_ada METHOD PATH: with her login in the request; without: as_nobody. The answer and, in the last line, its status.
as_ada() {
    local auth
    auth=$(printf '{"username":"ada","password":"lovelace","serveraddress":"%s"}' "$REGISTRY" | base64 -w0 | tr '+/' '-_')
    curl -sS --globoff --max-time 100 --unix-socket "$API_SOCKET" -X "$1" -H "X-Registry-Auth: $auth" -w '\n%{http_code}' "http://d$2"
}
as_nobody() {
    curl -sS --globoff --max-time 100 --unix-socket "$API_SOCKET" -X "$1" -H "X-Registry-Auth: e30=" -w '\n%{http_code}' "http://d$2"
}

@test "images: the list, filters, old versions, an image, its history" {
    id=$(hull inspect -f '{{.Id}}' box)
    api_is 200 GET /images/json >out
    [ "$(json 'x[0]["Id"]' <out)" = "$id" ]
    [ "$(json '"VirtualSize" in x[0]' <out)" = false ]
    [ "$(api_is 200 GET /v1.41/images/json | json 'x[0]["VirtualSize"] == x[0]["Size"]')" = true ]
    [ "$(api_is 200 GET '/images/json?filters={"reference":["nothing*"]}')" = '[]' ]
    [ "$(api_is 200 GET '/images/json?filters={"reference":{"box":true}}' | json 'len(x)')" = 1 ]
    [ "$(api_is 200 GET '/images/json?filters={"dangling":["true"]}')" = '[]' ]
    [ "$(api_is 200 GET '/images/json?shared-size=1' | json 'x[0]["SharedSize"] >= 0')" = true ]
    [[ $(api_is 400 GET '/images/json?filters={"color":["red"]}') == *color* ]]
    [ "$(api_is 200 GET /images/box/json | json 'x["Id"]')" = "$id" ]
    [ "$(api_is 200 GET "/images/$id/json" | json 'x["RepoTags"]')" = '["box:latest"]' ]
    [ "$(api_is 200 GET /images/docker.io/library/box:latest/history | json 'x[0]["Id"]')" = "$id" ]
    [[ $(api_is 404 GET /images/nothing/json) == *'"message":"No such image: nothing:latest"'* ]]
    [[ $(api_is 404 GET /images/a.example/b/nothing:x/history) == *'No such image: a.example/b/nothing:x'* ]]
    [[ $(api_is 404 GET /images/sha256:0000/json) == *'No such image: sha256:0000'* ]]
    [[ $(api_is 400 GET /images/UPPER/json) == *"invalid reference"* ]]
}

@test "images: names come and go" {
    api_is 201 POST '/images/box/tag?repo=a.example/named&tag=one'
    api_is 201 POST '/images/box/tag?repo=named-too'
    [ "$(api_is 200 GET /images/named-too:latest/json | json '"a.example/named:one" in x["RepoTags"]')" = true ]
    api_is 400 POST '/images/box/tag'
    api_is 400 POST '/images/box/tag?repo=no:tag&tag=here'
    [[ $(api_is 404 POST '/images/nothing/tag?repo=x') == *"No such image"* ]]
    [ "$(api_is 200 DELETE /images/a.example/named:one | json 'x')" = '[{"Untagged": "a.example/named:one"}]' ]
    api_is 200 DELETE /images/named-too
    [[ $(api_is 404 DELETE /images/named-too) == *"No such image: named-too:latest"* ]]
    hull create --name keeps-box box true
    [[ $(api_is 409 DELETE /images/box) == *"in use"* ]]
    hull rm keeps-box
}

@test "images: prune: those without a name, or all that no container has" {
    hull tag box pruned:one
    printf 'FROM box\nLABEL l=1\n' | hull build -q -t pruned:two -
    id=$(hull inspect -f '{{.Id}}' pruned:two)
    hull tag box pruned:two # that one has no name any more
    [ "$(api_is 200 POST '/images/prune?filters={"label":["other"]}' | json 'x["ImagesDeleted"]')" = null ]
    [ "$(api_is 200 POST /images/prune | json 'x["ImagesDeleted"]' | grep -o "$id")" = "$id" ]
    [[ $(api_is 400 POST '/images/prune?filters={"color":["red"]}') == *color* ]]
    hull create --name holds-box box true
    [ "$(api_is 200 POST '/images/prune?filters={"dangling":{"false":true}}' | json 'x["ImagesDeleted"]')" = null ]
    hull rm holds-box
    hull rmi pruned:one pruned:two
}

@test "images: commit: what the request says before what the container says, then the instructions" {
    hull run --name committed -e A=old -e B=kept -l l=1 box sh -c 'echo x >/made'
    id=$(api_is 201 POST '/commit?container=committed&repo=made-of&tag=it&comment=why&author=ada&changes=LABEL+m=2&changes=WORKDIR+/w' '{"Env":["A=new"],"Cmd":["cat","/made"],"ExposedPorts":{"80/tcp":{}},"Hostname":"x"}' | json 'x["Id"]')
    [ "$id" = "$(hull inspect -f '{{.Id}}' made-of:it)" ]
    [ "$(hull inspect -f '{{.Comment}} {{.Author}} {{.Config.Labels.l}} {{.Config.Labels.m}} {{.Config.WorkingDir}} {{.Config.Hostname}}' made-of:it)" = "why ada 1 2 /w " ]
    [ "$(hull run --rm made-of:it)" = x ]
    hull inspect made-of:it | json 'x[0]["Config"]' >config
    [ "$(json '"A=new" in x["Env"] and "B=kept" in x["Env"] and "A=old" not in x["Env"] and "80/tcp" in x["ExposedPorts"]' <config)" = true ]
    # What docker's command line sends when it says nothing of the kind.
    id=$(api_is 201 POST '/commit?container=committed' null | json 'x["Id"]')
    [ "$(hull run --rm "$id" cat /made)" = x ]
    [[ $(api_is 404 POST '/commit?container=nothing') == *"No such container: nothing"* ]]
    api_is 400 POST /commit
    [[ $(api_is 400 POST '/commit?container=committed&changes=RUN+x') == *RUN* ]]
    [[ $(api_is 400 POST '/commit?container=committed' '{"Env":"A"}') == *Env* ]]
    api_is 400 POST '/commit?container=committed' '[1]'
    hull rm committed
    hull rmi made-of:it "$id"
}

@test "images: a tar of files becomes one, an archive goes out and comes in" {
    mkdir -p files/etc
    echo hi >files/etc/greeting
    tar -C files -cf files.tar .
    run -0 curl -sS --unix-socket "$API_SOCKET" -H 'Content-Type: application/x-tar' -T files.tar -X POST \
        "http://d/images/create?fromSrc=-&repo=imported&tag=v1&message=from+afar&changes=ENV+A=b&changes=CMD+%5B%22x%22%5D"
    id=$(json 'x["status"]' <<<"$output")
    [ "$(api_is 200 GET /images/imported:v1/json | json '[x["Id"], x["Comment"], x["Config"]["Env"], x["Config"]["Cmd"]]')" = "[\"$id\", \"from afar\", [\"A=b\"], [\"x\"]]" ]
    curl -sS --globoff --unix-socket "$API_SOCKET" 'http://d/images/get?names=imported:v1&names=box' >all.tar
    tar -xOf all.tar manifest.json | json '[m["RepoTags"] for m in x]' | grep -q imported:v1
    curl -sS --unix-socket "$API_SOCKET" http://d/images/imported:v1/get >one.tar
    api_is 200 DELETE /images/imported:v1
    [[ $(api_is 404 GET /images/imported:v1/get) == *"No such image: imported:v1"* ]]
    api_is 400 GET /images/get
    run -0 curl -sS --unix-socket "$API_SOCKET" -T one.tar -X POST 'http://d/images/load?quiet=1'
    [ "$(json 'x["stream"]' <<<"$output")" = "Loaded image: imported:v1" ]
    [ "$(api_is 200 GET /images/imported:v1/json | json 'x["Id"]')" = "$id" ]
    hull rmi imported:v1
    # Not one, and half of one: nothing comes of it.
    run -0 curl -sS -o out -w '%{http_code}' --unix-socket "$API_SOCKET" --data-binary nonsense -X POST http://d/images/load
    [ "$output" = 400 ] || [ "$output" = 500 ] || { cat out; false; }
    head -c 3000 one.tar >half.tar
    run -0 curl -sS -w '%{http_code}' --unix-socket "$API_SOCKET" -T half.tar -X POST http://d/images/load
    [[ $output != *200 || $output == *errorDetail* ]]
    api_is 404 GET /images/imported:v1/json
    [[ $(api_is 400 POST '/images/create?fromSrc=/etc/passwd') == *fromSrc* ]]
    api_is 400 POST /images/create
    [[ $(api_is 400 POST '/images/create?fromSrc=-&changes=RUN+x') == *RUN* ]]
}

@test "images: push and pull with a login that is the request's alone" {
    need_registry
    hull tag box "$REGISTRY/some/box:v1"
    run -0 as_nobody POST "/images/$REGISTRY/some/box/push?tag=v1"
    [[ $output == *errorDetail*200 ]]
    run -0 as_ada POST "/images/$REGISTRY/some/box/push?tag=v1"
    [[ $output == *"The push refers to repository [$REGISTRY/some/box]"*"Pushed"*'"aux":{'*'"Tag":"v1"'*200 && $output != *errorDetail* ]]
    run -0 as_ada POST "/images/$REGISTRY/some/nothing/push?tag=v1"
    [[ $output == *"An image does not exist locally with the tag: $REGISTRY/some/nothing"*200 ]]
    run -0 as_ada POST "/images/$REGISTRY/some/box/push?tag=v1"
    [[ $output == *'"status":"Layer already exists"'*200 ]]
    digest=$(grep -o 'sha256:[0-9a-f]*' <<<"$output" | tail -1)
    [ ! -e "$HOME/.docker" ]
    [ -z "$(grep -rls lovelace "$HULL_ROOT" "$HULL_RUN_ROOT")" ]
    hull rmi "$REGISTRY/some/box:v1"
    run -0 as_nobody POST "/images/create?fromImage=$REGISTRY/some/box&tag=v1"
    [[ $output == *"pull access denied for $REGISTRY/some/box"*404 ]]
    run -0 as_ada POST "/images/create?fromImage=$REGISTRY/some/box&tag=v1"
    [[ $output == *'"status":"Pulling from some/box"'*"Digest: $digest"*"Status: "*200 ]]
    run -0 as_ada POST "/images/create?fromImage=$REGISTRY/some/box:v1"
    [[ $output == *'"status":"Pulling from some/box"'*"Status: Image is up to date for $REGISTRY/some/box:v1"*200 ]]
    run -0 as_ada POST "/images/create?fromImage=$REGISTRY/some/box&tag=$digest"
    [[ $output == *"Digest: $digest"*200 ]]
    run -0 as_ada POST "/images/create?fromImage=$REGISTRY/some/box&tag=nothing"
    [[ $output == *"manifest for $REGISTRY/some/box:nothing not found"*404 ]]
    run -0 as_ada GET "/distribution/$REGISTRY/some/box:v1/json"
    [[ $output == *"\"digest\":\"$digest\""*'"Platforms":[{'*'"os":"linux"'*200 ]]
    # A build that is from it, with the logins of several registries.
    printf 'FROM %s/some/box:v1\n' "$REGISTRY" >Dockerfile
    tar -cf from.tar Dockerfile
    run -0 curl -sS --unix-socket "$API_SOCKET" -T from.tar -X POST 'http://d/build?pull=1'
    [[ $output == *errorDetail* ]]
    config=$(printf '{"https://index.docker.io/v1/":{"username":"x","password":"y"},"%s":{"auth":"%s"}}' "$REGISTRY" "$(printf ada:lovelace | base64)" | base64 -w0)
    run -0 curl -sS --unix-socket "$API_SOCKET" -H "X-Registry-Config: $config" -T from.tar -X POST 'http://d/build?pull=1'
    [[ $output == *"Successfully built"* ]]
    run -0 curl -sS --unix-socket "$API_SOCKET" -H "X-Registry-Config: e30" -T from.tar -X POST 'http://d/build?pull=1'
    [[ $output == *errorDetail* ]]
    [ -z "$(grep -rls lovelace "$HULL_ROOT" "$HULL_RUN_ROOT")" ]
    # Of an image of two repositories that one alone is shown which was asked for.
    hull tag "$REGISTRY/some/box:v1" "$REGISTRY/other/box:v1"
    run -0 as_ada POST "/images/$REGISTRY/other/box/push?tag=v1"
    [ "$(api_is 200 GET "/images/json?filters={\"reference\":[\"$REGISTRY/some/box\"]}" | json '[x[0]["RepoTags"], len(x[0]["RepoDigests"])]')" = \
        "[[\"$REGISTRY/some/box:v1\"], 1]" ]
    hull rmi "$REGISTRY/other/box:v1"
    run -0 as_ada GET "/images/search?term=$REGISTRY/box"
    [[ $output == *'"name":'*some/box*200 ]]
    run -0 as_ada GET "/images/search?limit=1000&term=x"
    [[ $output == *limit*400 ]]
    run -0 as_nobody GET "/distribution/$REGISTRY/some/box:v1/json"
    [[ $output == *401 ]]
    run -0 curl -sS -w '%{http_code}' --unix-socket "$API_SOCKET" -X POST -H 'X-Registry-Auth: !!' "http://d/images/create?fromImage=$REGISTRY/x"
    [[ $output == *"invalid X-Registry-Auth header"*400 ]]
    hull rmi "$REGISTRY/some/box:v1"
    [ ! -e "$HOME/.docker" ]
}

@test "images: a pull whose client goes ends" {
    need_registry
    python3 - "$API_SOCKET" "$HULL_DIR/quiet.port" <<'PY'
import socket, sys
silent = socket.socket() # a registry that says nothing
silent.bind(("127.0.0.1", 0))
silent.listen()
c = socket.socket(socket.AF_UNIX)
c.connect(sys.argv[1])
c.sendall(b"POST /images/create?fromImage=127.0.0.1:%d/x&tag=y HTTP/1.1\r\nHost: d\r\n\r\n" % silent.getsockname()[1])
s, _ = silent.accept()
c.close()
s.settimeout(60)
while s.recv(65536):
    pass
PY
}

@test "images: clients that go in the middle of what they send leave nothing" {
    hull save box | head -c 200000 >part.tar
    for path in /images/load '/images/create?fromSrc=-&repo=cut' '/build?t=cut' '/commit?container=x'; do
        python3 - "$API_SOCKET" "$path" part.tar <<'PY'
import socket, sys
c = socket.socket(socket.AF_UNIX)
c.connect(sys.argv[1])
part = open(sys.argv[3], "rb").read()
c.sendall(b"POST %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: 100000000\r\n\r\n" % sys.argv[2].encode())
c.sendall(part)
c.close()
PY
    done
    wait_until 60 eval '[ -z "$(pgrep -P "$(cat "$HULL_DIR/serve.pid")")" ]'
    api_is 404 GET /images/cut/json
    # One that was killed in the middle is swept by the next.
    printf 'FROM box\nRUN true\n' | hull build -q -t cut -
    [ -z "$(ls -A "$HULL_ROOT/build/running")" ]
    hull rmi cut
}

@test "images: docker's own command line: pull, push, images, inspect, history, tag, rmi, save and load, import" {
    need_docker_cli
    need_registry
    docker_cli login -u ada -p lovelace "$REGISTRY"
    [ ! -e "$HOME/.docker" ]
    run -1 docker_cli login -u ada -p wrong "$REGISTRY"
    docker_cli tag box "$REGISTRY/cli/box"
    docker_cli push "$REGISTRY/cli/box"
    docker_cli rmi "$REGISTRY/cli/box"
    docker_cli pull -a "$REGISTRY/cli/box"
    [ "$(docker_cli images -q --no-trunc "$REGISTRY/cli/box")" = "$(docker_cli inspect -f '{{.Id}}' "$REGISTRY/cli/box")" ]
    docker_cli history "$REGISTRY/cli/box"
    docker_cli save "$REGISTRY/cli/box" | docker_cli load
    docker_cli manifest inspect --insecure "$REGISTRY/cli/box" >/dev/null
    docker_cli rmi "$REGISTRY/cli/box"
    tar -C "$HULL_DIR/work" -c . | docker_cli import -c 'CMD ["a"]' - cli-imported
    [ "$(docker_cli inspect -f '{{.Config.Cmd}}' cli-imported)" = '[a]' ]
    docker_cli image rm cli-imported
    hull create --name cli-committed box true
    [ "$(docker_cli commit -m why cli-committed cli-made)" = "$(hull inspect -f "{{.Id}}" cli-made)" ]
    hull rm cli-committed
    docker_cli rmi cli-made
    docker_cli image prune -f
    run -1 docker_cli pull "$REGISTRY/cli/nothing"
    [[ $output == *"not found"* ]]
}
