#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# exec: one more process in a running container.
# machines: native native-v2 v2 v1 hybrid

load ../lib/oci
setup_file() {
    oci_setup
    start web
}
teardown_file() { oci_teardown; }

# A field of /proc/self/status of a process in the container. usage: proc_status FIELD EXEC-WORDS...
proc_status() {
    local field=$1
    shift
    oci exec "$@" cat /proc/self/status | awk -v f="$field:" '$1 == f { print $2 }'
}

@test "the process's output, input and exit status" {
    run -0 --separate-stderr oci exec web sh -c 'echo out; echo err >&2'
    [ "$output" = out ] && [ "$stderr" = err ]
    [ "$(echo hello | oci exec web cat)" = hello ]
    run -7 oci exec web sh -c 'exit 7'
    run -137 oci exec web sh -c 'kill -9 $$'
    run -0 oci exec web true
}

@test "it is inside: the container's namespaces, root, control groups, and no file of ours" {
    [ "$(oci exec web hostname)" = inside ]
    run -0 oci exec web sh -c 'for n in pid mnt net ipc uts cgroup; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done'
    [ -z "$output" ]
    run -0 oci exec web ls /proc/self/fd
    [ "${lines[*]}" = "0 1 2 3" ]
    oci exec web cat /proc/self/cgroup >its
    oci exec web cat /proc/1/cgroup >first
    [ -s its ]
    diff its first
}

@test "what the container's own process has is the default: environment, directory, user, no terminal" {
    start given '.process.user = {uid: 1000, gid: 7, additionalGids: [8, 9], umask: 63} | .process.cwd = "/tmp" | .process.env += ["A=1"] |
        .process.noNewPrivileges = true | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 64, hard: 64}]'
    run -0 oci exec given sh -c 'id; pwd; echo $A$X; umask; ulimit -n'
    [ "${lines[0]}" = "uid=1000(bob) gid=7 groups=8,9" ]
    [ "${lines[*]:1}" = "/tmp 1y 0077 64" ]
    [ "$(proc_status NoNewPrivs given)" = 1 ]
    [ "$(proc_status NoNewPrivs web)" = 0 ]
    [ "$(proc_status NoNewPrivs --no-new-privs web)" = 1 ]
}

@test "options: --user, --additional-gids, --cwd, --env" {
    [ "$(oci exec -u 1000 web id)" = "uid=1000(bob) gid=0" ]
    [ "$(oci exec -u 1000:5 -g 6 --additional-gids 7 web id)" = "uid=1000(bob) gid=5 groups=6,7" ]
    [ "$(oci exec --cwd /tmp web pwd)" = /tmp ]
    [ "$(oci exec -e A=1 -e X=2 -e A=3 -e E= web env | sort | tr '\n' ' ')" = "A=3 E= HOME=/root PATH=/bin X=2 " ]
    oci_refuses 255 'cwd.*absolute' exec --cwd etc web true
    oci_refuses 255 'No such file' exec --cwd /not/there web true
    oci_refuses 255 'NAME=VALUE' exec -e FOO web true
    oci_refuses 255 'NAME=VALUE' exec -e =x web true
}

@test "HOME is the user's in the container's passwd file, or /, or what the environment says" {
    [ "$(oci exec -u 1000 web sh -c 'echo $HOME')" = /home/bob ]
    [ "$(oci exec -u 77 web sh -c 'echo $HOME')" = / ]
    [ "$(oci exec -e HOME=/x web sh -c 'echo $HOME')" = /x ]
    [ "$(oci exec -e HOME= web sh -c 'echo $HOME')" = /root ]
    bundle home '.process.args = ["sh", "-c", "echo $HOME"]'
    [ "$(oci run -b "$OCI_DIR/home" home)" = /root ]
}

@test "HOME: a passwd file that blocks, leads out of the root or is huge does no harm" {
    bundle trap '.process.args = ["sh", "-c", "echo $HOME"]'
    cd "$OCI_DIR/trap"
    rm rootfs/etc/passwd
    [ "$(oci run trap1)" = / ]
    mkfifo rootfs/etc/passwd
    [ "$(oci run trap2)" = / ]
    rm rootfs/etc/passwd
    echo root:x:0:0::/outside:/bin/sh >outside
    ln -s "$PWD/outside" rootfs/etc/passwd
    [ "$(oci run trap3)" = / ]
    ln -sf /proc/self/fd/7 rootfs/etc/passwd
    [ "$(oci run trap4 7<outside)" = / ]
    rm rootfs/etc/passwd
    truncate -s 20G rootfs/etc/passwd
    [ "$(oci run trap5)" = / ]
}

@test "a user is a number and nothing else (CVE-2026-30892)" {
    for user in 1000: :5 ' 1' '1 ' -1 4294967295 4294967296 99999999999999999999 0x0 +5 bob 1000:1000:3 1000:-1 1000:x '' 1e3; do
        oci_refuses 255 'uid|gid' exec -u "$user" web id
    done
    for group in -1 4294967295 5,6 x ''; do
        oci_refuses 255 'gid' exec -g "$group" web id
    done
}

@test "capabilities: --cap adds to what the process may have; inheritable and ambient sets stay empty (CVE-2022-29162)" {
    [ "$(proc_status CapPrm web)" = 00000000000404eb ]
    run -0 oci exec --cap CAP_NET_RAW web cat /proc/self/status
    for line in CapInh:0000000000000000 CapPrm:00000000000424eb CapEff:00000000000424eb CapBnd:00000000000424eb CapAmb:0000000000000000; do
        grep -qx "${line%:*}:.${line#*:}" <<<"$output"
    done
    [ "$(proc_status CapEff -u 1000 web)" = 0000000000000000 ]
    oci_refuses 255 'cap' exec --cap CAP_BOGUS web true
}

@test "a whole process from a file: --process" {
    cat >p.json <<'E'
{"args": ["sh", "-c", "id; pwd; env | sort; exit 3"], "cwd": "/tmp", "env": ["PATH=/bin", "B=2"], "user": {"uid": 5, "gid": 6}}
E
    run -3 oci exec -p p.json web
    [ "${lines[*]}" = "uid=5 gid=6 /tmp B=2 HOME=/ PATH=/bin PWD=/tmp SHLVL=1" ]
    run -3 oci exec --process p.json web ignored words
    echo '{"args": ["cat", "/proc/self/status"], "cwd": "/", "env": ["PATH=/bin"]}' >caps.json
    oci exec -p caps.json web | grep -qx 'CapPrm:.00000000000404eb'
    oci_refuses 255 'No such file' exec -p nosuch.json web
    mkfifo fifo
    oci_refuses 255 'regular file' exec -p fifo web
    echo '{"args": ["true"], "cwd": 5}' >bad.json
    oci_refuses 255 'cwd: must be a string' exec -p bad.json web
    echo '{"args": [], "cwd": "/"}' >bad.json
    oci_refuses 255 'args' exec -p bad.json web
    echo '{"args": ["true"], "cwd": "relative"}' >bad.json
    oci_refuses 255 'cwd' exec -p bad.json web
    echo '{"args"' >bad.json
    oci_refuses 255 'bad.json' exec -p bad.json web
}

@test "a command that cannot be executed: 127 when it is not there, 126 when it may not be, 255 for all else" {
    oci_refuses 127 '"nosuch": executable file not found' exec web nosuch
    oci_refuses 127 '/nosuch.*No such file' exec web /nosuch
    oci_refuses 126 'passwd.*permission denied' exec web /etc/passwd
    oci_refuses 126 'is a directory' exec web /etc
    oci_refuses 255 'does not exist' exec nosuch true
    oci_refuses 255 'needs a command' exec web
    oci_refuses 1 'unknown option' exec --bogus web true
}

@test "in the background (--detach): the process runs on; --pid-file and --pidfd-socket name it" {
    python3 - "$OCI" "$OCI_ROOT" <<'E'
import os, socket, subprocess, sys
oci, root = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind("pidfd.sock")
s.listen()
s.settimeout(30)
subprocess.run([oci, "--root", root, "exec", "-d", "--pid-file", "pid", "--pidfd-socket", "pidfd.sock", "web", "sleep", "77"],
               check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
peer, _ = s.accept()
word, fds, _, _ = socket.recv_fds(peer, 100, 4)
pid = int(open("pid").read())
with open(f"/proc/self/fdinfo/{fds[0]}") as f:
    assert f"Pid:\t{pid}\n" in f.read()
assert open(f"/proc/{pid}/cmdline").read() == "sleep\0" + "77\0"
assert open(f"/proc/{pid}/cgroup").read()
E
    kill "$(cat pid)"
    oci_refuses 255 'pid-file' exec -d --pid-file /not/there/pid web sleep 78
    run ! pgrep -fx 'sleep 78'
}

@test "a terminal: --console-socket gets the terminal; without --detach it is ours" {
    python3 - "$OCI" "$OCI_ROOT" <<'E'
import array, os, pty, select, socket, subprocess, sys, termios, fcntl, struct
oci, root = sys.argv[1:]
run = [oci, "--root", root, "exec"]
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind("console.sock")
s.listen()
s.settimeout(30)
subprocess.run(run + ["-d", "-t", "--console-socket", "console.sock", "--pid-file", "tty-pid", "web", "sh", "-c", "tty; read a; echo got $a; sleep 78"],
               check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
peer, _ = s.accept()
name, fds, _, _ = socket.recv_fds(peer, 100, 4)
assert name.startswith(b"/dev/pts/"), name
def until(fd, what):
    seen = b""
    while what not in seen:
        assert select.select([fd], [], [], 30)[0], seen
        try:
            more = os.read(fd, 1000)
        except OSError:
            more = b""
        assert more, seen
        seen += more
    return seen
until(fds[0], name)
os.write(fds[0], b"word\n")
until(fds[0], b"got word")
# In the foreground: the size is ours, input is echoed by its line discipline alone, the status comes back.
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 99, 0, 0))
    os.execv(oci, run + ["-t", "web", "sh", "-c", "stty size; read a; echo got $a; exit 5"])
until(master, b"31 99")
os.write(master, b"word\n")
assert until(master, b"got word").count(b"word") == 2
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 5, status
E
    oci_refuses 255 'console-socket' exec -d -t web true
    oci_refuses 255 'terminal' exec --console-socket console.sock web true
    oci_refuses 255 'not.there' exec -t --console-socket not.there web true
}

@test "a signal for the runtime in the foreground is one for the process" {
    mkfifo ready
    "$OCI" --root "$OCI_ROOT" exec web sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done' >ready &
    exec 5<ready
    read -r -t 30 word <&5
    [ "$word" = ready ]
    kill -TERM $!
    read -r -t 30 word <&5
    [ "$word" = "got it" ]
    exec 5<&-
    status=0
    wait $! || status=$?
    [ "$status" = 9 ]
}

@test "files: --preserve-fds, only so many" {
    echo text >file
    [ "$(oci exec --preserve-fds 1 web cat /proc/self/fd/3 3<file 4<file)" = text ]
    run -0 oci exec --preserve-fds 1 web ls /proc/self/fd 3<file 4<file 5<file
    [ "${lines[*]}" = "0 1 2 3 4" ]
    oci_refuses 255 'descriptor' exec --preserve-fds 900 web true
}

@test "groups: --cgroup, an existing group below the container's, never out of it" {
    need_controller memory
    dir=$(cgroup_dir memory "$OCI_GROUP/web")
    name=memory:
    [ ! -e "$dir/cgroup.controllers" ] || name=
    mkdir "$dir/sub"
    [ "$(oci exec --cgroup "${name}sub" web cat /proc/self/cgroup | grep -c "$OCI_GROUP\|/sub\$")" -ge 1 ]
    oci exec --cgroup "${name}sub" web cat /proc/self/cgroup | grep -qE ':/sub$'
    oci exec --cgroup sub web cat /proc/self/cgroup | grep -qE ':/sub$'
    oci exec --cgroup / web cat /proc/self/cgroup >group
    run ! grep -qE ':/sub$' group
    for out in .. ../web sub/../.. /../web ../../; do
        oci_refuses 255 'not a sub cgroup path' exec --cgroup "$out" web true
    done
    oci_refuses 255 'no such group' exec --cgroup nosuch web true
    oci_refuses 255 'unknown controller' exec --cgroup bogus:sub web true
    [ -z "$name" ] || oci_refuses 255 'more than one' exec --cgroup memory:sub --cgroup memory:/ web true
    rmdir "$dir/sub"
}

@test "a group that takes no processes any more: beside the container's first process" {
    need_controller memory
    dir=$(cgroup_dir memory "$OCI_GROUP/web")
    grep -qw memory "$dir/cgroup.controllers" 2>/dev/null || skip "needs the memory controller in a v2 tree"
    mkdir "$dir/init"
    for pid in $(cat "$dir/cgroup.procs"); do echo "$pid" >"$dir/init/cgroup.procs"; done
    echo +memory >"$dir/cgroup.subtree_control"
    oci exec web cat /proc/self/cgroup | grep -qx '0::/init'
    echo -memory >"$dir/cgroup.subtree_control"
    for pid in $(cat "$dir/init/cgroup.procs"); do echo "$pid" >"$dir/cgroup.procs"; done
    rmdir "$dir/init"
}

@test "a container that is stopped or not there; one that is only created" {
    start short '.process.args = ["true"]'
    wait_until 30 oci_is short stopped
    oci_refuses 255 'stopped.*not running' exec short true
    bundle made
    oci create -b "$OCI_DIR/made" made </dev/null >/dev/null
    [ "$(oci exec made hostname)" = inside ]
    [ "$(oci_status made)" = created ]
}

@test "the working directory must not lead out of the root (CVE-2024-21626)" {
    mkdir -p outside
    exec 9<outside
    for n in 3 4 5 6 7 8 9 10; do
        oci_refuses 255 'working directory' exec --cwd /proc/self/fd/$n web ls
        oci_refuses 255 'working directory' exec --preserve-fds 7 --cwd /proc/self/fd/$n web ls 3<. 4<. 5<. 6<. 7<. 8<.
    done
    exec 9<&-
}
