#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A plain user's networks: his own bridges, names, published ports, the way out through pasta. The machine is network.bash's: a namespace
# with a neighbour; the user exists in the mount namespace of one command only.
# machines: native v2

load ../lib/network

setup_file() {
    need_root
    need_cmd setpriv unshare newuidmap newgidmap python3
    [ -e /etc/subuid ] && [ -e /etc/subgid ] || skip "there is no /etc/subuid"
    HULL_DIR=$(mktemp -d "${HULL_TEST_SCRATCH:-${TMPDIR:-/tmp}}/hull-usernet.XXXXXX")
    chmod 755 "$HULL_DIR"
    export HULL_DIR HULL_UID=48124
    mkdir "$HULL_DIR/home" "$HULL_DIR/run"
    chown $HULL_UID:$HULL_UID "$HULL_DIR/home" "$HULL_DIR/run"
    { cat /etc/passwd; echo "plainuser:x:$HULL_UID:$HULL_UID::$HULL_DIR/home:/bin/sh"; } >"$HULL_DIR/passwd"
    echo "plainuser:3000000:65536" >"$HULL_DIR/ranges"
    mknod -m 666 "$HULL_DIR/tun" c 10 200 || true
    mkdir "$HULL_DIR/bin"
    cat >"$HULL_DIR/enter" <<'SH'
mount --bind "$HULL_DIR/passwd" /etc/passwd
mount --bind "$HULL_DIR/ranges" /etc/subuid
mount --bind "$HULL_DIR/ranges" /etc/subgid
[ ! -e /dev/net/tun ] || mount --bind "$HULL_DIR/tun" /dev/net/tun
for way in ${NO_WAY_OUT-}; do
    ! command -v $way >/dev/null || mount --bind /dev/null "$(command -v $way)"
done
exec setpriv --reuid $HULL_UID --regid $HULL_UID --clear-groups env -i PATH="$PATH" HOME="$HULL_DIR/home" \
    XDG_RUNTIME_DIR="$HULL_DIR/run" "$HULL" "$@"
SH
    network_place
    hull run --rm --network none box true || skip "this machine lets no plain user run containers"
    hull run --rm box true 2>/dev/null || skip "this machine lets no plain user make networks"
}

teardown_file() {
    [ -n "${HULL_DIR-}" ] || return 0
    network_clean
    wait_until 30 nothing_left
    umount -l "$HULL_DIR"/*.net 2>/dev/null || true
    rm -rf "$HULL_DIR"
}
setup() { network_or_skip; }
teardown() { network_clean; }

hull() {
    nsenter --net="$HULL_NET" unshare -m --propagation private sh "$HULL_DIR/enter" "$@"
}

# Neither the namespace's process nor pasta.
nothing_left() {
    ! ps -u $HULL_UID -o stat= | grep -qv Z
}

need_pasta() {
    need_cmd pasta
    [ -e /dev/net/tun ] || skip "there is no /dev/net/tun"
}

# (pasta of 2023 forgets the other end of a connection that was shut down: /f is never at its end.)
# says_who NAMESPACE PORT: a server there that says to everybody who comes which address he has; of streams and of datagrams.
says_who() {
    rm -f "$HULL_DIR/ready" # of the one before
    nsenter --net="$1" python3 -c '
import socket, sys, threading
at = ("0.0.0.0", int(sys.argv[1]))
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(at)
s.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(at)
def datagrams():
    while True:
        who = u.recvfrom(100)[1]
        u.sendto(who[0].encode() + b"\n", who)
threading.Thread(target=datagrams, daemon=True).start()
print("ready", flush=True)
while True:
    c, who = s.accept()
    c.sendall(who[0].encode() + b"\n")
    c.close()' "$2" >"$HULL_DIR/ready" 2>&1 3>&- &
    echo $! >"$HULL_DIR/server.pid"
    wait_until 30 grep -q ready "$HULL_DIR/ready"
}

@test "eth0 of the default network; what is beyond the machine is reached through pasta" {
    need_pasta
    says_who "$WAN" 7000
    run -0 hull run --rm box sh -c 'ip -4 -o addr show eth0; mkfifo /f; timeout 30 nc -w 20 198.51.100.1 7000 <>/f'
    [[ $output == *172.17.0.2* ]]
    [[ $output == *198.51.100.2 ]]
}

@test "the machine's own user reaches what is beyond it through pasta, with the run directory of his session" {
    need_pasta
    [ "$(cat /proc/sys/kernel/hostname)" = hullvm ] || skip "makes containers of the machine's own user: for test/vm alone"
    [ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ]
    grep -q '^passt (enforce)' /sys/kernel/security/apparmor/profiles
    says_who "$WAN" 7000
    run -0 nsenter --net="$HULL_NET" runuser -u tester -- env -C / HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000 \
        "$HULL" run --rm box sh -c 'mkfifo /f; timeout 30 nc -w 20 198.51.100.1 7000 <>/f'
    [ "$output" = 198.51.100.2 ]
}

@test "without pasta what is beyond the machine is reached through slirp4netns" {
    need_cmd slirp4netns
    [ -e /dev/net/tun ] || skip "there is no /dev/net/tun"
    wait_until 30 nothing_left # of the one before: what stands is not made again
    says_who "$WAN" 7000
    NO_WAY_OUT=pasta run -0 hull run --rm box sh -c 'mkfifo /f; timeout 30 nc -w 20 198.51.100.1 7000 <>/f'
    [ "$output" = 198.51.100.2 ]
}

@test "-p: from the host, its 127.0.0.1, a neighbour and another container; a neighbour keeps its address" {
    serves web -p 8080:80 -p 127.0.0.1:8081:80
    for url in http://127.0.0.1:8080/name http://198.51.100.2:8080/name http://127.0.0.1:8081/name; do
        [ "$(in_host "$HULL_FETCH" "$url")" = "$(hull exec web hostname)" ]
    done
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8080/name)" = "$(hull exec web hostname)" ]
    run ! in_wan "$HULL_FETCH" http://198.51.100.2:8081/name
    run -0 hull run --rm --init box timeout 20 wget -q -O - http://172.17.0.1:8080/name
    run -0 hull port web 80
    [[ $output == *0.0.0.0:8080* ]]
    hull run -d --name who -p 8082:90 -p 8082:90/udp box sleep 1000
    says_who "/proc/$(hull inspect -f '{{.State.Pid}}' who)/ns/net" 90
    [ "$(in_wan python3 -c '
import socket
print(socket.create_connection(("198.51.100.2", 8082), 30).recv(100).decode())')" = 198.51.100.1 ]
    [ "$(in_wan python3 -c '
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(30)
u.connect(("198.51.100.2", 8082))
u.send(b"hello")
print(u.recv(100).decode())')" = 198.51.100.1 ]
    refuses 125 '8080.*already allocated' run --rm -p 8080:80 box true
    hull rm -f web
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8080/name
}

@test "update: ports of a running container come and go, also the first, for the host and for another container" {
    serves web
    hull update --publish-add 8090:80 web
    [ "$(in_host "$HULL_FETCH" http://127.0.0.1:8090/name)" = "$(hull exec web hostname)" ]
    [ "$(in_wan "$HULL_FETCH" http://198.51.100.2:8090/name)" = "$(hull exec web hostname)" ]
    run -0 hull run --rm --init box timeout 20 wget -q -O - http://172.17.0.1:8090/name
    [[ $(hull port web) == "80/tcp -> 0.0.0.0:8090"* ]]
    refuses 125 '8090.*already allocated' run --rm -p 8090:80 box true
    refuses 1 '80/tcp.*root' update --publish-add 80:80 web
    hull update --publish-rm 8090:80 --publish-add 8091:80 web
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8090/name
    [ "$(in_host "$HULL_FETCH" http://127.0.0.1:8091/name)" = "$(hull exec web hostname)" ]
    hull run --rm -p 8090:80 box true
}

@test "network connect and disconnect: what is published moves along" {
    hull network create --subnet 10.89.41.0/24 left
    hull network create --subnet 10.89.42.0/24 right
    serves moves --network left -p 8092:80
    hull network connect right moves
    hull network disconnect left moves
    [ "$(in_host "$HULL_FETCH" http://127.0.0.1:8092/name)" = "$(hull exec moves hostname)" ]
    hull network disconnect right moves
    run ! in_host "$HULL_FETCH" http://127.0.0.1:8092/name
    [ -z "$(hull port moves)" ]
    hull run --rm -p 8092:80 box true
}

@test "-p: much data, both ways, byte for byte" {
    need_cmd python3
    hull run -d --name echo -p 8085:7 box sh -c 'while :; do nc -l -p 7 -e cat; done'
    cat >"$HULL_DIR/echo.py" <<'PY'
import hashlib, os, socket, threading, time
data = os.urandom(1 << 20) * 16
for i in range(200):
    s = socket.create_connection(("198.51.100.2", 8085), 30)
    s.settimeout(30)
    try:
        s.sendall(b"x")
        if s.recv(1) == b"x":
            break
    except OSError:
        pass
    time.sleep(.1)
def send():
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=send)
t.start()
got = hashlib.sha256()
n = 0
while True:
    b = s.recv(1 << 16)
    if not b:
        break
    got.update(b)
    n += len(b)
t.join()
assert n == len(data), n
assert got.digest() == hashlib.sha256(data).digest()
PY
    in_wan timeout 100 python3 "$HULL_DIR/echo.py"
}

@test "networks of his own: names, kept apart, internal" {
    hull network create alpha
    hull network create beta
    serves one --network alpha
    run -0 hull run --rm --init --network alpha box timeout 20 wget -q -O - http://one/name
    [ "$output" = "$(hull exec one hostname)" ]
    run ! hull run --rm --init --network beta box timeout 1 wget -q -O - "http://$(ip_of one alpha)/name"
    hull network connect beta one
    run -0 hull run --rm --init --network beta box timeout 20 wget -q -O - http://one/name
    hull network disconnect beta one
    hull network reload
    run -0 hull run --rm --init --network alpha box timeout 20 wget -q -O - http://one/name
}

@test "what only root has is told: macvlan, ports below 1024" {
    hull network create -d macvlan -o parent=wan0 --subnet 198.51.100.0/24 lan
    refuses 125 'only root' run --rm --network lan box true
    [ "$(in_host cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" = 1024 ] || skip "ports below 1024 are everybody's here"
    refuses 125 'ip_unprivileged_port_start' run --rm -p 80:80 box true
    run -0 hull info
    [[ $output == *ping_group_range* ]]
}

@test "without pasta and slirp4netns one line says that there is no way out; all else works" {
    NO_WAY_OUT="pasta slirp4netns" hull run --rm box ip -4 -o addr show eth0 >"$HULL_DIR/out" 2>"$HULL_DIR/err"
    grep -q 172.17.0.2 "$HULL_DIR/out"
    [ "$(wc -l <"$HULL_DIR/err")" = 1 ]
    grep -q 'warning: containers reach nothing beyond' "$HULL_DIR/err"
}

@test "the namespace and pasta end with the last container; a killed monitor leaves nothing" {
    hull run -d --name last box sleep 1000
    [ -n "$(pgrep -r R,S,D -u $HULL_UID hull-network)" ]
    kill -9 "$(pgrep -r R,S,D -u $HULL_UID hull-monitor)" "$(hull inspect -f '{{.State.Pid}}' last)"
    wait_until 30 nothing_left
    hull rm -f last
    run -0 hull run --rm box ip -4 -o addr show eth0
    [[ $output == *172.17.0.2* ]]
}

# The command itself, in the background: it is what is killed.
behind() {
    nsenter --net="$HULL_NET" unshare -m --propagation private sh "$HULL_DIR/enter" "$@" >/dev/null 2>&1 3>&- &
}

@test "kill -9 of the command or of the monitor in the middle of connect, disconnect and rm: the next ones work and nothing is left" {
    local i
    hull network create shaky
    for i in 1 2 3 4; do
        hull run -d --name victim -p 8096:80 box sleep 1000
        for verb in connect disconnect; do
            behind network $verb shaky victim
            sleep 0.0$((i * 2))
            kill -9 $! 2>/dev/null || true
            wait $! || true
        done
        behind network connect shaky victim
        sleep 0.0$((i * 2))
        [ $((i % 2)) = 0 ] || kill -9 "$(pgrep -r R,S,D -u $HULL_UID hull-monitor)" "$(hull inspect -f '{{.State.Pid}}' victim)" || true
        wait $! || true
        behind rm -f victim
        sleep 0.0$((i * 2))
        kill -9 $! 2>/dev/null || true
        wait $! || true
        hull rm -f victim >/dev/null 2>&1 || true
        refute_container victim
    done
    run -0 hull run --rm -p 8096:80 --network shaky box true
    run -0 hull network inspect -f '{{len .Containers}}' bridge shaky
    [ "$output" = $'0\n0' ]
    hull network rm shaky
    wait_until 30 nothing_left
}
