#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods: containers that share namespaces, mounts, limits and a name; their verbs; what a pod leaves, also when something of it is killed.
# machines: native v2 v2:tester

: "${BATS_TEST_TIMEOUT:=400}" # a sweep
load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }
teardown() { hull pod rm -fa >/dev/null; }

LOOP='trap "exit 0" TERM; while :; do sleep 0.05; done'

# ns NAME KIND: the namespace of a container's first process.
ns() { readlink "/proc/$(hull inspect -f '{{.State.Pid}}' "$1")/ns/$2"; }

monitor_of() { hull pod inspect -f '{{.MonitorPid}}' "$1"; }

pod_is() {
    [ "$(hull pod inspect -f '{{.State}}' "$1")" = "$2" ]
}

gone() { ! ps -o stat= -p "$1" | grep -qv Z; }

# Neither files of pods nor groups below hull's own.
nothing_of_pods() {
    find "$HULL_RUN_ROOT/pods" "$HULL_ROOT/pods" -mindepth 1 ! -path "$HULL_ROOT/pods/names"
    find /sys/fs/cgroup -maxdepth 3 -type d -path "*/hull/$1*"
}

@test "net, ipc and uts are shared, the rest is each container's own; /dev/shm, System V messages, the host name" {
    hull pod create --name three >/dev/null
    hull run -d --pod three --name three-a box sh -c "$LOOP"
    hull run -d --pod three --name three-b box sh -c "$LOOP"
    for kind in net ipc uts; do
        [ "$(ns three-a $kind)" = "$(ns three-b $kind)" ]
        [ "$(ns three-a $kind)" != "$(readlink /proc/self/ns/$kind)" ]
    done
    for kind in pid mnt; do
        [ "$(ns three-a $kind)" != "$(ns three-b $kind)" ]
    done
    run -0 hull exec three-a sh -c 'echo shared >/dev/shm/word; hostname; cat /etc/hostname'
    [ "$output" = $'three\nthree' ]
    run -0 hull exec three-b cat /dev/shm/word
    [ "$output" = shared ]
    # One listens, the other comes by 127.0.0.1.
    hull exec -d three-a sh -c 'mkdir /www; echo page >/www/x; exec httpd -f -p 8123 -h /www'
    wait_until 30 hull exec three-b wget -q -O - http://127.0.0.1:8123/x
    run -0 hull exec three-b sh -c 'grep -c three /etc/hosts'
    [ "$output" = 1 ]
    run -0 hull ps -f pod=three --format '{{.Names}} {{.PodName}}'
    [ "$output" = $'three-b three\nthree-a three' ]
    run -0 hull ps --pod
    [[ ${lines[0]} == *"POD ID"*"PODNAME"* ]]
    [ "$(hull inspect -f '{{.Pod}}' three-a)" = "$(hull pod inspect -f '{{.Id}}' three)" ]
    [ "$(hull pod inspect -f '{{range .Containers}}{{.Name}}:{{.State}} {{end}}{{.NumContainers}}' three)" = "three-a:running three-b:running 2" ]
}

@test "a pod lives from its first start until it is stopped; with the exit policy stop until its last container has ended" {
    hull pod create --name stays >/dev/null
    hull pod create --name goes --exit-policy stop >/dev/null
    pod_is stays Created
    for pod in stays goes; do
        hull run --rm --pod $pod box sh -c 'echo kept >/dev/shm/f'
    done
    pod_is stays Running
    run -0 hull run --rm --pod stays box cat /dev/shm/f
    [ "$output" = kept ]
    wait_until 30 pod_is goes Exited
    run ! hull run --rm --pod goes box cat /dev/shm/f
    monitor=$(monitor_of stays)
    hull pod stop stays
    wait_until 10 gone "$monitor"
    pod_is stays Exited
    hull pod start stays
    pod_is stays Running
    run ! hull run --rm --pod stays box cat /dev/shm/f
}

@test "verbs: start, stop, restart, kill, pause, unpause do it to all; the states; events" {
    hull pod create --name verbs --label a=b >/dev/null
    for c in one two; do
        hull create --pod verbs --name verbs-$c box sh -c "$LOOP" >/dev/null
    done
    pod_is verbs Created
    run -0 hull pod start verbs
    [ "$output" = verbs ]
    pod_is verbs Running
    hull stop -t 0 verbs-one
    pod_is verbs Degraded
    hull pod start verbs
    pod_is verbs Running
    hull pod pause verbs
    pod_is verbs Paused
    status_is verbs-one paused
    hull pod unpause verbs
    pod_is verbs Running
    before=$(hull inspect -f '{{.State.Pid}}' verbs-two)
    hull pod restart verbs
    [ "$before" != "$(hull inspect -f '{{.State.Pid}}' verbs-two)" ]
    hull pod kill verbs
    [ "$(hull inspect -f '{{.State.ExitCode}}' verbs-one verbs-two)" = $'137\n137' ]
    pod_is verbs Degraded
    hull pod stop verbs
    pod_is verbs Exited
    run -0 hull pod ls --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}' -f name=verbs
    [ "$output" = "verbs Exited 2" ]
    run -0 hull pod ps -q --no-trunc -f label=a=b -f status=exited
    [ "$output" = "$(hull pod inspect -f '{{.Id}}' verbs)" ]
    hull pod rm verbs
    run -0 hull events --stream=false --since 1h -f type=pod -f pod=verbs --format '{{.Action}}'
    [ "${lines[0]} ${lines[1]} ${lines[-1]}" = "create start remove" ]
    run -1 hull pod exists verbs
    refute_container verbs-one
}

@test "the pod's limits hold for all of its containers together; their groups are below its own" {
    need_controller pids
    hull pod create --name limited --pids-limit 8 >/dev/null
    hull run -d --pod limited --name limited-a box sh -c "$LOOP"
    id=$(hull pod inspect -f '{{.Id}}' limited)
    [[ $(container_cgroup limited-a pids) == */$id/* ]]
    [ "$(cgroup_value pids "$(dirname "$(container_cgroup limited-a pids)")" pids.max pids.max)" = 8 ]
    run hull run --rm --pod limited box sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 20 & done; wait'
    [ "$status" -ne 0 ]
    hull pod rm -f limited
    wait_until 10 nothing_of nothing_of_pods "$id"
}

@test "--share: none, +pid; who shares PIDs sees the others, below a first process that reaps and shows nothing" {
    hull pod create --name alone --share none >/dev/null
    hull run -d --pod alone --name alone-a box sh -c "$LOOP"
    hull run -d --pod alone --name alone-b box sh -c "$LOOP"
    for kind in net ipc uts; do
        [ "$(ns alone-a $kind)" != "$(ns alone-b $kind)" ]
    done
    hull pod create --name all --share +pid >/dev/null
    hull run -d --pod all --name all-a box sh -c "$LOOP"
    hull run -d --pod all --name all-b box sleep 12345
    [ "$(ns all-a pid)" = "$(ns all-b pid)" ]
    run -0 hull exec all-a ps
    [[ $output == *"sleep 12345"* ]]
    run -0 hull exec all-a cat /proc/1/comm
    [ "$output" = hull-pod-init ]
    run ! hull exec all-a ls /proc/1/root/
    # A plain user's privileges do not reach that far.
    if [ "$(id -u)" = 0 ]; then
        run -0 hull run --rm --privileged --pod all box ls -A /proc/1/root/
        [ "$output" = "" ]
    fi
    # Whoever was left without a parent is reaped.
    hull exec all-a sh -c '(sleep 0.1 &)'
    wait_until 10 sh -c '! "$HULL" exec all-a ps | grep -q "Z.*sleep"'
    # One that ends takes no other along.
    hull stop -t 0 all-b
    status_is all-a running
}

@test "mounts, devices, the restart policy and security options of the pod are its containers'" {
    mkdir -p shared
    echo file >shared/f
    hull pod create --name gives -v "$PWD/shared:/shared:ro" -v pod-volume:/data --restart on-failure:1 --security-opt no-new-privileges >/dev/null
    run -0 hull run --rm --pod gives --name gives-a box sh -c 'cat /shared/f; echo kept >/data/x; grep NoNewPrivs /proc/self/status'
    [ "${lines[0]} ${lines[1]}" = $'file NoNewPrivs:\t1' ]
    run -0 hull run --pod gives --name gives-b box cat /data/x
    [ "$output" = kept ]
    [ "$(hull inspect -f '{{.HostConfig.RestartPolicy.Name}}' gives-b)" = on-failure ]
    hull pod rm -f gives
    hull volume rm pod-volume
}

@test "what its restart policy brings back is in its pod, which stays meanwhile" {
    hull pod create --name back --exit-policy stop >/dev/null
    hull run -d --pod back --name back-a --restart always box sh -c 'echo once >>/dev/shm/lines; sleep 0.2; exit 1'
    monitor=$(monitor_of back)
    wait_until 60 sh -c "[ \"\$('$HULL' inspect -f '{{.RestartCount}}' back-a)\" -ge 2 ]"
    [ "$(monitor_of back)" = "$monitor" ]
    # The memory it left is there.
    [ "$(hull run --rm --pod back box grep -c once /dev/shm/lines)" -ge 2 ]
    hull pod rm -f back
}

@test "the first process of a shared PID namespace has no rights" {
    hull pod create --name bare --share +pid >/dev/null
    run -0 hull run --rm --pod bare --cap-add SYS_PTRACE box grep -E 'CapPrm|CapEff|CapBnd|NoNewPrivs' /proc/1/status
    [ "$output" = $'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1' ]
    hull pod rm -f bare
}

@test "--pod new:NAME; --pod-id-file; a copy of a container is in the pod, too; what fails leaves no pod" {
    run -0 hull run --rm --pod new:fresh --hostname spelled --add-host far:192.0.2.7 box sh -c 'hostname; grep -c 192.0.2.7 /etc/hosts'
    [ "$output" = $'spelled\n1' ]
    pod_is fresh Running
    refuses 125 'in use by pod' run --rm --pod new:fresh box true
    refuses 125 'user' run --rm --pod new:bad --user no-such-user box true
    hull pod exists bad # it was made; the container could not be started
    run ! hull run --rm --pod new:worse --pull never no-such-image true
    run -1 hull pod exists worse
    hull pod create --name filed --pod-id-file id >/dev/null
    hull create --pod-id-file id --name filed-a -v /x box sleep 1000 >/dev/null
    hull clone filed-a filed-b >/dev/null
    run -0 hull pod start --pod-id-file id
    [ "$output" = "$(cat id)" ] || [ "$output" = filed ]
    [ "$(ns filed-a net)" = "$(ns filed-b net)" ]
    hull pod stop -t 0 --pod-id-file id
    pod_is filed Exited
    refuses 1 'pod-id-file.*no-such-file' pod rm --pod-id-file no-such-file
    run -0 hull pod rm -i --pod-id-file no-such-file
    refuses 125 'exclude each other' pod rm --all --pod-id-file id
    hull pod rm -f --pod-id-file id
    run -1 hull pod exists filed
}

@test "what is the pod's to say is refused of a container; names, options and mistakes" {
    hull pod create --name strict >/dev/null
    for option in "--network none" "--dns 192.0.2.1" "--add-host a:192.0.2.1" "-h name" "--ipc private" "--uts private" "-p 80" "--userns auto" \
        "--cgroup-parent /x"; do
        # shellcheck disable=SC2086
        refuses 125 "is said of the pod" run --rm --pod strict $option box true
    done
    refuses 125 'invalid --ipc' run --rm --pod strict --ipc "pod:$(hull pod inspect -f '{{.Id}}' strict)" box true
    refuses 125 'no such pod: nowhere' run --rm --pod nowhere box true
    refuses 1 'in use by pod' pod create --name strict
    refuses 125 'invalid --share "nets"' pod create --share nets
    refuses 125 'need --share net' pod create --share none -p 80:80
    refuses 125 'exit-policy' pod create --exit-policy leave
    refuses 125 'invalid --name' pod create --name 'a b'
    refuses 1 'no such pod' pod rm nowhere
    refuses 125 'name a pod' pod stop
    refuses 125 'exclude each other' pod stop -a strict
    refuses 125 'invalid --filter' pod ls -f color=red
    run -0 hull pod rm --ignore nowhere
    run -0 hull pod stop --ignore nowhere
    hull run -d --pod strict --name strict-a box sleep 1000
    refuses 1 'has containers that run' pod rm strict
    hull pod create --replace --name strict >/dev/null
    refute_container strict-a
    [ "$(hull pod inspect -f '{{.NumContainers}}' strict)" = 0 ]
}

@test "logs, top, stats, prune" {
    hull pod create --name seen >/dev/null
    hull run --pod seen --name seen-a box sh -c 'echo from a'
    hull run --pod seen --name seen-b box sh -c 'echo from b; echo wrong >&2'
    run -0 --separate-stderr hull pod logs --names seen
    [ "$output" = $'seen-a from a\nseen-b from b' ]
    [ "$stderr" = "seen-b wrong" ]
    run -0 hull pod logs -c seen-a seen
    [ "$output" = "$(hull inspect -f '{{slice .Id 0 12}}' seen-a) from a" ]
    hull run -d --pod seen --name seen-c box sleep 4321
    run -0 hull pod top seen -o pid,args
    [[ $output == *"sleep 4321"* ]]
    run -0 hull pod stats --no-stream --format '{{.Name}}' seen
    [ "$output" = seen-c ]
    hull pod create --name idle >/dev/null
    # One that was only made is to be used yet.
    run -0 hull pod prune -f
    [ -z "$output" ]
    hull pod start idle
    hull pod stop idle
    run -0 hull pod prune -f
    [ "${#lines[@]}" = 1 ]
    hull pod exists seen
    run -1 hull pod exists idle
}

@test "a pod's monitor that is killed: its containers run on, the next commands tell the truth, stop and start repair it" {
    hull pod create --name hit >/dev/null
    hull run -d --pod hit --name hit-a box sh -c "$LOOP"
    monitor=$(monitor_of hit)
    kill -9 "$monitor"
    wait_until 10 gone "$monitor"
    status_is hit-a running
    # Who comes to it starts another one, which takes what the first had made of a container that runs.
    hull exec hit-a sh -c 'echo kept >/dev/shm/f'
    run -0 hull run --rm --pod hit box sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname; cat /dev/shm/f'
    [ "$output" = "$(hull exec hit-a sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/ipc')"$'\nhit\nkept' ]
    [ "$(monitor_of hit)" != "$monitor" ]
    pod_is hit Running
    hull pod restart hit
    pod_is hit Running
    status_is hit-a running
    monitor=$(monitor_of hit)
    hull stop -t 0 hit-a
    kill -9 "$monitor"
    wait_until 10 gone "$monitor"
    pod_is hit Exited
    run -0 hull run --rm --pod hit box true
    id=$(hull pod inspect -f '{{.Id}}' hit)
    hull pod rm -f hit
    wait_until 10 nothing_of nothing_of_pods "$id"
}

@test "killed at any system call, create, run --pod, stop and rm leave nothing that the next command does not take away" {
    need_cmd strace
    strace -o /dev/null -e inject=all:signal=KILL:when=5 true && skip "strace cannot inject signals here"
    for n in $(seq 40 61 500); do
        timeout 30 strace -o /dev/null -e "inject=all:signal=KILL:when=$((n / 2))" "$HULL" pod create "c$n" >/dev/null 2>&1 || true
        # strace waits for all that it follows: the pod's monitor is to end, too.
        hull pod create --exit-policy stop "k$n" >/dev/null
        timeout 30 strace -f -o /dev/null -e "inject=all:signal=KILL:when=$n" "$HULL" run --rm --pod "k$n" box true >/dev/null 2>&1 || true
        timeout 30 strace -o /dev/null -e "inject=all:signal=KILL:when=$n" "$HULL" pod rm -fa >/dev/null 2>&1 || true
        hull pod rm -fa >/dev/null
        ids=$(hull ps -aq)
        # shellcheck disable=SC2086
        [ -z "$ids" ] || hull rm -f $ids >/dev/null
        wait_until 10 nothing_of nothing_of_pods xx || { nothing_of_pods xx; return 1; }
    done
}

@test "system reset ends pods, too" {
    export HULL_ROOT=$HULL_DIR/other/root HULL_RUN_ROOT=$HULL_DIR/other/run
    mkdir "$HULL_DIR/other"
    hull pod create --name held >/dev/null
    hull pod start held
    monitor=$(monitor_of held)
    hull system reset -f
    wait_until 10 gone "$monitor"
    [ -z "$(find "$HULL_DIR/other" -type f ! -name '*.lock')" ]
}

@test "pod clone: the pod, its containers, and what one of them needs of another" {
    hull pod create --name pattern --network none --memory 64m --label kind=one -v shared:/shared
    hull create --pod pattern --name pattern-db -e A=1 box sleep 1000
    hull create --pod pattern --name pattern-web --requires pattern-db box sh -c 'echo x >/mine; sleep 1000'
    hull pod start pattern
    run -0 hull pod clone pattern
    [ "$(hull pod inspect -f '{{.Name}} {{.Labels.kind}} {{len .Containers}}' "$output")" = "pattern-clone one 2" ]
    [ "$(hull inspect -f '{{.HostConfig.Memory}} {{.State.Status}}' pattern-web-clone)" = "$(hull inspect -f '{{.HostConfig.Memory}}' pattern-web) created" ]
    hull start pattern-web-clone
    # It needs the new one, not the other.
    [ "$(hull inspect -f '{{.State.Status}}' pattern-db-clone)" = running ]
    [ "$(hull exec pattern-db-clone hostname)" = pattern-clone ]
    [ "$(hull exec pattern-db-clone sh -c 'echo $A; ls -d /shared')" = $'1\n/shared' ]
    refuses 1 'containers that run' pod clone --destroy pattern again
    run ! hull pod exists again
    hull pod clone --destroy --force --start pattern again
    run ! hull pod exists pattern
    [ "$(hull inspect -f '{{.State.Status}}' pattern-web-clone1 pattern-db-clone1)" = $'running\nrunning' ]
    refuses 1 'no such pod' pod clone nobody
    refuses 125 'give that too' pod clone --force again
    refuses 1 'in use' pod clone again pattern-clone
    hull pod rm -f again pattern-clone
    hull volume rm shared
}
