#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Wrong input: one clear line, the right exit status, nothing left behind.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# Nothing was made: no container, no volume.
nothing_made() {
    run -0 hull ps -aq
    [ "$output" = "" ]
    [ ! -d "$HULL_ROOT/volumes" ] || [ -z "$(find "$HULL_ROOT/volumes" -mindepth 1 -maxdepth 1 -type d)" ]
}

# run with wrong options $2...: status 125, the line matches $1
wrong() {
    local pattern=$1
    shift
    refuses 125 "$pattern" run "$@" box true
}

@test "limits" {
    wrong '12X.*--memory|--memory.*12X' -m 12X
    wrong '--memory.*6' -m 1k
    wrong '--memory' --memory=-1
    wrong '--memory-swap' --memory-swap 1g
    wrong '--memory-swap' --memory 1g --memory-swap 512m
    wrong '--memory-reservation' --memory 64m --memory-reservation 128m
    wrong '--memory-swappiness' --memory-swappiness 101
    wrong '--cpus.*-1' --cpus -1
    wrong '--cpus' --cpus 9999
    wrong '--cpus.*0.01' --cpus 0.001
    wrong '--cpus' --cpus 0,5
    wrong '--cpus' --cpus 1 --cpu-quota 50000
    wrong '--cpu-period' --cpu-period 10
    wrong '--cpuset-cpus' --cpuset-cpus 9999
    wrong '--cpuset-cpus' --cpuset-cpus a-b
    wrong '--cpuset-mems.*memory nodes' --cpuset-mems 999
    wrong '--blkio-weight' --blkio-weight 5
    wrong 'block device' --device-read-bps /dev/null:1m
    wrong '/dev/no-such-device' --device-write-iops /dev/no-such-device:100
    wrong '--pids-limit' --pids-limit 1.5
    wrong '--oom-score-adj' --oom-score-adj 2000
    wrong '--ulimit' --ulimit nofile
    wrong '--ulimit' --ulimit nofiles=10
    wrong '--ulimit' --ulimit nofile=20:10
    wrong '--shm-size' --shm-size 12X
    wrong '--stop-timeout' --stop-timeout soon
    nothing_made
}

@test "users, directories, names, ids" {
    wrong '--user.*4294967296' -u 4294967296
    wrong '--user' -u -1
    wrong '--user' -u a:b:c
    wrong '--group-add' --group-add 4294967296
    wrong 'relative|absolute' -w a/b
    wrong '--hostname' -h 'a b'
    wrong '--name' --name ../x
    wrong '--name' --name a
    wrong 'umask' --umask 999
    wrong 'signal.*FOO' --stop-signal FOO
    wrong 'cgroup-parent' --cgroup-parent ../../x
    wrong '--detach-keys' --detach-keys ctrl-
    wrong '--pid.*container:NAME' --pid container:
    wrong 'platform.*linux/arm64' --platform nothing-known
    nothing_made
}

@test "an empty command; a tag and --all-tags" {
    refuses 125 'empty word' run --rm box ''
    refuses 125 'tag' pull -a localhost:1/x:1
    refuses 125 'tag' pull -a "localhost:1/x@sha256:$(printf '0%.0s' {1..64})"
    nothing_made
}

@test "what comes from outside reaches the terminal without control characters" {
    refuses 127 'a  b c d' run --rm box $'a\u009bb\033c\177d'
    refuses 1 'a  b c' rm $'a\u009bb\033c'
}

@test "a user the image does not have" {
    refuses 125 'nobody-here' run --rm -u nobody-here box true
    refuses 125 'no-group' run --rm -u 0:no-group box true
    nothing_made
}

@test "files: missing, or not what they should be" {
    wrong 'no-such-file' --env-file no-such-file
    printf 'A=1\n=x\n' >bad.env
    wrong 'bad.env.*line 2' --env-file bad.env
    printf 'export A=1\n' >script.env
    wrong 'script.env.*line 1' --env-file script.env
    head -c 100 /dev/zero >zero.env
    wrong 'zero.env' --env-file zero.env
    wrong 'no-such-file' --label-file no-such-file
    wrong 'seccomp.*no-such-file' --security-opt seccomp=no-such-file
    printf 'not json' >bad.json
    wrong 'seccomp.*bad.json' --security-opt seccomp=bad.json
    wrong '/not/there' --cidfile /not/there/cid
    wrong '=x' -e =x
    wrong 'label' -l =x
    nothing_made
}

@test "mounts and devices" {
    wrong 'absolute' -v relative
    wrong '/ of the container' -v /
    wrong '--volume' -v a/b:/x
    wrong '--volume' -v data:/x:ro:ro
    wrong 'foo' -v data:/x:foo
    wrong '/x' -v data:/x -v other:/x/
    wrong 'did you mean "type"' --mount typ=bind
    wrong 'type' --mount type=cdrom,target=/x
    wrong 'target' --mount type=bind,source=/tmp
    wrong 'source' --mount type=bind,target=/x
    wrong '/no/such/dir' --mount type=bind,source=/no/such/dir,target=/x
    wrong 'tmpfs-size' --mount type=tmpfs,target=/x,tmpfs-size=12X
    wrong 'bind-' --mount type=tmpfs,target=/x,bind-propagation=rshared
    wrong 'quotes' --mount 'type=bind,"source=/a,target=/x'
    wrong '--tmpfs' --tmpfs x
    wrong 'foo' --tmpfs /x:foo
    wrong 'not-there' --volumes-from not-there
    wrong '/no/such/device' --device /no/such/device
    wrong 'not a device' --device /etc/passwd
    wrong '--device' --device /dev/null:/dev/x:rwz
    wrong 'device-cgroup-rule' --device-cgroup-rule 'x 1:2 r'
    nothing_made
}

@test "isolation and network" {
    wrong 'network.*nowhere' --network nowhere
    wrong '--network' --network host --network none
    wrong 'not-there' --network container:not-there
    wrong 'not-there' --pid container:not-there
    wrong '--pid' --pid elsewhere
    wrong '--ipc' --ipc elsewhere
    wrong '--uts' --uts elsewhere
    wrong '--cgroupns' --cgroupns elsewhere
    wrong '--userns' --userns elsewhere
    wrong 'hostname' --uts host --hostname x
    wrong 'uidmap|id map' --uidmap 0:x:1
    wrong 'capability.*NO_SUCH' --cap-add NO_SUCH
    wrong 'security-opt.*nonsense' --security-opt nonsense
    wrong '--add-host' --add-host db
    wrong '--add-host' --add-host db:nowhere
    wrong '--dns' --dns name.example
    wrong '--expose' --expose 70000
    wrong '--sysctl' --sysctl kernel.shmmni
    wrong 'net.ipv4.ip_forward' --network host --sysctl net.ipv4.ip_forward=1
    nothing_made
}

@test "streams, logs, policies" {
    wrong '--attach' -a stdfoo
    wrong '--detach' -d -a stdout
    wrong 'TTY' -it
    wrong '--log-driver' --log-driver fluentd
    wrong 'log-opt' --log-opt max-sise=1m
    wrong 'log-opt' --log-opt max-file=0
    wrong '--pull' --pull sometimes
    wrong '--memory' --memroy 1g
    nothing_made
}

@test "what hull cannot do yet says so" {
    wrong '-p.*--network host' --network host -p 80:80
    wrong 'invalid -p' -p 70000:80
    wrong '--gpus' --gpus all
    wrong '--link' --link a:b
    nothing_made
}

@test "no command: the image has none" {
    printf '{}' >empty.json
    python3 - <<'PY'
import hashlib, io, json, tarfile
def tar(files):
    out = io.BytesIO()
    t = tarfile.open(fileobj=out, mode="w")
    for name, data in files:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    t.close()
    return out.getvalue()
layer = tar([("file", b"x")])
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers",
    "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
manifest = json.dumps([{"Config": "c.json", "RepoTags": ["nocommand:1"], "Layers": ["l.tar"]}]).encode()
open("nocommand.tar", "wb").write(tar([("c.json", config), ("l.tar", layer), ("manifest.json", manifest)]))
PY
    hull load -q -i nocommand.tar
    refuses 125 'command' run --rm nocommand:1
    refuses 125 'command' create nocommand:1
    refuses 127 'sh' run --rm nocommand:1 sh
    hull rmi nocommand:1
    nothing_made
}

@test "references: refused before anything is asked" {
    for ref in UPPER/x:y a/../b 'a b' a: :b a@b a//b -x 'x:y:z' "$(printf 'x%.0s' $(seq 5000))" "a@sha256:12" ../x /x ''; do
        attempt pull -- "$ref"
        [ "$status" -ne 0 ] || { echo "pulled '$ref'"; false; }
        [[ $stderr == hull:* ]]
        [[ $stderr != *$'\n'* ]]
        [ "${#stderr}" -lt 1100 ]
    done
    refuses 125 'UPPER' run UPPER/x:y true
    run hull tag box UPPER:x
    [ "$status" -ne 0 ]
    [[ $output == *UPPER* ]]
    nothing_made
}

@test "unknown images, tags, platforms" {
    refuses 125 'not-here' run --pull never not-here true
    refuses 125 'no-such-tag' run --pull never box:no-such-tag true
    attempt run --pull never --platform linux/s390x box true
    [ "$status" -eq 125 ]
    [[ $stderr == *s390x* ]]
    attempt run --platform not/a/platform/at/all box true
    [ "$status" -eq 125 ]
    [[ $stderr == *platform* ]]
    refuses 1 'no such.*not-here' inspect not-here
    refuses 1 'no such.*not-here' rmi not-here
    refuses 1 'no such.*not-here' history not-here
    refuses 1 'no such.*not-here' tag not-here x
    nothing_made
}

@test "ids and names that are paths, empty or endless" {
    long=$(printf 'a%.0s' $(seq 5000))
    for id in .. . / ../.. a/b '' "$long" '*' '-' ../containers; do
        for verb in inspect logs start stop kill restart wait pause unpause 'exec' top rm attach; do
            set --
            [ $verb != exec ] || set -- true
            attempt $verb -- "$id" "$@" </dev/null
            [ "$status" -ne 0 ] || { echo "$verb '$id' succeeded"; false; }
            [[ $stderr != *$'\n'* ]] || { echo "$verb '$id': $stderr"; false; }
            [ "${#stderr}" -lt 1100 ]
        done
        attempt rename -- "$id" new
        [ "$status" -ne 0 ]
    done
    [ -d "$HULL_ROOT/containers" ]
    nothing_made
}

@test "too few and too many arguments" {
    for verb in run create start stop restart kill rm logs exec attach wait inspect rename pause unpause top pull rmi tag history; do
        attempt $verb
        [ "$status" -ne 0 ] || { echo "$verb"; false; }
        [[ $stderr == hull:*$verb* ]] || { echo "$verb: $stderr"; false; }
    done
    refuses 125 'argument' rename a b c
    refuses 125 'argument' load x
    refuses 125 'argument' exec a
}

@test "load: what is no archive" {
    : >empty
    head -c 10000 /dev/urandom >noise
    printf '{"a": 1}\n' >text
    mkdir -p notoci
    tar -cf empty.tar -T /dev/null
    tar -cf other.tar empty
    for f in empty noise text notoci empty.tar other.tar no-such-file /dev/null; do
        attempt load -i $f
        [ "$status" -eq 1 ] || { echo "$f: $status $stderr"; false; }
        [[ $stderr != *$'\n'* ]] || { echo "$f: $stderr"; false; }
    done
    attempt load <noise
    [ "$status" -eq 1 ]
    [[ $stderr == hull:* ]]
}

# Makes archive $1: an image `bad:1` with one layer, made by the python lines on stdin, which fill the tarfile t.
bad_archive() {
    { cat <<'PY'
import hashlib, io, json, sys, tarfile
def add(t, name, data=b"", **kind):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in kind.items():
        setattr(info, key, value)
    t.addfile(info, io.BytesIO(data))
def archive(layer, diff_id=None):
    diff_id = diff_id or "sha256:" + hashlib.sha256(layer).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["bad:1"], "Layers": ["l.tar"]}]).encode()
    with tarfile.open(sys.argv[1], "w") as t:
        add(t, "c.json", config)
        add(t, "l.tar", layer)
        add(t, "manifest.json", manifest)
out = io.BytesIO()
t = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
diff_id = None
PY
        cat
        printf 't.close()\narchive(out.getvalue(), diff_id)\n'
    } | python3 - "$1"
}

# Loading archive $1 fails in one line that matches $2, or nothing outside of the layer was written. No image, no layer left.
load_refused() {
    attempt load -i "$1"
    [ "$status" -eq 1 ] || { echo "$1: status $status: $output"; return 1; }
    [[ $stderr != *$'\n'* ]] || { echo "$1: $stderr"; return 1; }
    matches "$stderr" "$2" || { echo "$1: no /$2/: $stderr"; return 1; }
    run hull inspect bad:1
    [ "$status" -ne 0 ]
    [ -z "$(find "$HULL_ROOT/layers" -maxdepth 1 -name 'tmp-*' 2>/dev/null)" ]
}

@test "load: a layer that is not what its digest says" {
    bad_archive digest.tar <<<'add(t, "x", b"1"); diff_id = "sha256:" + 64 * "a"'
    load_refused digest.tar 'digest|aaaa'
}

@test "load: a layer whose names lead out of it" {
    bad_archive dots.tar <<<'add(t, "../../escaped", b"1"); add(t, "a/../../escaped", b"1")'
    bad_archive absolute.tar <<<"add(t, '$PWD/escaped', b'1')"
    bad_archive symlink.tar <<<"add(t, 'd', type=tarfile.SYMTYPE, linkname='$PWD'); add(t, 'd/escaped', b'1')"
    bad_archive hardlink.tar <<<"add(t, 'h', type=tarfile.LNKTYPE, linkname='../../../../../../../../../etc/passwd'); add(t, 'h', b'1')"
    before=$(sha256sum /etc/passwd)
    for f in dots absolute symlink hardlink; do
        # Refused, or put inside of the layer: both are right, out of it is wrong.
        run hull load -i $f.tar
        [ ! -e escaped ] && [ ! -e ../escaped ] && [ ! -e /escaped ]
        hull rmi bad:1 >/dev/null 2>&1 || true
    done
    [ "$(sha256sum /etc/passwd)" = "$before" ]
    [ -z "$(find "$HULL_ROOT" -name escaped -not -path '*/layers/*')" ]
}

@test "load: a name of 5000 bytes, a truncated layer" {
    bad_archive long.tar <<<'add(t, "n" * 5000, b"1")'
    load_refused long.tar 'name|long'
    bad_archive whole.tar <<<'add(t, "x", b"1" * 100000)'
    head -c 60000 whole.tar >cut.tar
    load_refused cut.tar 'end|truncated|archive|manifest'
}

@test "a full disk: one line, nothing lost, and room again afterwards" {
    need_root
    mkdir -p small
    mount -t tmpfs -o size=4m,mode=755 none small || skip "tmpfs cannot be mounted"
    export HULL_ROOT=$PWD/small/root HULL_RUN_ROOT=$PWD/small/run
    bad_archive big.tar <<<'import os; add(t, "x", os.urandom(6 << 20))'
    attempt load -i big.tar
    [ "$status" -eq 1 ]
    [[ $stderr == *"No space left"* ]] || { echo "$stderr"; false; }
    [[ $stderr != *$'\n'* ]]
    run hull inspect bad:1
    [ "$status" -ne 0 ]
    bad_archive little.tar <<<'add(t, "x", b"1")'
    hull load -q -i little.tar
    id=$(hull create bad:1 /x)
    head -c 8m /dev/zero >small/fill 2>/dev/null || true
    attempt create bad:1 /x
    [ "$status" -eq 125 ]
    [[ $stderr == *"No space left"* ]] || { echo "$stderr"; false; }
    hull rm "$id"
    rm small/fill
    run -0 hull ps -aq
    [ "$output" = "" ]
    umount small
}

@test "the store of another user, and a store that is a file, are refused" {
    need_root
    : >afile
    attempt --root "$PWD/afile" ps
    [ "$status" -ne 0 ]
    [[ $stderr == *afile* ]]
    mkdir -p theirs
    chown 12345 theirs
    attempt --root "$PWD/theirs" ps
    [ "$status" -ne 0 ]
    [[ $stderr == *theirs* ]]
}
