#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cp: files into containers, out of them and between them, running or not; what docker says of destinations; nothing leads out.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    hull run -d --name live box sleep 100000
    hull create --name still box true
}
teardown_file() { hull_teardown; }

content() {
    hull cp "$1" - | tar xOf -
}

@test "docker's rules for the destination, running or not" {
    mkdir -p tree/sub
    echo a >tree/a
    echo b >tree/sub/b
    echo 1 >one
    echo 2 >two
    echo x >sub
    for c in live still; do
        hull cp one "$c:/r-file"
        [ "$(content "$c:/r-file")" = 1 ]
        hull cp two "$c:/r-file"
        [ "$(content "$c:/r-file")" = 2 ]
        refuses 1 'no such directory' cp one "$c:/r-none/"
        refuses 1 'destination.s directory' cp one "$c:/r-none/there/x"
        # A directory that is not there: it gets that name; one that is there: the source goes into it, or its contents.
        hull cp tree "$c:/r-dir"
        [ "$(content "$c:/r-dir/a")" = a ]
        hull cp tree "$c:/r-dir"
        [ "$(content "$c:/r-dir/tree/sub/b")" = b ]
        hull cp tree/. "$c:/r-new/"
        [ "$(content "$c:/r-new/a")" = a ]
        hull cp tree/. "$c:/r-new"
        [ "$(content "$c:/r-new/sub/b")" = b ]
        hull cp one "$c:/r-dir"
        [ "$(content "$c:/r-dir/one")" = 1 ]
        hull cp -- one "$c:r-dir/."
        refuses 1 'no directory' cp tree "$c:/r-file"
        refuses 1 'not a directory' cp one "$c:/r-file/"
        refuses 1 'directory is there' cp sub "$c:/r-dir"
        # And outwards; the slash in front of a path may be missing.
        hull cp "$c:r-dir/sub/b" "out-$c"
        [ "$(cat "out-$c")" = b ]
        mkdir "into-$c"
        hull cp "$c:/r-dir/sub" "into-$c"
        hull cp "$c:/r-dir/sub/." "into-$c"
        [ "$(cat "into-$c/sub/b")$(cat "into-$c/b")" = bb ]
        hull cp "$c:/r-dir/sub" "into-$c/new"
        [ "$(cat "into-$c/new/b")" = b ]
        refuses 1 'no such file' cp "$c:/r-nothing" "x-$c"
        [ ! -e "x-$c" ]
    done
}

@test "several sources, from several places" {
    mkdir many
    echo 1 >many/1
    echo 2 >many/2
    refuses 1 'several sources need one' cp many/1 many/2 live:/many-dest
    hull cp many live:/many-dest
    hull cp many/1 many/2 still:/tmp
    hull cp live:/many-dest/1 still:/tmp/2 live:/etc/hostname many
    [ "$(ls many)" = "1
2
hostname" ]
}

@test "what a command line may not say" {
    refuses 125 'must be a container' cp a b
    for words in "- live:/tmp x:/y" "live:/a - -" "- -" "a -" ":/a b"; do
        run hull cp $words
        [ "$status" -ne 0 ]
        [[ $output == "hull: "* ]]
    done
    refuses 1 'no such container' cp nobody:/x .
    touch ./with:colon
    hull cp ./with:colon live:/tmp
    hull exec live ls /tmp/with:colon
}

@test "modes, times, links, holes, FIFOs, xattrs" {
    mkdir -p kinds/dir
    echo x >kinds/file
    chmod 640 kinds/file
    chmod 1711 kinds/dir
    ln kinds/file kinds/dir/twin
    ln -s nowhere kinds/link
    mkfifo -m 600 kinds/fifo
    truncate -s 64M kinds/holes
    echo end >>kinds/holes
    touch -d '2001-02-03 04:05:06Z' kinds/file kinds/dir kinds
    setfattr -n user.note -v hello kinds/file 2>/dev/null || no_xattr=1
    hull cp kinds live:/
    hull cp kinds still:/
    hull cp still:/kinds/. back
    run -0 hull exec live sh -c 'cd /kinds && stat -c "%n %a %Y %h" file dir; readlink link; test -p fifo && echo fifo; stat -c "%s" holes; du -k holes | cut -f 1; stat -c %Y .'
    [ "${lines[0]}" = "file 640 981173106 2" ]
    [[ ${lines[1]} == "dir 1711 981173106 "* ]]
    [ "${lines[2]} ${lines[3]} ${lines[4]}" = "nowhere fifo 67108868" ]
    [ "${lines[5]}" -lt 1000 ]
    [ "${lines[6]}" = 981173106 ]
    [ "$(stat -c '%a %Y %h' back/file)" = "640 981173106 2" ]
    [ "$(stat -c %i back/file)" = "$(stat -c %i back/dir/twin)" ]
    [ "$(du -k back/holes | cut -f 1)" -lt 1000 ]
    [ -n "${no_xattr-}" ] || [ "$(getfattr --only-values -n user.note back/file)" = hello ]
}

@test "owners: root's there, the caller's here; with --archive as they were" {
    need_root
    mkdir -p own
    echo x >own/f
    chown 12:34 own/f
    chmod 6755 own/f
    hull cp own live:/own1
    hull cp -a own live:/own2
    run -0 hull exec live stat -c '%u:%g %a' /own1/f /own2/f
    [ "${lines[*]}" = "0:0 755 12:34 6755" ]
    hull cp live:/own2/f f1
    hull cp -a live:/own2/f f2
    [ "$(stat -c '%u:%g %a' f1)" = "$(id -u):$(id -g) 755" ]
    [ "$(stat -c '%u:%g %a' f2)" = "12:34 6755" ]
    # Where the owner is the same, so may the rights be.
    hull cp live:/own2/f live:/own3
    cp -p own/f rootly && chown 0:0 rootly && chmod 4755 rootly
    hull cp rootly live:/
    hull cp live:/rootly rootly.back
    run -0 hull exec live stat -c '%u:%g %a' /own3 /rootly
    [ "${lines[*]}" = "0:0 755 0:0 4755" ]
    [ "$(stat -c %a rootly.back)" = 755 ]
}

@test "devices come out with --archive only" {
    need_root
    hull exec live mknod /dev-null c 1 3 || skip "no devices here"
    mkdir devs
    run -0 hull cp live:/dev-null devs
    [[ $output == *"1 device files were left out"* ]]
    [ ! -e devs/dev-null ]
    hull cp -a live:/dev-null devs
    [ "$(stat -c '%F %t:%T' devs/dev-null)" = "character special file 1:3" ]
    rm -r devs
}

@test "--follow-link, and links that are destinations" {
    echo data >target
    ln -s target link
    hull cp link live:/l1
    hull cp -L link live:/l2
    run -0 hull exec live sh -c 'readlink /l1; cat /l2'
    [ "${lines[*]}" = "target data" ]
    hull exec live sh -c 'mkdir /real; ln -s real /to-dir; ln -s /real/file /to-file; ln -s /to-file /to-link'
    hull cp target live:/to-dir
    hull cp target live:/to-link
    run -0 hull exec live sh -c 'ls /real; readlink /to-link'
    [ "${lines[*]}" = "file target /to-file" ]
    hull cp -L live:/to-link here
    [ "$(cat here)" = data ]
    hull exec live sh -c 'ln -s /round /round'
    refuses 1 'too many levels|symbolic' cp target live:/round
}

@test "archives: out, in, compressed; a hostile one stays below the destination" {
    mkdir -p pack/sub
    echo p >pack/sub/f
    chmod 700 pack/sub
    tar c --owner 7 --group 8 pack | hull cp - live:/tmp
    tar cz pack | hull cp - still:/tmp
    run -0 hull exec live stat -c '%u:%g %a' /tmp/pack/sub
    [ "$output" = "7:8 700" ]
    [ "$(hull cp still:/tmp/pack - | tar tf -)" = "pack/
pack/sub/
pack/sub/f" ]
    [ "$(hull cp live:/tmp/pack/. - | tar tf - | sed 's|^\./||' | grep -c .)" = 2 ]
    run hull cp - live:/tmp/none <<<x
    [ "$status" -ne 0 ]
    run -1 hull cp - live:/tmp <<<"this is no archive at all"
    python3 - >evil.tar <<'PY'
import io, sys, tarfile
out = io.BytesIO()
t = tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT)
def add(name, kind=tarfile.REGTYPE, link="", data=b""):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = link; i.size = len(data); t.addfile(i, io.BytesIO(data))
add("out", tarfile.SYMTYPE, "/etc")
add("out/evil-absolute", data=b"x")
add("up", tarfile.SYMTYPE, "../../../../../../../../../../../../tmp")
add("up/evil-up-" + "mark", data=b"x")
t.close()
sys.stdout.buffer.write(out.getvalue())
PY
    hull cp - live:/tmp <evil.tar
    [ ! -e /etc/evil-absolute ] && [ ! -e /tmp/evil-up-mark ]
    run -0 hull exec live ls /etc/evil-absolute /tmp/evil-up-mark
    for name in ../dots a/../../dots; do
        python3 -c "
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|'); i = tarfile.TarInfo('$name'); i.size = 1; t.addfile(i, io.BytesIO(b'x')); t.close()" >dots.tar
        run -1 hull cp - live:/tmp <dots.tar
        [[ $output == *'".."'* ]]
    done
}

@test "from one container to another, both ways at once" {
    hull exec live sh -c 'mkdir -p /there/sub; echo deep >/there/sub/f'
    hull cp live:/there still:/there
    [ "$(content still:/there/sub/f)" = deep ]
    hull create --name still2 box true
    pids=
    for i in 1 2 3; do
        hull cp still:/there still2:/t$i &
        pids+=" $!"
        hull cp still2:/etc still:/e$i &
        pids+=" $!"
    done
    wait $pids
    [ "$(content still2:/t3/sub/f)" = deep ]
    hull cp live:/there live:/again
    run -0 hull exec live cat /again/sub/f
    [ "$output" = deep ]
}

@test "into itself: it ends" {
    mkdir bound
    hull run -d --name self -v "$PWD/bound:/bound" box sleep 100000
    hull exec self sh -c 'mkdir -p /deep/er; echo x >/deep/f'
    hull cp self:/deep self:/deep/er
    run -0 hull exec self find /deep
    [ "$(echo "$output" | sort | tr '\n' ' ')" = "/deep /deep/er /deep/er/deep /deep/er/deep/er /deep/er/deep/f /deep/f " ]
    hull cp self:/ bound/all
    [ -d bound/all/proc ] && [ ! -e bound/all/proc/1 ]
    [ -e bound/all/deep/f ]
    hull rm -f self
}

@test "volumes and binds, as the container sees them" {
    mkdir bind
    echo host >bind/f
    echo conf >conf
    options="-v vol:/vol -v $PWD/bind:/bind -v $PWD/conf:/etc/the.conf -v $PWD/bind:/ro:ro -v other:/bind/below --tmpfs /tmpfs"
    hull create --name mounted $options box sleep 100000
    echo new >new
    for state in created running stopped; do
        [ $state != running ] || hull start mounted
        [ $state != stopped ] || hull stop -t 0 mounted
        hull cp new "mounted:/vol/$state"
        hull cp new "mounted:/bind/$state"
        hull cp new "mounted:/bind/below/$state"
        hull cp mounted:/bind/f "from-$state"
        [ "$(cat "from-$state")" = host ]
        [ -e bind/$state ] && [ ! -e "bind/below/$state" ]
        # A file that is mounted can be written to, not be replaced.
        echo "$state" >conf.new
        hull cp conf.new mounted:/etc/the.conf
        [ "$(cat conf)" = "$state" ]
        refuses 1 'read-only file system' cp new mounted:/ro
        if [ $state = running ]; then
            hull cp new mounted:/tmpfs/f
            hull exec mounted cat /tmpfs/f
        else
            refuses 1 'read-only file system' cp new mounted:/tmpfs
        fi
    done
    run -0 hull run --rm -v vol:/vol -v other:/other box ls /vol /other
    [ "$(echo "$output" | grep -c .)" = 8 ]
    hull rm -v mounted
}

@test "a new volume has what the image has there also when cp comes first" {
    hull create --name fresh -v fresh:/etc box true
    echo mine >mine
    hull cp mine fresh:/etc
    run -0 hull run --rm -v fresh:/v box ls /v/mine /v/passwd
    hull rm fresh
}

@test "--read-only: the root is refused, a volume is not" {
    for c in ro-live ro-still; do
        hull create --name $c --read-only -v rovol:/vol box sleep 100000
    done
    hull start ro-live
    echo x >x
    for c in ro-live ro-still; do
        refuses 1 'read-only file system' cp x $c:/
        hull cp x $c:/vol
    done
    hull rm -f ro-live ro-still
}

@test "a paused container; one that is just ending" {
    hull run -d --name paused box sleep 100000
    hull pause paused || skip "no freezer here"
    echo x >p
    hull cp p paused:/p
    hull cp paused:/p p.back
    hull unpause paused
    hull rm -f paused
}

@test "ids of a container's own" {
    need_root
    hull run -d --name mapped --uidmap 0:100000:2000 --gidmap 0:100000:2000 -v mapvol:/vol box sleep 100000
    echo x >m
    chown 5:6 m
    for c in 1 2; do
        hull cp m mapped:/root/plain$c
        hull cp -a m mapped:/root/kept$c
        hull cp -a m mapped:/vol/kept$c
        tar c --owner 9 m | hull cp - mapped:/vol
        hull cp -a mapped:/vol/kept$c m.back
        [ "$(stat -c %u:%g m.back)" = 5:6 ]
        [ "$(hull cp mapped:/vol/kept$c - | tar tvf - --numeric-owner | awk '{ print $2 }')" = 5/6 ]
        [ $c = 2 ] || hull stop -t 0 mapped
    done
    hull start mapped
    run -0 hull exec mapped stat -c %u:%g /root/plain1 /root/kept1 /vol/kept1 /root/plain2 /root/kept2 /vol/kept2 /vol/m
    [ "${lines[*]}" = "0:0 5:6 5:6 0:0 5:6 5:6 9:6" ]
    chown 3000:0 m
    refuses 1 'outside of the container.s id map' cp -a m mapped:/root
    hull rm -f mapped
}

@test "the kernel's files, which have no size" {
    hull cp live:/proc/1/status status
    grep -q '^Name:.*sleep' status
    hull cp live:/proc/sys/kernel/ostype .
    [ "$(cat ostype)" = Linux ]
}

# A container that changes what a path means all the time: now a directory, now a way out.
@test "symlinks that are swapped meanwhile lead nowhere" {
    mkdir -p victim
    echo secret >victim/secret
    hull exec -d live sh -c "mkdir -p /swap/dir/sub; cd /swap; echo inner >dir/secret; ln -s $PWD/victim abs; ln -s ../../../../../../../../..$PWD/victim rel
        while [ ! -e /stop ]; do for n in dir abs dir rel; do mv -T \$n a || rm -rf a; mv -T a \$n; done; done" 2>/dev/null
    wait_until 30 hull exec live test -L /swap/abs
    mkdir source
    for i in 1 2 3 4 5 6 7 8; do echo planted >source/f$i; done
    end=$((SECONDS + 4))
    i=0
    while [ $SECONDS -lt $end ] || [ $i -lt 3 ]; do
        i=$((i + 1))
        hull cp source/. live:/swap/a 2>/dev/null || true
        hull cp source live:/swap/a/sub 2>/dev/null || true
        hull cp source/f1 live:/swap/abs/planted 2>/dev/null || true
        tar c source | hull cp - live:/swap/a 2>/dev/null || true
        hull cp live:/swap/a/secret got 2>/dev/null || true
        hull cp -L live:/swap/a/secret got 2>/dev/null || true
        hull cp live:/swap gotten 2>/dev/null || true
        hull cp live:/swap - 2>/dev/null | tar xOf - >stream 2>/dev/null || true
        if grep -rq '^secret$' got gotten stream 2>/dev/null; then
            echo "what is outside came in"
            return 1
        fi
        rm -rf got gotten
    done
    hull exec live touch /stop
    hull exec live test -L /swap/abs -o -L /swap/a -o -L /swap/rel
    [ "$(ls victim)" = secret ]
    [ "$(cat victim/secret)" = secret ]
}

@test "a full disk: the error says so, and no half a file is left" {
    need_root
    mkdir small
    mount -t tmpfs -o size=1m none small || skip "no tmpfs here"
    head -c 4M /dev/zero | tr '\0' x >big
    hull run -d --name full -v "$PWD/small:/small" box sleep 100000
    refuses 1 'no space left' cp big full:/small
    [ -z "$(ls small)" ]
    hull cp big full:/big
    refuses 1 'no space left' cp full:/big small/big
    [ -z "$(ls small)" ]
    echo ok >fits
    hull cp fits full:/small
    hull rm -f full
    umount small
}

@test "killed in the middle: nothing is left but a part of the destination" {
    hull create --name cut -v cutvol:/vol box true
    python3 - >endless.tar <<'PY'
import sys, tarfile
i = tarfile.TarInfo("endless"); i.size = 1 << 30
sys.stdout.buffer.write(i.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
PY
    mkfifo slow
    "$HULL" cp - cut:/vol <slow &
    pid=$!
    exec 9>slow
    cat endless.tar >&9
    wait_until 30 test -s "$HULL_ROOT/volumes/cutvol/_data/endless"
    kill -9 $pid
    wait $pid || true
    exec 9>&-
    rm -f slow
    hull start -a cut
    [ "$(ls "$HULL_ROOT/volumes/cutvol/_data")" = endless ]
    hull rm -v cut
    hull volume rm cutvol
}

@test "what is not there is named once, and so is a place that is not" {
    hull run -d --name gone --network none box sleep 1000
    run -1 hull cp gone:/none "$HULL_DIR/x"
    [ "$output" = "hull: gone:/none: No such file or directory" ]
    run -1 hull cp /none/such gone:/
    [ "$output" = "hull: /none/such: No such file or directory" ]
    run -1 hull cp /etc/passwd gone:/none/x
    [ "$output" = "hull: /etc/passwd: the destination's directory: /none/: No such file or directory" ] || { echo "$output"; return 1; }
    hull rm -f gone
}
