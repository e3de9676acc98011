#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A container's life: create, start, stop, restart, kill, pause, rename, wait, rm.
# machines: native v2 v2:tester

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

LOOP='trap "exit 0" TERM; while :; do sleep 0.05; done'

@test "created, running, exited; start of a running one is no error" {
    hull create --name life box sh -c "$LOOP"
    status_is life created
    run -0 hull start life
    [ "$output" = life ]
    status_is life running
    run -0 hull start life
    run -0 hull stop life
    [ "$output" = life ]
    status_is life exited
    run -0 hull stop life
    run -0 hull start life
    status_is life running
    hull rm -f life
}

@test "names: by name, by id, by the beginning of the id" {
    id=$(hull create --name byname box true)
    for n in byname /byname "$id" "${id:0:12}" "${id:0:5}"; do
        run -0 hull inspect -f '{{.Id}}' "$n"
        [ "$output" = "$id" ]
    done
    refuses 1 'no such' inspect "${id:0:8}zz"
}

@test "the writable layer is kept over a restart" {
    hull run --name keeps box sh -c 'echo once >>/root/count'
    hull start -a keeps
    hull create --name reader --volumes-from keeps box true
    run -0 hull start keeps
    hull wait keeps
    hull run -d --name keeps2 box sh -c "echo x >/root/f; $LOOP"
    wait_until 5 hull exec keeps2 test -e /root/f
    hull restart -t 2 keeps2
    run -0 hull exec keeps2 cat /root/f
    hull rm -f keeps2
}

@test "stop: the signal first, SIGKILL when the time is over" {
    hull run -d --name deaf box sh -c 'trap "" TERM; while :; do sleep 0.05; done'
    sleep 0.2
    hull stop -t 1 deaf
    run -0 hull inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Running}}' deaf
    [ "$output" = "137 false false" ]
}

@test "a monitor that gets SIGTERM, as in a shutdown, stops its container: its signal, then SIGKILL; a paused one too" {
    # shellcheck disable=SC2016
    talker='trap "echo bye; exit 3" USR1; trap "" TERM; echo up; while :; do sleep 0.05; done'
    hull run -d --name heard --stop-signal USR1 box sh -c "$talker"
    hull run -d --name stiff --stop-signal USR1 box sh -c "$talker"
    hull run -d --name unheard --stop-timeout 0 box sh -c 'trap "" TERM; echo up; while :; do sleep 0.05; done'
    for name in heard stiff unheard; do
        wait_until 30 sh -c '"$HULL" logs '$name' | grep up'
    done
    hull pause stiff
    for name in heard stiff unheard; do
        kill -TERM "$(awk '{ print $4 }' "/proc/$(hull inspect -f '{{.State.Pid}}' $name)/stat")"
    done
    run -0 hull wait heard stiff unheard
    [ "${lines[*]}" = "3 3 137" ]
    run -0 hull logs heard
    [ "${lines[*]}" = "up bye" ]
    run -0 hull inspect -f '{{.State.Status}} {{.State.Error}}' heard stiff unheard
    [ "$output" = $'exited \nexited \nexited ' ]
    hull rm heard stiff unheard
}

@test "kill -s: names, numbers, SIG names; an unknown one is refused" {
    hull run -d --name sigs box sh -c 'trap "echo usr1" USR1; trap "echo hup" HUP; trap "echo usr2" USR2; echo ready; while :; do sleep 0.05; done'
    wait_until 5 sh -c '"$HULL" logs sigs | grep ready'
    hull kill -s USR1 sigs
    wait_until 5 sh -c '"$HULL" logs sigs | grep usr1'
    hull kill --signal SIGHUP sigs
    wait_until 5 sh -c '"$HULL" logs sigs | grep hup'
    hull kill -s 12 sigs
    wait_until 5 sh -c '"$HULL" logs sigs | grep usr2'
    run hull kill -s NOSUCH sigs
    [ "$status" -ne 0 ]
    [[ $output == *NOSUCH* ]]
    status_is sigs running
    hull kill sigs
    run -0 hull wait sigs
    [ "$output" = 137 ]
    refuses 1 'sigs' kill sigs
}

@test "restart: of a running one and of a stopped one" {
    hull run -d --name again box sh -c "echo started; $LOOP"
    first=$(hull inspect -f '{{.State.Pid}}' again)
    run -0 hull restart -t 3 again
    [ "$output" = again ]
    [ "$(hull inspect -f '{{.State.Pid}}' again)" != "$first" ]
    hull stop again
    hull restart again
    status_is again running
    [ "$(hull logs again | grep -c started)" = 3 ]
    hull rm -f again
}

@test "pause stops every process, unpause goes on" {
    need_controller freezer
    hull run -d --name icy box sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/m; mv /tmp/m /tmp/n; sleep 0.02; done'
    wait_until 5 hull exec icy test -s /tmp/n
    run -0 hull pause icy
    [ "$output" = icy ]
    status_is icy paused
    run -0 hull inspect -f '{{.State.Paused}} {{.State.Running}}' icy
    [ "$output" = "true true" ]
    refuses 1 'paused' exec icy true
    refuses 1 'paused' pause icy
    run -0 hull ps --format '{{.Status}}' --filter name=icy
    [[ $output == *Paused* ]]
    hull unpause icy
    status_is icy running
    before=$(hull exec icy cat /tmp/n)
    sleep 0.3
    [ "$(hull exec icy cat /tmp/n)" -gt "$before" ]
    refuses 1 'not paused' unpause icy
    # Frozen by who was killed before it thawed it: nobody paused it, and unpause ends it.
    hull cgroup freeze "$(jq -r .Cgroup "$HULL_ROOT/containers/$(hull inspect -f '{{.Id}}' icy)/state.json")"
    status_is icy running
    hull unpause icy
    before=$(hull exec icy cat /tmp/n)
    sleep 0.3
    [ "$(hull exec icy cat /tmp/n)" -gt "$before" ]
    hull pause icy
    hull rm -f icy
}

@test "stop and kill of a paused one work" {
    need_controller freezer
    hull run -d --name icy2 box sleep 60
    hull pause icy2
    hull stop -t 1 icy2
    status_is icy2 exited
    hull start icy2
    hull pause icy2
    hull kill icy2
    wait_until 5 status_is icy2 exited
}

@test "two restarts at once: it was stopped and runs again, for both" {
    id=$(hull run -d --name twice --stop-signal KILL box sleep 1000)
    exec 8<"$HULL_ROOT/containers/$id/lock"
    flock 8
    "$HULL" restart twice >first 2>&1 3>&- 8<&- &
    first=$!
    "$HULL" restart twice >second 2>&1 3>&- 8<&- &
    second=$!
    wait_until 30 waits_for_lock "$first" || { exec 8<&-; false; }
    wait_until 30 waits_for_lock "$second" || { exec 8<&-; false; }
    exec 8<&-
    wait $first
    wait $second
    [ "$(cat first second)" = $'twice\ntwice' ]
    status_is twice running
    hull rm -f twice
}

@test "restart of a paused one makes its cgroups anew" {
    need_controller freezer
    need_controller memory
    hull run -d --name icy3 --memory 64M box sleep 60
    hull pause icy3
    hull restart -t 0 icy3
    status_is icy3 running
    [ "$(cgroup_value memory "$(container_cgroup icy3 memory)" memory.limit_in_bytes memory.max)" = 67108864 ]
    hull pause icy3
    hull rm -f icy3
}

@test "rename: the new name counts, the old one is free; one in use is refused" {
    hull create --name old box true
    hull create --name other box true
    refuses 1 'other' rename old other
    run -0 hull rename old new
    refute_container old
    run -0 hull inspect -f '{{.Name}}' new
    [ "$output" = /new ]
    hull create --name old box true
    refuses 1 'no such' rename missing xx
    run hull rename new '../x'
    [ "$status" -ne 0 ]
}

@test "rm: a running one is refused, -f kills it, -v takes its anonymous volumes" {
    hull run -d --name busy -v /data box sleep 60
    volume=$(hull inspect -f '{{(index .Mounts 0).Name}}' busy)
    [ -d "$HULL_ROOT/volumes/$volume" ]
    refuses 1 'running' rm busy
    status_is busy running
    run -0 hull rm -f -v busy
    [ "$output" = busy ]
    [ ! -e "$HULL_ROOT/volumes/$volume" ]
    refute_container busy
}

@test "rm -f of a missing one is no error, rm is" {
    run -0 hull rm -f never-there
    refuses 1 'no such.*never-there' rm never-there
}

@test "wait: until the end, from several waiters" {
    hull run -d --name waited box sh -c 'sleep 0.5; exit 4'
    waiters=()
    for i in 1 2 3; do
        hull wait waited >"wait.$i" 3>&- &
        waiters+=($!)
    done
    run -0 hull wait waited
    [ "$output" = 4 ]
    wait "${waiters[@]}"
    [ "$(cat wait.1 wait.2 wait.3 | tr '\n' ' ')" = "4 4 4 " ]
    run -0 hull wait waited
    [ "$output" = 4 ]
}

@test "top: the processes, with the columns asked for" {
    hull run -d --name topped box sh -c 'sleep 61 & sleep 62; wait'
    run -0 hull top topped
    [[ ${lines[0]} == *PID*CMD* ]]
    [[ $output == *"sleep 61"* ]]
    [[ $output == *"sleep 62"* ]]
    run -0 hull top topped -o pid,args
    [[ $output == *"sleep 61"* ]]
    hull rm -f topped
    refuses 1 '' top topped
}

@test "a container whose first process ended is exited, with times" {
    hull run --name ended box true
    run -0 hull inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}} {{.State.StartedAt}} {{.State.FinishedAt}}' ended
    [[ $output =~ ^exited\ 0\ 0\ 20[0-9-]+T[0-9:.]+Z\ 20[0-9-]+T[0-9:.]+Z$ ]]
}

@test "children of the first process die with it" {
    hull run -d --name family box sh -c 'sleep 100 & sleep 100 & until [ -e /end ]; do sleep 0.05; done'
    cgroup=$(container_cgroup family memory)
    [ "$cgroup" != / ]
    hull exec family touch /end
    run -0 hull wait family
    dir=$(cgroup_dir memory "$cgroup") || dir=/nonexistent
    [ ! -e "$dir" ]
}

@test "stop, restart, rm -f of many: side by side, named in their order; what failed is told" {
    names=$(seq -f 'many%g' 40)
    # Forty that wait and do nothing else: loops would keep a slow machine busy.
    for n in $names; do
        hull create --name $n box sh -c 'trap "exit 0" TERM; sleep 1000 & wait' >/dev/null
    done
    run -0 hull start $names
    [ "$output" = "$names" ]
    run -0 hull restart -t 5 $names
    [ "$output" = "$names" ]
    run -0 hull stop -t 5 $names
    [ "$output" = "$names" ]
    run -0 hull rm -f many1 no-such many2
    [ "${lines[*]}" = "many1 many2" ]
    run --separate-stderr -1 hull stop many3 no-such many4
    [ "${lines[*]}" = "many3 many4" ]
    [[ $stderr == *no-such* ]]
    run -0 hull ps -aq --filter name=many
    [ "${#lines[@]}" = 38 ]
}

@test "container prune: what does not run, by label and age" {
    hull run -d --name keeps-running box sleep 60
    hull create --name old1 -l kind=a box true
    hull create --name old2 -l kind=b box true
    run -0 hull container prune -f --filter label=kind=a
    [[ $output == *"Deleted Containers:"* ]]
    refute_container old1
    # Nothing is older than the beginning of time.
    for until in 1h 0 1970-01-01T00:00:00Z; do
        run -0 hull container prune -f --filter until=$until
        status_is old2 created
    done
    run -0 hull container prune <<<n
    status_is old2 created
    run -0 hull container prune -f --filter 'label!=kind'
    status_is old2 created
    run -0 hull container prune <<<y
    refute_container old2
    status_is keeps-running running
    hull rm -f keeps-running
}

@test "rm -f removes a container whose state cannot be read, and ends what it runs" {
    for how in stopped running gone; do
        case $how in
            stopped) id=$(hull create --name spoilt box sleep 1000) ;;
            running) id=$(hull run -d --name spoilt --network host box sleep 1000) ;;
            gone) id=$(hull run -d --rm --name spoilt --network host box sleep 1000) ;;
        esac
        pid=$(hull inspect -f '{{.State.Pid}}' spoilt)
        rm "$HULL_ROOT/containers/$id/state.json"
        mkdir "$HULL_ROOT/containers/$id/state.json"
        refuses 1 'read state.json' rm spoilt
        run -0 --separate-stderr hull rm -f spoilt
        [[ $stderr == *"it is removed without"* ]]
        [ ! -e "$HULL_ROOT/containers/$id" ]
        [ "$pid" = 0 ] || wait_until 10 nothing_of find "/proc/$pid" -maxdepth 0
        [ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "$id" 2>/dev/null)" ]
    done
}
