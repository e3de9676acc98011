#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# postgres: initialised, asked through exec, restarted with its volume kept, moved to another container.

load ../lib/real
setup_file() {
    real_setup
    [ -z "${REAL_MISSING-}" ] || return 0
    hull pull -q "$REGISTRY/db:gz"
    hull tag "$REGISTRY/db:gz" db
}
teardown_file() { real_teardown; }
setup() { real_or_skip; }

sql() { hull exec "$1" psql -h /tmp -U postgres -At -c "$2"; }
ready() { hull exec "$1" pg_isready -h /tmp -q; }

@test "postgres: initialised, queried, restarted, its volume kept" {
    hull run -d --name db -v pgdata:/data --shm-size 64M db
    wait_until 60 ready db
    sql db 'create table t (n int)'
    sql db 'insert into t select generate_series(1, 1000)'
    [ "$(sql db 'select sum(n) from t')" = 500500 ]
    hull restart -t 30 db
    wait_until 60 ready db
    [ "$(sql db 'select count(*) from t')" = 1000 ]
    hull stop -t 30 db
    run -0 hull inspect -f '{{.State.ExitCode}}' db
    [ "$output" = 0 ]
    hull rm db
    hull run -d --name db2 -v pgdata:/data db
    wait_until 60 ready db2
    [ "$(sql db2 'select max(n) from t')" = 1000 ]
    hull rm -f db2
}

@test "postgres: killed hard, it comes back" {
    hull run -d --name hard -v pghard:/data db
    wait_until 60 ready hard
    sql hard 'create table t (n int)'
    sql hard 'insert into t values (7)'
    hull kill hard
    hull wait hard
    hull start hard
    wait_until 60 ready hard
    [ "$(sql hard 'select n from t')" = 7 ]
    hull rm -f -v hard
}

@test "postgres runs as its own user, whose volume it owns" {
    hull run -d --name own db
    wait_until 60 ready own
    run -0 hull exec own id -un
    [ "$output" = postgres ]
    run -0 hull exec own stat -c %U /data
    [ "$output" = postgres ]
    hull rm -f -v own
}
