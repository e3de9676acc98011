#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cgroup top: what groups use, once, again and again, on a terminal.
# machines: native native-v2 v2

load ../lib/hull
setup_file() {
    need_root
    hull_setup
    export HULL_TMUX=hull-top-${HULL_DIR##*.}
    hull run -d --name busy box sh -c 'while :; do sleep 0.01; done'
    hull run -d --name idle box sleep 600
}
teardown_file() {
    tty_stop
    hull_teardown
}

row() {
    awk -v name="$1" '$NF == name { print }' "$2" | tail -n 1
}

@test "-n 1 prints once: a head, and groups with their containers" {
    run -0 hull cgroup top -n 1
    [[ ${lines[0]} =~ ^CGROUP\ +TASKS\ +%CPU\ +MEMORY\ +INPUT/S\ +OUTPUT/S\ +CONTAINER$ ]]
    printf '%s\n' "${lines[@]}" >once
    [[ $(row idle once) =~ ^/[^\ ]+\ +1\ +-\ +([0-9.]+[BKMG]|-)\ +-\ +-\ +idle$ ]] || { cat once; false; }
    [ -n "$(row busy once)" ]
    grep -qE '^/ ' once
    [[ $output != *$'\033'* ]]
}

@test "-n 2: rates since the table before; -b, -d, -r" {
    run -0 hull cgroup top -b -n 2 -d 300ms -r
    printf '%s\n' "${lines[@]}" >twice
    [ "$(grep -c ^CGROUP twice)" = 2 ]
    [[ $(row busy twice) =~ ^/[^\ ]+\ +[0-9]+\ +[0-9]+\.[0-9]\  ]] || { cat twice; false; }
    ! grep -qE '[0-9][KMG] ' twice
}

@test "sorted by path, tasks, memory; --depth" {
    run -0 hull cgroup top -n 1 -p
    printf '%s\n' "${lines[@]:1}" | awk '{ print $1 }' >paths
    LC_ALL=C sort -c paths
    run -0 hull cgroup top -n 1 -t
    printf '%s\n' "${lines[@]:1}" | awk '{ print $2 }' | sort -rn -c
    run -0 hull cgroup top -n 1 -m -r
    printf '%s\n' "${lines[@]:1}" | awk '$4 != "-" { print $4 }' | sort -rn -c
    run -0 hull cgroup top -n 1 --depth 0
    [ "${#lines[@]}" = 2 ]
    [[ ${lines[1]} == /\ * ]]
    run -0 hull cgroup top -n 1 --depth 1 --order path
    [[ $output != */*/* ]] || ! printf '%s\n' "${lines[@]:1}" | awk '{ print $1 }' | grep -q '/.*/'
}

@test "of one group, by its path or a container's name; -1" {
    path=$(hull cgroup ls --format '{{.Container}} {{.Path}}' | awk '$1 == "idle" { print $2; exit }')
    run -0 hull cgroup top -1 idle
    [ "${#lines[@]}" = 2 ]
    [[ ${lines[1]} == "$path "*idle ]]
    run -0 hull cgroup top -1 "${path%/*}" -p
    [[ ${lines[1]} == "${path%/*} "* && $output == *idle* && $output == *busy* ]]
    run -0 hull cgroup top -1 --depth 0 "${path#/}"
    [[ ${#lines[@]} = 2 && ${lines[1]} == "$path "* ]]
    refuses 1 'no such cgroup: /nosuch' cgroup top -1 nosuch
}

@test "what is wrong" {
    refuses 1 'order "size".*memory' cgroup top --order size
    refuses 1 'delay "soon"' cgroup top -d soon
    refuses 1 'delay "0"' cgroup top -d 0
    refuses 125 'iterations' cgroup top -n x
}

@test "on a terminal: the screen, keys that sort, ^C puts everything back" {
    need_cmd tmux
    tty_start top "sh -c 'stty -a >before; echo at the beginning; $HULL cgroup top -d 200ms; echo status \$?; stty -a >after; sleep 60'"
    tty_shows 30 '^CGROUP +TASKS'
    tty_shows 30 'idle$'
    tty_type p
    tty_type t
    tty_shows 30 '^/ '
    tty_type C-c
    tty_shows 30 'status 0'
    tty_shows 30 'at the beginning'
    cmp before after
    tty_stop
}

@test "one that takes longer for a table than its delay still ends when it is told to" {
    "$HULL" cgroup top -b -d 1ms >many 2>&1 3>&- &
    top=$!
    wait_until 30 grep -q '^CGROUP' many
    kill -TERM $top
    wait_until 30 sh -c "! kill -0 $top 2>/dev/null"
    wait $top
}

@test "on a terminal of almost no size; killed by a signal" {
    need_cmd tmux
    tty_start small "sh -c 'stty rows 1 cols 1; $HULL cgroup top -n 3 -d 100ms; echo status \$? >small; sleep 60'"
    wait_until 30 grep -qx 'status 0' small
    tty_start killed "sh -c '$HULL cgroup top -d 100ms; echo status \$?; sleep 60'"
    tty_shows 30 '^CGROUP'
    pid=$(tmux -L "$HULL_TMUX" display-message -p -t killed '#{pane_pid}')
    kill -TERM "$(cat /proc/$pid/task/$pid/children)"
    tty_shows 30 'status 0'
    tty_stop
}
