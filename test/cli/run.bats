#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# run and create: what reaches the process (arguments, environment, directory, names, streams).
# machines: native v2 v2:tester

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "run: stdout, stderr and the status are the command's own" {
    run --separate-stderr -7 hull run --rm box sh -c 'echo out; echo err >&2; exit 7'
    [ "$output" = out ]
    [ "$stderr" = err ]
}

@test "run: the arguments arrive as they are" {
    run -0 hull run --rm box printf '[%s]' 'a b' '' "it's" '$HOME' '*' 'ü'
    [ "$output" = "[a b][][it's][\$HOME][*][ü]" ]
}

@test "run: options after the image belong to the command" {
    run -0 hull run --rm box echo -e --rm -it
    [ "$output" = "--rm -it" ]
}

@test "run: the image's command, its environment" {
    run -0 hull run --rm -i box <<<'echo "$0 $PATH"'
    [ "$output" = "sh /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
}

@test "run -i: stdin arrives whole and ends" {
    head -c 3000000 /dev/urandom >in
    run -0 hull run --rm -i box sha256sum <in
    [ "${output%% *}" = "$(sha256sum <in | cut -d ' ' -f 1)" ]
}

@test "run: without -i stdin is empty" {
    run -0 hull run --rm box wc -c <<<'not for you'
    [ "$output" = 0 ]
}

@test "run: a big output arrives whole through a pipe" {
    run -0 sh -c '"$HULL" run --rm box sh -c "yes abcdefghi | head -n 1000000" | sha256sum'
    [ "${output%% *}" = "$(yes abcdefghi | head -n 1000000 | sha256sum | cut -d ' ' -f 1)" ]
}

@test "run: a reader that goes away does not hang it" {
    run timeout 20 sh -c '"$HULL" run --rm box yes | head -n 1'
    [ "$output" = y ]
}

@test "run -e, --env-file: set, taken from the host, last one counts" {
    printf '# comment\nFROM_FILE=f 1\nOVER=file\nHOSTVAR\n' >env.list
    HOSTVAR=h run -0 hull run --rm --env-file env.list -e OVER=option -e HOSTVAR -e NOT_SET_HERE -e EMPTY= box env
    [[ $output == *"FROM_FILE=f 1"* ]]
    [[ $output == *"OVER=option"* ]]
    [[ $output == *"HOSTVAR=h"* ]]
    [[ $output == *"EMPTY="* ]]
    [[ $output != *NOT_SET_HERE* ]]
    [[ $output == *"HOME=/root"* ]]
    [[ $output == *"HOSTNAME="* ]]
    [ "$(grep -c '^OVER=' <<<"$output")" = 1 ]
}

@test "run: nothing of the host's environment leaks" {
    SECRET_OF_HOST=x run -0 hull run --rm box env
    [[ $output != *SECRET_OF_HOST* ]]
    [[ $output != *HULL_* ]]
}

@test "run: no file descriptor but the three" {
    exec 7</dev/null
    run -0 hull run --rm box sh -c 'ls /proc/self/fd | tr "\n" " "'
    exec 7<&-
    [[ $output == "0 1 2 3 " || $output == "0 1 2 " ]]
}

@test "run -w: working directory, made when it is not there" {
    run -0 hull run --rm -w /tmp box pwd
    [ "$output" = /tmp ]
    run -0 hull run --rm -w /not/there box pwd
    [ "$output" = /not/there ]
    refuses 125 'relative|absolute' run --rm -w not/absolute box pwd
}

@test "run --entrypoint: replaces the image's, and drops its command" {
    run -0 hull run --rm --entrypoint echo box a b
    [ "$output" = "a b" ]
    run -0 hull run --rm --entrypoint /bin/pwd -w /tmp box
    [ "$output" = /tmp ]
}

@test "run --hostname, --domainname, and files of the network" {
    run -0 hull run --rm --hostname h1 --domainname example.org box sh -c 'hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname'
    [ "${lines[0]}" = h1 ]
    [ "${lines[1]}" = example.org ]
    [ "${lines[2]}" = h1 ]
}

@test "run: the host name is the short id" {
    run -0 hull run --rm --cidfile cid1 box hostname
    [ "$output" = "$(head -c 12 cid1)" ]
}

@test "run --add-host, --dns: in /etc/hosts and /etc/resolv.conf" {
    run -0 hull run --rm --add-host db:10.1.2.3 --dns 192.0.2.1 --dns-search lan.example box cat /etc/hosts /etc/resolv.conf
    [[ $output == *10.1.2.3*db* ]]
    [[ $output == *"nameserver 192.0.2.1"* ]]
    [[ $output == *"search lan.example"* ]]
    [[ $output == *127.0.0.1*localhost* ]]
}

@test "run --name: is the name, and is free again after --rm" {
    run -0 hull run --rm --name once box true
    run -0 hull run --rm --name once box true
}

@test "run: a name in use is refused, and the first container stays" {
    hull create --name taken box true
    refuses 125 'taken' run --rm --name taken box true
    run -0 hull inspect -f '{{.Name}}' taken
    [ "$output" = /taken ]
}

@test "run: without --name a name is made up" {
    id=$(hull create box true)
    run -0 hull inspect -f '{{.Name}}' "$id"
    [[ $output =~ ^/[a-z]+_[a-z]+[0-9]*$ ]]
}

@test "run --cidfile: holds the id, and is never overwritten" {
    hull run --rm --cidfile cid2 box true
    [[ $(cat cid2) =~ ^[0-9a-f]{64}$ ]]
    refuses 125 'cid2' run --rm --cidfile cid2 box true
}

@test "run -d: prints the full id and returns at once" {
    run -0 hull run -d --name bg box sleep 60
    [[ $output =~ ^[0-9a-f]{64}$ ]]
    status_is bg running
    hull rm -f bg
}

@test "run --rm: nothing is left" {
    run -0 hull run --rm --name gone box true
    refute_container gone
    run -0 hull run -d --rm --name gone2 box sleep 0.1
    wait_until 10 refute_container gone2
}

@test "run -l, --label-file, --annotation: kept with the container" {
    printf 'file.label=1\n' >labels
    hull create --name labelled -l a=b -l empty --label-file labels --annotation note=x box true
    run -0 hull inspect -f '{{index .Config.Labels "a"}},{{index .Config.Labels "file.label"}},{{index .Config.Labels "empty"}}.' labelled
    [ "$output" = "b,1,." ]
    run -0 hull ps -a --filter label=a=b --format '{{.Names}}'
    [ "$output" = labelled ]
}

@test "run --init: pid 1 reaps orphans and passes signals on" {
    hull run -d --init --name withinit box sh -c 'trap "exit 9" TERM; (sleep 0.1 &) ; while :; do sleep 0.1; done'
    # The shell's own children are the shell's to wait for.
    sleep 0.5
    wait_until 30 sh -c '[ "$("$HULL" exec withinit sh -c "cat /proc/[0-9]*/stat | grep -c \" Z 1 \"; true")" = 0 ]'
    run -0 hull exec withinit cat /proc/1/cmdline
    [[ $output != sh* ]]
    hull stop -t 5 withinit
    run -0 hull inspect -f '{{.State.ExitCode}}' withinit
    [ "$output" = 9 ]
}

@test "the caller's umask has no say in a container, and the store is closed without it" {
    (
        umask 077
        hull run --rm -u 1000 -v umask-vol:/data -v "$PWD/umask-made:/made" -w /new/in box stat -c %a /data /made /new /new/in
    ) >modes
    run -0 cat modes
    [ "${lines[*]}" = "755 755 755 755" ]
    mkdir -p open/root
    (
        umask 0
        HULL_ROOT=$PWD/open/root HULL_RUN_ROOT=$PWD/open/run hull run --rm -v v1:/data box true
    )
    run -0 find open -perm /022 -not -type l -not -path '*/tree/*'
    [ "$output" = "" ]
    # A directory that was there may be open; what hull makes in it is not.
    for dir in containers images layers blobs names volumes; do
        [ "$(stat -c %a "open/root/$dir")" = 700 ] || { stat -c '%a %n' "open/root/$dir"; false; }
    done
    rm -r open
    hull volume rm umask-vol
}

@test "run --umask" {
    run -0 hull run --rm --umask 0077 box sh -c 'umask; touch /tmp/f; stat -c %a /tmp/f'
    [ "${lines[0]}" = 0077 ]
    [ "${lines[1]}" = 600 ]
}

@test "run --ulimit, --oom-score-adj, --sysctl, --shm-size" {
    run -0 hull run --rm --ulimit nofile=123:456 --ulimit core=0 box sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'
    [ "${lines[*]}" = "123 456 0" ]
    run -0 hull run --rm --oom-score-adj 321 box cat /proc/self/oom_score_adj
    [ "$output" = 321 ]
    run -0 hull run --rm --sysctl kernel.shmmni=99 --sysctl net.ipv4.ip_default_ttl=65 box cat /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_default_ttl
    [ "${lines[*]}" = "99 65" ]
    run -0 hull run --rm --shm-size 3M box sh -c "df -k /dev/shm | tail -n 1"
    [[ $output == *" 3072 "* ]]
}

@test "run --sysctl: one that is not the container's own is refused" {
    refuses 125 'kernel.panic' run --rm --sysctl kernel.panic=1 box true
}

@test "run --stop-signal: is what stop sends" {
    hull run -d --name usr1 --stop-signal USR1 box sh -c 'trap "exit 11" USR1; while :; do sleep 0.05; done'
    sleep 0.3
    hull stop -t 10 usr1
    run -0 hull inspect -f '{{.State.ExitCode}}' usr1
    [ "$output" = 11 ]
}

@test "run -a stdout: only what was attached is seen" {
    run --separate-stderr -0 hull run --rm -a stdout box sh -c 'echo out; echo err >&2'
    [ "$output" = out ]
    [ "$stderr" = "" ]
}

@test "run: SIGTERM to hull reaches the process (--sig-proxy)" {
    "$HULL" run --name proxied box sh -c 'trap "echo got; exit 12" TERM; echo ready; while :; do sleep 0.05; done' >out 2>&1 3>&- &
    pid=$!
    wait_until 10 grep -q ready out
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [ $status = 12 ]
    grep -q got out
}

@test "run --rootfs: a directory as it is" {
    need_root
    mkdir -p tree/bin tree/proc tree/dev tree/sys tree/etc
    cp /bin/busybox tree/bin/sh
    run -0 hull run --rm --rootfs "$PWD/tree" /bin/sh -c 'echo $0 from a directory'
    [[ $output == *"from a directory" ]]
}

@test "run --pull: never, missing, always" {
    run -0 hull run --rm --pull never box true
    run -0 hull run --rm --pull missing box true
    refuses 125 'not-here' run --rm --pull never not-here true
    refuses 125 'pull' run --rm --pull sometimes box true
}

@test "run -p: without a network that could have the port it is refused in one line" {
    refuses 125 '-p.*network' run --rm -p 8080:80 box true
    refuses 125 '-p.*container:' run --rm --network container:other -p 8080:80 box true
}

@test "create, start -a, start -i" {
    hull create --name made box sh -c 'echo made; exit 3'
    status_is made created
    run -3 hull start -a made
    [ "$output" = made ]
    hull create -i --name reads box sh -c 'read x; echo "<$x>"'
    run -0 hull start -a -i reads <<<'line'
    [ "$output" = "<line>" ]
}

@test "run: twenty at once" {
    for i in $(seq 20); do
        hull run --rm --name "par$i" box sh -c "echo $i; exit $i" >"par.$i" 2>&1 3>&- &
        pids[i]=$!
    done
    for i in $(seq 20); do
        status=0
        wait "${pids[i]}" || status=$?
        [ $status = "$i" ] || { cat "par.$i"; false; }
        [ "$(cat "par.$i")" = "$i" ]
    done
    run -0 hull ps -aq --filter name=par
    [ "$output" = "" ]
}

@test "run --user-group: the image's user in another group; of --user, which is docker's, root" {
    run -0 hull run --rm --user-group 50 box id
    [[ $output == "uid=0(root) gid=50"* ]]
    hull create --name grouped box true
    hull commit -c 'USER 71:72' grouped grouped
    run -0 hull run --rm --user-group 50 grouped sh -c 'echo $(id -u) $(id -g)'
    [ "$output" = "71 50" ]
    run -0 hull run --rm -u :50 grouped sh -c 'echo $(id -u) $(id -g)'
    [ "$output" = "0 50" ]
    refuses 125 'USER' run --rm -u ::50 box true
    hull rm grouped
    hull rmi grouped
}

@test "exec --preserve-fds: files of ours from 3 on, and no others" {
    hull run -d --name given box sleep 1000
    echo three >three
    echo four >four
    run -0 hull exec --preserve-fds 2 given sh -c 'cat <&3; cat <&4; ls /proc/self/fd | wc -w' 3<three 4<four
    [ "$(xargs <<<"$output")" = "three four 6" ] || { echo "$output"; return 1; }
    run hull exec given sh -c 'cat <&3' 3<three
    [ "$status" -ne 0 ]
    attempt exec --preserve-fds 9 given true
    [[ $status -eq 125 && $stderr == *"file descriptor "*" is not open"* ]]
    refuses 125 'invalid --preserve-fds' exec --preserve-fds -1 given true
    hull rm -f given
}
