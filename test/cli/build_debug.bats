#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: shells in steps, what steps cost, what RUN keeps between builds.
# machines: native v2

load ../lib/hull
load ../lib/build
setup_file() { hull_setup; }
teardown_file() {
    no_step_is_left
    hull_teardown
}

setup() {
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
}

@test "build debug: --on-error=shell is where the step failed" {
    cat >Dockerfile <<'DOCKERFILE'
FROM box
ARG GIVEN=1
ENV V=env
WORKDIR /place
RUN --mount=type=secret,id=s echo half >done && false
DOCKERFILE
    echo hidden >secret
    status=0
    said=$(echo 'cat done /run/secrets/s; echo "$V $GIVEN $PWD"; touch /place/never' | hull build --on-error=shell --secret id=s,src=secret . 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ $said == *'the step failed: a shell where [3/3] RUN'*$'half\nhidden\nenv 1 /place\n'*'exit status 1' ]]
    # One that goes well asks nobody.
    printf 'FROM box\nRUN true\n' >Dockerfile
    run -0 hull build --on-error=shell . </dev/null
    [[ $output != *'a shell'* ]]
    printf 'FROM box\nRUN false\n' >Dockerfile
    run ! hull build --on-error=nothing .
    run ! hull build --on-error=shell - <Dockerfile
    [[ $output == *'need stdin for the shell'* ]]
}

@test "build debug: --debug-at opens a shell before a step, cached or not, and leaves nothing in the image" {
    cat >Dockerfile <<'DOCKERFILE'
FROM box AS first
RUN echo one >/one
RUN echo two >/two
FROM first
COPY --from=first /two /copy
DOCKERFILE
    for _ in 1 2; do
        run -0 hull build --debug-at first:3 -t debugged . <<<'ls /one /two; touch /never'
        [[ $output == *'--debug-at: a shell where [first 3/3] RUN echo two'*/one* ]]
        run -0 hull run --rm debugged sh -c 'cat /copy; [ ! -e /never ]'
        [ "$output" = two ]
    done
    run -0 hull build --debug-at 5 . <<<'ls /copy'
    [[ $output == *'COPY --from=first'* ]]
    run -1 hull build --debug-at first:9 . </dev/null
    [[ $output == *'no instruction of a stage that is built stands there' ]]
    run -1 hull build --debug-at here . </dev/null
    [[ $output == *'as in STAGE:LINE'* ]]
}

@test "build debug: the shell has the terminal when there is one" {
    printf 'FROM box\nRUN false\n' >Dockerfile
    python3 - "$HULL" <<'PYTHON' || return 1
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], [sys.argv[1], "build", "--on-error=shell", "."])
text, sent, limit = b"", False, time.time() + 60
while time.time() < limit:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        text += os.read(fd, 4096)
    except OSError:
        break
    if not sent and b"it ends with exit" in text:
        sent = True
        os.write(fd, b"tty; exit\r")
os.kill(pid, 9) if time.time() >= limit else None
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(0 if status == 1 and (b"/dev/pts" in text or b"/dev/console" in text) else print(status, text) or 1)
PYTHON
}

@test "build debug: what each step cost, as JSON and as a picture" {
    printf 'FROM box\nRUN head -c 100000 /dev/zero >/big; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done\nRUN true\n' >Dockerfile
    run -0 hull build --progress plain --timing --metadata-file meta -t costs .
    [[ $output == *'TIME'*'CPU'*'BYTES'*'='*'[2/3] RUN head'* ]]
    jq -e '."hull.build.steps" | map(select(.name | test("RUN head"))) | .[0] | .bytes == 100000 and .cpu_ns > 0 and .duration_ns > 0 and .started_ns > 0
        and .cached == false and .failed == false' meta
    run -0 hull build --progress rawjson --timing --metadata-file meta -t costs .
    [[ $output == *'CACHED [2/3] RUN head'* ]]
    jq -e '."hull.build.steps" | map(.cached) | any' meta
    run -0 hull build --no-cache --progress rawjson .
    grep '"completed"' <<<"$output" | jq -se 'map(select(.name | test("RUN head"))) | .[0] | .bytes == 100000 and .cpu_ns > 0'
    printf 'FROM box\nRUN false\n' >Dockerfile
    run -1 hull build --timing .
    [[ $output == *'FAILED [2/2] RUN false'* ]]
}

@test "build debug: cache mounts are listed, go out and in, and are pruned" {
    cat >Dockerfile <<'DOCKERFILE'
FROM box
USER 1000
RUN --mount=type=cache,target=/tmp/c,id=kept.debug stat -c %u /tmp/c; date +%N >>/tmp/c/lines; wc -l </tmp/c/lines
RUN --mount=type=cache,target=/tmp/own,id=mine.debug,sharing=private echo 1 >>/tmp/own/lines; wc -l </tmp/own/lines
DOCKERFILE
    run -0 hull build --progress plain --no-cache -t mounts .
    [[ $output == *' 1000'* ]]
    run -0 hull build --progress plain --no-cache -t mounts .
    # The second build finds what the first left, in a private one too, and nothing is in the image.
    [ "$(grep -cE '#[0-9]+ [0-9.]+ 2$' <<<"$output")" = 2 ]
    run ! hull run --rm mounts ls /tmp/c
    run -0 hull builder ls --format '{{.Type}} {{.ID}} {{.Description}}'
    [[ $output == *'exec.cachemount build-kept.debug cache mount kept.debug'* ]]
    [ "$(hull volume ls -q --filter label=hull.build.cache=kept.debug)" = build-kept.debug ]
    hull volume export build-kept.debug >out.tar
    hull builder prune -f --filter type=exec.cachemount --filter until=24h
    [ "$(hull volume ls -q --filter label=hull.build.cache=kept.debug)" = build-kept.debug ]
    run -0 hull builder prune -f --filter type=exec.cachemount
    [[ $output == *build-kept.debug* ]]
    [ -z "$(hull volume ls -q --filter label=hull.build.cache)" ]
    hull volume import build-kept.debug <out.tar
    run -0 hull build --progress plain --no-cache -t mounts .
    [ "$(grep -cE '#[0-9]+ [0-9.]+ 3$' <<<"$output")" = 1 ]
    # -a takes them too, without it they stay.
    hull builder prune -f
    [ -n "$(hull volume ls -q --filter label=hull.build.cache)" ]
}

@test "build debug: caches whose names meet are still two" {
    printf 'FROM box\nRUN --mount=type=cache,id=/met/here,target=/a --mount=type=cache,id=met.here,target=/b echo 1 >/a/f; ls /b >/out\n' >Dockerfile
    build -t met .
    run -0 hull run --rm met cat /out
    [ -z "$output" ]
    # Somebody has the private one: the second of it is not that of another id.
    printf 'FROM box\nRUN --mount=type=cache,id=met,sharing=private,target=/a touch /a/mine\n' >Dockerfile
    build .
    flock "$(hull volume inspect -f '{{.Mountpoint}}' build-met)" "$HULL" build -q --no-cache .
    printf 'FROM box\nRUN --mount=type=cache,id=met-2,target=/a ls /a >/out\n' >Dockerfile
    build -t met .
    run -0 hull run --rm met cat /out
    [ -z "$output" ]
    run -0 hull volume ls -q --filter label=hull.build.cache=met
    [ "$output" = $'build-met\nbuild-met-2' ]
    hull builder prune -f --filter type=exec.cachemount
}

@test "build debug: the build cache keeps to its budget" {
    cat >Dockerfile <<'DOCKERFILE'
FROM box
RUN head -c 3000000 /dev/zero >/a
RUN head -c 2000000 /dev/zero >/b
RUN head -c 1000000 /dev/zero >/c
DOCKERFILE
    sum() { hull builder ls --format '{{json .}}' | jq -s 'length'; }
    hull builder prune -f
    hull build -q -o type=cacheonly .
    [ "$(sum)" -ge 3 ]
    # What the cache has whole makes it no larger: nothing is measured then.
    printf '{"build-cache-max": "1k"}' >tiny.json
    HULL_CONFIG=$PWD/tiny.json hull build -q -o type=cacheonly .
    [ "$(sum)" -ge 3 ]
    hull build -q -o type=cacheonly --cache-max 2500000 .
    [ "$(hull builder ls --format '{{.Type}}' | grep -c regular)" -le 2 ]
    run -0 hull build --progress plain -o type=cacheonly .
    [[ $output == *'RUN head -c 3000000'*DONE* ]]
    # Cache mounts count, and go in their turn.
    printf 'FROM box\nRUN --mount=type=cache,id=old,target=/c head -c 3000000 /dev/zero >/c/f\n' >Dockerfile.mounts
    printf 'RUN --mount=type=cache,id=young,target=/c head -c 1000000 /dev/zero >/c/f\n' >>Dockerfile.mounts
    hull build -q -o type=cacheonly --cache-max 3500000 -f Dockerfile.mounts .
    [[ $(hull builder ls --format '{{.Description}}') == *'cache mount young'* ]]
    [[ $(hull builder ls --format '{{.Description}}') != *'cache mount old'* ]]
    # As a setting; also after a build that failed.
    printf '{"build-cache-max": "1M"}' >settings.json
    printf 'FROM box\nRUN head -c 5000000 /dev/zero >/x\nRUN false\n' >Dockerfile
    HULL_CONFIG=$PWD/settings.json run ! hull build .
    [[ $(hull builder ls --format '{{.Description}}') != *5000000* ]]
    printf '{"builder": {"gc": {"enabled": true, "defaultKeepStorage": "no"}}}' >settings.json
    HULL_CONFIG=$PWD/settings.json run ! hull build .
    [[ $output == *build-cache-max* ]]
}
