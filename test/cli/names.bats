#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Names of containers, and what is passed on to the host's resolvers.

load ../lib/network

setup_file() { network_setup; }
teardown_file() { network_teardown; }
setup() { network_or_skip; }
teardown() { network_clean; }

# In the network of a container: dns NAME TYPE tcp|udp: its code and addresses, as 127.0.0.11 answers.
dns() {
    nsenter --net="/proc/$(hull inspect -f '{{.State.Pid}}' "$1")/ns/net" python3 - "$2" "$3" "$4" <<'PY'
import socket, struct, sys
name, kind, how = sys.argv[1:]
kind = {"A": 1, "AAAA": 28, "PTR": 12}[kind]
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0" + struct.pack(">2H", kind, 1)
def words(d):
    return d[1:1 + d[0]].decode() + ("." + words(d[1 + d[0]:]) if d[1 + d[0]] else "") if d[0] else ""
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM)
s.settimeout(60)
s.connect(("127.0.0.11", 53))
s.sendall(struct.pack(">H", len(q)) + q if how == "tcp" else q)
f = s.makefile("rb")
a = f.read(struct.unpack(">H", f.read(2))[0]) if how == "tcp" else s.recv(65535)
n, at, out = struct.unpack(">H", a[6:8])[0], len(q), []
for _ in range(n):
    t, _, _, size = struct.unpack(">HHIH", a[at + 2:at + 12])
    data = a[at + 12:at + 12 + size]
    out.append(socket.inet_ntoa(data) if t == 1 else socket.inet_ntop(socket.AF_INET6, data) if t == 28 else words(data))
    at += 12 + size
print(a[3] & 15, *sorted(out))
PY
}

@test "names: container, alias, short id, PTR; UDP and TCP; before the first process runs" {
    need_cmd python3
    hull network create --subnet 10.89.9.0/24 names
    hull run -d --name db --network names --network-alias data box sleep 1000
    hull run -d --name web --network names box sleep 1000
    for how in udp tcp; do
        [ "$(dns web db A $how)" = "0 10.89.9.2" ]
        [ "$(dns web DATA A $how)" = "0 10.89.9.2" ]
        [ "$(dns web "$(hull inspect -f '{{.Id}}' db | head -c 12)" A $how)" = "0 10.89.9.2" ]
        [ "$(dns web db AAAA $how)" = 0 ]
        [ "$(dns web 2.9.89.10.in-addr.arpa PTR $how)" = "0 db.names" ]
    done
    for i in 1 2 3 4 5; do
        run -0 hull run --rm --name "early$i" --network names box ping -c 1 -W 20 "early$i"
    done
    hull rm -f db
    run dns web db A udp
    [ "$output" != "0 10.89.9.2" ]
}

@test "names: others are asked for at --dns; on an internal network nobody is; a container may serve port 53 itself" {
    need_cmd python3
    cat >"$HULL_DIR/upstream.py" <<'PY'
import socket, struct, threading
def answer(q):
    return q[:2] + b"\x81\x80" + q[4:6] + b"\0\1" + b"\0" * 4 + q[12:] + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 9, 4) + bytes([192, 0, 2, 77])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("198.51.100.1", 53))
t = socket.socket()
t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
t.bind(("198.51.100.1", 53))
t.listen()
def tcp():
    while True:
        f = t.accept()[0].makefile("rwb")
        a = answer(f.read(struct.unpack(">H", f.read(2))[0]))
        f.write(struct.pack(">H", len(a)) + a)
        f.flush()
threading.Thread(target=tcp, daemon=True).start()
print("ready", flush=True)
while True:
    q, a = u.recvfrom(4096)
    u.sendto(answer(q), a)
PY
    nsenter --net="$WAN" python3 "$HULL_DIR/upstream.py" >"$HULL_DIR/upstream.out" 2>&1 3>&- &
    echo $! >"$HULL_DIR/server.pid"
    wait_until 30 grep -q ready "$HULL_DIR/upstream.out"
    hull network create outer
    hull network create --internal closed
    hull run -d --name asks --network outer --dns 198.51.100.1 --dns-search lan.example --dns-option timeout:3 box sleep 1000
    run -0 hull exec asks cat /etc/resolv.conf
    [[ $output == *"nameserver 127.0.0.11"* && $output == *"search lan.example"* && $output == *"options timeout:3"* && $output != *198.51* ]]
    [ "$(dns asks www.example.org A udp)" = "0 192.0.2.77" ]
    [ "$(dns asks www.example.org A tcp)" = "0 192.0.2.77" ]
    # The first refuses; all do.
    hull run -d --name second --network outer --dns 198.51.100.2 --dns 198.51.100.1 box sleep 1000
    hull run -d --name nobody --network outer --dns 198.51.100.2 box sleep 1000
    for how in udp tcp; do
        [ "$(dns second www.example.org A $how)" = "0 192.0.2.77" ]
        [ "$(dns nobody www.example.org A $how)" = 2 ]
    done
    # Nobody is named: the machine's own, as they are when the question comes.
    echo nameserver 198.51.100.2 >"$HULL_DIR/resolv.conf"
    unshare --mount --propagation slave sh -ec 'mount --bind "$HULL_DIR/resolv.conf" /etc/resolv.conf; exec nsenter --net="$HULL_NET" "$@"' sh \
        "$HULL" run -d --name machines --network outer box sleep 1000
    [ "$(dns machines www.example.org A udp)" = 2 ]
    printf 'search x\nnameserver 198.51.100.2\nnameserver 198.51.100.1\n' >"$HULL_DIR/resolv.conf"
    for how in udp tcp; do [ "$(dns machines www.example.org A $how)" = "0 192.0.2.77" ]; done
    hull run -d --name shut --network closed --dns 198.51.100.1 box sleep 1000
    [ "$(dns shut www.example.org A udp)" = 2 ]
    [ "$(dns shut shut A tcp)" = "0 $(ip_of shut closed)" ]
    # 0.0.0.0:53 is free for the container's own.
    nsenter --net="/proc/$(hull inspect -f '{{.State.Pid}}' asks)/ns/net" python3 -c '
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("0.0.0.0", 53))'
}

@test "host-gateway is the network's gateway" {
    hull network create --subnet 10.89.10.0/24 hosts
    run -0 hull run --rm --network hosts --add-host up:host-gateway box cat /etc/hosts
    [[ $output == *"10.89.10.1"*up* ]]
}

# The sockets of a container's resolver.
resolver_sockets() {
    hull exec "$1" cat /proc/net/udp /proc/net/tcp | awk '$2 ~ /^0B00007F/ && $4 ~ /0[7A]/ {print $2, $10}'
}

@test "network connect and disconnect: while it runs and before it does; names follow" {
    need_cmd python3
    hull network create --subnet 10.89.11.0/24 left
    hull network create --subnet 10.89.12.0/24 right
    hull run -d --name moves --network left box sleep 1000
    hull run -d --name stays --network right box sleep 1000
    sockets=$(resolver_sockets moves; resolver_sockets stays)
    [ "$(wc -l <<<"$sockets")" = 4 ]
    hull network connect --ip 10.89.12.50 --alias mover right moves
    [ "$(dns stays mover A udp)" = "0 10.89.12.50" ]
    [ "$(dns stays moves.right A udp)" = "0 10.89.12.50" ]
    [ "$(dns moves moves.left A tcp)" = "0 $(ip_of moves left)" ]
    [ "$(dns moves moves A udp | wc -w)" = 3 ]
    [ "$(dns moves stays A udp)" = "0 10.89.12.2" ]
    run -0 hull exec moves sh -c 'ip -o -4 addr; ip route'
    [[ $output == *eth1*10.89.12.50* && $output == *"default via 10.89.11.1"* ]]
    run -0 hull exec moves ping -c 1 -W 20 stays
    refuses 1 'already connected' network connect right moves
    hull run -d --name third --network left box sleep 1000
    refuses 1 'in use' network connect --ip 10.89.12.50 right third
    run -0 hull exec third ip -o -4 addr
    [[ $output != *10.89.12* ]]
    hull rm -f third
    hull network disconnect left moves
    run -0 hull exec moves sh -c 'ip -o -4 addr; ip route'
    [[ $output != *10.89.11* && $output == *"default via 10.89.12.1"* ]]
    refuses 1 'not connected' network disconnect left moves
    run -0 hull network rm left
    # All that time by the same sockets: no question is lost to a change.
    [ "$(resolver_sockets moves; resolver_sockets stays)" = "$sockets" ]
    hull stop -t 0 moves
    hull start moves
    [ "$(ip_of moves right)" = 10.89.12.50 ]
    run -0 hull inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.Aliases}}{{end}}' moves
    [ "$output" = "right [mover]" ]
    hull create --name later --network none box ip -o -4 addr
    hull network connect right later
    run -0 hull start -a later
    [[ $output == *10.89.12.* ]]
    refuses 125 'host' network connect host later
    refuses 125 'link.*resolve' network connect --link a:b inner later
    refuses 1 'not found' network connect nowhere later
    refuses 1 'no such container' network connect right nobody
}

@test "rename: the new name resolves, the old one no longer, unless it is an alias; PTR and inspect say so" {
    need_cmd python3
    hull network create --subnet 10.89.14.0/24 called
    hull run -d --name asks --network called box sleep 1000
    hull run -d --name first --network called --ip 10.89.14.9 --network-alias other box sleep 1000
    hull rename first second
    [ "$(dns asks second A udp)" = "0 10.89.14.9" ]
    [ "$(dns asks other A udp)" = "0 10.89.14.9" ]
    [ "$(dns asks first A udp | cut -c1)" != 0 ]
    [ "$(dns asks 9.14.89.10.in-addr.arpa PTR udp)" = "0 second.called" ]
    run -0 hull inspect -f '{{.NetworkSettings.Networks.called.DNSNames}}' second
    [[ $output == "[second other "* ]]
    run -0 hull network inspect -f '{{range .Containers}}{{.Name}} {{end}}' called
    [[ $output == *second* && $output != *first* ]]
    hull rename second other
    hull rename other third
    [ "$(dns asks other A udp)" = "0 10.89.14.9" ]
}

@test "network connect of one on bridge, or on none: names resolve from then on; /etc/hosts follows, and keeps what is the container's" {
    need_cmd python3
    hull network create --subnet 10.89.13.0/24 -o com.docker.network.container_iface_prefix=lan met
    hull run -d --name friend --network met box sleep 1000
    for mode in bridge none; do
        hull run -d --name "at-$mode" --hostname "host-$mode" --network "$mode" box sleep 1000
        run -0 hull exec "at-$mode" cat /etc/resolv.conf
        [[ $output != *127.0.0.11* ]] || skip "the machine's own name servers are out of reach"
        hull exec "at-$mode" sh -c 'echo 192.0.2.1 mine >>/etc/hosts'
        hull network connect --ip 10.89.13.40 met "at-$mode"
        [ "$(dns "at-$mode" friend A udp)" = "0 $(ip_of friend met)" ]
        [ "$(dns "at-$mode" friend A tcp)" = "0 $(ip_of friend met)" ]
        [ "$(dns friend "at-$mode" A udp)" = "0 10.89.13.40" ]
        run -0 hull exec "at-$mode" grep nameserver /etc/resolv.conf
        [ "${lines[0]}" = "nameserver 127.0.0.11" ]
        [ "${#lines[@]}" = 1 ]
        run -0 hull exec "at-$mode" cat /etc/hosts
        [[ $output == *"10.89.13.40"*"host-$mode"* && $output == *"192.0.2.1 mine"* ]]
        run ! hull exec "at-$mode" grep -q "127.0.0.1.*host-$mode" /etc/hosts
        run -0 hull exec "at-$mode" ip -o -4 addr
        [[ $output == *" lan0 "* ]]
        run -0 hull exec "at-$mode" nslookup friend
        hull network disconnect met "at-$mode"
        run -0 hull exec "at-$mode" cat /etc/hosts
        [[ $output != *10.89.13* && $output == *"host-$mode"* && $output == *"192.0.2.1 mine"* ]]
        [ "$(dns "at-$mode" friend A udp | cut -c1)" != 0 ]
        hull rm -f "at-$mode"
    done
}
