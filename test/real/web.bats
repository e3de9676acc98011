#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# nginx on the host's network; the examples of the lecture as they stand.

load ../lib/real
setup_file() {
    real_setup
    [ -z "${REAL_MISSING-}" ] || return 0
    hull pull -q "$REGISTRY/web:gz"
    hull pull -q "$REGISTRY/debian:12"
    hull pull -q "$REGISTRY/hello_world_cmd:first"
    hull tag "$REGISTRY/web:gz" nginx
    hull tag "$REGISTRY/debian:12" ubuntu
    hull tag "$REGISTRY/hello_world_cmd:first" hello_world_cmd:first
}
teardown_file() { real_teardown; }
setup() { real_or_skip; }

@test "nginx answers on the host's network, logs, and ends by its own stop signal" {
    port=$(free_port)
    mkdir -p site
    echo "a page" >site/index.html
    printf 'server { listen 127.0.0.1:%s; root /site; access_log /dev/stdout; }\n' "$port" >site.conf
    hull run -d --name web --network host -v "$PWD/site:/site:ro" -v "$PWD/site.conf:/etc/nginx/sites-enabled/default:ro" nginx
    get() { python3 -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:$port/').read().decode(), end='')"; }
    export -f get
    wait_until 20 get
    [ "$(get)" = "a page" ]
    wait_until 5 sh -c '"$HULL" logs web | grep "GET / HTTP"'
    run -0 hull top web
    [[ $output == *"worker process"* ]]
    hull stop web
    run -0 hull inspect -f '{{.State.ExitCode}}' web
    [ "$output" = 0 ]
    hull start web
    wait_until 20 get
    hull rm -f web
}

@test "lecture: hull run --cpus 0.5 -d nginx" {
    need_controller cpu
    id=$(hull run --cpus 0.5 -d nginx)
    cgroup=$(container_cgroup "$id" cpu)
    v=$(cgroup_value cpu "$cgroup" cpu.cfs_quota_us cpu.max)
    [[ $v == 50000* ]]
    hull rm -f "$id"
}

@test "lecture: hull run -d --name new-container --memory=256M ubuntu sleep infinity" {
    need_controller memory
    hull run -d --name new-container --memory=256M ubuntu sleep infinity
    cgroup=$(container_cgroup new-container memory)
    [ "$(cgroup_value memory "$cgroup" memory.limit_in_bytes memory.max)" = 268435456 ]
    hull rm -f new-container
}

@test "lecture: hull run -it hello_world_cmd:first Pavlos" {
    need_cmd tmux
    export HULL_TMUX=hull-web-$$
    tty_start t "'$HULL' run -it hello_world_cmd:first Pavlos; sleep 60"
    tty_shows 20 '^Hello Pavlos'
    tty_stop
}
