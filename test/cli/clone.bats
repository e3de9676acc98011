#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# clone: a container like another. And what is left after system reset.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

# What was asked for, without what is each container's own.
asked() { hull inspect "$1" | jq -S '.[0] | {Path, Args, Config: (.Config | del(.Hostname)), HostConfig: (.HostConfig | del(.ContainerIDFile)), Mounts: [.Mounts[] | select(.Type == "bind")]}'; }

@test "everything that was asked for holds again, nothing that was written" {
    hull run --name first -e A=1 -e 'B=two words' -v "$HULL_DIR/work:/work:ro" -v kept:/kept --memory 64M --cpus 0.5 --label a=b --workdir /tmp \
        --stop-signal USR1 --cap-drop NET_RAW --tmpfs /t:size=1m --health-cmd true box sh -c 'echo x >/mine; echo y >/kept/shared'
    id=$(hull clone first)
    [ "$(hull inspect -f '{{.Name}} {{.State.Status}}' "$id")" = "/first-clone created" ]
    diff <(asked first) <(asked first-clone)
    hull clone first
    [ "$(hull inspect -f '{{.Name}}' first-clone1)" = /first-clone1 ]
    [ "$(hull inspect -f '{{.Config.Hostname}}' first-clone)" = "${id:0:12}" ]
    named=$(hull clone --run first named)
    hull wait named
    [ "$(hull inspect -f '{{.State.ExitCode}} {{.Name}}' "$named")" = "0 /named" ]
    hull rm first first-clone first-clone1 named
    hull volume rm kept
}

@test "what was taken away from the image stays away; another image, another name" {
    printf 'FROM box\nENV FROM_IMAGE=1\nENTRYPOINT ["echo", "entry"]\nHEALTHCHECK CMD true\nCMD ["image"]\n' | hull build -q -t with-all -
    hull create --name less --entrypoint '' -e FROM_IMAGE --no-healthcheck with-all sh -c 'echo "[$FROM_IMAGE]"'
    hull clone less
    diff <(asked less) <(asked less-clone)
    run -0 hull start -a less-clone
    [ "$output" = "[]" ]
    hull create --name plain with-all
    hull clone plain other box
    [ "$(hull inspect -f '{{.Config.Image}} {{.Path}} {{.Args}}' other)" = "box echo [entry image]" ]
    # The name has gone to another image since.
    hull tag box with-all
    before=$(hull inspect -f '{{.Image}}' plain)
    hull clone --name again plain
    [ "$(hull inspect -f '{{.Image}}' again)" = "$before" ]
    hull rm less less-clone plain other again
}

@test "--destroy: the other goes, one that runs only by force; mistakes leave nothing" {
    old=$(hull run -d --name live box sleep 1000)
    run -1 hull clone --destroy live next
    [[ $output == *"is running"* ]]
    run ! hull inspect next
    hull clone --destroy -f --run live next
    run ! hull inspect "$old"
    [ "$(hull inspect -f '{{.State.Status}}' next)" = running ]
    run -1 hull clone nobody
    [[ $output == *"no such container: nobody"* ]]
    run ! hull clone next next
    [[ $output == *"is in use by container"* ]]
    run ! hull clone --force next x1
    run ! hull clone --name x1 next x2 box
    run ! hull clone next x1 no-such-image
    run ! hull inspect x1
    hull rm -f next
}

@test "system reset: as before the first command; what is not hull's stays" {
    export HULL_ROOT=$HULL_DIR/other-root HULL_RUN_ROOT=$HULL_DIR/other-run
    hull run -d --name one -v data:/data box sleep 1000
    hull run --name two box true
    echo "FROM box
RUN true" | hull build -q -t made -
    hull secret create word - <<<hidden
    pid=$(hull inspect -f '{{.State.Pid}} {{.State.MonitorPid}}' one)
    mkdir "$HULL_ROOT/mine"
    touch "$HULL_RUN_ROOT/mine"
    run -0 hull system reset <<<n
    hull inspect one >/dev/null
    hull system reset --force
    [ "$(find "$HULL_ROOT" "$HULL_RUN_ROOT" -mindepth 1 -printf '%P ')" = "mine mine " ]
    for p in $pid; do wait_until 30 test ! -d "/proc/$p"; done
    # It begins anew.
    run -0 hull run --rm box echo again
    [ "$output" = again ]
    hull system reset -f
    rm -r "$HULL_ROOT" "$HULL_RUN_ROOT"
}

@test "ids of its own are had again" {
    need_root
    hull create --name mapped --uidmap 0:100000:1000 --gidmap 0:100000:1000 box cat /proc/self/uid_map
    hull clone mapped
    run -0 hull start -a mapped-clone
    [ "$(echo $output)" = "0 100000 1000" ]
    hull rm mapped mapped-clone
}

@test "with limits of its own: the others stay; one that cannot be leaves no container" {
    hull create --name modest --memory 64M --cpu-shares 200 --pids-limit 30 box true
    hull clone --memory 128M --memory-swap 256M --cpus 0.5 modest bigger
    run -0 hull inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}}' bigger modest
    [ "$output" = $'134217728 500000000 200 30\n67108864 0 200 30' ]
    refuses 125 'invalid --cpus' clone --cpus many modest refused
    refuses 125 'swap' clone --memory 1G --memory-swap 1M modest refused
    refute_container refused
    hull rm modest bigger
}
