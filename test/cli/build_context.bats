#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: contexts: the one that is given and those that --build-context names.
# machines: native v2

load ../lib/hull
load ../lib/build
setup_file() { hull_setup; }
teardown_file() {
    no_step_is_left
    hull_teardown
}

setup() {
    rm -rf "$HULL_DIR/ctx" "$HULL_DIR/more"
    mkdir "$HULL_DIR/ctx" "$HULL_DIR/more"
    cd "$HULL_DIR/ctx" || return 1
}

@test "build context: a bind mount of a named one is done again when its files change, and only then" {
    mkdir ../more/sub ../more/other
    echo old >../more/sub/f
    cat >Dockerfile <<'EOT'
FROM box
RUN --mount=type=bind,from=more,source=sub,target=/m cat /m/f >/out
EOT
    build -t named --build-context more=../more .
    run -0 hull run --rm named cat /out
    [ "$output" = old ]
    echo x >../more/other/f
    build -t named --build-context more=../more .
    [ "$(grep -c CACHED <<<"$said")" = 1 ]
    echo new >../more/sub/f
    build -t named --build-context more=../more .
    run -0 hull run --rm named cat /out
    [ "$output" = new ]
}

@test "build context: a bind mount has what the ignore file leaves, nothing else" {
    mkdir -p keep/deep drop/sub part/a part/b
    touch keep/f keep/no.log keep/deep/f keep/deep/no.log drop/sub/f part/a/f part/b/f
    printf '*.log\n**/*.log\ndrop\npart\n!part/b\n' >.dockerignore
    cat >Dockerfile <<'EOT'
FROM box
RUN --mount=target=/c cd /c && find . | sort >/all
RUN --mount=source=keep,target=/c cd /c && find . | sort >/keep && ! touch /c/x
RUN --mount=rw,target=/c cd /c && touch x.log part/b/x && find part | sort >/part
RUN --mount=type=cache,from=more,target=/c find /c | sort >/cache
RUN --mount=from=more,target=/c find /c | sort >/more
EOT
    touch ../more/yes ../more/no
    echo no >../more/.dockerignore
    build -t ignored --build-context more=../more .
    run -0 hull run --rm ignored sh -c 'cat /all; echo; cat /keep; echo; cat /part; echo; cat /cache; echo; cat /more'
    [ "$output" = "$(printf '%s\n' . ./.dockerignore ./Dockerfile ./keep ./keep/deep ./keep/deep/f ./keep/f ./part ./part/b ./part/b/f '' \
        . ./deep ./deep/f ./f '' part part/b part/b/f part/b/x '' /c /c/.dockerignore /c/yes '' /c /c/.dockerignore /c/yes)" ]
    [ ! -e x.log ] && [ ! -e part/b/x ]
    printf 'FROM box\nRUN --mount=source=drop,target=/c true\n' >Dockerfile
    fails 'the ignore file leaves it out' .
}

@test "build context: in a bind mount its owner is root, and it is read-only unless rw says otherwise" {
    echo a >file && echo no >no.log && mkdir sub && echo b >sub/f && chmod 600 file sub/f
    cat >Dockerfile <<'EOT'
FROM box
RUN --mount=target=/c cd /c && stat -c '%u:%g %n' . file sub/f >/all && cat file sub/f && ! touch new && ! touch file
RUN --mount=source=file,target=/c stat -c '%u:%g %n' /c >>/all && cat /c && ! touch /c
RUN --mount=rw,target=/c cd /c && echo more >>file && touch new && stat -c '%u:%g %n' . file sub/f new >>/all
EOT
    chown -R 1234:2345 . || skip "needs root"
    unshare -U true || skip "no user namespaces here"
    case $(stat -f -c %T .) in ext2/ext3 | xfs | btrfs) ;; *) skip "ids are mapped of ext4, xfs and btrfs" ;; esac
    for ignored in nothing '*.log'; do
        echo "$ignored" >.dockerignore
        build --no-cache -t owners .
        run -0 hull run --rm owners cat /all
        [ "$output" = "$(printf '0:0 %s\n' . file sub/f /c . file sub/f new)" ]
        [ "$(cat file)" = a ] && [ ! -e new ]
        [ "$(stat -c %u:%g file)" = 1234:2345 ]
    done
}

@test "build context: COPY from a named one: owners do not count, its ignore file does" {
    touch ../more/f ../more/no
    chown 5:6 ../more/f || skip "needs root"
    echo no >../more/.dockerignore
    printf 'FROM box\nCOPY --from=more . /m\n' >Dockerfile
    build -t named --build-context more=../more .
    run -0 hull run --rm named sh -c 'ls /m; stat -c %u:%g /m/f'
    [ "$output" = $'f\n0:0' ]
    chown 7:8 ../more/f
    build -t named --build-context more=../more .
    [ "$(grep -c CACHED <<<"$said")" = 1 ]
}

@test "build context: FROM a named one has its files" {
    mkdir ../more/bin
    echo hello >../more/bin/f
    printf 'FROM more AS a\nENV X=1\nFROM box\nCOPY --from=a /bin/f /f\n' >Dockerfile
    build -t files --build-context more=../more .
    run -0 hull run --rm files cat /f
    [ "$output" = hello ]
    build -t files --build-context more=../more .
    [ "$(grep -c CACHED <<<"$said")" = 2 ]
    build -t whole --target a --build-context more=../more .
    run -0 hull inspect -f '{{len .RootFS.Layers}} {{.Config.Env}}' whole
    [ "$output" = '1 [PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin X=1]' ]
    # In place of an image, however its name is written.
    printf 'FROM docker.io/library/nothing\nCOPY f /\n' >Dockerfile
    echo there >f
    build -t whole --build-context nothing:latest=docker-image://box .
    run -0 hull run --rm whole cat /f
    [ "$output" = there ]
}

@test "build context: FROM and COPY of an OCI layout; the image gets no name" {
    printf 'FROM box\nRUN echo laid >/laid\n' >Dockerfile
    build -t laid:one .
    hull save --format oci-dir -o ../layout laid:one
    hull rmi laid:one
    printf 'FROM lay\nRUN cat /laid >/copy\nFROM box\nCOPY --from=lay /laid /a\n' >Dockerfile
    build -t out --build-context lay=oci-layout://../layout .
    run -0 hull run --rm out cat /a
    [ "$output" = laid ]
    build -t out --target 0 --build-context lay=oci-layout://../layout@"$(sed 's/.*\(sha256:[0-9a-f]*\).*/\1/' ../layout/index.json)" .
    run -0 hull run --rm out cat /copy
    [ "$output" = laid ]
    run -1 hull inspect laid:one
    fails "no image two, there is" --build-context lay=oci-layout://../layout:two .
    rm -r ../layout
}

@test "build context: values that are none" {
    printf 'FROM box\nCOPY --from=x / /\n' >Dockerfile
    fails '--build-context x=../nowhere: .*No such file' --build-context x=../nowhere .
    fails 'targets are those of bake files' --build-context x=target:y .
    fails 'oci-layout:// are known' --build-context x=ftp://y/z .
    # Nobody asks for it.
    printf 'FROM box\n' >Dockerfile
    build -t unused --build-context x=../nowhere .
}

@test "build: a disk that becomes full ends the step, and the next build is as any other" {
    need_root
    mkdir "$HULL_DIR/small"
    mount -t tmpfs -o size=8m tmpfs "$HULL_DIR/small"
    export HULL_ROOT=$HULL_DIR/small/root
    head -c 20M /dev/zero >big
    echo x >file
    printf 'FROM scratch\nCOPY big /\n' >Dockerfile
    run -1 timeout -k 1 60 "$HULL" build --progress plain .
    [[ ${lines[-1]} == *'Dockerfile:2:'*'No space left on device'* ]]
    [ -z "$(ls "$HULL_ROOT/build/running")" ]
    printf 'FROM scratch\nCOPY file /\n' >Dockerfile
    hull build -q -o out .
    hull system check
    umount "$HULL_DIR/small"
    [ "$(cat out/file)" = x ]
}
