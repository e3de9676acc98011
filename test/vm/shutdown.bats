#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The machine is shut down while containers run: they are asked to end, and what is known of them after the next boot is right.

bats_require_minimum_version 1.5.0
RUN="$BATS_TEST_DIRNAME/run"
BATS_TEST_TIMEOUT=1800

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

vm() { "$RUN" --disk disk --limit 800 "$@"; }

@test "shutdown: a container that listens ends by itself, its record and its files are there after the boot" {
    # shellcheck disable=SC2016
    run -0 vm --power-off -- 'hull=build/src/cli/hull
        $hull run -d --name polite -v kept:/v box sh -c "trap \"echo bye >/v/bye; echo said; exit 3\" TERM; echo up; while :; do sleep 0.1; done"
        until $hull logs polite | grep up; do :; done
        systemctl poweroff; sleep 300'
    run -0 vm -- 'hull=build/src/cli/hull
        $hull inspect -f "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}" polite
        $hull logs polite; cat /var/lib/hull/volumes/kept/_data/bye
        $hull start polite && $hull inspect -f "{{.State.Status}}" polite && $hull rm -f polite && $hull run --rm box echo fine'
    echo "$output"
    [[ $output == *"exited 3 false"*up*said*bye*running*fine* ]]
}

@test "reboot by force: the container is known to have ended, how is not known" {
    # shellcheck disable=SC2016
    run -0 vm --power-off -- 'hull=build/src/cli/hull
        $hull run -d --name lost box sleep 1000
        sync; systemctl poweroff --force --force; sleep 300'
    # Another boot: what is resumed is the boot that was saved, and has its number.
    # shellcheck disable=SC2016
    run -0 vm --cold -- 'hull=build/src/cli/hull
        $hull ps -q
        $hull inspect -f "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}" lost
        $hull start lost && $hull exec lost echo again && $hull rm -f lost'
    echo "$output"
    [[ ${lines[0]} == "exited 255 "*restarted* && $output == *again* ]]
}

@test "reboot: hull boot brings back what restart policies promise, and nothing else" {
    # shellcheck disable=SC2016
    run -0 vm --power-off -- 'hull=build/src/cli/hull; export HULL_NETWORK=none
        for policy in always unless-stopped no; do
            $hull run -d --restart $policy --name $policy box sh -c "trap \"exit 0\" TERM; while :; do sleep 0.1; done"
        done
        $hull run -d --restart unless-stopped --name stopped box sleep 1000
        $hull stop -t 1 stopped
        systemctl poweroff; sleep 300'
    # shellcheck disable=SC2016
    run -0 vm --cold -- 'hull=build/src/cli/hull; export HULL_NETWORK=none
        echo before: $($hull ps --format "{{.Names}}")
        $hull boot
        echo after: $($hull ps --format "{{.Names}}" | sort)
        $hull exec always echo in && $hull rm -f $($hull ps -aq)'
    echo "$output"
    [[ $output == *"before:"[[:space:]]*"after: always unless-stopped"[[:space:]]*in* ]]
}
