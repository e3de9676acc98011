#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# explain: what isolates a container, where it is weaker, the script that builds the same by hand; what an image's layers hold.
# machines: native v2

load ../lib/hull
setup_file() {
    need_root
    hull_setup
    mkdir data && echo content >data/file
    limits=
    need_controllers memory pids cpu && limits="--memory 64M --pids-limit 50 --cpus 0.5"
    hull run -d --name lab --hostname lab-host $limits -v "$PWD/data:/data:ro" --tmpfs /scratch --cap-drop MKNOD -e COLOUR="it's blue" -w /tmp \
        box sleep 600
}
teardown_file() { hull_teardown; }

need_controllers() {
    local c
    for c; do
        cgroup_dir "$c" / >/dev/null || return 1
    done
}

json() {
    python3 -c 'import json, sys
d = json.load(sys.stdin)
'"$1"
}

@test "as text: every section" {
    run -0 hull explain lab
    [[ ${lines[0]} == "lab ("*") of box, running, process "* ]]
    for section in Namespaces "Limits (" "Capabilities: 13 kept" "System calls (seccomp default): " "Labels and user" Mounts Root: Network "Weaker than it could be"; do
        [[ $'\n'$output == *$'\n'"$section"* ]] || { echo "$section"; false; }
    done
    [[ $output =~ pid\ +its\ own\ +[0-9]+\ +processes ]]
    [[ $output =~ user\ +the\ host\'s ]]
    [[ $output =~ bind\ +/data\ +ro ]]
}

@test "--format json: namespaces by number, limits with their use, capabilities, system calls" {
    pid=$(hull inspect -f '{{.State.Pid}}' lab)
    hull explain --format json lab >doc
    json 'import os
pid = '$pid'
assert d["Name"] == "lab" and d["Pid"] == pid and d["Status"] == "running"
for n in d["Namespaces"]:
    theirs, ours = (os.readlink("/proc/%s/ns/%s" % (p, n["Type"])).strip("]").split("[")[1] for p in (pid, "self"))
    assert (str(n["Container"]), str(n["Host"]), n["Isolated"]) == (theirs, ours, ours != theirs), n
assert {n["Type"] for n in d["Namespaces"] if n["Isolated"]} == {"mnt", "pid", "net", "ipc", "uts", "cgroup"}
bound = int(next(l for l in open("/proc/%d/status" % pid) if l.startswith("CapBnd")).split()[1], 16)
assert len(d["Capabilities"]["Kept"]) == bin(bound).count("1") == 13, d["Capabilities"]
assert "CAP_MKNOD" in d["Capabilities"]["Dropped"] and "CAP_SYS_ADMIN" in d["Capabilities"]["Dropped"]
refused = d["Seccomp"]["Refused"]
assert {"mount", "bpf", "keyctl", "kexec_load", "unshare", "reboot"} <= set(refused), refused
assert not {"read", "execve", "openat", "clone"} & set(refused)
assert {"Type": "bind", "Source": os.getcwd() + "/data", "Destination": "/data", "RW": False} in d["Mounts"]
assert "/proc/kcore" in d["MaskedPaths"] and "/proc/sys" in d["ReadonlyPaths"]
assert d["Root"]["Layers"][0]["Files"] > 0' <doc
    need_controllers memory pids cpu || skip "no controllers"
    json 'l = {x["Name"]: x for x in d["Limits"]}
assert l["memory"]["Limit"] == "67108864" and 0 < int(l["memory"]["Use"]) < 67108864
assert l["processes"]["Limit"] == "50" and l["processes"]["Use"] == "1"
assert l["CPU time"]["Limit"] == "50000 100000"
assert d["Weaker"] == []' <doc
    run -0 hull explain -f '{{.Name}} {{len .Namespaces}}' lab
    [[ $output == "lab "[78] ]]
}

@test "where it is weaker, and why" {
    weaker() { # weaker PATTERN OPTIONS...
        local pattern=$1 id
        shift
        id=$(hull create "$@" box true)
        hull explain --format '{{range .Weaker}}{{.What}}: {{.Why}}{{"\n"}}{{end}}' "$id" >said
        hull rm "$id" >/dev/null
        grep -qE -- "$pattern" said || { cat said; echo "no: $pattern"; return 1; }
    }
    weaker '^--privileged: all capabilities'  --privileged
    weaker '^no seccomp profile'  --privileged
    weaker '^--pid host: it sees.*machine'  --pid host
    weaker '^--network host: '  --network host
    weaker '^--ipc host: '  --ipc host
    weaker '^--cap-add SYS_ADMIN: mounts'  --cap-add SYS_ADMIN
    weaker '^--cap-add net_admin: changes'  --cap-add net_admin
    weaker '^--security-opt seccomp=unconfined: no system call is refused'  --security-opt seccomp=unconfined
    weaker '^--security-opt systempaths=unconfined: '  --security-opt systempaths=unconfined
    weaker '^-v /:/host: all files of the machine can be changed'  -v /:/host
    weaker '^-v /:/host:ro: all files of the machine can be read'  -v /:/host:ro
    weaker '^-v /etc:/x: passwords'  -v /etc:/x
    weaker "^-v $HULL_ROOT:/x: hull's images"  -v "$HULL_ROOT:/x"
    weaker '^--device /dev/zero: '  --device /dev/zero
    weaker '^no memory limit: '
    weaker '^no limit of processes: '
    weaker '^--pid container:[0-9a-f]{12}: it sees.*container [0-9a-f]{12}$'  --pid container:lab
    id=$(hull create -v /etc:/x:ro box true)
    run -0 hull explain --format '{{range .Weaker}}{{.What}}{{"\n"}}{{end}}' "$id"
    [[ $output != *"/etc"* ]]
    hull rm "$id"
}

@test "one that does not run has no namespaces and no use" {
    hull create --name still --memory 32M box true 2>/dev/null || skip "no memory controller"
    run -0 hull explain --format '{{.Status}} {{len .Namespaces}} {{len .Limits}}' still
    [ "$output" = "created 0 0" ]
    run -0 hull explain still
    [[ $output == *"none: it does not run"* ]]
    hull rm still
}

@test "--script: the same by hand, without hull" {
    need_cmd setpriv unshare
    pid=$(hull inspect -f '{{.State.Pid}}' lab)
    hull explain --script lab >by-hand.sh
    ! grep -q "$HULL" by-hand.sh
    sh -n by-hand.sh
    cat >look <<'SH'
echo "$(hostname) $$ $PWD $COLOUR $(cat /data/file)"
touch /data/new || echo data is read-only
touch /scratch/new && echo scratch is not
touch /etc/new && echo root is not
grep CapBnd /proc/self/status
for ns in mnt pid net ipc uts cgroup user; do readlink /proc/self/ns/$ns; done
cat /proc/kcore | head -c 1 | wc -c
echo x >/proc/sys/kernel/hostname || echo sys is read-only
ls /proc | grep -c '^[0-9]'
SH
    run -0 --separate-stderr sh by-hand.sh sh -c "$(cat look)"
    [ "${lines[0]}" = "lab-host 1 /tmp it's blue content" ]
    [ "${lines[1]}" = "data is read-only" ]
    [ "${lines[2]}" = "scratch is not" ]
    [ "${lines[3]}" = "root is not" ]
    [ "${lines[4]}" = "$(grep CapBnd /proc/$pid/status)" ]
    for ns in 5 6 7 8 9 10; do
        [[ $(readlink /proc/self/ns/*) != *"${lines[ns]}"* ]]
    done
    [ "${lines[11]}" = "$(readlink /proc/self/ns/user)" ]
    [ "${lines[12]}" = 0 ]
    [ "${lines[13]}" = "sys is read-only" ]
    [ "${lines[14]}" -le 4 ]
    [ ! -e data/new ]
    run -7 sh by-hand.sh sh -c 'exit 7'
    # Nothing is left.
    run ! ls -d "${TMPDIR:-/tmp}"/by-hand-*
    run -0 awk '{ print $5 }' /proc/self/mountinfo
    [[ $output != *by-hand* ]]
}

@test "--script: its limits hold, and its groups are gone afterwards" {
    need_cmd setpriv unshare
    need_controllers memory pids cpu || skip "no controllers"
    hull explain --script lab >by-hand.sh
    name=by-hand-$(hull inspect -f '{{.Id}}' lab | cut -c 1-12)
    mkfifo go
    sh by-hand.sh sh -c 'echo up; read word; echo $word' <go >up 3>&- &
    script=$!
    exec 5>go
    wait_until 30 grep -q up up
    for pair in memory:memory.limit_in_bytes:memory.max:67108864 pids:pids.max:pids.max:50; do
        IFS=: read -r controller v1 v2 want <<<"$pair"
        [ "$(cgroup_value $controller /$name $v1 $v2)" = "$want" ]
        grep -q . "$(cgroup_dir $controller /$name)/cgroup.procs"
    done
    [ "$(hull cgroup get -nv -r cpu.max /$name)" = "50000 100000" ]
    echo over >&5
    exec 5>&-
    wait $script
    grep -qx over up
    [ ! -d "$(cgroup_dir memory /$name)" ]
    [ ! -d "$(cgroup_dir pids /$name)" ]
}

@test "--script: the user by name; nothing of an image ends its text early" {
    need_cmd setpriv unshare
    evil=$'x\nINSIDE\ntouch '$PWD$'/escaped\n\'; touch '$PWD'/escaped; #'
    hull run -d --name daemon --user daemon -e "EVIL=$evil" box sleep 600
    hull explain --script daemon >by-hand.sh
    run -0 sh by-hand.sh sh -c 'id -u; id -g; echo "$EVIL"'
    [ "$output" = "$(hull exec daemon id -u)"$'\n'"$(hull exec daemon id -g)"$'\n'"$evil" ]
    [ ! -e escaped ]
    hull rm -f daemon
}

@test "--script: a user without capabilities, and limits of its own" {
    need_cmd setpriv unshare prlimit
    hull create --name bare -u 1000:1001 --cap-drop ALL --cap-add NET_RAW --ulimit nofile=100:200 --ulimit core=0 box sh -c \
        'id -u; id -g; ulimit -Sn; ulimit -Hn; ulimit -c; grep CapEff /proc/self/status'
    run -0 hull start -a bare
    theirs=$output
    hull explain --script bare >by-hand.sh
    run -0 sh by-hand.sh
    [ "$output" = "$theirs" ]
    hull rm bare
}

@test "--image: what layers add, hide and waste" {
    mkdir ctx
    head -c 300000 /dev/zero | tr '\0' a >ctx/big
    head -c 1000 /dev/zero | tr '\0' b >ctx/small
    cat >ctx/Dockerfile <<'DOCKER'
FROM box
COPY big /opt/big
COPY small /opt/dir/small
RUN rm /opt/big && echo new >/opt/dir/small && ln /opt/dir/small /opt/dir/link
RUN rm -r /opt/dir
DOCKER
    hull build -q -t layered ctx
    hull explain --image --format json layered >doc
    json 'l = d["Layers"]
n = len(l)
a, b, c, e = l[n - 4:]
assert (a["Files"], a["Bytes"], a["WastedBytes"]) == (1, 300000, 300000), a
assert (b["Files"], b["Bytes"], b["WastedBytes"]) == (1, 1000, 1000), b
assert (c["HiddenFiles"], c["HiddenBytes"], c["WastedBytes"]) == (2, 301000, 4), c
assert {h["Path"] for h in c["Hidden"]} == {"opt/big", "opt/dir/small"}, c
assert (e["HiddenFiles"], e["HiddenBytes"], e["WastedBytes"]) == (2, 4, 0), e
assert d["WastedBytes"] == 301004 and d["Bytes"] == sum(x["Bytes"] for x in l)
assert any(b == {"Path": "opt/big", "Bytes": 300000, "Layer": n - 4, "Hidden": True} for b in d["Biggest"]), d["Biggest"]
assert "COPY" in a["CreatedBy"] and 0 < d["Efficiency"] < 1' <doc
    run -0 hull explain --image layered
    [[ $output == *"CREATED BY"* && $output == *"Biggest files"* && $output == *"hides /opt/big of layer"* ]]
    hull rmi layered
}

@test "--image: many files with several names" {
    mkdir linked
    for i in $(seq 700); do
        echo "$i" >"linked/a$i"
        ln "linked/a$i" "linked/b$i"
    done
    tar -C linked -cf - . | hull import - linked >/dev/null
    hull explain --image --format json linked >doc
    json "l = d['Layers'][0]
assert (l['Files'], l['Bytes']) == (1400, $(cat linked/a* | wc -c)), l" <doc
    hull rmi linked
}

@test "what is wrong" {
    refuses 1 'no such container: nosuch' explain nosuch
    refuses 1 'no such image: nosuch' explain --image nosuch
    refuses 1 'script goes with neither' explain --script --image box
    refuses 125 'needs exactly 1' explain
    refuses 1 'no such container: nosuch' explain --script nosuch
}
