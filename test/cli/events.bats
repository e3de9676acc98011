#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# events: what verbs and monitors write, what is read of it, and when there is more than is kept.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    hull create --name loads-the-image box true
    hull rm loads-the-image
}
teardown_file() { hull_teardown; }

# What happened since $1 as "type action", with the further arguments as options.
since() {
    local at=$1
    shift
    hull events --since "$at" --until 0s "$@" --format '{{.Type}} {{.Action}}'
}
now() { date +%s.%N; }
root_path() { hull info -f '{{.DockerRootDir}}'; }

@test "run --rm: docker's events in docker's order" {
    t=$(now)
    hull volume create data-v
    hull run --rm --name short -v data-v:/v --label colour=red box false || true
    wait_until 30 eval '[ -n "$(since $t -f event=destroy)" ]'
    run -0 since "$t"
    [ "$output" = "volume create
container create
container attach
volume mount
container start
container die
volume unmount
container destroy" ]
    run -0 hull events --since "$t" --until 0s -f event=die --format '{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}} {{.Actor.Attributes.colour}} {{.From}}'
    [ "$output" = "1 short box red box" ]
    hull volume rm data-v
}

@test "one that lives: pause, rename, update, exec, stop, restart, rm" {
    t=$(now)
    hull run -d --name live box sleep 1000
    hull pause live
    hull unpause live
    hull rename live lived
    hull update --pids-limit 100 lived
    hull top lived
    run -3 hull exec lived sh -c 'exit 3'
    hull kill -s CONT lived
    hull stop -t 0 lived
    hull restart lived
    hull rm -f lived
    run -0 since "$t" -f type=container
    [ "$output" = "container create
container start
container pause
container unpause
container rename
container update
container top
container exec_create: sh -c exit 3
container exec_start: sh -c exit 3
container exec_die
container kill
container kill
container kill
container die
container stop
container start
container restart
container kill
container die
container destroy" ]
    run -0 hull events --since "$t" --until 0s -f event=kill --format '{{.Actor.Attributes.signal}}'
    [ "$output" = "18
15
9
9" ]
    run -0 hull events --since "$t" --until 0s -f event=exec_die --format '{{.Actor.Attributes.exitCode}}'
    [ "$output" = 3 ]
    run -0 hull events --since "$t" --until 0s -f event=rename --format '{{.Name}} {{.Actor.Attributes.oldName}}'
    [ "$output" = "lived /live" ]
    # The part of an action before its colon names it too.
    run -0 since "$t" -f event=exec_create
    [ "$output" = "container exec_create: sh -c exit 3" ]
}

@test "a start that fails is none; images and networks" {
    t=$(now)
    run -127 hull run --name bad box /nothing
    hull rm bad
    hull tag box other:2
    hull rmi other:2
    hull commit "$(hull create --name from box true)" made:1
    hull save -o "$BATS_TEST_TMPDIR/made.tar" made:1
    hull rm from
    hull rmi made:1
    hull load -i "$BATS_TEST_TMPDIR/made.tar"
    hull rmi made:1
    run -0 since "$t" -f type=image -f type=container
    [ "$output" = "container create
container attach
container destroy
image tag
image untag
container create
image tag
container commit
image save
container destroy
image untag
image delete
image load
image untag
image delete" ]
    run -0 since "$t" -f image=other -f image=made
    [ "$(grep -c . <<<"$output")" -eq 7 ]
}

@test "cp, secrets, volumes of other volumes" {
    t=$(now)
    hull create --name files box true
    echo text >"$BATS_TEST_TMPDIR/file"
    hull cp "$BATS_TEST_TMPDIR/file" files:/tmp
    hull cp files:/tmp/file "$BATS_TEST_TMPDIR/back"
    hull rm files
    hull secret create word - <<<hidden
    hull secret rm word
    hull volume create one-v
    hull volume clone one-v two-v
    hull volume rm one-v two-v
    run -0 since "$t"
    [ "$output" = "container create
container extract-to-dir
container archive-path
container destroy
secret create
secret remove
volume create
volume create
volume destroy
volume destroy" ]
}

@test "JSON is docker's document; text names the attributes in order" {
    t=$(now)
    id=$(hull create --name text --label 'zz=1' --label aa=2 box true)
    hull rm text
    run -0 hull events --since "$t" --until 0s --format json -f event=create
    jq -e --arg id "$id" '.status == "create" and .id == $id and .from == "box" and .Type == "container" and .Action == "create" and .Actor.ID == $id
        and (.Actor.Attributes | .image == "box" and .name == "text" and .zz == "1" and .aa == "2") and .scope == "local" and (.timeNano / 1000000000 | floor) == .time' <<<"$output"
    run -0 hull events --since "$t" --until 0s -f event=create
    [[ $output =~ ^20[0-9]{2}-[0-9-]+T[0-9:]+\.[0-9]{9}Z\ container\ create\ $id\ \(aa=2,\ image=box,\ name=text,.*zz=1\)$ ]]
}

@test "filters: container by name and id, labels all, types any; nonsense is refused" {
    t=$(now)
    one=$(hull create --name first --label a=1 --label b=2 box true)
    hull create --name second --label a=1 box true
    hull rm first second
    run -0 hull events --since "$t" --until 0s -f container=first --format '{{.Name}} {{.Action}}'
    [ "$output" = "first create
first destroy" ]
    run -0 hull events --since "$t" --until 0s -f "container=${one:0:12}" --format '{{.Name}}'
    [ "$output" = "first
first" ]
    run -0 hull events --since "$t" --until 0s -f label=a=1 -f label=b --format '{{.Name}}'
    [ "$output" = "first
first" ]
    run -0 hull events --since "$t" --until 0s -f label=a=3
    [ -z "$output" ]
    run ! hull events -f nothing=x
    [[ $output == *'invalid filter "nothing=x"'* ]]
    run ! hull events --since yesterday
    [[ $output == *'invalid --since "yesterday"'* ]]
    run ! hull events --since 1h --until 2h
    [[ $output == *"later than"* ]]
    run ! hull events --since 1h --until 0s --format '{{.Nope'
}

@test "--since in the forms docker takes" {
    hull create --name forms box true
    hull rm forms
    for at in 10m 1h30m "$(($(date +%s) - 600))" "$(($(date +%s) - 600)).5" "$(date -u -d '-10 min' +%Y-%m-%dT%H:%M:%SZ)" "$(date -u -d '-10 min' +%Y-%m-%dT%H:%M:%S.123456789Z)" \
        "$(date -d '-10 min' +%Y-%m-%dT%H:%M:%S)" "$(date -d '-2 days' +%Y-%m-%d)" "$(date -d '-10 min' +%Y-%m-%dT%H:%M:%S%:z)"; do
        run -0 hull events --since "$at" --until 0s -f container=forms -f event=create --format '{{.Action}}'
        [ "$output" = create ]
    done
    run -0 hull events --since "$(date -u -d '+10 min' +%Y-%m-%dT%H:%M:%SZ)" --until "$(date -u -d '+11 min' +%Y-%m-%dT%H:%M:%SZ)" --stream=false
    [ -z "$output" ]
}

@test "what happens while it watches; --until a time to come ends it" {
    "$HULL" events --format '{{.Name}} {{.Action}}' -f container=watched >"$BATS_TEST_TMPDIR/seen" 3>&- &
    watcher=$!
    for i in $(seq 300); do
        hull create --name watched box true
        hull rm watched
        grep -q destroy "$BATS_TEST_TMPDIR/seen" && break
        sleep 0.1
    done
    grep -q 'watched create' "$BATS_TEST_TMPDIR/seen"
    kill "$watcher"
    wait "$watcher" || true
    run -0 timeout 60 "$HULL" events --until "$(date -u -d '+2 sec' +%Y-%m-%dT%H:%M:%SZ)" --format '{{.Action}}' -f event=create
    [[ $output == *create* ]]
}

@test "health and the end by a limit are events" {
    t=$(now)
    hull run -d --name checked --health-cmd 'test -e /well' --health-interval 100ms --health-retries 1 box sh -c 'sleep 1; touch /well; sleep 1000'
    wait_until 30 eval '[[ $(since $t -f container=checked -f event=health_status) == *"health_status: healthy"* ]]'
    run -0 since "$t" -f container=checked -f event=health_status
    [ "$(tail -1 <<<"$output")" = "container health_status: healthy" ]
    # Probes are none: docker's exec_* of each would bury the rest.
    run -0 since "$t" -f container=checked -f event=exec_start
    [ -z "$output" ]
    hull rm -f checked
}

@test "a monitor that was killed: its container died, with the status that nobody knows" {
    t=$(now)
    hull run -d --name orphan box sleep 1000
    read -r monitor pid < <(hull inspect -f '{{.State.MonitorPid}} {{.State.Pid}}' orphan)
    kill -9 "$monitor"
    kill -9 "$pid"
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Status}}" orphan)" = exited ]'
    run -0 hull events --since "$t" --until 0s -f event=die --format '{{.Name}} {{.Actor.Attributes.exitCode}}'
    [ "$output" = "orphan 255" ]
    hull rm orphan
}

@test "what is kept is bounded, a torn line is left out, a watcher follows the turn" {
    log=$(root_path)/events.log
    # Just before the turn.
    line='{"Type":"volume","Action":"create","Actor":{"ID":"old","Attributes":{"driver":"local"}},"scope":"local","time":1,"timeNano":1000000000}'
    for i in $(seq 7600); do echo "$line"; done >>"$log"
    printf '{"Type":"volume","Action":"torn' >>"$log"
    echo >>"$log"
    "$HULL" events --format '{{.Name}} {{.Action}}' -f event=create >"$BATS_TEST_TMPDIR/seen" 3>&- &
    watcher=$!
    for i in $(seq 300); do
        hull create --name turned box true
        hull rm turned
        [ "$(grep -c 'turned create' "$BATS_TEST_TMPDIR/seen")" -ge 3 ] && break
        sleep 0.1
    done
    [ "$(grep -c 'turned create' "$BATS_TEST_TMPDIR/seen")" -ge 3 ]
    kill "$watcher"
    wait "$watcher" || true
    [ -e "$log.1" ]
    [ "$(stat -c %s "$log")" -lt 500000 ]
    [ "$(stat -c %a "$log")" = 600 ]
    run -0 hull events --since 1970-01-01 --until 0s -f volume=old --format '{{.Action}}'
    [ "$(grep -c create <<<"$output")" -eq 7600 ]
    ! grep -q torn <<<"$output"
}

@test "a line that a crash tore takes no other with it" {
    hull volume create before
    printf '{"Type":"volume","Action":"create","Actor":{"ID":"torn {\\"Type' >>"$HULL_ROOT/events.log"
    hull volume create after
    head -c 100 /dev/zero >>"$HULL_ROOT/events.log"
    hull volume create last
    run -0 hull events --since 1h --until 0s --filter type=volume --filter event=create --format '{{.Actor.ID}}'
    [ "${lines[*]: -3}" = "before after last" ]
    hull volume rm before after last
}
