#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What happens when a container ends, or is not well: restart policies, health checks, waiting.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

field() {
    hull inspect -f "{{$2}}" "$1"
}

field_is() {
    [ "$(field "$1" "$2" 2>/dev/null)" = "$3" ]
}

restarted() {
    [ "$(field "$1" .RestartCount)" -ge "$2" ]
}

@test "on-failure: as often as was said, then it has ended" {
    hull run -d --name thrice --restart on-failure:2 box sh -c 'echo again; exit 3'
    wait_until 30 field_is thrice .RestartCount 2
    wait_until 30 field_is thrice .State.Status exited
    [ "$(field thrice .State.ExitCode)" = 3 ]
    [ "$(hull logs thrice | grep -c again)" = 3 ]
    [ "$(field thrice .HostConfig.RestartPolicy)" = '{on-failure 2}' ]
    # Started by hand it begins to count anew.
    hull start thrice
    wait_until 30 field_is thrice .State.Status exited
    wait_until 30 sh -c "[ \$('$HULL' logs thrice | grep -c again) = 6 ]"
}

@test "on-failure: who ends well does not come back" {
    hull run -d --name fine --restart on-failure box true
    run -0 hull wait fine
    sleep 0.3
    field_is fine .State.Status exited
    [ "$(field fine .RestartCount)" = 0 ]
}

@test "always: it comes back, also after it was killed from outside; stop ends it" {
    hull run -d --name always --restart always box sleep 1000
    kill -9 "$(field always .State.Pid)"
    wait_until 30 restarted always 1
    wait_until 30 field_is always .State.Status running
    hull exec always true
    hull stop -t 1 always
    sleep 0.3
    field_is always .State.Status exited
    hull start always
    hull kill always
    sleep 0.3
    field_is always .State.Status exited
}

@test "a signal that does not end a container for good does not end its policy" {
    hull run -d --name loop --restart unless-stopped box sh -c 'trap "exit 4" USR1; while :; do sleep 0.1; done'
    wait_until 30 sh -c "'$HULL' exec loop true"
    # Until the trap is set the signal kills nobody: pid 1 ignores what it has no handler for.
    wait_until 30 sh -c "'$HULL' kill -s USR1 loop >/dev/null 2>&1; [ \$('$HULL' inspect -f '{{.RestartCount}}' loop) -ge 1 ]"
    wait_until 30 field_is loop .State.Status running
    hull rm -f loop
}

# Long enough between two starts that it is found there.
waits_to_restart() {
    hull run -d --name "$1" --restart always box sh -c 'exit 7'
    wait_until 60 sh -c "'$HULL' inspect -f '{{.State.Status}} {{.RestartCount}}' $1 | grep -q 'restarting [4-9]'"
}

@test "while it waits to be started again: what is shown, what is refused" {
    waits_to_restart gap
    [ "$(field gap .State.Restarting) $(field gap .State.Running)" = "true true" ]
    [[ $(hull ps --filter status=restarting --format '{{.Names}} {{.Status}}') == "gap Restarting (7) "* ]]
    hull ps -q | grep -q .
    run hull exec gap true
    [[ $status -ne 0 && ( $output == *"is restarting"* || $output == *"is not running"* ) ]]
    run hull rm gap
    [[ $status -eq 1 && $output == *"stop it first"* ]]
    hull stop gap
    field_is gap .State.Status exited
    [ "$(field gap .State.ExitCode)" = 7 ]
    before=$(field gap .RestartCount)
    sleep 2
    [ "$(field gap .RestartCount)" = "$before" ]
    hull rm gap
}

@test "while it waits to be started again it is removed with -f, and nothing is left" {
    waits_to_restart gone
    pid=$(field gone .State.MonitorPid)
    hull rm -f gone
    wait_until 10 sh -c "! kill -0 $pid 2>/dev/null"
    ! hull inspect gone 2>/dev/null
}

@test "the process that waits is killed: the container has ended, and can be started" {
    waits_to_restart orphan
    kill -9 "$(field orphan .State.MonitorPid)"
    wait_until 10 field_is orphan .State.Status exited
    [ "$(field orphan .State.ExitCode)" = 7 ]
    [[ $(field orphan .State.Error) == *"does not come back"* ]]
    hull start orphan
    hull rm -f orphan
}

@test "nobody probes one whose monitor was killed: it is not healthy" {
    hull run -d --name left --health-cmd true --health-interval 100ms box sleep 1000
    wait_until 30 field_is left .State.Health.Status healthy
    [[ $(hull ps --filter name=left --format '{{.Status}}') == *"(healthy)" ]]
    pid=$(field left .State.Pid)
    kill -9 "$(field left .State.MonitorPid)"
    wait_until 30 field_is left .State.Health.Status unhealthy
    [[ $(hull ps --filter name=left --format '{{.Status}}') == *"(unhealthy)" ]]
    [ "$(hull ps -q --filter health=healthy --filter name=left)" = "" ]
    kill -9 "$pid"
    wait_until 30 field_is left .State.Status exited
    hull rm left
}

@test "wait: of one that restarts, the next end; nothing stays behind" {
    hull run -d --name waited --restart on-failure:1 box sh -c 'sleep 0.3; exit 6'
    run -0 hull wait waited
    [ "$output" = 6 ]
    run -0 hull wait waited
    [ "$output" = 6 ]
    wait_until 10 field_is waited .State.Status exited
}

@test "a start that fails is tried again as the policy says, and tells why" {
    mkdir src
    hull run -d --name torn --restart on-failure:2 -v "$PWD/src:/src" box sh -c 'sleep 0.2; exit 1'
    mv src src.away
    wait_until 30 field_is torn .State.Status exited
    [[ $(field torn .State.Error) == *src* ]]
    [ "$(field torn .RestartCount)" = 2 ]
    mv src.away src
    hull start torn
}

@test "health: starting, unhealthy, healthy; docker's document" {
    hull run -d --name probed --health-cmd 'cat /well' --health-interval 100ms --health-retries 2 box sleep 1000
    [[ $(hull ps --filter name=probed --format '{{.Status}}') == *"(health: starting)" ]] || field_is probed .State.Health.Status unhealthy
    wait_until 30 field_is probed .State.Health.Status unhealthy
    [ "$(field probed 'index .State.Health.Log 0' | grep -c 'No such file')" = 1 ]
    [ "$(field probed .State.Health.FailingStreak)" -ge 2 ]
    hull ps --filter health=unhealthy --format '{{.Names}} {{.Status}}' | grep -q '^probed .*(unhealthy)$'
    hull exec probed sh -c 'echo fine >/well'
    hull wait --condition healthy probed
    wait_until 30 sh -c "'$HULL' inspect probed | grep -q '\"Output\": \"fine'"
    [ "$(field probed .State.Health.FailingStreak)" = 0 ]
    [ "$(field probed 'len .State.Health.Log')" -le 5 ]
    run -0 hull healthcheck run probed
    hull exec probed rm /well
    run -1 hull healthcheck run probed
    hull wait --condition unhealthy probed
    hull rm -f probed
}

@test "health: a check that hangs is killed with what it started; one that prints much is cut; one that cannot be executed" {
    hull run -d --name hangs --health-cmd 'sleep 777 & sleep 778' --health-interval 100ms --health-timeout 200ms --health-retries 1 box sleep 1000
    wait_until 30 field_is hangs .State.Health.Status unhealthy
    field hangs 'index .State.Health.Log 0' | grep -q 'exceeded timeout'
    wait_until 30 sh -c "[ \$('$HULL' top hangs -eo args | grep -c 'sleep 77') -le 3 ]"
    hull rm -f hangs
    hull run -d --name loud --health-cmd 'yes | head -c 10000000' --health-interval 100ms box sleep 1000
    wait_until 30 field_is loud .State.Health.Status healthy
    [ "$(field loud '(index .State.Health.Log 0).Output' | wc -c)" -le 4104 ]
    hull rm -f loud
    hull run -d --name none --health-cmd true --health-interval 100ms --health-retries 1 --rootfs "$(mkdir -p bare/bin && cp "$(command -v busybox)" bare/bin/busybox && echo bare)" /bin/busybox sleep 1000
    wait_until 30 field_is none .State.Health.Status unhealthy
    [ "$(field none '(index .State.Health.Log 0).ExitCode')" = -1 ]
    hull rm -f none
}

@test "health: a pause does not make the check that runs fail; one by hand has the timeout too" {
    hull run -d --name halted --health-cmd 'echo x >>/count; [ $(wc -l </count) -gt 1 ] || sleep 1' --health-interval 200ms --health-timeout 2s --health-retries 1 \
        --health-on-failure kill box sleep 100000
    wait_until 30 hull exec halted test -s /count
    if hull pause halted 2>/dev/null; then
        sleep 3
        hull unpause halted
    fi
    hull wait --condition healthy halted
    field_is halted .State.Health.FailingStreak 0
    hull rm -f halted
    hull run -d --name long --health-cmd 'sleep 100000 & sleep 100000' --health-interval 1h --health-timeout 300ms box sleep 100001
    run -1 timeout 60 "$HULL" healthcheck run long
    [[ $output == *"longer than 300 ms"* ]]
    [ "$(hull top long | grep -c 'sleep 100000')" = 0 ]
    hull rm -f long
}

@test "health: within the start period failures do not count; while paused nothing is checked" {
    hull run -d --name slow --health-cmd 'echo x >>/count; false' --health-interval 1h --health-start-period 1h --health-start-interval 50ms --health-retries 1 box sleep 1000
    wait_until 30 hull exec slow sh -c '[ $(wc -l </count) -ge 3 ]'
    field_is slow .State.Health.Status starting
    field_is slow .State.Health.FailingStreak 0
    if hull pause slow 2>/dev/null; then
        before=$(field slow '(index .State.Health.Log 0).Start')
        sleep 0.5
        [ "$(field slow '(index .State.Health.Log 0).Start')" = "$before" ]
        hull unpause slow
    fi
    hull rm -f slow
}

@test "health-on-failure: kill, stop, restart" {
    hull run -d --name hk --health-cmd false --health-interval 50ms --health-retries 1 --health-on-failure kill box sleep 1000
    run -0 timeout 30 "$HULL" wait hk
    [ "$output" = 137 ]
    hull run -d --name hs --restart always --health-cmd false --health-interval 50ms --health-retries 1 --health-on-failure stop box \
        sh -c 'trap "exit 9" TERM; while :; do sleep 0.05; done'
    wait_until 30 field_is hs .State.Status exited
    [ "$(field hs .State.ExitCode)" = 9 ]
    [ "$(field hs .State.Health.Status)" = unhealthy ]
    hull run -d --name hr --health-cmd false --health-interval 50ms --health-retries 1 --health-on-failure restart --stop-timeout 1 box \
        sh -c 'trap "exit 0" TERM; while :; do sleep 0.05; done'
    wait_until 30 restarted hr 2
    hull rm -f hr
}

@test "run -d --wait: returns when it is healthy, fails when it ends before" {
    hull run -d --wait=healthy --name ready --health-cmd '[ -e /up ]' --health-interval 100ms --health-retries 1000 box sh -c 'sleep 0.5; >/up; sleep 1000'
    field_is ready .State.Health.Status healthy
    hull rm -f ready
    run hull run -d --wait --name never --health-cmd false --health-interval 100ms --health-retries 1000 box sh -c 'sleep 0.5; exit 3'
    [[ $status -ne 0 && $output == *"has ended with status 3"* ]]
    # Unhealthy is an end, too, but where it is started anew for that: that one is well when it comes back.
    run timeout 60 "$HULL" run -d --wait --name unwell --health-cmd false --health-interval 100ms --health-retries 2 box sleep 1000
    [[ $status -eq 125 && $output == *"container unwell is unhealthy"* ]]
    field_is unwell .State.Status running
    timeout 60 "$HULL" run -d --wait --name mended --health-cmd '[ -e /second ]' --health-interval 100ms --health-retries 2 --health-on-failure restart \
        box sh -c 'if [ -e /first ]; then touch /second; fi; touch /first; sleep 1000'
    field_is mended .State.Health.Status healthy
    hull rm -f unwell mended
    run hull run -d --wait --name unchecked box sleep 1000
    [[ $status -ne 0 && $output == *"has no health check"* ]]
    hull rm -f unchecked
}

@test "run -d --wait-timeout: one that does not become healthy is waited for no longer, and goes on" {
    run timeout 60 "$HULL" run -d --wait --wait-timeout 1 --name slow --health-cmd false --health-interval 1h --health-start-period 2h box sleep 1000
    [[ $status -eq 125 && $output == *"container slow is not healthy in the time it was given"* ]]
    field_is slow .State.Status running
    timeout 60 "$HULL" run -d --wait=running --wait-timeout 60 --name quick box sleep 1000
    hull rm -f slow quick
    refuses 125 'give --wait too' run -d --wait-timeout 5 box true
    refuses 125 'invalid --wait-timeout' run -d --wait --wait-timeout -5 box true
}

# The program that `timeout` has started: looked for each time, for it may not have by then.
child_has_pidfd() { find "/proc/$(pgrep -P "$1")/fd" -lname "*pidfd*" | grep -q .; }

@test "wait --condition healthy ends when the monitor is killed, and believes no word of before" {
    hull run -d --name watched --health-cmd 'test -e /well' --health-interval 1h --health-start-period 2h box sleep 100000
    timeout 60 "$HULL" wait --condition healthy watched >waited 2>&1 3>&- &
    waiter=$!
    wait_until 30 child_has_pidfd $waiter
    kill -9 "$(field watched .State.MonitorPid)"
    code=0
    wait $waiter || code=$?
    [ $code = 1 ]
    grep -q 'its monitor was killed' waited
    hull rm -f watched
    hull run -d --name was-well --health-cmd true --health-interval 200ms box sleep 100000
    hull wait --condition healthy was-well
    kill -9 "$(field was-well .State.MonitorPid)"
    refuses 1 'its monitor was killed' wait --condition healthy was-well
    run -0 timeout 60 "$HULL" wait --condition unhealthy was-well
    hull rm -f was-well
}

@test "wait --condition: removed, running, next-exit" {
    hull run -d --rm --name passing box sh -c 'sleep 0.5; exit 5'
    run -0 hull wait --condition removed passing
    [ "$output" = 5 ]
    hull create --name later box sh -c 'sleep 0.2; exit 4'
    (sleep 0.5; "$HULL" start later >/dev/null) &
    hull wait --condition running later
    wait $!
    run -0 hull wait later
    (sleep 0.5; "$HULL" start later >/dev/null) &
    run -0 hull wait --condition next-exit later
    [ "$output" = 4 ]
    wait $!
    run hull wait --condition happy later
    [[ $status -ne 0 && $output == *"invalid condition"* ]]
}

@test "--timeout ends it, and no policy brings it back" {
    hull run -d --name limited --timeout 1 --restart always box sleep 1000
    run -0 timeout 30 "$HULL" wait limited
    [ "$output" = 137 ]
    sleep 0.3
    field_is limited .State.Status exited
    # A frozen one, too.
    hull run -d --name frozen --timeout 2 box sleep 1000
    hull pause frozen || skip "nothing can be paused here"
    run -0 timeout 30 "$HULL" wait frozen
    [ "$output" = 137 ]
}

@test "--requires: what it needs is started first, whenever it starts" {
    hull create --name base box sleep 1000
    hull run -d --name above --requires base box sleep 1000
    field_is base .State.Status running
    hull stop -t 0 above base
    hull start above
    field_is base .State.Status running
    hull create --name both --requires base,above box true
    [ "$(hull inspect -f '{{len .HostConfig.HullRequires}}' both)" = 2 ]
    hull rm both
    hull rm -f base
    hull stop -t 0 above
    run hull start above
    [[ $status -ne 0 && $output == *"requires another"* ]]
    run hull create --requires nobody box true
    [[ $status -eq 125 && $output == *"--requires: no such container: nobody"* ]]
}

# The machine was started anew: what ran says another boot.
another_boot() {
    for name in "$@"; do
        id=$(field "$name" .Id)
        pid=$(field "$name" .State.MonitorPid)
        kill -9 "$pid" "$(field "$name" .State.Pid)" 2>/dev/null || true
        wait_until 10 sh -c "! kill -0 $pid 2>/dev/null"
        rm -rf "$HULL_RUN_ROOT/containers/$id"
        sed -i 's/"Boot":"[^"]*"/"Boot":"0"/' "$HULL_ROOT/containers/$id/state.json"
    done
}

@test "boot: always and unless-stopped come back, in order; stopped ones, others and those without a policy do not" {
    hull ps -aq | xargs "$HULL" rm -f >/dev/null
    hull run -d --name b-needed box sleep 1000
    hull run -d --name b-always --restart always --requires b-needed box sleep 1000
    hull run -d --name b-unless --restart unless-stopped box sleep 1000
    hull run -d --name b-failed --restart on-failure box sleep 1000
    hull run -d --name b-plain box sleep 1000
    hull run -d --name b-stopped --restart unless-stopped box sleep 1000
    hull run -d --name b-stopped-always --restart always box sleep 1000
    hull create --name b-created --restart always box sleep 1000
    hull stop -t 0 b-stopped b-stopped-always
    another_boot b-needed b-always b-unless b-failed b-plain
    run -0 hull boot
    for name in b-needed b-always b-unless b-failed b-stopped-always; do
        field_is "$name" .State.Status running || { echo "$name: $(field "$name" .State)"; false; }
    done
    for name in b-plain b-stopped; do
        field_is "$name" .State.Status exited
    done
    field_is b-created .State.Status created
    run -0 hull boot
    [ -z "$output" ]
}

@test "the monitor of a container with checks is small between them" {
    hull run -d --name still --health-cmd true --health-interval 3s --health-start-interval 50ms --health-start-period 1s box sleep 1000
    hull wait --condition healthy still
    pid=$(field still .State.MonitorPid)
    wait_until 30 sh -c "awk '/^Rss:/ { r = \$2 } END { exit !(r && r <= 768) }' /proc/$pid/smaps_rollup"
    hull rm -f still
}

@test "bad input" {
    refuses 125 'invalid --restart "sometimes"' run --restart sometimes box true
    refuses 125 'only on-failure takes' run --restart always:3 box true
    refuses 125 'on-failure' run --restart on-failure:-1 box true
    refuses 125 'contradict' run --rm --restart always box true
    refuses 125 'invalid --health-interval "soon"' run --health-interval soon box true
    refuses 125 '1ms at least' run --health-timeout 1us box true
    refuses 125 'invalid --health-retries' run --health-retries -2 box true
    refuses 125 'contradict' run --no-healthcheck --health-cmd true box true
    refuses 125 'invalid --health-on-failure "pray"' run --health-on-failure pray box true
    refuses 125 'invalid --health-cmd ""' run --health-cmd '' box true
    refuses 125 'give -d too' run --wait box true
    refuses 125 'invalid --timeout' run --timeout -4 box true
    hull run --rm --restart no box true
    hull run --rm --no-healthcheck box true
}
