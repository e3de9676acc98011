#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# update: limits of running containers and of others, restart policies.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

limit_of() {
    cgroup_value "$2" "$(container_cgroup "$1" "$2")" "$3" "$4"
}

host_of() {
    hull inspect -f "{{.HostConfig.$2}}" "$1"
}

@test "memory: at once, in the record, and after a start; then none" {
    need_controller memory
    hull run -d --name mem -m 64M box sleep 1000
    run -0 hull update -m 96M mem
    [ "$output" = mem ]
    run -0 limit_of mem memory memory.limit_in_bytes memory.max
    [ "$output" = 100663296 ]
    [ "$(host_of mem Memory)" = 100663296 ]
    hull update -m 32M mem
    run -0 limit_of mem memory memory.limit_in_bytes memory.max
    [ "$output" = 33554432 ]
    hull restart -t 0 mem
    run -0 limit_of mem memory memory.limit_in_bytes memory.max
    [ "$output" = 33554432 ]
    hull update -m -1 mem
    run -0 limit_of mem memory memory.limit_in_bytes memory.max
    [[ $output == max || $output -gt 1000000000000 ]]
    [ "$(host_of mem Memory)" = 0 ]
    hull rm -f mem
}

@test "one that had no limits gets some while it runs" {
    need_controller memory
    need_controller pids
    hull run -d --name free box sleep 1000
    hull update -m 48M --pids-limit 77 free
    run -0 limit_of free memory memory.limit_in_bytes memory.max
    [ "$output" = 50331648 ]
    run -0 limit_of free pids pids.max pids.max
    [ "$output" = 77 ]
    hull update --pids-limit -1 free
    run -0 limit_of free pids pids.max pids.max
    [ "$output" = max ]
    hull exec free true
    hull rm -f free
}

@test "cpus: a quota; what was said last holds; then none" {
    need_controller cpu
    hull run -d --name cpu --cpus 0.5 box sleep 1000
    hull update --cpus 0.75 cpu
    run -0 limit_of cpu cpu cpu.cfs_quota_us cpu.max
    [[ $output == 75000 || $output == "75000 100000" ]]
    hull update --cpu-quota 20000 cpu
    [ "$(host_of cpu NanoCpus) $(host_of cpu CpuQuota)" = "0 20000" ]
    run -0 limit_of cpu cpu cpu.cfs_quota_us cpu.max
    [[ $output == 20000 || $output == "20000 100000" ]]
    hull update --cpus 0 cpu
    run -0 limit_of cpu cpu cpu.cfs_quota_us cpu.max
    [[ $output == -1 || $output == "max 100000" ]]
    hull update -c 512 cpu
    [ "$(host_of cpu CpuShares)" = 512 ]
    hull rm -f cpu
}

@test "of one that does not run it holds from the next start on" {
    need_controller pids
    hull create --name later box sleep 1000
    hull update --pids-limit 33 later
    hull start later
    run -0 limit_of later pids pids.max pids.max
    [ "$output" = 33 ]
    hull rm -f later
}

@test "restart policy: given to one that runs, and taken away" {
    hull run -d --name come box sh -c 'sleep 1000'
    hull update --restart always come
    [ "$(host_of come RestartPolicy.Name)" = always ]
    kill -9 "$(hull inspect -f '{{.State.Pid}}' come)"
    wait_until 30 sh -c "[ \$('$HULL' inspect -f '{{.RestartCount}}{{.State.Status}}' come) = 1running ]"
    hull update --restart no come
    kill -9 "$(hull inspect -f '{{.State.Pid}}' come)"
    wait_until 30 status_is come exited
    sleep 0.3
    status_is come exited
    hull rm come
}

@test "what is refused is not kept" {
    need_controller cpuset
    hull run -d --name set box sleep 1000
    refuses 1 'invalid --cpuset-cpus' update --cpuset-cpus 4000 set
    [ -z "$(host_of set CpusetCpus)" ]
    hull rm -f set
}

@test "bad input" {
    hull run -d --rm --name bad box sleep 1000
    refuses 125 'nothing to change' update bad
    refuses 1 'no such container' update -m 64M nobody
    refuses 125 'invalid --cpus' update --cpus many bad
    refuses 1 'it cannot have a restart policy' update --restart always bad
    hull create --name kept box true
    refuses 1 'invalid --restart' update --restart soon kept
    refuses 1 'emory' update -m 1k bad
    hull rm -f bad
}

@test "health: begins anew with what was said, at once; what was not said stays" {
    hull run -d --name checked box sh -c 'touch /well; sleep 1000'
    run ! hull update --health-interval nonsense checked
    hull update --health-cmd 'test -e /well' --health-interval 100ms --health-retries 2 checked
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Health.Status}}" checked)" = healthy ]'
    hull exec checked rm /well
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Health.Status}}" checked)" = unhealthy ]'
    hull update --health-cmd true checked
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Health.Status}}" checked)" = healthy ]'
    [ "$(hull inspect -f '{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Retries}} {{.Config.Healthcheck.Test}}' checked)" = "100000000 2 [CMD-SHELL true]" ]
    hull update --no-healthcheck checked
    [ "$(hull inspect -f '{{if .State.Health}}{{.State.Health.Status}}{{end}}' checked)" = "" ]
    [[ $(hull ps --filter name=checked --format '{{.Status}}') != *healthy* ]]
    # The action is that of now.
    hull update --health-cmd false --health-retries 1 --health-on-failure kill checked
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Status}}" checked)" = exited ]'
    # One that does not run has it when it starts.
    hull update --health-cmd true --health-on-failure none checked
    hull start checked
    wait_until 30 eval '[ "$(hull inspect -f "{{.State.Health.Status}}" checked)" = healthy ]'
    hull rm -f checked
}
