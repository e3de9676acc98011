#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: RUN --mount=type=ssh, and git by way of ssh.
# machines: native v2

load ../lib/hull
load ../lib/build

setup_file() {
    hull_setup
    command -v ssh-agent >/dev/null && command -v ssh-keygen >/dev/null || return 0
    ssh-keygen -q -t ed25519 -N '' -f "$HULL_DIR/key"
    ssh-keygen -q -t ed25519 -N '' -f "$HULL_DIR/more"
    ssh-keygen -q -t ed25519 -N pass -f "$HULL_DIR/locked"
}
teardown_file() {
    no_step_is_left
    hull_teardown
}

setup() {
    [ -e "$HULL_DIR/locked" ] || skip "needs ssh-agent and ssh-keygen"
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
    cp "$HULL_BUILD/test/inside/ask" .
}

# No ssh-agent of a build is left: its socket would be called agent, below here.
no_agent() {
    ! grep -qF "$HULL_ROOT/build/running" /proc/net/unix && ! pgrep -f '^ssh-agent -a agent sh'
}

@test "build ssh: the socket has the mode and the owner that the step asks for, and leads to the agent" {
    eval "$(ssh-agent -a "$HULL_DIR/sock" 3>&-)"
    SSH_AUTH_SOCK=$HULL_DIR/sock ssh-add -q "$HULL_DIR/key"
    cat >Dockerfile <<'EOT'
FROM box
COPY ask /
RUN --mount=type=ssh stat -c '%a %u:%g' $SSH_AUTH_SOCK >/out && /ask >>/out
USER 5:6
RUN --mount=type=ssh,target=/tmp/s,mode=0640,uid=5,gid=6 (stat -c '%n %a %u:%g' $SSH_AUTH_SOCK && /ask && /ask) >/tmp/out
RUN --mount=type=ssh,id=none [ -z "$SSH_AUTH_SOCK" ]
EOT
    hull build -q -t agent --ssh default . || { kill "$SSH_AGENT_PID"; false; }
    hull build -q --no-cache -t agent --ssh "default=$HULL_DIR/sock" . || { kill "$SSH_AGENT_PID"; false; }
    kill "$SSH_AGENT_PID"
    run -0 hull run --rm agent cat /out /tmp/out
    [ "$output" = $'600 0:0\n1 keys\n/tmp/s 640 5:6\n1 keys\n1 keys' ]
}

@test "build ssh: private keys are held as long as the build runs" {
    printf 'FROM box\nCOPY ask /\nRUN --mount=type=ssh,id=keys,required /ask >/out\n' >Dockerfile
    hull build -q -t keys --ssh "keys=$HULL_DIR/key,$HULL_DIR/more" .
    [ "$(hull run --rm keys cat /out)" = '2 keys' ]
    no_agent
    run -1 hull build -q --no-cache --ssh "keys=$HULL_DIR/locked" .
    [[ $output == *'--ssh keys: '* ]]
    run -1 hull build -q --no-cache --ssh "keys=$HULL_DIR/none" .
    [[ $output == *'No such file'* ]]
    run -1 hull build -q --no-cache .
    [[ $output == *'the agent keys was not given'* ]]
    no_agent
}

# An ssh that asks the agent, and then does here what it was to do there. The store's path is longer than a socket's address has room for.
@test "build ssh: git speaks to the agent that holds the keys" {
    local git="git -c user.name=n -c user.email=e -C $HULL_DIR/repo"
    mkdir "$HULL_DIR/repo" "$HULL_DIR/bin"
    printf 'FROM scratch\nCOPY f /f\n' >"$HULL_DIR/repo/Dockerfile"
    echo of git >"$HULL_DIR/repo/f"
    $git init -q && $git add . && $git commit -qm one
    printf '#!/bin/sh\n%s/ask >>%s/asked || exit 255\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"\n' "$HULL_BUILD/test/inside" "$HULL_DIR" >"$HULL_DIR/bin/ssh"
    chmod +x "$HULL_DIR/bin/ssh"
    PATH=$HULL_DIR/bin:$PATH HULL_ROOT=$HULL_DIR/a-store-with-a-long-name hull build -q -o out --ssh "default=$HULL_DIR/key,$HULL_DIR/more" "ssh://there$HULL_DIR/repo"
    [ "$(cat out/f)" = 'of git' ]
    [ "$(sort -u "$HULL_DIR/asked")" = '2 keys' ]
    no_agent
}
