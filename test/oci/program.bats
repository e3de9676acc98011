#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The program itself: its options, its errors and its log; hull oci is the same under another name.
# machines: native v2

load ../lib/oci
setup_file() { oci_setup; }
teardown_file() { oci_teardown; }

@test "help, version, unknown words" {
    run -0 "$OCI" --help
    [[ ${lines[0]} == "Usage:  hull-runtime [OPTIONS] VERB [ARG...]" ]]
    for verb in create start state kill delete run exec ps pause resume list; do
        grep -q "^  $verb " <<<"$output"
        run -0 "$OCI" $verb --help
        [[ ${lines[0]} == "Usage:  hull-runtime $verb"* ]]
        run -0 "$OCI" --help
    done
    run -0 "$OCI" --version
    [[ ${lines[0]} == "hull-runtime version "* && ${lines[1]} == "spec: 1.3.0" ]]
    oci_refuses 1 'did you mean "start"' strat x
    oci_refuses 1 'unknown command' bogus
    oci_refuses 1 'unknown option' --bogus list
    oci_refuses 1 'exactly 1 argument' state
    oci_refuses 1 'exactly 1 argument' create a b
    oci_refuses 1 'cgroup-manager' --cgroup-manager none list
    oci_refuses 1 'rootless' --rootless maybe list
}

@test "hull oci: the same verbs, options and statuses" {
    bundle one '.process.args = ["sh", "-c", "exit 4"]'
    run -4 "$HULL" oci --root "$OCI_ROOT" run -b "$OCI_DIR/one" one
    run -0 "$HULL" oci --help
    [[ ${lines[0]} == "Usage:  hull oci [OPTIONS] VERB [ARG...]" ]]
    run -0 "$HULL" oci exec --help
    [[ ${lines[0]} == "Usage:  hull oci exec [OPTIONS] ID"* ]]
    run -0 "$HULL" help oci exec
    [[ ${lines[0]} == "Usage:  hull oci exec [OPTIONS] ID"* ]]
    run -1 "$HULL" oci --root "$OCI_ROOT" state nosuch
    [ "$output" = "hull oci: container does not exist: nosuch" ]
    run -0 "$HULL" oci --version
    [[ ${lines[0]} == "hull oci version "* ]]
}

@test "a log of lines, as text and as JSON, each with a level, a message and a time" {
    run -1 oci --log log state nosuch
    grep -qE '^time="20[^"]*Z" level=error msg="container does not exist: nosuch"$' log
    run -255 oci --log log.json --log-format json exec nosuch true
    run -1 oci --log file:log.json --log-format json state 'line
break'
    [ "$(wc -l <log.json)" -eq 2 ]
    [ "$(jq -rs '[.[].level] | unique | join(",")' log.json)" = error ]
    jq -e 'select(.time | test("^20.*Z$")) and (.msg | length > 10)' log.json
    oci_refuses 1 'log-format' --log-format xml list
    oci_refuses 1 'log-level' --log-level loud list
    oci_refuses 1 '/nosuch/log' --log /nosuch/log list
}

@test "--root: the state of containers is there and nowhere else" {
    mkdir -p other
    start two
    [ "$(oci list -q)" = two ]
    [ -z "$("$OCI" --root "$PWD/other" list -q)" ]
    run -1 "$OCI" --root "$PWD/other" state two
    [ "$("$OCI" --root="$OCI_ROOT" state two | jq -r .status)" = running ]
    [ "$(stat -c %a "$OCI_ROOT/two")" = 700 ]
}
