#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# create, start, run, state, list, kill, delete, ps, pause, resume: what they do, and in which states they refuse to.
# machines: native native-v2 v2 v1 hybrid

load ../lib/oci
setup_file() { oci_setup; }
teardown_file() { oci_teardown; }

@test "create, start, kill, delete; the state between them" {
    bundle one '.annotations = {"org.example.a": "b"}'
    oci create -b "$OCI_DIR/one" --pid-file pid one </dev/null >/dev/null
    run -0 oci state one
    [ "$(jq -c '[.ociVersion, .id, .status, .bundle, .rootfs, .annotations]' <<<"$output")" = \
        "[\"1.3.0\",\"one\",\"created\",\"$OCI_DIR/one\",\"$OCI_DIR/one/rootfs\",{\"org.example.a\":\"b\"}]" ]
    [ "$(jq .pid <<<"$output")" = "$(cat pid)" ]
    oci_refuses 1 'already exists' create -b "$OCI_DIR/one" one
    oci start one
    [ "$(oci_status one)" = running ]
    oci_refuses 1 'cannot start a container that is running' start one
    oci_refuses 1 'cannot delete container one that is not stopped: running' delete one
    oci kill one 0
    oci kill one KILL
    wait_until 30 oci_is one stopped
    [ "$(oci_pid one)" = 0 ]
    oci_refuses 1 'cannot start a container that is stopped' start one
    oci_refuses 1 'container not running' kill one KILL
    oci_refuses 1 'container not running' kill one 0
    oci kill --all one KILL
    oci delete one
    for verb in state start kill delete pause resume ps; do
        oci_refuses 1 'container does not exist' $verb one
    done
    oci delete --force one
}

@test "run: the exit status; nothing is left, unless --keep says so" {
    bundle two '.process.args = ["sh", "-c", "exit 3"]'
    run -3 oci run -b "$OCI_DIR/two" two
    oci_refuses 1 'does not exist' state two
    run -3 oci run --keep -b "$OCI_DIR/two" two
    [ "$(oci_status two)" = stopped ]
    oci_refuses 1 'already exists' run -b "$OCI_DIR/two" two
    oci delete two
}

@test "list: a table, JSON, ids" {
    start three
    bundle four
    oci create -b "$OCI_DIR/four" four </dev/null >/dev/null
    run -0 oci list
    [[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
    grep -qE "^three +$(oci_pid three) +running +$OCI_DIR/three +20.*Z +root$" <<<"$output"
    grep -qE "^four +$(oci_pid four) +created " <<<"$output"
    [ "$(oci list -f json | jq -c '[.[] | [.id, .status]] | sort')" = '[["four","created"],["three","running"]]' ]
    [ "$(oci list -q | sort | tr '\n' ' ')" = "four three " ]
    oci_refuses 1 'format' list -f yaml
    oci delete -f four
    oci delete -f three
    [ -z "$(oci list -q)" ]
}

@test "ps: the container's processes and no other, by ps's own options; their numbers" {
    start five '.process.args = ["sh", "-c", "sleep 1001 & sleep 1002; true"]'
    wait_until 30 sh -c '"$OCI" --root "$OCI_ROOT" ps -f json five | jq -e "length == 3"'
    run -0 oci ps five
    [[ ${lines[0]} == UID*PID*CMD ]]
    [ "${#lines[@]}" -eq 4 ]
    [ "$(grep -c 'sleep 100[12]$' <<<"$output")" -eq 2 ]
    run -0 oci ps five -o args,pid
    [ "${#lines[@]}" -eq 4 ]
    [[ ${lines[0]} == "COMMAND "*"PID" ]]
    [ "$(oci ps -f json five | jq ".[0]")" = "$(oci_pid five)" ]
    [ "$(PATH=/nowhere "$(command -v "$OCI")" --root "$OCI_ROOT" ps five | head -n 2 | tr '\n' ' ')" = "PID $(oci_pid five) " ]
    oci_refuses 1 "find PID field" ps five -o args
    oci_refuses 1 'format' ps -f yaml five
    oci kill five KILL
    wait_until 30 oci_is five stopped
    [ "$(oci ps -f json five)" = "[]" ]
    run -0 oci ps five
    [ "${#lines[@]}" -eq 1 ]
}

@test "pause, resume: the processes stand still; what a paused container refuses" {
    start six '.process.args = ["sh", "-c", "while :; do echo >> /ticks; sleep 0.01; done"]'
    ticks=$OCI_DIR/six/rootfs/ticks
    wait_until 30 test -s "$ticks"
    oci_refuses 1 'not paused' resume six
    oci pause six
    [ "$(oci_status six)" = paused ]
    before=$(wc -c <"$ticks")
    oci_refuses 1 'container not running' pause six
    oci_refuses 255 'cannot exec in a paused container' exec six true
    oci_refuses 1 'cannot start' start six
    oci_refuses 1 'not stopped: paused' delete six
    [ "$(oci ps -f json six | jq length)" -ge 1 ]
    [ "$(wc -c <"$ticks")" = "$before" ]
    oci resume six
    wait_until 30 sh -c "[ \$(wc -c <'$ticks') -gt $before ]"
    [ "$(oci_status six)" = running ]
    oci pause six
    oci delete --force six
    oci_refuses 1 'does not exist' state six
}

@test "exec --ignore-paused waits until the container is resumed" {
    start seven
    oci pause seven
    "$OCI" --root "$OCI_ROOT" exec --ignore-paused seven echo later >out &
    wait_until 30 sh -c '[ $("$OCI" --root "$OCI_ROOT" ps -f json seven | jq length) -eq 2 ]'
    [ ! -s out ]
    oci resume seven
    wait $!
    [ "$(cat out)" = later ]
    # It is killed there: that is a failure.
    oci pause seven
    "$OCI" --root "$OCI_ROOT" exec --ignore-paused seven true 2>out &
    wait_until 30 sh -c '[ $("$OCI" --root "$OCI_ROOT" ps -f json seven | jq length) -eq 2 ]'
    oci kill --all seven KILL
    status=0
    wait $! || status=$?
    [ "$status" = 255 ]
}

@test "a container that was only created can be paused, and deleted" {
    bundle eight
    oci create -b "$OCI_DIR/eight" eight </dev/null >/dev/null
    oci pause eight
    [ "$(oci_status eight)" = paused ]
    oci_refuses 1 'cannot start a container that is paused' start eight
    oci resume eight
    [ "$(oci_status eight)" = created ]
    oci start eight
    [ "$(oci_status eight)" = running ]
    oci delete -f eight
    oci create -b "$OCI_DIR/eight" nine </dev/null >/dev/null
    oci delete nine
    oci_refuses 1 'does not exist' state nine
}

@test "kill: names and numbers of signals; a paused container's process dies" {
    start ten '.process.args = ["sh", "-c", "trap \"echo usr1 >> /got\" USR1; trap \"echo rt >> /got\" RTMIN; while :; do sleep 0.01; done"]'
    got=$OCI_DIR/ten/rootfs/got
    for signal in USR1 SIGUSR1 10 sigusr1; do
        : >"$got"
        wait_until 30 sh -c "\"\$OCI\" --root \"\$OCI_ROOT\" kill ten $signal; grep -q usr1 '$got'"
    done
    for signal in KILL2 99 '' 0x9 SIGSIG; do
        oci_refuses 1 'signal' kill ten "$signal"
    done
    oci pause ten
    oci kill ten KILL
    wait_until 30 oci_is ten stopped
    oci delete ten
}

@test "kill and delete of a container in the host's PID namespace take all of its processes" {
    start eleven 'del(.linux.namespaces[] | select(.type == "pid")) | .process.args = ["sh", "-c", "sleep 1003 & echo $!; wait"]'
    wait_until 30 test -s "$OCI_DIR/eleven/out"
    child=$(cat "$OCI_DIR/eleven/out")
    kill -0 "$child"
    oci kill eleven KILL
    wait_until 30 sh -c "! kill -0 $child"
    oci delete eleven
    start twelve 'del(.linux.namespaces[] | select(.type == "pid")) | .process.args = ["sh", "-c", "sleep 1003 & echo $!; exit"]'
    wait_until 30 oci_is twelve stopped
    child=$(cat "$OCI_DIR/twelve/out")
    kill -0 "$child"
    oci kill twelve KILL
    wait_until 30 sh -c "! kill -0 $child"
    oci_refuses 1 'not running' kill twelve KILL
    oci delete twelve
}

@test "kill and delete --regex" {
    start many-a
    start many-b
    start other
    oci kill --regex 'many-.' KILL
    wait_until 30 oci_is many-a stopped
    wait_until 30 oci_is many-b stopped
    [ "$(oci_status other)" = running ]
    oci delete --force --regex '^(many|other)'
    run ! grep -E 'many|other' <<<"$(oci list -q)"
    oci_refuses 1 'regular expression' delete --regex '('
}

@test "a thousand device rules, the last of which decide" {
    bundle devices '.process.args = ["sh", "-c", "echo >/dev/null && ! echo >/dev/full && head -c 1 /dev/zero | wc -c"] | .linux.resources.devices =
        [{allow: false, access: "rwm"}] + [range(1000) | {allow: (. % 2 == 0), type: "c", major: 240, minor: ., access: "rwm"}]'
    run -0 oci run -b "$OCI_DIR/devices" devices
    [ "${lines[-1]}" = 1 ]
}
