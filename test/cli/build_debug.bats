#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: shells in steps, what steps cost, what RUN keeps between builds.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() {
    [ ! -d "$HULL_ROOT/build/running" ] || [ -z "$(ls "$HULL_ROOT/build/running")" ] || { ls "$HULL_ROOT/build/running" >&2; return 1; }
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
WORKDIR /work
RUN --mount=type=secret,id=s echo half >done && false
DOCKERFILE
    echo hidden >secret
    status=0
    said=$(echo 'cat done /run/secrets/s; echo "$V $GIVEN $PWD"; touch /work/never' | hull build --on-error=shell --secret id=s,src=secret . 2>&1) || status=$?
    [ "$status" = 1 ]
    [[ $said == *'the step failed: a shell where [3/3] RUN'*$'half\nhidden\nenv 1 /work\n'*'exit status 1' ]]
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
