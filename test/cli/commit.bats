#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# commit: what a container changed becomes a layer, what it is run with a configuration.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "added, changed and deleted files; owners, modes, links, holes" {
    hull run --name work box sh -c 'mkdir /new && echo one >/new/a && ln /new/a /new/b && ln -s a /new/c && chown 7:8 /new/a && chmod 4711 /new/a &&
        rm /bin/ls && echo more >>/etc/passwd && dd if=/dev/zero of=/new/hole bs=1 count=1 seek=1M 2>/dev/null'
    id=$(hull commit work work:1)
    [[ $id == sha256:* ]]
    run -0 hull run --rm --network none work:1 sh -c 'stat -c "%u:%g %a %h %s" /new/a; cat /new/b; readlink /new/c; stat -c %s /new/hole; test -e /bin/ls || echo gone; tail -n 1 /etc/passwd'
    [ "$output" = "7:8 4711 2 4
one
a
1048577
gone
more" ]
    [ "$(hull inspect --type image -f '{{len .RootFS.Layers}}' work:1)" = $(($(hull inspect --type image -f '{{len .RootFS.Layers}}' box) + 1)) ]
}

@test "its configuration is the container's, with what was said last" {
    hull create --name said -e A=1 -w /tmp -u 5 -l mine=yes --entrypoint echo box hello
    hull commit -a 'Ada <ada@example.org>' -m 'as it was' -c 'ENV B=2' -c 'LABEL other=no' -c 'CMD ["there"]' said said:1
    run -0 hull inspect --type image -f '{{.Author}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.Entrypoint}} {{.Config.Cmd}} {{index .Config.Labels "mine"}} {{index .Config.Labels "other"}}' said:1
    [ "$output" = 'Ada <ada@example.org> 5 /tmp [echo] [there] yes no' ]
    run -0 hull run --rm said:1
    [ "$output" = there ]
    run -0 hull run --rm --entrypoint /bin/sh said:1 -c 'echo $A $B'
    [ "$output" = "1 2" ]
    run -0 hull history --format '{{.Comment}}' said:1
    [ "${lines[0]}" = 'as it was' ]
}

@test "while it runs it is paused, and goes on" {
    hull run -d --name live box sh -c 'echo now >/there; sleep 1000'
    wait_until 30 hull exec live cat /there
    hull commit live live:1
    status_is live running
    hull exec live true
    run -0 hull run --rm live:1 cat /there
    [ "$output" = now ]
    hull commit --pause=false live
    hull pause live || skip "no freezer here"
    hull commit live live:2
    status_is live paused
    hull rm -f live
}

@test "killed in the middle: the container goes on, and nothing half made is left" {
    hull run -d --name cut box sh -c 'dd if=/dev/zero of=/big bs=1M count=200 2>/dev/null; echo done >/ready; sleep 1000'
    wait_until 60 hull exec cut cat /ready
    hull pause cut && hull unpause cut || skip "no freezer here"
    "$HULL" commit cut cut:1 >/dev/null &
    pid=$!
    wait_until 5 status_is cut paused || skip "it was through before it could be killed"
    kill -9 $pid
    wait $pid 2>/dev/null || true
    wait_until 30 status_is cut running
    hull exec cut true
    hull commit cut cut:2
    run ls "$HULL_ROOT/layers"
    [[ $output != *tmp-* ]]
    hull rm -f cut
}

@test "killed with all that it started: the monitor lets the container go on, and nobody else's pause ends" {
    hull run -d --name whole box sh -c 'dd if=/dev/zero of=/big bs=1M count=200 2>/dev/null; echo done >/ready; sleep 1000'
    wait_until 60 hull exec whole cat /ready
    hull pause whole && hull unpause whole || skip "no freezer here"
    setsid "$HULL" commit whole whole:1 >/dev/null 3>&- &
    pid=$!
    wait_until 5 status_is whole paused || skip "it was through before it could be killed"
    kill -9 -- "-$pid"
    wait $pid 2>/dev/null || true
    wait_until 30 status_is whole running
    hull exec whole true
    hull commit whole whole:2
    hull pause whole
    # The monitor has heard of the end of that commit by the time it answers another.
    run -1 hull exec whole true
    status_is whole paused
    hull rm -f whole
}

@test "an image of an image of a container; without a name" {
    hull run --name one box sh -c 'echo 1 >/one'
    hull commit one step:1
    hull run --name two step:1 sh -c 'echo 2 >/two; rm /one'
    id=$(hull commit two)
    run -0 hull run --rm "$id" sh -c 'ls /one /two 2>/dev/null; cat /two'
    [ "$output" = "/two
2" ]
    hull rmi -f "$id"
}

@test "volumes are not in it" {
    hull run --name data -v /data box sh -c 'echo x >/data/file'
    hull commit data data:1
    run -0 hull run --rm data:1 ls /data
    [ -z "$output" ]
    hull rm -v data
}

@test "bad input" {
    refuses 1 'no such container: nobody' commit nobody
    hull create --name bad box true
    refuses 125 'invalid' commit bad 'Not a name'
    refuses 125 'RUN' commit -c 'RUN true' bad
    refuses 125 'digest' commit bad box@sha256:0000000000000000000000000000000000000000000000000000000000000000
    mkdir -p dir/bin
    cp "$(command -v busybox)" dir/bin/busybox
    hull create --name host --rootfs dir /bin/busybox true
    refuses 1 'export it' commit host
}

@test "commit --iidfile, -q: the id in a file" {
    hull run --name to-file box true
    run -0 hull commit -q --iidfile written.id to-file
    [[ $output == sha256:* && $output = "$(cat written.id)" ]]
    refuses 1 'iidfile' commit --iidfile nodir/written.id to-file
    hull rmi "$(cat written.id)"
    hull rm to-file
}
