#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: ADD and contexts from elsewhere: a server on loopback.

load ../lib/hull

setup_file() {
    hull_setup
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
    [ ! -d "$HULL_ROOT/build/running" ] || [ -z "$(ls "$HULL_ROOT/build/running")" ] || { ls "$HULL_ROOT/build/running" >&2; return 1; }
    hull_teardown
}

setup() {
    [ -n "${URL-}" ] || skip "needs python3"
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
    : >"$HULL_DIR/log"
}

build() {
    said=$(hull build --progress plain "$@" 2>&1) || { echo "$said"; return 1; }
}

fails() {
    local pattern=$1 status=0
    shift
    said=$(hull build --progress plain "$@" 2>&1) || status=$?
    [ "$status" = 1 ] || { echo "status $status: $said"; return 1; }
    [[ $(tail -n 1 <<<"$said") =~ $pattern ]] || { echo "has no /$pattern/: $said"; return 1; }
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
