#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real terminal (tmux): -it, window sizes, control keys, detaching and attaching again, progress.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

setup() {
    need_cmd tmux
    export HULL_TMUX=hull-terminal-$BATS_TEST_NUMBER-$$ TMUX_TMPDIR=$HULL_DIR
}
teardown() { tty_stop; }

# A shell of the host in the terminal, whose prompt ends in "host>".
host_shell() {
    PS1='host> ' tty_start t "PS1='host> ' sh"
    tty_shows 10 'host>'
}

@test "run -it: a prompt, a terminal, the exit status" {
    host_shell
    tty_type "'$HULL' run -it --rm box" Enter
    tty_shows 10 '/ #'
    tty_type 'tty; test -t 0 && test -t 1 && test -t 2 && echo all-three' Enter
    tty_shows 10 '^/dev/(pts/0|console)'
    tty_shows 10 '^all-three'
    tty_type 'exit 7' Enter
    tty_shows 10 'host>$'
    tty_type 'echo "status $?"' Enter
    tty_shows 10 '^status 7'
}

@test "the size of the window, at the start and when it changes" {
    host_shell
    tty_type "'$HULL' run -it --rm box stty size" Enter
    tty_shows 10 '^30 100'
    tty_shows 10 'host>$'
    tty_type clear Enter "'$HULL' run -it --rm box" Enter
    tty_shows 10 '/ #'
    tmux -L "$HULL_TMUX" resize-window -t t -x 77 -y 21
    sleep 0.3
    tty_type 'stty size' Enter
    tty_shows 10 '^21 77'
}

@test "ctrl-c is the container's; the terminal is as it was afterwards" {
    host_shell
    tty_type "before=\$(stty -g)" Enter
    sleep 0.3
    tty_type "'$HULL' run -it --rm box sh -c 'trap \"echo interrupted; exit 3\" INT; echo ready; sleep 60 & wait'" Enter
    tty_shows 10 'ready$'
    tty_type C-c
    tty_shows 10 'interrupted'
    tty_shows 10 'host>$'
    tty_type 'echo "status $?"; [ "$(stty -g)" = "$before" ] && echo "mode kept"' Enter
    tty_shows 10 '^status 3'
    tty_shows 10 '^mode kept'
}

@test "ctrl-p ctrl-q leaves it running; attach goes on with it; detach keys of one's own" {
    host_shell
    tty_type "'$HULL' run -it --name left box" Enter
    tty_shows 10 '/ #'
    tty_type 'here=42' Enter
    tty_type C-p C-q
    tty_shows 10 'host>$'
    status_is left running
    tty_type clear Enter "'$HULL' attach --detach-keys ctrl-a,d left" Enter
    sleep 0.5
    tty_type 'echo "value $here"' Enter
    tty_shows 10 '^value 42'
    tty_type C-a d
    tty_shows 10 'host>$'
    status_is left running
    tty_type clear Enter "'$HULL' attach left" Enter
    sleep 0.5
    tty_type 'exit 5' Enter
    tty_shows 10 'host>$'
    tty_type 'echo "status $?"' Enter
    tty_shows 10 '^status 5'
}

@test "start -ai, exec -it" {
    host_shell
    hull create -it --name again box
    tty_type "'$HULL' start -ai again" Enter
    tty_shows 10 '/ #'
    tty_type 'exit 4' Enter
    tty_shows 10 'host>$'
    tty_type 'echo "status $?"' Enter
    tty_shows 10 '^status 4'
    hull run -d --name inside box sleep 60
    tty_type clear Enter "'$HULL' exec -it inside sh" Enter
    tty_shows 10 '/ #'
    tty_type 'stty size; exit 6' Enter
    tty_shows 10 '^30 100'
    tty_shows 10 'host>$'
    tty_type 'echo "status $?"' Enter
    tty_shows 10 '^status 6'
    hull rm -f inside
}

@test "-t without a terminal here: output has a terminal's line ends; -it is refused" {
    run -0 sh -c '"$HULL" run --rm -t box echo line | od -c | head -n 1'
    [[ $output == *'\r'*'\n'* ]]
    refuses 125 'TTY' run --rm -it box true
    hull run -d --name notty box sleep 60
    refuses 125 'TTY' exec -it notty true
    hull rm -f notty
}

@test "without -t ctrl-c is handed on; three times leaves it running" {
    host_shell
    tty_type "'$HULL' run --name deaf box sleep 60" Enter
    wait_until 10 status_is deaf running
    sleep 0.3
    for _ in 1 2 3; do
        tty_type C-c
        sleep 0.3
    done
    tty_shows 10 'left running'
    status_is deaf running
    hull rm -f deaf
}

@test "run -d -it, attached to later" {
    host_shell
    hull run -dit --name later box
    tty_type "'$HULL' attach later" Enter
    sleep 0.5
    tty_type 'echo hello; exit' Enter
    tty_shows 10 '^hello'
    wait_until 10 status_is later exited
    run -0 hull logs later
    [[ $output == *hello* ]]
}

@test "load: progress on a terminal is drawn, the names are printed" {
    host_shell
    tty_type "'$HULL' load -i '$HULL_BUILD/box/box.tar'" Enter
    tty_shows 20 '^Loading .*box'
    tty_shows 20 '(Pull complete|Already exists)'
    tty_shows 20 '^Loaded image: box:latest'
}

@test "the terminal is closed: hull goes, the process hears SIGHUP; exec's ends with its own terminal" {
    tty_start t "'$HULL' run -it --name hears box sh -c 'trap \"exit 5\" HUP; echo ready; while :; do sleep 0.1; done'"
    tty_shows 10 ready
    client=$(tmux -L "$HULL_TMUX" list-panes -t t -F '#{pane_pid}')
    tmux -L "$HULL_TMUX" kill-session -t t
    wait_until 10 test ! -e "/proc/$client"
    wait_until 10 status_is hears exited
    [ "$(hull inspect -f '{{.State.ExitCode}}' hears)" = 5 ]

    # A shell without a handler, the first process of its container, does not hear it: it runs on, hull does not.
    tty_start t "'$HULL' run -it --name deaf box"
    tty_shows 10 '/ #'
    client=$(tmux -L "$HULL_TMUX" list-panes -t t -F '#{pane_pid}')
    tmux -L "$HULL_TMUX" kill-session -t t
    wait_until 10 test ! -e "/proc/$client"
    status_is deaf running

    tty_start t "'$HULL' exec -it deaf sh -c 'echo ready; exec sleep 1234'"
    tty_shows 10 ready
    client=$(tmux -L "$HULL_TMUX" list-panes -t t -F '#{pane_pid}')
    tmux -L "$HULL_TMUX" kill-session -t t
    wait_until 10 test ! -e "/proc/$client"
    wait_until 10 hull exec deaf sh -c '! pgrep -f "sleep 1234"'
}
