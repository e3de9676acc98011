#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build as a plain user: the same verbs, and the same images as root's.
# machines: native v2

load ../lib/hull

# The user exists in the mount namespace of one command only: nothing of the machine is changed.
setup_file() {
    need_root
    need_cmd setpriv unshare newuidmap newgidmap
    [ -e /etc/subuid ] && [ -e /etc/subgid ] || skip "there is no /etc/subuid"
    hull_setup
    chmod 755 "$HULL_DIR"
    export HULL_UID=48125
    mkdir "$HULL_DIR/user" "$HULL_DIR/xdg"
    chown $HULL_UID:$HULL_UID "$HULL_DIR/user" "$HULL_DIR/xdg"
    { cat /etc/passwd; echo "plainbuilder:x:$HULL_UID:$HULL_UID::$HULL_DIR/user:/bin/sh"; } >"$HULL_DIR/passwd"
    echo "plainbuilder:3100000:65536" >"$HULL_DIR/ranges"
    cat >"$HULL_DIR/enter" <<'SH'
mount --bind "$HULL_DIR/passwd" /etc/passwd
mount --bind "$HULL_DIR/ranges" /etc/subuid
mount --bind "$HULL_DIR/ranges" /etc/subgid
exec setpriv --reuid $HULL_UID --regid $HULL_UID --clear-groups env -i PATH="$PATH" HOME="$HULL_DIR/user" \
    XDG_RUNTIME_DIR="$HULL_DIR/xdg" HULL_NETWORK=none "$HULL" "$@"
SH
    plain run --rm box true || skip "this machine lets no plain user run containers"
}

teardown_file() {
    [ -n "${HULL_DIR-}" ] || return 0
    local running=$HULL_DIR/user/.local/share/hull/build/running
    [ ! -d "$running" ] || [ -z "$(ls "$running")" ] || { ls "$running" >&2; return 1; }
    plain volume ls -q | while read -r name; do plain volume rm -f "$name"; done >/dev/null
    hull_teardown
}

plain() {
    unshare -m --propagation private sh "$HULL_DIR/enter" "$@"
}

setup() {
    rm -rf "$HULL_DIR/ctx"
    mkdir "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
}

@test "build rootless: the image is the one that root's build gives" {
    mkdir -p dir/sub more
    echo a >dir/a
    echo b >dir/sub/b
    echo m >more/m
    touch ignored more/not
    ln -s a dir/link
    tar cf tree.tar --owner=7 --group=8 --mode=0640 dir/a
    echo ignored >.dockerignore
    echo not >more/.dockerignore
    printf hush-hush >key
    chmod -R a+rX .
    cat >Dockerfile <<'EOT'
FROM box AS one
RUN echo one >/one && mkdir -m 1777 /made && chown 33:34 /made && rm /etc/group && mkdir -p /opq/x
RUN rm -r /opq && mkdir /opq && ln -s one /two
FROM more AS files
FROM box
RUN --mount=target=/c --mount=from=files,target=/f --mount=type=secret,id=key --mount=type=cache,target=/cache --mount=type=tmpfs,target=/t \
    cat /run/secrets/key /f/m >/got && ls /c >>/got && ls /f >>/got && touch /cache/x /t/x && rm /etc/hostname 2>/dev/null; true
COPY --chown=5:6 --chmod=750 dir /copied/
COPY --link dir/sub /linked
COPY --from=one /one /two /made /opq /from/
ADD tree.tar /added/
USER 33
WORKDIR /place/here
RUN id -u >/tmp/id
EOT
    root=$(hull build -q --network none -t same --build-context more=more --secret id=key,src=key .)
    [ "$(plain build -q --network none -t same --build-context more=more --secret id=key,src=key .)" = "$root" ]
    run -0 plain run --rm -u 0 same sh -c 'cat /got /tmp/id; stat -c "%n %u:%g %a" /copied/a /added/dir/a /place/here; ls -A /from'
    [ "$output" = $'hush-hushm\nDockerfile\ndir\nkey\nmore\ntree.tar\nm\n33\n/copied/a 5:6 750\n/added/dir/a 7:8 640\n/place/here 33:33 755\none\ntwo' ]
    run -0 plain build --progress plain --network none -t same --build-context more=more --secret id=key,src=key .
    [ "$(grep -c CACHED <<<"$output")" = 10 ]
}

@test "build rootless: a step that fails, options that need more, and what is left" {
    printf 'FROM box\nRUN echo said; exit 3\n' >Dockerfile
    run -1 plain build --progress plain .
    [[ $output == *said*'exit status 3'* ]]
    printf 'FROM box\nRUN --mount=type=bind,rw,target=/c touch /c/new && ls /c >/ls\n' >Dockerfile
    plain build -q -t view .
    [ "$(plain run --rm view cat /ls)" = $'Dockerfile\nnew' ]
    [ ! -e new ]
    mkdir "$HULL_DIR/user/out"
    chown $HULL_UID "$HULL_DIR/user/out"
    plain build -q -o "$HULL_DIR/user/out" .
    [ "$(stat -c %u "$HULL_DIR/user/out/ls")" = $HULL_UID ]
    plain builder prune -af
    run -0 plain builder ls --format '{{.ID}}'
    [ "$output" = "" ]
}

@test "build rootless: inside of a container that is not privileged, with parts of /proc covered" {
    mkdir data
    chown 4242:4242 data
    hull save -o data/box.tar box
    chmod 644 data/box.tar
    printf 'FROM box\nRUN mkdir /made && id -u >/made/id && cat /proc/self/comm >/made/comm && ls /proc/self/fd >/dev/null\n' >data/Dockerfile
    cat >data/go <<'SH'
export HULL_ROOT=/data/root HULL_RUN_ROOT=/data/run HOME=/data XDG_RUNTIME_DIR=/data/xdg
mkdir "$XDG_RUNTIME_DIR"
/hull/hull load -q -i /data/box.tar && cd /data && /hull/hull build -q -o type=tar,dest=/data/out.tar -f Dockerfile . && tar xOf /data/out.tar made/id made/comm
SH
    run hull run --rm --network none -u 4242:4242 --security-opt seccomp=unconfined -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro \
        -v "$(dirname "$(readlink -f "$HULL")"):/hull:ro" -v "$PWD/data:/data" box sh /data/go
    [[ $output != *'does not let plain users make user namespaces'* ]] || skip "$output"
    [ "$status" = 0 ]
    [[ $output == *$'cat\n0' ]]
}
