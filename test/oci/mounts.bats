#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mounts add and remove: mounts of a running container.
# machines: native v2 v1 hybrid

load ../lib/oci
setup_file() {
    oci_setup
    start web
    mkdir -p "$OCI_DIR/work/source/below"
    echo content >"$OCI_DIR/work/source/file"
}
teardown_file() { oci_teardown; }

# A list of mounts in a file. usage: list JQ
list() {
    jq -n --arg dir "$PWD" "$1" >list.json
}

mounted() {
    oci exec "${2:-web}" cat /proc/self/mountinfo | awk -v at="$1" '$5 == at { n++ } END { exit n != '"${3:-1}"' }'
}

@test "a directory, a file, a new file system: there with their flags, and gone again" {
    list '[{destination: "/a", type: "bind", source: ($dir + "/source"), options: ["rbind", "ro"]},
        {destination: "/made/here", type: "tmpfs", source: "tmpfs", options: ["size=64k", "mode=700", "nosuid"]},
        {destination: "/file", source: ($dir + "/source/file"), options: ["bind"]}]'
    oci mounts add web list.json
    [ "$(oci exec web cat /a/file /file | tr '\n' ' ')" = "content content " ]
    run -1 oci exec web touch /a/x
    [[ $output == *"Read-only"* ]]
    [ "$(oci exec web stat -c %a /made/here)" = 700 ]
    oci exec web sh -c 'echo x >/made/here/x; grep " /made/here " /proc/mounts' | grep -q 'nosuid.*size=64k'
    oci mounts remove web list.json
    for at in /a /made/here /file; do mounted $at web 0; done
    [ "$(oci exec web ls /a | wc -l)" = 0 ]
    [ -e source/file ]
    oci_refuses 1 '/file: nothing is mounted' mounts remove web list.json
    # Nothing of it is among the host's mounts.
    run ! grep -F "$OCI_DIR/web" /proc/self/mountinfo
}

@test "an object with the list; one over another; all or none" {
    list '{mounts: [{destination: "/b", type: "tmpfs", source: "one"}, {destination: "/b/c", type: "tmpfs", source: "two"}]}'
    oci mounts add web list.json
    mounted /b/c
    oci mounts remove web list.json
    mounted /b web 0
    list '[{destination: "/d", type: "tmpfs", source: "t"}, {destination: "/e", type: "nosuchfs", source: "t"}]'
    oci_refuses 1 'mount /e: .*nosuchfs' mounts add web list.json
    mounted /d web 0
    list '[{destination: "/d", type: "tmpfs", source: "t"}, {destination: "/e", source: "/not/there", options: ["bind"]}]'
    oci_refuses 1 'mount /e: .*/not/there' mounts add web list.json
    mounted /d web 0
    list '[]'
    oci mounts add web list.json
}

@test "a place never leads out of the root, nor into /proc" {
    mkdir -p canary
    ln -s "$PWD/canary" "$OCI_DIR/web/rootfs/link"
    list '[{destination: "/link", type: "tmpfs", source: "t"}]'
    oci mounts add web list.json
    run ! grep -F "$PWD/canary" /proc/self/mountinfo
    oci exec web grep -qF " $PWD/canary " /proc/mounts
    oci mounts remove web list.json
    for at in / /proc /proc/1 /proc/sys; do
        list "[{destination: \"$at\", type: \"tmpfs\", source: \"t\"}]"
        oci_refuses 1 "$at" mounts add web list.json
    done
    list '[{destination: "/../../..", type: "tmpfs", source: "t"}]'
    oci_refuses 1 'nothing is mounted' mounts remove web list.json
    oci exec web true
}

@test "in a container with a user namespace: the mounts are its own" {
    need_root
    start users '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
        .linux.gidMappings = .linux.uidMappings | del(.mounts[] | select(.destination == "/sys/fs/cgroup"))'
    chmod 755 source
    list '[{destination: "/tmp", type: "tmpfs", source: "t"}, {destination: "/dev/shm/host", source: ($dir + "/source"), options: ["bind"]}]'
    oci mounts add users list.json
    [ "$(oci exec users sh -c 'echo x >/tmp/x; stat -c %u /tmp /tmp/x; cat /dev/shm/host/file' | tr '\n' ' ')" = "0 0 content " ]
    oci mounts remove users list.json
    mounted /tmp users 0
}

@test "what is refused: a container that does not run, files that are no list" {
    bundle short '.process.args = ["true"]'
    oci run --keep -b "$OCI_DIR/short" short
    list '[]'
    oci_refuses 1 'not running' mounts add short list.json
    oci_refuses 1 'does not exist' mounts add nosuch list.json
    oci_refuses 1 'unknown command' mounts change web list.json
    oci_refuses 1 'exactly 3 arguments' mounts add web
    oci_refuses 1 'No such file' mounts add web nosuch.json
    for text in '{}' '"x"' '[5]' '[{"source": "x"}]' '[{"destination": 7}]' '['; do
        echo "$text" >bad.json
        oci_refuses 1 'bad.json' mounts add web bad.json
    done
}

@test "a created container, and one that is paused" {
    bundle made
    oci create -b "$OCI_DIR/made" made </dev/null >/dev/null
    list '[{destination: "/f", type: "tmpfs", source: "t"}]'
    oci mounts add made list.json
    oci start made
    mounted /f made
    oci pause made
    oci mounts remove made list.json
    oci resume made
    mounted /f made 0
}
