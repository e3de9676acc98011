#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# volume ls, create, inspect, rm, prune.
# machines: native v2

load ../lib/hull
setup_file() { hull_setup; }
teardown_file() { hull_teardown; }

@test "volume: create, ls, inspect, used by a container, rm" {
    run -0 hull volume create --label tier=web --label x one
    [ "$output" = one ]
    run -0 hull volume create one
    run -0 hull volume ls
    [[ ${lines[0]} =~ ^DRIVER\ +VOLUME\ NAME$ ]]
    [[ ${lines[1]} =~ ^local\ +one$ ]]
    run -0 hull volume ls -q
    [ "$output" = one ]
    run -0 hull volume ls --format '{{.Name}} {{.Driver}} {{.Label "tier"}}'
    [ "$output" = "one local web" ]
    run -0 hull volume inspect -f '{{.Name}} {{.Labels.tier}} {{.Scope}}' one
    [ "$output" = "one web local" ]
    [ -d "$(hull volume inspect -f '{{.Mountpoint}}' one)" ]
    run -0 hull inspect --type volume -f '{{.Name}}' one
    [ "$output" = one ]
    hull run --rm -v one:/data box sh -c 'echo kept >/data/file'
    run -0 hull run --rm -v one:/data box cat /data/file
    [ "$output" = kept ]
    hull create --name holder -v one:/data box true
    refuses 1 'in use' volume rm one
    hull rm holder
    run -0 hull volume rm one
    [ "$output" = one ]
    refuses 1 'no such.*one' volume rm one
    run -0 hull volume rm -f one
}

@test "volume: names, drivers and filters that are wrong" {
    refuses 125 'driver' volume create -d nfs x
    refuses 125 'name' volume create a/b
    refuses 125 'nonsense' volume ls --filter nonsense=1
    refuses 1 'no such.*missing' volume inspect missing
}

@test "volume prune: anonymous ones without -a, all with it, none in use" {
    hull volume create named
    hull volume create held
    hull create --name pruner -v held:/a -v /anonymous box true
    anonymous=$(hull inspect -f '{{range .Mounts}}{{if eq .Destination "/anonymous"}}{{.Name}}{{end}}{{end}}' pruner)
    run -0 hull volume prune -f
    [[ $output != *named* && $output != *"$anonymous"* ]]
    hull rm pruner
    hull create --name pruner -v held:/a box true
    run -0 hull volume ls --filter dangling=true -q
    [[ $output == *named* && $output == *"$anonymous"* && $output != *held* ]]
    run -0 hull volume prune -f
    [[ $output == *"$anonymous"* && $output != *named* ]]
    run -0 hull volume prune -af
    [[ $output == *named* && $output != *held* ]]
    hull rm pruner
    hull volume rm held
}
