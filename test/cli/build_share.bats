#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: a step that several need at once is done once. Steps count themselves in a directory that --volume lends them, and those that are
# to be met while they run wait for a file in it.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() {
    rmdir "$HULL_ROOT/build/running" "$HULL_ROOT/build/doing"   # nothing is left in them
    hull_teardown
}

setup() {
    rm -rf "$HULL_DIR/ctx" "$HULL_DIR/count" "$HULL_DIR"/log.*
    mkdir "$HULL_DIR/ctx" "$HULL_DIR/count"
    cd "$HULL_DIR/ctx" || return 1
}

# A step of a name that is this test's, so that no other test has done it.
step() {
    echo "RUN : $BATS_TEST_NUMBER; echo x >> /count/n; while [ ! -e /count/go ]; do sleep 0.02; done; echo done > /one"
}

# build LOG ARG...: in the background; its pid is in $pid.
begin() {
    local log=$1
    shift
    "$HULL" build --progress plain --network none -v "$HULL_DIR/count:/count" "$@" >"$HULL_DIR/log.$log" 2>&1 3>&- &
    pid=$!
}

counted() { wc -l <"$HULL_DIR/count/n"; }
waits() { grep -q 'being done elsewhere' "$HULL_DIR/log.$1"; }
runs() { [ -s "$HULL_DIR/count/n" ]; }
until_() {
    local i
    for i in {1..3000}; do
        "$@" && return
        sleep 0.02
    done
    cat "$HULL_DIR"/log.* >&2
    return 1
}
ended() { wait "$1" || { cat "$HULL_DIR"/log.* >&2; return 1; }; }

@test "share: equal steps of two stages are done once, with --no-cache too" {
    local how
    for how in --no-cache=false --no-cache; do
        { echo "FROM box AS a"; step; echo "FROM box AS b"; step; echo "FROM box"; echo "COPY --from=a /one /1"; echo "COPY --from=b /one /2"; } >Dockerfile
        rm -f "$HULL_DIR"/count/* "$HULL_DIR/log.a"
        begin a "$how" -t twice .
        until_ waits a
        touch "$HULL_DIR/count/go"
        ended "$pid"
        [ "$(counted)" = 1 ]
        run -0 hull run --rm twice cat /1 /2
        [ "$output" = $'done\ndone' ]
    done
}

@test "share: a second build waits for the step of the first, and a third that does not need it does not" {
    { echo FROM box; step; } >Dockerfile
    begin a -t first .
    local first=$pid
    until_ runs
    begin b -t second .
    until_ waits b
    printf 'FROM box\nRUN echo else > /else\n' >Dockerfile.else
    run -0 hull build -q --network none -f Dockerfile.else .
    touch "$HULL_DIR/count/go"
    ended "$first"
    ended "$pid"
    [ "$(counted)" = 1 ]
    grep -q CACHED "$HULL_DIR/log.b"
    [ "$(hull inspect -f '{{.Id}}' first)" = "$(hull inspect -f '{{.Id}}' second)" ]
}

@test "share: the step of a build that is killed is done by the one that waits for it" {
    { echo FROM box; step; } >Dockerfile
    begin a -t first .
    local first=$pid
    until_ runs
    begin b -t second .
    until_ waits b
    local workers
    mapfile -t workers < <(pgrep -P "$first")
    kill -9 "${workers[@]}" "$first"
    wait "$first" || true
    again() { [ "$(counted)" = 2 ]; }
    until_ again
    touch "$HULL_DIR/count/go"
    ended "$pid"
    run -0 hull run --rm second cat /one
    [ "$output" = "done" ]
}

@test "share: a step that fails is tried by the one that waits for it, and says why itself" {
    printf 'FROM box\nRUN echo x >> /count/n; while [ ! -e /count/go ]; do sleep 0.02; done; exit 7\n' >Dockerfile
    begin a .
    local first=$pid
    until_ runs
    begin b .
    until_ waits b
    touch "$HULL_DIR/count/go"
    ! wait "$first"
    ! wait "$pid"
    grep -q 'exit status 7' "$HULL_DIR/log.b"
    [ "$(counted)" = 2 ]
}

@test "share: who waits for a cache mount that is locked keeps nobody from other volumes" {
    printf 'FROM box\nRUN --mount=type=cache,id=one,sharing=locked,target=/c echo x >>/count/n; while [ ! -e /count/go ]; do sleep 0.02; done\n' >Dockerfile
    begin a .
    local first=$pid
    until_ runs
    printf 'FROM box\nRUN --mount=type=cache,id=one,sharing=locked,target=/c echo x >>/count/n\n' >Dockerfile
    begin b .
    local second=$pid
    until_ grep -q 'in use elsewhere' "$HULL_DIR/log.b"
    hull volume create other
    hull volume rm other
    begin c .
    until_ grep -q 'elsewhere' "$HULL_DIR/log.c"
    kill -TERM "$pid"
    ! wait "$pid"
    touch "$HULL_DIR/count/go"
    ended "$first"
    ended "$second"
    [ "$(counted)" = 2 ]
}

locks() { printf 'RUN'; for id; do printf -- ' --mount=type=cache,id=%s,sharing=locked,target=/c/%s' "$id" "$id"; done; printf ' echo x >>/count/n'; }

@test "share: steps that lock caches in opposite orders do not wait for each other for ever" {
    { echo FROM box; locks gate1 gate2; echo '; while [ ! -e /count/go ]; do sleep 0.02; done'; } >Dockerfile
    begin a .
    local first=$pid
    until_ runs
    { echo FROM box; locks one gate1 two; } >Dockerfile
    begin b .
    local second=$pid
    until_ grep -q 'in use elsewhere' "$HULL_DIR/log.b"
    { echo FROM box; locks two gate2 one; } >Dockerfile
    begin c .
    until_ grep -q 'in use elsewhere' "$HULL_DIR/log.c"
    touch "$HULL_DIR/count/go"
    ended "$first"
    ended "$second"
    ended "$pid"
    [ "$(counted)" = 3 ]
}

@test "share: a locked cache that a step mounts twice is one" {
    { echo FROM box; echo 'RUN --mount=type=cache,id=one,sharing=locked,target=/c --mount=type=cache,id=one,sharing=locked,target=/d echo two >/c/f; cat /d/f >/out'; } >Dockerfile
    begin a -t twice .
    ended "$pid"
    [ "$(hull run --rm twice cat /out)" = two ]
}

@test "share: a build that waits can be interrupted" {
    { echo FROM box; step; } >Dockerfile
    begin a -t first .
    local first=$pid
    until_ runs
    begin b .
    until_ waits b
    kill -TERM "$pid"
    ! wait "$pid"
    grep -q interrupted "$HULL_DIR/log.b"
    [ ! -e "$HULL_DIR/count/go" ]
    touch "$HULL_DIR/count/go"
    ended "$first"
    [ "$(counted)" = 1 ]
}
