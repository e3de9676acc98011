#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Exit statuses: docker's 125, 126, 127, the command's own, 128 + the signal.
# machines: native v2 v2:tester

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "the command's own status" {
    for n in 0 1 2 63 124 200 255; do
        run -$n hull run --rm box sh -c "exit $n"
    done
}

@test "128 + n for a signal" {
    run -137 hull run --rm box sh -c 'kill -9 $$; sleep 1; (kill -9 1)' || true
    hull run -d --name killed box sleep 60
    hull kill killed
    run -0 hull wait killed
    [ "$output" = 137 ]
    hull run -d --init --name termed box sleep 60
    hull kill -s TERM termed
    run -0 hull wait termed
    [ "$output" = 143 ]
}

@test "127: a command that is not there, by name and by path; the line says which" {
    refuses 127 'no-such-command' run --rm box no-such-command
    refuses 127 '/no/such/path' run --rm box /no/such/path
}

@test "126: a directory, a file that is not executable" {
    refuses 126 '/etc' run --rm box /etc
    refuses 126 '/etc/passwd' run --rm box /etc/passwd
}

@test "a script whose interpreter is missing names the interpreter" {
    printf '#!/bin/no-such-shell\n' >script
    chmod 755 script
    run hull run --rm -v "$PWD/script:/script:ro" box /script
    [ "$status" -eq 126 ] || [ "$status" -eq 127 ]
    [[ $output == *no-such-shell* ]]
    [ "${#lines[@]}" = 1 ]
}

@test "a program of another architecture says so" {
    # An ELF header of an s390x executable.
    printf '\177ELF\002\002\001\000\000\000\000\000\000\000\000\000\000\002\000\026' >alien
    head -c 200 /dev/zero >>alien
    chmod 755 alien
    run hull run --rm -v "$PWD/alien:/alien:ro" box /alien
    [ "$status" -eq 126 ]
    [[ $output == *alien* ]]
    [[ $output == *s390x* || $output == *architecture* || $output == *"machine"* ]]
    [ "${#lines[@]}" = 1 ]
}

@test "125: an error of hull's own; an option that does not exist" {
    refuses 125 'no-such-option' run --no-such-option box true
    refuses 125 'IMAGE|image|argument' run
}

@test "a failed start with --rm leaves no container, without --rm leaves one that says why" {
    run hull run --rm --name no-such-1 box no-such-command
    refute_container no-such-1
    run hull run --name no-such-2 box no-such-command
    run -0 hull inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' no-such-2
    [[ $output == "created 127 "*no-such-command* || $output == "exited 127 "*no-such-command* ]]
}

@test "exec: own status, 126, 127" {
    hull run -d --name exe box sleep 100
    run -5 hull exec exe sh -c 'exit 5'
    run -127 hull exec exe no-such-command
    run -126 hull exec exe /etc/passwd
    run -137 hull exec exe sh -c 'kill -9 $$'
    hull rm -f exe
    run -1 hull exec exe true
}

@test "wait prints the status, of several in order" {
    hull run -d --name w1 box sh -c 'exit 1'
    hull run -d --name w2 box sh -c 'sleep 0.2; exit 2'
    run -0 hull wait w1 w2
    [ "${lines[*]}" = "1 2" ]
}

@test "one of several that is missing: the others are done, the status is 1" {
    hull create --name there box true
    run -1 hull rm not-there there
    [[ $output == *not-there* ]]
    refute_container there
}

@test "help: on stdout, status 0; every verb has it, and its twin under container or image" {
    run -0 hull --help
    for verb in run create start stop restart kill rm ps logs exec attach wait inspect rename pause unpause top pull images rmi tag load history info version; do
        [[ $output == *"$verb"* ]] || { echo "no $verb"; false; }
        hull $verb --help >/dev/null
    done
    for verb in run create start stop restart kill rm ls logs exec attach wait inspect rename pause unpause top; do
        hull container $verb --help >/dev/null
    done
    for verb in pull ls rm tag load inspect history; do
        hull image $verb --help >/dev/null
    done
}

@test "an unknown verb is one line, with the near one" {
    refuses 125 'rum.*run|run.*rum' rum box || refuses 1 'rum.*run' rum box
}

@test "version and info answer in text, in templates and in JSON" {
    run -0 hull --version
    [[ $output == *hull*[0-9].[0-9]* ]]
    run -0 hull version
    run -0 hull version --format '{{.Client.Version}}'
    [[ $output =~ ^[0-9]+\.[0-9]+ ]]
    run -0 hull info
    [[ $output == *[Cc]group* ]]
    run -0 hull info --format '{{json .}}'
    python3 -c 'import json,sys; json.loads(sys.argv[1])' "$output"
}
