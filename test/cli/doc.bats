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
    bash --noprofile --norc -c '
        source <("$HULL" completion bash)
        hull() { "$HULL" "$@"; }
        COMP_WORDBREAKS=$'"' \t\n\"\\047><=;|&(:'"'
        COMP_LINE=$1 COMP_POINT=${#1}
        _hull 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' - "${1/#hull/$HULL}"
}

@test "every command has --help with a usage line, and a man page that groff takes without a word" {
    hull man pages
    [ -f pages/hull.1 ] && [ -f pages/hull-run.1 ] && [ -f pages/hull-container-ls.1 ] && [ -f pages/hull-volume-create.1 ]
    for page in pages/*.1; do
        name=$(basename "$page" .1)
        words=${name#hull}
        run -0 hull ${words//-/ } --help
        [[ $output == "Usage:  ${name//-/ }"* ]] || { echo "$name: $output"; return 1; }
        ! command -v groff >/dev/null || [ -z "$(groff -man -Tutf8 -ww -z "$page" 2>&1)" ]
    done
    grep -qF '\fB\-\-memory\fR' pages/hull-run.1
}

@test "completion: commands, groups, options, their values" {
    run -0 complete_line "hull insp"
    [ "$output" = inspect ]
    run -0 complete_line "hull volume "
    [ "${lines[*]}" = "create inspect ls prune rm" ]
    run -0 complete_line "hull container ls --no"
    [ "$output" = --no-trunc ]
    run -0 complete_line "hull container list --no"
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
    run -0 shellcheck -S warning completion.bash
    refuses 125 'bash' completion zsh
}
