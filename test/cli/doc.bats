#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What comes from the tables of commands: --help, man pages, completion.

load ../lib/hull
setup_file() {
    hull_setup
    hull create --name finished-one box true
    hull create --name other-one box true
    hull volume create pages
}
teardown_file() { hull_teardown; }

# The completions of a line that ends at the cursor, one a line.
complete_line() {
    local program=${1%% *}
    bash --noprofile --norc -c '
        source <("$HULL" completion bash "$2")
        COMP_WORDBREAKS=$'"' \t\n\"\\047><=;|&(:'"'
        COMP_LINE=$1 COMP_POINT=${#1}
        "_${2//-/_}" 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' - "${programs:-$(dirname "$HULL")}/$1" "$program"
}

@test "every command has --help with a usage line, and a man page that groff takes without a word" {
    hull man pages
    [ -f pages/hull.1 ] && [ -f pages/hull-run.1 ] && [ -f pages/hull-container-ls.1 ] && [ -f pages/hull-volume-create.1 ] &&
        [ -f pages/hull-oci-exec.1 ] && [ -f pages/hull-runtime.1 ] && [ -f pages/hull-runtime-exec.1 ]
    for page in pages/*.1; do
        name=$(basename "$page" .1)
        program=hull
        [[ $name != hull-runtime* ]] || program=hull-runtime
        words=${name#"$program"}
        help=$("$(dirname "$HULL")/$program" ${words//-/ } --help)
        [[ $help == "Usage:  $program${words//-/ }"* ]] || { echo "$name: $help"; return 1; }
    done
    if command -v groff >/dev/null; then
        said=$(groff -man -Tutf8 -ww -z pages/*.1 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
    fi
    grep -qF '\fB\-\-memory\fR' pages/hull-run.1
}

@test "completion: commands, groups, options, their values" {
    run -0 complete_line "hull insp"
    [ "$output" = inspect ]
    run -0 complete_line "hull volume "
    [ "${lines[*]}" = "clone create exists export import inspect ls prune rename rm" ]
    run -0 complete_line "hull container ls --no-"
    [ "$output" = --no-trunc ]
    run -0 complete_line "hull container list --no-"
    [ "$output" = --no-trunc ]
    run -0 complete_line "hull run --pull mi"
    [ "$output" = missing ]
    run -0 complete_line "hull run --pull=ne"
    [ "$output" = never ]
    run -0 complete_line "hull kill -s U"
    [ "${lines[*]}" = "USR1 USR2" ]
}

@test "completion: containers, images with a colon, volumes; an option's value is no argument" {
    run -0 complete_line "hull start fin"
    [ "$output" = finished-one ]
    run -0 complete_line "hull rm finished-one oth"
    [ "$output" = other-one ]
    run -0 complete_line "hull run --rm bo"
    [ "$output" = box:latest ]
    run -0 complete_line "hull run --rm box:la"
    [ "$output" = latest ]
    run -0 complete_line "hull run --name x bo"
    [ "$output" = box:latest ]
    run -0 complete_line "hull volume rm pa"
    [ "$output" = pages ]
    run -0 complete_line "hull inspect finished"
    [ "$output" = finished-one ]
}

@test "completion: after the image come files; shellcheck finds nothing" {
    touch afile
    run -0 complete_line "hull run box afi"
    [ "$output" = afile ]
    need_cmd shellcheck
    hull completion bash >completion.bash
    hull completion bash hull-runtime >runtime.bash
    run -0 shellcheck -S warning completion.bash runtime.bash
    refuses 125 'bash' completion zsh
    refuses 125 'hull-runtime' completion bash nosuch
}

@test "completion: hull-runtime, and the same words behind hull oci" {
    local programs=$PWD/programs
    mkdir -p programs state/one-container state/other
    printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$(dirname "$HULL")/hull-runtime" "$PWD/state" >programs/hull-runtime
    printf '#!/bin/sh\nshift; exec "%s" oci --root "%s" "$@"\n' "$HULL" "$PWD/state" >programs/hull
    chmod +x programs/*
    for program in "hull oci" hull-runtime; do
        run -0 complete_line "$program resu"
        [ "$output" = resume ]
        run -0 complete_line "$program exec --con"
        [ "$output" = --console-socket ]
        run -0 complete_line "$program --log-format js"
        [ "$output" = json ]
        run -0 complete_line "$program start "
        [ "${lines[*]}" = "one-container other" ]
    done
}
