#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# stats: docker's columns and JSON, against what the kernel counts.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
setup() { export HULL_TMUX=hull-stats-$$ TMUX_TMPDIR=$HULL_DIR; }
teardown() { tty_stop; }
teardown_file() { hull_teardown; }

@test "docker's columns, one picture" {
    hull run -d --name calm box sleep 1000
    run -0 hull stats --no-stream
    [[ ${lines[0]} == "CONTAINER ID "*"NAME "*"CPU % "*"MEM USAGE / LIMIT "*"MEM % "*"NET I/O "*"BLOCK I/O "*"PIDS" ]]
    [ "${#lines[@]}" = 2 ]
    [[ ${lines[1]} == "$(hull inspect -f '{{.Id}}' calm | cut -c1-12)"*calm*%*/*%*/*/*1 ]]
    hull rm -f calm
}

is_held_up() {
    hull stats --no-stream --format '{{.CPUPerc}} {{.Throttled}}' "$1" | awk '{ exit !($1 + 0 > 0.1 && $1 + 0 < 30 && $2 + 0 > 0) }'
}

@test "CPU, memory and processes are what was made of them" {
    need_controller memory
    need_controller cpu
    hull run -d --name busy --cpus 0.01 -m 64M box sh -c 'while :; do :; done'
    # A hundredth of a CPU, so that a busy machine lets it come so far, and held up.
    wait_until 60 is_held_up busy
    run -0 hull stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' busy
    [[ $output == "1 "*" / 64MiB" ]]
    hull rm -f busy
}

@test "json: docker's keys; -a shows those that have ended" {
    hull run --name over box true
    hull run -d --name here box sleep 1000
    run -0 hull stats --no-stream --format json
    [ "$(jq -r 'keys | join(" ")' <<<"$output")" = "BlockIO CPUPerc CPUPressure Container ID IOPressure MemPerc MemPressure MemUsage Name NetIO PIDs Throttled" ]
    [ "$(jq -r .Name <<<"$output")" = here ]
    run -0 hull stats -a --no-stream --format '{{.Name}} {{.CPUPerc}} {{.PIDs}}'
    [[ $output == *"over 0.00% 0"* ]]
    hull rm -f here over
}

@test "it goes on until it is told to end; who comes meanwhile is shown" {
    hull run -d --name first box sleep 1000
    timeout -s INT 60 "$HULL" stats --format '{{.Name}}' >out &
    pid=$!
    wait_until 30 grep -q first out
    hull run -d --name second box sleep 1000
    wait_until 30 grep -q second out
    hull rm -f first
    # What was kept open of it is of the one before.
    hull rename second third
    wait_until 30 grep -q third out
    hull restart -t 0 third
    : >out
    wait_until 30 grep -q third out
    hull pause third
    : >out
    wait_until 30 grep -q third out
    hull unpause third
    kill -INT $pid
    wait $pid || true
    hull rm -f third
}

@test "on a terminal: bars, one picture in the place of the other" {
    need_cmd tmux
    hull run -d --name drawn box sh -c 'while :; do :; done'
    tty_start t "LC_ALL=C.UTF-8 '$HULL' stats"
    tty_shows 30 'drawn .*[█▏▎▍▌▋▊▉]'
    tty_type C-c
    # A narrow one and a low one: cut, not wrapped, not scrolled.
    hull run -d --name second box sleep 1000
    wait_until 30 eval '! tmux -L "$HULL_TMUX" has-session -t t'
    tmux -L "$HULL_TMUX" -f /dev/null new-session -d -x 50 -y 3 -s small "LC_ALL=C.UTF-8 '$HULL' stats"
    TTY_NAME=small
    # The newest: there is no room for more.
    tty_shows 30 'second .*%'
    [[ $(tty_screen | sed -n 1p) == "CONTAINER ID"* ]]
    [ "$(tty_screen | grep -c .)" = 2 ] || { tty_screen; return 1; }
    tty_type C-c
    hull rm -f drawn second
}

@test "the order of ps: the newest first; those that are named as they are named" {
    for name in one two three four; do hull run -d --name $name box sleep 1000; done
    run -0 hull stats --no-stream --format '{{.Name}}'
    [ "${lines[*]}" = "four three two one" ]
    id=$(hull inspect -f '{{.Id}}' four)
    run -0 hull stats --no-stream --format '{{.Container}} {{.Name}}' two "${id:0:20}" one
    [ "$output" = "two two"$'\n'"${id:0:20} four"$'\n'"one one" ]
    run -0 hull stats --no-stream -l --no-trunc --format '{{.ID}}'
    [ "$output" = "$id" ]
    hull rm -af
}

@test "bad input" {
    refuses 125 'invalid --interval' stats -i 0
    refuses 1 'no such container: nobody' stats --no-stream nobody
    refuses 125 'template' stats --no-stream --format '{{.Nonsense'
}
