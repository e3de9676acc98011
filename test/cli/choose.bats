#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers that are not named: --all, --latest, --cidfile, --filter of stop, kill, start, restart, pause, unpause, rm and wait; --latest of others.
# machines: native v2 v2:tester

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }
teardown() { hull rm -af >/dev/null; }

states() { hull ps -a --format '{{.Names}} {{.State}}' | sort; }

@test "stop, start, restart, kill, rm: --all means those it can be done to, and prints their ids" {
    one=$(hull run -d --stop-signal KILL --name one box sleep 1000)
    two=$(hull run -d --stop-signal KILL --name two box sleep 1000)
    hull create --name three box sleep 1000
    run -0 hull stop -a
    [ "$(sort <<<"$output")" = "$(printf '%s\n' "$one" "$two" | sort)" ]
    [ "$(states)" = $'one exited\nthree created\ntwo exited' ]
    run -0 hull stop --all
    [ -z "$output" ]
    run -0 hull kill --all
    [ -z "$output" ]
    run -0 hull start --all
    [ "${#lines[@]}" = 3 ]
    [ "$(states)" = $'one running\nthree running\ntwo running' ]
    run -0 hull start --all
    [ -z "$output" ]
    run hull rm -a
    [[ $status -eq 1 && $output == *"stop it first"* ]]
    hull stop -t 0 one
    hull restart -t 0 --running
    status_is one exited
    hull restart -t 0 -a
    status_is one running
    run -0 hull kill -a
    [ "${#lines[@]}" = 3 ]
    run -0 hull rm --all
    [ "${#lines[@]}" = 3 ]
    [ -z "$(states)" ]
    run -0 hull rm --all
    [ -z "$output" ]
}

@test "rm --all takes also what cannot be read; -t stops it first" {
    id=$(hull create --name torn box true)
    echo '{' >"$HULL_ROOT/containers/$id/config.json"
    # shellcheck disable=SC2016
    hull run -d --name polite -v "$HULL_DIR/work:/here" box sh -c 'trap "echo bye >/here/said; exit 0" TERM; >/here/up; while :; do sleep 0.05; done'
    wait_until 30 test -e up
    hull run -d --rm --name fleeting box sh -c 'trap "exit 0" TERM; while :; do sleep 0.05; done'
    run -0 hull rm -af -t 60
    [ "$(cat said)" = bye ]
    [ -z "$(states)" ]
    [ ! -e "$HULL_ROOT/containers/$id" ]
    refuses 125 '--timeout goes with --force' rm -t 5 polite
}

@test "pause and unpause --all" {
    hull run -d --name one box sleep 1000
    hull pause one || skip "nothing can be paused here"
    hull run -d --name two box sleep 1000
    hull create --name three box true
    run -0 hull pause -a
    [ "$output" = "$(hull inspect -f '{{.Id}}' two)" ]
    run -0 hull pause -a
    [ -z "$output" ]
    run -0 hull unpause --all
    [ "${#lines[@]}" = 2 ]
    [ "$(states)" = $'one running\nthree created\ntwo running' ]
}

@test "who ended between the list and its turn is no error with --all; who is named is told of" {
    hull run -d --name one box sleep 1000
    hull pause one || skip "nothing can be paused here"
    hull unpause one
    two=$(hull run -d --name two box sleep 1000)
    exec 8<"$HULL_ROOT/containers/$two/lock"
    flock 8
    "$HULL" pause -a >said 2>&1 3>&- 8<&- &
    wait_until 30 waits_for_lock $! || { exec 8<&-; false; }
    hull kill one
    hull wait one
    exec 8<&-
    wait $!
    [ "$(cat said)" = "$two" ]
    [ "$(states)" = $'one exited\ntwo paused' ]
    run hull kill --filter status=exited
    [[ $status -eq 1 && $output == *"is not running"* ]]
    refuses 1 'not running' kill one
}

@test "--filter: as ps has it, and until=, label!=; the verb's own choice of states beside it, unless the filter has one" {
    for name in one two three; do hull run -d --stop-signal KILL --name $name --label kind=$name --label all box sleep 1000; done
    run -0 hull stop -f label=kind=one
    [ "$output" = "$(hull inspect -f '{{.Id}}' one)" ]
    run -0 hull stop --filter label=all --filter name=o
    [ "$output" = "$(hull inspect -f '{{.Id}}' two)" ]
    [ "$(states)" = $'one exited\nthree running\ntwo exited' ]
    run -0 hull start --filter label=all --filter 'label!=kind=one'
    [ "$output" = "$(hull inspect -f '{{.Id}}' two)" ]
    run -0 hull rm --filter status=exited
    [ "$(states)" = $'three running\ntwo running' ]
    run -0 hull rm --all -f --filter until=10h
    [ -z "$output" ]
    run -0 hull rm -f --filter until=2100-01-01
    [ -z "$(states)" ]
    refuses 125 'invalid filter' stop --filter color=red
    refuses 125 'until' rm --filter until=whenever
}

@test "--latest, --cidfile, --ignore" {
    hull run -d --stop-signal KILL --cidfile one.id --name one box sleep 1000
    hull run -d --stop-signal KILL --cidfile two.id --name two box sleep 1000
    run -0 hull stop -l
    [ "$output" = "$(cat two.id)" ]
    run -0 hull wait --latest
    [ "$output" = 137 ]
    run -0 hull stop --cidfile two.id --cidfile one.id
    [ "$output" = "$(cat two.id; echo; cat one.id)" ]
    run -0 hull start --cidfile one.id two
    [ "$output" = "two"$'\n'"$(cat one.id)" ]
    run -0 hull kill --cidfile one.id
    refuses 1 'missing.id' stop --cidfile missing.id
    run -0 hull stop -i --cidfile missing.id nobody two
    [ "$output" = two ]
    printf '%s\r\nand more\n' "$(cat one.id)" >lines.id
    run -0 hull start --cidfile lines.id
    [ "$output" = "$(cat one.id)" ]
    run -0 hull kill --cidfile lines.id
    : >empty.id
    refuses 125 'no id in it' rm --cidfile empty.id
    refuses 1 'no such' rm nobody
    run -0 hull rm -i nobody --cidfile missing.id one
    [ "$output" = one ]
    run -0 hull rm -fl
    [ -z "$(states)" ]
    refuses 1 'there is no container' rm -l
}

@test "start -al: the output of the last one" {
    hull create box echo first
    hull create box echo last
    run -0 hull start -al
    [ "$output" = last ]
    run hull start -a --all
    [[ $status -ne 0 && $output == *"only one container"* ]]
}

@test "nobody, or in two ways" {
    for verb in stop kill start restart pause unpause rm; do
        refuses 125 'needs at least 1 argument.*--all' $verb
        refuses 125 'does not go with' $verb --all somebody
        refuses 125 'does not go with' $verb -l somebody
        refuses 125 'does not go with' $verb --all --latest
    done
    refuses 125 'needs at least 1 argument' wait
}

@test "wait: of several conditions the first; --ignore" {
    hull run -d --name live box sleep 1000
    run -0 timeout 60 "$HULL" wait -i 10ms --condition running --condition stopped live
    [ -z "$output" ]
    run -0 timeout 60 "$HULL" wait --condition running,exited live
    [ -z "$output" ]
    hull kill live
    run -0 timeout 60 "$HULL" wait --condition paused --condition exited --condition stopped live
    [ "$output" = 137 ]
    # Neither can come.
    run timeout 60 "$HULL" wait --condition healthy --condition unhealthy live
    [[ $status -eq 1 && $output == *"has no health check"* ]]
    run -0 hull wait --ignore nobody live
    [ "$output" = $'-1\n137' ]
    refuses 125 'invalid condition' wait --condition running,happy live
    [ -z "$(pgrep -f "^$HULL wait" || true)" ]
}

@test "--latest of logs, exec, attach, top, port, inspect, diff: in place of the name" {
    hull run -d --name older box sleep 1000
    hull run -d --name newer box sh -c 'echo mine; >/made; sleep 1000'
    wait_until 30 hull exec newer test -e /made
    [ "$(hull logs -l)" = mine ]
    [ "$(hull logs -n 1 --latest)" = mine ]
    run -0 hull exec -l sh -c 'ls /made; echo "$1"' x -l
    [ "$output" = $'/made\n-l' ]
    [ "$(hull top -l | wc -l)" = "$(hull top newer | wc -l)" ]
    [ "$(hull inspect -lf '{{.Name}}')" = /newer ]
    [ "$(hull container inspect -l -f '{{.Name}}')" = /newer ]
    [[ $(hull diff -l) == *"A /made"* ]]
    [ -z "$(hull port -l)" ]
    refuses 1 'no public port' port -l 80
    hull kill older newer
    refuses 1 'newer is not running|is not running' attach -l
    refuses 125 'needs at least 1 argument.*--latest' logs
    refuses 125 'does not go with containers that are named' logs -l newer
    refuses 125 'needs at least 2 arguments' exec newer
    refuses 125 'needs at least 2 arguments' exec -l
    refuses 125 '--latest is a container' inspect -l --type image
}

@test "rm --depend: who requires it, or uses its namespaces, goes too" {
    hull create --name base box true
    hull create --name above --requires base box true
    hull create --name top --requires above box true
    hull create --name beside --ipc container:base box true
    hull create --name alone box true
    run -0 hull rm --depend base
    [ "${#lines[@]}" = 4 ]
    [ "$(states)" = "alone created" ]
    refuses 1 'no such container: nobody' rm --depend nobody
    run -0 hull rm --depend -f nobody alone
    [ -z "$(states)" ]
}
