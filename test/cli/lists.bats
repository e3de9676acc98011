#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ps, inspect, --format, --filter: docker's columns and keys.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    hull run -d --name up -l tier=web -e COLOUR=blue box sleep 600
    hull run --name down -l tier=db box sh -c 'exit 3' || true
    hull create --name fresh box true
}
teardown_file() { hull_teardown; }

@test "ps: the header, running ones only; -a all, newest first" {
    run -0 hull ps
    [[ ${lines[0]} == "CONTAINER ID"*IMAGE*COMMAND*CREATED*STATUS*PORTS*NAMES ]]
    [ "${#lines[@]}" = 2 ]
    [[ ${lines[1]} == *box*'"sleep 600"'*"Up "*up ]]
    run -0 hull ps -a
    [ "${#lines[@]}" = 4 ]
    [[ ${lines[1]} == *Created*fresh ]]
    [[ ${lines[2]} == *"Exited (3) "*down ]]
    [[ ${lines[3]} == *"Up "*up ]]
}

@test "ps -q, --no-trunc, -n, -l, -s" {
    run -0 hull ps -q
    [[ $output =~ ^[0-9a-f]{12}$ ]]
    run -0 hull ps -aq --no-trunc
    [ "${#lines[@]}" = 3 ]
    [[ ${lines[0]} =~ ^[0-9a-f]{64}$ ]]
    run -0 hull ps -l --format '{{.Names}}'
    [ "$output" = fresh ]
    run -0 hull ps -n 2 --format '{{.Names}}'
    [ "${lines[*]}" = "fresh down" ]
    run -0 hull ps -as
    [[ ${lines[0]} == *SIZE* ]]
}

@test "ps --filter: status, name, label, id, ancestor, exited; several" {
    run -0 hull ps -a --filter status=exited --format '{{.Names}}'
    [ "$output" = down ]
    run -0 hull ps -a --filter status=exited --filter status=created --format '{{.Names}}'
    [ "${lines[*]}" = "fresh down" ]
    run -0 hull ps -a --filter 'name=^/?(up|down)$' --format '{{.Names}}'
    [ "${lines[*]}" = "down up" ]
    run -0 hull ps -a --filter 'name=^/up$' --format '{{.Names}}'
    [ "$output" = up ]
    refuses 125 'name=\(' ps --filter 'name=('
    run -0 hull ps -a --filter name=fre --format '{{.Names}}'
    [ "$output" = fresh ]
    run -0 hull ps -a --filter label=tier --format '{{.Names}}'
    [ "${lines[*]}" = "down up" ]
    run -0 hull ps -a --filter label=tier=db --format '{{.Names}}'
    [ "$output" = down ]
    run -0 hull ps -a --filter exited=3 --format '{{.Names}}'
    [ "$output" = down ]
    run -0 hull ps -a --filter "id=$(hull inspect -f '{{.Id}}' up)" --format '{{.Names}}'
    [ "$output" = up ]
    run -0 hull ps -aq --filter ancestor=box
    [ "${#lines[@]}" = 3 ]
    run -0 hull ps -a --filter before=down --format '{{.Names}}'
    [ "$output" = up ]
    run -0 hull ps -a --filter since=down --format '{{.Names}}'
    [ "$output" = fresh ]
    refuses 125 'status=sleepy.*running' ps --filter status=sleepy
    refuses 125 '--filter exited' ps --filter exited=x
    run hull ps --filter nonsense=1
    [ "$status" -ne 0 ]
    [[ $output == *nonsense* ]]
}

@test "ps: an image whose name went to another one is shown by its id" {
    hull tag box moved:1
    hull create --name of-moved moved:1 true
    run -0 hull ps -a --filter name=of-moved --format '{{.Image}}'
    [ "$output" = moved:1 ]
    hull rmi moved:1
    run -0 hull ps -a --filter name=of-moved --format '{{.Image}}'
    [ "$output" = "$(hull images -q box)" ]
    hull rm of-moved
}

@test "ps --format: table, template, json" {
    run -0 hull ps -a --format 'table {{.Names}}\t{{.Image}}'
    [[ ${lines[0]} =~ ^NAMES\ +IMAGE$ ]]
    run -0 hull ps --format '{{.ID}} {{.Image}} {{.Command}} {{.State}} {{.Label "tier"}} {{upper .Names}}'
    [[ $output =~ ^[0-9a-f]{12}\ box\ \"sleep\ 600\"\ running\ web\ UP$ ]]
    run -0 hull ps -a --format json
    [ "${#lines[@]}" = 3 ]
    python3 - "${lines[2]}" <<'PY'
import json, sys
row = json.loads(sys.argv[1])
assert row["Names"] == "up" and row["Image"] == "box" and row["State"] == "running", row
for key in "Command CreatedAt ID Labels LocalVolumes Mounts Networks Ports RunningFor Size Status".split():
    assert key in row, key
PY
}

@test "inspect: an array of docker's documents" {
    hull inspect up down >doc
    python3 - doc <<'PY'
import json, sys
docs = json.load(open(sys.argv[1]))
assert len(docs) == 2
d = docs[0]
for key in ("Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver "
            "HostConfig GraphDriver Mounts Config NetworkSettings").split():
    assert key in d, key
assert d["Name"] == "/up" and d["Path"] == "sleep" and d["Args"] == ["600"]
assert d["State"]["Status"] == "running" and d["State"]["Running"] is True and d["State"]["Pid"] > 0
assert d["Config"]["Image"] == "box" and "COLOUR=blue" in d["Config"]["Env"] and d["Config"]["Labels"]["tier"] == "web"
assert d["Image"].startswith("sha256:")
assert d["HostConfig"]["NetworkMode"] in ("none", "default")
assert docs[1]["State"]["ExitCode"] == 3
PY
}

@test "inspect -f: fields, index, range, if, json, join" {
    run -0 hull inspect -f '{{.State.Status}}/{{index .Args 0}}/{{join .Config.Cmd ","}}/{{json .Config.Tty}}' up
    [ "$output" = "running/600/sleep,600/false" ]
    run -0 hull inspect -f '{{range .Config.Env}}{{println .}}{{end}}' up
    [[ $output == *COLOUR=blue* ]]
    run -0 hull inspect -f '{{if .State.Running}}yes{{else}}no{{end}}' up
    [ "$output" = yes ]
    run -0 hull inspect -f '{{len .Args}}{{printf "%s-%d" .Name (len .Args)}}' up
    [ "$output" = "1/up-1" ]
}

@test "inspect: a bad template and an unknown name are one line" {
    run hull inspect -f '{{.State.' up
    [ "$status" -ne 0 ]
    refuses 1 'no such.*nobody' inspect nobody
    run hull inspect -f '{{.NoSuchField}}' up
    [ "$status" -ne 0 ] || [[ $output == *"no value"* ]]
}

@test "inspect: a slash before a name, not before an id, as docker has it" {
    id=$(hull create --name slashed box true)
    [ "$(hull inspect -f '{{.Id}}' /slashed)" = "$id" ]
    refuses 1 'no such object' inspect "/${id:0:12}"
    refuses 1 'no such container' rm "/$id"
    hull rm slashed
}

@test "inspect --type image and container" {
    run -0 hull inspect --type image -f '{{.Architecture}} {{.Os}}' box
    [[ $output == *linux ]]
    run -0 hull inspect --type container -f '{{.Name}}' up
    refuses 1 'no such' inspect --type container box
}

@test "images: columns, filters, formats" {
    run -0 hull images
    [[ ${lines[0]} == REPOSITORY*TAG*"IMAGE ID"*CREATED*SIZE ]]
    [[ ${lines[1]} == box*latest* ]]
    run -0 hull images -q
    [[ $output =~ ^[0-9a-f]{12}$ ]]
    run -0 hull images --no-trunc -q
    [[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
    run -0 hull images --format '{{.Repository}}:{{.Tag}}'
    [ "$output" = box:latest ]
    run -0 hull images --digests
    [[ ${lines[0]} == *DIGEST* ]]
    run -0 hull images nothing-here
    [ "${#lines[@]}" = 1 ]
    run -0 hull images --filter reference='bo*' -q
    [ "${#lines[@]}" = 1 ]
    run -0 hull images --filter dangling=true -q
    [ "$output" = "" ]
    run -0 hull images --format json
    python3 -c 'import json,sys; assert json.loads(sys.argv[1])["Repository"] == "box"' "$output"
}

@test "image prune says what it freed, and knows docker's dangling=" {
    run -0 hull image prune -f --filter dangling=true --filter label=none-has-this
    [ "$output" = "Total reclaimed space: 0B" ]
    run -0 hull image prune -f --filter dangling=false --filter label=none-has-this
    run -125 hull image prune -f --filter dangling=perhaps
    run -0 hull image prune -f
    [ "$output" = "Total reclaimed space: 0B" ]
}

@test "history: the image's steps" {
    run -0 hull history box
    [[ ${lines[0]} == IMAGE*CREATED*"CREATED BY"*SIZE*COMMENT ]]
    [[ $output == *'CMD ["sh"]'* ]]
    run -0 hull history -q --no-trunc box
    [[ ${lines[0]} =~ ^sha256: ]]
    run -0 hull history --format '{{.CreatedBy}}' --no-trunc box
    [ "${lines[0]}" = 'CMD ["sh"]' ]
}

@test "ps: a command is quoted and cut at 20; control characters do not reach the terminal; ports in ranges" {
    hull create --name odd --expose 80-82 --expose 53/udp -l $'bell=\a\033[31m' box sh -c $'echo "a very long\tline"; \033[31m true'
    run -0 hull ps -a --filter name=odd --format '{{.Command}} {{.Ports}}'
    [ "$output" = "\"sh -c 'echo \\\"a very…\" 80-82/tcp, 53/udp" ]
    run -0 hull ps -a --filter name=odd --no-trunc --format 'table {{.Command}}\t{{.Labels}}'
    [[ $output != *$'\033'* && $output != *$'\a'* ]]
    [[ $output == *'\tline'*'\x1b[31m'* ]]
    run -0 hull ps -a --filter name=odd --format '{{json (.Label "bell")}}'
    [ "$output" = '"\u0007\u001b[31m"' ]
    hull rm odd
    hull create --name raw -l $'x=\xff' box sh -c $'echo \xff\xfe'
    run -0 hull ps -a --no-trunc --filter name=raw --format '{{.Command}}{{.Label "x"}}'
    [ "$output" = $'"sh -c \'echo \ufffd\ufffd\'"\ufffd' ]
    hull rm raw
}

@test "inspect: what docker's types say of empty fields" {
    run -0 hull inspect -f '{{.HostConfig.Binds}}|{{json .HostConfig.Binds}}|{{if .State.Health}}x{{end}}|{{.Config.StopSignal}}|{{index .Config.Labels "none"}}' up
    [ "$output" = '[]|null|||' ]
    run -0 hull inspect -f '{{.HostConfig.Mounts}}{{range .HostConfig.CapAdd}}x{{else}}none{{end}}' up
    [ "$output" = '[]none' ]
    refuses 125 'map has no entry for key "NoSuchField"' inspect -f '{{.State.NoSuchField}}' up
}

@test "inspect: what is found is printed, what is not is one line and status 1" {
    run -1 --separate-stderr hull inspect -f '{{.Name}}' up nobody down
    [ "${lines[*]}" = "/up /down" ]
    [[ $stderr == "hull: no such object: nobody" ]]
    refuses 125 'container, image, network and volume' inspect --type secret up
    run -0 hull container inspect -f '{{.Name}}' up
    [ "$output" = /up ]
    run -0 hull image inspect -f '{{index .RepoTags 0}}' box
    [ "$output" = box:latest ]
    run -0 hull inspect -f json up
    [ "${#lines[@]}" = 1 ]
}

@test "images: --tree, --digests with a format; what cannot be combined" {
    hull tag box:latest localhost/second:1
    run -0 hull images --tree
    [[ ${lines[0]} =~ ^IMAGE\ +ID\ +DISK\ USAGE\ +IN\ USE$ ]]
    [[ $output == *"└─ linux/"* && $output == *localhost/second:1* && ${lines[1]} == *yes ]]
    refuses 125 'tree' images --tree -q
    run -0 hull images --filter reference='localhost/*' --format '{{.Repository}} {{.Tag}} {{.Digest}}'
    [[ $output == "localhost/second 1 "* ]]
    run -0 hull image ls -q --no-trunc localhost/second
    [[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
    hull rmi localhost/second:1
}

@test "info and version: text, template, json" {
    run -0 hull info
    [[ $output == *"Containers: 3"*"Storage Driver: "*"Root Dir: $HULL_ROOT"* ]]
    run -0 hull info -f '{{.Driver}} {{.ContainersRunning}} {{json .Plugins.Volume}}'
    [[ $output =~ ^[a-z]+\ 1\ \[\"local\"\]$ ]]
    run -0 hull version -f '{{.Server.Version}} {{.Client.Version}}'
    [[ $output =~ ^([0-9.]+)\ ([0-9.]+)$ ]]
    [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
    hull version -f json | python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["Client"] and d["Server"]["Components"]'
    run -0 hull version
    [[ $output == *"OS/Arch:"*linux/* ]]
}

@test "history: --human=false, json" {
    run -0 hull history --human=false --format '{{.CreatedSince}} {{.Size}}' box
    [[ ${lines[0]} =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+(Z|[-+][0-9:]+)\ [0-9]+$ ]]
    hull history --format json box | python3 -c 'import json, sys; [json.loads(l)["CreatedBy"] for l in sys.stdin]'
    refuses 125 'human' history --human=maybe box
}

@test "ps --sort, --noheading" {
    hull create --name sort-b --label sorted box zz
    hull create --name sort-a --label sorted box yy
    hull create --name sort-c --label sorted box xx
    run -0 hull ps -a --filter label=sorted --sort names --format '{{.Names}}'
    [ "${lines[*]}" = "sort-a sort-b sort-c" ]
    run -0 hull ps -a --filter label=sorted --sort created --format '{{.Names}}'
    [ "${lines[*]}" = "sort-b sort-a sort-c" ]
    run -0 hull ps -a --filter label=sorted --sort command --format '{{.Names}}'
    [ "${lines[*]}" = "sort-c sort-a sort-b" ]
    run -0 hull ps -a --filter label=sorted --noheading
    [[ ${#lines[@]} = 3 && ${lines[0]} == *sort-c ]]
    refuses 125 'invalid --sort' ps --sort color
    hull rm sort-a sort-b sort-c
}
