#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hull build: what it draws on a terminal, and the logs of builds.
# machines: native v2

load ../lib/hull
load ../lib/build
setup_file() { hull_setup; }
teardown_file() {
    no_step_is_left
    hull_teardown
}

setup() {
    rm -rf "$HULL_DIR/ctx" "$HULL_DIR/lent"
    mkdir "$HULL_DIR/ctx" "$HULL_DIR/lent"
    cd "$HULL_DIR/ctx" || return 1
}

heads() { [ "$(grep -c '^.*\[+\] Building' ../seen)" -ge "$1" ]; }

@test "build progress: a step that says nothing is drawn again, and of a line what is written over the rest" {
    cat >Dockerfile <<'EOT'
FROM box
RUN printf 'first\rnow'; until [ -e /lent/go ]; do sleep 0.05; done; printf '\033[31mred\033[0m\n'
EOT
    "$HULL" build --progress tty --no-cache -v "$HULL_DIR/lent:/lent" . 2>../seen 3>&- &
    wait_until 60 grep -q '=> => now' ../seen
    n=$(grep -c '\[+\] Building' ../seen)
    wait_until 60 heads $((n + 3))
    run ! grep -q '=> => first' ../seen
    touch ../lent/go
    wait $!
    grep -q '\[+\] Building .*s (2/2) FINISHED' ../seen
    [ "$(grep -c FINISHED ../seen)" = 1 ]
    run ! grep '=> => .*31m' ../seen
}

@test "build progress: rows end in one column, and none is wider than the terminal" {
    printf 'FROM box\nRUN echo %0300d\n' 0 >Dockerfile
    hull build --progress tty --no-cache . 2>../seen
    run -0 sh -c "sed 's/\x1b\[[?0-9;]*[A-Za-z]//g; s/\r//' ../seen | grep '^ => ' | awk '{ print length(\$0) > 79, /s\$/ }' | sort -u"
    [[ $output != *'1 '* ]]
    sed 's/\x1b\[[?0-9;]*[A-Za-z]//g' ../seen | grep '^ => \[' | awk '{ print length($0) }' | sort -u >../widths
    [ "$(cat ../widths)" = 79 ]
}

@test "build progress: what is two columns wide is counted as two" {
    command -v tmux >/dev/null || skip "needs tmux"
    wide=$(printf '\346\227\245%.0s' $(seq 60))
    printf 'FROM box\nRUN echo %s; until [ -e /lent/go ]; do sleep 0.05; done\n' "$wide" >Dockerfile
    tmux -S "$HULL_DIR/tmux" -u new-session -d -x 60 -y 20 -s t "HULL_ROOT=$HULL_ROOT HULL_RUN_ROOT=$HULL_RUN_ROOT $HULL build --no-cache -v $HULL_DIR/lent:/lent .; exec cat" 3>&-
    shown() { tmux -S "$HULL_DIR/tmux" capture-pane -p -t t >../screen && grep -q "$1" ../screen; }
    wait_until 60 shown '=> => 日'
    wait_until 60 shown 'Building [1-9]'
    touch ../lent/go
    wait_until 60 shown 'FINISHED'
    tmux -S "$HULL_DIR/tmux" kill-server
    [ "$(grep -c '2/2\] RUN' ../screen)" = 1 ]
    [ "$(grep -c '=> =>' ../screen)" = 0 ]
}

@test "build progress: what builds said is kept, whole" {
    hull builder prune -af >/dev/null
    run -1 hull builder logs
    [[ $output == *'no log of a build'* ]]
    printf 'FROM box\nRUN i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done\n' >Dockerfile
    hull build -q . >/dev/null
    [ "$(hull builder logs | grep -c '^#2 .* line ')" = 3000 ]
    # What the cache has says nothing, and is no build to look at.
    hull build -q . >/dev/null
    printf 'FROM box\nRUN for i in $(seq 50); do echo "bad $i"; done; false\n' >Dockerfile
    run -1 hull build --progress tty .
    [[ $output == *'hull builder logs'* && $output != *$'\nbad 1\r\n'* ]]
    [[ $(hull builder logs) == *' bad 1'$'\n'*'exit status 1'* ]]
    [ "$(hull builder logs 2 | grep -c '^#2 .* line ')" = 3000 ]
    run -1 hull builder logs 3
    # One line that does not end is no reason to lose it.
    printf 'FROM box\nRUN head -c 3000000 /dev/zero | tr "\\\\0" x\n' >Dockerfile
    hull build -q . >/dev/null
    [ "$(hull builder logs | tr -dc x | wc -c)" -ge 3000000 ]
}
