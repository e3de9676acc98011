#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: ADD and contexts from elsewhere: a server on loopback.

load ../lib/hull
load ../lib/build

setup_file() {
    hull_setup
    # This machine is asked itself, also by git and python.
    export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
    command -v python3 >/dev/null || return 0
    mkdir "$HULL_DIR/www"
    python3 "$BATS_TEST_DIRNAME/../lib/http_server.py" "$HULL_DIR/www" "$HULL_DIR/log" >"$HULL_DIR/port" 3>&- &
    echo $! >"$HULL_DIR/server.pid"
    wait_until 30 test -s "$HULL_DIR/port"
    URL=http://127.0.0.1:$(cat "$HULL_DIR/port")
    export URL
}

teardown_file() {
    [ ! -e "$HULL_DIR/server.pid" ] || kill "$(cat "$HULL_DIR/server.pid")"
    no_step_is_left
    hull_teardown
}

setup() {
    [ -n "${URL-}" ] || skip "needs python3"
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
    : >"$HULL_DIR/log"
}

@test "build: ADD of a URL: its name, its mode, its time; what is still the same is not fetched again" {
    echo one >"$HULL_DIR/www/f.txt"
    cat >Dockerfile <<EOT
FROM box
ADD $URL/f.txt /as
ADD $URL/f.txt?q=1#frag /dir/
ADD $URL/named/f.txt $URL/plain/f.txt /both/
ADD --chmod=755 --chown=3:4 $URL/to?/to?/f.txt /moved
EOT
    build -t url .
    run -0 hull run --rm url sh -c 'cat /as /dir/f.txt /both/other.txt /both/f.txt /moved; stat -c "%a %u:%g %Y" /as /moved'
    [ "$output" = $'one\none\none\none\none\n600 0:0 1000000000\n755 3:4 1000000000' ]
    : >"$HULL_DIR/log"
    build -t url .
    [ "$(grep -c CACHED <<<"$said")" = 4 ]
    # The one that the server has no name for is read again, and no other.
    ! grep -v 'plain\|/to' "$HULL_DIR/log" | grep ' 200$'
    grep -q '/f.txt 304$' "$HULL_DIR/log"
    echo two >"$HULL_DIR/www/f.txt"
    build -t url .
    [ "$(hull run --rm url cat /as /dir/f.txt /both/other.txt /both/f.txt)" = $'two\ntwo\ntwo\ntwo' ]
}

@test "build: ADD --checksum: what has it is not asked for again, what has another is refused" {
    echo sum >"$HULL_DIR/www/s.txt"
    sum=sha256:$(sha256sum <"$HULL_DIR/www/s.txt" | cut -c 1-64)
    printf 'FROM box\nARG SUM\nADD --checksum=$SUM %s/plain/s.txt /s\n' "$URL" >Dockerfile
    build -t sum --build-arg SUM=$sum .
    : >"$HULL_DIR/log"
    build -t sum --build-arg SUM=$sum .
    [[ $said == *CACHED* ]]
    [ ! -s "$HULL_DIR/log" ]
    build -t sum --build-arg SUM="sha512:$(sha512sum <"$HULL_DIR/www/s.txt" | cut -c 1-128)" .
    fails 'Dockerfile:3:[0-9]*: .*it has the digest sha256:.*--checksum says sha256:0000' --build-arg SUM=sha256:"$(printf '%064d' 0)" .
    fails 'Dockerfile:3:5: invalid --checksum' --build-arg SUM=sha256:12 .
    printf 'FROM box\nADD --checksum=%s Dockerfile /s\n' "$sum" >Dockerfile
    fails 'checksum is for one URL' .
}

@test "build: ADD --unpack of a URL; without it an archive stays one" {
    mkdir t
    echo in >t/f
    tar czf "$HULL_DIR/www/t.tgz" -C t .
    printf 'FROM box\nADD --unpack=true %s/t.tgz /one/\nADD %s/t.tgz /two/\n' "$URL" "$URL" >Dockerfile
    build -t unpack .
    run -0 hull run --rm unpack sh -c 'cat /one/f; ls /two'
    [ "$output" = $'in\nt.tgz' ]
}

@test "build: a server that breaks off, is busy, refuses, leads astray" {
    seq 100000 >"$HULL_DIR/www/big"
    printf 'FROM box\nADD %s/drops/big /big\nADD %s/busy/big /busy\n' "$URL" "$URL" >Dockerfile
    build -t faults .
    grep -q '/drops/big 206' "$HULL_DIR/log"
    run -0 hull run --rm faults sha256sum /big /busy
    [ "$(grep -c "$(sha256sum <"$HULL_DIR/www/big" | cut -c 1-64)" <<<"$output")" = 2 ]
    printf 'FROM box\nADD %s/drops-plain/big /big\n' "$URL" >Dockerfile
    fails 'Dockerfile:2:5: .*/drops-plain/big: ' .
    printf 'FROM box\nADD %s/missing /big\n' "$URL" >Dockerfile
    fails 'Dockerfile:2:5: .*/missing: status 404' .
    printf 'FROM box\nADD %s/status/403 /big\n' "$URL" >Dockerfile
    fails 'status 403' .
    printf 'FROM box\nADD %s/loop /big\n' "$URL" >Dockerfile
    fails 'too many redirects' .
    printf 'FROM box\nADD %s/to?file:///etc/passwd /big\n' "$URL" >Dockerfile
    fails 'it redirects to nowhere' .
    printf 'FROM box\nADD http://127.0.0.1:1/x /big\n' >Dockerfile
    fails 'Dockerfile:2:5: http://127.0.0.1:1/x: .*onnect' .
    printf 'FROM box\nADD %s/ /dir/\n' "$URL" >Dockerfile
    echo x >"$HULL_DIR/www/index.html"
    fails 'status 404|no name of a file' .
    printf 'FROM box\nCOPY %s/big /dir/\n' "$URL" >Dockerfile
    fails 'COPY takes no URL: ADD does' .
}

# A repository that git daemon serves: $GIT.
serve_git() {
    command -v git >/dev/null || skip "needs git"
    [ -x "$(git --exec-path)/git-daemon" ] || skip "needs git daemon"
    export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    [ -d "$HULL_DIR/git/r.git" ] || {
        mkdir -p "$HULL_DIR/git" "$HULL_DIR/made/sub"
        cd "$HULL_DIR/made" || return 1
        git init -q -b main
        printf 'FROM box\nCOPY . /all\n' >Dockerfile
        printf 'FROM box\nCOPY in /in\n' >sub/Dockerfile
        echo sub >sub/in
        echo first >file
        git add -A && git commit -q -m first
        git tag -a -m v1 v1
        echo second >file
        git commit -q -a -m second
        git checkout -q -b side
        echo side >file
        git commit -q -a -m side
        git checkout -q main
        git clone -q --bare . "$HULL_DIR/git/r.git"
        git -C "$HULL_DIR/git/r.git" update-server-info
        cd "$HULL_DIR/ctx" || return 1
    }
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    git daemon --reuseaddr --export-all --listen=127.0.0.1 --port="$port" --base-path="$HULL_DIR/git" >/dev/null 2>&1 3>&- &
    daemon=$!
    GIT=git://127.0.0.1:$port/r.git
    wait_until 30 git ls-remote -q "$GIT"
}

stop_git() {
    # git daemon forks one that listens.
    local below
    below=$(pgrep -P "$daemon" || true)
    # shellcheck disable=SC2086
    kill "$daemon" $below 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
}

@test "build: ADD of a git repository: branch, tag, commit, folder; a commit that is known is not fetched" {
    serve_git
    first=$(git -C "$HULL_DIR/made" rev-parse v1^{})
    cat >Dockerfile <<EOT
FROM box
ADD $GIT /main
ADD $GIT#side /side/
ADD $GIT#v1 /tag
ADD $GIT#$first:sub /sub
ADD --keep-git-dir=true $GIT#main /kept
ADD --checksum=$first $GIT#v1 /sum
EOT
    build -t git . || { stop_git; false; }
    run -0 hull run --rm git sh -c 'cat /main/file /side/file /tag/file /sub/in /sum/file; ls -A /main /sub; ls -d /kept/.git; stat -c %u:%g /main/file /main/sub'
    [ "$output" = $'second\nside\nfirst\nsub\nfirst\n/main:\nDockerfile\nfile\nsub\n\n/sub:\nDockerfile\nin\n/kept/.git\n0:0\n0:0' ]
    build -t git . || { stop_git; false; }
    [ "$(grep -c CACHED <<<"$said")" = 6 ]
    cat >Dockerfile <<EOT
FROM box
ADD $GIT?branch=side&subdir=sub /sub
ADD $GIT?tag=v%31&checksum=${first:0:9} /tag
ADD $GIT?commit=$first&keep-git-dir&submodules=false /kept
EOT
    build -t git . || { stop_git; false; }
    run -0 hull run --rm git sh -c 'cat /sub/in /tag/file /kept/file; ls -d /kept/.git'
    [ "$output" = $'sub\nfirst\nfirst\n/kept/.git' ]
    for query in tagg=v1 tag= 'tag=v1&branch=side' keep-git-dir=perhaps "ref=side&checksum=$first"; do
        printf 'FROM box\nADD %s?%s /x\n' "$GIT" "$query" >Dockerfile
        fails 'Dockerfile:2:5: .*(tagg: ref, tag|tag has no value|branch is refs/tags/v1 and refs/heads/side|true and false|checksum says)' .
    done
    printf 'FROM box\nADD %s#nowhere /x\n' "$GIT" >Dockerfile
    fails 'Dockerfile:2:5: .*there is no branch, tag or commit nowhere' .
    printf 'FROM box\nADD %s#main:not/there /x\n' "$GIT" >Dockerfile
    fails 'Dockerfile:2:5: .*not/there' .
    printf 'FROM box\nADD %s#main:../../.. /x\n' "$GIT" >Dockerfile
    build -t up .
    [ "$(hull run --rm up cat /x/file)" = second ]
    printf 'FROM box\nADD --checksum=%s %s#main /x\n' "$first" "$GIT" >Dockerfile
    fails "checksum says $first" .
    stop_git
    printf 'FROM box\nADD %s#side:sub /x\n' "$GIT" >Dockerfile
    fails 'Dockerfile:2:5: git ls-remote: .*: |Dockerfile:2:5: .*git ls-remote' .
}

@test "build: a context from a git repository, from a URL" {
    serve_git
    build -t fromgit "$GIT"
    run -0 hull run --rm fromgit ls -A /all
    [ "$output" = $'Dockerfile\nfile\nsub' ]
    build -t fromsub "$GIT#side:sub"
    [ "$(hull run --rm fromsub cat /in)" = sub ]
    build -t dated --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=true --build-arg SOURCE_DATE_EPOCH=context "$GIT" || { stop_git; false; }
    [ "$(hull run --rm dated ls -d /all/.git)" = /all/.git ]
    [ "$(date -d "$(hull inspect -f '{{.Created}}' dated)" +%s)" = "$(git -C "$HULL_DIR/made" show -s --format=%ct main)" ]
    # A server that knows only files.
    cp -r "$HULL_DIR/git/r.git" "$HULL_DIR/www/"
    build -t dumb "$URL/r.git#v1" || { stop_git; false; }
    [ "$(hull run --rm dumb cat /all/file)" = first ]
    printf 'FROM box\nCOPY --from=r /file /f\nCOPY --from=s /in /in\n' >Dockerfile
    build -t named --build-context "r=$GIT#v1" --build-context "s=$GIT#side:sub" . || { stop_git; false; }
    [ "$(hull run --rm named cat /f /in)" = $'first\nsub' ]
    stop_git
    echo fetched >"$HULL_DIR/www/f.txt"
    printf 'FROM box\nCOPY --from=u /context /f\n' >Dockerfile
    build -t named --build-context "u=$URL/f.txt" .
    [ "$(hull run --rm named cat /f)" = fetched ]
    tar czf "$HULL_DIR/www/ctx.tgz" -C "$HULL_DIR/made" Dockerfile file sub
    build -t fromtar "$URL/ctx.tgz"
    [ "$(hull run --rm fromtar cat /all/file)" = second ]
    build -t fromtar -f sub/Dockerfile "$URL/to?/ctx.tgz" || true
    printf 'FROM box\nRUN echo alone >/a\n' >"$HULL_DIR/www/Dockerfile.x"
    build -t alone "$URL/Dockerfile.x"
    [ "$(hull run --rm alone cat /a)" = alone ]
    fails 'context: .*/none.tgz: status 404' "$URL/none.tgz"
    fails 'context: ' "$URL/none.git"
}

@test "build: a server that never answers: the wait ends, and an interrupt ends it at once" {
    command -v git >/dev/null || skip "needs git"
    python3 -c 'import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
kept = []
while True: kept.append(s.accept())' >"$HULL_DIR/silent" 3>&- &
    local server=$! port
    wait_until 30 test -s "$HULL_DIR/silent"
    port=$(cat "$HULL_DIR/silent")
    fails 'fatal: unable to connect to 127.0.0.1: .*errno=' "git://127.0.0.1:1/x.git"
    HULL_GIT_TIMEOUT=1 fails 'git: nothing comes for 1 seconds' "git://127.0.0.1:$port/x.git"
    printf 'FROM box\nRUN echo begun\nADD http://127.0.0.1:%s/x /x\n' "$port" >Dockerfile
    "$HULL" build --progress plain --no-cache . >out 2>&1 3>&- &
    local pid=$! status=0
    wait_until 30 grep -q 'begun' out
    wait_until 30 grep -q '/x /x' out
    kill -TERM $pid
    wait $pid || status=$?
    kill $server
    [ "$status" = 1 ]
    grep -q interrupted out || { cat out; false; }
}

@test "build: --push and --output type=registry; a base that is there" {
    command -v docker-registry >/dev/null || skip "needs docker-registry"
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$HULL_DIR/registry.yml" <<-YML
	version: 0.1
	log: {level: error}
	storage: {filesystem: {rootdirectory: $HULL_DIR/registry}}
	http: {addr: "127.0.0.1:$port"}
	YML
    docker-registry serve "$HULL_DIR/registry.yml" >"$HULL_DIR/registry.log" 2>&1 3>&- &
    local registry=$!
    wait_until 30 python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/v2/')"
    printf 'FROM box\nRUN echo pushed >/p\n' >Dockerfile
    build --push --metadata-file meta -t "127.0.0.1:$port/one:x" . || { kill $registry; false; }
    pushed=$(curl -sfI --noproxy '*' -H 'Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json' \
        "http://127.0.0.1:$port/v2/one/manifests/x" | sed -n 's/^docker-content-digest: *\([^[:space:]]*\).*/\1/Ip')
    [ "$(jq -r '."containerimage.digest"' meta)" = "$pushed" ] || { kill $registry; false; }
    build -o "type=registry,name=127.0.0.1:$port/two,compression=zstd" . || { kill $registry; false; }
    hull rmi "127.0.0.1:$port/one:x" "127.0.0.1:$port/two"
    hull builder prune -f
    printf 'FROM 127.0.0.1:%s/one:x\nCOPY --from=127.0.0.1:%s/two /p /q\n' "$port" "$port" >Dockerfile
    build -t frompushed . || { kill $registry; false; }
    printf 'FROM scratch\nCOPY Dockerfile /\n' >Dockerfile
    build --push --platform linux/amd64,linux/arm64 --annotation index:i=1 --annotation m=2 -t "127.0.0.1:$port/many" . || { kill $registry; false; }
    local accept='Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' manifests="http://127.0.0.1:$port/v2/many/manifests"
    many=$(curl -sf --noproxy '*' -H "$accept" "$manifests/latest")
    notes=$(jq -r '.manifests[].digest' <<<"$many" | while read -r one; do curl -sf --noproxy '*' -H "$accept" "$manifests/$one" | jq -c .annotations; done)
    # What is attested of it is about the manifest that is there.
    build --push --provenance -t "127.0.0.1:$port/attested" . || { kill $registry; false; }
    manifests="http://127.0.0.1:$port/v2/attested/manifests"
    index=$(curl -sf --noproxy '*' -H "$accept" "$manifests/latest")
    image=$(jq -r '.manifests[0].digest' <<<"$index")
    [ "$(jq -r '.manifests[1].annotations["vnd.docker.reference.digest"]' <<<"$index")" = "$image" ] || { kill $registry; false; }
    layer=$(curl -sf --noproxy '*' -H "$accept" "$manifests/$(jq -r '.manifests[1].digest' <<<"$index")" | jq -r '.layers[0].digest')
    subject=$(curl -sf --noproxy '*' "http://127.0.0.1:$port/v2/attested/blobs/$layer" | jq -r '.subject[0].digest.sha256')
    [ "sha256:$subject" = "$image" ] || { kill $registry; false; }
    curl -sf --noproxy '*' -H "$accept" "$manifests/$image" >/dev/null || { kill $registry; false; }
    # What was built is taken over from there, from a cache of its own or from the image.
    printf 'FROM box\nRUN cat /proc/sys/kernel/random/uuid >/one\nRUN cat /proc/sys/kernel/random/uuid >/two\n' >Dockerfile
    build --push -t "127.0.0.1:$port/inline" --cache-to type=inline --cache-to "type=registry,ref=127.0.0.1:$port/cache,mode=max" . || { kill $registry; false; }
    uuids=$(hull run --rm "127.0.0.1:$port/inline" cat /one /two)
    for from in "type=registry,ref=127.0.0.1:$port/cache" "127.0.0.1:$port/inline"; do
        hull rmi "127.0.0.1:$port/inline"
        hull builder prune -f
        build -t "127.0.0.1:$port/inline" --cache-from "$from" . || { kill $registry; false; }
        [ "$(hull run --rm "127.0.0.1:$port/inline" cat /one /two)" = "$uuids" ] || { kill $registry; false; }
    done
    kill $registry
    [ "$(jq -c '[.annotations.i, (.manifests[].platform.architecture)]' <<<"$many")" = '["1","amd64","arm64"]' ]
    [ "$notes" = $'{"m":"2"}\n{"m":"2"}' ]
    [ "$(hull run --rm frompushed cat /p /q)" = $'pushed\npushed' ]
    fails 'output: .*127.0.0.1' --push -t "127.0.0.1:$port/one:x" .
}
