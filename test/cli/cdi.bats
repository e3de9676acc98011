#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices by name (CDI), for run and for build.
# machines: native v2

load ../lib/hull

setup_file() {
    hull_setup
    mkdir "$HULL_DIR/cdi" "$HULL_DIR/cdi.run" "$HULL_DIR/lent"
    echo lent >"$HULL_DIR/lent/f"
    printf '{"cdi-spec-dirs": ["%s/cdi", "%s/cdi.run"]}' "$HULL_DIR" "$HULL_DIR" >"$HULL_DIR/settings.json"
    export HULL_CONFIG=$HULL_DIR/settings.json
    cat >"$HULL_DIR/cdi/example.json" <<JSON
{"cdiVersion": "0.6.0", "kind": "example.org/part",
 "containerEdits": {"env": ["ALL=1"], "additionalGids": [4242]},
 "devices": [
  {"name": "null", "containerEdits": {"env": ["NULL=old", "PATH=/elsewhere:/bin"], "deviceNodes": [{"path": "/dev/nothing", "hostPath": "/dev/null", "permissions": "rw"}]}},
  {"name": "dir", "containerEdits": {"env": ["DIR=1"], "mounts": [{"hostPath": "$HULL_DIR/lent", "containerPath": "/lent", "options": ["ro", "nosuid"]}],
   "hooks": [{"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", "cat >$HULL_DIR/hooked"]}]}},
  {"name": "gone", "containerEdits": {"deviceNodes": [{"path": "/dev/there-is-none"}]}},
  {"name": "net", "containerEdits": {"netDevices": [{"hostInterfaceName": "x", "name": "y"}]}}]}
JSON
    cat >"$HULL_DIR/cdi.run/later.json" <<JSON
{"cdiVersion": "0.6.0", "kind": "example.org/part",
 "devices": [{"name": "null", "containerEdits": {"env": ["NULL=new"], "deviceNodes": [{"path": "/dev/nothing", "type": "c", "major": 1, "minor": 3, "fileMode": 384}]}}]}
JSON
    cat >"$HULL_DIR/cdi/more.yaml" <<'YAML'
cdiVersion: 0.6.0
kind: example.org/more
devices:
- name: "0"
  containerEdits:
    env: [MORE=yes]
    deviceNodes:
    - {path: /dev/nothing, type: c, major: 1, minor: 3, fileMode: 0640}
YAML
    printf -- '---\nkind: example.org/two\n---\nkind: example.org/three\n' >"$HULL_DIR/cdi/two.yml"
}
teardown_file() { hull_teardown; }

@test "cdi: run --device: nodes, environment, mounts, hooks, groups; the last directory counts" {
    run -0 hull run --rm --device example.org/part=null --device example.org/part=dir box \
        sh -c 'echo "$ALL $NULL $DIR"; stat -c "%a %t:%T" /dev/nothing; echo x >/dev/nothing; cat /lent/f; ! touch /lent/g 2>/dev/null; id -G'
    [[ $output == *$'new 1\n600 1:3\nlent\n'*4242* ]]
    grep -q '"status"' "$HULL_DIR/hooked"
    hull create --name with --device example.org/part=null box
    [ "$(hull inspect -f '{{json .HostConfig.DeviceRequests}}' with)" = '[{"Driver":"cdi","DeviceIDs":["example.org/part=null"]}]' ]
    hull rm with
}

@test "cdi: descriptions in YAML" {
    run -0 hull run --rm --device example.org/more=0 box sh -c 'echo "$MORE"; stat -c "%a %t:%T" /dev/nothing'
    [ "$output" = $'yes\n640 1:3' ]
}

@test "cdi: what is not there, or not known, says so" {
    run ! hull run --rm --device example.org/part=none box true
    [[ $output == *'device example.org/part=none is not described in'* && $output == *two.yml*'2 documents, not one'* ]]
    run ! hull run --rm --device example.org/part=gone box true
    [[ $output == *'/dev/there-is-none: there is no such device'* ]]
    run ! hull run --rm --device example.org/part=net box true
    [[ $output == *'netDevices'* ]]
    run -125 hull run --rm --device example.org=x box true
    [[ $output == *'VENDOR/CLASS=NAME'* ]]
    cp "$HULL_DIR/cdi.run/later.json" "$HULL_DIR/cdi.run/twice.json"
    run ! hull run --rm --device example.org/part=null box true
    rm "$HULL_DIR/cdi.run/twice.json"
    [[ $output == *'both '*later.json*twice.json* ]]
}

@test "cdi: RUN --device, when it is allowed" {
    mkdir -p "$HULL_DIR/ctx"
    cd "$HULL_DIR/ctx" || return 1
    cat >Dockerfile <<'EOT'
FROM box
RUN --device=example.org/part=null,required --device=example.org/other echo "$NULL" >/out; [ -c /dev/nothing ] && ls /lent >>/out 2>&1 || echo none >>/out
RUN --device=example.org/part=null [ -c /dev/nothing ]
EOT
    run -1 hull build -q .
    [[ $output == *'Dockerfile:2:'*'--allow device=example.org/part=null'* ]]
    hull build -q -t with --allow device=example.org/part=null .
    [ "$(hull run --rm with sed -n '1p;$p' /out)" = $'new\nnone' ]
    [ "$(hull run --rm with ls /dev/nothing 2>/dev/null)" = "" ]
    printf 'FROM box\nRUN --device=example.org/other=x,required true\n' >Dockerfile
    run -1 hull build -q --allow device .
    [[ $output == *'example.org/other=x is not described'* ]]
    printf 'FROM box\nRUN --device=example.org/part=* cat /lent/f\n' >Dockerfile
    run -1 hull build -q --allow device .
    [[ $output == *'there is no such device'* || $output == *netDevices* ]]
    printf 'FROM box\nRUN --device=/dev/null true\n' >Dockerfile
    run -1 hull build -q --allow device .
    [[ $output == *'as in VENDOR/CLASS=NAME'* ]]
}
