#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# diff: what a container changed, added and deleted, running and ended.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    [ "$(hull info -f '{{.Driver}}')" != copy ] || skip "roots are copies here"
}
teardown_file() { hull_teardown; }

@test "nothing was done: nothing is shown" {
    hull run --name idle box true
    run -0 hull diff idle
    [ -z "$output" ]
    run -0 hull diff --format json idle
    [ "$output" = "{}" ]
}

@test "added, changed, deleted; directories before what is in them" {
    hull run --name busy box sh -c 'mkdir -p /new/deep && echo x >/new/deep/file && rm /bin/ls && chmod 700 /bin/cat && echo more >>/etc/passwd && ln -s nowhere /new/link'
    run -0 hull diff busy
    [ "$output" = "C /bin
C /bin/cat
D /bin/ls
C /etc
C /etc/passwd
A /new
A /new/deep
A /new/deep/file
A /new/link" ]
    run -0 hull diff --format json busy
    python3 -c 'import json,sys; d=json.loads(sys.argv[1]); assert d == {"changed": ["/bin", "/bin/cat", "/etc", "/etc/passwd"],
        "added": ["/new", "/new/deep", "/new/deep/file", "/new/link"], "deleted": ["/bin/ls"]}, d' "$output"
    refuses 125 'invalid --format.*json is known' diff --format '{{.}}' busy
}

@test "while it runs; a directory that was made anew hides what was in it" {
    hull run -d --name live box sh -c 'rm -r /usr && mkdir /usr && echo y >/usr/own && sleep 1000'
    wait_until 30 hull exec live cat /usr/own
    run -0 hull diff live
    [[ $'\n'$output == *$'\n'"C /usr"* && $output == *"A /usr/own"* && $output == *"D /usr/share"* ]]
    hull rm -f live
}

@test "bad input" {
    refuses 1 'no such container: nobody' diff nobody
    mkdir -p dir/bin
    cp "$(command -v busybox)" dir/bin/busybox
    hull create --name host --rootfs dir /bin/busybox true
    refuses 1 'nothing to compare' diff host
}
