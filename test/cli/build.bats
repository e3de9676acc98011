#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: Dockerfiles, with the image box; no network.
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

config() {
    hull inspect -f "$2" "$1"
}

@test "build: the files of a lecture, as they stand" {
    cat >Dockerfile_cmd <<'EOF'
FROM box
CMD ["echo", "Hello World"]
EOF
    build -t hello_world_cmd:first -f Dockerfile_cmd .
    run -0 hull run --rm hello_world_cmd:first
    [ "$output" = "Hello World" ]
    cat >Dockerfile_entrypoint <<'EOF'
FROM box
ENTRYPOINT ["echo", "Hello"]
CMD ["World"]
EOF
    build -t hello:second -f Dockerfile_entrypoint .
    run -0 hull run --rm hello:second
    [ "$output" = "Hello World" ]
    run -0 hull run --rm hello:second Pavlos
    [ "$output" = "Hello Pavlos" ]
    printf 'FROM box\nPULL ./FILE.py .\n' >Dockerfile
    fails 'Dockerfile:2:1: unknown instruction: PULL \(did you mean COPY or ADD\?\)' .
    [[ $said == *'>>> PULL ./FILE.py .'* ]]
}

@test "build: the instructions come into the image's config" {
    cat >Dockerfile <<'EOF'
FROM box
ARG VERSION=1 PORT=80
ENV A=x B="$A y" C=$VERSION
ENV D=$A-$B
LABEL one=1 "two words"="a $VERSION"
EXPOSE $PORT 53/udp 8000-8001
VOLUME /data
VOLUME ["/one", "/two"]
USER 1000:50
WORKDIR /wd
WORKDIR app
STOPSIGNAL SIGQUIT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --timeout=1m --retries=4 CMD true || false
ONBUILD RUN echo child
MAINTAINER me
ENTRYPOINT exec top
CMD a b
EOF
    build -t config --build-arg VERSION=2 --label three=3 .
    [ "$(config config '{{json .Config.Env}}')" = '["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=x","B= y","C=2","D=x- y"]' ]
    [ "$(config config '{{index .Config.Labels "one"}} {{index .Config.Labels "three"}} {{index .Config.Labels "two words"}}')" = "1 3 a 2" ]
    [ "$(config config '{{range $k, $v := .Config.ExposedPorts}}{{$k}} {{end}}')" = "53/udp 80/tcp 8000/tcp 8001/tcp " ]
    [ "$(config config '{{range $k, $v := .Config.Volumes}}{{$k}} {{end}}')" = "/data /one /two " ]
    [ "$(config config '{{.Config.User}} {{.Config.WorkingDir}} {{.Config.StopSignal}} {{.Author}}')" = "1000:50 /wd/app SIGQUIT me" ]
    [ "$(config config '{{json .Config.Entrypoint}} {{json .Config.Cmd}}')" = '["/bin/sh","-ec","exec top"] ["/bin/sh","-ec","a b"]' ]
    [ "$(config config '{{json .Config.OnBuild}} {{json .Config.Healthcheck.Test}}')" = '["RUN echo child"] ["CMD-SHELL","true || false"]' ]
    run -0 hull run --rm --entrypoint stat config -c '%u %g %a' /wd /wd/app
    [ "$output" = $'1000 50 755\n1000 50 755' ]
    printf 'FROM config\nENTRYPOINT ["x"]\n' >Dockerfile
    build -t child .
    [[ $said == *' child'* ]]
    [ "$(config child '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.OnBuild}}')" = '["x"] null null' ]
}

@test "build: RUN sees ARG and ENV, the user, the directory and the shell" {
    cat >Dockerfile <<'EOF'
FROM box
ARG A=arg B=arg
ENV B=env
RUN echo "$A $B $(pwd) $(id -u)" >/one
USER 1000
WORKDIR /tmp
RUN ["sh", "-c", "echo $(pwd) $(id -u) > two"]
SHELL ["/bin/sh", "-c", "echo shell $0 > /tmp/three"]
RUN word
EOF
    build -t sees .
    run -0 hull run --rm sees cat /one /tmp/two /tmp/three
    [ "$output" = $'arg env / 0\n/tmp 1000\nshell word' ]
}

@test "build: COPY puts files where docker does" {
    mkdir -p src/sub src/empty
    echo a >src/a.txt
    echo b >src/sub/b.txt
    echo c >c.txt
    chmod 750 src/sub
    ln -s a.txt src/link
    cat >Dockerfile <<'EOF'
FROM box
RUN mkdir -p /usr/real && ln -s usr/real /alias
COPY c.txt /plain
COPY c.txt /dir/
COPY src /tree
COPY src/*.txt c.* /many/
COPY --chown=5:6 --chmod=u=rw,go= src/sub/b.txt /owned/
COPY src /alias/
COPY ["c.txt", "/with blank"]
WORKDIR /place
COPY c.txt relative
COPY --parents src/sub/b.txt src/./sub/b.txt /parents/
COPY --exclude=*.txt --exclude=link src /few/
EOF
    build -t copy .
    run -0 hull run --rm copy sh -c 'cat /plain /dir/c.txt /tree/sub/b.txt /many/a.txt /many/c.txt /usr/real/a.txt "/with blank" /place/relative
        readlink /tree/link; readlink /alias; stat -c "%u:%g %a" /tree/sub /owned/b.txt /tree; ls -d /tree/empty; find /parents -type f | sort; find /few | sort'
    [ "$output" = "c
c
b
a
c
a
c
c
a.txt
usr/real
0:0 750
5:6 600
0:0 755
/tree/empty
/parents/src/sub/b.txt
/parents/sub/b.txt
/few
/few/empty
/few/sub
/few/sub/b.txt" ]
}

@test "build: COPY over directories that are there: those below the source become as it has them, the destination stays as it is" {
    mkdir -p one/sub two/sub
    touch one/sub/a two/sub/b
    chmod 700 one one/sub
    chmod 711 two/sub
    tar cf three.tar --mode=0751 --owner=7 --group=8 two
    cat >Dockerfile <<'EOF'
FROM box
RUN mkdir -p -m 755 /d /d/sub /e /e/sub /f /f/two && chmod 1777 /d && chown 3:4 /d/sub /e/sub
COPY one /d
COPY one two /e/
ADD three.tar /f
EOF
    build -t over .
    run -0 hull run --rm over stat -c '%n %a %u:%g' /d /d/sub /e/sub /e/sub/a /e/sub/b /f/two
    [ "$output" = $'/d 1777 0:0\n/d/sub 700 0:0\n/e/sub 711 0:0\n/e/sub/a 644 0:0\n/e/sub/b 644 0:0\n/f/two 751 7:8' ]
}

@test "build: COPY --parents: ** is any number of directories, which become as they are in the source" {
    mkdir -p src/one/two/three other
    touch src/a.txt src/b.md src/one/c.txt src/one/two/three/d.txt other/e.txt
    ln -s a.txt src/link.txt
    ln -s . src/loop
    chmod 711 src/one/two
    cat >Dockerfile <<'EOF'
FROM box
RUN mkdir -p -m 700 /there/src
COPY --parents src/**/*.txt /all/
COPY --parents **/three/** /deep/
COPY --parents src/./one/**/d.txt /pivot/
COPY --parents src/a.txt /there
EOF
    build -t parents .
    run -0 hull run --rm parents sh -c 'for d in all deep pivot; do cd /$d; find . ! -type d | sort; done; stat -c %a /all/src/one/two /all/src/one /pivot/one/two /there/src; readlink /all/src/link.txt'
    [ "$output" = "$(printf '%s\n' ./src/a.txt ./src/link.txt ./src/one/c.txt ./src/one/two/three/d.txt ./src/one/two/three/d.txt ./one/two/three/d.txt \
        711 755 711 700 a.txt)" ]
    chmod 715 src/one/two
    build -t parents .
    [ "$(hull run --rm parents stat -c %a /all/src/one/two)" = 715 ]
}

@test "build: COPY --link --chown=NAME: the name is that of the stage as it is now" {
    echo f >f
    cat >Dockerfile <<'EOF'
FROM box
ARG ID
RUN echo "somebody:x:$ID:$ID::/:/bin/sh" >/etc/passwd && echo "somebody:x:$ID:" >/etc/group
COPY --link --chown=somebody f /f
COPY --link --chown=5 f /g
USER 6
WORKDIR /h
EOF
    build -t linked --build-arg ID=41 .
    build -t linked --build-arg ID=42 .
    [ "$(grep -c CACHED <<<"$said")" = 1 ]
    run -0 hull run --rm linked stat -c %u:%g /f /g /h
    [ "$output" = $'42:42\n5:5\n6:6' ]
}

@test "build: COPY of a symlink has its name and the content that it leads to" {
    mkdir real
    echo a >real/a
    ln -s real/a link
    ln -s real more
    printf 'FROM box\nCOPY link /d/\nCOPY li*k more /e/\n' >Dockerfile
    build -t links .
    run -0 hull run --rm links sh -c 'cd /; find d e -type f | sort'
    [ "$output" = $'d/link\ne/a\ne/link' ]
    mv link lick
    printf 'FROM box\nCOPY li?k /d/\n' >Dockerfile
    build -t links .
    run -0 hull run --rm links ls /d
    [ "$output" = lick ]
}

@test "build: COPY keeps files of several names one file, and many directories are no trouble" {
    mkdir many
    (cd many && seq 3000 | sed 's,$,/e,' | xargs mkdir -p)
    echo x >many/a
    ln many/a many/b
    ln many/a many/7/e/c
    printf 'FROM box\nCOPY many /many\n' >Dockerfile
    build -t twins .
    run -0 hull run --rm twins sh -c 'cd /many; ls -d */e | wc -l; stat -c %h a b 7/e/c; [ a -ef 7/e/c ]'
    [ "$output" = $'3000\n3\n3\n3' ]
}

@test "build: COPY that cannot be done says why, and nothing leads out of the context" {
    ln -s /etc/passwd out
    ln -s ../../../../etc up
    echo x >file
    printf 'FROM box\nCOPY ../../etc/passwd /p\n' >Dockerfile
    fails 'Dockerfile:2:6: ../../etc/passwd: not found' .
    printf 'FROM box\nCOPY out /p\n' >Dockerfile
    fails 'out: not found' .
    printf 'FROM box\nCOPY up/passwd /p\n' >Dockerfile
    fails 'up/passwd: not found' .
    printf 'FROM box\nCOPY file file /p\n' >Dockerfile
    fails 'more than one source.*end with a /' .
    printf 'FROM box\nCOPY missing /p\n' >Dockerfile
    fails 'missing: not found' .
    printf 'FROM box\nCOPY --from=nowhere/at/all:x a /p\n' >Dockerfile
    fails 'nowhere/at/all' --pull=never .
    printf 'FROM box\nCOPY --chmod=u=q file /x\n' >Dockerfile
    fails 'invalid mode' .
    printf 'FROM box\nCOPY file /etc/passwd/\n' >Dockerfile
    fails 'it is no directory' .
}

@test "build: stages, by name and number; what the target does not need is not built" {
    cat >Dockerfile <<'EOF'
ARG BASE=box
FROM ${BASE} AS first
RUN echo first >/first && mkdir /both && echo 1 >/both/one && chown 7 /both/one
FROM box AS never
RUN exit 9
FROM first AS second
ARG FROM_STAGE=first
RUN echo second >/second
COPY --from=$FROM_STAGE /both /copied
COPY --from=0 /first /zero
COPY --from=box /etc/passwd /of-image
FROM scratch
COPY --from=second /first /second /zero /copied /of-image /bin/busybox /
EOF
    build -t stages .
    [[ $said != *'exit 9'* ]]
    run -0 hull run --rm --entrypoint /busybox stages cat /first /second /zero /one
    [ "$output" = $'first\nsecond\nfirst\n1' ]
    run -0 hull run --rm --entrypoint /busybox stages stat -c %u /one
    [ "$output" = 7 ]
    build -t only --target FIRST .
    [[ $said != *second* ]]
    fails 'no stage is called "secnd" \(did you mean second\?\)' --target secnd .
    printf 'FROM box AS a\nCOPY --from=b x y\nFROM box AS b\n' >Dockerfile
    fails 'stage b comes later' --target a .
    printf 'FROM box\nCOPY --from=0 x y\n' >Dockerfile
    fails 'Dockerfile:2:6: stage 0 comes later, or is this one' .
    printf 'FROM box AS build\nFROM box\nCOPY --from=buidl x y\n' >Dockerfile
    fails 'Dockerfile:3:1: .*did you mean the stage build\?' --pull=never .
}

@test "build: variables in --from, of the stage or the image that it begins with" {
    cat >Dockerfile <<'EOF'
FROM box AS one
RUN echo one >/f
FROM box AS two
RUN echo two >/f
FROM box AS three
RUN echo three >/f
FROM box AS base
ARG X=one
ENV Y=two
FROM base
ENV X=$X
ARG Y=one
COPY --from=$X /f /x
RUN --mount=from=$Y,target=/m cat /m/f >/y
EOF
    build -t from .
    run -0 hull run --rm from cat /x /y
    [ "$output" = $'one\ntwo' ]
    printf 'FROM box\nENV STAGE=three\n' | hull build -q -t var -
    sed -i -e 's/^FROM base$/FROM var/' -e 's/^ENV X=.*/ARG X=one/' -e '$a COPY --from=$STAGE /f /z' Dockerfile
    build -t from --build-arg X=two .
    run -0 hull run --rm from cat /x /y /z
    [ "$output" = $'two\none\nthree' ]
}

@test "build: here-documents" {
    cat >Dockerfile <<'EOF'
FROM box
ENV WHO=me
RUN <<A
echo one >/one
echo "$WHO" >>/one
A
RUN <<A
#!/bin/cp /dev/pipes/A
A
RUN <<A
#!/bin/sh -e
echo "$0" >/two
A
RUN cat <<A >/three && cat <<'B' >>/three
hello $WHO
A
raw $WHO
B
COPY <<x.txt <<-"y.txt" /docs/
hello ${WHO} \$WHO "q"
x.txt
	raw $WHO
	y.txt
COPY --chmod=700 <<EOT /single
one
EOT
EOF
    sed -i '/^RUN <<A$/{N;/cp .dev/{N;d}}' Dockerfile
    build -t docs .
    run -0 hull run --rm docs sh -c 'cat /one /two /three /docs/x.txt /docs/y.txt /single; stat -c %a /single /docs/x.txt'
    [ "$output" = $'one\nme\n/dev/pipes/A\nhello me\nraw $WHO\nhello me $WHO "q"\nraw $WHO\none\n700\n644' ]
}

@test "build: ONBUILD runs in the child, once" {
    cat >Dockerfile <<'EOF'
FROM box
ONBUILD COPY file /from-child
ONBUILD RUN <<A
cat /from-child >/seen
A
EOF
    build -t parent .
    echo mine >file
    printf 'FROM parent\nRUN cat /seen\n' >Dockerfile
    build -t onchild .
    [ "$(hull run --rm onchild cat /seen)" = mine ]
    printf 'FROM onchild\nRUN rm /seen\n' >Dockerfile
    build -t grandchild .
    run ! hull run --rm grandchild cat /seen
}

@test "build: ONBUILD COPY --from takes from a stage of the child" {
    printf 'FROM box\nONBUILD COPY --from=made /m /m\nONBUILD RUN --mount=from=made,target=/o cp /o/m /n\n' >Dockerfile
    build -t wants .
    printf 'FROM box AS unused\nRUN exit 9\nFROM box AS made\nRUN echo made >/m\nFROM wants\nRUN cat /m /n >/both\n' >Dockerfile
    build -t has .
    [ "$(hull run --rm has cat /both)" = $'made\nmade' ]
    build -t has .
    [[ $said != *BEGIN* && $(grep -c CACHED <<<"$said") = 4 ]]
    printf 'FROM wants\n' >Dockerfile
    fails 'made' --pull=never .
}

@test "build: a step that fails shows its lines, its output and its status" {
    printf 'FROM box\nRUN echo before\nRUN echo some output; exit 42\nRUN echo never\n' >Dockerfile
    fails 'Dockerfile:3:1: RUN: "/bin/sh -c echo some output; exit 42": exit status 42' -t broken .
    [[ $said == *'>>> RUN echo some output; exit 42'* && $said == *'some output'* && $said != *'#4'* ]]
    run ! hull inspect broken
    printf 'FROM box\nRUN ["/no/such", "program"]\n' >Dockerfile
    fails 'exit status 127' .
    printf 'FROM box\nRUN sh -c "kill -9 \\$\\$"; exit $?\n' >Dockerfile
    fails 'exit status 137' .
    printf 'FROM box\nUSER nobody-there\nRUN true\n' >Dockerfile
    fails 'Dockerfile:3:1: unable to find user nobody-there' .
    printf 'FROM box\nRUN --mount=type=secret,id=s true\n' >Dockerfile
    fails 'Dockerfile:2:1: secret s: open /nowhere' --secret id=s,src=/nowhere .
}

@test "build: no socket comes into an image" {
    echo x >file
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("fsock")'
    printf 'FROM scratch\nCOPY f* /\n' >Dockerfile
    hull build -q -o out .
    [ "$(ls out)" = file ]
    printf 'FROM scratch\nCOPY fsock /\n' >Dockerfile
    fails 'Dockerfile:2:6: a socket cannot be in an image' .
}

@test "build: a step that runs out of memory says so" {
    need_controller memory
    printf 'FROM box\nRUN tail /dev/zero; exit 5\n' >Dockerfile
    fails 'exit status 5: it ran out of memory$' --memory 16m --memory-swap 16m .
}

@test "build: COPY makes no file of a directory, and no directory of a file" {
    mkdir -p tree/bin && echo x >file && echo x >tree/etc
    printf 'FROM box\nCOPY file /etc/passwd/file\n' >Dockerfile
    fails 'Dockerfile:2:1: .*/etc/passwd: it is no directory' .
    printf 'FROM box\nCOPY tree /\n' >Dockerfile
    fails 'Dockerfile:2:1: cannot copy tree/etc to /etc: it is a directory' .
    printf 'FROM scratch\nCOPY tree/bin /etc/\nCOPY tree/ /\n' >Dockerfile
    fails 'Dockerfile:3:1: cannot copy tree/etc to /etc: it is a directory' .
}

@test "build: what did not change is not done again; what gave the same bytes counts as the same" {
    echo 1 >file
    cat >Dockerfile <<'EOF'
FROM box AS one
COPY file /file
RUN echo same >/same; cat /file >/dev/null
FROM box
COPY --from=one /same /
RUN cat /proc/sys/kernel/random/uuid >/when
EOF
    build -t cached --iidfile id1 .
    [[ $said != *CACHED* ]]
    when=$(hull run --rm cached cat /when)
    build -t cached --iidfile id2 .
    [ "$(grep -c CACHED <<<"$said")" = 4 ]
    cmp id1 id2
    touch -d 2001-01-01 file
    build -t cached .
    [ "$(grep -c CACHED <<<"$said")" = 4 ]
    # Another file: the first stage is done again, its /same is what it was, so what was made of that is not.
    echo 2 >file
    build -t cached .
    [ "$(hull run --rm cached cat /when)" = "$when" ]
    build -t cached --no-cache .
    [[ $said != *CACHED* ]]
    [ "$(hull run --rm cached cat /when)" != "$when" ]
}

@test "build: --no-cache-filter: stages, several of them, and no others" {
    printf 'FROM box AS one\nRUN echo 1 >/f\nFROM box AS two\nRUN echo 2 >/f\nFROM box AS three\nRUN echo 3 >/f\n' >Dockerfile
    printf 'FROM box\nCOPY --from=one /f /1\nCOPY --from=two /f /2\nCOPY --from=three /f /3\n' >>Dockerfile
    build .
    build --no-cache-filter one,Two .
    [ "$(grep -c CACHED <<<"$said")" = 4 ]
}

@test "build: the same inputs give the same image" {
    mkdir -p d/e
    echo x >d/e/f
    printf 'FROM box\nCOPY d /d\nRUN mkdir /n && echo y >/n/y && rm /d/e/f && touch /d/g\nWORKDIR /w/x\n' >Dockerfile
    one=$(hull build -q --no-cache .)
    touch d/e/f
    two=$(hull build -q --no-cache .)
    [ -n "$one" ] && [ "$one" = "$two" ]
    SOURCE_DATE_EPOCH=86400 hull build -q -t epoch .
    [ "$(config epoch '{{.Created}}')" = 1970-01-02T00:00:00Z ]
    run -0 hull run --rm epoch stat -c %Y /n/y
    [ "$output" = 86400 ]
}

@test "build: .dockerignore" {
    mkdir -p a/b node_modules/x
    touch a/x.log a/b/keep.log a/b/y.txt node_modules/x/z top.log
    printf '# comment\nnode_modules\n**/*.log\n!a/b/keep.log\nDockerfile*\n' >.dockerignore
    printf 'FROM box\nCOPY . /c\n' >Dockerfile
    build -t ignore .
    run -0 hull run --rm ignore sh -c 'cd /c && find . -type f | sort'
    [ "$output" = $'./.dockerignore\n./a/b/keep.log\n./a/b/y.txt' ]
    printf 'FROM box\nCOPY top.log /\n' >Dockerfile
    fails 'top.log: not found \(the ignore file leaves it out\)' .
    printf 'a\n' >Dockerfile.dockerignore
    build -t ignore -f Dockerfile .
    printf 'a[\n' >.dockerignore
    rm Dockerfile.dockerignore
    fails '.dockerignore:1: malformed pattern' .
}

@test "build: a context or a Dockerfile on stdin" {
    echo x >file
    printf 'FROM box\nCOPY file /file\nCMD ["cat", "/file"]\n' >Dockerfile
    tar cf - . | hull build -q -t tarred -
    [ "$(hull run --rm tarred)" = x ]
    tar czf - --transform 's,Dockerfile,D2,' . | hull build -q -t tarred2 -f D2 -
    [ "$(hull run --rm tarred2)" = x ]
    printf 'FROM box\nRUN echo y >/y\n' | hull build -q -t alone -
    [ "$(hull run --rm alone cat /y)" = y ]
    printf 'FROM box\nCOPY file /f2\n' | hull build -q -t beside -f - .
    [ "$(hull run --rm beside cat /f2)" = x ]
    printf 'FROM box\nCOPY a b\n' >Dockerfile
    fails 'there is no context' - <Dockerfile
}

@test "build: ADD unpacks archives, COPY does not; names that lead out are refused" {
    mkdir -p t/d
    echo in >t/d/f
    ln -s d t/l
    tar cf a.tar -C t .
    tar czf a.tgz -C t .
    python3 -c 'import bz2; open("a.tbz", "wb").write(bz2.compress(open("a.tar", "rb").read()))'
    printf 'FROM box\nADD a.tar /one\nADD a.tgz /two/\nADD --unpack=false a.tar /three\nCOPY a.tar /four\nADD a.tbz /six\nADD --chown=3:4 a.tar /five\n' >Dockerfile
    build -t add .
    run -0 hull run --rm add sh -c 'cat /one/d/f /two/l/f; cmp /one/d/f /six/d/f; cmp /three /four && stat -c %u:%g /five/d/f'
    [ "$output" = $'in\nin\n3:4' ]
    tar cPf bad.tar --transform 's,^t/d/f,../../escaped,' t/d/f
    printf 'FROM box\nADD bad.tar /one\n' >Dockerfile
    fails '\.\.' .
    # What would say that something below is gone, as a directory too.
    for name in .wh.d/f d/.wh.f .wh..wh..opq/x; do
        tar cf bad.tar --transform "s,^t/d/f,$name," t/d/f
        fails 'names that begin with .wh.' .
    done
}

@test "build: RUN --mount: bind, cache, tmpfs, secret" {
    echo ctx >file
    printf hush >key
    cat >Dockerfile <<'EOF'
FROM box AS other
RUN mkdir /o && echo other >/o/f
FROM box
RUN --mount=target=/ctx cat /ctx/file >/out
RUN --mount=type=bind,source=file,target=/one cat /one >>/out
RUN --mount=type=bind,rw,target=/ctx echo no >/ctx/file && cat /ctx/file >>/out
ARG STAGE=other
RUN --mount=from=$STAGE,source=/o,target=/o cat /o/f >>/out
RUN --mount=type=cache,target=/var/cache/x,id=mine echo c >>/var/cache/x/n && wc -l </var/cache/x/n >>/out
RUN --mount=type=cache,target=/elsewhere,id=mine echo c >>/elsewhere/n && wc -l </elsewhere/n >>/out
RUN --mount=type=tmpfs,target=/t touch /t/x && grep -c ' /t tmpfs' /proc/mounts >>/out
RUN --mount=type=secret,id=key cat /run/secrets/key >>/out; echo >>/out
RUN --mount=type=secret,id=key,env=KEY,target=/k,mode=444 echo "$KEY $(stat -c %a /k)" >>/out
RUN --mount=type=secret,id=none ls /run/secrets/none || echo none >>/out
EOF
    build -t mounts --secret id=key,src=key .
    run -0 hull run --rm mounts cat /out
    [ "$output" = $'ctx\nctx\nno\nother\n1\n2\n1\nhush\nhush 444\nnone' ]
    [ "$(cat file)" = ctx ]
    # Mount points that the image did not have are not left in it.
    run -0 hull run --rm mounts sh -c 'ls -d /ctx /one /o /t /elsewhere /run/secrets /k /var/cache/x 2>/dev/null | wc -l'
    [ "$output" = 0 ]
    run -0 hull volume ls -q
    [[ $output == *build-mine* ]]
    build -t mounts --secret id=key,src=key .
    [ "$(grep -c CACHED <<<"$said")" = 11 ]
    printf 'FROM box\nRUN --mount=type=secret,id=key,required true\n' >Dockerfile
    fails 'secret key was not given' .
    printf 'FROM box\nRUN --mount=type=bund,target=/x true\n' >Dockerfile
    fails 'unknown type bund' .
    printf 'FROM box\nRUN --mount=type=cache,targte=/x true\n' >Dockerfile
    fails 'did you mean target' .
}

@test "build: a secret that comes into the layer is told, with the file" {
    printf 'short\nhush-hush-hush\n' >key
    cat >Dockerfile <<'EOF'
FROM box
RUN --mount=type=secret,id=key cp /run/secrets/key /run/secrets/not && mkdir -p /a/b && sed -n 2p /run/secrets/key >/a/b/leak
EOF
    build -t leak --secret id=key,src=key .
    [[ $said == *'Dockerfile:2: the secret key is in the layer: /a/b/leak'* ]]
    printf 'FROM box\nRUN --mount=type=secret,id=key,env=KEY echo "$KEY" | tr h H >/a; echo ${#KEY} >/b\n' >Dockerfile
    build -t leak --secret id=key,src=key .
    [[ $said != *'secret key is in'* ]]
}

@test "build: what is removed and replaced stays so" {
    printf 'FROM box\nRUN mkdir /d && touch /d/a /d/b && echo x >/f\nRUN rm -r /d && mkdir /d && touch /d/c && rm /f && mkdir /f\nRUN touch /d/d\n' >Dockerfile
    build -t white .
    run -0 hull run --rm white sh -c 'ls /d; stat -c %F /f'
    [ "$output" = $'c\nd\ndirectory' ]
}

@test "build: stages that do not need each other are built side by side" {
    # Each waits for the other's mark in a shared cache.
    cat >Dockerfile <<'EOF'
FROM box AS a
RUN --mount=type=cache,id=meet,target=/m touch /m/a; for i in $(seq 300); do [ -e /m/b ] && exit 0; sleep 0.1; done; exit 1
FROM box AS b
RUN --mount=type=cache,id=meet,target=/m touch /m/b; for i in $(seq 300); do [ -e /m/a ] && exit 0; sleep 0.1; done; exit 1
FROM box
COPY --from=a /etc/passwd /a
COPY --from=b /etc/passwd /b
EOF
    build .
}

@test "build: COPY keeps extended attributes, however many there are" {
    need_root
    mkdir many
    mount -t tmpfs none many
    python3 -c 'import os
open("many/f", "w").close()
for i in range(100): os.setxattr("many/f", f"user.{i:060}", b"v")' || { umount many; skip "a tmpfs here has no user attributes"; }
    printf 'FROM box\nCOPY many/f /f\n' >Dockerfile
    build -t many . || { umount many; return 1; }
    umount many
    hull run -d --name reader many sleep 100
    pid=$(hull inspect -f '{{.State.Pid}}' reader)
    [ "$(python3 -c 'import os, sys; print(len(os.listxattr(f"/proc/{sys.argv[1]}/root/f")))' "$pid")" = 100 ]
    hull rm -f reader
}

@test "build: an interrupt leaves nothing, and what was finished is there the next time" {
    printf 'FROM box\nRUN echo finished >/f\nRUN echo begun; sleep 300\n' >Dockerfile
    # SIGTERM: a job of a shell without job control ignores SIGINT.
    "$HULL" build --progress plain . >out 2>&1 &
    pid=$!
    for _ in $(seq 300); do ! grep -q '^#3 .* begun' out || break; sleep 0.1; done
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [ "$status" -eq 1 ]
    grep -q interrupted out || { cat out; false; }
    [ -z "$(ls "$HULL_ROOT/build/running")" ]
    sed -i 's/sleep 300/true/' Dockerfile
    build .
    [ "$(grep -c CACHED <<<"$said")" = 1 ]
}

@test "build: options that are wrong, and what they print" {
    printf 'FROM box\nRUN true\n' >Dockerfile
    fails 'missing' -f missing .
    fails 'invalid reference' -t 'A B' .
    fails 'nowhere' nowhere
    refuses 125 'progress' build --progress loud .
    run -0 --separate-stderr hull build -q .
    [[ $output =~ ^sha256:[0-9a-f]{64}$ && -z $stderr ]]
    id=$output
    run -0 --separate-stderr hull build --progress rawjson -t raw .
    [[ $stderr == *'"event":"cached"'* ]]
    run -0 hull build --progress plain --build-arg NOBODY=1 .
    [[ $output == *'not consumed: NOBODY'* ]]
    run -0 hull images -q --no-trunc raw
    [ "$output" = "$id" ]
}

@test "build: options of docker, buildx and buildah that need nothing are taken; a time is the epoch" {
    printf 'FROM box\nRUN true\n' >Dockerfile
    id=$(hull build -q --build-arg SOURCE_DATE_EPOCH=5 .)
    [ "$(hull build -q --timestamp 5 .)" = "$id" ]
    [ "$(hull build -q --source-date-epoch=5 --compress --isolation=default --layers=true --disable-content-trust --rewrite-timestamp --builder default \
        --skip-unused-stages=false --rm --force-rm --load .)" = "$id" ]
    [ "$(hull build -q .)" != "$id" ]
    fails 'SOURCE_DATE_EPOCH "soon"' --timestamp soon .
}

@test "build: what is not done says so" {
    printf 'FROM box\nRUN --device=vendor.com/x=y true\n' >Dockerfile
    build .
    printf 'FROM box\nRUN --device=vendor.com/x=y,required true\n' >Dockerfile
    fails 'device vendor.com/x=y is not described' .
}

@test "builder: ls, prune; an image keeps its layers" {
    printf 'FROM box\nRUN echo "to be pruned" >/x\n' >Dockerfile
    build -t pruned --metadata-file meta --iidfile id .
    grep -q "\"containerimage.config.digest\": \"$(cat id)\"" meta
    run -0 hull builder ls --format '{{.Description}}'
    [[ $output == *'[2/2] RUN echo "to be pruned" >/x'* ]]
    run -0 hull builder prune -f --filter until=24h
    [[ $output == "Total reclaimed space: "* ]] # of this build nothing
    run -0 hull builder prune -f
    [[ $output == *"Total reclaimed space: "* ]]
    run -0 hull builder ls --format '{{.Type}}'
    [[ $output != *regular* ]]
    [ "$(hull run --rm pruned cat /x)" = "to be pruned" ]
    build -t pruned .
    [[ $said != *CACHED* ]]
    refuses 125 'until' builder prune -f --filter x=y
}

@test "build: layers that the cache knows stay when an image goes" {
    printf 'FROM box\nRUN echo a-layer >/x\n' >Dockerfile
    build -t gone .
    hull rmi gone
    build -t gone .
    [[ $said == *CACHED* ]]
    [ "$(hull run --rm gone cat /x)" = a-layer ]
}

@test "build: --explain says which part of the key is another one" {
    # A place where nothing was built yet.
    mkdir explained
    cd explained
    echo 1 >file
    printf 'FROM box\nARG A=1\nRUN echo $A >/a\nCOPY file /file\nRUN echo b >/b\n' >Dockerfile
    build --explain .
    [ "$(grep -c 'because of: nothing was done here before' <<<"$said")" = 3 ]
    build --explain .
    [[ $said != *'because of'* ]]
    build --explain --build-arg A=2 .
    [[ $said == *'because of: environment: "A=1" before, "A=2" now'* ]]
    build .
    echo 2 >file
    build --explain .
    [[ $said == *'because of: content: "'*'" before, "'*'" now'* && $said == *'because of: below: "'* ]]
    sed -i 's/echo b/echo c/' Dockerfile
    build --explain .
    [[ $said == *'because of: command: "echo b >/b" before, "echo c >/b" now'* ]]
    build --explain --no-cache .
    [[ $said == *'because of: --no-cache'* ]]
}

@test "build: --output: files in a directory, a tar, archives of the image; nothing in the store but what is asked for" {
    printf 'FROM box AS b\nRUN mkdir -p /o/d && echo made >/o/d/f && ln -s d/f /o/l && chmod 750 /o/d && truncate -s 1M /o/hole && echo end >>/o/hole\nFROM scratch\nCOPY --from=b /o /\n' >Dockerfile
    before=$(hull images -aq | wc -l)
    build -o out .
    [ "$(cat out/l)" = made ]
    [ "$(stat -c %a out/d)" = 750 ]
    [ "$(tail -n 1 out/hole | tr -d '\0')" = end ]
    [ "$(stat -c %s out/hole)" = 1048580 ]
    mkdir -p here/d
    echo stays >here/other
    echo old >here/d/f
    build --output type=local,dest=here .
    [ "$(cat here/other here/d/f)" = $'stays\nmade' ]
    # A symlink of what is there leads nowhere.
    mkdir -p trap away
    ln -s ../away trap/d
    build -o trap .
    [ -z "$(ls away)" ]
    hull build -q -o - . >files.tar
    [ "$(tar xOf files.tar d/f)" = made ]
    build -o type=tar,dest=two.tar .
    cmp files.tar two.tar
    [ "$(hull images -aq | wc -l)" = "$before" ]
    build -t archived -o type=docker,dest=docker.tar -o type=oci,dest=oci.tar -o type=oci,dest=layout,tar=false .
    tar tf docker.tar | grep -qx manifest.json
    tar tf oci.tar | grep -qx oci-layout
    [ -e layout/index.json ]
    hull rmi archived
    hull load -q -i docker.tar
    [[ $(hull images --format '{{.Repository}}') == *archived* ]]
    hull build -q -o type=oci,name=named . >oci2.tar
    tar tf oci2.tar | grep -qx oci-layout
    before=$(hull images -aq | wc -l)
    build -o type=cacheonly .
    [ "$(hull images -aq | wc -l)" = "$before" ]
}

@test "build: --output that is wrong" {
    printf 'FROM box\n' >Dockerfile
    fails 'the type is image, registry' -o type=zip .
    fails 'has no dst \(did you mean dest\?\)' -o type=tar,dst=x .
    fails 'dest is missing' -o type=local .
    fails 'gzip and zstd' -o type=image,compression=lzma .
    fails 'only one can go to stdout' -o - -o type=oci .
    fails 'cannot be turned off' -o type=image,rewrite-timestamp=false .
    fails 'needs a name' --push .
    fails 'no/such/dir' -o type=tar,dest=no/such/dir/x .
    touch file
    fails 'file' -o file .
}

@test "build: its cache is listed and pruned below it too, and a context of that name is ./prune" {
    mkdir prune
    printf 'FROM box\nRUN echo below > /below\n' >prune/Dockerfile
    build ./prune
    run -0 hull build ls
    [[ $output == ID* && $output == *'RUN echo below > /below'* ]]
    listed=$output
    run -0 hull build du
    [ "$output" = "$listed" ]
    run -0 hull build prune -f
    [[ $output == *'Total reclaimed space:'* ]]
    run -0 hull build ls
    [[ $output != *'RUN echo below'* ]]
}
