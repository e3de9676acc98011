#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# checkpoint: running containers to files and back; with test/lib/criu in criu's place, which saves the command alone. With the real one:
# test/vm/cases/criu.bats.
# machines: native v2

load ../lib/hull
setup_file() {
    hull_setup
    export FAKE_CRIU=$HULL_DIR/criu PATH=$BATS_TEST_DIRNAME/../lib/criu:$PATH
    mkdir "$FAKE_CRIU"
}
teardown_file() { hull_teardown; }
setup() {
    need_root
    rm -f "$FAKE_CRIU"/*
}

asked() { jq -c "$2" "$FAKE_CRIU/$1.json"; }
says() { hull inspect -f "$2" "$1"; }
# No directory of a checkpoint that came to nothing.
no_rest() { [ -z "$(find "$HULL_ROOT" -name '*.tmp-*')" ] && [ ! -e "$HULL_ROOT/imports" ]; }

@test "checkpoint create ends it, start --checkpoint goes on with it" {
    hull run -d --name one --network none box sh -c 'echo out; exec sleep 1000'
    pid=$(says one '{{.State.Pid}}')
    hull logs one | grep -q out || wait_until 30 sh -c "'$HULL' logs one | grep -q out"
    run -0 hull checkpoint create one c1
    [ "$output" = c1 ]
    [ "$(asked dump '[.kind, .pid, .leave_running, .tcp_established]')" = "[1,$pid,null,null]" ]
    [ "$(says one '{{.State.Status}} {{.State.ExitCode}} {{.State.Checkpointed}}')" = "exited 137 true" ]
    [ "$(hull checkpoint ls one)" = $'CHECKPOINT NAME\nc1' ]
    # What is in memory may be secret.
    [ "$(stat -c %a "$HULL_ROOT"/containers/*/checkpoints/c1)" = 700 ]
    jq -e '.[1:] | all(startswith("pipe:["))' "$HULL_ROOT"/containers/*/checkpoints/c1/descriptors.json
    run -0 hull start --checkpoint c1 one
    [ "$output" = one ]
    [ "$(says one '{{.State.Status}} {{.State.Restored}}')" = "running true" ]
    pid=$(says one '{{.State.Pid}}')
    [ "$(cat "/proc/$pid/comm")" = sleep ]
    hull stop -t 0 one
    # Started anew it is none that was restored.
    hull start one
    run -0 says one '{{json .State}}'
    [[ $output != *Restored* && $output != *Checkpointed* ]]
    hull checkpoint rm one c1
    [ -z "$(hull checkpoint ls -q one)" ]
    hull events --since 0 --until "$(date +%s.%N)" --filter container=one --format '{{.Action}}' >seen
    grep -qx checkpoint seen && grep -qx restore seen
    rm seen
    hull rm -f one
}

@test "its output goes to its log, and its end is told, as before" {
    hull run -d --name talks --network none box sh -c 'exec sleep 1000'
    hull checkpoint create talks c
    # The same command starts again in this stand-in: another one here.
    jq -nc '["sh", "-c", "echo restored; exit 7"]' >"$(echo "$HULL_ROOT"/containers/*/checkpoints/c)/command.json"
    hull start --checkpoint c talks
    run -0 hull wait talks
    [ "$output" = 7 ]
    [ "$(hull logs talks)" = restored ]
    hull rm talks
}

@test "--leave-running, --checkpoint-dir, several names" {
    hull run -d --rm --name stays --network none box sleep 1000
    run -1 hull checkpoint create stays c
    [[ $output == *"started with --rm"*"run on, or name another directory"* ]]
    mkdir "$HULL_DIR/elsewhere"
    hull checkpoint create --leave-running --tcp-established --file-locks --checkpoint-dir "$HULL_DIR/elsewhere" stays c1
    [ "$(asked dump '[.leave_running, .tcp_established, .file_locks]')" = "[1,1,1]" ]
    [ "$(says stays '{{.State.Status}}')" = running ]
    hull checkpoint create --leave-running --checkpoint-dir "$HULL_DIR/elsewhere" stays c0
    [ "$(hull checkpoint ls -q --checkpoint-dir "$HULL_DIR/elsewhere" stays)" = $'c0\nc1' ]
    run -1 hull checkpoint create --leave-running --checkpoint-dir "$HULL_DIR/elsewhere" stays c1
    [[ $output == *"has a checkpoint c1 already"* ]]
    hull checkpoint rm --checkpoint-dir "$HULL_DIR/elsewhere" stays c0
    mkdir "$HULL_DIR/elsewhere/mine"
    run -1 hull checkpoint rm --checkpoint-dir "$HULL_DIR/elsewhere" stays mine
    [[ $output == *"is no checkpoint"* ]]
    rmdir "$HULL_DIR/elsewhere/mine"
    [ "$(ls "$HULL_DIR/elsewhere")" = c1 ]
    rm -r "$HULL_DIR/elsewhere"
    hull kill stays
    no_rest
}

@test "a restart policy does not bring back what was saved" {
    hull run -d --name always --restart always --network none box sleep 1000
    hull checkpoint create always c
    [ "$(says always '{{.State.Status}}')" = exited ]
    hull start --checkpoint c always
    # What ends by itself afterwards does come back.
    kill -9 "$(says always '{{.State.Pid}}')"
    wait_until 30 sh -c "[ \"\$('$HULL' inspect -f '{{.State.Status}} {{.RestartCount}}' always)\" = 'running 1' ]"
    hull rm -f always
}

@test "a restored container is in its network and has its ports" {
    hull network create ck
    hull run -d --name net --network ck -p 127.0.0.1::80 box sleep 1000
    address=$(says net '{{.NetworkSettings.Networks.ck.IPAddress}}')
    hull checkpoint create net c
    hull start --checkpoint c net
    [ "$(says net '{{.NetworkSettings.Networks.ck.IPAddress}}')" = "$address" ]
    nsenter --net="/proc/$(says net '{{.State.Pid}}')/ns/net" ip -4 address | grep -q "inet $address/"
    [[ $(hull port net) == "80/tcp -> 127.0.0.1:"* ]]
    hull rm -f net
    hull network rm ck
}

@test "podman's words: container checkpoint, container restore, --all, --pre-checkpoint" {
    hull run -d --name aa --network none box sleep 1000
    hull run -d --name bb --network none box sleep 1000
    run -0 hull container checkpoint aa
    [ "$output" = aa ]
    # Criu's log is kept when that is asked for.
    [ -z "$(find "$HULL_ROOT" -name dump.log)" ]
    hull container restore aa
    hull container checkpoint --keep aa
    [ "$(find "$HULL_ROOT" -name dump.log | wc -l)" = 1 ]
    run -0 hull container checkpoint --all
    [ "$(says bb '{{.State.Checkpointed}}')" = true ]
    run -0 hull container restore --keep --all
    [ "$(says aa '{{.State.Status}}') $(says bb '{{.State.Status}}')" = "running running" ]
    # It replaces the one before.
    hull container checkpoint --pre-checkpoint bb
    [ "$(asked dump .kind)" = 4 ]
    [ "$(says bb '{{.State.Status}}')" = running ]
    hull container checkpoint --with-previous bb
    [ "$(asked dump .parent_img)" = '"../pre"' ]
    hull restore --tcp-close bb
    [ "$(asked restore .tcp_close)" = 1 ]
    [ -z "$(hull checkpoint ls -q bb)" ]
    run -1 hull restore bb
    [[ $output == *"has no checkpoint latest"* || $output == *"is running"* ]]
    run -125 hull restore
    [[ $output == *"name a container"* ]]
    run -125 hull restore --all aa
    [[ $output == *"--all goes without names"* ]]
    hull rm -f aa bb
}

@test "what cannot be: one line, and nothing has changed" {
    hull create --name made --network none box sleep 1000
    run -1 hull checkpoint create made c
    [[ $output == *"is created: only what runs can be saved"* ]]
    run -1 hull start --checkpoint none made
    [[ $output == *"has no checkpoint none"* ]]
    hull start made
    hull pause made
    run -1 hull checkpoint create made c
    [[ $output == *"is paused: unpause it first"* ]]
    hull unpause made
    hull stop -t 0 made
    run -125 hull start --checkpoint ../../x made
    [[ $output == *"invalid checkpoint name"* ]]
    run -125 hull start --checkpoint-dir /tmp made
    [[ $output == *"goes with --checkpoint"* ]]
    hull start made
    for at in pre-dump network-lock post-dump; do
        echo "$at" >"$FAKE_CRIU/fail"
        run -1 hull checkpoint create made c
        [ "${#lines[@]}" = 1 ]
        [[ $output == *"criu: "*"it was to fail at $at"* ]]
        [ "$(says made '{{.State.Status}}')" = running ]
        [[ $(says made '{{json .State}}') != *Checkpointed* ]]
    done
    rm "$FAKE_CRIU/fail"
    no_rest
    [ -z "$(hull checkpoint ls made)" ] || [ "$(hull checkpoint ls -q made)" = "" ]
    hull checkpoint create made c
    for at in setup-namespaces post-restore; do
        echo "$at" >"$FAKE_CRIU/fail"
        run -1 hull start --checkpoint c made
        [[ $output == *"criu: "*"it was to fail at $at"* ]]
        [ "$(says made '{{.State.Status}} {{.State.Pid}}')" = "exited 0" ]
    done
    rm "$FAKE_CRIU/fail"
    hull start --checkpoint c made
    hull rm -f made
}

@test "without criu, and with one that is too old" {
    hull run -d --name bare --network none box sleep 1000
    echo 3.10.1 >"$FAKE_CRIU/version"
    run -1 hull checkpoint create bare c
    [[ $output == *"criu 3.10 is too old"* ]]
    rm "$FAKE_CRIU/version"
    hull rm -f bare
    PATH=$HULL_DIR/no:/usr/sbin:/usr/bin:/sbin:/bin
    command -v criu && skip "criu is installed here"
    hull run -d --name bare --network none box sleep 1000
    run -1 hull checkpoint create bare c
    [[ $output == *"criu"*"install"* || $output == *"criu"*"not"* ]]
    [ "$(says bare '{{.State.Status}}')" = running ]
    no_rest
    hull rm -f bare
}

@test "who asked and is killed while criu works leaves it running" {
    hull run -d --name held --network none box sleep 1000
    mkfifo "$FAKE_CRIU/hold"
    "$HULL" checkpoint create held c 3>&- &
    client=$!
    wait_until 30 sh -c "[ -e '$FAKE_CRIU/held' ]"
    kill -9 "$client"
    wait "$client" || true
    echo >"$FAKE_CRIU/hold"
    wait_until 30 grep -q 'post-dump 0' "$FAKE_CRIU/notices" || { cat "$FAKE_CRIU/notices"; return 1; }
    rm "$FAKE_CRIU/hold"
    [ "$(says held '{{.State.Status}}')" = running ]
    hull checkpoint create held c
    no_rest
    hull start --checkpoint c held
    hull rm -f held
}

@test "who saves and is killed has saved nothing: the container is not told to be, and comes back" {
    hull run -d --name cut --restart always --network none box sleep 1000
    mkfifo "$FAKE_CRIU/hold-after"
    "$HULL" checkpoint create cut c 3>&- >told 2>&1 &
    client=$!
    wait_until 30 test -s "$FAKE_CRIU/asker"
    [ "$(says cut '{{.State.Checkpointed}}')" = true ]
    kill -9 "$(cat "$FAKE_CRIU/asker")"
    code=0
    wait "$client" || code=$?
    [ $code = 1 ]
    wait_until 30 sh -c "! '$HULL' inspect -f '{{json .State}}' cut | grep -q Checkpointed"
    # Criu's own end is not waited for.
    timeout 5 sh -c ": >'$FAKE_CRIU/hold-after'" || true
    kill -9 "$(says cut '{{.State.Pid}}')"
    wait_until 30 sh -c "[ \"\$('$HULL' inspect -f '{{.State.Status}} {{.RestartCount}}' cut)\" = 'running 1' ]"
    rm "$FAKE_CRIU/hold-after" told
    no_rest
    hull rm -f cut
}

file_of() { hull cp "$1:$2" - | tar -xO; }

@test "--export and --import: a container with its files, volumes and processes, in another store too" {
    hull run -d --name moves --network none -e A=1 -v moved:/v -v /nameless --label kind=x box \
        sh -c 'echo mine >/mine; rm /bin/ls; echo v >/v/f; echo n >/nameless/f; exec sleep 1000'
    wait_until 30 hull exec moves test -e /nameless/f
    run -0 hull container checkpoint --export "$HULL_DIR/ck.tar.zst" moves
    [ "$(says moves '{{.State.Status}} {{.State.Checkpointed}}')" = "exited true" ]
    [ "$(stat -c %a "$HULL_DIR/ck.tar.zst")" = 600 ]
    [ "$(head -c 4 "$HULL_DIR/ck.tar.zst" | od -An -tx1 | tr -d ' ')" = 28b52ffd ]
    no_rest
    # Here the name and the volume are taken.
    refuses 1 'volume moved is there already' container restore --import "$HULL_DIR/ck.tar.zst" --name second
    refuses 1 'in use' container restore --import "$HULL_DIR/ck.tar.zst" --ignore-volumes
    run -0 hull container restore --import "$HULL_DIR/ck.tar.zst" --ignore-volumes --name second
    [ "$(says second '{{.State.Status}} {{.State.Restored}} {{.Config.Labels.kind}}')" = "running true x" ]
    # What the stand-in restores is in no root of the container's.
    hull stop -t 0 second
    [ "$(file_of second /mine) $(file_of second /v/f)" = "mine v" ]
    run ! hull cp second:/nameless/f -
    run ! hull cp second:/bin/ls -
    says second '{{.Config.Env}}' | grep -q A=1
    [ "$(hull diff second | sort)" = "$(hull diff moves | sort)" ]
    hull rm -fv second moves
    hull volume rm moved
    # Elsewhere: nothing is there but the image.
    (
        export HULL_ROOT=$HULL_DIR/other HULL_RUN_ROOT=$HULL_DIR/other-run
        run -0 hull container restore --import - <"$HULL_DIR/ck.tar.zst"
        [ "$(says moves '{{.State.Status}}')" = running ]
        hull stop -t 0 moves
        [ "$(file_of moves /mine) $(file_of moves /v/f) $(file_of moves /nameless/f)" = "mine v n" ]
        [ -z "$(hull checkpoint ls -q moves)" ]
        no_rest
        hull rm -fv moves
        hull volume rm moved
        # One that cannot go on leaves nothing.
        echo post-restore >"$FAKE_CRIU/fail"
        run -1 hull container restore --import "$HULL_DIR/ck.tar.zst"
        [[ $output == *"criu: "*"it was to fail"* ]]
        rm "$FAKE_CRIU/fail"
        [ -z "$(hull ps -aq)$(hull volume ls -q)" ]
        hull container restore --import "$HULL_DIR/ck.tar.zst" --ignore-rootfs --keep --name bare
        [ -z "$(hull diff bare | grep mine)" ]
        hull container checkpoint --export "$HULL_DIR/plain.tar" --compress none --ignore-rootfs --ignore-volumes bare
        tar -tf "$HULL_DIR/plain.tar" >list
        grep -q '^checkpoint/' list
        run ! grep -E 'rootfs|volumes' list
        hull rm -f bare
        hull volume rm moved
        echo nonsense >"$HULL_DIR/bad.tar"
        run -1 hull container restore --import "$HULL_DIR/bad.tar"
        tar -C / -cf "$HULL_DIR/bad.tar" etc/hostname
        refuses 1 'no archive of' container restore --import "$HULL_DIR/bad.tar"
        no_rest
    )
    rm "$HULL_DIR"/*.tar* list
    refuses 125 'are for --export' container checkpoint --compress gzip any
    refuses 125 'one container' container checkpoint --export x --all
    refuses 125 'are for --import' container restore --name x any
    refuses 125 'without names' container restore --import x any
}

# The archive made anew, with $1 done in its directory.
tampered() {
    rm -rf "$HULL_DIR/forged" && mkdir "$HULL_DIR/forged"
    tar -C "$HULL_DIR/forged" -xf "$HULL_DIR/plain.tar"
    (cd "$HULL_DIR/forged" && eval "$1")
    tar -C "$HULL_DIR/forged" -cf "$HULL_DIR/forged.tar" .
}

@test "--import: what others made reaches no volume and no file that is here" {
    hull run -d --name honest --network none -v honest-v:/v box sleep 1000
    hull container checkpoint --export "$HULL_DIR/plain.tar" --compress none honest
    hull rm -fv honest
    hull volume rm honest-v
    hull volume create victim
    hull run --rm --network none -v victim:/v box sh -c 'echo precious >/v/f'
    before=$(hull volume ls -q)
    # The record says that the volume is one without a name, the request names another's.
    hex=$(printf '%064d' 7)
    tampered "sed -i 's/honest-v:/victim:/' container.json
        jq -c '(.. | objects | select(.Type? == \"volume\") | .Name) = \"$hex\"' container.json >new && mv new container.json
        mkdir tree && echo forged >tree/f && tar -C tree -cf volumes/0.tar f && rm -r tree"
    grep -q victim:/v "$HULL_DIR/forged/container.json" && grep -q "$hex" "$HULL_DIR/forged/container.json"
    refuses 1 'volume victim is there already' container restore --import "$HULL_DIR/forged.tar"
    [ "$(hull volume ls -q)" = "$before" ]
    [ "$(hull run --rm --network none -v victim:/v box cat /v/f)" = precious ]
    # One that cannot go on takes nothing with it, either, that was here.
    echo post-restore >"$FAKE_CRIU/fail"
    refuses 1 'criu: ' container restore --import "$HULL_DIR/forged.tar" --ignore-volumes
    rm "$FAKE_CRIU/fail"
    [ "$(hull volume ls -q)" = "$before" ]
    # criu follows what it finds among its files.
    echo kept >"$HULL_DIR/target"
    tampered "ln -s '$HULL_DIR/target' checkpoint/restore.log"
    refuses 1 'checkpoint/restore.log: not a file' container restore --import "$HULL_DIR/forged.tar"
    tampered "mv checkpoint away; ln -s away checkpoint"
    refuses 1 'checkpoint in the archive' container restore --import "$HULL_DIR/forged.tar"
    tampered "rm hull.json; ln -s /etc/hostname hull.json"
    refuses 1 'hull.json' container restore --import "$HULL_DIR/forged.tar"
    [ "$(cat "$HULL_DIR/target")" = kept ]
    # What one left that was killed, and what one has that is at it.
    mkdir -p "$HULL_ROOT/imports/1/files" "$HULL_ROOT/imports/2"
    exec 8>"$HULL_ROOT/imports/2/.lock"
    flock 8
    refuses 1 'hull.json' container restore --import "$HULL_DIR/forged.tar"
    [ "$(ls "$HULL_ROOT/imports")" = 2 ]
    exec 8>&-
    refuses 1 'hull.json' container restore --import "$HULL_DIR/forged.tar"
    [ -z "$(hull ps -aq)" ]
    no_rest
    hull volume rm victim
    rm -r "$HULL_DIR"/*.tar "$HULL_DIR/forged" "$HULL_DIR/target"
}
